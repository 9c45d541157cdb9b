package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
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

// The catalogue is generated and nothing else: what is committed is what the
// generator makes of its sources.
func TestCatalogueIsWhatTheGeneratorMakes(t *testing.T) {
	dir := shared(t)
	out := filepath.Join(t.TempDir(), "catalogue.json")
	err := run([]string{"-models-dev", filepath.Join(dir, "models-dev.json"), "-livebench", filepath.Join(dir, "livebench_2026_01_08.csv"),
		"-aider", filepath.Join(dir, "aider_polyglot.yml"), "-out", out})
	if err != nil {
		t.Fatal(err)
	}
	made, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	committed, err := os.ReadFile("../catalogue.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(made, committed) {
		t.Error("pricing/catalogue.json is not up to date: run go generate ./pricing")
	}
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
