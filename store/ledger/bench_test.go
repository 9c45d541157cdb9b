package ledger

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/generic-corp/halfpenny/llm"
)

// acceptAll is a database that costs nothing.
type acceptAll struct{}

func (acceptAll) Append(_ context.Context, _ string, records []*llm.Record) ([]llm.Stored, error) {
	return make([]llm.Stored, len(records)), nil
}

func benchmarkPair(b *testing.B, parallel bool) {
	l := open(b, Options{Dir: b.TempDir(), BatchMax: 512}, acceptAll{})
	var next atomic.Uint64
	template := finished("acme", 1)
	one := func() {
		r := new(llm.Record)
		*r = *template
		r.ID = uuid(next.Add(1))
		if err := l.Started(r); err != nil {
			b.Error(err)
		}
		if err := l.Finished(r); err != nil {
			b.Error(err)
		}
	}
	b.ReportAllocs()
	if parallel {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				one()
			}
		})
	} else {
		for b.Loop() {
			one()
		}
	}
	b.StopTimer()
	closeNow(b, l)
}

// Includes the making of the record, the sync, the flush and the trimming.
func BenchmarkStartedFinished(b *testing.B)         { benchmarkPair(b, false) }
func BenchmarkStartedFinishedParallel(b *testing.B) { benchmarkPair(b, true) }
