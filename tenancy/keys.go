package tenancy

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"hash"
	"sync"
)

const (
	livePrefix  = "gc_live_"
	testPrefix  = "gc_test_"
	idLength    = 16
	minID       = 12
	maxID       = 32
	secretLen   = 40 // 238 bits
	minSecret   = 32
	maxSecret   = 64
	base62Chars = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// ParsedKey is an API key taken apart; its slices lie in the credential.
type ParsedKey struct {
	ID     []byte
	Secret []byte
	Test   bool
}

// ParseKey takes gc_live_<id>_<secret> or gc_test_<id>_<secret> apart. It looks
// at the shape only and does not allocate.
func ParseKey(credential []byte) (k ParsedKey, ok bool) {
	rest, live := bytes.CutPrefix(credential, []byte(livePrefix))
	if !live {
		if rest, k.Test = bytes.CutPrefix(credential, []byte(testPrefix)); !k.Test {
			return ParsedKey{}, false
		}
	}
	split := bytes.IndexByte(rest, '_')
	if split < minID || split > maxID {
		return ParsedKey{}, false
	}
	k.ID, k.Secret = rest[:split], rest[split+1:]
	if len(k.Secret) < minSecret || len(k.Secret) > maxSecret || !base62(k.ID) || !base62(k.Secret) {
		return ParsedKey{}, false
	}
	return k, true
}

func base62(b []byte) bool {
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// MakeKey returns a fresh API key: its public id and the credential to show once.
func MakeKey(test bool) (id, credential string) {
	id = randomBase62(idLength)
	prefix := livePrefix
	if test {
		prefix = testPrefix
	}
	return id, prefix + id + "_" + randomBase62(secretLen)
}

// randomBase62 draws every character with equal chance: bytes that would favour
// some are thrown away.
func randomBase62(n int) string {
	const fair = 256 - 256%len(base62Chars)
	out := make([]byte, 0, n)
	var pool [64]byte
	for {
		_, _ = rand.Read(pool[:]) // never fails: it ends the process rather
		for _, b := range pool {
			if int(b) < fair {
				out = append(out, base62Chars[int(b)%len(base62Chars)])
			}
			if len(out) == n {
				return string(out)
			}
		}
	}
}

// Hasher computes HMAC-SHA-256 under the installation's pepper. It is safe for
// concurrent use.
type Hasher struct{ pool sync.Pool }

type macState struct {
	mac hash.Hash
	sum [sha256.Size]byte
}

// NewHasher returns a Hasher; pepper is copied.
func NewHasher(pepper []byte) *Hasher {
	own := bytes.Clone(pepper)
	return &Hasher{pool: sync.Pool{New: func() any { return &macState{mac: hmac.New(sha256.New, own)} }}}
}

// Hash returns the HMAC-SHA-256 of secret, as Key.Hash holds it.
func (h *Hasher) Hash(secret []byte) []byte {
	s := h.compute(secret)
	defer h.pool.Put(s)
	return bytes.Clone(s.sum[:])
}

// Matches reports, in constant time, whether hash is secret's. It does not allocate.
func (h *Hasher) Matches(secret, hash []byte) bool {
	s := h.compute(secret)
	defer h.pool.Put(s)
	return subtle.ConstantTimeCompare(s.sum[:], hash) == 1
}

func (h *Hasher) compute(secret []byte) *macState {
	s := h.pool.Get().(*macState)
	s.mac.Reset()
	s.mac.Write(secret)
	s.mac.Sum(s.sum[:0])
	return s
}

// HashOf returns the HMAC-SHA-256 of a credential's secret; ok is false where the
// credential is malformed.
func (h *Hasher) HashOf(credential string) (hash []byte, ok bool) {
	k, ok := ParseKey([]byte(credential))
	if !ok {
		return nil, false
	}
	return h.Hash(k.Secret), true
}
