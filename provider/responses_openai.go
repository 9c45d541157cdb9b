package provider

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
	"github.com/generic-corp/halfpenny/llm"
)

// responsesOpenAI serves a caller of OpenAI's Responses by a provider of OpenAI's
// chat completions. Nothing is kept between calls: what refers to an earlier
// response, or to anything else that OpenAI would have stored, is an error that says
// so, and every reply says that it was not stored, although storing is the API's default.
//
// Left out is what changes no answer: labels of earlier output (ids, states, phases,
// annotations, log probabilities), metadata, which the reply repeats, and how
// reasoning is to be summed up, since a caller sees whatever the provider tells of it.
//
// Strings are copied as they are escaped, never decoded and encoded again.
//
// https://platform.openai.com/docs/api-reference/responses,
// https://platform.openai.com/docs/api-reference/chat
type responsesOpenAI struct {
	call Call
	echo []byte // what a response repeats of its request: members, each with a comma before it, compact
	out  responsesAnswer
}

var (
	_ Translator = (*responsesOpenAI)(nil)
	_ Ender      = (*responsesOpenAI)(nil)
)

func newResponsesOpenAI(c Call) Translator {
	return &responsesOpenAI{call: c, echo: appendResponsesEcho(nil, nil)}
}

// responsesClientHonours are the top-level fields of a Responses request that reach
// a provider of OpenAI's chat completions, or are honoured by doing nothing.
var responsesClientHonours = []string{
	"model", "input", "instructions", "stream", "stream_options", "max_output_tokens", "temperature", "top_p", "top_logprobs", "tools", "tool_choice",
	"parallel_tool_calls", "text", "reasoning", "include", "metadata", "user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention",
	"service_tier", "store", "background", "truncation",
}

// responsesEchoes are the members of a response that repeat its request, and what they are where that is silent.
var responsesEchoes = [...]struct{ name, silent string }{
	{"instructions", "null"}, {"max_output_tokens", "null"}, {"max_tool_calls", "null"}, {"metadata", "{}"}, {"parallel_tool_calls", "true"},
	{"previous_response_id", "null"}, {"prompt_cache_key", "null"}, {"prompt_cache_retention", "null"}, {"reasoning", `{"effort":null,"summary":null}`},
	{"safety_identifier", "null"}, {"temperature", "null"}, {"text", `{"format":{"type":"text"}}`}, {"tool_choice", `"auto"`}, {"tools", "[]"},
	{"top_logprobs", "0"}, {"top_p", "null"}, {"truncation", `"disabled"`}, {"user", "null"},
}

// appendResponsesEcho appends those members. They are compact, because an event's data is one line.
func appendResponsesEcho(dst []byte, request []jsonscan.Member) []byte {
	dst = append(dst, `,"background":false,"store":false`...)
	for _, e := range responsesEchoes {
		value := []byte(e.silent)
		for i := range request {
			if string(request[i].Name) == e.name && string(request[i].Value) != "null" {
				value = request[i].Value
			}
		}
		dst = appendMember(dst, e.name, responsesLine(value))
	}
	return dst
}

// responsesLine returns JSON without line breaks; it is value itself where that has none.
func responsesLine(value []byte) []byte {
	if !bytes.ContainsAny(value, "\r\n") {
		return value
	}
	var line bytes.Buffer
	if json.Compact(&line, value) != nil {
		return value // no JSON, as whoever reads it will say
	}
	return line.Bytes()
}

// Request writes a chat completions request. Its errors are *llm.Error and name
// the field that is wrong or that cannot be expressed.
func (t *responsesOpenAI) Request(dst, src []byte) ([]byte, error) {
	var few [32]jsonscan.Member
	members, err := jsonscan.Members(few[:0], src)
	if err != nil {
		return dst, llm.Invalid("", "the body is not valid JSON: "+err.Error())
	}
	members = slices.DeleteFunc(members, func(m jsonscan.Member) bool {
		return string(m.Value) == "null" || slices.ContainsFunc(t.call.Drop, func(d jsonscan.Member) bool { return d.Start == m.Start })
	})
	r := responsesRequest{call: &t.call}
	for i := range members {
		r.field(string(members[i].Name), members[i].Value)
	}
	t.echo = appendResponsesEcho(nil, members)
	start := len(dst)
	if dst = r.write(dst, t.call.Send); r.err != nil {
		return dst[:start], r.err
	}
	return dst, nil
}

// responsesRequest is a request on its way: its messages and its other members in
// OpenAI's chat form. What it has of the caller's body aliases that.
type responsesRequest struct {
	call *Call
	at   []byte // the path of what is being read, with a dot behind it
	err  error  // the first

	instructions, input []byte
	tail                []byte // members that follow the messages
	tools               []byte // in chat's form, raw elements
	choice, parallel    []byte
	maxTokens           []byte
	logprobs, stream    bool

	messages   []byte               // raw elements
	turn       responsesTurn        // the assistant's message that is being put together
	attached   []byte               // what tools returned beside text: parts of the user's message behind the results
	signatures []responsesSignature // of calls, from anywhere in the input
}

const (
	noPlaceInChat = "this cannot be expressed in OpenAI's chat completions"
	noState       = "the gateway keeps no state between calls; this needs a provider that has the Responses API"
)

// fail notes the first error, about a member of what is being read.
func (r *responsesRequest) fail(name, why string) {
	if r.err == nil {
		field := strings.TrimSuffix(string(r.at)+name, ".")
		r.err = llm.Invalid(field, field+": "+why)
	}
}

// in goes down into a member, or its element i if that is not negative, and returns
// the length of the path before it, to come back by.
func (r *responsesRequest) in(name string, i int) (back int) {
	back = len(r.at)
	r.at = append(r.at, name...)
	if i >= 0 {
		r.at = append(strconv.AppendInt(append(r.at, '['), int64(i), 10), ']')
	}
	r.at = append(r.at, '.')
	return back
}

// each calls f for the elements of an array.
func (r *responsesRequest) each(name string, array []byte, f func(element []byte)) {
	if !isArray(array) {
		r.fail(name, "it must be an array")
		return
	}
	i := 0
	jsonscan.Items(array, func(_, element []byte) {
		back := r.in(name, i)
		f(element)
		r.at = r.at[:back]
		i++
	})
}

// read returns the named members of an object, nil where they are not set; any other is an error.
func (r *responsesRequest) read(object []byte, names ...string) (v [8][]byte) {
	if object[0] != '{' {
		r.fail("", "it must be an object")
		return v
	}
	jsonscan.Items(object, func(name, value []byte) {
		if string(value) == "null" {
			return
		}
		if i := slices.Index(names, string(name)); i >= 0 {
			v[i] = value
			return
		}
		r.fail(string(name), noPlaceInChat)
	})
	return v
}

// str returns a raw string, or fails where the value is none.
func (r *responsesRequest) str(name string, value []byte) []byte {
	if !isString(value) {
		r.fail(name, "it must be a string")
		return []byte(`""`)
	}
	return value
}

// field reads one field of the request.
func (r *responsesRequest) field(name string, v []byte) {
	switch name {
	case "model", "metadata":
	case "store", "parallel_tool_calls", "stream", "background":
		r.flag(name, v)
	case "input":
		r.input = v
	case "instructions":
		r.instructions = r.str(name, v)
	case "max_output_tokens":
		r.maxTokens = v
	case "temperature", "top_p", "user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention":
		r.tail = appendMember(r.tail, name, v)
	case "service_tier":
		r.unless(name, v, `"auto"`)
	case "top_logprobs":
		if string(v) != "0" {
			r.logprobs = true
			r.tail = appendMember(r.tail, name, v)
		}
	case "stream_options":
		r.streamOptions(v)
	case "include":
		r.include(v)
	case "tools":
		r.each(name, v, r.tool)
	case "tool_choice":
		r.toolChoice(v)
	case "text":
		r.text(v)
	case "reasoning":
		r.reasoning(v)
	case "truncation":
		if string(v) != `"disabled"` {
			r.fail(name, noPlaceInChat)
		}
	case "previous_response_id", "conversation", "prompt":
		r.fail(name, noState)
	default:
		r.fail(name, noPlaceInChat)
	}
}

// flag reads true or false.
func (r *responsesRequest) flag(name string, v []byte) {
	on := string(v) == "true"
	switch {
	case !on && string(v) != "false":
		r.fail(name, "it must be true or false")
	case name == "parallel_tool_calls":
		r.parallel = v
	case name == "stream":
		r.stream = on
	case name == "background" && on:
		r.fail(name, noState)
	}
}

// unless passes a member on, but for the value that is the default.
func (r *responsesRequest) unless(name string, v []byte, neutral string) {
	if string(v) != neutral {
		r.tail = appendMember(r.tail, name, v)
	}
}

func (r *responsesRequest) streamOptions(v []byte) {
	back := r.in("stream_options", -1)
	if string(r.read(v, "include_obfuscation")[0]) == "true" {
		r.fail("include_obfuscation", "a translated stream is not padded")
	}
	r.at = r.at[:back]
}

// include: opaque reasoning is always part of the reply, where there is any.
func (r *responsesRequest) include(v []byte) {
	r.each("include", v, func(what []byte) {
		switch string(what) {
		case `"reasoning.encrypted_content"`:
		case `"message.output_text.logprobs"`:
			r.logprobs = true
		default:
			r.fail("", noPlaceInChat)
		}
	})
}

// reasoning keeps the effort. Of a summary chat cannot be asked, nor is it kept from a caller.
func (r *responsesRequest) reasoning(v []byte) {
	back := r.in("reasoning", -1)
	m := r.read(v, "effort", "summary", "generate_summary")
	if m[0] != nil {
		r.tail = appendMember(r.tail, "reasoning_effort", r.str("effort", m[0]))
	}
	for i, name := range [...]string{"summary", "generate_summary"} {
		switch string(m[i+1]) {
		case "", `"auto"`, `"concise"`, `"detailed"`:
		default:
			r.fail(name, "it must be auto, concise or detailed")
		}
	}
	r.at = r.at[:back]
}

// text holds the form of the output, and how much it says.
func (r *responsesRequest) text(v []byte) {
	back := r.in("text", -1)
	m := r.read(v, "format", "verbosity")
	if m[1] != nil {
		r.unless("verbosity", m[1], `"medium"`)
	}
	if m[0] != nil {
		r.in("format", -1)
		r.format(m[0])
	}
	r.at = r.at[:back]
}

func (r *responsesRequest) format(v []byte) {
	m := r.read(v, "type", "name", "schema", "strict", "description")
	switch string(m[0]) {
	case `"text"`:
	case `"json_object"`:
		r.tail = append(r.tail, `,"response_format":{"type":"json_object"}`...)
	case `"json_schema"`:
		r.tail = append(r.tail, `,"response_format":{"type":"json_schema","json_schema":{"name":`...)
		r.tail = append(r.tail, r.str("name", m[1])...)
		r.tail = appendField(r.tail, "description", m[4])
		r.tail = appendField(r.tail, "strict", m[3])
		r.tail = append(appendField(r.tail, "schema", m[2]), "}}"...)
	default:
		r.fail("type", "it must be text, json_object or json_schema")
	}
}

// write appends the request in chat's form. A stream is always asked for its usage,
// because a response always ends with it.
func (r *responsesRequest) write(dst []byte, model string) []byte {
	r.conversation()
	name, err := json.Marshal(model)
	if err != nil {
		r.fail("model", err.Error())
	}
	dst = append(append(append(dst, `{"model":`...), name...), `,"messages":[`...)
	dst = append(append(dst, r.messages...), ']')
	dst = r.writeTools(dst)
	// max_completion_tokens means the same, but many providers know max_tokens alone, and would pass over the limit.
	limit := "max_tokens"
	if thinksAtOpenAI(model) {
		limit = "max_completion_tokens"
	}
	dst = append(appendField(dst, limit, r.maxTokens), r.tail...)
	if r.logprobs {
		dst = append(dst, `,"logprobs":true`...)
	}
	if r.stream {
		dst = append(dst, `,"stream":true,"stream_options":{"include_usage":true}`...)
	}
	return append(dst, '}')
}

// writeTools appends the tools and what is said about their use, which OpenAI
// refuses where there are none.
func (r *responsesRequest) writeTools(dst []byte) []byte {
	if len(r.tools) == 0 {
		if c := string(r.choice); c != "" && c != `"auto"` && c != `"none"` {
			r.fail("tool_choice", "there are no tools")
		}
		return dst
	}
	dst = append(append(append(dst, `,"tools":[`...), r.tools...), ']')
	dst = appendField(dst, "tool_choice", r.choice)
	return appendField(dst, "parallel_tool_calls", r.parallel)
}

// tool appends one of the caller's own tools. A function that does not say whether
// it is strict is left to the provider, since OpenAI itself is strict then only where the schema lets it.
func (r *responsesRequest) tool(v []byte) {
	switch kind := string(member(v, "type")); kind {
	case `"function"`:
		m := r.read(v, "type", "name", "description", "parameters", "strict")
		r.tools = append(append(comma(r.tools), `{"type":"function","function":{"name":`...), r.str("name", m[1])...)
		r.tools = appendField(r.tools, "description", m[2])
		if m[3] != nil {
			r.tools = appendSchema(append(r.tools, `,"parameters":`...), m[3])
		}
		r.tools = append(appendField(r.tools, "strict", m[4]), "}}"...)
	case `"custom"`:
		m := r.read(v, "type", "name", "description", "format")
		r.tools = append(append(comma(r.tools), `{"type":"custom","custom":{"name":`...), r.str("name", m[1])...)
		r.tools = appendField(r.tools, "description", m[2])
		if m[3] != nil {
			back := r.in("format", -1)
			r.grammar(m[3])
			r.at = r.at[:back]
		}
		r.tools = append(r.tools, "}}"...)
	default:
		r.fail("type", "a tool of type "+gjson.ParseBytes([]byte(kind)).String()+" runs at a provider that has the Responses API; "+noPlaceInChat)
	}
}

// grammar appends the form of a custom tool's input, which chat nests once more.
func (r *responsesRequest) grammar(v []byte) {
	m := r.read(v, "type", "syntax", "definition")
	switch string(m[0]) {
	case `"text"`:
		r.tools = append(r.tools, `,"format":{"type":"text"}`...)
	case `"grammar"`:
		r.tools = append(append(r.tools, `,"format":{"type":"grammar","grammar":{"syntax":`...), r.str("syntax", m[1])...)
		r.tools = append(appendField(r.tools, "definition", r.str("definition", m[2])), "}}"...)
	default:
		r.fail("type", "it must be text or grammar")
	}
}

// toolChoice keeps chat's form of the choice.
func (r *responsesRequest) toolChoice(v []byte) {
	if isString(v) {
		switch string(v) {
		case `"none"`, `"auto"`, `"required"`:
			r.choice = v
		default:
			r.fail("tool_choice", "it must be none, auto, required or an object")
		}
		return
	}
	back := r.in("tool_choice", -1)
	if string(member(v, "type")) == `"allowed_tools"` {
		m := r.read(v, "type", "mode", "tools")
		r.choice = append([]byte(`{"type":"allowed_tools","allowed_tools":{"mode":`), r.str("mode", m[1])...)
		r.choice = append(r.choice, `,"tools":[`...)
		first := true
		r.each("tools", m[2], func(tool []byte) {
			if !first {
				r.choice = append(r.choice, ',')
			}
			first = false
			r.choice = append(r.choice, r.named(tool)...)
		})
		r.choice = append(r.choice, "]}}"...)
	} else {
		r.choice = r.named(v)
	}
	r.at = r.at[:back]
}

// named is a tool as a choice names it.
func (r *responsesRequest) named(v []byte) []byte {
	m := r.read(v, "type", "name")
	switch kind := string(m[0]); kind {
	case `"function"`, `"custom"`:
		return fmt.Appendf(nil, `{"type":%s,%s:{"name":%s}}`, kind, kind, r.str("name", m[1]))
	}
	r.fail("type", noPlaceInChat)
	return nil
}
