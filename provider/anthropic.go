package provider

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/generic-corp/halfpenny/llm"
)

// Anthropic's Messages API: https://platform.claude.com/docs/en/api/messages
var _ = register(Kind{
	Name: "anthropic", BaseURL: "https://api.anthropic.com", Env: []string{"ANTHROPIC_API_KEY"}, New: newAnthropic,
})

// anthropicVersion is sent where the caller names none: https://platform.claude.com/docs/en/api/versioning
const anthropicVersion = "2023-06-01"

type anthropicAdapter struct {
	messages *url.URL // shared by all requests, so never changed
	fields   Fields
}

var (
	_ Adapter     = (*anthropicAdapter)(nil)
	_ FieldFilter = (*anthropicAdapter)(nil)
)

func newAnthropic(baseURL string) (Adapter, error) {
	messages, err := url.Parse(strings.TrimSuffix(baseURL, "/") + "/v1/messages")
	if err != nil {
		return nil, fmt.Errorf("cannot read the base URL of provider anthropic: %w", err)
	}
	return &anthropicAdapter{messages: messages, fields: translated(anthropicHonours, "metadata")}, nil
}

// Name is "anthropic".
func (a *anthropicAdapter) Name() string { return "anthropic" }

// Dialect is Anthropic's at the chat endpoint.
func (a *anthropicAdapter) Dialect(e llm.Endpoint) llm.Dialect {
	if e == llm.EndpointChat {
		return llm.DialectAnthropic
	}
	return llm.DialectNone
}

// Prepare addresses the Messages API and adds the API key.
func (a *anthropicAdapter) Prepare(r *http.Request, to Destination) error {
	if to.Endpoint != llm.EndpointChat {
		return notServed(a, to.Endpoint)
	}
	r.URL, r.Host = a.messages, a.messages.Host
	if r.Header["Anthropic-Version"] == nil {
		r.Header["Anthropic-Version"] = []string{anthropicVersion}
	}
	if to.Secret != "" {
		r.Header["X-Api-Key"] = []string{to.Secret}
	}
	return nil
}

// Fields are those of OpenAI's chat that the translation can express.
func (a *anthropicAdapter) Fields(llm.Endpoint) Fields { return a.fields }

// translated is what becomes of fields by a translation: it expresses those that are
// honoured, some values of those that vary, and no other.
func translated(honoured []string, vary ...string) Fields {
	f := Fields{Honoured: fieldsOf(honoured), Closed: true}
	varies := fieldsOf(vary)
	f.Refused = everyField.Without(&f.Honoured)
	f.Refused = f.Refused.Without(&varies)
	return f
}
