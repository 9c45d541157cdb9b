// Package habits is what a tenant's own traffic has taught the router: how much each
// model writes for it, how much of its prompts providers read from their caches, and
// how content it is with the answers. Nothing that one tenant does changes what is
// known for another, or what the models that all tenants share predict.
package habits

import (
	"math"

	"github.com/generic-corp/halfpenny/llm"
)

// Habit is what is known of one model.
type Habit struct {
	Output     int64   // tokens that a call usually writes (mean; costs are linear); 0: too few calls
	CacheShare float64 // share of the prompt's tokens that the provider read from its cache, 0..1
	Bias       float64 // added to the log odds of the model's chance; within ±MaxBias
}

// MaxBias bounds what feedback changes, in log odds. From a chance of 0.9 it leads to
// 0.85 or 0.94.
const MaxBias = 0.5

// How much it takes to learn, and how fast.
const (
	mostOutput  = 1 << 40 // tokens of a call, whatever a provider reports
	leastCalls  = 20      // below, neither the output nor the cache of a model is known
	leastScores = 5.0     // effective observations below which a model has no bias
	pull        = 10.0    // observations of the tenant's own mean that each model's are mixed with
	signWeight  = 0.02    // of a call by which signs could have come, in explicit scores
	mostOfSigns = 10.0    // effective observations of signs at most, however many calls there were
	squeeze     = 0.05    // scores lie this far within 0..1, so that no log odds are infinite
)

// Tenant is what one tenant's traffic has taught. It does not change. A nil Tenant
// knows nothing.
type Tenant struct {
	models map[string]Habit
	named  string
}

// Of returns the habit of a model, by its id in records; false: nothing is known.
func (t *Tenant) Of(model string) (Habit, bool) {
	if t == nil {
		return Habit{}, false
	}
	h, ok := t.models[model]
	return h, ok
}

// Named returns the model that the tenant named most; empty: it has named none.
func (t *Tenant) Named() string {
	if t == nil {
		return ""
	}
	return t.named
}

// Learn returns what the experience of one tenant teaches.
//
// A model's bias compares the tenant's scores of it with the tenant's scores of all
// models, so a strict tenant does not distrust all of them:
//
//	x = 0.05 + 0.9 · score
//	μ = Σ w·x / Σ w                              over all models
//	m = (Σ w·x + 10·μ) / (Σ w + 10)              over the scores of one model
//	bias = logit m − logit μ, at most ±MaxBias;  0 where Σ w of the model is below 5
//
// An explicit score has the weight 1. Signs (retry, schema, refusal) are all bad, so
// they count as a share: a model's calls together weigh 0.02 each, 10 at most, and
// their score is the share of them that gave no sign. The bias never falls when a
// score of its model rises, nor rises when one of another model does.
func Learn(e *llm.Experience) *Tenant {
	models := gather(e)
	t := &Tenant{models: make(map[string]Habit, len(models)), named: mostNamed(models)}
	var weight, sum float64
	for _, m := range models {
		w, s := m.scores()
		weight, sum = weight+w, sum+s
	}
	for id, m := range models {
		h := m.usage()
		if w, s := m.scores(); w >= leastScores {
			h.Bias = bias(w, s, sum/weight)
		}
		if h != (Habit{}) {
			t.models[id] = h
		}
	}
	return t
}

// observed is what was seen of one model.
type observed struct {
	named, calls          float64
	input, cached, output float64 // tokens
	explicit, score       float64 // how many, and their sum
	signs                 float64
}

func gather(e *llm.Experience) map[string]*observed {
	models := make(map[string]*observed, len(e.Usage))
	of := func(id string) *observed {
		m := models[id]
		if m == nil {
			m = &observed{}
			models[id] = m
		}
		return m
	}
	for i := range e.Usage {
		u := &e.Usage[i]
		m := of(u.Model)
		m.named += float64(u.Named)
		m.calls += float64(u.Calls)
		m.input += float64(u.Input)
		m.cached += float64(u.Cached)
		m.output += float64(u.Output)
	}
	for i := range e.Scores {
		s := &e.Scores[i]
		m := of(s.Model)
		if s.Kind == llm.FeedbackExplicit {
			m.explicit += float64(s.Count)
			m.score += s.Sum
		} else {
			m.signs += float64(s.Count)
		}
	}
	delete(models, "") // feedback on a request that no model answered
	return models
}

// usage is what calls have taught.
func (m *observed) usage() (h Habit) {
	if m.calls < leastCalls {
		return h
	}
	h.Output = int64(min(math.Round(m.output/m.calls), mostOutput))
	if m.input > 0 {
		h.CacheShare = min(max(m.cached/m.input, 0), 1)
	}
	return h
}

// scores returns the effective number of observations of a model, and the sum of
// their squeezed scores.
func (m *observed) scores() (weight, sum float64) {
	weight, sum = m.explicit, squeezed(m.explicit, m.score)
	if m.calls > 0 {
		w := min(signWeight*m.calls, mostOfSigns)
		weight += w
		sum += squeezed(w, w*(1-min(m.signs/m.calls, 1)))
	}
	return weight, sum
}

// squeezed turns a sum of n scores into a sum of scores that are neither 0 nor 1.
func squeezed(n, sum float64) float64 { return squeeze*n + (1-2*squeeze)*min(max(sum, 0), n) }

// bias compares weight scores of a sum with the tenant's mean.
func bias(weight, sum, mean float64) float64 {
	own := (sum + pull*mean) / (weight + pull)
	return min(max(logit(own)-logit(mean), -MaxBias), MaxBias)
}

func logit(p float64) float64 { return math.Log(p / (1 - p)) }

// mostNamed returns the model that was named most; of several, the first by name.
func mostNamed(models map[string]*observed) (best string) {
	most := 0.0
	for id, m := range models {
		if m.named > most || m.named == most && most > 0 && id < best {
			best, most = id, m.named
		}
	}
	return best
}
