package proxy

import (
	"bytes"
	"mime"
	"net/textproto"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
	"github.com/generic-corp/halfpenny/llm"
)

// readForm reads a multipart request (RFC 7578), such as one to transcribe audio,
// where it lies: https://platform.openai.com/docs/api-reference/audio/createTranscription.
func (b *body) readForm(raw []byte, contentType string, e llm.Endpoint) *llm.Error {
	b.raw, b.dialect, b.endpoint, b.form = raw, llm.DialectOpenAI, e, contentType
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return llm.Invalid("", "The request's body must be multipart/form-data.")
	}
	if !eachPart(raw, params["boundary"], b.part) {
		return llm.Invalid("", "The request's body is not valid multipart/form-data.")
	}
	switch {
	case b.named == "":
		return llm.Invalid("model", "The field 'model' is missing.")
	case !b.hasPrompt:
		return llm.Invalid("file", "The field 'file' is missing.")
	}
	return checkModel(b.named)
}

// part takes one field of a form; at is the offset of its value.
func (b *body) part(name string, value []byte, at int) {
	switch name {
	case "model":
		b.model, b.named = jsonscan.Member{Name: []byte(name), Value: value, At: at}, string(value)
	case "file":
		b.hasPrompt = true
	case "prompt": // quoted, as prompts are read as JSON
		b.prompt.Messages = gjson.AppendJSONString(nil, string(value))
	case "stream":
		b.stream = string(value) == "true"
	}
}

// eachPart calls f for each part of a multipart body that has a name; false: it is none.
func eachPart(raw []byte, boundary string, f func(name string, value []byte, at int)) bool {
	delimiter := []byte("--" + boundary)
	if !bytes.HasPrefix(raw, delimiter) {
		return false
	}
	delimiter = append([]byte("\r\n"), delimiter...)
	at := len(delimiter) - 2
	for {
		if bytes.HasPrefix(raw[at:], []byte("--")) {
			return true
		}
		head := bytes.Index(raw[at:], []byte("\r\n\r\n"))
		if head < 0 {
			return false
		}
		value := at + head + 4
		end := bytes.Index(raw[value-2:], delimiter) // a value may be empty
		if end < 0 {
			return false
		}
		end += value - 2
		if name := partName(raw[at : at+head]); name != "" {
			f(name, raw[value:max(value, end)], value)
		}
		at = end + len(delimiter)
	}
}

// partName reads the name in the header of a part.
func partName(head []byte) string {
	for line := range strings.SplitSeq(string(head), "\r\n") {
		key, value, found := strings.Cut(line, ":")
		if found && textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(key)) == "Content-Disposition" {
			_, params, err := mime.ParseMediaType(strings.TrimSpace(value))
			if err == nil {
				return params["name"]
			}
		}
	}
	return ""
}
