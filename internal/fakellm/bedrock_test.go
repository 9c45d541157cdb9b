package fakellm

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"net/http"
	"slices"
	"strings"
	"testing"
)

const signature = "AWS4-HMAC-SHA256 Credential=AKIASIMULATED/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date, Signature=00"

func askBedrock(t *testing.T, s *Server, c *http.Client, method, body string) (*http.Response, string, error) {
	t.Helper()
	return send(t, c, s.BedrockURL("bedrock")+"/model/m1/"+method, body, "Authorization", "Bearer k")
}

// conv is a request of the Converse API: a text, and more fields.
func conv(text, more string) string {
	b, _ := json.Marshal(text)
	return `{"messages":[{"role":"user","content":[{"text":` + string(b) + `}]}]` + more + `}`
}

const (
	convTool  = `,"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":` + toolSchema + `}}}]}`
	convThink = `,"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":2048}}`
)

// awsEvent is a message of an event stream.
type awsEvent struct {
	kind, name, contentType string
	payload                 []byte
}

// awsEvents reads whole messages, and what is left of a last one that is not.
func awsEvents(t *testing.T, stream string) (all []awsEvent, rest []byte) {
	t.Helper()
	b := []byte(stream)
	for len(b) >= 16 {
		total, headers := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
		if int(total) > len(b) {
			break
		}
		if crc32.ChecksumIEEE(b[:8]) != binary.BigEndian.Uint32(b[8:]) || crc32.ChecksumIEEE(b[:total-4]) != binary.BigEndian.Uint32(b[total-4:]) {
			t.Fatalf("checksum of %q", b[:total])
		}
		e := awsEvent{payload: b[12+headers : total-4]}
		for h := b[12 : 12+headers]; len(h) > 0; {
			name := string(h[1 : 1+h[0]])
			h = h[1+h[0]:]
			size := binary.BigEndian.Uint16(h[1:])
			value := string(h[3 : 3+size])
			switch {
			case h[0] != 7:
				t.Fatalf("type %d of %s", h[0], name)
			case name == ":event-type" || name == ":exception-type":
				e.name = value
			case name == ":message-type":
				e.kind = value
			case name == ":content-type":
				e.contentType = value
			}
			h = h[3+size:]
		}
		all = append(all, e)
		b = b[total:]
	}
	return all, b
}

type converseAnswer struct {
	Output struct {
		Message struct {
			Role    string
			Content []converseSaid
		}
	}
	StopReason string
	Usage      *converseUsage
}

type converseSaid struct {
	Text      string
	ToolUse   *converseToolUse
	Reasoning *struct {
		Text json.RawMessage `json:"reasoningText"`
	} `json:"reasoningContent"`
}

func (a *told) countConverse(u *converseUsage) {
	if u == nil {
		return
	}
	a.input, a.output = u.Input, u.Output
	if u.CacheReadTokens != nil {
		a.cached, a.written = *u.CacheReadTokens, *u.CacheWritten
	}
}

func readConverse(t *testing.T, body string) (a told) {
	t.Helper()
	var m converseAnswer
	if err := json.Unmarshal([]byte(body), &m); err != nil || m.Output.Message.Role != "assistant" {
		t.Fatalf("%v in %.300s", err, body)
	}
	for _, b := range m.Output.Message.Content {
		a.text += b.Text
		if b.ToolUse != nil {
			a.tool, a.args = b.ToolUse.Name, string(b.ToolUse.Input)
		}
		if b.Reasoning != nil {
			var thought reasoningText
			if json.Unmarshal(b.Reasoning.Text, &thought) != nil || thought.Signature == "" {
				t.Errorf("%s", b.Reasoning.Text)
			}
			a.thoughts += thought.Text
		}
	}
	a.finish = m.StopReason
	a.countConverse(m.Usage)
	return a
}

// readConverseStream also returns the names of the events, equal ones in a row once.
func readConverseStream(t *testing.T, body string) (a told, names []string) {
	t.Helper()
	all, rest := awsEvents(t, body)
	if len(rest) > 0 {
		t.Fatalf("%q is left", rest)
	}
	for _, m := range all {
		var e struct {
			Index *int `json:"contentBlockIndex"`
			Delta struct {
				Text      string
				ToolUse   struct{ Input string }
				Reasoning struct{ Text, Signature string } `json:"reasoningContent"`
			}
			Start struct {
				ToolUse struct {
					Name string
					ID   string `json:"toolUseId"`
				}
			}
			StopReason string
			Usage      *converseUsage
		}
		if err := json.Unmarshal(m.payload, &e); err != nil || m.kind != "event" || m.contentType != "application/json" {
			t.Fatalf("%v in %+v", err, m)
		}
		names = append(names, m.name)
		a.text += e.Delta.Text
		a.args += e.Delta.ToolUse.Input
		a.thoughts += e.Delta.Reasoning.Text
		a.tool += e.Start.ToolUse.Name
		a.finish += e.StopReason
		a.countConverse(e.Usage)
	}
	return a, slices.Compact(names)
}

func TestConverseStreamedAndPlainSayTheSame(t *testing.T) {
	s, c := start(t, Options{})
	long := strings.Repeat("long ", 2000)
	f := func(text, more string, ok func(told) bool) {
		t.Helper()
		resp, plain, err := askBedrock(t, s, c, "converse", conv(text, more))
		if err != nil || resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/json" {
			t.Fatal(plain, err)
		}
		resp, stream, _ := askBedrock(t, s, c, "converse-stream", conv(text, more))
		want := readConverse(t, plain)
		got, names := readConverseStream(t, stream)
		if got != want || !ok(want) || resp.Header.Get("Content-Type") != "application/vnd.amazon.eventstream" || names[0] != "messageStart" || names[len(names)-1] != "metadata" {
			t.Errorf("%s:\nplain    %+v\nstreamed %+v\n%s", more, want, got, names)
		}
		if tokens := PromptTokens([]byte(prompt(text, ``))); !strings.Contains(more, "tool") && want.input+want.cached+want.written != tokens {
			t.Errorf("%s: %+v of a prompt of %d tokens", more, want, tokens)
		}
	}
	saysText := func(a told) bool { return a.text != "" && a.finish == "end_turn" && a.tool == "" }
	calls := func(a told) bool {
		return a.tool == "f" && json.Valid([]byte(a.args)) && a.finish == "tool_use" && a.text == ""
	}
	f("hello", ``, func(a told) bool { return saysText(a) && a.thoughts == "" })
	f("hello", convThink, func(a told) bool { return saysText(a) && a.thoughts != "" })
	f("hello", `,"additionalModelRequestFields":{"reasoning_config":{"type":"enabled","budget_tokens":1024}}`, func(a told) bool { return a.thoughts != "" })
	f("hello", convTool, calls)
	f("hello", convTool+convThink, calls)
	f("hello", strings.Replace(convTool, `{"tools"`, `{"toolChoice":{"tool":{"name":"f"}},"tools"`, 1), calls)
	f("hello", `,"inferenceConfig":{"maxTokens":3}`, func(a told) bool { return a.finish == "max_tokens" && a.output == 3 })
	f("hello", `,"inferenceConfig":{"stopSequences":[" simulated"]}`, func(a told) bool { return a.finish == "stop_sequence" && a.text == "This is a" })
	f("hello", `,"outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"name":"x","schema":"{\"type\":\"array\",\"items\":{\"type\":\"boolean\"}}"}}}}`, func(a told) bool {
		return strings.HasPrefix(a.text, "[")
	})
	f(long, ``, func(a told) bool { return a.cached == 0 && a.written == 0 })
	f(long, `,"system":[{"cachePoint":{"type":"default"}}]`, func(a told) bool { return a.written > 0 && a.written%128 == 0 })
}

func TestInvokeIsAnthropicOnBedrock(t *testing.T) {
	s, c := start(t, Options{})
	body := func(more string) string {
		return strings.Replace(claude("hello", more), `"model":"m1"`, `"anthropic_version":"bedrock-2023-05-31"`, 1)
	}
	f := func(more string) {
		t.Helper()
		_, plain, _ := askBedrock(t, s, c, "invoke", body(more))
		_, stream, _ := askBedrock(t, s, c, "invoke-with-response-stream", body(more))
		_, direct, _ := askAnthropic(t, s, c, claude("hello", more))
		all, rest := awsEvents(t, stream)
		var events strings.Builder
		for _, m := range all {
			var chunk struct{ Bytes []byte }
			var e struct{ Type string }
			if m.name != "chunk" || m.kind != "event" || json.Unmarshal(m.payload, &chunk) != nil || json.Unmarshal(chunk.Bytes, &e) != nil {
				t.Fatalf("%+v", m)
			}
			events.Write(sse(e.Type, chunk.Bytes))
		}
		want := readClaude(t, direct)
		got, names := readClaudeStream(t, events.String())
		if a := readClaude(t, plain); a != want || got != want || len(rest) > 0 || slices.Contains(names, "ping") || !strings.Contains(events.String(), `{"type":"message_stop","amazon-bedrock-invocationMetrics":{`) {
			t.Errorf("%s:\ndirect   %+v\nplain    %+v\nstreamed %+v %s", more, want, a, got, names)
		}
	}
	f(``)
	f(claudeTool)
	f(claudeThink)
}

func TestBedrockRefuses(t *testing.T) {
	s, c := start(t, Options{Log: 1})
	url := s.BedrockURL("bedrock") + "/model/arn:aws:bedrock:us-east-1:1:inference-profile%2Fm1/"
	f := func(url, body string, status int, kind, message string, headers ...string) {
		t.Helper()
		resp, reply, err := send(t, c, url, body, headers...)
		var e map[string]string
		if err != nil || json.Unmarshal([]byte(reply), &e) != nil || len(e) != 1 || resp.Header.Get("Content-Type") != "application/json" ||
			resp.StatusCode != status || !strings.HasPrefix(resp.Header.Get("X-Amzn-Errortype"), kind+":") || !strings.Contains(e["message"], message) {
			t.Errorf("%s → %d %s %s, want %d %s %s", body, resp.StatusCode, resp.Header, reply, status, kind, message)
		}
	}
	f(url+"converse", conv("x", ``), 403, "MissingAuthenticationTokenException", "Missing Authentication Token")
	f(url+"converse", conv("x", ``), 403, "MissingAuthenticationTokenException", "", "X-Api-Key", "k")
	f(url+"converse", conv("x", ``), 403, "IncompleteSignatureException", "X-Amz-Date", "Authorization", signature)
	f(url+"explain", conv("x", ``), 404, "ResourceNotFoundException", "unknown path", "Authorization", "Bearer k")
	if resp, reply, _ := send(t, c, url+"converse", conv("x", ``), "Authorization", signature, "X-Amz-Date", "20260101T000000Z"); resp.StatusCode != 200 || s.Requests()[0].Key != "AKIASIMULATED" {
		t.Error(resp.StatusCode, reply, s.Requests())
	}
	bad := func(body, message string) {
		t.Helper()
		f(url+"converse", body, 400, "ValidationException", message, "Authorization", "Bearer k")
	}
	turns := func(messages string) string { return `{"messages":[` + messages + `]` + convTool + `}` }
	hi := `{"role":"user","content":[{"text":"x"}]}`
	call, result := `{"role":"assistant","content":[{"toolUse":{"toolUseId":"a","name":"f","input":{}}}]}`, `{"role":"user","content":[{"toolResult":{"toolUseId":"a","content":[{"text":"1"}]}}]}`
	bad(`{`, "not valid")
	bad(turns(``), "must start with a user message")
	bad(turns(call), "must start with a user message")
	bad(turns(`{"role":"user","content":[]}`), "messages.0 is empty")
	bad(turns(`{"role":"user","content":[{"text":" "}]}`), "messages.0.content.0 is blank")
	bad(turns(hi+`,{"role":"system","content":[{"text":"x"}]}`), "'messages.2.member.role'")
	bad(turns(hi+`,`+call+`,`+hi), "Expected toolResult blocks at messages.2.content for the following Ids: a")
	bad(turns(result), "exceeds the number of toolUse blocks")
	bad(`{"messages":[`+hi+`,`+call+`,`+result+`]}`, "toolConfig field must be defined")
	bad(conv("x", `,"toolConfig":{"tools":[]}`), "toolConfig.tools")
	bad(conv("x", `,"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"string"}}}}]}`), "toolConfig.tools.0.toolSpec.inputSchema.json.type")
	bad(conv("x", `,"toolConfig":{"tools":[{"toolSpec":{"inputSchema":{"json":{"type":"object"}}}}]}`), "toolSpec.name")
	bad(conv("x", `,"inferenceConfig":{"maxTokens":0}`), "inferenceConfig.maxTokens")
	bad(conv("x", `,"inferenceConfig":{"temperature":1.5}`), "inferenceConfig.temperature")
	bad(conv("x", `,"outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"{"}}}}`), "textFormat")
	bad(conv("[[halfpenny:explode=1]]", ``), `there is no "explode"`)
	if _, reply, _ := askBedrock(t, s, c, "converse", turns(hi+`,`+call+`,`+result)); readConverse(t, reply).text == "" {
		t.Error(reply)
	}

	invoked := func(body, message string) {
		t.Helper()
		f(url+"invoke", body, 400, "ValidationException", message, "Authorization", "Bearer k")
	}
	invoked(claude("x", ``), "anthropic_version: Field required")
	invoked(claude("x", `,"anthropic_version":"2023-06-01"`), "anthropic_version: Input should be 'bedrock-2023-05-31'")
	invoked(claude("x", `,"anthropic_version":"bedrock-2023-05-31"`), "model: Extra inputs")
	invoked(`{"anthropic_version":"bedrock-2023-05-31","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"x"}]}`, "stream: Extra inputs")
	invoked(`{"anthropic_version":"bedrock-2023-05-31","messages":[{"role":"user","content":"x"}]}`, "max_tokens: Field required")

	for status, kind := range map[string]string{
		"400": "ValidationException", "403": "AccessDeniedException", "404": "ResourceNotFoundException", "408": "ModelTimeoutException", "424": "ModelErrorException",
		"429": "ThrottlingException", "500": "InternalServerException", "503": "ServiceUnavailableException",
	} {
		resp, reply, _ := askBedrock(t, s, c, "converse-stream", conv("[[halfpenny:status="+status+",retry-after=2]]", ``))
		if !strings.Contains(resp.Status, status) || resp.Header.Get("Retry-After") != "2" || !strings.HasPrefix(resp.Header.Get("X-Amzn-Errortype"), kind+":") || !strings.HasPrefix(reply, `{"message":`) {
			t.Errorf("%s → %s %s", status, resp.Status, reply)
		}
	}
}

func TestBedrockMarkers(t *testing.T) {
	s, c := start(t, Options{})
	invoked := func(text string) string {
		return strings.Replace(claude(text, ``), `"model":"m1"`, `"anthropic_version":"bedrock-2023-05-31"`, 1)
	}
	f := func(marker string, whole bool, events int, final string) {
		t.Helper()
		for method, body := range map[string]string{"converse-stream": conv("[[halfpenny:"+marker+"]]", ``), "invoke-with-response-stream": invoked("[[halfpenny:" + marker + "]]")} {
			_, stream, err := askBedrock(t, s, c, method, body)
			all, rest := awsEvents(t, stream)
			n, latest := 0, awsEvent{}
			for _, latest = range all {
				var chunk struct{ Bytes []byte }
				_ = json.Unmarshal(latest.payload, &chunk)
				if bytes.Contains(latest.payload, []byte(`"delta":{"text":`)) || bytes.Contains(chunk.Bytes, []byte(`"text_delta"`)) {
					n++
				}
			}
			if (err == nil) != whole || n != events || len(rest) > 0 || len(all) > 0 && latest.kind+" "+latest.name != final && final != "" {
				t.Errorf("%s %s: %v, %d events, at last %+v", method, marker, err, n, latest)
			}
		}
	}
	f("cut=2", false, 2, "")
	f("cut=0", false, 0, "")
	f("truncate=2", true, 2, "")
	f("error-mid=2", true, 2, "exception internalServerException")
	f("error-mid=2,code=ThrottlingException", true, 2, "exception throttlingException")
	f("events=3,malformed", true, 4, "")
	f("events=3,nousage", true, 3, "")
	f("events=3,stall=20ms", true, 3, "")
	for marker, lacks := range map[string]string{"nousage": "inputTokens", "error-mid=1": "content"} {
		if _, reply, _ := askBedrock(t, s, c, "converse", conv("[[halfpenny:"+marker+"]]", ``)); strings.Contains(reply, lacks) {
			t.Error(reply)
		}
	}
}

func FuzzParseConverse(f *testing.F) {
	f.Add([]byte(conv("hi", convTool+convThink)))
	f.Add([]byte(`{"messages":[{"role":"user","content":[{"image":{}},{"cachePoint":{"ttl":"1h"}},{"toolResult":{"content":[{"json":1}]}}]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		q, err := parseConverse(body, "m1")
		if err != nil {
			return
		}
		sameTwice(t, bedrock{}, q)
	})
}
