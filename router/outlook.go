package router

import (
	"math"
	"sync"

	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/router/model"
)

// subject is a model of the catalogue whose capability something is known of.
type subject struct {
	model *pricing.Model
	head  model.Subject
	prior float64 // P(right) where nothing is known of the prompt
	nodes []*node // that may be chosen for their capability; none: the model is only compared with
}

// outlook is how likely each subject of a table is to answer a prompt right. Its
// memory is used again.
type outlook struct {
	task    model.Task
	text    []byte
	chances []float64 // by subject
	weighed []bool    // by subject: its targets are among the options
}

var outlooks = sync.Pool{New: func() any { return new(outlook) }}

// foresee reads the prompt and predicts what each subject makes of it, once.
func (c *choice) foresee() {
	if c.outlook != nil {
		return
	}
	t, o := c.table, outlooks.Get().(*outlook)
	c.outlook = o
	if len(o.chances) != len(t.subjects) {
		o.chances, o.weighed = make([]float64, len(t.subjects)), make([]bool, len(t.subjects))
	}
	difficulty := t.options.Difficulty
	if difficulty != nil {
		o.text = o.text[:0]
		if p := c.query.Prompt; p != nil {
			o.text = p.Text(o.text)
		}
		difficulty.Read(&o.task, o.text)
		c.decision.Read, c.decision.Coverage = true, o.task.Coverage()
	}
	for i := range t.subjects {
		s := &t.subjects[i]
		o.chances[i] = s.prior
		if difficulty != nil {
			o.chances[i] = o.task.Chance(&s.head)
		}
		if h, ok := c.habit(s.model.ID); ok && h.Bias != 0 {
			o.chances[i] = shift(o.chances[i], h.Bias)
		}
	}
}

// longestKept is the capacity in bytes up to which a text's memory is kept for later prompts.
const longestKept = 256 << 10

// forget gives the memory of the prediction back.
func (c *choice) forget() {
	if o := c.outlook; o != nil {
		if cap(o.text) > longestKept {
			o.text = nil
		}
		outlooks.Put(o)
	}
}

// shift adds to the log odds of p.
func shift(p, logits float64) float64 {
	if p <= 0 || p >= 1 {
		return p
	}
	return 1 / (1 + (1-p)/p*math.Exp(-logits))
}

// chance is how likely a target is to answer the prompt right, as far as that is
// known: before the prompt was read, on the whole; 0: nothing is known of its model.
func (c *choice) chance(n *node) float64 {
	if c.outlook == nil || n.subject < 0 {
		return n.skill
	}
	return c.outlook.chances[n.subject]
}

// likeliest returns the subject that is the likeliest to answer right of those that
// have not been weighed, and marks it; -1: there is none left.
func (o *outlook) likeliest(subjects []subject) int {
	best := -1
	for i := range subjects {
		if !o.weighed[i] && len(subjects[i].nodes) > 0 && (best < 0 || o.chances[i] > o.chances[best]) {
			best = i
		}
	}
	if best >= 0 {
		o.weighed[best] = true
	}
	return best
}
