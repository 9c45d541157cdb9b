package provider

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// geminiSkipSignature stands for the signature of a call that has none, because another
// model made it or the caller's SDK lost it; Gemini 3 refuses the first call of a
// step without one: https://ai.google.dev/gemini-api/docs/thought-signatures (FAQ).
const geminiSkipSignature = `"skip_thought_signature_validator"`

// messages writes the contents and gathers the system instruction.
func (r *geminiRequest) messages() {
	list := r.field("messages")
	if len(list) == 0 || list[0] != '[' {
		r.fail("messages", "not an array")
		return
	}
	i := 0
	jsonscan.Items(list, func(_, m []byte) {
		back := r.in("messages", i)
		r.message(m)
		r.at = r.at[:back]
		i++
	})
	if r.role == "" && len(r.system) > 0 { // Gemini does not answer an instruction alone
		r.part("user")
		r.out, r.system = append(r.out, r.system...), nil
	}
	if r.role == "" {
		r.fail("messages", "there is none")
	}
	r.out = append(r.out, "]}"...)
}

// message writes one message.
func (r *geminiRequest) message(m []byte) {
	if m[0] != '{' {
		r.fail("", "not an object")
		return
	}
	switch role := gjson.GetBytes(m, "role").Str; role {
	case "system", "developer":
		v := r.read(m, "role", "content")
		r.content("system", v[1])
	case "user":
		v := r.read(m, "role", "content")
		r.content("user", v[1])
	case "assistant":
		r.assistant(m)
	case "tool":
		r.toolResult(m)
	default:
		r.fail("role", "Gemini has no role "+strconv.Quote(role))
	}
}

// part begins a part of a speaker's content. What follows each other from the same
// speaker is one content; results of tools are one of their own, because Gemini
// counts its parts against the calls.
func (r *geminiRequest) part(role string) {
	if role == r.role {
		r.out = append(r.out, ',')
		return
	}
	if r.role != "" {
		r.out = append(r.out, "]},"...)
	}
	r.role = role
	if role == "tool" {
		role = "user"
	}
	r.out = append(append(append(r.out, `{"role":"`...), role...), `","parts":[`...)
}

// text writes a part of text, a raw JSON string. Empty text is left out where it says nothing.
func (r *geminiRequest) text(role string, raw []byte) {
	raw = r.str("text", raw)
	switch {
	case role == "system":
		if len(r.system) > 0 {
			r.system = append(r.system, ',')
		}
		r.system = append(append(append(r.system, `{"text":`...), raw...), '}')
	case role == "user" || len(raw) > 2:
		r.part(role)
		r.out = append(append(append(r.out, `{"text":`...), raw...), '}')
		r.textAt = len(r.out)
	}
}

// content writes what a message says: a string or an array of parts.
func (r *geminiRequest) content(role string, content []byte) {
	switch {
	case len(content) > 0 && content[0] == '"':
		r.text(role, content)
	case len(content) > 0 && content[0] == '[':
		i := 0
		jsonscan.Items(content, func(_, p []byte) {
			back := r.in("content", i)
			r.contentPart(role, p)
			r.at = r.at[:back]
			i++
		})
	case role != "model" || len(content) > 0:
		r.fail("content", "neither a string nor an array")
	}
}

func (r *geminiRequest) contentPart(role string, p []byte) {
	v := r.read(p, "type", "text", "image_url", "input_audio", "file", "refusal")
	kind := gjson.ParseBytes(v[0]).Str
	switch {
	case kind == "text":
		r.text(role, v[1])
	case kind == "refusal" && role == "model":
		r.text(role, v[5])
	case kind == "image_url" && role == "user" && v[2] != nil:
		r.image(v[2])
	case kind == "input_audio" && role == "user" && v[3] != nil:
		r.audio(v[3])
	case kind == "file" && role == "user" && v[4] != nil:
		r.file(v[4])
	default:
		r.fail("type", "Gemini takes no "+strconv.Quote(kind)+" from this role")
	}
}

// image writes inlineData for a data URL, else fileData, which Gemini fetches itself:
// https://ai.google.dev/gemini-api/docs/file-input-methods.
func (r *geminiRequest) image(image []byte) {
	back := r.in("image_url", -1)
	defer func() { r.at = r.at[:back] }()
	v := r.read(image, "url", "detail")
	r.resolution(v[1])
	url := r.str("url", v[0])
	if mime, data, ok := geminiDataURL(url); ok {
		r.inline(mime, data)
		return
	}
	if !slices.ContainsFunc([]string{`"http://`, `"https://`, `"http:\/\/`, `"https:\/\/`, `"gs://`}, func(p string) bool { return bytes.HasPrefix(url, []byte(p)) }) {
		r.fail("url", "neither a base64 data URL nor an http URL")
		return
	}
	r.part("user")
	r.out = append(append(r.out, `{"fileData":{"fileUri":`...), url...)
	if mime := geminiMediaType(string(geminiPlain(url))); mime != "" {
		r.out = append(append(append(r.out, `,"mimeType":"`...), mime...), '"')
	}
	r.out = append(r.out, "}}"...)
}

// resolution keeps the images' detail, which Gemini takes once for all of them:
// https://ai.google.dev/gemini-api/docs/media-resolution.
func (r *geminiRequest) resolution(detail []byte) {
	switch string(detail) {
	case `"auto"`:
		detail = nil
	case "", `"low"`, `"high"`:
	default:
		r.fail("detail", "Gemini's resolutions are low and high")
		detail = nil
	}
	if r.images && !bytes.Equal(detail, r.detail) {
		r.fail("detail", "Gemini takes one resolution for all images")
	}
	r.images, r.detail = true, detail
}

// geminiMediaType is the type of an image that its URL's name tells, empty if it does not.
func geminiMediaType(url string) string {
	url, _, _ = strings.Cut(url, "?")
	url, _, _ = strings.Cut(url, "#")
	switch strings.ToLower(url[strings.LastIndexByte(url, '.')+1:]) {
	case "png":
		return "image/png"
	case "jpg", "jpeg":
		return "image/jpeg"
	case "webp":
		return "image/webp"
	case "gif":
		return "image/gif"
	case "bmp":
		return "image/bmp"
	case "heic":
		return "image/heic"
	case "heif":
		return "image/heif"
	}
	return ""
}

// geminiDataURL splits a raw JSON string with a base64 data URL; mime and data are raw inner text.
func geminiDataURL(raw []byte) (mime, data []byte, ok bool) {
	rest, ok := bytes.CutPrefix(raw, []byte(`"data:`))
	if !ok {
		return nil, nil, false
	}
	head, data, ok := bytes.Cut(rest, []byte(";base64,"))
	mime, _, _ = bytes.Cut(head, []byte(";"))
	return mime, bytes.TrimSuffix(data, []byte(`"`)), ok && len(mime) > 0 && !bytes.ContainsAny(mime, `,"`)
}

// inline writes media that the request carries; mime and data are the inner text of JSON strings.
func (r *geminiRequest) inline(mime, data []byte) {
	r.part("user")
	r.out = append(append(append(r.out, `{"inlineData":{"mimeType":"`...), mime...), `","data":"`...)
	r.out = append(append(r.out, data...), `"}}`...)
}

func (r *geminiRequest) audio(audio []byte) {
	back := r.in("input_audio", -1)
	v := r.read(audio, "data", "format")
	data := r.str("data", v[0])
	switch format := gjson.ParseBytes(v[1]).Str; format {
	case "wav", "mp3", "aiff", "aac", "ogg", "flac": // https://ai.google.dev/gemini-api/docs/audio
		r.inline([]byte("audio/"+format), data[1:len(data)-1])
	default:
		r.fail("format", "Gemini reads no "+strconv.Quote(format))
	}
	r.at = r.at[:back]
}

// file writes a file that the request carries. Gemini has no place for its name.
func (r *geminiRequest) file(file []byte) {
	back := r.in("file", -1)
	v := r.read(file, "file_data", "filename")
	if mime, data, ok := geminiDataURL(r.str("file_data", v[0])); ok {
		r.inline(mime, data)
	} else {
		r.fail("file_data", "not a base64 data URL")
	}
	r.at = r.at[:back]
}

// assistant writes a message of the model: its thoughts, text and calls. What only
// says how an earlier reply came about, such as annotations, is not part of the conversation.
func (r *geminiRequest) assistant(m []byte) {
	v := r.read(m, "role", "content", "refusal", "reasoning_content", "tool_calls", "extra_content", "annotations", "reasoning",
		"thinking_blocks", "reasoning_details") // the last two are of other models
	if v[3] == nil {
		v[3] = v[7]
	}
	if v[3] != nil {
		if thought := r.str("reasoning_content", v[3]); len(thought) > 2 {
			r.part("model")
			r.out = append(append(append(r.out, `{"thought":true,"text":`...), thought...), '}')
		}
	}
	begin := len(r.out)
	r.content("model", v[1])
	if v[2] != nil {
		r.text("model", v[2])
	}
	if s := r.signature(v[5]); s != nil {
		if r.textAt <= begin || r.textAt != len(r.out) {
			r.part("model")
			r.out = append(r.out, `{"text":""}`...)
		}
		r.sign(s)
	}
	if v[4] != nil {
		r.toolCalls(v[4])
	}
}

// signature reads extra_content.google.thought_signature, nil if there is none.
func (r *geminiRequest) signature(extra []byte) []byte {
	if extra == nil {
		return nil
	}
	back := r.in("extra_content", -1)
	defer func() { r.at = r.at[:back] }()
	google := r.read(extra, "google")[0]
	if google == nil {
		return nil
	}
	r.in("google", -1)
	if s := r.read(google, "thought_signature")[0]; s != nil {
		return r.str("thought_signature", s)
	}
	return nil
}

// sign adds a signature to the part that was written last.
func (r *geminiRequest) sign(signature []byte) {
	r.out = append(append(append(r.out[:len(r.out)-1], `,"thoughtSignature":`...), signature...), '}')
}

func (r *geminiRequest) toolCalls(list []byte) {
	if list[0] != '[' {
		r.fail("tool_calls", "not an array")
		return
	}
	i := 0
	jsonscan.Items(list, func(_, c []byte) {
		back := r.in("tool_calls", i)
		r.toolCall(c, i == 0)
		r.at = r.at[:back]
		i++
	})
}

func (r *geminiRequest) toolCall(c []byte, first bool) {
	v := r.read(c, "id", "type", "function", "extra_content", "index")
	if v[2] == nil || v[1] != nil && string(v[1]) != `"function"` {
		r.fail("type", "Gemini calls functions only")
		return
	}
	id, signature := r.str("id", v[0]), r.signature(v[3])
	back := r.in("function", -1)
	f := r.read(v[2], "name", "arguments")
	name, args := r.str("name", f[0]), bytes.TrimSpace(geminiPlain(r.str("arguments", f[1])))
	if len(args) == 0 {
		args = []byte("{}")
	} else if err := jsonscan.Each(args, func(_, _ []byte) {}); err != nil {
		r.fail("arguments", err.Error())
	}
	r.at = r.at[:back]
	r.calls = append(r.calls, geminiCall{id, name})
	r.part("model")
	r.out = append(append(r.out, `{"functionCall":{"id":`...), id...)
	r.out = append(append(r.out, `,"name":`...), name...)
	r.out = append(append(append(r.out, `,"args":`...), args...), "}}"...)
	if signature == nil && first && geminiThree(r.t.call.Send) {
		signature = []byte(geminiSkipSignature)
	}
	if signature != nil {
		r.sign(signature)
	}
}

// toolResult writes what a function returned: as it is where it is a JSON object,
// else as the output of one.
func (r *geminiRequest) toolResult(m []byte) {
	v := r.read(m, "role", "content", "tool_call_id", "name")
	id := r.str("tool_call_id", v[2])
	name := v[3]
	for i := len(r.calls) - 1; i >= 0; i-- {
		if bytes.Equal(r.calls[i].id, id) {
			name = r.calls[i].name
			break
		}
	}
	if name == nil {
		r.fail("tool_call_id", "no call before it has this id")
		return
	}
	text := r.resultText(v[1])
	if r.err != nil {
		return
	}
	r.part("tool")
	r.out = append(append(r.out, `{"functionResponse":{"id":`...), id...)
	r.out = append(append(append(r.out, `,"name":`...), r.str("name", name)...), `,"response":`...)
	if object := bytes.TrimSpace(geminiPlain(text)); len(object) > 0 && object[0] == '{' && jsonscan.Each(object, func(_, _ []byte) {}) == nil {
		r.out = append(r.out, object...)
	} else {
		r.out = append(append(append(r.out, `{"output":`...), text...), '}')
	}
	r.out = append(r.out, "}}"...)
}

// resultText is the text of a tool's message as one raw JSON string.
func (r *geminiRequest) resultText(content []byte) []byte {
	if len(content) == 0 || content[0] != '[' {
		return r.str("content", content)
	}
	text, i := []byte{'"'}, 0
	jsonscan.Items(content, func(_, p []byte) {
		back := r.in("content", i)
		v := r.read(p, "type", "text")
		if string(v[0]) != `"text"` {
			r.fail("type", "a tool's result can be text only")
		}
		s := r.str("text", v[1])
		text = append(text, s[1:len(s)-1]...)
		r.at = r.at[:back]
		i++
	})
	return append(text, '"')
}
