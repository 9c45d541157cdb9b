package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/generic-corp/halfpenny/llm"
)

// A frame is 4 bytes of the payload's length, 4 bytes of CRC-32C over length and
// payload, and the payload, whose first byte is its kind. The checksum starts from
// the segment's random seed: bytes that a caller put into a record, or that are left
// of another segment, are never taken for a frame.
const frameHeader = 8

// Kinds of payload.
const (
	kindRecord = 1 // a record in its binary form
	kindMarks  = 2 // the keys of records that the database has
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errFrame = errors.New("damaged frame")

// appendRecord appends r as a frame that seal completes.
func appendRecord(dst []byte, r *llm.Record) []byte {
	return r.Append(append(dst, 0, 0, 0, 0, 0, 0, 0, 0, kindRecord))
}

func appendMarks(dst []byte, keys []key) []byte {
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0, kindMarks)
	for i := range keys {
		dst = append(dst, keys[i][:]...)
	}
	return dst
}

// seal writes length and checksum into a frame.
func seal(frame []byte, seed uint32) {
	binary.LittleEndian.PutUint32(frame, uint32(len(frame)-frameHeader))
	binary.LittleEndian.PutUint32(frame[4:], checksum(frame, seed))
}

func checksum(frame []byte, seed uint32) uint32 {
	return crc32.Update(crc32.Update(seed, castagnoli, frame[:4]), castagnoli, frame[frameHeader:])
}

// plausible returns the length of the frame that b may begin with; 0: it cannot be one.
func plausible(b []byte) int {
	if len(b) <= frameHeader {
		return 0
	}
	n := binary.LittleEndian.Uint32(b)
	if n == 0 || uint64(n) > uint64(len(b)-frameHeader) || b[frameHeader] != kindRecord && b[frameHeader] != kindMarks {
		return 0
	}
	return frameHeader + int(n)
}

func intact(frame []byte, seed uint32) bool {
	return binary.LittleEndian.Uint32(frame[4:]) == checksum(frame, seed)
}

// extent is what scan found.
type extent struct {
	end     int // of the last good frame, or where the first would be
	damaged int // bytes that are no frame between good ones
	torn    int // bytes that are no frame after the last good one; trailing zeros are none
}

// scan calls visit for every good frame of a segment from offset start on. It passes
// over what is damaged; visit returns false for a frame that it cannot use.
func scan(b []byte, start int, seed uint32, visit func(off int, frame []byte) bool) extent {
	x := extent{end: start}
	used := len(bytes.TrimRight(b, "\x00"))
	budget := 8*len(b) + 1<<16 // bytes that may be summed in vain
	for off := start; off < used && budget > 0; {
		n := plausible(b[off:])
		if n > 0 && intact(b[off:off+n], seed) && visit(off, b[off:off+n]) {
			x.damaged += off - x.end
			off += n
			x.end = off
			continue
		}
		budget -= n
		off++
	}
	x.torn = max(0, used-x.end)
	return x
}
