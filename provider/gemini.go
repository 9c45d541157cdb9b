package provider

import (
	"net/http"
	"strings"

	"github.com/generic-corp/halfpenny/llm"
)

// Gemini's API: https://ai.google.dev/api/generate-content
var _ = register(Kind{
	Name: "gemini", Aliases: []string{"google"}, BaseURL: "https://generativelanguage.googleapis.com",
	Env: []string{"GEMINI_API_KEY", "GOOGLE_API_KEY"}, New: newGemini,
})

type geminiAdapter struct{ native }

var (
	_ Adapter     = (*geminiAdapter)(nil)
	_ FieldFilter = (*geminiAdapter)(nil)
)

func newGemini(baseURL string) (Adapter, error) {
	n, err := newNative("gemini", llm.DialectGemini, baseURL, "/v1beta/models/", geminiHonours, "parallel_tool_calls", "logit_bias", "modalities", "verbosity", "store")
	return &geminiAdapter{n}, err
}

// Prepare addresses the model and adds the API key.
func (a *geminiAdapter) Prepare(r *http.Request, to Destination) error {
	if to.Endpoint != llm.EndpointChat {
		return notServed(a, to.Endpoint)
	}
	u := *a.base
	u.Path += strings.TrimPrefix(to.Model, "models/")
	if to.Stream {
		u.Path, u.RawQuery = u.Path+":streamGenerateContent", "alt=sse"
	} else {
		u.Path += ":generateContent"
	}
	r.URL, r.Host = &u, u.Host
	if to.Secret != "" {
		r.Header["X-Goog-Api-Key"] = []string{to.Secret}
	}
	return nil
}
