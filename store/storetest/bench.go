package storetest

import (
	"syscall"
	"testing"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/store"
)

// BenchmarkAppend writes batches of finished records and reports the CPU time of
// this process for each record; the time of an operation has the disk's in it.
func BenchmarkAppend(b *testing.B, s store.Store, size int) {
	check := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	check(s.Migrate(b.Context()))
	_, _, err := s.CreateTenant(b.Context(), tenantOf("bench"), newKey("k", "owner"), "")
	check(err)
	var cpu int64
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		records := make([]*llm.Record, size)
		for i := range records {
			records[i] = NewRecord("bench", i)
		}
		b.StartTimer()
		before := cpuTime()
		_, err := s.Append(b.Context(), "bench", records)
		cpu += cpuTime() - before
		check(err)
	}
	b.ReportMetric(float64(cpu)/float64(b.N*size), "cpu-ns/record")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/record")
}

// cpuTime returns the processor time that this process has used, in nanoseconds.
func cpuTime() int64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}
