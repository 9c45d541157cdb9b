package provider

import (
	"bytes"
	"errors"
)

// ErrElements says that a stream is not a JSON array of objects.
var ErrElements = errors.New("the stream is not a JSON array of objects")

// Elements cuts a passing JSON array of objects into its elements, whatever the
// boundaries of the reads: Gemini's streamGenerateContent without alt=sse. Each
// element has what stands before it, and the end of the array is one more, so that
// nothing is lost. The zero value is ready.
type Elements struct {
	held
	scanned  int // bytes of what is held that have been looked at
	depth    int
	inString bool
	escaped  bool
}

// Feed returns the elements that p completes, one behind the other; what remains is
// kept for the next Feed. The result aliases p or the Elements and is valid until
// the next Feed.
func (e *Elements) Feed(p []byte) (whole []byte, err error) {
	return e.feed(p, func(b []byte) (int, error) {
		n := e.scan(b)
		if e.depth < 0 {
			return 0, ErrElements
		}
		return n, nil
	})
}

// scan goes on where the last one stopped and returns the end of the last whole
// element, or of the array.
func (e *Elements) scan(b []byte) int {
	end := 0
	for i := e.scanned; i < len(b) && e.depth >= 0; i++ {
		switch c := b[i]; {
		case e.inString:
			e.inString = e.escaped || c != '"'
			e.escaped = c == '\\' && !e.escaped
		case e.depth == 0 && c != '[', e.depth == 1 && c != '{' && c != ']':
			if c > ' ' && !(e.depth == 1 && c == ',') {
				e.depth = -1
			}
		case c == '"':
			e.inString = true
		case c == '{' || c == '[':
			e.depth++
		case c == '}' || c == ']':
			e.depth--
			if c == '}' && e.depth == 1 || c == ']' && e.depth == 0 {
				end = i + 1
			}
		}
	}
	e.scanned = len(b) - end
	return end
}

// NextElement cuts the first element off what Elements.Feed returned. event is the
// element with the bytes around it; data is the object alone, nil where there is none.
func NextElement(whole []byte) (event, data, rest []byte) {
	var e Elements
	start := bytes.IndexByte(whole, '{')
	if start < 0 {
		return whole, nil, nil
	}
	e.depth = 1
	for i := start; i < len(whole); {
		n := bytes.IndexByte(whole[i:], '}')
		if n < 0 {
			break
		}
		i += n + 1
		if e.scan(whole[start:i]) > 0 {
			return whole[:i], whole[start:i], whole[i:]
		}
	}
	return whole, nil, nil
}
