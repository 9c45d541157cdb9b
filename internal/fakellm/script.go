package fakellm

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// End is how a scripted answer ends.
type End uint8

// The ends of an answer. Those other than Whole come after Script.After content events.
const (
	Whole      End = iota // as it should
	Cut                   // the connection is severed
	ErrorEvent            // an error event, then nothing more
	Truncate              // in good order but without what should follow: reason to finish, usage, last event
)

// Limits on what a marker may ask for, so that a prompt cannot exhaust the process.
const (
	maxEvents = 100_000
	maxBytes  = 48 << 20
	maxWait   = 10 * time.Minute
)

// Script departs from the normal answer. Its zero value is the normal answer; the
// package comment says what each part does, under the marker's names.
type Script struct {
	Status     int    // an error with this status; with Body: the status of Body (0: 200)
	RetryAfter int    // seconds; 0: no header
	Code       string // of the error: OpenAI's code, Anthropic's type, Gemini's status, AWS's exception; empty: by the status
	Header     http.Header
	Body       []byte // sent as it stands, with the content type of an error unless Header says otherwise

	Slow  time.Duration
	Stall time.Duration
	Gap   time.Duration // 0: by Latency

	End   End
	After int // content events before End

	Malformed bool
	NoUsage   bool
	Events    int // 0: as many as the text has
	Bytes     int // 0: as long as the text is

	At string // the kind of provider that it is for; empty: every one
}

// Enqueue scripts the next requests, other than for the list of models or a token, at the provider of a kind, one each and
// in order; the kind "" stands for every provider that has no queue of its own.
func (s *Server) Enqueue(kind string, scripts ...Script) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue[kind] = append(s.queue[kind], scripts...)
}

// script finds what applies to a request: the Respond hook, else the queue, else the marker.
func (s *Server) script(r *http.Request, kind string, body []byte, q *request) (Script, error) {
	if s.options.Respond != nil {
		if script := s.options.Respond(r, body); script != nil {
			return *script, nil
		}
	}
	if script, ok := s.dequeue(kind); ok {
		return script, nil
	}
	script, err := parseMarker(q.lastUserText())
	switch {
	case err != nil || script.At != "" && script.At != kind:
		return Script{}, err
	case q.N > 1 && (script.Events > 0 || script.Bytes > 0):
		return Script{}, errors.New("marker: events and bytes are for one choice")
	}
	return script, nil
}

func (s *Server) dequeue(kind string) (Script, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range []string{kind, ""} {
		if q := s.queue[name]; len(q) > 0 {
			s.queue[name] = q[1:]
			return q[0], true
		}
	}
	return Script{}, false
}

// parseMarker reads the first marker in a text; without one the script is the normal answer.
func parseMarker(text string) (Script, error) {
	var script Script
	_, rest, found := strings.Cut(text, "[[halfpenny:")
	list, _, closed := strings.Cut(rest, "]]")
	if !found || !closed {
		return script, nil
	}
	for _, item := range strings.Split(list, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(item), "=")
		if err := script.set(key, value); err != nil {
			return Script{}, fmt.Errorf("marker %q: %w", item, err)
		}
	}
	return script, nil
}

func (s *Script) set(key, value string) (err error) {
	switch key {
	case "status":
		s.Status, err = number(value, 400, 599)
	case "retry-after":
		s.RetryAfter, err = number(value, 0, 86_400)
	case "code":
		s.Code = value
	case "slow":
		s.Slow, err = wait(value)
	case "stall":
		s.Stall, err = wait(value)
	case "gap":
		var ms int
		ms, err = number(value, 0, int(maxWait/time.Millisecond))
		s.Gap = time.Duration(ms) * time.Millisecond
	case "cut":
		err = s.end(Cut, value)
	case "error-mid":
		err = s.end(ErrorEvent, value)
	case "truncate":
		err = s.end(Truncate, value)
	case "malformed":
		s.Malformed = true
	case "nousage":
		s.NoUsage = true
	case "events":
		s.Events, err = number(value, 1, maxEvents)
	case "bytes":
		s.Bytes, err = number(value, 1, maxBytes)
	case "at":
		s.At = value
	default:
		err = fmt.Errorf("there is no %q", key)
	}
	return err
}

func (s *Script) end(e End, value string) (err error) {
	s.End = e
	s.After, err = number(value, 0, maxEvents)
	return err
}

func number(s string, low, high int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("want a number from %d to %d", low, high)
	}
	return n, nil
}

func wait(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > maxWait {
		return 0, fmt.Errorf("want a duration up to %s, such as 2s", maxWait)
	}
	return d, nil
}
