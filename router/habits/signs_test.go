package habits

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/generic-corp/halfpenny/llm"
)

// basket is a Sink that keeps what it is given.
type basket struct {
	rows []string
	err  error
}

func (b *basket) SaveFeedback(_ context.Context, slug string, rows []llm.Feedback) error {
	if b.err != nil {
		return b.err
	}
	for _, f := range rows {
		b.rows = append(b.rows, fmt.Sprintf("%s %s %s %s %s %g %v %v %s", slug, f.RequestID, f.KeyID, f.Kind, f.Model, f.Score, f.Simulated, f.Test, f.At.Sub(start)))
	}
	return nil
}

// run notes answers and lets Signs read all of them.
func run(s *Signs, answers ...Answer) {
	for _, a := range answers {
		s.Note(a)
	}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	s.Run(ctx)
}

// answered is an answer that came and ended so many seconds after the start.
func answered(id string, prompt byte, at, end int) Answer {
	return Answer{
		Slug: "acme", RequestID: id, KeyID: "k", Model: "m", Prompt: [32]byte{prompt},
		At: start.Add(time.Duration(at) * time.Second), End: start.Add(time.Duration(end) * time.Second),
	}
}

func TestSigns(t *testing.T) {
	f := func(want string, answers ...Answer) {
		t.Helper()
		var b basket
		run(NewSigns(&b, slog.New(slog.DiscardHandler)), answers...)
		slices.Sort(b.rows)
		if got := strings.Join(b.rows, ", "); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	with := func(a Answer, change func(*Answer)) Answer {
		change(&a)
		return a
	}
	f("")
	f("", answered("r1", 1, 0, 5))
	f("acme r1 k retry m 0 false false 1m0s", answered("r1", 1, 0, 5), answered("r2", 1, 60, 65))
	f("acme r1 k retry m 0 false false 10s", // the first repeat alone
		answered("r1", 1, 0, 5), answered("r2", 1, 10, 15), answered("r3", 1, 20, 25), answered("r4", 1, 300, 305))
	f("acme r1 k retry m 0 false false 10s, acme r3 k retry m 0 false false 16m50s", // after a pause it begins anew
		answered("r1", 1, 0, 5), answered("r2", 1, 10, 15), answered("r3", 1, 1000, 1005), answered("r4", 1, 1010, 1015))
	f("", answered("r1", 1, 0, 5), answered("r2", 1, 4, 9), answered("r3", 1, 10, 15))              // samples go on
	f("", answered("r1", 1, 0, 5), answered("r2", 2, 10, 15))                                       // another prompt
	f("", answered("r1", 1, 0, 5), answered("r2", 1, 4, 9))                                         // side by side
	f("acme r1 k retry m 0 false false 5m5s", answered("r1", 1, 0, 5), answered("r2", 1, 305, 306)) // just in time
	f("", answered("r1", 1, 0, 5), answered("r2", 1, 306, 307))                                     // too late
	f("", answered("r1", 0, 0, 5), answered("r2", 0, 10, 15))                                       // not compared
	f("acme r1 k schema m 0 false false 5s", with(answered("r1", 0, 0, 5), func(a *Answer) { a.Malformed = true }))
	f("acme r1 k refusal m 0 true true 5s", with(answered("r1", 0, 0, 5), func(a *Answer) { a.Refused, a.Simulated, a.Test = true, true, true }))
	f("acme r1 k refusal m 0 false false 5s, acme r1 k retry m 0 false false 10s, globex r3 k refusal m 0 false false 5s",
		with(answered("r1", 1, 0, 5), func(a *Answer) { a.Refused = true }), answered("r2", 1, 10, 15),
		with(answered("r3", 2, 0, 5), func(a *Answer) { a.Slug, a.Refused = "globex", true }))
}

// What does not fit is dropped, and what the database refuses is given up; both are counted.
func TestSignsAreDropped(t *testing.T) {
	var b basket
	s := NewSigns(&b, slog.New(slog.DiscardHandler))
	var many []Answer
	for i := range maxQueued + 7 {
		a := answered(fmt.Sprint("r", i), 0, 0, 1)
		a.Refused = true
		many = append(many, a)
	}
	run(s, many...)
	if s.Dropped() != 7 || s.Kept() != maxQueued || len(b.rows) != maxQueued {
		t.Errorf("%d dropped, %d kept, %d saved", s.Dropped(), s.Kept(), len(b.rows))
	}
	b.err = errors.New("down")
	run(s, many[:3]...)
	if s.Dropped() != 10 || s.Kept() != maxQueued {
		t.Errorf("%d dropped, %d kept", s.Dropped(), s.Kept())
	}
	b.err = nil
	run(s, many[:3]...)
	if s.Kept() != maxQueued+3 {
		t.Errorf("%d kept", s.Kept())
	}
}

func TestMemoryIsBounded(t *testing.T) {
	m := newMemory(8)
	prompt := func(i int) *Answer {
		a := answered(fmt.Sprint("r", i), 0, i, i)
		a.Prompt = [32]byte{1, byte(i), byte(i >> 8)}
		return &a
	}
	for i := range 1000 {
		m.swap(prompt(i))
		if n := len(m.young) + len(m.old); n > 8 {
			t.Fatalf("%d prompts", n)
		}
	}
	if _, again := m.swap(prompt(999)); !again {
		t.Error("the last prompt is forgotten")
	}
	if _, again := m.swap(prompt(900)); again {
		t.Error("an old prompt is remembered")
	}
}
