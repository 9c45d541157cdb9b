package provider

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"
)

// appendMessage appends a message of an AWS event stream.
func appendMessage(dst []byte, kind, event string, payload []byte) []byte {
	var headers []byte
	for _, h := range [][2]string{{":event-type", event}, {":content-type", "application/json"}, {":message-type", kind}} {
		headers = append(append(headers, byte(len(h[0]))), h[0]...)
		headers = append(headers, 7)
		headers = append(binary.BigEndian.AppendUint16(headers, uint16(len(h[1]))), h[1]...)
	}
	return appendFrame(dst, headers, payload)
}

func appendFrame(dst, headers, payload []byte) []byte {
	start := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(headers)+len(payload)+preludeLength+crcLength))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(headers)))
	dst = binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[start:]))
	dst = append(append(dst, headers...), payload...)
	return binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[start:]))
}

func TestEventStream(t *testing.T) {
	stream := appendMessage(nil, "event", "messageStart", []byte(`{"role":"assistant"}`))
	stream = appendFrame(stream, nil, nil)
	stream = appendMessage(stream, "exception", "throttlingException", []byte(`{}`))
	for step := 1; step <= len(stream); step++ {
		var s EventStream
		var got []string
		for b := stream; len(b) > 0; b = b[min(step, len(b)):] {
			whole, err := s.Feed(b[:min(step, len(b))])
			if err != nil {
				t.Fatal(err)
			}
			for len(whole) > 0 {
				var one []byte
				one, whole = NextMessage(whole)
				m, err := ParseMessage(one)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, string(m.Type)+" "+string(m.Event)+" "+string(m.Payload))
			}
		}
		if len(got) != 3 || got[0] != `event messageStart {"role":"assistant"}` || got[1] != "  " || got[2] != "exception throttlingException {}" || len(s.Rest()) > 0 {
			t.Fatalf("in steps of %d: %q, %d bytes rest", step, got, len(s.Rest()))
		}
	}
}

func TestEventStreamRefuses(t *testing.T) {
	f := func(what string, b []byte, want error) {
		t.Helper()
		if _, err := new(EventStream).Feed(b); !errors.Is(err, want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	whole := appendMessage(nil, "event", "x", []byte("{}"))
	f("a whole message", whole, nil)
	f("a part of one", whole[:20], nil)
	flip := func(i int) []byte { b := bytes.Clone(whole); b[i] ^= 1; return b }
	f("a wrong length", flip(3), ErrEventStream)
	f("a wrong checksum of the prelude", flip(9), ErrEventStream)
	f("a wrong payload", flip(len(whole)-5), ErrEventStream)
	f("a wrong checksum", flip(len(whole)-1), ErrEventStream)
	prelude := func(length, headers uint32) []byte {
		b := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, length), headers)
		return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	}
	f("too short a message", prelude(15, 0), ErrEventStream)
	f("headers longer than the message", prelude(20, 5), ErrEventStream)
	f("headers that overflow", prelude(20, 1<<32-1), ErrEventStream)
	f("too long a message", prelude(maxEvent+1, 0), ErrEventTooLarge)
	f("text", []byte("data: {}\n\ndata: {}\n\n"), ErrEventStream)

	for _, headers := range []string{"\x05:a", "\x01a\x07\x00", "\x01a\x07\x00\x05x", "\x01a\x0a", "\x01a\x08\x00"} {
		if m, err := ParseMessage(appendFrame(nil, []byte(headers), nil)); !errors.Is(err, ErrEventStream) {
			t.Errorf("headers %q: %+v, %v", headers, m, err)
		}
	}
	if m, err := ParseMessage(appendFrame(nil, []byte("\x01a\x00\x01b\x01\x01c\x04\x00\x00\x00\x01\x01d\x09aaaaaaaaaaaaaaaa\x0d:message-type\x07\x00\x05event"), []byte("p"))); err != nil || string(m.Type) != "event" || string(m.Payload) != "p" {
		t.Errorf("all types of headers: %+v, %v", m, err)
	}
}

func TestEventStreamDoesNotAllocate(t *testing.T) {
	stream := appendMessage(nil, "event", "chunk", []byte(`{"bytes":"e30="}`))
	var s EventStream
	if n := testing.AllocsPerRun(100, func() {
		whole, _ := s.Feed(stream)
		one, _ := NextMessage(whole)
		if _, err := ParseMessage(one); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a message", n)
	}
}

// FuzzEventStream: whatever comes, in whatever pieces, the same messages come out or
// an error, never more bytes than went in, and nothing panics.
func FuzzEventStream(f *testing.F) {
	f.Add(appendMessage(appendMessage(nil, "event", "a", []byte("{}")), "exception", "b", nil), 5)
	f.Add(appendFrame(nil, []byte("\x01a\x07\x00\x05x"), []byte("x")), 1)
	f.Add([]byte("\x00\x00\x00\x10\x00\x00\x00\x00"), 3)
	f.Fuzz(func(t *testing.T, stream []byte, step int) {
		read := func(step int) (all []byte, failed bool) {
			var s EventStream
			for b := stream; len(b) > 0; b = b[min(step, len(b)):] {
				whole, err := s.Feed(b[:min(step, len(b))])
				all = append(all, whole...)
				for len(whole) > 0 {
					var one []byte
					one, whole = NextMessage(whole)
					if m, err := ParseMessage(one); err == nil && len(m.Payload)+preludeLength+crcLength > len(one) {
						t.Fatalf("a payload of %d bytes in a message of %d", len(m.Payload), len(one))
					}
				}
				if err != nil {
					return all, true
				}
			}
			return all, false
		}
		_, _ = ParseMessage(stream)
		whole, failed := read(len(stream) + 1)
		split, failedToo := read(max(1, step%64))
		if !bytes.Equal(whole, split) || failed != failedToo || !bytes.HasPrefix(stream, whole) {
			t.Fatalf("whole %q, %v; split %q, %v", whole, failed, split, failedToo)
		}
	})
}
