package pricing

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/generic-corp/halfpenny/llm"
)

// prompt is an estimate of about so many tokens at OpenAI.
func prompt(tokens int64) *Estimate { return &Estimate{Text: tokens, Messages: 1} }

func TestCalibrationLearnsTheBias(t *testing.T) {
	for _, factor := range []float64{0.5, 1, 1.35, 3} {
		var c Calibration
		for i := range 200 {
			e := prompt(int64(100 + i*37%3000))
			c.Learn("m", openAI, e, int64(factor*float64(e.For(openAI))))
		}
		want := factor * float64(prompt(2000).For(openAI))
		got, upper := c.Input("m", openAI, prompt(2000))
		if math.Abs(float64(got)/want-1) > 0.03 {
			t.Errorf("%.0f tokens are reported for such a prompt, %d expected", want, got)
		}
		if upper < got || float64(upper) > 1.5*float64(got) {
			t.Errorf("the upper bound of %d is %d", got, upper)
		}
	}
}

func TestNothingLearnedIsTheEstimate(t *testing.T) {
	var c Calibration
	e := prompt(500)
	c.Learn("other", openAI, e, 900)
	if got, upper := c.Input("m", openAI, e); got != e.For(openAI) || upper <= got {
		t.Errorf("%d and %d tokens, want %d and more", got, upper, e.For(openAI))
	}
	if c.Learn("m", openAI, e, 0); c.Snapshot()[0].Model != "other" || len(c.Snapshot()) != 1 {
		t.Errorf("a report of nothing taught %+v", c.Snapshot())
	}
	if c.Learn("m", openAI, &Estimate{Text: 5, Unseen: true}, 9000); len(c.Snapshot()) != 1 {
		t.Errorf("a prompt with unseen parts taught %+v", c.Snapshot())
	}
}

func TestKindsOfPromptAreLearnedApart(t *testing.T) {
	var c Calibration
	code := &Estimate{Kind: Code, Text: 1000}
	tools := &Estimate{Text: 1000, Tools: Definitions{Text: 40, Strings: 10}}
	for range 50 {
		c.Learn("m", openAI, prompt(1000), 1010)
		c.Learn("m", openAI, tools, 2000)
	}
	if got, _ := c.Input("m", openAI, tools); got < 1900 || got > 2100 {
		t.Errorf("with tools %d tokens", got)
	}
	if got, _ := c.Input("m", openAI, prompt(1000)); got < 1000 || got > 1030 {
		t.Errorf("without tools %d tokens", got)
	}
	if got, _ := c.Input("m", openAI, code); got < 1000 || got > 1030 {
		t.Errorf("code, of which nothing is known, has %d tokens, not those of prose", got)
	}
}

func TestOneAbsurdReportMovesLittle(t *testing.T) {
	for _, absurd := range []int64{1, math.MaxInt64 - 100} {
		var c Calibration
		for range 100 {
			c.Learn("m", openAI, prompt(1000), 1007)
		}
		before, _ := c.Input("m", openAI, prompt(1000))
		c.Learn("m", openAI, prompt(1000), absurd)
		after, _ := c.Input("m", openAI, prompt(1000))
		if off := math.Abs(float64(after)/float64(before) - 1); off > 0.01 {
			t.Errorf("a report of %d tokens moves the estimate from %d to %d", absurd, before, after)
		}
	}
}

// Whatever is reported, what is expected stays within a factor of four of the
// estimate, the bound above it, and both in range.
func TestCalibrationIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c Calibration
		p := rapid.SampledFrom(distinctProfiles()).Draw(t, "profile")
		e := &Estimate{Kind: Kind(rapid.IntRange(0, Kinds-1).Draw(t, "kind")), Text: rapid.Int64Range(0, 1<<32).Draw(t, "text"), Messages: 1}
		for _, reported := range rapid.SliceOf(rapid.Int64()).Draw(t, "reported") {
			c.Learn("m", p, e, reported)
		}
		base := float64(e.For(p))
		tokens, upper := c.Input("m", p, e)
		if got := float64(tokens); got < base/4-biasSlack || got > 4*base+4*biasSlack {
			t.Fatalf("%v tokens for %v", got, base)
		}
		if upper < tokens || float64(upper) > 8.00001*float64(tokens)+8*upperSlack { // a spread is a float32
			t.Fatalf("%d tokens, %d at most", tokens, upper)
		}
	})
}

// The more text a prompt has, the more tokens it is estimated to have, everywhere.
func TestEstimateGrowsWithEveryPart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		count := func(name string) int64 { return rapid.Int64Range(0, 100_000).Draw(t, name) }
		e := Estimate{Text: count("text"), Messages: count("messages"), Tools: Definitions{count("tools"), count("strings")}, Pages: count("pages"), Audio: count("audio")}
		more := e
		for _, part := range []*int64{&more.Text, &more.Messages, &more.Tools.Text, &more.Tools.Strings, &more.Format.Strings, &more.Pages, &more.Audio, &more.Video, &more.Images.Count, &more.Sealed} {
			*part += count("more")
		}
		for _, p := range distinctProfiles() {
			if less, n := e.For(p), more.For(p); n < less || less < 0 {
				t.Fatalf("%s: %d tokens in %+v, %d in %+v", p.Name, less, e, n, more)
			}
		}
	})
}

func TestCalibrationSurvivesARestart(t *testing.T) {
	var before, after Calibration
	for i := range int64(60) {
		before.Learn("a", claude, prompt(100+i), 300+i)
		before.Learn("b", gemini, &Estimate{Kind: CJK, Text: 90, Tools: Definitions{Strings: 3}}, 80+i)
	}
	after.Restore(before.Snapshot())
	if got, want := sorted(after.Snapshot()), sorted(before.Snapshot()); !reflect.DeepEqual(got, want) || len(want) != 2 {
		t.Errorf("restored %+v\nwant %+v", got, want)
	}
}

func sorted(rows []llm.CalibrationRow) []llm.CalibrationRow {
	slices.SortFunc(rows, func(a, b llm.CalibrationRow) int { return strings.Compare(a.Model+a.Kind, b.Model+b.Kind) })
	return rows
}

func TestRestoreTakesWhatRestsOnMoreAndLeavesNonsense(t *testing.T) {
	good := llm.CalibrationRow{Model: "m", Kind: "prose", Bias: 0.5, Spread: 0.25, Samples: 10}
	f := func(r llm.CalibrationRow, taken bool) {
		t.Helper()
		var c Calibration
		c.Restore([]llm.CalibrationRow{good, r})
		want := good
		if taken {
			want = r
		}
		if got := c.Snapshot(); len(got) != 1 || got[0] != want {
			t.Errorf("with %+v: %+v", r, got)
		}
	}
	with := func(change func(*llm.CalibrationRow)) llm.CalibrationRow {
		r := good
		r.Bias, r.Samples = -0.5, 11
		change(&r)
		return r
	}
	f(with(func(*llm.CalibrationRow) {}), true)
	f(with(func(r *llm.CalibrationRow) { r.Samples = 10 }), false)
	f(with(func(r *llm.CalibrationRow) { r.Samples = -1 }), false)
	f(with(func(r *llm.CalibrationRow) { r.Kind = "verse" }), false)
	f(with(func(r *llm.CalibrationRow) { r.Bias = math.NaN() }), false)
	f(with(func(r *llm.CalibrationRow) { r.Bias = 9 }), false)
	f(with(func(r *llm.CalibrationRow) { r.Spread = math.NaN() }), false)
	f(with(func(r *llm.CalibrationRow) { r.Spread = -1 }), false)
	f(with(func(r *llm.CalibrationRow) { r.Spread = math.Inf(1) }), false)
}

func TestModelsThatAreRememberedAreBounded(t *testing.T) {
	var c Calibration
	for i := range maxCalibrated + 10 {
		c.Learn(fmt.Sprint(i), openAI, prompt(10), 20)
	}
	if n := len(c.Snapshot()); n != maxCalibrated {
		t.Errorf("%d models are remembered", n)
	}
}

func TestCalibrationByManyAtOnce(t *testing.T) {
	var c Calibration
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 200 {
				id := fmt.Sprint(j % 20)
				c.Learn(id, openAI, prompt(1000), 1500)
				if tokens, upper := c.Input(id, openAI, prompt(1000)); upper < tokens || tokens < 1007 {
					t.Errorf("%d tokens, %d at most", tokens, upper)
				}
				if i == 0 {
					c.Restore(c.Snapshot())
				}
			}
		})
	}
	wg.Wait()
	var samples int64
	for _, r := range c.Snapshot() {
		samples += r.Samples
	}
	if samples != 8*200 {
		t.Errorf("%d of 1600 reports were counted", samples)
	}
}

func TestCalibrationAllocatesNothing(t *testing.T) {
	var c Calibration
	e := prompt(100)
	c.Learn("m", openAI, e, 150)
	if n := testing.AllocsPerRun(100, func() { c.Learn("m", openAI, e, 150); c.Input("m", openAI, e) }); n > 0 {
		t.Errorf("a report and an estimate allocate %v times", n)
	}
}

// shelf is a store in memory.
type shelf struct {
	mu    sync.Mutex
	saves int
	rows  []llm.CalibrationRow
	err   error
}

func (s *shelf) SaveCalibrations(ctx context.Context, rows []llm.CalibrationRow) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saves++
	s.rows = append(s.rows, rows...)
	return errors.Join(s.err, ctx.Err())
}

func (s *shelf) LoadCalibrations(context.Context) ([]llm.CalibrationRow, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows, s.err
}

func TestRunExchangesAtStartAndEnd(t *testing.T) {
	row := llm.CalibrationRow{Model: "m", Kind: "code", Bias: 0.5, Spread: 0.25, Samples: 9}
	s := &shelf{rows: []llm.CalibrationRow{row}}
	var c Calibration
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Run(ctx, s, time.Hour, time.Second, func(err error) { t.Error(err) })
	}()
	for range 1000 {
		if len(c.Snapshot()) == 1 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	c.Learn("n", openAI, prompt(10), 20)
	stop()
	<-done
	// What was loaded has not grown, so it is not saved again.
	if s.saves != 2 || len(s.rows) != 2 || s.rows[1].Model != "n" {
		t.Errorf("%d saves: %+v", s.saves, s.rows)
	}
}

func TestRunReportsFailuresAndGoesOn(t *testing.T) {
	s := &shelf{err: errors.New("no database")}
	var c Calibration
	failures := 0
	ctx, stop := context.WithCancel(t.Context())
	c.Run(ctx, s, time.Millisecond, time.Second, func(error) {
		if failures++; failures == 3 {
			stop()
		}
	})
	if failures < 4 {
		t.Errorf("%d failures were told, want one at the end too", failures)
	}
}

func BenchmarkCalibration(b *testing.B) {
	var c Calibration
	for i := range 1000 {
		c.Learn(fmt.Sprint(i), claude, prompt(100), 150)
	}
	e := &Estimate{Text: 1000, Messages: 3, Tools: Definitions{200, 40}}
	b.Run("input", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.Input("500", claude, e)
		}
	})
	b.Run("learn", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.Learn("500", claude, e, 1500)
		}
	})
	b.Run("for", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			e.For(claude)
		}
	})
}
