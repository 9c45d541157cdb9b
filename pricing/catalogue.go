// Package pricing knows what models cost and how many tokens a text has: the
// embedded catalogue with dated prices and their provenance, and the estimate
// before a call.
package pricing

import (
	"time"

	"github.com/generic-corp/halfpenny/llm"
)

// Modality is a set of kinds of content.
type Modality uint8

// The kinds of content.
const (
	Text Modality = 1 << iota
	Image
	Audio
	Video
	PDF
)

// Model is one model of the catalogue.
type Model struct {
	ID         string    // canonical, such as "gpt-5-mini"
	Owner      string    // kind of the provider that made it, such as "openai"
	Names      []string  // other names that mean it: dated snapshots, "-latest"
	Released   time.Time // day of its release; zero: unknown
	Context    int64     // tokens that prompt and output share; 0: unknown
	MaxInput   int64     // tokens of the prompt alone; 0: only Context bounds it
	MaxOutput  int64     // tokens
	Input      Modality
	Output     Modality
	Tools      bool     // tool calls
	JSONObject bool     // response_format json_object
	JSONSchema bool     // response_format json_schema
	Reasoning  bool     // thinks before it answers, and is billed for it
	Refuses    []string // request fields that the model answers with a 400, such as "temperature"
	Capability float64  // 0..1, from the evidence; 0: no evidence
	Indirect   bool     // the capability was carried over from another benchmark: good enough to be compared with, never the reason for a downgrade
	Evidence   string   // what the capability rests on: benchmark, source, date
	Hosts      []Host   // the owner's own first
}

// Host is a provider that serves a model, with its dated prices.
type Host struct {
	Kind string // kind of provider
	Name string // the model's name there
	// Context and MaxOutput are the host's own limits in tokens; 0: the model's.
	Context, MaxOutput int64
	Prices             []Price // by From, latest last; within that by tier and band
}

// Price is one dated row of a price list.
type Price struct {
	From   time.Time // in force from this instant; zero: always
	Tier   string    // service tier; empty: default
	Above  int64     // context band: applies to calls with more input tokens than this
	Rates  llm.Rates // classes without a price of their own have their parent's
	Source string    // provenance: where the row comes from
}

// Host returns the host of that kind, or nil.
func (m *Model) Host(kind string) *Host {
	for i := range m.Hosts {
		if m.Hosts[i].Kind == kind {
			return &m.Hosts[i]
		}
	}
	return nil
}

// Rates returns the unit prices in force at a time for a service tier and a
// number of input tokens. Where the price list does not know the tier, the
// default tier's apply. ok is false if no price is known.
func (h *Host) Rates(at time.Time, tier string, inputTokens int64) (rates llm.Rates, ok bool) {
	p := h.Price(at, tier, inputTokens)
	if p == nil {
		return llm.Rates{}, false
	}
	return p.Rates, true
}

// Price returns the row that Rates reads, or nil. The row is shared.
func (h *Host) Price(at time.Time, tier string, inputTokens int64) *Price {
	if p := h.row(at, tier, inputTokens); p != nil || tier == "" {
		return p
	}
	return h.row(at, "", inputTokens)
}

// row returns the latest row in force for exactly this tier, with the highest
// band that the call reaches.
func (h *Host) row(at time.Time, tier string, inputTokens int64) (best *Price) {
	for i := range h.Prices {
		p := &h.Prices[i]
		if p.Tier != tier || p.From.After(at) || p.Above > 0 && inputTokens <= p.Above {
			continue
		}
		if best == nil || p.From.After(best.From) || p.From.Equal(best.From) && p.Above > best.Above {
			best = p
		}
	}
	return best
}
