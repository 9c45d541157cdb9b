package fakellm

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// converseRequest is https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
type converseRequest struct {
	Messages  []converseTurn  `json:"messages"`
	System    []converseBlock `json:"system"`
	Inference struct {
		MaxTokens   *int     `json:"maxTokens"`
		Temperature *float64 `json:"temperature"`
		Stop        []string `json:"stopSequences"`
	} `json:"inferenceConfig"`
	Tools *struct {
		Tools []struct {
			Spec *struct {
				Name   string `json:"name"`
				Schema struct {
					JSON json.RawMessage `json:"json"`
				} `json:"inputSchema"`
			} `json:"toolSpec"`
			Cache *cacheControl `json:"cachePoint"`
		} `json:"tools"`
		Choice struct {
			Tool *struct {
				Name string `json:"name"`
			} `json:"tool"`
		} `json:"toolChoice"`
	} `json:"toolConfig"`
	Output struct {
		Format struct {
			Type      string `json:"type"`
			Structure struct {
				JSONSchema struct {
					Schema string `json:"schema"`
				} `json:"jsonSchema"`
			} `json:"structure"`
		} `json:"textFormat"`
	} `json:"outputConfig"`
	// What the model alone understands, as Anthropic's thinking.
	Additional struct {
		Thinking  converseThinking `json:"thinking"`
		Reasoning converseThinking `json:"reasoning_config"`
	} `json:"additionalModelRequestFields"`
}

type converseThinking struct {
	Type   string `json:"type"`
	Budget int    `json:"budget_tokens"`
}

func (t converseThinking) on() bool { return t.Type == "enabled" || t.Type == "adaptive" }

type converseTurn struct {
	Role    string          `json:"role"`
	Content []converseBlock `json:"content"`
}

// converseBlock has one of its fields.
type converseBlock struct {
	Text      *string             `json:"text"`
	JSON      json.RawMessage     `json:"json"` // in the result of a tool
	Image     json.RawMessage     `json:"image"`
	ToolUse   *converseToolUse    `json:"toolUse"`
	Result    *converseToolResult `json:"toolResult"`
	Reasoning *struct {
		Text *struct {
			Signature string `json:"signature"`
		} `json:"reasoningText"`
	} `json:"reasoningContent"`
	Cache *cacheControl `json:"cachePoint"`
}

type converseToolResult struct {
	ID      string          `json:"toolUseId"`
	Content []converseBlock `json:"content"`
}

func parseConverse(body []byte, model string) (*request, error) {
	var m converseRequest
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, invalid("The request body is not valid: %v", err)
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	q := &request{Model: model, N: 1, Stop: m.Inference.Stop, cache: m.caching()}
	if m.Inference.MaxTokens != nil {
		q.MaxTokens = *m.Inference.MaxTokens
	}
	if m.Additional.Thinking.on() || m.Additional.Reasoning.on() {
		q.thinking = shown
	}
	if f := m.Output.Format; f.Type == "json_schema" {
		q.ResponseFormat.Type, q.ResponseFormat.JSONSchema.Schema = f.Type, json.RawMessage(f.Structure.JSONSchema.Schema)
		if !json.Valid(q.ResponseFormat.JSONSchema.Schema) {
			return nil, invalid("The schema in outputConfig.textFormat is not valid JSON.")
		}
	}
	m.converse(q)
	if m.Tools != nil {
		for _, t := range m.Tools.Tools {
			if t.Spec != nil {
				q.Tools = append(q.Tools, newTool(t.Spec.Name, t.Spec.Schema.JSON))
			}
		}
		if t := m.Tools.Choice.Tool; t != nil {
			q.ToolChoice = chooseTool(t.Name)
		}
	}
	return q, nil
}

// converse sets the messages. The results of tools come last in their turn, so that
// an answer to them calls no other tool.
func (m *converseRequest) converse(q *request) {
	if system, _ := converseText(m.System); system != "" {
		q.Messages = append(q.Messages, newMessage("system", system, 0))
	}
	for i := range m.Messages {
		var said []converseBlock
		var results []message
		for _, b := range m.Messages[i].Content {
			if b.Result != nil {
				text, images := converseText(b.Result.Content)
				results = append(results, newMessage("tool", text, images))
			} else if b.Cache == nil {
				said = append(said, b)
			}
		}
		if text, images := converseText(said); len(said) > 0 || len(results) == 0 {
			q.Messages = append(q.Messages, newMessage(m.Messages[i].Role, text, images))
		}
		q.Messages = append(q.Messages, results...)
	}
}

// converseText is what the blocks say, and how many images they show.
func converseText(blocks []converseBlock) (text string, images int) {
	for _, b := range blocks {
		if b.Text != nil {
			text += *b.Text
		}
		text += string(b.JSON)
		if b.Image != nil {
			images++
		}
	}
	return text, images
}

// caching is by the cache points of a request; where one of them is for an hour, all are.
func (m *converseRequest) caching() caching {
	blocks := slices.Clone(m.System)
	for i := range m.Messages {
		blocks = append(blocks, m.Messages[i].Content...)
	}
	if m.Tools != nil {
		for _, t := range m.Tools.Tools {
			blocks = append(blocks, converseBlock{Cache: t.Cache})
		}
	}
	found := onlyMarked
	for _, b := range blocks {
		switch {
		case b.Cache != nil && b.Cache.TTL == "1h":
			return oneHour
		case b.Cache != nil:
			found = fiveMinutes
		}
	}
	return found
}

// check refuses what the real API refuses and translators get wrong.
func (m *converseRequest) check() error {
	switch {
	case len(m.Messages) == 0 || m.Messages[0].Role != "user":
		return invalid("A conversation must start with a user message. Try again with a conversation that starts with a user message.")
	case m.Inference.MaxTokens != nil && *m.Inference.MaxTokens < 1:
		return invalid("1 validation error detected: Value '%d' at 'inferenceConfig.maxTokens' failed to satisfy constraint: "+
			"Member must have value greater than or equal to 1", *m.Inference.MaxTokens)
	case m.Inference.Temperature != nil && (*m.Inference.Temperature < 0 || *m.Inference.Temperature > 1):
		return invalid("1 validation error detected: Value '%v' at 'inferenceConfig.temperature' failed to satisfy constraint: "+
			"Member must have value less than or equal to 1", *m.Inference.Temperature)
	}
	if err := m.checkTools(); err != nil {
		return err
	}
	for i := range m.Messages {
		if err := m.checkTurn(i); err != nil {
			return err
		}
	}
	return nil
}

func (m *converseRequest) checkTools() error {
	if m.Tools == nil {
		return nil
	}
	if len(m.Tools.Tools) == 0 {
		return invalid("1 validation error detected: Value at 'toolConfig.tools' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	for i, t := range m.Tools.Tools {
		var schema struct {
			Type string `json:"type"`
		}
		if s := t.Spec; s != nil && (json.Unmarshal(s.Schema.JSON, &schema) != nil || schema.Type != "object") {
			return invalid("The value at toolConfig.tools.%d.toolSpec.inputSchema.json.type must be one of the following: object.", i)
		} else if s != nil && s.Name == "" {
			return invalid("1 validation error detected: Value at 'toolConfig.tools.%d.member.toolSpec.name' failed to satisfy constraint: Member must not be null", i+1)
		}
	}
	return nil
}

func (m *converseRequest) checkTurn(i int) error {
	t := &m.Messages[i]
	where := fmt.Sprintf("messages.%d", i)
	switch {
	case t.Role != "user" && t.Role != "assistant":
		return invalid("1 validation error detected: Value '%s' at 'messages.%d.member.role' failed to satisfy constraint: "+
			"Member must satisfy enum value set: [user, assistant]", t.Role, i+1)
	case len(t.Content) == 0:
		return invalid("The content field in the Message object at %s is empty. Add a ContentBlock object to the content field and try again.", where)
	}
	for j, b := range t.Content {
		switch {
		case b.Text != nil && strings.TrimSpace(*b.Text) == "":
			return invalid("The text field in the ContentBlock object at %s.content.%d is blank. Add text to the text field, and try again.", where, j)
		case (b.ToolUse != nil || b.Result != nil) && m.Tools == nil:
			return invalid("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
		}
	}
	return m.checkCalls(i)
}

// checkCalls demands that each call of a turn has its result in the next one.
func (m *converseRequest) checkCalls(i int) error {
	var calls, results, missing []string
	if i > 0 {
		for _, b := range m.Messages[i-1].Content {
			if b.ToolUse != nil {
				calls = append(calls, b.ToolUse.ID)
			}
		}
	}
	for _, b := range m.Messages[i].Content {
		if b.Result != nil {
			results = append(results, b.Result.ID)
		}
	}
	for _, id := range calls {
		if !slices.Contains(results, id) {
			missing = append(missing, id)
		}
	}
	switch {
	case len(results) > len(calls):
		return invalid("The number of toolResult blocks at messages.%d.content exceeds the number of toolUse blocks of previous turn.", i)
	case len(missing) > 0:
		return invalid("Expected toolResult blocks at messages.%d.content for the following Ids: %s", i, strings.Join(missing, ", "))
	}
	return nil
}
