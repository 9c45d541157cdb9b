package tenancy_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/tenancy"
	"github.com/generic-corp/halfpenny/tenancy/fields"
	"github.com/generic-corp/halfpenny/tenancy/tenancytest"
)

func TestProvision(t *testing.T) {
	store := &tenancytest.Store{}
	admin := tenancy.NewAdmin(store, pepper, tenancy.Settings{BaseDomain: "app.example.com", PublicURL: "https://app.example.com"}, quiet())
	r, err := tenancy.ParseProvision([]byte(`{"slug":"acme-corp","adminEmail":"admin@acme.com","planTier":"starter","maxMonthlySpend":100.00}`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := admin.Provision(t.Context(), "admin", r, "once")
	if err != nil {
		t.Fatal(err)
	}
	if p.Slug != "acme-corp" || p.SchemaName != "tenant_acme_corp" || p.Status != tenancy.StatusActive || p.DashboardURL != "https://acme-corp.app.example.com" || p.Replayed {
		t.Errorf("got %+v", p)
	}
	if p.RoutingMode != "optimize" || !strings.Contains(p.Note, "member") || !strings.Contains(p.Note, "x-halfpenny-route") {
		t.Errorf("mode %q, note %q", p.RoutingMode, p.Note)
	}
	_, err = admin.Provision(t.Context(), "admin", r, "")
	if !errors.Is(err, tenancy.ErrExists) {
		t.Errorf("a taken slug: %v", err)
	}
	again, err := admin.Provision(t.Context(), "admin", r, "once")
	if err != nil || !again.Replayed || again.TenantID != p.TenantID || again.APIKey == p.APIKey {
		t.Errorf("a repeated idempotency key: %+v, %v", again, err)
	}
	if want := []string{"tenant.create", "tenant.create.replay"}; !slices.Equal(store.Audited(), want) {
		t.Errorf("audited %v", store.Audited())
	}
	document, err := json.Marshal(p)
	if err != nil || strings.Contains(string(document), "Replayed") {
		t.Errorf("%s, %v", document, err)
	}
}

func TestDashboardURL(t *testing.T) {
	f := func(base, public, want string) {
		t.Helper()
		admin := tenancy.NewAdmin(&tenancytest.Store{}, pepper, tenancy.Settings{BaseDomain: base, PublicURL: public}, quiet())
		p, err := admin.Provision(t.Context(), "admin", tenancy.ProvisionRequest{Slug: "acme", AdminEmail: "a@b.c"}, "")
		if err != nil || p.DashboardURL != want {
			t.Errorf("got %s, %v; want %s", p.DashboardURL, err, want)
		}
	}
	f("", "http://127.0.0.1:8080", "http://127.0.0.1:8080/app")
	f("", "https://gw.example.com/", "https://gw.example.com/app")
	f("app.example.com", "http://127.0.0.1:8080", "https://acme.app.example.com")
	f("app.example.com", "https://app.example.com:8443", "https://acme.app.example.com:8443")
}

func TestProvisionRefuses(t *testing.T) {
	admin := tenancy.NewAdmin(&tenancytest.Store{}, pepper, tenancy.Settings{}, quiet())
	f := func(document, field string) {
		t.Helper()
		r, err := tenancy.ParseProvision([]byte(document))
		if err == nil {
			_, err = admin.Provision(t.Context(), "admin", r, "")
		}
		var wrong *fields.Error
		var slug *tenancy.SlugError
		switch {
		case field == "slug" && errors.As(err, &slug):
		case errors.As(err, &wrong) && wrong.Field == field:
		default:
			t.Errorf("%s: got %v, want field %s", document, err, field)
		}
	}
	f(`{"adminEmail":"a@b.c"}`, "slug")
	f(`{"slug":7}`, "slug")
	f(`{"slug":"Acme","adminEmail":"a@b.c"}`, "slug")
	f(`{"slug":"admin","adminEmail":"a@b.c"}`, "slug")
	f(`{"slug":"acme"}`, "adminEmail")
	f(`{"slug":"acme","adminEmail":"nobody"}`, "adminEmail")
	f(`{"slug":"acme","adminEmail":"A <a@b.c>"}`, "adminEmail")
	f(`{"slug":"acme","adminEmail":"a@b.c","planTier":"gold"}`, "planTier")
	f(`{"slug":"acme","adminEmail":"a@b.c","maxMonthlySpend":"100"}`, "maxMonthlySpend")
	f(`{"slug":"acme","adminEmail":"a@b.c","maxMonthlySpend":1e10}`, "maxMonthlySpend")
	f(`{"slug":"acme","adminEmail":"a@b.c","plan":"free"}`, "plan")
}

func TestKeysOfATenant(t *testing.T) {
	h := newHouse(t)
	r, err := tenancy.ParseKeyRequest([]byte(`{"name":"app","role":"member","test":false,"models":[],"endpoints":[],"monthUsd":null,"expiresAt":null,"addresses":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	keyID, credential := h.newKey(r)
	h.wants(credential, "acme")
	keys, err := h.admin.Keys(t.Context(), "acme")
	if err != nil || len(keys) != 2 || keys[0].Role != tenancy.RoleOwner || keys[1].ID != keyID || keys[1].Role != tenancy.RoleMember {
		t.Errorf("got %+v, %v", keys, err)
	}
	if _, err := h.admin.Keys(t.Context(), "nobody"); !errors.Is(err, tenancy.ErrNotFound) {
		t.Errorf("keys of an unknown tenant: %v", err)
	}
	if err := h.admin.RevokeKey(t.Context(), "test", "acme", "nokey"); !errors.Is(err, tenancy.ErrNotFound) {
		t.Errorf("an unknown key: %v", err)
	}
	for range 2 {
		if err := h.admin.RevokeKey(t.Context(), "test", "acme", keyID); err != nil {
			t.Error(err)
		}
	}
	if _, _, err := h.admin.RotateKey(t.Context(), "test", "acme", keyID, 0); !errors.Is(err, tenancy.ErrState) {
		t.Errorf("rotating a revoked key: %v", err)
	}
	if _, _, err := h.admin.RotateKey(t.Context(), "test", "acme", id(h.owner), tenancy.MaxOverlap+1); err == nil {
		t.Error("an endless overlap passes")
	}
	if want := []string{"tenant.create", "key.create", "key.revoke"}; !slices.Equal(h.store.Audited(), want) {
		t.Errorf("audited %v", h.store.Audited())
	}
}

func TestKeyRequestRefuses(t *testing.T) {
	f := func(document, field string) {
		t.Helper()
		_, err := tenancy.ParseKeyRequest([]byte(document))
		var wrong *fields.Error
		if !errors.As(err, &wrong) || wrong.Field != field {
			t.Errorf("%s: got %v, want field %s", document, err, field)
		}
	}
	f(`{"role":"root"}`, "role")
	f(`{"models":["gpt-5"]}`, "models")
	f(`{"addresses":["10.0.0.0/8"]}`, "addresses")
	f(`{"monthUsd":5}`, "monthUsd")
	f(`{"expiresAt":"soon"}`, "expiresAt")
	h := newHouse(t)
	if _, _, err := h.admin.CreateKey(t.Context(), "test", "acme", tenancy.KeyRequest{ExpiresAt: time.Now().Add(-time.Second)}); err == nil {
		t.Error("a key that has expired already passes")
	}
}

// A patch changes what it names, null takes it back, and the rest stays.
func TestPutPolicy(t *testing.T) {
	h := newHouse(t)
	put := func(patch string) tenancy.Policy {
		t.Helper()
		p, err := h.admin.PutPolicy(t.Context(), "test", "acme", []byte(patch))
		if err != nil {
			t.Fatal(err)
		}
		stored, err := h.admin.Policy(t.Context(), "acme")
		a, _ := json.Marshal(p)
		b, _ := json.Marshal(stored)
		if err != nil || string(a) != string(b) {
			t.Errorf("answered %s, stored %s, %v", a, b, err)
		}
		return p
	}
	put(`{"routing":{"mode":"pinned"},"limits":{"requestsPerHour":7}}`)
	p := put(`{"budgets":{"monthUsd":0.123456789,"tagMonthUsd":{"team=a":1,"team=b":2}}}`)
	if p.Routing.Mode != "pinned" || *p.Limits.RequestsPerHour != 7 || p.Budgets.MonthUSD != llm.Known(123456789) {
		t.Errorf("got %+v", p)
	}
	p = put(`{"routing":{"mode":null},"limits":null,"budgets":{"tagMonthUsd":{"team=a":null}}}`)
	if p.Routing.Mode != "optimize" || *p.Limits.RequestsPerHour != 1000 || len(p.Budgets.TagMonthUSD) != 1 {
		t.Errorf("got %+v", p)
	}
	if _, err := h.admin.PutPolicy(t.Context(), "test", "acme", []byte(`{"limits":{"x":1}}`)); err == nil {
		t.Error("an unknown field passes")
	}
	if _, err := h.admin.PutPolicy(t.Context(), "test", "nobody", []byte(`{}`)); !errors.Is(err, tenancy.ErrNotFound) {
		t.Errorf("an unknown tenant: %v", err)
	}
}

// What a tenant leaves open is the installation's, and its month is its operator's cap.
func TestEffectivePolicy(t *testing.T) {
	settings := tenancy.Settings{Routing: func() (llm.Mode, float64) { return llm.ModeObserve, 0.9 }}
	admin := tenancy.NewAdmin(&tenancytest.Store{}, pepper, settings, quiet())
	r := tenancy.ProvisionRequest{Slug: "acme", AdminEmail: "a@b.c", MaxMonthlySpend: llm.Known(100 * llm.Dollar)}
	created, err := admin.Provision(t.Context(), "admin", r, "")
	if err != nil || created.RoutingMode != "observe" {
		t.Errorf("got %+v, %v", created, err)
	}
	p, err := admin.Policy(t.Context(), "acme")
	if err != nil || p.Routing.Mode != "observe" || p.Routing.QualityFloor != 0.9 || p.Budgets.MonthUSD != llm.Known(100*llm.Dollar) {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestSuspendTwiceChangesNothing(t *testing.T) {
	h := newHouse(t)
	for range 2 {
		if got, err := h.admin.Suspend(t.Context(), "test", "acme"); err != nil || got.Status != tenancy.StatusSuspended {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	if want := []string{"tenant.create", "tenant.suspend"}; !slices.Equal(h.store.Audited(), want) {
		t.Errorf("audited %v", h.store.Audited())
	}
	if _, err := h.admin.Suspend(t.Context(), "test", "nobody"); !errors.Is(err, tenancy.ErrNotFound) {
		t.Errorf("an unknown tenant: %v", err)
	}
}
