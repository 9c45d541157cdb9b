package pricing

import (
	"sync"
	"unicode"
	"unicode/utf8"
)

// class is the set of properties of a rune that the splitting rules ask for.
type class uint8

const (
	upper    class = 1 << iota // Lu, Lt
	lower                      // Ll
	caseless                   // Lm, Lo
	mark                       // M
	number                     // N
	space                      // \s
	newline                    // \r \n
)

const (
	letter = upper | lower | caseless
	head   = upper | caseless | mark // what the capital part of a word may hold
	tail   = lower | caseless | mark // what the small part of a word may hold
)

// classes holds the class of every rune of the basic plane.
var classes = sync.OnceValue(func() *[0x10000]class {
	var t [0x10000]class
	for i := range t {
		t[i] = classify(rune(i))
	}
	return &t
})

func classify(r rune) (c class) {
	set := func(is bool, bit class) {
		if is {
			c |= bit
		}
	}
	set(unicode.In(r, unicode.Lu, unicode.Lt), upper)
	set(unicode.Is(unicode.Ll, r), lower)
	set(unicode.In(r, unicode.Lm, unicode.Lo), caseless)
	set(unicode.Is(unicode.M, r), mark)
	set(unicode.Is(unicode.N, r), number)
	set(unicode.IsSpace(r), space)
	set(r == '\r' || r == '\n', newline)
	return c
}

// splitter cuts text into the pieces that an encoding merges within, in one pass,
// without backtracking over the text. o200k_base has the regular expression
//
//	[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?
//	[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?
//	\p{N}{1,3} |  ?[^\s\p{L}\p{N}]+[\r\n/]* | \s*[\r\n]+ | \s+(?!\S) | \s+
//
// and cl100k_base, which is plain,
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d) | [^\r\n\p{L}\p{N}]?\p{L}+ |
//	\p{N}{1,3} |  ?[^\s\p{L}\p{N}]+[\r\n]* | \s*[\r\n]+ | \s+(?!\S) | \s+
type splitter struct {
	classes *[0x10000]class
	plain   bool
}

// at returns the class and the length of the rune at p.
func (s splitter) at(text []byte, p int) (class, int) {
	if b := text[p]; b < utf8.RuneSelf {
		return s.classes[b], 1
	}
	r, n := utf8.DecodeRune(text[p:])
	if r < 0x10000 {
		return s.classes[r], n
	}
	return classify(r), n
}

// run returns the end of the longest run of runes of the set from p on.
func (s splitter) run(text []byte, p int, set class) int {
	for p < len(text) {
		for p < len(text) && text[p] < utf8.RuneSelf { // most text
			if s.classes[text[p]]&set == 0 {
				return p
			}
			p++
		}
		if p == len(text) {
			break
		}
		c, n := s.at(text, p)
		if c&set == 0 {
			break
		}
		p += n
	}
	return p
}

// next returns the end of the piece that starts at p.
func (s splitter) next(text []byte, p int) int {
	c, n := s.at(text, p)
	switch {
	case c&letter != 0:
		return s.word(text, p)
	case c&number != 0:
		return s.digits(text, p)
	case c&newline == 0:
		if end := s.prefixed(text, p, n, c); end >= 0 {
			return end
		}
	}
	if end := s.symbols(text, p); end >= 0 {
		return end
	}
	return s.spaces(text, p)
}

// word returns the end of the word that starts at p with a letter.
func (s splitter) word(text []byte, p int) int {
	if s.plain {
		return s.run(text, p, letter)
	}
	if end := s.lowerWord(text, p); end >= 0 {
		return end
	}
	return s.upperWord(text, p)
}

// prefixed returns the end of a word behind one rune that is neither letter nor
// number, or -1 if none follows. The order is that of the expression's branches.
func (s splitter) prefixed(text []byte, p, n int, c class) int {
	if s.plain {
		if end := contraction(text, p); end > p {
			return end
		}
		if end := s.run(text, p+n, letter); end > p+n {
			return end
		}
		return -1
	}
	if end := s.lowerWord(text, p+n); end >= 0 {
		return end
	}
	if c&mark != 0 {
		if end := s.lowerWord(text, p); end >= 0 {
			return end
		}
	}
	return s.upperWord(text, p+n)
}

// lowerWord matches head*tail+ and a contraction; -1 if there is no match.
func (s splitter) lowerWord(text []byte, p int) int {
	i, both := p, -1 // both: behind the last rune that head and tail share
	for i < len(text) {
		c, n := s.at(text, i)
		if c&head == 0 {
			break
		}
		i += n
		if c&(caseless|mark) != 0 {
			both = i
		}
	}
	if end := s.run(text, i, tail); end > i {
		return contraction(text, end)
	}
	if both >= 0 {
		return contraction(text, both)
	}
	return -1
}

// upperWord matches head+ and a contraction, where no tail follows; -1 if there is no match.
func (s splitter) upperWord(text []byte, p int) int {
	end := s.run(text, p, head)
	if end == p {
		return -1
	}
	return contraction(text, end)
}

// contraction returns the end of 's, 't, 're, 've, 'm, 'll or 'd at i, or i.
func contraction(text []byte, i int) int {
	if i+1 >= len(text) || text[i] != '\'' {
		return i
	}
	second := byte(0)
	if i+2 < len(text) {
		second = text[i+2] | 0x20
	}
	switch text[i+1] | 0x20 {
	case 's', 't', 'm', 'd':
		return i + 2
	case 'r', 'v':
		if second == 'e' {
			return i + 3
		}
	case 'l':
		if second == 'l' {
			return i + 3
		}
	}
	if text[i+1] == 0xC5 && i+2 < len(text) && text[i+2] == 0xBF { // ſ folds to s
		return i + 3
	}
	return i
}

// digits returns the end of up to three digits.
func (s splitter) digits(text []byte, p int) int {
	for count := 0; count < 3 && p < len(text); count++ {
		c, n := s.at(text, p)
		if c&number == 0 {
			break
		}
		p += n
	}
	return p
}

// symbols matches an optional blank, symbols, then line ends, and slashes unless plain; -1 if there is no match.
func (s splitter) symbols(text []byte, p int) int {
	if text[p] == ' ' {
		p++
	}
	start := p
	for p < len(text) {
		c, n := s.at(text, p)
		if c&(space|letter|number) != 0 {
			break
		}
		p += n
	}
	if p == start {
		return -1
	}
	for p < len(text) && (text[p] == '\r' || text[p] == '\n' || text[p] == '/' && !s.plain) {
		p++
	}
	return p
}

// spaces matches white space up to its last line end; else all but the last rune
// before a word; else all.
func (s splitter) spaces(text []byte, p int) int {
	i, last, lineEnd := p, p, -1
	for i < len(text) {
		c, n := s.at(text, i)
		if c&space == 0 {
			break
		}
		last = i
		i += n
		if c&newline != 0 {
			lineEnd = i
		}
	}
	switch {
	case lineEnd >= 0:
		return lineEnd
	case i < len(text) && last > p:
		return last
	}
	return i
}
