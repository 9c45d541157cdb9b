package tenancy

import (
	"context"
	"fmt"
	"time"

	"github.com/generic-corp/halfpenny/tenancy/fields"
)

// KeyRequest is the body of POST /api/tenants/{slug}/keys.
type KeyRequest struct {
	Name      string
	Role      Role // empty: member
	Test      bool
	ExpiresAt time.Time // zero: never
}

// ParseKeyRequest reads a KeyRequest; errors are *fields.Error. Restrictions to
// models, endpoints, addresses or a spend are refused rather than dropped.
func ParseKeyRequest(document []byte) (KeyRequest, error) {
	var r KeyRequest
	var role string
	err := fields.Object("", document, map[string]fields.Setter{
		"name":      fields.String(&r.Name, 100),
		"role":      fields.OneOf(&role, string(RoleOwner), string(RoleAdmin), string(RoleMember), string(RoleViewer)),
		"test":      fields.Bool(&r.Test),
		"expiresAt": fields.Time(&r.ExpiresAt),
		"models":    emptyList,
		"endpoints": emptyList,
		"addresses": emptyList,
		"monthUsd":  func([]byte) error { return fmt.Errorf("cannot be set: keys have no budget of their own here") },
	})
	r.Role = Role(role)
	return r, err
}

func emptyList(raw []byte) error {
	var list []string
	if err := fields.Strings(&list)(raw); err != nil {
		return err
	}
	if len(list) > 0 {
		return fmt.Errorf("must be empty: keys cannot be restricted in this way here")
	}
	return nil
}

// CreateKey adds a key to the tenant and returns it with the credential, which is
// shown this once.
func (a *Admin) CreateKey(ctx context.Context, actor, slug string, r KeyRequest) (k Key, credential string, err error) {
	t, err := a.Show(ctx, slug)
	if err != nil {
		return Key{}, "", err
	}
	if r.Role == "" {
		r.Role = RoleMember
	}
	if !r.ExpiresAt.IsZero() && !r.ExpiresAt.After(a.now()) {
		return Key{}, "", &fields.Error{Field: "expiresAt", Problem: "must lie in the future"}
	}
	k, credential = a.newKey(r)
	k.TenantID = t.ID
	if err := a.store.AddKey(ctx, k); err != nil {
		return Key{}, "", fmt.Errorf("cannot store a key of tenant %s: %w", slug, err)
	}
	a.audit(ctx, slug, actor, "key.create", "key "+k.ID+", role "+string(k.Role))
	return k, credential, nil
}

func (a *Admin) newKey(r KeyRequest) (Key, string) {
	id, credential := MakeKey(r.Test)
	hash, ok := a.hasher.HashOf(credential)
	if !ok {
		panic("BUG: MakeKey made a key that ParseKey refuses")
	}
	return Key{ID: id, Name: r.Name, Role: r.Role, Test: r.Test, Hash: hash, CreatedAt: a.now(), ExpiresAt: r.ExpiresAt}, credential
}

// Keys lists a tenant's keys, oldest first, revoked ones included.
func (a *Admin) Keys(ctx context.Context, slug string) ([]Key, error) {
	if _, err := a.Show(ctx, slug); err != nil {
		return nil, err
	}
	keys, err := a.store.Keys(ctx, slug)
	if err != nil {
		return nil, fmt.Errorf("cannot list the keys of tenant %q: %w", slug, err)
	}
	return keys, nil
}

// RotateKey adds a key like the one named and lets that one work for overlap
// longer (0: not at all). It returns the new key and its credential.
func (a *Admin) RotateKey(ctx context.Context, actor, slug, keyID string, overlap time.Duration) (k Key, credential string, err error) {
	if overlap < 0 || overlap > MaxOverlap {
		return Key{}, "", &fields.Error{Field: "overlapSeconds", Problem: fmt.Sprintf("must be from 0 to %d", int(MaxOverlap.Seconds()))}
	}
	old, err := a.key(ctx, slug, keyID)
	if err != nil {
		return Key{}, "", err
	}
	if !old.RevokedAt.IsZero() || !old.ExpiresAt.IsZero() && !old.ExpiresAt.After(a.now()) {
		return Key{}, "", fmt.Errorf("key %s is no longer valid: %w", keyID, ErrState)
	}
	k, credential = a.newKey(KeyRequest{Name: old.Name, Role: old.Role, Test: old.Test, ExpiresAt: old.ExpiresAt})
	k.TenantID = old.TenantID
	if err := a.store.AddKey(ctx, k); err != nil {
		return Key{}, "", fmt.Errorf("cannot store a key of tenant %s: %w", slug, err)
	}
	if err := a.store.RevokeKey(ctx, slug, keyID, a.now().Add(overlap)); err != nil {
		return Key{}, "", fmt.Errorf("cannot revoke key %s: %w", keyID, err)
	}
	a.audit(ctx, slug, actor, "key.rotate", fmt.Sprintf("key %s replaced by %s, overlap %s", keyID, k.ID, overlap))
	return k, credential, nil
}

// RevokeKey makes a key invalid now; doing it again changes nothing. ErrNotFound
// if the tenant has no such key.
func (a *Admin) RevokeKey(ctx context.Context, actor, slug, keyID string) error {
	old, err := a.key(ctx, slug, keyID)
	if err != nil {
		return err
	}
	now := a.now()
	if !old.RevokedAt.IsZero() && !old.RevokedAt.After(now) {
		return nil
	}
	if err := a.store.RevokeKey(ctx, slug, keyID, now); err != nil {
		return fmt.Errorf("cannot revoke key %s: %w", keyID, err)
	}
	a.audit(ctx, slug, actor, "key.revoke", "key "+keyID)
	return nil
}

func (a *Admin) key(ctx context.Context, slug, keyID string) (Key, error) {
	keys, err := a.Keys(ctx, slug)
	if err != nil {
		return Key{}, err
	}
	for _, k := range keys {
		if k.ID == keyID {
			return k, nil
		}
	}
	return Key{}, fmt.Errorf("tenant %s has no key %q: %w", slug, keyID, ErrNotFound)
}
