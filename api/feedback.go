package api

import (
	"errors"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/tenancy"
	"github.com/generic-corp/halfpenny/tenancy/fields"
)

// feedbackJSON is feedback as it was kept.
type feedbackJSON struct {
	RequestID string  `json:"requestId"`
	Score     float64 `json:"score"`
	KeyID     string  `json:"keyId"`
	Model     *string `json:"model"` // that it is about; null: no model answered, so it teaches nothing
	CreatedAt *string `json:"createdAt"`
}

// feedback keeps what the caller says of an answer that its tenant got.
func (a *API) feedback(r *request) (any, error) {
	id, score, err := readFeedback(r.http.PostBody())
	if err != nil {
		return nil, err
	}
	slug := r.caller.Tenant.Slug
	about, err := a.Receipts.Receipt(r.ctx, slug, id)
	if errors.Is(err, tenancy.ErrNotFound) {
		return nil, &llm.Error{Status: 404, Code: "not_found", Param: "requestId", Message: "There is no request with this requestId."}
	}
	if err != nil {
		return nil, err
	}
	f := llm.Feedback{
		RequestID: about.ID, KeyID: r.caller.Key.ID, Kind: llm.FeedbackExplicit, Score: score, Model: answerer(&about.Record),
		Simulated: about.Simulated, Test: about.Test, At: a.now(),
	}
	if err := a.Feedback.SaveFeedback(r.ctx, slug, []llm.Feedback{f}); err != nil {
		return nil, err
	}
	return feedbackJSON{f.RequestID, f.Score, f.KeyID, orNull(f.Model), timeOrNull(f.At)}, nil
}

func readFeedback(body []byte) (id string, score float64, err error) {
	score = -1
	err = fields.Object("", body, map[string]fields.Setter{
		"requestId": fields.String(&id, 100),
		"score":     fields.Number(&score, 0, 1),
	})
	switch {
	case err != nil:
	case id == "":
		err = &fields.Error{Field: "requestId", Problem: "is missing"}
	case score < 0:
		err = &fields.Error{Field: "score", Problem: "is missing"}
	}
	return id, score, err
}

// answerer returns the model whose answer the caller has got, whole or in part; empty:
// none has answered.
func answerer(r *llm.Record) string {
	switch r.Outcome {
	case llm.OutcomeOK, llm.OutcomePending, llm.OutcomeCanceled:
		return r.Model
	}
	return ""
}
