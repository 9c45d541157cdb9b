package pricing

import (
	"bytes"
	"sync"
	"unicode/utf16"
	"unicode/utf8"
)

// Estimator estimates the tokens of a prompt from the raw JSON of a request,
// without decoding it. Short text is counted exactly, long text by samples of
// this very text: 8 windows of 256 bytes spread evenly over it, whose tokens per
// byte stand for the rest. So the time hardly grows with the prompt. Tokens are
// o200k_base's whatever the model. It is safe for concurrent use and allocates
// nothing once its buffers have grown.
type Estimator struct {
	encoding func() *Encoding
}

// Estimate is what an Estimator found.
type Estimate struct {
	Input   int64 // tokens of the whole prompt, images included
	Images  int64 // images in it
	Sampled bool  // the text was too long to be counted whole
}

// NewEstimator returns an estimator over o200k_base and starts to build the
// encoding in the background; an estimate before that waits for it.
func NewEstimator() *Estimator {
	go O200k()
	return &Estimator{encoding: O200k}
}

const (
	exactBytes  = 2048 // text up to here is counted whole
	windows     = 8
	windowBytes = 256
	alignBytes  = 48 // how far a window's edge moves to fall on a blank

	// The overhead of a chat prompt: every message is wrapped in three tokens, and
	// three more prime the reply; a name costs one.
	// cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken
	messageTokens = 3
	primeTokens   = 3
	nameTokens    = 1
	// Definitions are rendered into the prompt, as a preamble and each name, type and
	// description with its punctuation; the words of JSON Schema itself are not. The
	// figures fit the recorded calls of OpenAI's models best.
	definitionsTokens = 14
	stringTokens      = 2

	// An image costs 85 tokens at low detail, else 85 + 170 for each of its tiles of
	// 512 pixels; 765 is what 1024 × 1024 costs. platform.openai.com/docs/guides/images-vision
	imageTokens    = 765
	lowImageTokens = 85
	// Audio is a token each 100 ms; 16,000 bytes a second stand between the common formats.
	audioBytesPerToken = 1600
	// A page of a PDF is read as text and as an image; pages are about this large.
	pageBytes = 64 << 10
)

// Chat estimates the tokens of a chat prompt, as Prompt does.
func (e *Estimator) Chat(messages, tools, format []byte) int64 {
	return e.Prompt(messages, tools, format).Input
}

// Prompt estimates a chat prompt. The arguments are the raw JSON values of the
// request's messages, tools (or functions) and response_format; any may be empty.
// They are only read. Malformed JSON yields some estimate.
func (e *Estimator) Prompt(messages, tools, format []byte) Estimate {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	s.reset()
	s.messages(messages)
	found := Estimate{Images: s.images}
	found.Input = s.extra + primeTokens
	n, sampled := e.count(s, messages)
	found.Input, found.Sampled = found.Input+n, sampled
	for _, raw := range [...][]byte{tools, format} {
		n, sampled := e.definitions(s, raw)
		found.Input, found.Sampled = found.Input+n, found.Sampled || sampled
	}
	return found
}

// Text estimates the tokens of plain text, such as a reply that has passed.
func (e *Estimator) Text(text []byte) int64 {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	s.reset()
	s.plain = true
	s.text(0, len(text))
	n, _ := e.count(s, text)
	return n
}

// JSON estimates the tokens of all strings in a raw JSON value, names included.
func (e *Estimator) JSON(raw []byte) int64 {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	s.reset()
	s.strings(raw, nil)
	n, _ := e.count(s, raw)
	return n
}

// definitions estimates tools or a response format.
func (e *Estimator) definitions(s *scratch, raw []byte) (tokens int64, sampled bool) {
	if len(raw) == 0 || string(raw) == "null" || string(raw) == "[]" {
		return 0, false
	}
	s.reset()
	s.strings(raw, schemaWord)
	n, sampled := e.count(s, raw)
	return n + definitionsTokens + stringTokens*int64(len(s.spans)), sampled
}

// count returns the tokens of the spans of raw.
func (e *Estimator) count(s *scratch, raw []byte) (tokens int64, sampled bool) {
	if s.total == 0 {
		return 0, false
	}
	encoding := e.encoding()
	if s.total <= exactBytes {
		for _, p := range s.spans {
			tokens += int64(encoding.count(&s.merger, s.unescaped(raw[p.start:p.end])))
		}
		return tokens, false
	}
	var counted, read int64
	for i := range windows {
		start := i * (s.total - windowBytes) / (windows - 1)
		t, n := s.window(encoding, raw, start)
		counted, read = counted+t, read+n
	}
	if read == 0 {
		return int64(s.total) / 4, true
	}
	return (counted*int64(s.total) + read/2) / read, true
}

// scratch is the working memory of one estimate.
type scratch struct {
	merger merger
	spans  []span // the text within the raw JSON, in order
	total  int    // bytes of the spans
	extra  int64  // tokens of what is not text
	images int64
	plain  bool // the spans hold no escapes
	buffer []byte
}

// span is a piece of text in the raw bytes: the inside of a string.
type span struct{ start, end int }

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func (s *scratch) reset() {
	s.spans = s.spans[:0]
	s.total, s.extra, s.images, s.plain = 0, 0, 0, false
}

func (s *scratch) text(start, end int) {
	if end > start {
		s.spans = append(s.spans, span{start, end})
		s.total += end - start
	}
}

// schemaWord reports whether a string is a word of the definition's own notation.
func schemaWord(word []byte) bool {
	switch string(word) {
	case "type", "function", "parameters", "properties", "required", "object", "strict", "additionalProperties",
		"json_schema", "schema", "name", "description", "items", "$schema":
		return true
	}
	return false
}

// strings takes every string as text, those that name members included, but not
// those that skip reports.
func (s *scratch) strings(raw []byte, skip func([]byte) bool) {
	for i := 0; i < len(raw); {
		open := bytes.IndexByte(raw[i:], '"')
		if open < 0 {
			return
		}
		start := i + open + 1
		end := stringEnd(raw, start)
		if skip == nil || !skip(raw[start:end]) {
			s.text(start, end)
		}
		i = end + 1
	}
}

// messages walks the raw messages and sorts their strings into text, images,
// audio and what no model reads.
func (s *scratch) messages(raw []byte) {
	var name, object []byte // the member at hand, and the member whose value is the object around it
	for i, depth := 0, 0; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			start := i + 1
			i = stringEnd(raw, start)
			if next := blanks(raw, i+1); next < len(raw) && raw[next] == ':' {
				name, i = raw[start:i], next
				continue
			}
			s.value(raw, start, i, name, object)
		case '[':
			depth++
		case '{':
			if depth == 1 {
				s.extra += messageTokens
			}
			object = name
			depth++
		case ']', '}':
			depth--
		}
	}
}

// value takes the string raw[start:end], which is the member name of an object
// that is itself the member object of another.
func (s *scratch) value(raw []byte, start, end int, name, object []byte) {
	switch string(name) {
	case "type", "id", "tool_call_id", "file_id", "format", "filename":
	case "detail":
		if string(raw[start:end]) == "low" && s.images > 0 {
			s.extra -= imageTokens - lowImageTokens
		}
	case "url", "image_url":
		if string(name) == "url" && string(object) != "image_url" {
			s.text(start, end)
			return
		}
		s.images++
		s.extra += imageTokens
	case "data":
		s.extra += 1 + int64(end-start)*3/4/audioBytesPerToken
	case "file_data":
		s.extra += imageTokens * (1 + int64(end-start)*3/4/pageBytes)
	case "name":
		s.extra += nameTokens
		s.text(start, end)
	default:
		s.text(start, end)
	}
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

// blanks returns the index of the first byte from i on that is no white space.
func blanks(raw []byte, i int) int {
	for i < len(raw) && (raw[i] == ' ' || raw[i] == '\n' || raw[i] == '\t' || raw[i] == '\r') {
		i++
	}
	return i
}

// window counts the tokens of the window that starts at an offset into the text,
// and the bytes that it really covers: its edges move to a blank where one is near.
func (s *scratch) window(encoding *Encoding, raw []byte, start int) (tokens, read int64) {
	end, at := start+windowBytes, 0 // at: offset of the span in the text
	for _, p := range s.spans {
		size := p.end - p.start
		if at >= end {
			break
		}
		if at+size > start {
			text := raw[p.start:p.end]
			from, to := s.align(text, start-at), s.align(text, end-at)
			if from < to {
				tokens += int64(encoding.count(&s.merger, s.unescaped(text[from:to])))
				read += int64(to - from)
			}
		}
		at += size
	}
	return tokens, read
}

// align moves an edge forward to a blank if one is near, else out of a rune or an escape.
func (s *scratch) align(text []byte, i int) int {
	if i <= 0 {
		return 0
	}
	if i >= len(text) {
		return len(text)
	}
	if blank := bytes.IndexByte(text[i:min(len(text), i+alignBytes)], ' '); blank >= 0 {
		return i + blank
	}
	for i < len(text) && !utf8.RuneStart(text[i]) {
		i++
	}
	if s.plain {
		return i
	}
	for back := 1; back < 6 && back <= i; back++ {
		if text[i-back] == '\\' && !escaped(text[:i-back]) {
			return min(len(text), max(i, i-back+escapeLength(text[i-back:])))
		}
	}
	return i
}

// escapeLength is the length of the escape that s starts with.
func escapeLength(s []byte) int {
	if len(s) > 1 && s[1] == 'u' {
		return 6
	}
	return 2
}

// unescaped returns the text that the inside of a JSON string means. It is valid
// until the next call, and may alias text.
func (s *scratch) unescaped(text []byte) []byte {
	slash := bytes.IndexByte(text, '\\')
	if slash < 0 || s.plain {
		return text
	}
	out := s.buffer[:0]
	for slash >= 0 {
		out = append(out, text[:slash]...)
		var n int
		out, n = appendEscape(out, text[slash:])
		text = text[slash+n:]
		slash = bytes.IndexByte(text, '\\')
	}
	s.buffer = append(out, text...)
	return s.buffer
}

// appendEscape appends what the escape at the start of s means and returns its
// length. A broken one means itself.
func appendEscape(out, s []byte) ([]byte, int) {
	if len(s) < 2 {
		return append(out, s...), len(s)
	}
	switch c := s[1]; c {
	case 'n':
		return append(out, '\n'), 2
	case 't':
		return append(out, '\t'), 2
	case 'r':
		return append(out, '\r'), 2
	case 'b', 'f':
		return append(out, ' '), 2
	case 'u':
		r, ok := hexRune(s)
		if !ok {
			return append(out, '\\'), 1
		}
		if utf16.IsSurrogate(r) {
			if low, ok := hexRune(s[6:]); ok {
				if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
					return utf8.AppendRune(out, pair), 12
				}
			}
		}
		return utf8.AppendRune(out, r), 6
	default:
		return append(out, c), 2
	}
}

// hexRune reads \uXXXX.
func hexRune(s []byte) (r rune, ok bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	for _, c := range s[2:6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
