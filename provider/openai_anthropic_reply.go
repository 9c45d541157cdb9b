package provider

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

var errNoMessage = errors.New("cannot read the reply: it is not a message of Anthropic's")

// anthropicMessage is a reply of Anthropic's, taken apart; its values alias the reply.
type anthropicMessage struct {
	kind, id, model, content, stop, details, usage, failure []byte
}

func readAnthropicMessage(src []byte) (m anthropicMessage, err error) {
	err = jsonscan.Each(src, func(name, value []byte) {
		switch string(name) {
		case "type":
			m.kind = value
		case "id":
			m.id = value
		case "model":
			m.model = value
		case "content":
			m.content = value
		case "stop_reason":
			m.stop = value
		case "stop_details":
			m.details = value
		case "usage":
			m.usage = value
		case "error":
			m.failure = value
		}
	})
	if err != nil {
		return m, fmt.Errorf("cannot read the reply: %w", err)
	}
	return m, nil
}

// Reply turns a message into a chat completion, and an error into OpenAI's form.
func (t *openaiAnthropic) Reply(dst, src []byte) ([]byte, error) {
	m, err := readAnthropicMessage(src)
	if err != nil {
		return dst, err
	}
	if string(m.kind) == `"error"` {
		return appendOpenAIError(dst, m.failure), nil
	}
	if len(m.content) == 0 || m.content[0] != '[' {
		return dst, errNoMessage
	}
	var usage anthropicCount
	usage.read(m.usage)
	dst = t.appendHead(dst, "chat.completion", m.id, m.model)
	dst = appendTierMember(dst, usage.tier)
	dst = append(dst, `,"choices":[{"index":0,"message":{"role":"assistant"`...)
	dst = appendAnswer(dst, &m)
	dst = append(dst, `},"logprobs":null,"finish_reason":"`...)
	dst = append(append(dst, finishReason(m.stop)...), `"}]`...)
	return append(usage.append(append(dst, `,"usage":`...)), '}'), nil
}

// appendHead begins a completion or a chunk. Anthropic's id is kept; a reply without
// one gets one.
func (t *openaiAnthropic) appendHead(dst []byte, object string, id, model []byte) []byte {
	dst = append(dst, `{"id":`...)
	if isString(id) && len(id) > 2 {
		dst = append(dst, id...)
	} else {
		dst = appendString(dst, "chatcmpl-"+uuid.NewString())
	}
	dst = append(append(append(dst, `,"object":"`...), object...), `","created":`...)
	dst = strconv.AppendInt(dst, t.created, 10)
	if !isString(model) {
		return appendString(append(dst, `,"model":`...), t.call.Send)
	}
	return appendMember(dst, "model", model)
}

// appendTierMember writes Anthropic's tier in OpenAI's words, whose default is standard.
func appendTierMember(dst, tier []byte) []byte {
	switch {
	case !isString(tier):
		return dst
	case string(tier) == `"standard"`:
		tier = []byte(`"default"`)
	}
	return appendMember(dst, "service_tier", tier)
}

// appendAnswer writes the members of an assistant's message. What Anthropic's own
// tools did is not told: the client has not asked for them, and has no call to answer.
func appendAnswer(dst []byte, m *anthropicMessage) []byte {
	var text, reasoning, thoughts, calls, annotations []byte
	runes, texts := 0, 0
	jsonscan.Items(m.content, func(_, block []byte) {
		switch string(member(block, "type")) {
		case `"text"`:
			raw, _ := inside(member(block, "text"))
			text = append(text, raw...)
			texts++
			from := runes
			runes += runeCount(raw)
			jsonscan.Items(member(block, "citations"), func(_, citation []byte) {
				annotations = appendAnnotation(annotations, citation, from, runes)
			})
		case `"thinking"`:
			raw, _ := inside(member(block, "thinking"))
			reasoning = append(reasoning, raw...)
			thoughts = append(comma(thoughts), block...)
		case `"redacted_thinking"`:
			thoughts = append(comma(thoughts), block...)
		case `"tool_use"`:
			calls = appendToolCall(comma(calls), block)
		}
	})
	if dst = append(dst, `,"content":`...); texts > 0 {
		dst = append(append(append(dst, '"'), text...), '"')
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"refusal":`...)
	if why := refusalText(m.stop, m.details); why != nil {
		dst = append(dst, why...)
	} else {
		dst = append(dst, "null"...)
	}
	if reasoning != nil {
		dst = append(append(append(dst, `,"reasoning_content":"`...), reasoning...), '"')
	}
	dst = appendList(dst, "thinking_blocks", thoughts)
	dst = appendList(dst, "tool_calls", calls)
	return appendList(dst, "annotations", annotations)
}

// appendList writes an array, if there is something in it.
func appendList(dst []byte, name string, items []byte) []byte {
	if len(items) == 0 {
		return dst
	}
	return append(append(append(append(append(dst, `,"`...), name...), `":[`...), items...), ']')
}

// refusalText is Anthropic's explanation of a refusal, or nil.
func refusalText(stop, details []byte) []byte {
	why := member(details, "explanation")
	if string(stop) != `"refusal"` || !isString(why) {
		return nil
	}
	return why
}

func appendToolCall(dst, block []byte) []byte {
	dst = append(dst, `{"id":`...)
	dst = appendText(dst, member(block, "id"))
	dst = append(dst, `,"type":"function","function":{"name":`...)
	dst = appendText(dst, member(block, "name"))
	input := member(block, "input")
	if input == nil {
		input = []byte("{}")
	}
	return append(appendString(append(dst, `,"arguments":`...), string(input)), `}}`...)
}

// appendText writes a value that must be a string; anything else is an empty one.
func appendText(dst, value []byte) []byte {
	if !isString(value) {
		return append(dst, `""`...)
	}
	return append(dst, value...)
}

// appendAnnotation writes a citation that has a URL as the annotation of the text
// between two characters, after OpenAI's url_citation; others have no counterpart.
func appendAnnotation(dst, citation []byte, from, to int) []byte {
	url := member(citation, "url")
	if !isString(url) {
		return dst
	}
	dst = append(comma(dst), `{"type":"url_citation","url_citation":{"start_index":`...)
	dst = strconv.AppendInt(append(strconv.AppendInt(dst, int64(from), 10), `,"end_index":`...), int64(to), 10)
	dst = appendMember(dst, "url", url)
	return append(appendText(append(dst, `,"title":`...), member(citation, "title")), `}}`...)
}

// runeCount counts the characters of a JSON string's inside.
func runeCount(raw []byte) int {
	for _, c := range raw {
		if c == '\\' {
			return utf8.RuneCountInString(gjson.Parse(`"` + string(raw) + `"`).Str)
		}
	}
	return utf8.RuneCount(raw)
}

// finishReason is OpenAI's word for Anthropic's stop_reason:
// https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons.
func finishReason(stop []byte) string {
	switch string(stop) {
	case `"tool_use"`:
		return "tool_calls"
	case `"max_tokens"`, `"model_context_window_exceeded"`:
		return "length"
	case `"refusal"`:
		return "content_filter"
	}
	return "stop" // end_turn, stop_sequence, pause_turn
}

// anthropicCount is a usage in tokens. The reports of a stream are cumulative, and a
// later one may leave out or repeat what an earlier one said.
type anthropicCount struct {
	input, output, cached, written, thought int64
	tier                                    []byte
}

func (u *anthropicCount) read(usage []byte) {
	if len(usage) == 0 || usage[0] != '{' {
		return
	}
	jsonscan.Items(usage, func(name, value []byte) {
		switch string(name) {
		case "input_tokens":
			raise(&u.input, value)
		case "output_tokens":
			raise(&u.output, value)
		case "cache_read_input_tokens":
			raise(&u.cached, value)
		case "cache_creation_input_tokens":
			raise(&u.written, value)
		case "output_tokens_details":
			raise(&u.thought, member(value, "thinking_tokens"))
		case "service_tier":
			u.tier = append(u.tier[:0], value...)
		}
	})
}

// raise sets a cumulative count. What is no count, or beyond all counts, is passed over.
func raise(n *int64, value []byte) {
	if v, err := strconv.ParseInt(string(value), 10, 64); err == nil && v < 1<<53 {
		*n = max(*n, v)
	}
}

// append writes OpenAI's usage, whose prompt contains what was read from the cache or
// written to it. cache_write_tokens is OpenRouter's name of the latter.
func (u *anthropicCount) append(dst []byte) []byte {
	prompt := u.input + u.cached + u.written
	dst = strconv.AppendInt(append(dst, `{"prompt_tokens":`...), prompt, 10)
	dst = strconv.AppendInt(append(dst, `,"completion_tokens":`...), u.output, 10)
	dst = strconv.AppendInt(append(dst, `,"total_tokens":`...), prompt+u.output, 10)
	dst = strconv.AppendInt(append(dst, `,"prompt_tokens_details":{"cached_tokens":`...), u.cached, 10)
	dst = strconv.AppendInt(append(dst, `,"cache_write_tokens":`...), u.written, 10)
	dst = strconv.AppendInt(append(dst, `},"completion_tokens_details":{"reasoning_tokens":`...), u.thought, 10)
	return append(dst, `}}`...)
}

// appendOpenAIError writes an error object of Anthropic's in OpenAI's form.
func appendOpenAIError(dst, failure []byte) []byte {
	message, kind := member(failure, "message"), member(failure, "type")
	if !isString(message) {
		message = []byte(`"The provider reported an error."`)
	}
	if !isString(kind) {
		kind = []byte(`"api_error"`)
	}
	dst = appendMember(append(append(dst, `{"error":{"message":`...), message...), "type", kind)
	return append(dst, `,"param":null,"code":null}}`...)
}
