package habits

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/generic-corp/halfpenny/llm"
)

// explicit is n explicit scores of a sum.
func explicit(model string, n int64, sum float64) llm.ModelScore {
	return llm.ModelScore{Model: model, Kind: llm.FeedbackExplicit, Count: n, Sum: sum}
}

func signs(model string, n int64) llm.ModelScore {
	return llm.ModelScore{Model: model, Kind: llm.FeedbackRetry, Count: n}
}

func calls(model string, n int64) llm.ModelUsage { return llm.ModelUsage{Model: model, Calls: n} }

func of(usage []llm.ModelUsage, scores ...llm.ModelScore) *llm.Experience {
	return &llm.Experience{Usage: usage, Scores: scores}
}

func TestUsage(t *testing.T) {
	f := func(u llm.ModelUsage, want Habit) {
		t.Helper()
		u.Model = "m"
		got, known := Learn(of([]llm.ModelUsage{u})).Of("m")
		if got != want || known != (want != Habit{}) {
			t.Errorf("%+v: got %+v, %v, want %+v", u, got, known, want)
		}
	}
	f(llm.ModelUsage{}, Habit{})
	f(llm.ModelUsage{Calls: leastCalls - 1, Input: 100, Cached: 50, Output: 1000}, Habit{})
	f(llm.ModelUsage{Calls: 20, Input: 100, Cached: 50, Output: 2009}, Habit{Output: 100, CacheShare: 0.5})
	f(llm.ModelUsage{Calls: 20, Input: 100, Cached: 200, Output: 2010}, Habit{Output: 101, CacheShare: 1})
	f(llm.ModelUsage{Calls: 20, Output: 2000}, Habit{Output: 100})
	f(llm.ModelUsage{Calls: 20, Input: math.MaxInt64, Cached: math.MaxInt64, Output: math.MaxInt64}, Habit{Output: mostOutput, CacheShare: 1})
}

func TestNamed(t *testing.T) {
	f := func(want string, named ...int64) {
		t.Helper()
		var usage []llm.ModelUsage
		for i, n := range named {
			usage = append(usage, llm.ModelUsage{Model: string(rune('a' + i)), Named: n})
		}
		if got := Learn(of(usage)).Named(); got != want {
			t.Errorf("%v: got %q, want %q", named, got, want)
		}
	}
	f("")
	f("", 0, 0)
	f("b", 1, 2)
	f("a", 2, 2, 1)
	var nobody *Tenant
	if _, known := nobody.Of("m"); known || nobody.Named() != "" {
		t.Error("a nil tenant knows something")
	}
}

// The figures were computed by hand from the formula of Learn.
func TestBias(t *testing.T) {
	f := func(e *llm.Experience, want string) {
		t.Helper()
		learned := Learn(e)
		got := ""
		for _, m := range []string{"a", "b"} {
			h, _ := learned.Of(m)
			got += fmt.Sprintf("%s %+.4f ", m, h.Bias)
		}
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(of(nil), "a +0.0000 b +0.0000 ")
	f(of(nil, explicit("a", 50, 0)), "a +0.0000 b +0.0000 ") // one model alone is compared with itself
	f(of(nil, explicit("a", 10, 5), explicit("b", 10, 5)), "a +0.0000 b +0.0000 ")
	f(of(nil, explicit("a", 4, 0), explicit("b", 4, 4)), "a +0.0000 b +0.0000 ") // too few
	// x of a: 10·0.05+0.9·6 = 5.9, of b 10·0.05+0.9·4 = 4.1; μ = 10/20; m = (5.9+5)/20 = 0.545, (4.1+5)/20 = 0.455; logit 0.545 = 0.1805.
	f(of(nil, explicit("a", 10, 6), explicit("b", 10, 4)), "a +0.1805 b -0.1805 ")
	f(of(nil, explicit("a", 100, 100), explicit("b", 100, 0)), "a +0.5000 b -0.5000 ") // ±MaxBias
	// What b has is too little for a bias of its own, but it counts in the mean:
	// x 5·0.95 = 4.75 and 2·0.05 = 0.1; μ = 4.85/7 = 0.692857; m = (4.75+6.92857)/15 = 0.778571; 1.25736 − 0.81351.
	f(of(nil, explicit("a", 5, 5), explicit("b", 2, 0)), "a +0.4438 b +0.0000 ")
	// Signs: 500 calls weigh 10. Of a's calls 1 in 10 gave a sign: x = 0.05·10+0.9·9 = 8.6, of b's none: 9.5;
	// μ = 18.1/20 = 0.905; m = (8.6+9.05)/20 = 0.8825, (9.5+9.05)/20 = 0.9275; 2.01632 and 2.54891 − 2.25406.
	f(of([]llm.ModelUsage{calls("a", 500), calls("b", 500)}, signs("a", 50)), "a -0.2377 b +0.2948 ")
	// Twice the traffic with the same share of signs is no worse.
	f(of([]llm.ModelUsage{calls("a", 5000), calls("b", 500)}, signs("a", 500), signs("b", 50)), "a +0.0000 b +0.0000 ")
	f(of([]llm.ModelUsage{calls("a", 500), calls("b", 500)}), "a +0.0000 b +0.0000 ")
	f(of(nil, signs("a", 1000), signs("b", 1)), "a +0.0000 b +0.0000 ") // of calls that nobody counted
	f(of(nil, explicit("", 100, 0), explicit("a", 10, 10)), "a +0.0000 b +0.0000 ")
}

var modelNames = []string{"a", "b", "c"}

func drawExperience(t *rapid.T) *llm.Experience {
	e := &llm.Experience{}
	for _, m := range modelNames {
		if rapid.Bool().Draw(t, "calls of "+m) {
			e.Usage = append(e.Usage, calls(m, rapid.Int64Range(0, 10_000).Draw(t, "calls")))
		}
		n := rapid.Int64Range(0, 200).Draw(t, "scores")
		e.Scores = append(e.Scores, explicit(m, n, rapid.Float64Range(0, float64(n)).Draw(t, "sum")), signs(m, rapid.Int64Range(0, 500).Draw(t, "signs")))
	}
	return e
}

func TestBiasIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		learned := Learn(drawExperience(t))
		for _, m := range modelNames {
			if h, _ := learned.Of(m); !(math.Abs(h.Bias) <= MaxBias) {
				t.Fatalf("bias of %s: %v", m, h.Bias)
			}
		}
	})
}

// A better score never makes its model worse, nor another better.
func TestBiasIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawExperience(t)
		at := rapid.IntRange(0, len(e.Scores)-1).Draw(t, "score")
		better := &llm.Experience{Usage: e.Usage, Scores: slices.Clone(e.Scores)}
		s := &better.Scores[at]
		if s.Kind == llm.FeedbackExplicit {
			s.Sum = rapid.Float64Range(s.Sum, float64(s.Count)).Draw(t, "better")
		} else {
			s.Count = rapid.Int64Range(0, s.Count).Draw(t, "fewer")
		}
		before, after := Learn(e), Learn(better)
		for _, m := range modelNames {
			was, _ := before.Of(m)
			is, _ := after.Of(m)
			const rounding = 1e-9
			if m == s.Model && is.Bias < was.Bias-rounding || m != s.Model && is.Bias > was.Bias+rounding {
				t.Fatalf("a better score of %s moved %s from %v to %v", s.Model, m, was.Bias, is.Bias)
			}
		}
	})
}

func TestNoFeedbackIsNoBias(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawExperience(t)
		e.Scores = nil
		for _, m := range modelNames {
			if h, _ := Learn(e).Of(m); math.Abs(h.Bias) > 1e-12 {
				t.Fatalf("bias of %s: %v", m, h.Bias)
			}
		}
	})
}

func TestLearnLeavesItsArgument(t *testing.T) {
	e := of([]llm.ModelUsage{calls("a", 500)}, signs("a", 50), explicit("", 1, 1))
	before := of(slices.Clone(e.Usage), slices.Clone(e.Scores)...)
	if Learn(e); !reflect.DeepEqual(e, before) {
		t.Errorf("%+v", e)
	}
}
