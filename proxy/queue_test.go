package proxy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// slots are places that waiters take; none is ready while they are taken.
type slots struct {
	mu   sync.Mutex
	free int
	took []string
}

func (s *slots) open(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free += n
}

func (s *slots) waiter(name string, arrived time.Time) *waiter {
	return &waiter{arrived: arrived, ready: func(now time.Time) (bool, time.Time) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.free == 0 {
			return false, now.Add(time.Hour)
		}
		s.free--
		s.took = append(s.took, name)
		return true, time.Time{}
	}}
}

// Whatever comes, leaves and opens, in whichever order: never more wait than may, the
// calls of a tenant go in the order of their arrival, while a tenant waits no other
// goes twice between two turns of its, and every waiter ends.
func TestQueueIsBoundedAndFair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all, each := rapid.IntRange(1, 12).Draw(t, "all"), rapid.IntRange(1, 5).Draw(t, "each")
		m := queueModel{T: t, queue: newQueue(all, each), ahead: map[string]map[string]int{}}
		t.Repeat(map[string]func(*rapid.T){
			"come": m.come, "come too": m.come, "leave": m.leave, "open": m.open,
			"": func(t *rapid.T) {
				if got := int(m.queue.waiting.Load()); got != len(m.calls) || got > all || m.due() != (got > 0) {
					t.Fatalf("%d wait, want %d of at most %d", got, len(m.calls), all)
				}
			},
		})
		for len(m.calls) > 0 {
			m.end(0)
		}
		if m.queue.waiting.Load() != 0 || len(m.queue.lines) != 0 || m.due() {
			t.Fatalf("%d wait, %d lines", m.queue.waiting.Load(), len(m.queue.lines))
		}
	})
}

// queueModel is a queue with what is expected of it.
type queueModel struct {
	*rapid.T
	queue   *queue
	slots   slots
	calls   []modelCall // that wait, by arrival
	arrived int
	ahead   map[string]map[string]int // of a tenant that waits: how often each other has gone since its last turn
}

type modelCall struct {
	tenant, name string
	w            *waiter
}

func (m *queueModel) of(tenant string) (n int) {
	for _, c := range m.calls {
		if c.tenant == tenant {
			n++
		}
	}
	return n
}

func (m *queueModel) due() bool { return !m.queue.due.IsZero() }

func (m *queueModel) come(t *rapid.T) {
	m.arrived++
	tenant := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "tenant")
	c := modelCall{tenant: tenant, name: fmt.Sprintf("%s%d", tenant, m.arrived)}
	c.w = m.slots.waiter(c.name, time.Unix(int64(m.arrived), 0))
	c.w.free = make(chan struct{})
	var want error
	switch {
	case m.of(tenant) >= m.queue.each:
		want = errTenantWaits
	case len(m.calls) >= m.queue.all:
		want = errAllWait
	}
	if m.of(tenant) == 0 {
		m.ahead[tenant] = map[string]int{}
	}
	if err := m.queue.enter(tenant, c.w); !errors.Is(err, want) {
		t.Fatalf("%s comes: %v, want %v", c.name, err, want)
	}
	if want == nil {
		m.calls = append(m.calls, c)
	}
}

func (m *queueModel) leave(t *rapid.T) {
	if len(m.calls) == 0 {
		t.Skip("nobody waits")
	}
	m.end(rapid.IntRange(0, len(m.calls)-1).Draw(t, "which"))
}

func (m *queueModel) end(i int) {
	c := m.calls[i]
	if !m.queue.leave(c.tenant, c.w) || m.queue.leave(c.tenant, c.w) {
		m.Fatalf("%s cannot leave, or leaves twice", c.name)
	}
	m.calls = slices.Delete(m.calls, i, i+1)
}

func (m *queueModel) open(t *rapid.T) {
	n := min(rapid.IntRange(1, 4).Draw(t, "places"), len(m.calls))
	from := len(m.slots.took)
	m.slots.open(n)
	m.queue.look()
	if got := len(m.slots.took) - from; got != n {
		t.Fatalf("%d of %d places are taken by %d that wait", got, n, len(m.calls))
	}
	for _, name := range m.slots.took[from:] {
		m.goes(t, name)
	}
}

// goes checks that it is the turn of a call that was let go.
func (m *queueModel) goes(t *rapid.T, name string) {
	i := slices.IndexFunc(m.calls, func(c modelCall) bool { return c.name == name })
	c := m.calls[i]
	if first := slices.IndexFunc(m.calls, func(x modelCall) bool { return x.tenant == c.tenant }); first != i {
		t.Fatalf("%s goes before %s", name, m.calls[first].name)
	}
	select {
	case <-c.w.free:
	default:
		t.Fatalf("%s is not told", name)
	}
	m.calls = slices.Delete(m.calls, i, i+1)
	m.ahead[c.tenant] = map[string]int{}
	for tenant, others := range m.ahead {
		if tenant == c.tenant || m.of(tenant) == 0 {
			continue
		}
		if others[c.tenant]++; others[c.tenant] > 1 {
			t.Fatalf("%s goes twice while %s waits: %v", c.tenant, tenant, m.slots.took)
		}
	}
}

// A stop ends every wait at once, and a target that opens by the passing of time alone
// is seen when it does.
func TestQueueEndsByStopAndByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, stop := newQueue(10, 10), make(chan struct{})
		opens := time.Now().Add(time.Minute)
		never := &waiter{ready: func(now time.Time) (bool, time.Time) { return false, now.Add(time.Hour) }}
		timed := &waiter{ready: func(now time.Time) (bool, time.Time) { return !now.Before(opens), opens }}
		var group sync.WaitGroup
		group.Go(func() {
			if err := q.wait(t.Context(), stop, "a", never); !errors.Is(err, errDraining) {
				t.Errorf("stopped: %v", err)
			}
		})
		if err := q.wait(t.Context(), stop, "b", timed); err != nil || !time.Now().Equal(opens) {
			t.Errorf("after %s: %v", time.Since(opens), err)
		}
		close(stop)
		group.Wait()
	})
}

// Nothing is locked, and nothing is made, where nobody waits.
func TestNobodyWaitsForNothing(t *testing.T) {
	q := newQueue(10, 10)
	if n := testing.AllocsPerRun(100, q.opened); n != 0 {
		t.Errorf("%v allocations", n)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.opened()
}

// Many tenants come, leave and are let go at once.
func TestQueueUnderConcurrency(t *testing.T) {
	q, s := newQueue(50, 10), &slots{}
	var group sync.WaitGroup
	for i := range 200 {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%7)*time.Millisecond)
			defer cancel()
			_ = q.wait(ctx, nil, fmt.Sprint(i%9), s.waiter("", time.Now()))
		})
		group.Go(func() {
			s.open(i % 2)
			q.opened()
		})
	}
	group.Wait()
	if q.waiting.Load() != 0 || len(q.lines) != 0 {
		t.Errorf("%d wait", q.waiting.Load())
	}
}
