package main

import (
	"context"
	"time"

	"github.com/generic-corp/halfpenny/api"
	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/proxy"
	"github.com/generic-corp/halfpenny/router"
	"github.com/generic-corp/halfpenny/router/habits"
	"github.com/generic-corp/halfpenny/store/ledger"
	"github.com/generic-corp/halfpenny/tenancy"
	"github.com/generic-corp/halfpenny/tenancy/redislimit"
)

var (
	_ proxy.Keys      = (*tenancy.Directory)(nil)
	_ proxy.Ledger    = (*ledger.Ledger)(nil)
	_ proxy.Habits    = (*habits.Book)(nil)
	_ proxy.Signs     = (*habits.Signs)(nil)
	_ tenancy.Limiter = (*redislimit.Limiter)(nil)
	_ api.Callers     = (*tenancy.Directory)(nil)
	_ api.Receipts    = (*gateway)(nil)
	_ api.Estimator   = (*gateway)(nil)
	_ api.Router      = (*gateway)(nil)
	_ api.Quotas      = (*tenancy.LocalLimiter)(nil)
	_ api.Quotas      = (*redislimit.Limiter)(nil)
)

// Receipt returns the record of a request: one that is not in the database yet
// lies in the ledger.
func (g *gateway) Receipt(ctx context.Context, slug, id string) (llm.Stored, error) {
	if r, ok := g.ledger.Pending(slug, id); ok {
		return llm.Stored{Record: r}, nil
	}
	return g.db.Record(ctx, slug, id)
}

// Estimate decides a task as the data plane would decide a chat request for model
// auto. Without a caller the free plan's policy holds.
func (g *gateway) Estimate(c *tenancy.Caller, task string, maxCost llm.NullMoney, preferred string) (api.Estimate, *llm.Error) {
	if c == nil {
		policy, _ := tenancy.PlanPolicy("free")
		c = &tenancy.Caller{Tenant: &tenancy.Tenant{Policy: policy}, Key: &tenancy.Key{}}
	}
	d, err := g.proxy.Preview(c, proxy.ChatOf("auto", task), func(q *router.Query) {
		q.MaxCost = maxCost
		if preferred != "" {
			q.Order = []string{preferred}
		}
	})
	if err != nil {
		return api.Estimate{}, err
	}
	choice := func(c *router.Candidate) api.Choice {
		return api.Choice{Provider: c.Target.Account.Name, Model: c.Target.ID, Cost: c.Cost, Tokens: c.Input + c.Output}
	}
	first := &d.Candidates[0]
	e := api.Estimate{Recommendation: choice(first), BaselineModel: d.BaselineName, BaselineKind: d.BaselineKind, Simulated: first.Target.Account.Simulated}
	for i := range d.Candidates[1:] {
		e.Alternatives = append(e.Alternatives, choice(&d.Candidates[i+1]))
	}
	if d.BaselineKind != llm.BaselineNone {
		e.Baseline = llm.Known(d.BaselineRates.Cost(&llm.Usage{Input: first.Input, Output: first.Output}))
	}
	return e, nil
}

// ready reports whether the gateway can serve, and what is wrong although it can.
func (g *gateway) ready() (ok bool, degraded []string) {
	ledger := g.ledger.Stats()
	if ledger.Err != nil {
		return false, []string{"the journal takes no record: " + ledger.Err.Error()}
	}
	if healthy, since := g.directory.Healthy(); !healthy {
		degraded = append(degraded, "the database has not answered since "+since.UTC().Format(time.RFC3339)+"; keys that are known go on serving")
	}
	if ledger.Tight != nil {
		degraded = append(degraded, "the journal cannot grow: "+ledger.Tight.Error())
	}
	if ledger.SinkErr != nil {
		degraded = append(degraded, "records wait in the journal, because the database refuses them")
	}
	if g.redis != nil {
		if why := g.redis.Degraded(); why != "" {
			degraded = append(degraded, why)
		}
	}
	if g.config.Load().Simulated() {
		degraded = append(degraded, "no provider is configured: a simulation answers for all of them")
	}
	return true, degraded
}

// detail is what /api/health tells the operator.
func (g *gateway) detail() map[string]any {
	l := g.ledger.Stats()
	providers := []map[string]any{}
	for _, s := range g.health.States() {
		providers = append(providers, map[string]any{"account": s.Account, "condition": s.Condition.String(), "failures": s.Failures, "keys": s.Keys, "keysCooling": s.KeysCooling})
	}
	return map[string]any{
		"ledger":    map[string]any{"open": l.Open, "queue": l.Queue, "oldestSeconds": l.Oldest.Seconds(), "flushed": l.Flushed, "failures": l.Failures, "journalBytes": l.Bytes},
		"providers": providers,
		"inFlight":  g.proxy.InFlight(),
		"store":     g.config.Load().Store.Driver,
	}
}
