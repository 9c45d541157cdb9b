package analytics

import (
	"encoding/json"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/generic-corp/halfpenny/llm"
)

// arm sums costs in nano-dollars.
func arm(costs ...llm.Money) (a Arm) {
	for _, c := range costs {
		a.Requests, a.Cost, a.Squares = a.Requests+1, a.Cost+c, a.Squares+float64(c)*float64(c)
	}
	return a
}

// The figures were computed by hand.
func TestMeasure(t *testing.T) {
	f := func(substituted, held Arm, want string) {
		t.Helper()
		got, err := json.Marshal(Measure(substituted, held))
		if err != nil || string(got) != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
	f(Arm{}, Arm{}, "null")
	f(arm(1, 2), Arm{}, "null")
	f(Arm{}, arm(1, 2), "null")
	// One of a side has a mean, but nothing tells how it spreads.
	f(arm(1_000), arm(3_000, 5_000), `{"requests":2,"substituted":1,"savingsUsd":0.000003,"low":null,"high":null,"level":0.95}`)
	f(arm(1_000, 1_000), arm(3_000), `{"requests":1,"substituted":2,"savingsUsd":0.000004,"low":null,"high":null,"level":0.95}`)
	// Means 200 and 1000, variances 10000 and 40000, their errors 2500 and 10000; 12500² /
	// (2500²/3 + 10000²/3) = 4.41 degrees, so t = 2.776; √12500 = 111.803; 2.776 · 111.803 · 4 = 1241.47.
	f(Arm{4, 800, 4*200*200 + 3*10_000}, Arm{4, 4000, 4*1000*1000 + 3*40_000},
		`{"requests":4,"substituted":4,"savingsUsd":0.0000032,"low":0.000001959,"high":0.000004441,"level":0.95}`)
	// Means 10 and 30, both variances 4, errors 0.04 and 0.04; 198 degrees, t = 1.97202; √0.08 = 0.282843; 1.97202 · 0.282843 · 100 = 55.777.
	f(Arm{100, 1000, 100*100 + 99*4}, Arm{100, 3000, 100*900 + 99*4},
		`{"requests":100,"substituted":100,"savingsUsd":0.000002,"low":0.000001944,"high":0.000002056,"level":0.95}`)
	// All cost the same: the interval is a point. A substitute may be dearer in the end.
	f(arm(7, 7, 7), arm(5, 5), `{"requests":2,"substituted":3,"savingsUsd":-0.000000006,"low":-0.000000006,"high":-0.000000006,"level":0.95}`)
	f(arm(999_999_999, 999_999_999, 999_999_999), arm(1_999_999_999, 1_999_999_999), `{"requests":2,"substituted":3,"savingsUsd":3,"low":3,"high":3,"level":0.95}`)
	f(Arm{math.MaxInt64, 0, 0}, Arm{2, math.MaxInt64, 1e38},
		`{"requests":2,"substituted":9223372036854775807,"savingsUsd":9223372036.854775807,"low":-9223372036.854775808,"high":9223372036.854775807,"level":0.95}`)
}

// Against scipy.stats.t.ppf(0.975, ν).
func TestTQuantile(t *testing.T) {
	f := func(freedom, want float64) {
		t.Helper()
		if got := tQuantile(freedom); math.Abs(got-want) > 0.0006 {
			t.Errorf("%v degrees: got %v, want %v", freedom, got, want)
		}
	}
	f(0.5, 12.706)
	f(1, 12.706)
	f(4.99, 2.776)
	f(30.9, 2.042)
	f(31, 2.0395)
	f(40, 2.0211)
	f(100, 1.9840)
	f(1e6, 1.9600)
	last := math.Inf(1)
	for freedom := 1.0; freedom < 1000; freedom += 0.5 {
		got := tQuantile(freedom)
		if got > last {
			t.Fatalf("%v degrees: %v after %v", freedom, got, last)
		}
		last = got
	}
}

// The interval holds the true savings about as often as it says. Costs are drawn by a
// fixed generator, so that the test does the same each time.
func TestIntervalCovers(t *testing.T) {
	state := uint64(1)
	next := func() float64 { // SplitMix64, to 0..1
		state += 0x9e3779b97f4a7c15
		z := state
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		return float64((z^z>>31)>>11) / (1 << 53)
	}
	draw := func(n int, mean float64) (a Arm) { // exponential
		for range n {
			c := llm.Money(-mean * math.Log(1-next()))
			a.Requests, a.Cost, a.Squares = a.Requests+1, a.Cost+c, a.Squares+float64(c)*float64(c)
		}
		return a
	}
	const trials, substituted, held = 2000, 400, 100
	covered := 0
	for range trials {
		h := Measure(draw(substituted, 1e6), draw(held, 4e6))
		if truth := llm.Money(3e6 * substituted); h.Low.Money <= truth && truth <= h.High.Money {
			covered++
		}
	}
	if share := float64(covered) / trials; share < 0.925 || share > 0.965 {
		t.Errorf("%v of the intervals hold the truth", share)
	}
}

func TestMeasureIsOrdered(t *testing.T) {
	costs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) llm.Money { return llm.Money(rapid.Int64Range(0, 1e15).Draw(t, "cost")) }), 2, 20)
	rapid.Check(t, func(t *rapid.T) {
		a, b := arm(costs.Draw(t, "substituted")...), arm(costs.Draw(t, "held")...)
		if h := Measure(a, b); h.Low.Money > h.SavingsUSD || h.SavingsUSD > h.High.Money {
			t.Fatalf("%+v", h)
		}
	})
}

func TestSavingsOf(t *testing.T) {
	rollups := []llm.Rollup{{Requests: 5, Cost: 10, Baselined: 10, Baseline: 25, Potential: 3}, {Requests: 1, Baseline: 1000, Simulated: true}}
	trials := []llm.Trial{
		{Requests: 2, Cost: 4, Squares: 8}, {Held: true, Requests: 2, Cost: 10, Squares: 50},
		{Requests: 100, Cost: 1, Simulated: true}, {Held: true, Requests: 100, Cost: 1, Simulated: true, Test: true},
	}
	f := func(o Options, want string) {
		t.Helper()
		if got, err := json.Marshal(SavingsOf(rollups, trials, january, o)); err != nil || string(got) != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
	period := `{"period":{"end":"2026-01-31T23:59:59Z","start":"2026-01-01T00:00:00Z"},`
	f(Options{Real: true}, period+`"savingsUsd":0.000000015,"potentialSavingsUsd":0.000000003,`+
		`"holdout":{"requests":2,"substituted":2,"savingsUsd":0.000000006,"low":0.000000006,"high":0.000000006,"level":0.95},"simulated":false}`)
	trials = trials[2:]
	f(Options{Real: true}, period+`"savingsUsd":0.000000015,"potentialSavingsUsd":0.000000003,"holdout":null,"simulated":false}`)
}
