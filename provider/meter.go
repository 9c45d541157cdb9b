package provider

import (
	"net/http"

	"github.com/generic-corp/halfpenny/llm"
)

// Reading is what a meter has read so far.
type Reading struct {
	// Usage is complete at the end. Until Reported is true it holds at most what a
	// provider says of the input before it writes (Anthropic's message_start).
	Usage    llm.Usage
	Reported bool          // the provider reported its usage
	Model    string        // the model that the reply names
	Tier     string        // the service tier that the reply names
	Region   string        // where the reply says that it was computed, if the provider prices that (Anthropic's inference_geo)
	Cost     llm.NullMoney // the provider's own figure, where it reports one
	Finished bool          // a finish reason has come for the answer
	Done     bool          // the stream's own end mark has come
	Failed   bool          // the stream carries an error event, or the reply an error and no answer
	Visible  bool          // output has come that a caller can see
}

// Meter reads the usage of one call out of its reply's passing bytes. It keeps no
// reference to what it is shown.
type Meter interface {
	// Reply reads a whole reply. Its error says that it is no reply at all; nothing is read then.
	Reply(body []byte) error
	// Event reads one event of a stream: the data of a server-sent event, one element
	// of Gemini's array, or one message of an AWS event stream, whole.
	Event(data []byte)
	// Reading returns what was read; usage is complete only at the end.
	Reading() *Reading
	// Output is the output that passed, in tokens as counted by the gateway. It is
	// for the call whose provider reports none, or whose report did not come.
	Output() int64
}

// HeaderMeter is the optional ability of a Meter whose provider reports usage in
// the headers of a reply.
type HeaderMeter interface {
	// Header reads the headers of a reply. What the body says has precedence.
	Header(h http.Header)
}

// The names of the fees that meters count, as Fee.Name has them. In genai-prices
// they are web_searches, storage_searches, social_searches, code_executions,
// rerank_searches and input_audio_seconds. What is charged for a request as such is
// the price list's to add.
const (
	FeeWebSearch       = "web_search"         // searches of the web by the provider's own tool
	FeeStorageSearch   = "storage_search"     // searches of files that are stored at the provider
	FeeSocialSearch    = "social_search"      // searches of X by xAI's tool
	FeeCodeExecution   = "code_execution"     // runs of the provider's code interpreter
	FeeImageGeneration = "image_generation"   // images that a tool made with another model
	FeeSearchUnit      = "search_unit"        // Cohere: one query with up to 100 documents to rank
	FeeClassification  = "classification"     // Cohere: one input that was classified
	FeeAudioSecond     = "input_audio_second" // seconds of audio that were read, where they are priced by time (Mistral)
)

// NewMeter returns the meter of an endpoint in a dialect, or nil if there is none.
// count returns the tokens of a text and keeps no reference to it.
func NewMeter(e llm.Endpoint, d llm.Dialect, count func(text []byte) int64) Meter {
	f := formats[d]
	switch {
	case f == nil || e == llm.EndpointNone || e == llm.EndpointModels:
		return nil
	case e == llm.EndpointCount:
		return &formatMeter{format: countFormat, count: count}
	case e == llm.EndpointModerations:
		return &formatMeter{format: moderationFormat, count: count}
	case e == llm.EndpointSpeech || e == llm.EndpointTranscriptions || e == llm.EndpointTranslations:
		return &mediaMeter{formatMeter{format: f, count: count}}
	case e == llm.EndpointChat && d == llm.DialectOpenAI:
		return &openaiMeter{formatMeter: formatMeter{format: f, count: count}}
	case d == llm.DialectBedrock:
		return &bedrockMeter{formatMeter: formatMeter{format: f, count: count}}
	}
	return &formatMeter{format: f, count: count}
}

var formats = [llm.Dialects]*format{
	llm.DialectOpenAI:    openaiFormat,
	llm.DialectResponses: openaiFormat,
	llm.DialectAnthropic: anthropicFormat,
	llm.DialectGemini:    geminiFormat,
	llm.DialectBedrock:   bedrockFormat,
	llm.DialectCohere:    cohereFormat,
}
