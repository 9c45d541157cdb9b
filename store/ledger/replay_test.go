package ledger

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func sumHeader(b []byte) []byte {
	binary.LittleEndian.PutUint32(b[12:], crc32.Checksum(b[:12], castagnoli))
	return b
}

func writeSegment(t testing.TB, dir string, number uint64, b []byte) {
	t.Helper()
	if err := os.WriteFile(segmentPath(dir, number), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// segmentOf returns a segment that holds the final records of the calls from … to-1.
func segmentOf(from, to uint64, seed uint32) []byte {
	b := header(seed)
	for n := from; n < to; n++ {
		frame := appendRecord(nil, finished("acme", n))
		seal(frame, seed)
		b = append(b, frame...)
	}
	return b
}

// replayOf opens a journal made of these segments and returns what it stores and logs.
func replayOf(t testing.TB, segments ...[]byte) (dir string, stored int, logged string) {
	t.Helper()
	dir = t.TempDir()
	for i, b := range segments {
		writeSegment(t, dir, uint64(i+1), b)
	}
	var log bytes.Buffer
	o := quick(dir)
	o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	sink := newSink()
	l := open(t, o, sink)
	closeNow(t, l)
	return dir, len(sink.snapshot()), log.String()
}

func TestReplayOfDamage(t *testing.T) {
	whole := func() []byte { return segmentOf(1, 11, 77) }
	pad := func(b []byte) []byte { return append(b, make([]byte, 32<<10-len(b))...) }
	flip := func(b []byte, at int) []byte { b[at] ^= 0x40; return b }
	frame := (len(whole()) - segmentHeader) / 10
	f := func(name string, want int, wantLog string, aside int, segments ...[]byte) {
		t.Helper()
		dir, stored, logged := replayOf(t, segments...)
		if stored != want || !strings.Contains(logged, wantLog) || wantLog == "" && logged != "" {
			t.Errorf("%s: %d stored, want %d; logged %q, want %q", name, stored, want, logged, wantLog)
		}
		if kept, _ := filepath.Glob(filepath.Join(dir, "*"+asideSuffix)); len(kept) != aside {
			t.Errorf("%s: %d segments kept aside, want %d", name, len(kept), aside)
		}
		if left := journalFiles(t, dir); len(left) != 0 {
			t.Errorf("%s: left %v", name, left)
		}
	}
	f("whole", 10, "", 0, whole())
	f("allocated and whole", 10, "", 0, pad(whole()))
	f("nothing but zeros", 0, "", 0, make([]byte, 4096))
	f("an empty file", 0, "", 0, nil)
	f("a spare", 0, "", 0, pad(header(5)))
	f("a torn end", 9, "torn end", 0, pad(whole()[:segmentHeader+10*frame-3]))
	f("a torn end before a spare", 9, "torn end", 0, pad(whole()[:segmentHeader+10*frame-3]), pad(header(5)))
	f("a length alone", 10, "torn end", 0, append(whole(), 0xff, 0xff))
	f("damage in the middle", 9, "is damaged", 1, flip(whole(), segmentHeader+4*frame+40))
	f("a damaged length", 9, "is damaged", 1, flip(whole(), segmentHeader+4*frame))
	f("damage in an older segment", 19, "is damaged", 1, flip(whole(), segmentHeader+4*frame+40), segmentOf(11, 21, 3))
	f("a torn end in an older segment", 19, "is damaged", 1, whole()[:segmentHeader+10*frame-3], segmentOf(11, 21, 3))
	f("a hole that power loss left", 9, "is damaged", 1, append(append(whole()[:segmentHeader+3*frame], make([]byte, frame)...), whole()[segmentHeader+4*frame:]...))
	f("no header", 10, "unreadable", 1, flip(whole(), 3), segmentOf(11, 21, 3))
	f("the same segment twice", 10, "", 0, whole(), whole())
	f("frames under another seed", 0, "torn end", 0, append(header(6), whole()[segmentHeader:]...))
}

// Bytes that a caller chose must never be taken for a frame when damage is passed over.
func TestForgedFrameIsNoRecord(t *testing.T) {
	forged := appendRecord(nil, finished("acme", 666))
	seal(forged, 0)
	r := finished("acme", 1)
	r.Tags = string(forged)
	frame := appendRecord(nil, r)
	seal(frame, 99)
	frame[9] ^= 1
	if _, stored, _ := replayOf(t, append(header(99), frame...), segmentOf(2, 3, 4)); stored != 1 {
		t.Errorf("%d records, want 1", stored)
	}
}

// A frame of a later version is kept, not dropped in silence.
func TestUnknownRecordIsKeptAside(t *testing.T) {
	b := segmentOf(0, 2, 7)
	frame := append(make([]byte, frameHeader), kindRecord, 200, 1, 2, 3)
	seal(frame, 7)
	b = append(b, frame...)
	b = append(b, segmentOf(2, 4, 7)[segmentHeader:]...)
	dir, stored, logged := replayOf(t, b)
	kept, _ := os.ReadFile(asidePath(segmentPath(dir, 1), 7))
	if stored != 4 || !strings.Contains(logged, "is damaged") || !bytes.Contains(kept, frame) {
		t.Errorf("%d stored, logged %q, %d bytes kept", stored, logged, len(kept))
	}
}

// What the database has is not sent again after a crash.
func TestFlushedRecordsAreNotReplayed(t *testing.T) {
	dir, sink := t.TempDir(), newSink()
	l := open(t, quick(dir), sink)
	start(t, l, "acme", 1000) // keeps its segment
	for n := range uint64(50) {
		start(t, l, "acme", n)
		finish(t, l, "acme", n)
	}
	flush(t, l)
	abandon(l)
	l = open(t, quick(dir), sink)
	closeNow(t, l)
	if s := l.Stats(); s.Duplicate != 0 || s.Flushed != 1 {
		t.Errorf("stats %+v, want the unfinished call alone", s)
	}
}

// A crash loop while the database is down must not use up the journal.
func TestCrashLoop(t *testing.T) {
	dir, sink := t.TempDir(), newSink()
	sink.refuse = down
	o := quick(dir)
	o.MaxBytes = 4 * int64(o.SegmentBytes)
	const crashes = 60
	for n := range uint64(crashes) {
		l := open(t, o, sink)
		eventually(t, "a call begins", func() bool { return l.Started(started("acme", n)) == nil })
		if n%2 == 0 {
			finish(t, l, "acme", n)
		}
		eventually(t, "the pieces are gathered", func() bool { return len(journalFiles(t, dir)) < 40 })
		abandon(l)
	}
	sink.set(nil)
	closeNow(t, open(t, o, sink))
	checkSums(t, sink.snapshot(), crashes)
}

func TestReplayIsQuick(t *testing.T) {
	dir := t.TempDir()
	const calls = 20_000
	writeSegment(t, dir, 1, segmentOf(0, calls, 8))
	sink := newSink()
	o := Options{Dir: dir, MaxBytes: 1 << 30}
	began := time.Now()
	l := open(t, o, sink)
	flush(t, l)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("%d records took %v", calls, took)
	}
	closeNow(t, l)
	checkSums(t, sink.snapshot(), calls)
}

func FuzzScan(f *testing.F) {
	const seed = 42
	marks := appendMarks(nil, []key{{1}, {2}})
	seal(marks, seed)
	frames := segmentOf(0, 2, seed)[segmentHeader:]
	f.Add(append(frames, marks...), uint16(40), byte(1))
	f.Add(append(append(bytes.Clone(marks), 0, 0, 0, 7), frames...), uint16(0), byte(0))
	f.Add([]byte{}, uint16(0), byte(0))
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 1}, uint16(3), byte(9))
	f.Fuzz(func(t *testing.T, b []byte, at uint16, flip byte) {
		if len(b) > 0 {
			b[int(at)%len(b)] ^= flip
		}
		l := newLedger(Options{}, nil, nil)
		r, s := replayed{marked: make(map[key]struct{})}, new(segment)
		good, last := 0, 0
		x := scan(b, 0, seed, func(off int, frame []byte) bool {
			if off < last || plausible(frame) != len(frame) || !intact(frame, seed) {
				t.Fatalf("frame at %d of %d bytes after %d", off, len(frame), last)
			}
			if !l.loadFrame(&r, place{s, int64(off), int64(len(frame))}, frame[frameHeader:]) {
				return false
			}
			last = off + len(frame)
			good += len(frame)
			return true
		})
		if x.end != last || x.end != good+x.damaged || x.end+x.torn > len(b) {
			t.Fatalf("%+v for %d good bytes up to %d of %d", x, good, last, len(b))
		}
		if s.live != len(l.entries) || len(r.order) > len(l.entries) {
			t.Fatalf("%d frames are needed for %d records, %d finished", s.live, len(l.entries), len(r.order))
		}
	})
}
