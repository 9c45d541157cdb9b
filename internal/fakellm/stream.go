package fakellm

import (
	"context"
	"net/http"
)

// event is one event of a stream, before it is framed.
type event struct {
	name  string // of a server-sent event, in dialects that name them
	data  []byte
	stage stage
}

// stage is where in a stream an event belongs.
type stage uint8

const (
	opening stage = iota // before and between the content
	content
	closing // after all content
	last    // a client that has it may leave
)

// stream sends the answer's events as the script says.
func (a *answer) stream(ctx context.Context, w http.ResponseWriter, d dialect) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", d.contentType(true))
	}
	w.Header().Set("Cache-Control", "no-cache")
	s := &stream{answer: a, dialect: d, w: w, flush: http.NewResponseController(w)}
	for e := range d.events(a) {
		ended := e.stage >= closing
		if (e.stage == content || ended && !s.ended) && !s.next(ctx, ended) {
			return
		}
		s.ended = ended
		s.complete = s.complete || e.stage == last
		s.send(e)
		if e.stage == content {
			s.sent++
			s.latest = e
		}
	}
}

type stream struct {
	*answer
	dialect dialect
	w       http.ResponseWriter
	flush   *http.ResponseController
	begun   bool  // something is sent
	sent    int   // content events
	latest  event // of the content events
	ended   bool  // all content is sent
}

// next does what the script wants done before the next content event, or after
// the last; false if that ends the stream.
func (s *stream) next(ctx context.Context, last bool) bool {
	if s.sent > 0 {
		s.between(ctx)
	}
	if s.sent < s.script.After && !last {
		return true
	}
	s.complete = s.script.End != Whole
	switch s.script.End {
	case Cut:
		panic(http.ErrAbortHandler)
	case ErrorEvent:
		for _, e := range s.dialect.fail(&refusal{
			status: http.StatusInternalServerError, message: "simulated failure in the middle of the stream", code: s.script.Code, retryAfter: s.script.RetryAfter,
		}) {
			s.send(e)
		}
	}
	return s.script.End == Whole
}

func (s *stream) between(ctx context.Context) {
	if s.sent == 1 {
		if s.script.Malformed {
			s.send(event{name: s.latest.name, data: append(s.latest.data[:len(s.latest.data)-2], "broken"...)})
		}
		pause(ctx, s.script.Stall)
	}
	pause(ctx, s.interval())
}

// send writes one event; a failed write shows in the request's context.
func (s *stream) send(e event) {
	_, _ = s.w.Write(s.dialect.frame(e, !s.begun))
	s.begun = true
	_ = s.flush.Flush()
}

// sse frames a server-sent event; an empty name: none.
func sse(name string, data []byte) []byte {
	if name != "" {
		name = "event: " + name + "\n"
	}
	return []byte(name + "data: " + string(data) + "\n\n")
}
