package api

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/generic-corp/halfpenny/llm"
)

func TestFeedback(t *testing.T) {
	h := newHouse(t)
	at := time.Date(2026, 1, 15, 1, 2, 3, 0, time.UTC)
	h.api.now = func() time.Time { return at }
	caller, err := h.api.Callers.Authenticate(t.Context(), []byte(h.acme))
	if err != nil {
		t.Fatal(err)
	}
	r := llm.Record{ID: "r1", Model: "gpt-5-mini", Outcome: llm.OutcomeOK, Simulated: true, Test: true}
	failed := llm.Record{ID: "r2", Model: "gpt-5-mini", Outcome: llm.OutcomeError}
	h.records.stored = map[string][]llm.Stored{"acme": {{Record: r}, {Record: failed}}}
	const path = "/api/orchestration/feedback"
	h.asAcme("POST", path, `{"requestId":"r1","score":0.25}`).is(200,
		`{"requestId":"r1","score":0.25,"keyId":"`+caller.Key.ID+`","model":"gpt-5-mini","createdAt":"2026-01-15T01:02:03Z"}`)
	h.asAcme("POST", path, `{"requestId":"r2","score":0}`).is(200, `{"requestId":"r2","score":0,"keyId":"`+caller.Key.ID+`","model":null,"createdAt":"2026-01-15T01:02:03Z"}`)
	want := []llm.Feedback{
		{RequestID: "r1", KeyID: caller.Key.ID, Kind: llm.FeedbackExplicit, Score: 0.25, Model: "gpt-5-mini", Simulated: true, Test: true, At: at},
		{RequestID: "r2", KeyID: caller.Key.ID, Kind: llm.FeedbackExplicit, At: at},
	}
	if got := h.records.given["acme"]; !reflect.DeepEqual(got, want) {
		t.Errorf("kept %+v", got)
	}

	f := func(body, field string) {
		t.Helper()
		h.asAcme("POST", path, body).fails(400, "invalid_request", field)
	}
	f(`{"requestId":"r1"}`, "score")
	f(`{"requestId":"r1","score":null}`, "score")
	f(`{"requestId":"r1","score":1.01}`, "score")
	f(`{"requestId":"r1","score":-0.01}`, "score")
	f(`{"requestId":"r1","score":1e400}`, "score")
	f(`{"requestId":"r1","score":"1"}`, "score")
	f(`{"score":1}`, "requestId")
	f(`{"requestId":7,"score":1}`, "requestId")
	f(`{"requestId":"r1","score":1,"kind":"retry"}`, "kind")
	f(`[]`, "")
	h.asAcme("POST", path, `{"requestId":"r9","score":1}`).fails(404, "not_found", "requestId")
	h.call("POST", path, `{"requestId":"r1","score":1}`, "X-Api-Key: "+h.other).fails(404, "not_found", "requestId")
	if n := len(h.records.given["acme"]) + len(h.records.given["other"]); n != 2 {
		t.Errorf("%d rows were kept", n)
	}
	h.records.err = errors.New("down")
	h.asAcme("POST", path, `{"requestId":"r1","score":1}`).fails(503, "gateway_unavailable", "")
}

func TestSavings(t *testing.T) {
	h := newHouse(t)
	h.api.now = func() time.Time { return time.Date(2026, 1, 15, 0, 0, 0, 0, time.UTC) }
	h.records.rollups = map[string][]llm.Rollup{"acme": {{Requests: 2, Cost: 1, Baselined: 1, Baseline: 4, Potential: 2}}}
	h.records.trials = map[string][]llm.Trial{"acme": {
		{Requests: 2, Cost: 4, Squares: 8}, {Held: true, Requests: 1, Cost: 10, Squares: 100}, {Held: true, Requests: 1, Cost: 10, Squares: 100, Simulated: true, Test: true},
	}}
	const path = "/api/analytics/savings"
	const head = `{"period":{"start":"2026-01-01T00:00:00Z","end":"2026-01-31T23:59:59Z"},"savingsUsd":0.000000003,"potentialSavingsUsd":0.000000002,`
	h.asAcme("GET", path+"?period=month", "").is(200, head+
		`"holdout":{"requests":1,"substituted":2,"savingsUsd":0.000000016,"low":null,"high":null,"level":0.95},"simulated":false}`)
	if want := [2]time.Time{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)}; h.records.asked != want {
		t.Errorf("asked for %v", h.records.asked)
	}
	h.asAcme("GET", path+"?test=true", "").is(200, head+
		`"holdout":{"requests":2,"substituted":2,"savingsUsd":0.000000016,"low":0.000000016,"high":0.000000016,"level":0.95},"simulated":false}`)
	h.call("GET", path, "", "X-Api-Key: "+h.other).is(200,
		`{"period":{"start":"2026-01-01T00:00:00Z","end":"2026-01-31T23:59:59Z"},"savingsUsd":0,"potentialSavingsUsd":0,"holdout":null,"simulated":false}`)
	h.asAcme("GET", path+"?period=year", "").fails(400, "invalid_request", "period")
	h.asAcme("GET", path+"?test=maybe", "").fails(400, "invalid_request", "test")
	h.records.err = errors.New("down")
	h.asAcme("GET", path, "").fails(503, "gateway_unavailable", "")
}
