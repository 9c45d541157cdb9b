package provider

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// responseStream is what is kept between the events of a stream:
// https://platform.openai.com/docs/api-reference/responses-streaming.
type responseStream struct {
	head     []byte // of every chunk: id, object, created, model
	items    []responseItem
	calls    int    // tool calls that have begun: their index counts no other items
	runes    int    // length of the text, in characters
	thoughts int    // items of reasoning that are whole
	thinking string // the part of a thought that came last
	ended    bool   // the last chunk, or an error, was sent
}

// responseItem is an item of the output while its stream passes.
type responseItem struct {
	index string // output_index, as it is written
	given string // of a tool call: the member that holds what its tool gets
	call  int    // its index among the tool calls
	from  int    // of a message: where its text begins, in characters
	sent  bool   // some of what it says has been sent
	whole bool   // all of it has
}

// responseEvent is one event, taken apart; its values alias the event.
type responseEvent struct {
	kind, response, item, index, part, delta, logprobs []byte
	failure, message, code, param                      []byte
}

func (e *responseEvent) read(name, value []byte) {
	switch string(name) {
	case "type":
		e.kind = value
	case "response":
		e.response = value
	case "item":
		e.item = value
	case "output_index":
		e.index = value
	case "summary_index", "content_index":
		e.part = value
	case "delta":
		e.delta = value
	case "logprobs":
		e.logprobs = value
	case "error":
		e.failure = value
	case "message":
		e.message = value
	case "code":
		e.code = value
	case "param":
		e.param = value
	}
}

// Event turns one event into chunks. Most become none: what they tell, another has told.
func (t *openaiResponses) Event(dst, src []byte) ([]byte, error) {
	data := Data(nil, src)
	switch {
	case len(data) == 0 || t.stream.ended:
		return dst, nil
	case string(data) == "[DONE]": // which some send who copy the API
		return t.End(dst), nil
	}
	var e responseEvent
	if err := jsonscan.Each(data, e.read); err != nil {
		return dst, fmt.Errorf("cannot read the stream: %w", err)
	}
	return t.event(dst, &e), nil
}

func (t *openaiResponses) event(dst []byte, e *responseEvent) []byte {
	switch string(e.kind) {
	case `"response.created"`, `"response.queued"`, `"response.in_progress"`:
		return t.start(dst, e.response)
	case `"response.output_item.added"`:
		return t.added(dst, e)
	case `"response.output_text.delta"`:
		return t.text(dst, e)
	case `"response.refusal.delta"`:
		return t.refusal(dst, e)
	case `"response.reasoning_summary_text.delta"`, `"response.reasoning_text.delta"`:
		return t.thought(dst, e)
	case `"response.function_call_arguments.delta"`, `"response.custom_tool_call_input.delta"`:
		return t.fragment(dst, t.item(e.index), e.delta)
	case `"response.output_item.done"`:
		return t.done(dst, t.item(e.index), e.item)
	case `"response.completed"`, `"response.incomplete"`, `"response.cancelled"`:
		return t.finish(dst, e.response)
	case `"response.failed"`:
		return t.fail(dst, member(e.response, "error"), nil)
	case `"error"`:
		if e.failure == nil || string(e.failure) == "null" { // flat, as OpenAI documents it
			return t.fail(dst, e.flat(), nil)
		}
		return t.fail(dst, e.failure, e.code)
	}
	return dst // parts that begin and end, tools that the provider runs, or what was added to the API since
}

// flat puts the members of an error into an object.
func (e *responseEvent) flat() []byte {
	failure := appendText([]byte(`{"message":`), e.message)
	if len(e.message) == 0 {
		failure = []byte(`{"message":null`)
	}
	for _, m := range [...]struct {
		name  string
		value []byte
	}{{"code", e.code}, {"param", e.param}} {
		if isString(m.value) {
			failure = appendMember(failure, m.name, m.value)
		}
	}
	return append(failure, '}')
}

func (t *openaiResponses) fail(dst, failure, code []byte) []byte {
	t.stream.ended = true
	return append(appendResponseError(append(dst, "data: "...), failure, code), "\n\n"...)
}

// start writes the chunk of the role, once.
func (t *openaiResponses) start(dst, answer []byte) []byte {
	s := &t.stream
	if s.head != nil {
		return dst
	}
	var v response
	jsonscan.Items(answer, v.read)
	s.head = t.appendHead(nil, "chat.completion.chunk", &v)
	return t.delta(dst, func(dst []byte) []byte { return append(dst, `"role":"assistant","content":"","refusal":null`...) })
}

// delta writes a chunk whose delta has the members that write appends.
func (t *openaiResponses) delta(dst []byte, write func([]byte) []byte) []byte {
	return t.probable(dst, nil, write)
}

// probable writes such a chunk with the probabilities of its tokens.
func (t *openaiResponses) probable(dst, tokens []byte, write func([]byte) []byte) []byte {
	dst = append(append(append(t.start(dst, nil), "data: "...), t.stream.head...), `,"choices":[{"index":0,"delta":{`...)
	dst = appendResponseLogprobs(append(write(dst), `},"logprobs":`...), tokens)
	return append(dst, `,"finish_reason":null}]}`+"\n\n"...)
}

// piece writes a chunk with a text in a member of the delta, if there is any.
func (t *openaiResponses) piece(dst []byte, name string, raw []byte) []byte {
	if len(raw) == 0 {
		return dst
	}
	return t.delta(dst, func(dst []byte) []byte {
		return append(append(append(append(append(dst, '"'), name...), `":"`...), raw...), '"')
	})
}

// item returns the state of an item; it is valid until the next call.
func (t *openaiResponses) item(index []byte) *responseItem {
	s := &t.stream
	for i := len(s.items) - 1; i >= 0; i-- {
		if s.items[i].index == string(index) {
			return &s.items[i]
		}
	}
	s.items = append(s.items, responseItem{index: string(index), from: s.runes})
	return &s.items[len(s.items)-1]
}

// added begins an item: of a tool call its name goes out.
func (t *openaiResponses) added(dst []byte, e *responseEvent) []byte {
	m := t.item(e.index)
	if given := responseCall(e.item); given != "" && m.given == "" {
		return t.begin(dst, m, e.item, given)
	}
	return dst
}

// begin writes the first delta of a tool call, which has nothing yet of what its tool gets.
func (t *openaiResponses) begin(dst []byte, m *responseItem, item []byte, given string) []byte {
	m.given, m.call = given, t.stream.calls
	t.stream.calls++
	return t.delta(dst, func(dst []byte) []byte {
		dst = strconv.AppendInt(append(dst, `"tool_calls":[{"index":`...), int64(m.call), 10)
		// appendResponseCall completes empty arguments, which here come later.
		whole := appendResponseCall(append(dst, ','), item, given, []byte(`""`))
		if given == "arguments" {
			whole = append(bytes.TrimSuffix(whole, []byte(`"{}"}`)), `""}`...)
		}
		return append(whole, "}]"...)
	})
}

// fragment writes a piece of what the tool of a call gets, a JSON string.
func (t *openaiResponses) fragment(dst []byte, m *responseItem, piece []byte) []byte {
	if raw, _ := inside(piece); len(raw) == 0 || m.given == "" || m.whole {
		return dst
	}
	m.sent = true
	kind := "function"
	if m.given == "input" {
		kind = "custom"
	}
	return t.delta(dst, func(dst []byte) []byte {
		dst = strconv.AppendInt(append(dst, `"tool_calls":[{"index":`...), int64(m.call), 10)
		dst = append(append(append(dst, `,"`...), kind...), `":{"`...)
		return append(append(append(append(dst, m.given...), `":`...), piece...), "}}]"...)
	})
}

// text writes a piece of the answer.
func (t *openaiResponses) text(dst []byte, e *responseEvent) []byte {
	raw, _ := inside(e.delta)
	m := t.item(e.index)
	if len(raw) == 0 || m.whole {
		return dst
	}
	m.sent = true
	t.stream.runes += runeCount(raw)
	return t.probable(dst, appendLogprobs(nil, e.logprobs), func(dst []byte) []byte { return append(append(dst, `"content":`...), e.delta...) })
}

func (t *openaiResponses) refusal(dst []byte, e *responseEvent) []byte {
	raw, _ := inside(e.delta)
	m := t.item(e.index)
	if m.whole {
		return dst
	}
	m.sent = m.sent || len(raw) > 0
	return t.piece(dst, "refusal", raw)
}

// thought writes a piece of what the model thinks, behind an empty line where another
// part begins.
func (t *openaiResponses) thought(dst []byte, e *responseEvent) []byte {
	raw, _ := inside(e.delta)
	m := t.item(e.index)
	if len(raw) == 0 || m.whole {
		return dst
	}
	m.sent = true
	part := string(e.index) + string(e.kind) + string(e.part)
	if before := t.stream.thinking; before != "" && before != part {
		raw = append([]byte(`\n\n`), raw...)
	}
	t.stream.thinking = part
	return t.piece(dst, "reasoning_content", raw)
}

// done writes what is known at an item's end: what has not come in pieces, citations,
// and a thought whole, so that it can be handed back.
func (t *openaiResponses) done(dst []byte, m *responseItem, item []byte) []byte {
	if m.whole {
		return dst
	}
	if given := responseCall(item); given != "" {
		dst = t.called(dst, m, item, given)
		m.whole = true
		return dst
	}
	s := &t.stream
	said := responseSaid{runes: m.from, thoughts: s.thoughts}
	said.item(item)
	s.thoughts = said.thoughts
	if !m.sent {
		dst = t.unsent(dst, &said)
	}
	m.whole = true
	if len(said.annotations) > 0 {
		dst = t.delta(dst, func(dst []byte) []byte {
			return append(append(append(dst, `"annotations":[`...), said.annotations...), ']')
		})
	}
	if len(said.details) > 0 {
		dst = t.delta(dst, func(dst []byte) []byte {
			return append(append(append(dst, `"reasoning_details":[`...), said.details...), ']')
		})
	}
	return dst
}

// called completes a tool call.
func (t *openaiResponses) called(dst []byte, m *responseItem, item []byte, given string) []byte {
	if m.given == "" {
		dst = t.begin(dst, m, item, given)
	}
	if m.sent {
		return dst
	}
	value := member(item, given)
	if raw, _ := inside(value); len(raw) == 0 && given == "arguments" {
		value = []byte(`"{}"`)
	}
	return t.fragment(dst, m, value)
}

// unsent writes a message or a thought of which no piece came.
func (t *openaiResponses) unsent(dst []byte, said *responseSaid) []byte {
	s := &t.stream
	if len(said.thought) > 0 {
		if s.thinking != "" {
			said.thought = append([]byte(`\n\n`), said.thought...)
		}
		s.thinking = "whole"
		dst = t.piece(dst, "reasoning_content", said.thought)
	}
	if len(said.text) > 0 {
		s.runes += runeCount(said.text)
		dst = t.probable(dst, said.logprobs, func(dst []byte) []byte {
			return append(append(append(dst, `"content":"`...), said.text...), '"')
		})
	}
	return t.piece(dst, "refusal", said.refusal)
}

// finish writes what the last event tells: items of which no other event told, the
// finish reason, the usage if it is wanted, and the end of the stream.
func (t *openaiResponses) finish(dst, answer []byte) []byte {
	var v response
	jsonscan.Items(answer, v.read)
	if v.failed() {
		return t.fail(dst, v.failure, nil)
	}
	s := &t.stream
	if s.head == nil {
		dst = t.start(dst, answer)
	}
	if len(v.output) > 0 && v.output[0] == '[' {
		i := int64(0)
		jsonscan.Items(v.output, func(_, item []byte) {
			dst = t.done(dst, t.item(strconv.AppendInt(nil, i, 10)), item)
			i++
		})
	}
	dst = append(append(append(dst, "data: "...), s.head...), `,"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"`...)
	dst = append(append(dst, responseFinish(v.incomplete, s.calls)...), `"}]`...)
	dst = append(appendResponseTier(dst, v.tier), "}\n\n"...)
	if t.usage && v.usage != nil {
		dst = append(append(append(dst, "data: "...), s.head...), `,"choices":[],"usage":`...)
		dst = append(appendResponseTier(appendResponseUsage(dst, v.usage), v.tier), "}\n\n"...)
	}
	s.ended = true
	return append(dst, "data: [DONE]\n\n"...)
}

// End ends a stream that lacks its response.completed.
func (t *openaiResponses) End(dst []byte) []byte {
	if t.stream.ended {
		return dst
	}
	return t.finish(dst, nil)
}
