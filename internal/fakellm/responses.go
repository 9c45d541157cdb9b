package fakellm

import (
	"encoding/base64"
	"encoding/json"
	"iter"
	"slices"
	"strings"
)

// responses is the Responses API: https://platform.openai.com/docs/api-reference/responses
// and, for streams, https://platform.openai.com/docs/api-reference/responses-streaming.
// An error in the middle of a stream is an event error and the response as failed.
type responses struct {
	openai
	asked responsesRequest
	kept  *conversations

	messages []message // without the instructions, which are not carried over
	answer   *answer   // that is streamed
	sequence int       // number of the stream's next event
}

// response is the object of a whole answer, and of the events at both ends of a stream.
type response struct {
	ID               string            `json:"id"`
	Object           string            `json:"object"`
	CreatedAt        int64             `json:"created_at"`
	Status           string            `json:"status"`
	Background       bool              `json:"background"`
	CompletedAt      *int64            `json:"completed_at"`
	Error            *responseError    `json:"error"`
	FrequencyPenalty float64           `json:"frequency_penalty"`
	Incomplete       map[string]string `json:"incomplete_details"`
	Instructions     *string           `json:"instructions"`
	MaxTokens        *int              `json:"max_output_tokens"`
	MaxToolCalls     *int              `json:"max_tool_calls"`
	Model            string            `json:"model"`
	Moderation       *string           `json:"moderation"`
	Output           []any             `json:"output"`
	Parallel         bool              `json:"parallel_tool_calls"`
	PresencePenalty  float64           `json:"presence_penalty"`
	Previous         *string           `json:"previous_response_id"`
	CacheKey         *string           `json:"prompt_cache_key"`
	Retention        *string           `json:"prompt_cache_retention"`
	Reasoning        responseReasoning `json:"reasoning"`
	Safety           *string           `json:"safety_identifier"`
	ServiceTier      string            `json:"service_tier"`
	Store            bool              `json:"store"`
	Temperature      float64           `json:"temperature"`
	Text             responseText      `json:"text"`
	ToolChoice       json.RawMessage   `json:"tool_choice"`
	Tools            []json.RawMessage `json:"tools"`
	TopLogprobs      int               `json:"top_logprobs"`
	TopP             float64           `json:"top_p"`
	Truncation       string            `json:"truncation"`
	Usage            *responseUsage    `json:"usage"`
	User             *string           `json:"user"`
	Metadata         json.RawMessage   `json:"metadata"`
}

type responseError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type responseReasoning struct {
	Context string  `json:"context,omitempty"`
	Effort  *string `json:"effort"`
	Summary *string `json:"summary"`
}

type responseText struct {
	Format    json.RawMessage `json:"format"`
	Verbosity string          `json:"verbosity"`
}

// responseUsage is in tokens. Input includes what is cached, output what was thought.
type responseUsage struct {
	Input         int64            `json:"input_tokens"`
	InputDetails  map[string]int64 `json:"input_tokens_details"`
	Output        int64            `json:"output_tokens"`
	OutputDetails map[string]int64 `json:"output_tokens_details"`
	Total         int64            `json:"total_tokens"`
}

type (
	reasoningItem struct {
		ID        string        `json:"id"`
		Type      string        `json:"type"`
		Content   []summaryPart `json:"content"`
		Encrypted string        `json:"encrypted_content,omitempty"`
		Summary   []summaryPart `json:"summary"`
	}
	messageItem struct {
		ID      string       `json:"id"`
		Type    string       `json:"type"`
		Status  string       `json:"status"`
		Content []outputPart `json:"content"`
		Role    string       `json:"role"`
	}
	callItem struct {
		ID        string `json:"id"`
		Type      string `json:"type"`
		Status    string `json:"status"`
		Arguments string `json:"arguments"`
		CallID    string `json:"call_id"`
		Name      string `json:"name"`
	}
	summaryPart struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	outputPart struct {
		Type        string     `json:"type"`
		Annotations []struct{} `json:"annotations"`
		Logprobs    []struct{} `json:"logprobs"`
		Text        string     `json:"text"`
	}
)

func newOutputPart(text string) outputPart {
	return outputPart{Type: "output_text", Annotations: []struct{}{}, Logprobs: []struct{}{}, Text: text}
}

const inProgress = "in_progress"

// response is the answer before anything of it is said.
func (d *responses) response(a *answer) response {
	m := &d.asked
	r := response{
		ID: "resp_simulated_" + a.id, Object: "response", CreatedAt: a.created, Status: inProgress, Instructions: m.Instructions,
		MaxTokens: m.MaxTokens, MaxToolCalls: m.MaxToolCalls, Model: a.request.Model, Output: []any{}, Parallel: m.Parallel == nil || *m.Parallel,
		Previous: m.Previous, CacheKey: m.CacheKey, Retention: m.Retention, Safety: m.Safety, ServiceTier: "auto", Store: d.stores(), Temperature: 1,
		Text: responseText{m.Text.Format, "medium"}, ToolChoice: m.ToolChoice, Tools: m.Tools, TopLogprobs: m.TopLogprobs, TopP: 1,
		Truncation: "disabled", User: m.User, Metadata: m.Metadata,
	}
	if m.Reasoning != nil {
		r.Reasoning = responseReasoning{Effort: m.Reasoning.Effort, Summary: m.Reasoning.Summary}
	}
	if a.request.thinking != unthinking {
		r.Reasoning.Context = "current_turn"
	}
	if len(r.Text.Format) == 0 || string(r.Text.Format) == "null" {
		r.Text.Format = json.RawMessage(`{"type":"text"}`)
	}
	if m.Text.Verbosity != "" {
		r.Text.Verbosity = m.Text.Verbosity
	}
	if len(r.ToolChoice) == 0 {
		r.ToolChoice = json.RawMessage(`"auto"`)
	}
	if r.Tools == nil {
		r.Tools = []json.RawMessage{}
	}
	if m.Temperature != nil {
		r.Temperature = *m.Temperature
	}
	if m.TopP != nil {
		r.TopP = *m.TopP
	}
	if m.Truncation != "" {
		r.Truncation = m.Truncation
	}
	if len(r.Metadata) == 0 {
		r.Metadata = json.RawMessage("{}")
	}
	return r
}

func (d *responses) stores() bool { return d.asked.Store == nil || *d.asked.Store }

// finished is the whole answer.
func (d *responses) finished(a *answer) response {
	r := d.response(a)
	c := &a.choices[0]
	r.Status, r.ServiceTier = "completed", "default"
	if c.finish == byLength {
		r.Status, r.Incomplete = "incomplete", map[string]string{"reason": "max_output_tokens"}
	} else {
		r.CompletedAt = &r.CreatedAt
	}
	if len(c.thoughts) > 0 {
		r.Output = append(r.Output, d.reasoning(a, c))
	}
	if len(c.pieces) > 0 {
		r.Output = append(r.Output, d.item(a, c, c.said(), r.Status))
	}
	if !a.script.NoUsage {
		u := a.usage
		r.Usage = &responseUsage{
			Input: u.prompt, InputDetails: map[string]int64{"cached_tokens": u.cached},
			Output: u.output, OutputDetails: map[string]int64{"reasoning_tokens": u.thoughts}, Total: u.prompt + u.output,
		}
	}
	if d.stores() {
		d.kept.keep(r.ID, append(slices.Clip(d.messages), newMessage("assistant", c.text(), 0)))
	}
	return r
}

// text is what the choice says in words.
func (c *choice) text() string {
	if c.tool != "" {
		return ""
	}
	return c.said()
}

// reasoning is the item of what was thought: summed up if the request wants that, and
// encrypted if it includes that.
func (d *responses) reasoning(a *answer, c *choice) reasoningItem {
	item := reasoningItem{ID: "rs_" + a.id, Type: "reasoning", Content: []summaryPart{}, Summary: []summaryPart{}}
	if slices.Contains(d.asked.Include, "reasoning.encrypted_content") {
		item.Encrypted = base64.StdEncoding.EncodeToString([]byte("simulated thoughts of " + a.id))
	}
	if thoughts := strings.Join(a.told(c), ""); thoughts != "" {
		item.Summary = append(item.Summary, summaryPart{"summary_text", thoughts})
	}
	return item
}

// item is the message or the call, as far as it is said.
func (d *responses) item(a *answer, c *choice, said, status string) any {
	if c.tool != "" {
		return callItem{"fc_" + a.id, "function_call", status, said, "call_" + c.callID, c.tool}
	}
	item := messageItem{ID: "msg_" + a.id, Type: "message", Status: status, Content: []outputPart{}, Role: "assistant"}
	if said != "" {
		item.Content = append(item.Content, newOutputPart(said))
	}
	return item
}

func (d *responses) whole(a *answer) []byte { return encode(d.finished(a)) }

// frame: unlike those of chat completions, the events have names.
func (d *responses) frame(e event, _ bool) []byte { return sse(e.name, e.data) }

// event numbers an event with these fields, a struct or nil.
func (d *responses) event(stage stage, name string, fields any) event {
	data := typed(name, fields)
	number := encode(d.sequence)
	d.sequence++
	data = slices.Concat(data[:len(data)-1], []byte(`,"sequence_number":`), number, []byte("}"))
	return event{name: name, data: data, stage: stage}
}

// fail takes the number of the event that it stands for.
func (d *responses) fail(e *refusal) []event {
	if d.answer == nil {
		return []event{d.event(last, "error", map[string]errorObject{"error": newErrorObject(e)})}
	}
	d.sequence--
	o := newErrorObject(e)
	r := d.response(d.answer)
	r.Status, r.Error = "failed", &responseError{o.Type, o.Message}
	if o.Code != nil {
		r.Error.Code = *o.Code
	}
	return []event{
		d.event(closing, "error", map[string]errorObject{"error": o}),
		d.event(last, "response.failed", map[string]response{"response": r}),
	}
}

// events are the response twice as it begins, the items with their parts and deltas,
// and the response as it ended.
func (d *responses) events(a *answer) iter.Seq[event] {
	return func(yield func(event) bool) {
		d.answer, d.sequence = a, 0
		w := &responseEvents{responses: d, a: a, yield: yield, going: true}
		begun := map[string]response{"response": d.response(a)}
		w.emit(opening, "response.created", begun)
		w.emit(opening, "response.in_progress", begun)
		c := &a.choices[0]
		w.thoughts(c)
		w.said(c)
		r := d.finished(a)
		w.emit(last, "response."+r.Status, map[string]response{"response": r})
	}
}

// responseEvents numbers the items of a stream.
type responseEvents struct {
	*responses
	a     *answer
	yield func(event) bool
	going bool // the stream is still wanted
	index int  // of the current item
}

func (w *responseEvents) emit(stage stage, name string, fields any) {
	w.going = w.going && w.yield(w.event(stage, name, fields))
}

// itemEvent are the fields of an event that brings an item.
type itemEvent struct {
	Item  any `json:"item"`
	Index int `json:"output_index"`
}

// partEvent are those of an event within an item; which others it has is up to its type.
type partEvent struct {
	ContentIndex *int        `json:"content_index,omitempty"`
	Delta        string      `json:"delta,omitempty"`
	Arguments    *string     `json:"arguments,omitempty"`
	ItemID       string      `json:"item_id"`
	Logprobs     *[]struct{} `json:"logprobs,omitempty"`
	Obfuscation  string      `json:"obfuscation,omitempty"`
	Index        int         `json:"output_index"`
	Part         any         `json:"part,omitempty"`
	SummaryIndex *int        `json:"summary_index,omitempty"`
	Text         *string     `json:"text,omitempty"`
}

const (
	obfuscation      = "simulatedsimulat"
	obfuscationBytes = len(obfuscation)
)

// obfuscated is what hides the length of a delta, as long as the client wants that.
func (d *responses) obfuscated(delta string) string {
	if on := d.asked.StreamOptions.Obfuscation; on != nil && !*on {
		return ""
	}
	return obfuscation[min(len(delta), obfuscationBytes-1):]
}

func (w *responseEvents) thoughts(c *choice) {
	if len(c.thoughts) == 0 {
		return
	}
	item := w.reasoning(w.a, c)
	begun := item
	begun.Summary = []summaryPart{}
	w.emit(opening, "response.output_item.added", itemEvent{begun, w.index})
	if len(item.Summary) > 0 {
		summary := item.Summary[0]
		at := partEvent{ItemID: item.ID, Index: w.index, SummaryIndex: new(int)}
		with := func(change func(*partEvent)) partEvent {
			e := at
			change(&e)
			return e
		}
		w.emit(opening, "response.reasoning_summary_part.added", with(func(e *partEvent) { e.Part = summaryPart{Type: summary.Type} }))
		for _, piece := range w.a.told(c) {
			w.emit(content, "response.reasoning_summary_text.delta", with(func(e *partEvent) { e.Delta, e.Obfuscation = piece, w.obfuscated(piece) }))
		}
		w.emit(opening, "response.reasoning_summary_text.done", with(func(e *partEvent) { e.Text = &summary.Text }))
		w.emit(opening, "response.reasoning_summary_part.done", with(func(e *partEvent) { e.Part = summary }))
	}
	w.emit(opening, "response.output_item.done", itemEvent{item, w.index})
	w.index++
}

func (w *responseEvents) said(c *choice) {
	if len(c.pieces) == 0 {
		return
	}
	status := "completed"
	if c.finish == byLength {
		status = "incomplete"
	}
	w.emit(opening, "response.output_item.added", itemEvent{w.item(w.a, c, "", inProgress), w.index})
	if c.tool != "" {
		w.call(c)
	} else {
		w.text(c)
	}
	w.emit(closing, "response.output_item.done", itemEvent{w.item(w.a, c, c.said(), status), w.index})
}

func (w *responseEvents) call(c *choice) {
	id := "fc_" + w.a.id
	for _, piece := range c.pieces {
		if !w.going {
			return
		}
		w.emit(content, "response.function_call_arguments.delta", partEvent{Delta: piece, ItemID: id, Obfuscation: w.obfuscated(piece), Index: w.index})
	}
	w.emit(closing, "response.function_call_arguments.done", partEvent{Arguments: new(c.said()), ItemID: id, Index: w.index})
}

func (w *responseEvents) text(c *choice) {
	id, first, none := "msg_"+w.a.id, new(int), new([]struct{}{})
	w.emit(opening, "response.content_part.added", partEvent{ContentIndex: first, ItemID: id, Index: w.index, Part: newOutputPart("")})
	for _, piece := range c.pieces {
		if !w.going {
			return
		}
		w.emit(content, "response.output_text.delta", partEvent{
			ContentIndex: first, Delta: piece, ItemID: id, Logprobs: none, Obfuscation: w.obfuscated(piece), Index: w.index,
		})
	}
	w.emit(closing, "response.output_text.done", partEvent{ContentIndex: first, ItemID: id, Logprobs: none, Index: w.index, Text: new(c.said())})
	w.emit(closing, "response.content_part.done", partEvent{ContentIndex: first, ItemID: id, Index: w.index, Part: newOutputPart(c.said())})
}
