package proxy_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/llm"
)

// target is a model at a provider, for each dialect that providers speak.
type target struct {
	name, kind, model string
	lacks             string // what it is not asked for: schema, image, think
}

var targets = []target{
	{name: "openai", kind: "openai", model: "gpt-4o-mini", lacks: "think"},
	{name: "responses", kind: "openai", model: "gpt-5-pro"},
	{name: "anthropic", kind: "anthropic", model: "claude-sonnet-4-5"},
	{name: "gemini", kind: "gemini", model: "gemini-2.5-flash"},
	{name: "vertex-gemini", kind: "vertex", model: "gemini-2.5-flash"},
	{name: "vertex-claude", kind: "vertex", model: "claude-sonnet-4-5"},
	{name: "bedrock-claude", kind: "bedrock", model: "us.anthropic.claude-haiku-4-5-20251001-v1:0"},
	{name: "bedrock-nova", kind: "bedrock", model: "amazon.nova-pro-v1:0", lacks: "schema think"},
	{name: "cohere", kind: "cohere", model: "command-a", lacks: "think"},
	{name: "groq", kind: "groq", model: "openai/gpt-oss-20b", lacks: "image think"},
	{name: "deepseek", kind: "deepseek", model: "deepseek-chat", lacks: "schema image think"}, // has no Responses API
}

// question is one request, in no dialect yet.
type question struct {
	prompt                     string
	tool, schema, image, think bool
	limit                      int    // of tokens
	before                     string // what was said, as the caller's dialect hands it back: elements of its list
}

const (
	system = "be short"
	object = `{"type":"object","properties":{"city":{"type":"string","enum":["Oslo","Paris"]},"days":{"type":"integer","minimum":1,"maximum":9}},"required":["city","days"],"additionalProperties":false}`
	pixel  = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
	sunny  = "sunny for all of it"
)

// said is what a reply says, read from any dialect.
type said struct {
	text, thoughts string
	tool, args     string
	finish         string // stop, tool_calls or length
	in, out        int64  // usage in tokens
	again          string // the model's turn as it is handed back: elements of the dialect's list
	callID         string
	faults         []string // of a stream's form
	opening        int      // of a stream: how many events begin it
}

func (s *said) fault(format string, args ...any) {
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

// speaker is a client of one dialect.
type speaker struct {
	name    string
	dialect llm.Dialect
	modes   []string
	send    func(h *harness, model, mode string, q *question) reply
	read    func(mode, body string) said
	result  func(s *said) string // the turn that brings the result of the call
}

var speakers = []speaker{
	{"chat", llm.DialectOpenAI, []string{"plain", "stream"}, sendChat, readChat, func(s *said) string {
		return fmt.Sprintf(`{"role":"tool","tool_call_id":%q,"content":%q}`, s.callID, sunny)
	}},
	{"messages", llm.DialectAnthropic, []string{"plain", "stream"}, sendMessages, readMessages, func(s *said) string {
		return fmt.Sprintf(`{"role":"user","content":[{"type":"tool_result","tool_use_id":%q,"content":%q}]}`, s.callID, sunny)
	}},
	{"gemini", llm.DialectGemini, []string{"plain", "stream", "array"}, sendGemini, readGemini, func(s *said) string {
		id := ""
		if s.callID != "" {
			id = fmt.Sprintf(`"id":%q,`, s.callID)
		}
		return fmt.Sprintf(`{"role":"user","parts":[{"functionResponse":{%s"name":%q,"response":{"result":%q}}}]}`, id, s.tool, sunny)
	}},
	{"responses", llm.DialectResponses, []string{"plain", "stream"}, sendResponses, readResponses, func(s *said) string {
		return fmt.Sprintf(`{"type":"function_call_output","call_id":%q,"output":%q}`, s.callID, sunny)
	}},
}

// joined puts elements of a JSON list together.
func joined(elements ...string) string {
	return strings.Join(slices.DeleteFunc(elements, func(e string) bool { return e == "" }), ",")
}

func sendChat(h *harness, model, mode string, q *question) reply {
	return h.post(chatBody(model, mode, q))
}

func chatBody(model, mode string, q *question) string {
	user := fmt.Sprintf(`%q`, q.prompt)
	if q.image {
		user = fmt.Sprintf(`[{"type":"text","text":%q},{"type":"image_url","image_url":{"url":"data:image/png;base64,%s"}}]`, q.prompt, pixel)
	}
	body := fmt.Sprintf(`{"model":%q,"messages":[%s]`, model, joined(`{"role":"system","content":"`+system+`"}`, `{"role":"user","content":`+user+`}`, q.before))
	if q.tool {
		body += `,"tools":[{"type":"function","function":{"name":"weather","description":"of a city","parameters":` + object + `}}]`
	}
	if q.schema {
		body += `,"response_format":{"type":"json_schema","json_schema":{"name":"trip","strict":true,"schema":` + object + `}}`
	}
	if q.think {
		body += `,"reasoning_effort":"low"`
	}
	if q.limit > 0 {
		body += fmt.Sprintf(`,"max_tokens":%d`, q.limit)
	}
	if mode == "stream" {
		body += `,"stream":true,"stream_options":{"include_usage":true}`
	}
	return body + "}"
}

func readChat(mode, body string) (s said) {
	if mode == "plain" {
		m := gjson.Get(body, "choices.0.message")
		s.text, s.thoughts = m.Get("content").Str, m.Get("reasoning_content").Str
		s.tool, s.args, s.callID = m.Get("tool_calls.0.function.name").Str, m.Get("tool_calls.0.function.arguments").Str, m.Get("tool_calls.0.id").Str
		s.finish, s.again = gjson.Get(body, "choices.0.finish_reason").Str, m.Raw
		s.in, s.out = gjson.Get(body, "usage.prompt_tokens").Int(), gjson.Get(body, "usage.completion_tokens").Int()
		return s
	}
	list := events(body)
	ids := map[string]bool{}
	var call, extra string
	carriers := map[string]string{}
	usages, finishes := 0, 0
	for i, e := range list {
		if e == "[DONE]" {
			if i != len(list)-1 {
				s.fault("[DONE] is event %d of %d", i, len(list))
			}
			continue
		}
		if !gjson.Valid(e) {
			s.fault("no JSON: %s", e)
		}
		ids[gjson.Get(e, "id").Str] = true
		if u := gjson.Get(e, "usage"); u.IsObject() {
			usages++
			s.in, s.out = u.Get("prompt_tokens").Int(), u.Get("completion_tokens").Int()
		}
		if f := gjson.Get(e, "choices.0.finish_reason").Str; f != "" {
			finishes++
			s.finish = f
		}
		d := gjson.Get(e, "choices.0.delta")
		s.text += d.Get("content").Str
		s.thoughts += d.Get("reasoning_content").Str
		for _, c := range d.Get("tool_calls").Array() {
			if c.Get("index").Raw != "0" {
				s.fault("index of a call: %s", c.Raw)
			}
			if id := c.Get("id").Str; id != "" && call == "" {
				s.callID, s.tool, call = id, c.Get("function.name").Str, c.Raw
			}
			if x := c.Get("extra_content"); x.Exists() {
				extra = `,"extra_content":` + x.Raw
			}
			s.args += c.Get("function.arguments").Str
		}
		for _, name := range []string{"thinking_blocks", "reasoning_details"} {
			for _, b := range d.Get(name).Array() {
				carriers[name] = joined(carriers[name], b.Raw)
			}
		}
		if x := d.Get("extra_content"); x.Exists() {
			carriers["extra_content"] = x.Raw
		}
	}
	if len(ids) != 1 || usages != 1 || finishes != 1 || list[len(list)-1] != "[DONE]" {
		s.fault("%d ids, %d usages, %d finishes, last %s", len(ids), usages, finishes, list[len(list)-1])
	}
	s.again = fmt.Sprintf(`{"role":"assistant","content":%q`, s.text)
	if call != "" {
		s.again += fmt.Sprintf(`,"tool_calls":[{"id":%q,"type":"function","function":{"name":%q,"arguments":%q}%s}]`, s.callID, s.tool, s.args, extra)
	}
	for name, list := range carriers {
		if name == "extra_content" {
			s.again += `,"extra_content":` + list
		} else {
			s.again += `,"` + name + `":[` + list + "]"
		}
	}
	s.again += "}"
	return s
}

func sendMessages(h *harness, model, mode string, q *question) reply {
	user := fmt.Sprintf(`%q`, q.prompt)
	if q.image {
		user = fmt.Sprintf(`[{"type":"text","text":%q},{"type":"image","source":{"type":"base64","media_type":"image/png","data":%q}}]`, q.prompt, pixel)
	}
	limit := 4000
	if q.limit > 0 {
		limit = q.limit
	}
	body := fmt.Sprintf(`{"model":%q,"max_tokens":%d,"system":%q,"messages":[%s]`, model, limit, system, joined(`{"role":"user","content":`+user+`}`, q.before))
	if q.tool {
		body += `,"tools":[{"name":"weather","description":"of a city","input_schema":` + object + `}]`
	}
	if q.schema {
		body += `,"output_config":{"format":{"type":"json_schema","schema":` + object + `}}`
	}
	if q.think {
		body += `,"thinking":{"type":"enabled","budget_tokens":1024}`
	}
	if mode == "stream" {
		body += `,"stream":true`
	}
	return h.messages(body + "}")
}

var messageFinish = map[string]string{"end_turn": "stop", "tool_use": "tool_calls", "max_tokens": "length"}

func readMessages(mode, body string) (s said) {
	if mode != "plain" {
		body = s.message(body)
	}
	for _, b := range gjson.Get(body, "content").Array() {
		switch b.Get("type").Str {
		case "text":
			s.text += b.Get("text").Str
		case "thinking":
			s.thoughts += b.Get("thinking").Str
		case "tool_use":
			s.tool, s.args, s.callID = b.Get("name").Str, b.Get("input").Raw, b.Get("id").Str
		}
	}
	s.finish = messageFinish[gjson.Get(body, "stop_reason").Str]
	u := gjson.Get(body, "usage")
	s.in = u.Get("input_tokens").Int() + u.Get("cache_read_input_tokens").Int() + u.Get("cache_creation_input_tokens").Int()
	s.out = u.Get("output_tokens").Int()
	s.again = `{"role":"assistant","content":` + gjson.Get(body, "content").Raw + "}"
	return s
}

// message puts together the message of a stream of Anthropic's, as its SDKs do:
// https://platform.claude.com/docs/en/build-with-claude/streaming
func (s *said) message(body string) string {
	var blocks []string
	open, input, stop, usage, ended := false, "", "", "", false
	set := func(path, more string) {
		b := gjson.Parse(blocks[len(blocks)-1])
		blocks[len(blocks)-1] = strings.Replace(b.Raw, fmt.Sprintf("%q:%s", path, b.Get(path).Raw), fmt.Sprintf("%q:%q", path, b.Get(path).Str+more), 1)
	}
	for i, raw := range strings.Split(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		name, data, _ := strings.Cut(raw, "\ndata: ")
		e := gjson.Parse(data)
		kind := e.Get("type").Str
		if name != "event: "+kind || !gjson.Valid(data) || ended || (i == 0) != (kind == "message_start") {
			s.fault("event %d: %s", i, raw)
		}
		switch kind {
		case "message_start":
			s.opening++
			if m := e.Get("message"); m.Get("id").Str == "" || m.Get("role").Str != "assistant" || m.Get("content.#").Int() != 0 || !m.Get("usage.input_tokens").Exists() {
				s.fault("%s", raw)
			}
		case "content_block_start":
			if open || e.Get("index").Int() != int64(len(blocks)) {
				s.fault("block %d: %s", len(blocks), raw)
			}
			open, input = true, ""
			blocks = append(blocks, e.Get("content_block").Raw)
		case "content_block_delta":
			if !open || e.Get("index").Int() != int64(len(blocks)-1) {
				s.fault("delta: %s", raw)
				continue
			}
			switch d := e.Get("delta"); d.Get("type").Str {
			case "text_delta":
				set("text", d.Get("text").Str)
			case "thinking_delta":
				set("thinking", d.Get("thinking").Str)
			case "signature_delta":
				set("signature", d.Get("signature").Str)
			case "input_json_delta":
				input += d.Get("partial_json").Str
			}
		case "content_block_stop":
			if !open || e.Get("index").Int() != int64(len(blocks)-1) {
				s.fault("stop: %s", raw)
				continue
			}
			open = false
			if input != "" {
				blocks[len(blocks)-1] = strings.Replace(blocks[len(blocks)-1], `"input":{}`, `"input":`+input, 1)
			}
		case "message_delta":
			if stop != "" || open {
				s.fault("%s", raw)
			}
			stop, usage = e.Get("delta.stop_reason").Raw, e.Get("usage").Raw
		case "message_stop":
			ended = true
		case "ping":
		default:
			s.fault("%s", raw)
		}
	}
	if !ended || s.opening != 1 || stop == "" || usage == "" {
		s.fault("no end: %s", body)
		stop, usage = `""`, "{}"
	}
	return fmt.Sprintf(`{"content":[%s],"stop_reason":%s,"usage":%s}`, joined(blocks...), stop, usage)
}

func sendGemini(h *harness, model, mode string, q *question) reply {
	parts := fmt.Sprintf(`{"text":%q}`, q.prompt)
	if q.image {
		parts += fmt.Sprintf(`,{"inlineData":{"mimeType":"image/png","data":%q}}`, pixel)
	}
	var config []string
	if q.schema {
		config = append(config, `"responseMimeType":"application/json"`, `"responseJsonSchema":`+object)
	}
	if q.think {
		config = append(config, `"thinkingConfig":{"includeThoughts":true,"thinkingBudget":1024}`)
	}
	if q.limit > 0 {
		config = append(config, fmt.Sprintf(`"maxOutputTokens":%d`, q.limit))
	}
	body := fmt.Sprintf(`{"systemInstruction":{"parts":[{"text":%q}]},"contents":[%s]`, system, joined(`{"role":"user","parts":[`+parts+`]}`, q.before))
	if q.tool {
		body += `,"tools":[{"functionDeclarations":[{"name":"weather","description":"of a city","parametersJsonSchema":` + object + `}]}]`
	}
	body += `,"generationConfig":{` + joined(config...) + `}}`
	return h.gemini(model, map[string]string{"plain": "generateContent", "stream": "streamGenerateContent?alt=sse", "array": "streamGenerateContent"}[mode], body)
}

var geminiFinish = map[string]string{"STOP": "stop", "MAX_TOKENS": "length"}

func readGemini(mode, body string) (s said) {
	replies := []string{body}
	switch mode {
	case "stream":
		replies = events(body)
	case "array":
		replies = nil
		if !gjson.Valid(body) {
			s.fault("no JSON: %s", body)
		}
		for _, r := range gjson.Parse(body).Array() {
			replies = append(replies, r.Raw)
		}
	}
	ids := map[string]bool{}
	var parts []string
	for i, r := range replies {
		if !gjson.Valid(r) {
			s.fault("no JSON: %s", r)
		}
		ids[gjson.Get(r, "responseId").Str] = true
		if f := gjson.Get(r, "candidates.0.finishReason").Str; f != "" {
			if s.finish != "" || i != len(replies)-1 {
				s.fault("finish in event %d of %d", i, len(replies))
			}
			s.finish = geminiFinish[f]
		}
		if u := gjson.Get(r, "usageMetadata"); u.Exists() {
			s.in, s.out = u.Get("promptTokenCount").Int(), u.Get("candidatesTokenCount").Int()+u.Get("thoughtsTokenCount").Int()
		}
		for _, p := range gjson.Get(r, "candidates.0.content.parts").Array() {
			parts = append(parts, p.Raw)
			switch c := p.Get("functionCall"); {
			case c.Exists():
				s.tool, s.args, s.callID = c.Get("name").Str, c.Get("args").Raw, c.Get("id").Str
			case p.Get("thought").Bool():
				s.thoughts += p.Get("text").Str
			default:
				s.text += p.Get("text").Str
			}
		}
	}
	if s.finish == "stop" && s.tool != "" { // a call has no reason of its own
		s.finish = "tool_calls"
	}
	if len(ids) != 1 || ids[""] {
		s.fault("ids %v", ids)
	}
	s.again = `{"role":"model","parts":[` + joined(parts...) + `]}`
	return s
}

func sendResponses(h *harness, model, mode string, q *question) reply {
	return h.send(http.MethodPost, "/v1/responses", responsesBody(model, mode, q))
}

func responsesBody(model, mode string, q *question) string {
	parts := fmt.Sprintf(`{"type":"input_text","text":%q}`, q.prompt)
	if q.image {
		parts += fmt.Sprintf(`,{"type":"input_image","detail":"auto","image_url":"data:image/png;base64,%s"}`, pixel)
	}
	body := fmt.Sprintf(`{"model":%q,"store":false,"instructions":%q,"input":[%s]`, model, system, joined(`{"type":"message","role":"user","content":[`+parts+`]}`, q.before))
	if q.tool {
		body += `,"tools":[{"type":"function","name":"weather","description":"of a city","strict":false,"parameters":` + object + `}]`
	}
	if q.schema {
		body += `,"text":{"format":{"type":"json_schema","name":"trip","strict":true,"schema":` + object + `}}`
	}
	if q.think {
		body += `,"reasoning":{"effort":"low","summary":"auto"},"include":["reasoning.encrypted_content"]`
	}
	if q.limit > 0 {
		body += fmt.Sprintf(`,"max_output_tokens":%d`, q.limit)
	}
	if mode == "stream" {
		body += `,"stream":true`
	}
	return body + "}"
}

func readResponses(mode, body string) (s said) {
	if mode != "plain" {
		body = s.response(body)
	}
	var items []string
	for _, item := range gjson.Get(body, "output").Array() {
		items = append(items, item.Raw)
		switch item.Get("type").Str {
		case "message":
			s.text += item.Get("content.0.text").Str
		case "reasoning":
			s.thoughts += item.Get("summary.0.text").Str
		case "function_call":
			s.tool, s.args, s.callID = item.Get("name").Str, item.Get("arguments").Str, item.Get("call_id").Str
		}
	}
	switch {
	case gjson.Get(body, "status").Str == "incomplete" && gjson.Get(body, "incomplete_details.reason").Str == "max_output_tokens":
		s.finish = "length"
	case gjson.Get(body, "status").Str == "completed" && s.tool != "":
		s.finish = "tool_calls"
	case gjson.Get(body, "status").Str == "completed":
		s.finish = "stop"
	}
	s.in, s.out = gjson.Get(body, "usage.input_tokens").Int(), gjson.Get(body, "usage.output_tokens").Int()
	s.again = joined(items...)
	return s
}

// response is the last response of a stream of the Responses API, whose events are
// checked against it: https://platform.openai.com/docs/api-reference/responses-streaming
func (s *said) response(body string) string {
	list := strings.Split(strings.TrimSuffix(body, "\n\n"), "\n\n")
	var id, last, item string
	var done []string
	text, args := "", ""
	for i, raw := range list {
		name, data, _ := strings.Cut(raw, "\ndata: ")
		e := gjson.Parse(data)
		kind := e.Get("type").Str
		if name != "event: "+kind || !gjson.Valid(data) || e.Get("sequence_number").Raw != fmt.Sprint(i) || last != "" {
			s.fault("event %d: %s", i, raw)
		}
		if want := []string{"response.created", "response.in_progress"}; i < len(want) && kind != want[i] {
			s.fault("event %d: %s", i, raw)
		}
		if r := e.Get("response"); r.Exists() {
			if id == "" {
				id = r.Get("id").Str
			}
			if r.Get("id").Str != id || id == "" {
				s.fault("id: %s", raw)
			}
		}
		if index := e.Get("output_index"); index.Exists() && index.Int() != int64(len(done)) {
			s.fault("output_index, want %d: %s", len(done), raw)
		}
		if of := e.Get("item_id"); of.Exists() && (item == "" || of.Str != item) {
			s.fault("item_id, want %q: %s", item, raw)
		}
		switch kind {
		case "response.created", "response.in_progress", "response.content_part.added", "response.reasoning_summary_part.added", "response.reasoning_summary_part.done",
			"response.reasoning_summary_text.delta", "response.reasoning_summary_text.done":
		case "response.output_item.added":
			if item != "" {
				s.fault("two items are open: %s", raw)
			}
			item, text, args = e.Get("item.id").Str, "", ""
		case "response.output_item.done":
			if e.Get("item.id").Str != item {
				s.fault("item, want %q: %s", item, raw)
			}
			if e.Get("item.type").Str == "message" && e.Get("item.content.0.text").Str != text || e.Get("item.type").Str == "function_call" && e.Get("item.arguments").Str != args {
				s.fault("deltas %q %q: %s", text, args, raw)
			}
			item, done = "", append(done, e.Get("item").Raw)
		case "response.output_text.delta":
			text += e.Get("delta").Str
		case "response.output_text.done":
			if e.Get("text").Str != text {
				s.fault("text %q: %s", text, raw)
			}
		case "response.content_part.done":
			if e.Get("part.text").Str != text {
				s.fault("text %q: %s", text, raw)
			}
		case "response.function_call_arguments.delta":
			args += e.Get("delta").Str
		case "response.function_call_arguments.done":
			if e.Get("arguments").Str != args {
				s.fault("arguments %q: %s", args, raw)
			}
		case "response.completed", "response.incomplete":
			last = e.Get("response").Raw
			if e.Get("response.output.#").Int() != int64(len(done)) || item != "" {
				s.fault("%d items done: %s", len(done), raw)
			}
			for j, r := range e.Get("response.output").Array() {
				if j < len(done) && r.Raw != done[j] {
					s.fault("item %d was %s\nis %s", j, done[j], r.Raw)
				}
			}
		default:
			s.fault("event %d: %s", i, raw)
		}
	}
	if last == "" {
		s.fault("no end: %s", list[len(list)-1])
	}
	return last
}

// simulated asks the simulation itself, in OpenAI's chat.
func (h *harness) simulated(kind, model string, q *question) said {
	h.Helper()
	plain := *q
	plain.think = false // the answer is the same without
	return readChat("plain", h.undisturbed(kind, "/chat/completions", chatBody(model, "plain", &plain)))
}

// undisturbed is what the simulation says to a request of OpenAI's dialect without a gateway.
func (h *harness) undisturbed(kind, path, body string) string {
	h.Helper()
	r, err := http.NewRequestWithContext(h.Context(), http.MethodPost, h.upstream.BaseURL(kind)+path, strings.NewReader(body))
	if err != nil {
		h.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		h.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		h.Fatalf("%v %d %s", err, resp.StatusCode, b)
	}
	return string(b)
}

// matrix asks every target through a gateway.
type matrix struct {
	*harness
	calls int // that the gateway has put on record
}

// Every client of every dialect gets of every provider what the provider says, with
// the exact cost, whole and streamed, and may hand all of it back.
func TestMatrix(t *testing.T) {
	m := &matrix{harness: newHarness(t, setup{kinds: []string{"openai", "anthropic", "gemini", "vertex", "bedrock", "cohere", "groq", "deepseek"}})}
	for _, s := range speakers {
		for i := range targets {
			for _, mode := range s.modes {
				t.Run(s.name+"/"+targets[i].name+"/"+mode, func(t *testing.T) { m.facts(t, &s, &targets[i], mode) })
			}
		}
	}
}

func (m *matrix) facts(t *testing.T, s *speaker, to *target, mode string) {
	f := func(name string, q question) {
		q.prompt = "about " + name
		if strings.Contains(to.lacks, name) {
			if !q.think {
				m.refuses(t, name, s, to, mode, &q)
			}
			return
		}
		first := m.ask(t, name, s, to, mode, &q, nil)
		if first.again == "" || first.finish == "length" {
			return
		}
		q.before = joined(first.again, nextTurn(s, &first))
		m.ask(t, name+" again", s, to, mode, &q, &first)
	}
	f("text", question{})
	f("length", question{limit: 20})
	f("call", question{tool: true})
	f("schema", question{schema: true})
	f("image", question{image: true})
	f("think", question{think: true, tool: true})
}

// refuses expects that a model is not asked for what it has not.
func (m *matrix) refuses(t *testing.T, name string, s *speaker, to *target, mode string, q *question) {
	t.Helper()
	before := m.upstream.Requests()
	got := s.send(m.harness, to.kind+"/"+to.model, mode, q)
	after := m.upstream.Requests()
	if got.status != http.StatusBadRequest || after[len(after)-1].ID != before[len(before)-1].ID {
		t.Errorf("%s: %d %s", name, got.status, got.body)
	}
}

// nextTurn is what follows the model's turn: the result of its call, or another question.
func nextTurn(s *speaker, first *said) string {
	if first.tool != "" {
		return s.result(first)
	}
	switch s.dialect {
	case llm.DialectGemini:
		return `{"role":"user","parts":[{"text":"and then"}]}`
	default:
		return `{"role":"user","content":"and then"}`
	}
}

// chatBefore is what was said before, as OpenAI's chat has it. The simulation hears all
// of a result that Gemini was sent, with its id, which is new in every call, and of its
// own thoughts.
func chatBefore(first *said, sent string) string {
	text := first.text
	if gjson.Get(sent, "contents.1.parts.0.thought").Bool() {
		text = first.thoughts + text
	}
	answer := fmt.Sprintf(`{"role":"assistant","content":%q}`, text)
	if first.tool == "" {
		return joined(answer, `{"role":"user","content":"and then"}`)
	}
	result := sunny
	if r := gjson.Get(sent, "contents.2.parts.0.functionResponse"); r.Get("name").Str == first.tool && strings.Contains(r.Get("response").Raw, sunny) {
		result = r.Raw
	}
	return joined(answer, fmt.Sprintf(`{"role":"tool","content":%q}`, result))
}

// opaque is how the base64 begins of what the simulation's models want handed back:
// their signatures, and the encrypted thoughts of the Responses API.
var opaque = []string{base64.StdEncoding.EncodeToString([]byte("simulated signature o")), base64.StdEncoding.EncodeToString([]byte("simulated thoughts of"))}

// ask puts a question; first is what was said to it, where it is handed back.
func (m *matrix) ask(t *testing.T, name string, s *speaker, to *target, mode string, q *question, first *said) said {
	t.Helper()
	got := s.send(m.harness, to.kind+"/"+to.model, mode, q)
	if got.status != http.StatusOK {
		t.Errorf("%s: %d %s", name, got.status, got.body)
		return said{}
	}
	m.calls++
	r := m.ledger.last(t, m.calls)
	log := m.upstream.Requests()
	sent := string(log[len(log)-1].Body)
	is := s.read(mode, got.body)
	for _, fault := range is.faults {
		t.Errorf("%s: %s", name, fault)
	}
	if r.Outcome != llm.OutcomeOK || r.Dialect != s.dialect || r.Provider != to.kind || r.CostStatus() != llm.CostExact || r.Cost().Money == 0 || r.Stream != (mode != "plain") {
		t.Errorf("%s: record %+v", name, r)
	}
	asked := *q
	if first != nil {
		asked.before = chatBefore(first, sent)
	}
	want := m.simulated(to.kind, r.Attempts[0].Sent, &asked)
	if is.text != want.text || is.tool != want.tool || !sameJSON(is.args, want.args) || is.finish != want.finish {
		t.Errorf("%s: text %q call %s %s finish %q\nwant text %q call %s %s finish %q\nsent %s\ngot %s", name, is.text, is.tool, is.args, is.finish, want.text, want.tool, want.args, want.finish, sent, got.body)
	}
	if is.in != want.in || is.out < want.out || !to.thinks(q) && is.out != want.out {
		t.Errorf("%s: usage %d in, %d out, want %d and %d\nsent %s\ngot %s", name, is.in, is.out, want.in, want.out, sent, got.body)
	}
	if u := r.Usage(); u.InputTokens() != is.in || u.OutputTokens() != is.out || r.Cost() != llm.Known(r.Attempts[0].Rates.Cost(&u)) {
		t.Errorf("%s: %d in, %d out for %s is on record, not %d and %d", name, u.InputTokens(), u.OutputTokens(), r.Cost().Money, is.in, is.out)
	}
	if q.think && first == nil && is.thoughts == "" && !s.unshown(to) {
		t.Errorf("%s: no thoughts in %s", name, got.body)
	}
	if q.think && first != nil && !strings.Contains(sent, opaque[0]) && !strings.Contains(sent, opaque[1]) {
		t.Errorf("%s: handed back %s\nsent %s", name, q.before, sent)
	}
	return is
}

// thinks reports whether a model writes more than its answer: Cohere's plan a call.
func (to *target) thinks(q *question) bool { return q.think || q.tool && to.kind == "cohere" }

// unshown reports whether a client cannot ask the provider to tell the thoughts: OpenAI's
// chat has no word for it, and its Responses API not for every organisation.
func (s *speaker) unshown(to *target) bool {
	return s.dialect != llm.DialectResponses && to.name == "responses" || s.dialect == llm.DialectOpenAI && strings.HasSuffix(to.name, "gemini")
}

func sameJSON(a, b string) bool {
	return a == b || gjson.Get(a, "@ugly").Raw == gjson.Get(b, "@ugly").Raw
}
