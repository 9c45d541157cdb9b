package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/generic-corp/halfpenny/config"
	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/pricing/genai"
	"github.com/generic-corp/halfpenny/store"
)

// priceListName is what the price lists that are taken in are called.
const priceListName = "genai-prices"

// priceHistory is how long a list that another has followed still prices calls: those
// that were under way.
const priceHistory = 48 * time.Hour

// readCatalogue is the embedded catalogue with the price lists that were taken in
// since, as of the newest of them.
func (g *gateway) readCatalogue(ctx context.Context) (_ *pricing.Catalogue, as time.Time, _ error) {
	as, err := g.db.LastPriceList(ctx)
	if err != nil {
		return nil, as, err
	}
	lists, err := g.db.PriceLists(ctx, time.Now().Add(-priceHistory))
	if err != nil {
		return nil, as, err
	}
	c, err := withPriceLists(lists)
	return c, as, err
}

// withPriceLists is the embedded catalogue with the lists that are newer.
func withPriceLists(lists []store.PriceList) (*pricing.Catalogue, error) {
	c := pricing.Embedded()
	for i := range lists {
		l := &lists[i]
		if !l.From.After(pricing.Embedded().Dated()) {
			continue
		}
		updates, err := updatesOf(l)
		if updates == nil {
			return nil, fmt.Errorf("price list %s: %w", l.Version, err)
		}
		c, _ = c.With(updates)
	}
	return c, nil
}

// updatesOf reads a price list. The error beside updates says which entries were left out.
func updatesOf(l *store.PriceList) ([]pricing.HostUpdate, error) {
	providers, err := genai.Parse(l.Document)
	if err != nil {
		return nil, err
	}
	return pricing.Updates(providers, l.Version, l.From)
}

// watchPrices takes over the price lists that are taken in while the gateway runs. The
// store is asked when its epoch has changed, and lists are read when there is a newer one.
func (g *gateway) watchPrices(ctx context.Context) {
	tick := time.NewTicker(priceInterval)
	defer tick.Stop()
	seen := int64(-1)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		epoch := g.directory.Epoch()
		if epoch == seen {
			continue
		}
		if err := g.reprice(ctx); err != nil {
			if ctx.Err() == nil {
				g.log.Error("the prices in force stay", "error", err)
			}
			continue // and tried again at the next tick
		}
		seen = epoch
	}
}

// reprice makes the price lists of the store those of all requests to come.
func (g *gateway) reprice(ctx context.Context) error {
	g.applying.Lock()
	defer g.applying.Unlock()
	if last, err := g.db.LastPriceList(ctx); err != nil || last.Equal(g.pricesAs) {
		return err
	}
	fresh, as, err := g.readCatalogue(ctx)
	if err != nil {
		return err
	}
	before := g.catalogue.Swap(fresh)
	if err := g.adopt(g.config.Load()); err != nil {
		g.catalogue.Store(before)
		return err
	}
	g.pricesAs = as
	g.log.Info("prices changed", "version", fresh.Version())
	return nil
}

// priceInterval is how often a change of the store is looked for.
const priceInterval = 250 * time.Millisecond

// storedPriceLists reads the lists that a configured store has taken in, without
// making a store where there is none yet.
func storedPriceLists(ctx context.Context, cfg *config.Config) ([]store.PriceList, error) {
	if cfg.Store.Driver == config.SQLite {
		if _, err := os.Stat(filepath.Join(cfg.Store.Path, "control.db")); errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
	}
	db, err := openReady(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return db.PriceLists(ctx, time.Now().Add(-priceHistory))
}

// maxPriceList bounds a price list, in bytes.
const maxPriceList = 32 << 20

// fetchPriceList reads a price list from a file or an https address. It is in force
// from now on. source says where a file comes from; an address speaks for itself.
func fetchPriceList(ctx context.Context, from, source string) (*store.PriceList, error) {
	document, err := readPriceList(ctx, from)
	if err != nil {
		return nil, fmt.Errorf("cannot read the price list: %w", err)
	}
	if strings.HasPrefix(from, "https://") && source == "" {
		source = from
	}
	sum := sha256.Sum256(document)
	now := time.Now().UTC().Truncate(time.Microsecond)
	version := fmt.Sprintf("%s %s %s", priceListName, now.Format(time.DateOnly), hex.EncodeToString(sum[:4]))
	return &store.PriceList{Name: priceListName, From: now, Version: version, Document: document,
		Source: source + " sha256:" + hex.EncodeToString(sum[:]), CreatedAt: now}, nil
}

func readPriceList(ctx context.Context, from string) ([]byte, error) {
	if !strings.Contains(from, "://") {
		return os.ReadFile(from)
	}
	if !strings.HasPrefix(from, "https://") {
		return nil, fmt.Errorf("%s is neither a file nor an https address", from)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered with status %d", from, resp.StatusCode)
	}
	document, err := io.ReadAll(io.LimitReader(resp.Body, maxPriceList+1))
	if err == nil && len(document) > maxPriceList {
		err = fmt.Errorf("%s is over %d bytes", from, maxPriceList)
	}
	return document, err
}
