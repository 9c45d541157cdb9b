package provider

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/google/uuid"
	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

var errNoCohereMessage = errors.New("cannot read the reply: it is not one of Cohere's chat, version 2")

// cohereReply is a reply of Cohere's, taken apart; its values alias the reply.
type cohereReply struct {
	id, message, finish, usage, logprobs, kind, failure []byte
}

func readCohereReply(src []byte) (m cohereReply, err error) {
	err = jsonscan.Each(src, func(name, value []byte) {
		switch string(name) {
		case "id":
			m.id = value
		case "message":
			m.message = value
		case "finish_reason":
			m.finish = value
		case "usage":
			m.usage = value
		case "logprobs":
			m.logprobs = value
		case "error_type":
			m.kind = value
		case "error":
			m.failure = value
		}
	})
	if err != nil {
		return m, fmt.Errorf("cannot read the reply: %w", err)
	}
	return m, nil
}

// Reply turns a message into a chat completion, and an error, whose message is a
// text, into OpenAI's form: https://docs.cohere.com/reference/errors.
func (t *openaiCohere) Reply(dst, src []byte) ([]byte, error) {
	m, err := readCohereReply(src)
	switch {
	case err != nil:
		return dst, err
	case isString(m.message):
		return appendCohereError(dst, m.message, m.kind), nil
	case len(m.message) == 0 || m.message[0] != '{':
		return dst, errNoCohereMessage
	case cohereFailed(m.finish):
		return appendCohereError(dst, m.failure, m.finish), nil
	}
	var a cohereAnswer
	jsonscan.Items(m.message, a.read)
	dst = append(t.appendHead(dst, "chat.completion", m.id), `,"choices":[{"index":0,"message":{"role":"assistant"`...)
	dst = append(a.append(dst), `},"logprobs":`...)
	dst = appendCohereLogprobs(dst, m.logprobs)
	dst = append(append(append(dst, `,"finish_reason":"`...), cohereFinish(m.finish, len(a.calls) > 0)...), `"}]`...)
	var usage cohereCount
	usage.read(m.usage)
	return append(usage.append(append(dst, `,"usage":`...)), '}'), nil
}

// appendHead begins a completion or a chunk. Cohere's id is kept, and the model is the
// one that was sent, for Cohere names none.
func (t *openaiCohere) appendHead(dst []byte, object string, id []byte) []byte {
	dst = append(dst, `{"id":`...)
	if isString(id) && len(id) > 2 {
		dst = append(dst, id...)
	} else {
		dst = appendString(dst, "chatcmpl-"+uuid.NewString())
	}
	dst = append(append(append(dst, `,"object":"`...), object...), `","created":`...)
	dst = strconv.AppendInt(dst, t.created, 10)
	return appendString(append(dst, `,"model":`...), t.call.Send)
}

// cohereAnswer is what a message says, as it stands inside of JSON strings.
type cohereAnswer struct {
	text, reasoning, calls, annotations []byte
	texts                               int
	starts                              cohereStarts
	citations                           []byte
}

// cohereStarts are where the text of each block begins, in characters of the whole
// text, by the index of the block: citations count from there.
type cohereStarts []int

// begin notes that the block of an index begins at a character.
func (s *cohereStarts) begin(index, at int) {
	for len(*s) <= index && len(*s) < maxCohereBlocks {
		*s = append(*s, at)
	}
}

// maxCohereBlocks bounds the blocks of which the beginning is known.
const maxCohereBlocks = 1024

func (s cohereStarts) of(index int64) int {
	if index < 0 || index >= int64(len(s)) {
		return 0
	}
	return s[index]
}

func (a *cohereAnswer) read(name, value []byte) {
	switch string(name) {
	case "content":
		a.content(value)
	case "tool_plan":
		raw, _ := inside(value)
		a.reasoning = append(a.reasoning, raw...)
	case "tool_calls":
		jsonscan.Items(value, func(_, call []byte) { a.calls = appendCohereCall(comma(a.calls), call) })
	case "citations":
		a.citations = value
	}
}

// content takes the blocks of a message, or the text that it is.
func (a *cohereAnswer) content(v []byte) {
	if isString(v) {
		raw, _ := inside(v)
		a.text = append(a.text, raw...)
		a.texts++
		return
	}
	runes, n := 0, 0
	jsonscan.Items(v, func(_, block []byte) {
		a.starts.begin(n, runes)
		n++
		switch string(member(block, "type")) {
		case `"text"`:
			raw, _ := inside(member(block, "text"))
			a.text = append(a.text, raw...)
			a.texts++
			runes += runeCount(raw)
		case `"thinking"`:
			raw, _ := inside(member(block, "thinking"))
			a.reasoning = append(a.reasoning, raw...)
		}
	})
}

func (a *cohereAnswer) append(dst []byte) []byte {
	jsonscan.Items(a.citations, func(_, citation []byte) { a.annotations = appendCohereCitation(a.annotations, citation, a.starts) })
	if dst = append(dst, `,"content":`...); a.texts > 0 || len(a.calls) == 0 {
		dst = append(append(append(dst, '"'), a.text...), '"')
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"refusal":null`...)
	if len(a.reasoning) > 0 {
		dst = append(append(append(dst, `,"reasoning_content":"`...), a.reasoning...), '"')
	}
	return appendList(appendList(dst, "tool_calls", a.calls), "annotations", a.annotations)
}

func appendCohereCall(dst, call []byte) []byte {
	function := member(call, "function")
	dst = appendText(append(dst, `{"id":`...), member(call, "id"))
	dst = appendText(append(dst, `,"type":"function","function":{"name":`...), member(function, "name"))
	input, ok := unquoted(member(function, "arguments"))
	if !ok || blankText(input) || string(input) == "null" {
		input = []byte("{}")
	}
	return append(appendString(append(dst, `,"arguments":`...), string(input)), "}}"...)
}

// appendCohereCitation writes, for each source of a citation that has a URL, an
// annotation after OpenAI's url_citation; others have no counterpart, and neither have
// those of a thought or a plan. https://docs.cohere.com/docs/documents-and-citations
func appendCohereCitation(dst, citation []byte, starts cohereStarts) []byte {
	if kind := string(member(citation, "type")); kind != "" && kind != `"TEXT_CONTENT"` {
		return dst
	}
	c := gjson.ParseBytes(citation)
	from := starts.of(c.Get("content_index").Int())
	jsonscan.Items(member(citation, "sources"), func(_, source []byte) {
		about := member(source, "document")
		if about == nil {
			about = member(source, "tool_output")
		}
		url := member(about, "url")
		if !isString(url) {
			return
		}
		dst = append(comma(dst), `{"type":"url_citation","url_citation":{"start_index":`...)
		dst = strconv.AppendInt(dst, int64(from)+c.Get("start").Int(), 10)
		dst = strconv.AppendInt(append(dst, `,"end_index":`...), int64(from)+c.Get("end").Int(), 10)
		dst = appendMember(dst, "url", url)
		dst = append(appendText(append(dst, `,"title":`...), member(about, "title")), "}}"...)
	})
	return dst
}

// appendCohereLogprobs writes OpenAI's logprobs, or null. Cohere tells those of chunks
// of text, each of one token or several; a chunk's is their sum.
func appendCohereLogprobs(dst, list []byte) []byte {
	if len(list) == 0 || list[0] != '[' && list[0] != '{' {
		return append(dst, "null"...)
	}
	dst = append(dst, `{"content":[`...)
	start := len(dst)
	chunk := func(_, item []byte) {
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = appendText(append(dst, `{"token":`...), member(item, "text"))
		dst = appendCohereSum(append(dst, `,"logprob":`...), member(item, "logprobs"))
		dst = append(dst, `,"bytes":null,"top_logprobs":[]}`...)
	}
	if list[0] == '{' {
		chunk(nil, list)
	} else {
		jsonscan.Items(list, chunk)
	}
	return append(dst, `],"refusal":null}`...)
}

// appendCohereSum writes the sum of numbers; one alone is written as it lies.
func appendCohereSum(dst, numbers []byte) []byte {
	sum, n, last := 0.0, 0, []byte("0")
	if len(numbers) > 0 {
		jsonscan.Items(numbers, func(_, v []byte) {
			if r := gjson.ParseBytes(v); r.Type == gjson.Number {
				sum, n, last = sum+r.Num, n+1, v
			}
		})
	}
	if n < 2 || sum-sum != 0 {
		return append(dst, last...)
	}
	return strconv.AppendFloat(dst, sum, 'g', -1, 64)
}

// cohereFailed reports whether a finish reason says that the model broke off.
func cohereFailed(finish []byte) bool {
	return string(finish) == `"ERROR"` || string(finish) == `"TIMEOUT"`
}

// cohereFinish is OpenAI's word for Cohere's finish_reason:
// https://docs.cohere.com/reference/chat#response.body.finish_reason.
func cohereFinish(finish []byte, calls bool) string {
	switch string(finish) {
	case `"TOOL_CALL"`:
		return "tool_calls"
	case `"MAX_TOKENS"`, `"ERROR_LIMIT"`:
		return "length"
	case `"ERROR_TOXIC"`:
		return "content_filter"
	case `"COMPLETE"`, `"STOP_SEQUENCE"`:
		return "stop"
	}
	if calls {
		return "tool_calls"
	}
	return "stop"
}

// cohereCount is a usage in tokens. What is billed is told where it is told, as the
// gateway's own meter has it: the tokens include Cohere's own preamble.
type cohereCount struct {
	billedInput, billedOutput, billedImages, input, output, thought, cached int64
}

func (u *cohereCount) read(usage []byte) {
	billed, tokens := member(usage, "billed_units"), member(usage, "tokens")
	for _, c := range [...]struct {
		n     *int64
		value []byte
	}{
		{&u.billedInput, member(billed, "input_tokens")}, {&u.billedOutput, member(billed, "output_tokens")}, {&u.billedImages, member(billed, "image_tokens")},
		{&u.input, member(tokens, "input_tokens")}, {&u.output, member(tokens, "output_tokens")}, {&u.thought, member(tokens, "reasoning_tokens")},
		{&u.cached, member(usage, "cached_tokens")},
	} {
		*c.n = max(0, min(gjson.ParseBytes(c.value).Int(), 1<<48))
	}
	if u.billedInput+u.billedOutput+u.billedImages > 0 {
		u.input, u.output, u.cached = u.billedInput+u.billedImages, u.billedOutput, 0
	}
}

// append writes OpenAI's usage.
func (u *cohereCount) append(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, `{"prompt_tokens":`...), u.input, 10)
	dst = strconv.AppendInt(append(dst, `,"completion_tokens":`...), u.output, 10)
	dst = strconv.AppendInt(append(dst, `,"total_tokens":`...), u.input+u.output, 10)
	dst = strconv.AppendInt(append(dst, `,"prompt_tokens_details":{"cached_tokens":`...), min(u.cached, u.input), 10)
	dst = strconv.AppendInt(append(dst, `},"completion_tokens_details":{"reasoning_tokens":`...), min(u.thought, u.output), 10)
	return append(dst, "}}"...)
}

// appendCohereError writes an error in OpenAI's form; message and code are JSON.
func appendCohereError(dst, message, code []byte) []byte {
	if !isString(message) {
		message = []byte(`"The provider reported an error."`)
	}
	dst = append(append(append(dst, `{"error":{"message":`...), message...), `,"type":"api_error","param":null,"code":`...)
	switch {
	case string(code) == `"TOO_MANY_TOKENS"`:
		code = []byte(`"context_length_exceeded"`)
	case !isString(code):
		code = []byte("null")
	}
	return append(append(dst, code...), "}}"...)
}
