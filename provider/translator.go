package provider

import (
	"github.com/generic-corp/halfpenny/internal/jsonscan"
	"github.com/generic-corp/halfpenny/llm"
)

// Translator turns one dialect into another for one call. Its methods append to
// dst, return it, and keep no reference to src.
type Translator interface {
	// Request turns the caller's body into the provider's.
	Request(dst, src []byte) ([]byte, error)
	// Reply turns the provider's whole reply into the caller's.
	Reply(dst, src []byte) ([]byte, error)
	// Event turns one event of the provider's stream, with its blank line, into what the caller gets: nothing, one or several events.
	Event(dst, src []byte) ([]byte, error)
}

// Untouched is the optional ability of a Translator to leave replies as they are.
type Untouched interface {
	// Untouched reports whether replies and events pass byte for byte, so that nothing need be cut into events.
	Untouched() bool
}

// Call is what a Translator must know of the call.
type Call struct {
	Send          string            // the model name to send
	Named         string            // the model name that the caller's body carries
	Model         jsonscan.Member   // the body's model
	StreamOptions jsonscan.Member   // the body's stream_options; its Value is nil if it has none
	Drop          []jsonscan.Member // members that are for the gateway, not for the provider, in their order
	AskUsage      bool              // the stream must be asked for its usage, which the caller did not do
	DropUsage     bool              // the chunk that carries nothing but usage is not for the caller
	MaxOutput     int64             // tokens that the model writes at most; 0: unknown
	Stream        bool              // the reply is to come as a stream
	// Thoughts is the member of an assistant's message in which the provider wants its
	// earlier reasoning back; empty: in none. Relayed says that another translator reads
	// what is written, and takes whatever belongs to its provider.
	Thoughts string
	Relayed  bool
	Tell     bool // a caller who asks for thinking expects to be told of it, which OpenAI's chat cannot ask for
	Form     bool // the request is a form, in which names stand without quotes
}

// hands reports whether a member that other dialects have for what a model wants
// handed back may be sent.
func (c *Call) hands(name string) bool { return c.Relayed || c.Thoughts == name }

// Ender is the optional ability of a Translator to complete a stream that its
// provider has ended without saying so in its own dialect.
type Ender interface {
	// End appends what the caller's dialect still demands, which is nothing where the stream has its end.
	End(dst []byte) []byte
}

// fromClients translate a conversation from a caller's dialect to OpenAI's chat, and
// toProviders from that to a provider's. Any other pair is one of each in a row.
var (
	fromClients = [llm.Dialects]func(Call) Translator{
		llm.DialectAnthropic: newAnthropicOpenAI,
		llm.DialectGemini:    newGeminiOpenAI,
		llm.DialectResponses: newResponsesOpenAI,
	}
	toProviders = [llm.Dialects]func(Call) Translator{
		llm.DialectAnthropic: newOpenAIAnthropic,
		llm.DialectGemini:    newOpenAIGemini,
		llm.DialectResponses: newOpenAIResponses,
		llm.DialectBedrock:   newOpenAIBedrock,
		llm.DialectCohere:    newOpenAICohere,
	}
	embedders = [llm.Dialects]func(Call) Translator{
		llm.DialectCohere: newEmbeddingsCohere,
		llm.DialectGemini: newEmbeddingsGemini,
	}
)

// NewTranslator returns the translator from the caller's dialect to the
// provider's at an endpoint, or nil if there is none.
func NewTranslator(e llm.Endpoint, client, upstream llm.Dialect, c Call) Translator {
	switch {
	case client == llm.DialectNone || upstream == llm.DialectNone:
		return nil
	case client == upstream && client == llm.DialectOpenAI:
		return &openaiOpenai{call: c}
	case client == upstream:
		return &same{call: c}
	case e == llm.EndpointEmbeddings && client == llm.DialectOpenAI:
		return made(embedders[upstream], c)
	case e != llm.EndpointChat:
		return nil
	case client == llm.DialectOpenAI:
		return made(toProviders[upstream], c)
	case upstream == llm.DialectOpenAI:
		return made(fromClients[client], c)
	}
	return newChained(fromClients[client], toProviders[upstream], c)
}

func made(translator func(Call) Translator, c Call) Translator {
	if translator == nil {
		return nil
	}
	return translator(c)
}
