package model

import (
	"math"
	"math/bits"
)

// Bounds of what is read of a prompt.
const (
	bucketBits = 16
	buckets    = 1 << bucketBits // of hashed words and pairs of words
	piece      = 2048            // bytes of each of the three pieces of a long prompt
	maxTokens  = 3 * piece
)

// The statistics of a prompt. The order is part of the artefact's format.
const (
	statLength     = iota // log of the bytes
	statLines             // log of the lines
	statWords             // log of the words
	statWordLength        // mean bytes of a word
	statDigits            // share of bytes
	statUpper             // share of letters
	statMarks             // share of bytes: punctuation
	statForeign           // share of bytes beyond ASCII
	statLatex             // log of the backslashes and dollars
	statCode              // share of bytes that code is full of
	statOperators         // share of bytes: arithmetic
	statOptions           // lines that begin as an option of a multiple choice does
	statChoice            // 1 where there are options
	statOption            // log of the mean bytes of an option
	statStem              // log of the bytes before the first option
	statNumbers           // log of the numbers
	statLongest           // digits of the longest number
	statDecimals          // log of the numbers with a point
	statQuestions         // log of the question marks
	statAsks              // 1 where the last mark is a question mark
	statMoney             // log of the signs of money and per cent
	statDistinct          // share of the tokens that are the first of their kind
	statQuotes            // log of the quotation marks
	statBlanks            // log of the gaps to fill
	statIndented          // share of the lines that are indented
	stats
)

// reading is what one pass over a prompt finds.
type reading struct {
	grams  []uint16 // distinct buckets, in order of appearance
	pairs  []uint32 // hashes of the pairs of neighbours that gave a gram
	stats  [stats]float32
	memory struct {
		grams [2 * maxTokens]uint16
		pairs [maxTokens]uint32
		seen  [buckets / 64]uint64
	}
}

// Classes of bytes.
const (
	isSpace = iota
	isLetter
	isDigit
	isMark
)

// classes says of each byte what it is; foreign bytes are letters. lower is the
// byte in lower case.
var classes, lower = func() (class [256]uint8, lower [256]uint8) {
	for i := range class {
		c := byte(i)
		lower[i] = c
		switch {
		case c >= 'A' && c <= 'Z':
			class[i], lower[i] = isLetter, c+'a'-'A'
		case c >= 'a' && c <= 'z' || c >= 0x80:
			class[i] = isLetter
		case c >= '0' && c <= '9':
			class[i] = isDigit
		case c > ' ' && c < 0x7f:
			class[i] = isMark
		}
	}
	return class, lower
}()

// FNV-1a, and a finish that spreads its upper bits.
const (
	hashStart = 2166136261
	hashPrime = 16777619
)

func finish(h uint32) uint32 {
	h ^= h >> 16
	h *= 0x7feb352d
	h ^= h >> 15
	h *= 0x846ca68b
	return h ^ h>>16
}

// counts are the sums of which the statistics are made.
type counts struct {
	bytes, lines, indented           int
	words, wordBytes, letters, upper int
	digits, marks, foreign           int
	latex, code, operators           int
	options, firstOption             int
	numbers, longest, decimals       int
	questions, money, quotes, blanks int
	tokens, distinct                 int
	last                             byte // the last mark
}

// read fills r from prompt, of which a long one is sampled: head, middle and tail.
func (r *reading) read(prompt []byte) {
	clear(r.memory.seen[:])
	r.grams, r.pairs = r.memory.grams[:0], r.memory.pairs[:0]
	c := counts{firstOption: -1}
	if len(prompt) <= 3*piece {
		r.scan(prompt, &c)
	} else {
		middle := (len(prompt) - piece) / 2
		r.scan(prompt[:piece], &c)
		r.scan(prompt[middle:middle+piece], &c)
		r.scan(prompt[len(prompt)-piece:], &c)
	}
	r.summarise(&c, len(prompt))
}

// scan adds a piece of the prompt to the reading.
func (r *reading) scan(p []byte, c *counts) {
	previous, first := uint32(0), true
	for i := 0; i < len(p); {
		b := p[i]
		start := i
		var token uint32
		switch classes[b] {
		case isSpace:
			if b == '\n' {
				c.newline(p, i)
			}
			i++
			continue
		case isLetter:
			token, i = word(p, i, c)
		case isDigit:
			token, i = number(p, i, c)
		default:
			i++
			c.mark(p, start)
			token = finish(uint32(b))
		}
		if start == 0 {
			c.option(p, start, 0)
		}
		c.tokens++
		if r.add(token) {
			c.distinct++
		}
		if pair := finish(previous*31 ^ token); !first && r.add(pair) {
			r.pairs = append(r.pairs, pair)
		}
		previous, first = token, false
	}
	c.bytes += len(p)
}

// add notes a hash's bucket and reports whether it is the first time.
func (r *reading) add(h uint32) bool {
	bucket := h >> (32 - bucketBits)
	cell, bit := &r.memory.seen[bucket/64], uint64(1)<<(bucket%64)
	if *cell&bit != 0 {
		return false
	}
	*cell |= bit
	r.grams = append(r.grams, uint16(bucket))
	return true
}

// word hashes the word at i and returns where it ends.
func word(p []byte, i int, c *counts) (uint32, int) {
	h, start := uint32(hashStart), i
	for ; i < len(p) && classes[p[i]] == isLetter; i++ {
		b := p[i]
		if b >= 0x80 {
			c.foreign++
		} else if b != lower[b] {
			c.upper++
		}
		h = (h ^ uint32(lower[b])) * hashPrime
	}
	c.words++
	c.wordBytes += i - start
	c.letters += i - start
	return finish(h), i
}

// number reads the digits at i, of which only how many there are is hashed: a
// number's value says little of how hard the prompt is.
func number(p []byte, i int, c *counts) (uint32, int) {
	start := i
	for i < len(p) && classes[p[i]] == isDigit {
		i++
	}
	n := i - start
	c.numbers++
	c.digits += n
	c.longest = max(c.longest, n)
	if start > 0 && p[start-1] == '.' {
		c.decimals++
	}
	return finish(hashStart ^ uint32(min(n, 4))<<8), i
}

func (c *counts) mark(p []byte, i int) {
	b := p[i]
	c.marks++
	c.last = b
	switch b {
	case '\\':
		c.latex++
	case '$':
		c.latex++
		c.money++
	case '%':
		c.money++
	case '{', '}', '[', ']', '(', ')', ';':
		c.code++
	case '=', '<', '>':
		c.code++
		c.operators++
	case '+', '-', '*', '/', '^':
		c.operators++
	case '?':
		c.questions++
	case '"', '\'', '`':
		c.quotes++
	case '_':
		c.code++
		if i > 0 && p[i-1] == '_' && (i < 2 || p[i-2] != '_') {
			c.blanks++
		}
	}
}

// newline counts a line and looks at how the next one begins.
func (c *counts) newline(p []byte, i int) {
	c.lines++
	i++
	if i >= len(p) {
		return
	}
	if p[i] == ' ' || p[i] == '\t' {
		c.indented++
	}
	c.option(p, i, c.bytes+i)
}

// option counts the line at i if it begins as an option does: "A. ", "A) " or "(A) ".
func (c *counts) option(p []byte, i, position int) {
	if p[i] == '(' {
		i++
	}
	if i+2 >= len(p) || p[i] < 'A' || p[i] > 'P' || p[i+1] != '.' && p[i+1] != ')' || p[i+2] != ' ' {
		return
	}
	c.options++
	if c.firstOption < 0 {
		c.firstOption = position
	}
}

// summarise makes the statistics of what was counted; length is of the whole prompt.
func (r *reading) summarise(c *counts, length int) {
	size := float32(max(c.bytes, 1))
	share := func(n int) float32 { return float32(n) / size }
	s := &r.stats
	*s = [stats]float32{
		statLength: logOf(length), statLines: logOf(c.lines), statWords: logOf(c.words),
		statWordLength: float32(c.wordBytes) / float32(max(c.words, 1)), statDigits: share(c.digits),
		statUpper: float32(c.upper) / float32(max(c.letters, 1)), statMarks: share(c.marks), statForeign: share(c.foreign),
		statLatex: logOf(c.latex), statCode: share(c.code), statOperators: share(c.operators),
		statOptions: float32(c.options), statNumbers: logOf(c.numbers), statLongest: float32(min(c.longest, 12)),
		statDecimals: logOf(c.decimals), statQuestions: logOf(c.questions), statMoney: logOf(c.money),
		statDistinct: float32(c.distinct) / float32(max(c.tokens, 1)), statQuotes: logOf(c.quotes), statBlanks: logOf(c.blanks),
		statIndented: float32(c.indented) / float32(max(c.lines, 1)), statStem: logOf(length),
	}
	if c.last == '?' {
		s[statAsks] = 1
	}
	if c.options > 1 {
		s[statChoice] = 1
		s[statOption] = logOf((c.bytes - c.firstOption) / c.options)
		s[statStem] = logOf(c.firstOption)
	}
}

// logOf is the logarithm to base 2 of 1+n, exact at powers of two and linear in
// between: cheaper than math.Log2, and the same on every machine.
func logOf(n int) float32 {
	v := uint64(max(n, 0)) + 1
	k := bits.Len64(v) - 1
	return float32(k) + float32(v-1<<k)/float32(uint64(1)<<k)
}

// sigmoid is the probability of a logit.
func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
