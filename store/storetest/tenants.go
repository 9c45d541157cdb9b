package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/store"
	"github.com/generic-corp/halfpenny/tenancy"
)

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: error %v, want %v", what, err, want)
	}
}

func wantMigrated(t *testing.T, s store.Store, schemas int) {
	t.Helper()
	all, err := s.Status(t.Context())
	ok(t, err)
	equal(t, "schemas", len(all), schemas)
	for _, m := range all {
		if m.Have != m.Want || m.Want == 0 {
			t.Fatalf("schema %s has version %d, wants %d", m.Schema, m.Have, m.Want)
		}
	}
}

// atOnce runs fn n times at the same time and returns the errors in order.
func atOnce(n int, fn func(i int) error) []error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = fn(i) })
	}
	wg.Wait()
	return errs
}

func migrations(t *testing.T, db Database, s store.Store) {
	ok(t, s.Migrate(t.Context()))
	newTenant(t, s, "acme")
	db.Exec(t, "acme", "DELETE FROM {s}.halfpenny_migrations") // as if its tables were older …
	db.Erase(t, "acme")                                        // … and there were none yet
	db.Exec(t, "", "UPDATE {s}.tenants SET status = 'provisioning'")
	stores := make([]store.Store, 4)
	for i := range stores {
		stores[i] = db.Open(t)
	}
	for _, err := range atOnce(len(stores), func(i int) error {
		return errors.Join(stores[i].Migrate(t.Context()), stores[i].Recover(t.Context()), stores[i].Migrate(t.Context()))
	}) {
		ok(t, err)
	}
	wantMigrated(t, stores[0], 2)
	write(t, s, "acme", NewRecord("acme", 1))
	ok(t, s.Ping(t.Context()))
}

func provisioning(t *testing.T, db Database, s store.Store) {
	asked := tenantOf("acme-corp")
	asked.StripeCustomerID = "cus_1"
	asked.Document = []byte(`{"limits":{"requestsPerHour":7}}`)
	k := newKey("first", tenancy.RoleOwner)
	k.TenantID = "whatever"
	created, replayed, err := s.CreateTenant(t.Context(), asked, k, "")
	ok(t, err)
	equal(t, "replayed", replayed, false)
	equal(t, "schema", created.Schema, "tenant_acme_corp")
	equal(t, "status", created.Status, tenancy.StatusActive)
	equal(t, "id", created.ID, asked.ID)
	equal(t, "customer", created.StripeCustomerID, "cus_1")
	equal(t, "spend", created.MaxMonthlySpend, llm.Known(100*llm.Dollar))
	equal(t, "requests an hour", *created.Policy.Limits.RequestsPerHour, 7)
	if age := time.Since(created.CreatedAt); age < 0 || age > time.Minute {
		t.Fatalf("created %v ago", age)
	}
	equal(t, "spend in dollars", db.Column(t, "", "SELECT max_monthly_spend FROM {s}.tenants")[0], "100.000000000")
	shown, err := s.Tenant(t.Context(), "acme-corp")
	ok(t, err)
	if !reflect.DeepEqual(shown, created) {
		t.Fatalf("shown %+v, created %+v", shown, created)
	}
	all, err := s.Tenants(t.Context())
	ok(t, err)
	if len(all) != 1 || !reflect.DeepEqual(all[0], created) {
		t.Fatalf("listed %+v, created %+v", all, created)
	}
	wantMigrated(t, s, 2)
}

func slugsTakenOnce(t *testing.T, db Database, s store.Store) {
	newTenant(t, s, "acme")
	_, _, err := s.CreateTenant(t.Context(), tenantOf("acme"), newKey("k", tenancy.RoleOwner), "")
	wantError(t, "second tenant", err, tenancy.ErrExists)
	ok(t, s.SetStatus(t.Context(), "acme", tenancy.StatusSuspended))
	_, _, err = s.CreateTenant(t.Context(), tenantOf("acme"), newKey("k", tenancy.RoleOwner), "some-key")
	wantError(t, "suspended tenant's slug", err, tenancy.ErrExists)

	stores := []store.Store{s, db.Open(t), db.Open(t)}
	errs := atOnce(len(stores), func(i int) error {
		_, _, err := stores[i].CreateTenant(t.Context(), tenantOf("globex"), newKey("k", tenancy.RoleOwner), "")
		return err
	})
	var created int
	for _, err := range errs {
		if err == nil {
			created++
			continue
		}
		wantError(t, "tenant created at once", err, tenancy.ErrExists)
	}
	equal(t, "created", created, 1)
	all, err := s.Keys(t.Context(), "globex")
	ok(t, err)
	equal(t, "keys", len(all), 1)
}

func idempotency(t *testing.T, _ Database, s store.Store) {
	create := func(idempotencyKey string) (tenancy.Tenant, tenancy.Key, bool) {
		t.Helper()
		k := newKey("k", tenancy.RoleOwner)
		tenant, replayed, err := s.CreateTenant(t.Context(), tenantOf("acme"), k, idempotencyKey)
		ok(t, err)
		return tenant, k, replayed
	}
	first, firstKey, replayed := create("abc")
	equal(t, "replayed", replayed, false)
	again, secondKey, replayed := create("abc")
	equal(t, "replayed", replayed, true)
	equal(t, "tenant", again.ID, first.ID)
	_, _, err := s.Lookup(t.Context(), firstKey.ID)
	wantError(t, "replaced key", err, tenancy.ErrNotFound)
	got, _, err := s.Lookup(t.Context(), secondKey.ID)
	ok(t, err)
	equal(t, "the key's tenant", got.TenantID, first.ID)
	_, _, err = s.CreateTenant(t.Context(), tenantOf("acme"), newKey("k", tenancy.RoleOwner), "abcd")
	wantError(t, "another idempotency key", err, tenancy.ErrExists)

	// A key that calls were made with stays.
	r := NewRecord("acme", 1)
	r.KeyID = secondKey.ID
	write(t, s, "acme", r)
	_, _, replayed = create("abc")
	equal(t, "replayed", replayed, true)
	_, _, err = s.Lookup(t.Context(), secondKey.ID)
	ok(t, err)
}

// leaveHalf makes what an interrupted provisioning may leave.
func leaveHalf(t *testing.T, db Database, s store.Store, erase bool) tenancy.Key {
	t.Helper()
	_, k := newTenant(t, s, "acme")
	db.Exec(t, "", "UPDATE {s}.tenants SET status = 'provisioning'")
	if erase {
		db.Erase(t, "acme")
	}
	tenant, err := s.Tenant(t.Context(), "acme")
	ok(t, err)
	equal(t, "status", tenant.Status, tenancy.StatusProvisioning)
	return k
}

func crashThenRetry(t *testing.T, db Database, s store.Store) {
	for _, erase := range []bool{false, true} {
		t.Run(fmt.Sprint(erase), func(t *testing.T) {
			old := leaveHalf(t, db, s, erase)
			ok(t, s.Migrate(t.Context()))
			wantMigrated(t, s, 1)
			tenant, k := newTenant(t, s, "acme")
			equal(t, "status", tenant.Status, tenancy.StatusActive)
			_, _, err := s.Lookup(t.Context(), k.ID)
			ok(t, err)
			_, _, err = s.Lookup(t.Context(), old.ID)
			wantError(t, "key of the crash", err, tenancy.ErrNotFound)
			write(t, s, "acme", NewRecord("acme", 1))
			db.Exec(t, "", "DELETE FROM {s}.api_keys")
			db.Exec(t, "", "DELETE FROM {s}.tenants")
			db.Erase(t, "acme")
		})
	}
}

func crashThenRecover(t *testing.T, db Database, s store.Store) {
	leaveHalf(t, db, s, true)
	before, err := s.Epoch(t.Context())
	ok(t, err)
	stores := []store.Store{s, db.Open(t), db.Open(t)}
	for _, err := range atOnce(len(stores), func(i int) error { return stores[i].Recover(t.Context()) }) {
		ok(t, err)
	}
	tenant, err := s.Tenant(t.Context(), "acme")
	ok(t, err)
	equal(t, "status", tenant.Status, tenancy.StatusActive)
	after, err := s.Epoch(t.Context())
	ok(t, err)
	if after <= before {
		t.Fatalf("epoch %d after %d", after, before)
	}
	write(t, s, "acme", NewRecord("acme", 1))
	wantMigrated(t, s, 2)
}

func orphanedTables(t *testing.T, db Database, s store.Store) {
	newTenant(t, s, "acme")
	write(t, s, "acme", NewRecord("acme", 1))
	db.Exec(t, "", "DELETE FROM {s}.api_keys")
	db.Exec(t, "", "DELETE FROM {s}.tenants")
	_, _, err := s.CreateTenant(t.Context(), tenantOf("acme"), newKey("k", tenancy.RoleOwner), "")
	if err == nil {
		t.Fatal("a new tenant got another's records")
	}
	_, err = s.Tenant(t.Context(), "acme")
	wantError(t, "tenant", err, tenancy.ErrNotFound)
}

func sameKey(t *testing.T, got, want tenancy.Key) {
	t.Helper()
	for _, k := range []*tenancy.Key{&got, &want} {
		k.CreatedAt, k.ExpiresAt, k.RevokedAt = k.CreatedAt.UTC(), k.ExpiresAt.UTC(), k.RevokedAt.UTC()
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("key %+v, want %+v", got, want)
	}
}

func keys(t *testing.T, _ Database, s store.Store) {
	tenant, first := newTenant(t, s, "acme")
	second := newKey("ci", tenancy.RoleMember)
	second.TenantID, second.Test = tenant.ID, true
	second.ExpiresAt = time.Now().Add(time.Hour).Truncate(time.Microsecond)
	ok(t, s.AddKey(t.Context(), second))
	wantError(t, "same id again", s.AddKey(t.Context(), second), tenancy.ErrExists)
	stray := newKey("x", tenancy.RoleMember)
	stray.TenantID = "nobody"
	wantError(t, "key of nobody", s.AddKey(t.Context(), stray), tenancy.ErrNotFound)

	all, err := s.Keys(t.Context(), "acme")
	ok(t, err)
	equal(t, "keys", len(all), 2)
	sameKey(t, all[0], first)
	sameKey(t, all[1], second)
	got, of, err := s.Lookup(t.Context(), second.ID)
	ok(t, err)
	sameKey(t, got, second)
	equal(t, "tenant", of.Slug, "acme")
	_, _, err = s.Lookup(t.Context(), "unknown")
	wantError(t, "unknown key", err, tenancy.ErrNotFound)
	_, err = s.Keys(t.Context(), "nobody")
	wantError(t, "keys of nobody", err, tenancy.ErrNotFound)
}

func revocation(t *testing.T, _ Database, s store.Store) {
	_, k := newTenant(t, s, "acme")
	newTenant(t, s, "globex")
	revokedAt := func() time.Time {
		t.Helper()
		got, _, err := s.Lookup(t.Context(), k.ID)
		ok(t, err)
		return got.RevokedAt
	}
	if !revokedAt().IsZero() {
		t.Fatal("a new key is revoked")
	}
	later := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	ok(t, s.RevokeKey(t.Context(), "acme", k.ID, later))
	equal(t, "revoked", revokedAt(), later)
	sooner := later.Add(-time.Minute)
	ok(t, s.RevokeKey(t.Context(), "acme", k.ID, sooner))
	equal(t, "revoked sooner", revokedAt(), sooner)
	ok(t, s.RevokeKey(t.Context(), "acme", k.ID, later))
	equal(t, "revoked later", revokedAt(), sooner)
	wantError(t, "another tenant's key", s.RevokeKey(t.Context(), "globex", k.ID, sooner), tenancy.ErrNotFound)
	wantError(t, "unknown key", s.RevokeKey(t.Context(), "acme", "unknown", sooner), tenancy.ErrNotFound)
}

func status(t *testing.T, _ Database, s store.Store) {
	_, k := newTenant(t, s, "acme")
	for _, want := range []tenancy.Status{tenancy.StatusSuspended, tenancy.StatusActive} {
		ok(t, s.SetStatus(t.Context(), "acme", want))
		_, tenant, err := s.Lookup(t.Context(), k.ID)
		ok(t, err)
		equal(t, "status", tenant.Status, want)
	}
	wantError(t, "status of nobody", s.SetStatus(t.Context(), "nobody", tenancy.StatusActive), tenancy.ErrNotFound)
	if s.SetStatus(t.Context(), "acme", tenancy.StatusProvisioning) == nil {
		t.Fatal("a tenant went back to provisioning")
	}
	// Calls under way when the tenant is suspended are still recorded.
	ok(t, s.SetStatus(t.Context(), "acme", tenancy.StatusSuspended))
	write(t, s, "acme", NewRecord("acme", 1))
}

func policies(t *testing.T, _ Database, s store.Store) {
	_, k := newTenant(t, s, "acme")
	policy := func() tenancy.Tenant {
		t.Helper()
		_, tenant, err := s.Lookup(t.Context(), k.ID)
		ok(t, err)
		return tenant
	}
	want, _ := tenancy.PlanPolicy("starter")
	if got := policy(); !reflect.DeepEqual(got.Policy, want) || got.Document != nil {
		t.Fatalf("policy %+v, document %s", got.Policy, got.Document)
	}
	document := []byte(`{"budgets": {"dayUsd": 1.000000001}}`)
	ok(t, s.SetPolicy(t.Context(), "acme", document))
	got := policy()
	equal(t, "cap of a day", got.Policy.Budgets.DayUSD, llm.Known(1_000_000_001))
	if !bytes.Equal(got.Document, document) {
		t.Fatalf("document %s", got.Document)
	}
	if s.SetPolicy(t.Context(), "acme", []byte(`{"limits":{"concurrency":"many"}}`)) == nil {
		t.Fatal("a policy that cannot be read was stored")
	}
	equal(t, "cap of a day", policy().Policy.Budgets.DayUSD, llm.Known(1_000_000_001))
	ok(t, s.SetPolicy(t.Context(), "acme", nil))
	if got := policy(); got.Document != nil || got.Policy.Budgets.DayUSD.Valid {
		t.Fatalf("policy %+v, document %s", got.Policy, got.Document)
	}
	wantError(t, "policy of nobody", s.SetPolicy(t.Context(), "nobody", document), tenancy.ErrNotFound)
}

func epochGrows(t *testing.T, _ Database, s store.Store) {
	last, err := s.Epoch(t.Context())
	ok(t, err)
	var tenant tenancy.Tenant
	var k tenancy.Key
	for _, step := range []struct {
		name string
		do   func() error
		same bool
	}{
		{"create", func() error { tenant, k = newTenant(t, s, "acme"); return nil }, false},
		{"add key", func() error {
			other := newKey("x", tenancy.RoleMember)
			other.TenantID = tenant.ID
			return s.AddKey(t.Context(), other)
		}, false},
		{"revoke", func() error { return s.RevokeKey(t.Context(), "acme", k.ID, time.Now()) }, false},
		{"suspend", func() error { return s.SetStatus(t.Context(), "acme", tenancy.StatusSuspended) }, false},
		{"policy", func() error { return s.SetPolicy(t.Context(), "acme", []byte(`{"storePrompts":true}`)) }, false},
		{"look", func() error { _, _, err := s.Lookup(t.Context(), k.ID); return err }, true},
		{"append", func() error { write(t, s, "acme", NewRecord("acme", 1)); return nil }, true},
		{"audit", func() error { return s.Audit(t.Context(), tenancy.AuditEvent{At: time.Now()}) }, true},
	} {
		ok(t, step.do())
		now, err := s.Epoch(t.Context())
		ok(t, err)
		if now < last || (now == last) != step.same {
			t.Fatalf("%s: epoch %d after %d", step.name, now, last)
		}
		last = now
	}
}

func seenByOthers(t *testing.T, db Database, s store.Store) {
	other := db.Open(t)
	before, err := other.Epoch(t.Context())
	ok(t, err)
	_, k := newTenant(t, s, "acme")
	after, err := other.Epoch(t.Context())
	ok(t, err)
	if after <= before {
		t.Fatalf("epoch %d after %d", after, before)
	}
	_, _, err = other.Lookup(t.Context(), k.ID)
	ok(t, err)
	ok(t, other.SetPolicy(t.Context(), "acme", []byte(`{"storePrompts":true}`)))
	_, tenant, err := s.Lookup(t.Context(), k.ID)
	ok(t, err)
	equal(t, "storePrompts", tenant.Policy.StorePrompts, true)
	stored := write(t, other, "acme", NewRecord("acme", 1))
	_, err = s.Record(t.Context(), "acme", stored[0].ID)
	ok(t, err)
}

func secrets(t *testing.T, db Database, s store.Store) {
	stores := []store.Store{s, db.Open(t)}
	var mu sync.Mutex
	var values []string
	for _, err := range atOnce(16, func(i int) error {
		v, err := stores[i%2].Secret(t.Context(), "pepper", store.NewKey)
		mu.Lock()
		defer mu.Unlock()
		values = append(values, string(v))
		return err
	}) {
		ok(t, err)
	}
	equal(t, "length", len(values[0]), 32)
	equal(t, "values", len(slices.Compact(slices.Sorted(slices.Values(values)))), 1)
	again, err := s.Secret(t.Context(), "pepper", func() []byte { t.Fatal("made anew"); return nil })
	ok(t, err)
	equal(t, "secret", string(again), values[0])
	other, err := s.Secret(t.Context(), "session", store.NewKey)
	ok(t, err)
	if string(other) == values[0] {
		t.Fatal("two secrets are equal")
	}
	id, err := s.Secret(t.Context(), store.SecretInstallationID, func() []byte { t.Fatal("no installation id"); return nil })
	ok(t, err)
	equal(t, "length of the id", len(id), 36)
}

func audit(t *testing.T, db Database, s store.Store) {
	ok(t, s.Audit(t.Context(), tenancy.AuditEvent{At: time.Now(), Tenant: "acme", Actor: "cli", Action: "tenant.create", Detail: "plan\x00 starter"}))
	ok(t, s.Audit(t.Context(), tenancy.AuditEvent{At: time.Now(), Actor: "admin", Action: "login"}))
	got := db.Column(t, "", "SELECT tenant || '/' || actor || '/' || action || '/' || detail FROM {s}.audit_log ORDER BY id")
	equal(t, "audit log", fmt.Sprint(got), "[acme/cli/tenant.create/plan\uFFFD starter /admin/login/]")
}

func badSlugs(t *testing.T, db Database, s store.Store) {
	newTenant(t, s, "acme")
	write(t, s, "acme", NewRecord("acme", 1))
	ctx := t.Context()
	for _, slug := range []string{"", "ab", "Acme", "acme ", "acme_x", "-acme", "acme-", "a--b", "../acme", "acme/../acme", "acme\x00", "acmé",
		`acme"; DROP TABLE tenants; --`, `x".orchestration_requests; --`, "acme' OR '1'='1", "acme.db", "public\n", "0acme", "%", string(make([]byte, 41))} {
		_, err := s.Record(ctx, slug, "x")
		wantError(t, "record of "+slug, err, tenancy.ErrNotFound)
		_, err = s.Requests(ctx, slug, "", 1)
		wantError(t, "requests of "+slug, err, tenancy.ErrNotFound)
		_, err = s.Rollups(ctx, slug, time.Time{}, time.Now())
		wantError(t, "rollups of "+slug, err, tenancy.ErrNotFound)
		_, err = s.Tenant(ctx, slug)
		wantError(t, "tenant "+slug, err, tenancy.ErrNotFound)
		_, err = s.Append(ctx, slug, []*llm.Record{NewRecord(slug, 1)})
		wantError(t, "append to "+slug, err, tenancy.ErrNotFound)
		wantError(t, "policy of "+slug, s.SetPolicy(ctx, slug, nil), tenancy.ErrNotFound)
		wantError(t, "status of "+slug, s.SetStatus(ctx, slug, tenancy.StatusActive), tenancy.ErrNotFound)
		if _, _, err := s.CreateTenant(ctx, tenantOf(slug), newKey("k", tenancy.RoleOwner), ""); err == nil {
			t.Fatalf("tenant %q was created", slug)
		}
	}
	for _, slug := range []string{"public", "admin", "pg-x", "xn--abc"} {
		if _, _, err := s.CreateTenant(ctx, tenantOf(slug), newKey("k", tenancy.RoleOwner), ""); err == nil {
			t.Fatalf("reserved slug %q was taken", slug)
		}
	}
	equal(t, "tenants", fmt.Sprint(db.Column(t, "", "SELECT slug FROM {s}.tenants")), "[acme]")
	verifyChain(t, db, s, "acme", 1)
}

func manyTenants(t *testing.T, db Database, s store.Store) {
	const n = 70 // more than a store keeps open
	slug := func(i int) string { return fmt.Sprintf("tenant-%d", i) }
	for i := range n {
		newTenant(t, s, slug(i))
	}
	for range 2 {
		for _, err := range atOnce(n, func(i int) error {
			_, err := s.Append(context.Background(), slug(i), newRecords(slug(i), 3))
			return err
		}) {
			ok(t, err)
		}
	}
	for i := range n {
		verifyChain(t, db, s, slug(i), 6)
	}
	all, err := s.Tenants(t.Context())
	ok(t, err)
	equal(t, "tenants", len(all), n)
	wantMigrated(t, s, n+1)
}

// contractColumns are columns that others read.
var contractColumns = map[string]string{
	"orchestration_requests": "id, tenant_id, task_description, selected_provider, selected_model, input_tokens, output_tokens, cost_usd, latency_ms, created_at, seq, key_id, requested_model, cost_nanousd, cost_status, baseline_nanousd, baseline_usd, status, outcome, simulated, test, tags, record, hash",
	"request_attempts":       "request_id, n, provider, model, status, outcome, input_tokens, output_tokens, cost_nanousd, cost_usd, cost_status, latency_ms, simulated, created_at",
	"corrections":            "id, request_id, n, delta_nanousd, delta_usd, reason, created_at",
	"budget_scopes":          "scope, period, spent_nanousd, spent_usd",
	"budget_slices":          "replica, scope, period, granted_nanousd, granted_usd, lease_until",
	"chain_head":             "seq, hash",
	"usage_15m":              "period_start, provider, model, key_id, tags, simulated, test, requests, attempts, unpriced, unknown, input_tokens, output_tokens, cost_usd, baselined_usd, baseline_usd, potential_usd, latency_ms",
	"usage_daily":            "period_start, provider, model, key_id, tags, simulated, test, requests, attempts, unpriced, unknown, input_tokens, output_tokens, cost_usd, baselined_usd, baseline_usd, potential_usd, latency_ms",
	"cost_savings":           "id, tenant_id, period_start, period_end, baseline_cost_usd, actual_cost_usd, savings_usd, savings_percent, requests_optimized, created_at",
	"feedback":               "id, request_id, key_id, score, created_at, kind, model, simulated, test",
	"usage_models":           "period_start, model, simulated, test, named, calls, input_tokens, cached_tokens, output_tokens",
	"trials_15m":             "period_start, held, simulated, test, requests, cost_nanousd, cost_usd, cost_squares",
	"policies":               "document, updated_at",
}

var controlColumns = map[string]string{ //nolint:gosec // names of columns
	"tenants":              "id, slug, schema_name, status, plan_tier, stripe_customer_id, admin_email, max_monthly_spend, created_at",
	"api_keys":             "id, tenant_id, name, role, test, hash, created_at, expires_at, revoked_at",
	"audit_log":            "id, at, tenant, actor, action, detail",
	"installation_secrets": "name, value, created_at",
	"epoch":                "value",
	"calibrations":         "model, kind, bias, spread, samples, updated_at",
	"prices":               "provider, model, tier, above_tokens, valid_from, version, rates, source, created_at",
	"waitlist":             "id, email, company, source, created_at",
}

func columns(t *testing.T, db Database, s store.Store) {
	newTenant(t, s, "acme")
	for table, columns := range contractColumns {
		equal(t, table, len(db.Column(t, "acme", "SELECT "+columns+" FROM {s}."+table+" WHERE 1 = 0")), 0)
	}
	for table, columns := range controlColumns {
		equal(t, table, len(db.Column(t, "", "SELECT "+columns+" FROM {s}."+table+" WHERE 1 = 0")), 0)
	}
}
