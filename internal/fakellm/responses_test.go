package fakellm

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func askResponses(t *testing.T, s *Server, c *http.Client, body string) (*http.Response, string, error) {
	t.Helper()
	return send(t, c, s.BaseURL("openai")+"/responses", body, "Authorization", "Bearer k")
}

// resp is a request of the Responses API: a text, and more fields.
func resp(text, more string) string {
	b, _ := json.Marshal(text)
	return `{"model":"m1","input":` + string(b) + more + `}`
}

const (
	respTool  = `,"tools":[{"type":"function","name":"f","parameters":` + toolSchema + `,"strict":false}]`
	respThink = `,"reasoning":{"effort":"high","summary":"auto"},"include":["reasoning.encrypted_content"]`
)

type responseAnswer struct {
	ID, Status string
	Output     []struct {
		Type, Name, Arguments, Status string
		CallID                        string `json:"call_id"`
		Encrypted                     string `json:"encrypted_content"`
		Content, Summary              []struct{ Type, Text string }
	}
	Incomplete *struct{ Reason string } `json:"incomplete_details"`
	Error      *struct{ Code, Message string }
	Usage      *responseUsage
}

func (r *responseAnswer) told() (a told) {
	for _, item := range r.Output {
		for _, p := range item.Summary {
			a.thoughts += p.Text
		}
		for _, p := range item.Content {
			a.text += p.Text
		}
		a.tool += item.Name
		a.args += item.Arguments
		if item.Type != "reasoning" && item.Status != r.Status {
			a.finish = "item " + item.Status + " of "
		}
	}
	a.finish += r.Status
	if u := r.Usage; u != nil {
		a.input, a.output, a.cached = u.Input, u.Output, u.InputDetails["cached_tokens"]
	}
	return a
}

func readResponse(t *testing.T, body string) responseAnswer {
	t.Helper()
	var r responseAnswer
	if err := json.Unmarshal([]byte(body), &r); err != nil || !strings.HasPrefix(r.ID, "resp_simulated_") {
		t.Fatalf("%v in %.300s", err, body)
	}
	return r
}

// readResponseStream holds the deltas of a stream to the response at its end, and also
// returns the names of the events, equal ones in a row once.
func readResponseStream(t *testing.T, body string) (r responseAnswer, names []string) {
	t.Helper()
	var deltas told
	for i, frame := range strings.Split(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		name, data, found := strings.Cut(frame, "\ndata: ")
		var e struct {
			Type     string
			Sequence int `json:"sequence_number"`
			Delta    string
			Response *responseAnswer
		}
		if err := json.Unmarshal([]byte(data), &e); err != nil || !found || name != "event: "+e.Type || e.Sequence != i {
			t.Fatalf("%v in event %d: %q", err, i, frame)
		}
		names = append(names, e.Type)
		switch e.Type {
		case "response.output_text.delta":
			deltas.text += e.Delta
		case "response.function_call_arguments.delta":
			deltas.args += e.Delta
		case "response.reasoning_summary_text.delta":
			deltas.thoughts += e.Delta
		}
		if e.Response != nil {
			r = *e.Response
		}
	}
	if a := r.told(); r.Status != "failed" && (a.text != deltas.text || a.args != deltas.args || a.thoughts != deltas.thoughts) {
		t.Errorf("deltas %+v of %+v", deltas, a)
	}
	return r, slices.Compact(names)
}

func TestResponsesStreamedAndPlainSayTheSame(t *testing.T) {
	s, c := start(t, Options{})
	f := func(text, more string, ok func(told) bool) {
		t.Helper()
		resp1, plain, err := askResponses(t, s, c, resp(text, more))
		if err != nil || resp1.StatusCode != 200 {
			t.Fatal(plain, err)
		}
		_, stream, _ := askResponses(t, s, c, resp(text, more+`,"stream":true`))
		whole := readResponse(t, plain)
		parts, names := readResponseStream(t, stream)
		want, got := whole.told(), parts.told()
		if got != want || !ok(want) || names[len(names)-1] != "response."+whole.Status {
			t.Errorf("%s:\nplain    %+v\nstreamed %+v\n%s", more, want, got, names)
		}
		if tokens := PromptTokens([]byte(prompt(text, ``))); !strings.Contains(more, "tools") && want.input != tokens {
			t.Errorf("%s: %+v of a prompt of %d tokens", more, want, tokens)
		}
	}
	saysText := func(a told) bool { return a.text != "" && a.finish == "completed" && a.tool == "" }
	calls := func(a told) bool {
		return a.tool == "f" && json.Valid([]byte(a.args)) && a.finish == "completed" && a.text == ""
	}
	f("hello", ``, func(a told) bool { return saysText(a) && a.thoughts == "" })
	f("hello", respThink, func(a told) bool { return saysText(a) && a.thoughts != "" })
	f("hello", `,"reasoning":{"effort":"low"}`, func(a told) bool { return saysText(a) && a.thoughts == "" })
	f("hello", `,"reasoning":{"effort":"minimal","summary":"auto"}`, func(a told) bool { return saysText(a) && a.thoughts == "" })
	f("hello", respTool, calls)
	f("hello", respTool+respThink, func(a told) bool { return calls(a) && a.thoughts != "" })
	f("hello", respTool+`,"tool_choice":{"type":"function","name":"f"}`, calls)
	f("hello", respTool+`,"tool_choice":"none"`, saysText)
	f("hello", `,"max_output_tokens":16`, func(a told) bool { return a.finish == "incomplete" && a.output == 16 })
	f("hello", `,"max_output_tokens":16,"reasoning":{"effort":"high"}`, func(a told) bool { return a.finish == "incomplete" && a.output == 16 && a.text == "" })
	f("hello", `,"text":{"format":{"type":"json_schema","name":"x","schema":{"type":"array","items":{"type":"boolean"}}}}`, func(a told) bool {
		return strings.HasPrefix(a.text, "[") && json.Valid([]byte(a.text))
	})
	f("hello", `,"text":{"format":{"type":"json_object"}}`, func(a told) bool { return strings.HasPrefix(a.text, "{") })
	f(strings.Repeat("long ", 2000), ``, func(a told) bool { return a.cached%128 == 0 && a.cached < a.input })
}

func TestResponsesShape(t *testing.T) {
	s, c := start(t, Options{})
	f := func(body, want string) {
		t.Helper()
		if _, reply, _ := askResponses(t, s, c, body); !strings.Contains(reply, want) {
			t.Errorf("no %s in\n%s", want, reply)
		}
	}
	f(resp("[[halfpenny:events=2]]", ``), `"usage":{"input_tokens":13,"input_tokens_details":{"cached_tokens":0},"output_tokens":2,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":15}`)
	f(resp("[[halfpenny:events=2]]", ``), `"status":"completed","content":[{"type":"output_text","annotations":[],"logprobs":[],"text":"This is"}],"role":"assistant"}]`)
	f(resp("x", `,"max_output_tokens":16`), `"incomplete_details":{"reason":"max_output_tokens"}`)
	f(resp("x", `,"instructions":"be kind","metadata":{"a":"b"},"store":false`), `"instructions":"be kind"`)
	f(resp("x", `,"instructions":"be kind","metadata":{"a":"b"},"store":false`), `"store":false`)
	f(resp("x", respThink), `"encrypted_content":"`)
	f(resp("x", `,"reasoning":{"effort":"high"}`), `"type":"reasoning","content":[],"summary":[]}`)
	f(resp("x", respTool), `"call_id":"call_`)
	f(resp("x", `,"stream":true`), `"obfuscation":"`)
	if _, reply, _ := askResponses(t, s, c, resp("x", `,"stream":true,"stream_options":{"include_obfuscation":false}`)); strings.Contains(reply, "obfuscation") {
		t.Error(reply)
	}
}

// The items of one turn of the model are one message, as in chat completions.
func TestResponsesAnswerResults(t *testing.T) {
	s, c := start(t, Options{})
	call := `{"type":"reasoning","id":"rs_1","summary":[]},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"wait"}]},{"type":"function_call","call_id":"a","name":"f","arguments":"{}"}`
	_, reply, _ := askResponses(t, s, c, `{"model":"m1","input":[{"role":"user","content":[{"type":"input_text","text":"x"}]},`+call+`,{"type":"function_call_output","call_id":"a","output":"12"}]`+respTool+`}`)
	_, chat, _ := ask(t, s, c, "openai", `{"model":"m1","messages":[{"role":"user","content":"x"},{"role":"assistant","content":"wait","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},`+
		`{"role":"tool","tool_call_id":"a","content":"12"}],"tools":[{"type":"function","function":{"name":"f","parameters":`+toolSchema+`}}]}`)
	r := readResponse(t, reply)
	a, want := r.told(), decode(t, chat)
	if a.text == "" || a.tool != "" || a.text != want.Choices[0].Message.Content || a.input != want.Usage.Prompt {
		t.Errorf("%s\n%s", reply, chat)
	}
}

func TestResponsesContinue(t *testing.T) {
	s, c := start(t, Options{})
	_, reply, _ := askResponses(t, s, c, resp("one", ``))
	first := readResponse(t, reply)
	_, reply, _ = askResponses(t, s, c, resp("two", `,"previous_response_id":"`+first.ID+`"`))
	second := readResponse(t, reply)
	told := first.told()
	_, chat, _ := ask(t, s, c, "openai", `{"model":"m1","messages":[{"role":"user","content":"one"},{"role":"assistant","content":`+strconv.Quote(told.text)+`},{"role":"user","content":"two"}]}`)
	if got, want := second.told().text, decode(t, chat).Choices[0].Message.Content; got != want || got == "" {
		t.Errorf("%q, want %q", got, want)
	}
	_, reply, _ = askResponses(t, s, c, resp("one", `,"instructions":"not carried over"`))
	_, reply, _ = askResponses(t, s, c, resp("two", `,"previous_response_id":"`+readResponse(t, reply).ID+`"`))
	if got := readResponse(t, reply); got.Usage.Input >= second.told().input+4 {
		t.Errorf("%+v", got)
	}
	_, reply, _ = askResponses(t, s, c, resp("one", `,"store":false`))
	unstored := readResponse(t, reply)
	for _, id := range []string{"resp_unknown", unstored.ID} {
		r, reply, _ := askResponses(t, s, c, resp("two", `,"previous_response_id":"`+id+`"`))
		if want := `{"error":{"message":"Previous response with id '` + id + `' not found.","type":"invalid_request_error","param":"previous_response_id","code":"previous_response_not_found"}}`; r.StatusCode != 400 || reply != want {
			t.Error(reply)
		}
	}
}

func TestConversationsAreBounded(t *testing.T) {
	var c conversations
	big := []message{newMessage("user", strings.Repeat("x", maxKept/3), 0)}
	for i := range 5 {
		c.keep(strconv.Itoa(i), big)
	}
	_, first := c.get("0")
	_, latest := c.get("4")
	if first || !latest || c.size > maxKept || len(c.known) != 2 || len(c.order) != 2 {
		t.Error(first, latest, c.size, len(c.known))
	}
}

func TestResponsesRefuse(t *testing.T) {
	s, c := start(t, Options{})
	f := func(body, param, code, message string) {
		t.Helper()
		resp, reply, err := askResponses(t, s, c, body)
		var e struct {
			Error struct{ Message, Type, Param, Code string }
		}
		if err != nil || json.Unmarshal([]byte(reply), &e) != nil || resp.StatusCode != 400 || e.Error.Type != "invalid_request_error" ||
			e.Error.Param != param || e.Error.Code != code || !strings.Contains(e.Error.Message, message) {
			t.Errorf("%s → %d %s, want %s %s %s", body, resp.StatusCode, reply, param, code, message)
		}
	}
	in := func(items string) string { return `{"model":"m1","input":[` + items + `]}` }
	const missing, value = "missing_required_parameter", "invalid_value"
	f(`{`, "", "", "could not parse")
	f(`{"input":"x"}`, "model", missing, "Missing required parameter: 'model'.")
	f(`{"model":"m1"}`, "input", missing, `One of "input"`)
	f(`{"model":"m1","input":1}`, "input", "invalid_type", "string or array of objects")
	f(in(``), "input", "empty_array", "empty array")
	f(resp("x", `,"messages":[]`), "", "unsupported_parameter", "'input'")
	f(resp("x", `,"max_tokens":1`), "", "unsupported_parameter", "moved to 'max_output_tokens'")
	f(resp("x", `,"colour":1`), "colour", "unknown_parameter", "Unknown parameter: 'colour'.")
	f(resp("x", `,"max_output_tokens":15`), "max_output_tokens", "integer_below_min_value", "Expected a value >= 16, but got 15")
	f(resp("x", `,"temperature":3`), "temperature", "decimal_above_max_value", "<= 2")
	f(resp("x", `,"background":true`), "background", "unsupported_value", "background")
	f(resp("x", `,"tools":[{"type":"function","function":{"name":"f"}}]`), "tools[0].name", missing, "'tools[0].name'")
	f(resp("x", `,"tools":[{"name":"f"}]`), "tools[0].type", missing, "")
	f(resp("x", `,"tool_choice":{"type":"function","function":{"name":"f"}}`), "tool_choice.name", missing, "")
	f(resp("x", `,"text":{"format":{"type":"json_schema","json_schema":{}}}`), "text.format.name", missing, "")
	f(resp("x", `,"text":{"format":{"type":"json_schema","name":"x"}}`), "text.format.schema", missing, "")
	f(resp("x", `,"text":{"format":{"type":"xml"}}`), "text.format.type", value, "'xml'")
	f(in(`{"type":"thought"}`), "input[0]", value, "'thought'")
	f(in(`{"role":"tool","content":"x"}`), "input[0]", value, "'tool'")
	f(in(`{"role":"user","content":1}`), "input[0].content", "invalid_type", "")
	f(in(`{"role":"user","content":[{"type":"text","text":"x"}]}`), "input[0].content[0]", value, "Supported values are: 'input_text'")
	f(in(`{"role":"assistant","content":[{"type":"input_text","text":"x"}]}`), "input[0].content[0]", value, "'output_text', 'refusal'")
	f(in(`{"type":"function_call","call_id":"a","name":"f","arguments":"{}"}`), "input", "", "No tool output found for function call a.")
	f(in(`{"type":"function_call_output","call_id":"a","output":"1"}`), "input", "", "No tool call found for function call output with call_id a.")
	f(in(`{"role":"user","content":"x"},{"type":"reasoning","id":"rs_1","summary":[]}`), "input", "", "Item 'rs_1' of type 'reasoning' was provided without")
	f(resp("[[halfpenny:explode=1]]", ``), "", "", `there is no "explode"`)
}

func TestResponsesMarkers(t *testing.T) {
	s, c := start(t, Options{})
	f := func(marker string, stream, whole bool, events int, contains, lacks string) {
		t.Helper()
		more := ``
		if stream {
			more = `,"stream":true`
		}
		_, body, err := askResponses(t, s, c, resp("[[halfpenny:"+marker+"]]", more))
		n := strings.Count(body, `"type":"response.output_text.delta"`)
		if (err == nil) != whole || n != events || !strings.Contains(body, contains) || lacks != "" && strings.Contains(body, lacks) {
			t.Errorf("%s: %v, %d events, %s", marker, err, n, body)
		}
	}
	f("status=429,retry-after=2", true, true, 0, "rate_limit_exceeded", "event:")
	f("cut=2", true, false, 2, "response.created", "response.output_text.done")
	f("cut=2", false, false, 0, "", "")
	f("cut=0", true, false, 0, "", "")
	f("truncate=2", true, true, 2, "", "response.completed")
	f("error-mid=2", true, true, 2, `event: response.failed`, "response.completed")
	f("error-mid=2", true, true, 2, `"error":{"code":"server_error","message":"simulated failure in the middle of the stream"}`, "")
	f("error-mid=2,code=boom", true, true, 2, `"code":"boom"`, "")
	f("error-mid=2", false, true, 0, `"server_error"`, "")
	f("events=3,malformed", true, true, 4, "broken\n", "")
	f("events=3,nousage", true, true, 3, `"usage":null`, "input_tokens")
	f("nousage", false, true, 0, `"usage":null`, "input_tokens")
	f("events=3,stall=20ms", true, true, 3, "response.completed", "")

	_, body, _ := askResponses(t, s, c, resp("[[halfpenny:error-mid=2]]", `,"stream":true`))
	r, names := readResponseStream(t, body)
	if r.Status != "failed" || r.Error == nil || names[len(names)-2] != "error" {
		t.Errorf("%+v %s", r, names)
	}
}

func FuzzParseResponses(f *testing.F) {
	f.Add([]byte(resp("hi", respTool+respThink)))
	f.Add([]byte(`{"model":"m","input":[{"role":"user","content":[{"type":"input_image","image_url":"u"}]},{"type":"function_call","call_id":"a"},{"type":"function_call_output","call_id":"a","output":[{"type":"input_text","text":"t"}]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		d := &responses{}
		q, err := d.parse(&http.Request{Method: http.MethodPost}, body)
		if err != nil {
			return
		}
		sameTwice(t, d, q)
	})
}
