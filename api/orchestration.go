package api

import (
	"strconv"
	"strings"
	"time"

	"github.com/generic-corp/halfpenny/analytics"
	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/tenancy"
	"github.com/generic-corp/halfpenny/tenancy/fields"
)

const (
	maxTask     = 512 << 10 // bytes of a task description
	maxDemoTask = 16 << 10
	pageSize    = 50
	maxPageSize = 100
)

// Choice is one model at one provider with the estimate for a task.
type Choice struct {
	Provider string
	Model    string
	Cost     llm.NullMoney // unknown: unpriced
	Tokens   int64         // input and expected output
}

// Estimate is what the data plane would do with a task.
type Estimate struct {
	Recommendation Choice
	Alternatives   []Choice // the next candidates, in order
	BaselineModel  string   // empty: there is nothing to compare with
	BaselineKind   llm.BaselineKind
	Baseline       llm.NullMoney
	Simulated      bool // the simulation would answer
}

type estimateJSON struct {
	Recommendation recommendationJSON `json:"recommendation"`
	Alternatives   []alternativeJSON  `json:"alternatives"`
	Savings        savingsJSON        `json:"savingsAnalysis"`
	Simulated      bool               `json:"simulated"`
}

type recommendationJSON struct {
	Provider        string        `json:"provider"`
	Model           string        `json:"model"`
	EstimatedCost   llm.NullMoney `json:"estimatedCost"`
	EstimatedTokens int64         `json:"estimatedTokens"`
}

// alternativeJSON: potentialSavings is against the recommendation, below zero for
// a dearer model.
type alternativeJSON struct {
	Provider         string        `json:"provider"`
	Model            string        `json:"model"`
	EstimatedCost    llm.NullMoney `json:"estimatedCost"`
	PotentialSavings llm.NullMoney `json:"potentialSavings"`
}

type savingsJSON struct {
	BaselineCost    llm.NullMoney     `json:"baselineCost"`
	BaselineModel   *string           `json:"baselineModel"`
	BaselineKind    string            `json:"baselineKind"`
	RecommendedCost llm.NullMoney     `json:"recommendedCost"`
	SavingsPercent  *analytics.Tenths `json:"savingsPercent"`
}

func (a *API) estimate(r *request) (any, error) {
	return a.estimateFor(r, r.caller, maxTask)
}

func (a *API) estimateFor(r *request, caller *tenancy.Caller, limit int) (any, error) {
	var (
		task, preferred string
		maxCost         llm.NullMoney
	)
	err := fields.Object("", r.http.PostBody(), map[string]fields.Setter{
		"taskDescription": fields.Text(&task, limit),
		"preferences": fields.Nested(map[string]fields.Setter{
			"maxCost":           fields.NullMoney(&maxCost),
			"preferredProvider": fields.String(&preferred, 100),
		}),
	})
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(task) == "" {
		return nil, &fields.Error{Field: "taskDescription", Problem: "must not be empty"}
	}
	e, failed := a.Estimator.Estimate(caller, task, maxCost, preferred)
	if failed != nil {
		return nil, failed
	}
	return estimateOf(&e), nil
}

func estimateOf(e *Estimate) estimateJSON {
	best := &e.Recommendation
	j := estimateJSON{
		Recommendation: recommendationJSON{best.Provider, best.Model, best.Cost, best.Tokens},
		Alternatives:   make([]alternativeJSON, len(e.Alternatives)),
		Savings: savingsJSON{
			BaselineCost: e.Baseline, BaselineModel: orNull(e.BaselineModel), BaselineKind: e.BaselineKind.String(), RecommendedCost: best.Cost,
		},
		Simulated: e.Simulated,
	}
	for i, c := range e.Alternatives {
		j.Alternatives[i] = alternativeJSON{c.Provider, c.Model, c.Cost, best.Cost.Sub(c.Cost)}
	}
	if saved := e.Baseline.Sub(best.Cost); saved.Valid && e.Baseline.Money > 0 {
		percent := analytics.Percent(saved.Money, e.Baseline.Money)
		j.Savings.SavingsPercent = &percent
	}
	return j
}

// requestJSON is one line of the list of requests; the receipt has the rest.
type requestJSON struct {
	ID             string            `json:"id"`
	CreatedAt      *string           `json:"createdAt"`
	KeyID          string            `json:"keyId"`
	Test           bool              `json:"test"`
	RequestedModel string            `json:"requestedModel"`
	Provider       *string           `json:"provider"`
	Model          *string           `json:"model"`
	Reason         string            `json:"reason"`
	Task           *string           `json:"task"`
	Tags           map[string]string `json:"tags"`
	Stream         bool              `json:"stream"`
	Status         *int              `json:"status"`
	Outcome        string            `json:"outcome"`
	Simulated      bool              `json:"simulated"`
	Attempts       int               `json:"attempts"`
	InputTokens    int64             `json:"inputTokens"`
	OutputTokens   int64             `json:"outputTokens"`
	CostUSD        llm.NullMoney     `json:"costUsd"`
	CostStatus     string            `json:"costStatus"`
	BaselineUSD    llm.NullMoney     `json:"baselineUsd"`
	SavingsUSD     llm.NullMoney     `json:"savingsUsd"`
	LatencyMs      *millis           `json:"latencyMs"`
}

func requestOf(s *llm.Stored) requestJSON {
	usage := s.Usage()
	return requestJSON{
		ID: s.ID, CreatedAt: timeOrNull(s.At), KeyID: s.KeyID, Test: s.Test, RequestedModel: s.Requested, Provider: orNull(s.Provider), Model: orNull(s.Model),
		Reason: s.Reason.String(), Task: orNull(s.Task), Tags: tagsOf(s.Tags), Stream: s.Stream, Status: numberOrNull(s.Status), Outcome: s.Outcome.String(),
		Simulated: s.Simulated, Attempts: len(s.Attempts), InputTokens: usage.InputTokens(), OutputTokens: usage.OutputTokens(),
		CostUSD: s.Cost(), CostStatus: s.CostStatus().String(), BaselineUSD: s.Baseline, SavingsUSD: s.Savings(), LatencyMs: millisOrNull(s.Total),
	}
}

// listRequests reads one more than it shows, to know whether there is a next page.
func (a *API) listRequests(r *request) (any, error) {
	size, err := pageSizeOf(r.query("limit"))
	if err != nil {
		return nil, err
	}
	before := r.query("cursor")
	if len(before) > 100 {
		return nil, &fields.Error{Field: "cursor", Problem: "must be a nextCursor of this list"}
	}
	found, err := a.Requests.Requests(r.ctx, r.caller.Tenant.Slug, before, size+1)
	if err != nil {
		return nil, err
	}
	page := list[requestJSON]{Data: []requestJSON{}}
	for i := range found[:min(size, len(found))] {
		page.Data = append(page.Data, requestOf(&found[i]))
	}
	if len(found) > size {
		page.NextCursor = &page.Data[size-1].ID
	}
	return page, nil
}

func pageSizeOf(limit string) (int, error) {
	if limit == "" {
		return pageSize, nil
	}
	n, err := strconv.Atoi(limit)
	if err != nil || n < 1 || n > maxPageSize {
		return 0, &fields.Error{Field: "limit", Problem: "must be a whole number from 1 to " + strconv.Itoa(maxPageSize)}
	}
	return n, nil
}

type modelJSON struct {
	ID              string     `json:"id"`
	Owner           string     `json:"owner"`
	Names           []string   `json:"names"`
	ReleasedAt      *string    `json:"releasedAt"`
	ContextTokens   *int64     `json:"contextTokens"`
	MaxOutputTokens *int64     `json:"maxOutputTokens"`
	Input           []string   `json:"input"`
	Output          []string   `json:"output"`
	Tools           bool       `json:"tools"`
	JSONObject      bool       `json:"jsonObject"`
	JSONSchema      bool       `json:"jsonSchema"`
	Reasoning       bool       `json:"reasoning"`
	Capability      *float64   `json:"capability"`
	Evidence        *string    `json:"evidence"`
	Use             string     `json:"use"`      // chat, or what else the model is for
	Verified        bool       `json:"verified"` // its abilities are documented
	Hosts           []hostJSON `json:"hosts"`
}

type hostJSON struct {
	Kind   string          `json:"kind"`
	Name   string          `json:"name"`
	Prices []hostPriceJSON `json:"prices"`
}

// hostPriceJSON is a price in force: of a service tier, for calls with more than
// so many input tokens.
type hostPriceJSON struct {
	Tier             string  `json:"tier"`
	AboveInputTokens int64   `json:"aboveInputTokens"`
	From             *string `json:"from"`
	Hours            *string `json:"hours"` // of the UTC day; null: all day
	Source           *string `json:"source"`
	*pricesJSON
	Fees []rateJSON `json:"fees"`
}

// rateJSON is what is charged for something that is counted.
type rateJSON struct {
	Name         string `json:"name"`
	UnitPriceUSD scaled `json:"unitPriceUsd"` // of Per
	Per          int64  `json:"per"`
}

func (a *API) listModels(*request) (any, error) {
	models := a.Models()
	all := list[modelJSON]{Data: make([]modelJSON, len(models))}
	now := a.now()
	for i, m := range models {
		all.Data[i] = modelOf(m, now)
	}
	return all, nil
}

func modelOf(m *pricing.Model, now time.Time) modelJSON {
	j := modelJSON{
		ID: m.ID, Owner: m.Owner, Names: append([]string{}, m.Names...), ReleasedAt: timeOrNull(m.Released), ContextTokens: tokensOrNull(m.Context),
		MaxOutputTokens: tokensOrNull(m.MaxOutput), Input: words(m.Input), Output: words(m.Output), Tools: m.Tools, JSONObject: m.JSONObject,
		JSONSchema: m.JSONSchema, Reasoning: m.Reasoning, Capability: capabilityOf(m.Capability), Evidence: orNull(m.Evidence), Use: useOf(m), Verified: !m.Unverified,
		Hosts: make([]hostJSON, len(m.Hosts)),
	}
	for i := range m.Hosts {
		h := &m.Hosts[i]
		j.Hosts[i] = hostJSON{Kind: h.Kind, Name: h.Name, Prices: pricesInForce(h, now)}
	}
	return j
}

func useOf(m *pricing.Model) string {
	if m.Chat {
		return "chat"
	}
	return m.Use
}

func words(m pricing.Modality) []string {
	if m == 0 {
		return []string{}
	}
	return strings.Split(m.String(), "+")
}

func tokensOrNull(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}

// pricesInForce keeps, of each tier and band, the row by which a call is priced now.
func pricesInForce(h *pricing.Host, now time.Time) []hostPriceJSON {
	all := []hostPriceJSON{}
	for i := range h.Prices {
		p := &h.Prices[i]
		if h.Price(now, p.Tier, p.Above+1) != p {
			continue
		}
		tier := p.Tier
		if tier == "" {
			tier = "default"
		}
		hours := ""
		if p.Hours != nil {
			hours = p.Hours.String()
		}
		fees := make([]rateJSON, len(p.Fees))
		for k, f := range p.Fees {
			fees[k] = rateJSON{f.Name, scaled{int64(f.Rate), 15}, max(f.Per, 1)}
		}
		all = append(all, hostPriceJSON{tier, p.Above, timeOrNull(p.From), orNull(hours), orNull(p.Source), ratesOf(&p.Rates), fees})
	}
	return all
}
