// Package tenancytest has an in-memory tenancy.Store for tests.
package tenancytest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/generic-corp/halfpenny/tenancy"
)

// ErrDown is what every method of a Store that is down returns.
var ErrDown = errors.New("the store is down")

// Store is a tenancy.Store in memory. The zero value is empty and ready.
type Store struct {
	mu      sync.Mutex
	epoch   int64
	tenants map[string]tenancy.Tenant // by slug
	keys    []tenancy.Key
	replays map[string]string // slug and idempotency key → id of the first key
	secrets map[string][]byte
	audit   []tenancy.AuditEvent
	down    bool
	delay   time.Duration
	lookups int
}

var _ tenancy.Store = (*Store)(nil)

// SetDown makes every method fail, or work again.
func (s *Store) SetDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// SetDelay makes Lookup take that long.
func (s *Store) SetDelay(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delay = d
}

// Lookups returns how often Lookup was called.
func (s *Store) Lookups() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lookups
}

// Audited returns the actions in the audit log, oldest first.
func (s *Store) Audited() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var actions []string
	for _, e := range s.audit {
		actions = append(actions, e.Action)
	}
	return actions
}

// do runs f under the lock unless the store is down.
func (s *Store) do(ctx context.Context, f func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.down {
		return ErrDown
	}
	return f()
}

// change is do for a change of the tenant of that slug.
func (s *Store) change(ctx context.Context, slug string, f func(t *tenancy.Tenant) error) error {
	return s.do(ctx, func() error {
		t, ok := s.tenants[slug]
		if !ok {
			return tenancy.ErrNotFound
		}
		if err := f(&t); err != nil {
			return err
		}
		s.tenants[slug] = t
		s.epoch++
		return nil
	})
}

// Epoch implements tenancy.Store.
func (s *Store) Epoch(ctx context.Context) (epoch int64, err error) {
	err = s.do(ctx, func() error { epoch = s.epoch; return nil })
	return epoch, err
}

// Lookup implements tenancy.Store.
func (s *Store) Lookup(ctx context.Context, keyID string) (k tenancy.Key, t tenancy.Tenant, err error) {
	s.mu.Lock()
	s.lookups++
	delay := s.delay
	s.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-ctx.Done():
		return k, t, ctx.Err()
	}
	err = s.do(ctx, func() error {
		i := slices.IndexFunc(s.keys, func(k tenancy.Key) bool { return k.ID == keyID })
		if i < 0 {
			return tenancy.ErrNotFound
		}
		k = s.keys[i]
		for _, candidate := range s.tenants {
			if candidate.ID == k.TenantID {
				t = candidate
			}
		}
		return nil
	})
	return k, t, err
}

// CreateTenant implements tenancy.Store.
func (s *Store) CreateTenant(ctx context.Context, t tenancy.Tenant, k tenancy.Key, idempotencyKey string) (created tenancy.Tenant, replayed bool, err error) {
	err = s.do(ctx, func() error {
		replay := t.Slug + "\x00" + idempotencyKey
		if old, taken := s.tenants[t.Slug]; taken {
			first, seen := s.replays[replay]
			if idempotencyKey == "" || !seen {
				return tenancy.ErrExists
			}
			s.keys = slices.DeleteFunc(s.keys, func(k tenancy.Key) bool { return k.ID == first })
			t, k.TenantID, replayed = old, old.ID, true
		}
		if s.tenants == nil {
			s.tenants, s.replays = map[string]tenancy.Tenant{}, map[string]string{}
		}
		t.Status = tenancy.StatusActive
		s.tenants[t.Slug], s.replays[replay] = t, k.ID
		s.keys = append(s.keys, k)
		s.epoch++
		created = t
		return nil
	})
	return created, replayed, err
}

// Tenants implements tenancy.Store.
func (s *Store) Tenants(ctx context.Context) (all []tenancy.Tenant, err error) {
	err = s.do(ctx, func() error {
		for _, t := range s.tenants {
			all = append(all, t)
		}
		slices.SortFunc(all, func(a, b tenancy.Tenant) int { return strings.Compare(a.Slug, b.Slug) })
		return nil
	})
	return all, err
}

// Tenant implements tenancy.Store.
func (s *Store) Tenant(ctx context.Context, slug string) (t tenancy.Tenant, err error) {
	err = s.do(ctx, func() error {
		var ok bool
		if t, ok = s.tenants[slug]; !ok {
			return tenancy.ErrNotFound
		}
		return nil
	})
	return t, err
}

// SetStatus implements tenancy.Store.
func (s *Store) SetStatus(ctx context.Context, slug string, status tenancy.Status) error {
	return s.change(ctx, slug, func(t *tenancy.Tenant) error { t.Status = status; return nil })
}

// SetPolicy implements tenancy.Store.
func (s *Store) SetPolicy(ctx context.Context, slug string, document []byte) error {
	return s.change(ctx, slug, func(t *tenancy.Tenant) (err error) {
		plan, _ := tenancy.PlanPolicy(t.Plan)
		t.Document = slices.Clone(document)
		t.Policy, err = tenancy.MergePolicy(plan, document)
		return err
	})
}

// AddKey implements tenancy.Store.
func (s *Store) AddKey(ctx context.Context, k tenancy.Key) error {
	return s.do(ctx, func() error {
		s.keys = append(s.keys, k)
		s.epoch++
		return nil
	})
}

// Keys implements tenancy.Store.
func (s *Store) Keys(ctx context.Context, slug string) (keys []tenancy.Key, err error) {
	err = s.do(ctx, func() error {
		for _, k := range s.keys {
			if k.TenantID == s.tenants[slug].ID {
				keys = append(keys, k)
			}
		}
		return nil
	})
	return keys, err
}

// RevokeKey implements tenancy.Store.
func (s *Store) RevokeKey(ctx context.Context, slug, keyID string, from time.Time) error {
	return s.change(ctx, slug, func(t *tenancy.Tenant) error {
		i := slices.IndexFunc(s.keys, func(k tenancy.Key) bool { return k.ID == keyID && k.TenantID == t.ID })
		if i < 0 {
			return tenancy.ErrNotFound
		}
		s.keys[i].RevokedAt = from
		return nil
	})
}

// Audit implements tenancy.Store.
func (s *Store) Audit(ctx context.Context, e tenancy.AuditEvent) error {
	return s.do(ctx, func() error { s.audit = append(s.audit, e); return nil })
}

// Secret implements tenancy.Store.
func (s *Store) Secret(ctx context.Context, name string, fresh func() []byte) (secret []byte, err error) {
	err = s.do(ctx, func() error {
		if s.secrets == nil {
			s.secrets = map[string][]byte{}
		}
		if s.secrets[name] == nil {
			s.secrets[name] = fresh()
		}
		secret = s.secrets[name]
		return nil
	})
	return secret, err
}
