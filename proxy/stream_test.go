package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/fakellm"
	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/proxy"
)

const includeUsage = `"stream_options":{"include_usage":true}`

// direct asks the fake provider itself, for what should pass untouched.
func (h *harness) direct(body string) string {
	h.Helper()
	resp, err := http.Post(h.upstream.BaseURL("openai")+"/chat/completions", "application/json", strings.NewReader(body))
	if err != nil {
		h.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		h.Fatal(err)
	}
	return string(b)
}

// withoutIDs blanks what differs from one answer of the fake provider to the next.
func withoutIDs(body string) string {
	lines := strings.Split(body, "\n")
	for i, line := range lines {
		if id := gjson.Get(strings.TrimPrefix(line, "data: "), "id").Str; id != "" {
			lines[i] = strings.ReplaceAll(line, id, "ID")
		}
		if created := gjson.Get(strings.TrimPrefix(line, "data: "), "created").Raw; created != "" {
			lines[i] = strings.ReplaceAll(lines[i], `"created":`+created, `"created":0`)
		}
	}
	return strings.Join(lines, "\n")
}

func TestStreamPassesUntouched(t *testing.T) {
	h := newHarness(t, setup{})
	body := ask("gpt-4o-mini", "tell me a story", streamed, includeUsage)
	got := h.post(body)
	if want := h.direct(body); withoutIDs(got.body) != withoutIDs(want) {
		t.Errorf("got\n%s\nwant\n%s", got.body, want)
	}
	if got.header.Get("X-Halfpenny-Cost-Status") != "pending" || !strings.HasPrefix(got.header.Get("Content-Type"), "text/event-stream") {
		t.Errorf("headers %v", got.header)
	}
	r := h.ledger.last(t, 1)
	if u := r.Usage(); r.Outcome != llm.OutcomeOK || r.CostStatus() != llm.CostExact || u.Input == 0 || u.Output == 0 || r.FirstByte == 0 || !r.Stream {
		t.Errorf("record %+v", r)
	}
}

// TestUsageIsAskedForAndTakenOut: the caller who did not ask for usage gets none, and the bill is exact all the same.
func TestUsageIsAskedForAndTakenOut(t *testing.T) {
	h := newHarness(t, setup{})
	got := h.post(ask("gpt-4o-mini", "tell me a story", streamed))
	if up := h.upstream.Requests()[0].Body; !gjson.GetBytes(up, "stream_options.include_usage").Bool() {
		t.Errorf("the provider was not asked for usage: %s", up)
	}
	list := events(got.body)
	for _, e := range list {
		if gjson.Get(e, "usage").IsObject() {
			t.Errorf("the caller got %s", e)
		}
	}
	if list[len(list)-1] != "[DONE]" {
		t.Errorf("the stream ends with %s", list[len(list)-1])
	}
	if r := h.ledger.last(t, 1); r.CostStatus() != llm.CostExact {
		t.Errorf("cost is %v", r.CostStatus())
	}
}

// TestUsageChunkCarriesCost: x-halfpenny-usage: 1.
func TestUsageChunkCarriesCost(t *testing.T) {
	h := newHarness(t, setup{})
	got := h.post(ask("gpt-4o-mini", "tell me a story", streamed), "X-Halfpenny-Usage: 1")
	r := h.ledger.last(t, 1)
	found := 0
	for _, e := range events(got.body) {
		if u := gjson.Get(e, "usage"); u.IsObject() {
			found++
			if want := r.Cost().Money.String(); u.Get("cost").Raw != want || gjson.Get(e, "halfpenny.cost_usd").Raw != want || gjson.Get(e, "halfpenny.request_id").Str != r.ID || gjson.Get(e, "halfpenny.provider").Str != "openai" {
				t.Errorf("usage chunk %s, cost %s", e, want)
			}
		}
	}
	if found != 1 {
		t.Errorf("%d usage chunks", found)
	}
}

func TestUnreportedUsageIsCounted(t *testing.T) {
	h := newHarness(t, setup{})
	for i, stream := range []string{streamed, `"stream":false`} {
		h.upstream.Enqueue("", fakellm.Script{NoUsage: true})
		h.post(ask("gpt-4o-mini", "tell me a story", stream))
		r := h.ledger.last(t, i+1)
		if u := r.Usage(); !u.Estimated || u.Input < 5 || u.Output < 5 || r.CostStatus() != llm.CostEstimated || r.Cost().Money <= 0 {
			t.Errorf("%s: usage %+v, cost %v %v", stream, u, r.Cost(), r.CostStatus())
		}
	}
}

// TestTruncationIsSaid: no client may take a part for the whole.
func TestTruncationIsSaid(t *testing.T) {
	f := func(name string, script fakellm.Script, outcome llm.Outcome) {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, setup{options: proxy.Options{IdleTimeout: 150 * time.Millisecond}})
			h.upstream.Enqueue("", script)
			got := h.post(ask("gpt-4o-mini", "tell me a long story", streamed))
			list := events(got.body)
			last := list[len(list)-1]
			if got.err == nil || gjson.Get(last, "error.type").Str != "server_error" || gjson.Get(last, "error.code").Str != "upstream_unavailable" {
				t.Errorf("read error %v, last event %s", got.err, last)
			}
			r := h.ledger.last(t, 1)
			if u := r.Usage(); r.Outcome != outcome || !u.Estimated || u.Output == 0 {
				t.Errorf("outcome %v, usage %+v", r.Outcome, u)
			}
		})
	}
	f("cut", fakellm.Script{End: fakellm.Cut, After: 5}, llm.OutcomeCut)
	f("ends in good order", fakellm.Script{End: fakellm.Truncate, After: 5}, llm.OutcomeCut)
	f("falls silent", fakellm.Script{Stall: 5 * time.Second}, llm.OutcomeTimeout)
}

func TestErrorEventOfTheProviderPasses(t *testing.T) {
	h := newHarness(t, setup{})
	h.upstream.Enqueue("", fakellm.Script{End: fakellm.ErrorEvent, After: 2})
	got := h.post(ask("gpt-4o-mini", "tell me a long story", streamed))
	list := events(got.body)
	if got.err != nil || !gjson.Get(list[len(list)-1], "error").Exists() {
		t.Errorf("%v, last event %s", got.err, list[len(list)-1])
	}
	if r := h.ledger.last(t, 1); r.Outcome != llm.OutcomeError || r.Usage().Output == 0 || r.CostStatus() != llm.CostEstimated {
		t.Errorf("outcome %v, usage %+v", r.Outcome, r.Usage())
	}
}

func TestStreamFailsOverBeforeTheFirstByteOnly(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"groq", "cerebras"}})
	h.upstream.Enqueue("", fakellm.Script{End: fakellm.Cut})
	got := h.post(ask("gpt-oss-120b", "hi", streamed))
	if got.status != 200 || got.err != nil || got.header.Get("X-Halfpenny-Attempts") != "2" {
		t.Errorf("%d %v %v", got.status, got.err, got.header)
	}
	h.upstream.Enqueue("", fakellm.Script{End: fakellm.Cut, After: 1})
	if got := h.post(ask("gpt-oss-120b", "hi", streamed)); got.err == nil || h.upstream.Stats().Started != 3 {
		t.Errorf("after the first byte: %v, %d attempts", got.err, h.upstream.Stats().Started)
	}
}

func TestSilentProviderTimesOut(t *testing.T) {
	h := newHarness(t, setup{options: proxy.Options{HeaderTimeout: 100 * time.Millisecond}})
	h.upstream.Enqueue("", fakellm.Script{Slow: 10 * time.Second})
	got := h.post(ask("gpt-4o-mini", "hi"))
	if r := h.ledger.last(t, 1); got.status != 502 || r.Outcome != llm.OutcomeError || r.Attempts[0].Outcome != llm.OutcomeTimeout {
		t.Errorf("%d %s, record %+v", got.status, got.body, r)
	}
}

// TestClientGone: whenever the client leaves, the provider's call ends within 100 ms
// and what it has cost is on record as an estimate.
func TestClientGone(t *testing.T) {
	f := func(name, body string, script fakellm.Script, readFirst bool) {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, setup{})
			h.upstream.Enqueue("", script)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r := h.request(ctx, http.MethodPost, "/v1/chat/completions", body)
			ended := make(chan struct{})
			got := make(chan struct{})
			go func() {
				resp, err := http.DefaultClient.Do(r)
				if err == nil {
					line, _ := bufio.NewReader(resp.Body).ReadString('\n')
					if line != "" {
						close(got)
					}
					<-ctx.Done()
					resp.Body.Close()
				}
				close(ended)
			}()
			if !h.upstream.WaitFor(5*time.Second, func(s fakellm.Stats) bool { return s.InFlight == 1 }) {
				t.Fatal("the provider was not asked")
			}
			if readFirst {
				<-got
			}
			time.Sleep(30 * time.Millisecond)
			left := time.Now()
			cancel()
			<-ended
			if !h.upstream.WaitFor(5*time.Second, func(s fakellm.Stats) bool { return s.Canceled == 1 }) {
				t.Fatal("the provider's call went on")
			}
			if took := h.upstream.Requests()[0].Ended.Sub(left); took > 100*time.Millisecond {
				t.Errorf("the provider's call ended after %v", took)
			}
			rec := h.ledger.last(t, 1)
			if u := rec.Usage(); rec.Outcome != llm.OutcomeCanceled || rec.Status != 499 || !u.Estimated || u.Input == 0 || u.Output == 0 || rec.CostStatus() != llm.CostEstimated {
				t.Errorf("record %+v", rec)
			}
		})
	}
	f("before the answer", ask("gpt-4o-mini", "hi"), fakellm.Script{Slow: 10 * time.Second}, false)
	f("before the stream", ask("gpt-4o-mini", "hi", streamed), fakellm.Script{Slow: 10 * time.Second}, false)
	f("within the stream", ask("gpt-4o-mini", "hi", streamed), fakellm.Script{Events: 1000, Gap: 20 * time.Millisecond}, true)
	f("in a silence of the stream", ask("gpt-4o-mini", "hi", streamed), fakellm.Script{Stall: 10 * time.Second}, true)
}

// TestKeepAliveSurvivesTheWatcher: slow and fast calls on one connection, pipelined too.
func TestKeepAliveSurvivesTheWatcher(t *testing.T) {
	h := newHarness(t, setup{})
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	br := bufio.NewReader(conn)
	for i := range 20 {
		prompt := "hi"
		if i%2 == 0 {
			prompt = "hi [[halfpenny:slow=15ms]]"
		}
		body := ask("gpt-4o-mini", prompt, fmt.Sprintf(`"stream":%v`, i%3 == 0))
		one := fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", h.key, len(body), body)
		if _, err := io.WriteString(conn, one+one); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			resp, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatal(i, err)
			}
			if b, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 {
				t.Fatalf("%d: %d %v %s", i, resp.StatusCode, err, b)
			}
		}
	}
}

func TestOversizedReplyIsRelayed(t *testing.T) {
	h := newHarness(t, setup{})
	h.upstream.Enqueue("", fakellm.Script{Bytes: 34 << 20})
	got := h.post(ask("gpt-4o-mini", "hi"))
	if got.err != nil || got.status != 200 || len(got.body) < 34<<20 || got.header.Get("X-Halfpenny-Cost-Status") != "pending" || !gjson.Valid(got.body) {
		t.Errorf("%d, %d bytes, %v, %v", got.status, len(got.body), got.err, got.header)
	}
	if r := h.ledger.last(t, 1); r.CostStatus() != llm.CostExact || r.Cost().Money <= 0 {
		t.Errorf("cost %v %v, attempts %+v", r.Cost(), r.CostStatus(), r.Attempts)
	}
}

// What is too large to be held cannot be translated, and is not passed on as it is.
func TestOversizedReplyIsNotTranslated(t *testing.T) {
	h := newHarness(t, setup{})
	text := strings.Repeat("a", 34<<20)
	h.upstream.Enqueue("", fakellm.Script{Status: 200, Body: []byte(`{"choices":[{"message":{"content":"` + text + `"},"finish_reason":"stop"}]}`)})
	got := h.messages(message("gpt-4o-mini", "hi"))
	if got.status != 502 || gjson.Get(got.body, "error.type").Str != "api_error" || !strings.Contains(got.body, "too large to be translated") {
		t.Errorf("%d, %d bytes: %.300s", got.status, len(got.body), got.body)
	}
}

// TestConcurrent runs plain, streamed, cut and failing calls together under -race.
func TestConcurrent(t *testing.T) {
	h := newHarness(t, setup{})
	prompts := []string{"hi", "hi [[halfpenny:cut=2]]", "hi [[halfpenny:status=400]]", "hi [[halfpenny:slow=20ms]]"}
	var wg sync.WaitGroup
	const callers, calls = 16, 25
	for c := range callers {
		wg.Go(func() {
			for i := range calls {
				h.post(ask("gpt-4o-mini", prompts[(c+i)%len(prompts)], fmt.Sprintf(`"stream":%v`, i%2 == 0)))
			}
		})
	}
	wg.Wait()
	h.ledger.last(t, callers*calls)
	seen := map[string]bool{}
	for _, r := range h.ledger.finished {
		if seen[r.ID] {
			t.Errorf("%s finished twice", r.ID)
		}
		seen[r.ID] = true
	}
	if len(seen) != callers*calls || h.gateway.InFlight() != 0 {
		t.Errorf("%d records, %d in flight", len(seen), h.gateway.InFlight())
	}
}
