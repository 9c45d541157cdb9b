// Package jsonscan validates JSON (RFC 8259) in one pass and finds the members
// of an object where they lie, without decoding or copying them.
package jsonscan

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// MaxDepth is the deepest nesting that is accepted.
const MaxDepth = 512

// Member is one name and value of an object. Both alias the scanned bytes. Name
// is the raw text between the quotes, escapes included; Value is raw JSON without
// surrounding white space. Start is the offset of the name's opening quote in the
// scanned bytes, At that of the value.
type Member struct {
	Name, Value []byte
	Start, At   int
}

// End is the offset behind the value.
func (m *Member) End() int { return m.At + len(m.Value) }

// SyntaxError says where the bytes stop being JSON.
type SyntaxError struct {
	Offset int // bytes from the start
	Reason string
}

// Error returns the reason and the offset.
func (e *SyntaxError) Error() string { return fmt.Sprintf("%s at byte %d", e.Reason, e.Offset) }

// Members validates b as one JSON object and appends its members to dst in
// their order. The members alias b.
func Members(dst []Member, b []byte) ([]Member, error) {
	s := scanner{b: b}
	err := s.whole(func(start int, name, value []byte) {
		dst = append(dst, Member{Name: name, Value: value, Start: start, At: s.i - len(value)})
	})
	return dst, err
}

// Each validates b as one JSON object and calls f for each of its members on the
// way; after an error f may have been called for some. What f gets aliases b, and
// its value is valid JSON by then.
func Each(b []byte, f func(name, value []byte)) error {
	s := scanner{b: b}
	return s.whole(func(_ int, name, value []byte) { f(name, value) })
}

// scanner walks over b; i is the next byte. The first failure is kept.
type scanner struct {
	b     []byte
	i     int
	depth int
	err   *SyntaxError
}

func (s *scanner) fail(reason string) error {
	if s.err == nil {
		if s.i >= len(s.b) {
			reason = "unexpected end of JSON"
		}
		s.err = &SyntaxError{Offset: min(s.i, len(s.b)), Reason: reason}
	}
	return s.err
}

func (s *scanner) bad(reason string) bool {
	_ = s.fail(reason)
	return false
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\n', '\r', '\t':
			s.i++
		default:
			return
		}
	}
}

func (s *scanner) take(c byte) bool {
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

func (s *scanner) end() bool {
	s.space()
	return s.i == len(s.b) || s.bad("unexpected data after the JSON value")
}

// whole reads all of b as one object.
func (s *scanner) whole(f func(start int, name, value []byte)) error {
	s.space()
	if !s.take('{') {
		return s.fail("not a JSON object")
	}
	if !s.object(f) || !s.end() {
		return s.fail("invalid JSON")
	}
	return nil
}

// object reads behind an opening brace and hands each member to f, if there is one.
func (s *scanner) object(f func(start int, name, value []byte)) bool {
	if !s.enter() {
		return false
	}
	s.space()
	if s.take('}') {
		s.depth--
		return true
	}
	for {
		s.space()
		quote := s.i
		if !s.take('"') || !s.str() {
			return s.bad("expected a member name")
		}
		name := s.b[quote+1 : s.i-1]
		s.space()
		if !s.take(':') {
			return s.bad("expected ':'")
		}
		s.space()
		start := s.i
		if !s.value() {
			return false
		}
		if f != nil {
			f(quote, name, s.b[start:s.i])
		}
		if more, ok := s.next('}'); !more {
			return ok
		}
	}
}

// array reads behind an opening bracket.
func (s *scanner) array() bool {
	if !s.enter() {
		return false
	}
	s.space()
	if s.take(']') {
		s.depth--
		return true
	}
	for {
		s.space()
		if !s.value() {
			return false
		}
		if more, ok := s.next(']'); !more {
			return ok
		}
	}
}

func (s *scanner) enter() bool {
	s.depth++
	return s.depth <= MaxDepth || s.bad("nested too deep")
}

// next reads the comma before another item, or the closing byte.
func (s *scanner) next(closing byte) (more, ok bool) {
	s.space()
	if s.take(',') {
		return true, true
	}
	if s.take(closing) {
		s.depth--
		return false, true
	}
	return false, s.bad("expected ',' or '" + string(closing) + "'")
}

func (s *scanner) value() bool {
	if s.i >= len(s.b) {
		return s.bad("expected a value")
	}
	switch c := s.b[s.i]; c {
	case '"':
		s.i++
		return s.str()
	case '{':
		s.i++
		return s.object(nil)
	case '[':
		s.i++
		return s.array()
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	default:
		if c == '-' || c >= '0' && c <= '9' {
			return s.number()
		}
		return s.bad("expected a value")
	}
}

func (s *scanner) word(w string) bool {
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		return s.bad("expected a value")
	}
	s.i += len(w)
	return true
}

func (s *scanner) number() bool {
	s.take('-')
	if !s.take('0') && !s.digits() {
		return s.bad("expected a digit")
	}
	if s.take('.') && !s.digits() {
		return s.bad("expected a digit")
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		if !s.digits() {
			return s.bad("expected a digit")
		}
	}
	return true
}

func (s *scanner) digits() bool {
	start := s.i
	for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i > start
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// str reads behind an opening quote to behind the closing one. Eight bytes are
// looked at together for a quote, a backslash or a control byte, because a prompt
// is one long string.
func (s *scanner) str() bool {
	b, i := s.b, s.i
	for {
		for i+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[i:])
			quote, slash := x^(ones*'"'), x^(ones*'\\')
			m := ((quote-ones)&^quote | (slash-ones)&^slash | (x-ones*0x20)&^x) & highs
			if m != 0 {
				i += bits.TrailingZeros64(m) / 8
				break
			}
			i += 8
		}
		if i >= len(b) {
			s.i = i
			return s.bad("unexpected end of JSON")
		}
		switch c := b[i]; {
		case c == '"':
			s.i = i + 1
			return true
		case c == '\\':
			n := escape(b[i:])
			if n == 0 {
				s.i = i
				return s.bad("invalid escape in a string")
			}
			i += n
		case c < 0x20:
			s.i = i
			return s.bad("control character in a string")
		default:
			i++
		}
	}
}

// escape returns the length of the escape sequence at the start of b; 0: none.
func escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) < 6 {
			return 0
		}
		for _, c := range b[2:6] {
			if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
				return 0
			}
		}
		return 6
	}
	return 0
}
