package router

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/router/model"
	"github.com/generic-corp/halfpenny/tenancy"
)

// Decide weighs a part of the targets. Whatever is asked, it has to choose what it
// would choose if it weighed them all, and to account for every one.
func TestWhatIsNotWeighedWouldNotBeChosen(t *testing.T) {
	t.Run("by capability", func(t *testing.T) { mustChooseTheBest(t, Options{}) })
	t.Run("by the difficulty model", func(t *testing.T) { mustChooseTheBest(t, Options{Difficulty: model.Embedded()}) })
}

func mustChooseTheBest(t *testing.T, options Options) {
	health := NewHealth()
	options.Health = health
	table := NewTable(large(), largeAccounts(), options)
	for range faultsToCool {
		health.Report("kind-07", "", FailureFault, 0)
	}
	rapid.Check(t, func(t *rapid.T) {
		q := anyQuery(t)
		q.Now = health.now()
		d, c := new(Decision), choice{table: table, query: q, decision: new(Decision), policy: routing(q.Policy)}
		err := table.Decide(q, d)
		defer c.forget()
		c.bounds()
		c.ask()
		c.foresee()
		w, _ := table.resolve(q, q.Model)
		want := c.exhaustive(&w)
		if err != nil || want == nil && w.auto { // then all without evidence were weighed
			if want != nil {
				t.Fatalf("all weighed, %s at %s is eligible: %v", want.node.target.ID, want.node.target.Account.Name, err)
			}
			return
		}
		got := slices.IndexFunc(d.options, func(o option) bool { return &o.node.target == d.Candidates[0].Target })
		if rivals(&d.options[got], want) != 0 || d.options[got].chance != want.chance && d.options[got].cost != want.cost {
			t.Fatalf("%s: %s at %s for %s, all weighed: %s at %s for %s", q.Model, d.Candidates[0].Target.ID, d.Candidates[0].Target.Account.Name,
				d.Candidates[0].Cost.Money, want.node.target.ID, want.node.target.Account.Name, want.cost)
		}
		seen := len(d.Considered)
		for _, r := range d.Rejected {
			seen += r.Count
		}
		if seen != len(table.nodes) {
			t.Fatalf("%d of %d targets are accounted for", seen, len(table.nodes))
		}
	})
}

// exhaustive weighs everything and returns the best; nil: nothing is eligible.
func (c *choice) exhaustive(w *wish) (best *option) {
	var named, all []option
	for _, n := range w.nodes {
		if !w.auto {
			o := c.weigh(n, false)
			o.group = 1
			named = append(named, o)
		}
	}
	if slices.ContainsFunc(named, func(o option) bool { return o.sure && o.reason == llm.ReasonNone }) {
		doubt(named)
	}
	top := 0.0
	for _, cramped := range []bool{false, true} {
		for i := range c.table.cheap {
			n := c.table.cheap[i].node
			o := c.weigh(n, true)
			if o.group = int8(truth(w.auto)); o.reason == llm.ReasonNone && c.cramped(n.target.Model) == cramped {
				top = max(top, o.chance)
				all = append(all, o)
			}
		}
		if !w.auto || len(all) > 0 {
			break
		}
	}
	served, floor := cheapest(named), c.floor*top
	if w.auto {
		floor = max(c.query.Floor, w.floor, truthOf(w.floor == 0)*c.floor) * top
	} else if w.model != nil {
		floor = c.floor * c.outlook.chances[c.table.bar(w.model)]
	}
	for i := range all {
		o := &all[i]
		switch {
		case o.chance < floor:
		case !w.auto && (served == nil || w.model.Capability == 0 || o.node.target.Model == w.model || o.price == nil || o.cost >= served.cost || o.cooling):
		case best == nil || compare(*o, *best) < 0:
			best = o
		}
	}
	for i := range named {
		if o := &named[i]; best == nil && o.reason == llm.ReasonNone || best != nil && best.group == 1 && o.reason == llm.ReasonNone && compare(*o, *best) < 0 {
			best = o
		}
	}
	return best
}

func truthOf(b bool) float64 { return float64(truth(b)) }

func anyQuery(t *rapid.T) *Query {
	q := ask(rapid.SampledFrom([]string{"auto", "auto:cheap", "auto:quality", "model-0700", "model-0007", "model-1400", "model-1050"}).Draw(t, "model"))
	q.InputTokens = rapid.Int64Range(1, 190_000).Draw(t, "input")
	q.MaxOutput = rapid.SampledFrom([]int64{0, 100, 5_000, 32_000}).Draw(t, "output")
	q.Choices = rapid.SampledFrom([]int64{0, 1, 4}).Draw(t, "n")
	q.Needs.Tools = rapid.Bool().Draw(t, "tools")
	q.Needs.JSONSchema = rapid.Bool().Draw(t, "schema")
	q.Order = rapid.SampledFrom([][]string{nil, {"kind-03", "openrouter"}}).Draw(t, "order")
	q.Tier = rapid.SampledFrom([]string{"", "", "flex", "scale"}).Draw(t, "tier")
	if q.Tier != "" {
		q.Fields = []string{"service_tier"}
	}
	q.Floor = rapid.SampledFrom([]float64{0, 0.9, 1}).Draw(t, "floor")
	q.Policy = &tenancy.Policy{Routing: tenancy.RoutingPolicy{
		QualityFloor:       rapid.SampledFrom([]float64{0, 0.5, 0.99}).Draw(t, "policy floor"),
		PreferredProviders: rapid.SampledFrom([][]string{nil, {"kind-11"}, {"openrouter", "kind-02"}}).Draw(t, "preferred"),
		DenyModels:         rapid.SampledFrom([][]string{nil, {"model-0*"}, {"openrouter/*"}}).Draw(t, "denied"),
	}}
	if rapid.Bool().Draw(t, "own tokens") {
		tokens := prompt(func(id string) int64 {
			if len(id)%2 == 1 {
				return q.InputTokens / 2
			}
			return q.InputTokens
		})
		q.Prompt = tokens
		if text := rapid.SampledFrom([]string{"", "Find all c in Z_3 such that Z_3[x]/(x^2 + c) is a field.", "What is the capital of France?\nA. Paris\nB. Rome"}).Draw(t, "text"); text != "" {
			q.Prompt = worded{tokens, text}
		}
	}
	q.Dry = true
	return q
}
