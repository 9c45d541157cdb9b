package provider

import (
	"fmt"
	"strconv"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// anthropicStream is what is kept between the events of a stream:
// https://platform.claude.com/docs/en/build-with-claude/streaming. Blocks come one
// after the other.
type anthropicStream struct {
	head      []byte // of every chunk: id, object, created, model
	usage     anthropicCount
	kind      string // of the open block
	thought   []byte // its thinking, raw
	signature []byte // its signature, a JSON string
	input     []byte // its input as it began, until a fragment comes
	citations []byte // its citations, raw, separated by commas
	calls     int    // tool calls that have begun: their index counts no other blocks
	from      int    // where its text begins, in characters
	runes     int    // length of the text, in characters
	finished  bool   // finish_reason was sent
	ended     bool   // the last chunk, or an error, was sent
}

// anthropicEvent is one event, taken apart; its values alias the event.
type anthropicEvent struct {
	kind, message, block, delta, usage, failure []byte
}

// Event turns one event into chunks. One may become none, as a ping does, or several.
func (t *openaiAnthropic) Event(dst, src []byte) ([]byte, error) {
	data := Data(nil, src)
	if len(data) == 0 {
		return dst, nil
	}
	var e anthropicEvent
	err := jsonscan.Each(data, func(name, value []byte) {
		switch string(name) {
		case "type":
			e.kind = value
		case "message":
			e.message = value
		case "content_block":
			e.block = value
		case "delta":
			e.delta = value
		case "usage":
			e.usage = value
		case "error":
			e.failure = value
		}
	})
	if err != nil {
		return dst, fmt.Errorf("cannot read the stream: %w", err)
	}
	if t.stream.ended {
		return dst, nil
	}
	return t.event(dst, &e), nil
}

func (t *openaiAnthropic) event(dst []byte, e *anthropicEvent) []byte {
	switch string(e.kind) {
	case `"message_start"`:
		return t.start(dst, e.message)
	case `"content_block_start"`:
		return t.blockStart(dst, e.block)
	case `"content_block_delta"`:
		return t.blockDelta(dst, e.delta)
	case `"content_block_stop"`:
		return t.blockStop(dst)
	case `"message_delta"`:
		t.stream.usage.read(e.usage)
		if stop := member(e.delta, "stop_reason"); stop != nil {
			return t.finish(dst, stop, member(e.delta, "stop_details"))
		}
	case `"message_stop"`:
		return t.end(dst)
	case `"error"`:
		t.stream.ended = true
		return append(appendOpenAIError(append(dst, "data: "...), e.failure), "\n\n"...)
	}
	return dst // a ping, or what was added to the API since
}

// start writes the chunk of the role, once. Anthropic says the model and the prompt's tokens here.
func (t *openaiAnthropic) start(dst, message []byte) []byte {
	s := &t.stream
	if s.head != nil {
		return dst
	}
	s.usage.read(member(message, "usage"))
	s.head = appendTierMember(t.appendHead(nil, "chat.completion.chunk", member(message, "id"), member(message, "model")), s.usage.tier)
	return t.delta(dst, func(dst []byte) []byte { return append(dst, `"role":"assistant","content":"","refusal":null`...) })
}

// delta writes a chunk whose delta has the members that write appends.
func (t *openaiAnthropic) delta(dst []byte, write func([]byte) []byte) []byte {
	dst = append(t.appendChunk(dst), `,"choices":[{"index":0,"delta":{`...)
	return append(write(dst), `},"logprobs":null,"finish_reason":null}]}`+"\n\n"...)
}

// appendChunk begins a chunk; all chunks of a stream have one id.
func (t *openaiAnthropic) appendChunk(dst []byte) []byte {
	if t.stream.head == nil {
		t.stream.head = t.appendHead(nil, "chat.completion.chunk", nil, nil)
	}
	return append(append(dst, "data: "...), t.stream.head...)
}

func (t *openaiAnthropic) blockStart(dst, block []byte) []byte {
	s := &t.stream
	s.kind = string(member(block, "type"))
	s.thought, s.signature, s.input, s.citations, s.from = s.thought[:0], s.signature[:0], s.input[:0], s.citations[:0], s.runes
	switch s.kind {
	case `"text"`:
		return t.text(dst, member(block, "text"))
	case `"thinking"`:
		s.signature = append(s.signature, member(block, "signature")...)
		return t.thinking(dst, member(block, "thinking"))
	case `"redacted_thinking"`:
		return t.delta(dst, func(dst []byte) []byte {
			return append(appendText(append(dst, `"thinking_blocks":[{"type":"redacted_thinking","data":`...), member(block, "data")), `}]`...)
		})
	case `"tool_use"`:
		s.calls++
		if s.input = append(s.input, member(block, "input")...); len(s.input) == 0 {
			s.input = append(s.input, "{}"...)
		}
		return t.delta(dst, func(dst []byte) []byte {
			dst = appendText(append(t.appendCall(dst), `,"id":`...), member(block, "id"))
			dst = appendText(append(dst, `,"type":"function","function":{"name":`...), member(block, "name"))
			return append(dst, `,"arguments":""}}]`...)
		})
	}
	return dst
}

// appendCall begins the delta of the latest tool call.
func (t *openaiAnthropic) appendCall(dst []byte) []byte {
	return strconv.AppendInt(append(dst, `"tool_calls":[{"index":`...), int64(t.stream.calls-1), 10)
}

func (t *openaiAnthropic) blockDelta(dst, delta []byte) []byte {
	s := &t.stream
	switch string(member(delta, "type")) {
	case `"text_delta"`:
		return t.text(dst, member(delta, "text"))
	case `"thinking_delta"`:
		return t.thinking(dst, member(delta, "thinking"))
	case `"signature_delta"`:
		s.signature = append(s.signature[:0], member(delta, "signature")...)
	case `"citations_delta"`:
		if citation := member(delta, "citation"); citation != nil {
			s.citations = append(comma(s.citations), citation...)
		}
	case `"input_json_delta"`:
		if s.kind == `"tool_use"` {
			return t.fragment(dst, member(delta, "partial_json"))
		}
	}
	return dst
}

// text writes a piece of the answer.
func (t *openaiAnthropic) text(dst, text []byte) []byte {
	raw, _ := inside(text)
	if len(raw) == 0 {
		return dst
	}
	t.stream.runes += runeCount(raw)
	return t.delta(dst, func(dst []byte) []byte { return append(append(dst, `"content":`...), text...) })
}

// thinking writes a piece of what the model thinks, and keeps it for thinking_blocks.
func (t *openaiAnthropic) thinking(dst, text []byte) []byte {
	raw, _ := inside(text)
	if len(raw) == 0 {
		return dst
	}
	t.stream.thought = append(t.stream.thought, raw...)
	return t.delta(dst, func(dst []byte) []byte { return append(append(dst, `"reasoning_content":`...), text...) })
}

// fragment writes a piece of a tool call's arguments, a JSON string; the first is often empty.
func (t *openaiAnthropic) fragment(dst, piece []byte) []byte {
	if raw, _ := inside(piece); len(raw) == 0 {
		return dst
	}
	t.stream.input = t.stream.input[:0]
	return t.delta(dst, func(dst []byte) []byte {
		return append(append(append(t.appendCall(dst), `,"function":{"arguments":`...), piece...), `}}]`...)
	})
}

// blockStop writes what is known at a block's end: a thought with its signature, whole,
// so that it can be handed back; arguments of which no fragment came; citations.
func (t *openaiAnthropic) blockStop(dst []byte) []byte {
	s := &t.stream
	switch kind := s.kind; {
	case kind == `"thinking"`:
		dst = t.delta(dst, s.appendThought)
	case kind == `"tool_use"` && len(s.input) > 0:
		dst = t.fragment(dst, appendString(nil, string(s.input)))
	case kind == `"text"` && len(s.citations) > 0:
		var list []byte
		jsonscan.Items(append(append([]byte("["), s.citations...), ']'), func(_, citation []byte) {
			list = appendAnnotation(list, citation, s.from, s.runes)
		})
		if len(list) > 0 {
			dst = t.delta(dst, func(dst []byte) []byte { return append(append(append(dst, `"annotations":[`...), list...), ']') })
		}
	}
	s.kind = ""
	return dst
}

func (s *anthropicStream) appendThought(dst []byte) []byte {
	dst = append(append(append(dst, `"thinking_blocks":[{"type":"thinking","thinking":"`...), s.thought...), `","signature":`...)
	return append(appendText(dst, s.signature), `}]`...)
}

// finish writes the finish reason, once, behind the explanation of a refusal.
func (t *openaiAnthropic) finish(dst, stop, details []byte) []byte {
	if t.stream.finished {
		return dst
	}
	t.stream.finished = true
	if why := refusalText(stop, details); why != nil {
		dst = t.delta(dst, func(dst []byte) []byte { return append(append(dst, `"refusal":`...), why...) })
	}
	dst = append(t.appendChunk(dst), `,"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"`...)
	return append(append(dst, finishReason(stop)...), `"}]}`+"\n\n"...)
}

// end writes the usage, if it is wanted, and the end of the stream.
func (t *openaiAnthropic) end(dst []byte) []byte {
	dst = t.finish(dst, nil, nil)
	if t.usage {
		dst = append(t.stream.usage.append(append(t.appendChunk(dst), `,"choices":[],"usage":`...)), "}\n\n"...)
	}
	t.stream.ended = true
	return append(dst, "data: [DONE]\n\n"...)
}

// End ends a stream that lacks its message_stop.
func (t *openaiAnthropic) End(dst []byte) []byte {
	if t.stream.ended {
		return dst
	}
	return t.end(dst)
}
