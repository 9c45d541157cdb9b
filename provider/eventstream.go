package provider

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// ErrEventStream is wrapped by every error about the bytes of an AWS event stream.
var ErrEventStream = errors.New("not an AWS event stream")

// The parts of a message of the encoding application/vnd.amazon.eventstream, in
// bytes: https://docs.aws.amazon.com/lexv2/latest/dg/event-stream-encoding.html
//
//	total length 4, length of the headers 4, CRC of these 4
//	headers: length of the name 1, name, type of the value 1, value (a string: length 2, text)
//	payload
//	CRC of all before 4
//
// Numbers are big-endian, CRCs are CRC-32 as in gzip.
const (
	preludeLength = 12
	crcLength     = 4
)

// EventStream cuts a passing byte stream into whole messages of an AWS event
// stream, whatever the boundaries of the reads. The zero value is ready.
type EventStream struct{ held }

// Feed returns the messages that p completes, one behind the other, their checksums
// verified; what remains is kept for the next Feed. The result aliases p or the
// EventStream and is valid until the next Feed. After an error nothing can be read.
func (s *EventStream) Feed(p []byte) (whole []byte, err error) {
	return s.feed(p, func(b []byte) (int, error) {
		total := 0
		for {
			n, err := messageLength(b[total:])
			if n == 0 || err != nil {
				return total, err
			}
			total += n
		}
	})
}

// messageLength returns the length of the message at the start of b; 0: it is not whole yet.
func messageLength(b []byte) (int, error) {
	if len(b) < preludeLength {
		return 0, nil
	}
	length, headers := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	switch {
	case crc32.ChecksumIEEE(b[:8]) != binary.BigEndian.Uint32(b[8:]):
		return 0, fmt.Errorf("%w: the checksum of a prelude is wrong", ErrEventStream)
	case length > maxEvent:
		return 0, ErrEventTooLarge
	case length < preludeLength+crcLength || headers > length-preludeLength-crcLength:
		return 0, fmt.Errorf("%w: a message of %d bytes with headers of %d", ErrEventStream, length, headers)
	case int(length) > len(b):
		return 0, nil
	}
	end := int(length) - crcLength
	if crc32.ChecksumIEEE(b[:end]) != binary.BigEndian.Uint32(b[end:]) {
		return 0, fmt.Errorf("%w: the checksum of a message is wrong", ErrEventStream)
	}
	return int(length), nil
}

// NextMessage cuts the first message off what EventStream.Feed returned.
func NextMessage(whole []byte) (message, rest []byte) {
	if len(whole) < preludeLength {
		return nil, nil
	}
	n := min(int(binary.BigEndian.Uint32(whole)), len(whole))
	return whole[:n], whole[n:]
}

// Message is a message of an AWS event stream. Its parts alias the bytes that it was read from.
type Message struct {
	Type    []byte // :message-type: "event", "exception" or "error"
	Event   []byte // :event-type, or :exception-type, or :error-code
	Payload []byte
}

// ParseMessage reads one message that EventStream returned. The checksums are not verified again.
func ParseMessage(b []byte) (Message, error) {
	if len(b) < preludeLength+crcLength {
		return Message{}, fmt.Errorf("%w: a message of %d bytes", ErrEventStream, len(b))
	}
	length, headers := binary.BigEndian.Uint32(b[4:]), b[preludeLength:len(b)-crcLength]
	if uint64(length) > uint64(len(headers)) {
		return Message{}, fmt.Errorf("%w: headers of %d bytes in a message of %d", ErrEventStream, length, len(b))
	}
	m := Message{Payload: headers[length:]}
	for headers = headers[:length]; len(headers) > 0; {
		name, value, rest, ok := nextHeader(headers)
		if !ok {
			return Message{}, fmt.Errorf("%w: a header is cut", ErrEventStream)
		}
		switch string(name) {
		case ":message-type":
			m.Type = value
		case ":event-type", ":exception-type", ":error-code":
			m.Event = value
		}
		headers = rest
	}
	return m, nil
}

// Lengths of the values by their type; -1: in the 2 bytes before the value.
var headerLengths = [...]int{0, 0, 1, 2, 4, 8, -1, -1, 8, 16}

func nextHeader(b []byte) (name, value, rest []byte, ok bool) {
	n := int(b[0])
	if len(b) < n+2 || int(b[n+1]) >= len(headerLengths) {
		return nil, nil, nil, false
	}
	name, rest = b[1:n+1], b[n+2:]
	length := headerLengths[b[n+1]]
	if length < 0 {
		if len(rest) < 2 {
			return nil, nil, nil, false
		}
		length, rest = int(binary.BigEndian.Uint16(rest)), rest[2:]
	}
	if length > len(rest) {
		return nil, nil, nil, false
	}
	return name, rest[:length], rest[length:], true
}
