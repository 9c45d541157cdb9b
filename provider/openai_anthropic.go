package provider

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// anthropicMaxOutput is the max_tokens of a request whose caller sets no limit
// and whose model's maximum is not known. Anthropic demands one.
const anthropicMaxOutput = 4096

// openaiAnthropic lets clients of OpenAI's chat completions speak with Anthropic's
// messages: https://platform.claude.com/docs/en/api/messages. What Anthropic cannot
// express is an error that begins with the field's name; nothing is left out.
type openaiAnthropic struct {
	call    Call
	created int64 // the reply's time, which Anthropic does not tell, in Unix seconds
	usage   bool  // the stream ends with a usage chunk
	stream  anthropicStream
}

var (
	_ Translator = (*openaiAnthropic)(nil)
	_ Ender      = (*openaiAnthropic)(nil)
)

func newOpenAIAnthropic(c Call) Translator {
	return &openaiAnthropic{
		call: c, created: time.Now().Unix(),
		usage: !c.DropUsage && (c.AskUsage || string(member(c.StreamOptions.Value, "include_usage")) == "true"),
	}
}

// anthropicHonours are the fields of a chat request that have their effect at
// Anthropic. metadata is not among them, because of it only user_id is expressed.
var anthropicHonours = []string{
	"cache_control", "max_completion_tokens", "max_tokens", "parallel_tool_calls", "reasoning", "reasoning_effort", FieldJSONSchema,
	"safety_identifier", "service_tier", "stop", "temperature", "thinking", "tool_choice", "tools", "top_k", "top_p", "usage", "user",
}

// anthropicRead are the fields that are looked at, whatever they may hold.
var anthropicRead = append([]string{"messages", "metadata", "model", FieldResponseFormat, "stream", "stream_options"}, anthropicHonours...)

// anthropicObjects are those of them that must be objects.
var anthropicObjects = []string{"metadata", "reasoning", FieldResponseFormat, "stream_options", "thinking", "usage"}

// neutral reports whether a field that Anthropic does not know holds what OpenAI
// does without it, so that nothing is lost where it is left out.
func neutral(name string, value []byte) bool {
	if slices.Contains(hints, name) {
		return true
	}
	v := gjson.ParseBytes(value)
	switch name {
	case "n", "repetition_penalty":
		return v.Type == gjson.Number && v.Num == 1
	case "frequency_penalty", "presence_penalty", "min_p", "top_logprobs":
		return v.Type == gjson.Number && v.Num == 0
	case "logprobs", "store", "echo":
		return v.Type == gjson.False
	case "logit_bias":
		return v.IsObject() && len(v.Map()) == 0
	case "modalities":
		return v.IsArray() && v.Get("#").Int() == 1 && v.Get("0").Str == "text"
	case "verbosity":
		return v.Str == "medium"
	}
	return false
}

// chatRequest is OpenAI's request on its way to Anthropic.
type chatRequest struct {
	fields    map[string][]byte // those that are neither null nor for the gateway, as they lie
	model     string            // as Anthropic calls it
	maxTokens int64
	thinks    thinking
}

// Request turns a chat request into one of messages.
func (t *openaiAnthropic) Request(dst, src []byte) ([]byte, error) {
	r, err := t.read(src)
	if err != nil {
		return dst, err
	}
	t.usage = t.usage || !t.call.DropUsage && string(member(r.fields["usage"], "include")) == "true"
	out := appendString(append(dst, `{"model":`...), t.call.Send)
	out = strconv.AppendInt(append(out, `,"max_tokens":`...), r.maxTokens, 10)
	for _, write := range [...]func(*chatRequest, []byte) ([]byte, error){
		(*chatRequest).appendSampling, (*chatRequest).appendStop, (*chatRequest).appendThinking, (*chatRequest).appendOutputConfig,
		(*chatRequest).appendUser, (*chatRequest).appendTier, (*chatRequest).appendStream, (*chatRequest).appendTools,
		(*chatRequest).appendToolChoice, (*chatRequest).appendMessages,
	} {
		if out, err = write(r, out); err != nil {
			return dst, err
		}
	}
	return append(out, '}'), nil
}

// read finds the fields, refuses those that have no counterpart, and reads those
// on which others depend.
func (t *openaiAnthropic) read(src []byte) (*chatRequest, error) {
	fields, err := readFields(src, &t.call, anthropicObjects, anthropicRead, unexpressed)
	if err != nil {
		return nil, err
	}
	r := &chatRequest{fields: fields, model: t.call.Send, maxTokens: cmp.Or(t.call.MaxOutput, anthropicMaxOutput)}
	if err := r.readMaxTokens(); err != nil {
		return nil, err
	}
	return r, r.readThinking()
}

// readFields finds the fields of a chat request that are neither null nor for the
// gateway, as they lie, among those that a translator reads. It refuses any other that
// is not neutral, and those of objects that hold none.
func readFields(src []byte, c *Call, objects, read []string, cannot func(field, reason string) error) (map[string][]byte, error) {
	members, err := jsonscan.Members(nil, src)
	if err != nil {
		return nil, fmt.Errorf("cannot read the request: %w", err)
	}
	fields := make(map[string][]byte, len(members))
	for i := range members {
		name, value := string(members[i].Name), members[i].Value
		switch {
		case string(value) == "null", c.drops(name):
		case slices.Contains(objects, name) && value[0] != '{':
			return nil, cannot(name, "it must be an object")
		case slices.Contains(read, name) && name != FieldJSONSchema:
			fields[name] = value
		case !neutral(name, value):
			return nil, cannot(name, "")
		}
	}
	return fields, nil
}

// drops reports whether a field is for the gateway.
func (c *Call) drops(name string) bool {
	return slices.ContainsFunc(c.Drop, func(m jsonscan.Member) bool { return string(m.Name) == name })
}

// unexpressed is the error about a field; reason may be empty.
func unexpressed(field, reason string) error {
	if reason == "" {
		reason = "Anthropic's messages cannot express it"
	}
	return fmt.Errorf("%s: %s", field, reason)
}

func (r *chatRequest) readMaxTokens() error {
	for _, name := range [...]string{"max_completion_tokens", "max_tokens"} {
		if v := r.fields[name]; v != nil {
			n, err := strconv.ParseInt(string(v), 10, 64)
			if err != nil || n < 1 {
				return unexpressed(name, "it must be a whole number above 0")
			}
			r.maxTokens = n
			return nil
		}
	}
	return nil
}

// appendSampling writes what has the same name and meaning; only temperature has
// another range: https://platform.claude.com/docs/en/api/messages#body-temperature.
func (r *chatRequest) appendSampling(dst []byte) ([]byte, error) {
	for _, name := range [...]string{"temperature", "top_p", "top_k"} {
		v := r.fields[name]
		if v == nil {
			continue
		}
		n := gjson.ParseBytes(v)
		switch {
		case n.Type != gjson.Number:
			return dst, unexpressed(name, "it must be a number")
		case name == "temperature" && (n.Num < 0 || n.Num > 1):
			return dst, unexpressed(name, "Anthropic takes 0 to 1")
		case name == "temperature" && r.thinks.on && n.Num != 1:
			return dst, unexpressed(name, "Anthropic takes none but 1 while the model thinks")
		}
		dst = appendMember(dst, name, v)
	}
	if v := r.fields["cache_control"]; v != nil {
		dst = appendMember(dst, "cache_control", v)
	}
	return dst, nil
}

// appendStop writes the stop sequences. Anthropic refuses those of white space alone.
func (r *chatRequest) appendStop(dst []byte) ([]byte, error) {
	v := r.fields["stop"]
	if v == nil {
		return dst, nil
	}
	list, bad := []byte(nil), false
	add := func(_, sequence []byte) {
		text, ok := unquoted(sequence)
		bad = bad || !ok || blankText(text)
		list = append(comma(list), sequence...)
	}
	switch v[0] {
	case '"':
		add(nil, v)
	case '[':
		jsonscan.Items(v, add)
	default:
		bad = true
	}
	if bad {
		return dst, unexpressed("stop", "Anthropic takes strings that are more than white space")
	}
	if len(list) == 0 {
		return dst, nil
	}
	return append(append(append(dst, `,"stop_sequences":[`...), list...), ']'), nil
}

// appendUser writes the end user's identifier, of which Anthropic takes one.
func (r *chatRequest) appendUser(dst []byte) ([]byte, error) {
	if v := r.fields["metadata"]; v != nil {
		other := false
		jsonscan.Items(v, func(name, _ []byte) { other = other || string(name) != "user_id" })
		if other {
			return dst, unexpressed("metadata", "Anthropic takes user_id alone")
		}
	}
	var id []byte
	for _, c := range [...]struct {
		name  string
		value []byte
	}{{"safety_identifier", r.fields["safety_identifier"]}, {"user", r.fields["user"]}, {"metadata", member(r.fields["metadata"], "user_id")}} {
		switch {
		case c.value == nil:
		case !isString(c.value):
			return dst, unexpressed(c.name, "the identifier must be a string")
		case id != nil && string(id) != string(c.value):
			return dst, unexpressed(c.name, "Anthropic takes one identifier of the user, and another field holds a different one")
		default:
			id = c.value
		}
	}
	if id == nil {
		return dst, nil
	}
	return append(append(append(dst, `,"metadata":{"user_id":`...), id...), '}'), nil
}

// appendTier: https://platform.claude.com/docs/en/api/service-tiers.
func (r *chatRequest) appendTier(dst []byte) ([]byte, error) {
	switch v := r.fields["service_tier"]; string(v) {
	case "":
		return dst, nil
	case `"auto"`, `"standard_only"`:
		return appendMember(dst, "service_tier", v), nil
	case `"default"`:
		return append(dst, `,"service_tier":"standard_only"`...), nil
	}
	return dst, unexpressed("service_tier", "Anthropic takes auto and default")
}

func (r *chatRequest) appendStream(dst []byte) ([]byte, error) {
	for _, field := range [...]struct{ name, option string }{{"stream_options", "include_usage"}, {"usage", "include"}} {
		var other string
		jsonscan.Items(r.fields[field.name], func(name, value []byte) {
			if string(name) != field.option && string(value) != "null" && string(value) != "false" {
				other = string(name)
			}
		})
		if other != "" {
			return dst, unexpressed(field.name+"."+other, "")
		}
	}
	switch v := r.fields["stream"]; string(v) {
	case "":
		return dst, nil
	case "true", "false":
		return appendMember(dst, "stream", v), nil
	}
	return dst, unexpressed("stream", "it must be true or false")
}

// appendOutputConfig writes effort and format:
// https://platform.claude.com/docs/en/build-with-claude/structured-outputs.
func (r *chatRequest) appendOutputConfig(dst []byte) ([]byte, error) {
	var config []byte
	if r.thinks.effort != "" {
		config = appendString(append(config, `"effort":`...), r.thinks.effort)
	}
	format := r.fields[FieldResponseFormat]
	switch kind := member(format, "type"); {
	case format == nil, string(kind) == `"text"`:
	case string(kind) == `"json_schema"`:
		var err error
		if config, err = appendFormat(comma(config), member(format, "json_schema")); err != nil {
			return dst, err
		}
	default:
		return dst, unexpressed(FieldResponseFormat, "Anthropic takes text and json_schema")
	}
	if config == nil {
		return dst, nil
	}
	return append(append(append(dst, `,"output_config":{`...), config...), '}'), nil
}

// appendFormat writes a schema, in which Anthropic demands that objects are closed.
// It knows no name of it, and always keeps to it strictly. Its description becomes
// the schema's where that has none.
func appendFormat(dst, format []byte) ([]byte, error) {
	schema := member(format, "schema")
	if schema == nil || schema[0] != '{' {
		return dst, unexpressed(FieldResponseFormat+".json_schema.schema", "it must be an object")
	}
	var about []byte
	if member(schema, "description") == nil {
		about = member(format, "description")
	}
	dst = appendClosed(append(dst, `"format":{"type":"json_schema","schema":`...), schema, about)
	return append(dst, '}'), nil
}
