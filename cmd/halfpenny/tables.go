package main

import (
	"fmt"

	"github.com/generic-corp/halfpenny/config"
	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/provider"
	"github.com/generic-corp/halfpenny/proxy"
	"github.com/generic-corp/halfpenny/router"
)

// tables builds the routing of a configuration.
func (g *gateway) tables(cfg *config.Config) (proxy.Tables, error) {
	simulated, err := simulatedAccounts(g.simulation.BaseURL)
	if err != nil {
		return proxy.Tables{}, err
	}
	table := func(accounts []*router.Account) *router.Table {
		return router.NewTable(pricing.Embedded(), accounts, router.Options{
			DefaultMode: cfg.Routing.Mode(), Floor: cfg.Routing.QualityFloor, BaselineModel: cfg.Routing.BaselineModel,
			Aliases: cfg.Routing.Aliases, Health: g.health,
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
		accounts = append(accounts, &router.Account{Name: p.Name, Kind: p.Kind, Adapter: adapter, Secrets: p.Secrets(), Models: p.ModelNames(), Weight: p.Weight})
	}
	return accounts, nil
}

// simulatedAccounts is one account at every provider of the catalogue, all of them the simulation.
func simulatedAccounts(baseURL func(kind string) string) ([]*router.Account, error) {
	hosts := map[string]bool{}
	for _, m := range pricing.Embedded().Models() {
		for _, h := range m.Hosts {
			hosts[h.Kind] = true
		}
	}
	var accounts []*router.Account
	for _, kind := range provider.Kinds() {
		if !hosts[kind.Name] {
			continue
		}
		adapter, err := kind.New(baseURL(kind.Name))
		if err != nil {
			return nil, err
		}
		accounts = append(accounts, &router.Account{Name: kind.Name, Kind: kind.Name, Adapter: adapter, Secrets: []string{"simulated"}, Simulated: true})
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
