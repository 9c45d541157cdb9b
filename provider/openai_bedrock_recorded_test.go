package provider

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
	"github.com/generic-corp/halfpenny/llm"
)

// bedrockFinish is the finish reason of a chat completion for each recorded stopReason.
var bedrockFinish = map[string]string{"end_turn": "stop", "tool_use": "tool_calls", "max_tokens": "length", "stop_sequence": "stop", "guardrail_intervened": "content_filter"}

// recordedConverse reads a reply of Converse's as a golden summary does, from the
// recorded bytes alone: there are no summaries of Bedrock's exchanges.
func recordedConverse(body gjson.Result) (a claudeAnswer) {
	if m := body.Get("message"); m.Exists() {
		return claudeAnswer{Error: m.Str + " api_error"}
	}
	a.Finish = bedrockFinish[body.Get("stopReason").Str]
	a.countsOf(body.Get("usage"))
	for _, b := range body.Get("output.message.content").Array() {
		a.Text += b.Get("text").Str
		for _, c := range b.Get("citationsContent.content").Array() {
			a.Text += c.Get("text").Str
		}
		a.Reasoning += b.Get("reasoningContent.reasoningText.text").Str
		if u := b.Get("toolUse"); u.Exists() && u.Get("type").Str != "server_tool_use" {
			a.Calls += u.Get("toolUseId").Str + " " + u.Get("name").Str + canonicalArguments(u.Get("input").Raw) + "; "
		}
	}
	return a
}

func (a *claudeAnswer) countsOf(u gjson.Result) {
	a.Cached, a.Output = u.Get("cacheReadInputTokens").Int(), u.Get("outputTokens").Int()
	a.Input = u.Get("totalTokens").Int() - a.Output // which holds what was read from the cache and written to it
}

// recordedConverseStream does the same with the messages of a stream.
func recordedConverseStream(t *testing.T, stream []byte) (a claudeAnswer) {
	t.Helper()
	arguments, calls := map[int64]string{}, [][2]string{}
	var order []int64
	for len(stream) > 0 {
		var message []byte
		message, stream = NextMessage(stream)
		m, err := ParseMessage(message)
		if err != nil {
			t.Fatal(err)
		}
		e := gjson.ParseBytes(m.Payload)
		i := e.Get("contentBlockIndex").Int()
		a.Text += e.Get("delta.text").Str
		a.Reasoning += e.Get("delta.reasoningContent.text").Str
		if u := e.Get("start.toolUse"); u.Exists() {
			order, calls = append(order, i), append(calls, [2]string{u.Get("toolUseId").Str, u.Get("name").Str})
		}
		arguments[i] += e.Get("delta.toolUse.input").Str
		if r := e.Get("stopReason"); r.Exists() {
			a.Finish = bedrockFinish[r.Str]
		}
		if u := e.Get("usage"); u.Exists() {
			a.countsOf(u)
		}
	}
	for n, c := range calls {
		text := arguments[order[n]]
		if text == "" {
			text = "{}"
		}
		a.Calls += c[0] + " " + c[1] + canonicalArguments(text) + "; "
	}
	return a
}

// translateMessages sends the messages of an AWS event stream through a translator, as the relay does.
func translateMessages(tr Translator, stream []byte, d llm.Dialect, chunk int) (out []byte, err error) {
	frames := NewFrames("application/vnd.amazon.eventstream", d)
	for p := range slices.Chunk(stream, chunk) {
		whole, err := frames.Feed(p)
		if err != nil {
			return out, err
		}
		for len(whole) > 0 {
			var event []byte
			if event, _, whole, err = frames.Next(whole); err != nil {
				return out, err
			}
			if event == nil {
				continue
			}
			if out, err = tr.Event(out, event); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

// TestOpenAIBedrockRecordedReplies holds every recorded reply of Converse's, as a
// client of OpenAI's sees it, against what was recorded.
func TestOpenAIBedrockRecordedReplies(t *testing.T) {
	equal, streams, errors, all := 0, 0, 0, 0
	recorded(t, "exchanges.jsonl", func(x gjson.Result) {
		api := x.Get("api").Str
		if api != "bedrock.converse" && api != "bedrock.converse-stream" {
			return
		}
		all++
		id, body := x.Get("id").Str, []byte(x.Get("response.body").Str)
		if x.Get("response.body_encoding").Str == "base64" {
			var err error
			if body, err = base64.StdEncoding.DecodeString(string(body)); err != nil {
				t.Fatal(err)
			}
		}
		var got, want claudeAnswer
		var out []byte
		var err error
		tr := newOpenAIBedrock(Call{Send: x.Get("model").Str, AskUsage: true})
		if strings.HasSuffix(api, "stream") && x.Get("response.status").Int() == 200 {
			streams++
			want = recordedConverseStream(t, body)
			if out, err = translateMessages(tr, body, llm.DialectBedrock, len(body)); err == nil {
				got, err = claudeStreamAnswer(out)
			}
			if err == nil && len(tr.(Ender).End(nil)) > 0 {
				err = fmt.Errorf("the stream has not ended")
			}
			again := newOpenAIBedrock(Call{Send: x.Get("model").Str, AskUsage: true})
			cut, _ := translateMessages(again, body, llm.DialectBedrock, 7)
			if ids := regexp.MustCompile(`"(id":"chatcmpl-[^"]*|created":\d+)`); !bytes.Equal(ids.ReplaceAll(cut, nil), ids.ReplaceAll(out, nil)) {
				t.Errorf("%s: cut otherwise it differs", id)
			}
		} else if want = recordedConverse(gjson.ParseBytes(body)); err == nil {
			if out, err = tr.Reply(nil, body); err == nil && json.Valid(out) {
				got = claudeReplyAnswer(gjson.ParseBytes(out))
			}
		}
		if err != nil || got != want {
			t.Errorf("%s: %v\n got %+v\nwant %+v", id, err, got, want)
			return
		}
		equal++
		if want.Error != "" {
			errors++
		} else if want.Output == 0 || want.Finish == "" {
			t.Errorf("%s: the summary is empty: %+v", id, want)
		}
	})
	t.Logf("%d of %d replies equal, %d of them streams, %d errors", equal, all, streams, errors)
	if all < 37 || streams < 10 {
		t.Errorf("only %d replies, %d streams", all, streams)
	}
}

// TestInvokeRecorded sends every recorded stream of invoke for one of Anthropic's models through
// the translator of Anthropic's events, and to Anthropic's meter.
func TestInvokeRecorded(t *testing.T) {
	all := 0
	recorded(t, "exchanges.jsonl", func(x gjson.Result) {
		if x.Get("api").Str != "bedrock.invoke-with-response-stream" || x.Get("response.status").Int() != 200 || !bedrockClaude(x.Get("model").Str) {
			return
		}
		body, err := base64.StdEncoding.DecodeString(x.Get("response.body").Str)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(body, []byte("completion")) || !bytes.Contains(body, []byte("eyJ0eXBlIjoibWVzc2Fn")) {
			return // the older text completions
		}
		all++
		out, err := translateMessages(newOpenAIAnthropic(Call{Send: "m", AskUsage: true}), body, llm.DialectAnthropic, 11)
		if err == nil {
			var a claudeAnswer
			if a, err = claudeStreamAnswer(out); err == nil && (a.Text+a.Calls == "" || a.Input == 0 || a.Output == 0 || a.Finish == "") {
				err = fmt.Errorf("%+v", a)
			}
		}
		if err != nil {
			t.Errorf("%s: %v", x.Get("id"), err)
		}
	})
	t.Logf("%d streams", all)
	if all < 5 {
		t.Errorf("only %d streams", all)
	}
}

// TestOpenAIBedrockRecordedRequests takes every recorded chat request to Bedrock: each
// becomes one that obeys its rules, or an error that names a field.
func TestOpenAIBedrockRecordedRequests(t *testing.T) {
	for _, c := range []struct {
		model string
		least int
	}{{bedrockOpus, 470}, {bedrockNova, 350}} {
		errors, sent, all := map[string]int{}, 0, 0
		field := regexp.MustCompile(`^([a-z_]+)[][0-9a-z_.]*: `)
		recorded(t, "exchanges.jsonl", func(x gjson.Result) {
			if x.Get("api").String() != "openai.chat" {
				return
			}
			all++
			body := []byte(x.Get("request.body").Raw)
			drop := []jsonscan.Member{{Name: []byte("models")}, {Name: []byte("provider")}}
			out, err := newOpenAIBedrock(Call{Send: c.model, Drop: drop}).Request(nil, body)
			if err != nil {
				if m := field.FindStringSubmatch(err.Error()); m == nil || !bytes.Contains(body, []byte(`"`+m[1]+`"`)) && m[1] != "messages" && m[1] != "tools" {
					t.Errorf("%s: the error %v names no field", x.Get("id"), err)
				}
				errors[regexp.MustCompile(`\d+|call \S+`).ReplaceAllString(err.Error(), "#")]++
				return
			}
			sent++
			if err := obeysBedrock(out); err != nil {
				t.Errorf("%s: %v\n%s", x.Get("id"), err, out)
			}
			if got, want := saidToBedrock(out), saidToClaude(body); got != want {
				t.Errorf("%s: the text is\n%s\nwant\n%s", x.Get("id"), got, want)
			}
		})
		t.Logf("%s: %d of %d requests translated; refused:", c.model, sent, all)
		for e, n := range errors {
			t.Logf("%4d %s", n, e)
		}
		if all < 556 || sent < c.least {
			t.Errorf("%s: %d of %d", c.model, sent, all)
		}
	}
}

// saidToBedrock is the text of a request of Converse's, role by role, as saidToClaude has it.
func saidToBedrock(body []byte) string {
	var user, assistant strings.Builder
	for _, b := range gjson.GetBytes(body, "system").Array() {
		if text := b.Get("text").Str; text != "" {
			user.WriteString(text + "|")
		}
	}
	for _, m := range gjson.GetBytes(body, "messages").Array() {
		to := &user
		if m.Get("role").Str == "assistant" {
			to = &assistant
		}
		for _, b := range m.Get("content").Array() {
			for _, text := range append(b.Get("toolResult.content.#.text").Array(), b.Get("text")) {
				if text.Str != "" {
					to.WriteString(text.Str + "|")
				}
			}
		}
	}
	return user.String() + "\n" + assistant.String()
}

// obeysBedrock holds a request against the rules that Bedrock documents.
func obeysBedrock(body []byte) error {
	if !json.Valid(body) {
		return fmt.Errorf("not JSON")
	}
	r := gjson.ParseBytes(body)
	for name := range r.Map() {
		if !slices.Contains([]string{"messages", "system", "inferenceConfig", "toolConfig", "additionalModelRequestFields", "outputConfig", "serviceTier", "requestMetadata"}, name) {
			return fmt.Errorf("Converse has no %s", name)
		}
	}
	for _, tool := range r.Get("toolConfig.tools").Array() {
		if spec := tool.Get("toolSpec"); !tool.Get("cachePoint").Exists() && (spec.Get("name").Str == "" || spec.Get("inputSchema.json.type").Str != "object") {
			return fmt.Errorf("bad tool %s", tool.Raw)
		}
	}
	if b := r.Get("additionalModelRequestFields.thinking.budget_tokens"); b.Exists() && b.Int() >= r.Get("inferenceConfig.maxTokens").Int() {
		return fmt.Errorf("maxTokens is not above the budget")
	}
	if r.Get("messages.0.role").Str != "user" {
		return fmt.Errorf("the user does not begin")
	}
	role, open := "", map[string]bool{}
	for _, m := range r.Get("messages").Array() {
		if m.Get("role").Str == role || len(m.Get("content").Array()) == 0 {
			return fmt.Errorf("%s in two turns, or nothing in one: %s", role, m.Raw)
		}
		role = m.Get("role").Str
		if err := obeysConverseTurn(role, m.Get("content").Array(), open, r.Get("toolConfig").Exists()); err != nil {
			return err
		}
	}
	if len(open) > 0 {
		return fmt.Errorf("calls without results: %v", open)
	}
	return nil
}

// obeysConverseTurn checks the blocks of a turn; open are the calls that want a result.
func obeysConverseTurn(role string, blocks []gjson.Result, open map[string]bool, tools bool) error {
	other := false
	for _, b := range blocks {
		if len(b.Map()) != 1 {
			return fmt.Errorf("a block of more than one member: %s", b.Raw)
		}
		use, result := b.Get("toolUse"), b.Get("toolResult")
		switch {
		case b.Get("text").Exists() && strings.TrimSpace(b.Get("text").Str) == "":
			return fmt.Errorf("blank text")
		case use.Exists():
			if role != "assistant" || !tools || len(use.Get("toolUseId").Str) > maxCallID || !anthropicID.MatchString(use.Get("toolUseId").Str) || !use.Get("input").IsObject() {
				return fmt.Errorf("bad call %s", b.Raw)
			}
			open[use.Get("toolUseId").Str] = true
		case result.Exists():
			if role != "user" || other || !open[result.Get("toolUseId").Str] || !result.Get("content").IsArray() {
				return fmt.Errorf("bad result %s", b.Raw)
			}
			delete(open, result.Get("toolUseId").Str)
			continue
		case b.Get("cachePoint").Exists():
			continue
		}
		other = true
	}
	if role == "user" && len(open) > 0 {
		return fmt.Errorf("calls without results: %v", open)
	}
	return nil
}

// TestOpenAIBedrockHandedBack hands every recorded reply back as the assistant's turn:
// what the model thought, said and called must reach Bedrock as it came.
func TestOpenAIBedrockHandedBack(t *testing.T) {
	kept, signed := 0, 0
	recorded(t, "exchanges.jsonl", func(x gjson.Result) {
		if x.Get("api").Str != "bedrock.converse" || x.Get("response.status").Int() != 200 {
			return
		}
		body := x.Get("response.body").String()
		if gjson.Get(body, `output.message.content.#.toolResult`).Get("#").Int() > 0 {
			return // what Bedrock's own tools did is not told
		}
		call := Call{Send: x.Get("model").Str}
		out, err := newOpenAIBedrock(call).Reply(nil, []byte(body))
		if err != nil {
			t.Errorf("%s: %v", x.Get("id"), err)
			return
		}
		message := gjson.GetBytes(out, "choices.0.message")
		ask := `{"tools":[{"type":"function","function":{"name":"f"}}],"messages":[{"role":"user","content":"q"},` + message.Raw
		for _, call := range message.Get("tool_calls").Array() {
			ask += `,{"role":"tool","tool_call_id":` + call.Get("id").Raw + `,"content":"r"}`
		}
		sent, err := newOpenAIBedrock(call).Request(nil, []byte(ask+"]}"))
		if err == nil {
			err = obeysBedrock(sent)
		}
		if got, want := converseBlocks(gjson.GetBytes(sent, "messages.1.content")), converseBlocks(gjson.Get(body, "output.message.content")); err != nil || got != want {
			t.Errorf("%s: %v\n got %s\nwant %s", x.Get("id"), err, got, want)
			return
		}
		kept++
		signed += strings.Count(string(sent), `"signature"`)
	})
	t.Logf("%d replies handed back, with %d signatures", kept, signed)
	if kept < 20 || signed == 0 {
		t.Errorf("only %d replies and %d signatures", kept, signed)
	}
}

// converseBlocks is what counts of an assistant's blocks: thoughts, then the text, then the calls.
func converseBlocks(content gjson.Result) string {
	var thoughts, text, calls string
	for _, b := range content.Array() {
		if r := b.Get("reasoningContent"); r.Exists() {
			thoughts += canonicalArguments(r.Raw)
		}
		text += b.Get("text").Str
		for _, c := range b.Get("citationsContent.content").Array() {
			text += c.Get("text").Str
		}
		if u := b.Get("toolUse"); u.Exists() {
			calls += u.Get("toolUseId").Str + u.Get("name").Str + canonicalArguments(u.Get("input").Raw)
		}
	}
	return thoughts + "\n" + text + "\n" + calls
}
