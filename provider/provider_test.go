package provider

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
	"github.com/generic-corp/halfpenny/llm"
)

// TestKinds holds every registered provider to what the gateway needs of it.
func TestKinds(t *testing.T) {
	kinds := Kinds()
	if len(kinds) < 13 {
		t.Fatalf("only %d kinds", len(kinds))
	}
	for _, k := range kinds {
		base := k.BaseURL
		if base == "" {
			base = "https://example.com/openai/v1/"
		}
		a, err := k.New(base)
		if err != nil {
			t.Errorf("%s: %v", k.Name, err)
			continue
		}
		r := &http.Request{Header: http.Header{}}
		e := llm.EndpointChat
		if a.Dialect(e, "m", llm.DialectOpenAI) == llm.DialectNone {
			e = llm.EndpointEmbeddings // of those that have nothing else
		}
		d := a.Dialect(e, "m", llm.DialectOpenAI)
		if err := a.Prepare(r, Destination{Endpoint: e, Dialect: d, Model: "m", Secret: "secret"}); err != nil {
			t.Errorf("%s: %v", k.Name, err)
			continue
		}
		want := map[llm.Dialect]string{llm.DialectOpenAI: "/chat/completions", llm.DialectAnthropic: "/v1/messages", llm.DialectGemini: "/models/m:generateContent",
			llm.DialectBedrock: "/model/m/converse", llm.DialectCohere: "/v2/chat"}
		if e == llm.EndpointEmbeddings {
			want[llm.DialectOpenAI] = "/embeddings"
		}
		if path := want[d]; a.Name() != k.Name || path == "" || !strings.HasSuffix(r.URL.Path, path) || strings.Contains(r.URL.Path, "//") {
			t.Errorf("%s: name %q, URL %s", k.Name, a.Name(), r.URL)
		}
		if n := strings.Count(fmt.Sprint(r.Header), "secret]"); n != 1 {
			t.Errorf("%s: credentials %v", k.Name, r.Header)
		}
		if a.Prepare(r, Destination{Endpoint: llm.EndpointModels, Model: "m"}) == nil {
			t.Errorf("%s: prepared an endpoint that it does not serve", k.Name)
		}
	}
}

func call(body, send string, askUsage bool) Call {
	c := Call{Send: send, Named: gjson.Get(body, "model").String(), AskUsage: askUsage}
	members, _ := jsonscan.Members(nil, []byte(body))
	for _, m := range members {
		switch string(m.Name) {
		case "model":
			c.Model = m
		case "stream_options":
			c.StreamOptions = m
		case "models", "provider":
			c.Drop = append(c.Drop, m)
		}
	}
	return c
}

// TestRequestEdits: only the model's name and the request for usage are ever edited.
func TestRequestEdits(t *testing.T) {
	f := func(body, send string, askUsage bool, want string) {
		t.Helper()
		got, err := NewTranslator(llm.EndpointChat, llm.DialectOpenAI, llm.DialectOpenAI, call(body, send, askUsage)).Request(nil, []byte(body))
		if strings.ReplaceAll(string(got), " ", "") != strings.ReplaceAll(want, " ", "") || err != nil || !gjson.ValidBytes(got) {
			t.Errorf("got  %s, %v\nwant %s", got, err, want)
		}
	}
	f(`{"model":"a", "x":1 }`, "a", false, `{"model":"a", "x":1 }`)
	f(`{"model":"a", "x":1 }`, "b\"", false, `{"model":"b\"", "x":1 }`)
	f(` {"model":"a","stream":true}`, "a", true, ` {"stream_options":{"include_usage":true},"model":"a","stream":true}`)
	f(`{"stream_options":null,"model":"a"}`, "bb", true, `{"stream_options":{"include_usage":true},"model":"bb"}`)
	f(`{"model":"a","stream_options":{"include_usage":false,"y":2}}`, "bb", true, `{"model":"bb","stream_options":{"include_usage":true,"y":2}}`)
	f(`{"models":["b"],"model":"a","x":1}`, "a", false, `{"model":"a","x":1}`)
	f(`{"model":"a", "provider":{"only":[]} }`, "a", false, `{"model":"a" }`)
	f(`{"model":"a","models":["b"] , "provider":{},"x":1}`, "bb", true, `{"stream_options":{"include_usage":true},"model":"bb", "x":1}`)
	f(`{"x":1,"model":"a","models":["b"],"provider":{}}`, "a", false, `{"x":1,"model":"a"}`)
	f(`{"model":"a","stream_options":{}}`, "a", true, `{"model":"a","stream_options":{"include_usage":true}}`)
}

func TestOnlyTheAddedUsageChunkIsDropped(t *testing.T) {
	f := func(event string, dropped bool) {
		t.Helper()
		got, err := NewTranslator(llm.EndpointChat, llm.DialectOpenAI, llm.DialectOpenAI, Call{AskUsage: true, DropUsage: true}).Event(nil, []byte(event))
		want := event
		if dropped {
			want = ""
		}
		if err != nil || string(got) != want {
			t.Errorf("%q became %q, %v", event, got, err)
		}
	}
	f("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n", true)
	f("data: {\"choices\":[{\"delta\":{}}],\"usage\":null}\n\n", false)
	f("data: {\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":1}}\n\n", false)
	f("data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n", false)
	f("data: [DONE]\n\n", false)
	f(": ping\n\n", false)
}

func TestData(t *testing.T) {
	f := func(event, want string) {
		t.Helper()
		if got := string(Data(nil, []byte(event))); got != want {
			t.Errorf("Data(%q) = %q, want %q", event, got, want)
		}
	}
	f("data: {}\n\n", "{}")
	f("data:{}\r\n\r\n", "{}")
	f("event: x\nid: 1\ndata: a\ndata: b\ndata: c\n\n", "a\nb\nc")
	f(": comment\n\n", "")
}

// FuzzRequest: whatever is edited, what goes up is the JSON of the caller less the dropped members, with the model sent and the usage asked for.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"model":"a","models":["b"],"provider":{},"stream_options":{"x":1}}`), true)
	f.Add([]byte(`{ "provider" : {} , "model" : "a" }`), false)
	f.Add([]byte(`{"models":[1],"provider":2,"model":"a"}`), true)
	f.Fuzz(func(t *testing.T, body []byte, askUsage bool) {
		if _, err := jsonscan.Members(nil, body); err != nil {
			return
		}
		c := call(string(body), "sent", askUsage)
		if c.Model.Value == nil || strings.Count(string(body), "model") != 1+2*strings.Count(string(body), "models")/2 {
			return
		}
		got, err := NewTranslator(llm.EndpointChat, llm.DialectOpenAI, llm.DialectOpenAI, c).Request(nil, body)
		if err != nil {
			return
		}
		members, err := jsonscan.Members(nil, got)
		if err != nil {
			t.Fatalf("%q became %q: %v", body, got, err)
		}
		for _, m := range members {
			switch string(m.Name) {
			case "model":
				if string(m.Value) != `"sent"` {
					t.Fatalf("model %s", m.Value)
				}
			case "models", "provider":
				t.Fatalf("%q kept %s", got, m.Name)
			}
		}
		if askUsage && !gjson.GetBytes(got, "stream_options.include_usage").Bool() {
			t.Fatalf("%q does not ask for usage", got)
		}
	})
}
