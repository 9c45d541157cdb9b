// Package breaker leaves a service alone for a while that does not answer.
package breaker

import (
	"sync/atomic"
	"time"
)

// When a Breaker opens, and for how long.
const (
	Trip = 3           // how many calls in a row must fail
	Rest = time.Second // how long the service is then left alone
)

// Breaker opens when calls have failed several times in a row. The zero value is
// closed. It is safe for concurrent use.
type Breaker struct {
	failures atomic.Int64
	until    atomic.Int64 // unix nanoseconds; 0: closed
	failing  atomic.Bool  // the last call failed
}

// Tries reports whether a call may be made; while the breaker is open, one caller
// in each rest period may.
func (b *Breaker) Tries(now time.Time) bool {
	until := b.until.Load()
	if until == 0 {
		return true
	}
	return now.UnixNano() >= until && b.until.CompareAndSwap(until, now.Add(Rest).UnixNano())
}

// Succeeded closes the breaker and reports whether the call before had failed.
func (b *Breaker) Succeeded() bool {
	if !b.failing.Load() {
		return false
	}
	b.failures.Store(0)
	b.until.Store(0)
	return b.failing.Swap(false)
}

// Failed counts a failure and reports whether the call before had succeeded.
func (b *Breaker) Failed(now time.Time) bool {
	if b.failures.Add(1) >= Trip {
		b.until.Store(now.Add(Rest).UnixNano())
	}
	return !b.failing.Swap(true)
}

// Failing reports whether the last call failed.
func (b *Breaker) Failing() bool { return b.failing.Load() }
