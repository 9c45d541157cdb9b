package proxy

import (
	"encoding/json"
	"net/url"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/router"
)

const modelPath = "/v1/models/"

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
		return errMethod("GET")
	}
	if err := c.authenticate(); err != nil {
		return err
	}
	known := c.gateway.Table(c.caller).Models(&c.caller.Tenant.Policy)
	path := string(c.http.Path())
	if len(path) > len(modelPath) {
		return c.oneModel(known, path[len(modelPath):])
	}
	list := make([]modelEntry, 0, len(known))
	for _, m := range known {
		list = append(list, entryOf(m))
	}
	return c.json(map[string]any{"object": "list", "data": list})
}

func (c *call) oneModel(known []router.ModelInfo, name string) *llm.Error {
	if plain, err := url.PathUnescape(name); err == nil {
		name = plain
	}
	for _, m := range known {
		if m.ID == name {
			return c.json(entryOf(m))
		}
	}
	return &llm.Error{Status: 404, Code: "model_not_found", Param: "model", Message: "The model '" + name + "' does not exist or is not available."}
}

func entryOf(m router.ModelInfo) modelEntry {
	entry := modelEntry{ID: m.ID, Object: "model", OwnedBy: m.Owner}
	if !m.Created.IsZero() {
		entry.Created = m.Created.Unix()
	}
	return entry
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
