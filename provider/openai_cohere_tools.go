package provider

import (
	"strconv"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// appendToolChoice writes the choice: https://docs.cohere.com/docs/tool-use-usage-patterns.
// Cohere can be made to call some function, not a certain one: that one is all that
// remains of the tools then.
func (r *cohereRequest) appendToolChoice(dst []byte) ([]byte, error) {
	choice, some := r.fields["tool_choice"], items(r.fields["tools"]) > 0
	switch parallel := string(r.fields["parallel_tool_calls"]); {
	case parallel != "" && parallel != "true" && parallel != "false":
		return dst, notCohere("parallel_tool_calls", "it must be true or false")
	case parallel == "false" && some && string(choice) != `"none"`:
		return dst, notCohere("parallel_tool_calls", "Cohere cannot be kept from calling several tools")
	}
	switch {
	case choice == nil, string(choice) == `"auto"`:
		return dst, nil
	case string(choice) == `"none"`:
		if some {
			dst = append(dst, `,"tool_choice":"NONE"`...)
		}
		return dst, nil
	case string(choice) == `"required"`:
	case string(member(choice, "type")) == `"function"`:
		name := member(member(choice, "function"), "name")
		if r.only = string(name); !isString(name) || !r.hasFunction(r.only) {
			return dst, notCohere("tool_choice.function.name", "it must name one of the tools")
		}
	default:
		return dst, notCohere("tool_choice", "Cohere takes auto, none, required or a function")
	}
	if !some {
		return dst, notCohere("tool_choice", "there are no tools to choose from")
	}
	return append(dst, `,"tool_choice":"REQUIRED"`...), nil
}

// hasFunction reports whether a tool has that name, which is raw JSON.
func (r *cohereRequest) hasFunction(name string) (found bool) {
	jsonscan.Items(r.fields["tools"], func(_, tool []byte) {
		found = found || string(member(member(tool, "function"), "name")) == name
	})
	return found
}

// appendTools writes the functions. Cohere keeps strictly to the schemas of all or of none.
func (r *cohereRequest) appendTools(dst []byte) ([]byte, error) {
	v := r.fields["tools"]
	switch {
	case v == nil:
		return dst, nil
	case v[0] != '[':
		return dst, notCohere("tools", "it must be an array")
	}
	var err error
	list, n, strict, loose := []byte(nil), 0, 0, -1
	jsonscan.Items(v, func(_, tool []byte) {
		at := "tools[" + strconv.Itoa(n) + "]"
		function := member(tool, "function")
		if err == nil && (r.only == "" || string(member(function, "name")) == r.only) {
			if list, err = appendCohereTool(comma(list), tool, function, at); string(member(function, "strict")) == "true" {
				strict++
			} else {
				loose = n
			}
		}
		n++
	})
	switch {
	case err != nil:
		return dst, err
	case strict > 0 && loose >= 0:
		return dst, notCohere("tools["+strconv.Itoa(loose)+"].function.strict", "Cohere is strict with all tools or with none")
	case strict > 0:
		dst = append(dst, `,"strict_tools":true`...)
	}
	return appendList(dst, "tools", list), nil
}

// appendCohereTool writes the tool that is found at a path of the request.
func appendCohereTool(dst, tool, function []byte, at string) ([]byte, error) {
	name := member(function, "name")
	switch {
	case string(member(tool, "type")) != `"function"` || function == nil:
		return dst, notCohere(at, "only functions can be expressed")
	case !isString(name):
		return dst, notCohere(at+".function.name", "it must be a string")
	}
	dst = append(append(dst, `{"type":"function","function":{"name":`...), name...)
	schema, other := []byte(nil), ""
	jsonscan.Items(function, func(name, value []byte) {
		switch string(name) {
		case "name", "strict", "cache_control":
		case "parameters":
			schema = value
		case "description":
			if string(value) != "null" {
				dst = appendMember(dst, "description", value)
			}
		default:
			other = "function." + string(name)
		}
	})
	jsonscan.Items(tool, func(name, _ []byte) {
		if n := string(name); n != "type" && n != "function" && n != "cache_control" {
			other = n
		}
	})
	if other != "" {
		return dst, notCohere(at+"."+other, "")
	}
	dst, ok := appendInputSchema(append(dst, `,"parameters":`...), schema)
	if !ok {
		return dst, notCohere(at+".function.parameters", "it must be the schema of an object")
	}
	return append(dst, "}}"...), nil
}
