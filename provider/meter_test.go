package provider

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/generic-corp/halfpenny/llm"
)

func TestOpenAIUsage(t *testing.T) {
	f := func(in string, want llm.Usage) {
		t.Helper()
		if got, err := chatUsage(in); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
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
	// More was cached than is text, so that some of it was audio; more than there is at all is a contradiction.
	f(`{"prompt_tokens":10,"prompt_tokens_details":{"cached_tokens":8,"audio_tokens":6}}`, llm.Usage{CacheRead: 4, AudioIn: 2, AudioCached: 4})
	f(`{"prompt_tokens":10,"prompt_tokens_details":{"cached_tokens":8,"audio_tokens":6,"cached_tokens_details":{"audio_tokens":6}}}`, llm.Usage{Input: 2, CacheRead: 2, AudioCached: 6})
	f(`{"prompt_tokens":10,"prompt_tokens_details":{"audio_tokens":11}}`, llm.Usage{AudioIn: 10, Clamped: true})
	f(`{"prompt_tokens":300,"completion_tokens":9,"prompt_tokens_details":{"text_tokens":44,"image_tokens":256},"completion_tokens_details":{"image_tokens":8}}`,
		llm.Usage{Input: 44, ImageIn: 256, Output: 1, ImageOut: 8})
	f(`{"prompt_tokens":100,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":20,"cache_write_tokens":50,"video_tokens":5}}`,
		llm.Usage{Input: 25, CacheRead: 20, CacheWrite5m: 50, Video: 5, Output: 9})
	f(`{"total_tokens":10}`, llm.Usage{Input: 10}) // embeddings of Voyage and Jina
	f(`{"prompt_tokens":9,"completion_tokens":5,"reasoning_tokens":3,"total_tokens":14}`, llm.Usage{Input: 9, Output: 5})
	// Perplexity's sonar-deep-research and sonar: https://docs.perplexity.ai/getting-started/pricing
	f(`{"prompt_tokens":33,"completion_tokens":7163,"total_tokens":7196,"citation_tokens":21580,"num_search_queries":25,"reasoning_tokens":73997}`,
		llm.Usage{Input: 33, Output: 7163, Citations: 21580, Reasoning: 73997, Fees: []llm.Fee{{Name: FeeWebSearch, Count: 25}}})
	f(`{"prompt_tokens":9,"completion_tokens":5,"prompt_audio_seconds":7}`, llm.Usage{Input: 9, Output: 5, Fees: []llm.Fee{{Name: FeeAudioSecond, Count: 7}}})
	f(`{"prompt_tokens":9,"completion_tokens":5,"server_tool_use_details":{"web_search_requests":3}}`, llm.Usage{Input: 9, Output: 5, Fees: []llm.Fee{{Name: FeeWebSearch, Count: 3}}})
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

// The events that most of a stream consists of, by dialect.
var typicalEvents = map[llm.Dialect]string{
	llm.DialectAnthropic: `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"the g"}}`,
	llm.DialectResponses: `{"type":"response.output_text.delta","sequence_number":7,"item_id":"msg_0123456789","output_index":0,"content_index":0,"delta":"the g","logprobs":[],"obfuscation":"x"}`,
	llm.DialectGemini:    `{"candidates":[{"content":{"parts":[{"text":"the g"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":8,"candidatesTokenCount":4,"totalTokenCount":12,"promptTokensDetails":[{"modality":"TEXT","tokenCount":8}]},"modelVersion":"gemini-2.5-flash","responseId":"x"}`,
	llm.DialectCohere:    `{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"the g"}}}}`,
	llm.DialectBedrock:   string(appendMessage(nil, "event", "contentBlockDelta", []byte(`{"contentBlockIndex":0,"delta":{"text":"the g"},"p":"abcdefgh"}`))),
}

func TestMeterEventsDoNotAllocate(t *testing.T) {
	for d, event := range typicalEvents {
		m := NewMeter(llm.EndpointChat, d, bytesCount)
		data := []byte(event)
		m.Event(data)
		if n := testing.AllocsPerRun(1000, func() { m.Event(data) }); n != 0 {
			t.Errorf("%s: %v allocations an event", d, n)
		}
	}
}

func BenchmarkMeterEventByDialect(b *testing.B) {
	for d := range llm.Dialect(llm.Dialects) {
		data := []byte(typicalEvents[d])
		if len(data) == 0 {
			continue
		}
		b.Run(d.String(), func(b *testing.B) {
			m := NewMeter(llm.EndpointChat, d, bytesCount)
			b.ReportAllocs()
			for b.Loop() {
				m.Event(data)
			}
		})
	}
}

func BenchmarkMeterReply(b *testing.B) {
	body := []byte(`{"id":"chatcmpl-1","object":"chat.completion","created":1750000000,"model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"message":{"role":"assistant","content":"The quick brown fox jumps over the lazy dog and so on and so forth.","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"service_tier":"default","system_fingerprint":"fp_1"}`)
	b.ReportAllocs()
	for b.Loop() {
		m := NewMeter(llm.EndpointChat, llm.DialectOpenAI, bytesCount)
		if m.Reply(body) != nil || !m.Reading().Reported {
			b.Fatal("not read")
		}
	}
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

func TestMeterReply(t *testing.T) {
	f := func(body string, want Reading, ok bool) {
		t.Helper()
		m := NewMeter(llm.EndpointChat, llm.DialectOpenAI, bytesCount)
		if err := m.Reply([]byte(body)); (err == nil) != ok || fmt.Sprint(*m.Reading()) != fmt.Sprint(want) {
			t.Errorf("%s\n got %+v, %v\nwant %+v", body, *m.Reading(), err, want)
		}
	}
	f(`{"model":"m","choices":[{}],"usage":{"prompt_tokens":1,"completion_tokens":2}}`, Reading{Model: "m", Finished: true, Visible: true, Reported: true, Usage: llm.Usage{Input: 1, Output: 2}}, true)
	f(`{"model":"m","choices":[{}],"usage":null}`, Reading{Model: "m", Finished: true, Visible: true}, true)
	f(`{"model":"m","choices":[{}],"usage":{"prompt_tokens":0,"completion_tokens":0}}`, Reading{Model: "m", Finished: true, Visible: true}, true) // nothing is no report
	f(`{"error":{"code":"content_filter","status":400}}`, Reading{Failed: true}, true)                                                            // Azure, with status 200
	f(`{"error":{"code":"x"},"choices":[],"usage":{"prompt_tokens":7}}`, Reading{Failed: true, Reported: true, Usage: llm.Usage{Input: 7}}, true)
	f(`{"error":{"code":"x"},"choices":[{"message":{"content":"a"}}]}`, Reading{Finished: true, Visible: true}, true)
	f(`{"error":null,"choices":[{}]}`, Reading{Finished: true, Visible: true}, true)
	f(`{"usage":{"prompt_tokens":5},"model":`, Reading{}, false)
	f(`<html>`, Reading{}, false)
	f(``, Reading{}, false)
}

// TestVercelThoughts: its gateway leaves Gemini's thoughts out of completion and total, and charges them.
func TestVercelThoughts(t *testing.T) {
	f := func(model string, want int64) {
		t.Helper()
		m := NewMeter(llm.EndpointChat, llm.DialectOpenAI, bytesCount)
		err := m.Reply([]byte(`{"model":"` + model + `","choices":[{}],"usage":{"prompt_tokens":61,"completion_tokens":100,"total_tokens":161,
			"completion_tokens_details":{"reasoning_tokens":96},"cost":0.0002833,"market_cost":0.0002833}}`))
		if u := m.Reading().Usage; err != nil || u.Output != want || u.Clamped {
			t.Errorf("%s: %+v, %v", model, u, err)
		}
	}
	f("google/gemini-2.5-flash", 196)
	f("openai/gpt-5", 100)
}

func TestCosts(t *testing.T) {
	f := func(usage string, want llm.NullMoney) {
		t.Helper()
		m := NewMeter(llm.EndpointChat, llm.DialectOpenAI, bytesCount)
		if err := m.Reply([]byte(`{"usage":` + usage + `}`)); err != nil || m.Reading().Cost != want {
			t.Errorf("%s: %v, %v; want %v", usage, m.Reading().Cost, err, want)
		}
	}
	f(`{"cost":0.000735}`, llm.Known(735_000))
	f(`{"cost":7.159e-05}`, llm.Known(71_590))
	f(`{"cost":0}`, llm.Known(0))
	f(`{"cost":0.00012000000000000002}`, llm.Known(120_000))
	f(`{"cost":1.4e-10}`, llm.Known(0))
	f(`{"cost":5e-10}`, llm.Known(1))
	f(`{"cost":1e-99}`, llm.Known(0))
	f(`{"cost":1e99}`, llm.NullMoney{})
	f(`{"cost":-1.00000000001}`, llm.NullMoney{})
	f(`{"cost":null}`, llm.NullMoney{})
	f(`{"cost":"0.1"}`, llm.NullMoney{})
	f(`{"cost":{"currency":"USD","total_cost":2.8e-08}}`, llm.Known(28)) // Perplexity
	f(`{"cost_in_usd_ticks":2488505}`, llm.Known(248_851))               // xAI
	f(`{"cost_in_usd_ticks":-5}`, llm.NullMoney{})
}

func chatUsage(object string) (llm.Usage, error) {
	m := NewMeter(llm.EndpointChat, llm.DialectOpenAI, bytesCount)
	err := m.Reply([]byte(`{"usage":` + object + `}`))
	return m.Reading().Usage, err
}

// metered returns the reading of a whole reply, or of the events of a stream.
func metered(e llm.Endpoint, d llm.Dialect, reply string, events ...string) Reading {
	m := NewMeter(e, d, bytesCount)
	if reply != "" {
		_ = m.Reply([]byte(reply))
	}
	for _, event := range events {
		if d == llm.DialectBedrock {
			kind, payload, _ := strings.Cut(event, " ")
			m.Event(appendMessage(nil, "event", kind, []byte(payload)))
		} else {
			m.Event([]byte(event))
		}
	}
	return *m.Reading()
}

// TestReplies: small replies after recorded ones, and the classes that are billed.
func TestReplies(t *testing.T) {
	f := func(e llm.Endpoint, d llm.Dialect, reply string, want llm.Usage) {
		t.Helper()
		r := metered(e, d, reply)
		if fmt.Sprint(r.Usage) != fmt.Sprint(want) || !r.Reported || r.Failed {
			t.Errorf("%s %s\n got %+v\nwant %+v", d, reply, r, want)
		}
	}
	chat := func(d llm.Dialect, reply string, want llm.Usage) { t.Helper(); f(llm.EndpointChat, d, reply, want) }
	fee := func(name string, n int64) []llm.Fee { return []llm.Fee{{Name: name, Count: n}} }

	// Responses: calls of tools are counted where the report does not count them; an opened page is no search.
	chat(llm.DialectResponses, `{"model":"m","service_tier":"default","output":[{"type":"web_search_call","action":{"type":"search"}},{"type":"web_search_call","action":{"type":"open_page"}},{"type":"message"}],
		"usage":{"input_tokens":100,"input_tokens_details":{"cached_tokens":64,"cache_write_tokens":6},"output_tokens":40,"output_tokens_details":{"reasoning_tokens":30},"total_tokens":140}}`,
		llm.Usage{Input: 30, CacheRead: 64, CacheWrite5m: 6, Output: 40, Fees: fee(FeeWebSearch, 1)})
	chat(llm.DialectResponses, `{"output":[{"type":"web_search_call"},{"type":"file_search_call"}],"tool_usage":{"web_search":{"num_requests":3}},"usage":{"input_tokens":1,"output_tokens":2}}`,
		llm.Usage{Input: 1, Output: 2, Fees: []llm.Fee{{Name: FeeWebSearch, Count: 3}, {Name: FeeStorageSearch, Count: 1}}})
	chat(llm.DialectResponses, `{"output":[{"type":"x_search_call"},{"type":"code_interpreter_call"},{"type":"image_generation_call"}],"usage":{"input_tokens":1,"output_tokens":2,"server_side_tool_usage_details":{"x_search_calls":2}}}`,
		llm.Usage{Input: 1, Output: 2, Fees: []llm.Fee{{Name: FeeSocialSearch, Count: 2}, {Name: FeeCodeExecution, Count: 1}, {Name: FeeImageGeneration, Count: 1}}})

	f(llm.EndpointEmbeddings, llm.DialectOpenAI, `{"data":[{"embedding":[0.1]}],"model":"m","usage":{"prompt_tokens":7,"total_tokens":7}}`, llm.Usage{Input: 7})
	f(llm.EndpointCompletions, llm.DialectOpenAI, `{"choices":[{"text":" x"}],"usage":{"prompt_tokens":7,"completion_tokens":3}}`, llm.Usage{Input: 7, Output: 3})
	f(llm.EndpointModerations, llm.DialectOpenAI, `{"model":"m","results":[{"flagged":false}]}`, llm.Usage{}) // free
	f(llm.EndpointModerations, llm.DialectOpenAI, `{"model":"m","results":[{}],"usage":{"prompt_tokens":9}}`, llm.Usage{Input: 9})
	f(llm.EndpointCount, llm.DialectAnthropic, `{"input_tokens":14}`, llm.Usage{}) // free
	f(llm.EndpointCount, llm.DialectGemini, `{"totalTokens":8}`, llm.Usage{})

	// Anthropic: the cache is beside input_tokens; writes of one hour have their own price.
	chat(llm.DialectAnthropic, `{"model":"m","content":[],"stop_reason":"end_turn","usage":{"input_tokens":3,"cache_creation_input_tokens":4890,"cache_read_input_tokens":17,"cache_creation":{"ephemeral_5m_input_tokens":4000,"ephemeral_1h_input_tokens":890},"output_tokens":343,"service_tier":"standard"}}`,
		llm.Usage{Input: 3, CacheRead: 17, CacheWrite5m: 4000, CacheWrite1h: 890, Output: 343})
	chat(llm.DialectAnthropic, `{"content":[],"usage":{"input_tokens":3,"cache_creation_input_tokens":40,"output_tokens":5}}`, llm.Usage{Input: 3, CacheWrite5m: 40, Output: 5})
	chat(llm.DialectAnthropic, `{"content":[],"usage":{"input_tokens":3,"cache_creation_input_tokens":40,"cache_creation":{"ephemeral_1h_input_tokens":50},"output_tokens":5}}`,
		llm.Usage{Input: 3, CacheWrite1h: 40, Output: 5, Clamped: true})
	chat(llm.DialectAnthropic, `{"content":[],"usage":{"input_tokens":-3,"output_tokens":5,"server_tool_use":{"web_search_requests":2,"web_fetch_requests":1}}}`,
		llm.Usage{Output: 5, Fees: fee(FeeWebSearch, 2), Clamped: true})
	chat(llm.DialectAnthropic, `{"content":[],"usage":{"input_tokens":23000,"output_tokens":1000,"iterations":[{"type":"compaction","input_tokens":180000,"output_tokens":3500},{"type":"message","input_tokens":23000,"output_tokens":1000}]}}`,
		llm.Usage{Input: 203000, Output: 4500})

	// Gemini: the prompt includes what was cached; thoughts and the tools' prompts are beside.
	chat(llm.DialectGemini, `{"candidates":[{}],"modelVersion":"gemini-2.5-pro","usageMetadata":{"promptTokenCount":3797,"candidatesTokenCount":656,"totalTokenCount":6002,"cachedContentTokenCount":3055,"thoughtsTokenCount":1549,"promptTokensDetails":[{"modality":"TEXT","tokenCount":3797}],"cacheTokensDetails":[{"modality":"TEXT","tokenCount":3055}]}}`,
		llm.Usage{Input: 742, CacheRead: 3055, Output: 2205})
	chat(llm.DialectGemini, `{"candidates":[{}],"usageMetadata":{"promptTokenCount":900,"candidatesTokenCount":60,"cachedContentTokenCount":350,"toolUsePromptTokenCount":100,
		"promptTokensDetails":[{"modality":"TEXT","tokenCount":100},{"modality":"AUDIO","tokenCount":200},{"modality":"IMAGE","tokenCount":150},{"modality":"DOCUMENT","tokenCount":50},{"modality":"VIDEO","tokenCount":400}],
		"cacheTokensDetails":[{"modality":"AUDIO","tokenCount":150},{"modality":"IMAGE","tokenCount":120},{"modality":"VIDEO","tokenCount":80}],
		"toolUsePromptTokensDetails":[{"modality":"TEXT","tokenCount":60},{"modality":"IMAGE","tokenCount":40}],
		"candidatesTokensDetails":[{"modality":"TEXT","tokenCount":10},{"modality":"IMAGE","tokenCount":30},{"modality":"AUDIO","tokenCount":15},{"modality":"VIDEO","tokenCount":5}]}}`,
		llm.Usage{Input: 160, CacheRead: 80, AudioIn: 50, AudioCached: 150, ImageIn: 120, ImageCached: 120, Video: 320, Output: 10, ImageOut: 30, AudioOut: 15, VideoOut: 5})
	chat(llm.DialectGemini, `{"candidates":[{}],"usageMetadata":{"promptTokenCount":10,"promptTokensDetails":[{"modality":2,"tokenCount":7},{"modality":1,"tokenCount":3}]}}`, llm.Usage{Input: 3, ImageIn: 7})
	chat(llm.DialectGemini, `{"candidates":[{"groundingMetadata":{"webSearchQueries":["a","b","c"]}}],"usageMetadata":{"promptTokenCount":1},"modelVersion":"gemini-3.5-flash"}`, llm.Usage{Input: 1, Fees: fee(FeeWebSearch, 3)})
	chat(llm.DialectGemini, `{"candidates":[{"groundingMetadata":{"webSearchQueries":["a","b"]}}],"usageMetadata":{"promptTokenCount":1},"modelVersion":"gemini-2.5-flash"}`, llm.Usage{Input: 1, Fees: fee(FeeWebSearch, 1)})
	chat(llm.DialectGemini, `{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":9}}`, llm.Usage{Input: 9})
	f(llm.EndpointEmbeddings, llm.DialectGemini, `{"embeddings":[{}],"usageMetadata":{"promptTokenCount":261,"promptTokenDetails":[{"modality":"IMAGE","tokenCount":258},{"modality":"TEXT","tokenCount":3}]}}`, llm.Usage{Input: 3, ImageIn: 258})
	f(llm.EndpointEmbeddings, llm.DialectGemini, `{"predictions":[{"embeddings":{"statistics":{"token_count":10}}},{"embeddings":{"statistics":{"token_count":4}}}]}`, llm.Usage{Input: 14})

	// Bedrock: converse, then invoke with the bodies of Claude, Nova, Titan, Llama and gpt-oss.
	chat(llm.DialectBedrock, `{"metrics":{"latencyMs":1},"output":{"message":{"content":[{"text":"OK"}]}},"stopReason":"end_turn","usage":{"inputTokens":10,"cacheReadInputTokens":7351,"cacheWriteInputTokens":30,"cacheDetails":[{"ttl":"1h","inputTokens":20},{"ttl":"5m","inputTokens":10}],"outputTokens":4,"totalTokens":7395}}`,
		llm.Usage{Input: 10, CacheRead: 7351, CacheWrite5m: 10, CacheWrite1h: 20, Output: 4})
	chat(llm.DialectBedrock, `{"model":"claude","content":[{"type":"text","text":"x"}],"stop_reason":"end_turn","usage":{"input_tokens":16,"cache_read_input_tokens":4,"output_tokens":18}}`, llm.Usage{Input: 16, CacheRead: 4, Output: 18})
	chat(llm.DialectBedrock, `{"inputTextTokenCount":8,"results":[{"tokenCount":10,"outputText":"x","completionReason":"LENGTH"}]}`, llm.Usage{Input: 8, Output: 10})
	chat(llm.DialectBedrock, `{"generation":"x","prompt_token_count":8,"generation_token_count":10,"stop_reason":"length"}`, llm.Usage{Input: 8, Output: 10})
	chat(llm.DialectBedrock, `{"choices":[{"message":{"content":"x"}}],"usage":{"prompt_tokens":8,"completion_tokens":10,"total_tokens":18}}`, llm.Usage{Input: 8, Output: 10})
	f(llm.EndpointEmbeddings, llm.DialectBedrock, `{"embedding":[0.1],"inputTextTokenCount":8}`, llm.Usage{Input: 8})

	// Cohere: the billed units are the bill, not the tokens.
	chat(llm.DialectCohere, `{"message":{"content":[]},"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":8,"output_tokens":8},"tokens":{"input_tokens":503,"output_tokens":11},"cached_tokens":448}}`, llm.Usage{Input: 8, Output: 8})
	chat(llm.DialectCohere, `{"message":{"content":[]},"usage":{"tokens":{"input_tokens":503,"output_tokens":11},"cached_tokens":448}}`, llm.Usage{Input: 55, CacheRead: 448, Output: 11})
	f(llm.EndpointEmbeddings, llm.DialectCohere, `{"embeddings":{},"meta":{"billed_units":{"input_tokens":7,"image_tokens":20}}}`, llm.Usage{Input: 7, ImageIn: 20})
	f(llm.EndpointRerank, llm.DialectCohere, `{"results":[],"meta":{"billed_units":{"search_units":1}}}`, llm.Usage{Fees: fee(FeeSearchUnit, 1)})
}

// TestStreams: the events of each dialect, and what is known after them.
func TestStreams(t *testing.T) {
	f := func(d llm.Dialect, want Reading, events ...string) {
		t.Helper()
		if got := metered(llm.EndpointChat, d, "", events...); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s\n got %+v\nwant %+v", d, got, want)
		}
	}
	start := `{"type":"message_start","message":{"model":"claude","content":[],"usage":{"input_tokens":293,"cache_read_input_tokens":7,"output_tokens":8,"service_tier":"standard","inference_geo":"us"}}}`
	text := `{"type":"content_block_delta","delta":{"type":"text_delta","text":"x"}}`
	stop := `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":50}}`
	// The input is known from the start, but reported is only what ends in message_delta.
	f(llm.DialectAnthropic, Reading{Model: "claude", Tier: "standard", Region: "us", Usage: llm.Usage{Input: 293, CacheRead: 7, Output: 8}}, start)
	f(llm.DialectAnthropic, Reading{Model: "claude", Tier: "standard", Region: "us", Visible: true, Finished: true, Reported: true, Usage: llm.Usage{Input: 293, CacheRead: 7, Output: 50}}, start, text, stop)
	f(llm.DialectAnthropic, Reading{Model: "claude", Tier: "standard", Region: "us", Visible: true, Finished: true, Reported: true, Done: true, Usage: llm.Usage{Input: 999, CacheRead: 7, Output: 50}},
		start, text, stop, `{"type":"message_delta","delta":{},"usage":{"input_tokens":999,"cache_read_input_tokens":0,"output_tokens":50}}`, `{"type":"message_stop"}`)
	f(llm.DialectAnthropic, Reading{Failed: true}, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`)
	f(llm.DialectAnthropic, Reading{}, `{"type":"ping"}`)

	f(llm.DialectResponses, Reading{Model: "gpt", Tier: "auto", Visible: true}, `{"type":"response.created","response":{"model":"gpt","service_tier":"auto","usage":null,"output":[],"error":null}}`, `{"type":"response.output_text.delta","delta":"x"}`)
	f(llm.DialectResponses, Reading{Model: "gpt", Tier: "default", Reported: true, Finished: true, Done: true, Usage: llm.Usage{Input: 9, Output: 2, Fees: []llm.Fee{{Name: FeeWebSearch, Count: 1}}}},
		`{"type":"response.created","response":{"model":"gpt","service_tier":"auto"}}`,
		`{"type":"response.completed","response":{"model":"gpt","service_tier":"default","output":[{"type":"web_search_call","action":{"type":"search"}}],"usage":{"input_tokens":9,"output_tokens":2}}}`)
	f(llm.DialectResponses, Reading{Failed: true}, `{"type":"response.failed","response":{"error":{"code":"server_error"},"usage":null}}`)
	f(llm.DialectResponses, Reading{Failed: true}, `{"type":"error","code":"x","message":"y"}`)

	chunk := `{"candidates":[{"content":{"parts":[{"text":"x"}]}}],"usageMetadata":{"promptTokenCount":8,"candidatesTokenCount":1,"promptTokensDetails":[{"modality":"IMAGE","tokenCount":5}]},"modelVersion":"gemini"}`
	f(llm.DialectGemini, Reading{Model: "gemini", Visible: true, Reported: true, Usage: llm.Usage{Input: 3, ImageIn: 5, Output: 1}}, chunk)
	f(llm.DialectGemini, Reading{Model: "gemini", Tier: "flex", Visible: true, Reported: true, Finished: true, Usage: llm.Usage{Input: 3, ImageIn: 5, Output: 9}}, chunk,
		`{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":8,"candidatesTokenCount":4,"thoughtsTokenCount":5,"promptTokensDetails":[{"modality":"IMAGE","tokenCount":5}],"trafficType":"ON_DEMAND_FLEX"}}`)
	f(llm.DialectGemini, Reading{Finished: true}, `{"candidates":[{"finishReason":1}],"usageMetadata":{"trafficType":"ON_DEMAND"}}`)
	f(llm.DialectGemini, Reading{Failed: true}, `{"error":{"code":503,"status":"UNAVAILABLE"}}`)

	f(llm.DialectCohere, Reading{Visible: true, Finished: true, Done: true, Reported: true, Usage: llm.Usage{Input: 65, Output: 63}},
		`{"type":"message-start","delta":{"message":{"content":[],"tool_plan":""}}}`, `{"type":"content-delta","delta":{"message":{"content":{"text":"x"}}}}`,
		`{"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":65,"output_tokens":63},"tokens":{"input_tokens":508}}}}`)

	f(llm.DialectCohere, Reading{Finished: true, Failed: true}, `{"type":"message-end","delta":{"finish_reason":"ERROR","error":"x"}}`)

	f(llm.DialectBedrock, Reading{Visible: true, Finished: true, Done: true, Reported: true, Usage: llm.Usage{Input: 670, Output: 28}},
		`messageStart {"role":"assistant"}`, `contentBlockDelta {"contentBlockIndex":0,"delta":{"text":"x"}}`, `messageStop {"stopReason":"end_turn"}`,
		`metadata {"metrics":{"latencyMs":1},"usage":{"inputTokens":670,"outputTokens":28,"totalTokens":698}}`)
	inner := func(event string) string {
		return `chunk {"bytes":"` + base64.StdEncoding.EncodeToString([]byte(event)) + `"}`
	}
	f(llm.DialectBedrock, Reading{Model: "claude", Tier: "standard", Region: "us", Visible: true, Finished: true, Done: true, Reported: true, Usage: llm.Usage{Input: 293, CacheRead: 7, Output: 50}}, inner(start), inner(text), inner(stop),
		inner(`{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":293,"outputTokenCount":54}}`))
	f(llm.DialectBedrock, Reading{Visible: true, Finished: true, Done: true, Reported: true, Usage: llm.Usage{Input: 13, Output: 10}},
		inner(`{"outputs":[{"text":"x","stop_reason":"length"}],"amazon-bedrock-invocationMetrics":{"inputTokenCount":13,"outputTokenCount":10}}`))
}

func TestRepliesThatAreErrors(t *testing.T) {
	f := func(d llm.Dialect, reply string) {
		t.Helper()
		if r := metered(llm.EndpointChat, d, reply); fmt.Sprint(r) != fmt.Sprint(Reading{Failed: true}) {
			t.Errorf("%s %s: %+v", d, reply, r)
		}
	}
	f(llm.DialectOpenAI, `{"error":{"message":"x"}}`)
	f(llm.DialectOpenAI, `{"error":"x"}`)
	f(llm.DialectResponses, `{"status":"failed","output":[],"error":{"code":"server_error"}}`)
	f(llm.DialectAnthropic, `{"type":"error","error":{"type":"overloaded_error"}}`)
	f(llm.DialectGemini, `{"error":{"code":429}}`)
	f(llm.DialectCohere, `{"message":"invalid api token"}`)
}

func TestBedrockHeadersAndExceptions(t *testing.T) {
	m := NewMeter(llm.EndpointChat, llm.DialectBedrock, bytesCount)
	m.(HeaderMeter).Header(http.Header{"X-Amzn-Bedrock-Input-Token-Count": {"6"}, "X-Amzn-Bedrock-Output-Token-Count": {"10"}})
	err := m.Reply([]byte(`{"outputs":[{"text":"x","stop_reason":"length"}]}`))
	if r := m.Reading(); err != nil || !r.Reported || r.Usage.Input != 6 || r.Usage.Output != 10 {
		t.Errorf("%+v, %v", r, err)
	}
	m = NewMeter(llm.EndpointChat, llm.DialectBedrock, bytesCount)
	m.Event(appendMessage(nil, "exception", "throttlingException", []byte(`{"message":"Too many requests"}`)))
	if !m.Reading().Failed {
		t.Errorf("%+v", m.Reading())
	}
}

// TestOutputOfEachDialect: what a model wrote is counted where no usage comes.
func TestOutputOfEachDialect(t *testing.T) {
	f := func(e llm.Endpoint, d llm.Dialect, reply string, want string) {
		t.Helper()
		m := NewMeter(e, d, bytesCount)
		if err := m.Reply([]byte(reply)); err != nil || m.Output() != int64(len(want)) || m.Reading().Reported {
			t.Errorf("%s: %d, %v, want the length of %q", reply, m.Output(), err, want)
		}
	}
	f(llm.EndpointChat, llm.DialectOpenAI, `{"choices":[{"message":{"content":"a\"b","reasoning_content":"c","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}}]}`, `a"bcf{}`)
	f(llm.EndpointChat, llm.DialectOpenAI, `{"choices":[{"message":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"ab"}]},{"type":"text","text":"c"}]}}]}`, `abc`)
	f(llm.EndpointCompletions, llm.DialectOpenAI, `{"choices":[{"text":"abc"},{"text":"d"}]}`, `abcd`)
	f(llm.EndpointChat, llm.DialectResponses, `{"output":[{"type":"reasoning","summary":[{"text":"a"}]},{"type":"message","content":[{"text":"b"}]},{"type":"function_call","name":"f","arguments":"{}"}]}`, `abf{}`)
	f(llm.EndpointChat, llm.DialectAnthropic, `{"content":[{"type":"thinking","thinking":"a"},{"type":"text","text":"b"},{"type":"tool_use","name":"f","input":{"x":1}}]}`, `abf{"x":1}`)
	f(llm.EndpointChat, llm.DialectGemini, `{"candidates":[{"content":{"parts":[{"text":"a"},{"functionCall":{"name":"f","args":{"x":1}}}]}}]}`, `af{"x":1}`)
	f(llm.EndpointChat, llm.DialectCohere, `{"message":{"tool_plan":"p","content":[{"text":"a"}],"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}}`, `paf{}`)
	f(llm.EndpointChat, llm.DialectBedrock, `{"output":{"message":{"content":[{"text":"a"},{"toolUse":{"name":"f","input":{"x":1}}}]}},"stopReason":"tool_use"}`, `af{"x":1}`)

	m := NewMeter(llm.EndpointChat, llm.DialectAnthropic, bytesCount).(*formatMeter)
	for range 20_000 {
		m.Event([]byte(`{"type":"content_block_delta","delta":{"type":"text_delta","text":"0123456789"}}`))
	}
	if got := m.Output(); got != 200_000 || cap(m.text) > 3*keptBytes {
		t.Errorf("counted %d of 200000, %d bytes kept", got, cap(m.text))
	}
}

func TestNewMeter(t *testing.T) {
	for d := range llm.Dialect(llm.Dialects) {
		for e := range llm.EndpointCount + 1 {
			if d.String() == "unknown" || e.String() == "unknown" {
				t.Errorf("dialect %d or endpoint %d has no name", d, e)
			}
			want := d != llm.DialectNone && e != llm.EndpointNone && e != llm.EndpointModels
			if got := NewMeter(e, d, bytesCount); (got != nil) != want {
				t.Errorf("%s %s: %v", e, d, got)
			}
		}
	}
}

// FuzzMeter: whatever a provider sends, no class is negative, the classes sum to
// the wholes, and nothing panics.
func FuzzMeter(f *testing.F) {
	for _, seed := range []string{
		`{"usage":{"prompt_tokens":1,"cost":{"total_cost":1}},"choices":[{"usage":{`,
		`{"x_groq":{"usage":{"prompt_tokens":"x"}},"usage":{}}`,
		`{"type":"response.completed","response":{"output":[{"type":"web_search_call"}],"usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":99}}}}`,
		`{"type":"message_delta","delta":{"stop_reason":"x"},"usage":{"input_tokens":3,"cache_creation_input_tokens":-4,"cache_creation":{"ephemeral_1h_input_tokens":9e99},"iterations":[{"type":"compaction","input_tokens":1}]}}`,
		`{"candidates":[{"finishReason":1}],"usageMetadata":{"promptTokenCount":3,"cachedContentTokenCount":30,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":2},{"modality":"VIDEO","tokenCount":9007199254740993}]}}`,
		`{"delta":{"usage":{"billed_units":{"input_tokens":1.5,"image_tokens":2,"search_units":3}}}}`,
		`{"usage":{"inputTokens":1,"cacheDetails":[{"ttl":"1h","inputTokens":7}]},"amazon-bedrock-invocationMetrics":{"inputTokenCount":4}}`,
		`{"a":[[[{}]]],"content":[[1],{"text":"\u00e9\ud83d"}],"error":"","model":null,"service_tier":{}}`,
	} {
		for d := range llm.Dialects {
			f.Add([]byte(seed), uint8(d), uint8(llm.EndpointChat))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, dialect, endpoint uint8) {
		d := llm.Dialect(dialect % uint8(llm.Dialects))
		m := NewMeter(llm.Endpoint(endpoint%8), d, bytesCount)
		if m == nil {
			return
		}
		m.Event(data)
		checkClasses(t, m)
		m.Event(appendMessage(nil, "event", "chunk", data))
		m.Event(appendMessage(nil, "event", "metadata", data))
		checkClasses(t, m)
		if err := m.Reply(data); err != nil && fmt.Sprint(*m.Reading()) != fmt.Sprint(Reading{}) {
			t.Fatalf("%q is no reply, but read as %+v", data, m.Reading())
		}
		checkClasses(t, m)
	})
}

func checkClasses(t *testing.T, m Meter) {
	t.Helper()
	var c counts
	switch m := m.(type) {
	case *formatMeter:
		c = m.counts
		c.include(m.format.counts, m.reading.Model)
	case *openaiMeter:
		c = m.counts
		c.include(m.format.counts, m.reading.Model)
	case *bedrockMeter:
		c = m.counts
		c.include(m.format.counts, m.reading.Model)
	}
	u := c.classes()
	if in, out := u.InputTokens(), u.OutputTokens(); in != c.n[inputCount] || out != c.n[outputCount]+c.n[citations]+c.n[reasoningApart] {
		t.Fatalf("classes %+v sum to %d and %d, counted %d and %d", u, in, out, c.n[inputCount], c.n[outputCount])
	}
	for _, u := range []llm.Usage{u, m.Reading().Usage} {
		if min(u.Input, u.CacheRead, u.CacheWrite5m, u.CacheWrite1h, u.AudioIn, u.AudioCached, u.ImageIn, u.ImageCached, u.Video, u.Output, u.Reasoning, u.Citations, u.AudioOut, u.ImageOut, u.VideoOut) < 0 || m.Output() < 0 {
			t.Fatalf("a class is negative: %+v", u)
		}
	}
}
