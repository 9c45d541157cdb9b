package provider

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// openaiCohere lets clients of OpenAI's chat completions speak with Cohere's chat,
// version 2: https://docs.cohere.com/reference/chat. What Cohere cannot express is an
// error that begins with the field's name; nothing is left out but cache_control, a
// hint that changes no answer: Cohere caches unasked.
type openaiCohere struct {
	call    Call
	created int64 // the reply's time, which Cohere does not tell, in Unix seconds
	usage   bool  // the stream ends with a usage chunk
	stream  cohereStream
}

var _ Translator = (*openaiCohere)(nil)

func newOpenAICohere(c Call) Translator {
	return &openaiCohere{
		call: c, created: time.Now().Unix(),
		usage: !c.DropUsage && (c.AskUsage || string(member(c.StreamOptions.Value, "include_usage")) == "true"),
	}
}

// cohereHonours are the fields of a chat request that have their effect at Cohere.
var cohereHonours = []string{
	"cache_control", "frequency_penalty", "logprobs", "max_completion_tokens", "max_tokens", "presence_penalty", "reasoning",
	"reasoning_effort", FieldResponseFormat, "seed", "stop", "temperature", "thinking", "tool_choice", "tools", "top_k", "top_p", "usage",
}

// cohereRead are the fields that are looked at, whatever they may hold.
var cohereRead = append([]string{"messages", "model", "parallel_tool_calls", "service_tier", "stream", "stream_options"}, cohereHonours...)

// cohereObjects are those of them that must be objects.
var cohereObjects = []string{"reasoning", FieldResponseFormat, "stream_options", "thinking", "usage"}

// cohereRequest is OpenAI's request on its way to Cohere.
type cohereRequest struct {
	fields    map[string][]byte // those that are neither null nor for the gateway, as they lie
	model     string            // as Cohere calls it
	maxOutput int64             // what the model can write, in tokens
	maxTokens int64             // what it may write; 0: the caller sets no limit
	only      string            // the one function that is left of the tools, because it must be called; empty: all
}

// cohereMaxOutput is what a model that thinks can write where that is not known, in
// tokens: https://docs.cohere.com/docs/command-a-reasoning.
const cohereMaxOutput = 32000

// Request turns a chat request into Cohere's.
func (t *openaiCohere) Request(dst, src []byte) ([]byte, error) {
	r, err := t.read(src)
	if err != nil {
		return dst, err
	}
	t.usage = t.usage || !t.call.DropUsage && string(member(r.fields["usage"], "include")) == "true"
	out := appendString(append(dst, `{"model":`...), t.call.Send)
	for _, write := range [...]func(*cohereRequest, []byte) ([]byte, error){
		(*cohereRequest).appendStream, (*cohereRequest).appendMaxTokens, (*cohereRequest).appendSampling, (*cohereRequest).appendLogprobs,
		(*cohereRequest).appendStop, (*cohereRequest).appendThinking, (*cohereRequest).appendFormat, (*cohereRequest).appendToolChoice,
		(*cohereRequest).appendTools, (*cohereRequest).appendMessages,
	} {
		if out, err = write(r, out); err != nil {
			return dst, err
		}
	}
	return append(out, '}'), nil
}

// read finds the fields and refuses those that have no counterpart.
func (t *openaiCohere) read(src []byte) (*cohereRequest, error) {
	fields, err := readFields(src, &t.call, cohereObjects, cohereRead, notCohere)
	if err != nil {
		return nil, err
	}
	r := &cohereRequest{fields: fields, model: t.call.Send, maxOutput: cmp.Or(t.call.MaxOutput, cohereMaxOutput)}
	if tier := string(r.fields["service_tier"]); tier != "" && tier != `"auto"` && tier != `"default"` {
		return nil, notCohere("service_tier", "Cohere has no tiers but the default")
	}
	return r, nil
}

// notCohere is the error about a field; reason may be empty.
func notCohere(field, reason string) error {
	return fmt.Errorf("%s: %s", field, cmp.Or(reason, "Cohere's chat cannot express it"))
}

func (r *cohereRequest) appendStream(dst []byte) ([]byte, error) {
	for _, field := range [...]struct{ name, option string }{{"stream_options", "include_usage"}, {"usage", "include"}} {
		var other string
		jsonscan.Items(r.fields[field.name], func(name, value []byte) {
			if string(name) != field.option && string(value) != "null" && string(value) != "false" {
				other = string(name)
			}
		})
		if other != "" {
			return dst, notCohere(field.name+"."+other, "")
		}
	}
	switch v := r.fields["stream"]; string(v) {
	case "":
		return dst, nil
	case "true", "false":
		return appendMember(dst, "stream", v), nil
	}
	return dst, notCohere("stream", "it must be true or false")
}

func (r *cohereRequest) appendMaxTokens(dst []byte) ([]byte, error) {
	for _, name := range [...]string{"max_completion_tokens", "max_tokens"} {
		v := r.fields[name]
		if v == nil {
			continue
		}
		n, err := strconv.ParseInt(string(v), 10, 64)
		if err != nil || n < 1 {
			return dst, notCohere(name, "it must be a whole number above 0")
		}
		r.maxTokens = n
		return strconv.AppendInt(append(dst, `,"max_tokens":`...), n, 10), nil
	}
	return dst, nil
}

// cohereNumbers are what Cohere takes as numbers, and the ranges that it documents.
var cohereNumbers = [...]struct {
	name, as string
	min, max float64
	whole    bool
}{
	{name: "temperature", as: "temperature", max: 1},
	{name: "top_p", as: "p", max: 1},
	{name: "top_k", as: "k", max: 500, whole: true},
	{name: "seed", as: "seed", max: 1 << 63, whole: true},
	{name: "frequency_penalty", as: "frequency_penalty", max: 1},
	{name: "presence_penalty", as: "presence_penalty", max: 1},
}

func (r *cohereRequest) appendSampling(dst []byte) ([]byte, error) {
	for _, c := range cohereNumbers {
		v := r.fields[c.name]
		if v == nil {
			continue
		}
		n := gjson.ParseBytes(v)
		switch {
		case n.Type != gjson.Number:
			return dst, notCohere(c.name, "it must be a number")
		case n.Num < c.min || n.Num > c.max:
			return dst, notCohere(c.name, fmt.Sprintf("Cohere takes %g to %g", c.min, c.max))
		case c.whole && strings.ContainsAny(n.Raw, ".eE-"):
			return dst, notCohere(c.name, "it must be a whole number")
		case c.as == "p":
			v = cohereShare(v, n.Num)
		}
		dst = appendMember(dst, c.as, v)
	}
	return dst, nil
}

// cohereShare is top_p as Cohere takes it, which is 0.01 to 0.99. What is beyond says
// the same as that end: to leave it out would mean 0.75.
func cohereShare(value []byte, p float64) []byte {
	switch {
	case p < 0.01:
		return []byte("0.01")
	case p > 0.99:
		return []byte("0.99")
	}
	return value
}

// appendLogprobs asks for the probabilities of what was written. Cohere tells no others.
func (r *cohereRequest) appendLogprobs(dst []byte) ([]byte, error) {
	switch v := r.fields["logprobs"]; string(v) {
	case "", "false":
		return dst, nil
	case "true":
		return appendMember(dst, "logprobs", v), nil
	}
	return dst, notCohere("logprobs", "it must be true or false")
}

// cohereMaxStops is how many stop sequences Cohere takes.
const cohereMaxStops = 5

func (r *cohereRequest) appendStop(dst []byte) ([]byte, error) {
	v := r.fields["stop"]
	if v == nil {
		return dst, nil
	}
	list, n, bad := []byte(nil), 0, false
	add := func(_, sequence []byte) {
		bad = bad || !isString(sequence)
		list = append(comma(list), sequence...)
		n++
	}
	switch v[0] {
	case '"':
		add(nil, v)
	case '[':
		jsonscan.Items(v, add)
	default:
		bad = true
	}
	switch {
	case bad:
		return dst, notCohere("stop", "it must be a string or an array of strings")
	case n > cohereMaxStops:
		return dst, notCohere("stop", "Cohere takes up to 5")
	}
	return appendList(dst, "stop_sequences", list), nil
}

// appendFormat: https://docs.cohere.com/docs/structured-outputs. Cohere always keeps
// strictly to a schema, and knows no name of it; a description becomes the schema's
// where that has none.
func (r *cohereRequest) appendFormat(dst []byte) ([]byte, error) {
	format := r.fields[FieldResponseFormat]
	kind := string(member(format, "type"))
	switch {
	case format == nil, kind == `"text"`:
		return dst, nil
	case kind != `"json_object"` && kind != `"json_schema"`:
		return dst, notCohere(FieldResponseFormat+".type", "Cohere takes text, json_object and json_schema")
	case items(r.fields["tools"]) > 0:
		return dst, notCohere(FieldResponseFormat, "Cohere takes it with no tools beside it")
	case kind == `"json_object"`:
		return append(dst, `,"response_format":{"type":"json_object"}`...), nil
	}
	outer := member(format, "json_schema")
	schema := member(outer, "schema")
	if len(schema) == 0 || schema[0] != '{' {
		return dst, notCohere(FieldResponseFormat+".json_schema.schema", "it must be an object")
	}
	dst = append(dst, `,"response_format":{"type":"json_object","json_schema":{`...)
	start := len(dst)
	if about := member(outer, "description"); about != nil && member(schema, "description") == nil {
		dst = append(append(dst, `"description":`...), about...)
	}
	jsonscan.Items(schema, func(name, value []byte) {
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(append(append(append(append(dst, '"'), name...), '"'), ':'), value...)
	})
	return append(dst, "}}"...), nil
}

// items counts the elements of an array or the members of an object.
func items(v []byte) (n int) {
	if len(v) > 0 {
		jsonscan.Items(v, func(_, _ []byte) { n++ })
	}
	return n
}
