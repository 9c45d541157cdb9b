package router

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// FailureClass says whose fault a failed attempt was, which decides what cools down.
type FailureClass uint8

// The classes of failure.
const (
	FailureCaller FailureClass = iota // the caller's own request: nothing cools
	FailureLimit                      // a limit of ours: nothing cools
	FailureQuota                      // the provider's quota: the API key cools
	FailureFault                      // the provider's fault (5xx, timeout, cut): the account cools after several in a row
	FailureAuth                       // the provider refuses the operator's API key: the key cools
)

const (
	faultsToCool = 3                // consecutive faults after which an account cools
	firstCool    = time.Second      // doubles with every further failure
	longestCool  = time.Minute      // of what doubles
	longestWait  = 15 * time.Minute // of what a provider asks for by Retry-After
	authCool     = time.Minute
	trialLease   = 10 * time.Second // how long a trial call keeps others waiting for its outcome
)

// Health knows which accounts and API keys are cooling down after failures. It
// outlives the tables that are built over it, and is safe for concurrent use. When
// a cool-down ends, one trial call decides whether it is over.
type Health struct {
	now      func() time.Time
	mu       sync.RWMutex
	accounts map[string]*accountHealth
}

// NewHealth returns a Health in which everything is well.
func NewHealth() *Health {
	return &Health{now: time.Now, accounts: map[string]*accountHealth{}}
}

// accountHealth is the state of one account and of its API keys.
type accountHealth struct {
	fault     breaker
	turn      atomic.Uint32 // counts the calls, to use the keys in turn
	firstByte atomic.Int64  // moving average in nanoseconds; 0: not measured
	speed     atomic.Uint64 // moving average in tokens a second, float bits; 0: not measured
	mu        sync.Mutex
	keys      map[string]*breaker
}

// account returns the state of an account, made on first sight.
func (h *Health) account(name string) *accountHealth {
	h.mu.RLock()
	a := h.accounts[name]
	h.mu.RUnlock()
	if a != nil {
		return a
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if a = h.accounts[name]; a == nil {
		a = &accountHealth{keys: map[string]*breaker{}}
		h.accounts[name] = a
	}
	return a
}

func (a *accountHealth) key(secret string) *breaker {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.keys[secret]
	if b == nil {
		b = new(breaker)
		a.keys[secret] = b
	}
	return b
}

// Report tells of a failed attempt. retryAfter is what the provider asked for; 0: nothing.
func (h *Health) Report(account, secret string, class FailureClass, retryAfter time.Duration) {
	if h == nil {
		return
	}
	a, now := h.account(account), h.now()
	switch class {
	case FailureQuota:
		a.key(secret).fail(now, 1, min(retryAfter, longestWait))
	case FailureAuth:
		a.key(secret).fail(now, 1, authCool)
	case FailureFault:
		a.fault.fail(now, faultsToCool, min(retryAfter, longestWait))
	}
}

// OK tells of an attempt that the provider answered.
func (h *Health) OK(account, secret string) {
	if h == nil {
		return
	}
	a := h.account(account)
	a.fault.ok(h.now(), true)
	a.key(secret).ok(h.now(), false)
}

// Observe tells how fast an account answered: the time to the first byte, and the
// tokens a second from then on. Either may be 0: not measured.
func (h *Health) Observe(account string, firstByte time.Duration, tokensPerSecond float64) {
	if h == nil {
		return
	}
	a := h.account(account)
	const keep = 0.8
	if firstByte > 0 {
		if old := a.firstByte.Load(); old > 0 {
			firstByte = time.Duration(keep*float64(old) + (1-keep)*float64(firstByte))
		}
		a.firstByte.Store(int64(firstByte))
	}
	if tokensPerSecond > 0 {
		if old := math.Float64frombits(a.speed.Load()); old > 0 {
			tokensPerSecond = keep*old + (1-keep)*tokensPerSecond
		}
		a.speed.Store(math.Float64bits(tokensPerSecond))
	}
}

// Condition is whether a target may be called.
type Condition uint8

// The conditions of a target.
const (
	Healthy Condition = iota
	Trial             // its cool-down has ended; one call tries it
	Cooling           // it failed and is left alone for a while
)

var conditionNames = [...]string{"healthy", "trial", "cooling"}

// String returns the condition as it appears in metrics.
func (c Condition) String() string { return conditionNames[c] }

// State is the state of one account.
type State struct {
	Account         string
	Condition       Condition
	Until           time.Time // end of the cool-down; zero: none
	Failures        int       // consecutive faults
	Keys            int       // API keys that have been used
	KeysCooling     int
	FirstByte       time.Duration // moving average; 0: not measured
	TokensPerSecond float64       // moving average; 0: not measured
}

// State returns the state of an account.
func (h *Health) State(account string) State {
	a, now := h.account(account), h.now()
	s := State{Account: account, Condition: a.fault.condition(now), Failures: int(a.fault.failures.Load()),
		FirstByte: time.Duration(a.firstByte.Load()), TokensPerSecond: math.Float64frombits(a.speed.Load())}
	if until := a.fault.until.Load(); until > now.UnixNano() {
		s.Until = time.Unix(0, until)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	best := Cooling
	for _, b := range a.keys {
		condition := b.condition(now)
		best = min(best, condition)
		s.Keys++
		if condition == Cooling {
			s.KeysCooling++
		}
	}
	if s.Keys > 0 {
		s.Condition = max(s.Condition, best)
	}
	return s
}

// States returns the states of all accounts that were ever used, by name.
func (h *Health) States() []State {
	h.mu.RLock()
	names := make([]string, 0, len(h.accounts))
	for name := range h.accounts {
		names = append(names, name)
	}
	h.mu.RUnlock()
	states := make([]State, 0, len(names))
	for _, name := range names {
		states = append(states, h.State(name))
	}
	slices.SortFunc(states, func(a, b State) int { return cmp.Compare(a.Account, b.Account) })
	return states
}

// breaker is a cool-down with exponential backoff. Reading its condition takes no lock.
type breaker struct {
	until    atomic.Int64 // nanoseconds since 1970; 0: not cooling
	failures atomic.Int32 // consecutive
	mu       sync.Mutex
	trying   bool // a trial call is under way
}

func (b *breaker) condition(now time.Time) Condition {
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
// cool-down began do not prolong it.
func (b *breaker) fail(now time.Time, from int32, asked time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.condition(now) == Cooling && !b.trying {
		if end := now.Add(asked).UnixNano(); end > b.until.Load() {
			b.until.Store(end)
		}
		return
	}
	b.trying = false
	n := b.failures.Add(1)
	if asked <= 0 {
		if n < from {
			return
		}
		asked = min(longestCool, firstCool<<min(n-from, 10))
	}
	b.until.Store(now.Add(asked).UnixNano())
}

// ok ends the cool-down. Where early is false, a success during the cool-down
// does not count unless it was the trial: its call may have begun before.
func (b *breaker) ok(now time.Time, early bool) {
	if b.until.Load() == 0 && b.failures.Load() == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !early && !b.trying && b.condition(now) == Cooling {
		return
	}
	b.trying = false
	b.failures.Store(0)
	b.until.Store(0)
}

// claim takes the trial call of a cool-down that has ended; only one caller gets it.
func (b *breaker) claim(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.condition(now) != Trial {
		return b.condition(now) == Healthy
	}
	b.trying = true
	b.until.Store(now.Add(trialLease).UnixNano())
	return true
}

// access is an account of a table with its state.
type access struct {
	account *Account
	health  *accountHealth
	keys    []*breaker       // of account.Secrets, in their order
	names   map[string]*node // what a model's name means here
	aliases []string         // other names of the account: its kind and the kind's aliases
}

func newAccess(a *Account, h *Health) *access {
	x := &access{account: a, health: h.account(a.Name)}
	for _, secret := range a.Secrets {
		x.keys = append(x.keys, x.health.key(secret))
	}
	return x
}

// condition is the account's, or that of its best API key if that is worse.
func (x *access) condition(now time.Time) Condition {
	best := Cooling
	for _, k := range x.keys {
		best = min(best, k.condition(now))
	}
	if len(x.keys) == 0 {
		best = Healthy
	}
	return max(best, x.health.fault.condition(now))
}

// claim takes the trial calls that using the account and the key needs.
func (x *access) claim(now time.Time, key int) bool {
	if !x.health.fault.claim(now) {
		return false
	}
	return len(x.keys) == 0 || x.keys[key].condition(now) == Cooling || x.keys[key].claim(now)
}

// next returns the API key whose turn it is, passing over cooling ones where there
// are others. It takes the turn only if told to.
func (x *access) next(now time.Time, take bool) (secret string, index int) {
	n := len(x.keys)
	if n == 0 {
		return "", 0
	}
	var turn uint32
	if n > 1 {
		if take {
			turn = x.health.turn.Add(1) - 1
		} else {
			turn = x.health.turn.Load()
		}
	}
	index = int(turn % uint32(n))
	for i := range n {
		k := (index + i) % n
		if x.keys[k].condition(now) == Healthy {
			return x.account.Secrets[k], k
		}
	}
	for i := range n {
		k := (index + i) % n
		if x.keys[k].condition(now) == Trial {
			return x.account.Secrets[k], k
		}
	}
	return x.account.Secrets[index], index
}

// latency is the average time to the first byte in nanoseconds; what was not measured comes last.
func (a *accountHealth) latency() int64 {
	if ns := a.firstByte.Load(); ns > 0 {
		return ns
	}
	return math.MaxInt64
}

// throughput is the average of tokens in a thousand seconds; 0: not measured.
func (a *accountHealth) throughput() int64 {
	return int64(1000 * math.Float64frombits(a.speed.Load()))
}
