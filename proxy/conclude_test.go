package proxy

import (
	"math"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/generic-corp/halfpenny/cache"
	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/router/habits"
)

// What a whole reply says of itself, in each dialect: a refusal is one whatever was
// asked for, and only a text that ended by itself can fail to be JSON.
func TestConclusions(t *testing.T) {
	f := func(d llm.Dialect, reply string, refused bool, text string) {
		t.Helper()
		gotRefused, gotText := conclusions[d]([]byte(reply), true)
		if gotRefused != refused || gotText != text {
			t.Errorf("%s: got %v %q, want %v %q", reply, gotRefused, gotText, refused, text)
		}
		if again, none := conclusions[d]([]byte(reply), false); again != refused || d != llm.DialectResponses && none != "" {
			t.Errorf("%s: got %v %q where no text is wanted", reply, again, none)
		}
	}
	f(llm.DialectOpenAI, `{"choices":[{"finish_reason":"stop","message":{"content":"{\"a\":1}"}}]}`, false, `{"a":1}`)
	f(llm.DialectOpenAI, `{"choices":[{"finish_reason":"length","message":{"content":"{\"a"}}]}`, false, "")
	f(llm.DialectOpenAI, `{"choices":[{"finish_reason":"tool_calls","message":{"content":null,"tool_calls":[]}}]}`, false, "")
	f(llm.DialectOpenAI, `{"choices":[{"finish_reason":"stop","message":{"content":null,"refusal":"I can't."}}]}`, true, "")
	f(llm.DialectOpenAI, `{"choices":[{"finish_reason":"stop","message":{"content":"x","refusal":null}}]}`, false, "x")
	f(llm.DialectOpenAI, `{"choices":[{"finish_reason":"content_filter","message":{"content":""}}]}`, true, "")
	f(llm.DialectOpenAI, `{"choices":[]}`, false, "")
	f(llm.DialectResponses, `{"status":"completed","output":[{"type":"reasoning","content":[{"text":"hm"}]},{"type":"message","content":[{"type":"output_text","text":"{"},{"type":"output_text","text":"}"}]}]}`, false, "{}")
	f(llm.DialectResponses, `{"status":"completed","output":[{"type":"message","content":[{"type":"refusal","refusal":"No."}]}]}`, true, "")
	f(llm.DialectResponses, `{"status":"incomplete","incomplete_details":{"reason":"content_filter"},"output":[]}`, true, "")
	f(llm.DialectResponses, `{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[{"type":"message","content":[{"type":"output_text","text":"{"}]}]}`, false, "")
	f(llm.DialectAnthropic, `{"stop_reason":"end_turn","content":[{"type":"thinking","thinking":"hm"},{"type":"text","text":"{"},{"type":"text","text":"}"}]}`, false, "{}")
	f(llm.DialectAnthropic, `{"stop_reason":"refusal","content":[]}`, true, "")
	f(llm.DialectAnthropic, `{"stop_reason":"max_tokens","content":[{"type":"text","text":"{"}]}`, false, "")
	f(llm.DialectGemini, `{"candidates":[{"finishReason":"STOP","content":{"parts":[{"text":"hm","thought":true},{"text":"{}"}]}}]}`, false, "{}")
	f(llm.DialectGemini, `{"candidates":[{"finishReason":"SAFETY"}]}`, true, "")
	f(llm.DialectGemini, `{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}}`, true, "")
	f(llm.DialectGemini, `{"candidates":[{"finishReason":"MAX_TOKENS","content":{"parts":[{"text":"{"}]}}]}`, false, "")
}

func FuzzConclusions(f *testing.F) {
	f.Add([]byte(`{"choices":[{"finish_reason":"stop","message":{"content":"{}"}}],"output":[{"type":"message","content":[{"type":"refusal"}]}],"candidates":[{"finishReason":"STOP"}]}`))
	f.Add([]byte(`{"choices":{"0":[]},"output":7,"content":"x","candidates":[[]]}`))
	f.Fuzz(func(t *testing.T, reply []byte) {
		for d, conclude := range conclusions {
			refused, text := conclude(reply, true)
			if refused && text != "" {
				t.Errorf("%v: a refusal has the text %q", d, text)
			}
			if again, _ := conclude(reply, false); again != refused {
				t.Errorf("%v: whether it refuses depends on what was asked", d)
			}
		}
	})
}

// lastPrompt is a Signs that keeps the last prompt's key.
type lastPrompt struct{ key [32]byte }

func (p *lastPrompt) Note(a habits.Answer) { p.key = a.Prompt }

// What a test key asks is never a retry of what a live one asked.
func TestTestKeysRetryApart(t *testing.T) {
	var last lastPrompt
	g := &Gateway{Options: Options{Signs: &last, CacheKeys: cache.NewKeyer([]byte("secret"))}}
	key := func(test bool) [32]byte {
		c := &call{gateway: g, record: &llm.Record{TenantID: "t", Test: test}, path: path{endpoint: llm.EndpointChat}}
		c.body.prompt.Messages = []byte(`[]`)
		c.observe(llm.OutcomeOK)
		return last.key
	}
	if live := key(false); live == key(true) || live != key(false) || live == ([32]byte{}) {
		t.Error("test and live keys share their prompts")
	}
}

func TestWithin(t *testing.T) {
	const n = 20_000
	for _, share := range []float64{0, 0.01, 0.1, 0.5} {
		held := 0
		for range n {
			if within(newID(), share) {
				held++
			}
		}
		if off := math.Abs(float64(held) - share*n); off > 5*math.Sqrt(share*(1-share)*n) {
			t.Errorf("share %v: %d of %d", share, held, n)
		}
	}
	if within("x", -1) || !within("x", 1) {
		t.Error("nothing is within a negative share, and all within the whole")
	}
	// A request that is held out at one share is held out at each larger one.
	rapid.Check(t, func(t *rapid.T) {
		id := uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id")).String()
		small, large := rapid.Float64Range(0, 1).Draw(t, "small"), rapid.Float64Range(0, 1).Draw(t, "large")
		if small > large {
			small, large = large, small
		}
		if within(id, small) && !within(id, large) {
			t.Fatal(id)
		}
	})
}
