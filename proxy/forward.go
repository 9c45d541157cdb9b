package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/generic-corp/halfpenny/internal/http1"
	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/provider"
	"github.com/generic-corp/halfpenny/router"
)

// failure is one attempt that failed, as the caller is told of it.
type failure struct {
	target   *router.Target
	provider string
	status   int // 0: no answer
	what     string
	err      *llm.Error  // the provider's own error; nil: it gave none
	header   http.Header // of the provider's error
	body     []byte
	key      bool // it is of the API key, so another one of the account may do better
}

// forward tries the candidates in their order until one answers. Where rate limits
// close all of them, it waits before that, as long as the call may.
func (c *call) forward() *llm.Error {
	c.open()
	for round := 0; ; round++ {
		if err := c.await(); err != nil {
			return c.unserved(err)
		}
		answered, err := c.tryAll(round)
		if answered {
			return err
		}
		if c.client.gone() {
			return c.unserved(errGone())
		}
		if !c.again(round) {
			break
		}
	}
	if len(c.failures) == 0 && c.inexpressible != nil {
		c.record = nil
		return c.inexpressible
	}
	return c.unserved(c.exhausted())
}

// unserved ends a call that no candidate has answered. Where none was asked there is
// nothing to put on record.
func (c *call) unserved(err *llm.Error) *llm.Error {
	outcome := llm.OutcomeError
	if err.Status == statusClientGone {
		outcome = llm.OutcomeCanceled
	}
	if len(c.failures) == 0 && len(c.record.Attempts) == 0 {
		c.record = nil
	} else {
		c.finish(outcome, err.Status)
	}
	return err
}

// tryAll tries each candidate that is left. One that a rate limit has failed before is
// tried again only after its pause.
func (c *call) tryAll(round int) (answered bool, _ *llm.Error) {
	for i := range c.decision.Candidates {
		candidate := &c.decision.Candidates[i]
		if round > 0 && (candidate.Cooling || c.spent(candidate.Target)) {
			continue
		}
		if i > 0 {
			candidate.Renew(time.Now()) // whatever it says: all are tried before the call fails
		}
		for range candidate.Keys() {
			before := len(c.failures)
			answered, err := c.try(candidate)
			if answered || c.client.gone() {
				return answered, err
			}
			if len(c.failures) == before || !c.failures[before].key || !candidate.Renew(time.Now()) {
				break
			}
		}
	}
	return false, nil
}

// statusClientGone is nginx's status for a client that closed its request.
const statusClientGone = 499

func errGone() *llm.Error {
	return &llm.Error{Status: statusClientGone, Message: "The client closed the request."}
}

// open begins the record and watches the client.
func (c *call) open() {
	t := c.caller.Tenant
	c.record = &llm.Record{
		ID: c.id, TenantID: t.ID, Slug: t.Slug, KeyID: c.caller.Key.ID, Test: c.caller.Key.Test,
		At: c.start, Endpoint: c.endpoint, Dialect: c.dialect, Stream: c.body.stream,
		Requested: c.body.named, Task: c.body.task(c.decision.Candidates[0].Input), Tags: c.tags,
		Attempts: make([]llm.Attempt, 0, 1),
	}
	c.note()
	c.watch = watch(c.http.Conn(), c.client.leave)
}

// note puts the decision on record.
func (c *call) note() {
	r, d := c.record, &c.decision
	r.Mode, r.Considered, r.Rejected, r.Substitution = d.Mode, d.Considered, d.Rejected, d.Substitution
	r.BaselineKind, r.BaselineName = d.BaselineKind, d.BaselineName
}

// task is a label of what is asked, in none of its own words.
func (b *body) task(tokens int64) string {
	label := b.endpoint.String() + ", ~" + strconv.FormatInt(tokens, 10) + " tokens"
	if b.toolCount > 0 {
		label += ", " + strconv.Itoa(b.toolCount) + " tools"
	}
	if b.needs.JSONObject || b.needs.JSONSchema {
		label += ", structured"
	}
	if b.needs.Input != 0 {
		label += ", multimodal"
	}
	if b.turns > 2 {
		label += ", " + strconv.Itoa(b.turns) + " messages"
	}
	return label
}

// client is the caller's connection: when it goes, the attempt under way ends. The
// zero value is ready.
type client struct {
	mu   sync.Mutex
	left bool
	stop context.CancelCauseFunc // of the attempt under way
}

// leave is called when the client has gone.
func (c *client) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = true
	if c.stop != nil {
		c.stop(errClientGone)
	}
}

// waitsFor names the attempt that is under way from now on.
func (c *client) waitsFor(stop context.CancelCauseFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stop = stop
	if c.left {
		stop(errClientGone)
	}
}

func (c *client) gone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.left
}

// attempt is one candidate's turn.
type attempt struct {
	*call
	candidate       *router.Candidate
	entry           *llm.Attempt
	meter           provider.Meter
	translator      provider.Translator
	upstreamDialect llm.Dialect
	timer           *time.Timer // ends the attempt when the provider is silent for too long
	cancel          context.CancelCauseFunc
	flight          router.Flight
	limits          router.Limits // that the provider's reply tells
	reply           io.ReadCloser // the provider's reply; nil: none came
}

// try sends the request to one candidate. answered is true when the caller has
// got its answer, or the error that it is to get; otherwise the next may try.
func (c *call) try(candidate *router.Candidate) (answered bool, _ *llm.Error) {
	a, ctx := c.attempt(candidate)
	defer func() {
		if !c.streaming {
			a.release()
		}
	}()
	r, err := a.prepare(ctx)
	switch {
	case err != nil && err.Status == http.StatusBadRequest: // another candidate may be able to express it
		c.inexpressible = c.inCallersWords(err)
		c.unfit = append(c.unfit, candidate.Target)
		a.unmade()
		return false, nil
	case err != nil && errors.Is(err.Cause, provider.ErrNoToken): // another provider may be well
		a.unmade()
		a.report(router.FailureFault, 0)
		a.failed(failure{what: "no access token"})
		return false, nil
	case err != nil:
		return a.refuse(err)
	}
	if err := c.gateway.Ledger.Started(c.record); err != nil {
		return a.refuse(llm.Unavailable("The call could not be put on record, so it was not made.", err))
	}
	a.timer = time.AfterFunc(c.gateway.HeaderTimeout, func() { a.cancel(errTimeout) })
	resp, rerr := c.gateway.Upstream.RoundTrip(r) //nolint:bodyclose // release closes it
	if rerr != nil {
		return a.unanswered(rerr)
	}
	a.entry.Status, a.reply = resp.StatusCode, resp.Body
	a.limits = router.ParseLimits(resp.Header, time.Now())
	c.gateway.Health.Learn(candidate.Target.Account.Name, candidate.Secret, candidate.Target.Sent, &a.limits)
	if resp.StatusCode >= 300 {
		return a.rejected(resp)
	}
	return a.answer(resp)
}

// release frees what the attempt holds.
func (a *attempt) release() {
	a.flight.End()
	if a.timer != nil {
		a.timer.Stop()
	}
	if a.reply != nil {
		_ = a.reply.Close()
	}
	a.cancel(errEnded)
}

// attempt enters a new attempt in the record.
func (c *call) attempt(candidate *router.Candidate) (*attempt, context.Context) {
	t := candidate.Target
	c.record.Attempts = append(c.record.Attempts, llm.Attempt{
		N: len(c.record.Attempts) + len(c.record.Unsent) + 1, Provider: t.Account.Name, Model: t.ID, Sent: t.Sent, At: time.Now(),
		Simulated: t.Account.Simulated, EstimatedInput: candidate.Input, EstimatedOutput: c.gateway.outputs.median(t.ID, c.body.maxOutput),
		Priced: candidate.Cost.Valid, Rates: candidate.Rates,
	})
	a := &attempt{call: c, candidate: candidate, flight: candidate.Begin(), entry: &c.record.Attempts[len(c.record.Attempts)-1]}
	c.record.Provider, c.record.Model, c.record.Simulated = t.Account.Name, t.ID, t.Account.Simulated
	c.record.Reason = candidate.Reason
	if len(c.failures) > 0 {
		c.record.Reason = llm.ReasonFallback
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	a.cancel = cancel
	c.client.waitsFor(cancel)
	return a, ctx
}

// prepare builds the provider's request: body, address and credentials.
func (a *attempt) prepare(ctx context.Context) (*http.Request, *llm.Error) {
	t, b := a.candidate.Target, &a.body
	upstream := b.dialect
	if !a.passes {
		upstream = t.Account.Adapter.Dialect(a.endpoint, t.Sent, b.dialect)
	}
	asker, _ := t.Account.Adapter.(provider.UsageAsker)
	annotate := a.annotates()
	drop := b.steers
	if router, ok := t.Account.Adapter.(provider.Router); ok && router.Routes() {
		drop = nil
	}
	ask := !a.passes && b.stream && b.chats() && !b.wantsUsage && (asker != nil && asker.AskForUsage() || annotate && upstream != b.dialect)
	a.upstreamDialect = upstream
	a.translator = provider.NewTranslator(a.endpoint, b.dialect, upstream, provider.Call{
		Send: t.Sent, Named: b.named, Model: b.model, StreamOptions: b.streamOptions, AskUsage: ask, DropUsage: ask && !annotate, Drop: drop,
		MaxOutput: maxOutput(t), Stream: b.stream, Form: b.form != "", Thoughts: thoughts(t),
	})
	a.meter = provider.NewMeter(a.endpoint, upstream, func(text []byte) int64 { return a.gateway.Estimator.TextFor(t.Family, text) })
	if a.translator == nil || a.meter == nil {
		return nil, llm.Unavailable("The provider's dialect is not spoken.", fmt.Errorf("BUG: no translator to %s", upstream))
	}
	sent, err := a.translator.Request(nil, b.raw)
	if err != nil {
		return nil, inexpressible(err)
	}
	to := provider.Destination{Endpoint: a.endpoint, Dialect: upstream, Model: t.Sent, Secret: a.candidate.Secret, Stream: b.stream}
	switch {
	case a.passes:
		to.Path = a.passedPath()
	case b.dialect == upstream:
		to.Method = a.method
	}
	r := (&http.Request{
		Method: http.MethodPost, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: upHeader(&a.http.Request.Header, upstream), Body: &http1.Body{Bytes: sent}, ContentLength: int64(len(sent)),
	}).WithContext(ctx)
	if b.form != "" {
		r.Header["Content-Type"] = []string{b.form}
	}
	if editor, ok := t.Account.Adapter.(provider.BodyEditor); ok {
		if sent, err = editor.EditBody(to, r.Header, sent); err != nil {
			return nil, inexpressible(err)
		}
		r.Body, r.ContentLength = &http1.Body{Bytes: sent}, int64(len(sent))
	}
	if err := t.Account.Adapter.Prepare(r, to); err != nil {
		return nil, llm.Unavailable("The provider's request could not be prepared.", err)
	}
	return r, nil
}

// chats reports whether a stream of this endpoint tells its usage only on request.
func (b *body) chats() bool {
	return b.endpoint == llm.EndpointChat || b.endpoint == llm.EndpointCompletions
}

// inexpressible is the answer to a request that no translation carries: the text of
// a translator's error begins with the field that is at fault.
func inexpressible(err error) *llm.Error {
	if named := new(llm.Error); errors.As(err, &named) {
		return llm.Invalid(named.Param, "The request cannot be expressed for the provider: "+named.Message+".")
	}
	field, _, found := strings.Cut(err.Error(), ":")
	if !found || !printable(field) || strings.ContainsRune(field, ' ') {
		field = ""
	}
	e := llm.Invalid(field, "The request cannot be expressed for the provider: "+err.Error()+".")
	e.Cause = err
	return e
}

// thoughts is where a target wants its earlier reasoning back.
func thoughts(t *router.Target) string {
	if thinker, ok := t.Account.Adapter.(provider.Thinker); ok {
		return thinker.ThoughtsField()
	}
	return ""
}

func maxOutput(t *router.Target) int64 {
	if t.Model == nil {
		return 0
	}
	return t.Model.MaxOutput
}

// annotates reports whether the caller wants cost and route in the stream's usage chunk.
func (c *call) annotates() bool {
	return c.body.stream && c.dialect == llm.DialectOpenAI && string(c.http.Request.Header.Peek("X-Halfpenny-Usage")) == "1"
}

// refuse ends a call in which the gateway could not do its own part: this attempt was not made.
func (a *attempt) refuse(err *llm.Error) (bool, *llm.Error) {
	c := a.call
	a.unmade()
	if len(c.record.Attempts) > 0 {
		c.finish(llm.OutcomeError, err.Status)
	} else {
		c.record = nil
	}
	return true, err
}

// unmade takes an attempt out of the record that was not made.
func (a *attempt) unmade() { a.record.Attempts = a.record.Attempts[:len(a.record.Attempts)-1] }

// unanswered ends an attempt whose provider sent no reply.
func (a *attempt) unanswered(err error) (bool, *llm.Error) {
	outcome, what := classify(err)
	a.settle(outcome)
	if outcome == llm.OutcomeCanceled {
		return false, nil
	}
	a.report(router.FailureFault, 0)
	a.failed(failure{what: what})
	if outcome == llm.OutcomeUnsent {
		a.unsent()
	}
	return false, nil
}

// unsent moves the attempt to those of which certainly no byte was sent.
func (a *attempt) unsent() {
	r := a.record
	r.Unsent = append(r.Unsent, *a.entry)
	r.Attempts = r.Attempts[:len(r.Attempts)-1]
}

// classify tells how a round trip failed.
func classify(err error) (llm.Outcome, string) {
	dial := new(http1.DialError)
	switch {
	case errors.Is(err, errClientGone):
		return llm.OutcomeCanceled, "the client has gone"
	case errors.As(err, &dial):
		return llm.OutcomeUnsent, "no connection"
	case errors.Is(err, errTimeout):
		return llm.OutcomeTimeout, "no answer in time"
	}
	return llm.OutcomeCut, "the connection failed"
}

// maxErrorBody bounds what is read of a provider's error reply, in bytes.
const maxErrorBody = 64 << 10

// rejected ends an attempt that the provider answered with an error.
func (a *attempt) rejected(resp *http.Response) (bool, *llm.Error) {
	body := readUpTo(resp.Body, maxErrorBody)
	_ = a.meter.Reply(body) // an error reply seldom reports usage, and need not be JSON
	return a.refused(resp.StatusCode, resp.Header, body)
}

// refused ends an attempt by the provider's error, whose status may stand in its body.
func (a *attempt) refused(status int, header http.Header, body []byte) (bool, *llm.Error) {
	err := upstreamError(status, header, body)
	if a.upstreamDialect != a.dialect {
		err.Type = "" // the caller's dialect has words of its own
	}
	if status < 400 { // a redirect is never followed: it is no answer
		err = &llm.Error{Status: http.StatusBadGateway, Code: "upstream_unavailable", Upstream: true, Message: fmt.Sprintf("The provider answered with a redirect (status %d).", status)}
	}
	a.settle(llm.OutcomeError)
	if err.RetryAfter == 0 {
		err.RetryAfter = a.limits.Pause
	}
	class, next := failureClass(status)
	if class == router.FailureQuota && err.Code == "insufficient_quota" {
		class = router.FailureAuth // the account has no money left: no pause helps
	}
	switch {
	case status == http.StatusNotFound && a.namesModel(err):
		a.reportModel(router.FailureMissing, 0)
	case class == router.FailureOverload, class == router.FailureQuota && (a.limits.Told || a.namesModel(err)):
		a.reportModel(class, cmp.Or(a.limits.Pause, err.RetryAfter))
	default:
		a.report(class, cmp.Or(a.limits.Pause, err.RetryAfter))
	}
	a.failed(failure{status: status, err: err, header: header, body: body, key: class == router.FailureQuota || class == router.FailureAuth})
	if next {
		return false, nil
	}
	a.tell(&a.failures[len(a.failures)-1])
	a.finish(llm.OutcomeError, err.Status)
	return true, err
}

// namesModel reports whether a provider's error is of the model that was sent, rather
// than of the API key or of another thing.
func (a *attempt) namesModel(err *llm.Error) bool {
	return strings.Contains(err.Code, "model") || strings.Contains(err.Code, "Deployment") || strings.Contains(err.Message, a.candidate.Target.Sent)
}

// failed notes that the attempt failed.
func (a *attempt) failed(f failure) {
	f.target, f.provider = a.candidate.Target, a.candidate.Target.Account.Name
	a.failures = append(a.failures, f)
}

// tell prepares an answer with a provider's own error.
func (c *call) tell(f *failure) {
	passDownError(c, f.header)
	if c.passes && len(f.body) > 0 {
		c.refusal = []byte(mask(string(f.body)))
	}
}

func passDownError(c *call, h http.Header) {
	for _, name := range []string{"Retry-After-Ms", "Openai-Processing-Ms", "X-Amzn-Errortype"} {
		if v := h.Get(name); v != "" {
			c.http.Response.Header.Set(name, v)
		}
	}
}

// failureClass sorts a provider's status into the classes, and says whether
// another candidate may do better: the caller's own mistakes are its answer.
func failureClass(status int) (class router.FailureClass, next bool) {
	switch {
	case status == 401 || status == 402 || status == 403:
		return router.FailureAuth, true
	case status == 404:
		return router.FailureCaller, true
	case status == 429:
		return router.FailureQuota, true
	case status == 503 || status == 529:
		return router.FailureOverload, true
	case status == 408 || status >= 500 || status < 400:
		return router.FailureFault, true
	}
	return router.FailureCaller, false
}

func (a *attempt) report(class router.FailureClass, retryAfter time.Duration) {
	a.gateway.Health.Report(a.candidate.Target.Account.Name, a.candidate.Secret, class, retryAfter)
}

func (a *attempt) reportModel(class router.FailureClass, retryAfter time.Duration) {
	t := a.candidate.Target
	a.gateway.Health.ReportModel(t.Account.Name, a.candidate.Secret, t.Sent, class, retryAfter)
}

// exhausted is the answer when no candidate answered: of a single target its own error.
func (c *call) exhausted() *llm.Error {
	if f := c.only(); f != nil && f.err != nil {
		c.tell(f)
		return f.err
	}
	status, wait := 503, time.Second
	said := make([]string, len(c.failures))
	for i, f := range c.failures {
		said[i] = f.provider + ": " + f.text()
		switch {
		case f.err != nil && (f.status == 429 || f.status == 503 || f.status == 529):
			wait = max(wait, f.err.RetryAfter)
		default:
			status = 502
		}
	}
	return &llm.Error{Status: status, Code: "upstream_unavailable", Upstream: true, RetryAfter: wait,
		Message: "No provider answered: " + strings.Join(said, "; ") + "."}
}

// only is the last failure of the one target that was tried; nil: there were several.
func (c *call) only() *failure {
	for i := range c.failures {
		if !same(c.failures[i].target, c.failures[0].target) {
			return nil
		}
	}
	if len(c.failures) == 0 {
		return nil
	}
	return &c.failures[len(c.failures)-1]
}

func (f *failure) text() string {
	if f.status != 0 {
		return "status " + strconv.Itoa(f.status)
	}
	return f.what
}
