package storetest

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/store"
	"github.com/generic-corp/halfpenny/tenancy"
)

var endOfTime = time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC)

func experience(t *testing.T, s store.Store, slug string, usage, feedback time.Time) llm.Experience {
	t.Helper()
	e, err := s.Experience(t.Context(), slug, usage, feedback)
	ok(t, err)
	return e
}

// modelOf is the part of sums by model that has a key.
type modelOf struct {
	model           string
	simulated, test bool
}

func modelSums(t *testing.T, _ Database, s store.Store) {
	newTenant(t, s, "acme")
	want := map[modelOf]llm.ModelUsage{}
	count := func(r *llm.Record, model string, simulated bool, add func(*llm.ModelUsage)) {
		k := modelOf{model, simulated, r.Test}
		u := want[k]
		u.Model, u.Simulated, u.Test = model, simulated, r.Test
		add(&u)
		want[k] = u
	}
	rapid.Check(t, func(rt *rapid.T) {
		var batch []*llm.Record
		for i := range rapid.IntRange(0, 10).Draw(rt, "records") {
			r := drawRecord(rt, i)
			r.BaselineKind = rapid.SampledFrom([]llm.BaselineKind{llm.BaselineNone, llm.BaselineNamed, llm.BaselineHabit}).Draw(rt, "baseline kind")
			r.BaselineName = rapid.SampledFrom([]string{"m1", "m2", ""}).Draw(rt, "baseline name")
			r.Endpoint = rapid.SampledFrom([]llm.Endpoint{llm.EndpointChat, llm.EndpointEmbeddings}).Draw(rt, "endpoint")
			for n := range r.Attempts {
				r.Attempts[n].Usage.CacheRead = rapid.Int64Range(0, 1e6).Draw(rt, "cached")
				r.Attempts[n].Usage.Estimated = rapid.Bool().Draw(rt, "estimated")
				r.Attempts[n].Simulated = rapid.Bool().Draw(rt, "simulated")
			}
			batch = append(batch, r)
		}
		_, err := s.Append(t.Context(), "acme", append(batch, batch...))
		ok(t, err)
		for _, r := range batch {
			if r.BaselineKind == llm.BaselineNamed && r.BaselineName != "" {
				count(r, r.BaselineName, r.Simulated, func(u *llm.ModelUsage) { u.Named++ })
			}
			for _, a := range r.Attempts {
				if r.Endpoint != llm.EndpointChat || a.Outcome != llm.OutcomeOK || a.Usage.Estimated || a.Usage.Empty() {
					continue
				}
				count(r, a.Model, a.Simulated, func(u *llm.ModelUsage) {
					u.Calls++
					u.Input += a.Usage.Input + a.Usage.CacheRead
					u.Cached += a.Usage.CacheRead
					u.Output += a.Usage.Output
				})
			}
		}
	})
	got := map[modelOf]llm.ModelUsage{}
	for _, u := range experience(t, s, "acme", time.Unix(0, 0), endOfTime).Usage {
		got[modelOf{u.Model, u.Simulated, u.Test}] = u
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
}

func trialSums(t *testing.T, _ Database, s store.Store) {
	newTenant(t, s, "acme")
	want := map[llm.Trial]llm.Trial{} // by what is not a sum
	rapid.Check(t, func(rt *rapid.T) {
		var batch []*llm.Record
		for i := range rapid.IntRange(0, 10).Draw(rt, "records") {
			r := drawRecord(rt, i)
			r.Reason = rapid.SampledFrom([]llm.Reason{llm.ReasonSubstituted, llm.ReasonFallback, llm.ReasonCached}).Draw(rt, "reason")
			r.Considered[0].Reason = rapid.SampledFrom([]llm.Reason{llm.ReasonSubstituted, llm.ReasonHoldout, llm.ReasonNamed}).Draw(rt, "decided")
			for n := range r.Attempts { // floats add up exactly
				r.Attempts[n].Cost.Money %= 1000
			}
			batch = append(batch, r)
		}
		_, err := s.Append(t.Context(), "acme", batch)
		ok(t, err)
		for _, r := range batch {
			cost, decided := r.Cost(), r.Considered[0].Reason
			if !cost.Valid || r.Reason == llm.ReasonCached || decided == llm.ReasonNamed {
				continue
			}
			k := llm.Trial{Held: decided == llm.ReasonHoldout, Simulated: r.Simulated, Test: r.Test}
			sum, seen := want[k]
			if !seen {
				sum = k
			}
			sum.Requests, sum.Cost, sum.Squares = sum.Requests+1, sum.Cost+cost.Money, sum.Squares+float64(cost.Money*cost.Money)
			want[k] = sum
		}
	})
	all, err := s.Trials(t.Context(), "acme", time.Unix(0, 0), endOfTime)
	ok(t, err)
	got := map[llm.Trial]llm.Trial{}
	for _, trial := range all {
		got[llm.Trial{Held: trial.Held, Simulated: trial.Simulated, Test: trial.Test}] = trial
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
	none, err := s.Trials(t.Context(), "acme", quarter.Add(-24*time.Hour), quarter.Add(-12*time.Hour))
	ok(t, err)
	equal(t, "trials before", len(none), 0)
}

func newFeedback(request, key string, kind llm.FeedbackKind, score float64) llm.Feedback {
	return llm.Feedback{RequestID: request, KeyID: key, Kind: kind, Score: score, Model: "m", At: quarter}
}

func scores(e llm.Experience) string {
	var all []string
	for _, s := range e.Scores {
		all = append(all, fmt.Sprintf("%s %s %v %v: %d %g", s.Model, s.Kind, s.Simulated, s.Test, s.Count, s.Sum))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func feedbackReplaced(t *testing.T, db Database, s store.Store) {
	newTenant(t, s, "acme")
	save := func(s store.Store, rows ...llm.Feedback) {
		t.Helper()
		ok(t, s.SaveFeedback(t.Context(), "acme", rows))
	}
	save(s)
	save(s, newFeedback("r1", "k1", llm.FeedbackExplicit, 1))
	save(s, newFeedback("r1", "k1", llm.FeedbackExplicit, 0.25), newFeedback("r1", "k2", llm.FeedbackExplicit, 0.5),
		newFeedback("r1", "k1", llm.FeedbackRetry, 0), newFeedback("r1", "k2", llm.FeedbackExplicit, 0.75))
	save(db.Open(t), newFeedback("r2", "k1", llm.FeedbackExplicit, 0))
	equal(t, "scores", scores(experience(t, s, "acme", time.Unix(0, 0), time.Unix(0, 0))), "m explicit false false: 3 1, m retry false false: 1 0")
	equal(t, "rows", fmt.Sprint(db.Column(t, "acme", "SELECT request_id || ' ' || key_id || ' ' || kind || ' ' || score FROM {s}.feedback ORDER BY request_id, key_id, kind")),
		fmt.Sprint(db.Column(t, "acme", "SELECT 'r1 k1 explicit ' || CAST(0.25 AS DOUBLE PRECISION) UNION ALL SELECT 'r1 k1 retry ' || CAST(0 AS DOUBLE PRECISION) "+
			"UNION ALL SELECT 'r1 k2 explicit ' || CAST(0.75 AS DOUBLE PRECISION) UNION ALL SELECT 'r2 k1 explicit ' || CAST(0 AS DOUBLE PRECISION)")))
	moved := newFeedback("r2", "k1", llm.FeedbackExplicit, 1)
	moved.Model, moved.Simulated, moved.Test, moved.At = "n\x00", true, true, quarter.Add(time.Hour)
	save(s, moved)
	equal(t, "scores", scores(experience(t, s, "acme", time.Unix(0, 0), quarter.Add(time.Hour))), "n\uFFFD explicit true true: 1 1")
	var many []llm.Feedback
	for i := range 250 {
		many = append(many, newFeedback(fmt.Sprint("many", i), "k", llm.FeedbackSchema, 0))
	}
	save(s, many...)
	equal(t, "rows", db.Column(t, "acme", "SELECT count(*) FROM {s}.feedback")[0], "254")
	if s.SaveFeedback(t.Context(), "acme", []llm.Feedback{newFeedback("r3", "k1", llm.FeedbackExplicit, 1.5)}) == nil {
		t.Fatal("a score above 1 was kept")
	}
}

// Explicit feedback counts for longer than usage and signs do.
func experienceInTime(t *testing.T, _ Database, s store.Store) {
	newTenant(t, s, "acme")
	before := NewRecord("acme", 1)
	before.At = quarter.AddDate(0, 0, -1)
	write(t, s, "acme", before, NewRecord("acme", 2))
	at := func(f llm.Feedback, days int) llm.Feedback {
		f.At = quarter.AddDate(0, 0, days)
		return f
	}
	ok(t, s.SaveFeedback(t.Context(), "acme", []llm.Feedback{
		at(newFeedback("r1", "k", llm.FeedbackExplicit, 1), -3), at(newFeedback("r2", "k", llm.FeedbackExplicit, 1), -1),
		at(newFeedback("r1", "k", llm.FeedbackRefusal, 0), -1), at(newFeedback("r2", "k", llm.FeedbackRefusal, 0), 0),
	}))
	f := func(usage, feedback time.Time, calls int64, want string) {
		t.Helper()
		e := experience(t, s, "acme", usage, feedback)
		slices.SortFunc(e.Usage, func(a, b llm.ModelUsage) int { return cmp.Compare(b.Calls, a.Calls) })
		if calls == 0 && len(e.Usage) > 0 || calls > 0 && e.Usage[0].Calls != calls {
			t.Fatalf("usage %+v, want %d calls", e.Usage, calls)
		}
		equal(t, "scores", scores(e), want)
	}
	f(quarter.AddDate(0, 0, -1), quarter.AddDate(0, 0, -3), 2, "m explicit false false: 2 2, m refusal false false: 2 0")
	f(quarter, quarter.AddDate(0, 0, -2), 1, "m explicit false false: 1 1, m refusal false false: 1 0") // of a day, all counts
	f(quarter.AddDate(0, 0, 1), quarter.AddDate(0, 0, -3), 0, "m explicit false false: 2 2")
}

func absurdExperience(t *testing.T, db Database, s store.Store) {
	newTenant(t, s, "acme")
	for range 3 {
		for days := range 2 {
			r := NewRecord("acme", 0)
			r.At = quarter.AddDate(0, 0, days)
			r.Attempts[0].Usage = llm.Usage{Input: math.MaxInt64 / 2, Output: math.MaxInt64}
			r.Attempts[0].Cost = llm.Known(math.MaxInt64)
			r.Attempts[0].Model = strings.Repeat("é", 5000)
			write(t, s, "acme", r)
		}
	}
	e := experience(t, s, "acme", time.Unix(0, 0), endOfTime)
	slices.SortFunc(e.Usage, func(a, b llm.ModelUsage) int { return cmp.Compare(b.Calls, a.Calls) })
	equal(t, "calls", e.Usage[0].Calls, 6)
	equal(t, "output", e.Usage[0].Output, math.MaxInt64)
	trials, err := s.Trials(t.Context(), "acme", time.Unix(0, 0), endOfTime)
	ok(t, err)
	equal(t, "cost", trials[0].Cost, math.MaxInt64)
	verifyChain(t, db, s, "acme", 6)
}

func experienceApart(t *testing.T, _ Database, s store.Store) {
	newTenant(t, s, "acme")
	newTenant(t, s, "globex")
	write(t, s, "globex", NewRecord("globex", 1))
	ok(t, s.SaveFeedback(t.Context(), "globex", []llm.Feedback{newFeedback("r", "k", llm.FeedbackExplicit, 1)}))
	e := experience(t, s, "acme", time.Unix(0, 0), time.Unix(0, 0))
	equal(t, "what acme has experienced", len(e.Usage)+len(e.Scores), 0)
	trials, err := s.Trials(t.Context(), "acme", time.Unix(0, 0), endOfTime)
	ok(t, err)
	equal(t, "trials", len(trials), 0)
	for _, nobody := range []string{"nobody", `x".feedback; --`} {
		_, err = s.Experience(t.Context(), nobody, time.Unix(0, 0), time.Unix(0, 0))
		wantError(t, "experience of nobody", err, tenancy.ErrNotFound)
		_, err = s.Trials(t.Context(), nobody, time.Unix(0, 0), endOfTime)
		wantError(t, "trials of nobody", err, tenancy.ErrNotFound)
		wantError(t, "feedback to nobody", s.SaveFeedback(t.Context(), nobody, []llm.Feedback{newFeedback("r", "k", llm.FeedbackRetry, 0)}), tenancy.ErrNotFound)
	}
}
