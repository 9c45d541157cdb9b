package router

import (
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
	} {
		c.query.Fields = typicalFields
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
