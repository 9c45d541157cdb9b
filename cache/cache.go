// Package cache keeps whole replies for exact repeats of a request, each tenant's
// apart by construction: an entry is found only by a Key, and a Key is made under
// a secret of the tenant's own.
package cache

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/generic-corp/halfpenny/llm"
)

// Entry is a whole reply as it went down. One that came out of a Store is shared:
// it is read and never changed.
type Entry struct {
	Stored time.Time     // when the reply ended
	TTL    time.Duration // how long from then it may be served again

	Status      int    // HTTP status
	ContentType string // of Body
	Stream      bool   // Body is server-sent events
	Body        []byte

	Provider string        // the account's name in the configuration
	Model    string        // the catalogue's id
	Served   string        // the model name that the provider's answer carries
	Usage    llm.Usage     // of the call that made the reply
	Cost     llm.NullMoney // of that call: what a hit saves
}

// Expires returns the moment from which the entry is served no more.
func (e *Entry) Expires() time.Time { return e.Stored.Add(e.TTL) }

// Fresh reports whether the entry may still be served.
func (e *Entry) Fresh(now time.Time) bool { return now.Before(e.Expires()) }

// Age returns how long ago the reply ended. It is never negative, although another
// replica's clock may be ahead.
func (e *Entry) Age(now time.Time) time.Duration { return max(0, now.Sub(e.Stored)) }

// Store keeps entries for as long as they are fresh, or for less. It never fails:
// what cannot be read is a miss, what cannot be kept is forgotten.
type Store interface {
	// Get returns the fresh entry of a key, to be read only.
	Get(ctx context.Context, key Key) (*Entry, bool)
	// Put keeps a copy of e in place of what the key had. If it cannot keep e, for
	// its size or because it is not fresh, the key has nothing afterwards.
	Put(ctx context.Context, key Key, e *Entry)
}

// overhead is what an entry without a byte of text occupies in Memory: the entry, its
// place in the map and in the list.
const overhead = 640

// feeOverhead is what a fee occupies beside its name.
const feeOverhead = 48

// size returns about how many bytes of memory e occupies.
func (e *Entry) size() int64 {
	n := overhead + len(e.Body) + len(e.ContentType) + len(e.Provider) + len(e.Model) + len(e.Served)
	for i := range e.Usage.Fees {
		n += feeOverhead + len(e.Usage.Fees[i].Name)
	}
	return int64(n)
}

// clone returns a copy that shares nothing with e, so that neither a buffer that
// is used again nor a string out of a large reply lives on in a cache.
func (e *Entry) clone() *Entry {
	c := *e
	c.Body = bytes.Clone(e.Body)
	c.ContentType, c.Provider = strings.Clone(e.ContentType), strings.Clone(e.Provider)
	c.Model, c.Served = strings.Clone(e.Model), strings.Clone(e.Served)
	c.Usage.Fees = slices.Clone(e.Usage.Fees)
	for i := range c.Usage.Fees {
		c.Usage.Fees[i].Name = strings.Clone(c.Usage.Fees[i].Name)
	}
	return &c
}
