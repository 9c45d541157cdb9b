package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"github.com/generic-corp/halfpenny/tenancy"
)

// keyView is a key as the command line shows it. APIKey is there only when it was just made.
type keyView struct {
	ID        string       `json:"id"`
	Name      string       `json:"name"`
	Role      tenancy.Role `json:"role"`
	Test      bool         `json:"test"`
	CreatedAt time.Time    `json:"createdAt"`
	ExpiresAt *time.Time   `json:"expiresAt"`
	RevokedAt *time.Time   `json:"revokedAt"`
	APIKey    string       `json:"apiKey,omitempty"`
}

func keyViewOf(k tenancy.Key, credential string) keyView {
	return keyView{ID: k.ID, Name: k.Name, Role: k.Role, Test: k.Test, CreatedAt: k.CreatedAt, ExpiresAt: orNone(k.ExpiresAt), RevokedAt: orNone(k.RevokedAt), APIKey: credential}
}

func orNone(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// keyCommand runs an operation on a tenant's keys. more adds the command's own flags.
func keyCommand(ctx context.Context, c *cli, args []string, more func(*flag.FlagSet), do func(a *tenancy.Admin, slug string) (any, error)) error {
	var file, slug string
	f := c.flags(&file)
	f.StringVar(&slug, "tenant", "", "the tenant's `NAME`")
	if more != nil {
		more(f)
	}
	if err := parse(f, args); err != nil {
		return err
	}
	return c.withAdmin(ctx, file, func(a *tenancy.Admin) error {
		v, err := do(a, slug)
		if err != nil || v == nil {
			return err
		}
		return c.print(v)
	})
}

func keyCreate(ctx context.Context, c *cli, args []string) error {
	var r tenancy.KeyRequest
	var role string
	more := func(f *flag.FlagSet) {
		f.StringVar(&r.Name, "name", "", "what the key is for")
		f.StringVar(&role, "role", string(tenancy.RoleMember), "owner, admin, member or viewer; an app should carry a member key")
		f.BoolVar(&r.Test, "test", false, "make a gc_test_ key, which reaches only the simulation")
	}
	return keyCommand(ctx, c, args, more, func(a *tenancy.Admin, slug string) (any, error) {
		r.Role = tenancy.Role(role)
		switch r.Role {
		case tenancy.RoleOwner, tenancy.RoleAdmin, tenancy.RoleMember, tenancy.RoleViewer:
		default:
			return nil, fmt.Errorf("--role must be owner, admin, member or viewer, not %q", role)
		}
		k, credential, err := a.CreateKey(ctx, actor, slug, r)
		return keyViewOf(k, credential), err
	})
}

func keyList(ctx context.Context, c *cli, args []string) error {
	return keyCommand(ctx, c, args, nil, func(a *tenancy.Admin, slug string) (any, error) {
		keys, err := a.Keys(ctx, slug)
		views := make([]keyView, 0, len(keys))
		for _, k := range keys {
			views = append(views, keyViewOf(k, ""))
		}
		return views, err
	})
}

func keyRevoke(ctx context.Context, c *cli, args []string) error {
	var id string
	more := func(f *flag.FlagSet) { f.StringVar(&id, "id", "", "the key's public `ID`") }
	return keyCommand(ctx, c, args, more, func(a *tenancy.Admin, slug string) (any, error) {
		return nil, a.RevokeKey(ctx, actor, slug, id)
	})
}

func keyRotate(ctx context.Context, c *cli, args []string) error {
	var id string
	var overlap time.Duration
	more := func(f *flag.FlagSet) {
		f.StringVar(&id, "id", "", "the key's public `ID`")
		f.DurationVar(&overlap, "overlap", 0, "how long the old key goes on working")
	}
	return keyCommand(ctx, c, args, more, func(a *tenancy.Admin, slug string) (any, error) {
		k, credential, err := a.RotateKey(ctx, actor, slug, id, overlap)
		return keyViewOf(k, credential), err
	})
}
