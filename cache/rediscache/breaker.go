package rediscache

import (
	"sync/atomic"
	"time"
)

const (
	// trip is how many calls in a row must fail before Redis is left alone for rest.
	trip = 3
	rest = time.Second
)

// breaker leaves Redis alone for a while after it failed trip times in a row.
type breaker struct {
	failures atomic.Int64
	until    atomic.Int64 // unix nanoseconds; 0: closed
	failing  atomic.Bool  // the last call failed
}

// tries reports whether a call may be made; while the breaker is open, one caller
// in each rest period may.
func (b *breaker) tries(now time.Time) bool {
	until := b.until.Load()
	if until == 0 {
		return true
	}
	return now.UnixNano() >= until && b.until.CompareAndSwap(until, now.Add(rest).UnixNano())
}

// succeeded closes the breaker and reports whether the call before had failed.
func (b *breaker) succeeded() bool {
	if !b.failing.Load() {
		return false
	}
	b.failures.Store(0)
	b.until.Store(0)
	return b.failing.Swap(false)
}

// failed counts a failure and reports whether the call before had succeeded.
func (b *breaker) failed(now time.Time) bool {
	if b.failures.Add(1) >= trip {
		b.until.Store(now.Add(rest).UnixNano())
	}
	return !b.failing.Swap(true)
}
