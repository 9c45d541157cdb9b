package fakellm

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
)

// Tokens that a prompt has beyond a quarter of its text's bytes.
const (
	tokensPerMessage = 4
	tokensPerPrompt  = 3
	tokensPerImage   = 85
)

// What long prompts report as cached, in tokens.
const (
	minCached = 1024
	cacheStep = 128
)

const maxChoices = 128

// thinking is whether a request wants thoughts before the answer.
type thinking uint8

const (
	unthinking thinking = iota
	planning            // a plan is told before a call, nothing before a text
	unshown             // thought and counted, not told
	shown
)

// caching is which prompts a dialect caches, and for how long.
type caching uint8

const (
	automatic  caching = iota // every long prompt
	onlyMarked                // those with a breakpoint, and this one has none
	fiveMinutes
	oneHour
)

func (c caching) marked() bool { return c >= fiveMinutes }

// request is a question in OpenAI's form, into which the other dialects are read.
type request struct {
	Model         string    `json:"model"`
	Messages      []message `json:"messages"`
	Stream        bool      `json:"stream"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	N                   int             `json:"n"`
	MaxTokens           int             `json:"max_tokens"`
	MaxCompletionTokens int             `json:"max_completion_tokens"`
	Tools               []tool          `json:"tools"`
	ToolChoice          json.RawMessage `json:"tool_choice"`
	Stop                texts           `json:"stop"`
	ResponseFormat      struct {
		Type       string `json:"type"`
		JSONSchema struct {
			Schema json.RawMessage `json:"schema"`
		} `json:"json_schema"`
	} `json:"response_format"`

	thinking thinking
	cache    caching
	tokens   int64 // of the prompt, where the API has no messages; 0: by the messages
}

// thinks reports whether there are thoughts before what the choice says.
func (q *request) thinks(c *choice) bool {
	return q.thinking >= unshown || q.thinking == planning && c.tool != ""
}

// texts are one text or a list of them.
type texts []string

func (s *texts) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*s = texts{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(s))
}

type message struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
}

type tool struct {
	Type     string `json:"type"`
	Function struct {
		Name       string          `json:"name"`
		Parameters json.RawMessage `json:"parameters"`
	} `json:"function"`
}

var errNoModel = errors.New("you must provide a model parameter")

func parseRequest(body []byte) (*request, error) {
	q := &request{N: 1}
	if err := json.Unmarshal(body, q); err != nil {
		return nil, fmt.Errorf("the body is no chat completion request: %w", err)
	}
	switch {
	case q.Model == "":
		return nil, errNoModel
	case len(q.Messages) == 0:
		return nil, errors.New("messages must not be empty")
	case q.N < 1 || q.N > maxChoices:
		return nil, fmt.Errorf("n must be between 1 and %d", maxChoices)
	}
	return q, nil
}

// text is what the message says, and how many images it shows.
func (m *message) text() (text string, images int) {
	var parts []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if json.Unmarshal(m.Content, &text) == nil || json.Unmarshal(m.Content, &parts) != nil {
		return text, 0
	}
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.Text)
		if p.Type == "image_url" {
			images++
		}
	}
	return b.String(), images
}

func (q *request) lastUserText() string {
	for i := len(q.Messages) - 1; i >= 0; i-- {
		if q.Messages[i].Role == "user" {
			text, _ := q.Messages[i].text()
			return text
		}
	}
	return ""
}

// newMessage is a message in OpenAI's form.
func newMessage(role, text string, images int) message {
	if images == 0 {
		return message{Role: role, Content: encode(text)}
	}
	parts := []map[string]string{{"type": "text", "text": text}}
	for range images {
		parts = append(parts, map[string]string{"type": "image_url"})
	}
	return message{Role: role, Content: encode(parts)}
}

func newTool(name string, parameters json.RawMessage) tool {
	t := tool{Type: "function"}
	t.Function.Name, t.Function.Parameters = name, parameters
	return t
}

// chooseTool is the tool_choice that demands the function of that name.
func chooseTool(name string) json.RawMessage { return encode(newTool(name, nil)) }

// seed is the same for every request that asks the same of the same model, however it
// is written: developers are the system, a text may be in parts, and a choice of
// tools is made only by a name or by none.
func (q *request) seed() uint64 {
	messages := make([]message, len(q.Messages))
	for i := range q.Messages {
		text, images := q.Messages[i].text()
		role := q.Messages[i].Role
		if role == "developer" {
			role = "system"
		}
		messages[i] = newMessage(role, text, images)
	}
	var choice json.RawMessage
	if name := q.named(); name != "" {
		choice = chooseTool(name)
	} else if string(q.ToolChoice) == `"none"` {
		choice = q.ToolChoice
	}
	h := fnv.New64a()
	_ = json.NewEncoder(h).Encode([]any{q.Model, messages, q.Tools, choice, q.ResponseFormat})
	return h.Sum64()
}

// named is the function that tool_choice demands; empty: it demands none.
func (q *request) named() string {
	var named tool
	_ = json.Unmarshal(q.ToolChoice, &named)
	return named.Function.Name
}

// PromptTokens is what the server reports as the prompt tokens of a chat
// completion request: a quarter of the bytes of text and tools, rounded up, and
// small fixed amounts for each message and image. It is 0 for a body that is no
// such request.
func PromptTokens(body []byte) int64 {
	q, err := parseRequest(body)
	if err != nil {
		return 0
	}
	return q.promptTokens()
}

func (q *request) promptTokens() int64 {
	if q.tokens > 0 {
		return q.tokens
	}
	size, fixed := 0, tokensPerPrompt
	for i := range q.Messages {
		text, images := q.Messages[i].text()
		size += len(text)
		fixed += tokensPerMessage + images*tokensPerImage
	}
	for i := range q.Tools {
		size += len(q.Tools[i].Function.Name) + len(q.Tools[i].Function.Parameters)
	}
	return int64(fixed + (size+3)/4)
}

// maxTokens is the output limit, 0 where there is none.
func (q *request) maxTokens() int {
	return max(q.MaxTokens, q.MaxCompletionTokens, 0)
}

// calls returns the tools of which one is to be called, and whether one was forced by name.
func (q *request) calls() (tools []tool, forced bool) {
	if q.Messages[len(q.Messages)-1].Role == "tool" {
		return nil, false
	}
	if string(q.ToolChoice) == `"none"` {
		return nil, false
	}
	name := q.named()
	forced = name != ""
	for _, t := range q.Tools {
		if t.Type == "function" && (!forced || t.Function.Name == name) {
			tools = append(tools, t)
		}
	}
	return tools, forced
}
