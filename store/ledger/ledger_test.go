package ledger

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/generic-corp/halfpenny/llm"
)

func TestRecordReachesTheDatabaseOnce(t *testing.T) {
	dir, sink := t.TempDir(), newSink()
	l := open(t, quick(dir), sink)
	start(t, l, "acme", 1)
	if _, ok := l.Pending("acme", uuid(1)); ok {
		t.Error("a call under way is already readable")
	}
	finish(t, l, "acme", 1)
	flush(t, l)
	if got := sink.snapshot()[uuid(1)]; !reflect.DeepEqual(got, *finished("acme", 1)) {
		t.Errorf("stored %+v", got)
	}
	if s := l.Stats(); s.Open != 0 || s.Queue != 0 || s.Flushed != 1 || s.Duplicate != 0 || s.Err != nil {
		t.Errorf("stats %+v", s)
	}
	closeNow(t, l)
	if left := journalFiles(t, dir); len(left) != 0 {
		t.Errorf("left after a clean end: %v", left)
	}
	if err := l.Started(started("acme", 2)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("after Close: %v, want ErrUnavailable", err)
	}
}

// A receipt is readable from the end of the response on, in memory or not, by its own tenant.
func TestPending(t *testing.T) {
	sink := newSink()
	sink.refuse = down
	l := open(t, quick(t.TempDir()), sink)
	const calls = 20 // MemoryMax is 4
	for n := range uint64(calls) {
		start(t, l, "acme", n)
		finish(t, l, "acme", n)
		got, ok := l.Pending("acme", uuid(n))
		if !ok || !reflect.DeepEqual(got, *finished("acme", n)) {
			t.Fatalf("call %d: %v %+v", n, ok, got)
		}
	}
	if _, ok := l.Pending("other", uuid(1)); ok {
		t.Error("another tenant reads the receipt")
	}
	if _, ok := l.Pending("acme", "no-uuid"); ok {
		t.Error("a receipt without a call")
	}
	if s := l.Stats(); s.Queue != calls || s.Oldest <= 0 {
		t.Errorf("stats %+v", s)
	}
	sink.set(nil)
	closeNow(t, l)
	if got := len(sink.snapshot()); got != calls {
		t.Errorf("%d of %d stored", got, calls)
	}
}

func TestFolderIsLocked(t *testing.T) {
	dir := t.TempDir()
	l := open(t, quick(dir), newSink())
	if _, err := Open(quick(dir), newSink()); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("second Open: %v, want ErrLocked naming %s", err, dir)
	}
	closeNow(t, l)
	closeNow(t, open(t, quick(dir), newSink()))
}

func TestOpenRefuses(t *testing.T) {
	f := func(want string, o Options) {
		t.Helper()
		if _, err := Open(o, newSink()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f("no folder", Options{})
	f("segment of 100", Options{Dir: t.TempDir(), SegmentBytes: 100})
	f("does not hold three", Options{Dir: t.TempDir(), SegmentBytes: 1 << 20, MaxBytes: 2 << 20})
	f("not a directory", Options{Dir: filepath.Join(file, "sub")})

	newer := header(1)
	newer[len(segmentMagic)] = 2
	dir := t.TempDir()
	writeSegment(t, dir, 1, append(sumHeader(newer), "frames of tomorrow"...))
	f("newer version", quick(dir))
}

func TestUnfinishedCallsBecomeUnknown(t *testing.T) {
	f := func(name string, change func(*llm.Record), want func(*llm.Record)) {
		t.Helper()
		dir, sink := t.TempDir(), newSink()
		l := open(t, quick(dir), sink)
		r := started("acme", 7)
		change(r)
		if err := l.Started(r); err != nil {
			t.Fatal(err)
		}
		abandon(l)
		for range 2 { // a second crash before the flush changes nothing
			sink.set(down)
			abandon(open(t, quick(dir), sink))
		}
		sink.set(nil)
		l = open(t, quick(dir), sink)
		closeNow(t, l)
		expect := *r
		expect.Done, expect.Outcome, expect.Provider, expect.Model, expect.Considered = true, llm.OutcomeUnknown, "openai", "gpt-5-mini", nil
		expect.Attempts = append([]llm.Attempt(nil), r.Attempts...)
		last := &expect.Attempts[len(expect.Attempts)-1]
		last.Outcome, last.Usage = llm.OutcomeUnknown, llm.Usage{Input: 7, Output: 5, Estimated: true}
		want(&expect)
		if rows := sink.snapshot(); len(rows) != 1 || !reflect.DeepEqual(rows[uuid(7)], expect) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", name, rows[uuid(7)], expect)
		}
	}
	cost := llm.Known(7*3 + 5*2)
	f("priced", func(*llm.Record) {}, func(r *llm.Record) { r.Attempts[0].Cost, r.Attempts[0].CostStatus = cost, llm.CostEstimated })
	f("unpriced", func(r *llm.Record) { r.Attempts[0].Priced = false }, func(r *llm.Record) { r.Attempts[0].CostStatus = llm.CostUnpriced })
	f("simulated", func(r *llm.Record) { r.Attempts[0].Simulated = true }, func(r *llm.Record) {
		r.Simulated, r.Attempts[0].Cost, r.Attempts[0].CostStatus = true, cost, llm.CostSimulated
	})
	f("second attempt", func(r *llm.Record) {
		first := r.Attempts[0]
		first.Outcome, first.Status, first.Provider, first.Cost, first.CostStatus = llm.OutcomeError, 500, "groq", llm.Known(0), llm.CostExact
		r.Attempts = append([]llm.Attempt{first}, r.Attempts...)
	}, func(r *llm.Record) { r.Attempts[1].Cost, r.Attempts[1].CostStatus = cost, llm.CostEstimated })
}

// The newest snapshot counts, whatever segment it lies in.
func TestNewestSnapshotWins(t *testing.T) {
	dir, sink := t.TempDir(), newSink()
	l := open(t, quick(dir), sink)
	start(t, l, "acme", 1)
	r := started("acme", 1)
	r.Attempts = append(r.Attempts, r.Attempts[0])
	r.Attempts[0].Outcome, r.Attempts[0].Cost, r.Attempts[1].N = llm.OutcomeTimeout, llm.Known(0), 2
	if err := l.Started(r); err != nil {
		t.Fatal(err)
	}
	abandon(l)
	closeNow(t, open(t, quick(dir), sink))
	got := sink.snapshot()[uuid(1)]
	if len(got.Attempts) != 2 || got.Attempts[0].Outcome != llm.OutcomeTimeout || got.Attempts[1].Outcome != llm.OutcomeUnknown {
		t.Errorf("attempts %+v", got.Attempts)
	}
}

// A tenant whose schema is gone, and a record that no database takes, hold up nobody else.
func TestPoisonHoldsUpNobody(t *testing.T) {
	sink := newSink()
	sink.refuse = func(slug string, records []*llm.Record) error {
		if slug == "gone" {
			return errors.New("schema does not exist")
		}
		for _, r := range records {
			if r.ID == uuid(3) {
				return errors.New("value out of range")
			}
		}
		return nil
	}
	l := open(t, quick(t.TempDir()), sink)
	for n := range uint64(10) {
		start(t, l, "acme", n)
		finish(t, l, "acme", n)
		finish(t, l, "gone", 100+n)
		finish(t, l, "well", 200+n)
	}
	eventually(t, "the others are stored", func() bool { return len(sink.snapshot()) == 19 })
	eventually(t, "only poison is left", func() bool { return l.Stats().Queue == 11 })
	if s := l.Stats(); s.SinkErr == nil || s.Failures == 0 || s.Err != nil {
		t.Errorf("stats %+v", s)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := l.Close(ctx); err == nil {
		t.Error("Close says that everything was flushed")
	}
}

func TestFlushAndCloseEndWithTheirContext(t *testing.T) {
	dir, sink := t.TempDir(), newSink()
	sink.refuse = down
	l := open(t, quick(dir), sink)
	finish(t, l, "acme", 1)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := l.Flush(ctx); err == nil {
		t.Error("Flush says that everything is stored")
	}
	if err := l.Close(ctx); err == nil {
		t.Error("Close says that everything is stored")
	}
	sink.set(nil)
	closeNow(t, open(t, quick(dir), sink))
	if len(sink.snapshot()) != 1 {
		t.Error("the record is lost")
	}
}

// At the bound no call begins, every one that has begun is recorded, and it goes on when the database is back.
func TestJournalBound(t *testing.T) {
	sink := newSink()
	sink.refuse = down
	o := quick(t.TempDir())
	o.MaxBytes = 4 * int64(o.SegmentBytes)
	l := open(t, o, sink)
	var n uint64
	var refused error
	for ; refused == nil; n++ {
		refused = l.Started(started("acme", n))
	}
	if !errors.Is(refused, ErrUnavailable) || n < 10 {
		t.Fatalf("call %d: %v", n, refused)
	}
	if l.Stats().Err == nil {
		t.Error("a full journal is not reported")
	}
	begun := n - 1
	for n := range begun {
		r := finished("acme", n)
		r.Tags = strings.Repeat("x", 1800)
		if err := l.Finished(r); err != nil {
			t.Fatalf("final record %d of %d: %v", n, begun, err)
		}
	}
	if s := l.Stats(); s.Bytes > o.MaxBytes {
		t.Errorf("%d bytes, bound %d", s.Bytes, o.MaxBytes)
	}
	sink.set(nil)
	flush(t, l)
	eventually(t, "calls begin again", func() bool { return l.Started(started("acme", 1<<20)) == nil })
	if s := l.Stats(); s.Err != nil || len(sink.snapshot()) != int(begun) {
		t.Errorf("%d of %d stored, stats %+v", len(sink.snapshot()), begun, s)
	}
	finish(t, l, "acme", 1<<20)
	closeNow(t, l)
}

// What is too large for a frame loses its candidates first; what is too large to begin with never begins.
func TestLargeRecords(t *testing.T) {
	dir, sink := t.TempDir(), newSink()
	l := open(t, quick(dir), sink)
	start(t, l, "acme", 1)
	r := finished("acme", 1)
	for range 1000 {
		r.Considered = append(r.Considered, r.Considered[0])
	}
	if err := l.Finished(r); err != nil {
		t.Fatal(err)
	}
	big := started("acme", 2)
	big.Tags = strings.Repeat("x", 8<<10)
	if err := l.Started(big); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v, want ErrTooLarge", err)
	}
	closeNow(t, l)
	if _, there := sink.snapshot()[uuid(1)]; !there {
		t.Error("the large record is lost")
	}
}

func TestMisuse(t *testing.T) {
	sink := newSink()
	sink.refuse = down
	l := open(t, quick(t.TempDir()), sink)
	start(t, l, "acme", 1)
	finish(t, l, "acme", 1)
	if l.Started(started("acme", 1)) == nil || l.Finished(finished("acme", 1)) == nil {
		t.Error("a request that is finished goes on")
	}
	sink.set(nil)
	closeNow(t, l)
}

// One long stream and one tenant that cannot be flushed must not fill the journal.
func TestOldRecordsAreCopiedOn(t *testing.T) {
	sink := newSink()
	sink.refuse = func(slug string, _ []*llm.Record) error {
		if slug == "gone" {
			return errors.New("schema does not exist")
		}
		return nil
	}
	o := quick(t.TempDir())
	o.MaxBytes = 12 * int64(o.SegmentBytes)
	l := open(t, o, sink)
	begin := func(slug string, n uint64) {
		eventually(t, "there is room", func() bool { return l.Started(started(slug, n)) == nil })
	}
	const step, calls = 40, 3000
	for n := range uint64(calls) {
		switch {
		case n%step == 0 && n < 40*step:
			begin("slow", n) // stays open
		case n%step == 1 && n < 40*step:
			begin("gone", n)
			finish(t, l, "gone", n)
		default:
			begin("acme", n)
			finish(t, l, "acme", n)
		}
	}
	for n := uint64(0); n < 40*step; n += step {
		finish(t, l, "slow", n)
	}
	sink.set(nil)
	closeNow(t, l)
	if got := len(sink.snapshot()); got != calls {
		t.Errorf("%d of %d stored", got, calls)
	}
}

func TestConcurrentCalls(t *testing.T) {
	sink := newSink()
	sink.forget = func() bool { return chance(10) }
	sink.refuse = func(string, []*llm.Record) error {
		if chance(20) {
			return errors.New("deadlock")
		}
		return nil
	}
	o := quick(t.TempDir())
	o.BatchMax, o.SegmentBytes, o.MaxBytes = 64, 64<<10, 8<<20
	l := open(t, o, sink)
	const writers, each = 16, 300
	var wg sync.WaitGroup
	for w := range uint64(writers) {
		wg.Go(func() {
			slug := []string{"acme", "beta", "gamma"}[w%3]
			for i := range uint64(each) {
				n := w*each + i
				start(t, l, slug, n)
				if i%5 == 0 {
					start(t, l, slug, n)
				}
				finish(t, l, slug, n)
				l.Pending(slug, uuid(n))
				l.Stats()
			}
		})
	}
	wg.Wait()
	sink.mu.Lock()
	sink.refuse, sink.forget = nil, nil
	sink.mu.Unlock()
	closeNow(t, l)
	checkSums(t, sink.snapshot(), writers*each)
}

// checkSums compares count and cost with those of the calls 0 … n-1.
func checkSums(t testing.TB, rows map[string]llm.Record, n int) {
	t.Helper()
	var got, want llm.Money
	for _, r := range rows {
		got += r.Cost().Money
	}
	for i := range n {
		want += llm.Money(3*i + 10)
	}
	if len(rows) != n || got != want {
		t.Errorf("%d records cost %d, want %d that cost %d", len(rows), got, n, want)
	}
}

// A frame that waits to be written when the journal closes is found by the next one.
func TestCloseWritesWhatWaits(t *testing.T) {
	dir, sink := t.TempDir(), newSink()
	l := open(t, quick(dir), sink)
	frame := appendRecord(nil, started("acme", 1))
	l.mu.Lock()
	err := l.ensure(int64(len(frame)))
	if err == nil {
		_, err = l.claim(frame)
	}
	b := l.pending
	l.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	closeNow(t, l)
	if !b.done || b.err != nil {
		t.Errorf("done %v, %v", b.done, b.err)
	}
	closeNow(t, open(t, quick(dir), sink))
	if rows := sink.snapshot(); len(rows) != 1 || rows[uuid(1)].Outcome != llm.OutcomeUnknown {
		t.Errorf("%d calls are known: %+v", len(rows), rows)
	}
}

func TestSteadyStateAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	sink := newSink()
	sink.refuse = down
	o := Options{Dir: t.TempDir(), FlushEvery: time.Hour, FsyncEvery: time.Hour, BatchMax: 1 << 20, MemoryMax: -1}
	l := open(t, o, sink)
	defer abandon(l)
	const runs = 2000
	calls := make([]*llm.Record, runs+1)
	for n := range calls {
		calls[n] = started("acme", uint64(n))
	}
	i := 0
	if got := testing.AllocsPerRun(runs, func() {
		if err := errors.Join(l.Started(calls[i]), l.Finished(calls[i])); err != nil {
			t.Fatal(err)
		}
		i++
	}); got > 0 {
		t.Errorf("%v allocations for a call, want 0", got)
	}
}
