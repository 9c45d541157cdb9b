package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/netip"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/tenancy"
)

// admit lets a request through, or says why not. On tenant routes it sets the caller.
func (a *API) admit(r *request, who access) error {
	switch who {
	case byAdmin:
		if err := a.checkAdmin(r.http); err != nil {
			return err
		}
	case byTenant:
		caller, err := a.authenticate(r)
		if err != nil {
			return err
		}
		r.caller = caller
	}
	return nil
}

func (a *API) authenticate(r *request) (*tenancy.Caller, *llm.Error) {
	h := &r.http.Request.Header
	credential, err := tenancy.Credential(tenancy.Credentials{
		Authorization: h.Peek("Authorization"), XAPIKey: h.Peek("X-Api-Key"), XGoogAPIKey: h.Peek("X-Goog-Api-Key"),
		APIKey: h.Peek("Api-Key"), Query: r.http.QueryArgs().Peek("key"),
	})
	if err != nil {
		return nil, err
	}
	caller, err := a.Callers.Authenticate(r.ctx, credential)
	if err != nil {
		return nil, err
	}
	if err := tenancy.CheckContext(caller, string(h.Host()), string(h.Peek("X-Tenant-Slug")), a.BaseDomain); err != nil {
		if a.Mismatch != nil {
			a.Mismatch(caller)
		}
		return nil, err
	}
	return caller, nil
}

// checkAdmin compares digests, so that neither the token's content nor its length
// shows in the time it takes.
func (a *API) checkAdmin(ctx *fasthttp.RequestCtx) *llm.Error {
	if a.AdminToken == "" {
		return &llm.Error{Status: 403, Code: "admin_disabled", Message: "No admin token is configured (admin.token), so this is disabled."}
	}
	token, _ := tenancy.Bearer(ctx.Request.Header.Peek("Authorization"))
	got, want := sha256.Sum256(token), sha256.Sum256([]byte(a.AdminToken))
	if len(token) == 0 || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		return &llm.Error{Status: 401, Code: "invalid_admin_token", Message: "Send the admin token as 'Authorization: Bearer …'."}
	}
	return nil
}

// checkOperator lets the admin token in, and a peer on this machine whose request
// did not come through a proxy.
func (a *API) checkOperator(ctx *fasthttp.RequestCtx) *llm.Error {
	if peer, ok := peerOf(ctx); ok && peer.IsLoopback() && !forwarded(&ctx.Request.Header) {
		return nil
	}
	return a.checkAdmin(ctx)
}

func forwarded(h *fasthttp.RequestHeader) bool {
	for name := range h.All() {
		switch n := strings.ToLower(string(name)); {
		case n == "forwarded", n == "x-real-ip", n == "via", strings.HasPrefix(n, "x-forwarded-"):
			return true
		}
	}
	return false
}

func peerOf(ctx *fasthttp.RequestCtx) (netip.Addr, bool) {
	addr, ok := netip.AddrFromSlice(ctx.RemoteIP())
	return addr.Unmap(), ok
}

// clientOf returns the address that a request came from. X-Forwarded-For is
// believed as far as trusted proxies wrote it: from its end back to the first
// address that is none of them.
func (a *API) clientOf(ctx *fasthttp.RequestCtx) netip.Addr {
	client, _ := peerOf(ctx)
	hops := strings.Split(string(ctx.Request.Header.Peek("X-Forwarded-For")), ",")
	for i := len(hops) - 1; i >= 0 && a.trusted(client); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		client = hop.Unmap()
	}
	return client
}

func (a *API) trusted(addr netip.Addr) bool {
	for _, p := range a.TrustedProxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
