package fakellm

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a server and a client that leave nothing behind.
func start(t *testing.T, o Options) (*Server, *http.Client) {
	t.Helper()
	s := New(o)
	transport := &http.Transport{DisableKeepAlives: true}
	t.Cleanup(func() { transport.CloseIdleConnections(); s.Close() })
	return s, &http.Client{Transport: transport}
}

// ask posts a chat request and returns status, header, body and the error of reading it.
func ask(t *testing.T, s *Server, c *http.Client, kind, body string) (*http.Response, string, error) {
	t.Helper()
	resp, err := c.Post(s.BaseURL(kind)+"/chat/completions", "application/json", strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp, string(b), err
}

func prompt(text, more string) string {
	b, _ := json.Marshal(text)
	return `{"model":"m1","messages":[{"role":"user","content":` + string(b) + `}]` + more + `}`
}

type completion struct {
	ID          string `json:"id"`
	Object      string `json:"object"`
	Model       string `json:"model"`
	Fingerprint string `json:"system_fingerprint"`
	Choices     []struct {
		Index   int    `json:"index"`
		Finish  string `json:"finish_reason"`
		Message said   `json:"message"`
		Delta   said   `json:"delta"`
	} `json:"choices"`
	Usage *openaiUsage `json:"usage"`
	Error *errorObject
}

type said struct {
	Role      string `json:"role"`
	Content   string `json:"content"`
	ToolCalls []struct {
		ID       string `json:"id"`
		Function struct{ Name, Arguments string }
	} `json:"tool_calls"`
}

func decode(t *testing.T, body string) completion {
	t.Helper()
	var c completion
	if err := json.Unmarshal([]byte(body), &c); err != nil {
		t.Fatalf("%v in %.200s", err, body)
	}
	return c
}

// events returns the data of a stream's events.
func events(t *testing.T, stream string) []string {
	t.Helper()
	var all []string
	lines := bufio.NewScanner(strings.NewReader(stream))
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			all = append(all, data)
		} else if lines.Text() != "" {
			t.Fatalf("line %q", lines.Text())
		}
	}
	return all
}

// The chunks must be those that the official SDKs know: role, deltas, finish, usage, [DONE].
func TestStreamHasTheOfficialShape(t *testing.T) {
	s, c := start(t, Options{})
	resp, body, err := ask(t, s, c, "openai", prompt("hello", `,"stream":true,"stream_options":{"include_usage":true}`))
	if err != nil || resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		t.Fatal(resp, err)
	}
	all := events(t, body)
	n := len(all)
	if all[n-1] != "[DONE]" {
		t.Fatal("no [DONE]")
	}
	first, finish, last := decode(t, all[0]), decode(t, all[n-3]), decode(t, all[n-2])
	if d := first.Choices[0].Delta; d.Role != "assistant" || d.Content != "" || !strings.Contains(all[0], `"content":""`) {
		t.Errorf("first chunk %s", all[0])
	}
	if !strings.Contains(all[n-3], `"delta":{},"logprobs":null,"finish_reason":"stop"`) || finish.ID != first.ID {
		t.Errorf("finish chunk %s", all[n-3])
	}
	if !strings.Contains(all[n-2], `"choices":[]`) || last.Usage == nil {
		t.Errorf("usage chunk %s", all[n-2])
	}
	if content := int64(n - 4); last.Usage.Completion != content || last.Usage.Total != last.Usage.Prompt+content {
		t.Errorf("usage %+v of %d content events", last.Usage, content)
	}
	for _, e := range all[:n-2] {
		if ch := decode(t, e); ch.Object != "chat.completion.chunk" || ch.Model != "m1" || ch.Fingerprint != "simulated" || !strings.HasSuffix(e, `"usage":null}`) {
			t.Errorf("chunk %s", e)
		}
	}
}

func TestStreamWithoutIncludeUsageHasNone(t *testing.T) {
	s, c := start(t, Options{})
	_, body, _ := ask(t, s, c, "openai", prompt("hello", `,"stream":true`))
	if strings.Contains(body, `"usage"`) || !strings.HasSuffix(body, "data: [DONE]\n\n") {
		t.Error(body)
	}
}

func streamed(t *testing.T, body string) (text, args string) {
	t.Helper()
	for _, e := range events(t, body) {
		if e == "[DONE]" {
			break
		}
		for _, ch := range decode(t, e).Choices {
			text += ch.Delta.Content
			for _, call := range ch.Delta.ToolCalls {
				args += call.Function.Arguments
			}
		}
	}
	return text, args
}

func TestStreamedAndPlainSayTheSame(t *testing.T) {
	s, c := start(t, Options{})
	f := func(more string) {
		t.Helper()
		_, plain, _ := ask(t, s, c, "openai", prompt("tell me", more))
		_, stream, _ := ask(t, s, c, "openai", prompt("tell me", more+`,"stream":true`))
		text, args := streamed(t, stream)
		m := decode(t, plain).Choices[0].Message
		if m.Content != text || len(m.ToolCalls) > 0 && m.ToolCalls[0].Function.Arguments != args {
			t.Errorf("%s: plain %q, streamed %q %q", more, plain, text, args)
		}
	}
	f(``)
	f(`,"max_tokens":3`)
	f(`,"response_format":{"type":"json_object"}`)
	f(`,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"string"}}}}}]`)
}

func TestPlain(t *testing.T) {
	s, c := start(t, Options{})
	f := func(body string, ok func(completion) bool) {
		t.Helper()
		resp, reply, err := ask(t, s, c, "openai", body)
		if err != nil || resp.StatusCode != 200 {
			t.Fatal(resp, reply, err)
		}
		got := decode(t, reply)
		if got.Usage == nil || got.Usage.Prompt != PromptTokens([]byte(body)) || got.Fingerprint != "simulated" || !ok(got) {
			t.Errorf("%s\n→ %s", body, reply)
		}
	}
	tools := `"tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object","required":["city","unit"],` +
		`"properties":{"city":{"type":"string"},"unit":{"enum":["C","F"]},"days":{"type":"integer","minimum":3,"maximum":5}}}}}]`
	call := func(finish string) func(completion) bool {
		return func(c completion) bool {
			var a struct {
				City, Unit string
				Days       int
			}
			ch := c.Choices[0]
			if len(ch.Message.ToolCalls) != 1 || ch.Finish != finish {
				return false
			}
			fn := ch.Message.ToolCalls[0].Function
			err := json.Unmarshal([]byte(fn.Arguments), &a)
			return err == nil && fn.Name == "weather" && a.City != "" && (a.Unit == "C" || a.Unit == "F") && a.Days >= 3 && a.Days <= 5
		}
	}
	text := func(c completion) bool { return c.Choices[0].Message.Content != "" && c.Choices[0].Finish == "stop" }
	jsonText := func(c completion) bool { return json.Valid([]byte(c.Choices[0].Message.Content)) }

	f(prompt("hello", ``), text)
	f(prompt("hello", `,"n":3`), func(c completion) bool {
		return len(c.Choices) == 3 && c.Choices[2].Index == 2 && c.Choices[0].Message.Content != c.Choices[1].Message.Content
	})
	f(prompt("hello", `,"max_tokens":5`), func(c completion) bool { return c.Choices[0].Finish == "length" && c.Usage.Completion == 5 })
	f(prompt("hello", `,"max_completion_tokens":1`), func(c completion) bool { return c.Choices[0].Finish == "length" && c.Usage.Completion == 1 })
	f(prompt("weather?", `,`+tools), call("tool_calls"))
	f(prompt("weather?", `,"tool_choice":{"type":"function","function":{"name":"weather"}},`+tools), call("stop"))
	f(prompt("weather?", `,"tool_choice":"none",`+tools), text)
	f(`{"model":"m1","messages":[{"role":"user","content":"w?"},{"role":"tool","tool_call_id":"x","content":"12"}],`+tools+`}`, text)
	f(prompt("hello", `,"response_format":{"type":"json_object"}`), jsonText)
	f(prompt("hello", `,"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"array","minItems":2,"items":{"type":"boolean"}}}}`), func(c completion) bool {
		var list []bool
		return json.Unmarshal([]byte(c.Choices[0].Message.Content), &list) == nil && len(list) == 2
	})
	f(`{"model":"m1","messages":[{"role":"user","content":[{"type":"text","text":"what is this"},{"type":"image_url","image_url":{"url":"data:"}}]}]}`, func(c completion) bool {
		return c.Usage.Prompt == 3+4+85+3
	})
}

func TestCachedTokensAreAPartOfLongPrompts(t *testing.T) {
	some := false
	for i := range 20 {
		q, err := parseRequest([]byte(prompt(strings.Repeat("long ", 2000+i), ``)))
		if err != nil {
			t.Fatal(err)
		}
		u := newAnswer(q, &Script{}, Latency{}, 1).usage
		cached := u.cached
		if cached < 0 || cached >= u.prompt || cached%128 != 0 {
			t.Errorf("%d cached of %d", cached, u.prompt)
		}
		some = some || cached > 0
	}
	if !some {
		t.Error("never a cached token")
	}
}

func TestBadRequests(t *testing.T) {
	s, c := start(t, Options{})
	f := func(body, want string) {
		t.Helper()
		resp, reply, _ := ask(t, s, c, "openai", body)
		if resp.StatusCode != 400 || !strings.Contains(reply, want) || decode(t, reply).Error == nil {
			t.Errorf("%s → %d %s", body, resp.StatusCode, reply)
		}
	}
	f(`{`, "no chat completion request")
	f(`{"messages":[{"role":"user","content":"x"}]}`, "model")
	f(`{"model":"m1","messages":[]}`, "messages")
	f(prompt("x", `,"n":0`), "n must be")
	f(prompt("[[halfpenny:stall]]", ``), "want a duration")
	f(prompt("[[halfpenny:explode=1]]", ``), `there is no \"explode\"`)
	f(prompt("[[halfpenny:events=2]]", `,"n":2`), "one choice")
}

func TestModelsAndUnknownPath(t *testing.T) {
	s, c := start(t, Options{Models: []string{"a", "b"}})
	f := func(path string, status int, want string) {
		t.Helper()
		resp, err := c.Get(s.BaseURL("groq") + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != status || !bytes.Contains(body, []byte(want)) {
			t.Errorf("%s → %d %s", path, resp.StatusCode, body)
		}
	}
	f("/models", 200, `{"object":"list","data":[{"id":"a","object":"model","created":0,"owned_by":"groq"}`)
	f("/nothing", 404, "unknown path")
}

// cancel in the middle of a stream must be seen at once, and counted as such.
func TestClientThatLeavesIsCounted(t *testing.T) {
	s, c := start(t, Options{Log: 8})
	f := func(body string) {
		t.Helper()
		before := s.Stats().Canceled
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		r, _ := http.NewRequestWithContext(ctx, "POST", s.BaseURL("openai")+"/chat/completions", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer sk-1")
		go func() {
			if resp, err := c.Do(r); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		}()
		if !s.WaitFor(5*time.Second, func(st Stats) bool { return st.InFlight == 1 }) {
			t.Fatal("never arrived")
		}
		left := time.Now()
		cancel()
		if !s.WaitFor(5*time.Second, func(st Stats) bool { return st.Canceled == before+1 && st.InFlight == 0 }) {
			t.Fatal("not seen", s.Stats())
		}
		log := s.Requests()
		e := log[len(log)-1]
		if took := e.Ended.Sub(left); !e.Canceled || took > time.Second || e.Key != "sk-1" || e.Kind != "openai" || string(e.Body) != body {
			t.Errorf("%+v seen after %s", e, took)
		}
	}
	f(prompt("[[halfpenny:events=100,gap=100]]", `,"stream":true`))
	f(prompt("[[halfpenny:stall=1m]]", `,"stream":true`))
	f(prompt("[[halfpenny:slow=1m]]", ``))
	f(prompt("[[halfpenny:stall=1m]]", ``))
}

// Clients that stop reading at [DONE] have not cancelled anything.
func TestClientThatLeavesAtTheEndIsNotCounted(t *testing.T) {
	s, c := start(t, Options{})
	const times = 50
	for range times {
		resp, err := c.Post(s.BaseURL("openai")+"/chat/completions", "application/json", strings.NewReader(prompt("[[halfpenny:events=2]]", `,"stream":true`)))
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(resp.Body)
		for lines.Scan() && lines.Text() != "data: [DONE]" {
		}
		_ = resp.Body.Close()
	}
	if !s.WaitFor(5*time.Second, func(st Stats) bool { return st.Finished == times }) {
		t.Errorf("%+v", s.Stats())
	}
}

func TestCloseEndsWhatIsInFlight(t *testing.T) {
	s, c := start(t, Options{})
	done := make(chan error, 1)
	go func() {
		_, _, err := ask(t, s, c, "openai", prompt("[[halfpenny:stall=1m]]", `,"stream":true`))
		done <- err
	}()
	if !s.WaitFor(5*time.Second, func(st Stats) bool { return st.InFlight == 1 }) {
		t.Fatal("never arrived")
	}
	s.Close()
	if err := <-done; err == nil {
		t.Error("the stream ended as if it were whole")
	}
}

func TestLogKeepsTheLatest(t *testing.T) {
	s, c := start(t, Options{Log: 2})
	for _, kind := range []string{"openai", "groq", "groq"} {
		if _, _, err := ask(t, s, c, kind, prompt("x", ``)); err != nil {
			t.Fatal(err)
		}
	}
	log := s.Requests()
	if len(log) != 2 || log[0].ID != 2 || s.Count("groq") != 2 || s.Count("openai") != 0 || s.Stats().Started != 3 {
		t.Errorf("%+v %+v", log, s.Stats())
	}
}

func TestLatencyIsWaited(t *testing.T) {
	s, c := start(t, Options{Latency: Latency{First: 60 * time.Millisecond, Gap: 4 * time.Millisecond}})
	begin := time.Now()
	if _, _, err := ask(t, s, c, "openai", prompt("[[halfpenny:events=10]]", `,"stream":true`)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < 50*time.Millisecond {
		t.Errorf("answered after %s", took)
	}
}

func TestPiecesJoinToTheText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		size := rapid.IntRange(1, 20).Draw(t, "size")
		all := pieces(text, size)
		if strings.Join(all, "") != text {
			t.Fatalf("%q", all)
		}
		for _, p := range all {
			if p == "" || len(p) > size+3 {
				t.Fatalf("piece %q", p)
			}
		}
	})
}

func TestSampleNeverFails(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		schema := rapid.SampledFrom([]string{
			`{"$ref":"#"}`, `{"$ref":"#/$defs/a","$defs":{"a":{"type":"object","properties":{"again":{"$ref":"#/$defs/a"}},"required":["again"]}}}`,
			`{"anyOf":[{"type":"null"}]}`, `{"type":["integer","null"],"minimum":7,"maximum":7}`, `{"type":"string","minLength":1e9}`, `{"type":"array","minItems":1e9}`,
			`{"type":"string","maxLength":-1}`, `{"type":"number","minimum":1e308}`, `[]`, `{"properties":{"a":1}}`, ``,
		}).Draw(t, "schema")
		q := &request{Model: rapid.String().Draw(t, "model")}
		if out := sample(newAnswer(q, &Script{}, Latency{}, 1).rand, json.RawMessage(schema)); !json.Valid([]byte(out)) {
			t.Fatalf("%s → %s", schema, out)
		}
	})
}
