package proxy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/router"
)

// maxRounds is how often a call goes to its targets, waiting between: a provider that
// lets nobody wait must not be asked without end.
const maxRounds = 8

// closed reports whether rate limits close all targets that are left for the call, and
// until when. What cools for another reason is no cause to wait: it is tried last.
// pending: a trial call may open one before.
func (c *call) closed() (until time.Time, pending, closed bool) {
	for i := range c.decision.Candidates {
		candidate := &c.decision.Candidates[i]
		switch {
		case c.spent(candidate.Target):
			continue
		case candidate.Opens.IsZero():
			return time.Time{}, false, false
		case until.IsZero(), candidate.Opens.Before(until):
			until = candidate.Opens
		}
		pending = pending || candidate.Pending
	}
	return until, pending, !until.IsZero()
}

// spent reports whether a target is not to be tried again: it could not be asked, or
// has failed this call other than by its rate limit.
func (c *call) spent(t *router.Target) bool {
	for i := range c.failures {
		if f := &c.failures[i]; f.status != statusLimited && same(f.target, t) {
			return true
		}
	}
	return slices.ContainsFunc(c.unfit, func(unfit *router.Target) bool { return same(unfit, t) })
}

func same(a, b *router.Target) bool { return a.Account.Name == b.Account.Name && a.Sent == b.Sent }

const statusLimited = 429

// await waits while rate limits close all targets of the call, as long as it may. It
// returns nil where there is one to be tried, and at once where the wait would be in
// vain: then all are tried that are left, as without it.
func (c *call) await() *llm.Error {
	until, pending, closed := c.closed()
	if !closed || c.decision.MaxWait <= c.record.Queued {
		return nil
	}
	began := time.Now()
	deadline := began.Add(c.decision.MaxWait - c.record.Queued)
	if until.After(deadline) && !pending {
		return nil
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	c.client.waitsFor(cancel)
	timer := time.AfterFunc(time.Until(deadline), func() { cancel(errWaited) })
	var refusal *llm.Error
	err := c.gateway.queue.wait(ctx, c.http.Done(), c.caller.Tenant.ID, &waiter{arrived: c.start, ready: func(now time.Time) (bool, time.Time) {
		refusal = c.decide(now)
		until, _, closed = c.closed()
		return refusal != nil || !closed, until
	}})
	timer.Stop()
	cancel(errEnded)
	waited := time.Since(began)
	c.record.Queued += waited
	c.upstream += waited
	c.gateway.Metrics.Waited(waited, err)
	if err == nil {
		c.note()
		return refusal
	}
	return c.waited(err, max(time.Until(until), time.Second))
}

// errWaited is the cause of the end of a wait that has taken all its time.
var errWaited = errors.New("the call has waited as long as it may")

// waited is the answer to a call that found no target while it might wait.
func (c *call) waited(cause error, opens time.Duration) *llm.Error {
	e := &llm.Error{Status: statusLimited, Code: "rate_limit_exceeded", RetryAfter: opens, Cause: cause}
	switch {
	case errors.Is(cause, errClientGone):
		return errGone()
	case errors.Is(cause, errDraining):
		return llm.Unavailable("The gateway stops, and does not wait for a provider any more.", cause)
	case errors.Is(cause, errAllWait):
		e.Status, e.Code = 503, "gateway_unavailable"
		e.Message = "The rate limits of every provider that may serve this request are reached, and too many calls wait for that already."
	case errors.Is(cause, errTenantWaits):
		e.Message = "The rate limits of every provider that may serve this request are reached, and too many of the tenant's calls wait for that already."
	default:
		e.Message = fmt.Sprintf("The rate limits of every provider that may serve this request are reached; the call has waited for %s.", c.record.Queued.Round(time.Millisecond))
	}
	if len(c.failures) > 0 { // providers have said so themselves
		e = c.exhausted()
		e.RetryAfter = opens
	}
	return e
}

// decide asks the router again.
func (c *call) decide(now time.Time) *llm.Error {
	c.query.Now = now
	if err := c.gateway.Table(c.caller).Decide(&c.query, &c.decision); err != nil {
		return c.inCallersWords(err)
	}
	return nil
}

// again reports whether the call is to go to its targets once more, after its wait: the
// rate limits of some were found to be reached, and it may wait for those.
func (c *call) again(round int) bool {
	if c.decision.MaxWait <= c.record.Queued || round+1 >= maxRounds || !c.limited() || c.decide(time.Now()) != nil {
		return false
	}
	for i := range c.decision.Candidates {
		if candidate := &c.decision.Candidates[i]; !candidate.Cooling && !c.spent(candidate.Target) {
			return true // its pause is over
		}
	}
	until, pending, closed := c.closed()
	return closed && (pending || time.Until(until) <= c.decision.MaxWait-c.record.Queued)
}

// limited reports whether a rate limit has failed an attempt.
func (c *call) limited() bool {
	for i := range c.failures {
		if c.failures[i].status == statusLimited {
			return true
		}
	}
	return false
}
