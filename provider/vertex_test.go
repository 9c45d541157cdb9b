package provider

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/generic-corp/halfpenny/llm"
)

const vertexBase = "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4"

func TestVertexAddressesEachPublisher(t *testing.T) {
	a, err := newVertex(vertexBase + "/")
	if err != nil {
		t.Fatal(err)
	}
	f := func(e llm.Endpoint, model string, caller llm.Dialect, stream bool, dialect llm.Dialect, want string) {
		t.Helper()
		if d := a.Dialect(e, model, caller); d != dialect {
			t.Errorf("%s: dialect %s", model, d)
		}
		r := &http.Request{Header: http.Header{}}
		err := a.Prepare(r, Destination{Endpoint: e, Dialect: dialect, Model: model, Secret: "ya29.token", Stream: stream})
		if err != nil || r.URL.String() != vertexBase+want || r.Header.Get("Authorization") != "Bearer ya29.token" {
			t.Errorf("%s: %v, %s %v", model, err, r.URL, r.Header)
		}
	}
	chat, openai, anthropic, gemini := llm.EndpointChat, llm.DialectOpenAI, llm.DialectAnthropic, llm.DialectGemini
	f(chat, "gemini-2.5-flash", openai, false, gemini, "/publishers/google/models/gemini-2.5-flash:generateContent")
	f(chat, "gemini-2.5-flash", openai, true, gemini, "/publishers/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse")
	f(chat, "claude-sonnet-4-5@20250929", anthropic, false, anthropic, "/publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict")
	f(chat, "claude-sonnet-4-5@20250929", openai, true, anthropic, "/publishers/anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict")
	f(chat, "meta/llama-4-maverick", openai, true, openai, "/endpoints/openapi/chat/completions")
	if d := a.Dialect(llm.EndpointImages, "gemini-2.5-flash", openai); d != llm.DialectNone {
		t.Errorf("images in %s", d)
	}
}

func TestVertexEditsAnthropicsBody(t *testing.T) {
	a, err := newVertex(vertexBase)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{"Anthropic-Beta": {"one, two"}, "Anthropic-Version": {"2023-06-01"}}
	body := `{"model":"claude-x","stream":true,"messages":[]}`
	got, err := a.(BodyEditor).EditBody(Destination{Dialect: llm.DialectAnthropic}, h, []byte(body))
	want := `{"anthropic_version":"vertex-2023-10-16","anthropic_beta":["one","two"],"stream":true,"messages":[]}`
	if err != nil || string(got) != want || len(h) != 0 {
		t.Errorf("%v %s %v", err, got, h)
	}
	if got, err := a.(BodyEditor).EditBody(Destination{Dialect: llm.DialectGemini}, h, []byte(body)); err != nil || string(got) != body {
		t.Errorf("%v %s", err, got)
	}
}

func TestVertexPassed(t *testing.T) {
	a, err := newVertex(vertexBase)
	if err != nil {
		t.Fatal(err)
	}
	f := func(path string, want Passed, open bool) {
		t.Helper()
		if got, ok := a.(Passer).Passed(path); ok != open || ok && got != want {
			t.Errorf("%s: %+v, %t", path, got, ok)
		}
	}
	f("/publishers/google/models/g:generateContent", Passed{Endpoint: llm.EndpointChat, Dialect: llm.DialectGemini, Model: "g"}, true)
	f("/publishers/anthropic/models/c:streamRawPredict", Passed{Endpoint: llm.EndpointChat, Dialect: llm.DialectAnthropic, Model: "c", Stream: true}, true)
	f("/publishers/google/models/text-embedding-005:predict", Passed{Endpoint: llm.EndpointEmbeddings, Dialect: llm.DialectGemini, Model: "text-embedding-005"}, true)
	f("/publishers/google/models/imagen-4:predict", Passed{}, false)
	f("/publishers/anthropic/models/c:count-tokens", Passed{}, false)
	f("/endpoints/1:predict", Passed{}, false)
}

// serviceAccount is a key whose tokens come from uri.
func serviceAccount(t *testing.T, uri string) string {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)})
	key, err := json.Marshal(map[string]string{"type": "service_account", "client_email": "a@p.iam.gserviceaccount.com", "private_key": string(block), "token_uri": uri})
	if err != nil {
		t.Fatal(err)
	}
	return string(key)
}

// A service account's key is exchanged for a token once, not for every call.
func TestVertexTokenOfAServiceAccount(t *testing.T) {
	var asked atomic.Int32
	var status atomic.Int32
	status.Store(200)
	google := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.FormValue("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || strings.Count(r.FormValue("assertion"), ".") != 2 {
			t.Errorf("asked with %v", r.Form)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(int(status.Load()))
		_, _ = io.WriteString(w, `{"access_token":"made","token_type":"Bearer","expires_in":3600}`)
	}))
	defer google.Close()
	a, err := newVertex(vertexBase)
	if err != nil {
		t.Fatal(err)
	}
	secret := serviceAccount(t, google.URL)
	to := Destination{Endpoint: llm.EndpointChat, Dialect: llm.DialectGemini, Model: "g", Secret: secret}
	for range 3 {
		r := &http.Request{Header: http.Header{}}
		if err := a.Prepare(r, to); err != nil || r.Header.Get("Authorization") != "Bearer made" {
			t.Fatalf("%v %v", err, r.Header)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("%d tokens were made", n)
	}
	status.Store(403)
	for _, bad := range []string{serviceAccount(t, google.URL), `{"type":"authorized_user"}`, `{`} {
		to.Secret = bad
		if err := a.Prepare(&http.Request{Header: http.Header{}}, to); !errors.Is(err, ErrNoToken) || strings.Contains(err.Error(), "PRIVATE KEY") {
			t.Errorf("%v", err)
		}
	}
}
