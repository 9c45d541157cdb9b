package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// PriceList is a price list that was taken in, whole. It stands beside those before
// it: a call is priced by what was in force when it was made.
type PriceList struct {
	Name      string    // of the list, such as "genai-prices"
	From      time.Time // in force from here on, to the microsecond
	Version   string
	Document  []byte // JSON, as it was published
	Source    string // where it was taken from
	CreatedAt time.Time
}

// allModels stands where the table has a model: a list is of all of them.
const allModels = "*"

// SavePriceList adds a price list and tells every replica. One of the same version
// and instant is left as it is.
func (c *Control) SavePriceList(ctx context.Context, l PriceList) error {
	if !json.Valid(l.Document) { // SQLite would take it
		return errors.New("cannot save a price list that is no JSON")
	}
	err := c.change(ctx, func(tx *sql.Tx) error {
		_, err := exec(ctx, tx, c.sql("INSERT INTO {s}.prices (provider, model, tier, above_tokens, valid_from, version, rates, source, created_at) "+
			"VALUES ($1, $2, '', 0, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING"),
			text(l.Name, maxName), allModels, l.From, text(l.Version, maxName), string(l.Document), text(l.Source, maxDetail), l.CreatedAt)
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot save the price list %s: %w", l.Version, err)
	}
	return nil
}

// PriceLists returns the price lists that are or come into force at or after an
// instant, the earliest first.
func (c *Control) PriceLists(ctx context.Context, since time.Time) ([]PriceList, error) {
	all, err := collect(ctx, c.Read, scanPriceList,
		c.sql("SELECT provider, valid_from, version, rates, source, created_at FROM {s}.prices WHERE model = '"+allModels+"' AND valid_from >= "+
			"COALESCE((SELECT MAX(valid_from) FROM {s}.prices WHERE model = '"+allModels+"' AND valid_from <= $1), $1) ORDER BY valid_from, created_at, version"), since)
	if err != nil {
		return nil, fmt.Errorf("cannot read the price lists: %w", err)
	}
	return all, nil
}

// LastPriceList returns when the newest price list was saved; zero: there is none. It
// reads no list, so it may be asked often.
func (c *Control) LastPriceList(ctx context.Context) (at time.Time, err error) {
	if err := c.Read.QueryRowContext(ctx, c.sql("SELECT MAX(created_at) FROM {s}.prices")).Scan(stamp{&at}); err != nil {
		return at, fmt.Errorf("cannot look for price lists: %w", err)
	}
	return at, nil
}

func scanPriceList(r row) (l PriceList, err error) {
	err = r.Scan(&l.Name, stamp{&l.From}, &l.Version, &l.Document, &l.Source, stamp{&l.CreatedAt})
	return l, err
}
