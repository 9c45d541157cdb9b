package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"os"
	"slices"
	"strings"

	"github.com/generic-corp/halfpenny/pricing"
)

// modelsDev is the database of models.dev.
type modelsDev struct {
	Commit    string `json:"commit"` // hash, date, time, zone
	Licence   string `json:"licence"`
	Source    string `json:"source"`
	Providers map[string]struct {
		Models map[string]*entry `json:"models"`
	} `json:"providers"`
}

// entry is one model at one provider.
type entry struct {
	Released   string `json:"release_date"`
	Tools      bool   `json:"tool_call"`
	Structured bool   `json:"structured_output"`
	Reasoning  bool   `json:"reasoning"`
	Limit      struct {
		Context, Input, Output int64
	} `json:"limit"`
	Modalities struct{ Input, Output []string } `json:"modalities"`
	Cost       *cost                            `json:"cost"`
	Extra      struct {
		Modes map[string]struct {
			Cost     *cost `json:"cost"`
			Provider struct {
				Body struct {
					Tier string `json:"service_tier"`
				} `json:"body"`
			} `json:"provider"`
		} `json:"modes"`
	} `json:"experimental"`
}

// cost is a set of prices in dollars per million tokens.
type cost struct {
	Input       json.Number `json:"input"`
	Output      json.Number `json:"output"`
	Reasoning   json.Number `json:"reasoning"`
	CacheRead   json.Number `json:"cache_read"`
	CachedInput json.Number `json:"cached_input"` // as some entries call cache_read
	CacheWrite  json.Number `json:"cache_write"`
	AudioIn     json.Number `json:"input_audio"`
	AudioOut    json.Number `json:"output_audio"`
	Tiers       []struct {
		cost
		Tier struct {
			Size int64 `json:"size"`
		} `json:"tier"`
	} `json:"tiers"`
}

func readModelsDev(path string) (*modelsDev, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read models.dev: %w", err)
	}
	d := new(modelsDev)
	if err := json.Unmarshal(raw, d); err != nil {
		return nil, fmt.Errorf("cannot read models.dev: %w", err)
	}
	if len(strings.Fields(d.Commit)) < 2 {
		return nil, fmt.Errorf("cannot read models.dev: commit %q has no date", d.Commit)
	}
	return d, nil
}

func (d *modelsDev) hash() string { return d.Commit[:7] }
func (d *modelsDev) date() string { return strings.Fields(d.Commit)[1] }

// version names the price list.
func (d *modelsDev) version() string { return "models.dev " + d.date() + " " + d.hash() }

func (d *modelsDev) origin() string {
	return fmt.Sprintf("%s @%s %s (%s): models, limits, prices", d.Source, d.hash(), d.date(), d.Licence)
}

// names of our kinds at models.dev, where they differ.
var devNames = map[string]string{
	"gemini": "google", "together": "togetherai", "fireworks": "fireworks-ai", "moonshot": "moonshotai",
}

func devName(kind string) string {
	if name := devNames[kind]; name != "" {
		return name
	}
	return kind
}

func (d *modelsDev) entry(kind, name string) (*entry, error) {
	e := d.Providers[devName(kind)].Models[name]
	if e == nil || e.Cost == nil {
		return nil, fmt.Errorf("models.dev has no price for %q at %s", name, devName(kind))
	}
	return e, nil
}

// host returns the rows of the default tier, its context bands, and other service tiers.
func (d *modelsDev) host(kind, name string, e *entry) (pricing.FileHost, error) {
	h := pricing.FileHost{Kind: kind, Name: name}
	source := fmt.Sprintf("models.dev @%s %s/%s as of %s", d.hash(), devName(kind), name, d.date())
	add := func(c *cost, tier string, above int64) error {
		p := pricing.FilePrice{From: day(e.Released), Tier: tier, Above: above, Source: source}
		err := c.fill(&p, kind)
		h.Prices = append(h.Prices, p)
		return err
	}
	if err := add(e.Cost, "", 0); err != nil {
		return h, err
	}
	for i := range e.Cost.Tiers {
		if err := add(&e.Cost.Tiers[i].cost, "", e.Cost.Tiers[i].Tier.Size); err != nil {
			return h, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Extra.Modes)) {
		mode := e.Extra.Modes[name]
		if mode.Cost == nil || mode.Provider.Body.Tier == "" {
			continue
		}
		if err := add(mode.Cost, mode.Provider.Body.Tier, 0); err != nil {
			return h, err
		}
	}
	return h, nil
}

// fill writes the prices into p. Anthropic's cache of one hour costs twice the
// input, which models.dev leaves out; the source of such a row says so.
func (c *cost) fill(p *pricing.FilePrice, kind string) (err error) {
	text := func(n json.Number) string {
		s, e := decimal(n)
		if e != nil && err == nil {
			err = e
		}
		return s
	}
	p.Input, p.Output, p.Reasoning = text(c.Input), text(c.Output), text(c.Reasoning)
	p.CacheRead = text(c.CacheRead)
	if p.CacheRead == "" {
		p.CacheRead = text(c.CachedInput)
	}
	p.CacheWrite5m = text(c.CacheWrite)
	p.AudioIn, p.AudioOut = text(c.AudioIn), text(c.AudioOut)
	if kind == "anthropic" && p.CacheWrite5m != "" {
		p.CacheWrite1h = text(json.Number(twice(c.Input)))
		p.Source += "; cache write of 1 h is twice the input by platform.claude.com/docs/en/build-with-claude/prompt-caching"
	}
	return err
}

func twice(n json.Number) string {
	r, ok := new(big.Rat).SetString(n.String())
	if !ok {
		return ""
	}
	return r.Add(r, r).FloatString(9)
}

// decimal writes a price with up to 9 decimals, rounded half up: the figures of
// the source are binary floats that carry noise behind them. A price of zero is
// how the source says that it knows none.
func decimal(n json.Number) (string, error) {
	if n == "" {
		return "", nil
	}
	r, ok := new(big.Rat).SetString(n.String())
	if !ok || r.Sign() < 0 {
		return "", fmt.Errorf("%q is no price", n)
	}
	if r.Sign() == 0 {
		return "", nil
	}
	s := strings.TrimRight(r.FloatString(9), "0")
	return strings.TrimSuffix(s, "."), nil
}

// day completes a date that has no day or month.
func day(date string) string {
	switch len(date) {
	case len("2006"):
		return date + "-01-01"
	case len("2006-01"):
		return date + "-01"
	}
	return date
}
