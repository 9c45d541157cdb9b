package cache

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func bytesOf(parts ...string) [][]byte {
	var all [][]byte
	for _, p := range parts {
		all = append(all, []byte(p))
	}
	return all
}

// A key binds the secret, the tenant and every part with its bounds.
func TestKeysDiffer(t *testing.T) {
	seen := map[Key]string{}
	f := func(secret, tenant string, parts ...string) {
		t.Helper()
		k := NewKeyer([]byte(secret))
		key := k.Key(tenant, bytesOf(parts...)...)
		what := strings.Join(append([]string{secret, tenant}, parts...), "|")
		if other, ok := seen[key]; ok {
			t.Errorf("%s has the key of %s", what, other)
		}
		seen[key] = what
		if again := NewKeyer([]byte(secret)).Key(tenant, bytesOf(parts...)...); again != key {
			t.Errorf("%s has two keys", what)
		}
	}
	f("s", "a", "openai", "chat", `{"model":"m"}`)
	f("s", "b", "openai", "chat", `{"model":"m"}`)
	f("S", "a", "openai", "chat", `{"model":"m"}`)
	f("s", "a", "openai", "chat", `{"model":"M"}`)
	f("s", "a", "openaichat", `{"model":"m"}`)
	f("s", "a", "openai", "", `chat{"model":"m"}`)
	f("s", "a", "openai", "chat", `{"model":"m"}`, "")
	f("s", "aopenai", "chat", `{"model":"m"}`)
	f("s", "a\x00openai", "chat", `{"model":"m"}`)
	f("s", "a")
	f("s", "")
	f("s", "", "")
	f("s", "", "a")
}

// Two tenants never meet, whatever they send; nor do two requests of one tenant.
func TestKeysOfAnyTwoRequestsDiffer(t *testing.T) {
	part := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 8, 'a'}), 0, 9) // what lengths are made of, and little else
	parts := rapid.SliceOfN(part, 0, 3)
	tenant := rapid.StringOfN(rapid.RuneFrom([]rune("\x00\x01\x08a")), 0, 3, -1)
	k := NewKeyer([]byte("secret"))
	rapid.Check(t, func(t *rapid.T) {
		a, b := tenant.Draw(t, "a"), tenant.Draw(t, "b")
		p, q := parts.Draw(t, "p"), parts.Draw(t, "q")
		same := a == b && slices.EqualFunc(p, q, bytes.Equal)
		if (k.Key(a, p...) == k.Key(b, q...)) != same {
			t.Fatalf("%q %q and %q %q", a, p, b, q)
		}
	})
}

// The form of keys is part of what is stored: one that changes by accident empties
// every cache. RFC 5869 by hand, on the plain HMAC.
func TestKeyIsWhatItIsSaidToBe(t *testing.T) {
	mac := func(key []byte, text string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	root := mac(make([]byte, sha256.Size), "secret")
	tenant := mac(root, "halfpenny cache key v1\x00a\x01")
	want := mac(tenant, "\x00\x00\x00\x00\x00\x00\x00\x01a"+"\x00\x00\x00\x00\x00\x00\x00\x02{}")
	got := NewKeyer([]byte("secret")).Key("a", []byte("{}"))
	if !bytes.Equal(got[:], want) {
		t.Errorf("got %x, want %s", got, hex.EncodeToString(want))
	}
	if s := got.String(); len(s) != 43 || strings.ContainsAny(s, "+/= \n") {
		t.Errorf("the key reads %q", s)
	}
}

// What is sealed for one key is nothing for another, under another secret, or changed in any bit.
func TestSeal(t *testing.T) {
	k := NewKeyer([]byte("secret"))
	key, text := k.Key("a", []byte("x")), []byte("the answer")
	sealed := k.Seal(key, text)
	if got, ok := k.Open(key, sealed); !ok || !bytes.Equal(got, text) {
		t.Fatalf("got %q, %v", got, ok)
	}
	if got, ok := NewKeyer([]byte("secret")).Open(key, sealed); !ok || !bytes.Equal(got, text) {
		t.Errorf("another replica got %q, %v", got, ok)
	}
	f := func(what string, k *Keyer, key Key, sealed []byte) {
		t.Helper()
		if got, ok := k.Open(key, sealed); ok || got != nil {
			t.Errorf("%s: got %q, %v", what, got, ok)
		}
	}
	f("another tenant's key", k, k.Key("b", []byte("x")), sealed)
	f("another secret", NewKeyer([]byte("Secret")), key, sealed)
	f("nothing", k, key, nil)
	f("the text itself", k, key, text)
	if _, err := k.aead(key).Open(nil, nil, sealed, nil); err == nil {
		t.Error("the key is not bound as additional data")
	}
	for i := range sealed {
		f("cut", k, key, sealed[:i])
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		f("changed", k, key, changed)
	}
	if bytes.Contains(sealed, text) || bytes.Equal(sealed, k.Seal(key, text)) {
		t.Error("the text shows, or its repetition does")
	}
}

func TestNewKeyerWithoutSecret(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no secret is a secret")
		}
	}()
	NewKeyer(nil)
}

func BenchmarkKey(b *testing.B) {
	k := NewKeyer([]byte("secret"))
	body := make([]byte, 4<<10)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		k.Key("0199b3a1-0000-7000-8000-000000000000", []byte("openai"), []byte("chat"), body)
	}
}
