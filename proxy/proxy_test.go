package proxy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/fakellm"
	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/tenancy"
)

// TestBytesPassUntouched: where both sides speak the same dialect, unknown fields,
// white space and number text survive in both directions.
func TestBytesPassUntouched(t *testing.T) {
	answer := "{ \"id\":\"x\", \"model\": \"gpt-4o-mini-2024-07-18\",\n \"odd\": 1.50e+1, \"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"h\\u00e9\"},\"finish_reason\":\"stop\"}], \"usage\":{\"prompt_tokens\":12,\"completion_tokens\":3} }"
	h := newHarness(t, setup{upstream: fakellm.Options{Respond: func(*http.Request, []byte) *fakellm.Script { return &fakellm.Script{Body: []byte(answer)} }}})
	sent := "{\"model\":\"gpt-4o-mini\" , \"messages\":[{\"role\":\"user\",\"content\":\"h\\u00e9\"}],\"x_unknown\":{\"a\":[1.0,2e1]}}"
	got := h.post(sent)
	if got.status != 200 || got.body != answer {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if up := string(h.upstream.Requests()[0].Body); up != sent {
		t.Errorf("the provider got %s", up)
	}
}

func TestModelIsRenamedForTheProvider(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"openrouter"}})
	h.post(ask("openrouter/some/unlisted-model", "hi"))
	if got := gjson.GetBytes(h.upstream.Requests()[0].Body, "model").Str; got != "some/unlisted-model" {
		t.Errorf("the provider was asked for %q", got)
	}
}

// TestHeadersThatMayPass: only an allow-list goes up or comes down.
func TestHeadersThatMayPass(t *testing.T) {
	h := newHarness(t, setup{})
	got := h.post(ask("gpt-4o-mini", "hi"), "Cookie: a=b", "X-Forwarded-For: 1.2.3.4", "X-Halfpenny-Tags: team=search", "X-Api-Key: "+h.key,
		"X-Tenant-Slug: acme", "Openai-Organization: org-caller", "X-Stainless-Lang: go", "User-Agent: app/1", "X-Request-Id: mine")
	up := h.upstream.Requests()[0].Header
	for _, name := range []string{"Cookie", "X-Forwarded-For", "X-Halfpenny-Tags", "X-Api-Key", "X-Tenant-Slug", "Openai-Organization", "X-Request-Id"} {
		if v := up.Get(name); v != "" {
			t.Errorf("the provider got %s: %s", name, v)
		}
	}
	for name, want := range map[string]string{"Authorization": "Bearer sk-operator-openai", "X-Stainless-Lang": "go", "User-Agent": "app/1", "Content-Type": "application/json"} {
		if v := up.Get(name); v != want {
			t.Errorf("the provider got %s: %q, want %q", name, v, want)
		}
	}
	for _, name := range []string{"Set-Cookie", "Openai-Organization"} {
		if v := got.header.Get(name); v != "" {
			t.Errorf("the caller got %s: %s", name, v)
		}
	}
	if id := got.header.Get("X-Request-Id"); id == "mine" || strings.Contains(id, "simulated") || len(id) != 36 {
		t.Errorf("x-request-id is %q", id)
	}
}

// TestFacts: what a call cost and why it went where it went, in its headers and its record.
func TestFacts(t *testing.T) {
	h := newHarness(t, setup{policy: `{"limits":{"requestsPerHour":50}}`})
	got := h.post(ask("gpt-4o-mini", "hi"), "X-Halfpenny-Tags: team=search, feature=chat")
	r := h.ledger.last(t, 1)
	usage := r.Usage()
	rates, _ := pricing.Embedded().Lookup("gpt-4o-mini").Host("openai").Rates(r.At, "", usage.InputTokens())
	want := rates.Cost(&usage)
	if want <= 0 || r.Cost() != llm.Known(want) || r.CostStatus() != llm.CostExact {
		t.Errorf("cost %v %v, want %v", r.Cost(), r.CostStatus(), want)
	}
	for name, value := range map[string]string{
		"X-Halfpenny-Provider": "openai", "X-Halfpenny-Model": "gpt-4o-mini", "X-Halfpenny-Attempts": "1", "X-Halfpenny-Cost-Status": "exact",
		"X-Halfpenny-Cost-Usd": want.String(), "X-Halfpenny-Baseline-Usd": want.String(), "X-Halfpenny-Savings-Usd": "0", "X-Halfpenny-Cache": "bypass",
		"X-Ratelimit-Limit-Requests": "50", "X-Ratelimit-Remaining-Requests": "49", "X-Request-Id": r.ID,
	} {
		if v := got.header.Get(name); v != value {
			t.Errorf("%s: %q, want %q", name, v, value)
		}
	}
	if got.header.Get("X-Halfpenny-Overhead-Ms") == "" || got.header.Get("X-Halfpenny-Route-Reason") == "" {
		t.Error("overhead or reason is missing")
	}
	if r.Tags != "feature=chat,team=search" || r.Slug != "acme" || r.Outcome != llm.OutcomeOK || r.Status != 200 || !r.Done || strings.Contains(r.Task, "hi") {
		t.Errorf("record %+v", r)
	}
	if started := h.ledger.started[0]; started.Done || len(started.Attempts) != 1 || started.Attempts[0].Outcome != llm.OutcomePending {
		t.Errorf("the journal was told %+v before the call", started)
	}
}

func TestServedModelOfAnotherTierIsPriced(t *testing.T) {
	h := newHarness(t, setup{upstream: fakellm.Options{Respond: func(*http.Request, []byte) *fakellm.Script {
		return &fakellm.Script{Body: []byte(`{"model":"a-model-nobody-knows","choices":[],"usage":{"prompt_tokens":1000000,"completion_tokens":0}}`)}
	}}})
	h.post(ask("gpt-4o-mini", "hi"))
	if r := h.ledger.last(t, 1); r.Cost() != llm.Known(150_000_000) || r.Attempts[0].Served != "a-model-nobody-knows" {
		t.Errorf("an unknown served name is priced as the model sent: %v", r.Cost())
	}
}

func TestUnpricedIsNotFree(t *testing.T) {
	h := newHarness(t, setup{})
	got := h.post(ask("openai/replay:something-new", "hi"))
	r := h.ledger.last(t, 1)
	if got.status != 200 || got.header.Get("X-Halfpenny-Cost-Status") != "unpriced" || got.header["X-Halfpenny-Cost-Usd"] != nil || r.Cost().Valid {
		t.Errorf("%d %v, cost %v", got.status, got.header, r.Cost())
	}
}

// TestErrors: each refusal in the caller's dialect, naming what is wrong; nothing is forwarded and nothing recorded.
func TestErrors(t *testing.T) {
	h := newHarness(t, setup{policy: `{"routing":{"denyModels":["gpt-4o"]}}`})
	type want struct {
		status            int
		typ, code, param  string
		message, wantWait string
	}
	f := func(body string, w want, extra ...string) {
		t.Helper()
		got := h.post(body, extra...)
		e := gjson.Get(got.body, "error")
		if !json.Valid([]byte(got.body)) || got.status != w.status || e.Get("code").String() != w.code || e.Get("type").String() != w.typ ||
			e.Get("param").String() != w.param || !strings.Contains(e.Get("message").Str, w.message) {
			t.Errorf("%.80s %v\n got %d %s\nwant %+v", body, extra, got.status, got.body, w)
		}
		if got.header.Get("Content-Type") != "application/json" || got.header.Get("X-Request-Id") == "" {
			t.Errorf("headers %v", got.header)
		}
	}
	invalid := "invalid_request_error"
	hi := ask("gpt-4o-mini", "hi")
	f(hi, want{401, invalid, "invalid_api_key", "", "", ""}, "Authorization: ")
	f(hi, want{401, invalid, "invalid_api_key", "", "", ""}, "Authorization: Bearer gc_live_nosuchkey1234_abcdefghijklmnopqrstuvwxyzabcdef")
	f(hi, want{401, invalid, "invalid_api_key", "", "disagree", ""}, "X-Api-Key: other")
	f(hi, want{403, invalid, "tenant_mismatch", "", "", ""}, "X-Tenant-Slug: globex")
	f(ask("gpt-4o", "hi"), want{403, invalid, "model_not_allowed", "model", "gpt-4o", ""})
	f(ask("gpt-4o-minni", "hi"), want{404, invalid, "model_not_found", "model", "gpt-4o-mini", ""})
	f(`{"model":`, want{400, invalid, "", "", "byte 9", ""})
	f(`[]`, want{400, invalid, "", "", "", ""})
	f(``, want{400, invalid, "", "", "", ""})
	f(`{"messages":[{"role":"user","content":"x"}]}`, want{400, invalid, "", "model", "missing", ""})
	f(`{"model":7,"messages":[]}`, want{400, invalid, "", "model", "string", ""})
	f(`{"model":"a\u0000b","messages":[]}`, want{400, invalid, "", "model", "", ""})
	f(`{"model":"gpt-4o-mini"}`, want{400, invalid, "", "messages", "missing", ""})
	f(`{"model":"gpt-4o-mini","messages":[]}`, want{400, invalid, "", "messages", "empty", ""})
	f(`{"model":"gpt-4o-mini","messages":"hi"}`, want{400, invalid, "", "messages", "array", ""})
	f(`{"model":"gpt-4o-mini","messages":[{"role":"user"},"x"]}`, want{400, invalid, "", "messages[1]", "object", ""})
	f(`{"model":"gpt-4o-mini","messages":[{}],"model":"gpt-4o"}`, want{400, invalid, "", "model", "twice", ""})
	f(ask("gpt-4o-mini", "hi", `"stream":"yes"`), want{400, invalid, "", "stream", "", ""})
	f(ask("gpt-4o-mini", "hi", `"max_tokens":-1`), want{400, invalid, "", "max_tokens", "", ""})
	f(ask("gpt-4o-mini", "hi", `"n":1.5`), want{400, invalid, "", "n", "", ""})
	f(ask("gpt-4o-mini", "hi", `"tools":{}`), want{400, invalid, "", "tools", "", ""})
	f(ask("gpt-4o-mini", "hi", `"response_format":"json"`), want{400, invalid, "", "response_format", "", ""})
	f(ask("gpt-4o-mini", "hi", `"stream_options":1`), want{400, invalid, "", "stream_options", "", ""})
	f(ask("gpt-4o-mini", strings.Repeat("many words ", 100_000)), want{400, invalid, "context_length_exceeded", "messages", "", ""})
	f(hi, want{400, invalid, "", "x-halfpenny-route", "", ""}, "X-Halfpenny-Route: sideways")
	f(hi, want{400, invalid, "", "x-halfpenny-max-cost-usd", "", ""}, "X-Halfpenny-Max-Cost-Usd: cheap")
	f(hi, want{400, invalid, "", "x-halfpenny-quality-floor", "", ""}, "X-Halfpenny-Quality-Floor: 2")
	f(hi, want{400, invalid, "", "x-halfpenny-tags", "", ""}, "X-Halfpenny-Tags: team")
	if n := h.upstream.Stats().Started; n != 0 || len(h.ledger.started) != 0 {
		t.Errorf("%d requests reached the provider, %d the ledger", n, len(h.ledger.started))
	}
}

func TestUnknownPathInItsDialect(t *testing.T) {
	h := newHarness(t, setup{})
	f := func(path, field, want string) {
		t.Helper()
		got := h.send(http.MethodPost, path, "{}")
		if v := gjson.Get(got.body, field).String(); got.status != 404 || v != want {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	f("/v1/messages/batches", "error.type", "not_found_error")
	f("/v1beta/files", "error.status", "NOT_FOUND")
	f("/v1/nothing", "error.type", "invalid_request_error")
	if got := h.send(http.MethodGet, "/v1/chat/completions", ""); got.status != 405 {
		t.Errorf("GET: %d", got.status)
	}
}

func TestRateLimit(t *testing.T) {
	h := newHarness(t, setup{policy: `{"limits":{"requestsPerHour":2}}`})
	for i, want := range []int{200, 200, 429, 429} {
		got := h.post(ask("gpt-4o-mini", "hi"))
		if got.status != want {
			t.Fatalf("request %d: %d %s", i, got.status, got.body)
		}
		if want == 429 && (got.header.Get("Retry-After") == "" || gjson.Get(got.body, "error.code").Str != "rate_limit_exceeded" || got.header.Get("X-Ratelimit-Remaining-Requests") != "0") {
			t.Errorf("%v %s", got.header, got.body)
		}
	}
	if n := h.upstream.Stats().Started; n != 2 {
		t.Errorf("%d requests reached the provider", n)
	}
}

func TestSuspendedTenant(t *testing.T) {
	h := newHarness(t, setup{})
	if _, err := h.admin.Suspend(t.Context(), "test", "acme"); err != nil {
		t.Fatal(err)
	}
	got := h.post(ask("gpt-4o-mini", "hi"))
	if got.status != 403 || gjson.Get(got.body, "error.code").Str != "tenant_suspended" {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestNothingIsForwardedUnrecorded: a call that cannot be put on record is not made.
func TestNothingIsForwardedUnrecorded(t *testing.T) {
	h := newHarness(t, setup{})
	h.ledger.full = true
	got := h.post(ask("gpt-4o-mini", "hi"))
	if got.status != 503 || gjson.Get(got.body, "error.code").Str != "gateway_unavailable" || got.header.Get("Retry-After") != "1" {
		t.Errorf("%d %s", got.status, got.body)
	}
	if n := h.upstream.Stats().Started; n != 0 {
		t.Errorf("%d requests reached the provider", n)
	}
}

func TestModels(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"openai", "groq"}, policy: `{"routing":{"denyModels":["gpt-4o"]}}`})
	got := h.send(http.MethodGet, "/v1/models", "")
	ids := fmt.Sprint(gjson.Get(got.body, "data.#.id").Array())
	if got.status != 200 || !strings.Contains(ids, "gpt-4o-mini") || strings.Contains(ids, "gpt-4o ") || strings.Contains(ids, "claude") {
		t.Errorf("%d %s", got.status, ids)
	}
	if got := h.send(http.MethodGet, "/v1/models/gpt-4o-mini", ""); got.status != 200 || gjson.Get(got.body, "owned_by").Str != "openai" {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := h.send(http.MethodGet, "/v1/models/nothing", ""); got.status != 404 || gjson.Get(got.body, "error.code").Str != "model_not_found" {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := h.send(http.MethodGet, "/v1/models", "", "Authorization: "); got.status != 401 {
		t.Errorf("without a key: %d", got.status)
	}
}

// TestUpstreamErrorPasses: with one eligible target its status, code and message are the caller's, and nothing like a key is in them.
func TestUpstreamErrorPasses(t *testing.T) {
	h := newHarness(t, setup{})
	f := func(body string, status int, message, code string) {
		t.Helper()
		h.upstream.Enqueue("openai", fakellm.Script{Status: status, Body: []byte(body), Header: http.Header{"Retry-After": {"7"}}})
		got := h.post(ask("gpt-4o-mini", "hi"))
		e := gjson.Get(got.body, "error")
		if got.status != status || e.Get("message").String() != message || e.Get("code").String() != code || got.header.Get("Retry-After") != "7" || got.header.Get("X-Halfpenny-Error-Source") != "upstream" {
			t.Errorf("%s\n got %d %v %s", body, got.status, got.header, got.body)
		}
	}
	f(`{"error":{"message":"Too many","type":"requests","param":null,"code":"rate_limit_exceeded"}}`, 429, "Too many", "rate_limit_exceeded")
	f(`{"error":{"message":"Bad","code":401}}`, 400, "Bad", "401")
	f(`{"error":"just words"}`, 500, "just words", "")
	f(`{"code":"x","error":"model missing"}`, 404, "model missing", "x")
	f(`{"detail":"not found"}`, 404, "not found", "")
	f(`[{"error":{"message":"in a list","code":400}}]`, 400, "in a list", "400")
	f(`<html>down</html>`, 503, "The provider answered with status 503.", "")
	f(`{"error":{"message":"Incorrect API key provided: sk-oper*****nai. See org-AbCdEf123456","code":"invalid_api_key"}}`, 401, "Incorrect API key provided: [masked]. See [masked]", "invalid_api_key")
	within := func(body string, status int, code string) {
		t.Helper()
		h.upstream.Enqueue("openai", fakellm.Script{Status: 200, Body: []byte(body)})
		got := h.post(ask("gpt-4o-mini", "hi"))
		if got.status != status || gjson.Get(got.body, "error.code").String() != code || gjson.Get(got.body, "error.message").String() != "Filtered" {
			t.Errorf("%s\n got %d %s", body, got.status, got.body)
		}
	}
	within(`{"error":{"message":"Filtered","type":null,"param":"prompt","code":"content_filter","status":400}}`, 400, "content_filter") // Azure
	within(`{"error":{"message":"Filtered","code":403}}`, 403, "403")                                                                   // OpenRouter
	within(`{"error":{"message":"Filtered"}}`, 502, "")
	r := h.ledger.last(t, 1)
	if r.Status != 429 || r.Outcome != llm.OutcomeError || r.Cost() != llm.Known(0) || r.Attempts[0].Status != 429 {
		t.Errorf("record %+v", r)
	}
}

// TestFailover: before the first byte the next candidate answers, each attempt on record.
func TestFailover(t *testing.T) {
	f := func(name string, script fakellm.Script, dead []string, attempts int) {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, setup{kinds: []string{"groq", "cerebras"}, dead: dead})
			first, second := "groq", "cerebras"
			model := "gpt-oss-120b"
			probe := h.post(ask(model, "hi"))
			if p := probe.header.Get("X-Halfpenny-Provider"); p == "cerebras" && dead == nil {
				first, second = second, first
			}
			h.upstream.Enqueue(first, script)
			got := h.post(ask(model, "hi again"))
			r := h.ledger.last(t, 2)
			if dead != nil {
				r = h.ledger.last(t, 1)
			}
			if got.status != 200 || got.header.Get("X-Halfpenny-Provider") != second && dead == nil {
				t.Fatalf("%d %v %s", got.status, got.header, got.body)
			}
			if len(r.Attempts) != attempts || r.Reason != llm.ReasonFallback && dead == nil || !r.Cost().Valid {
				t.Errorf("%d attempts, reason %v: %+v", len(r.Attempts), r.Reason, r)
			}
		})
	}
	f("429", fakellm.Script{Status: 429, RetryAfter: 3}, nil, 2)
	f("500", fakellm.Script{Status: 500}, nil, 2)
	f("401 of the operator's key", fakellm.Script{Status: 401}, nil, 2)
	f("cut before any byte", fakellm.Script{End: fakellm.Cut}, nil, 2)
	f("not JSON", fakellm.Script{Malformed: true}, nil, 2)
}

func TestCallersMistakeDoesNotFailOver(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"groq", "cerebras"}})
	h.upstream.Enqueue("", fakellm.Script{Status: 400}, fakellm.Script{Status: 400})
	got := h.post(ask("gpt-oss-120b", "hi"))
	if got.status != 400 || h.upstream.Stats().Started != 1 {
		t.Errorf("%d after %d attempts", got.status, h.upstream.Stats().Started)
	}
}

func TestAllFailed(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"groq", "cerebras"}})
	h.upstream.Enqueue("groq", fakellm.Script{Status: 429, RetryAfter: 9}, fakellm.Script{Status: 500})
	h.upstream.Enqueue("cerebras", fakellm.Script{Status: 503, RetryAfter: 4}, fakellm.Script{Status: 500})
	f := func(status int, wait string) {
		t.Helper()
		got := h.post(ask("gpt-oss-120b", "hi"))
		message := gjson.Get(got.body, "error.message").Str
		if got.status != status || gjson.Get(got.body, "error.code").Str != "upstream_unavailable" || !strings.Contains(message, "groq: status") || !strings.Contains(message, "cerebras: status") ||
			status == 503 && got.header.Get("Retry-After") != wait {
			t.Errorf("%d %v %s", got.status, got.header, got.body)
		}
	}
	f(503, "9")
	f(502, "")
	if r := h.ledger.last(t, 1); len(r.Attempts) != 2 || r.Status != 503 || r.Outcome != llm.OutcomeError || r.Cost() != llm.Known(0) {
		t.Errorf("record %+v", r)
	}
}

// TestUnsentIsNoAttempt: where no connection came about, the attempt is in the receipt only.
func TestUnsentIsNoAttempt(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"openai"}, dead: []string{"openai"}})
	got := h.post(ask("gpt-4o-mini", "hi"))
	if got.status != 502 || gjson.Get(got.body, "error.code").Str != "upstream_unavailable" {
		t.Errorf("%d %s", got.status, got.body)
	}
	h.ledger.mu.Lock()
	defer h.ledger.mu.Unlock()
	if len(h.ledger.finished) != 1 || len(h.ledger.finished[0].Attempts) != 0 || len(h.ledger.finished[0].Unsent) != 1 {
		t.Errorf("finished %+v", h.ledger.finished)
	}
}

func TestTestKeyReachesItsOwnTable(t *testing.T) {
	h := newHarness(t, setup{})
	_, key, err := h.admin.CreateKey(t.Context(), "test", "acme", tenancy.KeyRequest{Name: "t", Test: true})
	if err != nil {
		t.Fatal(err)
	}
	got := h.post(ask("gpt-4o-mini", "hi"), "Authorization: Bearer "+key)
	if got.status == 200 {
		t.Errorf("a test key reached an account that is no simulation: %d", got.status)
	}
}

// TestUnknownModelOfAnEmptyAccount: a provider of which the catalogue lists nothing
// takes any model behind its prefix.
func TestUnknownModelOfAnEmptyAccount(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"ollama"}})
	got := h.post(ask("ollama/llama3", "hi"))
	if got.status != 200 || got.header.Get("X-Halfpenny-Cost-Status") != "unpriced" || gjson.GetBytes(h.upstream.Requests()[0].Body, "model").Str != "llama3" {
		t.Errorf("%d %v %s", got.status, got.header, got.body)
	}
}

// panics is a part with a bug.
type panics struct{}

func (panics) Authenticate(context.Context, []byte) (*tenancy.Caller, *llm.Error) { panic("a bug") }
func (panics) RoundTrip(*http.Request) (*http.Response, error)                    { panic("a bug") }

// TestBugDoesNotEndTheProcess: a panic is one request's 500, not everybody's end, and
// a call that may have left is on record.
func TestBugDoesNotEndTheProcess(t *testing.T) {
	h := newHarness(t, setup{})
	keys, upstream := h.gateway.Keys, h.gateway.Upstream
	fails := func() {
		t.Helper()
		if got := h.post(ask("gpt-4o-mini", "hi")); got.status != 500 || gjson.Get(got.body, "error.code").Str != "internal_error" {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	h.gateway.Keys = panics{}
	fails()
	h.gateway.Keys, h.gateway.Upstream = keys, panics{}
	fails()
	r := h.ledger.last(t, 1)
	if !r.Done || r.Status != 500 || r.Outcome != llm.OutcomeUnknown || r.Attempts[0].Outcome != llm.OutcomeUnknown || r.Cost().Money <= 0 {
		t.Errorf("record %+v", r)
	}
	h.gateway.Upstream = upstream
	if got := h.post(ask("gpt-4o-mini", "hi")); got.status != 200 || h.gateway.InFlight() != 0 {
		t.Errorf("afterwards: %d, %d in flight", got.status, h.gateway.InFlight())
	}
}
