// Package rediscache shares cached replies between replicas through Redis, behind
// each process's own memory. What lies in Redis is sealed: it tells neither the
// tenant nor the reply, and only where it was put it can be read back.
package rediscache

import (
	"context"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/generic-corp/halfpenny/cache"
	"github.com/generic-corp/halfpenny/internal/breaker"
)

// timeout is how long a reply may be held up by one call to Redis.
const timeout = 100 * time.Millisecond

// DefaultMaxValue is the size in bytes of the largest value that is read or
// written where no other is given.
const DefaultMaxValue = cache.DefaultMaxEntry

// Options say where entries lie.
type Options struct {
	Client   redis.UniversalClient // with short timeouts of its own, and contexts obeyed; the caller closes it
	Prefix   string                // the installation's; every key begins with it
	Keyer    *cache.Keyer          // seals values; the same in all replicas
	Local    *cache.Memory         // asked first, and alone while Redis fails
	MaxValue int                   // bytes, sealed; 0: DefaultMaxValue
	Log      *slog.Logger
}

// Store is a cache.Store over Redis, with a Memory in front. When Redis fails,
// each replica goes on with its own memory and hardly a call waits. An entry that
// one replica puts anew is found by another once its own copy is no longer fresh,
// or was let go. It is safe for concurrent use.
type Store struct {
	o       Options
	timeout time.Duration   // of one call
	reads   breaker.Breaker // apart: a full or read-only Redis still answers
	writes  breaker.Breaker
}

var _ cache.Store = (*Store)(nil)

// New returns a Store. It does not connect yet.
func New(o Options) *Store {
	if o.MaxValue == 0 {
		o.MaxValue = DefaultMaxValue
	}
	return &Store{o: o, timeout: timeout}
}

// Get returns the fresh entry of a key, from memory or else from Redis.
func (s *Store) Get(ctx context.Context, key cache.Key) (*cache.Entry, bool) {
	if e, ok := s.o.Local.Get(ctx, key); ok {
		return e, true
	}
	e, ok := s.open(key, s.read(ctx, key))
	if !ok {
		return nil, false
	}
	s.o.Local.Put(ctx, key, e)
	return e, true
}

// Put keeps a copy of e in memory and in Redis, for which it may wait as long as
// one call may take.
func (s *Store) Put(ctx context.Context, key cache.Key, e *cache.Entry) {
	s.o.Local.Put(ctx, key, e)
	if !s.writes.Tries(time.Now()) {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	s.note(ctx, &s.writes, "write", s.write(bounded, key, e))
}

// write puts e, or where it cannot be kept removes what is there.
func (s *Store) write(ctx context.Context, key cache.Key, e *cache.Entry) error {
	if left := time.Until(e.Expires()); left > 0 && len(e.Body) <= s.o.MaxValue {
		if value := s.o.Keyer.Seal(key, e.Append(nil)); len(value) <= s.o.MaxValue {
			return s.o.Client.Set(ctx, s.name(key), value, left).Err()
		}
	}
	return s.o.Client.Del(ctx, s.name(key)).Err()
}

// read returns the value of a key, and of one that is too large only the beginning,
// which does not open; empty is a miss.
func (s *Store) read(ctx context.Context, key cache.Key) []byte {
	if !s.reads.Tries(time.Now()) {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	value, err := s.o.Client.GetRange(bounded, s.name(key), 0, int64(s.o.MaxValue)-1).Bytes()
	if redis.HasErrorPrefix(err, "WRONGTYPE") { // a foreign hand's, and no fault of Redis
		value, err = nil, nil
	}
	s.note(ctx, &s.reads, "read", err)
	if err != nil {
		return nil
	}
	return value
}

// open returns the fresh entry that value holds. Anything else is a miss: foreign
// or damaged values, and those under another secret or of another version.
func (s *Store) open(key cache.Key, value []byte) (*cache.Entry, bool) {
	if len(value) == 0 {
		return nil, false
	}
	text, ok := s.o.Keyer.Open(key, value)
	if !ok {
		return nil, false
	}
	e, err := cache.ParseEntry(text)
	if err != nil || !e.Fresh(time.Now()) {
		return nil, false
	}
	return e, true
}

func (s *Store) name(key cache.Key) string { return s.o.Prefix + "cache:" + key.String() }

// Degraded says what is wrong with Redis, as the last calls found it, or nothing: "".
func (s *Store) Degraded() string {
	switch {
	case s.reads.Failing():
		return "redis does not answer; replies are cached in each process"
	case s.writes.Failing():
		return "redis does not take replies; they are cached in each process"
	}
	return ""
}

// note tells the breaker how a call went, and the log when that is news. A caller
// that left says nothing of Redis.
func (s *Store) note(ctx context.Context, b *breaker.Breaker, what string, err error) {
	switch {
	case err == nil:
		if b.Succeeded() {
			s.o.Log.Info("the cache in redis works again", "call", what)
		}
	case ctx.Err() == nil:
		if b.Failed(time.Now()) {
			s.o.Log.Error("the cache in redis fails; replies are cached in each process", "call", what, "error", err)
		}
	}
}
