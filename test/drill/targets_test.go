package drill

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/generic-corp/halfpenny/internal/fakellm"
)

// ward is a provider whose accounts and API keys fall ill one by one.
type ward struct {
	mu  sync.Mutex
	ill map[string]fakellm.Script // by account, or by account and key
}

func (w *ward) respond(r *http.Request, _ []byte) *fakellm.Script {
	account, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/sim/"), "/")
	key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range []string{account + "/" + key, account} {
		if script, ok := w.ill[name]; ok {
			return &script
		}
	}
	return nil
}

// fall lets those fall ill that are named, and all others be well.
func (w *ward) fall(ill map[string]fakellm.Script) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ill = ill
}

// illness is a fault drill: what is ill, and what is to come of it.
type illness struct {
	name     string
	ill      map[string]fakellm.Script
	wait     time.Duration // x-halfpenny-max-wait-ms
	provider account       // that answers the first call
	statuses string        // of its attempts
	inVain   int           // at most so many of the next 20 calls go to what is ill
	within   time.Duration // so long after the end it is used again
}

const (
	keyOne = "sk-drill-key-number-one"
	keyTwo = "sk-drill-key-number-two"
)

// TestTargets: which target answers while another one is ill, after how many attempts,
// and how long the gateway takes to see that it is well again. The account "first" has
// two API keys, "spare" has one, and nothing else tells them apart.
func TestTargets(t *testing.T) {
	limited := fakellm.Script{Status: 429, RetryAfter: 2}
	drills := []illness{
		{name: "429, Retry-After 2, of one key of two", ill: map[string]fakellm.Script{"first/" + keyOne: limited}, provider: first, statuses: "429 200", within: 4 * time.Second},
		{name: "429, Retry-After 2, of one account of two", ill: map[string]fakellm.Script{"first": limited}, provider: spare, statuses: "429 429 200", within: 4 * time.Second},
		{name: "429 of all, max wait 20 s", ill: map[string]fakellm.Script{"first": limited, "spare": {Status: 429, RetryAfter: 10}}, wait: 20 * time.Second, provider: first, statuses: "429 429 429 200"},
		{name: "529", ill: map[string]fakellm.Script{"first": {Status: 529}}, provider: spare, statuses: "529 200", inVain: 1, within: 4 * time.Second},
		{name: "500", ill: map[string]fakellm.Script{"first": {Status: 500}}, provider: spare, statuses: "500 200", inVain: 3, within: 4 * time.Second},
		{name: "a wrong key of two", ill: map[string]fakellm.Script{"first/" + keyOne: {Status: 401}}, provider: first, statuses: "401 200"},
		{name: "nothing left by the headers, of one account", ill: map[string]fakellm.Script{"first": {Header: http.Header{
			"X-Ratelimit-Remaining-Requests": {"0"}, "X-Ratelimit-Reset-Requests": {"2s"}}}}, provider: first, statuses: "200", inVain: 1, within: 4 * time.Second},
		{name: "slow", ill: map[string]fakellm.Script{"first": {Slow: 200 * time.Millisecond}}, provider: first, statuses: "200", inVain: 3, within: 4 * time.Second},
		{name: "hangs", ill: map[string]fakellm.Script{"first": {Slow: time.Minute}}, provider: "", within: 4 * time.Second},
	}
	rows := make([]string, len(drills))
	t.Run("all", func(t *testing.T) {
		for i := range drills {
			d := &drills[i]
			t.Run(strings.ReplaceAll(d.name, ",", ""), func(t *testing.T) {
				t.Parallel()
				rows[i] = d.name + "\t" + d.drill(t)
			})
		}
	})
	t.Logf("\n%s", table("drill\tfirst call: provider\tattempts\ttook\tin queue\tnext calls in vain\tused again after", rows...))
}

func (d *illness) drill(t *testing.T) (row string) {
	w := &ward{}
	in := w.install(t)
	key := in.tenant("patient", "enterprise")
	g := in.start()
	c := g.caller(key)

	w.fall(d.ill)
	row, leave := d.first(c, in.fake, w)
	vain := 0
	if d.wait == 0 {
		vain = d.next(c, in.fake)
	}
	w.fall(nil)
	leave()
	return row + fmt.Sprintf("\t%d of 20\t%s", vain, d.recovers(c, in.fake))
}

// install prepares an installation with the accounts first, of two API keys, and spare.
func (w *ward) install(t *testing.T) *installation {
	t.Helper()
	in := install(t, database{})
	in.fake = fakellm.New(fakellm.Options{Log: 100_000, Respond: w.respond})
	t.Cleanup(in.fake.Close)
	in.secrets = append(in.secrets, keyOne, keyTwo)
	in.more = fmt.Sprintf("  - {name: first, kind: openai, base_url: %q, api_keys: [%s, %s]}\n", in.fake.BaseURL("first"), keyOne, keyTwo)
	in.configure(spare)
	return in
}

// TestQueueDrains: a call that waits for a provider does not hold up the gateway's end.
func TestQueueDrains(t *testing.T) {
	t.Parallel()
	w := &ward{ill: map[string]fakellm.Script{"first": {Status: 429, RetryAfter: 60}, "spare": {Status: 429, RetryAfter: 60}}}
	in := w.install(t)
	key := in.tenant("patient", "enterprise")
	g := in.start()
	c := g.caller(key)
	c.patient(question{}, 0)
	sent := in.fake.Stats().Started
	got := make(chan answer)
	go func() { got <- c.patient(question{}, 5*time.Minute) }()
	eventually(t, long, "the call waits", func() bool {
		_, page := fetch(t, g.url+"/metrics")
		return strings.Contains(page, "\nhalfpenny_queue_waiting 1\n")
	})
	g.signal(syscall.SIGTERM)
	if a := <-got; a.status != 503 || a.header.Get("Retry-After") != "1" {
		t.Errorf("at SIGTERM: %s", a.String())
	}
	g.ends(10 * time.Second)
	if n := in.fake.Stats().Started; n != sent {
		t.Errorf("%d calls were sent, then %d", sent, n)
	}
	if n := len(in.ledger("patient")); n != 1 {
		t.Errorf("%d calls are on record", n)
	}
}

// table puts rows of cells, separated by tabs, into columns.
func table(head string, rows ...string) string {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, line := range append([]string{head}, rows...) {
		_, _ = fmt.Fprintln(w, line)
	}
	_ = w.Flush()
	return b.String()
}

// first asks once and tells what came of it. A call that hangs is under way until leave.
func (d *illness) first(c *caller, fake *fakellm.Server, w *ward) (row string, leave func()) {
	c.t.Helper()
	if d.provider == "" {
		ctx, cancel := context.WithCancel(bounded(c.t, time.Minute))
		go func() {
			if resp, err := c.open(ctx, question{}); err == nil {
				_ = resp.Body.Close()
			}
		}()
		eventually(c.t, long, "the call is under way", func() bool { return fake.Stats().InFlight == 1 })
		return "none\t–\t–\t–", cancel
	}
	if d.wait > 0 {
		go func() { // the provider is well again while the call waits
			if fake.WaitFor(long, func(s fakellm.Stats) bool { return s.Finished == 3 }) {
				w.fall(nil)
			}
		}()
	}
	start := time.Now()
	a := c.patient(question{}, d.wait)
	took := time.Since(start)
	var r struct {
		Provider string
		Attempts []struct{ Status int }
		Timings  struct{ QueuedMs float64 }
	}
	eventually(c.t, long, "the receipt", func() bool { return c.get("/v1/requests/"+a.id, &r) == 200 && r.Provider != "" })
	var statuses []string
	for _, x := range r.Attempts {
		statuses = append(statuses, strconv.Itoa(x.Status))
	}
	if got := strings.Join(statuses, " "); !a.whole || r.Provider != string(d.provider) || got != d.statuses {
		c.t.Errorf("answered by %s after %s, want %s after %s: %s", r.Provider, got, d.provider, d.statuses, a.String())
	}
	if d.wait > 0 != (r.Timings.QueuedMs > 0) {
		c.t.Errorf("in queue for %v ms", r.Timings.QueuedMs)
	}
	return fmt.Sprintf("%s\t%s\t%s\t%.0f ms", r.Provider, strings.Join(statuses, " "), took.Round(time.Millisecond), r.Timings.QueuedMs), func() {}
}

// patient asks and may wait for a target.
func (c *caller) patient(q question, wait time.Duration) answer {
	c.t.Helper()
	r, err := http.NewRequestWithContext(bounded(c.t, time.Minute), http.MethodPost, c.url+"/v1/chat/completions", bytes.NewReader(q.body()))
	check(c.t, err)
	r.Header.Set("Authorization", "Bearer "+c.key)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Halfpenny-Max-Wait-Ms", strconv.FormatInt(wait.Milliseconds(), 10))
	resp, err := c.http.Do(r)
	check(c.t, err)
	return read(q, resp)
}

// next asks 20 times, and counts the calls that went to what is ill.
func (d *illness) next(c *caller, fake *fakellm.Server) (vain int) {
	c.t.Helper()
	before := d.toIll(fake)
	for range 20 {
		c.must(question{})
	}
	if vain = d.toIll(fake) - before; vain > d.inVain {
		c.t.Errorf("%d of 20 calls went to what is ill", vain)
	}
	return vain
}

func (d *illness) toIll(fake *fakellm.Server) (n int) {
	for _, r := range fake.Requests() {
		if _, all := d.ill[r.Kind]; all {
			n++
		} else if _, one := d.ill[r.Kind+"/"+r.Key]; one {
			n++
		}
	}
	return n
}

// recovers is how long after the end of its illness a target is used again.
func (d *illness) recovers(c *caller, fake *fakellm.Server) string {
	c.t.Helper()
	if d.within == 0 {
		return "–"
	}
	before := d.toIll(fake)
	return eventually(c.t, d.within, "what was ill is used again", func() bool {
		c.must(question{})
		return d.toIll(fake) > before
	}).Round(time.Millisecond).String()
}
