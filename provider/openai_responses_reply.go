package provider

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/google/uuid"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

var errNoResponse = errors.New("cannot read the reply: it is not a response of OpenAI's Responses API")

// response is a reply, or what an event tells of it, taken apart; its values alias
// it, and what is null is nil.
type response struct {
	id, model, created, status, incomplete, failure, output, usage, tier, code []byte
}

// read takes one member.
func (v *response) read(name, value []byte) {
	if string(value) == "null" {
		return
	}
	switch string(name) {
	case "id":
		v.id = value
	case "model":
		v.model = value
	case "created_at":
		v.created = value
	case "status":
		v.status = value
	case "incomplete_details":
		v.incomplete = value
	case "error":
		v.failure = value
	case "output":
		v.output = value
	case "usage":
		v.usage = value
	case "service_tier":
		v.tier = value
	case "code":
		v.code = value
	}
}

// Reply turns a response into a chat completion, and one that failed, or an error, into
// OpenAI's error.
func (t *openaiResponses) Reply(dst, src []byte) ([]byte, error) {
	var v response
	if err := jsonscan.Each(src, v.read); err != nil {
		return dst, fmt.Errorf("cannot read the reply: %w", err)
	}
	if v.failed() {
		return appendResponseError(dst, v.failure, v.code), nil
	}
	if len(v.output) == 0 || v.output[0] != '[' {
		return dst, errNoResponse
	}
	var s responseSaid
	calls, n := []byte(nil), 0
	jsonscan.Items(v.output, func(_, item []byte) {
		if given := responseCall(item); given != "" {
			calls = append(appendResponseCall(append(comma(calls), '{'), item, given, member(item, given)), '}')
			n++
			return
		}
		s.item(item)
	})
	dst = append(t.appendHead(dst, "chat.completion", &v), `,"choices":[{"index":0,"message":{"role":"assistant","content":`...)
	dst = appendSaid(dst, s.text, s.spoke)
	dst = appendSaid(append(dst, `,"refusal":`...), s.refusal, s.refused)
	if len(s.thought) > 0 {
		dst = append(append(append(dst, `,"reasoning_content":"`...), s.thought...), '"')
	}
	dst = appendList(dst, "reasoning_details", s.details)
	dst = appendList(dst, "tool_calls", calls)
	dst = appendList(dst, "annotations", s.annotations)
	dst = append(appendResponseLogprobs(append(dst, `},"logprobs":`...), s.logprobs), `,"finish_reason":"`...)
	dst = append(append(dst, responseFinish(v.incomplete, n)...), `"}]`...)
	if v.usage != nil {
		dst = appendResponseUsage(append(dst, `,"usage":`...), v.usage)
	}
	return append(appendResponseTier(dst, v.tier), '}'), nil
}

// failed reports whether there is an error in place of an answer.
func (v *response) failed() bool {
	return v.failure != nil || string(v.status) == `"failed"` || string(v.status) == `"cancelled"`
}

// appendHead begins a completion or a chunk with the response's id, time and model.
func (t *openaiResponses) appendHead(dst []byte, object string, v *response) []byte {
	dst = append(dst, `{"id":`...)
	if isString(v.id) && len(v.id) > 2 {
		dst = append(dst, v.id...)
	} else {
		dst = appendString(dst, "chatcmpl-"+uuid.NewString())
	}
	dst = append(append(append(dst, `,"object":"`...), object...), `","created":`...)
	seconds, _, _ := bytes.Cut(v.created, []byte(".")) // some report fractions
	if n, err := strconv.ParseInt(string(seconds), 10, 64); err == nil {
		dst = strconv.AppendInt(dst, n, 10)
	} else {
		dst = strconv.AppendInt(dst, t.created, 10)
	}
	if !isString(v.model) {
		return appendString(append(dst, `,"model":`...), t.call.Send)
	}
	return appendMember(dst, "model", v.model)
}

// appendResponseTier writes the tier that served the call, once it is known.
func appendResponseTier(dst, tier []byte) []byte {
	if !isString(tier) {
		return dst
	}
	return appendMember(dst, "service_tier", tier)
}

// appendSaid writes a text, given as inside a JSON string, or null where there was none.
func appendSaid(dst, text []byte, some bool) []byte {
	if !some {
		return append(dst, "null"...)
	}
	return append(append(append(dst, '"'), text...), '"')
}

// responseSaid is what items of the output say; texts are as inside a JSON string,
// the others are elements, separated by commas.
type responseSaid struct {
	text, refusal, thought         []byte
	details, annotations, logprobs []byte
	spoke, refused                 bool // there was a text, a refusal, be it empty
	runes                          int  // length of the text, in characters
	thoughts                       int  // items of reasoning: the index of the next one's details
}

// item adds a message or a thought. Other items are those of tools that the provider
// runs itself: the client has not asked for them, and what they found is in the text.
func (s *responseSaid) item(item []byte) {
	switch string(member(item, "type")) {
	case `"message"`:
		jsonscan.Items(member(item, "content"), func(_, part []byte) { s.part(part) })
	case `"reasoning"`:
		jsonscan.Items(member(item, "summary"), func(_, part []byte) { s.think(part) })
		jsonscan.Items(member(item, "content"), func(_, part []byte) { s.think(part) })
		s.detail(item)
	}
}

// part adds a text or a refusal.
func (s *responseSaid) part(part []byte) {
	switch string(member(part, "type")) {
	case `"output_text"`:
		raw, ok := inside(member(part, "text"))
		s.text, s.spoke = append(s.text, raw...), s.spoke || ok
		from := s.runes
		s.runes += runeCount(raw)
		s.cite(member(part, "annotations"), from)
		s.logprobs = appendLogprobs(s.logprobs, member(part, "logprobs"))
	case `"refusal"`:
		raw, ok := inside(member(part, "refusal"))
		s.refusal, s.refused = append(s.refusal, raw...), s.refused || ok
	}
}

// cite adds the citations of the web that a part has, which begins at a character of
// the whole text. Those of files have no counterpart in chat.
func (s *responseSaid) cite(annotations []byte, from int) {
	jsonscan.Items(annotations, func(_, a []byte) {
		if string(member(a, "type")) == `"url_citation"` {
			start, _ := strconv.Atoi(string(member(a, "start_index")))
			end, _ := strconv.Atoi(string(member(a, "end_index")))
			s.annotations = appendAnnotation(s.annotations, a, from+start, from+end)
		}
	})
}

// think adds a part of a thought, behind an empty line where there is one before it.
func (s *responseSaid) think(part []byte) {
	raw, _ := inside(member(part, "text"))
	if len(raw) == 0 {
		return
	}
	if len(s.thought) > 0 {
		s.thought = append(s.thought, `\n\n`...)
	}
	s.thought = append(s.thought, raw...)
}

// detail adds a thought in OpenRouter's form, so that it can be handed back:
// https://openrouter.ai/docs/use-cases/reasoning-tokens#reasoning_details-array-structure.
func (s *responseSaid) detail(item []byte) {
	write := func(kind, name string, value []byte) {
		if !isString(value) {
			return
		}
		s.details = append(append(append(comma(s.details), `{"type":"reasoning.`...), kind...), '"')
		s.details = appendMember(s.details, name, value)
		if id := member(item, "id"); isString(id) {
			s.details = appendMember(s.details, "id", id)
		}
		s.details = append(s.details, `,"format":"`+responsesThoughts+`","index":`...)
		s.details = append(strconv.AppendInt(s.details, int64(s.thoughts), 10), '}')
	}
	jsonscan.Items(member(item, "summary"), func(_, part []byte) { write("summary", "summary", member(part, "text")) })
	write("encrypted", "data", member(item, "encrypted_content"))
	s.thoughts++
}

// responseCall returns the member of an item that holds what a tool of the caller's is
// given, or nothing for other items.
func responseCall(item []byte) (given string) {
	switch string(member(item, "type")) {
	case `"function_call"`:
		return "arguments"
	case `"custom_tool_call"`:
		return "input"
	}
	return ""
}

// appendResponseCall writes the members of a tool call, given the string that its
// tool gets. Its id is that by which the Responses API knows its result.
func appendResponseCall(dst, item []byte, given string, value []byte) []byte {
	id := member(item, "call_id")
	if id == nil {
		id = member(item, "id")
	}
	kind := "function"
	if given == "input" {
		kind = "custom"
	} else if raw, _ := inside(value); len(raw) == 0 {
		value = []byte(`"{}"`)
	}
	dst = appendText(append(dst, `"id":`...), id)
	dst = append(append(append(append(append(dst, `,"type":"`...), kind...), `","`...), kind...), `":{"name":`...)
	dst = appendText(dst, member(item, "name"))
	dst = append(append(append(dst, `,"`...), given...), `":`...)
	return append(appendText(dst, value), '}')
}

// responseFinish is chat's finish reason:
// https://platform.openai.com/docs/api-reference/responses/object#responses-object-incomplete_details.
func responseFinish(incomplete []byte, calls int) string {
	switch reason := string(member(incomplete, "reason")); {
	case reason == `"content_filter"`:
		return "content_filter"
	case incomplete != nil: // max_output_tokens, or what was added since
		return "length"
	case calls > 0:
		return "tool_calls"
	}
	return "stop"
}

// appendLogprobs adds the tokens of a part in chat's form, whose bytes may be null but
// not missing, as they are in events.
func appendLogprobs(dst, tokens []byte) []byte {
	jsonscan.Items(tokens, func(_, token []byte) {
		dst = append(appendLogprob(comma(dst), token), `,"top_logprobs":[`...)
		first := true
		jsonscan.Items(member(token, "top_logprobs"), func(_, other []byte) {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = append(appendLogprob(dst, other), '}')
		})
		dst = append(dst, "]}"...)
	})
	return dst
}

// appendLogprob opens an object with a token and its probability.
func appendLogprob(dst, token []byte) []byte {
	dst = appendText(append(dst, `{"token":`...), member(token, "token"))
	p := member(token, "logprob")
	if len(p) == 0 || p[0] != '-' && (p[0] < '0' || p[0] > '9') {
		p = []byte("0")
	}
	dst = appendMember(dst, "logprob", p)
	list := member(token, "bytes")
	if len(list) == 0 || list[0] != '[' {
		return append(dst, `,"bytes":null`...)
	}
	dst = append(dst, `,"bytes":[`...)
	first := true
	jsonscan.Items(list, func(_, b []byte) { // one by one, so that no line break gets into an event
		if n, err := strconv.ParseUint(string(b), 10, 8); err == nil {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = strconv.AppendUint(dst, n, 10)
		}
	})
	return append(dst, ']')
}

// appendResponseLogprobs writes a choice's logprobs, or null.
func appendResponseLogprobs(dst, tokens []byte) []byte {
	if len(tokens) == 0 {
		return append(dst, "null"...)
	}
	return append(append(append(dst, `{"content":[`...), tokens...), `],"refusal":null}`...)
}

// appendResponseUsage writes chat's usage. Input and output contain what was cached
// and what was thought in both APIs; cache_write_tokens has one name in both.
func appendResponseUsage(dst, usage []byte) []byte {
	read, wrote := member(usage, "input_tokens_details"), member(usage, "output_tokens_details")
	input, output := responseTokens(member(usage, "input_tokens")), responseTokens(member(usage, "output_tokens"))
	total := input + output
	if v := member(usage, "total_tokens"); v != nil {
		total = responseTokens(v)
	}
	dst = strconv.AppendInt(append(dst, `{"prompt_tokens":`...), input, 10)
	dst = strconv.AppendInt(append(dst, `,"completion_tokens":`...), output, 10)
	dst = strconv.AppendInt(append(dst, `,"total_tokens":`...), total, 10)
	dst = strconv.AppendInt(append(dst, `,"prompt_tokens_details":{"cached_tokens":`...), responseTokens(member(read, "cached_tokens")), 10)
	if v := member(read, "cache_write_tokens"); v != nil {
		dst = strconv.AppendInt(append(dst, `,"cache_write_tokens":`...), responseTokens(v), 10)
	}
	dst = append(dst, `},"completion_tokens_details":{"reasoning_tokens":`...)
	return append(strconv.AppendInt(dst, responseTokens(member(wrote, "reasoning_tokens")), 10), "}}"...)
}

// responseTokens reads a count; what is none is 0.
func responseTokens(value []byte) (n int64) {
	raise(&n, value)
	return n
}

// appendResponseError writes chat's error object: from that of an HTTP error or of an
// event, which have the same members, from that of a response, which has no type, or
// from a plain string with a code beside it (xAI).
func appendResponseError(dst, failure, code []byte) []byte {
	message, kind := member(failure, "message"), member(failure, "type")
	if isString(failure) {
		message = failure
	}
	if !isString(message) {
		message = []byte(`"The provider reported an error."`)
	}
	if c := member(failure, "code"); c != nil {
		code = c
	}
	if !isString(code) {
		code = []byte("null")
	}
	if !isString(kind) {
		kind = responseErrorType(code)
	}
	param := member(failure, "param")
	if !isString(param) {
		param = []byte("null")
	}
	dst = appendMember(append(append(dst, `{"error":{"message":`...), message...), "type", kind)
	return append(appendMember(appendMember(dst, "param", param), "code", code), "}}"...)
}

// responseErrorType is chat's type of an error of which only the code is known:
// https://platform.openai.com/docs/api-reference/responses/object#responses-object-error.
func responseErrorType(code []byte) []byte {
	switch {
	case string(code) == `"insufficient_quota"`:
		return code
	case string(code) == `"rate_limit_exceeded"`:
		return []byte(`"requests"`)
	case string(code) == "null", string(code) == `"server_error"`, string(code) == `"vector_store_timeout"`:
		return []byte(`"server_error"`)
	}
	return []byte(`"invalid_request_error"`) // invalid_prompt, and all that is wrong with images and files
}
