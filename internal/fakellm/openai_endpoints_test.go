package fakellm

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
)

// post asks an endpoint of OpenAI's API, and returns the status, the body and the error of reading it.
func post(t *testing.T, s *Server, c *http.Client, path, body string) (int, string, error) {
	t.Helper()
	resp, err := c.Post(s.BaseURL("openai")+path, "application/json", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

type embedded struct {
	Object string `json:"object"`
	Data   []struct {
		Object    string          `json:"object"`
		Index     int             `json:"index"`
		Embedding json.RawMessage `json:"embedding"`
	} `json:"data"`
	Model string           `json:"model"`
	Usage map[string]int64 `json:"usage"`
}

// numbers reads an embedding of either format.
func numbers(t *testing.T, raw json.RawMessage) []float32 {
	t.Helper()
	var coded string
	var v []float32
	if json.Unmarshal(raw, &coded) != nil {
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	b, err := base64.StdEncoding.DecodeString(coded)
	if err != nil || len(b)%4 != 0 {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	for ; len(b) > 0; b = b[4:] {
		v = append(v, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	return v
}

func embed(t *testing.T, s *Server, c *http.Client, body string) embedded {
	t.Helper()
	status, reply, err := post(t, s, c, "/embeddings", body)
	var e embedded
	if err != nil || status != 200 || json.Unmarshal([]byte(reply), &e) != nil {
		t.Fatalf("%s → %d %.300s %v", body, status, reply, err)
	}
	return e
}

func TestEmbeddings(t *testing.T) {
	s, c := start(t, Options{})
	f := func(model, rest string, count, dimensions int, tokens int64) {
		t.Helper()
		e := embed(t, s, c, `{"model":"`+model+`",`+rest+`}`)
		if e.Object != "list" || e.Model != model || len(e.Data) != count || e.Usage["prompt_tokens"] != tokens || e.Usage["total_tokens"] != tokens || len(e.Usage) != 2 {
			t.Fatalf("%s → %d of %+v", rest, len(e.Data), e.Usage)
		}
		for i, d := range e.Data {
			v, square := numbers(t, d.Embedding), 0.0
			for _, x := range v {
				square += float64(x) * float64(x)
			}
			if d.Object != "embedding" || d.Index != i || len(v) != dimensions || math.Abs(square-1) > 1e-4 {
				t.Errorf("%s → %d: %q %d, %d numbers, the sum of squares %v", rest, i, d.Object, d.Index, len(v), square)
			}
		}
	}
	f("text-embedding-3-small", `"input":"hello"`, 1, 1536, 2)
	f("text-embedding-ada-002", `"input":["hello","you"]`, 2, 1536, 3)
	f("text-embedding-3-large", `"input":[1,2,3]`, 1, 3072, 3)
	f("mistral-embed", `"input":[[1,2,3],[4]],"dimensions":null`, 2, 1024, 4)
	f("text-embedding-3-large", `"input":"hello","dimensions":256`, 1, 256, 2)
	f("text-embedding-3-small", `"input":["a","b"],"dimensions":3,"encoding_format":"base64"`, 2, 3, 2)
}

func TestEmbeddingDependsOnItsTextAlone(t *testing.T) {
	s, c := start(t, Options{})
	both := embed(t, s, c, `{"model":"m","input":["one","two"],"dimensions":8}`)
	coded := embed(t, s, c, `{"model":"m","input":"two","dimensions":8,"encoding_format":"base64"}`)
	one, two, again := numbers(t, both.Data[0].Embedding), numbers(t, both.Data[1].Embedding), numbers(t, coded.Data[0].Embedding)
	for i := range two {
		if two[i] != again[i] || two[i] == one[i] {
			t.Fatalf("%v, %v, %v", one, two, again)
		}
	}
	short := vector("two", 2)
	if ratio := two[1] / two[0]; math.Abs(float64(short[1]/short[0]-ratio)) > 1e-4*math.Abs(float64(ratio)) {
		t.Errorf("%v is not the beginning of %v", short, two)
	}
}

type legacyCompletion struct {
	ID          string `json:"id"`
	Object      string `json:"object"`
	Model       string `json:"model"`
	Fingerprint string `json:"system_fingerprint"`
	Choices     []struct {
		Text   string  `json:"text"`
		Index  int     `json:"index"`
		Finish *string `json:"finish_reason"`
	} `json:"choices"`
	Usage map[string]int64 `json:"usage"`
}

func readLegacy(t *testing.T, body string) legacyCompletion {
	t.Helper()
	var l legacyCompletion
	err := json.Unmarshal([]byte(body), &l)
	if err != nil || l.Object != "text_completion" || l.Model != "m1" || l.Fingerprint != "simulated" || !strings.HasPrefix(l.ID, "cmpl-") {
		t.Fatalf("%v in %.300s", err, body)
	}
	return l
}

// The plain answer is as the fact says, and the stream says the same in the official shape.
func TestLegacyCompletions(t *testing.T) {
	s, c := start(t, Options{})
	f := func(rest string, choices int, finish string, prompt, output int64) {
		t.Helper()
		status, reply, err := post(t, s, c, "/completions", `{"model":"m1",`+rest+`}`)
		if err != nil || status != 200 || strings.Count(reply, `"logprobs":null`) != choices {
			t.Fatalf("%s → %d %s %v", rest, status, reply, err)
		}
		plain := readLegacy(t, reply)
		if u := plain.Usage; u["prompt_tokens"] != prompt || output > 0 && u["completion_tokens"] != output || u["total_tokens"] != prompt+u["completion_tokens"] {
			t.Errorf("%s → usage %v", rest, u)
		}
		_, stream, _ := post(t, s, c, "/completions", `{"model":"m1","stream":true,"stream_options":{"include_usage":true},`+rest+`}`)
		all := events(t, stream)
		n := len(all)
		if all[n-1] != "[DONE]" || !strings.Contains(all[n-2], `"choices":[],"usage":{`) || readLegacy(t, all[n-2]).Usage["total_tokens"] != plain.Usage["total_tokens"] {
			t.Errorf("%s: the stream ends with %s", rest, all[n-2:])
		}
		said, finished := make([]string, choices), make([]string, choices)
		for _, e := range all[:n-2] {
			ch := readLegacy(t, e).Choices[0]
			if said[ch.Index] += ch.Text; ch.Finish != nil {
				finished[ch.Index] = *ch.Finish
			}
			if !strings.HasSuffix(e, `"usage":null}`) {
				t.Errorf("chunk %s", e)
			}
		}
		for i, ch := range plain.Choices {
			if len(plain.Choices) != choices || ch.Index != i || ch.Text == "" || *ch.Finish != finish || said[i] != ch.Text || finished[i] != finish {
				t.Errorf("%s: plain %+v, streamed %q %q", rest, ch, said[i], finished[i])
			}
		}
	}
	f(`"prompt":"Say something."`, 1, "length", 4, 16)
	f(`"prompt":"Say something.","max_tokens":3,"n":2`, 2, "length", 4, 6)
	f(`"prompt":["Say","something."],"n":2,"echo":false`, 4, "length", 4, 64)
	f(`"prompt":"Say something.","max_tokens":1000`, 1, "stop", 4, 0)
	f(`"prompt":"Say something.","stop":" answer"`, 1, "stop", 4, 5)
	f(`"prompt":[7,8,9],"max_tokens":1`, 1, "length", 3, 1)
}

func TestModerations(t *testing.T) {
	s, c := start(t, Options{})
	f := func(body, model string, results int, applied ...string) {
		t.Helper()
		status, reply, err := post(t, s, c, "/moderations", body)
		var m struct {
			ID      string       `json:"id"`
			Model   string       `json:"model"`
			Results []moderation `json:"results"`
		}
		if err != nil || status != 200 || json.Unmarshal([]byte(reply), &m) != nil || strings.Contains(reply, "usage") {
			t.Fatalf("%s → %d %s %v", body, status, reply, err)
		}
		if !strings.HasPrefix(m.ID, "modr-simulated-") || m.Model != model || len(m.Results) != results {
			t.Fatalf("%s → %s", body, reply)
		}
		for _, r := range m.Results {
			if r.Flagged || len(r.Categories) != 13 || len(r.Scores) != 13 || strings.Join(r.Applied["violence/graphic"], " ") != strings.Join(applied, " ") {
				t.Errorf("%s → %+v", body, r)
			}
			for name, yes := range r.Categories {
				if score := r.Scores[name]; yes || score < 0 || score >= 0.001 {
					t.Errorf("%s: %v, %v", name, yes, score)
				}
			}
		}
	}
	f(`{"input":"hello"}`, "omni-moderation-latest", 1, "text")
	f(`{"model":"text-moderation-stable","input":["hello","you"]}`, "text-moderation-stable", 2, "text")
	f(`{"input":[{"type":"text","text":"hello"},{"type":"text","text":"you"}]}`, "omni-moderation-latest", 1, "text")
	f(`{"input":[{"type":"text","text":"hello"},{"type":"image_url","image_url":{"url":"data:"}}]}`, "omni-moderation-latest", 1, "text", "image")
}

func TestEndpointsRefuse(t *testing.T) {
	s, c := start(t, Options{})
	f := func(path, body string, want string) {
		t.Helper()
		status, reply, err := post(t, s, c, path, body)
		if err != nil || status != 400 || !strings.Contains(reply, want) || decode(t, reply).Error.Type != "invalid_request_error" {
			t.Errorf("%s %s → %d %s %v", path, body, status, reply, err)
		}
	}
	f("/embeddings", `{`, "no embeddings request")
	f("/embeddings", `{"input":"x"}`, "model")
	f("/embeddings", `{"model":"m"}`, "input")
	f("/embeddings", `{"model":"m","input":null}`, "input")
	f("/embeddings", `{"model":"m","input":[]}`, "input")
	f("/embeddings", `{"model":"m","input":["x",""]}`, "input")
	f("/embeddings", `{"model":"m","input":[[1],[]]}`, "input")
	f("/embeddings", `{"model":"m","input":{"text":"x"}}`, "want a text")
	f("/embeddings", `{"model":"m","input":[[1],["x"]]}`, "no embeddings request")
	f("/embeddings", `{"model":"m","input":["x"`+strings.Repeat(`,"x"`, 2048)+`]}`, "2048")
	f("/embeddings", `{"model":"m","input":"x","dimensions":0}`, "dimensions")
	f("/embeddings", `{"model":"m","input":"x","dimensions":4097}`, "dimensions")
	f("/embeddings", `{"model":"m","input":"x","encoding_format":"int8"}`, "encoding_format")
	f("/completions", `{`, "no completion request")
	f("/completions", `{"prompt":"x"}`, "model")
	f("/completions", `{"model":"m"}`, "prompt")
	f("/completions", `{"model":"m","prompt":"x","echo":true}`, "echo")
	f("/completions", `{"model":"m","prompt":"x","max_tokens":0}`, "max_tokens")
	f("/completions", `{"model":"m","prompt":"x","n":0}`, "n must be")
	f("/completions", `{"model":"m","prompt":["x","y"],"n":65}`, "n must be")
	f("/moderations", `{`, "no moderation request")
	f("/moderations", `{"input":null}`, "input")
	f("/moderations", `{"input":7}`, "input")
	f("/moderations", `{"input":[{"type":"sound"}]}`, "sound")
	f("/moderations", `{"model":"","input":"x"}`, "model")
}

// Markers in any of the texts, scripts and the log work as for chat.
func TestEndpointsAreScripted(t *testing.T) {
	s, c := start(t, Options{Log: 1})
	f := func(path, body string, status int, whole bool, contains, lacks string) {
		t.Helper()
		got, reply, err := post(t, s, c, path, body)
		if got != status || (err == nil) != whole || !strings.Contains(reply, contains) || lacks != "" && strings.Contains(reply, lacks) {
			t.Errorf("%s %s → %d %.300s %v", path, body, got, reply, err)
		}
		if log := s.Requests(); log[0].Kind != "openai" || log[0].Path != "/sim/openai/openai/v1"+path || string(log[0].Body) != body {
			t.Errorf("log %+v", log[0])
		}
	}
	f("/embeddings", `{"model":"m","input":["[[halfpenny:status=429,code=slow_down]]","x"]}`, 429, true, `"code":"slow_down"`, "")
	f("/embeddings", `{"model":"m","input":"[[halfpenny:nousage]]"}`, 200, true, `"embedding"`, "usage")
	f("/embeddings", `{"model":"m","input":"[[halfpenny:cut=1]]"}`, 200, false, `"embedding"`, "usage")
	f("/embeddings", `{"model":"m","input":"[[halfpenny:explode]]"}`, 400, true, "explode", "")
	f("/moderations", `{"input":[{"type":"text","text":"[[halfpenny:status=503]]"}]}`, 503, true, "server_error", "")
	f("/completions", `{"model":"m","prompt":"[[halfpenny:error-mid=2]]","stream":true}`, 200, true, "server_error", "[DONE]")
	f("/completions", `{"model":"m","prompt":"[[halfpenny:events=3]]","stream":true}`, 200, true, "[DONE]", "usage")
	f("/completions", `{"model":"m","prompt":"[[halfpenny:nousage]]"}`, 200, true, "cmpl-", "usage")
	for _, path := range []string{"/embeddings", "/completions", "/moderations"} {
		s.Enqueue("openai", Script{Status: 500, Body: []byte("scripted")})
		f(path, `{"model":"m","input":"x","prompt":"x"}`, 500, true, "scripted", "")
	}
}

func FuzzEndpoints(f *testing.F) {
	f.Add([]byte(`{"model":"m","input":["x"],"dimensions":3,"encoding_format":"base64"}`))
	f.Add([]byte(`{"model":"m","input":[[1],[2]],"prompt":[1],"n":2,"stop":["x",null],"max_tokens":4}`))
	f.Add([]byte(`{"input":[{"type":"text","text":"x"},{"type":"image_url"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, d := range []dialect{&embeddings{}, legacy{}, &moderations{}} {
			q, err := d.parse(nil, body)
			if err != nil {
				continue
			}
			if out := d.whole(newAnswer(q, &Script{}, Latency{}, 1)); !json.Valid(out) {
				t.Errorf("%T: %s", d, out)
			}
		}
	})
}
