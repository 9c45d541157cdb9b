package jsonscan

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestMembers(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		members, err := Members(nil, []byte(in))
		got := ""
		for _, m := range members {
			got += string(m.Name) + "=" + string(m.Value) + ";"
		}
		if err != nil {
			got += "! " + err.Error()
		}
		if got != want {
			t.Errorf("Members(%q)\n got %s\nwant %s", in, got, want)
		}
	}
	f(`{}`, ``)
	f(" {\n} ", ``)
	f(`{"a":1,"b" : "x" , "c":[1,{"d":null}]}`, `a=1;b="x";c=[1,{"d":null}];`)
	f(`{"a":"\"\\\u00e9\n"}`, `a="\"\\\u00e9\n";`)
	f(`{"a":-0.5e+10}`, `a=-0.5e+10;`)
	f(`[]`, `! not a JSON object at byte 0`)
	f(``, `! unexpected end of JSON at byte 0`)
	f(`{"a":1`, `a=1;! unexpected end of JSON at byte 6`)
	f(`{"a":1,}`, `a=1;! expected a member name at byte 7`)
	f(`{"a" 1}`, `! expected ':' at byte 5`)
	f(`{"a":01}`, `a=0;! expected ',' or '}' at byte 6`)
	f(`{"a":tru}`, `! expected a value at byte 5`)
	f(`{"a":"\x"}`, `! invalid escape in a string at byte 6`)
	f("{\"a\":\"12345678\n\"}", `! control character in a string at byte 14`)
	f(`{"a":1} x`, `a=1;! unexpected data after the JSON value at byte 8`)
	f(`{"a":`+strings.Repeat("[", 600), `! nested too deep at byte 517`)
}

// FuzzMembers holds the scanner against encoding/json: what it accepts is a JSON
// object, and what encoding/json accepts as an object it accepts.
func FuzzMembers(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2,{"b":"c"}],"d":-1.5e3}`, `{"a":"\ud800\u00zz"}`, `{"model":"x","messages":[{"role":"user","content":"hi"}]}`, "{\"\x00\":1}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		members, err := Members(nil, b)
		var want map[string]json.RawMessage
		isObject := json.Unmarshal(b, &want) == nil && want != nil
		if (err == nil) != isObject {
			t.Fatalf("accepted %v, encoding/json %v: %q", err == nil, isObject, b)
		}
		for _, m := range members {
			if err == nil && !json.Valid(m.Value) {
				t.Fatalf("member value %q is not JSON", m.Value)
			}
		}
	})
}

func TestMembersDoesNotAllocate(t *testing.T) {
	body := []byte(`{"model":"gpt-4o-mini","messages":[{"role":"user","content":"` + strings.Repeat("a lazy dog ", 100) + `"}],"stream":true}`)
	dst := make([]Member, 0, 8)
	if n := testing.AllocsPerRun(100, func() { dst, _ = Members(dst[:0], body) }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkMembers100KB(b *testing.B) {
	body := []byte(`{"model":"gpt-4o-mini","messages":[{"role":"user","content":"` + strings.Repeat("a lazy dog ", 9300) + `"}]}`)
	dst := make([]Member, 0, 8)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		dst, _ = Members(dst[:0], body)
	}
}

func TestItems(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		got := ""
		Items([]byte(in), func(name, value []byte) { got += string(name) + "=" + string(value) + ";" })
		if got != want {
			t.Errorf("Items(%s)\n got %s\nwant %s", in, got, want)
		}
	}
	f(`{}`, ``)
	f(` [ ] `, ``)
	f(`12`, ``)
	f(`{"a" : 1 , "b\"" :"x\\" , "c":{"d":["}"]},"e":null }`, `a=1;b\"="x\\";c={"d":["}"]};e=null;`)
	f(`[1, "]" ,[2,"\\\""],{"a":true} ]`, `=1;="]";=[2,"\\\""];={"a":true};`)
}

// FuzzItems: on whatever is valid, Items finds the members that Members found, and
// the elements that encoding/json finds.
func FuzzItems(f *testing.F) {
	f.Add([]byte(`{"a":[1,"\\\"",{"b":""}],"c" : -1e5 }`))
	f.Add([]byte(`[ "a\\", [], {} , 1 ]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		i := 0
		if members, err := Members(nil, b); err == nil {
			Items(b, func(name, value []byte) {
				if string(members[i].Name) != string(name) || string(members[i].Value) != string(value) || string(b[members[i].At:][:len(value)]) != string(value) {
					t.Fatalf("member %d of %q: %q %q", i, b, name, value)
				}
				i++
			})
			if i != len(members) {
				t.Fatalf("%d of %d members of %q", i, len(members), b)
			}
		}
		var elements []json.RawMessage
		if json.Unmarshal(b, &elements) == nil {
			i = 0
			Items(b, func(_, value []byte) {
				if string(elements[i]) != string(value) {
					t.Fatalf("element %d of %q: %q", i, b, value)
				}
				i++
			})
			if i != len(elements) {
				t.Fatalf("%d of %d elements of %q", i, len(elements), b)
			}
		}
	})
}

func TestAppendTextIsWhatJSONMeans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		raw, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(AppendText([]byte("before "), raw[1:len(raw)-1])); got != "before "+text {
			t.Fatalf("%s means %q, got %q", raw, text, got)
		}
	})
	f := func(raw, want string) {
		t.Helper()
		if got := string(AppendText(nil, []byte(raw))); got != want {
			t.Errorf("%s means %q, got %q", raw, want, got)
		}
	}
	f(`\b\f\/\"`, "\b\f/\"")
	f(`\ud83d\ude42`, "🙂")
	f(`\ud83dx`, "\uFFFDx")
	f(`\u12`, `\u12`)
	f(`a\`, `a\`)
}
