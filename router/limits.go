package router

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Limits are what a provider's reply tells of its rate limits.
type Limits struct {
	Told     bool // anything but Pause
	Requests Allowance
	Tokens   Allowance     // of the prompt, or of prompt and answer
	Pause    time.Duration // retry-after-ms; 0: not told
}

// Allowance is what is left of a limit.
type Allowance struct {
	Left  int64
	Reset time.Time // when it is whole again; zero: not told
}

// The units of a limit.
const (
	perRequest = iota
	perToken
	perAnswer // tokens of answers: what a prompt needs of them is not known, so only nothing is too little
)

// limitHeaders are where providers tell what is left, and until when:
// https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers (Azure and
// Groq: the same), https://platform.claude.com/docs/en/api/rate-limits#response-headers.
var limitHeaders = [...]struct {
	left, reset string
	unit        int
}{
	{"X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests", perRequest},
	{"X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens", perToken},
	{"Anthropic-Ratelimit-Requests-Remaining", "Anthropic-Ratelimit-Requests-Reset", perRequest},
	{"Anthropic-Ratelimit-Tokens-Remaining", "Anthropic-Ratelimit-Tokens-Reset", perToken},
	{"Anthropic-Ratelimit-Input-Tokens-Remaining", "Anthropic-Ratelimit-Input-Tokens-Reset", perToken},
	{"Anthropic-Ratelimit-Output-Tokens-Remaining", "Anthropic-Ratelimit-Output-Tokens-Reset", perAnswer},
}

// ParseLimits reads the rate limits out of a reply's header. Values that are not
// understood count as not told, and no reset is further away than 15 minutes.
func ParseLimits(h http.Header, now time.Time) (l Limits) {
	for i := range limitHeaders {
		x := &limitHeaders[i]
		left, ok := parseLeft(first(h, x.left))
		if !ok {
			continue
		}
		told := Allowance{Left: left, Reset: parseReset(first(h, x.reset), now)}
		switch {
		case x.unit == perToken:
			l.Tokens.tighten(told)
		case x.unit == perRequest, left == 0:
			l.Requests.tighten(told)
		}
		l.Told = true
	}
	if ms, err := strconv.ParseFloat(first(h, "Retry-After-Ms"), 64); err == nil && ms > 0 {
		l.Pause = bounded(ms, time.Millisecond)
	}
	return l
}

// first is the first value of a header, by its canonical name.
func first(h http.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// tighten keeps the tighter of two limits that are both in force.
func (a *Allowance) tighten(b Allowance) {
	switch {
	case b.Reset.IsZero():
	case a.Reset.IsZero(), b.Left < a.Left, b.Left == a.Left && b.Reset.After(a.Reset):
		*a = b
	}
}

func parseLeft(s string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	return n, err == nil && n >= 0
}

// What a number in place of a reset means.
const (
	unixSeconds = 1e9  // from here on: seconds since 1970; below: seconds from now
	unixMillis  = 1e12 // from here on: milliseconds since 1970
)

// parseReset reads when a limit is whole again: a duration such as 6m0s or 20ms, a time
// (RFC 3339), or a number. Zero: it is not told.
func parseReset(s string, now time.Time) time.Time {
	s = strings.TrimSpace(s)
	if s == "" {
		return time.Time{}
	}
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		switch {
		case !(n >= 0):
			return time.Time{}
		case n >= unixMillis:
			return within(time.UnixMilli(int64(min(n, math.MaxInt64/2))), now)
		case n >= unixSeconds:
			return within(time.UnixMilli(int64(n*1000)), now)
		}
		return now.Add(bounded(n, time.Second))
	}
	if d, err := time.ParseDuration(s); err == nil {
		return within(now.Add(min(d, longestWait)), now)
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return within(t, now)
	}
	return time.Time{}
}

// bounded is n units, at most longestWait.
func bounded(n float64, unit time.Duration) time.Duration {
	return time.Duration(min(n*float64(unit), float64(longestWait)))
}

// within is t, not before now and at most longestWait after it.
func within(t, now time.Time) time.Time {
	if t.Before(now) {
		return now
	}
	if last := now.Add(longestWait); t.After(last) {
		return last
	}
	return now.Add(t.Sub(now)) // in the same zone
}

// allowance is what is left of a limit, as it was told last, less what was sent since.
type allowance struct {
	left  atomic.Int64
	until atomic.Int64 // nanoseconds since 1970; 0: nothing is known
}

// set takes what was told and reports whether more is left than was thought.
func (a *allowance) set(told Allowance) (more bool) {
	if told.Reset.IsZero() {
		return a.until.Swap(0) != 0
	}
	more = told.Left > a.left.Swap(told.Left)
	a.until.Store(told.Reset.UnixNano())
	return more
}

func (a *allowance) take(n int64) { a.left.Add(-n) }

// short is until when less is left than need, in nanoseconds since 1970; 0: there is enough.
func (a *allowance) short(now time.Time, need int64) int64 {
	until := a.until.Load()
	if until == 0 || a.left.Load() >= need || until <= now.UnixNano() {
		return 0
	}
	return until
}
