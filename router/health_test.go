package router

import (
	"fmt"
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
		c.OK("a", "k")
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
	c.OK("a", "k")
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
	c.OK("a", "k")
	c.mustBe(t, "a", Cooling)
	c.pass(10 * time.Second)
	c.OK("a", "k")
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
	c.OK("groq", "key-groq")
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
	h.OK("a", "k")
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
				c.OK(name, "k")
				c.Observe(name, time.Duration(j), float64(j))
				c.States()
			}
		})
	}
	group.Wait()
}
