package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/generic-corp/halfpenny/config"
	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/store"
)

// pricesShow prints the prices in force: of one model with all that is known of it,
// else a line for every model at every provider.
func pricesShow(ctx context.Context, c *cli, args []string) error {
	var file, name string
	f := c.flags(&file)
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	}
	if err := parse(f, args); err != nil {
		return err
	}
	catalogue, err := cataloguePriced(ctx, file)
	if err != nil {
		return err
	}
	if name == "" {
		return showAll(c.out, catalogue, time.Now())
	}
	m := findModel(catalogue, name)
	if m == nil {
		if near := catalogue.Near(name, 3); len(near) > 0 {
			return fmt.Errorf("there is no model %q; near it: %s", name, strings.Join(near, ", "))
		}
		return fmt.Errorf("there is no model %q", name)
	}
	return showModel(c.out, catalogue, m, time.Now())
}

// cataloguePriced is the catalogue with the price lists that the configured store has taken in.
func cataloguePriced(ctx context.Context, file string) (*pricing.Catalogue, error) {
	cfg, err := config.Load(config.Flags{File: file})
	if err != nil {
		return nil, err
	}
	lists, err := storedPriceLists(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return withPriceLists(lists)
}

// findModel finds a model by a name, or by a name behind a kind of provider.
func findModel(c *pricing.Catalogue, name string) *pricing.Model {
	if m := c.Lookup(name); m != nil {
		return m
	}
	if kind, at, ok := strings.Cut(name, "/"); ok {
		return c.LookupAt(kind, at)
	}
	return nil
}

func showAll(out io.Writer, c *pricing.Catalogue, now time.Time) error {
	fmt.Fprintf(out, "%s\nsha256 %s\nUS dollars per million tokens, default service tier, in force now\n\n", c.Version(), c.Checksum())
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "MODEL\tPROVIDER\tINPUT\tCACHED\tOUTPUT")
	for _, m := range c.Models() {
		for i := range m.Hosts {
			h := &m.Hosts[i]
			p := h.Price(now, "", 0)
			if p == nil {
				fmt.Fprintf(w, "%s\t%s\tunpriced\t\t\n", m.ID, h.Kind)
				continue
			}
			r := &p.Rates
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", m.ID, h.Kind, pricing.RateDecimal(r.Input), pricing.RateDecimal(r.CacheRead), pricing.RateDecimal(r.Output))
		}
	}
	return w.Flush()
}

func showModel(out io.Writer, c *pricing.Catalogue, m *pricing.Model, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(key, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", key, value)
		}
	}
	line("model", m.ID)
	line("also", strings.Join(m.Names, ", "))
	line("owner", m.Owner)
	if !m.Released.IsZero() {
		line("released", m.Released.Format(time.DateOnly))
	}
	line("for", m.Use)
	line("context", tokensText(m.Context))
	line("prompt", tokensText(m.MaxInput))
	line("output", tokensText(m.MaxOutput))
	line("reads", m.Input.String())
	line("writes", m.Output.String())
	line("abilities", abilities(m))
	line("refuses", strings.Join(m.Refuses, ", "))
	line("capability", capabilityText(m))
	line("facts from", m.Source)
	line("price list", c.Version())
	if err := w.Flush(); err != nil {
		return err
	}
	for i := range m.Hosts {
		if err := showHost(out, &m.Hosts[i], now); err != nil {
			return err
		}
	}
	return nil
}

func tokensText(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d tokens", n)
}

func abilities(m *pricing.Model) string {
	var words []string
	for _, a := range []struct {
		has  bool
		word string
	}{{m.Tools, "tools"}, {m.JSONObject, "json_object"}, {m.JSONSchema, "json_schema"}, {m.Reasoning, "reasoning"}, {m.Unverified, "not documented: served only where it is named"}} {
		if a.has {
			words = append(words, a.word)
		}
	}
	return strings.Join(words, ", ")
}

func capabilityText(m *pricing.Model) string {
	switch {
	case m.Capability == 0:
		return "no evidence: never chosen in place of another"
	case m.Indirect:
		return fmt.Sprintf("%.3f, to be compared with only: %s", m.Capability, m.Evidence)
	}
	return fmt.Sprintf("%.3f: %s", m.Capability, m.Evidence)
}

// showHost prints the rows of a host: those in force or to come, and those before.
func showHost(out io.Writer, h *pricing.Host, now time.Time) error {
	fmt.Fprintf(out, "\n%s, there %s\n", h.Kind, h.Name)
	if len(h.Prices) == 0 {
		fmt.Fprintln(out, "  no price is known")
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i := range h.Prices {
		p := &h.Prices[i]
		fmt.Fprintf(w, "  %s\t%s\t%s\n", when(h, p, now), pricing.PriceText(p), p.Source)
	}
	return w.Flush()
}

// when says for which calls a row is.
func when(h *pricing.Host, p *pricing.Price, now time.Time) string {
	words := []string{"default"}
	if p.Tier != "" {
		words[0] = p.Tier
	}
	if p.Above > 0 {
		words = append(words, fmt.Sprintf("above %d tokens", p.Above))
	}
	if !p.From.IsZero() {
		words = append(words, "from "+p.From.Format(time.DateOnly))
	}
	if p.Hours != nil {
		words = append(words, "at "+p.Hours.String()+" UTC")
	}
	if !p.From.After(now) && h.Price(now, p.Tier, p.Above+1) != p {
		words = append(words, "not now")
	}
	return strings.Join(words, ", ")
}

// pricesCheck prints what the prices in force rest on, and what a newer list would
// change. It fails where a price has no provenance.
func pricesCheck(ctx context.Context, c *cli, args []string) error {
	var file, from string
	f := c.flags(&file)
	f.StringVar(&from, "from", "", "a newer price list to compare with: a `FILE` or an https address")
	if err := parse(f, args); err != nil {
		return err
	}
	catalogue, err := cataloguePriced(ctx, file)
	if err != nil {
		return err
	}
	if err := checkCatalogue(c.out, catalogue, time.Now()); err != nil {
		return err
	}
	if from == "" {
		return nil
	}
	_, updates, err := c.newerPrices(ctx, from, from)
	if err != nil {
		return err
	}
	_, diffs := catalogue.With(updates)
	return printDiffs(c.out, diffs)
}

// newerPrices reads a price list. Entries that cannot be taken in are told and left out.
func (c *cli) newerPrices(ctx context.Context, from, source string) (*store.PriceList, []pricing.HostUpdate, error) {
	list, err := fetchPriceList(ctx, from, source)
	if err != nil {
		return nil, nil, err
	}
	updates, err := updatesOf(list)
	if updates == nil {
		return nil, nil, err
	}
	if err != nil {
		fmt.Fprintln(c.err, err)
	}
	return list, updates, nil
}

func checkCatalogue(out io.Writer, c *pricing.Catalogue, now time.Time) error {
	var hosts, rows, unpriced, sourceless, differing, scored, unverified int
	kinds := map[string]bool{}
	for _, m := range c.Models() {
		if m.Capability > 0 {
			scored++
		}
		if m.Unverified {
			unverified++
		}
		for i := range m.Hosts {
			h := &m.Hosts[i]
			hosts++
			kinds[h.Kind] = true
			if h.Price(now, "", 0) == nil {
				unpriced++
			}
			for j := range h.Prices {
				rows++
				if h.Prices[j].Source == "" {
					sourceless++
				}
				if strings.Contains(h.Prices[j].Source, "models.dev differs") {
					differing++
				}
			}
		}
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "price list\t%s\n", c.Version())
	fmt.Fprintf(w, "sha256\t%s\n", c.Checksum())
	fmt.Fprintf(w, "dated\t%s, %d days ago\n", c.Dated().Format(time.DateOnly), int(now.Sub(c.Dated()).Hours()/24))
	fmt.Fprintf(w, "models\t%d at %d kinds of provider: %d places\n", len(c.Models()), len(kinds), hosts)
	fmt.Fprintf(w, "prices\t%d rows; %d places are unpriced\n", rows, unpriced)
	fmt.Fprintf(w, "provenance\t%d rows without; %d rows where the second source differs by more than 1 %%: docs/price-differences.md\n", sourceless, differing)
	fmt.Fprintf(w, "abilities\t%d models have evidence of their capability; of %d nobody documents the abilities\n", scored, unverified)
	if err := w.Flush(); err != nil {
		return err
	}
	if sourceless > 0 {
		return fmt.Errorf("%d prices have no provenance", sourceless)
	}
	return nil
}

func printDiffs(out io.Writer, diffs []pricing.Diff) error {
	if len(diffs) == 0 {
		_, err := fmt.Fprintln(out, "nothing changes")
		return err
	}
	kinds := map[string]int{}
	for _, d := range diffs {
		kinds[d.Change]++
		fmt.Fprintln(out, d)
	}
	_, err := fmt.Fprintf(out, "%d prices change, %d entries are new, %d are no longer listed\n", kinds["price"], kinds["new"], kinds["vanished"])
	return err
}

// pricesUpdate takes in a newer price list: it is in force from now on, and calls made
// before keep their prices.
func pricesUpdate(ctx context.Context, c *cli, args []string) error {
	var file, from, source string
	var dry bool
	f := c.flags(&file)
	f.StringVar(&from, "from", pricing.ListURL, "the price list of genai-prices: a `FILE` or an https address")
	f.StringVar(&source, "source", "", "where a file comes from; it is kept as the provenance of its prices")
	f.BoolVar(&dry, "dry-run", false, "only show what would change")
	if err := parse(f, args); err != nil {
		return err
	}
	if !strings.HasPrefix(from, "https://") && source == "" && !dry {
		return errors.New("prices update: a file needs --source, which says where it comes from")
	}
	list, updates, err := c.newerPrices(ctx, from, source)
	if err != nil {
		return err
	}
	return withStore(ctx, file, func(ctx context.Context, _ *config.Config, db database) error {
		lists, err := db.PriceLists(ctx, time.Now().Add(-priceHistory))
		if err != nil {
			return err
		}
		catalogue, err := withPriceLists(lists)
		if err != nil {
			return err
		}
		_, diffs := catalogue.With(updates)
		if err := printDiffs(c.out, diffs); err != nil || len(diffs) == 0 || dry {
			return err
		}
		return db.SavePriceList(ctx, *list)
	})
}
