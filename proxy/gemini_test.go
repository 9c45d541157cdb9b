package proxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/llm"
)

// contents is a request to Gemini's API with one turn.
func contents(prompt string, more ...string) string {
	extra := ""
	for _, m := range more {
		extra += "," + m
	}
	return fmt.Sprintf(`{"contents":[{"role":"user","parts":[{"text":%q}]}]%s}`, prompt, extra)
}

func (h *harness) gemini(model, method, body string, extra ...string) reply {
	h.Helper()
	return h.send(http.MethodPost, "/v1beta/models/"+model+":"+method, body, extra...)
}

// geminiText adds up the text of replies of Gemini's dialect.
func geminiText(replies ...string) (text string) {
	for _, r := range replies {
		for _, part := range gjson.Get(r, "candidates.0.content.parts").Array() {
			if !part.Get("thought").Bool() {
				text += part.Get("text").Str
			}
		}
	}
	return text
}

// Gemini's own path: whole, as events, and as the array that its API streams otherwise.
func TestGeminiPassesUntouched(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"gemini"}})
	body := contents("a story", `"generationConfig":{"maxOutputTokens":500}`, `"x_unknown":{"a":[1.0]}`)
	plain := h.gemini("gemini-2.5-flash", "generateContent", body, "Authorization: ", "x-goog-api-key: "+h.key)
	up := h.upstream.Requests()[0]
	if plain.status != 200 || string(up.Body) != body || up.Header.Get("X-Goog-Api-Key") != "sk-operator-gemini" {
		t.Fatalf("%d %s\nthe provider got %s %v", plain.status, plain.body, up.Body, up.Header)
	}
	text := geminiText(plain.body)
	sse := h.gemini("gemini-2.5-flash", "streamGenerateContent?alt=sse", body)
	if got := geminiText(events(sse.body)...); got != text || text == "" || sse.header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%v %s\nwant %s", sse.header, sse.body, text)
	}
	array := h.gemini("gemini-2.5-flash", "streamGenerateContent", body)
	var list []string
	for _, e := range gjson.Parse(array.body).Array() {
		list = append(list, e.Raw)
	}
	if got := geminiText(list...); !gjson.Valid(array.body) || got != text || len(list) < 2 || !strings.HasPrefix(array.header.Get("Content-Type"), "application/json") {
		t.Errorf("%v %s\nwant %s", array.header, array.body, text)
	}
	for n := 1; n <= 3; n++ {
		if r := h.ledger.last(t, n); r.Dialect != llm.DialectGemini || r.CostStatus() != llm.CostExact || r.Cost().Money == 0 || r.Stream != (n > 1) {
			t.Errorf("record %+v", r)
		}
	}
}

// A stream that is cut says so, in either form, and the connection is cut too.
func TestGeminiTruncation(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"gemini"}})
	for _, method := range []string{"streamGenerateContent", "streamGenerateContent?alt=sse"} {
		got := h.gemini("gemini-2.5-flash", method, contents("a story [[halfpenny:cut=2]]"))
		if got.err == nil || !strings.Contains(got.body, `"status":"INTERNAL"`) {
			t.Errorf("%s: %v %s", method, got.err, got.body)
		}
		if method == "streamGenerateContent" && !gjson.Valid(got.body) {
			t.Errorf("no array: %s", got.body)
		}
	}
}

func TestGeminiErrors(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"gemini"}})
	f := func(name string, got reply, status int, word, text string) {
		t.Helper()
		if got.status != status || gjson.Get(got.body, "error.status").Str != word || gjson.Get(got.body, "error.code").Int() != int64(status) || !strings.Contains(got.body, text) {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	f("nothing", h.gemini("gemini-2.5-flash", "generateContent", `{}`), 400, "INVALID_ARGUMENT", "contents")
	f("empty", h.gemini("gemini-2.5-flash", "generateContent", `{"contents":[]}`), 400, "INVALID_ARGUMENT", "contents")
	f("no JSON", h.gemini("gemini-2.5-flash", "generateContent", `{`), 400, "INVALID_ARGUMENT", "JSON")
	f("unknown", h.gemini("gemini-nine", "generateContent", contents("x")), 404, "NOT_FOUND", "gemini-nine")
	f("no key", h.gemini("gemini-2.5-flash", "generateContent", contents("x"), "Authorization: "), 401, "UNAUTHENTICATED", "")
	f("method", h.gemini("gemini-2.5-flash", "predict", contents("x")), 404, "NOT_FOUND", "predict")
	f("count", h.gemini("gemini-2.5-flash", "generateContent", contents("x", `"generationConfig":{"maxOutputTokens":-1}`)), 400, "INVALID_ARGUMENT", "generationConfig.maxOutputTokens")
}

func TestGeminiCountsAndLists(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"gemini"}})
	one := h.gemini("gemini-2.5-flash", "countTokens", contents("seven words are in this short prompt"))
	other := h.gemini("models/gemini-2.5-flash", "countTokens", `{"generateContentRequest":{"model":"models/gemini-2.5-flash",`+contents("seven words are in this short prompt")[1:]+`}`)
	if n := gjson.Get(one.body, "totalTokens").Int(); n < 5 || n > 15 || one.body != other.body {
		t.Errorf("%s and %s", one.body, other.body)
	}
	list := h.send(http.MethodGet, "/v1beta/models", "")
	if gjson.Get(list.body, `models.#(name=="models/gemini-2.5-flash").supportedGenerationMethods.0`).Str != "generateContent" {
		t.Errorf("%d %.300s", list.status, list.body)
	}
	if one := h.send(http.MethodGet, "/v1beta/models/gemini-2.5-flash", ""); gjson.Get(one.body, "name").Str != "models/gemini-2.5-flash" {
		t.Errorf("%d %.300s", one.status, one.body)
	}
	if len(h.upstream.Requests()) != 0 {
		t.Error("the provider was asked")
	}
}
