package cache

import (
	"cmp"
	"container/list"
	"context"
	"sync"
	"time"
)

// The bounds of a Memory where none are given, in bytes.
const (
	DefaultMaxBytes = 64 << 20
	DefaultMaxEntry = 1 << 20
)

// MemoryOptions bound a Memory. Zero stands for the default.
type MemoryOptions struct {
	MaxBytes int64 // that all entries may occupy together
	MaxEntry int64 // that one entry may occupy; a larger one is not kept
}

// Memory is a Store in the process: the entries used last, up to a bound in bytes.
// It is safe for concurrent use; Get and Put take constant time beside the copy
// that Put makes. Entries that are no longer fresh leave when they are asked for,
// or as others do.
type Memory struct {
	maxBytes, maxEntry int64
	now                func() time.Time

	mu    sync.Mutex
	items map[Key]*list.Element // of *item
	used  list.List             // front: used last
	bytes int64
}

var _ Store = (*Memory)(nil)

type item struct {
	key   Key
	entry *Entry
	size  int64
}

// NewMemory returns an empty Memory.
func NewMemory(o MemoryOptions) *Memory {
	maxBytes := cmp.Or(o.MaxBytes, DefaultMaxBytes)
	return &Memory{
		maxBytes: maxBytes, maxEntry: min(cmp.Or(o.MaxEntry, DefaultMaxEntry), maxBytes),
		now: time.Now, items: make(map[Key]*list.Element),
	}
}

// Get returns the fresh entry of a key. It allocates nothing.
func (m *Memory) Get(_ context.Context, key Key) (*Entry, bool) {
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	at, ok := m.items[key]
	if !ok {
		return nil, false
	}
	e := at.Value.(*item).entry
	if !e.Fresh(now) {
		m.remove(at)
		return nil, false
	}
	m.used.MoveToFront(at)
	return e, true
}

// Put keeps a copy of e, and lets go of those used longest ago until there is room.
func (m *Memory) Put(_ context.Context, key Key, e *Entry) {
	var add *item
	if size := e.size(); size <= m.maxEntry && e.Fresh(m.now()) {
		add = &item{key: key, entry: e.clone(), size: size}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if at, ok := m.items[key]; ok {
		m.remove(at)
	}
	if add == nil {
		return
	}
	for m.bytes+add.size > m.maxBytes {
		m.remove(m.used.Back())
	}
	m.items[key] = m.used.PushFront(add)
	m.bytes += add.size
}

func (m *Memory) remove(at *list.Element) {
	it := m.used.Remove(at).(*item)
	delete(m.items, it.key)
	m.bytes -= it.size
}

// Size returns how many entries there are and how many bytes they occupy.
func (m *Memory) Size() (entries int, bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.items), m.bytes
}
