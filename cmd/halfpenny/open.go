package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/generic-corp/halfpenny/config"
	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/router/habits"
	"github.com/generic-corp/halfpenny/store"
	"github.com/generic-corp/halfpenny/store/ledger"
	"github.com/generic-corp/halfpenny/store/postgres"
	"github.com/generic-corp/halfpenny/store/sqlite"
	"github.com/generic-corp/halfpenny/tenancy"
)

// database is what both stores are to the commands.
type database interface {
	tenancy.Store
	ledger.Sink
	store.Reader
	pricing.CalibrationStore
	habits.Source
	habits.Sink
	SavePriceList(ctx context.Context, l store.PriceList) error
	PriceLists(ctx context.Context, since time.Time) ([]store.PriceList, error)
	LastPriceList(ctx context.Context) (time.Time, error)
	Migrate(ctx context.Context) error
	Status(ctx context.Context) ([]store.MigrationStatus, error)
	Recover(ctx context.Context) error
	Ping(ctx context.Context) error
	Close() error
}

var (
	_ database = (*sqlite.Store)(nil)
	_ database = (*postgres.Store)(nil)
)

// openStore opens the configured store without touching its schemas.
func openStore(ctx context.Context, c *config.Config) (database, error) {
	if c.Store.Driver == config.Postgres {
		s, err := postgres.Open(ctx, string(c.Store.URL))
		if err != nil {
			return nil, fmt.Errorf("cannot open the PostgreSQL store: %w", err)
		}
		return s, nil
	}
	s, err := sqlite.Open(ctx, c.Store.Path)
	if err != nil {
		return nil, fmt.Errorf("cannot open the SQLite store in %s: %w", c.Store.Path, err)
	}
	return s, nil
}

// openReady opens the store, brings it up to date and finishes what a crash left undone.
func openReady(ctx context.Context, c *config.Config) (database, error) {
	db, err := openStore(ctx, c)
	if err != nil {
		return nil, err
	}
	if c.Store.AutoMigrate {
		if err := db.Migrate(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("cannot bring the store up to date: %w", err), db.Close())
		}
	}
	return db, nil
}

// pepperOf is the installation's pepper: the configured one, or the one in the control database.
func pepperOf(ctx context.Context, c *config.Config, db tenancy.Store) ([]byte, error) {
	if c.Auth.Pepper != "" {
		return []byte(c.Auth.Pepper), nil
	}
	pepper, err := db.Secret(ctx, "pepper", store.NewKey)
	if err != nil {
		return nil, fmt.Errorf("cannot read the pepper: %w", err)
	}
	return pepper, nil
}

// newAdmin returns the operator's side of tenancy.
func newAdmin(c *config.Config, db tenancy.Store, pepper []byte, current func() *config.Config, log *slog.Logger) *tenancy.Admin {
	return tenancy.NewAdmin(db, pepper, tenancy.Settings{
		BaseDomain: c.Server.BaseDomain, PublicURL: c.Server.PublicURL,
		Routing: func() (mode llm.Mode, floor float64) { r := current().Routing; return r.Mode(), r.QualityFloor },
	}, log)
}

// withAdmin runs fn with the operator's side of tenancy, for a command beside a running server.
func (c *cli) withAdmin(ctx context.Context, file string, fn func(*tenancy.Admin) error) error {
	return withStore(ctx, file, func(ctx context.Context, cfg *config.Config, db database) error {
		pepper, err := pepperOf(ctx, cfg, db)
		if err != nil {
			return err
		}
		log := slog.New(slog.NewJSONHandler(c.err, nil))
		return fn(newAdmin(cfg, db, pepper, func() *config.Config { return cfg }, log))
	})
}

// withStore runs fn with the configured store, for a command beside a running server.
func withStore(ctx context.Context, file string, fn func(context.Context, *config.Config, database) error) error {
	cfg, err := config.Load(config.Flags{File: file})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	db, err := openReady(ctx, cfg)
	if err != nil {
		return err
	}
	defer db.Close()
	return fn(ctx, cfg, db)
}

// openLedger opens the journal in the store's folder.
func openLedger(c *config.Config, db ledger.Sink, log *slog.Logger) (*ledger.Ledger, error) {
	return ledger.Open(ledger.Options{Dir: filepath.Join(c.Store.Path, "journal"), Logger: log}, db)
}
