package api

import (
	"fmt"
	"time"

	"github.com/generic-corp/halfpenny/analytics"
	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/tenancy"
)

func (a *API) costSummary(r *request) (any, error) {
	period, o, err := a.summed(r)
	if err != nil {
		return nil, err
	}
	rollups, err := a.Rollups.Rollups(r.ctx, r.caller.Tenant.Slug, period.Start, period.End)
	if err != nil {
		return nil, err
	}
	return analytics.Summarise(rollups, period, o), nil
}

// savings answers with what was saved in a period, and what the holdout measured of it.
func (a *API) savings(r *request) (any, error) {
	period, o, err := a.summed(r)
	if err != nil {
		return nil, err
	}
	slug := r.caller.Tenant.Slug
	rollups, err := a.Rollups.Rollups(r.ctx, slug, period.Start, period.End)
	if err != nil {
		return nil, err
	}
	trials, err := a.Trials.Trials(r.ctx, slug, period.Start, period.End)
	if err != nil {
		return nil, err
	}
	return analytics.SavingsOf(rollups, trials, period, o), nil
}

// summed reads which records a summary is asked for.
func (a *API) summed(r *request) (analytics.Period, analytics.Options, error) {
	period, err := analytics.ParsePeriod(r.query("period"), r.query("startDate"), r.query("endDate"), a.now())
	if err != nil {
		return period, analytics.Options{}, err
	}
	test, err := flag("test", r.query("test"))
	return period, analytics.Options{Real: a.Real(), Test: test}, err
}

func flag(name, value string) (bool, error) {
	switch value {
	case "", "false", "0":
		return false, nil
	case "true", "1":
		return true, nil
	}
	return false, llm.Invalid(name, name+" must be true or false")
}

// ownUsageJSON is the caller's own spend, budget and limits.
type ownUsageJSON struct {
	Tenant      string      `json:"tenant"`
	KeyID       string      `json:"keyId"`
	Test        bool        `json:"test"`
	RoutingMode string      `json:"routingMode"`
	Day         spendJSON   `json:"day"`
	Month       spendJSON   `json:"month"`
	Budgets     budgetsJSON `json:"budgets"`
	Limits      limitsJSON  `json:"limits"`
}

// spendJSON is the tenant's spend in a period, and the part of the caller's key.
type spendJSON struct {
	Period     analytics.Period `json:"period"`
	Requests   int64            `json:"requests"`
	CostUSD    llm.Money        `json:"costUsd"`
	SavingsUSD llm.Money        `json:"savingsUsd"`
	KeyCostUSD llm.Money        `json:"keyCostUsd"`
	Simulated  bool             `json:"simulated"`
}

type budgetsJSON struct {
	MonthUSD          llm.NullMoney `json:"monthUsd"`
	MonthRemainingUSD llm.NullMoney `json:"monthRemainingUsd"`
	DayUSD            llm.NullMoney `json:"dayUsd"`
	DayRemainingUSD   llm.NullMoney `json:"dayRemainingUsd"`
	Timezone          string        `json:"timezone"`
}

type limitsJSON struct {
	RequestsPerHour   *quotaJSON `json:"requestsPerHour"`
	RequestsPerMinute *int64     `json:"requestsPerMinute"`
	TokensPerMinute   *int64     `json:"tokensPerMinute"`
	Concurrency       *int64     `json:"concurrency"`
}

type quotaJSON struct {
	Limit        int64  `json:"limit"`
	Remaining    int64  `json:"remaining"`
	ResetSeconds scaled `json:"resetSeconds"`
}

func (a *API) usage(r *request) (any, error) {
	tenant := r.caller.Tenant
	policy := a.Admin.Effective(tenant)
	zone, err := time.LoadLocation(policy.Budgets.Timezone)
	if err != nil {
		return nil, fmt.Errorf("cannot use the time zone of tenant %s: %w", tenant.Slug, err)
	}
	day, month := budgetPeriods(a.now().In(zone))
	rollups, err := a.Rollups.Rollups(r.ctx, tenant.Slug, month.Start, month.End)
	if err != nil {
		return nil, err
	}
	limits, err := a.limitsOf(r, &policy)
	if err != nil {
		return nil, err
	}
	j := ownUsageJSON{
		Tenant: tenant.Slug, KeyID: r.caller.Key.ID, Test: r.caller.Key.Test, RoutingMode: policy.Routing.Mode,
		Day: a.spend(r.caller, rollups, day), Month: a.spend(r.caller, rollups, month), Limits: limits,
	}
	j.Budgets = budgetsOf(tenant, &policy, j.Month.CostUSD, j.Day.CostUSD)
	return j, nil
}

// budgetPeriods returns the day and the month that hold now, in now's time zone.
func budgetPeriods(now time.Time) (day, month analytics.Period) {
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	first := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, now.Location())
	day = analytics.Period{Start: midnight.UTC(), End: midnight.AddDate(0, 0, 1).UTC()}
	month = analytics.Period{Start: first.UTC(), End: first.AddDate(0, 1, 0).UTC()}
	return day, month
}

func (a *API) spend(c *tenancy.Caller, rollups []llm.Rollup, p analytics.Period) spendJSON {
	var within []llm.Rollup
	for i := range rollups {
		if at := rollups[i].Start; !at.Before(p.Start) && at.Before(p.End) {
			within = append(within, rollups[i])
		}
	}
	sum := analytics.Summarise(within, p, analytics.Options{Real: a.Real(), Test: c.Key.Test})
	j := spendJSON{
		Period: p, Requests: sum.Summary.TotalRequests, CostUSD: sum.Summary.ActualCostUSD, SavingsUSD: sum.Summary.SavingsUSD, Simulated: sum.Summary.Simulated,
	}
	for _, key := range sum.ByKey {
		if key.KeyID == c.Key.ID {
			j.KeyCostUSD = key.CostUSD
		}
	}
	return j
}

// budgetsOf: of the tenant's own month and the operator's, the lower binds.
func budgetsOf(t *tenancy.Tenant, p *tenancy.Policy, month, day llm.Money) budgetsJSON {
	monthCap := p.Budgets.MonthUSD
	if operator := t.MaxMonthlySpend; operator.Valid && (!monthCap.Valid || operator.Money < monthCap.Money) {
		monthCap = operator
	}
	return budgetsJSON{
		MonthUSD: monthCap, MonthRemainingUSD: remaining(monthCap, month),
		DayUSD: p.Budgets.DayUSD, DayRemainingUSD: remaining(p.Budgets.DayUSD, day), Timezone: p.Budgets.Timezone,
	}
}

func remaining(cap llm.NullMoney, spent llm.Money) llm.NullMoney {
	if !cap.Valid {
		return llm.NullMoney{}
	}
	return llm.Known(max(0, cap.Money-spent))
}

func (a *API) limitsOf(r *request, p *tenancy.Policy) (limitsJSON, error) {
	j := limitsJSON{RequestsPerMinute: p.Limits.RequestsPerMinute, TokensPerMinute: p.Limits.TokensPerMinute, Concurrency: p.Limits.Concurrency}
	if p.Limits.RequestsPerHour == nil {
		return j, nil
	}
	q, err := a.Quotas.Peek(r.ctx, r.caller.Tenant.ID, *p.Limits.RequestsPerHour)
	if err != nil {
		return j, err
	}
	j.RequestsPerHour = &quotaJSON{Limit: q.Limit, Remaining: q.Remaining, ResetSeconds: scaled{q.Reset.Milliseconds(), 3}}
	return j, nil
}
