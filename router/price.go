package router

import (
	"time"

	"github.com/generic-corp/halfpenny/pricing"
)

// Price returns the price at which a call of a tenant to a target is charged: the row
// in force when it was made, for the model and the service tier that the reply names
// where the price list knows them, else for what was asked; with what the operator has
// agreed on. nil: there is no price. What it returns is shared.
func (t *Table) Price(tenant string, target *Target, served, tier string, at time.Time, inputTokens int64) *pricing.Price {
	kind := target.Account.Kind
	priced, termed := target.Model, target.ID // a name that only a rule of the price list knows is no model to agree on
	if m := t.catalogue.LookupAt(kind, served); m != nil {
		if priced = m; t.catalogue.Lookup(m.ID) == m {
			termed = m.ID
		}
	}
	var p *pricing.Price
	if priced != nil {
		if h := priced.Host(kind); h != nil {
			p = h.Price(at, tier, inputTokens)
		}
	}
	return t.options.Terms.Apply(tenant, target.Account.Name, kind, termed, p)
}
