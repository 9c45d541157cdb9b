package pricing

import (
	"bytes"
)

// walk sorts the strings of a raw system prompt or of raw messages into text,
// media and what no model reads. It knows the members of every dialect by their
// names alone, so it need not know which dialect it reads. It returns the number
// of messages.
func (s *scratch) walk(raw []byte) (messages int64) {
	if len(raw) == 0 || string(raw) == "null" {
		return 0
	}
	s.media = mediaNone
	var name, object []byte // the member at hand, and the member whose value is the object around it
	for i, depth := 0, 0; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			start := i + 1
			i = stringEnd(raw, start)
			next := blanks(raw, i+1)
			if next >= len(raw) || raw[next] != ':' {
				s.value(raw[start:i], name, object)
				continue
			}
			name, i = raw[start:i], next
			if end := s.member(raw, blanks(raw, next+1), name, depth); end > 0 {
				i = end - 1
			}
		case '[':
			name = nil
			depth++
		case '{':
			if depth == 1 {
				messages++
			}
			if name == nil { // an element: a part of its own
				s.media = mediaNone
			}
			object = name
			depth++
		case ']', '}':
			name = nil
			depth--
		}
	}
	s.found.Sealed += s.thought
	s.thought = 0
	return max(1, messages)
}

// member takes the whole value at raw[i] of a member that is read as JSON, or not
// at all, and returns its end; 0 for all others.
func (s *scratch) member(raw []byte, i int, name []byte, depth int) (end int) {
	if i >= len(raw) || raw[i] != '{' && raw[i] != '[' {
		return 0
	}
	switch string(name) {
	case "input", "args", "response", "arguments", "json": // what a tool is called with, or answers
		if raw[i] == '[' || depth < 3 {
			return 0
		}
		end = nestedEnd(raw, i)
		s.text(raw[i:end])
	case "citations":
		s.found.Cited = s.found.Cited || raw[i] == '{'
		end = nestedEnd(raw, i)
	case "annotations", "reasoning_details", "reasoningContent", "summary", "action":
		end = nestedEnd(raw, i)
	}
	return end
}

// value takes a string, which is the member name of an object that is itself the
// member object of another.
func (s *scratch) value(text, name, object []byte) {
	switch string(name) {
	case "text", "content": // the most frequent
		s.text(text)
	case "role":
		if string(text) == "user" {
			s.thought = 0
		}
	case "encrypted_content":
		s.thought += int64(len(text))
	case "id", "tool_call_id", "tool_use_id", "toolUseId", "call_id", "filename", "status", "encrypted_index",
		"thinking", "reasoning", "reasoning_content": // what earlier turns thought is dropped by the provider
	case "signature", "thoughtSignature", "thought_signature":
		s.found.Sealed += int64(len(text))
	case "type", "media_type", "mimeType", "mime_type", "format":
		if m := mediaOf(text); m != mediaNone {
			s.media = m
		}
	case "detail":
		if string(text) == "low" {
			s.found.Images.low()
		}
	case "file_id":
		s.found.Unseen = true
	case "url", "image_url", "file_url", "fileUri", "file_uri", "data", "file_data", "bytes":
		s.blob(text, name, object)
	default:
		s.text(text)
	}
}

// definitions takes the strings of tools or of a response format, those that name
// members included, but not the words of the notation itself.
func (s *scratch) definitions(raw []byte) {
	for i := 0; i < len(raw); {
		open := bytes.IndexByte(raw[i:], '"')
		if open < 0 {
			break
		}
		start := i + open + 1
		end := stringEnd(raw, start)
		switch word := raw[start:end]; {
		case hosted(word):
			s.found.Unseen = true
		case !schemaWord(word):
			s.text(word)
		}
		i = end + 1
	}
}

// schemaWord reports whether a string is a word of the notation of definitions.
func schemaWord(word []byte) bool {
	switch string(word) {
	case "type", "function", "parameters", "properties", "required", "object", "strict", "additionalProperties",
		"json_schema", "schema", "name", "description", "items", "$schema", "input_schema", "functionDeclarations",
		"function_declarations", "parametersJsonSchema", "cache_control", "ephemeral", "OBJECT", "toolSpec", "inputSchema", "tools", "json", "format", "json_object":
		return true
	}
	return false
}

// hosted reports whether a string names a tool that the provider runs itself; what
// it finds, or its own instructions, become input that the request does not show.
func hosted(word []byte) bool {
	switch string(word) {
	case "googleSearch", "google_search", "codeExecution", "code_execution", "urlContext", "url_context",
		"web_search", "web_search_preview", "file_search", "code_interpreter", "image_generation",
		"computer_use_preview", "local_shell", "mcp", "x_search", "openrouter:web_search":
		return true
	}
	return bytes.HasPrefix(word, []byte("web_search_20")) || bytes.HasPrefix(word, []byte("web_fetch_20")) ||
		bytes.HasPrefix(word, []byte("computer_20")) || bytes.HasPrefix(word, []byte("code_execution_20"))
}

// stringEnd returns the index of the quote that closes the string whose inside
// starts at i, or the length of raw.
func stringEnd(raw []byte, i int) int {
	for from := i; ; {
		quote := bytes.IndexByte(raw[from:], '"')
		if quote < 0 {
			return len(raw)
		}
		quote += from
		if !escaped(raw[i:quote]) {
			return quote
		}
		from = quote + 1
	}
}

// escaped reports whether the byte behind s is escaped: an odd number of backslashes ends s.
func escaped(s []byte) bool {
	n := len(s)
	for n > 0 && s[n-1] == '\\' {
		n--
	}
	return (len(s)-n)%2 == 1
}

// nestedEnd returns the end of the object or array that starts at i, or the length of raw.
func nestedEnd(raw []byte, i int) int {
	for depth := 0; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			i = stringEnd(raw, i+1)
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(raw)
}

// blanks returns the index of the first byte from i on that is no white space.
func blanks(raw []byte, i int) int {
	for i < len(raw) && (raw[i] == ' ' || raw[i] == '\n' || raw[i] == '\t' || raw[i] == '\r') {
		i++
	}
	return i
}
