package provider

import "github.com/generic-corp/halfpenny/internal/jsonscan"

// tools writes the tools, flat as the Responses API has them, and the search of the
// web: https://platform.openai.com/docs/guides/function-calling and
// https://platform.openai.com/docs/guides/tools-web-search.
func (r *responsesQuery) tools() {
	var list []byte
	if v := r.fields["tools"]; v != nil {
		r.elements("tools", v, func(tool []byte) { list = r.tool(comma(list), tool) })
	}
	if v := r.fields["web_search_options"]; v != nil {
		list = r.webSearch(comma(list), v)
	}
	if len(list) > 0 {
		r.out = append(append(append(r.out, `,"tools":[`...), list...), ']')
	}
}

func (r *responsesQuery) tool(dst, tool []byte) []byte {
	var function, custom []byte
	kind := string(member(tool, "type"))
	r.members(tool, func(name string, value []byte) bool {
		switch {
		case name == "function" && kind == `"function"`:
			function = value
		case name == "custom" && kind == `"custom"`:
			custom = value
		case name == "cache_control": // OpenAI caches prompts by itself
		case name != "type":
			return false
		case kind != `"function"` && kind != `"custom"`:
			r.fail("type", "chat has functions and custom tools only")
		}
		return true
	})
	if kind == `"custom"` {
		r.in("custom", -1)
		return r.customTool(dst, custom)
	}
	r.in("function", -1)
	return r.function(dst, function)
}

// function writes a function. It is strict by default here and not in chat, so strict
// is always written.
func (r *responsesQuery) function(dst, function []byte) []byte {
	schema, strict := []byte(`{"type":"object","properties":{}}`), []byte("false")
	dst = append(append(dst, `{"type":"function","name":`...), r.str("name", member(function, "name"))...)
	r.members(function, func(name string, value []byte) bool {
		switch name {
		case "name", "cache_control":
		case "description":
			dst = appendMember(dst, name, value)
		case "parameters":
			if schema = value; value[0] != '{' {
				r.fail(name, "it must be an object")
			}
		case "strict":
			strict = value
		default:
			return false
		}
		return true
	})
	return append(appendMember(appendMember(dst, "parameters", schema), "strict", strict), '}')
}

// customTool writes a tool whose input is no JSON, with its grammar.
func (r *responsesQuery) customTool(dst, custom []byte) []byte {
	dst = append(append(dst, `{"type":"custom","name":`...), r.str("name", member(custom, "name"))...)
	r.members(custom, func(name string, value []byte) bool {
		switch name {
		case "name":
		case "description":
			dst = appendMember(dst, name, value)
		case "format":
			back := r.in(name, -1)
			dst = r.customFormat(append(dst, `,"format":{`...), value)
			r.at = r.at[:back]
		default:
			return false
		}
		return true
	})
	return append(dst, '}')
}

func (r *responsesQuery) customFormat(dst, format []byte) []byte {
	dst = append(append(dst, `"type":`...), r.str("type", member(format, "type"))...)
	r.members(format, func(name string, value []byte) bool {
		if name == "grammar" {
			r.in(name, -1)
			r.members(value, func(name string, value []byte) bool {
				if name != "definition" && name != "syntax" {
					return false
				}
				dst = appendMember(dst, name, value)
				return true
			})
		}
		return name == "type" || name == "grammar"
	})
	return append(dst, '}')
}

func (r *responsesQuery) webSearch(dst, options []byte) []byte {
	back := r.in("web_search_options", -1)
	dst = append(dst, `{"type":"web_search"`...)
	r.members(options, func(name string, value []byte) bool {
		switch name {
		case "search_context_size":
			dst = appendMember(dst, name, value)
		case "user_location":
			dst = append(r.location(append(dst, `,"user_location":{"type":"approximate"`...), value), '}')
		default:
			return false
		}
		return true
	})
	r.at = r.at[:back]
	return append(dst, '}')
}

// location writes the members of chat's user_location.approximate.
func (r *responsesQuery) location(dst, location []byte) []byte {
	back := r.in("user_location", -1)
	defer func() { r.at = r.at[:back] }()
	if kind := member(location, "type"); string(kind) != `"approximate"` {
		r.fail("type", "it must be approximate")
	}
	r.members(location, func(name string, value []byte) bool {
		if name == "approximate" {
			r.in(name, -1)
			r.members(value, func(name string, value []byte) bool {
				switch name {
				case "city", "country", "region", "timezone":
					dst = appendMember(dst, name, value)
					return true
				}
				return false
			})
		}
		return name == "type" || name == "approximate"
	})
	return dst
}

// toolChoice writes which tools may or must be called:
// https://platform.openai.com/docs/api-reference/responses/create#responses-create-tool_choice.
func (r *responsesQuery) toolChoice() {
	v := r.fields["tool_choice"]
	if v == nil {
		return
	}
	if isString(v) {
		r.put("tool_choice", v)
		return
	}
	back := r.in("tool_choice", -1)
	defer func() { r.at = r.at[:back] }()
	allowed := member(v, "allowed_tools")
	if string(member(v, "type")) != `"allowed_tools"` || allowed == nil {
		r.out = r.named(append(r.out, `,"tool_choice":`...), v)
		return
	}
	r.members(v, func(name string, _ []byte) bool { return name == "type" || name == "allowed_tools" })
	r.in("allowed_tools", -1)
	var list []byte
	mode := r.str("mode", member(allowed, "mode"))
	r.members(allowed, func(name string, _ []byte) bool { return name == "mode" || name == "tools" })
	r.elements("tools", member(allowed, "tools"), func(tool []byte) { list = r.named(comma(list), tool) })
	r.out = append(append(r.out, `,"tool_choice":{"type":"allowed_tools","mode":`...), mode...)
	r.out = append(append(append(r.out, `,"tools":[`...), list...), "]}"...)
}

// named writes a reference to a function or a custom tool.
func (r *responsesQuery) named(dst, tool []byte) []byte {
	kind := member(tool, "type")
	inner, _ := inside(kind)
	if k := string(inner); k != "function" && k != "custom" {
		r.fail("type", "chat has functions and custom tools only")
		return dst
	}
	r.members(tool, func(name string, _ []byte) bool { return name == "type" || name == string(inner) })
	names := member(tool, string(inner))
	jsonscan.Items(names, func(name, _ []byte) {
		if string(name) != "name" {
			r.fail(string(inner)+"."+string(name), "")
		}
	})
	name := r.str(string(inner)+".name", member(names, "name"))
	return append(appendMember(append(append(dst, `{"type":`...), kind...), "name", name), '}')
}
