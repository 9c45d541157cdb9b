package main

import (
	"cmp"
	"fmt"

	"github.com/generic-corp/halfpenny/config"
	"github.com/generic-corp/halfpenny/internal/fakellm"
	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/provider"
	"github.com/generic-corp/halfpenny/proxy"
	"github.com/generic-corp/halfpenny/router"
)

// tables builds the routing of a configuration.
func (g *gateway) tables(cfg *config.Config) (proxy.Tables, error) {
	catalogue := g.catalogue.Load()
	simulated, err := simulatedAccounts(catalogue, g.simulation)
	if err != nil {
		return proxy.Tables{}, err
	}
	terms, err := termsOf(cfg, catalogue)
	if err != nil {
		return proxy.Tables{}, err
	}
	table := func(accounts []*router.Account) *router.Table {
		return router.NewTable(catalogue, accounts, router.Options{
			DefaultMode: cfg.Routing.Mode(), Floor: cfg.Routing.QualityFloor, BaselineModel: cfg.Routing.BaselineModel,
			Aliases: cfg.Routing.Aliases, Health: g.health, Terms: terms, MaxWait: cfg.Routing.MaxWait,
		})
	}
	t := proxy.Tables{Test: table(simulated)}
	if cfg.Simulated() {
		t.Live = t.Test
		return t, nil
	}
	accounts, err := configuredAccounts(cfg.Providers)
	if err != nil {
		return proxy.Tables{}, err
	}
	t.Live = table(accounts)
	return t, nil
}

func configuredAccounts(providers []config.Provider) ([]*router.Account, error) {
	accounts := make([]*router.Account, 0, len(providers))
	for i := range providers {
		p := &providers[i]
		kind, ok := provider.Lookup(p.Kind)
		if !ok {
			return nil, fmt.Errorf("provider %s has an unknown kind %q", p.Name, p.Kind)
		}
		adapter, err := kind.New(p.BaseURL)
		if err != nil {
			return nil, err
		}
		accounts = append(accounts, &router.Account{Name: p.Name, Kind: p.Kind, Adapter: adapter, Secrets: p.Secrets(), Models: p.ModelNames(), Weight: p.Weight,
			Region: p.Region, Passthrough: p.Passthrough})
	}
	return accounts, nil
}

// simulatedAccounts is one account at every provider of the catalogue, all of them the simulation.
func simulatedAccounts(catalogue *pricing.Catalogue, simulation *fakellm.Server) ([]*router.Account, error) {
	hosts := map[string]bool{}
	for _, m := range catalogue.Models() {
		for _, h := range m.Hosts {
			hosts[h.Kind] = true
		}
	}
	var accounts []*router.Account
	for _, kind := range provider.Kinds() {
		if !hosts[kind.Name] {
			continue
		}
		at := cmp.Or(kind.Simulation, "openai/v1")
		adapter, err := kind.New(simulation.URL() + "/sim/" + kind.Name + "/" + at)
		if err != nil {
			return nil, err
		}
		accounts = append(accounts, &router.Account{Name: kind.Name, Kind: kind.Name, Adapter: adapter, Secrets: []string{"simulated"}, Simulated: true, Passthrough: true})
	}
	return accounts, nil
}

func catalogueIDs() []string {
	var ids []string
	for _, m := range pricing.Embedded().Models() {
		ids = append(ids, m.ID)
	}
	return ids
}

// termsOf is what the operator has agreed on beside the price list.
func termsOf(cfg *config.Config, catalogue *pricing.Catalogue) (*pricing.Terms, error) {
	var overrides []pricing.Override
	for i, o := range cfg.Prices.Overrides {
		scope, err := scopeOf(cfg, catalogue, o.Tenant, o.Provider, o.Model)
		if err != nil {
			return nil, fmt.Errorf("prices.overrides[%d].%w", i, err)
		}
		overrides = append(overrides, pricing.Override{Scope: scope, Price: pricing.FilePrice{
			Tier: o.Tier, Input: string(o.Input), CacheRead: string(o.CacheRead), CacheWrite5m: string(o.CacheWrite5m), CacheWrite1h: string(o.CacheWrite1h),
			Output: string(o.Output), Reasoning: string(o.Reasoning)}})
	}
	var discounts []pricing.Discount
	for i, d := range cfg.Prices.Discounts {
		scope, points, err := shareOf(cfg, catalogue, d)
		if err != nil {
			return nil, fmt.Errorf("prices.discounts[%d].%w", i, err)
		}
		discounts = append(discounts, pricing.Discount{Scope: scope, BasisPoints: points})
	}
	var margins []pricing.Margin
	for i, m := range cfg.Prices.Margins {
		scope, points, err := shareOf(cfg, catalogue, config.Discount(m))
		if err != nil {
			return nil, fmt.Errorf("prices.margins[%d].%w", i, err)
		}
		margins = append(margins, pricing.Margin{Scope: scope, BasisPoints: points})
	}
	terms, err := pricing.NewTerms(overrides, discounts, margins)
	if err != nil {
		return nil, fmt.Errorf("prices: %w", err)
	}
	return terms, nil
}

// shareOf reads a discount, or a margin as one.
func shareOf(cfg *config.Config, catalogue *pricing.Catalogue, d config.Discount) (pricing.Scope, int64, error) {
	scope, err := scopeOf(cfg, catalogue, d.Tenant, d.Provider, d.Model)
	if err != nil {
		return scope, 0, err
	}
	points, err := d.Percent.BasisPoints()
	return scope, points, err
}

// scopeOf says what an agreement is for. A model goes by its id in the catalogue, or by
// the name under which a provider is configured to serve it.
func scopeOf(cfg *config.Config, catalogue *pricing.Catalogue, tenant, provider, model string) (pricing.Scope, error) {
	s := pricing.Scope{Tenant: tenant, Model: model}
	if cfg.Account(provider) {
		s.Account = provider
	} else {
		s.Kind = provider
	}
	m := catalogue.Lookup(model)
	switch {
	case m != nil:
		s.Model = m.ID
	case model != "" && !cfg.Serves(model):
		return s, fmt.Errorf("model: the catalogue does not know %q, and no provider is configured to serve it", model)
	}
	return s, nil
}
