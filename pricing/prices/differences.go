package main

import (
	"bytes"
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/generic-corp/halfpenny/pricing"
)

// difference is a class that the two price lists price apart by more than 1 %.
type difference struct {
	provider, model, class string
	above                  int64
	ours, dev              string // dollars per million tokens
	parent                 bool   // genai-prices states none, so ours is the parent's
	percent                *big.Rat
}

// differences writes down where genai-prices, by which calls are billed, and
// models.dev do not agree, of all the hosts that both price.
func (b *builder) differences() ([]byte, error) {
	var all []difference
	for _, m := range b.made {
		for i := range m.Hosts {
			h := &m.Hosts[i]
			e := b.facts.entry(h.Kind, h.Name)
			if h.Listed == "" || e == nil {
				continue
			}
			found, err := b.compare(h, e)
			if err != nil {
				return nil, err
			}
			if len(found) > 0 {
				b.disputed(h)
			}
			all = append(all, found...)
		}
	}
	slices.SortFunc(all, func(a, b difference) int {
		return cmp.Or(strings.Compare(a.provider, b.provider), strings.Compare(a.model, b.model), cmp.Compare(a.above, b.above), strings.Compare(a.class, b.class))
	})
	return b.table(all), nil
}

// disputed says in the rows of genai-prices that models.dev states other prices.
func (b *builder) disputed(h *pricing.FileHost) {
	for i := range h.Prices {
		if p := &h.Prices[i]; strings.HasPrefix(p.Source, b.lists.version()) {
			p.Source += "; models.dev differs"
		}
	}
}

// compare compares the rows of the default tier, band by band, as they are in
// force on the day of the newer list.
func (b *builder) compare(h *pricing.FileHost, e *entry) ([]difference, error) {
	dev, err := b.facts.prices(h.Kind, h.Name, e)
	if err != nil {
		return nil, err
	}
	var all []difference
	for i := range dev {
		ours := b.inForce(h, dev[i].Above)
		if ours == nil {
			continue
		}
		found, err := apart(ours, &dev[i])
		if err != nil {
			return nil, err
		}
		for _, d := range found {
			d.provider, d.model, d.above = h.Kind, h.Name, dev[i].Above
			all = append(all, d)
		}
	}
	return all, nil
}

// inForce returns the row of genai-prices that holds on its day, outside the hours
// that have prices of their own, for more than above input tokens.
func (b *builder) inForce(h *pricing.FileHost, above int64) (row *pricing.FilePrice) {
	for i := range h.Prices {
		p := &h.Prices[i]
		if strings.HasPrefix(p.Source, b.lists.version()) && p.Tier == "" && p.Hours == "" && p.From <= b.lists.date && p.Above <= above {
			row = p
		}
	}
	return row
}

// apart compares the classes that models.dev states.
func apart(ours, dev *pricing.FilePrice) ([]difference, error) {
	var all []difference
	theirs := classes(dev)
	for i, c := range classes(ours) {
		d := difference{class: c.name, ours: *c.text, dev: *theirs[i].text}
		if d.dev == "" {
			continue
		}
		if d.ours == "" {
			d.ours, d.parent = parent(ours, c.name), true
		}
		a, okA := new(big.Rat).SetString(cmp.Or(d.ours, "0"))
		b, okB := new(big.Rat).SetString(d.dev)
		if !okA || !okB || b.Sign() == 0 {
			return nil, fmt.Errorf("cannot compare %q with %q", d.ours, d.dev)
		}
		d.percent = a.Sub(a, b).Quo(a, b).Mul(a, big.NewRat(100, 1))
		if new(big.Rat).Abs(d.percent).Cmp(big.NewRat(1, 1)) > 0 {
			all = append(all, d)
		}
	}
	return all, nil
}

// parent is what a class without a price costs.
func parent(p *pricing.FilePrice, class string) string {
	switch class {
	case "reasoning", "audio out", "image out", "video out", "citations":
		return p.Output
	case "cache write 1 h":
		return cmp.Or(p.CacheWrite5m, p.Input)
	case "audio cached":
		return cmp.Or(p.AudioIn, p.CacheRead, p.Input)
	case "image cached":
		return cmp.Or(p.ImageIn, p.CacheRead, p.Input)
	case "input", "output":
		return ""
	}
	return p.Input
}

func (b *builder) table(all []difference) []byte {
	var out bytes.Buffer
	hosts := map[string]bool{}
	for _, d := range all {
		hosts[d.provider+"\n"+d.model] = true
	}
	fmt.Fprintf(&out, `# Where the price lists differ

Made by `+"`go generate ./pricing`"+`; do not edit. Calls are billed by %s (%s), which is the newer list and prices
more classes. Where %s states a price that is more than 1 %% away from it, it is listed here: %d prices of %d models
at their providers. Prices are US dollars per million tokens, of the default service tier, outside the hours that have prices of
their own, on %s. A price in brackets is that of the parent class: genai-prices states none for the class. Where genai-prices
states no prices at all, models.dev's are used, and the row says so.

| provider | model | input tokens above | class | genai-prices | models.dev | difference |
| --- | --- | --- | --- | --- | --- | --- |
`, b.lists.version(), b.lists.date, b.facts.version(), len(all), len(hosts), b.lists.date)
	for _, d := range all {
		ours := cmp.Or(d.ours, "0")
		if d.parent {
			ours = "(" + ours + ")"
		}
		sign := ""
		if d.percent.Sign() > 0 {
			sign = "+"
		}
		fmt.Fprintf(&out, "| %s | %s | %d | %s | %s | %s | %s%s %% |\n", d.provider, d.model, d.above, d.class, ours, d.dev, sign, d.percent.FloatString(1))
	}
	return out.Bytes()
}
