package fakellm

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

const minThinkingBudget = 1024 // tokens

// messagesRequest is a request of Anthropic's Messages API: https://platform.claude.com/docs/en/api/messages
type messagesRequest struct {
	Model         string          `json:"model"`
	MaxTokens     *int            `json:"max_tokens"`
	System        blocks          `json:"system"`
	Messages      []turn          `json:"messages"`
	Stream        bool            `json:"stream"`
	StopSequences []string        `json:"stop_sequences"`
	Temperature   *float64        `json:"temperature"`
	Tools         []anthropicTool `json:"tools"`
	ToolChoice    struct {
		Type string `json:"type"`
		Name string `json:"name"`
	} `json:"tool_choice"`
	Thinking struct {
		Type    string `json:"type"`
		Budget  int    `json:"budget_tokens"`
		Display string `json:"display"`
	} `json:"thinking"`
	OutputFormat format `json:"output_format"`
	OutputConfig struct {
		Format format `json:"format"`
	} `json:"output_config"`
	Cache *cacheControl `json:"cache_control"`
}

type format struct {
	Type   string          `json:"type"`
	Schema json.RawMessage `json:"schema"`
}

type cacheControl struct {
	TTL string `json:"ttl"`
}

type anthropicTool struct {
	Type   string          `json:"type"`
	Name   string          `json:"name"`
	Schema json.RawMessage `json:"input_schema"`
	Cache  *cacheControl   `json:"cache_control"`
}

type turn struct {
	Role    string `json:"role"`
	Content blocks `json:"content"`
}

type block struct {
	Type      string        `json:"type"`
	Text      string        `json:"text"`
	ID        string        `json:"id"`
	ToolUseID string        `json:"tool_use_id"`
	Signature string        `json:"signature"`
	Content   blocks        `json:"content"`
	Cache     *cacheControl `json:"cache_control"`
}

// blocks are content: a text, or a list of blocks. What is neither has none, such
// as the error of a server's tool.
type blocks []block

func (b *blocks) UnmarshalJSON(raw []byte) error {
	var text string
	switch {
	case json.Unmarshal(raw, &text) == nil && raw[0] == '"':
		*b = blocks{{Type: "text", Text: text}}
	case raw[0] == '[':
		return json.Unmarshal(raw, (*[]block)(b))
	}
	return nil
}

// text is what the blocks say, and how many images they show.
func (b blocks) text() (text string, images int) {
	for i := range b {
		inner, more := b[i].Content.text()
		text += b[i].Text + inner
		images += more
		if b[i].Type == "image" {
			images++
		}
	}
	return text, images
}

func (b blocks) ids(kind string) []string {
	var ids []string
	for i := range b {
		switch {
		case b[i].Type != kind:
		case kind == "tool_result":
			ids = append(ids, b[i].ToolUseID)
		default:
			ids = append(ids, b[i].ID)
		}
	}
	return ids
}

func (d anthropic) parse(r *http.Request, body []byte) (*request, error) {
	counting := strings.HasSuffix(r.URL.Path, "/v1/messages/count_tokens")
	switch {
	case r.Method != http.MethodPost || !counting && !strings.HasSuffix(r.URL.Path, "/v1/messages"):
		return nil, unknownPath(r)
	case credential(r) == "":
		return nil, &refusal{status: http.StatusUnauthorized, message: "x-api-key header is required"}
	case r.Header.Get("Anthropic-Version") == "":
		return nil, invalid("anthropic-version: header is required")
	}
	return parseMessages(body, counting)
}

func parseMessages(body []byte, counting bool) (*request, error) {
	var m messagesRequest
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, invalid("the body is no messages request: %v", err)
	}
	return m.request(counting)
}

// parseHosted reads the request of a model that another company hosts: the model is
// in the path, and the version in the body.
func parseHosted(body []byte, model, version string) (*request, error) {
	var m struct {
		messagesRequest
		Version string `json:"anthropic_version"`
	}
	err := json.Unmarshal(body, &m)
	switch {
	case err != nil:
		return nil, invalid("the body is no messages request: %v", err)
	case m.Version == "":
		return nil, invalid("anthropic_version: Field required")
	case m.Version != version:
		return nil, invalid("anthropic_version: Input should be '%s'", version)
	case m.Model != "":
		return nil, invalid("model: Extra inputs are not permitted")
	}
	m.Model = model
	return m.request(false)
}

// request is the question in OpenAI's form, or a refusal.
func (m *messagesRequest) request(counting bool) (*request, error) {
	if err := m.check(counting); err != nil {
		return nil, err
	}
	q := &request{Model: m.Model, N: 1, Stream: m.Stream, Stop: m.StopSequences, cache: m.caching()}
	if counting {
		q.N, q.Stream = 0, false
	} else {
		q.MaxTokens = *m.MaxTokens
	}
	m.converse(q)
	m.offer(q)
	if f := m.OutputConfig.Format; f.Type != "" {
		m.OutputFormat = f
	}
	q.ResponseFormat.Type, q.ResponseFormat.JSONSchema.Schema = m.OutputFormat.Type, m.OutputFormat.Schema
	if m.thinks() {
		q.thinking = shown
		if m.Thinking.Display == "omitted" {
			q.thinking = unshown
		}
	}
	return q, nil
}

func (m *messagesRequest) thinks() bool {
	return m.Thinking.Type == "enabled" || m.Thinking.Type == "adaptive"
}

// converse sets the messages. The results of tools come last in their turn,
// so that an answer to them calls no other tool.
func (m *messagesRequest) converse(q *request) {
	if system, _ := m.System.text(); system != "" {
		q.Messages = append(q.Messages, newMessage("system", system, 0))
	}
	for i := range m.Messages {
		var said, results blocks
		for _, b := range m.Messages[i].Content {
			if b.Type == "tool_result" {
				results = append(results, b)
			} else {
				said = append(said, b)
			}
		}
		if text, images := said.text(); len(said) > 0 || len(results) == 0 {
			q.Messages = append(q.Messages, newMessage(m.Messages[i].Role, text, images))
		}
		for i := range results {
			text, images := results[i : i+1].text()
			q.Messages = append(q.Messages, newMessage("tool", text, images))
		}
	}
}

// offer sets the tools that the client runs, and the choice among them.
func (m *messagesRequest) offer(q *request) {
	for _, t := range m.Tools {
		if t.custom() {
			q.Tools = append(q.Tools, newTool(t.Name, t.Schema))
		}
	}
	switch m.ToolChoice.Type {
	case "none":
		q.ToolChoice = json.RawMessage(`"none"`)
	case "tool":
		q.ToolChoice = chooseTool(m.ToolChoice.Name)
	}
}

// custom reports whether the client runs the tool, not Anthropic.
func (t *anthropicTool) custom() bool { return t.Type == "" || t.Type == "custom" }

// caching is by the breakpoints of a request; where one of them is for an hour, all are.
func (m *messagesRequest) caching() caching {
	marks := []*cacheControl{m.Cache}
	for i := range m.Tools {
		marks = append(marks, m.Tools[i].Cache)
	}
	for i := range m.System {
		marks = append(marks, m.System[i].Cache)
	}
	for i := range m.Messages {
		for j := range m.Messages[i].Content {
			marks = append(marks, m.Messages[i].Content[j].Cache)
		}
	}
	found := onlyMarked
	for _, mark := range marks {
		switch {
		case mark != nil && mark.TTL == "1h":
			return oneHour
		case mark != nil:
			found = fiveMinutes
		}
	}
	return found
}

// check refuses what the real API refuses and translators get wrong.
func (m *messagesRequest) check(counting bool) error {
	switch {
	case m.Model == "":
		return invalid("model: Field required")
	case m.MaxTokens == nil && !counting:
		return invalid("max_tokens: Field required")
	case !counting && *m.MaxTokens < 1:
		return invalid("max_tokens: Input should be greater than or equal to 1")
	case len(m.Messages) == 0:
		return invalid("messages: at least one message is required")
	case m.Temperature != nil && (*m.Temperature < 0 || *m.Temperature > 1):
		return invalid("temperature: range: 0..1")
	}
	for i := range m.Tools {
		if err := m.Tools[i].check(); err != nil {
			return invalid("tools.%d.%v", i, err)
		}
	}
	for i := range m.Messages {
		if err := m.checkTurn(i); err != nil {
			return err
		}
	}
	if m.thinks() {
		return m.checkThinking()
	}
	return nil
}

func (t *anthropicTool) check() error {
	var schema struct {
		Type string `json:"type"`
	}
	switch {
	case !t.custom():
		return nil
	case t.Name == "":
		return invalid("custom.name: Field required")
	case len(t.Schema) == 0:
		return invalid("custom.input_schema: Field required")
	case json.Unmarshal(t.Schema, &schema) != nil || schema.Type != "object":
		return invalid("custom.input_schema.type: Input should be 'object'")
	}
	return nil
}

func (m *messagesRequest) checkThinking() error {
	budgeted := m.Thinking.Type == "enabled"
	switch {
	case budgeted && m.Thinking.Budget < minThinkingBudget:
		return invalid("thinking.enabled.budget_tokens: Input should be greater than or equal to %d", minThinkingBudget)
	case budgeted && m.MaxTokens != nil && *m.MaxTokens <= m.Thinking.Budget:
		return invalid("`max_tokens` must be greater than `thinking.budget_tokens`")
	case m.Temperature != nil && *m.Temperature != 1:
		return invalid("`temperature` may only be set to 1 when thinking is enabled")
	case m.ToolChoice.Type == "any" || m.ToolChoice.Type == "tool":
		return invalid("Thinking may not be enabled when tool_choice forces tool use.")
	}
	return nil
}

func (m *messagesRequest) checkTurn(i int) error {
	t, final := &m.Messages[i], i == len(m.Messages)-1
	switch {
	case t.Role != "user" && t.Role != "assistant":
		return invalid("messages: Unexpected role %q. Allowed roles are \"user\" or \"assistant\"", t.Role)
	case len(t.Content) == 0 && !(final && t.Role == "assistant"):
		return invalid("messages.%d: all messages must have non-empty content except for the optional final assistant message", i)
	}
	for j, b := range t.Content {
		switch {
		case b.Type == "text" && b.Text == "":
			return invalid("messages: text content blocks must be non-empty")
		case b.Type == "thinking" && b.Signature == "":
			return invalid("messages.%d.content.%d.thinking.signature: Field required", i, j)
		}
	}
	return m.checkCalls(i)
}

// checkCalls demands that calls and results of tools belong together: each call of
// a turn has its result in the next one.
func (m *messagesRequest) checkCalls(i int) error {
	var calls []string
	if i > 0 {
		calls = m.Messages[i-1].Content.ids("tool_use")
	}
	results := m.Messages[i].Content.ids("tool_result")
	for _, id := range results {
		if !slices.Contains(calls, id) {
			return invalid("messages.%d: unexpected `tool_use_id` found in `tool_result` blocks: %s", i, id)
		}
	}
	if i == len(m.Messages)-1 {
		calls = append(calls, m.Messages[i].Content.ids("tool_use")...)
	}
	for _, id := range calls {
		if !slices.Contains(results, id) {
			return invalid("messages: `tool_use` ids were found without `tool_result` blocks immediately after: %s", id)
		}
	}
	return nil
}
