package provider

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/llm"
)

// What a client of OpenAI's Responses gets of the recorded chat traffic, and what a
// provider of chat would get of the recorded Responses traffic.

// responseSummary is a response as its reader sees it.
type responseSummary struct {
	text, reasoning, refusal, finish string
	tools                            []string // name and arguments
	usage                            summary
	failed                           bool
	thought                          int64  // tokens
	output                           string // raw items
}

// readResponse reads a response object.
func readResponse(body []byte) (s responseSummary, err error) {
	if !json.Valid(body) {
		return s, fmt.Errorf("not JSON: %s", body)
	}
	m := gjson.ParseBytes(body)
	if m.Get("error").IsObject() {
		s.failed = true
		if m.Get("error.message").Str == "" {
			return s, fmt.Errorf("an error without a message: %s", body)
		}
		return s, nil
	}
	if !strings.HasPrefix(m.Get("id").Str, "resp_") || m.Get("object").Str != "response" || m.Get("model").Str == "" || m.Get("created_at").Int() == 0 ||
		m.Get("store").Raw != "false" {
		return s, fmt.Errorf("id, object, model, created_at or store: %.300s", body)
	}
	for _, name := range []string{"error", "incomplete_details", "instructions", "metadata", "output", "parallel_tool_calls", "previous_response_id", "reasoning", "service_tier",
		"temperature", "text", "tool_choice", "tools", "top_p", "truncation", "usage", "max_output_tokens", "status"} {
		if !m.Get(name).Exists() {
			return s, fmt.Errorf("%s is missing", name)
		}
	}
	ids := map[string]bool{}
	m.Get("output").ForEach(func(_, o gjson.Result) bool {
		if id := o.Get("id").Str; id == "" || ids[id] {
			err = fmt.Errorf("an item's id is empty, or there twice: %s", o.Raw)
		}
		ids[o.Get("id").Str] = true
		switch o.Get("type").Str {
		case "message":
			o.Get("content").ForEach(func(_, p gjson.Result) bool {
				s.text += p.Get("text").Str
				s.refusal += p.Get("refusal").Str
				return true
			})
		case "reasoning":
			o.Get("summary").ForEach(func(_, p gjson.Result) bool { s.reasoning += p.Get("text").Str; return true })
			if !o.Get("summary").IsArray() {
				err = fmt.Errorf("summary: %s", o.Raw)
			}
		case "function_call":
			s.tools = append(s.tools, o.Get("name").Str+canonicalInput(o.Get("arguments").Str))
			if o.Get("call_id").Str == "" {
				err = fmt.Errorf("call_id: %s", o.Raw)
			}
		case "custom_tool_call":
			s.tools = append(s.tools, o.Get("name").Str+" "+o.Get("input").Str)
		default:
			err = fmt.Errorf("item %s", o.Raw)
		}
		return err == nil
	})
	s.finish = m.Get("status").Str + m.Get("incomplete_details.reason").Str
	u := m.Get("usage")
	if u.IsObject() && u.Get("total_tokens").Int() != u.Get("input_tokens").Int()+u.Get("output_tokens").Int() {
		err = fmt.Errorf("usage: %s", u.Raw)
	}
	written := u.Get("input_tokens_details.cache_write_tokens").Int()
	s.usage = summary{u.Get("input_tokens").Int(), u.Get("output_tokens").Int(), u.Get("input_tokens_details.cached_tokens").Int(), written}
	s.thought = u.Get("output_tokens_details.reasoning_tokens").Int()
	s.output = m.Get("output").Raw
	return s, err
}

// toldStream holds a stream to the order of its events and puts the items together from deltas alone.
type toldStream struct {
	state    string // "", "created", "running", "end"
	sequence int64
	items    []*streamedItem
}

type streamedItem struct {
	id, kind string
	done     bool
	parts    []string
	kinds    []string
	open     bool
	body     string
}

// readResponseStream reads a whole stream; cut says that it may lack its end.
func readResponseStream(stream []byte, cut bool) (s responseSummary, err error) {
	var r toldStream
	for len(stream) > 0 {
		event, rest := NextEvent(stream)
		if len(event) == 0 {
			return s, fmt.Errorf("no whole event: %q", stream)
		}
		name, data, ok := strings.Cut(string(event), "\n")
		if !ok || !strings.HasPrefix(name, "event: ") || !strings.HasPrefix(data, "data: ") || strings.Count(string(event), "\n") != 3 {
			return s, fmt.Errorf("event: %q", event)
		}
		data = strings.TrimSpace(data[6:])
		if !json.Valid([]byte(data)) || gjson.Get(data, "type").Str != name[7:] {
			return s, fmt.Errorf("data: %q", event)
		}
		e := gjson.Parse(data)
		if e.Get("sequence_number").Int() != r.sequence {
			return s, fmt.Errorf("sequence_number: %s", data)
		}
		r.sequence++
		if err := r.event(name[7:], e, &s); err != nil {
			return s, err
		}
		stream = rest
	}
	if r.state != "end" && !cut {
		return s, fmt.Errorf("the stream stops in state %q", r.state)
	}
	return s, nil
}

func (r *toldStream) event(name string, e gjson.Result, s *responseSummary) error {
	bad := fmt.Errorf("%s in state %q: %s", name, r.state, e.Raw)
	switch name {
	case "error":
		s.failed = true
		if r.state == "end" || e.Get("message").Str == "" {
			return bad
		}
		r.state += "error"
		return nil
	case "response.created", "response.in_progress":
		next := map[string]string{"response.created": "created", "response.in_progress": "running"}[name]
		if r.state != map[string]string{"created": "", "running": "created"}[next] || e.Get("response.status").Str != "in_progress" || e.Get("response.output").Raw != "[]" {
			return bad
		}
		r.state = next
		return nil
	case "response.failed":
		if r.state != "runningerror" || e.Get("response.error.message").Str == "" || e.Get("response.status").Str != "failed" {
			return bad
		}
		r.state = "end"
		return nil
	case "response.completed", "response.incomplete":
		if r.state != "running" || "response."+e.Get("response.status").Str != name {
			return bad
		}
		r.state = "end"
		return r.end(e.Get("response"), s)
	}
	if r.state != "running" {
		return bad
	}
	i := int(e.Get("output_index").Int())
	if name == "response.output_item.added" {
		if i != len(r.items) || e.Get("item.status").Str != "in_progress" || e.Get("item.id").Str == "" {
			return bad
		}
		r.items = append(r.items, &streamedItem{id: e.Get("item.id").Str, kind: e.Get("item.type").Str})
		return nil
	}
	if i < 0 || i >= len(r.items) || r.items[i].done {
		return bad
	}
	item := r.items[i]
	if name == "response.output_item.done" {
		if item.open || e.Get("item.status").Str == "in_progress" || e.Get("item.id").Str != item.id {
			return bad
		}
		item.done = true
		return nil
	}
	if !item.event(name, e) || e.Get("item_id").Str != item.id {
		return bad
	}
	return nil
}

// event reads an event of the item; false: it is out of place.
func (o *streamedItem) event(name string, e gjson.Result) bool {
	last := len(o.parts) - 1
	at := e.Get("content_index").Int()
	if o.kind == "reasoning" {
		at = e.Get("summary_index").Int()
	}
	inPart := o.open && int(at) == last
	switch name {
	case "response.content_part.added", "response.reasoning_summary_part.added":
		if o.open || int(at) != last+1 || (o.kind == "reasoning") != strings.Contains(name, "reasoning") {
			return false
		}
		o.open, o.parts, o.kinds = true, append(o.parts, ""), append(o.kinds, e.Get("part.type").Str)
	case "response.content_part.done", "response.reasoning_summary_part.done":
		o.open = false
		return inPart && e.Get("part.text").Str+e.Get("part.refusal").Str == o.parts[last]
	case "response.output_text.delta", "response.refusal.delta", "response.reasoning_summary_text.delta":
		want := map[string]string{"output_text": "output_text", "refusal": "refusal", "reasoning_summary_text": "summary_text"}[strings.Split(name, ".")[1]]
		if !inPart || o.kinds[last] != want || e.Get("delta").Str == "" {
			return false
		}
		o.parts[last] += e.Get("delta").Str
	case "response.output_text.done", "response.reasoning_summary_text.done":
		return inPart && e.Get("text").Str == o.parts[last]
	case "response.refusal.done":
		return inPart && e.Get("refusal").Str == o.parts[last]
	case "response.output_text.annotation.added":
		return inPart && e.Get("annotation.type").Str == "url_citation"
	case "response.function_call_arguments.delta", "response.custom_tool_call_input.delta":
		o.body += e.Get("delta").Str
		return e.Get("delta").Str != "" && strings.HasPrefix(o.kind, strings.Split(name[9:], "_call_")[0])
	case "response.function_call_arguments.done":
		return e.Get("arguments").Str == o.body
	case "response.custom_tool_call_input.done":
		return e.Get("input").Str == o.body
	default:
		return false
	}
	return true
}

// end holds the last event's response to what the deltas said.
func (r *toldStream) end(response gjson.Result, s *responseSummary) error {
	failed := s.failed
	var err error
	if *s, err = readResponse([]byte(response.Raw)); err != nil {
		return err
	}
	s.failed = s.failed || failed
	if int(response.Get("output.#").Int()) != len(r.items) {
		return fmt.Errorf("%d items were told of: %s", len(r.items), response.Raw)
	}
	for i, item := range r.items {
		o := response.Get("output").Array()[i]
		said := o.Get("arguments").Str + o.Get("input").Str
		o.Get("content").ForEach(func(_, p gjson.Result) bool { said += p.Get("text").Str + p.Get("refusal").Str; return true })
		o.Get("summary").ForEach(func(_, p gjson.Result) bool { said += p.Get("text").Str; return true })
		if !item.done || o.Get("id").Str != item.id || o.Get("type").Str != item.kind || said != item.body+strings.Join(item.parts, "") {
			return fmt.Errorf("item %d is not what was told: %s", i, o.Raw)
		}
	}
	return nil
}

// responsesFinish are the states of a response by the golden summaries' finish.
var responsesFinish = map[string]string{"length": "incompletemax_output_tokens", "content_filter": "incompletecontent_filter"}

const noSummary = "the golden summary has no thinking where it comes as parts of the content, or as details alone"

// responsesDifferences are the answers that are rightly not equal to their golden summaries, and why.
var responsesDifferences = map[string]string{
	"openai-chat_mistral_9186253d2f":    noSummary,
	"openai-chat_mistral_fb4a8eb609":    noSummary,
	"openai-chat_mistral_56d3bafa33":    noSummary,
	"openai-chat_mistral_101c661075":    noSummary,
	"openai-chat_mistral_8018e6784b":    noSummary,
	"openai-chat_openrouter_1bda404d66": noSummary,
	"openai-chat_openai_c155479907":     "a legacy function call becomes a call of a tool",
	"openai-chat_openai_b80296b4c0":     "a legacy function call becomes a call of a tool",
	"openai-chat_openai_9ddbe31bf2":     "a legacy function call becomes a call of a tool",
}

func TestResponsesClientReadsRecordedChat(t *testing.T) {
	golden := map[string]gjson.Result{}
	recorded(t, "expected.jsonl", func(e gjson.Result) { golden[e.Get("id").String()] = e })
	total, equal, streams := 0, 0, 0
	recorded(t, "exchanges.jsonl", func(x gjson.Result) {
		id, body := x.Get("id").String(), []byte(x.Get("response.body").String())
		want := golden[id]
		if x.Get("api").String() != "openai.chat" || want.Get("status").Int() != 200 {
			return
		}
		total++
		tr := newResponsesOpenAI(Call{Relayed: true, Send: "sent"})
		var got responseSummary
		var err error
		if x.Get("stream").Bool() {
			streams++
			var out []byte
			if out, err = translateChatStream(tr, body); err == nil {
				got, err = readResponseStream(out, want.Get("stream_error").Bool())
			}
		} else {
			var out []byte
			if out, err = tr.Reply(nil, body); err == nil {
				got, err = readResponse(out)
			}
		}
		if err != nil {
			t.Errorf("%s: %v", id, err)
			return
		}
		if want.Get("stream_error").Bool() {
			if !got.failed {
				t.Errorf("%s: the error is lost", id)
			}
			equal++
			return
		}
		differs := responseUnlike(x, want, body, &got)
		switch why := responsesDifferences[id]; {
		case len(differs) == 0 && why != "":
			t.Errorf("%s does not differ", id)
		case len(differs) > 0 && why == "":
			t.Errorf("%s: %s", id, differs)
		case len(differs) == 0:
			equal++
		}
	})
	t.Logf("%d of %d (%d streams) equal in text, thinking, refusal, tools, state and usage", equal, total, streams)
	if total == 0 {
		t.Error("nothing was compared")
	}
}

// responseUnlike lists in what a response differs from its golden summary. Usage must be what the meter bills.
func responseUnlike(x, want gjson.Result, body []byte, got *responseSummary) (differs []string) {
	note := func(what string, want, got any) {
		if fmt.Sprint(want) != fmt.Sprint(got) {
			differs = append(differs, fmt.Sprintf("%s: want %.300v, got %.300v", what, want, got))
		}
	}
	note("text", want.Get("text").Str, got.text)
	note("thinking", want.Get("reasoning").Str, got.reasoning)
	note("refusal", want.Get("refusal").Str, got.refusal)
	var tools []string
	want.Get("tool_calls").ForEach(func(_, c gjson.Result) bool {
		tools = append(tools, c.Get("name").Str+canonicalInput(c.Get("args").Raw))
		return true
	})
	note("tools", tools, got.tools)
	finish := responsesFinish[want.Get("finish").Str]
	if finish == "" {
		finish = "completed"
	}
	note("finish", finish, got.finish)
	billed, known := expectation(x, want, body)
	if right, ok := explained(x.Get("id").Str); ok {
		billed, known = right, true
	}
	if known {
		note("usage", billed, got.usage)
	}
	note("tokens of thinking", want.Get("usage.reasoning").Int(), got.thought)
	return differs
}

// responsesRefusals are the kinds of recorded Responses requests that chat cannot express.
var responsesRefusals = []string{"tools[].type", "input[].content[].file_url", "truncation"}

var inBrackets = regexp.MustCompile(`\[\d+\]`)

// TestRecordedResponsesBecomeChat: each recorded request becomes one that a provider
// of chat would take, with all that was said, or an error that names a field.
func TestRecordedResponsesBecomeChat(t *testing.T) {
	total, translated, refused := 0, 0, map[string]int{}
	recorded(t, "exchanges.jsonl", func(x gjson.Result) {
		if x.Get("api").String() != "openai.responses" {
			return
		}
		total++
		id, body := x.Get("id").String(), x.Get("request.body").Raw
		got, err := newResponsesOpenAI(Call{Relayed: true, Send: "sent"}).Request(nil, []byte(body))
		if err != nil {
			var e *llm.Error
			if !errors.As(err, &e) || e.Param == "" || !strings.HasPrefix(e.Message, e.Param+": ") || !gjson.Get(body, strings.NewReplacer("[", ".", "]", "").Replace(e.Param)).Exists() {
				t.Errorf("%s: %v names no field", id, err)
				return
			}
			kind := inBrackets.ReplaceAllString(e.Param, "[]")
			if !slices.Contains(responsesRefusals, kind) {
				t.Errorf("%s: %v is not explained", id, err)
			}
			refused[kind]++
			return
		}
		translated++
		if err := sameSaid(gjson.Parse(body), gjson.ParseBytes(got)); err != nil {
			t.Errorf("%s: %v\n%.2000s", id, err, got)
		}
	})
	t.Logf("%d of %d translated; refused: %v", translated, total, refused)
	if translated == 0 {
		t.Error("nothing was translated")
	}
}

// sameSaid holds a chat request to the rules of chat and to what the Responses request said.
func sameSaid(r, got gjson.Result) error {
	if !json.Valid([]byte(got.Raw)) || got.Get("model").Str != "sent" || !got.Get("messages").IsArray() {
		return fmt.Errorf("not a chat request")
	}
	if r.Get("tools.#").Int() != got.Get("tools.#").Int() || r.Get("stream").Bool() != got.Get("stream_options.include_usage").Bool() {
		return fmt.Errorf("tools or usage")
	}
	messages := got.Get("messages").Raw
	has := func(v gjson.Result) error {
		if v.Type == gjson.String && !strings.Contains(messages, v.Raw[1:len(v.Raw)-1]) {
			return fmt.Errorf("%.200s is lost", v.Raw)
		}
		return nil
	}
	errs := []error{has(r.Get("instructions")), has(r.Get("input"))}
	calls, results := 0, 0
	r.Get("input").ForEach(func(_, item gjson.Result) bool {
		for _, name := range []string{"content", "output", "arguments", "name", "call_id", "encrypted_content"} {
			errs = append(errs, has(item.Get(name)))
		}
		for _, path := range []string{"content.#.text", "output.#.text", "summary.#.text", "content.#.image_url", "content.#.file_data"} {
			item.Get(path).ForEach(func(_, v gjson.Result) bool { errs = append(errs, has(v)); return true })
		}
		switch item.Get("type").Str {
		case "function_call":
			calls++
		case "function_call_output":
			results++
		}
		return true
	})
	chatCalls, chatResults, open := 0, 0, map[string]bool{}
	got.Get("messages").ForEach(func(_, m gjson.Result) bool {
		if m.Get("role").Str == "tool" {
			chatResults++
			if id := m.Get("tool_call_id").Str; !open[id] {
				errs = append(errs, fmt.Errorf("a result does not follow its call %q", id))
			}
			delete(open, m.Get("tool_call_id").Str)
			return true
		}
		if len(open) > 0 {
			errs = append(errs, fmt.Errorf("calls without a result: %v", open))
		}
		m.Get("tool_calls").ForEach(func(_, c gjson.Result) bool { chatCalls++; open[c.Get("id").Str] = true; return true })
		if content := m.Get("content"); !content.Exists() || content.Type == gjson.Null && !m.Get("tool_calls").Exists() && !m.Get("refusal").Exists() {
			errs = append(errs, fmt.Errorf("a message without content: %s", m.Raw))
		}
		return true
	})
	if calls != chatCalls || results != chatResults {
		errs = append(errs, fmt.Errorf("%d calls and %d results became %d and %d", calls, results, chatCalls, chatResults))
	}
	return errors.Join(errs...)
}

// TestRecordedReplyComesBack: what a recorded reply has of opaque things reaches the
// same provider again when a Responses client hands the items back.
func TestRecordedReplyComesBack(t *testing.T) {
	opaque, native := 0, 0
	recorded(t, "exchanges.jsonl", func(x gjson.Result) {
		body := []byte(x.Get("response.body").String())
		if x.Get("api").String() != "openai.chat" || x.Get("response.status").Int() != 200 || !strings.Contains(string(body), `"reasoning_details"`) && !strings.Contains(string(body), `"thought_signature"`) {
			return
		}
		tr := newResponsesOpenAI(Call{Relayed: true, Send: "sent"})
		var s responseSummary
		var err error
		if x.Get("stream").Bool() {
			var out []byte
			out, err = translateChatStream(tr, body)
			if err == nil {
				s, err = readResponseStream(out, false)
			}
		} else {
			var out []byte
			out, err = tr.Reply(nil, body)
			if err == nil {
				s, err = readResponse(out)
			}
		}
		if err != nil || s.failed {
			return // another test's
		}
		back, err := newResponsesOpenAI(Call{Relayed: true, Send: "sent"}).Request(nil, []byte(`{"model":"m","input":`+s.output+`}`))
		if err != nil {
			t.Errorf("%s: %v", x.Get("id"), err)
			return
		}
		want := map[string]string{}
		chunks := []gjson.Result{gjson.ParseBytes(body)}
		if x.Get("stream").Bool() {
			chunks = nil
			for rest := body; len(rest) > 0; {
				var event []byte
				if event, rest = NextEvent(rest); len(event) == 0 {
					break
				}
				chunks = append(chunks, gjson.ParseBytes(Data(nil, event)))
			}
		}
		for _, c := range chunks {
			for _, path := range []string{"choices.0.message", "choices.0.delta"} {
				c.Get(path + ".reasoning_details").ForEach(func(_, d gjson.Result) bool {
					for _, name := range []string{"data", "signature"} {
						if v := d.Get(name).Str; v != "" {
							want[name] += v
						}
					}
					return true
				})
			}
		}
		if len(want) == 0 {
			return
		}
		opaque++
		if strings.Contains(s.output, `"encrypted_content"`) && !strings.Contains(s.output, `"hp1.`) {
			native++
		}
		if n := gjson.GetBytes(back, "messages.#").Int(); n != 1 {
			t.Errorf("%s: %d messages instead of one: %s", x.Get("id"), n, back)
		}
		got := map[string]string{}
		gjson.GetBytes(back, "messages.0.reasoning_details").ForEach(func(_, d gjson.Result) bool {
			for _, name := range []string{"data", "signature"} {
				got[name] += d.Get(name).Str
			}
			return true
		})
		for name, v := range want {
			if got[name] != v {
				t.Errorf("%s: %s does not come back", x.Get("id"), name)
			}
		}
	})
	t.Logf("%d replies with opaque reasoning come back whole, %d of them by OpenAI's own encrypted_content", opaque, native)
	if opaque == 0 {
		t.Error("nothing was compared")
	}
}
