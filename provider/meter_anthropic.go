package provider

import (
	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// anthropicFormat is Anthropic's messages, whole and in events, as Anthropic,
// Vertex AI and others send them: https://docs.claude.com/en/api/messages.
//
// message_start carries the usage of the input and a first count of the output;
// the usage of message_delta is cumulative, may repeat the input and may exceed it
// where the provider's own tools read more. It alone counts as reported.
var anthropicFormat = &format{fields: anthropicFields, counts: countsAsAnthropic}

var anthropicFields = []field{
	{name: "type", read: event(map[string]func(*Reading){"message_stop": ended, "error": failed})},
	{name: "error", read: failure},
	{name: "model", read: model},
	{name: "message", into: []field{{name: "model", read: model}, {name: "usage", into: anthropicUsage}}},
	{name: "usage", read: usage, into: anthropicUsage},
	{name: "content", said: true, read: answer, into: anthropicBlock},
	{name: "content_block", into: anthropicBlock},
	{name: "delta", into: anthropicDelta},
	{name: "stop_reason", read: answer}, // of a reply: its content may be empty
}

var anthropicDelta = append(anthropicBlock, field{name: "partial_json", read: text}, field{name: "stop_reason", read: finish})

var anthropicBlock = []field{
	{name: "text", read: text},
	{name: "thinking", read: text},
	{name: "name", read: text},
	{name: "input", read: written},
}

// anthropicUsage are the counts of a usage object. Passed over are thinking_tokens
// (within the output, at its price), web_fetch_requests (free) and advisor_message
// iterations (of another model).
var anthropicUsage = []field{
	{name: "input_tokens", read: set(inputCount)},
	{name: "output_tokens", read: set(outputCount)},
	{name: "cache_read_input_tokens", read: set(cacheRead)},
	{name: "cache_creation_input_tokens", read: set(cacheWrite)},
	{name: "cache_creation", into: []field{
		{name: "ephemeral_5m_input_tokens", read: set(cacheWrite5m)},
		{name: "ephemeral_1h_input_tokens", read: set(cacheWrite1h)},
	}},
	{name: "server_tool_use", into: []field{{name: "web_search_requests", read: set(webSearch)}}},
	{name: "iterations", read: anthropicIterations},
	{name: "service_tier", read: tier},
	{name: "inference_geo", read: anthropicRegion},
}

var anthropicCompaction = []field{
	{name: "input_tokens", read: sum(compactInput)},
	{name: "output_tokens", read: sum(compactOutput)},
	{name: "cache_read_input_tokens", read: sum(compactCacheRead)},
	{name: "cache_creation_input_tokens", read: sum(compactCacheWrite)},
}

// anthropicIterations adds the compactions, which the usage above them leaves out:
// https://docs.claude.com/en/docs/build-with-claude/compaction
func anthropicIterations(m *formatMeter, value []byte) {
	jsonscan.Items(value, func(_, iteration []byte) {
		if gjson.GetBytes(iteration, "type").Str == "compaction" {
			m.inner(anthropicCompaction, iteration)
		}
	})
}

// anthropicRegion notes where the model ran, if that has a price of its own:
// https://docs.claude.com/en/docs/build-with-claude/data-residency
func anthropicRegion(m *formatMeter, value []byte) {
	switch string(value) {
	case `"not_available"`, `"global"`:
	default:
		noteText(&m.reading.Region, value)
	}
}

// anthropicCounts: input_tokens leaves out what was read from the cache or written to it.
func anthropicCounts(c *counts) {
	n := &c.n
	c.splitWrites()
	n[inputCount] = plus(n[inputCount], n[compactInput])
	n[outputCount] = plus(n[outputCount], n[compactOutput])
	n[cacheRead] = plus(n[cacheRead], n[compactCacheRead])
	n[cacheWrite5m] = plus(n[cacheWrite5m], n[compactCacheWrite])
	for _, k := range [...]count{cacheRead, cacheWrite5m, cacheWrite1h} {
		n[inputCount] += n[k]
	}
}
