package http1

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/generic-corp/halfpenny/internal/blankline"
)

// maxHead bounds the head of a reply in bytes: it must fit into a connection's reader.
const maxHead = readerSize

var (
	errHead    = errors.New("the reply's head is not HTTP/1.1")
	errHeadBig = errors.New("the reply's head is larger than 32 KiB")
	errFraming = errors.New("the reply's length is ambiguous")
)

// readReply reads a reply's head, past interim ones, and frames its body (RFC 9112).
// It does for the replies of an API what http.ReadResponse does for all, with a
// third of its allocations: one string holds the whole head.
func readReply(br *bufio.Reader, r *http.Request) (*http.Response, error) {
	for {
		resp, err := readHead(br, r)
		if err != nil || resp.StatusCode >= 200 {
			return resp, err
		}
	}
}

func readHead(br *bufio.Reader, r *http.Request) (*http.Response, error) {
	head, err := wholeHead(br)
	if err != nil {
		return nil, err
	}
	line, rest := cutLine(head)
	resp := &http.Response{Request: r, ProtoMajor: 1, ProtoMinor: 1, Proto: "HTTP/1.1", Header: make(http.Header, strings.Count(rest, "\n"))}
	if err := statusLine(resp, line); err != nil {
		return nil, err
	}
	if err := fields(resp.Header, rest); err != nil {
		return nil, err
	}
	return resp, frame(resp, br)
}

// wholeHead takes everything up to and with the first empty line off br.
func wholeHead(br *bufio.Reader) (string, error) {
	for looked := 0; ; {
		have, err := br.Peek(max(1, br.Buffered()))
		if n := blankline.End(have, looked); n > 0 {
			head := string(have[:n])
			_, err := br.Discard(n)
			return head, err
		}
		switch {
		case err != nil && len(have) > 0 && errors.Is(err, io.EOF):
			return "", io.ErrUnexpectedEOF
		case err != nil:
			return "", err
		case len(have) >= maxHead:
			return "", errHeadBig
		}
		looked = max(0, len(have)-3)
		if _, err := br.Peek(len(have) + 1); err != nil { // waits for more
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return "", err
		}
	}
}

func cutLine(s string) (line, rest string) {
	line, rest, _ = strings.Cut(s, "\n")
	return strings.TrimSuffix(line, "\r"), rest
}

func statusLine(resp *http.Response, line string) error {
	proto, status, ok := strings.Cut(line, " ")
	if !ok || len(status) < 3 || len(status) > 3 && status[3] != ' ' {
		return errHead
	}
	switch proto {
	case "HTTP/1.1":
	case "HTTP/1.0":
		resp.Proto, resp.ProtoMinor = proto, 0
	default:
		return errHead
	}
	code, err := strconv.ParseUint(status[:3], 10, 16)
	if err != nil || code < 100 {
		return errHead
	}
	resp.Status, resp.StatusCode = status, int(code)
	return nil
}

// fields reads the header lines into h.
func fields(h http.Header, lines string) error {
	values := make([]string, 0, strings.Count(lines, "\n"))
	for {
		var line string
		line, lines = cutLine(lines)
		if line == "" {
			return nil
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !token(name) || !printable(value) {
			return errHead
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
		values = append(values, strings.Trim(value, " \t"))
		if old := h[name]; old != nil {
			h[name] = append(old, values[len(values)-1])
		} else {
			h[name] = values[len(values)-1 : len(values) : len(values)]
		}
	}
}

// token reports whether s may be a field's name: RFC 9110, 5.6.2.
func token(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// printable reports whether s has no control characters but tabs.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 && s[i] != '\t' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// frame finds where the body ends: RFC 9112, 6.3.
func frame(resp *http.Response, br *bufio.Reader) error {
	h := resp.Header
	resp.Close = closes(resp)
	resp.Body, resp.ContentLength = http.NoBody, 0
	if resp.StatusCode < 200 || resp.StatusCode == http.StatusNoContent || resp.StatusCode == http.StatusNotModified {
		return nil
	}
	lengths, codings := h["Content-Length"], h["Transfer-Encoding"]
	switch {
	case len(codings) > 1 || len(codings) > 0 && (len(lengths) > 0 || !strings.EqualFold(codings[0], "chunked") || resp.ProtoMinor == 0):
		return errFraming
	case len(codings) == 1:
		resp.TransferEncoding, resp.ContentLength = codings, -1
		resp.Body = &chunked{chunks: httputil.NewChunkedReader(br), br: br}
	case len(lengths) > 0:
		n, err := strconv.ParseUint(lengths[0], 10, 63)
		if err != nil || len(lengths) > 1 {
			return errFraming
		}
		resp.ContentLength = int64(n)
		if n > 0 {
			resp.Body = &sized{r: br, left: int64(n)}
		}
	default: // until the connection ends
		resp.Close, resp.ContentLength = true, -1
		resp.Body = io.NopCloser(br)
	}
	return nil
}

func closes(resp *http.Response) bool {
	for _, v := range resp.Header["Connection"] {
		for token := range strings.SplitSeq(v, ",") {
			switch token = strings.TrimSpace(token); {
			case strings.EqualFold(token, "close"):
				return true
			case strings.EqualFold(token, "keep-alive") && resp.ProtoMinor == 0:
				return false
			}
		}
	}
	return resp.ProtoMinor == 0
}

// sized is a body of known length.
type sized struct {
	r    io.Reader
	left int64
}

// Read returns io.EOF with the last byte, and io.ErrUnexpectedEOF where the body is cut.
func (s *sized) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > s.left {
		p = p[:s.left]
	}
	n, err := s.r.Read(p)
	s.left -= int64(n)
	switch {
	case s.left == 0:
		return n, io.EOF
	case errors.Is(err, io.EOF):
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

// Close does nothing: the connection is the exchange's.
func (s *sized) Close() error { return nil }

// chunked is a body in chunks. Behind the last one stand trailers, which are
// dropped, and an empty line.
type chunked struct {
	chunks io.Reader
	br     *bufio.Reader
	done   bool
}

// Read returns what has arrived of the chunks.
func (c *chunked) Read(p []byte) (int, error) {
	if c.done {
		return 0, io.EOF
	}
	n, err := c.chunks.Read(p)
	if errors.Is(err, io.EOF) {
		c.done = true
		if err := c.trailers(); err != nil {
			return n, fmt.Errorf("cannot read the trailers: %w", err)
		}
	}
	return n, err
}

func (c *chunked) trailers() error {
	for total := 0; ; {
		line, err := c.br.ReadSlice('\n')
		if total += len(line); total > maxHead {
			return errHeadBig
		}
		switch {
		case errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		case string(line) == "\r\n":
			return nil
		case !bytes.HasSuffix(line, []byte("\r\n")) || bytes.IndexByte(line, ':') < 1:
			return errFraming
		}
	}
}

// Close does nothing: the connection is the exchange's.
func (c *chunked) Close() error { return nil }
