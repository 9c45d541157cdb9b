package router

import (
	"cmp"
	"maps"
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
	FailureCaller   FailureClass = iota // the caller's own request: nothing cools
	FailureLimit                        // a limit of ours: nothing cools
	FailureQuota                        // the provider's quota: the API key cools
	FailureFault                        // the provider's fault (5xx, timeout, cut): the account cools after several in a row
	FailureAuth                         // the provider refuses the operator's API key: the key cools
	FailureOverload                     // the provider has no room for this model: the model cools at this account
	FailureMissing                      // the account does not have this model: the same, for longer
)

const (
	faultsToCool = 3                // consecutive faults after which an account cools
	firstCool    = time.Second      // doubles with every further failure
	longestCool  = time.Minute      // of what doubles
	longestWait  = 15 * time.Minute // of what a provider asks for by Retry-After
	authCool     = time.Minute
	missingCool  = time.Minute
	trialLease   = 10 * time.Second // how long a trial call keeps others waiting for its outcome
	maxModels    = 1000             // models of an account that are told apart
)

// Health knows which accounts, models and API keys are cooling down after failures, and
// what is left of their rate limits. It outlives the tables that are built over it, and
// is safe for concurrent use. When a cool-down ends, one trial call decides whether it
// is over.
type Health struct {
	now      func() time.Time
	mu       sync.RWMutex
	accounts map[string]*accountHealth
	opened   atomic.Pointer[func()]
}

// NewHealth returns a Health in which everything is well.
func NewHealth() *Health {
	return &Health{now: time.Now, accounts: map[string]*accountHealth{}}
}

// OnOpened lets f be told when targets may be open that were closed, other than by the
// passing of time. f must return at once. There is one such f.
func (h *Health) OnOpened(f func()) {
	if h != nil {
		h.opened.Store(&f)
	}
}

func (h *Health) tell(opened bool) {
	if f := h.opened.Load(); opened && f != nil {
		(*f)()
	}
}

// accountHealth is the state of one account, its models and its API keys.
type accountHealth struct {
	fault     breaker
	flying    atomic.Int64  // calls
	turn      atomic.Uint32 // counts the calls, to use the keys in turn
	firstByte atomic.Int64  // moving average in nanoseconds; 0: not measured
	speed     atomic.Uint64 // moving average in tokens a second, float bits; 0: not measured
	mu        sync.Mutex
	keys      map[string]*keyHealth
	models    atomic.Pointer[map[string]*modelHealth] // by the name sent; replaced as a whole, so that reading takes no lock
}

// keyHealth is the state of an API key.
type keyHealth struct {
	breaker
	flying atomic.Int64 // calls
}

// modelHealth is the state of a model at an account.
type modelHealth struct {
	fault  breaker
	quotas atomic.Pointer[[]*quotaHealth] // of the keys that something is known of
}

// quotaHealth is the state of a model by one API key: what its rate limits leave.
type quotaHealth struct {
	key *keyHealth
	breaker
	requests, tokens allowance
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
		a = &accountHealth{keys: map[string]*keyHealth{}}
		h.accounts[name] = a
	}
	return a
}

func (a *accountHealth) key(secret string) *keyHealth {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := a.keys[secret]
	if k == nil {
		k = new(keyHealth)
		a.keys[secret] = k
	}
	return k
}

// model returns the state of a model; nil: nothing is known of it.
func (a *accountHealth) model(name string) *modelHealth {
	if models := a.models.Load(); models != nil {
		return (*models)[name]
	}
	return nil
}

// remember returns the state of a model, made on first sight; nil: there are too many.
func (a *accountHealth) remember(name string, now time.Time) *modelHealth {
	if m := a.model(name); m != nil {
		return m
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	models := map[string]*modelHealth{}
	if old := a.models.Load(); old != nil {
		if m := (*old)[name]; m != nil {
			return m
		}
		maps.Copy(models, *old)
	}
	if len(models) >= maxModels {
		maps.DeleteFunc(models, func(_ string, m *modelHealth) bool { return m.condition(now) != Cooling })
	}
	if len(models) >= maxModels {
		return nil
	}
	m := new(modelHealth)
	models[name] = m
	a.models.Store(&models)
	return m
}

// condition is that of the model by any key.
func (m *modelHealth) condition(now time.Time) Condition {
	if m == nil {
		return Healthy
	}
	return m.fault.condition(now)
}

// quota returns the state of the model by a key; nil: nothing is known of it.
func (m *modelHealth) quota(k *keyHealth) *quotaHealth {
	if m == nil {
		return nil
	}
	if quotas := m.quotas.Load(); quotas != nil {
		for _, q := range *quotas {
			if q.key == k {
				return q
			}
		}
	}
	return nil
}

// remember returns the state of the model by a key, made on first sight.
func (m *modelHealth) remember(k *keyHealth) *quotaHealth {
	for {
		if q := m.quota(k); q != nil {
			return q
		}
		old := m.quotas.Load()
		q := &quotaHealth{key: k}
		quotas := []*quotaHealth{q}
		if old != nil {
			quotas = append(quotas, *old...)
		}
		if m.quotas.CompareAndSwap(old, &quotas) {
			return q
		}
	}
}

// short is until when less is left than a prompt of so many tokens needs, in
// nanoseconds since 1970; 0: there is enough.
func (q *quotaHealth) short(now time.Time, tokens int64) int64 {
	return max(q.requests.short(now, 1), q.tokens.short(now, max(tokens, 1)))
}

// Report tells of a failed attempt that concerns the account or the API key as a whole.
// retryAfter is what the provider asked for; 0: nothing.
func (h *Health) Report(account, secret string, class FailureClass, retryAfter time.Duration) {
	if h == nil {
		return
	}
	a, now := h.account(account), h.now()
	asked := min(retryAfter, longestWait)
	switch class {
	case FailureQuota:
		h.tell(a.key(secret).fail(now, 1, asked, true))
	case FailureAuth:
		h.tell(a.key(secret).fail(now, 1, authCool, false))
	case FailureFault, FailureOverload:
		h.tell(a.fault.fail(now, faultsToCool, asked, false))
	}
}

// ReportModel tells of a failed attempt that concerns one model, by the name sent: a
// rate limit that is the model's own, an overload, or that it is not there. Of other
// classes it is Report.
func (h *Health) ReportModel(account, secret, model string, class FailureClass, retryAfter time.Duration) {
	if h == nil {
		return
	}
	a, now := h.account(account), h.now()
	m := a.remember(model, now)
	asked := min(retryAfter, longestWait)
	switch {
	case m != nil && class == FailureQuota:
		h.tell(m.remember(a.key(secret)).fail(now, 1, asked, true))
	case m != nil && class == FailureOverload:
		h.tell(m.fault.fail(now, 1, asked, false))
	case m != nil && class == FailureMissing:
		h.tell(m.fault.fail(now, 1, missingCool, false))
	default:
		h.Report(account, secret, class, retryAfter)
	}
}

// OK tells of an attempt that the provider answered. model is the name sent.
func (h *Health) OK(account, secret, model string) {
	if h == nil {
		return
	}
	a, now := h.account(account), h.now()
	k := a.key(secret)
	opened := a.fault.ok(now, true)
	opened = k.ok(now, false) || opened
	if m := a.model(model); m != nil {
		opened = m.fault.ok(now, false) || opened
		if q := m.quota(k); q != nil {
			opened = q.ok(now, false) || opened
		}
	}
	h.tell(opened)
}

// Learn takes what a reply tells of the rate limits of an API key for a model, by the
// name sent. Whoever tells them counts them for each model: OpenAI, Azure, Groq and
// Anthropic say so. Where one counts them for the key, other models are tried in vain
// once, where the other reading would leave what they have left unused.
func (h *Health) Learn(account, secret, model string, l *Limits) {
	if h == nil || !l.Told {
		return
	}
	a := h.account(account)
	m := a.remember(model, h.now())
	if m == nil {
		return
	}
	q := m.remember(a.key(secret))
	more := q.requests.set(l.Requests)
	more = q.tokens.set(l.Tokens) || more
	h.tell(more)
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
	for _, k := range a.keys {
		condition := k.condition(now)
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
