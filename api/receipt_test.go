package api

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/generic-corp/halfpenny/llm"
)

// fullRecord is a finished request that failed over once.
func fullRecord(t *testing.T) llm.Stored {
	t.Helper()
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
	rates := llm.Rates{Input: 250_000_000, CacheRead: 25_000_000, Output: 2_000_000_000, Reasoning: 2_000_000_000, Version: "2026-01-01"}
	usage := llm.Usage{Input: 1000, CacheRead: 200, Output: 50, Fees: []llm.Fee{{Name: "web_search", Count: 1, Rate: 10_000_000_000_000}}}
	return llm.Stored{Seq: 7, Hash: []byte{0xab, 0x01}, Record: llm.Record{
		ID: "0194-id", TenantID: "t-1", Slug: "acme", KeyID: "k1", At: at, Endpoint: llm.EndpointChat, Dialect: llm.DialectOpenAI, Mode: llm.ModeObserve, Stream: true,
		Requested: "gpt-5-mini", Task: "chat/small", Tags: "feature=chat,team=search", Provider: "openai", Model: "gpt-5-mini", Reason: llm.ReasonFallback, Status: 200, Outcome: llm.OutcomeOK,
		Attempts: []llm.Attempt{
			{N: 1, Provider: "azure", Model: "gpt-5-mini", Sent: "prod-mini", At: at, Latency: 1500 * time.Microsecond, Status: 500, Outcome: llm.OutcomeError, Priced: true, Rates: rates, Cost: llm.Known(0), CostStatus: llm.CostExact},
			{N: 2, Provider: "openai", Model: "gpt-5-mini", Sent: "gpt-5-mini", Served: "gpt-5-mini-2025-08-07", At: at.Add(time.Second), Latency: time.Second, FirstByte: 250 * time.Millisecond, Status: 200,
				Outcome: llm.OutcomeOK, Priced: true, Rates: rates, Usage: usage, Cost: llm.Known(rates.Cost(&usage)), CostStatus: llm.CostExact, Reported: usd(t, "0.0103")},
		},
		Unsent:       []llm.Attempt{{Provider: "vllm", Model: "m", Sent: "m", Outcome: llm.OutcomeUnsent}},
		Considered:   []llm.Considered{{Provider: "openai", Model: "gpt-5-mini", Cost: usd(t, "0.001"), Capability: 0.9, Reason: llm.ReasonNamed}, {Provider: "x", Model: "y", Reason: llm.ReasonUnpriced}},
		Rejected:     []llm.Rejection{{Reason: llm.ReasonOtherModel, Count: 40}},
		BaselineKind: llm.BaselineNamed, BaselineName: "gpt-5-mini", Baseline: usd(t, "0.02"),
		Substitution: &llm.Substitution{Provider: "gemini", Model: "gemini-2.5-flash-lite", Cost: 100_000, Savings: 255_000},
		Overhead:     123_456 * time.Nanosecond, FirstByte: 1250 * time.Millisecond, Total: 2 * time.Second, Done: true,
	}}
}

const (
	noUsage  = `{"inputTokens":0,"outputTokens":0,"input":0,"cacheRead":0,"cacheWrite5m":0,"cacheWrite1h":0,"output":0,"reasoning":0,"audioIn":0,"audioOut":0,"audioCached":0,"imageIn":0,"imageOut":0,"imageCached":0,"video":0,"videoOut":0,"citations":0,"fees":[],"estimated":false,"clamped":false}`
	theUsage = `{"inputTokens":1200,"outputTokens":50,"input":1000,"cacheRead":200,"cacheWrite5m":0,"cacheWrite1h":0,"output":50,"reasoning":0,"audioIn":0,"audioOut":0,"audioCached":0,"imageIn":0,"imageOut":0,"imageCached":0,"video":0,"videoOut":0,"citations":0,"fees":[{"name":"web_search","count":1,"unitPriceUsd":0.01,"per":1}],"estimated":false,"clamped":false}`
	thePrice = `{"version":"2026-01-01","unit":"usd_per_million_tokens","input":0.25,"cacheRead":0.025,"cacheWrite5m":0,"cacheWrite1h":0,"output":2,"reasoning":2,"audioIn":0,"audioOut":0,"audioCached":0,"imageIn":0,"imageOut":0,"imageCached":0,"video":0,"videoOut":0,"citations":0}`
)

func TestReceipt(t *testing.T) {
	h := newHouse(t)
	h.records.stored = map[string][]llm.Stored{"acme": {fullRecord(t)}}
	want := `{"id":"0194-id","tenantId":"t-1","tenant":"acme","keyId":"k1","test":false,"createdAt":"2026-01-02T03:04:05.678Z","endpoint":"chat","dialect":"openai","mode":"observe","stream":true,
		"requestedModel":"gpt-5-mini","task":"chat/small","tags":{"feature":"chat","team":"search"},"provider":"openai","model":"gpt-5-mini","reason":"fallback","status":200,"outcome":"ok","simulated":false,"done":true,
		"attempts":[
			{"n":1,"provider":"azure","model":"gpt-5-mini","sentModel":"prod-mini","servedModel":null,"startedAt":"2026-01-02T03:04:05.678Z","status":500,"outcome":"error","simulated":false,"latencyMs":1.5,"firstByteMs":null,
				"usage":` + noUsage + `,"prices":` + thePrice + `,"costUsd":0,"costStatus":"exact","reportedCostUsd":null},
			{"n":2,"provider":"openai","model":"gpt-5-mini","sentModel":"gpt-5-mini","servedModel":"gpt-5-mini-2025-08-07","startedAt":"2026-01-02T03:04:06.678Z","status":200,"outcome":"ok","simulated":false,"latencyMs":1000,"firstByteMs":250,
				"usage":` + theUsage + `,"prices":` + thePrice + `,"costUsd":0.010355,"costStatus":"exact","reportedCostUsd":0.0103}],
		"unsentAttempts":[{"n":0,"provider":"vllm","model":"m","sentModel":"m","servedModel":null,"startedAt":null,"status":null,"outcome":"unsent","simulated":false,"latencyMs":0,"firstByteMs":null,
				"usage":` + noUsage + `,"prices":null,"costUsd":null,"costStatus":"pending","reportedCostUsd":null}],
		"candidates":[{"provider":"openai","model":"gpt-5-mini","estimatedCostUsd":0.001,"capability":0.9,"reason":"named"},{"provider":"x","model":"y","estimatedCostUsd":null,"capability":null,"reason":"unpriced"}],
		"rejected":[{"reason":"other_model","count":40}],
		"usage":` + theUsage + `,"prices":` + thePrice + `,"costUsd":0.010355,"costStatus":"exact","baselineUsd":0.02,"baselineKind":"named","baselineModel":"gpt-5-mini","savingsUsd":0.009645,
		"timings":{"overheadMs":0.123,"firstByteMs":1250,"totalMs":2000,"queuedMs":0},
		"substitution":{"provider":"gemini","model":"gemini-2.5-flash-lite","estimatedCost":0.0001,"potentialSavings":0.000255},"seq":7,"hash":"ab01"}`
	h.asAcme("GET", "/v1/requests/0194-id", "").is(200, want)
	h.asAcme("GET", "/api/orchestration/requests/0194-id", "").is(200, want)
}

// A receipt is its tenant's alone, and says as little as one that never was.
func TestReceiptOfAnotherTenant(t *testing.T) {
	h := newHouse(t)
	h.records.stored = map[string][]llm.Stored{"acme": {fullRecord(t)}}
	want := `{"error":{"message":"There is no such tenant, key or request.","type":"invalid_request_error","param":null,"code":"not_found"}}`
	h.call("GET", "/v1/requests/0194-id", "", "Authorization: Bearer "+h.other).is(404, want)
	h.asAcme("GET", "/v1/requests/nothing", "").is(404, want)
	h.call("GET", "/api/orchestration/requests/0194-id", "", "Authorization: Bearer "+h.other).fails(404, "not_found", "")
}

// What is not known yet is null, and every key is there all the same.
func TestPendingReceipt(t *testing.T) {
	h := newHouse(t)
	r := llm.Stored{Record: llm.Record{ID: "pending", Slug: "acme", At: time.Unix(1, 0), Attempts: []llm.Attempt{{N: 1, Provider: "p", Outcome: llm.OutcomePending}}}}
	h.records.stored = map[string][]llm.Stored{"acme": {r}}
	a := h.asAcme("GET", "/v1/requests/pending", "").is(200, "")
	for _, want := range []string{`"costUsd":null`, `"costStatus":"pending"`, `"savingsUsd":null`, `"seq":null`, `"hash":null`, `"substitution":null`, `"status":null`, `"done":false`,
		`"prices":null`, `"baselineModel":null`, `"candidates":[]`, `"rejected":[]`, `"totalMs":null`, `"tags":{}`} {
		if !strings.Contains(a.body, want) {
			t.Errorf("%s is missing in %s", want, a.body)
		}
	}
}

func TestScaled(t *testing.T) {
	f := func(n int64, decimals int, want string) {
		t.Helper()
		if got, _ := (scaled{n, decimals}).MarshalJSON(); string(got) != want {
			t.Errorf("%d, %d: got %s, want %s", n, decimals, got, want)
		}
	}
	f(0, 9, "0")
	f(1, 9, "0.000000001")
	f(-1, 3, "-0.001")
	f(1500, 3, "1.5")
	f(10_000_000_000_000, 15, "0.01")
	f(math.MaxInt64, 15, "9223.372036854775807")
	f(math.MinInt64, 0, "-9223372036854775808")
}

func TestScaledAgreesWithMoney(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64().Draw(t, "n")
		got, _ := (scaled{n, 9}).MarshalJSON()
		if want := llm.Money(n).String(); string(got) != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	})
}
