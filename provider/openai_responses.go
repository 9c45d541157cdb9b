package provider

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// openaiResponses lets clients of OpenAI's chat completions speak with models that
// have only its Responses API: https://platform.openai.com/docs/api-reference/responses.
// What that cannot express is an error that begins with the field's name; nothing is
// left out. It holds the state of one call.
type openaiResponses struct {
	call    Call
	created int64 // the reply's time where it does not tell, in Unix seconds
	usage   bool  // the stream ends with a usage chunk
	stream  responseStream
}

var (
	_ Translator = (*openaiResponses)(nil)
	_ Ender      = (*openaiResponses)(nil)
)

func newOpenAIResponses(c Call) Translator {
	return &openaiResponses{
		call: c, created: time.Now().Unix(),
		usage: !c.DropUsage && (c.AskUsage || string(member(c.StreamOptions.Value, "include_usage")) == "true"),
	}
}

// responsesHonours are the top-level fields of a chat request that have their effect
// in the Responses API.
var responsesHonours = []string{
	"logprobs", "max_completion_tokens", "max_tokens", "messages", "metadata", "model", "parallel_tool_calls", "prompt_cache_key",
	"prompt_cache_retention", "reasoning", "reasoning_effort", "response_format", "safety_identifier", "service_tier", "store", "stream",
	"stream_options", "temperature", "tool_choice", "tools", "top_logprobs", "top_p", "usage", "user", "verbosity", "web_search_options",
}

// responsesPassed are those that have the same name, values and meaning there.
var responsesPassed = [...]string{
	"metadata", "parallel_tool_calls", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "service_tier", "stream",
	"temperature", "top_p", "user",
}

// minResponsesTokens is the least max_output_tokens that OpenAI takes.
const minResponsesTokens = 16

// responsesThoughts names, in reasoning_details, the thoughts that this API encrypted.
const responsesThoughts = "openai-responses-v1"

// responsesQuery writes one request. The first failure is kept.
type responsesQuery struct {
	fields map[string][]byte // those that are neither null nor for the gateway, as they lie
	model  string            // as the provider calls it
	out    []byte
	custom map[string]bool // ids of calls of custom tools, raw: their results are items of another type
	thinks bool            // the caller has the model think, or hands thoughts back
	at     []byte          // path to what is being read
	err    error
}

// Request turns a chat request into one for a response.
func (t *openaiResponses) Request(dst, src []byte) ([]byte, error) {
	members, err := jsonscan.Members(nil, src)
	if err != nil {
		return dst, fmt.Errorf("cannot read the request: %w", err)
	}
	r := responsesQuery{fields: make(map[string][]byte, len(members)), model: t.call.Send, out: dst}
	for i := range members {
		r.take(&t.call, &members[i])
	}
	t.usage = t.usage || !t.call.DropUsage && string(member(r.fields["usage"], "include")) == "true"
	r.body()
	if r.err != nil {
		return dst, r.err
	}
	return r.out, nil
}

// take keeps a field, and refuses one that would have no effect.
func (r *responsesQuery) take(c *Call, m *jsonscan.Member) {
	name := string(m.Name)
	switch {
	case string(m.Value) == "null":
	case slices.ContainsFunc(c.Drop, func(d jsonscan.Member) bool { return string(d.Name) == name }):
	case slices.Contains(responsesHonours, name):
		r.fields[name] = m.Value
	case !neutral(name, m.Value):
		r.fail(name, "")
	}
}

// fail keeps the first failure: the path to where the request is read, name, and why;
// an empty why says that there is no counterpart.
func (r *responsesQuery) fail(name, why string) {
	if r.err != nil {
		return
	}
	path := string(r.at)
	if path != "" && name != "" {
		path += "."
	}
	if why == "" {
		why = "OpenAI's Responses API cannot express it"
	}
	r.err = fmt.Errorf("%s%s: %s", path, name, why)
}

// in goes down into a member, or its element i if that is not negative, and returns
// the length of the path before it, to come back by.
func (r *responsesQuery) in(name string, i int) (back int) {
	back = len(r.at)
	if back > 0 {
		r.at = append(r.at, '.')
	}
	r.at = append(r.at, name...)
	if i >= 0 {
		r.at = append(strconv.AppendInt(append(r.at, '['), int64(i), 10), ']')
	}
	return back
}

// members calls take for the members of an object that are not null, and refuses
// those that it does not know.
func (r *responsesQuery) members(object []byte, take func(name string, value []byte) (known bool)) {
	if len(object) == 0 || object[0] != '{' {
		r.fail("", "it must be an object")
		return
	}
	jsonscan.Items(object, func(name, value []byte) {
		if string(value) != "null" && !take(string(name), value) {
			r.fail(string(name), "")
		}
	})
}

// elements calls read for each element of the array that is the member of that name,
// with the path to it.
func (r *responsesQuery) elements(name string, array []byte, read func(element []byte)) {
	if len(array) == 0 || array[0] != '[' {
		r.fail(name, "it must be an array")
		return
	}
	i := 0
	jsonscan.Items(array, func(_, element []byte) {
		back := r.in(name, i)
		read(element)
		r.at = r.at[:back]
		i++
	})
}

// str returns the raw JSON string, or fails where the value is none.
func (r *responsesQuery) str(name string, raw []byte) []byte {
	if !isString(raw) {
		r.fail(name, "it must be a string")
		return []byte(`""`)
	}
	return raw
}

// put writes a further member; value is JSON.
func (r *responsesQuery) put(name string, value []byte) { r.out = appendMember(r.out, name, value) }

// body writes the whole request.
func (r *responsesQuery) body() {
	r.out = appendString(append(r.out, `{"model":`...), r.model)
	for _, name := range responsesPassed {
		if v := r.fields[name]; v != nil {
			r.put(name, v)
		}
	}
	r.streamed()
	r.maxTokens()
	r.reasoning()
	r.text()
	r.tools()
	r.toolChoice()
	r.messages()
	r.stored()
	r.out = append(r.out, '}')
}

// streamed reads what is asked of the stream. Its usage always comes.
func (r *responsesQuery) streamed() {
	if options := r.fields["stream_options"]; options != nil {
		back := r.in("stream_options", -1)
		r.members(options, func(name string, value []byte) bool {
			switch {
			case name == "include_obfuscation" && string(value) == "false":
				r.put("stream_options", []byte(`{"include_obfuscation":false}`))
			case name == "include_obfuscation":
				r.fail(name, "a translated stream is not padded")
			}
			return name == "include_usage" || name == "include_obfuscation"
		})
		r.at = r.at[:back]
	}
	if usage := r.fields["usage"]; usage != nil {
		back := r.in("usage", -1)
		r.members(usage, func(name string, _ []byte) bool { return name == "include" })
		r.at = r.at[:back]
	}
}

// maxTokens writes the limit, which counts reasoning in both APIs. OpenAI refuses
// fewer than 16, in the name of a field that the caller has not sent; so it is said here.
func (r *responsesQuery) maxTokens() {
	name, older := "max_completion_tokens", r.fields["max_tokens"]
	value := r.fields[name]
	switch {
	case value == nil && older == nil:
		return
	case value == nil:
		name, value = "max_tokens", older
	case older != nil && string(older) != string(value):
		r.fail("max_tokens", "it disagrees with max_completion_tokens")
	}
	if n, err := strconv.ParseInt(string(value), 10, 64); err != nil || n < minResponsesTokens {
		r.fail(name, "OpenAI's Responses API takes whole numbers from "+strconv.Itoa(minResponsesTokens))
	}
	r.put("max_output_tokens", value)
}

// reasoning writes how the model is to think, from reasoning_effort and from
// OpenRouter's reasoning (https://openrouter.ai/docs/use-cases/reasoning-tokens).
//
// A summary of its thoughts is asked for only where the caller does so: OpenAI
// answers an organization that it has not verified with an error ("must be verified
// to generate reasoning summaries"), so that a default would break calls that work.
func (r *responsesQuery) reasoning() {
	effort := r.fields["reasoning_effort"]
	if effort != nil {
		r.str("reasoning_effort", effort)
	}
	var summary []byte
	if v := r.fields["reasoning"]; v != nil {
		back := r.in("reasoning", -1)
		r.members(v, func(name string, value []byte) bool {
			switch {
			case name == "effort" && effort != nil && string(value) != string(effort):
				r.fail(name, "it disagrees with reasoning_effort")
			case name == "effort":
				effort = r.str(name, value)
			case name == "summary":
				summary = r.str(name, value)
			case name == "enabled" && string(value) == "false" && effort == nil:
				effort = []byte(`"none"`)
			case name == "enabled" && string(value) == "true":
				r.thinks = true
			default:
				return name == "exclude" && string(value) == "false"
			}
			return true
		})
		r.at = r.at[:back]
	}
	r.thinks = r.thinks || effort != nil && string(effort) != `"none"` || summary != nil
	if effort == nil && summary == nil {
		return
	}
	var config []byte
	if effort != nil {
		config = append(append(config, `"effort":`...), effort...)
	}
	if summary != nil {
		config = append(append(comma(config), `"summary":`...), summary...)
	}
	r.out = append(append(append(r.out, `,"reasoning":{`...), config...), '}')
}

// stored writes store, which is true by default here and false in chat, and include.
// Thoughts are asked for in encrypted form, so that the caller can hand them back.
func (r *responsesQuery) stored() {
	switch v := r.fields["store"]; string(v) {
	case "true", "false":
		r.put("store", v)
	case "":
		r.put("store", []byte("false"))
	default:
		r.fail("store", "it must be true or false")
	}
	var include []byte
	if r.thinks || encryptsThoughts(r.model) {
		include = append(include, `"reasoning.encrypted_content"`...)
	}
	top := r.fields["top_logprobs"]
	switch v := string(r.fields["logprobs"]); {
	case v == "true":
		include = append(comma(include), `"message.output_text.logprobs"`...)
		if top != nil {
			r.put("top_logprobs", top)
		}
	case v != "" && v != "false":
		r.fail("logprobs", "it must be true or false")
	case top != nil && !neutral("top_logprobs", top):
		r.fail("top_logprobs", "it needs logprobs")
	}
	if len(include) > 0 {
		r.out = append(append(append(r.out, `,"include":[`...), include...), ']')
	}
}

// encryptsThoughts reports whether a model is known to think. One that does not
// answers an include of encrypted thoughts with an error ("Encrypted content is not
// supported with this model"); so a name that says nothing is taken for one of those,
// unless the caller has it think.
func encryptsThoughts(model string) bool {
	model = strings.TrimPrefix(strings.ToLower(model[strings.LastIndexByte(model, '/')+1:]), "ft:")
	digit := func(prefix string, least byte) bool {
		rest, ok := strings.CutPrefix(model, prefix)
		return ok && rest != "" && rest[0] >= least && rest[0] <= '9'
	}
	switch {
	case strings.Contains(model, "chat"), strings.Contains(model, "non-reasoning"):
		return false
	case strings.HasPrefix(model, "codex"), digit("o", '1'), digit("gpt-", '5'), digit("grok-", '4'):
		return true
	}
	return false
}

// text writes the form of the answer, and how much of it there is to be:
// https://platform.openai.com/docs/guides/structured-outputs.
func (r *responsesQuery) text() {
	var config []byte
	if format := r.fields[FieldResponseFormat]; format != nil {
		back := r.in(FieldResponseFormat, -1)
		config = r.format(format)
		r.at = r.at[:back]
	}
	if v := r.fields["verbosity"]; v != nil {
		config = append(append(comma(config), `"verbosity":`...), r.str("verbosity", v)...)
	}
	if len(config) > 0 {
		r.out = append(append(append(r.out, `,"text":{`...), config...), '}')
	}
}

func (r *responsesQuery) format(format []byte) (config []byte) {
	var schema []byte
	r.members(format, func(name string, value []byte) bool {
		if name == "json_schema" {
			schema = value
		}
		return name == "type" || name == "json_schema"
	})
	kind := member(format, "type")
	switch string(kind) {
	case `"text"`, `"json_object"`:
		return append(append([]byte(`"format":{"type":`), kind...), '}')
	case `"json_schema"`:
	default:
		r.fail("type", "the Responses API knows text, json_object and json_schema")
		return nil
	}
	r.in("json_schema", -1)
	// The name is a label that many callers of other providers leave out, and that is demanded here.
	config = []byte(`"format":{"type":"json_schema"`)
	if member(schema, "name") == nil {
		config = append(config, `,"name":"response"`...)
	}
	r.members(schema, func(name string, value []byte) bool {
		switch name {
		case "name", "description", "schema", "strict":
			config = appendMember(config, name, value)
			return true
		}
		return false
	})
	if v := member(schema, "schema"); v == nil || v[0] != '{' {
		r.fail("schema", "it must be an object")
	}
	return append(config, '}')
}
