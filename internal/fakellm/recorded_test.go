package fakellm

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// exchanges calls f with every recorded exchange.
func exchanges(t *testing.T, f func(*recorded)) {
	t.Helper()
	shared := os.Getenv("HALFPENNY_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "shared")
	}
	file, err := os.Open(filepath.Join(shared, "traffic", "exchanges.jsonl"))
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("CI") == "" {
		t.Skip("the recorded traffic is not here: set HALFPENNY_SHARED")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var e recorded
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		f(&e)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

// What real providers accepted the simulation must accept: its refusals are theirs.
func TestRecordedRequestsAreAccepted(t *testing.T) {
	accepted := map[string]int{}
	exchanges(t, func(e *recorded) {
		read, err := e.parse()
		switch {
		case !read:
		case err == nil:
			accepted[e.API]++
		default:
			t.Errorf("%s: %v", e.ID, err)
		}
	})
	t.Log(accepted)
	for api, least := range map[string]int{
		"anthropic.messages": 150, "gemini.generateContent": 180, "openai.responses": 180, "bedrock.converse": 20, "bedrock.converse-stream": 10,
		"bedrock.invoke": 5, "cohere.chat": 30, "cohere.embed": 3, "cohere.rerank": 2, "gemini.embedContent": 3,
	} {
		if accepted[api] < least {
			t.Errorf("%d requests of %s were accepted", accepted[api], api)
		}
	}
}

type recorded struct {
	ID       string
	API      string
	Provider string
	Recorded *bool `json:"request_recorded"`
	Request  struct {
		Path string
		Body json.RawMessage
	}
	Response struct {
		Status   int
		Encoding string `json:"body_encoding"`
		Body     string
	}
}

// parse reads the request of a good answer; false if there is none or it is in a dialect that is not played.
func (e *recorded) parse() (read bool, err error) {
	post := &http.Request{Method: http.MethodPost, Header: http.Header{"Authorization": {"Bearer k"}}}
	if e.Response.Status != 200 || e.Recorded != nil && !*e.Recorded {
		return false, nil
	}
	switch e.API {
	case "anthropic.messages", "anthropic.count_tokens":
		if !strings.Contains(e.Request.Path, "/v1/messages") {
			return false, nil
		}
		_, err = parseMessages(e.Request.Body, e.API == "anthropic.count_tokens")
	case "gemini.generateContent", "gemini.countTokens":
		_, err = parseGenerate(e.Request.Body, "m")
	case "gemini.embedContent":
		_, path, _ := strings.Cut(e.Request.Path, "/models/")
		model, method, _ := strings.Cut(path, ":")
		_, err = (&geminiEmbeddings{gemini: gemini{model: model, method: method, vertex: true}}).parse(post, e.Request.Body)
	case "openai.responses":
		if e.Provider != "openai" {
			return false, nil
		}
		d := &responses{kept: &conversations{}}
		if p := previousOf(e.Request.Body); p != "" {
			d.kept.keep(p, []message{newMessage("user", "x", 0)})
		}
		_, err = d.parse(post, e.Request.Body)
	case "bedrock.converse", "bedrock.converse-stream":
		_, err = parseConverse(e.Request.Body, "m")
	case "bedrock.invoke", "bedrock.invoke-with-response-stream":
		if !strings.Contains(string(e.Request.Body), `"anthropic_version"`) {
			return false, nil
		}
		_, err = parseHosted(e.Request.Body, "m", bedrockVersion)
	case "cohere.chat":
		if e.Request.Path != "/v2/chat" {
			return false, nil
		}
		_, err = parseCohere(e.Request.Body)
	case "cohere.embed":
		_, err = (&cohereEmbeddings{}).parse(post, e.Request.Body)
	case "cohere.rerank":
		_, err = (&rerank{}).parse(post, e.Request.Body)
	default:
		return false, nil
	}
	return true, err
}

func previousOf(body []byte) string {
	var b struct {
		Previous string `json:"previous_response_id"`
	}
	_ = json.Unmarshal(body, &b)
	return b.Previous
}

// shape is what a stream looks like, whatever it says: the types of its events in
// their order, equal ones in a row once, and the fields of each type.
type shape struct {
	types  []string
	fields map[string]map[string]bool
}

func (s *shape) add(name string, data []byte) {
	s.types = append(s.types, name)
	var v any
	if json.Unmarshal(data, &v) != nil {
		return
	}
	if s.fields == nil {
		s.fields = map[string]map[string]bool{}
	}
	if s.fields[name] == nil {
		s.fields[name] = map[string]bool{}
	}
	addFields(s.fields[name], "", v)
}

func addFields(all map[string]bool, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			all[path+"."+name] = true
			// What is in these is the client's.
			if name != "tools" && name != "metadata" && name != "tool_choice" {
				addFields(all, path+"."+name, value)
			}
		}
	case []any:
		for _, item := range v {
			addFields(all, path, item)
		}
	}
}

// added are fields that the providers had not yet when the oldest of the streams below
// were recorded; younger recordings have them.
var added = []string{".delta.usage.tokens.reasoning_tokens", ".response.moderation", ".response.completed_at", ".response.frequency_penalty", ".response.presence_penalty"}

// differences from what was recorded: + is more, - is less.
func (s *shape) differences(want *shape) (all []string) {
	if got, want := strings.Join(slices.Compact(s.types), " "), strings.Join(slices.Compact(want.types), " "); got != want {
		return []string{"order " + got + "\n  want " + want}
	}
	for _, name := range slices.Sorted(maps.Keys(want.fields)) {
		for field := range s.fields[name] {
			if !want.fields[name][field] && !slices.Contains(added, field) {
				all = append(all, "+"+name+field)
			}
		}
		for field := range want.fields[name] {
			if !s.fields[name][field] {
				all = append(all, "-"+name+field)
			}
		}
	}
	slices.Sort(all)
	return all
}

func shapeOf(t *testing.T, stream string) *shape {
	t.Helper()
	s := &shape{}
	if strings.HasPrefix(stream, "\x00") {
		messages, _ := awsEvents(t, stream)
		for _, m := range messages {
			s.add(m.kind+" "+m.name, m.payload)
		}
		return s
	}
	for _, line := range strings.Split(stream, "\n") {
		if data, ok := strings.CutPrefix(line, "data: "); ok && data != "[DONE]" {
			var e struct{ Type string }
			_ = json.Unmarshal([]byte(data), &e)
			s.add(e.Type, []byte(data))
		}
	}
	return s
}

// The streams have the events and the fields of recorded ones. Bedrock's thoughts were
// recorded in no stream: those are as the documentation of Converse has them.
func TestStreamsHaveTheRecordedShape(t *testing.T) {
	s, c := start(t, Options{})
	said := func(_ *http.Response, body string, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	const stream = `,"stream":true`
	simulated := map[string]string{
		"openai-responses_openai_cd5d128c42":         said(askResponses(t, s, c, resp("x", stream))),
		"openai-responses_openai_408c1a78af":         said(askResponses(t, s, c, resp("x", respTool+stream))),
		"openai-responses_openai_2cb0ddb358":         said(askResponses(t, s, c, resp("x", respTool+respThink+stream))),
		"openai-responses_openai_5d937f5e57":         said(askResponses(t, s, c, resp("x", respTool+`,"reasoning":{"effort":"high"},"include":["reasoning.encrypted_content"]`+stream))),
		"bedrock-converse-stream_bedrock_9aae1f32c8": said(askBedrock(t, s, c, "converse-stream", conv("x", ``))),
		"bedrock-converse-stream_bedrock_6c6908adff": said(askBedrock(t, s, c, "converse-stream", conv("x", convTool))),
		"cohere-chat_cohere_bd026e3830":              said(askCohere(t, s, c, "/v2/chat", prompt("x", stream))),
		"cohere-chat_cohere_59a22383da":              said(askCohere(t, s, c, "/v2/chat", prompt("x", chatTool+stream))),
		"cohere-chat_cohere_74192b240f":              said(askCohere(t, s, c, "/v2/chat", prompt("x", cohereThink+stream))),
	}
	seen := 0
	exchanges(t, func(e *recorded) {
		got, wanted := simulated[e.ID]
		if !wanted {
			return
		}
		seen++
		body := e.Response.Body
		if e.Response.Encoding == "base64" {
			raw, err := base64.StdEncoding.DecodeString(body)
			if err != nil {
				t.Fatal(err)
			}
			body = string(raw)
		}
		if d := shapeOf(t, got).differences(shapeOf(t, body)); len(d) > 0 {
			t.Errorf("%s:\n  %s", e.ID, strings.Join(d, "\n  "))
		}
	})
	if seen != len(simulated) {
		t.Errorf("%d of %d streams were recorded", seen, len(simulated))
	}
}

// So has the end of a response that failed, which the recorded one did before its first item.
func TestFailedResponseHasTheRecordedShape(t *testing.T) {
	s, c := start(t, Options{})
	_, body, _ := askResponses(t, s, c, resp("[[halfpenny:error-mid=2]]", `,"stream":true`))
	end := func(stream string) *shape { return shapeOf(t, stream[strings.Index(stream, "event: error\n"):]) }
	seen := false
	exchanges(t, func(e *recorded) {
		if e.ID != "openai-responses_openai_c06b7b7b28" {
			return
		}
		seen = true
		if d := end(body).differences(end(e.Response.Body)); len(d) > 0 {
			t.Errorf("%s", strings.Join(d, "\n"))
		}
	})
	if !seen {
		t.Error("it was not recorded")
	}
}
