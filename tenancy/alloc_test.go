//go:build !race

package tenancy_test

import (
	"context"
	"testing"

	"github.com/generic-corp/halfpenny/tenancy"
)

// Every request passes here, so none of it may cost an allocation.
func TestHotPathDoesNotAllocate(t *testing.T) {
	h := newHouse(t)
	ctx, credential := context.Background(), []byte(h.owner)
	f := func(what string, do func()) {
		t.Helper()
		do()
		if n := testing.AllocsPerRun(200, do); n != 0 {
			t.Errorf("%s: %v allocations", what, n)
		}
	}
	f("Authenticate", func() { _, _ = h.directory.Authenticate(ctx, credential) })
	header := []byte("Bearer " + h.owner)
	f("Credential", func() { _, _ = tenancy.Credential(tenancy.Credentials{Authorization: header, XAPIKey: credential}) })
	caller, _ := h.directory.Authenticate(ctx, credential)
	f("CheckContext", func() { _ = tenancy.CheckContext(caller, "acme.app.example.com:443", "acme", "app.example.com") })
	limiter := tenancy.NewLimiter()
	f("Take", func() { _, _ = limiter.Take(ctx, "tenant", 10) })
}
