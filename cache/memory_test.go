package cache

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func keyOf(n int) Key {
	var k Key
	copy(k[:], fmt.Sprint(n))
	return k
}

func entryOf(stored time.Time, ttl time.Duration, body int) *Entry {
	return &Entry{Stored: stored, TTL: ttl, Body: make([]byte, body)}
}

// model is what Memory should do, written for clarity: the entries in the order of
// their use, the one used last at the end.
type model struct {
	maxBytes, maxEntry int64
	kept               []kept
}

type kept struct {
	key   Key
	entry *Entry
}

func (m *model) bytes() (n int64) {
	for _, k := range m.kept {
		n += k.entry.size()
	}
	return n
}

func (m *model) take(key Key) (k kept, ok bool) {
	i := slices.IndexFunc(m.kept, func(k kept) bool { return k.key == key })
	if i < 0 {
		return kept{}, false
	}
	k = m.kept[i]
	m.kept = slices.Delete(m.kept, i, i+1)
	return k, true
}

func (m *model) get(key Key, now time.Time) *Entry {
	k, ok := m.take(key)
	if !ok || !k.entry.Fresh(now) {
		return nil
	}
	m.kept = append(m.kept, k)
	return k.entry
}

func (m *model) put(key Key, e *Entry, now time.Time) {
	m.take(key)
	if e.size() > m.maxEntry || e.size() > m.maxBytes || !e.Fresh(now) {
		return
	}
	for m.bytes()+e.size() > m.maxBytes {
		m.kept = m.kept[1:]
	}
	m.kept = append(m.kept, kept{key, e})
}

// inOrder returns the keys in m, the one used longest ago first.
func (m *Memory) inOrder() (keys []Key) {
	for at := m.used.Back(); at != nil; at = at.Prev() {
		keys = append(keys, at.Value.(*item).key)
	}
	return keys
}

// Over any run of calls Memory does what the model does: the bound holds, nothing
// is served after its time, and those used longest ago leave first.
func TestMemoryProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ctx, now := context.Background(), time.Unix(1_800_000_000, 0)
		o := MemoryOptions{MaxBytes: rapid.Int64Range(overhead, 8*overhead).Draw(t, "bound"), MaxEntry: rapid.Int64Range(overhead, 4*overhead).Draw(t, "entry")}
		want := &model{maxBytes: o.MaxBytes, maxEntry: o.MaxEntry}
		m := NewMemory(o)
		m.now = func() time.Time { return now }
		key := rapid.Map(rapid.IntRange(0, 9), keyOf)
		t.Repeat(map[string]func(*rapid.T){
			"get": func(t *rapid.T) {
				k := key.Draw(t, "key")
				got, ok := m.Get(ctx, k)
				e := want.get(k, now)
				if ok != (e != nil) || ok && (got.Served != e.Served || !got.Fresh(now)) {
					t.Fatalf("got %+v, %v; want %+v", got, ok, e)
				}
			},
			"put": func(t *rapid.T) {
				k, age := key.Draw(t, "key"), rapid.IntRange(0, 3).Draw(t, "age")
				e := entryOf(now.Add(-time.Duration(age)*time.Second), time.Duration(rapid.IntRange(0, 9).Draw(t, "ttl"))*time.Second,
					rapid.IntRange(0, 3*overhead).Draw(t, "body"))
				e.Served = rapid.StringN(0, 8, -1).Draw(t, "served")
				m.Put(ctx, k, e)
				want.put(k, e, now)
			},
			"wait": func(t *rapid.T) { now = now.Add(time.Duration(rapid.IntRange(0, 4).Draw(t, "seconds")) * time.Second) },
			"": func(t *rapid.T) {
				var keys []Key
				for _, k := range want.kept {
					keys = append(keys, k.key)
				}
				if got := m.inOrder(); !slices.Equal(got, keys) {
					t.Fatalf("order %q, want %q", got, keys)
				}
				entries, bytes := m.Size()
				if entries != len(keys) || bytes != want.bytes() || bytes > o.MaxBytes {
					t.Fatalf("%d entries of %d bytes, want %d of %d, at most %d", entries, bytes, len(keys), want.bytes(), o.MaxBytes)
				}
			},
		})
	})
}

// Without options 64 MiB are kept, and no entry of more than 1 MiB.
func TestMemoryDefaults(t *testing.T) {
	ctx, now := t.Context(), time.Now()
	m := NewMemory(MemoryOptions{})
	f := func(body int, want bool) {
		t.Helper()
		m.Put(ctx, keyOf(0), entryOf(now, time.Hour, 1))
		m.Put(ctx, keyOf(0), entryOf(now, time.Hour, body))
		if e, ok := m.Get(ctx, keyOf(0)); ok != want || ok && len(e.Body) != body {
			t.Errorf("an entry of %d bytes is kept: %v", body, ok)
		}
	}
	f(1<<20-overhead, true)
	f(1<<20-overhead+1, false) // nor is the one before
	for i := range 100 {
		m.Put(ctx, keyOf(i), entryOf(now, time.Hour, 1<<20-overhead))
	}
	if entries, bytes := m.Size(); entries != 64 || bytes != 64<<20 {
		t.Errorf("%d entries, %d bytes", entries, bytes)
	}
	m = NewMemory(MemoryOptions{MaxBytes: 1000})
	f(1000-overhead, true)
	f(1000-overhead+1, false)
	m = NewMemory(MemoryOptions{MaxBytes: -1})
	f(0, false)
}

// The caller may go on using its buffers.
func TestMemoryCopies(t *testing.T) {
	m, e := NewMemory(MemoryOptions{}), sample()
	e.Stored = time.Now()
	m.Put(t.Context(), keyOf(1), e)
	clear(e.Body)
	e.Usage.Fees[0].Count = 7
	e.Status = 500
	got, ok := m.Get(t.Context(), keyOf(1))
	if !ok || !bytes.Equal(got.Body, sample().Body) || got.Usage.Fees[0].Count != 1 || got.Status != 200 {
		t.Errorf("got %+v, %v", got, ok)
	}
}

// The bytes that are counted are about those that the heap grows by, for the
// smallest entries as for large ones.
func TestMemoryIsCountedHonestly(t *testing.T) {
	heap := func() int64 {
		var s runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&s)
		return int64(s.HeapAlloc)
	}
	for _, body := range []int{0, 3000, 100_000} {
		m := NewMemory(MemoryOptions{MaxBytes: 16 << 20})
		e := entryOf(time.Now(), time.Hour, body)
		before := heap()
		for i := range 2 * (16 << 20) / e.size() { // twice as many as there is room for
			m.Put(context.Background(), keyOf(int(i)), e)
		}
		grown := heap() - before
		_, counted := m.Size()
		t.Logf("body of %d bytes: counted %d, heap %d", body, counted, grown)
		if counted < 15<<20 || grown > counted*5/4 {
			t.Errorf("body of %d bytes: counted %d, but the heap grew by %d", body, counted, grown)
		}
		runtime.KeepAlive(m)
	}
}

// Many may use one Memory; under the race detector this also shows that entries
// are not written after they are handed out.
func TestMemoryConcurrently(t *testing.T) {
	m := NewMemory(MemoryOptions{MaxBytes: 20 * overhead})
	ctx, now := context.Background(), time.Now()
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 2000 {
				n := (i*7 + worker) % 40
				if e, ok := m.Get(ctx, keyOf(n)); ok && (e.Served != fmt.Sprint(n) || string(e.Body) != e.Served) {
					t.Errorf("key %d has %q, %q", n, e.Served, e.Body)
				}
				m.Put(ctx, keyOf(n), &Entry{Stored: now, TTL: time.Hour, Served: fmt.Sprint(n), Body: []byte(fmt.Sprint(n))})
				if _, bytes := m.Size(); bytes > 20*overhead {
					t.Errorf("%d bytes", bytes)
				}
			}
		})
	}
	wg.Wait()
	if entries, _ := m.Size(); entries == 0 || entries != len(m.inOrder()) {
		t.Errorf("%d entries, %d in order", entries, len(m.inOrder()))
	}
}

func BenchmarkMemoryGet(b *testing.B) {
	ctx := context.Background()
	full := func() *Memory {
		m := NewMemory(MemoryOptions{})
		for i := range 10_000 {
			m.Put(ctx, keyOf(i), entryOf(time.Now(), time.Hour, 4<<10))
		}
		return m
	}
	b.Run("hit", func(b *testing.B) {
		m, k := full(), keyOf(5000)
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := m.Get(ctx, k); !ok {
				b.Fatal("a miss")
			}
		}
	})
	b.Run("miss", func(b *testing.B) {
		m, k := full(), keyOf(-1)
		b.ReportAllocs()
		for b.Loop() {
			m.Get(ctx, k)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		m, k := full(), keyOf(5000)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				m.Get(ctx, k)
			}
		})
	})
}
