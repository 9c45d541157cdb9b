package fakellm

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
)

// Limits on one request for embeddings.
const (
	maxInputs     = 2048
	maxDimensions = 4096
)

// openaiDialect is that of the endpoint of OpenAI's API that a request is for.
func (s *Server) openaiDialect(r *http.Request, o openai) dialect {
	switch path := r.URL.Path; {
	case r.Method != http.MethodPost || strings.HasSuffix(path, "/chat/completions"):
		return o
	case strings.HasSuffix(path, "/completions"):
		return legacy{o}
	case strings.HasSuffix(path, "/embeddings"):
		return &embeddings{openai: o}
	case strings.HasSuffix(path, "/moderations"):
		return &moderations{openai: o}
	case strings.HasSuffix(path, "/responses"):
		return &responses{openai: o, kept: &s.kept}
	case strings.HasSuffix(path, "/images/generations"):
		return &images{openai: o}
	case strings.HasSuffix(path, "/audio/speech"):
		return &speech{openai: o}
	case strings.HasSuffix(path, "/audio/transcriptions"):
		return &transcription{openai: o, task: "transcribe"}
	case strings.HasSuffix(path, "/audio/translations"):
		return &transcription{openai: o, task: "translate"}
	}
	return o
}

// inputs are what endpoints without messages read: a text, a list of token numbers, or a list of either.
type inputs []input

type input struct {
	text   string // token numbers as they were written
	tokens int64
}

func (in *inputs) UnmarshalJSON(b []byte) error {
	var said texts
	var tokens []uint32
	var lists []json.RawMessage
	switch {
	case string(b) == "null":
	case json.Unmarshal(b, &said) == nil:
		for _, text := range said {
			*in = append(*in, input{text, int64(len(text)+3) / 4})
		}
	case json.Unmarshal(b, &tokens) == nil:
		*in = inputs{{string(b), int64(len(tokens))}}
	case json.Unmarshal(b, &lists) == nil:
		for _, list := range lists {
			var tokens []uint32
			if err := json.Unmarshal(list, &tokens); err != nil {
				return err
			}
			*in = append(*in, input{string(list), int64(len(tokens))})
		}
	default:
		return errors.New("want a text, a list of token numbers, or a list of either")
	}
	return nil
}

// request is one that asks for no choice yet. A marker may be in any of the inputs.
func (in inputs) request(model string) (*request, error) {
	if model == "" {
		return nil, errNoModel
	}
	q := &request{Model: model}
	said := make([]string, len(in))
	for i := range in {
		said[i] = in[i].text
		q.tokens += in[i].tokens
	}
	q.tokens = max(q.tokens, 1)
	q.Messages = []message{newMessage("user", strings.Join(said, "\n"), 0)}
	return q, nil
}

// textRand is the same for the same text.
func textRand(text string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text))
	return rand.New(rand.NewPCG(h.Sum64(), 0))
}

// embeddings is https://platform.openai.com/docs/api-reference/embeddings
type embeddings struct {
	openai
	inputs     inputs
	dimensions int
	base64     bool
}

func (e *embeddings) parse(_ *http.Request, body []byte) (*request, error) {
	var b struct {
		Model      string `json:"model"`
		Input      inputs `json:"input"`
		Dimensions *int   `json:"dimensions"`
		Format     string `json:"encoding_format"`
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return nil, fmt.Errorf("the body is no embeddings request: %w", err)
	}
	e.inputs, e.dimensions, e.base64 = b.Input, dimensionsOf(b.Model), b.Format == "base64"
	if b.Dimensions != nil {
		e.dimensions = *b.Dimensions
	}
	switch {
	case len(b.Input) == 0 || slices.ContainsFunc(b.Input, func(in input) bool { return in.tokens == 0 }):
		return nil, errors.New("you must provide an input, and none may be empty")
	case len(b.Input) > maxInputs:
		return nil, fmt.Errorf("input must be %d items or less", maxInputs)
	case e.dimensions < 1 || e.dimensions > maxDimensions:
		return nil, fmt.Errorf("dimensions must be between 1 and %d", maxDimensions)
	case b.Format != "" && b.Format != "float" && !e.base64:
		return nil, errors.New("encoding_format must be float or base64")
	}
	return b.Input.request(b.Model)
}

// dimensionsOf is how many a model's vectors have where the request does not say.
func dimensionsOf(model string) int {
	switch {
	case strings.Contains(model, "small") || strings.Contains(model, "ada"):
		return 1536
	case strings.Contains(model, "large"):
		return 3072
	}
	return 1024
}

type embedding struct {
	Object    string `json:"object"`
	Index     int    `json:"index"`
	Embedding any    `json:"embedding"` // numbers, or the base64 of little-endian float32s
}

func (e *embeddings) whole(a *answer) []byte {
	data := make([]embedding, len(e.inputs))
	for i, in := range e.inputs {
		v := vector(in.text, e.dimensions)
		data[i] = embedding{Object: "embedding", Index: i, Embedding: v}
		if e.base64 {
			data[i].Embedding = littleEndian(v)
		}
	}
	var usage map[string]int64
	if !a.script.NoUsage {
		usage = map[string]int64{"prompt_tokens": a.usage.prompt, "total_tokens": a.usage.prompt}
	}
	return encode(struct {
		Object string           `json:"object"`
		Data   []embedding      `json:"data"`
		Model  string           `json:"model"`
		Usage  map[string]int64 `json:"usage,omitempty"`
	}{"list", data, a.request.Model, usage})
}

// vector is a text's direction, of length 1. As with the real models, one of fewer
// dimensions is the beginning of one of more, made longer.
func vector(text string, dimensions int) []float32 {
	r := textRand(text)
	wide, square := make([]float64, dimensions), 0.0
	for i := range wide {
		wide[i] = r.NormFloat64()
		square += wide[i] * wide[i]
	}
	v := make([]float32, dimensions)
	for i := range v {
		v[i] = float32(wide[i] / math.Sqrt(square))
	}
	return v
}

func littleEndian(v []float32) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

// legacy is https://platform.openai.com/docs/api-reference/completions. Several
// prompts have their choices one after the other.
type legacy struct{ openai }

const legacyMaxTokens = 16 // where the request does not say

func (l legacy) parse(_ *http.Request, body []byte) (*request, error) {
	b := struct {
		Model         string `json:"model"`
		Prompt        inputs `json:"prompt"`
		MaxTokens     int    `json:"max_tokens"`
		N             int    `json:"n"`
		Stop          texts  `json:"stop"`
		Echo          bool   `json:"echo"`
		Stream        bool   `json:"stream"`
		StreamOptions struct {
			IncludeUsage bool `json:"include_usage"`
		} `json:"stream_options"`
	}{MaxTokens: legacyMaxTokens, N: 1}
	if err := json.Unmarshal(body, &b); err != nil {
		return nil, fmt.Errorf("the body is no completion request: %w", err)
	}
	switch {
	case len(b.Prompt) == 0:
		return nil, errors.New("you must provide a prompt")
	case b.Echo:
		return nil, errors.New("echo is not supported")
	case b.MaxTokens < 1:
		return nil, errors.New("max_tokens must be at least 1")
	case b.N < 1 || b.N > maxChoices || len(b.Prompt) > maxChoices/b.N:
		return nil, fmt.Errorf("n must be at least 1, and all prompts have at most %d choices", maxChoices)
	}
	q, err := b.Prompt.request(b.Model)
	if err != nil {
		return nil, err
	}
	q.N, q.MaxTokens, q.Stop = b.N*len(b.Prompt), b.MaxTokens, b.Stop
	q.Stream, q.StreamOptions.IncludeUsage = b.Stream, b.StreamOptions.IncludeUsage
	return q, nil
}

type legacyChoice struct {
	Text     string           `json:"text"`
	Index    int              `json:"index"`
	Logprobs *json.RawMessage `json:"logprobs"`
	Finish   *string          `json:"finish_reason"`
}

func (l legacy) envelope(a *answer, choices ...legacyChoice) envelope {
	return envelope{ID: "cmpl-" + a.id, Object: "text_completion", Created: a.created, Model: a.request.Model, Fingerprint: fingerprint, Choices: choices}
}

func (l legacy) usage(a *answer) json.RawMessage {
	return encode(map[string]int64{
		"prompt_tokens": a.usage.prompt, "completion_tokens": a.usage.output, "total_tokens": a.usage.prompt + a.usage.output,
	})
}

func (l legacy) whole(a *answer) []byte {
	choices := make([]legacyChoice, len(a.choices))
	for i := range a.choices {
		c := &a.choices[i]
		choices[i] = legacyChoice{Text: c.said(), Index: i, Finish: new(c.openaiFinish())}
	}
	e := l.envelope(a, choices...)
	if !a.script.NoUsage {
		e.Usage = l.usage(a)
	}
	return encode(e)
}

// events are the content in turns, the reasons to finish, the usage if it was asked for, and [DONE].
func (l legacy) events(a *answer) iter.Seq[event] {
	withUsage := a.request.StreamOptions.IncludeUsage && !a.script.NoUsage
	chunk := func(usage json.RawMessage, choices ...legacyChoice) []byte {
		e := l.envelope(a, choices...)
		if withUsage {
			e.Usage = usage
		}
		return encode(e)
	}
	return func(yield func(event) bool) {
		for i, step := range a.turns() {
			if !yield(event{stage: content, data: chunk(null, legacyChoice{Text: a.choices[i].pieces[step], Index: i})}) {
				return
			}
		}
		for i := range a.choices {
			if !yield(event{stage: closing, data: chunk(null, legacyChoice{Index: i, Finish: new(a.choices[i].openaiFinish())})}) {
				return
			}
		}
		if withUsage && !yield(event{stage: closing, data: chunk(l.usage(a), []legacyChoice{}...)}) {
			return
		}
		yield(event{stage: last, data: []byte("[DONE]")})
	}
}

// moderations is https://platform.openai.com/docs/api-reference/moderations. Each
// text has a result; a list of parts is one input and has one.
type moderations struct {
	openai
	texts texts
	image bool // the parts show one
}

// categories are those of omni-moderation, and whether they are looked for in images too.
var categories = map[string]bool{
	"harassment": false, "harassment/threatening": false, "hate": false, "hate/threatening": false, "illicit": false, "illicit/violent": false,
	"self-harm": true, "self-harm/instructions": true, "self-harm/intent": true, "sexual": true, "sexual/minors": false, "violence": true, "violence/graphic": true,
}

func (m *moderations) parse(_ *http.Request, body []byte) (*request, error) {
	b := struct {
		Model string          `json:"model"`
		Input json.RawMessage `json:"input"`
	}{Model: "omni-moderation-latest"}
	if err := json.Unmarshal(body, &b); err != nil {
		return nil, fmt.Errorf("the body is no moderation request: %w", err)
	}
	if err := m.read(b.Input); err != nil {
		return nil, err
	}
	var in inputs
	for _, text := range m.texts {
		in = append(in, input{text: text})
	}
	return in.request(b.Model)
}

func (m *moderations) read(raw json.RawMessage) error {
	var parts []struct{ Type, Text string }
	switch {
	case len(raw) == 0 || string(raw) == "null" || string(raw) == "[]":
		return errors.New("you must provide an input")
	case json.Unmarshal(raw, &m.texts) == nil:
		return nil
	case json.Unmarshal(raw, &parts) != nil:
		return errors.New("input must be a text, or a list of texts or of parts")
	}
	var said []string
	for _, p := range parts {
		switch p.Type {
		case "text":
			said = append(said, p.Text)
		case "image_url":
			m.image = true
		default:
			return fmt.Errorf("there is no part of type %q", p.Type)
		}
	}
	m.texts = texts{strings.Join(said, "\n")}
	return nil
}

type moderation struct {
	Flagged    bool                `json:"flagged"`
	Categories map[string]bool     `json:"categories"`
	Scores     map[string]float64  `json:"category_scores"`
	Applied    map[string][]string `json:"category_applied_input_types"`
}

func (m *moderations) whole(a *answer) []byte {
	results := make([]moderation, len(m.texts))
	for i, text := range m.texts {
		results[i] = m.result(text)
	}
	return encode(struct {
		ID      string       `json:"id"`
		Model   string       `json:"model"`
		Results []moderation `json:"results"`
	}{"modr-simulated-" + a.id, a.request.Model, results})
}

// result finds nothing in any text: every score is below a thousandth.
func (m *moderations) result(text string) moderation {
	found := moderation{Categories: map[string]bool{}, Scores: map[string]float64{}, Applied: map[string][]string{}}
	for name, images := range categories {
		found.Categories[name], found.Scores[name], found.Applied[name] = false, textRand(name+text).Float64()/1000, []string{}
		if text != "" {
			found.Applied[name] = append(found.Applied[name], "text")
		}
		if m.image && images {
			found.Applied[name] = append(found.Applied[name], "image")
		}
	}
	return found
}
