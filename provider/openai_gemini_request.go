package provider

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// maxGeminiStops is how many stop sequences Gemini takes.
const maxGeminiStops = 5

// geminiNumbers are the fields that have the same meaning in both APIs.
var geminiNumbers = [...]struct{ from, to string }{
	{"temperature", "temperature"},
	{"top_p", "topP"},
	{"top_k", "topK"},
	{"n", "candidateCount"},
	{"seed", "seed"},
	{"presence_penalty", "presencePenalty"},
	{"frequency_penalty", "frequencyPenalty"},
}

// geminiDefaults are fields that Gemini does not have, with the tests of the values
// that ask for nothing but what it does anyway.
var geminiDefaults = map[string]func(v gjson.Result) bool{
	"parallel_tool_calls": func(v gjson.Result) bool { return v.Type == gjson.True },
	"store":               func(v gjson.Result) bool { return v.Type == gjson.False },
	"logit_bias":          func(v gjson.Result) bool { return v.IsObject() && len(v.Map()) == 0 },
	"modalities":          func(v gjson.Result) bool { a := v.Array(); return v.IsArray() && len(a) == 1 && a[0].Str == "text" },
	"verbosity":           func(v gjson.Result) bool { return v.Str == "medium" },
}

// Request writes the generateContent request. Its error starts with the name of the
// field that cannot be expressed, as a path such as messages.2.name.
func (t *openaiGemini) Request(dst, src []byte) ([]byte, error) {
	var few [32]jsonscan.Member
	members, err := jsonscan.Members(few[:0], src)
	if err != nil {
		return dst, fmt.Errorf("cannot read the request: %w", err)
	}
	r := geminiRequest{t: t, out: dst}
	for i := range members {
		m := &members[i]
		if geminiNull(m.Value) || slices.ContainsFunc(t.call.Drop, func(d jsonscan.Member) bool { return d.Start == m.Start }) {
			continue
		}
		r.top = append(r.top, *m)
		r.known(string(m.Name), m.Value)
	}
	r.body()
	if r.err != nil {
		return dst, r.err
	}
	return r.out, nil
}

// geminiRequest writes one request. The first failure is kept.
type geminiRequest struct {
	t      *openaiGemini
	top    []jsonscan.Member // the members that are set
	out    []byte
	system []byte // parts of the system instruction
	role   string // the speaker whose content is open: user, model or tool
	textAt int    // where out ended behind the last text part
	calls  []geminiCall
	detail []byte // the resolution that the images ask for
	images bool   // there were images
	at     []byte // path to what is being read
	err    error
}

// geminiCall is an earlier call of a function: its id and name, raw.
type geminiCall struct{ id, name []byte }

func geminiNull(raw []byte) bool { return string(raw) == "null" }

// fail keeps the first failure: the path to where the request is read, name, and why.
func (r *geminiRequest) fail(name, why string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: %s", strings.TrimSuffix(string(r.at)+name, "."), why)
	}
}

// in goes down into a member, or its element i if that is not negative, and returns
// the length of the path before it, to come back by.
func (r *geminiRequest) in(name string, i int) (back int) {
	back = len(r.at)
	r.at = append(append(r.at, name...), '.')
	if i >= 0 {
		r.at = append(strconv.AppendInt(r.at, int64(i), 10), '.')
	}
	return back
}

// known refuses a top-level field that would have no effect.
func (r *geminiRequest) known(name string, value []byte) {
	if slices.Contains(geminiHonours, name) || slices.Contains(hints, name) {
		return
	}
	if allowed := geminiDefaults[name]; allowed == nil || !allowed(gjson.ParseBytes(value)) {
		r.fail(name, "Gemini's generateContent cannot express this")
	}
}

// field returns a top-level value, nil if it is not set.
func (r *geminiRequest) field(name string) []byte {
	for i := range r.top {
		if string(r.top[i].Name) == name {
			return r.top[i].Value
		}
	}
	return nil
}

// read returns the values of an object's members by their names, nil for those that
// are not set, and refuses any other that is set.
func (r *geminiRequest) read(object []byte, names ...string) (v [10][]byte) {
	if object[0] != '{' {
		r.fail("", "not an object")
		return v
	}
	jsonscan.Items(object, func(name, value []byte) {
		if geminiNull(value) {
			return
		}
		for i := range names {
			if string(name) == names[i] {
				v[i] = value
				return
			}
		}
		r.fail(string(name), "Gemini's generateContent cannot express this")
	})
	return v
}

// str returns the raw JSON string, or fails where the value is none.
func (r *geminiRequest) str(name string, raw []byte) []byte {
	if len(raw) == 0 || raw[0] != '"' {
		r.fail(name, "not a string")
		return []byte(`""`)
	}
	return raw
}

// geminiPlain is the text of a raw JSON string; it may alias it.
func geminiPlain(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	return []byte(gjson.ParseBytes(raw).Str)
}

// key writes the name of the next member.
func (r *geminiRequest) key(name string) {
	r.comma()
	r.out = append(append(append(r.out, '"'), name...), `":`...)
}

func (r *geminiRequest) comma() {
	if last := r.out[len(r.out)-1]; last != '{' && last != '[' {
		r.out = append(r.out, ',')
	}
}

// body writes the whole request.
func (r *geminiRequest) body() {
	r.out = append(r.out, `{"contents":[`...)
	r.messages()
	r.out = append(r.out, ']')
	if len(r.system) > 0 {
		r.key("systemInstruction")
		r.out = append(append(append(r.out, `{"parts":[`...), r.system...), "]}"...)
	}
	r.tools()
	r.key("generationConfig")
	r.out = append(r.out, '{')
	r.config()
	r.out = append(r.out, '}')
	r.tier()
	r.streamed()
	r.out = append(r.out, '}')
}

// config writes the members of generationConfig.
func (r *geminiRequest) config() {
	for _, n := range geminiNumbers {
		r.number(n.from, n.to)
	}
	if seed := r.field("seed"); seed != nil {
		if _, err := strconv.ParseInt(string(seed), 10, 32); err != nil {
			r.fail("seed", "Gemini's seeds are integers of 32 bits")
		}
	}
	r.maxTokens()
	r.stops()
	r.logprobs()
	r.format()
	r.thinking()
	if r.detail != nil {
		r.key("mediaResolution")
		r.out = append(append(append(r.out, `"MEDIA_RESOLUTION_`...), bytes.ToUpper(r.detail[1:len(r.detail)-1])...), '"')
	}
}

// number copies a number.
func (r *geminiRequest) number(from, to string) {
	value := r.field(from)
	if value == nil {
		return
	}
	if value[0] != '-' && (value[0] < '0' || value[0] > '9') {
		r.fail(from, "not a number")
		return
	}
	r.key(to)
	r.out = append(r.out, value...)
}

func (r *geminiRequest) maxTokens() {
	limit, older := r.field("max_completion_tokens"), r.field("max_tokens")
	switch {
	case limit == nil:
		r.number("max_tokens", "maxOutputTokens")
	case older != nil && !bytes.Equal(limit, older):
		r.fail("max_tokens", "disagrees with max_completion_tokens")
	default:
		r.number("max_completion_tokens", "maxOutputTokens")
	}
}

func (r *geminiRequest) stops() {
	stop := r.field("stop")
	if stop == nil {
		return
	}
	r.key("stopSequences")
	if stop[0] == '"' {
		r.out = append(append(append(r.out, '['), stop...), ']')
		return
	}
	list := gjson.ParseBytes(stop)
	all := list.Array()
	if !list.IsArray() || len(all) > maxGeminiStops || slices.ContainsFunc(all, func(s gjson.Result) bool { return s.Type != gjson.String }) {
		r.fail("stop", "Gemini takes up to "+strconv.Itoa(maxGeminiStops)+" strings")
	}
	r.out = append(r.out, stop...)
}

func (r *geminiRequest) logprobs() {
	switch string(r.field("logprobs")) {
	case "true":
		r.key("responseLogprobs")
		r.out = append(r.out, "true"...)
		r.number("top_logprobs", "logprobs")
	case "", "false":
		if r.field("top_logprobs") != nil {
			r.fail("top_logprobs", "needs logprobs")
		}
	default:
		r.fail("logprobs", "not a boolean")
	}
}

// format writes the form of the answer: https://ai.google.dev/gemini-api/docs/structured-output.
// The schema's own description wins over the format's.
func (r *geminiRequest) format() {
	format := r.field("response_format")
	if format == nil {
		return
	}
	back := r.in("response_format", -1)
	defer func() { r.at = r.at[:back] }()
	v := r.read(format, "type", "json_schema")
	switch string(v[0]) {
	case `"text"`:
		return
	case `"json_object"`, `"json_schema"`:
	default:
		r.fail("type", "Gemini knows text, json_object and json_schema")
		return
	}
	r.key("responseMimeType")
	r.out = append(r.out, `"application/json"`...)
	if v[1] == nil {
		return
	}
	r.in("json_schema", -1)
	s := r.read(v[1], "name", "schema", "strict", "description")
	schema := s[1]
	if schema == nil {
		return
	}
	if schema[0] != '{' {
		r.fail("schema", "not an object")
		return
	}
	if s[3] != nil && !gjson.GetBytes(schema, "description").Exists() {
		described, err := sjson.SetRawBytes(bytes.Clone(schema), "description", s[3])
		if err != nil {
			r.fail("description", err.Error())
		}
		schema = described
	}
	r.key("responseJsonSchema")
	r.out = append(r.out, schema...)
}

// thinking writes thinkingConfig from reasoning_effort and from Google's own extension
// of the OpenAI API, which exclude each other: https://ai.google.dev/gemini-api/docs/openai#thinking.
func (r *geminiRequest) thinking() {
	effort, config := r.field("reasoning_effort"), r.google()
	if effort == nil && config == nil {
		return
	}
	r.key("thinkingConfig")
	r.out = append(r.out, '{')
	if effort != nil {
		if key, value := geminiEffort(r.t.call.Send, gjson.ParseBytes(effort).Str); key != "" {
			r.key(key)
			r.out = append(r.out, value...)
			if r.t.call.Tell && value != "0" {
				r.key("includeThoughts")
				r.out = append(r.out, "true"...)
			}
		} else {
			r.fail("reasoning_effort", value)
		}
	}
	if config != nil {
		r.in("extra_body", -1)
		r.in("google", -1)
		r.in("thinking_config", -1)
		v := r.read(config, "include_thoughts", "thinking_budget", "thinking_level")
		if effort != nil && (v[1] != nil || v[2] != nil) {
			r.fail("thinking_budget", "excludes reasoning_effort")
		}
		for i, key := range []string{"includeThoughts", "thinkingBudget", "thinkingLevel"} {
			if v[i] != nil {
				r.key(key)
				r.out = append(r.out, v[i]...)
			}
		}
		r.at = r.at[:0]
	}
	r.out = append(r.out, '}')
}

// google reads extra_body.google and returns its thinking_config, nil if there is none.
func (r *geminiRequest) google() (thinking []byte) {
	body := r.field("extra_body")
	if body == nil {
		return nil
	}
	defer func() { r.at = r.at[:0] }()
	r.in("extra_body", -1)
	google := r.read(body, "google")[0]
	if google == nil {
		return nil
	}
	r.in("google", -1)
	return r.read(google, "thinking_config", "cached_content")[0]
}

// geminiEffort is the member of thinkingConfig for an effort, or an empty key and why
// there is none: https://ai.google.dev/gemini-api/docs/thinking.
func geminiEffort(model, effort string) (key, value string) {
	model = model[strings.LastIndexByte(model, '/')+1:]
	pro := strings.Contains(model, "pro")
	switch three := geminiThree(model); {
	case !slices.Contains([]string{"none", "minimal", "low", "medium", "high"}, effort):
		return "", "Gemini knows none, minimal, low, medium and high"
	case effort == "none" && (three || pro):
		return "", "this model always thinks"
	case three && pro && effort == "minimal":
		return "thinkingLevel", `"low"`
	case three:
		return "thinkingLevel", `"` + effort + `"`
	case !strings.HasPrefix(model, "gemini-2") || strings.HasPrefix(model, "gemini-2.0"):
		return "", "this model does not think"
	}
	return "thinkingBudget", map[string]string{"none": "0", "minimal": "1024", "low": "1024", "medium": "8192", "high": "24576"}[effort]
}

// tier writes serviceTier, and cachedContent of Google's extension:
// https://ai.google.dev/gemini-api/docs/flex-inference.
func (r *geminiRequest) tier() {
	switch tier := r.field("service_tier"); string(tier) {
	case "", `"auto"`:
	case `"default"`:
		r.key("serviceTier")
		r.out = append(r.out, `"standard"`...)
	case `"flex"`, `"priority"`:
		r.key("serviceTier")
		r.out = append(r.out, tier...)
	default:
		r.fail("service_tier", "Gemini knows auto, default, flex and priority")
	}
	if cached := gjson.GetBytes(r.field("extra_body"), "google.cached_content"); cached.Type == gjson.String {
		r.key("cachedContent")
		r.out = append(r.out, cached.Raw...)
	}
}

// streamed checks what is asked of the stream itself, which is not the provider's concern.
func (r *geminiRequest) streamed() {
	if options := r.field("stream_options"); options != nil {
		back := r.in("stream_options", -1)
		v := r.read(options, "include_usage", "include_obfuscation")
		if string(v[1]) == "true" {
			r.fail("include_obfuscation", "a translated stream is not padded")
		}
		r.at = r.at[:back]
	}
}
