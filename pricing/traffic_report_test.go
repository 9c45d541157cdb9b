package pricing

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
)

// errorsOf are the relative errors of a group of estimates, and how many reports
// were within the upper bound.
type errorsOf struct {
	relative []float64
	within   int
}

func (e *errorsOf) add(estimated, upper, reported int64) {
	e.relative = append(e.relative, math.Abs(float64(estimated)/float64(reported)-1))
	if upper >= reported {
		e.within++
	}
}

func (e *errorsOf) percentile(p int) float64 {
	if len(e.relative) == 0 {
		return 0
	}
	slices.Sort(e.relative)
	return 100 * e.relative[(len(e.relative)-1)*p/100]
}

func (e *errorsOf) covered() float64 {
	return 100 * float64(e.within) / max(1, float64(len(e.relative)))
}

func (e *errorsOf) String() string {
	return fmt.Sprintf("%5d %7.1f %7.1f %7.1f", len(e.relative), e.percentile(50), e.percentile(99), e.covered())
}

// outcome compares estimates with reports for one group of calls.
type outcome struct{ held, before, after errorsOf }

// TestEstimateAgainstReportedTokens holds the estimate against the input tokens
// that providers reported. Before: the profiles alone, of the half of the calls
// that they were not fitted on, and of all. After: all calls in the order of the
// file, each estimated with what was learned from those before it at the same
// provider and model. Calls whose prompt is not all in the request are apart.
func TestEstimateAgainstReportedTokens(t *testing.T) {
	groups := map[string]*outcome{}
	group := func(name string) *outcome {
		if groups[name] == nil {
			groups[name] = new(outcome)
		}
		return groups[name]
	}
	var learned Calibration
	for _, c := range mustTraffic(t) {
		id, p := c.provider+"/"+c.model, ProfileOf(c.model, "")
		names := []string{c.provider, "all"}
		switch {
		case c.est.Unseen:
			names = []string{"(unseen parts)"}
		case c.reported >= 500:
			names = append(names, "all from 500 tokens")
		}
		start, startUpper := new(Calibration).Input(id, p, &c.est)
		tokens, upper := learned.Input(id, p, &c.est)
		for _, name := range names {
			g := group(name)
			if !c.train {
				g.held.add(start, startUpper, c.reported)
			}
			g.before.add(start, startUpper, c.reported)
			g.after.add(tokens, upper, c.reported)
		}
		learned.Learn(id, p, &c.est, c.reported)
	}
	t.Log(table(groups))
	all := groups["all"]
	check := func(what string, got, most float64) {
		t.Helper()
		if !(got <= most) {
			t.Errorf("%s is %.1f %%, want at most %.1f %%", what, got, most)
		}
	}
	check("the median error of the held-out half", all.held.percentile(50), 12)
	check("the median error", all.before.percentile(50), 12)
	check("the median error of longer prompts after calibration", groups["all from 500 tokens"].after.percentile(50), 8)
	check("the median error after calibration", all.after.percentile(50), 9)
	check("the 99th percentile after calibration", all.after.percentile(99), all.before.percentile(99))
	check("what is over the upper bound of the held-out half", 100-all.held.covered(), 1)
	check("what is over the upper bound after calibration", 100-all.after.covered(), 1)
	if n := len(all.before.relative); n < 1000 {
		t.Errorf("only %d calls were estimated", n)
	}
}

func table(groups map[string]*outcome) string {
	var b strings.Builder
	fmt.Fprintf(&b, "relative error in %%, and the share of reports within the upper bound\n%-20s| %-29s| %-29s| %s\n", "", "before, held-out half", "before, all", "after, sequential")
	fmt.Fprintf(&b, "%-20s|%s|%s|%s\n", "provider", strings.Repeat("     n  median    99th  within ", 1), "     n  median    99th  within ", "     n  median    99th  within")
	names := slices.SortedFunc(maps.Keys(groups), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(groups[b].before.relative), len(groups[a].before.relative)), cmp.Compare(a, b))
	})
	for _, name := range names {
		g := groups[name]
		fmt.Fprintf(&b, "%-20s| %v | %v | %v\n", name, &g.held, &g.before, &g.after)
	}
	return b.String()
}
