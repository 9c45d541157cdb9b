package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/generic-corp/halfpenny/internal/fakellm"
	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/router"
)

// limitedFor scripts a provider that answers 429 to the first n calls.
func limitedFor(n int64, script fakellm.Script) fakellm.Options {
	var seen atomic.Int64
	script.Status = 429
	return fakellm.Options{Respond: func(*http.Request, []byte) *fakellm.Script {
		if seen.Add(1) <= n {
			return &script
		}
		return nil
	}}
}

func pause(ms string) fakellm.Script {
	return fakellm.Script{Header: http.Header{"Retry-After-Ms": {ms}}}
}

const waits = "X-Halfpenny-Max-Wait-Ms: "

// A caller that waits gets its answer after the provider's pause; both attempts are on
// record, and the pause is no overhead of the gateway's.
func TestCallWaitsForARateLimit(t *testing.T) {
	h := newHarness(t, setup{upstream: limitedFor(1, pause("300"))})
	r := h.post(ask("gpt-4o-mini", "hello"), waits+"20000")
	record := h.ledger.last(t, 1)
	if r.status != 200 || len(record.Attempts) != 2 || record.Attempts[0].Status != 429 || record.Attempts[1].Outcome != llm.OutcomeOK {
		t.Fatalf("%+v, record %+v", r, record)
	}
	if between := record.Attempts[1].At.Sub(record.Attempts[0].At); between < 300*time.Millisecond || record.Queued < 250*time.Millisecond ||
		record.Overhead+record.Queued+record.Attempts[0].Latency+record.Attempts[1].Latency > record.Total {
		t.Errorf("%s between the attempts, queued %s, overhead %s of %s", between, record.Queued, record.Overhead, record.Total)
	}
	if r.header.Get("X-Halfpenny-Attempts") != "2" {
		t.Errorf("headers %v", r.header)
	}
}

// Before its first attempt it waits as well, and then there is one attempt.
func TestCallWaitsForWhatOthersHaveFound(t *testing.T) {
	h := newHarness(t, setup{upstream: limitedFor(1, pause("400"))})
	if r := h.post(ask("gpt-4o-mini", "hello")); r.status != 429 || r.header.Get("Retry-After") != "1" || r.header.Get("X-Halfpenny-Error-Source") != "upstream" {
		t.Fatalf("without a wait: %+v", r)
	}
	r := h.post(ask("gpt-4o-mini", "hello"), waits+"20000")
	if record := h.ledger.last(t, 2); r.status != 200 || len(record.Attempts) != 1 || record.Queued == 0 {
		t.Errorf("%+v, record %+v", r, record)
	}
}

// Where no target opens in time the call does not wait in vain: it is tried at once, as
// without a wait. Nor does it wait for anything but a limit.
func TestCallDoesNotWaitInVain(t *testing.T) {
	f := func(name string, script fakellm.Script, status int, wait string) {
		t.Helper()
		h := newHarness(t, setup{upstream: fakellm.Options{Respond: func(*http.Request, []byte) *fakellm.Script { return &script }}})
		for i := 1; i <= 2; i++ {
			r := h.post(ask("gpt-4o-mini", "hello"), waits+wait)
			if record := h.ledger.last(t, i); r.status != status || len(record.Attempts) != 1 || record.Queued != 0 {
				t.Errorf("%s: %+v, record %+v", name, r, record)
			}
		}
	}
	f("a long pause", fakellm.Script{Status: 429, RetryAfter: 60}, 429, "2000")
	f("no wait", fakellm.Script{Status: 429, RetryAfter: 1}, 429, "0")
	f("an overload", fakellm.Script{Status: 529, RetryAfter: 1}, 529, "20000")
	f("a refused key", fakellm.Script{Status: 401}, 401, "20000")
	f("no money", fakellm.Script{Status: 429, Code: "insufficient_quota"}, 429, "90000")
}

// A provider that lets nobody wait is not asked without end.
func TestCallIsNotRepeatedWithoutEnd(t *testing.T) {
	h := newHarness(t, setup{upstream: limitedFor(1000, pause("1"))})
	r := h.post(ask("gpt-4o-mini", "hello"), waits+"20000")
	if record := h.ledger.last(t, 1); r.status != 429 || len(record.Attempts) != 8 {
		t.Errorf("%+v, %d attempts", r, len(record.Attempts))
	}
}

func TestMaxWaitNarrowsThePolicy(t *testing.T) {
	f := func(policy, header string, options time.Duration, attempts int) {
		t.Helper()
		h := newHarness(t, setup{upstream: limitedFor(1, pause("100")), policy: policy, router: router.Options{MaxWait: options}})
		var extra []string
		if header != "" {
			extra = []string{waits + header}
		}
		r := h.post(ask("gpt-4o-mini", "hello"), extra...)
		if record := h.ledger.last(t, 1); len(record.Attempts) != attempts {
			t.Errorf("policy %s, header %s: %d attempts, status %d", policy, header, len(record.Attempts), r.status)
		}
	}
	f("", "", 0, 1)
	f("", "", 20*time.Second, 2)
	f("", "0", 20*time.Second, 1)
	f("", "20000", 0, 2)
	f(`{"routing":{"maxWaitMs":20000}}`, "", 0, 2)
	f(`{"routing":{"maxWaitMs":20000}}`, "10", 0, 1)
	f(`{"routing":{"maxWaitMs":0}}`, "20000", 20*time.Second, 1)
	h := newHarness(t, setup{})
	for _, bad := range []string{"-1", "soon", "600001", "1.5"} {
		if r := h.post(ask("gpt-4o-mini", "hello"), waits+bad); r.status != 400 || !strings.Contains(r.body, "x-halfpenny-max-wait-ms") {
			t.Errorf("%s: %+v", bad, r)
		}
	}
}

// closeFor has every key of openai's account cool for a while.
func (h *harness) closeFor(d time.Duration) {
	h.health.Report("openai", "sk-operator-openai", router.FailureQuota, d)
}

// waiting blocks until n calls wait.
func (h *harness) waiting(n int) {
	h.Helper()
	for range 5000 {
		if h.gateway.Waiting() == n {
			return
		}
		time.Sleep(time.Millisecond)
	}
	h.Fatalf("%d calls wait, want %d", h.gateway.Waiting(), n)
}

// A client that leaves while it waits costs nothing and is asked for by nobody.
func TestClientLeavesTheQueue(t *testing.T) {
	h := newHarness(t, setup{})
	h.closeFor(time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		resp, err := http.DefaultClient.Do(h.request(ctx, http.MethodPost, "/v1/chat/completions", ask("gpt-4o-mini", "hello"), waits+"100000"))
		if err == nil {
			_ = resp.Body.Close()
		}
		done <- err
	}()
	h.waiting(1)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	h.waiting(0)
	if n := h.upstream.Stats().Started; n != 0 || len(h.ledger.started)+len(h.ledger.finished) != 0 {
		t.Errorf("%d calls reached the provider, records %v", n, h.ledger.finished)
	}
}

// When the limit is over all that wait are answered, after one has tried it.
func TestAllThatWaitAreAnswered(t *testing.T) {
	h := newHarness(t, setup{})
	other := h.tenant("other")
	h.closeFor(500 * time.Millisecond)
	var group sync.WaitGroup
	for i := range 40 {
		group.Go(func() {
			r := h.post(ask("gpt-4o-mini", "hello"), waits+"20000", fmt.Sprintf("Authorization: Bearer %s", []string{h.key, other}[i%2]))
			if r.status != 200 {
				t.Errorf("%+v", r)
			}
		})
	}
	group.Wait()
	h.waiting(0)
}

// Beyond the bound of a tenant a call is refused at once, and other tenants wait on.
func TestTooManyWait(t *testing.T) {
	h := newHarness(t, setup{})
	other := h.tenant("other")
	h.closeFor(time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for range 100 {
		group.Go(func() {
			if resp, err := http.DefaultClient.Do(h.request(ctx, http.MethodPost, "/v1/chat/completions", ask("gpt-4o-mini", "hello"), waits+"100000")); err == nil {
				_ = resp.Body.Close()
			}
		})
	}
	h.waiting(100)
	r := h.post(ask("gpt-4o-mini", "hello"), waits+"100000")
	if r.status != 429 || !strings.Contains(r.body, "rate_limit_exceeded") || r.header.Get("Retry-After") != "60" {
		t.Errorf("%+v", r)
	}
	group.Go(func() {
		if resp, err := http.DefaultClient.Do(h.request(ctx, http.MethodPost, "/v1/chat/completions", ask("gpt-4o-mini", "hello"), waits+"100000", "Authorization: Bearer "+other)); err == nil {
			_ = resp.Body.Close()
		}
	})
	h.waiting(101)
	cancel()
	group.Wait()
	h.waiting(0)
	if len(h.ledger.finished) != 0 {
		t.Errorf("on record: %+v", h.ledger.finished[0])
	}
}

// A wait that ends without a target is a 429 that says when to come back.
func TestWaitIsOver(t *testing.T) {
	h := newHarness(t, setup{upstream: fakellm.Options{Respond: func(*http.Request, []byte) *fakellm.Script { return &fakellm.Script{Slow: 3 * time.Second} }}})
	h.closeFor(50 * time.Millisecond)
	for h.health.State("openai").Condition != router.Trial {
		time.Sleep(time.Millisecond)
	}
	var group sync.WaitGroup
	group.Go(func() { h.post(ask("gpt-4o-mini", "the trial"), waits+"1000") })
	if !h.upstream.WaitFor(5*time.Second, func(s fakellm.Stats) bool { return s.Started == 1 }) {
		t.Fatal("no trial")
	}
	r := h.post(ask("gpt-4o-mini", "hello"), waits+"200") // the trial takes longer
	if r.status != 429 || !strings.Contains(r.body, "rate_limit_exceeded") || r.header.Get("Retry-After") == "" || r.header.Get("X-Halfpenny-Error-Source") != "" {
		t.Errorf("%+v", r)
	}
	group.Wait()
	if len(h.ledger.finished) != 1 {
		t.Errorf("%d calls are on record", len(h.ledger.finished))
	}
}

// The provider's own 404 of a model closes that model alone, others close nothing.
func TestMissingModelCoolsAlone(t *testing.T) {
	f := func(body string, want router.Condition) {
		t.Helper()
		h := newHarness(t, setup{kinds: []string{"openai", "azure"}, upstream: fakellm.Options{Respond: func(r *http.Request, _ []byte) *fakellm.Script {
			if strings.Contains(r.URL.Path, "/openai/openai/") {
				return &fakellm.Script{Status: 404, Body: []byte(body)}
			}
			return nil
		}}})
		h.post(ask("gpt-4o-mini", "hello"))
		r := h.post(ask("gpt-4o-mini", "hello"))
		cooled := h.ledger.last(t, 2).Attempts[0].Provider != h.ledger.last(t, 1).Attempts[0].Provider
		if r.status != 200 || cooled != (want == router.Cooling) {
			t.Errorf("%s: %+v; first at %s", body, r.status, h.ledger.last(t, 2).Attempts[0].Provider)
		}
	}
	f(`{"error":{"message":"The model does not exist","code":"model_not_found"}}`, router.Cooling)
	f(`{"error":{"message":"No such file: file-1"}}`, router.Healthy)
}
