package habits

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/generic-corp/halfpenny/llm"
)

// Source tells what a tenant has experienced: sums of the usage since one instant,
// and of feedback, which counts for longer where it is explicit.
type Source interface {
	Experience(ctx context.Context, slug string, usage, feedback time.Time) (llm.Experience, error)
}

// How far back a Book looks, how old what it knows may become, and how much it keeps.
const (
	UsageDays    = 30
	FeedbackDays = 90
	Refresh      = time.Minute

	maxTenants  = 10_000
	maxWanted   = 256 // tenants that wait to be read; others ask again with their next request
	readTimeout = 10 * time.Second
)

// Book holds the habits of the tenants that call. Asking it never waits: what is not
// there, or has become old, is read in the background. It is safe for concurrent use.
type Book struct {
	source Source
	real   func() bool
	log    *slog.Logger
	now    func() time.Time
	most   int // tenants
	wanted chan string

	mu      sync.RWMutex
	tenants map[string]*page
}

// page is what was read of one tenant. Live, simulated and test traffic are apart.
type page struct {
	read                  time.Time
	asked                 atomic.Bool  // it waits to be read again
	used                  atomic.Int64 // when it was last asked for, in nanoseconds since 1970
	real, simulated, test *Tenant
}

// NewBook returns an empty book. real tells whether a real provider is configured:
// what was simulated before teaches nothing from then on.
func NewBook(source Source, real func() bool, log *slog.Logger) *Book {
	return &Book{source: source, real: real, log: log, now: time.Now, most: maxTenants, wanted: make(chan string, maxWanted), tenants: map[string]*page{}}
}

// Of returns what is known of a tenant's live traffic, or of that of its test keys,
// at an instant; nil: nothing yet.
func (b *Book) Of(slug string, test bool, now time.Time) *Tenant {
	b.mu.RLock()
	p := b.tenants[slug]
	b.mu.RUnlock()
	if p == nil {
		b.want(slug)
		return nil
	}
	p.used.Store(now.UnixNano())
	if now.Sub(p.read) >= Refresh && p.asked.CompareAndSwap(false, true) && !b.want(slug) {
		p.asked.Store(false)
	}
	switch {
	case test:
		return p.test
	case b.real():
		return p.real
	}
	return p.simulated
}

// want asks for a tenant to be read; false: too many wait.
func (b *Book) want(slug string) bool {
	select {
	case b.wanted <- slug:
		return true
	default:
		return false
	}
}

// Run reads what is asked for until ctx ends.
func (b *Book) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case slug := <-b.wanted:
			b.load(ctx, slug)
		}
	}
}

// load reads a tenant, unless that was done within the minute: many requests may
// have asked before the first answer. What cannot be read stays as it was.
func (b *Book) load(ctx context.Context, slug string) {
	now := b.now()
	b.mu.RLock()
	old := b.tenants[slug]
	b.mu.RUnlock()
	if old != nil && now.Sub(old.read) < Refresh {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	e, err := b.source.Experience(bounded, slug, now.AddDate(0, 0, -UsageDays), now.AddDate(0, 0, -FeedbackDays))
	fresh := &page{read: now}
	switch {
	case err == nil:
		fresh.learn(&e)
	case errors.Is(ctx.Err(), context.Canceled):
		return
	default:
		b.log.Warn("cannot read a tenant's habits", "tenant", slug, "error", err)
		if old != nil {
			fresh.real, fresh.simulated, fresh.test = old.real, old.simulated, old.test
		}
	}
	fresh.used.Store(now.UnixNano())
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tenants[slug] = fresh
	if len(b.tenants) > b.most {
		b.forget()
	}
}

// forget drops the tenth of the tenants that has been silent for longest.
func (b *Book) forget() {
	type silent struct {
		slug string
		used int64
	}
	all := make([]silent, 0, len(b.tenants))
	for slug, p := range b.tenants {
		all = append(all, silent{slug, p.used.Load()})
	}
	slices.SortFunc(all, func(a, b silent) int { return cmp.Or(cmp.Compare(a.used, b.used), cmp.Compare(a.slug, b.slug)) })
	for _, s := range all[:1+len(all)/10] {
		delete(b.tenants, s.slug)
	}
}

// learn keeps what was simulated, and what test keys did, from teaching what is real.
func (p *page) learn(e *llm.Experience) {
	part := func(simulated, test bool) *Tenant {
		var mine llm.Experience
		for _, u := range e.Usage {
			if u.Test == test && (test || u.Simulated == simulated) {
				mine.Usage = append(mine.Usage, u)
			}
		}
		for _, s := range e.Scores {
			if s.Test == test && (test || s.Simulated == simulated) {
				mine.Scores = append(mine.Scores, s)
			}
		}
		return Learn(&mine)
	}
	p.real, p.simulated, p.test = part(false, false), part(true, false), part(true, true)
}
