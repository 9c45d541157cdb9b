package api

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing"
)

func usd(t *testing.T, s string) llm.NullMoney {
	t.Helper()
	m, err := llm.ParseMoney(s)
	if err != nil {
		t.Fatal(err)
	}
	return llm.Known(m)
}

func TestEstimate(t *testing.T) {
	h := newHouse(t)
	h.oracle.answer = Estimate{
		Recommendation: Choice{"openai", "gpt-5-mini", usd(t, "0.03"), 1500},
		Alternatives:   []Choice{{"anthropic", "claude-haiku-4-5", usd(t, "0.02"), 1500}, {"gemini", "gemini-2.5-pro", usd(t, "0.04"), 1500}, {"own", "mystery", llm.NullMoney{}, 1500}},
		BaselineModel:  "gpt-5", BaselineKind: llm.BaselineConfigured, Baseline: usd(t, "0.05"),
	}
	body := `{"taskDescription":"Write a Python script to analyze CSV data","preferences":{"maxCost":0.05,"preferredProvider":"openai"}}`
	h.asAcme("POST", "/api/orchestration/estimate", body).is(200, `{
		"recommendation":{"provider":"openai","model":"gpt-5-mini","estimatedCost":0.03,"estimatedTokens":1500},
		"alternatives":[{"provider":"anthropic","model":"claude-haiku-4-5","estimatedCost":0.02,"potentialSavings":0.01},
			{"provider":"gemini","model":"gemini-2.5-pro","estimatedCost":0.04,"potentialSavings":-0.01},
			{"provider":"own","model":"mystery","estimatedCost":null,"potentialSavings":null}],
		"savingsAnalysis":{"baselineCost":0.05,"baselineModel":"gpt-5","baselineKind":"configured","recommendedCost":0.03,"savingsPercent":40},"simulated":false}`)
	if h.oracle.caller == nil || h.oracle.caller.Tenant.Slug != "acme" || h.oracle.maxCost != usd(t, "0.05") || h.oracle.preferred != "openai" || !strings.HasPrefix(h.oracle.task, "Write a Python") {
		t.Errorf("asked %+v", h.oracle)
	}
	h.oracle.answer = Estimate{Recommendation: Choice{"openai", "x", llm.NullMoney{}, 3}, Simulated: true}
	h.asAcme("POST", "/api/orchestration/estimate", `{"taskDescription":"x","preferences":null}`).is(200, `{
		"recommendation":{"provider":"openai","model":"x","estimatedCost":null,"estimatedTokens":3},"alternatives":[],
		"savingsAnalysis":{"baselineCost":null,"baselineModel":null,"baselineKind":"none","recommendedCost":null,"savingsPercent":null},"simulated":true}`)
}

func TestEstimateNamesTheWrongField(t *testing.T) {
	h := newHouse(t)
	f := func(body, field string) {
		t.Helper()
		h.asAcme("POST", "/api/orchestration/estimate", body).fails(400, "invalid_request", field)
	}
	f(`x`, "")
	f(`{}`, "taskDescription")
	f(`{"taskDescription":" "}`, "taskDescription")
	f(`{"taskDescription":["x"]}`, "taskDescription")
	f(`{"taskDescription":"x","preferences":{"maxCost":"0.05"}}`, "preferences.maxCost")
	f(`{"taskDescription":"x","preferences":{"maxCost":-1}}`, "preferences.maxCost")
	f(`{"taskDescription":"x","preferences":{"provider":"openai"}}`, "preferences.provider")
	h.oracle.err = &llm.Error{Status: 404, Code: "model_not_found", Message: "No model fits."}
	h.asAcme("POST", "/api/orchestration/estimate", `{"taskDescription":"x"}`).fails(404, "model_not_found", "")
}

// The calculator of the landing page has no key, so it is bounded by address.
func TestDemoEstimate(t *testing.T) {
	h := newHouse(t)
	now := time.Now()
	h.api.now = func() time.Time { return now }
	estimate := func(peer string) answer {
		t.Helper()
		return h.callFrom(peer, "POST", "/api/demo/estimate", `{"taskDescription":"x"}`)
	}
	for range demoPerMinute {
		estimate("203.0.113.7").is(200, "")
	}
	if h.oracle.caller != nil {
		t.Error("a caller without credentials has a tenant")
	}
	a := estimate("203.0.113.7")
	a.fails(429, "rate_limit_exceeded", "")
	if a.header.Get("Retry-After") != "60" {
		t.Errorf("headers %v", a.header)
	}
	estimate("203.0.113.8").is(200, "")
	for i := range demoPerMinute {
		estimate(fmt.Sprintf("2001:db8::%x", i+1)).is(200, "")
	}
	estimate("2001:db8::ffff").fails(429, "rate_limit_exceeded", "")
	now = now.Add(time.Minute)
	estimate("203.0.113.7").is(200, "")
	h.call("POST", "/api/demo/estimate", `{"taskDescription":"`+strings.Repeat("x", maxDemoTask+1)+`"}`).fails(400, "invalid_request", "taskDescription")
}

func TestListRequests(t *testing.T) {
	h := newHouse(t)
	var all []llm.Stored
	for i := range 5 {
		r := fullRecord(t)
		r.ID = fmt.Sprintf("id-%d", 9-i)
		all = append(all, r)
	}
	h.records.stored = map[string][]llm.Stored{"acme": all}
	var page struct {
		Data []struct {
			ID      string
			CostUSD llm.NullMoney
		}
		NextCursor *string
	}
	var seen []string
	for target := "/api/orchestration/requests?limit=2"; ; {
		h.asAcme("GET", target, "").is(200, "").into(&page)
		for _, r := range page.Data {
			seen = append(seen, r.ID)
		}
		if page.NextCursor == nil {
			break
		}
		target = "/api/orchestration/requests?limit=2&cursor=" + *page.NextCursor
	}
	if got := strings.Join(seen, " "); got != "id-9 id-8 id-7 id-6 id-5" {
		t.Errorf("got %s", got)
	}
	h.call("GET", "/api/orchestration/requests", "", "X-Api-Key: "+h.other).is(200, `{"data":[],"nextCursor":null}`)
	h.asAcme("GET", "/api/orchestration/requests?limit=0", "").fails(400, "invalid_request", "limit")
	h.asAcme("GET", "/api/orchestration/requests?limit=x", "").fails(400, "invalid_request", "limit")
	h.records.err = errors.New("a secret cause")
	a := h.asAcme("GET", "/api/orchestration/requests", "")
	a.fails(503, "gateway_unavailable", "")
	if strings.Contains(a.body, "secret") {
		t.Error(a.body)
	}
}

func TestListModels(t *testing.T) {
	h := newHouse(t)
	h.api.now = func() time.Time { return time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC) }
	day := func(month time.Month) time.Time { return time.Date(2026, month, 1, 0, 0, 0, 0, time.UTC) }
	h.api.Models = func() []*pricing.Model {
		return []*pricing.Model{{
			ID: "gpt-5-mini", Owner: "openai", Names: []string{"gpt-5-mini-2025-08-07"}, Context: 400_000, MaxOutput: 128_000, Input: pricing.Text | pricing.Image, Output: pricing.Text,
			Tools: true, Chat: true, Capability: 0.8, Evidence: "a benchmark",
			Hosts: []pricing.Host{{Kind: "openai", Name: "gpt-5-mini", Prices: []pricing.Price{
				{Rates: llm.Rates{Input: 300_000_000, Version: "old"}},
				{From: day(2), Rates: llm.Rates{Input: 250_000_000, CacheRead: 25_000_000, Output: 2_000_000_001, Version: "2026-02-01"}, Source: "list"},
				{From: day(2), Tier: "flex", Above: 272_000, Rates: llm.Rates{Input: 125_000_000}},
				{From: day(9), Rates: llm.Rates{Input: 1}},
			}}},
		}, {ID: "bare", Owner: "own", Use: "embedding"}}
	}
	zeros := `"cacheWrite5m":0,"cacheWrite1h":0,"reasoning":0,"audioIn":0,"audioOut":0,"audioCached":0,"imageIn":0,"imageOut":0,"imageCached":0,"video":0,"videoOut":0,"citations":0`
	h.asAcme("GET", "/api/orchestration/models", "").is(200, `{"data":[{"id":"gpt-5-mini","owner":"openai","names":["gpt-5-mini-2025-08-07"],"releasedAt":null,
		"contextTokens":400000,"maxOutputTokens":128000,"input":["text","image"],"output":["text"],"tools":true,"jsonObject":false,"jsonSchema":false,"reasoning":false,
		"capability":0.8,"evidence":"a benchmark","use":"chat","verified":true,"hosts":[{"kind":"openai","name":"gpt-5-mini","prices":[
			{"tier":"default","aboveInputTokens":0,"from":"2026-02-01T00:00:00Z","hours":null,"source":"list","version":"2026-02-01","unit":"usd_per_million_tokens","input":0.25,"cacheRead":0.025,"output":2.000000001,`+zeros+`,"fees":[]},
			{"tier":"flex","aboveInputTokens":272000,"from":"2026-02-01T00:00:00Z","hours":null,"source":null,"version":"","unit":"usd_per_million_tokens","input":0.125,"cacheRead":0,"output":0,`+zeros+`,"fees":[]}]}]},
		{"id":"bare","owner":"own","names":[],"releasedAt":null,"contextTokens":null,"maxOutputTokens":null,"input":[],"output":[],"tools":false,"jsonObject":false,"jsonSchema":false,
		"reasoning":false,"capability":null,"evidence":null,"use":"embedding","verified":true,"hosts":[]}],"nextCursor":null}`)
}
