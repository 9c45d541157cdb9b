// Package model predicts how likely a model is to answer a prompt right, from the
// prompt's text alone and in microseconds. docs/routing-model.md says what it is
// made of, how it is trained and how far it can be trusted.
package model

import (
	_ "embed" // the artefact
	"math"
	"strings"
	"sync"
)

// Shape of the predictor.
const (
	Rank    = 12 // dimensions in which prompts differ
	Kinds   = 3  // of tasks that prompts are told apart by
	Width   = Rank + Kinds
	Buckets = buckets
	Stats   = stats

	KnownBits = 1 << 20 // of the filter of pairs of words that were learned from
)

// Model predicts how likely a model is to answer a prompt right. It does not change
// and is safe for concurrent use.
//
// A prompt x is a vector z(x) of Rank dimensions, which are linear in hashed words and
// pairs of words and in a few statistics. The log odds that model m answers right are
//
//	prior(m, x) + cover(x) · v(m)·z(x)
//
// where prior is m's log odds on the whole, and cover(x) falls to 0 as the prompt gets
// unlike those that were learned from. A model with outcomes of its own has its own
// prior and v; for any other, both come from its public benchmarks (Ability): the
// prior by the kinds of task that x is likely to be, and v by the line on which those
// of the models with outcomes lie.
type Model struct {
	p        *Parameters
	subjects map[string]Subject
}

// Subject is a model as the predictor knows it. Its zero value is a model of which
// nothing is known.
type Subject struct {
	prior float32
	kind  [Kinds]float32 // added to the prior where the task is of this kind
	v     [Rank]float32
}

// Prior is the chance to answer right where nothing is known of the prompt.
func (s *Subject) Prior() float64 { return sigmoid(float64(s.prior)) }

// Task is what a Model makes of one prompt. Its memory is used again; reading it
// does not allocate.
type Task struct {
	reading  reading
	z        [Rank]float32
	kind     [Kinds]float32 // probabilities
	coverage float32
}

//go:embed router.model
var artefact []byte

var embedded = sync.OnceValue(func() *Model {
	m, err := Parse(artefact)
	if err != nil {
		panic("BUG: the embedded difficulty model: " + err.Error())
	}
	return m
})

// Embedded returns the predictor that ships.
func Embedded() *Model { return embedded() }

// Subject returns the model that id names, in any usual spelling, if it is one with
// outcomes of its own.
func (m *Model) Subject(id string) (Subject, bool) {
	s, ok := m.subjects[Name(id)]
	return s, ok
}

// Name is the spelling under which a model with outcomes is known: without a maker, a
// host and marks of writing.
func Name(id string) string {
	id = strings.ToLower(id)
	if i := strings.LastIndexByte(id, '/'); i >= 0 {
		id = id[i+1:]
	}
	id, _, _ = strings.Cut(id, "@")
	id = strings.TrimPrefix(id, "meta-")
	id = strings.NewReplacer("_", ".", "-instruct", "-instruct", "-inst", "-instruct", "-hf", "").Replace(id)
	return id
}

// Capable returns a model by its ability; that of an unknown one is that of the
// average of the models with outcomes.
func (m *Model) Capable(a Ability) Subject {
	all := [Kinds]float64{a.Knowledge, a.Reasoning, a.Code}
	mean := (a.Knowledge + a.Reasoning + a.Code + a.Language) / 4
	var s Subject
	prior := float64(m.p.Line[0]) + float64(m.p.Line[1])*mean
	s.prior = float32(prior)
	for k, v := range all {
		s.kind[k] = float32(kindShare * float64(m.p.Line[1]) * (v - mean))
	}
	level := math.Min(math.Max(prior, float64(m.p.Levels[0])), float64(m.p.Levels[1]))
	for k := range s.v {
		s.v[k] = m.p.Slope[k][0] + m.p.Slope[k][1]*float32(level)
	}
	return s
}

// kindShare is how far a model's ability in one kind of task moves its prior there.
const kindShare = 0.5

// Read makes t of prompt, UTF-8 text of which a long one is sampled.
func (m *Model) Read(t *Task, prompt []byte) {
	r := &t.reading
	r.read(prompt)
	var sum [Width]int32
	for _, g := range r.grams {
		row := m.p.Grams[int(g)*Width : int(g)*Width+Width : int(g)*Width+Width]
		for k := range sum {
			sum[k] += int32(row[k])
		}
	}
	var out [Width]float32
	scale := 1 / float32(math.Sqrt(float64(max(len(r.grams), 1))))
	for k := range out {
		out[k] = m.p.Bias[k] + float32(sum[k])*m.p.Scale[k]*scale
	}
	for i, x := range r.stats {
		x = m.standard(i, x)
		for k := range out {
			out[k] += m.p.Stats[i][k] * x
		}
	}
	copy(t.z[:], out[:Rank])
	softmax(t.kind[:], out[Rank:])
	t.coverage = m.cover(r)
}

// standard is a statistic in standard deviations from its mean, within bounds.
func (m *Model) standard(i int, x float32) float32 {
	return min(max((x-m.p.Mean[i])/m.p.Deviation[i], -3), 3)
}

// cover is how much a prompt is like those that were learned from: by the share of its
// pairs of words that are among theirs.
func (m *Model) cover(r *reading) float32 {
	if len(r.pairs) == 0 {
		return 0
	}
	known := 0
	for _, p := range r.pairs {
		bit := p % KnownBits
		known += int(m.p.Known[bit/8] >> (bit % 8) & 1)
	}
	share := float32(known) / float32(len(r.pairs))
	return min(max((share-m.p.Cover[0])/(m.p.Cover[1]-m.p.Cover[0]), 0), 1)
}

func softmax(p, logits []float32) {
	top := logits[0]
	for _, v := range logits {
		top = max(top, v)
	}
	sum := float32(0)
	for i, v := range logits {
		p[i] = float32(math.Exp(float64(v - top)))
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
}

// Chance is the probability that s answers the prompt right.
func (t *Task) Chance(s *Subject) float64 {
	logit, z := s.prior, float32(0)
	for k, p := range t.kind {
		logit += p * s.kind[k]
	}
	for k, v := range t.z {
		z += v * s.v[k]
	}
	return sigmoid(float64(logit + max(t.coverage, leastCover)*z))
}

// leastCover keeps a trace of order between prompts that nothing is known of.
const leastCover = 0.02

// Coverage is how much the prompt is like what the predictor was trained on, 0..1;
// at 0 Chance is the subject's prior, but for a trace that keeps an order.
func (t *Task) Coverage() float64 { return float64(t.coverage) }
