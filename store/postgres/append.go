package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/store"
)

const (
	insertRequests = `INSERT INTO {s}.orchestration_requests (seq, id, tenant_id, key_id, task_description, requested_model, selected_provider, selected_model,
	input_tokens, output_tokens, cost_nanousd, cost_status, baseline_nanousd, latency_ms, status, outcome, simulated, test, tags, created_at, hash, record)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
	$9::bigint[], $10::bigint[], $11::bigint[], $12::text[], $13::bigint[], $14::bigint[], $15::bigint[], $16::text[], $17::boolean[], $18::boolean[], $19::text[],
	$20::timestamptz[], $21::bytea[], $22::bytea[])
ON CONFLICT DO NOTHING`

	insertAttempts = `INSERT INTO {s}.request_attempts (request_id, n, provider, model, status, outcome, input_tokens, output_tokens, cost_nanousd, cost_status,
	latency_ms, simulated, created_at)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::bigint[], $8::bigint[], $9::bigint[], $10::text[],
	$11::bigint[], $12::boolean[], $13::timestamptz[])
ON CONFLICT DO NOTHING`

	modelSums = "named, calls, input_tokens, cached_tokens, output_tokens"
	trialSums = "requests, cost_nanousd"
	usageSums = "requests, attempts, unpriced, unknown, input_tokens, output_tokens, cost_nanousd, baselined_nanousd, baseline_nanousd, potential_nanousd, latency_ms"
)

var upsertUsage = `INSERT INTO {s}.usage_15m AS u (period_start, provider, model, key_id, tags, simulated, test, ` + usageSums + `)
SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::boolean[],
	$8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[])
ON CONFLICT (period_start, provider, model, key_id, tags, simulated, test) DO UPDATE SET ` + addSums(usageSums)

var upsertModels = `INSERT INTO {s}.usage_models AS u (period_start, model, simulated, test, ` + modelSums + `)
SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::boolean[], $4::boolean[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])
ON CONFLICT (period_start, model, simulated, test) DO UPDATE SET ` + addSums(modelSums)

var upsertTrials = `INSERT INTO {s}.trials_15m AS u (period_start, held, simulated, test, ` + trialSums + `, cost_squares)
SELECT * FROM unnest($1::timestamptz[], $2::boolean[], $3::boolean[], $4::boolean[], $5::bigint[], $6::bigint[], $7::double precision[])
ON CONFLICT (period_start, held, simulated, test) DO UPDATE SET ` + addSums(trialSums) + `, cost_squares = u.cost_squares + excluded.cost_squares`

// addSums adds to each sum of a list and stays at the largest integer rather than fail.
func addSums(list string) string {
	sums := strings.Split(list, ", ")
	for i, c := range sums {
		sums[i] = fmt.Sprintf("%[1]s = least(u.%[1]s::numeric + excluded.%[1]s, 9223372036854775807)::bigint", c)
	}
	return strings.Join(sums, ", ")
}

// Append implements ledger.Sink.
func (s *Store) Append(ctx context.Context, slug string, records []*llm.Record) ([]llm.Stored, error) {
	stored, err := s.append(ctx, slug, records)
	if err != nil {
		return nil, fmt.Errorf("cannot write %d records of %.60q: %w", len(records), slug, s.Driver.Explain(err))
	}
	return stored, nil
}

func (s *Store) append(ctx context.Context, slug string, records []*llm.Record) ([]llm.Stored, error) {
	schema, err := store.SchemaOf(slug)
	if err != nil {
		return nil, err
	}
	batch, err := store.NewBatch(slug, records)
	if err != nil {
		return nil, err
	}
	key, err := s.chain(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.flush(ctx, schema.Prefix(), batch, key); err != nil {
		return nil, err
	}
	return batch.Stored(), nil
}

// writeTimeout bounds the time for which a flush may hold the tenant's chain.
const writeTimeout = 5 * time.Second

// flush writes a batch in one transaction of two round trips: one that locks and
// looks, one that writes. The caller's context counts until the lock is held. A
// message that it cut in two would leave the server waiting for the rest, and
// everybody for the lock; a replica that is cut off is put out by the server.
func (s *Store) flush(ctx context.Context, prefix string, batch *store.Batch, key []byte) error {
	tx, err := s.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		return err
	}
	defer rollback(ctx, tx)
	head, known, err := look(ctx, tx, prefix, batch.IDs())
	if err != nil {
		return err
	}
	batch.Drop(known)
	if len(batch.Rows()) == 0 {
		return nil
	}
	head = batch.Chain(head, key)
	var w pgx.Batch
	queueRequests(&w, prefix, batch.Rows())
	queueAttempts(&w, prefix, batch.Rows())
	queueUsage(&w, prefix, batch.Rollups())
	queueModels(&w, prefix, batch.ModelUsage())
	queueTrials(&w, prefix, batch.Trials())
	w.Queue(in(prefix, "UPDATE {s}.chain_head SET seq = $1, hash = $2"), head.Seq, head.Hash)
	brief, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	if err := tx.SendBatch(brief, &w).Close(); err != nil {
		return err
	}
	return tx.Commit(brief)
}

// rollback is harmless behind a commit.
func rollback(ctx context.Context, tx pgx.Tx) {
	brief, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	_ = tx.Rollback(brief)
}

func in(prefix, query string) string { return strings.ReplaceAll(query, "{s}.", prefix) }

// look locks the chain and then, in a statement that sees all that was committed
// before, finds which ids are there.
func look(ctx context.Context, tx pgx.Tx, prefix string, ids []string) (head store.Head, known []string, err error) {
	var b pgx.Batch
	b.Queue(fmt.Sprintf("SET LOCAL idle_in_transaction_session_timeout = %d", writeTimeout.Milliseconds()))
	b.Queue(in(prefix, "SELECT seq, hash FROM {s}.chain_head FOR UPDATE")).QueryRow(func(r pgx.Row) error { return r.Scan(&head.Seq, &head.Hash) })
	b.Queue(in(prefix, "SELECT id FROM {s}.orchestration_requests WHERE id = ANY ($1::text[])"), ids).Query(func(rows pgx.Rows) (err error) {
		known, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	err = tx.SendBatch(ctx, &b).Close()
	return head, known, err
}

// column gathers one column of rows.
func column[R, V any](rows []R, value func(r *R) V) []V {
	all := make([]V, len(rows))
	for i := range rows {
		all[i] = value(&rows[i])
	}
	return all
}

func nanoUSD(n llm.NullMoney) *int64 {
	if !n.Valid {
		return nil
	}
	v := int64(n.Money)
	return &v
}

func queueRequests(w *pgx.Batch, prefix string, rows []store.Row) {
	texts := func(value func(r *store.Row) string) []string { return column(rows, value) }
	ints := func(value func(r *store.Row) int64) []int64 { return column(rows, value) }
	w.Queue(in(prefix, insertRequests),
		ints(func(r *store.Row) int64 { return r.Seq }),
		texts(func(r *store.Row) string { return r.ID }),
		texts(func(r *store.Row) string { return r.TenantID }),
		texts(func(r *store.Row) string { return r.KeyID }),
		texts(func(r *store.Row) string { return r.Task }),
		texts(func(r *store.Row) string { return r.Requested }),
		texts(func(r *store.Row) string { return r.Provider }),
		texts(func(r *store.Row) string { return r.Model }),
		ints(func(r *store.Row) int64 { return r.Input }),
		ints(func(r *store.Row) int64 { return r.Output }),
		column(rows, func(r *store.Row) *int64 { return nanoUSD(r.Cost) }),
		texts(func(r *store.Row) string { return r.CostStatus }),
		column(rows, func(r *store.Row) *int64 { return nanoUSD(r.Record.Baseline) }),
		ints(func(r *store.Row) int64 { return r.LatencyMs }),
		ints(func(r *store.Row) int64 { return int64(r.Record.Status) }),
		texts(func(r *store.Row) string { return r.Record.Outcome.String() }),
		column(rows, func(r *store.Row) bool { return r.Record.Simulated }),
		column(rows, func(r *store.Row) bool { return r.Record.Test }),
		texts(func(r *store.Row) string { return r.Tags }),
		column(rows, func(r *store.Row) time.Time { return time.UnixMicro(r.At) }),
		column(rows, func(r *store.Row) []byte { return r.Hash }),
		column(rows, func(r *store.Row) []byte { return r.Bytes }),
	).Exec(func(tag pgconn.CommandTag) error {
		if n := tag.RowsAffected(); n != int64(len(rows)) {
			return fmt.Errorf("%d of %d rows written: somebody writes without the lock", n, len(rows))
		}
		return nil
	})
}

// attempt is an attempt with the request that it belongs to.
type attempt struct {
	request *store.Row
	*store.AttemptRow
}

func queueAttempts(w *pgx.Batch, prefix string, requests []store.Row) {
	var rows []attempt
	for i := range requests {
		for k := range requests[i].Attempts {
			rows = append(rows, attempt{&requests[i], &requests[i].Attempts[k]})
		}
	}
	texts := func(value func(r *attempt) string) []string { return column(rows, value) }
	ints := func(value func(r *attempt) int64) []int64 { return column(rows, value) }
	w.Queue(in(prefix, insertAttempts),
		texts(func(r *attempt) string { return r.request.ID }),
		ints(func(r *attempt) int64 { return int64(r.Attempt.N) }),
		texts(func(r *attempt) string { return r.Provider }),
		texts(func(r *attempt) string { return r.Model }),
		ints(func(r *attempt) int64 { return int64(r.Attempt.Status) }),
		texts(func(r *attempt) string { return r.Attempt.Outcome.String() }),
		ints(func(r *attempt) int64 { return r.Input }),
		ints(func(r *attempt) int64 { return r.Output }),
		column(rows, func(r *attempt) *int64 { return nanoUSD(r.Attempt.Cost) }),
		texts(func(r *attempt) string { return r.Attempt.CostStatus.String() }),
		ints(func(r *attempt) int64 { return r.LatencyMs }),
		column(rows, func(r *attempt) bool { return r.Attempt.Simulated }),
		column(rows, func(r *attempt) time.Time { return time.UnixMicro(r.At) }),
	)
}

func queueUsage(w *pgx.Batch, prefix string, rows []*llm.Rollup) {
	texts := func(value func(u *llm.Rollup) string) []string {
		return column(rows, func(u **llm.Rollup) string { return value(*u) })
	}
	ints := func(value func(u *llm.Rollup) int64) []int64 {
		return column(rows, func(u **llm.Rollup) int64 { return value(*u) })
	}
	w.Queue(in(prefix, upsertUsage),
		column(rows, func(u **llm.Rollup) time.Time { return (*u).Start }),
		texts(func(u *llm.Rollup) string { return u.Provider }),
		texts(func(u *llm.Rollup) string { return u.Model }),
		texts(func(u *llm.Rollup) string { return u.KeyID }),
		texts(func(u *llm.Rollup) string { return u.Tags }),
		column(rows, func(u **llm.Rollup) bool { return (*u).Simulated }),
		column(rows, func(u **llm.Rollup) bool { return (*u).Test }),
		ints(func(u *llm.Rollup) int64 { return u.Requests }),
		ints(func(u *llm.Rollup) int64 { return u.Attempts }),
		ints(func(u *llm.Rollup) int64 { return u.Unpriced }),
		ints(func(u *llm.Rollup) int64 { return u.Unknown }),
		ints(func(u *llm.Rollup) int64 { return u.Input }),
		ints(func(u *llm.Rollup) int64 { return u.Output }),
		ints(func(u *llm.Rollup) int64 { return int64(u.Cost) }),
		ints(func(u *llm.Rollup) int64 { return int64(u.Baselined) }),
		ints(func(u *llm.Rollup) int64 { return int64(u.Baseline) }),
		ints(func(u *llm.Rollup) int64 { return int64(u.Potential) }),
		ints(func(u *llm.Rollup) int64 { return u.LatencyMs }),
	)
}

func queueModels(w *pgx.Batch, prefix string, rows []*llm.ModelUsage) {
	if len(rows) == 0 {
		return
	}
	flags := func(value func(u *llm.ModelUsage) bool) []bool {
		return column(rows, func(u **llm.ModelUsage) bool { return value(*u) })
	}
	ints := func(value func(u *llm.ModelUsage) int64) []int64 {
		return column(rows, func(u **llm.ModelUsage) int64 { return value(*u) })
	}
	w.Queue(in(prefix, upsertModels),
		column(rows, func(u **llm.ModelUsage) time.Time { return (*u).Day }),
		column(rows, func(u **llm.ModelUsage) string { return (*u).Model }),
		flags(func(u *llm.ModelUsage) bool { return u.Simulated }),
		flags(func(u *llm.ModelUsage) bool { return u.Test }),
		ints(func(u *llm.ModelUsage) int64 { return u.Named }),
		ints(func(u *llm.ModelUsage) int64 { return u.Calls }),
		ints(func(u *llm.ModelUsage) int64 { return u.Input }),
		ints(func(u *llm.ModelUsage) int64 { return u.Cached }),
		ints(func(u *llm.ModelUsage) int64 { return u.Output }),
	)
}

func queueTrials(w *pgx.Batch, prefix string, rows []*llm.Trial) {
	if len(rows) == 0 {
		return
	}
	flags := func(value func(t *llm.Trial) bool) []bool {
		return column(rows, func(t **llm.Trial) bool { return value(*t) })
	}
	w.Queue(in(prefix, upsertTrials),
		column(rows, func(t **llm.Trial) time.Time { return (*t).Start }),
		flags(func(t *llm.Trial) bool { return t.Held }),
		flags(func(t *llm.Trial) bool { return t.Simulated }),
		flags(func(t *llm.Trial) bool { return t.Test }),
		column(rows, func(t **llm.Trial) int64 { return (*t).Requests }),
		column(rows, func(t **llm.Trial) int64 { return int64((*t).Cost) }),
		column(rows, func(t **llm.Trial) float64 { return (*t).Squares }),
	)
}
