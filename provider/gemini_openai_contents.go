package provider

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// geminiTurn is what the model said in one turn: text as inside a JSON string, the
// rest as raw elements; the signature is of the text, raw.
type geminiTurn struct {
	text, calls, blocks, details, signature []byte
}

// geminiPending is a call of the model's last turn: its id as the caller has it and
// as it was sent, and its name, each as inside a JSON string.
type geminiPending struct {
	given, id, name []byte
	answered        bool
}

// geminiPart is a part of a content, as inside JSON strings; nil: it is not there.
type geminiPart struct {
	kind                     string // text, inlineData, fileData, functionCall or functionResponse
	spelled                  string // its name, as the caller spells it
	thought                  bool
	signature                []byte
	text                     []byte
	mimeType, data, uri      []byte
	displayName              []byte
	id, name                 []byte
	args, response, attached []byte // raw values
}

// instruction writes the system instruction as one message; its parts are paragraphs.
func (r *geminiAsked) instruction(v []byte) {
	var text []byte
	_, parts, at := r.content(v)
	r.in(at, func() {
		r.elements(parts, func(v []byte) {
			p := r.part(v)
			if p.kind != "text" {
				r.fail("an instruction must be text")
			}
			if len(text) > 0 && len(p.text) > 0 {
				text = append(text, `\n\n`...)
			}
			text = append(text, p.text...)
		})
	})
	if len(text) > 0 {
		r.open("system")
		r.out = append(append(append(r.out, `,"content":"`...), text...), `"}`...)
	}
}

// conversation writes the messages. Contents of the model that follow each other are
// one turn, which is how clients keep what was streamed to them.
func (r *geminiAsked) conversation(v []byte) {
	before := ""
	r.elements(v, func(v []byte) {
		role, parts, at := r.content(v)
		switch role {
		case "model":
			if before != role {
				r.calls = nil
			}
			r.in(at, func() { r.elements(parts, func(v []byte) { r.say(r.part(v)) }) })
		case "user", "function":
			r.endTurn()
			r.in(at, func() { r.user(parts) })
		default:
			r.failIn("role", "it must be user or model")
		}
		before = role
	})
	switch before {
	case "":
		r.fail("there is none")
	case "model":
		r.fail("an answer begun by the caller (the last content is the model's) cannot be expressed in OpenAI's chat completions")
	}
}

// content reads a content: its role, its parts and where they are; a string is the user's text.
func (r *geminiAsked) content(v []byte) (role string, parts []byte, at string) {
	if isString(v) {
		return "user", v, ""
	}
	role, parts = "user", []byte("[]")
	r.members(v, func(name string, v []byte) {
		switch name {
		case "role":
			if role = string(r.str(v)); role == "" {
				role = "user"
			}
		case "parts":
			parts, at = v, string(r.at[bytes.LastIndexByte(r.at, '.')+1:])
		default:
			r.refuse()
		}
	})
	if role != "model" && isEmpty(parts) {
		r.failIn("parts", "there is none")
	}
	return role, parts, at
}

// open begins a message.
func (r *geminiAsked) open(role string) {
	if r.wrote {
		r.out = append(r.out, ',')
	}
	r.wrote = true
	r.out = append(append(append(r.out, `{"role":"`...), role...), '"')
}

// part reads a part; a string is a text.
func (r *geminiAsked) part(v []byte) (p geminiPart) {
	if isString(v) {
		return geminiPart{kind: "text", text: inner(v)}
	}
	one := func(kind string) {
		if p.kind != "" {
			r.fail("a part is one thing")
		}
		p.kind, p.spelled = kind, string(r.at[bytes.LastIndexByte(r.at, '.')+1:])
	}
	r.members(v, func(name string, v []byte) {
		switch name {
		case "text":
			one(name)
			p.text = r.str(v)
		case "thought":
			p.thought = string(v) == "true"
		case "thoughtSignature":
			p.signature = r.str(v)
		case "inlineData", "fileData":
			one(name)
			r.media(&p, v)
		case "functionCall":
			one(name)
			r.functionCall(&p, v)
		case "functionResponse":
			one(name)
			r.functionResponse(&p, v)
		default: // executableCode, codeExecutionResult, videoMetadata, mediaResolution and others
			r.refuse()
		}
	})
	if p.kind == "" && !p.thought && p.signature == nil {
		r.fail("it says nothing")
	}
	return p
}

// media reads inlineData and fileData. A name for display has no effect on the answer.
func (r *geminiAsked) media(p *geminiPart, v []byte) {
	r.members(v, func(name string, v []byte) {
		switch name {
		case "mimeType":
			p.mimeType = bytes.ReplaceAll(r.str(v), []byte(`\/`), []byte("/"))
		case "data":
			p.data = standardBase64(r.str(v))
		case "fileUri":
			p.uri = r.str(v)
		case "displayName":
			p.displayName = r.str(v)
		default:
			r.refuse()
		}
	})
}

func (r *geminiAsked) functionCall(p *geminiPart, v []byte) {
	p.args = []byte("{}")
	r.members(v, func(name string, v []byte) {
		switch name {
		case "id":
			p.id = r.str(v)
		case "name":
			p.name = r.str(v)
		case "args":
			if p.args = v; v[0] != '{' {
				r.fail("it must be an object")
			}
		default:
			r.refuse()
		}
	})
	if len(p.name) == 0 {
		r.failIn("name", "it is missing")
	}
}

func (r *geminiAsked) functionResponse(p *geminiPart, v []byte) {
	p.response = []byte("{}")
	r.members(v, func(name string, v []byte) {
		switch name {
		case "id":
			p.id = r.str(v)
		case "name":
			p.name = r.str(v)
		case "response":
			if p.response = v; v[0] != '{' {
				r.fail("it must be an object")
			}
		case "parts":
			p.attached = v
		default: // scheduling, and willContinue where it does
			if string(v) != "false" {
				r.refuse()
			}
		}
	})
}

// say adds a part to the model's turn. The text of thoughts is for the reader, not for
// the model: https://ai.google.dev/gemini-api/docs/thought-signatures.
func (r *geminiAsked) say(p geminiPart) {
	signature := r.carry(p.signature)
	switch {
	case p.kind == "functionCall":
		r.callOf(&p, signature)
		return
	case p.thought || p.kind == "":
	case p.kind == "text":
		r.turn.text = append(r.turn.text, p.text...)
	case r.err == nil:
		r.failIn(p.spelled, "in the model's turn, this cannot be expressed in OpenAI's chat completions")
	}
	if signature != nil {
		r.turn.signature = signature
	}
}

// appendGeminiCarried appends what appendCarried would. Gemini's signatures are bytes,
// which its SDKs decode and encode again, so that it is in base64.
func appendGeminiCarried(dst, object []byte) []byte {
	s := appendCarried(nil, object)
	return append(base64.StdEncoding.AppendEncode(append(dst, '"'), inner(s)), '"')
}

// standardBase64 returns bytes, as inside a JSON string, as others than Google read
// them: Google takes both alphabets, and no padding. Google's own SDK for Python writes
// the alphabet for URLs.
func standardBase64(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') >= 0 {
		raw = bytes.ReplaceAll(raw, []byte(`\/`), []byte("/"))
	}
	if bytes.ContainsAny(raw, "-_") {
		raw = bytes.ReplaceAll(bytes.ReplaceAll(raw, []byte("-"), []byte("+")), []byte("_"), []byte("/"))
	}
	if n := len(raw) % 4; n > 1 && bytes.IndexByte(raw, '\\') < 0 {
		raw = append(bytes.Clone(raw), "=="[:4-n]...)
	}
	return raw
}

// geminiNoSignature are what stands for the signature of what has none:
// https://ai.google.dev/gemini-api/docs/thought-signatures (FAQ).
var geminiNoSignature = []string{strings.Trim(geminiSkipSignature, `"`), "context_engineering_is_the_way_to_go"}

// carry takes out of a signature what appendGeminiCarried put into it. One of Google's
// own it returns, but for what stands for none.
func (r *geminiAsked) carry(signature []byte) []byte {
	plain, _ := base64.StdEncoding.DecodeString(string(standardBase64(signature)))
	if len(signature) == 0 || slices.Contains(geminiNoSignature, string(signature)) || slices.Contains(geminiNoSignature, string(plain)) {
		return nil
	}
	object, ours := carriedIn(string(plain))
	if !ours {
		return signature
	}
	jsonscan.Items(object, func(name, v []byte) {
		switch string(name) {
		case "thinking_blocks":
			r.turn.blocks = appendElements(r.turn.blocks, v)
		case "reasoning_details":
			r.turn.details = appendElements(r.turn.details, v)
		}
	})
	return nil
}

// callOf writes a call of a function.
func (r *geminiAsked) callOf(p *geminiPart, signature []byte) {
	id := r.callID(p.id)
	r.calls = append(r.calls, geminiPending{given: p.id, id: id, name: p.name})
	c := append(append(comma(r.turn.calls), `{"id":"`...), id...)
	c = append(append(c, `","type":"function","function":{"name":"`...), p.name...)
	c = append(appendEscaped(append(c, `","arguments":"`...), p.args), `"}`...)
	if signature != nil && r.t.call.Relayed {
		c = appendGeminiSignature(c, `"`+string(signature)+`"`)
	}
	r.turn.calls = append(c, '}')
}

// callID is the given id, or one that is made where there is none or it was there
// before. The same conversation has the same ids at every turn, so that a provider
// finds it in its cache.
func (r *geminiAsked) callID(given []byte) []byte {
	id := string(given)
	for id == "" || r.ids[id] {
		id = "call_" + strconv.Itoa(r.made)
		r.made++
	}
	r.ids[id] = true
	return []byte(id)
}

// endTurn writes what the model said, if it said something.
func (r *geminiAsked) endTurn() {
	t := &r.turn
	if len(t.text)+len(t.calls)+len(t.blocks)+len(t.details)+len(t.signature) == 0 {
		return
	}
	r.open("assistant")
	r.out = append(r.out, `,"content":`...)
	if len(t.text) == 0 && len(t.calls) > 0 {
		r.out = append(r.out, "null"...)
	} else {
		r.out = append(append(append(r.out, '"'), t.text...), '"')
	}
	if r.t.call.Relayed {
		r.out = appendList(r.out, "thinking_blocks", t.blocks)
	}
	if r.t.call.hands("reasoning_details") {
		r.out = appendList(r.out, "reasoning_details", t.details)
	}
	r.out = appendList(r.out, "tool_calls", t.calls)
	if t.signature != nil && r.t.call.Relayed {
		r.out = appendGeminiSignature(r.out, `"`+string(t.signature)+`"`)
	}
	r.out = append(r.out, '}')
	*t = geminiTurn{}
}

// user writes the results of functions, which must follow their calls at once, and
// then what else the user says.
func (r *geminiAsked) user(parts []byte) {
	var rest openaiParts
	r.elements(parts, func(v []byte) {
		switch p := r.part(v); p.kind {
		case "text":
			rest.addText(append(append([]byte{'"'}, p.text...), '"'))
		case "inlineData":
			r.inline(&rest, &p)
		case "fileData":
			r.file(&rest, &p)
		case "functionResponse":
			r.result(&rest, &p)
		default:
			r.fail("the user cannot say this")
		}
	})
	if rest.n > 0 {
		r.calls = nil
		r.open("user")
		r.out = append(appendField(r.out, "content", rest.content()), '}')
	}
}

// result writes the result of a function. A tool's message carries text alone, so that
// what is attached goes into the user's message behind it.
func (r *geminiAsked) result(rest *openaiParts, p *geminiPart) {
	call := r.answered(p)
	if call == nil {
		r.failIn(p.spelled, "no call before it has this name and id")
		return
	}
	call.answered = true
	r.open("tool")
	r.out = append(append(append(r.out, `,"tool_call_id":"`...), call.id...), `","content":"`...)
	r.out = append(appendGeminiResult(r.out, p.response), `"}`...)
	if p.attached == nil {
		return
	}
	rest.addText(append(append([]byte(`"Belongs to the result of tool call `), call.id...), ':', '"'))
	r.in(p.spelled+".parts", func() {
		r.elements(p.attached, func(v []byte) {
			switch attached := r.part(v); attached.kind {
			case "inlineData":
				r.inline(rest, &attached)
			case "fileData":
				r.file(rest, &attached)
			default:
				r.refuse()
			}
		})
	})
}

// answered is the call that a result is of: the first one open with its id, else,
// because clients may leave ids out, the first one open with its name.
func (r *geminiAsked) answered(p *geminiPart) *geminiPending {
	for i := range r.calls {
		if c := &r.calls[i]; !c.answered && len(p.id) > 0 && bytes.Equal(c.given, p.id) {
			return c
		}
	}
	for i := range r.calls {
		c := &r.calls[i]
		if !c.answered && bytes.Equal(c.name, p.name) && (len(p.id) == 0 || len(c.given) == 0) {
			return c
		}
	}
	return nil
}

// appendGeminiResult appends the text of a result as inside a JSON string: that of an
// object which says nothing else, or the object.
func appendGeminiResult(dst, response []byte) []byte {
	var text []byte
	n := 0
	jsonscan.Items(response, func(name, v []byte) {
		n++
		switch string(name) {
		case "result", "output", "content":
			text = v
		}
	})
	if n == 1 && isString(text) {
		return append(dst, inner(text)...)
	}
	return appendEscaped(dst, response)
}

// inline writes media that the request carries. Google reads a text as such whatever its kind.
func (r *geminiAsked) inline(rest *openaiParts, p *geminiPart) {
	kind, subtype, _ := strings.Cut(string(p.mimeType), "/")
	subtype, _, _ = strings.Cut(subtype, ";")
	switch {
	case p.data == nil || kind == "" || subtype == "":
		r.failIn(p.spelled, "it needs mimeType and data")
	case kind == "image":
		rest.addURL(p.appendDataURL(nil))
	case kind == "audio":
		r.audio(rest, subtype, p)
	case kind == "text":
		r.plain(rest, p)
	case kind == "application":
		rest.addFile(p, subtype)
	default:
		r.failIn(p.spelled, "%s cannot be expressed in OpenAI's chat completions", kind)
	}
}

// geminiAudio are the formats of chat's input_audio by their media type, beside those of the same name.
var geminiAudio = map[string]string{"mpeg": "mp3", "x-wav": "wav", "wave": "wav", "vnd.wave": "wav", "x-aiff": "aiff", "x-flac": "flac", "mp4": "m4a", "x-m4a": "m4a"}

func (r *geminiAsked) audio(rest *openaiParts, subtype string, p *geminiPart) {
	format := subtype
	if known := geminiAudio[subtype]; known != "" {
		format = known
	}
	switch format {
	case "wav", "mp3", "aiff", "aac", "ogg", "flac", "m4a":
		rest.text = nil
		rest.next()
		rest.raw = append(append(rest.raw, `{"type":"input_audio","input_audio":{"data":"`...), p.data...)
		rest.raw = append(append(append(rest.raw, `","format":"`...), format...), `"}}`...)
	default:
		r.failIn(p.spelled, "audio of this format cannot be expressed in OpenAI's chat completions")
	}
}

// plain writes a text that came as a file.
func (r *geminiAsked) plain(rest *openaiParts, p *geminiPart) {
	text, err := base64.StdEncoding.DecodeString(string(p.data))
	if err != nil || !utf8.Valid(text) {
		r.failIn(p.spelled, "it is no text in UTF-8 and base64")
		return
	}
	rest.addText(appendString(nil, string(text)))
}

// file writes media that is elsewhere, which is an image or cannot be expressed:
// files of Google's own and videos mean nothing to others.
func (r *geminiAsked) file(rest *openaiParts, p *geminiPart) {
	u, err := url.Parse(string(unescape(p.uri)))
	host := ""
	if err == nil {
		host = strings.TrimPrefix(strings.ToLower(u.Hostname()), "www.")
	}
	switch {
	case host == "" || u.Scheme != "http" && u.Scheme != "https" || host == "generativelanguage.googleapis.com" || host == "youtube.com" || host == "youtu.be" || host == "m.youtube.com":
		r.failIn(p.spelled, "a file that is kept at Google cannot be expressed in OpenAI's chat completions")
	case len(p.mimeType) > 0 && !bytes.HasPrefix(p.mimeType, []byte("image/")):
		r.failIn(p.spelled, "a file by its address that is no image cannot be expressed in OpenAI's chat completions")
	default:
		rest.addURL(p.uri)
	}
}

// appendDataURL appends media as inside a JSON string.
func (p *geminiPart) appendDataURL(dst []byte) []byte {
	dst = append(append(dst, "data:"...), p.mimeType...)
	return append(append(dst, ";base64,"...), p.data...)
}

// addURL appends an image by its URL, as inside a JSON string.
func (p *openaiParts) addURL(url []byte) {
	p.text = nil
	p.next()
	p.raw = append(append(append(p.raw, `{"type":"image_url","image_url":{"url":"`...), url...), `"}}`...)
}

// addFile appends a file, which chat wants named.
func (p *openaiParts) addFile(file *geminiPart, subtype string) {
	p.text = nil
	p.next()
	name := file.displayName
	if len(name) == 0 {
		name = append([]byte("document."), geminiExtension(subtype)...)
	}
	p.raw = append(append(p.raw, `{"type":"file","file":{"filename":"`...), name...)
	p.raw = append(file.appendDataURL(append(p.raw, `","file_data":"`...)), `"}}`...)
}

// geminiExtension is the subtype of a media type where it can be the ending of a file's name.
func geminiExtension(subtype string) string {
	if len(subtype) <= 5 && geminiPlainID(subtype) {
		return subtype
	}
	return "bin"
}
