package storetest

import (
	"testing"
	"time"

	"github.com/generic-corp/halfpenny/store"
)

func priceLists(t *testing.T, _ Database, s store.Store) {
	ctx := t.Context()
	day := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	list := func(version string, days int) store.PriceList {
		return store.PriceList{Name: "genai-prices", From: day.AddDate(0, 0, days), Version: version, Document: []byte(`[{"id":"openai","models":[]}]`), Source: "a page", CreatedAt: day}
	}
	before, err := s.Epoch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if last, err := s.LastPriceList(ctx); err != nil || !last.IsZero() {
		t.Errorf("the newest of no lists is of %v, %v", last, err)
	}
	for _, l := range []store.PriceList{list("v2", 10), list("v1", 0), list("v1", 0)} {
		if err := s.SavePriceList(ctx, l); err != nil {
			t.Fatal(err)
		}
	}
	if after, err := s.Epoch(ctx); err != nil || after <= before {
		t.Errorf("epoch %d after %d, %v: the replicas are not told", after, before, err)
	}
	if last, err := s.LastPriceList(ctx); err != nil || !last.Equal(day) {
		t.Errorf("the newest list is of %v, %v", last, err)
	}
	broken := list("v3", 20)
	broken.Document = []byte("[")
	if err := s.SavePriceList(ctx, broken); err == nil {
		t.Error("a document that is no JSON was saved")
	}
	f := func(days int, versions ...string) {
		t.Helper()
		got, err := s.PriceLists(ctx, day.AddDate(0, 0, days))
		if err != nil || len(got) != len(versions) {
			t.Errorf("since day %d: %d lists, %v, want %q", days, len(got), err, versions)
			return
		}
		for i, version := range versions {
			want := list(version, 0)
			if g := got[i]; g.Version != version || g.Name != want.Name || string(g.Document) != string(want.Document) || g.Source != want.Source || !g.CreatedAt.Equal(day) {
				t.Errorf("since day %d: %+v, want %s", days, g, version)
			}
		}
	}
	f(-5, "v1", "v2")
	f(0, "v1", "v2")
	f(5, "v1", "v2")
	f(10, "v2")
	f(99, "v2")
}
