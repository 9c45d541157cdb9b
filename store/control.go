package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/generic-corp/halfpenny/tenancy"
)

// Driver is what a database does in its own way about a tenant's tables.
type Driver interface {
	// Provision makes the tenant's schema and tables, or completes them. On
	// PostgreSQL it works on tx; on SQLite it makes a file, which an interrupted
	// transaction leaves behind empty.
	Provision(ctx context.Context, tx *sql.Tx, s Schema) error
	// Place finds the tenant's tables, seen from q where they are in the same
	// database. Its error wraps tenancy.ErrNotFound if they are known not to exist.
	Place(ctx context.Context, q Querier, s Schema) (Place, error)
	// Explain makes an error wrap tenancy.ErrNotFound if it says that the tables do
	// not exist, and tenancy.ErrExists if it says that a key is taken.
	Explain(err error) error
}

// Control implements tenancy.Store and Reader over database/sql. A begun
// transaction of Write must hold off other writers of the rows that it has read.
type Control struct {
	Read, Write *sql.DB
	Prefix      string // of the control tables
	Driver      Driver
}

func (c *Control) sql(query string) string { return qualify(c.Prefix, query) }

// tx runs fn in one transaction.
func (c *Control) tx(ctx context.Context, fn func(tx *sql.Tx) error) error {
	tx, err := c.Write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("cannot begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // harmless behind a commit
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("cannot commit: %w", err)
	}
	return nil
}

// change runs fn in one transaction and advances the epoch in it.
func (c *Control) change(ctx context.Context, fn func(tx *sql.Tx) error) error {
	return c.tx(ctx, func(tx *sql.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, c.sql("UPDATE {s}.epoch SET value = value + 1")); err != nil {
			return fmt.Errorf("cannot advance the epoch: %w", err)
		}
		return nil
	})
}

// Epoch implements tenancy.Store.
func (c *Control) Epoch(ctx context.Context) (epoch int64, err error) {
	if err := c.Read.QueryRowContext(ctx, c.sql("SELECT value FROM {s}.epoch")).Scan(&epoch); err != nil {
		return 0, fmt.Errorf("cannot read the epoch: %w", err)
	}
	return epoch, nil
}

const (
	tenantColumns = "t.id, t.slug, t.schema_name, t.status, t.plan_tier, t.admin_email, t.stripe_customer_id, t.max_monthly_spend_nanousd, t.created_at"
	keyColumns    = "k.id, k.tenant_id, k.name, k.role, k.test, k.hash, k.created_at, k.expires_at, k.revoked_at"
)

func tenantDest(t *tenancy.Tenant) []any {
	return []any{&t.ID, &t.Slug, &t.Schema, &t.Status, &t.Plan, &t.AdminEmail, &t.StripeCustomerID, money{&t.MaxMonthlySpend}, stamp{&t.CreatedAt}}
}

func keyDest(k *tenancy.Key) []any {
	return []any{&k.ID, &k.TenantID, &k.Name, &k.Role, &k.Test, &k.Hash, stamp{&k.CreatedAt}, stamp{&k.ExpiresAt}, stamp{&k.RevokedAt}}
}

func scanTenant(r row) (t tenancy.Tenant, err error) {
	err = r.Scan(tenantDest(&t)...)
	return t, err
}

func scanKey(r row) (k tenancy.Key, err error) {
	err = r.Scan(keyDest(&k)...)
	return k, err
}

// Lookup implements tenancy.Store.
func (c *Control) Lookup(ctx context.Context, keyID string) (k tenancy.Key, t tenancy.Tenant, err error) {
	r := c.Read.QueryRowContext(ctx, c.sql("SELECT "+keyColumns+", "+tenantColumns+" FROM {s}.api_keys k JOIN {s}.tenants t ON t.id = k.tenant_id WHERE k.id = $1"), text(keyID, maxName))
	if err := r.Scan(append(keyDest(&k), tenantDest(&t)...)...); err != nil {
		return tenancy.Key{}, tenancy.Tenant{}, notFound(err, "key", keyID)
	}
	if err := c.readPolicy(ctx, c.Read, &t); err != nil {
		return tenancy.Key{}, tenancy.Tenant{}, err
	}
	return k, t, nil
}

// Tenant implements tenancy.Store.
func (c *Control) Tenant(ctx context.Context, slug string) (tenancy.Tenant, error) {
	t, err := c.tenantRow(ctx, c.Read, slug)
	if err != nil {
		return tenancy.Tenant{}, err
	}
	if err := c.readPolicy(ctx, c.Read, &t); err != nil {
		return tenancy.Tenant{}, err
	}
	return t, nil
}

func (c *Control) tenantRow(ctx context.Context, q Querier, slug string) (tenancy.Tenant, error) {
	if _, err := SchemaOf(slug); err != nil {
		return tenancy.Tenant{}, err
	}
	t, err := scanTenant(q.QueryRowContext(ctx, c.sql("SELECT "+tenantColumns+" FROM {s}.tenants t WHERE t.slug = $1"), slug))
	if err != nil {
		return tenancy.Tenant{}, notFound(err, "tenant", slug)
	}
	return t, nil
}

// Tenants implements tenancy.Store.
func (c *Control) Tenants(ctx context.Context) ([]tenancy.Tenant, error) {
	all, err := c.tenantRows(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if err := c.readPolicy(ctx, c.Read, &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (c *Control) tenantRows(ctx context.Context) ([]tenancy.Tenant, error) {
	all, err := collect(ctx, c.Read, scanTenant, c.sql("SELECT "+tenantColumns+" FROM {s}.tenants t ORDER BY t.slug"))
	if err != nil {
		return nil, fmt.Errorf("cannot list tenants: %w", err)
	}
	return all, nil
}

// Schemas lists the schemas of the tenants whose tables exist, by slug.
func (c *Control) Schemas(ctx context.Context) ([]Schema, error) {
	tenants, err := c.tenantRows(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]Schema, 0, len(tenants))
	for i := range tenants {
		if tenants[i].Status == tenancy.StatusProvisioning {
			continue
		}
		s, err := SchemaOf(tenants[i].Slug)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// NewKey returns 32 random bytes.
func NewKey() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails: it ends the process rather
	return key
}

// SetStatus implements tenancy.Store.
func (c *Control) SetStatus(ctx context.Context, slug string, status tenancy.Status) error {
	if status != tenancy.StatusActive && status != tenancy.StatusSuspended {
		return fmt.Errorf("cannot set status %q", status)
	}
	return c.change(ctx, func(tx *sql.Tx) error {
		n, err := exec(ctx, tx, c.sql("UPDATE {s}.tenants SET status = $1 WHERE slug = $2 AND status <> 'provisioning'"), string(status), text(slug, maxName))
		if err == nil && n == 0 {
			err = sql.ErrNoRows
		}
		if err != nil {
			return notFound(err, "tenant", slug)
		}
		return nil
	})
}

// AddKey implements tenancy.Store.
func (c *Control) AddKey(ctx context.Context, k tenancy.Key) error {
	return c.change(ctx, func(tx *sql.Tx) error { return c.addKey(ctx, tx, k) })
}

func (c *Control) addKey(ctx context.Context, tx *sql.Tx, k tenancy.Key) error {
	if k.CreatedAt.IsZero() {
		k.CreatedAt = time.Now()
	}
	n, err := exec(ctx, tx, c.sql(`INSERT INTO {s}.api_keys (id, tenant_id, name, role, test, hash, created_at, expires_at, revoked_at)
		SELECT $1, t.id, $3, $4, $5, $6, $7, $8, $9 FROM {s}.tenants t WHERE t.id = $2`),
		k.ID, k.TenantID, text(k.Name, maxName), string(k.Role), k.Test, k.Hash, k.CreatedAt, nullTime(k.ExpiresAt), nullTime(k.RevokedAt))
	if err != nil {
		return fmt.Errorf("cannot store key %.60q: %w", k.ID, c.Driver.Explain(err))
	}
	if n == 0 {
		return fmt.Errorf("tenant %.60q of a key: %w", k.TenantID, tenancy.ErrNotFound)
	}
	return nil
}

// Keys implements tenancy.Store.
func (c *Control) Keys(ctx context.Context, slug string) ([]tenancy.Key, error) {
	t, err := c.tenantRow(ctx, c.Read, slug)
	if err != nil {
		return nil, err
	}
	keys, err := collect(ctx, c.Read, scanKey, c.sql("SELECT "+keyColumns+" FROM {s}.api_keys k WHERE k.tenant_id = $1 ORDER BY k.created_at, k.id"), t.ID)
	if err != nil {
		return nil, fmt.Errorf("cannot list the keys of %q: %w", slug, err)
	}
	return keys, nil
}

// RevokeKey implements tenancy.Store. A revocation is never put off by a later one.
func (c *Control) RevokeKey(ctx context.Context, slug, keyID string, from time.Time) error {
	return c.change(ctx, func(tx *sql.Tx) error {
		t, err := c.tenantRow(ctx, tx, slug)
		if err != nil {
			return err
		}
		n, err := exec(ctx, tx, c.sql(`UPDATE {s}.api_keys SET revoked_at = CASE WHEN revoked_at < $1 THEN revoked_at ELSE $1 END
			WHERE id = $2 AND tenant_id = $3`), from, text(keyID, maxName), t.ID)
		if err == nil && n == 0 {
			err = sql.ErrNoRows
		}
		if err != nil {
			return notFound(err, "key", keyID)
		}
		return nil
	})
}

// Audit implements tenancy.Store.
func (c *Control) Audit(ctx context.Context, e tenancy.AuditEvent) error {
	_, err := exec(ctx, c.Write, c.sql("INSERT INTO {s}.audit_log (at, tenant, actor, action, detail) VALUES ($1, $2, $3, $4, $5)"),
		e.At, text(e.Tenant, maxName), text(e.Actor, maxName), text(e.Action, maxName), text(e.Detail, maxDetail))
	if err != nil {
		return fmt.Errorf("cannot write the audit log: %w", err)
	}
	return nil
}

// Secret implements tenancy.Store.
func (c *Control) Secret(ctx context.Context, name string, fresh func() []byte) (value []byte, err error) {
	read := func() error {
		return c.Read.QueryRowContext(ctx, c.sql("SELECT value FROM {s}.installation_secrets WHERE name = $1"), name).Scan(&value)
	}
	if err = read(); errors.Is(err, sql.ErrNoRows) {
		_, err = exec(ctx, c.Write, c.sql("INSERT INTO {s}.installation_secrets (name, value, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"), name, fresh(), time.Now())
		if err == nil {
			err = read() // another process may have been first
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read secret %q: %w", name, err)
	}
	return value, nil
}

func exec(ctx context.Context, q Querier, query string, args ...any) (rows int64, err error) {
	r, err := q.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}
