// Package llm holds the words that every other package speaks: endpoints,
// dialects, token usage, money, the record of one call and the error shown to a
// caller. It imports the standard library only.
package llm

// Endpoint is what a caller asks of a model, whatever the dialect. Records store
// it as a number, so its values never change meaning; new ones are added at the end.
type Endpoint uint8

// The endpoints that are known.
const (
	EndpointNone           Endpoint = iota
	EndpointChat                    // an answer to messages
	EndpointModels                  // the list of models
	EndpointEmbeddings              // vectors of texts or images
	EndpointCompletions             // the continuation of a text, OpenAI's older API
	EndpointModerations             // whether a text is harmful
	EndpointRerank                  // documents by their relevance to a query
	EndpointCount                   // the number of tokens of messages
	EndpointImages                  // pictures of what a text says
	EndpointSpeech                  // a text, read out
	EndpointTranscriptions          // what is said in a recording
	EndpointTranslations            // the same in English

	// Endpoints is the count of endpoints, EndpointNone included.
	Endpoints = int(iota)
)

var endpointNames = [...]string{"", "chat", "models", "embeddings", "completions", "moderations", "rerank", "count", "images", "speech", "transcriptions", "translations"}

// String returns the endpoint's name as it appears in records and labels.
func (e Endpoint) String() string { return nameOf(endpointNames[:], int(e)) }

// Dialect is a wire format: the shape of requests, replies, streams and errors.
// Records store it as a number, so its values never change meaning; new ones are
// added at the end, before Dialects.
type Dialect uint8

// The dialects that are known. DialectNone means that an endpoint is not served.
const (
	DialectNone      Dialect = iota
	DialectOpenAI            // OpenAI's chat completions and what is built like them
	DialectAnthropic         // Anthropic's messages, at Anthropic, Vertex AI or elsewhere
	DialectGemini            // Gemini's generateContent, at Google AI or Vertex AI
	DialectResponses         // OpenAI's responses
	DialectBedrock           // Amazon Bedrock's converse, and invoke with each model's own body
	DialectCohere            // Cohere's API, version 2

	// Dialects is the count of dialects, DialectNone included.
	Dialects = int(iota)
)

var dialectNames = [...]string{"", "openai", "anthropic", "gemini", "responses", "bedrock", "cohere"}

// String returns the dialect's name as it appears in records and labels.
func (d Dialect) String() string { return nameOf(dialectNames[:], int(d)) }

// Mode says how far the gateway may depart from the model that was named.
type Mode uint8

// The routing modes of a tenant or a request.
const (
	ModeDefault  Mode = iota // not stated: the next wider scope decides
	ModePinned               // the named model at its own provider
	ModeObserve              // the named model at its cheapest host; a substitution is only recorded
	ModeOptimize             // a cheaper model may serve where it is predicted to be as capable
)

var modeNames = [...]string{"", "pinned", "observe", "optimize"}

// String returns the mode as it is written in configuration and headers.
func (m Mode) String() string { return nameOf(modeNames[:], int(m)) }

// ParseMode returns the mode that s names; ok is false where s names none.
func ParseMode(s string) (m Mode, ok bool) {
	for i, name := range modeNames {
		if i > 0 && name == s {
			return Mode(i), true
		}
	}
	return ModeDefault, false
}

func nameOf(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return "unknown"
}
