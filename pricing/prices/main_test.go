package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/generic-corp/halfpenny/pricing"
)

// shared returns the folder of the facts, or skips the test where it is not there.
func shared(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("HALFPENNY_SHARED")
	if dir == "" {
		dir = "../../../shared"
	}
	dir = filepath.Join(dir, "models")
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the shared facts are missing: %v", err)
		}
		t.Skipf("the shared facts are missing: %v", err)
	}
	return dir
}

// priceList returns the price list as dump.mjs writes it: the package is installed as
// the lock file names it. Without node, npm or the registry the test is skipped.
func priceList(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "dump.mjs"} {
		content, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(dir, "genai-prices.json")
	for _, step := range [][]string{
		{"npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"},
		{"node", "dump.mjs", out},
	} {
		c := exec.CommandContext(t.Context(), step[0], step[1:]...)
		c.Dir = dir
		if log, err := c.CombinedOutput(); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%v: %v\n%s", step, err, log)
			}
			t.Skipf("%v: %v\n%s", step, err, log)
		}
	}
	return out
}

// The catalogue is generated and nothing else: what is committed is what the
// generator makes of its sources, every time.
func TestCatalogueIsWhatTheGeneratorMakes(t *testing.T) {
	dir, list := shared(t), priceList(t)
	for range 2 {
		out := t.TempDir()
		document, differences := filepath.Join(out, "catalogue.json"), filepath.Join(out, "differences.md")
		err := run([]string{"-genai", list, "-models-dev", filepath.Join(dir, "models-dev.json"), "-livebench", filepath.Join(dir, "livebench_2026_01_08.csv"),
			"-aider", filepath.Join(dir, "aider_polyglot.yml"), "-out", document, "-differences", differences})
		if err != nil {
			t.Fatal(err)
		}
		for made, committed := range map[string]string{document: "../catalogue.json", differences: "../../docs/price-differences.md"} {
			a, errA := os.ReadFile(made)
			b, errB := os.ReadFile(committed)
			if errA != nil || errB != nil {
				t.Fatal(errA, errB)
			}
			if !bytes.Equal(a, b) {
				t.Errorf("%s is not up to date: run go generate ./pricing", committed)
			}
		}
	}
}

// Taking in the list that the catalogue was made from changes nothing, and any
// later one leaves the models reachable by its names.
func TestTheListItselfIsNoUpdate(t *testing.T) {
	l, err := readLists(priceList(t))
	if err != nil {
		t.Fatal(err)
	}
	updates, err := pricing.Updates(l.providers, l.version(), time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC))
	if err != nil || len(updates) != 1694 {
		t.Fatalf("%d updates, %v", len(updates), err)
	}
	if _, diffs := pricing.Embedded().With(updates); len(diffs) > 0 {
		t.Errorf("%d differences, such as %v", len(diffs), diffs[0])
	}
	updates[3].Prices[0].Rates.Input++
	next, diffs := pricing.Embedded().With(updates[1:])
	if len(diffs) < 2 || diffs[0].Change != "vanished" && diffs[0].Change != "price" {
		t.Fatalf("%v", diffs)
	}
	for _, u := range updates {
		if m := next.LookupAt(u.List, u.Name); m == nil && u.Kind == u.List {
			t.Errorf("%s at %s is lost", u.Name, u.Kind)
		}
	}
}

func TestSameName(t *testing.T) {
	f := func(kind, name, base string, want bool) {
		t.Helper()
		if got := sameName(kind, name, base); got != want {
			t.Errorf("%s at %s is %s: %v", name, kind, base, got)
		}
	}
	f("openrouter", "anthropic/claude-opus-4.8", "anthropic/claude-opus-4-8", true)
	f("bedrock", "openai.gpt-5.4", "openai/gpt-5.4", true)
	f("baseten", "zai-org/GLM-5.2", "zhipuai/glm-5.2", true)
	f("cloudflare", "@cf/deepseek-ai/deepseek-r1-distill-qwen-32b", "deepseek/deepseek-r1", false)
	f("cloudflare", "@cf/meta/llama-3.3-70b-instruct-fp8-fast", "meta/llama-3.3-70b-instruct", false)
	f("openrouter", "qwen/qwen3-next-80b-a3b-instruct:free", "alibaba/qwen3-next-80b-a3b-instruct", false)
	f("openrouter", "x/y", "", false)
}

func TestDecimal(t *testing.T) {
	f := func(in json.Number, want string) {
		t.Helper()
		got, err := decimal(in)
		if err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", in, got, err, want)
		}
	}
	f("", "")
	f("0", "")
	f("0.0", "")
	f("5", "5")
	f("2.50", "2.5")
	f("0.08333333333333334", "0.083333333")
	f("0.19999999999999998", "0.2")
	f("1e-3", "0.001")
	for _, bad := range []json.Number{"x", "-1"} {
		if got, err := decimal(bad); err == nil {
			t.Errorf("%s is accepted as %q", bad, got)
		}
	}
}

func TestScoresOfAShortRowAreLeftOut(t *testing.T) {
	categories := map[string][]string{"a": {"x", "y"}, "b": {"z"}}
	if got, ok := meanOfMeans(categories, map[string]string{"x": "10", "y": "30", "z": "40"}); !ok || got != 30 {
		t.Errorf("mean %v, %v", got, ok)
	}
	if _, ok := meanOfMeans(categories, map[string]string{"x": "10", "y": "", "z": "40"}); ok {
		t.Error("a row without a task has a score")
	}
}
