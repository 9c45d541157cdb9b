package pricing

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing/genai"
)

// File is the catalogue as it is written down.
type File struct {
	Version string      `json:"version"`         // of all the sources
	List    string      `json:"list,omitempty"`  // name and version of the list that a row is of unless it says otherwise; empty: Version
	Dated   string      `json:"dated,omitempty"` // day of the newest price list
	Sources []string    `json:"sources"`         // with licence and date
	Lists   []FileList  `json:"lists,omitempty"` // which names mean what
	Models  []FileModel `json:"models"`
}

func (f *File) list() string {
	if f.List != "" {
		return f.List
	}
	return f.Version
}

// FileList holds the rules of one provider's price list, in its order.
type FileList struct {
	Kind     string     `json:"kind"`
	Fallback []string   `json:"fallback,omitempty"` // kinds whose rules are tried behind its own
	Rules    []FileRule `json:"rules"`
}

// FileRule says which names mean the model that has a name at a kind of host.
type FileRule struct {
	Kind  string      `json:"kind,omitempty"` // empty: the list's
	Name  string      `json:"name"`
	Match genai.Match `json:"match"`
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
	Use        string     `json:"use,omitempty"` // empty: chat
	Unverified bool       `json:"unverified,omitempty"`
	Source     string     `json:"source,omitempty"`
	Hosts      []FileHost `json:"hosts"`
}

// FileHost is one host of a FileModel.
type FileHost struct {
	Kind      string      `json:"kind"`
	Name      string      `json:"name"`
	Context   int64       `json:"context,omitempty"`
	MaxOutput int64       `json:"maxOutput,omitempty"`
	Listed    string      `json:"listed,omitempty"`
	Prices    []FilePrice `json:"prices,omitempty"`
}

// FilePrice is one row of a price list: dollars per million tokens as decimal
// text. An empty price is the parent's.
type FilePrice struct {
	From         string    `json:"from,omitempty"`  // YYYY-MM-DD, or RFC 3339; UTC
	Hours        string    `json:"hours,omitempty"` // of the UTC day, such as 00:30-16:30
	Tier         string    `json:"tier,omitempty"`
	Above        int64     `json:"above,omitempty"` // input tokens
	Input        string    `json:"input,omitempty"`
	CacheRead    string    `json:"cacheRead,omitempty"`
	CacheWrite5m string    `json:"cacheWrite5m,omitempty"`
	CacheWrite1h string    `json:"cacheWrite1h,omitempty"`
	Output       string    `json:"output,omitempty"`
	Reasoning    string    `json:"reasoning,omitempty"`
	AudioIn      string    `json:"audioIn,omitempty"`
	AudioOut     string    `json:"audioOut,omitempty"`
	AudioCached  string    `json:"audioCached,omitempty"`
	ImageIn      string    `json:"imageIn,omitempty"`
	ImageOut     string    `json:"imageOut,omitempty"`
	ImageCached  string    `json:"imageCached,omitempty"`
	Video        string    `json:"video,omitempty"`
	VideoOut     string    `json:"videoOut,omitempty"`
	Citations    string    `json:"citations,omitempty"`
	Fees         []FileFee `json:"fees,omitempty"`
	List         string    `json:"list,omitempty"` // name and version of the list; empty: the file's
	Source       string    `json:"source"`
}

// FileFee is a price per call: dollars for a number of what is counted.
type FileFee struct {
	Name  string `json:"name"`
	Price string `json:"price"`
	Per   int64  `json:"per"`
	Least int64  `json:"least,omitempty"`
}

func (f *FileModel) model(list string) (*Model, error) {
	m := &Model{
		ID: f.ID, Owner: f.Owner, Names: f.Names,
		Context: f.Context, MaxInput: f.MaxInput, MaxOutput: f.MaxOutput,
		Tools: f.Tools, JSONObject: f.JSONObject, JSONSchema: f.JSONSchema, Reasoning: f.Reasoning,
		Refuses: f.Refuses, Capability: f.Capability, Indirect: f.Indirect, Evidence: f.Evidence,
		Chat: f.Use == "", Use: f.Use, Unverified: f.Unverified, Source: f.Source,
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
	m.Hosts = make([]Host, 0, len(f.Hosts))
	for i := range f.Hosts {
		h, err := f.Hosts[i].host(list)
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

func (f *FileHost) host(list string) (Host, error) {
	h := Host{Kind: f.Kind, Name: f.Name, Context: f.Context, MaxOutput: f.MaxOutput, Listed: f.Listed}
	if f.Kind == "" || f.Name == "" {
		return Host{}, fmt.Errorf("a host without kind or name")
	}
	if len(f.Prices) > 0 {
		h.Prices = make([]Price, len(f.Prices))
	}
	for i := range f.Prices {
		if err := f.Prices[i].read(&h.Prices[i], list); err != nil {
			return Host{}, fmt.Errorf("host %s: %w", f.Kind, err)
		}
	}
	return h, nil
}

// read reads the row, and when it applies.
func (f *FilePrice) read(p *Price, list string) (err error) {
	if f.Source == "" {
		return fmt.Errorf("a price without a source")
	}
	if f.List != "" {
		list = f.List
	}
	*p = Price{Tier: f.Tier, Above: f.Above, Source: f.Source}
	if p.From, err = parseDay(f.From); err != nil {
		return err
	}
	if p.Hours, err = parseHours(f.Hours); err != nil {
		return err
	}
	if p.Fees, err = parseFees(f.Fees); err != nil {
		return err
	}
	p.Rates.Version = list
	return f.rates(&p.Rates)
}

// rates reads the prices, and gives each class without one its parent's. Cached
// audio is audio where that has a price, else cached input, as calcPrice of
// genai-prices has it; cached images alike.
func (f *FilePrice) rates(r *llm.Rates) (err error) {
	priced := len(f.Fees) > 0
	rate := func(text string, parent llm.Rate) llm.Rate {
		if text == "" || err != nil {
			return parent
		}
		var own llm.Rate
		own, err = llm.ParseRate(text)
		priced = true
		return own
	}
	cached := func(text, uncached string, parent llm.Rate) llm.Rate {
		if uncached == "" {
			parent = r.CacheRead
		}
		return rate(text, parent)
	}
	r.Input = rate(f.Input, 0)
	r.CacheRead = rate(f.CacheRead, r.Input)
	r.CacheWrite5m = rate(f.CacheWrite5m, r.Input)
	r.CacheWrite1h = rate(f.CacheWrite1h, r.CacheWrite5m)
	r.AudioIn, r.ImageIn, r.Video = rate(f.AudioIn, r.Input), rate(f.ImageIn, r.Input), rate(f.Video, r.Input)
	r.AudioCached, r.ImageCached = cached(f.AudioCached, f.AudioIn, r.AudioIn), cached(f.ImageCached, f.ImageIn, r.ImageIn)
	r.Output = rate(f.Output, 0)
	r.Reasoning, r.Citations = rate(f.Reasoning, r.Output), rate(f.Citations, r.Output)
	r.AudioOut, r.ImageOut, r.VideoOut = rate(f.AudioOut, r.Output), rate(f.ImageOut, r.Output), rate(f.VideoOut, r.Output)
	if err == nil && !priced {
		return fmt.Errorf("a row without a price")
	}
	return err
}

// feeParents are fees that are charged as another where they have no price of
// their own.
var feeParents = [...][2]string{
	{"input_audio_second", "audio_second"}, {"output_audio_second", "audio_second"}, {"annotated_page", "document_page"},
}

func parseFees(list []FileFee) ([]llm.FeeRate, error) {
	if len(list) == 0 {
		return nil, nil
	}
	fees := make([]llm.FeeRate, 0, len(list)+2)
	named := func(name string) int {
		return slices.IndexFunc(fees, func(f llm.FeeRate) bool { return f.Name == name })
	}
	for _, f := range list {
		fee, err := f.rate()
		if err != nil {
			return nil, err
		}
		if named(fee.Name) >= 0 {
			return nil, fmt.Errorf("two fees named %s", fee.Name)
		}
		fees = append(fees, fee)
	}
	for _, pair := range feeParents {
		if at := named(pair[1]); at >= 0 && named(pair[0]) < 0 {
			child := fees[at]
			child.Name = pair[0]
			fees = append(fees, child)
		}
	}
	return fees, nil
}

// rate is exact: where one of what is counted costs a fraction of a femto-dollar,
// the rate stays that of several.
func (f *FileFee) rate() (llm.FeeRate, error) {
	price, ok := new(big.Rat).SetString(f.Price)
	if !ok || price.Sign() < 0 || f.Per < 1 || f.Least < 0 || f.Name == "" || strings.ContainsAny(f.Price, "eE/_xXpP") {
		return llm.FeeRate{}, fmt.Errorf("cannot read the fee %+v", *f)
	}
	price.Mul(price, new(big.Rat).SetInt64(1_000_000_000_000_000))
	if !price.IsInt() || !price.Num().IsInt64() {
		return llm.FeeRate{}, fmt.Errorf("the fee %+v is no whole number of femto-dollars", *f)
	}
	femto := price.Num().Int64()
	if femto%f.Per == 0 {
		return llm.FeeRate{Name: f.Name, Rate: llm.Rate(femto / f.Per), Least: f.Least}, nil
	}
	return llm.FeeRate{Name: f.Name, Rate: llm.Rate(femto), Per: f.Per, Least: f.Least}, nil
}

// RateText writes a price in dollars with up to 9 decimals, rounded half up, as
// llm.ParseRate reads it: the figures of price lists are binary floats that carry
// noise behind them.
func RateText(n json.Number) (string, error) {
	r, ok := new(big.Rat).SetString(n.String())
	if !ok || r.Sign() < 0 {
		return "", fmt.Errorf("%q is no price", n)
	}
	s := r.FloatString(9)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), "."), nil
}

func parseDay(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	layout := time.DateOnly
	if len(text) > len(time.DateOnly) {
		layout = time.RFC3339
	}
	day, err := time.Parse(layout, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("cannot read the day %q: %w", text, err)
	}
	return day.UTC(), nil
}

// parseHours reads hours such as 00:30-16:30.
func parseHours(text string) (*Hours, error) {
	if text == "" {
		return nil, nil
	}
	var h Hours
	start, end, _ := strings.Cut(text, "-")
	for _, part := range []struct {
		text string
		to   *time.Duration
	}{{start, &h.Start}, {end, &h.End}} {
		layout := "15:04:05"
		if len(part.text) == len("15:04") {
			layout = "15:04"
		}
		at, err := time.Parse(layout, part.text)
		if err != nil {
			return nil, fmt.Errorf("cannot read the hours %q", text)
		}
		*part.to = at.Sub(at.Truncate(24 * time.Hour))
	}
	return &h, nil
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
