package proxy

import (
	"bytes"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing"
)

// geminiMember reads one top-level member of a request to Gemini's API, whose names
// come in camelCase and in snake_case. What it asks for is noted under the name that
// OpenAI's dialect has for it: https://ai.google.dev/api/generate-content.
func (b *body) geminiMember(m *jsonscan.Member) *llm.Error {
	switch name := camel(m.Name); name {
	case "contents":
		return first(!b.hasPrompt, m, b.readContents)
	case "content", "requests": // of embeddings
		b.hasPrompt, b.prompt.Messages = true, m.Value
	case "model", "systemInstruction":
	case "generateContentRequest": // of countTokens
		return b.readInner(m.Value)
	case "generationConfig":
		return b.readGenerationConfig(m.Value)
	case "tools":
		b.ask("tools", m.Value)
		return first(!b.hasTools, m, b.readTools)
	case "toolConfig":
		if mode := gjson.GetBytes(m.Value, "functionCallingConfig.mode").Str + gjson.GetBytes(m.Value, "function_calling_config.mode").Str; mode != "AUTO" {
			b.ask("tool_choice", m.Value)
		}
	case "safetySettings":
		if !harmless(m.Value) {
			b.ask(name, m.Value)
		}
	default:
		if b.endpoint == llm.EndpointChat {
			b.ask(name, m.Value)
		}
	}
	return nil
}

// readInner reads a request within a request.
func (b *body) readInner(value []byte) *llm.Error {
	members, err := jsonscan.Members(nil, value)
	if err != nil {
		return llm.Invalid("generateContentRequest", "The field 'generateContentRequest' must be an object.")
	}
	for i := range members {
		b.prompt.Member(members[i].Name, members[i].Value)
		if err := b.geminiMember(&members[i]); err != nil {
			return err
		}
	}
	return nil
}

// harmless reports whether safety settings ask for no filter.
func harmless(settings []byte) bool {
	none := true
	jsonscan.Items(settings, func(_, s []byte) {
		threshold := gjson.GetBytes(s, "threshold").Str
		none = none && (threshold == "BLOCK_NONE" || threshold == "OFF")
	})
	return none
}

// camel is a name in camelCase, in which Gemini's API documents it.
func camel(name []byte) string {
	if bytes.IndexByte(name, '_') < 0 {
		return string(name)
	}
	words := strings.Split(string(name), "_")
	for i, w := range words[1:] {
		if w != "" {
			words[i+1] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, "")
}

// readContents reads the turns of a conversation; a single one, or a text, stands for a list.
func (b *body) readContents(m *jsonscan.Member) *llm.Error {
	b.hasPrompt = string(m.Value) != "null"
	switch m.Value[0] {
	case '[':
		jsonscan.Items(m.Value, func(_, turn []byte) { b.readTurn(turn) })
	default:
		b.readTurn(m.Value)
	}
	if b.turns == 0 {
		return llm.Invalid("contents", "The field 'contents' must not be empty.")
	}
	return nil
}

func (b *body) readTurn(turn []byte) {
	b.turns++
	jsonscan.Items(turn, func(name, value []byte) {
		switch string(name) {
		case "role":
			b.needs.Conversation = b.needs.Conversation || string(value) == `"model"`
		case "parts":
			jsonscan.Items(value, func(_, part []byte) { b.readGeminiPart(part) })
		}
	})
}

func (b *body) readGeminiPart(part []byte) {
	jsonscan.Items(part, func(name, value []byte) {
		switch camel(name) {
		case "functionCall", "functionResponse":
			b.needs.ToolChain = true
		case "inlineData", "fileData":
			media := gjson.GetBytes(value, "mimeType").Str + gjson.GetBytes(value, "mime_type").Str
			switch kind, _, _ := strings.Cut(media, "/"); {
			case kind == "image":
				b.needs.Input |= pricing.Image
			case kind == "audio":
				b.needs.Input |= pricing.Audio
			case kind == "video":
				b.needs.Input |= pricing.Video
			case media == "application/pdf":
				b.needs.Input |= pricing.PDF
			}
		}
	})
}

// geminiConfig are the members of generationConfig by their names in OpenAI's dialect.
var geminiConfig = map[string]string{
	"topP": "top_p", "topK": "top_k", "stopSequences": "stop", "presencePenalty": "presence_penalty", "frequencyPenalty": "frequency_penalty",
	"responseLogprobs": "logprobs", "logprobs": "top_logprobs", "thinkingConfig": "reasoning_effort",
}

func (b *body) readGenerationConfig(value []byte) (err *llm.Error) {
	jsonscan.Items(value, func(raw, v []byte) {
		name := camel(raw)
		switch m := (jsonscan.Member{Name: append([]byte("generationConfig."), raw...), Value: v}); name {
		case "maxOutputTokens":
			err = readCount(&m, &b.maxOutput)
		case "candidateCount":
			err = readCount(&m, &b.choices)
			b.ask("n", v)
		case "responseMimeType":
			b.needs.JSONObject = b.needs.JSONObject || string(v) == `"application/json"`
		case "responseSchema", "responseJsonSchema":
			b.needs.JSONSchema = true
		case "responseModalities":
			b.readModalities(v)
		default:
			if known := geminiConfig[name]; known != "" {
				name = known
			}
			b.ask(name, v)
		}
	})
	if b.needs.JSONObject || b.needs.JSONSchema {
		b.ask("response_format", value)
	}
	return err
}

func (b *body) readModalities(v []byte) {
	if bytes.Contains(v, []byte(`"IMAGE"`)) {
		b.needs.Output |= pricing.Image
	}
	if bytes.Contains(v, []byte(`"AUDIO"`)) {
		b.needs.Output |= pricing.Audio
	}
	if b.needs.Output != 0 {
		b.ask("modalities", v)
	}
}

// array reports whether a stream goes down as a JSON array: Gemini's, unless events are asked for.
func (c *call) array() bool {
	return !c.passes && c.dialect == llm.DialectGemini && c.body.stream && string(c.http.QueryArgs().Peek("alt")) != "sse"
}
