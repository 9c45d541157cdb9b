package proxy

import (
	"sync"
	"time"

	"github.com/generic-corp/halfpenny/llm"
)

// settle ends an attempt: its outcome, usage and cost. It is the one place where
// a call is priced.
func (a *attempt) settle(outcome llm.Outcome) {
	e, reading := a.entry, a.meter.Reading()
	e.Latency = time.Since(e.At)
	if !a.streaming {
		a.upstream += e.Latency
	}
	e.Outcome, e.Served, e.Reported = outcome, reading.Model, reading.Cost
	e.Usage, e.CostStatus = reading.Usage, llm.CostExact
	if !reading.Reported {
		e.Usage = a.estimated(outcome)
		if e.Usage.Estimated {
			e.CostStatus = llm.CostEstimated
		}
	}
	a.price(e)
	if outcome == llm.OutcomeOK && reading.Reported && !e.Simulated {
		a.learn(e)
	}
	a.gateway.Metrics.Attempt(e)
}

// learn takes what the provider reported as what the next calls are estimated by.
func (a *attempt) learn(e *llm.Attempt) {
	g, t := a.gateway, a.candidate.Target
	g.outputs.learn(e.Model, e.Usage.OutputTokens())
	if a.endpoint != llm.EndpointChat {
		return
	}
	reported := e.Usage.InputTokens()
	g.Metrics.Estimate(a.prompt.found.For(t.Family), e.EstimatedInput, reported)
	g.Calibration.Learn(t.Counted, t.Family, &a.prompt.found, reported)
}

// estimated is the usage of an attempt whose provider reported none. A refused or
// unsent attempt used nothing. An answer, or a part of one, is charged what passed;
// a call that the client cut before any output came, the model's median output.
func (a *attempt) estimated(outcome llm.Outcome) llm.Usage {
	e := a.entry
	switch outcome {
	case llm.OutcomeUnsent:
		return llm.Usage{}
	case llm.OutcomeError: // of a stream: an error event behind what passed
		if !a.streaming || !a.meter.Reading().Visible {
			return llm.Usage{}
		}
	case llm.OutcomeTimeout, llm.OutcomeCut:
		if e.FirstByte == 0 {
			return llm.Usage{}
		}
	}
	usage := a.meter.Reading().Usage // what was reported of the prompt before the end
	if usage.InputTokens() == 0 {
		usage = llm.Usage{Input: e.EstimatedInput}
	}
	usage.Output, usage.Estimated = a.meter.Output(), true
	if outcome == llm.OutcomeCanceled && !a.meter.Reading().Visible {
		usage.Output = max(usage.Output, e.EstimatedOutput)
	}
	return usage
}

// price computes the cost of e's usage by the price in force when the attempt was
// made, for the tier and the model that the reply names if the price list knows them.
func (a *attempt) price(e *llm.Attempt) {
	reading := a.meter.Reading()
	p := a.gateway.Table(a.caller).Price(a.caller.Tenant.Slug, a.candidate.Target, reading.Model, reading.Tier, e.At, e.Usage.InputTokens())
	if e.Priced = p != nil; e.Priced {
		e.Rates = p.Rates
	}
	switch {
	case e.Usage.Empty():
		e.Cost = llm.Known(0)
	case e.Priced:
		e.Cost = llm.Known(p.Bill(&e.Usage))
	default:
		e.CostStatus = llm.CostUnpriced
	}
	if e.Simulated && e.Priced {
		e.CostStatus = llm.CostSimulated
	}
}

// finish ends the call, whatever happened, once: its totals go on record before
// the reply's last byte goes down.
func (c *call) finish(outcome llm.Outcome, status int) {
	if c.finished {
		return
	}
	c.finished = true
	r := c.record
	r.Outcome, r.Status, r.Done = outcome, status, true
	r.Total = time.Since(c.start)
	if r.Overhead == 0 {
		r.Overhead = r.Total - c.upstream
	}
	if n := len(r.Attempts); n > 0 {
		r.Baseline = c.baseline(&r.Attempts[n-1].Usage)
	}
	c.observe(outcome)
	c.remember()
	if err := c.gateway.Ledger.Finished(r); err != nil {
		c.gateway.Log.Error("cannot put the end of a call on record", "request", c.id, "error", err)
	}
	c.gateway.Metrics.Request(r)
}

// baseline is what u would have cost at the model that savings are measured against.
func (c *call) baseline(u *llm.Usage) llm.NullMoney {
	if c.decision.BaselineKind == llm.BaselineNone {
		return llm.NullMoney{}
	}
	return llm.Known(c.decision.BaselineRates.Cost(u))
}

// end frees what the call holds.
func (c *call) end() {
	if c.watch != nil {
		c.watch.stop()
	}
	c.gateway.flying.Add(-1)
}

// outputs learns the median output of each model, in tokens, by steps towards what
// is reported (the stochastic approximation of a quantile, Robbins and Monro 1951).
type outputs struct {
	mu      sync.RWMutex
	medians map[string]int64
}

const (
	firstMedian = 256  // tokens, of a model that has not been seen
	maxMedians  = 4096 // models that are remembered
)

// median is the learned median output of a model, at most limit tokens if there is a limit.
func (o *outputs) median(model string, limit int64) int64 {
	o.mu.RLock()
	m, ok := o.medians[model]
	o.mu.RUnlock()
	if !ok {
		m = firstMedian
	}
	if limit > 0 {
		m = min(m, limit)
	}
	return m
}

func (o *outputs) learn(model string, tokens int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	m, ok := o.medians[model]
	switch {
	case !ok && len(o.medians) >= maxMedians:
		return
	case !ok:
		if o.medians == nil {
			o.medians = map[string]int64{}
		}
		m = firstMedian
	}
	step := max(1, m/16)
	switch {
	case tokens > m:
		m += step
	case tokens < m:
		m -= step
	}
	o.medians[model] = m
}
