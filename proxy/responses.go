package proxy

import (
	"bytes"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing"
)

// responsesMember reads one top-level member of a request to OpenAI's Responses API.
// What it asks for is noted under the name that the chat API has for it:
// https://platform.openai.com/docs/api-reference/responses/create.
func (b *body) responsesMember(m *jsonscan.Member) *llm.Error {
	switch name := string(m.Name); name {
	case "model":
		return first(b.model.Value == nil, m, b.readModel)
	case "input":
		return first(!b.hasPrompt, m, b.readInput)
	case "stream":
		return readBool(m, &b.stream)
	case "max_output_tokens": // each model takes it under one of its names
		return readCount(m, &b.maxOutput)
	case "tools":
		b.ask("tools", m.Value)
		return first(!b.hasTools, m, b.readTools)
	case "text":
		b.readText(m.Value)
	case "reasoning":
		if gjson.GetBytes(m.Value, "effort").Type == gjson.String {
			b.ask("reasoning_effort", m.Value)
		}
	case "previous_response_id", "conversation":
		if string(m.Value) != "null" { // where it was said before is where it is known
			b.needs.Conversation, b.kept, b.hasPrompt = true, true, true
			b.ask(name, m.Value)
		}
	case "prompt":
		if string(m.Value) != "null" {
			b.kept, b.hasPrompt = true, true
			b.ask(name, m.Value)
		}
	case "include":
		if bytes.Contains(m.Value, []byte(`logprobs"`)) {
			b.ask("logprobs", m.Value)
		}
	case "background", "truncation":
		if v := string(m.Value); v != "false" && v != `"disabled"` {
			b.ask(name, m.Value)
		}
	case "instructions", "store", "stream_options":
	case "service_tier":
		b.ask(name, m.Value)
		return b.member(m)
	default:
		b.ask(name, m.Value)
	}
	return nil
}

// readInput reads what is said to the model: a text, or the items of a conversation.
func (b *body) readInput(m *jsonscan.Member) *llm.Error {
	b.hasPrompt = string(m.Value) != "null"
	switch m.Value[0] {
	case '"', 'n':
		b.turns++
	case '[':
		jsonscan.Items(m.Value, func(_, item []byte) { b.readItem(item) })
	default:
		return llm.Invalid("input", "The field 'input' must be a string or an array.")
	}
	return nil
}

func (b *body) readItem(item []byte) {
	b.turns++
	jsonscan.Items(item, func(name, value []byte) {
		switch string(name) {
		case "role":
			b.needs.Conversation = b.needs.Conversation || string(value) == `"assistant"`
		case "type":
			switch string(value) {
			case `"function_call"`, `"function_call_output"`, `"custom_tool_call"`, `"custom_tool_call_output"`:
				b.needs.ToolChain = true
			case `"reasoning"`, `"item_reference"`:
				b.needs.Conversation = true
			}
		case "content", "output":
			if value[0] == '[' {
				jsonscan.Items(value, func(_, part []byte) { b.readInputPart(part) })
			}
		}
	})
}

func (b *body) readInputPart(part []byte) {
	switch gjson.GetBytes(part, "type").Str {
	case "input_image":
		b.needs.Input |= pricing.Image
	case "input_file":
		b.needs.Input |= pricing.PDF
	case "input_audio":
		b.needs.Input |= pricing.Audio
	}
}

// readText reads the shape that the answer is to have.
func (b *body) readText(value []byte) {
	switch gjson.GetBytes(value, "format.type").Str {
	case "json_object":
		b.needs.JSONObject = true
	case "json_schema":
		b.needs.JSONSchema = true
	}
	if b.needs.JSONObject || b.needs.JSONSchema {
		b.ask("response_format", value)
	}
	if gjson.GetBytes(value, "verbosity").Type == gjson.String {
		b.ask("verbosity", value)
	}
}

// pin keeps a call that goes on from what a provider remembers at that provider: the
// model's own.
func (c *call) pin() {
	if c.body.kept {
		c.query.Mode = llm.ModePinned
	}
}
