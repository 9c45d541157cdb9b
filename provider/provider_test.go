package provider

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
	"github.com/generic-corp/halfpenny/llm"
)

// TestKinds holds every registered provider to what the gateway needs of it.
func TestKinds(t *testing.T) {
	kinds := Kinds()
	if len(kinds) < 13 {
		t.Fatalf("only %d kinds", len(kinds))
	}
	for _, k := range kinds {
		base := k.BaseURL
		if base == "" {
			base = "https://example.com/openai/v1/"
		}
		a, err := k.New(base)
		if err != nil {
			t.Errorf("%s: %v", k.Name, err)
			continue
		}
		r := &http.Request{Header: http.Header{}}
		if err := a.Prepare(r, llm.EndpointChat, "m", "secret"); err != nil {
			t.Errorf("%s: %v", k.Name, err)
		}
		if a.Name() != k.Name || a.Dialect(llm.EndpointChat) != llm.DialectOpenAI || !strings.HasSuffix(r.URL.Path, "/chat/completions") || strings.Contains(r.URL.Path, "//") {
			t.Errorf("%s: name %q, URL %s", k.Name, a.Name(), r.URL)
		}
		if len(r.Header) != 1 || !strings.HasSuffix(fmt.Sprint(r.Header), "secret]]") {
			t.Errorf("%s: credentials %v", k.Name, r.Header)
		}
		if a.Prepare(r, llm.EndpointModels, "m", "") == nil {
			t.Errorf("%s: prepared an endpoint that it does not serve", k.Name)
		}
	}
}

func TestAnthropicDropsInSilence(t *testing.T) {
	k, _ := Lookup("anthropic")
	a, err := k.New(k.BaseURL)
	if err != nil {
		t.Fatal(err)
	}
	filter := a.(FieldFilter)
	if filter.Accepts(llm.EndpointChat, "response_format") || !filter.Accepts(llm.EndpointChat, "tools") {
		t.Error("Anthropic's compatible endpoint ignores response_format and honours tools")
	}
}

func call(body, send string, askUsage bool) Call {
	c := Call{Send: send, Named: gjson.Get(body, "model").String(), AskUsage: askUsage}
	members, _ := jsonscan.Members(nil, []byte(body))
	for _, m := range members {
		switch string(m.Name) {
		case "model":
			c.Model = m
		case "stream_options":
			c.StreamOptions = m
		case "models", "provider":
			c.Drop = append(c.Drop, m)
		}
	}
	return c
}

// TestRequestEdits: only the model's name and the request for usage are ever edited.
func TestRequestEdits(t *testing.T) {
	f := func(body, send string, askUsage bool, want string) {
		t.Helper()
		got, err := NewTranslator(llm.DialectOpenAI, llm.DialectOpenAI, call(body, send, askUsage)).Request(nil, []byte(body))
		if strings.ReplaceAll(string(got), " ", "") != strings.ReplaceAll(want, " ", "") || err != nil || !gjson.ValidBytes(got) {
			t.Errorf("got  %s, %v\nwant %s", got, err, want)
		}
	}
	f(`{"model":"a", "x":1 }`, "a", false, `{"model":"a", "x":1 }`)
	f(`{"model":"a", "x":1 }`, "b\"", false, `{"model":"b\"", "x":1 }`)
	f(` {"model":"a","stream":true}`, "a", true, ` {"stream_options":{"include_usage":true},"model":"a","stream":true}`)
	f(`{"stream_options":null,"model":"a"}`, "bb", true, `{"stream_options":{"include_usage":true},"model":"bb"}`)
	f(`{"model":"a","stream_options":{"include_usage":false,"y":2}}`, "bb", true, `{"model":"bb","stream_options":{"include_usage":true,"y":2}}`)
	f(`{"models":["b"],"model":"a","x":1}`, "a", false, `{"model":"a","x":1}`)
	f(`{"model":"a", "provider":{"only":[]} }`, "a", false, `{"model":"a" }`)
	f(`{"model":"a","models":["b"] , "provider":{},"x":1}`, "bb", true, `{"stream_options":{"include_usage":true},"model":"bb", "x":1}`)
	f(`{"x":1,"model":"a","models":["b"],"provider":{}}`, "a", false, `{"x":1,"model":"a"}`)
	f(`{"model":"a","stream_options":{}}`, "a", true, `{"model":"a","stream_options":{"include_usage":true}}`)
}

func TestOnlyTheAddedUsageChunkIsDropped(t *testing.T) {
	f := func(event string, dropped bool) {
		t.Helper()
		got, err := NewTranslator(llm.DialectOpenAI, llm.DialectOpenAI, Call{AskUsage: true, DropUsage: true}).Event(nil, []byte(event))
		want := event
		if dropped {
			want = ""
		}
		if err != nil || string(got) != want {
			t.Errorf("%q became %q, %v", event, got, err)
		}
	}
	f("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n", true)
	f("data: {\"choices\":[{\"delta\":{}}],\"usage\":null}\n\n", false)
	f("data: {\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":1}}\n\n", false)
	f("data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n", false)
	f("data: [DONE]\n\n", false)
	f(": ping\n\n", false)
}

func TestOpenAIUsage(t *testing.T) {
	f := func(in string, want llm.Usage) {
		t.Helper()
		if got, err := openaiUsage([]byte(in)); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s\n got %+v\nwant %+v", in, got, want)
		}
	}
	f(`{"prompt_tokens":10,"completion_tokens":5}`, llm.Usage{Input: 10, Output: 5})
	f(`{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":4,"audio_tokens":1},"completion_tokens_details":{"reasoning_tokens":3,"audio_tokens":2}}`,
		llm.Usage{Input: 5, CacheRead: 4, AudioIn: 1, Output: 3, AudioOut: 2})
	f(`{"prompt_tokens":10,"completion_tokens":5,"total_tokens":22,"completion_tokens_details":{"reasoning_tokens":7}}`, llm.Usage{Input: 10, Output: 12})
	f(`{"prompt_tokens":10,"completion_tokens":5,"prompt_cache_hit_tokens":8}`, llm.Usage{Input: 2, CacheRead: 8, Output: 5})
	f(`{"prompt_tokens":10,"completion_tokens":5,"cached_tokens":8,"prompt_tokens_details":{"cached_tokens":0}}`, llm.Usage{Input: 2, CacheRead: 8, Output: 5})
	f(`{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":0},"prompt_cache_hit_tokens":8}`, llm.Usage{Input: 2, CacheRead: 8, Output: 5})
	f(`{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":-3}}`, llm.Usage{Input: 10, Output: 5, Clamped: true})
	f(`{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":40}}`, llm.Usage{CacheRead: 10, Output: 5, Clamped: true})
	f(`{"prompt_tokens":-1,"completion_tokens":5}`, llm.Usage{Output: 5, Clamped: true})
	f(`{"prompt_tokens":1,"completion_tokens":5,"completion_tokens_details":{"reasoning_tokens":9}}`, llm.Usage{Input: 1, Output: 5, Clamped: true})
}

func bytesCount(text []byte) int64 { return int64(len(text)) }

func TestMeterEvents(t *testing.T) {
	m := NewMeter(llm.EndpointChat, llm.DialectOpenAI, bytesCount)
	f := func(data string, want Reading) {
		t.Helper()
		m.Event([]byte(data))
		if got := *m.Reading(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("after %s\n got %+v\nwant %+v", data, got, want)
		}
	}
	f(`{"model":"m-1","service_tier":"flex","choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}`, Reading{Model: "m-1", Tier: "flex"})
	f(`{"choices":[{"delta":{"content":"héllo"}}]}`, Reading{Model: "m-1", Tier: "flex", Visible: true})
	f(`{"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":"{\"a\":1}"}}]},"finish_reason":"stop"}]}`, Reading{Model: "m-1", Tier: "flex", Visible: true, Finished: true})
	if got := m.Output(); got != int64(len("héllo"+"f"+`{"a":1}`)) {
		t.Errorf("counted %d", got)
	}
	f(`{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"cost":0.00012}}`,
		Reading{Model: "m-1", Tier: "flex", Visible: true, Finished: true, Reported: true, Usage: llm.Usage{Input: 3, Output: 2}, Cost: llm.Known(120_000)})
	f(`[DONE]`, Reading{Model: "m-1", Tier: "flex", Visible: true, Finished: true, Done: true, Reported: true, Usage: llm.Usage{Input: 3, Output: 2}, Cost: llm.Known(120_000)})
}

// TestMeterIsBounded: a stream that never reports usage is counted piece by piece.
func TestMeterIsBounded(t *testing.T) {
	m := NewMeter(llm.EndpointChat, llm.DialectOpenAI, bytesCount).(*openaiMeter)
	for range 10_000 {
		m.Event([]byte(`{"choices":[{"delta":{"content":"0123456789"}}]}`))
	}
	if cap(m.kept) > 3*keptBytes {
		t.Errorf("%d bytes kept", cap(m.kept))
	}
	if got := m.Output(); got != 100_000 {
		t.Errorf("counted %d of 100000", got)
	}
}

func TestMeterEventDoesNotAllocate(t *testing.T) {
	m := NewMeter(llm.EndpointChat, llm.DialectOpenAI, bytesCount).(*openaiMeter)
	data := []byte(`{"id":"chatcmpl-1","model":"m","choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":null}],"usage":null}`)
	m.kept = make([]byte, 0, keptBytes)
	if n := testing.AllocsPerRun(100, func() { m.Event(data) }); n != 0 {
		t.Errorf("%v allocations an event", n)
	}
}

// FuzzStream: however a stream is cut into reads, its events, its bytes and its usage are the same.
func FuzzStream(f *testing.F) {
	f.Add([]byte("data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n: ping\r\n\r\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n"), 3)
	f.Add([]byte("data: a\ndata: b\n\nevent: x\ndata:{}\n\n"), 1)
	f.Fuzz(func(t *testing.T, stream []byte, step int) {
		read := func(step int) (string, Reading) {
			var events Events
			var all []byte
			m := NewMeter(llm.EndpointChat, llm.DialectOpenAI, bytesCount)
			for b := stream; len(b) > 0; {
				n := min(len(b), step)
				whole, err := events.Feed(b[:n])
				if err != nil {
					t.Fatal(err)
				}
				for len(whole) > 0 {
					var event []byte
					event, whole = NextEvent(whole)
					all = append(append(all, event...), '|')
					m.Event(Data(nil, event))
				}
				b = b[n:]
			}
			m.Output()
			return string(append(all, events.Rest()...)), *m.Reading()
		}
		whole, wholeReading := read(len(stream) + 1)
		split, splitReading := read(max(1, step%64))
		if whole != split || fmt.Sprint(wholeReading) != fmt.Sprint(splitReading) {
			t.Fatalf("split: %q %+v\nwhole: %q %+v", split, splitReading, whole, wholeReading)
		}
		if strings.ReplaceAll(whole, "|", "") != strings.ReplaceAll(string(stream), "|", "") {
			t.Fatal("bytes were lost")
		}
	})
}

func TestData(t *testing.T) {
	f := func(event, want string) {
		t.Helper()
		if got := string(Data(nil, []byte(event))); got != want {
			t.Errorf("Data(%q) = %q, want %q", event, got, want)
		}
	}
	f("data: {}\n\n", "{}")
	f("data:{}\r\n\r\n", "{}")
	f("event: x\nid: 1\ndata: a\ndata: b\ndata: c\n\n", "a\nb\nc")
	f(": comment\n\n", "")
}

func BenchmarkMeterEvent(b *testing.B) {
	m := NewMeter(llm.EndpointChat, llm.DialectOpenAI, bytesCount)
	data := []byte(`{"id":"chatcmpl-mock0123456789abcdefghijkl","object":"chat.completion.chunk","created":1750000000,"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_0123456789","choices":[{"index":0,"delta":{"content":"the g"},"logprobs":null,"finish_reason":null}],"usage":null}`)
	b.ReportAllocs()
	for b.Loop() {
		m.(*openaiMeter).kept = m.(*openaiMeter).kept[:0]
		m.Event(data)
	}
}

// FuzzRequest: whatever is edited, what goes up is the JSON of the caller less the dropped members, with the model sent and the usage asked for.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"model":"a","models":["b"],"provider":{},"stream_options":{"x":1}}`), true)
	f.Add([]byte(`{ "provider" : {} , "model" : "a" }`), false)
	f.Add([]byte(`{"models":[1],"provider":2,"model":"a"}`), true)
	f.Fuzz(func(t *testing.T, body []byte, askUsage bool) {
		if _, err := jsonscan.Members(nil, body); err != nil {
			return
		}
		c := call(string(body), "sent", askUsage)
		if c.Model.Value == nil || strings.Count(string(body), "model") != 1+2*strings.Count(string(body), "models")/2 {
			return
		}
		got, err := NewTranslator(llm.DialectOpenAI, llm.DialectOpenAI, c).Request(nil, body)
		if err != nil {
			return
		}
		members, err := jsonscan.Members(nil, got)
		if err != nil {
			t.Fatalf("%q became %q: %v", body, got, err)
		}
		for _, m := range members {
			switch string(m.Name) {
			case "model":
				if string(m.Value) != `"sent"` {
					t.Fatalf("model %s", m.Value)
				}
			case "models", "provider":
				t.Fatalf("%q kept %s", got, m.Name)
			}
		}
		if askUsage && !gjson.GetBytes(got, "stream_options.include_usage").Bool() {
			t.Fatalf("%q does not ask for usage", got)
		}
	})
}

func TestMeterReply(t *testing.T) {
	f := func(body string, want Reading, ok bool) {
		t.Helper()
		m := NewMeter(llm.EndpointChat, llm.DialectOpenAI, bytesCount)
		if err := m.Reply([]byte(body)); (err == nil) != ok || fmt.Sprint(*m.Reading()) != fmt.Sprint(want) {
			t.Errorf("%s\n got %+v, %v\nwant %+v", body, *m.Reading(), err, want)
		}
	}
	f(`{"model":"m","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}`, Reading{Model: "m", Finished: true, Visible: true, Reported: true, Usage: llm.Usage{Input: 1, Output: 2}}, true)
	f(`{"model":"m","choices":[],"usage":null}`, Reading{Model: "m", Finished: true, Visible: true}, true)
	f(`{"usage":{"prompt_tokens":5},"model":`, Reading{}, false)
	f(`<html>`, Reading{}, false)
	f(``, Reading{}, false)
}

// FuzzMeter: no reply and no event makes the meter panic.
func FuzzMeter(f *testing.F) {
	f.Add([]byte(`{"usage":{"prompt_tokens":1,"cost":{"total_cost":1}},"choices":[{"usage":{`))
	f.Add([]byte(`{"x_groq":{"usage":{"prompt_tokens":"x"}},"usage":{}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m := NewMeter(llm.EndpointChat, llm.DialectOpenAI, bytesCount)
		m.Event(data)
		_ = m.Reply(data)
		if u := m.Reading().Usage; m.Output() < 0 || u.Input < 0 || u.CacheRead < 0 || u.Output < 0 {
			t.Fatalf("%q is read as %+v", data, u)
		}
	})
}
