package router

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/provider"
	"github.com/generic-corp/halfpenny/router/model"
	"github.com/generic-corp/halfpenny/tenancy"
)

// Table is what a configuration makes of the catalogue: which model is reached at
// which account. It never changes but for the count of turns, and is safe for
// concurrent use.
type Table struct {
	catalogue *pricing.Catalogue
	options   Options
	real      bool                      // an account is not simulated, so live keys keep to those
	accesses  []*access                 // in the order of the configuration
	prefixes  map[string][]*access      // by account name, else kind, else the kind's aliases
	nodes     []*node                   // one for each model at each account, by id
	subjects  []subject                 // the models whose capability something is known of
	bars      map[*pricing.Model]int    // their places among the subjects
	cheap     []offer                   // the targets whose models have evidence of their own, the cheapest first
	plain     []*node                   // those without evidence that auto may fall back to
	deaf      int                       // count of those that do not answer a conversation, which only their name chooses
	unknown   int                       // count of those that nothing is known of, likewise
	free      int                       // count of those that are given away, likewise: the limits and conditions of that are in no price list
	byName    map[string][]*node        // by every name without a prefix
	ids       []string                  // ids that are served, to name near ones
	foreign   map[string]*pricing.Model // while the table is built: names at hosts that mean several models of the catalogue; nil: also of this table
	turn      atomic.Uint64
	translate [llm.Endpoints][llm.Dialects][llm.Dialects]bool // from the caller's dialect to the provider's
}

// node is a target of the table with all that Decide asks of it.
type node struct {
	target    Target
	access    *access
	host      *pricing.Host     // nil: no price is known
	honoured  provider.FieldSet // fields that are known to have their effect
	declined  provider.FieldSet // fields that the model itself answers with an error
	refused   provider.FieldSet // fields that are known to have none, or to be answered with an error
	closed    bool              // fields that nobody knows have none
	own       bool              // the account is at the model's owner
	context   int64             // tokens, the host's limit; 0: unknown
	maxInput  int64
	maxOutput int64
	subject   int      // the model's place among the table's subjects; -1: nothing is known of it
	skill     float64  // the model's chance to answer right on the whole; 0: unknown
	only      [1]*node // the node itself, as a list
}

// offer is a target with the least that it can cost, to pass it over at a glance.
type offer struct {
	node   *node
	model  *pricing.Model
	input  llm.Rate // the lowest of its price list
	output llm.Rate
	usual  llm.Money // what a usual call costs at least
}

// NewTable builds the table of the accounts. Health, where given, is shared with
// earlier tables, so that what cools down goes on cooling. accounts is not changed
// and must not change from then on.
func NewTable(catalogue *pricing.Catalogue, accounts []*Account, options Options) *Table {
	if options.Health == nil {
		options.Health = NewHealth()
	}
	t := &Table{catalogue: catalogue, options: options, prefixes: map[string][]*access{}, byName: map[string][]*node{},
		bars: map[*pricing.Model]int{}, foreign: map[string]*pricing.Model{}}
	for _, a := range accounts {
		t.real = t.real || !a.Simulated
		x := newAccess(a, options.Health)
		t.accesses = append(t.accesses, x)
		t.serve(x)
	}
	t.prefix()
	t.settle()
	t.sort()
	for e := range t.translate {
		for from := range llm.Dialect(llm.Dialects) {
			for to := range llm.Dialect(llm.Dialects) {
				t.translate[e][from][to] = provider.NewTranslator(llm.Endpoint(e), from, to, provider.Call{}) != nil
			}
		}
	}
	return t
}

// serve adds the models of an account: those that are configured, else all that
// the catalogue lists for its kind.
func (t *Table) serve(x *access) {
	x.names = map[string]*node{}
	a := x.account
	if len(a.Models) == 0 {
		for _, m := range t.catalogue.Models() {
			if h := m.Host(a.Kind); h != nil {
				t.add(x, m, h, m.ID, h.Name)
			}
		}
		t.serveUnlisted(x)
		return
	}
	for id, sent := range a.Models {
		m := t.catalogue.LookupAt(a.Kind, id)
		if m == nil {
			m = t.catalogue.Lookup(id)
		}
		if m == nil {
			t.add(x, nil, nil, id, cmp.Or(sent, id))
			continue
		}
		h := m.Host(a.Kind)
		if sent == "" && h != nil {
			sent = h.Name
		}
		t.add(x, m, h, m.ID, cmp.Or(sent, id))
	}
}

// serveUnlisted makes the models reachable by name that a provider has and no price
// list knows. They are no choice for anything else.
func (t *Table) serveUnlisted(x *access) {
	kind, _ := provider.Lookup(x.account.Kind)
	for _, name := range kind.Unlisted {
		if x.names[name] == nil {
			n := t.unlisted(x, name)
			x.names[name], t.byName[name] = n, append(t.byName[name], n)
		}
	}
}

// add enters a target under all the names that mean it.
func (t *Table) add(x *access, m *pricing.Model, h *pricing.Host, id, sent string) {
	t.know(m)
	n := t.assess(newNode(x, m, h, id, sent))
	t.nodes = append(t.nodes, n)
	t.name(n, id)
	if m == nil {
		return
	}
	for _, name := range m.Names {
		t.name(n.snapshot(name), name)
	}
	for i := range m.Hosts {
		t.name(n, m.Hosts[i].Name)
	}
}

// name makes name mean n: behind a prefix where it is the account's own name for
// the model or known everywhere, without one only if it is known everywhere.
func (t *Table) name(n *node, name string) {
	known := n.target.Model == nil || t.catalogue.Lookup(name) == n.target.Model
	if n.access.names[name] != nil || !known && (n.host == nil || n.host.Name != name) {
		return
	}
	n.access.names[name] = n
	if known {
		t.byName[name] = append(t.byName[name], n)
	} else if other, seen := t.foreign[name]; !seen {
		t.foreign[name] = n.target.Model
	} else if other != n.target.Model {
		t.foreign[name] = nil
	}
}

// settle lets a name that hosts of the catalogue have given to different models mean
// the one that is served here, if there is one.
func (t *Table) settle() {
	for name, m := range t.foreign {
		if m != nil && t.byName[name] == nil {
			t.byName[name] = t.byName[m.ID]
		}
	}
	t.foreign = nil
}

func newNode(x *access, m *pricing.Model, h *pricing.Host, id, sent string) *node {
	n := &node{target: Target{Account: x.account, Model: m, ID: id, Sent: sent, Family: familyOf(x, m, id), Counted: x.account.Kind + "/" + id}, access: x, host: h, subject: -1}
	if m != nil {
		n.own = m.Owner == x.account.Kind
		n.context, n.maxInput, n.maxOutput = m.Context, m.MaxInput, m.MaxOutput
	}
	n.document()
	if h != nil {
		n.context = cmp.Or(h.Context, n.context)
		n.maxOutput = cmp.Or(h.MaxOutput, n.maxOutput)
	}
	n.only[0] = n
	return n
}

// familyOf is the family by whose tokens a model counts.
func familyOf(x *access, m *pricing.Model, id string) *pricing.Profile {
	if m != nil {
		return pricing.ProfileOf(m.ID, m.Owner)
	}
	return pricing.ProfileOf(id, x.account.Kind)
}

// family is familyOf for a model of the catalogue, which may not be served.
func (t *Table) family(m *pricing.Model) *pricing.Profile {
	if nodes := t.byName[m.ID]; len(nodes) > 0 {
		return nodes[0].target.Family
	}
	return pricing.ProfileOf(m.ID, m.Owner)
}

// document notes which fields the target honours: those of its provider, less those
// that its model does not take.
func (n *node) document() {
	var f provider.Fields
	if filter, ok := n.access.account.Adapter.(provider.FieldFilter); ok {
		f = filter.Fields(n.target.Sent)
	}
	n.honoured, n.refused, n.closed = f.Honoured, f.Refused, f.Closed
	m := n.target.Model
	if m == nil {
		return
	}
	if m.Reasoning {
		n.honoured = n.honoured.Without(&f.NotThinking)
	} else {
		n.honoured.Remove("reasoning_effort")
	}
	for _, field := range m.Refuses {
		n.declined.Add(field)
		n.refused.Add(field)
		n.honoured.Remove(field)
	}
}

// snapshot returns the target for a dated or "latest" name of the model, which its
// own provider must be sent as it stands; n itself for other names and elsewhere.
func (n *node) snapshot(name string) *node {
	if !n.own || len(n.target.Account.Models) > 0 || !dated(name) && !strings.HasSuffix(name, "-latest") {
		return n
	}
	s := *n
	s.target.Sent = name
	s.only[0] = &s
	return &s
}

// dated reports whether a name ends in a date such as 2025-08-07 or 20250514.
func dated(name string) bool {
	digits := 0
	for i := len(name) - 1; i >= 0 && digits < 8; i-- {
		switch c := name[i]; {
		case c >= '0' && c <= '9':
			digits++
		case c != '-':
			return false
		}
	}
	return digits == 8
}

// prefix enters the names that may stand before a model's: of accounts first, then
// of kinds, then the kinds' aliases.
func (t *Table) prefix() {
	for _, x := range t.accesses {
		t.prefixes[x.account.Name] = []*access{x}
	}
	taken := func(name string) bool { return t.prefixes[name] != nil }
	for level := range 2 {
		found := map[string][]*access{}
		for _, x := range t.accesses {
			kind, _ := provider.Lookup(x.account.Kind)
			names := []string{x.account.Kind}
			if level == 1 {
				names = kind.Aliases
			}
			x.aliases = append(x.aliases, names...)
			for _, name := range names {
				found[name] = append(found[name], x)
			}
		}
		for name, accesses := range found {
			if !taken(name) {
				t.prefixes[name] = accesses
			}
		}
	}
}

// sort puts the targets into the orders in which Decide looks at them.
func (t *Table) sort() {
	slices.SortStableFunc(t.nodes, func(a, b *node) int { return cmp.Compare(a.target.ID, b.target.ID) })
	for _, n := range t.nodes {
		m := n.target.Model
		switch {
		case m != nil && !m.Chat:
			t.deaf++
		case m != nil && m.Unverified:
			t.unknown++
		case free(n.host):
			t.free++
		case n.subject >= 0 && !m.Indirect:
			s := &t.subjects[n.subject]
			s.nodes = append(s.nodes, n)
			t.cheap = append(t.cheap, offerOf(n))
		default:
			t.plain = append(t.plain, n)
		}
		if len(t.ids) == 0 || t.ids[len(t.ids)-1] != n.target.ID {
			t.ids = append(t.ids, n.target.ID)
		}
	}
	slices.SortStableFunc(t.cheap, func(a, b offer) int { return cmp.Compare(a.usual, b.usual) })
}

// know enters a model among the subjects if something is known of its capability.
func (t *Table) know(m *pricing.Model) {
	if m == nil || m.Unverified || !m.Chat {
		return
	}
	if _, entered := t.bars[m]; entered {
		return
	}
	if s, ok := t.subjectOf(m); ok {
		t.bars[m] = len(t.subjects)
		t.subjects = append(t.subjects, s)
	}
}

// subjectOf finds what is known of a model's capability: outcomes of its own, else
// public benchmarks.
func (t *Table) subjectOf(m *pricing.Model) (subject, bool) {
	d := t.options.Difficulty
	if d == nil {
		return subject{model: m, prior: m.Capability}, m.Capability > 0
	}
	head, ok := d.Subject(m.ID)
	if !ok && m.Capability > 0 {
		head, ok = d.Capable(model.Overall(m.Capability)), true
	}
	return subject{model: m, head: head, prior: head.Prior()}, ok
}

// bar is a model's place among the subjects; -1: nothing is known of it.
func (t *Table) bar(m *pricing.Model) int {
	if i, ok := t.bars[m]; ok {
		return i
	}
	return -1
}

// assess notes what is known of the capability of a target's model.
func (t *Table) assess(n *node) *node {
	if n.subject = t.bar(n.target.Model); n.subject >= 0 {
		n.skill = t.subjects[n.subject].prior
	}
	return n
}

// free reports whether a host takes nothing for input and output.
func free(h *pricing.Host) bool {
	if h == nil || len(h.Prices) == 0 {
		return false
	}
	for i := range h.Prices {
		if r := &h.Prices[i].Rates; r.Input > 0 || r.Output > 0 {
			return false
		}
	}
	return true
}

// offerOf finds the lowest prices of a target, whatever the day, the hour and the
// length of the prompt.
func offerOf(n *node) offer {
	o := offer{node: n, model: n.target.Model, input: math.MaxInt64, output: math.MaxInt64, usual: math.MaxInt64}
	if n.host == nil {
		return o
	}
	for i := range n.host.Prices {
		if p := &n.host.Prices[i]; p.Tier == "" {
			o.input, o.output = min(o.input, p.Rates.Input), min(o.output, p.Rates.Output)
		}
	}
	o.usual = o.least(1000, expected(o.model, 0, 1))
	return o
}

// least is what a call with so many tokens costs at least.
func (o *offer) least(input, output int64) llm.Money {
	if o.input == math.MaxInt64 {
		return math.MaxInt64
	}
	return llm.Money((uint64(min(input, mostTokens))*uint64(o.input) + uint64(min(output, mostTokens))*uint64(o.output)) / femtoPerNano)
}

const (
	mostTokens   = 1 << 22   // beyond which a lower bound need not grow; a price of $1,000 per million tokens fits
	femtoPerNano = 1_000_000 // rates are femto-dollars, money is nano-dollars
)

// ModelInfo is one line of GET /v1/models.
type ModelInfo struct {
	ID      string
	Owner   string
	Created time.Time // day of release; zero: unknown
}

// Models lists the names that a tenant may use, by id. policy may be nil.
func (t *Table) Models(policy *tenancy.Policy) []ModelInfo {
	rules := routing(policy)
	list := make([]ModelInfo, 0, len(t.ids)+len(autos))
	for _, n := range t.nodes {
		if len(list) > 0 && list[len(list)-1].ID == n.target.ID || !t.allowed(n, rules) || !located(n, rules) {
			continue
		}
		info := ModelInfo{ID: n.target.ID, Owner: n.target.Account.Kind}
		if m := n.target.Model; m != nil {
			info.Owner, info.Created = m.Owner, m.Released
		}
		list = append(list, info)
	}
	if len(list) > 0 {
		for _, a := range autos {
			list = append(list, ModelInfo{ID: a.name, Owner: "halfpenny"})
		}
	}
	slices.SortFunc(list, func(a, b ModelInfo) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

var noRouting tenancy.RoutingPolicy

func routing(p *tenancy.Policy) *tenancy.RoutingPolicy {
	if p == nil {
		return &noRouting
	}
	return &p.Routing
}
