package provider

import (
	"strconv"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// appendTools writes the functions as tools: https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview.
func (r *chatRequest) appendTools(dst []byte) ([]byte, error) {
	if v := r.fields["tools"]; v != nil && v[0] != '[' {
		return dst, unexpressed("tools", "it must be an array")
	}
	if !r.hasTools() {
		return dst, nil
	}
	var err error
	list, n := []byte(nil), 0
	jsonscan.Items(r.fields["tools"], func(_, tool []byte) {
		if err == nil {
			list, err = appendTool(comma(list), tool, n)
		}
		n++
	})
	return append(append(append(dst, `,"tools":[`...), list...), ']'), err
}

func (r *chatRequest) hasTools() bool {
	v, some := r.fields["tools"], false
	if v != nil && v[0] == '[' {
		jsonscan.Items(v, func(_, _ []byte) { some = true })
	}
	return some
}

func appendTool(dst, tool []byte, n int) ([]byte, error) {
	function := member(tool, "function")
	name := member(function, "name")
	if kind := member(tool, "type"); string(kind) != `"function"` || function == nil {
		return dst, unexpressed("tools["+strconv.Itoa(n)+"]", "only functions can be expressed")
	}
	if !isString(name) {
		return dst, unexpressed("tools["+strconv.Itoa(n)+"].function.name", "it must be a string")
	}
	dst = append(append(dst, `{"name":`...), name...)
	schema, other := []byte(nil), ""
	jsonscan.Items(function, func(name, value []byte) {
		switch string(name) {
		case "name":
		case "parameters":
			schema = value
		case "description", "strict", "cache_control":
			if string(value) != "null" {
				dst = appendMember(dst, string(name), value)
			}
		default:
			other = "function." + string(name)
		}
	})
	jsonscan.Items(tool, func(name, value []byte) {
		switch string(name) {
		case "type", "function":
		case "cache_control":
			if string(value) != "null" && member(function, "cache_control") == nil {
				dst = appendMember(dst, "cache_control", value)
			}
		default:
			other = string(name)
		}
	})
	if other != "" {
		return dst, unexpressed("tools["+strconv.Itoa(n)+"]."+other, "")
	}
	dst, ok := appendInputSchema(append(dst, `,"input_schema":`...), schema)
	if !ok {
		return dst, unexpressed("tools["+strconv.Itoa(n)+"].function.parameters", "it must be the schema of an object")
	}
	return append(dst, '}'), nil
}

// appendInputSchema writes the parameters of a function, whose schema must name its type.
func appendInputSchema(dst, schema []byte) ([]byte, bool) {
	switch {
	case schema == nil, string(schema) == "null":
		return append(dst, `{"type":"object","properties":{}}`...), true
	case schema[0] != '{':
		return dst, false
	case member(schema, "type") != nil:
		return append(dst, schema...), true
	}
	dst = append(dst, `{"type":"object"`...)
	jsonscan.Items(schema, func(name, value []byte) {
		if string(name) != "type" {
			dst = appendMember(dst, string(name), value)
		}
	})
	return append(dst, '}'), true
}

// appendToolChoice writes the choice and, turned round, parallel_tool_calls. Neither
// has a meaning without tools, where Anthropic refuses them.
func (r *chatRequest) appendToolChoice(dst []byte) ([]byte, error) {
	choice, parallel := r.fields["tool_choice"], r.fields["parallel_tool_calls"]
	if parallel != nil && string(parallel) != "true" && string(parallel) != "false" {
		return dst, unexpressed("parallel_tool_calls", "it must be true or false")
	}
	one, forced, kind := string(parallel) == "false", false, []byte(`"auto"`)
	var name []byte
	switch {
	case string(choice) == `"none"`:
		kind, one = choice, false
	case string(choice) == `"required"`:
		kind, forced = []byte(`"any"`), true
	case choice != nil && string(member(choice, "type")) == `"function"`:
		if name = member(member(choice, "function"), "name"); !isString(name) {
			return dst, unexpressed("tool_choice.function.name", "it must be a string")
		}
		kind, forced = []byte(`"tool"`), true
	case choice != nil && string(choice) != `"auto"`:
		return dst, unexpressed("tool_choice", "Anthropic takes auto, none, required or a function")
	}
	switch {
	case forced && !r.hasTools():
		return dst, unexpressed("tool_choice", "there are no tools to choose from")
	case forced && r.thinks.on:
		return dst, unexpressed("tool_choice", "Anthropic takes no forced choice while the model thinks")
	case !r.hasTools(), choice == nil && !one:
		return dst, nil
	}
	dst = append(append(dst, `,"tool_choice":{"type":`...), kind...)
	if name != nil {
		dst = appendMember(dst, "name", name)
	}
	if one {
		dst = append(dst, `,"disable_parallel_tool_use":true`...)
	}
	return append(dst, '}'), nil
}
