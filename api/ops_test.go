package api

import (
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

func TestHealthAndReady(t *testing.T) {
	h := newHouse(t)
	h.call("GET", "/health", "").is(200, `{"status":"ok"}`)
	h.call("GET", "/ready", "").is(200, `{"status":"ok","reasons":[]}`)
	h.api.Ready = func() (bool, []string) { return true, []string{"redis does not answer"} }
	h.call("GET", "/ready", "").is(200, `{"status":"degraded","reasons":["redis does not answer"]}`)
	h.api.Ready = func() (bool, []string) { return false, []string{"the journal is full"} }
	h.call("GET", "/ready", "").is(503, `{"status":"unavailable","reasons":["the journal is full"]}`)
	h.call("GET", "/health", "").is(200, `{"status":"ok"}`)
}

// The operator's views are for the token, or for this machine itself; a proxy on
// this machine must not open them to the world.
func TestOperatorViews(t *testing.T) {
	h := newHouse(t)
	h.api.Metrics = func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString("halfpenny_up 1\n") }
	h.api.Detail = func() map[string]any { return map[string]any{"queue": 3} }
	f := func(peer string, sees bool, headers ...string) {
		t.Helper()
		metrics := h.callFrom(peer, "GET", "/metrics", "", headers...)
		if (metrics.status == 200) != sees || strings.Contains(metrics.body, "halfpenny_up") != sees {
			t.Errorf("%s %v: metrics %d %s", peer, headers, metrics.status, metrics.body)
		}
		health := h.callFrom(peer, "GET", "/api/health", "", headers...).is(200, "")
		if strings.Contains(health.body, "queue") != sees || strings.Contains(health.body, "version") != sees {
			t.Errorf("%s %v: health %s", peer, headers, health.body)
		}
	}
	f("127.0.0.1", true)
	f("::1", true)
	f("203.0.113.7", false)
	f("10.0.0.1", false)
	for _, header := range []string{"Forwarded: for=1.2.3.4", "X-Forwarded-For: 1.2.3.4", "x-forwarded-proto: https", "X-Forwarded-Anything: x", "X-Real-IP: 1.2.3.4", "Via: 1.1 nginx"} {
		f("127.0.0.1", false, header)
		f("127.0.0.1", true, header, "Authorization: Bearer "+adminToken)
	}
	f("203.0.113.7", true, "Authorization: Bearer "+adminToken)
	f("203.0.113.7", false, "Authorization: Bearer nonsense")
	f("203.0.113.7", false, "Authorization: Bearer "+h.acme)
	h.api.AdminToken = ""
	h.call("GET", "/metrics", "").fails(403, "admin_disabled", "")
	f("127.0.0.1", true)
	h.api.Metrics = nil
	h.callFrom("127.0.0.1", "GET", "/metrics", "").fails(404, "not_found", "")
}
