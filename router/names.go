package router

import (
	"strings"

	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/tenancy"
)

// wish is what a model's name asks for.
type wish struct {
	name     string
	auto     bool
	floor    float64        // of auto, as a share of the best eligible; 0: the policy's
	prefixed bool           // exactly this model at this provider
	model    *pricing.Model // nil: auto, or not in the catalogue
	nodes    []*node        // the targets that serve it
}

// autos are the names that leave the choice to the router.
var autos = [...]struct {
	name  string
	floor float64 // 0: the policy's
}{{"auto", 0}, {"auto:balanced", 0}, {"auto:cheap", 0.80}, {"auto:quality", 0.99}}

// resolve finds out what a name means: an alias, auto, a model behind the prefix
// of a provider, or a model's id, which may itself hold slashes and colons.
func (t *Table) resolve(q *Query, name string) (wish, bool) {
	name = t.unalias(q, name)
	for _, a := range autos {
		if a.name == name {
			return wish{name: name, auto: true, floor: a.floor, nodes: t.nodes}, len(t.nodes) > 0
		}
	}
	if prefix, rest, found := strings.Cut(name, "/"); found && rest != "" {
		if accesses := t.prefixes[prefix]; accesses != nil {
			return t.behind(accesses, rest)
		}
	}
	return t.named(name)
}

// unalias replaces a tenant's alias, then one of the configuration.
func (t *Table) unalias(q *Query, name string) string {
	if to := q.Aliases[name]; to != "" {
		name = to
	}
	if to := t.options.Aliases[name]; to != "" {
		name = to
	}
	return name
}

func (t *Table) named(name string) (wish, bool) {
	nodes := t.byName[name]
	if len(nodes) == 0 {
		return wish{name: name}, false
	}
	return wish{name: name, model: nodes[0].target.Model, nodes: nodes}, true
}

// behind resolves a name behind a prefix. A model that is not known there is sent
// as it stands, unless the account's models are listed in the configuration.
func (t *Table) behind(accesses []*access, name string) (wish, bool) {
	w := wish{name: name, prefixed: true}
	if len(accesses) == 1 { // the usual case makes no list
		if n := accesses[0].names[name]; n != nil {
			w.model, w.nodes = n.target.Model, n.only[:]
			return w, true
		}
	}
	for _, x := range accesses {
		if n := x.names[name]; n != nil {
			w.nodes = append(w.nodes, n)
			w.model = n.target.Model
		}
	}
	if len(w.nodes) > 0 {
		return w, true
	}
	for _, x := range accesses {
		if len(x.account.Models) == 0 {
			n := t.unlisted(x, name)
			w.model, w.nodes = n.target.Model, append(w.nodes, n)
		}
	}
	return w, len(w.nodes) > 0
}

// Account returns the account that a name means as a model's prefix; nil: none, or several.
func (t *Table) Account(name string) *Account {
	if found := t.prefixes[name]; len(found) == 1 {
		return found[0].account
	}
	return nil
}

// unlisted is a target for a name that the table does not know. The provider's price
// list may still have a rule for it.
func (t *Table) unlisted(x *access, name string) *node {
	m := t.catalogue.LookupAt(x.account.Kind, name)
	if m == nil {
		return newNode(x, nil, nil, name, name)
	}
	return t.assess(newNode(x, m, m.Host(x.account.Kind), name, name))
}

// allowed reports whether a tenant's lists allow a target. An entry is any name of
// a model, with a provider's prefix or without, and may hold *.
func (t *Table) allowed(n *node, p *tenancy.RoutingPolicy) bool {
	if len(p.AllowModels) > 0 && !t.listed(n, p.AllowModels) {
		return false
	}
	return !t.listed(n, p.DenyModels)
}

// located reports whether the target's account is in a region that the tenant's
// policy allows: "eu" allows eu and eu-west-1. The simulation is in this very
// process, so it is in every region.
func located(n *node, p *tenancy.RoutingPolicy) bool {
	a := n.target.Account
	if len(p.Regions) == 0 || a.Simulated {
		return true
	}
	for _, allowed := range p.Regions {
		if n := len(allowed); n > 0 && len(a.Region) >= n && strings.EqualFold(a.Region[:n], allowed) && (len(a.Region) == n || a.Region[n] == '-') {
			return true
		}
	}
	return false
}

func (t *Table) listed(n *node, entries []string) bool {
	for _, entry := range entries {
		if t.means(n, entry) {
			return true
		}
		if prefix, rest, found := strings.Cut(entry, "/"); found && n.access.called(prefix) && t.means(n, rest) {
			return true
		}
	}
	return false
}

func (t *Table) means(n *node, entry string) bool {
	if glob(entry, n.target.ID) {
		return true
	}
	m := n.target.Model
	return m != nil && t.catalogue.Lookup(entry) == m
}

// called reports whether name is the account's, its kind's or an alias of it.
func (x *access) called(name string) bool {
	if strings.EqualFold(name, x.account.Name) {
		return true
	}
	for _, alias := range x.aliases {
		if strings.EqualFold(name, alias) {
			return true
		}
	}
	return false
}

func (x *access) calledAny(names []string) bool {
	for _, name := range names {
		if x.called(name) {
			return true
		}
	}
	return false
}

// glob reports whether s matches a pattern in which * stands for anything.
func glob(pattern, s string) bool {
	for {
		star := strings.IndexByte(pattern, '*')
		if star < 0 {
			return pattern == s
		}
		if !strings.HasPrefix(s, pattern[:star]) {
			return false
		}
		s, pattern = s[star:], pattern[star+1:]
		next := strings.IndexByte(pattern, '*')
		if next < 0 {
			return strings.HasSuffix(s, pattern)
		}
		at := strings.Index(s, pattern[:next])
		if at < 0 {
			return false
		}
		s, pattern = s[at+next:], pattern[next:]
	}
}

// Inert reports whether a field's raw JSON value is what the API assumes anyway,
// so that a target that refuses the field still does what was asked.
func Inert(field string, value []byte) bool {
	if len(value) > longestInert {
		return false
	}
	v := string(value)
	if v == "null" {
		return true
	}
	switch field {
	case "temperature", "top_p", "n":
		return v == "1" || v == "1.0"
	case "presence_penalty", "frequency_penalty":
		return v == "0" || v == "0.0"
	case "logprobs", "store":
		return v == "false"
	case "parallel_tool_calls":
		return v == "true"
	case "logit_bias", "metadata":
		return v == "{}"
	case "verbosity":
		return v == `"medium"`
	case "top_logprobs":
		return v == "0"
	case "stop", "tools", "functions":
		return v == "[]"
	case "service_tier":
		return v == `"auto"` || v == `"default"`
	case "tool_choice", "function_call":
		return v == `"auto"`
	case "response_format":
		return v == `{"type":"text"}` || v == `{"type": "text"}`
	case "modalities":
		return v == `["text"]`
	}
	return false
}

// longestInert is the length of the longest value that Inert knows.
const longestInert = 16
