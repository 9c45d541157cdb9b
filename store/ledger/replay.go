package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/generic-corp/halfpenny/llm"
)

var errNewer = errors.New("segment of a newer version")

// Open takes the journal's folder, takes up what an earlier process left in it and
// starts the flusher. What was started there and not finished is finished as
// unknown. The folder stays locked until Close; ErrLocked tells of another process.
func Open(o Options, sink Sink) (*Ledger, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	lock, err := lockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	l := newLedger(o, sink, lock)
	if err := l.replay(); err != nil {
		l.closeAll()
		return nil, fmt.Errorf("cannot read the journal in %s: %w", o.Dir, err)
	}
	l.prepare()
	l.wg.Add(2)
	go l.flusher()
	go l.keeper()
	wake(l.kick)
	return l, nil
}

func newLedger(o Options, sink Sink, lock *os.File) *Ledger {
	l := &Ledger{o: o, sink: sink, log: o.Logger, lock: lock, frameMax: min(256<<10, int64(o.SegmentBytes)/4),
		slots: make(chan struct{}, o.Parallel), kick: make(chan struct{}, 1), refill: make(chan struct{}, 1),
		entries: make(map[key]entry), queues: make(map[string]*queue), changed: make(chan struct{})}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// closeAll gives up the files of a journal that could not be opened.
func (l *Ledger) closeAll() {
	l.cancel()
	for _, s := range append(l.segments, l.spares...) {
		s.f.Close()
	}
	l.lock.Close()
}

// replayed is what the segments say, oldest first.
type replayed struct {
	found  []extent         // of Ledger.segments
	order  []key            // of finished records
	marked map[key]struct{} // records that the database has
}

func (l *Ledger) replay() error {
	numbers, err := l.segmentNumbers()
	if err != nil {
		return err
	}
	r := replayed{marked: make(map[key]struct{})}
	for _, number := range numbers {
		l.number = number
		if err := l.load(&r, segmentPath(l.o.Dir, number)); err != nil {
			return err
		}
	}
	for i, s := range l.segments {
		l.adopt(s, r.found[i], i == len(l.segments)-1)
	}
	for k := range r.marked {
		l.forget(k)
	}
	for _, k := range r.order {
		if e, ok := l.entries[k]; ok {
			l.push(e.q, k)
		}
	}
	if err := l.finishUnknown(); err != nil {
		return err
	}
	l.peak = len(l.entries)
	if l.peak > 0 {
		l.log.Info("journal replayed", "records", l.peak, "segments", len(l.segments))
	}
	return l.sync()
}

func (l *Ledger) segmentNumbers() ([]uint64, error) {
	files, err := os.ReadDir(l.o.Dir)
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, f := range files {
		hex, ok := strings.CutSuffix(f.Name(), segmentSuffix)
		if n, err := strconv.ParseUint(hex, 16, 64); ok && err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// load takes up one segment: an empty one as a spare, any other with its frames.
func (l *Ledger) load(r *replayed, path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	seed, err := parseHeader(b)
	switch {
	case errors.Is(err, errNewer):
		return fmt.Errorf("%s: %w", path, err)
	case err != nil && len(bytes.TrimRight(b, "\x00")) == 0:
		return os.Remove(path) // made, and not used before the process ended
	case err != nil:
		aside := asidePath(path, crc32.Checksum(b, castagnoli))
		l.log.Error("journal segment is unreadable and set aside", "segment", path, "bytes", len(b), "kept", aside)
		return os.Rename(path, aside)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	s := &segment{path: path, f: diskFile{f}, seed: seed, size: int64(len(b)), shut: true, dirty: true}
	found := scan(b, segmentHeader, seed, func(off int, frame []byte) bool {
		return l.loadFrame(r, place{s, int64(off), int64(len(frame))}, frame[frameHeader:])
	})
	s.end = int64(found.end)
	l.bytes += s.size
	if found == (extent{end: segmentHeader}) && s.size == int64(l.o.SegmentBytes) {
		s.shut = false
		l.spares = append(l.spares, s)
		return nil
	}
	l.segments = append(l.segments, s)
	r.found = append(r.found, found)
	return nil
}

// loadFrame takes up what a frame says; it returns false if it does not understand it.
func (l *Ledger) loadFrame(r *replayed, at place, payload []byte) bool {
	if payload[0] == kindMarks {
		for keys := range slices.Chunk(payload[1:], len(key{})) {
			if len(keys) < len(key{}) {
				return false
			}
			r.marked[key(keys)] = struct{}{}
		}
		return true
	}
	rec, err := llm.ParseRecord(payload[1:])
	if err != nil {
		return false
	}
	k := keyOf(rec.ID)
	e := l.entries[k]
	if e.done && !rec.Done {
		return true // a snapshot that was copied after its record had finished
	}
	l.release(e.place)
	l.retain(at)
	e.place, e.q = at, l.queue(rec.Slug)
	if rec.Done && !e.done {
		e.done, e.at = true, rec.At.Add(rec.Total).UnixNano()
		r.order = append(r.order, k)
	}
	l.entries[k] = e
	return true
}

// adopt cuts what was written in part at the journal's end, and keeps aside a
// segment that is damaged anywhere else.
func (l *Ledger) adopt(s *segment, found extent, last bool) {
	if found.damaged > 0 || found.torn > 0 && !last {
		aside := asidePath(s.path, s.seed)
		l.log.Error("journal segment is damaged; what is readable is used, the file is kept", "segment", s.path,
			"damaged_bytes", found.damaged+found.torn, "kept", aside)
		if err := os.Link(s.path, aside); err != nil && !errors.Is(err, os.ErrExist) {
			l.log.Error("cannot keep a damaged journal segment", "error", err)
		}
		return
	}
	if found.torn > 0 {
		l.log.Warn("torn end of the journal is cut", "segment", s.path, "bytes", found.torn)
	}
	if err := s.f.Truncate(s.end); err != nil {
		l.log.Warn("cannot cut a journal segment", "error", err)
		return
	}
	l.bytes -= s.size - s.end
	s.size = s.end
}

// finishUnknown ends, in the journal too, what the earlier process had started.
func (l *Ledger) finishUnknown() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var open []key
	for k, e := range l.entries {
		if !e.done {
			open = append(open, k)
		}
	}
	l.open = len(open)
	for _, k := range open {
		e := l.entries[k]
		rec, err := e.read()
		if err != nil {
			return err
		}
		rec.EndUnknown()
		buf := appendRecord(nil, &rec)
		at, err := l.putFinished(&rec, &buf)
		if err != nil {
			l.log.Error("cannot journal a record of unknown outcome; it is kept in memory", "request", rec.ID, "error", err)
		}
		l.enqueue(k, e, &rec, at)
	}
	return nil
}
