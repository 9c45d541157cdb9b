package provider

import (
	"bytes"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// geminiDeclared is a function that may be called, its members raw; nil: not set.
type geminiDeclared struct{ name, description, schema []byte }

// tool reads one tool, which is a list of functions. Tools that Google runs cannot be expressed.
func (r *geminiAsked) tool(v []byte) {
	r.members(v, func(name string, v []byte) {
		if name != "functionDeclarations" {
			r.refuse()
			return
		}
		r.elements(v, r.declaration)
	})
}

func (r *geminiAsked) declaration(v []byte) {
	var d geminiDeclared
	r.members(v, func(name string, v []byte) {
		switch name {
		case "name":
			r.str(v)
			d.name = v
		case "description":
			r.str(v)
			d.description = v
		case "parameters", "parametersJsonSchema":
			switch {
			case d.schema != nil:
				r.fail("parameters excludes parametersJsonSchema")
			case v[0] != '{':
				r.fail("it must be an object")
			case name == "parameters":
				d.schema = appendGeminiSchema(nil, v)
			default:
				d.schema = v
			}
		case "behavior":
			if string(v) != `"BLOCKING"` && string(v) != `"UNSPECIFIED"` {
				r.refuse()
			}
		default: // the schema of what it returns, and others
			r.refuse()
		}
	})
	if len(inner(d.name)) == 0 {
		r.failIn("name", "it is missing")
	}
	r.declared = append(r.declared, d)
}

// toolConfig reads how functions are called.
func (r *geminiAsked) toolConfig(v []byte) {
	r.members(v, func(name string, v []byte) {
		if name != "functionCallingConfig" {
			r.refuse()
			return
		}
		r.members(v, func(name string, v []byte) {
			switch name {
			case "mode":
				r.callingMode(v)
			case "allowedFunctionNames":
				r.elements(v, func(v []byte) { r.allowed = append(r.allowed, r.str(v)) })
			default: // streamFunctionCallArguments, where it is wanted
				if string(v) != "false" {
					r.refuse()
				}
			}
		})
		if len(r.allowed) > 0 && r.mode != "ANY" && r.mode != "VALIDATED" {
			r.failIn("allowedFunctionNames", "it needs the mode ANY or VALIDATED")
		}
	})
}

// geminiModes are the modes of calling by the numbers of their enum.
var geminiModes = [...]string{"MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"}

func (r *geminiAsked) callingMode(v []byte) {
	mode := strings.ToUpper(string(inner(v)))
	if n := v[0] - '0'; len(v) == 1 && int(n) < len(geminiModes) {
		mode = geminiModes[n]
	}
	switch {
	case !slices.Contains(geminiModes[:], mode):
		r.fail("it must be AUTO, ANY, NONE or VALIDATED")
	case mode != "MODE_UNSPECIFIED":
		r.mode = mode
	}
}

// writeTools writes the functions and the choice between them, which OpenAI refuses
// where there is none. Where only some are allowed, only those are sent: few providers
// know allowed_tools.
func (r *geminiAsked) writeTools() {
	within := func(f func()) {
		r.within(r.choice, func([]byte) { f() })
	}
	for _, name := range r.allowed {
		if !slices.ContainsFunc(r.declared, func(d geminiDeclared) bool { return bytes.Equal(inner(d.name), name) }) {
			within(func() { r.fail("a function that is allowed is not declared") })
		}
	}
	if len(r.declared) == 0 {
		if r.mode == "ANY" {
			within(func() { r.fail("there is no function to call") })
		}
		return
	}
	one := r.mode == "ANY" && len(r.allowed) == 1
	r.out = append(r.out, `,"tools":[`...)
	first := true
	for _, d := range r.declared {
		allowed := func(name []byte) bool { return bytes.Equal(inner(d.name), name) }
		if one || len(r.allowed) == 0 || slices.ContainsFunc(r.allowed, allowed) {
			if !first {
				r.out = append(r.out, ',')
			}
			first = false
			r.out = d.append(r.out, r.mode == "VALIDATED")
		}
	}
	r.out = append(r.out, ']')
	switch {
	case one:
		r.out = append(append(append(r.out, `,"tool_choice":{"type":"function","function":{"name":"`...), r.allowed[0]...), `"}}`...)
	case r.mode == "ANY":
		r.out = append(r.out, `,"tool_choice":"required"`...)
	case r.mode == "NONE":
		r.out = append(r.out, `,"tool_choice":"none"`...)
	case r.mode != "":
		r.out = append(r.out, `,"tool_choice":"auto"`...)
	}
}

// append writes the function. A call that must keep to its schema is strict where
// OpenAI takes the schema as such.
func (d *geminiDeclared) append(dst []byte, validated bool) []byte {
	dst = append(append(dst, `{"type":"function","function":{"name":`...), d.name...)
	dst = appendField(dst, "description", d.description)
	switch {
	case d.schema == nil:
	case validated && strictSchema(d.schema):
		dst = appendClosed(append(dst, `,"strict":true,"parameters":`...), d.schema, nil)
	default:
		dst = appendSchema(append(dst, `,"parameters":`...), d.schema)
	}
	return append(dst, "}}"...)
}

// geminiTypes are the types of Gemini's schemas by the numbers of their enum.
var geminiTypes = [...]string{"", "string", "number", "integer", "boolean", "array", "object", "null"}

// geminiSchema is one of Gemini's schemas while it is read.
type geminiSchema struct {
	kind                 string // of one type, as JSON Schema calls it
	types                []byte // of several, raw
	enum, anyOf          []byte
	properties, ordering []byte
	nullable             bool
}

// appendGeminiSchema writes a Schema of Gemini's, a dialect of OpenAPI 3.0, as JSON
// Schema: https://ai.google.dev/api/caching#Schema. Names that are not Gemini's pass,
// because it takes JSON Schema here, too.
func appendGeminiSchema(dst, v []byte) []byte {
	if v[0] != '{' {
		return append(dst, v...)
	}
	var s geminiSchema
	start := len(dst)
	dst = append(dst, '{')
	jsonscan.Items(v, func(name, v []byte) {
		if geminiNull(v) {
			return
		}
		dst = s.member(dst, name, v)
	})
	dst = s.appendTypes(dst)
	if s.properties != nil {
		dst = s.appendProperties(append(dst, `,"properties":`...))
	}
	if len(dst) > start+1 { // each member has a comma before it
		dst = slices.Delete(dst, start+1, start+2)
	}
	return append(dst, '}')
}

// member writes a member of a schema, or keeps it until all are known.
func (s *geminiSchema) member(dst, name, v []byte) []byte {
	switch field := geminiField(name); field {
	case "type":
		s.readType(v)
	case "nullable":
		s.nullable = string(v) == "true"
	case "enum":
		s.enum = v
	case "anyOf":
		s.anyOf = v
	case "properties":
		s.properties = v
	case "propertyOrdering":
		s.ordering = v
	case "format":
		if string(v) != `"enum"` { // which says that there is an enum
			dst = appendMember(dst, field, v)
		}
	case "items", "additionalProperties":
		dst = appendGeminiSchema(append(append(append(dst, `,"`...), field...), `":`...), v)
	case "defs", "$defs":
		dst = appendGeminiSchemas(append(dst, `,"$defs":`...), v)
	case "ref":
		dst = appendMember(dst, "$ref", v)
	case "example":
		dst = append(append(append(dst, `,"examples":[`...), v...), ']')
	case "minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties":
		if n := inner(v); n != nil { // an int64 may come as a string
			if v = n; !gjson.ValidBytes(n) {
				return dst
			}
		}
		dst = appendMember(dst, field, v)
	default:
		dst = appendMember(dst, string(name), v)
	}
	return dst
}

func (s *geminiSchema) readType(v []byte) {
	if isArray(v) {
		s.types = v
		return
	}
	s.kind = strings.ToLower(string(inner(v)))
	if n := v[0] - '0'; len(v) == 1 && int(n) < len(geminiTypes) {
		s.kind = geminiTypes[n]
	}
	if s.kind == "type_unspecified" {
		s.kind = ""
	}
}

// appendTypes writes what a value may be. JSON Schema says among the types what is nullable.
func (s *geminiSchema) appendTypes(dst []byte) []byte {
	switch {
	case s.types != nil:
		dst = appendMember(dst, "type", s.types)
	case s.kind != "" && s.nullable:
		dst = append(append(append(dst, `,"type":["`...), s.kind...), `","null"]`...)
	case s.kind != "":
		dst = append(append(append(dst, `,"type":"`...), s.kind...), '"')
	}
	null := func(dst, list []byte, null string) []byte {
		if s.nullable && isArray(list) && !isEmpty(list) {
			dst = append(append(comma(bytes.TrimSuffix(dst, []byte("]"))), null...), ']')
		}
		return dst
	}
	if s.enum != nil {
		dst = null(appendMember(dst, "enum", s.enum), s.enum, "null")
	}
	if s.anyOf != nil {
		dst = null(appendGeminiSchemas(append(dst, `,"anyOf":`...), s.anyOf), s.anyOf, `{"type":"null"}`)
	}
	return dst
}

// appendProperties writes the properties, those first that the ordering names, because
// a model writes them in the order of their schema.
func (s *geminiSchema) appendProperties(dst []byte) []byte {
	if s.ordering == nil || s.properties[0] != '{' {
		return appendGeminiSchemas(dst, s.properties)
	}
	ordered := []byte{'{'}
	var named []string
	put := func(name, v []byte) {
		if len(ordered) > 1 {
			ordered = append(ordered, ',')
		}
		ordered = append(append(append(append(ordered, '"'), name...), `":`...), v...)
	}
	jsonscan.Items(s.ordering, func(_, name []byte) {
		if v := member(s.properties, string(inner(name))); v != nil && !slices.Contains(named, string(inner(name))) {
			named = append(named, string(inner(name)))
			put(inner(name), v)
		}
	})
	jsonscan.Items(s.properties, func(name, v []byte) {
		if !slices.Contains(named, string(name)) {
			put(name, v)
		}
	})
	return appendGeminiSchemas(dst, append(ordered, '}'))
}

// appendGeminiSchemas writes a list of schemas, or an object of them.
func appendGeminiSchemas(dst, v []byte) []byte {
	if v[0] != '[' && v[0] != '{' {
		return append(dst, v...)
	}
	dst = append(dst, v[0])
	first := true
	jsonscan.Items(v, func(name, schema []byte) {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		if v[0] == '{' {
			dst = append(append(append(dst, '"'), name...), `":`...)
		}
		dst = appendGeminiSchema(dst, schema)
	})
	return append(dst, v[len(v)-1])
}

// strictKeywords are the keywords of a schema that OpenAI takes as strict:
// https://platform.openai.com/docs/guides/structured-outputs#supported-schemas.
var strictKeywords = []string{
	"$defs", "$ref", "additionalProperties", "anyOf", "const", "description", "enum", "exclusiveMaximum", "exclusiveMinimum", "format", "items",
	"maxItems", "maximum", "minItems", "minimum", "multipleOf", "pattern", "properties", "required", "title", "type",
}

// strictFormats are the formats that it takes.
var strictFormats = []string{"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid"}

// strictSchema reports whether OpenAI takes a JSON Schema as strict once its objects
// are closed: they demand all of their properties.
func strictSchema(schema []byte) bool {
	return string(member(schema, "type")) == `"object"` && member(schema, "anyOf") == nil && strictPart(schema)
}

func strictPart(schema []byte) bool {
	if schema[0] != '{' {
		return false
	}
	strict, object := true, false
	properties, required := 0, map[string]bool{}
	each := func(v []byte) {
		jsonscan.Items(v, func(_, part []byte) { strict = strict && strictPart(part) })
	}
	jsonscan.Items(schema, func(name, v []byte) {
		switch string(name) {
		case "type":
			object = bytes.Contains(v, []byte(`"object"`))
		case "properties":
			jsonscan.Items(v, func(_, _ []byte) { properties++ })
			each(v)
		case "required":
			jsonscan.Items(v, func(_, name []byte) { required[string(inner(name))] = true })
		case "items":
			strict = strict && strictPart(v)
		case "anyOf", "$defs":
			each(v)
		case "additionalProperties":
			strict = strict && string(v) == "false"
		case "format":
			strict = strict && slices.Contains(strictFormats, string(inner(v)))
		}
		strict = strict && slices.Contains(strictKeywords, string(name))
	})
	return strict && (!object || member(schema, "properties") != nil) && properties == len(required)
}
