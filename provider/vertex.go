package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/jwt"

	"github.com/generic-corp/halfpenny/llm"
)

// Vertex AI: https://docs.cloud.google.com/vertex-ai/docs/reference/rest
//
// The base URL holds the version, the project and the location, as in
// https://europe-west4-aiplatform.googleapis.com/v1/projects/PROJECT/locations/europe-west4.
// The secret is the JSON of a service account's key, of which access tokens are made,
// or an access token itself.
var _ = register(Kind{Name: "vertex", Aliases: []string{"vertex_ai"}, Simulation: "vertex/v1/projects/simulated/locations/global", New: newVertex})

// vertexScope is what a service account must be granted: https://docs.cloud.google.com/docs/authentication/rest
const vertexScope = "https://www.googleapis.com/auth/cloud-platform"

// vertexAdapter speaks to each publisher's models as they do: Gemini's dialect to
// Google's, Anthropic's to Claude, and OpenAI's to those whose names have a publisher in front.
type vertexAdapter struct {
	root      *url.URL // shared by all requests, so never changed
	gemini    Fields
	anthropic Fields
	open      Fields
	tokens    sync.Map // oauth2.TokenSource by secret
}

var (
	_ Adapter     = (*vertexAdapter)(nil)
	_ FieldFilter = (*vertexAdapter)(nil)
	_ BodyEditor  = (*vertexAdapter)(nil)
	_ Passer      = (*vertexAdapter)(nil)
)

func newVertex(baseURL string) (Adapter, error) {
	gemini, err := newGemini(baseURL)
	if err != nil {
		return nil, err
	}
	claude, err := newAnthropic(baseURL)
	if err != nil {
		return nil, err
	}
	root, err := parseBase("vertex", baseURL)
	return &vertexAdapter{root: root, gemini: gemini.(FieldFilter).Fields(""), anthropic: claude.(FieldFilter).Fields(""),
		open: Fields{Honoured: fieldsOf(everywhere)}}, err
}

// Name returns the provider's kind.
func (a *vertexAdapter) Name() string { return "vertex" }

// Dialect is that of the model's publisher.
func (a *vertexAdapter) Dialect(e llm.Endpoint, model string, caller llm.Dialect) llm.Dialect {
	d := vertexDialect(model)
	if e == llm.EndpointChat || e == llm.EndpointEmbeddings && d == llm.DialectGemini && caller == llm.DialectGemini {
		return d
	}
	return llm.DialectNone
}

func vertexDialect(model string) llm.Dialect {
	switch {
	case strings.HasPrefix(model, "claude"):
		return llm.DialectAnthropic
	case strings.Contains(model, "/"):
		return llm.DialectOpenAI
	}
	return llm.DialectGemini
}

// Fields are those of OpenAI's chat that reach the model.
func (a *vertexAdapter) Fields(model string) Fields {
	switch vertexDialect(model) {
	case llm.DialectAnthropic:
		return a.anthropic
	case llm.DialectOpenAI:
		return a.open
	}
	return a.gemini
}

// Passed knows what models of Google and of Anthropic are asked to do. The path is
// that behind the location.
func (a *vertexAdapter) Passed(path string) (p Passed, ok bool) {
	if call, ok := strings.CutPrefix(path, "/publishers/google/models/"); ok {
		if model, found := strings.CutSuffix(call, ":predict"); found && strings.Contains(model, "embedding") {
			return Passed{Endpoint: llm.EndpointEmbeddings, Dialect: llm.DialectGemini, Model: model}, true
		}
		return geminiPassed(call)
	}
	call, ok := strings.CutPrefix(path, "/publishers/anthropic/models/")
	p = Passed{Endpoint: llm.EndpointChat, Dialect: llm.DialectAnthropic}
	var method string
	if p.Model, method, _ = strings.Cut(call, ":"); method == "streamRawPredict" {
		p.Stream = true
	}
	return p, ok && (p.Stream || method == "rawPredict")
}

// Prepare addresses the model and adds an access token.
func (a *vertexAdapter) Prepare(r *http.Request, to Destination) (err error) {
	if r.URL, err = a.address(&to); err != nil {
		return err
	}
	r.Host = r.URL.Host
	token, err := a.token(to.Secret)
	if err != nil {
		return err
	}
	r.Header["Authorization"] = []string{"Bearer " + token}
	return nil
}

func (a *vertexAdapter) address(to *Destination) (*url.URL, error) {
	var path string
	switch {
	case to.Path != "":
		return behind(a.root, to.Path)
	case to.Dialect == llm.DialectOpenAI:
		return a.root.JoinPath("endpoints/openapi/chat/completions"), nil
	case to.Dialect == llm.DialectAnthropic && to.Stream:
		path = "publishers/anthropic/models/" + to.Model + ":streamRawPredict"
	case to.Dialect == llm.DialectAnthropic:
		path = "publishers/anthropic/models/" + to.Model + ":rawPredict"
	case to.Dialect == llm.DialectGemini:
		path = "publishers/google/models/" + to.Model + geminiMethod(to)
	default:
		return nil, notServed(a, to.Endpoint)
	}
	u := a.root.JoinPath(path)
	if to.Dialect == llm.DialectGemini && to.Stream {
		u.RawQuery = "alt=sse"
	}
	return u, nil
}

// vertexAnthropicVersion is the only version that Vertex AI knows of Anthropic's messages.
const vertexAnthropicVersion = `"anthropic_version":"vertex-2023-10-16"`

// EditBody gives Anthropic's messages the form that Vertex AI takes:
// https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai. The model
// is in the address, the version and the betas in the body.
func (a *vertexAdapter) EditBody(to Destination, header http.Header, body []byte) ([]byte, error) {
	if to.Dialect != llm.DialectAnthropic || to.Path != "" {
		return body, nil
	}
	extra := []string{vertexAnthropicVersion}
	list, err := betas(header)
	if err != nil {
		return nil, err
	}
	if list != "" {
		extra = append(extra, list)
	}
	header.Del("Anthropic-Version")
	return withoutModel(body, []string{hostedModel}, extra...)
}

// token returns the access token of a secret, which it makes, or makes anew, if it must.
// The error wraps ErrNoToken.
func (a *vertexAdapter) token(secret string) (string, error) {
	if !strings.HasPrefix(strings.TrimSpace(secret), "{") {
		return secret, nil
	}
	source, known := a.tokens.Load(secret)
	if !known {
		made, err := vertexTokens(secret)
		if err != nil {
			return "", err
		}
		source, _ = a.tokens.LoadOrStore(secret, made)
	}
	t, err := source.(oauth2.TokenSource).Token()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoToken, err)
	}
	return t.AccessToken, nil
}

// vertexTokens makes access tokens of a service account's key (RFC 7523):
// https://developers.google.com/identity/protocols/oauth2/service-account
func vertexTokens(secret string) (oauth2.TokenSource, error) {
	var key struct {
		Type         string `json:"type"`
		ClientEmail  string `json:"client_email"`
		PrivateKey   string `json:"private_key"`
		PrivateKeyID string `json:"private_key_id"`
		TokenURI     string `json:"token_uri"`
	}
	if err := json.Unmarshal([]byte(secret), &key); err != nil {
		return nil, fmt.Errorf("%w: the service account's key is no JSON", ErrNoToken)
	}
	if key.Type != "service_account" || key.ClientEmail == "" || key.PrivateKey == "" || key.TokenURI == "" {
		return nil, fmt.Errorf("%w: the secret is no service account's key: type, client_email, private_key and token_uri are needed", ErrNoToken)
	}
	c := jwt.Config{Email: key.ClientEmail, PrivateKey: []byte(key.PrivateKey), PrivateKeyID: key.PrivateKeyID, Scopes: []string{vertexScope}, TokenURL: key.TokenURI}
	return c.TokenSource(context.WithValue(context.Background(), oauth2.HTTPClient, tokenClient)), nil
}

// tokenClient bounds how long a call waits for an access token.
var tokenClient = &http.Client{Timeout: 10 * time.Second}

// ErrNoToken is wrapped by errors of Prepare where the provider gave no access token, so
// that nothing can be sent to it while others may be asked.
var ErrNoToken = errors.New("no access token")
