package tenancy

import (
	"crypto/hmac"
	"crypto/sha256"
	"strings"
	"testing"
)

func TestParseKey(t *testing.T) {
	id, secret := strings.Repeat("a", 12), strings.Repeat("B", 32)
	f := func(credential string, ok bool) {
		t.Helper()
		if _, got := ParseKey([]byte(credential)); got != ok {
			t.Errorf("%q: ok %v", credential, got)
		}
	}
	f("gc_live_"+id+"_"+secret, true)
	f("gc_test_"+id+"_"+secret, true)
	f("gc_live_"+strings.Repeat("a", 32)+"_"+strings.Repeat("9", 64), true)
	f("", false)
	f("gc_live_", false)
	f("gc_prod_"+id+"_"+secret, false)
	f("GC_LIVE_"+id+"_"+secret, false)
	f("gc_live_"+id[1:]+"_"+secret, false)
	f("gc_live_"+id+"_"+secret[1:], false)
	f("gc_live_"+id+secret, false)
	f("gc_live_"+id+"_"+secret+"_", false)
	f("gc_live_"+id+"_"+secret+" ", false)
	f("gc_live_"+id+"_"+strings.Repeat("9", 65), false)
	f("gc_live_"+strings.Repeat("a", 33)+"_"+secret, false)
	f("gc_live_aaaaaaaaaaaä_"+secret, false)
	f("sk-proj-abc", false)
}

func TestMadeKeysParse(t *testing.T) {
	seen := map[string]bool{}
	for i := range 500 {
		id, credential := MakeKey(i%2 == 1)
		k, ok := ParseKey([]byte(credential))
		if !ok || string(k.ID) != id || k.Test != (i%2 == 1) || len(k.Secret) < 32 || seen[id] || seen[string(k.Secret)] {
			t.Fatalf("%s: %+v, %v", credential, k, ok)
		}
		seen[id], seen[string(k.Secret)] = true, true
	}
}

func TestHasherIsHMAC(t *testing.T) {
	pepper, secret := []byte("pepper"), []byte("secret")
	mac := hmac.New(sha256.New, pepper)
	mac.Write(secret)
	want := mac.Sum(nil)
	h := NewHasher(pepper)
	pepper[0] = 'X' // the hasher has its own copy
	for range 3 {
		if !hmac.Equal(h.Hash(secret), want) || !h.Matches(secret, want) {
			t.Fatal("the hash is not the HMAC-SHA-256")
		}
	}
	if h.Matches([]byte("secret2"), want) || h.Matches(secret, want[:31]) || h.Matches(secret, nil) {
		t.Error("a wrong secret or hash matches")
	}
	if _, ok := h.HashOf("nonsense"); ok {
		t.Error("a malformed credential has a hash")
	}
}

func FuzzParseKey(f *testing.F) {
	_, credential := MakeKey(false)
	f.Add([]byte(credential))
	f.Add([]byte("gc_test__"))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, ok := ParseKey(b)
		if !ok {
			return
		}
		prefix := livePrefix
		if k.Test {
			prefix = testPrefix
		}
		if prefix+string(k.ID)+"_"+string(k.Secret) != string(b) {
			t.Errorf("%q does not come back from %+v", b, k)
		}
	})
}
