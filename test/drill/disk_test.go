package drill

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

// TestDiskFull: when the journal's disk is full, no call is forwarded that could not
// be put on record. When there is room again, the gateway serves again by itself.
func TestDiskFull(t *testing.T) {
	onBoth(t, func(t *testing.T, db database) {
		t.Parallel()
		in := install(t, db)
		key := in.tenant("filling", "enterprise")
		journal := filepath.Join(in.data, "journal")
		check(t, os.MkdirAll(journal, 0o700))
		if err := mountMemory(journal, "20m", false); err != nil { // one segment of 16 MiB
			absent(t, "cannot mount a small file system: %v", err)
		}
		t.Cleanup(func() { check(t, unmount(journal)) })
		g := in.start()
		c := g.caller(key)
		c.must(question{})
		eventually(t, long, "there is no room for another segment", func() bool { return g.out.count("journal cannot grow") > 0 })
		c.must(question{})
		if r := c.ready(); r.code != 200 || r.Status != "degraded" {
			t.Errorf("the gateway serves, and /ready says %+v", r)
		}

		bulky := question{model: string(first) + "/" + strings.Repeat("x", 240), tags: "a=" + strings.Repeat("x", 60) + ",b=" + strings.Repeat("y", 60)}
		refused := func(a *answer) bool {
			if !a.whole && (a.status != 503 || gjson.GetBytes(a.body, "error.code").Str != "gateway_unavailable" || a.header.Get("Retry-After") != "1") {
				t.Fatal(a.String())
			}
			return !a.whole
		}
		load := c.crowd(16, func(int64) question { return bulky })
		eventually(t, 3*long, "the journal is full", func() bool {
			load.mu.Lock()
			defer load.mu.Unlock()
			n := len(load.answers)
			return n > 0 && refused(&load.answers[n-1])
		})
		answers := load.stop()
		for last := (answer{}); last.status != 503; { // what the others had reserved is free again
			last = c.ask(bulky)
			answers = append(answers, last)
		}
		served := 2
		for i := range answers {
			if !refused(&answers[i]) {
				served++
			}
		}
		for range 20 {
			if a := c.ask(bulky); !refused(&a) {
				t.Error(a.String())
			}
		}
		if s := in.fake.Stats(); int(s.Started) != served {
			t.Errorf("%d calls were served, the provider got %d", served, s.Started)
		}
		if r := c.ready(); r.code != 503 || r.Status != "unavailable" {
			t.Errorf("/ready: %+v", r)
		}

		check(t, mountMemory(journal, "80m", true))
		eventually(t, long, "/ready is well again", func() bool { return c.ready().Status == "ok" })
		c.must(question{})
		g.stop()
		if n := len(in.ledger("filling")); n != served+1 {
			t.Errorf("%d calls were served, %d are on record", served+1, n)
		}
		t.Logf("full after %d calls: then 503 and nothing forwarded; served again when there was room; all on record", served)
	})
}
