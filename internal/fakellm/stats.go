package fakellm

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Stats counts the requests of a server since it started.
type Stats struct {
	Started  int64
	Finished int64 // ended by the server, scripted cuts and errors included
	Canceled int64 // ended by the client before the answer was whole
	InFlight int64
	MaxOpen  int64 // the most that were in flight at once
}

// Request is one request as the server saw it.
type Request struct {
	ID       int64 // from 1, in the order of arrival
	At       time.Time
	Method   string
	Path     string
	Kind     string // the provider that was played; empty outside /sim/<kind>/
	Key      string // the credential: Authorization's bearer, x-api-key, x-goog-api-key or api-key, the key of an AWS signature, or the query's key
	Header   http.Header
	Body     []byte
	Ended    time.Time // zero: in flight; of a canceled request the instant at which the cancellation was seen
	Canceled bool
}

// entry is a Request while it is served.
type entry struct {
	Request
	// complete: all that was to be sent is sent, so a client that leaves now cancels
	// nothing. The handler alone touches it.
	complete bool
}

// Stats returns the counts.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Requests returns the latest requests, oldest first, as many as Options.Log keeps.
// Headers and bodies are shared and must not be changed.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Request, len(s.log))
	for i, r := range s.log {
		all[i] = r.Request
	}
	return all
}

// Count returns how many of the kept requests were for the provider of that kind.
func (s *Server) Count(kind string) int {
	n := 0
	for _, r := range s.Requests() {
		if r.Kind == kind {
			n++
		}
	}
	return n
}

// WaitFor returns true as soon as the counts satisfy ok, and false after the timeout.
func (s *Server) WaitFor(timeout time.Duration, ok func(Stats) bool) bool {
	for deadline := time.Now().Add(timeout); ; time.Sleep(time.Millisecond) {
		if ok(s.Stats()) {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}

func (s *Server) begin(r *http.Request, body []byte) *entry {
	e := &entry{Request: Request{At: time.Now(), Method: r.Method, Path: r.URL.Path, Key: credential(r)}}
	e.Kind, _ = played(r.URL.Path)
	if s.options.Log > 0 {
		e.Header, e.Body = maps.Clone(r.Header), body
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Started++
	s.stats.InFlight++
	s.stats.MaxOpen = max(s.stats.MaxOpen, s.stats.InFlight)
	e.ID = s.stats.Started
	if s.options.Log > 0 {
		s.log = append(s.log, e)
		s.log = slices.Delete(s.log, 0, max(0, len(s.log)-s.options.Log))
	}
	return e
}

func (s *Server) end(ctx context.Context, e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.Ended, e.Canceled = time.Now(), ctx.Err() != nil && !e.complete
	s.stats.InFlight--
	if e.Canceled {
		s.stats.Canceled++
	} else {
		s.stats.Finished++
	}
}

func credential(r *http.Request) string {
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return bearer
	}
	if _, signed, ok := strings.Cut(r.Header.Get("Authorization"), "Credential="); ok {
		key, _, _ := strings.Cut(signed, "/")
		return key
	}
	for _, name := range []string{"X-Api-Key", "X-Goog-Api-Key", "Api-Key"} {
		if v := r.Header.Get(name); v != "" {
			return v
		}
	}
	return r.URL.Query().Get("key")
}
