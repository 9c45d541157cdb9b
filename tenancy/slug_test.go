package tenancy

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestValidateSlug(t *testing.T) {
	f := func(slug string, valid bool) {
		t.Helper()
		err := ValidateSlug(slug)
		var wrong *SlugError
		if (err == nil) != valid || err != nil && !errors.As(err, &wrong) {
			t.Errorf("%q: %v", slug, err)
		}
	}
	f("acme-corp", true)
	f("abc", true)
	f("a1b2-3", true)
	f("postgresql", true)
	f("pgx", true)
	f(strings.Repeat("a", 40), true)
	f(strings.Repeat("a", 41), false)
	for _, bad := range []string{"", "ab", "Acme", "1abc", "-abc", "abc-", "a--b", "a_b", "a.b", "a b", "äbc", "abc\n", "tenant;drop", "pg-abc", "xn--abc"} {
		f(bad, false)
	}
	for _, word := range reservedSlugs {
		f(word, false)
	}
}

func TestSlugAgreesWithTheContractsPattern(t *testing.T) {
	pattern := regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOfN(rapid.RuneFrom([]rune("ab09-A_")), 0, 12, -1).Draw(t, "slug")
		if slugShaped(s) != pattern.MatchString(s) {
			t.Fatalf("%q: shaped %v", s, slugShaped(s))
		}
	})
}

func TestSchemaName(t *testing.T) {
	if got := SchemaName("acme-corp-2"); got != "tenant_acme_corp_2" {
		t.Errorf("got %s", got)
	}
}
