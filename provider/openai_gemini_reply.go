package provider

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

var errGeminiNoCandidates = errors.New("the reply has neither candidates nor a reason for having none")

// Reply turns a whole GenerateContentResponse into a chat completion, or an error object into OpenAI's.
func (t *openaiGemini) Reply(dst, src []byte) ([]byte, error) {
	if err := jsonscan.Each(src, func(_, _ []byte) {}); err != nil {
		return dst, fmt.Errorf("cannot read Gemini's reply: %w", err)
	}
	whole := gjson.ParseBytes(src)
	if e := whole.Get("error"); e.Exists() {
		return appendGeminiError(dst, e), nil
	}
	t.begin(whole)
	t.count(whole.Get("usageMetadata"))
	out := append(t.appendHead(dst, "chat.completion"), `,"choices":[`...)
	none := len(out)
	whole.Get("candidates").ForEach(func(_, candidate gjson.Result) bool {
		if len(out) > none {
			out = append(out, ',')
		}
		out = t.appendChoice(out, candidate)
		return true
	})
	if len(out) == none {
		reason := geminiBlocked(whole)
		if reason == nil {
			return dst, errGeminiNoCandidates
		}
		out = append(append(append(out, `{"index":0,"message":{"role":"assistant","content":null,"refusal":`...), reason...), `},"logprobs":null,"finish_reason":"content_filter"}`...)
	}
	out = append(out, ']')
	if t.usage.known {
		out = t.appendUsage(append(out, `,"usage":`...))
	}
	return append(t.appendTier(out), '}'), nil
}

// geminiMember is a member of an object, or one below it; any other value has none.
func geminiMember(object gjson.Result, path string) gjson.Result {
	if !object.IsObject() {
		return gjson.Result{}
	}
	return object.Get(path)
}

// appendHead opens an object with what all of them begin with.
func (t *openaiGemini) appendHead(dst []byte, object string) []byte {
	dst = append(append(append(dst, `{"id":"chatcmpl-`...), t.id...), `","object":"`...)
	dst = strconv.AppendInt(append(append(dst, object...), `","created":`...), t.created, 10)
	return append(append(dst, `,"model":`...), t.model...)
}

// appendTier appends the service tier that the provider reported, by OpenAI's name.
func (t *openaiGemini) appendTier(dst []byte) []byte {
	if t.tier == "" {
		return dst
	}
	return append(append(append(dst, `,"service_tier":"`...), t.tier...), '"')
}

func (t *openaiGemini) appendChoice(dst []byte, candidate gjson.Result) []byte {
	index := geminiMember(candidate, "index").Int()
	c := t.choice(index)
	s := t.said(c, candidate, false)
	if c.finish = geminiFinish(geminiMember(candidate, "finishReason"), c.calls); c.finish == "" {
		c.finish = geminiFinish(gjson.Result{Type: gjson.String, Str: "STOP"}, c.calls)
	}
	dst = strconv.AppendInt(append(dst, `{"index":`...), index, 10)
	dst = append(dst, `,"message":{"role":"assistant","content":`...)
	if len(s.text) == 0 && (c.calls > 0 || c.finish == "content_filter") {
		dst = append(dst, "null"...)
	} else {
		dst = append(append(append(dst, '"'), s.text...), '"')
	}
	refusal := []byte("null")
	if m := geminiMember(candidate, "finishMessage"); c.finish == "content_filter" && m.Type == gjson.String {
		refusal = []byte(m.Raw)
	}
	dst = append(append(dst, `,"refusal":`...), refusal...)
	dst = s.appendRest(dst)
	dst = append(appendGeminiAnnotations(dst, candidate, s.text), `},"logprobs":`...)
	dst = appendGeminiLogprobs(dst, geminiMember(candidate, "logprobsResult"))
	return append(append(append(dst, `,"finish_reason":"`...), c.finish...), `"}`...)
}

// geminiBlocked is the refusal of a prompt as a raw JSON string, nil if there is none.
func geminiBlocked(whole gjson.Result) []byte {
	feedback := whole.Get("promptFeedback")
	if m := geminiMember(feedback, "blockReasonMessage"); m.Type == gjson.String {
		return []byte(m.Raw)
	}
	reason := geminiMember(feedback, "blockReason")
	if !reason.Exists() {
		return nil
	}
	return gjson.AppendJSONString(nil, "Gemini blocked the prompt: "+reason.String())
}

// geminiFinish is OpenAI's finish reason, empty for none. Gemini says STOP for calls, too. A reason
// that withholds the answer, or a part of it, is content_filter; so is a call that the
// model got wrong, which is withheld. The numbers are those of the enum.
func geminiFinish(reason gjson.Result, calls int) string {
	switch name := reason.String(); name {
	case "", "FINISH_REASON_UNSPECIFIED", "0":
		return ""
	case "STOP", "1":
		if calls > 0 {
			return "tool_calls"
		}
		return "stop"
	case "MAX_TOKENS", "2", "CONTINUATION":
		return "length"
	}
	return "content_filter"
}

// geminiSaid is what one candidate of one piece says; texts are as inside a JSON string.
type geminiSaid struct {
	text, thoughts []byte
	calls, images  []byte // elements, separated by commas
	signature      string // raw JSON string of the text's signature
}

// said reads the parts of a candidate. Elements of calls carry their index in a stream.
func (t *openaiGemini) said(c *geminiChoice, candidate gjson.Result, stream bool) (s geminiSaid) {
	geminiMember(candidate, "content.parts").ForEach(func(_, part gjson.Result) bool {
		call, signature := geminiMember(part, "functionCall"), geminiMember(part, "thoughtSignature")
		if call.IsObject() {
			s.calls = t.appendCall(s.calls, c, call, signature, stream)
			return true
		}
		if signature.Type == gjson.String {
			s.signature = signature.Raw
		}
		if text := geminiMember(part, "text"); text.Type == gjson.String {
			inner := text.Raw[1 : len(text.Raw)-1]
			if geminiMember(part, "thought").Bool() {
				s.thoughts = append(s.thoughts, inner...)
			} else {
				s.text = append(s.text, inner...)
			}
		}
		s.images = appendGeminiImage(s.images, geminiMember(part, "inlineData"))
		return true
	})
	return s
}

// appendCall appends a tool call with the id that Gemini gave or, where it gave none
// or gave it before, one that is unique.
func (t *openaiGemini) appendCall(dst []byte, c *geminiChoice, call, signature gjson.Result, stream bool) []byte {
	if len(dst) > 0 {
		dst = append(dst, ',')
	}
	dst = append(dst, '{')
	if stream {
		dst = append(strconv.AppendInt(append(dst, `"index":`...), int64(c.calls), 10), ',')
	}
	c.calls++
	name := geminiMember(call, "name")
	if name.Type != gjson.String {
		name.Raw = `""`
	}
	dst = gjson.AppendJSONString(append(dst, `"id":`...), t.callID(geminiMember(call, "id").String()))
	dst = append(append(dst, `,"type":"function","function":{"name":`...), name.Raw...)
	dst = append(dst, `,"arguments":`...)
	if args := geminiMember(call, "args"); args.IsObject() {
		var compact bytes.Buffer
		_ = json.Compact(&compact, []byte(args.Raw)) // it was validated with the whole
		dst = gjson.AppendJSONString(dst, compact.String())
	} else {
		dst = append(dst, `"{}"`...)
	}
	dst = append(dst, '}')
	if signature.Type == gjson.String {
		dst = append(appendGeminiSignature(dst, signature.Raw), '}')
		return dst
	}
	return append(dst, '}')
}

// appendGeminiSignature appends a thought signature where Google's OpenAI endpoint has it.
func appendGeminiSignature(dst []byte, raw string) []byte {
	return append(append(append(dst, `,"extra_content":{"google":{"thought_signature":`...), raw...), "}}"...)
}

func (t *openaiGemini) callID(given string) string {
	if t.given == nil {
		t.given = map[string]bool{}
	}
	id := given
	for id == "" || t.given[id] {
		if id = "call_" + t.id + "_" + strconv.Itoa(t.ids); t.ids >= 1000 {
			id = "call_" + rand.Text()
		}
		t.ids++
	}
	t.given[id] = true
	return id
}

// appendGeminiImage appends an image that the model made, as OpenRouter has it in images.
func appendGeminiImage(dst []byte, inline gjson.Result) []byte {
	mime, data := geminiMember(inline, "mimeType"), geminiMember(inline, "data")
	if mime.Type != gjson.String || data.Type != gjson.String {
		return dst
	}
	if len(dst) > 0 {
		dst = append(dst, ',')
	}
	dst = append(append(dst, `{"type":"image_url","image_url":{"url":"data:`...), mime.Raw[1:len(mime.Raw)-1]...)
	return append(append(append(dst, ";base64,"...), data.Raw[1:len(data.Raw)-1]...), `"}}`...)
}

// appendRest appends the members of a message, or of a delta, beside its content.
func (s *geminiSaid) appendRest(dst []byte) []byte {
	if len(s.thoughts) > 0 {
		dst = append(append(append(dst, `,"reasoning_content":"`...), s.thoughts...), '"')
	}
	if len(s.calls) > 0 {
		dst = append(append(append(dst, `,"tool_calls":[`...), s.calls...), ']')
	}
	if len(s.images) > 0 {
		dst = append(append(append(dst, `,"images":[`...), s.images...), ']')
	}
	if s.signature != "" {
		dst = appendGeminiSignature(dst, s.signature)
	}
	return dst
}

// appendGeminiAnnotations appends what the answer cites; text is the whole of it so far.
// Gemini counts the bytes of the text, OpenAI its characters:
// https://ai.google.dev/api/generate-content#GroundingMetadata.
func appendGeminiAnnotations(dst []byte, candidate gjson.Result, text []byte) []byte {
	grounding, citations := geminiMember(candidate, "groundingMetadata"), geminiMember(candidate, "citationMetadata.citations")
	chunks := geminiMember(grounding, "groundingChunks").Array()
	if len(chunks) == 0 && !citations.Exists() {
		return dst
	}
	plainText := gjson.Parse(`"` + string(text) + `"`).Str
	none, out := len(dst), append(dst, `,"annotations":[`...)
	first := len(out)
	geminiMember(grounding, "groundingSupports").ForEach(func(_, support gjson.Result) bool {
		segment := geminiMember(support, "segment")
		start, end := geminiMember(segment, "startIndex").Int(), geminiMember(segment, "endIndex").Int()
		if geminiMember(segment, "partIndex").Int() > 0 {
			start = int64(max(0, strings.Index(plainText, geminiMember(segment, "text").Str)))
			end = start + int64(len(geminiMember(segment, "text").Str))
		}
		geminiMember(support, "groundingChunkIndices").ForEach(func(_, i gjson.Result) bool {
			if n := i.Int(); n >= 0 && n < int64(len(chunks)) {
				out = appendGeminiCitation(out, first, geminiMember(chunks[n], "web"), plainText, start, end)
			}
			return true
		})
		return true
	})
	citations.ForEach(func(_, c gjson.Result) bool {
		out = appendGeminiCitation(out, first, c, plainText, geminiMember(c, "startIndex").Int(), geminiMember(c, "endIndex").Int())
		return true
	})
	if len(out) == first {
		return out[:none]
	}
	return append(out, ']')
}

// appendGeminiCitation appends one url_citation of the list that begins at first.
func appendGeminiCitation(dst []byte, first int, source gjson.Result, text string, start, end int64) []byte {
	uri, title := geminiMember(source, "uri"), geminiMember(source, "title")
	if uri.Type != gjson.String {
		return dst
	}
	if title.Type != gjson.String {
		title.Raw = `""`
	}
	if len(dst) > first {
		dst = append(dst, ',')
	}
	dst = append(dst, `{"type":"url_citation","url_citation":{"start_index":`...)
	dst = strconv.AppendInt(dst, geminiCharacters(text, start), 10)
	dst = strconv.AppendInt(append(dst, `,"end_index":`...), geminiCharacters(text, end), 10)
	dst = append(append(dst, `,"title":`...), title.Raw...)
	return append(append(append(dst, `,"url":`...), uri.Raw...), "}}"...)
}

// geminiCharacters is how many characters the first n bytes of a text are.
func geminiCharacters(text string, n int64) int64 {
	return int64(utf8.RuneCountInString(text[:max(0, min(n, int64(len(text))))]))
}

// appendGeminiLogprobs appends OpenAI's logprobs, or null.
func appendGeminiLogprobs(dst []byte, result gjson.Result) []byte {
	chosen := geminiMember(result, "chosenCandidates")
	if !chosen.IsArray() {
		return append(dst, "null"...)
	}
	top := geminiMember(result, "topCandidates").Array()
	dst = append(dst, `{"content":[`...)
	i := 0
	chosen.ForEach(func(_, token gjson.Result) bool {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendGeminiLogprob(dst, token), `,"top_logprobs":[`...)
		if i < len(top) {
			for j, alternative := range geminiMember(top[i], "candidates").Array() {
				if j > 0 {
					dst = append(dst, ',')
				}
				dst = append(appendGeminiLogprob(dst, alternative), '}')
			}
		}
		dst = append(dst, "]}"...)
		i++
		return true
	})
	return append(dst, `],"refusal":null}`...)
}

// appendGeminiLogprob opens an object with a token and its probability; Gemini leaves out a zero.
func appendGeminiLogprob(dst []byte, token gjson.Result) []byte {
	text, p := geminiMember(token, "token"), geminiMember(token, "logProbability")
	dst = gjson.AppendJSONString(append(dst, `{"token":`...), text.String())
	dst = append(dst, `,"logprob":`...)
	if p.Type == gjson.Number {
		dst = append(dst, p.Raw...)
	} else {
		dst = append(dst, '0')
	}
	return append(dst, `,"bytes":null`...)
}

// count takes the usage so far; what a later piece leaves out stays.
func (t *openaiGemini) count(u gjson.Result) {
	if !u.IsObject() {
		return
	}
	n := &t.usage
	n.known = true
	u.ForEach(func(name, value gjson.Result) bool {
		switch tokens := max(0, min(value.Int(), 1<<48)); name.Str {
		case "promptTokenCount":
			n.prompt = tokens
		case "toolUsePromptTokenCount":
			n.toolPrompt = tokens
		case "cachedContentTokenCount":
			n.cached = tokens
		case "candidatesTokenCount":
			n.candidates = tokens
		case "thoughtsTokenCount":
			n.thoughts = tokens
		case "promptTokensDetails":
			n.audioIn = geminiAudioTokens(value)
		case "candidatesTokensDetails":
			n.audioOut = geminiAudioTokens(value)
		case "serviceTier":
			t.tier = map[string]string{"standard": "default", "flex": "flex", "priority": "priority"}[strings.ToLower(value.Str)]
		}
		return true
	})
}

func geminiAudioTokens(details gjson.Result) (n int64) {
	details.ForEach(func(_, d gjson.Result) bool {
		if m := geminiMember(d, "modality"); m.Str == "AUDIO" || m.Int() == 4 {
			n += max(0, geminiMember(d, "tokenCount").Int())
		}
		return true
	})
	return n
}

// appendUsage appends OpenAI's usage: the prompt includes what tools read and what was
// cached, the completion the thoughts.
func (t *openaiGemini) appendUsage(dst []byte) []byte {
	n := &t.usage
	prompt, completion := n.prompt+n.toolPrompt, n.candidates+n.thoughts
	for _, v := range [...]struct {
		name string
		n    int64
	}{
		{`{"prompt_tokens":`, prompt},
		{`,"completion_tokens":`, completion},
		{`,"total_tokens":`, prompt + completion},
		{`,"prompt_tokens_details":{"cached_tokens":`, n.cached},
		{`,"audio_tokens":`, n.audioIn},
		{`},"completion_tokens_details":{"reasoning_tokens":`, n.thoughts},
		{`,"audio_tokens":`, n.audioOut},
	} {
		dst = strconv.AppendInt(append(dst, v.name...), v.n, 10)
	}
	return append(dst, "}}"...)
}

// appendGeminiError appends OpenAI's form of {code, message, status}.
func appendGeminiError(dst []byte, e gjson.Result) []byte {
	message := geminiMember(e, "message").String()
	if !e.IsObject() {
		message = e.String()
	}
	kind, code := "invalid_request_error", geminiMember(e, "status").String()
	switch status := geminiMember(e, "code").Int(); {
	case status == 429:
		kind, code = "requests", "rate_limit_exceeded"
	case status >= 500 || status == 0:
		kind = "server_error"
	case status == 401:
		code = "invalid_api_key"
	}
	dst = gjson.AppendJSONString(append(dst, `{"error":{"message":`...), message)
	dst = append(append(append(dst, `,"type":"`...), kind...), `","param":null,"code":`...)
	if code == "" {
		return append(dst, "null}}"...)
	}
	return append(gjson.AppendJSONString(dst, code), "}}"...)
}
