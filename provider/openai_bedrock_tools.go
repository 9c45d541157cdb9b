package provider

import (
	"strconv"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// bedrockToolChoice is which tools a request lets the model call.
type bedrockToolChoice struct {
	kind string // of Converse: auto, any, tool; none, which it does not have
	name []byte // of the one tool, a JSON string
	one  bool   // one call at most
	said bool   // the caller says it
}

// appendTools writes the functions and the choice among them:
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolConfiguration.html
// Converse has neither the choice of none nor that of one call. Anthropic's models are
// told them in their own way; for others, no tools are the same as none, unless there
// were calls, which Converse refuses without tools.
func (r *bedrockRequest) appendTools(dst []byte) ([]byte, error) {
	if v := r.fields["tools"]; v != nil && v[0] != '[' {
		return dst, bedrockCannot("tools", "it must be an array")
	}
	choice, err := r.choice()
	switch {
	case err != nil:
		return dst, err
	case !r.hasTools() && r.called:
		return dst, bedrockCannot("tools", "Bedrock demands tools where the conversation has tool calls")
	case !r.hasTools():
		return dst, nil
	case choice.kind == "none" && !r.claude && r.called:
		return dst, bedrockCannot("tool_choice", "Bedrock has no none, and demands tools where the conversation has tool calls")
	case choice.kind == "none" && !r.claude:
		return dst, nil
	case choice.one && !r.claude:
		return dst, bedrockCannot("parallel_tool_calls", "it can be expressed for Anthropic's models alone")
	}
	list, n := []byte(nil), 0
	jsonscan.Items(r.fields["tools"], func(_, tool []byte) {
		if err == nil {
			list, err = appendToolSpec(comma(list), tool, "tools["+strconv.Itoa(n)+"]")
		}
		n++
	})
	if err != nil {
		return dst, err
	}
	dst = append(append(append(dst, `,"toolConfig":{"tools":[`...), list...), ']')
	switch {
	case choice.one || choice.kind == "none":
		r.more("tool_choice", choice.anthropic())
	case choice.said && choice.kind == "tool":
		dst = append(append(append(dst, `,"toolChoice":{"tool":{"name":`...), choice.name...), `}}`...)
	case choice.said:
		dst = append(append(append(dst, `,"toolChoice":{"`...), choice.kind...), `":{}}`...)
	}
	return append(dst, '}'), nil
}

// anthropic is the choice in Anthropic's form.
func (c *bedrockToolChoice) anthropic() []byte {
	out := append(append([]byte(`{"type":"`), c.kind...), '"')
	if c.name != nil {
		out = appendMember(out, "name", c.name)
	}
	if c.one {
		out = append(out, `,"disable_parallel_tool_use":true`...)
	}
	return append(out, '}')
}

// choice reads tool_choice and parallel_tool_calls.
func (r *bedrockRequest) choice() (c bedrockToolChoice, err error) {
	choice, parallel := r.fields["tool_choice"], string(r.fields["parallel_tool_calls"])
	if parallel != "" && parallel != "true" && parallel != "false" {
		return c, bedrockCannot("parallel_tool_calls", "it must be true or false")
	}
	c = bedrockToolChoice{kind: "auto", said: choice != nil, one: parallel == "false"}
	switch {
	case choice == nil, string(choice) == `"auto"`:
	case string(choice) == `"none"`:
		c.kind, c.one = "none", false
	case string(choice) == `"required"`:
		c.kind = "any"
	case string(member(choice, "type")) == `"function"`:
		c.kind = "tool"
		if c.name = member(member(choice, "function"), "name"); !isString(c.name) {
			return c, bedrockCannot("tool_choice.function.name", "it must be a string")
		}
	default:
		return c, bedrockCannot("tool_choice", "Bedrock takes auto, none, required or a function")
	}
	switch forced := c.kind == "any" || c.kind == "tool"; {
	case forced && !r.hasTools():
		return c, bedrockCannot("tool_choice", "there are no tools to choose from")
	case forced && r.thinks.on:
		return c, bedrockCannot("tool_choice", "Anthropic's models take no forced choice while they think")
	}
	return c, nil
}

// appendToolSpec writes one function, and the cache point behind it.
func appendToolSpec(dst, tool []byte, field string) ([]byte, error) {
	function := member(tool, "function")
	name := member(function, "name")
	switch {
	case string(member(tool, "type")) != `"function"` || function == nil:
		return dst, bedrockCannot(field, "only functions can be expressed")
	case !isString(name):
		return dst, bedrockCannot(field+".function.name", "it must be a string")
	}
	dst = append(append(dst, `{"toolSpec":{"name":`...), name...)
	var schema, cache []byte
	var other string
	jsonscan.Items(function, func(name, value []byte) {
		switch n := string(name); {
		case n == "name", string(value) == "null":
		case n == "parameters":
			schema = value
		case n == "description":
			if text, ok := unquoted(value); !ok || len(text) > 0 {
				dst = appendMember(dst, n, value)
			}
		case n == "strict":
			if string(value) != "false" {
				dst = appendMember(dst, n, value)
			}
		case n == "cache_control":
			cache = value
		default:
			other = "function." + n
		}
	})
	jsonscan.Items(tool, func(name, value []byte) {
		switch n := string(name); {
		case n == "type", n == "function", string(value) == "null":
		case n == "cache_control":
			cache = value
		default:
			other = n
		}
	})
	if other != "" {
		return dst, bedrockCannot(field+"."+other, "")
	}
	dst, ok := appendInputSchema(append(dst, `,"inputSchema":{"json":`...), schema)
	if !ok {
		return dst, bedrockCannot(field+".function.parameters", "it must be the schema of an object")
	}
	if dst = append(dst, `}}}`...); cache == nil {
		return dst, nil
	}
	if dst, ok = appendCachePoint(append(dst, ','), cache); !ok {
		return dst, bedrockCannot(field+".cache_control", badCacheControl)
	}
	return dst, nil
}

const badCacheControl = "Bedrock takes the type ephemeral with a ttl of 5m or 1h"

// appendCachePoint writes a cache_control of Anthropic's:
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CachePointBlock.html
func appendCachePoint(dst, control []byte) (_ []byte, ok bool) {
	ok = string(member(control, "type")) == `"ephemeral"`
	var ttl []byte
	jsonscan.Items(control, func(name, value []byte) {
		switch n := string(name); {
		case n == "type", string(value) == "null":
		case n == "ttl" && (string(value) == `"5m"` || string(value) == `"1h"`):
			ttl = value
		default:
			ok = false
		}
	})
	dst = append(dst, `{"cachePoint":{"type":"default"`...)
	if ttl != nil {
		dst = appendMember(dst, "ttl", ttl)
	}
	return append(dst, `}}`...), ok
}
