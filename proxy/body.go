package proxy

import (
	"bytes"
	"strconv"
	"unicode/utf8"
	"unsafe"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/router"
)

// body is what the gateway reads of a chat request, where it lies: everything
// aliases the request's bytes and is valid until the handler returns.
type body struct {
	raw      []byte
	dialect  llm.Dialect
	endpoint llm.Endpoint
	members  []jsonscan.Member
	fields   []string          // names of the members that ask for something
	steers   []jsonscan.Member // OpenRouter's routing fields

	model         jsonscan.Member
	named         string // the model's name, a copy
	stream        bool
	streamOptions jsonscan.Member
	wantsUsage    bool // stream_options.include_usage

	prompt             pricing.Prompt
	hasPrompt          bool
	hasTools           bool
	hasFormat          bool
	maxOutput, choices int64
	needs              router.Needs
	turns, toolCount   int
	form               string // the content type of a multipart request; empty: it is JSON
	kept               bool   // it goes on from what a provider remembers

	fallbacks, only, order []string // OpenRouter's models and provider
	sort                   string
	tier                   string // service_tier, if it asks for another than the default
	maxPrompt, maxOutPrice llm.Rate
}

// read validates raw as a request of a dialect and finds what the gateway needs in
// it. Where the model is not in the body, named holds it before.
func (b *body) read(raw []byte, d llm.Dialect, e llm.Endpoint) *llm.Error {
	b.raw, b.dialect, b.endpoint = raw, d, e
	var err error
	b.members, err = jsonscan.Members(b.members[:0], raw)
	if err != nil {
		return llm.Invalid("", "The request's body is not valid JSON: "+err.Error()+".")
	}
	for i := range b.members {
		m := &b.members[i]
		b.prompt.Member(m.Name, m.Value)
		if err := b.memberOf(d, m); err != nil {
			return err
		}
	}
	return b.complete()
}

// memberOf reads one top-level member as a dialect has it.
func (b *body) memberOf(d llm.Dialect, m *jsonscan.Member) *llm.Error {
	switch {
	case d == llm.DialectAnthropic:
		return b.anthropicMember(m)
	case d == llm.DialectGemini:
		return b.geminiMember(m)
	case d == llm.DialectResponses:
		return b.responsesMember(m)
	case b.endpoint != llm.EndpointChat:
		return b.plainMember(m)
	}
	b.ask(unsafe.String(unsafe.SliceData(m.Name), len(m.Name)), m.Value) //nolint:gosec // it aliases the request like the rest of the body does
	return b.member(m)
}

// complete refuses a request that says too little. A model that the API does not demand is the API's own.
func (b *body) complete() *llm.Error {
	if b.named == "" {
		b.named = usualModels[b.endpoint]
	}
	switch {
	case b.named == "":
		return llm.Invalid("model", "The field 'model' is missing.")
	case !b.hasPrompt:
		return llm.Invalid(b.asked(), "The field '"+b.asked()+"' is missing.")
	}
	return nil
}

// usualModels are used where a request names none:
// https://platform.openai.com/docs/api-reference/moderations/create,
// https://platform.openai.com/docs/api-reference/images/create.
var usualModels = [llm.Endpoints]string{llm.EndpointModerations: "omni-moderation-latest", llm.EndpointImages: "dall-e-2"}

// asked is the field without which there is nothing to do.
func (b *body) asked() string {
	switch {
	case b.dialect == llm.DialectGemini && b.endpoint == llm.EndpointEmbeddings:
		return "content"
	case b.dialect == llm.DialectGemini:
		return "contents"
	case b.dialect == llm.DialectResponses:
		return "input"
	}
	switch b.endpoint {
	case llm.EndpointEmbeddings, llm.EndpointModerations, llm.EndpointSpeech:
		return "input"
	case llm.EndpointCompletions, llm.EndpointImages:
		return "prompt"
	}
	return "messages"
}

// plainMember reads one top-level member of a request that is no conversation.
func (b *body) plainMember(m *jsonscan.Member) *llm.Error {
	switch name := string(m.Name); name {
	case "model":
		return first(b.model.Value == nil, m, b.readModel)
	case b.asked():
		return first(!b.hasPrompt, m, func(m *jsonscan.Member) *llm.Error {
			b.hasPrompt = string(m.Value) != "null"
			return nil
		})
	case "stream":
		return readBool(m, &b.stream)
	case "stream_options":
		return first(b.streamOptions.Value == nil, m, b.readStreamOptions)
	case "stream_format":
		b.stream = b.stream || string(m.Value) == `"sse"`
	case "max_tokens":
		return readCount(m, &b.maxOutput)
	case "n":
		return readCount(m, &b.choices)
	}
	return nil
}

// ask notes a field that asks for something, by its name in OpenAI's dialect.
func (b *body) ask(name string, value []byte) {
	if !router.Inert(name, value) {
		b.fields = append(b.fields, name)
	}
}

// member reads one top-level member. A member that decides where the request
// goes, or what it costs, may not come twice: JSON leaves open which one counts.
func (b *body) member(m *jsonscan.Member) *llm.Error {
	switch string(m.Name) {
	case "model":
		return first(b.model.Value == nil, m, b.readModel)
	case "messages":
		return first(!b.hasPrompt, m, b.readMessages)
	case "stream":
		return readBool(m, &b.stream)
	case "stream_options":
		return first(b.streamOptions.Value == nil, m, b.readStreamOptions)
	case "max_tokens", "max_completion_tokens":
		return readCount(m, &b.maxOutput)
	case "n":
		return readCount(m, &b.choices)
	case "tools":
		return first(!b.hasTools, m, b.readTools)
	case "functions":
		if b.toolCount == 0 {
			return b.readTools(m)
		}
	case "response_format":
		return first(!b.hasFormat, m, b.readFormat)
	case "service_tier":
		if !router.Inert("service_tier", m.Value) {
			b.tier = gjson.ParseBytes(m.Value).String()
		}
	case "modalities":
		if bytes.Contains(m.Value, []byte(`"audio"`)) {
			b.needs.Output |= pricing.Audio
		}
	case "models":
		b.steers = append(b.steers, *m)
		return readStrings(m.Value, "models", &b.fallbacks)
	case "provider":
		b.steers = append(b.steers, *m)
		return b.readProvider(m.Value)
	}
	return nil
}

func first(is bool, m *jsonscan.Member, read func(m *jsonscan.Member) *llm.Error) *llm.Error {
	if !is {
		return llm.Invalid(string(m.Name), "The field '"+string(m.Name)+"' appears twice.")
	}
	return read(m)
}

// maxModelName bounds a model's name in bytes.
const maxModelName = 256

func (b *body) readModel(m *jsonscan.Member) *llm.Error {
	if m.Value[0] != '"' {
		return llm.Invalid("model", "The field 'model' must be a string.")
	}
	b.model, b.named = *m, gjson.ParseBytes(m.Value).String()
	if b.named == "" {
		return llm.Invalid("model", "The field 'model' is empty.")
	}
	return checkModel(b.named)
}

func checkModel(name string) *llm.Error {
	if len(name) > maxModelName || !printable(name) {
		return llm.Invalid("model", "The field 'model' is not a model's name.")
	}
	return nil
}

// printable reports whether s is UTF-8 without control characters.
func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return false
		}
	}
	return true
}

func readBool(m *jsonscan.Member, dst *bool) *llm.Error {
	switch string(m.Value) {
	case "true":
		*dst = true
	case "false", "null":
	default:
		return llm.Invalid(string(m.Name), "The field '"+string(m.Name)+"' must be true or false.")
	}
	return nil
}

// readCount reads a positive integer, or null, and keeps the largest of several fields.
func readCount(m *jsonscan.Member, dst *int64) *llm.Error {
	if string(m.Value) == "null" {
		return nil
	}
	n, err := strconv.ParseInt(string(m.Value), 10, 32)
	if err != nil || n < 1 {
		return llm.Invalid(string(m.Name), "The field '"+string(m.Name)+"' must be a positive integer.")
	}
	*dst = max(*dst, n)
	return nil
}

func (b *body) readStreamOptions(m *jsonscan.Member) *llm.Error {
	if m.Value[0] != '{' && string(m.Value) != "null" {
		return llm.Invalid("stream_options", "The field 'stream_options' must be an object.")
	}
	b.streamOptions = *m
	b.wantsUsage = gjson.GetBytes(m.Value, "include_usage").Bool()
	return nil
}

func (b *body) readTools(m *jsonscan.Member) *llm.Error {
	if m.Value[0] != '[' {
		if string(m.Value) == "null" {
			return nil
		}
		return llm.Invalid(string(m.Name), "The field '"+string(m.Name)+"' must be an array.")
	}
	b.hasTools = true
	jsonscan.Items(m.Value, func(_, _ []byte) { b.toolCount++ })
	b.needs.Tools = b.toolCount > 0
	return nil
}

func (b *body) readFormat(m *jsonscan.Member) *llm.Error {
	if string(m.Value) == "null" {
		return nil
	}
	if m.Value[0] != '{' {
		return llm.Invalid("response_format", "The field 'response_format' must be an object.")
	}
	b.hasFormat = true
	switch gjson.GetBytes(m.Value, "type").Str {
	case "json_object":
		b.needs.JSONObject = true
	case "json_schema":
		b.needs.JSONSchema = true
	}
	return nil
}

func (b *body) readMessages(m *jsonscan.Member) *llm.Error {
	if m.Value[0] != '[' {
		return llm.Invalid("messages", "The field 'messages' must be an array.")
	}
	b.hasPrompt = true
	bad := -1
	jsonscan.Items(m.Value, func(_, message []byte) {
		if message[0] != '{' && bad < 0 {
			bad = b.turns
		}
		b.turns++
		b.readMessage(message)
	})
	switch {
	case b.turns == 0:
		return llm.Invalid("messages", "The field 'messages' must not be empty.")
	case bad >= 0:
		param := "messages[" + strconv.Itoa(bad) + "]"
		return llm.Invalid(param, "The field '"+param+"' must be an object.")
	}
	return nil
}

// readMessage notes what a message needs of a model.
func (b *body) readMessage(message []byte) {
	jsonscan.Items(message, func(name, value []byte) {
		switch string(name) {
		case "role":
			switch string(value) {
			case `"assistant"`:
				b.needs.Conversation = true
			case `"tool"`, `"function"`:
				b.needs.ToolChain = true
			}
		case "tool_calls", "function_call":
			b.needs.ToolChain = b.needs.ToolChain || value[0] == '[' && len(value) > 2 || value[0] == '{'
		case "content":
			if value[0] == '[' {
				jsonscan.Items(value, func(_, part []byte) { b.readPart(part) })
			}
		}
	})
}

func (b *body) readPart(part []byte) {
	jsonscan.Items(part, func(name, value []byte) {
		if string(name) != "type" {
			return
		}
		switch string(value) {
		case `"image_url"`, `"image"`:
			b.needs.Input |= pricing.Image
		case `"input_audio"`:
			b.needs.Input |= pricing.Audio
		case `"video_url"`:
			b.needs.Input |= pricing.Video
		case `"file"`, `"document"`:
			b.needs.Input |= pricing.PDF
		case `"tool_use"`, `"tool_result"`:
			b.needs.ToolChain = true
		}
	})
}

// readProvider reads OpenRouter's provider preferences: https://openrouter.ai/docs/features/provider-routing
func (b *body) readProvider(value []byte) *llm.Error {
	if value[0] != '{' {
		return nil
	}
	p := gjson.ParseBytes(value)
	if err := readStrings([]byte(p.Get("order").Raw), "provider.order", &b.order); err != nil {
		return err
	}
	if err := readStrings([]byte(p.Get("only").Raw), "provider.only", &b.only); err != nil {
		return err
	}
	b.sort = p.Get("sort").String()
	if err := readPrice(p.Get("max_price.prompt"), "provider.max_price.prompt", &b.maxPrompt); err != nil {
		return err
	}
	return readPrice(p.Get("max_price.completion"), "provider.max_price.completion", &b.maxOutPrice)
}

// readPrice reads a price in dollars per million tokens, a number or a string of
// one. A nano-dollar per million tokens is a femto-dollar per token.
func readPrice(price gjson.Result, param string, dst *llm.Rate) *llm.Error {
	if !price.Exists() {
		return nil
	}
	m, err := llm.ParseMoney(price.String())
	if err != nil || m < 0 {
		return llm.Invalid(param, "The field '"+param+"' must be a price in dollars per million tokens.")
	}
	*dst = llm.Rate(m)
	return nil
}

// readStrings reads an array of strings; nothing and null are none.
func readStrings(value []byte, param string, dst *[]string) *llm.Error {
	if len(value) == 0 || string(value) == "null" {
		return nil
	}
	ok := value[0] == '['
	jsonscan.Items(value, func(name, item []byte) {
		s := gjson.ParseBytes(item)
		ok = ok && name == nil && s.Type == gjson.String && printable(s.Str)
		*dst = append(*dst, s.String())
	})
	if !ok {
		return llm.Invalid(param, "The field '"+param+"' must be an array of strings.")
	}
	return nil
}
