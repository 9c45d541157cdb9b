package api

import (
	"bytes"
	"time"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/tenancy"
	"github.com/generic-corp/halfpenny/tenancy/fields"
)

// actor is who the audit log names for changes made with the admin token.
const actor = "admin"

func (a *API) provision(r *request) (any, error) {
	body, err := tenancy.ParseProvision(r.http.PostBody())
	if err != nil {
		return nil, err
	}
	created, err := a.Admin.Provision(r.ctx, actor, body, string(r.http.Request.Header.Peek("Idempotency-Key")))
	if err != nil {
		return nil, err
	}
	if created.Replayed {
		return created, nil
	}
	return reply{201, created}, nil
}

type tenantJSON struct {
	TenantID         string         `json:"tenantId"`
	Slug             string         `json:"slug"`
	SchemaName       string         `json:"schemaName"`
	Status           tenancy.Status `json:"status"`
	PlanTier         string         `json:"planTier"`
	AdminEmail       string         `json:"adminEmail"`
	MaxMonthlySpend  llm.NullMoney  `json:"maxMonthlySpend"`
	StripeCustomerID *string        `json:"stripeCustomerId"`
	RoutingMode      string         `json:"routingMode"`
	CreatedAt        *string        `json:"createdAt"`
}

func (a *API) tenantJSON(t *tenancy.Tenant) tenantJSON {
	return tenantJSON{
		TenantID: t.ID, Slug: t.Slug, SchemaName: t.Schema, Status: t.Status, PlanTier: t.Plan, AdminEmail: t.AdminEmail,
		MaxMonthlySpend: t.MaxMonthlySpend, StripeCustomerID: orNull(t.StripeCustomerID), RoutingMode: a.Admin.Effective(t).Routing.Mode,
		CreatedAt: timeOrNull(t.CreatedAt),
	}
}

func (a *API) listTenants(r *request) (any, error) {
	tenants, err := a.Admin.List(r.ctx)
	if err != nil {
		return nil, err
	}
	all := list[tenantJSON]{Data: make([]tenantJSON, len(tenants))}
	for i := range tenants {
		all.Data[i] = a.tenantJSON(&tenants[i])
	}
	return all, nil
}

func (a *API) showTenant(r *request) (any, error) {
	t, err := a.Admin.Show(r.ctx, r.params["slug"])
	if err != nil {
		return nil, err
	}
	return a.tenantJSON(&t), nil
}

func (a *API) suspendTenant(r *request) (any, error) {
	t, err := a.Admin.Suspend(r.ctx, actor, r.params["slug"])
	if err != nil {
		return nil, err
	}
	return a.tenantJSON(&t), nil
}

func (a *API) resumeTenant(r *request) (any, error) {
	t, err := a.Admin.Resume(r.ctx, actor, r.params["slug"])
	if err != nil {
		return nil, err
	}
	return a.tenantJSON(&t), nil
}

type keyJSON struct {
	ID        string       `json:"id"`
	Name      string       `json:"name"`
	Role      tenancy.Role `json:"role"`
	Test      bool         `json:"test"`
	CreatedAt *string      `json:"createdAt"`
	ExpiresAt *string      `json:"expiresAt"`
	RevokedAt *string      `json:"revokedAt"`
}

// newKeyJSON is a key with its credential, which is shown this once.
type newKeyJSON struct {
	keyJSON
	APIKey string `json:"apiKey"`
}

func keyToJSON(k *tenancy.Key) keyJSON {
	return keyJSON{
		ID: k.ID, Name: k.Name, Role: k.Role, Test: k.Test,
		CreatedAt: timeOrNull(k.CreatedAt), ExpiresAt: timeOrNull(k.ExpiresAt), RevokedAt: timeOrNull(k.RevokedAt),
	}
}

func (a *API) listKeys(r *request) (any, error) {
	keys, err := a.Admin.Keys(r.ctx, r.params["slug"])
	if err != nil {
		return nil, err
	}
	all := list[keyJSON]{Data: make([]keyJSON, len(keys))}
	for i := range keys {
		all.Data[i] = keyToJSON(&keys[i])
	}
	return all, nil
}

func (a *API) createKey(r *request) (any, error) {
	body, err := tenancy.ParseKeyRequest(r.http.PostBody())
	if err != nil {
		return nil, err
	}
	k, credential, err := a.Admin.CreateKey(r.ctx, actor, r.params["slug"], body)
	if err != nil {
		return nil, err
	}
	return reply{201, newKeyJSON{keyToJSON(&k), credential}}, nil
}

// rotateKey's body is optional.
func (a *API) rotateKey(r *request) (any, error) {
	var overlap int64
	if body := r.http.PostBody(); len(bytes.TrimSpace(body)) > 0 {
		longest := int64(tenancy.MaxOverlap / time.Second)
		if err := fields.Object("", body, map[string]fields.Setter{"overlapSeconds": fields.Int(&overlap, 0, longest)}); err != nil {
			return nil, err
		}
	}
	k, credential, err := a.Admin.RotateKey(r.ctx, actor, r.params["slug"], r.params["id"], time.Duration(overlap)*time.Second)
	if err != nil {
		return nil, err
	}
	return reply{201, newKeyJSON{keyToJSON(&k), credential}}, nil
}

func (a *API) revokeKey(r *request) (any, error) {
	if err := a.Admin.RevokeKey(r.ctx, actor, r.params["slug"], r.params["id"]); err != nil {
		return nil, err
	}
	return reply{204, nil}, nil
}

func (a *API) showPolicy(r *request) (any, error) {
	return orError(a.Admin.Policy(r.ctx, r.params["slug"]))
}

func (a *API) putPolicy(r *request) (any, error) {
	return orError(a.Admin.PutPolicy(r.ctx, actor, r.params["slug"], r.http.PostBody()))
}

func orError[T any](v T, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}
