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
)

func newAnthropic(baseURL string) (Adapter, error) {
	n, err := newNative("anthropic", llm.DialectAnthropic, baseURL, "/v1/messages", anthropicHonours, "metadata")
	return &anthropicAdapter{n}, err
}

// Prepare addresses the Messages API and adds the API key.
func (a *anthropicAdapter) Prepare(r *http.Request, to Destination) error {
	if to.Endpoint != llm.EndpointChat {
		return notServed(a, to.Endpoint)
	}
	r.URL, r.Host = a.base, a.base.Host
	if r.Header["Anthropic-Version"] == nil {
		r.Header["Anthropic-Version"] = []string{anthropicVersion}
	}
	if to.Secret != "" {
		r.Header["X-Api-Key"] = []string{to.Secret}
	}
	return nil
}
