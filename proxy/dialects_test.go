package proxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/fakellm"
	"github.com/generic-corp/halfpenny/llm"
)

// message is a request to Anthropic's Messages API with one message.
func message(model, prompt string, more ...string) string {
	extra := ""
	for _, m := range more {
		extra += "," + m
	}
	return fmt.Sprintf(`{"model":%q,"max_tokens":500,"messages":[{"role":"user","content":%q}]%s}`, model, prompt, extra)
}

const anthropicVersion = "Anthropic-Version: 2023-06-01"

func (h *harness) messages(body string, extra ...string) reply {
	h.Helper()
	return h.send(http.MethodPost, "/v1/messages", body, append(extra, anthropicVersion)...)
}

// textOf joins the text of a reply, streamed or not, of OpenAI's or Anthropic's dialect.
func textOf(body string) string {
	if !strings.HasPrefix(body, "data:") && !strings.HasPrefix(body, "event:") {
		return gjson.Get(body, "choices.0.message.content").Str + gjson.Get(body, "content.#(type==text).text").Str
	}
	text := ""
	for _, e := range events(body) {
		text += gjson.Get(e, "choices.0.delta.content").Str + gjson.Get(e, "delta.text").Str
	}
	return text
}

// Whatever the caller speaks, a model's answer is the same, whole and streamed, and
// its cost is exact.
func TestEveryDialectSaysTheSame(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"openai", "anthropic", "gemini"}})
	const prompt = "tell me a story of three dialects"
	want := map[string]string{} // by model: the simulation's words depend on it
	n := 0
	f := func(caller, model string, body string, send func(string, ...string) reply, upstream string) {
		t.Helper()
		got := send(body)
		n++
		text := textOf(got.body)
		if want[model] == "" {
			want[model] = text
		}
		if got.status != 200 || text == "" || text != want[model] {
			t.Errorf("%s to %s: %d\n%s\nwant %s", caller, model, got.status, got.body, want[model])
			return
		}
		r := h.ledger.last(t, n)
		if r.Outcome != llm.OutcomeOK || r.CostStatus() != llm.CostExact || r.Provider != upstream || r.Dialect.String() != caller || r.Cost().Money == 0 {
			t.Errorf("%s to %s: record %+v", caller, model, r)
		}
	}
	for _, stream := range [][]string{nil, {streamed}} {
		f("openai", "gpt-4o-mini", ask("gpt-4o-mini", prompt, append(stream, `"max_tokens":500`)...), h.post, "openai")
		f("openai", "claude-haiku-4-5", ask("claude-haiku-4-5", prompt, append(stream, `"max_tokens":500`)...), h.post, "anthropic")
		f("openai", "gemini-2.5-flash", ask("gemini-2.5-flash", prompt, append(stream, `"max_tokens":500`)...), h.post, "gemini")
		f("anthropic", "claude-haiku-4-5", message("claude-haiku-4-5", prompt, stream...), h.messages, "anthropic")
		f("anthropic", "gpt-4o-mini", message("gpt-4o-mini", prompt, stream...), h.messages, "openai")
		f("anthropic", "gpt-5-mini", message("gpt-5-mini", prompt, stream...), h.messages, "openai")
	}
}

// Callers of Anthropic's dialect reach Anthropic with their bytes and its headers.
func TestMessagesPassUntouched(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"anthropic"}})
	body := "{\"model\":\"claude-haiku-4-5\" , \"max_tokens\":9.0e1,\"messages\":[{\"role\":\"user\",\"content\":\"h\\u00e9\"}],\"x_unknown\":{\"a\":[1.0]}}"
	body = strings.Replace(body, "9.0e1", "90", 1)
	got := h.messages(body, "Anthropic-Beta: some-beta")
	up := h.upstream.Requests()[0]
	if got.status != 200 || string(up.Body) != body || up.Header.Get("Anthropic-Beta") != "some-beta" || up.Header.Get("Anthropic-Version") != "2023-06-01" ||
		up.Header.Get("X-Api-Key") != "sk-operator-anthropic" || up.Header.Get("Authorization") != "" {
		t.Errorf("%d %s\nthe provider got %s %v", got.status, got.body, up.Body, up.Header)
	}
	if gjson.Get(got.body, "type").Str != "message" || got.header.Get("X-Halfpenny-Cost-Usd") == "" {
		t.Errorf("%v %s", got.header, got.body)
	}
}

// Errors are in the caller's dialect, whoever made them.
func TestErrorsInTheCallersDialect(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"openai", "anthropic"}})
	f := func(name string, got reply, status int, kind, text string) {
		t.Helper()
		if got.status != status || gjson.Get(got.body, "error.type").Str != kind || !strings.Contains(gjson.Get(got.body, "error.message").Str, text) {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	f("no model", h.messages(`{"max_tokens":1,"messages":[{"role":"user","content":"x"}]}`), 400, "invalid_request_error", "model")
	f("unknown model", h.messages(message("gpt-nine", "x")), 404, "not_found_error", "gpt-nine")
	f("no key", h.messages(message("gpt-4o-mini", "x"), "Authorization: "), 401, "authentication_error", "")
	f("a field that OpenAI has not", h.messages(message("gpt-4o-mini", "x", `"top_k":3`)), 400, "invalid_request_error", "top_k")
	f("a field under another name", h.messages(message("gpt-5-mini", "x", `"stop_sequences":["a"]`)), 400, "invalid_request_error", "'stop_sequences'")
	f("a field that Anthropic has not", h.post(ask("claude-haiku-4-5", "x", `"seed":3`)), 400, "invalid_request_error", "seed")
	h.upstream.Enqueue("openai", fakellm.Script{Status: 429, Body: []byte(`{"error":{"message":"slow down","type":"requests"}}`)})
	f("OpenAI's 429", h.messages(message("gpt-4o-mini", "x")), 429, "rate_limit_error", "slow down")
	h.upstream.Enqueue("anthropic", fakellm.Script{Status: 529, Body: []byte(`{"type":"error","error":{"type":"overloaded_error","message":"busy"}}`)})
	f("Anthropic's 529", h.post(ask("claude-haiku-4-5", "x")), 529, "server_error", "busy")
}

// What one candidate cannot express, the next one may.
func TestInexpressibleGoesToTheNextCandidate(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"anthropic", "openrouter"}})
	body := ask("claude-haiku-4-5", "x", `"metadata":{"team":"search"}`)
	got := h.post(body)
	r := h.ledger.last(t, 1)
	if got.status != 200 || got.header.Get("X-Halfpenny-Provider") != "openrouter" || len(r.Attempts) != 1 || r.Attempts[0].Provider != "openrouter" {
		t.Errorf("%d %s %+v", got.status, got.body, r.Attempts)
	}
	alone := newHarness(t, setup{kinds: []string{"anthropic"}})
	if got := alone.post(body); got.status != 400 || gjson.Get(got.body, "error.param").Str != "metadata" || len(alone.upstream.Requests()) != 0 {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// A reply that is not of its provider's dialect is no answer.
func TestReplyOfAnotherDialect(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"anthropic"}})
	h.upstream.Enqueue("anthropic", fakellm.Script{Body: []byte(`{"id":"x","usage":{"input_tokens":3,"output_tokens":1}}`), Header: http.Header{"Content-Type": {"application/json"}}})
	got := h.post(ask("claude-haiku-4-5", "x"))
	if r := h.ledger.last(t, 1); got.status != 502 || r.Outcome != llm.OutcomeError || r.Status != 502 {
		t.Errorf("%d %s, record %v %d", got.status, got.body, r.Outcome, r.Status)
	}
}

// The usage chunk of a translated stream carries its cost where that was asked for.
func TestTranslatedUsageChunkCarriesCost(t *testing.T) {
	for _, model := range []string{"claude-haiku-4-5", "gemini-2.5-flash"} {
		h := newHarness(t, setup{kinds: []string{"anthropic", "gemini"}})
		got := h.post(ask(model, "tell me a story", streamed), "X-Halfpenny-Usage: 1")
		r := h.ledger.last(t, 1)
		want := r.Cost().Money.String()
		found := 0
		for _, e := range events(got.body) {
			if u := gjson.Get(e, "usage"); u.IsObject() {
				found++
				if u.Get("cost").Raw != want || gjson.Get(e, "halfpenny.cost_usd").Raw != want || want == "0" {
					t.Errorf("%s: %s, want %s", model, e, want)
				}
			}
		}
		if found != 1 {
			t.Errorf("%s: %d usage chunks in\n%s", model, found, got.body)
		}
	}
}

// A stream that breaks says so in the caller's dialect.
func TestTruncationInTheCallersDialect(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"openai", "anthropic"}})
	h.upstream.Enqueue("openai", fakellm.Script{End: fakellm.Cut, After: 3})
	got := h.messages(message("gpt-4o-mini", "tell me a long story", streamed))
	list := strings.Split(strings.TrimSpace(got.body), "\n\n")
	if last := list[len(list)-1]; got.err == nil || !strings.HasPrefix(last, "event: error\ndata: ") || strings.Contains(got.body, "message_stop") {
		t.Errorf("%v\n%s", got.err, got.body)
	}
}

func TestCountTokens(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"anthropic"}})
	got := h.send(http.MethodPost, "/v1/messages/count_tokens", message("claude-haiku-4-5", strings.Repeat("many words ", 100)), anthropicVersion)
	if n := gjson.Get(got.body, "input_tokens").Int(); got.status != 200 || n < 150 || n > 400 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if len(h.upstream.Requests()) != 0 {
		t.Error("counting has called the provider")
	}
}

func TestModelsInAnthropicsDialect(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"anthropic"}})
	got := h.send(http.MethodGet, "/v1/models", "", anthropicVersion)
	if got.status != 200 || gjson.Get(got.body, "data.0.type").Str != "model" || gjson.Get(got.body, "has_more").Raw != "false" || gjson.Get(got.body, "first_id").Str == "" {
		t.Errorf("%d %s", got.status, got.body)
	}
	one := h.send(http.MethodGet, "/v1/models/claude-haiku-4-5", "", anthropicVersion)
	if one.status != 200 || gjson.Get(one.body, "id").Str != "claude-haiku-4-5" || gjson.Get(one.body, "display_name").Str == "" {
		t.Errorf("%d %s", one.status, one.body)
	}
}
