package provider

import (
	"bytes"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// openaiFormat is OpenAI's format and that of those who built theirs like it: chat
// completions, responses, embeddings, completions, moderations, speech and transcripts,
// whole and in events. The names do not collide, and some providers mix the APIs.
//
// https://platform.openai.com/docs/api-reference
var openaiFormat = &format{fields: append(openaiReply,
	field{name: "response", into: append(openaiFacts, field{name: "output", read: openaiOutput})},
	field{name: "delta", read: text},
	field{name: "type", read: event(map[string]func(*Reading){
		"response.completed": ended, "response.incomplete": ended, "response.failed": failed, "error": failed,
		"speech.audio.done": ended, "transcript.text.done": ended,
	})},
	field{name: "x_groq", into: []field{{name: "usage", read: usage, into: openaiUsage}}},
), counts: countsAsOpenAI}

// moderationFormat is OpenAI's moderations, which cost nothing where no usage is reported.
var moderationFormat = &format{fields: openaiReply, counts: countsAsOpenAI, billsNo: true}

// countFormat is any reply that counts tokens, which costs nothing:
// https://docs.claude.com/en/docs/build-with-claude/token-counting,
// https://ai.google.dev/api/tokens
var countFormat = &format{billsNo: true, fields: []field{
	{name: "error", read: failure}, {name: "input_tokens", read: answer}, {name: "totalTokens", read: answer}, {name: "inputTokens", read: answer},
}}

// mediaMeter reads replies that need not be JSON: audio, or a text in the format that was asked for.
type mediaMeter struct{ formatMeter }

// Reply reads the usage where there is one.
func (m *mediaMeter) Reply(body []byte) error {
	if m.formatMeter.Reply(body) != nil {
		m.reading.Finished, m.reading.Visible = true, true
	}
	return nil
}

// openaiFacts stand at the top of a reply, and in the response of an event.
var openaiFacts = []field{
	{name: "model", read: model},
	{name: "service_tier", read: tier},
	{name: "usage", read: usage, into: openaiUsage},
	{name: "tool_usage", into: []field{{name: "web_search", into: []field{{name: "num_requests", read: set(webSearch)}}}}},
	{name: "error", read: failure},
}

var openaiReply = append(openaiFacts,
	field{name: "choices", said: true, read: answer, into: append(openaiChoice, field{name: "finish_reason", read: finish})},
	field{name: "output", said: true, read: openaiOutput, into: []field{
		{name: "content", into: []field{{name: "text", read: text}, {name: "refusal", read: text}}},
		{name: "summary", into: []field{{name: "text", read: text}}},
		{name: "name", read: text},
		{name: "arguments", read: text},
		{name: "input", read: text},
	}},
	field{name: "data", read: answer},    // embeddings
	field{name: "results", read: answer}, // moderations, rerank
)

// openaiText is what of a chunk was written by the model.
var openaiText = []field{{name: "choices", into: openaiChoice}}

var openaiChoice = []field{
	{name: "message", into: openaiMessage},
	{name: "delta", into: openaiMessage},
	{name: "text", read: text},
}

var openaiMessage = []field{
	{name: "content", read: text, into: []field{ // parts: Mistral's thinking models
		{name: "text", read: text},
		{name: "thinking", into: []field{{name: "text", read: text}}},
	}},
	{name: "reasoning_content", read: text},
	{name: "reasoning", read: text},
	{name: "refusal", read: text},
	{name: "tool_calls", into: []field{{name: "function", into: openaiFunction}}},
	{name: "function_call", into: openaiFunction},
}

var openaiFunction = []field{{name: "name", read: text}, {name: "arguments", read: text}}

// openaiUsage are the counts of a usage object. Members that say nothing that is
// priced, or say it again, are passed over: text_tokens, prompt_cache_miss_tokens,
// accepted_ and rejected_prediction_tokens (within the completion), times,
// context_details, num_server_side_tools_used, cost_details, is_byok,
// num_sources_used (of xAI's Live Search, which is withdrawn) and
// search_context_size (on which Perplexity's fee for a request depends).
var openaiUsage = []field{
	{name: "prompt_tokens", read: set(inputCount)},
	{name: "input_tokens", read: set(inputCount)},
	{name: "completion_tokens", read: set(outputCount)},
	{name: "output_tokens", read: set(outputCount)},
	{name: "total_tokens", read: set(totalCount)},
	{name: "prompt_tokens_details", into: openaiInput},
	{name: "input_tokens_details", into: openaiInput},
	{name: "input_token_details", into: openaiInput}, // of transcripts
	{name: "completion_tokens_details", into: openaiWritten},
	{name: "output_tokens_details", into: openaiWritten},
	{name: "prompt_cache_hit_tokens", read: set(cacheRead)}, // DeepSeek
	{name: "cached_tokens", read: set(cacheRead)},           // Moonshot, Together
	{name: "cache_creation_input_tokens", read: set(cacheWrite5m)},
	{name: "audio_prompt_tokens", read: set(audioIn)}, // Azure
	{name: "prompt_audio_seconds", read: set(audioSeconds)},
	{name: "seconds", read: set(audioSeconds)},            // of transcripts that are billed by duration
	{name: "reasoning_tokens", read: set(reasoningApart)}, // Perplexity
	{name: "citation_tokens", read: set(citations)},
	{name: "num_search_queries", read: set(webSearch)},
	{name: "server_tool_use_details", into: []field{{name: "web_search_requests", read: set(webSearch)}}}, // OpenRouter
	{name: "server_side_tool_usage_details", into: []field{ // xAI
		{name: "web_search_calls", read: set(webSearch)},
		{name: "x_search_calls", read: set(socialSearch)},
		{name: "code_interpreter_calls", read: set(codeExecution)},
		{name: "file_search_calls", read: set(storageSearch)},
		{name: "image_generation_calls", read: set(imageGeneration)},
	}},
	{name: "service_tier", read: tier}, // Mistral
	{name: "cost", read: cost},
	{name: "market_cost", read: one(vercel)},
	{name: "cost_in_usd_ticks", read: costTicks},
}

var openaiInput = []field{
	{name: "cached_tokens", read: set(cacheRead)},
	{name: "cached_tokens_details", into: []field{{name: "audio_tokens", read: set(audioCached)}, {name: "image_tokens", read: set(imageCached)}}},
	{name: "cache_write_tokens", read: set(cacheWrite5m)},
	{name: "audio_tokens", read: set(audioIn)},
	{name: "image_tokens", read: set(imageIn)},
	{name: "video_tokens", read: set(videoIn)},
}

var openaiWritten = []field{
	{name: "reasoning_tokens", read: set(reasoning)},
	{name: "audio_tokens", read: set(audioOut)},
	{name: "image_tokens", read: set(imageOut)},
}

// openaiCounts: prompt_tokens includes what was cached or was no text, and
// completion_tokens includes reasoning. A provider that counts reasoning outside
// (xAI) shows it by its total; Vercel's gateway counts Gemini's outside of the total
// too, but charges it; Perplexity counts it, and citations, outside and bills them
// apart. Of a total alone (Voyage, Jina) all was read.
func openaiCounts(c *counts, model string) {
	n := &c.n
	outside := n[totalCount] == n[inputCount]+n[outputCount]+n[reasoning] || n[vercel] != 0 && strings.HasPrefix(model, "google/")
	if n[reasoning] > 0 && outside {
		n[outputCount] += n[reasoning]
	}
	if n[citations] == 0 && n[webSearch] == 0 && n[reasoningApart] <= n[outputCount] {
		n[reasoning], n[reasoningApart] = max(n[reasoning], n[reasoningApart]), 0
	}
	if n[inputCount]+n[outputCount] == 0 {
		n[inputCount] = n[totalCount]
	}
}

// openaiOutput counts the tools that the provider itself ran. Of the actions of a
// search of the web only the search is charged:
// https://platform.openai.com/docs/guides/tools-web-search
func openaiOutput(m *formatMeter, value []byte) {
	answer(m, value)
	clear(m.counts.n[firstItem : lastItem+1])
	jsonscan.Items(value, func(_, item []byte) {
		kind := countKinds
		switch gjson.GetBytes(item, "type").Str {
		case "web_search_call":
			if a := gjson.GetBytes(item, "action.type").Str; a == "" || a == "search" {
				kind = itemWebSearch
			}
		case "file_search_call":
			kind = itemStorageSearch
		case "x_search_call":
			kind = itemSocialSearch
		case "code_interpreter_call":
			kind = itemCodeExecution
		case "image_generation_call":
			kind = itemImageGeneration
		}
		if kind != countKinds {
			m.changed = true
			m.counts.n[kind]++
		}
	})
}

// openaiMeter is the meter of OpenAI's chat, in whose streams nothing is parsed
// that need not be:
// https://platform.openai.com/docs/api-reference/chat/object
type openaiMeter struct {
	formatMeter
	kept []byte // data of events whose output has not been counted, a line each
}

var _ Meter = (*openaiMeter)(nil)

// Event reads one chunk.
func (m *openaiMeter) Event(data []byte) {
	switch {
	case string(data) == "[DONE]":
		m.reading.Done = true
		return
	case len(data) == 0 || data[0] != '{':
		return
	case bytes.Contains(data, []byte(`"error":`)) && gjson.GetBytes(data, "error").IsObject():
		m.reading.Failed = true
	}
	if m.reading.Model == "" {
		m.head(data)
	}
	if startsWith(data, `"usage":`, `{`) {
		m.chunkUsage(data)
	}
	if !m.reading.Finished && startsWith(data, `"finish_reason":`, `"`) {
		m.reading.Finished = true
	}
	m.reading.Visible = m.reading.Visible || visible(data)
	m.keep(data)
}

func (m *openaiMeter) head(data []byte) {
	m.reading.Model = gjson.GetBytes(data, "model").String()
	m.reading.Tier = gjson.GetBytes(data, "service_tier").String()
}

// chunkUsage reads the usage of a chunk: at the top, where Groq puts it, or in a choice, where Moonshot does.
func (m *openaiMeter) chunkUsage(data []byte) {
	for _, path := range []string{"usage", "x_groq.usage", "choices.0.usage"} {
		if u := gjson.GetBytes(data, path); u.IsObject() {
			object := []byte(u.Raw)
			usage(&m.formatMeter, object)
			_ = m.object(openaiUsage, object) // what of it is no JSON says nothing
			m.refresh()
			return
		}
	}
}

func (m *openaiMeter) keep(data []byte) {
	if len(m.kept)+len(data) > keptBytes {
		m.countKept()
	}
	m.kept = append(append(m.kept, data...), '\n')
}

// countKept counts the output of the kept events and lets them go.
func (m *openaiMeter) countKept() {
	m.deaf = false
	gjson.ForEachLine(string(m.kept), func(chunk gjson.Result) bool {
		_ = m.object(openaiText, []byte(chunk.Raw)) // what is no JSON was no output
		return true
	})
	m.kept = m.kept[:0]
	m.countText()
}

// Output counts the text of the answer that passed.
func (m *openaiMeter) Output() int64 {
	m.countKept()
	return m.counted
}

// visible reports whether a chunk carries text or a tool call.
func visible(data []byte) bool {
	for _, field := range [...]string{`"content":`, `"tool_calls":`, `"reasoning_content":`, `"reasoning":`, `"refusal":`} {
		if startsWith(data, field, `[`) || startsWith(data, field, `"`) && !startsWith(data, field, `""`) {
			return true
		}
	}
	return false
}

// startsWith reports whether a field with that name, at any depth, has a value that starts with prefix.
func startsWith(data []byte, field, prefix string) bool {
	for {
		i := bytes.Index(data, []byte(field))
		if i < 0 {
			return false
		}
		data = data[i+len(field):]
		for len(data) > 0 && data[0] == ' ' {
			data = data[1:]
		}
		if len(data) >= len(prefix) && string(data[:len(prefix)]) == prefix {
			return true
		}
	}
}
