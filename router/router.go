// Package router chooses: which models at which providers could serve this
// request, what each would cost, which is tried first, and why.
package router

import (
	"time"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/provider"
	"github.com/generic-corp/halfpenny/router/habits"
	"github.com/generic-corp/halfpenny/router/model"
	"github.com/generic-corp/halfpenny/tenancy"
)

// Account is one configured account at a provider.
type Account struct {
	Name      string // unique, from the configuration
	Kind      string
	Adapter   provider.Adapter
	Secrets   []string          // API keys, used in turn
	Models    map[string]string // catalogue id (or any id) → name sent upstream; nil: all that the catalogue lists
	Weight    int               // among equals
	Region    string            // where it computes, as the operator calls it, such as "eu-west-1"; empty: not stated
	Simulated bool
	// Passthrough: tenants may ask at the metered paths of the provider's own API.
	Passthrough bool
}

// Target is a model at an account: what an attempt is sent to.
type Target struct {
	Account *Account
	Model   *pricing.Model   // nil: not in the catalogue
	ID      string           // the model's id in records: catalogue id, or the name sent
	Family  *pricing.Profile // by whose tokens it counts
	Counted string           // what is learned of its counts is kept under: kind of provider and model
	Sent    string           // the model name that the provider is sent
}

// Needs are the abilities that a request asks for.
type Needs struct {
	Input      pricing.Modality // beyond text
	Output     pricing.Modality // beyond text
	Tools      bool
	JSONObject bool
	JSONSchema bool
	// ToolChain: the request continues a tool call. Conversation: it continues an answer.
	// A model is never substituted within either.
	ToolChain    bool
	Conversation bool
}

// Prompt is the prompt of a query, which each model counts in its own way.
type Prompt interface {
	// Tokens estimates the prompt for a target, by its Counted and Family. An empty
	// counted is that of a model that no target stands for.
	Tokens(counted string, family *pricing.Profile) int64
	// Text appends the task as the difficulty model reads it, and returns dst.
	Text(dst []byte) []byte
}

// Habits are what a tenant's own traffic has taught of a model, by its id in records.
type Habits interface {
	Of(model string) (habits.Habit, bool)
}

// Served is the target that has given an answer; zero: it is not known.
type Served struct{ Account, Model string }

// Query is one request as the router sees it.
type Query struct {
	Endpoint    llm.Endpoint
	Dialect     llm.Dialect
	Model       string            // as the caller named it
	Aliases     map[string]string // of the tenant; they win over Options.Aliases
	Models      []string          // OpenRouter's fallback order, behind Model
	Only        []string          // OpenRouter's provider.only: names or kinds
	Order       []string          // OpenRouter's provider.order: tried first, in this order
	Sort        string            // OpenRouter's provider.sort: price, throughput, latency
	MaxPrompt   llm.Rate          // OpenRouter's provider.max_price.prompt; 0: not stated
	MaxOutPrice llm.Rate          // OpenRouter's provider.max_price.completion; 0: not stated
	Mode        llm.Mode          // of the request; ModeDefault: the policy's
	Floor       float64           // of the request; 0: the policy's
	MaxCost     llm.NullMoney     // of the request
	InputTokens int64             // estimated
	Prompt      Prompt            // nil: InputTokens holds for every model
	Tier        string            // service_tier, if it asks for another than the default; the field is then among Fields
	MaxOutput   int64             // max_tokens or max_completion_tokens; 0: not stated
	Choices     int64             // n; 0: 1
	Needs       Needs
	Fields      []string // top-level fields that the request carries, but those that Inert reports; valid during Decide only
	HabitModel  string   // the tenant's most used named model of the last 30 days, as baseline of auto; empty: unknown
	Habits      Habits   // of the tenant; nil: none
	Said        float64  // share of the prompt that earlier turns of the conversation have said, 0..1
	Last        Served   // what gave the conversation's last answer
	Holdout     bool     // it is served as named, where another model would be, to measure what that saves
	Passes      bool     // it goes to its provider's own API, as it stands
	Dry         bool     // a dry run: it takes no turn and no trial call
	Tenant      string   // slug, which prices may depend on
	Policy      *tenancy.Policy
	Test        bool // a gc_test_ key
	Now         time.Time
	MaxWait     NullDuration // of the request, for a target that its rate limits have closed
}

// NullDuration is a duration that may not be stated.
type NullDuration struct {
	Duration time.Duration
	Valid    bool
}

// Candidate is one target of a decision with its estimate.
type Candidate struct {
	Target     *Target
	Secret     string        // API key to use
	Cost       llm.NullMoney // estimated; unknown: unpriced
	Rates      llm.Rates     // in force now; meaningless if unpriced
	Input      int64         // tokens that the prompt is estimated at
	Output     int64         // tokens that the model is expected to write
	Capability float64       // P(right) as predicted; 0: unknown
	Reason     llm.Reason
	Cooling    bool      // it is left alone for now, so it is behind what is not
	Opens      time.Time // of one that cools: when the rate limits end that alone are the reason; zero: others are
	Pending    bool      // a trial call is under way, which may open it before

	access *access
	key    int // of the access's keys
}

// Decision is what Decide found. Candidates is memory that the next Decide with
// the same Decision uses again; Considered, Rejected and Substitution are made
// anew each time and may be kept.
type Decision struct {
	Candidates    []Candidate      // in the order in which they are tried; empty only after an error
	Mode          llm.Mode         // in force
	Considered    []llm.Considered // at most 10, the chosen first
	Rejected      []llm.Rejection  // counts of those not listed
	BaselineKind  llm.BaselineKind
	BaselineName  string
	BaselineRates llm.Rates         // to price the baseline by the usage of the call; valid if BaselineKind is not none
	Substitution  *llm.Substitution // of mode observe and of the holdout: what optimize would have done
	Bar           Bar               // what a model that was not named had to reach; zero: none was looked for
	Read          bool              // the difficulty model has read the prompt
	Coverage      float64           // how much that is like what it has learned from, 0..1
	MaxWait       time.Duration     // how long the call may wait for a target that its rate limits have closed

	options []option // working memory
}

// Bar is the chance to answer right that a model must have to be chosen unnamed: a
// share of that of the named model, or of the best eligible one.
type Bar struct {
	Model  string
	Chance float64 // of Model
	Floor  float64 // the share
}

// Options are what the configuration says of routing.
type Options struct {
	DefaultMode   llm.Mode          // of tenants that state none; ModeDefault: optimize
	Floor         float64           // quality floor of tenants that state none; 0: 0.95
	BaselineModel string            // what auto is compared with; empty: the tenant's habit
	Aliases       map[string]string // names for models, prefixed models or auto
	Health        *Health           // nil: every target is always healthy
	Difficulty    *model.Model      // predicts who answers a prompt right; nil: the catalogue's capabilities hold for every prompt
	MaxWait       time.Duration     // of tenants that state none, for a target that its rate limits have closed
	Terms         *pricing.Terms    // what the operator agreed on; nil: list prices. The baseline is always a list price.
}
