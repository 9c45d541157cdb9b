package provider

// messages writes the conversation as items:
// https://platform.openai.com/docs/guides/migrate-to-responses.
func (r *responsesQuery) messages() {
	r.out = append(r.out, `,"input":[`...)
	none := len(r.out)
	r.elements("messages", r.fields["messages"], r.message)
	if len(r.out) == none {
		r.fail("messages", "there is none that says something")
	}
	r.out = append(r.out, ']')
}

// item begins an item.
func (r *responsesQuery) item(kind string) {
	if r.out[len(r.out)-1] != '[' {
		r.out = append(r.out, ',')
	}
	r.out = append(append(append(r.out, `{"type":"`...), kind...), '"')
}

// message writes one message.
func (r *responsesQuery) message(m []byte) {
	v := r.readMessage(m)
	role := string(v.role)
	if v.calls != nil && role != `"assistant"` {
		r.fail("tool_calls", "only an assistant calls tools")
	}
	if v.refusal != nil && role != `"assistant"` {
		r.fail("refusal", "only an assistant refuses")
	}
	if v.callID != nil && role != `"tool"` {
		r.fail("tool_call_id", "only a tool answers")
	}
	switch role {
	case `"system"`, `"developer"`, `"user"`:
		r.item("message")
		r.put("role", v.role)
		r.content("content", v.content)
		r.out = append(r.out, '}')
	case `"assistant"`:
		r.assistant(&v)
	case `"tool"`:
		r.result(&v)
	default:
		r.fail("role", "the Responses API does not know it")
	}
}

// readMessage reads a message's members.
func (r *responsesQuery) readMessage(m []byte) (v chatMessage) {
	r.members(m, func(name string, value []byte) bool {
		switch name {
		case "role":
			v.role = value
		case "content":
			v.content = value
		case "tool_calls":
			v.calls = value
		case "tool_call_id":
			v.callID = value
		case "refusal":
			v.refusal = value
		case "reasoning_details":
			v.details = value
		case "cache_control": // OpenAI caches prompts by itself
		case "reasoning_content", "reasoning", "annotations": // of a reply: what counts of it is in reasoning_details, or in the text
		case "thinking_blocks", "extra_content": // another model's signatures, which mean nothing to this one
		case "name":
			return string(member(m, "role")) == `"tool"` // which function it was is known by tool_call_id
		default:
			return false
		}
		return true
	})
	return v
}

// content writes a string as it lies, or an array of parts.
func (r *responsesQuery) content(to string, v []byte) {
	if isString(v) {
		r.put(to, v)
		return
	}
	if len(v) == 0 || v[0] != '[' {
		r.fail("content", "it must be a string or an array")
		return
	}
	r.out = append(append(append(r.out, `,"`...), to...), `":[`...)
	r.elements("content", v, r.part)
	r.out = append(r.out, ']')
}

// readPart reads a part of a content, which has one member of the name of its type.
func (r *responsesQuery) readPart(v []byte) (kind string, value []byte) {
	raw, _ := inside(member(v, "type"))
	kind = string(raw)
	r.members(v, func(name string, part []byte) bool {
		if name == kind {
			value = part
		}
		return name == "type" || name == "cache_control" || name == kind
	})
	return kind, value
}

// part writes a part of what the model is told.
func (r *responsesQuery) part(v []byte) {
	kind, value := r.readPart(v)
	switch kind {
	case "text":
		r.item("input_text")
		r.put("text", r.str("text", value))
	case "image_url":
		r.item("input_image")
		r.image(value)
	case "file":
		r.item("input_file")
		r.file(value)
	default: // audio is for chat alone: https://platform.openai.com/docs/guides/audio
		r.fail("type", "the Responses API takes no part of this type here")
	}
	r.out = append(r.out, '}')
}

func (r *responsesQuery) image(image []byte) {
	if isString(image) {
		r.put("image_url", image)
		return
	}
	back := r.in("image_url", -1)
	r.put("image_url", r.str("url", member(image, "url")))
	r.members(image, func(name string, value []byte) bool {
		if name == "detail" {
			r.put(name, value)
		}
		return name == "url" || name == "detail"
	})
	r.at = r.at[:back]
}

func (r *responsesQuery) file(file []byte) {
	back := r.in("file", -1)
	r.members(file, func(name string, value []byte) bool {
		switch name {
		case "file_data", "file_id", "filename":
			r.put(name, r.str(name, value))
			return true
		}
		return false
	})
	r.at = r.at[:back]
}

// assistant writes what the model thought, said and called, each an item.
func (r *responsesQuery) assistant(v *chatMessage) {
	if v.details != nil {
		r.thoughts(v.details)
	}
	var parts []byte
	said := func(kind, member string, raw []byte) {
		if text := r.str(member, raw); len(text) > 2 { // an empty text says nothing
			parts = append(append(comma(parts), `{"type":"`...), kind...)
			parts = append(appendMember(append(parts, '"'), member, text), '}')
		}
	}
	switch {
	case isString(v.content):
		if len(v.content) > 2 {
			said("output_text", "text", v.content)
		}
	case v.content != nil:
		r.elements("content", v.content, func(part []byte) {
			switch kind, value := r.readPart(part); kind {
			case "text":
				said("output_text", "text", value)
			case "refusal":
				said("refusal", "refusal", value)
			default:
				r.fail("type", "an assistant's parts are text and refusal")
			}
		})
	}
	if v.refusal != nil {
		said("refusal", "refusal", v.refusal)
	}
	if len(parts) > 0 {
		r.item("message")
		r.out = append(append(append(r.out, `,"role":"assistant","content":[`...), parts...), "]}"...)
	}
	if v.calls != nil {
		r.elements("tool_calls", v.calls, r.toolCall)
	}
}

// thoughts writes the reasoning that this API encrypted, in front of what came of it,
// each with the summaries that stand before it. Without its encrypted content a
// thought has no item: the provider has not stored it. Other formats are of other
// models, to which alone they mean something:
// https://platform.openai.com/docs/guides/reasoning#encrypted-reasoning-items.
func (r *responsesQuery) thoughts(details []byte) {
	var summary []byte
	r.elements("reasoning_details", details, func(detail []byte) {
		if string(member(detail, "format")) != `"`+responsesThoughts+`"` {
			return
		}
		text, data, id := member(detail, "summary"), member(detail, "data"), member(detail, "id")
		switch kind := string(member(detail, "type")); {
		case kind == `"reasoning.summary"` && isString(text):
			summary = append(append(append(comma(summary), `{"type":"summary_text","text":`...), text...), '}')
		case kind == `"reasoning.encrypted"` && isString(data):
			r.thinks = true
			r.item("reasoning")
			if isString(id) {
				r.put("id", id)
			}
			r.out = append(append(append(r.out, `,"summary":[`...), summary...), ']')
			r.put("encrypted_content", data)
			r.out = append(r.out, '}')
			summary = summary[:0]
		}
	})
}

// toolCall writes a call; its id is that by which its result names it.
func (r *responsesQuery) toolCall(call []byte) {
	var function, custom []byte
	kind := string(member(call, "type"))
	r.members(call, func(name string, value []byte) bool {
		switch name {
		case "function":
			function = value
		case "custom":
			custom = value
		case "id", "type", "index", "cache_control", "extra_content": // the last is another model's signature
		default:
			return false
		}
		return true
	})
	id := r.str("id", member(call, "id"))
	switch {
	case kind == `"custom"` && custom != nil:
		if r.custom == nil {
			r.custom = map[string]bool{}
		}
		r.custom[string(id)] = true
		r.item("custom_tool_call")
		r.put("call_id", id)
		r.called("custom", custom, "input")
	case (kind == `"function"` || kind == "") && function != nil:
		r.item("function_call")
		r.put("call_id", id)
		r.called("function", function, "arguments")
	default:
		r.fail("type", "functions and custom tools can be called")
	}
	r.out = append(r.out, '}')
}

// called writes the name of a called tool and what it was given, a string.
func (r *responsesQuery) called(kind string, tool []byte, given string) {
	back := r.in(kind, -1)
	r.put("name", r.str("name", member(tool, "name")))
	r.members(tool, func(name string, _ []byte) bool { return name == "name" || name == given })
	text := member(tool, given)
	if text == nil && kind == "function" {
		text = []byte(`"{}"`)
	}
	r.put(given, r.str(given, text))
	r.at = r.at[:back]
}

// result writes what a tool returned: text, or parts, which may be images and files.
func (r *responsesQuery) result(v *chatMessage) {
	id := r.str("tool_call_id", v.callID)
	kind := "function_call_output"
	if r.custom[string(id)] {
		kind = "custom_tool_call_output"
	}
	r.item(kind)
	r.put("call_id", id)
	r.content("output", v.content)
	r.out = append(r.out, '}')
}
