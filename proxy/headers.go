package proxy

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/router"
	"github.com/generic-corp/halfpenny/tenancy"
)

// upHeaders may go to a provider as the caller sent them. All others stay here:
// credentials, cookies, forwarding and our own above all.
var upHeaders = [...]string{"Accept", "User-Agent", "Openai-Beta", "Idempotency-Key", "X-Client-Request-Id", "Http-Referer", "X-Title"}

// upPrefix lets the official SDKs' own description of themselves through.
const upPrefix = "X-Stainless-"

// downHeaders may come from a provider to the caller as they are.
var downHeaders = map[string]bool{"Content-Type": true, "Cache-Control": true, "Retry-After": true, "Retry-After-Ms": true, "X-Should-Retry": true,
	"Openai-Processing-Ms": true, "Openai-Version": true, "Openai-Model": true, "Content-Language": true}

// anthropicHeaders may go to a provider that speaks Anthropic's dialect.
var anthropicHeaders = [...]string{"Anthropic-Version", "Anthropic-Beta"}

// upHeader builds the header of a provider's request.
func upHeader(from *fasthttp.RequestHeader, upstream llm.Dialect) http.Header {
	h := make(http.Header, 8)
	h["Content-Type"] = []string{"application/json"}
	h["Accept-Encoding"] = []string{"identity"}
	for _, name := range upHeaders {
		if v := from.Peek(name); len(v) > 0 {
			h[name] = []string{string(v)}
		}
	}
	if upstream == llm.DialectAnthropic {
		for _, name := range anthropicHeaders {
			if v := from.Peek(name); len(v) > 0 {
				h[name] = []string{string(v)}
			}
		}
	}
	for name, value := range from.All() {
		if len(name) > len(upPrefix) && strings.EqualFold(string(name[:len(upPrefix)]), upPrefix) {
			h[http.CanonicalHeaderKey(string(name))] = []string{string(value)}
		}
	}
	if h["User-Agent"] == nil {
		h["User-Agent"] = []string{"halfpenny"}
	}
	return h
}

// passDown copies what may be passed of a provider's header.
func passDown(to *fasthttp.ResponseHeader, from http.Header) {
	for name, values := range from {
		if downHeaders[name] && len(values) > 0 {
			to.Set(name, values[0])
		}
	}
}

// quotaHeaders writes the request limit under the names of a dialect:
// https://platform.claude.com/docs/en/api/rate-limits#response-headers
func quotaHeaders(h *fasthttp.ResponseHeader, d llm.Dialect, q tenancy.Quota) {
	if q.Limit <= 0 {
		return
	}
	var buf [32]byte
	if d == llm.DialectAnthropic {
		h.SetBytesV("Anthropic-Ratelimit-Requests-Limit", strconv.AppendInt(buf[:0], q.Limit, 10))
		h.SetBytesV("Anthropic-Ratelimit-Requests-Remaining", strconv.AppendInt(buf[:0], q.Remaining, 10))
		h.SetBytesV("Anthropic-Ratelimit-Requests-Reset", time.Now().Add(q.Reset).UTC().AppendFormat(buf[:0], time.RFC3339))
		return
	}
	h.SetBytesV("X-Ratelimit-Limit-Requests", strconv.AppendInt(buf[:0], q.Limit, 10))
	h.SetBytesV("X-Ratelimit-Remaining-Requests", strconv.AppendInt(buf[:0], q.Remaining, 10))
	h.Set("X-Ratelimit-Reset-Requests", q.Reset.Round(time.Millisecond).String())
}

// facts writes the x-halfpenny-* headers that are known when the head goes down.
func (c *call) facts(streaming bool) {
	h, r := &c.http.Response.Header, c.record
	var buf [64]byte
	h.Set("X-Request-Id", c.id)
	quotaHeaders(h, c.dialect, c.quota)
	if r == nil {
		return
	}
	h.Set("X-Halfpenny-Provider", r.Provider)
	h.Set("X-Halfpenny-Model", r.Model)
	h.Set("X-Halfpenny-Route-Reason", r.Reason.String())
	h.SetBytesV("X-Halfpenny-Attempts", strconv.AppendInt(buf[:0], int64(len(r.Attempts)+len(r.Unsent)), 10))
	h.Set("X-Halfpenny-Cache", cmp.Or(c.keeping.said, "bypass"))
	h.SetBytesV("X-Halfpenny-Overhead-Ms", appendMillis(buf[:0], r.Overhead))
	if streaming {
		h.Set("X-Halfpenny-Cost-Status", llm.CostPending.String())
		return
	}
	h.Set("X-Halfpenny-Cost-Status", r.CostStatus().String())
	money := func(name string, n llm.NullMoney) {
		if n.Valid {
			h.SetBytesV(name, n.Money.Append(buf[:0]))
		}
	}
	money("X-Halfpenny-Cost-Usd", r.Cost())
	money("X-Halfpenny-Baseline-Usd", r.Baseline)
	money("X-Halfpenny-Savings-Usd", r.Savings())
}

// appendMillis appends d in milliseconds with three decimals.
func appendMillis(dst []byte, d time.Duration) []byte {
	return strconv.AppendFloat(dst, float64(d)/float64(time.Millisecond), 'f', 3, 64)
}

// controls reads the x-halfpenny-* headers that steer this call.
func (c *call) controls(q *router.Query) (err *llm.Error) {
	h := &c.http.Request.Header
	if err := steer(q, h.Peek); err != nil {
		return err
	}
	c.tags, err = readTags(string(h.Peek("X-Halfpenny-Tags")))
	return err
}

// steer reads the x-halfpenny-* headers that decide where a request may go.
func steer(q *router.Query, header func(name string) []byte) *llm.Error {
	if v := header("X-Halfpenny-Route"); len(v) > 0 {
		mode, ok := llm.ParseMode(string(v))
		if !ok {
			return llm.Invalid("x-halfpenny-route", "The header 'x-halfpenny-route' must be pinned, observe or optimize.")
		}
		q.Mode = mode
	}
	if v := header("X-Halfpenny-Max-Cost-Usd"); len(v) > 0 {
		m, err := llm.ParseMoney(string(v))
		if err != nil || m < 0 {
			return llm.Invalid("x-halfpenny-max-cost-usd", "The header 'x-halfpenny-max-cost-usd' must be an amount in dollars.")
		}
		q.MaxCost = llm.Known(m)
	}
	if v := header("X-Halfpenny-Quality-Floor"); len(v) > 0 {
		f, err := strconv.ParseFloat(string(v), 64)
		if err != nil || !(f >= 0 && f <= 1) {
			return llm.Invalid("x-halfpenny-quality-floor", "The header 'x-halfpenny-quality-floor' must be between 0 and 1.")
		}
		q.Floor = f
	}
	if v := header("X-Halfpenny-Max-Wait-Ms"); len(v) > 0 {
		ms, err := strconv.ParseInt(string(v), 10, 64)
		if err != nil || ms < 0 || ms > mostWait {
			return llm.Invalid("x-halfpenny-max-wait-ms", "The header 'x-halfpenny-max-wait-ms' must be a number of milliseconds from 0 to 600000.")
		}
		q.MaxWait = router.NullDuration{Duration: time.Duration(ms) * time.Millisecond, Valid: true}
	}
	return nil
}

// mostWait is how long a call may ask to wait for a target, in milliseconds.
const mostWait = 600_000

// Bounds of x-halfpenny-tags.
const (
	maxTags    = 10
	maxTagSize = 64
)

// readTags reads "k=v,k=v" into its canonical form, sorted by key.
func readTags(s string) (string, *llm.Error) {
	if s == "" {
		return "", nil
	}
	bad := llm.Invalid("x-halfpenny-tags", "The header 'x-halfpenny-tags' must be up to 10 pairs 'name=value' with distinct names, separated by commas.")
	pairs := strings.Split(s, ",")
	for i, pair := range pairs {
		pairs[i] = strings.TrimSpace(pair)
		name, value, ok := strings.Cut(pairs[i], "=")
		if !ok || name == "" || value == "" || len(name) > maxTagSize || len(value) > maxTagSize || !printable(pair) {
			return "", bad
		}
	}
	slices.Sort(pairs)
	for i := 1; i < len(pairs); i++ {
		before, _, _ := strings.Cut(pairs[i-1], "=")
		if strings.HasPrefix(pairs[i], before+"=") {
			return "", bad
		}
	}
	if len(pairs) > maxTags {
		return "", bad
	}
	return strings.Join(pairs, ","), nil
}
