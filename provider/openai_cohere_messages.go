package provider

import (
	"fmt"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// cohereConversation writes the messages, each of which Cohere takes where it stands.
type cohereConversation struct {
	out    []byte
	thinks bool  // the model thinks, and takes what it thought back
	at     int   // index of the message that is being read
	err    error // the first
}

// appendMessages: https://docs.cohere.com/reference/chat#request.body.messages.
func (r *cohereRequest) appendMessages(dst []byte) ([]byte, error) {
	v := r.fields["messages"]
	if v == nil || v[0] != '[' {
		return dst, notCohere("messages", "it must be an array")
	}
	c := cohereConversation{thinks: cohereThinks(r.model)}
	jsonscan.Items(v, func(_, message []byte) {
		if c.err == nil {
			c.message(message)
		}
		c.at++
	})
	switch {
	case c.err != nil:
		return dst, c.err
	case len(c.out) == 0:
		return dst, notCohere("messages", "Cohere needs one")
	}
	return appendList(dst, "messages", c.out), nil
}

// fail notes the first error, about a field of the message that is being read.
func (c *cohereConversation) fail(field, reason string) {
	if c.err == nil {
		c.err = notCohere(fmt.Sprintf("messages[%d]%s", c.at, field), reason)
	}
}

// cohereTurn is one message of OpenAI's; what is null is nil.
type cohereTurn struct {
	role, content, calls, callID, refusal, reasoning []byte
}

func (c *cohereConversation) read(v []byte) (m cohereTurn) {
	jsonscan.Items(v, func(name, value []byte) {
		if string(value) == "null" {
			return
		}
		switch string(name) {
		case "role":
			m.role = value
		case "content":
			m.content = value
		case "tool_calls":
			m.calls = value
		case "tool_call_id":
			m.callID = value
		case "refusal":
			m.refusal = value
		case "reasoning_content":
			m.reasoning = value
		case "reasoning":
			if m.reasoning == nil {
				m.reasoning = value
			}
		case "cache_control", // a hint
			"annotations", "thinking_blocks", "reasoning_details", "extra_content": // of a reply, of this provider or another; what counts is beside them
		case "name":
			if string(member(v, "role")) != `"tool"` {
				c.fail(".name", "")
			}
		default:
			c.fail("."+string(name), "")
		}
	})
	return m
}

func (c *cohereConversation) message(v []byte) {
	m := c.read(v)
	role := gjson.ParseBytes(m.role).Str
	if role != "assistant" && m.calls != nil || role != "tool" && m.callID != nil {
		c.fail(".role", "only an assistant calls tools, and only a tool answers")
	}
	switch role {
	case "developer", "system":
		c.plain("system", m.content)
	case "user":
		c.plain("user", m.content)
	case "assistant":
		c.assistant(&m)
	case "tool":
		if !isString(m.callID) {
			c.fail(".tool_call_id", "it must be a string")
			return
		}
		c.out = append(append(comma(c.out), `{"role":"tool","tool_call_id":`...), m.callID...)
		c.content("tool", m.content)
		c.out = append(c.out, '}')
	default:
		c.fail(".role", "Cohere's chat does not know it")
	}
}

// plain writes a message that has content and nothing else.
func (c *cohereConversation) plain(role string, content []byte) {
	c.out = append(append(append(comma(c.out), `{"role":"`...), role...), '"')
	c.content(role, content)
	c.out = append(c.out, '}')
}

// content writes a string as it lies, or the parts of an array.
func (c *cohereConversation) content(role string, v []byte) {
	switch {
	case len(v) == 0:
		c.fail(".content", "Cohere needs it")
	case v[0] == '"':
		c.out = appendMember(c.out, "content", v)
	case v[0] == '[':
		parts := c.parts(nil, role, v)
		if len(parts) == 0 {
			c.fail(".content", "Cohere needs it")
		}
		c.out = appendList(c.out, "content", parts)
	default:
		c.fail(".content", "it must be a string or an array")
	}
}

// parts writes the parts of a content behind those that dst has.
func (c *cohereConversation) parts(dst []byte, role string, v []byte) []byte {
	n := 0
	jsonscan.Items(v, func(_, part []byte) {
		dst = c.part(dst, role, fmt.Sprintf(".content[%d]", n), part)
		n++
	})
	return dst
}

func (c *cohereConversation) part(dst []byte, role, field string, v []byte) []byte {
	kind := gjson.ParseBytes(member(v, "type")).Str
	jsonscan.Items(v, func(name, value []byte) {
		if n := string(name); n != "type" && n != "cache_control" && n != kind && string(value) != "null" {
			c.fail(field+"."+n, "")
		}
	})
	value := member(v, kind)
	switch {
	case kind == "text", kind == "refusal" && role == "assistant":
		return c.text(dst, field+"."+kind, value)
	case kind == "image_url" && role == "user":
		return c.image(dst, field+".image_url", value)
	}
	c.fail(field, "Cohere's chat cannot express this part here")
	return dst
}

func (c *cohereConversation) text(dst []byte, field string, value []byte) []byte {
	if !isString(value) {
		c.fail(field, "it must be a string")
		return dst
	}
	return append(append(append(comma(dst), `{"type":"text","text":`...), value...), '}')
}

// image writes an image, which Cohere takes by OpenAI's own form:
// https://docs.cohere.com/docs/image-inputs.
func (c *cohereConversation) image(dst []byte, field string, v []byte) []byte {
	url, detail := v, []byte(nil)
	if len(v) > 0 && v[0] == '{' {
		url = member(v, "url")
		jsonscan.Items(v, func(name, value []byte) {
			switch string(name) {
			case "url":
			case "detail":
				detail = value
			default:
				c.fail(field+"."+string(name), "")
			}
		})
	}
	if !isString(url) {
		c.fail(field+".url", "it must be a string")
		return dst
	}
	dst = append(append(comma(dst), `{"type":"image_url","image_url":{"url":`...), url...)
	if detail != nil && string(detail) != "null" {
		dst = appendMember(dst, "detail", detail)
	}
	return append(dst, "}}"...)
}

// assistant writes a turn of the model's. What it thought goes back to a model that
// thinks; to others, which only plan the calls of tools, as that plan.
func (c *cohereConversation) assistant(m *cohereTurn) {
	if m.reasoning != nil && !isString(m.reasoning) {
		c.fail(".reasoning_content", "it must be a string")
		return
	}
	if m.calls != nil && m.calls[0] != '[' {
		c.fail(".tool_calls", "it must be an array")
		return
	}
	calls := c.toolCalls(m.calls)
	c.out = append(comma(c.out), `{"role":"assistant"`...)
	var parts []byte
	switch {
	case len(m.reasoning) <= len(`""`):
	case c.thinks:
		parts = append(append(append(parts, `{"type":"thinking","thinking":`...), m.reasoning...), '}')
	case len(calls) > 0:
		c.out = appendMember(c.out, "tool_plan", m.reasoning)
	}
	said := len(parts)
	switch {
	case m.content == nil:
	case m.content[0] == '"':
		parts = c.text(parts, ".content", m.content)
	case m.content[0] == '[':
		parts = c.parts(parts, "assistant", m.content)
	default:
		c.fail(".content", "it must be a string or an array")
	}
	if m.refusal != nil {
		parts = c.text(parts, ".refusal", m.refusal)
	}
	if len(parts) == said && len(calls) == 0 {
		c.fail(".content", "Cohere needs it where no tool is called")
	}
	c.out = appendList(appendList(c.out, "content", parts), "tool_calls", calls)
	c.out = append(c.out, '}')
}

func (c *cohereConversation) toolCalls(v []byte) (list []byte) {
	n := 0
	jsonscan.Items(v, func(_, call []byte) {
		list = c.toolCall(comma(list), fmt.Sprintf(".tool_calls[%d]", n), call)
		n++
	})
	return list
}

func (c *cohereConversation) toolCall(dst []byte, field string, call []byte) []byte {
	function, id := member(call, "function"), member(call, "id")
	name := member(function, "name")
	input, ok := arguments(member(function, "arguments"))
	switch kind := member(call, "type"); {
	case kind != nil && string(kind) != `"function"`:
		c.fail(field+".type", "only functions can be expressed")
	case !isString(id):
		c.fail(field+".id", "it must be a string")
	case !isString(name):
		c.fail(field+".function.name", "it must be a string")
	case !ok:
		c.fail(field+".function.arguments", "it must be the JSON of an object")
	}
	if c.err != nil {
		return dst
	}
	dst = append(append(dst, `{"id":`...), id...)
	dst = append(append(dst, `,"type":"function","function":{"name":`...), name...)
	return append(appendString(append(dst, `,"arguments":`...), string(input)), "}}"...)
}
