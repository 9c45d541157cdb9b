package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/store"
)

const (
	requestColumns = "seq, id, tenant_id, key_id, task_description, requested_model, selected_provider, selected_model, input_tokens, output_tokens, " +
		"cost_nanousd, cost_status, baseline_nanousd, latency_ms, status, outcome, simulated, test, tags, created_at, hash, record"
	attemptColumns = "request_id, n, provider, model, status, outcome, input_tokens, output_tokens, cost_nanousd, cost_status, latency_ms, simulated, created_at"
	usageKey       = "period_start, provider, model, key_id, tags, simulated, test"
	modelKey       = "period_start, model, simulated, test"
	modelSums      = "named, calls, input_tokens, cached_tokens, output_tokens"
	trialKey       = "period_start, held, simulated, test"
	trialSums      = "requests, cost_nanousd"
	usageSums      = "requests, attempts, unpriced, unknown, input_tokens, output_tokens, cost_nanousd, baselined_nanousd, baseline_nanousd, potential_nanousd, latency_ms"
)

var (
	insertRequests = newInsert("orchestration_requests", requestColumns, "ON CONFLICT DO NOTHING")
	insertAttempts = newInsert("request_attempts", attemptColumns, "ON CONFLICT DO NOTHING")
	insertUsage    = newInsert("usage_15m", usageKey+", "+usageSums, "ON CONFLICT DO UPDATE SET "+addSums(usageSums))
	insertModels   = newInsert("usage_models", modelKey+", "+modelSums, "ON CONFLICT DO UPDATE SET "+addSums(modelSums))
	insertTrials   = newInsert("trials_15m", trialKey+", "+trialSums+", cost_squares", "ON CONFLICT DO UPDATE SET "+addSums(trialSums)+", cost_squares = cost_squares + excluded.cost_squares")
)

// addSums adds to each sum of a list. SQLite would turn a sum beyond 64 bits into a
// float; it stays at the largest integer instead.
func addSums(list string) string {
	sums := strings.Split(list, ", ")
	for i, c := range sums {
		sums[i] = fmt.Sprintf("%[1]s = iif(typeof(%[1]s + excluded.%[1]s) = 'integer', %[1]s + excluded.%[1]s, 9223372036854775807)", c)
	}
	return strings.Join(sums, ", ")
}

// errKnown says that rows of a batch are in the table already.
var errKnown = errors.New("records were written before")

// Append implements ledger.Sink.
func (s *Store) Append(ctx context.Context, slug string, records []*llm.Record) ([]llm.Stored, error) {
	stored, err := s.append(ctx, slug, records)
	if err != nil {
		return nil, fmt.Errorf("cannot write %d records of %.60q: %w", len(records), slug, err)
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
	f, err := s.tenants.acquire(ctx, schema, false)
	if err != nil {
		return nil, err
	}
	defer s.tenants.release(f)
	// Duplicates are rare: they are looked for only where the insert has met one.
	err = f.flush(ctx, batch, key, false)
	if errors.Is(err, errKnown) {
		err = f.flush(ctx, batch, key, true)
	}
	if err != nil {
		return nil, err
	}
	return batch.Stored(), nil
}

// flush writes a batch in one transaction. With look it first leaves out what the
// table has; without, meeting such a row is errKnown and nothing is written.
//
// The transaction is not database/sql's, which would roll back by itself when the
// context ends, and leave the rest of the batch to run outside of any.
func (f *file) flush(ctx context.Context, batch *store.Batch, key []byte, look bool) error {
	conn, err := f.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err = conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err == nil {
		err = f.fill(ctx, conn, batch, key, look)
	}
	if err == nil {
		// From here on the context does not count: the commit is done or it failed.
		_, err = conn.ExecContext(context.WithoutCancel(ctx), "COMMIT")
	}
	if err != nil {
		f.rollback(ctx, conn)
	}
	return err
}

func (f *file) fill(ctx context.Context, conn *sql.Conn, batch *store.Batch, key []byte, look bool) error {
	var head store.Head
	if err := conn.QueryRowContext(ctx, "SELECT seq, hash FROM chain_head").Scan(&head.Seq, &head.Hash); err != nil {
		return err
	}
	if look {
		known, err := existing(ctx, conn, batch.IDs())
		if err != nil {
			return err
		}
		batch.Drop(known)
	}
	if len(batch.Rows()) == 0 {
		return nil
	}
	head = batch.Chain(head, key)
	if err := f.writeRows(ctx, conn, batch.Rows()); err != nil {
		return err
	}
	if err := f.writeUsage(ctx, conn, batch.Rollups()); err != nil {
		return err
	}
	if err := f.writeHabits(ctx, conn, batch); err != nil {
		return err
	}
	_, err := conn.ExecContext(ctx, "UPDATE chain_head SET seq = ?, hash = ?", head.Seq, head.Hash)
	return err
}

// rollback leaves the connection outside of a transaction, or gives it up. The
// pool may do that too with one that was interrupted, so the statements go first.
func (f *file) rollback(ctx context.Context, conn *sql.Conn) {
	_, err := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	_ = conn.Raw(func(dc any) error {
		closeErr := f.hot.close(dc)
		if closeErr != nil || err != nil && !strings.Contains(err.Error(), "no transaction is active") {
			return driver.ErrBadConn
		}
		return nil
	})
}

// existing returns which of the ids the table has.
func existing(ctx context.Context, conn *sql.Conn, ids []string) ([]string, error) {
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	rows, err := conn.QueryContext(ctx, "SELECT id FROM orchestration_requests WHERE id IN (SELECT value FROM json_each(?))", string(list))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var known []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		known = append(known, id)
	}
	return known, rows.Err()
}

func (f *file) writeRows(ctx context.Context, conn *sql.Conn, rows []store.Row) error {
	n, err := f.insertRows(ctx, conn, &insertRequests, len(rows), func(i int, args []driver.NamedValue) { requestArgs(&rows[i], args) })
	if err != nil {
		return err
	}
	if n != int64(len(rows)) {
		return errKnown
	}
	attempts := flatten(rows)
	_, err = f.insertRows(ctx, conn, &insertAttempts, len(attempts), func(i int, args []driver.NamedValue) { attemptArgs(attempts[i], args) })
	return err
}

// attempt is an attempt with the request that it belongs to.
type attempt struct {
	request *store.Row
	*store.AttemptRow
}

func flatten(rows []store.Row) []attempt {
	all := make([]attempt, 0, len(rows)+8)
	for i := range rows {
		for k := range rows[i].Attempts {
			all = append(all, attempt{&rows[i], &rows[i].Attempts[k]})
		}
	}
	return all
}

func requestArgs(w *store.Row, args []driver.NamedValue) {
	r := w.Record
	set(args, w.Seq, w.ID, w.TenantID, w.KeyID, w.Task, w.Requested, w.Provider, w.Model, w.Input, w.Output,
		store.NanoUSD(w.Cost), w.CostStatus, store.NanoUSD(r.Baseline), w.LatencyMs, int64(r.Status), r.Outcome.String(), r.Simulated, r.Test, w.Tags, w.At, w.Hash, w.Bytes)
}

func attemptArgs(w attempt, args []driver.NamedValue) {
	a := w.Attempt
	set(args, w.request.ID, int64(a.N), w.Provider, w.Model, int64(a.Status), a.Outcome.String(), w.Input, w.Output,
		store.NanoUSD(a.Cost), a.CostStatus.String(), w.LatencyMs, a.Simulated, w.At)
}

func (f *file) writeUsage(ctx context.Context, conn *sql.Conn, usage []*llm.Rollup) error {
	_, err := f.insertRows(ctx, conn, &insertUsage, len(usage), func(i int, args []driver.NamedValue) {
		u := usage[i]
		set(args, u.Start.UnixMicro(), u.Provider, u.Model, u.KeyID, u.Tags, u.Simulated, u.Test, u.Requests, u.Attempts, u.Unpriced, u.Unknown,
			u.Input, u.Output, int64(u.Cost), int64(u.Baselined), int64(u.Baseline), int64(u.Potential), u.LatencyMs)
	})
	return err
}

func (f *file) writeHabits(ctx context.Context, conn *sql.Conn, batch *store.Batch) error {
	models, trials := batch.ModelUsage(), batch.Trials()
	_, err := f.insertRows(ctx, conn, &insertModels, len(models), func(i int, args []driver.NamedValue) {
		m := models[i]
		set(args, m.Day.UnixMicro(), m.Model, m.Simulated, m.Test, m.Named, m.Calls, m.Input, m.Cached, m.Output)
	})
	if err != nil {
		return err
	}
	_, err = f.insertRows(ctx, conn, &insertTrials, len(trials), func(i int, args []driver.NamedValue) {
		t := trials[i]
		set(args, t.Start.UnixMicro(), t.Held, t.Simulated, t.Test, t.Requests, int64(t.Cost), t.Squares)
	})
	return err
}

func set(args []driver.NamedValue, values ...any) {
	for i, v := range values {
		args[i].Value = v
	}
}
