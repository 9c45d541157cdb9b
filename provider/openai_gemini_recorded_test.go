package provider

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// Gemini's recorded replies, as an OpenAI client reads their translation.

// chatAnswer is what a client makes of an answer: choice 0, and the usage.
type chatAnswer struct {
	text, reasoning, refusal, finish     string
	calls                                []chatToolCall
	prompt, completion, cached, thoughts int64
	errorMessage                         string
}

type chatToolCall struct{ id, name, args, signature string }

func TestRecordedOpenAIGeminiReplies(t *testing.T) {
	expected := map[string]gjson.Result{}
	recorded(t, "expected.jsonl", func(e gjson.Result) { expected[e.Get("id").String()] = gjson.Parse(e.Raw) })
	replies, streams := 0, 0
	recorded(t, "exchanges.jsonl", func(x gjson.Result) {
		id := x.Get("id").String()
		if x.Get("api").String() != "gemini.generateContent" {
			return
		}
		body := []byte(x.Get("response.body").String())
		if x.Get("response.body_encoding").String() == "base64" {
			body, _ = base64.StdEncoding.DecodeString(string(body))
		}
		var got chatAnswer
		var err error
		if x.Get("stream").Bool() && x.Get("response.status").Int() == 200 {
			streams++
			got, err = geminiStreamed(body)
		} else {
			replies++
			got, err = geminiReplied(body)
		}
		if err != nil {
			t.Errorf("%s: %v", id, err)
			return
		}
		if why := geminiDiffers(got, expected[id]); why != "" {
			t.Errorf("%s: %s", id, why)
		}
	})
	if replies == 0 || streams == 0 {
		t.Errorf("%d replies and %d streams", replies, streams)
	}
	t.Logf("%d replies and %d streams are as their summaries say", replies, streams)
}

// geminiReplied translates a whole reply and reads it as a client does.
func geminiReplied(body []byte) (chatAnswer, error) {
	out, err := newOpenAIGemini(Call{Send: "gemini-3-flash-preview"}).Reply(nil, body)
	if err != nil {
		return chatAnswer{}, err
	}
	if !json.Valid(out) {
		return chatAnswer{}, fmt.Errorf("not JSON: %s", out)
	}
	var a chatAnswer
	whole := gjson.ParseBytes(out)
	a.errorMessage = whole.Get("error.message").String()
	a.take(whole.Get("choices.0.message"))
	a.finish = whole.Get("choices.0.finish_reason").String()
	a.spend(whole.Get("usage"))
	return a, nil
}

// geminiStreamed translates a stream, with a usage chunk, and reads it as a client does.
func geminiStreamed(body []byte) (chatAnswer, error) {
	tr := newOpenAIGemini(Call{Send: "gemini-3-flash-preview", AskUsage: true}).(*openaiGemini)
	var out []byte
	var err error
	for _, event := range geminiEvents(body) {
		if out, err = tr.Event(out, event); err != nil {
			return chatAnswer{}, err
		}
	}
	return readChunks(tr.End(out))
}

// geminiEvents cuts a recorded stream into events; an array's elements become events.
func geminiEvents(body []byte) (events [][]byte) {
	if len(body) > 0 && body[0] == '[' {
		var elements Elements
		whole, _ := elements.Feed(body)
		for len(whole) > 0 {
			var data []byte
			if _, data, whole = NextElement(whole); data != nil {
				var compact bytes.Buffer
				_ = json.Compact(&compact, data)
				events = append(events, fmt.Appendf(nil, "data: %s\n\n", compact.Bytes()))
			}
		}
		return events
	}
	var cut Events
	whole, _ := cut.Feed(body)
	for len(whole) > 0 {
		var event []byte
		event, whole = NextEvent(whole)
		events = append(events, bytes.Clone(event))
	}
	return events
}

// readChunks reads a stream as a client does and holds it against the protocol's rules.
func readChunks(stream []byte) (a chatAnswer, err error) {
	var cut Events
	whole, _ := cut.Feed(stream)
	if rest := cut.Rest(); len(rest) > 0 {
		return a, fmt.Errorf("half an event: %q", rest)
	}
	id, done, started := "", false, map[int64]bool{}
	for len(whole) > 0 {
		var event []byte
		event, whole = NextEvent(whole)
		data := Data(nil, event)
		if done {
			return a, fmt.Errorf("behind the end: %s", data)
		}
		if string(data) == "[DONE]" {
			done = true
			continue
		}
		if !json.Valid(data) {
			return a, fmt.Errorf("not JSON: %s", data)
		}
		chunk := gjson.ParseBytes(data)
		if m := chunk.Get("error.message"); m.Exists() {
			a.errorMessage = m.String()
			continue
		}
		if id == "" {
			id = chunk.Get("id").String()
		}
		if chunk.Get("id").String() != id || chunk.Get("object").String() != "chat.completion.chunk" {
			return a, fmt.Errorf("another id or object: %s", data)
		}
		for _, choice := range chunk.Get("choices").Array() {
			index := choice.Get("index").Int()
			if choice.Get("delta.role").Exists() == started[index] {
				return a, fmt.Errorf("the role is not in the first chunk alone: %s", data)
			}
			started[index] = true
			if index != 0 {
				continue
			}
			if a.finish != "" {
				return a, fmt.Errorf("behind the finish: %s", data)
			}
			a.take(choice.Get("delta"))
			a.finish = choice.Get("finish_reason").String()
		}
		if u := chunk.Get("usage"); u.IsObject() {
			a.spend(u)
		}
	}
	if done != (a.finish != "") {
		return a, fmt.Errorf("done %v with finish %q", done, a.finish)
	}
	return a, nil
}

// take adds a message or a delta.
func (a *chatAnswer) take(m gjson.Result) {
	a.text += m.Get("content").String()
	a.reasoning += m.Get("reasoning_content").String()
	a.refusal += m.Get("refusal").String()
	for _, c := range m.Get("tool_calls").Array() {
		if i := c.Get("index"); i.Exists() && i.Int() != int64(len(a.calls)) {
			a.refusal += "call out of order" // differs from every expectation
		}
		a.calls = append(a.calls, chatToolCall{c.Get("id").String(), c.Get("function.name").String(), c.Get("function.arguments").String(),
			c.Get("extra_content.google.thought_signature").String()})
	}
}

func (a *chatAnswer) spend(u gjson.Result) {
	a.prompt, a.completion = u.Get("prompt_tokens").Int(), u.Get("completion_tokens").Int()
	a.cached, a.thoughts = u.Get("prompt_tokens_details.cached_tokens").Int(), u.Get("completion_tokens_details.reasoning_tokens").Int()
}

// geminiDiffers says in what an answer differs from its golden summary.
func geminiDiffers(got chatAnswer, want gjson.Result) string {
	if message := want.Get("error.message"); message.Exists() {
		if got.errorMessage != message.String() {
			return fmt.Sprintf("error %q, want %q", got.errorMessage, message)
		}
		return ""
	}
	u := func(name string) int64 { return want.Get("usage." + name).Int() }
	calls := want.Get("tool_calls").Array()
	finish := map[string]string{"1": "stop", "2": "length"}[want.Get("finish").String()]
	switch {
	case finish == "":
		finish = want.Get("finish").String()
	case finish == "stop" && len(calls) > 0:
		finish = "tool_calls"
	}
	for _, d := range []struct {
		what      string
		got, want any
	}{
		{"text", got.text, want.Get("text").String()},
		{"reasoning", got.reasoning, want.Get("reasoning").String()},
		{"refusal", got.refusal, want.Get("refusal").String()},
		{"finish", got.finish, finish},
		{"prompt tokens", got.prompt, u("total") - u("output") - u("reasoning")},
		{"completion tokens", got.completion, u("output") + u("reasoning")},
		{"cached tokens", got.cached, u("cached")},
		{"thoughts", got.thoughts, u("reasoning")},
		{"calls", len(got.calls), len(calls)},
	} {
		if d.got != d.want {
			return fmt.Sprintf("%s %v, want %v", d.what, d.got, d.want)
		}
	}
	seen := map[string]bool{}
	for i, c := range calls {
		g := got.calls[i]
		if id := c.Get("id").String(); id != "" && g.id != id || g.id == "" || seen[g.id] {
			return fmt.Sprintf("call %d has id %q, want %q", i, g.id, id)
		}
		seen[g.id] = true
		var a, b any
		if json.Unmarshal([]byte(g.args), &a) != nil || json.Unmarshal([]byte(c.Get("args").Raw), &b) != nil || !reflect.DeepEqual(a, b) || g.name != c.Get("name").String() {
			return fmt.Sprintf("call %d is %s(%s), want %s", i, g.name, g.args, c.Raw)
		}
	}
	return ""
}

// Every recorded OpenAI request becomes one that keeps Gemini's rules, or an error
// that names one of its fields.
func TestRecordedOpenAIGeminiRequests(t *testing.T) {
	fields := map[string]int{}
	translated := 0
	recorded(t, "exchanges.jsonl", func(x gjson.Result) {
		if x.Get("api").String() != "openai.chat" {
			return
		}
		body := x.Get("request.body")
		if !body.IsObject() || x.Get("request_recorded").Raw == "false" {
			return
		}
		out, err := newOpenAIGemini(Call{Send: "gemini-3-flash-preview"}).Request(nil, []byte(body.Raw))
		if err != nil {
			field, _, _ := strings.Cut(err.Error(), ":")
			if top, _, _ := strings.Cut(field, "."); !body.Get(top).Exists() {
				t.Errorf("%s: the error names no field: %v", x.Get("id"), err)
			}
			fields[pathPattern(field)]++
			return
		}
		translated++
		if why := againstGeminiRules(out); why != "" {
			t.Errorf("%s: %s\n%s", x.Get("id"), why, out[:min(len(out), 2000)])
		}
	})
	t.Logf("%d translated; refused by field: %v", translated, fields)
	if translated == 0 {
		t.Error("nothing was translated")
	}
}

// pathPattern is a path without its numbers.
func pathPattern(path string) string {
	parts := strings.Split(path, ".")
	for i, p := range parts {
		if strings.Trim(p, "0123456789") == "" {
			parts[i] = "N"
		}
	}
	return strings.Join(parts, ".")
}

// againstGeminiRules says what a generateContent request violates, if anything:
// https://ai.google.dev/api/generate-content.
func againstGeminiRules(out []byte) string {
	if !json.Valid(out) || jsonscan.Each(out, func(_, _ []byte) {}) != nil {
		return "not JSON"
	}
	body := gjson.ParseBytes(out)
	why := unknownMember(body, "contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "serviceTier", "cachedContent")
	why += unknownMember(body.Get("generationConfig"), "temperature", "topP", "candidateCount", "seed", "presencePenalty", "frequencyPenalty", "maxOutputTokens",
		"stopSequences", "responseLogprobs", "logprobs", "responseMimeType", "responseJsonSchema", "thinkingConfig", "mediaResolution")
	contents := body.Get("contents").Array()
	if len(contents) == 0 {
		return "no contents"
	}
	open := 0
	for i, c := range contents {
		role, parts := c.Get("role").Str, c.Get("parts").Array()
		if role != "user" && role != "model" || len(parts) == 0 {
			return fmt.Sprintf("content %d has role %q and %d parts", i, role, len(parts))
		}
		calls, results := 0, 0
		for _, p := range parts {
			kinds := 0
			p.ForEach(func(name, _ gjson.Result) bool {
				if name.Str != "thoughtSignature" && name.Str != "thought" {
					kinds++
				}
				return true
			})
			if kinds != 1 {
				return fmt.Sprintf("part %s", p.Raw)
			}
			if p.Get("functionCall").Exists() {
				calls++
				if !p.Get("functionCall.args").IsObject() {
					return "arguments are no object"
				}
			}
			if r := p.Get("functionResponse"); r.Exists() {
				results++
				if !r.Get("response").IsObject() || r.Get("name").Str == "" {
					return "a result is no object or has no name"
				}
			}
		}
		if results > 0 && results != open {
			return fmt.Sprintf("content %d has %d results of %d calls", i, results, open)
		}
		open = calls
		if i > 0 && role == "model" && contents[i-1].Get("role").Str == "model" {
			return "the model speaks twice"
		}
	}
	return why
}

func unknownMember(object gjson.Result, names ...string) (why string) {
	seen := map[string]bool{}
	object.ForEach(func(name, _ gjson.Result) bool {
		if !slices.Contains(names, name.Str) || seen[name.Str] {
			why += "member " + name.Str + "; "
		}
		seen[name.Str] = true
		return true
	})
	return why
}
