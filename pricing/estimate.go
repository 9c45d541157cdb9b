package pricing

import (
	"bytes"
	"math"
	"sync"
	"unicode/utf8"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// Estimator counts the tokens of a prompt from the raw JSON of a request, in any
// dialect, without decoding it. Short text is counted exactly, long text by
// samples of this very text: 8 windows of 256 bytes spread evenly over it, whose
// tokens per byte stand for the rest. So the time hardly grows with the prompt.
// Text is counted once, in tokens of o200k_base; Estimate.For turns that into the
// tokens of one family of models. It is safe for concurrent use and allocates
// nothing once its buffers have grown.
type Estimator struct {
	encoding func() *Encoding
}

// NewEstimator returns an estimator over o200k_base and starts to build the
// encoding in the background; an estimate before that waits for it.
func NewEstimator() *Estimator {
	go O200k()
	return &Estimator{encoding: O200k}
}

// Prompt is the parts of a request that a model reads, as raw JSON that is only
// read. Any may be empty. Malformed JSON yields some estimate.
type Prompt struct {
	System    []byte // where it is beside the messages
	Messages  []byte // a list of them; a string, or a list of strings, is one
	Documents []byte
	Tools     []byte
	Format    []byte // the schema of the answer
}

// Member takes a top-level member of a request of any dialect, if it is part of
// the prompt. Of the names for one part no dialect has two; the last one counts.
func (p *Prompt) Member(name, value []byte) {
	switch string(name) {
	case "messages", "contents", "input", "prompt", "texts", "inputs":
		p.Messages = value
	case "system", "systemInstruction", "system_instruction", "instructions":
		p.System = value
	case "documents":
		p.Documents = value
	case "tools", "functions":
		p.Tools = value
	case "toolConfig": // Bedrock's holds the tools, Gemini's says which may be called
		if bytes.Contains(value, []byte(`"toolSpec"`)) {
			p.Tools = value
		}
	case "response_format", "output_format", "output_config", "outputConfig", "text":
		p.Format = value
	}
}

// Estimate is what an Estimator found in a prompt: its parts, from which For
// computes the tokens of a family of models. Text is in tokens of o200k_base.
type Estimate struct {
	Kind     Kind  // of the text of the messages
	Text     int64 // tokens of the messages and the system prompt
	Messages int64 // a system prompt beside them included

	Tools, Format Definitions

	Images  Images
	Pages   int64 // of documents
	Audio   int64 // milliseconds
	Video   int64 // milliseconds
	Sealed  int64 // bytes of signatures, and of encrypted reasoning, that the client hands back
	Sampled bool  // the text was too long to be counted whole
	Cited   bool  // Anthropic's citations are asked for, which has instructions of its own
	Unseen  bool  // a part is not in the request: a file by its id, an image by its address, a hosted tool's finds
}

// Definitions is the strings of tools, or of a response format, without the words
// of the notation itself.
type Definitions struct {
	Text    int64 // tokens
	Strings int64 // names and descriptions
}

const (
	exactBytes  = 2048 // text up to here is counted whole
	windows     = 8
	windowBytes = 256
	alignBytes  = 48 // how far a window's edge moves to fall on a blank
)

// Estimate counts the parts of a prompt.
func (e *Estimator) Estimate(p Prompt) Estimate {
	s := scratches.Get().(*scratch)
	defer s.release()
	s.found.Messages = min(1, s.walk(p.System)) + s.walk(p.Messages)
	s.walk(p.Documents)
	s.found.Text += s.count(e.encoding)
	s.found.Kind = s.sample.kind()
	s.found.Tools = e.definitions(s, p.Tools)
	s.found.Format = e.definitions(s, p.Format)
	return s.found
}

func (e *Estimator) definitions(s *scratch, raw []byte) (d Definitions) {
	s.clear()
	s.definitions(raw)
	d.Strings = int64(len(s.spans))
	d.Text = s.count(e.encoding)
	return d
}

// TextFor estimates the tokens of plain text, such as a reply that has passed, at a
// family of models. Families whose
// encoding is public are counted in it; the first count builds it.
func (e *Estimator) TextFor(p *Profile, text []byte) int64 {
	s := scratches.Get().(*scratch)
	defer s.release()
	s.plain = true
	s.text(text)
	if p.encoding != nil {
		return s.count(p.encoding)
	}
	n := s.count(e.encoding)
	return int64(math.Round(float64(n) * p.Text[s.sample.kind()]))
}

// scratch is the working memory of one estimate.
type scratch struct {
	found  Estimate
	merger merger
	spans  [][]byte // the text within the raw JSON, in order: the insides of strings
	total  int      // bytes of the spans
	rest   int      // bytes of more text than there is room for
	plain  bool     // the spans hold no escapes
	sample sample   // of the bytes that are counted
	media  media    // what the part at hand says that it is
	buffer []byte

	// Bytes of encrypted reasoning since the last message of the user; OpenAI drops
	// what is older. developers.openai.com/api/docs/guides/reasoning
	thought int64
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// release hands s back, without what it knows of the request.
func (s *scratch) release() {
	s.clear()
	s.found, s.plain = Estimate{}, false
	scratches.Put(s)
}

// clear forgets the text.
func (s *scratch) clear() {
	clear(s.spans)
	s.spans, s.total, s.rest, s.sample = s.spans[:0], 0, 0, sample{}
}

// maxSpans bounds the memory that millions of tiny strings take.
const maxSpans = 1 << 16

func (s *scratch) text(text []byte) {
	switch {
	case len(text) == 0:
	case len(s.spans) == maxSpans:
		s.rest += len(text)
	default:
		s.spans = append(s.spans, text)
		s.total += len(text)
	}
}

// count returns the tokens of the spans.
func (s *scratch) count(build func() *Encoding) (tokens int64) {
	if s.total == 0 {
		return 0
	}
	encoding := build()
	if s.total <= exactBytes {
		for _, text := range s.spans {
			tokens += s.tokens(encoding, text)
		}
		return tokens
	}
	s.found.Sampled = true
	var counted, read int64
	w := window{spans: s.spans}
	for i := range windows {
		t, n := s.window(encoding, &w, i*(s.total-windowBytes)/(windows-1))
		counted, read = counted+t, read+n
	}
	all := int64(s.total + s.rest)
	if read == 0 {
		return all / 4
	}
	return (counted*all + read/2) / read
}

// tokens counts the inside of a JSON string.
func (s *scratch) tokens(encoding *Encoding, text []byte) int64 {
	text = s.unescaped(text)
	s.sample.add(text)
	return int64(encoding.count(&s.merger, text))
}

// window is a place in the text: the spans from the one at offset at on.
type window struct {
	spans [][]byte
	at    int
}

// window counts the tokens of the window that starts at an offset into the text,
// and the bytes that it really covers: its edges move to a blank where one is
// near. w moves on to it.
func (s *scratch) window(encoding *Encoding, w *window, start int) (tokens, read int64) {
	for len(w.spans) > 0 && w.at+len(w.spans[0]) <= start {
		w.at += len(w.spans[0])
		w.spans = w.spans[1:]
	}
	at, end := w.at, start+windowBytes
	for _, text := range w.spans {
		if at >= end {
			break
		}
		from, to := s.align(text, start-at), s.align(text, end-at)
		if from < to {
			tokens += s.tokens(encoding, text[from:to])
			read += int64(to - from)
		}
		at += len(text)
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
		if text[i-back] == '\\' && !escaped(text[max(0, i-back-alignBytes):i-back]) {
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
	if s.plain || bytes.IndexByte(text, '\\') < 0 {
		return text
	}
	s.buffer = jsonscan.AppendText(s.buffer[:0], text)
	return s.buffer
}
