package proxy

import (
	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
	"github.com/generic-corp/halfpenny/llm"
)

// anthropicMember reads one top-level member of a request to Anthropic's Messages
// API. What it asks for is noted under the name that OpenAI's dialect has for it.
func (b *body) anthropicMember(m *jsonscan.Member) *llm.Error {
	switch name := string(m.Name); name {
	case "model":
		return first(b.model.Value == nil, m, b.readModel)
	case "messages":
		return first(!b.hasPrompt, m, b.readMessages)
	case "system", "service_tier":
	case "stream":
		return readBool(m, &b.stream)
	case "max_tokens": // each model takes it under one of its names
		return readCount(m, &b.maxOutput)
	case "tools":
		b.ask("tools", m.Value)
		return first(!b.hasTools, m, b.readTools)
	case "stop_sequences":
		b.ask("stop", m.Value)
	case "metadata":
		if gjson.GetBytes(m.Value, "user_id").Type == gjson.String {
			b.ask("user", m.Value)
		}
	case "thinking":
		if t := gjson.GetBytes(m.Value, "type").Str; t != "disabled" {
			b.ask("reasoning_effort", m.Value)
		}
	case "context_management":
		if edits(m.Value) {
			b.ask(name, m.Value)
		}
	case "output_config", "output_format":
		b.readOutputConfig(m.Value)
	default:
		b.ask(name, m.Value)
	}
	return nil
}

// edits reports whether a context_management changes what the model reads: keeping all
// thinking does not (https://platform.claude.com/docs/en/build-with-claude/context-editing).
func edits(value []byte) (some bool) {
	for _, e := range gjson.GetBytes(value, "edits").Array() {
		some = some || e.Get("type").Str != "clear_thinking_20251015" || e.Get("keep").Str != "all"
	}
	return some
}

// readOutputConfig reads the shape and the effort that an answer is to have:
// https://platform.claude.com/docs/en/build-with-claude/structured-outputs
func (b *body) readOutputConfig(value []byte) {
	if gjson.GetBytes(value, "format").IsObject() || gjson.GetBytes(value, "schema").Exists() {
		b.needs.JSONSchema = true
		b.ask("response_format", value)
	}
	if gjson.GetBytes(value, "effort").Exists() {
		b.ask("reasoning_effort", value)
	}
}
