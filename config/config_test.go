package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/generic-corp/halfpenny/llm"
)

func TestMain(m *testing.M) {
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, envPrefix) || slices.Contains(LookedFor(), name) {
			_ = os.Unsetenv(name)
		}
	}
	goleak.VerifyTestMain(m)
}

// write puts a configuration file into a folder of the test's own, which becomes the working folder.
func write(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	path := filepath.Join(dir, "test.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func loaded(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Load(Flags{File: write(t, text), Serve: true})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const openai = "providers: [{name: openai, kind: openai, api_keys: [sk-1]}]\n"

func TestDefaults(t *testing.T) {
	t.Chdir(t.TempDir())
	c, err := Load(Flags{Serve: true})
	if err != nil {
		t.Fatal(err)
	}
	s := c.Server
	if s.Listen != "127.0.0.1:8080" || s.PublicURL != "http://127.0.0.1:8080" || s.MaxBodyBytes != 33554432 || s.Drain != time.Minute || s.MetricsListen != "" {
		t.Errorf("server %+v", s)
	}
	if c.Store.Driver != SQLite || c.Store.Path != "./data" || !c.Store.AutoMigrate || c.Redis.URL != "" || c.Admin.Token != "" {
		t.Errorf("%s", c)
	}
	if c.Routing.Mode() != llm.ModeOptimize || c.Routing.QualityFloor != 0.95 || !c.Simulated() || c.Detected() || c.File() != "" || c.Demo() {
		t.Errorf("%s", c)
	}
}

// The file in the contract, word for word but for the key.
func TestTheDocumentedFile(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "sk-env")
	c := loaded(t, `
server:
  listen: 127.0.0.1:8080        # one port for everything by default
  metrics_listen: ""            # moves /metrics to a port of its own, open to whoever reaches it
  public_url: http://127.0.0.1:8080
  base_domain: ""               # e.g. app.example.com: the tenant's slug is then the subdomain
  trusted_proxies: []
  max_body_bytes: 33554432
  drain: 60s
  tls: {cert_file: "", key_file: ""}      # TLS 1.3 only, when set
store:
  driver: sqlite                # sqlite | postgres
  path: ./data
  url: ""                       # postgres: postgres://…
  auto_migrate: true
redis: {url: ""}
admin: {token: ""}
auth:
  {pepper: "", session_secret: "", master_key: "", jwt: {issuer: "", audience: "", jwks_url: "", hs256_secret: ""}}
providers:
  - name: openai
    kind: openai
    base_url: ""
    api_keys: [env:OPENAI_API_KEY]
    models: []
    weight: 1
routing:
  default_mode: optimize
  quality_floor: 0.95
  baseline_model: ""
  aliases: {}
`)
	p := c.Providers[0]
	if len(c.Providers) != 1 || p.BaseURL != "https://api.openai.com/v1" || p.Secrets()[0] != "sk-env" || p.ModelNames() != nil || c.Detected() || c.Simulated() {
		t.Errorf("%s", c)
	}
}

func TestValuesArrive(t *testing.T) {
	c := loaded(t, `
server: {listen: "[::1]:9000", trusted_proxies: [10.0.0.0/8, "::1"], drain: 1m30s}
store: {auto_migrate: false}
admin:
routing:
  default_mode: pinned
  quality_floor: 1
  aliases: {GPT-4.1: gpt-4.1-mini, "team/Fast": auto:cheap}
providers:
  - {name: a, kind: openai, api_keys: [sk-1, sk-2], base_url: "http://127.0.0.1:1/v1/", models: [gpt-5, "gpt-4.1=my-Deployment"], weight: 3}
  - {name: b, kind: openai, api_keys: [sk-3], region: eu-west-1}
`)
	if c.Server.PublicURL != "http://[::1]:9000" || len(c.Server.TrustedProxies) != 2 || c.Server.Drain != 90*time.Second || c.Store.AutoMigrate {
		t.Errorf("%s", c)
	}
	if c.Routing.Mode() != llm.ModePinned || c.Routing.QualityFloor != 1 || c.Routing.Aliases["GPT-4.1"] != "gpt-4.1-mini" || c.Routing.Aliases["team/Fast"] != "auto:cheap" {
		t.Errorf("%s", c)
	}
	a, b := c.Providers[0], c.Providers[1]
	if a.BaseURL != "http://127.0.0.1:1/v1" || a.Weight != 3 || len(a.APIKeys) != 2 || a.ModelNames()["gpt-5"] != "gpt-5" || a.ModelNames()["gpt-4.1"] != "my-Deployment" || b.Weight != 1 || b.Region != "eu-west-1" {
		t.Errorf("%s", c)
	}
}

func TestFlagsBeatEnvironmentBeatsFile(t *testing.T) {
	file := write(t, "server: {listen: 127.0.0.1:1, max_body_bytes: 1, drain: 1s}\nstore: {auto_migrate: true}\n"+openai)
	t.Setenv("HALFPENNY_SERVER_LISTEN", "127.0.0.1:2")
	t.Setenv("HALFPENNY_SERVER_MAX_BODY_BYTES", "2")
	t.Setenv("HALFPENNY_SERVER_DRAIN", "")
	t.Setenv("HALFPENNY_SERVER_TRUSTED_PROXIES", "10.0.0.1, 10.0.0.2")
	t.Setenv("HALFPENNY_STORE_AUTO_MIGRATE", "false")
	t.Setenv("HALFPENNY_ROUTING_QUALITY_FLOOR", "0.5")
	t.Setenv("HALFPENNY_AUTH_JWT_HS256_SECRET", "file:"+secretFile(t, "top secret\n"))
	c, err := Load(Flags{File: file, Serve: true, Set: map[string]string{"server.listen": "127.0.0.1:3"}})
	if err != nil {
		t.Fatal(err)
	}
	s := c.Server
	if s.Listen != "127.0.0.1:3" || s.MaxBodyBytes != 2 || s.Drain != time.Second || !slices.Equal(s.TrustedProxies, []string{"10.0.0.1", "10.0.0.2"}) {
		t.Errorf("%+v", s)
	}
	if c.Store.AutoMigrate || c.Routing.QualityFloor != 0.5 || string(c.Auth.JWT.HS256Secret) != "top secret" {
		t.Errorf("%s", c)
	}
}

func secretFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Every scalar has its environment form; a value of the wrong type is refused under that name.
func TestEveryScalarHasAnEnvironmentForm(t *testing.T) {
	t.Chdir(t.TempDir())
	names := []string{}
	for key := range settings(reflect.ValueOf(Config{})) {
		names = append(names, envName(key))
	}
	slices.Sort(names)
	want := `HALFPENNY_ADMIN_TOKEN HALFPENNY_AUTH_JWT_AUDIENCE HALFPENNY_AUTH_JWT_HS256_SECRET HALFPENNY_AUTH_JWT_ISSUER HALFPENNY_AUTH_JWT_JWKS_URL ` +
		`HALFPENNY_AUTH_MASTER_KEY HALFPENNY_AUTH_PEPPER HALFPENNY_AUTH_SESSION_SECRET HALFPENNY_REDIS_URL HALFPENNY_ROUTING_BASELINE_MODEL ` +
		`HALFPENNY_ROUTING_DEFAULT_MODE HALFPENNY_ROUTING_MAX_WAIT HALFPENNY_ROUTING_QUALITY_FLOOR HALFPENNY_SERVER_BASE_DOMAIN HALFPENNY_SERVER_DRAIN HALFPENNY_SERVER_LISTEN ` +
		`HALFPENNY_SERVER_MAX_BODY_BYTES HALFPENNY_SERVER_METRICS_LISTEN HALFPENNY_SERVER_PUBLIC_URL HALFPENNY_SERVER_TLS_CERT_FILE ` +
		`HALFPENNY_SERVER_TLS_KEY_FILE HALFPENNY_SERVER_TRUSTED_PROXIES HALFPENNY_STORE_AUTO_MIGRATE HALFPENNY_STORE_DRIVER HALFPENNY_STORE_PATH HALFPENNY_STORE_URL`
	if got := strings.Join(names, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	f := func(name, value, want string) {
		t.Helper()
		t.Setenv(name, value)
		_, err := Load(Flags{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s=%s → %v", name, value, err)
		}
		t.Setenv(name, "")
	}
	f("HALFPENNY_SERVER_MAX_BODY_BYTES", "many", "server.max_body_bytes (HALFPENNY_SERVER_MAX_BODY_BYTES): want a whole number")
	f("HALFPENNY_STORE_AUTO_MIGRATE", "perhaps", "HALFPENNY_STORE_AUTO_MIGRATE")
	f("HALFPENNY_ROUTING_QUALITY_FLOOR", "high", "HALFPENNY_ROUTING_QUALITY_FLOOR")
	f("HALFPENNY_SERVER_DRAIN", "60", "server.drain (HALFPENNY_SERVER_DRAIN): want a duration")
	f("HALFPENNY_SERVER_LISTEN", "8080", "server.listen")
	f("HALFPENNY_SERVER_LISTENS", "127.0.0.1:1", "HALFPENNY_SERVER_LISTENS")
	f("HALFPENNY_PROVIDERS", "openai", "HALFPENNY_PROVIDERS")
}

func TestForeignVariablesAreLeftAlone(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"HALFPENNY_SHARED", "HALFPENNY_BENCH_CONFIG", "HALFPENNY_SERVICE_HOST", "HALFPENNY_SERVICE_PORT_HTTP", "HALFPENNY_PORT",
		"HALFPENNY_PORT_8080_TCP", "HALFPENNY_PORT_8080_TCP_ADDR", "HALFPENNY_POSTGRES_SERVICE_HOST", "HALFPENNY_POSTGRES_PORT_5432_TCP_PROTO"} {
		t.Setenv(name, "x")
	}
	if _, err := Load(Flags{}); err != nil {
		t.Error(err)
	}
}

func TestWhichFile(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"halfpenny.yaml", "env.yaml", "flag.yaml"} {
		text := fmt.Sprintf("routing: {baseline_model: %s}", name)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := func(flag, env, want string) {
		t.Helper()
		t.Setenv("HALFPENNY_CONFIG", env)
		c, err := Load(Flags{File: flag})
		if err != nil || c.Routing.BaselineModel != want || filepath.Base(c.File()) != want || !filepath.IsAbs(c.File()) {
			t.Errorf("flag %q, env %q → %v, %v", flag, env, c, err)
		}
	}
	f("", "", "halfpenny.yaml")
	f("", "env.yaml", "env.yaml")
	f("flag.yaml", "env.yaml", "flag.yaml")
	t.Setenv("HALFPENNY_CONFIG", "missing.yaml")
	if _, err := Load(Flags{}); err == nil || !strings.Contains(err.Error(), "missing.yaml") {
		t.Error(err)
	}
}

// One message, which names what is wrong.
func TestWrongFiles(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		_, err := Load(Flags{File: write(t, text), Serve: true})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "test.yaml") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s\n→ %v\nwant %s", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("a secret in %v", err)
		}
	}
	// keys
	f("servr: {}", `no setting "servr"`)
	f("server: {listenTo: x}", `no setting "server.listenTo"`)
	f("server: {Listen: 127.0.0.1:1}", `no setting "server.Listen"`)
	f("server: {tls: {cert: x}}", `no setting "server.tls.cert"`)
	f("providers: [{name: a, kind: openai, api_key: hunter2}]", `no setting "providers[0].api_key"`)
	f("server: {listen: a, listen: b}", "listen")
	f("server: [", "line 1")
	f("just text", "line 1")
	// types
	f("server: 5", "server: want a section")
	f("providers: {}", "providers: want a list")
	f("providers: [5]", "providers[0]: want a section")
	f("providers: [null]", "providers[0]: want a section")
	f("server: {listen: 8080}", "server.listen: want text (in quotes), not int")
	f("server: {listen: [a]}", "server.listen: want a single value")
	f("server: {max_body_bytes: big}", "server.max_body_bytes: want a whole number")
	f("server: {max_body_bytes: 1.5}", "server.max_body_bytes: want a whole number")
	f("server: {drain: 60}", "server.drain: want a duration such as 60s")
	f("server: {trusted_proxies: 10.0.0.1}", "server.trusted_proxies: want a list")
	f("store: {auto_migrate: 3}", "store.auto_migrate: want true or false")
	f("routing: {quality_floor: true}", "routing.quality_floor: want a number")
	f("routing: {quality_floor: good}", "routing.quality_floor: want a number")
	f("routing: {aliases: [a]}", "routing.aliases: want names and values")
	f("routing: {aliases: {a: }}", "routing.aliases.a")
	f("routing: {aliases: {a: 5}}", "routing.aliases.a")
	f("admin: {token: 5}", "admin.token: want text")
	f("providers: [{name: a, kind: openai, api_keys: [5]}]", "providers[0].api_keys[0]: want text")
	f("providers: [{name: a, kind: openai, api_keys: [null]}]", "providers[0].api_keys[0]: the value is missing")
	f("providers: [{name: a, kind: openai, api_keys: hunter2}]", "providers[0].api_keys: want a list")
	// values
	f("server: {listen: localhost}", "server.listen")
	f("server: {listen: ':99999'}", "server.listen")
	f("server: {listen: 'a b:1'}", "server.listen")
	f("server: {metrics_listen: x}", "server.metrics_listen")
	f("server: {listen: ':1', metrics_listen: ':1'}", "server.metrics_listen")
	f("server: {public_url: 'ftp://x'}", "server.public_url")
	f("server: {public_url: 'http://x/?a'}", "server.public_url")
	f("server: {base_domain: 'https://x'}", "server.base_domain")
	f("server: {max_body_bytes: 0}", "server.max_body_bytes")
	f("server: {drain: -1s}", "server.drain")
	f("server: {trusted_proxies: [10.0.0.0/99]}", "server.trusted_proxies[0]")
	f("server: {tls: {cert_file: x}}", "server.tls")
	f("server: {tls: {cert_file: x, key_file: y}}", "server.tls")
	f("store: {driver: mysql}", "store.driver")
	f("store: {path: ''}", "store.path")
	f("store: {driver: postgres}", "store.url")
	f("store: {driver: postgres, url: 'mysql://u:hunter2@h/d'}", "store.url")
	f("store: {driver: postgres, url: 'postgres://u:hunter2 @h:x/d'}", "store.url")
	f("redis: {url: 'http://:hunter2@h'}", "redis.url")
	f("auth: {jwt: {jwks_url: 'file:///x'}}", "auth.jwt.jwks_url")
	f("admin: {token: 'env:NO_SUCH_VARIABLE'}", "admin.token: cannot resolve env:NO_SUCH_VARIABLE")
	f("routing: {default_mode: fastest}", "routing.default_mode")
	f("routing: {quality_floor: 1.01}", "routing.quality_floor")
	f("routing: {max_wait: -1s}", "routing.max_wait")
	f("routing: {max_wait: 11m}", "routing.max_wait")
	f("routing: {quality_floor: -0.1}", "routing.quality_floor")
	f("routing: {quality_floor: .nan}", "routing.quality_floor")
	f("routing: {baseline_model: 'a b'}", "routing.baseline_model")
	f("routing: {aliases: {a: a}}", "routing.aliases.a")
	// providers
	f("providers: [{kind: openai, api_keys: [k]}]", "providers[0].name")
	f("providers: [{name: a/b, kind: openai, api_keys: [k]}]", "providers[0].name")
	f("providers: [{name: a, kind: openai, api_keys: [k]}, {name: a, kind: openai, api_keys: [k]}]", "providers[1].name")
	f("providers: [{name: a, kind: opanai, api_keys: [k]}]", `provider "a": kind: "opanai" is none of`)
	f("providers: [{name: a, kind: openai}]", `provider "a": api_keys`)
	f("providers: [{name: a, kind: openai, api_keys: ['']}]", `provider "a": api_keys[0] is empty`)
	f("providers: [{name: a, kind: openai, api_keys: ['env:NO_SUCH_VARIABLE']}]", `provider "a": cannot resolve env:NO_SUCH_VARIABLE`)
	f("providers: [{name: a, kind: openai, api_keys: ['file:/no/such/file']}]", `provider "a": cannot resolve file:/no/such/file`)
	f("providers: [{name: a, kind: openai, api_keys: ['vault:secret/x']}]", `provider "a": cannot resolve vault:secret/x`)
	f("providers: [{name: a, kind: azure, api_keys: [k]}]", `provider "a": base_url`)
	f("providers: [{name: a, kind: openai, api_keys: [k], base_url: 'api.openai.com'}]", `provider "a": base_url`)
	f("providers: [{name: a, kind: openai, api_keys: [k], base_url: 'https://u:hunter2@h/v1'}]", `provider "a": base_url`)
	f("providers: [{name: a, kind: openai, api_keys: [k], base_url: 'https://h:99999/v1'}]", `provider "a": base_url`)
	f("providers: [{name: a, kind: openai, api_keys: [k], base_url: 'https://h/v1?x=1'}]", `provider "a": base_url`)
	f("providers: [{name: a, kind: openai, api_keys: [k], weight: 0}]", `provider "a": weight`)
	f("providers: [{name: a, kind: openai, api_keys: [k], region: 'eu, us'}]", `provider "a": region`)
	f("providers: [{name: a, kind: openai, api_keys: [k], models: ['=x']}]", `provider "a": models[0]`)
	f("prices: {overrides: [{input: 1, output: 2}]}", "prices.overrides[0].model")
	f("prices: {overrides: [{model: m, input: 1}]}", "prices.overrides[0].output")
	f("prices: {overrides: [{model: m, input: -1, output: 2}]}", `prices.overrides[0].input: cannot read "-1"`)
	f("prices: {overrides: [{model: m, input: cheap, output: 2}]}", `prices.overrides[0].input: cannot read "cheap"`)
	f("prices: {overrides: [{provider: opnai, model: m, input: 1, output: 2}]}", `prices.overrides[0].provider: "opnai"`)
	f("prices: {discounts: [{provider: opnai, percent: 1}]}", "prices.discounts[0].provider")
	f("prices: {overrides: [{modell: m}]}", "prices.overrides[0].modell")
	f("prices: {discounts: [{percent: 100.01}]}", "prices.discounts[0].percent")
	f("prices: {discounts: [{percent: 1.234}]}", "prices.discounts[0].percent")
	f("prices: {margins: [{tenant: acme-corp}]}", "prices.margins[0].percent")
	f("prices: {margins: {percent: 5}}", "prices.margins: want a list")
	f("providers: [{name: a, kind: openai, api_keys: [k], models: [x, x=y]}]", `provider "a": models[1]`)
}

func TestUnknownFlag(t *testing.T) {
	t.Chdir(t.TempDir())
	if _, err := Load(Flags{Set: map[string]string{"server.lisen": "x"}}); err == nil || !strings.Contains(err.Error(), "server.lisen") {
		t.Error(err)
	}
}

// Commands that only need the store must not ask for the keys of providers.
func TestOnlyServeNeedsTheProvidersKeys(t *testing.T) {
	file := write(t, "server: {listen: 0.0.0.0:80}\nproviders: [{name: a, kind: openai, api_keys: ['env:NO_SUCH_VARIABLE']}]")
	c, err := Load(Flags{File: file})
	if err != nil || len(c.Providers) != 1 || len(c.Providers[0].APIKeys) != 0 {
		t.Error(c, err)
	}
}

func TestDetection(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"OPENAI_API_KEY", "GROQ_API_KEY", "MISTRAL_API_KEY"} {
		if !slices.Contains(LookedFor(), name) {
			t.Errorf("%s is not looked for", name)
		}
	}
	t.Setenv("OPENAI_API_KEY", "sk-1")
	t.Setenv("GROQ_API_KEY", "")
	c, err := Load(Flags{Serve: true})
	if err != nil || len(c.Providers) != 1 || !c.Detected() || c.Simulated() {
		t.Fatal(c, err)
	}
	p := c.Providers[0]
	if p.Name != "openai" || p.Kind != "openai" || p.BaseURL != "https://api.openai.com/v1" || p.Secrets()[0] != "sk-1" || p.Weight != 1 {
		t.Errorf("%+v", p)
	}
	// The key "providers" ends the search, even where it lists none.
	if c := loaded(t, "providers: []"); !c.Simulated() || c.Detected() {
		t.Errorf("%s", c)
	}
	if c := loaded(t, "providers:"); c.Simulated() || !c.Detected() {
		t.Errorf("%s", c)
	}
}

func TestServeWithoutProviders(t *testing.T) {
	postgres := "store: {driver: postgres, url: 'postgres://u@h/d'}\n"
	f := func(text string, demo bool, want string) {
		t.Helper()
		_, err := Load(Flags{File: write(t, text), Serve: true, Demo: demo})
		switch {
		case want == "" && err != nil:
			t.Errorf("%s → %v", text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s → %v", text, err)
		}
	}
	f("", false, "")
	f("server: {listen: 'localhost:0'}", false, "")
	f("server: {listen: '[::1]:80'}", false, "")
	f("server: {listen: ':80'}", false, "OPENAI_API_KEY")
	f("server: {listen: '0.0.0.0:80'}", false, "GROQ_API_KEY")
	f(postgres, false, "there is no provider")
	f(postgres, true, "")
	f(postgres+openai, false, "")
	f("server: {listen: ':80'}\n"+openai, false, "")
	f("server: {listen: ':80'}", true, "--demo serves on loopback only")
	f("", true, "")
}

func TestOwnURL(t *testing.T) {
	f := func(listen, cert, want string) {
		t.Helper()
		s := Server{Listen: listen, TLS: TLS{CertFile: cert}}
		if got := s.OwnURL(); got != want {
			t.Errorf("%s → %s, want %s", listen, got, want)
		}
	}
	f("127.0.0.1:9203", "", "http://127.0.0.1:9203")
	f(":80", "", "http://127.0.0.1:80")
	f("0.0.0.0:80", "c.pem", "https://127.0.0.1:80")
	f("[::]:80", "", "http://127.0.0.1:80")
	f("gateway.local:80", "", "http://gateway.local:80")
}

// A secret must not come out by any of the ways in which a configuration is shown.
func TestSecretsAreHidden(t *testing.T) {
	c := loaded(t, `
store: {url: "postgres://u:hunter2@h/d"}
redis: {url: "redis://:hunter2@h"}
admin: {token: hunter2}
auth: {pepper: hunter2, session_secret: hunter2, master_key: hunter2, jwt: {hs256_secret: hunter2}}
providers: [{name: a, kind: openai, api_keys: [hunter2]}]
`)
	var log strings.Builder
	for _, h := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
		slog.New(h).Info("x", "config", c, "value", *c, "part", c.Auth, "secret", c.Admin.Token, "list", c.Providers)
	}
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{c.String(), log.String(), string(asJSON), fmt.Sprint(c, *c), fmt.Sprintf("%v %+v %#v %q %x", c, *c, *c, c.Admin.Token, c.Admin.Token), fmt.Sprintf("%#v %+v", c.Providers, c.Providers)} {
		if strings.Contains(text, "hunter2") || strings.Contains(text, "68756e74657232") || !strings.Contains(text, "redacted") && !strings.Contains(text, "7265646163746564") {
			t.Errorf("%s", text)
		}
	}
	if string(c.Admin.Token) != "hunter2" || Secret("").String() != "" {
		t.Error("the value itself is gone")
	}
}

func TestResolve(t *testing.T) {
	t.Setenv("HP_TEST_SECRET", " from env \n")
	t.Setenv("HP_TEST_EMPTY", " ")
	f := func(ref, want, wrong string) {
		t.Helper()
		got, err := Resolve(ref)
		if got != want || (err == nil) != (wrong == "") || err != nil && !strings.Contains(err.Error(), wrong) {
			t.Errorf("%s → %q, %v", ref, got, err)
		}
	}
	f("", "", "")
	f("sk-literal:with:colons", "sk-literal:with:colons", "")
	f("env:HP_TEST_SECRET", "from env", "")
	f("env:HP_TEST_EMPTY", "", "env:HP_TEST_EMPTY")
	f("file:"+secretFile(t, "from file\n"), "from file", "")
	f("file:"+secretFile(t, "\n"), "", "is empty")
	f("file:/no/such", "", "file:/no/such")
	f("arn:aws:secretsmanager:eu-west-1:1:secret:x", "", "mount the secret")
}

func FuzzReadFile(f *testing.F) {
	f.Add([]byte("server: {listen: ':80'}\n" + openai))
	f.Add([]byte("routing: {aliases: {a: b}}"))
	f.Add([]byte("providers: [{weight: 1e30}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if c, err := Load(Flags{File: path}); err == nil && c.Validate() != nil {
			t.Errorf("%q is loaded and not valid", text)
		}
	})
}

func TestPrices(t *testing.T) {
	c := loaded(t, `
prices:
  overrides:
    - {tenant: acme-corp, provider: openai, model: gpt-5, input: 1.10, cache_read: "0.1", output: 8}
  discounts: [{provider: openai, percent: 12.5}]
  margins: [{tenant: acme-corp, percent: "5"}]
`)
	o := c.Prices.Overrides[0]
	if o.Input != "1.1" || o.CacheRead != "0.1" || o.Output != "8" {
		t.Errorf("%+v", o)
	}
	discount, err := c.Prices.Discounts[0].Percent.BasisPoints()
	margin, err2 := c.Prices.Margins[0].Percent.BasisPoints()
	if discount != 1250 || margin != 500 || err != nil || err2 != nil {
		t.Errorf("discount %d %v, margin %d %v", discount, err, margin, err2)
	}
}
