package provider

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// tools writes the functions that may be called, and which of them must be.
func (r *geminiRequest) tools() {
	search := r.field("web_search_options")
	list := r.field("tools")
	strict, count := false, 0
	if list != nil && list[0] != '[' {
		r.fail("tools", "not an array")
		return
	}
	jsonscan.Items(list, func(_, tool []byte) {
		if count == 0 {
			r.key("tools")
			r.out = append(r.out, `[{"functionDeclarations":[`...)
		}
		r.comma()
		back := r.in("tools", count)
		strict = r.declaration(tool) || strict
		r.at = r.at[:back]
		count++
	})
	if count > 0 {
		r.out = append(r.out, "]}]"...)
	}
	if search != nil {
		back := r.in("web_search_options", -1)
		r.read(search)
		r.at = r.at[:back]
		if count > 0 {
			r.fail("web_search_options", "Gemini does not search beside functions")
		}
		r.t.searches = true
		r.key("tools")
		r.out = append(r.out, `[{"googleSearch":{}}]`...)
	}
	r.toolChoice(r.field("tool_choice"), count > 0, strict)
}

// declaration writes one function with its JSON Schema whole; strict reports whether
// calls must keep to it.
func (r *geminiRequest) declaration(tool []byte) (strict bool) {
	v := r.read(tool, "type", "function")
	if string(v[0]) != `"function"` || v[1] == nil {
		r.fail("type", "Gemini takes functions only")
		return false
	}
	back := r.in("function", -1)
	f := r.read(v[1], "name", "description", "parameters", "strict")
	r.out = append(append(r.out, `{"name":`...), r.functionName(f[0])...)
	if f[1] != nil {
		r.key("description")
		r.out = append(r.out, r.str("description", f[1])...)
	}
	if f[2] != nil && f[2][0] != '{' {
		r.fail("parameters", "not an object")
	} else if len(f[2]) > 2 {
		r.key("parametersJsonSchema")
		r.out = append(r.out, f[2]...)
	}
	r.out = append(r.out, '}')
	r.at = r.at[:back]
	return string(f[3]) == "true"
}

// functionName refuses a name that Gemini would: https://ai.google.dev/api/caching#FunctionDeclaration.
func (r *geminiRequest) functionName(raw []byte) []byte {
	raw = r.str("name", raw)
	name := raw[1 : len(raw)-1]
	if len(name) > 128 || !geminiPlainID(strings.NewReplacer(".", "", ":", "").Replace(string(name))) || strings.IndexByte("-.:0123456789", name[0]) >= 0 {
		r.fail("name", "Gemini's names are letters, digits and _ - . : and start with a letter or _")
	}
	return raw
}

// toolChoice writes the mode: https://ai.google.dev/gemini-api/docs/function-calling#function_calling_modes.
// VALIDATED is AUTO with calls that keep to their schema.
func (r *geminiRequest) toolChoice(choice []byte, tools, strict bool) {
	auto := "AUTO"
	if strict {
		auto = "VALIDATED"
	}
	c := gjson.ParseBytes(choice)
	var mode string
	var names []gjson.Result
	switch kind := c.Get("type").Str; {
	case choice == nil && !strict:
		return
	case choice == nil, c.Str == "auto":
		mode = auto
	case c.Str == "none":
		mode = "NONE"
	case c.Str == "required":
		mode = "ANY"
	case kind == "function":
		mode, names = "ANY", []gjson.Result{c.Get("function.name")}
	case kind == "allowed_tools":
		mode, names = r.allowedTools(c.Get("allowed_tools"))
	default:
		r.fail("tool_choice", "Gemini knows none, auto, required and functions")
		return
	}
	if !tools {
		if mode == "ANY" {
			r.fail("tool_choice", "there is no function to call")
		}
		return
	}
	r.key("toolConfig")
	r.out = append(append(append(r.out, `{"functionCallingConfig":{"mode":"`...), mode...), '"')
	for i, name := range names {
		if name.Type != gjson.String {
			r.fail("tool_choice", "a function without a name")
			return
		}
		r.out = append(r.out, []string{`,"allowedFunctionNames":[`, `,`}[min(i, 1)]...)
		r.out = append(r.out, name.Raw...)
	}
	if len(names) > 0 {
		r.out = append(r.out, ']')
	}
	r.out = append(r.out, "}}"...)
}

// allowedTools are the functions of which one may, or must, be called. AUTO takes no names, VALIDATED does.
func (r *geminiRequest) allowedTools(allowed gjson.Result) (mode string, names []gjson.Result) {
	mode = "VALIDATED"
	if allowed.Get("mode").Str == "required" {
		mode = "ANY"
	}
	for _, tool := range allowed.Get("tools").Array() {
		names = append(names, tool.Get("function.name"))
	}
	if len(names) == 0 {
		r.fail("tool_choice", "no tool is allowed")
	}
	return mode, names
}
