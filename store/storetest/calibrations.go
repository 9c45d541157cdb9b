package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/store"
)

// calibrations: of what replicas save, the row that rests on most samples stays.
func calibrations(t *testing.T, db Database, s store.Store) {
	ctx := t.Context()
	none, err := s.LoadCalibrations(ctx)
	ok(t, err)
	equal(t, "rows at first", len(none), 0)
	ok(t, s.SaveCalibrations(ctx, nil))

	a := llm.CalibrationRow{Model: "gpt-5", Kind: "code", Bias: 0.1234567, Spread: 0.25, Samples: 10}
	b := llm.CalibrationRow{Model: "gpt-5", Kind: "prose+tools", Bias: -1.5, Spread: 0.02, Samples: 1 << 40}
	c := llm.CalibrationRow{Model: "claude", Kind: "prose", Bias: 1e-9, Spread: 2, Samples: 1}
	given := []llm.CalibrationRow{b, a, c}
	ok(t, s.SaveCalibrations(ctx, given))
	equal(t, "the caller's rows", fmt.Sprint(given), fmt.Sprint([]llm.CalibrationRow{b, a, c}))
	wantCalibrations(t, db.Open(t), c, a, b)

	fewer, equalMany, more := a, b, c
	fewer.Samples, fewer.Bias = 9, 0.9
	equalMany.Bias = 0.9
	more.Samples, more.Bias, more.Spread = 2, 0.9, 0.5
	ok(t, db.Open(t).SaveCalibrations(ctx, []llm.CalibrationRow{fewer, equalMany, more}))
	wantCalibrations(t, s, more, a, b)
}

func wantCalibrations(t *testing.T, s store.Store, want ...llm.CalibrationRow) {
	t.Helper()
	got, err := s.LoadCalibrations(t.Context())
	ok(t, err)
	if !slices.Equal(got, want) {
		t.Fatalf("calibrations %+v, want %+v", got, want)
	}
}

// calibrationsAtOnce: replicas save the same rows at the same time.
func calibrationsAtOnce(t *testing.T, db Database, s store.Store) {
	stores := []store.Store{s, db.Open(t), db.Open(t)}
	const replicas, models = 12, 20
	for _, err := range atOnce(replicas, func(i int) error {
		rows := make([]llm.CalibrationRow, models)
		for m := range rows {
			rows[m] = llm.CalibrationRow{Model: fmt.Sprintf("m%02d", (m*7+i)%models), Kind: "prose", Bias: float64(i) / 16, Samples: int64(1 + i)}
		}
		return stores[i%len(stores)].SaveCalibrations(t.Context(), rows)
	}) {
		ok(t, err)
	}
	got, err := s.LoadCalibrations(t.Context())
	ok(t, err)
	equal(t, "rows", len(got), models)
	for _, r := range got {
		equal(t, "samples of "+r.Model, r.Samples, replicas)
		equal(t, "bias of "+r.Model, r.Bias, float64(replicas-1)/16)
	}
}
