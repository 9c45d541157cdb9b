package analytics

import (
	"encoding/json"
	"math"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/generic-corp/halfpenny/llm"
)

var january = Period{Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), End: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC), WholeDays: true}

func dollars(t *testing.T, s string) llm.Money {
	t.Helper()
	m, err := llm.ParseMoney(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSummariseIsTheContractsJSON(t *testing.T) {
	rollups := []llm.Rollup{
		{Provider: "openai", Model: "gpt-5-mini", KeyID: "k1", Tags: "feature=chat,team=search", Requests: 800, Attempts: 810, Unknown: 1, Input: 5, Output: 7,
			Cost: dollars(t, "30.20"), Baselined: dollars(t, "30.20"), Baseline: dollars(t, "50"), LatencyMs: 680_400, Potential: dollars(t, "1.5")},
		{Provider: "anthropic", Model: "claude-haiku-4-5", KeyID: "k1", Tags: "team=search", Requests: 450, Attempts: 450, Unpriced: 2,
			Cost: dollars(t, "15.10"), Baselined: dollars(t, "15.10"), Baseline: dollars(t, "28.50"), LatencyMs: 450},
	}
	got, err := json.Marshal(Summarise(rollups, january, Options{Real: true}))
	if err != nil {
		t.Fatal(err)
	}
	openai := `"requests":800,"attempts":810,"inputTokens":5,"outputTokens":7,"costUsd":30.2,"baselineUsd":50,"savingsUsd":19.8,"avgLatencyMs":851}`
	anthropic := `"requests":450,"attempts":450,"inputTokens":0,"outputTokens":0,"costUsd":15.1,"baselineUsd":28.5,"savingsUsd":13.4,"avgLatencyMs":1}`
	all := `"requests":1250,"attempts":1260,"inputTokens":5,"outputTokens":7,"costUsd":45.3,"baselineUsd":78.5,"savingsUsd":33.2,"avgLatencyMs":545}`
	want := `{"period":{"end":"2026-01-31T23:59:59Z","start":"2026-01-01T00:00:00Z"},` +
		`"summary":{"totalRequests":1250,"totalAttempts":1260,"actualCostUsd":45.3,"baselineCostUsd":78.5,"savingsUsd":33.2,"savingsPercent":42.3,` +
		`"potentialSavingsUsd":1.5,"unpricedRequests":2,"unknownRequests":1,"inputTokens":5,"outputTokens":7,"simulated":false},` +
		`"byProvider":[{"provider":"openai",` + openai + `,{"provider":"anthropic",` + anthropic + `],` +
		`"byModel":[{"model":"gpt-5-mini",` + openai + `,{"model":"claude-haiku-4-5",` + anthropic + `],` +
		`"byKey":[{"keyId":"k1",` + all + `],` +
		`"byTag":[{"tag":"team=search",` + all + `,{"tag":"feature=chat",` + openai + `]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestNoCallsAreZerosAndEmptyLists(t *testing.T) {
	got, _ := json.Marshal(Summarise(nil, january, Options{Real: true}))
	want := `{"period":{"end":"2026-01-31T23:59:59Z","start":"2026-01-01T00:00:00Z"},` +
		`"summary":{"totalRequests":0,"totalAttempts":0,"actualCostUsd":0,"baselineCostUsd":0,"savingsUsd":0,"savingsPercent":0,` +
		`"potentialSavingsUsd":0,"unpricedRequests":0,"unknownRequests":0,"inputTokens":0,"outputTokens":0,"simulated":false},` +
		`"byProvider":[],"byModel":[],"byKey":[],"byTag":[]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !Summarise(nil, january, Options{}).Summary.Simulated {
		t.Error("an installation that only simulates does not say so")
	}
}

// Simulated money leaves the sums with the first real provider; test keys are
// asked for by themselves.
func TestWhatCounts(t *testing.T) {
	rollups := []llm.Rollup{
		{Provider: "real", Requests: 1},
		{Provider: "simulated", Requests: 10, Simulated: true},
		{Provider: "test", Requests: 100, Simulated: true, Test: true},
	}
	f := func(o Options, requests int64, simulated bool) {
		t.Helper()
		s := Summarise(rollups, january, o).Summary
		if s.TotalRequests != requests || s.Simulated != simulated {
			t.Errorf("%+v: %d requests, simulated %v", o, s.TotalRequests, s.Simulated)
		}
	}
	f(Options{}, 11, true)
	f(Options{Real: true}, 1, false)
	f(Options{Test: true}, 111, true)
	f(Options{Real: true, Test: true}, 101, true)
}

func TestPercent(t *testing.T) {
	f := func(part, whole llm.Money, want string) {
		t.Helper()
		got, _ := Percent(part, whole).MarshalJSON()
		if string(got) != want {
			t.Errorf("%d of %d: got %s, want %s", part, whole, got, want)
		}
	}
	f(332, 785, "42.3")
	f(2, 5, "40")
	f(0, 5, "0")
	f(5, 0, "0")
	f(1, 2000, "0.1") // half rounds up
	f(-1, 2000, "-0.1")
	f(1, 2001, "0")
	f(-3, 2, "-150")
	f(1, 3, "33.3")
	f(math.MaxInt64, 1, "922337203685477580.7")
	f(math.MinInt64, math.MaxInt64, "-100")
}

func TestPercentIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.Int64Range(-1e18, 1e18).Draw(t, "part")
		whole := rapid.Int64Range(1, 1e18).Draw(t, "whole")
		got := big.NewRat(int64(Percent(llm.Money(part), llm.Money(whole))), 1)
		if !got.Num().IsInt64() || got.Num().CmpAbs(big.NewInt(math.MaxInt64)) == 0 {
			return
		}
		exact := new(big.Rat).Mul(big.NewRat(part, whole), big.NewRat(1000, 1))
		off := exact.Sub(exact, got)
		if off.Abs(off).Cmp(big.NewRat(1, 2)) > 0 {
			t.Fatalf("%d of %d: off by %s tenths", part, whole, off)
		}
	})
}

// No part of the whole is lost or counted twice in a breakdown.
func TestPartsSumToTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"a", "b", "c"})
		n := rapid.Int64Range(0, 1_000_000)
		rollups := rapid.SliceOf(rapid.Custom(func(t *rapid.T) llm.Rollup {
			return llm.Rollup{
				Provider: name.Draw(t, "provider"), Model: name.Draw(t, "model"), KeyID: name.Draw(t, "key"), Requests: n.Draw(t, "requests"),
				Cost: llm.Money(n.Draw(t, "cost")), Baseline: llm.Money(n.Draw(t, "baseline")), Baselined: llm.Money(n.Draw(t, "baselined")),
			}
		})).Draw(t, "rollups")
		s := Summarise(rollups, january, Options{})
		var providers, models, keys Line
		for _, l := range s.ByProvider {
			join(&providers, l.Line)
		}
		for _, l := range s.ByModel {
			join(&models, l.Line)
		}
		for _, l := range s.ByKey {
			join(&keys, l.Line)
		}
		want := Line{Requests: s.Summary.TotalRequests, CostUSD: s.Summary.ActualCostUSD, BaselineUSD: s.Summary.BaselineCostUSD, SavingsUSD: s.Summary.SavingsUSD}
		if providers != want || models != want || keys != want {
			t.Fatalf("whole %+v, providers %+v, models %+v, keys %+v", want, providers, models, keys)
		}
	})
}

func join(sum *Line, l Line) {
	sum.Requests += l.Requests
	sum.CostUSD += l.CostUSD
	sum.BaselineUSD += l.BaselineUSD
	sum.SavingsUSD += l.SavingsUSD
}
