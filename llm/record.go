package llm

import "time"

// Outcome says how an attempt, or a request, ended.
type Outcome uint8

// The outcomes of an attempt.
const (
	OutcomePending  Outcome = iota // not ended yet
	OutcomeOK                      // the provider answered and the answer was delivered
	OutcomeError                   // the provider answered with an error status, or with something that is no answer
	OutcomeTimeout                 // no answer, or no next byte, in time
	OutcomeCut                     // the connection failed or the stream ended early
	OutcomeCanceled                // the client went away
	OutcomeUnknown                 // journalled before a crash; whether it left is not known
	OutcomeUnsent                  // certainly no byte was sent: connect, DNS or TLS failure
)

var outcomeNames = [...]string{"pending", "ok", "error", "timeout", "cut", "canceled", "unknown", "unsent"}

// String returns the outcome as it is stored and shown.
func (o Outcome) String() string { return nameOf(outcomeNames[:], int(o)) }

// CostStatus says how far an amount can be trusted.
type CostStatus uint8

// The cost statuses of §3.2. Pending is only ever seen in headers of a stream.
const (
	CostPending   CostStatus = iota
	CostExact                // by the provider's own usage
	CostEstimated            // by what the gateway counted
	CostUnpriced             // the model has no price; the cost is unknown
	CostSimulated            // the simulation answered; nobody will be billed
)

var costStatusNames = [...]string{"pending", "exact", "estimated", "unpriced", "simulated"}

// String returns the status as it is stored and shown.
func (s CostStatus) String() string { return nameOf(costStatusNames[:], int(s)) }

// BaselineKind says what savings are measured against.
type BaselineKind uint8

// The kinds of baseline.
const (
	BaselineNone       BaselineKind = iota // nothing to compare with
	BaselineNamed                          // the list price of the model that was named
	BaselineConfigured                     // routing.baseline_model
	BaselineHabit                          // the tenant's most used named model of the last 30 days
)

var baselineNames = [...]string{"none", "named", "configured", "habit"}

// String returns the kind as it is shown.
func (k BaselineKind) String() string { return nameOf(baselineNames[:], int(k)) }

// Reason is a code for why a candidate was chosen or rejected. It is stored as a
// number, so its values never change meaning; new ones are added at the end.
type Reason uint8

// The reasons of a decision.
const (
	ReasonNone            Reason = iota
	ReasonPinned                 // prefix or pinned mode: exactly this model at this provider
	ReasonNamed                  // the named model at its cheapest healthy host
	ReasonCheapestCapable        // auto: the cheapest model that is capable
	ReasonSubstituted            // a cheaper model predicted to be as capable
	ReasonFallback               // an earlier candidate failed
	ReasonOnlyCandidate          // nothing else was eligible
	ReasonNotAllowed             // the tenant's allow or deny list
	ReasonNotCapable             // predicted capability below the floor
	ReasonNoEvidence             // no evidence of capability
	ReasonContext                // prompt and output do not fit the context window
	ReasonModality               // an input or output modality is missing
	ReasonTools                  // no tool calls
	ReasonStructured             // no structured output
	ReasonParameter              // a field that was sent is not supported
	ReasonDialect                // the endpoint is not served in this dialect
	ReasonCooling                // the target is cooling down after failures
	ReasonDearer                 // a cheaper candidate is as good
	ReasonMaxCost                // above the cost limit of the call
	ReasonUnpriced               // no price, and the policy or the limit asks for one
	ReasonToolChain              // no switch inside a tool chain or a running conversation
	ReasonPreference             // ruled out by the caller's provider preferences
	ReasonOtherModel             // another model than the one named
	ReasonTestOnly               // test keys reach only the simulation
	ReasonRegion                 // outside the regions that the tenant's policy allows
	ReasonCached                 // an exact repeat, answered from the cache
	ReasonHoldout                // served as named, where another model would be, to measure what that saves
	ReasonConversation           // the model that the conversation is with
)

var reasonNames = [...]string{"none", "pinned", "named", "cheapest_capable", "substituted", "fallback", "only_candidate", "not_allowed", "not_capable",
	"no_evidence", "context", "modality", "tools", "structured_output", "parameter", "dialect", "cooling", "dearer", "max_cost", "unpriced", "tool_chain",
	"preference", "other_model", "test_only", "region", "cached", "holdout", "conversation"}

// String returns the reason's code as it is shown.
func (r Reason) String() string { return nameOf(reasonNames[:], int(r)) }

// Attempt is one call that was sent, or was about to be sent, to a provider.
type Attempt struct {
	N         int    // from 1
	Provider  string // the account's name in the configuration
	Model     string // the catalogue's id, or the name sent where the catalogue has none
	Sent      string // the model name that the provider was sent
	Served    string // the model name that the provider's answer carries
	At        time.Time
	Latency   time.Duration // until the attempt ended
	FirstByte time.Duration // until the first byte of the answer's body; 0: none came
	Status    int           // HTTP status of the provider; 0: none came
	Outcome   Outcome
	Simulated bool

	EstimatedInput  int64 // tokens, before the call
	EstimatedOutput int64 // tokens that a call cut before any output is charged
	Priced          bool
	Rates           Rates // the unit prices in force

	Usage      Usage
	Cost       NullMoney
	CostStatus CostStatus
	Reported   NullMoney // the provider's own figure, kept beside ours
}

// Considered is one candidate of a decision, as the receipt shows it.
type Considered struct {
	Provider   string
	Model      string
	Cost       NullMoney // estimated, before the call
	Capability float64   // predicted P(correct), 0 where unknown
	Reason     Reason    // why it was chosen or rejected
}

// Rejection counts the candidates beyond those listed that share a reason.
type Rejection struct {
	Reason Reason
	Count  int
}

// Substitution is what mode optimize would have done with a call that was served as named.
type Substitution struct {
	Provider string
	Model    string
	Cost     Money // estimated
	Savings  Money // estimated, against the named model
}

// Record is all that is kept of one request. A snapshot with Done false is what
// the journal holds while an attempt is under way.
type Record struct {
	ID       string // UUIDv7, the x-request-id
	TenantID string
	Slug     string
	KeyID    string // the key's public id
	Test     bool   // made with a gc_test_ key

	At        time.Time
	Endpoint  Endpoint
	Dialect   Dialect
	Mode      Mode
	Stream    bool
	Requested string // the model as the caller named it
	Task      string // derived label; never the prompt's own words
	Tags      string // canonical "k=v,k=v", sorted by key

	Provider  string // of the attempt that answered, or of the last one
	Model     string
	Reason    Reason
	Status    int // the HTTP status that the caller got
	Outcome   Outcome
	Simulated bool

	Attempts     []Attempt // those that left, in order
	Unsent       []Attempt // those of which certainly no byte was sent
	Considered   []Considered
	Rejected     []Rejection
	BaselineKind BaselineKind
	BaselineName string // the model that the baseline prices
	Baseline     NullMoney
	Substitution *Substitution

	Overhead  time.Duration // spent in the gateway itself before the answer's first byte
	FirstByte time.Duration // from arrival to the first byte towards the caller
	Total     time.Duration // from arrival to the end
	Queued    time.Duration // waited for a target whose rate limits were reached
	Done      bool
}

// EndUnknown turns a snapshot into the final record of a request of which nobody
// knows how it went on, or whether it left: charged what was estimated before the
// call. Attempts that had ended keep their outcome.
func (r *Record) EndUnknown() {
	r.Done, r.Status, r.Outcome = true, 0, OutcomeUnknown
	for i := range r.Attempts {
		if a := &r.Attempts[i]; a.Outcome == OutcomePending {
			a.endUnknown()
			r.Simulated = r.Simulated || a.Simulated
		}
	}
	if n := len(r.Attempts); n > 0 {
		r.Provider, r.Model = r.Attempts[n-1].Provider, r.Attempts[n-1].Model
	}
}

func (a *Attempt) endUnknown() {
	a.Outcome = OutcomeUnknown
	a.Usage = Usage{Input: a.EstimatedInput, Output: a.EstimatedOutput, Estimated: true}
	a.Cost = NullMoney{}
	if a.Priced {
		a.Cost = Known(a.Rates.Cost(&a.Usage))
	}
	switch {
	case a.Simulated:
		a.CostStatus = CostSimulated
	case a.Priced:
		a.CostStatus = CostEstimated
	default:
		a.CostStatus = CostUnpriced
	}
}

// Cost is the sum over the attempts; unknown if an attempt's is.
func (r *Record) Cost() NullMoney {
	sum := Known(0)
	for i := range r.Attempts {
		sum = sum.Add(r.Attempts[i].Cost)
	}
	return sum
}

// CostStatus is the weakest status among the attempts that have a cost.
func (r *Record) CostStatus() CostStatus {
	status := CostExact
	if r.Simulated {
		status = CostSimulated
	}
	for i := range r.Attempts {
		switch s := r.Attempts[i].CostStatus; s {
		case CostUnpriced, CostSimulated:
			return s
		case CostEstimated:
			status = s
		}
	}
	return status
}

// Savings is baseline less cost; unknown if either is.
func (r *Record) Savings() NullMoney { return r.Baseline.Sub(r.Cost()) }

// Usage is the sum over the attempts.
func (r *Record) Usage() Usage {
	var sum Usage
	for i := range r.Attempts {
		sum.Add(&r.Attempts[i].Usage)
	}
	return sum
}

// Unknown reports whether an attempt's outcome is unknown.
func (r *Record) Unknown() bool {
	for i := range r.Attempts {
		if r.Attempts[i].Outcome == OutcomeUnknown {
			return true
		}
	}
	return false
}

// Stored is a record as the ledger has it.
type Stored struct {
	Record
	Seq  int64  // number in the tenant's chain; 0: not flushed yet
	Hash []byte // HMAC-SHA-256 over the stored record and the hash before it; nil: not flushed yet
}

// Rollup sums the requests of one quarter of an hour (or, folded, one UTC day)
// that share provider, model, key and tags.
type Rollup struct {
	Start     time.Time
	Provider  string
	Model     string
	KeyID     string
	Tags      string
	Simulated bool
	Test      bool

	Requests  int64
	Attempts  int64
	Unpriced  int64 // requests without a known cost
	Unknown   int64 // requests with an attempt of unknown outcome
	Input     int64 // tokens read
	Output    int64 // tokens written
	Cost      Money // of requests and attempts with a known cost
	Baselined Money // cost of those requests that have a baseline: what savings are measured on
	Baseline  Money
	Potential Money // what mode observe shows it would have saved
	LatencyMs int64 // summed over requests
}
