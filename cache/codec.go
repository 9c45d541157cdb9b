package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/generic-corp/halfpenny/llm"
)

// The binary form of an entry, version 1:
//
//	version byte, TTL in nanoseconds (varint), content type, facts, body
//
// where each of the last three has its length before it (uvarint). The facts are
// a record of one attempt in the ledger's own binary form, which knows every class
// of usage and grows without a new version.
const entryVersion = 1

// ErrEntry is wrapped by every error of ParseEntry.
var ErrEntry = errors.New("not a cache entry")

// Append appends the binary form of e to dst and returns it. It keeps no reference
// to e. ParseEntry reads it back.
func (e *Entry) Append(dst []byte) []byte {
	facts := llm.Record{
		At: e.Stored, Stream: e.Stream, Status: e.Status,
		Attempts: []llm.Attempt{{Provider: e.Provider, Model: e.Model, Served: e.Served, Usage: e.Usage, Cost: e.Cost}},
	}
	dst = append(dst, entryVersion)
	dst = binary.AppendVarint(dst, int64(e.TTL))
	dst = appendSized(dst, []byte(e.ContentType))
	dst = appendSized(dst, facts.Append(nil))
	return appendSized(dst, e.Body)
}

func appendSized(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// ParseEntry reads the binary form of an entry, and nothing but it. Its time comes
// back in UTC, its body lies in b. Every error wraps ErrEntry.
func ParseEntry(b []byte) (*Entry, error) {
	if len(b) == 0 || b[0] != entryVersion {
		return nil, fmt.Errorf("%w: unknown version", ErrEntry)
	}
	ttl, n := binary.Varint(b[1:])
	if n <= 0 {
		return nil, errCut
	}
	contentType, rest, err := cutSized(b[1+n:])
	if err != nil {
		return nil, err
	}
	facts, rest, err := cutSized(rest)
	if err != nil {
		return nil, err
	}
	body, rest, err := cutSized(rest)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%w: %d bytes too many", ErrEntry, len(rest))
	}
	e := &Entry{TTL: time.Duration(ttl), ContentType: string(contentType), Body: body}
	if err := e.setFacts(facts); err != nil {
		return nil, err
	}
	return e, nil
}

var errCut = fmt.Errorf("%w: cut or damaged", ErrEntry)

// cutSized returns the bytes whose length stands at the front of b, and what follows.
func cutSized(b []byte) (sized, rest []byte, err error) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return nil, nil, errCut
	}
	b = b[n:]
	return b[:size:size], b[size:], nil
}

func (e *Entry) setFacts(facts []byte) error {
	r, err := llm.ParseRecord(facts)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrEntry, err)
	}
	if len(r.Attempts) != 1 {
		return fmt.Errorf("%w: %d attempts", ErrEntry, len(r.Attempts))
	}
	a := &r.Attempts[0]
	e.Stored, e.Stream, e.Status = r.At, r.Stream, r.Status
	e.Provider, e.Model, e.Served, e.Usage, e.Cost = a.Provider, a.Model, a.Served, a.Usage, a.Cost
	return nil
}
