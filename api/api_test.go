package api

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/valyala/fasthttp"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/tenancy"
	"github.com/generic-corp/halfpenny/tenancy/tenancytest"
)

const adminToken = "the admin token"

var pepper = []byte("a pepper for tests")

// records is what a tenant has, for Receipts, Requests and Rollups.
type records struct {
	stored  map[string][]llm.Stored // by slug, newest first
	rollups map[string][]llm.Rollup
	trials  map[string][]llm.Trial
	given   map[string][]llm.Feedback
	asked   [2]time.Time
	err     error
}

func (r *records) Receipt(_ context.Context, slug, id string) (llm.Stored, error) {
	if r.err != nil {
		return llm.Stored{}, r.err
	}
	for _, s := range r.stored[slug] {
		if s.ID == id {
			return s, nil
		}
	}
	return llm.Stored{}, tenancy.ErrNotFound
}

func (r *records) Requests(_ context.Context, slug, before string, limit int) (page []llm.Stored, err error) {
	for _, s := range r.stored[slug] {
		if (before == "" || s.ID < before) && len(page) < limit {
			page = append(page, s)
		}
	}
	return page, r.err
}

func (r *records) Rollups(_ context.Context, slug string, from, to time.Time) ([]llm.Rollup, error) {
	r.asked = [2]time.Time{from, to}
	return r.rollups[slug], r.err
}

func (r *records) Trials(_ context.Context, slug string, from, to time.Time) ([]llm.Trial, error) {
	r.asked = [2]time.Time{from, to}
	return r.trials[slug], r.err
}

func (r *records) SaveFeedback(_ context.Context, slug string, rows []llm.Feedback) error {
	if r.given == nil {
		r.given = map[string][]llm.Feedback{}
	}
	r.given[slug] = append(r.given[slug], rows...)
	return r.err
}

// oracle estimates what it is told to, and keeps what it was asked.
type oracle struct {
	answer    Estimate
	err       *llm.Error
	caller    *tenancy.Caller
	task      string
	maxCost   llm.NullMoney
	preferred string

	explanation Explanation
	path, mode  string
}

func (o *oracle) Estimate(c *tenancy.Caller, task string, maxCost llm.NullMoney, preferred string) (Estimate, *llm.Error) {
	o.caller, o.task, o.maxCost, o.preferred = c, task, maxCost, preferred
	return o.answer, o.err
}

// house is an API with two tenants, acme and other.
type house struct {
	*testing.T
	api     *API
	store   *tenancytest.Store
	records *records
	oracle  *oracle
	limiter *tenancy.LocalLimiter
	acme    string // owner key
	other   string
	doc     *openapi3.T
}

func newHouse(t *testing.T) *house {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	h := &house{T: t, store: &tenancytest.Store{}, records: &records{}, oracle: &oracle{}, limiter: tenancy.NewLimiter(), doc: loadDocument(t)}
	admin := tenancy.NewAdmin(h.store, pepper, tenancy.Settings{
		PublicURL: "http://127.0.0.1:8080", Routing: func() (llm.Mode, float64) { return llm.ModeOptimize, 0.95 },
	}, log)
	directory := tenancy.NewDirectory(h.store, pepper, log)
	h.api = New(Options{
		Admin: admin, Callers: directory, Receipts: h.records, Requests: h.records, Rollups: h.records, Trials: h.records, Feedback: h.records, Estimator: h.oracle, Router: h.oracle, Quotas: h.limiter,
		Models: func() []*pricing.Model { return nil }, Real: func() bool { return true }, Ready: func() (bool, []string) { return true, nil },
		Mismatch: directory.AuditMismatch, AdminToken: adminToken, BaseDomain: "app.example.com", Version: "test", Log: log,
	})
	for slug, key := range map[string]*string{"acme": &h.acme, "other": &h.other} {
		p, err := admin.Provision(t.Context(), "test", tenancy.ProvisionRequest{Slug: slug, AdminEmail: "admin@" + slug + ".com"}, "")
		if err != nil {
			t.Fatal(err)
		}
		*key = p.APIKey
	}
	return h
}

func loadDocument(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(openapiJSON())
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// answer is a response as the tests look at it.
type answer struct {
	*testing.T
	status int
	header http.Header
	body   string
}

// call sends a request from a peer; headers are written "Name: value".
func (h *house) callFrom(peer, method, target, body string, headers ...string) answer {
	h.Helper()
	var req fasthttp.Request
	req.Header.SetMethod(method)
	req.SetRequestURI(target)
	req.Header.SetHost("127.0.0.1:8080")
	req.SetBodyString(body)
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		if strings.EqualFold(name, "Host") {
			req.Header.SetHost(value)
			continue
		}
		req.Header.Add(name, value)
	}
	var ctx fasthttp.RequestCtx
	ctx.Init(&req, &net.TCPAddr{IP: net.ParseIP(peer), Port: 5000}, nil)
	if !h.api.Handle(&ctx) {
		h.Fatalf("%s %s is not the API's", method, target)
	}
	a := answer{T: h.T, status: ctx.Response.StatusCode(), header: http.Header{}, body: string(ctx.Response.Body())}
	for name, value := range ctx.Response.Header.All() {
		a.header.Add(string(name), string(value))
	}
	h.conforms(method, string(ctx.Path()), a)
	return a
}

func (h *house) call(method, target, body string, headers ...string) answer {
	h.Helper()
	return h.callFrom("203.0.113.7", method, target, body, headers...)
}

// asAdmin calls with the admin token.
func (h *house) asAdmin(method, target, body string, headers ...string) answer {
	h.Helper()
	return h.call(method, target, body, append(headers, "Authorization: Bearer "+adminToken)...)
}

// asAcme calls with acme's owner key.
func (h *house) asAcme(method, target, body string, headers ...string) answer {
	h.Helper()
	return h.call(method, target, body, append(headers, "Authorization: Bearer "+h.acme)...)
}

// conforms holds every answer of every test to the OpenAPI document.
func (h *house) conforms(method, path string, a answer) {
	h.Helper()
	route, params, err := find(method, path)
	if err != nil {
		return
	}
	item := h.doc.Paths.Find(route.pattern)
	r, _ := http.NewRequest(route.method, "http://127.0.0.1"+path, nil)
	err = openapi3filter.ValidateResponse(h.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: r, PathParams: params,
			Route: &routers.Route{Spec: h.doc, Path: route.pattern, PathItem: item, Method: route.method, Operation: item.GetOperation(route.method)},
		},
		Status: a.status, Header: a.header, Body: io.NopCloser(strings.NewReader(a.body)),
		Options: &openapi3filter.Options{
			IncludeResponseStatus: true, MultiError: true, ExcludeResponseBody: !strings.HasPrefix(a.header.Get("Content-Type"), "application/json"),
		},
	})
	if err != nil {
		h.Errorf("%s %s answered %d %s, against the OpenAPI document: %v", method, path, a.status, a.body, err)
	}
}

// is checks the status and, where a body is given, the JSON.
func (a answer) is(status int, body string) answer {
	a.Helper()
	if a.status != status || body != "" && !sameJSON(a.body, body) {
		a.Errorf("got  %d %s\nwant %d %s", a.status, a.body, status, body)
	}
	return a
}

// fails checks an error in the management shape.
func (a answer) fails(status int, code, field string) {
	a.Helper()
	var got struct {
		Error struct {
			Code, Message string
			Details       *struct{ Field string }
		}
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		a.Fatalf("%s: %v", a.body, err)
	}
	if a.status != status || got.Error.Code != code || got.Error.Message == "" || got.Error.Details == nil || got.Error.Details.Field != field {
		a.Errorf("got %d %s, want %d %s %s", a.status, a.body, status, code, field)
	}
}

func (a answer) into(v any) {
	a.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		a.Fatalf("%s: %v", a.body, err)
	}
}

// sameJSON compares numbers as they are written.
func sameJSON(a, b string) bool { return normal(a) == normal(b) }

func normal(s string) string {
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return s
	}
	b, _ := json.Marshal(v)
	return string(b)
}

func TestRouting(t *testing.T) {
	h := newHouse(t)
	for _, path := range []string{"/", "/v1/chat/completions", "/v1/models", "/v1/requests", "/apix", "/healthz", "/v1/usage/x"} {
		var ctx fasthttp.RequestCtx
		ctx.Request.SetRequestURI(path)
		if h.api.Handle(&ctx) {
			t.Errorf("%s is the API's", path)
		}
	}
	h.call("GET", "/api/nothing", "").fails(404, "not_found", "")
	h.call("GET", "/api", "").fails(404, "not_found", "")
	a := h.call("PATCH", "/api/tenants/acme/keys", "")
	a.fails(405, "method_not_allowed", "")
	if got := a.header.Get("Allow"); got != "GET, POST" {
		t.Errorf("Allow: %s", got)
	}
	h.call("HEAD", "/health", "").is(200, "")
}

func TestMatch(t *testing.T) {
	f := func(pattern, path string, ok bool, params ...string) {
		t.Helper()
		got, matched := match(pattern, path)
		if matched != ok || len(got)*2 != len(params) {
			t.Errorf("%s, %s: %v %v", pattern, path, matched, got)
		}
		for i := 0; i+1 < len(params); i += 2 {
			if got[params[i]] != params[i+1] {
				t.Errorf("%s, %s: %v", pattern, path, got)
			}
		}
	}
	f("/api/tenants", "/api/tenants", true)
	f("/api/tenants", "/api/tenants/", true)
	f("/api/tenants", "/api/tenant", false)
	f("/api/tenants", "/api/tenants/x", false)
	f("/a/{slug}/k/{id}", "/a/x/k/y", true, "slug", "x", "id", "y")
	f("/a/{slug}", "/a/", false)
	f("/a/{slug}", "/a", false)
	f("/a/{slug}/k", "/a/x", false)
}

func TestCredentials(t *testing.T) {
	h := newHouse(t)
	path := "/api/orchestration/requests"
	h.call("GET", path, "").fails(401, "invalid_api_key", "")
	h.call("GET", path, "", "Authorization: Bearer nonsense").fails(401, "invalid_api_key", "")
	h.call("GET", path, "", "Authorization: Bearer "+adminToken).fails(401, "invalid_api_key", "")
	h.call("GET", path, "", "X-Api-Key: "+h.acme).is(200, "")
	h.call("GET", path, "", "X-Goog-Api-Key: "+h.acme).is(200, "")
	h.call("GET", path, "", "Api-Key: "+h.acme).is(200, "")
	h.call("GET", path+"?key="+h.acme, "").is(200, "")
	h.call("GET", path+"?key="+h.acme, "", "X-Api-Key: "+h.other).fails(401, "invalid_api_key", "")
	// Under /v1 errors are OpenAI's.
	a := h.call("GET", "/v1/usage", "").is(401, `{"error":{"message":"No API key was sent. Send it as 'Authorization: Bearer gc_live_…'.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`)
	if a.header.Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("headers %v", a.header)
	}
}

func TestTenantContext(t *testing.T) {
	h := newHouse(t)
	path := "/api/orchestration/requests"
	h.asAcme("GET", path, "", "X-Tenant-Slug: acme").is(200, "")
	h.asAcme("GET", path, "", "Host: acme.app.example.com").is(200, "")
	h.asAcme("GET", path, "", "X-Tenant-Slug: other").fails(403, "tenant_mismatch", "")
	h.asAcme("GET", path, "", "Host: other.app.example.com:8443").fails(403, "tenant_mismatch", "")
	for end := time.Now().Add(5 * time.Second); !strings.Contains(strings.Join(h.store.Audited(), " "), "tenant.mismatch"); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("audited %v", h.store.Audited())
		}
	}
}

func TestAdminToken(t *testing.T) {
	h := newHouse(t)
	h.asAdmin("GET", "/api/tenants", "").is(200, "")
	h.call("GET", "/api/tenants", "").fails(401, "invalid_admin_token", "")
	h.call("GET", "/api/tenants", "", "Authorization: Bearer the admin toke").fails(401, "invalid_admin_token", "")
	h.call("GET", "/api/tenants", "", "Authorization: Basic "+adminToken).fails(401, "invalid_admin_token", "")
	h.call("GET", "/api/tenants", "", "X-Api-Key: "+adminToken).fails(401, "invalid_admin_token", "")
	h.asAcme("GET", "/api/tenants", "").fails(401, "invalid_admin_token", "")
	h.api.AdminToken = ""
	h.asAdmin("GET", "/api/tenants", "").fails(403, "admin_disabled", "")
	h.call("GET", "/api/tenants", "", "Authorization: Bearer ").fails(403, "admin_disabled", "")
}

func TestBodyLimit(t *testing.T) {
	h := newHouse(t)
	h.asAcme("POST", "/api/orchestration/estimate", strings.Repeat(" ", maxBody+1)).fails(413, "request_too_large", "")
}

// What the gateway cannot do is a 503 that says when to come back, and tells
// nobody the cause.
func TestStoreDown(t *testing.T) {
	h := newHouse(t)
	h.store.SetDown(true)
	a := h.asAdmin("GET", "/api/tenants", "")
	a.fails(503, "gateway_unavailable", "")
	if a.header.Get("Retry-After") != "1" || strings.Contains(a.body, "down") {
		t.Errorf("%v %s", a.header, a.body)
	}
}

func TestClientOf(t *testing.T) {
	h := newHouse(t)
	h.api.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	f := func(peer, forwardedFor, want string) {
		t.Helper()
		var req fasthttp.Request
		req.Header.Set("X-Forwarded-For", forwardedFor)
		var ctx fasthttp.RequestCtx
		ctx.Init(&req, &net.TCPAddr{IP: net.ParseIP(peer)}, nil)
		if got := h.api.clientOf(&ctx).String(); got != want {
			t.Errorf("%s, %q: got %s, want %s", peer, forwardedFor, got, want)
		}
	}
	f("203.0.113.7", "", "203.0.113.7")
	f("203.0.113.7", "1.2.3.4", "203.0.113.7")
	f("10.0.0.1", "1.2.3.4", "1.2.3.4")
	f("10.0.0.1", "9.9.9.9, 1.2.3.4", "1.2.3.4")
	f("10.0.0.1", "9.9.9.9, 1.2.3.4, 10.0.0.2", "1.2.3.4")
	f("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3")
	f("10.0.0.1", "nonsense", "10.0.0.1")
	f("10.0.0.1", "", "10.0.0.1")
	f("fd00::1", "2001:db8::1", "2001:db8::1")
}
