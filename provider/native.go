package provider

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/generic-corp/halfpenny/llm"
)

// native is what providers with a dialect of their own have in common.
type native struct {
	name    string
	dialect llm.Dialect
	root    *url.URL // the base URL; shared by all requests, so never changed
	base    *url.URL // of the chat endpoint, likewise
	fields  Fields
}

// newNative returns one whose chat endpoint is at path behind its base URL, and that
// is reached from OpenAI's dialect with the fields that a translation honours, and
// with some values of those that vary.
func newNative(name string, d llm.Dialect, baseURL, path string, honoured []string, vary ...string) (native, error) {
	root, err := parseBase(name, baseURL)
	if err != nil {
		return native{}, err
	}
	f := Fields{Honoured: fieldsOf(append(hints, honoured...)), Closed: true}
	varies := fieldsOf(vary)
	f.Refused = everyField.Without(&f.Honoured)
	f.Refused = f.Refused.Without(&varies)
	return native{name, d, root, root.JoinPath(path), f}, nil
}

// hints are fields of OpenAI's chat that change no answer: they say for whom it is, and
// what to keep in a cache. A dialect without a place for one does without it.
var hints = []string{"prompt_cache_key", "prompt_cache_retention", "safety_identifier", "user"}

// parseBase reads the base URL of a provider, to which paths can be joined.
func parseBase(name, baseURL string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSuffix(baseURL, "/") + "/")
	if err != nil {
		return nil, fmt.Errorf("cannot read the base URL of provider %s: %w", name, err)
	}
	return u, nil
}

// Name returns the provider's kind.
func (n *native) Name() string { return n.name }

// Dialect is the provider's own at the chat endpoint.
func (n *native) Dialect(e llm.Endpoint, _ string, _ llm.Dialect) llm.Dialect {
	if e == llm.EndpointChat {
		return n.dialect
	}
	return llm.DialectNone
}

// Fields are those of OpenAI's chat that the translation can express.
func (n *native) Fields(string) Fields { return n.fields }
