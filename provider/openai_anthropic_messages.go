package provider

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// conversation writes the messages as Anthropic demands them: user and assistant
// take turns, and the user's turn behind tool calls begins with the result of each:
// https://platform.claude.com/docs/en/agents-and-tools/tool-use/implement-tool-use.
type conversation struct {
	system  []byte // blocks
	turns   []byte // the turns that are closed
	role    string // of the open turn; empty before the first
	results []byte // tool results of the open turn, which stand before its other blocks
	blocks  []byte
	inner   []byte   // the content of the tool result that is being read
	calls   []string // the tool calls that have no result yet
	open    bool     // the message has written a block, and the last has no cache_control yet
	at      int      // index of the message that is being read
	err     error    // the first
}

// A place is where a block is to be written.
type place int

const (
	inSystem place = iota
	inUser
	inAssistant
	inResult
)

// appendMessages writes system and messages.
func (r *chatRequest) appendMessages(dst []byte) ([]byte, error) {
	v := r.fields["messages"]
	if v == nil || v[0] != '[' {
		return dst, unexpressed("messages", "it must be an array")
	}
	var c conversation
	leading := leadingSystem(v)
	jsonscan.Items(v, func(_, message []byte) {
		if c.err == nil {
			c.message(message, c.at < leading)
		}
		c.at++
	})
	if c.err == nil {
		c.close()
	}
	switch {
	case c.err != nil:
		return dst, c.err
	case len(c.calls) > 0:
		return dst, unexpressed("messages", "the tool call "+c.calls[0]+" has no result")
	case len(c.turns) == 0:
		return dst, unexpressed("messages", "Anthropic needs one that is not empty")
	}
	if len(c.system) > 0 {
		dst = append(append(append(dst, `,"system":[`...), c.system...), ']')
	}
	return append(append(append(dst, `,"messages":[`...), c.turns...), ']'), nil
}

// leadingSystem counts the system and developer messages in front, which Anthropic
// takes apart from the others. Where there is nothing else they are the user's.
func leadingSystem(messages []byte) int {
	n, all := 0, 0
	jsonscan.Items(messages, func(_, message []byte) {
		if n == all && isSystem(member(message, "role")) {
			n++
		}
		all++
	})
	if n == all {
		return 0
	}
	return n
}

func isSystem(role []byte) bool { return string(role) == `"system"` || string(role) == `"developer"` }

// fail notes the first error, about a field of the message that is being read.
func (c *conversation) fail(field, reason string) {
	if c.err == nil {
		c.err = unexpressed(fmt.Sprintf("messages[%d]%s", c.at, field), reason)
	}
}

// chatMessage is one message of OpenAI's; what is null is nil.
type chatMessage struct {
	role, content, calls, callID, refusal, thoughts, details, cache []byte
}

func (c *conversation) read(v []byte) (m chatMessage) {
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
		case "thinking_blocks":
			m.thoughts = value
		case "reasoning_details":
			m.details = value
		case "cache_control":
			m.cache = value
		case "reasoning_content", "reasoning", "annotations", "extra_content": // of a reply: what counts of it is in the blocks, or in the text; the last is of other models
		case "name":
			if r := string(member(v, "role")); r != `"tool"` {
				c.fail(".name", "")
			}
		default:
			c.fail("."+string(name), "")
		}
	})
	return m
}

// message writes one message. System and developer messages that are not leading
// stand where they were, as the user's.
func (c *conversation) message(v []byte, leading bool) {
	m := c.read(v)
	c.open = false
	switch string(m.role) {
	case `"system"`, `"developer"`, `"user"`:
		where := inUser
		if leading {
			where = inSystem
		}
		if m.calls != nil || m.callID != nil {
			c.fail(".role", "only an assistant calls tools, and only a tool answers")
		}
		c.content(where, m.content)
		c.cache(where, m.cache)
	case `"assistant"`:
		c.thoughts(m.thoughts, m.details)
		c.content(inAssistant, m.content)
		if m.refusal != nil {
			c.text(inAssistant, ".refusal", m.refusal, nil)
		}
		c.toolCalls(m.calls)
		c.cache(inAssistant, m.cache)
	case `"tool"`:
		c.result(m)
	default:
		c.fail(".role", "Anthropic's messages do not know it")
	}
}

// to begins a block: the buffer to write it to, with the comma before it.
func (c *conversation) to(where place) *[]byte {
	buf := c.buffer(where)
	*buf = comma(*buf)
	c.open = true
	return buf
}

func (c *conversation) buffer(where place) *[]byte {
	switch where {
	case inSystem:
		return &c.system
	case inResult:
		return &c.inner
	case inAssistant:
		c.turn("assistant")
	case inUser:
		c.turn("user")
	}
	return &c.blocks
}

// turn opens the turn of a role, if it is not open.
func (c *conversation) turn(role string) {
	if c.role != role {
		c.close()
		c.role = role
	}
}

// close ends the open turn.
func (c *conversation) close() {
	if c.role == "" {
		return
	}
	if c.role == "user" && len(c.calls) > 0 && c.err == nil {
		c.err = unexpressed("messages", "the tool call "+c.calls[0]+" has no result")
	}
	c.turns = append(append(append(comma(c.turns), `{"role":"`...), c.role...), `","content":[`...)
	c.turns = append(c.turns, c.results...)
	if len(c.results) > 0 && len(c.blocks) > 0 {
		c.turns = append(c.turns, ',')
	}
	c.turns = append(append(c.turns, c.blocks...), `]}`...)
	c.results, c.blocks = c.results[:0], c.blocks[:0]
}

// cache gives the last block that the message has written its cache_control, if it
// has none. Clients of OpenRouter send it with a part, or with the whole message.
func (c *conversation) cache(where place, control []byte) {
	if control != nil && c.open {
		buf := c.buffer(where)
		*buf, c.open = markCached(*buf, control), false
	}
}

func markCached(blocks, control []byte) []byte {
	if n := len(blocks); n > 0 && control != nil {
		return append(appendMember(blocks[:n-1], "cache_control", control), '}')
	}
	return blocks
}

// content writes a string, or an array of parts.
func (c *conversation) content(where place, v []byte) {
	switch {
	case v == nil:
	case v[0] == '"':
		c.text(where, ".content", v, nil)
	case v[0] == '[':
		n := 0
		jsonscan.Items(v, func(_, part []byte) {
			c.part(where, fmt.Sprintf(".content[%d]", n), part)
			n++
		})
	default:
		c.fail(".content", "it must be a string or an array")
	}
}

// text writes a text block. Anthropic refuses blank ones, which say nothing.
func (c *conversation) text(where place, field string, value, cache []byte) {
	text, ok := unquoted(value)
	if !ok {
		c.fail(field, "it must be a string")
		return
	}
	if blankText(text) && cache == nil {
		return
	}
	buf := c.to(where)
	*buf = append(append(append(*buf, `{"type":"text","text":`...), value...), '}')
	c.cache(where, cache)
}

// part writes one part of a message's content.
func (c *conversation) part(where place, field string, v []byte) {
	kind := gjson.ParseBytes(member(v, "type")).Str
	jsonscan.Items(v, func(name, value []byte) {
		if n := string(name); n != "type" && n != "cache_control" && n != kind && string(value) != "null" {
			c.fail(field+"."+n, "")
		}
	})
	value, cache := member(v, kind), member(v, "cache_control")
	switch {
	case kind == "text", kind == "refusal" && where == inAssistant:
		c.text(where, field+"."+kind, value, cache)
	case kind == "image_url" && (where == inUser || where == inResult):
		c.image(where, field+".image_url", value)
		c.cache(where, cache)
	case kind == "file" && (where == inUser || where == inResult):
		c.file(where, field+".file", value)
		c.cache(where, cache)
	default:
		c.fail(field, "Anthropic's messages cannot express this part here")
	}
}

// image writes an image. Anthropic always looks at all of it.
func (c *conversation) image(where place, field string, v []byte) {
	url := v
	if len(v) > 0 && v[0] == '{' {
		url = member(v, "url")
		if detail := string(member(v, "detail")); detail != "" && detail != `"auto"` && detail != `"high"` {
			c.fail(field+".detail", "Anthropic takes auto and high")
		}
	}
	c.source(where, field+".url", url, nil)
}

// file writes a document, whose title is the file's name.
func (c *conversation) file(where place, field string, v []byte) {
	jsonscan.Items(v, func(name, value []byte) {
		if n := string(name); n != "file_data" && n != "filename" && string(value) != "null" {
			c.fail(field+"."+n, "")
		}
	})
	c.source(where, field+".file_data", member(v, "file_data"), member(v, "filename"))
}

// source writes the image or document of a URL: https://platform.claude.com/docs/en/build-with-claude/vision
// and https://platform.claude.com/docs/en/build-with-claude/pdf-support.
func (c *conversation) source(where place, field string, value, title []byte) {
	url, ok := unquoted(value)
	kind := "image"
	if strings.HasSuffix(field, ".file_data") {
		kind = "document"
	}
	if ok && (bytes.HasPrefix(url, []byte("https://")) || bytes.HasPrefix(url, []byte("http://"))) {
		c.block(where, kind, append(appendString([]byte(`{"type":"url","url":`), string(url)), '}'), title)
		return
	}
	media, data, ok := cutDataURL(url)
	if !ok {
		c.fail(field, "Anthropic takes http and https URLs, and data URLs in base64")
		return
	}
	if media == "text/plain" {
		text, err := base64.StdEncoding.DecodeString(string(data))
		if err != nil {
			c.fail(field, "the base64 cannot be read")
			return
		}
		c.block(where, "document", append(appendString([]byte(`{"type":"text","media_type":"text/plain","data":`), string(text)), '}'), title)
		return
	}
	if !strings.HasPrefix(media, "image/") {
		kind = "document"
	} else {
		kind, title = "image", nil
	}
	source := appendString([]byte(`{"type":"base64","media_type":`), media)
	c.block(where, kind, append(appendString(append(source, `,"data":`...), string(data)), '}'), title)
}

func (c *conversation) block(where place, kind string, source, title []byte) {
	buf := c.to(where)
	*buf = append(appendMember(append(append(append(*buf, `{"type":"`...), kind...), '"'), "source", source), '}')
	if title != nil {
		*buf = append(appendMember((*buf)[:len(*buf)-1], "title", title), '}')
	}
}

// cutDataURL reads a data URL in base64 (RFC 2397); parameters of its type are left out.
func cutDataURL(url []byte) (media string, data []byte, ok bool) {
	rest, ok := bytes.CutPrefix(url, []byte("data:"))
	head, data, found := bytes.Cut(rest, []byte(","))
	head, encoded := bytes.CutSuffix(head, []byte(";base64"))
	head, _, _ = bytes.Cut(head, []byte(";"))
	media = strings.ToLower(string(head))
	if media == "image/jpg" { // which many write, and Anthropic does not know
		media = "image/jpeg"
	}
	return media, data, ok && found && encoded && len(head) > 0
}

// thoughts writes what the model thought, with Anthropic's signatures, without which
// it takes none back: thinking_blocks as Reply gives them, or OpenRouter's
// reasoning_details.
func (c *conversation) thoughts(blocks, details []byte) {
	if blocks != nil && blocks[0] != '[' {
		c.fail(".thinking_blocks", "it must be an array")
	}
	jsonscan.Items(blocks, func(_, block []byte) {
		switch kind := string(member(block, "type")); {
		case kind == `"thinking"` && isString(member(block, "thinking")) && isString(member(block, "signature")),
			kind == `"redacted_thinking"` && isString(member(block, "data")):
			buf := c.to(inAssistant)
			*buf = append(*buf, block...)
		default:
			c.fail(".thinking_blocks", "Anthropic takes its own blocks, with their signatures")
		}
	})
	if blocks != nil {
		return
	}
	jsonscan.Items(details, func(_, detail []byte) {
		if f := member(detail, "format"); f != nil && string(f) != `"anthropic-claude-v1"` {
			return // another provider's, which means nothing to Anthropic
		}
		text, signature, data := member(detail, "text"), member(detail, "signature"), member(detail, "data")
		switch kind := string(member(detail, "type")); {
		case kind == `"reasoning.text"` && isString(text) && isString(signature):
			buf := c.to(inAssistant)
			*buf = append(appendMember(appendMember(append(*buf, `{"type":"thinking"`...), "thinking", text), "signature", signature), '}')
		case kind == `"reasoning.encrypted"` && isString(data) && member(detail, "format") != nil:
			buf := c.to(inAssistant)
			*buf = append(appendMember(append(*buf, `{"type":"redacted_thinking"`...), "data", data), '}')
		}
	})
}

func isString(value []byte) bool { return len(value) > 0 && value[0] == '"' }

// toolCalls writes the calls of an assistant, in their order.
func (c *conversation) toolCalls(v []byte) {
	if v != nil && v[0] != '[' {
		c.fail(".tool_calls", "it must be an array")
	}
	n := 0
	jsonscan.Items(v, func(_, call []byte) {
		c.toolCall(fmt.Sprintf(".tool_calls[%d]", n), call)
		n++
	})
}

func (c *conversation) toolCall(field string, call []byte) {
	id, name, input := readCall(call, callID, func(member, why string) { c.fail(field+member, why) })
	if input == nil {
		return
	}
	buf := c.to(inAssistant)
	*buf = appendString(append(*buf, `{"type":"tool_use","id":`...), id)
	*buf = append(appendMember(appendMember(*buf, "name", name), "input", input), '}')
	c.cache(inAssistant, member(call, "cache_control"))
	c.calls = append(c.calls, id)
}

// readCall reads a call of a function: its id by idOf, its name as it lies, and its
// arguments. What cannot be expressed is refused; input is nil then, if nothing is to be written.
func readCall(call []byte, idOf func([]byte) string, refuse func(member, why string)) (id string, name, input []byte) {
	function := member(call, "function")
	id, name = idOf(member(call, "id")), member(function, "name")
	if kind := member(call, "type"); kind != nil && string(kind) != `"function"` {
		refuse(".type", "only functions can be expressed")
	}
	if id == "" {
		refuse(".id", "it must be a string that is not empty")
	}
	if !isString(name) {
		refuse(".function.name", "it must be a string")
		return id, name, nil
	}
	input, ok := arguments(member(function, "arguments"))
	if !ok {
		refuse(".function.arguments", "it must be the JSON of an object")
		return id, name, nil
	}
	return id, name, input
}

// arguments reads the object in a string; none is an empty one.
func arguments(value []byte) (object []byte, ok bool) {
	if value == nil {
		return []byte("{}"), true
	}
	text, ok := unquoted(value)
	if text = bytes.TrimSpace(text); ok && (len(text) == 0 || string(text) == "null") {
		return []byte("{}"), true
	}
	return text, ok && jsonscan.Each(text, func(_, _ []byte) {}) == nil
}

// callID reads the id of a tool call; of what Anthropic does not take in one
// (^[a-zA-Z0-9_-]+$) it makes underscores.
func callID(value []byte) string {
	text, _ := unquoted(value)
	return strings.Map(func(r rune) rune {
		if r == '-' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return '_'
	}, string(text))
}

// result writes the result of a tool call, which must have been made in the turn before.
func (c *conversation) result(m chatMessage) {
	id := callID(m.callID)
	c.turn("user")
	i := slices.Index(c.calls, id)
	if i < 0 || id == "" {
		c.fail(".tool_call_id", "the assistant's turn before has no such call, or it was answered")
		return
	}
	c.calls = slices.Delete(c.calls, i, i+1)
	c.inner = c.inner[:0]
	c.content(inResult, m.content)
	c.results = appendString(append(comma(c.results), `{"type":"tool_result","tool_use_id":`...), id)
	if len(c.inner) > 0 {
		c.results = append(append(append(c.results, `,"content":[`...), c.inner...), ']')
	}
	c.results = append(c.results, '}')
	c.results = markCached(c.results, m.cache)
}
