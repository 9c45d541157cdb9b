package provider

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// What an app sends as a chat request must reach Claude whole, or be refused by the
// field's name: a parameter that is lost in silence changes answers and bills.

// askClaude translates a request for a model; an error is returned as "! text".
func askClaude(model, body string) string {
	t := newOpenAIAnthropic(Call{Send: model})
	got, err := t.Request([]byte("#"), []byte(body))
	if err != nil {
		if string(got) != "#" {
			return fmt.Sprintf("! %v, and wrote %s", err, got)
		}
		return "! " + err.Error()
	}
	return string(got[1:])
}

const userSaysHi = `"messages":[{"role":"user","content":"hi"}]`

// TestOpenAIAnthropicFields takes one field at a time: want is what stands between
// the model and max_tokens in front and the messages behind, or the error.
func TestOpenAIAnthropicFields(t *testing.T) {
	f := func(model, fields, want string) {
		t.Helper()
		if fields != "" {
			fields += ","
		}
		got := askClaude(model, "{"+fields+userSaysHi+"}")
		got = strings.TrimPrefix(got, `{"model":"`+model+`","max_tokens":`)
		got = strings.TrimSuffix(got, `,"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]}`)
		if got != want {
			t.Errorf("%s %s\n got %s\nwant %s", model, fields, got, want)
		}
	}
	const old, claude, adaptive, newest = "claude-3-5-haiku-20241022", "claude-sonnet-4-5", "claude-opus-4-6", "claude-opus-4-8"
	f(claude, ``, `4096`)
	f(claude, `"max_tokens":7`, `7`)
	f(claude, `"max_tokens":7,"max_completion_tokens":8`, `8`)
	f(claude, `"max_tokens":null`, `4096`)
	f(claude, `"max_tokens":0`, `! max_tokens: it must be a whole number above 0`)
	f(claude, `"max_completion_tokens":"9"`, `! max_completion_tokens: it must be a whole number above 0`)

	f(claude, `"temperature":0.7,"top_p":0.9,"top_k":5`, `4096,"temperature":0.7,"top_p":0.9,"top_k":5`)
	f(claude, `"temperature":1.1`, `! temperature: Anthropic takes 0 to 1`)
	f(claude, `"temperature":-0.5`, `! temperature: Anthropic takes 0 to 1`)
	f(claude, `"top_p":"x"`, `! top_p: it must be a number`)

	f(claude, `"stop":"END"`, `4096,"stop_sequences":["END"]`)
	f(claude, `"stop":["a","b\""]`, `4096,"stop_sequences":["a","b\""]`)
	f(claude, `"stop":[]`, `4096`)
	f(claude, `"stop":"\n\n"`, `! stop: Anthropic takes strings that are more than white space`)
	f(claude, `"stop":[1]`, `! stop: Anthropic takes strings that are more than white space`)

	f(claude, `"user":"u1"`, `4096,"metadata":{"user_id":"u1"}`)
	f(claude, `"safety_identifier":"u1","user":"u1","metadata":{"user_id":"u1"}`, `4096,"metadata":{"user_id":"u1"}`)
	f(claude, `"safety_identifier":"u1","user":"u2"`, `! user: Anthropic takes one identifier of the user, and another field holds a different one`)
	f(claude, `"metadata":{"team":"x"}`, `! metadata: Anthropic takes user_id alone`)

	f(claude, `"service_tier":"auto"`, `4096,"service_tier":"auto"`)
	f(claude, `"service_tier":"default"`, `4096,"service_tier":"standard_only"`)
	f(claude, `"service_tier":"flex"`, `! service_tier: Anthropic takes auto and default`)
	f(claude, `"stream":true,"stream_options":{"include_usage":true}`, `4096,"stream":true`)
	f(claude, `"stream_options":{"include_obfuscation":true}`, `! stream_options.include_obfuscation: Anthropic's messages cannot express it`)
	f(claude, `"cache_control":{"type":"ephemeral"}`, `4096,"cache_control":{"type":"ephemeral"}`)

	f(claude, `"reasoning_effort":"low"`, `4096,"thinking":{"type":"enabled","budget_tokens":1024}`)
	f(claude, `"reasoning_effort":"high","max_tokens":10000`, `10000,"thinking":{"type":"enabled","budget_tokens":8000}`)
	f(claude, `"reasoning_effort":"high","max_tokens":1024`,
		`! reasoning_effort: Anthropic's models think with at least 1024 tokens, which must be fewer than max_completion_tokens`)
	f(claude, `"reasoning_effort":"none"`, `4096,"thinking":{"type":"disabled"}`)
	f(claude, `"reasoning_effort":"much"`, `! reasoning_effort: the effort is not known`)
	f(old, `"reasoning_effort":"none"`, `4096`)
	f(old, `"reasoning_effort":"low"`, `! reasoning_effort: the model does not think`)
	f(adaptive, `"reasoning_effort":"minimal"`, `4096,"thinking":{"type":"adaptive"},"output_config":{"effort":"low"}`)
	f(newest, `"reasoning_effort":"xhigh"`, `4096,"thinking":{"type":"adaptive"},"output_config":{"effort":"xhigh"}`)
	f(claude, `"reasoning_effort":"low","temperature":0.5`, `! temperature: Anthropic takes none but 1 while the model thinks`)
	f(claude, `"reasoning_effort":"low","temperature":1`, `4096,"temperature":1,"thinking":{"type":"enabled","budget_tokens":1024}`)
	f(claude, `"reasoning":{"max_tokens":2000}`, `4096,"thinking":{"type":"enabled","budget_tokens":2000}`)
	f(adaptive, `"reasoning":{"max_tokens":2000}`, `4096,"thinking":{"type":"enabled","budget_tokens":2000}`)
	f(newest, `"reasoning":{"max_tokens":2000}`, `! reasoning.max_tokens: the model takes an effort in its place`)
	f(newest, `"reasoning":{"effort":"high"}`, `4096,"thinking":{"type":"adaptive"},"output_config":{"effort":"high"}`)
	f(newest, `"reasoning":{"enabled":true}`, `4096,"thinking":{"type":"adaptive"}`)
	f(claude, `"reasoning":{"enabled":true}`, `4096,"thinking":{"type":"enabled","budget_tokens":2000}`)
	f(claude, `"reasoning":{"enabled":false}`, `4096,"thinking":{"type":"disabled"}`)
	f(claude, `"reasoning":{"exclude":true}`, `! reasoning.exclude: Anthropic's messages cannot express it`)
	f(claude, `"thinking":{"type":"enabled","budget_tokens":2048}`, `4096,"thinking":{"type":"enabled","budget_tokens":2048}`)
	f(claude, `"thinking":{"type":"enabled"}`, `4096,"thinking":{"type":"enabled","budget_tokens":2000}`)
	f(newest, `"thinking":{"type":"enabled"},"reasoning_effort":"low"`, `4096,"thinking":{"type":"adaptive"},"output_config":{"effort":"low"}`)
	f(newest, `"thinking":{"type":"adaptive"},"reasoning_effort":"low"`, `4096,"thinking":{"type":"adaptive"},"output_config":{"effort":"low"}`)
	f(claude, `"thinking":{"type":"disabled"},"reasoning_effort":"low"`, `! reasoning_effort: thinking says already how the model is to think`)

	f(claude, `"response_format":{"type":"text"}`, `4096`)
	f(claude, `"response_format":{"type":"json_object"}`, `! response_format: Anthropic takes text and json_schema`)
	f(claude, `"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"description":"why","schema":{"type":"object","properties":{"type":{"type":"array","items":{"$ref":"#/$defs/a"}}},"$defs":{"a":{"type":"object","properties":{},"additionalProperties":true}}}}}`,
		`4096,"output_config":{"format":{"type":"json_schema","schema":{"description":"why","type":"object","properties":{"type":{"type":"array","items":{"$ref":"#/$defs/a"}}},"$defs":{"a":{"type":"object","properties":{},"additionalProperties":true}},"additionalProperties":false}}}`)
	f(newest, `"reasoning_effort":"low","response_format":{"type":"json_schema","json_schema":{"schema":{"anyOf":[{"properties":{}}]}}}`,
		`4096,"thinking":{"type":"adaptive"},"output_config":{"effort":"low","format":{"type":"json_schema","schema":{"anyOf":[{"properties":{},"additionalProperties":false}]}}}`)
	f(claude, `"response_format":{"type":"json_schema"}`, `! response_format.json_schema.schema: it must be an object`)

	const tools = `"tools":[{"type":"function","function":{"name":"f"}}]`
	const asTools = `4096,"tools":[{"name":"f","input_schema":{"type":"object","properties":{}}}]`
	f(claude, tools, asTools)
	f(claude, `"tools":[{"type":"function","function":{"name":"f","description":"d","strict":true,"parameters":{"type":"object","properties":{"a":{"type":"string"}}}},"cache_control":{"type":"ephemeral"}},{"type":"function","function":{"name":"g","parameters":{"properties":{}}}}]`,
		`4096,"tools":[{"name":"f","description":"d","strict":true,"cache_control":{"type":"ephemeral"},"input_schema":{"type":"object","properties":{"a":{"type":"string"}}}},{"name":"g","input_schema":{"type":"object","properties":{}}}]`)
	f(claude, `"tools":[{"type":"custom","custom":{"name":"f"}}]`, `! tools[0]: only functions can be expressed`)
	f(claude, `"tools":[{"type":"function","function":{"name":"f","parameters":[]}}]`, `! tools[0].function.parameters: it must be the schema of an object`)
	f(claude, `"tools":{}`, `! tools: it must be an array`)
	f(claude, tools+`,"tool_choice":"auto"`, asTools+`,"tool_choice":{"type":"auto"}`)
	f(claude, tools+`,"tool_choice":"none","parallel_tool_calls":false`, asTools+`,"tool_choice":{"type":"none"}`)
	f(claude, tools+`,"tool_choice":"required"`, asTools+`,"tool_choice":{"type":"any"}`)
	f(claude, tools+`,"tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false`,
		asTools+`,"tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true}`)
	f(claude, tools+`,"parallel_tool_calls":false`, asTools+`,"tool_choice":{"type":"auto","disable_parallel_tool_use":true}`)
	f(claude, tools+`,"parallel_tool_calls":true`, asTools)
	f(claude, tools+`,"tool_choice":"required","reasoning_effort":"low"`, `! tool_choice: Anthropic takes no forced choice while the model thinks`)
	f(claude, tools+`,"tool_choice":{"type":"allowed_tools"}`, `! tool_choice: Anthropic takes auto, none, required or a function`)
	f(claude, tools+`,"tool_choice":{"type":"function","function":{"name":1}}`, `! tool_choice.function.name: it must be a string`)
	f(claude, `"reasoning":"high"`, `! reasoning: it must be an object`)
	f(claude, `"response_format.json_schema":{}`, `! response_format.json_schema: Anthropic's messages cannot express it`)
	f(claude, `"tool_choice":"auto","parallel_tool_calls":false`, `4096`)
	f(claude, `"tool_choice":"required"`, `! tool_choice: there are no tools to choose from`)

	f(claude, `"n":1,"logprobs":false,"frequency_penalty":0.0,"presence_penalty":0,"logit_bias":{},"store":false,"modalities":["text"],"seed":null`, `4096`)
	for _, field := range []string{`"n":2`, `"logprobs":true`, `"top_logprobs":3`, `"seed":1`, `"frequency_penalty":0.1`, `"presence_penalty":-1`, `"logit_bias":{"1":2}`, `"audio":{}`,
		`"modalities":["text","audio"]`, `"prediction":{}`, `"store":true`, `"functions":[]`, `"function_call":"auto"`, `"web_search_options":{}`, `"x":0`} {
		name, _, _ := strings.Cut(strings.TrimPrefix(field, `"`), `"`)
		f(claude, field, "! "+name+": Anthropic's messages cannot express it")
	}
}

// TestOpenAIAnthropicMessages takes the messages of a conversation.
func TestOpenAIAnthropicMessages(t *testing.T) {
	f := func(messages, want string) {
		t.Helper()
		got := askClaude("claude-sonnet-4-5", `{"messages":[`+messages+`]}`)
		if got = strings.TrimPrefix(got, `{"model":"claude-sonnet-4-5","max_tokens":4096,`); got != want && got != want+"}" {
			t.Errorf("%s\n got %s\nwant %s", messages, got, want)
		}
	}
	// System and developer messages.
	f(`{"role":"system","content":"a"},{"role":"developer","content":[{"type":"text","text":"b"}]},{"role":"user","content":"c"}`,
		`"system":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"messages":[{"role":"user","content":[{"type":"text","text":"c"}]}]`)
	f(`{"role":"user","content":"a"},{"role":"system","content":"b"},{"role":"assistant","content":"c"}`,
		`"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},{"role":"assistant","content":[{"type":"text","text":"c"}]}]`)
	f(`{"role":"system","content":"a"}`, `"messages":[{"role":"user","content":[{"type":"text","text":"a"}]}]`)
	// Turns of one role are one, and empty messages none.
	f(`{"role":"user","content":"a"},{"role":"assistant","content":null},{"role":"assistant","content":" \n"},{"role":"user","content":"b"}`,
		`"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]`)
	f(`{"role":"user","content":""}`, `! messages: Anthropic needs one that is not empty`)
	f(``, `! messages: Anthropic needs one that is not empty`)
	// Tool calls, parallel ones too, and their results, which come first.
	const calls = `{"role":"user","content":"q"},{"role":"assistant","content":"hm","tool_calls":[{"id":"a:1","type":"function","function":{"name":"f","arguments":"{\"x\": 1}"}},{"id":"b","type":"function","function":{"name":"g","arguments":""}}]},`
	const asCalls = `"messages":[{"role":"user","content":[{"type":"text","text":"q"}]},{"role":"assistant","content":[{"type":"text","text":"hm"},{"type":"tool_use","id":"a_1","name":"f","input":{"x": 1}},{"type":"tool_use","id":"b","name":"g","input":{}}]},`
	f(calls+`{"role":"tool","tool_call_id":"a:1","content":"1"},{"role":"tool","tool_call_id":"b","name":"g","content":[{"type":"text","text":"2"},{"type":"image_url","image_url":"https://x/i.png"}]},{"role":"user","content":"go"}`,
		asCalls+`{"role":"user","content":[{"type":"tool_result","tool_use_id":"a_1","content":[{"type":"text","text":"1"}]},{"type":"tool_result","tool_use_id":"b","content":[{"type":"text","text":"2"},{"type":"image","source":{"type":"url","url":"https://x/i.png"}}]},{"type":"text","text":"go"}]}]`)
	f(calls+`{"role":"tool","tool_call_id":"b","content":""},{"role":"developer","content":"now"},{"role":"tool","tool_call_id":"a:1","content":"1","cache_control":{"type":"ephemeral"}}`,
		asCalls+`{"role":"user","content":[{"type":"tool_result","tool_use_id":"b"},{"type":"tool_result","tool_use_id":"a_1","content":[{"type":"text","text":"1"}],"cache_control":{"type":"ephemeral"}},{"type":"text","text":"now"}]}]`)
	f(calls+`{"role":"tool","tool_call_id":"b","content":"2"},{"role":"user","content":"?"}`, `! messages: the tool call a_1 has no result`)
	f(calls+`{"role":"tool","tool_call_id":"b","content":"2"},{"role":"assistant","content":"?"}`, `! messages: the tool call a_1 has no result`)
	f(calls+`{"role":"tool","tool_call_id":"c","content":"2"}`, `! messages[2].tool_call_id: the assistant's turn before has no such call, or it was answered`)
	f(`{"role":"assistant","tool_calls":[{"id":"b","function":{"name":"g","arguments":"[1]"}}]}`, `! messages[0].tool_calls[0].function.arguments: it must be the JSON of an object`)
	f(`{"role":"assistant","tool_calls":[{"function":{"name":"g"}}]}`, `! messages[0].tool_calls[0].id: it must be a string that is not empty`)
	// Thoughts go back with their signatures, and unsigned ones not at all.
	f(`{"role":"user","content":"a"},{"role":"assistant","content":"b","reasoning_content":"t","thinking_blocks":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"redacted_thinking","data":"d"}]}`,
		`"messages":[{"role":"user","content":[{"type":"text","text":"a"}]},{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"redacted_thinking","data":"d"},{"type":"text","text":"b"}]}]`)
	f(`{"role":"assistant","content":"b","reasoning":"t","reasoning_details":[{"type":"reasoning.text","text":"t","signature":"s","format":"anthropic-claude-v1","index":0},{"type":"reasoning.encrypted","data":"x","format":"openai-responses-v1"}]}`,
		`"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"text","text":"b"}]}]`)
	f(`{"role":"assistant","content":null,"refusal":"no","audio":null}`, `"messages":[{"role":"assistant","content":[{"type":"text","text":"no"}]}]`)
	f(`{"role":"assistant","thinking_blocks":[{"type":"thinking","thinking":"t"}]}`, `! messages[0].thinking_blocks: Anthropic takes its own blocks, with their signatures`)
	// Images and files.
	block := func(part, want string) {
		t.Helper()
		if !strings.HasPrefix(want, "!") {
			want = `"messages":[{"role":"user","content":[` + want + `]}]`
		}
		f(`{"role":"user","content":[`+part+`]}`, want)
	}
	block(`{"type":"image_url","image_url":{"url":"data:image/jpg;base64,QUJD","detail":"auto"},"cache_control":{"type":"ephemeral"}}`,
		`{"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"QUJD"},"cache_control":{"type":"ephemeral"}}`)
	block(`{"type":"image_url","image_url":{"url":"http:\/\/x\/y"}}`, `{"type":"image","source":{"type":"url","url":"http://x/y"}}`)
	block(`{"type":"image_url","image_url":{"url":"https://x/y","detail":"low"}}`, `! messages[0].content[0].image_url.detail: Anthropic takes auto and high`)
	block(`{"type":"image_url","image_url":{"url":"data:image/png,abc"}}`, `! messages[0].content[0].image_url.url: Anthropic takes http and https URLs, and data URLs in base64`)
	block(`{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,QUJD"}}`,
		`{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"QUJD"},"title":"a.pdf"}`)
	block(`{"type":"file","file":{"filename":"a.txt","file_data":"data:text/plain;charset=utf-8;base64,QUJD"}}`,
		`{"type":"document","source":{"type":"text","media_type":"text/plain","data":"ABC"},"title":"a.txt"}`)
	block(`{"type":"file","file":{"file_data":"https://x/a.pdf"}}`, `{"type":"document","source":{"type":"url","url":"https://x/a.pdf"}}`)
	block(`{"type":"file","file":{"file_id":"f"}}`, `! messages[0].content[0].file.file_id: Anthropic's messages cannot express it`)
	block(`{"type":"text","text":"a"},{"type":"input_audio","input_audio":{}}`, `! messages[0].content[1]: Anthropic's messages cannot express this part here`)
	block(`{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"1h"}},{"type":"text","text":"b"}`,
		`{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"1h"}},{"type":"text","text":"b"}`)
	// cache_control beside the content marks the last block of its message alone.
	f(`{"role":"system","content":"s","cache_control":{"type":"ephemeral"}},{"role":"user","content":"a"},{"role":"user","content":"","cache_control":{"type":"ephemeral"}}`,
		`"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":[{"type":"text","text":"a"}]}]`)
	f(`{"role":"user","name":"bob","content":"a"}`, `! messages[0].name: Anthropic's messages cannot express it`)
	f(`{"role":"function","content":"a"}`, `! messages[0].role: Anthropic's messages do not know it`)
	f(`{"role":"user","content":7}`, `! messages[0].content: it must be a string or an array`)
	f(`{"role":"system","content":[{"type":"image_url","image_url":{"url":"https://x"}}]},{"role":"user","content":"a"}`, `! messages[0].content[0]: Anthropic's messages cannot express this part here`)
}

func TestOpenAIAnthropicGatewayFields(t *testing.T) {
	body := []byte(`{"models":["a"],"provider":{},` + userSaysHi + `}`)
	members, _ := jsonscan.Members(nil, body)
	got, err := newOpenAIAnthropic(Call{Send: "claude-x", Drop: members[:2], MaxOutput: 64000}).Request(nil, body)
	if want := `{"model":"claude-x","max_tokens":64000,"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
	if got := askClaude("m", `{"messages":[]`); got != "! cannot read the request: unexpected end of JSON at byte 14" {
		t.Error(got)
	}
}

func TestClaudeVersion(t *testing.T) {
	f := func(model string, want int) {
		t.Helper()
		if got := claudeVersion(model); got != want {
			t.Errorf("%s: %d, want %d", model, got, want)
		}
	}
	f("claude-3-7-sonnet-20250219", 307)
	f("claude-3-opus-20240229", 300)
	f("claude-sonnet-4-20250514", 400)
	f("claude-opus-4@20250514", 400)
	f("anthropic/claude-opus-4.6", 406)
	f("us.anthropic.claude-opus-4-7-v1:0", 407)
	f("claude-4.8-opus", 408)
	f("claude-fable-5", 500)
	f("claude-fable-5-v1", 500)
	f("claude-mythos-preview", 10000)
	f("claude-instant-1.2", 102)
	f("kimi-k2", firstThinking)
}

// claudeReply translates a whole reply, made at the second 1.
func claudeReply(body string) string {
	t := newOpenAIAnthropic(Call{Send: "sent"}).(*openaiAnthropic)
	t.created = 1
	got, err := t.Reply(nil, []byte(body))
	if err != nil {
		return "! " + err.Error()
	}
	return string(got)
}

func TestOpenAIAnthropicReply(t *testing.T) {
	f := func(content, stop, rest, wantMessage, wantFinish string) {
		t.Helper()
		got := claudeReply(`{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[` + content + `],"stop_reason":"` + stop + `"` + rest + `}`)
		want := `{"id":"msg_1","object":"chat.completion","created":1,"model":"claude-x","choices":[{"index":0,"message":{"role":"assistant",` + wantMessage +
			`},"logprobs":null,"finish_reason":"` + wantFinish + `"}],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0,"prompt_tokens_details":{"cached_tokens":0,"cache_write_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}}`
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", content, got, want)
		}
	}
	f(`{"type":"text","text":"a\n"},{"type":"text","text":"b"}`, "end_turn", ``, `"content":"a\nb","refusal":null`, "stop")
	f(`{"type":"tool_use","id":"t1","name":"f","input":{"a":"<"}},{"type":"tool_use","id":"t2","name":"g","input":{}}`, "tool_use", ``,
		`"content":null,"refusal":null,"tool_calls":[{"id":"t1","type":"function","function":{"name":"f","arguments":"{\"a\":\"\u003c\"}"}},{"id":"t2","type":"function","function":{"name":"g","arguments":"{}"}}]`, "tool_calls")
	f(`{"type":"thinking","thinking":"t","signature":"s"},{"type":"redacted_thinking","data":"d"},{"type":"text","text":"a"}`, "max_tokens", ``,
		`"content":"a","refusal":null,"reasoning_content":"t","thinking_blocks":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"redacted_thinking","data":"d"}]`, "length")
	f(``, "refusal", `,"stop_details":{"type":"refusal","explanation":"no"}`, `"content":null,"refusal":"no"`, "content_filter")
	f(`{"type":"server_tool_use","id":"s","name":"web_search","input":{}},{"type":"web_search_tool_result","tool_use_id":"s","content":[]},{"type":"text","text":"é. "},{"type":"text","text":"b","citations":[{"type":"web_search_result_location","url":"https://x","title":"X","cited_text":"c"},{"type":"char_location"}]}`,
		"stop_sequence", ``, `"content":"é. b","refusal":null,"annotations":[{"type":"url_citation","url_citation":{"start_index":3,"end_index":4,"url":"https://x","title":"X"}}]`, "stop")
	f(``, "pause_turn", ``, `"content":null,"refusal":null`, "stop")
	f(``, "model_context_window_exceeded", ``, `"content":null,"refusal":null`, "length")
	got := claudeReply(`{"id":"m","model":"c","content":[],"usage":{"input_tokens":1,"cache_read_input_tokens":10,"cache_creation_input_tokens":100,"output_tokens":7,"output_tokens_details":{"thinking_tokens":5},"service_tier":"standard"}}`)
	if want := `"service_tier":"default"`; !strings.Contains(got, want) {
		t.Errorf("%s lacks %s", got, want)
	}
	if want := `"usage":{"prompt_tokens":111,"completion_tokens":7,"total_tokens":118,"prompt_tokens_details":{"cached_tokens":10,"cache_write_tokens":100},"completion_tokens_details":{"reasoning_tokens":5}}`; !strings.Contains(got, want) {
		t.Errorf("%s lacks %s", got, want)
	}
	if got, want := claudeReply(`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`), `{"error":{"message":"Overloaded","type":"overloaded_error","param":null,"code":null}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := claudeReply(`{"type":"message"}`); got != "! cannot read the reply: it is not a message of Anthropic's" {
		t.Error(got)
	}
	if got := claudeReply(`[]`); got != "! cannot read the reply: not a JSON object at byte 0" {
		t.Error(got)
	}
}

// claudeEvents frames payloads as a stream of Anthropic's.
func claudeEvents(payloads ...string) (all [][]byte) {
	for _, p := range payloads {
		all = append(all, []byte("event: "+claudeType(p)+"\ndata: "+p+"\n\n"))
	}
	return all
}

func claudeType(payload string) string {
	var e struct{ Type string }
	_ = json.Unmarshal([]byte(payload), &e)
	return e.Type
}

// TestOpenAIAnthropicEvents holds what each event becomes: a chunk is written as its
// delta and, if it has one, its finish reason.
func TestOpenAIAnthropicEvents(t *testing.T) {
	f := func(c Call, payloads []string, want ...string) {
		t.Helper()
		tr := newOpenAIAnthropic(c).(*openaiAnthropic)
		tr.created = 1
		var out []byte
		for _, e := range claudeEvents(payloads...) {
			var err error
			if out, err = tr.Event(out, e); err != nil {
				t.Fatal(err)
			}
		}
		got := string(out)
		got = strings.ReplaceAll(got, `data: {"id":"msg_1","object":"chat.completion.chunk","created":1,"model":"claude-x",`, "")
		got = strings.ReplaceAll(got, `"choices":[{"index":0,"delta":{`, "{")
		got = strings.ReplaceAll(got, `,"logprobs":null,"finish_reason":null}]}`, "")
		if strings.TrimSuffix(got, "\n\n") != strings.Join(want, "\n\n") {
			t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n\n"))
		}
	}
	const start = `{"type":"message_start","message":{"id":"msg_1","model":"claude-x","usage":{"input_tokens":5,"cache_read_input_tokens":3,"output_tokens":1}}}`
	const role = `{"role":"assistant","content":"","refusal":null}`
	const stop, done = `{"type":"message_stop"}`, "data: [DONE]"
	block := func(b string) string { return `{"type":"content_block_start","index":0,"content_block":` + b + `}` }
	delta := func(d string) string { return `{"type":"content_block_delta","index":0,"delta":` + d + `}` }
	const end = `{"type":"content_block_stop","index":0}`
	finish := func(reason string) string {
		return `{"type":"message_delta","delta":{"stop_reason":"` + reason + `","stop_sequence":null},"usage":{"input_tokens":5,"output_tokens":9}}`
	}
	finished := func(reason string) string { return `{},"logprobs":null,"finish_reason":"` + reason + `"}]}` }

	f(Call{}, []string{start, `{"type":"ping"}`, block(`{"type":"text","text":""}`), delta(`{"type":"text_delta","text":"a\"é"}`), end, finish("end_turn"), finish("end_turn"), stop, stop},
		role, `{"content":"a\"é"}`, finished("stop"), done)
	for _, c := range []Call{{AskUsage: true}, {StreamOptions: jsonscan.Member{Value: []byte(`{"include_usage": true}`)}}} {
		f(c, []string{start, finish("max_tokens"), stop}, role, finished("length"),
			`"choices":[],"usage":{"prompt_tokens":8,"completion_tokens":9,"total_tokens":17,"prompt_tokens_details":{"cached_tokens":3,"cache_write_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}}`, done)
	}
	f(Call{AskUsage: true, DropUsage: true}, []string{start, finish("max_tokens"), stop}, role, finished("length"), done)
	// The index of tool calls counts no other blocks; arguments that never come are {}.
	f(Call{}, []string{start, block(`{"type":"text","text":""}`), end,
		block(`{"type":"tool_use","id":"t1","name":"f","input":{}}`), delta(`{"type":"input_json_delta","partial_json":""}`), delta(`{"type":"input_json_delta","partial_json":"{\"a\":1}"}`), end,
		block(`{"type":"server_tool_use","id":"s","name":"web_search","input":{}}`), delta(`{"type":"input_json_delta","partial_json":"{}"}`), end,
		block(`{"type":"tool_use","id":"t2","name":"g","input":{}}`), end, block(`{"type":"tool_use","id":"t3","name":"h","input":{"b":2}}`), end, finish("tool_use"), stop},
		role, `{"tool_calls":[{"index":0,"id":"t1","type":"function","function":{"name":"f","arguments":""}}]}`, `{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":1}"}}]}`,
		`{"tool_calls":[{"index":1,"id":"t2","type":"function","function":{"name":"g","arguments":""}}]}`, `{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]}`,
		`{"tool_calls":[{"index":2,"id":"t3","type":"function","function":{"name":"h","arguments":""}}]}`, `{"tool_calls":[{"index":2,"function":{"arguments":"{\"b\":2}"}}]}`,
		finished("tool_calls"), done)
	// A thought comes in pieces, and once whole with its signature.
	f(Call{}, []string{start, block(`{"type":"thinking","thinking":"","signature":""}`), delta(`{"type":"thinking_delta","thinking":"a"}`), delta(`{"type":"thinking_delta","thinking":"\n"}`), delta(`{"type":"signature_delta","signature":"s"}`), end,
		block(`{"type":"redacted_thinking","data":"d"}`), end},
		role, `{"reasoning_content":"a"}`, `{"reasoning_content":"\n"}`, `{"thinking_blocks":[{"type":"thinking","thinking":"a\n","signature":"s"}]}`, `{"thinking_blocks":[{"type":"redacted_thinking","data":"d"}]}`)
	f(Call{}, []string{start, block(`{"type":"text","text":"ab","citations":[]}`), delta(`{"type":"citations_delta","citation":{"type":"web_search_result_location","url":"https://x","title":null}}`), end},
		role, `{"content":"ab"}`, `{"annotations":[{"type":"url_citation","url_citation":{"start_index":0,"end_index":2,"url":"https://x","title":""}}]}`)
	f(Call{}, []string{start, `{"type":"message_delta","delta":{"stop_reason":"refusal","stop_details":{"explanation":"no"}}}`, stop}, role, `{"refusal":"no"}`, finished("content_filter"), done)
	// An error ends the stream, without [DONE].
	f(Call{}, []string{start, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, stop},
		role, `data: {"error":{"message":"Overloaded","type":"overloaded_error","param":null,"code":null}}`)
}

func TestOpenAIAnthropicEnd(t *testing.T) {
	tr := newOpenAIAnthropic(Call{})
	out, err := tr.Event(nil, []byte(": comment\r\n\r\n"))
	if err != nil || len(out) > 0 {
		t.Errorf("a comment became %q, %v", out, err)
	}
	if out, err = tr.Event(nil, []byte("data: {\n\n")); err == nil || len(out) > 0 {
		t.Errorf("broken JSON became %q", out)
	}
	if out = tr.(Ender).End(nil); bytes.Count(out, []byte("data: ")) != 2 || !bytes.HasSuffix(out, []byte("data: [DONE]\n\n")) {
		t.Errorf("a stream without an end has %q", out)
	}
	if out = tr.(Ender).End(nil); len(out) > 0 {
		t.Errorf("ended twice: %q", out)
	}
}
