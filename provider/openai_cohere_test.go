package provider

import (
	"fmt"
	"strings"
	"testing"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// askCohere translates a request for a model; an error is returned as "! text".
func askCohere(model, body string) string {
	got, err := newOpenAICohere(Call{Send: model}).Request([]byte("#"), []byte(body))
	if err != nil {
		if string(got) != "#" {
			return fmt.Sprintf("! %v, and wrote %s", err, got)
		}
		return "! " + err.Error()
	}
	return string(got[1:])
}

// TestOpenAICohereFields takes one field at a time: want is what stands between the
// model in front and the messages behind, or the error.
func TestOpenAICohereFields(t *testing.T) {
	f := func(model, fields, want string) {
		t.Helper()
		comma := ","
		if fields == "" {
			comma = ""
		}
		got := askCohere(model, "{"+fields+comma+userSaysHi+"}")
		got = strings.TrimPrefix(got, `{"model":"`+model+`"`)
		got = strings.TrimSuffix(got, `,"messages":[{"role":"user","content":"hi"}]}`)
		if got != want {
			t.Errorf("%s %s\n got %s\nwant %s", model, fields, got, want)
		}
	}
	const plain, thinks = "command-a-03-2025", "command-a-reasoning-08-2025"
	f(plain, ``, ``)
	f(plain, `"max_tokens":7,"max_completion_tokens":8`, `,"max_tokens":8`)
	f(plain, `"max_tokens":0`, `! max_tokens: it must be a whole number above 0`)
	f(plain, `"temperature":0.7,"top_p":0.9,"top_k":5,"seed":3,"frequency_penalty":0.5,"presence_penalty":1`,
		`,"temperature":0.7,"p":0.9,"k":5,"seed":3,"frequency_penalty":0.5,"presence_penalty":1`)
	f(plain, `"top_p":1`, `,"p":0.99`)
	f(plain, `"top_p":0`, `,"p":0.01`)
	f(plain, `"top_p":1.5`, `! top_p: Cohere takes 0 to 1`)
	f(plain, `"temperature":1.2`, `! temperature: Cohere takes 0 to 1`)
	f(plain, `"temperature":"x"`, `! temperature: it must be a number`)
	f(plain, `"frequency_penalty":-1`, `! frequency_penalty: Cohere takes 0 to 1`)
	f(plain, `"top_k":501`, `! top_k: Cohere takes 0 to 500`)
	f(plain, `"seed":1.5`, `! seed: it must be a whole number`)
	f(plain, `"stop":"END"`, `,"stop_sequences":["END"]`)
	f(plain, `"stop":[]`, ``)
	f(plain, `"stop":["1","2","3","4","5","6"]`, `! stop: Cohere takes up to 5`)
	f(plain, `"stop":[1]`, `! stop: it must be a string or an array of strings`)
	f(plain, `"logprobs":true`, `,"logprobs":true`)
	f(plain, `"logprobs":true,"top_logprobs":2`, `! top_logprobs: Cohere's chat cannot express it`)
	f(plain, `"logprobs":1`, `! logprobs: it must be true or false`)
	f(plain, `"stream":true,"stream_options":{"include_usage":true},"usage":{"include":true}`, `,"stream":true`)
	f(plain, `"stream_options":{"include_obfuscation":true}`, `! stream_options.include_obfuscation: Cohere's chat cannot express it`)
	f(plain, `"service_tier":"auto","cache_control":{"type":"ephemeral"},"n":1,"store":false,"top_logprobs":0,"seed":null`, ``)
	f(plain, `"service_tier":"flex"`, `! service_tier: Cohere has no tiers but the default`)

	f(plain, `"reasoning_effort":"none"`, ``)
	f(plain, `"reasoning_effort":"low"`, `! reasoning_effort: the model does not think`)
	f(thinks, `"reasoning_effort":"none"`, `,"thinking":{"type":"disabled"}`)
	f(thinks, `"reasoning_effort":"high"`, `,"thinking":{"type":"enabled"}`)
	f(thinks, `"reasoning_effort":"low"`, `,"thinking":{"type":"enabled","token_budget":6400}`)
	f(thinks, `"reasoning_effort":"medium","max_tokens":1000`, `,"max_tokens":1000,"thinking":{"type":"enabled","token_budget":500}`)
	f(thinks, `"reasoning_effort":"much"`, `! reasoning_effort: the effort is not known`)
	f(thinks, `"reasoning":{"max_tokens":2000}`, `,"thinking":{"type":"enabled","token_budget":2000}`)
	f(thinks, `"reasoning":{"enabled":false}`, `,"thinking":{"type":"disabled"}`)
	f(thinks, `"reasoning":{"exclude":true}`, `! reasoning.exclude: Cohere's chat cannot express it`)
	f(thinks, `"reasoning":{"max_tokens":0}`, `! reasoning.max_tokens: it must be a whole number above 0`)
	f(thinks, `"reasoning":"high"`, `! reasoning: it must be an object`)
	f(thinks, `"thinking":{"type":"enabled","budget_tokens":2048}`, `,"thinking":{"type":"enabled","token_budget":2048}`)
	f(thinks, `"thinking":{"type":"enabled","token_budget":2048}`, `,"thinking":{"type":"enabled","token_budget":2048}`)
	f(thinks, `"thinking":{"type":"disabled"}`, `,"thinking":{"type":"disabled"}`)
	f(thinks, `"thinking":{"type":"deep"}`, `! thinking.type: Cohere takes enabled and disabled`)
	f(thinks, `"thinking":{"display":"x"}`, `! thinking.display: Cohere's chat cannot express it`)

	f(plain, `"response_format":{"type":"text"}`, ``)
	f(plain, `"response_format":{"type":"json_object"}`, `,"response_format":{"type":"json_object"}`)
	f(plain, `"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"description":"why","schema":{"type":"object","properties":{}}}}`,
		`,"response_format":{"type":"json_object","json_schema":{"description":"why","type":"object","properties":{}}}`)
	f(plain, `"response_format":{"type":"json_schema","json_schema":{}}`, `! response_format.json_schema.schema: it must be an object`)
	f(plain, `"response_format":{"type":"grammar"}`, `! response_format.type: Cohere takes text, json_object and json_schema`)

	tool := func(name, more string) string {
		return `{"type":"function","function":{"name":"` + name + `"` + more + `}}`
	}
	const empty = `,"parameters":{"type":"object","properties":{}}`
	one, asOne := `"tools":[`+tool("f", "")+`]`, `,"tools":[`+tool("f", empty)+`]`
	f(plain, one, asOne)
	f(plain, one+`,"response_format":{"type":"json_object"}`, `! response_format: Cohere takes it with no tools beside it`)
	f(plain, `"tools":[`+tool("f", `,"description":"d","strict":true`)+`]`, `,"strict_tools":true,"tools":[`+tool("f", `,"description":"d"`+empty)+`]`)
	f(plain, `"tools":[`+tool("f", `,"strict":true`)+`,`+tool("g", "")+`]`, `! tools[1].function.strict: Cohere is strict with all tools or with none`)
	f(plain, `"tools":[{"type":"custom","custom":{"name":"f"}}]`, `! tools[0]: only functions can be expressed`)
	f(plain, `"tools":[`+tool("f", `,"parameters":[]`)+`]`, `! tools[0].function.parameters: it must be the schema of an object`)
	f(plain, `"tools":[`+tool("f", `,"x":1`)+`]`, `! tools[0].function.x: Cohere's chat cannot express it`)
	f(plain, `"tools":{}`, `! tools: it must be an array`)
	f(plain, `"tools":[]`, ``)
	f(plain, one+`,"tool_choice":"auto","parallel_tool_calls":true`, asOne)
	f(plain, one+`,"tool_choice":"none","parallel_tool_calls":false`, `,"tool_choice":"NONE"`+asOne)
	f(plain, one+`,"tool_choice":"required"`, `,"tool_choice":"REQUIRED"`+asOne)
	f(plain, `"tools":[`+tool("g", "")+`,`+tool("f", "")+`],"tool_choice":{"type":"function","function":{"name":"f"}}`, `,"tool_choice":"REQUIRED"`+asOne)
	f(plain, one+`,"tool_choice":{"type":"function","function":{"name":"h"}}`, `! tool_choice.function.name: it must name one of the tools`)
	f(plain, one+`,"tool_choice":{"type":"allowed_tools"}`, `! tool_choice: Cohere takes auto, none, required or a function`)
	f(plain, one+`,"parallel_tool_calls":false`, `! parallel_tool_calls: Cohere cannot be kept from calling several tools`)
	f(plain, `"tool_choice":"required"`, `! tool_choice: there are no tools to choose from`)

	for _, field := range []string{`"n":2`, `"logit_bias":{"1":2}`, `"audio":{}`, `"prediction":{}`, `"store":true`, `"functions":[]`, `"web_search_options":{}`,
		`"metadata":{"a":"b"}`, `"safety_mode":"OFF"`, `"x":0`} {
		name, _, _ := strings.Cut(strings.TrimPrefix(field, `"`), `"`)
		f(plain, field, "! "+name+": Cohere's chat cannot express it")
	}
}

// TestOpenAICohereMessages takes the messages of a conversation.
func TestOpenAICohereMessages(t *testing.T) {
	f := func(model, messages, want string) {
		t.Helper()
		got := askCohere(model, `{"messages":[`+messages+`]}`)
		got = strings.TrimSuffix(strings.TrimPrefix(got, `{"model":"`+model+`","messages":[`), "]}")
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", messages, got, want)
		}
	}
	const plain, thinks = "command-r-08-2024", "command-a-plus-05-2026"
	f(plain, `{"role":"system","content":"a"},{"role":"developer","content":[{"type":"text","text":"b","cache_control":{"type":"ephemeral"}}]},{"role":"user","content":"c"}`,
		`{"role":"system","content":"a"},{"role":"system","content":[{"type":"text","text":"b"}]},{"role":"user","content":"c"}`)
	f(plain, `{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"https://x/i.png","detail":"low"}},{"type":"image_url","image_url":"data:image/png;base64,QQ=="}]}`,
		`{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"https://x/i.png","detail":"low"}},{"type":"image_url","image_url":{"url":"data:image/png;base64,QQ=="}}]}`)
	const call = `{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}`
	f(plain, `{"role":"assistant","content":null,"reasoning_content":"p","tool_calls":[`+call+`]},{"role":"tool","tool_call_id":"c1","name":"f","content":"r"},{"role":"tool","tool_call_id":"c2","content":[{"type":"text","text":"s"}]}`,
		`{"role":"assistant","tool_plan":"p","tool_calls":[`+call+`]},{"role":"tool","tool_call_id":"c1","content":"r"},{"role":"tool","tool_call_id":"c2","content":[{"type":"text","text":"s"}]}`)
	f(thinks, `{"role":"assistant","content":"a","reasoning":"t","refusal":null,"annotations":[],"tool_calls":[{"id":"c","function":{"name":"f","arguments":""}}]}`,
		`{"role":"assistant","content":[{"type":"thinking","thinking":"t"},{"type":"text","text":"a"}],"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}`)
	f(plain, `{"role":"assistant","content":"a","reasoning_content":"another model's"}`, `{"role":"assistant","content":[{"type":"text","text":"a"}]}`)
	f(plain, `{"role":"assistant","content":[{"type":"refusal","refusal":"no"}],"refusal":"never"}`, `{"role":"assistant","content":[{"type":"text","text":"no"},{"type":"text","text":"never"}]}`)
	f(plain, `{"role":"assistant","content":null}`, `! messages[0].content: Cohere needs it where no tool is called`)
	f(plain, `{"role":"user","content":"a","name":"bob"}`, `! messages[0].name: Cohere's chat cannot express it`)
	f(plain, `{"role":"user","content":[]}`, `! messages[0].content: Cohere needs it`)
	f(plain, `{"role":"user","content":7}`, `! messages[0].content: it must be a string or an array`)
	f(plain, `{"role":"user","content":[{"type":"text","text":"a"},{"type":"file","file":{}}]}`, `! messages[0].content[1]: Cohere's chat cannot express this part here`)
	f(plain, `{"role":"tool","tool_call_id":"c","content":[{"type":"image_url","image_url":{"url":"u"}}]}`, `! messages[0].content[0]: Cohere's chat cannot express this part here`)
	f(plain, `{"role":"tool","content":"a"}`, `! messages[0].tool_call_id: it must be a string`)
	f(plain, `{"role":"user","content":"a","tool_call_id":"c"}`, `! messages[0].role: only an assistant calls tools, and only a tool answers`)
	f(plain, `{"role":"function","content":"a"}`, `! messages[0].role: Cohere's chat does not know it`)
	f(plain, `{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"[1]"}}]}`, `! messages[0].tool_calls[0].function.arguments: it must be the JSON of an object`)
	f(plain, `{"role":"assistant","tool_calls":{}}`, `! messages[0].tool_calls: it must be an array`)
	f(plain, `{"role":"assistant","content":"a","x":1}`, `! messages[0].x: Cohere's chat cannot express it`)
	f(plain, ``, `! messages: Cohere needs one`)
	if got := askCohere("m", `{"messages":[]`); got != "! cannot read the request: unexpected end of JSON at byte 14" {
		t.Error(got)
	}
	body := []byte(`{"models":["a"],"provider":{},` + userSaysHi + `}`)
	members, _ := jsonscan.Members(nil, body)
	if got, err := newOpenAICohere(Call{Send: "m", Drop: members[:2]}).Request(nil, body); err != nil || string(got) != `{"model":"m",`+userSaysHi+`}` {
		t.Errorf("got %s, %v", got, err)
	}
}

// cohereReplied translates a whole reply, made at the second 1.
func cohereReplied(body string) string {
	t := newOpenAICohere(Call{Send: "sent"}).(*openaiCohere)
	t.created = 1
	got, err := t.Reply(nil, []byte(body))
	if err != nil {
		return "! " + err.Error()
	}
	return string(got)
}

func TestOpenAICohereReply(t *testing.T) {
	f := func(message, finish, rest, wantMessage, wantRest string) {
		t.Helper()
		got := cohereReplied(`{"id":"i","message":{"role":"assistant",` + message + `},"finish_reason":"` + finish + `"` + rest + `}`)
		want := `{"id":"i","object":"chat.completion","created":1,"model":"sent","choices":[{"index":0,"message":{"role":"assistant",` + wantMessage + `},` + wantRest + `}`
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", message, got, want)
		}
	}
	const none = `,"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}`
	finish := func(reason string) string { return `"logprobs":null,"finish_reason":"` + reason + `"}]` + none }
	f(`"content":[{"type":"text","text":"a\n"},{"type":"text","text":"b"}]`, "COMPLETE", "", `"content":"a\nb","refusal":null`, finish("stop"))
	f(`"content":"a"`, "STOP_SEQUENCE", "", `"content":"a","refusal":null`, finish("stop"))
	f(`"content":[]`, "MAX_TOKENS", "", `"content":"","refusal":null`, finish("length"))
	f(`"content":[{"type":"thinking","thinking":"t"},{"type":"text","text":"a"}]`, "COMPLETE", "", `"content":"a","refusal":null,"reasoning_content":"t"`, finish("stop"))
	f(`"tool_plan":"p","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"d","type":"function","function":{"name":"g","arguments":"null"}}]`, "TOOL_CALL", "",
		`"content":null,"refusal":null,"reasoning_content":"p","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"d","type":"function","function":{"name":"g","arguments":"{}"}}]`, finish("tool_calls"))
	// A citation counts from where its block begins, in characters; one without a URL has no counterpart.
	f(`"content":[{"type":"text","text":"éé"},{"type":"thinking","thinking":"t"},{"type":"text","text":"ab"}],"citations":[`+
		`{"start":0,"end":1,"text":"a","type":"TEXT_CONTENT","content_index":2,"sources":[{"type":"tool","id":"x","tool_output":{"url":"https://x","title":"X"}},{"type":"document","id":"y","document":{"text":"y"}}]},`+
		`{"start":0,"end":1,"type":"PLAN","sources":[{"document":{"url":"https://y"}}]}]`, "COMPLETE", "",
		`"content":"ééab","refusal":null,"reasoning_content":"t","annotations":[{"type":"url_citation","url_citation":{"start_index":2,"end_index":3,"url":"https://x","title":"X"}}]`, finish("stop"))
	f(`"content":"ab"`, "COMPLETE", `,"logprobs":[{"text":"a","token_ids":[1],"logprobs":[-0.50]},{"text":"b","token_ids":[2,3],"logprobs":[-1,-0.25]}]`, `"content":"ab","refusal":null`,
		`"logprobs":{"content":[{"token":"a","logprob":-0.50,"bytes":null,"top_logprobs":[]},{"token":"b","logprob":-1.25,"bytes":null,"top_logprobs":[]}],"refusal":null},"finish_reason":"stop"}]`+none)
	usage := func(reported, want string) {
		t.Helper()
		f(`"content":"a"`, "COMPLETE", `,"usage":`+reported, `"content":"a","refusal":null`, `"logprobs":null,"finish_reason":"stop"}],"usage":`+want)
	}
	usage(`{"billed_units":{"input_tokens":8,"output_tokens":5},"tokens":{"input_tokens":500,"output_tokens":11,"reasoning_tokens":4},"cached_tokens":448}`,
		`{"prompt_tokens":8,"completion_tokens":5,"total_tokens":13,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":4}}`)
	usage(`{"tokens":{"input_tokens":500,"output_tokens":11},"cached_tokens":448}`,
		`{"prompt_tokens":500,"completion_tokens":11,"total_tokens":511,"prompt_tokens_details":{"cached_tokens":448},"completion_tokens_details":{"reasoning_tokens":0}}`)

	e := func(body, want string) {
		t.Helper()
		if got := cohereReplied(body); got != want {
			t.Errorf("%s\n got %s\nwant %s", body, got, want)
		}
	}
	e(`{"id":"i","message":"no"}`, `{"error":{"message":"no","type":"api_error","param":null,"code":null}}`)
	e(`{"error_type":"TOO_MANY_TOKENS","message":"long"}`, `{"error":{"message":"long","type":"api_error","param":null,"code":"context_length_exceeded"}}`)
	e(`{"id":"i","message":{"content":[]},"finish_reason":"TIMEOUT"}`, `{"error":{"message":"The provider reported an error.","type":"api_error","param":null,"code":"TIMEOUT"}}`)
	e(`{"text":"version 1"}`, "! "+errNoCohereMessage.Error())
	e(`[]`, `! cannot read the reply: not a JSON object at byte 0`)
}

// TestOpenAICohereStream: what stands in front of a delta, and behind, is taken off.
func TestOpenAICohereStream(t *testing.T) {
	f := func(c Call, events []string, want ...string) {
		t.Helper()
		c.Send = "m"
		tr := newOpenAICohere(c).(*openaiCohere)
		tr.created = 1
		var out []byte
		for _, e := range events {
			var err error
			if out, err = tr.Event(out, []byte("data: "+e+"\n\n")); err != nil {
				t.Fatalf("%s: %v", e, err)
			}
		}
		got := strings.ReplaceAll(string(out), `data: {"id":"i","object":"chat.completion.chunk","created":1,"model":"m",`, "")
		got = strings.ReplaceAll(got, `"choices":[{"index":0,"delta":{`, "{")
		got = strings.ReplaceAll(got, `,"logprobs":null,"finish_reason":null}]}`, "")
		if strings.TrimSuffix(got, "\n\n") != strings.Join(want, "\n\n") {
			t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n\n"))
		}
	}
	const start = `{"type":"message-start","id":"i","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}`
	const role, done = `{"role":"assistant","content":"","refusal":null}`, "data: [DONE]"
	event := func(kind, index, message string) string {
		return `{"type":"` + kind + `","index":` + index + `,"delta":{"message":` + message + `}}`
	}
	end := func(finish string) string {
		return `{"type":"message-end","delta":{"finish_reason":"` + finish + `","usage":{"billed_units":{"input_tokens":5,"output_tokens":9},"tokens":{"input_tokens":50,"output_tokens":90,"reasoning_tokens":3}}}}`
	}
	finished := func(reason string) string { return `{},"logprobs":null,"finish_reason":"` + reason + `"}]}` }
	f(Call{}, []string{start, event("content-start", "0", `{"content":{"type":"text","text":""}}`), event("content-delta", "0", `{"content":{"text":"a\"é"}}`),
		`{"type":"content-end","index":0}`, end("COMPLETE"), "[DONE]"},
		role, `{"content":"a\"é"}`, finished("stop"), done)
	for _, c := range []Call{{AskUsage: true}, {StreamOptions: jsonscan.Member{Value: []byte(`{"include_usage":true}`)}}} {
		f(c, []string{start, end("MAX_TOKENS")}, role, finished("length"),
			`"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":9,"total_tokens":14,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":3}}}`, done)
	}
	f(Call{AskUsage: true, DropUsage: true}, []string{start, end("COMPLETE"), end("COMPLETE")}, role, finished("stop"), done)
	f(Call{}, []string{start, event("content-start", "0", `{"content":{"type":"thinking","thinking":"a"}}`), event("content-delta", "0", `{"content":{"thinking":"b"}}`),
		event("tool-plan-delta", "0", `{"tool_plan":"c"}`)}, role, `{"reasoning_content":"a"}`, `{"reasoning_content":"b"}`, `{"reasoning_content":"c"}`)
	// Arguments that never come, or come as null, are {}, whether or not the call is ended.
	callStart := func(index, id string) string {
		return event("tool-call-start", index, `{"tool_calls":{"id":"`+id+`","type":"function","function":{"name":"f","arguments":""}}}`)
	}
	arguments := func(s string) string {
		return event("tool-call-delta", "0", `{"tool_calls":{"function":{"arguments":`+s+`}}}`)
	}
	const callEnd = `{"type":"tool-call-end","index":0}`
	called := func(index, id string) string {
		return `{"tool_calls":[{"index":` + index + `,"id":"` + id + `","type":"function","function":{"name":"f","arguments":""}}]}`
	}
	argued := func(index, s string) string {
		return `{"tool_calls":[{"index":` + index + `,"function":{"arguments":` + s + `}}]}`
	}
	f(Call{}, []string{start, callStart("0", "x"), arguments(`"{\"a\""`), arguments(`":1}"`), callEnd, callStart("1", "y"), callEnd, callStart("2", "z"), arguments(`"null"`), callStart("3", "w"), end("TOOL_CALL")},
		role, called("0", "x"), argued("0", `"{\"a\""`), argued("0", `":1}"`), called("1", "y"), argued("1", `"{}"`), called("2", "z"), argued("2", `"{}"`), called("3", "w"), argued("3", `"{}"`),
		finished("tool_calls"), done)
	f(Call{}, []string{start, event("content-start", "0", `{"content":{"type":"thinking","thinking":""}}`), event("content-start", "1", `{"content":{"type":"text","text":"é"}}`),
		event("content-start", "2", `{"content":{"type":"text","text":"ab"}}`),
		event("citation-start", "0", `{"citations":{"start":1,"end":2,"type":"TEXT_CONTENT","content_index":2,"sources":[{"document":{"url":"https://x"}}]}}`),
		event("citation-start", "1", `{"citations":{"start":1,"end":2,"sources":[{"document":{}}]}}`), `{"type":"citation-end","index":0}`},
		role, `{"content":"é"}`, `{"content":"ab"}`, `{"annotations":[{"type":"url_citation","url_citation":{"start_index":2,"end_index":3,"url":"https://x","title":""}}]}`)
	f(Call{}, []string{start, `{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"a"}}},"logprobs":{"text":"a","token_ids":[1],"logprobs":[-0.5]}}`},
		role, `{"content":"a"},"logprobs":{"content":[{"token":"a","logprob":-0.5,"bytes":null,"top_logprobs":[]}],"refusal":null},"finish_reason":null}]}`)
	// An error ends the stream, without [DONE].
	f(Call{}, []string{start, `{"type":"message-end","delta":{"finish_reason":"ERROR","error":"broke"}}`, end("COMPLETE")},
		role, `data: {"error":{"message":"broke","type":"api_error","param":null,"code":"ERROR"}}`)
	f(Call{}, []string{`{"message":"too many"}`, end("COMPLETE")}, `data: {"error":{"message":"too many","type":"api_error","param":null,"code":null}}`)
	f(Call{}, []string{`{"type":"debug","prompt":"p"}`})
	tr := newOpenAICohere(Call{})
	if out, err := tr.Event(nil, []byte("data: {\n\n")); err == nil || len(out) > 0 {
		t.Errorf("broken JSON became %q", out)
	}
}
