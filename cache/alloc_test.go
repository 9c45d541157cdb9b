//go:build !race

package cache

import (
	"testing"
	"time"
)

// A hit costs no allocation, nor does a miss.
func TestGetDoesNotAllocate(t *testing.T) {
	m, ctx := NewMemory(MemoryOptions{}), t.Context()
	m.Put(ctx, keyOf(1), entryOf(time.Now(), time.Hour, 1000))
	hit, miss := keyOf(1), keyOf(2)
	if n := testing.AllocsPerRun(100, func() { m.Get(ctx, hit); m.Get(ctx, miss) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
