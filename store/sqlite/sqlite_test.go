package sqlite_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/generic-corp/halfpenny/store"
	"github.com/generic-corp/halfpenny/store/sqlite"
	"github.com/generic-corp/halfpenny/store/storetest"
	"github.com/generic-corp/halfpenny/tenancy"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Database { return database{t.TempDir()} })
}

// database looks into the files past the store.
type database struct{ dir string }

func (d database) Open(t *testing.T) store.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), d.dir)
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })
	return s
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (d database) path(slug string) string {
	if slug == "" {
		return filepath.Join(d.dir, "control.db")
	}
	return filepath.Join(d.dir, "tenants", tenancy.SchemaName(slug)+".db")
}

func (d database) open(t *testing.T, slug string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+d.path(slug)+"?_pragma=busy_timeout(10000)")
	check(t, err)
	return db
}

func (d database) Exec(t *testing.T, slug, query string) {
	t.Helper()
	db := d.open(t, slug)
	defer db.Close()
	_, err := db.Exec(strings.ReplaceAll(query, "{s}.", ""))
	check(t, err)
}

func (d database) Column(t *testing.T, slug, query string) (all []string) {
	t.Helper()
	db := d.open(t, slug)
	defer db.Close()
	rows, err := db.Query(strings.ReplaceAll(query, "{s}.", ""))
	check(t, err)
	defer rows.Close()
	for rows.Next() {
		var v any
		check(t, rows.Scan(&v))
		if v == nil {
			v = "NULL"
		}
		all = append(all, fmt.Sprint(v))
	}
	check(t, rows.Err())
	return all
}

func (d database) Chain(t *testing.T, slug string) (links []storetest.Link) {
	t.Helper()
	db := d.open(t, slug)
	defer db.Close()
	rows, err := db.Query("SELECT seq, hash, record FROM orchestration_requests ORDER BY seq")
	check(t, err)
	defer rows.Close()
	for rows.Next() {
		var l storetest.Link
		check(t, rows.Scan(&l.Seq, &l.Hash, &l.Record))
		links = append(links, l)
	}
	check(t, rows.Err())
	return links
}

func (d database) Break(t *testing.T, slug string) func() {
	d.Exec(t, slug, "CREATE TRIGGER broken BEFORE INSERT ON usage_15m BEGIN SELECT raise(ABORT, 'broken'); END")
	return func() { d.Exec(t, slug, "DROP TRIGGER broken") }
}

// Erase empties the file; a store may have it open.
func (d database) Erase(t *testing.T, slug string) {
	t.Helper()
	for _, table := range d.Column(t, slug, "SELECT name FROM sqlite_schema WHERE type = 'table'") {
		d.Exec(t, slug, "DROP TABLE "+table)
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1, 100, 500, 1000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s, err := sqlite.Open(b.Context(), b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			storetest.BenchmarkAppend(b, s, size)
		})
	}
}
