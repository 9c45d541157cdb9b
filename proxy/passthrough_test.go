package proxy_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/fakellm"
	"github.com/generic-corp/halfpenny/llm"
)

// A provider's own API is reached at its own paths, with the same record as any other call.
func TestPassthrough(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"openai", "anthropic", "gemini", "bedrock", "vertex", "cohere"}, open: true})
	const converse = `{"messages":[{"role":"user","content":[{"text":"x"}]}]}`
	n := 0
	f := func(path, body, model string, dialect llm.Dialect) {
		t.Helper()
		got := h.send(http.MethodPost, "/passthrough/"+path, body)
		n++
		r := h.ledger.last(t, n)
		if got.status != 200 || r.Model != model || r.Dialect != dialect || r.CostStatus() != llm.CostExact || r.Cost().Money == 0 {
			t.Errorf("%s: %d %s\n%+v", path, got.status, got.body, r)
		}
		if up := h.upstream.Requests()[n-1]; string(up.Body) != body || up.Key != "sk-operator-"+r.Provider {
			t.Errorf("%s: the provider got %s %v", path, up.Body, up.Header)
		}
	}
	f("openai/v1/chat/completions", ask("gpt-4o-mini", "x"), "gpt-4o-mini", llm.DialectOpenAI)
	f("openai/chat/completions", ask("gpt-4o-mini", "x", streamed, `"stream_options":{"include_usage":true}`), "gpt-4o-mini", llm.DialectOpenAI)
	f("anthropic/v1/messages", message("claude-haiku-4-5", "x"), "claude-haiku-4-5", llm.DialectAnthropic)
	f("gemini/v1beta/models/gemini-2.5-flash:generateContent?key="+h.key, contents("x"), "gemini-2.5-flash", llm.DialectGemini)
	f("gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent", contents("x"), "gemini-2.5-flash", llm.DialectGemini)
	f("bedrock/model/amazon.nova-lite-v1:0/converse", converse, "amazon.nova-lite-v1:0", llm.DialectBedrock)
	f("bedrock/model/amazon.nova-lite-v1%3A0/converse-stream", converse, "amazon.nova-lite-v1:0", llm.DialectBedrock)
	f("vertex/publishers/google/models/gemini-2.5-flash:generateContent", contents("x"), "gemini-2.5-flash", llm.DialectGemini)
	f("cohere/v2/chat", `{"model":"command-a-03-2025","messages":[{"role":"user","content":"x"}]}`, "command-a-03-2025", llm.DialectCohere)
	free := func(path, body string) { // counting costs nothing
		t.Helper()
		n++
		got := h.send(http.MethodPost, "/passthrough/"+path, body)
		if r := h.ledger.last(t, n); got.status != 200 || r.Cost() != llm.Known(0) {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	free("anthropic/v1/messages/count_tokens", message("claude-haiku-4-5", "x"))
	free("gemini/v1beta/models/gemini-2.5-flash:countTokens", contents("x"))
	reranked := h.send(http.MethodPost, "/passthrough/cohere/v2/rerank", `{"model":"rerank-v3.5","query":"x","documents":["a","b"]}`)
	if reranked.status != 200 || gjson.Get(reranked.body, "results.#").Int() != 2 {
		t.Errorf("rerank: %d %s", reranked.status, reranked.body)
	}
}

// The provider's own words pass, errors included.
func TestPassthroughErrors(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"anthropic"}, open: true})
	h.upstream.Enqueue("anthropic", fakellm.Script{Status: 429, Body: []byte(`{"type":"error","error":{"type":"rate_limit_error","message":"slow down"},"more":[1]}`)})
	got := h.send(http.MethodPost, "/passthrough/anthropic/v1/messages", message("claude-haiku-4-5", "x"))
	if got.status != 429 || gjson.Get(got.body, "more.0").Int() != 1 || got.header.Get("X-Halfpenny-Error-Source") != "upstream" {
		t.Errorf("%d %s", got.status, got.body)
	}
	f := func(path, body string, status int, text string) {
		t.Helper()
		if got := h.send(http.MethodPost, "/passthrough/"+path, body); got.status != status || !strings.Contains(got.body, text) {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	f("nobody/v1/messages", "{}", 404, "nobody")
	f("anthropic/v1/messages/batches", "{}", 404, "metered")
	f("anthropic/v1/messages", "{", 400, "JSON")
	f("anthropic/v1/messages", "{}", 400, "model")
	if got := h.send(http.MethodGet, "/passthrough/anthropic/v1/messages", ""); got.status != 405 {
		t.Errorf("GET: %d", got.status)
	}
	shut := newHarness(t, setup{kinds: []string{"anthropic"}})
	if got := shut.send(http.MethodPost, "/passthrough/anthropic/v1/messages", message("claude-haiku-4-5", "x")); got.status != 403 || !strings.Contains(got.body, "passthrough") {
		t.Errorf("%d %s", got.status, got.body)
	}
	if len(shut.upstream.Requests()) != 0 {
		t.Error("the provider was asked")
	}
}
