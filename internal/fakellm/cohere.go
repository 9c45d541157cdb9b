package fakellm

import (
	"iter"
	"net/http"
	"strings"
)

// cohere is version 2 of Cohere's API: https://docs.cohere.com/v2/reference/chat
// and, for streams, https://docs.cohere.com/v2/docs/streaming. Before a call it has a
// plan, or thoughts if it was asked to think.
type cohere struct{ requestID string }

// cohereDialect is that of the endpoint that a request is for.
func cohereDialect(r *http.Request, c cohere) dialect {
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, "/v2/embed"):
		return &cohereEmbeddings{cohere: c}
	case strings.HasSuffix(path, "/v2/rerank"):
		return &rerank{cohere: c}
	}
	return c
}

func (d cohere) headers(h http.Header) {
	h.Set("X-Debug-Trace-Id", d.requestID)
	h.Set("X-Endpoint-Monthly-Call-Limit", "1000")
	h.Set("Server", "envoy")
}

func (d cohere) contentType(stream bool) string {
	if stream {
		return "text/event-stream"
	}
	return jsonType
}

func (d cohere) frame(e event, _ bool) []byte { return sse(e.name, e.data) }

func (d cohere) refuse(_ http.Header, e *refusal) []byte {
	return encode(struct {
		Type    string `json:"error_type,omitempty"`
		ID      string `json:"id"`
		Message string `json:"message"`
	}{e.code, d.requestID, e.message})
}

// fail ends the message with its error.
func (d cohere) fail(e *refusal) []event {
	return []event{{name: "message-end", stage: last, data: typed("message-end", map[string]any{
		"delta": map[string]string{"error": e.message, "finish_reason": "ERROR"},
	})}}
}

// authorize refuses what has no credential.
func (d cohere) authorize(r *http.Request) error {
	if r.Method != http.MethodPost {
		return unknownPath(r)
	}
	if credential(r) == "" {
		return &refusal{status: http.StatusUnauthorized, message: "no api key supplied"}
	}
	return nil
}

type cohereMessage struct {
	Role    string          `json:"role"`
	Content []cohereContent `json:"content,omitempty"`
	Plan    string          `json:"tool_plan,omitempty"`
	Calls   []wireCall      `json:"tool_calls,omitempty"`
}

// cohereContent has the text or the thought, as its type says; that of a delta has no type.
type cohereContent struct {
	Type     string  `json:"type,omitempty"`
	Text     *string `json:"text,omitempty"`
	Thinking *string `json:"thinking,omitempty"`
}

// cohereUsage is in tokens.
type cohereUsage struct {
	Billed map[string]int64 `json:"billed_units"`
	Tokens cohereTokens     `json:"tokens"`
	Cached int64            `json:"cached_tokens"` // of the input
}

type cohereTokens struct {
	Input     int64 `json:"input_tokens"`
	Output    int64 `json:"output_tokens"`
	Reasoning int64 `json:"reasoning_tokens,omitempty"` // of the output
}

func (d cohere) usage(a *answer) *cohereUsage {
	if a.script.NoUsage {
		return nil
	}
	u := &cohereUsage{
		Billed: map[string]int64{"input_tokens": a.usage.prompt, "output_tokens": a.usage.output},
		Tokens: cohereTokens{Input: a.usage.prompt, Output: a.usage.output}, Cached: a.usage.cached,
	}
	if a.request.thinking != planning {
		u.Tokens.Reasoning = a.usage.thoughts
	}
	return u
}

func (c *choice) cohereFinish() string {
	switch {
	case c.finish == byLength:
		return "MAX_TOKENS"
	case c.finish == byStop:
		return "STOP_SEQUENCE"
	case c.tool != "":
		return "TOOL_CALL"
	}
	return "COMPLETE"
}

// cohereCall is the call before its arguments.
func (c *choice) cohereCall() wireCall {
	return wireCall{ID: c.tool + "_" + c.callID, Type: "function", Function: wireFunction{Name: c.tool}}
}

func (d cohere) whole(a *answer) []byte {
	c, m := &a.choices[0], cohereMessage{Role: "assistant"}
	if thoughts := strings.Join(a.told(c), ""); thoughts != "" {
		if a.request.thinking == planning {
			m.Plan = thoughts
		} else {
			m.Content = append(m.Content, cohereContent{Type: "thinking", Thinking: &thoughts})
		}
	}
	switch {
	case len(c.pieces) == 0:
	case c.tool != "":
		call := c.cohereCall()
		call.Function.Arguments = c.said()
		m.Calls = []wireCall{call}
	default:
		m.Content = append(m.Content, cohereContent{Type: "text", Text: new(c.said())})
	}
	return encode(struct {
		ID      string        `json:"id"`
		Message cohereMessage `json:"message"`
		Finish  string        `json:"finish_reason"`
		Usage   *cohereUsage  `json:"usage,omitempty"`
	}{"simulated-" + a.id, m, c.cohereFinish(), d.usage(a)})
}

// events are message-start, then for each block its start, deltas and end, then
// message-end with the usage, and [DONE].
func (d cohere) events(a *answer) iter.Seq[event] {
	return func(yield func(event) bool) {
		w := &cohereEvents{yield: yield, going: true}
		id, begun := encode("simulated-"+a.id), typed("message-start", map[string]any{"delta": map[string]any{"message": map[string]any{
			"role": "assistant", "content": []any{}, "tool_plan": "", "tool_calls": []any{}, "citations": []any{},
		}}})
		w.send(event{name: "message-start", stage: opening, data: []byte(`{"id":` + string(id) + `,` + string(begun[1:]))})
		c := &a.choices[0]
		if a.request.thinking == planning {
			w.plan(a.told(c))
		} else {
			w.block("thinking", a.told(c), opening)
		}
		if c.tool != "" {
			w.call(c)
		} else {
			w.block("text", c.pieces, closing)
		}
		w.emit(closing, "message-end", map[string]any{"delta": struct {
			Finish string       `json:"finish_reason"`
			Usage  *cohereUsage `json:"usage,omitempty"`
		}{c.cohereFinish(), d.usage(a)}})
		w.send(event{stage: last, data: []byte("[DONE]")})
	}
}

// cohereEvents numbers the content of a stream.
type cohereEvents struct {
	yield func(event) bool
	going bool // the stream is still wanted
	index int  // of the current content
}

func (w *cohereEvents) send(e event) { w.going = w.going && w.yield(e) }

func (w *cohereEvents) emit(stage stage, name string, fields any) {
	w.send(event{name: name, data: typed(name, fields), stage: stage})
}

// indexed are the fields of an event that belongs to a content or a call.
type indexed struct {
	Index int `json:"index"`
	Delta any `json:"delta,omitempty"`
}

// within is a delta with something new in the message.
func within(field string, value any) any {
	return map[string]any{"message": map[string]any{field: value}}
}

func (w *cohereEvents) block(kind string, pieces []string, end stage) {
	if len(pieces) == 0 {
		return
	}
	part := func(kind, piece string) cohereContent {
		if kind == "thinking" {
			return cohereContent{Thinking: &piece}
		}
		return cohereContent{Text: &piece}
	}
	begun := part(kind, "")
	begun.Type = kind
	w.emit(opening, "content-start", indexed{w.index, within("content", begun)})
	for _, piece := range pieces {
		if !w.going {
			return
		}
		w.emit(content, "content-delta", indexed{w.index, within("content", part(kind, piece))})
	}
	w.emit(end, "content-end", indexed{Index: w.index})
	w.index++
}

func (w *cohereEvents) plan(pieces []string) {
	for _, piece := range pieces {
		w.emit(content, "tool-plan-delta", map[string]any{"delta": within("tool_plan", piece)})
	}
}

func (w *cohereEvents) call(c *choice) {
	if len(c.pieces) == 0 {
		return
	}
	w.emit(opening, "tool-call-start", indexed{0, within("tool_calls", c.cohereCall())})
	for _, piece := range c.pieces {
		if !w.going {
			return
		}
		w.emit(content, "tool-call-delta", indexed{0, within("tool_calls", map[string]any{"function": map[string]string{"arguments": piece}})})
	}
	w.emit(closing, "tool-call-end", indexed{})
}
