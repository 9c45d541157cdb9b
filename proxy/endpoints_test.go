package proxy_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/llm"
)

func TestEmbeddings(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"openai", "openrouter"}})
	body := `{"model":"text-embedding-3-small" , "input":["one text","another text"],"dimensions":8}`
	got := h.send(http.MethodPost, "/v1/embeddings", body)
	if got.status != 200 || gjson.Get(got.body, "data.#").Int() != 2 || gjson.Get(got.body, "data.1.embedding.#").Int() != 8 {
		t.Fatalf("%d %.300s", got.status, got.body)
	}
	if up := string(h.upstream.Requests()[0].Body); up != body {
		t.Errorf("the provider got %s", up)
	}
	r := h.ledger.last(t, 1)
	u := r.Usage()
	want := r.Attempts[0].Rates.Cost(&llm.Usage{Input: gjson.Get(got.body, "usage.prompt_tokens").Int()})
	if r.Endpoint != llm.EndpointEmbeddings || u.Input == 0 || u.Output != 0 || r.CostStatus() != llm.CostExact || r.Cost() != llm.Known(want) || want == 0 || !strings.HasPrefix(r.Task, "embeddings, ~") {
		t.Errorf("record %+v, want cost %s", r, want)
	}
}

func TestCompletions(t *testing.T) {
	h := newHarness(t, setup{})
	plain := h.send(http.MethodPost, "/v1/completions", `{"model":"gpt-3.5-turbo-instruct","prompt":"once upon a time","max_tokens":40}`)
	whole := gjson.Get(plain.body, "choices.0.text").Str
	if plain.status != 200 || whole == "" {
		t.Fatalf("%d %s", plain.status, plain.body)
	}
	got := h.send(http.MethodPost, "/v1/completions", `{"model":"gpt-3.5-turbo-instruct","prompt":"once upon a time","max_tokens":40,"stream":true}`)
	text := ""
	list := events(got.body)
	for _, e := range list {
		text += gjson.Get(e, "choices.0.text").Str
		if gjson.Get(e, "usage").IsObject() {
			t.Errorf("the caller got usage that it did not ask for: %s", e)
		}
	}
	if text != whole || list[len(list)-1] != "[DONE]" {
		t.Errorf("streamed %q, whole %q, last event %s", text, whole, list[len(list)-1])
	}
	for n := 1; n <= 2; n++ {
		if r := h.ledger.last(t, n); r.Endpoint != llm.EndpointCompletions || r.CostStatus() != llm.CostExact || r.Cost().Money == 0 {
			t.Errorf("record %+v", r)
		}
	}
}

// A model is not tried at an endpoint that it is not for, and what is missing is named.
func TestEndpointsRefuse(t *testing.T) {
	h := newHarness(t, setup{})
	f := func(path, body string, status int, param string) {
		t.Helper()
		got := h.send(http.MethodPost, path, body)
		if got.status != status || gjson.Get(got.body, "error.param").Str != param {
			t.Errorf("%s %s: %d %s", path, body, got.status, got.body)
		}
	}
	f("/v1/embeddings", `{"model":"text-embedding-3-small"}`, 400, "input")
	f("/v1/embeddings", `{"input":"x"}`, 400, "model")
	f("/v1/embeddings", `{"model":"text-embedding-3-small","input":"x","input":"y"}`, 400, "input")
	f("/v1/embeddings", `{"model":"gpt-4o-mini","input":"x"}`, 400, "model")
	f("/v1/embeddings", `{"model":"auto","input":"x"}`, 400, "model")
	f("/v1/completions", `{"model":"gpt-3.5-turbo-instruct"}`, 400, "prompt")
	f("/v1/completions", `{"model":"text-embedding-3-small","prompt":"x"}`, 400, "model")
	if n := len(h.upstream.Requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}
