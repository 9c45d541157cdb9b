package store

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/generic-corp/halfpenny/llm"
)

// Quarter is the length of a rollup.
const Quarter = 15 * time.Minute

// rollupKey is the primary key of usage_15m.
type rollupKey struct {
	start                        int64 // microseconds since 1970
	provider, model, keyID, tags string
	simulated, test              bool
}

// sums gathers rollups by key. Neighbours mostly share one, so the last is kept at hand.
type sums struct {
	byKey   map[rollupKey]*llm.Rollup
	lastKey rollupKey
	last    *llm.Rollup
}

func (s *sums) at(k rollupKey) *llm.Rollup {
	if s.last != nil && s.lastKey == k {
		return s.last
	}
	u := s.byKey[k]
	if u == nil {
		u = &llm.Rollup{Start: time.UnixMicro(k.start).UTC(), Provider: k.provider, Model: k.model, KeyID: k.keyID, Tags: k.tags, Simulated: k.simulated, Test: k.test}
		s.byKey[k] = u
	}
	s.lastKey, s.last = k, u
	return u
}

// Rollups sums the rows by quarter of an hour. Tokens and money of an attempt
// count where the attempt went; all else counts once, where the request was served.
func (b *Batch) Rollups() []*llm.Rollup {
	s := sums{byKey: make(map[rollupKey]*llm.Rollup)}
	for i := range b.rows {
		s.count(&b.rows[i])
	}
	all := make([]*llm.Rollup, 0, len(s.byKey))
	for _, u := range s.byKey {
		all = append(all, u)
	}
	slices.SortFunc(all, compareRollups)
	return all
}

func (s *sums) count(w *Row) {
	r := w.Record
	k := rollupKey{start: quarterOf(w.At), provider: w.Provider, model: w.Model, keyID: w.KeyID, tags: w.Tags, simulated: r.Simulated, test: r.Test}
	u := s.at(k)
	u.Requests++
	u.LatencyMs = add(u.LatencyMs, w.LatencyMs)
	if r.Unknown() {
		u.Unknown++
	}
	if !w.Cost.Valid {
		u.Unpriced++
	}
	if w.Cost.Valid && r.Baseline.Valid {
		u.Baseline = add(u.Baseline, r.Baseline.Money)
		u.Baselined = add(u.Baselined, w.Cost.Money)
	}
	if r.Substitution != nil {
		u.Potential = add(u.Potential, r.Substitution.Savings)
	}
	for i := range w.Attempts {
		a := &w.Attempts[i]
		k.provider, k.model, k.simulated = a.Provider, a.Model, a.Attempt.Simulated
		countAttempt(s.at(k), a)
	}
}

func countAttempt(u *llm.Rollup, a *AttemptRow) {
	u.Attempts++
	u.Input, u.Output = add(u.Input, a.Input), add(u.Output, a.Output)
	if a.Attempt.Cost.Valid {
		u.Cost = add(u.Cost, a.Attempt.Cost.Money)
	}
}

// quarterOf returns the start of the quarter of an hour that holds t; both are
// microseconds since 1970.
func quarterOf(t int64) int64 { return startOf(t, Quarter) }

// startOf returns the start of the period of a length that holds t; both times are
// microseconds since 1970.
func startOf(t int64, length time.Duration) int64 {
	n := length.Microseconds()
	return t - ((t%n)+n)%n
}

// add stays at the end of the range rather than wrap: a provider may report
// anything, and one absurd report must not hold up the ledger.
func add[T ~int64](a, b T) T {
	switch {
	case b > 0 && a > math.MaxInt64-b:
		return math.MaxInt64
	case b < 0 && a < math.MinInt64-b:
		return math.MinInt64
	}
	return a + b
}

func compareRollups(a, b *llm.Rollup) int {
	return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Model, b.Model),
		cmp.Compare(a.KeyID, b.KeyID), cmp.Compare(a.Tags, b.Tags), truth(a.Simulated)-truth(b.Simulated), truth(a.Test)-truth(b.Test))
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}
