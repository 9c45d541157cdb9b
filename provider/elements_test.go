package provider

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestElements(t *testing.T) {
	f := func(stream, want, rest string) {
		t.Helper()
		for step := 1; step <= len(stream); step++ {
			var e Elements
			var got []string
			var all []byte
			for b := []byte(stream); len(b) > 0; b = b[min(step, len(b)):] {
				whole, err := e.Feed(b[:min(step, len(b))])
				if err != nil {
					t.Fatal(err)
				}
				for len(whole) > 0 {
					var event, data []byte
					event, data, whole = NextElement(whole)
					all = append(all, event...)
					if data != nil {
						got = append(got, string(data))
					}
				}
			}
			if strings.Join(got, "|") != want || string(e.Rest()) != rest || string(all)+rest != stream {
				t.Fatalf("%q in steps of %d: %q, rest %q, all %q", stream, step, got, e.Rest(), all)
			}
		}
	}
	f("[{\n \"a\": [1, {}]\n},\r\n{\"b\":\"}],{\\\"\"}\n]\n", "{\n \"a\": [1, {}]\n}|{\"b\":\"}],{\\\"\"}", "\n")
	f(`[]`, ``, ``)
	f(`[{"a":1},{"b":`, `{"a":1}`, `,{"b":`)
	for _, stream := range []string{`]`, `{"error":{}}`, `[{}]x`, `data: {}`, `[["{"]]`, `[}`} {
		if _, err := new(Elements).Feed([]byte(stream)); !errors.Is(err, ErrElements) {
			t.Errorf("%s: %v", stream, err)
		}
	}
}

// FuzzElements: however an array is cut into reads, its elements are the same and no byte is lost.
func FuzzElements(f *testing.F) {
	f.Add([]byte(`[{"a":"\\\"}"},{"b":[{}]}]`), 3)
	f.Add([]byte(`[["0{"}{}`), 137)
	f.Fuzz(func(t *testing.T, stream []byte, step int) {
		read := func(step int) (string, bool) {
			var e Elements
			var out, all []byte
			for b := stream; len(b) > 0; b = b[min(step, len(b)):] {
				whole, err := e.Feed(b[:min(step, len(b))])
				if err != nil {
					return "", false
				}
				all = append(all, whole...)
				for len(whole) > 0 {
					var data []byte
					_, data, whole = NextElement(whole)
					if data != nil {
						out = append(append(out, data...), '\n')
					}
				}
			}
			if !bytes.Equal(append(all, e.Rest()...), stream) {
				t.Fatal("bytes were lost")
			}
			return string(out), true
		}
		whole, ok := read(len(stream) + 1)
		split, okToo := read(max(1, step%64))
		if whole != split || ok != okToo {
			t.Fatalf("whole %q %v, split %q %v", whole, ok, split, okToo)
		}
	})
}
