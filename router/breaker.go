package router

import (
	"sync"
	"sync/atomic"
	"time"
)

// breaker is a cool-down with exponential backoff. Reading its condition takes no lock.
type breaker struct {
	until    atomic.Int64 // nanoseconds since 1970; 0: not cooling
	failures atomic.Int32 // consecutive
	mu       sync.Mutex
	trying   bool // a trial call is under way
	limit    bool // a rate limit is the reason, and nothing else
}

// condition of no breaker at all is Healthy.
func (b *breaker) condition(now time.Time) Condition {
	if b == nil {
		return Healthy
	}
	switch until := b.until.Load(); {
	case until == 0:
		return Healthy
	case until > now.UnixNano():
		return Cooling
	}
	return Trial
}

// fail counts a failure and cools from the given number on: for as long as the
// provider asks, else with backoff. Failures of calls that were under way when the
// cool-down began do not prolong it. limit: a rate limit is the reason. It reports
// whether a trial call has ended.
func (b *breaker) fail(now time.Time, from int32, asked time.Duration, limit bool) (tried bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.condition(now) == Cooling && !b.trying {
		b.limit = b.limit && limit
		if end := now.Add(asked).UnixNano(); end > b.until.Load() {
			b.until.Store(end)
		}
		return false
	}
	tried, b.trying, b.limit = b.trying, false, limit
	n := b.failures.Add(1)
	if asked <= 0 {
		if n < from {
			return tried
		}
		asked = min(longestCool, firstCool<<min(n-from, 10))
	}
	b.until.Store(now.Add(asked).UnixNano())
	return tried
}

// ok ends the cool-down and reports whether there was one. Where early is false, a
// success during the cool-down does not count unless it was the trial: its call may
// have begun before.
func (b *breaker) ok(now time.Time, early bool) (ended bool) {
	if b.until.Load() == 0 && b.failures.Load() == 0 {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !early && !b.trying && b.condition(now) == Cooling {
		return false
	}
	b.trying = false
	b.failures.Store(0)
	return b.until.Swap(0) != 0
}

// claim takes the trial call of a cool-down that has ended; only one caller gets it.
// taken: it is this one's to give back.
func (b *breaker) claim(now time.Time) (ok, taken bool) {
	if b.condition(now) == Healthy {
		return true, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.condition(now) != Trial {
		return b.condition(now) == Healthy, false
	}
	b.trying = true
	b.until.Store(now.Add(trialLease).UnixNano())
	return true, true
}

// giveBack lets another have the trial call.
func (b *breaker) giveBack(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.trying {
		b.trying = false
		b.until.Store(now.UnixNano())
	}
}

// closing is how long a breaker keeps its target closed.
type closing struct {
	until   int64 // nanoseconds since 1970; 0: it is open
	limit   bool  // because of a rate limit alone
	pending bool  // the outcome of a trial call may end it before
}

func (b *breaker) closing(now time.Time) closing {
	if b.condition(now) != Cooling {
		return closing{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return closing{until: b.until.Load(), limit: b.limit, pending: b.trying}
}

// trials are the trial calls that one use of a target takes: of its account, its
// model, its API key, and its model by that key.
type trials struct {
	taken [4]*breaker
	n     int
}

// claim takes the trial call of b where there is one; false: it is another's, or b cools.
func (t *trials) claim(now time.Time, b *breaker) bool {
	ok, taken := b.claim(now)
	if taken {
		t.taken[t.n] = b
		t.n++
	}
	return ok
}

// giveBack undoes all but the first keep claims.
func (t *trials) giveBack(now time.Time, keep int) {
	for ; t.n > keep; t.n-- {
		t.taken[t.n-1].giveBack(now)
	}
}
