// Package genai reads the price list genai-prices (github.com/pydantic/genai-prices,
// MIT): the document that it publishes as prices/new_data/v2/data.json and that its
// npm package carries. It reads what a price is and which names mean a model, and
// answers as the package's calcPrice does.
package genai

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
)

// Provider is one provider of the list with the models that it prices.
type Provider struct {
	ID       string   `json:"id"`
	Fallback []string `json:"fallback_model_providers"` // providers whose models are looked through after its own
	Models   []Model  `json:"models"`
}

// Model is one entry of a price list.
type Model struct {
	ID      string      `json:"id"`
	Match   Match       `json:"match"` // names that mean it
	Context json.Number `json:"context_window"`
	Prices  Prices      `json:"prices"`
}

// Prices are the prices of a model under conditions. The last one whose condition
// holds is in force, and where none does the first.
type Prices []Conditional

// Conditional is a set of prices and when it holds.
type Conditional struct {
	From  time.Time        // holds from this instant; zero: always
	Hours *Hours           // holds within these hours of the UTC day; nil: all day
	Price map[string]Price // by the list's name of a unit, such as "input_mtok"
}

// Hours is a part of the UTC day, as time since midnight: from Start until before
// End. Where End is earlier, it spans midnight.
type Hours struct{ Start, End time.Duration }

// Price is a price in dollars, which may depend on the number of input tokens.
type Price struct {
	Base  json.Number
	Tiers []Tier
}

// Tier is the price of calls with more than Start input tokens.
type Tier struct {
	Start int64       `json:"start"`
	Price json.Number `json:"price"`
}

// Parse reads the list. Fields that are not read may hold anything; a price,
// condition or match rule that is not understood is an error.
func Parse(document []byte) ([]Provider, error) {
	var list []Provider
	if err := json.Unmarshal(document, &list); err != nil {
		return nil, fmt.Errorf("cannot read the price list: %w", err)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("cannot read the price list: it holds no provider")
	}
	seen := map[string]bool{}
	for _, p := range list {
		if p.ID == "" || seen[p.ID] {
			return nil, fmt.Errorf("cannot read the price list: provider %q twice or without an id", p.ID)
		}
		seen[p.ID] = true
		for i := range p.Models {
			m := &p.Models[i]
			if m.ID == "" || seen[p.ID+"\n"+m.ID] {
				return nil, fmt.Errorf("cannot read the price list: model %q of %s twice or without an id", m.ID, p.ID)
			}
			seen[p.ID+"\n"+m.ID] = true
			if err := m.Match.Compile(); err != nil {
				return nil, fmt.Errorf("cannot read the price list: the names of %s of %s: %w", m.ID, p.ID, err)
			}
			if len(m.Prices) == 0 {
				return nil, fmt.Errorf("cannot read the price list: model %q of %s has no prices", m.ID, p.ID)
			}
		}
	}
	return list, nil
}

// ContextWindow returns the context window in tokens; 0: not stated.
func (m *Model) ContextWindow() int64 {
	n, ok := new(big.Rat).SetString(m.Context.String())
	if !ok || !n.IsInt() || !n.Num().IsInt64() || n.Sign() < 0 {
		return 0
	}
	return n.Num().Int64()
}

// UnmarshalJSON reads prices with conditions, or a plain set without.
func (p *Prices) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		var list []Conditional
		if err := json.Unmarshal(b, &list); err != nil {
			return err
		}
		*p = list
		return nil
	}
	*p = make(Prices, 1)
	return readPrices(b, &(*p)[0].Price)
}

// UnmarshalJSON reads a set of prices with its condition.
func (c *Conditional) UnmarshalJSON(b []byte) error {
	var raw struct {
		Constraint *struct {
			Type  *string `json:"type"`
			Date  *string `json:"start_date"`
			Start *string `json:"start_time"`
			End   *string `json:"end_time"`
		} `json:"constraint"`
		Prices json.RawMessage `json:"prices"`
	}
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	if err := readPrices(raw.Prices, &c.Price); err != nil {
		return err
	}
	when := raw.Constraint
	if when == nil {
		return nil
	}
	kind := ""
	if when.Type != nil {
		kind = *when.Type
	}
	switch {
	case when.Date != nil && when.Start == nil && when.End == nil && (kind == "" || kind == "start_date"):
		from, err := time.Parse(time.DateOnly, *when.Date)
		c.From = from
		return err
	case when.Date == nil && when.Start != nil && when.End != nil && (kind == "" || kind == "time_of_date"):
		start, err := timeOfDay(*when.Start)
		if err != nil {
			return err
		}
		end, err := timeOfDay(*when.End)
		c.Hours = &Hours{start, end}
		return err
	}
	return fmt.Errorf("a condition that is neither a start date nor hours of the day")
}

// timeOfDay reads a time such as 16:30:00Z or 08:30:00+08:00 as time since
// midnight, UTC.
func timeOfDay(text string) (time.Duration, error) {
	t, err := time.Parse("15:04:05Z07:00", text)
	if err != nil {
		return 0, fmt.Errorf("cannot read %q as a time of the day", text)
	}
	return sinceMidnight(t), nil
}

// Contains reports whether an instant lies within the hours.
func (h *Hours) Contains(at time.Time) bool {
	now := sinceMidnight(at)
	if h.End < h.Start {
		return now >= h.Start || now < h.End
	}
	return now >= h.Start && now < h.End
}

// String writes the hours such as 00:30-16:30.
func (h *Hours) String() string {
	clock := func(d time.Duration) string {
		return strings.TrimSuffix(time.Time{}.Add(d).Format("15:04:05.999999999"), ":00")
	}
	return clock(h.Start) + "-" + clock(h.End)
}

func sinceMidnight(at time.Time) time.Duration {
	at = at.UTC()
	hour, minute, second := at.Clock()
	return time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second + time.Duration(at.Nanosecond())
}

func readPrices(b []byte, prices *map[string]Price) error {
	if err := json.Unmarshal(b, prices); err != nil {
		return err
	}
	if *prices == nil {
		return fmt.Errorf("prices are missing")
	}
	return nil
}

// UnmarshalJSON reads a number, or a base and tiers.
func (p *Price) UnmarshalJSON(b []byte) error {
	if len(b) == 0 || b[0] != '{' {
		if err := json.Unmarshal(b, &p.Base); err != nil {
			return err
		}
		return sound(p.Base)
	}
	var raw struct {
		Base  json.Number `json:"base"`
		Tiers []Tier      `json:"tiers"`
	}
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	slices.SortFunc(raw.Tiers, func(a, b Tier) int { return cmp.Compare(a.Start, b.Start) })
	for i, tier := range raw.Tiers {
		if err := sound(tier.Price); err != nil || tier.Start < 0 || i > 0 && tier.Start == raw.Tiers[i-1].Start {
			return fmt.Errorf("a tier without a price, or two that start alike")
		}
	}
	p.Base, p.Tiers = raw.Base, raw.Tiers
	return sound(p.Base)
}

// maxPrice bounds a price in dollars for a unit, so that it fits a rate.
const maxPrice = 9000

func sound(price json.Number) error {
	if len(price) > 40 || strings.ContainsAny(price.String(), "/_xXpP") {
		return fmt.Errorf("%.40q is no price", price.String())
	}
	if at := strings.IndexAny(price.String(), "eE"); at >= 0 && len(price)-at > 4 {
		return fmt.Errorf("%q is no price", price)
	}
	r, ok := new(big.Rat).SetString(price.String())
	if !ok || r.Sign() < 0 || r.Cmp(big.NewRat(maxPrice, 1)) > 0 {
		return fmt.Errorf("%q is no price", price)
	}
	return nil
}
