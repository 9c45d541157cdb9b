package pricing

import (
	"slices"
	"testing"

	"github.com/generic-corp/halfpenny/llm"
	"pgregory.net/rapid"
)

func dollars(input, output string) FilePrice { return FilePrice{Input: input, Output: output} }

// What is charged is the most specific price that was agreed, less the most
// specific discount, plus the most specific margin.
func TestTerms(t *testing.T) {
	m, other := &Model{ID: "m"}, &Model{ID: "other"}
	list := &Price{Tier: "flex", Above: 7, Source: "list", Rates: llm.Rates{Input: 1_000_000_000, Output: 2_000_000_000, Version: "list 1"},
		Fees: []llm.FeeRate{{Name: FeeRequest, Rate: 1000}}}
	terms, err := NewTerms(
		[]Override{
			{Scope{Model: "m"}, dollars("5", "6")},
			{Scope{Tenant: "acme"}, dollars("4", "4")},
			{Scope{Tenant: "acme", Model: "m"}, dollars("3", "3")},
			{Scope{Tenant: "acme", Model: "m"}, FilePrice{Tier: "priority", Input: "9", Output: "9"}},
			{Scope{Account: "own"}, dollars("0", "0")},
		},
		[]Discount{{Scope{}, 0}, {Scope{Kind: "k"}, 1000}, {Scope{Account: "a"}, 2550}},
		[]Margin{{Scope{Tenant: "big"}, 500}, {Scope{Tenant: "big", Model: "m"}, 1}},
	)
	if err != nil {
		t.Fatal(err)
	}
	f := func(tenant, account, kind string, m *Model, p *Price, input llm.Rate, version string) {
		t.Helper()
		got := terms.Apply(tenant, account, kind, idOf(m), p)
		if got == nil || got.Rates.Input != input || got.Rates.Version != version {
			t.Errorf("%s %s %s: %+v, want %d, %q", tenant, account, kind, got, input, version)
		}
		if p != nil && got != nil && (got.Tier != p.Tier || got.Above != p.Above) {
			t.Errorf("another row: %+v", got)
		}
	}
	f("x", "x", "x", other, list, 1_000_000_000, "list 1 -0% discount")
	f("x", "x", "k", other, list, 900_000_000, "list 1 -10% discount")
	f("x", "a", "k", other, list, 745_000_000, "list 1 -25.5% discount")
	f("big", "a", "k", other, list, 782_250_000, "list 1 -25.5% discount +5% margin")
	f("big", "x", "k", m, list, 4_500_450_000, "list 1 +operator price -10% discount +0.01% margin")
	f("acme", "x", "k", m, list, 2_700_000_000, "list 1 +tenant price -10% discount")
	f("acme", "x", "k", m, &Price{Tier: "priority", Rates: llm.Rates{Version: "v"}}, 8_100_000_000, "v +tenant price -10% discount")
	f("acme", "x", "k", other, list, 3_600_000_000, "list 1 +tenant price -10% discount")
	f("acme", "x", "k", nil, nil, 3_600_000_000, "tenant price -10% discount")
	f("x", "own", "x", nil, nil, 0, "operator price -0% discount")
	if got := terms.Apply("x", "x", "k", "", nil); got != nil {
		t.Errorf("no price became %+v", got)
	}
	if got := terms.Apply("x", "x", "k", other.ID, list); got.Fees[0].Rate != 900 || list.Fees[0].Rate != 1000 || got.Source != "list" {
		t.Errorf("fees %+v of %+v", got.Fees, list.Fees)
	}
	if n := testing.AllocsPerRun(100, func() { terms.Apply("big", "x", "k", m.ID, list) }); n != 0 {
		t.Errorf("a repeated Apply allocates %v times", n)
	}
}

func TestNoTermsChangeNothing(t *testing.T) {
	p := &Price{Rates: llm.Rates{Input: 1}}
	none, err := NewTerms(nil, nil, nil)
	if none != nil || err != nil || none.Apply("t", "a", "k", "", p) != p || none.Apply("t", "a", "k", "", nil) != nil {
		t.Error("no terms are not the price list's")
	}
	if n := testing.AllocsPerRun(100, func() { none.Apply("t", "a", "k", "", p) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	apart, err := NewTerms(nil, nil, []Margin{{Scope{Tenant: "other"}, 1}})
	if err != nil || apart.Apply("t", "a", "k", "", p) != p {
		t.Error("what is for another changes the price")
	}
}

func TestTermsThatAreRefused(t *testing.T) {
	f := func(name string, o []Override, d []Discount, m []Margin) {
		t.Helper()
		if terms, err := NewTerms(o, d, m); err == nil {
			t.Errorf("%s: %+v", name, terms)
		}
	}
	f("a price that is none", []Override{{Scope{}, dollars("x", "1")}}, nil, nil)
	f("no price", []Override{{Scope{}, FilePrice{}}}, nil, nil)
	f("a date", []Override{{Scope{}, FilePrice{From: "2026-01-01", Input: "1"}}}, nil, nil)
	f("two prices", []Override{{Scope{Tenant: "a"}, dollars("1", "1")}, {Scope{Tenant: "a"}, dollars("2", "2")}}, nil, nil)
	f("more than all", nil, []Discount{{Scope{}, 10_001}}, nil)
	f("a negative discount", nil, []Discount{{Scope{}, -1}}, nil)
	f("two discounts", nil, []Discount{{Scope{}, 1}, {Scope{}, 2}}, nil)
	f("a negative margin", nil, nil, []Margin{{Scope{}, -1}})
	f("a huge margin", nil, nil, []Margin{{Scope{}, maxMargin + 1}})
}

// The order of scopes is that of the most significant field that they differ in.
func TestTheMostSpecificScopeWins(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scopes := make([]Scope, 16)
		for i := range scopes {
			for bit, field := range []*string{&scopes[i].Kind, &scopes[i].Account, &scopes[i].Model, &scopes[i].Tenant} {
				if i>>bit&1 != 0 {
					*field = "x"
				}
			}
		}
		var margins []Margin
		best := -1
		for _, i := range rapid.Permutation([]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}).Draw(t, "order")[:rapid.IntRange(1, 16).Draw(t, "n")] {
			margins, best = append(margins, Margin{scopes[i], int64(i) * 100}), max(best, i)
		}
		terms, err := NewTerms(nil, nil, margins)
		if err != nil {
			t.Fatal(err)
		}
		got := terms.Apply("x", "x", "x", "x", &Price{Rates: llm.Rates{Input: 100}})
		if got.Rates.Input != llm.Rate(100+best) {
			t.Fatalf("%d of %v", got.Rates.Input, margins)
		}
	})
}

func TestSharesAreRoundedHalfUp(t *testing.T) {
	f := func(rate llm.Rate, points int64, want llm.Rate) {
		t.Helper()
		if got := share(rate, points); got != want {
			t.Errorf("%d × %d: %d, want %d", rate, points, got, want)
		}
	}
	f(1, 5000, 1)
	f(1, 4999, 0)
	f(3, 5000, 2)
	f(1_000_000_000, 10_500, 1_050_000_000)
	f(1<<62, 1_000_000, 1<<63-1)
	f(1<<62, 10_000, 1<<62)
	f(-1, 10_000, 0)
	if all := []string{percent(0), percent(5), percent(50), percent(1000), percent(1050)}; !slices.Equal(all, []string{"0%", "0.05%", "0.5%", "10%", "10.5%"}) {
		t.Errorf("%v", all)
	}
}

func idOf(m *Model) string {
	if m == nil {
		return ""
	}
	return m.ID
}
