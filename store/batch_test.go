package store

import (
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/generic-corp/halfpenny/llm"
)

func TestText(t *testing.T) {
	f := func(in string, limit int, want string) {
		t.Helper()
		if got := text(in, limit); got != want {
			t.Errorf("text(%q, %d) = %q, want %q", in, limit, got, want)
		}
	}
	f("", 10, "")
	f("gpt-5", 10, "gpt-5")
	f("gpt-5", 5, "gpt-5")
	f("gpt-5", 4, "gpt-")
	f("é", 1, "")
	f("aé", 2, "a")
	f("a\x00b", 10, "a\uFFFDb")
	f("a\xffb", 10, "a\uFFFDb")
	f("\x00", 2, "")
}

func FuzzText(f *testing.F) {
	f.Add("a\x00\xff", 3)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		if limit < 0 || limit > 1<<20 {
			return
		}
		got := text(s, limit)
		if len(got) > limit || !utf8.ValidString(got) || strings.Contains(got, "\x00") {
			t.Fatalf("text(%q, %d) = %q", s, limit, got)
		}
	})
}

func TestMillis(t *testing.T) {
	f := func(d time.Duration, want int64) {
		t.Helper()
		if got := millis(d); got != want {
			t.Errorf("millis(%v) = %d, want %d", d, got, want)
		}
	}
	f(0, 0)
	f(499*time.Microsecond, 0)
	f(500*time.Microsecond, 1)
	f(1499*time.Microsecond, 1)
	f(time.Hour, 3_600_000)
}

func TestAdd(t *testing.T) {
	f := func(a, b, want int64) {
		t.Helper()
		if got := add(a, b); got != want {
			t.Errorf("add(%d, %d) = %d, want %d", a, b, got, want)
		}
	}
	f(1, 2, 3)
	f(math.MaxInt64, 1, math.MaxInt64)
	f(1, math.MaxInt64, math.MaxInt64)
	f(math.MinInt64, -1, math.MinInt64)
	f(-1, math.MinInt64, math.MinInt64)
	f(math.MaxInt64, math.MinInt64, -1)
}

func TestQuarterOf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMicro(rapid.Int64Range(-1<<50, 1<<52).Draw(t, "at")).UTC()
		start := time.UnixMicro(quarterOf(at.UnixMicro())).UTC()
		if start.After(at) || at.Sub(start) >= Quarter || start.Minute()%15 != 0 || start.Second() != 0 || start.Nanosecond() != 0 {
			t.Fatalf("the quarter of %v starts at %v", at, start)
		}
	})
}

func TestSchemaOf(t *testing.T) {
	f := func(slug, want string) {
		t.Helper()
		s, err := SchemaOf(slug)
		if (err == nil) != (want != "") || s.Name() != want {
			t.Errorf("SchemaOf(%q) = %q, %v, want %q", slug, s.Name(), err, want)
		}
	}
	f("acme", "tenant_acme")
	f("acme-corp-2", "tenant_acme_corp_2")
	f("abc", "tenant_abc")
	f(strings.Repeat("a", 40), "tenant_"+strings.Repeat("a", 40))
	f(strings.Repeat("a", 41), "")
	f("ab", "")
	f("a_b", "")
	f("Acme", "")
	f("acme-", "")
	f("acme\n", "")
	f(`a"b`, "")
	f("a/b", "")
	if s, _ := SchemaOf("acme-corp"); s.Prefix() != `"tenant_acme_corp".` || s.Slug() != "acme-corp" {
		t.Errorf("prefix %s, slug %s", s.Prefix(), s.Slug())
	}
}

// The chain of what is left after Drop starts anew and does not depend on what was dropped.
func TestChainAfterDrop(t *testing.T) {
	records := []*llm.Record{{ID: "a", Slug: "x"}, {ID: "b", Slug: "x"}, {ID: "b", Slug: "x"}, {ID: "c", Slug: "x"}}
	b, err := NewBatch("x", records)
	if err != nil || len(b.Rows()) != 3 {
		t.Fatalf("%d rows, %v", len(b.Rows()), err)
	}
	key, head := []byte("key"), Head{41, []byte("previous")}
	b.Chain(head, key)
	b.Drop([]string{"b", "z"})
	if end := b.Chain(head, key); end.Seq != 43 || len(b.Stored()) != 2 {
		t.Fatalf("head %d, %d rows", end.Seq, len(b.Stored()))
	}
	previous := head.Hash
	for i, w := range b.Rows() {
		if w.Seq != int64(42+i) || !Verify(key, previous, w.Bytes, w.Hash) {
			t.Fatalf("row %s has number %d and hash %x", w.ID, w.Seq, w.Hash)
		}
		if Verify(key, previous, append([]byte{1}, w.Bytes...), w.Hash) || Verify([]byte("other"), previous, w.Bytes, w.Hash) || Verify(key, nil, w.Bytes, w.Hash) {
			t.Fatal("a forged link verifies")
		}
		previous = w.Hash
	}
}
