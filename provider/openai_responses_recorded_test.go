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
)

// seenResponse is what a client of chat completions makes of a response, in the words
// of the golden summaries.
type seenResponse struct {
	Text, Refusal, Finish, Calls, Error string
	Input, Output, Cached, Reasoning    int64
}

// goldenResponse is the same of a golden summary.
func goldenResponse(e gjson.Result) (a seenResponse) {
	if e.Get("error").Exists() {
		return seenResponse{Error: e.Get("error.message").Str}
	}
	u := e.Get("usage")
	a = seenResponse{
		Text: e.Get("text").Str, Refusal: e.Get("refusal").Str, Finish: e.Get("finish").Str,
		Input: u.Get("input").Int(), Output: u.Get("output").Int(), Cached: u.Get("cached").Int(), Reasoning: u.Get("reasoning").Int(),
	}
	e.Get("tool_calls").ForEach(func(_, c gjson.Result) bool {
		a.Calls += c.Get("id").Str + " " + c.Get("name").Str + canonicalArguments(c.Get("args").Raw) + "; "
		return true
	})
	return a
}

func (a *seenResponse) spend(u gjson.Result) {
	a.Input, a.Output, a.Cached = u.Get("prompt_tokens").Int(), u.Get("completion_tokens").Int(), u.Get("prompt_tokens_details.cached_tokens").Int()
	a.Reasoning = u.Get("completion_tokens_details.reasoning_tokens").Int()
}

func calledOf(c gjson.Result, arguments string) string {
	if c.Get("custom").Exists() { // which the golden summaries leave out
		return ""
	}
	return c.Get("id").Str + " " + c.Get("function.name").Str + canonicalArguments(arguments) + "; "
}

// seenReply reads a chat completion; message is that of its choice.
func seenReply(body []byte) (a seenResponse, message gjson.Result) {
	whole := gjson.ParseBytes(body)
	if e := whole.Get("error"); e.Exists() {
		return seenResponse{Error: e.Get("message").Str}, message
	}
	message = whole.Get("choices.0.message")
	a = seenResponse{Text: message.Get("content").Str, Refusal: message.Get("refusal").Str, Finish: whole.Get("choices.0.finish_reason").Str}
	for _, c := range message.Get("tool_calls").Array() {
		a.Calls += calledOf(c, c.Get("function.arguments").Str)
	}
	a.spend(whole.Get("usage"))
	return a, message
}

// seenStream adds the chunks of a stream up as the SDKs do, and holds what they rely
// on. message is what a client that keeps the conversation makes of it.
func seenStream(stream []byte) (a seenResponse, message map[string]any, err error) {
	type call struct {
		first     gjson.Result
		arguments string
	}
	var calls []call
	var details, citations []any
	id, thought, usages, finishes, roles, last := "", "", 0, 0, 0, ""
	for len(stream) > 0 {
		var event []byte
		if event, stream = NextEvent(stream); len(event) == 0 {
			return a, nil, fmt.Errorf("the stream ends within an event: %q", stream)
		}
		if last = string(Data(nil, event)); last == "[DONE]" {
			continue
		}
		if !gjson.Valid(last) || a.Error != "" {
			return a, nil, fmt.Errorf("not JSON, or behind an error: %s", last)
		}
		chunk := gjson.Parse(last)
		if e := chunk.Get("error"); e.Exists() {
			a.Error = e.Get("message").Str
			continue
		}
		if id == "" {
			id = chunk.Get("id").Str
		}
		if id == "" || chunk.Get("id").Str != id || chunk.Get("object").Str != "chat.completion.chunk" || !chunk.Get("created").Exists() || chunk.Get("model").Str == "" {
			return a, nil, fmt.Errorf("not a chunk of %s: %s", id, last)
		}
		if u := chunk.Get("usage"); u.Exists() {
			usages++
			a.spend(u)
		}
		if f := chunk.Get("choices.0.finish_reason").Str; f != "" {
			finishes++
			a.Finish = f
		}
		delta := chunk.Get("choices.0.delta")
		if delta.Get("role").Exists() {
			roles++
		}
		a.Text += delta.Get("content").Str
		a.Refusal += delta.Get("refusal").Str
		thought += delta.Get("reasoning_content").Str
		for _, d := range delta.Get("reasoning_details").Array() {
			details = append(details, d.Value())
		}
		for _, d := range delta.Get("annotations").Array() {
			citations = append(citations, d.Value())
		}
		for _, c := range delta.Get("tool_calls").Array() {
			i := int(c.Get("index").Int())
			if c.Get("id").Exists() {
				if i != len(calls) {
					return a, nil, fmt.Errorf("call %d has index %d", len(calls), i)
				}
				calls = append(calls, call{first: c})
			}
			if i >= len(calls) {
				return a, nil, fmt.Errorf("no call has begun at index %d", i)
			}
			calls[i].arguments += c.Get("function.arguments").Str + c.Get("custom.input").Str
		}
	}
	for _, c := range calls {
		a.Calls += calledOf(c.first, c.arguments)
	}
	if a.Error == "" && (usages > 1 || finishes != 1 || roles != 1 || last != "[DONE]") {
		return a, nil, fmt.Errorf("%d usages, %d finish reasons, %d roles, and %q at the end", usages, finishes, roles, last)
	}
	return a, map[string]any{"reasoning_content": thought, "reasoning_details": details, "annotations": citations}, nil
}

// unlikeResponses are the recordings whose translation is not as their summary, and why.
var unlikeResponses = map[string]string{
	"openai-responses_azure_14f85b23c8":  "its body is a chat completion, no response",
	"openai-responses_openai_bf0e3517de": "its events lack a brace, and it has no summary",
	"openai-responses_openai_2cad3675ea": "the summary leaves the call of a custom tool out, and so says stop",
	"openai-responses_openai_e56e36d1dd": "it is several streams one behind the other, of which the first is told",
	"openai-responses_openai_c06b7b7b28": "the summary of a stream with an error event tells no error",
}

// TestOpenAIResponsesRecordedReplies holds every recorded reply of the Responses API, as
// a client of chat completions sees it, against its golden summary, and its thoughts
// and citations against the items of the recording, of which the summaries do not tell.
func TestOpenAIResponsesRecordedReplies(t *testing.T) {
	expected := map[string]string{}
	recorded(t, "expected.jsonl", func(e gjson.Result) { expected[e.Get("id").String()] = e.Raw })
	equal, streams, all, unlike, encrypted := 0, 0, 0, 0, 0
	recorded(t, "exchanges.jsonl", func(x gjson.Result) {
		if x.Get("api").String() != "openai.responses" {
			return
		}
		all++
		id, body := x.Get("id").String(), []byte(x.Get("response.body").String())
		want := goldenResponse(gjson.Parse(expected[id]))
		var got seenResponse
		var message gjson.Result
		var err error
		var items []gjson.Result
		if x.Get("stream").Bool() && x.Get("response.status").Int() == 200 {
			streams++
			var out []byte
			var kept map[string]any
			if out, err = translateClaude(newOpenAIResponses(Call{Send: "m", AskUsage: true}), body); err == nil {
				got, kept, err = seenStream(out)
			}
			raw, _ := json.Marshal(kept)
			message, items = gjson.ParseBytes(raw), itemsOfStream(body)
		} else {
			var out []byte
			if out, err = newOpenAIResponses(Call{Send: "m"}).Reply(nil, body); err == nil {
				if !json.Valid(out) {
					t.Errorf("%s: not JSON: %s", id, out)
				}
				got, message = seenReply(out)
			}
			items = gjson.GetBytes(body, "output").Array()
		}
		why := unlikeResponses[id]
		if why != "" {
			unlike++
		}
		if same := err == nil && got == want; same == (why != "") {
			t.Errorf("%s (known: %q): %v\n got %+v\nwant %+v", id, why, err, got, want)
			return
		}
		if err != nil {
			return
		}
		if why == "" {
			equal++
		}
		thoughts, citations := saidOfItems(items)
		if got := message.Get("reasoning_content").Str; got != thoughts {
			t.Errorf("%s: thought %q, want %q", id, got, thoughts)
		}
		if got := len(message.Get("annotations").Array()); got != citations {
			t.Errorf("%s: %d citations, want %d", id, got, citations)
		}
		encrypted += handedBack(t, id, message, items)
	})
	t.Logf("%d of %d replies equal, %d of all are streams, %d are known to differ; %d encrypted thoughts handed back", equal, all, streams, unlike, encrypted)
	if all < 298 || unlike != len(unlikeResponses) || encrypted < 90 {
		t.Errorf("only %d replies, %d of the known differences, %d encrypted thoughts", all, unlike, encrypted)
	}
}

// itemsOfStream are the items of a recorded stream, whole.
func itemsOfStream(body []byte) (items []gjson.Result) {
	for _, line := range strings.Split(string(body), "\n") {
		if data, ok := strings.CutPrefix(line, "data:"); ok && gjson.Get(data, "type").Str == "response.output_item.done" {
			items = append(items, gjson.Get(data, "item"))
		}
	}
	return items
}

// saidOfItems are the thoughts that items have in clear, and how many pages of the web they cite.
func saidOfItems(items []gjson.Result) (thoughts string, citations int) {
	var parts []string
	for _, item := range items {
		switch item.Get("type").Str {
		case "reasoning":
			for _, p := range append(item.Get("summary").Array(), item.Get("content").Array()...) {
				if text := p.Get("text").Str; text != "" {
					parts = append(parts, text)
				}
			}
		case "message":
			citations += int(item.Get(`content.#.annotations.#(type=="url_citation")#|@flatten|#`).Int())
		}
	}
	return strings.Join(parts, "\n\n"), citations
}

// handedBack gives a message back as a client does that keeps the conversation: the
// thoughts must reach the provider as it had sent them. It returns how many there were.
func handedBack(t *testing.T, id string, message gjson.Result, items []gjson.Result) (n int) {
	t.Helper()
	var want []string
	for _, item := range items {
		if item.Get("type").Str == "reasoning" && item.Get("encrypted_content").Str != "" {
			want = append(want, item.Get("id").Str+item.Get("encrypted_content").Str+item.Get("summary.#.text").Raw)
		}
	}
	details := message.Get("reasoning_details")
	if !details.IsArray() || len(want) == 0 {
		if len(want) > 0 {
			t.Errorf("%s: %d thoughts are lost", id, len(want))
		}
		return 0
	}
	body := `{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a","reasoning_details":` + details.Raw + `}]}`
	out, err := newOpenAIResponses(Call{Send: "gpt-5"}).Request(nil, []byte(body))
	if err != nil {
		t.Errorf("%s: %v", id, err)
		return 0
	}
	var got []string
	for _, item := range gjson.GetBytes(out, "input").Array() {
		if item.Get("type").Str == "reasoning" {
			got = append(got, item.Get("id").Str+item.Get("encrypted_content").Str+item.Get("summary.#.text").Raw)
		}
	}
	if a, b := strings.Join(got, "\n"), strings.Join(want, "\n"); canonicalThoughts(a) != canonicalThoughts(b) {
		t.Errorf("%s: handed back\n%s\nwant\n%s", id, a, b)
	}
	return len(got)
}

// canonicalThoughts drops what JSON may write in several ways.
func canonicalThoughts(s string) string {
	return regexp.MustCompile(`\\u[0-9a-f]{4}|[^\x20-\x7e]|[\s\\/]`).ReplaceAllString(s, "")
}

// TestOpenAIResponsesRecordedRequests takes every recorded chat request to the Responses
// API: each becomes a valid request that says the same, or an error that names a field.
func TestOpenAIResponsesRecordedRequests(t *testing.T) {
	errors, sent, all, thoughts := map[string]int{}, 0, 0, 0
	field := regexp.MustCompile(`^([a-z_]+)[][0-9a-z_.]*: `)
	recorded(t, "exchanges.jsonl", func(x gjson.Result) {
		if x.Get("api").String() != "openai.chat" {
			return
		}
		all++
		body := []byte(x.Get("request.body").Raw)
		drop := []jsonscan.Member{{Name: []byte("models")}, {Name: []byte("provider")}}
		out, err := newOpenAIResponses(Call{Send: "gpt-5-pro", Drop: drop}).Request(nil, body)
		if err != nil {
			if m := field.FindStringSubmatch(err.Error()); m == nil || !bytes.Contains(body, []byte(`"`+m[1]+`"`)) {
				t.Errorf("%s: the error %v names no field", x.Get("id"), err)
			}
			errors[regexp.MustCompile(`\d+`).ReplaceAllString(err.Error(), "#")]++
			return
		}
		sent++
		if err := obeysResponses(out); err != nil {
			t.Errorf("%s: %v\n%s", x.Get("id"), err, out)
		}
		if got, want := toldResponses(gjson.ParseBytes(out)), toldChat(gjson.ParseBytes(body)); got != want {
			t.Errorf("%s: told\n%+v\nwant\n%+v", x.Get("id"), got, want)
		}
		thoughts += bytes.Count(out, []byte(`"encrypted_content":`))
	})
	t.Logf("%d of %d requests translated, with %d encrypted thoughts; refused:", sent, all, thoughts)
	for e, n := range errors {
		t.Logf("%4d %s", n, e)
	}
	if all < 556 || sent < 500 || thoughts < 5 {
		t.Errorf("%d of %d, with %d encrypted thoughts", sent, all, thoughts)
	}
}

// told is what a request of either API tells the model.
type told struct {
	system, user, assistant, calls, results, tools string
	images, files                                  int
	format, schema, choice                         string
	limit                                          int64
}

// texts adds a string, or the texts of parts, up, and counts images and files.
func (s *told) texts(to *string, content gjson.Result) {
	if content.Type == gjson.String {
		*to += content.Str
	}
	for _, p := range content.Array() {
		switch p.Get("type").Str {
		case "text", "input_text", "output_text":
			*to += p.Get("text").Str
		case "refusal":
			*to += p.Get("refusal").Str
		case "image_url", "input_image":
			s.images++
		case "file", "input_file":
			s.files++
		}
	}
}

func (s *told) by(role string, content gjson.Result) {
	switch role {
	case "system", "developer":
		s.texts(&s.system, content)
	case "user":
		s.texts(&s.user, content)
	case "assistant":
		s.texts(&s.assistant, content)
	}
}

func toldChat(body gjson.Result) (s told) {
	for _, m := range body.Get("messages").Array() {
		if m.Get("role").Str == "tool" {
			s.results += m.Get("tool_call_id").Str + "="
			s.texts(&s.results, m.Get("content"))
		}
		s.by(m.Get("role").Str, m.Get("content"))
		for _, c := range m.Get("tool_calls").Array() {
			s.calls += c.Get("id").Str + c.Get("function.name").Str + c.Get("function.arguments").Str
		}
	}
	for _, f := range body.Get("tools.#.function").Array() {
		s.tools += fmt.Sprintf("%s|%s|%s|%v;", f.Get("name").Str, f.Get("description").Str, f.Get("parameters").Raw, f.Get("strict").Bool())
	}
	if body.Get("web_search_options").Exists() {
		s.tools += "|||false;"
	}
	s.format, s.schema = body.Get("response_format.type").Str, body.Get("response_format.json_schema.schema").Raw
	s.choice = body.Get("tool_choice").Str + body.Get("tool_choice.function.name").Str
	s.limit = max(body.Get("max_tokens").Int(), body.Get("max_completion_tokens").Int())
	return s
}

func toldResponses(body gjson.Result) (s told) {
	for _, m := range body.Get("input").Array() {
		switch m.Get("type").Str {
		case "message":
			s.by(m.Get("role").Str, m.Get("content"))
		case "function_call":
			s.calls += m.Get("call_id").Str + m.Get("name").Str + m.Get("arguments").Str
		case "function_call_output":
			s.results += m.Get("call_id").Str + "="
			s.texts(&s.results, m.Get("output"))
		}
	}
	for _, f := range body.Get("tools").Array() {
		s.tools += fmt.Sprintf("%s|%s|%s|%v;", f.Get("name").Str, f.Get("description").Str, f.Get("parameters").Raw, f.Get("strict").Bool())
	}
	s.format, s.schema = body.Get("text.format.type").Str, body.Get("text.format.schema").Raw
	s.choice = body.Get("tool_choice").Str + body.Get("tool_choice.name").Str
	s.limit = body.Get("max_output_tokens").Int()
	return s
}

// obeysResponses holds a request against what OpenAI documents:
// https://platform.openai.com/docs/api-reference/responses/create.
func obeysResponses(body []byte) error {
	if !json.Valid(body) || jsonscan.Each(body, func(_, _ []byte) {}) != nil {
		return fmt.Errorf("not JSON")
	}
	r := gjson.ParseBytes(body)
	if why := unknownMember(r, append([]string{"model", "input", "store", "include", "max_output_tokens", "reasoning", "text", "tools", "tool_choice", "top_logprobs", "stream_options"}, responsesPassed[:]...)...); why != "" {
		return fmt.Errorf("%s", why)
	}
	if r.Get("model").Str == "" || !r.Get("store").IsBool() || len(r.Get("input").Array()) == 0 {
		return fmt.Errorf("a required field is missing")
	}
	for _, tool := range r.Get("tools").Array() {
		if tool.Get("type").Str == "function" && (tool.Get("name").Str == "" || !tool.Get("parameters").IsObject() || !tool.Get("strict").IsBool()) {
			return fmt.Errorf("bad tool %s", tool.Raw)
		}
	}
	if f := r.Get("text.format"); f.Get("type").Str == "json_schema" && (f.Get("name").Str == "" || !f.Get("schema").IsObject()) {
		return fmt.Errorf("bad format %s", f.Raw)
	}
	known := map[string]string{
		"message": "role content", "reasoning": "summary", "function_call": "call_id name arguments", "custom_tool_call": "call_id name input",
		"function_call_output": "call_id output", "custom_tool_call_output": "call_id output",
	}
	for _, item := range r.Get("input").Array() {
		for _, name := range strings.Fields(known[item.Get("type").Str]) {
			if !item.Get(name).Exists() {
				return fmt.Errorf("item without %s: %s", name, item.Raw)
			}
		}
		if known[item.Get("type").Str] == "" || unknownMember(item, strings.Fields(known[item.Get("type").Str]+" type id encrypted_content")...) != "" {
			return fmt.Errorf("bad item %s", item.Raw)
		}
	}
	return nil
}

func FuzzOpenAIResponsesRequest(f *testing.F) {
	for _, seed := range []string{
		`{"messages":[{"role":"system","content":"a"},{"role":"user","content":[{"type":"image_url","image_url":{"url":"u","detail":"low"}},{"type":"file","file":{"file_id":"f"}}]}]}`,
		`{"messages":[{"role":"assistant","reasoning_details":[{"type":"reasoning.encrypted","format":"openai-responses-v1","data":"d"}],"tool_calls":[{"id":"é","type":"custom","custom":{"name":"f","input":"x"}}]},{"role":"tool","tool_call_id":"é","content":[{"type":"text","text":""}]}]}`,
		`{"tools":[{"type":"function","function":{"name":"f"}},{"type":"custom","custom":{"name":"g","format":{"type":"grammar","grammar":{"syntax":"lark"}}}}],"web_search_options":{"user_location":{"type":"approximate","approximate":{"city":"x"}}},"messages":[{"role":"user","content":"a"}]}`,
		`{"response_format":{"type":"json_schema","json_schema":{"schema":{}}},"verbosity":"low","tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"f"}}]}},"messages":[{"role":"user","content":"a"}]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		out, err := newOpenAIResponses(Call{Send: "gpt-5-pro"}).Request(nil, []byte(body))
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

func FuzzOpenAIResponsesReply(f *testing.F) {
	f.Add(`{"output":[{"type":"message","content":[{"type":"output_text","text":"\ud83d\ude00","annotations":[{"type":"url_citation","url":"u","start_index":1}],"logprobs":[{"token":"a","bytes":[1,
2],"top_logprobs":[{}]}]}]},{"type":"function_call","call_id":"t","name":"f","arguments":""}],"usage":{"input_tokens":1}}`)
	f.Add(`{"status":"failed","error":{"code":1,"message":null}}`)
	f.Add(`{"output":[{"type":"reasoning","id":"r","summary":[{"text":"a"}],"content":[{"text":"b"}],"encrypted_content":"e"},7],"usage":[],"incomplete_details":{"reason":"x"},"created_at":1.5}`)
	f.Fuzz(func(t *testing.T, body string) {
		if out, err := newOpenAIResponses(Call{}).Reply(nil, []byte(body)); err == nil && !gjson.ValidBytes(out) {
			t.Errorf("not JSON: %s", out)
		}
	})
}

func FuzzOpenAIResponsesEvent(f *testing.F) {
	f.Add("data: {\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}\n\ndata: {\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\"}}\n\ndata: {\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{\"type\":\"function_call\"}}\n\n")
	f.Add("data: {\"type\":\"response.output_text.delta\",\ndata: \"delta\":\"a\",\"logprobs\":[{\"bytes\":[1,\ndata: 2]}]}\r\n\r\ndata: {\"type\":\"error\",\"error\":{}}\n\n")
	f.Add("data: {\"type\":\"response.reasoning_text.delta\",\"output_index\":\"x\",\"delta\":\"a\"}\n\ndata: {\"type\":\"response.completed\",\"response\":{\"usage\":{},\"output\":[{\"type\":\"message\",\"content\":[{\"type\":\"refusal\",\"refusal\":\"n\"}]}]}}\n\n")
	f.Add("data: {\"type\":\"error\",\"message\":7,\"code\":\"c\"}\n\ndata: [DONE]\n\n")
	f.Fuzz(func(t *testing.T, stream string) {
		tr := newOpenAIResponses(Call{AskUsage: true})
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
