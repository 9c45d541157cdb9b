package provider

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"strconv"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// Event turns a chunk into events. The stream is finished by the chunk that comes
// behind the finish reason and carries the usage alone, by [DONE], or by End; an
// error ends it as well, and what follows is passed over.
//
// https://platform.openai.com/docs/api-reference/responses-streaming
func (t *responsesOpenAI) Event(dst, src []byte) ([]byte, error) {
	a := &t.out
	data := Data(nil, src)
	switch {
	case a.done || len(data) == 0:
		return dst, nil
	case string(data) == "[DONE]":
		return t.conclude(dst), nil
	}
	data = responsesLine(data)
	var c openaiChunk
	if err := c.read(data); err != nil {
		return dst, fmt.Errorf("cannot read the stream: %w", err)
	}
	if c.failure != nil {
		return t.fail(dst, c.failure), nil
	}
	if a.meter.reading.Model == "" {
		a.meter.head(data)
	}
	if startsWith(data, `"usage":`, `{`) {
		a.meter.format = openaiFormat
		a.meter.chunkUsage(data)
	}
	a.sources(&c)
	if !c.chosen {
		if c.usage && a.finish != "" {
			return t.conclude(dst), nil
		}
		return dst, nil // Azure's first chunk, which has neither id nor model
	}
	dst = a.begin(dst, &c, data, t)
	dst = a.take(dst, &c, "delta")
	if reason := c.choice.Get("finish_reason").Str; reason != "" {
		a.finish = reason
	}
	return dst, nil
}

// End completes a stream that has ended without [DONE]. It appends nothing where
// no finish reason has come: that is a truncation, for the gateway to signal.
func (t *responsesOpenAI) End(dst []byte) []byte {
	if t.out.finish == "" || t.out.done {
		return dst
	}
	return t.conclude(dst)
}

// conclude ends what is open, and the response.
func (t *responsesOpenAI) conclude(dst []byte) []byte {
	a := &t.out
	dst = a.begin(dst, &openaiChunk{}, nil, t)
	dst = a.closeAll(dst)
	a.done = true
	status := a.status()
	return t.appendState(dst, a, "response."+status, status)
}

// fail tells of an error as OpenAI does: an event of its own and, where there is a
// response, what has become of that.
func (t *responsesOpenAI) fail(dst, failure []byte) []byte {
	a := &t.out
	a.done = true
	dst = append(a.event(dst, "error"), ',')
	dst = a.endEvent(append(appendResponsesFailure(dst, failure, false), `,"param":null`...))
	if !a.started {
		return dst
	}
	a.failure = appendResponsesFailure(nil, failure, false)
	return t.appendState(dst, a, "response.failed", "failed")
}

// event begins an event; endEvent ends it. A whole reply has none: what is written
// between them goes nowhere.
func (a *responsesAnswer) event(dst []byte, kind string) []byte {
	if a.quiet {
		return nil
	}
	dst = append(append(append(dst, "event: "...), kind...), "\ndata: {\"type\":\""...)
	dst = strconv.AppendInt(append(append(dst, kind...), `","sequence_number":`...), a.sequence, 10)
	a.sequence++
	return dst
}

func (a *responsesAnswer) endEvent(dst []byte) []byte {
	if a.quiet {
		return nil
	}
	return append(dst, "}\n\n"...)
}

// itemEvent begins an event that concerns the item i.
func (a *responsesAnswer) itemEvent(dst []byte, kind string, i int) []byte {
	dst = strconv.AppendInt(append(a.event(dst, kind), `,"output_index":`...), int64(i), 10)
	return append(append(dst, `,"item_id":"`...), a.items[i].id...)
}

// partEvent begins an event that concerns the last part of the open item; index is the name of its place.
func (a *responsesAnswer) partEvent(dst []byte, kind, index string) []byte {
	n := len(a.items[a.open-1].parts) - 1
	return strconv.AppendInt(append(a.itemEvent(dst, kind, a.open-1), index...), int64(n), 10)
}

// wholeItem tells of an item as it is.
func (a *responsesAnswer) wholeItem(dst []byte, kind string, i int) []byte {
	dst = strconv.AppendInt(append(a.event(dst, kind), `,"output_index":`...), int64(i), 10)
	return a.endEvent(a.items[i].append(append(dst, `,"item":`...)))
}

// appendState tells of the response as it is.
func (t *responsesOpenAI) appendState(dst []byte, a *responsesAnswer, kind, status string) []byte {
	if a.quiet {
		return nil
	}
	return a.endEvent(t.appendResponse(append(a.event(dst, kind), `,"response":`...), a, status))
}

// add appends an item that is not a call, and tells of it. Items are told of in their order.
func (a *responsesAnswer) add(dst []byte, item responsesOutput) []byte {
	dst = a.addNamed(dst)
	item.added = true
	a.items = append(a.items, item)
	return a.wholeItem(dst, "response.output_item.added", len(a.items)-1)
}

// addNamed tells of a call that still waits for its name, before anything comes behind it.
func (a *responsesAnswer) addNamed(dst []byte) []byte {
	if n := len(a.items); n > 0 && !a.items[n-1].added {
		dst = a.callDelta(dst, n-1)
	}
	return dst
}

// callDelta tells of what has not been told of a call.
func (a *responsesAnswer) callDelta(dst []byte, i int) []byte {
	item := &a.items[i]
	if !item.added {
		item.added = true
		if len(item.call) == 0 {
			item.call = []byte("call_" + rand.Text())
		}
		dst = a.wholeItem(dst, "response.output_item.added", i)
	}
	if item.sent == len(item.body) {
		return dst
	}
	kind := "response.function_call_arguments.delta"
	if item.kind == responsesCustom {
		kind = "response.custom_tool_call_input.delta"
	}
	dst = append(a.itemEvent(dst, kind, i), `","delta":"`...)
	dst = append(append(dst, item.body[item.sent:]...), '"')
	item.sent = len(item.body)
	return a.endEvent(dst)
}

// closeCall ends a call; arguments that are empty are an empty object.
func (a *responsesAnswer) closeCall(dst []byte, i int) []byte {
	item := &a.items[i]
	kind, argument := "response.function_call_arguments.done", `","arguments":"`
	if item.kind == responsesCustom {
		kind, argument = "response.custom_tool_call_input.done", `","input":"`
	} else if text := bytes.TrimSpace(unescape(item.body)); len(text) == 0 || string(text) == "null" && item.sent == 0 {
		item.body = append(item.body[:item.sent], "{}"...)
	}
	dst = a.callDelta(dst, i)
	item.status = "completed"
	if a.status() != "completed" && item.kind == responsesFunction && !gjson.ValidBytes(unescape(item.body)) {
		item.status = "incomplete"
	}
	dst = append(append(a.itemEvent(dst, kind, i), argument...), item.body...)
	if item.kind == responsesFunction {
		dst = append(append(dst, `","name":"`...), item.name...)
	}
	dst = a.endEvent(append(dst, '"'))
	return a.wholeItem(dst, "response.output_item.done", i)
}

// summary ends an event with the part of a reasoning item's summary that has that text.
func (a *responsesAnswer) summary(dst, text []byte) []byte {
	return a.endEvent(append(append(append(dst, `,"part":{"type":"summary_text","text":"`...), text...), `"}`...))
}

// close ends the open item, if there is one.
func (a *responsesAnswer) close(dst []byte) []byte {
	if a.open == 0 {
		return dst
	}
	item := &a.items[a.open-1]
	item.status = "completed"
	if a.status() != "completed" {
		item.status = "incomplete"
	}
	if len(item.parts) > 0 {
		dst = a.closePart(dst)
	}
	if item.kind == responsesReasoning {
		item.opaque = a.opaque.seal(item, a.behind(a.open-1), a.quiet)
	}
	i := a.open - 1
	a.open = 0
	return a.wholeItem(dst, "response.output_item.done", i)
}

// closePart ends the last part of the open item.
func (a *responsesAnswer) closePart(dst []byte) []byte {
	item := &a.items[a.open-1]
	p := &item.parts[len(item.parts)-1]
	if item.kind == responsesReasoning {
		dst = a.partEvent(dst, "response.reasoning_summary_text.done", `","summary_index":`)
		dst = a.endEvent(append(append(append(dst, `,"text":"`...), p.body...), '"'))
		return a.summary(a.partEvent(dst, "response.reasoning_summary_part.done", `","summary_index":`), p.body)
	}
	if p.refusal {
		dst = a.partEvent(dst, "response.refusal.done", `","content_index":`)
		dst = a.endEvent(append(append(append(dst, `,"refusal":"`...), p.body...), '"'))
	} else {
		dst = a.partEvent(dst, "response.output_text.done", `","content_index":`)
		dst = append(append(append(dst, `,"text":"`...), p.body...), `","logprobs":[`...)
		dst = a.endEvent(append(append(dst, p.logprobs...), ']'))
	}
	dst = a.partEvent(dst, "response.content_part.done", `","content_index":`)
	return a.endEvent(p.append(append(dst, `,"part":`...)))
}

// behind reports whether items of the answer other than reasoning stand before i.
func (a *responsesAnswer) behind(i int) bool {
	for j := range a.items[:i] {
		if a.items[j].kind != responsesReasoning {
			return true
		}
	}
	return false
}

// hold writes a reasoning item for what waits to be carried and has none. Nothing is open.
func (a *responsesAnswer) hold(dst []byte) []byte {
	if !a.opaque.waits() {
		return dst
	}
	return a.close(a.addReasoning(dst))
}

// closeAll ends every item. Sources that are named beside the answer are for a text that names none itself.
func (a *responsesAnswer) closeAll(dst []byte) []byte {
	if a.notes == 0 && a.open > 0 && a.items[a.open-1].kind == responsesMessage && len(a.named) > 0 {
		jsonscan.Items(append(append([]byte("["), a.named...), ']'), func(_, annotation []byte) { dst = a.annotate(dst, annotation) })
	}
	dst = a.hold(a.close(dst))
	for i := range a.items {
		if a.items[i].status == "" {
			dst = a.closeCall(dst, i)
		}
	}
	return dst
}
