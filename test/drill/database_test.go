package drill

import (
	"context"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/store"
	"github.com/generic-corp/halfpenny/store/postgres"
	"github.com/generic-corp/halfpenny/store/sqlite"
)

// database is where an installation keeps its data.
type database struct {
	url string // of PostgreSQL; empty: SQLite in the installation's folder
}

// onBoth runs a drill on each store.
func onBoth(t *testing.T, drill func(t *testing.T, db database)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { drill(t, database{}) })
	t.Run("postgres", func(t *testing.T) { drill(t, newPostgres(t)) })
}

// newPostgres makes a database that the drill's end drops.
func newPostgres(t *testing.T) database {
	t.Helper()
	server := os.Getenv("HALFPENNY_TEST_POSTGRES")
	if server == "" {
		server = "postgres://postgres@127.0.0.1:5432/"
	}
	admin, err := pgx.Connect(bounded(t, 5*time.Second), server)
	if err != nil {
		absent(t, "no PostgreSQL: %v", err)
	}
	name := "halfpenny_drill_" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12]
	exec := func(query string) {
		_, err := admin.Exec(context.Background(), query)
		check(t, err)
	}
	exec("CREATE DATABASE " + name)
	t.Cleanup(func() {
		exec("DROP DATABASE " + name + " WITH (FORCE)")
		check(t, admin.Close(context.Background()))
	})
	return database{url: strings.TrimSuffix(server, "/") + "/" + name}
}

// address is the host and port of a URL.
func address(t *testing.T, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	check(t, err)
	return u.Host
}

// through is the URL with another host and port.
func through(t *testing.T, raw, address string) string {
	t.Helper()
	u, err := url.Parse(raw)
	check(t, err)
	u.Host = address
	return u.String()
}

// withStore runs fn with the database, opened past every gateway.
func (in *installation) withStore(fn func(ctx context.Context, s store.Store)) {
	in.t.Helper()
	ctx := bounded(in.t, time.Minute)
	var s store.Store
	var err error
	if in.db.url != "" {
		s, err = postgres.Open(ctx, in.db.url)
	} else {
		s, err = sqlite.Open(ctx, in.data)
	}
	check(in.t, err)
	defer func() { check(in.t, s.Close()) }()
	fn(ctx, s)
}

// ledger returns all records of a tenant, oldest first. Their numbers in the chain have no gap.
func (in *installation) ledger(slug string) []llm.Stored {
	in.t.Helper()
	var all []llm.Stored
	in.withStore(func(ctx context.Context, s store.Store) {
		for before := ""; ; before = all[len(all)-1].ID {
			page, err := s.Requests(ctx, slug, before, store.MaxPage)
			check(in.t, err)
			if all = append(all, page...); len(page) < store.MaxPage {
				break
			}
		}
	})
	numbers := make([]int64, len(all))
	for i := range all {
		numbers[i] = all[i].Seq
	}
	slices.Sort(numbers)
	for i, n := range numbers {
		if n != int64(i)+1 {
			in.t.Fatalf("the chain of %s has %d where %d belongs", slug, n, i+1)
		}
	}
	slices.Reverse(all)
	return all
}

// redisURL is the Redis of this machine.
const redisURL = "redis://127.0.0.1:6379/0"
