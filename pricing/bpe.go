package pricing

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strconv"
	"sync"

	"github.com/pkoukk/tiktoken-go-loader/assets"
)

// Encoding counts the tokens of one of OpenAI's tokenizers. It is safe for
// concurrent use, and holds about 7 MB (o200k_base) or 4 MB (cl100k_base).
type Encoding struct {
	split    splitter
	slots    []slot   // a power of two; open addressing, linear probing
	pairs    []uint32 // rank of every pair of bytes
	tokens   []byte   // all tokens, one behind the other
	offsets  []uint32 // token of rank r: tokens[offsets[r]:offsets[r+1]]
	maxToken int      // bytes of the longest token
}

// slot is one entry of the hash table. tag is the upper half of the hash.
type slot struct {
	tag  uint32
	rank uint32
}

const noRank = ^uint32(0)

// The encodings. The first call builds it, which takes some tens of milliseconds;
// call it in the background at start if it will be needed.
var (
	// O200k returns o200k_base: OpenAI's models from gpt-4o on.
	O200k = embedded("o200k_base", false)
	// Cl100k returns cl100k_base: gpt-4, gpt-3.5 and the embedding models.
	Cl100k = embedded("cl100k_base", true)
)

// embedded returns a function that builds an encoding once.
func embedded(name string, plain bool) func() *Encoding {
	return sync.OnceValue(func() *Encoding {
		ranks, err := assets.Assets.ReadFile(name + ".tiktoken")
		if err != nil {
			panic(fmt.Sprintf("BUG: the embedded ranks are missing: %v", err))
		}
		e, err := newEncoding(ranks, plain)
		if err != nil {
			panic(fmt.Sprintf("BUG: %v", err))
		}
		return e
	})
}

// newEncoding reads ranks as tiktoken has them: a line "base64-token rank" for
// each token, by ascending rank.
func newEncoding(ranks []byte, plain bool) (*Encoding, error) {
	lines := bytes.Count(ranks, []byte{'\n'}) + 1
	e := &Encoding{
		split:   splitter{classes: classes(), plain: plain},
		slots:   make([]slot, 1<<bits.Len(uint(2*lines))), // up to half full
		pairs:   make([]uint32, 1<<16),
		tokens:  make([]byte, 0, len(ranks)/2),
		offsets: make([]uint32, 1, lines+1),
	}
	for i := range e.slots {
		e.slots[i].rank = noRank
	}
	for i := range e.pairs {
		e.pairs[i] = noRank
	}
	for len(ranks) > 0 {
		line, rest, _ := bytes.Cut(ranks, []byte{'\n'})
		if err := e.add(line); err != nil {
			return nil, err
		}
		ranks = rest
	}
	return e, nil
}

// add reads one line of ranks.
func (e *Encoding) add(line []byte) error {
	encoded, number, ok := bytes.Cut(line, []byte{' '})
	rank, err := strconv.Atoi(string(number))
	if !ok || err != nil || rank < len(e.offsets)-1 || rank >= len(e.slots) {
		return fmt.Errorf("cannot read ranks: line %q", line)
	}
	for len(e.offsets)-1 < rank { // a rank that is not used has an empty token
		e.offsets = append(e.offsets, uint32(len(e.tokens)))
	}
	start := len(e.tokens)
	e.tokens, err = base64.StdEncoding.AppendDecode(e.tokens, encoded)
	if err != nil {
		return fmt.Errorf("cannot read ranks: line %q: %w", line, err)
	}
	e.offsets = append(e.offsets, uint32(len(e.tokens)))
	e.insert(e.tokens[start:], uint32(rank))
	return nil
}

func (e *Encoding) insert(token []byte, rank uint32) {
	e.maxToken = max(e.maxToken, len(token))
	if len(token) == 2 {
		e.pairs[binary.LittleEndian.Uint16(token)] = rank
	}
	h := hash(token)
	mask := uint64(len(e.slots) - 1)
	i := h & mask
	for e.slots[i].rank != noRank {
		i = (i + 1) & mask
	}
	e.slots[i] = slot{tag: uint32(h >> 32), rank: rank}
}

// rank returns the rank of a token, or noRank.
func (e *Encoding) rank(token []byte) uint32 {
	if len(token) > e.maxToken {
		return noRank
	}
	h := hash(token)
	tag, mask := uint32(h>>32), uint64(len(e.slots)-1)
	for i := h & mask; ; i = (i + 1) & mask {
		s := e.slots[i]
		if s.rank == noRank {
			return noRank
		}
		if s.tag == tag && bytes.Equal(e.tokens[e.offsets[s.rank]:e.offsets[s.rank+1]], token) {
			return s.rank
		}
	}
}

// hash mixes 8 bytes at a time.
func hash(b []byte) uint64 {
	const k = 0x9E3779B97F4A7C15
	h := uint64(len(b)) * k
	for len(b) >= 8 {
		h = (h ^ binary.LittleEndian.Uint64(b)) * k
		h ^= h >> 32
		b = b[8:]
	}
	switch n := len(b); {
	case n >= 4:
		h ^= uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint32(b[n-4:]))<<32
	case n > 0:
		h ^= uint64(b[0]) | uint64(b[n/2])<<8 | uint64(b[n-1])<<16
	}
	h *= k
	h ^= h >> 29
	h *= 0xBF58476D1CE4E5B9
	return h ^ h>>32
}

// maxPiece bounds the pieces that are merged as one, so that the time is linear
// in the text. Only runs of letters, symbols or blanks without any break are
// longer; each cut may count one token more.
const maxPiece = 4096

// Count returns the number of tokens of a text: exactly what tiktoken counts in
// valid UTF-8 whose pieces (words, numbers, blanks) are at most 4 KB long.
func (e *Encoding) Count(text []byte) int {
	m := mergers.Get().(*merger)
	defer mergers.Put(m)
	return e.count(m, text)
}

func (e *Encoding) count(m *merger, text []byte) (tokens int) {
	for p := 0; p < len(text); {
		end := e.split.next(text, p)
		for ; end-p > maxPiece; p += maxPiece {
			tokens += e.piece(m, text[p:p+maxPiece])
		}
		tokens += e.piece(m, text[p:end])
		p = end
	}
	return tokens
}

// piece returns the number of tokens that one piece merges into.
func (e *Encoding) piece(m *merger, s []byte) int {
	switch {
	case len(s) == 1 || e.rank(s) != noRank:
		return 1
	case len(s) <= maxScan:
		return e.scan(m, s)
	}
	return e.merge(m, s)
}
