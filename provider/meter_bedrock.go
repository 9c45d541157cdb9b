package provider

import (
	"encoding/base64"
	"net/http"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// bedrockFormat is Amazon Bedrock's converse, and invoke with the body of each
// model: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html,
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html.
// The names do not collide. A guardrail's units (in trace, where it was asked for)
// are charged by another service and passed over.
var bedrockFormat = &format{counts: countsAsBedrock, fields: []field{
	{name: "error", read: failure},
	{name: "model", read: model},
	{name: "serviceTier", into: []field{{name: "type", read: tier}}},
	{name: "usage", read: usage, into: bedrockUsage},
	{name: "amazon-bedrock-invocationMetrics", read: invocationMetrics, into: []field{
		{name: "inputTokenCount", read: set(metricInput)},
		{name: "outputTokenCount", read: set(metricOutput)},
		{name: "cacheReadInputTokenCount", read: set(metricCacheRead)},
		{name: "cacheWriteInputTokenCount", read: set(metricCacheWrite)},
	}},
	{name: "stopReason", read: stopped},
	{name: "stop_reason", read: stopped},
	{name: "finish_reason", read: stopped},
	{name: "completionReason", read: stopped},

	// Converse and Nova.
	{name: "output", read: answer, into: []field{{name: "message", into: []field{{name: "content", into: converseBlock}}}}},
	{name: "start", into: converseBlock},
	{name: "delta", into: append(anthropicDelta, converseBlock[1:]...)},
	{name: "contentBlockDelta", into: []field{{name: "delta", into: converseBlock}}},
	{name: "messageStop", into: []field{{name: "stopReason", read: finish}}},
	{name: "metadata", into: []field{{name: "usage", read: usage, into: bedrockUsage}}},

	// Claude.
	{name: "message", into: []field{{name: "model", read: model}, {name: "usage", into: anthropicUsage}}},
	{name: "content", read: answer, into: anthropicBlock},
	{name: "content_block", into: anthropicBlock},

	// Titan, Llama, Mistral, Cohere, DeepSeek and gpt-oss.
	{name: "outputText", read: text},
	{name: "inputTextTokenCount", read: inputReport},
	{name: "totalOutputTextTokenCount", read: set(outputCount)},
	{name: "results", read: answer, into: []field{{name: "outputText", read: text}, {name: "tokenCount", read: sum(summedOutput)}}},
	{name: "generation", read: text},
	{name: "prompt_token_count", read: inputReport},
	{name: "generation_token_count", read: set(outputCount)},
	{name: "outputs", read: answer, into: bedrockChoice},
	{name: "generations", read: answer, into: bedrockChoice},
	{name: "text", read: text},
	{name: "choices", read: answer, into: append(openaiChoice, bedrockChoice[1:]...)},
	{name: "embeddings", read: answer},
	{name: "embedding", read: answer},
}}

var bedrockChoice = []field{
	{name: "text", read: text},
	{name: "stop_reason", read: finish},
	{name: "finish_reason", read: finish},
}

var bedrockUsage = append([]field{
	{name: "inputTokens", read: set(inputCount)},
	{name: "outputTokens", read: set(outputCount)},
	{name: "cacheReadInputTokens", read: set(cacheRead)},
	{name: "cacheWriteInputTokens", read: set(cacheWrite)},
	{name: "cacheDetails", read: cacheDetails},
	{name: "prompt_tokens", read: set(inputCount)},
	{name: "completion_tokens", read: set(outputCount)},
}, anthropicUsage...)

var converseBlock = []field{
	{name: "text", read: text},
	{name: "toolUse", into: []field{{name: "name", read: text}, {name: "input", read: written}}},
	{name: "reasoningContent", into: []field{{name: "text", read: text}, {name: "reasoningText", into: []field{{name: "text", read: text}}}}},
}

// stopped notes a stop reason, which ends an event's answer and is part of a reply's.
func stopped(m *formatMeter, value []byte) {
	answer(m, value)
	finish(m, value)
}

// inputReport reads the input of a body that has its counts at the top.
func inputReport(m *formatMeter, value []byte) {
	m.final = true
	set(inputCount)(m, value)
}

// invocationMetrics come last in every stream of invoke.
func invocationMetrics(m *formatMeter, _ []byte) {
	m.final, m.reading.Finished, m.reading.Done = true, true, true
}

// cacheDetails reads the cache writes of one hour:
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CacheDetail.html
func cacheDetails(m *formatMeter, value []byte) {
	jsonscan.Items(value, func(_, item []byte) {
		if ttl, tokens := two(item, "ttl", "inputTokens"); string(ttl) == `"1h"` {
			add(m, detailWrite1h, tokens)
		}
	})
}

// bedrockCounts: inputTokens leaves out what was read from the cache or written to
// it. Where the body says nothing, Bedrock's own count holds.
func bedrockCounts(c *counts) {
	n := &c.n
	n[inputCount] = c.or(inputCount, metricInput)
	n[outputCount] = plus(c.or(outputCount, metricOutput), n[summedOutput])
	n[cacheRead] = c.or(cacheRead, metricCacheRead)
	n[cacheWrite] = c.or(cacheWrite, metricCacheWrite)
	anthropicCounts(c)
}

// bedrockMeter reads the messages of Bedrock's streams, whose types are in their headers.
type bedrockMeter struct {
	formatMeter
	decoded []byte // scratch
}

var (
	_ Meter       = (*bedrockMeter)(nil)
	_ HeaderMeter = (*bedrockMeter)(nil)
)

// Header reads the counts of invoke, which the bodies of some models do not carry.
func (m *bedrockMeter) Header(h http.Header) {
	read := func(name string, k count) {
		if v := h.Get(name); v != "" {
			m.final = true
			set(k)(&m.formatMeter, []byte(v))
		}
	}
	read("X-Amzn-Bedrock-Input-Token-Count", metricInput)
	read("X-Amzn-Bedrock-Output-Token-Count", metricOutput)
	read("X-Amzn-Bedrock-Cache-Read-Input-Token-Count", metricCacheRead)
	read("X-Amzn-Bedrock-Cache-Write-Input-Token-Count", metricCacheWrite)
	m.refresh()
}

// Event reads one message of the event stream, as EventStream returns it.
func (m *bedrockMeter) Event(data []byte) {
	message, err := ParseMessage(data)
	switch {
	case err != nil:
		return
	case string(message.Type) != "event":
		m.reading.Failed = true
		return
	}
	payload := message.Payload
	if string(message.Event) == "chunk" {
		payload = m.chunk(payload)
	}
	m.formatMeter.Event(payload)
	if string(message.Event) == "metadata" {
		m.reading.Done = true
	}
}

// chunk takes the model's own event out of a chunk of invoke.
func (m *bedrockMeter) chunk(payload []byte) []byte {
	var event []byte
	_ = jsonscan.Each(payload, func(name, value []byte) {
		if string(name) == "bytes" && value[0] == '"' {
			var err error
			if m.decoded, err = base64.StdEncoding.AppendDecode(m.decoded[:0], value[1:len(value)-1]); err == nil {
				event = m.decoded
			}
		}
	})
	return event
}
