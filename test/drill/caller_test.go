package drill

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/fakellm"
	"github.com/generic-corp/halfpenny/llm"
)

// words are in every prompt and must be in no log.
const words = "violet giraffes audit the harbour"

const model = "gpt-5-mini"

type fakeStats = fakellm.Stats

// caller is an app with a key.
type caller struct {
	t    *testing.T
	http *http.Client
	url  string
	key  string
}

// caller returns an app that calls the gateway with a key.
func (g *gateway) caller(key string) *caller {
	transport := &http.Transport{MaxIdleConnsPerHost: 300, DisableCompression: true}
	g.in.t.Cleanup(transport.CloseIdleConnections)
	return &caller{t: g.in.t, http: &http.Client{Transport: transport}, url: g.url, key: key}
}

// question is a chat request.
type question struct {
	model    string // empty: model
	marker   string // what the provider is to do; see fakellm
	stream   bool
	priced   bool   // the stream's usage chunk is to carry the cost
	tags     string // x-halfpenny-tags
	label    string // reaches the provider as X-Client-Request-Id
	contents string // the prompt; empty: words
}

// answer is what came back.
type answer struct {
	question
	id     string // x-request-id
	status int    // 0: no head came
	header http.Header
	body   []byte
	err    error         // the body, or the head, did not come whole
	whole  bool          // an answer from its beginning to its end
	cost   llm.NullMoney // as the answer itself says
	output int64         // completion tokens, as the provider said
}

func (q *question) body() []byte {
	name, text := q.model, q.contents
	if name == "" {
		name = model
	}
	if text == "" {
		text = words
	}
	if q.marker != "" {
		text += " [[halfpenny:" + q.marker + "]]"
	}
	b, _ := json.Marshal(map[string]any{"model": name, "stream": q.stream, "messages": []any{map[string]string{"role": "user", "content": text}}})
	return b
}

// open sends a question and returns when the answer's head is there.
func (c *caller) open(ctx context.Context, q question) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/v1/chat/completions", bytes.NewReader(q.body()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+c.key)
	r.Header.Set("Content-Type", "application/json")
	for name, value := range map[string]string{"X-Halfpenny-Tags": q.tags, "X-Client-Request-Id": q.label} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	if q.priced {
		r.Header.Set("X-Halfpenny-Usage", "1")
	}
	return c.http.Do(r)
}

// ask sends a question and reads the answer to its end.
func (c *caller) ask(q question) answer {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	resp, err := c.open(ctx, q)
	if err != nil {
		return answer{question: q, err: err}
	}
	return read(q, resp)
}

func read(q question, resp *http.Response) answer {
	defer resp.Body.Close()
	a := answer{question: q, id: resp.Header.Get("X-Request-Id"), status: resp.StatusCode, header: resp.Header}
	a.body, a.err = io.ReadAll(resp.Body)
	if a.err != nil || a.status != http.StatusOK {
		return a
	}
	if q.stream {
		a.readStream()
	} else {
		a.readReply()
	}
	return a
}

func (a *answer) readReply() {
	a.whole = gjson.GetBytes(a.body, "choices.0.finish_reason").Str == "stop"
	a.output = gjson.GetBytes(a.body, "usage.completion_tokens").Int()
	a.read(a.header.Get("X-Halfpenny-Cost-Usd"))
}

func (a *answer) readStream() {
	a.whole = bytes.HasSuffix(a.body, []byte("data: [DONE]\n\n"))
	for line := range strings.Lines(string(a.body)) {
		data := strings.TrimPrefix(line, "data: ")
		if gjson.Get(data, "error").Exists() {
			a.whole = false
		}
		if usage := gjson.Get(data, "usage"); usage.IsObject() {
			a.output = usage.Get("completion_tokens").Int()
			a.read(usage.Get("cost").Raw)
		}
	}
}

// read takes an amount as decimal text.
func (a *answer) read(amount string) {
	if m, err := llm.ParseMoney(amount); err == nil {
		a.cost = llm.Known(m)
	}
}

func (a *answer) String() string {
	return fmt.Sprintf("%+v: id %s status %d whole %t err %v body %.300q", a.question, a.id, a.status, a.whole, a.err, a.body)
}

// must asks a question that must be answered.
func (c *caller) must(q question) answer {
	c.t.Helper()
	a := c.ask(q)
	if !a.whole {
		c.t.Fatal(a.String())
	}
	return a
}

// get reads a path with the caller's key into into, where that is not nil.
func (c *caller) get(path string, into any) (status int) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(bounded(c.t, 30*time.Second), http.MethodGet, c.url+path, nil)
	check(c.t, err)
	r.Header.Set("Authorization", "Bearer "+c.key)
	resp, err := c.http.Do(r)
	check(c.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	check(c.t, err)
	if into != nil && resp.StatusCode == http.StatusOK {
		if err := json.Unmarshal(b, into); err != nil {
			c.t.Fatalf("GET %s: %v in %s", path, err, b)
		}
	}
	return resp.StatusCode
}

// receipt is GET /v1/requests/{id}, as far as drills look at it.
type receipt struct {
	ID, Provider, Model, Outcome, CostStatus string
	Test, Simulated                          bool
	Status                                   int
	CostUSD, BaselineUSD, SavingsUSD         llm.NullMoney
	Seq                                      *int64
	Usage                                    struct {
		OutputTokens int64
		Estimated    bool
	}
	Attempts []struct {
		N                                    int
		Provider, Model, Outcome, CostStatus string
		CostUSD                              llm.NullMoney
	}
}

func (c *caller) receipt(id string) (r receipt, status int) {
	c.t.Helper()
	return r, c.get("/v1/requests/"+id, &r)
}

// ready is GET /ready.
type ready struct {
	code    int
	Status  string
	Reasons []string
}

func (c *caller) ready() (r ready) {
	c.t.Helper()
	resp, err := c.http.Get(c.url + "/ready")
	check(c.t, err)
	defer resp.Body.Close()
	check(c.t, json.NewDecoder(resp.Body).Decode(&r))
	r.code = resp.StatusCode
	return r
}

// crowd is a number of callers that ask one question after the other.
type crowd struct {
	wg      sync.WaitGroup
	halt    atomic.Bool
	asked   atomic.Int64
	mu      sync.Mutex
	answers []answer
}

// crowd sets n callers to work; next gives each its next question, by a number
// that no other question has.
func (c *caller) crowd(n int, next func(i int64) question) *crowd {
	all := &crowd{}
	for range n {
		all.wg.Go(func() {
			for !all.halt.Load() {
				a := c.ask(next(all.asked.Add(1)))
				if a.status == 0 {
					time.Sleep(time.Millisecond) // nobody is there
				}
				all.mu.Lock()
				all.answers = append(all.answers, a)
				all.mu.Unlock()
			}
		})
	}
	c.t.Cleanup(func() { all.stop() })
	return all
}

// each asks every question, n at a time, and returns the answers in the same order.
func (c *caller) each(n int, questions []question) []answer {
	answers := make([]answer, len(questions))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(questions)); i = next.Add(1) - 1 {
				answers[i] = c.ask(questions[i])
			}
		})
	}
	wg.Wait()
	return answers
}

// stop lets each caller finish its question and returns all answers.
func (w *crowd) stop() []answer {
	w.halt.Store(true)
	w.wg.Wait()
	return w.answers
}

// got is how many answers have come so far.
func (w *crowd) got() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.answers)
}

// more waits for n answers beyond those that have come.
func (w *crowd) more(t *testing.T, n int) {
	t.Helper()
	before := w.got()
	eventually(t, long, fmt.Sprintf("%d more answers", n), func() bool { return w.got() >= before+n })
}
