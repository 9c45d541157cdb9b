package pricing

import (
	"encoding/binary"
	"sync"
)

// merger is the working memory of one count.
type merger struct {
	ends  [maxScan + 1]uint8 // scan: where each part starts
	ranks [maxScan + 1]uint32

	next, prev [maxPiece + 1]int16 // merge: linked list of the starts of parts
	linked     [maxPiece + 1]uint32
	heap       []uint64 // rank << 32 | start of the left part
}

var mergers = sync.Pool{New: func() any { return new(merger) }}

// maxScan is the length up to which looking for the lowest rank by a scan beats a heap.
const maxScan = 96

func (e *Encoding) pair(s []byte, i int) uint32 {
	return e.pairs[binary.LittleEndian.Uint16(s[i:])]
}

// scan merges the pair of lowest rank until none is left, looking through all
// pairs each time. s has 2 to maxScan bytes.
func (e *Encoding) scan(m *merger, s []byte) int {
	starts, ranks := m.ends[:len(s)+1], m.ranks[:len(s)]
	for i := range starts {
		starts[i] = uint8(i)
	}
	for i := range len(s) - 1 {
		ranks[i] = e.pair(s, i)
	}
	ranks[len(s)-1] = noRank
	parts := len(s)
	for {
		lowest, at := noRank, -1
		for i, r := range ranks[:parts] {
			if r < lowest {
				lowest, at = r, i
			}
		}
		if at < 0 {
			return parts
		}
		copy(starts[at+1:], starts[at+2:parts+1])
		copy(ranks[at+1:], ranks[at+2:parts])
		parts--
		ranks[at] = e.joined(s, starts[:parts+1], at)
		if at > 0 {
			ranks[at-1] = e.joined(s, starts[:parts+1], at-1)
		}
	}
}

// joined is the rank of part i and the one behind it together.
func (e *Encoding) joined(s []byte, starts []uint8, i int) uint32 {
	if i+2 >= len(starts) {
		return noRank
	}
	return e.rank(s[starts[i]:starts[i+2]])
}

// merge does what scan does with a heap of pairs: n log n for a piece of n bytes,
// which maxPiece bounds. A pair that was overtaken by another merge is known by
// its rank, which is no longer that of its left part.
func (e *Encoding) merge(m *merger, s []byte) int {
	n := len(s)
	m.heap = m.heap[:0]
	for i := range n + 1 {
		m.next[i], m.prev[i], m.linked[i] = int16(i+1), int16(i-1), noRank
		if i < n-1 {
			m.linked[i] = e.pair(s, i)
			m.push(i)
		}
	}
	parts := n
	for len(m.heap) > 0 {
		top := m.pop()
		left := int(uint32(top))
		if m.linked[left] != uint32(top>>32) {
			continue
		}
		right := m.next[left]
		m.next[left] = m.next[right]
		if int(m.next[left]) <= n {
			m.prev[m.next[left]] = int16(left)
		}
		m.linked[right] = noRank
		parts--
		e.relink(m, s, left)
		if m.prev[left] >= 0 {
			e.relink(m, s, int(m.prev[left]))
		}
	}
	return parts
}

// relink ranks the pair whose left part starts at i anew.
func (e *Encoding) relink(m *merger, s []byte, i int) {
	m.linked[i] = noRank
	if right := int(m.next[i]); right < len(s) {
		m.linked[i] = e.rank(s[i:m.next[right]])
		m.push(i)
	}
}

// push puts the pair whose left part starts at i on the heap, if it can be merged.
func (m *merger) push(i int) {
	if m.linked[i] == noRank {
		return
	}
	m.heap = append(m.heap, uint64(m.linked[i])<<32|uint64(i))
	h := m.heap
	for c := len(h) - 1; c > 0; {
		p := (c - 1) / 2
		if h[p] <= h[c] {
			break
		}
		h[p], h[c] = h[c], h[p]
		c = p
	}
}

// pop takes the pair of lowest rank, the leftmost of equals.
func (m *merger) pop() uint64 {
	h := m.heap
	top, last := h[0], len(h)-1
	h[0] = h[last]
	h = h[:last]
	m.heap = h
	for p := 0; ; {
		c := 2*p + 1
		if c >= len(h) {
			return top
		}
		if c+1 < len(h) && h[c+1] < h[c] {
			c++
		}
		if h[p] <= h[c] {
			return top
		}
		h[p], h[c] = h[c], h[p]
		p = c
	}
}
