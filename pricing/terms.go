package pricing

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"

	"github.com/generic-corp/halfpenny/llm"
)

// Scope says what a term is for. An empty field is for all.
type Scope struct {
	Tenant  string // slug
	Model   string // id in the catalogue, or the name of a model that it does not know
	Account string // name of a configured provider
	Kind    string // kind of provider
}

// weight orders scopes: tenant and model, tenant, model, account, kind, all.
func (s *Scope) weight() int {
	return 8*truth(s.Tenant != "") + 4*truth(s.Model != "") + 2*truth(s.Account != "") + truth(s.Kind != "")
}

func (s *Scope) fits(k *termsKey) bool {
	return (s.Tenant == "" || s.Tenant == k.tenant) && (s.Account == "" || s.Account == k.account) &&
		(s.Kind == "" || s.Kind == k.kind) && (s.Model == "" || s.Model == k.model)
}

// Override is a price that was agreed, in place of the price list's. A class
// without a price has its parent's, as in a price list. It is for all service
// tiers and context bands, unless it names a tier.
type Override struct {
	Scope
	Price FilePrice // From, Hours and Above are not taken
}

// Discount is what a provider takes off an account's bill.
type Discount struct {
	Scope
	BasisPoints int64 // hundredths of a per cent, up to 10,000
}

// Margin is what is added to a tenant's bill.
type Margin struct {
	Scope
	BasisPoints int64 // hundredths of a per cent, up to 1,000,000
}

// Terms turn the price of a price list into the one that a call is charged at. The
// price is the tenant's override, else the operator's (one without a tenant), else
// the row of the list, where a list that was taken in later goes before the
// embedded one. The discount comes off each rate, rounded half up to femto-dollars,
// and the margin is added to what is left, rounded likewise. Of several overrides,
// discounts or margins that fit a call the one with the most specific scope counts,
// alone: tenant and model, tenant, model, account, kind of provider, all.
//
// Terms never change and are safe for concurrent use. Nil changes no price.
type Terms struct {
	overrides, discounts, margins []term // the most specific first
	applied                       memo[termsKey, *Price]
}

// term is an override, a discount or a margin.
type term struct {
	Scope
	price  Price  // of an override
	says   string // of an override: what the receipt says
	points int64  // of a discount or a margin
}

type termsKey struct {
	tenant, account, kind, model string
	price                        *Price
}

// The largest discount and margin.
const (
	wholePoints = 10_000
	maxMargin   = 1_000_000
)

// NewTerms checks the terms. Two of one sort with the same scope are an error. It
// returns nil where there are none.
func NewTerms(overrides []Override, discounts []Discount, margins []Margin) (*Terms, error) {
	if len(overrides)+len(discounts)+len(margins) == 0 {
		return nil, nil
	}
	t := new(Terms)
	var err error
	for i := range overrides {
		a, e := overrides[i].read()
		t.overrides, err = append(t.overrides, a), errors.Join(err, e)
	}
	for _, d := range discounts {
		t.discounts = append(t.discounts, term{Scope: d.Scope, points: d.BasisPoints})
		if d.BasisPoints < 0 || d.BasisPoints > wholePoints {
			err = errors.Join(err, fmt.Errorf("a discount of %d basis points is not within 0 to %d", d.BasisPoints, wholePoints))
		}
	}
	for _, m := range margins {
		t.margins = append(t.margins, term{Scope: m.Scope, points: m.BasisPoints})
		if m.BasisPoints < 0 || m.BasisPoints > maxMargin {
			err = errors.Join(err, fmt.Errorf("a margin of %d basis points is not within 0 to %d", m.BasisPoints, maxMargin))
		}
	}
	if err = errors.Join(err, order(t.overrides, "prices"), order(t.discounts, "discounts"), order(t.margins, "margins")); err != nil {
		return nil, err
	}
	return t, nil
}

// order puts the most specific first; one for a service tier before one for all.
func order(terms []term, sort string) error {
	slices.SortStableFunc(terms, func(a, b term) int {
		return cmp.Or(b.weight()-a.weight(), truth(b.price.Tier != "")-truth(a.price.Tier != ""))
	})
	type subject struct {
		Scope
		tier string
	}
	seen := map[subject]bool{}
	for i := range terms {
		s := subject{terms[i].Scope, terms[i].price.Tier}
		if seen[s] {
			return fmt.Errorf("two %s for the same: %+v", sort, s)
		}
		seen[s] = true
	}
	return nil
}

func (o *Override) read() (term, error) {
	t := term{Scope: o.Scope, says: "operator price"}
	if o.Tenant != "" {
		t.says = "tenant price"
	}
	if o.Price.From != "" || o.Price.Hours != "" || o.Price.Above != 0 {
		return t, fmt.Errorf("the price of %+v has a date, hours or a band", o.Scope)
	}
	row := o.Price
	row.Source = cmp.Or(row.Source, "the configuration")
	if err := row.read(&t.price, ""); err != nil {
		return t, fmt.Errorf("the price of %+v: %w", o.Scope, err)
	}
	return t, nil
}

// Apply returns the price that a call is charged at: of a tenant, at an account of
// a kind of provider, for a model, by a row p of the price list. p is nil where the
// list has none, and so is the result unless there is an override. What Apply returns
// is shared; p itself where nothing was agreed.
func (t *Terms) Apply(tenantSlug, account, kind, model string, p *Price) *Price {
	if t == nil {
		return p
	}
	key := termsKey{tenantSlug, account, kind, model, p}
	if applied, ok := t.applied.get(key); ok {
		return applied
	}
	applied := t.apply(&key)
	t.applied.put(key, applied)
	return applied
}

func (t *Terms) apply(k *termsKey) *Price {
	override := first(t.overrides, k)
	discount, margin := first(t.discounts, k), first(t.margins, k)
	if override == nil && (k.price == nil || discount == nil && margin == nil) {
		return k.price
	}
	var q Price
	if k.price != nil {
		q = *k.price
	}
	says := q.Rates.Version
	if override != nil {
		q.Rates, q.Fees, q.Source = override.price.Rates, override.price.Fees, override.price.Source
		if says = override.says; k.price != nil {
			says = k.price.Rates.Version + " +" + says
		}
	}
	q.Fees = slices.Clone(q.Fees)
	if discount != nil {
		q.scale(wholePoints - discount.points)
		says += " -" + percent(discount.points) + " discount"
	}
	if margin != nil {
		q.scale(wholePoints + margin.points)
		says += " +" + percent(margin.points) + " margin"
	}
	q.Rates.Version = says
	return &q
}

// first returns the first term that fits, or nil.
func first(terms []term, k *termsKey) *term {
	for i := range terms {
		tier := terms[i].price.Tier
		if terms[i].fits(k) && (tier == "" || k.price != nil && k.price.Tier == tier) {
			return &terms[i]
		}
	}
	return nil
}

// scale multiplies every rate by points/10,000, rounded half up.
func (p *Price) scale(points int64) {
	for _, rate := range p.Rates.All() {
		*rate = share(*rate, points)
	}
	for i := range p.Fees {
		p.Fees[i].Rate = share(p.Fees[i].Rate, points)
	}
}

func share(rate llm.Rate, points int64) llm.Rate {
	hi, lo := bits.Mul64(uint64(max(rate, 0)), uint64(points))
	lo, carry := bits.Add64(lo, wholePoints/2, 0)
	if hi += carry; hi >= wholePoints {
		return math.MaxInt64
	}
	scaled, _ := bits.Div64(hi, lo, wholePoints)
	return llm.Rate(min(scaled, math.MaxInt64))
}

// percent writes basis points, such as 1050 as 10.5%.
func percent(points int64) string {
	text := fmt.Sprintf("%d.%02d", points/100, points%100)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".") + "%"
}
