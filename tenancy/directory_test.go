package tenancy_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/generic-corp/halfpenny/tenancy"
	"github.com/generic-corp/halfpenny/tenancy/tenancytest"
)

var pepper = []byte("a pepper for tests")

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

type house struct {
	*testing.T
	store     *tenancytest.Store
	admin     *tenancy.Admin
	directory *tenancy.Directory
	owner     string
}

// newHouse has one tenant, acme, whose owner key is in owner.
func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{T: t, store: &tenancytest.Store{}}
	h.admin = tenancy.NewAdmin(h.store, pepper, tenancy.Settings{PublicURL: "http://127.0.0.1:8080"}, quiet())
	h.directory = tenancy.NewDirectory(h.store, pepper, quiet())
	p, err := h.admin.Provision(t.Context(), "test", tenancy.ProvisionRequest{Slug: "acme", AdminEmail: "admin@acme.com"}, "")
	if err != nil {
		t.Fatal(err)
	}
	h.owner = p.APIKey
	return h
}

// wants checks what Authenticate says: a slug, or an error's code.
func (h *house) wants(credential, want string) {
	h.Helper()
	caller, err := h.directory.Authenticate(h.Context(), []byte(credential))
	var got string
	if err != nil {
		got = err.Code
	} else {
		got = caller.Tenant.Slug
	}
	if got != want {
		h.Errorf("%.24s…: got %s (%v), want %s", credential, got, err, want)
	}
}

func (h *house) newKey(r tenancy.KeyRequest) (id, credential string) {
	h.Helper()
	k, credential, err := h.admin.CreateKey(h.Context(), "test", "acme", r)
	if err != nil {
		h.Fatal(err)
	}
	return k.ID, credential
}

func id(credential string) string { return strings.Split(credential, "_")[2] }

func TestAuthenticate(t *testing.T) {
	h := newHouse(t)
	h.wants(h.owner, "acme")
	h.wants(h.owner[:len(h.owner)-1]+"!", "invalid_api_key")
	last := "x"
	if strings.HasSuffix(h.owner, "x") {
		last = "y"
	}
	h.wants(h.owner[:len(h.owner)-1]+last, "invalid_api_key")
	h.wants(strings.Replace(h.owner, "gc_live_", "gc_test_", 1), "invalid_api_key")
	_, stranger := tenancy.MakeKey(false)
	h.wants(stranger, "invalid_api_key")
	h.wants("", "invalid_api_key")

	_, test := h.newKey(tenancy.KeyRequest{Test: true})
	h.wants(test, "acme")
}

// What the store said is asked for once, found or not.
func TestLookupsAreFew(t *testing.T) {
	h := newHouse(t)
	h.store.SetDelay(20 * time.Millisecond)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { h.wants(h.owner, "acme") })
	}
	wg.Wait()
	_, stranger := tenancy.MakeKey(false)
	for range 20 {
		wg.Go(func() { h.wants(stranger, "invalid_api_key") })
	}
	wg.Wait()
	h.wants(stranger, "invalid_api_key")
	if n := h.store.Lookups(); n != 2 {
		t.Errorf("%d lookups, want 2", n)
	}
}

// Whoever guesses ids must not be able to keep the database busy.
func TestGuessingIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		began := time.Now()
		var wg sync.WaitGroup
		for range 1600 {
			_, stranger := tenancy.MakeKey(false)
			wg.Go(func() { h.wants(stranger, "invalid_api_key") })
		}
		wg.Wait()
		if took := time.Since(began); took < 900*time.Millisecond {
			t.Errorf("1600 guesses took %v", took)
		}
	})
}

func TestSuspendedAndExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		_, expiring := h.newKey(tenancy.KeyRequest{ExpiresAt: time.Now().Add(time.Hour)})
		h.wants(expiring, "acme")
		time.Sleep(time.Hour)
		h.wants(expiring, "invalid_api_key")
		h.wants(h.owner, "acme")

		ctx, stop := context.WithCancel(t.Context())
		go h.directory.Run(ctx)
		if _, err := h.admin.Suspend(t.Context(), "test", "acme"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		h.wants(h.owner, "tenant_suspended")
		if _, err := h.admin.Resume(t.Context(), "test", "acme"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		h.wants(h.owner, "acme")
		stop()
	})
}

// A change is effective within a second, in both directions.
func TestChangesArriveWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		ctx, stop := context.WithCancel(t.Context())
		go h.directory.Run(ctx)
		keyID, credential := h.newKey(tenancy.KeyRequest{})
		h.wants(credential, "acme")
		if err := h.admin.RevokeKey(t.Context(), "test", "acme", keyID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		h.wants(credential, "invalid_api_key")

		next, rotated, err := h.admin.RotateKey(t.Context(), "test", "acme", id(h.owner), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		h.wants(h.owner, "acme")
		h.wants(rotated, "acme")
		time.Sleep(time.Minute)
		h.wants(h.owner, "invalid_api_key")
		h.wants(rotated, "acme")
		if next.Role != tenancy.RoleOwner {
			t.Errorf("the rotated key is a %s", next.Role)
		}
		stop()
	})
}

// While the database is down, what was known goes on serving, and what was not is
// a 503: a 401 would tell an app to throw its key away.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		ctx, stop := context.WithCancel(t.Context())
		go h.directory.Run(ctx)
		keyID, known := h.newKey(tenancy.KeyRequest{})
		_, unknown := h.newKey(tenancy.KeyRequest{})
		time.Sleep(time.Second)
		h.wants(known, "acme")
		h.store.SetDown(true)
		time.Sleep(10 * time.Second)
		if ok, since := h.directory.Healthy(); ok || time.Since(since) < 9*time.Second {
			t.Errorf("healthy %v since %v", ok, since)
		}
		h.wants(known, "acme")
		h.wants(unknown, "gateway_unavailable")
		h.store.SetDown(false)
		if err := h.admin.RevokeKey(t.Context(), "test", "acme", keyID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if ok, _ := h.directory.Healthy(); !ok {
			t.Error("still unhealthy")
		}
		h.wants(known, "invalid_api_key")
		h.wants(unknown, "acme")
		stop()
	})
}

// The epoch moved, and before the key was read again the database went away.
func TestStaleEntryServesWhenTheStoreIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		ctx, stop := context.WithCancel(t.Context())
		go h.directory.Run(ctx)
		time.Sleep(time.Second)
		h.wants(h.owner, "acme")
		h.newKey(tenancy.KeyRequest{}) // moves the epoch
		time.Sleep(250 * time.Millisecond)
		synctest.Wait()
		h.store.SetDown(true)
		h.wants(h.owner, "acme")
		h.store.SetDown(false)
		h.store.SetDelay(time.Hour) // answers to Epoch, hangs in Lookup
		began := time.Now()
		h.wants(h.owner, "acme")
		if took := time.Since(began); took > 600*time.Millisecond {
			t.Errorf("a stale key waited %v", took)
		}
		stop()
		time.Sleep(time.Hour)
	})
}

// However many unknown keys come, memory is bounded and forgotten ones are asked for again.
func TestNegativeEntriesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		_, stranger := tenancy.MakeKey(false)
		h.wants(stranger, "invalid_api_key")
		time.Sleep(4 * time.Second)
		h.wants(stranger, "invalid_api_key")
		if n := h.store.Lookups(); n != 1 {
			t.Errorf("%d lookups, want 1", n)
		}
		time.Sleep(2 * time.Second)
		h.wants(stranger, "invalid_api_key")
		if n := h.store.Lookups(); n != 2 {
			t.Errorf("%d lookups, want 2", n)
		}
		time.Sleep(time.Second)
	})
}

func TestMismatchIsAuditedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		caller, err := h.directory.Authenticate(t.Context(), []byte(h.owner))
		if err != nil {
			t.Fatal(err)
		}
		count := func() (n int) {
			synctest.Wait()
			for _, action := range h.store.Audited() {
				if action == "tenant.mismatch" {
					n++
				}
			}
			return n
		}
		for range 50 {
			h.directory.AuditMismatch(caller)
		}
		if n := count(); n != 1 {
			t.Errorf("%d audit events, want 1", n)
		}
		time.Sleep(time.Minute)
		h.directory.AuditMismatch(caller)
		if n := count(); n != 2 {
			t.Errorf("%d audit events, want 2", n)
		}
	})
}

func TestConcurrentUse(t *testing.T) {
	h := newHouse(t)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { h.directory.Run(ctx) })
	var keys []string
	for i := range 8 {
		_, credential := h.newKey(tenancy.KeyRequest{Name: fmt.Sprint(i)})
		keys = append(keys, credential)
	}
	until := time.Now().Add(600 * time.Millisecond)
	for _, credential := range keys {
		wg.Go(func() {
			for time.Now().Before(until) {
				h.wants(credential, "acme")
			}
		})
	}
	for time.Now().Before(until) {
		h.newKey(tenancy.KeyRequest{})
		time.Sleep(20 * time.Millisecond)
	}
	stop()
	wg.Wait()
}

func BenchmarkAuthenticate(b *testing.B) {
	store := &tenancytest.Store{}
	admin := tenancy.NewAdmin(store, pepper, tenancy.Settings{}, quiet())
	p, err := admin.Provision(b.Context(), "test", tenancy.ProvisionRequest{Slug: "acme", AdminEmail: "admin@acme.com"}, "")
	if err != nil {
		b.Fatal(err)
	}
	d := tenancy.NewDirectory(store, pepper, quiet())
	credential := []byte(p.APIKey)
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Authenticate(ctx, credential); err != nil {
			b.Fatal(err)
		}
	}
}
