package provider

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// geminiFormat is Gemini's generateContent, whole, in events and in the elements of
// an array, and embedContent, as Google AI and Vertex AI send them, and the predict
// that embeds at Vertex AI: https://ai.google.dev/api/generate-content#UsageMetadata.
//
// Every chunk of a stream carries the usage so far. There is no end mark.
var geminiFormat = &format{counts: countsAsGemini, fields: []field{
	{name: "error", read: failure},
	{name: "modelVersion", read: model},
	{name: "usageMetadata", read: usage, into: geminiUsage},
	{name: "candidates", read: answer, into: []field{
		{name: "content", said: true, into: []field{{name: "parts", into: []field{
			{name: "text", read: text},
			{name: "functionCall", into: []field{{name: "name", read: text}, {name: "args", read: written}}},
			{name: "executableCode", into: []field{{name: "code", read: text}}},
		}}}},
		{name: "finishReason", read: finish},
		{name: "groundingMetadata", read: geminiGrounding},
	}},
	{name: "promptFeedback", read: answer, into: []field{{name: "blockReason", read: finish}}},
	{name: "embedding", read: answer},
	{name: "embeddings", read: answer},
	{name: "predictions", read: predictions, into: []field{
		{name: "embeddings", into: []field{{name: "statistics", into: []field{{name: "token_count", read: sum(summedInput)}}}}},
	}},
}}

// geminiUsage are the counts of usageMetadata.
var geminiUsage = []field{
	{name: "promptTokenCount", read: set(inputCount)},
	{name: "candidatesTokenCount", read: set(outputCount)},
	{name: "thoughtsTokenCount", read: set(thoughts)},
	{name: "toolUsePromptTokenCount", read: set(toolInput)},
	{name: "cachedContentTokenCount", read: set(cacheRead)},
	{name: "promptTokensDetails", read: modalities(audioIn, imageIn, videoIn)},
	{name: "promptTokenDetails", read: modalities(audioIn, imageIn, videoIn)}, // of embedContent
	{name: "toolUsePromptTokensDetails", read: modalities(audioIn, imageIn, videoIn)},
	{name: "cacheTokensDetails", read: modalities(audioCached, imageCached, videoCached)},
	{name: "candidatesTokensDetails", read: modalities(audioOut, imageOut, videoOut)},
	{name: "serviceTier", read: tier},
	{name: "trafficType", read: trafficTier},
}

// modalities adds the tokens of a list of {modality, tokenCount}. The modality is a
// name, or its number where enum-encoding=int was asked for. Documents are images.
func modalities(audio, image, video count) func(*formatMeter, []byte) {
	return func(m *formatMeter, value []byte) {
		jsonscan.Items(value, func(_, item []byte) {
			modality, tokens := two(item, "modality", "tokenCount")
			switch string(modality) {
			case `"AUDIO"`, `4`:
				add(m, audio, tokens)
			case `"IMAGE"`, `2`, `"DOCUMENT"`, `5`:
				add(m, image, tokens)
			case `"VIDEO"`, `3`:
				add(m, video, tokens)
			}
		})
	}
}

// trafficTier notes how Vertex AI billed: ON_DEMAND_FLEX is tier flex. What Google AI
// calls the tier has precedence.
func trafficTier(m *formatMeter, value []byte) {
	if m.reading.Tier != "" || value[0] != '"' {
		return
	}
	if name := strings.TrimPrefix(gjson.ParseBytes(value).Str, "ON_DEMAND"); name != "" {
		m.reading.Tier = strings.ToLower(strings.TrimPrefix(name, "_"))
	}
}

// geminiGrounding counts the searches of the web.
func geminiGrounding(m *formatMeter, value []byte) {
	if n := gjson.GetBytes(value, "webSearchQueries.#").Int(); n > 0 {
		m.changed, m.counts.n[webSearch] = true, n
	}
}

func predictions(m *formatMeter, value []byte) {
	answer(m, value)
	usage(m, []byte("{}"))
}

// geminiCounts: promptTokenCount includes what was cached, thoughts are beside the
// candidates and what tools read beside the prompt. Until Gemini 2.5 a prompt that
// was grounded is charged once, however many searches it took:
// https://ai.google.dev/gemini-api/docs/google-search#pricing
func geminiCounts(c *counts, model string) {
	n := &c.n
	if strings.HasPrefix(model, "gemini-1") || strings.HasPrefix(model, "gemini-2") {
		n[webSearch] = min(n[webSearch], 1)
	}
	n[inputCount] = plus(n[inputCount], n[toolInput]+n[summedInput])
	n[outputCount] = plus(n[outputCount], n[thoughts])
}
