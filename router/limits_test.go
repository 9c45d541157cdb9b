package router

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// header reads "name: value" lines.
func header(lines string) http.Header {
	h := http.Header{}
	for _, line := range strings.Split(lines, "\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			h.Add(name, value)
		}
	}
	return h
}

func TestLimitsAreRead(t *testing.T) {
	f := func(lines string, want Limits) {
		t.Helper()
		if got := ParseLimits(header(lines), now); got != want {
			t.Errorf("%q: got %+v, want %+v", lines, got, want)
		}
	}
	in := func(left int64, d time.Duration) Allowance { return Allowance{Left: left, Reset: now.Add(d)} }
	f("", Limits{})
	f("x-ratelimit-remaining-requests: 59\nx-ratelimit-reset-requests: 1s\nx-ratelimit-remaining-tokens: 149984\nx-ratelimit-reset-tokens: 6m0s",
		Limits{Told: true, Requests: in(59, time.Second), Tokens: in(149_984, 6*time.Minute)})
	f("x-ratelimit-remaining-requests: 0\nx-ratelimit-reset-requests: 20ms", Limits{Told: true, Requests: in(0, 20*time.Millisecond)})
	f("x-ratelimit-remaining-tokens: 17997\nx-ratelimit-reset-tokens: 7.66s", Limits{Told: true, Tokens: in(17_997, 7660*time.Millisecond)})             // Groq
	f("x-ratelimit-remaining-requests: 14370\nx-ratelimit-reset-requests: 2m59.56s", Limits{Told: true, Requests: in(14_370, 179_560*time.Millisecond)}) // Groq
	f("x-ratelimit-remaining-requests: 3", Limits{Told: true})                                                                                           // Azure tells no reset
	f("retry-after-ms: 1500", Limits{Pause: 1500 * time.Millisecond})
	f("anthropic-ratelimit-requests-remaining: 4\nanthropic-ratelimit-requests-reset: 2026-11-24T12:00:30Z\n"+
		"anthropic-ratelimit-input-tokens-remaining: 1000\nanthropic-ratelimit-input-tokens-reset: 2026-11-24T12:00:10Z\n"+
		"anthropic-ratelimit-tokens-remaining: 5000\nanthropic-ratelimit-tokens-reset: 2026-11-24T12:00:20Z\n"+
		"anthropic-ratelimit-output-tokens-remaining: 8000\nanthropic-ratelimit-output-tokens-reset: 2026-11-24T12:00:40Z",
		Limits{Told: true, Requests: in(4, 30*time.Second), Tokens: in(1000, 10*time.Second)})
	// No token of an answer is left: no request has room, however short its prompt.
	f("anthropic-ratelimit-requests-remaining: 4\nanthropic-ratelimit-requests-reset: 2026-11-24T12:00:30Z\n"+
		"anthropic-ratelimit-output-tokens-remaining: 0\nanthropic-ratelimit-output-tokens-reset: 2026-11-24T12:00:40Z",
		Limits{Told: true, Requests: in(0, 40*time.Second)})
	f("x-ratelimit-remaining-requests: 0\nx-ratelimit-reset-requests: 30", Limits{Told: true, Requests: in(0, 30*time.Second)})
	f("x-ratelimit-remaining-requests: 0\nx-ratelimit-reset-requests: 1795521630", Limits{Told: true, Requests: in(0, 30*time.Second)})
	f("x-ratelimit-remaining-requests: 0\nx-ratelimit-reset-requests: 1795521630000", Limits{Told: true, Requests: in(0, 30*time.Second)})
	f("x-ratelimit-remaining-requests: 0\nx-ratelimit-reset-requests: 24h", Limits{Told: true, Requests: in(0, longestWait)})
	f("x-ratelimit-remaining-requests: 0\nx-ratelimit-reset-requests: -5s", Limits{Told: true, Requests: in(0, 0)})
	f("x-ratelimit-remaining-requests: -1\nx-ratelimit-reset-requests: 1s", Limits{}) // some mean: no limit
	f("x-ratelimit-remaining-requests: many\nx-ratelimit-reset-requests: soon", Limits{})
	f("x-ratelimit-remaining-requests: 0\nx-ratelimit-reset-requests: soon", Limits{Told: true})
	f("x-ratelimit-remaining-requests: 0\nx-ratelimit-reset-requests: NaN", Limits{Told: true})
}

func FuzzParseLimits(f *testing.F) {
	for _, reset := range []string{"6m0s", "20ms", "7.66s", "30", "1795521630", "1795521630000", "2026-11-24T12:00:30Z", "-1", "NaN", "Inf", "1e300", "9999999h", ""} {
		f.Add("0", reset, "1500")
	}
	f.Fuzz(func(t *testing.T, left, reset, pause string) {
		h := http.Header{"Retry-After-Ms": {pause}}
		for _, x := range limitHeaders {
			h[x.left], h[x.reset] = []string{left}, []string{reset}
		}
		l := ParseLimits(h, now)
		for _, a := range []Allowance{l.Requests, l.Tokens} {
			if a.Left < 0 || !a.Reset.IsZero() && (a.Reset.Before(now) || a.Reset.After(now.Add(longestWait))) || a != (Allowance{}) && !l.Told {
				t.Errorf("%q, %q: %+v", left, reset, l)
			}
		}
		if l.Pause < 0 || l.Pause > longestWait {
			t.Errorf("%q: %s", pause, l.Pause)
		}
	})
}

// twoKeys has one account with two API keys.
func twoKeys(c *clock) *Table {
	a := account("openai", "openai")
	a.Secrets = []string{"k1", "k2"}
	return NewTable(catalogue, []*Account{a}, Options{Health: c.Health})
}

// used is which keys the next calls use, one after the other.
func used(t *testing.T, c *clock, table *Table, q *Query, n int) (keys string) {
	t.Helper()
	for range n {
		q.Now = c.at
		keys += decide(t, table, q).Candidates[0].Secret
	}
	return keys
}

func TestKeyWithNothingLeftIsPassedOver(t *testing.T) {
	c := newClock()
	table := twoKeys(c)
	c.Learn("openai", "k1", "old", &Limits{Told: true, Requests: Allowance{0, c.at.Add(time.Minute)}})
	if got := used(t, c, table, ask("old"), 4); got != "k2k2k2k2" {
		t.Errorf("without requests left: %s", got)
	}
	if got := used(t, c, table, ask("big", mode(1)), 2); got != "k1k2" && got != "k2k1" {
		t.Errorf("another model: %s", got)
	}
	c.mustBe(t, "openai", Healthy) // it is no failure
	c.pass(time.Minute)
	if got := used(t, c, table, ask("old"), 2); got != "k1k2" && got != "k2k1" {
		t.Errorf("after the reset: %s", got)
	}
	c.Learn("openai", "k2", "old", &Limits{Told: true, Requests: Allowance{9, c.at.Add(time.Minute)}, Tokens: Allowance{999, c.at.Add(time.Minute)}})
	if got := used(t, c, table, ask("old"), 2); got != "k1k1" { // the prompt has 1,000
		t.Errorf("with too few tokens left: %s", got)
	}
	if got := used(t, c, table, ask("old", func(q *Query) { q.InputTokens = 500 }), 2); got != "k1k2" && got != "k2k1" {
		t.Errorf("a shorter prompt: %s", got)
	}
}

// What is sent counts before the provider tells of it.
func TestCallsUnderWayAreTakenOffWhatIsLeft(t *testing.T) {
	c := newClock()
	table := twoKeys(c)
	c.Learn("openai", "k1", "old", &Limits{Told: true, Requests: Allowance{1, c.at.Add(time.Minute)}})
	c.Learn("openai", "k2", "old", &Limits{Told: true, Tokens: Allowance{1500, c.at.Add(time.Minute)}})
	for range 2 {
		d := decide(t, table, ask("old", func(q *Query) { q.Now = c.at }))
		if d.Candidates[0].Cooling {
			t.Fatal("nothing is left already")
		}
		f := d.Candidates[0].Begin()
		defer f.End()
	}
	d := decide(t, table, ask("old", func(q *Query) { q.Now = c.at }))
	if a := &d.Candidates[0]; !a.Cooling || !a.Opens.Equal(c.at.Add(time.Minute)) || a.Pending {
		t.Errorf("with nothing left: %+v", a)
	}
}

// Who waits for a target has to know whether its rate limits alone close it.
func TestWhenATargetOpens(t *testing.T) {
	f := func(name string, want time.Duration, pending bool, report ...func(*clock)) {
		t.Helper()
		c := newClock()
		table := twoKeys(c)
		for _, r := range report {
			r(c)
		}
		a := &decide(t, table, ask("old", func(q *Query) { q.Now = c.at })).Candidates[0]
		wanted := time.Time{}
		if want > 0 {
			wanted = c.at.Add(want)
		}
		if !a.Opens.Equal(wanted) || a.Pending != pending {
			t.Errorf("%s: opens at %s (pending %t), want %s", name, a.Opens, a.Pending, wanted)
		}
	}
	limit := func(key string, d time.Duration) func(*clock) {
		return func(c *clock) { c.ReportModel("openai", key, "old", FailureQuota, d) }
	}
	whole := func(key string, class FailureClass) func(*clock) {
		return func(c *clock) { c.Report("openai", key, class, 0) }
	}
	f("open", 0, false)
	f("a key is left", 0, false, limit("k1", 5*time.Second))
	f("the first key", 3*time.Second, false, limit("k1", 5*time.Second), limit("k2", 3*time.Second))
	f("one of the key", firstCool, false, limit("k1", 5*time.Second), whole("k2", FailureQuota))
	f("a refused key is not waited for", 5*time.Second, false, limit("k1", 5*time.Second), whole("k2", FailureAuth))
	f("refused keys alone", 0, false, whole("k1", FailureAuth), whole("k2", FailureAuth))
	f("a refused key that is limited as well", 0, false, whole("k1", FailureAuth), whole("k2", FailureAuth), limit("k1", time.Second), whole("k1", FailureQuota))
	f("an overload", 0, false, limit("k1", 5*time.Second), limit("k2", 3*time.Second), func(c *clock) { c.ReportModel("openai", "k1", "old", FailureOverload, time.Minute) })
	f("faults", 0, false, limit("k1", 5*time.Second), limit("k2", 3*time.Second), whole("", FailureFault), whole("", FailureFault), whole("", FailureFault))
	f("a trial is under way", trialLease, true, limit("k1", 20*time.Second), limit("k2", time.Second), func(c *clock) {
		c.pass(time.Second)
		if d := decide(t, twoKeys(c), ask("old", func(q *Query) { q.Now = c.at })); d.Candidates[0].Secret != "k2" || d.Candidates[0].Cooling {
			t.Errorf("the trial: %+v", d.Candidates[0])
		}
	})
}
