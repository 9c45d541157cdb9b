package provider

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/generic-corp/halfpenny/llm"
)

// Compatible is a provider that speaks OpenAI's API, as data.
type Compatible struct {
	Name      string
	Aliases   []string
	Env       []string // environment variables that hold an API key
	BaseURL   string   // the provider's own; empty: must be configured
	NoKey     bool     // works without an API key
	KeyHeader string   // header of the API key; empty: Authorization: Bearer
	Also      []string // endpoints beside /chat/completions: those of openaiPaths, and /responses
	NoChat    bool     // has no /chat/completions
	// ResponsesOnly are patterns (path.Match) of the names of those models that /responses alone serves.
	ResponsesOnly []string
	// Unlisted are models of other endpoints than chat that no price list knows.
	Unlisted []string
	// Fields are the chat fields that the provider documents to honour with every
	// model, beside those that everyone reads (model, messages, stream, stream_options).
	// A model that was not named is sent nothing else.
	Fields []string
	// Varies are those that only some of its models honour.
	Varies []string
	// NotThinking are those of Fields that have no effect with a model that thinks, or are refused then.
	NotThinking []string
	// Refuses are those that it documents to ignore, or to answer with an error.
	Refuses []string
	// Closed: it documents that it ignores whatever it does not know.
	Closed bool
	// NoStreamOptions: streams carry usage unasked, and stream_options is refused.
	NoStreamOptions bool
	// Thoughts is the member of an assistant's message in which the provider wants its
	// earlier reasoning back; empty: in none.
	Thoughts string
	// RoutesItself: the provider understands OpenRouter's fields models and provider.
	RoutesItself bool
}

// compatible registers c.
func compatible(c Compatible) struct{} {
	fields := c.fields()
	paths := c.Also
	if !c.NoChat {
		paths = append([]string{"/chat/completions"}, c.Also...)
	}
	return register(Kind{
		Name: c.Name, Aliases: c.Aliases, Env: c.Env, BaseURL: c.BaseURL, NoKey: c.NoKey, Unlisted: c.Unlisted,
		New: func(baseURL string) (Adapter, error) {
			root, err := parseBase(c.Name, baseURL)
			if err != nil {
				return nil, err
			}
			a := &compatibleAdapter{Compatible: c, root: root, fields: fields}
			for _, p := range paths {
				*a.place(p) = root.JoinPath(p)
			}
			return a, nil
		},
	})
}

// openaiPaths are the endpoints of OpenAI's API behind a base URL, but for chat in
// the dialect of responses.
var openaiPaths = map[string]llm.Endpoint{
	"/chat/completions": llm.EndpointChat, "/completions": llm.EndpointCompletions, "/embeddings": llm.EndpointEmbeddings,
	"/moderations": llm.EndpointModerations, "/images/generations": llm.EndpointImages, "/audio/speech": llm.EndpointSpeech,
	"/audio/transcriptions": llm.EndpointTranscriptions, "/audio/translations": llm.EndpointTranslations,
}

const responsesPath = "/responses"

// place returns where the address of a path is kept.
func (a *compatibleAdapter) place(path string) **url.URL {
	if path == responsesPath {
		return &a.responses
	}
	e, known := openaiPaths[path]
	if !known {
		panic(fmt.Sprintf("BUG: provider %s serves an unknown path %s", a.Compatible.Name, path))
	}
	return &a.at[e]
}

func (c *Compatible) fields() Fields {
	f := Fields{Honoured: fieldsOf(c.Fields), Refused: fieldsOf(c.Refuses), NotThinking: fieldsOf(c.NotThinking), Closed: c.Closed}
	varies := fieldsOf(c.Varies)
	if c.Closed {
		f.Refused = everyField.Without(&f.Honoured)
		f.Refused = f.Refused.Without(&varies)
	}
	return f
}

// compatibleAdapter is a Compatible at one base URL.
type compatibleAdapter struct {
	Compatible
	root      *url.URL                // the base URL
	at        [llm.Endpoints]*url.URL // shared by all requests, so never changed; nil: not served
	responses *url.URL                // of the responses API; nil: not served
	fields    Fields
}

var (
	_ Adapter     = (*compatibleAdapter)(nil)
	_ FieldFilter = (*compatibleAdapter)(nil)
	_ UsageAsker  = (*compatibleAdapter)(nil)
	_ Router      = (*compatibleAdapter)(nil)
	_ Thinker     = (*compatibleAdapter)(nil)
	_ Passer      = (*compatibleAdapter)(nil)
)

// Name returns the provider's kind.
func (a *compatibleAdapter) Name() string { return a.Compatible.Name }

// Dialect is OpenAI's at the endpoints that the provider has. Where it has both APIs
// for chat, callers of the responses API keep theirs, and models that have no other are
// asked by it.
func (a *compatibleAdapter) Dialect(e llm.Endpoint, model string, caller llm.Dialect) llm.Dialect {
	switch {
	case int(e) >= len(a.at):
	case e == llm.EndpointChat && a.responses != nil && (caller == llm.DialectResponses || a.responsesOnly(model)):
		return llm.DialectResponses
	case a.at[e] != nil:
		return llm.DialectOpenAI
	}
	return llm.DialectNone
}

func (a *compatibleAdapter) responsesOnly(model string) bool {
	return slices.ContainsFunc(a.ResponsesOnly, func(pattern string) bool {
		found, err := path.Match(pattern, model)
		return found && err == nil
	})
}

// Prepare addresses the endpoint and adds the API key.
func (a *compatibleAdapter) Prepare(r *http.Request, to Destination) error {
	switch r.URL = a.at[to.Endpoint]; {
	case to.Path != "":
		u, err := behind(a.root, trimVersion(to.Path))
		if err != nil {
			return err
		}
		r.URL = u
	case to.Dialect == llm.DialectResponses:
		r.URL = a.responses
	}
	if r.URL == nil {
		return notServed(a, to.Endpoint)
	}
	r.Host = r.URL.Host
	switch {
	case to.Secret == "":
	case a.KeyHeader != "":
		r.Header[a.KeyHeader] = []string{to.Secret}
	default:
		r.Header["Authorization"] = []string{"Bearer " + to.Secret}
	}
	return nil
}

// trimVersion takes off the version that is in the base URL already.
func trimVersion(path string) string { return strings.TrimPrefix(path, "/v1") }

// Passed knows the endpoints that the provider has.
func (a *compatibleAdapter) Passed(path string) (Passed, bool) {
	path = trimVersion(path)
	if path == responsesPath {
		return Passed{Endpoint: llm.EndpointChat, Dialect: llm.DialectResponses}, a.responses != nil
	}
	e, known := openaiPaths[path]
	return Passed{Endpoint: e, Dialect: llm.DialectOpenAI}, known && a.at[e] != nil
}

func notServed(a Adapter, e llm.Endpoint) error {
	return fmt.Errorf("BUG: provider %s does not serve endpoint %s", a.Name(), e)
}

// Fields is what the provider documents of the fields of a chat request.
func (a *compatibleAdapter) Fields(string) Fields { return a.fields }

// AskForUsage reports whether a stream carries usage only when stream_options asks for it.
func (a *compatibleAdapter) AskForUsage() bool { return !a.NoStreamOptions }

// Routes reports whether the provider takes OpenRouter's routing fields.
func (a *compatibleAdapter) Routes() bool { return a.RoutesItself }

// ThoughtsField is where the provider wants its earlier reasoning back.
func (a *compatibleAdapter) ThoughtsField() string { return a.Thoughts }
