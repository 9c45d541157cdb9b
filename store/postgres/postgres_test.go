package postgres_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/generic-corp/halfpenny/store"
	"github.com/generic-corp/halfpenny/store/postgres"
	"github.com/generic-corp/halfpenny/store/storetest"
	"github.com/generic-corp/halfpenny/tenancy"
)

// server is where tests make their databases.
func server() string {
	if url := os.Getenv("HALFPENNY_TEST_POSTGRES"); url != "" {
		return url
	}
	return "postgres://postgres@127.0.0.1:5432/"
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Database { return newDatabase(t) })
}

// database looks into a database past the store.
type database struct {
	url  string
	conn *pgx.Conn
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil && os.Getenv("CI") == "" {
		t.Skipf("no PostgreSQL: %v", err)
	}
	check(t, err)
	return conn
}

// newDatabase makes a database that the test's end drops.
func newDatabase(t testing.TB) database {
	t.Helper()
	name := "halfpenny_test_store_" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12]
	admin := connect(t, server())
	exec := func(query string) {
		_, err := admin.Exec(context.Background(), query)
		check(t, err)
	}
	exec("CREATE DATABASE " + name)
	d := database{url: strings.TrimSuffix(server(), "/") + "/" + name}
	d.conn = connect(t, d.url)
	t.Cleanup(func() {
		check(t, d.conn.Close(context.Background()))
		exec("DROP DATABASE " + name + " WITH (FORCE)")
		check(t, admin.Close(context.Background()))
	})
	return d
}

func (d database) Open(t *testing.T) store.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), d.url)
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })
	return s
}

func in(slug, query string) string {
	schema := "public"
	if slug != "" {
		schema = tenancy.SchemaName(slug)
	}
	return strings.ReplaceAll(query, "{s}.", schema+".")
}

func (d database) Exec(t *testing.T, slug, query string) {
	t.Helper()
	_, err := d.conn.Exec(context.Background(), in(slug, query))
	check(t, err)
}

func (d database) Column(t *testing.T, slug, query string) []string {
	t.Helper()
	rows, err := d.conn.Query(context.Background(), in(slug, query), pgx.QueryExecModeSimpleProtocol)
	check(t, err)
	all, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (string, error) {
		if raw := r.RawValues()[0]; raw != nil {
			return string(raw), nil // the simple protocol gives text
		}
		return "NULL", nil
	})
	check(t, err)
	return all
}

func (d database) Chain(t *testing.T, slug string) []storetest.Link {
	t.Helper()
	rows, err := d.conn.Query(context.Background(), in(slug, "SELECT seq, hash, record FROM {s}.orchestration_requests ORDER BY seq"))
	check(t, err)
	links, err := pgx.CollectRows(rows, pgx.RowToStructByPos[storetest.Link])
	check(t, err)
	return links
}

func (d database) Break(t *testing.T, slug string) func() {
	d.Exec(t, slug, "ALTER TABLE {s}.usage_15m ADD CONSTRAINT broken CHECK (requests < 0) NOT VALID")
	return func() { d.Exec(t, slug, "ALTER TABLE {s}.usage_15m DROP CONSTRAINT broken") }
}

func (d database) Erase(t *testing.T, slug string) {
	t.Helper()
	d.Exec(t, "", fmt.Sprintf("DROP SCHEMA %s CASCADE", tenancy.SchemaName(slug)))
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1, 500, 1000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s, err := postgres.Open(b.Context(), newDatabase(b).url)
			check(b, err)
			defer s.Close()
			storetest.BenchmarkAppend(b, s, size)
		})
	}
}
