package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"hash/fnv"
	"sync"

	"github.com/google/uuid"

	"github.com/generic-corp/halfpenny/migrations"
	"github.com/generic-corp/halfpenny/store"
)

// migrators is how many tenants' schemas are migrated at the same time.
const migrators = 4

// Migrate implements store.Store.
func (s *Store) Migrate(ctx context.Context) error {
	if err := s.migrate(ctx, migrations.PostgresPublic, publicPrefix); err != nil {
		return err
	}
	if _, err := s.Secret(ctx, store.SecretInstallationID, func() []byte { return []byte(uuid.NewString()) }); err != nil {
		return err
	}
	schemas, err := s.Schemas(ctx)
	if err != nil {
		return err
	}
	return each(schemas, func(sc store.Schema) error { return s.migrate(ctx, migrations.PostgresTenant, sc.Prefix()) })
}

// each calls fn for every schema, a few at a time, and returns the first error.
func each(schemas []store.Schema, fn func(store.Schema) error) error {
	var (
		wg    sync.WaitGroup
		once  sync.Once
		first error
	)
	work := make(chan store.Schema)
	for range migrators {
		wg.Go(func() {
			for sc := range work {
				if err := fn(sc); err != nil {
					once.Do(func() { first = err })
				}
			}
		})
	}
	for _, sc := range schemas {
		work <- sc
	}
	close(work)
	wg.Wait()
	return first
}

// migrate brings one schema up to date. It takes no lock where there is nothing to do.
func (s *Store) migrate(ctx context.Context, set migrations.Set, prefix string) error {
	have, err := version(ctx, s.db, prefix)
	if err != nil || have >= set.Latest() {
		return err
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("cannot migrate: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	if err := migrateSchema(ctx, tx, set, prefix); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("cannot migrate %s: %w", prefix, err)
	}
	return nil
}

// migrateSchema works under a lock that ends with the transaction, so that it is
// right through a pooler too.
func migrateSchema(ctx context.Context, tx *sql.Tx, set migrations.Set, prefix string) error {
	h := fnv.New64a()
	_, _ = h.Write([]byte("halfpenny migrations " + prefix))
	if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", int64(h.Sum64())); err != nil {
		return fmt.Errorf("cannot take the migration lock: %w", err)
	}
	return migrations.Apply(ctx, tx, set, prefix)
}

// version returns how far a schema was migrated; 0: not at all.
func version(ctx context.Context, db *sql.DB, prefix string) (int64, error) {
	var there bool
	if err := db.QueryRowContext(ctx, "SELECT to_regclass($1) IS NOT NULL", prefix+"halfpenny_migrations").Scan(&there); err != nil {
		return 0, fmt.Errorf("cannot read schema %s: %w", prefix, err)
	}
	if !there {
		return 0, nil
	}
	return migrations.Current(ctx, db, prefix)
}

// Status implements store.Store.
func (s *Store) Status(ctx context.Context) ([]store.MigrationStatus, error) {
	have, err := version(ctx, s.db, publicPrefix)
	if err != nil {
		return nil, err
	}
	all := []store.MigrationStatus{{Schema: "public", Set: string(migrations.PostgresPublic), Have: have, Want: migrations.PostgresPublic.Latest()}}
	if have == 0 {
		return all, nil
	}
	schemas, err := s.Schemas(ctx)
	if err != nil {
		return nil, err
	}
	for _, sc := range schemas {
		have, err := version(ctx, s.db, sc.Prefix())
		if err != nil {
			return nil, err
		}
		all = append(all, store.MigrationStatus{Schema: sc.Name(), Slug: sc.Slug(), Set: string(migrations.PostgresTenant), Have: have, Want: migrations.PostgresTenant.Latest()})
	}
	return all, nil
}
