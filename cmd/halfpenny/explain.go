package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/generic-corp/halfpenny/api"
	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/proxy"
	"github.com/generic-corp/halfpenny/router"
	"github.com/generic-corp/halfpenny/tenancy"
)

// Explain tells what the data plane would do with a request of a caller.
func (g *gateway) Explain(c *tenancy.Caller, path string, header func(string) []byte, body []byte) (api.Explanation, *llm.Error) {
	d, err := g.proxy.Preview(c, proxy.Request{Path: path, Header: header, Body: body}, nil)
	if err != nil {
		return api.Explanation{}, err
	}
	return explain(&d, g.catalogue.Load()), nil
}

// explain puts a decision into the form in which it is shown.
func explain(d *router.Decision, catalogue *pricing.Catalogue) api.Explanation {
	first := &d.Candidates[0]
	e := api.Explanation{
		Mode: d.Mode.String(), Provider: first.Target.Account.Name, Model: first.Target.ID, Reason: first.Reason.String(), Why: why(d),
		InputTokens: first.Input, OutputTokens: first.Output, Cost: first.Cost, Rejected: map[string]int{}, Simulated: first.Target.Account.Simulated,
		Considered: len(d.Considered),
	}
	if d.Bar.Model != "" {
		e.Prediction = &api.PredictionJSON{Reference: d.Bar.Model, Chance: round(d.Bar.Chance), Floor: d.Bar.Floor}
		if d.Read {
			coverage := round(d.Coverage)
			e.Prediction.Coverage = &coverage
		}
	}
	for i := range d.Considered {
		e.Candidates = append(e.Candidates, consideredOf(&d.Considered[i], catalogue))
	}
	for _, r := range d.Rejected {
		e.Rejected[r.Reason.String()] += r.Count
		e.Considered += r.Count
	}
	if d.BaselineKind != llm.BaselineNone {
		e.BaselineModel = &d.BaselineName
		e.BaselineCost = llm.Known(d.BaselineRates.Cost(&llm.Usage{Input: first.Input, Output: first.Output}))
	}
	if s := d.Substitution; s != nil {
		e.Substitution = &api.SubstitutionPreview{Provider: s.Provider, Model: s.Model, Cost: s.Cost, Savings: s.Savings}
	}
	return e
}

func consideredOf(k *llm.Considered, catalogue *pricing.Catalogue) api.ConsideredJSON {
	j := api.ConsideredJSON{Provider: k.Provider, Model: k.Model, Cost: k.Cost, Reason: k.Reason.String(), Why: k.Reason.Meaning()}
	if k.Capability > 0 {
		chance := round(k.Capability)
		j.Capability = &chance
	}
	if m := catalogue.Lookup(k.Model); m != nil {
		j.Evidence = m.Evidence
	}
	return j
}

// round keeps three decimals of a probability.
func round(p float64) float64 { return float64(int(p*1000+0.5)) / 1000 }

// why says in a sentence why the first candidate is the first.
func why(d *router.Decision) string {
	first := &d.Candidates[0]
	at := fmt.Sprintf("%s at %s: %s.", first.Target.ID, first.Target.Account.Name, first.Reason.Meaning())
	if d.Bar.Model == "" || first.Capability == 0 || d.Bar.Model == first.Target.ID {
		return at
	}
	return fmt.Sprintf("%s Its capability is %.2f; %.2f × %.2f of %s was asked for.", at, first.Capability, d.Bar.Floor, d.Bar.Chance, d.Bar.Model)
}

// writeExplanation writes a decision for people.
func writeExplanation(out io.Writer, e *api.Explanation) error {
	fmt.Fprintln(out, e.Why)
	fmt.Fprintf(out, "\n  mode        %s\n  prompt      about %d tokens", e.Mode, e.InputTokens)
	if e.Prediction != nil && e.Prediction.Coverage != nil {
		fmt.Fprintf(out, "; %.0f %% like what the router has learned from", 100**e.Prediction.Coverage)
	}
	fmt.Fprintf(out, "\n  estimate    %s for an answer of about %d tokens\n", dollars(e.Cost), e.OutputTokens)
	if e.BaselineModel != nil {
		fmt.Fprintf(out, "  baseline    %s with %s\n", dollars(e.BaselineCost), *e.BaselineModel)
	}
	if s := e.Substitution; s != nil {
		fmt.Fprintf(out, "  instead     %s at %s for $%s would save $%s\n", s.Model, s.Provider, s.Cost, s.Savings)
	}
	if e.Simulated {
		fmt.Fprintln(out, "  simulated   no provider is configured: nobody is asked, and nobody bills")
	}
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  MODEL\tPROVIDER\tCAPABILITY\tCOST\tREASON\tIN WORDS")
	for i := range e.Candidates {
		k := &e.Candidates[i]
		right := "?"
		if k.Capability != nil {
			right = fmt.Sprintf("%.3f", *k.Capability)
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t%s\n", k.Model, k.Provider, right, dollars(k.Cost), k.Reason, k.Why)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(e.Rejected) > 0 {
		fmt.Fprintf(out, "\n  Of %d targets these are not listed: %s.\n", e.Considered, rejections(e.Rejected))
	}
	return nil
}

// rejections lists how many targets were rejected for which reason, the most frequent first.
func rejections(counts map[string]int) string {
	reasons := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	for i, r := range reasons {
		reasons[i] = fmt.Sprintf("%d %s", counts[r], r)
	}
	return strings.Join(reasons, ", ")
}

func dollars(m llm.NullMoney) string {
	if !m.Valid {
		return "unpriced"
	}
	return "$" + m.Money.String()
}
