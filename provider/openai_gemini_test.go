package provider

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// An app that speaks OpenAI's API must lose nothing at Gemini: what is sent must
// arrive with its meaning, or be refused by its name.

func TestOpenAIGeminiRequest(t *testing.T) {
	const hi = `"messages":[{"role":"user","content":"hi"}]`
	const hiContents = `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]`
	const tool = `{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"x":{"const":1}}}}}`
	const declared = `,"tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":{"type":"object","properties":{"x":{"const":1}}}}]}]`
	model := "gemini-3-flash-preview"
	f := func(body, want string) {
		t.Helper()
		out, err := newOpenAIGemini(Call{Send: model}).Request([]byte("~"), []byte(body))
		if err != nil {
			t.Errorf("%s: %v", body, err)
		} else if got := string(out[1:]); got != want || !json.Valid(out[1:]) {
			t.Errorf("%s\n got %s\nwant %s", body, got, want)
		}
	}
	config := func(fields, want string) {
		t.Helper()
		f(`{"model":"m",`+fields+`,`+hi+`}`, hiContents+`,"generationConfig":`+want+`}`)
	}
	tools := func(fields, want string) {
		t.Helper()
		f(`{"tools":[`+tool+`],`+fields+hi+`}`, hiContents+declared+want+`,"generationConfig":{}}`)
	}
	messages := func(messages, want string) {
		t.Helper()
		f(`{"messages":[`+messages+`]}`, `{"contents":[`+want+`,"generationConfig":{}}`)
	}

	config(`"temperature":1.5,"top_p":0.1,"n":2,"seed":7,"presence_penalty":-1,"frequency_penalty":1e-1`,
		`{"temperature":1.5,"topP":0.1,"candidateCount":2,"seed":7,"presencePenalty":-1,"frequencyPenalty":1e-1}`)
	config(`"max_tokens":5`, `{"maxOutputTokens":5}`)
	config(`"max_tokens":5,"max_completion_tokens":5,"stop":"a"`, `{"maxOutputTokens":5,"stopSequences":["a"]}`)
	config(`"stop":["a","b\n"],"temperature":null`, `{"stopSequences":["a","b\n"]}`)
	config(`"logprobs":true,"top_logprobs":3`, `{"responseLogprobs":true,"logprobs":3}`)
	config(`"logprobs":false,"stream":true,"stream_options":{"include_usage":true}`, `{}`)
	config(`"parallel_tool_calls":true,"store":false,"logit_bias":{},"modalities":["text"],"verbosity":"medium"`, `{}`)
	config(`"response_format":{"type":"text"}`, `{}`)
	config(`"response_format":{"type":"json_object"}`, `{"responseMimeType":"application/json"}`)
	config(`"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"$schema":"s","additionalProperties":false}}}`,
		`{"responseMimeType":"application/json","responseJsonSchema":{"$schema":"s","additionalProperties":false}}`)
	config(`"response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","schema":{"type":"object"}}}`,
		`{"responseMimeType":"application/json","responseJsonSchema":{"type":"object","description":"d"}}`)
	config(`"reasoning_effort":"high"`, `{"thinkingConfig":{"thinkingLevel":"high"}}`)
	config(`"reasoning_effort":"low","extra_body":{"google":{"thinking_config":{"include_thoughts":true}}}`,
		`{"thinkingConfig":{"thinkingLevel":"low","includeThoughts":true}}`)
	config(`"extra_body":{"google":{"thinking_config":{"thinking_budget":0}}}`, `{"thinkingConfig":{"thinkingBudget":0}}`)
	f(`{`+hi+`,"service_tier":"flex","extra_body":{"google":{"cached_content":"cachedContents/a"}}}`,
		hiContents+`,"generationConfig":{},"serviceTier":"flex","cachedContent":"cachedContents/a"}`)
	f(`{`+hi+`,"service_tier":"default"}`, hiContents+`,"generationConfig":{},"serviceTier":"standard"}`)
	f(`{`+hi+`,"service_tier":"auto"}`, hiContents+`,"generationConfig":{}}`)
	f(`{`+hi+`,"web_search_options":{}}`, hiContents+`,"tools":[{"googleSearch":{}}],"generationConfig":{}}`)

	tools(``, ``)
	tools(`"tool_choice":"auto",`, `,"toolConfig":{"functionCallingConfig":{"mode":"AUTO"}}`)
	tools(`"tool_choice":"none",`, `,"toolConfig":{"functionCallingConfig":{"mode":"NONE"}}`)
	tools(`"tool_choice":"required",`, `,"toolConfig":{"functionCallingConfig":{"mode":"ANY"}}`)
	tools(`"tool_choice":{"type":"function","function":{"name":"f"}},`, `,"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}}`)
	tools(`"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}]}},`,
		`,"toolConfig":{"functionCallingConfig":{"mode":"VALIDATED","allowedFunctionNames":["f","g"]}}`)
	f(`{`+hi+`,"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{},"strict":true}}]}`,
		hiContents+`,"tools":[{"functionDeclarations":[{"name":"f","description":"d"}]}],"toolConfig":{"functionCallingConfig":{"mode":"VALIDATED"}},"generationConfig":{}}`)
	f(`{`+hi+`,"tool_choice":"none"}`, hiContents+`,"generationConfig":{}}`)

	f(`{"messages":[{"role":"system","content":"a"},{"role":"user","content":"b"},{"role":"developer","content":[{"type":"text","text":"c"}]},{"role":"user","content":"d"}]}`,
		`{"contents":[{"role":"user","parts":[{"text":"b"},{"text":"d"}]}],"systemInstruction":{"parts":[{"text":"a"},{"text":"c"}]},"generationConfig":{}}`)
	messages(`{"role":"system","content":"alone"}`, `{"role":"user","parts":[{"text":"alone"}]}]`)
	messages(`{"role":"user","content":""}`, `{"role":"user","parts":[{"text":""}]}]`)
	messages(`{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"assistant","content":[{"type":"text","text":"c"},{"type":"refusal","refusal":"d"}]},{"role":"user","content":"e"}`,
		`{"role":"user","parts":[{"text":"a"}]},{"role":"model","parts":[{"text":"b"},{"text":"c"},{"text":"d"}]},{"role":"user","parts":[{"text":"e"}]}]`)
	messages(`{"role":"user","content":[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"data:image\/png;base64,iVBO\/w==","detail":"auto"}}]}`,
		`{"role":"user","parts":[{"text":"see"},{"inlineData":{"mimeType":"image\/png","data":"iVBO\/w=="}}]}]`)
	messages(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://a.example/b.JPG?c=d.png"}},{"type":"image_url","image_url":{"url":"https://a.example/b"}}]}`,
		`{"role":"user","parts":[{"fileData":{"fileUri":"https://a.example/b.JPG?c=d.png","mimeType":"image/jpeg"}},{"fileData":{"fileUri":"https://a.example/b"}}]}]`)
	messages(`{"role":"user","content":[{"type":"input_audio","input_audio":{"format":"wav","data":"UklG"}},{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBE"}}]}`,
		`{"role":"user","parts":[{"inlineData":{"mimeType":"audio/wav","data":"UklG"}},{"inlineData":{"mimeType":"application/pdf","data":"JVBE"}}]}]`)
	f(`{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,aa","detail":"low"}}]}]}`,
		`{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"aa"}}]}],"generationConfig":{"mediaResolution":"MEDIA_RESOLUTION_LOW"}}`)

	// Calls, signatures and results. The first call of a step has a signature at Gemini 3, if only the one that stands for none.
	const calls = `{"role":"user","content":"a"},{"role":"assistant","content":null,"tool_calls":[
		{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"x\": \"\\u00e9\"}"}%s},
		{"id":"c2","type":"function","function":{"name":"f","arguments":""}}]},
		{"role":"tool","tool_call_id":"c2","content":"two"},{"role":"tool","tool_call_id":"c1","content":"{\"one\":1}"},{"role":"user","content":"b"}`
	const signed = `{"role":"user","parts":[{"text":"a"}]},{"role":"model","parts":[{"functionCall":{"id":"c1","name":"f","args":{"x": "\u00e9"}}%s},{"functionCall":{"id":"c2","name":"f","args":{}}}]},` +
		`{"role":"user","parts":[{"functionResponse":{"id":"c2","name":"f","response":{"output":"two"}}},{"functionResponse":{"id":"c1","name":"f","response":{"one":1}}}]},{"role":"user","parts":[{"text":"b"}]}]`
	messages(fmt.Sprintf(calls, `,"extra_content":{"google":{"thought_signature":"sig"}}`), fmt.Sprintf(signed, `,"thoughtSignature":"sig"`))
	messages(fmt.Sprintf(calls, ``), fmt.Sprintf(signed, `,"thoughtSignature":"skip_thought_signature_validator"`))
	messages(`{"role":"user","content":"a"},{"role":"assistant","content":"b","reasoning_content":"t","refusal":null,"annotations":[],"extra_content":{"google":{"thought_signature":"s"}}}`,
		`{"role":"user","parts":[{"text":"a"}]},{"role":"model","parts":[{"thought":true,"text":"t"},{"text":"b","thoughtSignature":"s"}]}]`)
	messages(`{"role":"assistant","content":"","extra_content":{"google":{"thought_signature":"s"}}}`, `{"role":"model","parts":[{"text":"","thoughtSignature":"s"}]}]`)
	messages(`{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":[{"type":"text","text":"{\"a\":"},{"type":"text","text":"1}"}]}`,
		`{"role":"model","parts":[{"functionCall":{"id":"c","name":"f","args":{}},"thoughtSignature":"skip_thought_signature_validator"}]},{"role":"user","parts":[{"functionResponse":{"id":"c","name":"f","response":{"a":1}}}]}]`)

	model = "gemini-2.5-flash"
	messages(fmt.Sprintf(calls, ``), fmt.Sprintf(signed, ``))
	config(`"reasoning_effort":"minimal"`, `{"thinkingConfig":{"thinkingBudget":1024}}`)
	config(`"reasoning_effort":"medium"`, `{"thinkingConfig":{"thinkingBudget":8192}}`)
	config(`"reasoning_effort":"high"`, `{"thinkingConfig":{"thinkingBudget":24576}}`)
	config(`"reasoning_effort":"none"`, `{"thinkingConfig":{"thinkingBudget":0}}`)
	model = "models/gemini-3.1-pro-preview"
	config(`"reasoning_effort":"minimal"`, `{"thinkingConfig":{"thinkingLevel":"low"}}`)
	config(`"reasoning_effort":"medium"`, `{"thinkingConfig":{"thinkingLevel":"medium"}}`)
}

func TestOpenAIGeminiRefuses(t *testing.T) {
	model := "gemini-3-flash-preview"
	f := func(field, body string) {
		t.Helper()
		out, err := newOpenAIGemini(Call{Send: model}).Request([]byte("~"), []byte(body))
		if err == nil || !strings.HasPrefix(err.Error(), field+": ") || string(out) != "~" {
			t.Errorf("%s: error %v, want one of %s", body, err, field)
		}
	}
	top := func(field, value string) {
		t.Helper()
		f(field, `{"messages":[{"role":"user","content":"hi"}],"`+strings.Split(field, ".")[0]+`":`+value+`}`)
	}
	message := func(field, message string) {
		t.Helper()
		f("messages.1"+field, `{"messages":[{"role":"user","content":"hi"},`+message+`]}`)
	}
	for field, value := range map[string]string{
		"metadata": `{"a":"b"}`, "store": `true`, "logit_bias": `{"1":2}`, "modalities": `["text","audio"]`, "audio": `{}`, "prediction": `{}`,
		"parallel_tool_calls": `false`, "verbosity": `"low"`, "functions": `[]`, "function_call": `"auto"`,
		"reasoning": `{}`, "unheard_of": `1`, "service_tier": `"scale"`, "reasoning_effort": `"none"`, "seed": `4294967296`,
		"temperature": `"hot"`, "stop": `["1","2","3","4","5","6"]`, "top_logprobs": `2`, "logprobs": `"yes"`, "tool_choice": `"required"`, "tools": `{}`,
	} {
		top(field, value)
	}
	top("reasoning_effort", `"xhigh"`)
	top("response_format.type", `{"type":"grammar"}`)
	top("response_format.json_schema.schema", `{"type":"json_schema","json_schema":{"schema":[]}}`)
	top("stream_options.include_obfuscation", `{"include_obfuscation":true}`)
	top("web_search_options.user_location", `{"user_location":{}}`)
	top("extra_body.google.safety_settings", `{"google":{"safety_settings":[]}}`)
	top("tools.0.custom", `[{"type":"custom","custom":{"name":"c"}}]`)
	top("tools.0.type", `[{"type":"web_search"}]`)
	top("tools.0.cache_control", `[{"type":"function","cache_control":{},"function":{"name":"f"}}]`)
	top("tools.0.function.name", `[{"type":"function","function":{"name":"1f"}}]`)
	f("max_tokens", `{"messages":[{"role":"user","content":"hi"}],"max_tokens":1,"max_completion_tokens":2}`)
	f("web_search_options", `{"messages":[{"role":"user","content":"hi"}],"web_search_options":{},"tools":[{"type":"function","function":{"name":"f"}}]}`)
	f("messages", `{"messages":[]}`)
	f("messages", `{}`)
	message(".name", `{"role":"user","content":"a","name":"bob"}`)
	message(".cache_control", `{"role":"system","content":"a","cache_control":{"type":"ephemeral"}}`)
	message(".content", `{"role":"user","content":null}`)
	message(".role", `{"role":"function","content":"a","name":"f"}`)
	message(".tool_call_id", `{"role":"tool","content":"a","tool_call_id":"none"}`)
	message(".audio", `{"role":"assistant","content":"a","audio":{"id":"b"}}`)
	message(".content.0.type", `{"role":"user","content":[{"type":"text2"}]}`)
	message(".content.0.image_url.url", `{"role":"user","content":[{"type":"image_url","image_url":{"url":"ftp://a"}}]}`)
	message(".content.1.image_url.detail", `{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://a"}},{"type":"image_url","image_url":{"url":"http://b","detail":"high"}}]}`)
	message(".content.0.image_url.detail", `{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://a","detail":5}}]}`)
	message(".content.0.input_audio.format", `{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"a","format":"pcm16"}}]}`)
	message(".content.0.file.file_id", `{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}`)
	message(".tool_calls.0.function.arguments", `{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"[1]"}}]}`)
	message(".tool_calls.0.extra_content.google.other", `{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":""},"extra_content":{"google":{"other":1}}}]}`)
	model = "gemini-2.0-flash"
	top("reasoning_effort", `"low"`)
	model = "gemini-2.5-pro"
	top("reasoning_effort", `"none"`)
}

func TestOpenAIGeminiHonoursWhatItReads(t *testing.T) {
	if !slices.IsSorted(geminiHonours) {
		t.Error("the fields are not in order")
	}
	for name := range geminiDefaults {
		if slices.Contains(geminiHonours, name) {
			t.Errorf("%s is both honoured and allowed at its default only", name)
		}
	}
}

func TestOpenAIGeminiDropsTheGatewaysOwnMembers(t *testing.T) {
	body := []byte(`{"models":["a"],"messages":[{"role":"user","content":"hi"}]}`)
	members, err := jsonscan.Members(nil, body)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newOpenAIGemini(Call{Drop: members[:1]}).Request(nil, body); err != nil {
		t.Error(err)
	}
}

// stable takes out of a reply what differs from run to run.
func stable(out []byte) string {
	out, _ = sjson.DeleteBytes(out, "created")
	return string(out)
}

func TestOpenAIGeminiReply(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		out, err := newOpenAIGemini(Call{Send: "gemini-3"}).Reply(nil, []byte(body))
		if err != nil {
			t.Errorf("%s: %v", body, err)
		} else if got := stable(out); got != want || !json.Valid(out) {
			t.Errorf("%s\n got %s\nwant %s", body, got, want)
		}
	}
	choice := func(candidate, want string) {
		t.Helper()
		f(`{"candidates":[`+candidate+`],"responseId":"r","modelVersion":"gemini-3-flash"}`,
			`{"id":"chatcmpl-r","object":"chat.completion","model":"gemini-3-flash","choices":[{"index":0,"message":{"role":"assistant",`+want+`"}]}`)
	}
	choice(`{"content":{"parts":[{"text":"a\n"},{"text":"think","thought":true},{"text":"b","thoughtSignature":"s"}]},"finishReason":"STOP","index":0}`,
		`"content":"a\nb","refusal":null,"reasoning_content":"think","extra_content":{"google":{"thought_signature":"s"}}},"logprobs":null,"finish_reason":"stop`)
	choice(`{"content":{"parts":[{"functionCall":{"name":"f","args":{ "x": 1 }},"thoughtSignature":"s"},{"functionCall":{"name":"f"}},{"functionCall":{"id":"g","name":"f","args":{}}},{"functionCall":{"id":"g","name":"f","args":{}}}]},"finishReason":"STOP"}`,
		`"content":null,"refusal":null,"tool_calls":[{"id":"call_r_0","type":"function","function":{"name":"f","arguments":"{\"x\":1}"},"extra_content":{"google":{"thought_signature":"s"}}},`+
			`{"id":"call_r_1","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"g","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"call_r_2","type":"function","function":{"name":"f","arguments":"{}"}}]},"logprobs":null,"finish_reason":"tool_calls`)
	choice(`{"content":{},"finishReason":"SAFETY","finishMessage":"unsafe"}`, `"content":null,"refusal":"unsafe"},"logprobs":null,"finish_reason":"content_filter`)
	choice(`{"finishReason":"MALFORMED_FUNCTION_CALL","finishMessage":"Malformed function call: f("}`,
		`"content":null,"refusal":"Malformed function call: f("},"logprobs":null,"finish_reason":"content_filter`)
	choice(`{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"iVBO"}}]},"finishReason":"STOP"}`,
		`"content":"","refusal":null,"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBO"}}]},"logprobs":null,"finish_reason":"stop`)
	choice(`{"content":{"parts":[{"text":"é is 1"}]},"finishReason":"STOP","groundingMetadata":{"groundingChunks":[{"web":{"uri":"https://a.example","title":"a"}}],"groundingSupports":[{"segment":{"startIndex":3,"endIndex":7},"groundingChunkIndices":[0,9]}]}}`,
		`"content":"é is 1","refusal":null,"annotations":[{"type":"url_citation","url_citation":{"start_index":2,"end_index":6,"title":"a","url":"https://a.example"}}]},"logprobs":null,"finish_reason":"stop`)
	choice(`{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP","logprobsResult":{"chosenCandidates":[{"token":"a","logProbability":-0.5}],"topCandidates":[{"candidates":[{"token":"a","logProbability":-0.5},{"token":"b"}]}]}}`,
		`"content":"a","refusal":null},"logprobs":{"content":[{"token":"a","logprob":-0.5,"bytes":null,"top_logprobs":[{"token":"a","logprob":-0.5,"bytes":null},{"token":"b","logprob":0,"bytes":null}]}],"refusal":null},"finish_reason":"stop`)
	f(`{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":4},"responseId":"r"}`,
		`{"id":"chatcmpl-r","object":"chat.completion","model":"gemini-3","choices":[{"index":0,"message":{"role":"assistant","content":null,"refusal":"Gemini blocked the prompt: PROHIBITED_CONTENT"},"logprobs":null,"finish_reason":"content_filter"}],`+
			`"usage":{"prompt_tokens":4,"completion_tokens":0,"total_tokens":4,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}}}`)
	f(`{"error":{"code":429,"message":"slow","status":"RESOURCE_EXHAUSTED"}}`, `{"error":{"message":"slow","type":"requests","param":null,"code":"rate_limit_exceeded"}}`)
	f(`{"error":{"code":400,"message":"bad","status":"INVALID_ARGUMENT"}}`, `{"error":{"message":"bad","type":"invalid_request_error","param":null,"code":"INVALID_ARGUMENT"}}`)
	f(`{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}`, `{"error":{"message":"busy","type":"server_error","param":null,"code":"UNAVAILABLE"}}`)

	out, err := newOpenAIGemini(Call{}).Reply(nil, []byte(`{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":10,"toolUsePromptTokenCount":2,
		"cachedContentTokenCount":3,"candidatesTokenCount":4,"thoughtsTokenCount":5,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":6}],"serviceTier":"standard"}}`))
	want := `{"prompt_tokens":12,"completion_tokens":9,"total_tokens":21,"prompt_tokens_details":{"cached_tokens":3,"audio_tokens":6},"completion_tokens_details":{"reasoning_tokens":5,"audio_tokens":0}}`
	if got := gjson.GetBytes(out, "usage").Raw; err != nil || got != want || gjson.GetBytes(out, "service_tier").Str != "default" {
		t.Errorf("usage %s, %v; want %s", got, err, want)
	}
	if _, err := newOpenAIGemini(Call{}).Reply(nil, []byte(`{"candidates":[]}`)); err == nil {
		t.Error("a reply that says nothing passes")
	}
}

func TestOpenAIGeminiFinish(t *testing.T) {
	f := func(reason string, calls int, want string) {
		t.Helper()
		if got := geminiFinish(gjson.Parse(reason), calls); got != want {
			t.Errorf("%s with %d calls is %q, want %q", reason, calls, got, want)
		}
	}
	f(`"STOP"`, 0, "stop")
	f(`"STOP"`, 1, "tool_calls")
	f(`1`, 0, "stop")
	f(`"MAX_TOKENS"`, 1, "length")
	f(`2`, 0, "length")
	f(`"FINISH_REASON_UNSPECIFIED"`, 0, "")
	f(``, 0, "")
	for _, reason := range strings.Fields("SAFETY RECITATION LANGUAGE OTHER BLOCKLIST PROHIBITED_CONTENT SPII IMAGE_SAFETY MALFORMED_FUNCTION_CALL UNEXPECTED_TOOL_CALL") {
		f(`"`+reason+`"`, 0, "content_filter")
	}
}

func TestOpenAIGeminiStream(t *testing.T) {
	const head = `data: {"id":"chatcmpl-r","object":"chat.completion.chunk","model":"gemini-3","choices":[`
	f := func(call Call, want string, events ...string) {
		t.Helper()
		call.Send = "gemini-3"
		tr := newOpenAIGemini(call).(*openaiGemini)
		var out []byte
		var err error
		for _, e := range events {
			if out, err = tr.Event(out, []byte("data: "+e+"\r\n\r\n")); err != nil {
				t.Fatal(err)
			}
		}
		out = tr.End(out)
		got := strings.ReplaceAll(string(out), fmt.Sprintf(`"created":%d,`, tr.created), "")
		if got != strings.ReplaceAll(want, "HEAD", head) {
			t.Errorf("got\n%swant\n%s", got, strings.ReplaceAll(want, "HEAD", head))
		}
		if again := tr.End(nil); len(again) > 0 {
			t.Errorf("it ends twice: %s", again)
		}
	}
	// The call, the STOP and the usage come in pieces of their own; indexes go on.
	f(Call{AskUsage: true}, `HEAD{"index":0,"delta":{"role":"assistant","content":"Let"},"logprobs":null,"finish_reason":null}],"usage":null}

HEAD{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_r_0","type":"function","function":{"name":"f","arguments":"{\"x\":1}"},"extra_content":{"google":{"thought_signature":"s"}}}]},"logprobs":null,"finish_reason":null}],"usage":null}

HEAD{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_r_1","type":"function","function":{"name":"f","arguments":"{}"}}]},"logprobs":null,"finish_reason":null}],"usage":null}

HEAD{"index":0,"delta":{},"logprobs":null,"finish_reason":"tool_calls"}],"usage":null}

HEAD],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}}}

data: [DONE]

`,
		`{"candidates":[{"content":{"parts":[{"text":"Let"}]}}],"usageMetadata":{"promptTokenCount":3},"responseId":"r"}`,
		`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"x":1}},"thoughtSignature":"s"}]}}],"responseId":"r2"}`,
		`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{}}}]}}]}`,
		`{"candidates":[{"content":{"parts":[{"text":""}]},"finishReason":"STOP"}]}`,
		`{"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":4}}`)
	// A call behind the STOP still counts; nobody asked for usage.
	f(Call{AskUsage: true, DropUsage: true}, `HEAD{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}

HEAD{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},"logprobs":null,"finish_reason":null}]}

HEAD{"index":0,"delta":{},"logprobs":null,"finish_reason":"tool_calls"}]}

data: [DONE]

`,
		`{"candidates":[{"finishReason":"STOP"}],"responseId":"r","usageMetadata":{"promptTokenCount":3}}`,
		`{"candidates":[{"content":{"parts":[{"functionCall":{"id":"c","name":"f","args":{}}}]}}]}`)
	f(Call{}, `HEAD{"index":0,"delta":{"role":"assistant","content":"a","reasoning_content":"t"},"logprobs":null,"finish_reason":null}]}

HEAD{"index":1,"delta":{"role":"assistant","content":"b"},"logprobs":null,"finish_reason":null}]}

HEAD{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}

HEAD{"index":1,"delta":{},"logprobs":null,"finish_reason":"length"}]}

data: [DONE]

`,
		`{"candidates":[{"content":{"parts":[{"text":"t","thought":true},{"text":"a"}]},"finishReason":"STOP"},{"index":1,"content":{"parts":[{"text":"b"}]},"finishReason":"MAX_TOKENS"}],"responseId":"r"}`)
	f(Call{}, `HEAD{"index":0,"delta":{"role":"assistant","content":"","refusal":"Gemini blocked the prompt: SAFETY"},"logprobs":null,"finish_reason":null}]}

HEAD{"index":0,"delta":{},"logprobs":null,"finish_reason":"content_filter"}]}

data: [DONE]

`, `{"promptFeedback":{"blockReason":"SAFETY"},"responseId":"r"}`)
	// A stream that was cut, or that failed, has no end.
	f(Call{}, `HEAD{"index":0,"delta":{"role":"assistant","content":"a"},"logprobs":null,"finish_reason":null}]}

`, `{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"responseId":"r"}`)
	f(Call{}, `data: {"error":{"message":"busy","type":"server_error","param":null,"code":"UNAVAILABLE"}}

`, `{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}`, `{"candidates":[{"finishReason":"STOP"}]}`)
	f(Call{}, ``)
}

// What citations point into may have passed before they come.
func TestOpenAIGeminiStreamedCitations(t *testing.T) {
	tr := newOpenAIGemini(Call{}).(*openaiGemini)
	if _, err := tr.Request(nil, []byte(`{"messages":[{"role":"user","content":"hi"}],"web_search_options":{}}`)); err != nil {
		t.Fatal(err)
	}
	var out []byte
	for _, e := range []string{`{"candidates":[{"content":{"parts":[{"text":"é "}]}}]}`,
		`{"candidates":[{"content":{"parts":[{"text":"is 1"}]},"finishReason":"STOP","groundingMetadata":{"groundingChunks":[{"web":{"uri":"u"}}],"groundingSupports":[{"segment":{"endIndex":7},"groundingChunkIndices":[0]}]}}]}`} {
		var err error
		if out, err = tr.Event(nil, []byte("data: "+e+"\n\n")); err != nil {
			t.Fatal(err)
		}
	}
	if got := gjson.GetBytes(Data(nil, out), "choices.0.delta.annotations.0.url_citation.end_index").Int(); got != 6 {
		t.Errorf("the citation ends at %d: %s", got, out)
	}
}

// A signature goes down with the call and up again with it.
func TestOpenAIGeminiSignaturesReturn(t *testing.T) {
	tr := newOpenAIGemini(Call{Send: "gemini-3-pro"})
	reply, err := tr.Reply(nil, []byte(`{"candidates":[{"content":{"parts":[{"text":"a","thoughtSignature":"S1"},{"functionCall":{"id":"i","name":"f","args":{"x":[1]}},"thoughtSignature":"S2/+="}]},"finishReason":"STOP"}],"responseId":"r"}`))
	if err != nil {
		t.Fatal(err)
	}
	up, err := tr.Request(nil, fmt.Appendf(nil, `{"messages":[%s]}`, gjson.GetBytes(reply, "choices.0.message").Raw))
	want := `[{"role":"model","parts":[{"text":"a","thoughtSignature":"S1"},{"functionCall":{"id":"i","name":"f","args":{"x":[1]}},"thoughtSignature":"S2/+="}]}]`
	if got := gjson.GetBytes(up, "contents").Raw; err != nil || got != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}

func FuzzOpenAIGeminiRequest(f *testing.F) {
	f.Add([]byte(`{"messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,aa","detail":"low"}}]},{"role":"assistant","content":"b","reasoning_content":"t","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\":1}"},"extra_content":{"google":{"thought_signature":"s"}}}]},{"role":"tool","tool_call_id":"c","content":"{}"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"},"strict":true}}],"tool_choice":{"type":"function","function":{"name":"f"}},"stop":["a"],"response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","schema":{}}},"reasoning_effort":"low","service_tier":"flex"}`))
	f.Add([]byte(`{"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"a","format":"wav"}},{"type":"file","file":{"file_data":"data:a/b;base64,aa"}}]}],"extra_body":{"google":{"thinking_config":{"include_thoughts":true},"cached_content":"c"}},"web_search_options":{},"stream_options":{"include_usage":true}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		out, err := newOpenAIGemini(Call{Send: "gemini-3"}).Request(nil, body)
		if err == nil && !json.Valid(out) {
			t.Errorf("not JSON: %s", out)
		}
	})
}

func FuzzOpenAIGeminiReply(f *testing.F) {
	f.Add([]byte(`{"candidates":[{"content":{"parts":[{"text":"a","thought":true},{"functionCall":{"id":"c","name":"f","args":{}},"thoughtSignature":"s"},{"inlineData":{"mimeType":"a","data":"b"}}]},"finishReason":"STOP","groundingMetadata":{"groundingChunks":[{"web":{"uri":"u","title":"t"}}],"groundingSupports":[{"segment":{"startIndex":1,"endIndex":9,"partIndex":1,"text":"a"},"groundingChunkIndices":[0]}]},"citationMetadata":{"citations":[{"uri":"u"}]},"logprobsResult":{"chosenCandidates":[{"token":"a","logProbability":-1}],"topCandidates":[{"candidates":[{}]}]}}],"usageMetadata":{"promptTokenCount":1},"modelVersion":"m","responseId":"r"}`))
	f.Add([]byte(`{"promptFeedback":{"blockReason":"SAFETY"}}`))
	f.Add([]byte(`{"error":{"code":429,"message":"m"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		out, err := newOpenAIGemini(Call{Send: "gemini-3"}).Reply(nil, body)
		if err == nil && !json.Valid(out) {
			t.Errorf("not JSON: %s", out)
		}
	})
}

func FuzzOpenAIGeminiEvent(f *testing.F) {
	f.Add([]byte("data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}],\"responseId\":\"r\"}\n\ndata: {\"candidates\":[{\"finishReason\":\"STOP\"}],\"usageMetadata\":{}}\n\n"))
	f.Add([]byte(": ping\n\ndata: {\"error\":{}}\r\n\r\n"))
	f.Add([]byte("data: {\ndata: \"promptFeedback\":{\"blockReason\":1}}\n\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		tr := newOpenAIGemini(Call{Send: "gemini-3", AskUsage: true}).(*openaiGemini)
		tr.searches = true
		var cut Events
		whole, _ := cut.Feed(bytes.Clone(stream))
		var out []byte
		for len(whole) > 0 {
			var event []byte
			var err error
			event, whole = NextEvent(whole)
			if out, err = tr.Event(out, event); err != nil {
				return
			}
		}
		if _, err := readChunks(tr.End(out)); err != nil {
			t.Error(err)
		}
	})
}
