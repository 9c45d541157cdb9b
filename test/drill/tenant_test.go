package drill

import (
	"strings"
	"testing"
	"time"

	"github.com/generic-corp/halfpenny/llm"
)

// newKey makes a key of a tenant.
func (in *installation) newKey(slug string, more ...string) (id, key string) {
	in.t.Helper()
	var made struct{ ID, APIKey string }
	in.decode(in.cli(append([]string{"key", "create", "--tenant", slug}, more...)...), &made)
	in.keep(made.APIKey)
	return made.ID, made.APIKey
}

// becomes waits until a call is answered with a status and a code, as long as the
// contracts allow, and returns how long that took.
func (c *caller) becomes(status int, code string) time.Duration {
	c.t.Helper()
	var a answer
	took := eventually(c.t, soon(), "a call is refused as "+code, func() bool {
		a = c.ask(question{})
		return a.status == status
	})
	if code != "" && !strings.Contains(string(a.body), `"`+code+`"`) {
		c.t.Errorf("want %s: %s", code, a.String())
	}
	return took
}

// TestCommandsBesideServer: what an operator does on the command line holds in the
// running gateway at once, or within a second where something is taken away.
func TestCommandsBesideServer(t *testing.T) {
	onBoth(t, func(t *testing.T, db database) {
		in := install(t, db)
		g := in.start()
		c := g.caller(in.tenant("newcomer", "free"))
		c.must(question{}) // no waiting

		id, key := in.newKey("newcomer", "--name", "app")
		app := g.caller(key)
		app.must(question{})
		in.cli("key", "revoke", "--tenant", "newcomer", "--id", id)
		revoked := app.becomes(401, "invalid_api_key")

		id, key = in.newKey("newcomer")
		app = g.caller(key)
		app.must(question{})
		var rotated struct{ APIKey string }
		in.decode(in.cli("key", "rotate", "--tenant", "newcomer", "--id", id), &rotated)
		in.keep(rotated.APIKey)
		g.caller(rotated.APIKey).must(question{})
		replaced := app.becomes(401, "invalid_api_key")

		in.cli("tenant", "suspend", "--slug", "newcomer")
		suspended := c.becomes(403, "tenant_suspended")
		in.cli("tenant", "resume", "--slug", "newcomer")
		resumed := c.becomes(200, "")
		t.Logf("effective after: revoke %s, rotate %s, suspend %s, resume %s", revoked, replaced, suspended, resumed)
	})
}

// TestReceiptAtOnce: when an answer ends, its receipt is there.
func TestReceiptAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, db database) {
		in := install(t, db)
		key := in.tenant("curious", "enterprise")
		g := in.start()
		c := g.caller(key)
		for i := range 100 {
			a := c.must(question{stream: i%2 == 0, priced: true})
			if r, status := c.receipt(a.id); status != 200 || r.Outcome != "ok" || r.CostStatus != "exact" || r.CostUSD != a.cost || r.Usage.OutputTokens != a.output {
				t.Fatalf("receipt %d: %+v\n%s", status, r, a.String())
			}
		}
	})
}

// TestTwoGateways: two processes on one PostgreSQL are one gateway.
func TestTwoGateways(t *testing.T) {
	in := install(t, newPostgres(t))
	key := in.tenant("shared", "enterprise")
	one, two := in.start(), in.replica().start()
	here, there := one.caller(key), two.caller(key)
	longest := time.Duration(0)
	var sum llm.Money
	const calls = 10
	for range calls {
		a := here.must(question{})
		sum += a.cost.Money
		longest = max(longest, eventually(t, soon(), "the other gateway has the receipt and the sum", func() bool {
			r, status := there.receipt(a.id)
			return status == 200 && r.Seq != nil && r.CostUSD == a.cost && there.summary().Summary.ActualCostUSD == sum
		}))
	}
	there.must(question{})
	one.stop()
	eventually(t, soon(), "the record of the last call, which the other gateway writes in its own time", func() bool { return len(in.ledger("shared")) >= calls+1 })
	id, key := in.newKey("shared")
	other := two.caller(key)
	other.must(question{})
	in.cli("key", "revoke", "--tenant", "shared", "--id", id)
	other.becomes(401, "invalid_api_key")
	two.stop()
	if n := len(in.ledger("shared")); n != calls+2 {
		t.Errorf("%d records of %d calls", n, calls+2)
	}
	t.Logf("receipt and sum on the other gateway after at most %s", longest.Round(time.Millisecond))
}

// TestOneFolderTwice: two processes never write one journal.
func TestOneFolderTwice(t *testing.T) {
	onBoth(t, func(t *testing.T, db database) {
		in := install(t, db)
		c := in.start().caller(in.tenant("alone", "free"))
		r := in.run("serve")
		if r.code == 0 || !strings.Contains(r.stderr, "in use by another process") || !strings.Contains(r.stderr, in.data) {
			t.Errorf("the second ended with %d, saying %q", r.code, r.stderr)
		}
		c.must(question{})
	})
}
