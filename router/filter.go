package router

import (
	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing"
)

// What a call is expected to write where nothing more is known, in tokens: the
// cost that targets are compared by. A model that thinks first is billed for its
// thoughts. max_tokens, where stated, is the upper bound.
const (
	typicalOutput   = 300
	typicalThoughts = 700
	// thinkingRoom is the least max_tokens at which a thinking model is taken for one
	// that was not named: with less, its thoughts may leave nothing for the answer.
	thinkingRoom = 1000
)

// option is one target of a decision, weighed.
type option struct {
	node       *node
	price      *pricing.Price // in force now; nil: unpriced, or not looked up yet
	cost       llm.Money      // estimated; meaningless if unpriced
	reason     llm.Reason     // why it is rejected; ReasonNone: eligible
	group      int8           // order of what was asked for: 0 a substitute, 1 the named model, 2 its first fallback, …
	natural    llm.Reason     // why it is chosen, if it is
	cooling    bool
	translated bool
	preference int   // position among the providers that the caller or the tenant prefers
	metric     int64 // what provider.sort orders by, less is better
}

// Stages of the filter, in order. When nothing is eligible, the target that came
// furthest says why.
var stages = [...]int8{
	llm.ReasonTestOnly: 1, llm.ReasonNotAllowed: 2, llm.ReasonPreference: 3, llm.ReasonDialect: 4,
	llm.ReasonModality: 5, llm.ReasonTools: 5, llm.ReasonStructured: 5, llm.ReasonParameter: 6,
	llm.ReasonContext: 7, llm.ReasonUnpriced: 8, llm.ReasonMaxCost: 9,
}

func stage(r llm.Reason) int8 {
	if int(r) < len(stages) {
		return stages[r]
	}
	return 0
}

// weigh prices a target, or says why it is not eligible. A target that was not
// named (strict) must fit for certain, while the model that was named is given the
// benefit of the doubt: its own provider answers for itself.
func (c *choice) weigh(n *node, strict bool) option {
	o := option{node: n}
	q, m := c.query, n.target.Model
	dialect := n.target.Account.Adapter.Dialect(q.Endpoint)
	o.translated = dialect != q.Dialect
	switch {
	case q.Test != n.target.Account.Simulated && (q.Test || c.table.real):
		o.reason = llm.ReasonTestOnly
	case !c.table.allowed(n, c.policy):
		o.reason = llm.ReasonNotAllowed
	case len(q.Only) > 0 && !n.access.calledAny(q.Only):
		o.reason = llm.ReasonPreference
	case !c.speaks(dialect):
		o.reason = llm.ReasonDialect
	default:
		if o.reason = lacks(m, &q.Needs); o.reason == llm.ReasonNone && !c.accepts(n, strict) {
			o.reason = llm.ReasonParameter
		}
	}
	if o.reason == llm.ReasonNone && !c.fits(n, strict) {
		o.reason = llm.ReasonContext
	}
	if o.reason == llm.ReasonNone {
		c.price(&o)
		o.reason = c.affords(&o)
	}
	c.rank(&o)
	return o
}

func (c *choice) speaks(upstream llm.Dialect) bool {
	t := &c.table.translate
	return upstream != llm.DialectNone && int(upstream) < len(t) && int(c.query.Dialect) < len(t) && t[c.query.Dialect][upstream]
}

// lacks names the first ability that the request needs and the model has not.
func lacks(m *pricing.Model, needs *Needs) llm.Reason {
	switch {
	case m == nil:
		return llm.ReasonNone
	case needs.Input&^m.Input != 0 || needs.Output&^m.Output != 0:
		return llm.ReasonModality
	case needs.Tools && !m.Tools:
		return llm.ReasonTools
	case needs.JSONSchema && !m.JSONSchema, needs.JSONObject && !m.JSONObject && !m.JSONSchema:
		return llm.ReasonStructured
	}
	return llm.ReasonNone
}

// accepts reports whether model and provider take every field that was sent.
func (c *choice) accepts(n *node, strict bool) bool {
	for _, field := range c.query.Fields {
		if c.accept(n, field, strict) {
			continue
		}
		if c.decision.param == "" {
			c.decision.param = field
		}
		return false
	}
	return true
}

func (c *choice) accept(n *node, field string, strict bool) bool {
	switch field {
	case "model", "models", "messages", "stream", "stream_options", "provider":
		return true // read by the gateway, or by everyone
	}
	if n.filter != nil && !n.filter.Accepts(c.query.Endpoint, field) {
		return false
	}
	m := n.target.Model
	if m == nil {
		return true
	}
	if strict && field == "reasoning_effort" && !m.Reasoning {
		return false
	}
	for _, refused := range m.Refuses {
		if refused == field {
			return false
		}
	}
	return true
}

// fits reports whether the prompt fits the context window, and for a model that was
// not named the answer too. An estimate a tenth above the limit of the named model proves nothing.
func (c *choice) fits(n *node, strict bool) bool {
	q := c.query
	prompt := q.InputTokens
	if !strict {
		prompt -= prompt / 10
	}
	switch {
	case n.context > 0 && prompt > n.context, n.maxInput > 0 && prompt > n.maxInput:
		return false
	case !strict:
		return true
	}
	return (n.maxOutput == 0 || q.MaxOutput <= n.maxOutput) && (n.context == 0 || prompt <= n.context-min(q.MaxOutput, n.context))
}

// price estimates the cost: the prompt as uncached input, and the expected output.
func (c *choice) price(o *option) {
	if o.node.host == nil {
		return
	}
	q := c.query
	if o.price = o.node.host.Price(q.Now, "", q.InputTokens); o.price == nil {
		return
	}
	usage := llm.Usage{Input: q.InputTokens, Output: c.expected(o.node.target.Model)}
	o.cost = o.price.Rates.Cost(&usage)
}

// expected is the number of tokens that the model is expected to write.
func (c *choice) expected(m *pricing.Model) int64 {
	tokens := int64(typicalOutput)
	if m != nil && m.Reasoning {
		tokens += typicalThoughts
	}
	if c.query.MaxOutput > 0 {
		tokens = min(tokens, c.query.MaxOutput)
	}
	return tokens * min(max(c.query.Choices, 1), 128)
}

// affords checks what the call may cost.
func (c *choice) affords(o *option) llm.Reason {
	q := c.query
	limited := c.maxCost.Valid || q.MaxPrompt > 0 || q.MaxOutPrice > 0
	switch {
	case o.price == nil && (limited || c.policy.Unpriced == "refuse"):
		return llm.ReasonUnpriced
	case o.price == nil:
		return llm.ReasonNone
	case c.maxCost.Valid && o.cost > c.maxCost.Money,
		q.MaxPrompt > 0 && o.price.Rates.Input > q.MaxPrompt,
		q.MaxOutPrice > 0 && o.price.Rates.Output > q.MaxOutPrice:
		return llm.ReasonMaxCost
	}
	return llm.ReasonNone
}

// rank notes what the order goes by beside the cost.
func (c *choice) rank(o *option) {
	q, x := c.query, o.node.access
	o.cooling = x.condition(q.Now) == Cooling
	o.preference = 2 * len(q.Order)
	for i, name := range q.Order {
		if x.called(name) {
			o.preference = 2 * i
			break
		}
	}
	if !x.calledAny(c.policy.PreferredProviders) {
		o.preference++
	}
	switch q.Sort {
	case "latency":
		o.metric = x.health.latency()
	case "throughput":
		o.metric = -x.health.throughput()
	}
}

// cramped reports whether a thinking model has too little room for an answer.
func (c *choice) cramped(m *pricing.Model) bool {
	return m != nil && m.Reasoning && c.query.MaxOutput > 0 && c.query.MaxOutput < thinkingRoom
}
