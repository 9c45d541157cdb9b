package tenancy

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestLimiterCountsAWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter()
		f := func(tenant string, limit int64, want Quota) {
			t.Helper()
			if got, err := l.Take(t.Context(), tenant, limit); err != nil || got != want {
				t.Errorf("got %+v, %v; want %+v", got, err, want)
			}
		}
		f("a", 2, Quota{Allowed: true, Limit: 2, Remaining: 1, Reset: time.Hour})
		time.Sleep(20 * time.Minute)
		f("a", 2, Quota{Allowed: true, Limit: 2, Remaining: 0, Reset: 40 * time.Minute})
		f("b", 2, Quota{Allowed: true, Limit: 2, Remaining: 1, Reset: time.Hour})
		for range 5 { // a refused request consumes nothing
			f("a", 2, Quota{Allowed: false, Limit: 2, Remaining: 0, Reset: 40 * time.Minute})
		}
		f("a", 3, Quota{Allowed: true, Limit: 3, Remaining: 0, Reset: 40 * time.Minute})
		f("a", 0, Quota{Allowed: true})
		time.Sleep(40 * time.Minute)
		f("a", 2, Quota{Allowed: true, Limit: 2, Remaining: 1, Reset: time.Hour})
	})
}

func TestPeekCountsNothing(t *testing.T) {
	l := NewLimiter()
	for range 3 {
		if q, _ := l.Peek(t.Context(), "a", 1); !q.Allowed || q.Remaining != 1 {
			t.Fatalf("got %+v", q)
		}
	}
	_, _ = l.Take(t.Context(), "a", 1)
	if q, _ := l.Peek(t.Context(), "a", 1); q.Allowed || q.Remaining != 0 {
		t.Fatalf("got %+v", q)
	}
}

// However the calls come together, exactly the limit passes.
func TestLimiterIsExactUnderConcurrency(t *testing.T) {
	l := NewLimiter()
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 100 {
				if q, _ := l.Take(context.Background(), "a", 250); q.Allowed {
					passed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if passed.Load() != 250 {
		t.Errorf("%d passed, want 250", passed.Load())
	}
}

func TestLimiterForgetsWindowsThatEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter()
		for i := range 20_000 {
			_, _ = l.Take(t.Context(), fmt.Sprint(i), 5)
			if i%1000 == 0 {
				time.Sleep(Window)
			}
		}
		kept := 0
		for i := range l.shards {
			kept += len(l.shards[i].by)
		}
		if kept > 3*64*shardCount/2 {
			t.Errorf("%d windows kept", kept)
		}
	})
}

// In any run of requests no window passes more than the limit, and none is
// refused while there is room.
func TestLimiterProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(0, 0)
		l := NewLimiter()
		l.now = func() time.Time { return now }
		limit := rapid.Int64Range(1, 5).Draw(t, "limit")
		var ends time.Time
		var used int64
		for _, minutes := range rapid.SliceOfN(rapid.IntRange(0, 30), 1, 60).Draw(t, "pauses") {
			now = now.Add(time.Duration(minutes) * time.Minute)
			if !now.Before(ends) {
				ends, used = now.Add(Window), 0
			}
			q, _ := l.Take(context.Background(), "a", limit)
			if q.Allowed != (used < limit) {
				t.Fatalf("allowed %v with %d of %d used", q.Allowed, used, limit)
			}
			if q.Allowed {
				used++
			}
			if q.Remaining != limit-used || q.Reset != ends.Sub(now) {
				t.Fatalf("got %+v, want %d left, reset %v", q, limit-used, ends.Sub(now))
			}
		}
	})
}

func BenchmarkTake(b *testing.B) {
	l := NewLimiter()
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		_, _ = l.Take(ctx, "0199b3a1-0000-7000-8000-000000000000", 1<<60)
	}
}
