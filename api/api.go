// Package api is the management side of the gateway: tenants, estimates, receipts,
// analytics and operations, as JSON over HTTP. It declares the small interfaces
// that it needs and knows nothing of the stores behind them.
package api

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/tenancy"
)

const (
	maxBody        = 1 << 20 // bytes of a management request
	requestTimeout = 10 * time.Second
)

// Callers tells who a credential belongs to; see tenancy.Directory.
type Callers interface {
	Authenticate(ctx context.Context, credential []byte) (*tenancy.Caller, *llm.Error)
}

// Receipts finds the record of one request of a tenant, flushed or not.
// tenancy.ErrNotFound if the tenant has none of that id.
type Receipts interface {
	Receipt(ctx context.Context, slug, id string) (llm.Stored, error)
}

// Requests lists a tenant's requests, newest first: at most limit of those whose
// id sorts before the given one (empty: from the newest).
type Requests interface {
	Requests(ctx context.Context, slug, before string, limit int) ([]llm.Stored, error)
}

// Rollups reads a tenant's rollups that start in [from, to).
type Rollups interface {
	Rollups(ctx context.Context, slug string, from, to time.Time) ([]llm.Rollup, error)
}

// Trials sums a tenant's trials of the quarter hours that start in [from, to).
type Trials interface {
	Trials(ctx context.Context, slug string, from, to time.Time) ([]llm.Trial, error)
}

// Feedback keeps what callers say of answers. What the same key said of the same
// request before is replaced.
type Feedback interface {
	SaveFeedback(ctx context.Context, slug string, rows []llm.Feedback) error
}

// Estimator prices a task by the decision that the data plane would make. The
// caller is nil where there is none: then nobody's policy applies.
type Estimator interface {
	Estimate(c *tenancy.Caller, task string, maxCost llm.NullMoney, preferred string) (Estimate, *llm.Error)
}

// Router tells what the data plane would do with a request: path is one of the data
// plane's (empty: chat completions), header reads the request's headers.
type Router interface {
	Explain(c *tenancy.Caller, path string, header func(name string) []byte, body []byte) (Explanation, *llm.Error)
}

// Quotas tells the state of a tenant's limit of requests per hour without
// counting anything.
type Quotas interface {
	Peek(ctx context.Context, tenantID string, limit int64) (tenancy.Quota, error)
}

// Options are what an API is made of. All are required unless it says otherwise.
type Options struct {
	Admin     *tenancy.Admin
	Callers   Callers
	Receipts  Receipts
	Requests  Requests
	Rollups   Rollups
	Trials    Trials
	Feedback  Feedback
	Estimator Estimator
	Router    Router
	Quotas    Quotas
	Models    func() []*pricing.Model // the catalogue in force
	Real      func() bool             // whether a real provider is configured
	// Ready says whether the gateway can serve, and if so what is wrong nevertheless.
	Ready func() (ok bool, degraded []string)
	// Detail is what /api/health tells the operator; nil: nothing more than /ready.
	Detail func() map[string]any
	// Metrics answers /metrics; nil: they are served elsewhere.
	Metrics fasthttp.RequestHandler
	// Mismatch is told of a caller that claimed another tenant's context; nil: nobody.
	Mismatch func(*tenancy.Caller)

	AdminToken     string         // admin.token; empty: the admin routes are disabled
	BaseDomain     string         // server.base_domain
	TrustedProxies []netip.Prefix // server.trusted_proxies: whose X-Forwarded-For is believed
	Version        string         // of the program
	Log            *slog.Logger
}

// API serves the management routes. It is safe for concurrent use.
type API struct {
	Options
	demo demoLimit
	now  func() time.Time
}

// New returns an API over o.
func New(o Options) *API {
	return &API{Options: o, now: func() time.Time { return time.Now().UTC() }}
}

// access is who may use a route.
type access uint8

const (
	open     access = iota // anybody
	byTenant               // a tenant's key
	byAdmin                // the operator's token
)

// route is one operation. In a pattern, {name} stands for one segment of a path.
type route struct {
	method, pattern string
	access          access
	handle          func(*API, *request) (any, error)
}

// routes is the whole of the management API; the OpenAPI document has the same.
var routes = []route{
	{"POST", "/api/tenants/provision", byAdmin, (*API).provision},
	{"GET", "/api/tenants", byAdmin, (*API).listTenants},
	{"GET", "/api/tenants/{slug}", byAdmin, (*API).showTenant},
	{"POST", "/api/tenants/{slug}/suspend", byAdmin, (*API).suspendTenant},
	{"POST", "/api/tenants/{slug}/resume", byAdmin, (*API).resumeTenant},
	{"GET", "/api/tenants/{slug}/keys", byAdmin, (*API).listKeys},
	{"POST", "/api/tenants/{slug}/keys", byAdmin, (*API).createKey},
	{"POST", "/api/tenants/{slug}/keys/{id}/rotate", byAdmin, (*API).rotateKey},
	{"DELETE", "/api/tenants/{slug}/keys/{id}", byAdmin, (*API).revokeKey},
	{"GET", "/api/tenants/{slug}/policy", byAdmin, (*API).showPolicy},
	{"PUT", "/api/tenants/{slug}/policy", byAdmin, (*API).putPolicy},

	{"POST", "/api/orchestration/estimate", byTenant, (*API).estimate},
	{"POST", "/api/orchestration/route", byTenant, (*API).route},
	{"GET", "/api/orchestration/requests", byTenant, (*API).listRequests},
	{"GET", "/api/orchestration/requests/{id}", byTenant, (*API).receipt},
	{"POST", "/api/orchestration/feedback", byTenant, (*API).feedback},
	{"GET", "/api/orchestration/models", byTenant, (*API).listModels},
	{"GET", "/api/analytics/cost-summary", byTenant, (*API).costSummary},
	{"GET", "/api/analytics/savings", byTenant, (*API).savings},
	{"GET", "/v1/requests/{id}", byTenant, (*API).receipt},
	{"GET", "/v1/usage", byTenant, (*API).usage},

	{"POST", "/api/demo/estimate", open, (*API).demoEstimate},
	{"GET", "/api/openapi.json", open, (*API).openapi},
	{"GET", "/api/docs", open, (*API).docs},
	{"GET", "/health", open, (*API).health},
	{"GET", "/ready", open, (*API).ready},
	{"GET", "/api/health", open, (*API).healthDetail},
	{"GET", "/metrics", open, (*API).metrics},
}

// request is one call on its way through a handler.
type request struct {
	http   *fasthttp.RequestCtx
	ctx    context.Context
	params map[string]string // of the route's pattern
	caller *tenancy.Caller   // on byTenant routes
}

// query returns a query parameter, or "".
func (r *request) query(name string) string { return string(r.http.QueryArgs().Peek(name)) }

// Handle answers the request if its path is the management API's; false: it is
// not, and nothing was written.
func (a *API) Handle(ctx *fasthttp.RequestCtx) bool {
	path := string(ctx.Path())
	if !mine(path) {
		return false
	}
	bounded, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	r := &request{http: ctx, ctx: bounded}
	answer, err := a.dispatch(r, path)
	if err != nil {
		a.fail(r, path, err)
		return true
	}
	write(ctx, answer)
	return true
}

func mine(path string) bool {
	switch path {
	case "/v1/usage", "/health", "/ready", "/metrics", "/api":
		return true
	}
	return strings.HasPrefix(path, "/api/") || strings.HasPrefix(path, "/v1/requests/")
}

func (a *API) dispatch(r *request, path string) (any, error) {
	route, params, err := find(string(r.http.Method()), path)
	if err != nil {
		return nil, err
	}
	r.params = params
	if err := a.admit(r, route.access); err != nil {
		return nil, err
	}
	if len(r.http.PostBody()) > maxBody {
		return nil, &llm.Error{Status: 413, Code: "request_too_large", Message: "The body is larger than 1 MiB."}
	}
	return route.handle(a, r)
}

// find returns the route of a request. HEAD is served as GET.
func find(method, path string) (*route, map[string]string, error) {
	if method == "HEAD" {
		method = "GET"
	}
	var allowed []string
	for i := range routes {
		params, ok := match(routes[i].pattern, path)
		if !ok {
			continue
		}
		if routes[i].method == method {
			return &routes[i], params, nil
		}
		allowed = append(allowed, routes[i].method)
	}
	if allowed != nil {
		return nil, nil, &methodError{allowed}
	}
	return nil, nil, &llm.Error{Status: 404, Code: "not_found", Message: "There is no " + clip(path) + "."}
}

// match compares a path with a pattern, segment by segment.
func match(pattern, path string) (params map[string]string, ok bool) {
	for pattern != "" || path != "" {
		var want, got string
		want, pattern, _ = strings.Cut(strings.TrimPrefix(pattern, "/"), "/")
		got, path, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
		switch {
		case strings.HasPrefix(want, "{") && got != "":
			if params == nil {
				params = map[string]string{}
			}
			params[strings.Trim(want, "{}")] = got
		case want != got:
			return nil, false
		}
	}
	return params, true
}

func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}
