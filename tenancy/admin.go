package tenancy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/tenancy/fields"
)

// ErrState is wrapped by errors of operations that the tenant's or the key's
// present state does not permit.
var ErrState = errors.New("not possible in this state")

// MaxOverlap is how long a rotated key may go on working at most.
const MaxOverlap = 30 * 24 * time.Hour

// KeyNote is said where the first, all-powerful key of a tenant is handed out.
const KeyNote = "This is the tenant's owner key and is shown once. Give each app a key of its own with the role member."

// Admin is the operator's side of tenancy, for the API and the command line. Each
// change is validated first and audited afterwards. It is safe for concurrent use.
type Admin struct {
	store    Store
	hasher   *Hasher
	settings Settings
	log      *slog.Logger
	now      func() time.Time
	policies sync.Mutex // a patch is read, merged and stored as one
}

// Settings are what Admin needs of the configuration.
type Settings struct {
	BaseDomain string // server.base_domain
	PublicURL  string // server.public_url
	// Routing returns routing.default_mode and routing.quality_floor as they are now.
	Routing func() (mode llm.Mode, floor float64)
}

// NewAdmin returns the operations over store; pepper is copied.
func NewAdmin(store Store, pepper []byte, s Settings, log *slog.Logger) *Admin {
	return &Admin{store: store, hasher: NewHasher(pepper), settings: s, log: log, now: func() time.Time { return time.Now().UTC() }}
}

// ProvisionRequest is the body of POST /api/tenants/provision.
type ProvisionRequest struct {
	Slug            string
	AdminEmail      string
	PlanTier        string // empty: DefaultPlan
	MaxMonthlySpend llm.NullMoney
}

// ParseProvision reads a ProvisionRequest; errors are *SlugError or *fields.Error.
func ParseProvision(document []byte) (ProvisionRequest, error) {
	var r ProvisionRequest
	err := fields.Object("", document, map[string]fields.Setter{
		"slug":            fields.String(&r.Slug, 256),
		"adminEmail":      fields.String(&r.AdminEmail, 254),
		"planTier":        fields.OneOf(&r.PlanTier, Plans...),
		"maxMonthlySpend": fields.NullMoney(&r.MaxMonthlySpend),
	})
	var wrong *fields.Error
	if errors.As(err, &wrong) && wrong.Field == "slug" {
		err = &SlugError{wrong.Problem}
	}
	return r, err
}

// Provisioned is the answer to a ProvisionRequest. APIKey is shown this once.
type Provisioned struct {
	TenantID     string `json:"tenantId"`
	Slug         string `json:"slug"`
	SchemaName   string `json:"schemaName"`
	APIKey       string `json:"apiKey"`
	Status       Status `json:"status"`
	DashboardURL string `json:"dashboardUrl"`
	RoutingMode  string `json:"routingMode"`
	Note         string `json:"note"`
	Replayed     bool   `json:"-"` // an Idempotency-Key was seen before
}

// Provision creates a tenant with its first key. A slug that may not be one is a
// *SlugError, one that was ever taken ErrExists, another wrong field a
// *fields.Error. A repeated idempotencyKey (empty: none) hands out a fresh key.
func (a *Admin) Provision(ctx context.Context, actor string, r ProvisionRequest, idempotencyKey string) (Provisioned, error) {
	if r.PlanTier == "" {
		r.PlanTier = DefaultPlan
	}
	if err := validateProvision(r, idempotencyKey); err != nil {
		return Provisioned{}, err
	}
	key, credential := a.newKey(KeyRequest{Name: "owner", Role: RoleOwner})
	tenant := a.newTenant(r)
	key.TenantID = tenant.ID
	created, replayed, err := a.store.CreateTenant(ctx, tenant, key, idempotencyKey)
	if err != nil {
		return Provisioned{}, fmt.Errorf("cannot create tenant %s: %w", r.Slug, err)
	}
	action := "tenant.create"
	if replayed {
		action = "tenant.create.replay"
	}
	a.audit(ctx, created.Slug, actor, action, "plan "+created.Plan+", key "+key.ID)
	mode := a.Effective(&created).Routing.Mode
	return Provisioned{
		TenantID: created.ID, Slug: created.Slug, SchemaName: created.Schema, APIKey: credential, Status: created.Status,
		DashboardURL: a.dashboardURL(created.Slug), RoutingMode: mode, Note: KeyNote + " " + modeNote(mode), Replayed: replayed,
	}, nil
}

func validateProvision(r ProvisionRequest, idempotencyKey string) error {
	if err := ValidateSlug(r.Slug); err != nil {
		return err
	}
	if _, ok := PlanPolicy(r.PlanTier); !ok {
		return &fields.Error{Field: "planTier", Problem: "must be one of " + strings.Join(Plans, ", ")}
	}
	if r.MaxMonthlySpend.Valid && (r.MaxMonthlySpend.Money < 0 || r.MaxMonthlySpend.Money > llm.MaxMoney) {
		return &fields.Error{Field: "maxMonthlySpend", Problem: "must be an amount in dollars from 0 to 1000000000"}
	}
	if len(idempotencyKey) > 255 {
		return &fields.Error{Field: "Idempotency-Key", Problem: "must have at most 255 bytes"}
	}
	address, err := mail.ParseAddress(r.AdminEmail)
	if err != nil || address.Address != r.AdminEmail {
		return &fields.Error{Field: "adminEmail", Problem: "must be an e-mail address"}
	}
	return nil
}

func (a *Admin) newTenant(r ProvisionRequest) Tenant {
	policy, _ := PlanPolicy(r.PlanTier)
	return Tenant{
		ID: uuid.NewString(), Slug: r.Slug, Schema: SchemaName(r.Slug), Status: StatusProvisioning, Plan: r.PlanTier,
		AdminEmail: r.AdminEmail, MaxMonthlySpend: r.MaxMonthlySpend, CreatedAt: a.now(), Policy: policy,
	}
}

func (a *Admin) dashboardURL(slug string) string {
	base, err := url.Parse(a.settings.PublicURL)
	if a.settings.BaseDomain == "" || err != nil {
		return strings.TrimSuffix(a.settings.PublicURL, "/") + "/app"
	}
	return "https://" + slug + "." + a.settings.BaseDomain + portOf(base)
}

// portOf keeps an unusual port of a public https URL, which a subdomain shares.
func portOf(u *url.URL) string {
	if u.Scheme != "https" || u.Port() == "" || u.Port() == "443" {
		return ""
	}
	return ":" + u.Port()
}

func modeNote(mode string) string {
	what := map[string]string{
		llm.ModePinned.String():   "a named model is served as named, at its own provider",
		llm.ModeObserve.String():  "a named model is served as named, and what a cheaper one would have saved is recorded",
		llm.ModeOptimize.String(): "a cheaper model serves where it is predicted to be as capable",
	}[mode]
	return fmt.Sprintf("Routing mode %s: %s. Change it for one call with the header x-halfpenny-route, for all with policy.routing.mode.", mode, what)
}

// Effective returns the tenant's policy with everything that it leaves to the
// installation or to the tenant's record filled in.
func (a *Admin) Effective(t *Tenant) Policy {
	p := t.Policy
	mode, floor := llm.ModeOptimize, 0.0
	if a.settings.Routing != nil {
		mode, floor = a.settings.Routing()
	}
	if p.Routing.Mode == "" {
		p.Routing.Mode = mode.String()
	}
	if p.Routing.QualityFloor == 0 {
		p.Routing.QualityFloor = floor
	}
	if !p.Budgets.MonthUSD.Valid {
		p.Budgets.MonthUSD = t.MaxMonthlySpend
	}
	return p
}

// List returns all tenants by slug.
func (a *Admin) List(ctx context.Context) ([]Tenant, error) {
	tenants, err := a.store.Tenants(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot list the tenants: %w", err)
	}
	return tenants, nil
}

// Show returns one tenant; ErrNotFound if there is none.
func (a *Admin) Show(ctx context.Context, slug string) (Tenant, error) {
	t, err := a.store.Tenant(ctx, slug)
	if err != nil {
		return Tenant{}, fmt.Errorf("cannot read tenant %q: %w", slug, err)
	}
	return t, nil
}

// Suspend makes every key of the tenant a 403; doing it again changes nothing.
func (a *Admin) Suspend(ctx context.Context, actor, slug string) (Tenant, error) {
	return a.setStatus(ctx, actor, slug, StatusSuspended, "tenant.suspend")
}

// Resume ends a suspension; doing it again changes nothing.
func (a *Admin) Resume(ctx context.Context, actor, slug string) (Tenant, error) {
	return a.setStatus(ctx, actor, slug, StatusActive, "tenant.resume")
}

func (a *Admin) setStatus(ctx context.Context, actor, slug string, to Status, action string) (Tenant, error) {
	t, err := a.Show(ctx, slug)
	if err != nil || t.Status == to {
		return t, err
	}
	if t.Status == StatusProvisioning {
		return Tenant{}, fmt.Errorf("tenant %s is still being provisioned: %w", slug, ErrState)
	}
	if err := a.store.SetStatus(ctx, slug, to); err != nil {
		return Tenant{}, fmt.Errorf("cannot set the status of tenant %s: %w", slug, err)
	}
	t.Status = to
	a.audit(ctx, slug, actor, action, "")
	return t, nil
}

// Policy returns the tenant's effective policy.
func (a *Admin) Policy(ctx context.Context, slug string) (Policy, error) {
	t, err := a.Show(ctx, slug)
	if err != nil {
		return Policy{}, err
	}
	return a.Effective(&t), nil
}

// PutPolicy applies a patch as RFC 7396 says: absent is unchanged, null is the
// plan's default. It returns the effective policy. A wrong member is a
// *fields.Error.
func (a *Admin) PutPolicy(ctx context.Context, actor, slug string, patch []byte) (Policy, error) {
	a.policies.Lock()
	defer a.policies.Unlock()
	t, err := a.Show(ctx, slug)
	if err != nil {
		return Policy{}, err
	}
	plan, ok := PlanPolicy(t.Plan)
	if !ok {
		return Policy{}, fmt.Errorf("cannot read the policy of tenant %s: unknown plan %q", slug, t.Plan)
	}
	if _, err := MergePolicy(plan, patch); err != nil {
		return Policy{}, err
	}
	document, err := mergeDocument(t.Document, patch)
	if err != nil {
		return Policy{}, err
	}
	if t.Policy, err = MergePolicy(plan, document); err != nil {
		return Policy{}, err
	}
	if err := a.store.SetPolicy(ctx, slug, document); err != nil {
		return Policy{}, fmt.Errorf("cannot store the policy of tenant %s: %w", slug, err)
	}
	a.audit(ctx, slug, actor, "policy.put", "")
	return a.Effective(&t), nil
}

// audit runs after the change, which stands whether or not it can be written down;
// where it cannot, the log has it.
func (a *Admin) audit(ctx context.Context, slug, actor, action, detail string) {
	err := a.store.Audit(ctx, AuditEvent{At: a.now(), Tenant: slug, Actor: actor, Action: action, Detail: detail})
	if err != nil {
		a.log.Error("cannot write the audit log", "tenant", slug, "actor", actor, "action", action, "detail", detail, "error", err)
	}
}
