package provider

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/llm"
)

// Frames cuts the passing bytes of a stream into what its meter and its translator
// read, whatever carries it: server-sent events, Gemini's JSON array, or an AWS event
// stream.
type Frames struct {
	carrier  carrier
	dialect  llm.Dialect
	events   Events
	elements Elements
	messages EventStream
	event    []byte // a frame that was put into the form of an event
}

type carrier uint8

const (
	carriedByEvents carrier = iota
	carriedByArray
	carriedByMessages
)

// NewFrames returns the Frames of a reply's content type in a dialect.
func NewFrames(contentType string, d llm.Dialect) Frames {
	f := Frames{dialect: d}
	switch {
	case strings.HasPrefix(contentType, "application/vnd.amazon.eventstream"):
		f.carrier = carriedByMessages
	case d == llm.DialectGemini && strings.HasPrefix(contentType, "application/json"):
		f.carrier = carriedByArray
	}
	return f
}

// ServerSent reports whether the stream is one of server-sent events.
func (f *Frames) ServerSent() bool { return f.carrier == carriedByEvents }

// Array reports whether the stream is a JSON array.
func (f *Frames) Array() bool { return f.carrier == carriedByArray }

// Feed returns the frames that p completes, one behind the other; what remains is kept
// for the next Feed. The result aliases p or the Frames and is valid until the next Feed.
func (f *Frames) Feed(p []byte) (whole []byte, err error) {
	switch f.carrier {
	case carriedByArray:
		return f.elements.Feed(p)
	case carriedByMessages:
		return f.messages.Feed(p)
	}
	return f.events.Feed(p)
}

// Rest returns what follows the last whole frame. It is valid until the next Feed.
func (f *Frames) Rest() []byte {
	switch f.carrier {
	case carriedByArray:
		return f.elements.Rest()
	case carriedByMessages:
		return f.messages.Rest()
	}
	return f.events.Rest()
}

// Next cuts the first frame off what Feed returned: as an event for a Translator, nil
// where there is none in it, and as data for a Meter. They are valid until the next Next.
func (f *Frames) Next(whole []byte) (event, data, rest []byte, err error) {
	switch f.carrier {
	case carriedByArray:
		_, data, rest = NextElement(whole)
		return f.wrapped(nil, data), data, rest, nil
	case carriedByMessages:
		return f.message(whole)
	}
	event, rest = NextEvent(whole)
	return event, Data(nil, event), rest, nil
}

// message reads one message of AWS's. An exception is an event of its name.
func (f *Frames) message(whole []byte) (event, data, rest []byte, err error) {
	data, rest = NextMessage(whole)
	m, err := ParseMessage(data)
	if err != nil {
		return nil, nil, nil, err
	}
	ended := string(m.Type) != "event"
	if ended && len(m.Payload) == 0 { // an error, which has its text in a header
		m.Payload = append(appendString([]byte(`{"message":`), string(m.Event)), '}')
	}
	switch {
	case f.dialect != llm.DialectAnthropic:
		return f.wrapped(m.Event, m.Payload), data, rest, nil
	case ended:
		event = f.wrapped([]byte("error"), anthropicFailure(&m))
	default:
		if event, err = invokeEvent(m.Payload); err != nil {
			return nil, nil, nil, err
		}
	}
	return event, Data(nil, event), rest, nil
}

// anthropicFailure is an exception of AWS's as an error of Anthropic's.
func anthropicFailure(m *Message) []byte {
	kind := "api_error"
	switch string(m.Event) {
	case "throttlingException":
		kind = "rate_limit_error"
	case "validationException":
		kind = "invalid_request_error"
	case "serviceUnavailableException", "modelTimeoutException":
		kind = "overloaded_error"
	}
	out := appendString([]byte(`{"type":"error","error":{"type":`), kind)
	return append(appendString(append(out, `,"message":`...), gjson.GetBytes(m.Payload, "message").String()), "}}"...)
}

// wrapped puts JSON into the form of an event.
func (f *Frames) wrapped(name, data []byte) []byte {
	if len(data) == 0 {
		return nil
	}
	f.event = appendEvent(f.event[:0], name, data)
	return f.event
}
