package provider

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// What a chat request becomes: the members behind the model and before store.
func TestOpenAIResponsesRequest(t *testing.T) {
	const hi = `"messages":[{"role":"user","content":"hi"}]`
	const input = `"input":[{"type":"message","role":"user","content":"hi"}]`
	f := func(in, want string) {
		t.Helper()
		out, err := newOpenAIResponses(Call{Send: "m"}).Request(nil, []byte("{"+in+"}"))
		if err != nil || !json.Valid(out) {
			t.Errorf("%s: %v\n%s", in, err, out)
			return
		}
		got := strings.TrimSuffix(strings.TrimPrefix(string(out), `{"model":"m",`), "}")
		if want += `,"store":false`; got != want && !strings.HasPrefix(got, want+`,"include":`) {
			t.Errorf("%s became\n%s\nwant\n%s", in, got, want)
		}
	}
	f(hi+`,"model":"other","n":1,"modalities":["text"],"presence_penalty":0,"logit_bias":{},"seed":null,"logprobs":false`, input)
	f(hi+`,"temperature":0.5,"top_p":1,"user":"u","safety_identifier":"s","prompt_cache_key":"k","metadata":{"a":"b"},"service_tier":"flex","parallel_tool_calls":false,"stream":true,"stream_options":{"include_usage":true}`,
		`"metadata":{"a":"b"},"parallel_tool_calls":false,"prompt_cache_key":"k","safety_identifier":"s","service_tier":"flex","stream":true,"temperature":0.5,"top_p":1,"user":"u",`+input)
	f(hi+`,"max_tokens":16`, `"max_output_tokens":16,`+input)
	f(hi+`,"max_completion_tokens":99,"max_tokens":99`, `"max_output_tokens":99,`+input)
	f(hi+`,"stream_options":{"include_obfuscation":false}`, `"stream_options":{"include_obfuscation":false},`+input)

	// How it thinks.
	f(hi+`,"reasoning_effort":"xhigh"`, `"reasoning":{"effort":"xhigh"},`+input)
	f(hi+`,"reasoning":{"effort":"low","summary":"auto","exclude":false},"usage":{"include":true}`, `"reasoning":{"effort":"low","summary":"auto"},`+input)
	f(hi+`,"reasoning":{"enabled":false}`, `"reasoning":{"effort":"none"},`+input)
	f(hi+`,"reasoning":{"enabled":true}`, input)

	// The form of the answer. A function is strict here by default, and a format has a name.
	f(hi+`,"response_format":{"type":"text"},"verbosity":"low"`, `"text":{"format":{"type":"text"},"verbosity":"low"},`+input)
	f(hi+`,"response_format":{"type":"json_object"}`, `"text":{"format":{"type":"json_object"}},`+input)
	f(hi+`,"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"description":"d","schema":{"type":"object"}}}`,
		`"text":{"format":{"type":"json_schema","name":"n","strict":true,"description":"d","schema":{"type":"object"}}},`+input)
	f(hi+`,"response_format":{"type":"json_schema","json_schema":{"schema":{}}}`, `"text":{"format":{"type":"json_schema","name":"response","schema":{}}},`+input)

	// Tools.
	f(hi+`,"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}},{"type":"function","function":{"name":"g"},"cache_control":{}}],"tool_choice":"required"`,
		`"tools":[{"type":"function","name":"f","description":"d","parameters":{"type":"object"},"strict":true},`+
			`{"type":"function","name":"g","parameters":{"type":"object","properties":{}},"strict":false}],"tool_choice":"required",`+input)
	f(hi+`,"tools":[{"type":"custom","custom":{"name":"c","description":"d","format":{"type":"grammar","grammar":{"syntax":"lark","definition":"x"}}}}],"tool_choice":{"type":"custom","custom":{"name":"c"}}`,
		`"tools":[{"type":"custom","name":"c","description":"d","format":{"type":"grammar","syntax":"lark","definition":"x"}}],"tool_choice":{"type":"custom","name":"c"},`+input)
	f(hi+`,"tool_choice":{"type":"function","function":{"name":"f"}}`, `"tool_choice":{"type":"function","name":"f"},`+input)
	f(hi+`,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}},{"type":"custom","custom":{"name":"c"}}]}}`,
		`"tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"f"},{"type":"custom","name":"c"}]},`+input)
	f(hi+`,"web_search_options":{"search_context_size":"low","user_location":{"type":"approximate","approximate":{"city":"Rome","country":"IT"}}}`,
		`"tools":[{"type":"web_search","search_context_size":"low","user_location":{"type":"approximate","city":"Rome","country":"IT"}}],`+input)
	f(hi+`,"tools":[]`, input)

	// Messages.
	m := func(in, want string) {
		t.Helper()
		f(`"messages":[`+in+`]`, `"input":[`+want+`]`)
	}
	m(`{"role":"system","content":"a","cache_control":{}},{"role":"developer","content":[{"type":"text","text":"b","cache_control":{}}]}`,
		`{"type":"message","role":"system","content":"a"},{"type":"message","role":"developer","content":[{"type":"input_text","text":"b"}]}`)
	m(`{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"u","detail":"low"}},{"type":"image_url","image_url":"v"},{"type":"file","file":{"filename":"n","file_data":"d"}},{"type":"file","file":{"file_id":"i"}}]}`,
		`{"type":"message","role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_image","image_url":"u","detail":"low"},{"type":"input_image","image_url":"v"},{"type":"input_file","filename":"n","file_data":"d"},{"type":"input_file","file_id":"i"}]}`)
	m(`{"role":"assistant","content":"a","refusal":"no","annotations":[],"reasoning_content":"t","thinking_blocks":[{}],"extra_content":{}},{"role":"assistant","content":[{"type":"text","text":"b"},{"type":"refusal","refusal":"c"}]}`,
		`{"type":"message","role":"assistant","content":[{"type":"output_text","text":"a"},{"type":"refusal","refusal":"no"}]},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"b"},{"type":"refusal","refusal":"c"}]}`)
	m(`{"role":"assistant","content":"","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":{}},{"id":"2","type":"custom","custom":{"name":"c","input":"x"}},{"id":"3","function":{"name":"g"}}]},`+
		`{"role":"tool","tool_call_id":"1","content":"r","name":"f"},{"role":"tool","tool_call_id":"2","content":[{"type":"text","text":"s"},{"type":"image_url","image_url":{"url":"u"}}]}`,
		`{"type":"function_call","call_id":"1","name":"f","arguments":"{}"},{"type":"custom_tool_call","call_id":"2","name":"c","input":"x"},{"type":"function_call","call_id":"3","name":"g","arguments":"{}"},`+
			`{"type":"function_call_output","call_id":"1","output":"r"},{"type":"custom_tool_call_output","call_id":"2","output":[{"type":"input_text","text":"s"},{"type":"input_image","image_url":"u"}]}`)
	// Thoughts go in front, with their summaries; those of others, and those that were not encrypted, stay out.
	m(`{"role":"assistant","content":"a","reasoning_details":[{"type":"reasoning.summary","summary":"s","format":"openai-responses-v1"},{"type":"reasoning.summary","summary":"t","format":"openai-responses-v1"},{"type":"reasoning.encrypted","data":"d","id":"r","format":"openai-responses-v1","index":0},`+
		`{"type":"reasoning.encrypted","data":"e","format":"openai-responses-v1"},{"type":"reasoning.summary","summary":"u","format":"openai-responses-v1"},{"type":"reasoning.encrypted","data":"g","format":"google-gemini-v1"},{"type":"reasoning.text","text":"x","signature":"y"}]}`,
		`{"type":"reasoning","id":"r","summary":[{"type":"summary_text","text":"s"},{"type":"summary_text","text":"t"}],"encrypted_content":"d"},{"type":"reasoning","summary":[],"encrypted_content":"e"},`+
			`{"type":"message","role":"assistant","content":[{"type":"output_text","text":"a"}]}`)
}

func TestOpenAIResponsesStored(t *testing.T) {
	f := func(model, fields, want string) {
		t.Helper()
		out, err := newOpenAIResponses(Call{Send: model}).Request(nil, []byte(`{"messages":[{"role":"user","content":"hi"}]`+fields+"}"))
		if err != nil || !strings.HasSuffix(string(out), `"hi"}],`+want+"}") {
			t.Errorf("%s with %s: %v\n%s", model, fields, err, out)
		}
	}
	const thoughts = `"include":["reasoning.encrypted_content"]`
	for _, model := range []string{"gpt-5-pro", "o3-pro", "openai/o4-mini-2025-04-16", "codex-mini-latest", "gpt-5.1-codex-max", "grok-4.3", "ft:o4-mini:org::id"} {
		f(model, ``, `"store":false,`+thoughts)
	}
	for _, model := range []string{"gpt-4o", "gpt-4.1-mini", "gpt-5-chat-latest", "gpt-oss-120b", "grok-4-fast-non-reasoning", "grok-3", "my-deployment", ""} {
		f(model, ``, `"store":false`)
		f(model, `,"reasoning":{"enabled":true}`, `"store":false,`+thoughts)
	}
	f("o3", `,"store":true`, `"store":true,`+thoughts)
	f("gpt-4o", `,"logprobs":true,"top_logprobs":3`, `"store":false,"top_logprobs":3,"include":["message.output_text.logprobs"]`)
	f("o3", `,"store":false,"logprobs":true`, `"store":false,"include":["reasoning.encrypted_content","message.output_text.logprobs"]`)
}

func TestOpenAIResponsesRequestErrors(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		call := Call{Drop: []jsonscan.Member{{Name: []byte("models")}}}
		out, err := newOpenAIResponses(call).Request([]byte("kept"), []byte(in))
		if err == nil || !strings.HasPrefix(err.Error(), want) || string(out) != "kept" {
			t.Errorf("%s: %v, want %s; %s", in, err, want, out)
		}
	}
	f(`{`, "cannot read the request: ")
	f(`{"models":[]}`, "messages: ")
	f(`{"messages":[]}`, "messages: there is none")
	for _, field := range []string{
		`"n":2`, `"stop":"x"`, `"seed":1`, `"frequency_penalty":0.1`, `"presence_penalty":1`, `"logit_bias":{"1":2}`, `"audio":{}`, `"modalities":["text","audio"]`,
		`"prediction":{}`, `"functions":[]`, `"function_call":"auto"`, `"thinking":{"type":"enabled"}`, `"top_k":1`, `"unknown":1`,
		`"max_tokens":15`, `"max_completion_tokens":"99"`, `"store":1`, `"logprobs":1`, `"top_logprobs":2`, `"reasoning_effort":1`, `"tools":{}`, `"verbosity":2`,
	} {
		name, _, _ := strings.Cut(strings.Trim(field, `"`), `"`)
		f(`{`+field+`,"messages":[{"role":"user","content":"hi"}]}`, name+": ")
	}
	for in, want := range map[string]string{
		`"max_tokens":20,"max_completion_tokens":30`:    "max_tokens: ",
		`"stream_options":{"include_obfuscation":true}`: "stream_options.include_obfuscation: ",
		`"usage":{"x":1}`:                                                                                 "usage.x: ",
		`"reasoning":{"max_tokens":5}`:                                                                    "reasoning.max_tokens: ",
		`"reasoning":{"exclude":true}`:                                                                    "reasoning.exclude: ",
		`"reasoning":{"effort":"low"},"reasoning_effort":"high"`:                                          "reasoning.effort: ",
		`"response_format":{"type":"grammar"}`:                                                            "response_format.type: ",
		`"response_format":{"type":"json_schema"}`:                                                        "response_format.json_schema: ",
		`"response_format":{"type":"json_schema","json_schema":{"schema":7}}`:                             "response_format.json_schema.schema: ",
		`"tools":[{"type":"function","function":{"name":"f"}},{"type":"web_search"}]`:                     "tools[1].type: ",
		`"tools":[{"type":"function","function":{"name":"f","x":1}}]`:                                     "tools[0].function.x: ",
		`"tools":[{"type":"function"}]`:                                                                   "tools[0].function.name: ",
		`"tools":[{"type":"custom","custom":{"name":"c","format":{"type":"grammar","grammar":{"x":1}}}}]`: "tools[0].custom.format.grammar.x: ",
		`"tool_choice":{"type":"mcp"}`:                                                                    "tool_choice.type: ",
		`"tool_choice":{"type":"function","function":{}}`:                                                 "tool_choice.function.name: ",
		`"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"mcp"}]}}`: "tool_choice.allowed_tools.tools[0].type: ",
		`"web_search_options":{"user_location":{"type":"approximate","approximate":{"street":"s"}}}`:      "web_search_options.user_location.approximate.street: ",
		`"messages":7`:   "messages: ",
		`"messages":[7]`: "messages[0]: ",
		`"messages":[{"role":"function","content":"a"}]`:                                                          "messages[0].role: ",
		`"messages":[{"role":"user"}]`:                                                                            "messages[0].content: ",
		`"messages":[{"role":"user","content":"a"},{"role":"user","content":"a","name":"n"}]`:                     "messages[1].name: ",
		`"messages":[{"role":"user","content":"a","tool_calls":[]}]`:                                              "messages[0].tool_calls: ",
		`"messages":[{"role":"assistant","content":"a","tool_call_id":"x"}]`:                                      "messages[0].tool_call_id: ",
		`"messages":[{"role":"assistant","audio":{"id":"a"}}]`:                                                    "messages[0].audio: ",
		`"messages":[{"role":"assistant","function_call":{}}]`:                                                    "messages[0].function_call: ",
		`"messages":[{"role":"assistant","tool_calls":[{"id":"1","type":"x"}]}]`:                                  "messages[0].tool_calls[0].type: ",
		`"messages":[{"role":"assistant","tool_calls":[{"type":"function","function":{"name":"f"}}]}]`:            "messages[0].tool_calls[0].id: ",
		`"messages":[{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f","arguments":{}}}]}]`:      "messages[0].tool_calls[0].function.arguments: ",
		`"messages":[{"role":"assistant","content":[{"type":"image_url","image_url":{}}]}]`:                       "messages[0].content[0].type: ",
		`"messages":[{"role":"assistant","reasoning_details":{}}]`:                                                "messages[0].reasoning_details: ",
		`"messages":[{"role":"tool","content":"a"}]`:                                                              "messages[0].tool_call_id: ",
		`"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{}}]}]`:                        "messages[0].content[0].type: ",
		`"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{}}]}]`: "messages[0].content[1].image_url.url: ",
		`"messages":[{"role":"user","content":[{"type":"file","file":{"file_url":"u"}}]}]`:                        "messages[0].content[0].file.file_url: ",
		`"messages":[{"role":"user","content":[{"type":"text","text":"a","x":1}]}]`:                               "messages[0].content[0].x: ",
	} {
		if !strings.Contains(in, `"messages"`) {
			in += `,"messages":[{"role":"user","content":"hi"}]`
		}
		f("{"+in+"}", want)
	}
}

// What a response becomes: the choice, and what follows it.
func TestOpenAIResponsesReply(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		out, err := newOpenAIResponses(Call{Send: "m"}).Reply(nil, []byte(in))
		if err != nil || !json.Valid(out) {
			t.Errorf("%s: %v\n%s", in, err, out)
			return
		}
		if got := strings.TrimPrefix(string(out), `{"id":"r","object":"chat.completion","created":7,"model":"x","choices":[{"index":0,"message":{"role":"assistant",`); got != want {
			t.Errorf("%s became\n%s\nwant\n%s", in, got, want)
		}
	}
	reply := func(output, rest string) string {
		return `{"id":"r","model":"x","created_at":7.5,"status":"completed","error":null,"output":[` + output + `]` + rest + `}`
	}
	text := func(text, rest string) string {
		return `{"type":"message","content":[{"type":"output_text","text":"` + text + `"` + rest + `}]}`
	}
	f(reply(text(`a\"é`, ``), `,"service_tier":"flex","usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":4},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":3},"total_tokens":14}`),
		`"content":"a\"é","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":3}},"service_tier":"flex"}`)
	f(reply(``, `,"usage":{"input_tokens":9,"output_tokens":5,"input_tokens_details":{"cache_write_tokens":2}}`),
		`"content":null,"refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14,"prompt_tokens_details":{"cached_tokens":0,"cache_write_tokens":2},"completion_tokens_details":{"reasoning_tokens":0}}}`)
	f(reply(text("a", ``), `,"incomplete_details":{"reason":"max_output_tokens"}`), `"content":"a","refusal":null},"logprobs":null,"finish_reason":"length"}]}`)
	f(reply(text("a", ``), `,"incomplete_details":{"reason":"content_filter"}`), `"content":"a","refusal":null},"logprobs":null,"finish_reason":"content_filter"}]}`)
	f(reply(`{"type":"message","content":[{"type":"refusal","refusal":"no"}]}`, ``), `"content":null,"refusal":"no"},"logprobs":null,"finish_reason":"stop"}]}`)
	// The provider's own tools are left out, and citations count the characters of the whole text.
	f(reply(text("éa", ``)+`,{"type":"web_search_call"},`+text("bc", `,"annotations":[{"type":"url_citation","url":"u","title":"t","start_index":0,"end_index":1},{"type":"file_citation","file_id":"f"}]`), ``),
		`"content":"éabc","refusal":null,"annotations":[{"type":"url_citation","url_citation":{"start_index":2,"end_index":3,"url":"u","title":"t"}}]},"logprobs":null,"finish_reason":"stop"}]}`)
	f(reply(`{"type":"function_call","id":"fc","call_id":"1","name":"f","arguments":"{\"a\":1}"},{"type":"function_call","call_id":"2","name":"g","arguments":""},{"type":"custom_tool_call","call_id":"3","name":"c","input":""}`, ``),
		`"content":null,"refusal":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"2","type":"function","function":{"name":"g","arguments":"{}"}},{"id":"3","type":"custom","custom":{"name":"c","input":""}}]},"logprobs":null,"finish_reason":"tool_calls"}]}`)
	f(reply(`{"type":"reasoning","id":"i","summary":[{"type":"summary_text","text":"s"},{"type":"summary_text","text":"t"}],"encrypted_content":"e"},{"type":"reasoning","id":"j","summary":[],"content":[{"type":"reasoning_text","text":"u"}]},{"type":"reasoning","id":"k","summary":[],"encrypted_content":"f"}`, ``),
		`"content":null,"refusal":null,"reasoning_content":"s\n\nt\n\nu","reasoning_details":[{"type":"reasoning.summary","summary":"s","id":"i","format":"openai-responses-v1","index":0},{"type":"reasoning.summary","summary":"t","id":"i","format":"openai-responses-v1","index":0},`+
			`{"type":"reasoning.encrypted","data":"e","id":"i","format":"openai-responses-v1","index":0},{"type":"reasoning.encrypted","data":"f","id":"k","format":"openai-responses-v1","index":2}]},"logprobs":null,"finish_reason":"stop"}]}`)
	f(reply(text("a", `,"logprobs":[{"token":"a","logprob":-0.5,"bytes":[97, 98],"top_logprobs":[{"token":"b","logprob":-1},{"token":"c","logprob":-2,"bytes":[]}]}]`), ``),
		`"content":"a","refusal":null},"logprobs":{"content":[{"token":"a","logprob":-0.5,"bytes":[97,98],"top_logprobs":[{"token":"b","logprob":-1,"bytes":null},{"token":"c","logprob":-2,"bytes":[]}]}],"refusal":null},"finish_reason":"stop"}]}`)
	// Errors.
	f(`{"error":{"message":"no","type":"t","param":"p","code":"c"}}`, `{"error":{"message":"no","type":"t","param":"p","code":"c"}}`)
	f(`{"code":"c","error":"no"}`, `{"error":{"message":"no","type":"invalid_request_error","param":null,"code":"c"}}`)
	f(`{"error":{"code":"insufficient_quota","message":"m"}}`, `{"error":{"message":"m","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`)
	f(reply(``, `,"status":"failed"`), `{"error":{"message":"The provider reported an error.","type":"server_error","param":null,"code":null}}`)
	f(`{"status":"failed","output":[],"error":{"code":"rate_limit_exceeded","message":"slow"}}`, `{"error":{"message":"slow","type":"requests","param":null,"code":"rate_limit_exceeded"}}`)
	for _, in := range []string{`{`, `{}`, `{"choices":[]}`, `{"output":7}`} {
		if out, err := newOpenAIResponses(Call{}).Reply([]byte("kept"), []byte(in)); err == nil || string(out) != "kept" {
			t.Errorf("%s: %v, %s", in, err, out)
		}
	}
	out, err := newOpenAIResponses(Call{Send: "sent"}).Reply(nil, []byte(`{"output":[]}`))
	if r := gjson.ParseBytes(out); err != nil || r.Get("id").Str == "" || r.Get("created").Int() == 0 || r.Get("model").Str != "sent" {
		t.Errorf("a reply without a head has %s, %v", out, err)
	}
}

func TestOpenAIResponsesEvents(t *testing.T) {
	f := func(c Call, events []string, want ...string) {
		t.Helper()
		tr := newOpenAIResponses(c)
		var out []byte
		for _, e := range events {
			var err error
			if out, err = tr.Event(out, []byte("event: x\ndata: "+e+"\n\n")); err != nil {
				t.Fatal(err)
			}
		}
		got := strings.ReplaceAll(string(out), `data: {"id":"r","object":"chat.completion.chunk","created":7,"model":"x",`, "")
		got = strings.ReplaceAll(got, `"choices":[{"index":0,"delta":{`, "{")
		got = strings.ReplaceAll(got, `,"logprobs":null,"finish_reason":null}]}`, "")
		if strings.TrimSuffix(got, "\n\n") != strings.Join(want, "\n\n") {
			t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n\n"))
		}
	}
	const start = `{"type":"response.created","response":{"id":"r","model":"x","created_at":7,"status":"in_progress","service_tier":"auto","usage":null}}`
	const role, done = `{"role":"assistant","content":"","refusal":null}`, "data: [DONE]"
	end := func(kind, rest string) string {
		return `{"type":"response.` + kind + `","response":{"id":"r","service_tier":"default"` + rest + `}}`
	}
	delta := func(kind string, i int, d string) string {
		return `{"type":"response.` + kind + `.delta","output_index":` + string(rune('0'+i)) + `,"delta":"` + d + `"}`
	}
	item := func(when string, i int, item string) string {
		return `{"type":"response.output_item.` + when + `","output_index":` + string(rune('0'+i)) + `,"item":` + item + `}`
	}
	finished := func(reason string) string {
		return `{},"logprobs":null,"finish_reason":"` + reason + `"}],"service_tier":"default"}`
	}
	const whole = `{"type":"message","content":[{"type":"output_text","text":"ab","annotations":[{"type":"url_citation","url":"u","title":"t","start_index":1,"end_index":2}]}]}`

	f(Call{}, []string{start, start, `{"type":"response.web_search_call.searching"}`, item("added", 0, `{"type":"message"}`), delta("output_text", 0, `a`), delta("output_text", 0, ``), delta("output_text", 0, `b`),
		`{"type":"response.output_text.done","text":"ab"}`, item("done", 0, whole), item("done", 0, whole), end("completed", `,"output":[`+whole+`]`), end("completed", ``)},
		role, `{"content":"a"}`, `{"content":"b"}`, `{"annotations":[{"type":"url_citation","url_citation":{"start_index":1,"end_index":2,"url":"u","title":"t"}}]}`, finished("stop"), done)
	// Citations of a second message count the characters of the first.
	f(Call{}, []string{start, delta("output_text", 0, `éé`), item("done", 0, `{"type":"message"}`), delta("output_text", 1, `ab`), item("done", 1, whole)},
		role, `{"content":"éé"}`, `{"content":"ab"}`, `{"annotations":[{"type":"url_citation","url_citation":{"start_index":3,"end_index":4,"url":"u","title":"t"}}]}`)
	const usage = `,"usage":{"input_tokens":8,"output_tokens":9}`
	for _, c := range []Call{{AskUsage: true}, {StreamOptions: jsonscan.Member{Value: []byte(`{"include_usage": true}`)}}} {
		f(c, []string{start, end("incomplete", `,"incomplete_details":{"reason":"max_output_tokens"}`+usage)}, role, finished("length"),
			`"choices":[],"usage":{"prompt_tokens":8,"completion_tokens":9,"total_tokens":17,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}},"service_tier":"default"}`, done)
	}
	f(Call{AskUsage: true, DropUsage: true}, []string{start, end("incomplete", `,"incomplete_details":{"reason":"content_filter"}`+usage)}, role, finished("content_filter"), done)
	f(Call{}, []string{start, delta("refusal", 0, `no`), item("done", 0, `{"type":"message","content":[{"type":"refusal","refusal":"no"}]}`), end("completed", ``)}, role, `{"refusal":"no"}`, finished("stop"), done)

	// The index of tool calls counts no other items; calls may be mixed; arguments that never come are {}.
	f(Call{}, []string{start, item("added", 0, `{"type":"reasoning"}`), item("added", 1, `{"type":"function_call","id":"fc","call_id":"1","name":"f","arguments":""}`),
		item("added", 2, `{"type":"custom_tool_call","call_id":"2","name":"c","input":""}`), delta("custom_tool_call_input", 2, `x`), delta("function_call_arguments", 1, `{\"a\":1}`),
		item("done", 1, `{"type":"function_call","call_id":"1","name":"f","arguments":"{\"a\":1}"}`), item("done", 2, `{"type":"custom_tool_call","call_id":"2","name":"c","input":"x"}`),
		item("done", 3, `{"type":"function_call","call_id":"3","name":"g","arguments":""}`), end("completed", ``)},
		role, `{"tool_calls":[{"index":0,"id":"1","type":"function","function":{"name":"f","arguments":""}}]}`, `{"tool_calls":[{"index":1,"id":"2","type":"custom","custom":{"name":"c","input":""}}]}`,
		`{"tool_calls":[{"index":1,"custom":{"input":"x"}}]}`, `{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":1}"}}]}`,
		`{"tool_calls":[{"index":2,"id":"3","type":"function","function":{"name":"g","arguments":""}}]}`, `{"tool_calls":[{"index":2,"function":{"arguments":"{}"}}]}`, finished("tool_calls"), done)

	// A thought comes in pieces, and once whole, so that it can be handed back.
	f(Call{}, []string{start, delta("reasoning_summary_text", 0, `a`), delta("reasoning_summary_text", 0, `b`),
		`{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":1,"delta":"c"}`, item("done", 0, `{"type":"reasoning","id":"i","summary":[{"text":"ab"},{"text":"c"}],"encrypted_content":"e"}`),
		item("done", 1, `{"type":"reasoning","id":"j","summary":[{"text":"d"}]}`), delta("reasoning_text", 2, `x`)},
		role, `{"reasoning_content":"a"}`, `{"reasoning_content":"b"}`, `{"reasoning_content":"\n\nc"}`,
		`{"reasoning_details":[{"type":"reasoning.summary","summary":"ab","id":"i","format":"openai-responses-v1","index":0},{"type":"reasoning.summary","summary":"c","id":"i","format":"openai-responses-v1","index":0},{"type":"reasoning.encrypted","data":"e","id":"i","format":"openai-responses-v1","index":0}]}`,
		`{"reasoning_content":"\n\nd"}`, `{"reasoning_details":[{"type":"reasoning.summary","summary":"d","id":"j","format":"openai-responses-v1","index":1}]}`, `{"reasoning_content":"\n\nx"}`)

	// What no other event told is in the last one.
	f(Call{}, []string{start, end("completed", `,"output":[`+whole+`,{"type":"function_call","call_id":"1","name":"f","arguments":"{}"}]`)},
		role, `{"content":"ab"}`, `{"annotations":[{"type":"url_citation","url_citation":{"start_index":1,"end_index":2,"url":"u","title":"t"}}]}`,
		`{"tool_calls":[{"index":0,"id":"1","type":"function","function":{"name":"f","arguments":""}}]}`, `{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}`, finished("tool_calls"), done)
	f(Call{}, []string{start, `{"type":"response.output_text.delta","output_index":0,"delta":"a","logprobs":[{"token":"a","logprob":-1,"top_logprobs":[]}]}`},
		role, `{"content":"a"},"logprobs":{"content":[{"token":"a","logprob":-1,"bytes":null,"top_logprobs":[]}],"refusal":null},"finish_reason":null}]}`)

	// An error ends the stream, without [DONE], and is told once.
	f(Call{}, []string{start, `{"type":"error","error":{"type":"insufficient_quota","code":"insufficient_quota","message":"m","param":null}}`, end("failed", `,"error":{"code":"insufficient_quota","message":"m"}`)},
		role, `data: {"error":{"message":"m","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`)
	f(Call{}, []string{start, end("failed", `,"status":"failed","error":{"code":"server_error","message":"m"}`), end("completed", ``)},
		role, `data: {"error":{"message":"m","type":"server_error","param":null,"code":"server_error"}}`)
	f(Call{}, []string{start, `{"type":"error","code":"invalid_prompt","message":"m","param":"p","sequence_number":1}`},
		role, `data: {"error":{"message":"m","type":"invalid_request_error","param":"p","code":"invalid_prompt"}}`)
}

func TestOpenAIResponsesEnd(t *testing.T) {
	for _, last := range []string{"", "data: [DONE]\n\n"} {
		tr := newOpenAIResponses(Call{AskUsage: true})
		out, err := tr.Event(nil, []byte(": comment\r\n\r\n"))
		if err != nil || len(out) > 0 {
			t.Errorf("a comment became %q, %v", out, err)
		}
		if out, err = tr.Event(nil, []byte("data: {\n\n")); err == nil || len(out) > 0 {
			t.Errorf("broken JSON became %q", out)
		}
		if out, err = tr.Event(nil, []byte(last)); err != nil {
			t.Error(err)
		}
		if out = tr.(Ender).End(out); bytes.Count(out, []byte("data: ")) != 3 || !bytes.HasSuffix(out, []byte("data: [DONE]\n\n")) {
			t.Errorf("a stream without an end has %q", out)
		}
		if out = tr.(Ender).End(nil); len(out) > 0 {
			t.Errorf("ended twice: %q", out)
		}
	}
}
