package main

import (
	"math"
	"math/rand/v2"

	"github.com/generic-corp/halfpenny/router/model"
)

// settings are what training is tuned by.
type settings struct {
	epochs   int
	rate     float64            // of AdaGrad
	decay    float64            // L2 of the weights of words and statistics
	pull     float64            // of models' vectors towards their mean
	weights  map[string]float64 // of one outcome, by file
	kindLoss float64
}

var usual = settings{
	epochs: 14, rate: 0.08, decay: 0.0006, pull: 0.02, kindLoss: 0.1,
	weights: map[string]float64{"mmlu_pair.jsonl": 1, "gsm8k_pair.jsonl": 1, "zeroeval_multi.jsonl": 0.12, "mmlupro_multi.jsonl": 0.05},
}

// weights are the parameters in the making, with the sums of squared gradients that
// AdaGrad (Duchi, Hazan and Singer 2011) divides by.
type weights struct {
	settings
	grams, gramsSum []float32 // model.Buckets rows of model.Width
	stats, statsSum [model.Stats][model.Width]float32
	bias, biasSum   [model.Width]float32
	mean, deviation [model.Stats]float32
	prior, priorSum []float64
	v, vSum         [][model.Rank]float64
	seen            []int // outcomes by model
}

// train fits the weights to the examples. It is deterministic: one goroutine, in an order of its own.
func train(examples []*example, names int, s settings) *weights {
	w := &weights{settings: s, grams: make([]float32, model.Buckets*model.Width), gramsSum: make([]float32, model.Buckets*model.Width),
		prior: make([]float64, names), priorSum: make([]float64, names), v: make([][model.Rank]float64, names), vSum: make([][model.Rank]float64, names), seen: make([]int, names)}
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same order each time is the point
	w.begin(examples, random)
	order := make([]int, len(examples))
	for i := range order {
		order[i] = i
	}
	for range s.epochs {
		random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, i := range order {
			w.learn(examples[i])
		}
	}
	return w
}

// begin sets priors to the models' log odds, vectors to a shared difficulty and small
// differences, and finds the scale of each statistic.
func (w *weights) begin(examples []*example, random *rand.Rand) {
	right := make([]float64, len(w.seen))
	var sum, squares [model.Stats]float64
	for _, x := range examples {
		for _, o := range x.outcomes {
			w.seen[o.model]++
			if o.right {
				right[o.model]++
			}
		}
		for i, v := range x.stats {
			sum[i] += float64(v)
			squares[i] += float64(v) * float64(v)
		}
	}
	n := float64(len(examples))
	for i := range sum {
		mean := sum[i] / n
		w.mean[i] = float32(mean)
		w.deviation[i] = float32(math.Max(math.Sqrt(math.Max(squares[i]/n-mean*mean, 0)), 1e-3))
	}
	for m := range w.prior {
		w.prior[m] = logit((right[m] + 1) / (float64(w.seen[m]) + 2))
		for k := range w.v[m] {
			w.v[m][k] = 0.3 * random.NormFloat64()
		}
		w.v[m][0] = 1
	}
}

func logit(p float64) float64 { return math.Log(p / (1 - p)) }

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// forward is what the weights make of an example.
func (w *weights) forward(x *example) (out [model.Width]float64) {
	scale := 1 / math.Sqrt(float64(max(len(x.grams), 1)))
	for _, g := range x.grams {
		row := w.grams[int(g)*model.Width:][:model.Width]
		for k := range out {
			out[k] += float64(row[k])
		}
	}
	for k := range out {
		out[k] = out[k]*scale + float64(w.bias[k])
	}
	for i := range x.stats {
		s := w.standard(x, i)
		for k := range out {
			out[k] += float64(w.stats[i][k]) * s
		}
	}
	return out
}

func (w *weights) standard(x *example, i int) float64 {
	return math.Min(math.Max(float64((x.stats[i]-w.mean[i])/w.deviation[i]), -3), 3)
}

// learn takes one step against the gradient of an example's loss.
func (w *weights) learn(x *example) {
	out := w.forward(x)
	var back [model.Width]float64
	weight := w.weights[x.file]
	for _, o := range x.outcomes {
		v, z := &w.v[o.model], 0.0
		for k := range v {
			z += v[k] * out[k]
		}
		miss := sigmoid(w.prior[o.model] + z)
		if o.right {
			miss--
		}
		miss *= weight
		step(&w.prior[o.model], &w.priorSum[o.model], miss, 0.3*w.rate)
		for k := range v {
			back[k] += miss * v[k]
			home := 0.0
			if k == 0 {
				home = 1
			}
			step(&v[k], &w.vSum[o.model][k], miss*out[k]+w.pull*weight*(v[k]-home), 0.5*w.rate)
		}
	}
	w.tellKinds(x, &out, &back)
	w.descend(x, &back)
}

// tellKinds adds the gradient of the kind of task (cross entropy).
func (w *weights) tellKinds(x *example, out, back *[model.Width]float64) {
	sum := 0.0
	for k := model.Rank; k < model.Width; k++ {
		sum += math.Exp(out[k])
	}
	for k := range model.Kinds {
		p := math.Exp(out[model.Rank+k]) / sum
		if k == x.kind {
			p--
		}
		back[model.Rank+k] = p * w.kindLoss
	}
}

func (w *weights) descend(x *example, back *[model.Width]float64) {
	scale := float32(1 / math.Sqrt(float64(max(len(x.grams), 1))))
	rate, decay := float32(w.rate), float32(w.decay)
	for _, g := range x.grams {
		at := int(g) * model.Width
		for k, b := range back {
			step32(&w.grams[at+k], &w.gramsSum[at+k], float32(b)*scale+decay*w.grams[at+k], rate)
		}
	}
	for i := range x.stats {
		s := float32(w.standard(x, i))
		for k, b := range back {
			step32(&w.stats[i][k], &w.statsSum[i][k], float32(b)*s+decay*w.stats[i][k], rate)
		}
	}
	for k, b := range back {
		step32(&w.bias[k], &w.biasSum[k], float32(b), rate)
	}
}

func step(p, sum *float64, gradient, rate float64) {
	*sum += gradient * gradient
	*p -= rate * gradient / (1e-2 + math.Sqrt(*sum))
}

func step32(p, sum *float32, gradient, rate float32) {
	*sum += gradient * gradient
	*p -= rate * gradient / (1e-2 + float32(math.Sqrt(float64(*sum))))
}

// parameters puts the weights into the form that ships.
func (w *weights) parameters(names []string, examples []*example) *model.Parameters {
	p := &model.Parameters{Grams: make([]int8, len(w.grams)), Known: known(examples), Bias: w.bias, Stats: w.stats, Mean: w.mean, Deviation: w.deviation, Cover: cover}
	for k := range model.Width {
		top := float32(0)
		for i := k; i < len(w.grams); i += model.Width {
			top = max(top, w.grams[i], -w.grams[i])
		}
		p.Scale[k] = max(top, 1e-6) / 127
	}
	for i, v := range w.grams {
		p.Grams[i] = int8(math.Round(float64(v / p.Scale[i%model.Width])))
	}
	for m, name := range names {
		if w.seen[m] == 0 {
			continue
		}
		t := model.Trained{Name: name, Prior: float32(w.prior[m])}
		for k, v := range w.v[m] {
			t.V[k] = float32(v)
		}
		p.Subjects = append(p.Subjects, t)
	}
	lines(p)
	return p
}

// cover are the shares of known pairs of words between which coverage goes from 0 to 1.
var cover = [2]float32{0.15, 0.5}

// known is the filter of the pairs of words that several examples have.
func known(examples []*example) []byte {
	counts := make([]uint8, model.KnownBits)
	for _, x := range examples {
		for _, p := range x.pairs {
			if c := &counts[p%model.KnownBits]; *c < 255 {
				*c++
			}
		}
	}
	filter := make([]byte, model.KnownBits/8)
	for bit, n := range counts {
		if n >= leastSeen {
			filter[bit/8] |= 1 << (bit % 8)
		}
	}
	return filter
}

const leastSeen = 2

// lines finds how a model's vector goes with its prior, and the range of priors.
func lines(p *model.Parameters) {
	n, sum := float64(len(p.Subjects)), 0.0
	p.Levels = [2]float32{math.MaxFloat32, -math.MaxFloat32}
	for _, t := range p.Subjects {
		sum += float64(t.Prior)
		p.Levels = [2]float32{min(p.Levels[0], t.Prior), max(p.Levels[1], t.Prior)}
	}
	mean := sum / n
	for k := range p.Slope {
		var my, sxx, sxy float64
		for _, t := range p.Subjects {
			my += float64(t.V[k]) / n
		}
		for _, t := range p.Subjects {
			dx := float64(t.Prior) - mean
			sxx += dx * dx
			sxy += dx * (float64(t.V[k]) - my)
		}
		slope := sxy / math.Max(sxx, 1e-9)
		p.Slope[k] = [2]float32{float32(my - slope*mean), float32(slope)}
	}
	p.Line = [2]float32{1, 1}
}
