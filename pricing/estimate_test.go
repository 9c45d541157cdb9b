package pricing

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

// conversation returns raw messages whose only user message is text.
func conversation(text string) []byte {
	raw, err := json.Marshal([]map[string]string{{"role": "user", "content": text}})
	if err != nil {
		panic(err)
	}
	return raw
}

// at is the estimate of a chat prompt at OpenAI.
func at(e *Estimator, messages, tools, format []byte) (Estimate, int64) {
	found := e.Estimate(Prompt{Messages: messages, Tools: tools, Format: format})
	return found, found.For(openAI)
}

func TestChatCountsShortPromptsExactly(t *testing.T) {
	e := NewEstimator()
	f := func(messages string, want int64) {
		t.Helper()
		found, got := at(e, []byte(messages), nil, nil)
		if got != want || found.Sampled {
			t.Errorf("%s is estimated as %d: %+v, want %d tokens", messages, got, found, want)
		}
	}
	f(``, 3)
	f(`[]`, 3+4)
	f(`"hello world"`, 3+4+2)
	f(`["hello"," world"]`, 3+4+2)
	f(`[{"role":"user","content":"hello world"}]`, 3+4+2)
	f(`[ { "role" : "user" , "content" : "hello world" } ]`, 3+4+2)
	f(`[{"role":"system","content":"Be brief."},{"role":"user","content":"hello world"}]`, 3+4+3+4+2)
	f(`[{"role":"user","name":"bob","content":"hello world"}]`, 3+4+1+2)
	f(`[{"role":"user","content":[{"type":"text","text":"hello"},{"type":"text","text":" world"}]}]`, 3+4+1+1)
	f(`[{"role":"user","content":"hello\u0020world"}]`, 3+4+2)
	f(`[{"role":"user","content":"\"hello\" \\ world"}]`, 3+4+5)
	f(`[{"role":"assistant","content":null,"tool_calls":[{"id":"call_abcdefghijkl","type":"function","function":{"name":"f","arguments":"{}"}}]}]`, 3+4+1+1)
	f(`[{"role":"user","parts":[{"text":"hello world"},{"thoughtSignature":"EuoB"}]}]`, 3+4+2)
	f(`[{"type":"message","role":"user","content":[{"type":"input_text","text":"hello world"}]}]`, 3+4+2)
	f(`[{"role":"assistant","content":[{"type":"tool_use","id":"toolu_01","name":"f","input":{"a":"b"}}]}]`, 3+4+1+5)
}

// Every dialect's way to say the same yields the same parts.
func TestDialectsAreReadAlike(t *testing.T) {
	e := NewEstimator()
	want := Estimate{Text: 7, Messages: 2, Tools: Definitions{Text: 6, Strings: 3}}
	f := func(name string, p Prompt) {
		t.Helper()
		if got := e.Estimate(p); got != want {
			t.Errorf("%s is read as\n%+v, want\n%+v", name, got, want)
		}
	}
	f("OpenAI", Prompt{Messages: []byte(`[{"role":"system","content":"Be brief."},{"role":"user","content":"What is this?"}]`),
		Tools: []byte(`[{"type":"function","function":{"name":"get_weather","description":"Get the weather","parameters":{"type":"object","properties":{"city":{"type":"object"}}}}}]`)})
	f("Responses", Prompt{System: []byte(`"Be brief."`), Messages: []byte(`[{"type":"message","role":"user","content":[{"type":"input_text","text":"What is this?"}]}]`),
		Tools: []byte(`[{"type":"function","name":"get_weather","description":"Get the weather","parameters":{"type":"object","properties":{"city":{"type":"object"}}}}]`)})
	f("Anthropic", Prompt{System: []byte(`[{"type":"text","text":"Be brief."}]`), Messages: []byte(`[{"role":"user","content":[{"type":"text","text":"What is this?"}]}]`),
		Tools: []byte(`[{"name":"get_weather","description":"Get the weather","input_schema":{"type":"object","properties":{"city":{"type":"object"}}}}]`)})
	f("Gemini", Prompt{System: []byte(`{"parts":[{"text":"Be brief."}]}`), Messages: []byte(`[{"role":"user","parts":[{"text":"What is this?"}]}]`),
		Tools: []byte(`[{"functionDeclarations":[{"name":"get_weather","description":"Get the weather","parameters":{"type":"OBJECT","properties":{"city":{"type":"OBJECT"}}}}]}]`)})
	f("Bedrock", Prompt{System: []byte(`[{"text":"Be brief."}]`), Messages: []byte(`[{"role":"user","content":[{"text":"What is this?"}]}]`),
		Tools: []byte(`{"tools":[{"toolSpec":{"name":"get_weather","description":"Get the weather","inputSchema":{"json":{"type":"object","properties":{"city":{"type":"object"}}}}}}]}`)})
}

func TestToolsAndSchemaAreCounted(t *testing.T) {
	e := NewEstimator()
	messages := conversation("What is the weather in Paris?")
	_, bare := at(e, messages, nil, nil)
	tools := []byte(`[{"type":"function","function":{"name":"get_weather","description":"Get the weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}]`)
	_, with := at(e, messages, tools, nil)
	if added := with - bare; added < 20 || added > 60 {
		t.Errorf("a small tool adds %d tokens", added)
	}
	if _, got := at(e, messages, []byte("null"), []byte("[]")); got != bare {
		t.Errorf("no tools add %d tokens", got-bare)
	}
	if found, _ := at(e, messages, []byte(`[{"type":"web_search_20250305","name":"web_search"}]`), nil); !found.Unseen {
		t.Error("what a hosted tool finds is not in the request, and is not said to be missing")
	}
}

// A long prompt is estimated from samples of itself; the error is what matters.
func TestLongTextIsEstimatedWithinAFewPerCent(t *testing.T) {
	e := NewEstimator()
	f := func(name, text string, tolerance float64) {
		t.Helper()
		want := float64(O200k().Count([]byte(text)))
		_, chat := at(e, conversation(text), nil, nil)
		for form, got := range map[string]int64{"chat": chat - 7, "text": e.TextFor(openAI, []byte(text))} {
			if off := float64(got)/want - 1; off > tolerance || off < -tolerance {
				t.Errorf("%s as %s: %d tokens estimated, %v counted: %+.1f %%", name, form, got, want, 100*off)
			}
		}
	}
	f("english", strings.Repeat(english, 100), 0.05)
	f("code", strings.Repeat(code, 100), 0.10)
	f("chinese", strings.Repeat(chinese, 100), 0.10)
	f("emoji", strings.Repeat("🙂 🚀 ", 3000), 0.10)
	f("a letter", strings.Repeat("a", 100_000), 0.10)
	f("english, then code", strings.Repeat(english, 60)+strings.Repeat(code, 60), 0.20)
}

func TestKindOfText(t *testing.T) {
	e := NewEstimator()
	f := func(text string, want Kind) {
		t.Helper()
		for _, text := range []string{text, strings.Repeat(text, 1+9000/max(1, len(text)))} {
			found, _ := at(e, conversation(text), nil, nil)
			if found.Kind != want {
				t.Errorf("%.40q… of %d bytes is %v, want %v", text, len(text), found.Kind, want)
			}
		}
	}
	f("hello ", Prose)
	f(english, Prose)
	f("Die Größe der Übung wächst, so daß die Prüfung für alle schwieriger wird; niemand wußte es. ", Prose)
	f("L’été dernier, nous avons visité un château près de la rivière où naît l’orage. ", Prose)
	f(code, Code)
	f(`{"id": 12, "name": "x", "tags": ["a", "b"], "at": {"x": 1.5, "y": [1, 2]}}`, Code)
	f(chinese, CJK)
	f("今日は天気がいいので、散歩に行きましょう。", CJK)
	f("오늘은 날씨가 좋아서 산책을 갑니다. ", CJK)
	f("Был холодный ясный апрельский день, и часы пробили тринадцать. ", Script)
	f("यह एक साधारण वाक्य है जो हिंदी में लिखा गया है। ", Script)
	f(string(texts(4000)["base64"]), Dense)
	f(strings.Repeat("a", 400), Dense)
	f("", Prose)
}

func TestManyShortMessagesAreEstimatedLikeOneLong(t *testing.T) {
	var messages []map[string]string
	var want int64 = 3
	for i := range 400 {
		text := fmt.Sprintf("Message %d: %s", i, english[:40+i%60])
		messages = append(messages, map[string]string{"role": "user", "content": text})
		want += 4 + int64(O200k().Count([]byte(text)))
	}
	raw, err := json.Marshal(messages)
	if err != nil {
		t.Fatal(err)
	}
	got := openAIChat(NewEstimator(), raw)
	if got < want*88/100 || got > want*112/100 {
		t.Errorf("%d tokens estimated, %d counted", got, want)
	}
}

// The seeds are short, and made long here: the fuzzer takes a minute to shorten a
// long one.
func FuzzEstimate(f *testing.F) {
	f.Add([]byte(`[{"role":"user","content":"hi"}]`), []byte(`[{"type":"function"}]`))
	f.Add([]byte(`{"content":"\u4e2d\\"},`), []byte(`"`))
	f.Add([]byte(`"\`), []byte(`{"detail":"low"`))
	f.Add([]byte(`[{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAAC"}},{"args":{"a":[`), []byte(`[{"input":{"x":"\`))
	f.Add([]byte(`[{"type":"image","data":"/9j/4AAQSkZJRgABAQAAAQABAAD/wAALCAABAAE"}]`), []byte(`{"url":"data:;base64,UklGRiQAAABXQVZFZm10IBAAAAABAAEA"}`))
	e := NewEstimator()
	f.Fuzz(func(t *testing.T, messages, tools []byte) {
		mustEstimate(t, e, messages, tools)
		mustEstimate(t, e, bytes.Repeat(messages, 1+3000/max(1, len(messages))), tools)
	})
}

func mustEstimate(t *testing.T, e *Estimator, messages, tools []byte) {
	t.Helper()
	found := e.Estimate(Prompt{System: tools, Messages: messages, Tools: tools, Format: messages})
	size := int64(2 * (len(messages) + len(tools)))
	// A token is a byte at least; what has no bytes is bounded by its parts.
	if n := found.Text + found.Tools.Text + found.Format.Text; n < 0 || n > size {
		t.Fatalf("%d tokens of text in %d bytes", n, size)
	}
	if m := found.Images; m.Count < 0 || m.Count > size || m.Squares < 0 || m.Patches < 0 || m.Area < 0 || m.Tiles < 0 {
		t.Fatalf("%+v", m)
	}
	for _, r := range families {
		if n := found.For(r.profile); n < 0 {
			t.Fatalf("%d tokens at %s of %+v", n, r.profile.Name, found)
		}
	}
	if n := e.TextFor(openAI, messages); n < 0 || n > int64(len(messages)) {
		t.Fatalf("%d tokens in %d bytes", n, len(messages))
	}
}

func TestEstimatesAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector empties pools at random")
	}
	e := NewEstimator()
	image := []byte(`[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,` + strings.Repeat(`\/9j`, 2000) + `"}}]}]`)
	for name, raw := range map[string][]byte{"short": conversation(english[:300]), "escaped": conversation(code), "long": conversation(strings.Repeat(code, 100)), "image": image} {
		p := Prompt{System: raw, Messages: raw, Documents: raw, Tools: raw, Format: raw}
		e.Estimate(p)
		n := testing.AllocsPerRun(100, func() {
			found := e.Estimate(p)
			found.For(claude)
			e.TextFor(claude, raw)
		})
		if n > 0 {
			t.Errorf("an estimate of %s text allocates %v times", name, n)
		}
	}
}

// Bodies that a walker could go over again and again; each has a megabyte or two.
func hostile() map[string][]byte {
	const size = 1 << 20
	repeat := func(s string) string { return strings.Repeat(s, size/len(s)) }
	return map[string][]byte{
		"a letter":       conversation(repeat("a")),
		"backslashes":    []byte(`[{"content":"` + repeat(`\\`) + `"}]`),
		"open backslash": []byte(`[{"content":"` + repeat(`\`)),
		"escaped quotes": []byte(`[{"content":"` + repeat(`\"`) + `"}]`),
		"escapes":        []byte(`[{"content":"` + repeat(`\u4e2d`) + `"}]`),
		"tiny strings":   []byte(`[` + repeat(`"a",`) + `""]`),
		"brackets":       []byte(repeat(`[`)),
		"arguments":      []byte(repeat(`[{"input":{`)),
		"citations":      []byte(`[{"content":[` + repeat(`{"citations":[`)),
		"images":         []byte(`[` + repeat(`{"data":"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIA"},`) + `0]`),
		"symbols":        conversation(repeat("=")),
		"blanks":         conversation(repeat(" ")),
	}
}

// Time is linear in the prompt, whatever it is made of: a megabyte takes a few
// milliseconds. The bound leaves room for slow machines; what it forbids takes
// minutes.
func TestEstimateIsLinear(t *testing.T) {
	e := NewEstimator()
	e.TextFor(openAI, []byte("build the tables"))
	for name, raw := range hostile() {
		start := time.Now()
		found := e.Estimate(Prompt{System: raw, Messages: raw, Tools: raw, Format: raw})
		if took := time.Since(start); took > time.Second {
			t.Errorf("a megabyte of %s takes %v: %+v", name, took, found)
		}
	}
}

// Millions of tiny strings are counted by those that there is room for.
func TestTinyStringsAreAllCounted(t *testing.T) {
	const n = 3 * maxSpans
	raw := []byte(`[` + strings.Repeat(`"a",`, n) + `""]`)
	if found := NewEstimator().Estimate(Prompt{Messages: raw}); found.Text != n {
		t.Errorf("%d tokens, want %d", found.Text, n)
	}
}

// A reply of an older model is counted in its own encoding, of others by the ratio
// of its kind of text.
func TestTextOfAFamily(t *testing.T) {
	e := NewEstimator()
	f := func(model, text string, want int64) {
		t.Helper()
		if got := e.TextFor(ProfileOf(model, ""), []byte(text)); got != want {
			t.Errorf("%.20q has %d tokens at %s, want %d", text, got, model, want)
		}
	}
	f("gpt-4o", chinese, int64(O200k().Count([]byte(chinese))))
	f("gpt-3.5-turbo", chinese, int64(Cl100k().Count([]byte(chinese))))
	f("gpt-3.5-turbo", `a\n`, 2)
	f("claude-haiku-4-5", "hello world", 2)
	f("claude-haiku-4-5", english, int64(math.Round(1.16*float64(O200k().Count([]byte(english))))))
}

func BenchmarkEstimate(b *testing.B) {
	e := NewEstimator()
	run := func(name string, raw []byte) {
		b.Run(name, func(b *testing.B) {
			openAIChat(e, raw)
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				openAIChat(e, raw)
			}
		})
	}
	run("300B/english", conversation(english[:300]))
	for _, size := range []int{100 << 10, 1 << 20} {
		for name, text := range texts(size) {
			run(fmt.Sprintf("%dKB/%s", size>>10, name), conversation(string(text)))
		}
	}
	for name, raw := range hostile() {
		run("hostile/"+name, raw)
	}
}

const english = `It was a bright cold day in April, and nobody in the office had yet read the report on the quarterly budget. "Costs," said the manager,
"are what remains when everything else has been forgotten." She opened the window, looked at the river for a while and then began to count: eleven models,
four providers, two regions, one invoice that no one could explain. The numbers did not add up, which was hardly a surprise to those who had entered them. `

const code = `// Merge joins two sorted slices.
func Merge[T cmp.Ordered](a, b []T) []T {
	out := make([]T, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if a[0] <= b[0] {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}
`

const chinese = `四月间，天气寒冷晴朗，办公室里还没有人读过季度预算报告。经理说：“当其他一切都被遗忘时，剩下的就是成本。”她打开窗户，看了一会儿河水，然后开始计数：十一个模型、四家供应商、两个地区，以及一张没人能解释的发票。`

// openAIChat is the tokens of a list of messages at OpenAI.
func openAIChat(e *Estimator, messages []byte) int64 {
	found := e.Estimate(Prompt{Messages: messages})
	return found.For(openAI)
}
