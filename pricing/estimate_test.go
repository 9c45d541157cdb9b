package pricing

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// conversation returns raw messages whose only user message is text.
func conversation(text string) []byte {
	raw, err := json.Marshal([]map[string]string{{"role": "user", "content": text}})
	if err != nil {
		panic(err)
	}
	return raw
}

func TestChatCountsShortPromptsExactly(t *testing.T) {
	e := NewEstimator()
	f := func(messages string, want int64) {
		t.Helper()
		got := e.Prompt([]byte(messages), nil, nil)
		if got.Input != want || got.Sampled {
			t.Errorf("%s is estimated as %+v, want %d tokens", messages, got, want)
		}
	}
	f(`[]`, 3)
	f(``, 3)
	f(`[{"role":"user","content":"hello world"}]`, 3+3+1+2)
	f(`[ { "role" : "user" , "content" : "hello world" } ]`, 3+3+1+2)
	f(`[{"role":"system","content":"Be brief."},{"role":"user","content":"hello world"}]`, 3+3+1+3+3+1+2)
	f(`[{"role":"user","name":"bob","content":"hello world"}]`, 3+3+1+1+1+2)
	f(`[{"role":"user","content":[{"type":"text","text":"hello"},{"type":"text","text":" world"}]}]`, 3+3+1+1+1)
	f(`[{"role":"user","content":"hello\u0020world"}]`, 3+3+1+2)
	f(`[{"role":"user","content":"\"hello\" \\ world"}]`, 3+3+1+5)
	f(`[{"role":"assistant","content":null,"tool_calls":[{"id":"call_abcdefghijkl","type":"function","function":{"name":"f","arguments":"{}"}}]}]`, 3+3+1+1+1+1)
}

func TestChatTakesImagesAndAudioForWhatTheyCost(t *testing.T) {
	e := NewEstimator()
	data := strings.Repeat("iVBORw0KGgo", 20_000)
	f := func(part string, images, want int64) {
		t.Helper()
		got := e.Prompt([]byte(`[{"role":"user","content":[`+part+`]}]`), nil, nil)
		if got.Images != images || got.Input != 3+3+1+want || got.Sampled {
			t.Errorf("%.60s… is estimated as %+v, want %d images and %d tokens", part, got, images, 7+want)
		}
	}
	f(`{"type":"image_url","image_url":{"url":"data:image/png;base64,`+data+`"}}`, 1, 765)
	f(`{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}`, 1, 765)
	f(`{"type":"image_url","image_url":{"url":"https://example.com/a.png","detail":"low"}}`, 1, 85)
	f(`{"type":"image_url","image_url":{"url":"https://example.com/a.png"}},{"type":"image_url","image_url":{"url":"https://example.com/b.png"}}`, 2, 1530)
	f(`{"type":"input_audio","input_audio":{"format":"wav","data":"`+data+`"}}`, 0, 1+220_000*3/4/1600)
	f(`{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,`+data+`"}}`, 0, 765*3)
}

func TestChatCountsToolsAndSchema(t *testing.T) {
	e := NewEstimator()
	messages := conversation("What is the weather in Paris?")
	bare := e.Prompt(messages, nil, nil).Input
	tools := []byte(`[{"type":"function","function":{"name":"get_weather","description":"Get the weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}]`)
	with := e.Prompt(messages, tools, nil).Input
	if added := with - bare; added < 20 || added > 60 {
		t.Errorf("a small tool adds %d tokens", added)
	}
	if got := e.Prompt(messages, []byte("null"), []byte("[]")).Input; got != bare {
		t.Errorf("no tools add %d tokens", got-bare)
	}
}

// A long prompt is estimated from samples of itself; the error is what matters.
func TestLongTextIsEstimatedWithinAFewPerCent(t *testing.T) {
	e := NewEstimator()
	f := func(name, text string, tolerance float64) {
		t.Helper()
		want := float64(O200k().Count([]byte(text)))
		for form, got := range map[string]int64{
			"chat": e.Prompt(conversation(text), nil, nil).Input - 7,
			"text": e.Text([]byte(text)),
			"json": e.JSON(conversation(text)),
		} {
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

func TestManyShortMessagesAreEstimatedLikeOneLong(t *testing.T) {
	var messages []map[string]string
	var want int64 = 3
	for i := range 400 {
		text := fmt.Sprintf("Message %d: %s", i, english[:40+i%60])
		messages = append(messages, map[string]string{"role": "user", "content": text})
		want += 3 + 1 + int64(O200k().Count([]byte(text)))
	}
	raw, err := json.Marshal(messages)
	if err != nil {
		t.Fatal(err)
	}
	got := NewEstimator().Chat(raw, nil, nil)
	if got < want*88/100 || got > want*112/100 {
		t.Errorf("%d tokens estimated, %d counted", got, want)
	}
}

func TestUnescapedIsWhatJSONMeans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		raw, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		text = strings.NewReplacer("\b", " ", "\f", " ").Replace(text)
		if got := string(new(scratch).unescaped(raw[1 : len(raw)-1])); got != text {
			t.Fatalf("%s means %q, got %q", raw, text, got)
		}
	})
	f := func(raw, want string) {
		t.Helper()
		if got := string(new(scratch).unescaped([]byte(raw))); got != want {
			t.Errorf("%s means %q, got %q", raw, want, got)
		}
	}
	f(`\ud83d\ude42`, "🙂")
	f(`\ud83dx`, "\uFFFDx")
	f(`\u12`, `\u12`)
	f(`a\`, `a\`)
}

func FuzzChat(f *testing.F) {
	f.Add([]byte(`[{"role":"user","content":"hi"}]`), []byte(`[{"type":"function"}]`))
	f.Add([]byte(`[{"role":"user","content":"`+strings.Repeat(`\u4e2d\\`, 400)+`"}]`), []byte(`"`))
	f.Add([]byte(strings.Repeat(`"\`, 2000)), []byte(`{"detail":"low"`))
	e := NewEstimator()
	f.Fuzz(func(t *testing.T, messages, tools []byte) {
		got := e.Prompt(messages, tools, messages)
		if got.Input < 0 || got.Images < 0 || got.Images > int64(len(messages)) {
			t.Fatalf("%+v", got)
		}
		if n := e.Text(messages) + e.JSON(messages); n < 0 {
			t.Fatalf("%d tokens", n)
		}
	})
}

func TestEstimatesAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector empties pools at random")
	}
	e := NewEstimator()
	for name, text := range map[string]string{"short": english[:300], "escaped": code, "long": strings.Repeat(code, 100)} {
		raw := conversation(text)
		e.Prompt(raw, raw, nil)
		if n := testing.AllocsPerRun(100, func() { e.Prompt(raw, raw, nil) }); n > 0 {
			t.Errorf("an estimate of %s text allocates %v times", name, n)
		}
	}
}

func BenchmarkChat(b *testing.B) {
	e := NewEstimator()
	for _, c := range []struct{ name, text string }{
		{"300B", english[:300]},
		{"100KB english", strings.Repeat(english, 100_000/len(english))},
		{"100KB code", strings.Repeat(code, 100_000/len(code))},
		{"100KB chinese", strings.Repeat(chinese, 100_000/len(chinese))},
		{"1MB letter", strings.Repeat("a", 1<<20)},
	} {
		b.Run(c.name, func(b *testing.B) {
			raw := conversation(c.text)
			e.Prompt(raw, nil, nil)
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				e.Prompt(raw, nil, nil)
			}
		})
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
