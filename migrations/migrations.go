// Package migrations holds the database schemas as numbered SQL files and brings
// a schema up to date. A file that has landed is never edited: a change is a new file.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed postgres sqlite
var files embed.FS

// Set names a folder of migrations: one kind of schema in one database.
type Set string

// The sets of migrations.
const (
	PostgresPublic Set = "postgres/public"
	PostgresTenant Set = "postgres/tenant"
	SQLiteControl  Set = "sqlite/control"
	SQLiteTenant   Set = "sqlite/tenant"
)

// Migration is one step of a schema. Its SQL names the schema as {schema}.
type Migration struct {
	Version int64 // from 1, without gaps
	Name    string
	SQL     string
}

// Load returns the migrations of a set by version. It panics if the embedded
// files are not numbered 1, 2, 3 …
func Load(set Set) []Migration {
	entries, err := fs.ReadDir(files, string(set))
	if err != nil {
		panic(fmt.Sprintf("BUG: no migrations %q: %v", set, err))
	}
	all := make([]Migration, 0, len(entries))
	for i, e := range entries {
		text, err := fs.ReadFile(files, path.Join(string(set), e.Name()))
		number, _, _ := strings.Cut(e.Name(), "_")
		if version, convErr := strconv.Atoi(number); err != nil || convErr != nil || version != i+1 {
			panic(fmt.Sprintf("BUG: %s/%s should be migration %d", set, e.Name(), i+1))
		}
		all = append(all, Migration{Version: int64(i + 1), Name: strings.TrimSuffix(e.Name(), ".sql"), SQL: string(text)})
	}
	return all
}

// Latest returns the version that Apply brings a schema to.
func (s Set) Latest() int64 { return int64(len(Load(s))) }

// Querier is a connection or a transaction.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Current returns the version of a schema whose table of versions exists.
// Prefix is the quoted schema with its dot, or empty.
func Current(ctx context.Context, q Querier, prefix string) (version int64, err error) {
	err = q.QueryRowContext(ctx, "SELECT coalesce(max(version), 0) FROM "+prefix+"halfpenny_migrations").Scan(&version)
	if err != nil {
		return 0, fmt.Errorf("cannot read the version of schema %q: %w", prefix, err)
	}
	return version, nil
}

// Apply brings one schema up to date. It runs on the caller's transaction, which
// must hold off other writers of the schema's versions. Prefix is the quoted
// schema with its dot, or empty.
func Apply(ctx context.Context, tx Querier, set Set, prefix string) error {
	const versions = "halfpenny_migrations (version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL)"
	if _, err := tx.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS "+prefix+versions); err != nil {
		return fmt.Errorf("cannot create the table of versions: %w", err)
	}
	current, err := Current(ctx, tx, prefix)
	if err != nil {
		return err
	}
	all := Load(set)
	for _, m := range all[min(current, int64(len(all))):] { // a newer program may have been here
		if err := apply(ctx, tx, m, prefix); err != nil {
			return fmt.Errorf("cannot apply migration %s to schema %q: %w", m.Name, prefix, err)
		}
	}
	return nil
}

func apply(ctx context.Context, tx Querier, m Migration, prefix string) error {
	// Without arguments both drivers take several statements at once.
	if _, err := tx.ExecContext(ctx, strings.ReplaceAll(m.SQL, "{schema}.", prefix)); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO "+prefix+"halfpenny_migrations (version, name, applied_at) VALUES ($1, $2, $3)",
		m.Version, m.Name, time.Now().UTC().Format(time.RFC3339))
	return err
}
