package main

import (
	"cmp"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/pricing/genai"
)

// builder puts the sources together. What is one model at several hosts is said by
// models.yaml, or by group; everything else stands as a model of its own.
type builder struct {
	list   list
	lists  *priceLists
	facts  *modelsDev
	scores *scores

	made   []*pricing.FileModel
	byName map[string]*pricing.FileModel // by id and alias
	at     map[place]*pricing.FileModel
	called map[string]*pricing.FileModel // by its name at any host
	base   map[string]*pricing.FileModel // by key of modelsDev.Models, in lower case
	rules  []pricing.FileList
}

// place is a name at a kind of host.
type place struct{ kind, name string }

// makers are the providers of genai-prices whose lists are of their own models.
// Their names go before those of others.
var makers = []string{"openai", "anthropic", "google", "mistral", "deepseek", "x-ai", "cohere", "moonshotai", "minimax", "zai", "zhipuai", "perplexity", "voyageai"}

func (b *builder) build() error {
	b.byName, b.called = map[string]*pricing.FileModel{}, map[string]*pricing.FileModel{}
	b.at, b.base = map[place]*pricing.FileModel{}, map[string]*pricing.FileModel{}
	for i := range b.list.Models {
		if err := b.curated(&b.list.Models[i]); err != nil {
			return fmt.Errorf("model %s: %w", b.list.Models[i].ID, err)
		}
	}
	rules := map[string][]pricing.FileRule{}
	for _, p := range b.inOrder() {
		for i := range p.Models {
			host, err := b.entry(p.ID, &p.Models[i])
			if err != nil {
				return fmt.Errorf("%s of %s: %w", p.Models[i].ID, p.ID, err)
			}
			r := pricing.FileRule{Name: host.name, Match: p.Models[i].Match}
			if host.kind != pricing.ListKind(p.ID) {
				r.Kind = host.kind
			}
			rules[p.ID] = append(rules[p.ID], r)
		}
	}
	for _, p := range b.lists.providers {
		l := pricing.FileList{Kind: pricing.ListKind(p.ID), Rules: rules[p.ID]}
		for _, id := range p.Fallback {
			l.Fallback = append(l.Fallback, pricing.ListKind(id))
		}
		b.rules = append(b.rules, l)
	}
	return nil
}

// inOrder returns the providers in the order in which they name their models: the
// makers, then OpenRouter, whose names tell the maker, then the others.
func (b *builder) inOrder() []*genai.Provider {
	rank := func(id string) int {
		if i := slices.Index(makers, id); i >= 0 {
			return i
		}
		if id == "openrouter" {
			return len(makers)
		}
		return len(makers) + 1
	}
	var order []*genai.Provider
	for i := range b.lists.providers {
		order = append(order, &b.lists.providers[i])
	}
	slices.SortStableFunc(order, func(a, b *genai.Provider) int { return rank(a.ID) - rank(b.ID) })
	return order
}

// models returns what was made, by id.
func (b *builder) models() []pricing.FileModel {
	slices.SortFunc(b.made, func(a, b *pricing.FileModel) int { return strings.Compare(a.ID, b.ID) })
	all := make([]pricing.FileModel, len(b.made))
	for i, m := range b.made {
		all[i] = *m
	}
	return all
}

// add enters a model that has its hosts.
func (b *builder) add(m *pricing.FileModel) {
	b.made = append(b.made, m)
	for _, name := range append([]string{m.ID}, m.Names...) {
		b.byName[name] = m
		b.known(devName(devOwner(m.Owner))+"/"+name, m)
	}
	for _, h := range m.Hosts {
		b.host(m, h)
		if h.Kind == m.Owner {
			b.known(devName(devOwner(m.Owner))+"/"+h.Name, m)
		}
	}
}

func (b *builder) host(m *pricing.FileModel, h pricing.FileHost) {
	b.at[place{h.Kind, strings.ToLower(h.Name)}] = m
	if b.called[h.Name] == nil {
		b.called[h.Name] = m
	}
}

// known ties a model to the one that models.dev calls key, if it knows one.
func (b *builder) known(key string, m *pricing.FileModel) {
	if key = strings.ToLower(key); b.facts.knows(key) && b.base[key] == nil {
		b.base[key] = m
	}
}

// curated makes a model of models.yaml.
func (b *builder) curated(l *listed) error {
	m := &pricing.FileModel{ID: l.ID, Owner: l.Owner, Names: l.Names}
	for _, set := range l.Refuses {
		if b.list.Refusals[set] == nil {
			return fmt.Errorf("unknown set of refusals %q", set)
		}
		m.Refuses = append(m.Refuses, b.list.Refusals[set]...)
	}
	for i, on := range l.On {
		e := b.facts.entry(on.kind, on.name)
		if i == 0 {
			if e == nil {
				return fmt.Errorf("models.dev does not know %q at %s", on.name, on.kind)
			}
			b.describe(m, e, on.kind, on.name)
			l.correct(m, e)
		}
		h, err := b.place(m, on.kind, on.name, e)
		if err != nil {
			return err
		}
		if len(h.Prices) == 0 {
			return fmt.Errorf("no price of %q at %s", on.name, on.kind)
		}
		if err := b.aliases(l, &h); err != nil {
			return err
		}
		m.Hosts = append(m.Hosts, h)
	}
	if err := b.scores.rate(l, m); err != nil {
		return err
	}
	b.add(m)
	return nil
}

// aliases makes sure that the price list takes no alias, at the owner's own host,
// for a model with another price.
func (b *builder) aliases(l *listed, h *pricing.FileHost) error {
	if h.Kind != l.Owner {
		return nil
	}
	for _, name := range l.Names {
		path, entry := b.lists.find(h.Kind, name)
		if entry == nil || path == h.Listed {
			continue
		}
		rows, err := b.lists.prices(path, entry)
		if err != nil {
			return err
		}
		if !sameRows(rows, h.Prices) {
			return fmt.Errorf("the alias %q costs what %s does, not %s", name, path, h.Listed)
		}
	}
	return nil
}

func sameRows(a, b []pricing.FilePrice) bool {
	b = slices.DeleteFunc(slices.Clone(b), func(p pricing.FilePrice) bool { return p.Tier != "" })
	return slices.EqualFunc(a, b, func(x, y pricing.FilePrice) bool {
		return x.From == y.From && x.Above == y.Above && x.Input == y.Input && x.Output == y.Output && x.CacheRead == y.CacheRead
	})
}

// place makes the host of a model: priced by genai-prices, or by models.dev where
// that has none, with the service tiers that models.dev or models.yaml states.
func (b *builder) place(m *pricing.FileModel, kind, name string, e *entry) (pricing.FileHost, error) {
	h := pricing.FileHost{Kind: kind, Name: name}
	path, entry := b.lists.find(kind, name)
	if entry != nil {
		return h, b.price(m, &h, path, entry, e)
	}
	return h, b.price(m, &h, "", nil, e)
}

func (b *builder) price(m *pricing.FileModel, h *pricing.FileHost, path string, entry *genai.Model, e *entry) (err error) {
	var context, output int64
	if entry != nil {
		h.Listed, context = path, entry.ContextWindow()
		if h.Prices, err = b.lists.prices(path, entry); err != nil {
			return err
		}
	}
	if len(h.Prices) == 0 {
		if h.Prices, err = b.facts.prices(h.Kind, h.Name, e); err != nil {
			return err
		}
	}
	if e != nil {
		context, output = cmp.Or(e.Limit.Context, context), e.Limit.Output
	}
	if context > 0 && context < m.Context {
		h.Context = context
	}
	if output > 0 && output < m.MaxOutput {
		h.MaxOutput = output
	}
	modes, err := b.facts.modes(h.Kind, h.Name, e)
	if err != nil {
		return err
	}
	shares, err := b.tiers(m, h)
	h.Prices = slices.Concat(h.Prices, modes, shares)
	return err
}

// tiers returns the rows of the service tiers that models.yaml states as a share.
func (b *builder) tiers(m *pricing.FileModel, h *pricing.FileHost) ([]pricing.FilePrice, error) {
	var rows []pricing.FilePrice
	for _, t := range b.list.Tiers {
		if t.Kind != h.Kind || m.Owner != h.Kind || !slices.Contains(t.Models, h.Name) && len(t.Models) > 0 {
			continue
		}
		for _, row := range h.Prices {
			row.Tier, row.Source = t.Tier, fmt.Sprintf("%s; %s at %d %% by %s", row.Source, t.Tier, t.Share, t.Source)
			for _, price := range classes(&row) {
				text, err := share(*price.text, t.Share)
				if err != nil {
					return nil, err
				}
				*price.text = text
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// share is a percentage of a price.
func share(price string, percent int64) (string, error) {
	if price == "" {
		return "", nil
	}
	r, ok := new(big.Rat).SetString(price)
	if !ok {
		return "", fmt.Errorf("%q is no price", price)
	}
	s := r.Mul(r, big.NewRat(percent, 100)).FloatString(9)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), "."), nil
}

// class is one price of a row.
type class struct {
	name string
	text *string
}

func classes(p *pricing.FilePrice) []class {
	return []class{
		{"input", &p.Input}, {"cache read", &p.CacheRead}, {"cache write 5 m", &p.CacheWrite5m}, {"cache write 1 h", &p.CacheWrite1h},
		{"output", &p.Output}, {"reasoning", &p.Reasoning}, {"audio in", &p.AudioIn}, {"audio out", &p.AudioOut}, {"audio cached", &p.AudioCached},
		{"image in", &p.ImageIn}, {"image out", &p.ImageOut}, {"image cached", &p.ImageCached}, {"video in", &p.Video}, {"video out", &p.VideoOut},
		{"citations", &p.Citations},
	}
}

// entry enters an entry of genai-prices and returns the place that its names mean.
func (b *builder) entry(provider string, entry *genai.Model) (place, error) {
	path := provider + "/" + entry.ID
	for _, name := range b.namesOf(provider, entry) {
		if h := b.covered(path, provider, name); h != nil {
			return place{h.Kind, h.Name}, nil
		}
	}
	name := pricing.ListName(b.lists.providers, provider, entry)
	if name == "" {
		return place{}, errors.New("no name means it")
	}
	kind, name := pricing.ListHost(provider, name)
	e := b.facts.entry(kind, name)
	h := pricing.FileHost{Kind: kind, Name: name}
	if m := b.group(kind, name, e); m != nil {
		err := b.price(m, &h, path, entry, e)
		m.Hosts = append(m.Hosts, h)
		b.host(m, h)
		return place{kind, name}, err
	}
	m := &pricing.FileModel{Owner: owner(kind, name)}
	m.ID = b.id(kind, name)
	known := e
	if known == nil && kind == m.Owner {
		known = b.facts.model(devName(devOwner(m.Owner)) + "/" + name)
	}
	b.describe(m, known, kind, name)
	if m.Context = cmp.Or(m.Context, entry.ContextWindow()); known == nil && m.Context > 0 {
		m.Source = b.lists.version() + " " + path + ": context"
	}
	if err := b.price(m, &h, path, entry, e); err != nil {
		return place{}, err
	}
	m.Use = use(name, known, h.Prices)
	m.Hosts = []pricing.FileHost{h}
	b.add(m)
	if e != nil && sameName(kind, name, e.Base) {
		b.known(e.Base, m)
	}
	return place{kind, name}, nil
}

// namesOf are the names that may mean an entry as a model: its id, or where the id
// is no name at its provider, all that its rules compare with.
func (b *builder) namesOf(provider string, entry *genai.Model) []string {
	first := pricing.ListName(b.lists.providers, provider, entry)
	if first == "" {
		return nil
	}
	if strings.EqualFold(first, entry.ID) {
		return []string{first}
	}
	return append([]string{first}, entry.Match.Texts()...)
}

// covered returns the host of a model that has the name, and is priced by the entry.
func (b *builder) covered(path, provider, name string) *pricing.FileHost {
	kind, at := pricing.ListHost(provider, name)
	for _, m := range []*pricing.FileModel{b.at[place{kind, strings.ToLower(at)}], b.byName[at]} {
		if m == nil {
			continue
		}
		for i := range m.Hosts {
			if h := &m.Hosts[i]; h.Kind == kind && h.Listed == path {
				return h
			}
		}
	}
	return nil
}

// id is the name at the host, if it can mean nothing else.
func (b *builder) id(kind, name string) string {
	for _, id := range []string{name, kind + "/" + name} {
		if b.byName[id] == nil && b.called[id] == nil {
			return id
		}
	}
	return name + "@" + kind
}
