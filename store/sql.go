package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/tenancy"
)

// Querier is a pool, a connection or a transaction.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Place is where the tables of one schema are reached.
type Place struct {
	Read, Write Querier
	Prefix      string // stands before a table's name: a quoted schema and a dot, or nothing
	Close       func() // gives the place back; it must be called
}

// qualify puts the place's prefix where a statement says {s}.
func qualify(prefix, query string) string { return strings.ReplaceAll(query, "{s}.", prefix) }

// stamp reads a time from a column: PostgreSQL's timestamptz or SQLite's
// microseconds. NULL is the zero time.
type stamp struct{ to *time.Time }

// Scan implements sql.Scanner.
func (s stamp) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*s.to = time.Time{}
	case time.Time:
		*s.to = v.UTC()
	case int64:
		*s.to = time.UnixMicro(v).UTC()
	default:
		return fmt.Errorf("cannot read a time from %T", v)
	}
	return nil
}

// nullTime is the argument for a time that may be zero.
func nullTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

// money reads an amount that may be NULL.
type money struct{ to *llm.NullMoney }

// Scan implements sql.Scanner.
func (m money) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*m.to = llm.NullMoney{}
	case int64:
		*m.to = llm.Known(llm.Money(v))
	default:
		return fmt.Errorf("cannot read an amount from %T", v)
	}
	return nil
}

// NanoUSD is the argument for an amount that may be unknown.
func NanoUSD(n llm.NullMoney) any {
	if !n.Valid {
		return nil
	}
	return int64(n.Money)
}

// notFound turns "no rows" into tenancy.ErrNotFound.
func notFound(err error, what, name string) error {
	if errors.Is(err, sql.ErrNoRows) {
		err = tenancy.ErrNotFound
	}
	return fmt.Errorf("%s %.60q: %w", what, name, err)
}

// collect reads all rows of a query.
func collect[T any](ctx context.Context, q Querier, scan func(row) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// row is one row of a result.
type row interface{ Scan(dest ...any) error }
