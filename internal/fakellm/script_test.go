package fakellm

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestParseMarker(t *testing.T) {
	f := func(text string, want Script) {
		t.Helper()
		got, err := parseMarker(text)
		if err != nil || got.Status != want.Status || got.RetryAfter != want.RetryAfter || got.Code != want.Code || got.Slow != want.Slow ||
			got.Stall != want.Stall || got.Gap != want.Gap || got.End != want.End || got.After != want.After || got.Malformed != want.Malformed ||
			got.NoUsage != want.NoUsage || got.Events != want.Events || got.Bytes != want.Bytes || got.At != want.At {
			t.Errorf("%q → %+v, %v", text, got, err)
		}
	}
	f("no marker", Script{})
	f("[[halfpenny:status=429", Script{})
	f("a [[halfpenny:status=429,retry-after=2]] b", Script{Status: 429, RetryAfter: 2})
	f("[[halfpenny:status=500, code=boom, at=groq]]", Script{Status: 500, Code: "boom", At: "groq"})
	f("[[halfpenny:stall=5s]]", Script{Stall: 5 * time.Second})
	f("[[halfpenny:slow=2s]]", Script{Slow: 2 * time.Second})
	f("[[halfpenny:cut=0]]", Script{End: Cut})
	f("[[halfpenny:cut=3]]", Script{End: Cut, After: 3})
	f("[[halfpenny:error-mid=3]]", Script{End: ErrorEvent, After: 3})
	f("[[halfpenny:truncate=3]]", Script{End: Truncate, After: 3})
	f("[[halfpenny:malformed]]", Script{Malformed: true})
	f("[[halfpenny:nousage]]", Script{NoUsage: true})
	f("[[halfpenny:events=7,gap=20]]", Script{Events: 7, Gap: 20 * time.Millisecond})
	f("[[halfpenny:bytes=1000]]", Script{Bytes: 1000})
}

func FuzzParseMarker(f *testing.F) {
	f.Add("[[halfpenny:status=429,retry-after=2]]")
	f.Add("[[halfpenny:cut=-1]]")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseMarker(text)
		if err == nil && (s.After < 0 || s.Events > maxEvents || s.Bytes > maxBytes || s.Stall > maxWait || s.Slow > maxWait || s.Gap > maxWait) {
			t.Errorf("%q → %+v", text, s)
		}
	})
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(prompt("hi", `,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]`)))
	f.Add([]byte(prompt("hi", `,"response_format":{"type":"json_schema","json_schema":{"schema":{"$ref":"#"}}}`)))
	f.Fuzz(func(t *testing.T, body []byte) {
		q, err := parseRequest(body)
		if err != nil {
			return
		}
		openai{}.whole(newAnswer(q, &Script{}, Latency{}, 1))
	})
}

// What each marker does to a plain answer and to a stream, as the client sees it.
func TestMarkers(t *testing.T) {
	s, c := start(t, Options{})
	type outcome struct {
		status   int
		whole    bool // read to its end without an error
		content  int  // content events of a stream
		contains string
		lacks    string
	}
	f := func(marker string, stream bool, want outcome) {
		t.Helper()
		more := ``
		if stream {
			more = `,"stream":true,"stream_options":{"include_usage":true}`
		}
		resp, body, err := ask(t, s, c, "openai", prompt("[[halfpenny:"+marker+"]]", more))
		status := 0
		if resp != nil {
			status = resp.StatusCode
		}
		content := strings.Count(body, `"delta":{"content":`)
		if status != want.status || (err == nil) != want.whole || content != want.content || !strings.Contains(body, want.contains) || want.lacks != "" && strings.Contains(body, want.lacks) {
			t.Errorf("%s (stream %v) → status %d, %d content events, error %v, body %.300s", marker, stream, status, content, err, body)
		}
	}
	f("status=429,retry-after=2", false, outcome{status: 429, whole: true, contains: "rate_limit_exceeded"})
	f("status=503,code=overloaded", true, outcome{status: 503, whole: true, contains: `"code":"overloaded"`})
	f("cut=0", false, outcome{})
	f("cut=0", true, outcome{})
	f("cut=2", false, outcome{status: 200})
	f("cut=2", true, outcome{status: 200, content: 2, lacks: "[DONE]"})
	f("events=2,cut=9", true, outcome{status: 200, content: 2, lacks: `"stop"`})
	f("error-mid=2", false, outcome{status: 500, whole: true, contains: "server_error"})
	f("error-mid=2", true, outcome{status: 200, whole: true, content: 2, contains: "server_error", lacks: "[DONE]"})
	f("truncate=2", false, outcome{status: 200, whole: true, contains: `"id"`, lacks: `"total_tokens"`})
	f("truncate=2", true, outcome{status: 200, whole: true, content: 2, lacks: "[DONE]"})
	f("malformed", false, outcome{status: 200, whole: true, contains: "!!"})
	// The broken event comes on top of the three.
	f("events=3,malformed", true, outcome{status: 200, whole: true, content: 4, contains: "broken\n"})
	f("nousage", false, outcome{status: 200, whole: true, lacks: "usage"})
	f("events=3,nousage", true, outcome{status: 200, whole: true, content: 3, contains: "[DONE]", lacks: "usage"})
	f("events=250", true, outcome{status: 200, whole: true, content: 250, contains: `"completion_tokens":250`})
	f("events=3,stall=20ms", true, outcome{status: 200, whole: true, content: 3, contains: "[DONE]"})
	f("stall=20ms", false, outcome{status: 200, whole: true, contains: "total_tokens"})
	f("events=2,at=groq", true, outcome{status: 200, whole: true, content: normalLength(t, s, c), contains: "[DONE]"})
}

// normalLength is how many content events the answer to the last fact above has without its marker.
func normalLength(t *testing.T, s *Server, c *http.Client) int {
	t.Helper()
	_, body, err := ask(t, s, c, "openai", prompt("[[halfpenny:events=2,at=groq]]", `,"stream":true`))
	if err != nil {
		t.Fatal(err)
	}
	n := strings.Count(body, `"delta":{"content":`)
	if n == 2 {
		t.Error("a marker for another provider was obeyed")
	}
	return n
}

func TestBytesAreExact(t *testing.T) {
	s, c := start(t, Options{})
	f := func(n int, marker string) {
		t.Helper()
		_, body, err := ask(t, s, c, "openai", prompt(marker, ``))
		if got := len(decode(t, body).Choices[0].Message.Content); err != nil || got != n {
			t.Errorf("%s → %d bytes, %v", marker, got, err)
		}
	}
	f(1, "[[halfpenny:bytes=1]]")
	f(1000, "[[halfpenny:bytes=1000]]")
	f(3000000, "[[halfpenny:bytes=3000000]]")
}

func TestRetryAfterHeader(t *testing.T) {
	s, c := start(t, Options{})
	resp, _, _ := ask(t, s, c, "openai", prompt("[[halfpenny:status=429,retry-after=2]]", ``))
	if got := resp.Header.Get("Retry-After"); got != "2" {
		t.Errorf("Retry-After %q", got)
	}
}

func TestMarkerOfAnEarlierTurnIsForgotten(t *testing.T) {
	s, c := start(t, Options{})
	body := `{"model":"m","messages":[{"role":"user","content":"[[halfpenny:status=500]]"},{"role":"user","content":"again"}]}`
	if resp, _, _ := ask(t, s, c, "openai", body); resp.StatusCode != 200 {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestQueueAndHookComeBeforeTheMarker(t *testing.T) {
	hooked := &Script{Body: []byte(`{"mine":true}`), Header: http.Header{"X-Mine": {"1"}}}
	s, c := start(t, Options{Respond: func(r *http.Request, _ []byte) *Script {
		if r.Header.Get("Content-Type") == "application/json" && strings.Contains(r.URL.Path, "/mistral/") {
			return hooked
		}
		return nil
	}})
	s.Enqueue("", Script{Status: 500}, Script{Status: 502})
	s.Enqueue("groq", Script{Status: 503})
	f := func(kind string, status int) *http.Response {
		t.Helper()
		resp, body, err := ask(t, s, c, kind, prompt("[[halfpenny:status=418]]", ``))
		if err != nil || resp.StatusCode != status {
			t.Fatalf("%s → %d %s %v", kind, resp.StatusCode, body, err)
		}
		return resp
	}
	f("groq", 503)
	f("groq", 500)
	f("openai", 502)
	f("openai", 418)
	if resp := f("mistral", 200); resp.Header.Get("X-Mine") != "1" {
		t.Error("header of the hook is missing")
	}
}
