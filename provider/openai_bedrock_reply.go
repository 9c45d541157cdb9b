package provider

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

var errNotConverse = errors.New("cannot read the reply: it is not one of Bedrock's Converse")

// Reply turns a reply of Converse's into a chat completion, and an error into OpenAI's
// form: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
func (t *openaiBedrock) Reply(dst, src []byte) ([]byte, error) {
	var output, stop, usage, tier, failure []byte
	err := jsonscan.Each(src, func(name, value []byte) {
		switch string(name) {
		case "output":
			output = value
		case "stopReason":
			stop = value
		case "usage":
			usage = value
		case "serviceTier":
			tier = member(value, "type")
		case "message", "Message":
			failure = value
		}
	})
	if err != nil {
		return dst, fmt.Errorf("cannot read the reply: %w", err)
	}
	content := member(member(output, "message"), "content")
	switch {
	case output == nil && isString(failure):
		return appendBedrockError(dst, "", failure), nil
	case content == nil || content[0] != '[':
		return dst, errNotConverse
	}
	var count anthropicCount
	readBedrockUsage(&count, usage)
	dst = appendTierMember(t.appendHead(dst, "chat.completion", nil, nil), tier)
	dst = append(dst, `,"choices":[{"index":0,"message":{"role":"assistant"`...)
	dst = appendBedrockAnswer(dst, content)
	dst = append(dst, `},"logprobs":null,"finish_reason":"`...)
	dst = append(append(dst, finishReason(anthropicStop(stop))...), `"}]`...)
	return append(count.append(append(dst, `,"usage":`...)), '}'), nil
}

// anthropicStop is Anthropic's word for a stopReason, of which those that
// Bedrock has beside Anthropic's say that something was filtered, or that
// what the model wrote could not be read, which it then ends with:
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#bedrock-runtime_Converse-response-stopReason
func anthropicStop(stop []byte) []byte {
	switch string(stop) {
	case `"guardrail_intervened"`, `"content_filtered"`, `"malformed_model_output"`, `"malformed_tool_use"`:
		return []byte(`"refusal"`)
	}
	return stop
}

// readBedrockUsage reads a TokenUsage, whose input leaves out what was read from the
// cache or written to it, as Anthropic's does.
func readBedrockUsage(u *anthropicCount, usage []byte) {
	if len(usage) == 0 || usage[0] != '{' {
		return
	}
	jsonscan.Items(usage, func(name, value []byte) {
		switch string(name) {
		case "inputTokens":
			raise(&u.input, value)
		case "outputTokens":
			raise(&u.output, value)
		case "cacheReadInputTokens":
			raise(&u.cached, value)
		case "cacheWriteInputTokens":
			raise(&u.written, value)
		}
	})
}

// bedrockAnswer is what is said in the blocks of a reply.
type bedrockAnswer struct {
	text, reasoning, thoughts, calls, annotations []byte
	runes, texts                                  int
}

// appendBedrockAnswer writes the members of an assistant's message. What Bedrock's own
// tools did is not told: the client has no call to answer.
func appendBedrockAnswer(dst, content []byte) []byte {
	var a bedrockAnswer
	jsonscan.Items(content, func(_, block []byte) {
		if block[0] == '{' {
			jsonscan.Items(block, a.block)
		}
	})
	if dst = append(dst, `,"content":`...); a.texts > 0 {
		dst = append(append(append(dst, '"'), a.text...), '"')
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"refusal":null`...)
	if a.reasoning != nil {
		dst = append(append(append(dst, `,"reasoning_content":"`...), a.reasoning...), '"')
	}
	dst = appendList(dst, "thinking_blocks", a.thoughts)
	dst = appendList(dst, "tool_calls", a.calls)
	return appendList(dst, "annotations", a.annotations)
}

// block reads the one member of a block:
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html
func (a *bedrockAnswer) block(name, value []byte) {
	switch string(name) {
	case "text":
		a.say(value)
	case "citationsContent":
		from := a.runes
		jsonscan.Items(member(value, "content"), func(_, part []byte) {
			if text := member(part, "text"); text != nil {
				a.say(text)
			}
		})
		jsonscan.Items(member(value, "citations"), func(_, citation []byte) {
			a.annotations = appendAnnotation(a.annotations, anthropicCitation(citation), from, a.runes)
		})
	case "reasoningContent":
		a.reason(member(value, "reasoningText"), member(value, "redactedContent"))
	case "toolUse":
		if k := member(value, "type"); string(k) != `"server_tool_use"` {
			a.calls = appendBedrockCall(comma(a.calls), value)
		}
	}
}

func (a *bedrockAnswer) say(text []byte) {
	raw, _ := inside(text)
	a.text = append(a.text, raw...)
	a.runes += runeCount(raw)
	a.texts++
}

// reason keeps a thought, which can be handed back if it is signed.
func (a *bedrockAnswer) reason(thought, redacted []byte) {
	text, signature := member(thought, "text"), member(thought, "signature")
	raw, _ := inside(text)
	a.reasoning = append(a.reasoning, raw...)
	if isString(signature) && len(signature) > 2 {
		a.thoughts = appendText(append(comma(a.thoughts), `{"type":"thinking","thinking":`...), text)
		a.thoughts = append(appendMember(a.thoughts, "signature", signature), '}')
	}
	if isString(redacted) {
		a.thoughts = append(append(append(comma(a.thoughts), `{"type":"redacted_thinking","data":`...), redacted...), '}')
	}
}

func appendBedrockCall(dst, call []byte) []byte {
	dst = appendText(append(dst, `{"id":`...), member(call, "toolUseId"))
	dst = appendText(append(dst, `,"type":"function","function":{"name":`...), member(call, "name"))
	input := member(call, "input")
	if input == nil {
		input = []byte("{}")
	}
	return append(appendString(append(dst, `,"arguments":`...), string(input)), `}}`...)
}

// anthropicCitation is a citation in Anthropic's form, of which the URL and the title
// count. It has a URL where it is of a page of the web, or of a search result that says so.
func anthropicCitation(citation []byte) []byte {
	location := member(citation, "location")
	url := member(member(location, "web"), "url")
	if source := member(citation, "source"); url == nil && member(location, "searchResultLocation") != nil && bytes.HasPrefix(source, []byte(`"http`)) {
		url = source
	}
	if url == nil {
		return nil
	}
	out := append([]byte(`{"url":`), url...)
	if title := member(citation, "title"); title != nil {
		out = appendMember(out, "title", title)
	}
	return append(out, '}')
}

// bedrockExceptions are OpenAI's types of Bedrock's errors, by their names in lower case:
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html#API_runtime_ConverseStream_Errors
var bedrockExceptions = map[string]string{
	"throttlingexception": "rate_limit_error", "servicequotaexceededexception": "rate_limit_error",
	"validationexception": "invalid_request_error", "accessdeniedexception": "permission_error", "unrecognizedclientexception": "authentication_error",
	"resourcenotfoundexception": "not_found_error", "serviceunavailableexception": "overloaded_error", "modelnotreadyexception": "overloaded_error",
}

// appendBedrockError writes OpenAI's form of an error; name is its exception, or empty.
func appendBedrockError(dst []byte, name string, message []byte) []byte {
	if !isString(message) {
		message = []byte(`"The provider reported an error."`)
	}
	kind := bedrockExceptions[strings.ToLower(name)]
	if kind == "" {
		kind = "api_error"
	}
	dst = append(append(append(dst, `{"error":{"message":`...), message...), `,"type":"`...)
	dst = append(append(dst, kind...), `","param":null,"code":`...)
	if name == "" {
		return append(dst, `null}}`...)
	}
	return append(appendString(dst, name), `}}`...)
}

// exceptionSuffix ends the name of every event that is an error of Bedrock's. No other does.
const exceptionSuffix = "Exception"

// eventName returns the name of a server-sent event; empty: it has none.
func eventName(event []byte) string {
	for line := range bytes.Lines(event) {
		if name, ok := bytes.CutPrefix(line, []byte("event:")); ok {
			return string(bytes.TrimSpace(name))
		}
	}
	return ""
}

// Event turns one event of ConverseStream, named as its message is, into chunks:
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html
func (t *openaiBedrock) Event(dst, src []byte) ([]byte, error) {
	data := Data(nil, src)
	if len(data) == 0 || t.stream.ended {
		return dst, nil
	}
	if !gjson.ValidBytes(data) {
		return dst, fmt.Errorf("cannot read the stream: %w", jsonscan.Each(data, func(_, _ []byte) {}))
	}
	switch name := eventName(src); {
	case strings.HasSuffix(name, exceptionSuffix):
		t.stream.ended = true
		message := member(data, "message")
		if message == nil {
			message = member(data, "originalMessage")
		}
		return append(appendBedrockError(append(dst, "data: "...), name, message), "\n\n"...), nil
	case name == "messageStart":
		return t.start(dst, nil), nil
	case name == "contentBlockStart":
		return t.openBlock(t.start(dst, nil), data), nil
	case name == "contentBlockDelta":
		return t.blockPiece(t.start(dst, nil), data), nil
	case name == "contentBlockStop":
		return t.closeBlock(dst), nil
	case name == "messageStop":
		dst = t.closeBlock(dst)
		return t.finish(dst, anthropicStop(member(data, "stopReason")), nil), nil
	case name == "metadata":
		readBedrockUsage(&t.stream.usage, member(data, "usage"))
		if tier := member(member(data, "serviceTier"), "type"); t.stream.head != nil {
			t.stream.head = appendTierMember(t.stream.head, tier)
		}
		return t.end(dst), nil
	}
	return dst, nil // what was added to the API since
}

// openBlock begins a block that says what it is, as tool calls do.
func (t *openaiBedrock) openBlock(dst, data []byte) []byte {
	dst = t.closeBlock(dst)
	start := member(data, "start")
	t.open(data, `"other"`)
	use := member(start, "toolUse")
	if use == nil || string(member(use, "type")) == `"server_tool_use"` {
		return dst
	}
	block := appendText([]byte(`{"type":"tool_use","id":`), member(use, "toolUseId"))
	block = append(appendText(append(block, `,"name":`...), member(use, "name")), `,"input":{}}`...)
	return t.blockStart(dst, block)
}

// open notes the block that data is of.
func (t *openaiBedrock) open(data []byte, kind string) {
	s := &t.stream
	t.opened, t.index = true, string(member(data, "contentBlockIndex"))
	s.kind, s.from = kind, s.runes
	s.thought, s.signature, s.input, s.citations = s.thought[:0], s.signature[:0], s.input[:0], s.citations[:0]
}

// blockPiece writes a piece of a block. Those of text and of thoughts begin with it.
func (t *openaiBedrock) blockPiece(dst, data []byte) []byte {
	delta := member(data, "delta")
	if !t.opened || t.index != string(member(data, "contentBlockIndex")) {
		dst = t.closeBlock(dst)
		t.open(data, `"text"`)
		if member(delta, "reasoningContent") != nil {
			t.stream.kind = `"thinking"`
		}
	}
	s := &t.stream
	switch {
	case member(delta, "text") != nil:
		return t.text(dst, member(delta, "text"))
	case member(delta, "citation") != nil:
		if citation := anthropicCitation(member(delta, "citation")); citation != nil {
			s.citations = append(comma(s.citations), citation...)
		}
	case member(delta, "toolUse") != nil && s.kind == `"tool_use"`:
		return t.fragment(dst, member(member(delta, "toolUse"), "input"))
	case member(delta, "reasoningContent") != nil:
		return t.reasoningPiece(dst, member(delta, "reasoningContent"))
	}
	return dst
}

func (t *openaiBedrock) reasoningPiece(dst, piece []byte) []byte {
	if redacted := member(piece, "redactedContent"); isString(redacted) {
		return t.delta(dst, func(dst []byte) []byte {
			return append(append(append(dst, `"thinking_blocks":[{"type":"redacted_thinking","data":`...), redacted...), `}]`...)
		})
	}
	if signature, _ := inside(member(piece, "signature")); len(signature) > 0 { // comes in one or more pieces
		s := &t.stream
		if len(s.signature) == 0 {
			s.signature = append(s.signature, '"')
		} else {
			s.signature = s.signature[:len(s.signature)-1]
		}
		s.signature = append(append(s.signature, signature...), '"')
	}
	return t.thinking(dst, member(piece, "text"))
}

// closeBlock writes what is known at a block's end. A thought that is not signed cannot
// be handed back, and is told as text alone.
func (t *openaiBedrock) closeBlock(dst []byte) []byte {
	s := &t.stream
	if t.opened = false; s.kind == `"thinking"` && len(s.signature) == 0 {
		s.kind = ""
	}
	return t.blockStop(dst)
}
