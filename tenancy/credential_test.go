package tenancy

import "testing"

func TestCredential(t *testing.T) {
	f := func(c Credentials, want string) {
		t.Helper()
		got, err := Credential(c)
		if want == "" {
			if err == nil || err.Status != 401 || err.Code != "invalid_api_key" {
				t.Errorf("%q: got %q, %v", c, got, err)
			}
			return
		}
		if err != nil || string(got) != want {
			t.Errorf("%q: got %q, %v; want %q", c, got, err, want)
		}
	}
	b := func(s string) []byte { return []byte(s) }
	f(Credentials{Authorization: b("Bearer k")}, "k")
	f(Credentials{Authorization: b("bearer  k ")}, "k")
	f(Credentials{XAPIKey: b("k")}, "k")
	f(Credentials{XGoogAPIKey: b("k")}, "k")
	f(Credentials{APIKey: b("k")}, "k")
	f(Credentials{Query: b("k")}, "k")
	f(Credentials{Authorization: b("Bearer k"), XAPIKey: b("k"), Query: b("k")}, "k")
	f(Credentials{Authorization: b("Bearer "), XAPIKey: b("k")}, "k")
	f(Credentials{}, "")
	f(Credentials{Authorization: b("Bearer")}, "")
	f(Credentials{Authorization: b("Bearerk")}, "")
	f(Credentials{Authorization: b("Basic abc")}, "")
	f(Credentials{Authorization: b("k")}, "")
	f(Credentials{Authorization: b("Basic abc"), XAPIKey: b("k")}, "")
	f(Credentials{Authorization: b("Bearer k"), XAPIKey: b("other")}, "")
	f(Credentials{APIKey: b("k"), Query: b("other")}, "")
}

func TestCheckContext(t *testing.T) {
	caller := &Caller{Tenant: &Tenant{Slug: "acme"}, Key: &Key{}}
	f := func(host, slug, base string, agrees bool) {
		t.Helper()
		err := CheckContext(caller, host, slug, base)
		if (err == nil) != agrees || err != nil && (err.Status != 403 || err.Code != "tenant_mismatch") {
			t.Errorf("host %q, slug %q, base %q: %v", host, slug, base, err)
		}
	}
	f("127.0.0.1:8080", "", "", true)
	f("other.app.example.com", "", "", true)
	f("acme.app.example.com", "", "app.example.com", true)
	f("ACME.App.Example.com:8443", "acme", "app.example.com", true)
	f("acme.app.example.com.", "", "app.example.com", true)
	f("app.example.com", "", "app.example.com", true)
	f("example.com", "", "app.example.com", true)
	f("evilapp.example.com", "", "app.example.com", true)
	f("[::1]:8080", "", "app.example.com", true)
	f("www.app.example.com", "", "app.example.com", true)
	f("api.app.example.com:443", "acme", "app.example.com", true)
	f("", "acme", "", true)
	f("", " acme ", "", true)
	f("", "other", "", false)
	f("", "ACME", "", false)
	f("other.app.example.com", "", "app.example.com", false)
	f("other.app.example.com:80", "acme", "app.example.com", false)
	f("acme.app.example.com", "other", "app.example.com", false)
	f("x.acme.app.example.com", "", "app.example.com", false)
}
