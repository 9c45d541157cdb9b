package drill

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// What the gateway's log says of a new configuration.
const (
	reloaded = `"msg":"configuration reloaded"`
	refused  = `"msg":"the configuration in force stays"`
)

// TestReload: the operator changes the configuration again and again while 32
// callers work. A provider that is in use goes away, files are wrong; no call fails.
func TestReload(t *testing.T) {
	onBoth(t, func(t *testing.T, db database) {
		t.Parallel()
		in := install(t, db)
		in.configure(first, spare)
		key := in.tenant("reloaded", "enterprise")
		g := in.start()
		c := g.caller(key)
		said := func(what string, times int) {
			t.Helper()
			eventually(t, long, what, func() bool { return g.out.count(what) >= times })
		}
		if a := c.ask(question{model: "fast"}); a.status != 404 {
			t.Error(a.String())
		}
		load := c.crowd(32, func(i int64) question {
			q := mixed(i)
			q.tags = ""
			return q
		})

		load.more(t, 200)
		if in.fake.Count(string(first)) == 0 {
			t.Error("the provider that goes away is not in use")
		}
		in.configure(spare)
		said(reloaded, 1)
		eventually(t, long, "the calls that were under way have ended", func() bool { return open(in, first) == 0 })
		before := in.fake.Count(string(first))
		load.more(t, 200)
		if after := in.fake.Count(string(first)); after != before {
			t.Errorf("%d calls went to a provider that was taken out", after-before)
		}

		check(t, os.WriteFile(in.file, []byte(in.yaml(spare)+"  - {name: third, kind: nonsense}\n"), 0o600))
		said(refused, 1)
		said("nonsense", 1)
		load.more(t, 100)
		g.signal(syscall.SIGHUP)
		said(refused, 2)
		load.more(t, 100)
		check(t, os.WriteFile(in.file, []byte(strings.Replace(in.yaml(spare), "drain: 20s", "drain: 21s", 1)), 0o600))
		said("server.drain needs a restart", 1)

		in.aliases = "fast: " + model
		in.configure(first, spare)
		said(reloaded, 2)
		c.must(question{model: "fast"})
		g.signal(syscall.SIGHUP)
		said(reloaded, 3)
		for times := 4; times < 8; times++ {
			in.configure([]account{first, spare}[:1+times%2]...)
			said(reloaded, times)
			load.more(t, 50)
		}
		answers := load.stop()
		for i := range answers {
			if !answers[i].whole {
				t.Fatal(answers[i].String())
			}
		}
		g.stop()
		t.Logf("%d calls of 32 callers over %d reloads and %d refused files: none failed", len(answers), g.out.count(reloaded), g.out.count(refused))
	})
}

// open counts the calls under way at an account.
func open(in *installation, a account) int {
	n := 0
	for _, r := range in.fake.Requests() {
		if r.Kind == string(a) && r.Ended.IsZero() {
			n++
		}
	}
	return n
}
