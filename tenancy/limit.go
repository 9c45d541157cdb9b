package tenancy

import (
	"context"
	"hash/maphash"
	"sync"
	"time"
)

// Window is how long a request counts against a limit per hour.
const Window = time.Hour

// LocalLimiter counts in this process. Windows are fixed: a tenant's begins with
// its first request and ends an hour later, so that tenants do not all come back
// at the same minute. At most limit requests pass in each.
type LocalLimiter struct {
	now    func() time.Time
	seed   maphash.Seed
	shards [shardCount]windows
}

type windows struct {
	mu    sync.Mutex
	by    map[string]window
	sweep int // size at which windows that have ended are dropped
}

type window struct {
	ends time.Time
	used int64
}

var _ Limiter = (*LocalLimiter)(nil)

// NewLimiter returns a limiter that counts in this process.
func NewLimiter() *LocalLimiter {
	l := &LocalLimiter{now: time.Now, seed: maphash.MakeSeed()}
	for i := range l.shards {
		l.shards[i].by = map[string]window{}
		l.shards[i].sweep = 64
	}
	return l
}

// Take counts one request of the tenant. It never fails and, for a tenant that it
// has seen before, does not allocate.
func (l *LocalLimiter) Take(_ context.Context, tenantID string, limit int64) (Quota, error) {
	if limit <= 0 {
		return Quota{Allowed: true}, nil
	}
	now := l.now()
	s := l.shardOf(tenantID)
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.current(tenantID, now)
	allowed := w.used < limit
	if allowed {
		w.used++
		s.keep(tenantID, w, now)
	}
	return quota(allowed, limit, w.used, w.ends.Sub(now)), nil
}

// Peek returns what Take would find, without counting anything. Allowed says
// whether a request would pass now.
func (l *LocalLimiter) Peek(_ context.Context, tenantID string, limit int64) (Quota, error) {
	if limit <= 0 {
		return Quota{Allowed: true}, nil
	}
	now := l.now()
	s := l.shardOf(tenantID)
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.current(tenantID, now)
	return quota(w.used < limit, limit, w.used, w.ends.Sub(now)), nil
}

func (l *LocalLimiter) shardOf(tenantID string) *windows {
	return &l.shards[maphash.String(l.seed, tenantID)%shardCount]
}

func (s *windows) current(tenantID string, now time.Time) window {
	if w, ok := s.by[tenantID]; ok && now.Before(w.ends) {
		return w
	}
	return window{ends: now.Add(Window)}
}

func (s *windows) keep(tenantID string, w window, now time.Time) {
	if len(s.by) >= s.sweep {
		for id, old := range s.by {
			if !now.Before(old.ends) {
				delete(s.by, id)
			}
		}
		s.sweep = max(64, 2*len(s.by))
	}
	s.by[tenantID] = w
}

func quota(allowed bool, limit, used int64, reset time.Duration) Quota {
	return Quota{Allowed: allowed, Limit: limit, Remaining: max(0, limit-used), Reset: reset}
}
