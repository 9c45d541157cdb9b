package provider

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
	"github.com/generic-corp/halfpenny/llm"
)

// claudeAnswer is what a client of OpenAI's makes of a reply, in the words of the golden summaries.
type claudeAnswer struct {
	Text, Reasoning, Finish, Calls, Error string
	Input, Output, Cached                 int64
}

// goldenClaude is the same of a golden summary.
func goldenClaude(e gjson.Result) (a claudeAnswer) {
	if e.Get("error").Exists() {
		return claudeAnswer{Error: e.Get("error.message").Str + " " + e.Get("error.type").Str}
	}
	u := e.Get("usage")
	a = claudeAnswer{Text: e.Get("text").Str, Reasoning: e.Get("reasoning").Str, Finish: e.Get("finish").Str, Input: u.Get("input_total").Int(), Output: u.Get("output").Int(), Cached: u.Get("cached").Int()}
	e.Get("tool_calls").ForEach(func(_, c gjson.Result) bool {
		a.Calls += c.Get("id").Str + " " + c.Get("name").Str + canonicalArguments(c.Get("args").Raw) + "; "
		return true
	})
	return a
}

func canonicalArguments(raw string) string {
	var v any
	if err := json.Unmarshal([]byte(raw), &v); err != nil {
		return "! " + raw
	}
	b, _ := json.Marshal(v)
	return string(b)
}

func (a *claudeAnswer) usage(u gjson.Result) {
	a.Input, a.Output, a.Cached = u.Get("prompt_tokens").Int(), u.Get("completion_tokens").Int(), u.Get("prompt_tokens_details.cached_tokens").Int()
}

// claudeReplyAnswer reads a chat completion.
func claudeReplyAnswer(body gjson.Result) (a claudeAnswer) {
	if e := body.Get("error"); e.Exists() {
		return claudeAnswer{Error: e.Get("message").Str + " " + e.Get("type").Str}
	}
	m := body.Get("choices.0.message")
	a = claudeAnswer{Text: m.Get("content").Str, Reasoning: m.Get("reasoning_content").Str, Finish: body.Get("choices.0.finish_reason").Str}
	m.Get("tool_calls").ForEach(func(_, c gjson.Result) bool {
		a.Calls += c.Get("id").Str + " " + c.Get("function.name").Str + canonicalArguments(c.Get("function.arguments").Str) + "; "
		return true
	})
	a.usage(body.Get("usage"))
	return a
}

// claudeStreamAnswer adds the chunks of a stream up as the SDKs do, and holds what they rely on.
func claudeStreamAnswer(stream []byte) (a claudeAnswer, err error) {
	type call struct{ id, name, arguments string }
	var calls []call
	id, usages, finishes, last := "", 0, 0, ""
	for len(stream) > 0 {
		var event []byte
		if event, stream = NextEvent(stream); len(event) == 0 {
			return a, fmt.Errorf("the stream ends within an event: %q", stream)
		}
		if last = string(Data(nil, event)); last == "[DONE]" {
			continue
		}
		if !gjson.Valid(last) {
			return a, fmt.Errorf("not JSON: %s", last)
		}
		chunk := gjson.Parse(last)
		if e := chunk.Get("error"); e.Exists() {
			a.Error = e.Get("message").Str + " " + e.Get("type").Str
			continue
		}
		if id == "" {
			id = chunk.Get("id").Str
		}
		if id == "" || chunk.Get("id").Str != id || chunk.Get("object").Str != "chat.completion.chunk" {
			return a, fmt.Errorf("not a chunk of %s: %s", id, last)
		}
		if u := chunk.Get("usage"); u.Exists() {
			usages++
			a.usage(u)
		}
		if f := chunk.Get("choices.0.finish_reason").Str; f != "" {
			finishes++
			a.Finish = f
		}
		delta := chunk.Get("choices.0.delta")
		a.Text += delta.Get("content").Str
		a.Reasoning += delta.Get("reasoning_content").Str
		for _, c := range delta.Get("tool_calls").Array() {
			i := int(c.Get("index").Int())
			if c.Get("id").Exists() {
				if i != len(calls) {
					return a, fmt.Errorf("call %d has index %d", len(calls), i)
				}
				calls = append(calls, call{c.Get("id").Str, c.Get("function.name").Str, ""})
			}
			if i >= len(calls) {
				return a, fmt.Errorf("no call has begun at index %d", i)
			}
			calls[i].arguments += c.Get("function.arguments").Str
		}
	}
	for _, c := range calls {
		a.Calls += c.id + " " + c.name + canonicalArguments(c.arguments) + "; "
	}
	if a.Error == "" && (usages != 1 || finishes != 1 || last != "[DONE]") {
		return a, fmt.Errorf("%d usages, %d finish reasons, and %q at the end", usages, finishes, last)
	}
	return a, nil
}

// joinedClaude are recordings in which several streams of one conversation stand one behind
// the other, which no reply is, so that their summaries mix the streams up. The first
// is what is told: its calls, input and output.
var joinedClaude = map[string]claudeAnswer{
	"anthropic-messages_anthropic_583c49ee50": {Calls: `toolu_019nRrfqqXcU5NPTUSYfEMAY get_weather{"location":"San Francisco, CA"}; `, Input: 1630, Output: 158},
	"anthropic-messages_anthropic_6f075521a5": {Calls: `toolu_01U8pzAHj2vNdPCA2Kf8JjeN readNoteTree{"noteId":"d10aa585-982b-4bd9-984e-420f9b3717f7"}; `, Input: 879, Output: 177},
	"anthropic-messages_anthropic_d3b57765ae": {Calls: `toolu_01WPkY6CkyJnFsaCqY7SZ9FX readNoteTree{"noteId":"d10aa585-982b-4bd9-984e-420f9b3717f7"}; `, Input: 904, Output: 175},
	"anthropic-messages_anthropic_ec398d606d": {Calls: `toolu_01UmPwkecewaEpMupy2ywk8b get_temp_data{"location":"San Francisco, CA"}; `, Input: 1681, Output: 163},
}

// TestOpenAIAnthropicRecordedReplies holds every recorded reply of Anthropic's, as a
// client of OpenAI's sees it, against its golden summary.
func TestOpenAIAnthropicRecordedReplies(t *testing.T) {
	expected := map[string]string{}
	recorded(t, "expected.jsonl", func(e gjson.Result) { expected[e.Get("id").String()] = e.Raw })
	equal, streams, all := 0, 0, 0
	recorded(t, "exchanges.jsonl", func(x gjson.Result) {
		if x.Get("api").String() != "anthropic.messages" {
			return
		}
		all++
		id, body := x.Get("id").String(), []byte(x.Get("response.body").String())
		want := goldenClaude(gjson.Parse(expected[id]))
		meter := NewMeter(llm.EndpointChat, llm.DialectOpenAI, bytesCount)
		var got claudeAnswer
		var out []byte
		var err error
		tr := newOpenAIAnthropic(Call{Send: "m", AskUsage: true})
		if x.Get("stream").Bool() && x.Get("response.status").Int() == 200 {
			streams++
			if out, err = translateClaude(tr, body); err == nil {
				got, err = claudeStreamAnswer(out)
			}
			err = firstError(err, feed(meter, out, len(out)))
		} else if out, err = tr.Reply(nil, body); err == nil && json.Valid(out) {
			got = claudeReplyAnswer(gjson.ParseBytes(out))
			_ = meter.Reply(out)
		}
		if first, ok := joinedClaude[id]; ok && err == nil {
			if strings.Count(string(body), `"type":"message_start"`) < 2 || got.Finish != "tool_calls" || first != (claudeAnswer{Calls: got.Calls, Input: got.Input, Output: got.Output}) {
				t.Errorf("%s: got %+v", id, got)
			}
			return
		}
		if err != nil || got != want {
			t.Errorf("%s: %v\n got %+v\nwant %+v", id, err, got, want)
			return
		}
		equal++
		if u := summarize(&meter.Reading().Usage); got.Error == "" && u != (summary{want.Input, want.Output, want.Cached, u.written}) {
			t.Errorf("%s: the client's own count is %+v of %+v", id, u, want)
		}
	})
	t.Logf("%d of %d replies equal, %d of them streams", equal, all, streams)
	if all < 198 {
		t.Errorf("only %d replies", all)
	}
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func translateClaude(tr Translator, stream []byte) (out []byte, err error) {
	var cut Events
	whole, err := cut.Feed(stream)
	for len(whole) > 0 && err == nil {
		var event []byte
		event, whole = NextEvent(whole)
		out, err = tr.Event(out, event)
	}
	return out, err
}

// TestOpenAIAnthropicRecordedRequests takes every recorded chat request to Claude:
// each becomes one that obeys Anthropic's rules, or an error that names a field.
func TestOpenAIAnthropicRecordedRequests(t *testing.T) {
	errors, sent, all := map[string]int{}, 0, 0
	field := regexp.MustCompile(`^([a-z_]+)[][0-9a-z_.]*: `)
	recorded(t, "exchanges.jsonl", func(x gjson.Result) {
		if x.Get("api").String() != "openai.chat" {
			return
		}
		all++
		body := []byte(x.Get("request.body").Raw)
		drop := []jsonscan.Member{{Name: []byte("models")}, {Name: []byte("provider")}}
		out, err := newOpenAIAnthropic(Call{Send: "claude-opus-4-6", Drop: drop}).Request(nil, body)
		if err != nil {
			if m := field.FindStringSubmatch(err.Error()); m == nil || !bytes.Contains(body, []byte(`"`+m[1]+`"`)) && m[1] != "messages" {
				t.Errorf("%s: the error %v names no field", x.Get("id"), err)
			}
			errors[regexp.MustCompile(`\d+|call \S+`).ReplaceAllString(err.Error(), "#")]++
			return
		}
		sent++
		if err := obeysAnthropic(out); err != nil {
			t.Errorf("%s: %v\n%s", x.Get("id"), err, out)
		}
		if got, want := saidToClaude(out), saidToClaude(body); got != want {
			t.Errorf("%s: the text is\n%s\nwant\n%s", x.Get("id"), got, want)
		}
	})
	t.Logf("%d of %d requests translated; refused:", sent, all)
	for e, n := range errors {
		t.Logf("%4d %s", n, e)
	}
	if all < 556 || sent < 480 {
		t.Errorf("%d of %d", sent, all)
	}
}

// saidToClaude is the text of a request of either dialect, role by role: Anthropic's system,
// then the user's and tools', then the assistant's. Blank texts say nothing.
func saidToClaude(body []byte) string {
	var user, assistant strings.Builder
	var text func(to *strings.Builder, v gjson.Result)
	text = func(to *strings.Builder, v gjson.Result) {
		switch {
		case v.Type == gjson.String && strings.TrimSpace(v.Str) != "":
			to.WriteString(v.Str + "|")
		case v.IsArray():
			v.ForEach(func(_, part gjson.Result) bool {
				text(to, part.Get("text"))
				text(to, part.Get("content"))
				return true
			})
		}
	}
	text(&user, gjson.GetBytes(body, "system"))
	gjson.GetBytes(body, "messages").ForEach(func(_, m gjson.Result) bool {
		if m.Get("role").Str == "assistant" {
			text(&assistant, m.Get("content"))
		} else {
			text(&user, m.Get("content"))
		}
		return true
	})
	return user.String() + "\n" + assistant.String()
}

var anthropicID = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)

// obeysAnthropic holds a request against the rules that Anthropic documents.
func obeysAnthropic(body []byte) error {
	if !json.Valid(body) {
		return fmt.Errorf("not JSON")
	}
	r := gjson.ParseBytes(body)
	if r.Get("model").Str == "" || r.Get("max_tokens").Int() < 1 || len(r.Get("messages").Array()) == 0 {
		return fmt.Errorf("a required field is missing")
	}
	if b := r.Get("thinking.budget_tokens"); b.Exists() && b.Int() >= r.Get("max_tokens").Int() {
		return fmt.Errorf("max_tokens is not above the budget")
	}
	for _, tool := range r.Get("tools").Array() {
		if tool.Get("name").Str == "" || tool.Get("input_schema.type").Str != "object" {
			return fmt.Errorf("bad tool %s", tool.Raw)
		}
	}
	if r.Get("tool_choice").Exists() && !r.Get("tools").Exists() {
		return fmt.Errorf("a choice of no tools")
	}
	role, open := "", map[string]bool{}
	for _, m := range r.Get("messages").Array() {
		if m.Get("role").Str == role || len(m.Get("content").Array()) == 0 {
			return fmt.Errorf("%s in two turns, or nothing in one: %s", role, m.Raw)
		}
		role = m.Get("role").Str
		if err := obeysTurn(role, m.Get("content").Array(), open); err != nil {
			return err
		}
	}
	if len(open) > 0 {
		return fmt.Errorf("calls without results: %v", open)
	}
	return nil
}

// obeysTurn checks the blocks of a turn; open are the calls that want a result.
func obeysTurn(role string, blocks []gjson.Result, open map[string]bool) error {
	other := false
	for _, b := range blocks {
		switch b.Get("type").Str {
		case "text":
			if strings.TrimSpace(b.Get("text").Str) == "" && !b.Get("cache_control").Exists() {
				return fmt.Errorf("blank text")
			}
		case "tool_use":
			if role != "assistant" || !anthropicID.MatchString(b.Get("id").Str) || !b.Get("input").IsObject() {
				return fmt.Errorf("bad call %s", b.Raw)
			}
			open[b.Get("id").Str] = true
		case "tool_result":
			if role != "user" || other || !open[b.Get("tool_use_id").Str] {
				return fmt.Errorf("bad result %s", b.Raw)
			}
			delete(open, b.Get("tool_use_id").Str)
			continue
		}
		other = true
	}
	if role == "user" && len(open) > 0 {
		return fmt.Errorf("calls without results: %v", open)
	}
	return nil
}

// TestOpenAIAnthropicHandedBack hands every recorded reply back as the assistant's
// turn, as a client does that keeps the conversation: what the model thought, with its
// signatures, what it said and what it called must reach Claude as it came.
func TestOpenAIAnthropicHandedBack(t *testing.T) {
	kept, signed := 0, 0
	recorded(t, "exchanges.jsonl", func(x gjson.Result) {
		if x.Get("api").String() != "anthropic.messages" || x.Get("stream").Bool() || x.Get("response.status").Int() != 200 {
			return
		}
		body := x.Get("response.body").String()
		if gjson.Get(body, "stop_details.explanation").Exists() {
			return // goes back as what the assistant said, which the model did not
		}
		out, err := newOpenAIAnthropic(Call{}).Reply(nil, []byte(body))
		if err != nil {
			t.Errorf("%s: %v", x.Get("id"), err)
			return
		}
		message := gjson.GetBytes(out, "choices.0.message")
		ask := `{"messages":[{"role":"user","content":"q"},` + message.Raw
		for _, call := range message.Get("tool_calls").Array() {
			ask += `,{"role":"tool","tool_call_id":` + call.Get("id").Raw + `,"content":"r"}`
		}
		sent, err := newOpenAIAnthropic(Call{Send: "claude-opus-4-6"}).Request(nil, []byte(ask+"]}"))
		if err == nil {
			err = obeysAnthropic(sent)
		}
		if got, want := blocksOf(gjson.GetBytes(sent, "messages.1.content")), blocksOf(gjson.Get(body, "content")); err != nil || got != want {
			t.Errorf("%s: %v\n got %s\nwant %s", x.Get("id"), err, got, want)
			return
		}
		kept++
		signed += strings.Count(string(sent), `"signature"`)
	})
	t.Logf("%d replies handed back, with %d signatures", kept, signed)
	if kept < 110 || signed == 0 {
		t.Errorf("only %d replies and %d signatures", kept, signed)
	}
}

// blocksOf is what counts of an assistant's blocks: thoughts, then the text, then the calls.
func blocksOf(content gjson.Result) string {
	var thoughts, text, calls string
	for _, b := range content.Array() {
		switch b.Get("type").Str {
		case "thinking", "redacted_thinking":
			thoughts += canonicalArguments(b.Raw)
		case "text":
			text += b.Get("text").Str
		case "tool_use":
			calls += b.Get("id").Str + b.Get("name").Str + canonicalArguments(b.Get("input").Raw)
		}
	}
	return thoughts + "\n" + text + "\n" + calls
}

func FuzzOpenAIAnthropicRequest(f *testing.F) {
	for _, seed := range []string{
		`{"messages":[{"role":"system","content":"a"},{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,QQ=="}}],"cache_control":{}}]}`,
		`{"messages":[{"role":"assistant","tool_calls":[{"id":"é","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"é","content":""}]}`,
		`{"tools":[{"type":"function","function":{"name":"f","parameters":{}}}],"reasoning":{"effort":"low"},"stop":"x","messages":[{"role":"user","content":"a"}]}`,
		`{"response_format":{"type":"json_schema","json_schema":{"description":"d","schema":{"items":[{}],"properties":{"a":{"properties":{}}}}}},"messages":[{"role":"user","content":"a"}]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		out, err := newOpenAIAnthropic(Call{Send: "claude-opus-4-6"}).Request(nil, []byte(body))
		if err != nil {
			if len(out) > 0 {
				t.Errorf("%v, and %s", err, out)
			}
			return
		}
		if !gjson.ValidBytes(out) {
			t.Errorf("not JSON: %s", out)
		}
	})
}

func FuzzOpenAIAnthropicReply(f *testing.F) {
	f.Add(`{"id":"m","content":[{"type":"text","text":"\ud83d\ude00","citations":[{"url":"u"}]},{"type":"tool_use","id":"t","name":"f","input":{"a":[1]}}],"stop_reason":"tool_use","usage":{"input_tokens":1}}`)
	f.Add(`{"type":"error","error":{"type":1,"message":null}}`)
	f.Add(`{"content":[{"type":"thinking","thinking":"a"},7],"usage":[],"stop_details":{"explanation":"x"}}`)
	f.Fuzz(func(t *testing.T, body string) {
		if out, err := newOpenAIAnthropic(Call{}).Reply(nil, []byte(body)); err == nil && !gjson.ValidBytes(out) {
			t.Errorf("not JSON: %s", out)
		}
	})
}

func FuzzOpenAIAnthropicEvent(f *testing.F) {
	f.Add("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\"}}\n\ndata: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"tool_use\",\"input\":[]}}\n\ndata: {\"type\":\"content_block_stop\"}\n\n")
	f.Add("data: {\"type\":\"content_block_start\",\ndata: \"content_block\":{\"type\":\"redacted_thinking\",\ndata: \"data\":\"d\"}}\r\n\r\ndata: {\"type\":\"error\",\"error\":{}}\n\n")
	f.Add("data: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"text\",\"text\":\"a\"}}\n\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"citations_delta\",\"citation\":{\"url\":\"u\"}}}\n\ndata: {\"type\":\"content_block_stop\"}\n\ndata: {\"type\":\"message_stop\"}\n\n")
	f.Fuzz(func(t *testing.T, stream string) {
		tr := newOpenAIAnthropic(Call{AskUsage: true})
		out, err := translateClaude(tr, []byte(stream))
		if err == nil {
			out = tr.(Ender).End(out)
		}
		for len(out) > 0 {
			var event []byte
			if event, out = NextEvent(out); len(event) == 0 {
				t.Fatalf("the stream ends within an event: %q", out)
			}
			if data := Data(nil, event); string(data) != "[DONE]" && !gjson.ValidBytes(data) {
				t.Errorf("not JSON: %s", data)
			}
		}
	})
}
