package router

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing"
)

// everything has an account of each kind that the embedded catalogue knows.
func everything(kinds ...string) *Table {
	var accounts []*Account
	for _, kind := range kinds {
		accounts = append(accounts, account(kind, kind))
	}
	return NewTable(pricing.Embedded(), accounts, Options{})
}

var allKinds = []string{"openai", "anthropic", "gemini", "azure", "groq", "mistral", "deepseek", "xai", "together", "fireworks", "openrouter",
	"cerebras", "perplexity", "moonshot", "zai"}

// large is a catalogue of the size that the embedded one may grow to: 1,700 models at
// 43 kinds of provider, 700 of them at openrouter as well, 250 with evidence.
var large = sync.OnceValue(func() *pricing.Catalogue {
	file := pricing.File{Version: "large"}
	price := func(i, k int) []pricing.FilePrice {
		var rows []pricing.FilePrice
		for _, tier := range []string{"", "flex", "batch"} {
			rows = append(rows, pricing.FilePrice{Tier: tier, Input: fmt.Sprintf("%d.%d", i*7%19, 1+k), Output: fmt.Sprintf("%d.%d", i*5%61, 1+k), Source: "test"})
		}
		return rows
	}
	for i := range 1700 {
		m := pricing.FileModel{ID: fmt.Sprintf("model-%04d", i), Owner: fmt.Sprintf("kind-%02d", i%42), Names: []string{fmt.Sprintf("model-%04d-2026-01-02", i)},
			Context: 200_000, MaxOutput: 32_000, Input: []string{"text", "image"}, Output: []string{"text"}, Tools: i%3 > 0, JSONObject: true, JSONSchema: i%2 > 0, Reasoning: i%4 > 1}
		if i%7 == 0 {
			m.Capability, m.Evidence = 0.3+float64(i*31%500)/1000, "test"
		}
		m.Hosts = append(m.Hosts, pricing.FileHost{Kind: m.Owner, Name: m.ID, Prices: price(i, 0)})
		if i%5 < 2 {
			m.Hosts = append(m.Hosts, pricing.FileHost{Kind: "openrouter", Name: m.Owner + "/" + m.ID, Prices: price(i, 1)})
		}
		file.Models = append(file.Models, m)
	}
	document, err := json.Marshal(file)
	if err != nil {
		panic(err)
	}
	c, err := pricing.Parse(document)
	if err != nil {
		panic(err)
	}
	return c
})

func largeAccounts() []*Account {
	accounts := []*Account{account("openrouter", "openrouter")}
	for i := range 42 {
		kind := fmt.Sprintf("kind-%02d", i)
		accounts = append(accounts, account(kind, kind))
	}
	return accounts
}

// The table of a large catalogue is built at start, and at each reload.
func BenchmarkNewTable(b *testing.B) {
	accounts, health := largeAccounts(), NewHealth()
	for _, c := range []struct {
		name      string
		catalogue *pricing.Catalogue
	}{{"embedded", pricing.Embedded()}, {"large", large()}} {
		accounts := accounts
		if c.name == "embedded" {
			accounts = nil
			for _, kind := range allKinds {
				accounts = append(accounts, account(kind, kind))
			}
		}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			var t *Table
			for b.Loop() {
				t = NewTable(c.catalogue, accounts, Options{Health: health})
			}
			b.ReportMetric(float64(len(t.nodes)), "targets")
		})
	}
}

var typicalFields = []string{"model", "messages", "temperature", "stream", "user"}

func BenchmarkDecide(b *testing.B) {
	for _, c := range []struct {
		name  string
		table *Table
		query *Query
	}{
		{"named, 2 hosts, observe", everything("openai", "openrouter"), ask("gpt-4o", mode(llm.ModeObserve))},
		{"named, 2 hosts, pinned", everything("openai", "openrouter"), ask("gpt-4o", mode(llm.ModePinned))},
		{"named, 2 hosts, optimize", everything("openai", "openrouter"), ask("gpt-4o")},
		{"prefixed", everything("openai", "openrouter"), ask("openai/gpt-4o")},
		{"named, all hosts, optimize", everything(allKinds...), ask("gpt-4.1")},
		{"auto, 40 targets", everything("openai", "gemini"), ask("auto")},
		{"auto, all targets", everything(allKinds...), ask("auto")},
		{"every kind: named, optimize", everyKind(b), ask("gpt-4o")},
		{"every kind: auto", everyKind(b), ask("auto")},
		{"every kind: auto:cheap", everyKind(b), ask("auto:cheap")},
		{"large: named, pinned", NewTable(large(), largeAccounts(), Options{}), ask("model-0700", mode(llm.ModePinned))},
		{"large: named, optimize", NewTable(large(), largeAccounts(), Options{}), ask("model-0700")},
		{"large: named, no substitute", NewTable(large(), largeAccounts(), Options{}), ask("model-0700", fields("a_field_of_tomorrow"))},
		{"large: auto", NewTable(large(), largeAccounts(), Options{}), ask("auto")},
		{"large: auto:cheap", NewTable(large(), largeAccounts(), Options{}), ask("auto:cheap")},
	} {
		c.query.Fields = append(c.query.Fields, typicalFields...)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			d := new(Decision)
			for b.Loop() {
				if err := c.table.Decide(c.query, d); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(c.table.nodes)), "targets")
		})
	}
}

// A decision makes what the receipt keeps, the two lists, and nothing else.
func TestDecideAllocatesOnlyWhatIsKept(t *testing.T) {
	f := func(name string, q *Query, most float64) {
		t.Helper()
		table, d := everything("openai", "openrouter"), new(Decision)
		q.Fields = typicalFields
		if err := table.Decide(q, d); err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() { _ = table.Decide(q, d) }); n > most {
			t.Errorf("%s: %v allocations, want at most %v", name, n, most)
		}
	}
	f("pinned", ask("gpt-4o", mode(llm.ModePinned)), 2)
	f("prefixed", ask("openai/gpt-4o"), 2)
	f("optimize", ask("gpt-4o"), 2)
	f("auto", ask("auto"), 2)
}

// With the catalogue that ships, in the mode that is the default.
func TestEmbeddedCatalogueDecides(t *testing.T) {
	table := everything(allKinds...)
	for _, name := range []string{"gpt-4o", "gpt-5-mini", "claude-sonnet-4-5", "gemini-2.5-pro", "auto", "auto:cheap", "auto:quality", "openai/gpt-4o",
		"google/gemini-2.5-flash", "openrouter/openai/gpt-oss-120b", "meta-llama/llama-3.3-70b-instruct"} {
		d := decide(t, table, ask(name))
		t.Logf("%-34s %s %s at %s, $%s; baseline %s %s", name, d.Candidates[0].Reason, d.Candidates[0].Target.ID, d.Candidates[0].Target.Account.Name,
			d.Candidates[0].Cost.Money, d.BaselineKind, d.BaselineName)
	}
	if d := decide(t, table, ask("gpt-4o")); d.Candidates[0].Reason != llm.ReasonSubstituted {
		t.Errorf("gpt-4o is served as %s: %s", d.Candidates[0].Reason, order(d))
	}
	if d := decide(t, table, ask("gpt-oss-120b", mode(llm.ModeObserve))); d.Candidates[0].Target.Account.Name != "openrouter" || len(d.Candidates) != 5 {
		t.Errorf("gpt-oss-120b: %s", order(d))
	}
}
