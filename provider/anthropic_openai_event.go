package provider

import (
	"fmt"
	"strconv"
)

// Event turns a chunk into events. The stream is finished by the chunk that comes
// behind the finish reason and carries the usage alone, by [DONE], or by End; an
// error ends it as well, and what follows is passed over.
func (t *anthropicOpenAI) Event(dst, src []byte) ([]byte, error) {
	a := &t.out
	data := Data(nil, src)
	switch {
	case a.done || len(data) == 0:
		return dst, nil
	case string(data) == "[DONE]":
		return t.conclude(dst), nil
	}
	var c openaiChunk
	if err := c.read(data); err != nil {
		return dst, fmt.Errorf("cannot read the stream: %w", err)
	}
	if c.failure != nil {
		a.done = true
		dst = append(dst, "event: error\ndata: "...)
		return append(appendAnthropicError(dst, c.failure), "\n\n"...), nil
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
	dst = t.begin(dst, &c)
	if err := a.take([]byte(c.choice.Get("delta").Raw), false); err != nil {
		return dst, err
	}
	if reason := c.choice.Get("finish_reason").Str; reason != "" {
		a.finish, a.matched = reason, t.matched(c.choice)
	}
	return a.pump(dst, false), nil
}

// End completes a stream that has ended without [DONE]. It appends nothing where
// no finish reason has come: that is a truncation, for the gateway to signal.
func (t *anthropicOpenAI) End(dst []byte) []byte {
	if t.out.finish == "" || t.out.done {
		return dst
	}
	return t.conclude(dst)
}

// begin sends message_start, once.
func (t *anthropicOpenAI) begin(dst []byte, c *openaiChunk) []byte {
	a := &t.out
	if a.started {
		return dst
	}
	a.started, a.hideThinking, a.carries = true, t.hideThinking, t.carries
	dst = append(dst, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":"...)
	dst = t.appendMessage(dst, c)
	dst = append(dst, `,"content":[],"stop_reason":null,"stop_sequence":null,"usage":`...)
	return append(a.appendUsage(dst, 0), "}}\n\n"...)
}

// conclude sends what is left, the stop reason, the usage and the end.
func (t *anthropicOpenAI) conclude(dst []byte) []byte {
	a := &t.out
	dst = t.begin(dst, &openaiChunk{})
	a.citeSources()
	dst = a.pump(dst, true)
	a.done = true
	dst = append(dst, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{"...)
	dst = append(append(dst, a.stop()...), `},"usage":`...)
	dst = append(a.appendUsage(dst, a.output()), "}\n\n"...)
	return append(dst, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"...)
}

// pump sends what can be sent. Anthropic's blocks come one behind the other, so a
// block waits until the one before it is complete, which a tool is when its
// arguments are JSON: providers may write several calls by turns.
func (a *anthropicAnswer) pump(dst []byte, final bool) []byte {
	for a.head < len(a.blocks) {
		b, last := &a.blocks[a.head], a.head == len(a.blocks)-1
		tool := b.kind == toolBlock
		if !a.open {
			if tool && len(b.name) == 0 && !final {
				return dst
			}
			dst = b.appendBlockStart(dst, a.head)
			a.open = true
		}
		dst = b.appendDelta(dst, a.head)
		if !final && (last || tool && !b.complete()) {
			return dst
		}
		dst = b.appendBlockEnd(dst, a.head)
		a.open = false
		a.head++
	}
	return dst
}

func (b *anthropicOutput) appendBlockStart(dst []byte, index int) []byte {
	dst = strconv.AppendInt(append(dst, "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":"...), int64(index), 10)
	dst = b.appendStart(append(dst, `,"content_block":`...))
	switch b.kind {
	case toolBlock:
		dst = append(dst, "{}"...)
	case redactedBlock:
		dst = append(append(dst, b.body...), '"')
		b.sent = len(b.body)
	case thinkingBlock:
		dst = append(dst, `","signature":""`...)
	default:
		dst = append(dst, '"')
	}
	return append(dst, "}}\n\n"...)
}

// appendDelta sends what has not been sent of the block. Text is not kept any longer.
func (b *anthropicOutput) appendDelta(dst []byte, index int) []byte {
	if len(b.body) == b.sent {
		return dst
	}
	dst = appendDeltaHead(dst, index)
	switch b.kind {
	case toolBlock:
		dst = append(dst, `{"type":"input_json_delta","partial_json":"`...)
	case thinkingBlock:
		dst = append(dst, `{"type":"thinking_delta","thinking":"`...)
	default:
		dst = append(dst, `{"type":"text_delta","text":"`...)
	}
	dst = append(append(dst, b.body[b.sent:]...), "\"}}\n\n"...)
	if b.sent = len(b.body); b.kind != toolBlock {
		b.body, b.sent = b.body[:0], 0
	}
	return dst
}

func appendDeltaHead(dst []byte, index int) []byte {
	dst = strconv.AppendInt(append(dst, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":"...), int64(index), 10)
	return append(dst, `,"delta":`...)
}

// appendBlockEnd sends the signature or the citations of the block, and its end.
func (b *anthropicOutput) appendBlockEnd(dst []byte, index int) []byte {
	if len(b.signature) > 0 {
		dst = append(appendDeltaHead(dst, index), `{"type":"signature_delta","signature":"`...)
		dst = append(append(dst, b.signature...), "\"}}\n\n"...)
	}
	if len(b.citations) > 0 {
		_ = eachElement(append(append([]byte("["), b.citations...), ']'), func(citation []byte) error {
			dst = append(appendDeltaHead(dst, index), `{"type":"citations_delta","citation":`...)
			dst = append(append(dst, citation...), "}}\n\n"...)
			return nil
		})
	}
	dst = strconv.AppendInt(append(dst, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":"...), int64(index), 10)
	return append(dst, "}\n\n"...)
}
