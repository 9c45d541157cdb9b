package ledger

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime"

	"github.com/generic-corp/halfpenny/llm"
)

// A segment's file begins with 8 bytes of magic, whose last is the version, 4 bytes
// of seed and 4 bytes of CRC-32C over these. Frames follow, then zeros.
const (
	segmentHeader  = 16
	segmentMagic   = "hpjrnl\x00"
	segmentVersion = 1
	segmentSuffix  = ".journal"
	asideSuffix    = ".corrupt"
)

// segment is one file of the journal. Its fields are guarded by Ledger.mu.
type segment struct {
	path  string
	f     file
	seed  uint32
	size  int64 // on disk
	end   int64 // where the next frame goes
	live  int   // frames that are still needed
	bytes int64 // their length
	dirty bool  // written since it was synced
	shut  bool  // takes no more frames
	stuck bool  // cannot be emptied by copying
}

// place is where a frame lies.
type place struct {
	seg *segment // nil: nowhere
	off int64
	n   int64
}

func segmentPath(dir string, number uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016x%s", number, segmentSuffix))
}

// asidePath names the file in which a damaged segment is kept. Numbers are used
// again once a journal was empty; mark tells the files apart.
func asidePath(path string, mark uint32) string {
	return fmt.Sprintf("%s-%08x%s", path, mark, asideSuffix)
}

func header(seed uint32) []byte {
	b := binary.LittleEndian.AppendUint32(append([]byte(segmentMagic), segmentVersion), seed)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// parseHeader returns the seed of a segment. It fails with errNewer for a version
// that this program does not know and with errFrame for anything that is no segment.
func parseHeader(b []byte) (seed uint32, err error) {
	if len(b) < segmentHeader || !bytes.HasPrefix(b, []byte(segmentMagic)) ||
		binary.LittleEndian.Uint32(b[12:]) != crc32.Checksum(b[:12], castagnoli) {
		return 0, errFrame
	}
	if v := b[len(segmentMagic)]; v != segmentVersion {
		return 0, fmt.Errorf("%w %d", errNewer, v)
	}
	return binary.LittleEndian.Uint32(b[8:]), nil
}

// makeSegment makes a file of the given number, allocated and empty.
func (l *Ledger) makeSegment(number uint64) (*segment, error) {
	var seed [4]byte
	rand.Read(seed[:])
	s := &segment{path: segmentPath(l.o.Dir, number), seed: binary.LittleEndian.Uint32(seed[:]), size: int64(l.o.SegmentBytes), end: segmentHeader, dirty: true}
	f, err := l.o.create(s.path, s.size)
	if err != nil {
		return nil, fmt.Errorf("cannot make a journal segment: %w", err)
	}
	s.f = f
	if _, err := f.WriteAt(header(s.seed), 0); err != nil {
		f.Close()
		os.Remove(s.path)
		return nil, fmt.Errorf("cannot write a journal segment: %w", err)
	}
	return s, nil
}

// room is the bytes of frames that the allocated segments surely take. Wherever one
// segment ends and the next begins, less than the largest frame is lost.
func (l *Ledger) room() int64 {
	var room int64
	if l.active != nil && !l.active.shut {
		room = max(0, l.active.size-l.active.end-l.frameMax)
	}
	return room + int64(len(l.spares))*(int64(l.o.SegmentBytes)-segmentHeader-l.frameMax)
}

// ensure allocates until n bytes more than what is reserved can be written, within
// the bound for requests. Its error wraps ErrUnavailable.
func (l *Ledger) ensure(n int64) error {
	err := l.ensureWithin(n, l.bound())
	if errors.Is(err, errFull) {
		l.fullErr = err
	}
	return err
}

// bound is what requests may fill: all but one segment.
func (l *Ledger) bound() int64 { return l.o.MaxBytes - int64(l.o.SegmentBytes) }

var errFull = fmt.Errorf("%w: it is full", ErrUnavailable)

func (l *Ledger) ensureWithin(n, bound int64) error {
	for l.room() < l.reserved+n {
		if !l.mayGrow(bound) {
			return errFull
		}
		s, err := l.makeSegment(l.grow())
		l.grown(s, err)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	return nil
}

func (l *Ledger) mayGrow(bound int64) bool { return l.bytes+int64(l.o.SegmentBytes) <= bound }

// grow counts a segment that is about to be made and returns its number.
func (l *Ledger) grow() uint64 {
	l.bytes += int64(l.o.SegmentBytes)
	l.number++
	return l.number
}

// grown takes up what became of it.
func (l *Ledger) grown(s *segment, err error) {
	l.growErr = err
	if err != nil {
		l.bytes -= int64(l.o.SegmentBytes)
		return
	}
	l.spares = append(l.spares, s)
	l.dirDirty = true
}

// batch is frames that are written at once, one behind the other.
type batch struct {
	off  int64 // of the first, in the active segment
	buf  []byte
	n    int  // frames
	left int  // frames whose owners have not been told
	done bool // they are written, or err says why not
	err  error
}

// share writes a frame, for which there is room, in one write with those of all the
// requests that have come as far meanwhile, and retains its place. It lets go of the
// lock in between. After an error, which wraps ErrUnavailable, the frame is not in the
// journal, and the next one takes its place.
func (l *Ledger) share(frame []byte) (place, error) {
	at, err := l.claim(frame)
	if err != nil {
		return place{}, err
	}
	b := l.pending
	l.mu.Unlock()
	runtime.Gosched() // the requests that are ready to run join in
	l.mu.Lock()
	if !b.done {
		l.write()
	}
	return l.told(b, at)
}

// put writes a frame as share does, alone and without letting go of the lock.
func (l *Ledger) put(frame []byte) (place, error) {
	at, err := l.claim(frame)
	if err != nil {
		return place{}, err
	}
	b := l.pending
	l.write()
	return l.told(b, at)
}

// told returns what became of one frame of a batch, which is used again once all are told.
func (l *Ledger) told(b *batch, at place) (place, error) {
	err := b.err
	if b.left--; b.left == 0 {
		l.spent = b
	}
	if err != nil {
		l.release(at)
		return place{}, err
	}
	return at, nil
}

// claim gives a frame its place, which is retained, and puts it behind those that
// wait to be written.
func (l *Ledger) claim(frame []byte) (place, error) {
	n := int64(len(frame))
	if l.active == nil || l.active.shut || l.active.end+n > l.active.size {
		l.write()
		if err := l.roll(); err != nil {
			return place{}, err
		}
	}
	s := l.active
	seal(frame, s.seed)
	if l.pending == nil {
		l.pending = l.newBatch(s.end)
	}
	at := place{s, s.end, n}
	l.pending.buf = append(l.pending.buf, frame...)
	l.pending.n, l.pending.left = l.pending.n+1, l.pending.left+1
	s.end += n
	l.retain(at)
	return at, nil
}

func (l *Ledger) newBatch(off int64) *batch {
	b := l.spent
	if l.spent = nil; b == nil {
		b = new(batch)
	}
	*b = batch{off: off, buf: b.buf[:0]}
	return b
}

// write writes the frames that wait, if there are any. After an error none of them
// is in the journal.
func (l *Ledger) write() {
	b, s := l.pending, l.active
	if b == nil {
		return
	}
	l.pending, b.done = nil, true
	if _, err := s.f.WriteAt(b.buf, b.off); err != nil {
		l.repair(b)
		l.writeErr = err
		b.err = fmt.Errorf("%w: %w", ErrUnavailable, err)
		return
	}
	s.dirty = true
	l.writeErr = nil
	l.written += int64(b.n)
}

// repair wipes frames that were written in part, so that none of them is found after
// a crash; a segment that does not even take that gets no more frames.
func (l *Ledger) repair(b *batch) {
	l.active.end = b.off
	clear(b.buf)
	if _, err := l.active.f.WriteAt(b.buf, b.off); err != nil {
		l.active.shut = true
	}
}

// roll makes the first spare the active segment.
func (l *Ledger) roll() error {
	if len(l.spares) == 0 {
		return fmt.Errorf("%w: no segment is left", ErrUnavailable)
	}
	l.active = l.spares[0]
	l.spares = l.spares[:copy(l.spares, l.spares[1:])]
	l.segments = append(l.segments, l.active)
	wake(l.refill)
	return nil
}

func (l *Ledger) retain(at place) {
	at.seg.live++
	at.seg.bytes += at.n
}

func (l *Ledger) release(at place) {
	if at.seg != nil {
		at.seg.live--
		at.seg.bytes -= at.n
	}
}

// frame reads the frame at a place back.
func (at place) frame() ([]byte, error) {
	if at.seg == nil {
		return nil, errFrame
	}
	b := make([]byte, at.n)
	if _, err := at.seg.f.ReadAt(b, at.off); err != nil {
		return nil, fmt.Errorf("cannot read %s at %d: %w", at.seg.path, at.off, err)
	}
	if plausible(b) != len(b) || !intact(b, at.seg.seed) {
		return nil, fmt.Errorf("%w in %s at %d", errFrame, at.seg.path, at.off)
	}
	return b, nil
}

// read reads the record at a place back.
func (at place) read() (llm.Record, error) {
	frame, err := at.frame()
	if err != nil {
		return llm.Record{}, err
	}
	rec, err := llm.ParseRecord(frame[frameHeader+1:])
	if err != nil {
		return llm.Record{}, fmt.Errorf("%s at %d: %w", at.seg.path, at.off, err)
	}
	return rec, nil
}

// wake tells a goroutine that there is work, without waiting for it.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
