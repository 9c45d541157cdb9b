package provider

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/llm"
)

// goldenCohere is what a reply of Cohere's says, read straight from the recorded bytes,
// for the golden summaries have none of Cohere's.
func goldenCohere(body string, stream bool) (a claudeAnswer) {
	if !stream {
		r := gjson.Parse(body)
		if m := r.Get("message"); m.Type == gjson.String {
			return claudeAnswer{Error: m.Str}
		}
		goldenCohereMessage(&a, r.Get("message"))
		return goldenCohereEnd(a, r)
	}
	var end gjson.Result
	var arguments []string
	var calls []gjson.Result
	for line := range strings.Lines(body) {
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok || strings.HasPrefix(data, "[DONE]") {
			continue
		}
		e := gjson.Parse(data)
		m := e.Get("delta.message")
		switch e.Get("type").Str {
		case "content-start", "content-delta":
			a.Text += m.Get("content.text").Str
			a.Reasoning += m.Get("content.thinking").Str
		case "tool-plan-delta":
			a.Reasoning += m.Get("tool_plan").Str
		case "tool-call-start":
			calls, arguments = append(calls, m.Get("tool_calls")), append(arguments, "")
		case "tool-call-delta":
			arguments[len(arguments)-1] += m.Get("tool_calls.function.arguments").Str
		case "message-end":
			end = e.Get("delta")
		}
	}
	for i, c := range calls {
		a.Calls += goldenCohereCall(c, arguments[i])
	}
	return goldenCohereEnd(a, end)
}

func goldenCohereMessage(a *claudeAnswer, m gjson.Result) {
	for _, b := range m.Get("content").Array() {
		a.Text += b.Get("text").Str
		a.Reasoning += b.Get("thinking").Str
	}
	a.Reasoning += m.Get("tool_plan").Str
	for _, c := range m.Get("tool_calls").Array() {
		a.Calls += goldenCohereCall(c, c.Get("function.arguments").Str)
	}
}

func goldenCohereCall(c gjson.Result, arguments string) string {
	if arguments == "" || arguments == "null" {
		arguments = "{}"
	}
	return c.Get("id").Str + " " + c.Get("function.name").Str + canonicalArguments(arguments) + "; "
}

func goldenCohereEnd(a claudeAnswer, end gjson.Result) claudeAnswer {
	a.Finish = map[string]string{"COMPLETE": "stop", "STOP_SEQUENCE": "stop", "MAX_TOKENS": "length", "TOOL_CALL": "tool_calls"}[end.Get("finish_reason").Str]
	a.Input, a.Output = end.Get("usage.billed_units.input_tokens").Int(), end.Get("usage.billed_units.output_tokens").Int()
	return a
}

// cohereVersion1 are recordings of version 1 of the API, which the gateway does not call.
var cohereVersion1 = map[string]bool{"cohere-chat_cohere_bc41428984": true}

// TestOpenAICohereRecordedReplies holds every recorded reply of Cohere's, as a client
// of OpenAI's sees it, against what the reply says, and the client's count against the
// gateway's own.
func TestOpenAICohereRecordedReplies(t *testing.T) {
	equal, streams, first, all := 0, 0, 0, 0
	recorded(t, "exchanges.jsonl", func(x gjson.Result) {
		if x.Get("api").String() != "cohere.chat" {
			return
		}
		all++
		id, body := x.Get("id").String(), x.Get("response.body").String()
		stream := x.Get("stream").Bool() && x.Get("response.status").Int() == 200
		tr := newOpenAICohere(Call{Send: "m", AskUsage: true})
		meter := NewMeter(llm.EndpointChat, llm.DialectCohere, bytesCount)
		var got claudeAnswer
		var out []byte
		var err error
		if stream {
			streams++
			if out, err = translateClaude(tr, []byte(body)); err == nil {
				got, err = claudeStreamAnswer(out)
			}
			err = firstError(err, feed(meter, []byte(body), len(body)))
		} else if out, err = tr.Reply(nil, []byte(body)); err == nil && json.Valid(out) {
			got = claudeReplyAnswer(gjson.ParseBytes(out))
			got.Error = strings.TrimSuffix(got.Error, " api_error")
			_ = meter.Reply([]byte(body))
		}
		if cohereVersion1[id] {
			if first++; err == nil || gjson.Get(body, "meta.api_version.version").Str != "1" {
				t.Errorf("%s: %v, %+v", id, err, got)
			}
			return
		}
		want := goldenCohere(body, stream)
		if err != nil || got != want {
			t.Errorf("%s: %v\n got %+v\nwant %+v", id, err, got, want)
			return
		}
		equal++
		if u := summarize(&meter.Reading().Usage); got.Error == "" && u != (summary{got.Input, got.Output, got.Cached, u.written}) {
			t.Errorf("%s: the gateway counts %+v, the client %+v", id, u, got)
		}
	})
	t.Logf("%d of %d replies equal, %d of them streams; %d of version 1 refused", equal, all, streams, first)
	if all < 50 || equal+first != all {
		t.Errorf("%d and %d of %d", equal, first, all)
	}
}

// TestOpenAICohereRecordedRequests turns the recorded requests of Cohere's own clients
// into OpenAI's, by hand where they differ, and back: what they say must come out.
func TestOpenAICohereRecordedRequests(t *testing.T) {
	sent, all := 0, 0
	recorded(t, "exchanges.jsonl", func(x gjson.Result) {
		body := x.Get("request.body")
		if x.Get("api").String() != "cohere.chat" || cohereVersion1[x.Get("id").String()] || body.Get("documents").Exists() || strings.Contains(body.Raw, `"type":"document"`) {
			return
		}
		all++
		ask := strings.NewReplacer(`"tool_choice":"REQUIRED"`, `"tool_choice":"required"`, `"tool_choice":"NONE"`, `"tool_choice":"none"`).Replace(body.Raw)
		if schema := body.Get("response_format.json_schema"); schema.Exists() {
			ask = strings.Replace(ask, body.Get("response_format").Raw, `{"type":"json_schema","json_schema":{"schema":`+schema.Raw+`}}`, 1)
		}
		out, err := newOpenAICohere(Call{Send: body.Get("model").Str}).Request(nil, []byte(ask))
		if err != nil {
			t.Errorf("%s: %v", x.Get("id"), err)
			return
		}
		if got, want := sameCohere(string(out)), sameCohere(body.Raw); got != want {
			t.Errorf("%s:\n got %s\nwant %s", x.Get("id"), got, want)
			return
		}
		sent++
	})
	t.Logf("%d of %d requests come out as they were", sent, all)
	if all < 45 || sent != all {
		t.Errorf("%d of %d", sent, all)
	}
}

// sameCohere writes a request in one of the ways that mean the same: the content of an
// assistant as text, and no null.
func sameCohere(body string) string {
	var v map[string]any
	_ = json.Unmarshal([]byte(body), &v)
	for _, m := range v["messages"].([]any) {
		m := m.(map[string]any)
		if text, ok := m["content"].(string); ok && m["role"] == "assistant" {
			m["content"] = []any{map[string]any{"type": "text", "text": text}}
		}
		if m["content"] == nil {
			delete(m, "content")
		}
		calls, _ := m["tool_calls"].([]any)
		for _, c := range calls {
			f := c.(map[string]any)["function"].(map[string]any)
			f["arguments"] = canonicalArguments(fmt.Sprint(f["arguments"]))
		}
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// TestOpenAICohereForeignRequests takes every recorded chat request to Cohere: each
// becomes JSON, or an error that names a field.
func TestOpenAICohereForeignRequests(t *testing.T) {
	sent, all, errors := 0, 0, map[string]int{}
	recorded(t, "exchanges.jsonl", func(x gjson.Result) {
		if x.Get("api").String() != "openai.chat" {
			return
		}
		all++
		body := []byte(x.Get("request.body").Raw)
		out, err := newOpenAICohere(Call{Send: "command-a-plus-05-2026"}).Request(nil, body)
		if err == nil {
			if sent++; !json.Valid(out) {
				t.Errorf("%s: not JSON: %s", x.Get("id"), out)
			}
			return
		}
		field, _, _ := strings.Cut(err.Error(), ":")
		root := field[:len(field)-len(strings.TrimLeft(field, "abcdefghijklmnopqrstuvwxyz_"))]
		if root == "" || !bytes.Contains(body, []byte(`"`+root+`"`)) && root != "messages" {
			t.Errorf("%s: the error %v names no field", x.Get("id"), err)
		}
		errors[root]++
	})
	t.Logf("%d of %d requests translated; refused for %v", sent, all, errors)
	if all < 556 || sent < 300 {
		t.Errorf("%d of %d", sent, all)
	}
}

func FuzzOpenAICohereRequest(f *testing.F) {
	for _, seed := range []string{
		`{"messages":[{"role":"system","content":"a"},{"role":"user","content":[{"type":"image_url","image_url":{"url":"u","detail":"low"}}]}],"top_p":1}`,
		`{"messages":[{"role":"assistant","reasoning_content":"t","tool_calls":[{"id":"é","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"é","content":""}]}`,
		`{"tools":[{"type":"function","function":{"name":"f","strict":true}}],"tool_choice":{"type":"function","function":{"name":"f"}},"reasoning":{"effort":"low"},"messages":[{"role":"user","content":"a"}]}`,
		`{"response_format":{"type":"json_schema","json_schema":{"description":"d","schema":{}}},"stop":["x"],"messages":[{"role":"user","content":"a"}]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		out, err := newOpenAICohere(Call{Send: "command-a-plus"}).Request(nil, []byte(body))
		if err != nil && len(out) > 0 || err == nil && !gjson.ValidBytes(out) {
			t.Errorf("%v, and %s", err, out)
		}
	})
}

func FuzzOpenAICohereReply(f *testing.F) {
	f.Add(`{"id":"m","message":{"content":[{"type":"text","text":"\ud83d\ude00"}],"tool_calls":[{"id":"t","function":{"name":"f","arguments":"{}"}}],"citations":[{"sources":[{"document":{"url":"u"}}],"content_index":9}]},"finish_reason":"TOOL_CALL","usage":{"billed_units":{"input_tokens":1}}}`)
	f.Add(`{"message":7,"error_type":1}`)
	f.Add(`{"message":{"content":[{"type":"thinking","thinking":"a"},7]},"usage":[],"logprobs":[{"text":"a","logprobs":[1,"x",2]}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		if out, err := newOpenAICohere(Call{}).Reply(nil, []byte(body)); err == nil && !gjson.ValidBytes(out) {
			t.Errorf("not JSON: %s", out)
		}
	})
}

func FuzzOpenAICohereEvent(f *testing.F) {
	f.Add("event: message-start\ndata: {\"type\":\"message-start\",\"id\":\"m\"}\n\ndata: {\"type\":\"tool-call-start\",\"delta\":{\"message\":{\"tool_calls\":{\"function\":{\"arguments\":\"null\"}}}}}\n\ndata: {\"type\":\"message-end\",\"delta\":{}}\n\n")
	f.Add("data: {\"type\":\"content-start\",\"index\":-1,\"delta\":{\"message\":{\"content\":{\"text\":\"a\"}}},\"logprobs\":{\"text\":1}}\n\ndata: {\"type\":\"citation-start\",\"delta\":{\"message\":{\"citations\":{\"sources\":[{\"tool_output\":{\"url\":\"u\"}}],\"content_index\":-1}}}}\n\n")
	f.Add("data: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"ERROR\"}}\r\n\r\ndata: [DONE]\n\n")
	f.Fuzz(func(t *testing.T, stream string) {
		out, _ := translateClaude(newOpenAICohere(Call{AskUsage: true}), []byte(stream))
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
