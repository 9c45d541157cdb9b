package model

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestTheArtefactThatShips(t *testing.T) {
	m := Embedded()
	if again := m.p.Append(nil); !bytes.Equal(again, artefact) {
		t.Error("read and written again it differs")
	}
	f := func(id string, known bool) {
		t.Helper()
		if _, ok := m.Subject(id); ok != known {
			t.Errorf("%s: known %v, want %v", id, ok, known)
		}
	}
	f("gpt-4-1106-preview", true)
	f("mistralai/Mixtral-8x7B-Instruct-v0.1", true)
	f("Meta-Llama-3_1-8B-Instruct", true)
	f("Llama-3.1-405B-Inst@sambanova", true)
	f("nobody/nothing", false)
	if _, err := Parse(append(bytes.Clone(artefact[:len(artefact)-1]), artefact[len(artefact)-1]^1)); !errors.Is(err, errChecksum) {
		t.Errorf("a byte is changed: %v", err)
	}
	if _, err := Parse(artefact[:20]); !errors.Is(err, errFormat) {
		t.Errorf("cut: %v", err)
	}
}

func TestChances(t *testing.T) {
	m := Embedded()
	rapid.Check(t, func(t *rapid.T) {
		var task Task
		m.Read(&task, []byte(rapid.String().Draw(t, "prompt")))
		weak := m.Capable(Overall(rapid.Float64Range(0, 1).Draw(t, "ability")))
		if p := task.Chance(&weak); !(p >= 0 && p <= 1) {
			t.Fatalf("the chance is %v", p)
		}
		if c := task.Coverage(); !(c >= 0 && c <= 1) {
			t.Fatalf("the coverage is %v", c)
		}
	})
	// Where nothing is known of a prompt, its prior alone counts, but for a trace.
	var task Task
	m.Read(&task, []byte("zxqv wqzx vvxq qqzw xzvq"))
	for _, capability := range []float64{0.2, 0.5, 0.8} {
		s := m.Capable(Overall(capability))
		if task.Coverage() != 0 || math.Abs(task.Chance(&s)-s.Prior()) > 0.05 {
			t.Errorf("coverage %v: the chance is %v, the prior %v", task.Coverage(), task.Chance(&s), s.Prior())
		}
	}
}

func TestReadingDoesNotAllocate(t *testing.T) {
	m, task := Embedded(), new(Task)
	s := m.Capable(Overall(0.7))
	for _, size := range []int{600, 100_000} {
		prompt := []byte(strings.Repeat("How many sheep has Toulouse, if Seattle has 20? ", size/48))
		if n := testing.AllocsPerRun(20, func() { m.Read(task, prompt); task.Chance(&s) }); n != 0 {
			t.Errorf("%d bytes: %v allocations", size, n)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	for _, size := range []int{600, 100_000} {
		b.Run(map[int]string{600: "600B", 100_000: "100KB"}[size], func(b *testing.B) {
			m, task := Embedded(), new(Task)
			prompt := []byte(strings.Repeat("How many sheep has Toulouse, if Seattle has 20? ", size/48))
			for b.Loop() {
				m.Read(task, prompt)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("HPRM\x01\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := Parse(b); err == nil {
			m.Read(new(Task), b)
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("What is 2+2?\n(A) 4\nB. 5"))
	f.Fuzz(func(t *testing.T, prompt []byte) {
		var one, two Task
		m := Embedded()
		m.Read(&one, prompt)
		m.Read(&two, bytes.Clone(prompt))
		if one.z != two.z || one.kind != two.kind || one.coverage != two.coverage {
			t.Error("the same prompt is read in two ways")
		}
	})
}
