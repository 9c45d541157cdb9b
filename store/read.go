package store

import (
	"context"
	"fmt"
	"time"

	"github.com/generic-corp/halfpenny/llm"
)

// beyondIDs sorts behind every id.
const beyondIDs = "\U0010ffff"

// Record implements Reader.
func (c *Control) Record(ctx context.Context, slug, id string) (llm.Stored, error) {
	p, err := c.place(ctx, slug)
	if err != nil {
		return llm.Stored{}, err
	}
	defer p.Close()
	r := p.Read.QueryRowContext(ctx, qualify(p.Prefix, "SELECT seq, hash, record FROM {s}.orchestration_requests WHERE id = $1"), text(id, maxName))
	stored, err := scanStored(r)
	if err != nil {
		return llm.Stored{}, c.Driver.Explain(notFound(err, "record", id))
	}
	return stored, nil
}

// Requests implements Reader.
func (c *Control) Requests(ctx context.Context, slug, before string, limit int) ([]llm.Stored, error) {
	p, err := c.place(ctx, slug)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	if before = text(before, maxName); before == "" {
		before = beyondIDs
	}
	all, err := collect(ctx, p.Read, scanStored,
		qualify(p.Prefix, "SELECT seq, hash, record FROM {s}.orchestration_requests WHERE id < $1 ORDER BY id DESC LIMIT $2"), before, max(0, min(limit, MaxPage)))
	if err != nil {
		return nil, c.Driver.Explain(fmt.Errorf("cannot read requests: %w", err))
	}
	return all, nil
}

func scanStored(r row) (s llm.Stored, err error) {
	var record []byte
	if err := r.Scan(&s.Seq, &s.Hash, &record); err != nil {
		return s, err
	}
	s.Record, err = llm.ParseRecord(record)
	return s, err
}

const selectRollups = `SELECT period_start, provider, model, key_id, tags, simulated, test, requests, attempts, unpriced, unknown,
	input_tokens, output_tokens, cost_nanousd, baselined_nanousd, baseline_nanousd, potential_nanousd, latency_ms
	FROM {s}.usage_15m WHERE period_start >= $1 AND period_start < $2 ORDER BY period_start, provider, model, key_id, tags, simulated, test`

// Rollups implements Reader.
func (c *Control) Rollups(ctx context.Context, slug string, from, to time.Time) ([]llm.Rollup, error) {
	p, err := c.place(ctx, slug)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	all, err := collect(ctx, p.Read, scanRollup, qualify(p.Prefix, selectRollups), from, to)
	if err != nil {
		return nil, c.Driver.Explain(fmt.Errorf("cannot read rollups: %w", err))
	}
	return all, nil
}

func scanRollup(r row) (u llm.Rollup, err error) {
	err = r.Scan(stamp{&u.Start}, &u.Provider, &u.Model, &u.KeyID, &u.Tags, &u.Simulated, &u.Test, &u.Requests, &u.Attempts, &u.Unpriced, &u.Unknown,
		&u.Input, &u.Output, &u.Cost, &u.Baselined, &u.Baseline, &u.Potential, &u.LatencyMs)
	return u, err
}

// place finds a tenant's tables by slug, outside of a transaction.
func (c *Control) place(ctx context.Context, slug string) (Place, error) {
	s, err := SchemaOf(slug)
	if err != nil {
		return Place{}, err
	}
	return c.Driver.Place(ctx, c.Read, s)
}
