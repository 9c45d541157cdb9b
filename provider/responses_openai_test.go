package provider

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// An app that was written for OpenAI's Responses must work with any provider of
// OpenAI's chat, and must be told by name what cannot go there.

// askResponses returns what a request becomes, or the text of the error.
func askResponses(model, body string) string {
	got, err := newResponsesOpenAI(Call{Relayed: true, Send: model}).Request([]byte("x"), []byte(body))
	switch {
	case err != nil && string(got) != "x":
		return "an error left " + string(got)
	case err != nil:
		return err.Error()
	case !json.Valid(got[1:]):
		return "not JSON: " + string(got)
	}
	return string(got[1:])
}

func TestResponsesRequestToChat(t *testing.T) {
	// f holds what is beside model and input against what is wanted; a want without a comma in front is an error's text.
	f := func(fields, want string) {
		t.Helper()
		got := askResponses("m", `{"model":"asked","input":"hi"`+fields+`}`)
		if want == "" || want[0] == ',' {
			want = `{"model":"m","messages":[{"role":"user","content":"hi"}]` + want + `}`
		}
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", fields, got, want)
		}
	}
	f(``, ``)
	f(`,"store":true,"background":false,"truncation":"disabled","metadata":{"a":"b"},"parallel_tool_calls":true,"service_tier":"auto","top_logprobs":0,"tools":[],"tool_choice":"auto"`, ``)
	f(`,"store":false,"temperature":0.30,"top_p":1,"max_output_tokens":9,"user":"u","safety_identifier":"s","prompt_cache_key":"k","prompt_cache_retention":"24h","service_tier":"flex"`,
		`,"max_tokens":9,"temperature":0.30,"top_p":1,"user":"u","safety_identifier":"s","prompt_cache_key":"k","prompt_cache_retention":"24h","service_tier":"flex"`)
	f(`,"stream":true,"stream_options":{"include_obfuscation":false}`, `,"stream":true,"stream_options":{"include_usage":true}`)
	f(`,"stream_options":{"include_obfuscation":true}`, `stream_options.include_obfuscation: a translated stream is not padded`)
	f(`,"include":["reasoning.encrypted_content","message.output_text.logprobs"],"top_logprobs":2`, `,"top_logprobs":2,"logprobs":true`)
	f(`,"include":["file_search_call.results"]`, `include[0]: `+noPlaceInChat)
	f(`,"reasoning":{"effort":"low","summary":"auto"}`, `,"reasoning_effort":"low"`)
	f(`,"reasoning":{"summary":"loud"}`, `reasoning.summary: it must be auto, concise or detailed`)
	f(`,"text":{"verbosity":"medium","format":{"type":"text"}}`, ``)
	f(`,"text":{"verbosity":"low","format":{"type":"json_object"}}`, `,"verbosity":"low","response_format":{"type":"json_object"}`)
	f(`,"text":{"format":{"type":"json_schema","name":"n","schema":{"a":1},"strict":true,"description":"d"}}`,
		`,"response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","strict":true,"schema":{"a":1}}}`)
	f(`,"text":{"format":{"type":"xml"}}`, `text.format.type: it must be text, json_object or json_schema`)

	for _, field := range []string{`"previous_response_id":"resp_1"`, `"conversation":"c"`, `"prompt":{"id":"p"}`, `"background":true`} {
		name, _, _ := strings.Cut(field[1:], `"`)
		f(`,`+field, name+`: `+noState)
	}
	for _, field := range []string{`"max_tool_calls":1`, `"truncation":"auto"`, `"context_management":[]`, `"unheard_of":1`} {
		name, _, _ := strings.Cut(field[1:], `"`)
		f(`,`+field, name+`: `+noPlaceInChat)
	}
	f(`,"store":1`, `store: it must be true or false`)

	const tool = `,"tools":[{"type":"function","name":"a","description":"d","parameters":{"type":"object"},"strict":false},` +
		`{"type":"custom","name":"b","format":{"type":"grammar","syntax":"lark","definition":"x"}},{"type":"function","name":"c","strict":null}]`
	const tools = `,"tools":[{"type":"function","function":{"name":"a","description":"d","parameters":{"properties":{},"type":"object"},"strict":false}},` +
		`{"type":"custom","custom":{"name":"b","format":{"type":"grammar","grammar":{"syntax":"lark","definition":"x"}}}},{"type":"function","function":{"name":"c"}}]`
	f(tool, tools)
	f(tool+`,"tool_choice":"required","parallel_tool_calls":false`, tools+`,"tool_choice":"required","parallel_tool_calls":false`)
	f(tool+`,"tool_choice":{"type":"function","name":"a"}`, tools+`,"tool_choice":{"type":"function","function":{"name":"a"}}`)
	f(tool+`,"tool_choice":{"type":"custom","name":"b"}`, tools+`,"tool_choice":{"type":"custom","custom":{"name":"b"}}`)
	f(tool+`,"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"a"},{"type":"custom","name":"b"}]}`,
		tools+`,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"a"}},{"type":"custom","custom":{"name":"b"}}]}}`)
	f(tool+`,"tool_choice":{"type":"web_search"}`, `tool_choice.type: `+noPlaceInChat)
	f(tool+`,"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"type":"mcp","server_label":"x"}]}`, `tool_choice.tools[0].server_label: `+noPlaceInChat)
	f(tool+`,"tool_choice":"any"`, `tool_choice: it must be none, auto, required or an object`)
	f(`,"tool_choice":"required"`, `tool_choice: there are no tools`)
	for _, kind := range []string{"web_search", "file_search", "code_interpreter", "mcp", "computer_use_preview", "image_generation", "local_shell"} {
		f(`,"tools":[{"type":"function","name":"a"},{"type":"`+kind+`"}]`, `tools[1].type: a tool of type `+kind+` runs at a provider that has the Responses API; `+noPlaceInChat)
	}

	if got, want := askResponses("gpt-5", `{"input":"hi","max_output_tokens":9}`), `{"model":"gpt-5","messages":[{"role":"user","content":"hi"}],"max_completion_tokens":9}`; got != want {
		t.Errorf("got %s", got)
	}
	if got := askResponses("m", `{"model":"m"}`); got != "input: it is missing" {
		t.Errorf("got %s", got)
	}
	if got := askResponses("m", `{"model"`); !strings.HasPrefix(got, "the body is not valid JSON") {
		t.Errorf("got %s", got)
	}
	body := []byte(`{"models":["a"],"input":"hi"}`)
	members, err := jsonscan.Members(nil, body)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newResponsesOpenAI(Call{Relayed: true, Send: "m", Drop: members[:1]}).Request(nil, body); err != nil {
		t.Errorf("a field for the gateway: %v", err)
	}
}

// responsesOddValues are values of fields that chat does not take as they are.
var responsesOddValues = map[string]string{
	"input": `"a"`, "instructions": `"i"`, "stream": `true`, "stream_options": `{}`, "tools": `[]`, "tool_choice": `"auto"`, "parallel_tool_calls": `false`, "text": `{}`,
	"reasoning": `{}`, "include": `[]`, "metadata": `{}`, "store": `true`, "background": `false`, "truncation": `"disabled"`,
}

func TestResponsesClientHonours(t *testing.T) {
	for _, name := range responsesClientHonours {
		value := responsesOddValues[name]
		if value == "" {
			value = `"1"`
		}
		body := `{"` + name + `":` + value + `}`
		if name != "input" {
			body = `{"input":"a",` + body[1:]
		}
		if got := askResponses("m", body); got[0] != '{' {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestResponsesInputToMessages(t *testing.T) {
	f := func(input, want string) {
		t.Helper()
		got := askResponses("m", `{"input":[`+input+`]}`)
		if got[0] == '{' {
			got = gjson.Get(got, "messages").Raw
			want = `[` + want + `]`
		}
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", input, got, want)
		}
	}
	const hi = `{"role":"user","content":"hi"}`
	f(hi, hi)
	f(`{"type":"message","role":"developer","content":"be\n"},{"role":"system","content":[{"type":"input_text","text":"a"},{"type":"input_text","text":"b"}]},`+hi,
		`{"role":"system","content":"be\n"},{"role":"system","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},`+hi)
	f(`{"role":"user","content":[{"type":"input_text","text":"hi"}]}`, hi)
	f(`{"role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_image","image_url":"data:image/png;base64,QQ==","detail":"low"},{"type":"input_image","image_url":"https://x/y","detail":"auto"},`+
		`{"type":"input_file","filename":"f.pdf","file_data":"data:application/pdf;base64,QQ=="},{"type":"input_audio","input_audio":{"data":"QQ==","format":"wav"}}]}`,
		`{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,QQ==","detail":"low"}},{"type":"image_url","image_url":{"url":"https://x/y"}},`+
			`{"type":"file","file":{"file_data":"data:application/pdf;base64,QQ==","filename":"f.pdf"}},{"type":"input_audio","input_audio":{"data":"QQ==","format":"wav"}}]}`)
	f(`{"role":"user","content":[{"type":"input_file","file_id":"file-1"}]}`, `{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}`)
	f(hi+`,{"role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_image","file_id":"f"}]}`, `input[1].content[1].file_id: an image that is stored at OpenAI cannot be expressed in OpenAI's chat completions`)
	f(`{"role":"user","content":[{"type":"input_image","image_url":"u","detail":"original"}]}`, `input[0].content[0].detail: `+noPlaceInChat)
	f(`{"role":"user","content":[{"type":"input_file","file_url":"u"}]}`, `input[0].content[0].file_url: `+noPlaceInChat)
	f(`{"role":"user","content":[{"type":"input_video"}]}`, `input[0].content[0].type: `+noPlaceInChat)
	f(`{"role":"system","content":[{"type":"input_image","image_url":"u"}]}`, `input[0].content[0].type: a system's message holds text alone in OpenAI's chat completions`)
	f(`{"role":"tool","content":"a"}`, `input[0].role: it must be user, assistant, system or developer`)
	f(hi+`,{"id":"msg_1"}`, `input[1].id: `+noState)
	f(hi+`,{"type":"item_reference","id":"msg_1"}`, `input[1].id: `+noState)
	f(`{"type":"web_search_call","id":"ws_1"}`, `input[0].type: an item of type web_search_call belongs to a tool that runs at a provider which has the Responses API; `+noPlaceInChat)
	f(`"a"`, `input[0].type: an item of type  belongs to a tool that runs at a provider which has the Responses API; `+noPlaceInChat)

	const call = `{"type":"function_call","id":"fc_1","call_id":"c1","name":"f","arguments":"{\"a\":1}","status":"completed"}`
	const chatCall = `{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}`
	// Items of one answer are one message; results follow, what they hold beside text behind all of them.
	f(hi+`,{"type":"message","id":"msg_1","role":"assistant","status":"completed","content":[{"type":"output_text","text":"so","annotations":[],"logprobs":[]}]},`+call+
		`,{"type":"custom_tool_call","call_id":"c2","name":"g","input":"x"},{"type":"function_call_output","call_id":"c1","output":"1"},`+
		`{"type":"custom_tool_call_output","call_id":"c2","output":[{"type":"input_text","text":"a"},{"type":"input_image","image_url":"u"},{"type":"input_text","text":"b"}]},`+hi,
		hi+`,{"role":"assistant","content":"so","tool_calls":[`+chatCall+`,{"id":"c2","type":"custom","custom":{"name":"g","input":"x"}}]},`+
			`{"role":"tool","tool_call_id":"c1","content":"1"},{"role":"tool","tool_call_id":"c2","content":"a\nb"},`+
			`{"role":"user","content":[{"type":"text","text":"Belongs to the result of tool call c2:"},{"type":"image_url","image_url":{"url":"u"}}]},`+hi)
	f(call+`,{"type":"function_call_output","call_id":"c1","output":[{"type":"input_image","image_url":"u"}]}`,
		`{"role":"assistant","content":null,"tool_calls":[`+chatCall+`]},{"role":"tool","tool_call_id":"c1","content":"The result is in the next message."},`+
			`{"role":"user","content":[{"type":"text","text":"Belongs to the result of tool call c1:"},{"type":"image_url","image_url":{"url":"u"}}]}`)
	// Text behind a call joins its message, because the result must follow that at once; else an answer is a message of its own.
	f(call+`,{"role":"assistant","content":"a"},{"role":"assistant","content":"b"},{"type":"function_call_output","call_id":"c1","output":""},{"role":"assistant","content":"c"},{"role":"assistant","content":"d"}`,
		`{"role":"assistant","content":"a\n\nb","tool_calls":[`+chatCall+`]},{"role":"tool","tool_call_id":"c1","content":""},{"role":"assistant","content":"c"},{"role":"assistant","content":"d"}`)
	f(`{"role":"assistant","content":[{"type":"refusal","refusal":"no"}]},`+hi, `{"role":"assistant","content":null,"refusal":"no"},`+hi)
	f(`{"type":"function_call","call_id":"c1","name":"f","arguments":""}`, `{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]}`)
	f(`{"type":"function_call","call_id":"c1","name":"f"}`, `input[0].arguments: it must be a string`)

	f(`{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"a"},{"type":"summary_text","text":"b"}]},{"role":"assistant","content":"c"}`,
		`{"role":"assistant","reasoning_content":"a\n\nb","content":"c"}`)
	f(`{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"a"}],"encrypted_content":"gAAA"},`+call,
		`{"role":"assistant","reasoning_content":"a","reasoning_details":[{"type":"reasoning.summary","summary":"a","id":"rs_1","index":0,"format":"openai-responses-v1"},`+
			`{"type":"reasoning.encrypted","data":"gAAA","id":"rs_1","index":1,"format":"openai-responses-v1"}],"content":null,"tool_calls":[`+chatCall+`]}`)
	f(`{"role":"assistant","content":"a"},{"type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"t"}]},{"role":"assistant","content":"b"}`,
		`{"role":"assistant","content":"a"},{"role":"assistant","reasoning_content":"t","content":"b"}`)
	f(`{"type":"reasoning","summary":[{"type":"other"}]}`, `input[0].summary[0].text: it must be a string`)
}

func chatReply(message, more string) string {
	return `{"id":"chatcmpl-1","created":7,"model":"m","choices":[{"index":0,"message":` + message + more + `}],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,` +
		`"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}}}`
}

func TestChatReplyToResponse(t *testing.T) {
	f := func(reply, path, want string) {
		t.Helper()
		got, err := newResponsesOpenAI(Call{Relayed: true, Send: "sent"}).Reply([]byte("x"), []byte(reply))
		if err != nil {
			t.Errorf("%s: %v", reply, err)
			return
		}
		if _, err := readResponse(got[1:]); err != nil {
			t.Error(err)
		}
		if v := gjson.GetBytes(got[1:], path); v.Raw != want {
			t.Errorf("%s\n got %s\nwant %s", reply, v.Raw, want)
		}
	}
	const stop = `,"finish_reason":"stop"`
	hi := chatReply(`{"content":"hi\n"}`, stop)
	f(hi, "output", `[{"type":"message","id":"msg_1_0","status":"completed","role":"assistant","content":[{"type":"output_text","text":"hi\n","annotations":[],"logprobs":[]}]}]`)
	f(hi, "usage", `{"input_tokens":10,"input_tokens_details":{"cached_tokens":4},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":2},"total_tokens":15}`)
	f(hi, "id", `"resp_1"`)
	f(hi, "created_at", `7`)
	f(hi, "status", `"completed"`)
	f(`{"id":"1","choices":[{"message":{"content":"a"}}]}`, "usage", `null`)
	f(`{"id":"1","choices":[{"message":{"content":"a"}}]}`, "model", `"sent"`)
	f(chatReply(`{"content":"a"}`, `,"finish_reason":"length"`), "incomplete_details", `{"reason":"max_output_tokens"}`)
	f(chatReply(`{"content":"a"}`, `,"finish_reason":"content_filter"`), "incomplete_details", `{"reason":"content_filter"}`)
	f(chatReply(`{"content":"a"}`, `,"finish_reason":"length"`), "output.0.status", `"incomplete"`)
	f(chatReply(`{"content":null,"refusal":"no"}`, stop), "output.0.content", `[{"type":"refusal","refusal":"no"}]`)
	f(chatReply(`{"content":"a","annotations":[{"type":"url_citation","url_citation":{"url":"u","title":"t","start_index":0,"end_index":1}}]}`, stop), "output.0.content.0.annotations",
		`[{"type":"url_citation","url":"u","title":"t","start_index":0,"end_index":1}]`)
	f(strings.Replace(hi, `{"id"`, `{"citations":["u"],"id"`, 1), "output.0.content.0.annotations", `[{"type":"url_citation","url":"u","title":"","start_index":0,"end_index":0}]`)
	f(strings.Replace(hi, `{"id"`, `{"service_tier":"flex","id"`, 1), "service_tier", `"flex"`)
	f(chatReply(`{"content":"a"}`, `,"logprobs":{"content":[{"token":"a","logprob":-1,"bytes":[97],"top_logprobs":[]}]}`+stop), "output.0.content.0.logprobs",
		`[{"token":"a","logprob":-1,"bytes":[97],"top_logprobs":[]}]`)
	f(chatReply(`{"content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":""}},{"id":"d","type":"custom","custom":{"name":"g","input":"x"}}]}`, stop), "output",
		`[{"type":"function_call","id":"fc_1_0","status":"completed","call_id":"c","name":"f","arguments":"{}"},{"type":"custom_tool_call","id":"ctc_1_1","status":"completed","call_id":"d","name":"g","input":"x"}]`)
	f(chatReply(`{"content":"a","reasoning_content":"t"}`, stop), "output.0", `{"type":"reasoning","id":"rs_1_0","status":"completed","summary":[{"type":"summary_text","text":"t"}]}`)
	f(chatReply(`{"content":"a","reasoning_details":[{"type":"reasoning.summary","summary":"s","id":"rs_9","format":"openai-responses-v1","index":0},`+
		`{"type":"reasoning.encrypted","data":"gAAA","id":"rs_9","format":"openai-responses-v1","index":0}]}`, stop), "output.0",
		`{"type":"reasoning","id":"rs_9","status":"completed","summary":[{"type":"summary_text","text":"s"}],"encrypted_content":"gAAA"}`)
	f(`{"error":{"message":"busy","code":503}}`, "error", `{"message":"busy","code":"503","param":null,"type":"api_error"}`)
	f(`{"error":"busy"}`, "error.message", `"busy"`)

	for _, bad := range []string{``, `[]`, `{"choices":[]}`, `{`} {
		if got, err := newResponsesOpenAI(Call{Relayed: true}).Reply(nil, []byte(bad)); err == nil {
			t.Errorf("%s became %s", bad, got)
		}
	}
}

// A response repeats its request.
func TestResponseRepeatsItsRequest(t *testing.T) {
	tr := newResponsesOpenAI(Call{Relayed: true, Send: "m"})
	request := []byte("{\"input\":\"a\",\"instructions\":\"be\",\"store\":true,\"tools\":[\n {\"type\":\"function\",\"name\":\"f\"}\n],\"metadata\":{\"k\":\"v\"},\"temperature\":0.5," +
		"\"reasoning\":{\"effort\":\"low\"},\"max_output_tokens\":9,\"stream\":true}")
	if _, err := tr.Request(nil, request); err != nil {
		t.Fatal(err)
	}
	clear(request)
	out, err := translateChatStream(tr, chatStream(`{"id":"1","model":"m","choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}`, `[DONE]`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readResponseStream(out, false); err != nil {
		t.Fatal(err)
	}
	for len(out) > 0 {
		event, rest := NextEvent(out)
		out = rest
		r := gjson.GetBytes(Data(nil, event), "response")
		if !r.Exists() {
			continue
		}
		for path, want := range map[string]string{"instructions": `"be"`, "store": `false`, "tools": `[{"type":"function","name":"f"}]`, "metadata": `{"k":"v"}`, "temperature": `0.5`,
			"reasoning": `{"effort":"low"}`, "max_output_tokens": `9`, "tool_choice": `"auto"`, "previous_response_id": `null`} {
			if got := r.Get(path).Raw; got != want {
				t.Errorf("%s is %s, not %s", path, got, want)
			}
		}
	}
}

func TestChatStreamToResponseStream(t *testing.T) {
	// f compares the events, a line each, without what is always the same.
	f := func(want string, chunks ...string) {
		t.Helper()
		out, err := translateChatStream(newResponsesOpenAI(Call{Relayed: true, Send: "sent"}), chatStream(chunks...))
		if err != nil {
			t.Errorf("%v: %v", chunks, err)
			return
		}
		if _, err := readResponseStream(out, true); err != nil {
			t.Error(err)
		}
		var lines []string
		for len(out) > 0 {
			event, rest := NextEvent(out)
			out = rest
			e := gjson.ParseBytes(Data(nil, event))
			line := strings.TrimPrefix(e.Get("type").Str, "response.")
			for _, name := range []string{"output_index", "content_index", "summary_index", "annotation_index", "delta", "text", "refusal", "arguments", "input", "part", "item", "annotation", "code", "message"} {
				if v := e.Get(name); v.Exists() {
					line += " " + v.Raw
				}
			}
			if r := e.Get("response"); r.Get("status").Str != "in_progress" && r.Exists() {
				line += " " + r.Get("usage").Raw + r.Get("incomplete_details").Raw + r.Get("error").Raw
			}
			lines = append(lines, line)
		}
		got := strings.ReplaceAll(strings.Join(lines, "\n"), `,"annotations":[],"logprobs":[]`, ``)
		if want = strings.ReplaceAll(strings.TrimSpace(want), "\t", ""); got != want {
			t.Errorf("%v\n got %s\nwant %s", chunks, got, want)
		}
	}
	chunk := func(delta, finish string) string {
		return `{"id":"chatcmpl-1","model":"m","choices":[{"index":0,"delta":` + delta + `,"finish_reason":` + finish + `}]}`
	}
	const usage = `{"id":"chatcmpl-1","model":"m","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}`
	const start = "created\nin_progress\n"
	const counted = `{"input_tokens":10,"input_tokens_details":{"cached_tokens":0},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":15}`
	const stop = "completed " + counted + "nullnull"
	const text = start + `output_item.added 0 {"type":"message","id":"msg_1_0","status":"in_progress","role":"assistant","content":[]}
		content_part.added 0 0 {"type":"output_text","text":""}
		output_text.delta 0 0 "a\n"
		output_text.delta 0 0 "b"
		`
	const closed = text + `output_text.done 0 0 "a\nb"
		content_part.done 0 0 {"type":"output_text","text":"a\nb"}
		output_item.done 0 {"type":"message","id":"msg_1_0","status":"completed","role":"assistant","content":[{"type":"output_text","text":"a\nb"}]}
		`
	a, b, end := chunk(`{"role":"assistant","content":"a\n"}`, `null`), chunk(`{"content":"b"}`, `null`), chunk(`{"content":""}`, `"stop"`)
	f(closed+stop, a, b, end, usage, "[DONE]")
	f(closed+stop, `{"id":"","model":"","choices":[],"prompt_filter_results":[]}`, a, b, end, usage) // Azure; no [DONE]
	f(closed+stop, a, b, end, usage, usage, "[DONE]", "[DONE]")                                      // twice
	f(closed+"completed nullnullnull", a, b, end, "[DONE]")                                          // no usage
	f(closed+"completed nullnullnull", a, b, end)                                                    // nothing behind the finish
	f(text, a, b)                                                                                    // cut: no end
	f(strings.ReplaceAll(closed, `"id":"msg_1_0","status":"completed"`, `"id":"msg_1_0","status":"incomplete"`)+"incomplete "+counted+`{"reason":"max_output_tokens"}null`,
		a, b, chunk(`{}`, `"length"`), usage)
	f(text+`error "503" "busy"
		failed nullnull{"message":"busy","code":"503"}`, a, b, `{"error":{"message":"busy","code":503}}`, end, "[DONE]")
	f(`error "server_error" "busy"`, `{"error":"busy"}`, "[DONE]")

	// Arguments by turns; a call without any has an empty object.
	f(start+`output_item.added 0 {"type":"function_call","id":"fc_1_0","status":"in_progress","call_id":"c","name":"f","arguments":""}
		output_item.added 1 {"type":"function_call","id":"fc_1_1","status":"in_progress","call_id":"d","name":"g","arguments":""}
		function_call_arguments.delta 0 "{\"a\":"
		function_call_arguments.delta 0 "1}"
		function_call_arguments.done 0 "{\"a\":1}"
		output_item.done 0 {"type":"function_call","id":"fc_1_0","status":"completed","call_id":"c","name":"f","arguments":"{\"a\":1}"}
		function_call_arguments.delta 1 "{}"
		function_call_arguments.done 1 "{}"
		output_item.done 1 {"type":"function_call","id":"fc_1_1","status":"completed","call_id":"d","name":"g","arguments":"{}"}
		`+stop,
		chunk(`{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":""}}]}`, `null`), chunk(`{"tool_calls":[{"index":1,"id":"d","function":{"name":"g","arguments":""}}]}`, `null`),
		chunk(`{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]}`, `null`), chunk(`{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}`, `null`), chunk(`{}`, `"tool_calls"`), usage)
	f(start+`output_item.added 0 {"type":"custom_tool_call","id":"ctc_1_0","status":"in_progress","call_id":"c","name":"f","input":""}
		custom_tool_call_input.delta 0 "x"
		custom_tool_call_input.done 0 "x"
		output_item.done 0 {"type":"custom_tool_call","id":"ctc_1_0","status":"completed","call_id":"c","name":"f","input":"x"}
		`+stop, chunk(`{"tool_calls":[{"index":0,"id":"c","type":"custom","custom":{"name":"f","input":"x"}}]}`, `"tool_calls"`), usage)

	// Thoughts, then text with a source, then a refusal.
	f(start+`output_item.added 0 {"type":"reasoning","id":"rs_1_0","status":"in_progress","summary":[]}
		reasoning_summary_part.added 0 0 {"type":"summary_text","text":""}
		reasoning_summary_text.delta 0 0 "t"
		reasoning_summary_text.done 0 0 "t"
		reasoning_summary_part.done 0 0 {"type":"summary_text","text":"t"}
		output_item.done 0 {"type":"reasoning","id":"rs_1_0","status":"completed","summary":[{"type":"summary_text","text":"t"}]}
		output_item.added 1 {"type":"message","id":"msg_1_1","status":"in_progress","role":"assistant","content":[]}
		content_part.added 1 0 {"type":"output_text","text":""}
		output_text.delta 1 0 "b"
		output_text.annotation.added 1 0 0 {"type":"url_citation","url":"u","title":"","start_index":0,"end_index":0}
		output_text.done 1 0 "b"
		content_part.done 1 0 {"type":"output_text","text":"b","annotations":[{"type":"url_citation","url":"u","title":"","start_index":0,"end_index":0}],"logprobs":[]}
		content_part.added 1 1 {"type":"refusal","refusal":""}
		refusal.delta 1 1 "no"
		refusal.done 1 1 "no"
		content_part.done 1 1 {"type":"refusal","refusal":"no"}
		output_item.done 1 {"type":"message","id":"msg_1_1","status":"completed","role":"assistant","content":[`+
		`{"type":"output_text","text":"b","annotations":[{"type":"url_citation","url":"u","title":"","start_index":0,"end_index":0}],"logprobs":[]},{"type":"refusal","refusal":"no"}]}
		`+stop, chunk(`{"reasoning_content":"t"}`, `null`), b, chunk(`{"annotations":[{"url_citation":{"url":"u"}}]}`, `null`), chunk(`{"refusal":"no"}`, `null`), end, usage)

	if _, err := translateChatStream(newResponsesOpenAI(Call{Relayed: true}), chatStream("{")); err == nil {
		t.Error("broken JSON passes")
	}
	if out, err := newResponsesOpenAI(Call{Relayed: true}).Event(nil, []byte(": OPENROUTER PROCESSING\n\n")); err != nil || len(out) > 0 {
		t.Errorf("%q, %v", out, err)
	}
}

// What a provider wants back unchanged comes back to it, in its place, from a whole
// reply and from a stream.
func TestResponsesCarryWhatIsOpaque(t *testing.T) {
	f := func(want, whole string, deltas ...string) {
		t.Helper()
		reply, err := newResponsesOpenAI(Call{Relayed: true, Send: "m"}).Reply(nil, []byte(chatReply(whole, `,"finish_reason":"stop"`)))
		if err != nil {
			t.Fatal(err)
		}
		var chunks []string
		for _, delta := range append(deltas, `{}`) {
			chunks = append(chunks, `{"id":"chatcmpl-1","model":"m","choices":[{"index":0,"delta":`+delta+`,"finish_reason":null}]}`)
		}
		chunks[len(chunks)-1] = strings.Replace(chunks[len(chunks)-1], `"finish_reason":null`, `"finish_reason":"stop"`, 1)
		stream, err := translateChatStream(newResponsesOpenAI(Call{Relayed: true, Send: "m"}), chatStream(chunks...))
		if err != nil {
			t.Fatal(err)
		}
		s, err := readResponseStream(stream, false)
		if err != nil {
			t.Fatal(err)
		}
		for how, output := range map[string]string{"whole": gjson.GetBytes(reply, "output").Raw, "stream": s.output} {
			got := askResponses("m", `{"input":`+output[:len(output)-1]+`,{"role":"user","content":"more"}]}`)
			if m := gjson.Get(got, "messages").Raw; m != `[`+want+`,{"role":"user","content":"more"}]` {
				t.Errorf("%s: %s\n got %s\nwant %s", how, output, m, want)
			}
		}
	}
	const blocks = `"thinking_blocks":[{"type":"thinking","thinking":"t","signature":"s=="},{"type":"redacted_thinking","data":"d"}]`
	const call = `{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}`
	const extra = `"extra_content":{"google":{"thought_signature":"g"}}`
	f(`{"role":"assistant","reasoning_content":"t",`+blocks+`,"content":"a","tool_calls":[`+call+`}]}`,
		`{"reasoning_content":"t",`+blocks+`,"content":"a","tool_calls":[`+call+`}]}`,
		`{"reasoning_content":"t"}`, `{"thinking_blocks":[{"type":"thinking","thinking":"t","signature":"s=="}]}`, `{"thinking_blocks":[{"type":"redacted_thinking","data":"d"}]}`,
		`{"content":"a"}`, `{"tool_calls":[{"index":0,`+call[1:]+`}]}`)
	f(`{"role":"assistant","content":null,"tool_calls":[`+call+`,`+extra+`},{"id":"d","type":"function","function":{"name":"g","arguments":"{}"}}]}`,
		`{"content":null,"tool_calls":[`+call+`,`+extra+`},{"id":"d","function":{"name":"g","arguments":"{}"}}]}`,
		`{"tool_calls":[{"index":0,`+call[1:]+`,`+extra+`}]}`, `{"tool_calls":[{"index":1,"id":"d","function":{"name":"g","arguments":"{}"}}]}`)
	f(`{"role":"assistant",`+extra+`,"content":"ab"}`, `{"content":"ab",`+extra+`}`, `{"content":"a"}`, `{"content":"b"}`, `{`+extra+`}`) // behind its text
	const details = `"reasoning_details":[{"type":"reasoning.text","text":"tu","index":0,"format":"anthropic-claude-v1","signature":"s"}]`
	f(`{"role":"assistant","reasoning_content":"tu",`+details+`,"content":"a"}`, `{"reasoning":"tu",`+details+`,"content":"a"}`,
		`{"reasoning":"t","reasoning_details":[{"type":"reasoning.text","text":"t","index":0,"format":"anthropic-claude-v1"}]}`,
		`{"reasoning":"u","reasoning_details":[{"type":"reasoning.text","text":"u","index":0}]}`, `{"reasoning_details":[{"type":"reasoning.text","signature":"s","index":0}]}`, `{"content":"a"}`)
	const native = `"reasoning_details":[{"type":"reasoning.summary","summary":"s","id":"rs_9","index":0,"format":"openai-responses-v1"},{"type":"reasoning.encrypted","data":"gA==","id":"rs_9","index":1,"format":"openai-responses-v1"}]`
	f(`{"role":"assistant","reasoning_content":"s",`+native+`,"content":"a"}`, `{`+native+`,"content":"a"}`, `{`+native+`}`, `{"content":"a"}`)
	f(`{"role":"assistant","reasoning":"t","content":"a"}`, `{"reasoning":"t","content":"a"}`, `{"reasoning":"t"}`, `{"content":"a"}`)
	f(`{"role":"assistant","reasoning_content":"t","content":"a"}`, `{"reasoning_content":"t","content":"a"}`, `{"reasoning_content":"t"}`, `{"content":"a"}`)
}

func FuzzResponsesOpenAIRequest(f *testing.F) {
	f.Add([]byte(`{"stream":true,"instructions":"s","input":[{"role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_image","image_url":"u"}]},` +
		`{"type":"reasoning","id":"r","summary":[{"type":"summary_text","text":"t"}],"encrypted_content":"hp1.eyJ0b29sX2NhbGxzIjpbeyJpZCI6ImMiLCJleHRyYV9jb250ZW50Ijp7fX1dfQ"},` +
		`{"type":"function_call","call_id":"c","name":"f","arguments":""},{"type":"function_call_output","call_id":"c","output":[{"type":"input_file","file_data":"d"}]}]}`))
	f.Add([]byte(`{"input":"a","tools":[{"type":"custom","name":"f","format":{"type":"grammar","syntax":"lark","definition":""}}],"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"f"}]}}`))
	f.Add([]byte(`{"input":"a","text":{"format":{"type":"json_schema","name":"n","schema":{}},"verbosity":"low"},"reasoning":{"effort":"low"},"include":["message.output_text.logprobs"]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		tr := newResponsesOpenAI(Call{Relayed: true, Send: "m"})
		got, err := tr.Request([]byte("x"), body)
		if err != nil && string(got) != "x" || err == nil && !json.Valid(got[1:]) {
			t.Fatalf("%q: %v", got, err)
		}
		if err != nil {
			return
		}
		out, err := translateChatStream(tr, chatStream(`{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}`))
		if _, bad := readResponseStream(out, false); bad != nil {
			t.Fatalf("%v\n%q, %v", bad, out, err)
		}
	})
}

func FuzzResponsesOpenAIReply(f *testing.F) {
	f.Add([]byte(chatReply(`{"content":"a","reasoning":"b","refusal":"r","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{\"a\":1}"},"extra_content":{"a":1}}]}`, ``)))
	f.Add([]byte(`{"error":{"message":"m","code":1}}`))
	f.Add([]byte(`{"choices":[{"message":{"content":[{"thinking":[{"text":"a"}]}],"annotations":[{"url_citation":{"url":"u"}}],"thinking_blocks":[{}],"reasoning_details":[{"type":"reasoning.encrypted","data":"x","index":0},{"type":"reasoning.encrypted","data":"y","index":0}]}}],"citations":["u"]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := newResponsesOpenAI(Call{Relayed: true}).Reply([]byte("x"), body)
		if err == nil && !json.Valid(got[1:]) {
			t.Fatalf("%q", got)
		}
	})
}

func FuzzResponsesOpenAIEvent(f *testing.F) {
	f.Add([]byte("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}}]}\n\n" +
		"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\"{}\"}}]},\"finish_reason\":\"stop\"}]}\n\ndata: {\"choices\":[],\"usage\":{}}\n\ndata: [DONE]\n\n"))
	f.Add([]byte("data: {\"choices\":[{\"delta\":{\"reasoning_details\":[{\"type\":\"reasoning.encrypted\",\"data\":\"\\u0041\"}]}}]}\n\ndata: {\"error\":\"x\"}\n\n"))
	f.Add([]byte("data: {\"choices\":[{\"delta\":{\"refusal\":\"a\",\ndata: \"content\":\"b\",\"reasoning\":\"c\",\"thinking_blocks\":[{}],\"extra_content\":{}}}]}\n\ndata: {\"citations\":[\"u\"],\"choices\":[{\"logprobs\":{\"content\":[1]},\"finish_reason\":\"length\"}]}\n\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		out, err := translateChatStream(newResponsesOpenAI(Call{Relayed: true, Send: "m"}), stream)
		if _, bad := readResponseStream(out, true); bad != nil {
			t.Fatalf("%v\n%q, %v", bad, out, err)
		}
	})
}
