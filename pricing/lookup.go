package pricing

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/generic-corp/halfpenny/pricing/genai"
)

// Catalogue is a set of models with their hosts and prices. It never changes, and
// is safe for concurrent use.
type Catalogue struct {
	version  string
	checksum string
	dated    time.Time
	models   []*Model
	byName   map[string]*Model
	byHost   map[hostName]*Model
	lists    map[string]*priceList // by kind of provider
	seen     memo[hostName, *Model]
}

// hostName is a model's name at one kind of host.
type hostName struct{ kind, name string }

// priceList is how a provider's price list tells which names mean which entry.
type priceList struct {
	rules    []rule
	fallback []*priceList // looked through where no rule of its own fits
}

// rule gives names to a model at its host there.
type rule struct {
	match genai.Match
	model *Model
	host  *Host
}

// Version names the price lists that the catalogue was made from.
func (c *Catalogue) Version() string { return c.version }

// Checksum is the SHA-256 of the document that the catalogue was read from, and of
// what was added to it since, in hexadecimal.
func (c *Catalogue) Checksum() string { return c.checksum }

// Dated is the day of the newest price list: its own, or the instant from which a
// list that was taken in is in force. Zero: not stated.
func (c *Catalogue) Dated() time.Time { return c.dated }

// Models returns all models, by id. The slice and the models are shared.
func (c *Catalogue) Models() []*Model { return c.models }

// Lookup returns the model that a name means: its id, a dated snapshot, an alias,
// or the name that it has at a host, which is the best known model's where several
// have it. nil if there is none.
func (c *Catalogue) Lookup(name string) *Model { return c.byName[name] }

// LookupAt returns the model that a name means at one kind of host: the host's
// own name for it first, then what Lookup knows, then what the rules of the host's
// price list make of it. A name that only a rule knows is a model of its own, with
// the host's price, the abilities of the model that the rule is for, not verified,
// and without evidence. nil if no model of the host has the name.
func (c *Catalogue) LookupAt(kind, name string) *Model {
	if m := c.exact(kind, name); m != nil {
		return m
	}
	if len(name) > maxName {
		return nil
	}
	key := hostName{kind, name}
	if m, ok := c.seen.get(key); ok {
		return m
	}
	m := c.ruled(kind, name)
	c.seen.put(hostName{strings.Clone(kind), strings.Clone(name)}, m)
	return m
}

// maxName bounds the bytes of a name that rules are tried on: it is foreign input.
const maxName = 256

func (c *Catalogue) exact(kind, name string) *Model {
	m := c.byHost[hostName{kind, name}]
	if m == nil && kind == kindVertex {
		m = c.byHost[hostName{kindGemini, name}]
	}
	if m != nil {
		return m
	}
	if m := c.byName[name]; m != nil && m.Host(kind) != nil {
		return m
	}
	return nil
}

func (c *Catalogue) ruled(kind, name string) *Model {
	list, there := listed(kind, name)
	r := c.lists[list].find(genai.Fold(there))
	switch {
	case r == nil:
		return nil
	case strings.EqualFold(name, r.host.Name) && r.model.Host(kind) == r.host:
		return r.model
	}
	m := *r.model
	m.ID, m.Names, m.Capability, m.Indirect, m.Evidence, m.Unverified = strings.Clone(name), nil, 0, false, "", true
	h := *r.host
	h.Kind, h.Name = strings.Clone(kind), m.ID
	m.Hosts = []Host{h}
	return &m
}

const kindHuggingFace = "huggingface"

// listed returns the kind that a price list goes by, and the model's name in it:
// Hugging Face takes the provider behind it at the end of the name.
func listed(kind, name string) (string, string) {
	if kind != kindHuggingFace {
		return kind, name
	}
	if colon := strings.LastIndexByte(name, ':'); colon >= 0 {
		return kind + "_" + name[colon+1:], name[:colon]
	}
	return kind, name
}

// find returns the first rule that fits, as calcPrice of genai-prices does: of the
// list, of its fallbacks, and then the same for the name with its date written apart.
func (l *priceList) find(folded string) *rule {
	if l == nil {
		return nil
	}
	if r := l.first(folded); r != nil {
		return r
	}
	if apart := genai.DateApart(folded); apart != folded {
		return l.first(apart)
	}
	return nil
}

func (l *priceList) first(folded string) *rule {
	if r := l.own(folded); r != nil {
		return r
	}
	for _, other := range l.fallback {
		if r := other.own(folded); r != nil {
			return r
		}
	}
	return nil
}

func (l *priceList) own(folded string) *rule {
	for i := range l.rules {
		if l.rules[i].match.Fits(folded) {
			return &l.rules[i]
		}
	}
	return nil
}

// Near returns up to n ids that look like name, the nearest first.
func (c *Catalogue) Near(name string, n int) []string {
	ids := make([]string, len(c.models))
	for i, m := range c.models {
		ids[i] = m.ID
	}
	return Nearest(ids, name, n)
}

// Parse reads a catalogue as JSON. Unknown fields, prices that are not exact in
// femto-dollars a token, and names that mean two models are errors.
func Parse(document []byte) (*Catalogue, error) {
	var file File
	d := json.NewDecoder(bytes.NewReader(document))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return nil, fmt.Errorf("cannot read the catalogue: %w", err)
	}
	if d.More() {
		return nil, fmt.Errorf("cannot read the catalogue: more than one JSON value")
	}
	sum := sha256.Sum256(document)
	c := &Catalogue{version: file.Version, checksum: hex.EncodeToString(sum[:])}
	var err error
	if c.dated, err = parseDay(file.Dated); err != nil {
		return nil, fmt.Errorf("cannot read the catalogue: %w", err)
	}
	c.models = make([]*Model, 0, len(file.Models))
	for i := range file.Models {
		m, err := file.Models[i].model(file.list())
		if err != nil {
			return nil, fmt.Errorf("cannot read the catalogue: model %q: %w", file.Models[i].ID, err)
		}
		c.models = append(c.models, m)
	}
	slices.SortFunc(c.models, func(a, b *Model) int { return strings.Compare(a.ID, b.ID) })
	if err := c.index(); err != nil {
		return nil, err
	}
	return c, c.rules(file.Lists)
}

// index fills the maps: ids and aliases first, then the names at hosts.
func (c *Catalogue) index() error {
	c.byName, c.byHost = make(map[string]*Model, 3*len(c.models)), make(map[hostName]*Model, 2*len(c.models))
	for _, m := range c.models {
		for i := range len(m.Names) + 1 {
			name := m.ID
			if i > 0 {
				name = m.Names[i-1]
			}
			if taken := c.byName[name]; taken != nil {
				return fmt.Errorf("cannot read the catalogue: %q means both %s and %s", name, taken.ID, m.ID)
			}
			c.byName[name] = m
		}
		for i := range m.Hosts {
			at := hostName{m.Hosts[i].Kind, m.Hosts[i].Name}
			if taken := c.byHost[at]; taken != nil {
				return fmt.Errorf("cannot read the catalogue: %q at %s is both %s and %s", at.name, at.kind, taken.ID, m.ID)
			}
			c.byHost[at] = m
		}
	}
	c.foreign()
	return nil
}

// foreign gives the names at hosts to the models that have them there, where no
// model has them for its own. Of several models the best known one has it, and
// none where that is not certain.
func (c *Catalogue) foreign() {
	type claim struct {
		model *Model
		tied  bool
	}
	claims := make(map[string]claim, len(c.byHost))
	for at, m := range c.byHost {
		if c.byName[at.name] != nil {
			continue
		}
		had := claims[at.name]
		switch known := m.known(had.model); {
		case had.model == nil || known > 0:
			claims[at.name] = claim{model: m}
		case known == 0 && had.model != m:
			claims[at.name] = claim{m, true}
		}
	}
	for name, had := range claims {
		if !had.tied {
			c.byName[name] = had.model
		}
	}
}

// known compares how much is known of a model with another one, which may be nil:
// its evidence, then its abilities, then its hosts.
func (m *Model) known(other *Model) int {
	if other == nil {
		return 1
	}
	return cmp.Or(cmp.Compare(truth(m.Capability > 0), truth(other.Capability > 0)),
		cmp.Compare(truth(!m.Unverified), truth(!other.Unverified)), cmp.Compare(len(m.Hosts), len(other.Hosts)))
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// rules ties the rules of the price lists to the models.
func (c *Catalogue) rules(lists []FileList) error {
	c.lists = make(map[string]*priceList, len(lists))
	for i := range lists {
		c.lists[lists[i].Kind] = &priceList{rules: make([]rule, 0, len(lists[i].Rules))}
	}
	for i := range lists {
		f := &lists[i]
		l := c.lists[f.Kind]
		for _, kind := range f.Fallback {
			if c.lists[kind] == nil {
				return fmt.Errorf("cannot read the catalogue: %s falls back to %s, which has no list", f.Kind, kind)
			}
			l.fallback = append(l.fallback, c.lists[kind])
		}
		for i := range f.Rules {
			r, err := c.rule(f.Kind, &f.Rules[i])
			if err != nil {
				return err
			}
			l.rules = append(l.rules, r)
		}
	}
	c.geminis()
	return nil
}

func (c *Catalogue) rule(kind string, f *FileRule) (rule, error) {
	if f.Kind != "" {
		kind = f.Kind
	}
	m := c.byHost[hostName{kind, f.Name}]
	if m == nil {
		return rule{}, fmt.Errorf("cannot read the catalogue: a rule for %q at %s, which no model is", f.Name, kind)
	}
	if err := f.Match.Compile(); err != nil {
		return rule{}, fmt.Errorf("cannot read the catalogue: the rule for %q at %s: %w", f.Name, kind, err)
	}
	for i := range m.Hosts {
		if m.Hosts[i].Kind == kind && m.Hosts[i].Name == f.Name {
			return rule{f.Match, m, &m.Hosts[i]}, nil
		}
	}
	return rule{}, fmt.Errorf("BUG: host %s of %s is indexed and not there", kind, m.ID)
}

// geminis makes the list of the Gemini API from the one that it shares with Vertex AI.
func (c *Catalogue) geminis() {
	all := c.lists[kindVertex]
	if all == nil {
		return
	}
	l := new(priceList)
	for _, r := range all.rules {
		if r.host.Kind == kindGemini {
			l.rules = append(l.rules, r)
		}
	}
	c.lists[kindGemini] = l
}
