package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/generic-corp/halfpenny/tenancy"
)

// demoSlug is the tenant of serve --demo.
const demoSlug = "demo-tenant"

// demo makes the demo tenant if it is not there yet, keeps its key in a file and
// shows how to call the gateway.
func (g *gateway) demo(ctx context.Context, terminal io.Writer) error {
	key, err := g.demoKey(ctx)
	if err != nil {
		return fmt.Errorf("cannot prepare the demo tenant: %w", err)
	}
	url := g.config.Load().Server.PublicURL
	_, err = fmt.Fprintf(terminal, `
Halfpenny is running. Paste this into another terminal:

  curl -N %[1]s/v1/chat/completions \
    -H 'Authorization: Bearer %[2]s' \
    -H 'Content-Type: application/json' \
    -d '{"model":"gpt-5-mini","stream":true,"messages":[{"role":"user","content":"Say hello in five words."}]}'

What it cost and why it went where it went, by the x-request-id of its answer (curl -i):

  curl %[1]s/v1/requests/ID -H 'Authorization: Bearer %[2]s'

API reference: %[1]s/api/docs   Metrics: %[1]s/metrics   State: %[1]s/ready

`, url, key)
	return err
}

func (g *gateway) demoKey(ctx context.Context) (string, error) {
	path := filepath.Join(g.config.Load().Store.Path, "demo.key")
	kept, err := os.ReadFile(path)
	if err == nil {
		key := strings.TrimSpace(string(kept))
		if _, refused := g.directory.Authenticate(ctx, []byte(key)); refused == nil {
			return key, nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	key, err := g.newDemoKey(ctx)
	if err != nil {
		return "", err
	}
	return key, os.WriteFile(path, []byte(key+"\n"), 0o600)
}

func (g *gateway) newDemoKey(ctx context.Context) (string, error) {
	made, err := g.admin.Provision(ctx, actor, tenancy.ProvisionRequest{Slug: demoSlug, AdminEmail: "demo@example.com", PlanTier: "growth"}, "")
	if !errors.Is(err, tenancy.ErrExists) {
		return made.APIKey, err
	}
	if _, err := g.admin.Resume(ctx, actor, demoSlug); err != nil {
		return "", err
	}
	_, key, err := g.admin.CreateKey(ctx, actor, demoSlug, tenancy.KeyRequest{Name: "demo", Role: tenancy.RoleOwner})
	return key, err
}
