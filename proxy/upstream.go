package proxy

import (
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/generic-corp/halfpenny/internal/http1"
)

// upstream sends plain-text requests by the lean HTTP/1.1 transport, and all
// others by net/http's: HTTP/2, TLS and proxies are right there.
type upstream struct {
	plain *http1.Transport
	tls   *http.Transport
}

// NewUpstream returns the transport to providers. Its errors wrap an
// *http1.DialError where certainly nothing was sent.
func NewUpstream() http.RoundTripper {
	return &upstream{
		plain: &http1.Transport{MaxIdle: 4096},
		tls: &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, DisableCompression: true,
			MaxIdleConnsPerHost: 1024, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
			ReadBufferSize: 32 << 10, WriteBufferSize: 16 << 10,
			HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
		},
	}
}

// RoundTrip sends r by the transport of its scheme.
func (u *upstream) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "http" {
		return u.plain.RoundTrip(r)
	}
	var connected atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
	resp, err := u.tls.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	if err != nil && !connected.Load() && r.Context().Err() == nil {
		return nil, &http1.DialError{Err: err}
	}
	return resp, err
}

// CloseIdleConnections closes the connections that are not in use.
func (u *upstream) CloseIdleConnections() {
	u.plain.CloseIdleConnections()
	u.tls.CloseIdleConnections()
}
