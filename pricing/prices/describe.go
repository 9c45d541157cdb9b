package main

import (
	"slices"
	"strings"

	"github.com/generic-corp/halfpenny/pricing"
)

// knows reports whether models.dev has a model by the key, in lower case.
func (d *modelsDev) knows(key string) bool { return d.model(key) != nil }

// model returns what models.dev says of a model itself, or nil.
func (d *modelsDev) model(key string) *entry {
	if d.folded == nil {
		d.folded = map[string]*entry{}
		for key, e := range d.Models {
			d.folded[strings.ToLower(key)] = e
		}
	}
	return d.folded[strings.ToLower(key)]
}

// describe fills in what a model is and can do, as models.dev says of it. Where
// that says nothing it takes text, and nothing is certain.
func (b *builder) describe(m *pricing.FileModel, e *entry, kind, name string) {
	if e == nil {
		m.Unverified, m.Input, m.Output = true, []string{"text"}, []string{"text"}
		return
	}
	m.Source = b.facts.version() + " " + devName(kind) + "/" + name
	m.Released = day(e.Released)
	m.Context, m.MaxInput, m.MaxOutput = e.Limit.Context, e.Limit.Input, e.Limit.Output
	m.Input, m.Output = slices.Sorted(slices.Values(e.Modalities.Input)), slices.Sorted(slices.Values(e.Modalities.Output))
	m.Tools, m.Reasoning, m.JSONSchema = e.Tools, e.Reasoning, e.Structured
	// The source says nothing of json_object, which all but Anthropic's models take.
	m.JSONObject = m.Owner != "anthropic"
}

// correct takes what models.yaml says where the source is silent or wrong.
func (l *listed) correct(m *pricing.FileModel, e *entry) {
	m.Tools = e.Tools || l.Tools
	m.JSONSchema = (e.Structured || l.JSON == "schema") && l.JSON != "object" && l.JSON != "none"
	m.JSONObject = m.JSONObject && l.JSON != "none"
}

// uses are what models are for that do not converse, by what their names hold. The
// first that fits says.
var uses = []struct {
	use   string
	parts []string
}{
	{"rerank", []string{"rerank"}},
	{"embedding", []string{"embed", "bge-", "voyage-", "m2-bert", "gte-", "uae-large"}},
	{"moderation", []string{"moderation", "guard", "content-safety", "shieldgemma", "distilbert"}},
	{"transcription", []string{"whisper", "transcribe", "voxtral-mini-2602", "nova-3", "parakeet"}},
	{"speech", []string{"-tts", "melotts", "aura-"}},
	{"realtime", []string{"realtime", "-live-", "sonic", "grok-voice", "native-audio"}},
	{"ocr", []string{"-ocr-"}},
	{"image", []string{"-image", "dall-e", "imagen", "flux", "stable-diffusion"}},
	{"music", []string{"lyria"}},
	{"video", []string{"veo-", "sora-", "omni-flash-preview"}},
	{"translation", []string{"indictrans", "m2m100"}},
	{"research", []string{"deep-research"}}, // many calls in one, whose fees no estimate shows
	{"completion", []string{"davinci", "babbage", "curie", "gpt-3.5-turbo-instruct"}},
}

// use says what a model is for if it is not chat.
func use(name string, e *entry, prices []pricing.FilePrice) string {
	last := strings.ToLower(name[strings.LastIndexByte(name, '/')+1:])
	for _, u := range uses {
		for _, part := range u.parts {
			if strings.Contains(last, part) {
				return u.use
			}
		}
	}
	switch {
	case last == "ada":
		return "completion"
	case e != nil && !slices.Contains(e.Modalities.Output, "text"):
		return strings.Join(e.Modalities.Output, "+")
	case e == nil && len(prices) > 0 && prices[0].Output == "":
		return "unknown"
	}
	return ""
}
