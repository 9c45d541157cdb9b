// Package fakellm is a provider that streams, stalls, fails and cuts, over real
// HTTP on loopback. Tests, drills and the simulation reach it by the same path
// as any other upstream.
//
// It speaks these dialects. Their answers are one, so that what a translator loses shows:
//
//   - OpenAI, under every prefix: POST …/chat/completions, …/responses, …/completions,
//     …/embeddings, …/moderations, …/images/generations, …/audio/speech,
//     …/audio/transcriptions and …/audio/translations, and GET …/models
//   - Anthropic, under /sim/<kind>/anthropic: POST /v1/messages and /v1/messages/count_tokens
//   - Gemini, under /sim/<kind>/gemini: POST …/models/<model>:generateContent,
//     :streamGenerateContent (an array, or events with alt=sse), :countTokens,
//     :embedContent and :batchEmbedContents
//   - Amazon Bedrock, under /sim/<kind>/bedrock: POST /model/<id>/converse and
//     /converse-stream, and with Anthropic's messages /invoke and /invoke-with-response-stream
//   - Cohere, under /sim/<kind>/cohere: POST /v2/chat, /v2/embed and /v2/rerank
//   - Vertex AI, under /sim/<kind>/vertex: POST
//     /v1/projects/<p>/locations/<l>/publishers/google/models/<model>: with Gemini's methods for
//     content, and …/publishers/anthropic/models/<model>: with rawPredict and
//     streamRawPredict; and POST /token, which gives a service account an access token
//
// The text is generated, and depends on the model, messages, tools and response
// format alone, so a streamed and a plain answer to the same question say the
// same. Where the request offers tools and does not end in a tool's result, the
// answer is a call of one of them with arguments that follow its schema (types,
// enums, bounds and required fields; no patterns). Where JSON is asked for, the
// answer is JSON. Where any but OpenAI's chat completions is asked to think, thoughts
// come before the answer; Cohere has a plan before a call. Stop sequences are obeyed.
// Every answer says that it is simulated: OpenAI's chat completions in
// system_fingerprint, Gemini's in responseId, the others that have an id in it.
// Embeddings, images, sound, transcripts and Bedrock's Converse have no place to say it.
//
// An embedding is a vector of length 1 that depends on its text alone. Moderation
// finds nothing. Images are of one colour, and come as base64. Speech is silence, a
// moment of it for each token of an answer that nobody hears. A transcript depends on
// the file, the prompt and the model, not on what is heard.
//
// What a response was about is kept, unless store is false, for another to continue it:
// the latest 16 MB of that.
//
// Anthropic, Gemini, Bedrock, Cohere and Vertex AI want a credential, which no one
// verifies. They and OpenAI's newer endpoints refuse in their own words what the real
// ones refuse and translators get wrong, such as a call without its result.
//
// Tokens: a prompt has [PromptTokens], about a quarter of its bytes; an answer
// has as many as it would send deltas. A prompt of 1024 tokens or more reports a
// part of them as cached, in steps of 128; Anthropic's and Bedrock's only where it has
// breakpoints, and another part as written. Legacy completions and embeddings count
// a quarter of each text's bytes, or the token numbers, and nothing is cached. Audio
// that is heard has 10 tokens a second, an image that is made what its quality costs.
//
// Nothing ever fails by chance. A marker in the last user message, or in any of the
// texts where there are no messages, asks for it:
//
//	[[halfpenny:status=429,retry-after=2]]
//
// It is a list of these, separated by commas (a prompt for a picture or a transcript, a
// query and a text to speak are texts too; a token is given whatever is asked for):
//
//	status=N        answer with this HTTP status and an error object
//	retry-after=S   with status: send Retry-After, in seconds
//	code=WORD       with status: the error's code
//	slow=D          wait for the duration D (such as 2s) before the first byte
//	stall=D         fall silent for D after the first content event (plain answers: in the middle of the body)
//	cut=N           sever the connection after N content events; 0: before any byte (plain answers: in the middle of the body)
//	error-mid=N     send the dialect's error after N content events and end (plain answers: status 500)
//	truncate=N      end in good order after N content events, without what should follow them (plain answers: half the body)
//	malformed       break the JSON of one event (plain answers: of the body)
//	nousage         leave the usage out
//	events=N        answer with exactly N content events, besides those of thoughts
//	bytes=N         answer with N bytes of content, where it is text
//	gap=MS          wait this many milliseconds between content events
//	at=KIND         all this only at the provider of that kind, so that a failover finds another one well
//
// A content event is a delta of text, arguments, thoughts or sound; Gemini sends a call
// in one. A marker that is not understood is a 400 that says why.
package fakellm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const maxBody = 64 << 20

// Latency is how long answers take. The zero value is no wait at all.
type Latency struct {
	First time.Duration // before the first byte: between half of it and all of it
	Gap   time.Duration // between content events: between half of it and all of it
}

// Lifelike is the latency of the simulation.
var Lifelike = Latency{First: 500 * time.Millisecond, Gap: 24 * time.Millisecond}

// Options of a Server. The zero value answers at once and keeps no log.
type Options struct {
	Latency Latency
	Models  []string // what GET …/models lists
	Log     int      // how many of the latest requests are kept with header and body
	// Respond may script the answer to a request; nil leaves it to queue and marker.
	// It is called concurrently and must keep neither r nor body.
	Respond func(r *http.Request, body []byte) *Script
}

// Server is a running provider.
type Server struct {
	options  Options
	listener net.Listener
	http     *http.Server
	stop     context.CancelFunc
	handlers sync.WaitGroup

	mu     sync.Mutex
	closed bool
	stats  Stats
	log    []*entry
	queue  map[string][]Script

	kept conversations // of the Responses API
}

// Listen starts a server on a free loopback port.
func Listen(o Options) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("cannot start the simulated provider: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{options: o, listener: listener, stop: stop, queue: map[string][]Script{}}
	s.http = &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	s.handlers.Go(func() { _ = s.http.Serve(listener) })
	return s, nil
}

// New is Listen for tests: it panics where no loopback port can be had.
func New(o Options) *Server {
	s, err := Listen(o)
	if err != nil {
		panic(err)
	}
	return s
}

// Close severs every connection and returns when the last handler has ended.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	_ = s.http.Close()
	s.handlers.Wait()
}

// enter counts a handler for Close to wait for; false once the server is closed.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.handlers.Add(1)
	}
	return !s.closed
}

// URL is the server's root, without a slash at its end.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// BaseURL is the base URL at which the server plays the OpenAI API of a kind of provider.
func (s *Server) BaseURL(kind string) string { return s.URL() + "/sim/" + kind + "/openai/v1" }

// AnthropicURL is the base URL at which the server plays the Anthropic API of a
// kind of provider, without the version, as the official SDKs take it.
func (s *Server) AnthropicURL(kind string) string { return s.URL() + "/sim/" + kind + "/anthropic" }

// BedrockURL is the base URL at which the server plays the Bedrock runtime of a kind
// of provider, as the official SDKs take it: /model/… follows.
func (s *Server) BedrockURL(kind string) string { return s.URL() + "/sim/" + kind + "/bedrock" }

// CohereURL is the base URL at which the server plays the Cohere API of a kind of
// provider, without the version, as the official SDKs take it.
func (s *Server) CohereURL(kind string) string { return s.URL() + "/sim/" + kind + "/cohere" }

// GeminiURL is the base URL at which the server plays the Gemini API of a kind of
// provider, without the version, as the official SDKs take it.
func (s *Server) GeminiURL(kind string) string { return s.URL() + "/sim/" + kind + "/gemini" }

// VertexURL is the base URL at which the server plays Vertex AI for a kind of
// provider, without the version. Its token endpoint is /token below it.
func (s *Server) VertexURL(kind string) string { return s.URL() + "/sim/" + kind + "/vertex" }

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		return
	}
	defer s.handlers.Done()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	entry := s.begin(r, body)
	defer s.end(r.Context(), entry)
	d := s.dialectOf(r, fmt.Sprintf("req_simulated_%d", entry.ID))
	d.headers(w.Header())
	_, openaiPath := d.(openai)
	switch {
	case err != nil:
		writeError(w, d, errors.New("the body cannot be read"))
	case openaiPath && r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/models"):
		writeRaw(w, http.StatusOK, encode(modelList(s.options.Models, entry.Kind)))
	case r.Method == http.MethodPost && r.URL.Path == "/sim/"+entry.Kind+"/vertex/token":
		writeToken(w, body, entry.ID)
	default:
		s.answer(w, r, d, entry, body)
	}
}

// answer answers one request as the script says.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, d dialect, e *entry, body []byte) {
	q, err := d.parse(r, body)
	if err != nil {
		writeError(w, d, err)
		return
	}
	script, err := s.script(r, e.Kind, body, q)
	if err != nil {
		writeError(w, d, err)
		return
	}
	a := newAnswer(q, &script, s.options.Latency, e.ID)
	defer func() { e.complete = a.complete }()
	pause(r.Context(), a.first)
	for name, values := range script.Header {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	switch {
	case script.Body != nil:
		writeRaw(w, script.Status, script.Body)
	case script.Status != 0:
		writeRefusal(w, d, &refusal{
			status: script.Status, message: "simulated failure with status " + strconv.Itoa(script.Status), code: script.Code, retryAfter: script.RetryAfter,
		})
	case script.End == Cut && script.After == 0:
		panic(http.ErrAbortHandler)
	case q.Stream:
		a.stream(r.Context(), w, d)
	default:
		a.whole(r.Context(), w, d)
	}
}

// pause waits for d. Where the client leaves or the server closes meanwhile, it
// severs the connection, so that nobody takes what was sent for a whole answer.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 && ctx.Err() == nil {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		panic(http.ErrAbortHandler)
	case <-timer.C:
	}
}
