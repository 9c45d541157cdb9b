// Package postgres is the store for any number of replicas: schema public holds
// the control tables, and each tenant has a schema of its own. Nothing depends on
// the state of a session, so it works through a transaction pooler.
package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/generic-corp/halfpenny/migrations"
	"github.com/generic-corp/halfpenny/store"
	"github.com/generic-corp/halfpenny/tenancy"
)

// maxConns is small on purpose: each backend caches the catalogue of every schema
// that it has touched. The URL's pool_max_conns changes it.
const maxConns = 8

const publicPrefix = `"public".`

// SQLSTATE codes.
const (
	uniqueViolation = "23505"
	undefinedTable  = "42P01"
	invalidSchema   = "3F000"
)

// Store is a PostgreSQL database. Every method is safe for concurrent use.
type Store struct {
	*store.Control
	pool     *pgxpool.Pool
	db       *sql.DB // on the same pool
	chainKey atomic.Pointer[[]byte]
}

var _ store.Store = (*Store)(nil)

// Open prepares a pool of connections; none is made before the first use. Migrate
// must have run once before anything else is called.
func Open(ctx context.Context, url string) (*Store, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("cannot read store.url: %w", err)
	}
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = maxConns
	}
	if !strings.Contains(url, "default_query_exec_mode") {
		config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe // no named statements
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("cannot open the store: %w", err)
	}
	db := stdlib.OpenDBFromPool(pool)
	return &Store{
		Control: &store.Control{Read: db, Write: db, Prefix: publicPrefix, Driver: schemas{}},
		pool:    pool,
		db:      db,
	}, nil
}

// Close implements store.Store.
func (s *Store) Close() error {
	err := s.db.Close()
	s.pool.Close()
	return err
}

// Ping implements store.Store.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.pool.Ping(ctx); err != nil {
		return fmt.Errorf("cannot reach PostgreSQL: %w", err)
	}
	return nil
}

// chain returns the key of the hash chains; once made it never changes.
func (s *Store) chain(ctx context.Context) ([]byte, error) {
	if key := s.chainKey.Load(); key != nil {
		return *key, nil
	}
	key, err := s.Secret(ctx, store.SecretChainKey, store.NewKey)
	if err == nil {
		s.chainKey.Store(&key)
	}
	return key, err
}

// schemas implements store.Driver: a tenant's tables are in the same database.
type schemas struct{}

// Provision implements store.Driver.
func (schemas) Provision(ctx context.Context, tx *sql.Tx, s store.Schema) error {
	if _, err := tx.ExecContext(ctx, "CREATE SCHEMA IF NOT EXISTS "+strings.TrimSuffix(s.Prefix(), ".")); err != nil {
		return err
	}
	return migrateSchema(ctx, tx, migrations.PostgresTenant, s.Prefix())
}

// Place implements store.Driver.
func (schemas) Place(_ context.Context, q store.Querier, s store.Schema) (store.Place, error) {
	return store.Place{Read: q, Write: q, Prefix: s.Prefix(), Close: func() {}}, nil
}

// Explain implements store.Driver.
func (schemas) Explain(err error) error {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code {
	case uniqueViolation:
		return fmt.Errorf("%w: %w", tenancy.ErrExists, err)
	case undefinedTable, invalidSchema:
		return fmt.Errorf("%w: %w", tenancy.ErrNotFound, err)
	}
	return err
}
