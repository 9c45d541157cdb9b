package ledger

import (
	"errors"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/generic-corp/halfpenny/llm"
)

// faultyDisk makes files that fail on demand, writes after a part of what they were given.
type faultyDisk struct {
	writes, syncs, creates atomic.Bool
	percent                int // of a failing write that is done
}

type faultyFile struct {
	file
	disk *faultyDisk
}

func (d *faultyDisk) create(path string, size int64) (file, error) {
	if d.creates.Load() {
		return nil, &os.PathError{Op: "allocate", Path: path, Err: syscall.ENOSPC}
	}
	f, err := createFile(path, size)
	return faultyFile{f, d}, err
}

func (f faultyFile) WriteAt(b []byte, off int64) (int, error) {
	if f.disk.writes.Load() {
		n, _ := f.file.WriteAt(b[:len(b)*f.disk.percent/100], off)
		return n, syscall.EIO
	}
	return f.file.WriteAt(b, off)
}

func (f faultyFile) Sync() error {
	if f.disk.syncs.Load() {
		return syscall.EIO
	}
	return f.file.Sync()
}

func openFaulty(t *testing.T, sink Sink) (*Ledger, *faultyDisk) {
	disk := new(faultyDisk)
	o := quick(t.TempDir())
	o.create = disk.create
	return open(t, o, sink), disk
}

// After a write that failed, however far it came, earlier and later frames are read
// back, and it is not.
func TestFailedWrite(t *testing.T) {
	for _, percent := range []int{0, 67, 100} {
		t.Run(strconv.Itoa(percent), func(t *testing.T) { testFailedWrite(t, percent) })
	}
}

func testFailedWrite(t *testing.T, percent int) {
	sink := newSink()
	sink.refuse = down
	l, disk := openFaulty(t, sink)
	for n := range uint64(3) {
		start(t, l, "acme", n)
	}
	finish(t, l, "acme", 0)
	disk.percent = percent
	disk.writes.Store(true)
	if err := l.Started(started("acme", 3)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("start: %v, want ErrUnavailable", err)
	}
	checkCrash(t, l, map[uint64]llm.Outcome{0: llm.OutcomeOK, 1: llm.OutcomeUnknown, 2: llm.OutcomeUnknown})
	if err := l.Finished(finished("acme", 1)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("finish: %v, want ErrUnavailable", err)
	}
	if _, ok := l.Pending("acme", uuid(1)); !ok {
		t.Error("the record whose write failed is not readable")
	}
	if l.Stats().Err == nil {
		t.Error("the failure is not reported")
	}
	disk.writes.Store(false)
	eventually(t, "the failure is over", func() bool { return l.Stats().Err == nil })
	start(t, l, "acme", 4)
	finish(t, l, "acme", 2)

	checkCrash(t, l, map[uint64]llm.Outcome{0: llm.OutcomeOK, 1: llm.OutcomeUnknown, 2: llm.OutcomeOK, 4: llm.OutcomeUnknown})

	sink.set(nil)
	finish(t, l, "acme", 4)
	closeNow(t, l)
	if got := sink.snapshot(); len(got) != 4 || got[uuid(1)].Outcome != llm.OutcomeOK {
		t.Errorf("%d stored, call 1 %v", len(got), got[uuid(1)].Outcome)
	}
}

// checkCrash compares what a crash at this moment would leave with want, by call.
func checkCrash(t *testing.T, l *Ledger, want map[uint64]llm.Outcome) {
	t.Helper()
	dir, sink := t.TempDir(), newSink()
	copyJournal(t, l, dir)
	closeNow(t, open(t, quick(dir), sink))
	rows := sink.snapshot()
	for n, outcome := range want {
		if got, there := rows[uuid(n)]; !there || got.Outcome != outcome {
			t.Errorf("call %d after a crash: %v %v, want %v", n, there, got.Outcome, outcome)
		}
	}
	if len(rows) != len(want) {
		t.Errorf("%d calls after a crash, want %d", len(rows), len(want))
	}
}

func TestFailedSync(t *testing.T) {
	sink := newSink()
	l, disk := openFaulty(t, sink)
	start(t, l, "acme", 1)
	disk.syncs.Store(true)
	finish(t, l, "acme", 1)
	eventually(t, "the failure shows", func() bool { return l.Stats().Err != nil })
	if err := l.Started(started("acme", 2)); !errors.Is(err, ErrUnavailable) || !errors.Is(err, syscall.EIO) {
		t.Errorf("%v, want ErrUnavailable and EIO", err)
	}
	disk.syncs.Store(false)
	eventually(t, "the failure is over", func() bool { return l.Started(started("acme", 2)) == nil })
	finish(t, l, "acme", 2)
	closeNow(t, l)
	if got := len(sink.snapshot()); got != 2 {
		t.Errorf("%d stored, want 2", got)
	}
}

// On a disk without room every call that has begun is recorded, and none begins.
func TestDiskWithoutRoom(t *testing.T) {
	sink := newSink()
	sink.refuse = down
	l, disk := openFaulty(t, sink)
	disk.creates.Store(true)
	begun := beginUntilRefused(t, l)
	finishAll(t, l, begun)
	disk.creates.Store(false)
	eventually(t, "the failure is over", func() bool { return l.Stats().Err == nil })
	sink.set(nil)
	closeNow(t, l)
	checkSums(t, sink.snapshot(), int(begun))
}

func beginUntilRefused(t *testing.T, l *Ledger) (begun uint64) {
	t.Helper()
	for {
		err := l.Started(started("acme", begun))
		if err != nil {
			if !errors.Is(err, ErrUnavailable) || !errors.Is(err, syscall.ENOSPC) || begun < 3 {
				t.Fatalf("call %d: %v, want ErrUnavailable and ENOSPC", begun, err)
			}
			return begun
		}
		begun++
	}
}

func finishAll(t *testing.T, l *Ledger, begun uint64) {
	t.Helper()
	for n := range begun {
		finish(t, l, "acme", n)
	}
}

// Calls that share a write share its failure, and leave no trace of it.
func TestFailedSharedWrite(t *testing.T) {
	sink := newSink()
	sink.refuse = down
	l, disk := openFaulty(t, sink)
	start(t, l, "acme", 0)
	disk.percent = 80
	disk.writes.Store(true)
	var calls sync.WaitGroup
	for n := range uint64(50) {
		calls.Go(func() {
			if err := l.Started(started("acme", 1+n)); !errors.Is(err, ErrUnavailable) {
				t.Errorf("call %d: %v, want ErrUnavailable", 1+n, err)
			}
		})
	}
	calls.Wait()
	disk.writes.Store(false)
	start(t, l, "acme", 100)
	checkCrash(t, l, map[uint64]llm.Outcome{0: llm.OutcomeUnknown, 100: llm.OutcomeUnknown})
	if open := l.Stats().Open; open != 2 {
		t.Errorf("%d calls are under way, want 2", open)
	}
	sink.set(nil)
	finish(t, l, "acme", 0)
	finish(t, l, "acme", 100)
	closeNow(t, l)
}
