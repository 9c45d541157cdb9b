package pricing

import "sync"

// memo remembers what was found for the keys that were asked for last, in bounded
// space: when a generation is full it becomes the former one, whose place the next
// one takes. The zero value is ready, and safe for concurrent use.
type memo[K comparable, V any] struct {
	mu            sync.RWMutex
	young, former map[K]V
}

// maxMemo is the size of a generation.
const maxMemo = 2048

func (m *memo[K, V]) get(key K) (V, bool) {
	m.mu.RLock()
	v, ok := m.young[key]
	if ok {
		m.mu.RUnlock()
		return v, true
	}
	v, ok = m.former[key]
	m.mu.RUnlock()
	if ok {
		m.put(key, v)
	}
	return v, ok
}

func (m *memo[K, V]) put(key K, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.young == nil || len(m.young) >= maxMemo {
		m.young, m.former = make(map[K]V), m.young
	}
	m.young[key] = v
}
