package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/generic-corp/halfpenny/router/model"
)

// files are the recorded outcomes, in the order in which they are read.
var files = []string{"mmlu_pair.jsonl", "gsm8k_pair.jsonl", "zeroeval_multi.jsonl", "mmlupro_multi.jsonl"}

// example is a prompt with the outcome of every model that was asked.
type example struct {
	id, suite, group, file string
	text                   string
	size                   int // characters of the prompt
	grams                  []uint16
	pairs                  []uint32
	stats                  [model.Stats]float32
	kind                   int
	outcomes               []outcome // by model
}

type outcome struct {
	model int // its place among the data's names
	right bool
	chars int // of the answer; 0: not recorded
}

// data is all that was recorded.
type data struct {
	names    []string // of models, as model.Name spells them, sorted
	place    map[string]int
	examples []*example
}

// row is a line of a file of outcomes: shared/routing/README.md.
type row struct {
	ID, Suite, Group, Prompt string
	Outcomes                 map[string]json.RawMessage
}

func load(dir string) (*data, error) {
	d := &data{place: map[string]int{}}
	var rows []row
	var from []string
	for _, name := range files {
		read, err := readRows(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		rows = append(rows, read...)
		for range read {
			from = append(from, name)
		}
	}
	for i := range rows {
		for id := range rows[i].Outcomes {
			if name := model.Name(id); !slices.Contains(d.names, name) {
				d.names = append(d.names, name)
			}
		}
	}
	slices.Sort(d.names)
	for i, name := range d.names {
		d.place[name] = i
	}
	for i := range rows {
		x, err := d.example(&rows[i])
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", from[i], rows[i].ID, err)
		}
		x.file = from[i]
		d.examples = append(d.examples, x)
	}
	return d, nil
}

func readRows(path string) ([]row, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var rows []row
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for n := 1; lines.Scan(); n++ {
		var r row
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		rows = append(rows, r)
	}
	return rows, lines.Err()
}

func (d *data) example(r *row) (*example, error) {
	x := &example{id: r.ID, suite: r.Suite, group: r.Group, text: r.Prompt, size: len([]rune(r.Prompt)), kind: kindOf(r)}
	var t model.Task
	t.Read([]byte(r.Prompt))
	grams, pairs, stats := t.Features()
	x.grams, x.pairs = slices.Clone(grams), slices.Clone(pairs)
	copy(x.stats[:], stats)
	for _, id := range slices.Sorted(maps.Keys(r.Outcomes)) { // two spellings of one name keep their order
		o, err := readOutcome(r.Outcomes[id])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
		o.model = d.place[model.Name(id)]
		x.outcomes = append(x.outcomes, o)
	}
	slices.SortStableFunc(x.outcomes, func(a, b outcome) int { return a.model - b.model })
	return x, nil
}

// readOutcome reads {"score": s} or [s, characters].
func readOutcome(raw json.RawMessage) (outcome, error) {
	var pair struct{ Score float64 }
	if raw[0] == '{' {
		err := json.Unmarshal(raw, &pair)
		return outcome{right: pair.Score >= 0.5}, err
	}
	var multi [2]float64
	err := json.Unmarshal(raw, &multi)
	return outcome{right: multi[0] >= 0.5, chars: int(multi[1])}, err
}

// Kinds of task, in the order of the model's.
const (
	reasoning = 1
	code      = 2
)

// kinds are the groups that do not ask for knowledge.
var kinds = map[string]int{
	"gsm": reasoning, "gsm8k": reasoning, "crux": code, "math": reasoning, "physics": reasoning, "engineering": reasoning, "chemistry": reasoning,
	"abstract_algebra": reasoning, "college_mathematics": reasoning, "college_physics": reasoning, "conceptual_physics": reasoning,
	"elementary_mathematics": reasoning, "high_school_mathematics": reasoning, "high_school_physics": reasoning, "high_school_statistics": reasoning,
	"formal_logic": reasoning, "econometrics": reasoning, "electrical_engineering": reasoning, "college_chemistry": reasoning, "high_school_chemistry": reasoning,
	"college_computer_science": code, "high_school_computer_science": code, "machine_learning": code, "computer_security": code, "computer science": code,
}

func kindOf(r *row) int { return kinds[r.Group] }
