package router

import (
	"sync/atomic"
	"time"
)

// access is an account of a table with its state.
type access struct {
	account *Account
	health  *accountHealth
	secrets []string         // API keys; one that is empty where the account has none
	keys    []*keyHealth     // of the secrets, in their order
	names   map[string]*node // what a model's name means here
	aliases []string         // other names of the account: its kind and the kind's aliases
}

func newAccess(a *Account, h *Health) *access {
	x := &access{account: a, health: h.account(a.Name), secrets: a.Secrets}
	if len(x.secrets) == 0 {
		x.secrets = []string{""}
	}
	for _, secret := range x.secrets {
		x.keys = append(x.keys, x.health.key(secret))
	}
	return x
}

// condition is that of a model at the account for a prompt of so many tokens, or that
// of its best API key if that is worse. model is the name sent.
func (x *access) condition(now time.Time, model string, tokens int64) Condition {
	m := x.health.model(model)
	best := Cooling
	for i := range x.keys {
		best = min(best, x.keyCondition(now, i, m, tokens))
	}
	return max(best, x.health.fault.condition(now), m.condition(now))
}

// keyCondition is the condition of an API key for a model; a key that has not enough
// left is as good as cooling.
func (x *access) keyCondition(now time.Time, key int, m *modelHealth, tokens int64) Condition {
	k := x.keys[key]
	c := k.condition(now)
	if q := m.quota(k); q != nil {
		if q.short(now, tokens) > 0 {
			return Cooling
		}
		c = max(c, q.condition(now))
	}
	return c
}

// claim takes the trial calls that a use of the target needs, and finds the API key to
// use. Where it takes none of them (false) the target is as good as cooling.
func (x *access) claim(now time.Time, model string, tokens int64) (key int, ok bool) {
	m := x.health.model(model)
	var t trials
	if !t.claim(now, &x.health.fault) || m != nil && !t.claim(now, &m.fault) {
		t.giveBack(now, 0)
		return x.next(now, m, tokens, true), false
	}
	shared := t.n
	for range x.keys {
		key = x.next(now, m, tokens, true)
		if x.keyCondition(now, key, m, tokens) == Cooling {
			break
		}
		q := m.quota(x.keys[key])
		if t.claim(now, &x.keys[key].breaker) && (q == nil || t.claim(now, &q.breaker)) {
			return key, true
		}
		t.giveBack(now, shared)
	}
	t.giveBack(now, 0)
	return key, false
}

// next returns the API key that is to be used for a model: not cooling where there is
// such a one, with the fewest calls in flight, and among equals in turn. It takes the
// turn only if told to.
func (x *access) next(now time.Time, m *modelHealth, tokens int64, take bool) (key int) {
	n := len(x.keys)
	if n == 1 {
		return 0
	}
	var turn uint32
	if take {
		turn = x.health.turn.Add(1) - 1
	} else {
		turn = x.health.turn.Load()
	}
	cools, load := 2, int64(0)
	for i := range n {
		k := int((turn + uint32(i)) % uint32(n))
		c := truth(x.keyCondition(now, k, m, tokens) == Cooling)
		if flying := x.keys[k].flying.Load(); c < cools || c == cools && flying < load {
			key, cools, load = k, c, flying
		}
	}
	return key
}

// opens is when the first of the rate limits ends that alone keep a target closed; zero:
// something else does as well. pending: a trial call may tell before that it is open.
func (x *access) opens(now time.Time, model string, tokens int64) (at time.Time, pending bool) {
	m := x.health.model(model)
	if x.health.fault.condition(now) == Cooling || m.condition(now) == Cooling {
		return time.Time{}, false
	}
	first := int64(0)
	for _, k := range x.keys {
		c := k.closing(now)
		if c.until > 0 && !c.limit {
			continue
		}
		until := c.until
		maybe := c.pending
		if q := m.quota(k); q != nil {
			own := q.closing(now)
			until = max(until, own.until, q.short(now, tokens))
			maybe = maybe || own.pending
		}
		until = max(until, now.UnixNano())
		if first == 0 || until < first {
			first = until
		}
		pending = pending || maybe
	}
	if first == 0 {
		return time.Time{}, false
	}
	return time.Unix(0, first), pending
}

// Flight is a call under way at an account. The zero value is none.
type Flight struct{ account, key *atomic.Int64 }

// End ends the call, once.
func (f *Flight) End() {
	if f.account != nil {
		f.account.Add(-1)
		f.key.Add(-1)
		*f = Flight{}
	}
}

// Begin counts a call to the target as in flight, and takes what it is estimated to
// use off what is left of the rate limits, until the provider tells more.
func (c *Candidate) Begin() Flight {
	if c.access == nil {
		return Flight{}
	}
	a, k := c.access.health, c.access.keys[c.key]
	a.flying.Add(1)
	k.flying.Add(1)
	if q := a.model(c.Target.Sent).quota(k); q != nil {
		q.requests.take(1)
		q.tokens.take(c.Input)
	}
	return Flight{account: &a.flying, key: &k.flying}
}

// Keys is how many API keys the target's account has.
func (c *Candidate) Keys() int {
	if c.access == nil {
		return 1
	}
	return len(c.access.keys)
}

// Renew looks at the target again, since other calls have told of it: it takes the API
// key that is the best by now, and the trial calls that using it needs. It reports
// whether the target may be used.
func (c *Candidate) Renew(now time.Time) bool {
	if c.access == nil {
		return true
	}
	key, ok := c.access.claim(now, c.Target.Sent, c.Input)
	c.key, c.Secret = key, c.access.secrets[key]
	return ok
}
