package provider

import (
	"crypto/rand"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// geminiHonours are the top-level fields of an OpenAI chat request that have their
// effect at Gemini's generateContent.
var geminiHonours = []string{
	"extra_body", "frequency_penalty", "logprobs", "max_completion_tokens", "max_tokens", "messages", "model", "n", "presence_penalty",
	"reasoning_effort", "response_format", "seed", "service_tier", "stop", "stream", "stream_options", "temperature", "tool_choice", "tools",
	"top_k", "top_logprobs", "top_p", "web_search_options",
}

// openaiGemini speaks OpenAI's chat completions to the caller and Gemini's
// generateContent to the provider: https://ai.google.dev/api/generate-content.
// The model is in the provider's address, and streams are asked for with alt=sse.
// It holds the state of one call, so it is used for one request and its reply.
//
// What OpenAI's API has no field for is carried where Google's own OpenAI endpoint
// has it, in extra_content.google (https://ai.google.dev/gemini-api/docs/openai).
type openaiGemini struct {
	call     Call
	askUsage bool // the stream ends with a chunk of usage
	searches bool // the request allows Google Search, so that citations may follow the text they are of

	id      string // of the reply, without prefix; empty until something was read
	created int64  // Unix seconds
	model   string // raw JSON string
	ids     int    // call ids that were made
	given   map[string]bool
	choices []geminiChoice
	usage   geminiUsageCounts
	tier    string // as the provider reported it
	over    bool   // the stream has ended, or the provider sent an error instead of its rest
}

// geminiChoice is what is known of one candidate while its stream passes.
type geminiChoice struct {
	index   int64
	started bool   // its role was sent
	calls   int    // tool calls so far
	finish  string // OpenAI's finish reason, empty while the candidate is not finished
	text    []byte // the text so far, as inside a JSON string; kept only where citations may point into it
}

// geminiUsageCounts is usageMetadata; https://ai.google.dev/api/generate-content#UsageMetadata.
type geminiUsageCounts struct {
	known                                                               bool
	prompt, toolPrompt, cached, candidates, thoughts, audioIn, audioOut int64
}

var (
	_ Translator = (*openaiGemini)(nil)
	_ Ender      = (*openaiGemini)(nil)
)

// newOpenAIGemini returns the translator of one call.
func newOpenAIGemini(c Call) Translator {
	asked := c.AskUsage || len(c.StreamOptions.Value) > 0 && gjson.GetBytes(c.StreamOptions.Value, "include_usage").Bool()
	return &openaiGemini{call: c, askUsage: asked && !c.DropUsage}
}

// begin takes the reply's identity from its first piece.
func (t *openaiGemini) begin(whole gjson.Result) {
	if t.id != "" {
		return
	}
	t.created = time.Now().Unix()
	t.id = whole.Get("responseId").String()
	if len(t.id) > 28 || !geminiPlainID(t.id) {
		t.id = rand.Text()
	}
	t.model = whole.Get("modelVersion").Raw
	if !strings.HasPrefix(t.model, `"`) {
		t.model = string(gjson.AppendJSONString(nil, t.call.Send))
	}
}

// geminiPlainID reports whether an id can be part of an OpenAI id as it is.
func geminiPlainID(id string) bool {
	return id != "" && strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == ""
}

// choice returns the state of a candidate; it is valid until the next call.
func (t *openaiGemini) choice(index int64) *geminiChoice {
	for i := range t.choices {
		if t.choices[i].index == index {
			return &t.choices[i]
		}
	}
	t.choices = append(t.choices, geminiChoice{index: index})
	return &t.choices[len(t.choices)-1]
}

// geminiThree reports whether a model is of Gemini 3 or later, which names its levels
// of thinking and insists on thought signatures. An alias without a number, such as
// gemini-flash-latest, is one.
func geminiThree(model string) bool {
	model = model[strings.LastIndexByte(model, '/')+1:]
	return strings.HasPrefix(model, "gemini-") && !strings.HasPrefix(model, "gemini-1") && !strings.HasPrefix(model, "gemini-2")
}
