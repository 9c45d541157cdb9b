package llm

import (
	"os"
	"strings"
	"testing"
)

func TestEveryReasonHasANameAndAMeaning(t *testing.T) {
	if len(reasonMeanings) != len(reasonNames) {
		t.Fatalf("%d reasons have a name, %d a meaning", len(reasonNames), len(reasonMeanings))
	}
	doc, err := os.ReadFile("../docs/routing.md")
	if err != nil {
		t.Fatal(err)
	}
	for r := range reasonNames {
		if line := "| `" + Reason(r).String() + "` | " + Reason(r).Meaning() + " |\n"; r > 0 && !strings.Contains(string(doc), line) {
			t.Errorf("docs/routing.md lacks %s", line)
		}
		if Reason(r).String() == "" || Reason(r).Meaning() == "" {
			t.Errorf("reason %d: %q, %q", r, Reason(r), Reason(r).Meaning())
		}
	}
}
