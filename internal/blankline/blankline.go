// Package blankline finds the empty line that ends the head of an HTTP message
// (RFC 9112) and a server-sent event (WHATWG HTML, 9.2).
package blankline

import "bytes"

// End returns the offset behind the first empty line of b, 0 if there is none.
// Lines end in CRLF or LF. The search begins at from, which must not lie behind
// the line end before the empty line.
func End(b []byte, from int) int {
	for i := from; ; {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return 0
		}
		i += n + 1
		switch {
		case i < len(b) && b[i] == '\n':
			return i + 1
		case i+1 < len(b) && b[i] == '\r' && b[i+1] == '\n':
			return i + 2
		}
	}
}
