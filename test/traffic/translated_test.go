package traffic

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// dialect is one that clients of the gateway speak.
type dialect struct {
	name string
	api  string // of the recordings that are in it
	path string // empty, as what follows: Gemini's, whose paths name the model
	ask  string // a plain request for a whole answer; %q: the model
	tell string // a plain request for a stream
	read func(body []byte, stream bool) answer
	// refuses: an answer may say in a place of its own that it refuses.
	refuses bool
}

var dialects = [...]dialect{
	{"chat", "openai.chat", "/v1/chat/completions",
		`{"model":%q,"messages":[{"role":"user","content":"Hello"}]}`,
		`{"model":%q,"messages":[{"role":"user","content":"Hello"}],"stream":true,"stream_options":{"include_usage":true}}`, readChat, true},
	{"anthropic", "anthropic.messages", "/v1/messages",
		`{"model":%q,"max_tokens":1000,"messages":[{"role":"user","content":"Hello"}]}`,
		`{"model":%q,"max_tokens":1000,"messages":[{"role":"user","content":"Hello"}],"stream":true}`, readAnthropic, false},
	{"gemini", "gemini.generateContent", "", "", "", readGemini, false},
	{"responses", "openai.responses", "/v1/responses",
		`{"model":%q,"input":"Hello"}`, `{"model":%q,"input":"Hello","stream":true}`, readResponses, true},
}

// request is a plain prompt to a model.
func (d *dialect) request(model string, stream bool) (path string, body []byte) {
	switch {
	case d.name == "gemini" && stream:
		return "/v1beta/models/" + model + ":streamGenerateContent?alt=sse", []byte(`{"contents":[{"role":"user","parts":[{"text":"Hello"}]}]}`)
	case d.name == "gemini":
		return "/v1beta/models/" + model + ":generateContent", []byte(`{"contents":[{"role":"user","parts":[{"text":"Hello"}]}]}`)
	case stream:
		return d.path, fmt.Appendf(nil, d.tell, model)
	}
	return d.path, fmt.Appendf(nil, d.ask, model)
}

// model is the name by which a client of d gets the exchange's answer translated, or
// why there is none. Names decide by which API the gateway asks: of kind openai those
// like codex-* by responses; Bedrock's with anthropic. for Anthropic's clients by invoke.
func (x *exchange) model(d *dialect) (name, why string) {
	switch x.API {
	case d.api:
		return "", ""
	case "openai.chat":
		return "chat/replay:" + x.ID, ""
	case "openai.responses":
		return "openai/codex-replay:" + x.ID, ""
	case "anthropic.messages":
		return "anthropic/replay:" + x.ID, ""
	case "gemini.generateContent":
		return "gemini/replay:" + x.ID, ""
	case "cohere.chat":
		return "cohere/replay:" + x.ID, ""
	case "bedrock.converse", "bedrock.converse-stream":
		return "bedrock/replay:" + x.ID + ":0", ""
	case "bedrock.invoke", "bedrock.invoke-with-response-stream":
		if d.name == "anthropic" && strings.Contains(x.Request.Path, "anthropic.") {
			return "bedrock/anthropic.replay:" + x.ID + ":0", ""
		}
		return "", "the gateway asks by invoke only for Anthropic's clients and models"
	}
	return "", ""
}

// translated asks for an exchange in another dialect than its own.
func (r *run) translated(t *testing.T, x *exchange, d *dialect) {
	model, why := x.model(d)
	if why != "" {
		r.skip(x, d.name, why)
	}
	if model == "" {
		return
	}
	stream := x.Stream || strings.HasSuffix(x.API, "-stream")
	path, body := d.request(model, stream)
	got, err := r.ask(path, body)
	if err != nil {
		t.Errorf("%s: %v", x.ID, err)
		return
	}
	if x.failed() {
		r.note(x, d.name, errorRight, failureDiffers(x, got))
		return
	}
	if got.status != 200 {
		r.note(x, d.name, equal, []string{fmt.Sprintf("status %d: %.300s", got.status, got.body)})
		return
	}
	said := d.read(got.body, stream)
	if x.said.failure != "" {
		var differs []string
		if said.failure == "" {
			differs = append(differs, "the error within the answer is lost")
		}
		r.note(x, d.name, errorRight, differs)
		return
	}
	differs := sayOther(d, &said, &x.said)
	outcome := equal
	if said.usage != x.said.usage {
		outcome = countsOther
		classes := usageClasses(d, said.usage, &x.said)
		if classes == nil {
			differs = append(differs, fmt.Sprintf("usage %+v, not %+v", said.usage, x.said.usage))
		}
		r.because(x, d, classes)
	}
	r.note(x, d.name, outcome, differs)
}

// because counts why usage differs.
func (r *run) because(x *exchange, d *dialect, classes []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, class := range classes {
		r.table.cell(x.API, d.name).reasons[class]++
	}
}

// sayOther lists in what got says other than want, but for usage.
func sayOther(d *dialect, got, want *answer) (differs []string) {
	text, refusal := want.text, want.refusal
	if !d.refuses {
		text, refusal = text+refusal, ""
	}
	if got.failure != "" {
		differs = append(differs, "an error: "+got.failure)
	}
	if got.text != text {
		differs = append(differs, fmt.Sprintf("text %.100q, not %.100q", got.text, text))
	}
	if got.refusal != refusal {
		differs = append(differs, fmt.Sprintf("refusal %.100q, not %.100q", got.refusal, refusal))
	}
	if !slices.Equal(got.calls, want.calls) {
		differs = append(differs, fmt.Sprintf("calls %.300q, not %.300q", got.calls, want.calls))
	}
	if want.finish != "" && got.finish != want.finish {
		differs = append(differs, fmt.Sprintf("finish %s, not %s", got.finish, want.finish))
	}
	return differs
}

// The parts of usage that two APIs, or the golden summaries, count otherwise.
const (
	noThoughts   = "usage: Anthropic's clients are not told how much of the output is thought"
	thoughtsIn   = "usage: the provider counts thoughts beside its output, all other dialects within"
	cachedWithin = "usage: the provider counts more cached than input, which is cut to the input"
	toolsIn      = "usage: the input that Gemini counts as its own tools' is input elsewhere"
)

// usageClasses say how usage came to differ; nil: in no known way.
func usageClasses(d *dialect, got usage, said *answer) (classes []string) {
	want := said.usage
	if want.reasoning > 0 && got.output == want.output+want.reasoning {
		want.output += want.reasoning
		classes = append(classes, thoughtsIn)
	}
	if d.name == "anthropic" && want.reasoning > 0 && got.reasoning == 0 {
		want.reasoning = 0
		classes = append(classes, noThoughts)
	}
	if want.cached > want.input {
		want.cached = want.input
		classes = append(classes, cachedWithin)
	}
	if said.total > want.input+want.output {
		want.input = said.total - want.output
		classes = append(classes, toolsIn)
	}
	if got != want {
		return nil
	}
	return classes
}
