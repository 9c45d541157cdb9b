package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"

	"github.com/generic-corp/halfpenny/api"
	"github.com/generic-corp/halfpenny/config"
	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/proxy"
)

// Bounds of the server.
const (
	requestTimeout = time.Minute     // to read a request, so that a slow sender holds nothing for long
	idleTimeout    = 2 * time.Minute // of a connection between requests
	answerTimeout  = 2 * time.Minute // to write an answer; a stream pushes it on with every write
	headerBytes    = 16 << 10        // of a request
)

// listeners are the server's ports.
type listeners struct {
	main, metrics *fasthttp.Server // metrics is nil where /metrics has no port of its own
	port, scrape  net.Listener
}

// server puts data plane and management on their ports.
func (g *gateway) server(cfg *config.Config, port net.Listener) (*listeners, error) {
	scrape := fasthttpadaptor.NewFastHTTPHandler(promhttp.HandlerFor(g.registry, promhttp.HandlerOpts{}))
	l := &listeners{port: port}
	if cfg.Server.TLS.CertFile != "" {
		certificate, err := tls.LoadX509KeyPair(cfg.Server.TLS.CertFile, cfg.Server.TLS.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("cannot use server.tls: %w", err)
		}
		l.port = tls.NewListener(port, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13})
	}
	onMain := scrape
	if cfg.Server.MetricsListen != "" {
		var err error
		if l.scrape, err = net.Listen("tcp", cfg.Server.MetricsListen); err != nil {
			return nil, fmt.Errorf("cannot listen on server.metrics_listen: %w", err)
		}
		l.metrics = g.newServer(cfg, func(ctx *fasthttp.RequestCtx) {
			if string(ctx.Path()) == "/metrics" {
				scrape(ctx)
				return
			}
			notFound(ctx)
		})
		onMain = nil
	}
	management := g.management(cfg, onMain)
	l.main = g.newServer(cfg, func(ctx *fasthttp.RequestCtx) {
		if !g.proxy.Handle(ctx) && !management.Handle(ctx) {
			notFound(ctx)
		}
	})
	return l, nil
}

func notFound(ctx *fasthttp.RequestCtx) {
	proxy.WriteError(ctx, proxy.DialectOf(string(ctx.Path())), "", &llm.Error{Status: 404, Type: "invalid_request_error", Message: "There is nothing at this path."})
}

func (g *gateway) newServer(cfg *config.Config, handler fasthttp.RequestHandler) *fasthttp.Server {
	return &fasthttp.Server{
		Handler: func(ctx *fasthttp.RequestCtx) {
			defer mayWrite(ctx)
			defer proxy.Survive(ctx, g.log)
			handler(ctx)
		},
		ErrorHandler: refuse, Logger: quiet{},
		MaxRequestBodySize: int(cfg.Server.MaxBodyBytes), ReadBufferSize: headerBytes,
		ReadTimeout: requestTimeout, IdleTimeout: idleTimeout,
		NoDefaultServerHeader: true, NoDefaultContentType: true, CloseOnShutdown: true, DisablePreParseMultipartForm: true,
	}
}

// mayWrite gives the answer its time; the connection still has the deadline of the one before.
func mayWrite(ctx *fasthttp.RequestCtx) {
	_ = ctx.Conn().SetWriteDeadline(time.Now().Add(answerTimeout))
}

// refuse answers a request that could not be read.
func refuse(ctx *fasthttp.RequestCtx, cause error) {
	mayWrite(ctx)
	err := llm.Invalid("", "The request cannot be read.")
	small := new(fasthttp.ErrSmallBuffer)
	var slow net.Error
	switch {
	case errors.As(cause, &slow) && slow.Timeout(): // clients know 408 as the end of an idle connection: RFC 9110, 15.5.9
		err = &llm.Error{Status: 408, Type: "invalid_request_error", Message: "The request did not come in time."}
	case errors.Is(cause, fasthttp.ErrBodyTooLarge):
		err = &llm.Error{Status: 413, Type: "invalid_request_error", Code: "request_too_large", Message: "The request's body is over the limit of this gateway (server.max_body_bytes)."}
	case errors.As(cause, &small):
		err = &llm.Error{Status: 431, Type: "invalid_request_error", Message: "The request's header is over 16 KiB."}
	}
	proxy.WriteError(ctx, proxy.DialectOf(string(ctx.Path())), "", err)
}

// quiet drops what the HTTP server says of connections that broke: it may quote what a client sent.
type quiet struct{}

// Printf does nothing.
func (quiet) Printf(string, ...any) {}

// serve answers until ctx ends, and then lets what is under way end within drain.
func (l *listeners) serve(ctx context.Context, drain time.Duration) error {
	failed := make(chan error, 2)
	go func() { failed <- l.main.Serve(l.port) }()
	if l.metrics != nil {
		go func() { failed <- l.metrics.Serve(l.scrape) }()
	}
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	if e := l.main.ShutdownWithContext(bounded); e != nil {
		err = errors.Join(err, fmt.Errorf("streams were still open after server.drain: %w", e))
	}
	if l.metrics != nil {
		err = errors.Join(err, l.metrics.ShutdownWithContext(bounded))
	}
	return err
}

// management builds the management API.
func (g *gateway) management(cfg *config.Config, metrics fasthttp.RequestHandler) *api.API {
	var trusted []netip.Prefix
	for _, s := range cfg.Server.TrustedProxies {
		if !strings.Contains(s, "/") {
			if a, err := netip.ParseAddr(s); err == nil {
				trusted = append(trusted, netip.PrefixFrom(a, a.BitLen()))
			}
		} else if p, err := netip.ParsePrefix(s); err == nil {
			trusted = append(trusted, p)
		}
	}
	return api.New(api.Options{
		Admin: g.admin, Callers: g.directory, Receipts: g, Requests: g.db, Rollups: g.db, Trials: g.db, Feedback: g.db, Estimator: g, Router: g, Quotas: g.limiter.(api.Quotas),
		Models: func() []*pricing.Model { return g.catalogue.Load().Models() }, Real: func() bool { return !g.config.Load().Simulated() },
		Ready: g.ready, Detail: g.detail, Metrics: metrics, Mismatch: g.directory.AuditMismatch,
		AdminToken: string(cfg.Admin.Token), BaseDomain: cfg.Server.BaseDomain, TrustedProxies: trusted, Version: versionText(), Log: g.log,
	})
}
