package proxy

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of the queue, in calls.
const (
	maxWaiting       = 1000 // of all tenants
	maxWaitingTenant = 100  // of one
)

// queue is where calls wait while the rate limits of their targets are reached. Tenants
// are looked at in turn and the calls of each in the order of their arrival; a call
// passes an earlier one only if that one still has no target. Nothing runs while
// nobody waits. The zero value is not ready.
type queue struct {
	all, each int // bounds
	waiting   atomic.Int64
	asked     atomic.Bool // opened has been told, and has not set the timer yet

	mu    sync.Mutex
	lines []*line // of tenants that wait, from the one that is next
	timer *time.Timer
	due   time.Time // of timer; zero: it does not run
	rests time.Time // until when opened does not have it look again
}

// line is the calls of one tenant, in the order of their arrival.
type line struct {
	tenant string
	calls  []*waiter
}

// waiter is a call that waits.
type waiter struct {
	arrived time.Time
	// ready looks whether there is a target by now; where there is none it says when
	// that is worth another look. It is called by one goroutine at a time, and never
	// after the call has left.
	ready func(now time.Time) (bool, time.Time)
	free  chan struct{} // closed when ready
}

func newQueue(all, each int) *queue {
	q := &queue{all: all, each: each}
	q.timer = time.AfterFunc(time.Hour, q.look)
	q.timer.Stop()
	return q
}

// Why a call may not wait.
var (
	errTenantWaits = errors.New("too many calls of the tenant wait")
	errAllWait     = errors.New("too many calls wait")
	errDraining    = errors.New("the gateway stops")
)

// wait returns when w is ready (nil), when ctx ends or stop is closed, or at once where
// too many calls wait. Whatever it returns, w.ready runs no more.
func (q *queue) wait(ctx context.Context, stop <-chan struct{}, tenant string, w *waiter) error {
	w.free = make(chan struct{})
	err := q.enter(tenant, w)
	if err != nil {
		return err
	}
	select {
	case <-w.free:
		return nil
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-stop:
		err = errDraining
	}
	if !q.leave(tenant, w) {
		return nil // it became ready meanwhile
	}
	return err
}

func (q *queue) enter(tenant string, w *waiter) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	ready, next := w.ready(now) // it may have opened since it was decided to wait
	if ready {
		close(w.free)
		return nil
	}
	i := slices.IndexFunc(q.lines, func(l *line) bool { return l.tenant == tenant })
	switch {
	case i >= 0 && len(q.lines[i].calls) >= q.each:
		return errTenantWaits
	case q.waiting.Load() >= int64(q.all):
		return errAllWait
	case i < 0:
		i = len(q.lines)
		q.lines = append(q.lines, &line{tenant: tenant})
	}
	l := q.lines[i]
	at := len(l.calls)
	for at > 0 && l.calls[at-1].arrived.After(w.arrived) {
		at--
	}
	l.calls = slices.Insert(l.calls, at, w)
	q.waiting.Add(1)
	q.set(next)
	return nil
}

// leave takes w out; false: it was let go before.
func (q *queue) leave(tenant string, w *waiter) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.IndexFunc(q.lines, func(l *line) bool { return l.tenant == tenant })
	if i < 0 {
		return false
	}
	l := q.lines[i]
	at := slices.Index(l.calls, w)
	if at < 0 {
		return false
	}
	l.calls = slices.Delete(l.calls, at, at+1)
	if len(l.calls) == 0 {
		q.lines = slices.Delete(q.lines, i, i+1)
	}
	q.gone()
	return true
}

// gone counts a call that waits no more.
func (q *queue) gone() {
	if q.waiting.Add(-1) == 0 {
		q.timer.Stop()
		q.due = time.Time{}
	}
}

// opened has the queue look again, since targets may have opened. It returns at once.
func (q *queue) opened() {
	if q.waiting.Load() > 0 && q.asked.CompareAndSwap(false, true) {
		go func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			q.asked.Store(false)
			q.set(later(time.Now(), q.rests))
		}()
	}
}

// set has the queue look at t, unless it does so before.
func (q *queue) set(t time.Time) {
	if q.waiting.Load() > 0 && (q.due.IsZero() || t.Before(q.due)) {
		q.due = t
		q.timer.Reset(time.Until(t))
	}
}

// look lets go whoever has a target by now: tenant by tenant a call each, round after
// round. A tenant goes behind the others with each call of its that is let go.
func (q *queue) look() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.due = time.Time{}
	now := time.Now()
	var next time.Time
	lines := slices.Clone(q.lines)
	calls := make([][]*waiter, len(lines))
	for i, l := range lines {
		calls[i] = slices.Clone(l.calls)
	}
	for round, more := 0, true; more; round++ {
		more = false
		for i, l := range lines {
			if round >= len(calls[i]) {
				continue
			}
			more = true
			w := calls[i][round]
			if ready, at := w.ready(now); ready {
				q.release(l, w)
			} else if next.IsZero() || at.Before(next) {
				next = at
			}
		}
	}
	const share = 4 // of the time at most a fifth is spent in looking because targets may have opened
	q.rests = time.Now().Add(share * time.Since(now))
	if !next.IsZero() {
		q.set(next)
	}
}

// release lets w go.
func (q *queue) release(l *line, w *waiter) {
	l.calls = slices.DeleteFunc(l.calls, func(x *waiter) bool { return x == w })
	q.lines = slices.DeleteFunc(q.lines, func(x *line) bool { return x == l })
	if len(l.calls) > 0 {
		q.lines = append(q.lines, l)
	}
	close(w.free)
	q.gone()
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
