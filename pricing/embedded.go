package pricing

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/generic-corp/halfpenny/llm"
)

//go:generate go run ./prices -models-dev ../../shared/models/models-dev.json -livebench ../../shared/models/livebench_2026_01_08.csv -aider ../../shared/models/aider_polyglot.yml

//go:embed catalogue.json
var catalogueJSON []byte

// Embedded returns the catalogue that was built into the program.
var Embedded = sync.OnceValue(func() *Catalogue {
	c, err := Parse(catalogueJSON)
	if err != nil {
		panic(fmt.Sprintf("BUG: the embedded catalogue: %v", err))
	}
	return c
})

// Catalogue is a set of models with their hosts and prices. It never changes.
type Catalogue struct {
	version string
	models  []*Model
	byName  map[string]*Model
	byHost  map[hostName]*Model
}

// hostName is a model's name at one kind of host.
type hostName struct{ kind, name string }

// Version names the price list: it is in every unit price that comes from it.
func (c *Catalogue) Version() string { return c.version }

// Models returns all models, by id. The slice and the models are shared.
func (c *Catalogue) Models() []*Model { return c.models }

// Lookup returns the model that a name means: its id, a dated snapshot, an alias,
// or the name that it has at a host where no other model has it. nil if there is none.
func (c *Catalogue) Lookup(name string) *Model { return c.byName[name] }

// LookupAt returns the model that a name means at one kind of host: the host's
// own name for it first, then what Lookup knows. nil if it is not served there.
func (c *Catalogue) LookupAt(kind, name string) *Model {
	if m := c.byHost[hostName{kind, name}]; m != nil {
		return m
	}
	if m := c.byName[name]; m != nil && m.Host(kind) != nil {
		return m
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
	c := &Catalogue{version: file.Version, byName: map[string]*Model{}, byHost: map[hostName]*Model{}}
	for i := range file.Models {
		m, err := file.Models[i].model(file.Version)
		if err != nil {
			return nil, fmt.Errorf("cannot read the catalogue: model %q: %w", file.Models[i].ID, err)
		}
		c.models = append(c.models, m)
	}
	slices.SortFunc(c.models, func(a, b *Model) int { return strings.Compare(a.ID, b.ID) })
	return c, c.index()
}

// index fills the maps: ids and aliases first, then the names at hosts that are
// not ambiguous.
func (c *Catalogue) index() error {
	for _, m := range c.models {
		for _, name := range append([]string{m.ID}, m.Names...) {
			if taken := c.byName[name]; taken != nil {
				return fmt.Errorf("cannot read the catalogue: %q means both %s and %s", name, taken.ID, m.ID)
			}
			c.byName[name] = m
		}
		for _, h := range m.Hosts {
			if taken := c.byHost[hostName{h.Kind, h.Name}]; taken != nil {
				return fmt.Errorf("cannot read the catalogue: %q at %s is both %s and %s", h.Name, h.Kind, taken.ID, m.ID)
			}
			c.byHost[hostName{h.Kind, h.Name}] = m
		}
	}
	foreign := map[string]*Model{}
	for at, m := range c.byHost {
		if other, seen := foreign[at.name]; seen && other != m {
			m = nil
		}
		foreign[at.name] = m
	}
	for name, m := range foreign {
		if m != nil && c.byName[name] == nil {
			c.byName[name] = m
		}
	}
	return nil
}

// File is the catalogue as it is written down.
type File struct {
	Version string      `json:"version"` // of the price list
	Sources []string    `json:"sources"` // with licence and date
	Models  []FileModel `json:"models"`
}

// FileModel is one model of a File.
type FileModel struct {
	ID         string     `json:"id"`
	Owner      string     `json:"owner"`
	Names      []string   `json:"names,omitempty"`
	Released   string     `json:"released,omitempty"` // YYYY-MM-DD
	Context    int64      `json:"context"`
	MaxInput   int64      `json:"maxInput,omitempty"`
	MaxOutput  int64      `json:"maxOutput"`
	Input      []string   `json:"input"`  // modalities
	Output     []string   `json:"output"` // modalities
	Tools      bool       `json:"tools,omitempty"`
	JSONObject bool       `json:"jsonObject,omitempty"`
	JSONSchema bool       `json:"jsonSchema,omitempty"`
	Reasoning  bool       `json:"reasoning,omitempty"`
	Refuses    []string   `json:"refuses,omitempty"`
	Capability float64    `json:"capability,omitempty"`
	Indirect   bool       `json:"indirect,omitempty"`
	Evidence   string     `json:"evidence,omitempty"`
	Hosts      []FileHost `json:"hosts"`
}

// FileHost is one host of a FileModel.
type FileHost struct {
	Kind      string      `json:"kind"`
	Name      string      `json:"name"`
	Context   int64       `json:"context,omitempty"`
	MaxOutput int64       `json:"maxOutput,omitempty"`
	Prices    []FilePrice `json:"prices"`
}

// FilePrice is one row of a price list: dollars per million tokens as decimal
// text. An empty price is the parent's.
type FilePrice struct {
	From         string `json:"from,omitempty"` // YYYY-MM-DD, UTC
	Tier         string `json:"tier,omitempty"`
	Above        int64  `json:"above,omitempty"` // input tokens
	Input        string `json:"input"`
	CacheRead    string `json:"cacheRead,omitempty"`
	CacheWrite5m string `json:"cacheWrite5m,omitempty"`
	CacheWrite1h string `json:"cacheWrite1h,omitempty"`
	Output       string `json:"output"`
	Reasoning    string `json:"reasoning,omitempty"`
	AudioIn      string `json:"audioIn,omitempty"`
	AudioOut     string `json:"audioOut,omitempty"`
	AudioCached  string `json:"audioCached,omitempty"`
	Source       string `json:"source"`
}

func (f *FileModel) model(version string) (*Model, error) {
	m := &Model{
		ID: f.ID, Owner: f.Owner, Names: f.Names,
		Context: f.Context, MaxInput: f.MaxInput, MaxOutput: f.MaxOutput,
		Tools: f.Tools, JSONObject: f.JSONObject, JSONSchema: f.JSONSchema, Reasoning: f.Reasoning,
		Refuses: f.Refuses, Capability: f.Capability, Indirect: f.Indirect, Evidence: f.Evidence,
	}
	if f.ID == "" || f.Owner == "" || len(f.Hosts) == 0 {
		return nil, fmt.Errorf("id, owner or hosts are missing")
	}
	if f.Capability < 0 || f.Capability > 1 || f.Capability > 0 && f.Evidence == "" {
		return nil, fmt.Errorf("capability %v without evidence or outside 0..1", f.Capability)
	}
	var err error
	if m.Released, err = parseDay(f.Released); err != nil {
		return nil, err
	}
	if m.Input, err = parseModalities(f.Input); err != nil {
		return nil, err
	}
	if m.Output, err = parseModalities(f.Output); err != nil {
		return nil, err
	}
	for i := range f.Hosts {
		h, err := f.Hosts[i].host(version)
		if err != nil {
			return nil, err
		}
		m.Hosts = append(m.Hosts, h)
	}
	slices.SortStableFunc(m.Hosts, func(a, b Host) int { return rankOwner(a, m.Owner) - rankOwner(b, m.Owner) })
	return m, nil
}

// rankOwner puts the owner's own host first.
func rankOwner(h Host, owner string) int {
	if h.Kind == owner {
		return 0
	}
	return 1
}

func (f *FileHost) host(version string) (Host, error) {
	h := Host{Kind: f.Kind, Name: f.Name, Context: f.Context, MaxOutput: f.MaxOutput}
	for i := range f.Prices {
		p, err := f.Prices[i].price(version)
		if err != nil {
			return Host{}, fmt.Errorf("host %s: %w", f.Kind, err)
		}
		h.Prices = append(h.Prices, p)
	}
	slices.SortStableFunc(h.Prices, func(a, b Price) int { return a.From.Compare(b.From) })
	return h, nil
}

// price reads the row and gives each class without a price its parent's.
func (f *FilePrice) price(version string) (Price, error) {
	from, err := parseDay(f.From)
	if err != nil {
		return Price{}, err
	}
	if f.Source == "" {
		return Price{}, fmt.Errorf("a price without a source")
	}
	var first error
	rate := func(text string, parent llm.Rate) llm.Rate {
		if text == "" {
			return parent
		}
		r, err := ParseRate(text)
		if err != nil && first == nil {
			first = err
		}
		return r
	}
	p := Price{From: from, Tier: f.Tier, Above: f.Above, Source: f.Source}
	r := &p.Rates
	r.Version = version
	r.Input = rate(f.Input, 0)
	r.CacheRead = rate(f.CacheRead, r.Input)
	r.CacheWrite5m = rate(f.CacheWrite5m, r.Input)
	r.CacheWrite1h = rate(f.CacheWrite1h, r.Input)
	r.AudioIn = rate(f.AudioIn, r.Input)
	r.AudioCached = rate(f.AudioCached, r.AudioIn)
	r.ImageIn, r.ImageCached, r.Video = r.Input, r.Input, r.Input
	r.Output = rate(f.Output, 0)
	r.Reasoning = rate(f.Reasoning, r.Output)
	r.AudioOut = rate(f.AudioOut, r.Output)
	r.ImageOut = r.Output
	if first == nil && (r.Input <= 0 || r.Output <= 0) {
		first = fmt.Errorf("a price of zero for input or output")
	}
	return p, first
}

// ParseRate reads dollars per million tokens from decimal text, such as "0.075".
// A tenth decimal would be less than a femto-dollar a token and is refused.
func ParseRate(text string) (llm.Rate, error) {
	whole, frac, dotted := strings.Cut(text, ".")
	if whole == "" || dotted && frac == "" || len(frac) > 9 || strings.ContainsAny(text, "+-") {
		return 0, fmt.Errorf("cannot read %q as dollars per million tokens", text)
	}
	n, err := strconv.ParseInt(whole+frac+strings.Repeat("0", 9-len(frac)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("cannot read %q as dollars per million tokens", text)
	}
	return llm.Rate(n), nil
}

func parseDay(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("cannot read the day %q: %w", text, err)
	}
	return day, nil
}

var modalityNames = []string{"text", "image", "audio", "video", "pdf"}

func parseModalities(names []string) (set Modality, err error) {
	for _, name := range names {
		i := slices.Index(modalityNames, name)
		if i < 0 {
			return 0, fmt.Errorf("unknown modality %q", name)
		}
		set |= 1 << i
	}
	return set, nil
}

// String returns the modalities as words.
func (m Modality) String() string {
	var names []string
	for i, name := range modalityNames {
		if m&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, "+")
}
