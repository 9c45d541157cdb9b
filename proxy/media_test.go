package proxy_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/llm"
)

// sentTo is the body of the request that the provider got last.
func (h *harness) sentTo() string {
	log := h.upstream.Requests()
	return string(log[len(log)-1].Body)
}

func TestModerations(t *testing.T) {
	h := newHarness(t, setup{})
	f := func(body, model, sent string) {
		t.Helper()
		got := h.send(http.MethodPost, "/v1/moderations", body)
		r := h.ledger.last(t, len(h.upstream.Requests()))
		if got.status != 200 || gjson.Get(got.body, "results.0.flagged").Raw != "false" || h.sentTo() != sent {
			t.Errorf("%s: %d %s\nthe provider got %s", body, got.status, got.body, h.sentTo())
		}
		if r.Endpoint != llm.EndpointModerations || r.Requested != model || r.Outcome != llm.OutcomeOK {
			t.Errorf("%s: record %+v", body, r)
		}
	}
	f(`{"input":"some text"}`, "omni-moderation-latest", `{"input":"some text"}`)
	f(`{"input":["one","two"],"model":"omni-moderation-latest"}`, "omni-moderation-latest", `{"input":["one","two"],"model":"omni-moderation-latest"}`)
	f(`{"model" : "openai/omni-moderation-latest","input":"x"}`, "openai/omni-moderation-latest", `{"model" : "omni-moderation-latest","input":"x"}`)
}

func TestImageGenerations(t *testing.T) {
	h := newHarness(t, setup{})
	body := `{"model":"gpt-image-1","prompt":"a red car" ,"n":2,"quality":"high"}`
	got := h.send(http.MethodPost, "/v1/images/generations", body)
	if got.status != 200 || gjson.Get(got.body, "data.#").Int() != 2 || gjson.Get(got.body, "data.0.b64_json").Str == "" || h.sentTo() != body {
		t.Fatalf("%d %.300s\nthe provider got %s", got.status, got.body, h.sentTo())
	}
	r := h.ledger.last(t, 1)
	u, rates := r.Usage(), r.Attempts[0].Rates
	want := rates.Cost(&llm.Usage{Input: gjson.Get(got.body, "usage.input_tokens_details.text_tokens").Int(), ImageOut: gjson.Get(got.body, "usage.output_tokens").Int()})
	if r.CostStatus() != llm.CostExact || r.Cost() != llm.Known(want) || want == 0 || u.OutputTokens() != 8320 || got.header.Get("X-Halfpenny-Cost-Usd") != want.String() {
		t.Errorf("record %+v, want cost %s", r, want)
	}
	usual := h.send(http.MethodPost, "/v1/images/generations", `{"prompt":"a red car"}`)
	if r := h.ledger.last(t, 2); usual.status != 200 || r.Model != "dall-e-2" || h.sentTo() != `{"prompt":"a red car"}` || r.CostStatus() == llm.CostExact && r.Cost().Money == 0 {
		t.Errorf("%d %.300s\nrecord %+v", usual.status, usual.body, r)
	}
	failed := h.send(http.MethodPost, "/v1/images/generations", `{"model":"gpt-image-1","prompt":"x","n":11}`)
	if failed.status != 400 || gjson.Get(failed.body, "error.param").Str != "n" {
		t.Errorf("%d %s", failed.status, failed.body)
	}
}

// Sound passes as it comes, with its type.
func TestSpeech(t *testing.T) {
	h := newHarness(t, setup{})
	f := func(format, kind string, begins string) {
		t.Helper()
		body := `{"input":"some words","voice":"alloy","response_format":"` + format + `","model":"openai/gpt-4o-mini-tts"}`
		got := h.send(http.MethodPost, "/v1/audio/speech", body)
		if want := strings.Replace(body, "openai/", "", 1); h.sentTo() != want {
			t.Errorf("the provider got %s", h.sentTo())
		}
		same := h.undisturbed("openai", "/audio/speech", h.sentTo())
		r := h.ledger.last(t, (len(h.upstream.Requests())+1)/2)
		if got.status != 200 || got.body != same || got.body == "" || got.header.Get("Content-Type") != kind || !strings.HasPrefix(got.body, begins) || got.err != nil {
			t.Errorf("%s: %d %v, %d bytes, want %d", format, got.status, got.header, len(got.body), len(same))
		}
		if r.Endpoint != llm.EndpointSpeech || r.Outcome != llm.OutcomeOK {
			t.Errorf("record %+v", r)
		}
	}
	f("mp3", "audio/mpeg", "\xff\xfb")
	f("wav", "audio/wav", "RIFF")
	f("pcm", "audio/pcm", "\x00")
}

// Speech that is streamed as events tells its usage.
func TestSpeechEvents(t *testing.T) {
	h := newHarness(t, setup{})
	got := h.send(http.MethodPost, "/v1/audio/speech", `{"model":"gpt-4o-mini-tts","input":"some words","voice":"alloy","stream_format":"sse"}`)
	list := events(got.body)
	last := list[len(list)-1]
	if got.status != 200 || !strings.HasPrefix(got.header.Get("Content-Type"), "text/event-stream") || gjson.Get(last, "type").Str != "speech.audio.done" || len(list) < 3 {
		t.Fatalf("%d %v %s", got.status, got.header, got.body)
	}
	r := h.ledger.last(t, 1)
	u := r.Usage()
	if r.Outcome != llm.OutcomeOK || !r.Stream || u.InputTokens() != gjson.Get(last, "usage.input_tokens").Int() || u.OutputTokens() != gjson.Get(last, "usage.output_tokens").Int() {
		t.Errorf("record %+v for %s", r, last)
	}
}

// upload is a multipart form with these fields, "name=value", and a file of sound.
func upload(t *testing.T, fields ...string) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, field := range fields {
		name, value, _ := strings.Cut(field, "=")
		if name != "file" {
			if err := w.WriteField(name, value); err != nil {
				t.Fatal(err)
			}
			continue
		}
		part, err := w.CreateFormFile("file", value)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(wav(2)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), "Content-Type: " + w.FormDataContentType()
}

// sendForm sends a form in pieces, since the harness's server, unlike the gateway's own,
// would write one of known length anew.
func (h *harness) sendForm(path, body, contentType string) reply {
	h.Helper()
	r := h.request(h.Context(), http.MethodPost, path, "", contentType)
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), -1
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		h.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(b), err}
}

// wav is a file of so many seconds of silence.
func wav(seconds int) []byte {
	const rate = 8000
	size := seconds * rate
	h := append([]byte(nil), "RIFF"...)
	h = binary.LittleEndian.AppendUint32(h, uint32(36+size))
	h = append(h, "WAVEfmt "...)
	h = binary.LittleEndian.AppendUint32(h, 16)
	for _, v := range []uint16{1, 1} {
		h = binary.LittleEndian.AppendUint16(h, v)
	}
	h = binary.LittleEndian.AppendUint32(h, rate)
	h = binary.LittleEndian.AppendUint32(h, rate)
	for _, v := range []uint16{1, 8} {
		h = binary.LittleEndian.AppendUint16(h, v)
	}
	h = append(h, "data"...)
	h = binary.LittleEndian.AppendUint32(h, uint32(size))
	return append(h, bytes.Repeat([]byte("\r\n\x80-"), size/4)...)
}

// Sound goes up in a form, of which the model's name alone may change.
func TestTranscriptions(t *testing.T) {
	h := newHarness(t, setup{})
	n := 0
	f := func(path string, e llm.Endpoint, read func(reply) string, fields ...string) {
		t.Helper()
		body, kind := upload(t, fields...)
		got := h.sendForm(path, body, kind)
		n++
		r := h.ledger.last(t, n)
		if want := strings.Replace(body, "\r\nopenai/", "\r\n", 1); h.sentTo() != want {
			t.Errorf("%v: the provider got %d bytes, want %d: %.300s", fields, len(h.sentTo()), len(want), h.sentTo())
		}
		if text := read(got); got.status != 200 || !strings.HasPrefix(text, "This is a simulated answer.") || got.err != nil {
			t.Errorf("%v: %d %v %s", fields, got.status, got.header, got.body)
		}
		status := llm.CostExact
		if strings.HasPrefix(got.header.Get("Content-Type"), "text/plain") { // a bare text reports no usage
			status = llm.CostEstimated
		}
		if r.Endpoint != e || r.Outcome != llm.OutcomeOK || r.CostStatus() != status || status == llm.CostExact && r.Cost().Money == 0 {
			t.Errorf("%v: record %+v", fields, r)
		}
	}
	object := func(r reply) string { return gjson.Get(r.body, "text").Str }
	text := func(r reply) string {
		if r.header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%v", r.header)
		}
		return r.body
	}
	streamed := func(r reply) (said string) {
		list := events(r.body)
		for _, e := range list {
			said += gjson.Get(e, "delta").Str
		}
		if last := list[len(list)-1]; gjson.Get(last, "type").Str != "transcript.text.done" || gjson.Get(last, "text").Str != said {
			t.Errorf("%s", r.body)
		}
		return said
	}
	const to, from = "/v1/audio/transcriptions", "/v1/audio/translations"
	f(to, llm.EndpointTranscriptions, object, "model=gpt-4o-transcribe", "file=a.wav", "prompt=names")
	f(to, llm.EndpointTranscriptions, object, "file=a.wav", "model=openai/gpt-4o-transcribe", "language=en", "x_unknown=1")
	f(to, llm.EndpointTranscriptions, text, "file=a.wav", "response_format=text", "model=openai/gpt-4o-transcribe")
	f(to, llm.EndpointTranscriptions, object, "file=a.wav", "response_format=verbose_json", "model=whisper-1", "timestamp_granularities[]=word", "timestamp_granularities[]=segment")
	f(to, llm.EndpointTranscriptions, streamed, "file=a.wav", "model=gpt-4o-transcribe", "stream=true")
	f(from, llm.EndpointTranslations, object, "file=a.wav", "model=openai/whisper-1")
	f(from, llm.EndpointTranslations, text, "file=a.wav", "model=whisper-1", "response_format=text")
	if r := h.ledger.last(t, 5); !r.Stream {
		t.Errorf("record %+v", r)
	}
	if r := h.ledger.last(t, 4); r.Cost().Money.String() != "0.0003" { // 3 seconds of an hour at $0.36
		t.Errorf("record %+v", r)
	}
}

// The same form, streamed or not, costs the same.
func TestTranscriptionCost(t *testing.T) {
	h := newHarness(t, setup{})
	for _, more := range [][]string{nil, {"stream=true"}} {
		body, kind := upload(t, append([]string{"model=gpt-4o-transcribe", "file=a.wav"}, more...)...)
		if got := h.sendForm("/v1/audio/transcriptions", body, kind); got.status != 200 {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	one, two := h.ledger.last(t, 1), h.ledger.last(t, 2)
	u := one.Usage()
	if one.Cost() != two.Cost() || u.AudioIn == 0 || u.OutputTokens() == 0 || one.Cost() != llm.Known(one.Attempts[0].Rates.Cost(&u)) {
		t.Errorf("%+v\n%+v", one, two)
	}
}

func TestMediaRefuses(t *testing.T) {
	h := newHarness(t, setup{})
	f := func(path, body, kind, param string) {
		t.Helper()
		got := h.sendForm(path, body, kind)
		if got.status != 400 || gjson.Get(got.body, "error.param").Str != param || gjson.Get(got.body, "error.message").Str == "" {
			t.Errorf("%s %.200s: %d %s", path, body, got.status, got.body)
		}
	}
	form := func(param string, fields ...string) {
		t.Helper()
		body, kind := upload(t, fields...)
		f("/v1/audio/transcriptions", body, kind, param)
		f("/v1/audio/translations", body, kind, param)
	}
	form("model", "file=a.wav")
	form("model", "file=a.wav", "model=")
	form("model", "file=a.wav", "model=gpt-4o-mini")
	form("model", "file=a.wav", "model=auto")
	form("file", "model=whisper-1")
	whole, kind := upload(t, "model=whisper-1", "file=a.wav")
	f("/v1/audio/transcriptions", whole[:len(whole)/2], kind, "")
	f("/v1/audio/transcriptions", whole, "Content-Type: multipart/form-data", "")
	f("/v1/audio/transcriptions", whole, "Content-Type: multipart/form-data; boundary=other", "")
	f("/v1/audio/transcriptions", `{"model":"whisper-1"}`, "Content-Type: application/json", "")
	const json = "Content-Type: application/json"
	f("/v1/moderations", `{}`, json, "input")
	f("/v1/moderations", `{"input":"x","model":"gpt-4o-mini"}`, json, "model")
	f("/v1/images/generations", `{"model":"gpt-image-1"}`, json, "prompt")
	f("/v1/images/generations", `{"model":"gpt-image-1","prompt":"x","n":0}`, json, "n")
	f("/v1/images/generations", `{"model":"gpt-4o-mini","prompt":"x"}`, json, "model")
	f("/v1/audio/speech", `{"model":"gpt-4o-mini-tts","voice":"alloy"}`, json, "input")
	f("/v1/audio/speech", `{"input":"x","voice":"alloy"}`, json, "model")
	f("/v1/audio/speech", `{"model":"whisper-1","input":"x","voice":"alloy"}`, json, "model")
	if n := len(h.upstream.Requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// Gemini's and Cohere's embeddings come in OpenAI's dialect, as numbers and as base64.
func TestEmbeddingsTranslated(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"gemini", "cohere"}})
	n := 0
	for _, model := range []string{"gemini-embedding-001", "embed-v4.0"} {
		f := func(more string) (vectors [][]float64) {
			t.Helper()
			got := h.send(http.MethodPost, "/v1/embeddings", fmt.Sprintf(`{"model":%q,"input":["one text","another text"]%s}`, model, more))
			n++
			r := h.ledger.last(t, n)
			if got.status != 200 || gjson.Get(got.body, "object").Str != "list" || gjson.Get(got.body, "data.#").Int() != 2 || gjson.Get(got.body, "data.1.index").Int() != 1 {
				t.Fatalf("%s: %d %.300s", model, got.status, got.body)
			}
			if u := r.Usage(); r.Endpoint != llm.EndpointEmbeddings || !r.Cost().Valid || r.Cost().Money == 0 || u.Output != 0 {
				t.Errorf("%s: record %+v", model, r)
			}
			for _, e := range gjson.Get(got.body, "data.#.embedding").Array() {
				vectors = append(vectors, vector(t, e))
			}
			return vectors
		}
		plain, packed := f(""), f(`,"encoding_format":"base64"`)
		short := f(`,"dimensions":256`)
		if len(plain[0]) < 256 || len(short[0]) != 256 || len(packed[0]) != len(plain[0]) || norm(plain[0]) == 0 || fmt.Sprint(plain[0][:3]) == fmt.Sprint(plain[1][:3]) {
			t.Errorf("%s: %d, %d and %d dimensions", model, len(plain[0]), len(packed[0]), len(short[0]))
		}
		for i := range plain[0] {
			if math.Abs(plain[0][i]-packed[0][i]) > 1e-6 {
				t.Fatalf("%s: %v is not %v", model, plain[0][i], packed[0][i])
			}
		}
		if got := h.send(http.MethodPost, "/v1/embeddings", fmt.Sprintf(`{"model":%q,"input":[[1,2,3]]}`, model)); got.status != 400 || !strings.HasPrefix(gjson.Get(got.body, "error.param").Str, "input") {
			t.Errorf("%s: %d %s", model, got.status, got.body)
		}
	}
}

// vector reads an embedding: numbers, or the base64 of little-endian 32-bit floats.
func vector(t *testing.T, e gjson.Result) (v []float64) {
	t.Helper()
	if e.Type != gjson.String {
		for _, x := range e.Array() {
			v = append(v, x.Num)
		}
		return v
	}
	raw, err := base64.StdEncoding.DecodeString(e.Str)
	if err != nil {
		t.Fatal(err)
	}
	for ; len(raw) >= 4; raw = raw[4:] {
		v = append(v, float64(math.Float32frombits(binary.LittleEndian.Uint32(raw))))
	}
	return v
}

func norm(v []float64) (sum float64) {
	for _, x := range v {
		sum += x * x
	}
	return math.Sqrt(sum)
}
