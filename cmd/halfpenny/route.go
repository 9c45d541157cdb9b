package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/generic-corp/halfpenny/config"
	"github.com/generic-corp/halfpenny/internal/fakellm"
	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/proxy"
	"github.com/generic-corp/halfpenny/router"
	"github.com/generic-corp/halfpenny/tenancy"
)

// route decides one request by the same code as the data plane; nothing is sent.
func route(ctx context.Context, c *cli, args []string) error {
	var file, model, prompt, body, path, format string
	f := c.flags(&file)
	f.StringVar(&model, "model", "auto", "the model's `NAME`, or auto, auto:cheap, auto:quality")
	f.StringVar(&prompt, "prompt", "", "the user's message")
	f.StringVar(&body, "request", "", "a whole request instead, from a `FILE` or, for -, from standard input")
	f.StringVar(&path, "path", "/v1/chat/completions", "where the request would be sent to")
	f.StringVar(&format, "format", "json", "json, or table to be read by people")
	if err := parse(f, args); err != nil {
		return err
	}
	request, err := requestOf(model, prompt, body, path)
	if err != nil {
		return err
	}
	if format != "table" && format != "json" {
		return errors.New("route: --format must be table or json")
	}
	catalogue, g, err := openDry(ctx, file)
	if err != nil {
		return err
	}
	defer g.simulation.Close()
	policy, _ := tenancy.PlanPolicy("enterprise")
	caller := &tenancy.Caller{Tenant: &tenancy.Tenant{Policy: policy}, Key: &tenancy.Key{}}
	d, refused := g.proxy.Preview(caller, request, nil)
	if refused != nil {
		return refused
	}
	e := explain(&d, catalogue)
	if format == "json" {
		return c.print(e)
	}
	return writeExplanation(c.out, &e)
}

// requestOf is the request that the flags describe.
func requestOf(model, prompt, body, path string) (proxy.Request, error) {
	switch {
	case prompt == "" && body == "":
		return proxy.Request{}, errors.New("route: --prompt is missing")
	case prompt != "" && body != "":
		return proxy.Request{}, errors.New("route: --prompt and --request exclude each other")
	case body == "":
		return proxy.ChatOf(model, prompt), nil
	}
	read := func() ([]byte, error) { return os.ReadFile(body) }
	if body == "-" {
		read = func() ([]byte, error) { return io.ReadAll(os.Stdin) }
	}
	raw, err := read()
	if err != nil {
		return proxy.Request{}, fmt.Errorf("route: %w", err)
	}
	return proxy.Request{Path: path, Body: raw}, nil
}

// openDry is a gateway that can only decide, over the catalogue in force.
func openDry(ctx context.Context, file string) (*pricing.Catalogue, *gateway, error) {
	cfg, err := config.Load(config.Flags{File: file})
	if err != nil {
		return nil, nil, err
	}
	lists, err := storedPriceLists(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	catalogue, err := withPriceLists(lists)
	if err != nil {
		return nil, nil, err
	}
	g, err := dryGateway(cfg, catalogue)
	return catalogue, g, err
}

// dryGateway is a gateway that can decide but has no store, no journal and no port.
func dryGateway(cfg *config.Config, catalogue *pricing.Catalogue) (*gateway, error) {
	g := &gateway{log: slog.New(slog.DiscardHandler), health: router.NewHealth(), registry: prometheus.NewRegistry()}
	g.config.Store(cfg)
	g.catalogue.Store(catalogue)
	var err error
	if g.simulation, err = fakellm.Listen(fakellm.Options{}); err != nil {
		return nil, err
	}
	tables, err := g.tables(cfg)
	if err != nil {
		g.simulation.Close()
		return nil, err
	}
	g.proxy = proxy.New(proxy.Options{Estimator: pricing.NewEstimator(), Calibration: new(pricing.Calibration), Health: g.health, Log: g.log}, tables)
	return g, nil
}
