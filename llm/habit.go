package llm

import "time"

// FeedbackKind says what a score rests on, as it is stored and shown.
type FeedbackKind string

// The kinds of feedback. All but the first are signs that a call itself gave.
const (
	FeedbackExplicit FeedbackKind = "explicit" // POST /api/orchestration/feedback
	FeedbackRetry    FeedbackKind = "retry"    // the same prompt came again soon after the answer
	FeedbackSchema   FeedbackKind = "schema"   // JSON was asked for, and the answer is none
	FeedbackRefusal  FeedbackKind = "refusal"  // the model, or its provider's filter, refused
)

// Feedback is what one answer was worth. It changes nothing about money.
type Feedback struct {
	RequestID string
	KeyID     string // of whoever gave it; of a sign, the request's
	Kind      FeedbackKind
	Score     float64 // 0 (useless) to 1 (good)
	Model     string  // that answered, by its id in records; empty: none did
	Simulated bool    // the request was
	Test      bool    // the request was made with a gc_test_ key
	At        time.Time
}

// ModelUsage sums what a model did for one tenant on a UTC day, or on several.
type ModelUsage struct {
	Day       time.Time // its start; zero: summed over days
	Model     string
	Simulated bool
	Test      bool

	Named int64 // requests that named it, whichever model served them
	// Calls are chats that it answered in full with its provider's own count of tokens.
	Calls  int64
	Input  int64 // tokens of the calls' prompts
	Cached int64 // of these, tokens that the provider read from its cache
	Output int64 // tokens that the calls wrote
}

// ModelScore sums a tenant's feedback of one kind about a model.
type ModelScore struct {
	Model     string
	Simulated bool
	Test      bool
	Kind      FeedbackKind
	Count     int64
	Sum       float64 // of scores
}

// Experience is what a store holds of a tenant's dealings with models.
type Experience struct {
	Usage  []ModelUsage
	Scores []ModelScore
}

// Trial sums requests for which a cheaper model stood ready in mode optimize: those
// that were sent to it, or those that were held out and sent to the model named.
type Trial struct {
	Start     time.Time // of the quarter of an hour; zero: summed over several
	Held      bool      // held out
	Simulated bool
	Test      bool

	Requests int64   // with a known cost
	Cost     Money   // sum
	Squares  float64 // sum of squares of the cost, in nano-dollars squared
}

// Trial returns the part of the record in a Trial; ok is false if it has none. It
// goes by the decision, not by who served in the end: a failover does not move a
// request from one side to the other.
func (r *Record) Trial() (held, ok bool) {
	if r.Reason == ReasonCached || len(r.Considered) == 0 || !r.Cost().Valid {
		return false, false
	}
	switch r.Considered[0].Reason {
	case ReasonHoldout:
		return true, true
	case ReasonSubstituted:
		return false, true
	}
	return false, false
}
