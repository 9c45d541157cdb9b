package fakellm

import (
	"encoding/json"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// Bounds on a generated value, whatever the schema asks for.
const (
	maxDepth  = 12 // beyond it only scalars
	fullDepth = 4  // beyond it optional properties are left out
	maxNodes  = 2000
	maxItems  = 20
	maxLength = 200
)

var words = []string{"alpha", "bravo", "delta", "harbour", "lantern", "meadow", "north", "quartz", "river", "willow"}

// sampler makes up values that follow a JSON schema.
type sampler struct {
	rand  *rand.Rand
	root  map[string]any
	nodes int
}

// sample returns JSON that follows a schema: types, enums, bounds and required
// properties. Without a usable schema it is an object with one text.
func sample(r *rand.Rand, schema json.RawMessage) string {
	root := map[string]any{}
	if json.Unmarshal(schema, &root) != nil || len(root) == 0 {
		root = map[string]any{"type": "object", "properties": map[string]any{"answer": map[string]any{"type": "string"}}}
	}
	s := &sampler{rand: r, root: root}
	out, err := json.Marshal(s.value(root, 0))
	if err != nil {
		return "{}"
	}
	return string(out)
}

func (s *sampler) value(schema map[string]any, depth int) any {
	s.nodes++
	schema = s.resolve(schema)
	if v, ok := schema["const"]; ok {
		return v
	}
	if enum, _ := schema["enum"].([]any); len(enum) > 0 {
		return enum[s.rand.IntN(len(enum))]
	}
	switch typeOf(schema) {
	case "object":
		return s.object(schema, depth)
	case "array":
		return s.array(schema, depth)
	case "integer":
		return int64(math.Ceil(s.number(schema)))
	case "number":
		return s.number(schema)
	case "boolean":
		return s.rand.IntN(2) == 0
	case "null":
		return nil
	}
	return s.text(schema)
}

// resolve follows references and takes the first of several alternatives.
func (s *sampler) resolve(schema map[string]any) map[string]any {
	for range maxDepth {
		if ref, ok := schema["$ref"].(string); ok {
			schema = s.lookup(ref)
			continue
		}
		next := firstOf(schema, "anyOf", "oneOf", "allOf")
		if next == nil {
			break
		}
		schema = next
	}
	return schema
}

func firstOf(schema map[string]any, names ...string) map[string]any {
	for _, name := range names {
		if list, _ := schema[name].([]any); len(list) > 0 {
			first, _ := list[0].(map[string]any)
			return first
		}
	}
	return nil
}

func (s *sampler) lookup(ref string) map[string]any {
	node := s.root
	for _, step := range strings.Split(strings.TrimPrefix(ref, "#"), "/") {
		if step == "" {
			continue
		}
		node, _ = node[step].(map[string]any)
	}
	return node
}

// typeOf is the type that a schema names or implies; Gemini writes it in capitals.
func typeOf(schema map[string]any) string {
	switch t := schema["type"].(type) {
	case string:
		return strings.ToLower(t)
	case []any:
		if len(t) > 0 {
			name, _ := t[0].(string)
			return name
		}
	}
	if _, ok := schema["properties"]; ok {
		return "object"
	}
	if _, ok := schema["items"]; ok {
		return "array"
	}
	return "string"
}

func (s *sampler) object(schema map[string]any, depth int) any {
	out := map[string]any{}
	properties, _ := schema["properties"].(map[string]any)
	required, _ := schema["required"].([]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if depth >= fullDepth && !slices.Contains(required, any(name)) || depth >= maxDepth || s.nodes >= maxNodes {
			continue
		}
		property, _ := properties[name].(map[string]any)
		out[name] = s.value(property, depth+1)
	}
	return out
}

func (s *sampler) array(schema map[string]any, depth int) any {
	out := []any{}
	least, ok := schema["minItems"].(float64)
	if !ok {
		least = 1
	}
	items, _ := schema["items"].(map[string]any)
	for range int(min(max(least, 0), maxItems)) {
		if depth >= maxDepth || s.nodes >= maxNodes {
			break
		}
		out = append(out, s.value(items, depth+1))
	}
	return out
}

func (s *sampler) number(schema map[string]any) float64 {
	bound := func(name string, or float64) float64 {
		if v, ok := schema[name].(float64); ok {
			return v
		}
		return or
	}
	low := bound("minimum", bound("exclusiveMinimum", -1)+1)
	high := bound("maximum", bound("exclusiveMaximum", low+101)-1)
	if high <= low {
		return low
	}
	return max(low, math.Floor(low+s.rand.Float64()*min(high-low, 1e6)))
}

func (s *sampler) text(schema map[string]any) string {
	switch schema["format"] {
	case "date":
		return "2026-01-15"
	case "date-time":
		return "2026-01-15T12:00:00Z"
	case "email":
		return "someone@example.com"
	case "uri", "url":
		return "https://example.com/"
	case "uuid":
		return "00000000-0000-4000-8000-000000000000"
	}
	text := words[s.rand.IntN(len(words))]
	if least, ok := schema["minLength"].(float64); ok {
		for len(text) < int(min(least, maxLength)) {
			text += " " + words[s.rand.IntN(len(words))]
		}
	}
	if most, ok := schema["maxLength"].(float64); ok {
		text = text[:max(0, min(len(text), int(most)))]
	}
	return text
}
