package traffic

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/provider"
)

// answer is what an answer says to its reader, in the words of no dialect.
type answer struct {
	status  int
	text    string
	refusal string
	calls   []string // of tools: name and arguments
	finish  string   // stop, tool_calls, length, content_filter; empty: it does not say
	usage   usage
	total   int64  // in tokens, where the provider sums usage up itself; 0: it does not
	failure string // the message of an error, which may come within a stream
}

// usage is in tokens. Input includes cached, output includes reasoning.
type usage struct{ input, output, cached, reasoning int64 }

// canonical is JSON whatever its whitespace, its order and its form of numbers.
func canonical(raw string) string {
	if raw == "" || raw == "null" {
		raw = "{}"
	}
	var v any
	if json.Unmarshal([]byte(raw), &v) != nil {
		return "!" + raw
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// event is a server-sent event.
type event struct{ name, data string }

// events reads a stream of server-sent events:
// https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
func events(body []byte) (all []event) {
	var e event
	var data []string
	for line := range strings.Lines(strings.ReplaceAll(string(body), "\r\n", "\n") + "\n\n") {
		switch name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":"); name {
		case "":
			if line == "\n" && data != nil {
				e.data = strings.Join(data, "\n")
				all, data, e = append(all, e), nil, event{}
			}
		case "event":
			e.name = strings.TrimPrefix(value, " ")
		case "data":
			data = append(data, strings.TrimPrefix(value, " "))
		}
	}
	return all
}

// values are the JSON values of a body: that of each event, or each element of an array, or one.
func values(body []byte, stream bool) (all []gjson.Result) {
	trimmed := bytes.TrimSpace(body)
	switch {
	case bytes.HasPrefix(trimmed, []byte("[")):
		return gjson.ParseBytes(trimmed).Array()
	case !stream || bytes.HasPrefix(trimmed, []byte("{")):
		return []gjson.Result{gjson.ParseBytes(trimmed)}
	}
	for _, e := range events(body) {
		if e.data != "[DONE]" {
			all = append(all, gjson.Parse(e.data))
		}
	}
	return all
}

// messageOf is the message of an error, whatever its shape.
func messageOf(body []byte) string {
	v := gjson.ParseBytes(bytes.TrimSpace(body))
	if v.IsArray() {
		v = v.Get("0")
	}
	for _, path := range []string{"error.message", "message", "Message", "detail", "msg", "error"} {
		if m := v.Get(path); m.Type == gjson.String {
			return m.Str
		}
	}
	return ""
}

var finishes = map[string]string{
	"stop": "stop", "length": "length", "tool_calls": "tool_calls", "content_filter": "content_filter", "function_call": "tool_calls",
	"end_turn": "stop", "stop_sequence": "stop", "pause_turn": "stop", "tool_use": "tool_calls", "max_tokens": "length", "refusal": "content_filter",
	"model_context_window_exceeded": "length", "guardrail_intervened": "content_filter", "content_filtered": "content_filter",
	"STOP": "stop", "MAX_TOKENS": "length", "COMPLETE": "stop", "STOP_SEQUENCE": "stop", "TOOL_CALL": "tool_calls",
}

func finishOf(word string) string {
	if known, ok := finishes[word]; ok || word == "" {
		return known
	}
	return "content_filter"
}

// call is one of a tool whose arguments come in pieces.
type call struct{ name, arguments string }

func (a *answer) called(calls []call) {
	for _, c := range calls {
		a.calls = append(a.calls, c.name+canonical(c.arguments))
	}
}

func readChat(body []byte, stream bool) (a answer) {
	a.status = 200
	var calls []call
	for _, v := range values(body, stream) {
		if e := v.Get("error"); e.Exists() && e.Type != gjson.Null {
			a.failure = messageOf([]byte(v.Raw))
		}
		if u := v.Get("usage"); u.IsObject() {
			a.usage = usage{u.Get("prompt_tokens").Int(), u.Get("completion_tokens").Int(), u.Get("prompt_tokens_details.cached_tokens").Int(), u.Get("completion_tokens_details.reasoning_tokens").Int()}
		}
		c := v.Get("choices.0")
		if !c.Exists() || c.Get("index").Int() != 0 {
			continue
		}
		if f := c.Get("finish_reason").Str; f != "" {
			a.finish = finishOf(f)
		}
		m := c.Get("message")
		if stream {
			m = c.Get("delta")
		}
		a.text += m.Get("content").Str
		a.refusal += m.Get("refusal").Str
		for i, t := range m.Get("tool_calls").Array() {
			if stream {
				i = int(t.Get("index").Int())
			}
			if i < 0 || i > len(calls) {
				a.failure = "a tool call has the wrong index: " + t.Raw
				return a
			}
			if i == len(calls) {
				calls = append(calls, call{})
			}
			calls[i].name += t.Get("function.name").Str + t.Get("custom.name").Str
			calls[i].arguments += t.Get("function.arguments").Str + t.Get("custom.input").Raw
		}
	}
	a.called(calls)
	return a
}

func readAnthropic(body []byte, stream bool) (a answer) {
	a.status = 200
	var calls []call
	var u struct{ input, output, read, written, thought int64 }
	count := func(r gjson.Result) {
		for name, n := range map[string]*int64{"input_tokens": &u.input, "output_tokens": &u.output, "cache_read_input_tokens": &u.read, "cache_creation_input_tokens": &u.written,
			"output_tokens_details.thinking_tokens": &u.thought} {
			if v := r.Get(name); v.Type == gjson.Number {
				*n = v.Int()
			}
		}
	}
	block := func(b gjson.Result) {
		switch b.Get("type").Str {
		case "text":
			a.text += b.Get("text").Str
		case "tool_use":
			c := call{name: b.Get("name").Str}
			if in := b.Get("input").Raw; in != "{}" {
				c.arguments = in
			}
			calls = append(calls, c)
		}
	}
	tool := false
	for _, v := range values(body, stream) {
		switch v.Get("type").Str {
		case "message":
			count(v.Get("usage"))
			a.finish = finishOf(v.Get("stop_reason").Str)
			for _, b := range v.Get("content").Array() {
				block(b)
			}
		case "message_start":
			count(v.Get("message.usage"))
		case "content_block_start":
			tool = v.Get("content_block.type").Str == "tool_use"
			block(v.Get("content_block"))
		case "content_block_delta":
			a.text += v.Get("delta.text").Str
			if tool {
				calls[len(calls)-1].arguments += v.Get("delta.partial_json").Str
			}
		case "message_delta":
			count(v.Get("usage"))
			a.finish = finishOf(v.Get("delta.stop_reason").Str)
		case "error":
			a.failure = messageOf([]byte(v.Raw))
		}
	}
	a.called(calls)
	a.usage = usage{input: u.input + u.read + u.written, output: u.output, cached: u.read, reasoning: u.thought}
	return a
}

func readGemini(body []byte, stream bool) (a answer) {
	a.status = 200
	for _, v := range values(body, stream) {
		if v.Get("error").Exists() {
			a.failure = messageOf([]byte(v.Raw))
		}
		if u := v.Get("usageMetadata"); u.IsObject() {
			thought := u.Get("thoughtsTokenCount").Int()
			a.usage = usage{u.Get("promptTokenCount").Int() + u.Get("toolUsePromptTokenCount").Int(), u.Get("candidatesTokenCount").Int() + thought, u.Get("cachedContentTokenCount").Int(), thought}
		}
		if v.Get("promptFeedback.blockReason").Exists() {
			a.finish = "content_filter"
		}
		var c gjson.Result
		for _, each := range v.Get("candidates").Array() {
			if each.Get("index").Int() == 0 {
				c = each
			}
		}
		for _, p := range c.Get("content.parts").Array() {
			if !p.Get("thought").Bool() {
				a.text += p.Get("text").Str
			}
			if f := p.Get("functionCall"); f.Exists() {
				a.calls = append(a.calls, f.Get("name").Str+canonical(f.Get("args").Raw))
			}
		}
		if f := c.Get("finishReason").Str; f != "" {
			a.finish = finishOf(f)
		}
	}
	if a.finish == "stop" && len(a.calls) > 0 {
		a.finish = "tool_calls"
	}
	return a
}

func readResponses(body []byte, stream bool) (a answer) {
	a.status = 200
	item := func(o gjson.Result, text bool) {
		switch o.Get("type").Str {
		case "message":
			for _, p := range o.Get("content").Array() {
				if text {
					a.text += p.Get("text").Str
					a.refusal += p.Get("refusal").Str
				}
			}
		case "function_call":
			a.calls = append(a.calls, o.Get("name").Str+canonical(o.Get("arguments").Str))
		}
	}
	whole := func(r gjson.Result) {
		u := r.Get("usage")
		a.usage = usage{u.Get("input_tokens").Int(), u.Get("output_tokens").Int(), u.Get("input_tokens_details.cached_tokens").Int(), u.Get("output_tokens_details.reasoning_tokens").Int()}
		switch r.Get("status").Str {
		case "completed":
			a.finish = "stop"
			if len(a.calls) > 0 {
				a.finish = "tool_calls"
			}
		case "incomplete":
			a.finish = map[string]string{"max_output_tokens": "length", "content_filter": "content_filter"}[r.Get("incomplete_details.reason").Str]
		case "failed":
			a.failure = r.Get("error.message").Str
		}
	}
	for _, v := range values(body, stream) {
		switch v.Get("type").Str {
		case "":
			if v.Get("error").IsObject() {
				a.failure = messageOf([]byte(v.Raw))
			}
			for _, o := range v.Get("output").Array() {
				item(o, true)
			}
			whole(v)
		case "response.output_text.delta":
			a.text += v.Get("delta").Str
		case "response.refusal.delta":
			a.refusal += v.Get("delta").Str
		case "response.output_item.done":
			item(v.Get("item"), false)
		case "response.completed", "response.incomplete", "response.failed":
			whole(v.Get("response"))
		case "error":
			a.failure = messageOf([]byte(v.Raw))
		}
	}
	return a
}

func readCohere(body []byte, stream bool) (a answer) {
	a.status = 200
	var calls []call
	whole := func(r gjson.Result) {
		a.finish = finishOf(r.Get("finish_reason").Str)
		u := r.Get("usage.billed_units")
		a.usage = usage{input: u.Get("input_tokens").Int(), output: u.Get("output_tokens").Int(), reasoning: r.Get("usage.tokens.reasoning_tokens").Int()}
	}
	for _, v := range values(body, stream) {
		m := v.Get("delta.message")
		switch v.Get("type").Str {
		case "":
			for _, p := range v.Get("message.content").Array() {
				a.text += p.Get("text").Str
			}
			for _, c := range v.Get("message.tool_calls").Array() {
				calls = append(calls, call{c.Get("function.name").Str, c.Get("function.arguments").Str})
			}
			whole(v)
		case "content-start", "content-delta":
			a.text += m.Get("content.text").Str
		case "tool-call-start":
			calls = append(calls, call{m.Get("tool_calls.function.name").Str, m.Get("tool_calls.function.arguments").Str})
		case "tool-call-delta":
			calls[len(calls)-1].arguments += m.Get("tool_calls.function.arguments").Str
		case "message-end":
			whole(v.Get("delta"))
		}
	}
	a.called(calls)
	return a
}

// messages are those of an AWS event stream.
func messages(body []byte) (all []provider.Message) {
	var s provider.EventStream
	whole, err := s.Feed(body)
	if err != nil {
		return nil
	}
	for len(whole) > 0 {
		var one []byte
		one, whole = provider.NextMessage(whole)
		if m, err := provider.ParseMessage(one); err == nil {
			all = append(all, m)
		}
	}
	return all
}

// invoked is a stream of invoke as the server-sent events of the model's own API.
func invoked(body []byte, stream bool) []byte {
	if !stream {
		return body
	}
	var out []byte
	for _, m := range messages(body) {
		data, _ := base64.StdEncoding.DecodeString(gjson.GetBytes(m.Payload, "bytes").Str)
		out = append(append(append(out, "data: "...), data...), "\n\n"...)
	}
	return out
}

func readConverse(body []byte, stream bool) (a answer) {
	a.status = 200
	var calls []call
	count := func(u gjson.Result) {
		cached := u.Get("cacheReadInputTokens").Int()
		a.usage = usage{u.Get("inputTokens").Int() + cached + u.Get("cacheWriteInputTokens").Int(), u.Get("outputTokens").Int(), cached, 0}
	}
	if !stream {
		v := gjson.ParseBytes(body)
		for _, b := range v.Get("output.message.content").Array() {
			a.text += b.Get("text").Str
			for _, c := range b.Get("citationsContent.content").Array() {
				a.text += c.Get("text").Str
			}
			if t := b.Get("toolUse"); t.Exists() && t.Get("type").Str != "server_tool_use" {
				calls = append(calls, call{t.Get("name").Str, t.Get("input").Raw})
			}
		}
		a.finish = finishOf(v.Get("stopReason").Str)
		count(v.Get("usage"))
		a.called(calls)
		return a
	}
	for _, m := range messages(body) {
		v := gjson.ParseBytes(m.Payload)
		switch string(m.Event) {
		case "contentBlockStart":
			if t := v.Get("start.toolUse"); t.Exists() {
				calls = append(calls, call{name: t.Get("name").Str})
			}
		case "contentBlockDelta":
			a.text += v.Get("delta.text").Str
			if t := v.Get("delta.toolUse"); t.Exists() {
				calls[len(calls)-1].arguments += t.Get("input").Str
			}
		case "messageStop":
			a.finish = finishOf(v.Get("stopReason").Str)
		case "metadata":
			count(v.Get("usage"))
		}
	}
	a.called(calls)
	return a
}
