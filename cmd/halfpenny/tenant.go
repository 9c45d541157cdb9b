package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/tenancy"
)

// actor is who the audit log names for what the command line does.
const actor = "cli"

// print writes v as indented JSON to the command's result.
func (c *cli) print(v any) error {
	e := json.NewEncoder(c.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func tenantCreate(ctx context.Context, c *cli, args []string) error {
	var file, spend string
	var r tenancy.ProvisionRequest
	f := c.flags(&file)
	f.StringVar(&r.Slug, "slug", "", "the tenant's `NAME` in URLs: 3 to 40 of a-z, 0-9 and single dashes")
	f.StringVar(&r.AdminEmail, "admin-email", "", "`ADDRESS` of the tenant's administrator")
	f.StringVar(&r.PlanTier, "plan", "", "free, starter, growth or enterprise")
	f.StringVar(&spend, "max-monthly-spend", "", "cap in `USD` a month; empty: none")
	if err := parse(f, args); err != nil {
		return err
	}
	if spend != "" {
		m, err := llm.ParseMoney(spend)
		if err != nil {
			return errors.New("--max-monthly-spend is " + err.Error())
		}
		r.MaxMonthlySpend = llm.Known(m)
	}
	return c.withAdmin(ctx, file, func(a *tenancy.Admin) error {
		made, err := a.Provision(ctx, actor, r, "")
		if err != nil {
			return err
		}
		return c.print(made)
	})
}

// tenantView is a tenant as the command line shows it.
type tenantView struct {
	TenantID        string         `json:"tenantId"`
	Slug            string         `json:"slug"`
	SchemaName      string         `json:"schemaName"`
	Status          tenancy.Status `json:"status"`
	PlanTier        string         `json:"planTier"`
	AdminEmail      string         `json:"adminEmail"`
	MaxMonthlySpend llm.NullMoney  `json:"maxMonthlySpend"`
	CreatedAt       time.Time      `json:"createdAt"`
}

func viewOf(t tenancy.Tenant) tenantView {
	return tenantView{t.ID, t.Slug, t.Schema, t.Status, t.Plan, t.AdminEmail, t.MaxMonthlySpend, t.CreatedAt}
}

func tenantList(ctx context.Context, c *cli, args []string) error {
	var file string
	if err := parse(c.flags(&file), args); err != nil {
		return err
	}
	return c.withAdmin(ctx, file, func(a *tenancy.Admin) error {
		tenants, err := a.List(ctx)
		if err != nil {
			return err
		}
		views := make([]tenantView, 0, len(tenants))
		for _, t := range tenants {
			views = append(views, viewOf(t))
		}
		return c.print(views)
	})
}

// oneTenant runs an operation on the tenant that --slug names and prints the tenant.
func oneTenant(ctx context.Context, c *cli, args []string, do func(a *tenancy.Admin, slug string) (tenancy.Tenant, error)) error {
	var file, slug string
	f := c.flags(&file)
	f.StringVar(&slug, "slug", "", "the tenant's `NAME`")
	if err := parse(f, args); err != nil {
		return err
	}
	return c.withAdmin(ctx, file, func(a *tenancy.Admin) error {
		t, err := do(a, slug)
		if err != nil {
			return err
		}
		return c.print(viewOf(t))
	})
}

func tenantShow(ctx context.Context, c *cli, args []string) error {
	return oneTenant(ctx, c, args, func(a *tenancy.Admin, slug string) (tenancy.Tenant, error) { return a.Show(ctx, slug) })
}

func tenantSuspend(ctx context.Context, c *cli, args []string) error {
	return oneTenant(ctx, c, args, func(a *tenancy.Admin, slug string) (tenancy.Tenant, error) { return a.Suspend(ctx, actor, slug) })
}

func tenantResume(ctx context.Context, c *cli, args []string) error {
	return oneTenant(ctx, c, args, func(a *tenancy.Admin, slug string) (tenancy.Tenant, error) { return a.Resume(ctx, actor, slug) })
}
