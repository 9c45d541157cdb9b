package router

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/provider"
	"github.com/generic-corp/halfpenny/tenancy"
)

// Table is what a configuration makes of the catalogue: which model is reached at
// which account. It never changes but for the count of turns, and is safe for
// concurrent use.
type Table struct {
	catalogue *pricing.Catalogue
	options   Options
	real      bool                 // an account is not simulated, so live keys keep to those
	accesses  []*access            // in the order of the configuration
	prefixes  map[string][]*access // by account name, else kind, else the kind's aliases
	nodes     []*node              // one for each model at each account, by id
	skilled   []*node              // those with evidence of their own, the most capable first
	byName    map[string][]*node   // by every name without a prefix
	ids       []string             // ids that are served, to name near ones
	translate [4][4]bool           // from the caller's dialect to the provider's
	turn      atomic.Uint64
}

// node is a target of the table with all that Decide asks of it.
type node struct {
	target    Target
	access    *access
	host      *pricing.Host // nil: no price is known
	filter    provider.FieldFilter
	own       bool  // the account is at the model's owner
	context   int64 // tokens, the host's limit; 0: unknown
	maxInput  int64
	maxOutput int64
	only      [1]*node // the node itself, as a list
}

// NewTable builds the table of the accounts. Health, where given, is shared with
// earlier tables, so that what cools down goes on cooling. accounts is not changed
// and must not change from then on.
func NewTable(catalogue *pricing.Catalogue, accounts []*Account, options Options) *Table {
	if options.Health == nil {
		options.Health = NewHealth()
	}
	t := &Table{catalogue: catalogue, options: options, prefixes: map[string][]*access{}, byName: map[string][]*node{}}
	for _, a := range accounts {
		t.real = t.real || !a.Simulated
		x := newAccess(a, options.Health)
		t.accesses = append(t.accesses, x)
		t.serve(x)
	}
	t.prefix()
	t.sort()
	for from := llm.DialectOpenAI; from <= llm.DialectGemini; from++ {
		for to := llm.DialectOpenAI; to <= llm.DialectGemini; to++ {
			t.translate[from][to] = from == to || provider.NewTranslator(from, to, provider.Call{}) != nil
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

// add enters a target under all the names that mean it.
func (t *Table) add(x *access, m *pricing.Model, h *pricing.Host, id, sent string) {
	n := newNode(x, m, h, id, sent)
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
	}
}

func newNode(x *access, m *pricing.Model, h *pricing.Host, id, sent string) *node {
	n := &node{target: Target{Account: x.account, Model: m, ID: id, Sent: sent}, access: x, host: h}
	n.filter, _ = x.account.Adapter.(provider.FieldFilter)
	if m != nil {
		n.own = m.Owner == x.account.Kind
		n.context, n.maxInput, n.maxOutput = m.Context, m.MaxInput, m.MaxOutput
	}
	if h != nil {
		n.context = cmp.Or(h.Context, n.context)
		n.maxOutput = cmp.Or(h.MaxOutput, n.maxOutput)
	}
	n.only[0] = n
	return n
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

func (t *Table) sort() {
	slices.SortStableFunc(t.nodes, func(a, b *node) int { return cmp.Compare(a.target.ID, b.target.ID) })
	for _, n := range t.nodes {
		if m := n.target.Model; m != nil && m.Capability > 0 && !m.Indirect {
			t.skilled = append(t.skilled, n)
		}
		if len(t.ids) == 0 || t.ids[len(t.ids)-1] != n.target.ID {
			t.ids = append(t.ids, n.target.ID)
		}
	}
	slices.SortStableFunc(t.skilled, func(a, b *node) int {
		return cmp.Compare(b.target.Model.Capability, a.target.Model.Capability)
	})
}

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
		if len(list) > 0 && list[len(list)-1].ID == n.target.ID || !t.allowed(n, rules) {
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
