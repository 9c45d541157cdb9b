package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/generic-corp/halfpenny/config"
	"github.com/generic-corp/halfpenny/internal/fakellm"
	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/proxy"
	"github.com/generic-corp/halfpenny/router"
	"github.com/generic-corp/halfpenny/tenancy"
)

// routeView is a decision as the command line shows it.
type routeView struct {
	Mode         string            `json:"mode"`
	InputTokens  int64             `json:"estimatedInputTokens"`
	Provider     string            `json:"provider"`
	Model        string            `json:"model"`
	Reason       string            `json:"reason"`
	Candidates   []consideredView  `json:"candidates"`
	Rejected     map[string]int    `json:"rejected"`
	Baseline     string            `json:"baselineModel"`
	Substitution *substitutionView `json:"substitution"`
	Simulated    bool              `json:"simulated"`
}

type consideredView struct {
	Provider   string        `json:"provider"`
	Model      string        `json:"model"`
	Cost       llm.NullMoney `json:"estimatedCost"`
	Capability float64       `json:"capability"`
	Evidence   string        `json:"evidence,omitempty"` // what the capability rests on
	Reason     string        `json:"reason"`
}

type substitutionView struct {
	Provider string    `json:"provider"`
	Model    string    `json:"model"`
	Cost     llm.Money `json:"estimatedCost"`
	Savings  llm.Money `json:"potentialSavings"`
}

// route decides one prompt by the same code as the data plane; nothing is sent.
func route(ctx context.Context, c *cli, args []string) error {
	var file, model, prompt string
	f := c.flags(&file)
	f.StringVar(&model, "model", "auto", "the model's `NAME`, or auto, auto:cheap, auto:quality")
	f.StringVar(&prompt, "prompt", "", "the user's message")
	if err := parse(f, args); err != nil {
		return err
	}
	if prompt == "" {
		return errors.New("route: --prompt is missing")
	}
	cfg, err := config.Load(config.Flags{File: file})
	if err != nil {
		return err
	}
	lists, err := storedPriceLists(ctx, cfg)
	if err != nil {
		return err
	}
	catalogue, err := withPriceLists(lists)
	if err != nil {
		return err
	}
	g, err := dryGateway(cfg, catalogue)
	if err != nil {
		return err
	}
	defer g.simulation.Close()
	policy, _ := tenancy.PlanPolicy("enterprise")
	caller := &tenancy.Caller{Tenant: &tenancy.Tenant{Policy: policy}, Key: &tenancy.Key{}}
	d, refused := g.proxy.Preview(caller, proxy.ChatOf(model, prompt), nil)
	if refused != nil {
		return refused
	}
	return c.print(decisionView(&d, catalogue))
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

func decisionView(d *router.Decision, catalogue *pricing.Catalogue) routeView {
	first := &d.Candidates[0]
	v := routeView{Mode: d.Mode.String(), InputTokens: first.Input, Provider: first.Target.Account.Name, Model: first.Target.ID, Reason: first.Reason.String(),
		Baseline: d.BaselineName, Rejected: map[string]int{}, Simulated: first.Target.Account.Simulated}
	for _, k := range d.Considered {
		view := consideredView{Provider: k.Provider, Model: k.Model, Cost: k.Cost, Capability: k.Capability, Reason: k.Reason.String()}
		if m := catalogue.Lookup(k.Model); m != nil {
			view.Evidence = m.Evidence
		}
		v.Candidates = append(v.Candidates, view)
	}
	for _, r := range d.Rejected {
		v.Rejected[r.Reason.String()] += r.Count
	}
	if s := d.Substitution; s != nil {
		v.Substitution = &substitutionView{s.Provider, s.Model, s.Cost, s.Savings}
	}
	return v
}
