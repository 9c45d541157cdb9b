package fakellm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const fingerprint = "simulated"

// choice is what one choice of an answer says: text, or the arguments of a call.
type choice struct {
	pieces []string
	tool   string // name of the function called; empty: text
	callID string
	finish string
}

// answer is everything that one request will be told.
type answer struct {
	request *request
	script  *Script
	rand    *rand.Rand
	id      string
	created int64
	choices []choice
	usage   usage
	first   time.Duration // before the first byte
	gap     time.Duration // longest wait between content events

	complete bool // what follows is the last that the client is sent
}

type usage struct {
	Prompt        int64         `json:"prompt_tokens"`
	Completion    int64         `json:"completion_tokens"`
	Total         int64         `json:"total_tokens"`
	PromptDetails promptDetails `json:"prompt_tokens_details"`
	OutputDetails outputDetails `json:"completion_tokens_details"`
}

type promptDetails struct {
	Cached int64 `json:"cached_tokens"`
	Audio  int64 `json:"audio_tokens"`
}

type outputDetails struct {
	Reasoning int64 `json:"reasoning_tokens"`
	Audio     int64 `json:"audio_tokens"`
	Accepted  int64 `json:"accepted_prediction_tokens"`
	Rejected  int64 `json:"rejected_prediction_tokens"`
}

func newAnswer(q *request, script *Script, latency Latency, serial int64) *answer {
	seed := q.seed()
	a := &answer{request: q, script: script, rand: rand.New(rand.NewPCG(seed, 0)), created: time.Now().Unix()}
	a.id = fmt.Sprintf("chatcmpl-%016x%08x", seed, serial)
	prompt := q.promptTokens()
	a.usage = usage{Prompt: prompt, PromptDetails: promptDetails{Cached: a.cached(prompt)}}
	a.first = script.Slow + a.jitter(latency.First)
	a.gap = latency.Gap
	for i := range q.N {
		c := a.choice(rand.New(rand.NewPCG(seed, uint64(i)+1)), i)
		a.usage.Completion += int64(len(c.pieces))
		a.choices = append(a.choices, c)
	}
	a.usage.Total = a.usage.Prompt + a.usage.Completion
	return a
}

// cached is the part of a long prompt that is reported as read from the cache.
func (a *answer) cached(prompt int64) int64 {
	quarters := a.rand.Int64N(4)
	if prompt < 1024 {
		return 0
	}
	return prompt * quarters / 4 / 128 * 128
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

func (a *answer) choice(r *rand.Rand, index int) choice {
	c := choice{finish: "stop"}
	tools, forced := a.request.calls()
	var text string
	switch {
	case len(tools) > 0:
		t := tools[r.IntN(len(tools))]
		c.tool, c.callID = t.Function.Name, fmt.Sprintf("call_%016x%02d", r.Uint64(), index)
		text = sample(r, t.Function.Parameters)
		if !forced {
			c.finish = "tool_calls"
		}
	case strings.HasPrefix(a.request.ResponseFormat.Type, "json"):
		text = sample(r, a.request.ResponseFormat.JSONSchema.Schema)
	default:
		text = prose(r)
	}
	if n := a.script.Bytes; n > 0 {
		text = strings.Repeat(text+" ", n/(len(text)+1)+1)[:n]
	}
	c.pieces = pieces(text, max(pieceBytes, a.script.Bytes/maxEvents))
	if a.script.Events > 0 {
		c.pieces = resize(c.pieces, a.script.Events)
	}
	if limit := a.request.maxTokens(); limit > 0 && len(c.pieces) > limit {
		c.pieces, c.finish = c.pieces[:limit], "length"
	}
	return c
}

// envelope is a completion, or one chunk of it.
type envelope struct {
	ID          string          `json:"id"`
	Object      string          `json:"object"`
	Created     int64           `json:"created"`
	Model       string          `json:"model"`
	Fingerprint string          `json:"system_fingerprint"`
	Choices     []wireChoice    `json:"choices"`
	Usage       json.RawMessage `json:"usage,omitempty"`
}

type wireChoice struct {
	Index    int              `json:"index"`
	Message  *wireMessage     `json:"message,omitempty"`
	Delta    *wireMessage     `json:"delta,omitempty"`
	Logprobs *json.RawMessage `json:"logprobs"`
	Finish   *string          `json:"finish_reason"`
}

type wireMessage struct {
	Role      string          `json:"role,omitempty"`
	Content   json.RawMessage `json:"content,omitempty"`
	Refusal   json.RawMessage `json:"refusal,omitempty"`
	ToolCalls []wireCall      `json:"tool_calls,omitempty"`
}

type wireCall struct {
	Index    *int         `json:"index,omitempty"`
	ID       string       `json:"id,omitempty"`
	Type     string       `json:"type,omitempty"`
	Function wireFunction `json:"function"`
}

type wireFunction struct {
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments"`
}

var null = json.RawMessage("null")

func (a *answer) envelope(object string, choices []wireChoice) envelope {
	return envelope{ID: a.id, Object: object, Created: a.created, Model: a.request.Model, Fingerprint: fingerprint, Choices: choices}
}

// whole sends a plain answer.
func (a *answer) whole(ctx context.Context, w http.ResponseWriter) {
	body := a.body()
	pause(ctx, a.interval()*time.Duration(a.usage.Completion))
	if a.script.End == ErrorEvent {
		writeError(w, http.StatusInternalServerError, "", "simulated failure")
		return
	}
	if a.script.Malformed {
		body = append(body[:len(body)/2], "!!"...)
	}
	half := body[:len(body)/2]
	w.Header().Set("Content-Type", "application/json")
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

func (a *answer) body() []byte {
	choices := make([]wireChoice, len(a.choices))
	for i := range a.choices {
		c := &a.choices[i]
		choices[i] = wireChoice{Index: i, Message: c.message(), Finish: &c.finish}
	}
	e := a.envelope("chat.completion", choices)
	if !a.script.NoUsage {
		e.Usage = encode(a.usage)
	}
	return encode(e)
}

func (c *choice) message() *wireMessage {
	said := strings.Join(c.pieces, "")
	if c.tool == "" {
		return &wireMessage{Role: "assistant", Content: encode(said), Refusal: null}
	}
	call := wireCall{ID: c.callID, Type: "function", Function: wireFunction{Name: c.tool, Arguments: said}}
	return &wireMessage{Role: "assistant", Content: null, Refusal: null, ToolCalls: []wireCall{call}}
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
