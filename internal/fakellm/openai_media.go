package fakellm

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"iter"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxImages    = 10
	maxFormField = 1 << 20 // bytes of a field that is no file
)

// images is https://platform.openai.com/docs/api-reference/images/create. The images
// are tiny, come as base64 always, and depend on the prompt and their place alone.
type images struct {
	openai
	n             int
	size, quality string
	background    string
	tokens        bool // the model is billed by tokens, as those called gpt-image are
}

// imageTokens are what an image of 1024×1024 costs, by its quality.
var imageTokens = map[string]int64{"low": 272, "medium": 1056, "high": 4160}

func (d *images) parse(_ *http.Request, body []byte) (*request, error) {
	b := struct {
		Model      string  `json:"model"`
		Prompt     string  `json:"prompt"`
		N          int     `json:"n"`
		Size       string  `json:"size"`
		Quality    string  `json:"quality"`
		Background string  `json:"background"`
		Format     *string `json:"response_format"`
		Stream     bool    `json:"stream"`
	}{Model: "dall-e-2", N: 1}
	if err := json.Unmarshal(body, &b); err != nil {
		return nil, wrong("", "", "We could not parse the JSON body of your request. (%v)", err)
	}
	d.n, d.size, d.quality, d.background = b.N, b.Size, b.Quality, b.Background
	d.tokens = !strings.HasPrefix(b.Model, "dall-e")
	if imageTokens[d.quality] == 0 {
		d.quality = "low"
	}
	if d.size == "" || d.size == "auto" {
		d.size = "1024x1024"
	}
	if d.background == "" || d.background == "auto" {
		d.background = "opaque"
	}
	switch {
	case b.Prompt == "":
		return nil, missingParameter("prompt")
	case b.N < 1 || b.N > maxImages:
		return nil, wrong("n", "", "Invalid value: n must be between 1 and %d.", maxImages)
	case b.Stream:
		return nil, wrong("stream", "unsupported_value", "The simulation streams no images.")
	case d.tokens && b.Format != nil:
		return nil, wrong("response_format", "unknown_parameter", "Unknown parameter: 'response_format'.")
	case b.Model == "dall-e-3" && b.N > 1:
		return nil, wrong("n", "", "You must provide n=1 for this model.")
	}
	return inputs{{b.Prompt, int64(len(b.Prompt)+3) / 4}}.request(b.Model)
}

func (d *images) whole(a *answer) []byte {
	type made struct {
		Data    string `json:"b64_json"`
		Revised string `json:"revised_prompt,omitempty"`
	}
	prompt := a.request.lastUserText()
	data := make([]made, d.n)
	for i := range data {
		data[i].Data = base64.StdEncoding.EncodeToString(picture(prompt + strconv.Itoa(i)))
		if !d.tokens {
			data[i].Revised = prompt
		}
	}
	if !d.tokens {
		return encode(struct {
			Created int64  `json:"created"`
			Data    []made `json:"data"`
		}{a.created, data})
	}
	type usage struct {
		Input        int64            `json:"input_tokens"`
		InputDetails map[string]int64 `json:"input_tokens_details"`
		Output       int64            `json:"output_tokens"`
		Total        int64            `json:"total_tokens"`
	}
	var u *usage
	if in, out := a.usage.prompt, int64(d.n)*imageTokens[d.quality]; !a.script.NoUsage {
		u = &usage{in, map[string]int64{"image_tokens": 0, "text_tokens": in}, out, in + out}
	}
	return encode(struct {
		Created    int64  `json:"created"`
		Background string `json:"background"`
		Data       []made `json:"data"`
		Format     string `json:"output_format"`
		Quality    string `json:"quality"`
		Size       string `json:"size"`
		Usage      *usage `json:"usage,omitempty"`
	}{a.created, d.background, data, "png", d.quality, d.size, u})
}

// picture is a PNG of one colour.
func picture(text string) []byte {
	const side = 8
	r := textRand(text)
	colour := color.RGBA{uint8(r.Uint32()), uint8(r.Uint32()), uint8(r.Uint32()), 255}
	img := image.NewRGBA(image.Rect(0, 0, side, side))
	for i := range side * side {
		img.SetRGBA(i%side, i/side, colour)
	}
	var b bytes.Buffer
	_ = png.Encode(&b, img)
	return b.Bytes()
}

// speech is https://platform.openai.com/docs/api-reference/audio/createSpeech. It says
// nothing: each token is a moment of silence.
type speech struct {
	openai
	format string
}

// audioTypes are the formats in which the simulation can be silent.
var audioTypes = map[string]string{"mp3": "audio/mpeg", "wav": "audio/wav", "pcm": "audio/pcm"}

func (d *speech) parse(_ *http.Request, body []byte) (*request, error) {
	b := struct {
		Model  string          `json:"model"`
		Input  string          `json:"input"`
		Voice  json.RawMessage `json:"voice"`
		Format string          `json:"response_format"`
		Stream string          `json:"stream_format"`
	}{Format: "mp3", Stream: "audio"}
	if err := json.Unmarshal(body, &b); err != nil {
		return nil, wrong("", "", "We could not parse the JSON body of your request. (%v)", err)
	}
	d.format = b.Format
	switch {
	case b.Model == "":
		return nil, errNoModel
	case b.Input == "":
		return nil, missingParameter("input")
	case len(b.Voice) == 0:
		return nil, missingParameter("voice")
	case audioTypes[b.Format] == "":
		return nil, unsupportedValue("response_format", b.Format, "mp3", "pcm", "wav")
	case b.Stream != "audio" && b.Stream != "sse":
		return nil, unsupportedValue("stream_format", b.Stream, "audio", "sse")
	case b.Stream == "sse" && strings.HasPrefix(b.Model, "tts-1"):
		return nil, wrong("stream_format", "unsupported_value", "stream_format 'sse' is not supported with model '%s'.", b.Model)
	}
	q, err := inputs{{b.Input, int64(len(b.Input)+3) / 4}}.request(b.Model)
	if err == nil {
		q.N, q.Stream = 1, b.Stream == "sse"
	}
	return q, err
}

func (d *speech) contentType(stream bool) string {
	if stream {
		return eventStream(true)
	}
	return audioTypes[d.format]
}

func (d *speech) whole(a *answer) []byte {
	all := []byte{}
	for i := range a.choices[0].pieces {
		all = append(all, d.silence(a, i)...)
	}
	return all
}

// Sizes of silence.
const (
	mp3Frame    = 104 // bytes of 26 ms: MPEG-1 layer III, 32 kbit/s, 44.1 kHz, one channel
	sampleRate  = 24_000
	sampleBytes = 2
	pcmPiece    = sampleRate / 50 * sampleBytes // 20 ms
	wavHeader   = 44
)

// silence is what stands for one token of the answer; the first one has the header.
func (d *speech) silence(a *answer, token int) []byte {
	if d.format == "mp3" {
		return append([]byte{0xff, 0xfb, 0x10, 0xc4}, make([]byte, mp3Frame-4)...)
	}
	quiet := make([]byte, pcmPiece)
	if d.format == "wav" && token == 0 {
		return append(riff(len(a.choices[0].pieces)*pcmPiece), quiet...)
	}
	return quiet
}

// riff is the header of a WAV file with so many bytes of samples.
func riff(size int) []byte {
	h := append(make([]byte, 0, wavHeader), "RIFF"...)
	h = binary.LittleEndian.AppendUint32(h, uint32(wavHeader-8+size))
	h = append(h, "WAVEfmt "...)
	h = binary.LittleEndian.AppendUint32(h, 16) // bytes of the format
	h = binary.LittleEndian.AppendUint16(h, 1)  // uncompressed
	h = binary.LittleEndian.AppendUint16(h, 1)  // channels
	h = binary.LittleEndian.AppendUint32(h, sampleRate)
	h = binary.LittleEndian.AppendUint32(h, sampleRate*sampleBytes)
	h = binary.LittleEndian.AppendUint16(h, sampleBytes)
	h = binary.LittleEndian.AppendUint16(h, 8*sampleBytes)
	h = append(h, "data"...)
	return binary.LittleEndian.AppendUint32(h, uint32(size))
}

func (d *speech) events(a *answer) iter.Seq[event] {
	return func(yield func(event) bool) {
		for i := range a.choices[0].pieces {
			if !yield(event{stage: content, data: typed("speech.audio.delta", map[string][]byte{"audio": d.silence(a, i)})}) {
				return
			}
		}
		var usage any
		if u := a.usage; !a.script.NoUsage {
			usage = map[string]any{"usage": map[string]int64{"input_tokens": u.prompt, "output_tokens": u.output, "total_tokens": u.prompt + u.output}}
		}
		yield(event{stage: last, data: typed("speech.audio.done", usage)})
	}
}

// transcription is https://platform.openai.com/docs/api-reference/audio/createTranscription
// and createTranslation. The text is generated, and depends on the file too.
type transcription struct {
	openai
	task    string // transcribe or translate
	format  string
	seconds float64
	tokens  bool // the model is billed by tokens, as those but Whisper are
}

const (
	tokensPerSecond = 10     // of audio
	bytesPerSecond  = 16_000 // of audio whose header does not say
)

func (d *transcription) parse(r *http.Request, body []byte) (*request, error) {
	form, file, err := readForm(r, body)
	if err != nil {
		return nil, err
	}
	model := form["model"]
	d.tokens, d.seconds, d.format = !strings.HasPrefix(model, "whisper"), duration(file), form["response_format"]
	if d.format == "" {
		d.format = "json"
	}
	supported := []string{"json", "text", "srt", "verbose_json", "vtt"}
	switch {
	case len(file) == 0:
		return nil, missingParameter("file")
	case model == "":
		return nil, errNoModel
	case !slices.Contains(supported, d.format):
		return nil, unsupportedValue("response_format", d.format, supported...)
	case d.tokens && d.format != "json" && d.format != "text":
		return nil, wrong("response_format", "unsupported_value",
			"response_format '%s' is not compatible with model '%s'. Use 'json' or 'text' instead.", d.format, model)
	}
	said := input{form["prompt"], int64(len(form["prompt"])+3) / 4}
	q, err := inputs{said, {tokens: d.audioTokens()}}.request(model)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(file)
	q.Messages = append([]message{newMessage("system", hex.EncodeToString(sum[:]), 0)}, q.Messages...)
	// As with the real one, Whisper does not stream, and says nothing of it.
	q.N, q.Stream = 1, form["stream"] == "true" && d.tokens
	return q, nil
}

func (d *transcription) audioTokens() int64 { return int64(d.seconds*tokensPerSecond) + 1 }

// readForm returns the fields of a form, of those with the same name the last, and its file.
func readForm(r *http.Request, body []byte) (fields map[string]string, file []byte, err error) {
	kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "multipart/form-data" || params["boundary"] == "" {
		return nil, nil, wrong("", "", "Invalid Content-Type header (%s), expected multipart/form-data.", kind)
	}
	fields = map[string]string{}
	form := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return fields, file, nil
		}
		if err != nil {
			return nil, nil, wrong("", "", "Could not parse multipart form: %v", err)
		}
		limit := int64(maxFormField)
		if part.FormName() == "file" {
			limit = maxBody
		}
		value, err := io.ReadAll(io.LimitReader(part, limit))
		if err != nil {
			return nil, nil, wrong("", "", "Could not parse multipart form: %v", err)
		}
		if part.FormName() == "file" {
			file = value
		} else {
			fields[part.FormName()] = string(value)
		}
	}
}

// duration is how many seconds the audio of a file lasts: a WAV says it, of others it is guessed.
func duration(file []byte) float64 {
	rate := bytesPerSecond
	if len(file) > wavHeader && string(file[:4]) == "RIFF" {
		rate = max(1, int(binary.LittleEndian.Uint32(file[28:])))
		file = file[wavHeader:]
	}
	return float64(len(file)) / float64(rate)
}

func (d *transcription) usage(a *answer) any {
	switch {
	case a.script.NoUsage:
		return nil
	case !d.tokens:
		return struct {
			Type    string `json:"type"`
			Seconds int64  `json:"seconds"`
		}{"duration", int64(d.seconds) + 1}
	}
	u, audio := a.usage, d.audioTokens()
	return struct {
		Type    string           `json:"type"`
		Total   int64            `json:"total_tokens"`
		Input   int64            `json:"input_tokens"`
		Details map[string]int64 `json:"input_token_details"`
		Output  int64            `json:"output_tokens"`
	}{"tokens", u.prompt + u.output, u.prompt, map[string]int64{"text_tokens": u.prompt - audio, "audio_tokens": audio}, u.output}
}

func (d *transcription) contentType(stream bool) string {
	if stream || strings.HasSuffix(d.format, "json") {
		return eventStream(stream)
	}
	return "text/plain; charset=utf-8"
}

func (d *transcription) whole(a *answer) []byte {
	text := a.choices[0].said()
	end := time.Duration(d.seconds * float64(time.Second))
	switch d.format {
	case "text":
		return []byte(text + "\n")
	case "srt":
		return fmt.Appendf(nil, "1\n%s --> %s\n%s\n\n", clock(0, ","), clock(end, ","), text)
	case "vtt":
		return fmt.Appendf(nil, "WEBVTT\n\n%s --> %s\n%s\n\n", clock(0, "."), clock(end, "."), text)
	case "verbose_json":
		return encode(struct {
			Task     string    `json:"task"`
			Language string    `json:"language"`
			Duration float64   `json:"duration"`
			Text     string    `json:"text"`
			Segments []segment `json:"segments"`
			Usage    any       `json:"usage,omitempty"`
		}{d.task, "english", d.seconds, text, []segment{{End: d.seconds, Text: text, Tokens: []int{}, Compression: 1}}, d.usage(a)})
	}
	return encode(struct {
		Text  string `json:"text"`
		Usage any    `json:"usage,omitempty"`
	}{text, d.usage(a)})
}

// segment is a part of what is said; the simulation has one.
type segment struct {
	ID          int     `json:"id"`
	Seek        int     `json:"seek"`
	Start       float64 `json:"start"` // seconds
	End         float64 `json:"end"`
	Text        string  `json:"text"`
	Tokens      []int   `json:"tokens"`
	Temperature float64 `json:"temperature"`
	Logprob     float64 `json:"avg_logprob"`
	Compression float64 `json:"compression_ratio"`
	NoSpeech    float64 `json:"no_speech_prob"`
}

// clock is a time in a file of subtitles.
func clock(d time.Duration, point string) string {
	return fmt.Sprintf("%02d:%02d:%02d%s%03d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60, point, d.Milliseconds()%1000)
}

func (d *transcription) events(a *answer) iter.Seq[event] {
	return func(yield func(event) bool) {
		for _, piece := range a.choices[0].pieces {
			if !yield(event{stage: content, data: typed("transcript.text.delta", map[string]string{"delta": piece})}) {
				return
			}
		}
		yield(event{stage: last, data: typed("transcript.text.done", struct {
			Text  string `json:"text"`
			Usage any    `json:"usage,omitempty"`
		}{a.choices[0].said(), d.usage(a)})})
	}
}
