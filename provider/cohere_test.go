package provider

import (
	"net/http"
	"testing"

	"github.com/generic-corp/halfpenny/llm"
)

func TestCohere(t *testing.T) {
	a, err := newCohere("https://api.example/")
	if err != nil {
		t.Fatal(err)
	}
	f := func(to Destination, want string) {
		t.Helper()
		to.Secret = "s"
		r := &http.Request{Header: http.Header{}}
		if err := a.Prepare(r, to); err != nil || r.URL.String() != want || r.Host != "api.example" || r.Header.Get("Authorization") != "Bearer s" {
			t.Errorf("%+v: %v, %s, %v", to, err, r.URL, r.Header)
		}
	}
	f(Destination{Endpoint: llm.EndpointChat}, "https://api.example/v2/chat")
	f(Destination{Endpoint: llm.EndpointEmbeddings}, "https://api.example/v2/embed")
	f(Destination{Endpoint: llm.EndpointRerank, Path: "/v2/rerank?a=b"}, "https://api.example/v2/rerank?a=b")
	for path, e := range map[string]llm.Endpoint{"/v2/chat": llm.EndpointChat, "/v2/embed": llm.EndpointEmbeddings, "/v2/rerank": llm.EndpointRerank} {
		if p, ok := a.(Passer).Passed(path); !ok || p != (Passed{Endpoint: e, Dialect: llm.DialectCohere}) {
			t.Errorf("%s: %+v, %v", path, p, ok)
		}
	}
	if _, ok := a.(Passer).Passed("/v1/chat"); ok {
		t.Error("version 1 is not metered")
	}
	for e := range llm.Endpoint(llm.Endpoints) {
		want := e == llm.EndpointChat || e == llm.EndpointEmbeddings
		if got := a.Dialect(e, "m", llm.DialectOpenAI) == llm.DialectCohere; got != want {
			t.Errorf("%s: %v", e, got)
		}
	}
	fields := a.(FieldFilter).Fields("m")
	if !fields.Honoured.Has(FieldJSONObject) || !fields.Honoured.Has(FieldJSONSchema) || !fields.Refused.Has("n") || fields.Refused.Has("parallel_tool_calls") {
		t.Error("the fields are not those of the translation")
	}
}
