// Package config reads the gateway's configuration: defaults, a YAML file, the
// environment and flags, each stronger than the one before, into one struct that
// is checked as a whole. Nobody else knows where a setting came from.
package config

import (
	"log/slog"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/generic-corp/halfpenny/llm"
)

// Config is everything that can be configured. It is not changed after Load.
type Config struct {
	Server    Server     `yaml:"server"`
	Store     Store      `yaml:"store"`
	Redis     Redis      `yaml:"redis"`
	Admin     Admin      `yaml:"admin"`
	Auth      Auth       `yaml:"auth"`
	Providers []Provider `yaml:"providers"`
	Routing   Routing    `yaml:"routing"`
	Prices    Prices     `yaml:"prices"`

	flags    Flags
	file     string   // absolute path of the file that was read; empty: none
	content  [32]byte // hash of the file
	detected bool
}

// Server is how the gateway is reached.
type Server struct {
	Listen         string        `yaml:"listen"`          // host:port
	MetricsListen  string        `yaml:"metrics_listen"`  // host:port of /metrics alone; empty: on Listen
	PublicURL      string        `yaml:"public_url"`      // without a slash at its end
	BaseDomain     string        `yaml:"base_domain"`     // tenants' slugs are its subdomains; empty: none
	TrustedProxies []string      `yaml:"trusted_proxies"` // addresses or networks
	MaxBodyBytes   int64         `yaml:"max_body_bytes"`  // of a request
	Drain          time.Duration `yaml:"drain"`           // how long open streams may go on after SIGTERM
	TLS            TLS           `yaml:"tls"`
}

// TLS names the certificate; both parts are empty where TLS is off.
type TLS struct {
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
}

// The store drivers.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

// Store is where the gateway keeps its data.
type Store struct {
	Driver      string `yaml:"driver"` // SQLite or Postgres
	Path        string `yaml:"path"`   // folder of the SQLite files and, with both drivers, of the journal
	URL         Secret `yaml:"url"`    // postgres://…
	AutoMigrate bool   `yaml:"auto_migrate"`
}

// Redis is where replicas share rate limits; with an empty URL they are in-process.
type Redis struct {
	URL Secret `yaml:"url"`
}

// Admin guards /api/tenants; with an empty token it is disabled.
type Admin struct {
	Token Secret `yaml:"token"`
}

// Auth holds the installation's secrets. Pepper and SessionSecret may be empty:
// they are then made once and kept in the control database.
type Auth struct {
	Pepper        Secret `yaml:"pepper"`
	SessionSecret Secret `yaml:"session_secret"`
	MasterKey     Secret `yaml:"master_key"`
	JWT           JWT    `yaml:"jwt"`
}

// JWT is how tokens of another issuer are checked.
type JWT struct {
	Issuer      string `yaml:"issuer"`
	Audience    string `yaml:"audience"`
	JWKSURL     string `yaml:"jwks_url"`
	HS256Secret Secret `yaml:"hs256_secret"`
}

// Provider is one account at an upstream provider.
type Provider struct {
	Name    string   `yaml:"name"` // unique
	Kind    string   `yaml:"kind"`
	BaseURL string   `yaml:"base_url"` // without a slash at its end; empty: the kind's own
	APIKeys []Secret `yaml:"api_keys"` // resolved
	Models  []string `yaml:"models"`   // ID or ID=UPSTREAM_NAME; empty: all that the catalogue lists for it
	Weight  int      `yaml:"weight"`
	Region  string   `yaml:"region"` // where the account computes, such as eu or us-east-1; empty: not stated
	// Passthrough lets tenants reach the metered paths of the provider's own API with the operator's key.
	Passthrough bool `yaml:"passthrough"`
}

// ModelNames maps the ids in Models to the names that the provider is sent; nil
// means all models that the catalogue lists for it.
func (p *Provider) ModelNames() map[string]string {
	if len(p.Models) == 0 {
		return nil
	}
	names := make(map[string]string, len(p.Models))
	for _, entry := range p.Models {
		id, upstream, renamed := strings.Cut(entry, "=")
		if !renamed {
			upstream = id
		}
		names[id] = upstream
	}
	return names
}

// Secrets returns the API keys as plain strings.
func (p *Provider) Secrets() []string {
	plain := make([]string, len(p.APIKeys))
	for i, k := range p.APIKeys {
		plain[i] = string(k)
	}
	return plain
}

// Routing is what holds where a tenant's policy says nothing.
type Routing struct {
	DefaultMode   string            `yaml:"default_mode"`  // pinned, observe, optimize
	QualityFloor  float64           `yaml:"quality_floor"` // 0..1
	BaselineModel string            `yaml:"baseline_model"`
	Aliases       map[string]string `yaml:"aliases"`  // model name → model name
	MaxWait       time.Duration     `yaml:"max_wait"` // how long a call may wait for a target whose rate limits are reached
}

// Mode is DefaultMode as the router takes it.
func (r *Routing) Mode() llm.Mode {
	m, _ := llm.ParseMode(r.DefaultMode)
	return m
}

// Simulated reports whether no provider is configured, so that the simulation
// stands in for all of them.
func (c *Config) Simulated() bool { return len(c.Providers) == 0 }

// Detected reports whether the providers were found in the environment rather
// than configured.
func (c *Config) Detected() bool { return c.detected }

// Demo reports whether the gateway was started with --demo.
func (c *Config) Demo() bool { return c.flags.Demo }

// File is the absolute path of the file that was read, or empty.
func (c *Config) File() string { return c.file }

// String is the configuration in force as YAML, secrets left out.
func (c Config) String() string {
	b, err := yaml.Marshal(c)
	if err != nil {
		return "cannot show the configuration: " + err.Error()
	}
	return string(b)
}

// GoString is String, so that %#v shows no secret either.
func (c Config) GoString() string { return c.String() }

// LogValue is String.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

func defaults() *Config {
	return &Config{
		Server:  Server{Listen: "127.0.0.1:8080", MaxBodyBytes: 32 << 20, Drain: time.Minute},
		Store:   Store{Driver: SQLite, Path: "./data", AutoMigrate: true},
		Routing: Routing{DefaultMode: llm.ModeOptimize.String(), QualityFloor: 0.95},
	}
}
