package main

import (
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"slices"

	"github.com/generic-corp/halfpenny/router/model"
)

// prediction is what a model that has not seen an example makes of it.
type prediction struct {
	*example
	chances  []float64 // of outcomes, in their order
	coverage float64
}

// heldOut trains without the examples of each fold and predicts those.
func (d *data) heldOut(fold func(*example) int, folds int, s settings) []prediction {
	var all []prediction
	for f := range folds {
		var rest, test []*example
		for _, x := range d.examples {
			switch fold(x) {
			case f:
				test = append(test, x)
			case -1:
			default:
				rest = append(rest, x)
			}
		}
		all = append(all, d.predict(test, rest, s)...)
	}
	return all
}

func (d *data) predict(test, rest []*example, s settings) []prediction {
	m := model.New(train(rest, len(d.names), s).parameters(d.names, rest))
	all := make([]prediction, len(test))
	var t model.Task
	for i, x := range test {
		m.Read(&t, []byte(x.text))
		all[i] = prediction{x, make([]float64, len(x.outcomes)), t.Coverage()}
		for k, o := range x.outcomes {
			subject, _ := m.Subject(d.names[o.model])
			all[i].chances[k] = t.Chance(&subject)
		}
	}
	return all
}

// hash is a number of a text that does not depend on the program.
func hash(s string, n int) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s))
	return int(h.Sum32() % uint32(n))
}

// report writes what predictions are worth, file by file.
func (d *data) report(out io.Writer, name string, all []prediction) {
	for _, file := range files {
		var of []prediction
		for _, p := range all {
			if p.file == file {
				of = append(of, p)
			}
		}
		if len(of) == 0 {
			continue
		}
		if len(of[0].outcomes) == 2 {
			g, ece := d.pair(of)
			fmt.Fprintf(out, "%-22s %-22s n=%d APGR %.3f CPT50 %.1f CPT80 %.1f ECE %.3f coverage %.2f\n", name, file, g.n, g.apgr, g.cpt50, g.cpt80, ece, meanCoverage(of))
			continue
		}
		ece, auc := d.multi(of)
		fmt.Fprintf(out, "%-22s %-22s n=%d AUC %.3f ECE %.3f coverage %.2f\n", name, file, len(of), auc, ece, meanCoverage(of))
	}
}

func meanCoverage(all []prediction) (sum float64) {
	for _, p := range all {
		sum += p.coverage / float64(len(all))
	}
	return sum
}

// pair measures routing between the two models of a file, and how far their chances can be trusted.
func (d *data) pair(all []prediction) (gain, float64) {
	var score []float64
	right := [2][]bool{}
	chance := [2][]float64{}
	for _, p := range all {
		for k := range 2 {
			right[k] = append(right[k], p.outcomes[k].right)
			chance[k] = append(chance[k], p.chances[k])
		}
	}
	strong := 0
	if shareOf(right[1]) > shareOf(right[0]) {
		strong = 1
	}
	for i := range all {
		score = append(score, chance[strong][i]-chance[1-strong][i])
	}
	ece := (calibration(right[0], chance[0]) + calibration(right[1], chance[1])) / 2
	return pairGain(score, right[strong], right[1-strong]), ece
}

// multi is the mean over models of the calibration error and of the area under the ROC curve.
func (d *data) multi(all []prediction) (ece, auc float64) {
	right, chance := map[int][]bool{}, map[int][]float64{}
	for _, p := range all {
		for k, o := range p.outcomes {
			right[o.model] = append(right[o.model], o.right)
			chance[o.model] = append(chance[o.model], p.chances[k])
		}
	}
	for m := range d.names {
		if len(right[m]) == 0 {
			continue
		}
		ece += calibration(right[m], chance[m])
		auc += areaUnder(right[m], chance[m])
	}
	n := float64(len(right))
	return ece / n, auc / n
}

// areaUnder is the probability that a right answer has the higher chance of two.
func areaUnder(right []bool, p []float64) float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return sign(p[a] - p[b]) })
	ranks, hits := 0.0, 0.0
	for i := 0; i < len(order); {
		j := i
		for j+1 < len(order) && p[order[j+1]] == p[order[i]] {
			j++
		}
		for k := i; k <= j; k++ {
			if right[order[k]] {
				ranks += float64(i+j)/2 + 1
				hits++
			}
		}
		i = j + 1
	}
	misses := float64(len(p)) - hits
	if hits == 0 || misses == 0 {
		return math.NaN()
	}
	return (ranks - hits*(hits+1)/2) / (hits * misses)
}

// crossValidate writes the whole table.
func (d *data) crossValidate(out io.Writer, s settings) {
	d.report(out, "by prompt", d.heldOut(func(x *example) int { return hash(x.text, 5) }, 5, s))
	d.report(out, "by subject", d.heldOut(func(x *example) int { return hash(x.group, 5) }, 5, s))
	d.report(out, "suite left out", d.heldOut(func(x *example) int { return slices.Index(files, x.file) }, len(files), s))
	d.report(out, "GSM8K left out wholly", d.heldOut(func(x *example) int {
		switch {
		case x.file == "gsm8k_pair.jsonl":
			return 0
		case x.group == "gsm":
			return -1
		}
		return 1
	}, 1, s))
}
