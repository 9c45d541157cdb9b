package router

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/router/habits"
	"github.com/generic-corp/halfpenny/router/model"
	"github.com/generic-corp/halfpenny/tenancy"
)

// cached has two models, of which the named one costs twice as much, and a tenth of
// that where its provider has the prompt in its cache.
func cached() *Table {
	model := func(id, owner, capability, input, cacheRead string) string {
		return fmt.Sprintf(`{"id":%q,"owner":%q,"context":100000,"maxOutput":8000,"input":["text"],"output":["text"],"tools":true,"capability":%s,"evidence":"test",
			"hosts":[{"kind":%q,"name":%q,"prices":[{"input":%q,"output":"1","cacheRead":%q,"source":"test"}]}]}`, id, owner, capability, owner, id, input, cacheRead)
	}
	c, err := pricing.Parse([]byte(`{"version":"test","sources":[],"models":[` + strings.Join([]string{
		model("named", "openai", "0.80", "10", "1"), model("rival", "gemini", "0.80", "5", "0.5")}, ",") + `]}`))
	if err != nil {
		panic(err)
	}
	return NewTable(c, []*Account{account("openai", "openai"), account("google", "gemini")}, Options{})
}

// talk is a conversation of which earlier turns have said nine tenths.
func talk(q *Query) { q.InputTokens, q.Needs.Conversation, q.Said = 20_000, true, 0.9 }

func last(account, model string) func(*Query) {
	return func(q *Query) { q.Last = Served{account, model} }
}

func TestASwitchPaysTheLostCache(t *testing.T) {
	table := cached()
	f := func(want string, change ...func(*Query)) {
		t.Helper()
		d := decide(t, table, ask("named", change...))
		if got := fmt.Sprintf("%s %s $%s", d.Candidates[0].Target.ID, d.Candidates[0].Reason, d.Candidates[0].Cost.Money); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	f("rival substituted $0.1003", func(q *Query) { q.InputTokens = 20_000 })
	// 18,000 tokens from the cache at 1 and 2,000 at 10, against 20,000 at 5.
	f("named named $0.0383", talk)
	f("named named $0.0383", talk, last("openai", "named"))
	// The rival has the cache: 18,000 at 0.5 and 2,000 at 5.
	f("rival substituted $0.0193", talk, last("google", "rival"))
	// Too short a beginning is not kept by any provider.
	f("rival substituted $0.0053", talk, func(q *Query) { q.InputTokens = 1_000 })
	// The tenant has never seen the named model's cache in use.
	f("rival substituted $0.1003", talk, learned("named", habits.Habit{}))
	// It has always seen half of the prompts in it, conversation or not.
	f("named named $0.0663", func(q *Query) { q.InputTokens = 12_000 }, learned("named", habits.Habit{CacheShare: 0.5}), policy(func(p *tenancy.RoutingPolicy) { p.DenyModels = []string{"rival"} }))
}

type taught map[string]habits.Habit

func (m taught) Of(model string) (habits.Habit, bool) { h, ok := m[model]; return h, ok }

func learned(model string, h habits.Habit) func(*Query) {
	return func(q *Query) { q.Habits = taught{model: h} }
}

func TestHabitsPriceTheAnswer(t *testing.T) {
	table := standard(Options{})
	plain := func(q *Query) { q.Fields = []string{"temperature"} }
	// mid costs 4 at groq and writes 300 tokens like any; twin costs 5. A tenant to which mid writes at length takes twin.
	mustOrder(t, table, ask("auto", plain, learned("mid", habits.Habit{Output: 2000})),
		"google:twin groq:vendor/big groq:vendor/mid openai:big openrouter:openai/big openai:mid", llm.ReasonCheapestCapable)
	d := decide(t, table, ask("groq/vendor/mid", plain, learned("mid", habits.Habit{Output: 2000}), func(q *Query) { q.MaxOutput = 500 }))
	if d.Candidates[0].Output != 500 {
		t.Errorf("%d tokens expected of an answer of 500 at most", d.Candidates[0].Output)
	}
}

func TestBiasMovesAModelsChance(t *testing.T) {
	table := standard(Options{})
	plain := func(q *Query) { q.Fields = []string{"temperature"} }
	// big has 0.80, so 0.76 is asked for; mid has 0.77.
	d := decide(t, table, ask("auto", plain, learned("mid", habits.Habit{Bias: -0.5})))
	if got := d.Candidates[0].Target.ID; got != "twin" {
		t.Errorf("%s serves a tenant that is discontent with mid", got)
	}
	for _, k := range d.Considered {
		if want := 1 / (1 + (1-0.77)/0.77*math.Exp(0.5)); k.Model == "mid" && math.Abs(k.Capability-want) > 1e-9 {
			t.Errorf("mid has the chance %v, want %v", k.Capability, want)
		}
	}
}

func TestHoldoutIsServedAsNamed(t *testing.T) {
	table := standard(Options{})
	held := func(q *Query) { q.Fields, q.Holdout = []string{"temperature"}, true }
	d := mustOrder(t, table, ask("big", held), "groq:vendor/big openai:big openrouter:openai/big", llm.ReasonHoldout)
	if d.Substitution == nil || d.Substitution.Model != "mid" {
		t.Errorf("substitution %+v", d.Substitution)
	}
	// Where nothing would be substituted, nothing is held out.
	mustOrder(t, table, ask("tiny", held), "google:tiny", llm.ReasonNamed)
	mustOrder(t, table, ask("big", held, mode(llm.ModeObserve)), "groq:vendor/big openai:big openrouter:openai/big", llm.ReasonNamed)
}

func TestAToolChainStaysWhereItBegan(t *testing.T) {
	table := standard(Options{})
	chain := func(q *Query) { q.Needs.ToolChain, q.Needs.Tools, q.Fields = true, true, []string{"tools"} }
	mustOrder(t, table, ask("big", chain, last("google", "twin")), "google:twin groq:vendor/big openai:big openrouter:openai/big", llm.ReasonConversation)
	mustOrder(t, table, ask("big", chain, last("groq", "big")), "groq:vendor/big openai:big openrouter:openai/big", llm.ReasonNamed)
	mustOrder(t, table, ask("big", chain, last("nowhere", "twin")), "groq:vendor/big openai:big openrouter:openai/big", llm.ReasonNamed)
	mustOrder(t, table, ask("big", chain, last("google", "twin"), mode(llm.ModeObserve)), "groq:vendor/big openai:big openrouter:openai/big", llm.ReasonNamed)
	d := decide(t, table, ask("auto", chain, last("openai", "small")))
	if first := d.Candidates[0]; first.Target.ID != "small" || first.Reason != llm.ReasonConversation {
		t.Errorf("%s: %s", first.Target.ID, first.Reason)
	}
	seen := len(d.Considered)
	for _, r := range d.Rejected {
		seen += r.Count
	}
	if seen != len(table.nodes) {
		t.Errorf("%d of %d targets are accounted for", seen, len(table.nodes))
	}
	// A target that cannot serve any more does not hold the chain.
	mustOrder(t, table, ask("big", chain, last("google", "eyes")), "groq:vendor/big openai:big openrouter:openai/big", llm.ReasonNamed)
}

// With the difficulty model, what a prompt asks decides how likely each model is to
// answer it right; without, the catalogue's capability holds for every prompt.
func TestThePromptDecidesTheChances(t *testing.T) {
	chances := func(o Options, text string) (all [2]float64) {
		q := ask("auto")
		q.Prompt = worded{func(string) int64 { return 100 }, text}
		d := decide(t, standard(o), q)
		if d.Read != (o.Difficulty != nil) || d.Read != (d.Coverage > 0) {
			t.Errorf("%q: read %v, coverage %v", text, d.Read, d.Coverage)
		}
		for _, k := range d.Considered {
			switch k.Model {
			case "big":
				all[0] = k.Capability
			case "twin":
				all[1] = k.Capability
			}
		}
		return all
	}
	const hard = "Find the degree for the given field extension Q(sqrt(2), sqrt(3), sqrt(18)) over Q.\nA. 0\nB. 4\nC. 2\nD. 6\nAnswer:"
	const easy = "What is the capital of France?\nA. Paris\nB. Rome\nC. Berlin\nD. Madrid\nAnswer:"
	if got := [2][2]float64{chances(Options{}, hard), chances(Options{}, easy)}; got != [2][2]float64{{0.80, 0.79}, {0.80, 0.79}} {
		t.Errorf("by capability: %v", got)
	}
	d := Options{Difficulty: model.Embedded()}
	if h, e := chances(d, hard), chances(d, easy); h[0] >= e[0] || h[0] <= 0 || e[0] >= 1 || h[0] <= h[1] {
		t.Errorf("the hard one %v, the easy one %v", h, e)
	}
}
