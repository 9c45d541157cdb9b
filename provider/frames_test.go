package provider

import (
	"encoding/base64"
	"errors"
	"testing"

	"github.com/generic-corp/halfpenny/llm"
)

// unframed is the events that a stream makes if it comes in pieces of n bytes.
func unframed(t *testing.T, contentType string, d llm.Dialect, stream string, n int) (events string) {
	t.Helper()
	f := NewFrames(contentType, d)
	for len(stream) > 0 {
		piece := stream[:min(n, len(stream))]
		stream = stream[len(piece):]
		whole, err := f.Feed([]byte(piece))
		if err != nil {
			t.Fatal(err)
		}
		for len(whole) > 0 {
			var event, data []byte
			if event, data, whole, err = f.Next(whole); err != nil {
				t.Fatal(err)
			}
			if len(event) > 0 && len(data) == 0 {
				t.Errorf("%q has no data", event)
			}
			events += string(event)
		}
	}
	return events
}

// Whatever carries a stream, and however it is split, a translator gets events.
func TestFramesMakeEvents(t *testing.T) {
	const messages = "application/vnd.amazon.eventstream"
	f := func(name, contentType string, d llm.Dialect, stream, want string) {
		t.Helper()
		for _, n := range []int{1, 2, 7, 4096} {
			if got := unframed(t, contentType, d, stream, n); got != want {
				t.Errorf("%s in pieces of %d:\n got %q\nwant %q", name, n, got, want)
			}
		}
	}
	f("events", "text/event-stream; charset=utf-8", llm.DialectOpenAI, "data: {\"a\":1}\n\nevent: b\ndata: 2\n\n", "data: {\"a\":1}\n\nevent: b\ndata: 2\n\n")
	f("an array", "application/json; charset=UTF-8", llm.DialectGemini, "[{\n  \"a\": [1]\n}\n,\r\n{\"b\":\"]},\\\"\"}\n]\n", "data: {   \"a\": [1] }\n\ndata: {\"b\":\"]},\\\"\"}\n\n")
	f("messages", messages, llm.DialectBedrock,
		string(appendMessage(nil, "event", "contentBlockDelta", []byte(`{"delta":{"text":"é"}}`)))+string(appendMessage(nil, "exception", "throttlingException", []byte(`{"message":"slow"}`))),
		"event: contentBlockDelta\ndata: {\"delta\":{\"text\":\"é\"}}\n\nevent: throttlingException\ndata: {\"message\":\"slow\"}\n\n")
	inner := base64.StdEncoding.EncodeToString([]byte(`{"type":"message_stop"}`))
	f("an invocation", messages, llm.DialectAnthropic, string(appendMessage(nil, "event", "chunk", []byte(`{"bytes":"`+inner+`"}`))), "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
	f("its failure", messages, llm.DialectAnthropic, string(appendMessage(nil, "exception", "throttlingException", []byte(`{"message":"slow"}`))),
		"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"slow\"}}\n\n")
	f("an error", messages, llm.DialectBedrock, string(appendMessage(nil, "error", "InternalError", nil)), "event: InternalError\ndata: {\"message\":\"InternalError\"}\n\n")
}

func TestFramesRefuseWhatIsNone(t *testing.T) {
	if f := NewFrames("application/json", llm.DialectGemini); !f.Array() || f.ServerSent() {
		t.Error("an array is taken for events")
	} else if _, err := f.Feed([]byte(`{"error":{}}`)); !errors.Is(err, ErrElements) {
		t.Errorf("an object: %v", err)
	}
	f := NewFrames("application/vnd.amazon.eventstream", llm.DialectBedrock)
	broken := appendMessage(nil, "event", "chunk", []byte("ninebytes"))
	broken[len(broken)-1]++
	if _, err := f.Feed(broken); !errors.Is(err, ErrEventStream) {
		t.Errorf("a wrong checksum: %v", err)
	}
}

// FuzzFrames: no bytes make it panic, and however they are split, the same events come of them.
func FuzzFrames(f *testing.F) {
	f.Add(byte(0), []byte("data: {}\r\n\r\n: c\n\ndata: 1"), 3)
	f.Add(byte(1), []byte(`[{"a":"]}"},{}]`), 2)
	f.Add(byte(2), appendMessage(nil, "event", "chunk", []byte(`{"bytes":"e30="}`)), 5)
	f.Add(byte(3), appendMessage(nil, "exception", "throttlingException", []byte(`{}`)), 1)
	f.Fuzz(func(t *testing.T, kind byte, stream []byte, n int) {
		if n < 1 || len(stream) > 4096 {
			return
		}
		read := func(n int) (events string, failed bool) {
			contentType := [...]string{"text/event-stream", "application/json", "application/vnd.amazon.eventstream", "application/vnd.amazon.eventstream"}[kind%4]
			frames := NewFrames(contentType, [...]llm.Dialect{llm.DialectOpenAI, llm.DialectGemini, llm.DialectBedrock, llm.DialectAnthropic}[kind%4])
			for rest := stream; len(rest) > 0; {
				piece := rest[:min(n, len(rest))]
				rest = rest[len(piece):]
				whole, err := frames.Feed(piece)
				for err == nil && len(whole) > 0 {
					var event []byte
					event, _, whole, err = frames.Next(whole)
					events += string(event)
				}
				if err != nil {
					return events, true
				}
			}
			return events, false
		}
		whole, failed := read(len(stream) + 1)
		split, alsoFailed := read(n)
		if failed != alsoFailed || !failed && whole != split {
			t.Fatalf("in pieces of %d: %q, %t; whole: %q, %t", n, split, alsoFailed, whole, failed)
		}
	})
}
