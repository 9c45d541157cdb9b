package habits

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/generic-corp/halfpenny/llm"
)

// Sink keeps feedback. A row of the same request, key and kind is replaced.
type Sink interface {
	SaveFeedback(ctx context.Context, slug string, rows []llm.Feedback) error
}

// Answer is what the end of a call tells of the model that answered it. It holds
// none of the words of prompt or reply.
type Answer struct {
	Slug      string
	RequestID string
	KeyID     string
	Model     string
	Simulated bool
	Test      bool
	Prompt    [32]byte  // HMAC of the prompt under a key of the tenant's own; zero: it is not compared
	At        time.Time // when the request came
	End       time.Time // when the answer ended
	Refused   bool      // the model or a filter refused
	Malformed bool      // JSON was asked for, and the reply is none
}

// Bounds of what is remembered, and of what waits.
const (
	// RetryWindow is how soon the same prompt must come again to be a sign.
	RetryWindow = 5 * time.Minute

	maxRemembered = 16_384 // prompts, of all tenants
	maxQueued     = 1024   // answers
	maxBatch      = 200    // rows
	batchAge      = time.Second
	saveTimeout   = 5 * time.Second
)

// Signs turns answers into feedback. Noting one never waits: what the queue has no
// room for is dropped and counted. It is safe for concurrent use.
type Signs struct {
	sink    Sink
	log     *slog.Logger
	queue   chan Answer
	dropped atomic.Int64
	kept    atomic.Int64
	memory  memory
	rows    map[string][]llm.Feedback // by tenant, not saved yet
	waiting int                       // rows
}

// NewSigns returns Signs that Run makes work.
func NewSigns(sink Sink, log *slog.Logger) *Signs {
	return &Signs{sink: sink, log: log, queue: make(chan Answer, maxQueued), memory: newMemory(maxRemembered), rows: map[string][]llm.Feedback{}}
}

// Note takes an answer, or drops it.
func (s *Signs) Note(a Answer) {
	select {
	case s.queue <- a:
	default:
		s.dropped.Add(1)
	}
}

// Kept returns how many signs were saved, and Dropped how many answers or signs were
// lost to a full queue or to a database that refused them.
func (s *Signs) Kept() int64 { return s.kept.Load() }

// Dropped returns how many answers, or signs of them, were lost.
func (s *Signs) Dropped() int64 { return s.dropped.Load() }

// Run reads answers until ctx ends, and then what is queued.
func (s *Signs) Run(ctx context.Context) {
	tick := time.NewTicker(batchAge)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			s.drain(ctx)
			return
		case a := <-s.queue:
			if s.read(&a); s.waiting >= maxBatch {
				s.save(ctx)
			}
		case <-tick.C:
			s.save(ctx)
		}
	}
}

func (s *Signs) drain(ctx context.Context) {
	for {
		select {
		case a := <-s.queue:
			s.read(&a)
		default:
			s.save(ctx)
			return
		}
	}
}

// read finds the signs that an answer gives: of itself, and of the answer before it
// to the same prompt.
func (s *Signs) read(a *Answer) {
	before, again := s.memory.swap(a)
	if again {
		s.add(before.tenant, before.feedback(llm.FeedbackRetry, a.At))
	}
	own := remembered{tenant: a.Slug, request: a.RequestID, key: a.KeyID, model: a.Model, simulated: a.Simulated, test: a.Test}
	if a.Refused {
		s.add(a.Slug, own.feedback(llm.FeedbackRefusal, a.End))
	}
	if a.Malformed {
		s.add(a.Slug, own.feedback(llm.FeedbackSchema, a.End))
	}
}

func (s *Signs) add(slug string, f llm.Feedback) {
	s.rows[slug] = append(s.rows[slug], f)
	s.waiting++
}

// save writes what waits, also while ctx ends. What the database refuses is given up:
// it is no money.
func (s *Signs) save(ctx context.Context) {
	if s.waiting == 0 {
		return
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	for slug, rows := range s.rows {
		if err := s.sink.SaveFeedback(bounded, slug, rows); err != nil {
			s.dropped.Add(int64(len(rows)))
			s.log.Warn("cannot keep signs of feedback", "tenant", slug, "rows", len(rows), "error", err)
			continue
		}
		s.kept.Add(int64(len(rows)))
	}
	clear(s.rows)
	s.waiting = 0
}

// remembered is the last answer to a prompt.
type remembered struct {
	tenant, request, key, model string
	simulated, test             bool
	end                         time.Time
	repeats                     bool // it came soon after another answer to the same prompt
}

func (r *remembered) feedback(kind llm.FeedbackKind, at time.Time) llm.Feedback {
	return llm.Feedback{RequestID: r.request, KeyID: r.key, Kind: kind, Model: r.model, Simulated: r.simulated, Test: r.test, At: at}
}

// memory holds the last answer to each of the newest prompts, in two generations:
// when the young one is full it becomes the old one, which is forgotten.
type memory struct {
	half       int
	young, old map[[32]byte]remembered
}

func newMemory(size int) memory {
	return memory{half: size / 2, young: map[[32]byte]remembered{}}
}

// swap remembers an answer in place of the one before it to the same prompt, and
// returns that one if the request came after its end and soon. Requests that ran
// side by side are samples, not retries, and what goes on coming is a program that
// asks the same again and again: only the first repeat tells of the answer before it.
func (m *memory) swap(a *Answer) (before remembered, again bool) {
	if a.Prompt == ([32]byte{}) {
		return remembered{}, false
	}
	before, known := m.young[a.Prompt]
	if !known {
		before, known = m.old[a.Prompt]
	}
	if len(m.young) >= m.half {
		m.old, m.young = m.young, map[[32]byte]remembered{}
	}
	waited := a.At.Sub(before.end)
	soon := known && waited <= RetryWindow
	m.young[a.Prompt] = remembered{a.Slug, a.RequestID, a.KeyID, a.Model, a.Simulated, a.Test, a.End, soon}
	return before, soon && waited >= 0 && !before.repeats
}
