package pricing

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/generic-corp/halfpenny/llm"
)

// Diff is one thing that an update changes.
type Diff struct {
	Change string    // price, new (the list has an entry more), vanished (it has one less; its last price stays)
	Kind   string    // kind of provider
	Name   string    // the model's name there
	Model  string    // id in the catalogue
	Class  string    // class of tokens, or name of a fee; empty: not about a price
	Above  int64     // context band
	From   time.Time // instant from which it is so
	Old    string    // dollars per million tokens, or of a fee each; empty: none
	New    string    // the same
	Source string    // where the new price comes from
}

// String writes the change as one line.
func (d Diff) String() string {
	what := d.Kind + " " + d.Name
	if d.Model != d.Name {
		what += " (" + d.Model + ")"
	}
	if d.Class == "" {
		return what + ": " + d.Change
	}
	if d.Above > 0 {
		what += fmt.Sprintf(" above %d", d.Above)
	}
	none := func(price string) string {
		if price == "" {
			return "none"
		}
		return "$" + price
	}
	return fmt.Sprintf("%s: %s %s → %s from %s [%s]", what, d.Class, none(d.Old), none(d.New), d.From.UTC().Format(time.RFC3339), d.Source)
}

// changes compares what two hosts charge from an instant on: whenever a row of
// either begins or ends, in every context band.
func changes(old, next *Host, model string, from time.Time) []Diff {
	var diffs []Diff
	seen := map[string]bool{}
	for _, at := range instants(from, old.Prices, next.Prices) {
		for _, above := range aboves(old.Prices, next.Prices) {
			p, q := old.Price(at, "", above+1), next.Price(at, "", above+1)
			for _, d := range p.apart(q) {
				key := fmt.Sprint(d.Class, above, d.Old, d.New)
				if seen[key] {
					continue
				}
				seen[key] = true
				d.Change, d.Kind, d.Name, d.Model, d.Above, d.From = "price", next.Kind, next.Name, model, above, at
				diffs = append(diffs, d)
			}
		}
	}
	return diffs
}

// instants are those at which a price may change, from one on, in their order.
func instants(from time.Time, lists ...[]Price) []time.Time {
	days := []time.Time{from}
	var hours []Hours
	for _, p := range slices.Concat(lists...) {
		if p.From.After(from) {
			days = append(days, p.From)
		}
		if p.Hours != nil {
			hours = append(hours, *p.Hours)
		}
	}
	all := slices.Clone(days)
	for _, day := range days {
		midnight := day.UTC().Truncate(24 * time.Hour)
		for _, h := range hours {
			for _, at := range []time.Time{midnight.Add(h.Start), midnight.Add(h.End)} {
				if at.Before(day) {
					at = at.Add(24 * time.Hour)
				}
				all = append(all, at)
			}
		}
	}
	slices.SortFunc(all, time.Time.Compare)
	return slices.CompactFunc(all, time.Time.Equal)
}

func aboves(lists ...[]Price) []int64 {
	all := []int64{0}
	for _, p := range slices.Concat(lists...) {
		all = append(all, p.Above)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// rateNames are the classes in the order of llm.Rates.All.
var rateNames = [...]string{"input", "output", "cache read", "cache write 5 m", "cache write 1 h", "reasoning", "audio in", "audio out",
	"audio cached", "image in", "image out", "image cached", "video in", "video out", "citations"}

// apart lists the classes and fees that two rows, which may be nil, price
// differently. A class that follows its parent in both is not named beside it.
func (p *Price) apart(q *Price) []Diff {
	var diffs []Diff
	source := ""
	if q != nil {
		source = q.Source
	}
	old, next := p.texts(), q.texts()
	for i, name := range rateNames {
		parent := parentOf(name)
		follows := i > 1 && old[name] == old[parent] && next[name] == next[parent]
		if old[name] != next[name] && !follows {
			diffs = append(diffs, Diff{Class: name, Old: old[name], New: next[name], Source: source})
		}
	}
	fees := map[string]bool{}
	for _, row := range []*Price{p, q} {
		if row != nil {
			for _, f := range row.Fees {
				fees[f.Name] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fees)) {
		if old[name] != next[name] {
			diffs = append(diffs, Diff{Class: name, Old: old[name], New: next[name], Source: source})
		}
	}
	return diffs
}

// parentOf is input or output.
func parentOf(class string) string {
	if strings.HasSuffix(class, " out") || class == "reasoning" || class == "citations" {
		return rateNames[1]
	}
	return rateNames[0]
}

// texts writes the prices of a row by class and fee.
func (p *Price) texts() map[string]string {
	texts := map[string]string{}
	if p == nil {
		return texts
	}
	rates := p.Rates
	for i, rate := range rates.All() {
		texts[rateNames[i]] = decimalText(int64(*rate), 9)
	}
	for _, f := range p.Fees {
		texts[f.Name] = decimalText(int64(f.Rate), 15)
		if f.Per > 1 {
			texts[f.Name] += " per " + strconv.FormatInt(f.Per, 10)
		}
	}
	return texts
}

// PriceText writes what a row charges: dollars per million tokens of each class
// that does not follow its parent, and the fees in dollars each.
func PriceText(p *Price) string {
	texts := p.texts()
	words := make([]string, 0, len(texts))
	for i, name := range rateNames {
		cached := strings.HasSuffix(name, " cached") && texts[name] == texts["cache read"]
		if i < 2 || texts[name] != texts[parentOf(name)] && !cached {
			words = append(words, name+" "+texts[name])
		}
	}
	for _, f := range p.Fees {
		words = append(words, f.Name+" "+texts[f.Name])
	}
	return strings.Join(words, ", ")
}

// RateDecimal writes a rate in dollars per million tokens, exactly.
func RateDecimal(rate llm.Rate) string { return decimalText(int64(rate), 9) }

func decimalText(n int64, decimals int) string {
	text := fmt.Sprintf("%0*d", decimals+1, n)
	whole, fraction := text[:len(text)-decimals], strings.TrimRight(text[len(text)-decimals:], "0")
	if fraction == "" {
		return whole
	}
	return whole + "." + fraction
}
