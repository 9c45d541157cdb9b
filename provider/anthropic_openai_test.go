package provider

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
	"github.com/generic-corp/halfpenny/llm"
)

// An app that was written for Anthropic's messages must work with any provider of
// OpenAI's chat, and must be told by name what cannot go there.

func TestMessagesRequestToChat(t *testing.T) {
	const head, hi = `{"model":"m","max_tokens":9`, `,"messages":[{"role":"user","content":"hi"}]`
	// f holds what is beside model, messages and max_tokens against what is wanted; a want without a brace is an error's text.
	f := func(fields, want string) {
		t.Helper()
		got, err := newAnthropicOpenAI(Call{Send: "m", AskUsage: true}).Request(nil, []byte(head+hi+fields+`}`))
		if err != nil {
			if err.Error() != want {
				t.Errorf("%s\n got %v\nwant %s", fields, err, want)
			}
			return
		}
		want = `{"model":"m","messages":[{"role":"user","content":"hi"}]` + strings.Replace(want, "…", `,"max_tokens":9`, 1) + `}`
		if string(got) != want || !json.Valid(got) {
			t.Errorf("%s\n got %s\nwant %s", fields, got, want)
		}
	}
	const cannot = " cannot be expressed in OpenAI's chat completions"
	f(``, `…`)
	f(`,"temperature":0.30,"top_p":1,"stop_sequences":["a","\n"],"stream":false`, `…,"temperature":0.30,"top_p":1,"stop":["a","\n"]`)
	f(`,"stop_sequences":[],"temperature":null,"container":null`, `…`)
	f(`,"stream":true`, `…,"stream":true,"stream_options":{"include_usage":true}`)
	f(`,"top_k":5`, `top_k: this field`+cannot)
	f(`,"mcp_servers":[]`, `mcp_servers: this field`+cannot)
	f(`,"container":"c"`, `container: this field`+cannot)
	f(`,"service_tier":"auto","cache_control":{"type":"ephemeral"},"speed":"standard"`, `…`)
	f(`,"service_tier":"standard_only"`, `…,"service_tier":"default"`)
	f(`,"context_management":{"edits":[{"type":"clear_thinking_20251015","keep":"all"}]}`, `…`)
	f(`,"context_management":{"edits":[{"type":"clear_tool_uses_20250919"}]}`, `context_management: clear_tool_uses_20250919`+cannot)
	f(`,"metadata":{"user_id":"u\"1"}`, `…,"user":"u\"1"`)
	f(`,"metadata":{"user_id":"`+strings.Repeat("u", 65)+`"}`, `…,"user":"f20e249d15fa4b9f44ba21d154f62e1efa76ddfdce5d25139a33a4787cee5a8b"`)
	f(`,"metadata":{"team":"x"}`, `metadata: team`+cannot)

	f(`,"thinking":{"type":"disabled"}`, `…`)
	f(`,"thinking":{"type":"enabled","budget_tokens":1024}`, `…,"reasoning_effort":"low"`)
	f(`,"thinking":{"type":"enabled","budget_tokens":8192,"display":"summarized"}`, `…,"reasoning_effort":"medium"`)
	f(`,"thinking":{"type":"enabled","budget_tokens":31999}`, `…,"reasoning_effort":"high"`)
	f(`,"thinking":{"type":"enabled"}`, `thinking: budget_tokens is missing`)
	f(`,"thinking":{"type":"adaptive"}`, `…,"reasoning_effort":"high"`)
	f(`,"thinking":{"type":"adaptive"},"output_config":{"effort":"low"}`, `…,"reasoning_effort":"low"`)
	f(`,"output_config":{"effort":"max"},"thinking":{"type":"adaptive"}`, `…,"reasoning_effort":"xhigh"`)
	f(`,"output_config":{"task_budget":{}}`, `output_config: task_budget`+cannot)
	const format = `…,"response_format":{"type":"json_schema","json_schema":{"name":"output","strict":true,"schema":{"type":"object"}}}`
	f(`,"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}}`, format)
	f(`,"output_format":{"type":"json_schema","schema":{"type":"object"}}`, format)

	const a = `{"type":"function","function":{"name":"a","parameters":{"type":"object","properties":{"x":{}}}}}`
	const tool = `,"tools":[{"name":"a","input_schema":{"type":"object","properties":{"x":{}}},"cache_control":{"type":"ephemeral"}}]`
	f(tool, `,"tools":[`+a+`]…`)
	f(`,"tools":[{"type":"custom","name":"a","description":"d","strict":true,"input_schema":{"type":"object"}},{"name":"b","input_schema":{},"defer_loading":false}]`,
		`,"tools":[{"type":"function","function":{"name":"a","description":"d","strict":true,"parameters":{"properties":{},"type":"object"}}},`+
			`{"type":"function","function":{"name":"b","parameters":{"type":"object","properties":{}}}}]…`)
	f(tool+`,"tool_choice":{"type":"auto","disable_parallel_tool_use":true}`, `,"tools":[`+a+`],"tool_choice":"auto","parallel_tool_calls":false…`)
	f(tool+`,"tool_choice":{"type":"any"}`, `,"tools":[`+a+`],"tool_choice":"required"…`)
	f(tool+`,"tool_choice":{"type":"none"}`, `,"tools":[`+a+`],"tool_choice":"none"…`)
	f(tool+`,"tool_choice":{"type":"tool","name":"a"}`, `,"tools":[`+a+`],"tool_choice":{"type":"function","function":{"name":"a"}}…`)
	f(`,"tools":[],"tool_choice":{"type":"auto"}`, `…`)
	f(`,"tool_choice":{"type":"any"}`, `tool_choice: there are no tools`)
	f(`,"tools":[{"name":"w","type":"web_search_20250305","max_uses":1}]`, `tools: a tool of type web_search_20250305`+cannot)
	f(`,"tools":[{"name":"w","input_examples":[]}]`, `tools: input_examples`+cannot)
}

func TestMessagesToChatMessages(t *testing.T) {
	reasoning := ""
	f := func(fields, want string) {
		t.Helper()
		tr := newAnthropicOpenAI(Call{Send: "m"}).(*anthropicOpenAI)
		tr.reasoningField = reasoning
		got, err := tr.Request(nil, []byte(`{"max_tokens":1,`+fields+`}`))
		if err != nil {
			if err.Error() != want {
				t.Errorf("%s\n got %v\nwant %s", fields, err, want)
			}
			return
		}
		if m := gjson.GetBytes(got, "messages").Raw; m != want || !json.Valid(got) {
			t.Errorf("%s\n got %s\nwant %s", fields, m, want)
		}
	}
	const cannot = " cannot be expressed in OpenAI's chat completions"
	const hi = `{"role":"user","content":"hi"}`
	f(`"messages":[`+hi+`],"system":"be\n"`, `[{"role":"system","content":"be\n"},`+hi+`]`)
	f(`"system":[{"type":"text","text":"a"},{"type":"text","text":"b","cache_control":{"type":"ephemeral"}}],"messages":[`+hi+`]`, `[{"role":"system","content":"a\n\nb"},`+hi+`]`)
	f(`"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]`, `[`+hi+`]`)
	f(`"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]`,
		`[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]`)
	f(`"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"QQ=="}},{"type":"image","source":{"type":"url","url":"https://x/y"}}]}]`,
		`[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,QQ=="}},{"type":"image_url","image_url":{"url":"https://x/y"}}]}]`)
	f(`"messages":[{"role":"user","content":[{"type":"image","source":{"type":"file","file_id":"f"}}]}]`, `messages: an image of source file`+cannot)
	f(`"messages":[{"role":"user","content":[{"type":"document","title":"t.pdf","source":{"type":"base64","media_type":"application/pdf","data":"QQ=="}}]}]`,
		`[{"role":"user","content":[{"type":"file","file":{"filename":"t.pdf","file_data":"data:application/pdf;base64,QQ=="}}]}]`)
	f(`"messages":[{"role":"user","content":[{"type":"document","title":"t","context":"c","source":{"type":"text","media_type":"text/plain","data":"d"}}]}]`,
		`[{"role":"user","content":[{"type":"text","text":"c"},{"type":"text","text":"t"},{"type":"text","text":"d"}]}]`)
	f(`"messages":[{"role":"user","content":[{"type":"document","citations":{"enabled":true},"source":{"type":"text","data":"d"}}]}]`, `messages: citations of a document`+cannot)
	f(`"messages":[{"role":"user","content":[{"type":"search_result"}]}]`, `messages: a block of type search_result`+cannot)
	f(`"messages":[`+hi+`,{"role":"assistant","content":"I begin"}]`, `messages: an answer begun by the caller (the last message is the assistant's)`+cannot)

	const call = `{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"redacted_thinking","data":"d"},{"type":"text","text":"so","citations":null},` +
		`{"type":"tool_use","id":"t1","name":"f","input":{"a": "\"\n"}},{"type":"tool_use","id":"t2","name":"g","input":{}}]}`
	const calls = `"tool_calls":[{"id":"t1","type":"function","function":{"name":"f","arguments":"{\"a\": \"\\\"\\n\"}"}},{"id":"t2","type":"function","function":{"name":"g","arguments":"{}"}}]`
	// Results come first and at once, what else the user says behind them.
	f(`"messages":[`+hi+`,`+call+`,{"role":"user","content":[{"type":"text","text":"and"},{"type":"tool_result","tool_use_id":"t1","content":"1"},`+
		`{"type":"tool_result","tool_use_id":"t2","is_error":true,"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]}]`,
		`[`+hi+`,{"role":"assistant",`+calls+`,"content":"so"},{"role":"tool","tool_call_id":"t1","content":"1"},{"role":"tool","tool_call_id":"t2","content":"Error: a\nb"},{"role":"user","content":"and"}]`)
	// An image that a tool returned goes behind the results.
	f(`"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"f","input":{}}]},`+
		`{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":[{"type":"image","source":{"type":"url","url":"u"}}]},{"type":"tool_result","tool_use_id":"t2"}]}]`,
		`[{"role":"assistant","tool_calls":[{"id":"t1","type":"function","function":{"name":"f","arguments":"{}"}}],"content":null},`+
			`{"role":"tool","tool_call_id":"t1","content":"The result is in the next message."},{"role":"tool","tool_call_id":"t2","content":""},`+
			`{"role":"user","content":[{"type":"text","text":"Belongs to the result of tool call t1:"},{"type":"image_url","image_url":{"url":"u"}}]}]`)
	// Text that citations divide is one text; calls divide it into two.
	f(`"messages":[{"role":"assistant","content":[{"type":"text","text":"a"},{"type":"text","text":"b"},{"type":"tool_use","id":"t","name":"f","input":{}},{"type":"text","text":"c"}]},`+hi+`]`,
		`[{"role":"assistant","tool_calls":[{"id":"t","type":"function","function":{"name":"f","arguments":"{}"}}],"content":"ab\n\nc"},`+hi+`]`)
	f(`"messages":[{"role":"assistant","content":[{"type":"server_tool_use","id":"s","name":"web_search","input":{}}]},`+hi+`]`, `messages: a block of type server_tool_use`+cannot)
	f(`"messages":[{"role":"robot","content":""}]`, `messages: role must be user or assistant`)
	f(`"messages":"hi"`, `messages: an array is missing`)

	// Thinking goes back to those that have a place for it.
	const thought = `{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},` +
		`{"type":"redacted_thinking","data":"{\"type\":\"reasoning.encrypted\",\"data\":\"e\",\"id\":\"t\"}"},{"type":"redacted_thinking","data":"d"},{"type":"text","text":"so"}]}`
	f(`"messages":[`+thought+`,`+hi+`]`, `[{"role":"assistant","content":"so"},`+hi+`]`)
	reasoning = "reasoning_content"
	f(`"messages":[`+thought+`,`+hi+`]`, `[{"role":"assistant","reasoning_content":"hm","content":"so"},`+hi+`]`)
	reasoning = "reasoning_details"
	f(`"messages":[`+thought+`,`+hi+`]`, `[{"role":"assistant","reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"s"},`+
		`{"type":"reasoning.encrypted","data":"e","id":"t"},{"type":"reasoning.encrypted","data":"d"}],"content":"so"},`+hi+`]`)
}

func TestMaxTokensForChat(t *testing.T) {
	f := func(model string, most int64, want string) {
		t.Helper()
		got, err := newAnthropicOpenAI(Call{Send: model, MaxOutput: most}).Request(nil, []byte(`{"max_tokens":32000,"messages":[]}`))
		if err != nil || !strings.Contains(string(got), want) {
			t.Errorf("%s: %s, %v; want %s", model, got, err, want)
		}
	}
	f("gpt-4o", 16384, `"max_tokens":16384}`)
	f("gpt-4.1", 32768, `"max_tokens":32000}`)
	f("deepseek-chat", 0, `"max_tokens":32000}`)
	f("o4-mini", 0, `"max_completion_tokens":32000}`)
	f("openai/gpt-5-mini", 0, `"max_completion_tokens":32000}`)
	f("olmo", 0, `"max_tokens":32000}`)
	if _, err := newAnthropicOpenAI(Call{}).Request(nil, []byte(`{"messages":[]}`)); err == nil || err.Error() != "max_tokens: this field is missing" {
		t.Error(err)
	}
	_, err := newAnthropicOpenAI(Call{}).Request(nil, []byte(`{"max_tokens":1,"messages":[],"top_k":1}`))
	if e := (*llm.Error)(nil); !errors.As(err, &e) || e.Status != 400 || e.Param != "top_k" {
		t.Errorf("%#v", err)
	}
}

func TestFieldsForTheGatewayAreNotForChat(t *testing.T) {
	body := []byte(`{"max_tokens":1,"provider":{"order":["x"]},"messages":[]}`)
	members, _ := jsonscan.Members(nil, body)
	got, err := newAnthropicOpenAI(Call{Send: "m", Drop: members[1:2]}).Request(nil, body)
	if want := `{"model":"m","messages":[],"max_tokens":1}`; err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
}

// TestHonouredFieldsAreRead: the list of honoured fields is the list of those that no request is refused for as such.
func TestHonouredFieldsAreRead(t *testing.T) {
	for _, name := range append([]string{"top_k", "mcp_servers", "container", "inference_geo"}, anthropicClientHonours...) {
		_, err := newAnthropicOpenAI(Call{}).Request(nil, []byte(`{"`+name+`":0}`))
		refused := err != nil && strings.HasPrefix(err.Error(), name+": this field cannot")
		listed := false
		for _, honoured := range anthropicClientHonours {
			listed = listed || honoured == name
		}
		if refused == listed {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestChatReplyToMessage(t *testing.T) {
	request := ""
	f := func(reply, want string) {
		t.Helper()
		tr := newAnthropicOpenAI(Call{Send: "sent"})
		if request != "" {
			if _, err := tr.Request(nil, []byte(request)); err != nil {
				t.Fatal(err)
			}
		}
		got, err := tr.Reply(nil, []byte(reply))
		if err != nil {
			got = []byte(err.Error())
		} else if !json.Valid(got) {
			t.Errorf("not JSON: %s", got)
		}
		if string(got) != want {
			t.Errorf("%s\n got %s\nwant %s", reply, got, want)
		}
	}
	const head, tail = `{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[`, `,"usage":{"input_tokens":3,"cache_creation_input_tokens":1,"cache_read_input_tokens":6,"output_tokens":5}}`
	const end, tool = `],"stop_reason":"end_turn","stop_sequence":null` + tail, `],"stop_reason":"tool_use","stop_sequence":null` + tail
	reply := func(message, finish, more string) string {
		return `{"id":"chatcmpl-1","model":"m","choices":[{"index":0,"message":` + message + `,"finish_reason":` + finish + more +
			`}],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":6,"cache_write_tokens":1}}}`
	}
	f(reply(`{"role":"assistant","content":"a\"\u00e9"}`, `"stop"`, ``), head+`{"type":"text","text":"a\"\u00e9"}`+end)
	f(reply(`{"content":null,"refusal":null}`, `"stop"`, ``), head+end)
	f(reply(`{"content":"a"}`, `"length"`, ``), head+`{"type":"text","text":"a"}],"stop_reason":"max_tokens","stop_sequence":null`+tail)
	f(reply(`{"content":""}`, `"content_filter"`, ``), head+`],"stop_reason":"refusal","stop_sequence":null`+tail)
	f(reply(`{"content":null,"refusal":"no"}`, `"stop"`, ``), head+`{"type":"text","text":"no"}],"stop_reason":"refusal","stop_sequence":null`+tail)
	f(reply(`{"content":"b","reasoning_content":"a"}`, `"stop"`, ``), head+`{"type":"thinking","thinking":"a","signature":""},{"type":"text","text":"b"}`+end)
	f(reply(`{"content":[{"type":"thinking","thinking":[{"type":"text","text":"a"}]},{"type":"text","text":"b"}]}`, `"stop"`, ``),
		head+`{"type":"thinking","thinking":"a","signature":""},{"type":"text","text":"b"}`+end)
	f(reply(`{"content":"b","reasoning":"a","reasoning_details":[{"type":"reasoning.text","text":"a","signature":"s"},{"type":"reasoning.encrypted","data":"e"}]}`, `"stop"`, ``),
		head+`{"type":"thinking","thinking":"a","signature":"s"},{"type":"redacted_thinking","data":"{\"type\":\"reasoning.encrypted\",\"data\":\"e\"}"},{"type":"text","text":"b"}`+end)
	// Arguments are an object; without any it is empty; what is none is kept.
	call := func(arguments string) string {
		return reply(`{"content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":`+arguments+`}}]}`, `"tool_calls"`, ``)
	}
	use := func(input string) string {
		return head + `{"type":"tool_use","id":"c","name":"f","input":` + input + `}` + tool
	}
	f(call(`"{\"a\": \"\\n\"}"`), use(`{"a": "\n"}`))
	f(call(`""`), use(`{}`))
	f(call(`"null"`), use(`{}`))
	f(call(`{"a":1}`), use(`{"a":1}`))
	f(call(`"{\"a\":"`), use(`{"_raw":"{\"a\":"}`))
	f(reply(`{"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}},{"id":"d","function":{"name":"f","arguments":"{}"}}]}`, `"stop"`, ``),
		head+`{"type":"tool_use","id":"c","name":"f","input":{}},{"type":"tool_use","id":"d","name":"f","input":{}}`+tool)
	f(reply(`{"content":"b","annotations":[{"type":"url_citation","url_citation":{"url":"u","title":"t","start_index":0,"end_index":1}}]}`, `"stop"`, ``),
		head+`{"type":"text","text":"b","citations":[{"type":"web_search_result_location","cited_text":"","encrypted_index":"","title":"t","url":"u"}]}`+end)
	f(`{"id":"1","model":"m","service_tier":"default","citations":["u"],"choices":[{"message":{"content":"b"},"finish_reason":"stop"}]}`,
		head+`{"type":"text","text":"b","citations":[{"type":"web_search_result_location","cited_text":"","encrypted_index":"","title":null,"url":"u"}]}],"stop_reason":"end_turn","stop_sequence":null,`+
			`"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0,"service_tier":"standard"}}`)

	f(`{"error":{"message":"slow","type":"tokens","code":"rate_limit_exceeded"}}`, `{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}`)
	f(`{"error":{"message":"slow","code":429}}`, `{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}`)
	f(`{"error":"broken"}`, `{"type":"error","error":{"type":"api_error","message":"broken"}}`)
	f(`{"choices":[{"message":{"content":"a"},"finish_reason":"error","error":{"code":502,"message":"cut"}}]}`, `{"type":"error","error":{"type":"api_error","message":"cut"}}`)
	f(`{"choices":[]}`, `cannot translate the reply: it has no choices`)
	f(`<html>`, `cannot read the reply: not a JSON object at byte 0`)

	request = `{"max_tokens":1,"messages":[],"stop_sequences":["a","b"],"thinking":{"type":"disabled"}}`
	f(reply(`{"content":"x","reasoning_content":"hidden"}`, `"stop"`, `,"stop_reason":"b"`), head+`{"type":"text","text":"x"}],"stop_reason":"stop_sequence","stop_sequence":"b"`+tail)
	f(reply(`{"content":"x"}`, `"stop"`, `,"stop_reason":"end"`), head+`{"type":"text","text":"x"}`+end)
}

// chatStream frames chunks as a provider does.
func chatStream(chunks ...string) []byte {
	return []byte("data: " + strings.Join(chunks, "\n\ndata: ") + "\n\n")
}

func TestChatStreamToMessageStream(t *testing.T) {
	// f compares the data of the events, a line each, without what is always the same.
	f := func(want string, chunks ...string) {
		t.Helper()
		out, err := translateChatStream(newAnthropicOpenAI(Call{Send: "sent"}), chatStream(chunks...))
		if err != nil {
			t.Errorf("%v: %v", chunks, err)
			return
		}
		if _, err := summarizeStream(out, true); err != nil {
			t.Error(err)
		}
		got := ""
		for len(out) > 0 {
			event, rest := NextEvent(out)
			got += string(Data(nil, event)) + "\n"
			out = rest
		}
		got = strings.NewReplacer(`"cache_creation_input_tokens":0,"cache_read_input_tokens":0,`, ``, `"content":[],"stop_reason":null,"stop_sequence":null,`, ``).Replace(got)
		if want = strings.ReplaceAll(strings.TrimSpace(want), "\t", "") + "\n"; got != want {
			t.Errorf("%v\n got %s\nwant %s", chunks, got, want)
		}
	}
	chunk := func(delta, finish string) string {
		return `{"id":"chatcmpl-1","model":"m","choices":[{"index":0,"delta":` + delta + `,"finish_reason":` + finish + `}]}`
	}
	const usage = `{"id":"chatcmpl-1","model":"m","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}`
	const start = `{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","usage":{"input_tokens":0,"output_tokens":0}}}` + "\n"
	const stop = `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":10,"output_tokens":5}}` + "\n" + `{"type":"message_stop"}`
	text := start + `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}
		{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a\n"}}
		{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"b"}}
		{"type":"content_block_stop","index":0}
		`
	a, b, end := chunk(`{"role":"assistant","content":"a\n"}`, `null`), chunk(`{"content":"b"}`, `null`), chunk(`{"content":""}`, `"stop"`)
	f(text+stop, a, b, end, usage, "[DONE]")
	f(text+stop, `{"id":"","model":"","choices":[],"prompt_filter_results":[]}`, a, b, end, usage)                  // Azure; no [DONE]
	f(text+stop, a, b, end, usage, usage, "[DONE]", "[DONE]")                                                       // twice
	f(text+strings.Replace(strings.Replace(stop, "10", "0", 1), "5", "0", 1), a, b, end, "[DONE]")                  // no usage
	f(text+strings.Replace(strings.Replace(stop, "10", "0", 1), "5", "0", 1), a, b, end)                            // nothing behind the finish
	f(strings.TrimSuffix(strings.ReplaceAll(text, "\t", ""), `{"type":"content_block_stop","index":0}`+"\n"), a, b) // cut: no end
	f(start+`{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}
		{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}
		{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}}
		{"type":"content_block_stop","index":0}
		{"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"{\"type\":\"reasoning.encrypted\"}"}}
		{"type":"content_block_stop","index":1}
		{"type":"content_block_start","index":2,"content_block":{"type":"text","text":""}}
		{"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"b"}}
		{"type":"content_block_delta","index":2,"delta":{"type":"citations_delta","citation":{"type":"web_search_result_location","cited_text":"q","encrypted_index":"","title":null,"url":"u"}}}
		{"type":"content_block_stop","index":2}
		`+stop, chunk(`{"reasoning":"hm"}`, `null`), chunk(`{"reasoning_details":[{"type":"reasoning.text","signature":"s"}]}`, `null`),
		chunk(`{"reasoning_details":[{"type":"reasoning.encrypted"}]}`, `null`), b, chunk(`{"annotations":[{"url_citation":{"url":"u","content":"q"}}]}`, `null`), end, usage, "[DONE]")

	tools := start + `{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"c","name":"f","input":{}}}
		{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}
		{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"1}"}}
		{"type":"content_block_stop","index":0}
		{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"d","name":"g","input":{}}}
		{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{}"}}
		{"type":"content_block_stop","index":1}
		` + strings.Replace(stop, "end_turn", "tool_use", 1)
	call := func(index, id, name, arguments string) string {
		return chunk(`{"tool_calls":[{"index":`+index+`,"id":`+id+`,"function":{"name":`+name+`,"arguments":"`+arguments+`"}}]}`, `null`)
	}
	end = chunk(`{}`, `"tool_calls"`)
	c0, c1, c2 := call("0", `"c"`, `"f"`, ``), call("0", `null`, `null`, `{\"a\":`), call("0", `null`, `null`, `1}`)
	d0, d1 := call("1", `"d"`, `"g"`, ``), call("1", `null`, `null`, `{}`)
	f(tools, c0, c1, c2, d0, d1, end, usage, "[DONE]")
	f(tools, c0, c1, d0, c2, d1, end, usage, "[DONE]")                                 // by turns
	f(tools, c0, c1, c2, call("0", `"d"`, `"g"`, `{}`), end, usage, "[DONE]")          // each has index 0
	f(tools, c0, c1, c2, d0, d1, chunk(`{}`, `"stop"`), usage, "[DONE]")               // a forced choice
	f(tools, c0, c1, c2, d0, d1, call("0", `null`, `null`, ` `), end, usage, "[DONE]") // blanks too late
	f(start+`{"type":"error","error":{"type":"overloaded_error","message":"busy"}}`, chunk(`{"role":"assistant"}`, `null`), `{"error":{"code":503,"message":"busy"}}`, "[DONE]")

	_, err := translateChatStream(newAnthropicOpenAI(Call{}), chatStream(c0, c1, c2, d0, c2))
	if err == nil || !strings.Contains(err.Error(), "behind the end of their call") {
		t.Error(err)
	}
	if _, err = translateChatStream(newAnthropicOpenAI(Call{}), chatStream("{")); err == nil {
		t.Error("broken JSON passes")
	}
	if out, err := newAnthropicOpenAI(Call{}).Event(nil, []byte(": OPENROUTER PROCESSING\n\n")); err != nil || len(out) > 0 {
		t.Errorf("%q, %v", out, err)
	}
}

func FuzzMessagesRequestToChat(f *testing.F) {
	f.Add([]byte(`{"max_tokens":1,"stream":true,"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"thinking","thinking":"t"},` +
		`{"type":"tool_use","id":"t","name":"f","input":{"a":"\"\\"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"x"}]}]}]}`))
	f.Add([]byte(`{"max_tokens":1,"messages":[],"tools":[{"name":"f","input_schema":{}}],"tool_choice":{"type":"tool","name":"f"},"thinking":{"type":"enabled","budget_tokens":1}}`))
	f.Add([]byte(`{"max_tokens":1,"messages":[{"role":"user","content":[{"type":"document","title":"","source":{"type":"content","content":[{"type":"text","text":""}]}}]}],"metadata":{"user_id":""}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, reasoning := range []string{"", "reasoning", "reasoning_details"} {
			tr := newAnthropicOpenAI(Call{Send: "m"}).(*anthropicOpenAI)
			tr.reasoningField = reasoning
			got, err := tr.Request([]byte("x"), body)
			if err != nil && string(got) != "x" || err == nil && !json.Valid(got[1:]) {
				t.Fatalf("%q: %v", got, err)
			}
		}
	})
}

func FuzzChatReplyToMessage(f *testing.F) {
	f.Add([]byte(`{"id":"1","model":"m","choices":[{"message":{"content":"a","reasoning":"b","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{\"a\":1}"}}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}`))
	f.Add([]byte(`{"error":{"message":"m","code":1}}`))
	f.Add([]byte(`{"choices":[{"message":{"content":[{"thinking":[{"text":"a"}]}],"annotations":[{"url_citation":{"url":"u"}}],"reasoning_details":[{"type":"reasoning.encrypted"}]}}],"citations":["u"]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := newAnthropicOpenAI(Call{}).Reply([]byte("x"), body)
		if err == nil && !json.Valid(got[1:]) {
			t.Fatalf("%q", got)
		}
	})
}

func FuzzChatStreamToMessageStream(f *testing.F) {
	f.Add([]byte("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}}]}\n\n" +
		"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":1,\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]},\"finish_reason\":\"stop\"}]}\n\ndata: {\"choices\":[],\"usage\":{}}\n\ndata: [DONE]\n\n"))
	f.Add([]byte("data: {\"choices\":[{\"delta\":{\"reasoning_details\":[{\"type\":\"reasoning.encrypted\",\"data\":\"\\u0041\"}]}}]}\n\ndata: {\"error\":\"x\"}\n\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		out, err := translateChatStream(newAnthropicOpenAI(Call{Send: "m"}), stream)
		if _, bad := summarizeStream(out, true); bad != nil {
			t.Fatalf("%v\n%q, %v", bad, out, err)
		}
	})
}
