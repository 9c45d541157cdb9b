package fakellm

import (
	"encoding/base64"
	"encoding/json"
	"iter"
	"net/http"
	"strings"
)

// anthropic is the Messages API: https://platform.claude.com/docs/en/api/messages
// and, for streams, https://platform.claude.com/docs/en/build-with-claude/streaming.
type anthropic struct{ requestID string }

func (d anthropic) headers(h http.Header) {
	h.Set("Request-Id", d.requestID)
	h.Set("Anthropic-Organization-Id", "org-simulated")
	h.Set("Anthropic-Ratelimit-Requests-Limit", "4000")
	h.Set("Anthropic-Ratelimit-Requests-Remaining", "3999")
	h.Set("Set-Cookie", "simulated=1; Path=/")
}

func (d anthropic) frame(e event, _ bool) []byte { return sse(e.name, e.data) }

func (d anthropic) contentType(stream bool) string { return eventStream(stream) }

type anthropicMessage struct {
	Model        string          `json:"model"`
	ID           string          `json:"id"`
	Type         string          `json:"type"`
	Role         string          `json:"role"`
	Content      []any           `json:"content"`
	StopReason   *string         `json:"stop_reason"`
	StopSequence *string         `json:"stop_sequence"`
	Usage        *anthropicUsage `json:"usage,omitempty"`
}

// anthropicUsage is in tokens. Input is what is neither read from the cache nor written to it.
type anthropicUsage struct {
	Input         int64          `json:"input_tokens"`
	CacheCreation int64          `json:"cache_creation_input_tokens"`
	CacheRead     int64          `json:"cache_read_input_tokens"`
	Creation      *cacheCreation `json:"cache_creation,omitempty"`
	Output        int64          `json:"output_tokens"`
	ServiceTier   string         `json:"service_tier,omitempty"`
}

type cacheCreation struct {
	FiveMinutes int64 `json:"ephemeral_5m_input_tokens"`
	OneHour     int64 `json:"ephemeral_1h_input_tokens"`
}

type (
	thinkingBlock struct {
		Type      string `json:"type"`
		Thinking  string `json:"thinking"`
		Signature string `json:"signature"`
	}
	textBlock struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	toolUseBlock struct {
		Type  string          `json:"type"`
		ID    string          `json:"id"`
		Name  string          `json:"name"`
		Input json.RawMessage `json:"input"`
	}
)

// usage is what an answer reports when so many tokens of it are out; nil if the
// script wants none. In the whole of a message it is told in more detail.
func (d anthropic) usage(a *answer, output int64, detailed bool) *anthropicUsage {
	if a.script.NoUsage {
		return nil
	}
	t := a.usage
	u := &anthropicUsage{Input: t.prompt - t.cached - t.written, CacheCreation: t.written, CacheRead: t.cached, Output: output}
	if detailed {
		u.ServiceTier, u.Creation = "standard", &cacheCreation{FiveMinutes: t.written}
		if a.request.cache == oneHour {
			u.Creation = &cacheCreation{OneHour: t.written}
		}
	}
	return u
}

func (d anthropic) message(a *answer) anthropicMessage {
	return anthropicMessage{Model: a.request.Model, ID: "msg_simulated_" + a.id, Type: "message", Role: "assistant", Content: []any{}}
}

func (d anthropic) whole(a *answer) []byte {
	if a.request.N == 0 {
		return encode(map[string]int64{"input_tokens": a.usage.prompt})
	}
	m, c := d.message(a), &a.choices[0]
	if len(c.thoughts) > 0 {
		m.Content = append(m.Content, thinkingBlock{"thinking", strings.Join(a.told(c), ""), a.signature()})
	}
	switch {
	case len(c.pieces) == 0:
	case c.tool != "":
		m.Content = append(m.Content, toolUseBlock{"tool_use", "toolu_" + c.callID, c.tool, c.arguments()})
	default:
		m.Content = append(m.Content, textBlock{"text", c.said()})
	}
	m.StopReason, m.StopSequence = c.stopReason()
	m.Usage = d.usage(a, a.usage.output, true)
	return encode(m)
}

// stopReason is why the choice ended, and the stop sequence that it met or nil.
func (c *choice) stopReason() (reason, sequence *string) {
	switch {
	case c.finish == byLength:
		return new("max_tokens"), nil
	case c.finish == byStop:
		return new("stop_sequence"), &c.stop
	case c.tool != "":
		return new("tool_use"), nil
	}
	return new("end_turn"), nil
}

// signature stands for the one that goes with thoughts and must be sent back with them.
func (a *answer) signature() string {
	return base64.StdEncoding.EncodeToString([]byte("simulated signature of " + a.id))
}

// events are message_start, then for each block its start, deltas and stop, then
// message_delta with the whole usage, and message_stop.
func (d anthropic) events(a *answer) iter.Seq[event] {
	return func(yield func(event) bool) {
		w := &anthropicEvents{yield: yield, going: true}
		m := d.message(a)
		m.Usage = d.usage(a, min(1, a.usage.output), true)
		w.emit(opening, "message_start", map[string]anthropicMessage{"message": m})
		c := &a.choices[0]
		w.thoughts(a, c)
		w.said(c)
		reason, sequence := c.stopReason()
		w.emit(closing, "message_delta", struct {
			Delta map[string]*string `json:"delta"`
			Usage *anthropicUsage    `json:"usage,omitempty"`
		}{map[string]*string{"stop_reason": reason, "stop_sequence": sequence}, d.usage(a, a.usage.output, false)})
		w.emit(last, "message_stop", nil)
	}
}

// anthropicEvents numbers the blocks of a stream.
type anthropicEvents struct {
	yield func(event) bool
	going bool // the stream is still wanted
	index int  // of the current block
}

// emit sends an event with these fields, a struct or nil.
func (w *anthropicEvents) emit(stage stage, name string, fields any) {
	w.going = w.going && w.yield(event{name: name, data: typed(name, fields), stage: stage})
}

// typed is an object with its type before the fields, which are another object or nil.
func typed(name string, fields any) json.RawMessage {
	head := `{"type":"` + name + `"`
	if fields == nil {
		return json.RawMessage(head + "}")
	}
	return append([]byte(head+","), encode(fields)[1:]...)
}

func (w *anthropicEvents) start(block any) {
	w.emit(opening, "content_block_start", struct {
		Index int `json:"index"`
		Block any `json:"content_block"`
	}{w.index, block})
	if w.index == 0 {
		w.emit(opening, "ping", nil)
	}
}

func (w *anthropicEvents) delta(stage stage, kind, field, value string) {
	w.emit(stage, "content_block_delta", struct {
		Index int             `json:"index"`
		Delta json.RawMessage `json:"delta"`
	}{w.index, typed(kind, map[string]string{field: value})})
}

func (w *anthropicEvents) stop(stage stage) {
	w.emit(stage, "content_block_stop", map[string]int{"index": w.index})
	w.index++
}

func (w *anthropicEvents) thoughts(a *answer, c *choice) {
	if len(c.thoughts) == 0 {
		return
	}
	w.start(thinkingBlock{Type: "thinking"})
	for _, piece := range a.told(c) {
		w.delta(content, "thinking_delta", "thinking", piece)
	}
	w.delta(opening, "signature_delta", "signature", a.signature())
	w.stop(opening)
}

func (w *anthropicEvents) said(c *choice) {
	if len(c.pieces) == 0 {
		return
	}
	kind, field := "text_delta", "text"
	if c.tool == "" {
		w.start(textBlock{Type: "text"})
	} else {
		kind, field = "input_json_delta", "partial_json"
		w.start(toolUseBlock{"tool_use", "toolu_" + c.callID, c.tool, json.RawMessage("{}")})
		w.delta(opening, kind, field, "")
	}
	for _, piece := range c.pieces {
		if !w.going {
			return
		}
		w.delta(content, kind, field, piece)
	}
	w.stop(closing)
}

// refuse is https://platform.claude.com/docs/en/api/errors.
func (d anthropic) refuse(_ http.Header, e *refusal) []byte {
	kind := e.code
	if kind == "" {
		kind = anthropicErrors[e.status]
	}
	switch {
	case kind != "":
	case e.status >= http.StatusInternalServerError:
		kind = "api_error"
	default:
		kind = "invalid_request_error"
	}
	return typed("error", struct {
		Error     json.RawMessage `json:"error"`
		RequestID string          `json:"request_id"`
	}{typed(kind, map[string]string{"message": e.message}), d.requestID})
}

func (d anthropic) fail(e *refusal) []event {
	return []event{{name: "error", data: d.refuse(nil, e), stage: last}}
}

const statusOverloaded = 529

var anthropicErrors = map[int]string{
	http.StatusUnauthorized:          "authentication_error",
	http.StatusPaymentRequired:       "billing_error",
	http.StatusForbidden:             "permission_error",
	http.StatusNotFound:              "not_found_error",
	http.StatusRequestEntityTooLarge: "request_too_large",
	http.StatusTooManyRequests:       "rate_limit_error",
	http.StatusGatewayTimeout:        "timeout_error",
	statusOverloaded:                 "overloaded_error",
}
