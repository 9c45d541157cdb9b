package cache

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
)

// Key identifies a request of one tenant. It says nothing of either: without the
// installation's secret it can be neither made nor checked against a guess.
type Key [sha256.Size]byte

// String returns the key as 43 characters of base64url.
func (k Key) String() string { return base64.RawURLEncoding.EncodeToString(k[:]) }

// What keys are derived for. A new version of either makes all that was kept unreachable.
const (
	forKeys   = "halfpenny cache key v1"
	forValues = "halfpenny cache value v1"
)

// Keyer makes keys, and seals what leaves the process. It is safe for concurrent use.
type Keyer struct{ root []byte }

// NewKeyer returns a Keyer under the installation's secret, which all replicas
// share and which is not empty. The secret may serve other purposes too.
func NewKeyer(secret []byte) *Keyer {
	if len(secret) == 0 {
		panic("BUG: cache.NewKeyer without a secret")
	}
	root, err := hkdf.Extract(sha256.New, secret, nil)
	if err != nil {
		panic(fmt.Sprintf("BUG: cannot derive from the cache's secret: %v", err))
	}
	return &Keyer{root: root}
}

// Key returns the key of a request: HMAC-SHA-256 under the tenant's own key over
// the tenant and all parts, each with its length before it. Parts are whatever
// decides the reply (dialect, endpoint, model, body), always in the same order.
func (k *Keyer) Key(tenantID string, parts ...[]byte) Key {
	mac := hmac.New(sha256.New, k.derive(forKeys, tenantID))
	writeSized(mac, []byte(tenantID))
	for _, p := range parts {
		writeSized(mac, p)
	}
	var key Key
	mac.Sum(key[:0])
	return key
}

// writeSized writes 8 bytes of length and then b, so that no two lists of parts
// read the same.
func writeSized(w io.Writer, b []byte) {
	var size [8]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(b)))
	_, _ = w.Write(size[:]) // a hash takes everything
	_, _ = w.Write(b)
}

// derive returns 32 bytes for one purpose and one subject (HKDF-SHA-256, RFC 5869).
func (k *Keyer) derive(purpose, subject string) []byte {
	b, err := hkdf.Expand(sha256.New, k.root, purpose+"\x00"+subject, sha256.Size)
	if err != nil {
		panic(fmt.Sprintf("BUG: cannot derive from the cache's secret: %v", err))
	}
	return b
}

// Seal encrypts and authenticates text (AES-256-GCM) under a key of this entry's
// own, bound to the entry's key. It keeps no reference to text.
func (k *Keyer) Seal(key Key, text []byte) []byte {
	return k.aead(key).Seal(nil, nil, text, key[:]) //nolint:gosec // G407: this AEAD draws its nonces itself and takes none
}

// Open returns the text that Seal was given for key; ok is false for anything
// else. It does not change sealed and keeps no reference to it.
func (k *Keyer) Open(key Key, sealed []byte) (text []byte, ok bool) {
	text, err := k.aead(key).Open(nil, nil, sealed, key[:])
	return text, err == nil
}

// aead returns the cipher of an entry. It draws a nonce for each text and puts it
// in front.
func (k *Keyer) aead(key Key) cipher.AEAD {
	block, err := aes.NewCipher(k.derive(forValues, string(key[:])))
	if err == nil {
		var aead cipher.AEAD
		if aead, err = cipher.NewGCMWithRandomNonce(block); err == nil {
			return aead
		}
	}
	panic(fmt.Sprintf("BUG: cannot use a derived key: %v", err))
}
