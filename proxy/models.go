package proxy

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/router"
)

// modelEntry is OpenAI's model object: https://platform.openai.com/docs/api-reference/models/object
type modelEntry struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"` // Unix seconds
	OwnedBy string `json:"owned_by"`
}

// models lists the models that the caller may name, or shows one of them.
func (c *call) models() *llm.Error {
	if !c.http.IsGet() && !c.http.IsHead() {
		if c.dialect == llm.DialectGemini && strings.ContainsRune(c.model, ':') {
			return &llm.Error{Status: 404, Message: "A model is not asked to do this here: '" + printed(c.model) + "'."}
		}
		return errMethod("GET")
	}
	if err := c.authenticate(); err != nil {
		return err
	}
	known := c.gateway.Table(c.caller).Models(&c.caller.Tenant.Policy)
	if len(c.http.Request.Header.Peek("Anthropic-Version")) > 0 {
		c.dialect = llm.DialectAnthropic
	}
	entry := entryOf
	switch c.dialect {
	case llm.DialectAnthropic:
		entry = anthropicEntryOf
	case llm.DialectGemini:
		entry = geminiEntryOf
	}
	if c.model != "" {
		return c.oneModel(known, entry)
	}
	list := make([]any, len(known))
	for i, m := range known {
		list[i] = entry(m)
	}
	switch c.dialect {
	case llm.DialectAnthropic:
		return c.json(anthropicModels(known, list))
	case llm.DialectGemini:
		return c.json(map[string]any{"models": list})
	}
	return c.json(map[string]any{"object": "list", "data": list})
}

func (c *call) oneModel(known []router.ModelInfo, entry func(router.ModelInfo) any) *llm.Error {
	name := c.model
	if plain, err := url.PathUnescape(name); err == nil {
		name = plain
	}
	for _, m := range known {
		if m.ID == name {
			return c.json(entry(m))
		}
	}
	return &llm.Error{Status: 404, Code: "model_not_found", Param: "model", Message: "The model '" + name + "' does not exist or is not available."}
}

func entryOf(m router.ModelInfo) any {
	entry := modelEntry{ID: m.ID, Object: "model", OwnedBy: m.Owner}
	if !m.Created.IsZero() {
		entry.Created = m.Created.Unix()
	}
	return entry
}

// anthropicEntry is Anthropic's model object: https://platform.claude.com/docs/en/api/models-list
type anthropicEntry struct {
	Type        string    `json:"type"`
	ID          string    `json:"id"`
	DisplayName string    `json:"display_name"`
	CreatedAt   time.Time `json:"created_at"` // the epoch where it is unknown
}

// anthropicModels is the one page that has all models.
func anthropicModels(known []router.ModelInfo, list []any) any {
	page := struct {
		Data    []any   `json:"data"`
		HasMore bool    `json:"has_more"`
		FirstID *string `json:"first_id"`
		LastID  *string `json:"last_id"`
	}{Data: list}
	if n := len(known); n > 0 {
		page.FirstID, page.LastID = &known[0].ID, &known[n-1].ID
	}
	return page
}

// geminiEntry is Gemini's model object, as far as it is known: https://ai.google.dev/api/models
type geminiEntry struct {
	Name        string   `json:"name"`
	DisplayName string   `json:"displayName"`
	Version     string   `json:"version"`
	Methods     []string `json:"supportedGenerationMethods"`
}

func geminiEntryOf(m router.ModelInfo) any {
	return geminiEntry{Name: "models/" + m.ID, DisplayName: m.ID, Version: m.ID, Methods: []string{"generateContent", "streamGenerateContent", "countTokens"}}
}

func anthropicEntryOf(m router.ModelInfo) any {
	created := m.Created
	if created.IsZero() {
		created = time.Unix(0, 0)
	}
	return anthropicEntry{Type: "model", ID: m.ID, DisplayName: m.ID, CreatedAt: created.UTC()}
}

// json answers with v.
func (c *call) json(v any) *llm.Error {
	b, err := json.Marshal(v)
	if err != nil {
		return &llm.Error{Status: 500, Message: "The answer could not be written.", Cause: err}
	}
	c.facts(false)
	c.http.SetContentType("application/json")
	c.http.SetBody(b)
	return nil
}
