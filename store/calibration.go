package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/generic-corp/halfpenny/llm"
)

// SaveCalibrations keeps each row unless a stored one rests on as many samples or
// more, so that of several replicas the one that has learned most wins.
func (c *Control) SaveCalibrations(ctx context.Context, rows []llm.CalibrationRow) error {
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b llm.CalibrationRow) int { // replicas that lock rows in one order do not wait for each other in a circle
		return cmp.Or(cmp.Compare(a.Model, b.Model), cmp.Compare(a.Kind, b.Kind))
	})
	err := c.tx(ctx, func(tx *sql.Tx) error {
		for i := range rows {
			r := &rows[i]
			_, err := exec(ctx, tx, c.sql(`INSERT INTO {s}.calibrations AS t (model, kind, bias, spread, samples, updated_at) VALUES ($1, $2, $3, $4, $5, $6)
				ON CONFLICT (model, kind) DO UPDATE SET bias = excluded.bias, spread = excluded.spread, samples = excluded.samples, updated_at = excluded.updated_at
				WHERE excluded.samples > t.samples`),
				text(r.Model, maxName), text(r.Kind, maxName), r.Bias, r.Spread, r.Samples, time.Now())
			if err != nil {
				return fmt.Errorf("model %.60q: %w", r.Model, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cannot save %d calibrations: %w", len(rows), err)
	}
	return nil
}

// LoadCalibrations returns all rows, by model and kind.
func (c *Control) LoadCalibrations(ctx context.Context) ([]llm.CalibrationRow, error) {
	all, err := collect(ctx, c.Read, scanCalibration, c.sql("SELECT model, kind, bias, spread, samples FROM {s}.calibrations ORDER BY model, kind"))
	if err != nil {
		return nil, fmt.Errorf("cannot read the calibrations: %w", err)
	}
	return all, nil
}

func scanCalibration(r row) (c llm.CalibrationRow, err error) {
	err = r.Scan(&c.Model, &c.Kind, &c.Bias, &c.Spread, &c.Samples)
	return c, err
}
