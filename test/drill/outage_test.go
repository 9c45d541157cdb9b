package drill

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/store"
)

// TestDatabaseGone: while PostgreSQL is cut off, and while it hangs, callers whose
// keys are known notice nothing. Afterwards every call is in the database.
func TestDatabaseGone(t *testing.T) {
	t.Parallel()
	in := install(t, newPostgres(t))
	wire := connect(t, address(t, in.db.url))
	key, late := in.tenant("unmoved", "enterprise"), in.tenant("latecomer", "enterprise")
	in.store = through(t, in.db.url, wire.address())
	in.configure(first)
	g := in.start()
	c := g.caller(key)
	load := c.crowd(16, func(int64) question { return question{marker: "slow=4ms"} })
	load.more(t, 100)
	var down time.Duration
	outage := func(begin ...func()) {
		t.Helper()
		start := time.Now()
		for _, step := range begin {
			step()
			degraded(t, c, "database")
			load.more(t, 200)
		}
		a := c.must(question{})
		if r, status := c.receipt(a.id); status != 200 || r.CostUSD != a.cost {
			t.Errorf("a receipt while the database is away: %d, %+v", status, r)
		}
		if a := g.caller(late).ask(question{}); a.status != 503 || a.header.Get("Retry-After") != "1" {
			t.Errorf("a key that is not known while the database is away: %s", a.String())
		}
		down += time.Since(start)
		wire.repair()
		eventually(t, long, "/ready is well again", func() bool { return c.ready().Status == "ok" })
		load.more(t, 100)
	}
	outage(wire.sever)
	outage(wire.hold)
	outage(wire.hold, wire.sever)
	g.caller(late).must(question{})

	answers := load.stop()
	want := map[string]llm.Money{}
	sum := llm.Money(0)
	for i := range answers {
		a := &answers[i]
		if !a.whole || !a.cost.Valid {
			t.Fatal(a.String())
		}
		want[a.id] = a.cost.Money
		sum += a.cost.Money
	}
	own := c.must(question{}).cost.Money // what each of the four calls of this drill costs that came beside the load
	var s summary
	eventually(t, long, "the sums are whole", func() bool {
		s = c.summary()
		return s.Summary.TotalRequests == int64(len(answers))+4 && s.Summary.ActualCostUSD == sum+4*own
	})
	g.stop()
	records := in.ledger("unmoved")
	for i := range records {
		r := &records[i]
		if cost, ok := want[r.ID]; ok && (r.Cost() != llm.Known(cost) || r.CostStatus() != llm.CostExact) {
			t.Errorf("%s is on record with %v, the caller was told %s", r.ID, r.Cost(), cost)
		}
		delete(want, r.ID)
	}
	if len(want) > 0 {
		t.Errorf("%d answers are not on record", len(want))
	}
	t.Logf("PostgreSQL away for %s in three outages: %d calls, none failed, all on record; the sum $%s is exact", down.Round(time.Millisecond), len(answers), s.Summary.ActualCostUSD)
}

// degraded waits until the gateway says that it serves although something is wrong.
func degraded(t *testing.T, c *caller, what string) {
	t.Helper()
	eventually(t, 5*time.Second, "/ready tells of the "+what, func() bool {
		r := c.ready()
		if r.code != 200 {
			t.Fatalf("/ready: %+v", r)
		}
		return r.Status == "degraded" && len(r.Reasons) > 0
	})
}

// TestRedisGone: rate limits must not stop anybody because Redis is away.
func TestRedisGone(t *testing.T) {
	onBoth(t, func(t *testing.T, db database) {
		t.Parallel()
		in := install(t, db)
		wire := connect(t, address(t, redisURL))
		in.redis = through(t, redisURL, wire.address())
		in.configure(first)
		key := in.tenant("limited", "growth")
		counters := in.redisCounters()
		g := in.start()
		c := g.caller(key)
		load := c.crowd(8, func(int64) question { return question{marker: "slow=10ms"} })
		load.more(t, 50)
		if counters() != 1 {
			t.Errorf("%d counters in Redis", counters())
		}
		for _, cut := range []func(){wire.sever, wire.hold} {
			cut()
			degraded(t, c, "Redis")
			load.more(t, 100)
			wire.repair()
			eventually(t, long, "/ready is well again", func() bool { return c.ready().Status == "ok" })
			load.more(t, 50)
		}
		answers := load.stop()
		for i := range answers {
			if a := &answers[i]; !a.whole || a.header.Get("X-Ratelimit-Limit-Requests") != "10000" {
				t.Fatal(a.String())
			}
		}
		g.stop()
		if n := len(in.ledger("limited")); n != len(answers) {
			t.Errorf("%d calls, %d on record", len(answers), n)
		}
		t.Logf("Redis cut off and hanging: %d calls, none refused", len(answers))
	})
}

// redisCounters returns a count of this installation's keys in Redis, which the
// drill's end removes.
func (in *installation) redisCounters() func() int {
	in.t.Helper()
	options, err := redis.ParseURL(redisURL)
	check(in.t, err)
	client := redis.NewClient(options)
	in.t.Cleanup(func() { check(in.t, client.Close()) })
	if err := client.Ping(bounded(in.t, 2*time.Second)).Err(); err != nil {
		absent(in.t, "no Redis: %v", err)
	}
	var id []byte
	in.withStore(func(ctx context.Context, s store.Store) {
		id, err = s.Secret(ctx, store.SecretInstallationID, nil)
		check(in.t, err)
	})
	keys := func() []string {
		all, _, err := client.Scan(context.Background(), 0, "halfpenny:"+string(id)+":*", 1_000_000).Result()
		check(in.t, err)
		return all
	}
	in.t.Cleanup(func() {
		if all := keys(); len(all) > 0 {
			check(in.t, client.Del(context.Background(), all...).Err())
		}
	})
	return func() int { return len(keys()) }
}
