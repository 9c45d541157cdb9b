package fakellm

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// cohereRequest is https://docs.cohere.com/v2/reference/chat
type cohereRequest struct {
	Model      string       `json:"model"`
	Messages   []cohereTurn `json:"messages"`
	Stream     bool         `json:"stream"`
	MaxTokens  *int         `json:"max_tokens"`
	Stop       []string     `json:"stop_sequences"`
	Tools      []tool       `json:"tools"`
	ToolChoice string       `json:"tool_choice"`
	Format     struct {
		Type       string          `json:"type"`
		Schema     json.RawMessage `json:"schema"`
		JSONSchema json.RawMessage `json:"json_schema"`
	} `json:"response_format"`
	Thinking struct {
		Type string `json:"type"`
	} `json:"thinking"`
	Documents   []json.RawMessage `json:"documents"`
	Temperature *float64          `json:"temperature"`
}

type cohereTurn struct {
	Role    string      `json:"role"`
	Content cohereParts `json:"content"`
	Calls   []wireCall  `json:"tool_calls"`
	Plan    string      `json:"tool_plan"`
	CallID  string      `json:"tool_call_id"`
}

// cohereParts are content: a text, or a list of parts.
type cohereParts []coherePart

type coherePart struct {
	Type     string          `json:"type"`
	Text     string          `json:"text"`
	Document json.RawMessage `json:"document"`
}

func (p *cohereParts) UnmarshalJSON(raw []byte) error {
	var text string
	if json.Unmarshal(raw, &text) == nil && raw[0] == '"' {
		*p = cohereParts{{Type: "text", Text: text}}
		return nil
	}
	return json.Unmarshal(raw, (*[]coherePart)(p))
}

// text is what the parts say, and how many images they show.
func (p cohereParts) text() (text string, images int) {
	for _, part := range p {
		text += part.Text
		if part.Type == "image_url" {
			images++
		}
		if part.Type == "document" {
			text += documentText(part.Document)
		}
	}
	return text, images
}

// documentText is the data of a document, which may be a text.
func documentText(raw json.RawMessage) string {
	var d struct {
		Data json.RawMessage `json:"data"`
	}
	var text string
	if json.Unmarshal(raw, &d) != nil || json.Unmarshal(d.Data, &text) != nil {
		return string(d.Data)
	}
	return text
}

func (d cohere) parse(r *http.Request, body []byte) (*request, error) {
	if !strings.HasSuffix(r.URL.Path, "/v2/chat") {
		return nil, unknownPath(r)
	}
	if err := d.authorize(r); err != nil {
		return nil, err
	}
	return parseCohere(body)
}

func parseCohere(body []byte) (*request, error) {
	var m cohereRequest
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, invalid("invalid request body: %v", err)
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	q := &request{Model: m.Model, N: 1, Stream: m.Stream, Stop: m.Stop, Tools: m.Tools, thinking: planning}
	if m.MaxTokens != nil {
		q.MaxTokens = *m.MaxTokens
	}
	if m.Thinking.Type == "enabled" {
		q.thinking = shown
	}
	if m.ToolChoice == "NONE" {
		q.ToolChoice = json.RawMessage(`"none"`)
	}
	if f := m.Format; f.Type == "json_object" {
		q.ResponseFormat.Type = f.Type
		if f.JSONSchema == nil {
			f.JSONSchema = f.Schema
		}
		if f.JSONSchema != nil {
			q.ResponseFormat.Type, q.ResponseFormat.JSONSchema.Schema = "json_schema", f.JSONSchema
		}
	}
	for i := range m.Messages {
		text, images := m.Messages[i].Content.text()
		q.Messages = append(q.Messages, newMessage(m.Messages[i].Role, text, images))
	}
	if len(m.Documents) > 0 {
		q.Messages = slices.Concat([]message{newMessage("system", string(encode(m.Documents)), 0)}, q.Messages)
	}
	return q, nil
}

// check refuses what the real API refuses and translators get wrong.
func (m *cohereRequest) check() error {
	switch {
	case m.Model == "":
		return invalid("invalid request: model parameter is required.")
	case len(m.Messages) == 0:
		return invalid("invalid request: messages must not be empty.")
	case m.ToolChoice != "" && m.ToolChoice != "REQUIRED" && m.ToolChoice != "NONE":
		return invalid("invalid request: tool_choice must be one of REQUIRED or NONE.")
	case m.ToolChoice != "" && len(m.Tools) == 0:
		return invalid("invalid request: tool_choice may be set only if tools are.")
	case m.Temperature != nil && (*m.Temperature < 0 || *m.Temperature > 2):
		return invalid("invalid request: temperature must be between 0 and 2.0 inclusive.")
	case m.MaxTokens != nil && *m.MaxTokens < 0:
		return invalid("invalid request: max_tokens must be positive.")
	}
	for i := range m.Tools {
		if t := &m.Tools[i]; t.Type != "function" || t.Function.Name == "" {
			return invalid("invalid request: tools[%d] must be a function with a name.", i)
		}
	}
	var calls []string
	for i := range m.Messages {
		t := &m.Messages[i]
		switch {
		case !slices.Contains([]string{"system", "user", "assistant", "tool"}, t.Role):
			return invalid("invalid request: messages[%d].role must be one of system, user, assistant or tool.", i)
		case t.Role == "user" && len(t.Content) == 0:
			return invalid("invalid request: all elements in messages must have a message, and messages[%d] has none.", i)
		case t.Role == "tool" && t.CallID == "":
			return invalid("invalid request: messages[%d].tool_call_id is required.", i)
		case t.Role == "tool" && !slices.Contains(calls, t.CallID):
			return invalid("invalid request: the tool_call_id of messages[%d], %s, is of no call before it.", i, t.CallID)
		}
		for _, call := range t.Calls {
			calls = append(calls, call.ID)
		}
	}
	return nil
}
