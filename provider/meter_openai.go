package provider

import (
	"bytes"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/llm"
)

// openaiMeter reads OpenAI's chat completions and chunks:
// https://platform.openai.com/docs/api-reference/chat/object
type openaiMeter struct {
	reading Reading
	count   func(text []byte) int64
	kept    []byte // data of events whose output has not been counted, a line each
	counted int64  // tokens of the events before
	text    []byte // scratch
}

// keptBytes bounds the events that are kept before their text is counted. Most
// streams report their usage before it is reached, and nothing is ever parsed.
const keptBytes = 64 << 10

var _ Meter = (*openaiMeter)(nil)

// Reading returns what was read so far.
func (m *openaiMeter) Reading() *Reading { return &m.reading }

// Reply reads a whole chat completion.
func (m *openaiMeter) Reply(body []byte) {
	m.head(body)
	m.usage(gjson.GetBytes(body, "usage"))
	if !m.reading.Reported {
		m.keep(body)
	}
	choices := gjson.GetBytes(body, "choices")
	m.reading.Finished = choices.IsArray()
	m.reading.Visible = true
}

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
			m.usage(u)
			return
		}
	}
}

func (m *openaiMeter) usage(u gjson.Result) {
	if !u.IsObject() {
		return
	}
	m.reading.Usage = OpenAIUsage(u)
	m.reading.Reported = true
	for _, path := range []string{"cost", "cost.total_cost"} {
		if c := u.Get(path); c.Type == gjson.Number {
			if v, err := llm.ParseMoney(c.Raw); err == nil {
				m.reading.Cost = llm.Known(v)
			}
		}
	}
}

// OpenAIUsage reads a usage object of the chat API into disjoint classes. OpenAI's
// prompt_tokens includes cached and audio tokens, and completion_tokens includes
// reasoning and audio; a provider that counts reasoning outside (xAI) shows it by
// its total. A part larger than its whole is clamped and flagged.
func OpenAIUsage(u gjson.Result) llm.Usage {
	var usage llm.Usage
	part := func(whole *int64, n int64) int64 {
		if n < 0 || n > *whole {
			usage.Clamped = true
			n = max(0, min(n, *whole))
		}
		*whole -= n
		return n
	}
	prompt, completion := u.Get("prompt_tokens").Int(), u.Get("completion_tokens").Int()
	if prompt < 0 || completion < 0 {
		usage.Clamped = true
		prompt, completion = max(prompt, 0), max(completion, 0)
	}
	reasoning := u.Get("completion_tokens_details.reasoning_tokens").Int()
	if total := u.Get("total_tokens").Int(); reasoning > 0 && total == prompt+completion+reasoning {
		completion += reasoning
	} else if reasoning < 0 || reasoning > completion {
		usage.Clamped = true
	}
	usage.CacheRead = part(&prompt, firstInt(u, "prompt_tokens_details.cached_tokens", "prompt_cache_hit_tokens", "cached_tokens"))
	usage.CacheWrite5m = part(&prompt, u.Get("prompt_tokens_details.cache_write_tokens").Int())
	usage.AudioIn = part(&prompt, u.Get("prompt_tokens_details.audio_tokens").Int())
	usage.AudioOut = part(&completion, u.Get("completion_tokens_details.audio_tokens").Int())
	usage.Input, usage.Output = prompt, completion
	return usage
}

func firstInt(u gjson.Result, paths ...string) int64 {
	for _, path := range paths {
		if r := u.Get(path); r.Type == gjson.Number {
			return r.Int()
		}
	}
	return 0
}

func (m *openaiMeter) keep(data []byte) {
	if len(m.kept)+len(data) > keptBytes {
		m.countKept()
	}
	m.kept = append(append(m.kept, data...), '\n')
}

// countKept counts the output of the kept events and lets them go.
func (m *openaiMeter) countKept() {
	m.text = m.text[:0]
	gjson.ForEachLine(string(m.kept), func(chunk gjson.Result) bool {
		chunk.Get("choices").ForEach(func(_, choice gjson.Result) bool {
			m.take(choice.Get("delta"))
			m.take(choice.Get("message"))
			return true
		})
		return true
	})
	m.kept = m.kept[:0]
	if len(m.text) > 0 {
		m.counted += m.count(m.text)
	}
}

var textFields = [...]string{"content", "reasoning_content", "reasoning", "refusal"}

// take appends what a model wrote in a message or a delta.
func (m *openaiMeter) take(message gjson.Result) {
	for _, field := range textFields {
		if r := message.Get(field); r.Type == gjson.String {
			m.text = append(m.text, r.Str...)
		}
	}
	message.Get("tool_calls").ForEach(func(_, call gjson.Result) bool {
		m.text = append(m.text, call.Get("function.name").Str...)
		m.text = append(m.text, call.Get("function.arguments").Str...)
		return true
	})
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
