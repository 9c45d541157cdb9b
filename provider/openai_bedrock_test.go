package provider

import (
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

const (
	bedrockOpus  = "us.anthropic.claude-opus-4-6-v1"
	bedrockHaiku = "anthropic.claude-haiku-4-5-20251001-v1:0"
	bedrockNova  = "us.amazon.nova-lite-v1:0"
	bedrockLlama = "meta.llama3-8b-instruct-v1:0"
)

// TestOpenAIBedrockFields holds what becomes of each field beside the messages.
func TestOpenAIBedrockFields(t *testing.T) {
	f := func(model, fields, want string) {
		t.Helper()
		body := `{"model":"x","messages":[{"role":"user","content":"a"}],` + fields + `}`
		out, err := newOpenAIBedrock(Call{Send: model}).Request(nil, []byte(body))
		if message, fails := strings.CutPrefix(want, "! "); fails {
			if err == nil || !strings.HasPrefix(err.Error(), message+": ") || len(out) > 0 {
				t.Errorf("%s: %s, %v, want an error about %s", fields, out, err, message)
			}
			return
		}
		if want != "" {
			want = "," + want
		}
		if want = `{"messages":[{"role":"user","content":[{"text":"a"}]}]` + want + `}`; err != nil || string(out) != want {
			t.Errorf("%s: %v\n got %s\nwant %s", fields, err, out, want)
		}
	}
	f(bedrockLlama, `"stream":true,"stream_options":{"include_usage":true},"n":1,"logprobs":false,"seed":null`, ``)
	f(bedrockLlama, `"max_tokens":5`, `"inferenceConfig":{"maxTokens":5}`)
	f(bedrockLlama, `"max_tokens":5,"max_completion_tokens":6,"temperature":0.5,"top_p":1,"stop":"a"`, `"inferenceConfig":{"maxTokens":6,"temperature":0.5,"topP":1,"stopSequences":["a"]}`)
	f(bedrockNova, `"stop":["\n","b"]`, `"inferenceConfig":{"stopSequences":["\n","b"]}`)
	f(bedrockNova, `"stop":[]`, ``)
	f(bedrockOpus, `"stop":"\n"`, "! stop")
	f(bedrockNova, `"stop":""`, "! stop")
	f(bedrockNova, `"stop":1`, "! stop")
	f(bedrockNova, `"temperature":1.5`, "! temperature")
	f(bedrockNova, `"top_p":"1"`, "! top_p")
	f(bedrockNova, `"max_tokens":0`, "! max_tokens")
	f(bedrockNova, `"n":2`, "! n")
	f(bedrockNova, `"seed":1`, "! seed")
	f(bedrockNova, `"logit_bias":{"1":1}`, "! logit_bias")
	f(bedrockNova, `"stream":1`, "! stream")
	f(bedrockNova, `"stream_options":{"x":true}`, "! stream_options.x")
	f(bedrockNova, `"stream_options":[]`, "! stream_options")

	f(bedrockOpus, `"top_k":5`, `"additionalModelRequestFields":{"top_k":5}`)
	f(bedrockNova, `"top_k":5`, `"additionalModelRequestFields":{"inferenceConfig":{"topK":5}}`)
	f(bedrockLlama, `"top_k":5`, "! top_k")
	f(bedrockOpus, `"top_k":"5"`, "! top_k")

	f(bedrockOpus, `"reasoning_effort":"xhigh"`, `"additionalModelRequestFields":{"thinking":{"type":"adaptive"},"output_config":{"effort":"xhigh"}}`)
	f(bedrockHaiku, `"reasoning_effort":"low","max_completion_tokens":10000`, `"inferenceConfig":{"maxTokens":10000},"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":2000}}`)
	f(bedrockHaiku, `"reasoning_effort":"medium"`, `"inferenceConfig":{"maxTokens":4096},"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":2000}}`)
	f(bedrockHaiku, `"thinking":{"type":"enabled","budget_tokens":1024},"max_tokens":2000,"temperature":1`,
		`"inferenceConfig":{"maxTokens":2000,"temperature":1},"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":1024}}`)
	f(bedrockHaiku, `"reasoning_effort":"low","temperature":0`, "! temperature")
	f(bedrockHaiku, `"reasoning_effort":"low","max_tokens":1000`, "! reasoning_effort")
	f(bedrockHaiku, `"reasoning_effort":"none"`, `"additionalModelRequestFields":{"thinking":{"type":"disabled"}}`)
	f(bedrockNova, `"reasoning_effort":"none"`, ``)
	f(bedrockNova, `"reasoning_effort":"low"`, "! reasoning_effort")
	f(bedrockNova, `"reasoning":{"enabled":true}`, "! reasoning")
	f(bedrockNova, `"thinking":{"type":"disabled"}`, ``)

	f(bedrockNova, `"service_tier":"auto"`, ``)
	f(bedrockNova, `"service_tier":"flex"`, `"serviceTier":{"type":"flex"}`)
	f(bedrockNova, `"service_tier":"scale"`, "! service_tier")
	f(bedrockNova, `"user":"u","metadata":{"k":"v w"},"safety_identifier":"s"`, `"requestMetadata":{"user":"u","safety_identifier":"s","k":"v w"}`)
	f(bedrockNova, `"metadata":{}`, ``)
	f(bedrockNova, `"user":"é"`, "! user")
	f(bedrockNova, `"user":"`+strings.Repeat("a", 257)+`"`, "! user")
	f(bedrockNova, `"metadata":{"k":1}`, "! metadata.k")
	f(bedrockNova, `"user":"a","metadata":{"user":"b"}`, "! metadata.user")

	f(bedrockNova, `"response_format":{"type":"text"}`, ``)
	f(bedrockNova, `"response_format":{"type":"json_object"}`, "! response_format")
	f(bedrockNova, `"response_format":{"type":"json_schema","json_schema":{"name":"n"}}`, "! response_format.json_schema.schema")
	f(bedrockOpus, `"response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","strict":true,"schema":{"type":"object","properties":{"a":{"type":"string"}}}}}`,
		`"outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}},\"additionalProperties\":false}","name":"n","description":"d"}}}}`)

	const tools, spec = `"tools":[{"type":"function","function":{"name":"f"}}]`, `"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{"type":"object","properties":{}}}}}]`
	f(bedrockNova, tools, spec+`}`)
	f(bedrockNova, `"tools":[]`, ``)
	f(bedrockNova, tools+`,"tool_choice":"auto"`, spec+`,"toolChoice":{"auto":{}}}`)
	f(bedrockNova, tools+`,"tool_choice":"required"`, spec+`,"toolChoice":{"any":{}}}`)
	f(bedrockNova, tools+`,"tool_choice":{"type":"function","function":{"name":"f"}}`, spec+`,"toolChoice":{"tool":{"name":"f"}}}`)
	f(bedrockNova, tools+`,"tool_choice":"none"`, ``)
	f(bedrockOpus, tools+`,"tool_choice":"none"`, spec+`},"additionalModelRequestFields":{"tool_choice":{"type":"none"}}`)
	f(bedrockNova, tools+`,"parallel_tool_calls":true`, spec+`}`)
	f(bedrockNova, tools+`,"parallel_tool_calls":false`, "! parallel_tool_calls")
	f(bedrockNova, `"parallel_tool_calls":false`, ``)
	f(bedrockOpus, tools+`,"parallel_tool_calls":false`, spec+`},"additionalModelRequestFields":{"tool_choice":{"type":"auto","disable_parallel_tool_use":true}}`)
	f(bedrockOpus, tools+`,"parallel_tool_calls":false,"tool_choice":{"type":"function","function":{"name":"f"}}`,
		spec+`},"additionalModelRequestFields":{"tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true}}`)
	f(bedrockOpus, tools+`,"reasoning_effort":"low","tool_choice":"required"`, "! tool_choice")
	f(bedrockNova, `"tool_choice":"required"`, "! tool_choice")
	f(bedrockNova, tools+`,"tool_choice":{"type":"allowed_tools"}`, "! tool_choice")
	f(bedrockNova, `"tools":[{"type":"custom","custom":{"name":"f"}}]`, "! tools[0]")
	f(bedrockNova, `"tools":[{"type":"function","function":{"name":"f","x":1}}]`, "! tools[0].function.x")
	f(bedrockNova, `"tools":[{"type":"function","function":{"name":"f","parameters":[]}}]`, "! tools[0].function.parameters")
	f(bedrockNova, `"tools":[{"type":"function","function":{"name":"f","description":"","strict":true},"cache_control":{"type":"ephemeral","ttl":"1h"}}]`,
		`"toolConfig":{"tools":[{"toolSpec":{"name":"f","strict":true,"inputSchema":{"json":{"type":"object","properties":{}}}}},{"cachePoint":{"type":"default","ttl":"1h"}}]}`)
	f(bedrockNova, `"tools":[{"type":"function","function":{"name":"f"},"cache_control":{"type":"x"}}]`, "! tools[0].cache_control")
	f(bedrockNova, `"functions":[{"name":"f"}]`, "! functions")
}

// TestOpenAIBedrockMessages holds what becomes of the messages, and of system.
func TestOpenAIBedrockMessages(t *testing.T) {
	const tools = `,"tools":[{"type":"function","function":{"name":"f"}}]`
	f := func(model, messages, want string) {
		t.Helper()
		out, err := newOpenAIBedrock(Call{Send: model}).Request(nil, []byte(`{"messages":[`+messages+`]`+tools+`}`))
		if field, fails := strings.CutPrefix(want, "! "); fails {
			if err == nil || !strings.HasPrefix(err.Error(), field+": ") || len(out) > 0 {
				t.Errorf("%s: %s, %v, want an error about %s", messages, out, err, field)
			}
			return
		}
		got := gjson.GetBytes(out, "messages").Raw
		if system := gjson.GetBytes(out, "system").Raw; system != "" {
			got += " " + system
		}
		if err != nil || got != want || !gjson.ValidBytes(out) {
			t.Errorf("%s: %v\n got %s\nwant %s", messages, err, got, want)
		}
	}
	const user = `{"role":"user","content":"a"}`
	f(bedrockNova, `{"role":"system","content":"s"},{"role":"developer","content":[{"type":"text","text":"t","cache_control":{"type":"ephemeral"}}]},`+user+`,{"role":"user","content":"b"},{"role":"system","content":"late"}`,
		`[{"role":"user","content":[{"text":"a"},{"text":"b"},{"text":"late"}]}] [{"text":"s"},{"text":"t"},{"cachePoint":{"type":"default"}}]`)
	f(bedrockNova, user+`,{"role":"assistant","content":"b","refusal":"no"},{"role":"user","content":[{"type":"text","text":" "},{"type":"text","text":"c"}],"cache_control":{"type":"ephemeral","ttl":"5m"}}`,
		`[{"role":"user","content":[{"text":"a"}]},{"role":"assistant","content":[{"text":"b"},{"text":"no"}]},{"role":"user","content":[{"text":"c"},{"cachePoint":{"type":"default","ttl":"5m"}}]}]`)
	f(bedrockNova, `{"role":"assistant","content":"b"}`, "! messages[0].role")
	f(bedrockNova, `{"role":"user","content":" "}`, "! messages")
	f(bedrockNova, user+`,{"role":"x","content":"b"}`, "! messages[1].role")
	f(bedrockNova, `{"role":"user","name":"n","content":"b"}`, "! messages[0].name")
	f(bedrockNova, `{"role":"user","content":"b","audio":{}}`, "! messages[0].audio")
	f(bedrockNova, `{"role":"user","content":1}`, "! messages[0].content")
	f(bedrockNova, `{"role":"user","content":"a","cache_control":{"type":"x"}}`, "! messages[0].cache_control")

	image := func(url string) string {
		return `{"role":"user","content":[{"type":"image_url","image_url":{"url":"` + url + `"}}]}`
	}
	f(bedrockNova, image("data:image/jpg;base64,QQ=="), `[{"role":"user","content":[{"image":{"format":"jpeg","source":{"bytes":"QQ=="}}}]}]`)
	f(bedrockNova, image("https://x/y.png"), "! messages[0].content[0].image_url.url")
	f(bedrockNova, image("data:image/bmp;base64,QQ=="), "! messages[0].content[0].image_url.url")
	f(bedrockNova, `{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,QQ==","detail":"low"}}]}`, "! messages[0].content[0].image_url.detail")
	f(bedrockNova, `{"role":"user","content":[{"type":"video_url","video_url":{"url":"data:video/mp4;base64,QQ=="}},{"type":"input_audio","input_audio":{"format":"wav","data":"QQ=="}}]}`,
		`[{"role":"user","content":[{"video":{"format":"mp4","source":{"bytes":"QQ=="}}},{"audio":{"format":"wav","source":{"bytes":"QQ=="}}}]}]`)
	file := func(name, media string) string {
		return `{"type":"file","file":{"filename":"` + name + `","file_data":"data:` + media + `;base64,QQ=="}}`
	}
	f(bedrockNova, `{"role":"user","content":[`+file("My  r\u00e9port_1.pdf", "application/pdf")+`,{"type":"text","text":"a"},`+file("x.md", "application/octet-stream")+`,`+file("x.txt", "text/plain")+`]}`,
		`[{"role":"user","content":[{"document":{"format":"pdf","name":"My r-port-1","source":{"bytes":"QQ=="}}},{"text":"a"},`+
			`{"document":{"format":"md","name":"x","source":{"bytes":"QQ=="}}},{"document":{"format":"txt","name":"x (2)","source":{"bytes":"QQ=="}}}]}]`)
	f(bedrockNova, `{"role":"user","content":[`+file("a.pdf", "application/pdf")+`]}`, "! messages[0].content")
	f(bedrockNova, `{"role":"user","content":[`+file("a.zip", "application/zip")+`]}`, "! messages[0].content[0].file.file_data")
	f(bedrockNova, `{"role":"user","content":[{"type":"file","file":{"file_id":"x"}}]}`, "! messages[0].content[0].file.file_id")
	f(bedrockNova, `{"role":"user","content":[{"type":"x","x":{}}]}`, "! messages[0].content[0]")

	call := func(id string) string {
		return `{"id":"` + id + `","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}`
	}
	result := func(id string) string {
		return `{"role":"tool","tool_call_id":"` + id + `","content":"{\"r\":1}"}`
	}
	long := strings.Repeat("x", 70)
	f(bedrockNova, user+`,{"role":"assistant","content":null,"tool_calls":[`+call("c1")+`,`+call("c.2")+`]},`+result("c.2")+`,{"role":"tool","tool_call_id":"c1","content":[{"type":"text","text":"x"}],"cache_control":{"type":"ephemeral"}},`+user,
		`[{"role":"user","content":[{"text":"a"}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"c1","name":"f","input":{"a":1}}},{"toolUse":{"toolUseId":"c_2","name":"f","input":{"a":1}}}]},`+
			`{"role":"user","content":[{"toolResult":{"toolUseId":"c_2","content":[{"text":"{\"r\":1}"}]}},{"toolResult":{"toolUseId":"c1","content":[{"text":"x"}]}},{"cachePoint":{"type":"default"}},{"text":"a"}]}]`)
	if got := bedrockCallID([]byte(`"` + long + `"`)); len(got) != maxCallID || !strings.HasPrefix(got, long[:31]+"_") || got == bedrockCallID([]byte(`"`+long+`y"`)) {
		t.Errorf("a long id is %s", got)
	}
	f(bedrockNova, user+`,{"role":"assistant","tool_calls":[`+call("c1")+`]},`+user, "! messages")
	f(bedrockNova, user+`,{"role":"assistant","tool_calls":[`+call("c1")+`]}`, "! messages")
	f(bedrockNova, user+`,`+result("c1"), "! messages[1].tool_call_id")
	f(bedrockNova, user+`,{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"[]"}}]}`, "! messages[1].tool_calls[0].function.arguments")
	if _, err := newOpenAIBedrock(Call{Send: bedrockNova}).Request(nil, []byte(`{"messages":[`+user+`,{"role":"assistant","tool_calls":[`+call("c1")+`]},`+result("c1")+`]}`)); err == nil || !strings.HasPrefix(err.Error(), "tools: ") {
		t.Errorf("calls without tools: %v", err)
	}
	if _, err := newOpenAIBedrock(Call{Send: bedrockNova}).Request(nil, []byte(`{"tool_choice":"none","messages":[`+user+`,{"role":"assistant","tool_calls":[`+call("c1")+`]},`+result("c1")+`]`+tools+`}`)); err == nil || !strings.HasPrefix(err.Error(), "tool_choice: ") {
		t.Errorf("calls, and none: %v", err)
	}

	const thought = `{"role":"assistant","content":"b","reasoning_content":"t","thinking_blocks":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"redacted_thinking","data":"ZA=="}]}`
	f(bedrockOpus, user+`,`+thought, `[{"role":"user","content":[{"text":"a"}]},{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"t","signature":"s"}}},{"reasoningContent":{"redactedContent":"ZA=="}},{"text":"b"}]}]`)
	f(bedrockNova, user+`,`+thought, `[{"role":"user","content":[{"text":"a"}]},{"role":"assistant","content":[{"text":"b"}]}]`)
	f(bedrockOpus, user+`,{"role":"assistant","content":"b","reasoning_details":[{"type":"reasoning.text","text":"t","signature":"s","format":"anthropic-claude-v1"},{"type":"reasoning.encrypted","data":"x","format":"openai-responses-v1"}]}`,
		`[{"role":"user","content":[{"text":"a"}]},{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"t","signature":"s"}}},{"text":"b"}]}]`)
	f(bedrockOpus, user+`,{"role":"assistant","content":"b","thinking_blocks":[{"type":"thinking","thinking":"t"}]}`, "! messages[1].thinking_blocks")

	whole := func(messages, want string) {
		t.Helper()
		out, err := newOpenAIBedrock(Call{Send: bedrockOpus}).Request(nil, []byte(`{"cache_control":{"type":"ephemeral"},"messages":[`+messages+`]}`))
		if got := gjson.GetBytes(out, "messages.@reverse.0.content").Raw; err != nil || got != want {
			t.Errorf("%s: %v\n got %s\nwant %s", messages, err, got, want)
		}
	}
	whole(user, `[{"text":"a"},{"cachePoint":{"type":"default"}}]`)
	whole(`{"role":"user","content":"a","cache_control":{"type":"ephemeral","ttl":"1h"}}`, `[{"text":"a"},{"cachePoint":{"type":"default","ttl":"1h"}}]`)
}

func TestOpenAIBedrockReply(t *testing.T) {
	f := func(body, path, want string) {
		t.Helper()
		out, err := newOpenAIBedrock(Call{Send: "m"}).Reply(nil, []byte(body))
		if got := gjson.GetBytes(out, path).Raw; err != nil || got != want || !gjson.ValidBytes(out) {
			t.Errorf("%s: %v\n got %s = %s\nwant %s", body, err, path, got, want)
		}
	}
	blocks := func(content string) string {
		return `{"output":{"message":{"role":"assistant","content":[` + content + `]}},"stopReason":"end_turn","usage":{"inputTokens":10,"outputTokens":4,"totalTokens":34,"cacheReadInputTokens":15,"cacheWriteInputTokens":5},"serviceTier":{"type":"flex"}}`
	}
	f(blocks(`{"text":"a"},{"text":"b\n"}`), "choices", `[{"index":0,"message":{"role":"assistant","content":"ab\n","refusal":null},"logprobs":null,"finish_reason":"stop"}]`)
	f(blocks(``), "usage", `{"prompt_tokens":30,"completion_tokens":4,"total_tokens":34,"prompt_tokens_details":{"cached_tokens":15,"cache_write_tokens":5},"completion_tokens_details":{"reasoning_tokens":0}}`)
	f(blocks(``), "service_tier", `"flex"`)
	f(blocks(``), "model", `"m"`)
	f(blocks(``), "choices.0.message.content", `null`)
	f(blocks(`{"reasoningContent":{"reasoningText":{"text":"t","signature":"s"}}},{"reasoningContent":{"redactedContent":"ZA=="}},{"reasoningContent":{"reasoningText":{"text":"u"}}}`),
		"choices.0.message", `{"role":"assistant","content":null,"refusal":null,"reasoning_content":"tu","thinking_blocks":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"redacted_thinking","data":"ZA=="}]}`)
	f(blocks(`{"toolUse":{"toolUseId":"i","name":"f","input":{"a": "é"}}},{"toolUse":{"toolUseId":"j","name":"g","type":"server_tool_use","input":{}}},{"toolResult":{}}`),
		"choices.0.message.tool_calls", `[{"id":"i","type":"function","function":{"name":"f","arguments":"{\"a\": \"é\"}"}}]`)
	f(blocks(`{"text":"é"},{"citationsContent":{"content":[{"text":"xy"}],"citations":[{"title":"T","location":{"web":{"url":"u"}}},{"location":{"documentChar":{}}},{"source":"https://s","location":{"searchResultLocation":{}}}]}}`),
		"choices.0.message.annotations", `[{"type":"url_citation","url_citation":{"start_index":1,"end_index":3,"url":"u","title":"T"}},{"type":"url_citation","url_citation":{"start_index":1,"end_index":3,"url":"https://s","title":""}}]`)
	f(`{"message":"The model is busy."}`, "error", `{"message":"The model is busy.","type":"api_error","param":null,"code":null}`)
	for reason, want := range map[string]string{
		"end_turn": "stop", "stop_sequence": "stop", "tool_use": "tool_calls", "max_tokens": "length", "model_context_window_exceeded": "length",
		"guardrail_intervened": "content_filter", "content_filtered": "content_filter", "malformed_tool_use": "content_filter", "malformed_model_output": "content_filter",
	} {
		f(strings.Replace(blocks(``), "end_turn", reason, 1), "choices.0.finish_reason", `"`+want+`"`)
	}
	for _, body := range []string{`[`, `{}`, `{"output":{"message":{}}}`} {
		if out, err := newOpenAIBedrock(Call{}).Reply(nil, []byte(body)); err == nil || len(out) > 0 {
			t.Errorf("%s becomes %s", body, out)
		}
	}
}

// TestOpenAIBedrockStream holds the deltas, errors and ends that events become.
func TestOpenAIBedrockStream(t *testing.T) {
	f := func(want string, events ...string) {
		t.Helper()
		tr := newOpenAIBedrock(Call{Send: "m", AskUsage: true})
		var out []byte
		var err error
		for _, e := range events {
			name, data, _ := strings.Cut(e, " ")
			if out, err = tr.Event(out, []byte("event: "+name+"\ndata: "+data+"\n\n")); err != nil {
				t.Error(err)
			}
		}
		out = tr.(Ender).End(out)
		var got []string
		for len(out) > 0 {
			var event []byte
			event, out = NextEvent(out)
			data := string(Data(nil, event))
			switch c := gjson.Parse(data); {
			case data == "[DONE]":
				got = append(got, data)
			case c.Get("error").Exists():
				got = append(got, c.Get("error").Raw)
			case c.Get("usage").Exists():
				got = append(got, c.Get("usage.total_tokens").Raw+c.Get("service_tier").Str)
			case c.Get("choices.0.finish_reason").Str != "":
				got = append(got, c.Get("choices.0.finish_reason").Str)
			default:
				got = append(got, c.Get("choices.0.delta").Raw)
			}
		}
		if s := strings.Join(got, "\n"); s != want {
			t.Errorf("%s\n got %s\nwant %s", events, s, want)
		}
	}
	const role = `{"role":"assistant","content":"","refusal":null}` + "\n"
	start, stop, usage := `messageStart {"p":"ab","role":"assistant"}`, `messageStop {"stopReason":"end_turn"}`, `metadata {"usage":{"inputTokens":1,"outputTokens":2,"cacheReadInputTokens":3},"serviceTier":{"type":"priority"}}`
	piece := func(i, delta string) string {
		return `contentBlockDelta {"contentBlockIndex":` + i + `,"delta":{` + delta + `},"p":"abc"}`
	}
	end := func(i string) string { return `contentBlockStop {"contentBlockIndex":` + i + `}` }
	f(role+"{\"content\":\"a\"}\nstop\n6priority\n[DONE]", start, piece("0", `"text":"a"`), end("0"), stop, usage)
	f(role+"{\"content\":\"a\"}\nstop\n0\n[DONE]", start, piece("0", `"text":"a"`))
	f("stop\n0\n[DONE]")
	f(role+`{"tool_calls":[{"index":0,"id":"i","type":"function","function":{"name":"f","arguments":""}}]}`+"\n"+
		`{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":1}"}}]}`+"\n"+
		`{"tool_calls":[{"index":1,"id":"j","type":"function","function":{"name":"g","arguments":""}}]}`+"\n"+
		`{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]}`+"\ntool_calls\n6priority\n[DONE]",
		start, `contentBlockStart {"contentBlockIndex":1,"start":{"toolUse":{"toolUseId":"i","name":"f"}}}`, piece("1", `"toolUse":{"input":""}`), piece("1", `"toolUse":{"input":"{\"a\":1}"}`), end("1"),
		`contentBlockStart {"contentBlockIndex":2,"start":{"toolUse":{"toolUseId":"s","name":"web","type":"server_tool_use"}}}`, piece("2", `"toolUse":{"input":"{}"}`), end("2"),
		`contentBlockStart {"contentBlockIndex":3,"start":{"toolUse":{"toolUseId":"j","name":"g"}}}`, end("3"), `messageStop {"stopReason":"tool_use"}`, usage)
	f(role+`{"reasoning_content":"t"}`+"\n"+`{"thinking_blocks":[{"type":"thinking","thinking":"t","signature":"sr"}]}`+"\n"+`{"thinking_blocks":[{"type":"redacted_thinking","data":"ZA=="}]}`+"\n"+`{"reasoning_content":"u"}`+"\n"+`{"content":"a"}`+"\nstop\n6priority\n[DONE]",
		start, piece("0", `"reasoningContent":{"text":"t"}`), piece("0", `"reasoningContent":{"signature":"s"}`), piece("0", `"reasoningContent":{"signature":"r"}`), end("0"),
		piece("1", `"reasoningContent":{"redactedContent":"ZA=="}`), end("1"), piece("2", `"reasoningContent":{"text":"u"}`), end("2"), piece("3", `"text":"a"`), end("3"), stop, usage)
	f(role+`{"thinking_blocks":[{"type":"thinking","thinking":"","signature":"s"}]}`+"\nstop\n6priority\n[DONE]", start, piece("0", `"reasoningContent":{"signature":"s"}`), end("0"), stop, usage)
	f(role+`{"content":"ab"}`+"\n"+`{"content":"cd"}`+"\n"+`{"annotations":[{"type":"url_citation","url_citation":{"start_index":2,"end_index":4,"url":"u","title":"T"}}]}`+"\nstop\n6priority\n[DONE]",
		start, piece("0", `"text":"ab"`), end("0"), piece("1", `"citation":{"title":"T","location":{"web":{"url":"u"}}}`), piece("1", `"text":"cd"`), end("1"), stop, usage)
	f(role+`{"message":"slow","type":"rate_limit_error","param":null,"code":"throttlingException"}`, start, `throttlingException {"message":"slow"}`, piece("0", `"text":"a"`), stop, usage)
	f(`{"message":"bad","type":"api_error","param":null,"code":"modelStreamErrorException"}`, `modelStreamErrorException {"message":"bad","originalStatusCode":500}`)
	f(role+"stop\n6priority\n[DONE]", start, `somethingNew {"message":"x"}`, stop, stop, usage, usage)

	if out, err := newOpenAIBedrock(Call{}).Event(nil, []byte("event: metadata\ndata: {\n\n")); err == nil || len(out) > 0 {
		t.Errorf("an event that is no JSON becomes %s", out)
	}
}

func FuzzOpenAIBedrockRequest(f *testing.F) {
	for _, seed := range []string{
		`{"messages":[{"role":"system","content":"a"},{"role":"user","content":[{"type":"file","file":{"filename":"a.b.pdf","file_data":"data:x/y;base64,QQ=="}},{"type":"text","text":"x"}],"cache_control":{"type":"ephemeral"}}]}`,
		`{"cache_control":{"type":"ephemeral"},"tools":[{"type":"function","function":{"name":"f","parameters":{}}}],"messages":[{"role":"user","content":"a"},{"role":"assistant","tool_calls":[{"id":"é","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"é","content":""}]}`,
		`{"parallel_tool_calls":false,"reasoning":{"effort":"low"},"stop":"x","metadata":{"a":"b"},"top_k":1,"messages":[{"role":"user","content":"a"}]}`,
		`{"response_format":{"type":"json_schema","json_schema":{"description":"d","schema":{"items":[{}]}}},"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"format":"","data":""}}]}]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, model := range []string{bedrockOpus, bedrockNova, bedrockLlama} {
			out, err := newOpenAIBedrock(Call{Send: model}).Request(nil, []byte(body))
			if err != nil && len(out) > 0 {
				t.Errorf("%v, and %s", err, out)
			}
			if err == nil && !gjson.ValidBytes(out) {
				t.Errorf("not JSON: %s", out)
			}
		}
	})
}

func FuzzOpenAIBedrockReply(f *testing.F) {
	f.Add(`{"output":{"message":{"content":[{"text":"\ud83d\ude00"},{"citationsContent":{"content":[{"text":1}],"citations":[{"location":{"web":{"url":7}}}]}},{"toolUse":{"input":[]}}]}},"usage":{"inputTokens":1}}`)
	f.Add(`{"output":{"message":{"content":[{"reasoningContent":{"reasoningText":{"text":null,"signature":"s"},"redactedContent":"x"}},7,[]]}},"stopReason":1,"usage":[],"serviceTier":[]}`)
	f.Add(`{"Message":"x"}`)
	f.Fuzz(func(t *testing.T, body string) {
		if out, err := newOpenAIBedrock(Call{}).Reply(nil, []byte(body)); err == nil && !gjson.ValidBytes(out) {
			t.Errorf("not JSON: %s", out)
		}
	})
}

func FuzzOpenAIBedrockEvent(f *testing.F) {
	f.Add("event: messageStart\ndata: {}\n\nevent: contentBlockStart\ndata: {\"contentBlockIndex\":0,\"start\":{\"toolUse\":{}}}\n\nevent: contentBlockDelta\ndata: {\"contentBlockIndex\":0,\"delta\":{\"toolUse\":{\"input\":\"{}\"}}}\n\nevent: metadata\ndata: {}\n\n")
	f.Add("event: contentBlockDelta\ndata: {\"delta\":{\"reasoningContent\":{\"signature\":\"s\",\"text\":\"t\"}}}\n\nevent: contentBlockStop\ndata: {}\n\nevent: xException\ndata: {\"message\":[]}\n\n")
	f.Add("event: contentBlockDelta\ndata: {\"delta\":{\"citation\":{\"location\":{\"web\":{\"url\":1}},\"title\":{}}}}\n\nevent: messageStop\ndata: []\n\nevent: metadata\ndata: {\"serviceTier\":{\"type\":\"x\"}}\n\n")
	f.Fuzz(func(t *testing.T, stream string) {
		tr := newOpenAIBedrock(Call{AskUsage: true})
		out, err := translateClaude(tr, []byte(stream))
		if err == nil {
			out = tr.(Ender).End(out)
		}
		for len(out) > 0 {
			var event []byte
			if event, out = NextEvent(out); len(event) == 0 {
				t.Fatalf("the stream ends within an event: %q", out)
			}
			if data := Data(nil, event); string(data) != "[DONE]" && !gjson.ValidBytes(data) {
				t.Errorf("not JSON: %s", data)
			}
		}
	})
}
