package proxy_test

import (
	"net/http"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/llm"
)

// An exact repeat costs nothing, is on record, and says what it saved.
func TestExactRepeatIsAnsweredFromTheCache(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"openai", "anthropic", "gemini"}, policy: `{"cache":{"enabled":true}}`})
	n := 0
	f := func(name string, send func() reply) {
		t.Helper()
		first, again := send(), send()
		n += 2
		if first.header.Get("X-Halfpenny-Cache") != "miss" || again.header.Get("X-Halfpenny-Cache") != "hit" || first.body != again.body ||
			again.status != 200 || again.header.Get("Content-Type") != first.header.Get("Content-Type") || again.header.Get("Age") == "" {
			t.Errorf("%s: %d %v\n%s\nfirst %v\n%s", name, again.status, again.header, again.body, first.header, first.body)
		}
		asked, hit := h.ledger.last(t, n-1), h.ledger.last(t, n)
		if hit.Cost() != llm.Known(0) || hit.CostStatus() != llm.CostExact || len(hit.Attempts) != 0 || hit.Reason != llm.ReasonCached || hit.Provider != asked.Provider ||
			hit.Baseline != asked.Baseline || !hit.Savings().Valid || hit.Savings().Money != asked.Baseline.Money || asked.Cost().Money == 0 {
			t.Errorf("%s: record %+v\nfirst %+v", name, hit, asked)
		}
		if again.header.Get("X-Halfpenny-Cost-Usd") != "0" || again.header.Get("X-Halfpenny-Route-Reason") != "cached" || again.header.Get("X-Request-Id") == first.header.Get("X-Request-Id") {
			t.Errorf("%s: %v", name, again.header)
		}
	}
	f("whole", func() reply { return h.post(ask("gpt-4o-mini", "one")) })
	f("a stream", func() reply { return h.post(ask("gpt-4o-mini", "one", streamed)) })
	f("translated", func() reply { return h.messages(message("gpt-4o-mini", "one", streamed)) })
	f("an array", func() reply { return h.gemini("gemini-2.5-flash", "streamGenerateContent", contents("one")) })
	f("embeddings", func() reply {
		return h.send(http.MethodPost, "/v1/embeddings", `{"model":"text-embedding-3-small","input":"one"}`)
	})
}

func TestWhatIsNotAnsweredFromTheCache(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"openai", "anthropic"}, open: true})
	f := func(name, want string, send func() reply) {
		t.Helper()
		first, again := send(), send()
		if got := again.header.Get("X-Halfpenny-Cache"); got != want {
			t.Errorf("%s: %d %q after %q", name, again.status, got, first.header.Get("X-Halfpenny-Cache"))
		}
	}
	const on = "X-Halfpenny-Cache: on"
	f("not asked for", "bypass", func() reply { return h.post(ask("gpt-4o-mini", "a")) })
	f("asked for", "hit", func() reply { return h.post(ask("gpt-4o-mini", "b"), on, "X-Halfpenny-Cache-Ttl: 60") })
	f("to be asked anew", "miss", func() reply { return h.post(ask("gpt-4o-mini", "b"), "X-Halfpenny-Cache: refresh") })
	f("an error", "miss", func() reply { return h.post(ask("gpt-4o-mini", "c [[halfpenny:status=400]]"), on) })
	f("a stream that is cut", "miss", func() reply { return h.post(ask("gpt-4o-mini", "d [[halfpenny:cut=2]]", streamed), on) })
	f("a stream with facts of its call", "bypass", func() reply { return h.post(ask("gpt-4o-mini", "e", streamed), on, "X-Halfpenny-Usage: 1") })
	f("passthrough", "bypass", func() reply {
		return h.send(http.MethodPost, "/passthrough/anthropic/v1/messages", message("claude-haiku-4-5", "f"), on)
	})
	n := 0
	f("another body each time", "miss", func() reply {
		n++
		return h.post(ask("gpt-4o-mini", "g", `"seed":`+string(rune('0'+n))), on)
	})
	other := h.tenant("other")
	if got := h.post(ask("gpt-4o-mini", "b"), on, "Authorization: Bearer "+other); got.header.Get("X-Halfpenny-Cache") != "miss" {
		t.Errorf("another tenant's reply: %v", got.header)
	}
	for _, bad := range []string{"X-Halfpenny-Cache: yes", "X-Halfpenny-Cache-Ttl: 0", "X-Halfpenny-Cache-Ttl: 604801"} {
		if got := h.post(ask("gpt-4o-mini", "h"), bad); got.status != 400 || gjson.Get(got.body, "error.param").Str == "" {
			t.Errorf("%s: %d %s", bad, got.status, got.body)
		}
	}
}
