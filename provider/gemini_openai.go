package provider

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
	"github.com/generic-corp/halfpenny/llm"
)

// geminiOpenAI serves a caller of Gemini's generateContent by a provider of OpenAI's
// chat completions. The model, and whether the reply is a stream, are in the caller's
// address and come with the Call. What the provider has no place for is an error that
// begins with its path. Names are read in camelCase and in snake_case, as Google does.
// It holds the state of one call.
//
// What is opaque in a chat completion goes to the caller as a part's thoughtSignature,
// which its SDK hands back: Google's own as it is, others wrapped by appendGeminiCarried.
//
// https://ai.google.dev/api/generate-content,
// https://platform.openai.com/docs/api-reference/chat
type geminiOpenAI struct {
	call Call
	// maxTokensField is the name under which the model takes maxOutputTokens.
	maxTokensField string
	showThoughts   bool // the caller asked for thoughts

	id, model []byte // of the reply, as inside a JSON string; empty until something was read
	answers   []geminiAnswer
	sources   geminiSources // what Perplexity names beside the answer
	meter     openaiMeter
	over      bool // the stream's last event was sent
}

var (
	_ Translator = (*geminiOpenAI)(nil)
	_ Ender      = (*geminiOpenAI)(nil)
)

func newGeminiOpenAI(c Call) Translator {
	t := &geminiOpenAI{call: c, maxTokensField: "max_tokens"}
	if thinksAtOpenAI(c.Send) {
		t.maxTokensField = "max_completion_tokens"
	}
	t.meter.format = openaiFormat
	return t
}

// Request writes a chat completions request. Its errors are *llm.Error and name the
// field that is wrong, or that cannot be expressed, as the caller spells it.
func (t *geminiOpenAI) Request(dst, src []byte) ([]byte, error) {
	var few [12]jsonscan.Member
	members, err := jsonscan.Members(few[:0], src)
	if err != nil {
		return dst, llm.Invalid("", "the body is not valid JSON: "+err.Error())
	}
	r := geminiAsked{t: t, ids: map[string]bool{}}
	for i := range members {
		m := &members[i]
		if geminiNull(m.Value) || slices.ContainsFunc(t.call.Drop, func(d jsonscan.Member) bool { return d.Start == m.Start }) {
			continue
		}
		r.in(string(m.Name), func() { r.top(geminiField(m.Name), m) })
	}
	r.out = appendString(append(dst, `{"model":`...), t.call.Send)
	r.body()
	if r.err != nil {
		return dst, r.err
	}
	return r.out, nil
}

// geminiField is the name of one of Gemini's fields in camelCase.
func geminiField(name []byte) string {
	if bytes.IndexByte(name, '_') < 0 {
		return string(name)
	}
	camel, up := make([]byte, 0, len(name)), false
	for _, c := range name {
		if c == '_' {
			up = true
			continue
		}
		if up && 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		up, camel = false, append(camel, c)
	}
	return string(camel)
}

// geminiAsked is a request of a Gemini client on its way to OpenAI's chat. The first
// failure is kept.
type geminiAsked struct {
	t                                        *geminiOpenAI
	contents, system, tools, choice, config  *jsonscan.Member
	tier                                     string
	out                                      []byte
	at                                       []byte // path to what is being read
	err                                      error
	turn                                     geminiTurn      // the model's, while it goes on
	calls                                    []geminiPending // of the model's last turn
	ids                                      map[string]bool // of all calls so far
	made                                     int             // call ids that were made
	declared                                 []geminiDeclared
	mode                                     string // of function calling; empty: not said
	allowed                                  [][]byte
	wrote                                    bool // a message has been written
	mimeType, schema, jsonSchema             []byte
	logprobs                                 bool
	topLogprobs, budget, level, reasonEffort []byte
}

// fail keeps the first failure, which is of what is being read.
func (r *geminiAsked) fail(why string) {
	if r.err == nil {
		path := string(r.at)
		r.err = llm.Invalid(path, path+": "+why)
	}
}

// refuse fails because of what is being read as such.
func (r *geminiAsked) refuse() { r.fail("this cannot be expressed in OpenAI's chat completions") }

// in does something to a member, whose name, or path, is added to what is being read.
func (r *geminiAsked) in(name string, f func()) {
	back := len(r.at)
	if back > 0 && name != "" {
		r.at = append(r.at, '.')
	}
	r.at = append(r.at, name...)
	f()
	r.at = r.at[:back]
}

// members calls f for the members of an object that are not null, by their names in camelCase.
func (r *geminiAsked) members(object []byte, f func(name string, v []byte)) {
	if object[0] != '{' {
		r.fail("it must be an object")
		return
	}
	jsonscan.Items(object, func(name, v []byte) {
		if r.err == nil && !geminiNull(v) {
			r.in(string(name), func() { f(geminiField(name), v) })
		}
	})
}

// elements calls f for the elements of an array; any other value stands for an array of one.
func (r *geminiAsked) elements(v []byte, f func(v []byte)) {
	if v[0] != '[' {
		f(v)
		return
	}
	i := 0
	jsonscan.Items(v, func(_, element []byte) {
		if r.err != nil {
			return
		}
		back := len(r.at)
		r.at = append(strconv.AppendInt(append(r.at, '['), int64(i), 10), ']')
		f(element)
		r.at = r.at[:back]
		i++
	})
}

// str returns what stands between the quotes of a string, or fails.
func (r *geminiAsked) str(v []byte) []byte {
	raw, ok := inside(v)
	if !ok {
		r.fail("it must be a string")
	}
	return raw
}

// top keeps one top-level field, or refuses it.
func (r *geminiAsked) top(name string, m *jsonscan.Member) {
	switch name {
	case "model":
	case "contents":
		r.contents = m
	case "systemInstruction":
		r.system = m
	case "tools":
		r.tools = m
	case "toolConfig":
		r.choice = m
	case "generationConfig":
		r.config = m
	case "safetySettings":
		r.elements(m.Value, r.safety)
	case "serviceTier":
		r.serviceTier(m.Value)
	default: // cachedContent, labels and what Google may add
		r.refuse()
	}
}

// safety passes settings that ask for no filter, or for the model's own: a chat
// provider has none that can be set.
func (r *geminiAsked) safety(setting []byte) {
	r.members(setting, func(name string, v []byte) {
		switch string(v) {
		case `"BLOCK_NONE"`, `"OFF"`, `"HARM_BLOCK_THRESHOLD_UNSPECIFIED"`, "0", "4", "5":
		default:
			if name == "threshold" {
				r.refuse()
			}
		}
	})
}

func (r *geminiAsked) serviceTier(v []byte) {
	switch tier := strings.TrimPrefix(strings.ToLower(string(r.str(v))), "service_tier_"); tier {
	case "unspecified", "":
	case "standard":
		r.tier = "default"
	case "flex", "priority":
		r.tier = tier
	default:
		r.refuse()
	}
}

// body writes the request behind its model.
func (r *geminiAsked) body() {
	r.out = append(r.out, `,"messages":[`...)
	r.within(r.system, r.instruction)
	if r.contents == nil && r.err == nil {
		r.err = llm.Invalid("contents", "contents: this field is missing")
	}
	r.within(r.contents, r.conversation)
	r.out = append(r.out, ']')
	r.within(r.tools, func(v []byte) { r.elements(v, r.tool) })
	r.within(r.choice, r.toolConfig)
	r.writeTools()
	r.within(r.config, r.generation)
	if r.tier != "" {
		r.out = append(append(append(r.out, `,"service_tier":"`...), r.tier...), '"')
	}
	if r.t.call.Stream {
		r.out = append(r.out, `,"stream":true`...)
		if r.t.call.AskUsage {
			r.out = append(r.out, `,"stream_options":{"include_usage":true}`...)
		}
	}
	r.out = append(r.out, '}')
}

// within reads a top-level field, if it is set.
func (r *geminiAsked) within(m *jsonscan.Member, f func(v []byte)) {
	if m != nil && r.err == nil {
		r.in(string(m.Name), func() { f(m.Value) })
	}
}

// geminiSampling are the numbers of generationConfig that mean the same in both APIs.
// top_k is not OpenAI's, but that of many who serve its API.
var geminiSampling = map[string]string{
	"temperature": "temperature", "topP": "top_p", "presencePenalty": "presence_penalty", "frequencyPenalty": "frequency_penalty",
}

// generation writes generationConfig: https://ai.google.dev/api/generate-content#generationconfig.
func (r *geminiAsked) generation(config []byte) {
	r.members(config, func(name string, v []byte) {
		if to := geminiSampling[name]; to != "" {
			if r.isNumber(v) {
				r.out = appendField(r.out, to, v)
			}
			return
		}
		r.setting(name, v)
	})
	if r.topLogprobs != nil && !r.logprobs {
		r.failIn("logprobs", "it needs responseLogprobs")
	}
	if r.logprobs {
		r.out = appendField(append(r.out, `,"logprobs":true`...), "top_logprobs", r.topLogprobs)
	}
	r.in("responseMimeType", r.format)
	r.in("thinkingConfig", r.effort)
}

// setting reads one member of generationConfig.
func (r *geminiAsked) setting(name string, v []byte) {
	switch name {
	case "candidateCount":
		if n := r.integer(v); string(n) != "1" {
			r.out = appendField(r.out, "n", n)
		}
	case "topK":
		r.out = appendField(r.out, "top_k", r.integer(v))
	case "seed":
		r.out = appendField(r.out, "seed", r.integer(v))
	case "maxOutputTokens":
		r.maxTokens(r.integer(v))
	case "stopSequences":
		r.stops(v)
	case "responseLogprobs":
		r.logprobs = string(v) == "true"
	case "logprobs":
		r.topLogprobs = r.integer(v)
	case "responseMimeType":
		r.mimeType = r.str(v)
	case "responseSchema":
		r.schema = v
	case "responseJsonSchema":
		r.jsonSchema = v
	case "thinkingConfig":
		r.thinking(v)
	case "responseModalities":
		r.elements(v, func(v []byte) {
			if string(v) != `"TEXT"` && string(v) != "1" {
				r.refuse()
			}
		})
	case "mediaResolution":
		if string(v) != `"MEDIA_RESOLUTION_UNSPECIFIED"` {
			r.refuse()
		}
	default:
		if string(v) != "false" { // a feature that is not wanted
			r.refuse()
		}
	}
}

func (r *geminiAsked) isNumber(v []byte) bool {
	if v[0] == '-' || v[0] >= '0' && v[0] <= '9' {
		return true
	}
	r.fail("it must be a number")
	return false
}

// integer returns a whole number without the fraction that some clients write (50.0).
func (r *geminiAsked) integer(v []byte) []byte {
	if !r.isNumber(v) {
		return nil
	}
	n, err := strconv.ParseFloat(string(v), 64)
	if err != nil || n != float64(int64(n)) {
		r.fail("it must be a whole number")
		return nil
	}
	return strconv.AppendInt(nil, int64(n), 10)
}

// maxTokens writes the limit of the output, or what the model can where that is less.
func (r *geminiAsked) maxTokens(n []byte) {
	if most := r.t.call.MaxOutput; most > 0 && gjson.ParseBytes(n).Int() > most {
		n = strconv.AppendInt(nil, most, 10)
	}
	r.out = appendField(r.out, r.t.maxTokensField, n)
}

func (r *geminiAsked) stops(v []byte) {
	r.elements(v, func(v []byte) { r.str(v) })
	switch {
	case isString(v):
		r.out = append(append(append(r.out, `,"stop":[`...), v...), ']')
	case !isEmpty(v):
		r.out = appendField(r.out, "stop", v)
	}
}

// thinking reads thinkingConfig.
func (r *geminiAsked) thinking(config []byte) {
	r.members(config, func(name string, v []byte) {
		switch name {
		case "includeThoughts":
			r.t.showThoughts = string(v) == "true"
		case "thinkingBudget":
			r.budget = r.integer(v)
			r.reasonEffort = geminiBudgetEffort(gjson.ParseBytes(r.budget).Int())
		case "thinkingLevel":
			r.level = v
			switch word := strings.ToLower(string(r.str(v))); word {
			case "thinking_level_unspecified":
			case "minimal", "low", "medium", "high":
				r.reasonEffort = []byte(word)
			default:
				r.refuse()
			}
		default:
			r.refuse()
		}
	})
}

// geminiBudgetEffort is the effort for a budget of thinking in tokens: geminiEffort,
// the other way round. Nil: the model decides, which is what it does unasked.
func geminiBudgetEffort(tokens int64) []byte {
	switch {
	case tokens < 0:
		return nil
	case tokens == 0:
		return []byte("none")
	case tokens < mediumBudget:
		return []byte("low")
	case tokens < highBudget:
		return []byte("medium")
	}
	return []byte("high")
}

// effort writes how much the model is to think.
func (r *geminiAsked) effort() {
	if r.budget != nil && r.level != nil {
		r.fail("thinkingBudget excludes thinkingLevel")
	}
	if r.reasonEffort != nil {
		r.out = append(append(append(r.out, `,"reasoning_effort":"`...), r.reasonEffort...), '"')
	}
}

// format writes the form of the answer. Where the schema demands all that it names,
// which OpenAI insists on, it is made strict, which Gemini always is.
func (r *geminiAsked) format() {
	schema := r.jsonSchema
	if r.schema != nil {
		if schema != nil {
			r.fail("responseSchema excludes responseJsonSchema")
		}
		schema = appendGeminiSchema(nil, r.schema)
	}
	switch mime := string(r.mimeType); {
	case (mime == "" || mime == "text/plain") && schema == nil:
	case mime != "application/json" && mime != `application\/json`:
		r.fail("an answer of this type, with this schema, cannot be expressed in OpenAI's chat completions")
	case schema == nil:
		r.out = append(r.out, `,"response_format":{"type":"json_object"}`...)
	default:
		r.out = append(r.out, `,"response_format":{"type":"json_schema","json_schema":{"name":"output",`...)
		if strictSchema(schema) {
			r.out = append(r.out, `"strict":true,`...)
			schema = appendClosed(nil, schema, nil)
		}
		r.out = append(append(append(r.out, `"schema":`...), schema...), "}}"...)
	}
}

// failIn fails because of a member, or a path, below what is being read.
func (r *geminiAsked) failIn(name, format string, a ...any) {
	r.in(name, func() { r.fail(fmt.Sprintf(format, a...)) })
}
