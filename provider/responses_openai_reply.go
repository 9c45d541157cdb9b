package provider

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"strconv"
	"time"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// Reply turns a chat completion into a response. Its first choice is the answer,
// since a Responses request cannot ask for several. A body that carries an error and
// no choice becomes an error in OpenAI's form.
func (t *responsesOpenAI) Reply(dst, src []byte) ([]byte, error) {
	var c openaiChunk
	if err := c.read(src); err != nil {
		return dst, fmt.Errorf("cannot read the reply: %w", err)
	}
	switch {
	case c.failure != nil && (!c.choice.IsObject() || c.choice.Get("finish_reason").Str == "error"):
		return append(appendResponsesFailure(append(dst, `{"error":{`...), c.failure, true), "}}"...), nil
	case !c.choice.IsObject():
		return dst, fmt.Errorf("cannot translate the reply: it has no choices")
	}
	a := responsesAnswer{quiet: true}
	a.meter.format = openaiFormat
	_ = a.meter.Reply(src) // it is valid: it has just been read
	a.begin(nil, &c, src, t)
	a.sources(&c)
	a.take(nil, &c, "message")
	a.finish = c.choice.Get("finish_reason").Str
	a.closeAll(nil)
	return t.appendResponse(dst, &a, a.status()), nil
}

// responsesAnswer is an answer as the items of a response, and the stream of events
// that tells of them. A reasoning item and a message are open one at a time; calls
// stay open until the end, because providers may write several by turns.
type responsesAnswer struct {
	quiet         bool // a whole reply: there are no events
	started, done bool // response.created, and the last event, were sent
	sequence      int64
	id, model     []byte // escaped
	created       int64  // Unix time, in seconds

	items   []responsesOutput
	open    int // the open reasoning item or message, counted from 1; 0: none
	opaque  responsesOpaque
	named   []byte // sources that Perplexity names beside its answer: annotations, raw
	notes   int    // annotations that texts have
	finish  string // chat's finish reason; empty: none has come
	failure []byte // the members of an error
	meter   openaiMeter
}

type responsesKind byte

const (
	responsesMessage responsesKind = iota
	responsesReasoning
	responsesFunction
	responsesCustom
)

// responsesOutput is one item. What lies in it is escaped as it came.
type responsesOutput struct {
	kind   responsesKind
	id     []byte
	status string
	parts  []responsesText // of a message; of a reasoning item: its summary, one at most
	opaque []byte          // of a reasoning item: encrypted_content, a JSON string; nil: none

	call, name, body []byte // of a call
	index            int64  // chat's index of a call; -1: it has none
	added            bool   // its first event was sent
	sent             int    // bytes of body that were sent
}

// responsesText is a part of a message or a summary.
type responsesText struct {
	refusal               bool
	body                  []byte
	annotations, logprobs []byte // raw elements
	notes                 int    // annotations
}

// begin keeps what all of the response's forms begin with, once, and tells of it.
func (a *responsesAnswer) begin(dst []byte, c *openaiChunk, data []byte, t *responsesOpenAI) []byte {
	if a.started {
		return dst
	}
	a.started = true
	a.id = bytes.Clone(bytes.TrimPrefix(bytes.TrimPrefix(c.id, []byte("chatcmpl-")), []byte("resp_")))
	if len(a.id) == 0 {
		a.id = []byte(rand.Text())
	}
	if a.model = bytes.Clone(c.model); len(a.model) == 0 {
		a.model = appendEscaped(nil, []byte(t.call.Send))
	}
	if a.created = gjson.GetBytes(data, "created").Int(); a.created <= 0 {
		a.created = time.Now().Unix()
	}
	dst = t.appendState(dst, a, "response.created", "in_progress")
	return t.appendState(dst, a, "response.in_progress", "in_progress")
}

// take reads an assistant's message, or what a chunk adds to it.
func (a *responsesAnswer) take(dst []byte, c *openaiChunk, name string) []byte {
	whole := name == "message"
	var reasoning, details, content, refusal, calls, call, annotations []byte
	jsonscan.Items([]byte(c.choice.Get(name).Raw), func(name, value []byte) {
		switch string(name) {
		case "reasoning_content", "reasoning":
			if len(reasoning) == 0 && len(inner(value)) > 0 {
				reasoning = inner(value)
				a.opaque.in = string(name)
			}
		case "reasoning_details":
			details = value
		case "thinking_blocks":
			a.opaque.blocks = appendElements(a.opaque.blocks, value)
		case "extra_content":
			if value[0] == '{' {
				a.opaque.extra = bytes.Clone(value)
			}
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
		}
	})
	if !isArray(calls) {
		calls = nil
	}
	jsonscan.Items(calls, func(_, v []byte) { a.opaque.sign(v) })
	if isArray(details) {
		jsonscan.Items(details, func(_, element []byte) { dst = a.detail(dst, element, len(reasoning) == 0) })
	}
	dst = a.think(dst, reasoning)
	dst = a.content(dst, content, []byte(c.choice.Get("logprobs.content").Raw))
	dst = a.say(dst, refusal, true, nil)
	if isArray(annotations) {
		jsonscan.Items(annotations, func(_, annotation []byte) {
			dst = a.annotate(dst, appendResponsesAnnotation(nil, member(annotation, "url_citation"), "url"))
		})
	}
	if len(call) > 0 && call[0] == '{' {
		dst = a.function(dst, append(append([]byte(`{"function":`), call...), '}'), whole)
	}
	jsonscan.Items(calls, func(_, v []byte) { dst = a.function(dst, v, whole) })
	return dst
}

// content reads a content: a string, or the parts that Mistral's thinking models write.
func (a *responsesAnswer) content(dst, v, logprobs []byte) []byte {
	if isString(v) {
		return a.say(dst, inner(v), false, logprobs)
	}
	if !isArray(v) {
		return dst
	}
	jsonscan.Items(v, func(_, part []byte) {
		jsonscan.Items(part, func(name, value []byte) {
			switch string(name) {
			case "text":
				dst = a.say(dst, inner(value), false, nil)
			case "refusal":
				dst = a.say(dst, inner(value), true, nil)
			case "thinking":
				jsonscan.Items(value, func(_, thought []byte) { dst = a.think(dst, inner(member(thought, "text"))) })
			}
		})
	})
	return dst
}

// detail reads an element of OpenRouter's reasoning_details: its text, where it is not
// there otherwise, and what is opaque.
func (a *responsesAnswer) detail(dst, element []byte, text bool) []byte {
	if len(element) == 0 || element[0] != '{' {
		return dst
	}
	a.opaque.detail(element)
	if text {
		dst = a.think(dst, inner(member(element, "text")))
		dst = a.think(dst, inner(member(element, "summary")))
	}
	return dst
}

// think adds to the thoughts.
func (a *responsesAnswer) think(dst, escaped []byte) []byte {
	if len(escaped) == 0 {
		return dst
	}
	if a.open == 0 || a.items[a.open-1].kind != responsesReasoning {
		dst = a.addReasoning(a.close(dst))
	}
	item := &a.items[a.open-1]
	if len(item.parts) == 0 {
		item.parts = append(item.parts, responsesText{})
		dst = a.summary(a.partEvent(dst, "response.reasoning_summary_part.added", `","summary_index":`), nil)
	}
	item.parts[0].body = append(item.parts[0].body, escaped...)
	dst = a.partEvent(dst, "response.reasoning_summary_text.delta", `","summary_index":`)
	dst = append(append(append(dst, `,"delta":"`...), escaped...), '"')
	return a.endEvent(dst)
}

// addReasoning opens a reasoning item.
func (a *responsesAnswer) addReasoning(dst []byte) []byte {
	id := a.opaque.nativeID()
	if len(id) == 0 || a.taken(id) {
		id = a.itemID("rs_")
	}
	dst = a.add(dst, responsesOutput{kind: responsesReasoning, id: id})
	a.open = len(a.items)
	return dst
}

func (a *responsesAnswer) taken(id []byte) bool {
	for i := range a.items {
		if bytes.Equal(a.items[i].id, id) {
			return true
		}
	}
	return false
}

// itemID makes the id of the next item.
func (a *responsesAnswer) itemID(prefix string) []byte {
	id := append(append([]byte(prefix), a.id...), '_')
	return strconv.AppendInt(id, int64(len(a.items)), 10)
}

// message opens a message, unless one is open.
func (a *responsesAnswer) message(dst []byte) []byte {
	if a.open > 0 && a.items[a.open-1].kind == responsesMessage {
		return dst
	}
	dst = a.hold(a.close(dst))
	dst = a.add(dst, responsesOutput{kind: responsesMessage, id: a.itemID("msg_")})
	a.open = len(a.items)
	return dst
}

// say adds to the text of the answer, or to a refusal; logprobs is a raw array, or nothing.
func (a *responsesAnswer) say(dst, escaped []byte, refusal bool, logprobs []byte) []byte {
	if len(escaped) == 0 {
		return dst
	}
	dst = a.part(a.message(dst), refusal)
	item := &a.items[a.open-1]
	p := &item.parts[len(item.parts)-1]
	p.body = append(p.body, escaped...)
	if refusal {
		dst = a.partEvent(dst, "response.refusal.delta", `","content_index":`)
		dst = append(append(append(dst, `,"delta":"`...), escaped...), '"')
		return a.endEvent(dst)
	}
	if !isArray(logprobs) {
		logprobs = []byte("[]")
	}
	p.logprobs = appendElements(p.logprobs, logprobs)
	dst = a.partEvent(dst, "response.output_text.delta", `","content_index":`)
	dst = append(append(append(dst, `,"delta":"`...), escaped...), `","logprobs":`...)
	return a.endEvent(append(dst, logprobs...))
}

// part opens a part of the open message, unless the last is of that kind.
func (a *responsesAnswer) part(dst []byte, refusal bool) []byte {
	item := &a.items[a.open-1]
	if n := len(item.parts); n > 0 {
		if item.parts[n-1].refusal == refusal {
			return dst
		}
		dst = a.closePart(dst)
	}
	item.parts = append(item.parts, responsesText{refusal: refusal})
	dst = a.partEvent(dst, "response.content_part.added", `","content_index":`)
	return a.endEvent(item.parts[len(item.parts)-1].append(append(dst, `,"part":`...)))
}

// annotate gives the text an annotation; nil is none.
func (a *responsesAnswer) annotate(dst, annotation []byte) []byte {
	if annotation == nil {
		return dst
	}
	dst = a.part(a.message(dst), false)
	item := &a.items[a.open-1]
	p := &item.parts[len(item.parts)-1]
	p.annotations = append(comma(p.annotations), annotation...)
	dst = a.partEvent(dst, "response.output_text.annotation.added", `","content_index":`)
	dst = strconv.AppendInt(append(dst, `,"annotation_index":`...), int64(p.notes), 10)
	p.notes++
	a.notes++
	return a.endEvent(appendMember(dst, "annotation", annotation))
}

// appendResponsesAnnotation appends a source as an annotation, where it has an
// address: chat's url_citation, or what Perplexity says of one.
func appendResponsesAnnotation(dst, source []byte, address string) []byte {
	url := member(source, address)
	if !isString(url) {
		return dst
	}
	title, from, to := member(source, "title"), member(source, "start_index"), member(source, "end_index")
	dst = appendMember(append(dst, `{"type":"url_citation"`...), "url", url)
	dst = appendText(append(dst, `,"title":`...), title)
	number := func(name string, v []byte) {
		dst = strconv.AppendInt(append(dst, name...), gjson.ParseBytes(v).Int(), 10)
	}
	number(`,"start_index":`, from)
	number(`,"end_index":`, to)
	return append(dst, '}')
}

// sources keeps the sources that Perplexity names beside its answer, and again in every chunk of it.
func (a *responsesAnswer) sources(c *openaiChunk) {
	list := c.results
	if !list.IsArray() {
		list = c.citations
	}
	if !list.IsArray() {
		return
	}
	a.named = a.named[:0]
	list.ForEach(func(_, source gjson.Result) bool {
		object := []byte(source.Raw)
		if source.Type == gjson.String {
			object = append(appendMember([]byte(`{"from":0`), "url", object), '}')
		}
		if annotation := appendResponsesAnnotation(nil, object, "url"); annotation != nil {
			a.named = append(comma(a.named), annotation...)
		}
		return true
	})
}

// function reads a call, or what a chunk adds to one. In a whole message every call is a call of its own.
func (a *responsesAnswer) function(dst, v []byte, whole bool) []byte {
	index, kind := int64(-1), responsesFunction
	id, f := inner(member(v, "id")), member(v, "function")
	if n := member(v, "index"); n != nil {
		index = gjson.ParseBytes(n).Int()
	}
	body := member(f, "arguments")
	if custom := member(v, "custom"); custom != nil {
		kind, f = responsesCustom, custom
		body = member(f, "input")
	}
	escaped := inner(body)
	if len(body) > 0 && body[0] == '{' {
		escaped = appendEscaped(nil, body)
	}
	i := -1
	if !whole {
		i = a.findCall(index, id)
	}
	if i < 0 {
		dst = a.addNamed(a.hold(a.close(dst)))
		i = len(a.items)
		prefix := "fc_"
		if kind == responsesCustom {
			prefix = "ctc_"
		}
		a.items = append(a.items, responsesOutput{kind: kind, id: a.itemID(prefix), index: index, call: bytes.Clone(id)})
	}
	item := &a.items[i]
	if len(item.name) == 0 {
		item.name = bytes.Clone(inner(member(f, "name")))
	}
	item.body = append(item.body, escaped...)
	if len(item.name) == 0 {
		return dst
	}
	return a.callDelta(dst, i)
}

// findCall finds the call that a chunk adds to: the last with its index; another id
// begins another call, whatever the index. -1: there is none.
func (a *responsesAnswer) findCall(index int64, id []byte) int {
	for i := len(a.items) - 1; i >= 0; i-- {
		item := &a.items[i]
		if item.kind != responsesFunction && item.kind != responsesCustom || index >= 0 && item.index != index {
			continue
		}
		if len(id) > 0 && len(item.call) > 0 && !bytes.Equal(id, item.call) {
			return -1
		}
		return i
	}
	return -1
}

// status is what becomes of the response by its finish reason.
func (a *responsesAnswer) status() string {
	switch {
	case a.failure != nil:
		return "failed"
	case a.finish == "length" || a.finish == "content_filter":
		return "incomplete"
	}
	return "completed"
}

// appendResponse appends the response as it is.
func (t *responsesOpenAI) appendResponse(dst []byte, a *responsesAnswer, status string) []byte {
	dst = append(append(dst, `{"id":"resp_`...), a.id...)
	dst = strconv.AppendInt(append(dst, `","object":"response","created_at":`...), a.created, 10)
	dst = append(append(append(dst, `,"status":"`...), status...), `","error":`...)
	if a.failure != nil {
		dst = append(append(append(dst, '{'), a.failure...), '}')
	} else {
		dst = append(dst, "null"...)
	}
	switch {
	case status != "incomplete":
		dst = append(dst, `,"incomplete_details":null`...)
	case a.finish == "length":
		dst = append(dst, `,"incomplete_details":{"reason":"max_output_tokens"}`...)
	default:
		dst = append(dst, `,"incomplete_details":{"reason":"content_filter"}`...)
	}
	dst = append(append(append(dst, `,"model":"`...), a.model...), `","output":[`...)
	if status != "in_progress" {
		first := true
		for i := range a.items {
			if a.items[i].added || a.quiet {
				if !first {
					dst = append(dst, ',')
				}
				first = false
				dst = a.items[i].append(dst)
			}
		}
	}
	dst = append(append(dst, ']'), t.echo...)
	dst = append(dst, `,"service_tier":`...)
	if tier := a.meter.reading.Tier; tier != "" {
		dst = appendString(dst, tier)
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"usage":`...)
	if a.meter.reading.Reported && status != "in_progress" {
		return append(a.appendUsage(dst), '}')
	}
	return append(dst, "null}"...)
}

// appendUsage appends what the meter read, so that the caller sees what is billed, in tokens.
func (a *responsesAnswer) appendUsage(dst []byte) []byte {
	u := &a.meter.reading.Usage
	cached, written := u.CacheRead+u.AudioCached+u.ImageCached, u.CacheWrite5m+u.CacheWrite1h
	input := u.Input + u.AudioIn + u.ImageIn + u.Video + cached + written
	output := u.Output + u.Reasoning + u.AudioOut + u.ImageOut + u.VideoOut
	number := func(name string, n int64) {
		dst = strconv.AppendInt(append(dst, name...), n, 10)
	}
	number(`{"input_tokens":`, input)
	number(`,"input_tokens_details":{"cached_tokens":`, cached)
	if written > 0 {
		number(`,"cache_write_tokens":`, written)
	}
	number(`},"output_tokens":`, output)
	n := &a.meter.counts.n // the bill has no class of its own for what was thought at the price of output
	number(`,"output_tokens_details":{"reasoning_tokens":`, min(n[reasoning]+n[reasoningApart], output))
	number(`},"total_tokens":`, input+output)
	return append(dst, '}')
}

// append appends the part as it is.
func (p *responsesText) append(dst []byte) []byte {
	if p.refusal {
		return append(append(append(dst, `{"type":"refusal","refusal":"`...), p.body...), `"}`...)
	}
	dst = append(append(dst, `{"type":"output_text","text":"`...), p.body...)
	dst = append(append(dst, `","annotations":[`...), p.annotations...)
	return append(append(append(dst, `],"logprobs":[`...), p.logprobs...), "]}"...)
}

// append appends the item as it is.
func (o *responsesOutput) append(dst []byte) []byte {
	status := o.status
	if status == "" {
		status = "in_progress"
	}
	head := func(kind string) {
		dst = append(append(append(dst, `{"type":"`...), kind...), `","id":"`...)
		dst = append(append(append(append(dst, o.id...), `","status":"`...), status...), '"')
	}
	switch o.kind {
	case responsesMessage:
		head("message")
		dst = append(dst, `,"role":"assistant","content":[`...)
		for i := range o.parts {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = o.parts[i].append(dst)
		}
		return append(dst, "]}"...)
	case responsesReasoning:
		head("reasoning")
		dst = append(dst, `,"summary":[`...)
		if len(o.parts) > 0 {
			dst = append(append(append(dst, `{"type":"summary_text","text":"`...), o.parts[0].body...), `"}`...)
		}
		dst = append(dst, ']')
		return append(appendField(dst, "encrypted_content", o.opaque), '}')
	}
	argument := "arguments"
	if o.kind == responsesCustom {
		head("custom_tool_call")
		argument = "input"
	} else {
		head("function_call")
	}
	dst = append(append(append(dst, `,"call_id":"`...), o.call...), `","name":"`...)
	dst = append(append(append(append(dst, o.name...), `","`...), argument...), `":"`...)
	return append(append(dst, o.body[:o.sent]...), `"}`...)
}

// appendResponsesFailure appends the members of an error, from OpenAI's object or
// from the bare string that some send; the whole form has a type and a parameter.
func appendResponsesFailure(dst, failure []byte, whole bool) []byte {
	e := gjson.ParseBytes(failure)
	message, code := e.Get("message"), e.Get("code")
	if e.Type == gjson.String {
		message = e
	}
	dst = append(append(dst, `"message":`...), stringOr(message, `"The provider reported an error."`)...)
	dst = append(dst, `,"code":`...)
	switch {
	case code.Type == gjson.String || code.Type == gjson.Number:
		dst = appendString(dst, code.String())
	case whole:
		dst = append(dst, "null"...)
	default:
		dst = append(dst, `"server_error"`...)
	}
	if !whole {
		return dst
	}
	dst = append(append(dst, `,"param":`...), stringOr(e.Get("param"), "null")...)
	return append(append(dst, `,"type":`...), stringOr(e.Get("type"), `"api_error"`)...)
}
