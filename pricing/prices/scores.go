package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/generic-corp/halfpenny/pricing"
)

// board is one benchmark: a score in per cent for each row.
type board struct {
	origin string
	score  map[string]float64
	date   map[string]string
}

// scores are both benchmarks and the line that puts Aider's on LiveBench's scale.
type scores struct {
	live, aider      board
	slope, intercept float64
	anchors          int
}

func readScores(livePath, aiderPath string) (*scores, error) {
	s := new(scores)
	var err error
	if s.live, err = readLiveBench(livePath); err != nil {
		return nil, fmt.Errorf("cannot read LiveBench: %w", err)
	}
	if s.aider, err = readAider(aiderPath); err != nil {
		return nil, fmt.Errorf("cannot read Aider: %w", err)
	}
	return s, nil
}

var liveDate = regexp.MustCompile(`\d{4}_\d{2}_\d{2}`)

// readLiveBench averages the tasks of each category, then the categories, as the
// leaderboard does. A row without all its tasks has no score.
func readLiveBench(path string) (board, error) {
	date := liveDate.FindString(filepath.Base(path))
	raw, err := os.ReadFile(filepath.Join(filepath.Dir(path), "livebench_categories_"+date+".json"))
	if err != nil {
		return board{}, err
	}
	var categories map[string][]string
	if err := json.Unmarshal(raw, &categories); err != nil {
		return board{}, err
	}
	file, err := os.Open(path)
	if err != nil {
		return board{}, err
	}
	defer file.Close()
	table := csv.NewReader(file)
	table.FieldsPerRecord = -1 // rows of models that were not run to the end are short
	rows, err := table.ReadAll()
	if err != nil {
		return board{}, err
	}
	date = strings.ReplaceAll(date, "_", "-")
	b := board{origin: "LiveBench " + date + " (livebench.ai): scores, cited", score: map[string]float64{}, date: map[string]string{}}
	for _, row := range rows[1:] {
		tasks := map[string]string{}
		for i, score := range row[:min(len(row), len(rows[0]))] {
			tasks[rows[0][i]] = score
		}
		if mean, ok := meanOfMeans(categories, tasks); ok {
			b.score[row[0]], b.date[row[0]] = mean, date
		}
	}
	return b, nil
}

func meanOfMeans(categories map[string][]string, tasks map[string]string) (float64, bool) {
	var sum float64
	for _, names := range categories {
		var part float64
		for _, name := range names {
			score, err := strconv.ParseFloat(tasks[name], 64)
			if err != nil {
				return 0, false
			}
			part += score
		}
		sum += part / float64(len(names))
	}
	return sum / float64(len(categories)), true
}

func readAider(path string) (board, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return board{}, err
	}
	var runs []struct {
		Model string  `yaml:"model"`
		Pass  float64 `yaml:"pass_rate_2"`
		Date  string  `yaml:"date"`
	}
	if err := yaml.Unmarshal(raw, &runs); err != nil {
		return board{}, err
	}
	b := board{origin: "Aider polyglot leaderboard (aider.chat, Apache-2.0): pass rates", score: map[string]float64{}, date: map[string]string{}}
	for _, run := range runs {
		b.score[run.Model], b.date[run.Model] = run.Pass, run.Date
	}
	return b, nil
}

// tie fits the line through the anchors by least squares.
func (s *scores) tie(anchors []anchor) error {
	var n, sx, sy, sxx, sxy float64
	for _, a := range anchors {
		x, okX := s.aider.score[a.Aider]
		y, okY := s.live.score[a.LiveBench]
		if !okX || !okY {
			return fmt.Errorf("anchor %q, %q is not measured", a.LiveBench, a.Aider)
		}
		n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	if n < 6 {
		return fmt.Errorf("%v anchors are too few", n)
	}
	s.anchors = int(n)
	s.slope = (n*sxy - sx*sy) / (n*sxx - sx*sx)
	s.intercept = (sy - s.slope*sx) / n
	return nil
}

// rate fills in the capability, if there is evidence.
func (s *scores) rate(m *listed, f *pricing.FileModel) error {
	switch {
	case m.LiveBench != "":
		score, ok := s.live.score[m.LiveBench]
		if !ok {
			return fmt.Errorf("no score of %q in LiveBench", m.LiveBench)
		}
		f.Capability = percent(score)
		f.Evidence = fmt.Sprintf("LiveBench %s, mean of categories, %s", s.live.date[m.LiveBench], m.LiveBench)
	case m.Aider != "":
		score, ok := s.aider.score[m.Aider]
		if !ok {
			return fmt.Errorf("no score of %q in Aider", m.Aider)
		}
		f.Capability, f.Indirect = percent(s.intercept+s.slope*score), true
		f.Evidence = fmt.Sprintf("Aider polyglot %s, %s: %.1f %%, put on LiveBench's scale by the line through %d models that both measured",
			s.aider.date[m.Aider], m.Aider, score, s.anchors)
	}
	return nil
}

// percent turns a score into 0..1 with four digits.
func percent(score float64) float64 { return math.Round(score*100) / 10000 }
