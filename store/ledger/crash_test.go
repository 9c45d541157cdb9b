package ledger

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/generic-corp/halfpenny/llm"
)

// Whatever the database does and whenever the process dies: every call that was let
// out is stored once, with its own cost if its end was journalled.
func TestNothingIsLostAndNothingTwice(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) { newCrashModel(t, rt).run() })
}

type crashModel struct {
	t        *testing.T
	rt       *rapid.T
	sink     *fakeSink
	l        *Ledger
	next     uint64
	open     map[uint64]string // slug by call
	finished map[uint64]bool   // by call; false: unknown after a crash
	dirs     int
	root     string
}

func newCrashModel(t *testing.T, rt *rapid.T) *crashModel {
	root, err := os.MkdirTemp("", "ledger")
	if err != nil {
		rt.Fatal(err)
	}
	rt.Cleanup(func() { os.RemoveAll(root) })
	m := &crashModel{t: t, rt: rt, sink: newSink(), open: make(map[uint64]string), finished: make(map[uint64]bool), root: root}
	m.l = open(t, quick(m.dir()), m.sink)
	return m
}

func (m *crashModel) dir() string {
	m.dirs++
	dir := filepath.Join(m.root, strconv.Itoa(m.dirs))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		m.rt.Fatal(err)
	}
	return dir
}

func (m *crashModel) run() {
	m.rt.Repeat(map[string]func(*rapid.T){
		"start":     func(rt *rapid.T) { m.start(rapid.SampledFrom([]string{"acme", "beta"}).Draw(rt, "slug")) },
		"again":     func(rt *rapid.T) { m.again(m.anyOpen(rt)) },
		"finish":    func(rt *rapid.T) { m.finish(m.anyOpen(rt)) },
		"burst":     func(rt *rapid.T) { m.burst(rapid.IntRange(1, 100).Draw(rt, "calls")) },
		"fail":      func(*rapid.T) { m.sink.set(down) },
		"uncertain": func(*rapid.T) { m.uncertain() },
		"recover":   func(*rapid.T) { m.sink.set(nil) },
		"wait":      func(*rapid.T) { time.Sleep(3 * time.Millisecond) },
		"flush":     func(*rapid.T) { m.flush() },
		"crash":     func(rt *rapid.T) { m.crash(rapid.Bool().Draw(rt, "twice")) },
		"restart":   func(*rapid.T) { m.restart() },
	})
	m.calm()
	for n, slug := range m.open {
		finish(m.t, m.l, slug, n)
		m.finished[n] = true
	}
	closeNow(m.t, m.l)
	m.check()
}

func (m *crashModel) anyOpen(rt *rapid.T) uint64 {
	if len(m.open) == 0 {
		rt.Skip("nothing is open")
	}
	return rapid.SampledFrom(slices.Sorted(maps.Keys(m.open))).Draw(rt, "call")
}

func (m *crashModel) start(slug string) {
	if err := m.l.Started(started(slug, m.next)); err != nil {
		m.rt.Fatal(err)
	}
	m.open[m.next] = slug
	m.next++
}

func (m *crashModel) again(n uint64) {
	if err := m.l.Started(started(m.open[n], n)); err != nil {
		m.rt.Fatal(err)
	}
}

func (m *crashModel) finish(n uint64) {
	if err := m.l.Finished(finished(m.open[n], n)); err != nil {
		m.rt.Fatal(err)
	}
	delete(m.open, n)
	m.finished[n] = true
}

func (m *crashModel) burst(calls int) {
	for range calls {
		m.start("acme")
		m.finish(m.next - 1)
	}
}

func (m *crashModel) uncertain() {
	m.sink.mu.Lock()
	defer m.sink.mu.Unlock()
	m.sink.forget = func() bool { return chance(30) }
}

func (m *crashModel) calm() {
	m.sink.mu.Lock()
	defer m.sink.mu.Unlock()
	m.sink.refuse, m.sink.forget = nil, nil
}

func (m *crashModel) flush() {
	m.calm()
	flush(m.t, m.l)
	if got := len(m.sink.snapshot()); got != len(m.finished) {
		m.rt.Fatalf("%d stored after a flush, want %d", got, len(m.finished))
	}
}

// crash goes on from a copy of the journal, and sometimes dies again during the replay.
func (m *crashModel) crash(twice bool) {
	next := m.dir()
	copyJournal(m.t, m.l, next)
	abandon(m.l)
	m.reopen(next)
	if twice {
		again := m.dir()
		copyJournal(m.t, m.l, again)
		abandon(m.l)
		m.reopen(again)
	}
}

func (m *crashModel) restart() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel()
	_ = m.l.Close(ctx) // the database may be down
	m.reopen(m.l.o.Dir)
}

func (m *crashModel) reopen(dir string) {
	m.l = open(m.t, quick(dir), m.sink)
	for n := range m.open {
		m.finished[n] = false
	}
	clear(m.open)
}

func (m *crashModel) check() {
	rows := m.sink.snapshot()
	checkSums(m.t, rows, int(m.next))
	for n, known := range m.finished {
		r, there := rows[uuid(n)]
		if want := map[bool]llm.Outcome{true: llm.OutcomeOK, false: llm.OutcomeUnknown}[known]; !there || r.Outcome != want {
			m.rt.Fatalf("call %d: stored %v as %v, want %v", n, there, r.Outcome, want)
		}
	}
}

// Power loss takes the end of the journal at any byte; what lies before it stays.
func TestTornTail(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		const seed = 5
		calls := rapid.IntRange(1, 20).Draw(rt, "calls")
		b := header(seed)
		ends := []int{len(b)} // of the frames; call n's snapshot is 2n, its end 2n+1
		for n := range uint64(calls) {
			for _, r := range []*llm.Record{started("acme", n), finished("acme", n)} {
				r.Done = r.Outcome == llm.OutcomeOK
				frame := appendRecord(nil, r)
				seal(frame, seed)
				b = append(b, frame...)
				ends = append(ends, len(b))
			}
		}
		cut := rapid.IntRange(segmentHeader, len(b)).Draw(rt, "cut")
		whole := 0
		for whole+1 < len(ends) && ends[whole+1] <= cut {
			whole++
		}
		dir := t.TempDir()
		writeSegment(t, dir, 1, b[:cut])
		sink := newSink()
		closeNow(t, open(t, quick(dir), sink))
		rows := sink.snapshot()
		checkSums(t, rows, (whole+1)/2)
		for n := range uint64(whole / 2) {
			if rows[uuid(n)].Outcome != llm.OutcomeOK {
				rt.Fatalf("call %d is %v", n, rows[uuid(n)].Outcome)
			}
		}
	})
}

// The subprocess of TestKill writes calls until it is killed. It says on stdout
// "s n" before call n would go out and "f n" once its end is journalled.
func writeUntilKilled(dir string) {
	l, err := Open(Options{Dir: filepath.Join(dir, "journal"), SegmentBytes: 256 << 10, MaxBytes: 8 << 20, FlushEvery: 5 * time.Millisecond,
		FsyncEvery: 5 * time.Millisecond, BatchMax: 64, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))}, openFileSink(dir))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if os.Getenv("LEDGER_TEST_DRAIN") != "" {
		err := l.Close(context.Background())
		fmt.Fprintln(os.Stderr, "drained:", err)
		return
	}
	base, _ := strconv.ParseUint(os.Getenv("LEDGER_TEST_BASE"), 10, 64)
	var wg sync.WaitGroup
	for w := range uint64(8) {
		wg.Go(func() {
			for n := base + w; ; n += 8 {
				slug := []string{"acme", "beta"}[n%2]
				for errors.Is(l.Started(started(slug, n)), ErrUnavailable) {
					time.Sleep(time.Millisecond)
				}
				say("s", n)
				if err := l.Finished(finished(slug, n)); err != nil {
					panic(err)
				}
				say("f", n)
			}
		})
	}
	wg.Wait()
}

// say is one write, so that a killed process leaves whole lines.
func say(what string, n uint64) {
	_, _ = os.Stdout.WriteString(what + " " + strconv.FormatUint(n, 10) + "\n")
}

// fileSink is a database in one file: a line for every record, a write for every batch.
type fileSink struct {
	mu    sync.Mutex
	f     *os.File
	known map[string]bool
}

func openFileSink(dir string) *fileSink {
	path := filepath.Join(dir, "rows")
	s := &fileSink{known: make(map[string]bool)}
	for _, row := range readRows(path) {
		s.known[row.id] = true
	}
	var err error
	if s.f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
		panic(err)
	}
	return s
}

func (s *fileSink) Append(_ context.Context, _ string, records []*llm.Record) ([]llm.Stored, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if chance(3) {
		return nil, errors.New("no connection")
	}
	var b bytes.Buffer
	var stored []llm.Stored
	for _, r := range records {
		if s.known[r.ID] {
			continue
		}
		s.known[r.ID] = true
		fmt.Fprintf(&b, "%s %d %d\n", r.ID, r.Outcome, r.Cost().Money)
		stored = append(stored, llm.Stored{Record: *r})
	}
	if _, err := s.f.Write(b.Bytes()); err != nil {
		return nil, err
	}
	if chance(3) {
		return nil, errors.New("connection lost at commit")
	}
	return stored, nil
}

type row struct {
	id      string
	outcome llm.Outcome
	cost    llm.Money
}

func readRows(path string) []row {
	b, _ := os.ReadFile(path)
	var rows []row
	for line := range strings.Lines(string(b)) {
		var r row
		if _, err := fmt.Sscanf(line, "%s %d %d", &r.id, &r.outcome, &r.cost); err == nil {
			rows = append(rows, r)
		}
	}
	return rows
}

func TestKill(t *testing.T) {
	dir := t.TempDir()
	begun, ended := make(map[uint64]bool), make(map[uint64]bool)
	const kills = 10
	for round := range uint64(kills) {
		runWriter(t, dir, round*1_000_000, time.Duration(20+rand.IntN(150))*time.Millisecond, begun, ended)
	}
	cmd := writer(dir, "LEDGER_TEST_DRAIN=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	unknown := 0
	rows := make(map[string]row)
	for _, r := range readRows(filepath.Join(dir, "rows")) {
		if _, twice := rows[r.id]; twice {
			t.Errorf("%s is stored twice", r.id)
		}
		rows[r.id] = r
		if r.outcome == llm.OutcomeUnknown {
			unknown++
		}
	}
	for n := range begun {
		r, there := rows[uuid(n)]
		if !there || ended[n] && r.outcome != llm.OutcomeOK || r.cost != llm.Money(3*n+10) {
			t.Errorf("call %d, ended %v: stored %v as %+v", n, ended[n], there, r)
		}
	}
	if surplus := len(rows) - len(begun); surplus < 0 || surplus > 8*kills || unknown > 8*kills {
		t.Errorf("%d rows for %d calls, %d unknown", len(rows), len(begun), unknown)
	}
	if left := journalFiles(t, filepath.Join(dir, "journal")); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	t.Logf("%d calls, %d rows, %d unknown", len(begun), len(rows), unknown)
}

func writer(dir string, env ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), "LEDGER_TEST_WRITER="+dir), env...)
	return cmd
}

// runWriter lets the subprocess work for a while, kills it and notes what it said.
func runWriter(t *testing.T, dir string, base uint64, life time.Duration, begun, ended map[uint64]bool) {
	t.Helper()
	cmd := writer(dir, "LEDGER_TEST_BASE="+strconv.FormatUint(base, 10))
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(life, func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
	defer timer.Stop()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		what, number, _ := strings.Cut(lines.Text(), " ")
		n, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			t.Fatalf("the writer said %q", lines.Text())
		}
		begun[n] = true
		if what == "f" {
			ended[n] = true
		}
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the writer ended with %v: %s", err, complaints.String())
	}
}
