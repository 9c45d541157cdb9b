package fakellm

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func askCohere(t *testing.T, s *Server, c *http.Client, path, body string) (*http.Response, string, error) {
	t.Helper()
	return send(t, c, s.CohereURL("cohere")+path, body, "Authorization", "Bearer k")
}

const (
	chatTool    = `,"tools":[{"type":"function","function":{"name":"f","parameters":` + toolSchema + `}}]`
	cohereThink = `,"thinking":{"type":"enabled"}`
)

// count adds what the usage says; a plan or thoughts are told by the message.
func (a *told) countCohere(u *cohereUsage) {
	if u != nil {
		a.input, a.output, a.cached = u.Tokens.Input, u.Tokens.Output, u.Cached
	}
}

func readCohere(t *testing.T, body string) (a told) {
	t.Helper()
	var m struct {
		ID      string
		Message cohereMessage
		Finish  string `json:"finish_reason"`
		Usage   *cohereUsage
	}
	if err := json.Unmarshal([]byte(body), &m); err != nil || !strings.HasPrefix(m.ID, "simulated-") || m.Message.Role != "assistant" {
		t.Fatalf("%v in %.300s", err, body)
	}
	a.thoughts = m.Message.Plan
	for _, p := range m.Message.Content {
		if p.Thinking != nil {
			a.thoughts += *p.Thinking
		}
		if p.Text != nil {
			a.text += *p.Text
		}
	}
	for _, call := range m.Message.Calls {
		a.tool, a.args = call.Function.Name, call.Function.Arguments
	}
	a.finish = m.Finish
	a.countCohere(m.Usage)
	return a
}

// readCohereStream also returns the names of the events, equal ones in a row once.
func readCohereStream(t *testing.T, body string) (a told, names []string) {
	t.Helper()
	rest, done := strings.CutSuffix(body, "data: [DONE]\n\n")
	if !done {
		t.Fatalf("no [DONE] in %q", body)
	}
	for _, frame := range strings.Split(strings.TrimSuffix(rest, "\n\n"), "\n\n") {
		name, data, found := strings.Cut(frame, "\ndata: ")
		var e struct {
			Type  string
			Delta struct {
				Message struct {
					Plan    string          `json:"tool_plan"`
					Content json.RawMessage `json:"content"`
					Calls   json.RawMessage `json:"tool_calls"`
				}
				Finish string `json:"finish_reason"`
				Usage  *cohereUsage
			}
		}
		if err := json.Unmarshal([]byte(data), &e); err != nil || !found || name != "event: "+e.Type {
			t.Fatalf("%v in %q", err, frame)
		}
		names = append(names, e.Type)
		var part cohereContent
		var call wireCall
		_ = json.Unmarshal(e.Delta.Message.Content, &part)
		_ = json.Unmarshal(e.Delta.Message.Calls, &call)
		a.thoughts += e.Delta.Message.Plan
		if part.Thinking != nil {
			a.thoughts += *part.Thinking
		}
		if part.Text != nil {
			a.text += *part.Text
		}
		a.tool += call.Function.Name
		a.args += call.Function.Arguments
		a.finish += e.Delta.Finish
		a.countCohere(e.Delta.Usage)
	}
	return a, slices.Compact(names)
}

func TestCohereStreamedAndPlainSayTheSame(t *testing.T) {
	s, c := start(t, Options{})
	f := func(text, more string, ok func(told) bool) {
		t.Helper()
		resp, plain, err := askCohere(t, s, c, "/v2/chat", prompt(text, more))
		if err != nil || resp.StatusCode != 200 {
			t.Fatal(plain, err)
		}
		_, stream, _ := askCohere(t, s, c, "/v2/chat", prompt(text, more+`,"stream":true`))
		want := readCohere(t, plain)
		got, names := readCohereStream(t, stream)
		if got != want || !ok(want) || names[len(names)-1] != "message-end" {
			t.Errorf("%s:\nplain    %+v\nstreamed %+v\n%s", more, want, got, names)
		}
		if tokens := PromptTokens([]byte(prompt(text, ``))); !strings.Contains(more, "tool") && want.input != tokens {
			t.Errorf("%s: %+v of a prompt of %d tokens", more, want, tokens)
		}
	}
	saysText := func(a told) bool { return a.text != "" && a.finish == "COMPLETE" && a.tool == "" }
	calls := func(a told) bool {
		return a.tool == "f" && json.Valid([]byte(a.args)) && a.finish == "TOOL_CALL" && a.text == "" && a.thoughts != ""
	}
	f("hello", ``, func(a told) bool { return saysText(a) && a.thoughts == "" })
	f("hello", cohereThink, func(a told) bool { return saysText(a) && a.thoughts != "" })
	f("hello", chatTool, calls)
	f("hello", chatTool+cohereThink, calls)
	f("hello", chatTool+`,"tool_choice":"REQUIRED"`, calls)
	f("hello", chatTool+`,"tool_choice":"NONE"`, saysText)
	f("hello", `,"max_tokens":3`, func(a told) bool { return a.finish == "MAX_TOKENS" && a.output == 3 })
	f("hello", `,"max_tokens":3`+chatTool, func(a told) bool { return a.finish == "MAX_TOKENS" && a.output == 3 && a.tool == "" })
	f("hello", `,"stop_sequences":[" simulated"]`, func(a told) bool { return a.finish == "STOP_SEQUENCE" && a.text == "This is a" })
	f("hello", `,"response_format":{"type":"json_object"}`, func(a told) bool { return strings.HasPrefix(a.text, "{") })
	f("hello", `,"response_format":{"type":"json_object","json_schema":{"type":"array","items":{"type":"boolean"}}}`, func(a told) bool {
		return strings.HasPrefix(a.text, "[")
	})
	f(strings.Repeat("long ", 2000), ``, func(a told) bool { return a.cached%128 == 0 && a.cached < a.input })
}

func TestCohereShape(t *testing.T) {
	s, c := start(t, Options{})
	f := func(body, want string) {
		t.Helper()
		if _, reply, _ := askCohere(t, s, c, "/v2/chat", body); !strings.Contains(reply, want) {
			t.Errorf("no %s in\n%s", want, reply)
		}
	}
	f(prompt("[[halfpenny:events=2]]", ``), `"message":{"role":"assistant","content":[{"type":"text","text":"This is"}]},"finish_reason":"COMPLETE",`+
		`"usage":{"billed_units":{"input_tokens":13,"output_tokens":2},"tokens":{"input_tokens":13,"output_tokens":2},"cached_tokens":0}}`)
	f(prompt("x", cohereThink), `"reasoning_tokens":`)
	f(prompt("x", chatTool), `"tool_plan":"This is a simulated thought.`)
	f(prompt("x", chatTool+cohereThink), `"content":[{"type":"thinking","thinking":"This is a simulated thought.`)
	f(prompt("x", chatTool), `"tool_calls":[{"id":"f_`)
	f(`{"model":"m","messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},`+
		`{"role":"tool","tool_call_id":"a","content":[{"type":"document","document":{"data":"12"}}]}]`+chatTool+`,"documents":["d"]}`, `"type":"text"`)
}

func TestCohereRefuses(t *testing.T) {
	s, c := start(t, Options{})
	url := s.CohereURL("cohere")
	f := func(path, body string, status int, message string, headers ...string) {
		t.Helper()
		resp, reply, err := send(t, c, url+path, body, headers...)
		var e struct{ ID, Message string }
		if err != nil || json.Unmarshal([]byte(reply), &e) != nil || e.ID == "" || resp.StatusCode != status || !strings.Contains(e.Message, message) {
			t.Errorf("%s → %d %s, want %d %s", body, resp.StatusCode, reply, status, message)
		}
	}
	f("/v2/chat", prompt("x", ``), 401, "no api key supplied")
	f("/v2/embed", `{}`, 401, "no api key supplied")
	f("/v2/rerank", `{}`, 401, "no api key supplied")
	f("/v1/chat", prompt("x", ``), 404, "unknown path", "Authorization", "Bearer k")
	bad := func(path, body, message string) {
		t.Helper()
		f(path, body, 400, message, "Authorization", "Bearer k")
	}
	const chat, embed, rank = "/v2/chat", "/v2/embed", "/v2/rerank"
	turns := func(messages string) string { return `{"model":"m","messages":[` + messages + `]}` }
	bad(chat, `{`, "invalid request body")
	bad(chat, `{"messages":[{"role":"user","content":"x"}]}`, "model")
	bad(chat, turns(``), "messages must not be empty")
	bad(chat, turns(`{"role":"developer","content":"x"}`), "messages[0].role")
	bad(chat, turns(`{"role":"user"}`), "messages[0]")
	bad(chat, turns(`{"role":"tool","content":"x"}`), "tool_call_id is required")
	bad(chat, turns(`{"role":"tool","tool_call_id":"a","content":"x"}`), "of no call before it")
	bad(chat, prompt("x", chatTool+`,"tool_choice":"auto"`), "tool_choice must be")
	bad(chat, prompt("x", `,"tool_choice":"NONE"`), "only if tools are")
	bad(chat, prompt("x", `,"tools":[{"name":"f"}]`), "tools[0]")
	bad(chat, prompt("x", `,"temperature":3`), "temperature")
	bad(chat, prompt("x", `,"max_tokens":-1`), "max_tokens")
	bad(chat, prompt("[[halfpenny:explode=1]]", ``), `there is no "explode"`)
	bad(embed, `{"input_type":"search_query","texts":["x"]}`, "model")
	bad(embed, `{"model":"m","texts":["x"]}`, "input_type")
	bad(embed, `{"model":"m","input_type":"search_query"}`, "received 0")
	bad(embed, `{"model":"m","input_type":"search_query","texts":["x"],"embedding_types":["words"]}`, `"words"`)
	bad(embed, `{"model":"m","input_type":"search_query","texts":["x"],"output_dimension":0}`, "output_dimension")
	bad(rank, `{"query":"x","documents":["x"]}`, "model")
	bad(rank, `{"model":"m","documents":["x"]}`, "query")
	bad(rank, `{"model":"m","query":"x"}`, "documents")
	bad(rank, `{"model":"m","query":"x","documents":[{"text":"x"}]}`, "documents[0]")
	bad(rank, `{"model":"m","query":"x","documents":["x"],"top_n":0}`, "top_n")
	f(chat, prompt("[[halfpenny:status=429]]", ``), 429, "simulated", "Authorization", "Bearer k")
	f(embed, `{"model":"m","input_type":"search_query","texts":["[[halfpenny:status=503]]"]}`, 503, "simulated", "Authorization", "Bearer k")
	f(rank, `{"model":"m","query":"[[halfpenny:status=503]]","documents":["x"]}`, 503, "simulated", "Authorization", "Bearer k")
}

func TestCohereMarkers(t *testing.T) {
	s, c := start(t, Options{})
	f := func(marker string, whole bool, events int, contains, lacks string) {
		t.Helper()
		_, body, err := askCohere(t, s, c, "/v2/chat", prompt("[[halfpenny:"+marker+"]]", `,"stream":true`))
		n := strings.Count(body, `event: content-delta`)
		if (err == nil) != whole || n != events || !strings.Contains(body, contains) || lacks != "" && strings.Contains(body, lacks) {
			t.Errorf("%s: %v, %d events, %s", marker, err, n, body)
		}
	}
	f("cut=2", false, 2, "message-start", "content-end")
	f("cut=0", false, 0, "", "")
	f("truncate=2", true, 2, "", "message-end")
	f("error-mid=2", true, 2, `"finish_reason":"ERROR"`, "[DONE]")
	f("events=3,malformed", true, 4, "broken\n", "")
	f("events=3,nousage", true, 3, "[DONE]", "usage")
	f("events=3,stall=20ms", true, 3, "[DONE]", "")
}

func TestCohereEmbed(t *testing.T) {
	s, c := start(t, Options{})
	resp, reply, err := askCohere(t, s, c, "/v2/embed", `{"model":"embed-v4.0","input_type":"search_document","texts":["one text","two"],"output_dimension":16,`+
		`"embedding_types":["float","base64","int8","uint8","binary","ubinary"]}`)
	var e struct {
		Embeddings map[string][]json.RawMessage
		Texts      []string
		Type       string `json:"response_type"`
		Meta       struct {
			Billed map[string]int64 `json:"billed_units"`
		}
	}
	if err != nil || resp.StatusCode != 200 || json.Unmarshal([]byte(reply), &e) != nil || e.Type != "embeddings_by_type" || len(e.Texts) != 2 || e.Meta.Billed["input_tokens"] != 3 {
		t.Fatal(reply, err)
	}
	v := vector("one text", 16)
	coded := base64.StdEncoding.EncodeToString(littleEndian(v))
	if string(e.Embeddings["base64"][0]) != `"`+coded+`"` || !slices.Equal(numbers(t, e.Embeddings["float"][0]), v) {
		t.Error(reply)
	}
	for name, n := range map[string]int{"int8": 16, "uint8": 16, "binary": 2, "ubinary": 2} {
		low, high := -128, 127
		if name[0] == 'u' {
			low, high = 0, 255
		}
		var list []int
		if json.Unmarshal(e.Embeddings[name][1], &list) != nil || len(list) != n || slices.Min(list) < low || slices.Max(list) > high {
			t.Errorf("%s %s", name, e.Embeddings[name])
		}
	}
	_, reply, _ = askCohere(t, s, c, "/v2/embed", `{"model":"m","input_type":"image","images":["data:image/png;base64,AA=="],"inputs":[{"content":[{"type":"text","text":"x"}]}]}`)
	if json.Unmarshal([]byte(reply), &e) != nil || len(e.Embeddings["float"]) != 2 {
		t.Error(reply)
	}
}

func TestCohereRerank(t *testing.T) {
	s, c := start(t, Options{})
	_, reply, _ := askCohere(t, s, c, "/v2/rerank", `{"model":"m","query":"red river","documents":["a blue car","the red river","red"],"top_n":2}`)
	var e struct {
		Results []ranked
		Meta    cohereMeta
	}
	if json.Unmarshal([]byte(reply), &e) != nil || len(e.Results) != 2 || e.Results[0].Index != 1 || e.Results[1].Index != 2 ||
		e.Results[0].Relevance <= e.Results[1].Relevance || e.Results[0].Relevance > 1 || e.Meta.Billed["search_units"] != 1 {
		t.Error(reply)
	}
}

func FuzzParseCohere(f *testing.F) {
	f.Add([]byte(prompt("hi", chatTool+cohereThink)))
	f.Add([]byte(`{"model":"m","messages":[{"role":"user","content":[{"type":"image_url"},{"type":"document","document":{"data":{"a":1}}}]}],"documents":[{}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		q, err := parseCohere(body)
		if err != nil {
			return
		}
		sameTwice(t, cohere{}, q)
	})
}
