package analytics

import (
	"math"

	"github.com/generic-corp/halfpenny/llm"
)

// Savings is the answer of GET /api/analytics/savings.
type Savings struct {
	Period              Period    `json:"period"`
	SavingsUSD          llm.Money `json:"savingsUsd"`
	PotentialSavingsUSD llm.Money `json:"potentialSavingsUsd"` // what mode observe shows; no part of savings
	Holdout             *Holdout  `json:"holdout"`             // nil: nothing was held out, or nothing substituted
	Simulated           bool      `json:"simulated"`
}

// Holdout is what substitution saved, as measured against the requests that were held
// out by chance. Low and High are the bounds of the interval in which the true figure
// lies with the probability Level; unknown where there are too few requests.
type Holdout struct {
	Requests    int64         `json:"requests"` // held out
	Substituted int64         `json:"substituted"`
	SavingsUSD  llm.Money     `json:"savingsUsd"` // over all that were substituted
	Low         llm.NullMoney `json:"low"`
	High        llm.NullMoney `json:"high"`
	Level       float64       `json:"level"`
}

// Arm sums the cost of one side of a trial.
type Arm struct {
	Requests int64
	Cost     llm.Money
	Squares  float64 // sum of squares, in nano-dollars squared
}

// SavingsOf puts a period's savings together from its rollups and trials.
func SavingsOf(rollups []llm.Rollup, trials []llm.Trial, period Period, o Options) Savings {
	total := Summarise(rollups, period, o).Summary
	substituted, held := arms(trials, o)
	return Savings{
		Period: period, SavingsUSD: total.SavingsUSD, PotentialSavingsUSD: total.PotentialSavingsUSD,
		Holdout: Measure(substituted, held), Simulated: total.Simulated,
	}
}

func arms(trials []llm.Trial, o Options) (substituted, held Arm) {
	for i := range trials {
		t := &trials[i]
		if !o.counts(&llm.Rollup{Simulated: t.Simulated, Test: t.Test}) {
			continue
		}
		arm := &substituted
		if t.Held {
			arm = &held
		}
		arm.Requests, arm.Cost, arm.Squares = arm.Requests+t.Requests, capped(arm.Cost, t.Cost), arm.Squares+t.Squares
	}
	return substituted, held
}

// level is the confidence of intervals.
const level = 0.95

// Measure compares the requests that were substituted with those that were held out:
//
//	saved = (mean cost held out − mean cost substituted) · requests substituted
//
// with the interval of Welch's t (Welch 1947; degrees of freedom by Satterthwaite
// 1946). The means are of floats; amounts are rounded once, to nano-dollars. It is nil
// where one side has no requests.
func Measure(substituted, held Arm) *Holdout {
	if substituted.Requests <= 0 || held.Requests <= 0 {
		return nil
	}
	n := float64(substituted.Requests)
	saved := (held.mean() - substituted.mean()) * n
	h := &Holdout{Requests: held.Requests, Substituted: substituted.Requests, SavingsUSD: rounded(saved), Level: level}
	if substituted.Requests < 2 || held.Requests < 2 {
		return h
	}
	a, b := substituted.error(), held.error()
	margin := 0.0
	if a+b > 0 {
		freedom := (a + b) * (a + b) / (a*a/float64(substituted.Requests-1) + b*b/float64(held.Requests-1))
		margin = tQuantile(freedom) * math.Sqrt(a+b) * n
	}
	h.Low, h.High = llm.Known(rounded(saved-margin)), llm.Known(rounded(saved+margin))
	return h
}

func (a *Arm) mean() float64 { return float64(a.Cost) / float64(a.Requests) }

// error is the variance of the mean.
func (a *Arm) error() float64 {
	n := float64(a.Requests)
	variance := (a.Squares - float64(a.Cost)*a.mean()) / (n - 1)
	if variance <= 0 || a.Squares*1e-14 > math.Abs(variance)*(n-1) { // all cost the same, but for rounding
		return 0
	}
	return variance / n
}

// tTable are the 97.5 % points of Student's t for 1 to 30 degrees of freedom:
// https://www.itl.nist.gov/div898/handbook/eda/section3/eda3672.htm
var tTable = [...]float64{12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
	2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042}

// tQuantile is the 97.5 % point for a number of degrees of freedom, at least 1. Parts
// of one are left out within the table, which is on the safe side; beyond it, it is
// Cornish and Fisher's expansion (Abramowitz and Stegun 26.7.5).
func tQuantile(freedom float64) float64 {
	if freedom < float64(len(tTable)+1) {
		return tTable[max(int(freedom), 1)-1]
	}
	const z = 1.959963984540054
	return z + (z*z*z+z)/(4*freedom) + (5*z*z*z*z*z+16*z*z*z+3*z)/(96*freedom*freedom)
}

// rounded is the nearest amount in nano-dollars that there is.
func rounded(nano float64) llm.Money {
	switch {
	case nano >= math.MaxInt64:
		return math.MaxInt64
	case nano <= math.MinInt64:
		return math.MinInt64
	}
	return llm.Money(math.Round(nano))
}
