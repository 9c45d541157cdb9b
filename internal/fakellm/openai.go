package fakellm

import (
	"encoding/json"
	"iter"
	"net/http"
	"strings"
)

// openai is the chat completions API: https://platform.openai.com/docs/api-reference/chat
type openai struct{ requestID string }

func (o openai) headers(h http.Header) {
	h.Set("X-Request-Id", o.requestID)
	h.Set("Openai-Organization", "org-simulated")
	h.Set("Openai-Version", "2020-10-01")
	h.Set("X-Ratelimit-Limit-Requests", "10000")
	h.Set("X-Ratelimit-Remaining-Requests", "9999")
	h.Set("Set-Cookie", "simulated=1; Path=/")
}

func (o openai) parse(r *http.Request, body []byte) (*request, error) {
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/chat/completions") {
		return nil, unknownPath(r)
	}
	return parseRequest(body)
}

func (o openai) frame(e event, _ bool) []byte { return sse("", e.data) }

func (o openai) contentType(stream bool) string { return eventStream(stream) }

type openaiUsage struct {
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

func newOpenaiUsage(u usage) openaiUsage {
	return openaiUsage{
		Prompt: u.prompt, Completion: u.output, Total: u.prompt + u.output,
		PromptDetails: promptDetails{Cached: u.cached}, OutputDetails: outputDetails{Reasoning: u.thoughts},
	}
}

// envelope is a completion, or one chunk of it.
type envelope struct {
	ID          string          `json:"id"`
	Object      string          `json:"object"`
	Created     int64           `json:"created"`
	Model       string          `json:"model"`
	Fingerprint string          `json:"system_fingerprint"`
	Choices     any             `json:"choices"` // a list
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

func (o openai) envelope(a *answer, object string, choices []wireChoice) envelope {
	return envelope{ID: "chatcmpl-" + a.id, Object: object, Created: a.created, Model: a.request.Model, Fingerprint: fingerprint, Choices: choices}
}

func (o openai) whole(a *answer) []byte {
	choices := make([]wireChoice, len(a.choices))
	for i := range a.choices {
		c := &a.choices[i]
		choices[i] = wireChoice{Index: i, Message: c.message(), Finish: new(c.openaiFinish())}
	}
	e := o.envelope(a, "chat.completion", choices)
	if !a.script.NoUsage {
		e.Usage = encode(newOpenaiUsage(a.usage))
	}
	return encode(e)
}

// events are, for each choice, its role, then the content in turns, then the
// reasons to finish, the usage if it was asked for, and [DONE].
func (o openai) events(a *answer) iter.Seq[event] {
	withUsage := a.request.StreamOptions.IncludeUsage && !a.script.NoUsage
	chunk := func(usage json.RawMessage, choices ...wireChoice) []byte {
		e := o.envelope(a, "chat.completion.chunk", choices)
		if withUsage {
			e.Usage = usage
		}
		return encode(e)
	}
	return func(yield func(event) bool) {
		for i := range a.choices {
			if !yield(event{data: chunk(null, wireChoice{Index: i, Delta: a.choices[i].opening()})}) {
				return
			}
		}
		for i, step := range a.turns() {
			if !yield(event{stage: content, data: chunk(null, wireChoice{Index: i, Delta: a.choices[i].delta(step)})}) {
				return
			}
		}
		for i := range a.choices {
			finish := a.choices[i].openaiFinish()
			if !yield(event{stage: closing, data: chunk(null, wireChoice{Index: i, Delta: &wireMessage{}, Finish: &finish})}) {
				return
			}
		}
		if withUsage && !yield(event{stage: closing, data: chunk(encode(newOpenaiUsage(a.usage)), []wireChoice{}...)}) {
			return
		}
		yield(event{stage: last, data: []byte("[DONE]")})
	}
}

// openaiFinish is the reason to finish; a call that was forced by name ends with "stop".
func (c *choice) openaiFinish() string {
	switch {
	case c.finish == byLength:
		return "length"
	case c.tool != "" && !c.forced:
		return "tool_calls"
	}
	return "stop"
}

func (c *choice) message() *wireMessage {
	if c.tool == "" {
		return &wireMessage{Role: "assistant", Content: encode(c.said()), Refusal: null}
	}
	call := wireCall{ID: "call_" + c.callID, Type: "function", Function: wireFunction{Name: c.tool, Arguments: c.said()}}
	return &wireMessage{Role: "assistant", Content: null, Refusal: null, ToolCalls: []wireCall{call}}
}

func (c *choice) opening() *wireMessage {
	if c.tool == "" {
		return &wireMessage{Role: "assistant", Content: encode(""), Refusal: null}
	}
	first := wireCall{Index: new(int), ID: "call_" + c.callID, Type: "function", Function: wireFunction{Name: c.tool}}
	return &wireMessage{Role: "assistant", Content: null, Refusal: null, ToolCalls: []wireCall{first}}
}

func (c *choice) delta(step int) *wireMessage {
	if c.tool == "" {
		return &wireMessage{Content: encode(c.pieces[step])}
	}
	return &wireMessage{ToolCalls: []wireCall{{Index: new(int), Function: wireFunction{Arguments: c.pieces[step]}}}}
}

type errorObject struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

// newErrorObject is https://platform.openai.com/docs/guides/error-codes.
func newErrorObject(e *refusal) errorObject {
	kind, code := "invalid_request_error", ""
	switch {
	case e.status == http.StatusUnauthorized:
		code = "invalid_api_key"
	case e.status == http.StatusNotFound:
		code = "model_not_found"
	case e.status == http.StatusTooManyRequests:
		kind, code = "requests", "rate_limit_exceeded"
	case e.status >= http.StatusInternalServerError:
		kind = "server_error"
	}
	if e.code != "" {
		code = e.code
	}
	o := errorObject{Message: e.message, Type: kind}
	if code != "" {
		o.Code = &code
	}
	if e.param != "" {
		o.Param = &e.param
	}
	return o
}

func (o openai) refuse(_ http.Header, e *refusal) []byte {
	return encode(map[string]errorObject{"error": newErrorObject(e)})
}

func (o openai) fail(e *refusal) []event { return []event{{data: o.refuse(nil, e), stage: last}} }

type modelEntry struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

func modelList(models []string, owner string) any {
	entries := make([]modelEntry, len(models))
	for i, id := range models {
		entries[i] = modelEntry{ID: id, Object: "model", OwnedBy: owner}
	}
	return struct {
		Object string       `json:"object"`
		Data   []modelEntry `json:"data"`
	}{"list", entries}
}
