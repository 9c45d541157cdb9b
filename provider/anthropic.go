package provider

import (
	"net/http"

	"github.com/generic-corp/halfpenny/llm"
)

// Anthropic's Messages API: https://platform.claude.com/docs/en/api/messages
var _ = register(Kind{
	Name: "anthropic", BaseURL: "https://api.anthropic.com", Env: []string{"ANTHROPIC_API_KEY"},
	Simulation: "anthropic", New: newAnthropic,
})

// anthropicVersion is sent where the caller names none: https://platform.claude.com/docs/en/api/versioning
const anthropicVersion = "2023-06-01"

type anthropicAdapter struct{ native }

var (
	_ Adapter     = (*anthropicAdapter)(nil)
	_ FieldFilter = (*anthropicAdapter)(nil)
	_ Passer      = (*anthropicAdapter)(nil)
)

func newAnthropic(baseURL string) (Adapter, error) {
	n, err := newNative("anthropic", llm.DialectAnthropic, baseURL, "/v1/messages", anthropicHonours, "metadata")
	return &anthropicAdapter{n}, err
}

// Prepare addresses the Messages API and adds the API key.
func (a *anthropicAdapter) Prepare(r *http.Request, to Destination) error {
	switch {
	case to.Path != "":
		u, err := behind(a.root, to.Path)
		if err != nil {
			return err
		}
		r.URL = u
	case to.Endpoint == llm.EndpointChat:
		r.URL = a.base
	default:
		return notServed(a, to.Endpoint)
	}
	r.Host = r.URL.Host
	if r.Header["Anthropic-Version"] == nil {
		r.Header["Anthropic-Version"] = []string{anthropicVersion}
	}
	if to.Secret != "" {
		r.Header["X-Api-Key"] = []string{to.Secret}
	}
	return nil
}

// Passed knows the Messages API.
func (a *anthropicAdapter) Passed(path string) (Passed, bool) {
	p := Passed{Dialect: llm.DialectAnthropic}
	switch path {
	case "/v1/messages":
		p.Endpoint = llm.EndpointChat
	case "/v1/messages/count_tokens":
		p.Endpoint = llm.EndpointCount
	default:
		return p, false
	}
	return p, true
}
