package api

import (
	"regexp"
	"strings"
	"testing"
)

func TestProvision(t *testing.T) {
	h := newHouse(t)
	body := `{"slug":"acme-corp","adminEmail":"admin@acme.com","planTier":"starter","maxMonthlySpend":100.00}`
	var first, again map[string]any
	h.asAdmin("POST", "/api/tenants/provision", body, "Idempotency-Key: once").is(201, "").into(&first)
	want := map[string]string{"slug": "acme-corp", "schemaName": "tenant_acme_corp", "status": "active", "dashboardUrl": "http://127.0.0.1:8080/app", "routingMode": "optimize"}
	for name, value := range want {
		if first[name] != value {
			t.Errorf("%s is %v, want %s", name, first[name], value)
		}
	}
	if !regexp.MustCompile(`^gc_live_[0-9A-Za-z]{12,}_[0-9A-Za-z]{32,}$`).MatchString(first["apiKey"].(string)) {
		t.Errorf("apiKey %v", first["apiKey"])
	}
	h.asAdmin("POST", "/api/tenants/provision", body).fails(409, "tenant_exists", "slug")
	h.asAdmin("POST", "/api/tenants/provision", body, "Idempotency-Key: once").is(200, "").into(&again)
	if again["tenantId"] != first["tenantId"] || again["apiKey"] == first["apiKey"] {
		t.Errorf("got %v after %v", again, first)
	}
	h.call("GET", "/v1/usage", "", "Authorization: Bearer "+again["apiKey"].(string)).is(200, "")
	h.call("GET", "/v1/usage", "", "Authorization: Bearer "+first["apiKey"].(string)).is(401, "")
}

func TestProvisionNamesTheWrongField(t *testing.T) {
	h := newHouse(t)
	f := func(body, code, field string) {
		t.Helper()
		h.asAdmin("POST", "/api/tenants/provision", body).fails(400, code, field)
	}
	f(``, "invalid_request", "")
	f(`[]`, "invalid_request", "")
	f(`{}`, "invalid_slug", "slug")
	f(`{"slug":"Acme","adminEmail":"a@b.c"}`, "invalid_slug", "slug")
	f(`{"slug":"postgres","adminEmail":"a@b.c"}`, "invalid_slug", "slug")
	f(`{"slug":7,"adminEmail":"a@b.c"}`, "invalid_slug", "slug")
	f(`{"slug":"fine"}`, "invalid_request", "adminEmail")
	f(`{"slug":"fine","adminEmail":"a@b.c","planTier":"gold"}`, "invalid_request", "planTier")
	f(`{"slug":"fine","adminEmail":"a@b.c","maxMonthlySpend":"1"}`, "invalid_request", "maxMonthlySpend")
	f(`{"slug":"fine","adminEmail":"a@b.c","maxMonthlySpend":0.1234567891}`, "invalid_request", "maxMonthlySpend")
	f(`{"slug":"fine","adminEmail":"a@b.c","colour":"red"}`, "invalid_request", "colour")
}

func TestTenants(t *testing.T) {
	h := newHouse(t)
	var all struct {
		Data []struct{ Slug, Status string }
	}
	h.asAdmin("GET", "/api/tenants", "").is(200, "").into(&all)
	if len(all.Data) != 2 || all.Data[0].Slug != "acme" || all.Data[1].Slug != "other" {
		t.Errorf("got %v", all)
	}
	a := h.asAdmin("GET", "/api/tenants/acme", "").is(200, "")
	if !strings.Contains(a.body, `"maxMonthlySpend":null`) || !strings.Contains(a.body, `"planTier":"free"`) {
		t.Error(a.body)
	}
	for _, path := range []string{"", "/keys", "/policy"} {
		h.asAdmin("GET", "/api/tenants/nobody"+path, "").fails(404, "not_found", "")
	}
	h.asAdmin("POST", "/api/tenants/acme/suspend", "").is(200, "")
	h.asAdmin("POST", "/api/tenants/nobody/suspend", "").fails(404, "not_found", "")
	h.asAdmin("GET", "/api/tenants/acme", "").is(200, "").into(&all.Data[0])
	if all.Data[0].Status != "suspended" {
		t.Errorf("got %v", all.Data[0])
	}
	h.asAcme("GET", "/api/orchestration/requests", "").fails(403, "tenant_suspended", "")
	h.asAdmin("POST", "/api/tenants/acme/resume", "").is(200, "")
}

func TestKeys(t *testing.T) {
	h := newHouse(t)
	var made, rotated struct {
		ID, APIKey, Role string
		Test             bool
	}
	contract := `{"name":"app","role":"member","test":false,"models":[],"endpoints":[],"monthUsd":null,"expiresAt":null,"addresses":[]}`
	h.asAdmin("POST", "/api/tenants/acme/keys", contract).is(201, "").into(&made)
	h.call("GET", "/v1/usage", "", "X-Api-Key: "+made.APIKey).is(200, "")
	h.asAdmin("POST", "/api/tenants/acme/keys/"+made.ID+"/rotate", "").is(201, "").into(&rotated)
	h.call("GET", "/v1/usage", "", "X-Api-Key: "+rotated.APIKey).is(200, "")
	if rotated.Role != "member" || rotated.ID == made.ID {
		t.Errorf("got %+v", rotated)
	}
	h.asAdmin("POST", "/api/tenants/acme/keys/"+made.ID+"/rotate", "").fails(409, "conflict", "")
	h.asAdmin("POST", "/api/tenants/acme/keys/"+rotated.ID+"/rotate", `{"overlapSeconds":60}`).is(201, "")
	h.asAdmin("POST", "/api/tenants/acme/keys/"+rotated.ID+"/rotate", `{"overlapSeconds":-1}`).fails(400, "invalid_request", "overlapSeconds")
	h.asAdmin("DELETE", "/api/tenants/acme/keys/"+rotated.ID, "").is(204, "")
	h.asAdmin("DELETE", "/api/tenants/acme/keys/"+rotated.ID, "").is(204, "")
	h.asAdmin("DELETE", "/api/tenants/other/keys/"+rotated.ID, "").fails(404, "not_found", "")
	h.asAdmin("POST", "/api/tenants/nobody/keys", `{}`).fails(404, "not_found", "")
	h.asAdmin("POST", "/api/tenants/acme/keys", `{"role":"god"}`).fails(400, "invalid_request", "role")
	h.asAdmin("POST", "/api/tenants/acme/keys", `{"models":["gpt-5"]}`).fails(400, "invalid_request", "models")
	h.asAdmin("POST", "/api/tenants/acme/keys", `{"expiresAt":"2020-01-01T00:00:00Z"}`).fails(400, "invalid_request", "expiresAt")
	a := h.asAdmin("GET", "/api/tenants/acme/keys", "").is(200, "")
	if strings.Contains(a.body, "gc_live") || strings.Contains(a.body, "hash") || strings.Count(a.body, `"id"`) != 4 {
		t.Error(a.body)
	}
}

func TestPolicy(t *testing.T) {
	h := newHouse(t)
	h.asAdmin("GET", "/api/tenants/acme/policy", "").is(200, `{"routing":{"mode":"optimize","qualityFloor":0.95,"maxCostUsd":null,"allowModels":[],"denyModels":[],"preferredProviders":[],"unpriced":"serve","regions":[],"holdout":0,"maxWaitMs":null},
		"limits":{"requestsPerHour":1000,"requestsPerMinute":null,"tokensPerMinute":null,"concurrency":null},
		"budgets":{"monthUsd":null,"dayUsd":null,"tagMonthUsd":{},"timezone":"UTC","atLimit":"block","capOutput":false},"cache":{"enabled":false,"ttlSeconds":3600},"storePrompts":false}`)
	a := h.asAdmin("PUT", "/api/tenants/acme/policy", `{"routing":{"mode":"pinned"},"budgets":{"monthUsd":0.000000001}}`).is(200, "")
	if !strings.Contains(a.body, `"mode":"pinned"`) || !strings.Contains(a.body, `"monthUsd":0.000000001`) {
		t.Error(a.body)
	}
	h.asAdmin("PUT", "/api/tenants/acme/policy", `{"routing":null}`).is(200, "")
	a = h.asAdmin("GET", "/api/tenants/acme/policy", "")
	if !strings.Contains(a.body, `"mode":"optimize"`) || !strings.Contains(a.body, `"monthUsd":0.000000001`) {
		t.Error(a.body)
	}
	h.asAdmin("PUT", "/api/tenants/acme/policy", `{"limits":{"requestsPerHour":"many"}}`).fails(400, "invalid_request", "limits.requestsPerHour")
	h.asAdmin("PUT", "/api/tenants/acme/policy", `{"routing":{"quality":1}}`).fails(400, "invalid_request", "routing.quality")
	h.asAdmin("PUT", "/api/tenants/acme/policy", `nonsense`).fails(400, "invalid_request", "")
}
