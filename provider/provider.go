// Package provider knows the upstream providers: how a request is addressed and
// signed, which fields each accepts, and how to read the usage that it reports.
// A provider is one file that registers itself.
package provider

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/generic-corp/halfpenny/llm"
)

// Adapter is one upstream provider at one base URL.
type Adapter interface {
	// Name is the provider's kind, such as "openai".
	Name() string
	// Dialect is the wire format in which the provider is asked for a model at an
	// endpoint: the caller's own, if it speaks several; DialectNone: not served.
	Dialect(e llm.Endpoint, model string, caller llm.Dialect) llm.Dialect
	// Prepare sets the URL and the credentials of r, whose body is set, so that it can be signed.
	Prepare(r *http.Request, to Destination) error
}

// Destination is where a request goes within a provider.
type Destination struct {
	Endpoint llm.Endpoint
	Dialect  llm.Dialect // that Adapter.Dialect chose
	Method   string      // what Gemini's API is asked to do, where the caller named it itself
	Model    string      // as the provider calls it
	Path     string      // behind the base URL, with its query, where the caller chose it; empty: the endpoint's own
	Secret   string      // API key; empty: none
	Stream   bool        // the reply is to come as a stream
}

// FieldFilter is the optional ability of an Adapter to say which request fields its
// provider honours.
type FieldFilter interface {
	// Fields is what the provider documents of the top-level fields of a chat request to a model.
	Fields(model string) Fields
}

// Kind is a provider before it has a base URL.
type Kind struct {
	Name    string
	Aliases []string // other names in a model prefix, such as "google"
	Env     []string // environment variables that hold an API key, first found wins
	BaseURL string   // the provider's own; empty: must be configured
	NoKey   bool     // works without an API key (ollama, vllm)
	// Simulation is where the simulation plays the provider's API; empty: at openai/v1.
	Simulation string
	// Unlisted are models of other endpoints than chat that no price list knows.
	Unlisted []string
	New      func(baseURL string) (Adapter, error)
}

var kinds = map[string]Kind{}

// register adds a kind; it is called from the variable declarations of the provider files.
func register(k Kind) struct{} {
	if _, taken := kinds[k.Name]; taken {
		panic(fmt.Sprintf("BUG: provider kind %q registered twice", k.Name))
	}
	kinds[k.Name] = k
	return struct{}{}
}

// Lookup returns the kind of that name.
func Lookup(name string) (Kind, bool) {
	k, ok := kinds[name]
	return k, ok
}

// Kinds returns all kinds by name.
func Kinds() []Kind {
	all := make([]Kind, 0, len(kinds))
	for _, k := range kinds {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b Kind) int {
		switch {
		case a.Name < b.Name:
			return -1
		case a.Name > b.Name:
			return 1
		}
		return 0
	})
	return all
}

// UsageAsker is the optional ability of an Adapter whose streams carry usage only on request.
type UsageAsker interface {
	// AskForUsage reports whether stream_options.include_usage must be set to be told the usage of a stream.
	AskForUsage() bool
}

// Router is the optional ability of an Adapter whose provider chooses among providers itself.
type Router interface {
	// Routes reports whether the provider takes OpenRouter's fields models and
	// provider; they are kept from all others.
	Routes() bool
}

// Thinker is the optional ability of an Adapter whose models want their earlier
// reasoning back.
type Thinker interface {
	// ThoughtsField is the member of an assistant's message for it, such as "reasoning_content"; empty: none.
	ThoughtsField() string
}
