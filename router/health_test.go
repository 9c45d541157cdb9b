package router

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/generic-corp/halfpenny/llm"
)

// clock is a Health with a time of its own.
type clock struct {
	*Health
	at time.Time
}

func newClock() *clock {
	c := &clock{Health: NewHealth(), at: now}
	c.now = func() time.Time { return c.at }
	return c
}

func (c *clock) pass(d time.Duration) { c.at = c.at.Add(d) }

func (c *clock) mustBe(t *testing.T, account string, want Condition) {
	t.Helper()
	if got := c.State(account).Condition; got != want {
		t.Errorf("%s is %s, want %s", account, got, want)
	}
}

func TestOnlyTheProvidersFailuresCool(t *testing.T) {
	f := func(class FailureClass, times int, want Condition) {
		t.Helper()
		c := newClock()
		for range times {
			c.Report("a", "k", class, 0)
		}
		c.mustBe(t, "a", want)
	}
	f(FailureCaller, 100, Healthy)
	f(FailureLimit, 100, Healthy)
	f(FailureFault, faultsToCool-1, Healthy)
	f(FailureFault, faultsToCool, Cooling)
	f(FailureQuota, 1, Cooling)
	f(FailureAuth, 1, Cooling)
}

func TestSuccessBreaksARowOfFaults(t *testing.T) {
	c := newClock()
	for range 10 {
		for range faultsToCool - 1 {
			c.Report("a", "k", FailureFault, 0)
		}
		c.OK("a", "k", "m")
	}
	c.mustBe(t, "a", Healthy)
}

func TestCoolDownDoublesUpToAMinute(t *testing.T) {
	c := newClock()
	for range faultsToCool {
		c.Report("a", "k", FailureFault, 0)
	}
	for _, seconds := range []int{1, 2, 4, 8, 16, 32, 60, 60} {
		want := time.Duration(seconds) * time.Second
		if got := c.State("a").Until.Sub(c.at); got != want {
			t.Errorf("cools for %s, want %s", got, want)
		}
		c.Report("a", "k", FailureFault, 0) // a call that was under way
		c.pass(want - 1)
		c.mustBe(t, "a", Cooling)
		c.pass(1)
		c.mustBe(t, "a", Trial)
		c.Report("a", "k", FailureFault, 0)
	}
	c.pass(time.Minute)
	c.OK("a", "k", "m")
	c.mustBe(t, "a", Healthy)
}

func TestRetryAfterIsHeeded(t *testing.T) {
	f := func(class FailureClass, asked, want time.Duration) {
		t.Helper()
		c := newClock()
		c.Report("a", "k", class, asked)
		c.pass(want - 1)
		c.mustBe(t, "a", Cooling)
		c.pass(1)
		c.mustBe(t, "a", Trial)
	}
	f(FailureQuota, 7*time.Second, 7*time.Second)
	f(FailureQuota, 0, firstCool)
	f(FailureQuota, 24*time.Hour, longestWait)
	f(FailureFault, 5*time.Second, 5*time.Second)
	f(FailureAuth, 0, authCool)
}

// A call that began before the quota ran out says nothing about the quota.
func TestLateSuccessDoesNotEndAKeysCoolDown(t *testing.T) {
	c := newClock()
	c.Report("a", "k", FailureQuota, 10*time.Second)
	c.OK("a", "k", "m")
	c.mustBe(t, "a", Cooling)
	c.pass(10 * time.Second)
	c.OK("a", "k", "m")
	c.mustBe(t, "a", Healthy)
}

func TestCooledTargetGoesToTheEnd(t *testing.T) {
	c := newClock()
	table := standard(Options{Health: c.Health})
	observe := mode(llm.ModeObserve)
	for range faultsToCool {
		c.Report("groq", "key-groq", FailureFault, 0)
	}
	d := mustOrder(t, table, ask("big", observe), "openai:big openrouter:openai/big groq:vendor/big", llm.ReasonNamed)
	if last := d.Considered[2]; last.Provider != "groq" || last.Reason != llm.ReasonCooling {
		t.Errorf("considered %+v", last)
	}
	// It is skipped only while another is eligible.
	mustOrder(t, table, ask("groq/big"), "groq:vendor/big", llm.ReasonPinned)
	// Nor is it a reason to substitute, or a substitute.
	if d := decide(t, table, ask("big", func(q *Query) { q.Fields = []string{"temperature"} })); d.Candidates[0].Target.Account.Name == "groq" {
		t.Errorf("%s", order(d))
	}
	// Another table over the same health knows of it.
	mustOrder(t, standard(Options{Health: c.Health}), ask("big", observe), "openai:big openrouter:openai/big groq:vendor/big", llm.ReasonNamed)
}

func TestOneTrialCallEndsACoolDown(t *testing.T) {
	c := newClock()
	table := standard(Options{Health: c.Health})
	q := func(dry bool) *Query {
		return ask("big", mode(llm.ModeObserve), func(q *Query) { q.Now, q.Dry = c.at, dry })
	}
	const first, second = "groq:vendor/big openai:big openrouter:openai/big", "openai:big openrouter:openai/big groq:vendor/big"
	for range faultsToCool {
		c.Report("groq", "key-groq", FailureFault, 0)
	}
	c.pass(firstCool)
	mustOrder(t, table, q(true), first, llm.ReasonNamed) // a dry run takes no trial
	mustOrder(t, table, q(false), first, llm.ReasonNamed)
	mustOrder(t, table, q(false), second, llm.ReasonNamed)
	c.Report("groq", "key-groq", FailureFault, 0)
	mustOrder(t, table, q(false), second, llm.ReasonNamed)
	c.pass(2 * firstCool)
	mustOrder(t, table, q(false), first, llm.ReasonNamed)
	// A trial whose outcome nobody tells does not block for ever.
	c.pass(trialLease)
	mustOrder(t, table, q(false), first, llm.ReasonNamed)
	c.OK("groq", "key-groq", "m")
	mustOrder(t, table, q(false), first, llm.ReasonNamed)
	mustOrder(t, table, q(false), first, llm.ReasonNamed)
}

func TestKeysAreUsedInTurnAndCoolingOnesPassedOver(t *testing.T) {
	c := newClock()
	a := account("openai", "openai")
	a.Secrets = []string{"k1", "k2", "k3"}
	table := NewTable(catalogue, []*Account{a}, Options{Health: c.Health})
	turns := func(n int) string {
		used := ""
		for range n {
			used += decide(t, table, ask("old", func(q *Query) { q.Now = c.at })).Candidates[0].Secret
		}
		return used
	}
	if got := turns(4); got != "k1k2k3k1" {
		t.Errorf("turns %s", got)
	}
	c.Report("openai", "k2", FailureQuota, time.Minute)
	if got := turns(3); got != "k3k3k1" {
		t.Errorf("turns without k2: %s", got)
	}
	c.mustBe(t, "openai", Healthy)
	c.Report("openai", "k1", FailureAuth, 0)
	c.Report("openai", "k3", FailureAuth, 0)
	c.mustBe(t, "openai", Cooling)
	if got := turns(3); len(got) != 6 { // nothing else is left, so they are used all the same
		t.Errorf("turns without any: %s", got)
	}
	if s := c.State("openai"); s.Keys != 3 || s.KeysCooling != 3 {
		t.Errorf("state %+v", s)
	}
}

func TestStatesAreForMetrics(t *testing.T) {
	c := newClock()
	c.Report("b", "k", FailureFault, 0)
	c.Observe("a", 100*time.Millisecond, 50)
	c.Observe("a", 200*time.Millisecond, 100)
	s := c.States()
	if len(s) != 2 || s[0].Account != "a" || s[1].Failures != 1 || s[0].FirstByte != 120*time.Millisecond || s[0].TokensPerSecond != 60 {
		t.Errorf("states %+v", s)
	}
	if got := fmt.Sprint(Healthy, Trial, Cooling); got != "healthy trial cooling" {
		t.Errorf("conditions %s", got)
	}
}

func TestNilHealthIsAlwaysWell(t *testing.T) {
	var h *Health
	h.Report("a", "k", FailureFault, 0)
	h.OK("a", "k", "m")
	h.Observe("a", 1, 1)
}

// Decisions, reports and successes from many goroutines: of all who ask when a
// cool-down ends, one gets the trial.
func TestHealthUnderConcurrency(t *testing.T) {
	c := newClock()
	table := standard(Options{Health: c.Health})
	for range faultsToCool {
		c.Report("groq", "key-groq", FailureFault, 0)
	}
	c.pass(time.Second)
	var trials atomic.Int32
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			d := new(Decision)
			for range 50 {
				if err := table.Decide(ask("big", mode(llm.ModeObserve), func(q *Query) { q.Now = c.at }), d); err != nil {
					t.Error(err)
				} else if d.Candidates[0].Target.Account.Name == "groq" {
					trials.Add(1)
				}
			}
		})
	}
	group.Wait()
	if trials.Load() != 1 {
		t.Errorf("%d trial calls", trials.Load())
	}
	for i := range 8 {
		group.Go(func() {
			name := fmt.Sprint("account", i%3)
			for j := range 200 {
				c.Report(name, "k", FailureClass(j%5), time.Duration(j))
				c.OK(name, "k", "m")
				c.Observe(name, time.Duration(j), float64(j))
				c.States()
			}
		})
	}
	group.Wait()
}

// What fails of one model must not close the others.
func TestFailuresOfAModelCoolItAlone(t *testing.T) {
	f := func(class FailureClass, asked, want time.Duration) {
		t.Helper()
		c := newClock()
		table := standard(Options{Health: c.Health})
		q := func(model string) *Query {
			return ask(model, mode(llm.ModeObserve), func(q *Query) { q.Now = c.at })
		}
		c.ReportModel("groq", "key-groq", "vendor/big", class, asked)
		c.pass(want - 1)
		mustOrder(t, table, q("big"), "openai:big openrouter:openai/big groq:vendor/big", llm.ReasonNamed)
		mustOrder(t, table, q("mid"), "groq:vendor/mid openai:mid", llm.ReasonNamed)
		c.OK("groq", "key-groq", "vendor/big") // of a call that began before
		mustOrder(t, table, q("big"), "openai:big openrouter:openai/big groq:vendor/big", llm.ReasonNamed)
		c.pass(1)
		const well = "groq:vendor/big openai:big openrouter:openai/big"
		mustOrder(t, table, q("big"), well, llm.ReasonNamed) // the trial
		mustOrder(t, table, q("big"), "openai:big openrouter:openai/big groq:vendor/big", llm.ReasonNamed)
		c.OK("groq", "key-groq", "vendor/big")
		mustOrder(t, table, q("big"), well, llm.ReasonNamed)
		mustOrder(t, table, q("big"), well, llm.ReasonNamed)
	}
	f(FailureOverload, 0, firstCool)
	f(FailureOverload, 7*time.Second, 7*time.Second)
	f(FailureMissing, 0, missingCool)
	f(FailureQuota, 0, firstCool)
	f(FailureQuota, 7*time.Second, 7*time.Second)
}

// A key that was cooling is used again although another one is well.
func TestKeyComesBackByItsTrial(t *testing.T) {
	c := newClock()
	table := twoKeys(c)
	c.Report("openai", "k1", FailureQuota, time.Second)
	c.pass(time.Second)
	got := used(t, c, table, ask("old"), 4)
	if n := strings.Count(got, "k1"); n != 1 {
		t.Errorf("%s has %d trials", got, n)
	}
	c.OK("openai", "k1", "old")
	if got := used(t, c, table, ask("old"), 4); strings.Count(got, "k1") != 2 {
		t.Errorf("after the trial: %s", got)
	}
}

// Where one of several trials is another's, those that were taken with it are given back.
func TestTrialIsGivenBack(t *testing.T) {
	f := func(name string, taken func(*accountHealth) *breaker) {
		t.Helper()
		c := newClock()
		x := standard(Options{Health: c.Health}).prefixes["groq"][0]
		for range faultsToCool {
			c.Report("groq", "key-groq", FailureFault, 0)
		}
		c.Report("groq", "key-groq", FailureQuota, 0)
		c.ReportModel("groq", "key-groq", "vendor/big", FailureOverload, 0)
		c.pass(firstCool)
		b := taken(c.account("groq"))
		b.claim(c.at)
		if _, ok := x.claim(c.at, "vendor/big", 1); ok {
			t.Errorf("%s: two trial calls", name)
		}
		b.giveBack(c.at)
		if _, ok := x.claim(c.at, "vendor/big", 1); !ok {
			t.Errorf("%s: the other trial calls are gone", name)
		}
	}
	f("account", func(a *accountHealth) *breaker { return &a.fault })
	f("model", func(a *accountHealth) *breaker { return &a.model("vendor/big").fault })
	f("key", func(a *accountHealth) *breaker { return &a.key("key-groq").breaker })
}

func TestModelsThatAreToldApartAreBounded(t *testing.T) {
	c := newClock()
	for i := range 3 * maxModels {
		c.ReportModel("a", "k", fmt.Sprint(i), FailureMissing, 0)
		if i == maxModels {
			c.pass(missingCool)
		}
	}
	if n := len(*c.account("a").models.Load()); n > maxModels || n < maxModels/2 {
		t.Errorf("%d models", n)
	}
	c.ReportModel("a", "k", "one more", FailureQuota, time.Minute) // then the whole key cools
	c.mustBe(t, "a", Cooling)
}

// equals are accounts that differ in nothing but their weight.
func equals(c *clock, weights ...int) *Table {
	var accounts []*Account
	for i, w := range weights {
		a := account(string(rune('a'+i)), "openai")
		a.Weight = w
		accounts = append(accounts, a)
	}
	return NewTable(catalogue, accounts, Options{Health: c.Health})
}

// served counts which accounts get n calls that stay under way.
func served(t *testing.T, table *Table, n int) (names string, flights []Flight) {
	t.Helper()
	for range n {
		d := decide(t, table, ask("old"))
		names += d.Candidates[0].Target.Account.Name
		flights = append(flights, d.Candidates[0].Begin())
	}
	return names, flights
}

func TestEqualAccountsShareTheLoadByWeight(t *testing.T) {
	c := newClock()
	table := equals(c, 3, 1)
	names, flights := served(t, table, 40)
	if n := strings.Count(names, "b"); n != 10 {
		t.Errorf("b has %d of 40 calls under way: %s", n, names)
	}
	for i := range flights {
		if names[i] == 'a' {
			flights[i].End()
			flights[i].End() // counts once
		}
	}
	if more, _ := served(t, table, 30); strings.Contains(more, "b") {
		t.Errorf("b is loaded, a is not: %s", more)
	}
}

func TestSlowAccountIsProbedOnly(t *testing.T) {
	c := newClock()
	table := equals(c, 1, 1)
	f := func(why, slow string, want int) {
		t.Helper()
		got := ""
		for range 4 * probeEvery { // two rounds of probes
			got += decide(t, table, ask("old")).Candidates[0].Target.Account.Name
		}
		if n := strings.Count(got, slow); n != want {
			t.Errorf("%s: %s", why, got)
		}
	}
	c.Observe("a", 300*time.Millisecond, 0)
	c.Observe("b", 200*time.Millisecond, 0)
	f("nearly as fast", "a", 2*probeEvery)
	c.Observe("b", 20*time.Second, 0)
	f("b is slow", "b", 2)
	c.Observe("a", 200*time.Second, 0)
	f("a is slower", "a", 2)
}
