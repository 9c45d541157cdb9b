package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/store"
	"github.com/generic-corp/halfpenny/tenancy"
)

// roundTrip is the record as the codec gives it back.
func roundTrip(t *testing.T, r *llm.Record) llm.Record {
	t.Helper()
	back, err := llm.ParseRecord(r.Append(nil))
	ok(t, err)
	return back
}

func writeAndRead(t *testing.T, db Database, s store.Store) {
	newTenant(t, s, "acme")
	r := NewRecord("acme", 0)
	r.Attempts = append(r.Attempts, r.Attempts[0])
	r.Attempts[0].Outcome, r.Attempts[0].Status, r.Attempts[0].Provider = llm.OutcomeError, 500, "azure"
	r.Attempts[0].Usage, r.Attempts[0].Cost = llm.Usage{}, llm.Known(0)
	r.Attempts[1].N = 2
	stored := write(t, s, "acme", r)[0]
	equal(t, "seq", stored.Seq, int64(1))
	equal(t, "length of the hash", len(stored.Hash), 32)
	got, err := s.Record(t.Context(), "acme", r.ID)
	ok(t, err)
	if want := roundTrip(t, r); !reflect.DeepEqual(got.Record, want) {
		t.Fatalf("record %+v, want %+v", got.Record, want)
	}
	if got.Seq != 1 || !bytes.Equal(got.Hash, stored.Hash) {
		t.Fatalf("seq %d, hash %x", got.Seq, got.Hash)
	}
	columns := "id || ' ' || tenant_id || ' ' || key_id || ' ' || task_description || ' ' || requested_model || ' ' || selected_provider || ' ' || selected_model || ' ' || " +
		"input_tokens || ' ' || output_tokens || ' ' || cost_nanousd || ' ' || cost_status || ' ' || baseline_nanousd || ' ' || latency_ms || ' ' || status || ' ' || outcome || ' ' || tags"
	equal(t, "row", db.Column(t, "acme", "SELECT "+columns+" FROM {s}.orchestration_requests")[0],
		r.ID+" tenant-of-acme key1 chat, small gpt-5 openai gpt-5-mini 120 300 631750 exact 3150000 813 200 ok feature=chat,team=search")
	attempts := db.Column(t, "acme", "SELECT request_id || ' ' || n || ' ' || provider || ' ' || status || ' ' || outcome || ' ' || cost_nanousd || ' ' || latency_ms FROM {s}.request_attempts ORDER BY n")
	equal(t, "attempts", fmt.Sprint(attempts), fmt.Sprintf("[%s 1 azure 500 error 0 812 %s 2 openai 200 ok 631750 812]", r.ID, r.ID))
	u := rollups(t, s, "acme")
	equal(t, "rollups", len(u), 2)
	equal(t, "failed attempt", u[0], llm.Rollup{Start: quarter, Provider: "azure", Model: "gpt-5-mini", KeyID: "key1", Tags: r.Tags, Attempts: 1})
	equal(t, "served", u[1], llm.Rollup{Start: quarter, Provider: "openai", Model: "gpt-5-mini", KeyID: "key1", Tags: r.Tags, Requests: 1, Attempts: 1,
		Input: 120, Output: 300, Cost: 631_750, Baselined: 631_750, Baseline: 3_150_000, LatencyMs: 813})
	none, err := s.Append(t.Context(), "acme", nil)
	ok(t, err)
	equal(t, "written of nothing", len(none), 0)
	_, err = s.Append(t.Context(), "acme", []*llm.Record{NewRecord("globex", 1)})
	if err == nil {
		t.Fatal("a record of another tenant was written")
	}
	verifyChain(t, db, s, "acme", 1)
}

func unknownCosts(t *testing.T, db Database, s store.Store) {
	newTenant(t, s, "acme")
	r := NewRecord("acme", 0)
	r.Attempts[0].Cost, r.Attempts[0].CostStatus, r.Baseline = llm.NullMoney{}, llm.CostUnpriced, llm.NullMoney{}
	r.Attempts[0].Outcome = llm.OutcomeUnknown
	r.Substitution = &llm.Substitution{Provider: "x", Model: "y", Cost: 5, Savings: 7}
	write(t, s, "acme", r)
	for _, column := range []string{"cost_nanousd", "cost_usd", "baseline_nanousd", "baseline_usd"} {
		equal(t, column, db.Column(t, "acme", "SELECT "+column+" FROM {s}.orchestration_requests")[0], "NULL")
	}
	equal(t, "cost of the attempt", db.Column(t, "acme", "SELECT cost_usd FROM {s}.request_attempts")[0], "NULL")
	equal(t, "cost status", db.Column(t, "acme", "SELECT cost_status FROM {s}.orchestration_requests")[0], "unpriced")
	u := total(rollups(t, s, "acme"))
	equal(t, "sums", u, llm.Rollup{Requests: 1, Attempts: 1, Unpriced: 1, Unknown: 1, Input: 120, Output: 300, Potential: 7, LatencyMs: 813})
}

func exactDollars(t *testing.T, db Database, s store.Store) {
	newTenant(t, s, "acme")
	for _, m := range []llm.Money{0, 1, 999_999_999, llm.Dollar, llm.MaxMoney + 1, math.MaxInt64, -1, -llm.Dollar - 1, math.MinInt64 + 1} {
		r := NewRecord("acme", 0)
		r.Attempts[0].Cost = llm.Known(m)
		r.Baseline = llm.NullMoney{}
		write(t, s, "acme", r)
		got := db.Column(t, "acme", "SELECT cost_usd FROM {s}.orchestration_requests WHERE id = '"+r.ID+"'")[0]
		sign, abs := "", uint64(m)
		if m < 0 {
			sign, abs = "-", -abs
		}
		equal(t, "cost in dollars", got, fmt.Sprintf("%s%d.%09d", sign, abs/1e9, abs%1e9))
	}
}

func oddTexts(t *testing.T, db Database, s store.Store) {
	newTenant(t, s, "acme")
	r := NewRecord("acme", 0)
	r.Requested = "zero\x00byte and broken \xff\xfe"
	r.Model = strings.Repeat("é", 5000)
	r.Tags = strings.Repeat("team=x,", 5000)
	r.Task = "'; DROP TABLE orchestration_requests; --"
	r.Attempts[0].Model = strings.Repeat("\x00", 10_000)
	r.KeyID = strings.Repeat("k", 999)
	write(t, s, "acme", r, NewRecord("acme", 1))
	got, err := s.Record(t.Context(), "acme", r.ID)
	ok(t, err)
	equal(t, "model in the record", got.Model, r.Model)
	equal(t, "requested in the record", got.Requested, r.Requested)
	equal(t, "requests", total(rollups(t, s, "acme")).Requests, 2)
	equal(t, "requested", db.Column(t, "acme", "SELECT requested_model FROM {s}.orchestration_requests ORDER BY seq")[0], "zero\uFFFDbyte and broken \uFFFD")
	_, err = s.Record(t.Context(), "acme", "no\x00such")
	wantError(t, "odd id", err, tenancy.ErrNotFound)
	_, err = s.Requests(t.Context(), "acme", "\xff\x00", 10)
	ok(t, err)
}

func absurdSums(t *testing.T, db Database, s store.Store) {
	newTenant(t, s, "acme")
	for range 3 {
		r := NewRecord("acme", 0)
		r.Attempts[0].Usage = llm.Usage{Input: math.MaxInt64 / 2, Output: math.MaxInt64}
		r.Attempts[0].Cost, r.Baseline = llm.Known(math.MaxInt64), llm.Known(math.MaxInt64-1)
		write(t, s, "acme", r)
	}
	u := total(rollups(t, s, "acme"))
	equal(t, "requests", u.Requests, 3)
	equal(t, "cost", u.Cost, math.MaxInt64)
	equal(t, "input", u.Input, math.MaxInt64)
	verifyChain(t, db, s, "acme", 3)
}

func pages(t *testing.T, _ Database, s store.Store) {
	newTenant(t, s, "acme")
	records := newRecords("acme", 25)
	write(t, s, "acme", records...)
	var ids []string
	for before := ""; ; {
		page, err := s.Requests(t.Context(), "acme", before, 10)
		ok(t, err)
		if len(page) == 0 {
			break
		}
		for _, r := range page {
			ids = append(ids, r.ID)
		}
		before = ids[len(ids)-1]
	}
	equal(t, "records", len(ids), 25)
	for i, id := range ids {
		equal(t, "id", id, records[24-i].ID)
	}
	all, err := s.Requests(t.Context(), "acme", "", 1<<30)
	ok(t, err)
	equal(t, "records", len(all), 25)
	none, err := s.Requests(t.Context(), "acme", "", -1)
	ok(t, err)
	equal(t, "records", len(none), 0)

	for _, c := range []struct {
		from, to time.Time
		want     int
	}{
		{quarter, quarter.Add(time.Minute), 1},
		{quarter, quarter, 0},
		{quarter.Add(time.Microsecond), quarter.Add(time.Hour), 0},
		{quarter.Add(-time.Hour), quarter, 0},
		{quarter.Add(-time.Hour), quarter.Add(time.Microsecond), 1},
	} {
		got, err := s.Rollups(t.Context(), "acme", c.from, c.to)
		ok(t, err)
		equal(t, fmt.Sprint("rollups in ", c.from, c.to), len(got), c.want)
	}
}

func duplicates(t *testing.T, db Database, s store.Store) {
	newTenant(t, s, "acme")
	a, b, c := NewRecord("acme", 1), NewRecord("acme", 2), NewRecord("acme", 3)
	appendAll := func(s store.Store, want int, records ...*llm.Record) {
		t.Helper()
		stored, err := s.Append(t.Context(), "acme", records)
		ok(t, err)
		equal(t, "written", len(stored), want)
	}
	appendAll(s, 2, a, a, b, a)
	appendAll(s, 0, b, a)
	appendAll(db.Open(t), 1, a, c, b)
	changed := *a
	changed.Attempts = []llm.Attempt{a.Attempts[0]}
	changed.Attempts[0].Cost = llm.Known(1)
	appendAll(s, 0, &changed)
	verifyChain(t, db, s, "acme", 3)
	equal(t, "attempts", len(db.Column(t, "acme", "SELECT n FROM {s}.request_attempts")), 3)
	u := total(rollups(t, s, "acme"))
	equal(t, "requests", u.Requests, 3)
	equal(t, "cost", u.Cost, a.Cost().Money+b.Cost().Money+c.Cost().Money)
}

func duplicatesAtOnce(t *testing.T, db Database, s store.Store) {
	newTenant(t, s, "acme")
	records := newRecords("acme", 300)
	stores := []store.Store{s, db.Open(t), db.Open(t)}
	var mu sync.Mutex
	written := map[string]int{}
	for _, err := range atOnce(len(stores), func(i int) error {
		for at := 0; at < len(records); at += 50 {
			part := slices.Clone(records[at : at+50])
			if i == 1 {
				slices.Reverse(part)
			}
			stored, err := stores[i].Append(t.Context(), "acme", part)
			if err != nil {
				return err
			}
			mu.Lock()
			for _, r := range stored {
				written[r.ID]++
			}
			mu.Unlock()
		}
		return nil
	}) {
		ok(t, err)
	}
	equal(t, "ids", len(written), len(records))
	for id, n := range written {
		equal(t, "times that "+id+" was new", n, 1)
	}
	verifyChain(t, db, s, "acme", len(records))
	equal(t, "requests", total(rollups(t, s, "acme")).Requests, int64(len(records)))
}

func concurrentFlush(t *testing.T, db Database, s store.Store) {
	newTenant(t, s, "acme")
	stores := []store.Store{s, db.Open(t)}
	const writers, batches, size = 6, 5, 40
	var want llm.Money
	var mu sync.Mutex
	for _, err := range atOnce(writers, func(i int) error {
		for range batches {
			records := newRecords("acme", size)
			if _, err := stores[i%2].Append(t.Context(), "acme", records); err != nil {
				return err
			}
			mu.Lock()
			for _, r := range records {
				want += r.Cost().Money
			}
			mu.Unlock()
		}
		return nil
	}) {
		ok(t, err)
	}
	verifyChain(t, db, s, "acme", writers*batches*size)
	equal(t, "cost", total(rollups(t, s, "acme")).Cost, want)
}

// wantEmpty wants no trace of a flush.
func wantEmpty(t *testing.T, db Database, s store.Store, slug string) {
	t.Helper()
	for _, table := range []string{"orchestration_requests", "request_attempts", "usage_15m"} {
		equal(t, "rows of "+table, db.Column(t, slug, "SELECT count(*) FROM {s}."+table)[0], "0")
	}
	verifyChain(t, db, s, slug, 0)
}

func failedFlush(t *testing.T, db Database, s store.Store) {
	newTenant(t, s, "acme")
	records := newRecords("acme", 150)
	_, err := s.Append(t.Context(), "acme", nil) // makes the chain key
	ok(t, err)
	repair := db.Break(t, "acme")
	for range 2 {
		if _, err := s.Append(t.Context(), "acme", records); err == nil {
			t.Fatal("a flush succeeded without its sums")
		}
		wantEmpty(t, db, s, "acme")
	}
	repair()
	write(t, s, "acme", records...)
	verifyChain(t, db, s, "acme", len(records))
	equal(t, "requests", total(rollups(t, s, "acme")).Requests, int64(len(records)))
}

func cancelledFlush(t *testing.T, db Database, s store.Store) {
	newTenant(t, s, "acme")
	write(t, s, "acme", NewRecord("acme", 0))
	written := 1
	for i := range 40 {
		records := newRecords("acme", 300)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Duration(i)*300*time.Microsecond, errors.New("enough"))
		_, err := s.Append(ctx, "acme", records)
		cancel()
		count := len(db.Column(t, "acme", "SELECT id FROM {s}.orchestration_requests"))
		if err == nil && count != written+len(records) || count != written && count != written+len(records) {
			t.Fatalf("%d records after %d and a flush of %d that returned %v", count, written, len(records), err)
		}
		_, err = s.Append(t.Context(), "acme", records) // the retry
		ok(t, err)
		written += len(records)
	}
	verifyChain(t, db, s, "acme", written)
	equal(t, "requests", total(rollups(t, s, "acme")).Requests, int64(written))
	equal(t, "attempts", db.Column(t, "acme", "SELECT count(*) FROM {s}.request_attempts")[0], fmt.Sprint(written))
}

func drawMoney(t *rapid.T, name string) llm.NullMoney {
	if rapid.IntRange(0, 4).Draw(t, name+" unknown") == 0 {
		return llm.NullMoney{}
	}
	return llm.Known(llm.Money(rapid.Int64Range(0, 1<<40).Draw(t, name)))
}

func drawRecord(t *rapid.T, n int) *llm.Record {
	r := NewRecord("acme", n)
	pick := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name) }
	r.KeyID, r.Tags = pick("key", "k1", "k2"), pick("tags", "", "a=b")
	r.Provider, r.Model = pick("provider", "openai", "azure"), pick("model", "m1", "m2")
	r.Test, r.Simulated = rapid.Bool().Draw(t, "test"), rapid.Bool().Draw(t, "simulated")
	r.At = quarter.Add(time.Duration(rapid.IntRange(-2_000_000, 2_000_000).Draw(t, "ms")) * time.Millisecond)
	r.Total = time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "latency"))
	r.Baseline = drawMoney(t, "baseline")
	if rapid.Bool().Draw(t, "substitution") {
		r.Substitution = &llm.Substitution{Savings: llm.Money(rapid.Int64Range(0, 1<<40).Draw(t, "potential"))}
	}
	a := r.Attempts[0]
	r.Attempts = nil
	for i := range rapid.IntRange(0, 3).Draw(t, "attempts") {
		a.N, a.Provider, a.Model = i+1, pick("provider", "openai", "azure"), pick("model", "m1", "m2")
		a.Cost, a.Usage = drawMoney(t, "cost"), llm.Usage{Input: rapid.Int64Range(0, 1e9).Draw(t, "input"), Output: rapid.Int64Range(0, 1e9).Draw(t, "output")}
		a.Outcome = rapid.SampledFrom([]llm.Outcome{llm.OutcomeOK, llm.OutcomeUnknown}).Draw(t, "outcome")
		r.Attempts = append(r.Attempts, a)
	}
	return r
}

// sumOf is what rollups of the records must add up to.
func sumOf(sum *llm.Rollup, r *llm.Record) {
	sum.Requests++
	sum.LatencyMs += r.Total.Round(time.Millisecond).Milliseconds()
	if r.Unknown() {
		sum.Unknown++
	}
	cost := r.Cost()
	if !cost.Valid {
		sum.Unpriced++
	} else if r.Baseline.Valid {
		sum.Baseline += r.Baseline.Money
		sum.Baselined += cost.Money
	}
	if r.Substitution != nil {
		sum.Potential += r.Substitution.Savings
	}
	for _, a := range r.Attempts {
		sum.Attempts++
		sum.Input += a.Usage.Input
		sum.Output += a.Usage.Output
		sum.Cost += a.Cost.Money // 0 where unknown
	}
}

func sumsEqualRecords(t *testing.T, db Database, s store.Store) {
	newTenant(t, s, "acme")
	var want llm.Rollup
	var known []*llm.Record
	rapid.Check(t, func(rt *rapid.T) {
		var batch []*llm.Record
		for i := range rapid.IntRange(0, 20).Draw(rt, "records") {
			batch = append(batch, drawRecord(rt, i))
		}
		fresh := len(batch)
		for range rapid.IntRange(0, 3).Draw(rt, "duplicates") {
			if len(known) > 0 {
				batch = append(batch, rapid.SampledFrom(known).Draw(rt, "duplicate"))
			}
		}
		stored, err := s.Append(t.Context(), "acme", rapid.Permutation(batch).Draw(rt, "order"))
		ok(t, err)
		equal(t, "written", len(stored), fresh)
		for _, r := range batch[:fresh] {
			sumOf(&want, r)
			known = append(known, r)
		}
	})
	all := rollups(t, s, "acme")
	equal(t, "sums", total(all), want)
	for _, u := range all {
		if !u.Start.Equal(u.Start.Truncate(store.Quarter)) || u.Start.Location() != time.UTC {
			t.Fatalf("rollup starts at %v", u.Start)
		}
	}
	verifyChain(t, db, s, "acme", len(known))
	inRows := db.Column(t, "acme", "SELECT coalesce(sum(cost_nanousd), 0) FROM {s}.request_attempts")[0]
	equal(t, "cost in rows", inRows, fmt.Sprint(int64(want.Cost)))
	equal(t, "latency in rows", db.Column(t, "acme", "SELECT coalesce(sum(latency_ms), 0) FROM {s}.orchestration_requests")[0], fmt.Sprint(want.LatencyMs))
}

func isolation(t *testing.T, db Database, s store.Store) {
	newTenant(t, s, "acme")
	newTenant(t, s, "globex")
	r := NewRecord("globex", 1)
	write(t, s, "globex", r)
	_, err := s.Record(t.Context(), "acme", r.ID)
	wantError(t, "another tenant's record", err, tenancy.ErrNotFound)
	none, err := s.Requests(t.Context(), "acme", "", 10)
	ok(t, err)
	equal(t, "requests", len(none), 0)
	equal(t, "rollups", len(rollups(t, s, "acme")), 0)
	verifyChain(t, db, s, "acme", 0)
	verifyChain(t, db, s, "globex", 1)
	_, err = s.Append(t.Context(), "nobody", []*llm.Record{NewRecord("nobody", 1)})
	wantError(t, "append to nobody", err, tenancy.ErrNotFound)
	_, err = s.Record(t.Context(), "nobody", r.ID)
	wantError(t, "record of nobody", err, tenancy.ErrNotFound)
}
