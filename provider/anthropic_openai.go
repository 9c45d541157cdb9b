package provider

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
	"github.com/generic-corp/halfpenny/llm"
)

// anthropicOpenAI serves a caller of Anthropic's messages by a provider of OpenAI's
// chat completions. What the provider has no place for is an error that names it,
// but for hints that change no answer: cache_control, and thinking of earlier turns,
// which Anthropic lets a caller leave out.
//
// Strings are copied as they are escaped, never decoded and encoded again.
//
// https://platform.claude.com/docs/en/api/messages,
// https://platform.openai.com/docs/api-reference/chat
type anthropicOpenAI struct {
	call Call
	// maxTokensField is the name under which the model takes max_tokens.
	maxTokensField string
	// reasoningField is the member of an assistant's message in which the provider
	// wants its earlier reasoning back: reasoning_content (DeepSeek, Moonshot),
	// reasoning, or reasoning_details (OpenRouter), which also takes back signatures
	// and encrypted reasoning. Empty: it would be refused, so thinking is held back.
	reasoningField string

	stops        []byte // the caller's stop_sequences, raw
	hideThinking bool   // the caller does not want to see thinking
	carries      bool   // the caller expects thinking, so it will hand back what is opaque
	out          anthropicAnswer
}

var (
	_ Translator = (*anthropicOpenAI)(nil)
	_ Ender      = (*anthropicOpenAI)(nil)
)

func newAnthropicOpenAI(c Call) Translator {
	t := &anthropicOpenAI{call: c, maxTokensField: "max_tokens", reasoningField: c.Thoughts}
	if thinksAtOpenAI(c.Send) {
		t.maxTokensField = "max_completion_tokens"
	}
	return t
}

// thinksAtOpenAI reports whether a model is one of OpenAI's that refuse max_tokens:
// https://platform.openai.com/docs/api-reference/chat/create#chat_create-max_tokens
func thinksAtOpenAI(model string) bool {
	name := model[strings.LastIndexByte(model, '/')+1:]
	return len(name) > 1 && name[0] == 'o' && name[1] >= '1' && name[1] <= '9' || strings.HasPrefix(name, "gpt-5")
}

// anthropicClientHonours are the top-level fields of a messages request that reach
// a provider of OpenAI's chat completions, or are honoured by doing nothing.
var anthropicClientHonours = []string{
	"model", "messages", "system", "max_tokens", "stream", "temperature", "top_p", "stop_sequences", "metadata", "tools", "tool_choice", "thinking",
	"output_config", "output_format", "service_tier", "cache_control", "context_management", "speed", "anthropic_version",
}

// Request writes a chat completions request. Its errors are *llm.Error and name
// the field that is wrong or that cannot be expressed.
func (t *anthropicOpenAI) Request(dst, src []byte) ([]byte, error) {
	var few [24]jsonscan.Member
	members, err := jsonscan.Members(few[:0], src)
	if err != nil {
		return dst, llm.Invalid("", "the body is not valid JSON: "+err.Error())
	}
	r := anthropicRequest{translator: t}
	for i := range members {
		if m := &members[i]; string(m.Value) != "null" && !t.drops(m) {
			if err := r.field(string(m.Name), m.Value); err != nil {
				return dst, err
			}
		}
	}
	start := len(dst)
	dst, err = r.write(dst)
	if err != nil {
		return dst[:start], err
	}
	return dst, nil
}

// drops reports whether a member is for the gateway alone.
func (t *anthropicOpenAI) drops(m *jsonscan.Member) bool {
	return slices.ContainsFunc(t.call.Drop, func(d jsonscan.Member) bool { return d.Start == m.Start })
}

// anthropicRequest is a messages request, its fields raw where they lie; nil: not set.
type anthropicRequest struct {
	translator                       *anthropicOpenAI
	system, messages, tools, choice  []byte
	maxTokens, temperature, topP     []byte
	user, schema                     []byte
	stream, noParallel, standardOnly bool
	effort, thinkingEffort           string
}

// field reads one field of the request.
func (r *anthropicRequest) field(name string, v []byte) error {
	switch name {
	case "model", "cache_control", "anthropic_version":
	case "system":
		r.system = v
	case "messages":
		r.messages = v
	case "max_tokens":
		r.maxTokens = v
		if most := r.translator.call.MaxOutput; most > 0 && gjson.ParseBytes(v).Int() > most {
			r.maxTokens = strconv.AppendInt(nil, most, 10) // as much as the model can, which OpenAI wants to hear so
		}
	case "temperature":
		r.temperature = v
	case "top_p":
		r.topP = v
	case "stream":
		r.stream = string(v) == "true"
	case "stop_sequences":
		if !isArray(v) {
			return malformed(name, "must be an array")
		}
		r.translator.stops = bytes.Clone(v)
	case "metadata":
		return r.metadata(v)
	case "tools":
		if !isArray(v) {
			return malformed(name, "must be an array")
		}
		r.tools = v
	case "tool_choice":
		return r.toolChoice(v)
	case "thinking":
		return r.thinking(v)
	case "output_config":
		return r.outputConfig(v)
	case "output_format":
		return r.format(name, v)
	case "service_tier":
		return r.serviceTier(v)
	case "context_management":
		return r.contextManagement(v)
	case "speed":
		if string(v) != `"standard"` {
			return inexpressible(name, string(v))
		}
	default:
		return inexpressible(name, "this field")
	}
	return nil
}

// maxUser is the longest user that OpenAI takes; Anthropic takes 256 characters, and Claude Code's are longer than 64.
const maxUser = 64

// metadata keeps the user's id; one that OpenAI would refuse for its length is
// sent as its SHA-256, which names the same user as well.
func (r *anthropicRequest) metadata(v []byte) error {
	return eachMember("metadata", v, func(name, value []byte) error {
		if string(name) != "user_id" {
			return inexpressible("metadata", string(name))
		}
		if !isString(value) {
			return malformed("metadata", "user_id must be a string")
		}
		r.user = value
		if len(value) > maxUser+2 {
			sum := sha256.Sum256(inner(value))
			r.user = []byte(`"` + hex.EncodeToString(sum[:]) + `"`)
		}
		return nil
	})
}

// toolChoice turns auto, any, tool and none into OpenAI's words, and the flag around.
func (r *anthropicRequest) toolChoice(v []byte) error {
	var kind, tool []byte
	err := eachMember("tool_choice", v, func(name, value []byte) error {
		switch string(name) {
		case "type":
			kind = value
		case "name":
			tool = value
		case "disable_parallel_tool_use":
			r.noParallel = string(value) == "true"
		default:
			return inexpressible("tool_choice", string(name))
		}
		return nil
	})
	if err != nil {
		return err
	}
	switch string(kind) {
	case `"auto"`:
		r.choice = []byte(`"auto"`)
	case `"none"`:
		r.choice = []byte(`"none"`)
	case `"any"`:
		r.choice = []byte(`"required"`)
	case `"tool"`:
		if !isString(tool) {
			return malformed("tool_choice", "name must be a string")
		}
		r.choice = append(append([]byte(`{"type":"function","function":{"name":`), tool...), "}}"...)
	default:
		return malformed("tool_choice", "type must be auto, any, tool or none")
	}
	return nil
}

// The budgets from which a thinking effort is called medium and high, in tokens:
// the efforts' budgets in https://ai.google.dev/gemini-api/docs/openai#thinking.
const (
	mediumBudget = 8192
	highBudget   = 24576
)

// thinking becomes an effort. Adaptive thinking without one is high, which is
// Anthropic's default: https://platform.claude.com/docs/en/build-with-claude/effort.
// Disabled is what OpenAI's models are asked by saying nothing.
func (r *anthropicRequest) thinking(v []byte) error {
	var kind, display string
	budget := int64(-1)
	err := eachMember("thinking", v, func(name, value []byte) error {
		switch string(name) {
		case "type":
			kind = string(value)
		case "budget_tokens":
			budget = gjson.ParseBytes(value).Int()
		case "display":
			display = string(value)
		default:
			return inexpressible("thinking", string(name))
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.translator.hideThinking = display == `"omitted"` || kind == `"disabled"`
	switch kind {
	case `"disabled"`:
	case `"adaptive"`:
		r.thinkingEffort = "high"
	case `"enabled"`:
		switch {
		case budget < 0:
			return malformed("thinking", "budget_tokens is missing")
		case budget < mediumBudget:
			r.thinkingEffort = "low"
		case budget < highBudget:
			r.thinkingEffort = "medium"
		default:
			r.thinkingEffort = "high"
		}
	default:
		return malformed("thinking", "type must be enabled, adaptive or disabled")
	}
	r.translator.carries = r.translator.call.Relayed && r.thinkingEffort != ""
	return nil
}

// outputConfig holds the effort and the form of the output.
func (r *anthropicRequest) outputConfig(v []byte) error {
	return eachMember("output_config", v, func(name, value []byte) error {
		switch string(name) {
		case "effort":
			switch e := string(value); e {
			case `"low"`, `"medium"`, `"high"`, `"xhigh"`:
				r.effort = e[1 : len(e)-1]
			case `"max"`:
				r.effort = "xhigh" // the most that OpenAI has a word for
			default:
				return malformed("output_config", "effort must be low, medium, high, xhigh or max")
			}
			return nil
		case "format":
			return r.format("output_config", value)
		}
		return inexpressible("output_config", string(name))
	})
}

// format keeps the schema of the output.
func (r *anthropicRequest) format(field string, v []byte) error {
	return eachMember(field, v, func(name, value []byte) error {
		switch {
		case string(name) == "type" && string(value) == `"json_schema"`:
		case string(name) == "schema":
			r.schema = value
		default:
			return inexpressible(field, string(name)+" "+string(value))
		}
		return nil
	})
}

// serviceTier: auto is the default of both.
func (r *anthropicRequest) serviceTier(v []byte) error {
	switch string(v) {
	case `"auto"`:
	case `"standard_only"`:
		r.standardOnly = true
	default:
		return malformed("service_tier", "must be auto or standard_only")
	}
	return nil
}

// contextManagement is honoured where it asks for nothing that is not so anyway:
// no edit, or one of thinking that is held back, or kept, as a whole (Claude Code).
func (r *anthropicRequest) contextManagement(v []byte) error {
	const field = "context_management"
	return eachMember(field, v, func(name, value []byte) error {
		if string(name) != "edits" || !isArray(value) {
			return inexpressible(field, string(name))
		}
		return eachElement(value, func(edit []byte) error {
			kind, keep := gjson.GetBytes(edit, "type").Str, gjson.GetBytes(edit, "keep").Str
			if kind == "clear_thinking_20251015" && (keep == "all" || r.translator.reasoningField == "") {
				return nil
			}
			return inexpressible(field, kind)
		})
	})
}

// write appends the request in OpenAI's form.
func (r *anthropicRequest) write(dst []byte) ([]byte, error) {
	t := r.translator
	if r.maxTokens == nil {
		return dst, malformed("max_tokens", "this field is missing")
	}
	name, err := json.Marshal(t.call.Send)
	if err != nil {
		return dst, fmt.Errorf("cannot write the model's name: %w", err)
	}
	dst = append(append(dst, `{"model":`...), name...)
	dst = append(dst, `,"messages":[`...)
	m := openaiMessages{dst: dst, reasoningField: t.reasoningField, relayed: t.call.Relayed}
	if err := m.all(r.system, r.messages); err != nil {
		return dst, err
	}
	dst = append(m.dst, ']')
	if dst, err = r.writeTools(dst); err != nil {
		return dst, err
	}
	dst = appendField(dst, t.maxTokensField, r.maxTokens)
	dst = appendField(dst, "temperature", r.temperature)
	dst = appendField(dst, "top_p", r.topP)
	if !isEmpty(t.stops) {
		dst = appendField(dst, "stop", t.stops)
	}
	dst = appendField(dst, "user", r.user)
	if r.schema != nil {
		dst = append(dst, `,"response_format":{"type":"json_schema","json_schema":{"name":"output","strict":true,"schema":`...)
		dst = append(append(dst, r.schema...), "}}"...)
	}
	if r.effort == "" {
		r.effort = r.thinkingEffort
	}
	if r.effort != "" {
		dst = append(append(append(dst, `,"reasoning_effort":"`...), r.effort...), '"')
	}
	if r.standardOnly {
		dst = append(dst, `,"service_tier":"default"`...)
	}
	if r.stream {
		dst = append(dst, `,"stream":true`...)
		if t.call.AskUsage {
			dst = append(dst, `,"stream_options":{"include_usage":true}`...)
		}
	}
	return append(dst, '}'), nil
}

// writeTools appends the tools and what is said about their use, which OpenAI
// refuses where there are none.
func (r *anthropicRequest) writeTools(dst []byte) ([]byte, error) {
	if isEmpty(r.tools) {
		if r.choice != nil && string(r.choice) != `"auto"` && string(r.choice) != `"none"` {
			return dst, malformed("tool_choice", "there are no tools")
		}
		return dst, nil
	}
	dst = append(dst, `,"tools":[`...)
	first := true
	err := eachElement(r.tools, func(tool []byte) error {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		var err error
		dst, err = appendFunctionTool(dst, tool)
		return err
	})
	dst = append(dst, ']')
	dst = appendField(dst, "tool_choice", r.choice)
	if r.noParallel {
		dst = append(dst, `,"parallel_tool_calls":false`...)
	}
	return dst, err
}

// appendFunctionTool appends one of the caller's own tools as a function. Tools that
// Anthropic runs, or whose schema only its models know, cannot be expressed.
func appendFunctionTool(dst, tool []byte) ([]byte, error) {
	var kind, name, description, schema, strict, unknown []byte
	err := eachMember("tools", tool, func(member, value []byte) error {
		known := true
		switch string(member) {
		case "type":
			kind = value
		case "name":
			name = value
		case "description":
			description = value
		case "input_schema":
			schema = value
		case "strict":
			strict = value
		case "cache_control", "eager_input_streaming":
		case "defer_loading":
			known = string(value) == "false"
		case "allowed_callers":
			known = gjson.GetBytes(value, "@ugly").Raw == `["direct"]`
		default:
			known = false
		}
		if !known {
			unknown = member
		}
		return nil
	})
	switch {
	case err != nil:
		return dst, err
	case kind != nil && string(kind) != `"custom"`:
		return dst, inexpressible("tools", "a tool of type "+string(inner(kind)))
	case unknown != nil:
		return dst, inexpressible("tools", string(unknown))
	case !isString(name):
		return dst, malformed("tools", "name must be a string")
	}
	dst = append(append(dst, `{"type":"function","function":{"name":`...), name...)
	dst = appendField(dst, "description", description)
	dst = appendField(dst, "strict", strict)
	if schema != nil {
		dst = appendSchema(append(dst, `,"parameters":`...), schema)
	}
	return append(dst, "}}"...), nil
}

// appendSchema appends the schema of a tool. OpenAI refuses an object without
// properties, which Anthropic takes as one that has none.
func appendSchema(dst, schema []byte) []byte {
	object, properties, empty := false, false, true
	jsonscan.Items(schema, func(name, value []byte) {
		empty = false
		object = object || string(name) == "type" && string(value) == `"object"`
		properties = properties || string(name) == "properties"
	})
	if schema[0] != '{' || properties || !object && !empty {
		return append(dst, schema...)
	}
	if empty {
		return append(dst, `{"type":"object","properties":{}}`...)
	}
	return append(append(dst, `{"properties":{},`...), schema[1:]...)
}

// appendField appends a further member, unless it is not set.
func appendField(dst []byte, name string, value []byte) []byte {
	if value == nil {
		return dst
	}
	dst = append(append(dst, ',', '"'), name...)
	return append(append(dst, '"', ':'), value...)
}

// eachMember calls f for the members of an object that are not null, until one is wrong.
func eachMember(field string, object []byte, f func(name, value []byte) error) error {
	if object[0] != '{' {
		return malformed(field, "an object is missing")
	}
	var err error
	jsonscan.Items(object, func(name, value []byte) {
		if err == nil && string(value) != "null" {
			err = f(name, value)
		}
	})
	return err
}

// eachElement calls f for the elements of an array, until one is wrong.
func eachElement(array []byte, f func(value []byte) error) error {
	var err error
	jsonscan.Items(array, func(_, value []byte) {
		if err == nil {
			err = f(value)
		}
	})
	return err
}

func isArray(v []byte) bool { return len(v) > 0 && v[0] == '[' }

// isEmpty reports whether a raw array has no elements, or is not set.
func isEmpty(array []byte) bool { return len(bytes.Trim(array, "[] \t\r\n")) == 0 }

// inner is what lies between the quotes of a raw string; of any other value there is nothing.
func inner(v []byte) []byte {
	if !isString(v) {
		return nil
	}
	return v[1 : len(v)-1]
}

// appendEscaped appends JSON so that it can lie between the quotes of a string.
func appendEscaped(dst, v []byte) []byte {
	for _, c := range v {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < 0x20:
			dst = fmt.Appendf(dst, `\u%04x`, c)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// inexpressible is the error for what the caller asks for and OpenAI's chat has no place for.
func inexpressible(field, what string) error {
	return llm.Invalid(field, field+": "+what+" cannot be expressed in OpenAI's chat completions")
}

// malformed is the error for what Anthropic's API would refuse as well.
func malformed(field, why string) error { return llm.Invalid(field, field+": "+why) }
