package cache

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/generic-corp/halfpenny/llm"
)

func sample() *Entry {
	return &Entry{
		Stored: time.Unix(1790000000, 123456789).UTC(), TTL: time.Hour,
		Status: 200, ContentType: "text/event-stream", Stream: true, Body: []byte("data: {\"id\":\"1\"}\n\ndata: [DONE]\n\n"),
		Provider: "openai", Model: "gpt-5-mini", Served: "gpt-5-mini-2025-08-07",
		Usage: llm.Usage{Input: 300, CacheRead: 512, Output: 190, Fees: []llm.Fee{{Name: "web_search", Count: 1, Rate: 10_000_000_000_000, Per: 1000}}},
		Cost:  llm.Known(467_800),
	}
}

func drawEntry(t *rapid.T) *Entry {
	e := &Entry{
		TTL: time.Duration(rapid.Int64().Draw(t, "ttl")), Status: rapid.Int().Draw(t, "status"), ContentType: rapid.String().Draw(t, "type"),
		Stream: rapid.Bool().Draw(t, "stream"), Body: rapid.SliceOf(rapid.Byte()).Draw(t, "body"),
		Provider: rapid.String().Draw(t, "provider"), Model: rapid.String().Draw(t, "model"), Served: rapid.String().Draw(t, "served"),
	}
	if nanos := rapid.Int64().Draw(t, "stored"); nanos != 0 {
		e.Stored = time.Unix(0, nanos).UTC()
	}
	if rapid.Bool().Draw(t, "known") {
		e.Cost = llm.Known(llm.Money(rapid.Int64().Draw(t, "cost")))
	}
	usage := reflect.ValueOf(&e.Usage).Elem()
	for i := range usage.NumField() { // classes that are added later included
		switch f := usage.Field(i); f.Kind() {
		case reflect.Int64:
			f.SetInt(rapid.Int64().Draw(t, usage.Type().Field(i).Name))
		case reflect.Bool:
			f.SetBool(rapid.Bool().Draw(t, usage.Type().Field(i).Name))
		case reflect.Slice:
			e.Usage.Fees = append(e.Usage.Fees, llm.Fee{Name: rapid.String().Draw(t, "fee"), Count: rapid.Int64().Draw(t, "count"),
				Rate: llm.Rate(rapid.Int64().Draw(t, "rate")), Per: rapid.Int64().Draw(t, "per")})
		default:
			t.Fatalf("usage has a %v", f.Kind())
		}
	}
	return e
}

// Whatever an entry holds comes back, and so does a clone of it.
func TestEntryRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawEntry(t)
		got, err := ParseEntry(e.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		if len(e.Body) == 0 {
			got.Body = e.Body
		}
		if !reflect.DeepEqual(got, e) {
			t.Fatalf("got %+v, want %+v", got, e)
		}
		if c := e.clone(); !reflect.DeepEqual(c, e) || c.size() != e.size() {
			t.Fatalf("the clone is %+v, want %+v", c, e)
		}
	})
	if got := sample().Append([]byte("head")); !bytes.Equal(got, append([]byte("head"), sample().Append(nil)...)) {
		t.Error("Append does not append")
	}
}

// No part of an entry is an entry, nor is an entry with something behind it.
func TestParseEntryRefuses(t *testing.T) {
	whole := sample().Append(nil)
	f := func(what string, b []byte) {
		t.Helper()
		if _, err := ParseEntry(b); !errors.Is(err, ErrEntry) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for n := range whole {
		f("cut", whole[:n])
	}
	f("too long", append(bytes.Clone(whole), 0))
	f("another version", append([]byte{entryVersion + 1}, whole[1:]...))
	none := appendSized(append([]byte{entryVersion, 0}, 0), (&llm.Record{}).Append(nil))
	f("without an attempt", appendSized(none, nil))
	f("a length beyond all bounds", append([]byte{entryVersion, 0}, bytes.Repeat([]byte{0xff}, 9)...))
	f("a length of 2^63", append(append([]byte{entryVersion, 0}, bytes.Repeat([]byte{0x80}, 9)...), 1))
}

// The clock decides to the nanosecond.
func TestFreshness(t *testing.T) {
	e := sample()
	end := e.Stored.Add(time.Hour)
	f := func(now time.Time, fresh bool, age time.Duration) {
		t.Helper()
		if e.Fresh(now) != fresh || e.Age(now) != age {
			t.Errorf("fresh %v at the age of %v, want %v, %v", e.Fresh(now), e.Age(now), fresh, age)
		}
	}
	f(e.Stored, true, 0)
	f(e.Stored.Add(-time.Minute), true, 0)
	f(end.Add(-1), true, time.Hour-1)
	f(end, false, time.Hour)
	if (&Entry{TTL: time.Hour}).Fresh(time.Now()) || (&Entry{Stored: time.Now()}).Fresh(time.Now()) {
		t.Error("an entry without a time, or without a TTL, is fresh")
	}
	if e := (&Entry{Stored: end, TTL: math.MaxInt64}); !e.Fresh(end) {
		t.Error("the longest TTL is none")
	}
}

func FuzzEntry(f *testing.F) {
	f.Add(sample().Append(nil))
	f.Add((&Entry{}).Append(nil))
	f.Add(sample().Append(nil)[:60])
	f.Add([]byte{entryVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ParseEntry(b)
		if err != nil {
			if e != nil || !errors.Is(err, ErrEntry) {
				t.Fatalf("got %+v with %v, which should wrap ErrEntry", e, err)
			}
			return
		}
		again, err := ParseEntry(e.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(again, e) {
			t.Fatalf("got %+v, want %+v", again, e)
		}
		c := &Entry{TTL: e.TTL, Stored: e.Stored, Body: b, ContentType: string(b), Served: string(b)}
		if again, err = ParseEntry(c.Append(nil)); err != nil || !bytes.Equal(again.Body, b) || again.ContentType != string(b) || again.Served != string(b) {
			t.Fatalf("%q comes back as %+v, %v", b, again, err)
		}
	})
}
