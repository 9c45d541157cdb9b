package provider

import (
	"net/http"
	"net/url"
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
	_ Passer      = (*geminiAdapter)(nil)
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
	u, err := a.address(&to)
	if err != nil {
		return err
	}
	r.URL, r.Host = u, u.Host
	if to.Secret != "" {
		r.Header["X-Goog-Api-Key"] = []string{to.Secret}
	}
	return nil
}

func (a *geminiAdapter) address(to *Destination) (*url.URL, error) {
	switch {
	case to.Path != "":
		return behind(a.root, to.Path)
	case to.Dialect != llm.DialectGemini:
		return nil, notServed(a, to.Endpoint)
	}
	u := *a.base
	u.Path += strings.TrimPrefix(to.Model, "models/") + geminiMethod(to)
	if to.Stream {
		u.RawQuery = "alt=sse"
	}
	return &u, nil
}

// Passed knows what a model is asked to do.
func (a *geminiAdapter) Passed(path string) (Passed, bool) {
	for _, version := range []string{"/v1beta/models/", "/v1/models/"} {
		if call, ok := strings.CutPrefix(path, version); ok {
			return geminiPassed(call)
		}
	}
	return Passed{}, false
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
