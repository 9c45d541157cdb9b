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
	// frame is an event as it is written, that of a failure too; first: nothing is before it.
	frame(e event, first bool) []byte
	// failure is an error, with the script's code or the usual one of the status.
	failure(status int, s *Script, message string) event
}

// dialectOf is the dialect that a path names: /sim/<kind>/<dialect>/…; OpenAI's everywhere else.
func dialectOf(r *http.Request, requestID string) dialect {
	switch _, name := played(r.URL.Path); name {
	case "anthropic":
		return anthropic{requestID}
	case "gemini":
		return newGemini(r)
	}
	return openaiDialect(r, openai{requestID})
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
	status  int
	message string
}

func (e *refusal) Error() string { return e.message }

func invalid(format string, args ...any) error {
	return &refusal{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

func unknownPath(r *http.Request) error {
	return &refusal{http.StatusNotFound, "unknown path " + r.URL.Path}
}

func writeError(w http.ResponseWriter, d dialect, err error) {
	status := http.StatusBadRequest
	var refused *refusal
	if errors.As(err, &refused) {
		status = refused.status
	}
	writeFailure(w, d, status, &Script{}, err.Error())
}

func writeFailure(w http.ResponseWriter, d dialect, status int, s *Script, message string) {
	if s.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(s.RetryAfter))
	}
	e := d.failure(status, s, message)
	if g, ok := d.(gemini); ok && g.array {
		e.data = g.frame(e, true)
	}
	writeRaw(w, status, e.data)
}

func writeRaw(w http.ResponseWriter, status int, body []byte) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	if status == 0 {
		status = http.StatusOK
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
