package main

import (
	"context"

	"github.com/generic-corp/halfpenny/config"
)

func migrateUp(ctx context.Context, c *cli, args []string) error {
	return c.withStore(ctx, args, func(db database) error { return db.Migrate(ctx) })
}

func migrateStatus(ctx context.Context, c *cli, args []string) error {
	return c.withStore(ctx, args, func(db database) error {
		rows, err := db.Status(ctx)
		if err != nil {
			return err
		}
		views := make([]migrationView, 0, len(rows))
		for _, r := range rows {
			views = append(views, migrationView{r.Schema, r.Slug, r.Have, r.Want})
		}
		return c.print(views)
	})
}

// migrationView is how far one schema has been migrated.
type migrationView struct {
	Schema string `json:"schema"`
	Tenant string `json:"tenant"` // empty: the control schema
	Have   int64  `json:"have"`   // version
	Want   int64  `json:"want"`
}

// withStore runs fn with the store as it is, which is not brought up to date first.
func (c *cli) withStore(ctx context.Context, args []string, fn func(database) error) error {
	var file string
	if err := parse(c.flags(&file), args); err != nil {
		return err
	}
	cfg, err := config.Load(config.Flags{File: file})
	if err != nil {
		return err
	}
	db, err := openStore(ctx, cfg)
	if err != nil {
		return err
	}
	defer db.Close()
	return fn(db)
}
