package provider

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/llm"
)

// What a Gemini client gets of the recorded OpenAI traffic, and what OpenAI would get
// of the recorded Gemini traffic.

// geminiRead is an answer as a Gemini client reads it: the candidate with index 0.
type geminiRead struct {
	text, reasoning, refusal, finish string
	tools                            []string // name and arguments
	usage                            summary
	thoughts                         int64
	failed                           bool
	id                               string
}

// take adds a response, whole or an event's.
func (g *geminiRead) take(data []byte) error {
	bad := func(why string) error { return fmt.Errorf("%s: %s", why, data) }
	whole := gjson.ParseBytes(data)
	switch e := whole.Get("error"); {
	case !json.Valid(data):
		return bad("not JSON")
	case g.failed:
		return bad("behind an error")
	case e.Exists():
		if e.Get("code").Int() < 400 || e.Get("status").Str == "" || e.Get("message").Str == "" {
			return bad("an error without code, status or message")
		}
		g.failed = true
		return nil
	case whole.Get("modelVersion").Str == "" || whole.Get("responseId").Str == "" || !whole.Get("candidates.0").Exists():
		return bad("no model, id or candidate")
	case g.id != "" && g.id != whole.Get("responseId").Str:
		return bad("another id")
	case g.finish != "":
		return bad("behind the finish")
	}
	g.id = whole.Get("responseId").Str
	var err error
	whole.Get("candidates").ForEach(func(_, c gjson.Result) bool {
		if c.Get("index").Int() == 0 {
			err = g.candidate(c)
		}
		return err == nil
	})
	if u := whole.Get("usageMetadata"); u.Exists() {
		if g.finish == "" || g.usage != (summary{}) {
			return bad("the usage is not at the end, or twice")
		}
		g.thoughts = u.Get("thoughtsTokenCount").Int()
		g.usage = summary{u.Get("promptTokenCount").Int(), u.Get("candidatesTokenCount").Int() + g.thoughts, u.Get("cachedContentTokenCount").Int(), 0}
		if u.Get("totalTokenCount").Int() != g.usage.input+g.usage.output {
			return bad("the total is not the sum")
		}
	}
	return err
}

func (g *geminiRead) candidate(c gjson.Result) (err error) {
	if c.Get("content.role").Str != "model" || c.Get("content.parts.#").Int() == 0 {
		return fmt.Errorf("no content: %s", c.Raw)
	}
	c.Get("content.parts").ForEach(func(_, p gjson.Result) bool {
		switch call := p.Get("functionCall"); {
		case call.Exists():
			if !call.Get("args").IsObject() || call.Get("name").Str == "" {
				err = fmt.Errorf("call: %s", p.Raw)
			}
			g.tools = append(g.tools, call.Get("name").Str+canonicalInput(call.Get("args").Raw))
		case p.Get("inlineData").Exists(), p.Get("fileData").Exists():
		case p.Get("text").Type != gjson.String:
			err = fmt.Errorf("part: %s", p.Raw)
		case p.Get("thought").Bool():
			g.reasoning += p.Get("text").Str
		default:
			g.text += p.Get("text").Str
		}
		return true
	})
	g.finish, g.refusal = c.Get("finishReason").Str, c.Get("finishMessage").Str
	return err
}

// readGeminiStream reads a stream as a Gemini client does.
func readGeminiStream(stream []byte, cut bool) (g geminiRead, err error) {
	for len(stream) > 0 {
		event, rest := NextEvent(stream)
		if len(event) == 0 || !strings.HasPrefix(string(event), "data: ") || strings.Count(string(event), "\n") != 2 {
			return g, fmt.Errorf("event: %q", stream)
		}
		if err := g.take(Data(nil, event)); err != nil {
			return g, err
		}
		stream = rest
	}
	if g.finish == "" && !g.failed && !cut {
		return g, fmt.Errorf("the stream has no end")
	}
	return g, nil
}

// geminiFinishes are Gemini's finish reasons by the golden summaries' finish.
var geminiFinishes = map[string]string{"stop": "STOP", "tool_calls": "STOP", "function_call": "STOP", "length": "MAX_TOKENS"}

const noGoldenThinking = "the golden summary has no thinking where it comes as parts of the content, or as details alone"

// geminiChatDifferences are the answers that are rightly not equal to their golden summaries, and why.
var geminiChatDifferences = map[string]string{
	"openai-chat_openai_3947544254":     "calls without a finish reason are what the answer ended with",
	"openai-chat_mistral_9186253d2f":    noGoldenThinking,
	"openai-chat_mistral_fb4a8eb609":    noGoldenThinking,
	"openai-chat_mistral_56d3bafa33":    noGoldenThinking,
	"openai-chat_mistral_101c661075":    noGoldenThinking,
	"openai-chat_mistral_8018e6784b":    noGoldenThinking,
	"openai-chat_openrouter_1bda404d66": noGoldenThinking,
	"openai-chat_openai_c155479907":     "a legacy function call becomes a call of a function",
	"openai-chat_openai_b80296b4c0":     "a legacy function call becomes a call of a function",
	"openai-chat_openai_9ddbe31bf2":     "a legacy function call becomes a call of a function",
}

func TestGeminiClientReadsRecordedChat(t *testing.T) {
	golden := map[string]gjson.Result{}
	recorded(t, "expected.jsonl", func(e gjson.Result) { golden[e.Get("id").String()] = e })
	total, equal, failed, unlikeGolden := 0, 0, 0, 0
	recorded(t, "exchanges.jsonl", func(x gjson.Result) {
		id, body := x.Get("id").String(), []byte(x.Get("response.body").String())
		want := golden[id]
		if x.Get("api").String() != "openai.chat" {
			return
		}
		total++
		tr := newGeminiOpenAI(Call{Send: "sent"})
		if _, err := tr.Request(nil, []byte(`{"contents":"hi","generationConfig":{"thinkingConfig":{"includeThoughts":true}}}`)); err != nil {
			t.Fatal(err)
		}
		var got geminiRead
		var out []byte
		var err error
		if x.Get("stream").Bool() && want.Get("status").Int() == 200 {
			if out, err = translateChatStream(tr, body); err == nil {
				got, err = readGeminiStream(out, false)
			}
		} else if out, err = tr.Reply(nil, body); err == nil {
			err = got.take(out)
		}
		switch {
		case want.Get("status").Int() != 200 && err != nil && !gjson.GetBytes(body, "error").Exists():
			failed++ // an error that is not in OpenAI's form is the gateway's to read
			return
		case err != nil:
			t.Errorf("%s: %v", id, err)
			return
		case want.Get("status").Int() != 200 || want.Get("stream_error").Bool():
			if failed++; !got.failed {
				t.Errorf("%s: the error is lost", id)
			}
			return
		}
		differs := unlikeGemini(x, want, body, &got)
		if slices.ContainsFunc(differs, func(d string) bool { return strings.HasPrefix(d, "golden") }) {
			unlikeGolden++
		}
		differs = slices.DeleteFunc(differs, func(d string) bool { return strings.HasPrefix(d, "golden") })
		switch why := geminiChatDifferences[id]; {
		case len(differs) == 0 && why != "":
			t.Errorf("%s does not differ", id)
		case len(differs) > 0 && why == "":
			t.Errorf("%s: %s", id, differs)
		case len(differs) == 0:
			equal++
		}
	})
	t.Logf("of %d, %d equal in text, thinking, refusal, calls, finish and usage, %d differ as explained, %d errors; the usage of %d is read as the meter reads it, unlike its golden summary",
		total, equal, len(geminiChatDifferences), failed, unlikeGolden)
	if total == 0 || equal+failed+len(geminiChatDifferences) != total {
		t.Errorf("%d of %d are accounted for", equal+failed+len(geminiChatDifferences), total)
	}
}

// unlikeGemini lists in what an answer differs from its golden summary. Usage must be
// what the meter bills; where that is unlike the summary, "golden" says so.
func unlikeGemini(x, want gjson.Result, body []byte, got *geminiRead) (differs []string) {
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
	finish := geminiFinishes[want.Get("finish").Str]
	if want.Get("refusal").Str != "" {
		finish = "SAFETY"
	}
	note("finish", finish, got.finish)
	billed, known := expectation(x, want, body)
	if right, ok := explained(x.Get("id").Str); ok {
		billed, known = right, true
	}
	if known {
		note("usage", billed, got.usage)
	}
	u := want.Get("usage")
	note("thoughts", u.Get("reasoning").Int(), got.thoughts)
	note("golden usage", []int64{u.Get("input").Int(), u.Get("output").Int(), u.Get("cached").Int(), u.Get("reasoning").Int()},
		[]int64{got.usage.input, got.usage.output, got.usage.cached, got.thoughts})
	return differs
}

// TestRecordedGeminiBecomesChat: each recorded request becomes one that OpenAI would
// take, and keeps what it says, or an error that names one of its fields.
func TestRecordedGeminiBecomesChat(t *testing.T) {
	total, unrecorded, translated, refused := 0, 0, 0, map[string]int{}
	recorded(t, "exchanges.jsonl", func(x gjson.Result) {
		if x.Get("api").String() != "gemini.generateContent" {
			return
		}
		total++
		if x.Get("request_recorded").Raw == "false" {
			unrecorded++
			return
		}
		id, body := x.Get("id").String(), x.Get("request.body").Raw
		got, err := newGeminiOpenAI(Call{Send: "sent", Stream: x.Get("stream").Bool(), AskUsage: true}).Request(nil, []byte(body))
		if err != nil {
			var e *llm.Error
			path := strings.NewReplacer("[", ".", "]", "")
			if !errors.As(err, &e) || !strings.HasPrefix(e.Message, e.Param+": ") || !gjson.Get(body, path.Replace(e.Param)).Exists() {
				t.Errorf("%s: %v names no field", id, err)
				return
			}
			refused[pathPattern(path.Replace(e.Param))]++
			return
		}
		translated++
		if err := chatRules(got); err != nil {
			t.Errorf("%s: %v\n%.2000s", id, err, got)
		}
		if was, is := saidInGemini(gjson.Parse(body)), saidInChat(gjson.ParseBytes(got)); was != is {
			t.Errorf("%s: said\n%.3000s\nis\n%.3000s", id, was, is)
		}
	})
	t.Logf("%d, of which %d without a request; %d translated; refused: %v", total, unrecorded, translated, refused)
	if translated == 0 {
		t.Error("nothing was translated")
	}
}

// saidInGemini is what a request says that must arrive: texts, calls, results and tools.
func saidInGemini(body gjson.Result) string {
	var s, tools, system []string
	either := func(v gjson.Result, camel, snake string) gjson.Result {
		if c := v.Get(camel); c.Exists() {
			return c
		}
		return v.Get(snake)
	}
	body.Get("contents").ForEach(func(_, c gjson.Result) bool {
		spoken := "" // the model's texts of a content are one
		c.Get("parts").ForEach(func(_, p gjson.Result) bool {
			call, result := either(p, "functionCall", "function_call"), either(p, "functionResponse", "function_response")
			switch {
			case call.Exists():
				s = append(s, "call "+call.Get("name").Str+canonicalInput(call.Get("args").Raw))
			case result.Exists():
				r := result.Get("response")
				text := r.Raw
				if r.Get("@keys.#").Int() == 1 && r.Get("@keys.0").Str != "response" {
					r.ForEach(func(_, v gjson.Result) bool { text = v.String(); return v.Type != gjson.String })
				}
				s = append(s, "result "+canonicalResult(text))
			case either(p, "inlineData", "inline_data").Exists(), either(p, "fileData", "file_data").Exists():
				s = append(s, "media")
			case p.Get("thought").Bool():
			case c.Get("role").Str == "model":
				spoken += p.Get("text").Str
			case p.Get("text").Exists():
				s = append(s, "text "+p.Get("text").Str)
			}
			result.Get("parts").ForEach(func(_, _ gjson.Result) bool { s = append(s, "media"); return true })
			return true
		})
		if spoken != "" {
			s = append(s, "text "+spoken)
		}
		return true
	})
	either(body, "systemInstruction", "system_instruction").Get("parts").ForEach(func(_, p gjson.Result) bool { system = append(system, p.Get("text").Str); return true })
	body.Get("tools").ForEach(func(_, tool gjson.Result) bool {
		tool.Get("functionDeclarations").ForEach(func(_, f gjson.Result) bool {
			tools = append(tools, "tool "+f.Get("name").Str+": "+f.Get("description").Str+fmt.Sprint(f.Get("parameters.properties.@keys")))
			return true
		})
		return true
	})
	slices.Sort(s)
	return strings.Join(append(append(tools, "system "+strings.Join(system, "\n\n")), s...), "\n")
}

// canonicalResult is the text of a result in one form where it is a JSON object.
func canonicalResult(text string) string {
	if gjson.Valid(text) && gjson.Parse(text).IsObject() {
		return canonicalInput(text)
	}
	return text
}

func saidInChat(body gjson.Result) string {
	var s, tools []string
	system := ""
	body.Get("messages").ForEach(func(_, m gjson.Result) bool {
		content := m.Get("content")
		switch role := m.Get("role").Str; {
		case role == "system":
			system = content.Str
		case role == "tool":
			s = append(s, "result "+canonicalResult(content.Str))
		case content.Type == gjson.String && (role == "user" || content.Str != ""):
			s = append(s, "text "+content.Str)
		}
		if content.IsArray() {
			content.ForEach(func(_, p gjson.Result) bool {
				switch text := p.Get("text"); {
				case !text.Exists():
					s = append(s, "media")
				case !strings.HasPrefix(text.Str, "Belongs to the result of"):
					s = append(s, "text "+text.Str)
				}
				return true
			})
		}
		m.Get("tool_calls").ForEach(func(_, c gjson.Result) bool {
			s = append(s, "call "+c.Get("function.name").Str+canonicalInput(c.Get("function.arguments").Str))
			return true
		})
		return true
	})
	body.Get("tools").ForEach(func(_, tool gjson.Result) bool {
		f := tool.Get("function")
		tools = append(tools, "tool "+f.Get("name").Str+": "+f.Get("description").Str+fmt.Sprint(f.Get("parameters.properties.@keys")))
		return true
	})
	slices.Sort(s)
	return strings.Join(append(append(tools, "system "+system), s...), "\n")
}
