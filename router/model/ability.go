package model

import "math"

// Ability is what benchmarks say of a model, as log odds of an answer being right on
// tasks of medium difficulty, per kind of task.
type Ability struct {
	Knowledge, Reasoning, Code, Language float64
}

// Overall is the ability of a model of which a single capability is known: a share of
// right answers, 0..1.
func Overall(capability float64) Ability {
	p := math.Min(math.Max(capability, 0.01), 0.99)
	odds := math.Log(p / (1 - p))
	return Ability{odds, odds, odds, odds}
}
