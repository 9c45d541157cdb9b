package provider

import (
	"bytes"
	"cmp"
	"fmt"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
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

// Reply reads a whole chat completion. It walks over the body once: what it needs
// stands at the top.
func (m *openaiMeter) Reply(body []byte) error {
	r := &m.reading
	err := jsonscan.Each(body, func(name, value []byte) {
		switch string(name) {
		case "model":
			r.Model = gjson.ParseBytes(value).String()
		case "service_tier":
			r.Tier = gjson.ParseBytes(value).String()
		case "choices":
			r.Finished = value[0] == '['
		case "usage":
			m.usage(value)
		}
	})
	if err != nil {
		*r = Reading{}
		return fmt.Errorf("cannot read the reply: %w", err)
	}
	r.Visible = true
	if !r.Reported {
		m.keep(body)
	}
	return nil
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
			m.usage([]byte(u.Raw))
			return
		}
	}
}

// usage reads a usage object, and the cost that OpenRouter and Perplexity put into it.
func (m *openaiMeter) usage(object []byte) {
	usage, err := openaiUsage(object)
	if err != nil {
		return
	}
	m.reading.Usage, m.reading.Reported = usage, true
	if !bytes.Contains(object, []byte(`"cost"`)) {
		return
	}
	for _, path := range []string{"cost", "cost.total_cost"} {
		if c := gjson.GetBytes(object, path); c.Type == gjson.Number {
			if v, err := llm.ParseMoney(c.Raw); err == nil {
				m.reading.Cost = llm.Known(v)
			}
		}
	}
}

// openaiCounts are the members of a usage object that are priced.
type openaiCounts struct {
	prompt, completion, total   int64
	cached, cacheWrite, audioIn int64
	cachedAtTop                 int64 // where DeepSeek and Moonshot have it
	reasoning, audioOut         int64
}

// read takes the counts out of a usage object and, by their own names, its details.
func (c *openaiCounts) read(object []byte) error {
	return jsonscan.Each(object, func(name, value []byte) {
		switch string(name) {
		case "prompt_tokens":
			c.prompt = integer(value)
		case "completion_tokens":
			c.completion = integer(value)
		case "total_tokens":
			c.total = integer(value)
		case "prompt_cache_hit_tokens", "cached_tokens":
			c.cachedAtTop = integer(value)
		case "prompt_tokens_details":
			c.promptDetails(value)
		case "completion_tokens_details":
			c.completionDetails(value)
		}
	})
}

func (c *openaiCounts) promptDetails(object []byte) {
	jsonscan.Items(object, func(name, value []byte) {
		switch string(name) {
		case "cached_tokens":
			c.cached = integer(value)
		case "cache_write_tokens":
			c.cacheWrite = integer(value)
		case "audio_tokens":
			c.audioIn = integer(value)
		}
	})
}

func (c *openaiCounts) completionDetails(object []byte) {
	jsonscan.Items(object, func(name, value []byte) {
		switch string(name) {
		case "reasoning_tokens":
			c.reasoning = integer(value)
		case "audio_tokens":
			c.audioOut = integer(value)
		}
	})
}

// integer reads a JSON number; 0 is what anything else counts.
func integer(value []byte) int64 { return gjson.ParseBytes(value).Int() }

// openaiUsage reads a usage object of the chat API into disjoint classes. OpenAI's
// prompt_tokens includes cached and audio tokens, and completion_tokens includes
// reasoning and audio; a provider that counts reasoning outside (xAI) shows it by
// its total. A part larger than its whole is clamped and flagged. The error says
// that it is no JSON object.
func openaiUsage(object []byte) (llm.Usage, error) {
	var c openaiCounts
	var usage llm.Usage
	if err := c.read(object); err != nil {
		return usage, err
	}
	part := func(whole *int64, n int64) int64 {
		if n < 0 || n > *whole {
			usage.Clamped = true
			n = max(0, min(n, *whole))
		}
		*whole -= n
		return n
	}
	if c.prompt < 0 || c.completion < 0 {
		usage.Clamped = true
		c.prompt, c.completion = max(c.prompt, 0), max(c.completion, 0)
	}
	if c.reasoning > 0 && c.total == c.prompt+c.completion+c.reasoning {
		c.completion += c.reasoning
	} else if c.reasoning < 0 || c.reasoning > c.completion {
		usage.Clamped = true
	}
	usage.CacheRead = part(&c.prompt, cmp.Or(c.cached, c.cachedAtTop))
	usage.CacheWrite5m = part(&c.prompt, c.cacheWrite)
	usage.AudioIn = part(&c.prompt, c.audioIn)
	usage.AudioOut = part(&c.completion, c.audioOut)
	usage.Input, usage.Output = c.prompt, c.completion
	return usage, nil
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
