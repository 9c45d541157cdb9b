package provider

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// openaiBedrock lets clients of OpenAI's chat completions speak with Amazon Bedrock's
// Converse: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
// What Converse cannot express is an error that begins with the field's name; nothing
// is left out. The model's name is in the address, not in the body.
type openaiBedrock struct {
	openaiAnthropic // writes the answer, whose blocks are much the same
	claude, nova    bool
	opened          bool // the open block of the stream is known by its index
	index           string
}

var (
	_ Translator = (*openaiBedrock)(nil)
	_ Ender      = (*openaiBedrock)(nil)
)

func newOpenAIBedrock(c Call) Translator {
	return &openaiBedrock{
		openaiAnthropic: openaiAnthropic{
			call: c, created: time.Now().Unix(),
			usage: !c.DropUsage && (c.AskUsage || string(member(c.StreamOptions.Value, "include_usage")) == "true"),
		},
		claude: bedrockClaude(c.Send), nova: strings.Contains(c.Send, "amazon.nova"),
	}
}

// bedrockClaude reports whether a model of Bedrock's is one of Anthropic's, which is
// asked for more than Converse has by additionalModelRequestFields:
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html
func bedrockClaude(model string) bool { return strings.Contains(model, "anthropic.") }

// bedrockHonours are the fields of a chat request that have their effect at Bedrock;
// bedrockClaudeHonours those of them that only Anthropic's models have, and top_k also
// Amazon's Nova.
var (
	bedrockHonours = append([]string{
		"cache_control", "max_completion_tokens", "max_tokens", "metadata", FieldJSONSchema, "safety_identifier", "service_tier", "stop",
		"temperature", "tool_choice", "tools", "top_p", "usage", "user",
	}, bedrockClaudeHonours...)
	bedrockClaudeHonours = []string{"parallel_tool_calls", "reasoning", "reasoning_effort", "thinking", "top_k"}
)

// bedrockRead are the fields that are looked at, whatever they may hold.
var bedrockRead = append([]string{"messages", "model", FieldResponseFormat, "stream", "stream_options"}, bedrockHonours...)

// bedrockCannot is the error about a field; reason may be empty.
func bedrockCannot(field, reason string) error {
	return fmt.Errorf("%s: %s", field, cmp.Or(reason, "Bedrock's Converse cannot express it"))
}

// bedrockRequest is OpenAI's request on its way to Converse.
type bedrockRequest struct {
	chatRequest
	claude, nova bool
	limited      bool   // the caller has set the most tokens, or they bound a budget
	inference    []byte // members of inferenceConfig
	extra        []byte // members of additionalModelRequestFields
	called       bool   // the conversation has tool calls
}

// Request turns a chat request into one of Converse.
func (t *openaiBedrock) Request(dst, src []byte) ([]byte, error) {
	r, err := t.read(src)
	if err != nil {
		return dst, err
	}
	t.usage = t.usage || !t.call.DropUsage && string(member(r.fields["usage"], "include")) == "true"
	out := append(dst, '{')
	for _, write := range [...]func(*bedrockRequest, []byte) ([]byte, error){
		(*bedrockRequest).appendMessages, (*bedrockRequest).appendTools, (*bedrockRequest).appendInference, (*bedrockRequest).appendExtra,
		(*bedrockRequest).appendFormat, (*bedrockRequest).appendTier, (*bedrockRequest).appendMetadata,
	} {
		if out, err = write(r, out); err != nil {
			return dst, err
		}
	}
	return append(out, '}'), nil
}

// read finds the fields, refuses those that have no counterpart, and reads those on
// which others depend.
func (t *openaiBedrock) read(src []byte) (*bedrockRequest, error) {
	fields, err := readFields(src, &t.call, anthropicObjects, bedrockRead, bedrockCannot)
	if err != nil {
		return nil, err
	}
	r := &bedrockRequest{claude: t.claude, nova: t.nova, chatRequest: chatRequest{
		fields: fields, model: t.call.Send, maxTokens: cmp.Or(t.call.MaxOutput, anthropicMaxOutput),
	}}
	if err := r.checkStream(); err != nil {
		return nil, err
	}
	if err := r.readMaxTokens(); err != nil {
		return nil, err
	}
	r.limited = r.fields["max_completion_tokens"] != nil || r.fields["max_tokens"] != nil
	return r, r.readReasoning()
}

// checkStream refuses the options of a stream that have no counterpart. Whether there
// is one is said by the address, and usage is always reported.
func (r *bedrockRequest) checkStream() error {
	if v := string(r.fields["stream"]); v != "" && v != "true" && v != "false" {
		return bedrockCannot("stream", "it must be true or false")
	}
	for _, field := range [...]struct{ name, option string }{{"stream_options", "include_usage"}, {"usage", "include"}} {
		var other string
		jsonscan.Items(r.fields[field.name], func(name, value []byte) {
			if string(name) != field.option && string(value) != "null" && string(value) != "false" {
				other = string(name)
			}
		})
		if other != "" {
			return bedrockCannot(field.name+"."+other, "")
		}
	}
	return nil
}

// readReasoning has Anthropic's models told how to think as Anthropic is told; what
// others take differs from each to each.
func (r *bedrockRequest) readReasoning() error {
	if !r.claude {
		for _, name := range [...]string{"reasoning", "reasoning_effort", "thinking"} {
			if v := r.fields[name]; v != nil && string(v) != `"none"` && string(member(v, "type")) != `"disabled"` && string(member(v, "enabled")) != "false" {
				return bedrockCannot(name, "it can be expressed for Anthropic's models alone")
			}
		}
		return nil
	}
	if err := r.readThinking(); err != nil {
		return err
	}
	if r.thinks.config != nil {
		r.more("thinking", r.thinks.config)
		r.limited = r.limited || member(r.thinks.config, "budget_tokens") != nil
	}
	if r.thinks.effort != "" {
		r.more("output_config", append(appendString([]byte(`{"effort":`), r.thinks.effort), '}'))
	}
	return nil
}

// more adds a field of additionalModelRequestFields.
func (r *bedrockRequest) more(name string, value []byte) {
	r.extra = append(append(append(append(comma(r.extra), '"'), name...), `":`...), value...)
}

// setting adds a field of inferenceConfig.
func (r *bedrockRequest) setting(name string, value []byte) {
	r.inference = append(append(append(append(comma(r.inference), '"'), name...), `":`...), value...)
}

// appendInference writes what all models have in common:
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InferenceConfiguration.html
func (r *bedrockRequest) appendInference(dst []byte) ([]byte, error) {
	if r.limited {
		r.setting("maxTokens", strconv.AppendInt(nil, r.maxTokens, 10))
	}
	for _, f := range [...]struct{ name, bedrock string }{{"temperature", "temperature"}, {"top_p", "topP"}} {
		v := r.fields[f.name]
		if v == nil {
			continue
		}
		n := gjson.ParseBytes(v)
		switch {
		case n.Type != gjson.Number || n.Num < 0 || n.Num > 1:
			return dst, bedrockCannot(f.name, "Bedrock takes a number from 0 to 1")
		case f.name == "temperature" && r.thinks.on && n.Num != 1:
			return dst, bedrockCannot(f.name, "Anthropic's models take none but 1 while they think")
		}
		r.setting(f.bedrock, v)
	}
	if err := r.stop(); err != nil {
		return dst, err
	}
	if len(r.inference) == 0 {
		return dst, nil
	}
	return append(append(append(dst, `,"inferenceConfig":{`...), r.inference...), '}'), nil
}

// stop adds the stop sequences, of which Anthropic's models refuse those of white space alone.
func (r *bedrockRequest) stop() error {
	v := r.fields["stop"]
	if v == nil {
		return nil
	}
	list, bad := []byte(nil), false
	add := func(_, sequence []byte) {
		text, ok := unquoted(sequence)
		bad = bad || !ok || len(text) == 0 || r.claude && blankText(text)
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
		return bedrockCannot("stop", "the model takes strings that are more than white space")
	}
	if len(list) > 0 {
		r.setting("stopSequences", append(append([]byte{'['}, list...), ']'))
	}
	return nil
}

// appendExtra writes what only some models have, by the names of their own bodies.
func (r *bedrockRequest) appendExtra(dst []byte) ([]byte, error) {
	if v := r.fields["top_k"]; v != nil {
		switch {
		case gjson.ParseBytes(v).Type != gjson.Number:
			return dst, bedrockCannot("top_k", "it must be a number")
		case r.claude:
			r.more("top_k", v)
		case r.nova:
			r.more("inferenceConfig", append(append([]byte(`{"topK":`), v...), '}'))
		default:
			return dst, bedrockCannot("top_k", "it can be expressed for Anthropic's and Amazon's models alone")
		}
	}
	if len(r.extra) == 0 {
		return dst, nil
	}
	return append(append(append(dst, `,"additionalModelRequestFields":{`...), r.extra...), '}'), nil
}

// appendFormat writes a schema as the string that Converse takes it in, in which
// objects must be closed: https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html
// It is always kept to strictly.
func (r *bedrockRequest) appendFormat(dst []byte) ([]byte, error) {
	format := r.fields[FieldResponseFormat]
	switch kind := string(member(format, "type")); {
	case format == nil, kind == `"text"`:
		return dst, nil
	case kind != `"json_schema"`:
		return dst, bedrockCannot(FieldResponseFormat, "Bedrock takes text and json_schema")
	}
	format = member(format, "json_schema")
	schema := member(format, "schema")
	if schema == nil || schema[0] != '{' {
		return dst, bedrockCannot(FieldResponseFormat+".json_schema.schema", "it must be an object")
	}
	dst = append(dst, `,"outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":`...)
	dst = appendString(dst, string(appendClosed(nil, schema, nil)))
	for _, name := range [...]string{"name", "description"} {
		if v := member(format, name); isString(v) {
			dst = appendMember(dst, name, v)
		}
	}
	return append(dst, `}}}}`...), nil
}

// appendTier: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ServiceTier.html
func (r *bedrockRequest) appendTier(dst []byte) ([]byte, error) {
	switch v := r.fields["service_tier"]; string(v) {
	case "", `"auto"`:
		return dst, nil
	case `"default"`, `"flex"`, `"priority"`, `"reserved"`:
		return append(append(append(dst, `,"serviceTier":{"type":`...), v...), '}'), nil
	}
	return dst, bedrockCannot("service_tier", "Bedrock takes auto, default, flex, priority and reserved")
}

// Converse's map of request metadata, which Bedrock's logs of invocations can be
// filtered by, has at most 16 entries of at most 256 characters.
var bedrockMetadata = regexp.MustCompile(`^[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}$`)

const maxBedrockMetadata = 16

// appendMetadata writes metadata and the end user's identifiers as request metadata.
func (r *bedrockRequest) appendMetadata(dst []byte) ([]byte, error) {
	var list []byte
	var err error
	named := map[string]bool{}
	add := func(field, name string, value []byte) {
		text, ok := unquoted(value)
		switch {
		case err != nil:
		case !ok || name == "" || !bedrockMetadata.MatchString(name) || !bedrockMetadata.Match(text):
			err = bedrockCannot(field, "Bedrock takes strings of up to 256 letters, digits, spaces and :_@$#=/+,.-")
		case named[name] || len(named) == maxBedrockMetadata:
			err = bedrockCannot(field, "Bedrock takes 16 entries of different names")
		default:
			named[name] = true
			list = append(append(appendString(comma(list), name), ':'), value...)
		}
	}
	for _, name := range [...]string{"user", "safety_identifier"} {
		if v := r.fields[name]; v != nil {
			add(name, name, v)
		}
	}
	jsonscan.Items(r.fields["metadata"], func(name, value []byte) { add("metadata."+string(name), string(name), value) })
	if err != nil || len(list) == 0 {
		return dst, err
	}
	return append(append(append(dst, `,"requestMetadata":{`...), list...), '}'), nil
}
