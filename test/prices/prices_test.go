package prices

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing"
)

// How many calls are drawn, and from which seed. HALFPENNY_PRICE_CASES and
// HALFPENNY_PRICE_SEED say otherwise.
const (
	cases = 2000
	seed  = 1
)

// sample is one line of cases.mjs.
type sample struct {
	Provider, Model, Entry string // Entry is the id in the list that calcPrice took the price from
	At                     time.Time
	Usage                  struct {
		Input, CacheRead, CacheWrite5m, CacheWrite1h, AudioIn, AudioCached, ImageIn, ImageCached, Video int64
		Output, Reasoning, AudioOut, ImageOut, VideoOut, Citations                                      int64
		Fees                                                                                            map[string]int64
	}
	Priced, Inexact bool
	Total           float64 // dollars
}

// TestCostsAreWhatCalcPriceSays: a cost is calcPrice's to the nano-dollar, over all
// models, classes, fees, context bands, hours and dates that it prices. calcPrice
// adds floats, so what may lie between is half a nano-dollar of our rounding and
// floatError of its own; where a price has more than nine decimals per million
// tokens, also half a femto-dollar a token.
func TestCostsAreWhatCalcPriceSays(t *testing.T) {
	catalogue := pricing.Embedded()
	var compared, unpriced int
	var worst, worstInexact float64
	entries := map[string]bool{}
	for _, s := range draw(t) {
		entries[s.Provider+"/"+s.Entry] = true
		if !s.Priced && !strings.HasSuffix(s.Entry, ":free") {
			unpriced++ // calcPrice says 0 where the list has no price; here that is unpriced, or models.dev's
			continue
		}
		for _, at := range places(&s) {
			u := s.usage()
			cost, err := charge(catalogue, at, &s, &u)
			if err != nil {
				t.Errorf("%s at %s (%s), %s: %v", at.name, at.kind, s.Entry, s.At.Format(time.RFC3339Nano), err)
				continue
			}
			compared++
			off := math.Abs(float64(cost) - s.Total*1e9)
			allowed := 0.5 + s.Total*1e9*floatError
			if s.Inexact {
				allowed += 0.5e-6 * float64(u.InputTokens()+u.OutputTokens())
				worstInexact = max(worstInexact, off)
			} else {
				worst = max(worst, off)
			}
			if off > allowed {
				t.Errorf("%s at %s (%s), %s: %d nano-dollars, calcPrice says %.3f; %+v", at.name, at.kind, s.Entry, s.At.Format(time.RFC3339Nano), cost, s.Total*1e9, s.Usage)
			}
		}
	}
	t.Logf("%d costs of %d entries at their providers compared, %d calls without a price left out; at most %.6f nano-dollars apart, %.6f where a price has more than 9 decimals",
		compared, len(entries), unpriced, worst, worstInexact)
}

// floatError is how far sums of up to some twenty floats may be from exact,
// relative to the sum: twenty roundings of 2⁻⁵³ each.
const floatError = 20.0 / (1 << 53)

// place is where a model is called: a kind of provider, and the name there.
type place struct{ kind, name string }

// places are the kinds of provider that are priced by the sample's.
func places(s *sample) []place {
	all := []place{{pricing.ListKind(s.Provider), s.Model}}
	if s.Provider == "google" && !strings.HasPrefix(s.Entry, "claude") { // Claude is on Vertex AI alone
		all = append(all, place{"gemini", s.Model})
	}
	if behind, ok := strings.CutPrefix(s.Provider, "huggingface_"); ok {
		all = append(all, place{"huggingface", s.Model + ":" + behind})
	}
	return all
}

func charge(c *pricing.Catalogue, at place, s *sample, u *llm.Usage) (llm.Money, error) {
	m := c.LookupAt(at.kind, at.name)
	if m == nil {
		return 0, fmt.Errorf("the catalogue has no such model")
	}
	h := m.Host(at.kind)
	if h == nil {
		return 0, fmt.Errorf("%s has no such host", m.ID)
	}
	if _, entry, _ := strings.Cut(h.Listed, "/"); entry != s.Entry { // of the provider, or of one that it falls back to
		return 0, fmt.Errorf("priced as %s", h.Listed)
	}
	p := h.Price(s.At, "", u.InputTokens())
	if p == nil {
		return 0, fmt.Errorf("%s has no price", m.ID)
	}
	return p.Bill(u), nil
}

func (s *sample) usage() llm.Usage {
	n := &s.Usage
	u := llm.Usage{
		Input: n.Input, CacheRead: n.CacheRead, CacheWrite5m: n.CacheWrite5m, CacheWrite1h: n.CacheWrite1h,
		AudioIn: n.AudioIn, AudioCached: n.AudioCached, ImageIn: n.ImageIn, ImageCached: n.ImageCached, Video: n.Video,
		Output: n.Output, Reasoning: n.Reasoning, AudioOut: n.AudioOut, ImageOut: n.ImageOut, VideoOut: n.VideoOut, Citations: n.Citations,
	}
	for name, count := range n.Fees {
		u.Fees = append(u.Fees, llm.Fee{Name: name, Count: count})
	}
	return u
}

// draw runs cases.mjs on the package that the catalogue was made from.
func draw(t *testing.T) []sample {
	t.Helper()
	dir := install(t)
	out := run(t, dir, "node", "cases.mjs", strconv.Itoa(setting(t, "HALFPENNY_PRICE_CASES", cases)), strconv.Itoa(setting(t, "HALFPENNY_PRICE_SEED", seed)))
	var all []sample
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var s sample
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			t.Fatalf("%v in %s", err, lines.Bytes())
		}
		all = append(all, s)
	}
	if len(all) == 0 {
		t.Fatal("no calls were drawn")
	}
	return all
}

func setting(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// install puts the package, as the lock file of the generator names it, beside the
// script. Without node, npm or the registry the test is skipped, but in CI it fails.
func install(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("installs an npm package")
	}
	dir := t.TempDir()
	for _, from := range []string{"../../pricing/prices/package.json", "../../pricing/prices/package-lock.json", "cases.mjs"} {
		content, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(from)), content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, err)
		}
	}
	c := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		missing(t, fmt.Sprintf("npm ci: %v\n%s", err, out))
	}
	return dir
}

func missing(t *testing.T, what any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

func run(t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = dir
	var log bytes.Buffer
	c.Stderr = &log
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, log.Bytes())
	}
	return out
}
