package provider

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"strconv"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// Reply turns a chat completion into a message. Its first choice is the answer,
// since a messages request cannot ask for several. A body that carries an error
// and no choice becomes an error in Anthropic's form.
func (t *anthropicOpenAI) Reply(dst, src []byte) ([]byte, error) {
	var c openaiChunk
	if err := c.read(src); err != nil {
		return dst, fmt.Errorf("cannot read the reply: %w", err)
	}
	switch {
	case c.failure != nil && (!c.choice.IsObject() || c.choice.Get("finish_reason").Str == "error"):
		return appendAnthropicError(dst, c.failure), nil
	case !c.choice.IsObject():
		return dst, fmt.Errorf("cannot translate the reply: it has no choices")
	}
	a := anthropicAnswer{hideThinking: t.hideThinking, carries: t.carries}
	a.meter.format = openaiFormat
	_ = a.meter.Reply(src) // it is valid: it has just been read
	a.sources(&c)
	if err := a.take([]byte(c.choice.Get("message").Raw), true); err != nil {
		return dst, err
	}
	a.finish = c.choice.Get("finish_reason").Str
	a.matched = t.matched(c.choice)
	a.citeSources()
	dst = t.appendMessage(dst, &c)
	dst = append(dst, `,"content":[`...)
	for i := range a.blocks {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = a.blocks[i].appendWhole(dst)
	}
	dst = append(append(dst, `],`...), a.stop()...)
	dst = append(dst, `,"usage":`...)
	return append(a.appendUsage(dst, a.output()), '}'), nil
}

// openaiChunk is what is read of a reply, or of one chunk of a stream; nil: not there.
type openaiChunk struct {
	id, model, failure         []byte
	citations, results, choice gjson.Result
	usage, chosen              bool // there is a usage object; there are choices
}

// read validates a reply and finds what is needed of it.
func (c *openaiChunk) read(data []byte) error {
	return jsonscan.Each(data, func(name, value []byte) {
		switch string(name) {
		case "id":
			c.id = inner(value)
		case "model":
			c.model = inner(value)
		case "error":
			if string(value) != "null" {
				c.failure = value
			}
		case "citations":
			c.citations = gjson.ParseBytes(value)
		case "search_results":
			c.results = gjson.ParseBytes(value)
		case "usage":
			c.usage = value[0] == '{'
		case "choices":
			gjson.ParseBytes(value).ForEach(func(_, choice gjson.Result) bool {
				c.chosen = true
				if choice.IsObject() && choice.Get("index").Int() == 0 {
					c.choice = choice
				}
				return !c.choice.Exists()
			})
			c.failedChoice()
		}
	})
}

// failedChoice finds the error of an answer that ended with one (OpenRouter).
func (c *openaiChunk) failedChoice() {
	if c.failure != nil || c.choice.Get("finish_reason").Str != "error" {
		return
	}
	c.failure = []byte(c.choice.Get("error").Raw)
	if len(c.failure) == 0 {
		c.failure = []byte("{}")
	}
}

// appendMessage begins a message, up to its model.
func (t *anthropicOpenAI) appendMessage(dst []byte, c *openaiChunk) []byte {
	dst = append(dst, `{"id":"msg_`...)
	id := bytes.TrimPrefix(c.id, []byte("chatcmpl-"))
	if len(id) == 0 {
		id = []byte(rand.Text())
	}
	dst = append(append(dst, id...), `","type":"message","role":"assistant","model":"`...)
	if len(c.model) > 0 {
		dst = append(dst, c.model...)
	} else {
		dst = appendEscaped(dst, []byte(t.call.Send))
	}
	return append(dst, '"')
}

// matched is the stop sequence that a choice says to have met (vLLM), raw; OpenAI does not say.
func (t *anthropicOpenAI) matched(choice gjson.Result) []byte {
	var found []byte
	if reason := choice.Get("stop_reason"); reason.Type == gjson.String {
		jsonscan.Items(t.stops, func(_, stop []byte) {
			if gjson.ParseBytes(stop).String() == reason.Str {
				found = bytes.Clone(stop)
			}
		})
	}
	return found
}

// anthropicAnswer is an answer in Anthropic's form: blocks, one behind the other.
// A stream is sent as far as it is known; of a whole reply nothing is sent before its end.
type anthropicAnswer struct {
	blocks       []anthropicOutput
	head         int    // the block that is being sent; those before it are closed
	open         bool   // its start has been sent
	hideThinking bool   // thinking is not passed on
	carries      bool   // what another provider wants handed back is passed on
	refused      bool   // the model refused
	finish       string // OpenAI's finish reason; empty: none has come
	matched      []byte // the stop sequence that was met, raw
	cited        []byte // citations that no text has yet, raw elements
	cites        bool   // a text has citations
	named        []byte // Perplexity's sources, as citations
	meter        openaiMeter

	started, done bool // message_start, and the stream's last event, were sent
}

type anthropicKind byte

const (
	textBlock anthropicKind = iota
	thinkingBlock
	redactedBlock
	toolBlock
)

// anthropicOutput is one block. What lies in it is escaped as it came.
type anthropicOutput struct {
	kind      anthropicKind
	body      []byte // text, thinking, opaque data or the arguments of a tool
	sent      int    // bytes of body that have been sent
	signature []byte
	citations []byte // raw elements
	id, name  []byte // of a tool
	index     int64  // OpenAI's index of a tool; -1: it has none
}

// take reads an assistant's message, or what a chunk adds to it. In a whole message every call is a call of its own.
func (a *anthropicAnswer) take(message []byte, whole bool) error {
	var reasoning, details, content, refusal, calls, call, annotations, extra []byte
	jsonscan.Items(message, func(name, value []byte) {
		switch string(name) {
		case "reasoning_content", "reasoning":
			if len(reasoning) == 0 {
				reasoning = inner(value)
			}
		case "reasoning_details":
			details = value
		case "content":
			content = value
		case "refusal":
			refusal = inner(value)
		case "tool_calls":
			calls = value
		case "function_call":
			call = value
		case "annotations":
			annotations = value
		case "extra_content":
			extra = value
		}
	})
	a.add(thinkingBlock, reasoning)
	a.details(details, len(reasoning) == 0)
	a.content(content)
	if len(refusal) > 0 {
		a.refused = true
		a.add(textBlock, refusal)
	}
	a.annotate(annotations)
	a.carry(nil, extra)
	if len(call) > 0 && call[0] == '{' {
		if err := a.function(-1, nil, call, whole); err != nil {
			return err
		}
	}
	if !isArray(calls) {
		return nil
	}
	return eachElement(calls, func(v []byte) error {
		index := int64(-1)
		var id, function, extra []byte
		jsonscan.Items(v, func(name, value []byte) {
			switch string(name) {
			case "index":
				index = gjson.ParseBytes(value).Int()
			case "id":
				id = inner(value)
			case "function":
				function = value
			case "extra_content":
				extra = value
			}
		})
		if len(id) > 0 {
			a.carry(id, extra)
		}
		return a.function(index, id, function, whole)
	})
}

// add appends to the last block if it is of that kind, else to a new one.
func (a *anthropicAnswer) add(kind anthropicKind, escaped []byte) {
	if len(escaped) == 0 || kind == thinkingBlock && a.hideThinking {
		return
	}
	if n := len(a.blocks); n == 0 || a.blocks[n-1].kind != kind {
		a.blocks = append(a.blocks, anthropicOutput{kind: kind, index: -1})
	}
	b := &a.blocks[len(a.blocks)-1]
	b.body = append(b.body, escaped...)
}

// content reads a content: a string, or the parts that Mistral's thinking models write.
func (a *anthropicAnswer) content(v []byte) {
	if isString(v) {
		a.add(textBlock, inner(v))
		return
	}
	if !isArray(v) {
		return
	}
	jsonscan.Items(v, func(_, part []byte) {
		jsonscan.Items(part, func(name, value []byte) {
			switch string(name) {
			case "text":
				a.add(textBlock, inner(value))
			case "refusal":
				a.refused = true
				a.add(textBlock, inner(value))
			case "thinking":
				jsonscan.Items(value, func(_, thought []byte) {
					jsonscan.Items(thought, func(name, value []byte) {
						if string(name) == "text" {
							a.add(thinkingBlock, inner(value))
						}
					})
				})
			}
		})
	})
}

// details reads OpenRouter's reasoning_details: their signatures, what is
// encrypted, and their text where it is not there otherwise. What is encrypted
// becomes redacted thinking that holds the whole element, so that it can go back
// as it came: https://openrouter.ai/docs/use-cases/reasoning-tokens
func (a *anthropicAnswer) details(v []byte, text bool) {
	if a.hideThinking || !isArray(v) {
		return
	}
	jsonscan.Items(v, func(_, element []byte) {
		switch e := gjson.ParseBytes(element); e.Get("type").Str {
		case "reasoning.text", "reasoning.summary":
			if text {
				a.add(thinkingBlock, inner([]byte(e.Get("text").Raw)))
				a.add(thinkingBlock, inner([]byte(e.Get("summary").Raw)))
			}
			if signature := inner([]byte(e.Get("signature").Raw)); len(signature) > 0 {
				a.sign(signature)
			}
		case "reasoning.encrypted":
			a.blocks = append(a.blocks, anthropicOutput{kind: redactedBlock, index: -1, body: appendEscaped(nil, element)})
		}
	})
}

// carry passes on a signature of Gemini's as redacted thinking, for the call with that
// id or, without one, for the message (see restore).
func (a *anthropicAnswer) carry(id, extra []byte) {
	if !a.carries || len(extra) == 0 || extra[0] != '{' {
		return
	}
	object := []byte("{")
	if id != nil {
		object = append(append(append(object, `"id":"`...), id...), `",`...)
	}
	object = append(append(append(object, `"extra_content":`...), extra...), '}')
	a.blocks = append(a.blocks, anthropicOutput{kind: redactedBlock, index: -1, body: inner(appendCarried(nil, object))})
}

// isDetail reports whether the data of redacted thinking is an element of reasoning_details.
func isDetail(data []byte) bool {
	return len(data) > 0 && data[0] == '{' && gjson.ValidBytes(data)
}

// sign gives the thinking that is not closed its signature.
func (a *anthropicAnswer) sign(signature []byte) {
	for i := len(a.blocks) - 1; i >= a.head; i-- {
		if a.blocks[i].kind == thinkingBlock {
			a.blocks[i].signature = bytes.Clone(signature)
			return
		}
	}
}

// annotate turns the sources that OpenAI names beside a text into its citations.
func (a *anthropicAnswer) annotate(v []byte) {
	if !isArray(v) {
		return
	}
	jsonscan.Items(v, func(_, annotation []byte) {
		c := gjson.GetBytes(annotation, "url_citation")
		a.cited = appendCitation(a.cited, c.Get("url"), c.Get("title"), c.Get("content"))
	})
	a.cite()
}

// sources keeps the sources that Perplexity names beside its answer, and again in every chunk of it.
func (a *anthropicAnswer) sources(c *openaiChunk) {
	list, url := c.results, "url"
	if !list.IsArray() {
		list, url = c.citations, "@this"
	}
	if !list.IsArray() {
		return
	}
	a.named = a.named[:0]
	list.ForEach(func(_, source gjson.Result) bool {
		a.named = appendCitation(a.named, source.Get(url), source.Get("title"), source.Get("snippet"))
		return true
	})
}

func appendCitation(dst []byte, url, title, quote gjson.Result) []byte {
	if url.Type != gjson.String {
		return dst
	}
	if len(dst) > 0 {
		dst = append(dst, ',')
	}
	dst = append(dst, `{"type":"web_search_result_location","cited_text":`...)
	dst = append(dst, stringOr(quote, `""`)...)
	dst = append(append(dst, `,"encrypted_index":"","title":`...), stringOr(title, "null")...)
	return append(append(append(dst, `,"url":`...), url.Raw...), '}')
}

func stringOr(v gjson.Result, other string) string {
	if v.Type == gjson.String {
		return v.Raw
	}
	return other
}

// cite hands the citations to the last text, if it is not closed.
func (a *anthropicAnswer) cite() {
	for i := len(a.blocks) - 1; i >= a.head && len(a.cited) > 0; i-- {
		if b := &a.blocks[i]; b.kind == textBlock {
			if len(b.citations) > 0 {
				b.citations = append(b.citations, ',')
			}
			b.citations = append(b.citations, a.cited...)
			a.cited, a.cites = a.cited[:0], true
		}
	}
}

// citeSources ends the answer's citations: the sources beside it are for a text that names none.
func (a *anthropicAnswer) citeSources() {
	if !a.cites && len(a.cited) == 0 {
		a.cited = append(a.cited, a.named...)
	}
	a.cite()
}

// function reads a call, or what a chunk adds to one.
func (a *anthropicAnswer) function(index int64, id, function []byte, whole bool) error {
	var name, arguments []byte
	jsonscan.Items(function, func(member, value []byte) {
		switch string(member) {
		case "name":
			name = inner(value)
		case "arguments":
			if arguments = inner(value); value[0] == '{' {
				arguments = appendEscaped(nil, value)
			}
		}
	})
	i := -1
	if !whole {
		i = a.tool(index, id)
	}
	if i < 0 {
		i = len(a.blocks)
		a.blocks = append(a.blocks, anthropicOutput{kind: toolBlock, index: index, id: bytes.Clone(id)})
	}
	b := &a.blocks[i]
	if len(b.name) == 0 {
		b.name = bytes.Clone(name)
	}
	if i < a.head {
		if len(bytes.TrimSpace(unescape(arguments))) > 0 {
			return fmt.Errorf("cannot translate the stream: arguments came behind the end of their call")
		}
		return nil
	}
	b.body = append(b.body, arguments...)
	return nil
}

// tool finds the call that a chunk adds to: the last with its index; another id
// begins another call, whatever the index. -1: there is none.
func (a *anthropicAnswer) tool(index int64, id []byte) int {
	for i := len(a.blocks) - 1; i >= 0; i-- {
		b := &a.blocks[i]
		if b.kind != toolBlock || index >= 0 && b.index != index {
			continue
		}
		if len(id) > 0 && len(b.id) > 0 && !bytes.Equal(id, b.id) {
			return -1
		}
		return i
	}
	return -1
}

// complete reports whether the arguments of a tool can be all of them.
func (b *anthropicOutput) complete() bool { return gjson.ValidBytes(unescape(b.body)) }

// appendStart appends the block as it is before its first delta, without the closing brace.
func (b *anthropicOutput) appendStart(dst []byte) []byte {
	switch b.kind {
	case textBlock:
		return append(dst, `{"type":"text","text":"`...)
	case thinkingBlock:
		return append(dst, `{"type":"thinking","thinking":"`...)
	case redactedBlock:
		return append(dst, `{"type":"redacted_thinking","data":"`...)
	}
	dst = append(dst, `{"type":"tool_use","id":"`...)
	if len(b.id) == 0 {
		b.id = []byte("toolu_" + rand.Text())
	}
	dst = append(append(dst, b.id...), `","name":"`...)
	return append(append(dst, b.name...), `","input":`...)
}

// appendWhole appends the whole block. Arguments that are no JSON object cannot be
// an input; they are kept in it as _raw.
func (b *anthropicOutput) appendWhole(dst []byte) []byte {
	dst = b.appendStart(dst)
	if b.kind == toolBlock {
		return append(b.appendInput(dst), '}')
	}
	dst = append(append(dst, b.body...), '"')
	if b.kind == thinkingBlock {
		dst = append(append(append(dst, `,"signature":"`...), b.signature...), '"')
	}
	if len(b.citations) > 0 {
		dst = append(append(append(dst, `,"citations":[`...), b.citations...), ']')
	}
	return append(dst, '}')
}

func (b *anthropicOutput) appendInput(dst []byte) []byte {
	switch input := bytes.TrimSpace(unescape(b.body)); {
	case len(input) == 0 || string(input) == "null":
		return append(dst, "{}"...)
	case input[0] == '{' && gjson.ValidBytes(input):
		return append(dst, input...)
	}
	return append(append(append(dst, `{"_raw":"`...), b.body...), `"}`...)
}

// stop returns stop_reason and stop_sequence. OpenAI says stop with calls under a
// forced choice.
func (a *anthropicAnswer) stop() string {
	reason := "end_turn"
	for i := range a.blocks {
		if a.blocks[i].kind == toolBlock {
			reason = "tool_use"
		}
	}
	switch {
	case a.refused || a.finish == "content_filter":
		reason = "refusal"
	case a.finish == "length":
		reason = "max_tokens"
	case a.finish == "tool_calls" || a.finish == "function_call":
		reason = "tool_use"
	case a.matched != nil && reason == "end_turn":
		return `"stop_reason":"stop_sequence","stop_sequence":` + string(a.matched)
	}
	return `"stop_reason":"` + reason + `","stop_sequence":null`
}

// output is what was written, thinking included, in tokens.
func (a *anthropicAnswer) output() int64 {
	u := &a.meter.reading.Usage
	return u.Output + u.Reasoning + u.AudioOut + u.ImageOut + u.VideoOut
}

// appendUsage appends what the meter read, so that the caller sees what is billed.
// Anthropic's input_tokens are those that were not cached.
func (a *anthropicAnswer) appendUsage(dst []byte, output int64) []byte {
	u := &a.meter.reading.Usage
	number := func(name string, n int64) {
		dst = strconv.AppendInt(append(dst, name...), n, 10)
	}
	number(`{"input_tokens":`, u.Input+u.AudioIn+u.ImageIn+u.Video)
	number(`,"cache_creation_input_tokens":`, u.CacheWrite5m+u.CacheWrite1h)
	number(`,"cache_read_input_tokens":`, u.CacheRead+u.AudioCached+u.ImageCached)
	number(`,"output_tokens":`, output)
	if u.Reasoning > 0 {
		number(`,"output_tokens_details":{"thinking_tokens":`, u.Reasoning)
		dst = append(dst, '}')
	}
	switch a.meter.reading.Tier {
	case "default":
		dst = append(dst, `,"service_tier":"standard"`...)
	case "priority":
		dst = append(dst, `,"service_tier":"priority"`...)
	}
	return append(dst, '}')
}

// unescape returns what an escaped string stands for.
func unescape(escaped []byte) []byte {
	if bytes.IndexByte(escaped, '\\') < 0 {
		return escaped
	}
	return jsonscan.AppendText(nil, escaped)
}

// appendAnthropicError appends an error in Anthropic's form: from OpenAI's object,
// or from the bare string that some send.
func appendAnthropicError(dst, failure []byte) []byte {
	e := gjson.ParseBytes(failure)
	message := e.Get("message")
	if e.Type == gjson.String {
		message = e
	}
	dst = append(dst, `{"type":"error","error":{"type":"`...)
	dst = append(dst, anthropicErrorType(e.Get("code").String(), e.Get("type").Str, e.Get("status").String())...)
	dst = append(append(dst, `","message":`...), stringOr(message, `"The provider reported an error."`)...)
	return append(dst, "}}"...)
}

// anthropicErrorTypes are Anthropic's types by what OpenAI and others have as code,
// type or status: https://platform.claude.com/docs/en/api/errors
var anthropicErrorTypes = map[string]string{
	"400": "invalid_request_error", "invalid_request_error": "invalid_request_error", "content_filter": "invalid_request_error", "422": "invalid_request_error",
	"401": "authentication_error", "invalid_api_key": "authentication_error", "authentication_error": "authentication_error",
	"402": "billing_error", "403": "permission_error", "permission_error": "permission_error",
	"404": "not_found_error", "model_not_found": "not_found_error", "not_found_error": "not_found_error",
	"413": "request_too_large", "429": "rate_limit_error", "rate_limit_exceeded": "rate_limit_error", "insufficient_quota": "rate_limit_error",
	"rate_limit_error": "rate_limit_error", "RateLimitReached": "rate_limit_error", "503": "overloaded_error", "529": "overloaded_error",
	"overloaded_error": "overloaded_error", "408": "timeout_error", "504": "timeout_error",
}

// anthropicErrorType takes the first that says something, else api_error.
func anthropicErrorType(says ...string) string {
	for _, s := range says {
		if t := anthropicErrorTypes[s]; t != "" {
			return t
		}
	}
	return "api_error"
}
