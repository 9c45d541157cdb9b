package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/pricing/genai"
)

// priceLists are the providers of genai-prices.
type priceLists struct {
	number, date, licence string
	providers             []genai.Provider
}

// readLists reads what dump.mjs wrote.
func readLists(path string) (*priceLists, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read genai-prices: %w", err)
	}
	var dumped struct {
		Version, Date, Licence string
		Providers              json.RawMessage
	}
	if err := json.Unmarshal(raw, &dumped); err != nil {
		return nil, fmt.Errorf("cannot read genai-prices: %w", err)
	}
	l := &priceLists{number: dumped.Version, date: dumped.Date, licence: dumped.Licence}
	l.providers, err = genai.Parse(dumped.Providers)
	return l, err
}

func (l *priceLists) version() string { return "genai-prices " + l.number }

func (l *priceLists) origin() string {
	return fmt.Sprintf("npm @pydantic/genai-prices %s %s (%s): prices, fees, context windows, names", l.number, l.date, l.licence)
}

// provider returns the id of the list that prices a kind of host; empty: none does.
func (l *priceLists) provider(kind string) string {
	if kind == "gemini" {
		return "google"
	}
	for _, p := range l.providers {
		if pricing.ListKind(p.ID) == kind {
			return p.ID
		}
	}
	return ""
}

// find returns the entry that prices a model at a kind of host, and its path in the list.
func (l *priceLists) find(kind, name string) (path string, m *genai.Model) {
	provider := l.provider(kind)
	if provider == "" {
		return "", nil
	}
	owner, m := genai.Find(l.providers, provider, name)
	if m == nil {
		return "", nil
	}
	return owner.ID + "/" + m.ID, m
}

// prices returns the rows of an entry.
func (l *priceLists) prices(path string, m *genai.Model) ([]pricing.FilePrice, error) {
	provider := path[:len(path)-len(m.ID)-1]
	return pricing.ListPrices(provider, m, fmt.Sprintf("%s %s %s", l.version(), l.date, path))
}
