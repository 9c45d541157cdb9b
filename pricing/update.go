package pricing

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/generic-corp/halfpenny/pricing/genai"
)

// HostUpdate is what a newer price list says of one of its entries, in force from
// an instant.
type HostUpdate struct {
	Listed  string      // path of the entry, such as "openai/gpt-5"
	List    string      // kind of provider that the list is of
	Kind    string      // kind of host that the entry is for
	Name    string      // a name that means it there
	Match   genai.Match // the names that mean it
	Context int64       // tokens; 0: not stated
	From    time.Time   // of the update
	Prices  []Price     // none: unpriced
}

// Updates turns a list of genai-prices into updates that are in force from an
// instant on: a price that it dates earlier is taken from then, a later one from
// its own date. version names the list, and is the version that receipts show. An
// entry with a price that there is no class for is left out, and the error says so
// beside the updates of the others.
func Updates(list []genai.Provider, version string, from time.Time) ([]HostUpdate, error) {
	var updates []HostUpdate
	var refused []string
	for i := range list {
		p := &list[i]
		for j := range p.Models {
			m := &p.Models[j]
			name := ListName(list, p.ID, m)
			if name == "" {
				continue
			}
			u := HostUpdate{Listed: p.ID + "/" + m.ID, List: ListKind(p.ID), Match: m.Match, Context: m.ContextWindow(), From: from}
			u.Kind, u.Name = ListHost(p.ID, name)
			rows, err := ListPrices(p.ID, m, fmt.Sprintf("%s %s, taken in %s", version, u.Listed, from.UTC().Format(time.DateOnly)))
			if err == nil {
				err = u.read(rows, version)
			}
			if err != nil {
				refused = append(refused, err.Error())
				continue
			}
			updates = append(updates, u)
		}
	}
	if len(refused) > 0 {
		return updates, fmt.Errorf("cannot take in %d prices: %s", len(refused), strings.Join(refused, "; "))
	}
	return updates, nil
}

func (u *HostUpdate) read(rows []FilePrice, version string) error {
	u.Prices = make([]Price, len(rows))
	for i := range rows {
		if err := rows[i].read(&u.Prices[i], version); err != nil {
			return fmt.Errorf("%s: %w", u.Listed, err)
		}
		if u.Prices[i].From.Before(u.From) {
			u.Prices[i].From = u.From
		}
	}
	return nil
}

// With returns a catalogue that has what the updates, which are those of a whole
// list, change: prices are added behind those that there are, so that a call is
// priced as it was at its time, and models that the catalogue does not have are
// entered, not verified. A model that the list has no more keeps its last price.
// A service tier whose prices are one share of the default's stays that share. The
// catalogue itself is returned where nothing changes.
func (c *Catalogue) With(updates []HostUpdate) (*Catalogue, []Diff) {
	if len(updates) == 0 {
		return c, nil
	}
	w := newWork(c, updates)
	for _, m := range w.next.models {
		for i := range m.Hosts {
			w.host(m, &m.Hosts[i])
		}
	}
	for i := range updates {
		if w.hosts[updates[i].Listed] == nil {
			w.enter(&updates[i])
		}
	}
	if len(w.diffs) == 0 {
		return c, nil
	}
	slices.SortFunc(w.next.models, func(a, b *Model) int { return strings.Compare(a.ID, b.ID) })
	if err := w.next.index(); err != nil {
		panic("BUG: an update makes names clash: " + err.Error())
	}
	w.relist()
	w.next.version = c.version + " + " + updates[0].version()
	w.next.dated = updates[0].From
	w.next.checksum = digest(c.checksum, updates)
	return w.next, w.diffs
}

// work is a catalogue that takes in updates.
type work struct {
	old, next *Catalogue
	updates   []HostUpdate
	rules     map[string]*priceList // of the updates: rule.host has the price, and no model
	by        map[*Host]*HostUpdate // by rule.host
	hosts     map[string]*placed    // by Listed: the host that the names of an entry mean
	taken     map[hostName]bool
	diffs     []Diff
}

type placed struct {
	model *Model
	host  *Host
}

func newWork(c *Catalogue, updates []HostUpdate) *work {
	w := &work{old: c, next: &Catalogue{}, updates: updates, rules: map[string]*priceList{}, by: map[*Host]*HostUpdate{}, hosts: map[string]*placed{}, taken: map[hostName]bool{}}
	for _, m := range c.models {
		copied := *m
		copied.Hosts = slices.Clone(m.Hosts)
		for _, h := range m.Hosts {
			w.taken[hostName{h.Kind, h.Name}] = true
		}
		w.next.models = append(w.next.models, &copied)
	}
	for i := range updates {
		u := &updates[i]
		entry := &Host{Kind: u.Kind, Name: u.Name, Listed: u.Listed, Prices: u.Prices}
		w.by[entry] = u
		l := list(w.rules, u.List)
		l.rules = append(l.rules, rule{match: u.Match, host: entry})
	}
	fallbacks(c.lists, w.rules)
	return w
}

// list returns the list of a kind, making it.
func list(lists map[string]*priceList, kind string) *priceList {
	if lists[kind] == nil {
		lists[kind] = new(priceList)
	}
	return lists[kind]
}

// fallbacks makes the lists fall back to one another as those of from do.
func fallbacks(from, to map[string]*priceList) {
	for kind, l := range from {
		for _, other := range l.fallback {
			for name, candidate := range from {
				if candidate == other {
					list(to, kind).fallback = append(list(to, kind).fallback, list(to, name))
				}
			}
		}
	}
}

// host updates a host by the entry that its name means, and notes whether it is the
// one that the entry is for.
func (w *work) host(m *Model, h *Host) {
	kind, name := listed(h.Kind, h.Name)
	if kind == kindGemini {
		kind = kindVertex
	}
	r := w.rules[kind].find(genai.Fold(name))
	if r == nil {
		if h.Listed != "" {
			w.diffs = append(w.diffs, Diff{Change: "vanished", Kind: h.Kind, Name: h.Name, Model: m.ID, From: w.updates[0].From})
			h.Listed = ""
		}
		return
	}
	u := w.by[r.host]
	w.diffs = append(w.diffs, h.update(u, m.ID)...)
	h.Listed = u.Listed
	if had := w.hosts[u.Listed]; h.Kind == u.Kind && (had == nil || h.Name == u.Name || w.means(h) && had.host.Name != u.Name) {
		w.hosts[u.Listed] = &placed{m, h}
	}
}

// means reports whether the names of an entry meant this host before.
func (w *work) means(h *Host) bool {
	kind, name := listed(h.Kind, h.Name)
	r := w.old.lists[kind].find(genai.Fold(name))
	return r != nil && r.host.Kind == h.Kind && r.host.Name == h.Name
}

// enter makes a model of an entry that the catalogue does not have. Where two are
// for the same host and name, the first one has it.
func (w *work) enter(u *HostUpdate) {
	at := hostName{u.Kind, u.Name}
	if w.taken[at] {
		return
	}
	w.taken[at] = true
	m := &Model{Owner: u.Kind, Context: u.Context, Input: Text, Output: Text, Chat: true, Unverified: true}
	for _, id := range []string{u.Name, u.Kind + "/" + u.Name, u.Name + "@" + u.Kind, u.Name + "@" + u.Listed} {
		taken := slices.ContainsFunc(w.next.models, func(m *Model) bool { return m.ID == id || slices.Contains(m.Names, id) })
		if m.ID = id; !taken && w.old.byName[id] == nil {
			break
		}
	}
	if len(u.Prices) > 0 && u.Prices[0].Rates.Output == 0 {
		m.Chat, m.Use = false, "unknown"
	}
	m.Hosts = []Host{{Kind: u.Kind, Name: u.Name, Listed: u.Listed, Prices: u.Prices}}
	w.next.models = append(w.next.models, m)
	w.hosts[u.Listed] = &placed{m, &m.Hosts[0]}
	w.diffs = append(w.diffs, Diff{Change: "new", Kind: u.Kind, Name: u.Name, Model: m.ID, From: u.From})
	w.diffs = append(w.diffs, changes(new(Host), &m.Hosts[0], m.ID, u.From)...)
}

// relist ties names to models by the rules of the updates, and behind them by those
// of the entries that the list has no more.
func (w *work) relist() {
	w.next.lists = map[string]*priceList{}
	there := map[string]bool{}
	for i := range w.updates {
		u := &w.updates[i]
		there[u.Listed] = true
		l, at := list(w.next.lists, u.List), w.hosts[u.Listed]
		if at != nil {
			l.rules = append(l.rules, rule{u.Match, at.model, at.host})
		}
	}
	for kind, l := range w.old.lists {
		for _, r := range l.rules {
			if kind == kindGemini || there[r.host.Listed] {
				continue
			}
			m := w.next.byHost[hostName{r.host.Kind, r.host.Name}]
			i := slices.IndexFunc(m.Hosts, func(h Host) bool { return h.Kind == r.host.Kind && h.Name == r.host.Name })
			again := list(w.next.lists, kind)
			again.rules = append(again.rules, rule{r.match, m, &m.Hosts[i]})
		}
	}
	fallbacks(w.old.lists, w.next.lists)
	w.next.geminis()
}

func (u *HostUpdate) version() string {
	if len(u.Prices) == 0 {
		return u.Listed
	}
	return u.Prices[0].Rates.Version + " from " + u.From.UTC().Format(time.DateOnly)
}

func digest(checksum string, updates []HostUpdate) string {
	sum := sha256.New()
	fmt.Fprintln(sum, checksum)
	for i := range updates {
		u := &updates[i]
		fmt.Fprintln(sum, u.Listed, u.Name, u.From.UnixNano())
		for j := range u.Prices {
			p := &u.Prices[j]
			hours := ""
			if p.Hours != nil {
				hours = p.Hours.String()
			}
			fmt.Fprintln(sum, p.From.UnixNano(), hours, p.Above, p.Rates, p.Fees)
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// update adds the rows behind those of the host, if they change what is charged.
func (h *Host) update(u *HostUpdate, model string) []Diff {
	if len(u.Prices) == 0 {
		return nil
	}
	next := *h
	next.Prices = slices.Concat(h.Prices, u.Prices, h.shares(u))
	diffs := changes(h, &next, model, u.From)
	if len(diffs) > 0 {
		*h = next
	}
	return diffs
}

// shares returns the rows of the service tiers that are one share of the default's.
func (h *Host) shares(u *HostUpdate) []Price {
	var rows []Price
	var seen []string
	for i := range h.Prices {
		tier := h.Prices[i].Tier
		if tier == "" || slices.Contains(seen, tier) {
			continue
		}
		seen = append(seen, tier)
		points, ok := h.points(tier, u.From)
		if !ok {
			continue
		}
		for _, p := range u.Prices {
			fees := p.Fees
			p.Tier, p.Fees = tier, nil
			p.scale(points)
			p.Fees = fees
			rows = append(rows, p)
		}
	}
	return rows
}

// points returns the share of the default price that a tier costs, in basis points,
// if it is the same for every class.
func (h *Host) points(tier string, at time.Time) (int64, bool) {
	base, row := h.row(at, "", 0), h.row(at, tier, 0)
	if base == nil || row == nil || base.Rates.Input <= 0 || row.Rates.Input <= 0 {
		return 0, false
	}
	points := int64(row.Rates.Input) * wholePoints / int64(base.Rates.Input)
	scaled := *base
	scaled.Fees = nil
	scaled.scale(points)
	scaled.Rates.Version = row.Rates.Version
	return points, scaled.Rates == row.Rates
}
