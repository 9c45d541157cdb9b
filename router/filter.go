package router

import (
	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/provider"
	"github.com/generic-corp/halfpenny/router/habits"
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
	input      int64          // tokens of the prompt; 0: not estimated yet
	chance     float64        // to answer right; 0: unknown
	metric     int64          // what provider.sort orders by, less is better
	preference int32          // position among the providers that the caller or the tenant prefers
	reason     llm.Reason     // why it is rejected; ReasonNone: eligible
	natural    llm.Reason     // why it is chosen, if it is
	group      int8           // order of what was asked for: 0 a substitute, 1 the named model, 2 its first fallback, …
	cooling    bool
	translated bool
	sure       bool // it is known to honour every field that was sent, or answers for itself
}

// Stages of the filter, in order. When nothing is eligible, the target that came
// furthest says why.
var stages = [...]int8{
	llm.ReasonTestOnly: 1, llm.ReasonNotAllowed: 2, llm.ReasonRegion: 3, llm.ReasonPreference: 4, llm.ReasonDialect: 5,
	llm.ReasonModality: 6, llm.ReasonTools: 6, llm.ReasonStructured: 6, llm.ReasonParameter: 7,
	llm.ReasonContext: 8, llm.ReasonUnpriced: 9, llm.ReasonMaxCost: 10,
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
	o := option{node: n, chance: c.chance(n)}
	q, m := c.query, n.target.Model
	dialect := q.Dialect
	if !q.Passes {
		dialect = n.target.Account.Adapter.Dialect(q.Endpoint, n.target.Sent, q.Dialect)
	}
	// Its maker's own interface is the best one to a model, whatever it speaks. What is
	// documented of fields is of OpenAI's chat: others reach their own kind as they are.
	native := dialect == q.Dialect && dialect != llm.DialectOpenAI || q.Endpoint != llm.EndpointChat
	o.translated = dialect != q.Dialect && !n.own
	switch {
	case q.Test != n.target.Account.Simulated && (q.Test || c.table.real):
		o.reason = llm.ReasonTestOnly
	case !c.table.allowed(n, c.policy):
		o.reason = llm.ReasonNotAllowed
	case !located(n, c.policy):
		o.reason = llm.ReasonRegion
	case len(q.Only) > 0 && !n.access.calledAny(q.Only):
		o.reason = llm.ReasonPreference
	case !c.speaks(dialect), !suits(m, q.Endpoint):
		o.reason = llm.ReasonDialect
	default:
		o.sure = native || !strict && dialect == q.Dialect && c.answers(n) || c.honours(n)
		refused := !native && c.refuses(n) || native && strict && c.fields.Overlaps(&n.declined)
		if o.reason = lacks(m, &q.Needs); o.reason == llm.ReasonNone && (refused || strict && !o.sure) {
			o.reason = llm.ReasonParameter
		}
	}
	if o.reason == llm.ReasonNone {
		if o.input = c.tokensAt(n); !c.fits(&o, strict) {
			o.reason = llm.ReasonContext
		}
	}
	if o.reason == llm.ReasonNone {
		c.price(&o)
		o.reason = c.affords(&o)
	}
	c.rank(&o)
	return o
}

func (c *choice) speaks(upstream llm.Dialect) bool {
	q := c.query
	return int(q.Endpoint) < llm.Endpoints && int(upstream) < llm.Dialects && int(q.Dialect) < llm.Dialects &&
		c.table.translate[q.Endpoint][q.Dialect][upstream]
}

// suits reports whether a model is for an endpoint. A conversation is tried with any
// model that is named for one.
func suits(m *pricing.Model, e llm.Endpoint) bool {
	switch {
	case m == nil:
		return true
	case e == llm.EndpointEmbeddings:
		return m.Use == "embedding"
	case e == llm.EndpointCompletions:
		return m.Use == "completion" || m.Chat
	case e == llm.EndpointImages:
		return m.Use == "image"
	case e == llm.EndpointSpeech:
		return m.Use == "speech"
	case e == llm.EndpointTranscriptions, e == llm.EndpointTranslations:
		return m.Use == "transcription"
	case e == llm.EndpointModerations:
		return m.Use == "moderation"
	}
	return true
}

// lacks names the first ability that the request needs and the model has not. Of a
// model that nobody has verified the abilities are not known.
func lacks(m *pricing.Model, needs *Needs) llm.Reason {
	switch {
	case m == nil || m.Unverified:
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

// ask notes which fields the request carries.
func (c *choice) ask() {
	for _, field := range c.query.Fields {
		c.note(field)
	}
}

func (c *choice) note(field string) {
	switch field {
	case "model", "models", "messages", "stream", "stream_options", "provider": // read by the gateway, or by everyone
		return
	case "service_tier":
		c.tiered = true
	case provider.FieldResponseFormat:
		switch needs := &c.query.Needs; {
		case needs.JSONSchema:
			field = provider.FieldJSONSchema
		case needs.JSONObject:
			field = provider.FieldJSONObject
		}
	}
	if !c.fields.Add(field) {
		c.foreign = true
	}
}

// answers reports whether the target's provider answers for itself what it makes of
// a field that it does not document, which reaches it untranslated: it made the model,
// it was named, or the model is the operator's own.
func (c *choice) answers(n *node) bool { return n.own || c.exact || n.target.Model == nil }

// refuses reports whether a field of the request is known to have no effect there,
// or to be answered with an error.
func (c *choice) refuses(n *node) bool {
	return c.fields.Overlaps(&n.refused) || c.foreign && n.closed
}

// honours reports whether the target is known to honour every field of the request.
func (c *choice) honours(n *node) bool {
	return !c.foreign && c.fields.Within(&n.honoured) && (!c.tiered || c.sells(n))
}

// sells reports whether the target has a price for the service tier of the request.
func (c *choice) sells(n *node) bool {
	if n.host == nil || c.query.Tier == "" {
		return false
	}
	p := n.host.Price(c.query.Now, c.query.Tier, c.tokensAt(n))
	return p != nil && p.Tier == c.query.Tier
}

// takes reports whether the target is known to honour one field of the request.
func (c *choice) takes(n *node, field string) bool {
	one := choice{query: c.query}
	one.note(field)
	return !one.refuses(n) && one.honours(n)
}

// tokens is the estimate of the prompt, as Prompt.Tokens has it.
func (c *choice) tokens(counted string, family *pricing.Profile) int64 {
	if c.query.Prompt != nil {
		return c.query.Prompt.Tokens(counted, family)
	}
	return c.query.InputTokens
}

func (c *choice) tokensAt(n *node) int64 { return c.tokens(n.target.Counted, n.target.Family) }

// fits reports whether the prompt fits the context window, and for a model that was
// not named the answer too. An estimate a tenth above the limit of the named model proves nothing.
func (c *choice) fits(o *option, strict bool) bool {
	q, n := c.query, o.node
	prompt := o.input
	if !strict {
		prompt -= prompt / 10
	}
	switch {
	case n.context > 0 && prompt > n.context, n.maxInput > 0 && prompt > n.maxInput:
		return false
	case !strict:
		return true
	}
	room := q.MaxOutput
	if room == 0 {
		room = expected(n.target.Model, 0, 1)
	}
	return (n.maxOutput == 0 || q.MaxOutput <= n.maxOutput) && (n.context == 0 || prompt <= n.context-min(room, n.context))
}

// price estimates the cost: the prompt, less what is expected to be read from the
// provider's cache, and the expected output.
func (c *choice) price(o *option) {
	q, target := c.query, &o.node.target
	m := target.Model
	if o.input == 0 {
		o.input = c.tokensAt(o.node)
	}
	if o.node.host != nil {
		o.price = o.node.host.Price(q.Now, q.Tier, o.input)
	}
	o.price = c.table.options.Terms.Apply(q.Tenant, target.Account.Name, target.Account.Kind, target.ID, o.price)
	if o.price == nil {
		return
	}
	cached := c.cached(o.node, o.input)
	usage := llm.Usage{Input: o.input - cached, CacheRead: cached, Output: c.expected(m)}
	o.cost = o.price.Bill(&usage)
}

// expected is the number of tokens that a model is expected to write.
func (c *choice) expected(m *pricing.Model) int64 {
	if c.query.Endpoint == llm.EndpointEmbeddings {
		return 0
	}
	if m != nil {
		if h, ok := c.habit(m.ID); ok && h.Output > 0 {
			return atMost(h.Output, c.query.MaxOutput) * choices(c.query.Choices)
		}
	}
	return expected(m, c.query.MaxOutput, c.query.Choices)
}

// habit is what the tenant's own traffic has taught of a model.
func (c *choice) habit(id string) (habits.Habit, bool) {
	if c.query.Habits == nil {
		return habits.Habit{}, false
	}
	return c.query.Habits.Of(id)
}

// leastCached is the length in tokens from which on providers cache what a prompt
// begins with: https://platform.openai.com/docs/guides/prompt-caching.
const leastCached = 1024

// cached is how many of a prompt's tokens a target is expected to read from its cache:
// of a running conversation what was said before, where it was said, unless the tenant
// has never seen that model's cache in use; of any other the tenant's usual share.
func (c *choice) cached(n *node, input int64) int64 {
	q := c.query
	h, known := c.habit(n.target.ID)
	share := h.CacheShare
	if q.Needs.Conversation {
		switch before := float64(input) * q.Said; {
		case !c.served(n) || before < leastCached:
			return 0
		case !known || share > 0:
			share = max(share, q.Said)
		}
	}
	return int64(share * float64(input))
}

// served reports whether a target has given the conversation's last answer: it is
// remembered, or else taken to be the model that was named.
func (c *choice) served(n *node) bool {
	if last := &c.query.Last; last.Model != "" {
		return n.target.ID == last.Model && n.target.Account.Name == last.Account
	}
	return c.named != nil && n.target.Model == c.named
}

// expected is the number of tokens that a model is expected to write, where room and n
// are max_tokens and n of the request; 0: not stated.
func expected(m *pricing.Model, room, n int64) int64 {
	tokens := int64(typicalOutput)
	if m != nil && m.Reasoning {
		tokens += typicalThoughts
	}
	return atMost(tokens, room) * choices(n)
}

// atMost bounds tokens by the room that the request states; 0: none.
func atMost(tokens, room int64) int64 {
	if room > 0 {
		return min(tokens, room)
	}
	return tokens
}

// choices is n of the request within the API's bounds.
func choices(n int64) int64 { return min(max(n, 1), 128) }

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
	o.cooling = x.condition(q.Now, o.node.target.Sent, o.input) == Cooling
	o.preference = c.preference(x)
	switch q.Sort {
	case "latency":
		o.metric = x.health.latency()
	case "throughput":
		o.metric = -x.health.throughput()
	}
}

// preference is the account's place among the providers that the caller, and within
// that the tenant, prefers; less is better.
func (c *choice) preference(x *access) int32 {
	if !c.picky {
		return 0
	}
	order := c.query.Order
	place := 2 * len(order)
	for i, name := range order {
		if x.called(name) {
			place = 2 * i
			break
		}
	}
	if !x.calledAny(c.policy.PreferredProviders) {
		place++
	}
	return int32(place)
}

// cramped reports whether a thinking model has too little room for an answer.
func (c *choice) cramped(m *pricing.Model) bool {
	return m != nil && m.Reasoning && c.query.MaxOutput > 0 && c.query.MaxOutput < thinkingRoom
}
