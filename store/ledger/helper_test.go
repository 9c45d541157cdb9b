package ledger

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/generic-corp/halfpenny/llm"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("LEDGER_TEST_WRITER"); dir != "" {
		writeUntilKilled(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// fakeSink keeps what it is given, by id, as a database would.
type fakeSink struct {
	mu      sync.Mutex
	rows    map[string]llm.Record // by id
	calls   int
	refuse  func(slug string, records []*llm.Record) error // nil: nothing is refused
	forget  func() bool                                    // commit, and then say that it failed
	overlap map[string]bool                                // tenants being written
}

func newSink() *fakeSink {
	return &fakeSink{rows: make(map[string]llm.Record), overlap: make(map[string]bool)}
}

func (s *fakeSink) Append(ctx context.Context, slug string, records []*llm.Record) ([]llm.Stored, error) {
	s.mu.Lock()
	if s.overlap[slug] {
		panic("two batches of one tenant at once")
	}
	s.overlap[slug] = true
	s.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	defer delete(s.overlap, slug)
	s.calls++
	if s.refuse != nil {
		if err := s.refuse(slug, records); err != nil {
			return nil, err
		}
	}
	var stored []llm.Stored
	for _, r := range records {
		if _, there := s.rows[r.ID]; there {
			continue
		}
		s.rows[r.ID] = *r
		stored = append(stored, llm.Stored{Record: *r, Seq: int64(len(s.rows))})
	}
	if s.forget != nil && s.forget() {
		return nil, errors.New("connection lost at commit")
	}
	return stored, nil
}

func (s *fakeSink) snapshot() map[string]llm.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.rows)
}

func (s *fakeSink) set(refuse func(string, []*llm.Record) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = refuse
}

func down(string, []*llm.Record) error { return errors.New("database is down") }

// quick are options under which everything happens soon and often.
func quick(dir string) Options {
	return Options{Dir: dir, SegmentBytes: 32 << 10, MaxBytes: 1 << 20, FsyncEvery: 2 * time.Millisecond, FlushEvery: 2 * time.Millisecond, BatchMax: 8, MemoryMax: 4}
}

func open(t testing.TB, o Options, sink Sink) *Ledger {
	t.Helper()
	l, err := Open(o, sink)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func closeNow(t testing.TB, l *Ledger) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := l.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

// abandon stops a ledger as a crash would: nothing is flushed, nothing removed.
func abandon(l *Ledger) {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.cancel()
	l.wg.Wait()
	for _, s := range append(l.segments, l.spares...) {
		s.f.Close()
	}
	l.lock.Close()
}

func flush(t testing.TB, l *Ledger) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := l.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

func uuid(n uint64) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[8:], n)
	var id [36]byte
	hex.Encode(id[:], b[:4])
	hex.Encode(id[9:], b[4:6])
	hex.Encode(id[14:], b[6:8])
	hex.Encode(id[19:], b[8:10])
	hex.Encode(id[24:], b[10:])
	id[8], id[13], id[18], id[23] = '-', '-', '-', '-'
	return string(id[:])
}

// started is the snapshot of a call, whose cost would be n·3 + 10 nano-dollars.
func started(slug string, n uint64) *llm.Record {
	at := time.Unix(1790000000, int64(n)).UTC()
	return &llm.Record{ID: uuid(n), TenantID: "t-" + slug, Slug: slug, KeyID: "k", At: at, Endpoint: llm.EndpointChat, Dialect: llm.DialectOpenAI,
		Requested: "gpt-5-mini", Reason: llm.ReasonNamed, Considered: []llm.Considered{{Provider: "openai", Model: "gpt-5-mini", Cost: llm.Known(5), Capability: 0.75}},
		Attempts: []llm.Attempt{{N: 1, Provider: "openai", Model: "gpt-5-mini", Sent: "gpt-5-mini", At: at, EstimatedInput: int64(n), EstimatedOutput: 5,
			Priced: true, Rates: llm.Rates{Input: 3_000_000, Output: 2_000_000, Version: "v"}}}}
}

// finished is the final record of the same call.
func finished(slug string, n uint64) *llm.Record {
	r := started(slug, n)
	a := &r.Attempts[0]
	a.Outcome, a.Status, a.CostStatus = llm.OutcomeOK, 200, llm.CostExact
	a.Usage = llm.Usage{Input: int64(n), Output: 5}
	a.Cost = llm.Known(a.Rates.Cost(&a.Usage))
	r.Provider, r.Model, r.Status, r.Outcome, r.Total = a.Provider, a.Model, 200, llm.OutcomeOK, time.Second
	r.Done = true
	return r
}

func start(t testing.TB, l *Ledger, slug string, n uint64) {
	t.Helper()
	if err := l.Started(started(slug, n)); err != nil {
		t.Fatal(err)
	}
}

func finish(t testing.TB, l *Ledger, slug string, n uint64) {
	t.Helper()
	if err := l.Finished(finished(slug, n)); err != nil {
		t.Fatal(err)
	}
}

func journalFiles(t testing.TB, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// copyJournal copies the segments as a crash at this instant would leave them.
func copyJournal(t testing.TB, l *Ledger, to string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range journalFiles(t, l.o.Dir) {
		b, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue // trimmed meanwhile
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(name)), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

func chance(percent int) bool { return rand.IntN(100) < percent }
