package drill

import (
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/generic-corp/halfpenny/llm"
)

// TestSIGTERM: 200 streams that are open when the operator stops the gateway end as
// if nothing had happened, and are on record. Nothing is accepted any more.
func TestSIGTERM(t *testing.T) {
	onBoth(t, func(t *testing.T, db database) {
		t.Parallel()
		const streams = 200
		in := install(t, db)
		key := in.tenant("drained", "enterprise")
		g := in.start()
		c := g.caller(key)

		answers := make([]answer, streams)
		var heads, ends sync.WaitGroup
		for i := range streams {
			heads.Add(1)
			ends.Go(func() {
				q := question{stream: true, priced: true, marker: "events=12,stall=3s,gap=20"}
				resp, err := c.open(bounded(t, time.Minute), q)
				heads.Done()
				if err != nil {
					answers[i] = answer{question: q, err: err}
					return
				}
				answers[i] = read(q, resp)
			})
		}
		heads.Wait()
		if open := in.fake.Stats().InFlight; open != streams {
			t.Fatalf("%d streams are open", open)
		}

		asked := time.Now()
		g.signal(syscall.SIGTERM)
		eventually(t, 2*time.Second, "new connections are refused", func() bool { return !listens(g.url) })
		open := in.fake.Stats().InFlight
		ends.Wait()
		g.ends(20*time.Second - time.Since(asked))
		took := time.Since(asked)

		if open == 0 {
			t.Error("the streams were over before anything was refused: the drill shows nothing")
		}
		costs := map[string]llm.Money{}
		for i := range answers {
			a := &answers[i]
			if !a.whole || !a.cost.Valid || a.output != 12 {
				t.Fatal(a.String())
			}
			costs[a.id] = a.cost.Money
		}
		if in.fake.Stats() != (fakeStats{Started: streams, Finished: streams, MaxOpen: streams}) {
			t.Errorf("the provider saw %+v", in.fake.Stats())
		}
		records := in.ledger("drained")
		for i := range records {
			r := &records[i]
			if r.Outcome != llm.OutcomeOK || r.CostStatus() != llm.CostExact || r.Cost() != llm.Known(costs[r.ID]) {
				t.Errorf("%s: %s, %s %v, the caller was told %v", r.ID, r.Outcome, r.CostStatus(), r.Cost(), costs[r.ID])
			}
			delete(costs, r.ID)
		}
		if len(records) != streams || len(costs) != 0 {
			t.Errorf("%d records for %d streams, %d streams have none", len(records), streams, len(costs))
		}
		t.Logf("%d of %d streams open at SIGTERM, all whole and on record; the process ended %s later", open, streams, took.Round(time.Millisecond))
	})
}

// listens reports whether somebody takes connections at a URL.
func listens(url string) bool {
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}
