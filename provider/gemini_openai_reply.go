package provider

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// Reply turns a chat completion into a GenerateContentResponse with a candidate for
// each of its choices. A body that carries an error and no answer becomes Google's.
func (t *geminiOpenAI) Reply(dst, src []byte) ([]byte, error) {
	var c openaiChunk
	src = bytes.TrimSpace(src)
	if err := c.read(src); err != nil {
		return dst, fmt.Errorf("cannot read the reply: %w", err)
	}
	switch {
	case c.failure != nil && (!c.choice.IsObject() || c.choice.Get("finish_reason").Str == "error"):
		return appendGoogleError(dst, c.failure), nil
	case !c.chosen:
		return dst, fmt.Errorf("cannot translate the reply: it has no choices")
	}
	_ = t.meter.Reply(src) // it is valid: it has just been read
	t.begin(&c)
	t.sources.read(&c)
	out, none := append(dst, `{"candidates":[`...), true
	var err error
	jsonscan.Items(member(src, "choices"), func(_, choice []byte) {
		if err != nil || choice[0] != '{' {
			return
		}
		a := geminiAnswer{}
		var said geminiOutput
		if said, err = a.take(choice, true); err != nil {
			return
		}
		if !none {
			out = append(out, ',')
		}
		none = false
		out = t.appendCandidate(out, &a, &said, true)
	})
	switch {
	case err != nil:
		return dst, err
	case none:
		return dst, fmt.Errorf("cannot translate the reply: it has no choices")
	}
	return t.appendTail(append(out, ']'), true), nil
}

// begin takes the reply's identity from its first piece.
func (t *geminiOpenAI) begin(c *openaiChunk) {
	if len(t.id) > 0 {
		return
	}
	t.id = bytes.Clone(bytes.TrimPrefix(c.id, []byte("chatcmpl-")))
	if len(t.id) == 0 {
		t.id = []byte(rand.Text())
	}
	t.model = bytes.Clone(c.model)
	if len(t.model) == 0 {
		t.model = inner(appendString(nil, t.call.Send))
	}
}

// appendTail ends a response that has its candidates; the last one has the usage.
func (t *geminiOpenAI) appendTail(dst []byte, last bool) []byte {
	if last && t.meter.reading.Reported {
		dst = t.appendUsage(append(dst, `,"usageMetadata":`...))
	}
	dst = append(append(dst, `,"modelVersion":"`...), t.model...)
	dst = append(append(dst, `","responseId":"`...), t.id...)
	return append(dst, `"}`...)
}

// appendUsage appends what the meter read, so that the caller sees what is billed.
// Gemini counts thoughts beside the candidates.
func (t *geminiOpenAI) appendUsage(dst []byte) []byte {
	u := &t.meter.reading.Usage
	number := func(name string, n int64) {
		if n > 0 {
			dst = strconv.AppendInt(append(dst, name...), n, 10)
		}
	}
	prompt, audio := u.InputTokens(), u.AudioIn+u.AudioCached
	thoughts := min(t.meter.counts.n[reasoning], u.Output) // within the output
	candidates := u.Output - thoughts + u.AudioOut + u.ImageOut + u.VideoOut
	thoughts += u.Reasoning // beside it
	dst = strconv.AppendInt(append(dst, `{"promptTokenCount":`...), prompt, 10)
	dst = strconv.AppendInt(append(dst, `,"candidatesTokenCount":`...), candidates, 10)
	number(`,"thoughtsTokenCount":`, thoughts)
	number(`,"cachedContentTokenCount":`, u.CacheRead+u.AudioCached+u.ImageCached)
	dst = strconv.AppendInt(append(dst, `,"totalTokenCount":`...), prompt+candidates+thoughts, 10)
	dst = appendModalities(dst, "promptTokensDetails", prompt-audio, audio)
	dst = appendModalities(dst, "candidatesTokensDetails", candidates-u.AudioOut, u.AudioOut)
	switch tier := t.meter.reading.Tier; tier {
	case "default":
		dst = append(dst, `,"serviceTier":"standard"`...)
	case "flex", "priority":
		dst = append(append(append(dst, `,"serviceTier":"`...), tier...), '"')
	}
	return append(dst, '}')
}

// appendModalities appends what of a count was audio, if there was any.
func appendModalities(dst []byte, name string, text, audio int64) []byte {
	if audio == 0 {
		return dst
	}
	dst = append(append(append(dst, `,"`...), name...), `":[{"modality":"TEXT","tokenCount":`...)
	dst = strconv.AppendInt(dst, text, 10)
	dst = strconv.AppendInt(append(dst, `},{"modality":"AUDIO","tokenCount":`...), audio, 10)
	return append(dst, "}]"...)
}

// geminiAnswer is what is known of a choice while its stream passes. Texts are as
// inside a JSON string.
type geminiAnswer struct {
	index      int64
	named      string          // the index as it comes
	text       []byte          // so far: what is cited points into it
	calls      anthropicAnswer // of functions, which Gemini sends whole
	signatures map[int][]byte  // of those calls, raw
	refusal    []byte
	finish     string // OpenAI's finish reason; empty: none has come
	blocks     []byte // thinking_blocks, raw elements
	details    []geminiDetail
	cited      geminiSources
}

// geminiOutput is what one piece of an answer says. Texts are as inside a JSON string.
type geminiOutput struct {
	thoughts, text []byte
	images         []byte // parts, raw elements
	signature      []byte // of the text, raw
	logprobs       []byte // raw
}

// take reads a choice, or what a chunk adds to it.
func (a *geminiAnswer) take(choice []byte, whole bool) (said geminiOutput, err error) {
	c := gjson.ParseBytes(choice)
	a.index = c.Get("index").Int()
	said.logprobs = member(member(choice, "logprobs"), "content")
	if finish := c.Get("finish_reason").Str; finish != "" {
		a.finish = finish
	}
	message := member(choice, "delta")
	if whole {
		message = member(choice, "message")
	}
	var reasoning, details, calls, legacy []byte
	jsonscan.Items(message, func(name, v []byte) {
		switch string(name) {
		case "reasoning_content", "reasoning":
			if len(reasoning) == 0 {
				reasoning = inner(v)
			}
		case "reasoning_details":
			details = v
		case "thinking_blocks":
			a.blocks = appendElements(a.blocks, v)
		case "content":
			said.content(v)
		case "refusal":
			a.refusal = append(a.refusal, inner(v)...)
		case "tool_calls":
			calls = v
		case "function_call":
			legacy = v
		case "annotations":
			a.cited.annotate(v)
		case "images":
			said.pictures(v)
		case "extra_content":
			said.signature = member(member(v, "google"), "thought_signature")
		}
	})
	said.thoughts = append(said.thoughts, reasoning...)
	jsonscan.Items(details, func(_, element []byte) { a.detail(element, whole, &said, len(reasoning) == 0) })
	a.text = append(a.text, said.text...)
	if len(legacy) > 0 && legacy[0] == '{' {
		err = a.calls.function(-1, nil, legacy, whole)
	}
	jsonscan.Items(calls, func(_, call []byte) {
		if err == nil {
			err = a.call(call, whole)
		}
	})
	return said, err
}

// content reads a content: a string, or the parts that Mistral's thinking models write.
func (o *geminiOutput) content(v []byte) {
	o.text = append(o.text, inner(v)...)
	if !isArray(v) {
		return
	}
	jsonscan.Items(v, func(_, part []byte) {
		o.text = append(o.text, inner(member(part, "text"))...)
		jsonscan.Items(member(part, "thinking"), func(_, thought []byte) {
			o.thoughts = append(o.thoughts, inner(member(thought, "text"))...)
		})
	})
}

// pictures reads images that the model made, as OpenRouter has them.
func (o *geminiOutput) pictures(v []byte) {
	jsonscan.Items(v, func(_, image []byte) {
		url := bytes.ReplaceAll(member(member(image, "image_url"), "url"), []byte(`\/`), []byte("/"))
		if mime, data, ok := geminiDataURL(url); ok {
			o.images = append(append(comma(o.images), `{"inlineData":{"mimeType":"`...), mime...)
			o.images = append(append(append(o.images, `","data":"`...), data...), `"}}`...)
		} else if isString(url) {
			o.images = append(append(append(comma(o.images), `{"fileData":{"fileUri":`...), url...), "}}"...)
		}
	})
}

// call reads a call of a function, or what a chunk adds to one.
func (a *geminiAnswer) call(call []byte, whole bool) error {
	index := int64(-1)
	if v := member(call, "index"); v != nil {
		index = gjson.ParseBytes(v).Int()
	}
	id := inner(member(call, "id"))
	if err := a.calls.function(index, id, member(call, "function"), whole); err != nil {
		return err
	}
	i := len(a.calls.blocks) - 1
	if !whole {
		i = a.calls.tool(index, id)
	}
	if s := member(member(member(call, "extra_content"), "google"), "thought_signature"); isString(s) && i >= 0 {
		if a.signatures == nil {
			a.signatures = map[int][]byte{}
		}
		a.signatures[i] = bytes.Clone(s)
	}
	return nil
}

// geminiDetail is an element of reasoning_details, put together from its pieces.
type geminiDetail struct {
	kind, index string
	names       []string
	values      [][]byte
}

// detail reads an element of reasoning_details, or a piece of one. Its text is a
// thought where it is not there otherwise: https://openrouter.ai/docs/use-cases/reasoning-tokens.
func (a *geminiAnswer) detail(element []byte, whole bool, said *geminiOutput, text bool) {
	if element[0] != '{' {
		return
	}
	kind, index := string(inner(member(element, "type"))), string(member(element, "index"))
	if text {
		said.thoughts = append(append(said.thoughts, inner(member(element, "text"))...), inner(member(element, "summary"))...)
	}
	n := len(a.details)
	if whole || n == 0 || kind == "reasoning.encrypted" || a.details[n-1].kind != kind || a.details[n-1].index != index {
		a.details = append(a.details, geminiDetail{kind: kind, index: index})
		n++
	}
	jsonscan.Items(element, func(name, v []byte) { a.details[n-1].set(string(name), v) })
}

// set keeps a member: texts are joined, of others the last that is not null counts.
func (d *geminiDetail) set(name string, v []byte) {
	for i := range d.names {
		switch {
		case d.names[i] != name:
		case (name == "text" || name == "summary") && isString(v) && isString(d.values[i]):
			old := d.values[i]
			d.values[i] = append(append(old[:len(old)-1], inner(v)...), '"')
			return
		default:
			if !geminiNull(v) {
				d.values[i] = bytes.Clone(v)
			}
			return
		}
	}
	d.names, d.values = append(d.names, name), append(d.values, bytes.Clone(v))
}

// carried is the opaque string, as a raw JSON string, that the caller is to hand back
// so that the model finds its thoughts again; nil if none can be checked by who wrote them.
func (a *geminiAnswer) carried() []byte {
	var details []byte
	checked := false
	for _, d := range a.details {
		details = append(comma(details), '{')
		for i, name := range d.names {
			if i > 0 {
				details = append(details, ',')
			}
			details = append(append(append(append(details, '"'), name...), `":`...), d.values[i]...)
			checked = checked || name == "signature" && len(inner(d.values[i])) > 0 || d.kind == "reasoning.encrypted"
		}
		details = append(details, '}')
	}
	if !checked {
		details = nil
	}
	object := appendList(appendList(nil, "thinking_blocks", a.blocks), "reasoning_details", details)
	if len(object) == 0 {
		return nil
	}
	object[0] = '{'
	return appendGeminiCarried(nil, append(object, '}'))
}

// appendCandidate appends what an answer says. Its last piece has the calls, and what
// can be said of the whole.
func (t *geminiOpenAI) appendCandidate(dst []byte, a *geminiAnswer, said *geminiOutput, last bool) []byte {
	dst = append(dst, `{"content":{"parts":[`...)
	dst = append(t.appendParts(dst, a, said, last), `],"role":"model"}`...)
	if last {
		reason, message := a.reason()
		dst = append(append(append(dst, `,"finishReason":"`...), reason...), '"')
		if len(message) > 0 {
			dst = append(append(append(dst, `,"finishMessage":"`...), message...), '"')
		}
	}
	dst = strconv.AppendInt(append(dst, `,"index":`...), a.index, 10)
	if last {
		dst = t.appendGrounding(dst, a)
	}
	return append(appendLogprobsResult(dst, said.logprobs), '}')
}

// appendParts appends the parts: thoughts, text, images, calls. A signature is at the
// part that it is of; what is carried, at the first call that has none, else at a text.
func (t *geminiOpenAI) appendParts(dst []byte, a *geminiAnswer, said *geminiOutput, last bool) []byte {
	start := len(dst)
	part := func() {
		if len(dst) > start {
			dst = append(dst, ',')
		}
	}
	if t.showThoughts && len(said.thoughts) > 0 {
		part()
		dst = append(append(append(dst, `{"text":"`...), said.thoughts...), `","thought":true}`...)
	}
	var carried []byte
	bearer := -1
	if last {
		if carried = a.carried(); carried != nil {
			bearer = a.unsigned()
		}
	}
	text := func(text, signature []byte) {
		part()
		dst = append(append(append(dst, `{"text":"`...), text...), '"')
		if signature != nil {
			dst = appendMember(dst, "thoughtSignature", signature)
		}
		dst = append(dst, '}')
	}
	unborne := carried
	if bearer >= 0 {
		unborne = nil
	}
	switch {
	case isString(said.signature):
		text(said.text, said.signature)
	case len(said.text) > 0:
		text(said.text, unborne)
		unborne = nil
	}
	if len(said.images) > 0 {
		part()
		dst = append(dst, said.images...)
	}
	if last {
		for i := range a.calls.blocks {
			part()
			signature := a.signatures[i]
			if i == bearer {
				signature = carried
			}
			dst = appendFunctionCall(dst, &a.calls.blocks[i], signature)
		}
	}
	if unborne != nil || len(dst) == start {
		text(nil, unborne)
	}
	return dst
}

// unsigned is the first call without a signature; -1: there is none.
func (a *geminiAnswer) unsigned() int {
	for i := range a.calls.blocks {
		if a.signatures[i] == nil {
			return i
		}
	}
	return -1
}

// appendFunctionCall appends a call. Its arguments get no line breaks, which would cut an event.
func appendFunctionCall(dst []byte, b *anthropicOutput, signature []byte) []byte {
	dst = append(dst, `{"functionCall":{`...)
	if len(b.id) > 0 {
		dst = append(append(append(dst, `"id":"`...), b.id...), `",`...)
	}
	dst = append(append(append(dst, `"name":"`...), b.name...), `","args":`...)
	from := len(dst)
	dst = b.appendInput(dst)
	for i := from; i < len(dst); i++ {
		if dst[i] == '\n' || dst[i] == '\r' {
			dst[i] = ' '
		}
	}
	dst = append(dst, '}')
	if signature != nil {
		dst = appendMember(dst, "thoughtSignature", signature)
	}
	return append(dst, '}')
}

// reason returns the finish reason and its message, as inside a JSON string. A refusal
// is the message of one: that is what openaiGemini reads as such.
func (a *geminiAnswer) reason() (reason string, message []byte) {
	switch {
	case a.finish == "content_filter" || len(a.refusal) > 0:
		return "SAFETY", a.refusal
	case a.finish == "length":
		return "MAX_TOKENS", nil
	}
	return "STOP", nil // for calls, too
}

// appendLogprobsResult appends what chat has as logprobs.content, if there is any.
func appendLogprobsResult(dst, content []byte) []byte {
	if !isArray(content) || isEmpty(content) {
		return dst
	}
	var chosen, top []byte
	some := false
	jsonscan.Items(content, func(_, token []byte) {
		chosen = appendGoogleLogprob(comma(chosen), token)
		top = append(comma(top), `{"candidates":[`...)
		first := true
		jsonscan.Items(member(token, "top_logprobs"), func(_, token []byte) {
			if !first {
				top = append(top, ',')
			}
			first, some = false, true
			top = appendGoogleLogprob(top, token)
		})
		top = append(top, "]}"...)
	})
	dst = append(append(append(dst, `,"logprobsResult":{"chosenCandidates":[`...), chosen...), ']')
	if some {
		dst = append(append(append(dst, `,"topCandidates":[`...), top...), ']')
	}
	return append(dst, '}')
}

func appendGoogleLogprob(dst, token []byte) []byte {
	dst = append(append(dst, `{"token":`...), stringOr(gjson.GetBytes(token, "token"), `""`)...)
	if p := gjson.GetBytes(token, "logprob"); p.Type == gjson.Number {
		dst = append(append(dst, `,"logProbability":`...), p.Raw...)
	}
	return append(dst, '}')
}

// geminiSources are what an answer cites.
type geminiSources struct {
	urls, titles []string // raw JSON strings
	spans        []geminiSpan
}

// geminiSpan is what a source is cited for: from and to are characters of the text.
type geminiSpan struct{ source, from, to int }

// add keeps a source, once, and returns its place.
func (s *geminiSources) add(url, title gjson.Result) int {
	for i := range s.urls {
		if s.urls[i] == url.Raw {
			return i
		}
	}
	s.urls, s.titles = append(s.urls, strings.Clone(url.Raw)), append(s.titles, strings.Clone(stringOr(title, `""`)))
	return len(s.urls) - 1
}

// annotate reads the annotations of a message.
func (s *geminiSources) annotate(v []byte) {
	jsonscan.Items(v, func(_, annotation []byte) {
		c := gjson.GetBytes(annotation, "url_citation")
		if c.Get("url").Type != gjson.String {
			return
		}
		i, from, to := s.add(c.Get("url"), c.Get("title")), c.Get("start_index").Int(), c.Get("end_index").Int()
		if from >= 0 && to > from && to < 1<<31 {
			s.spans = append(s.spans, geminiSpan{i, int(from), int(to)})
		}
	})
}

// read keeps the sources that Perplexity names beside its answer, and again in every chunk of it.
func (s *geminiSources) read(c *openaiChunk) {
	list, url := c.results, "url"
	if !list.IsArray() {
		list, url = c.citations, "@this"
	}
	if !list.IsArray() {
		return
	}
	*s = geminiSources{}
	list.ForEach(func(_, source gjson.Result) bool {
		if u := source.Get(url); u.Type == gjson.String {
			s.add(u, source.Get("title"))
		}
		return true
	})
}

// appendGrounding appends what the answer cites, if anything. OpenAI counts the
// characters of the text, Gemini its bytes:
// https://ai.google.dev/api/generate-content#GroundingMetadata.
func (t *geminiOpenAI) appendGrounding(dst []byte, a *geminiAnswer) []byte {
	s := &a.cited
	if len(s.urls) == 0 {
		s = &t.sources
	}
	if len(s.urls) == 0 {
		return dst
	}
	dst = append(dst, `,"groundingMetadata":{"groundingChunks":[`...)
	for i := range s.urls {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, `{"web":{"uri":`...), s.urls[i]...), `,"title":`...)
		dst = append(append(dst, s.titles[i]...), "}}"...)
	}
	dst = append(dst, ']')
	var supports []byte
	text := string(unescape(a.text))
	for _, span := range s.spans {
		supports = appendSupport(supports, text, span)
	}
	return append(appendList(dst, "groundingSupports", supports), '}')
}

// appendSupport appends what a source is cited for, if it is in the text.
func appendSupport(dst []byte, text string, span geminiSpan) []byte {
	from, to, n := -1, len(text), 0
	for i := range text {
		if n == span.from {
			from = i
		}
		if n == span.to {
			to = i
			break
		}
		n++
	}
	if from < 0 {
		return dst
	}
	dst = strconv.AppendInt(append(comma(dst), `{"segment":{"startIndex":`...), int64(from), 10)
	dst = strconv.AppendInt(append(dst, `,"endIndex":`...), int64(to), 10)
	dst = appendString(append(dst, `,"text":`...), text[from:to])
	dst = strconv.AppendInt(append(dst, `},"groundingChunkIndices":[`...), int64(span.source), 10)
	return append(dst, "]}"...)
}

// googleErrors are the codes and names of Google's errors by Anthropic's types, which
// are told from what OpenAI and others report: https://cloud.google.com/apis/design/errors.
var googleErrors = map[string]struct {
	code   int
	status string
}{
	"invalid_request_error": {400, "INVALID_ARGUMENT"}, "authentication_error": {401, "UNAUTHENTICATED"},
	"billing_error": {400, "FAILED_PRECONDITION"}, "permission_error": {403, "PERMISSION_DENIED"},
	"not_found_error": {404, "NOT_FOUND"}, "request_too_large": {400, "INVALID_ARGUMENT"},
	"rate_limit_error": {429, "RESOURCE_EXHAUSTED"}, "overloaded_error": {503, "UNAVAILABLE"},
	"timeout_error": {504, "DEADLINE_EXCEEDED"}, "api_error": {500, "INTERNAL"},
}

// appendGoogleError appends an error in Google's form: from OpenAI's object, or from
// the bare string that some send.
func appendGoogleError(dst, failure []byte) []byte {
	e := gjson.ParseBytes(failure)
	message := geminiMember(e, "message")
	if e.Type == gjson.String {
		message = e
	}
	of := googleErrors[anthropicErrorType(geminiMember(e, "code").String(), geminiMember(e, "type").Str, geminiMember(e, "status").String())]
	dst = strconv.AppendInt(append(dst, `{"error":{"code":`...), int64(of.code), 10)
	dst = append(append(dst, `,"message":`...), stringOr(message, `"The provider reported an error."`)...)
	return append(append(append(dst, `,"status":"`...), of.status...), `"}}`...)
}
