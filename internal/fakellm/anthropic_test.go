package fakellm

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// send posts a body with the headers given as name, value, ….
func send(t *testing.T, c *http.Client, url, body string, headers ...string) (*http.Response, string, error) {
	t.Helper()
	r, err := http.NewRequest("POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp, string(b), err
}

func askAnthropic(t *testing.T, s *Server, c *http.Client, body string) (*http.Response, string, error) {
	t.Helper()
	return send(t, c, s.AnthropicURL("anthropic")+"/v1/messages", body, "x-api-key", "k", "anthropic-version", "2023-06-01")
}

// claude is a messages request: a text, and more fields.
func claude(text, more string) string {
	b, _ := json.Marshal(text)
	return `{"model":"m1","max_tokens":4096,"messages":[{"role":"user","content":` + string(b) + `}]` + more + `}`
}

const (
	toolSchema  = `{"type":"object","properties":{"a":{"type":"string"},"n":{"type":"integer"}}}`
	claudeTool  = `,"tools":[{"name":"f","input_schema":` + toolSchema + `}]`
	claudeThink = `,"thinking":{"type":"enabled","budget_tokens":2048}`
)

// told is what a client makes of an answer, in any dialect.
type told struct {
	thoughts, text, tool, args, finish, stop string
	cached, written, input, output           int64
}

type claudeAnswer struct {
	Content []struct {
		Type, Text, Thinking, Signature, ID, Name string
		Input                                     json.RawMessage
	}
	StopReason   string  `json:"stop_reason"`
	StopSequence *string `json:"stop_sequence"`
	Usage        *anthropicUsage
}

func readClaude(t *testing.T, body string) (a told) {
	t.Helper()
	var m claudeAnswer
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		t.Fatalf("%v in %.300s", err, body)
	}
	for _, b := range m.Content {
		a.thoughts += b.Thinking
		a.text += b.Text
		if b.Type == "tool_use" {
			a.tool, a.args = b.Name, string(b.Input)
		}
	}
	a.finish = m.StopReason
	if m.StopSequence != nil {
		a.stop = *m.StopSequence
	}
	a.count(m.Usage)
	return a
}

func (a *told) count(u *anthropicUsage) {
	if u != nil {
		a.input, a.output, a.cached, a.written = u.Input, u.Output, u.CacheRead, u.CacheCreation
	}
}

type claudeEvent struct {
	Type    string
	Index   int
	Message *struct {
		ID, Model, Role string
		Usage           *anthropicUsage
	}
	Block struct{ Type, Name, ID string } `json:"content_block"`
	Delta struct {
		Type, Text, Thinking, Signature string
		Partial                         string  `json:"partial_json"`
		StopReason                      string  `json:"stop_reason"`
		StopSequence                    *string `json:"stop_sequence"`
	}
	Usage *anthropicUsage
}

// readClaudeStream also returns the names of the events, equal ones in a row once.
func readClaudeStream(t *testing.T, body string) (a told, names []string) {
	t.Helper()
	for _, frame := range strings.Split(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		name, data, found := strings.Cut(frame, "\ndata: ")
		var e claudeEvent
		if err := json.Unmarshal([]byte(data), &e); err != nil || !found || name != "event: "+e.Type || !strings.HasPrefix(data, `{"type":"`) {
			t.Fatalf("%v in %q", err, frame)
		}
		label := e.Type
		if e.Delta.Type != "" {
			label = e.Delta.Type
		}
		if len(names) == 0 || names[len(names)-1] != label {
			names = append(names, label)
		}
		a.thoughts += e.Delta.Thinking
		a.text += e.Delta.Text
		a.args += e.Delta.Partial
		a.tool += e.Block.Name
		if e.Delta.StopReason != "" {
			a.finish = e.Delta.StopReason
		}
		if e.Delta.StopSequence != nil {
			a.stop = *e.Delta.StopSequence
		}
		if e.Message != nil {
			a.count(e.Message.Usage)
		}
		a.count(e.Usage)
	}
	return a, names
}

// The order of events is that of the recorded streams.
func TestAnthropicStreamHasTheOfficialShape(t *testing.T) {
	s, c := start(t, Options{})
	f := func(more, want string) {
		t.Helper()
		resp, body, err := askAnthropic(t, s, c, claude("hello", more+`,"stream":true`))
		if err != nil || resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
			t.Fatal(resp, body, err)
		}
		_, names := readClaudeStream(t, body)
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s:\n%s, want\n%s", more, got, want)
		}
	}
	const end = " content_block_stop message_delta message_stop"
	const thought = "message_start content_block_start ping thinking_delta signature_delta content_block_stop content_block_start "
	f(``, "message_start content_block_start ping text_delta"+end)
	f(claudeTool, "message_start content_block_start ping input_json_delta"+end)
	f(claudeThink, thought+"text_delta"+end)
	f(claudeThink+claudeTool, thought+"input_json_delta"+end)
}

func TestAnthropicEvents(t *testing.T) {
	s, c := start(t, Options{})
	_, body, _ := askAnthropic(t, s, c, claude("[[halfpenny:events=1]]", `,"stream":true`))
	f := func(want string) {
		t.Helper()
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	f(`data: {"type":"message_start","message":{"model":"m1","id":"msg_simulated_`)
	f(`"type":"message","role":"assistant","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":`)
	f(`data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`)
	f(`event: ping` + "\n" + `data: {"type":"ping"}`)
	f(`data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"This"}}`)
	f(`data: {"type":"content_block_stop","index":0}`)
	f(`data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":`)
	f(`data: {"type":"message_stop"}`)
}

func TestAnthropicStreamedAndPlainSayTheSame(t *testing.T) {
	s, c := start(t, Options{})
	long := strings.Repeat("long ", 2000)
	f := func(text, more string, ok func(told) bool) {
		t.Helper()
		resp, plain, err := askAnthropic(t, s, c, claude(text, more))
		if err != nil || resp.StatusCode != 200 {
			t.Fatal(plain, err)
		}
		_, stream, _ := askAnthropic(t, s, c, claude(text, more+`,"stream":true`))
		want := readClaude(t, plain)
		got, _ := readClaudeStream(t, stream)
		if got != want || !ok(want) {
			t.Errorf("%s:\nplain    %+v\nstreamed %+v", more, want, got)
		}
		if tokens := PromptTokens([]byte(prompt(text, ``))); !strings.Contains(more, "tools") && want.input+want.cached+want.written != tokens {
			t.Errorf("%s: %+v of a prompt of %d tokens", more, want, tokens)
		}
	}
	saysText := func(a told) bool { return a.text != "" && a.finish == "end_turn" && a.tool == "" }
	calls := func(a told) bool {
		return a.tool == "f" && json.Valid([]byte(a.args)) && a.finish == "tool_use" && a.text == ""
	}
	f("hello", ``, func(a told) bool { return saysText(a) && a.thoughts == "" })
	f("hello", claudeThink, func(a told) bool { return saysText(a) && a.thoughts != "" })
	f("hello", `,"thinking":{"type":"adaptive","display":"omitted"}`, func(a told) bool { return saysText(a) && a.thoughts == "" })
	f("hello", `,"thinking":{"type":"disabled"}`, func(a told) bool { return saysText(a) && a.thoughts == "" })
	f("hello", claudeTool, calls)
	f("hello", claudeTool+claudeThink, calls)
	f("hello", claudeTool+`,"tool_choice":{"type":"tool","name":"f"}`, calls)
	f("hello", claudeTool+`,"tool_choice":{"type":"none"}`, saysText)
	f("hello", `,"max_tokens":3`, func(a told) bool { return a.finish == "max_tokens" && a.output == 3 })
	f("hello", `,"stop_sequences":["zzz"," simulated"]`, func(a told) bool {
		return a.finish == "stop_sequence" && a.stop == " simulated" && a.text == "This is a"
	})
	f("hello", `,"output_format":{"type":"json_schema","schema":{"type":"array","items":{"type":"boolean"}}}`, func(a told) bool {
		return strings.HasPrefix(a.text, "[")
	})
	f(long, ``, func(a told) bool { return a.cached == 0 && a.written == 0 })
	f(long, `,"cache_control":{"type":"ephemeral"}`, func(a told) bool { return a.written > 0 && a.written%128 == 0 })
}

// The same question has the same answer in every dialect, so that what a translator loses shows.
func TestDialectsSayTheSame(t *testing.T) {
	s, c := start(t, Options{})
	_, plain, _ := ask(t, s, c, "openai", prompt("one question", ``))
	_, messages, _ := askAnthropic(t, s, c, claude("one question", ``))
	_, generated, _ := askGemini(t, s, c, ":generateContent", gem("one question", ``))
	_, responded, _ := askResponses(t, s, c, resp("one question", ``))
	_, conversed, _ := askBedrock(t, s, c, "converse", conv("one question", ``))
	_, chatted, _ := askCohere(t, s, c, "/v2/chat", prompt("one question", ``))
	_, hosted, _ := askVertex(t, s, c, "google/models/m1:generateContent", gem("one question", ``))
	_, parts, _ := ask(t, s, c, "openai", `{"model":"m1","messages":[{"role":"user","content":[{"type":"text","text":"one question"}]}]}`)
	response := readResponse(t, responded)
	want := decode(t, plain).Choices[0].Message.Content
	for name, got := range map[string]string{
		"anthropic": readClaude(t, messages).text, "gemini": readGemini(t, generated).text, "responses": response.told().text,
		"bedrock": readConverse(t, conversed).text, "cohere": readCohere(t, chatted).text, "vertex": readGemini(t, hosted).text,
		"parts": decode(t, parts).Choices[0].Message.Content,
	} {
		if want == "" || got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// So is the call of the same tool, with the same choice of it.
func TestDialectsCallTheSame(t *testing.T) {
	s, c := start(t, Options{})
	const choose = `,"tool_choice":{"type":"function","function":{"name":"f"}}`
	_, plain, _ := ask(t, s, c, "openai", prompt("q", chatTool+choose))
	_, messages, _ := askAnthropic(t, s, c, claude("q", claudeTool+`,"tool_choice":{"type":"tool","name":"f"}`))
	_, responded, _ := askResponses(t, s, c, resp("q", respTool+`,"tool_choice":{"type":"function","name":"f"}`))
	_, conversed, _ := askBedrock(t, s, c, "converse", conv("q", strings.Replace(convTool, `{"tools"`, `{"toolChoice":{"tool":{"name":"f"}},"tools"`, 1)))
	response := readResponse(t, responded)
	want := decode(t, plain).Choices[0].Message.ToolCalls[0].Function.Arguments
	for name, got := range map[string]string{"anthropic": readClaude(t, messages).args, "responses": response.told().args, "bedrock": readConverse(t, conversed).args} {
		if got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	_, plain, _ = ask(t, s, c, "openai", prompt("q", chatTool+`,"tool_choice":"auto"`))
	_, chatted, _ := askCohere(t, s, c, "/v2/chat", prompt("q", chatTool))
	if got, want := readCohere(t, chatted).args, decode(t, plain).Choices[0].Message.ToolCalls[0].Function.Arguments; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestAnthropicCacheOfAnHourIsToldApart(t *testing.T) {
	s, c := start(t, Options{})
	body := `{"model":"m","max_tokens":9,"system":[{"type":"text","text":"` + strings.Repeat("long ", 2000) + `","cache_control":{"type":"ephemeral","ttl":"1h"}}],` +
		`"messages":[{"role":"user","content":"hi"}]}`
	_, reply, _ := askAnthropic(t, s, c, body)
	var m claudeAnswer
	if err := json.Unmarshal([]byte(reply), &m); err != nil || m.Usage.CacheCreation == 0 ||
		*m.Usage.Creation != (cacheCreation{OneHour: m.Usage.CacheCreation}) {
		t.Error(reply, err)
	}
}

// Where a limit ends the thoughts, there is no answer after them.
func TestAnthropicLimitWithinThoughts(t *testing.T) {
	q, err := parseMessages([]byte(claude("x", `,"thinking":{"type":"adaptive"},"max_tokens":2`)), false)
	if err != nil {
		t.Fatal(err)
	}
	a := readClaude(t, string(anthropic{}.whole(newAnswer(q, &Script{}, Latency{}, 1))))
	if a.text != "" || a.thoughts != "This is" || a.finish != "max_tokens" || a.output != 2 {
		t.Errorf("%+v", a)
	}
}

// Arguments that a limit cuts short are streamed as far as they go; a plain answer has none.
func TestAnthropicLimitWithinArguments(t *testing.T) {
	s, c := start(t, Options{})
	_, plain, _ := askAnthropic(t, s, c, claude("x", claudeTool+`,"max_tokens":1`))
	_, stream, _ := askAnthropic(t, s, c, claude("x", claudeTool+`,"max_tokens":1,"stream":true`))
	whole := readClaude(t, plain)
	parts, _ := readClaudeStream(t, stream)
	if whole.args != "{}" || whole.finish != "max_tokens" || parts.args == "" || json.Valid([]byte(parts.args)) || parts.finish != "max_tokens" {
		t.Errorf("%+v %+v", whole, parts)
	}
}

func TestAnthropicRefuses(t *testing.T) {
	s, c := start(t, Options{})
	url := s.AnthropicURL("anthropic") + "/v1/messages"
	f := func(url, body string, status int, kind, message string, headers ...string) {
		t.Helper()
		resp, reply, err := send(t, c, url, body, headers...)
		var e struct {
			Type      string
			Error     struct{ Type, Message string }
			RequestID string `json:"request_id"`
		}
		if err != nil || json.Unmarshal([]byte(reply), &e) != nil || e.Type != "error" || e.RequestID == "" || e.RequestID != resp.Header.Get("Request-Id") {
			t.Fatal(reply, err)
		}
		if resp.StatusCode != status || e.Error.Type != kind || !strings.Contains(e.Error.Message, message) {
			t.Errorf("%s → %d %s, want %d %s %s", body, resp.StatusCode, reply, status, kind, message)
		}
	}
	f(url, claude("x", ``), 401, "authentication_error", "x-api-key", "anthropic-version", "1")
	f(url, claude("x", ``), 400, "invalid_request_error", "anthropic-version: header is required", "Authorization", "Bearer k")
	f(url+"/nothing", claude("x", ``), 404, "not_found_error", "unknown path", "x-api-key", "k")

	bad := func(body, message string) {
		t.Helper()
		f(url, body, 400, "invalid_request_error", message, "x-api-key", "k", "anthropic-version", "2023-06-01")
	}
	turns := func(messages string) string {
		return `{"model":"m","max_tokens":9,"messages":[` + messages + `]}`
	}
	bad(`{`, "no messages request")
	bad(`{"max_tokens":9,"messages":[{"role":"user","content":"x"}]}`, "model: Field required")
	bad(`{"model":"m","messages":[{"role":"user","content":"x"}]}`, "max_tokens: Field required")
	bad(claude("x", `,"max_tokens":0`), "max_tokens: Input")
	bad(turns(``), "messages")
	bad(turns(`{"role":"system","content":"x"}`), `Unexpected role "system"`)
	bad(turns(`{"role":"user","content":[]}`), "non-empty content")
	bad(turns(`{"role":"user","content":""}`), "text content blocks must be non-empty")
	bad(turns(`{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"thinking","thinking":"y"}]}`), "messages.1.content.0.thinking.signature")
	call, result := `{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}}]}`, `{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"1"}]}`
	bad(turns(call), "without `tool_result` blocks immediately after: a")
	bad(turns(call+`,{"role":"user","content":"x"}`), "without `tool_result` blocks immediately after: a")
	bad(turns(result), "unexpected `tool_use_id` found in `tool_result` blocks: a")
	bad(claude("x", `,"tools":[{"name":"f"}]`), "tools.0.custom.input_schema: Field required")
	bad(claude("x", `,"tools":[{"name":"f","input_schema":{"type":"string"}}]`), "tools.0.custom.input_schema.type")
	bad(claude("x", `,"tools":[{"input_schema":{"type":"object"}}]`), "tools.0.custom.name")
	bad(claude("x", `,"temperature":1.5`), "temperature: range: 0..1")
	bad(claude("x", `,"temperature":0.5`+claudeThink), "may only be set to 1")
	bad(claude("x", `,"thinking":{"type":"enabled","budget_tokens":100}`), "budget_tokens")
	bad(claude("x", `,"max_tokens":2048`+claudeThink), "must be greater than")
	bad(claude("x", claudeTool+claudeThink+`,"tool_choice":{"type":"any"}`), "forces tool use")
	bad(claude("[[halfpenny:explode=1]]", ``), `there is no "explode"`)

	for status, kind := range map[string]string{
		"529": "overloaded_error", "429": "rate_limit_error", "401": "authentication_error", "404": "not_found_error", "403": "permission_error",
		"413": "request_too_large", "500": "api_error", "503": "api_error", "504": "timeout_error", "402": "billing_error", "409": "invalid_request_error",
	} {
		resp, reply, _ := askAnthropic(t, s, c, claude("[[halfpenny:status="+status+",retry-after=2]]", `,"stream":true`))
		if !strings.Contains(resp.Status, status) || resp.Header.Get("Retry-After") != "2" || !strings.Contains(reply, `"error":{"type":"`+kind+`"`) {
			t.Errorf("%s → %s %s", status, resp.Status, reply)
		}
	}
}

// An answer to the results of tools calls no other tool, even where a text stands beside them.
func TestAnthropicAnswersResults(t *testing.T) {
	s, c := start(t, Options{})
	_, reply, _ := askAnthropic(t, s, c, `{"model":"m","max_tokens":99,"messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"image","source":{"type":"url","url":"u"}}]},`+
		`{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}},{"type":"tool_use","id":"b","name":"f","input":{}}]},`+
		`{"role":"user","content":[{"type":"tool_result","tool_use_id":"b","content":[{"type":"text","text":"1234"}]},{"type":"tool_result","tool_use_id":"a","content":"1"},{"type":"text","text":"go on"}]}]`+claudeTool+`}`)
	// Five messages, an image, and a quarter of the bytes of "x", "go on", "1234", "1" and the tool.
	const want int64 = 3 + 5*4 + 85 + int64(1+5+4+1+1+len(toolSchema)+3)/4
	if a := readClaude(t, reply); a.text == "" || a.tool != "" || a.input != want {
		t.Errorf("%s: want %d input tokens", reply, want)
	}
}

func TestAnthropicCountTokens(t *testing.T) {
	s, c := start(t, Options{})
	body := prompt("how long is this", ``)
	resp, reply, err := send(t, c, s.AnthropicURL("vertex")+"/v1/messages/count_tokens", body, "Authorization", "Bearer k", "anthropic-version", "2023-06-01")
	if want := string(encode(map[string]int64{"input_tokens": PromptTokens([]byte(body))})); err != nil || resp.StatusCode != 200 || reply != want {
		t.Error(reply, want, err)
	}
}

func TestAnthropicMarkers(t *testing.T) {
	s, c := start(t, Options{})
	f := func(marker string, stream, whole bool, events int, contains, lacks string) {
		t.Helper()
		more := ``
		if stream {
			more = `,"stream":true`
		}
		_, body, err := askAnthropic(t, s, c, claude("[[halfpenny:"+marker+"]]", more))
		n := strings.Count(body, `"type":"text_delta"`)
		if (err == nil) != whole || n != events || !strings.Contains(body, contains) || lacks != "" && strings.Contains(body, lacks) {
			t.Errorf("%s: %v, %d events, %s", marker, err, n, body)
		}
	}
	f("cut=2", true, false, 2, "message_start", "message_delta")
	f("cut=2", false, false, 0, "", "")
	f("cut=0", true, false, 0, "", "")
	f("events=2,cut=9", true, false, 2, "", "content_block_stop")
	f("truncate=2", true, true, 2, "", "message_delta")
	f("error-mid=2", true, true, 2, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\"", "message_stop")
	f("error-mid=2,code=overloaded_error", true, true, 2, `"type":"overloaded_error"`, "message_stop")
	f("error-mid=2", false, true, 0, `"type":"api_error"`, "")
	f("events=3,malformed", true, true, 4, "broken\n", "")
	f("events=3,nousage", true, true, 3, "message_stop", "usage")
	f("nousage", false, true, 0, `"stop_reason":"end_turn"`, "usage")
	f("events=3,stall=20ms", true, true, 3, "message_stop", "")
}

func FuzzParseMessages(f *testing.F) {
	f.Add([]byte(claude("hi", claudeTool+claudeThink)))
	f.Add([]byte(`{"model":"m","max_tokens":1,"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":[{"type":"document","content":{"a":1}}]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		q, err := parseMessages(body, false)
		if err != nil {
			return
		}
		sameTwice(t, anthropic{}, q)
	})
}

// sameTwice renders an answer plain and as a stream, whatever the request.
func sameTwice(t *testing.T, d dialect, q *request) {
	a := newAnswer(q, &Script{}, Latency{}, 1)
	if body := d.whole(a); !json.Valid(body) {
		t.Errorf("%s", body)
	}
	final := opening
	for e := range d.events(a) {
		if !json.Valid(e.data) && string(e.data) != "[DONE]" || e.stage < final && final >= closing {
			t.Errorf("%d %s", e.stage, e.data)
		}
		final = e.stage
	}
	if final != last {
		t.Error("no last event")
	}
}
