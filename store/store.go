// Package store holds what the two databases share: the schema of a tenant, the
// batch that a flush writes, the control tables and the reading of records. The
// packages sqlite and postgres add what each does in its own way.
package store

import (
	"context"
	"time"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/tenancy"
)

// Store is a whole database. Every method is safe for concurrent use.
type Store interface {
	tenancy.Store
	Reader

	// Append is what the ledger needs: see ledger.Sink.
	Append(ctx context.Context, slug string, records []*llm.Record) ([]llm.Stored, error)

	// SavePriceList adds a price list and tells every replica.
	SavePriceList(ctx context.Context, l PriceList) error
	// PriceLists returns the lists that are or come into force at or after an instant.
	PriceLists(ctx context.Context, since time.Time) ([]PriceList, error)
	// LastPriceList returns when the newest list was saved; zero: there is none.
	LastPriceList(ctx context.Context) (time.Time, error)

	// SaveCalibrations keeps each row unless a stored one rests on as many samples or more.
	SaveCalibrations(ctx context.Context, rows []llm.CalibrationRow) error
	// LoadCalibrations returns all rows, by model and kind.
	LoadCalibrations(ctx context.Context) ([]llm.CalibrationRow, error)

	// SaveFeedback keeps rows about a tenant's requests. One of the same request, key and
	// kind is replaced.
	SaveFeedback(ctx context.Context, slug string, rows []llm.Feedback) error
	// Experience sums a tenant's usage by model since the start of the UTC day that holds
	// an instant, signs included, and its explicit feedback since another. Unknown tenants
	// are tenancy.ErrNotFound.
	Experience(ctx context.Context, slug string, usage, feedback time.Time) (llm.Experience, error)

	// Migrate brings the control schema and every tenant's schema up to date. Any
	// number of processes may call it at once.
	Migrate(ctx context.Context) error
	// Recover completes tenants whose creation a crash has cut short.
	Recover(ctx context.Context) error
	// Status lists the control schema and then every tenant's schema by slug.
	Status(ctx context.Context) ([]MigrationStatus, error)
	// Ping reports whether the database answers.
	Ping(ctx context.Context) error
	// Close waits for running transactions and closes the database.
	Close() error
}

// Reader reads what Append has written. An unknown tenant is tenancy.ErrNotFound.
type Reader interface {
	// Record returns one record of a tenant, or tenancy.ErrNotFound.
	Record(ctx context.Context, slug, id string) (llm.Stored, error)
	// Requests returns records, newest first: those whose id is below before, or the
	// newest if before is empty. Limit is cut to MaxPage.
	Requests(ctx context.Context, slug, before string, limit int) ([]llm.Stored, error)
	// Rollups returns the sums of the quarter hours that start in [from, to), by start,
	// provider, model, key, tags.
	Rollups(ctx context.Context, slug string, from, to time.Time) ([]llm.Rollup, error)
	// Trials returns the sums of the trials of the quarter hours that start in [from, to),
	// at most one row for each combination of held, simulated and test. Amounts beyond
	// 2^53 nano-dollars are rounded to what a float64 holds: they are for statistics.
	Trials(ctx context.Context, slug string, from, to time.Time) ([]llm.Trial, error)
}

// MaxPage is the largest number of records that Requests returns.
const MaxPage = 1000

// MigrationStatus says how far one schema has been migrated.
type MigrationStatus struct {
	Schema string // "public" or "control", or a tenant's schema
	Slug   string // the tenant's, or empty
	Set    string // the folder of its migrations
	Have   int64  // version; 0: nothing is there yet
	Want   int64  // version that Migrate brings it to
}

// Names of installation secrets that the store keeps for itself.
const (
	SecretInstallationID = "installation_id" // a UUID as text, made by Migrate
	SecretChainKey       = "chain_key"       // key of the hash chains, 32 bytes
)
