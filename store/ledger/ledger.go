// Package ledger keeps the record of every call from the moment before it leaves
// until it lies in the database: an append-only journal on disk, and the batches
// that carry it into the store.
//
// The journal is a folder of segments, files of a fixed size that are allocated
// before they are used. A call is journalled twice: its snapshot before an attempt's
// connection is used, and its final record before the reply's last byte goes down.
// Each is handed over by write(2), so a killed process loses nothing; one fdatasync for all is
// issued every Options.FsyncEvery, which bounds what a power failure can take. A
// snapshot sets room aside for its final record: what has been let out can always
// be recorded, even on a full disk. A segment goes once nothing in it is needed.
package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/generic-corp/halfpenny/llm"
)

// Sink is the database as the ledger sees it.
type Sink interface {
	// Append writes finished records of one tenant in one transaction: rows, attempts,
	// rollups and the hash chain. A record that is there already is left as it is and
	// counted nowhere, so writing twice is harmless. It returns what was newly written,
	// with number and hash. It is called for several tenants at once, never twice at
	// once for the same one; it heeds ctx, and must not change or keep the records.
	Append(ctx context.Context, slug string, records []*llm.Record) ([]llm.Stored, error)
}

// Errors of Open, Started and Finished.
var (
	// ErrUnavailable is wrapped where the journal cannot take a record: it is full,
	// cannot be written, or is closed. Nothing may be forwarded then.
	ErrUnavailable = errors.New("journal unavailable")
	// ErrTooLarge is wrapped where a record's texts are longer than a frame may be.
	ErrTooLarge = errors.New("record too large for the journal")
	// ErrLocked is wrapped where another process holds the journal's folder.
	ErrLocked = errors.New("journal is in use by another process")
)

// Options say where the journal lies and how it behaves. Zero values take the default.
type Options struct {
	Dir          string        // folder of the journal; made if it is absent
	SegmentBytes int           // size of one segment; 16 MiB
	MaxBytes     int64         // bound of the whole journal; 1 GiB, at least three segments
	FsyncEvery   time.Duration // longest time between a write and its fdatasync; 50 ms
	FlushEvery   time.Duration // longest time a record waits for its batch; 200 ms
	BatchMax     int           // records in one batch; 512
	MemoryMax    int           // finished records kept in memory, the rest is read back; 20,000
	Parallel     int           // tenants that are flushed at once; 4
	SinkTimeout  time.Duration // longest time of one Sink.Append; 30 s
	Logger       *slog.Logger  // nil: silent

	create func(path string, size int64) (file, error) // nil: createFile
}

func (o *Options) setDefaults() error {
	o.SegmentBytes = cmp.Or(o.SegmentBytes, 16<<20)
	o.MaxBytes = cmp.Or(o.MaxBytes, 1<<30)
	o.FsyncEvery = cmp.Or(o.FsyncEvery, 50*time.Millisecond)
	o.FlushEvery = cmp.Or(o.FlushEvery, 200*time.Millisecond)
	o.BatchMax = cmp.Or(o.BatchMax, 512)
	o.MemoryMax = cmp.Or(o.MemoryMax, 20_000)
	o.Parallel = cmp.Or(o.Parallel, 4)
	o.SinkTimeout = cmp.Or(o.SinkTimeout, 30*time.Second)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	if o.create == nil {
		o.create = createFile
	}
	switch {
	case o.Dir == "":
		return errors.New("no folder for the journal")
	case o.SegmentBytes < 32<<10 || o.SegmentBytes > 1<<30:
		return fmt.Errorf("a journal segment of %d bytes is not between 32 KiB and 1 GiB", o.SegmentBytes)
	case o.MaxBytes < 3*int64(o.SegmentBytes):
		return fmt.Errorf("a journal of %d bytes does not hold three segments of %d", o.MaxBytes, o.SegmentBytes)
	}
	return nil
}

// finishReserve is the room, in bytes, set aside for a final record beyond the
// size of its snapshot: usage, costs and ten candidates.
const finishReserve = 2048

// Ledger is an open journal and its flusher. Its methods may be called concurrently.
type Ledger struct {
	o        Options
	sink     Sink
	log      *slog.Logger
	lock     *os.File
	frameMax int64 // bytes of the largest frame
	buffers  sync.Pool

	ctx    context.Context // ends the goroutines
	cancel context.CancelFunc
	wg     sync.WaitGroup
	slots  chan struct{} // one for each tenant that may be flushed at once
	kick   chan struct{} // wakes the flusher before its time
	refill chan struct{} // wakes the keeper when a spare was taken

	mu       sync.Mutex // held for one write at most on the way of a request
	closed   bool
	entries  map[key]entry
	peak     int // largest number of entries since the map was made
	inMemory int // entries that hold a record
	queues   map[string]*queue
	due      []*queue // that have records and are not being flushed
	changed  chan struct{}

	segments []*segment // those with frames, oldest first; the active one is the last
	active   *segment   // nil until the first frame
	pending  *batch     // frames that wait to be written to it together; nil: none
	spent    *batch     // to be used again; nil: none
	spares   []*segment // allocated and empty
	number   uint64     // of the newest segment
	bytes    int64      // on disk, spares included
	reserved int64      // set aside for the final records of what is open
	dirDirty bool       // segments were made since the folder was synced

	open      int // entries not finished
	unflushed int // entries finished
	written   int64
	flushed   int64
	known     int64
	failures  int64
	syncErr   error // of the last fdatasync
	writeErr  error // of the last write
	growErr   error // of the last allocation
	fullErr   error // since a record was refused at the bound
}

// entry is what the ledger knows of one record that is not in the database yet.
type entry struct {
	place             // its newest frame; no segment: none could be written
	q     *queue      // of its tenant
	rec   *llm.Record // finished and in memory; nil: to be read from place
	at    int64       // Unix nanoseconds at which it was finished
	hold  int64       // bytes set aside for its final record
	done  bool
}

// Started journals a snapshot of r, whose last attempt is about to use its
// connection. It keeps no reference to r. After an error, which wraps
// ErrUnavailable or ErrTooLarge, the attempt must not be made.
func (l *Ledger) Started(r *llm.Record) error {
	snapshot := *r
	snapshot.Done, snapshot.Considered, snapshot.Rejected = false, nil, nil
	buf := l.buffer()
	defer l.buffers.Put(buf)
	*buf = appendRecord((*buf)[:0], &snapshot)
	if int64(len(*buf))+finishReserve > l.frameMax {
		return fmt.Errorf("cannot journal request %s: %w", r.ID, ErrTooLarge)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.started(keyOf(r.ID), r.Slug, *buf)
}

func (l *Ledger) started(k key, slug string, frame []byte) error {
	old, again := l.entries[k]
	switch {
	case l.closed:
		return fmt.Errorf("%w: it is closed", ErrUnavailable)
	case l.syncErr != nil:
		return fmt.Errorf("%w: %w", ErrUnavailable, l.syncErr)
	case again && old.done:
		return errors.New("cannot journal an attempt of a request that is finished")
	}
	n := int64(len(frame))
	hold := n + finishReserve
	more := hold - old.hold
	if err := l.ensure(n + more); err != nil {
		return err
	}
	l.fullErr = nil
	l.reserved += more
	at, err := l.share(frame)
	if err != nil {
		l.reserved -= more
		return err
	}
	e, again := l.entries[k] // whose frame may have moved meanwhile
	if !again {
		l.open++
		e.q = l.queue(slug)
	}
	l.release(e.place)
	e.place, e.hold = at, hold
	l.entries[k] = e
	l.peak = max(l.peak, len(l.entries))
	return nil
}

// Finished journals the final record of a request, sets r.Done, and queues it for
// the database. From then on r belongs to the ledger: nobody may change it. The
// error wraps ErrUnavailable or ErrTooLarge; a record that was started goes to the
// database nevertheless, unless the process dies before.
func (l *Ledger) Finished(r *llm.Record) error {
	r.Done = true
	buf := l.buffer()
	defer l.buffers.Put(buf)
	*buf = appendRecord((*buf)[:0], r)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.finished(r, buf)
}

func (l *Ledger) finished(r *llm.Record, buf *[]byte) error {
	k := keyOf(r.ID)
	e, known := l.entries[k]
	switch {
	case l.closed:
		return fmt.Errorf("%w: it is closed", ErrUnavailable)
	case known && e.done:
		return fmt.Errorf("cannot journal request %s: it is finished", r.ID)
	}
	l.reserved -= e.hold
	at, err := l.putFinished(r, buf)
	if err != nil && !known {
		return err
	}
	l.enqueue(k, l.entries[k], r, at) // its frame may have moved meanwhile
	return err
}

// putFinished writes a final record, without its candidates where these do not fit.
func (l *Ledger) putFinished(r *llm.Record, buf *[]byte) (place, error) {
	err := l.fits(int64(len(*buf)))
	if err != nil {
		short := *r
		short.Considered, short.Rejected = nil, nil
		*buf = appendRecord((*buf)[:0], &short)
		err = l.fits(int64(len(*buf)))
	}
	if err != nil {
		return place{}, err
	}
	return l.share(*buf)
}

// fits makes sure that a frame of n bytes can be written.
func (l *Ledger) fits(n int64) error {
	if n > l.frameMax {
		return ErrTooLarge
	}
	return l.ensure(n)
}

// enqueue turns e into a finished entry at its new place and queues it.
func (l *Ledger) enqueue(k key, e entry, r *llm.Record, at place) {
	if e.q == nil {
		e.q = l.queue(r.Slug)
	} else {
		l.open--
	}
	e.hold, e.done, e.at = 0, true, time.Now().UnixNano()
	stored := at.seg != nil
	if stored {
		l.release(e.place)
		e.place = at
	}
	if l.inMemory < l.o.MemoryMax || !stored {
		e.rec = r
		l.inMemory++
	}
	l.entries[k] = e
	l.peak = max(l.peak, len(l.entries))
	l.push(e.q, k)
}

// Pending returns a finished record of the tenant that is not known to be in the
// database yet; ok is false for any other. The record is shared and must not be changed.
func (l *Ledger) Pending(slug, id string) (rec llm.Record, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.entries[keyOf(id)]
	if !ok || !e.done || e.q.slug != slug || l.closed && e.rec == nil {
		return llm.Record{}, false
	}
	if e.rec != nil {
		return *e.rec, true
	}
	rec, err := e.read()
	if err != nil {
		l.log.Error("cannot read a record back", "request", id, "error", err)
	}
	return rec, err == nil
}

// Stats is the state of the ledger at one moment.
type Stats struct {
	Open      int           // requests under way
	Queue     int           // finished records not in the database yet
	Oldest    time.Duration // age of the oldest of these; 0: none
	Written   int64         // frames written since the start
	Flushed   int64         // records newly written to the database since the start
	Duplicate int64         // records that were there already
	Failures  int64         // batches that failed
	Bytes     int64         // of the journal on disk
	MaxBytes  int64
	Err       error // why the journal takes no record; nil: it does
	Tight     error // why the journal cannot grow although it still has room; nil: it can
	SinkErr   error // of the last batch, if it failed
}

// Stats returns the state of the ledger.
func (l *Ledger) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Stats{Open: l.open, Queue: l.unflushed, Written: l.written, Flushed: l.flushed, Duplicate: l.known, Failures: l.failures,
		Bytes: l.bytes, MaxBytes: l.o.MaxBytes, Err: cmp.Or(l.fullErr, l.writeErr, l.syncErr), SinkErr: l.sinkErr()}
	if l.growErr != nil && l.room() > l.reserved+l.frameMax {
		s.Tight = l.growErr
	} else {
		s.Err = cmp.Or(s.Err, l.growErr)
	}
	now := time.Now().UnixNano()
	for _, q := range l.queues {
		if q.len() > 0 {
			s.Oldest = max(s.Oldest, time.Duration(now-l.entries[q.keys[q.head]].at))
		}
	}
	return s
}

// Close flushes what is finished and closes the journal. If all of it reached the
// database and no request is under way, the folder is left without a segment;
// otherwise the next Open takes up what is left.
func (l *Ledger) Close(ctx context.Context) error {
	err := l.Flush(ctx)
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return err
	}
	l.closed = true
	l.mu.Unlock()
	l.cancel()
	l.wg.Wait()
	return errors.Join(err, l.closeFiles())
}

func (l *Ledger) buffer() *[]byte {
	if buf, ok := l.buffers.Get().(*[]byte); ok {
		return buf
	}
	buf := make([]byte, 0, 1024)
	return &buf
}
