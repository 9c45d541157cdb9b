package proxy

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/generic-corp/halfpenny/cache"
	"github.com/generic-corp/halfpenny/llm"
)

// The bounds of how long a reply may be kept, in seconds.
const (
	usualTTL = 3600
	mostTTL  = 7 * 24 * 3600
)

// keeping is what a call has to do with the cache. The zero value is nothing.
type keeping struct {
	key  cache.Key
	ttl  time.Duration // how long the reply is to be kept; 0: not at all
	said string        // x-halfpenny-cache; empty: bypass
	body []byte        // of a stream: what has gone down
	over bool          // it is too large to be kept
}

// cached answers from the cache, if the tenant or the caller wants that and an exact
// repeat of the request is there; false: it is to be forwarded.
func (c *call) cached() (bool, *llm.Error) {
	use, ttl, err := c.cacheControls()
	if err != nil || use == cacheOff || !c.keepable() {
		return false, err
	}
	k := &c.keeping
	k.key, k.ttl, k.said = c.cacheKey(), ttl, "miss"
	if use == cacheRefresh {
		return false, nil
	}
	e, ok := c.gateway.Cache.Get(context.Background(), k.key)
	if !ok {
		c.gateway.Metrics.Cached("miss")
		return false, nil
	}
	c.gateway.Metrics.Cached("hit")
	k.ttl, k.said = 0, "hit"
	return true, c.replay(e)
}

// What a caller can say in x-halfpenny-cache.
const (
	cacheOff     = "off"
	cacheOn      = "on"
	cacheRefresh = "refresh" // ask the provider, and keep its reply
)

// cacheControls reads what the caller says of the cache, and where that is nothing, the tenant.
func (c *call) cacheControls() (use string, ttl time.Duration, _ *llm.Error) {
	h, policy := &c.http.Request.Header, &c.caller.Tenant.Policy.Cache
	use = cacheOff
	if policy.Enabled {
		use = cacheOn
	}
	if v := h.Peek("X-Halfpenny-Cache"); len(v) > 0 {
		if use = string(v); use != cacheOn && use != cacheOff && use != cacheRefresh {
			return "", 0, llm.Invalid("x-halfpenny-cache", "The header 'x-halfpenny-cache' must be on, off or refresh.")
		}
	}
	seconds := policy.TTLSeconds
	if seconds == 0 {
		seconds = usualTTL
	}
	if v := h.Peek("X-Halfpenny-Cache-Ttl"); len(v) > 0 {
		n, err := strconv.ParseInt(string(v), 10, 64)
		if err != nil || n < 1 || n > mostTTL {
			return "", 0, llm.Invalid("x-halfpenny-cache-ttl", "The header 'x-halfpenny-cache-ttl' must be a number of seconds from 1 to 604800.")
		}
		seconds = n
	}
	return use, time.Duration(seconds) * time.Second, nil
}

// keepable reports whether a repeat of the request means the same: not where it goes on
// from what a provider remembers, nor where its reply tells of this very call.
func (c *call) keepable() bool {
	switch c.endpoint {
	case llm.EndpointChat, llm.EndpointEmbeddings, llm.EndpointCompletions, llm.EndpointModerations:
		return c.gateway.Cache != nil && !c.body.kept && !c.annotates()
	}
	return false
}

// cacheSteers are headers that a request's answer depends on.
var cacheSteers = [...]string{"Anthropic-Version", "Anthropic-Beta", "X-Halfpenny-Route", "X-Halfpenny-Quality-Floor", "X-Halfpenny-Max-Cost-Usd"}

func (c *call) cacheKey() cache.Key {
	policy, err := json.Marshal(&c.caller.Tenant.Policy.Routing) // what it rules out now is not served from before
	if err != nil {
		panic("BUG: " + err.Error())
	}
	simulated := strconv.AppendBool(nil, c.decision.Candidates[0].Target.Account.Simulated)
	parts := make([][]byte, 0, 5+len(cacheSteers))
	parts = append(parts, []byte{byte(c.dialect), byte(c.endpoint)}, c.http.Path(), c.http.QueryArgs().Peek("alt"), simulated, policy)
	for _, name := range cacheSteers {
		parts = append(parts, c.http.Request.Header.Peek(name))
	}
	return c.gateway.CacheKeys.Key(c.caller.Tenant.ID, append(parts, c.body.raw)...)
}

// replay answers with a reply that was kept. It costs nothing, and is on record as
// what the call would have cost without it.
func (c *call) replay(e *cache.Entry) *llm.Error {
	c.open()
	r := c.record
	r.Provider, r.Model, r.Reason = e.Provider, e.Model, llm.ReasonCached
	r.Simulated = c.decision.Candidates[0].Target.Account.Simulated
	r.Baseline = c.baseline(&e.Usage)
	if err := c.gateway.Ledger.Started(r); err != nil {
		c.record = nil
		return llm.Unavailable("The call could not be put on record, so it was not answered.", err)
	}
	r.FirstByte = time.Since(c.start)
	c.finish(llm.OutcomeOK, e.Status)
	c.facts(false)
	h := &c.http.Response.Header
	h.Set("Age", strconv.FormatInt(int64(e.Age(time.Now()).Seconds()), 10))
	h.SetContentType(e.ContentType)
	c.http.SetStatusCode(e.Status)
	c.http.SetBody(e.Body)
	return nil
}

// keep keeps a whole reply for repeats of the request.
func (a *attempt) keep(body []byte, stream bool) {
	k := &a.keeping
	status := a.http.Response.StatusCode()
	if k.ttl == 0 || k.over || status != http.StatusOK || len(body) == 0 {
		return
	}
	a.gateway.Cache.Put(context.Background(), k.key, &cache.Entry{
		Stored: time.Now(), TTL: k.ttl, Status: status, ContentType: string(a.http.Response.Header.ContentType()), Stream: stream, Body: body,
		Provider: a.entry.Provider, Model: a.entry.Model, Served: a.entry.Served, Usage: a.entry.Usage, Cost: a.entry.Cost,
	})
}

// note takes a part of a stream that has gone down.
func (k *keeping) note(p []byte) {
	if k.ttl == 0 || k.over {
		return
	}
	if k.over = len(k.body)+len(p) > cache.DefaultMaxEntry; k.over {
		k.body = nil
		return
	}
	k.body = append(k.body, p...)
}
