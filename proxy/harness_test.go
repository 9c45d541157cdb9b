package proxy_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"
	"go.uber.org/goleak"

	"github.com/generic-corp/halfpenny/cache"
	"github.com/generic-corp/halfpenny/internal/fakellm"
	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/provider"
	"github.com/generic-corp/halfpenny/proxy"
	"github.com/generic-corp/halfpenny/router"
	"github.com/generic-corp/halfpenny/tenancy"
	"github.com/generic-corp/halfpenny/tenancy/tenancytest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// memoryLedger is a proxy.Ledger that keeps what it is told.
type memoryLedger struct {
	mu       sync.Mutex
	started  []llm.Record
	finished []llm.Record
	full     bool
}

var errFull = errors.New("the disk is full")

func (l *memoryLedger) Started(r *llm.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full {
		return errFull
	}
	snapshot, err := llm.ParseRecord(r.Append(nil))
	l.started = append(l.started, snapshot)
	return err
}

func (l *memoryLedger) Finished(r *llm.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.finished = append(l.finished, *r)
	return nil
}

// last returns the record of the call that finished last, after waiting for it.
func (l *memoryLedger) last(t *testing.T, n int) llm.Record {
	t.Helper()
	for range 2000 {
		l.mu.Lock()
		if len(l.finished) >= n {
			defer l.mu.Unlock()
			return l.finished[n-1]
		}
		l.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("record %d was never finished", n)
	return llm.Record{}
}

// harness is a gateway in front of a fake provider that plays every kind.
type harness struct {
	*testing.T
	url, key string
	upstream *fakellm.Server
	ledger   *memoryLedger
	gateway  *proxy.Gateway
	store    *tenancytest.Store
	admin    *tenancy.Admin
	health   *router.Health
}

type setup struct {
	kinds    []string // accounts at these kinds of provider; nil: openai
	upstream fakellm.Options
	options  proxy.Options
	router   router.Options
	policy   string            // patch of the tenant's policy
	secrets  map[string]string // by kind; none: an API key of the harness's
	open     bool              // the providers' own APIs may be reached
	dead     []string          // kinds whose account answers on no port
}

func newHarness(t *testing.T, s setup) *harness {
	t.Helper()
	if s.upstream.Log == 0 {
		s.upstream.Log = 100
	}
	if s.kinds == nil {
		s.kinds = []string{"openai"}
	}
	h := &harness{T: t, upstream: fakellm.New(s.upstream), ledger: &memoryLedger{}, store: &tenancytest.Store{}, health: router.NewHealth()}
	t.Cleanup(h.upstream.Close)
	log := slog.New(slog.DiscardHandler)
	pepper := []byte("pepper")
	h.admin = tenancy.NewAdmin(h.store, pepper, tenancy.Settings{PublicURL: "http://gateway"}, log)
	made, err := h.admin.Provision(t.Context(), "test", tenancy.ProvisionRequest{Slug: "acme", AdminEmail: "a@example.com", PlanTier: "enterprise"}, "")
	if err != nil {
		t.Fatal(err)
	}
	h.key = made.APIKey
	if s.policy != "" {
		if _, err := h.admin.PutPolicy(t.Context(), "test", "acme", []byte(s.policy)); err != nil {
			t.Fatal(err)
		}
	}
	o := s.options
	o.Keys, o.Ledger, o.Calibration, o.Health, o.Log = tenancy.NewDirectory(h.store, pepper, log), h.ledger, new(pricing.Calibration), h.health, log
	o.Cache, o.CacheKeys = cache.NewMemory(cache.MemoryOptions{}), cache.NewKeyer(pepper)
	o.Limiter, o.Estimator = tenancy.NewLimiter(), pricing.NewEstimator()
	o.Metrics = proxy.NewMetrics(prometheus.NewRegistry(), func(string) bool { return true })
	transport := proxy.NewUpstream()
	t.Cleanup(transport.(interface{ CloseIdleConnections() }).CloseIdleConnections)
	o.Upstream = transport
	table := h.table(s)
	h.gateway = proxy.New(o, proxy.Tables{Live: table, Test: table})
	h.listen()
	return h
}

// tenant provisions another tenant and returns its API key.
func (h *harness) tenant(slug string) string {
	h.Helper()
	made, err := h.admin.Provision(h.Context(), "test", tenancy.ProvisionRequest{Slug: slug, AdminEmail: "a@example.com", PlanTier: "enterprise"}, "")
	if err != nil {
		h.Fatal(err)
	}
	return made.APIKey
}

func (h *harness) table(s setup) *router.Table {
	h.Helper()
	var accounts []*router.Account
	for _, name := range s.kinds {
		kind, ok := provider.Lookup(name)
		if !ok {
			h.Fatalf("no kind %s", name)
		}
		base := h.upstream.URL() + "/sim/" + name + "/" + cmp.Or(kind.Simulation, "openai/v1")
		for _, dead := range s.dead {
			if dead == name {
				base = deadURL(h.T)
			}
		}
		adapter, err := kind.New(base)
		if err != nil {
			h.Fatal(err)
		}
		accounts = append(accounts, &router.Account{Name: name, Kind: name, Adapter: adapter, Secrets: []string{cmp.Or(s.secrets[name], "sk-operator-"+name)}, Weight: 1, Passthrough: s.open})
	}
	s.router.Health = h.health
	if s.router.DefaultMode == llm.ModeDefault {
		s.router.DefaultMode = llm.ModeObserve
	}
	if s.router.Floor == 0 {
		s.router.Floor = 0.95
	}
	return router.NewTable(pricing.Embedded(), accounts, s.router)
}

// deadURL is a base URL on which nobody listens.
func deadURL(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return "http://" + ln.Addr().String() + "/v1"
}

func (h *harness) listen() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.Fatal(err)
	}
	server := &fasthttp.Server{
		CloseOnShutdown: true, DisablePreParseMultipartForm: true, NoDefaultContentType: true, Logger: silent{},
		Handler: func(ctx *fasthttp.RequestCtx) {
			defer proxy.Survive(ctx, slog.New(slog.DiscardHandler))
			if !h.gateway.Handle(ctx) {
				proxy.WriteError(ctx, proxy.DialectOf(string(ctx.Path())), "", &llm.Error{Status: 404, Message: "no such path"})
			}
		},
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(ln)
	}()
	h.url = "http://" + ln.Addr().String()
	h.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := server.ShutdownWithContext(ctx); err != nil {
			h.Errorf("shutdown: %v", err)
		}
		_ = ln.Close() // the shutdown does not know it if no request has come yet
		<-done
	})
}

type silent struct{}

func (silent) Printf(string, ...any) {}

// reply is what a caller gets.
type reply struct {
	status int
	header http.Header
	body   string
	err    error // of reading the body
}

// post sends a chat request; extra are header lines "Name: value".
func (h *harness) post(body string, extra ...string) reply {
	h.Helper()
	return h.send(http.MethodPost, "/v1/chat/completions", body, extra...)
}

func (h *harness) send(method, path, body string, extra ...string) reply {
	h.Helper()
	r := h.request(h.Context(), method, path, body, extra...)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		h.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(b), err}
}

func (h *harness) request(ctx context.Context, method, path, body string, extra ...string) *http.Request {
	h.Helper()
	r, err := http.NewRequestWithContext(ctx, method, h.url+path, strings.NewReader(body))
	if err != nil {
		h.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+h.key)
	r.Header.Set("Content-Type", "application/json")
	for _, line := range extra {
		name, value, _ := strings.Cut(line, ": ")
		if value == "" {
			r.Header.Del(name)
		} else {
			r.Header.Set(name, value)
		}
	}
	return r
}

// ask is a chat request with one message.
func ask(model, prompt string, more ...string) string {
	extra := ""
	for _, m := range more {
		extra += "," + m
	}
	return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":%q}]%s}`, model, prompt, extra)
}

const streamed = `"stream":true`

// events returns the data of the events in a streamed body.
func events(body string) []string {
	var list []string
	for _, event := range strings.Split(body, "\n\n") {
		if data := provider.Data(nil, []byte(event)); len(data) > 0 {
			list = append(list, string(bytes.Clone(data)))
		}
	}
	return list
}
