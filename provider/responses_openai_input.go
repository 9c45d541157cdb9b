package provider

import (
	"bytes"
	"cmp"
	"strconv"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// responsesTurn is an assistant's message: what items of its output say together.
// Text and thoughts are escaped; blocks and details are raw elements.
type responsesTurn struct {
	some, said      bool // there is an item; there is one of text
	text, refusal   []byte
	thoughts        []byte
	thoughtsIn      string // the member that thoughts go back in; empty: reasoning_content
	blocks, details []byte
	extra           []byte
	calls           []byte
	elements        int // details that were made here: their index
}

// responsesSignature is what a provider wants back with a call.
type responsesSignature struct{ id, extra []byte }

// conversation writes the messages.
func (r *responsesRequest) conversation() {
	if r.instructions != nil {
		r.say("system", r.instructions)
	}
	switch {
	case r.input == nil:
		r.fail("input", "it is missing")
	case isString(r.input):
		r.say("user", r.input)
	case isArray(r.input):
		r.findSignatures()
		r.each("input", r.input, r.item)
		r.attach()
		r.endTurn()
	default:
		r.fail("input", "it must be a string or an array")
	}
}

// say writes a message.
func (r *responsesRequest) say(role string, content []byte) {
	r.messages = append(append(append(comma(r.messages), `{"role":"`...), role...), '"')
	r.messages = append(appendMember(r.messages, "content", content), '}')
}

// responsesItem is the type of an item, which messages and references may leave out.
func responsesItem(item []byte) string {
	kind := member(item, "type")
	switch {
	case kind != nil:
		return string(inner(kind))
	case member(item, "role") != nil:
		return "message"
	case member(item, "id") != nil:
		return "item_reference"
	}
	return ""
}

func (r *responsesRequest) item(v []byte) {
	kind := responsesItem(v)
	if kind != "function_call_output" && kind != "custom_tool_call_output" {
		r.attach()
	}
	switch kind {
	case "message":
		r.message(v)
	case "reasoning":
		r.reasoningItem(v)
	case "function_call":
		m := r.read(v, "type", "id", "call_id", "name", "arguments", "status")
		arguments := r.str("arguments", m[4])
		if blankText(inner(arguments)) {
			arguments = []byte(`"{}"`)
		}
		r.callItem("function", "arguments", r.str("call_id", m[2]), r.str("name", m[3]), arguments)
	case "custom_tool_call":
		m := r.read(v, "type", "id", "call_id", "name", "input", "status")
		r.callItem("custom", "input", r.str("call_id", m[2]), r.str("name", m[3]), r.str("input", m[4]))
	case "function_call_output", "custom_tool_call_output":
		m := r.read(v, "type", "id", "call_id", "output", "status")
		r.result(r.str("call_id", m[2]), m[3])
	case "item_reference":
		r.fail("id", noState)
	default:
		r.fail("type", "an item of type "+kind+" belongs to a tool that runs at a provider which has the Responses API; "+noPlaceInChat)
	}
}

// message writes a message. A developer's is the system's, which every provider
// knows, and OpenAI takes for the same.
func (r *responsesRequest) message(v []byte) {
	m := r.read(v, "type", "role", "content", "id", "status", "phase")
	switch role := string(m[1]); role {
	case `"user"`, `"system"`, `"developer"`:
		r.endTurn()
		if role != `"user"` {
			r.say("system", r.content(m[2], true))
			return
		}
		r.say("user", r.content(m[2], false))
	case `"assistant"`:
		r.answer(m[2])
	default:
		r.fail("role", "it must be user, assistant, system or developer")
	}
}

// content returns a content in chat's form: a string where one text is all.
func (r *responsesRequest) content(v []byte, textOnly bool) []byte {
	if isString(v) {
		return v
	}
	var parts, text []byte
	n := 0
	r.each("content", v, func(element []byte) {
		p := r.part(element)
		if textOnly && p.text == nil {
			r.fail("type", "a system's message holds text alone in OpenAI's chat completions")
		}
		parts, text = append(comma(parts), p.chat...), p.text
		n++
	})
	switch {
	case n == 0:
		return []byte(`""`)
	case n == 1 && text != nil:
		return text
	}
	return append(append([]byte("["), parts...), ']')
}

// answer reads an earlier message of the assistant's.
func (r *responsesRequest) answer(content []byte) {
	r.begin()
	t := &r.turn
	if t.said = true; len(t.text) > 0 {
		t.text = append(t.text, `\n\n`...)
	}
	if isString(content) {
		t.text = append(t.text, inner(content)...)
		return
	}
	r.each("content", content, func(element []byte) {
		switch p := r.part(element); {
		case p.refusal != nil:
			t.refusal = append(t.refusal, inner(p.refusal)...)
		case p.text != nil:
			t.text = append(t.text, inner(p.text)...)
		default:
			r.fail("type", "an assistant's message holds text alone in OpenAI's chat completions")
		}
	})
}

// begin makes room for what an answer may begin with: behind text it is the next
// answer, unless calls wait for their results, which must follow their message.
func (r *responsesRequest) begin() {
	if r.turn.said && len(r.turn.calls) == 0 {
		r.endTurn()
	}
	r.turn.some = true
}

// responsesPart is a part of a content; text and refusal are raw strings, nil where it is something else.
type responsesPart struct{ chat, text, refusal []byte }

func (r *responsesRequest) part(v []byte) (p responsesPart) {
	switch string(member(v, "type")) {
	case `"input_text"`, `"output_text"`, `"text"`:
		m := r.read(v, "type", "text", "annotations", "logprobs")
		p.text = r.str("text", m[1])
		p.chat = append(appendMember([]byte(`{"type":"text"`), "text", p.text), '}')
	case `"refusal"`:
		m := r.read(v, "type", "refusal")
		p.refusal = r.str("refusal", m[1])
		p.chat = append(appendMember([]byte(`{"type":"text"`), "text", p.refusal), '}')
	case `"input_image"`:
		p.chat = r.image(v)
	case `"input_file"`:
		p.chat = r.file(v)
	case `"input_audio"`:
		m := r.read(v, "type", "input_audio")
		if m[1] == nil {
			r.fail("input_audio", "it is missing")
		}
		p.chat = append(appendField([]byte(`{"type":"input_audio"`), "input_audio", m[1]), '}')
	default:
		r.fail("type", noPlaceInChat)
	}
	return p
}

// image writes an image of an address or a data URL.
func (r *responsesRequest) image(v []byte) []byte {
	m := r.read(v, "type", "image_url", "detail", "file_id")
	if m[3] != nil {
		r.fail("file_id", "an image that is stored at OpenAI cannot be expressed in OpenAI's chat completions")
	}
	part := append([]byte(`{"type":"image_url","image_url":{"url":`), r.str("image_url", m[1])...)
	switch string(m[2]) {
	case "", `"auto"`:
	case `"low"`, `"high"`:
		part = appendMember(part, "detail", m[2])
	default:
		r.fail("detail", noPlaceInChat)
	}
	return append(part, "}}"...)
}

// file writes a file that the request carries, or that the caller has stored where it goes.
func (r *responsesRequest) file(v []byte) []byte {
	m := r.read(v, "type", "file_data", "filename", "file_id")
	if m[1] == nil && m[3] == nil {
		r.fail("file_data", "it is missing")
	}
	part := appendField([]byte(`{"type":"file"`), "file", []byte("{"))
	for i, name := range [...]string{"file_data", "filename", "file_id"} {
		if m[i+1] != nil {
			if part[len(part)-1] != '{' {
				part = append(part, ',')
			}
			part = append(append(append(append(part, '"'), name...), `":`...), r.str(name, m[i+1])...)
		}
	}
	return append(part, "}}"...)
}

// callItem adds a call to the assistant's message, with what its provider wants back with it.
func (r *responsesRequest) callItem(kind, argument string, id, name, value []byte) {
	t := &r.turn
	t.some = true
	t.calls = append(append(comma(t.calls), `{"id":`...), id...)
	t.calls = append(append(append(t.calls, `,"type":"`...), kind...), `","`...)
	t.calls = append(append(append(t.calls, kind...), `":{"name":`...), name...)
	t.calls = append(appendMember(t.calls, argument, value), '}')
	for _, s := range r.signatures {
		if r.call.Relayed && bytes.Equal(s.id, id) {
			t.calls = appendMember(t.calls, "extra_content", s.extra)
			break
		}
	}
	t.calls = append(t.calls, '}')
}

// result writes what a tool returned. A tool's message carries text alone, so that
// images and files go into a user's message behind the results.
func (r *responsesRequest) result(id, output []byte) {
	r.endTurn()
	text := []byte(`"`)
	if isString(output) {
		text = append(text, inner(output)...)
	} else {
		some, beside := false, false
		r.each("output", output, func(element []byte) {
			p := r.part(element)
			if p.text != nil || p.refusal != nil {
				if some {
					text = append(text, `\n`...)
				}
				some = true
				text = append(append(text, inner(p.text)...), inner(p.refusal)...)
				return
			}
			if !beside {
				r.attached = append(append(comma(r.attached), `{"type":"text","text":"Belongs to the result of tool call `...), inner(id)...)
				r.attached = append(r.attached, `:"}`...)
			}
			beside = true
			r.attached = append(comma(r.attached), p.chat...)
		})
		if beside && !some {
			text = append(text, "The result is in the next message."...)
		}
	}
	r.messages = append(appendMember(append(comma(r.messages), `{"role":"tool"`...), "tool_call_id", id), `,"content":`...)
	r.messages = append(append(r.messages, text...), `"}`...)
}

// attach writes what tools returned beside text, when all results are written.
func (r *responsesRequest) attach() {
	if len(r.attached) > 0 {
		r.say("user", append(append([]byte("["), r.attached...), ']'))
		r.attached = r.attached[:0]
	}
}

// reasoningItem reads earlier thoughts: their text, and what is opaque of them, which
// is ours (see appendCarried) or OpenAI's.
func (r *responsesRequest) reasoningItem(v []byte) {
	m := r.read(v, "type", "id", "summary", "content", "encrypted_content", "status")
	opaque := ""
	if m[4] != nil {
		text, _ := unquoted(r.str("encrypted_content", m[4]))
		opaque = string(text)
	}
	object, ours := carriedIn(opaque)
	if string(member(object, "behind")) == "true" {
		r.turn.some = true
	} else {
		r.begin()
	}
	var texts [][]byte
	for i, name := range [...]string{"summary", "content"} {
		if m[i+2] == nil {
			continue
		}
		r.each(name, m[i+2], func(part []byte) {
			texts = append(texts, r.str("text", r.read(part, "type", "text")[1]))
		})
	}
	t := &r.turn
	for _, text := range texts {
		if len(t.thoughts) > 0 && len(inner(text)) > 0 {
			t.thoughts = append(t.thoughts, `\n\n`...)
		}
		t.thoughts = append(t.thoughts, inner(text)...)
	}
	switch {
	case ours:
		t.restore(object)
	case opaque != "":
		t.encrypted(m[1], m[4], texts)
	}
}

// restore puts back what a reply carried.
func (t *responsesTurn) restore(object []byte) {
	jsonscan.Items(object, func(name, value []byte) {
		switch string(name) {
		case "thinking_blocks":
			t.blocks = appendElements(t.blocks, value)
		case "reasoning_details":
			t.details = appendElements(t.details, value)
		case "extra_content":
			t.extra = bytes.Clone(value)
		case "in":
			if string(value) == `"reasoning"` {
				t.thoughtsIn = "reasoning"
			}
		}
	})
}

// appendElements appends the elements of a raw array to others.
func appendElements(dst, array []byte) []byte {
	if isArray(array) {
		jsonscan.Items(array, func(_, element []byte) { dst = append(comma(dst), element...) })
	}
	return dst
}

// encrypted keeps OpenAI's own encrypted reasoning as OpenRouter hands it on:
// https://openrouter.ai/docs/use-cases/reasoning-tokens
func (t *responsesTurn) encrypted(id, data []byte, summary [][]byte) {
	for _, text := range summary {
		t.detail("summary", "summary", text, id)
	}
	t.detail("encrypted", "data", data, id)
}

func (t *responsesTurn) detail(kind, name string, value, id []byte) {
	t.details = append(append(append(comma(t.details), `{"type":"reasoning.`...), kind...), '"')
	t.details = appendField(appendMember(t.details, name, value), "id", id)
	t.details = appendMember(t.details, "index", strconv.AppendInt(nil, int64(t.elements), 10))
	t.details = append(t.details, `,"format":"openai-responses-v1"}`...)
	t.elements++
}

// findSignatures collects what calls need back, wherever in the input it is.
func (r *responsesRequest) findSignatures() {
	jsonscan.Items(r.input, func(_, item []byte) {
		if responsesItem(item) != "reasoning" {
			return
		}
		opaque, _ := unquoted(member(item, "encrypted_content"))
		object, ours := carriedIn(string(opaque))
		calls := member(object, "tool_calls")
		if !ours || !isArray(calls) {
			return
		}
		jsonscan.Items(calls, func(_, call []byte) {
			if id, extra := member(call, "id"), member(call, "extra_content"); isString(id) && extra != nil {
				r.signatures = append(r.signatures, responsesSignature{id, extra})
			}
		})
	})
}

// endTurn writes the assistant's message, if there is one.
func (r *responsesRequest) endTurn() {
	t := r.turn
	r.turn = responsesTurn{}
	if !t.some {
		return
	}
	list := func(name string, elements []byte) {
		if len(elements) > 0 {
			r.messages = append(appendMember(r.messages, name, append([]byte("["), elements...)), ']')
		}
	}
	quoted := func(name string, text []byte) {
		r.messages = append(appendMember(r.messages, name, append([]byte(`"`), text...)), '"')
	}
	r.messages = append(comma(r.messages), `{"role":"assistant"`...)
	name := cmp.Or(t.thoughtsIn, "reasoning_content")
	if c := r.call; c.Thoughts == "reasoning" {
		name = c.Thoughts
	}
	if len(t.thoughts) > 0 && r.call.hands(name) {
		quoted(name, t.thoughts)
	}
	if r.call.hands("reasoning_details") {
		list("reasoning_details", t.details)
	}
	if r.call.Relayed {
		list("thinking_blocks", t.blocks)
		r.messages = appendField(r.messages, "extra_content", t.extra)
	}
	if len(t.text) == 0 && (len(t.calls) > 0 || len(t.refusal) > 0) {
		r.messages = append(r.messages, `,"content":null`...)
	} else {
		quoted("content", t.text)
	}
	if len(t.refusal) > 0 {
		quoted("refusal", t.refusal)
	}
	list("tool_calls", t.calls)
	r.messages = append(r.messages, '}')
}
