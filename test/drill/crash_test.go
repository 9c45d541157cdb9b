package drill

import (
	"fmt"
	"testing"

	"github.com/generic-corp/halfpenny/llm"
)

// TestKill: a gateway that is killed under load, again and again, some times in the
// middle of its recovery, forgets no attempt that a provider has counted, records
// none twice, and admits which it does not know.
func TestKill(t *testing.T) {
	onBoth(t, func(t *testing.T, db database) {
		t.Parallel()
		in := install(t, db)
		wire := connect(t, address(t, in.fake.URL()))
		in.via = wire.address()
		in.configure(first)
		key := in.tenant("killed", "enterprise")
		var answers []answer
		calls := int64(0)
		for life := range 10 {
			g := in.start()
			load := g.caller(key).crowd(16, func(i int64) question { return mixed(calls + i) })
			eventually(t, long, "load on the gateway", func() bool { return load.got() >= 80+10*life && in.fake.Stats().InFlight >= 8 })
			if life%2 == 1 { // what leaves now does not arrive
				wire.hold()
				load.more(t, 1)
				eventually(t, long, "all that has arrived is answered", func() bool { return in.fake.Stats().InFlight == 0 })
			}
			g.kill()
			wire.sever()
			answers = append(answers, load.stop()...)
			calls += load.asked.Load()
			wire.repair()
			if life%3 == 2 {
				again := in.launch()
				eventually(t, long, "the journal is being recovered", func() bool { return again.out.count("journal replayed") > 0 || again.gone() })
				again.kill()
			}
		}
		in.start().stop()

		ledger := attempts(t, in.ledger("killed"))
		counted := map[string]int{}
		for _, r := range in.fake.Requests() {
			counted[r.Header.Get("X-Client-Request-Id")]++
		}
		unknown, surplus, whole := 0, 0, 0
		for label, a := range ledger.byLabel {
			if a.Outcome == llm.OutcomeUnknown {
				unknown++
			}
			if counted[label] == 0 {
				surplus++
				if a.Outcome != llm.OutcomeUnknown || a.CostStatus != llm.CostEstimated {
					t.Errorf("call %s never reached the provider and is on record as %s, %s", label, a.Outcome, a.CostStatus)
				}
			}
		}
		for label, n := range counted {
			if _, recorded := ledger.byLabel[label]; !recorded || n != 1 {
				t.Errorf("call %s reached the provider %d times; on record: %t", label, n, recorded)
			}
		}
		for i := range answers {
			a := &answers[i]
			if !a.whole {
				continue
			}
			whole++
			on := ledger.byLabel[a.label]
			if on.Outcome != llm.OutcomeOK || on.CostStatus != llm.CostExact || on.Cost != a.cost || on.Usage.Output != a.output {
				t.Errorf("%s\nis on record as %s, %s, %v, %d tokens", a.String(), on.Outcome, on.CostStatus, on.Cost, on.Usage.Output)
			}
		}
		if whole == 0 || unknown == 0 || surplus == 0 {
			t.Error("no answer was whole, none was lost, or all attempts arrived: the drill shows nothing")
		}
		t.Logf("the provider counted %d attempts, the ledger has %d: %d unknown, of which %d never arrived; %d twice; %d of %d calls were answered whole, each on record with its exact cost",
			len(in.fake.Requests()), ledger.total, unknown, surplus, ledger.twice, whole, calls)
	})
}

// mixed is every kind of question in turn, each with a label of its own that both
// the provider and the ledger see.
func mixed(i int64) question {
	q := question{label: fmt.Sprint(i), tags: fmt.Sprintf("call=%d", i)}
	switch i % 4 {
	case 0:
		q.stream, q.priced, q.marker = true, true, "events=30,gap=5"
	case 1:
		q.stream, q.priced, q.marker = true, true, "events=5"
	case 2:
		q.marker = "slow=40ms"
	}
	return q
}

// attemptsOnRecord are those of calls that make one attempt each.
type attemptsOnRecord struct {
	byLabel      map[string]llm.Attempt
	total, twice int
}

func attempts(t *testing.T, records []llm.Stored) attemptsOnRecord {
	t.Helper()
	all := attemptsOnRecord{byLabel: map[string]llm.Attempt{}}
	seen := map[string]bool{}
	for i := range records {
		r := &records[i]
		label := r.Tags[len("call="):]
		for _, a := range r.Attempts {
			all.total++
			_, labelled := all.byLabel[label]
			if id := fmt.Sprint(r.ID, " ", a.N); seen[id] || labelled {
				all.twice++
				t.Errorf("attempt %s of call %s is on record twice", id, label)
			} else {
				seen[id] = true
			}
			all.byLabel[label] = a
		}
	}
	return all
}
