// Package pricing knows what models cost and how many tokens a text has: the
// embedded catalogue with dated prices and their provenance, and the estimate
// before a call.
package pricing

import (
	"time"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing/genai"
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
	Chat       bool     // answers a conversation with text; false for embeddings, reranking, speech, pictures and what is not known to
	Use        string   // what it is for where Chat is false, such as "embedding"; "unknown": nothing says
	Unverified bool     // no source says what it takes and can do: not to be chosen unless it was named
	Refuses    []string // request fields that the model answers with a 400, such as "temperature"
	Capability float64  // 0..1, from the evidence; 0: no evidence
	Indirect   bool     // the capability was carried over from another benchmark: good enough to be compared with, never the reason for a downgrade
	Evidence   string   // what the capability rests on: benchmark, source, date
	Source     string   // provenance of limits, modalities and abilities
	Hosts      []Host   // the owner's own first
}

// Host is a provider that serves a model, with its dated prices.
type Host struct {
	Kind string // kind of provider
	Name string // the model's name there
	// Context and MaxOutput are the host's own limits in tokens; 0: the model's.
	Context, MaxOutput int64
	Listed             string // the entry of the price list that it is priced by, such as "openai/gpt-5"; empty: none
	// Prices are in the order of the price list. Of those that apply to a call the
	// last one is in force.
	Prices []Price
}

// Price is one dated row of a price list.
type Price struct {
	From   time.Time     // in force from this instant; zero: always
	Hours  *Hours        // in force within these hours of the UTC day; nil: all day
	Tier   string        // service tier; empty: default
	Above  int64         // context band: applies to calls with more input tokens than this
	Rates  llm.Rates     // classes without a price of their own have their parent's
	Fees   []llm.FeeRate // what is charged per call
	Source string        // provenance: where the row comes from
}

// Hours is a part of the UTC day, as time since midnight.
type Hours = genai.Hours

// kindVertex is the kind of Google's other platform. It serves what the Gemini API
// does, at the same prices, and models of others besides.
const kindVertex, kindGemini = "vertex", "gemini"

// Host returns the host of that kind, or nil.
func (m *Model) Host(kind string) *Host {
	for i := range m.Hosts {
		if m.Hosts[i].Kind == kind {
			return &m.Hosts[i]
		}
	}
	if kind == kindVertex {
		return m.Host(kindGemini)
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

// row returns the last row that applies, of exactly this tier. The bands of one
// set of prices follow each other upwards, so it is the highest that the call reaches.
func (h *Host) row(at time.Time, tier string, inputTokens int64) *Price {
	for i := len(h.Prices) - 1; i >= 0; i-- {
		p := &h.Prices[i]
		if p.Tier == tier && (p.Above == 0 || inputTokens > p.Above) && !p.From.After(at) && (p.Hours == nil || p.Hours.Contains(at)) {
			return p
		}
	}
	return nil
}

// Bill returns the cost of a call at this price. It writes the rates of the fees
// into u.Fees, and adds the fee for the call itself where there is one. What the
// price list has no fee for costs nothing.
func (p *Price) Bill(u *llm.Usage) llm.Money {
	if len(p.Fees) > 0 || len(u.Fees) > 0 {
		p.fees(u)
	}
	return p.Rates.Cost(u)
}

// FeeRequest is the fee for the call itself, however large.
const FeeRequest = "request"

func (p *Price) fees(u *llm.Usage) {
	asked := false
	for i := range u.Fees {
		f := &u.Fees[i]
		asked = asked || f.Name == FeeRequest
		rate := p.fee(f.Name)
		f.Rate, f.Per = rate.Rate, rate.Per
		if f.Count > 0 {
			f.Count = max(f.Count, rate.Least)
		}
	}
	if rate := p.fee(FeeRequest); rate.Rate > 0 && !asked {
		u.Fees = append(u.Fees, llm.Fee{Name: FeeRequest, Count: 1, Rate: rate.Rate, Per: rate.Per})
	}
}

func (p *Price) fee(name string) llm.FeeRate {
	for _, rate := range p.Fees {
		if rate.Name == name {
			return rate
		}
	}
	return llm.FeeRate{}
}
