package ledger

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// keeper syncs what was written, removes the segments that nobody needs and keeps
// one spare at hand.
func (l *Ledger) keeper() {
	defer l.wg.Done()
	tick := time.NewTicker(l.o.FsyncEvery)
	defer tick.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-tick.C:
			l.probe()
			l.relocate()
			l.trim()
		case <-l.refill:
		}
		l.prepare()
	}
}

// prepare makes a spare segment, off the way of the requests. One that a request
// had to make meanwhile makes it needless, and it would be out of order.
func (l *Ledger) prepare() {
	l.mu.Lock()
	if len(l.spares) > 0 && l.growErr == nil || !l.mayGrow(l.bound()) {
		l.mu.Unlock()
		return
	}
	number, before := l.grow(), l.growErr
	l.mu.Unlock()
	s, err := l.makeSegment(number)
	l.mu.Lock()
	overtaken := err == nil && l.number != number
	if overtaken {
		l.bytes -= s.size
	} else {
		l.grown(s, err)
	}
	l.mu.Unlock()
	if overtaken {
		err = s.close(true)
	}
	if err != nil && before == nil {
		l.log.Error("journal cannot grow", "error", err)
	}
}

// probe writes a frame that says nothing after a write had failed: whether the
// journal can be written again must show without a request.
func (l *Ledger) probe() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if frame := appendMarks(nil, nil); l.writeErr != nil && l.room() >= l.reserved+int64(len(frame)) {
		if at, err := l.put(frame); err == nil { // the outcome is in writeErr
			l.release(at)
		}
	}
}

// trim syncs, and then removes the segments of which nothing was needed before the
// sync: whatever took the place of their frames is on disk by then.
func (l *Ledger) trim() {
	empty := l.emptySegments()
	if err := l.sync(); err != nil {
		return
	}
	if len(empty) == 0 {
		return
	}
	l.mu.Lock()
	kept := l.segments[:0]
	for _, s := range l.segments {
		if empty[s] {
			l.bytes -= s.size
		} else {
			kept = append(kept, s)
		}
	}
	clear(l.segments[len(kept):])
	l.segments, l.fullErr = kept, nil
	l.mu.Unlock()
	for s := range empty {
		if err := errors.Join(s.f.Close(), os.Remove(s.path)); err != nil {
			l.log.Error("cannot remove a journal segment", "error", err)
		}
	}
}

func (l *Ledger) emptySegments() map[*segment]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	var empty map[*segment]bool
	for _, s := range l.segments {
		if s.live > 0 || s == l.active {
			continue
		}
		if empty == nil {
			empty = make(map[*segment]bool)
		}
		empty[s] = true
	}
	return empty
}

// sync writes to disk what the page cache holds. A segment that failed takes no
// more frames, and no attempt may start until a sync succeeds.
func (l *Ledger) sync() error {
	l.mu.Lock()
	dirty, folder := l.takeDirty(), l.dirDirty
	l.dirDirty = false
	l.mu.Unlock()
	var failed []*segment
	var err error
	for _, s := range dirty {
		if e := s.f.Sync(); e != nil {
			failed, err = append(failed, s), e
		}
	}
	if folder {
		err = errors.Join(err, syncDir(l.o.Dir))
	}
	l.synced(failed, folder, err)
	return err
}

func (l *Ledger) takeDirty() []*segment {
	var dirty []*segment
	for _, list := range [][]*segment{l.segments, l.spares} {
		for _, s := range list {
			if s.dirty {
				s.dirty = false
				dirty = append(dirty, s)
			}
		}
	}
	return dirty
}

func (l *Ledger) synced(failed []*segment, folder bool, err error) {
	l.mu.Lock()
	before := l.syncErr
	l.syncErr = nil
	if err != nil {
		l.syncErr = fmt.Errorf("cannot sync: %w", err)
		l.dirDirty = l.dirDirty || folder
		for _, s := range failed {
			s.dirty, s.shut = true, true
		}
	}
	l.mu.Unlock()
	if err != nil && before == nil {
		l.log.Error("cannot sync the journal", "error", err)
	}
}

// Segments are emptied by copying when the journal is half full, or in many pieces.
const manySegments = 32

// relocate copies what is left in old sparse segments to the active one: long
// streams and tenants that cannot be flushed must not hold the whole journal.
func (l *Ledger) relocate() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bytes <= l.o.MaxBytes/2 && len(l.segments) <= manySegments {
		return
	}
	sparse := l.sparse()
	if len(sparse) == 0 {
		return
	}
	for k, e := range l.entries {
		if !sparse[e.seg] {
			continue
		}
		at, err := l.copyFrame(e.place)
		if errors.Is(err, ErrUnavailable) {
			return
		}
		if err != nil {
			e.seg.stuck = true
			l.log.Error("cannot copy a record to a newer segment", "error", err)
			continue
		}
		l.release(e.place)
		e.place = at
		l.entries[k] = e
	}
}

// sparse returns the oldest segments that are worth emptying, as many as fit into a new one.
func (l *Ledger) sparse() map[*segment]bool {
	sparse := make(map[*segment]bool)
	left := int64(l.o.SegmentBytes) / 2
	for _, s := range l.segments {
		if s != l.active && !s.stuck && s.live > 0 && s.bytes <= max(s.size/2, int64(l.o.SegmentBytes)/16) && s.bytes <= left {
			sparse[s] = true
			left -= s.bytes
		}
	}
	return sparse
}

// copyFrame writes a frame again, in room beyond what is reserved. It may take the
// last segment of the bound, which requests leave to it: copying must always be able
// to make room.
func (l *Ledger) copyFrame(from place) (place, error) {
	if err := l.ensureWithin(from.n, l.o.MaxBytes); err != nil {
		return place{}, err
	}
	frame, err := from.frame()
	if err != nil {
		return place{}, err
	}
	return l.put(frame)
}

// closeFiles ends the journal: without a file if nothing is left, else synced.
func (l *Ledger) closeFiles() error {
	l.mu.Lock()
	l.write() // what still waits has been promised a place
	l.mu.Unlock()
	err := l.sync()
	l.mu.Lock()
	defer l.mu.Unlock()
	empty := len(l.entries) == 0
	for _, s := range l.segments {
		empty = empty && s.live == 0 // a frame may be written whose owner has not been told
	}
	for _, s := range l.segments {
		err = errors.Join(err, s.close(empty))
	}
	for _, s := range l.spares {
		err = errors.Join(err, s.close(true))
	}
	l.segments, l.spares, l.active, l.bytes = nil, nil, nil, 0
	return errors.Join(err, l.lock.Close())
}

func (s *segment) close(remove bool) error {
	err := s.f.Close()
	if remove {
		err = errors.Join(err, os.Remove(s.path))
	}
	return err
}
