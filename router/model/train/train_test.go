package main

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/generic-corp/halfpenny/router/model"
)

// outcomes is the folder of recorded outcomes. Without it the test is skipped; in CI it fails.
func outcomes(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(cmp.Or(os.Getenv("HALFPENNY_SHARED"), "../../../../shared"), "routing")
	if _, err := os.Stat(filepath.Join(dir, files[0])); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("the recorded outcomes are not here: %v", err)
	}
	return dir
}

func TestTrainingGivesTheArtefactThatShips(t *testing.T) {
	if raceEnabled {
		t.Skip("training takes minutes under the race detector; CI runs this test without it")
	}
	d, err := load(outcomes(t))
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("../router.model")
	if err != nil {
		t.Fatal(err)
	}
	got := d.artefact()
	if !bytes.Equal(got, want) {
		t.Error("make router-model gives another artefact")
	}
	m, err := model.Parse(got)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range d.names {
		if _, ok := m.Subject(name); !ok {
			t.Errorf("%s was trained and is not known", name)
		}
	}
}

// The metrics are those of the scorer that everybody can run.
func TestPairGainIsTheScorers(t *testing.T) {
	dir := outcomes(t)
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("python3 is not here")
	}
	rows, err := readRows(filepath.Join(dir, "gsm8k_pair.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	scores, right := make([]float64, len(rows)), [2][]bool{}
	csv := bytes.NewBufferString("id,score\n")
	for i := range rows {
		scores[i] = float64(hash(rows[i].Prompt, 40)) + float64(len(rows[i].Prompt))/10 // ties among them
		fmt.Fprintf(csv, "%s,%v\n", rows[i].ID, scores[i])
		for k, name := range []string{"gpt-4-1106-preview", "mixtral-8x7b-instruct-v0.1"} {
			o, err := readOutcome(rows[i].Outcomes[name])
			if err != nil {
				t.Fatal(err)
			}
			right[k] = append(right[k], o.right)
		}
	}
	predictions := filepath.Join(t.TempDir(), "predictions.csv")
	if err := os.WriteFile(predictions, csv.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), python, filepath.Join(dir, "score.py"), "pair", filepath.Join(dir, "gsm8k_pair.jsonl"), predictions).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	g := pairGain(scores, right[0], right[1])
	for name, got := range map[string]float64{"APGR": g.apgr, "CPT50": g.cpt50, "CPT80": g.cpt80} {
		found := regexp.MustCompile(`bins= 10 .*?\b` + name + `=([-0-9.]+)`).FindSubmatch(out)
		if found == nil {
			t.Fatalf("no %s in %s", name, out)
		}
		if want, err := strconv.ParseFloat(string(found[1]), 64); err != nil || math.Abs(got-want) > 0.0001 {
			t.Errorf("%s is %.4f, the scorer has %s", name, got, found[1])
		}
	}
}

func TestCalibrationAndAreaUnder(t *testing.T) {
	right := []bool{true, false, true, true}
	if got := calibration(right, []float64{0.75, 0.75, 0.75, 0.75}); math.Abs(got) > 1e-9 {
		t.Errorf("well calibrated chances have an error of %v", got)
	}
	if got := calibration(right, []float64{1, 1, 1, 1}); math.Abs(got-0.25) > 1e-9 {
		t.Errorf("an error of %v, want 0.25", got)
	}
	if got := areaUnder(right, []float64{0.9, 0.1, 0.5, 0.5}); got != 1 {
		t.Errorf("the area under a perfect order is %v", got)
	}
	if got := areaUnder(right, []float64{0.5, 0.5, 0.5, 0.5}); got != 0.5 {
		t.Errorf("the area under no order is %v", got)
	}
}
