package ledger

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/generic-corp/halfpenny/llm"
)

// Bounds of the wait after a batch that failed.
const (
	retryMin = 100 * time.Millisecond
	retryMax = 5 * time.Second
)

// queue is what one tenant has finished, oldest first. A tenant whose batches fail
// holds up no other. Its fields are guarded by Ledger.mu.
type queue struct {
	slug   string
	keys   []key // those before head are gone
	head   int
	listed bool  // in Ledger.due, or being flushed
	batch  int   // records in the next batch
	err    error // of the last batch
	wait   time.Duration
	retry  time.Time // not before
	logged time.Time
}

func (q *queue) len() int { return len(q.keys) - q.head }

func (q *queue) push(k key) {
	if q.head > 64 && q.head > len(q.keys)/2 {
		q.keys = q.keys[:copy(q.keys, q.keys[q.head:])]
		q.head = 0
	}
	q.keys = append(q.keys, k)
}

func (q *queue) pop(n int) {
	q.head += n
	if q.len() > 0 {
		return
	}
	q.head = 0
	if q.keys = q.keys[:0]; cap(q.keys) > 4096 {
		q.keys = nil // what an outage heaped up
	}
}

func (l *Ledger) queue(slug string) *queue {
	q := l.queues[slug]
	if q == nil {
		q = &queue{slug: slug, batch: l.o.BatchMax}
		l.queues[slug] = q
	}
	return q
}

// push queues a finished record.
func (l *Ledger) push(q *queue, k key) {
	q.push(k)
	l.unflushed++
	l.list(q)
	if q.len() == l.o.BatchMax {
		wake(l.kick)
	}
}

func (l *Ledger) list(q *queue) {
	if !q.listed && q.len() > 0 {
		q.listed = true
		l.due = append(l.due, q)
	}
}

// flusher hands the queues that are due to goroutines, as many as there are slots.
func (l *Ledger) flusher() {
	defer l.wg.Done()
	tick := time.NewTicker(l.o.FlushEvery)
	defer tick.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-tick.C:
		case <-l.kick:
		}
		for _, q := range l.takeDue(time.Now()) {
			select {
			case <-l.ctx.Done():
				return
			case l.slots <- struct{}{}:
			}
			l.wg.Add(1)
			go l.flushQueue(q)
		}
	}
}

// takeDue takes those queues off the list that need not wait.
func (l *Ledger) takeDue(now time.Time) []*queue {
	l.mu.Lock()
	defer l.mu.Unlock()
	var due []*queue
	waiting := l.due[:0]
	for _, q := range l.due {
		if now.Before(q.retry) {
			waiting = append(waiting, q)
		} else {
			due = append(due, q)
		}
	}
	clear(l.due[len(waiting):])
	l.due = waiting
	return due
}

// flushQueue sends one batch of a tenant and lists the tenant again if it has more.
func (l *Ledger) flushQueue(q *queue) {
	defer l.wg.Done()
	defer func() { <-l.slots }()
	keys, records, err := l.batch(q)
	var stored []llm.Stored
	if err == nil {
		ctx, cancel := context.WithTimeout(l.ctx, l.o.SinkTimeout)
		stored, err = l.sink.Append(ctx, q.slug, records)
		cancel()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failed(q, len(keys), err)
	} else {
		l.succeeded(q, keys, len(stored))
	}
	q.listed = false
	l.list(q)
	if err == nil && q.len() >= l.o.BatchMax {
		wake(l.kick)
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// batch returns the oldest records of a tenant, read back from the journal where
// they are not in memory.
func (l *Ledger) batch(q *queue) ([]key, []*llm.Record, error) {
	l.mu.Lock()
	n := min(q.batch, q.len())
	keys := append([]key(nil), q.keys[q.head:q.head+n]...)
	l.mu.Unlock()
	records := make([]*llm.Record, n)
	for i, k := range keys {
		rec, err := l.resolve(k)
		if err != nil {
			return keys, nil, err
		}
		records[i] = rec
	}
	return keys, records, nil
}

func (l *Ledger) resolve(k key) (*llm.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[k]
	if e.rec != nil {
		return e.rec, nil
	}
	rec, err := e.read()
	return &rec, err
}

// succeeded forgets a batch that the database has and marks it in the journal, so
// that it is not sent again after a crash.
func (l *Ledger) succeeded(q *queue, keys []key, stored int) {
	for _, k := range keys {
		l.forget(k)
	}
	q.pop(len(keys))
	q.batch, q.err, q.wait, q.retry = min(2*q.batch, l.o.BatchMax), nil, 0, time.Time{}
	l.unflushed -= len(keys)
	l.flushed += int64(stored)
	l.known += int64(len(keys) - stored)
	l.mark(keys)
	l.shrink()
}

func (l *Ledger) forget(k key) {
	e := l.entries[k]
	l.release(e.place)
	if e.rec != nil {
		l.inMemory--
	}
	delete(l.entries, k)
}

// mark writes marks where there is room beyond what is reserved: they save work, no more.
func (l *Ledger) mark(keys []key) {
	most := int(l.frameMax-frameHeader-1) / len(key{})
	for len(keys) > 0 {
		n := min(len(keys), most)
		frame := appendMarks(nil, keys[:n])
		keys = keys[n:]
		if l.room() < l.reserved+int64(len(frame)) {
			return
		}
		at, err := l.put(frame)
		if err != nil {
			l.log.Warn("cannot mark records as flushed", "error", err)
			return
		}
		l.release(at)
	}
}

// shrink gives back the memory of a map that an outage blew up.
func (l *Ledger) shrink() {
	if l.peak < 1<<16 || len(l.entries) > l.peak/8 {
		return
	}
	entries := make(map[key]entry, len(l.entries))
	for k, e := range l.entries {
		entries[k] = e
	}
	l.entries, l.peak = entries, len(entries)
}

// failed puts a tenant off. Its batches are halved, and a record that fails alone
// goes behind the others: one that can never be written must not keep them back.
func (l *Ledger) failed(q *queue, n int, err error) {
	if l.ctx.Err() != nil {
		return
	}
	l.failures++
	q.err = fmt.Errorf("cannot flush the records of %s: %w", q.slug, err)
	if n == 1 && q.len() > 1 {
		k := q.keys[q.head]
		q.pop(1)
		q.push(k)
	}
	q.batch = max(1, n/2)
	grew := q.wait < retryMax
	q.wait = min(max(retryMin, 2*q.wait), retryMax)
	now := time.Now()
	delay := q.wait/2 + rand.N(q.wait/2) //nolint:gosec // spreading retries needs no secrecy
	q.retry = now.Add(delay)
	if grew || now.Sub(q.logged) > time.Minute {
		q.logged = now
		l.log.Warn("cannot flush records", "tenant", q.slug, "queued", q.len(), "retry_in", delay, "error", err)
	}
}

// sinkErr returns why a tenant's records wait; nil: none had to.
func (l *Ledger) sinkErr() error {
	for _, q := range l.queues {
		if q.err != nil {
			return q.err
		}
	}
	return nil
}

// Flush sends everything that is finished to the database and waits until it is
// there. It returns an error when ctx ends before that.
func (l *Ledger) Flush(ctx context.Context) error {
	l.mu.Lock()
	for _, q := range l.due {
		q.retry = time.Time{}
	}
	l.mu.Unlock()
	for {
		l.mu.Lock()
		left, err, closed, changed := l.unflushed, l.sinkErr(), l.closed, l.changed
		l.mu.Unlock()
		if left == 0 || closed {
			return nil
		}
		wake(l.kick)
		select {
		case <-ctx.Done():
			if err == nil {
				err = ctx.Err()
			}
			return fmt.Errorf("%d records are not flushed: %w", left, err)
		case <-changed:
		case <-time.After(retryMin):
		}
	}
}
