package provider

import (
	"bytes"
	"fmt"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// Event turns a chunk into an event with what it says. Calls wait until they are
// whole, and what ends the answer until its usage is there: until the chunk that
// comes behind the finish reason and carries the usage alone, [DONE], or End. An
// error ends the stream as well, and what follows is passed over.
func (t *geminiOpenAI) Event(dst, src []byte) ([]byte, error) {
	data := bytes.TrimSpace(Data(nil, src))
	switch {
	case t.over || len(data) == 0:
		return dst, nil
	case string(data) == "[DONE]":
		return t.conclude(dst), nil
	}
	var c openaiChunk
	if err := c.read(data); err != nil {
		return dst, fmt.Errorf("cannot read the stream: %w", err)
	}
	if c.failure != nil {
		t.over = true
		return append(appendGoogleError(append(dst, "data: "...), c.failure), "\n\n"...), nil
	}
	if t.meter.reading.Model == "" {
		t.meter.head(data)
	}
	if startsWith(data, `"usage":`, `{`) {
		t.meter.chunkUsage(data)
	}
	t.sources.read(&c)
	if !c.chosen {
		if c.usage && t.finished() {
			return t.conclude(dst), nil
		}
		return dst, nil // Azure's first chunk, which has neither id nor model
	}
	t.begin(&c)
	return t.appendChunk(dst, member(data, "choices"))
}

// finished reports whether every choice has its finish reason.
func (t *geminiOpenAI) finished() bool {
	for i := range t.answers {
		if t.answers[i].finish == "" {
			return false
		}
	}
	return len(t.answers) > 0
}

// appendChunk appends an event with what the choices of a chunk say, if they say anything.
func (t *geminiOpenAI) appendChunk(dst, choices []byte) ([]byte, error) {
	start := len(dst)
	var err error
	jsonscan.Items(choices, func(_, choice []byte) {
		if err != nil || choice[0] != '{' {
			return
		}
		a := t.answer(choice)
		var said geminiOutput
		if said, err = a.take(choice, false); err != nil {
			return
		}
		thoughts := t.showThoughts && len(said.thoughts) > 0
		if !thoughts && len(said.text)+len(said.images)+len(said.signature)+len(said.logprobs) == 0 {
			return
		}
		if len(dst) == start {
			dst = append(dst, `data: {"candidates":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = t.appendCandidate(dst, a, &said, false)
	})
	if err != nil {
		return dst[:start], err
	}
	if len(dst) > start {
		dst = append(t.appendTail(append(dst, ']'), false), "\n\n"...)
	}
	return dst, nil
}

// answer returns the state of a choice; it is valid until the next call.
func (t *geminiOpenAI) answer(choice []byte) *geminiAnswer {
	index := string(member(choice, "index"))
	for i := range t.answers {
		if t.answers[i].named == index {
			return &t.answers[i]
		}
	}
	t.answers = append(t.answers, geminiAnswer{named: index})
	return &t.answers[len(t.answers)-1]
}

// End completes a stream that has ended without [DONE]. It appends nothing where not
// every choice has finished: that is a truncation, for the gateway to signal.
func (t *geminiOpenAI) End(dst []byte) []byte {
	if t.over || !t.finished() {
		return dst
	}
	return t.conclude(dst)
}

// conclude appends the last event: calls, finish reasons and the usage.
func (t *geminiOpenAI) conclude(dst []byte) []byte {
	t.over = true
	t.begin(&openaiChunk{})
	if len(t.answers) == 0 {
		t.answers = make([]geminiAnswer, 1)
	}
	dst = append(dst, `data: {"candidates":[`...)
	for i := range t.answers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = t.appendCandidate(dst, &t.answers[i], &geminiOutput{}, true)
	}
	return append(t.appendTail(append(dst, ']'), true), "\n\n"...)
}
