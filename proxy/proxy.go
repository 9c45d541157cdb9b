// Package proxy is the data plane: the one way that a request goes, from the
// caller's bytes to the provider and back, with its cost on record.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"github.com/generic-corp/halfpenny/cache"
	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/router"
	"github.com/generic-corp/halfpenny/tenancy"
)

// Keys tells who calls. The server's own request is no context to hand on, because
// it is used again while a timer may still look at it; Keys bounds its own waits.
type Keys interface {
	Authenticate(ctx context.Context, credential []byte) (*tenancy.Caller, *llm.Error)
}

// Ledger keeps the record of every attempt that leaves.
type Ledger interface {
	// Started is called before an attempt's connection is used. After an error nothing may be sent.
	Started(r *llm.Record) error
	// Finished is called once for a record that was started, before the reply's last
	// byte goes down. The record belongs to the ledger from then on.
	Finished(r *llm.Record) error
}

// Estimator counts tokens before a call. Its arguments are raw JSON and are only read.
type Estimator interface {
	// Estimate counts the parts of a prompt.
	Estimate(p pricing.Prompt) pricing.Estimate
	// TextFor counts the tokens of plain text as a family of models does.
	TextFor(family *pricing.Profile, text []byte) int64
}

// Options are what a Gateway is made of. All but the cache, the habits and the durations are required.
type Options struct {
	Keys        Keys
	Limiter     tenancy.Limiter
	Ledger      Ledger
	Estimator   Estimator
	Calibration *pricing.Calibration // of its estimates
	Health      *router.Health
	Upstream    http.RoundTripper
	Metrics     *Metrics
	Log         *slog.Logger
	BaseDomain  string // server.base_domain
	// Cache keeps replies for exact repeats, by keys of CacheKeys; nil: nothing is kept.
	Cache     cache.Store
	CacheKeys *cache.Keyer
	// Habits are what tenants' own traffic has taught; nil: nothing. Signs learns from it;
	// nil: nobody does. Prompts are compared by keys of CacheKeys.
	Habits Habits
	Signs  Signs

	HeaderTimeout time.Duration // for the provider's first byte; 0: 5 minutes
	IdleTimeout   time.Duration // between two reads of a stream; 0: 2 minutes
	// OnMismatch is told of a caller that claimed another tenant's context; nil: nobody.
	OnMismatch func(*tenancy.Caller)
}

// Gateway serves the data plane. It is safe for concurrent use.
type Gateway struct {
	Options
	tables        atomic.Pointer[Tables]
	outputs       outputs
	conversations conversations
	flying        atomic.Int64
	queue         *queue
}

// Tables say where requests may go: those of live keys, and those of test keys,
// which reach the simulation alone.
type Tables struct{ Live, Test *router.Table }

// New returns a gateway that routes by t.
func New(o Options, t Tables) *Gateway {
	if o.HeaderTimeout == 0 {
		o.HeaderTimeout = 5 * time.Minute
	}
	if o.IdleTimeout == 0 {
		o.IdleTimeout = 2 * time.Minute
	}
	g := &Gateway{Options: o, queue: newQueue(maxWaiting, maxWaitingTenant)}
	o.Health.OnOpened(g.queue.opened)
	if o.Metrics != nil {
		o.Metrics.queue = g.queue
	}
	g.Swap(t)
	return g
}

// Swap makes t the tables of all requests to come; those under way keep theirs.
func (g *Gateway) Swap(t Tables) { g.tables.Store(&t) }

// Table returns the table in force for a caller.
func (g *Gateway) Table(c *tenancy.Caller) *router.Table {
	if c.Key.Test {
		return g.tables.Load().Test
	}
	return g.tables.Load().Live
}

// InFlight returns how many requests are under way.
func (g *Gateway) InFlight() int64 { return g.flying.Load() }

// Waiting returns how many calls wait for a target whose rate limits are reached.
func (g *Gateway) Waiting() int { return int(g.queue.waiting.Load()) }

// Handle serves a request of the data plane; false: the path is not one of its own.
func (g *Gateway) Handle(ctx *fasthttp.RequestCtx) bool {
	p, ok := pathOf(ctx.Path())
	if ok {
		g.serve(ctx, &p)
	}
	return ok
}

// serve runs the handler of a path with what all of them share.
func (g *Gateway) serve(ctx *fasthttp.RequestCtx, p *path) {
	g.flying.Add(1)
	c := &call{gateway: g, http: ctx, path: *p, start: time.Now(), id: newID()}
	whole := false
	defer func() {
		if !whole {
			c.abandon()
		}
		if !c.streaming {
			c.end()
		}
	}()
	if err := p.handle(c); err != nil {
		c.fail(err)
	}
	whole = true
}

// abandon puts on record what a panic has left open: nobody knows how it went on.
func (c *call) abandon() {
	c.streaming = false
	if c.record != nil && !c.finished {
		c.record.EndUnknown()
		c.finish(llm.OutcomeUnknown, 500)
	}
}

// Survive answers 500 where the handler panics that it is deferred in, so that a bug
// costs one request and not all that are under way.
func Survive(ctx *fasthttp.RequestCtx, log *slog.Logger) {
	if bug := recover(); bug != nil {
		log.Error("BUG: a request panicked", "path", string(ctx.Path()), "panic", fmt.Sprint(bug), "stack", string(debug.Stack()))
		WriteError(ctx, DialectOf(string(ctx.Path())), "", &llm.Error{Status: 500, Code: "internal_error", Message: "The gateway has met an error of its own."})
	}
}

func init() { uuid.EnableRandPool() } // one read of the system's random numbers for many ids

// newID returns a UUIDv7 (RFC 9562): it sorts by time.
func newID() string {
	id, err := uuid.NewV7()
	if err != nil {
		panic("BUG: no random numbers: " + err.Error())
	}
	return id.String()
}

// call is one request on its way.
type call struct {
	gateway *Gateway
	http    *fasthttp.RequestCtx
	path
	start time.Time
	id    string

	caller   *tenancy.Caller
	body     body
	prompt   prompt
	query    router.Query
	decision router.Decision
	quota    tenancy.Quota
	record   *llm.Record
	tags     string

	upstream      time.Duration // spent waiting for providers before the first byte
	failures      []failure
	inexpressible *llm.Error       // why a candidate could not be asked; nil: each could
	unfit         []*router.Target // that could not be asked
	watch         *watcher
	client        client
	streaming     bool
	finished      bool
	passes        bool // the request is the provider's own API's, and so is the answer
	keeping       keeping
	verdict       verdict
	refusal       []byte // the provider's own error, which passes; nil: ours
}

// forwarded is the way of a request to a provider, whatever it asks for and in
// whichever dialect.
func (c *call) forwarded() *llm.Error {
	if !c.http.IsPost() {
		return errMethod("POST")
	}
	if err := c.authenticate(); err != nil {
		return err
	}
	if err := c.read(); err != nil {
		return err
	}
	if err := c.route(); err != nil {
		return err
	}
	if err := c.limit(); err != nil {
		return err
	}
	if answered, err := c.cached(); answered || err != nil {
		return err
	}
	return c.forward()
}

// read reads the request.
func (c *call) read() *llm.Error {
	b := &c.body
	b.named, b.stream = strings.TrimPrefix(c.model, "models/"), c.stream
	if err := checkModel(b.named); err != nil {
		return err
	}
	if usesForms(c.endpoint) {
		return b.readForm(c.http.PostBody(), string(c.http.Request.Header.ContentType()), c.endpoint)
	}
	return b.read(c.http.PostBody(), c.dialect, c.endpoint)
}

// authenticate finds the caller and holds the claimed tenant context against it.
func (c *call) authenticate() *llm.Error {
	credential, err := Credential(c.http)
	if err != nil {
		return err
	}
	c.caller, err = c.gateway.Keys.Authenticate(context.Background(), credential)
	if err != nil {
		return err
	}
	h := &c.http.Request.Header
	err = tenancy.CheckContext(c.caller, string(h.Host()), string(h.Peek("X-Tenant-Slug")), c.gateway.BaseDomain)
	if err != nil && c.gateway.OnMismatch != nil {
		c.gateway.OnMismatch(c.caller)
	}
	return err
}

// Credential returns the one API key that a request carries; it aliases the request.
func Credential(ctx *fasthttp.RequestCtx) ([]byte, *llm.Error) {
	h := &ctx.Request.Header
	return tenancy.Credential(tenancy.Credentials{
		Authorization: h.Peek(fasthttp.HeaderAuthorization),
		XAPIKey:       h.Peek("X-Api-Key"),
		XGoogAPIKey:   h.Peek("X-Goog-Api-Key"),
		APIKey:        h.Peek("Api-Key"),
		Query:         ctx.QueryArgs().Peek("key"),
	})
}

// route estimates the prompt and asks the router.
func (c *call) route() *llm.Error {
	g := c.gateway
	q := &c.query
	if err := c.controls(q); err != nil {
		return err
	}
	c.pin()
	q.Passes = c.passes
	g.describe(&c.body, &c.prompt, q, c.caller, c.start)
	c.recall()
	q.Holdout = c.heldOut()
	if err := g.Table(c.caller).Decide(q, &c.decision); err != nil {
		return c.inCallersWords(err)
	}
	return nil
}

// prompt is the estimate of a call's prompt. It implements router.Prompt.
type prompt struct {
	messages    []byte // raw JSON, as in the request
	found       pricing.Estimate
	calibration *pricing.Calibration
	plain       bool // text alone, without what surrounds messages
}

// Tokens is the estimate for one model, as corrected by what its providers reported before.
func (p *prompt) Tokens(counted string, family *pricing.Profile) int64 {
	if p.plain {
		return p.found.Text
	}
	tokens, _ := p.calibration.Input(counted, family, &p.found)
	return tokens
}

// Text is the task as the difficulty model reads it.
func (p *prompt) Text(dst []byte) []byte {
	message, _ := task(p.messages)
	return appendTask(dst, message)
}

// describe fills q with what the router must know of a request, and p, which q refers to.
func (g *Gateway) describe(b *body, p *prompt, q *router.Query, caller *tenancy.Caller, now time.Time) {
	q.Endpoint, q.Dialect = b.endpoint, b.dialect
	q.Model, q.Models, q.Fields = b.named, b.fallbacks, b.fields
	q.Only, q.Order, q.Sort = b.only, b.order, b.sort
	q.MaxPrompt, q.MaxOutPrice = b.maxPrompt, b.maxOutPrice
	p.found, p.calibration = g.Estimator.Estimate(b.prompt), g.Calibration
	p.plain = b.endpoint != llm.EndpointChat
	p.messages = b.prompt.Messages
	q.Prompt = p
	if b.needs.Conversation {
		_, before := task(p.messages)
		q.Said = float64(before) / float64(max(1, len(p.messages)))
	}
	q.MaxOutput, q.Choices, q.Needs, q.Tier = b.maxOutput, b.choices, b.needs, b.tier
	q.Tenant = caller.Tenant.Slug
	q.Policy, q.Test, q.Now = &caller.Tenant.Policy, caller.Key.Test, now
	g.remind(q, caller, now)
}

// limit takes one request of the tenant's rate.
func (c *call) limit() *llm.Error {
	limit := c.caller.Tenant.Policy.Limits.RequestsPerHour
	if limit == nil {
		return nil
	}
	quota, err := c.gateway.Limiter.Take(context.Background(), c.caller.Tenant.ID, *limit)
	if err != nil {
		return llm.Unavailable("The rate limit could not be checked.", err)
	}
	c.quota = quota
	if !quota.Allowed {
		c.gateway.Metrics.RateLimited()
		return &llm.Error{Status: 429, Code: "rate_limit_exceeded", RetryAfter: quota.Reset,
			Message: "The tenant's limit of requests per hour is reached."}
	}
	return nil
}

// Causes of the end of a call's context.
var (
	errClientGone = errors.New("the client has gone")
	errTimeout    = errors.New("the provider did not answer in time")
	errEnded      = errors.New("the call has ended")
)
