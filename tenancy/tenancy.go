// Package tenancy knows who calls: tenants, their API keys and policies, and the
// limits that bind them. It keeps what a request needs in memory and learns of
// changes by polling one epoch number in the store.
package tenancy

import (
	"context"
	"errors"
	"time"

	"github.com/generic-corp/halfpenny/llm"
)

// Status is where a tenant stands in its life.
type Status string

// The statuses of a tenant. A tenant is provisioning until its schema, its
// tables and its first key exist.
const (
	StatusProvisioning Status = "provisioning"
	StatusActive       Status = "active"
	StatusSuspended    Status = "suspended"
)

// Role is what a key or a session may do.
type Role string

// The roles, strongest first.
const (
	RoleOwner  Role = "owner"
	RoleAdmin  Role = "admin"
	RoleMember Role = "member"
	RoleViewer Role = "viewer"
)

// Tenant is an organisation that uses the gateway.
type Tenant struct {
	ID               string // UUID
	Slug             string // immutable, never reused
	Schema           string // tenant_<slug with _>: the PostgreSQL schema, or the SQLite file's name
	Status           Status
	Plan             string // free, starter, growth, enterprise
	AdminEmail       string
	StripeCustomerID string
	MaxMonthlySpend  llm.NullMoney
	CreatedAt        time.Time
	Policy           Policy // with the plan's defaults filled in
	Document         []byte // the policy document as SetPolicy stored it; nil: none
}

// Key is an API key of a tenant. Its secret is known to the caller alone; Hash
// is the secret's HMAC-SHA-256 under the installation's pepper.
type Key struct {
	ID        string // public id, base62, unique over all tenants
	TenantID  string
	Name      string
	Role      Role
	Test      bool // gc_test_: reaches only the simulation
	Hash      []byte
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
	RevokedAt time.Time // zero: valid; a time to come: valid until then (rotation with overlap)
}

// Caller is the authenticated origin of a request. Both parts are shared and
// must not be changed.
type Caller struct {
	Tenant *Tenant
	Key    *Key
}

// AuditEvent is one entry of the audit log.
type AuditEvent struct {
	At     time.Time
	Tenant string // slug, or empty
	Actor  string // "admin", "cli", a key id
	Action string // such as "tenant.create"
	Detail string // never a secret
}

// Errors of a Store.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("already exists")
)

// Store is the control database. Every method is safe for concurrent use, and
// every change advances the epoch in the same transaction.
type Store interface {
	// Epoch returns a number that grows with every change of a tenant, key or policy.
	Epoch(ctx context.Context) (int64, error)
	// Lookup returns a key, revoked or not, and its tenant. ErrNotFound if there is none.
	Lookup(ctx context.Context, keyID string) (Key, Tenant, error)
	// CreateTenant registers the tenant, creates its schema and tables, and stores its
	// first key; the tenant is active when it returns. ErrExists if the slug was ever
	// taken. A tenant left in provisioning by a crash, with the same slug, is completed.
	// With an idempotency key that was used before for this slug, the unused first key
	// is replaced by k and replayed is true.
	CreateTenant(ctx context.Context, t Tenant, k Key, idempotencyKey string) (created Tenant, replayed bool, err error)
	// Tenants lists all tenants by slug.
	Tenants(ctx context.Context) ([]Tenant, error)
	// Tenant returns one tenant by slug. ErrNotFound if there is none.
	Tenant(ctx context.Context, slug string) (Tenant, error)
	// SetStatus suspends or resumes a tenant.
	SetStatus(ctx context.Context, slug string, s Status) error
	// SetPolicy stores a tenant's policy document: the JSON that was merged so far, without plan defaults.
	SetPolicy(ctx context.Context, slug string, document []byte) error
	// AddKey stores a new key.
	AddKey(ctx context.Context, k Key) error
	// Keys lists a tenant's keys, oldest first, revoked ones included.
	Keys(ctx context.Context, slug string) ([]Key, error)
	// RevokeKey makes a key invalid from the given time on. ErrNotFound if the tenant has no such key.
	RevokeKey(ctx context.Context, slug, keyID string, from time.Time) error
	// Audit appends to the audit log.
	Audit(ctx context.Context, e AuditEvent) error
	// Secret returns an installation secret, making it with fresh (and keeping it) if it does not exist yet.
	Secret(ctx context.Context, name string, fresh func() []byte) ([]byte, error)
}

// Quota is the state of one limit after a request was counted, or refused.
type Quota struct {
	Allowed   bool
	Limit     int64
	Remaining int64
	Reset     time.Duration // until the window ends
}

// Limiter counts requests against a limit per hour. A refused request consumes nothing.
type Limiter interface {
	// Take counts one request of the tenant. limit ≤ 0 means no limit.
	Take(ctx context.Context, tenantID string, limit int64) (Quota, error)
}
