package pricing

import (
	"math"
	"strings"
)

// Profile is how a family of models turns the parts of a prompt into tokens: the
// sum of the parts, each times its weight. A Calibration starts from it. The
// weights of text, messages and definitions are fitted on recorded calls
// (TestFitProfiles); those of media are the providers' own rules.
type Profile struct {
	Name string
	Text [Kinds]float64 // tokens for one of o200k_base, by kind of text

	Prompt        float64 // tokens of any prompt
	Message       float64 // for each message
	Tools, Format Weights
	Citations     float64 // of the instructions for citations

	Image, Square, Patch, Area, Fine, Tile float64 // for each unit of Images
	Page                                   float64 // for each page of a document
	Sealed                                 float64 // for each byte of sealed reasoning
	Second                                 float64 // for each second of sound; a film has 9 times as much

	// Spread bounds the prompts: 99 % have at most e^Spread times the estimate.
	Spread float64

	encoding func() *Encoding // of the family, if that is known
}

// Weights is what a list of definitions costs: tokens for the list, for each token
// of its strings, and for each string.
type Weights struct{ List, Text, String float64 }

func (w Weights) of(d Definitions) float64 {
	if d.Strings == 0 {
		return 0
	}
	return w.List + w.Text*float64(d.Text) + w.String*float64(d.Strings)
}

// filmTokens is what a second of film costs for each token of a second of sound:
// ai.google.dev/gemini-api/docs/tokens has 263 and 32.
const filmTokens = 263.0 / 32

// For returns the tokens of the prompt at a family of models. It is a sum of some
// products: cheap enough for every candidate.
func (e *Estimate) For(p *Profile) int64 {
	n := p.Prompt + p.Message*float64(e.Messages) + p.Text[e.Kind]*float64(e.Text) +
		p.Tools.of(e.Tools) + p.Format.of(e.Format)
	if e.Cited {
		n += p.Citations
	}
	m := &e.Images
	n += p.Image*float64(m.Count) + p.Square*float64(m.Squares) + p.Patch*float64(m.Patches) +
		p.Area*float64(m.Area) + p.Fine*float64(m.Fine) + p.Tile*float64(m.Tiles)
	n += p.Sealed*float64(e.Sealed) + p.Page*float64(e.Pages) + p.Second/1000*(float64(e.Audio)+filmTokens*float64(e.Video))
	return int64(math.Round(n))
}

// even is the same factor for all kinds of text.
func even(factor float64) (t [Kinds]float64) {
	for k := range t {
		t[k] = factor
	}
	return t
}

// The families. OpenAI's count is its own tokenizer's: a message is wrapped in
// three tokens and its role is one, three more prime the reply
// (cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken).
var (
	openAI = &Profile{Name: "openai", Text: even(1), Prompt: 3, Message: 4, Tools: Weights{14, 1, 1.3}, Format: Weights{0, 1.1, 2},
		Image: 85, Square: 170, Page: 760, Second: 10, Sealed: 0.05, Spread: 0.35, encoding: O200k}
	mini4o = like(openAI, "gpt-4o-mini", func(p *Profile) { p.Image, p.Square = 2833, 5667 })
	gpt5   = like(openAI, "gpt-5", func(p *Profile) { p.Tools, p.Image, p.Square, p.Spread = Weights{18, 1.2, 1.6}, 70, 140, 0.8 })
	nano5  = like(openAI, "gpt-5-nano", func(p *Profile) {
		p.Tools, p.Image, p.Square, p.Patch, p.Sealed, p.Spread = Weights{26, 1, 1.2}, 0, 0, 1.5, 0.09, 0.6
	})
	mini5  = like(nano5, "gpt-5-mini", func(p *Profile) { p.Patch = 1.2 })
	o4mini = like(nano5, "o4-mini", func(p *Profile) { p.Patch = 1.72 })
	mini41 = like(nano5, "gpt-4.1-mini", func(p *Profile) { p.Patch = 1.62 })
	nano41 = like(nano5, "gpt-4.1-nano", func(p *Profile) { p.Patch = 2.46 })
	gpt4   = like(openAI, "gpt-4", func(p *Profile) {
		p.Text = [Kinds]float64{1, 1.02, 1.6, 2, 1.05} // cl100k_base to o200k_base; scripts lie between 1.7 and 3
		p.encoding = Cl100k
	})
	gptOSS = like(openAI, "gpt-oss", func(p *Profile) { p.Prompt, p.Message, p.Tools = 56, 11.3, Weights{25, 0.5, 5.2} })

	other = &Profile{Name: "other", Text: even(1.15), Message: 2.2, Tools: Weights{180, 1.2, 5.7},
		Patch: 1.3, Page: 765, Second: 32, Spread: 0.7}
	claude = like(other, "claude", func(p *Profile) {
		p.Text, p.Message, p.Tools, p.Format, p.Citations = even(1.16), 6.5, Weights{502, 1.15, 3.2}, Weights{129, 0, 6.6}, 630
		p.Patch, p.Area, p.Page, p.Spread = 0, 1, 2680, 0.4
	})
	// Not recorded: its tokenizer counts 1 to 1.35 times as many as the one before.
	claude47 = like(claude, "claude-4.7", func(p *Profile) { p.Text, p.Area, p.Fine, p.Spread = even(1.4), 0, 1, 0.7 })
	gemini   = like(other, "gemini", func(p *Profile) {
		p.Message, p.Tools, p.Sealed, p.Spread = 0.2, Weights{6, 1.05, 2.6}, 0.09, 0.6
		p.Patch, p.Tile, p.Page = 0, 258, 780 // a page's own text is counted or not: 258 to 1,300
	})
	gemini3 = like(gemini, "gemini-3", func(p *Profile) {
		p.Text, p.Tools, p.Spread = even(1.02), Weights{10, 1.2, 4.2}, 0.5
		p.Image, p.Tile, p.Page = 1100, 0, 1340
	})
	deepSeek = like(other, "deepseek", func(p *Profile) { p.Text, p.Message, p.Tools, p.Spread = even(1.17), 2.5, Weights{245, 1.2, 5}, 0.9 })
	mistral  = like(other, "mistral", func(p *Profile) { p.Prompt, p.Tools, p.Spread = 7, Weights{45, 1.1, 5.7}, 0.35 })
	llama    = like(other, "llama", func(p *Profile) { p.Prompt = 30 })
	qwen     = like(other, "qwen", func(*Profile) {})
	cohere   = like(other, "cohere", func(p *Profile) {
		p.Text, p.Message, p.Tools, p.Image, p.Patch, p.Spread = even(1), 0, Weights{25, 0.3, 1}, 259, 0, 0.8
	})
	grok = like(other, "grok", func(p *Profile) {
		p.Prompt, p.Message, p.Tools, p.Image, p.Patch, p.Sealed, p.Spread = 80, 10, Weights{110, 1.1, 9.7}, 256, 0, 0.09, 0.85
	})
	kimi  = like(other, "kimi", func(p *Profile) { p.Message, p.Tools, p.Spread = 4.6, Weights{25, 0.95, 5.4}, 0.35 })
	glm   = like(other, "glm", func(p *Profile) { p.Tools, p.Spread = Weights{115, 1.1, 4.7}, 0.35 })
	sonar = like(other, "sonar", func(p *Profile) { p.Message = 0 })
	nova  = like(other, "nova", func(p *Profile) { p.Tools, p.Spread = Weights{885, 1.2, 5.7}, 1.15 })
)

// like returns a copy of a profile with changes.
func like(p *Profile, name string, change func(*Profile)) *Profile {
	c := *p
	c.Name = name
	change(&c)
	return &c
}

// families finds the profile by a word in a model's or its owner's name; the first that fits.
var families = [...]struct {
	word    string
	profile *Profile
}{
	{"claude-opus-4-7", claude47}, {"claude-opus-4.7", claude47}, {"claude-opus-4-8", claude47}, {"claude-opus-4.8", claude47},
	{"claude-opus-5", claude47}, {"claude-sonnet-5", claude47}, {"claude-haiku-5", claude47},
	{"claude", claude}, {"gemini-3", gemini3}, {"gemini", gemini}, {"gemma", gemini},
	{"gpt-oss", gptOSS}, {"gpt-4o-mini", mini4o}, {"gpt-4o", openAI}, {"gpt-4.1-mini", mini41}, {"gpt-4.1-nano", nano41}, {"gpt-4.1", openAI},
	{"gpt-4.5", openAI}, {"gpt-4", gpt4}, {"gpt-3.5", gpt4}, {"text-embedding", gpt4},
	{"gpt-5-mini", mini5}, {"gpt-5-nano", nano5}, {"o4-mini", o4mini}, {"gpt-5", gpt5},
	{"deepseek", deepSeek}, {"mistral", mistral}, {"mixtral", mistral}, {"ministral", mistral}, {"magistral", mistral},
	{"codestral", mistral}, {"devstral", mistral}, {"pixtral", mistral}, {"llama", llama}, {"qwen", qwen}, {"qwq", qwen},
	{"command", cohere}, {"cohere", cohere}, {"grok", grok}, {"kimi", kimi}, {"glm", glm}, {"sonar", sonar}, {"nova", nova},
	{"openai", openAI}, {"azure", openAI}, {"anthropic", claude}, {"google", gemini}, {"vertex", gemini}, {"meta", llama},
	{"alibaba", qwen}, {"xai", grok}, {"moonshot", kimi}, {"zai", glm}, {"perplexity", sonar}, {"amazon", nova},
}

// ProfileOf returns the profile of the family that a model belongs to, by its name
// ("gpt-5-mini", "us.anthropic.claude-haiku-4-5-v1:0") or else its owner's
// ("openai"); either may be empty. It is never nil and belongs to the package. Look it up
// once per model, not per request.
func ProfileOf(model, owner string) *Profile {
	for _, name := range [...]string{strings.ToLower(model), strings.ToLower(owner)} {
		for i := range families {
			if name != "" && strings.Contains(name, families[i].word) {
				return families[i].profile
			}
		}
	}
	return other
}
