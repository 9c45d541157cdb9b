package router

import (
	"cmp"
	"slices"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/tenancy"
)

// maxConsidered is how many candidates a decision lists; the rest are counted.
const maxConsidered = 10

// defaultFloor is the quality floor where nobody states one.
const defaultFloor = 0.95

// reasons is more than the number of reasons there are.
const reasons = 64

// choice is one decision in the making.
type choice struct {
	table    *Table
	query    *Query
	decision *Decision
	policy   *tenancy.RoutingPolicy
	floor    float64
	maxCost  llm.NullMoney
	counts   [reasons]int // targets that are not listed, by reason
}

// Decide orders the targets that may serve q, the best first, into d, whose memory
// it uses again. It returns an error as the caller is to see it if there is none.
func (t *Table) Decide(q *Query, d *Decision) *llm.Error {
	*d = Decision{Candidates: d.Candidates[:0], options: d.options[:0]}
	c := choice{table: t, query: q, decision: d, policy: routing(q.Policy)}
	c.bounds()
	first, err := c.gather()
	if err != nil {
		return err
	}
	eligible := c.order()
	if len(eligible) == 0 {
		return c.refusal(&first)
	}
	c.baseline(&first)
	c.choose(eligible)
	c.account(len(eligible))
	return nil
}

// bounds settles mode, floor and limit: a request narrows what its tenant allows.
func (c *choice) bounds() {
	q, d := c.query, c.decision
	d.Mode = q.Mode
	if d.Mode == llm.ModeDefault {
		d.Mode, _ = llm.ParseMode(c.policy.Mode)
	}
	d.Mode = cmp.Or(d.Mode, c.table.options.DefaultMode, llm.ModeOptimize)
	c.floor = max(q.Floor, cmp.Or(c.policy.QualityFloor, c.table.options.Floor, defaultFloor))
	c.maxCost = c.policy.MaxCostUSD
	if q.MaxCost.Valid && (!c.maxCost.Valid || q.MaxCost.Money < c.maxCost.Money) {
		c.maxCost = q.MaxCost
	}
}

// gather weighs all targets that the request's names allow, and returns what the
// first of them asks for. Names that mean nothing are passed over if another does.
func (c *choice) gather() (first wish, err *llm.Error) {
	q := c.query
	found := false
	for i := -1; i < min(len(q.Models), 100); i++ {
		name := q.Model
		if i >= 0 {
			name = q.Models[i]
		}
		if name == "" || i >= 0 && name == q.Model {
			continue
		}
		w, ok := c.table.resolve(q, name)
		switch {
		case !ok && err == nil:
			err = c.unknown(w.name)
		case ok:
			c.wish(&w, int8(i+2))
			if !found {
				first, found = w, true
			}
		}
	}
	switch {
	case found:
		return first, nil
	case err == nil:
		err = llm.Invalid("model", "The field 'model' is missing.")
	}
	return first, err
}

// wish weighs the targets of one name. group is its place among the names, from 1.
func (c *choice) wish(w *wish, group int8) {
	from := len(c.decision.options)
	own := c.ownOnly(w)
	for _, n := range w.nodes {
		o := c.weigh(n, w.auto)
		o.group, o.natural = group, llm.ReasonNamed
		if own && !n.own && o.reason == llm.ReasonNone {
			o.reason = llm.ReasonPreference
		}
		switch {
		case group > 1:
			o.natural = llm.ReasonFallback
		case w.auto:
			o.natural = llm.ReasonCheapestCapable
		case w.prefixed || c.decision.Mode == llm.ModePinned:
			o.natural = llm.ReasonPinned
		}
		c.decision.options = append(c.decision.options, o)
	}
	weighed := c.decision.options[from:]
	switch {
	case w.auto:
		c.capable(weighed, w)
	case w.prefixed:
		c.decision.Mode = llm.ModePinned
	case group == 1 && c.decision.Mode != llm.ModePinned:
		c.substitute(w, cheapest(weighed))
	}
	if !w.auto && group == 1 && (w.prefixed || c.decision.Mode == llm.ModePinned) {
		c.counts[llm.ReasonOtherModel] += max(0, len(c.table.nodes)-len(w.nodes)) // a name that the catalogue does not know has nodes of its own
	}
}

// ownOnly reports whether only the model's own provider may serve: in mode pinned,
// if it is configured.
func (c *choice) ownOnly(w *wish) bool {
	return c.decision.Mode == llm.ModePinned && !w.auto && !w.prefixed && slices.ContainsFunc(w.nodes, func(n *node) bool { return n.own })
}

// capable rejects what is not capable of the request: below the floor, as a share
// of the best that is eligible, or without evidence. Where there is no evidence at
// all, every target stays.
func (c *choice) capable(options []option, w *wish) {
	floor := max(c.query.Floor, cmp.Or(w.floor, c.floor))
	best, roomy := 0.0, false
	for i := range options {
		if o := &options[i]; o.reason == llm.ReasonNone && evidence(o.node) > 0 {
			if room := !c.cramped(o.node.target.Model); room == roomy {
				best = max(best, evidence(o.node))
			} else if room {
				best, roomy = evidence(o.node), true
			}
		}
	}
	if best == 0 {
		return
	}
	for i := range options {
		o := &options[i]
		switch skill := evidence(o.node); {
		case o.reason != llm.ReasonNone:
		case skill == 0:
			o.reason = llm.ReasonNoEvidence
		case skill < floor*best || roomy && c.cramped(o.node.target.Model):
			o.reason = llm.ReasonNotCapable
		}
	}
}

// evidence is the capability that a model may be chosen for; 0: none is known.
func evidence(n *node) float64 {
	if m := n.target.Model; m != nil && !m.Indirect {
		return m.Capability
	}
	return 0
}

// cheapest returns the cheapest eligible option that has a price; nil if there is none.
func cheapest(options []option) (best *option) {
	for i := range options {
		o := &options[i]
		if o.reason == llm.ReasonNone && o.price != nil && (best == nil || best.cooling && !o.cooling || best.cooling == o.cooling && o.cost < best.cost) {
			best = o
		}
	}
	return best
}

// substitute looks for a cheaper model that is predicted to be as capable as the
// named one, which costs what the option named does. In mode optimize it becomes
// the first choice; in mode observe it is only noted.
func (c *choice) substitute(w *wish, named *option) {
	t, d := c.table, c.decision
	others := max(0, len(t.nodes)-len(w.nodes))
	switch needs := &c.query.Needs; {
	case named == nil || w.model == nil || w.model.Capability == 0:
		c.counts[llm.ReasonOtherModel] += others
		return
	case needs.ToolChain || needs.Conversation:
		c.counts[llm.ReasonToolChain] += others
		return
	}
	c.counts[llm.ReasonNoEvidence] += len(t.nodes) - len(t.skilled)
	served, floor := named.cost, c.floor*w.model.Capability
	best := -1
	for i, n := range t.skilled {
		if n.target.Model.Capability < floor {
			c.counts[llm.ReasonNotCapable] += len(t.skilled) - i
			break
		}
		if n.target.Model == w.model {
			continue
		}
		o, ok := c.cheaper(n, served)
		if !ok {
			c.counts[llm.ReasonDearer]++
			continue
		}
		d.options = append(d.options, o)
		if o.reason == llm.ReasonNone && (best < 0 || better(&o, &d.options[best])) {
			best = len(d.options) - 1
		}
	}
	c.settle(w, best, served)
}

// cheaper weighs a target as a substitute; ok is false if it is not cheaper. The
// price is looked at first, because it rules out most.
func (c *choice) cheaper(n *node, than llm.Money) (o option, ok bool) {
	probe := option{node: n}
	if c.price(&probe); probe.price == nil || probe.cost >= than {
		return probe, false
	}
	o = c.weigh(n, true)
	o.natural = llm.ReasonSubstituted
	switch {
	case o.reason != llm.ReasonNone:
	case c.cramped(n.target.Model):
		o.reason = llm.ReasonNotCapable
	case o.cooling:
		o.reason = llm.ReasonCooling
	case o.translated:
		o.reason = llm.ReasonDialect
	}
	return o, true
}

// better reports whether a is the better substitute.
func better(a, b *option) bool {
	return cmp.Or(cmp.Compare(a.preference, b.preference), cmp.Compare(a.cost, b.cost)) < 0
}

// settle keeps the best substitute (an index into the options; -1: none) and
// rejects the others. The failover of a substitute is the model that was named.
func (c *choice) settle(w *wish, best int, served llm.Money) {
	d := c.decision
	for i := range d.options {
		o := &d.options[i]
		if o.natural != llm.ReasonSubstituted || o.reason != llm.ReasonNone {
			continue
		}
		switch {
		case i != best:
			o.reason = llm.ReasonDearer
		case d.Mode == llm.ModeObserve:
			o.reason = llm.ReasonOtherModel
			d.Substitution = &llm.Substitution{Provider: o.node.target.Account.Name, Model: o.node.target.ID, Cost: o.cost, Savings: served - o.cost}
		}
	}
}

// baseline finds what the cost is compared with: the named model's list price at
// its owner, or for auto the configured or the usual model's.
func (c *choice) baseline(w *wish) {
	t := c.table
	if !w.auto {
		if w.model == nil {
			return
		}
		host := w.model.Host(w.model.Owner)
		if host == nil && w.prefixed {
			host = w.nodes[0].host
		}
		c.compare(llm.BaselineNamed, w.model, host)
		return
	}
	kind, name := llm.BaselineConfigured, t.options.BaselineModel
	if name == "" {
		kind, name = llm.BaselineHabit, c.query.HabitModel
	}
	m := t.catalogue.Lookup(name)
	if m == nil {
		if w, ok := t.resolve(c.query, name); ok {
			m = w.model
		}
	}
	if m == nil {
		return
	}
	c.compare(kind, m, &m.Hosts[0])
}

func (c *choice) compare(kind llm.BaselineKind, m *pricing.Model, host *pricing.Host) {
	if host == nil {
		return
	}
	d := c.decision
	if rates, ok := host.Rates(c.query.Now, "", c.query.InputTokens); ok {
		d.BaselineKind, d.BaselineName, d.BaselineRates = kind, m.ID, rates
	}
}
