package api

import (
	"strings"
	"testing"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/tenancy"
)

func (o *oracle) Explain(c *tenancy.Caller, path string, header func(string) []byte, body []byte) (Explanation, *llm.Error) {
	o.caller, o.task, o.path, o.mode = c, string(body), path, string(header("X-Halfpenny-Route"))
	return o.explanation, o.err
}

func TestRoute(t *testing.T) {
	h := newHouse(t)
	chance, coverage := 0.91, 0.7
	h.oracle.explanation = Explanation{
		Mode: "optimize", Provider: "groq", Model: "small", Reason: "substituted", Why: "small at groq: cheaper.", InputTokens: 9, OutputTokens: 300, Cost: usd(t, "0.001"),
		Prediction: &PredictionJSON{Coverage: &coverage, Reference: "big", Chance: 0.95, Floor: 0.95},
		Candidates: []ConsideredJSON{{Provider: "groq", Model: "small", Cost: usd(t, "0.001"), Capability: &chance, Evidence: "a benchmark", Reason: "substituted", Why: "cheaper"},
			{Provider: "openai", Model: "odd", Reason: "no_evidence", Why: "nothing is known"}},
		Rejected: map[string]int{"dearer": 3}, Considered: 5,
	}
	h.asAcme("POST", "/api/orchestration/route?path=/v1/messages", `{"model":"big","messages":[]}`).is(200, `{
		"mode":"optimize","provider":"groq","model":"small","reason":"substituted","why":"small at groq: cheaper.","estimatedInputTokens":9,"estimatedOutputTokens":300,
		"estimatedCost":0.001,"prediction":{"coverage":0.7,"reference":"big","chance":0.95,"floor":0.95},
		"candidates":[{"provider":"groq","model":"small","estimatedCost":0.001,"capability":0.91,"evidence":"a benchmark","reason":"substituted","why":"cheaper"},
			{"provider":"openai","model":"odd","estimatedCost":null,"capability":null,"reason":"no_evidence","why":"nothing is known"}],
		"rejected":{"dearer":3},"baselineModel":null,"baselineCost":null,"substitution":null,"simulated":false,"considered":5}`)
	if h.oracle.caller.Tenant.Slug != "acme" || h.oracle.path != "/v1/messages" || h.oracle.task != `{"model":"big","messages":[]}` {
		t.Errorf("asked %+v", h.oracle)
	}
	h.oracle.explanation.Prediction.Coverage = nil
	if got := h.asAcme("POST", "/api/orchestration/route", `{"model":"big"}`); !strings.Contains(got.body, `"coverage":null`) {
		t.Errorf("nobody has read the prompt: %s", got.body)
	}
	h.oracle.err = llm.Invalid("messages", "The field 'messages' is missing.")
	h.asAcme("POST", "/api/orchestration/route", `{}`).fails(400, "invalid_request", "messages")
}
