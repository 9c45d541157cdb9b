package provider

import (
	"bytes"
	"errors"

	"github.com/generic-corp/halfpenny/internal/blankline"
)

// maxEvent bounds the bytes of one event that are held back.
const maxEvent = 16 << 20

// ErrEventTooLarge says that an event of a stream exceeds 16 MiB.
var ErrEventTooLarge = errors.New("an event of the stream is larger than 16 MiB")

// held is the part of a passing byte stream that is held back.
type held struct {
	buf  []byte // events that had to be put together, then the unfinished one
	used int    // bytes of buf that have been handed out
}

// feed returns the whole events of what is held and p; wholeLength says how many
// bytes at the start of its argument they take.
func (h *held) feed(p []byte, wholeLength func([]byte) (int, error)) (whole []byte, err error) {
	h.buf = append(h.buf[:0], h.buf[h.used:]...)
	h.used = 0
	if len(h.buf) == 0 {
		n, err := wholeLength(p)
		h.buf = append(h.buf, p[n:]...)
		return p[:n], err
	}
	if len(h.buf)+len(p) > maxEvent {
		return nil, ErrEventTooLarge
	}
	h.buf = append(h.buf, p...)
	h.used, err = wholeLength(h.buf)
	return h.buf[:h.used], err
}

// Rest returns what follows the last whole event. It is valid until the next Feed.
func (h *held) Rest() []byte { return h.buf[h.used:] }

// Events cuts a passing byte stream into whole server-sent events, whatever the
// boundaries of the reads (WHATWG HTML, 9.2). The zero value is ready.
type Events struct{ held }

// Feed returns the events that p completes, one behind the other, each with its
// blank line; what remains is kept for the next Feed. The result aliases p or the
// Events and is valid until the next Feed.
func (e *Events) Feed(p []byte) (whole []byte, err error) { return e.feed(p, wholeLength) }

// NextEvent cuts the first event off what Feed returned.
func NextEvent(whole []byte) (event, rest []byte) {
	n := blankline.End(whole, 0)
	return whole[:n], whole[n:]
}

// wholeLength returns the length of the whole events at the start of b.
func wholeLength(b []byte) (int, error) {
	total := 0
	for {
		n := blankline.End(b[total:], 0)
		if n == 0 {
			return total, nil
		}
		total += n
	}
}

// Data appends the data of an event to dst: its data lines, joined by newlines.
// Where there is one such line it is returned as it lies, without a copy.
func Data(dst, event []byte) []byte {
	first := true
	var data []byte
	for len(event) > 0 {
		line := event
		if i := bytes.IndexByte(event, '\n'); i >= 0 {
			line, event = event[:i], event[i+1:]
		} else {
			event = nil
		}
		value, ok := bytes.CutPrefix(bytes.TrimSuffix(line, []byte("\r")), []byte("data:"))
		if !ok {
			continue
		}
		value = bytes.TrimPrefix(value, []byte(" "))
		if first {
			data, first = value, false
			continue
		}
		data = append(append(append(dst, data...), '\n'), value...)
		dst = data[:0:0]
	}
	return data
}
