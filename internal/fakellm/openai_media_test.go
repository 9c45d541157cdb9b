package fakellm

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"image/png"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
)

type made struct {
	Created int64
	Data    []struct {
		Data    string `json:"b64_json"`
		Revised string `json:"revised_prompt"`
	}
	Usage *struct {
		Input   int64            `json:"input_tokens"`
		Output  int64            `json:"output_tokens"`
		Total   int64            `json:"total_tokens"`
		Details map[string]int64 `json:"input_tokens_details"`
	}
}

func TestImages(t *testing.T) {
	s, c := start(t, Options{})
	f := func(body string, n int, output int64) {
		t.Helper()
		status, reply, err := post(t, s, c, "/images/generations", body)
		var m made
		if err != nil || status != 200 || json.Unmarshal([]byte(reply), &m) != nil || len(m.Data) != n || m.Created == 0 {
			t.Fatal(status, reply, err)
		}
		for _, d := range m.Data {
			raw, err := base64.StdEncoding.DecodeString(d.Data)
			if _, bad := png.Decode(bytes.NewReader(raw)); err != nil || bad != nil || (d.Revised != "") == (output > 0) {
				t.Error(err, bad, reply)
			}
		}
		if n == 2 && m.Data[0] == m.Data[1] {
			t.Error("the images are the same")
		}
		if u := m.Usage; (u != nil) != (output > 0) || u != nil && (u.Input != 3 || u.Output != output || u.Total != output+3 || u.Details["text_tokens"] != 3) {
			t.Error(reply)
		}
	}
	f(`{"model":"gpt-image-1","prompt":"a red car"}`, 1, 272)
	f(`{"model":"gpt-image-1","prompt":"a red car","n":2,"quality":"high"}`, 2, 8320)
	f(`{"model":"dall-e-2","prompt":"a red car","n":2,"response_format":"b64_json"}`, 2, 0)
	f(`{"prompt":"a red car"}`, 1, 0)
	bad := func(body, want string) {
		t.Helper()
		if status, reply, _ := post(t, s, c, "/images/generations", body); status != 400 || !strings.Contains(reply, want) {
			t.Error(body, status, reply)
		}
	}
	bad(`{`, "could not parse")
	bad(`{"model":"gpt-image-1"}`, "'prompt'")
	bad(`{"model":"gpt-image-1","prompt":"x","n":11}`, `"param":"n"`)
	bad(`{"model":"gpt-image-1","prompt":"x","response_format":"b64_json"}`, "unknown_parameter")
	bad(`{"model":"gpt-image-1","prompt":"x","stream":true}`, "streams no images")
	bad(`{"model":"dall-e-3","prompt":"x","n":2}`, "n=1")
	if status, _, _ := post(t, s, c, "/images/generations", `{"prompt":"[[halfpenny:status=503]]"}`); status != 503 {
		t.Error(status)
	}
	if _, reply, _ := post(t, s, c, "/images/generations", `{"model":"gpt-image-1","prompt":"[[halfpenny:nousage]]"}`); strings.Contains(reply, "usage") {
		t.Error(reply)
	}
}

func TestSpeech(t *testing.T) {
	s, c := start(t, Options{})
	ask := func(more string) (*http.Response, string) {
		t.Helper()
		resp, reply, err := send(t, c, s.BaseURL("openai")+"/audio/speech", `{"model":"gpt-4o-mini-tts","voice":"alloy"`+more+`}`)
		if err != nil {
			t.Fatal(err)
		}
		return resp, reply
	}
	f := func(more, kind string, ok func(string) bool) {
		t.Helper()
		if resp, reply := ask(more); resp.StatusCode != 200 || resp.Header.Get("Content-Type") != kind || !ok(reply) {
			t.Errorf("%s → %d %s, %d bytes", more, resp.StatusCode, resp.Header, len(reply))
		}
		resp, stream := ask(more + `,"stream_format":"sse"`)
		_, whole := ask(more)
		var said []byte
		tokens := int64(0)
		for _, data := range events(t, stream) {
			var e struct {
				Type  string
				Audio []byte
				Usage map[string]int64
			}
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				t.Fatal(err, data)
			}
			said = append(said, e.Audio...)
			if e.Type == "speech.audio.done" && e.Usage["output_tokens"] == tokens && e.Usage["total_tokens"] == tokens+e.Usage["input_tokens"] && tokens > 0 {
				tokens = -1
			}
			tokens++
		}
		if string(said) != whole || tokens != 0 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
			t.Errorf("%s: %d bytes, streamed %d, %d", more, len(whole), len(said), tokens)
		}
	}
	f(`,"input":"hello"`, "audio/mpeg", func(b string) bool { return strings.HasPrefix(b, "\xff\xfb") && len(b)%mp3Frame == 0 })
	f(`,"input":"hello","response_format":"wav"`, "audio/wav", func(b string) bool {
		return strings.HasPrefix(b, "RIFF") && int(binary.LittleEndian.Uint32([]byte(b[4:])))+8 == len(b) && int(binary.LittleEndian.Uint32([]byte(b[40:])))+wavHeader == len(b)
	})
	f(`,"input":"hello","response_format":"pcm"`, "audio/pcm", func(b string) bool { return len(b)%pcmPiece == 0 && b != "" })
	bad := func(body, want string) {
		t.Helper()
		if status, reply, _ := post(t, s, c, "/audio/speech", body); status != 400 || !strings.Contains(reply, want) {
			t.Error(body, status, reply)
		}
	}
	bad(`{`, "could not parse")
	bad(`{"voice":"alloy","input":"x"}`, "model")
	bad(`{"model":"tts-1","voice":"alloy"}`, "'input'")
	bad(`{"model":"tts-1","input":"x"}`, "'voice'")
	bad(`{"model":"tts-1","voice":"alloy","input":"x","response_format":"words"}`, "'words'")
	bad(`{"model":"tts-1","voice":"alloy","input":"x","stream_format":"words"}`, "stream_format")
	bad(`{"model":"tts-1","voice":"alloy","input":"x","stream_format":"sse"}`, "not supported with model 'tts-1'")
	if resp, reply := ask(`,"input":"[[halfpenny:status=503]]"`); resp.StatusCode != 503 || resp.Header.Get("Content-Type") != "application/json" {
		t.Error(reply)
	}
	if _, reply := ask(`,"input":"[[halfpenny:truncate=2]]","stream_format":"sse"`); strings.Count(reply, "delta") != 2 || strings.Contains(reply, "done") {
		t.Error(reply)
	}
}

// hear sends a file of audio, and fields given as name, value, ….
func hear(t *testing.T, s *Server, c *http.Client, task string, file []byte, fields ...string) (*http.Response, string, error) {
	t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		_ = form.WriteField(fields[i], fields[i+1])
	}
	if file != nil {
		w, _ := form.CreateFormFile("file", "a.wav")
		_, _ = w.Write(file)
	}
	_ = form.Close()
	return send(t, c, s.BaseURL("openai")+"/audio/"+task, b.String(), "Content-Type", form.FormDataContentType())
}

func TestTranscriptions(t *testing.T) {
	s, c := start(t, Options{})
	// Two seconds and a half of silence.
	const samples = sampleRate * sampleBytes * 5 / 2
	file := append(riff(samples), make([]byte, samples)...)
	const tokens, whisper = "gpt-4o-transcribe", "whisper-1"
	plain := ""
	f := func(kind string, ok func(string) bool, task string, fields ...string) {
		t.Helper()
		resp, reply, err := hear(t, s, c, task, file, fields...)
		if err != nil || resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), kind) || !ok(reply) {
			t.Errorf("%v → %d %s %s", fields, resp.StatusCode, resp.Header, reply)
		}
	}
	has := func(parts ...string) func(string) bool {
		return func(reply string) bool {
			for _, p := range parts {
				if !strings.Contains(reply, p) {
					return false
				}
			}
			return true
		}
	}
	const jsons, words, said = "application/json", "text/plain", "This is a simulated answer."
	f(jsons, func(reply string) bool {
		var a struct {
			Text  string
			Usage struct {
				Type          string
				Input, Output int64
			}
		}
		err := json.Unmarshal([]byte(reply), &a)
		plain = a.Text
		return err == nil && strings.HasPrefix(plain, said) && a.Usage.Type == "tokens" && has(`"input_tokens":27`, `"input_token_details":{"audio_tokens":26,"text_tokens":1}`)(reply)
	}, "transcriptions", "model", tokens, "prompt", "hint")
	f(jsons, has(`{"text":"`+said, `"usage":{"type":"duration","seconds":3}}`), "transcriptions", "model", whisper)
	f(jsons, has(`{"text":"`+said, `"usage":{"type":"duration","seconds":3}}`), "translations", "model", whisper, "stream", "true")
	f(jsons, has(`{"task":"transcribe","language":"english","duration":2.5,`, `"segments":[{"id":0,`, `"end":2.5,`), "transcriptions", "model", whisper, "response_format", "verbose_json")
	f(jsons, has(`{"task":"translate"`), "translations", "model", whisper, "response_format", "verbose_json")
	f(words, func(reply string) bool { return strings.HasPrefix(reply, said) }, "transcriptions", "model", whisper, "response_format", "text")
	f(words, has("1\n00:00:00,000 --> 00:00:02,500\n"+said), "transcriptions", "model", whisper, "response_format", "srt")
	f(words, has("WEBVTT\n\n00:00:00.000 --> 00:00:02.500\n"+said), "transcriptions", "model", whisper, "response_format", "vtt")
	f("text/event-stream", func(reply string) bool {
		var text string
		all := events(t, reply)
		for _, data := range all {
			var e struct{ Type, Delta, Text string }
			if json.Unmarshal([]byte(data), &e) != nil || e.Type == "transcript.text.done" && e.Text != text {
				return false
			}
			text += e.Delta
		}
		return text == plain && strings.Contains(all[len(all)-1], `"usage":{"type":"tokens"`)
	}, "transcriptions", "model", tokens, "prompt", "hint", "stream", "true")

	bad := func(want string, file []byte, fields ...string) {
		t.Helper()
		if resp, reply, _ := hear(t, s, c, "transcriptions", file, fields...); resp.StatusCode != 400 || !strings.Contains(reply, want) {
			t.Error(fields, resp.StatusCode, reply)
		}
	}
	bad("'file'", nil, "model", whisper)
	bad("model", file)
	bad("'words'", file, "model", whisper, "response_format", "words")
	bad("Use 'json' or 'text' instead", file, "model", tokens, "response_format", "srt")
	if status, reply, _ := post(t, s, c, "/audio/transcriptions", `{}`); status != 400 || !strings.Contains(reply, "expected multipart/form-data") {
		t.Error(reply)
	}
	resp, reply, _ := send(t, c, s.BaseURL("openai")+"/audio/transcriptions", "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nabc", "Content-Type", "multipart/form-data; boundary=b")
	if resp.StatusCode != 400 || !strings.Contains(reply, "Could not parse multipart form") {
		t.Error(reply)
	}
	if resp, reply, _ := hear(t, s, c, "transcriptions", file, "model", tokens, "prompt", "[[halfpenny:status=429]]"); resp.StatusCode != 429 {
		t.Error(reply)
	}
	if _, reply, _ := hear(t, s, c, "transcriptions", []byte("other"), "model", tokens, "prompt", "hint"); strings.Contains(reply, plain) {
		t.Error("another file says the same", reply)
	}
}
