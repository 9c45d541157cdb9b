package pricing

// Kind is a kind of text. Tokenizers differ more between kinds than within one.
type Kind uint8

// The kinds of text. Calibrations are stored under their names.
const (
	Prose  Kind = iota // English, and what is written in Latin letters
	Code               // programs, markup, JSON
	CJK                // Chinese, Japanese, Korean
	Script             // any other script
	Dense              // base64, keys, one endless word

	// Kinds is the number of kinds.
	Kinds = int(iota)
)

var kindNames = [Kinds]string{"prose", "code", "cjk", "script", "dense"}

// String returns the name of the kind, under which calibrations are stored.
func (k Kind) String() string {
	if int(k) < Kinds {
		return kindNames[k]
	}
	return "unknown"
}

// sample counts every few bytes of the text by what they are.
type sample struct {
	counts [byteClasses]int32
}

// The classes of bytes that tell the kinds apart.
const (
	letterByte = iota
	blankByte
	symbolByte
	cjkByte
	scriptByte
	followByte // within a rune

	byteClasses = iota
)

var byteClass = func() (t [256]uint8) {
	for b := range t {
		switch {
		case b == ' ' || b == '\n' || b == '\t' || b == '\r':
			t[b] = blankByte
		case b < 0x80 && (b|0x20 >= 'a' && b|0x20 <= 'z' || b >= '0' && b <= '9'),
			b == '.', b == ',', b == '\'', b == '-', b == '!', b == '?',
			b >= 0xC2 && b <= 0xC7, b == 0xE2: // Latin letters with accents, typographic marks
			t[b] = letterByte
		case b < 0x80:
			t[b] = symbolByte
		case b < 0xC0:
			t[b] = followByte
		case b >= 0xE3 && b <= 0xED:
			t[b] = cjkByte
		default:
			t[b] = scriptByte
		}
	}
	return t
}()

// sampleStride is how many bytes lie between those that are looked at. It is no
// multiple of three, so that text of three-byte runes is met at all their bytes.
const sampleStride = 7

func (s *sample) add(text []byte) {
	for i := 0; i < len(text); i += sampleStride {
		s.counts[byteClass[text[i]]]++
	}
}

// kind judges by the shares of the classes.
func (s *sample) kind() Kind {
	c := &s.counts
	total := c[letterByte] + c[blankByte] + c[symbolByte] + c[cjkByte] + c[scriptByte] + c[followByte]
	switch {
	case 10*c[cjkByte] > total: // a rune of three bytes has one such
		return CJK
	case 6*c[scriptByte] > total: // of two, mostly
		return Script
	case 7*c[symbolByte] > total:
		return Code
	case total >= 24 && 25*c[blankByte] < total:
		return Dense
	}
	return Prose
}
