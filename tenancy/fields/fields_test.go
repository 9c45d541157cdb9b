package fields

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/generic-corp/halfpenny/llm"
)

type document struct {
	name, kind string
	on         bool
	count      int64
	price      llm.NullMoney
	share      float64
	number     float64
	list       []string
	at         time.Time
	inner      string
}

func read(raw string) (document, error) {
	d := document{name: "before", list: []string{"before"}}
	err := Object("", []byte(raw), map[string]Setter{
		"name": String(&d.name, 8), "kind": OneOf(&d.kind, "a", "b"), "on": Bool(&d.on), "count": Int(&d.count, 1, 9),
		"price": NullMoney(&d.price), "share": Share(&d.share), "number": Number(&d.number, 0, 0.5), "list": Strings(&d.list), "at": Time(&d.at),
		"nested": Nested(map[string]Setter{"inner": String(&d.inner, 8)}),
	})
	return d, err
}

// Whoever sends a wrong field must learn which one it is.
func TestObjectNamesTheWrongField(t *testing.T) {
	f := func(raw, field, problem string) {
		t.Helper()
		_, err := read(raw)
		var wrong *Error
		if !errors.As(err, &wrong) || wrong.Field != field || !strings.Contains(wrong.Problem, problem) {
			t.Errorf("%s: got %v, want %q %q", raw, err, field, problem)
		}
	}
	f(``, "", "not valid JSON")
	f(`{"name":"x"`, "", "not valid JSON")
	f(`[]`, "", "must be a JSON object")
	f(`null`, "", "must be a JSON object")
	f(`7`, "", "must be a JSON object")
	f(`{"nmae":"x"}`, "nmae", "not a known field")
	f(`{"Name":"x"}`, "Name", "not a known field")
	f(`{"name":7}`, "name", "must be a string")
	f(`{"name":"123456789"}`, "name", "at most 8 bytes")
	f(`{"name":"a\u0000b"}`, "name", "control characters")
	f(`{"kind":"c"}`, "kind", "one of a, b")
	f(`{"on":1}`, "on", "true or false")
	f(`{"count":0}`, "count", "from 1 to 9")
	f(`{"count":1.5}`, "count", "whole number")
	f(`{"count":"5"}`, "count", "whole number")
	f(`{"price":-1}`, "price", "not be negative")
	f(`{"price":"1"}`, "price", "amount in dollars")
	f(`{"price":0.0000000001}`, "price", "9 decimals")
	f(`{"price":1e10}`, "price", "1000000000")
	f(`{"share":0}`, "share", "above 0")
	f(`{"share":1.1}`, "share", "up to 1")
	f(`{"number":-0.1}`, "number", "from 0 to 0.5")
	f(`{"number":0.6}`, "number", "from 0 to 0.5")
	f(`{"number":"0"}`, "number", "from 0 to 0.5")
	f(`{"list":"a"}`, "list", "list of strings")
	f(`{"list":[""]}`, "list", "none empty")
	f(`{"list":[null]}`, "list", "list of strings")
	f(`{"at":"yesterday"}`, "at", "RFC 3339")
	f(`{"nested":[]}`, "nested", "must be a JSON object")
	f(`{"nested":{"x":1}}`, "nested.x", "not a known field")
	f(`{"nested":{"inner":1}}`, "nested.inner", "must be a string")
	f(`{"`+strings.Repeat("x", 100)+`":1}`, strings.Repeat("x", 64)+"…", "not a known field")
}

func TestObjectKeepsValues(t *testing.T) {
	d, err := read(`{"name":"n","kind":"b","on":true,"count":9,"price":1e-9,"share":0.95,"list":["x","y","x"],"at":"2026-01-02T03:04:05+01:00","nested":{"inner":"i"}}`)
	if err != nil {
		t.Fatal(err)
	}
	if d.name != "n" || d.kind != "b" || !d.on || d.count != 9 || d.price != llm.Known(1) || d.share != 0.95 || d.inner != "i" {
		t.Errorf("got %+v", d)
	}
	if strings.Join(d.list, " ") != "x y" || d.at.Format(time.RFC3339) != "2026-01-02T02:04:05Z" {
		t.Errorf("got %v, %v", d.list, d.at)
	}
}

func TestNullAndAbsentLeaveTheValue(t *testing.T) {
	for _, raw := range []string{`{}`, `{"name":null,"list":null,"nested":null,"price":null}`} {
		d, err := read(raw)
		if err != nil || d.name != "before" || len(d.list) != 1 || d.price.Valid {
			t.Errorf("%s: got %+v, %v", raw, d, err)
		}
	}
}

func FuzzObject(f *testing.F) {
	f.Add(`{"name":"n","price":1e-9,"list":["x"]}`)
	f.Add(`{"nested":{"inner":1}}`)
	f.Fuzz(func(t *testing.T, raw string) {
		d, err := read(raw)
		if err == nil && (len(d.name) > 8 || d.price.Money < 0 || d.count < 0 || d.count > 9) {
			t.Errorf("%q passed as %+v", raw, d)
		}
		var wrong *Error
		if err != nil && !errors.As(err, &wrong) {
			t.Errorf("%q: %v is no *Error", raw, err)
		}
	})
}
