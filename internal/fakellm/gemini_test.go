package fakellm

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func askGemini(t *testing.T, s *Server, c *http.Client, method, body string) (*http.Response, string, error) {
	t.Helper()
	return send(t, c, s.GeminiURL("gemini")+"/v1beta/models/m1"+method, body, "x-goog-api-key", "k")
}

// gem is a request for content: a text, and more fields.
func gem(text, more string) string {
	b, _ := json.Marshal(text)
	return `{"contents":[{"role":"user","parts":[{"text":` + string(b) + `}]}]` + more + `}`
}

const (
	gemTool  = `,"tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT","properties":{"a":{"type":"STRING"},"n":{"type":"INTEGER"}}}}]}]`
	gemThink = `,"generationConfig":{"thinkingConfig":{"includeThoughts":true}}`
)

// readGemini reads objects one after the other, as of a stream.
func readGemini(t *testing.T, objects ...string) (a told) {
	t.Helper()
	for _, object := range objects {
		var g geminiAnswer
		if err := json.Unmarshal([]byte(object), &g); err != nil || g.ModelVersion != "m1" || !strings.HasPrefix(g.ResponseID, "simulated-") {
			t.Fatalf("%v in %.300s", err, object)
		}
		for _, c := range g.Candidates {
			for _, p := range c.Content.Parts {
				switch {
				case p.Call != nil:
					a.tool, a.args = p.Call.Name, string(p.Call.Args)
				case p.Thought:
					a.thoughts += *p.Text
				default:
					a.text += *p.Text
				}
			}
			a.finish = c.Finish
		}
		if u := g.Usage; u != nil {
			a.input, a.cached, a.output = u.Prompt, u.Cached, u.Total-u.Prompt
			if u.Candidates+u.Thoughts != a.output {
				t.Errorf("usage %+v", u)
			}
		}
	}
	return a
}

func TestGeminiStreamedAndPlainSayTheSame(t *testing.T) {
	s, c := start(t, Options{})
	f := func(text, more string, ok func(told) bool) {
		t.Helper()
		resp, plain, err := askGemini(t, s, c, ":generateContent", gem(text, more))
		if err != nil || resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/json; charset=UTF-8" {
			t.Fatal(plain, err)
		}
		want := readGemini(t, plain)
		if !ok(want) {
			t.Errorf("%s: %+v", more, want)
		}
		resp, stream, _ := askGemini(t, s, c, ":streamGenerateContent?alt=sse", gem(text, more))
		if got := readGemini(t, events(t, stream)...); got != want || resp.Header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("%s:\nplain    %+v\nstreamed %+v", more, want, got)
		}
		_, stream, _ = askGemini(t, s, c, ":streamGenerateContent", gem(text, more))
		var array []json.RawMessage
		if err := json.Unmarshal([]byte(stream), &array); err != nil {
			t.Fatal(err, stream)
		}
		objects := make([]string, len(array))
		for i := range array {
			objects[i] = string(array[i])
		}
		if got := readGemini(t, objects...); got != want {
			t.Errorf("%s:\nplain    %+v\nin array %+v", more, want, got)
		}
	}
	saysText := func(a told) bool { return a.text != "" && a.finish == "STOP" && a.tool == "" }
	calls := func(a told) bool {
		return a.tool == "f" && json.Valid([]byte(a.args)) && a.finish == "STOP" && a.text == ""
	}
	f("hello", ``, func(a told) bool { return saysText(a) && a.thoughts == "" })
	f("hello", gemThink, func(a told) bool { return saysText(a) && a.thoughts != "" })
	f("hello", `,"generation_config":{"thinking_config":{"include_thoughts":true}}`, func(a told) bool { return a.thoughts != "" })
	f("hello", `,"generationConfig":{"thinkingConfig":{"thinkingBudget":0,"includeThoughts":true}}`, func(a told) bool { return a.thoughts == "" })
	f("hello", gemTool, calls)
	f("hello", gemTool+gemThink, func(a told) bool { return calls(a) && a.thoughts != "" })
	f("hello", gemTool+`,"toolConfig":{"functionCallingConfig":{"mode":"NONE"}}`, saysText)
	f("hello", gemTool+`,"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}}`, calls)
	f("hello", gemTool+`,"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["g"]}}`, saysText)
	f("hello", `,"generationConfig":{"maxOutputTokens":3}`, func(a told) bool { return a.finish == "MAX_TOKENS" && a.output == 3 })
	f("hello", `,"generationConfig":{"maxOutputTokens":3,"thinkingConfig":{}}`, func(a told) bool { return a.finish == "MAX_TOKENS" && a.output == 3 && a.text == "" })
	f("hello", `,"generationConfig":{"stopSequences":[" simulated"]}`, func(a told) bool { return a.finish == "STOP" && a.text == "This is a" })
	f("hello", `,"generationConfig":{"responseMimeType":"application/json","responseSchema":{"type":"ARRAY","items":{"type":"BOOLEAN"}}}`, func(a told) bool {
		return strings.HasPrefix(a.text, "[") && json.Valid([]byte(a.text))
	})
	f("hello", `,"generationConfig":{"responseMimeType":"application/json"}`, func(a told) bool { return strings.HasPrefix(a.text, "{") })
	some := false
	for _, text := range []string{"long ", "much ", "very ", "so   "} {
		f(strings.Repeat(text, 2000), ``, func(a told) bool {
			some = some || a.cached > 0
			return a.input > 2000 && a.cached < a.input && a.cached%128 == 0
		})
	}
	if !some {
		t.Error("never a cached token")
	}
}

// What was thought is counted, and a call carries the signature that must come back with it.
func TestGeminiShape(t *testing.T) {
	s, c := start(t, Options{})
	f := func(body, want string) {
		t.Helper()
		if _, reply, _ := askGemini(t, s, c, ":generateContent", body); !strings.Contains(reply, want) {
			t.Errorf("no %s in\n%s", want, reply)
		}
	}
	f(gem("[[halfpenny:events=2]]", ``), `{"candidates":[{"content":{"parts":[{"text":"This is"}],"role":"model"},"finishReason":"STOP","index":0}],`+
		`"usageMetadata":{"promptTokenCount":13,"candidatesTokenCount":2,"totalTokenCount":15,"promptTokensDetails":[{"modality":"TEXT","tokenCount":13}]},"modelVersion":"m1","responseId":"simulated-`)
	f(gem("x", gemThink), `"thought":true}`)
	f(gem("x", gemThink), `"thoughtsTokenCount":`)
	f(gem("x", `,"generationConfig":{"thinkingConfig":{"thinkingBudget":99}}`), `"thoughtsTokenCount":`)
	f(gem("x", gemTool+gemThink), `},"thoughtSignature":"`)
	f(gem("x", gemTool), `"parts":[{"functionCall":{"name":"f","args":{"a":`)
	f(gem("x", `,"generationConfig":{"candidateCount":2}`), `"finishReason":"STOP","index":1}`)
}

func TestGeminiAnswersResults(t *testing.T) {
	s, c := start(t, Options{})
	_, reply, _ := askGemini(t, s, c, ":generateContent", `{"system_instruction":{"parts":{"text":"be kind"}},"contents":[{"parts":[{"text":"x"},{"inlineData":{"mimeType":"image/png","data":""}}]},`+
		`{"role":"model","parts":[{"functionCall":{"name":"f","args":{"snake_case":1}}}]},`+
		`{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"a":1}}}]}]`+gemTool+`}`)
	if a := readGemini(t, reply); a.text == "" || a.tool != "" || a.input < 3+4*4+85 {
		t.Error(reply)
	}
}

func TestGeminiRefuses(t *testing.T) {
	s, c := start(t, Options{})
	url := s.GeminiURL("gemini") + "/v1beta/models/m1"
	f := func(url, body string, code int, status, message string, headers ...string) {
		t.Helper()
		resp, reply, err := send(t, c, url, body, headers...)
		array := strings.HasSuffix(url, ":streamGenerateContent")
		if array && strings.HasPrefix(reply, "[{") {
			reply, array = strings.TrimSuffix(reply[1:], "]\n"), false
		}
		var e struct{ Error googleError }
		if err != nil || json.Unmarshal([]byte(reply), &e) != nil || array {
			t.Fatal(reply, err)
		}
		if resp.StatusCode != code || e.Error.Code != code || e.Error.Status != status || !strings.Contains(e.Error.Message, message) {
			t.Errorf("%s → %d %s, want %d %s %s", body, resp.StatusCode, reply, code, status, message)
		}
	}
	f(url+":generateContent", gem("x", ``), 403, "PERMISSION_DENIED", "unregistered callers")
	f(url+":explain", gem("x", ``), 404, "NOT_FOUND", "unknown path", "x-goog-api-key", "k")
	f(url+":streamGenerateContent", gem("[[halfpenny:status=503]]", ``), 503, "UNAVAILABLE", "simulated", "x-goog-api-key", "k")
	f(url+":streamGenerateContent?alt=sse", gem("[[halfpenny:status=503]]", ``), 503, "UNAVAILABLE", "simulated", "x-goog-api-key", "k")
	bad := func(body, message string) {
		t.Helper()
		f(url+":generateContent?key=k", body, 400, "INVALID_ARGUMENT", message)
	}
	bad(`{`, "Invalid JSON payload")
	bad(`{}`, "contents is not specified")
	bad(`{"contents":[{"role":"assistant","parts":[{"text":"x"}]}]}`, "Please use a valid role: user, model.")
	bad(`{"contents":[{"role":"user","parts":[]}]}`, "parts must not be empty")
	bad(gem("x", `,"generationConfig":{"candidateCount":1000}`), "candidateCount")
	bad(gem("[[halfpenny:explode=1]]", ``), `there is no "explode"`)
	schema := func(schema, message string) {
		t.Helper()
		bad(gem("x", `,"tools":[{"functionDeclarations":[{"name":"f","parameters":`+schema+`}]}]`), message)
		bad(gem("x", `,"generationConfig":{"responseMimeType":"application/json","responseSchema":`+schema+`}`), message)
	}
	schema(`{"type":"object","additionalProperties":false}`, `Unknown name "additionalProperties"`)
	schema(`{"type":"object","properties":{"a":{"const":1}}}`, `Unknown name "const"`)
	schema(`{"type":"array","items":{"type":["string","null"]}}`, `cannot start list`)

	for status, want := range map[string]string{
		"400": "INVALID_ARGUMENT", "401": "UNAUTHENTICATED", "403": "PERMISSION_DENIED", "404": "NOT_FOUND", "429": "RESOURCE_EXHAUSTED",
		"500": "INTERNAL", "503": "UNAVAILABLE", "504": "DEADLINE_EXCEEDED",
	} {
		resp, reply, _ := askGemini(t, s, c, ":generateContent", gem("[[halfpenny:status="+status+",retry-after=2]]", ``))
		if !strings.Contains(resp.Status, status) || !strings.Contains(reply, `"status":"`+want+`"`) || !strings.Contains(reply, `"retryDelay":"2s"`) {
			t.Errorf("%s → %s %s", status, resp.Status, reply)
		}
	}
}

func TestGeminiCountTokens(t *testing.T) {
	s, c := start(t, Options{})
	f := func(body string) {
		t.Helper()
		resp, reply, err := askGemini(t, s, c, ":countTokens", body)
		if want := `{"promptTokensDetails":[{"modality":"TEXT","tokenCount":11}],"totalTokens":11}`; err != nil || resp.StatusCode != 200 || reply != want {
			t.Error(reply, err)
		}
	}
	f(gem("how long is this", ``))
	f(`{"generateContentRequest":` + gem("how long is this", ``) + `}`)
}

func TestGeminiMarkers(t *testing.T) {
	s, c := start(t, Options{})
	f := func(method, marker string, whole bool, events int, contains, lacks string) {
		t.Helper()
		_, body, err := askGemini(t, s, c, method, gem("[[halfpenny:"+marker+"]]", ``))
		n := strings.Count(body, `"parts":[{"text":"`) - strings.Count(body, `"parts":[{"text":""`)
		if (err == nil) != whole || n != events || !strings.Contains(body, contains) || lacks != "" && strings.Contains(body, lacks) {
			t.Errorf("%s %s: %v, %d events, %s", method, marker, err, n, body)
		}
	}
	const events, array = ":streamGenerateContent?alt=sse", ":streamGenerateContent"
	f(events, "cut=2", false, 2, "data: ", "finishReason")
	f(array, "cut=2", false, 2, "[{", "]\n")
	f(":generateContent", "cut=2", false, 1, "", "finishReason")
	f(events, "cut=0", false, 0, "", "")
	f(events, "truncate=2", true, 2, "", "finishReason")
	f(events, "error-mid=2", true, 2, `data: {"error":{"code":500,"message":"simulated`, "finishReason")
	f(array, "error-mid=2", true, 2, ",\n"+`{"error":{"code":500,`, "finishReason")
	f(array, "error-mid=0", true, 0, `[{"error":{"code":500,`, "finishReason")
	f(events, "error-mid=2,code=UNAVAILABLE", true, 2, `"status":"UNAVAILABLE"`, "")
	f(":generateContent", "error-mid=2", true, 0, `"status":"INTERNAL"`, "")
	f(events, "events=3,malformed", true, 4, "broken\n", "")
	f(events, "events=3,nousage", true, 3, "STOP", "usageMetadata")
	f(events, "events=3,stall=20ms", true, 3, "STOP", "")
}

// A stream that the client does not read to its end must not be yielded to further.
func TestStreamsCanBeLeft(t *testing.T) {
	for _, d := range []dialect{openai{}, anthropic{}, gemini{}, &responses{}, bedrock{}, invoke{}, cohere{}, &speech{format: "wav"}, &transcription{}} {
		q, err := parseMessages([]byte(claude("x", claudeThink)), false)
		if err != nil {
			t.Fatal(err)
		}
		a := newAnswer(q, &Script{}, Latency{}, 1)
		all := 0
		for range d.events(a) {
			all++
		}
		for leave := 1; leave < all; leave++ {
			n := 0
			for range d.events(a) {
				if n++; n == leave {
					break
				}
			}
		}
	}
}

func FuzzParseGenerate(f *testing.F) {
	f.Add([]byte(gem("hi", gemTool+gemThink)))
	f.Add([]byte(`{"contents":{"parts":{"text":"x"}},"generation_config":{"response_mime_type":"application/json","stop_sequences":"a"},"a__b_":[{"c_d":null}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		q, err := parseGenerate(body, "m1")
		if err != nil {
			return
		}
		sameTwice(t, gemini{}, q)
	})
}
