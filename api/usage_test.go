package api

import (
	"errors"
	"testing"
	"time"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/tenancy"
)

func TestCostSummary(t *testing.T) {
	h := newHouse(t)
	h.api.now = func() time.Time { return time.Date(2026, 1, 15, 0, 0, 0, 0, time.UTC) }
	h.records.rollups = map[string][]llm.Rollup{"acme": {
		{Provider: "openai", Model: "gpt-5-mini", KeyID: "k", Requests: 2, Attempts: 3, Cost: usd(t, "0.000000001").Money, Baselined: 1, Baseline: 4, LatencyMs: 1700},
		{Provider: "openai", Model: "gpt-5-mini", KeyID: "k", Requests: 50, Simulated: true, Test: true},
	}}
	line := `"requests":2,"attempts":3,"inputTokens":0,"outputTokens":0,"costUsd":0.000000001,"baselineUsd":0.000000004,"savingsUsd":0.000000003,"avgLatencyMs":850`
	h.asAcme("GET", "/api/analytics/cost-summary?period=month", "").is(200, `{"period":{"start":"2026-01-01T00:00:00Z","end":"2026-01-31T23:59:59Z"},
		"summary":{"totalRequests":2,"totalAttempts":3,"actualCostUsd":0.000000001,"baselineCostUsd":0.000000004,"savingsUsd":0.000000003,"savingsPercent":75,"potentialSavingsUsd":0,
			"unpricedRequests":0,"unknownRequests":0,"inputTokens":0,"outputTokens":0,"simulated":false},
		"byProvider":[{"provider":"openai",`+line+`}],"byModel":[{"model":"gpt-5-mini",`+line+`}],"byKey":[{"keyId":"k",`+line+`}],"byTag":[]}`)
	if want := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC); h.records.asked[1] != want {
		t.Errorf("asked for %v", h.records.asked)
	}
	var got struct{ Summary struct{ TotalRequests int64 } }
	h.asAcme("GET", "/api/analytics/cost-summary?test=true", "").is(200, "").into(&got)
	if got.Summary.TotalRequests != 52 {
		t.Errorf("got %+v", got)
	}
	h.call("GET", "/api/analytics/cost-summary?startDate=2030-01-01&endDate=2030-01-02", "", "X-Api-Key: "+h.other).is(200, `{"period":{"start":"2030-01-01T00:00:00Z","end":"2030-01-02T23:59:59Z"},
		"summary":{"totalRequests":0,"totalAttempts":0,"actualCostUsd":0,"baselineCostUsd":0,"savingsUsd":0,"savingsPercent":0,"potentialSavingsUsd":0,
			"unpricedRequests":0,"unknownRequests":0,"inputTokens":0,"outputTokens":0,"simulated":false},"byProvider":[],"byModel":[],"byKey":[],"byTag":[]}`)
	h.asAcme("GET", "/api/analytics/cost-summary?period=year", "").fails(400, "invalid_request", "period")
	h.asAcme("GET", "/api/analytics/cost-summary?startDate=x", "").fails(400, "invalid_request", "startDate")
	h.asAcme("GET", "/api/analytics/cost-summary?startDate=2026-01-02&endDate=2026-01-01", "").fails(400, "invalid_request", "endDate")
	h.asAcme("GET", "/api/analytics/cost-summary?test=maybe", "").fails(400, "invalid_request", "test")
}

// The caller sees its own day and month, in the time zone of its budgets.
func TestUsage(t *testing.T) {
	h := newHouse(t)
	h.api.now = func() time.Time { return time.Date(2026, 1, 14, 23, 30, 0, 0, time.UTC) } // the 15th in Berlin
	h.asAdmin("PUT", "/api/tenants/acme/policy", `{"budgets":{"timezone":"Europe/Berlin","monthUsd":1,"dayUsd":0.25},"limits":{"requestsPerHour":10}}`).is(200, "")
	caller, err := h.api.Callers.Authenticate(t.Context(), []byte(h.acme))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = h.limiter.Take(t.Context(), caller.Tenant.ID, 10)
	h.records.rollups = map[string][]llm.Rollup{"acme": {
		{Start: time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC), KeyID: caller.Key.ID, Requests: 1, Cost: usd(t, "0.5").Money},
		{Start: time.Date(2026, 1, 14, 23, 15, 0, 0, time.UTC), KeyID: "another", Requests: 1, Cost: usd(t, "0.3").Money},
	}}
	var got ownUsage
	h.asAcme("GET", "/v1/usage", "").is(200, "").into(&got)
	if got.Month.CostUSD != usd(t, "0.8") || got.Month.KeyCostUSD != usd(t, "0.5") || got.Day.CostUSD != usd(t, "0.3") || got.Day.KeyCostUSD != usd(t, "0") {
		t.Errorf("got %+v", got)
	}
	if got.Month.Period.Start != "2025-12-31T23:00:00Z" || got.Day.Period.Start != "2026-01-14T23:00:00Z" || got.Day.Period.End != "2026-01-15T23:00:00Z" {
		t.Errorf("got %+v", got)
	}
	if got.Budgets.MonthRemainingUSD != usd(t, "0.2") || got.Budgets.DayRemainingUSD != usd(t, "0") {
		t.Errorf("got %+v", got.Budgets)
	}
	if q := got.Limits.RequestsPerHour; q == nil || q.Limit != 10 || q.Remaining != 9 {
		t.Errorf("got %+v", q)
	}
	h.records.err = errors.New("down")
	h.asAcme("GET", "/v1/usage", "").is(503, "")
}

type ownUsage struct {
	Day, Month struct {
		Period              struct{ Start, End string }
		CostUSD, KeyCostUSD llm.NullMoney
	}
	Budgets struct{ MonthRemainingUSD, DayRemainingUSD llm.NullMoney }
	Limits  struct {
		RequestsPerHour *struct{ Limit, Remaining int64 }
	}
}

func TestTheLowerMonthBinds(t *testing.T) {
	f := func(operator, own, want string) {
		t.Helper()
		amount := func(s string) llm.NullMoney {
			if s == "" {
				return llm.NullMoney{}
			}
			return usd(t, s)
		}
		p := tenancy.Policy{Budgets: tenancy.Budgets{MonthUSD: amount(own)}}
		if got := budgetsOf(&tenancy.Tenant{MaxMonthlySpend: amount(operator)}, &p, 0, 0); got.MonthUSD != amount(want) || got.MonthRemainingUSD != amount(want) {
			t.Errorf("operator %q, own %q: got %v, want %q", operator, own, got.MonthUSD, want)
		}
	}
	f("", "", "")
	f("5", "", "5")
	f("", "5", "5")
	f("5", "3", "3")
	f("3", "5", "3")
}
