package proxy

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
	"github.com/valyala/fasthttp"

	"github.com/generic-corp/halfpenny/llm"
)

// fail answers with err in the caller's dialect.
func (c *call) fail(err *llm.Error) {
	c.facts(false)
	if err.Status >= 500 {
		c.gateway.Log.Warn("request failed", "request", c.id, "status", err.Status, "code", err.Code, "cause", causeText(err))
	}
	WriteError(c.http, c.dialect, c.id, err)
	if c.refusal != nil {
		c.http.SetBody(c.refusal)
	}
}

func causeText(err *llm.Error) string {
	if err.Cause == nil {
		return ""
	}
	return mask(err.Cause.Error())
}

func errMethod(allowed string) *llm.Error {
	return &llm.Error{Status: 405, Type: "invalid_request_error", Message: "This path takes " + allowed + " only."}
}

// WriteError writes err as the whole response, in the shape of a dialect.
func WriteError(ctx *fasthttp.RequestCtx, d llm.Dialect, requestID string, err *llm.Error) {
	ctx.Response.ResetBody()
	ctx.SetStatusCode(err.Status)
	h := &ctx.Response.Header
	h.SetContentType("application/json")
	if wait := err.RetryAfter; wait > 0 || err.Status == 429 || err.Status == 503 {
		h.Set("Retry-After", strconv.FormatInt(max(1, int64(math.Ceil(wait.Seconds()))), 10))
	}
	if err.ShouldRetry != nil {
		h.Set("X-Should-Retry", strconv.FormatBool(*err.ShouldRetry))
	}
	if err.Upstream {
		h.Set("X-Halfpenny-Error-Source", "upstream")
	}
	if err.Status == 401 {
		h.Set("Www-Authenticate", "Bearer")
	}
	ctx.SetBody(errorBody(d, requestID, err))
}

// errorBody renders err: https://platform.openai.com/docs/guides/error-codes,
// https://docs.claude.com/en/api/errors, https://cloud.google.com/apis/design/errors
func errorBody(d llm.Dialect, requestID string, err *llm.Error) []byte {
	var v any
	switch d {
	case llm.DialectAnthropic:
		v = map[string]any{"type": "error", "request_id": requestID, "error": map[string]any{"type": anthropicType(err.Status), "message": err.Message}}
	case llm.DialectGemini:
		v = map[string]any{"error": map[string]any{"code": err.Status, "message": err.Message, "status": geminiStatus(err.Status)}}
	default:
		v = map[string]any{"error": map[string]any{"message": err.Message, "type": openaiType(err), "param": orNull(err.Param), "code": orNull(err.Code)}}
	}
	b, _ := json.Marshal(v)
	return b
}

// responsesFailure is the event that ends a stream of the Responses API early:
// https://platform.openai.com/docs/api-reference/responses-streaming/error.
func responsesFailure(err *llm.Error) []byte {
	b, _ := json.Marshal(map[string]any{"type": "error", "code": orNull(err.Code), "message": err.Message, "param": orNull(err.Param), "sequence_number": 0})
	return b
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func openaiType(err *llm.Error) string {
	switch {
	case err.Type != "":
		return err.Type
	case err.Code == "insufficient_quota":
		return "insufficient_quota"
	case err.Status == 429:
		return "requests"
	case err.Status >= 500:
		return "server_error"
	}
	return "invalid_request_error"
}

func anthropicType(status int) string {
	switch status {
	case 400, 405:
		return "invalid_request_error"
	case 401:
		return "authentication_error"
	case 403:
		return "permission_error"
	case 404:
		return "not_found_error"
	case 413:
		return "request_too_large"
	case 429:
		return "rate_limit_error"
	case 503, 529:
		return "overloaded_error"
	}
	return "api_error"
}

func geminiStatus(status int) string {
	switch status {
	case 400, 405, 413:
		return "INVALID_ARGUMENT"
	case 401:
		return "UNAUTHENTICATED"
	case 403:
		return "PERMISSION_DENIED"
	case 404:
		return "NOT_FOUND"
	case 429:
		return "RESOURCE_EXHAUSTED"
	case 503:
		return "UNAVAILABLE"
	case 504:
		return "DEADLINE_EXCEEDED"
	}
	return "INTERNAL"
}

// upstreamError reads a provider's error reply, whichever of the shapes in use it
// has: an object, a bare string, an array of one, or no JSON at all.
func upstreamError(status int, header http.Header, body []byte) *llm.Error {
	e := &llm.Error{Status: status, Upstream: true, RetryAfter: retryAfter(header, time.Now())}
	root := gjson.Result{}
	if gjson.ValidBytes(body) {
		root = gjson.ParseBytes(body)
	}
	if root.IsArray() {
		root = root.Get("0")
	}
	inner := root.Get("error")
	if !inner.IsObject() {
		if inner.Type == gjson.String {
			e.Message = inner.Str
		}
		inner = root
	}
	e.Type, e.Code, e.Param = inner.Get("type").String(), inner.Get("code").String(), inner.Get("param").String()
	for _, path := range []string{"message", "detail", "msg"} {
		if m := inner.Get(path); e.Message == "" && m.Exists() {
			e.Message = m.String()
		}
	}
	if kind, _, _ := strings.Cut(header.Get("X-Amzn-Errortype"), ":"); e.Code == "" {
		e.Code = kind
	}
	if e.Message == "" {
		e.Message = fmt.Sprintf("The provider answered with status %d.", status)
	}
	e.Message, e.Code, e.Type = mask(e.Message), mask(e.Code), mask(e.Type)
	if v := header.Get("X-Should-Retry"); v == "true" || v == "false" {
		again := v == "true"
		e.ShouldRetry = &again
	}
	return e
}

// statusWithin returns the status of an error that came with status 200: Azure has it
// in error.status, OpenRouter in error.code. Where it says none, the provider failed.
func statusWithin(body []byte) int {
	for _, path := range []string{"error.status", "error.code"} {
		if status := gjson.GetBytes(body, path).Int(); status >= 400 && status < 600 {
			return int(status)
		}
	}
	return http.StatusBadGateway
}

// secrets are what looks like a key or an account's id in a provider's message.
var secrets = regexp.MustCompile(`(?i)\b(?:sk|pk|rk|gsk|xai|pplx|csk|tgp)[-_][A-Za-z0-9_*.\-]{5,}[A-Za-z0-9_*]|\b(?:org|proj|user|acct|account)[-_][A-Za-z0-9]{10,}|\bAIza[A-Za-z0-9_\-]{10,}|\bBearer\s+[^\s"',]+|\bgc_(?:live|test)_[A-Za-z0-9_]+|[A-Za-z0-9]*\*{4,}[A-Za-z0-9]*`)

// mask takes keys and account ids out of a text that leaves for a caller or the log.
func mask(s string) string { return secrets.ReplaceAllString(s, "[masked]") }

// retryAfter reads Retry-After (RFC 9110, 10.2.3), in seconds or as a date; 0: none.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if v == "" {
		return 0
	}
	if seconds, err := strconv.ParseFloat(v, 64); err == nil && seconds >= 0 && seconds < 1e6 {
		return time.Duration(seconds * float64(time.Second))
	}
	if at, err := http.ParseTime(v); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}
