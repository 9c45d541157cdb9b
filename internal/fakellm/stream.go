package fakellm

import (
	"context"
	"net/http"
)

// stream sends the answer as server-sent events: for each choice its role, then
// the content in turns, then the reasons to finish, the usage if it was asked
// for, and [DONE].
func (a *answer) stream(ctx context.Context, w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	s := &stream{answer: a, w: w, flush: http.NewResponseController(w)}
	for i := range a.choices {
		s.send(i, a.choices[i].opening(), nil)
	}
	if !s.content(ctx) {
		return
	}
	for i := range a.choices {
		s.send(i, &wireMessage{}, &a.choices[i].finish)
	}
	if s.wantsUsage() {
		e := a.envelope("chat.completion.chunk", []wireChoice{})
		e.Usage = encode(a.usage)
		s.event(encode(e))
	}
	s.complete = true
	s.event([]byte("[DONE]"))
}

type stream struct {
	*answer
	w     http.ResponseWriter
	flush *http.ResponseController
	sent  int // content events
}

// content sends the content events of all choices in turns; false if the script ended it early.
func (s *stream) content(ctx context.Context) bool {
	longest := 0
	for i := range s.choices {
		longest = max(longest, len(s.choices[i].pieces))
	}
	for step := range longest {
		for i := range s.choices {
			if step >= len(s.choices[i].pieces) {
				continue
			}
			if !s.next(ctx, false) {
				return false
			}
			s.send(i, s.choices[i].delta(step), nil)
			s.sent++
		}
	}
	return s.next(ctx, true)
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
		s.event(errorBody(http.StatusInternalServerError, s.script.Code, "simulated failure in the middle of the stream"))
	}
	return s.script.End == Whole
}

func (s *stream) between(ctx context.Context) {
	if s.sent == 1 {
		if s.script.Malformed {
			s.event([]byte(`{"id":"` + s.id + `","choices":[{"delta":{"content":"broken`))
		}
		pause(ctx, s.script.Stall)
	}
	pause(ctx, s.interval())
}

// wantsUsage reports whether chunks carry usage: null in all of them but the last.
func (s *stream) wantsUsage() bool {
	return s.request.StreamOptions.IncludeUsage && !s.script.NoUsage
}

func (s *stream) send(index int, delta *wireMessage, finish *string) {
	e := s.envelope("chat.completion.chunk", []wireChoice{{Index: index, Delta: delta, Finish: finish}})
	if s.wantsUsage() {
		e.Usage = null
	}
	s.event(encode(e))
}

// event writes one event; a failed write shows in the request's context.
func (s *stream) event(data []byte) {
	_, _ = s.w.Write([]byte("data: " + string(data) + "\n\n"))
	_ = s.flush.Flush()
}

func (c *choice) opening() *wireMessage {
	if c.tool == "" {
		return &wireMessage{Role: "assistant", Content: encode(""), Refusal: null}
	}
	first := wireCall{Index: new(int), ID: c.callID, Type: "function", Function: wireFunction{Name: c.tool}}
	return &wireMessage{Role: "assistant", Content: null, Refusal: null, ToolCalls: []wireCall{first}}
}

func (c *choice) delta(step int) *wireMessage {
	if c.tool == "" {
		return &wireMessage{Content: encode(c.pieces[step])}
	}
	return &wireMessage{ToolCalls: []wireCall{{Index: new(int), Function: wireFunction{Arguments: c.pieces[step]}}}}
}
