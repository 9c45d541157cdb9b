package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/generic-corp/halfpenny/api"
	"github.com/generic-corp/halfpenny/llm"
)

func TestExplanationForPeople(t *testing.T) {
	chance, coverage, baseline := 0.91, 0.7, "big"
	e := api.Explanation{
		Mode: "observe", Provider: "openai", Model: "big", Why: "big at openai: the cheapest healthy host of the model that was named.", InputTokens: 9, OutputTokens: 300,
		Cost: llm.Known(30_000_000), Prediction: &api.PredictionJSON{Coverage: &coverage, Reference: "big", Chance: 0.95, Floor: 0.95},
		Candidates: []api.ConsideredJSON{{Provider: "openai", Model: "big", Cost: llm.Known(30_000_000), Capability: &chance, Reason: "named", Why: "it was named"},
			{Provider: "groq", Model: "odd", Reason: "no_evidence", Why: "nothing is known"}},
		Rejected: map[string]int{"dearer": 3, "context": 3, "modality": 7}, Considered: 15, BaselineModel: &baseline, BaselineCost: llm.Known(31_000_000),
		Substitution: &api.SubstitutionPreview{Provider: "groq", Model: "small", Cost: 1_000_000, Savings: 29_000_000}, Simulated: true,
	}
	const want = `big at openai: the cheapest healthy host of the model that was named.

  mode        observe
  prompt      about 9 tokens; 70 % like what the router has learned from
  estimate    $0.03 for an answer of about 300 tokens
  baseline    $0.031 with big
  instead     small at groq for $0.001 would save $0.029
  simulated   no provider is configured: nobody is asked, and nobody bills

  MODEL  PROVIDER  CAPABILITY  COST      REASON       IN WORDS
  big    openai    0.910       $0.03     named        it was named
  odd    groq      ?           unpriced  no_evidence  nothing is known

  Of 15 targets these are not listed: 7 modality, 3 context, 3 dearer.
`
	var b strings.Builder
	if err := writeExplanation(&b, &e); err != nil || b.String() != want {
		t.Errorf("%v\n%s", err, b.String())
	}
	e.Prediction.Coverage = nil
	b.Reset()
	if err := writeExplanation(&b, &e); err != nil || !strings.Contains(b.String(), "about 9 tokens\n") {
		t.Errorf("nobody has read the prompt: %v\n%s", err, b.String())
	}
}

func TestRouteReadsAWholeRequest(t *testing.T) {
	file := filepath.Join(t.TempDir(), "request.json")
	if err := os.WriteFile(file, []byte(`{"model":"x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := requestOf("auto", "", file, "/v1/messages"); err != nil || string(r.Body) != `{"model":"x"}` || r.Path != "/v1/messages" {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := requestOf("auto", "hello", "", "/v1/messages"); err != nil || r.Path != "" {
		t.Errorf("%+v, %v: a prompt is a chat", r, err)
	}
	for _, bad := range [][2]string{{"", ""}, {"hello", file}, {"", file + ".missing"}} {
		if _, err := requestOf("auto", bad[0], bad[1], ""); err == nil {
			t.Errorf("%q and %q are no error", bad[0], bad[1])
		}
	}
}
