package router

import (
	"cmp"
	"slices"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/provider"
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
	fields   provider.FieldSet // that the request carries, out of those that some provider documents
	foreign  bool              // it carries one that nobody documents
	tiered   bool              // it asks for a service tier
	picky    bool              // the caller or the tenant prefers some providers
	exact    bool              // the name that is being weighed has a provider's prefix
	counts   [reasons]int      // targets that are not listed, by reason
	named    *pricing.Model    // the model that the request names; nil: auto, or unknown
	stayed   *node             // the target that a tool chain stays at, which is among the options; nil: none
	outlook  *outlook          // what the prompt asks of models; nil: it has not been read
}

// Decide orders the targets that may serve q, the best first, into d, whose memory
// it uses again. It returns an error as the caller is to see it if there is none.
func (t *Table) Decide(q *Query, d *Decision) *llm.Error {
	*d = Decision{Candidates: d.Candidates[:0], options: d.options[:0]}
	c := choice{table: t, query: q, decision: d, policy: routing(q.Policy)}
	err := c.decide()
	c.forget()
	return err
}

func (c *choice) decide() *llm.Error {
	c.bounds()
	c.ask()
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
	c.picky = len(q.Order) > 0 || len(c.policy.PreferredProviders) > 0
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
	if group == 1 {
		c.named = w.model
		c.stay(w)
	}
	if w.auto {
		c.auto(w, group)
		return
	}
	if w.prefixed {
		c.decision.Mode = llm.ModePinned
	}
	why := c.fixed(w, group)
	if why == llm.ReasonNone {
		c.foresee()
	}
	named := c.hosts(w, group)
	if group > 1 {
		return
	}
	others := max(0, len(c.table.nodes)-len(w.nodes)) // a name that the catalogue does not know has nodes of its own
	if c.stayed != nil {
		others--
	}
	switch {
	case why != llm.ReasonNone:
		c.counts[why] += others
	case named == nil:
		c.counts[llm.ReasonOtherModel] += others
	default:
		c.substitute(w, named, others)
	}
}

// hosts weighs the targets of a name and returns the cheapest that is eligible; nil:
// there is none.
func (c *choice) hosts(w *wish, group int8) *option {
	from := len(c.decision.options)
	own := c.ownOnly(w)
	c.exact = w.prefixed
	sure := false
	for _, n := range w.nodes {
		o := c.weigh(n, false)
		o.group, o.natural = group, c.natural(w, group)
		if own && !n.own && o.reason == llm.ReasonNone {
			o.reason = llm.ReasonPreference
		}
		sure = sure || o.sure && o.reason == llm.ReasonNone
		c.decision.options = append(c.decision.options, o)
	}
	weighed := c.decision.options[from:]
	if sure {
		doubt(weighed)
	}
	return cheapest(weighed)
}

// stay keeps a tool chain at the target that has begun it, where the router chose that.
func (c *choice) stay(w *wish) {
	last := &c.query.Last
	if !c.query.Needs.ToolChain || last.Model == "" || w.prefixed || c.decision.Mode != llm.ModeOptimize && !w.auto {
		return
	}
	for _, x := range c.table.accesses {
		n := x.names[last.Model]
		if x.account.Name != last.Account || n == nil || n.target.Model == w.model {
			continue
		}
		o := c.weigh(n, true)
		o.natural, c.stayed = llm.ReasonConversation, n
		c.decision.options = append(c.decision.options, o)
	}
}

// fixed is why a model that was named is not substituted; ReasonNone: it may be.
func (c *choice) fixed(w *wish, group int8) llm.Reason {
	switch {
	case group > 1, c.decision.Mode == llm.ModePinned, c.query.Endpoint != llm.EndpointChat, c.table.bar(w.model) < 0:
		return llm.ReasonOtherModel
	case c.query.Needs.ToolChain:
		return llm.ReasonToolChain
	case c.fields.Has("reasoning_effort"): // the evidence is of each model's default effort
		return llm.ReasonNoEvidence
	}
	return llm.ReasonNone
}

// natural is why a target of a name is chosen, if it is.
func (c *choice) natural(w *wish, group int8) llm.Reason {
	switch {
	case group > 1:
		return llm.ReasonFallback
	case w.auto:
		return llm.ReasonCheapestCapable
	case w.prefixed || c.decision.Mode == llm.ModePinned:
		return llm.ReasonPinned
	}
	return llm.ReasonNamed
}

// doubt rejects the hosts that may drop a field of the request, where another of the
// model's is known not to.
func doubt(options []option) {
	for i := range options {
		if o := &options[i]; o.reason == llm.ReasonNone && !o.sure {
			o.reason = llm.ReasonParameter
		}
	}
}

// ownOnly reports whether only the model's own provider may serve: in mode pinned,
// if it is configured.
func (c *choice) ownOnly(w *wish) bool {
	return c.decision.Mode == llm.ModePinned && !w.auto && !w.prefixed && slices.ContainsFunc(w.nodes, func(n *node) bool { return n.own })
}

// auto weighs targets that have evidence: the likeliest to answer right until one is
// eligible, then the cheapest of those that reach its share, which is the floor. Only
// where no target with evidence is eligible, those without are weighed, and all that
// are eligible stay.
func (c *choice) auto(w *wish, group int8) {
	t, d := c.table, c.decision
	c.foresee()
	clear(c.outlook.weighed)
	from := len(d.options)
	best, roomy := c.best(w, group)
	floor := max(c.query.Floor, cmp.Or(w.floor, c.floor))
	least := best * floor
	d.Bar.Floor = floor
	c.capable(d.options[from:], least, roomy)
	c.bid(least, w, group)
	if best > 0 {
		c.pass(t.plain, llm.ReasonNoEvidence)
	} else {
		for _, n := range t.plain {
			c.bring(n, w, group)
		}
	}
	c.counts[llm.ReasonDialect] += t.deaf
	c.counts[llm.ReasonNoEvidence] += t.unknown
	c.counts[llm.ReasonUnpriced] += t.free
}

// best weighs the targets with evidence, the likeliest to answer right first, up to
// the first model of which one is eligible and has room to answer, and returns its
// chance. Where only thinking models without room are eligible, it is the chance of
// the first of those, and everything has been weighed.
func (c *choice) best(w *wish, group int8) (best float64, roomy bool) {
	t := c.table
	for i := c.outlook.likeliest(t.subjects); i >= 0; i = c.outlook.likeliest(t.subjects) {
		for _, n := range t.subjects[i].nodes {
			if o := c.bring(n, w, group); o.reason == llm.ReasonNone {
				best, roomy = max(best, o.chance), roomy || !c.cramped(n.target.Model)
			}
		}
		if chance := c.outlook.chances[i]; roomy || best == chance {
			c.decision.Bar = Bar{Model: t.subjects[i].model.ID, Chance: chance}
		}
		if roomy {
			return c.decision.Bar.Chance, true
		}
	}
	return best, false
}

// enough is how many candidates of auto are looked for.
const enough = maxConsidered

// bid weighs the other targets with evidence that reach the least chance, the cheapest
// first, until there are candidates enough and nothing that is left can be cheaper
// than they are.
func (c *choice) bid(least float64, w *wish, group int8) {
	t, d := c.table, c.decision
	var good rivalry
	for i := range d.options {
		good.add(&d.options[i], group)
	}
	byPrice := c.query.Sort == "" || c.query.Sort == "price"
	for i := range t.cheap {
		s := &t.cheap[i]
		switch {
		case c.outlook.weighed[s.node.subject], s.node == c.stayed:
			continue
		case c.chance(s.node) < least, c.cramped(s.model):
			c.pass(s.node.only[:], llm.ReasonNotCapable)
			continue
		case byPrice && good.enough(t) && c.least(s) >= good.dearest && (!c.picky || c.preference(s.node.access) >= good.preference):
			c.pass(s.node.only[:], llm.ReasonDearer)
			continue
		}
		o := c.bring(s.node, w, group)
		good.add(&o, group)
	}
}

// rivalry is what must be beaten to be among the first candidates.
type rivalry struct {
	count      int
	dearest    llm.Money
	preference int32 // the worst
	account    *access
	several    bool // they are at several accounts
}

func (r *rivalry) add(o *option, group int8) {
	if o.reason != llm.ReasonNone || o.group != group || o.price == nil || o.cooling || o.translated {
		return
	}
	r.several = r.several || r.account != nil && r.account != o.node.access
	r.count, r.account = r.count+1, o.node.access
	r.dearest, r.preference = max(r.dearest, o.cost), max(r.preference, o.preference)
}

// enough reports whether there are candidates to fail over to, also if one account fails.
func (r *rivalry) enough(t *Table) bool {
	return r.count >= enough && (r.several || len(t.accesses) == 1)
}

// bring weighs a target that was not named, and enters it among the options, unless it
// is there already.
func (c *choice) bring(n *node, w *wish, group int8) option {
	if n == c.stayed {
		return c.decision.options[0]
	}
	o := c.weigh(n, true)
	o.group, o.natural = group, c.natural(w, group)
	c.decision.options = append(c.decision.options, o)
	return o
}

// capable rejects what is below the least capability, and where a model without
// thoughts has room to answer, thinking models that have not.
func (c *choice) capable(options []option, least float64, roomy bool) {
	for i := range options {
		if o := &options[i]; o.reason == llm.ReasonNone && (o.chance < least || roomy && c.cramped(o.node.target.Model)) {
			o.reason = llm.ReasonNotCapable
		}
	}
}

// pass rejects targets for a reason without weighing them. The first of them are
// listed while the list is short, and the others only counted.
func (c *choice) pass(nodes []*node, reason llm.Reason) {
	listed := min(len(nodes), max(0, maxConsidered-len(c.decision.options)))
	for _, n := range nodes[:listed] {
		c.decision.options = append(c.decision.options, option{node: n, reason: reason, chance: c.chance(n)})
	}
	c.counts[reason] += len(nodes) - listed
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
// the first choice; in mode observe it is only noted. others are the targets that
// the name does not mean. The cheapest are weighed first, so that most are passed
// over by their lowest price alone.
func (c *choice) substitute(w *wish, named *option, others int) {
	t, d := c.table, c.decision
	d.Bar = Bar{Model: w.model.ID, Chance: c.outlook.chances[t.bar(w.model)], Floor: c.floor}
	served, floor := named.cost, c.floor*d.Bar.Chance
	best := -1
	skilled := 0 // targets with evidence, of other models
	for i := range t.cheap {
		s := &t.cheap[i]
		if s.model == w.model {
			continue
		}
		skilled++
		if c.chance(s.node) < floor {
			c.counts[llm.ReasonNotCapable]++
			continue
		}
		least := c.least(s)
		if least >= served {
			c.counts[llm.ReasonDearer]++
			continue
		}
		if best >= 0 && least >= d.options[best].cost && (!c.picky || c.preference(s.node.access) >= d.options[best].preference) {
			c.pass(s.node.only[:], llm.ReasonDearer)
			continue
		}
		o := c.substituted(s.node)
		if o.reason == llm.ReasonNone && o.cost >= served {
			o.reason = llm.ReasonDearer
		}
		d.options = append(d.options, o)
		if o.reason == llm.ReasonNone && (best < 0 || better(&o, &d.options[best])) {
			best = len(d.options) - 1
		}
	}
	c.counts[llm.ReasonNoEvidence] += others - skilled
	c.settle(w, best, served)
}

// least is what the request costs at least at a target.
func (c *choice) least(s *offer) llm.Money {
	if c.query.Tier != "" || c.table.options.Terms != nil {
		return 0 // the lower bound is of the price list's default tier
	}
	input := c.tokensAt(s.node)
	return s.least(input-c.cached(s.node, input), c.expected(s.model))
}

// substituted weighs a target as a substitute.
func (c *choice) substituted(n *node) option {
	o := c.weigh(n, true)
	o.natural = llm.ReasonSubstituted
	switch {
	case o.reason != llm.ReasonNone:
	case o.price == nil:
		o.reason = llm.ReasonUnpriced
	case c.cramped(n.target.Model):
		o.reason = llm.ReasonNotCapable
	case o.cooling:
		o.reason = llm.ReasonCooling
	case o.translated:
		o.reason = llm.ReasonDialect
	}
	return o
}

// better reports whether a is the better substitute.
func better(a, b *option) bool {
	return cmp.Or(cmp.Compare(a.preference, b.preference), cmp.Compare(a.cost, b.cost), cmp.Compare(b.chance, a.chance)) < 0
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
		case d.Mode == llm.ModeObserve || c.query.Holdout:
			o.reason = llm.ReasonOtherModel
			d.Substitution = &llm.Substitution{Provider: o.node.target.Account.Name, Model: o.node.target.ID, Cost: o.cost, Savings: served - o.cost}
			c.withhold()
		}
	}
}

// withhold gives the holdout as the reason why the named model serves.
func (c *choice) withhold() {
	for i := range c.decision.options {
		if o := &c.decision.options[i]; c.decision.Mode == llm.ModeOptimize && o.natural == llm.ReasonNamed {
			o.natural = llm.ReasonHoldout
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
	if rates, ok := host.Rates(c.query.Now, "", c.tokens("", c.table.family(m))); ok {
		d.BaselineKind, d.BaselineName, d.BaselineRates = kind, m.ID, rates
	}
}
