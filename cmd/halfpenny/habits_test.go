package main

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/router/habits"
	"github.com/generic-corp/halfpenny/store/sqlite"
	"github.com/generic-corp/halfpenny/store/storetest"
	"github.com/generic-corp/halfpenny/tenancy"
)

// TestFeedbackOnAnAnswer: an answer can be scored the moment it has ended, and is in
// the savings of the tenant.
func TestFeedbackOnAnAnswer(t *testing.T) {
	addr, key := started(t, "")
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	url := "http://" + addr
	served, _ := post(t, url+"/v1/chat/completions", key, `{"model":"gpt-5-mini","messages":[{"role":"user","content":"hi"}]}`)
	id := served.Get("X-Request-Id")
	for _, score := range []string{"1", "0.5"} {
		_, kept := post(t, url+"/api/orchestration/feedback", key, `{"requestId":"`+id+`","score":`+score+`}`)
		if gjson.Get(kept, "requestId").Str != id || gjson.Get(kept, "score").Raw != score || gjson.Get(kept, "model").Str != served.Get("X-Halfpenny-Model") {
			t.Errorf("kept %s", kept)
		}
	}
	_, savings := send(t, http.MethodGet, url+"/api/analytics/savings", key, "")
	if gjson.Get(savings, "holdout").Raw != "null" || !gjson.Get(savings, "simulated").Bool() {
		t.Errorf("savings %s", savings)
	}
}

// TestHabitsComeFromTheLedger: what the ledger has written is what the router learns.
func TestHabitsComeFromTheLedger(t *testing.T) {
	db, err := sqlite.Open(t.Context(), t.TempDir())
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(err)
	t.Cleanup(func() { must(db.Close()) })
	must(db.Migrate(t.Context()))
	_, _, err = db.CreateTenant(t.Context(), tenancy.Tenant{ID: "t", Slug: "acme", Plan: "free"}, tenancy.Key{ID: "k", Hash: []byte{1}, Role: tenancy.RoleOwner}, "")
	must(err)
	var records []*llm.Record
	var scores []llm.Feedback
	for range 40 { // of 100 + 20 tokens that became 300, named gpt-5 and served by gpt-5-mini
		r := storetest.NewRecord("acme", 0)
		r.At = time.Now()
		records = append(records, r)
		scores = append(scores, llm.Feedback{RequestID: r.ID, KeyID: "k", Kind: llm.FeedbackExplicit, Score: 1, Model: r.Model, At: r.At},
			llm.Feedback{RequestID: r.ID, KeyID: "k2", Kind: llm.FeedbackExplicit, Score: 0, Model: "gpt-5", At: r.At})
	}
	_, err = db.Append(t.Context(), "acme", records)
	must(err)
	must(db.SaveFeedback(t.Context(), "acme", scores))

	book := habits.NewBook(db, func() bool { return true }, slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		book.Run(ctx)
	}()
	defer func() {
		stop()
		<-done
	}()
	known := book.Of("acme", false, time.Now())
	for end := time.Now().Add(10 * time.Second); known == nil; known = book.Of("acme", false, time.Now()) {
		if time.Sleep(time.Millisecond); time.Now().After(end) {
			t.Fatal("the habits were never read")
		}
	}
	got, _ := known.Of("gpt-5-mini")
	if want := (habits.Habit{Output: 300, CacheShare: 20.0 / 120, Bias: habits.MaxBias}); got != want || known.Named() != "gpt-5" {
		t.Errorf("got %+v, named %q", got, known.Named())
	}
	if got, _ := known.Of("gpt-5"); got.Bias != -habits.MaxBias {
		t.Errorf("got %+v", got)
	}
}
