package provider

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// asked translates a request; an error is returned as "! text".
func asked(t Translator, body string) string {
	got, err := t.Request([]byte("#"), []byte(body))
	switch {
	case err != nil && string(got) != "#":
		return "! " + err.Error() + ", and wrote " + string(got)
	case err != nil:
		return "! " + err.Error()
	}
	return string(got[1:])
}

// replied translates a reply; an error is returned as "! text".
func replied(t Translator, body string) string {
	got, err := t.Reply(nil, []byte(body))
	if err != nil {
		return "! " + err.Error()
	}
	return string(got)
}

func TestEmbeddingsCohere(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		if got := asked(newEmbeddingsCohere(Call{Send: "embed-v4.0"}), body); got != want {
			t.Errorf("%s\n got %s\nwant %s", body, got, want)
		}
	}
	f(`{"model":"e","input":"a"}`, `{"model":"embed-v4.0","input_type":"search_document","embedding_types":["float"],"texts":["a"]}`)
	f(`{"model":"e","input":["a","b\n"],"dimensions":256,"encoding_format":"base64","input_type":"search_query","truncate":"END","user":null}`,
		`{"model":"embed-v4.0","input_type":"search_query","truncate":"END","output_dimension":256,"embedding_types":["base64"],"texts":["a","b\n"]}`)
	f(`{"input":[1,2]}`, `! input: Cohere takes texts, not tokens`)
	f(`{"input":["a",[1]]}`, `! input: Cohere takes texts, not tokens`)
	f(`{"input":{}}`, `! input: it must be a text or an array of texts`)
	f(`{"input":[]}`, `! input: there is nothing to embed`)
	f(`{}`, `! input: there is nothing to embed`)
	f(`{"input":["a"`+strings.Repeat(`,"a"`, 96)+`]}`, `! input: Cohere takes up to 96 texts`)
	f(`{"input":"a","dimensions":0}`, `! dimensions: it must be a whole number above 0`)
	f(`{"input":"a","encoding_format":"int8"}`, `! encoding_format: it must be float or base64`)
	f(`{"input":"a","input_type":1}`, `! input_type: it must be a string`)
	f(`{"input":"a","user":"u"}`, `! user: Cohere's embeddings cannot express it`)
	f(`{`, `! cannot read the request: unexpected end of JSON at byte 1`)
	body := `{"provider":{},"input":"a"}`
	members, _ := jsonscan.Members(nil, []byte(body))
	if got := asked(newEmbeddingsCohere(Call{Send: "m", Drop: members[:1]}), body); !strings.HasPrefix(got, "{") {
		t.Error(got)
	}

	r := func(format, body, want string) {
		t.Helper()
		tr := newEmbeddingsCohere(Call{Send: "m"})
		_ = asked(tr, `{"input":"a","encoding_format":"`+format+`"}`)
		if got := replied(tr, body); got != want {
			t.Errorf("%s\n got %s\nwant %s", body, got, want)
		}
	}
	r("float", `{"id":"i","embeddings":{"float":[[0.5,-1e-5],[1]]},"texts":["a"],"meta":{"billed_units":{"input_tokens":7,"image_tokens":2}}}`,
		`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1e-5]},{"object":"embedding","index":1,"embedding":[1]}],"model":"m","usage":{"prompt_tokens":9,"total_tokens":9}}`)
	r("base64", `{"embeddings":{"base64":["AAA="]}}`, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AAA="}],"model":"m","usage":{"prompt_tokens":0,"total_tokens":0}}`)
	r("base64", `{"embeddings":{"float":[[1]]}}`, "! "+errNoCohereEmbeddings.Error())
	r("float", `{"message":"no"}`, `{"error":{"message":"no","type":"api_error","param":null,"code":null}}`)
	r("float", `x`, `! cannot read the reply: not a JSON object at byte 0`)
}

func TestEmbeddingsGemini(t *testing.T) {
	f := func(model, body, want string) {
		t.Helper()
		if got := asked(newEmbeddingsGemini(Call{Send: model}), body); got != want {
			t.Errorf("%s\n got %s\nwant %s", body, got, want)
		}
	}
	f("gemini-embedding-001", `{"model":"e","input":"a"}`, `{"requests":[{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"a"}]}}]}`)
	f("models/gemini-embedding-001", `{"input":["a","b"],"dimensions":768,"encoding_format":"float","input_type":"search_query"}`,
		`{"requests":[{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"a"}]},"taskType":"RETRIEVAL_QUERY","outputDimensionality":768},`+
			`{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"b"}]},"taskType":"RETRIEVAL_QUERY","outputDimensionality":768}]}`)
	f("gemini-embedding-2", `{"input":"a","input_type":"search_query"}`, `! input_type: the model takes its task in the text`)
	f("gemini-embedding-001", `{"input":"a","input_type":"x"}`, `! input_type: Gemini takes search_document, search_query, classification and clustering`)
	f("m", `{"input":[[1]]}`, `! input: Gemini takes texts, not tokens`)
	f("m", `{"input":["a"`+strings.Repeat(`,"a"`, 100)+`]}`, `! input: Gemini takes up to 100 texts`)
	f("m", `{"input":"a","truncate":"END"}`, `! truncate: Gemini's embeddings cannot express it`)

	r := func(format, body, want string) {
		t.Helper()
		tr := newEmbeddingsGemini(Call{Send: "m"})
		_ = asked(tr, `{"input":"a","encoding_format":"`+format+`"}`)
		if got := replied(tr, body); got != want {
			t.Errorf("%s\n got %s\nwant %s", body, got, want)
		}
	}
	r("float", "{\"embeddings\":[{\"values\":[\n 0.5,\n -1e-05 ]},{\"values\":[]}],\"usageMetadata\":{\"promptTokenCount\":8}}",
		`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1e-05]},{"object":"embedding","index":1,"embedding":[]}],"model":"m","usage":{"prompt_tokens":8,"total_tokens":8}}`)
	r("base64", `{"embeddings":[{"values":[1,-0.5]}]}`, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AACAPwAAAL8="}],"model":"m","usage":{"prompt_tokens":0,"total_tokens":0}}`)
	r("float", `{"embeddings":[{}]}`, "! "+errNoGeminiEmbeddings.Error())
	r("float", `{}`, "! "+errNoGeminiEmbeddings.Error())
	r("float", `{"error":{"code":400,"message":"no","status":"INVALID_ARGUMENT"}}`, `{"error":{"message":"no","type":"invalid_request_error","param":null,"code":"INVALID_ARGUMENT"}}`)
}

func TestEmbeddingsHaveNoStreams(t *testing.T) {
	for _, tr := range []Translator{newEmbeddingsCohere(Call{}), newEmbeddingsGemini(Call{})} {
		if out, err := tr.Event([]byte("#"), []byte("data: {}\n\n")); err == nil || string(out) != "#" {
			t.Errorf("%T made %q of an event", tr, out)
		}
	}
}

// TestEmbeddingsRecorded holds what clients of OpenAI's get of the recorded replies
// against the replies: each vector as numbers, and of Gemini's as base64, too.
func TestEmbeddingsRecorded(t *testing.T) {
	n := 0
	recorded(t, "exchanges.jsonl", func(x gjson.Result) {
		body := x.Get("response.body").String()
		var tr Translator
		var vectors []gjson.Result
		var tokens int64
		switch x.Get("api").String() {
		case "cohere.embed":
			tr, vectors, tokens = newEmbeddingsCohere(Call{Send: "m"}), gjson.Get(body, "embeddings.float").Array(), gjson.Get(body, "meta.billed_units.input_tokens").Int()
		case "gemini.embedContent":
			tr, vectors, tokens = newEmbeddingsGemini(Call{Send: "m"}), gjson.Get(body, "embeddings.#.values").Array(), gjson.Get(body, "usageMetadata.promptTokenCount").Int()
		default:
			return
		}
		n++
		list := gjson.Parse(replied(tr, body))
		data := list.Get("data").Array()
		if len(data) == 0 || len(data) != len(vectors) || list.Get("usage.prompt_tokens").Int() != tokens {
			t.Errorf("%s: %d vectors of %d, usage %s", x.Get("id"), len(data), len(vectors), list.Get("usage"))
			return
		}
		for i := range data {
			if got := data[i].Get("embedding").Array(); len(got) < 256 || !sameVector(got, vectors[i].Array()) {
				t.Errorf("%s: vector %d differs", x.Get("id"), i)
			}
		}
		if g, ok := tr.(*embeddingsGemini); ok {
			g.base64 = true
			raw, _ := base64.StdEncoding.DecodeString(gjson.Get(replied(g, body), "data.0.embedding").Str)
			for i, v := range vectors[0].Array() {
				if f := math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])); f != float32(v.Num) {
					t.Errorf("%s: value %d is %g, want %g", x.Get("id"), i, f, v.Num)
				}
			}
		}
	})
	t.Logf("%d replies", n)
	if n < 6 {
		t.Errorf("only %d replies", n)
	}
}

func sameVector(a, b []gjson.Result) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Raw != b[i].Raw {
			return false
		}
	}
	return true
}

func FuzzEmbeddings(f *testing.F) {
	f.Add(`{"input":["a","b"],"dimensions":1,"input_type":"clustering"}`, `{"embeddings":{"float":[[1]]},"meta":{"billed_units":{"input_tokens":1}}}`)
	f.Add(`{"input":"a","encoding_format":"base64"}`, `{"embeddings":[{"values":[1,"x"]}],"usageMetadata":[]}`)
	f.Add(`{"input":[[1]]}`, `{"error":7,"message":"m"}`)
	f.Fuzz(func(t *testing.T, request, reply string) {
		for _, tr := range []Translator{newEmbeddingsCohere(Call{Send: "m"}), newEmbeddingsGemini(Call{Send: "m"})} {
			out, err := tr.Request(nil, []byte(request))
			if err != nil && len(out) > 0 || err == nil && !gjson.ValidBytes(out) {
				t.Errorf("%T: %v, and %s", tr, err, out)
			}
			if out, err = tr.Reply(nil, []byte(reply)); err == nil && !gjson.ValidBytes(out) {
				t.Errorf("%T: not JSON: %s", tr, out)
			}
		}
	})
}
