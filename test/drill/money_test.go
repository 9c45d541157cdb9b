package drill

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/generic-corp/halfpenny/llm"
)

// summary is GET /api/analytics/cost-summary, as far as drills look at it.
type summary struct {
	Summary struct {
		TotalRequests, TotalAttempts, UnpricedRequests, UnknownRequests int64
		ActualCostUSD, BaselineCostUSD, SavingsUSD                      llm.Money
	}
	ByProvider, ByModel []part
}

type part struct {
	Provider, Model    string
	Requests, Attempts int64
	CostUSD            llm.Money
}

// summary reads the sums of yesterday to tomorrow: a drill may run at midnight.
func (c *caller) summary() (s summary) {
	c.t.Helper()
	day := func(offset int) string { return time.Now().UTC().AddDate(0, 0, offset).Format(time.DateOnly) }
	if status := c.get("/api/analytics/cost-summary?startDate="+day(-1)+"&endDate="+day(1), &s); status != 200 {
		c.t.Fatalf("cost-summary: %d", status)
	}
	return s
}

// receipts reads the receipt of every request of the tenant.
func (c *caller) receipts() (all []receipt) {
	c.t.Helper()
	for cursor := ""; ; {
		var page struct {
			Data       []struct{ ID string }
			NextCursor *string
		}
		c.get("/api/orchestration/requests?limit=100&cursor="+cursor, &page)
		for _, entry := range page.Data {
			r, status := c.receipt(entry.ID)
			if status != 200 {
				c.t.Fatalf("receipt %s: %d", entry.ID, status)
			}
			all = append(all, r)
		}
		if page.NextCursor == nil {
			return all
		}
		cursor = *page.NextCursor
	}
}

// sumOf adds the receipts up as cost-summary should: money and attempts where they
// went, requests where they were served, test keys left out.
func sumOf(receipts []receipt) summary {
	var s summary
	providers, models := map[string]*part{}, map[string]*part{}
	at := func(parts map[string]*part, name string) *part {
		if parts[name] == nil {
			parts[name] = &part{}
		}
		return parts[name]
	}
	for _, r := range receipts {
		if r.Test {
			continue
		}
		s.Summary.TotalRequests++
		at(providers, r.Provider).Requests++
		at(models, r.Model).Requests++
		unknown := int64(0)
		for _, a := range r.Attempts {
			s.Summary.TotalAttempts++
			s.Summary.ActualCostUSD += a.CostUSD.Money
			if a.Outcome == "unknown" {
				unknown = 1
			}
			for _, p := range []*part{at(providers, a.Provider), at(models, a.Model)} {
				p.Attempts++
				p.CostUSD += a.CostUSD.Money
			}
		}
		s.Summary.UnknownRequests += unknown
		if !r.CostUSD.Valid {
			s.Summary.UnpricedRequests++
		}
		if r.SavingsUSD.Valid {
			s.Summary.BaselineCostUSD += r.BaselineUSD.Money
			s.Summary.SavingsUSD += r.SavingsUSD.Money
		}
	}
	for name, p := range providers {
		p.Provider = name
		s.ByProvider = append(s.ByProvider, *p)
	}
	for name, p := range models {
		p.Model = name
		s.ByModel = append(s.ByModel, *p)
	}
	return s
}

// sorted puts the parts in an order of their own, for comparison.
func (s summary) sorted() string {
	for _, parts := range [][]part{s.ByProvider, s.ByModel} {
		slices.SortFunc(parts, func(a, b part) int { return strings.Compare(a.Provider+a.Model, b.Provider+b.Model) })
	}
	return fmt.Sprintf("%+v", s)
}

// TestSums: whatever happens to calls, the sums that a dashboard shows are those of
// the receipts, to the nano-dollar.
func TestSums(t *testing.T) {
	onBoth(t, func(t *testing.T, db database) {
		t.Parallel()
		in := install(t, db)
		in.configure(first, spare)
		key := in.tenant("audited", "enterprise")
		_, test := in.newKey("audited", "--test")
		g := in.start()
		c, tester := g.caller(key), g.caller(test)

		calls := []question{
			{}, {stream: true}, {stream: true, priced: true, marker: "events=7"}, {model: "gpt-5-nano"}, {model: "gpt-4o", stream: true},
			{marker: "nousage"}, {marker: "nousage", stream: true}, {marker: "status=400"}, {model: "no-such-model"},
			{model: "first/of-no-price"}, {model: "spare/of-no-price", stream: true}, {model: "first/of-no-price", marker: "nousage"},
			{marker: "status=500,at=first"}, {marker: "cut=0,at=spare"}, {marker: "cut=3", stream: true}, {marker: "cut=3"},
			{marker: "truncate=2", stream: true}, {marker: "error-mid=2", stream: true}, {marker: "malformed"}, {marker: "status=500"},
			{marker: "status=429,retry-after=1"},
		}
		for _, q := range []question{{marker: "status=500,at=first"}, {marker: "status=500,at=first"}, {}} { // while both are healthy: one of the two fails over
			c.must(q)
		}
		const hangUps = 5
		for range hangUps { // while both are healthy, so that each is forwarded
			ctx, cancel := context.WithCancel(context.Background())
			resp, err := c.open(ctx, question{stream: true, marker: "events=500,gap=5"})
			check(t, err)
			_, err = resp.Body.Read(make([]byte, 1))
			check(t, err)
			cancel()
			_ = resp.Body.Close()
		}
		answers := c.each(8, slices.Repeat(calls, 10))
		tester.must(question{stream: true})
		forwarded := 3 + hangUps + 1
		for i := range answers {
			if answers[i].header.Get("X-Halfpenny-Provider") != "" {
				forwarded++
			}
		}

		var got, want summary
		var receipts []receipt
		eventually(t, 5*soon(), fmt.Sprintf("%d receipts", forwarded), func() bool {
			receipts = c.receipts()
			return len(receipts) == forwarded
		})
		eventually(t, 5*soon(), "the sums of all receipts", func() bool {
			receipts = c.receipts() // their costs come with their ends
			got, want = c.summary(), sumOf(receipts)
			return got.sorted() == want.sorted()
		})
		kinds := map[string]int{}
		for _, r := range receipts {
			kinds[r.Outcome+"/"+r.CostStatus]++
			if len(r.Attempts) > 1 {
				kinds["failover"]++
			}
			if r.Test {
				kinds["test"]++
			}
		}
		for _, kind := range []string{"ok/exact", "ok/estimated", "ok/unpriced", "error/exact", "cut/estimated", "canceled/estimated", "failover", "test"} {
			if kinds[kind] == 0 {
				t.Errorf("the mix had no %s: %v", kind, kinds)
			}
		}
		stored := in.ledger("audited")
		if len(stored) != len(receipts) {
			t.Errorf("%d records, %d receipts", len(stored), len(receipts))
		}
		t.Logf("%d receipts with %d attempts: $%s, baseline $%s, savings $%s, %d unpriced; by provider and by model equal to the nano-dollar; %v",
			got.Summary.TotalRequests, got.Summary.TotalAttempts, got.Summary.ActualCostUSD, got.Summary.BaselineCostUSD, got.Summary.SavingsUSD,
			got.Summary.UnpricedRequests, kinds)
	})
}
