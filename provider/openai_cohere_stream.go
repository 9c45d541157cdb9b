package provider

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// cohereStream is what is kept between the events of a stream:
// https://docs.cohere.com/docs/streaming.
type cohereStream struct {
	head    []byte // of every chunk: id, object, created, model
	starts  cohereStarts
	runes   int  // length of the text, in characters
	calls   int  // tool calls that have begun
	waiting bool // the last one has no arguments yet
	ended   bool // the last chunk, or an error, was sent
}

// cohereEvent is one event, taken apart; its values alias the event.
type cohereEvent struct {
	kind, id, index, message, delta, logprobs, failure []byte
}

// Event turns one event into chunks. One may become none, as content-end does, or several.
func (t *openaiCohere) Event(dst, src []byte) ([]byte, error) {
	data := Data(nil, src)
	if len(data) == 0 || string(bytes.TrimSpace(data)) == "[DONE]" {
		return dst, nil
	}
	var e cohereEvent
	err := jsonscan.Each(data, func(name, value []byte) {
		switch string(name) {
		case "type":
			e.kind = value
		case "id":
			e.id = value
		case "index":
			e.index = value
		case "message":
			e.message = value
		case "delta":
			e.delta = value
		case "logprobs":
			e.logprobs = value
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

func (t *openaiCohere) event(dst []byte, e *cohereEvent) []byte {
	message := member(e.delta, "message")
	switch string(e.kind) {
	case `"message-start"`:
		return t.start(dst, e.id)
	case `"content-start"`:
		t.stream.starts.begin(int(min(maxCohereBlocks, gjson.ParseBytes(e.index).Int())), t.stream.runes)
		return t.content(dst, member(message, "content"), e.logprobs)
	case `"content-delta"`:
		return t.content(dst, member(message, "content"), e.logprobs)
	case `"tool-plan-delta"`:
		return t.piece(dst, "reasoning_content", member(message, "tool_plan"), nil)
	case `"tool-call-start"`:
		return t.callStart(dst, member(message, "tool_calls"))
	case `"tool-call-delta"`:
		return t.fragment(dst, member(member(member(message, "tool_calls"), "function"), "arguments"))
	case `"tool-call-end"`:
		return t.callEnd(dst)
	case `"citation-start"`:
		return t.citation(dst, member(message, "citations"))
	case `"message-end"`:
		return t.end(dst, e.delta)
	}
	if isString(e.message) || e.failure != nil {
		return t.fail(dst, e.message, e.failure)
	}
	return dst // citation-end, or what was added to the API since
}

// start writes the chunk of the role, once.
func (t *openaiCohere) start(dst, id []byte) []byte {
	if t.stream.head != nil {
		return dst
	}
	t.stream.head = t.appendHead(nil, "chat.completion.chunk", id)
	return t.delta(dst, nil, func(dst []byte) []byte { return append(dst, `"role":"assistant","content":"","refusal":null`...) })
}

// delta writes a chunk whose delta has the members that write appends.
func (t *openaiCohere) delta(dst, logprobs []byte, write func([]byte) []byte) []byte {
	dst = write(append(t.appendChunk(dst), `,"choices":[{"index":0,"delta":{`...))
	return append(appendCohereLogprobs(append(dst, `},"logprobs":`...), logprobs), `,"finish_reason":null}]}`+"\n\n"...)
}

// appendChunk begins a chunk; all chunks of a stream have one id.
func (t *openaiCohere) appendChunk(dst []byte) []byte {
	if t.stream.head == nil {
		dst = t.start(dst, nil)
	}
	return append(append(dst, "data: "...), t.stream.head...)
}

// content writes a piece of the answer, or of what the model thinks.
func (t *openaiCohere) content(dst, content, logprobs []byte) []byte {
	dst = t.piece(dst, "reasoning_content", member(content, "thinking"), nil)
	text := member(content, "text")
	raw, _ := inside(text)
	t.stream.runes += runeCount(raw)
	return t.piece(dst, "content", text, logprobs)
}

// piece writes a delta of one text, which is JSON; an empty one says nothing.
func (t *openaiCohere) piece(dst []byte, name string, text, logprobs []byte) []byte {
	if raw, _ := inside(text); len(raw) == 0 {
		return dst
	}
	return t.delta(dst, logprobs, func(dst []byte) []byte {
		return append(append(append(append(dst, '"'), name...), `":`...), text...)
	})
}

func (t *openaiCohere) callStart(dst, call []byte) []byte {
	dst = t.callEnd(dst)
	t.stream.calls++
	t.stream.waiting = true
	function := member(call, "function")
	dst = t.delta(dst, nil, func(dst []byte) []byte {
		dst = appendText(append(t.appendCall(dst), `,"id":`...), member(call, "id"))
		dst = appendText(append(dst, `,"type":"function","function":{"name":`...), member(function, "name"))
		return append(dst, `,"arguments":""}}]`...)
	})
	return t.fragment(dst, member(function, "arguments"))
}

// appendCall begins the delta of the latest tool call.
func (t *openaiCohere) appendCall(dst []byte) []byte {
	return strconv.AppendInt(append(dst, `"tool_calls":[{"index":`...), int64(t.stream.calls-1), 10)
}

// fragment writes a piece of a tool call's arguments, a JSON string. Where there are
// none they may come as null.
func (t *openaiCohere) fragment(dst, piece []byte) []byte {
	raw, _ := inside(piece)
	if len(raw) == 0 || t.stream.calls == 0 || t.stream.waiting && string(raw) == "null" {
		return dst
	}
	t.stream.waiting = false
	return t.delta(dst, nil, func(dst []byte) []byte {
		return append(append(append(t.appendCall(dst), `,"function":{"arguments":`...), piece...), "}}]"...)
	})
}

// callEnd gives a call that has no arguments empty ones.
func (t *openaiCohere) callEnd(dst []byte) []byte {
	if !t.stream.waiting {
		return dst
	}
	return t.fragment(dst, []byte(`"{}"`))
}

func (t *openaiCohere) citation(dst, citation []byte) []byte {
	list := appendCohereCitation(nil, citation, t.stream.starts)
	if len(list) == 0 {
		return dst
	}
	return t.delta(dst, nil, func(dst []byte) []byte {
		return append(append(append(dst, `"annotations":[`...), list...), ']')
	})
}

// end writes the finish reason, the usage if it is wanted, and the end of the stream;
// or the error with which the model broke off.
func (t *openaiCohere) end(dst, delta []byte) []byte {
	finish, failure := member(delta, "finish_reason"), member(delta, "error")
	if failure != nil || cohereFailed(finish) {
		return t.fail(dst, failure, finish)
	}
	dst = t.callEnd(dst)
	dst = append(t.appendChunk(dst), `,"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"`...)
	dst = append(append(dst, cohereFinish(finish, t.stream.calls > 0)...), `"}]}`+"\n\n"...)
	if t.usage {
		var usage cohereCount
		usage.read(member(delta, "usage"))
		dst = append(usage.append(append(t.appendChunk(dst), `,"choices":[],"usage":`...)), "}\n\n"...)
	}
	t.stream.ended = true
	return append(dst, "data: [DONE]\n\n"...)
}

// fail writes an error, behind which nothing comes.
func (t *openaiCohere) fail(dst, message, code []byte) []byte {
	t.stream.ended = true
	return append(appendCohereError(append(dst, "data: "...), message, code), "\n\n"...)
}
