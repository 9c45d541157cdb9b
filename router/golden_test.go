package router

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/provider"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// everyKind is a table over the embedded catalogue with an account at every provider
// that it knows and that is registered, with what that provider documents of fields.
func everyKind(t testing.TB) *Table {
	t.Helper()
	var accounts []*Account
	for _, k := range provider.Kinds() {
		base := k.BaseURL
		if base == "" {
			base = "https://example.com/v1"
		}
		adapter, err := k.New(base)
		if err != nil {
			t.Fatal(err)
		}
		accounts = append(accounts, &Account{Name: k.Name, Kind: k.Name, Adapter: adapter, Secrets: []string{"key-" + k.Name}})
	}
	return NewTable(pricing.Embedded(), accounts, Options{})
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	wanted := strings.Split(string(want), "\n")
	for i, line := range strings.Split(got, "\n") {
		if i >= len(wanted) || line != wanted[i] {
			t.Fatalf("%s:%d: %q is not as it was; look at the whole with -update", file, i+1, line)
		}
	}
	t.Fatalf("%s is longer than what there is", file)
}

// Which model serves in place of which is what a user meets first, so a human can
// read it as a whole: every model with evidence, at the default floor.
func TestSubstitutesOfTheCatalogue(t *testing.T) {
	table := everyKind(t)
	var b strings.Builder
	for _, m := range pricing.Embedded().Models() {
		if m.Capability == 0 || !m.Chat {
			continue
		}
		q := ask(m.ID)
		d := new(Decision)
		if err := table.Decide(q, d); err != nil {
			if err.Code == "model_not_found" { // no provider that is registered serves it
				continue
			}
			t.Errorf("%s: %v", m.ID, err)
			continue
		}
		first := d.Candidates[0]
		fmt.Fprintf(&b, "%s %.3f", m.ID, m.Capability)
		if first.Reason != llm.ReasonSubstituted {
			fmt.Fprintf(&b, " stays at %s, $%s\n", first.Target.Account.Name, first.Cost.Money)
			continue
		}
		named := d.Candidates[1]
		fmt.Fprintf(&b, " → %s %.3f at %s, $%s for $%s\n", first.Target.ID, first.Capability, first.Target.Account.Name, first.Cost.Money, named.Cost.Money)
		s := first.Target.Model
		switch {
		case s.Indirect || s.Unverified || !s.Chat || s.Evidence == "":
			t.Errorf("%s: %s has no evidence of its own", m.ID, s.ID)
		case s.Capability < 0.95*m.Capability:
			t.Errorf("%s: %s is below the floor", m.ID, s.ID)
		case first.Cost.Money >= named.Cost.Money:
			t.Errorf("%s: %s is no cheaper", m.ID, s.ID)
		}
	}
	golden(t, "substitutes.txt", b.String())
}

// What auto takes for each kind of request, and what was nearly taken.
func TestAutoOfTheCatalogue(t *testing.T) {
	table := everyKind(t)
	requests := []struct {
		name   string
		change func(*Query)
	}{
		{"plain", func(*Query) {}},
		{"temperature", func(q *Query) { q.Fields = []string{"temperature", "top_p"} }},
		{"tools", func(q *Query) { q.Needs.Tools, q.Fields = true, []string{"tools", "tool_choice"} }},
		{"json_object", func(q *Query) { q.Needs.JSONObject, q.Fields = true, []string{"response_format"} }},
		{"json_schema", func(q *Query) { q.Needs.JSONSchema, q.Fields = true, []string{"response_format"} }},
		{"image", func(q *Query) { q.Needs.Input = pricing.Image }},
		{"audio in", func(q *Query) { q.Needs.Input = pricing.Audio }},
		{"audio out", func(q *Query) { q.Needs.Output, q.Fields = pricing.Audio, []string{"modalities", "audio"} }},
		{"300,000 tokens", func(q *Query) { q.InputTokens = 300_000 }},
		{"reasoning_effort", func(q *Query) { q.Fields = []string{"reasoning_effort"} }},
		{"max_tokens 200", func(q *Query) { q.MaxOutput, q.Fields = 200, []string{"max_tokens"} }},
		{"n 4", func(q *Query) { q.Choices, q.Fields = 4, []string{"n"} }},
		{"logprobs", func(q *Query) { q.Fields = []string{"logprobs", "top_logprobs"} }},
		{"flex", func(q *Query) { q.Tier, q.Fields = "flex", []string{"service_tier"} }},
		{"web_search_options", func(q *Query) { q.Fields = []string{"web_search_options"} }},
	}
	var b strings.Builder
	for _, model := range []string{"auto", "auto:cheap", "auto:balanced", "auto:quality"} {
		for _, r := range requests {
			q, d := ask(model, r.change), new(Decision)
			fmt.Fprintf(&b, "%s, %s:", model, r.name)
			if err := table.Decide(q, d); err != nil {
				fmt.Fprintf(&b, " %s %s\n", err.Code, err.Param)
				continue
			}
			c := d.Candidates[0]
			fmt.Fprintf(&b, " %s %.3f at %s, $%s (%s)\n", c.Target.ID, c.Capability, c.Target.Account.Name, c.Cost.Money, c.Reason)
			if m := c.Target.Model; m.Unverified || !m.Chat {
				t.Errorf("%s, %s: %s was not to be chosen", model, r.name, m.ID)
			}
			for _, k := range d.Considered[1:min(4, len(d.Considered))] {
				fmt.Fprintf(&b, "    %s %.3f at %s, $%s: %s\n", k.Model, k.Capability, k.Provider, k.Cost.Money, k.Reason)
			}
		}
	}
	golden(t, "auto.txt", b.String())
}

// Every field that a model is said to refuse is one that the tables know.
func TestRefusedFieldsAreKnown(t *testing.T) {
	for _, m := range pricing.Embedded().Models() {
		for _, field := range m.Refuses {
			if !provider.KnownField(field) {
				t.Errorf("%s refuses %q, which no provider's file mentions", m.ID, field)
			}
		}
	}
}
