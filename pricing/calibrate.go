package pricing

import (
	"context"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/generic-corp/halfpenny/llm"
)

// Calibration corrects the estimates of prompts by what providers report. For each
// model and kind of prompt it learns, in log space, the bias of the estimate and a
// spread above it that 99 % of the reports stay within. It is safe for concurrent
// use; Input takes no lock and allocates nothing. The zero value has learned nothing.
type Calibration struct {
	models atomic.Pointer[map[string]*calibrated] // copied when a model is added
	mu     sync.Mutex                             // held to add a model
}

// calibrated is what is known of one model.
type calibrated [kindsOfPrompt]cell

// cell is what is known of one model and kind of prompt.
type cell struct {
	mu      sync.Mutex    // held to learn
	state   atomic.Uint64 // bias and spread, as float32s
	samples atomic.Int64  // stored after the state
}

// kindsOfPrompt: text of each kind, without tools and with them. What a provider
// adds for tools is what estimates are most wrong about.
const kindsOfPrompt = 2 * Kinds

func (e *Estimate) kindOfPrompt() int {
	k := int(e.Kind)
	if e.Tools.Strings > 0 {
		k += Kinds
	}
	return k
}

// kindName is the name under which a kind of prompt is stored.
func kindName(k int) string {
	if k >= Kinds {
		return Kind(k-Kinds).String() + "+tools"
	}
	return Kind(k).String()
}

const (
	// Some tokens are much of a short prompt, and say nothing of a long one. So these
	// are added to both sides of the ratios that are learned.
	biasSlack  = 16
	upperSlack = 64

	maxCalibrated = 4096         // models that are remembered
	memory        = 32           // reports that the bias is the mean of, about
	maxBias       = 2 * math.Ln2 // a factor of 4
	minSpread     = 0.02
	maxSpread     = 3 * math.Ln2
)

// Input returns the tokens of a prompt at a model of a family: the estimate as
// corrected by what has been learned, and what 99 % of such prompts stay below.
// The id is whatever the caller learns under, one for each model at each provider
// whose counts may differ.
func (c *Calibration) Input(id string, p *Profile, e *Estimate) (tokens, upper int64) {
	base := e.For(p)
	bias, spread := 0.0, p.Spread
	if m := c.model(id); m != nil {
		if known := m.cell(e.kindOfPrompt()); known != nil {
			bias, spread = known.load()
		}
	}
	tokens = corrected(base, bias, biasSlack)
	return tokens, corrected(tokens, spread, upperSlack)
}

// Learn takes the input tokens that a provider reported for a prompt that had been
// estimated, cached ones included. One report moves what is known by a bounded
// step. Prompts with parts that the request does not show teach nothing.
func (c *Calibration) Learn(id string, p *Profile, e *Estimate, reported int64) {
	if reported <= 0 || e.Unseen {
		return
	}
	m := c.model(id)
	if m == nil {
		if m = c.add(id); m == nil {
			return
		}
	}
	m[e.kindOfPrompt()].learn(e.For(p), reported, p.Spread)
}

// logRatio is reported to estimated in log space.
func logRatio(reported, estimated int64, slack float64) float64 {
	return math.Log((float64(max(0, reported)) + slack) / (float64(max(0, estimated)) + slack))
}

// corrected is the inverse of logRatio, rounded up.
func corrected(estimated int64, by, slack float64) int64 {
	return int64(max(0, math.Ceil((float64(max(0, estimated))+slack)*math.Exp(by)-slack-1e-6)))
}

func (c *Calibration) model(id string) *calibrated {
	models := c.models.Load()
	if models == nil {
		return nil
	}
	return (*models)[id]
}

// add makes room for a model; nil if there is none.
func (c *Calibration) add(id string) *calibrated {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.model(id); m != nil {
		return m
	}
	models := map[string]*calibrated{}
	if old := c.models.Load(); old != nil {
		if len(*old) >= maxCalibrated {
			return nil
		}
		models = maps.Clone(*old)
	}
	m := new(calibrated)
	models[id] = m
	c.models.Store(&models)
	return m
}

// cell returns what is known of a kind of prompt, or else of the kind of text that
// most is known of with tools alike; nil if nothing is.
func (m *calibrated) cell(kind int) *cell {
	if m[kind].samples.Load() > 0 {
		return &m[kind]
	}
	var best *cell
	most := int64(0)
	for k := kind / Kinds * Kinds; k < (kind/Kinds+1)*Kinds; k++ {
		if n := m[k].samples.Load(); n > most {
			best, most = &m[k], n
		}
	}
	return best
}

func (c *cell) load() (bias, spread float64) {
	s := c.state.Load()
	return float64(math.Float32frombits(uint32(s >> 32))), float64(math.Float32frombits(uint32(s)))
}

func (c *cell) store(bias, spread float64, samples int64) {
	c.state.Store(uint64(math.Float32bits(float32(bias)))<<32 | uint64(math.Float32bits(float32(spread))))
	c.samples.Store(samples)
}

// learn takes one report. The bias is the mean of all ratios at first, and one with
// an exponentially fading memory later; a ratio far away counts as one that is
// less far. The spread is a quantile by stochastic approximation (Robbins and Monro
// 1951): a report beyond it raises its logarithm by 0.99, one within lowers it by
// 0.01, so it rests where one in a hundred is beyond.
func (c *cell) learn(estimated, reported int64, start float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	bias, spread := c.load()
	n := c.samples.Load()
	if n == 0 {
		bias, spread = 0, start
	}
	step := -0.01
	if logRatio(reported, corrected(estimated, bias, biasSlack), upperSlack) > spread {
		step = 0.99
	}
	spread = max(minSpread, min(maxSpread, spread*math.Exp(step)))
	limit := max(0.1, 0.6/float64(n+1))
	surprise := logRatio(reported, estimated, biasSlack) - bias
	bias += max(-limit, min(limit, surprise)) / float64(min(n+1, memory))
	c.store(max(-maxBias, min(maxBias, bias)), spread, n+1)
}

// Snapshot returns what has been learned, in no order.
func (c *Calibration) Snapshot() (rows []llm.CalibrationRow) {
	models := c.models.Load()
	if models == nil {
		return nil
	}
	for id, m := range *models {
		for k := range m {
			if n := m[k].samples.Load(); n > 0 {
				bias, spread := m[k].load()
				rows = append(rows, llm.CalibrationRow{Model: id, Kind: kindName(k), Bias: bias, Spread: spread, Samples: n})
			}
		}
	}
	return rows
}

// Restore takes what was learned before, or by others, where it rests on more
// reports than what is known here. Rows that make no sense are left out.
func (c *Calibration) Restore(rows []llm.CalibrationRow) {
	for _, r := range rows {
		k := kindNamed(r.Kind)
		if k < 0 || r.Samples <= 0 || !(math.Abs(r.Bias) <= maxBias) || !(r.Spread >= 0 && r.Spread <= maxSpread) { // NaN fails too
			continue
		}
		if m := c.add(r.Model); m != nil {
			m[k].restore(r)
		}
	}
}

// kindNamed is the inverse of kindName, or -1.
func kindNamed(name string) int {
	for k := range kindsOfPrompt {
		if kindName(k) == name {
			return k
		}
	}
	return -1
}

func (c *cell) restore(r llm.CalibrationRow) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Samples > c.samples.Load() {
		c.store(r.Bias, max(minSpread, r.Spread), r.Samples)
	}
}

// CalibrationStore keeps rows between runs and shares them between replicas.
type CalibrationStore interface {
	// SaveCalibrations keeps each row unless a stored one rests on more samples.
	SaveCalibrations(ctx context.Context, rows []llm.CalibrationRow) error
	LoadCalibrations(ctx context.Context) ([]llm.CalibrationRow, error)
}

// Run saves what has been learned and takes what others have learned better: at
// once, at every interval, and a last time within grace after ctx has ended. What
// fails is told to failed, and is tried again at the next interval.
func (c *Calibration) Run(ctx context.Context, s CalibrationStore, interval, grace time.Duration, failed func(error)) {
	kept := map[string]int64{}
	exchange := func(ctx context.Context) {
		if err := c.exchange(ctx, s, kept); err != nil {
			failed(err)
		}
	}
	exchange(ctx)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			exchange(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
			defer cancel()
			exchange(last)
			return
		}
	}
}

// exchange saves the rows that have grown since they were kept, and loads all.
func (c *Calibration) exchange(ctx context.Context, s CalibrationStore, kept map[string]int64) error {
	name := func(r *llm.CalibrationRow) string { return r.Kind + " " + r.Model }
	grown := slices.DeleteFunc(c.Snapshot(), func(r llm.CalibrationRow) bool { return r.Samples <= kept[name(&r)] })
	if err := s.SaveCalibrations(ctx, grown); err != nil {
		return err
	}
	rows, err := s.LoadCalibrations(ctx)
	if err != nil {
		return err
	}
	c.Restore(rows)
	for i := range rows {
		kept[name(&rows[i])] = rows[i].Samples
	}
	return nil
}
