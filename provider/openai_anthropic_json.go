package provider

import (
	"bytes"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// The values that these functions read have been validated.

// member returns the last member of that name of an object, as it lies, or nil
// where there is none or it is null.
func member(object []byte, name string) (value []byte) {
	if len(object) == 0 || object[0] != '{' {
		return nil
	}
	jsonscan.Items(object, func(n, v []byte) {
		if string(n) == name {
			value = v
		}
	})
	if string(value) == "null" {
		return nil
	}
	return value
}

// unquoted returns the text of a JSON string, without a copy where it has no escapes;
// ok is false for any other value.
func unquoted(value []byte) (text []byte, ok bool) {
	inner, ok := inside(value)
	if !ok || bytes.IndexByte(inner, '\\') < 0 {
		return inner, ok
	}
	return []byte(gjson.ParseBytes(value).Str), true
}

// inside returns what stands between the quotes of a JSON string, escapes included.
func inside(value []byte) (raw []byte, ok bool) {
	if len(value) < 2 || value[0] != '"' {
		return nil, false
	}
	return value[1 : len(value)-1], true
}

// blankText reports whether a text has nothing but white space.
func blankText(text []byte) bool { return len(bytes.TrimSpace(text)) == 0 }

// appendString writes a text as a JSON string.
func appendString(dst []byte, text string) []byte { return gjson.AppendJSONString(dst, text) }

// appendMember writes a further member of an object; value is JSON.
func appendMember(dst []byte, name string, value []byte) []byte {
	return append(append(append(append(dst, `,"`...), name...), `":`...), value...)
}

// comma writes the comma before a further item, where there are some.
func comma(items []byte) []byte {
	if len(items) == 0 {
		return items
	}
	return append(items, ',')
}

// appendClosed writes a JSON schema with additionalProperties false in every object
// that does not say it, and a description where it is not nil.
func appendClosed(dst, schema, description []byte) []byte {
	if len(schema) == 0 || schema[0] != '{' {
		return append(dst, schema...)
	}
	dst = append(dst, '{')
	start, object, says := len(dst), false, false
	key := func(name string) {
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), name...), `":`...)
	}
	if description != nil {
		key("description")
		dst = append(dst, description...)
	}
	jsonscan.Items(schema, func(name, value []byte) {
		key(string(name))
		switch string(name) {
		case "properties":
			object = true
			dst = appendClosedEach(dst, value, true)
		case "$defs", "definitions":
			dst = appendClosedEach(dst, value, true)
		case "items", "anyOf", "allOf", "oneOf":
			dst = appendClosedEach(dst, value, false)
		default:
			object = object || string(name) == "type" && string(value) == `"object"`
			says = says || string(name) == "additionalProperties"
			dst = append(dst, value...)
		}
	})
	if object && !says {
		key("additionalProperties")
		dst = append(dst, "false"...)
	}
	return append(dst, '}')
}

// appendClosedEach writes a schema, a list of them or, named, an object of them.
func appendClosedEach(dst, v []byte, named bool) []byte {
	if v[0] != '[' && (v[0] != '{' || !named) {
		return appendClosed(dst, v, nil)
	}
	dst = append(dst, v[0])
	start := len(dst)
	jsonscan.Items(v, func(name, schema []byte) {
		if len(dst) > start {
			dst = append(dst, ',')
		}
		if v[0] == '{' {
			dst = append(append(append(dst, '"'), name...), `":`...)
		}
		dst = appendClosed(dst, schema, nil)
	})
	return append(dst, v[len(v)-1])
}
