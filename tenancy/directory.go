package tenancy

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/generic-corp/halfpenny/llm"
)

const (
	pollEvery     = 250 * time.Millisecond // how often the epoch is read
	pollTimeout   = time.Second
	lookupTimeout = 2 * time.Second
	// staleWait bounds how long a request waits for the refresh of a key that it
	// knows from before; poll and wait together stay within a second.
	staleWait   = 500 * time.Millisecond
	negativeTTL = 5 * time.Second
	maxNegative = 1 << 14 // over all shards
	// guessSlots and guessPause bound what guessed key ids can cost the store: at
	// most guessSlots lookups at once, each slot idle for guessPause after a miss.
	guessSlots = 16
	guessPause = 10 * time.Millisecond

	shardCount = 64
)

// Directory tells who a credential belongs to. It keeps keys and tenants in
// memory, asks the store once for each that it does not know, and drops what it
// holds when the epoch advances. While the store is down it goes on serving what
// it has. It is safe for concurrent use.
type Directory struct {
	store  Store
	hasher *Hasher
	log    *slog.Logger
	now    func() time.Time

	epoch   atomic.Int64 // as of the last poll that succeeded
	health  atomic.Pointer[health]
	seed    maphash.Seed
	shards  [shardCount]shard
	guesses chan struct{}
	flights flights

	mismatches sync.Map // key id → *atomic.Int64, unix time of the last audit
}

type health struct {
	ok    bool
	since time.Time
}

type shard struct {
	mu       sync.RWMutex
	known    map[string]*entry
	negative map[string]negative
}

// entry is a key that the store knows. The caller's tenant and key are replaced
// as one and never changed.
type entry struct {
	caller *Caller
	epoch  int64 // read before the lookup began, so that a change in between makes it stale
}

type negative struct {
	epoch int64
	until time.Time
}

// NewDirectory returns a directory over store; pepper is copied.
func NewDirectory(store Store, pepper []byte, log *slog.Logger) *Directory {
	d := &Directory{store: store, hasher: NewHasher(pepper), log: log, now: time.Now, seed: maphash.MakeSeed(), guesses: make(chan struct{}, guessSlots)}
	d.flights.running = map[string]*flight{}
	for i := range d.shards {
		d.shards[i].known = map[string]*entry{}
		d.shards[i].negative = map[string]negative{}
	}
	d.health.Store(&health{ok: true, since: d.now()})
	return d
}

// Epoch is the store's epoch as of the last poll that succeeded.
func (d *Directory) Epoch() int64 { return d.epoch.Load() }

// Authenticate returns who the credential belongs to. The credential is only
// read. Malformed, unknown, wrong, expired and revoked keys are a 401
// invalid_api_key, those of a suspended tenant a 403 tenant_suspended; a key that
// is not in memory while the store does not answer is a 503 gateway_unavailable.
func (d *Directory) Authenticate(ctx context.Context, credential []byte) (*Caller, *llm.Error) {
	parsed, ok := ParseKey(credential)
	if !ok {
		return nil, errIncorrect()
	}
	caller, err := d.find(ctx, parsed.ID)
	if err != nil {
		return nil, err
	}
	if !d.hasher.Matches(parsed.Secret, caller.Key.Hash) || parsed.Test != caller.Key.Test {
		return nil, errIncorrect()
	}
	if err := admit(caller, d.now()); err != nil {
		return nil, err
	}
	return caller, nil
}

// admit says why a caller with the right secret may not call now.
func admit(c *Caller, now time.Time) *llm.Error {
	switch {
	case !c.Key.RevokedAt.IsZero() && !now.Before(c.Key.RevokedAt):
		return errIncorrect()
	case !c.Key.ExpiresAt.IsZero() && !now.Before(c.Key.ExpiresAt):
		return errExpired()
	case c.Tenant.Status == StatusSuspended:
		return &llm.Error{Status: 403, Code: "tenant_suspended", Message: "This tenant is suspended."}
	case c.Tenant.Status != StatusActive:
		return llm.Unavailable("This tenant is still being provisioned.", nil)
	}
	return nil
}

func (d *Directory) shardOf(id []byte) *shard {
	return &d.shards[maphash.Bytes(d.seed, id)%shardCount]
}

// find returns the key's caller from memory where that is fresh, else from the store.
func (d *Directory) find(ctx context.Context, id []byte) (*Caller, *llm.Error) {
	s := d.shardOf(id)
	s.mu.RLock()
	e := s.known[string(id)]
	s.mu.RUnlock()
	if e != nil && e.epoch == d.epoch.Load() {
		return e.caller, nil
	}
	if e != nil {
		return d.refresh(ctx, string(id), e)
	}
	return d.discover(ctx, s, string(id))
}

// refresh reads a known key again. What is in memory serves on while the store
// does not answer.
func (d *Directory) refresh(ctx context.Context, id string, stale *entry) (*Caller, *llm.Error) {
	if ok, _ := d.Healthy(); !ok {
		return stale.caller, nil
	}
	ctx, cancel := context.WithTimeout(ctx, staleWait)
	defer cancel()
	caller, err := d.lookup(ctx, id, d.fetch)
	switch {
	case err == nil:
		return caller, nil
	case errors.Is(err, ErrNotFound):
		return nil, errIncorrect()
	}
	return stale.caller, nil
}

// discover asks the store for a key that is not in memory.
func (d *Directory) discover(ctx context.Context, s *shard, id string) (*Caller, *llm.Error) {
	if d.remembersMissing(s, id) {
		return nil, errIncorrect()
	}
	caller, err := d.lookup(ctx, id, d.fetchPaced)
	switch {
	case err == nil:
		return caller, nil
	case errors.Is(err, ErrNotFound):
		return nil, errIncorrect()
	}
	return nil, llm.Unavailable("The API key cannot be checked at this moment.", err)
}

func (d *Directory) remembersMissing(s *shard, id string) bool {
	s.mu.RLock()
	n, ok := s.negative[id]
	s.mu.RUnlock()
	return ok && n.epoch == d.epoch.Load() && d.now().Before(n.until)
}

// lookup runs fetch. Calls for the same key at the same time share one, which a
// caller that leaves does not end.
func (d *Directory) lookup(ctx context.Context, id string, fetch func(context.Context, string) (*Caller, error)) (*Caller, error) {
	f := d.flights.join(id, func() (*Caller, error) {
		ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
		defer cancel()
		return fetch(ctx, id)
	})
	select {
	case <-f.done:
		return f.caller, f.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// fetchPaced is fetch for a key id that may be a guess.
func (d *Directory) fetchPaced(ctx context.Context, id string) (*Caller, error) {
	select {
	case d.guesses <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	caller, err := d.fetch(ctx, id)
	if errors.Is(err, ErrNotFound) {
		time.AfterFunc(guessPause, func() { <-d.guesses })
	} else {
		<-d.guesses
	}
	return caller, err
}

// fetch reads a key from the store and keeps what it finds.
func (d *Directory) fetch(ctx context.Context, id string) (*Caller, error) {
	epoch := d.epoch.Load()
	key, tenant, err := d.store.Lookup(ctx, id)
	s := d.shardOf([]byte(id))
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case errors.Is(err, ErrNotFound):
		delete(s.known, id)
		s.rememberMissing(id, negative{epoch: epoch, until: d.now().Add(negativeTTL)})
		return nil, err
	case err != nil:
		return nil, err
	}
	delete(s.negative, id)
	e := &entry{caller: &Caller{Tenant: &tenant, Key: &key}, epoch: epoch}
	s.known[id] = e
	return e.caller, nil
}

// rememberMissing drops all that the shard remembers when it is full: a flood of
// guesses then costs the store a few more lookups, and memory stays bounded.
func (s *shard) rememberMissing(id string, n negative) {
	if len(s.negative) >= maxNegative/shardCount {
		clear(s.negative)
	}
	s.negative[id] = n
}

// Run polls the epoch until ctx ends.
func (d *Directory) Run(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		d.poll(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// poll makes every entry stale if the epoch has changed; each is read again when
// it is next asked for.
func (d *Directory) poll(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	epoch, err := d.store.Epoch(bounded)
	if ctx.Err() != nil {
		return
	}
	if err == nil {
		d.epoch.Store(epoch)
	}
	was := d.health.Load()
	if was.ok == (err == nil) {
		return
	}
	d.health.Store(&health{ok: err == nil, since: d.now()})
	if err != nil {
		d.log.Error("the control database does not answer; known keys go on serving", "error", err)
		return
	}
	d.log.Info("the control database answers again", "down", d.now().Sub(was.since).Round(time.Millisecond))
}

// Healthy reports whether the control database answered the last poll, and since
// when that has been so.
func (d *Directory) Healthy() (ok bool, since time.Time) {
	h := d.health.Load()
	return h.ok, h.since
}

// AuditMismatch writes to the audit log that a key was used in another tenant's
// context, at most once a minute for each key. It returns at once.
func (d *Directory) AuditMismatch(c *Caller) {
	now := d.now().Unix()
	slot, _ := d.mismatches.LoadOrStore(c.Key.ID, new(atomic.Int64))
	last := slot.(*atomic.Int64)
	if before := last.Load(); now-before < 60 || !last.CompareAndSwap(before, now) {
		return
	}
	event := AuditEvent{At: d.now(), Tenant: c.Tenant.Slug, Actor: c.Key.ID, Action: "tenant.mismatch", Detail: "a key was used in the context of another tenant"}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
		defer cancel()
		if err := d.store.Audit(ctx, event); err != nil {
			d.log.Error("cannot write the audit log", "action", event.Action, "error", err)
		}
	}()
}

// flights shares one running query among all who ask for the same key.
type flights struct {
	mu      sync.Mutex
	running map[string]*flight
}

type flight struct {
	done   chan struct{} // closed when caller and err are set
	caller *Caller
	err    error
}

func (fs *flights) join(id string, fetch func() (*Caller, error)) *flight {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f := fs.running[id]; f != nil {
		return f
	}
	f := &flight{done: make(chan struct{})}
	fs.running[id] = f
	go func() {
		f.caller, f.err = fetch()
		fs.mu.Lock()
		delete(fs.running, id)
		fs.mu.Unlock()
		close(f.done)
	}()
	return f
}
