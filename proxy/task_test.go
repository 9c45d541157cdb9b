package proxy

import "testing"

func TestTask(t *testing.T) {
	f := func(messages, want string, before int) {
		t.Helper()
		message, got := task([]byte(messages))
		if text := string(appendTask([]byte(">"), message)); text != ">"+want || got != before {
			t.Errorf("%s: %q behind %d bytes, want %q behind %d", messages, text, got, want, before)
		}
	}
	f(``, "", 0)
	f(`null`, "", 0)
	f(`7`, "", 0)
	f(`"What is \"two\"?"`, `What is "two"?`, 0)
	f(`["one","two"]`, "two", 5)
	f(`[[1,2,3]]`, "", 0)
	f(`[{"role":"user","content":"one"}]`, "one", 0)
	f(`[{"content":"one\nline","role":"user"},{"role":"assistant","content":"two"}]`, "one\nline", 0)
	f(`[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"}]`, "c", 63)
	f(`[{"role":"user","content":"a"},{"role":"tool","content":"b","tool_call_id":"x"}]`, "a", 0)
	f(`[{"role":"user","content":[{"type":"text","text":"one"},{"type":"image_url","image_url":{"url":"x"}},{"type":"text","text":"two"}]}]`, "one\ntwo", 0)
	f(`[{"role":"user","content":"a"},{"role":"user","content":[{"type":"tool_result","tool_use_id":"x","content":"b"}]}]`, "a", 0)
	f(`[{"type":"message","role":"user","content":[{"type":"input_text","text":"one"}]},{"type":"function_call_output","output":"x"}]`, "one", 0)
	f(`[{"parts":[{"text":"one"},{"inlineData":{"mimeType":"image/png","data":""}}]}]`, "one", 0)
	f(`{"role":"user","parts":[{"text":"one"}]}`, "one", 0)
	f(`[{"role":"model","parts":[{"text":"one"}]}]`, "", 0)
	f(`[{"role":"user","content":[{"text":{"text":"no string"}}]}]`, "", 0)
}

func TestTaskDoesNotAllocate(t *testing.T) {
	messages := []byte(`[{"role":"system","content":"x"},{"role":"user","content":[{"type":"text","text":"a \"quoted\" word"}]}]`)
	text := make([]byte, 0, 100)
	if n := testing.AllocsPerRun(100, func() {
		message, _ := task(messages)
		text = appendTask(text[:0], message)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
