package provider

import (
	"net/http"
	"strings"

	"github.com/generic-corp/halfpenny/llm"
)

// Gemini's API: https://ai.google.dev/api/generate-content
var _ = register(Kind{
	Name: "gemini", Aliases: []string{"google"}, BaseURL: "https://generativelanguage.googleapis.com",
	Env: []string{"GEMINI_API_KEY", "GOOGLE_API_KEY"}, Simulation: "gemini", New: newGemini,
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

// Dialect is Gemini's for conversations and embeddings.
func (a *geminiAdapter) Dialect(e llm.Endpoint, model string, caller llm.Dialect) llm.Dialect {
	if e == llm.EndpointEmbeddings {
		return llm.DialectGemini
	}
	return a.native.Dialect(e, model, caller)
}

// Prepare addresses the model and adds the API key.
func (a *geminiAdapter) Prepare(r *http.Request, to Destination) error {
	if to.Dialect != llm.DialectGemini {
		return notServed(a, to.Endpoint)
	}
	u := *a.base
	u.Path += strings.TrimPrefix(to.Model, "models/") + geminiMethod(&to)
	if to.Stream {
		u.RawQuery = "alt=sse"
	}
	r.URL, r.Host = &u, u.Host
	if to.Secret != "" {
		r.Header["X-Goog-Api-Key"] = []string{to.Secret}
	}
	return nil
}

// geminiMethod is what a model is asked to do: https://ai.google.dev/api/all-methods.
func geminiMethod(to *Destination) string {
	switch {
	case to.Method != "":
		return ":" + to.Method
	case to.Endpoint == llm.EndpointEmbeddings:
		return ":batchEmbedContents"
	case to.Stream:
		return ":streamGenerateContent"
	}
	return ":generateContent"
}
