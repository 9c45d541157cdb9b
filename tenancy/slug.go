package tenancy

import (
	"fmt"
	"slices"
	"strings"
)

// SlugError says why a slug cannot be a tenant's.
type SlugError struct{ Problem string }

// Error returns the problem.
func (e *SlugError) Error() string { return "slug " + e.Problem }

// reservedSlugs would be taken for hosts, pages or schemas of the installation itself.
var reservedSlugs = []string{"public", "admin", "api", "app", "www", "auth", "docs", "health", "status", "metrics", "demo", "system", "internal", "postgres"}

// ValidateSlug returns a *SlugError unless slug may name a tenant: lower-case
// letters, digits and single hyphens between them, a letter first, 3 to 40
// characters, and not reserved.
func ValidateSlug(slug string) error {
	switch {
	case len(slug) < 3 || len(slug) > 40:
		return &SlugError{"must have 3 to 40 characters"}
	case !slugShaped(slug):
		return &SlugError{"must be lower-case letters, digits and single hyphens between them, and start with a letter"}
	case reservedSlug(slug):
		return &SlugError{fmt.Sprintf("%q is reserved", slug)}
	}
	return nil
}

func reservedSlug(slug string) bool {
	return slices.Contains(reservedSlugs, slug) || strings.HasPrefix(slug, "pg-") || strings.HasPrefix(slug, "xn--")
}

func slugShaped(s string) bool {
	hyphen := true // as if one stood before the first character
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9' && i > 0:
			hyphen = false
		case c == '-' && !hyphen:
			hyphen = true
		default:
			return false
		}
	}
	return !hyphen
}

// SchemaName returns the PostgreSQL schema, or the SQLite file's name, of a tenant.
func SchemaName(slug string) string { return "tenant_" + strings.ReplaceAll(slug, "-", "_") }
