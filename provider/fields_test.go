package provider

import (
	"slices"
	"testing"
)

// documented returns what a kind says of the fields of a chat request.
func documented(t *testing.T, kind string) Fields {
	t.Helper()
	k, ok := Lookup(kind)
	if !ok {
		t.Fatalf("there is no kind %s", kind)
	}
	a, err := k.New("https://example.com/v1")
	if err != nil {
		t.Fatal(err)
	}
	return a.(FieldFilter).Fields("")
}

// What is dropped in silence, or refused, decides where a request may go, so the
// facts that differ from OpenAI's are held one by one.
func TestWhatKindsHonour(t *testing.T) {
	const honours, varies, refuses = "honours", "varies", "refuses"
	f := func(kind, field, want string) {
		t.Helper()
		d := documented(t, kind)
		got := varies
		switch {
		case d.Honoured.Has(field):
			got = honours
		case d.Refused.Has(field):
			got = refuses
		}
		if got != want || d.Honoured.Has(field) && d.Refused.Has(field) {
			t.Errorf("%s %s %s, want %s", kind, got, field, want)
		}
	}
	f("openai", "logit_bias", honours)
	f("openai", "web_search_options", varies)
	f("openai", FieldJSONSchema, honours)
	f("anthropic", "tools", honours)
	f("anthropic", "response_format", refuses)
	f("anthropic", FieldJSONSchema, honours)
	f("anthropic", FieldJSONObject, refuses)
	f("anthropic", "n", refuses)
	f("anthropic", "thinking", honours)
	f("anthropic", "metadata", varies)
	f("anthropic", "seed", refuses)
	f("gemini", "reasoning_effort", honours)
	f("gemini", "user", honours)
	f("groq", "n", refuses)
	f("groq", "logprobs", refuses)
	f("groq", "seed", honours)
	f("mistral", "random_seed", honours)
	f("mistral", "seed", varies)
	f("deepseek", FieldJSONObject, honours)
	f("deepseek", FieldJSONSchema, refuses)
	f("perplexity", FieldJSONObject, refuses)
	f("perplexity", FieldJSONSchema, honours)
	f("zai", "stop", varies)
	f("ollama", "tool_choice", refuses)
	f("ollama", "tools", honours)
	f("openrouter", "seed", varies)
	f("vllm", "user", varies)
	f("vllm", "service_tier", refuses)
	f("compatible", "temperature", honours)
	f("compatible", "seed", varies)
}

func TestEveryKindSaysWhatItHonours(t *testing.T) {
	for _, k := range Kinds() {
		d := documented(t, k.Name)
		for _, field := range everywhere {
			if k.Name == "voyageai" {
				continue // which has no chat
			}
			// Of stop, Z.AI, at home and abroad, takes a single sequence only.
			if !d.Honoured.Has(field) && (k.Name != "zai" && k.Name != "zhipuai" || field != "stop") {
				t.Errorf("%s is not known to honour %s", k.Name, field)
			}
		}
		if d.Honoured.Overlaps(&d.Refused) || !d.NotThinking.Within(&d.Honoured) {
			t.Errorf("%s contradicts itself", k.Name)
		}
	}
}

func TestFieldSet(t *testing.T) {
	var s FieldSet
	for _, name := range KnownFields() {
		if s.Has(name) || !s.Add(name) || !s.Has(name) {
			t.Errorf("%s is not added", name)
		}
	}
	if s.Len() != len(KnownFields()) || !slices.Contains(KnownFields(), "temperature") {
		t.Errorf("%d fields of %d", s.Len(), len(KnownFields()))
	}
	before := s
	if s.Add("no_such_field") || s != before || KnownField("no_such_field") {
		t.Error("a field that nobody mentions is known")
	}
	var one FieldSet
	one.Add("seed")
	if !one.Within(&s) || s.Within(&one) || !s.Overlaps(&one) {
		t.Error("sets do not compare")
	}
	rest := s.Without(&one)
	if rest.Has("seed") || rest.Len() != s.Len()-1 {
		t.Error("seed is still there")
	}
	rest.Union(&one)
	if rest != s {
		t.Error("a union is not the whole")
	}
	s.Remove("seed")
	if s.Has("seed") {
		t.Error("seed was removed")
	}
}
