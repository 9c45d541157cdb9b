package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/generic-corp/halfpenny/tenancy"
)

// CreateTenant implements tenancy.Store. All of it is one transaction of the
// control database, so a crash leaves no tenant behind; a row in provisioning is
// what an earlier program or an operator may have left. The key's TenantID is set here.
func (c *Control) CreateTenant(ctx context.Context, t tenancy.Tenant, k tenancy.Key, idempotencyKey string) (created tenancy.Tenant, replayed bool, err error) {
	if err := prepareTenant(&t); err != nil {
		return tenancy.Tenant{}, false, err
	}
	idempotencyKey = text(idempotencyKey, maxName)
	err = c.change(ctx, func(tx *sql.Tx) error {
		fresh, err := c.insertTenant(ctx, tx, &t, k.ID, idempotencyKey)
		if err != nil {
			return err
		}
		if fresh {
			return c.finishTenant(ctx, tx, &t, k)
		}
		replayed = true
		return c.replay(ctx, tx, &t, k, idempotencyKey)
	})
	if err != nil {
		return tenancy.Tenant{}, false, fmt.Errorf("cannot create tenant %.60q: %w", t.Slug, err)
	}
	created, err = c.Tenant(ctx, t.Slug)
	return created, replayed, err
}

func prepareTenant(t *tenancy.Tenant) error {
	if err := tenancy.ValidateSlug(t.Slug); err != nil {
		return err
	}
	s, err := SchemaOf(t.Slug)
	if err != nil {
		return err
	}
	t.Schema, t.Status = s.Name(), tenancy.StatusProvisioning
	if t.ID == "" {
		t.ID = uuid.Must(uuid.NewV7()).String()
	}
	if t.CreatedAt.IsZero() {
		t.CreatedAt = time.Now()
	}
	return fillPolicy(t, t.Document)
}

// insertTenant reserves the slug; fresh is false if it was taken before. What a
// crash left of the same slug gives way: nobody was ever told of it.
func (c *Control) insertTenant(ctx context.Context, tx *sql.Tx, t *tenancy.Tenant, firstKey, idempotencyKey string) (fresh bool, err error) {
	const half = "(SELECT id FROM {s}.tenants WHERE slug = $1 AND status = 'provisioning')"
	if _, err := exec(ctx, tx, c.sql("DELETE FROM {s}.api_keys WHERE tenant_id IN "+half), t.Slug); err != nil {
		return false, err
	}
	if _, err := exec(ctx, tx, c.sql("DELETE FROM {s}.tenants WHERE slug = $1 AND status = 'provisioning'"), t.Slug); err != nil {
		return false, err
	}
	n, err := exec(ctx, tx, c.sql(`INSERT INTO {s}.tenants (id, slug, schema_name, status, plan_tier, stripe_customer_id, admin_email, max_monthly_spend_nanousd, idempotency_key, first_key_id, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING`),
		t.ID, t.Slug, t.Schema, string(t.Status), t.Plan, text(t.StripeCustomerID, maxName), text(t.AdminEmail, maxName),
		NanoUSD(t.MaxMonthlySpend), idempotencyKey, firstKey, t.CreatedAt)
	return n == 1, err
}

func (c *Control) finishTenant(ctx context.Context, tx *sql.Tx, t *tenancy.Tenant, k tenancy.Key) error {
	s, err := SchemaOf(t.Slug)
	if err != nil {
		return err
	}
	if err := c.provision(ctx, tx, s); err != nil {
		return err
	}
	if err := c.writePolicy(ctx, tx, s, t.Document); err != nil {
		return err
	}
	k.TenantID = t.ID
	if err := c.addKey(ctx, tx, k); err != nil {
		return err
	}
	return c.activate(ctx, tx, t.Slug)
}

// provision makes the tenant's tables and refuses such as hold somebody's records:
// they would belong to a tenant that the control tables have lost.
func (c *Control) provision(ctx context.Context, tx *sql.Tx, s Schema) error {
	if err := c.Driver.Provision(ctx, tx, s); err != nil {
		return fmt.Errorf("cannot make schema %s: %w", s.Name(), err)
	}
	p, err := c.Driver.Place(ctx, tx, s)
	if err != nil {
		return err
	}
	defer p.Close()
	var seq int64
	if err := p.Write.QueryRowContext(ctx, qualify(p.Prefix, "SELECT seq FROM {s}.chain_head")).Scan(&seq); err != nil {
		return fmt.Errorf("cannot read schema %s: %w", s.Name(), err)
	}
	if seq != 0 {
		return fmt.Errorf("schema %s holds %d records already", s.Name(), seq)
	}
	return nil
}

func (c *Control) activate(ctx context.Context, tx *sql.Tx, slug string) error {
	_, err := exec(ctx, tx, c.sql("UPDATE {s}.tenants SET status = 'active' WHERE slug = $1 AND status = 'provisioning'"), slug)
	return err
}

// replay answers a repeated CreateTenant: the first key, whose secret may never
// have arrived, is replaced, unless calls were made with it. t becomes the tenant that exists.
func (c *Control) replay(ctx context.Context, tx *sql.Tx, t *tenancy.Tenant, k tenancy.Key, idempotencyKey string) error {
	// The update locks the row: of two replays at once the second sees the first one's key.
	n, err := exec(ctx, tx, c.sql("UPDATE {s}.tenants SET status = status WHERE slug = $1 AND idempotency_key = $2 AND idempotency_key <> ''"), t.Slug, idempotencyKey)
	if err != nil {
		return err
	}
	if n == 0 {
		return tenancy.ErrExists
	}
	var first string
	if err := tx.QueryRowContext(ctx, c.sql("SELECT id, first_key_id FROM {s}.tenants WHERE slug = $1"), t.Slug).Scan(&t.ID, &first); err != nil {
		return err
	}
	used, err := c.keyUsed(ctx, tx, t.Slug, first)
	if err != nil {
		return err
	}
	if !used {
		if _, err := exec(ctx, tx, c.sql("DELETE FROM {s}.api_keys WHERE id = $1 AND tenant_id = $2"), first, t.ID); err != nil {
			return err
		}
	}
	k.TenantID = t.ID
	if err := c.addKey(ctx, tx, k); err != nil {
		return err
	}
	_, err = exec(ctx, tx, c.sql("UPDATE {s}.tenants SET first_key_id = $1 WHERE id = $2"), k.ID, t.ID)
	return err
}

func (c *Control) keyUsed(ctx context.Context, tx *sql.Tx, slug, keyID string) (used bool, err error) {
	s, err := SchemaOf(slug)
	if err != nil {
		return false, err
	}
	p, err := c.Driver.Place(ctx, tx, s)
	if err != nil {
		return false, err
	}
	defer p.Close()
	err = p.Read.QueryRowContext(ctx, qualify(p.Prefix, "SELECT EXISTS (SELECT 1 FROM {s}.usage_15m WHERE key_id = $1)"), keyID).Scan(&used)
	return used, err
}

// Recover implements Store: it completes every tenant in provisioning.
func (c *Control) Recover(ctx context.Context) error {
	all, err := c.tenantRows(ctx)
	if err != nil {
		return err
	}
	for i := range all {
		if all[i].Status != tenancy.StatusProvisioning {
			continue
		}
		if err := c.resume(ctx, all[i].Slug); err != nil {
			return fmt.Errorf("cannot complete tenant %q: %w", all[i].Slug, err)
		}
	}
	return nil
}

func (c *Control) resume(ctx context.Context, slug string) error {
	s, err := SchemaOf(slug)
	if err != nil {
		return err
	}
	return c.change(ctx, func(tx *sql.Tx) error {
		// The update locks the row: two replicas may start at once.
		n, err := exec(ctx, tx, c.sql("UPDATE {s}.tenants SET status = status WHERE slug = $1 AND status = 'provisioning'"), slug)
		if err != nil || n == 0 {
			return err
		}
		if err := c.provision(ctx, tx, s); err != nil {
			return err
		}
		return c.activate(ctx, tx, slug)
	})
}
