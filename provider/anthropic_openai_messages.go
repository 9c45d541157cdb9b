package provider

import (
	"bytes"
)

// openaiMessages writes a conversation in OpenAI's form.
type openaiMessages struct {
	dst            []byte
	reasoningField string
	relayed        bool // what another provider wants handed back is passed on
	wrote          bool // a message has been written

	parts openaiParts // of the user's message that is being written
}

// openaiParts are the parts of a user's message: all raw, and the text where one text is all.
type openaiParts struct {
	raw  []byte
	text []byte
	n    int
}

// all writes the system prompt and the messages.
func (m *openaiMessages) all(system, messages []byte) error {
	if system != nil {
		text, err := joinedText("system", system, `\n\n`)
		if err != nil {
			return err
		}
		m.open("system")
		m.close(text)
	}
	if !isArray(messages) {
		return malformed("messages", "an array is missing")
	}
	var last []byte
	err := eachElement(messages, func(message []byte) (err error) {
		last, err = m.message(message)
		return err
	})
	if err == nil && string(last) == `"assistant"` {
		return inexpressible("messages", "an answer begun by the caller (the last message is the assistant's)")
	}
	return err
}

func (m *openaiMessages) message(message []byte) (role []byte, err error) {
	var content []byte
	err = eachMember("messages", message, func(name, value []byte) error {
		switch string(name) {
		case "role":
			role = value
		case "content":
			content = value
		default:
			return inexpressible("messages", string(name))
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case !isString(content) && !isArray(content):
		return nil, malformed("messages", "content must be a string or an array")
	}
	switch string(role) {
	case `"user"`:
		return role, m.user(content)
	case `"assistant"`:
		return role, m.assistant(content)
	case `"system"`:
		text, err := joinedText("messages", content, `\n\n`)
		m.open("system")
		m.close(text)
		return role, err
	}
	return nil, malformed("messages", "role must be user or assistant")
}

// open begins a message, close ends it with a raw content.
func (m *openaiMessages) open(role string) {
	if m.wrote {
		m.dst = append(m.dst, ',')
	}
	m.wrote = true
	m.dst = append(append(append(m.dst, `{"role":"`...), role...), '"')
}

func (m *openaiMessages) close(content []byte) {
	m.dst = append(appendField(m.dst, "content", content), '}')
}

// user writes the results of tools, which must follow their calls at once, and
// then whatever else the user says.
func (m *openaiMessages) user(content []byte) error {
	if isString(content) {
		m.open("user")
		m.close(content)
		return nil
	}
	m.parts = openaiParts{raw: m.parts.raw[:0]}
	results := false
	err := eachElement(content, func(v []byte) error {
		b, err := readMessageBlock(v)
		if err != nil || b.kind != "tool_result" {
			return err
		}
		results = true
		return m.toolResult(&b)
	})
	if err != nil {
		return err
	}
	err = eachElement(content, func(v []byte) error {
		b, err := readMessageBlock(v)
		if err != nil || b.kind == "tool_result" {
			return err
		}
		return m.parts.add(&b)
	})
	if err != nil || results && m.parts.n == 0 {
		return err
	}
	m.open("user")
	m.close(m.parts.content())
	return nil
}

// toolResult writes the result of one tool. A tool's message carries text alone, so
// that images and documents go into the user's message behind it. OpenAI has no
// flag for errors: the text says it.
func (m *openaiMessages) toolResult(b *messageBlock) error {
	if !isString(b.toolUseID) {
		return malformed("messages", "tool_use_id of a tool_result is missing")
	}
	text := []byte(`"`)
	if string(b.isError) == "true" {
		text = append(text, "Error: "...)
	}
	attached := false
	switch {
	case isString(b.content):
		text = append(text, inner(b.content)...)
	case isArray(b.content):
		some := false
		err := eachElement(b.content, func(v []byte) error {
			part, err := readMessageBlock(v)
			if err != nil {
				return err
			}
			if part.kind == "text" {
				if some {
					text = append(text, `\n`...)
				}
				some = true
				text = append(text, inner(part.text)...)
				return nil
			}
			if !attached {
				m.parts.addText(append(append([]byte(`"Belongs to the result of tool call `), inner(b.toolUseID)...), ':', '"'))
			}
			attached = true
			return m.parts.add(&part)
		})
		if err != nil {
			return err
		}
		if attached && !some {
			text = append(text, "The result is in the next message."...)
		}
	case b.content != nil:
		return malformed("messages", "content of a tool_result must be a string or an array")
	}
	m.open("tool")
	m.dst = appendField(m.dst, "tool_call_id", b.toolUseID)
	m.close(append(text, '"'))
	return nil
}

// assistant writes an answer of an earlier turn. Its thinking goes back to a
// provider that has a place for it; one that has none would refuse the request.
func (m *openaiMessages) assistant(content []byte) error {
	if isString(content) {
		m.open("assistant")
		m.close(content)
		return nil
	}
	a := openaiAssistant{relayed: m.relayed}
	err := eachElement(content, func(v []byte) error {
		b, err := readMessageBlock(v)
		if err != nil {
			return err
		}
		return a.add(&b)
	})
	if err != nil {
		return err
	}
	m.open("assistant")
	switch reasoning := m.reasoningField; {
	case reasoning == "":
	case reasoning == "reasoning_details":
		if len(a.details) > 0 {
			m.dst = appendField(m.dst, reasoning, append(append([]byte("["), a.details...), ']'))
		}
	case len(a.thinking) > 0:
		m.dst = appendField(m.dst, reasoning, append(append([]byte(`"`), a.thinking...), '"'))
	}
	if len(a.extra) > 0 && m.relayed {
		m.dst = appendField(m.dst, "extra_content", a.extra)
	}
	if len(a.calls) > 0 {
		m.dst = appendField(m.dst, "tool_calls", append(append([]byte("["), a.calls...), ']'))
	}
	if len(a.calls) > 0 && len(a.text) == 0 {
		m.close([]byte("null"))
		return nil
	}
	m.close(append(append([]byte(`"`), a.text...), '"'))
	return nil
}

// openaiAssistant is an assistant's message: text and thinking escaped, calls and
// details as raw elements.
type openaiAssistant struct {
	text, thinking, calls, details []byte
	extra                          []byte            // extra_content of the message
	extras                         map[string][]byte // of calls, by their ids
	relayed                        bool              // it may be written
	apart                          bool              // something stood behind the text so far
}

func (a *openaiAssistant) add(b *messageBlock) error {
	if b.kind != "text" {
		a.apart = len(a.text) > 0
	}
	switch b.kind {
	case "text": // neighbours are one text that citations divide
		if a.apart {
			a.text = append(a.text, `\n\n`...)
		}
		a.apart = false
		a.text = append(a.text, inner(b.text)...)
	case "tool_use":
		return a.call(b)
	case "thinking":
		if len(a.thinking) > 0 {
			a.thinking = append(a.thinking, `\n\n`...)
		}
		a.thinking = append(a.thinking, inner(b.thinking)...)
		a.detail(`{"type":"reasoning.text","text":"`, inner(b.thinking))
		if len(inner(b.signature)) > 0 {
			a.details = appendField(a.details, "signature", b.signature)
		}
		a.details = append(a.details, '}')
	case "redacted_thinking":
		if object, ours := carriedIn(string(inner(b.data))); ours {
			a.restore(object)
			return nil
		}
		if element := unescape(inner(b.data)); isDetail(element) {
			a.separate(&a.details)
			a.details = append(a.details, element...)
			return nil
		}
		a.detail(`{"type":"reasoning.encrypted","data":"`, inner(b.data))
		a.details = append(a.details, '}')
	default:
		return inexpressible("messages", "a block of type "+b.kind)
	}
	return nil
}

// restore takes what carry passed on.
func (a *openaiAssistant) restore(object []byte) {
	extra := member(object, "extra_content")
	if id := member(object, "id"); id == nil {
		a.extra = extra
	} else {
		if a.extras == nil {
			a.extras = map[string][]byte{}
		}
		a.extras[string(id)] = extra
	}
}

func (a *openaiAssistant) separate(list *[]byte) {
	if len(*list) > 0 {
		*list = append(*list, ',')
	}
}

// detail begins an element of reasoning_details; its end is the caller's.
func (a *openaiAssistant) detail(head string, escaped []byte) {
	a.separate(&a.details)
	a.details = append(append(append(a.details, head...), escaped...), '"')
}

func (a *openaiAssistant) call(b *messageBlock) error {
	if !isString(b.id) || !isString(b.name) {
		return malformed("messages", "id and name of a tool_use must be strings")
	}
	a.separate(&a.calls)
	a.calls = append(append(a.calls, `{"id":`...), b.id...)
	a.calls = append(append(a.calls, `,"type":"function","function":{"name":`...), b.name...)
	a.calls = append(a.calls, `,"arguments":"`...)
	if b.input == nil {
		b.input = []byte("{}")
	}
	a.calls = append(appendEscaped(a.calls, b.input), `"}`...)
	if extra := a.extras[string(b.id)]; len(extra) > 0 && a.relayed {
		a.calls = appendField(a.calls, "extra_content", extra)
	}
	a.calls = append(a.calls, '}')
	return nil
}

// messageBlock is a block of content, its members raw where they lie; nil: not set.
type messageBlock struct {
	kind                            string
	text, source                    []byte
	id, name, input                 []byte
	toolUseID, content, isError     []byte
	thinking, signature, data       []byte
	title, context, cites, uncommon []byte // uncommon is the name of a member that is not known
}

func readMessageBlock(v []byte) (b messageBlock, err error) {
	err = eachMember("messages", v, func(name, value []byte) error {
		switch string(name) {
		case "type":
			b.kind = string(inner(value))
		case "text":
			b.text = value
		case "source":
			b.source = value
		case "id":
			b.id = value
		case "name":
			b.name = value
		case "input":
			b.input = value
		case "tool_use_id":
			b.toolUseID = value
		case "content":
			b.content = value
		case "is_error":
			b.isError = value
		case "thinking":
			b.thinking = value
		case "signature":
			b.signature = value
		case "data":
			b.data = value
		case "title":
			b.title = value
		case "context":
			b.context = value
		case "citations":
			b.cites = value
		case "cache_control":
		case "caller":
			if !bytes.Contains(value, []byte(`"direct"`)) {
				b.uncommon = name
			}
		default:
			b.uncommon = name
		}
		return nil
	})
	switch {
	case err != nil:
		return b, err
	case b.kind == "text" && !isString(b.text):
		return b, malformed("messages", "text of a text block must be a string")
	case b.uncommon != nil:
		return b, inexpressible("messages", string(b.uncommon)+" of a block of type "+b.kind)
	}
	return b, nil
}

// add appends a block of the user's.
func (p *openaiParts) add(b *messageBlock) error {
	switch b.kind {
	case "text":
		p.addText(b.text)
		return nil
	case "image":
		return p.addImage(b)
	case "document":
		return p.addDocument(b)
	}
	return inexpressible("messages", "a block of type "+b.kind)
}

func (p *openaiParts) next() {
	if p.n > 0 {
		p.raw = append(p.raw, ',')
	}
	p.n++
}

func (p *openaiParts) addText(text []byte) {
	p.next()
	p.text = text
	p.raw = append(append(append(p.raw, `{"type":"text","text":`...), text...), '}')
}

func (p *openaiParts) addImage(b *messageBlock) error {
	s, err := readMessageSource(b.source)
	if err != nil {
		return err
	}
	p.text = nil
	p.next()
	p.raw = append(p.raw, `{"type":"image_url","image_url":{"url":"`...)
	switch s.kind {
	case "url":
		p.raw = append(p.raw, inner(s.url)...)
	case "base64":
		p.raw = s.appendDataURL(p.raw)
	default:
		return inexpressible("messages", "an image of source "+s.kind)
	}
	p.raw = append(p.raw, `"}}`...)
	return nil
}

// addDocument appends a PDF as a file, and a text as text. The quotations that
// Anthropic takes out of documents cannot be asked for.
func (p *openaiParts) addDocument(b *messageBlock) error {
	if bytes.Contains(b.cites, []byte("true")) {
		return inexpressible("messages", "citations of a document")
	}
	s, err := readMessageSource(b.source)
	if err != nil {
		return err
	}
	if isString(b.context) {
		p.addText(b.context)
	}
	if s.kind != "base64" && isString(b.title) {
		p.addText(b.title)
	}
	switch {
	case s.kind == "text" && isString(s.data):
		p.addText(s.data)
	case s.kind == "content" && isString(s.content):
		p.addText(s.content)
	case s.kind == "content" && isArray(s.content):
		return eachElement(s.content, func(v []byte) error {
			part, err := readMessageBlock(v)
			if err != nil {
				return err
			}
			return p.add(&part)
		})
	case s.kind == "base64":
		p.text = nil
		p.next()
		p.raw = append(p.raw, `{"type":"file","file":{"filename":"`...)
		if title := inner(b.title); len(title) > 0 {
			p.raw = append(p.raw, title...)
		} else {
			p.raw = append(p.raw, "document.pdf"...)
		}
		p.raw = append(s.appendDataURL(append(p.raw, `","file_data":"`...)), `"}}`...)
	default:
		return inexpressible("messages", "a document of source "+s.kind)
	}
	return nil
}

// content returns the content of the message: a string where one text is all.
func (p *openaiParts) content() []byte {
	switch {
	case p.n == 0:
		return []byte(`""`)
	case p.n == 1 && p.text != nil:
		return p.text
	}
	return append(append([]byte("["), p.raw...), ']')
}

// messageSource is where an image or a document comes from.
type messageSource struct {
	kind                          string
	url, mediaType, data, content []byte
}

func readMessageSource(v []byte) (s messageSource, err error) {
	if v == nil {
		return s, malformed("messages", "the source of a block is missing")
	}
	err = eachMember("messages", v, func(name, value []byte) error {
		switch string(name) {
		case "type":
			s.kind = string(inner(value))
		case "url":
			s.url = value
		case "media_type":
			s.mediaType = value
		case "data":
			s.data = value
		case "content":
			s.content = value
		case "file_id":
		default:
			return inexpressible("messages", string(name)+" of a source")
		}
		return nil
	})
	return s, err
}

func (s *messageSource) appendDataURL(dst []byte) []byte {
	dst = append(append(dst, "data:"...), inner(s.mediaType)...)
	return append(append(dst, ";base64,"...), inner(s.data)...)
}

// joinedText is a content of text blocks as one raw string.
func joinedText(field string, content []byte, between string) ([]byte, error) {
	if isString(content) {
		return content, nil
	}
	if !isArray(content) {
		return nil, malformed(field, "must be a string or an array")
	}
	text := []byte(`"`)
	err := eachElement(content, func(v []byte) error {
		b, err := readMessageBlock(v)
		if err != nil {
			return err
		}
		if b.kind != "text" {
			return inexpressible(field, "a block of type "+b.kind)
		}
		if len(text) > 1 {
			text = append(text, between...)
		}
		text = append(text, inner(b.text)...)
		return nil
	})
	return append(text, '"'), err
}
