package provider

// cohereFormat is Cohere's chat, embed and rerank, whole and in events:
// https://docs.cohere.com/reference/chat. What is billed are the billed units, not
// the tokens: those include the provider's own preamble and what it had cached.
var cohereFormat = &format{counts: countsAsCohere, fields: []field{
	{name: "type", read: event(map[string]func(*Reading){"message-end": ended})},
	{name: "error", read: failure},
	{name: "usage", read: usage, into: cohereUsage},
	{name: "meta", read: usage, into: cohereUsage},
	{name: "message", said: true, read: cohereMessage, into: cohereText},
	{name: "text", read: text}, // version 1
	{name: "delta", into: []field{
		{name: "message", into: cohereText},
		{name: "finish_reason", read: finish},
		{name: "usage", read: usage, into: cohereUsage},
		{name: "error", read: failure},
	}},
	{name: "finish_reason", read: answer},
	{name: "embeddings", read: answer},
	{name: "results", read: answer},
}}

// cohereMessage: a reply's message is an object, an error's is a text.
func cohereMessage(m *formatMeter, value []byte) {
	if value[0] == '{' {
		answer(m, value)
	} else {
		failure(m, value)
	}
}

var cohereText = []field{
	{name: "content", read: text, into: []field{{name: "text", read: text}, {name: "thinking", read: text}}},
	{name: "tool_plan", read: text},
	{name: "tool_calls", into: []field{{name: "function", into: openaiFunction}}},
}

var cohereUsage = []field{
	{name: "billed_units", into: []field{
		{name: "input_tokens", read: set(billedInput)},
		{name: "output_tokens", read: set(billedOutput)},
		{name: "image_tokens", read: set(billedImages)},
		{name: "search_units", read: set(searchUnits)},
		{name: "classifications", read: set(classifications)},
	}},
	{name: "tokens", into: []field{
		{name: "input_tokens", read: set(inputCount)},
		{name: "output_tokens", read: set(outputCount)},
	}},
	{name: "cached_tokens", read: set(cacheRead)},
}

// cohereCounts takes the billed units where there are any.
func cohereCounts(c *counts) {
	n := &c.n
	if n[billedInput]+n[billedOutput]+n[billedImages]+n[searchUnits]+n[classifications] > 0 {
		n[inputCount], n[outputCount], n[imageIn], n[cacheRead] = n[billedInput]+n[billedImages], n[billedOutput], n[billedImages], 0
	}
}
