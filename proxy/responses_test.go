package proxy_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/fakellm"
	"github.com/generic-corp/halfpenny/llm"
)

func (h *harness) responses(body string, extra ...string) reply {
	h.Helper()
	return h.send(http.MethodPost, "/v1/responses", body, extra...)
}

// Callers of the Responses API reach a provider that has it with their bytes, and get
// its own, whole and streamed.
func TestResponsesPassUntouched(t *testing.T) {
	h := newHarness(t, setup{})
	body := "{\"model\":\"gpt-4o-mini\" , \"input\":\"h\\u00e9llo\",\"max_output_tokens\":500, \"metadata\":{\"a\":\"b\"},\"truncation\":\"disabled\"}"
	plain := h.responses(body)
	up := h.upstream.Requests()[0]
	if plain.status != 200 || string(up.Body) != body || !strings.HasSuffix(up.Path, "/responses") || up.Key != "sk-operator-openai" {
		t.Fatalf("%d %s\nthe provider got %s %s", plain.status, plain.body, up.Path, up.Body)
	}
	if gjson.Get(plain.body, "metadata.a").Str != "b" || gjson.Get(plain.body, "object").Str != "response" || plain.header.Get("X-Halfpenny-Cost-Usd") == "" {
		t.Errorf("%v %s", plain.header, plain.body)
	}
	text := gjson.Get(plain.body, "output.0.content.0.text").Str
	stream := h.responses(strings.Replace(body, `"truncation"`, `"stream":true,"truncation"`, 1))
	is := readResponses("stream", stream.body)
	if len(is.faults) > 0 || is.text != text || text == "" || stream.header.Get("Content-Type") != "text/event-stream; charset=utf-8" {
		t.Errorf("%v %v %s\nwant %s", is.faults, stream.header, stream.body, text)
	}
	for n := 1; n <= 2; n++ {
		if r := h.ledger.last(t, n); r.Dialect != llm.DialectResponses || r.CostStatus() != llm.CostExact || r.Cost().Money == 0 || r.Stream != (n == 2) {
			t.Errorf("record %+v", r)
		}
	}
}

// What the gateway does not know, of requests and replies, is between caller and provider.
func TestResponsesUnknownFieldsPass(t *testing.T) {
	h := newHarness(t, setup{})
	const said = `{"id":"resp_1","object":"response","x_new":[1.0],"status":"completed","model":"gpt-4o-mini","output":[{"type":"x_new_item","y":1e2}],"usage":{"input_tokens":5,"output_tokens":2,"total_tokens":7,"x":1}}`
	h.upstream.Enqueue("openai", fakellm.Script{Body: []byte(said), Header: http.Header{"Content-Type": {"application/json"}}})
	// It must be one that the simulation reads, which refuses what it does not know, as OpenAI does.
	body := `{"model":"gpt-4o-mini","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"x","x_part":{"a":[1.0]}}],"x_item":1}]}`
	if got := h.responses(body); got.status != 200 || got.body != said {
		t.Errorf("%d %s", got.status, got.body)
	}
	if up := string(h.upstream.Requests()[0].Body); up != body {
		t.Errorf("the provider got %s", up)
	}
	if got := h.responses(`{"model":"gpt-4o-mini","input":"x","x_unknown":1}`); got.status != 400 || gjson.Get(got.body, "error.param").Str != "x_unknown" || gjson.Get(got.body, "error.code").Str != "unknown_parameter" {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// A call that goes on from what a provider remembers goes to the model's own provider.
func TestPreviousResponse(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"openrouter", "openai"}})
	first := h.responses(`{"model":"openai/gpt-4o-mini","input":"tell me a story"}`)
	id := gjson.Get(first.body, "id").Str
	if first.status != 200 || id == "" {
		t.Fatalf("%d %s", first.status, first.body)
	}
	body := `{"model":"gpt-4o-mini","input":"and then","previous_response_id":"` + id + `"}`
	second := h.responses(body)
	r := h.ledger.last(t, 2)
	if second.status != 200 || gjson.Get(second.body, "previous_response_id").Str != id || r.Mode != llm.ModePinned || r.Provider != "openai" {
		t.Errorf("%d %s\n%v %s", second.status, second.body, r.Mode, r.Provider)
	}
	if log := h.upstream.Requests(); string(log[len(log)-1].Body) != body {
		t.Errorf("the provider got %s", log[len(log)-1].Body)
	}
	alone := h.responses(`{"model":"gpt-4o-mini","previous_response_id":"`+id+`"}`, "X-Halfpenny-Mode: auto")
	if r := h.ledger.last(t, 3); alone.status != 200 || r.Mode != llm.ModePinned {
		t.Errorf("without input: %d %s %v", alone.status, alone.body, r.Mode)
	}
	gone := h.responses(`{"model":"gpt-4o-mini","input":"x","previous_response_id":"resp_none"}`)
	if gone.status != 400 || gjson.Get(gone.body, "error.param").Str != "previous_response_id" || gjson.Get(gone.body, "error.code").Str != "previous_response_not_found" {
		t.Errorf("%d %s", gone.status, gone.body)
	}
}

// Where the model's own provider is not there, the field is refused by its name: by the
// gateway, or by a provider that has the API and does not know the response.
func TestPreviousResponseElsewhere(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"openrouter", "groq"}})
	got := h.responses(`{"model":"gpt-4o-mini","input":"and then","previous_response_id":"resp_1"}`)
	if got.status != 400 || gjson.Get(got.body, "error.param").Str != "previous_response_id" {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// What a translation cannot keep is refused, by the name of its field.
func TestResponsesInexpressible(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"anthropic", "gemini", "bedrock", "cohere", "mistral"}})
	for _, model := range []string{"claude-haiku-4-5", "gemini-2.5-flash", "bedrock/amazon.nova-pro-v1:0", "cohere/command-a", "mistral/mistral-small-latest"} {
		f := func(param, value string) {
			t.Helper()
			got := h.responses(`{"model":"` + model + `","input":"x","` + param + `":` + value + `}`)
			if got.status != 400 || gjson.Get(got.body, "error.param").Str != param || gjson.Get(got.body, "error.type").Str != "invalid_request_error" {
				t.Errorf("%s, %s: %d %s", model, param, got.status, got.body)
			}
		}
		f("previous_response_id", `"resp_1"`)
		f("conversation", `"conv_1"`)
		f("prompt", `{"id":"pmpt_1"}`)
		f("background", "true")
		f("truncation", `"auto"`)
		f("x_unknown", "1")
	}
	if n := len(h.upstream.Requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// A translated response says that nothing is stored, since nobody can be asked for it again.
func TestResponsesStore(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"anthropic", "openai"}})
	f := func(model, more string, want bool) {
		t.Helper()
		for _, stream := range []string{"", `,"stream":true`} {
			got := h.responses(`{"model":"` + model + `","input":"x"` + more + stream + `}`)
			body := got.body
			if stream != "" {
				var s said
				body = s.response(body)
			}
			if v := gjson.Get(body, "store"); got.status != 200 || v.Bool() != want || v.Raw == "" {
				t.Errorf("%s%s: %d %s", model, more, got.status, got.body)
			}
		}
	}
	f("gpt-4o-mini", "", true)
	f("gpt-4o-mini", `,"store":false`, false)
	f("claude-haiku-4-5", "", false)
	f("claude-haiku-4-5", `,"store":false`, false)
}

// A stream that fails says so as the API does, whoever failed and whatever it speaks.
func TestResponsesStreamFails(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"openai", "anthropic", "gemini", "bedrock", "cohere", "mistral"}})
	n := 0
	for _, model := range []string{"gpt-4o-mini", "claude-haiku-4-5", "gemini-2.5-flash", "bedrock/amazon.nova-pro-v1:0", "cohere/command-a", "mistral/mistral-small-latest"} {
		for _, marker := range []string{"error-mid=3", "cut=3", "truncate=3"} {
			got := h.responses(`{"model":"` + model + `","stream":true,"input":"a story [[halfpenny:` + marker + `]]"}`)
			n++
			errors, ended, number := 0, false, 0
			for i, e := range events(got.body) {
				switch kind := gjson.Get(e, "type").Str; {
				case kind == "error":
					errors++
				case strings.HasSuffix(kind, "completed"):
					ended = true
				case kind == "response.output_text.delta":
					number++
				}
				if s := gjson.Get(e, "sequence_number"); s.Exists() && s.Int() != int64(i) && gjson.Get(e, "type").Str != "error" {
					t.Errorf("%s, %s: sequence_number of event %d: %s", model, marker, i, e)
				}
			}
			r := h.ledger.last(t, n)
			if got.status != 200 || errors != 1 || ended || number == 0 || !strings.Contains(got.body, "event: error\ndata: ") || r.Outcome == llm.OutcomeOK {
				t.Errorf("%s, %s: %d, %d errors, %d deltas, %v\n%s", model, marker, got.status, errors, number, r.Outcome, got.body)
			}
			if cut := !strings.HasPrefix(marker, "error"); cut != (got.err != nil) {
				t.Errorf("%s, %s: the connection ended with %v", model, marker, got.err)
			}
		}
	}
}
