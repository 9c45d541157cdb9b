package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/tenancy"
	"github.com/generic-corp/halfpenny/tenancy/fields"
)

// reply is an answer with another status than 200, or that is no JSON.
type reply struct {
	status int
	body   any
}

// raw is a body that is written as it stands.
type raw struct {
	contentType string
	content     []byte
}

// handled says that the handler has written its answer itself.
type handled struct{}

// list is the shape of every list.
type list[T any] struct {
	Data       []T     `json:"data"`
	NextCursor *string `json:"nextCursor"`
}

// write writes a handler's answer.
func write(ctx *fasthttp.RequestCtx, answer any) {
	status := fasthttp.StatusOK
	if r, ok := answer.(reply); ok {
		status, answer = r.status, r.body
	}
	switch body := answer.(type) {
	case handled:
		return
	case nil:
		ctx.SetStatusCode(status)
	case raw:
		ctx.SetStatusCode(status)
		ctx.SetContentType(body.contentType)
		ctx.SetBody(body.content)
	default:
		writeJSON(ctx, status, body)
	}
}

func writeJSON(ctx *fasthttp.RequestCtx, status int, body any) {
	ctx.SetStatusCode(status)
	ctx.SetContentType("application/json")
	ctx.Response.Header.Set("Cache-Control", "no-store")
	ctx.SetBody(encode(body))
}

// encode leaves <, > and & as they are: the answers are JSON, never HTML.
func encode(body any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(body); err != nil {
		panic("BUG: an answer cannot be encoded: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// methodError is a path that exists, asked with a method that it does not have.
type methodError struct{ allowed []string }

func (e *methodError) Error() string {
	return "This path takes " + strings.Join(e.allowed, ", ") + " only."
}

// fail answers with err: in OpenAI's shape under /v1, else as
// {"error":{code,message,details}}.
func (a *API) fail(r *request, path string, err error) {
	e, details := a.explain(err)
	h := &r.http.Response.Header
	if e.RetryAfter > 0 || e.Status == 429 || e.Status == 503 {
		h.Set("Retry-After", seconds(e.RetryAfter))
	}
	var method *methodError
	if errors.As(err, &method) {
		h.Set("Allow", strings.Join(method.allowed, ", "))
	}
	if e.Status == 401 {
		h.Set("WWW-Authenticate", "Bearer")
	}
	if e.Status >= 500 {
		a.Log.Error("management request failed", "path", path, "status", e.Status, "error", err)
	}
	if strings.HasPrefix(path, "/v1/") {
		writeJSON(r.http, e.Status, openAIError(e))
		return
	}
	writeJSON(r.http, e.Status, map[string]any{"error": map[string]any{"code": e.Code, "message": e.Message, "details": details}})
}

// explain turns err into what the caller may know of it. Details are never nil.
func (a *API) explain(err error) (*llm.Error, map[string]any) {
	var (
		outward *llm.Error
		field   *fields.Error
		slug    *tenancy.SlugError
		method  *methodError
	)
	switch {
	case errors.As(err, &outward):
		return coded(outward), detailsOf(outward.Param)
	case errors.As(err, &field):
		return &llm.Error{Status: 400, Code: "invalid_request", Param: field.Field, Message: field.Error() + "."}, detailsOf(field.Field)
	case errors.As(err, &slug):
		return &llm.Error{Status: 400, Code: "invalid_slug", Param: "slug", Message: sentence(slug.Error())}, detailsOf("slug")
	case errors.As(err, &method):
		return &llm.Error{Status: 405, Code: "method_not_allowed", Message: method.Error()}, detailsOf("")
	case errors.Is(err, tenancy.ErrNotFound):
		return &llm.Error{Status: 404, Code: "not_found", Message: "There is no such tenant, key or request."}, detailsOf("")
	case errors.Is(err, tenancy.ErrExists):
		return &llm.Error{Status: 409, Code: "tenant_exists", Message: "This slug is taken, or was."}, detailsOf("slug")
	case errors.Is(err, tenancy.ErrState):
		return &llm.Error{Status: 409, Code: "conflict", Message: sentence(err.Error())}, detailsOf("")
	}
	return llm.Unavailable("The gateway cannot answer this at the moment.", err), detailsOf("")
}

// coded fills in a code where there is only a type: outside of OpenAI's shape the
// code is all that a program sees.
func coded(e *llm.Error) *llm.Error {
	if e.Code != "" {
		return e
	}
	own := *e
	own.Code = "invalid_request"
	if own.Status >= 500 {
		own.Code = "internal_error"
	}
	return &own
}

func detailsOf(field string) map[string]any {
	if field == "" {
		return map[string]any{}
	}
	return map[string]any{"field": field}
}

// openAIError renders e as https://platform.openai.com/docs/guides/error-codes does.
func openAIError(e *llm.Error) any {
	kind := e.Type
	switch {
	case kind != "":
	case e.Status == 429:
		kind = "requests"
	case e.Status >= 500:
		kind = "server_error"
	default:
		kind = "invalid_request_error"
	}
	return map[string]any{"error": map[string]any{"message": e.Message, "type": kind, "param": orNull(e.Param), "code": orNull(e.Code)}}
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// timeOrNull writes RFC 3339 in UTC, and null for the zero time.
func timeOrNull(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := t.UTC().Format(time.RFC3339Nano)
	return &s
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }

func seconds(d time.Duration) string {
	return strconv.FormatInt(max(1, int64(math.Ceil(d.Seconds()))), 10)
}
