package drill

import (
	"context"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/generic-corp/halfpenny/llm"
)

// TestClientCut: when a client goes away, nobody pays for an answer that nobody
// reads: the provider sees the end at once, and the call is on record as estimated.
func TestClientCut(t *testing.T) {
	onBoth(t, func(t *testing.T, db database) {
		in := install(t, db)
		g := in.start()
		c := g.caller(in.tenant("impatient", "enterprise"))
		var waits []time.Duration
		for range 9 {
			id, wait := c.cut(in)
			waits = append(waits, wait)
			r := c.settled(id)
			if r.Outcome != "canceled" || r.CostStatus != "estimated" || !r.Usage.Estimated || r.Status != 499 {
				t.Errorf("a cut stream is on record as %+v", r)
			}
			if r.Usage.OutputTokens < 3 || r.CostUSD.Money <= 0 {
				t.Errorf("at least 3 tokens had passed: %+v", r)
			}
		}
		slices.Sort(waits)
		median, most := waits[len(waits)/2], waits[len(waits)-1]
		// One of nine may meet a busy moment of the machine.
		if median > 100*time.Millisecond || most > time.Second {
			t.Errorf("the provider saw the cancellation after %v", waits)
		}
		if s := in.fake.Stats(); s.Canceled != 9 || s.InFlight != 0 {
			t.Errorf("the provider saw %+v", s)
		}
		t.Logf("the provider saw 9 cancellations after %s (median) to %s (longest)", median, most)

		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		defer cancel()
		_, err := c.open(ctx, question{marker: "slow=20s"})
		if err == nil || !in.fake.WaitFor(time.Second, func(s fakeStats) bool { return s.Canceled == 10 }) {
			t.Errorf("a client that left before the first byte: %v, %+v", err, in.fake.Stats())
		}
		var records []llm.Stored
		eventually(t, soon(), "the call without an answer is on record", func() bool {
			records = in.ledger("impatient")
			return len(records) == 10
		})
		if r := records[9]; r.Outcome != llm.OutcomeCanceled || r.CostStatus() != llm.CostEstimated || r.Cost().Money <= 0 {
			t.Errorf("a call cut before its first byte is on record as %s, %s, %v", r.Outcome, r.CostStatus(), r.Cost())
		}
	})
}

// cut opens a stream, reads three events, closes the connection, and returns how
// long the provider did not know.
func (c *caller) cut(in *installation) (id string, wait time.Duration) {
	c.t.Helper()
	resp, err := c.open(context.Background(), question{stream: true, marker: "events=2000,gap=10"})
	check(c.t, err)
	for seen := 0; seen < 4; { // the first says nothing but the role
		var b [1]byte
		_, err := io.ReadFull(resp.Body, b[:])
		check(c.t, err)
		if b[0] == '\n' {
			_, err := io.ReadFull(resp.Body, b[:])
			check(c.t, err)
			seen++
		}
	}
	at := time.Now()
	check(c.t, resp.Body.Close()) // with the rest unread this closes the connection
	eventually(c.t, 10*time.Second, "the provider sees the end", func() bool { return in.fake.Stats().InFlight == 0 })
	all := in.fake.Requests()
	last := all[len(all)-1]
	if !last.Canceled {
		c.t.Fatal("the provider sent a whole answer")
	}
	return resp.Header.Get("X-Request-Id"), last.Ended.Sub(at)
}

// settled waits for the receipt of a call whose end the caller has not seen.
func (c *caller) settled(id string) (r receipt) {
	c.t.Helper()
	eventually(c.t, soon(), "the receipt of "+id, func() bool {
		var status int
		r, status = c.receipt(id)
		return status == 200
	})
	return r
}
