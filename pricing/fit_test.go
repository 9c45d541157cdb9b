package pricing

import (
	"flag"
	"fmt"
	"math"
	"slices"
	"testing"
)

var fitProfiles = flag.Bool("fit", false, "fit the profiles on the recorded traffic and print them")

// TestFitProfiles finds the weights of a family that fit the training half of the
// recorded calls best, by descent along one weight at a time. Where a family has
// few calls, or none of a kind, its weights stay near those of the start, which
// are the fit over all families that are not OpenAI's.
func TestFitProfiles(t *testing.T) {
	if !*fitProfiles {
		t.Skip("prints the weights: run with -fit -v")
	}
	by := map[*Profile][]recorded{}
	var all []recorded
	for _, c := range mustTraffic(t) {
		p := ProfileOf(c.model, "")
		if c.train && !c.est.Unseen {
			by[p] = append(by[p], c)
			if p.encoding == nil {
				all = append(all, c)
			}
		}
	}
	pooled := fit(*openAI, all)
	for _, p := range distinctProfiles() {
		calls := by[p]
		start := *p
		if p.encoding == nil {
			m := pooled
			start.Prompt, start.Message, start.Tools, start.Format, start.Citations, start.Text = m.Prompt, m.Message, m.Tools, m.Format, m.Citations, m.Text
		}
		f := fit(start, calls)
		fmt.Printf("%-12s n=%-3d Prompt: %.0f, Message: %.1f, Text: %.2f, Tools: {%.0f, %.2f, %.1f}, Format: {%.0f, %.2f, %.1f}, Citations: %.0f, Page: %.0f, Sealed: %.2f, Spread: %.2f  loss %.3f → %.3f\n",
			p.Name, len(calls), f.Prompt, f.Message, f.Text[Prose], f.Tools.List, f.Tools.Text, f.Tools.String,
			f.Format.List, f.Format.Text, f.Format.String, f.Citations, f.Page, f.Sealed, spread(p, calls), loss(p, calls), loss(&f, calls))
	}
}

// distinctProfiles lists the profiles in the order of their families.
func distinctProfiles() (all []*Profile) {
	for _, f := range families {
		if !slices.Contains(all, f.profile) {
			all = append(all, f.profile)
		}
	}
	return append(all, other)
}

func fit(start Profile, calls []recorded) Profile {
	best := start
	origin := start
	home := knobValues(&origin)
	penalized := func(p *Profile) float64 {
		far := 0.0
		for i, v := range knobValues(p) {
			far += math.Abs(v.value-home[i].value) / v.step
		}
		return loss(p, calls)*float64(len(calls)) + 0.05*far
	}
	lowest := penalized(&best)
	for scale := 4.0; scale > 0.05; scale /= 2 {
		for improved := true; improved; {
			improved = false
			for i, v := range knobValues(&best) {
				for _, step := range [...]float64{v.step * scale, -v.step * scale} {
					trial := best
					k := knobValues(&trial)[i].at
					*k = max(0, *k+step)
					trial.Text = even(trial.Text[Prose])
					if l := penalized(&trial); l < lowest-1e-9 {
						best, lowest, improved = trial, l, true
					}
				}
			}
		}
	}
	return best
}

// knob is a weight that is fitted, with the first step that it is tried in.
type knob struct {
	at          *float64
	value, step float64
}

func knobValues(p *Profile) []knob {
	k := func(at *float64, step float64) knob { return knob{at, *at, step} }
	return []knob{
		k(&p.Prompt, 4), k(&p.Message, 1), k(&p.Text[Prose], 0.1),
		k(&p.Tools.List, 20), k(&p.Tools.Text, 0.2), k(&p.Tools.String, 1),
		k(&p.Format.List, 20), k(&p.Format.Text, 0.2), k(&p.Format.String, 1),
		k(&p.Page, 200), k(&p.Citations, 100), k(&p.Sealed, 0.02),
	}
}

// loss is the mean distance of estimate and report in log space.
func loss(p *Profile, calls []recorded) (sum float64) {
	for i := range calls {
		sum += math.Abs(distanceOf(p, &calls[i]))
	}
	return sum / max(1, float64(len(calls)))
}

func distanceOf(p *Profile, c *recorded) float64 {
	return logRatio(c.reported, c.est.For(p), biasSlack)
}

// spread is what the farthest report of the training half lies above the estimate,
// with a margin for those that were not seen.
func spread(p *Profile, calls []recorded) float64 {
	least, farthest := 0.35, 0.0
	if len(calls) < 10 {
		least = 0.7
	}
	for i := range calls {
		farthest = max(farthest, logRatio(calls[i].reported, calls[i].est.For(p), upperSlack))
	}
	return max(least, 1.3*farthest)
}
