package habits

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/generic-corp/halfpenny/llm"
)

var start = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// shelf is a Source that counts how often it is read.
type shelf struct {
	mu    sync.Mutex
	of    map[string]llm.Experience
	reads map[string]int
	since [2]time.Time
	err   error
}

func (s *shelf) Experience(_ context.Context, slug string, usage, feedback time.Time) (llm.Experience, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reads == nil {
		s.reads = map[string]int{}
	}
	s.reads[slug]++
	s.since = [2]time.Time{usage, feedback}
	return s.of[slug], s.err
}

// output is an experience of 20 calls with so many tokens each.
func output(tokens int64) llm.ModelUsage {
	return llm.ModelUsage{Model: "m", Calls: 20, Output: 20 * tokens, Named: 1}
}

// reader is a book whose reading the test does itself.
type reader struct {
	*testing.T
	*Book
	shelf *shelf
	clock time.Time
	live  bool
}

func newReader(t *testing.T, of map[string]llm.Experience) *reader {
	r := &reader{T: t, shelf: &shelf{of: of}, clock: start, live: true}
	r.Book = NewBook(r.shelf, func() bool { return r.live }, slog.New(slog.DiscardHandler))
	r.now = func() time.Time { return r.clock }
	return r
}

// catchUp reads all that was asked for.
func (r *reader) catchUp() {
	for len(r.wanted) > 0 {
		r.load(r.Context(), <-r.wanted)
	}
}

// knows checks the output that is known of a tenant's model; 0: nothing.
func (r *reader) knows(slug string, test bool, want int64) {
	r.Helper()
	if h, _ := r.Of(slug, test, r.clock).Of("m"); h.Output != want {
		r.Errorf("%s, test %v: output %d, want %d", slug, test, h.Output, want)
	}
}

func TestBookReadsInTheBackground(t *testing.T) {
	r := newReader(t, map[string]llm.Experience{"acme": {Usage: []llm.ModelUsage{output(100)}}})
	for range 10 {
		r.knows("acme", false, 0) // the first request does not wait
	}
	r.catchUp()
	r.knows("acme", false, 100)
	r.knows("globex", false, 0)
	r.catchUp()
	r.knows("globex", false, 0)
	if r.shelf.reads["acme"] != 1 || r.shelf.reads["globex"] != 1 {
		t.Errorf("read %v", r.shelf.reads)
	}
	if want := [2]time.Time{start.AddDate(0, 0, -30), start.AddDate(0, 0, -90)}; r.shelf.since != want {
		t.Errorf("read since %v", r.shelf.since)
	}
}

func TestBookIsRefreshed(t *testing.T) {
	r := newReader(t, map[string]llm.Experience{"acme": {Usage: []llm.ModelUsage{output(100)}}})
	r.knows("acme", false, 0)
	r.catchUp()
	r.shelf.of["acme"] = llm.Experience{Usage: []llm.ModelUsage{output(200)}}
	r.clock = r.clock.Add(Refresh - 1)
	r.knows("acme", false, 100)
	if len(r.wanted) != 0 {
		t.Error("it is read within the minute")
	}
	r.clock = r.clock.Add(1)
	r.knows("acme", false, 100)
	r.knows("acme", false, 100)
	if len(r.wanted) != 1 {
		t.Errorf("%d times asked for", len(r.wanted))
	}
	r.catchUp()
	r.knows("acme", false, 200)

	// What the database does not say stays as it was, and is asked for again a minute later.
	r.shelf.err = errors.New("down")
	for range 2 {
		r.clock = r.clock.Add(Refresh)
		r.knows("acme", false, 200)
		r.catchUp()
		r.knows("acme", false, 200)
	}
	r.shelf.err, r.shelf.of["acme"] = nil, llm.Experience{}
	r.clock = r.clock.Add(Refresh)
	r.knows("acme", false, 200)
	r.catchUp()
	r.knows("acme", false, 0)
	if r.shelf.reads["acme"] != 5 {
		t.Errorf("read %v", r.shelf.reads)
	}
}

// Nothing simulated, and nothing of test keys, teaches what is real.
func TestTrafficIsApart(t *testing.T) {
	mark := func(u llm.ModelUsage, simulated, test bool) llm.ModelUsage {
		u.Simulated, u.Test = simulated, test
		return u
	}
	r := newReader(t, map[string]llm.Experience{"acme": {Usage: []llm.ModelUsage{
		mark(output(100), false, false), mark(output(200), true, false), mark(output(300), true, true),
	}}})
	r.knows("acme", false, 0)
	r.catchUp()
	r.knows("acme", false, 100)
	r.knows("acme", true, 300)
	r.live = false
	r.knows("acme", false, 200)
	r.knows("acme", true, 300)
}

func TestBookIsBounded(t *testing.T) {
	of := map[string]llm.Experience{}
	for i := range 30 {
		of[fmt.Sprint("t", i)] = llm.Experience{Usage: []llm.ModelUsage{output(100)}}
	}
	r := newReader(t, of)
	r.most = 20
	for i := range 30 {
		r.clock = r.clock.Add(time.Millisecond)
		r.Of("t0", false, r.clock)
		r.Of(fmt.Sprint("t", i), false, r.clock)
		r.catchUp()
		if len(r.tenants) > 20 {
			t.Fatalf("%d tenants", len(r.tenants))
		}
	}
	r.knows("t0", false, 100) // it never fell silent
	r.knows("t29", false, 100)
	r.knows("t1", false, 0)
}

// More tenants than may wait are asked for again by their next request.
func TestWaitingIsBounded(t *testing.T) {
	r := newReader(t, map[string]llm.Experience{"late": {Usage: []llm.ModelUsage{output(100)}}})
	for i := range maxWanted {
		r.Of(fmt.Sprint(i), false, r.clock)
	}
	r.knows("late", false, 0)
	r.catchUp()
	r.knows("late", false, 0)
	r.catchUp()
	r.knows("late", false, 100)
}

func TestTenantsAreApart(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		mine := drawExperience(rt)
		r := newReader(t, map[string]llm.Experience{"acme": *mine, "globex": *drawExperience(rt)})
		r.Of("acme", false, r.clock)
		r.Of("globex", false, r.clock)
		r.catchUp()
		alone := Learn(mine)
		for _, m := range modelNames {
			got, _ := r.Of("acme", false, r.clock).Of(m)
			if want, _ := alone.Of(m); got.Output != want.Output || got.CacheShare != want.CacheShare || got.Bias-want.Bias > 1e-12 || want.Bias-got.Bias > 1e-12 {
				rt.Fatalf("%s: %+v beside another tenant, %+v alone", m, got, want)
			}
		}
	})
}

func TestRunEnds(t *testing.T) {
	r := newReader(t, map[string]llm.Experience{"acme": {Usage: []llm.ModelUsage{output(100)}}})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Book.Run(ctx)
	}()
	for end := time.Now().Add(5 * time.Second); r.Of("acme", false, r.clock) == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it was never read")
		}
	}
	stop()
	<-done
}

func TestAskingDoesNotAllocate(t *testing.T) {
	r := newReader(t, map[string]llm.Experience{"acme": {Usage: []llm.ModelUsage{output(100)}}})
	r.Of("acme", false, r.clock)
	r.catchUp()
	if n := testing.AllocsPerRun(100, func() { _, _ = r.Of("acme", false, r.clock).Of("m") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
