package jsonscan

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// AppendText appends the text that the inside of a JSON string means. What is no
// valid escape means itself.
func AppendText(dst, inside []byte) []byte {
	for {
		slash := bytes.IndexByte(inside, '\\')
		if slash < 0 {
			return append(dst, inside...)
		}
		dst = append(dst, inside[:slash]...)
		var n int
		dst, n = appendEscape(dst, inside[slash:])
		inside = inside[slash+n:]
	}
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
	case 'b':
		return append(out, '\b'), 2
	case 'f':
		return append(out, '\f'), 2
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
