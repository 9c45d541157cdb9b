// Package sqlite is the embedded store: control.db and one file for each tenant
// in tenants/. Commands beside a running server work on the same files; SQLite's
// own locks keep them apart.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/google/uuid"
	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/generic-corp/halfpenny/migrations"
	"github.com/generic-corp/halfpenny/store"
	"github.com/generic-corp/halfpenny/tenancy"
)

// Store is the embedded database. Every method is safe for concurrent use.
type Store struct {
	*store.Control
	control  *file
	tenants  *files
	chainKey atomic.Pointer[[]byte]
}

var _ store.Store = (*Store)(nil)

// Open opens or creates the database in dir: folders are made with mode 0700,
// files with 0600. Migrate must have run once before anything else is called.
func Open(ctx context.Context, dir string) (*Store, error) {
	// A commit then waits for the data, but not for the file's timestamps.
	if _, err := driver.Fdatasync(true); err != nil && !errors.Is(err, driver.ErrFdatasyncUnavailable) {
		return nil, fmt.Errorf("cannot set up SQLite: %w", err)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot open the store: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "tenants"), 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the store's folder: %w", err)
	}
	control, err := openFile(ctx, filepath.Join(dir, "control.db"), true)
	if err != nil {
		return nil, err
	}
	tenants := newFiles(filepath.Join(dir, "tenants"))
	return &Store{
		Control: &store.Control{Read: control.read, Write: control.write, Driver: tenants},
		control: control,
		tenants: tenants,
	}, nil
}

// Close implements store.Store.
func (s *Store) Close() error { return errors.Join(s.tenants.close(), s.control.close()) }

// Ping implements store.Store.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	if err := s.control.read.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		return fmt.Errorf("cannot reach %s: %w", s.control.path, err)
	}
	return nil
}

// Migrate implements store.Store.
func (s *Store) Migrate(ctx context.Context) error {
	if err := s.control.migrate(ctx, migrations.SQLiteControl); err != nil {
		return err
	}
	if _, err := s.Secret(ctx, store.SecretInstallationID, func() []byte { return []byte(uuid.NewString()) }); err != nil {
		return err
	}
	return s.eachTenant(ctx, func(sc store.Schema, f *file) error { return f.migrate(ctx, migrations.SQLiteTenant) })
}

// eachTenant calls fn for every tenant whose tables exist, by slug.
func (s *Store) eachTenant(ctx context.Context, fn func(store.Schema, *file) error) error {
	schemas, err := s.Schemas(ctx)
	if err != nil {
		return err
	}
	for _, sc := range schemas {
		f, err := s.tenants.acquire(ctx, sc, false)
		if err != nil {
			return err
		}
		err = fn(sc, f.file)
		s.tenants.release(f)
		if err != nil {
			return err
		}
	}
	return nil
}

// Status implements store.Store.
func (s *Store) Status(ctx context.Context) ([]store.MigrationStatus, error) {
	have, err := s.control.version(ctx)
	if err != nil {
		return nil, err
	}
	all := []store.MigrationStatus{{Schema: "control", Set: string(migrations.SQLiteControl), Have: have, Want: migrations.SQLiteControl.Latest()}}
	if have == 0 {
		return all, nil
	}
	err = s.eachTenant(ctx, func(sc store.Schema, f *file) error {
		have, err := f.version(ctx)
		all = append(all, store.MigrationStatus{Schema: sc.Name(), Slug: sc.Slug(), Set: string(migrations.SQLiteTenant), Have: have, Want: migrations.SQLiteTenant.Latest()})
		return err
	})
	return all, err
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

// Explain implements store.Driver.
func (f *files) Explain(err error) error {
	var e *driver.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() {
	case lib.SQLITE_CONSTRAINT_PRIMARYKEY, lib.SQLITE_CONSTRAINT_UNIQUE:
		return fmt.Errorf("%w: %w", tenancy.ErrExists, err)
	}
	return err
}
