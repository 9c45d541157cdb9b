package router

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/generic-corp/halfpenny/llm"
)

// order moves the eligible options to the front, the best first, and returns those.
func (c *choice) order() []option {
	options := c.decision.options
	eligible := 0
	for i := range options {
		if options[i].reason == llm.ReasonNone {
			options[eligible], options[i] = options[i], options[eligible]
			eligible++
		}
	}
	options = options[:eligible]
	slices.SortFunc(options, compare)
	c.take(options)
	return options
}

// compare orders by: not cooling, place of the name, no translation, preference,
// provider.sort, priced, cost, own provider, capability, name.
func compare(a, b option) int {
	if d := rivals(&a, &b); d != 0 {
		return d
	}
	if d := cmp.Compare(b.chance, a.chance); d != 0 {
		return d
	}
	if d := cmp.Compare(a.node.target.ID, b.node.target.ID); d != 0 {
		return d
	}
	return cmp.Compare(a.node.target.Account.Name, b.node.target.Account.Name)
}

// rivals is 0 where nothing that matters to the caller tells a and b apart.
func rivals(a, b *option) int {
	if d := truth(a.cooling) - truth(b.cooling); d != 0 {
		return d
	}
	if d := int(a.group) - int(b.group); d != 0 {
		return d
	}
	if d := truth(a.translated) - truth(b.translated); d != 0 {
		return d
	}
	if d := int(a.preference - b.preference); d != 0 {
		return d
	}
	if d := cmp.Compare(a.metric, b.metric); d != 0 {
		return d
	}
	if d := cmp.Compare(a.payable(), b.payable()); d != 0 {
		return d
	}
	return truth(b.node.own) - truth(a.node.own)
}

// payable is the cost, with what has no price behind everything that has.
func (o *option) payable() llm.Money {
	if o.price == nil {
		return math.MaxInt64
	}
	return o.cost
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// probeEvery is how often, in rounds of turns, a slow account is used all the same, to
// see whether it still is.
const probeEvery = 8

// take chooses among accounts that are equal in everything: the one with the fewest
// calls in flight for its weight; where that is equal, one that answers in less than
// half of the time; and where that does not tell them apart either, in turn by weight.
func (c *choice) take(options []option) {
	ties, total := 0, uint64(0)
	for i := range options {
		o := &options[i]
		if o.node.target.ID != options[0].node.target.ID || rivals(o, &options[0]) != 0 {
			break
		}
		ties++
		total += weight(o)
	}
	if ties < 2 {
		return
	}
	turn := c.table.turn.Load()
	if !c.query.Dry {
		turn = c.table.turn.Add(1) - 1
	}
	best, probe := turnOf(options[:ties], turn%total), turn/total%probeEvery == probeEvery-1
	for i := range ties {
		if lighter(&options[i], &options[best], probe) {
			best = i
		}
	}
	rotate(options[:best+1])
}

// turnOf is whose turn it is, out of as many turns as the weights of all.
func turnOf(options []option, turn uint64) int {
	for i := range options {
		w := weight(&options[i])
		if turn < w {
			return i
		}
		turn -= w
	}
	return 0
}

// lighter reports whether a is to be preferred to b, whose turn it is. A probe does not
// look at how fast they are.
func lighter(a, b *option, probe bool) bool {
	x, y := a.node.access.health, b.node.access.health
	if d := cmp.Compare(uint64(x.flying.Load())*weight(b), uint64(y.flying.Load())*weight(a)); d != 0 || probe {
		return d < 0
	}
	fast, slow := x.firstByte.Load(), y.firstByte.Load()
	return fast > 0 && fast < slow/2
}

func weight(o *option) uint64 { return uint64(max(1, o.node.target.Account.Weight)) }

// rotate moves the last option to the front.
func rotate(options []option) {
	last := options[len(options)-1]
	copy(options[1:], options)
	options[0] = last
}

// choose turns the eligible options into candidates.
func (c *choice) choose(options []option) {
	first := c.claim(options)
	for i := range options {
		o := &options[i]
		x, sent := o.node.access, o.node.target.Sent
		candidate := Candidate{Target: &o.node.target, Capability: o.chance, Reason: o.natural, Input: o.input, Output: c.expected(o.node.target.Model),
			Cooling: o.cooling, access: x, key: first}
		switch {
		case i > 0:
			candidate.key = x.next(c.query.Now, x.health.model(sent), o.input, false)
			candidate.Reason = llm.ReasonFallback
		case len(options) == 1 && o.natural == llm.ReasonCheapestCapable:
			candidate.Reason = llm.ReasonOnlyCandidate
		}
		candidate.Secret = x.secrets[candidate.key]
		if o.cooling {
			candidate.Opens, candidate.Pending = x.opens(c.query.Now, sent, o.input)
		}
		if o.price != nil {
			candidate.Cost, candidate.Rates = llm.Known(o.cost), o.price.Rates
		}
		c.decision.Candidates = append(c.decision.Candidates, candidate)
	}
	c.decision.MaxWait = c.maxWait()
}

// maxWait is how long the call may wait: as long as the request says, within what the
// tenant states.
func (c *choice) maxWait() time.Duration {
	asked, stated := c.query.MaxWait, c.policy.MaxWaitMs
	switch {
	case stated == nil && !asked.Valid:
		return c.table.options.MaxWait
	case stated == nil:
		return asked.Duration
	}
	most := time.Duration(*stated) * time.Millisecond
	if asked.Valid {
		most = min(most, asked.Duration)
	}
	return most
}

// claim finds the API key for the first option, and takes its turn. Where a cool-down
// has just ended it takes the trial call as well; an option whose trial another call
// has is as good as cooling, and goes behind the others.
func (c *choice) claim(options []option) (key int) {
	now := c.query.Now
	for {
		first := options[0]
		x, sent := first.node.access, first.node.target.Sent
		if first.cooling || c.query.Dry {
			return x.next(now, x.health.model(sent), first.input, !c.query.Dry)
		}
		if key, ok := x.claim(now, sent, first.input); ok {
			return key
		}
		first.cooling = true
		copy(options, options[1:])
		options[len(options)-1] = first
	}
}

// account lists the chosen target, then the other candidates, then what was
// rejected, and counts what is beyond the list.
func (c *choice) account(eligible int) {
	d := c.decision
	d.Considered = make([]llm.Considered, 0, min(len(d.options), maxConsidered))
	for i := range d.options {
		o := &d.options[i]
		reason := o.reason
		switch {
		case i == 0:
			reason = d.Candidates[0].Reason
		case i < eligible && o.cooling:
			reason = llm.ReasonCooling
		case i < eligible:
			reason = llm.ReasonDearer
		}
		if i >= maxConsidered {
			c.counts[reason]++
			continue
		}
		if o.price == nil {
			c.price(o)
		}
		n := o.node
		listed := llm.Considered{Provider: n.target.Account.Name, Model: n.target.ID, Capability: o.chance, Reason: reason}
		if o.price != nil {
			listed.Cost = llm.Known(o.cost)
		}
		d.Considered = append(d.Considered, listed)
	}
	kinds := 0
	for _, count := range c.counts {
		kinds += min(count, 1)
	}
	d.Rejected = make([]llm.Rejection, 0, kinds)
	for reason, count := range c.counts {
		if count > 0 {
			d.Rejected = append(d.Rejected, llm.Rejection{Reason: llm.Reason(reason), Count: count})
		}
	}
}
