package provider

import (
	"net/http"
	"net/url"

	"github.com/generic-corp/halfpenny/llm"
)

// Cohere's API, version 2: https://docs.cohere.com/reference/about. Its own clients
// look for the API key in CO_API_KEY.
var _ = register(Kind{
	Name: "cohere", BaseURL: "https://api.cohere.com", Env: []string{"COHERE_API_KEY", "CO_API_KEY"}, Simulation: "cohere", New: newCohere,
})

type cohereAdapter struct {
	native
	embed *url.URL
}

var (
	_ Adapter     = (*cohereAdapter)(nil)
	_ FieldFilter = (*cohereAdapter)(nil)
	_ Passer      = (*cohereAdapter)(nil)
)

// The paths of Cohere's API that are metered.
const (
	cohereChatPath   = "/v2/chat"
	cohereEmbedPath  = "/v2/embed"
	cohereRerankPath = "/v2/rerank"
)

func newCohere(baseURL string) (Adapter, error) {
	n, err := newNative("cohere", llm.DialectCohere, baseURL, cohereChatPath, cohereHonours,
		"logit_bias", "modalities", "parallel_tool_calls", "service_tier", "store", "verbosity")
	if err != nil {
		return nil, err
	}
	return &cohereAdapter{n, n.root.JoinPath(cohereEmbedPath)}, nil
}

// Dialect is Cohere's for conversations and embeddings.
func (a *cohereAdapter) Dialect(e llm.Endpoint, model string, caller llm.Dialect) llm.Dialect {
	if e == llm.EndpointEmbeddings {
		return llm.DialectCohere
	}
	return a.native.Dialect(e, model, caller)
}

// Prepare addresses the endpoint and adds the API key.
func (a *cohereAdapter) Prepare(r *http.Request, to Destination) error {
	switch {
	case to.Path != "":
		u, err := behind(a.root, to.Path)
		if err != nil {
			return err
		}
		r.URL = u
	case to.Endpoint == llm.EndpointChat:
		r.URL = a.base
	case to.Endpoint == llm.EndpointEmbeddings:
		r.URL = a.embed
	default:
		return notServed(a, to.Endpoint)
	}
	r.Host = r.URL.Host
	if to.Secret != "" {
		r.Header["Authorization"] = []string{"Bearer " + to.Secret}
	}
	return nil
}

// Passed knows the endpoints of version 2.
func (a *cohereAdapter) Passed(path string) (Passed, bool) {
	p := Passed{Dialect: llm.DialectCohere}
	switch path {
	case cohereChatPath:
		p.Endpoint = llm.EndpointChat
	case cohereEmbedPath:
		p.Endpoint = llm.EndpointEmbeddings
	case cohereRerankPath:
		p.Endpoint = llm.EndpointRerank
	default:
		return p, false
	}
	return p, true
}
