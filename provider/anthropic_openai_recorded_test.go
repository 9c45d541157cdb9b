package provider

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/llm"
)

// What an Anthropic client gets of the recorded OpenAI traffic, and what OpenAI
// would get of the recorded Anthropic traffic.

// messageSummary is a message as its reader sees it.
type messageSummary struct {
	text, reasoning, stop string
	tools                 []string // name and arguments
	usage                 summary
	failed                bool
}

func messageUsage(u gjson.Result) summary {
	cached, written := u.Get("cache_read_input_tokens").Int(), u.Get("cache_creation_input_tokens").Int()
	return summary{u.Get("input_tokens").Int() + cached + written, u.Get("output_tokens").Int(), cached, written}
}

func canonicalInput(raw string) string {
	var v any
	if json.Unmarshal([]byte(raw), &v) != nil {
		return "not JSON: " + raw
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// summarizeMessage reads a whole message.
func summarizeMessage(body []byte) (s messageSummary, err error) {
	if !json.Valid(body) {
		return s, fmt.Errorf("not JSON: %s", body)
	}
	m := gjson.ParseBytes(body)
	switch m.Get("type").Str {
	case "error":
		if m.Get("error.type").Str == "" || m.Get("error.message").Str == "" {
			return s, fmt.Errorf("an error without type or message: %s", body)
		}
		s.failed = true
		return s, nil
	case "message":
	default:
		return s, fmt.Errorf("not a message: %s", body)
	}
	if !strings.HasPrefix(m.Get("id").Str, "msg_") || m.Get("role").Str != "assistant" || m.Get("model").Str == "" {
		return s, fmt.Errorf("id, role or model: %s", body)
	}
	m.Get("content").ForEach(func(_, b gjson.Result) bool {
		switch b.Get("type").Str {
		case "text":
			s.text += b.Get("text").Str
		case "thinking":
			s.reasoning += b.Get("thinking").Str
		case "redacted_thinking":
		case "tool_use":
			if b.Get("id").Str == "" || !b.Get("input").IsObject() {
				err = fmt.Errorf("tool_use: %s", b.Raw)
			}
			s.tools = append(s.tools, b.Get("name").Str+canonicalInput(b.Get("input").Raw))
		default:
			err = fmt.Errorf("block %s", b.Raw)
		}
		return true
	})
	s.stop, s.usage = m.Get("stop_reason").Str, messageUsage(m.Get("usage"))
	return s, err
}

// streamReader holds a stream to Anthropic's order of events and puts it together.
type streamReader struct {
	messageSummary
	state string // "", "message", "block", "stopping", "end"
	kind  string
	tool  string
	input string
	index int64
}

// summarizeStream reads a whole stream; cut says that it may lack its end.
func summarizeStream(stream []byte, cut bool) (s messageSummary, err error) {
	var r streamReader
	for len(stream) > 0 {
		event, rest := NextEvent(stream)
		if len(event) == 0 {
			return s, fmt.Errorf("no whole event: %q", stream)
		}
		name, data, ok := strings.Cut(string(event), "\n")
		if !ok || !strings.HasPrefix(name, "event: ") || !strings.HasPrefix(data, "data: ") || strings.Count(string(event), "\n") != 3 {
			return s, fmt.Errorf("event: %q", event)
		}
		data = strings.TrimSpace(data[6:])
		if !json.Valid([]byte(data)) || gjson.Get(data, "type").Str != name[7:] {
			return s, fmt.Errorf("data: %q", event)
		}
		if err := r.event(name[7:], gjson.Parse(data)); err != nil {
			return s, err
		}
		stream = rest
	}
	if r.state != "end" && !cut {
		return s, fmt.Errorf("the stream stops in state %q", r.state)
	}
	return r.messageSummary, nil
}

func (r *streamReader) event(name string, e gjson.Result) error {
	bad := fmt.Errorf("%s in state %q: %s", name, r.state, e.Raw)
	switch {
	case r.state == "end":
		return bad
	case name == "error":
		r.state, r.failed = "end", true
	case name == "message_start" && r.state == "":
		m := e.Get("message")
		if !strings.HasPrefix(m.Get("id").Str, "msg_") || m.Get("model").Str == "" || m.Get("content").Raw != "[]" || !m.Get("usage.input_tokens").Exists() {
			return bad
		}
		r.state = "message"
	case name == "content_block_start" && r.state == "message" && e.Get("index").Int() == r.index:
		r.state, r.kind, r.input = "block", e.Get("content_block.type").Str, ""
		r.tool = e.Get("content_block.name").Str
		if r.kind == "tool_use" && (e.Get("content_block.id").Str == "" || e.Get("content_block.input").Raw != "{}") {
			return bad
		}
	case name == "content_block_delta" && r.state == "block" && e.Get("index").Int() == r.index:
		d := e.Get("delta")
		switch kind := d.Get("type").Str; {
		case kind == "text_delta" && r.kind == "text":
			r.text += d.Get("text").Str
		case kind == "thinking_delta" && r.kind == "thinking":
			r.reasoning += d.Get("thinking").Str
		case kind == "signature_delta" && r.kind == "thinking", kind == "citations_delta" && r.kind == "text":
		case kind == "input_json_delta" && r.kind == "tool_use":
			r.input += d.Get("partial_json").Str
		default:
			return bad
		}
	case name == "content_block_stop" && r.state == "block" && e.Get("index").Int() == r.index:
		if r.kind == "tool_use" {
			if r.input == "" {
				r.input = "{}"
			}
			r.tools = append(r.tools, r.tool+canonicalInput(r.input))
		}
		r.state = "message"
		r.index++
	case name == "message_delta" && r.state == "message":
		r.state, r.stop, r.usage = "stopping", e.Get("delta.stop_reason").Str, messageUsage(e.Get("usage"))
	case name == "message_stop" && r.state == "stopping":
		r.state = "end"
	default:
		return bad
	}
	return nil
}

// translateChatStream feeds a stream to a translator, event by event.
func translateChatStream(t Translator, stream []byte) (out []byte, err error) {
	for len(stream) > 0 {
		event, rest := NextEvent(stream)
		if len(event) == 0 {
			break
		}
		if out, err = t.Event(out, event); err != nil {
			return out, err
		}
		stream = rest
	}
	return t.(Ender).End(out), nil
}

// anthropicStops are Anthropic's stop reasons by the golden summaries' finish.
var anthropicStops = map[string]string{"stop": "end_turn", "tool_calls": "tool_use", "function_call": "tool_use", "length": "max_tokens"}

const noThinking = "the golden summary has no thinking where it comes as parts of the content, or as details alone"

// chatDifferences are the answers that are rightly not equal to their golden summaries, and why.
var chatDifferences = map[string]string{
	"openai-chat_openai_1fd6bc9609":     "a refusal is text in Anthropic's form, and its stop reason",
	"openai-chat_openai_b0359ea368":     "a refusal is text in Anthropic's form, and its stop reason",
	"openai-chat_openai_c6b71dcf44":     "a refusal is text in Anthropic's form, and its stop reason",
	"openai-chat_openai_3947544254":     "calls without a finish reason are what the answer ended with",
	"openai-chat_mistral_9186253d2f":    noThinking,
	"openai-chat_mistral_fb4a8eb609":    noThinking,
	"openai-chat_mistral_56d3bafa33":    noThinking,
	"openai-chat_mistral_101c661075":    noThinking,
	"openai-chat_mistral_8018e6784b":    noThinking,
	"openai-chat_openrouter_1bda404d66": noThinking,
	"openai-chat_openai_c155479907":     "a legacy function call becomes a call of a tool",
	"openai-chat_openai_b80296b4c0":     "a legacy function call becomes a call of a tool",
	"openai-chat_openai_9ddbe31bf2":     "a legacy function call becomes a call of a tool",
}

func TestAnthropicClientReadsRecordedChat(t *testing.T) {
	golden := map[string]gjson.Result{}
	recorded(t, "expected.jsonl", func(e gjson.Result) { golden[e.Get("id").String()] = e })
	total, equal, unlikeGolden := 0, 0, 0
	recorded(t, "exchanges.jsonl", func(x gjson.Result) {
		id, body := x.Get("id").String(), []byte(x.Get("response.body").String())
		want := golden[id]
		if x.Get("api").String() != "openai.chat" || want.Get("status").Int() != 200 {
			return
		}
		total++
		tr := newAnthropicOpenAI(Call{Send: "sent"})
		var got messageSummary
		var err error
		if x.Get("stream").Bool() {
			var out []byte
			if out, err = translateChatStream(tr, body); err == nil {
				got, err = summarizeStream(out, false)
			}
		} else {
			var out []byte
			if out, err = tr.Reply(nil, body); err == nil {
				got, err = summarizeMessage(out)
			}
		}
		if err != nil {
			t.Errorf("%s: %v", id, err)
			return
		}
		if want.Get("stream_error").Bool() {
			if !got.failed {
				t.Errorf("%s: the error is lost", id)
			}
			equal++
			return
		}
		differs := unlike(x, want, body, &got)
		if slices.ContainsFunc(differs, func(d string) bool { return strings.HasPrefix(d, "golden") }) {
			unlikeGolden++
		}
		differs = slices.DeleteFunc(differs, func(d string) bool { return strings.HasPrefix(d, "golden") })
		switch why := chatDifferences[id]; {
		case len(differs) == 0 && why != "":
			t.Errorf("%s does not differ", id)
		case len(differs) > 0 && why == "":
			t.Errorf("%s: %s", id, differs)
		case len(differs) == 0:
			equal++
		}
	})
	t.Logf("%d of %d equal in text, thinking, tools, stop reason and usage; the usage of %d is read as the meter reads it, unlike its golden summary", equal, total, unlikeGolden)
	if total == 0 {
		t.Error("nothing was compared")
	}
}

// unlike lists in what a message differs from its golden summary. Usage must be
// what the meter bills; where that is unlike the summary, "golden" says so.
func unlike(x, want gjson.Result, body []byte, got *messageSummary) (differs []string) {
	note := func(what string, want, got any) {
		if fmt.Sprint(want) != fmt.Sprint(got) {
			differs = append(differs, fmt.Sprintf("%s: want %v, got %v", what, want, got))
		}
	}
	note("text", want.Get("text").Str, got.text)
	note("thinking", want.Get("reasoning").Str, got.reasoning)
	var tools []string
	want.Get("tool_calls").ForEach(func(_, c gjson.Result) bool {
		tools = append(tools, c.Get("name").Str+canonicalInput(c.Get("args").Raw))
		return true
	})
	note("tools", tools, got.tools)
	note("stop", anthropicStops[want.Get("finish").Str], got.stop)
	billed, known := expectation(x, want, body)
	if right, ok := explained(x.Get("id").Str); ok {
		billed, known = right, true
	}
	if known {
		note("usage", billed, got.usage)
	}
	u := want.Get("usage")
	note("golden usage", summary{u.Get("input").Int(), u.Get("output").Int(), u.Get("cached").Int(), got.usage.written}, got.usage)
	return differs
}

// TestRecordedMessagesBecomeChat: each recorded request becomes one that OpenAI
// would take, or an error that names a field.
func TestRecordedMessagesBecomeChat(t *testing.T) {
	translated, refused := 0, map[string]int{}
	recorded(t, "exchanges.jsonl", func(x gjson.Result) {
		if x.Get("api").String() != "anthropic.messages" || x.Get("request_recorded").Raw == "false" {
			return
		}
		id, body := x.Get("id").String(), x.Get("request.body").Raw
		got, err := newAnthropicOpenAI(Call{Send: "sent", AskUsage: true}).Request(nil, []byte(body))
		if err != nil {
			var e *llm.Error
			if !errors.As(err, &e) || e.Param == "" || !strings.HasPrefix(e.Message, e.Param+": ") || !gjson.Get(body, e.Param).Exists() {
				t.Errorf("%s: %v names no field", id, err)
			}
			refused[err.Error()]++
			return
		}
		translated++
		if err := chatRules(got); err != nil {
			t.Errorf("%s: %v\n%s", id, err, got)
		}
		for _, path := range []string{"messages.#.content.#.text", "system.#.text", "messages.#(content%\"*\")#.content"} {
			gjson.Get(body, path).ForEach(func(_, v gjson.Result) bool {
				v.ForEach(func(_, text gjson.Result) bool {
					if text.Type == gjson.String && !strings.Contains(string(got), text.Raw[1:len(text.Raw)-1]) {
						t.Errorf("%s: %.80s is lost", id, text.Raw)
					}
					return true
				})
				return true
			})
		}
	})
	t.Logf("%d translated; refused: %v", translated, refused)
	if translated == 0 {
		t.Error("nothing was translated")
	}
}

// chatRules holds a request to what OpenAI documents of it.
func chatRules(body []byte) error {
	if !json.Valid(body) {
		return fmt.Errorf("not JSON")
	}
	r := gjson.ParseBytes(body)
	if r.Get("model").Str == "" || !r.Get("messages").IsArray() {
		return fmt.Errorf("model or messages are missing")
	}
	if r.Get("stream").Bool() && !r.Get("stream_options.include_usage").Bool() {
		return fmt.Errorf("usage is not asked for")
	}
	if (r.Get("tool_choice").Exists() || r.Get("parallel_tool_calls").Exists()) && r.Get("tools.#").Int() == 0 {
		return fmt.Errorf("tool_choice without tools")
	}
	open := map[string]bool{} // calls that have no result yet
	var err error
	r.Get("messages").ForEach(func(_, m gjson.Result) bool {
		role, content := m.Get("role").Str, m.Get("content")
		if role == "tool" {
			if id := m.Get("tool_call_id").Str; !open[id] {
				err = fmt.Errorf("a tool message does not follow its call %q", id)
			}
			delete(open, m.Get("tool_call_id").Str)
			return err == nil
		}
		switch {
		case len(open) > 0:
			err = fmt.Errorf("calls without a result: %v", open)
		case !content.Exists(), content.IsArray() && content.Get("#").Int() == 0, content.Type == gjson.Null && !m.Get("tool_calls").Exists():
			err = fmt.Errorf("a message without content: %s", m.Raw)
		}
		m.Get("tool_calls").ForEach(func(_, c gjson.Result) bool {
			open[c.Get("id").Str] = true
			if !gjson.Valid(c.Get("function.arguments").Str) {
				err = fmt.Errorf("arguments: %s", c.Raw)
			}
			return true
		})
		return err == nil
	})
	return err
}
