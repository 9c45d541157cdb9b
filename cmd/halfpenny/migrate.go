package main

import (
	"context"
	"fmt"

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
		for _, r := range rows {
			state := "up to date"
			if r.Have < r.Want {
				state = "behind"
			}
			if _, err := fmt.Fprintf(c.out, "%-48s version %d of %d  %s\n", r.Schema, r.Have, r.Want, state); err != nil {
				return err
			}
		}
		return nil
	})
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
