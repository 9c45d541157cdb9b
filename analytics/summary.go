package analytics

import (
	"cmp"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/generic-corp/halfpenny/llm"
)

// CostSummary is the answer of GET /api/analytics/cost-summary.
type CostSummary struct {
	Period     Period          `json:"period"`
	Summary    Totals          `json:"summary"`
	ByProvider []ProviderTotal `json:"byProvider"`
	ByModel    []ModelTotal    `json:"byModel"`
	ByKey      []KeyTotal      `json:"byKey"`
	ByTag      []TagTotal      `json:"byTag"`
}

// Totals sum all of a period. Requests without a baseline are in the cost but in
// neither baseline nor savings, so savings can differ from baseline less cost.
type Totals struct {
	TotalRequests       int64     `json:"totalRequests"`
	TotalAttempts       int64     `json:"totalAttempts"`
	ActualCostUSD       llm.Money `json:"actualCostUsd"`
	BaselineCostUSD     llm.Money `json:"baselineCostUsd"`
	SavingsUSD          llm.Money `json:"savingsUsd"`
	SavingsPercent      Tenths    `json:"savingsPercent"`      // of the baseline; 0 where that is 0
	PotentialSavingsUSD llm.Money `json:"potentialSavingsUsd"` // what mode observe shows; no part of savings
	UnpricedRequests    int64     `json:"unpricedRequests"`    // without a known cost
	UnknownRequests     int64     `json:"unknownRequests"`     // with an attempt of unknown outcome
	InputTokens         int64     `json:"inputTokens"`
	OutputTokens        int64     `json:"outputTokens"`
	Simulated           bool      `json:"simulated"` // none of this will be billed, or not all of it
}

// Line is what every breakdown says of its part. Requests count where they were
// served, attempts and their money where they went.
type Line struct {
	Requests     int64     `json:"requests"`
	Attempts     int64     `json:"attempts"`
	InputTokens  int64     `json:"inputTokens"`
	OutputTokens int64     `json:"outputTokens"`
	CostUSD      llm.Money `json:"costUsd"`
	BaselineUSD  llm.Money `json:"baselineUsd"`
	SavingsUSD   llm.Money `json:"savingsUsd"`
	AvgLatencyMs int64     `json:"avgLatencyMs"`
}

// ProviderTotal is the part of one provider account.
type ProviderTotal struct {
	Provider string `json:"provider"`
	Line
}

// ModelTotal is the part of one model, at whatever provider.
type ModelTotal struct {
	Model string `json:"model"`
	Line
}

// KeyTotal is the part of one API key.
type KeyTotal struct {
	KeyID string `json:"keyId"`
	Line
}

// TagTotal is the part of one tag, written key=value. A request with several tags
// counts under each, so these parts may sum to more than the whole.
type TagTotal struct {
	Tag string `json:"tag"`
	Line
}

// Options say which records count.
type Options struct {
	Real bool // a real provider is configured: simulated records are left out
	Test bool // ?test=true: records of test keys are let in, simulated as they are
}

// Summarise sums the rollups of a period. It does not look at their times.
func Summarise(rollups []llm.Rollup, period Period, o Options) CostSummary {
	var total sum
	providers, models, keys, tags := parts{}, parts{}, parts{}, parts{}
	counted := false
	for i := range rollups {
		r := &rollups[i]
		if !o.counts(r) {
			continue
		}
		counted = true
		total.add(r)
		providers.at(r.Provider).add(r)
		models.at(r.Model).add(r)
		keys.at(r.KeyID).add(r)
		for tag := range strings.SplitSeq(r.Tags, ",") {
			if tag != "" {
				tags.at(tag).add(r)
			}
		}
	}
	summary := total.totals()
	summary.Simulated = total.simulated || !counted && !o.Real
	return CostSummary{
		Period: period, Summary: summary,
		ByProvider: lines(providers, func(name string, l Line) ProviderTotal { return ProviderTotal{name, l} }),
		ByModel:    lines(models, func(name string, l Line) ModelTotal { return ModelTotal{name, l} }),
		ByKey:      lines(keys, func(name string, l Line) KeyTotal { return KeyTotal{name, l} }),
		ByTag:      lines(tags, func(name string, l Line) TagTotal { return TagTotal{name, l} }),
	}
}

// counts: test keys reach only the simulation, so what they did is asked for or
// not, whether or not it was simulated.
func (o Options) counts(r *llm.Rollup) bool {
	if r.Test {
		return o.Test
	}
	return !r.Simulated || !o.Real
}

type sum struct {
	llm.Rollup
	simulated bool
}

func (s *sum) add(r *llm.Rollup) {
	s.Requests += r.Requests
	s.Attempts += r.Attempts
	s.Unpriced += r.Unpriced
	s.Unknown += r.Unknown
	s.Input = capped(s.Input, r.Input)
	s.Output = capped(s.Output, r.Output)
	s.Cost = capped(s.Cost, r.Cost)
	s.Baselined = capped(s.Baselined, r.Baselined)
	s.Baseline = capped(s.Baseline, r.Baseline)
	s.Potential = capped(s.Potential, r.Potential)
	s.LatencyMs += r.LatencyMs
	s.simulated = s.simulated || r.Simulated
}

// capped stays at the end of the range rather than wrap to the other sign.
func capped[T ~int64](a, b T) T {
	switch {
	case b > 0 && a > math.MaxInt64-b:
		return math.MaxInt64
	case b < 0 && a < math.MinInt64-b:
		return math.MinInt64
	}
	return a + b
}

func (s *sum) savings() llm.Money { return capped(s.Baseline, -s.Baselined) }

func (s *sum) totals() Totals {
	return Totals{
		TotalRequests: s.Requests, TotalAttempts: s.Attempts, ActualCostUSD: s.Cost, BaselineCostUSD: s.Baseline, SavingsUSD: s.savings(),
		SavingsPercent: Percent(s.savings(), s.Baseline), PotentialSavingsUSD: s.Potential, UnpricedRequests: s.Unpriced, UnknownRequests: s.Unknown,
		InputTokens: s.Input, OutputTokens: s.Output,
	}
}

func (s *sum) line() Line {
	return Line{
		Requests: s.Requests, Attempts: s.Attempts, InputTokens: s.Input, OutputTokens: s.Output, CostUSD: s.Cost, BaselineUSD: s.Baseline,
		SavingsUSD: s.savings(), AvgLatencyMs: average(s.LatencyMs, s.Requests),
	}
}

func average(total, n int64) int64 {
	if n <= 0 {
		return 0
	}
	return (total + n/2) / n
}

type parts map[string]*sum

func (p parts) at(name string) *sum {
	s := p[name]
	if s == nil {
		s = &sum{}
		p[name] = s
	}
	return s
}

// lines lists the parts, the dearest first.
func lines[T any](p parts, named func(string, Line) T) []T {
	type part struct {
		name string
		line Line
	}
	all := make([]part, 0, len(p))
	for name, s := range p {
		all = append(all, part{name, s.line()})
	}
	slices.SortFunc(all, func(a, b part) int {
		return cmp.Or(cmp.Compare(b.line.CostUSD, a.line.CostUSD), cmp.Compare(b.line.Requests, a.line.Requests), cmp.Compare(a.name, b.name))
	})
	list := make([]T, len(all))
	for i, x := range all {
		list[i] = named(x.name, x.line)
	}
	return list
}

// Tenths is a number with one decimal, in tenths.
type Tenths int64

// MarshalJSON writes the number with its decimal unless that is zero.
func (t Tenths) MarshalJSON() ([]byte, error) {
	var b []byte
	u := uint64(t)
	if t < 0 {
		b, u = append(b, '-'), -u
	}
	b = strconv.AppendUint(b, u/10, 10)
	if u%10 != 0 {
		b = append(b, '.', byte('0'+u%10))
	}
	return b, nil
}

// Percent returns part as a percentage of whole, rounded half away from zero to
// one decimal; 0 where whole is 0.
func Percent(part, whole llm.Money) Tenths {
	if whole == 0 {
		return 0
	}
	w := new(big.Int).Abs(big.NewInt(int64(whole)))
	n := new(big.Int).Abs(big.NewInt(int64(part)))
	n.Mul(n, big.NewInt(2000)).Add(n, w)
	n.Quo(n, w.Lsh(w, 1))
	tenths := Tenths(math.MaxInt64)
	if n.IsInt64() {
		tenths = Tenths(n.Int64())
	}
	if (part < 0) != (whole < 0) {
		return -tenths
	}
	return tenths
}
