package fakellm

import (
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"strings"
)

// dialect is how one provider's API is spoken, in one request.
type dialect interface {
	// headers sets those that a real provider sends and a gateway keeps to itself.
	headers(h http.Header)
	// parse reads a request; its error is a refusal, or a 400 that says why.
	parse(r *http.Request, body []byte) (*request, error)
	// whole is the body of a plain answer.
	whole(a *answer) []byte
	// events are those of a stream.
	events(a *answer) iter.Seq[event]
	// frame is an event as it is written, that of an error too; first: nothing is before it.
	frame(e event, first bool) []byte
	// refuse is the body of an error; what else tells of it goes into the header.
	refuse(h http.Header, e *refusal) []byte
	// fail are the events of an error in the middle of a stream, in place of the next event.
	fail(e *refusal) []event
	// contentType is that of an answer, where the header has none yet.
	contentType(stream bool) string
}

const jsonType = "application/json"

// eventStream is the content type of plain answers in JSON, and of streams of server-sent events.
func eventStream(stream bool) string {
	if stream {
		return "text/event-stream; charset=utf-8"
	}
	return jsonType
}

// dialectOf is the dialect that a path names: /sim/<kind>/<dialect>/…; OpenAI's everywhere else.
func (s *Server) dialectOf(r *http.Request, requestID string) dialect {
	switch _, name := played(r.URL.Path); name {
	case "anthropic":
		return anthropic{requestID}
	case "gemini":
		return geminiDialect(r)
	case "vertex":
		return newVertex(r, requestID)
	case "cohere":
		return cohereDialect(r, cohere{requestID})
	case "bedrock":
		return newBedrock(r, requestID)
	}
	return s.openaiDialect(r, openai{requestID})
}

// played is what a path asks the server to play: a kind of provider, and a dialect.
func played(path string) (kind, dialect string) {
	rest, found := strings.CutPrefix(path, "/sim/")
	if !found {
		return "", ""
	}
	kind, rest, _ = strings.Cut(rest, "/")
	dialect, _, _ = strings.Cut(rest, "/")
	return kind, dialect
}

// refusal is an error in the words and with the status of the real API.
type refusal struct {
	status     int
	message    string
	code       string // empty: the dialect's usual one of the status
	param      string // the field at fault, in dialects that name it
	retryAfter int    // seconds; 0: not told
}

func (e *refusal) Error() string { return e.message }

func invalid(format string, args ...any) error {
	return &refusal{status: http.StatusBadRequest, message: fmt.Sprintf(format, args...)}
}

func unknownPath(r *http.Request) error {
	return &refusal{status: http.StatusNotFound, message: "unknown path " + r.URL.Path}
}

func writeError(w http.ResponseWriter, d dialect, err error) {
	refused := &refusal{status: http.StatusBadRequest}
	_ = errors.As(err, &refused)
	e := *refused
	e.message = err.Error()
	writeRefusal(w, d, &e)
}

func writeRefusal(w http.ResponseWriter, d dialect, e *refusal) {
	if e.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(e.retryAfter))
	}
	body := d.refuse(w.Header(), e)
	writeRaw(w, e.status, body)
}

func writeRaw(w http.ResponseWriter, status int, body []byte) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", jsonType)
	}
	if status == 0 {
		status = http.StatusOK
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
