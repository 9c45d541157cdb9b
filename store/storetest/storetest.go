// Package storetest is the conformance suite of a store: both databases pass it.
package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/store"
	"github.com/generic-corp/halfpenny/store/ledger"
	"github.com/generic-corp/halfpenny/tenancy"
)

// The ledger writes into any store.
var _ ledger.Sink = store.Store(nil)

// Database is an empty database of one test, seen from behind the store.
type Database interface {
	// Open opens a store on the database, as another process would; the test's end closes it.
	Open(t *testing.T) store.Store
	// Exec runs a statement in a tenant's schema, or in the control schema if slug is
	// empty; tables are written {s}.name.
	Exec(t *testing.T, slug, query string)
	// Column returns the first column of a query, as text; NULL is "NULL".
	Column(t *testing.T, slug, query string) []string
	// Chain returns the requests by number.
	Chain(t *testing.T, slug string) []Link
	// Break makes every write of a rollup fail until repair is called.
	Break(t *testing.T, slug string) (repair func())
	// Erase removes a tenant's tables.
	Erase(t *testing.T, slug string)
}

// Link is one row of a chain.
type Link struct {
	Seq    int64
	Hash   []byte
	Record []byte
}

// Run runs the suite; open makes an empty database.
func Run(t *testing.T, open func(t *testing.T) Database) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, db Database, s store.Store)
	}{
		{"migrations run twice and at once", migrations},
		{"tables have the columns of the contract", columns},
		{"a tenant is provisioned", provisioning},
		{"a slug is taken once", slugsTakenOnce},
		{"a repeated idempotency key replaces the first key", idempotency},
		{"what a crash left gives way", crashThenRetry},
		{"what a crash left is completed at start", crashThenRecover},
		{"tables with records are not handed to a new tenant", orphanedTables},
		{"keys", keys},
		{"revocation", revocation},
		{"status", status},
		{"policies", policies},
		{"every change advances the epoch", epochGrows},
		{"changes are seen by another store", seenByOthers},
		{"a secret has one value", secrets},
		{"prices have a history", priceLists},
		{"calibrations rest on most samples", calibrations},
		{"calibrations are saved by stores at once", calibrationsAtOnce},
		{"audit", audit},
		{"records are written and read", writeAndRead},
		{"unknown costs are null", unknownCosts},
		{"amounts in dollars are exact", exactDollars},
		{"odd texts do not hold up the ledger", oddTexts},
		{"absurd sums stay in range", absurdSums},
		{"pages", pages},
		{"a record is written once", duplicates},
		{"a record is written once by stores at once", duplicatesAtOnce},
		{"concurrent flushes make one chain", concurrentFlush},
		{"a failed flush leaves nothing", failedFlush},
		{"a cancelled flush leaves nothing", cancelledFlush},
		{"sums equal records", sumsEqualRecords},
		{"sums by model equal records", modelSums},
		{"sums of trials equal records", trialSums},
		{"feedback of one key is replaced", feedbackReplaced},
		{"experience has its time", experienceInTime},
		{"absurd sums by model stay in range", absurdExperience},
		{"experience is apart", experienceApart},
		{"tenants are apart", isolation},
		{"slugs that are none are refused", badSlugs},
		{"many tenants", manyTenants},
	} {
		t.Run(test.name, func(t *testing.T) {
			db := open(t)
			s := db.Open(t)
			ok(t, s.Migrate(t.Context()))
			test.run(t, db, s)
		})
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s = %v, want %v", what, got, want)
	}
}

// newTenant provisions a tenant and returns it with its first key.
func newTenant(t *testing.T, s store.Store, slug string) (tenancy.Tenant, tenancy.Key) {
	t.Helper()
	k := newKey("owner", tenancy.RoleOwner)
	created, replayed, err := s.CreateTenant(t.Context(), tenantOf(slug), k, "")
	ok(t, err)
	equal(t, "replayed", replayed, false)
	k.TenantID = created.ID
	return created, k
}

func tenantOf(slug string) tenancy.Tenant {
	return tenancy.Tenant{ID: uuid.NewString(), Slug: slug, Plan: "starter", AdminEmail: "admin@example.com", MaxMonthlySpend: llm.Known(100 * llm.Dollar)}
}

func newKey(name string, role tenancy.Role) tenancy.Key {
	return tenancy.Key{ID: uuid.NewString()[:18], Name: name, Role: role, Hash: []byte{0, 1, 2, 255}, CreatedAt: time.Now().Truncate(time.Microsecond)}
}

var quarter = time.Date(2026, 3, 4, 5, 15, 0, 0, time.UTC)

// NewRecord returns a finished record of one attempt; n makes it differ from others.
func NewRecord(slug string, n int) *llm.Record {
	at := quarter.Add(time.Duration(n%1000) * time.Millisecond)
	return &llm.Record{
		ID: uuid.Must(uuid.NewV7()).String(), TenantID: "tenant-of-" + slug, Slug: slug, KeyID: "key1", At: at,
		Endpoint: llm.EndpointChat, Dialect: llm.DialectOpenAI, Mode: llm.ModeOptimize, Requested: "gpt-5", Task: "chat, small", Tags: "feature=chat,team=search",
		Provider: "openai", Model: "gpt-5-mini", Reason: llm.ReasonSubstituted, Status: 200, Outcome: llm.OutcomeOK,
		Attempts: []llm.Attempt{{
			N: 1, Provider: "openai", Model: "gpt-5-mini", Sent: "gpt-5-mini", Served: "gpt-5-mini-2025-08-07", At: at, Latency: 812*time.Millisecond + 300*time.Microsecond,
			FirstByte: 400 * time.Millisecond, Status: 200, Outcome: llm.OutcomeOK, EstimatedInput: 120, Priced: true,
			Rates: llm.Rates{Input: 250_000_000, Output: 2_000_000_000, Version: "2026-03-01"},
			Usage: llm.Usage{Input: 100 + int64(n%7), CacheRead: 20, Output: 300}, Cost: llm.Known(llm.Money(631_750 + n)), CostStatus: llm.CostExact,
		}},
		BaselineKind: llm.BaselineNamed, BaselineName: "gpt-5", Baseline: llm.Known(3_150_000),
		Considered: []llm.Considered{{Provider: "openai", Model: "gpt-5-mini", Cost: llm.Known(600_000), Capability: 0.9, Reason: llm.ReasonSubstituted}},
		Rejected:   []llm.Rejection{{Reason: llm.ReasonDearer, Count: 3}},
		Overhead:   300 * time.Microsecond, FirstByte: 401 * time.Millisecond, Total: 813 * time.Millisecond, Done: true,
	}
}

func newRecords(slug string, n int) []*llm.Record {
	all := make([]*llm.Record, n)
	for i := range all {
		all[i] = NewRecord(slug, i)
	}
	return all
}

// write appends records and wants all of them to be new.
func write(t *testing.T, s store.Store, slug string, records ...*llm.Record) []llm.Stored {
	t.Helper()
	stored, err := s.Append(t.Context(), slug, records)
	ok(t, err)
	equal(t, "records written", len(stored), len(records))
	return stored
}

func rollups(t *testing.T, s store.Store, slug string) []llm.Rollup {
	t.Helper()
	all, err := s.Rollups(t.Context(), slug, time.Unix(0, 0), time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC))
	ok(t, err)
	return all
}

// total sums rollups.
func total(all []llm.Rollup) (sum llm.Rollup) {
	for _, u := range all {
		sum.Requests += u.Requests
		sum.Attempts += u.Attempts
		sum.Unpriced += u.Unpriced
		sum.Unknown += u.Unknown
		sum.Input += u.Input
		sum.Output += u.Output
		sum.Cost += u.Cost
		sum.Baselined += u.Baselined
		sum.Baseline += u.Baseline
		sum.Potential += u.Potential
		sum.LatencyMs += u.LatencyMs
	}
	return sum
}

// verifyChain wants n rows, numbered without gaps, each linked to the one before,
// and the head to be the last.
func verifyChain(t *testing.T, db Database, s store.Store, slug string, n int) {
	t.Helper()
	key, err := s.Secret(context.Background(), store.SecretChainKey, func() []byte { t.Fatal("there is no chain key"); return nil })
	ok(t, err)
	links := db.Chain(t, slug)
	equal(t, "length of the chain", len(links), n)
	var previous []byte
	for i, l := range links {
		equal(t, "seq", l.Seq, int64(i+1))
		if !store.Verify(key, previous, l.Record, l.Hash) {
			t.Fatalf("link %d does not verify", l.Seq)
		}
		if _, err := llm.ParseRecord(l.Record); err != nil {
			t.Fatalf("record %d: %v", l.Seq, err)
		}
		previous = l.Hash
	}
	equal(t, "head", db.Column(t, slug, "SELECT seq FROM {s}.chain_head")[0], fmt.Sprint(n))
}
