package fakellm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// generateRequest is a request of the Gemini API: https://ai.google.dev/api/generate-content
type generateRequest struct {
	Contents          list[geminiContent] `json:"contents"`
	SystemInstruction geminiContent       `json:"systemInstruction"`
	Tools             list[struct {
		Functions list[geminiFunction] `json:"functionDeclarations"`
	}] `json:"tools"`
	ToolConfig struct {
		Calling struct {
			Mode    string       `json:"mode"`
			Allowed list[string] `json:"allowedFunctionNames"`
		} `json:"functionCallingConfig"`
	} `json:"toolConfig"`
	Config struct {
		Candidates int             `json:"candidateCount"`
		MaxTokens  int             `json:"maxOutputTokens"`
		Stop       list[string]    `json:"stopSequences"`
		MimeType   string          `json:"responseMimeType"`
		Schema     json.RawMessage `json:"responseSchema"`
		JSONSchema json.RawMessage `json:"responseJsonSchema"`
		Thinking   *struct {
			Include bool `json:"includeThoughts"`
			Budget  *int `json:"thinkingBudget"`
		} `json:"thinkingConfig"`
	} `json:"generationConfig"`
	Counted *generateRequest `json:"generateContentRequest"` // of countTokens
}

type geminiFunction struct {
	Name       string          `json:"name"`
	Schema     json.RawMessage `json:"parameters"`
	JSONSchema json.RawMessage `json:"parametersJsonSchema"`
}

type geminiContent struct {
	Role  string     `json:"role"`
	Parts list[part] `json:"parts"`
}

type part struct {
	Text     string          `json:"text"`
	Inline   json.RawMessage `json:"inlineData"`
	File     json.RawMessage `json:"fileData"`
	Call     json.RawMessage `json:"functionCall"`
	Response json.RawMessage `json:"functionResponse"`
}

// list is a repeated field, of which the API takes one value without its brackets too.
type list[T any] []T

func (l *list[T]) UnmarshalJSON(b []byte) error {
	if b[0] != '[' && string(b) != "null" {
		b = slices.Concat([]byte("["), b, []byte("]"))
	}
	return json.Unmarshal(b, (*[]T)(l))
}

func (d gemini) parse(r *http.Request, body []byte) (*request, error) {
	if r.Method != http.MethodPost || !slices.Contains([]string{"generateContent", "streamGenerateContent", "countTokens"}, d.method) {
		return nil, unknownPath(r)
	}
	if err := d.authorize(r); err != nil {
		return nil, err
	}
	q, err := parseGenerate(body, d.model)
	if err == nil && d.method == "countTokens" {
		q.N = 0
	}
	if err == nil {
		q.Stream = d.method == "streamGenerateContent"
	}
	return q, err
}

// authorize refuses what has no credential: a key, or at Vertex AI an access token.
func (d gemini) authorize(r *http.Request) error {
	if d.vertex {
		return bearer(r)
	}
	if credential(r) == "" {
		return &refusal{status: http.StatusForbidden, message: "Method doesn't allow unregistered callers (callers without established identity). " +
			"Please use API Key or other form of API consumer identity to call this API."}
	}
	return nil
}

func parseGenerate(body []byte, model string) (*request, error) {
	var g generateRequest
	if err := json.Unmarshal(camelKeys(body), &g); err != nil {
		return nil, invalid("Invalid JSON payload received. %v", err)
	}
	if g.Counted != nil {
		g = *g.Counted
	}
	q := &request{Model: model, N: max(1, g.Config.Candidates), MaxTokens: g.Config.MaxTokens, Stop: texts(g.Config.Stop)}
	if q.N > maxChoices {
		return nil, invalid("candidateCount must be between 1 and %d", maxChoices)
	}
	if err := g.converse(q); err != nil {
		return nil, err
	}
	if err := g.offer(q); err != nil {
		return nil, err
	}
	if t := g.Config.Thinking; t != nil && (t.Budget == nil || *t.Budget != 0) {
		q.thinking = unshown
		if t.Include {
			q.thinking = shown
		}
	}
	return q, g.format(q)
}

// converse sets the messages. The results of functions come last in their turn,
// so that an answer to them calls no other function.
func (g *generateRequest) converse(q *request) error {
	if system, _, _ := g.SystemInstruction.text(); system != "" {
		q.Messages = append(q.Messages, newMessage("system", system, 0))
	}
	if len(g.Contents) == 0 {
		return invalid("* GenerateContentRequest.contents: contents is not specified")
	}
	for i := range g.Contents {
		c := &g.Contents[i]
		role, ok := map[string]string{"": "user", "user": "user", "model": "assistant", "function": "user"}[c.Role]
		if !ok {
			return invalid("Please use a valid role: user, model.")
		}
		if len(c.Parts) == 0 {
			return invalid("* GenerateContentRequest.contents[%d].parts: contents.parts must not be empty.", i)
		}
		text, images, results := c.text()
		if len(results) < len(c.Parts) {
			q.Messages = append(q.Messages, newMessage(role, text, images))
		}
		for _, result := range results {
			q.Messages = append(q.Messages, newMessage("tool", result, 0))
		}
	}
	return nil
}

// text is what the content says, how many images it shows, and what functions returned.
func (c *geminiContent) text() (text string, images int, results []string) {
	for _, p := range c.Parts {
		text += p.Text
		if p.Inline != nil || p.File != nil {
			images++
		}
		if p.Response != nil {
			results = append(results, string(p.Response))
		}
	}
	return text, images, results
}

// offer sets the functions and the choice among them.
func (g *generateRequest) offer(q *request) error {
	allowed := g.ToolConfig.Calling.Allowed
	for i := range g.Tools {
		for j, f := range g.Tools[i].Functions {
			where := fmt.Sprintf("tools[%d].function_declarations[%d].parameters", i, j)
			if err := checkSchema(f.Schema, where); err != nil {
				return err
			}
			if f.Schema == nil {
				f.Schema = f.JSONSchema
			}
			if len(allowed) == 0 || slices.Contains(allowed, f.Name) {
				q.Tools = append(q.Tools, newTool(f.Name, f.Schema))
			}
		}
	}
	switch {
	case g.ToolConfig.Calling.Mode == "NONE":
		q.ToolChoice = json.RawMessage(`"none"`)
	case g.ToolConfig.Calling.Mode == "ANY" && len(allowed) == 1:
		q.ToolChoice = chooseTool(allowed[0])
	}
	return nil
}

// format sets what the answer is to be.
func (g *generateRequest) format(q *request) error {
	if g.Config.MimeType != "application/json" {
		return nil
	}
	q.ResponseFormat.Type = "json_object"
	if g.Config.Schema == nil {
		g.Config.Schema = g.Config.JSONSchema
	} else if err := checkSchema(g.Config.Schema, "generation_config.response_schema"); err != nil {
		return err
	}
	if g.Config.Schema != nil {
		q.ResponseFormat.Type, q.ResponseFormat.JSONSchema.Schema = "json_schema", g.Config.Schema
	}
	return nil
}

// checkSchema refuses the parts of JSON Schema that the API's own Schema does not have.
func checkSchema(raw json.RawMessage, where string) error {
	var schema map[string]json.RawMessage
	_ = json.Unmarshal(raw, &schema)
	if len(schema) == 0 {
		return nil
	}
	for _, name := range []string{"$schema", "$ref", "$defs", "const", "additionalProperties", "oneOf", "allOf"} {
		if _, found := schema[name]; found {
			return invalid("Invalid JSON payload received. Unknown name %q at '%s': Cannot find field.", name, where)
		}
	}
	if t := schema["type"]; len(t) > 0 && t[0] == '[' {
		return invalid("Invalid JSON payload received. Unknown name \"type\" at '%s': Proto field is not repeating, cannot start list.", where)
	}
	var properties map[string]json.RawMessage
	_ = json.Unmarshal(schema["properties"], &properties)
	for name, property := range properties {
		if err := checkSchema(property, where+".properties["+name+"]"); err != nil {
			return err
		}
	}
	return checkSchema(schema["items"], where+".items")
}

// free are fields whose own fields are the client's words.
var free = []string{"parameters", "parametersJsonSchema", "args", "response", "responseSchema", "responseJsonSchema"}

// camelKeys writes the names of fields in camel case, as which the API takes
// snake case too. What is no JSON comes back as it is.
func camelKeys(raw json.RawMessage) json.RawMessage {
	var object map[string]json.RawMessage
	var array []json.RawMessage
	switch {
	case !bytes.ContainsRune(raw, '_'):
	case json.Unmarshal(raw, &object) == nil && object != nil:
		camel := make(map[string]json.RawMessage, len(object))
		for name, value := range object {
			if name = camelCase(name); !slices.Contains(free, name) {
				value = camelKeys(value)
			}
			camel[name] = value
		}
		return encode(camel)
	case json.Unmarshal(raw, &array) == nil && array != nil:
		for i := range array {
			array[i] = camelKeys(array[i])
		}
		return encode(array)
	}
	return raw
}

func camelCase(name string) string {
	words := strings.Split(name, "_")
	for i, word := range words[1:] {
		if word != "" {
			words[i+1] = strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return strings.Join(words, "")
}
