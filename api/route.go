package api

import "github.com/generic-corp/halfpenny/llm"

// Explanation is a decision of the router as it is shown to people and programs.
type Explanation struct {
	Mode          string               `json:"mode"`
	Provider      string               `json:"provider"`
	Model         string               `json:"model"`
	Reason        string               `json:"reason"`
	Why           string               `json:"why"` // in a sentence
	InputTokens   int64                `json:"estimatedInputTokens"`
	OutputTokens  int64                `json:"estimatedOutputTokens"`
	Cost          llm.NullMoney        `json:"estimatedCost"`
	Prediction    *PredictionJSON      `json:"prediction"` // null: nothing was to be predicted
	Candidates    []ConsideredJSON     `json:"candidates"` // the chosen first
	Rejected      map[string]int       `json:"rejected"`   // targets that are not listed, by reason
	BaselineModel *string              `json:"baselineModel"`
	BaselineCost  llm.NullMoney        `json:"baselineCost"`
	Substitution  *SubstitutionPreview `json:"substitution"`
	Simulated     bool                 `json:"simulated"`
	Considered    int                  `json:"considered"` // all targets
}

// PredictionJSON is what a model had to reach to be chosen without being named.
type PredictionJSON struct {
	Coverage  *float64 `json:"coverage"`  // 0..1, how much the prompt is like what was learned from; null: it was not read
	Reference string   `json:"reference"` // the model named, or the best eligible one
	Chance    float64  `json:"chance"`    // the capability of the reference, as of the candidates
	Floor     float64  `json:"floor"`     // the share of it that is asked for
}

// ConsideredJSON is one target that was weighed.
type ConsideredJSON struct {
	Provider   string        `json:"provider"`
	Model      string        `json:"model"`
	Cost       llm.NullMoney `json:"estimatedCost"`
	Capability *float64      `json:"capability"`         // benchmark score, or chance to answer right; null: unknown
	Evidence   string        `json:"evidence,omitempty"` // what the capability rests on
	Reason     string        `json:"reason"`
	Why        string        `json:"why"`
}

// SubstitutionPreview is what mode optimize would do with a request that is served as named.
type SubstitutionPreview struct {
	Provider string    `json:"provider"`
	Model    string    `json:"model"`
	Cost     llm.Money `json:"estimatedCost"`
	Savings  llm.Money `json:"potentialSavings"`
}

// route is the dry run of a request of the data plane: the body is that request, the
// query's path says to which path it would go, and its headers are read as there.
func (a *API) route(r *request) (any, error) {
	e, failed := a.Router.Explain(r.caller, r.query("path"), r.http.Request.Header.Peek, r.http.PostBody())
	if failed != nil {
		return nil, failed
	}
	return e, nil
}
