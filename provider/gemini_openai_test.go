package provider

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// An app that speaks Gemini's API must lose nothing at a provider of OpenAI's chat:
// what is sent must arrive with its meaning, or be refused by its name.

func TestGeminiOpenAIRequest(t *testing.T) {
	call := Call{Relayed: true, Send: "m"}
	f := func(body, want string) {
		t.Helper()
		out, err := newGeminiOpenAI(call).Request([]byte("~"), []byte(body))
		if err != nil {
			t.Errorf("%s: %v", body, err)
		} else if got := string(out[1:]); got != want || !json.Valid(out[1:]) {
			t.Errorf("%s\n got %s\nwant %s", body, got, want)
		}
	}
	const hi = `"contents":[{"role":"user","parts":[{"text":"hi"}]}]`
	const hiMessages = `{"model":"m","messages":[{"role":"user","content":"hi"}]`
	config := func(config, want string) {
		t.Helper()
		f(`{`+hi+`,"generationConfig":{`+config+`}}`, hiMessages+want+`}`)
	}
	contents := func(contents, want string) {
		t.Helper()
		f(`{"contents":`+contents+`}`, `{"model":"m","messages":[`+want+`]}`)
	}

	config(`"temperature":1.5,"topP":0.1,"top_k":3,"seed":7,"presencePenalty":-1,"frequency_penalty":1e-1`,
		`,"temperature":1.5,"top_p":0.1,"top_k":3,"seed":7,"presence_penalty":-1,"frequency_penalty":1e-1`)
	config(`"topK":50.0,"candidateCount":1,"responseModalities":["TEXT"],"mediaResolution":"MEDIA_RESOLUTION_UNSPECIFIED","audioTimestamp":false`, `,"top_k":50`)
	config(`"candidate_count":2,"max_output_tokens":5,"stop_sequences":["a","b\n"]`, `,"n":2,"max_tokens":5,"stop":["a","b\n"]`)
	config(`"stopSequences":[],"temperature":null`, ``)
	config(`"responseLogprobs":true,"logprobs":3`, `,"logprobs":true,"top_logprobs":3`)
	config(`"responseLogprobs":false`, ``)
	config(`"responseMimeType":"text/plain"`, ``)
	config(`"responseMimeType":"application/json"`, `,"response_format":{"type":"json_object"}`)
	config(`"response_mime_type":"application/json","response_schema":{"type":"OBJECT","properties":{"a":{"type":"STRING"}},"required":["a"]}`,
		`,"response_format":{"type":"json_schema","json_schema":{"name":"output","strict":true,"schema":{"required":["a"],"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}}}`)
	config(`"responseMimeType":"application/json","responseJsonSchema":{"type":"object","properties":{"a":{"type":"string"}}}`,
		`,"response_format":{"type":"json_schema","json_schema":{"name":"output","schema":{"type":"object","properties":{"a":{"type":"string"}}}}}`)
	config(`"thinkingConfig":{"includeThoughts":true}`, ``)
	config(`"thinkingConfig":{"thinkingBudget":-1}`, ``)
	config(`"thinkingConfig":{"thinkingBudget":0}`, `,"reasoning_effort":"none"`)
	config(`"thinkingConfig":{"thinking_budget":1024}`, `,"reasoning_effort":"low"`)
	config(`"thinkingConfig":{"thinkingBudget":8192}`, `,"reasoning_effort":"medium"`)
	config(`"thinkingConfig":{"thinkingBudget":24576}`, `,"reasoning_effort":"high"`)
	config(`"thinkingConfig":{"thinkingLevel":"HIGH"}`, `,"reasoning_effort":"high"`)
	config(`"thinkingConfig":{"thinkingLevel":"minimal"}`, `,"reasoning_effort":"minimal"`)
	f(`{`+hi+`,"model":"models/x","safetySettings":[{"category":"HARM_CATEGORY_HARASSMENT","threshold":"BLOCK_NONE"},{"category":10,"threshold":5}],"serviceTier":"SERVICE_TIER_STANDARD"}`,
		hiMessages+`,"service_tier":"default"}`)

	// Tools.
	const declared = `"tools":[{"functionDeclarations":[{"name":"f","description":"d","parameters":{"type":"OBJECT","properties":{"x":{"type":"INTEGER","format":"int32","nullable":true}}}},{"name":"g"}]}]`
	const fTool = `{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"x":{"format":"int32","type":["integer","null"]}}}}}`
	const gTool = `{"type":"function","function":{"name":"g"}}`
	tools := func(config, want string) {
		t.Helper()
		f(`{`+hi+`,`+declared+`,"toolConfig":{"functionCallingConfig":{`+config+`}}}`, hiMessages+`,"tools":[`+want+`}`)
	}
	tools(``, fTool+`,`+gTool+`]`)
	tools(`"mode":"AUTO"`, fTool+`,`+gTool+`],"tool_choice":"auto"`)
	tools(`"mode":"none"`, fTool+`,`+gTool+`],"tool_choice":"none"`)
	tools(`"mode":"ANY"`, fTool+`,`+gTool+`],"tool_choice":"required"`)
	tools(`"mode":2`, fTool+`,`+gTool+`],"tool_choice":"required"`)
	tools(`"mode":"ANY","allowedFunctionNames":["g"]`, fTool+`,`+gTool+`],"tool_choice":{"type":"function","function":{"name":"g"}}`)
	tools(`"mode":"ANY","allowed_function_names":["f","g"]`, fTool+`,`+gTool+`],"tool_choice":"required"`)
	tools(`"mode":"VALIDATED","allowedFunctionNames":["g"]`, gTool+`],"tool_choice":"auto"`)
	f(`{`+hi+`,"tools":{"function_declarations":[{"name":"f","parametersJsonSchema":{"type":"object","properties":{"X_y":{"const":1}},"required":["X_y"]}}]},"tool_config":{"function_calling_config":{"mode":"VALIDATED"}}}`,
		hiMessages+`,"tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{"type":"object","properties":{"X_y":{"const":1}},"required":["X_y"],"additionalProperties":false}}}],"tool_choice":"auto"}`)
	f(`{`+hi+`,"tools":[],"toolConfig":{"functionCallingConfig":{"mode":"NONE"}}}`, hiMessages+`}`)

	// What is said.
	contents(`"hi"`, `{"role":"user","content":"hi"}`)
	contents(`["hi",{"parts":{"text":""}}]`, `{"role":"user","content":"hi"},{"role":"user","content":""}`)
	contents(`{"role":"user","parts":[{"text":"a"},{"text":"b"}]}`, `{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}`)
	contents(`[{"parts":[{"text":"a"}]},{"role":"model","parts":[{"text":"t","thought":true},{"text":"b"}]},{"role":"model","parts":[{"text":"c"}]},{"role":"model","parts":[]},{"parts":[{"text":"d"}]}]`,
		`{"role":"user","content":"a"},{"role":"assistant","content":"bc"},{"role":"user","content":"d"}`)
	f(`{"system_instruction":{"role":"system","parts":[{"text":"a"},{"text":"b"}]},`+hi+`}`, `{"model":"m","messages":[{"role":"system","content":"a\n\nb"},{"role":"user","content":"hi"}]}`)
	f(`{"systemInstruction":"a",`+hi+`}`, `{"model":"m","messages":[{"role":"system","content":"a"},{"role":"user","content":"hi"}]}`)
	contents(`[{"parts":[{"inlineData":{"mimeType":"image\/png","data":"iVBO","displayName":"x"}},{"fileData":{"fileUri":"https://a.example/b"}},{"inline_data":{"mime_type":"audio/mpeg","data":"AA=="}},
		{"inlineData":{"mimeType":"application/pdf","data":"JVBE","displayName":"a.pdf"}},{"inlineData":{"mimeType":"application/pdf","data":"JVBE"}},{"inlineData":{"mimeType":"text/csv","data":"YSxi"}}]}]`,
		`{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBO"}},{"type":"image_url","image_url":{"url":"https://a.example/b"}},`+
			`{"type":"input_audio","input_audio":{"data":"AA==","format":"mp3"}},{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBE"}},`+
			`{"type":"file","file":{"filename":"document.pdf","file_data":"data:application/pdf;base64,JVBE"}},{"type":"text","text":"a,b"}]}`)

	// Calls and results. Ids may be missing: the order and the name tell which is which.
	contents(`[{"parts":[{"text":"a"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{"x":"\u00e9"}},"thoughtSignature":"sig=="},{"functionCall":{"name":"f"}},{"functionCall":{"id":"i","name":"g"}}]},
		{"role":"function","parts":[{"functionResponse":{"name":"g","response":{"result":"three"}}},{"functionResponse":{"name":"f","response":{"a":1}}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":2}}},{"text":"b"}]}]`,
		`{"role":"user","content":"a"},{"role":"assistant","content":null,"tool_calls":[{"id":"call_0","type":"function","function":{"name":"f","arguments":"{\"x\":\"\\u00e9\"}"},"extra_content":{"google":{"thought_signature":"sig=="}}},`+
			`{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"i","type":"function","function":{"name":"g","arguments":"{}"}}]},`+
			`{"role":"tool","tool_call_id":"i","content":"three"},{"role":"tool","tool_call_id":"call_0","content":"{\"a\":1}"},{"role":"tool","tool_call_id":"call_1","content":"{\"output\":2}"},{"role":"user","content":"b"}`)
	contents(`[{"role":"model","parts":[{"functionCall":{"id":"i","name":"f"}},{"functionCall":{"id":"i","name":"f"}}]},{"parts":[{"functionResponse":{"id":"i","name":"f","response":{"content":"1"}}},
		{"function_response":{"id":"i","name":"f","response":{"output":"2"},"parts":[{"inlineData":{"mimeType":"image/png","data":"AA=="}}]}}]}]`,
		`{"role":"assistant","content":null,"tool_calls":[{"id":"i","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"call_0","type":"function","function":{"name":"f","arguments":"{}"}}]},`+
			`{"role":"tool","tool_call_id":"i","content":"1"},{"role":"tool","tool_call_id":"call_0","content":"2"},`+
			`{"role":"user","content":[{"type":"text","text":"Belongs to the result of tool call call_0:"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}]}`)

	// Signatures: Google's own stay, ours open, the one that stands for none goes.
	ours := string(appendGeminiCarried(nil, []byte(`{"thinking_blocks":[{"type":"redacted_thinking","data":"x"}],"reasoning_details":[{"type":"reasoning.encrypted","data":"y"}]}`)))
	contents(`[{"role":"model","parts":[{"thought":true,"thoughtSignature":"skip_thought_signature_validator"},{"text":"a","thoughtSignature":"s"},{"text":"","thoughtSignature":`+ours+`}]},{"parts":[{"text":"b"}]}]`,
		`{"role":"assistant","content":"a","thinking_blocks":[{"type":"redacted_thinking","data":"x"}],"reasoning_details":[{"type":"reasoning.encrypted","data":"y"}],"extra_content":{"google":{"thought_signature":"s"}}},{"role":"user","content":"b"}`)

	contents(`[{"role":"model","parts":[{"text":"a","thoughtSignature":"c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I"}]},"b"]`, `{"role":"assistant","content":"a"},{"role":"user","content":"b"}`)
	// Google's SDK for Python decodes signatures, and encodes bytes in the alphabet for URLs.
	urlSafe := strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(ours)
	contents(`[{"role":"model","parts":[{"text":"a","thoughtSignature":`+urlSafe+`}]},{"parts":[{"inlineData":{"mimeType":"image/png","data":"-_8"}}]}]`,
		`{"role":"assistant","content":"a","thinking_blocks":[{"type":"redacted_thinking","data":"x"}],"reasoning_details":[{"type":"reasoning.encrypted","data":"y"}]},`+
			`{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,+/8="}}]}`)

	call = Call{Relayed: true, Send: "m", Stream: true, AskUsage: true}
	f(`{`+hi+`}`, hiMessages+`,"stream":true,"stream_options":{"include_usage":true}}`)
	call = Call{Relayed: true, Send: "m", Stream: true}
	f(`{`+hi+`}`, hiMessages+`,"stream":true}`)
	call = Call{Relayed: true, Send: "m", MaxOutput: 10}
	config(`"maxOutputTokens":11`, `,"max_tokens":10`)
	call = Call{Relayed: true, Send: "gpt-5-mini"}
	f(`{`+hi+`,"generationConfig":{"maxOutputTokens":5}}`, strings.Replace(hiMessages, `"m"`, `"gpt-5-mini"`, 1)+`,"max_completion_tokens":5}`)
}

func TestGeminiSchemaBecomesJSONSchema(t *testing.T) {
	f := func(schema, want string) {
		t.Helper()
		if got := string(appendGeminiSchema(nil, []byte(schema))); got != want || !json.Valid([]byte(got)) {
			t.Errorf("%s\n got %s\nwant %s", schema, got, want)
		}
	}
	f(`{}`, `{}`)
	f(`{"type":"STRING","format":"enum","enum":["a"],"nullable":true}`, `{"type":["string","null"],"enum":["a",null]}`)
	f(`{"type":6,"properties":{"type":{"type":1}}}`, `{"type":"object","properties":{"type":{"type":"string"}}}`)
	f(`{"type":"ARRAY","items":{"type":"NUMBER","format":"double"},"min_items":"1","maxItems":2,"example":[1]}`,
		`{"items":{"format":"double","type":"number"},"minItems":1,"maxItems":2,"examples":[[1]],"type":"array"}`)
	f(`{"enum":[],"anyOf":[],"nullable":true}`, `{"enum":[],"anyOf":[]}`)
	f(`{"any_of":[{"type":"BOOLEAN"},{"type":"string"}],"nullable":true,"title":"t","description":"d"}`,
		`{"title":"t","description":"d","anyOf":[{"type":"boolean"},{"type":"string"},{"type":"null"}]}`)
	f(`{"type":"OBJECT","properties":{"a":{"type":"STRING"},"b_c":{"type":"STRING"}},"property_ordering":["b_c","none"],"required":["a"]}`,
		`{"required":["a"],"type":"object","properties":{"b_c":{"type":"string"},"a":{"type":"string"}}}`)
	f(`{"type":["string","null"],"$schema":"s","additionalProperties":{"type":"STRING"},"defs":{"D":{"type":"INTEGER"}}}`,
		`{"$schema":"s","additionalProperties":{"type":"string"},"$defs":{"D":{"type":"integer"}},"type":["string","null"]}`)

	strict := func(schema string, want bool) {
		t.Helper()
		if got := strictSchema([]byte(schema)); got != want {
			t.Errorf("%s is strict: %t", schema, got)
		}
	}
	strict(`{"type":"object","properties":{"a":{"type":"array","items":{"type":"string"}}},"required":["a"]}`, true)
	strict(`{"type":"object","properties":{"a":{"type":"string"}}}`, false)
	strict(`{"type":"object"}`, false)
	strict(`{"type":"array","items":{"type":"string"}}`, false)
	strict(`{"type":"object","properties":{"a":{"type":"string","default":"x"}},"required":["a"]}`, false)
	strict(`{"type":"object","properties":{"a":{"anyOf":[{"type":"object","properties":{"b":{}}}]}},"required":["a"]}`, false)
	strict(`{"type":"object","properties":{"a":{"type":"integer","format":"int32"}},"required":["a"]}`, false)
}

func TestGeminiOpenAIRefuses(t *testing.T) {
	f := func(field, body string) {
		t.Helper()
		out, err := newGeminiOpenAI(Call{Relayed: true, Send: "m"}).Request([]byte("~"), []byte(body))
		if err == nil || !strings.HasPrefix(err.Error(), field+": ") || string(out) != "~" {
			t.Errorf("%s: error %v, want one of %s", body, err, field)
		}
	}
	const hi = `"contents":"hi"`
	for field, value := range map[string]string{
		"cachedContent": `"cachedContents/a"`, "labels": `{"a":"b"}`, "unheardOf": `1`, "serviceTier": `"batch"`, "safetySettings[0].threshold": `[{"category":"HARM_CATEGORY_HARASSMENT","threshold":"BLOCK_ONLY_HIGH"}]`,
		"tools[0].googleSearch": `[{"googleSearch":{}}]`, "tools[0].code_execution": `[{"code_execution":{}}]`, "tools[0].urlContext": `[{"urlContext":{}}]`,
		"tools[0].functionDeclarations[0].response":                    `[{"functionDeclarations":[{"name":"f","response":{}}]}]`,
		"tools[0].functionDeclarations[0].behavior":                    `[{"functionDeclarations":[{"name":"f","behavior":"NON_BLOCKING"}]}]`,
		"tools[0].functionDeclarations[0].name":                        `[{"functionDeclarations":[{"description":"f"}]}]`,
		"toolConfig":                                                   `{"functionCallingConfig":{"mode":"ANY"}}`,
		"toolConfig.retrievalConfig":                                   `{"retrievalConfig":{}}`,
		"toolConfig.functionCallingConfig.mode":                        `{"functionCallingConfig":{"mode":"SOME"}}`,
		"toolConfig.functionCallingConfig.allowedFunctionNames":        `{"functionCallingConfig":{"mode":"AUTO","allowedFunctionNames":["f"]}}`,
		"toolConfig.functionCallingConfig.streamFunctionCallArguments": `{"functionCallingConfig":{"streamFunctionCallArguments":true}}`,
		"systemInstruction.parts[0]":                                   `{"parts":[{"inlineData":{"mimeType":"image/png","data":""}}]}`,
	} {
		top, _, _ := strings.Cut(strings.Replace(field, "[", ".", 1), ".")
		f(field, `{`+hi+`,"`+top+`":`+value+`}`)
	}
	for field, value := range map[string]string{
		"temperature": `"hot"`, "topK": `1.5`, "stopSequences[0]": `[1]`, "logprobs": `2`, "responseModalities[1]": `["TEXT","IMAGE"]`, "speechConfig": `{}`,
		"mediaResolution": `"MEDIA_RESOLUTION_LOW"`, "responseMimeType": `"text/x.enum"`, "enableAffectiveDialog": `true`, "imageConfig": `{}`,
		"thinkingConfig.thinkingLevel": `{"thinkingLevel":"extreme"}`, "thinkingConfig": `{"thinkingLevel":"LOW","thinkingBudget":1}`, "thinkingConfig.more": `{"more":1}`,
	} {
		top, _, _ := strings.Cut(strings.Replace(field, "[", ".", 1), ".")
		f("generationConfig."+field, `{`+hi+`,"generationConfig":{"`+top+`":`+value+`}}`)
	}
	f("generationConfig.responseMimeType", `{`+hi+`,"generationConfig":{"responseSchema":{"type":"STRING"}}}`)
	for field, content := range map[string]string{
		".role": `{"role":"system","parts":[{"text":"a"}]}`, ".parts": `{"role":"user","parts":[]}`, ".parts[0].functionCall": `{"parts":[{"text":"a","functionCall":{"name":"f"}}]}`,
		".parts[0].text": `{"parts":[{"text":1}]}`, ".parts[0].executableCode": `{"parts":[{"executableCode":{}}]}`, ".parts[1].videoMetadata": `{"parts":[{"text":"a"},{"text":"b","videoMetadata":{}}]}`,
		".parts[0].fileData":              `{"parts":[{"fileData":{"fileUri":"gs://a/b.png","mimeType":"image/png"}}]}`,
		".parts[0].file_data":             `{"parts":[{"file_data":{"file_uri":"https://www.youtube.com/watch?v=a"}}]}`,
		".parts[0].inlineData":            `{"parts":[{"inlineData":{"mimeType":"video/mp4","data":"AA=="}}]}`,
		".parts[0].functionResponse":      `{"parts":[{"functionResponse":{"name":"f","response":{}}}]}`,
		".parts[0].functionResponse.name": `{"parts":[{"functionResponse":{"name":1,"response":{}}}]}`,
		".parts[0].functionCall.args":     `{"role":"model","parts":[{"functionCall":{"name":"f","args":[]}}]}`,
		".parts[0].inline_data":           `{"role":"model","parts":[{"inline_data":{"mimeType":"image/png","data":"AA"}}]}`,
	} {
		f("contents[1]"+field, `{"contents":["hi",`+content+`]}`)
	}
	f("contents", `{}`)
	f("contents", `{"contents":[]}`)
	f("contents", `{"contents":["a",{"role":"model","parts":[{"text":"b"}]}]}`)
	f("contents[0]", `{"contents":[1]}`)
}

func TestGeminiOpenAIDropsTheGatewaysOwnMembers(t *testing.T) {
	body := []byte(`{"models":["a"],"contents":"hi"}`)
	members, err := jsonscan.Members(nil, body)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newGeminiOpenAI(Call{Relayed: true, Drop: members[:1]}).Request(nil, body); err != nil {
		t.Error(err)
	}
}

// A conversation that goes to Gemini and comes back says the same.
func TestChatGeminiChatKeepsMessages(t *testing.T) {
	f := func(model, messages string) {
		t.Helper()
		gemini, err := newOpenAIGemini(Call{Send: model}).Request(nil, []byte(`{"messages":[`+messages+`]}`))
		if err != nil {
			t.Fatalf("%s: %v", messages, err)
		}
		chat, err := newGeminiOpenAI(Call{Relayed: true, Send: model}).Request(nil, gemini)
		if err != nil {
			t.Fatalf("%s: %v", gemini, err)
		}
		if got := gjson.GetBytes(chat, "messages").Raw; got != `[`+messages+`]` {
			t.Errorf("by %s\n got %s\nwant [%s]", gemini, got, messages)
		}
	}
	const three = "gemini-3-flash-preview"
	f(three, `{"role":"system","content":"s"},{"role":"user","content":"a"}`)
	f(three, `{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBO"}},{"type":"image_url","image_url":{"url":"https://a.example/b.png"}},`+
		`{"type":"input_audio","input_audio":{"data":"AA==","format":"mp3"}},{"type":"file","file":{"filename":"document.pdf","file_data":"data:application/pdf;base64,JVBE"}}]}`)
	f(three, `{"role":"user","content":"a"},{"role":"assistant","content":"b","extra_content":{"google":{"thought_signature":"s"}}},{"role":"user","content":"c"}`)
	const calls = `{"role":"user","content":"a"},{"role":"assistant","content":"b","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}%},{"id":"c2","type":"function","function":{"name":"f","arguments":"{}"}}]},` +
		`{"role":"tool","tool_call_id":"c2","content":"two"},{"role":"tool","tool_call_id":"c1","content":"{\"one\":1}"},{"role":"user","content":"d"}`
	f(three, strings.Replace(calls, "%", "", 1))
	f(three, strings.Replace(calls, "%", `,"extra_content":{"google":{"thought_signature":"sig=="}}`, 1))
	f("gemini-2.5-flash", strings.Replace(calls, "%", "", 1))
}

func TestGeminiOpenAIReply(t *testing.T) {
	thoughts := true
	reply := func(body string) (string, error) {
		tr := newGeminiOpenAI(Call{Relayed: true, Send: "m"}).(*geminiOpenAI)
		tr.showThoughts = thoughts
		out, err := tr.Reply([]byte("~"), []byte(body))
		return string(out[1:]), err
	}
	f := func(body, want string) {
		t.Helper()
		if got, err := reply(body); err != nil || got != want || !json.Valid([]byte(got)) {
			t.Errorf("%s: %v\n got %s\nwant %s", body, err, got, want)
		}
	}
	choice := func(choice, want string) {
		t.Helper()
		f(`{"id":"chatcmpl-r","model":"n","choices":[{`+choice+`}]}`, `{"candidates":[`+want+`],"modelVersion":"n","responseId":"r"}`)
	}
	choice(`"index":0,"message":{"role":"assistant","content":"a\n","reasoning_content":"t"},"finish_reason":"stop"`,
		`{"content":{"parts":[{"text":"t","thought":true},{"text":"a\n"}],"role":"model"},"finishReason":"STOP","index":0}`)
	choice(`"message":{"content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\n\"x\":1}"},"extra_content":{"google":{"thought_signature":"s"}}},{"function":{"name":"g","arguments":""}},{"id":"d","function":{"name":"h","arguments":"oops"}}]},"finish_reason":"tool_calls"`,
		`{"content":{"parts":[{"functionCall":{"id":"c","name":"f","args":{ "x":1}},"thoughtSignature":"s"},{"functionCall":{"name":"g","args":{}}},{"functionCall":{"id":"d","name":"h","args":{"_raw":"oops"}}}],"role":"model"},"finishReason":"STOP","index":0}`)
	choice(`"message":{"content":"a"},"finish_reason":"length"`, `{"content":{"parts":[{"text":"a"}],"role":"model"},"finishReason":"MAX_TOKENS","index":0}`)
	choice(`"message":{"content":null,"refusal":"no"},"finish_reason":"stop"`, `{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"SAFETY","finishMessage":"no","index":0}`)
	choice(`"message":{"content":""},"finish_reason":"content_filter"`, `{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"SAFETY","index":0}`)
	choice(`"message":{"content":"a","extra_content":{"google":{"thought_signature":"s"}},"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBO"}}]},"finish_reason":"stop"`,
		`{"content":{"parts":[{"text":"a","thoughtSignature":"s"},{"inlineData":{"mimeType":"image/png","data":"iVBO"}}],"role":"model"},"finishReason":"STOP","index":0}`)
	choice(`"message":{"content":"é is 1","annotations":[{"type":"url_citation","url_citation":{"start_index":2,"end_index":6,"title":"t","url":"https://a.example"}}]},"finish_reason":"stop"`,
		`{"content":{"parts":[{"text":"é is 1"}],"role":"model"},"finishReason":"STOP","index":0,"groundingMetadata":{"groundingChunks":[{"web":{"uri":"https://a.example","title":"t"}}],"groundingSupports":[{"segment":{"startIndex":3,"endIndex":7,"text":"is 1"},"groundingChunkIndices":[0]}]}}`)
	choice(`"message":{"content":"a"},"logprobs":{"content":[{"token":"a","logprob":-0.5,"bytes":null,"top_logprobs":[{"token":"a","logprob":-0.5}]}]},"finish_reason":"stop"`,
		`{"content":{"parts":[{"text":"a"}],"role":"model"},"finishReason":"STOP","index":0,"logprobsResult":{"chosenCandidates":[{"token":"a","logProbability":-0.5}],"topCandidates":[{"candidates":[{"token":"a","logProbability":-0.5}]}]}}`)
	choice(`"message":{"content":"a"},"finish_reason":"stop"},{"index":1,"message":{"content":"b"},"finish_reason":"stop"`,
		`{"content":{"parts":[{"text":"a"}],"role":"model"},"finishReason":"STOP","index":0},{"content":{"parts":[{"text":"b"}],"role":"model"},"finishReason":"STOP","index":1}`)
	f(` {"id":"r","citations":["https://a.example"],"choices":[{"message":{"content":"a"},"finish_reason":"stop"}],"service_tier":"flex","usage":{"prompt_tokens":12,"completion_tokens":9,"total_tokens":21,"prompt_tokens_details":{"cached_tokens":3,"audio_tokens":6},"completion_tokens_details":{"reasoning_tokens":5}}}`,
		`{"candidates":[{"content":{"parts":[{"text":"a"}],"role":"model"},"finishReason":"STOP","index":0,"groundingMetadata":{"groundingChunks":[{"web":{"uri":"https://a.example","title":""}}]}}],`+
			`"usageMetadata":{"promptTokenCount":12,"candidatesTokenCount":4,"thoughtsTokenCount":5,"cachedContentTokenCount":3,"totalTokenCount":21,"promptTokensDetails":[{"modality":"TEXT","tokenCount":6},{"modality":"AUDIO","tokenCount":6}],"serviceTier":"flex"},"modelVersion":"m","responseId":"r"}`)
	f(`{"error":{"message":"slow","type":"requests","code":"rate_limit_exceeded"}}`, `{"error":{"code":429,"message":"slow","status":"RESOURCE_EXHAUSTED"}}`)
	f(`{"error":"bare"}`, `{"error":{"code":500,"message":"bare","status":"INTERNAL"}}`)
	f(`{"choices":[{"finish_reason":"error","error":{"code":503,"message":"busy"}}]}`, `{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}`)
	thoughts = false
	choice(`"message":{"content":"a","reasoning":"t"},"finish_reason":"stop"`, `{"content":{"parts":[{"text":"a"}],"role":"model"},"finishReason":"STOP","index":0}`)
	for _, nothing := range []string{`{}`, `{"choices":[]}`, `[]`, `{"choices":[1]}`} {
		if got, err := reply(nothing); err == nil {
			t.Errorf("%s is %s", nothing, got)
		}
	}
}

// What is opaque goes to the client and comes back, whole and in a stream.
func TestGeminiClientHandsBackWhatIsCarried(t *testing.T) {
	const blocks = `[{"type":"thinking","thinking":"t","signature":"=="},{"type":"redacted_thinking","data":"r"}]`
	const details = `[{"type":"reasoning.text","text":"ab","signature":"s","index":0},{"type":"reasoning.encrypted","data":"x","index":1}]`
	back := func(parts string) gjson.Result {
		t.Helper()
		out, err := newGeminiOpenAI(Call{Relayed: true, Send: "m"}).Request(nil, []byte(`{"contents":[{"role":"model","parts":`+parts+`},{"role":"user","parts":[{"text":"go on"}]}]}`))
		if err != nil {
			t.Fatal(err)
		}
		return gjson.GetBytes(out, "messages.0")
	}
	for _, said := range []string{
		`"content":"a"`, `"content":""`, `"content":null,"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]`,
		`"content":null,"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"g"}}}]`,
	} {
		out, err := newGeminiOpenAI(Call{Relayed: true, Send: "m"}).Reply(nil, []byte(`{"choices":[{"message":{`+said+`,"thinking_blocks":`+blocks+`,"reasoning_details":`+details+`},"finish_reason":"stop"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		gjson.GetBytes(out, "candidates.0.content.parts.#.thoughtSignature").ForEach(func(_, s gjson.Result) bool {
			if _, err := base64.StdEncoding.DecodeString(s.Str); err != nil && s.Str != "g" {
				t.Errorf("a signature that Google's SDKs cannot decode: %s", s.Str)
			}
			return true
		})
		m := back(gjson.GetBytes(out, "candidates.0.content.parts").Raw)
		if m.Get("thinking_blocks").Raw != blocks || m.Get("reasoning_details").Raw != details {
			t.Errorf("%s comes back as %s", said, m.Raw)
		}
	}
	tr := newGeminiOpenAI(Call{Relayed: true, Send: "m"})
	var parts []string
	for _, delta := range []string{
		`{"role":"assistant","reasoning_details":[{"type":"reasoning.text","text":"a","signature":null,"index":0}]}`,
		`{"reasoning_details":[{"type":"reasoning.text","text":"b","signature":"s","index":0}]}`,
		`{"reasoning_details":[{"type":"reasoning.encrypted","data":"x","index":1}],"thinking_blocks":[{"type":"thinking","thinking":"t","signature":"=="}]}`,
		`{"thinking_blocks":[{"type":"redacted_thinking","data":"r"}]}`, `{"content":"hi"}`,
	} {
		out, err := tr.Event(nil, []byte(`data: {"choices":[{"index":0,"delta":`+delta+`}]}`+"\n\n"))
		if err != nil {
			t.Fatal(err)
		}
		gjson.GetBytes(Data(nil, out), "candidates.0.content.parts").ForEach(func(_, p gjson.Result) bool { parts = append(parts, p.Raw); return true })
	}
	out, err := tr.Event(nil, []byte("data: [DONE]\n\n"))
	if err != nil {
		t.Fatal(err)
	}
	gjson.GetBytes(Data(nil, out), "candidates.0.content.parts").ForEach(func(_, p gjson.Result) bool { parts = append(parts, p.Raw); return true })
	m := back(`[` + strings.Join(parts, ",") + `]`)
	if m.Get("content").Str != "hi" || m.Get("thinking_blocks").Raw != blocks || m.Get("reasoning_details").Raw != details {
		t.Errorf("a stream comes back as %s", m.Raw)
	}
}

// By way of chat, a Gemini client hands Claude's thinking back to Claude.
func TestGeminiClientKeepsClaudesThinking(t *testing.T) {
	chain := func() Translator {
		return newChained(newGeminiOpenAI, newOpenAIAnthropic, Call{Send: "claude-sonnet-4-5"})
	}
	const thinking = `{"type":"thinking","thinking":"hm","signature":"s=="}`
	out, err := chain().Reply(nil, []byte(`{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[`+thinking+
		`,{"type":"tool_use","id":"toolu_1","name":"f","input":{"x":1}}],"stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":2}}`))
	if err != nil {
		t.Fatal(err)
	}
	content := gjson.GetBytes(out, "candidates.0.content").Raw
	out, err = chain().Request(nil, []byte(`{"contents":[{"role":"user","parts":[{"text":"a"}]},`+content+`,{"role":"user","parts":[{"functionResponse":{"id":"toolu_1","name":"f","response":{"output":"b"}}}]}],
		"tools":[{"functionDeclarations":[{"name":"f"}]}],"generationConfig":{"maxOutputTokens":30000,"thinkingConfig":{"thinkingBudget":10000}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := gjson.GetBytes(out, "messages.1.content.0").Raw; got != thinking {
		t.Errorf("%s, by %s, comes back as %s", thinking, content, got)
	}
}

func TestGeminiOpenAIStream(t *testing.T) {
	f := func(want string, data ...string) {
		t.Helper()
		tr := newGeminiOpenAI(Call{Relayed: true, Send: "m"}).(*geminiOpenAI)
		tr.showThoughts = true
		var out []byte
		var err error
		for _, d := range data {
			if out, err = tr.Event(out, []byte("data: "+d+"\n\n")); err != nil {
				t.Fatal(err)
			}
		}
		out = tr.End(out)
		got := strings.ReplaceAll(string(out), `,"modelVersion":"n","responseId":"r"`, "")
		if got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
		if again := tr.End(nil); len(again) > 0 {
			t.Errorf("it ends twice: %s", again)
		}
	}
	chunk := func(choice string) string { return `{"id":"r","model":"n","choices":[{"index":0,` + choice + `}]}` }
	// Text passes at once; calls come whole, with the finish reason and the usage.
	f("data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"t\",\"thought\":true}],\"role\":\"model\"},\"index\":0}]}\n\n"+
		"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}],\"role\":\"model\"},\"index\":0}]}\n\n"+
		"data: {\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"id\":\"c\",\"name\":\"f\",\"args\":{\"x\":1}}},{\"functionCall\":{\"id\":\"d\",\"name\":\"g\",\"args\":{}}}],\"role\":\"model\"},\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":3,\"candidatesTokenCount\":2,\"totalTokenCount\":5}}\n\n",
		`{"choices":[],"prompt_filter_results":[]}`,
		chunk(`"delta":{"role":"assistant","content":""},"finish_reason":null`), chunk(`"delta":{"reasoning_content":"t"}`), chunk(`"delta":{"content":"a"}`),
		chunk(`"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":""}}]}`), chunk(`"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":"}},{"index":1,"id":"d","function":{"name":"g","arguments":""}}]}`),
		chunk(`"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}`), chunk(`"delta":{},"finish_reason":"tool_calls"`),
		`{"id":"r","model":"n","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`, `[DONE]`)
	// No usage chunk, no [DONE]; refusals are gathered.
	f("data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}],\"role\":\"model\"},\"finishReason\":\"SAFETY\",\"finishMessage\":\"no!\",\"index\":0}]}\n\n",
		chunk(`"delta":{"refusal":"no"}`), chunk(`"delta":{"refusal":"!"}`), chunk(`"delta":{},"finish_reason":"stop"`))
	// A truncation says nothing more, nor does anything follow an error.
	f("data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}],\"role\":\"model\"},\"index\":0}]}\n\n", chunk(`"delta":{"content":"a"}`))
	f("data: {\"error\":{\"code\":503,\"message\":\"busy\",\"status\":\"UNAVAILABLE\"}}\n\n", `{"error":{"code":503,"message":"busy"}}`, chunk(`"delta":{"content":"a"}`), `[DONE]`)
	// Two choices.
	f("data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}],\"role\":\"model\"},\"index\":0},{\"content\":{\"parts\":[{\"text\":\"b\"}],\"role\":\"model\"},\"index\":1}]}\n\n"+
		"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}],\"role\":\"model\"},\"finishReason\":\"STOP\",\"index\":0},{\"content\":{\"parts\":[{\"text\":\"\"}],\"role\":\"model\"},\"finishReason\":\"MAX_TOKENS\",\"index\":1}]}\n\n",
		chunk(`"delta":{"content":"a"}},{"index":1,"delta":{"content":"b"}`), chunk(`"delta":{},"finish_reason":"stop"},{"index":1,"delta":{},"finish_reason":"length"`), `[DONE]`)
}

func FuzzGeminiOpenAIRequest(f *testing.F) {
	f.Add([]byte(`{"contents":[{"role":"user","parts":[{"text":"a"},{"inlineData":{"mimeType":"image/png","data":"AA"}}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{}},"thoughtSignature":"aHAxLmUzMA=="}]},{"parts":[{"functionResponse":{"name":"f","response":{"output":"x"}}}]}],"tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT","nullable":true,"properties":{"a":{"type":6,"enum":[]}},"propertyOrdering":["a"]}}]}],"toolConfig":{"functionCallingConfig":{"mode":"VALIDATED"}},"generationConfig":{"topK":1e3,"responseMimeType":"application/json","responseSchema":{"anyOf":[]}}}`))
	f.Add([]byte(`{"contents":"a","system_instruction":"b","safetySettings":{"threshold":0},"generationConfig":{"thinkingConfig":{"thinkingBudget":-1},"stopSequences":"x"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		out, err := newGeminiOpenAI(Call{Relayed: true, Send: "m", Stream: true}).Request(nil, body)
		if err == nil && !json.Valid(out) {
			t.Errorf("not JSON: %s", out)
		}
	})
}

func FuzzGeminiOpenAIReply(f *testing.F) {
	f.Add([]byte(`{"choices":[{"message":{"content":"é","reasoning_details":[{"type":"reasoning.encrypted","data":"x"}],"tool_calls":[{"function":{"name":"f","arguments":"{"}}],"annotations":[{"url_citation":{"url":"u","start_index":0,"end_index":1}}]},"logprobs":{"content":[{"token":"a","logprob":0}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}`))
	f.Add([]byte(`{"error":{"code":429}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		out, err := newGeminiOpenAI(Call{Relayed: true, Send: "m"}).Reply(nil, body)
		if err == nil && !json.Valid(out) {
			t.Errorf("not JSON: %s", out)
		}
	})
}

func FuzzGeminiOpenAIEvent(f *testing.F) {
	f.Add([]byte("data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}],\"reasoning_details\":[{\"text\":\"a\"}]}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}],\"usage\":{}}\n\ndata: [DONE]\n\n"))
	f.Add([]byte("data: {\"error\":\"x\"}\n\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		tr := newGeminiOpenAI(Call{Relayed: true, Send: "m"}).(*geminiOpenAI)
		tr.showThoughts = true
		out, err := translateChatStream(tr, stream)
		if err != nil {
			return
		}
		for len(out) > 0 {
			event, rest := NextEvent(out)
			if len(event) == 0 || !json.Valid(Data(nil, event)) {
				t.Fatalf("event: %q", out)
			}
			out = rest
		}
	})
}
