package store

import (
	"fmt"
	"regexp"

	"github.com/generic-corp/halfpenny/tenancy"
)

// Schema is the place of one tenant's tables. It can only be made by SchemaOf, so
// its name is safe in an identifier and in a path.
type Schema struct{ slug, name string }

var slugShape = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// SchemaOf returns the schema of a tenant. Its error wraps tenancy.ErrNotFound,
// because a tenant of another shape cannot exist.
func SchemaOf(slug string) (Schema, error) {
	if len(slug) < 3 || len(slug) > 40 || !slugShape.MatchString(slug) {
		return Schema{}, fmt.Errorf("tenant %.60q: %w", slug, tenancy.ErrNotFound)
	}
	return Schema{slug, tenancy.SchemaName(slug)}, nil
}

// Slug returns the tenant's slug.
func (s Schema) Slug() string { return s.slug }

// Name returns tenant_<slug with _>.
func (s Schema) Name() string { return s.name }

// Prefix returns the quoted name and a dot, to stand before a table's name.
func (s Schema) Prefix() string { return `"` + s.name + `".` }
