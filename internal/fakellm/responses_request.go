package fakellm

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
)

const minOutputTokens = 16

// responsesRequest is a request of OpenAI's Responses API:
// https://platform.openai.com/docs/api-reference/responses/create
type responsesRequest struct {
	Model        string            `json:"model"`
	Input        json.RawMessage   `json:"input"`
	Instructions *string           `json:"instructions"`
	Previous     *string           `json:"previous_response_id"`
	Stream       bool              `json:"stream"`
	Store        *bool             `json:"store"`
	Include      []string          `json:"include"`
	MaxTokens    *int              `json:"max_output_tokens"`
	MaxToolCalls *int              `json:"max_tool_calls"`
	Tools        []json.RawMessage `json:"tools"`
	ToolChoice   json.RawMessage   `json:"tool_choice"`
	Parallel     *bool             `json:"parallel_tool_calls"`
	Reasoning    *struct {
		Effort  *string `json:"effort"`
		Summary *string `json:"summary"`
	} `json:"reasoning"`
	Text struct {
		Format    json.RawMessage `json:"format"`
		Verbosity string          `json:"verbosity"`
	} `json:"text"`
	StreamOptions struct {
		Obfuscation *bool `json:"include_obfuscation"`
	} `json:"stream_options"`
	Temperature *float64        `json:"temperature"`
	TopP        *float64        `json:"top_p"`
	TopLogprobs int             `json:"top_logprobs"`
	Truncation  string          `json:"truncation"`
	Metadata    json.RawMessage `json:"metadata"`
	CacheKey    *string         `json:"prompt_cache_key"`
	Retention   *string         `json:"prompt_cache_retention"`
	Safety      *string         `json:"safety_identifier"`
	User        *string         `json:"user"`
	Background  bool            `json:"background"`

	format responseFormat
}

// responseFormat is text.format.
type responseFormat struct {
	Type   string          `json:"type"`
	Name   string          `json:"name"`
	Schema json.RawMessage `json:"schema"`
}

// responseItem is an item of the input. Its type may be missing where it has a role.
type responseItem struct {
	Type    string          `json:"type"`
	ID      string          `json:"id"`
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
	CallID  string          `json:"call_id"`
	Output  json.RawMessage `json:"output"`
}

// responsePart is a part of the content of a message, or of the output of a tool.
type responsePart struct {
	Type    string `json:"type"`
	Text    string `json:"text"`
	Refusal string `json:"refusal"`
}

// responseParameters are those of the API, without the ones that have a place of their own above.
var responseParameters = []string{
	"background", "context_management", "conversation", "include", "input", "instructions", "max_output_tokens", "max_tool_calls", "metadata", "model",
	"moderation", "parallel_tool_calls", "previous_response_id", "prompt", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "reasoning",
	"safety_identifier", "service_tier", "store", "stream", "stream_options", "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p",
	"truncation", "user",
}

// movedParameters are those of chat completions that have another name here.
var movedParameters = map[string]string{
	"messages": "input", "max_tokens": "max_output_tokens", "max_completion_tokens": "max_output_tokens", "response_format": "text.format",
	"reasoning_effort": "reasoning.effort", "verbosity": "text.verbosity",
}

var responseItemTypes = []string{
	"message", "file_search_call", "computer_call", "computer_call_output", "web_search_call", "function_call", "function_call_output", "reasoning",
	"compaction", "image_generation_call", "code_interpreter_call", "local_shell_call", "local_shell_call_output", "shell_call", "shell_call_output",
	"apply_patch_call", "apply_patch_call_output", "mcp_list_tools", "mcp_approval_request", "mcp_approval_response", "mcp_call", "custom_tool_call",
	"custom_tool_call_output", "item_reference",
}

// wrong is a refusal that names the parameter at fault.
func wrong(param, code, format string, args ...any) error {
	return &refusal{status: http.StatusBadRequest, message: fmt.Sprintf(format, args...), code: code, param: param}
}

func missingParameter(param string) error {
	return wrong(param, "missing_required_parameter", "Missing required parameter: '%s'.", param)
}

func unsupportedValue(param, value string, supported ...string) error {
	return wrong(param, "invalid_value", "Invalid value: '%s'. Supported values are: '%s'.", value, strings.Join(supported, "', '"))
}

func (d *responses) parse(r *http.Request, body []byte) (*request, error) {
	if r.Method != http.MethodPost {
		return nil, unknownPath(r)
	}
	q, err := d.asked.read(body)
	if err != nil {
		return nil, err
	}
	if p := d.asked.Previous; p != nil {
		before, known := d.kept.get(*p)
		if !known {
			return nil, wrong("previous_response_id", "previous_response_not_found", "Previous response with id '%s' not found.", *p)
		}
		q.Messages = slices.Concat(before, q.Messages)
	}
	if err := d.asked.checkCalls(); err != nil {
		return nil, err
	}
	d.messages = q.Messages
	if i := d.asked.Instructions; i != nil && *i != "" {
		q.Messages = slices.Concat([]message{newMessage("system", *i, 0)}, q.Messages)
	}
	return q, nil
}

// read reads a request but for what was before it.
func (m *responsesRequest) read(body []byte) (*request, error) {
	if err := checkParameters(body); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(body, m); err != nil {
		return nil, wrong("", "", "We could not parse the JSON body of your request. (%v)", err)
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	q := &request{Model: m.Model, N: 1, Stream: m.Stream, thinking: m.thinking()}
	if m.MaxTokens != nil {
		q.MaxTokens = *m.MaxTokens
	}
	if strings.HasPrefix(m.format.Type, "json") {
		q.ResponseFormat.Type, q.ResponseFormat.JSONSchema.Schema = m.format.Type, m.format.Schema
	}
	if err := m.offer(q); err != nil {
		return nil, err
	}
	return q, m.converse(q)
}

func checkParameters(body []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return wrong("", "", "We could not parse the JSON body of your request. (%v)", err)
	}
	for name := range fields {
		switch moved := movedParameters[name]; {
		case moved != "":
			return wrong("", "unsupported_parameter", "Unsupported parameter: '%s'. In the Responses API, this parameter has moved to '%s'. Try again with the new parameter.", name, moved)
		case !slices.Contains(responseParameters, name):
			return wrong(name, "unknown_parameter", "Unknown parameter: '%s'.", name)
		}
	}
	return nil
}

func (m *responsesRequest) check() error {
	switch {
	case m.Model == "":
		return missingParameter("model")
	case (len(m.Input) == 0 || string(m.Input) == "null") && m.Previous == nil:
		return wrong("input", "missing_required_parameter", "One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation_id' must be provided.")
	case m.Background:
		return wrong("background", "unsupported_value", "The simulation runs no response in the background.")
	case m.MaxTokens != nil && *m.MaxTokens < minOutputTokens:
		return wrong("max_output_tokens", "integer_below_min_value",
			"Invalid 'max_output_tokens': integer below minimum value. Expected a value >= %d, but got %d instead.", minOutputTokens, *m.MaxTokens)
	case m.Temperature != nil && *m.Temperature > 2:
		return wrong("temperature", "decimal_above_max_value",
			"Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got %v instead.", *m.Temperature)
	}
	return m.checkFormat()
}

func (m *responsesRequest) checkFormat() error {
	m.format.Type = "text"
	if len(m.Text.Format) == 0 || string(m.Text.Format) == "null" {
		return nil
	}
	if err := json.Unmarshal(m.Text.Format, &m.format); err != nil {
		return wrong("text.format", "invalid_type", "Invalid type for 'text.format': expected an object.")
	}
	switch f := m.format; {
	case f.Type == "json_schema" && f.Name == "":
		return missingParameter("text.format.name")
	case f.Type == "json_schema" && len(f.Schema) == 0:
		return missingParameter("text.format.schema")
	case f.Type != "text" && f.Type != "json_object" && f.Type != "json_schema":
		return unsupportedValue("text.format.type", f.Type, "json_object", "json_schema", "text")
	}
	return nil
}

// thinking: reasoning is asked for by its effort, and told in a summary.
func (m *responsesRequest) thinking() thinking {
	r := m.Reasoning
	switch {
	case r == nil || r.Effort == nil && r.Summary == nil || r.Effort != nil && (*r.Effort == "none" || *r.Effort == "minimal"):
		return unthinking
	case r.Summary != nil:
		return shown
	}
	return unshown
}

// offer sets the functions that the client runs, and the choice among them.
func (m *responsesRequest) offer(q *request) error {
	for i, raw := range m.Tools {
		var t struct {
			Type       string          `json:"type"`
			Name       string          `json:"name"`
			Parameters json.RawMessage `json:"parameters"`
		}
		_ = json.Unmarshal(raw, &t)
		switch {
		case t.Type == "":
			return missingParameter(fmt.Sprintf("tools[%d].type", i))
		case t.Type != "function":
		case t.Name == "":
			return missingParameter(fmt.Sprintf("tools[%d].name", i))
		default:
			q.Tools = append(q.Tools, newTool(t.Name, t.Parameters))
		}
	}
	return m.choose(q)
}

func (m *responsesRequest) choose(q *request) error {
	var choice struct {
		Type string `json:"type"`
		Name string `json:"name"`
	}
	if string(m.ToolChoice) == `"none"` {
		q.ToolChoice = m.ToolChoice
	}
	// A word chooses no function.
	_ = json.Unmarshal(m.ToolChoice, &choice)
	switch {
	case choice.Type != "function":
	case choice.Name == "":
		return missingParameter("tool_choice.name")
	default:
		q.ToolChoice = chooseTool(choice.Name)
	}
	return nil
}

// items are those of the input; a text is one message.
func (m *responsesRequest) items() ([]responseItem, error) {
	var text string
	var items []responseItem
	switch {
	case len(m.Input) == 0 || string(m.Input) == "null":
		return nil, nil
	case json.Unmarshal(m.Input, &text) == nil:
		return []responseItem{{Type: "message", Role: "user", Content: m.Input}}, nil
	case json.Unmarshal(m.Input, &items) != nil:
		return nil, wrong("input", "invalid_type", "Invalid type for 'input': expected one of a string or array of objects.")
	}
	for i := range items {
		if items[i].Type == "" && items[i].Role != "" {
			items[i].Type = "message"
		}
	}
	return items, nil
}

// converse sets the messages. What the model said in one turn is one message, as in
// chat completions, whatever number of items it has.
func (m *responsesRequest) converse(q *request) error {
	items, err := m.items()
	if err != nil {
		return err
	}
	turn := false
	for i, item := range items {
		where := fmt.Sprintf("input[%d]", i)
		role, text, images := "assistant", "", 0
		switch {
		case !slices.Contains(responseItemTypes, item.Type):
			return unsupportedValue(where, item.Type, responseItemTypes...)
		case item.Type == "message":
			if role, text, images, err = item.message(where); err != nil {
				return err
			}
		case strings.HasSuffix(item.Type, "_output"):
			role = "tool"
			text, images = item.output()
		}
		if role == "assistant" && turn {
			said, shown := q.Messages[len(q.Messages)-1].text()
			q.Messages[len(q.Messages)-1] = newMessage(role, said+text, shown+images)
			continue
		}
		turn = role == "assistant"
		q.Messages = append(q.Messages, newMessage(role, text, images))
	}
	if len(q.Messages) == 0 && m.Previous == nil {
		return wrong("input", "empty_array", "Invalid 'input': empty array. Expected an array with minimum length 1, but got an empty array instead.")
	}
	return nil
}

// message reads a message, of which the model's own has parts of other types than the rest.
func (item *responseItem) message(where string) (role, text string, images int, err error) {
	if !slices.Contains([]string{"user", "assistant", "system", "developer"}, item.Role) {
		return "", "", 0, unsupportedValue(where, item.Role, "assistant", "system", "developer", "user")
	}
	var parts []responsePart
	switch {
	case json.Unmarshal(item.Content, &text) == nil:
		return item.Role, text, 0, nil
	case json.Unmarshal(item.Content, &parts) != nil:
		return "", "", 0, wrong(where+".content", "invalid_type", "Invalid type for '%s.content': expected one of an array of objects or string.", where)
	}
	supported := []string{"input_text", "input_image", "input_file"}
	if item.Role == "assistant" {
		supported = []string{"output_text", "refusal"}
	}
	for i, p := range parts {
		if !slices.Contains(supported, p.Type) {
			return "", "", 0, unsupportedValue(fmt.Sprintf("%s.content[%d]", where, i), p.Type, supported...)
		}
	}
	text, images = joinParts(parts)
	return item.Role, text, images, nil
}

func (item *responseItem) output() (text string, images int) {
	var parts []responsePart
	if json.Unmarshal(item.Output, &text) != nil && json.Unmarshal(item.Output, &parts) == nil {
		return joinParts(parts)
	}
	return text, 0
}

func joinParts(parts []responsePart) (text string, images int) {
	for _, p := range parts {
		text += p.Text + p.Refusal
		if p.Type == "input_image" {
			images++
		}
	}
	return text, images
}

// checkCalls demands that calls and outputs of functions belong together, and that
// reasoning comes with what it led to. Items of earlier responses are not looked at.
func (m *responsesRequest) checkCalls() error {
	items, err := m.items()
	if err != nil {
		return err
	}
	calls, outputs := map[string]bool{}, map[string]bool{}
	for _, item := range items {
		outputs[item.CallID] = outputs[item.CallID] || item.Type == "function_call_output"
	}
	for i, item := range items {
		switch {
		case item.Type == "function_call":
			calls[item.CallID] = true
			if !outputs[item.CallID] {
				return wrong("input", "", "No tool output found for function call %s.", item.CallID)
			}
		case item.Type == "function_call_output" && !calls[item.CallID] && m.Previous == nil:
			return wrong("input", "", "No tool call found for function call output with call_id %s.", item.CallID)
		case item.Type == "reasoning" && (i == len(items)-1 || items[i+1].Role == "user"):
			return wrong("input", "", "Item '%s' of type 'reasoning' was provided without its required following item.", item.ID)
		}
	}
	return nil
}

// maxKept bounds the bytes of messages that are kept for requests to continue.
const maxKept = 16 << 20

// conversations are the messages up to and with each stored response, the latest ones.
type conversations struct {
	mu    sync.Mutex
	known map[string][]message
	order []string
	size  int
}

func (c *conversations) get(id string) (messages []message, known bool) {
	if c == nil {
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	messages, known = c.known[id]
	return messages, known
}

func (c *conversations) keep(id string, messages []message) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = map[string][]message{}
	}
	c.known[id] = messages
	c.order = append(c.order, id)
	c.size += sizeOf(messages)
	for c.size > maxKept {
		c.size -= sizeOf(c.known[c.order[0]])
		delete(c.known, c.order[0])
		c.order = c.order[1:]
	}
}

func sizeOf(messages []message) int {
	size := 0
	for i := range messages {
		size += len(messages[i].Role) + len(messages[i].Content)
	}
	return size
}
