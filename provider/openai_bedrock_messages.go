package provider

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// bedrockTurns writes the messages as Converse demands them, in turns that are built
// as those of Anthropic are, of blocks of its own:
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html
type bedrockTurns struct {
	conversation
	claude    bool
	called    bool           // there were tool calls
	cached    []byte         // the cache_control of the result that is being read
	documents map[string]int // how many have a name
	spoken    map[int]bool   // turns, by the bytes before them, in which the user says something
	attached  []attached
}

// attached is a document of the user's.
type attached struct{ turn, message int }

// appendMessages writes messages and system.
func (r *bedrockRequest) appendMessages(dst []byte) ([]byte, error) {
	v := r.fields["messages"]
	if v == nil || v[0] != '[' {
		return dst, bedrockCannot("messages", "it must be an array")
	}
	c := bedrockTurns{claude: r.claude, documents: map[string]int{}, spoken: map[int]bool{}}
	leading := leadingSystem(v)
	jsonscan.Items(v, func(_, message []byte) {
		if c.err == nil {
			c.message(message, c.at < leading)
		}
		c.at++
	})
	if control := r.fields["cache_control"]; control != nil && c.err == nil && !endsCached(c.results, c.blocks) { // of all that is sent
		c.at--
		c.pointIn("cache_control", control)
	}
	if c.err == nil {
		c.close()
	}
	switch {
	case c.err != nil:
		return dst, c.err
	case len(c.calls) > 0:
		return dst, bedrockCannot("messages", "the tool call "+c.calls[0]+" has no result")
	case len(c.turns) == 0:
		return dst, bedrockCannot("messages", "Bedrock needs one that is not empty")
	case bytes.HasPrefix(c.turns, []byte(`{"role":"assistant"`)):
		return dst, bedrockCannot(fmt.Sprintf("messages[%d].role", leading), "Bedrock demands that the user speaks first")
	}
	for _, a := range c.attached {
		if !c.spoken[a.turn] {
			return dst, bedrockCannot(fmt.Sprintf("messages[%d].content", a.message), "Bedrock demands a text beside a document")
		}
	}
	r.called = c.called
	dst = append(append(append(dst, `"messages":[`...), c.turns...), ']')
	if len(c.system) > 0 {
		dst = append(append(append(dst, `,"system":[`...), c.system...), ']')
	}
	return dst, nil
}

// refuse notes the first error, about a field of the message that is being read.
func (c *bedrockTurns) refuse(field, reason string) {
	if c.err == nil {
		c.err = bedrockCannot(fmt.Sprintf("messages[%d]%s", c.at, field), reason)
	}
}

func (c *bedrockTurns) read(v []byte) (m chatMessage) {
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
		case "reasoning_content", "reasoning", "annotations", "extra_content": // of a reply: what counts of it is in the blocks, or in the text
		case "name":
			if r := string(member(v, "role")); r != `"tool"` {
				c.refuse(".name", "")
			}
		default:
			c.refuse("."+string(name), "")
		}
	})
	return m
}

// message writes one message. System and developer messages that are not leading
// stand where they were, as the user's.
func (c *bedrockTurns) message(v []byte, leading bool) {
	m := c.read(v)
	c.open = false
	switch string(m.role) {
	case `"system"`, `"developer"`, `"user"`:
		where := inUser
		if leading {
			where = inSystem
		}
		if m.calls != nil || m.callID != nil {
			c.refuse(".role", "only an assistant calls tools, and only a tool answers")
		}
		c.content(where, m.content)
		c.point(where, ".cache_control", m.cache)
	case `"assistant"`:
		if c.claude { // what others thought means nothing without Anthropic's signatures
			c.thoughts(m.thoughts, m.details)
		}
		c.content(inAssistant, m.content)
		if m.refusal != nil {
			c.text(inAssistant, ".refusal", m.refusal)
		}
		c.toolCalls(m.calls)
		c.point(inAssistant, ".cache_control", m.cache)
	case `"tool"`:
		c.result(m)
	default:
		c.refuse(".role", "Bedrock does not know it")
	}
}

// point writes a cache point behind what stands at a place, unless the message has one there.
func (c *bedrockTurns) point(where place, field string, control []byte) {
	if control == nil || !c.open || where == inResult {
		return
	}
	buf := c.buffer(where)
	marked, ok := appendCachePoint(comma(*buf), control)
	if !ok {
		c.refuse(field, badCacheControl)
	}
	*buf, c.open = marked, false
}

// pointIn writes a cache point at the end of the open turn.
func (c *bedrockTurns) pointIn(field string, control []byte) {
	if c.role == "" || len(c.results)+len(c.blocks) == 0 {
		return
	}
	buf := &c.blocks
	if len(c.blocks) == 0 {
		buf = &c.results
	}
	var ok bool
	if *buf, ok = appendCachePoint(comma(*buf), control); !ok && c.err == nil {
		c.err = bedrockCannot(field, badCacheControl)
	}
}

// endsCached reports whether the last block of a turn is a cache point.
func endsCached(results, blocks []byte) bool {
	if len(blocks) > 0 {
		results = blocks
	}
	i := bytes.LastIndex(results, []byte(`{"cachePoint":{"type":"default"`))
	return i >= 0 && len(results)-i <= len(`{"cachePoint":{"type":"default","ttl":"5m"}}`)
}

// content writes a string, or an array of parts.
func (c *bedrockTurns) content(where place, v []byte) {
	switch {
	case v == nil:
	case v[0] == '"':
		c.text(where, ".content", v)
	case v[0] == '[':
		n := 0
		jsonscan.Items(v, func(_, part []byte) {
			c.part(where, fmt.Sprintf(".content[%d]", n), part)
			n++
		})
	default:
		c.refuse(".content", "it must be a string or an array")
	}
}

// text writes a text block. Bedrock refuses blank ones, which say nothing.
func (c *bedrockTurns) text(where place, field string, value []byte) {
	text, ok := unquoted(value)
	switch {
	case !ok:
		c.refuse(field, "it must be a string")
	case !blankText(text):
		c.block(where, "text", value)
		if where == inUser {
			c.spoken[len(c.turns)] = true
		}
	}
}

// block writes a block, which is an object of one member.
func (c *bedrockTurns) block(where place, name string, value []byte) {
	buf := c.to(where)
	*buf = append(append(append(append(append(*buf, `{"`...), name...), `":`...), value...), '}')
}

// part writes one part of a message's content.
func (c *bedrockTurns) part(where place, field string, v []byte) {
	kind := gjson.ParseBytes(member(v, "type")).Str
	jsonscan.Items(v, func(name, value []byte) {
		if n := string(name); n != "type" && n != "cache_control" && n != kind && string(value) != "null" {
			c.refuse(field+"."+n, "")
		}
	})
	value, takes := member(v, kind), where == inUser || where == inResult
	switch {
	case kind == "text", kind == "refusal" && where == inAssistant:
		c.text(where, field+"."+kind, value)
	case kind == "image_url" && takes:
		c.image(where, field+".image_url", value)
	case kind == "video_url" && takes:
		c.media(where, "video", field+".video_url.url", member(value, "url"), nil)
	case kind == "input_audio" && where == inUser:
		c.audio(field+".input_audio", value)
	case kind == "file" && takes:
		c.file(where, field+".file", value)
	default:
		c.refuse(field, "Bedrock's Converse cannot express this part here")
	}
	cache := member(v, "cache_control")
	if where == inResult && cache != nil { // a result has no cache points within
		c.cached = cache
	}
	c.point(where, field+".cache_control", cache)
}

// image writes an image, all of which is looked at.
func (c *bedrockTurns) image(where place, field string, v []byte) {
	if len(v) > 0 && v[0] == '{' {
		if detail := string(member(v, "detail")); detail != "" && detail != `"auto"` && detail != `"high"` {
			c.refuse(field+".detail", "Bedrock takes auto and high")
		}
		v = member(v, "url")
	}
	c.media(where, "image", field+".url", v, nil)
}

// audio writes a recording.
func (c *bedrockTurns) audio(field string, v []byte) {
	format, data := member(v, "format"), member(v, "data")
	if !isString(format) || !isString(data) {
		c.refuse(field, "it must have a format and data in base64")
		return
	}
	block := append(append([]byte(`{"format":`), format...), `,"source":{"bytes":`...)
	c.block(inUser, "audio", append(append(block, data...), `}}`...))
}

// file writes a document, or what else a file may be.
func (c *bedrockTurns) file(where place, field string, v []byte) {
	jsonscan.Items(v, func(name, value []byte) {
		if n := string(name); n != "file_data" && n != "filename" && string(value) != "null" {
			c.refuse(field+"."+n, "")
		}
	})
	c.media(where, "document", field+".file_data", member(v, "file_data"), member(v, "filename"))
}

// bedrockFormats are the blocks and formats of media types:
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html
var bedrockFormats = map[string]struct{ block, format string }{
	"image/png": {"image", "png"}, "image/jpeg": {"image", "jpeg"}, "image/gif": {"image", "gif"}, "image/webp": {"image", "webp"},
	"application/pdf": {"document", "pdf"}, "text/csv": {"document", "csv"}, "text/html": {"document", "html"},
	"text/plain": {"document", "txt"}, "text/markdown": {"document", "md"},
	"application/msword": {"document", "doc"}, "application/vnd.ms-excel": {"document", "xls"},
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document": {"document", "docx"},
	"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":       {"document", "xlsx"},
	"video/x-matroska": {"video", "mkv"}, "video/quicktime": {"video", "mov"}, "video/mp4": {"video", "mp4"}, "video/webm": {"video", "webm"},
	"video/x-flv": {"video", "flv"}, "video/mpeg": {"video", "mpeg"}, "video/x-ms-wmv": {"video", "wmv"}, "video/3gpp": {"video", "three_gp"},
}

// media writes what a data URL holds; Bedrock fetches nothing from elsewhere. The
// bytes stay in base64. What a document is may be said by its name alone.
func (c *bedrockTurns) media(where place, kind, field string, value, name []byte) {
	url, _ := unquoted(value)
	media, data, ok := cutDataURL(url)
	if !ok {
		c.refuse(field, "Bedrock takes data URLs in base64")
		return
	}
	title, _ := unquoted(name)
	f := bedrockFormats[media]
	if i := bytes.LastIndexByte(title, '.'); f.block == "" && kind == "document" && i >= 0 {
		for _, known := range bedrockFormats {
			if known.format == strings.ToLower(string(title[i+1:])) {
				f = known
			}
		}
	}
	if f.block == "" || f.block != kind && kind != "document" {
		c.refuse(field, "Bedrock does not take "+media)
		return
	}
	var block []byte
	if block = append(append(append(block, `{"format":"`...), f.format...), '"'); f.block == "document" {
		block = appendMember(block, "name", appendString(nil, c.documentName(string(title))))
	}
	block = appendString(append(block, `,"source":{"bytes":`...), string(data))
	c.block(where, f.block, append(block, `}}`...))
	if f.block == "document" && where == inUser {
		c.attached = append(c.attached, attached{len(c.turns), c.at})
	}
}

// documentName is a file's name without its extension as Bedrock takes one, with
// letters, digits, single spaces, hyphens, parentheses and square brackets. No two
// documents of a request may have the same.
func (c *bedrockTurns) documentName(name string) string {
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		name = name[:i]
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case r == ' ' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || strings.ContainsRune("-()[]", r):
			return r
		}
		return '-'
	}, name)
	if name = strings.Join(strings.Fields(name), " "); name == "" {
		name = "document"
	}
	name = name[:min(len(name), maxDocumentName)]
	c.documents[name]++
	if n := c.documents[name]; n > 1 {
		name += " (" + strconv.Itoa(n) + ")"
	}
	return name
}

// maxDocumentName leaves room within the 200 characters that Bedrock takes.
const maxDocumentName = 180

// thoughts writes what the model thought, with Anthropic's signatures, without which
// it takes none back: thinking_blocks as Reply gives them, or OpenRouter's
// reasoning_details.
func (c *bedrockTurns) thoughts(blocks, details []byte) {
	if blocks != nil && blocks[0] != '[' {
		c.refuse(".thinking_blocks", "it must be an array")
	}
	jsonscan.Items(blocks, func(_, block []byte) {
		if !c.thought(string(member(block, "type")), member(block, "thinking"), member(block, "signature"), member(block, "data")) {
			c.refuse(".thinking_blocks", "Anthropic's models take their own blocks, with their signatures")
		}
	})
	if blocks != nil {
		return
	}
	kinds := map[string]string{`"reasoning.text"`: `"thinking"`, `"reasoning.encrypted"`: `"redacted_thinking"`}
	jsonscan.Items(details, func(_, detail []byte) {
		kind, format := string(member(detail, "type")), member(detail, "format")
		if format != nil && string(format) != `"anthropic-claude-v1"` || format == nil && kind == `"reasoning.encrypted"` {
			return // another provider's, which means nothing here
		}
		c.thought(kinds[kind], member(detail, "text"), member(detail, "signature"), member(detail, "data"))
	})
}

// thought writes one block of Anthropic's; ok is false where it is none.
func (c *bedrockTurns) thought(kind string, text, signature, data []byte) (ok bool) {
	switch {
	case kind == `"thinking"` && isString(text) && isString(signature):
		block := append([]byte(`{"reasoningText":{"text":`), text...)
		c.block(inAssistant, "reasoningContent", append(appendMember(block, "signature", signature), `}}`...))
	case kind == `"redacted_thinking"` && isString(data):
		c.block(inAssistant, "reasoningContent", append(append([]byte(`{"redactedContent":`), data...), '}'))
	default:
		return false
	}
	return true
}

// toolCalls writes the calls of an assistant, in their order.
func (c *bedrockTurns) toolCalls(v []byte) {
	if v != nil && v[0] != '[' {
		c.refuse(".tool_calls", "it must be an array")
	}
	n := 0
	jsonscan.Items(v, func(_, call []byte) {
		c.toolCall(fmt.Sprintf(".tool_calls[%d]", n), call)
		n++
	})
}

func (c *bedrockTurns) toolCall(field string, call []byte) {
	id, name, input := readCall(call, bedrockCallID, func(member, why string) { c.refuse(field+member, why) })
	if input == nil {
		return
	}
	block := appendMember(appendMember(appendString([]byte(`{"toolUseId":`), id), "name", name), "input", input)
	c.block(inAssistant, "toolUse", append(block, '}'))
	c.point(inAssistant, field+".cache_control", member(call, "cache_control"))
	c.calls, c.called = append(c.calls, id), true
}

// maxCallID is the length of a toolUseId at most, in characters.
const maxCallID = 64

// bedrockCallID reads the id of a tool call as Bedrock takes one, which is what
// Anthropic does and no longer than maxCallID. Longer ones keep their beginning.
func bedrockCallID(value []byte) string {
	id := callID(value)
	if len(id) <= maxCallID {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return id[:maxCallID/2-1] + "_" + hex.EncodeToString(sum[:maxCallID/4])
}

// result writes the result of a tool call, which must have been made in the turn
// before. It is passed as text, so that no byte of it changes.
func (c *bedrockTurns) result(m chatMessage) {
	id := bedrockCallID(m.callID)
	c.turn("user")
	i := slices.Index(c.calls, id)
	if i < 0 || id == "" {
		c.refuse(".tool_call_id", "the assistant's turn before has no such call, or it was answered")
		return
	}
	c.calls = slices.Delete(c.calls, i, i+1)
	c.inner, c.cached = c.inner[:0], m.cache
	c.content(inResult, m.content)
	c.results = appendString(append(comma(c.results), `{"toolResult":{"toolUseId":`...), id)
	c.results = append(append(append(c.results, `,"content":[`...), c.inner...), `]}}`...)
	if c.cached != nil {
		var ok bool
		if c.results, ok = appendCachePoint(append(c.results, ','), c.cached); !ok {
			c.refuse(".cache_control", badCacheControl)
		}
	}
}
