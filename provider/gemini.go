package provider

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/generic-corp/halfpenny/llm"
)

// Gemini's API: https://ai.google.dev/api/generate-content
var _ = register(Kind{
	Name: "gemini", Aliases: []string{"google"}, BaseURL: "https://generativelanguage.googleapis.com",
	Env: []string{"GEMINI_API_KEY", "GOOGLE_API_KEY"}, New: newGemini,
})

type geminiAdapter struct {
	models *url.URL // in front of a model's name
	fields Fields
}

var (
	_ Adapter     = (*geminiAdapter)(nil)
	_ FieldFilter = (*geminiAdapter)(nil)
)

func newGemini(baseURL string) (Adapter, error) {
	models, err := url.Parse(strings.TrimSuffix(baseURL, "/") + "/v1beta/models/")
	if err != nil {
		return nil, fmt.Errorf("cannot read the base URL of provider gemini: %w", err)
	}
	return &geminiAdapter{models: models, fields: translated(geminiHonours, "parallel_tool_calls", "logit_bias", "modalities", "verbosity", "store")}, nil
}

// Name is "gemini".
func (a *geminiAdapter) Name() string { return "gemini" }

// Dialect is Gemini's at the chat endpoint.
func (a *geminiAdapter) Dialect(e llm.Endpoint) llm.Dialect {
	if e == llm.EndpointChat {
		return llm.DialectGemini
	}
	return llm.DialectNone
}

// Prepare addresses the model and adds the API key.
func (a *geminiAdapter) Prepare(r *http.Request, to Destination) error {
	if to.Endpoint != llm.EndpointChat {
		return notServed(a, to.Endpoint)
	}
	method, query := ":generateContent", ""
	if to.Stream {
		method, query = ":streamGenerateContent", "alt=sse"
	}
	u := *a.models
	u.Path += strings.TrimPrefix(to.Model, "models/") + method
	u.RawQuery = query
	r.URL, r.Host = &u, u.Host
	if to.Secret != "" {
		r.Header["X-Goog-Api-Key"] = []string{to.Secret}
	}
	return nil
}

// Fields are those of OpenAI's chat that the translation can express.
func (a *geminiAdapter) Fields(llm.Endpoint) Fields { return a.fields }
