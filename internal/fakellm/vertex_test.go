package fakellm

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func askVertex(t *testing.T, s *Server, c *http.Client, model, body string) (*http.Response, string, error) {
	t.Helper()
	return send(t, c, s.VertexURL("vertex")+"/v1/projects/p/locations/global/publishers/"+model, body, "Authorization", "Bearer k")
}

func TestVertexSpeaksGemini(t *testing.T) {
	s, c := start(t, Options{})
	for _, more := range []string{``, gemTool, gemThink} {
		_, direct, _ := askGemini(t, s, c, ":generateContent", gem("hello", more))
		_, plain, err := askVertex(t, s, c, "google/models/m1:generateContent", gem("hello", more))
		_, stream, _ := askVertex(t, s, c, "google/models/m1:streamGenerateContent?alt=sse", gem("hello", more))
		want := readGemini(t, direct)
		if a, b := readGemini(t, plain), readGemini(t, events(t, stream)...); a != want || b != want || err != nil {
			t.Errorf("%+v\n%+v\n%+v", want, a, b)
		}
	}
	if _, reply, _ := askVertex(t, s, c, "google/models/m1:countTokens", gem("how long is this", ``)); !strings.Contains(reply, `"totalTokens":11`) {
		t.Error(reply)
	}
}

func TestVertexSpeaksAnthropic(t *testing.T) {
	s, c := start(t, Options{})
	hosted := func(more string) string {
		return strings.Replace(claude("hello", more), `"model":"m1"`, `"anthropic_version":"vertex-2023-10-16"`, 1)
	}
	for _, more := range []string{``, claudeTool, claudeThink} {
		_, direct, _ := askAnthropic(t, s, c, claude("hello", more))
		_, plain, err := askVertex(t, s, c, "anthropic/models/m1:rawPredict", hosted(more))
		_, stream, _ := askVertex(t, s, c, "anthropic/models/m1:streamRawPredict", hosted(more+`,"stream":true`))
		want := readClaude(t, direct)
		got, _ := readClaudeStream(t, stream)
		if a := readClaude(t, plain); a != want || got != want || err != nil {
			t.Errorf("%+v\n%+v\n%+v", want, a, got)
		}
	}
	if _, reply, _ := askVertex(t, s, c, "anthropic/models/count-tokens:rawPredict", claude("x", ``)); !strings.HasPrefix(reply, `{"input_tokens":`) {
		t.Error(reply)
	}
}

func TestVertexRefuses(t *testing.T) {
	s, c := start(t, Options{})
	base := s.VertexURL("vertex") + "/v1/projects/p/locations/global/publishers/"
	for _, url := range []string{base + "google/models/m1:generateContent", base + "anthropic/models/m1:rawPredict"} {
		resp, reply, _ := send(t, c, url, gem("x", ``), "x-goog-api-key", "k", "x-api-key", "k")
		if resp.StatusCode != 401 || !strings.Contains(reply, `"status":"UNAUTHENTICATED"`) {
			t.Error(reply)
		}
	}
	f := func(model, body string, status int, want string) {
		t.Helper()
		if resp, reply, _ := askVertex(t, s, c, model, body); resp.StatusCode != status || !strings.Contains(reply, want) {
			t.Errorf("%s %s → %d %s, want %d %s", model, body, resp.StatusCode, reply, status, want)
		}
	}
	f("google/models/m1:explain", gem("x", ``), 404, "NOT_FOUND")
	f("meta/models/m1:rawPredict", gem("x", ``), 404, "NOT_FOUND")
	f("anthropic/models/m1:explain", claude("x", ``), 404, "not_found_error")
	f("anthropic/models/m1:rawPredict", claude("x", ``), 400, "anthropic_version: Field required")
	f("anthropic/models/m1:rawPredict", claude("x", `,"anthropic_version":"vertex-2023-10-16"`), 400, "model: Extra inputs")
	f("anthropic/models/m1:rawPredict", `{"anthropic_version":"vertex-2023-10-16","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"x"}]}`, 400, "streamRawPredict")
	f("anthropic/models/m1:streamRawPredict", strings.Replace(claude("[[halfpenny:error-mid=2]]", ``), `"model":"m1"`, `"anthropic_version":"vertex-2023-10-16"`, 1), 200, "event: error")
	f("google/models/m1:generateContent", gem("[[halfpenny:status=429]]", ``), 429, "RESOURCE_EXHAUSTED")
}

// A token is given for any assertion, and takes no script from the queue.
func TestVertexToken(t *testing.T) {
	s, c := start(t, Options{})
	s.Enqueue("vertex", Script{Status: 503})
	f := func(status int, want string, form ...string) {
		t.Helper()
		values := url.Values{}
		for i := 0; i < len(form); i += 2 {
			values.Set(form[i], form[i+1])
		}
		resp, reply, err := send(t, c, s.VertexURL("vertex")+"/token", values.Encode(), "Content-Type", "application/x-www-form-urlencoded")
		if err != nil || resp.StatusCode != status || !strings.Contains(reply, want) || !json.Valid([]byte(reply)) {
			t.Errorf("%v → %d %s", form, resp.StatusCode, reply)
		}
	}
	f(200, `","expires_in":3600,"token_type":"Bearer"}`, "grant_type", jwtBearer, "assertion", "a.b.c")
	f(400, `"error":"unsupported_grant_type"`, "grant_type", "password", "assertion", "a.b.c")
	f(400, `"error":"invalid_request"`, "grant_type", jwtBearer)
	if resp, reply, _ := askVertex(t, s, c, "google/models/m1:generateContent", gem("x", ``)); resp.StatusCode != 503 {
		t.Error(reply)
	}
}

func TestGeminiEmbeds(t *testing.T) {
	s, c := start(t, Options{})
	var one struct{ Embedding geminiValues }
	_, reply, _ := askGemini(t, s, c, ":embedContent", `{"content":{"parts":[{"text":"one text"}]},"outputDimensionality":8}`)
	if json.Unmarshal([]byte(reply), &one) != nil || len(one.Embedding.Values) != 8 || one.Embedding.Values[0] != vector("one text", 8)[0] || !strings.Contains(reply, `"promptTokenCount":2`) {
		t.Error(reply)
	}
	var all struct{ Embeddings []geminiValues }
	_, reply, _ = askGemini(t, s, c, ":batchEmbedContents", `{"requests":[{"model":"models/m1","content":{"parts":[{"text":"one text"}]},"output_dimensionality":8},{"model":"models/m1","content":{"parts":{"text":"two"}}}]}`)
	if json.Unmarshal([]byte(reply), &all) != nil || len(all.Embeddings) != 2 || all.Embeddings[0].Values[0] != one.Embedding.Values[0] || len(all.Embeddings[1].Values) != 3072 {
		t.Error(reply)
	}
	bad := func(method, body, message string) {
		t.Helper()
		if resp, reply, _ := askGemini(t, s, c, method, body); resp.StatusCode != 400 || !strings.Contains(reply, message) {
			t.Errorf("%s → %d %s", body, resp.StatusCode, reply)
		}
	}
	bad(":embedContent", `{`, "Invalid JSON payload")
	bad(":embedContent", `{}`, "contents is not specified")
	bad(":embedContent", `{"content":{"parts":[{"text":"x"}]},"outputDimensionality":0}`, "output_dimensionality")
	bad(":batchEmbedContents", `{"requests":[]}`, "requests")
	bad(":batchEmbedContents", `{"requests":[{"content":{"parts":[{"text":"x"}]}}]}`, "requests[0].model")
	bad(":batchEmbedContents", `{"requests":[{"model":"models/other","content":{"parts":[{"text":"x"}]}}]}`, "does not match")
	if resp, reply, _ := send(t, c, s.GeminiURL("gemini")+"/v1beta/models/m1:embedContent", `{}`); resp.StatusCode != 403 {
		t.Error(reply)
	}
	if resp, reply, _ := askGemini(t, s, c, ":embedContent", `{"content":{"parts":[{"text":"[[halfpenny:status=429]]"}]}}`); resp.StatusCode != 429 {
		t.Error(reply)
	}
}
