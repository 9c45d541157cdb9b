package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/generic-corp/halfpenny/tenancy"
)

// SetPolicy implements tenancy.Store. A document that MergePolicy refuses is
// refused here too: it would lock the tenant out.
func (c *Control) SetPolicy(ctx context.Context, slug string, document []byte) error {
	return c.change(ctx, func(tx *sql.Tx) error {
		t, err := c.tenantRow(ctx, tx, slug)
		if err != nil {
			return err
		}
		if err := fillPolicy(&t, document); err != nil {
			return err
		}
		s, err := SchemaOf(slug)
		if err != nil {
			return err
		}
		return c.writePolicy(ctx, tx, s, document)
	})
}

// writePolicy stores the document, or removes it if it is empty. SQLite writes it
// in the tenant's own file, before the epoch is committed in the control file.
func (c *Control) writePolicy(ctx context.Context, tx *sql.Tx, s Schema, document []byte) error {
	p, err := c.Driver.Place(ctx, tx, s)
	if err != nil {
		return err
	}
	defer p.Close()
	if len(bytes.TrimSpace(document)) == 0 {
		_, err = exec(ctx, p.Write, qualify(p.Prefix, "DELETE FROM {s}.policies"))
	} else {
		_, err = exec(ctx, p.Write, qualify(p.Prefix, `INSERT INTO {s}.policies (id, document, updated_at) VALUES (1, $1, $2)
			ON CONFLICT (id) DO UPDATE SET document = excluded.document, updated_at = excluded.updated_at`), string(document), time.Now())
	}
	if err != nil {
		return fmt.Errorf("cannot store the policy of %s: %w", s.Slug(), err)
	}
	return nil
}

// readPolicy fills in t's policy and document.
func (c *Control) readPolicy(ctx context.Context, q Querier, t *tenancy.Tenant) error {
	document, err := c.document(ctx, q, t)
	if err != nil {
		return fmt.Errorf("cannot read the policy of %s: %w", t.Slug, err)
	}
	return fillPolicy(t, document)
}

func (c *Control) document(ctx context.Context, q Querier, t *tenancy.Tenant) (document []byte, err error) {
	if t.Status == tenancy.StatusProvisioning { // there may be no tables yet
		return nil, nil
	}
	s, err := SchemaOf(t.Slug)
	if err != nil {
		return nil, err
	}
	p, err := c.Driver.Place(ctx, q, s)
	if err != nil {
		return nil, lost(err)
	}
	defer p.Close()
	err = p.Read.QueryRowContext(ctx, qualify(p.Prefix, "SELECT document FROM {s}.policies")).Scan(&document)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return document, lost(c.Driver.Explain(err))
}

// lost keeps a tenant whose tables are gone from looking like one that never was:
// its keys are good, so the answer must be "unavailable", not "unknown".
func lost(err error) error {
	if errors.Is(err, tenancy.ErrNotFound) {
		return errors.New("its tables are missing")
	}
	return err
}

// fillPolicy lays the document over the policy of the plan.
func fillPolicy(t *tenancy.Tenant, document []byte) error {
	policy, ok := tenancy.PlanPolicy(t.Plan)
	if !ok {
		return fmt.Errorf("tenant %q has unknown plan %.40q", t.Slug, t.Plan)
	}
	t.Document = nil
	if len(bytes.TrimSpace(document)) > 0 {
		merged, err := tenancy.MergePolicy(policy, document)
		if err != nil {
			return fmt.Errorf("cannot read the policy of %q: %w", t.Slug, err)
		}
		policy, t.Document = merged, bytes.Clone(document)
	}
	t.Policy = policy
	return nil
}
