package provider

import (
	"fmt"
	"strconv"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// Event turns one GenerateContentResponse of the stream into a chunk for each of its
// candidates that says something. What ends the answer, its finish reason and usage,
// is held back until End: calls and counts may follow the piece that says STOP.
func (t *openaiGemini) Event(dst, src []byte) ([]byte, error) {
	data := Data(nil, src)
	if len(data) == 0 || t.over {
		return dst, nil
	}
	if err := jsonscan.Each(data, func(_, _ []byte) {}); err != nil {
		return dst, fmt.Errorf("cannot read an event of Gemini's stream: %w", err)
	}
	whole := gjson.ParseBytes(data)
	if e := whole.Get("error"); e.Exists() {
		t.over = true
		return append(appendGeminiError(append(dst, "data: "...), e), "\n\n"...), nil
	}
	t.begin(whole)
	t.count(whole.Get("usageMetadata"))
	none := true
	whole.Get("candidates").ForEach(func(_, candidate gjson.Result) bool {
		none = false
		dst = t.appendDelta(dst, candidate)
		return true
	})
	if reason := geminiBlocked(whole); none && reason != nil {
		c := t.choice(0)
		c.finish = "content_filter"
		delta := append(append(c.open(nil), `,"refusal":`...), reason...)
		dst = t.appendChunk(dst, 0, delta, gjson.Result{}, "")
	}
	return dst, nil
}

// End writes what a stream that is complete ends with: a chunk with the finish reason
// of each candidate, the usage if it was asked for, and [DONE]. The caller of the
// translator calls it once, when the provider's stream has ended. It writes nothing for
// a stream that failed or was cut off before its candidates were finished, which its
// caller must make known.
func (t *openaiGemini) End(dst []byte) []byte {
	if t.over || len(t.choices) == 0 {
		return dst
	}
	for i := range t.choices {
		if t.choices[i].finish == "" {
			return dst
		}
	}
	for i := range t.choices {
		dst = t.appendChunk(dst, t.choices[i].index, nil, gjson.Result{}, t.choices[i].finish)
	}
	if t.askUsage && t.usage.known {
		dst = append(t.appendHead(append(dst, "data: "...), "chat.completion.chunk"), `,"choices":[],"usage":`...)
		dst = append(t.appendTier(t.appendUsage(dst)), "}\n\n"...)
	}
	t.over = true
	return append(dst, "data: [DONE]\n\n"...)
}

// appendDelta appends the chunk of one candidate, if it says anything.
func (t *openaiGemini) appendDelta(dst []byte, candidate gjson.Result) []byte {
	c := t.choice(geminiMember(candidate, "index").Int())
	s := t.said(c, candidate, true)
	if t.searches {
		c.text = append(c.text, s.text...)
	}
	if finish := geminiFinish(geminiMember(candidate, "finishReason"), c.calls); finish != "" {
		c.finish = finish
	} else if c.finish == "stop" && c.calls > 0 {
		c.finish = "tool_calls"
	}
	delta := appendGeminiAnnotations(s.appendRest(c.open(s.text)), candidate, c.text)
	if m := geminiMember(candidate, "finishMessage"); c.finish == "content_filter" && m.Type == gjson.String {
		delta = append(append(delta, `,"refusal":`...), m.Raw...)
	}
	logprobs := geminiMember(candidate, "logprobsResult")
	if len(delta) == 0 && !logprobs.Exists() {
		return dst
	}
	return t.appendChunk(dst, c.index, delta, logprobs, "")
}

// open begins a delta with its content; the first of a choice has the role, and content even where there is none.
// Each member has a comma before it.
func (c *geminiChoice) open(text []byte) (delta []byte) {
	if !c.started {
		c.started = true
		delta = []byte(`,"role":"assistant"`)
	} else if len(text) == 0 {
		return nil
	}
	return append(append(append(delta, `,"content":"`...), text...), '"')
}

// appendChunk appends one chunk; finish is empty but in the last one of a choice.
func (t *openaiGemini) appendChunk(dst []byte, index int64, delta []byte, logprobs gjson.Result, finish string) []byte {
	dst = append(t.appendHead(append(dst, "data: "...), "chat.completion.chunk"), `,"choices":[{"index":`...)
	dst = append(strconv.AppendInt(dst, index, 10), `,"delta":{`...)
	dst = append(append(dst, delta[min(1, len(delta)):]...), `},"logprobs":`...)
	dst = append(appendGeminiLogprobs(dst, logprobs), `,"finish_reason":`...)
	if finish == "" {
		dst = append(dst, "null}]"...)
	} else {
		dst = append(append(append(dst, '"'), finish...), `"}]`...)
	}
	if t.askUsage {
		dst = append(dst, `,"usage":null`...)
	}
	return append(dst, "}\n\n"...)
}
