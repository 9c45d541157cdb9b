package proxy

import (
	"strings"
	"testing"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/router"
)

// TestNeeds: what a request asks of a model is read from its structure, never from its words.
func TestNeeds(t *testing.T) {
	f := func(rest string, want router.Needs) {
		t.Helper()
		var b body
		if err := b.read([]byte(`{"model":"m",`+rest+`}`), llm.DialectOpenAI, llm.EndpointChat); err != nil {
			t.Errorf("%s: %v", rest, err)
		}
		if b.needs != want {
			t.Errorf("%s\n got %+v\nwant %+v", rest, b.needs, want)
		}
	}
	user := `"messages":[{"role":"user","content":"hi"}]`
	f(user, router.Needs{})
	f(`"messages":[{"role":"user","content":"a \"image_url\" and \"role\":\"tool\""}]`, router.Needs{})
	f(`"messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"https://x/y.png"}}]}]`, router.Needs{Input: pricing.Image})
	f(`"messages":[{"role":"user","content":[{"input_audio":{},"type":"input_audio"},{"type":"file"}]}]`, router.Needs{Input: pricing.Audio | pricing.PDF})
	f(`"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"}]`, router.Needs{Conversation: true})
	f(`"messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"1"}]},{"role":"tool","content":"x"}]`, router.Needs{Conversation: true, ToolChain: true})
	f(user+`,"tools":[{"type":"function"}]`, router.Needs{Tools: true})
	f(user+`,"tools":[],"functions":null`, router.Needs{})
	f(user+`,"response_format":{"type":"json_object"}`, router.Needs{JSONObject: true})
	f(user+`,"response_format":{"type":"json_schema","json_schema":{}}`, router.Needs{JSONSchema: true})
	f(user+`,"modalities":["text","audio"]`, router.Needs{Output: pricing.Audio})
}

func TestProviderPreferences(t *testing.T) {
	var b body
	err := b.read([]byte(`{"model":"m","messages":[{}],"models":["a","b"],"provider":{"order":["groq"],"only":["groq","openai"],"sort":"price","max_price":{"prompt":1.5,"completion":"2"}}}`), llm.DialectOpenAI, llm.EndpointChat)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(b.fallbacks, " ") != "a b" || strings.Join(b.order, " ") != "groq" || len(b.only) != 2 || b.sort != "price" || b.maxPrompt != 1_500_000_000 || b.maxOutPrice != 2_000_000_000 {
		t.Errorf("%+v", b)
	}
	for _, bad := range []string{`"models":"a"`, `"models":[1]`, `"provider":{"only":{"a":"b"}}`, `"provider":{"max_price":{"prompt":"cheap"}}`} {
		var b body
		if err := b.read([]byte(`{"model":"m","messages":[{}],`+bad+`}`), llm.DialectOpenAI, llm.EndpointChat); err == nil || err.Param == "" {
			t.Errorf("%s was accepted, or its field not named: %v", bad, err)
		}
	}
}

func TestTags(t *testing.T) {
	f := func(in, want string, ok bool) {
		t.Helper()
		got, err := readTags(in)
		if got != want || (err == nil) != ok {
			t.Errorf("readTags(%q) = %q, %v", in, got, err)
		}
	}
	f("", "", true)
	f("team=search", "team=search", true)
	f(" team=search , feature=chat ", "feature=chat,team=search", true)
	f("a=1,a=2", "", false)
	f("a", "", false)
	f("a=", "", false)
	f("=b", "", false)
	f("a=\x01", "", false)
	f(strings.Repeat("a", 65)+"=b", "", false)
	f("a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1,j=1,k=1", "", false)
}

func TestMask(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := mask(in); got != want {
			t.Errorf("mask(%q) = %q, want %q", in, got, want)
		}
	}
	f("The model `gpt-4o` does not exist", "The model `gpt-4o` does not exist")
	f("key sk-proj-abc123DEF456 is wrong", "key [masked] is wrong")
	f("Incorrect API key provided: abcd****wxyz.", "Incorrect API key provided: [masked].")
	f("in organization org-AbCdEf1234 on tokens", "in organization [masked] on tokens")
	f("Authorization: Bearer eyJhbGciOi.x.y", "Authorization: [masked]")
	f("AIzaSyA1234567890abcdef", "[masked]")
	f("gc_live_abc_def", "[masked]")
	f("a task-specific key_frame", "a task-specific key_frame")
}

func TestMedianIsLearned(t *testing.T) {
	var o outputs
	if got := o.median("m", 0); got != firstMedian {
		t.Errorf("unseen: %d", got)
	}
	for range 2000 {
		for _, n := range []int64{100, 1000, 5000} {
			o.learn("m", n)
		}
	}
	if got := o.median("m", 0); got < 700 || got > 1400 {
		t.Errorf("the median of 100, 1000 and 5000 was learned as %d", got)
	}
	if got := o.median("m", 50); got != 50 {
		t.Errorf("bounded by max_tokens: %d", got)
	}
}

// FuzzBody: no body makes the reader panic, and what it accepts names a model and has messages.
func FuzzBody(f *testing.F) {
	f.Add([]byte(`{"model":"m","messages":[{"role":"user","content":[{"type":"image_url"}],"tool_calls":[{}]}],"stream":true,"provider":{"order":["a"]},"n":2}`))
	f.Add([]byte(`{"model":"m","messages":[[]],"tools":null,"response_format":{"type":1}}`))
	f.Add([]byte(`{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"tool_result"}]}],"thinking":{"type":"enabled"},"output_config":{"effort":1},"metadata":{"user_id":"u"}}`))
	f.Add([]byte(`{"contents":[{"parts":[{"inline_data":{"mime_type":"image/png"}},{"functionCall":{}}],"role":"model"}],"generation_config":{"max_output_tokens":1,"response_modalities":["AUDIO"]},"safety_settings":[{}]}`))
	f.Add([]byte(`{"model":"m","input":[{"type":"function_call_output","output":[{"type":"input_image"}]},1],"text":{"format":{"type":"json_schema"}},"previous_response_id":"r"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, d := range []llm.Dialect{llm.DialectOpenAI, llm.DialectAnthropic, llm.DialectGemini, llm.DialectResponses} {
			var b body
			if d == llm.DialectGemini {
				b.named = "m"
			}
			if err := b.read(raw, d, llm.EndpointChat); err == nil && (b.named == "" || len(b.prompt.Messages) == 0 && !b.kept) {
				t.Fatalf("%s: accepted %q", d, raw)
			} else if err != nil && (err.Status != 400 || err.Message == "") {
				t.Fatalf("%s: error %+v", d, err)
			}
		}
	})
}

// FuzzForm: no form makes the reader panic, and what it finds lies where it says.
func FuzzForm(f *testing.F) {
	f.Add([]byte("--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b\r\ncontent-disposition: form-data; name=file; filename=a\r\n\r\n\r\n--b--\r\n"))
	f.Add([]byte("--b\r\n\r\n\r\n--b--"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var b body
		err := b.readForm(raw, "multipart/form-data; boundary=b", llm.EndpointTranscriptions)
		switch at := b.model.At; {
		case err != nil && err.Status != 400:
			t.Fatalf("error %+v", err)
		case err == nil && string(raw[at:at+len(b.model.Value)]) != b.named:
			t.Fatalf("%q is not at %d of %q", b.named, at, raw)
		}
	})
}

// FuzzUpstreamError: no reply of a provider makes the reader panic or loses the status.
func FuzzUpstreamError(f *testing.F) {
	f.Add([]byte(`{"error":{"message":"x","code":1}}`))
	f.Add([]byte(`[[{"error":"x"}]]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if err := upstreamError(500, nil, raw); err.Status != 500 || err.Message == "" {
			t.Fatalf("%q became %+v", raw, err)
		}
		errorBody(llm.DialectOpenAI, "", upstreamError(418, nil, raw))
	})
}
