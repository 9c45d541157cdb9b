package fakellm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const fingerprint = "simulated"

// finish is why a choice ended.
type finish uint8

const (
	byItself finish = iota
	byLength
	byStop // at one of the request's stop sequences
)

// choice is what one choice of an answer says, in any dialect: text, or the
// arguments of a call. What is thought before it is in pieces too.
type choice struct {
	thoughts []string
	pieces   []string
	tool     string // name of the function called; empty: text
	forced   bool   // the request named the function
	callID   string // without a dialect's prefix
	finish   finish
	stop     string // the stop sequence met
}

func (c *choice) said() string { return strings.Join(c.pieces, "") }

// arguments are those of a call as an object; one that was cut short is empty.
func (c *choice) arguments() json.RawMessage {
	said := c.said()
	var object map[string]json.RawMessage
	if json.Unmarshal([]byte(said), &object) != nil || object == nil {
		return json.RawMessage("{}")
	}
	return json.RawMessage(said)
}

// answer is everything that one request will be told.
type answer struct {
	request *request
	script  *Script
	rand    *rand.Rand
	id      string // without a dialect's prefix
	created int64
	choices []choice
	usage   usage
	first   time.Duration // before the first byte
	gap     time.Duration // longest wait between content events

	complete bool // what follows is the last that the client is sent
}

// told is what the client is told of the thoughts.
func (a *answer) told(c *choice) []string {
	if a.request.thinking == unshown {
		return nil
	}
	return c.thoughts
}

// usage is in tokens.
type usage struct {
	prompt   int64 // all of it
	cached   int64 // of prompt: read from the cache
	written  int64 // of prompt: written to the cache, for requests with breakpoints
	output   int64 // all of it
	thoughts int64 // of output
}

func newAnswer(q *request, script *Script, latency Latency, serial int64) *answer {
	seed := q.seed()
	a := &answer{request: q, script: script, rand: rand.New(rand.NewPCG(seed, 0)), created: time.Now().Unix()}
	a.id = fmt.Sprintf("%016x%08x", seed, serial)
	prompt := q.promptTokens()
	a.usage = usage{prompt: prompt, cached: a.cached(prompt)}
	a.usage.written = a.written()
	a.first = script.Slow + a.jitter(latency.First)
	a.gap = latency.Gap
	for i := range q.N {
		c := a.choice(seed, i)
		a.usage.output += int64(len(c.thoughts) + len(c.pieces))
		a.usage.thoughts += int64(len(c.thoughts))
		a.choices = append(a.choices, c)
	}
	return a
}

// cached is the part of a long prompt that is reported as read from the cache.
func (a *answer) cached(prompt int64) int64 {
	quarters := a.rand.Int64N(4)
	if prompt < minCached || a.request.cache == onlyMarked {
		return 0
	}
	return prompt * quarters / 4 / cacheStep * cacheStep
}

// written is the part that is reported as written to the cache: half of what was
// not read from it.
func (a *answer) written() int64 {
	if a.usage.prompt < minCached || !a.request.cache.marked() {
		return 0
	}
	return (a.usage.prompt - a.usage.cached) / 2 / cacheStep * cacheStep
}

// interval is the wait before the next content event.
func (a *answer) interval() time.Duration {
	if a.script.Gap > 0 {
		return a.script.Gap
	}
	return a.jitter(a.gap)
}

// jitter is a duration between half of d and d.
func (a *answer) jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d/2 + time.Duration(a.rand.Int64N(int64(d/2)+1))
}

func (a *answer) choice(seed uint64, index int) choice {
	r := rand.New(rand.NewPCG(seed, uint64(index)+1))
	var c choice
	tools, forced := a.request.calls()
	var text string
	switch {
	case len(tools) > 0:
		t := tools[r.IntN(len(tools))]
		c.tool, c.forced, c.callID = t.Function.Name, forced, fmt.Sprintf("%016x%02d", r.Uint64(), index)
		text = sample(r, t.Function.Parameters)
	case strings.HasPrefix(a.request.ResponseFormat.Type, "json"):
		text = sample(r, a.request.ResponseFormat.JSONSchema.Schema)
	default:
		text = prose(r, "This is a simulated answer.")
	}
	if n := a.script.Bytes; n > 0 {
		text = strings.Repeat(text+" ", n/(len(text)+1)+1)[:n]
	}
	if c.tool == "" && a.script.Events == 0 {
		text = c.stopAt(text, a.request.Stop)
	}
	c.pieces = pieces(text, max(pieceBytes, a.script.Bytes/maxEvents))
	if a.script.Events > 0 {
		c.pieces = resize(c.pieces, a.script.Events)
	}
	if a.request.thinks(&c) {
		// Its own randomness, so that the answer is the same with and without it.
		c.thoughts = pieces(prose(rand.New(rand.NewPCG(seed, ^uint64(index))), "This is a simulated thought."), pieceBytes)
	}
	c.limit(a.request.maxTokens())
	return c
}

// stopAt returns the text before the first of the stop sequences.
func (c *choice) stopAt(text string, stops []string) string {
	for _, stop := range stops {
		if before, _, found := strings.Cut(text, stop); found && stop != "" {
			text, c.stop, c.finish = before, stop, byStop
		}
	}
	return text
}

// limit cuts what goes beyond so many tokens, of the answer before the thoughts; 0: no limit.
func (c *choice) limit(tokens int) {
	if tokens <= 0 || len(c.thoughts)+len(c.pieces) <= tokens {
		return
	}
	c.thoughts = c.thoughts[:min(len(c.thoughts), tokens)]
	c.pieces = c.pieces[:tokens-len(c.thoughts)]
	c.finish, c.stop = byLength, ""
}

// turns are the pieces of all choices in turns, each as its choice and its place there.
func (a *answer) turns() iter.Seq2[int, int] {
	return func(yield func(int, int) bool) {
		for step, more := 0, true; more; step++ {
			more = false
			for i := range a.choices {
				if step >= len(a.choices[i].pieces) {
					continue
				}
				if more = true; !yield(i, step) {
					return
				}
			}
		}
	}
}

// whole sends a plain answer.
func (a *answer) whole(ctx context.Context, w http.ResponseWriter, d dialect) {
	body := d.whole(a)
	pause(ctx, a.interval()*time.Duration(a.usage.output))
	if a.script.End == ErrorEvent {
		writeRefusal(w, d, &refusal{status: http.StatusInternalServerError, message: "simulated failure"})
		return
	}
	if a.script.Malformed {
		body = append(body[:len(body)/2], "!!"...)
	}
	half := body[:len(body)/2]
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", d.contentType(false))
	}
	if a.script.End != Truncate {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	if a.script.End == Whole && a.script.Stall == 0 {
		a.complete = true
		_, _ = w.Write(body)
		return
	}
	_, _ = w.Write(half)
	_ = http.NewResponseController(w).Flush()
	pause(ctx, a.script.Stall)
	a.complete = true
	switch a.script.End {
	case Cut:
		panic(http.ErrAbortHandler)
	case Whole:
		_, _ = w.Write(body[len(half):])
	}
}

// encode is json.Marshal without HTML escapes, of values that always marshal.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("BUG: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
