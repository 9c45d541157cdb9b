package main

import (
	"cmp"
	"encoding/json"
	"errors"
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
	Commit    string            `json:"commit"` // hash, date, time, zone
	Licence   string            `json:"licence"`
	Source    string            `json:"source"`
	Models    map[string]*entry `json:"models"` // by owner and name
	folded    map[string]*entry
	Providers map[string]struct {
		Models map[string]*entry `json:"models"`
	} `json:"providers"`
}

// entry is one model at one provider.
type entry struct {
	Base       string `json:"base_model"` // key of modelsDev.Models
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
					Tier  string `json:"service_tier"`
					Speed string `json:"speed"`
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
	return fmt.Sprintf("%s @%s %s (%s): abilities, limits, and the prices that genai-prices does not state", d.Source, d.hash(), d.date(), d.Licence)
}

// names of our kinds at models.dev, where they differ.
var devNames = map[string]string{
	"gemini": "google", "together": "togetherai", "fireworks": "fireworks-ai", "moonshot": "moonshotai",
	"bedrock": "amazon-bedrock", "novita": "novita-ai", "cloudflare": "cloudflare-workers-ai", "vertex": "google-vertex",
}

func devName(kind string) string {
	if name := devNames[kind]; name != "" {
		return name
	}
	return kind
}

// entry returns what is said of a model at a provider, or nil.
func (d *modelsDev) entry(kind, name string) *entry {
	return d.Providers[devName(kind)].Models[name]
}

// prices returns the rows of the default tier with its context bands; none where
// no price is stated.
func (d *modelsDev) prices(kind, name string, e *entry) ([]pricing.FilePrice, error) {
	if e == nil || e.Cost == nil || e.Cost.free() {
		return nil, nil
	}
	base, err := d.row(kind, name, e, e.Cost, "", 0)
	rows := []pricing.FilePrice{base}
	for i := range e.Cost.Tiers {
		row, e := d.row(kind, name, e, &e.Cost.Tiers[i].cost, "", e.Cost.Tiers[i].Tier.Size)
		rows, err = append(rows, row), errors.Join(err, e)
	}
	return rows, err
}

// modes returns the rows of other service tiers: what a reply calls them, or the
// speed that a request asks for.
func (d *modelsDev) modes(kind, name string, e *entry) ([]pricing.FilePrice, error) {
	if e == nil {
		return nil, nil
	}
	var rows []pricing.FilePrice
	for _, mode := range slices.Sorted(maps.Keys(e.Extra.Modes)) {
		m := e.Extra.Modes[mode]
		tier := cmp.Or(m.Provider.Body.Tier, m.Provider.Body.Speed)
		if m.Cost == nil || m.Cost.free() || tier == "" {
			continue
		}
		row, err := d.row(kind, name, e, m.Cost, tier, 0)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func (d *modelsDev) row(kind, name string, e *entry, c *cost, tier string, above int64) (pricing.FilePrice, error) {
	p := pricing.FilePrice{From: day(e.Released), Tier: tier, Above: above, List: d.version(),
		Source: fmt.Sprintf("%s %s/%s", d.version(), devName(kind), name)}
	return p, c.fill(&p, kind)
}

// free reports whether no price is known, which the source writes as zero.
func (c *cost) free() bool {
	input, err1 := decimal(c.Input)
	output, err2 := decimal(c.Output)
	return input == "" && output == "" && err1 == nil && err2 == nil
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

// decimal writes a price as pricing.RateText does. A price of zero is how
// models.dev says that it knows none.
func decimal(n json.Number) (string, error) {
	if n == "" {
		return "", nil
	}
	text, err := pricing.RateText(n)
	if text == "0" {
		return "", err
	}
	return text, err
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
