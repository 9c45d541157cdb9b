package proxy_test

import (
	"strings"
	"testing"

	"github.com/generic-corp/halfpenny/llm"
)

// A provider that gives no access token can be sent nothing, and another one is asked.
func TestNoAccessTokenGoesToTheNextCandidate(t *testing.T) {
	const noKey = `{"type":"authorized_user"}`
	h := newHarness(t, setup{kinds: []string{"vertex", "anthropic"}, secrets: map[string]string{"vertex": noKey}})
	got := h.post(ask("vertex/claude-4-sonnet", "x", `"models":["claude-haiku-4-5"]`))
	r := h.ledger.last(t, 1)
	if got.status != 200 || r.Provider != "anthropic" || r.Reason != llm.ReasonFallback || len(r.Attempts) != 1 || r.Cost().Money == 0 {
		t.Errorf("%d %s\n%+v", got.status, got.body, r)
	}
	alone := newHarness(t, setup{kinds: []string{"vertex"}, secrets: map[string]string{"vertex": noKey}})
	got = alone.post(ask("vertex/claude-4-sonnet", "x"))
	r = alone.ledger.last(t, 1)
	if got.status != 502 || !strings.Contains(got.body, "no access token") || strings.Contains(got.body, "authorized_user") || r.Outcome != llm.OutcomeError || len(r.Attempts) != 0 {
		t.Errorf("%d %s\n%+v", got.status, got.body, r)
	}
}
