package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/provider"
)

// complete fills in what follows from other settings, resolves secrets, and checks all.
func (c *Config) complete() error {
	for i := range c.Providers {
		c.Providers[i].fill()
	}
	if err := c.resolveAll(); err != nil {
		return err
	}
	if err := c.Validate(); err != nil {
		return err
	}
	if c.Server.PublicURL == "" {
		c.Server.PublicURL = c.Server.OwnURL()
	}
	c.Server.PublicURL = strings.TrimRight(c.Server.PublicURL, "/")
	if !c.flags.Serve {
		return nil
	}
	return c.servable()
}

func (p *Provider) fill() {
	p.BaseURL = strings.TrimRight(p.BaseURL, "/")
	if kind, ok := provider.Lookup(p.Kind); ok && p.BaseURL == "" {
		p.BaseURL = kind.BaseURL
	}
}

// OwnURL is where the server itself can be reached from this machine.
func (s *Server) OwnURL() string {
	scheme := "http"
	if s.TLS.CertFile != "" {
		scheme = "https"
	}
	host, port, _ := net.SplitHostPort(s.Listen)
	if a, err := netip.ParseAddr(host); host == "" || err == nil && a.IsUnspecified() {
		host = "127.0.0.1"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// Validate checks every setting by itself and against the others. The first
// that is wrong is named by its key.
func (c *Config) Validate() error {
	checks := []func() error{c.Server.validate, c.Store.validate, c.Redis.validate, c.Auth.JWT.validate, c.validateProviders, c.Routing.validate, c.validatePrices}
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) validate() error {
	switch {
	case !address(s.Listen):
		return fmt.Errorf("server.listen: %q is not host:port", s.Listen)
	case s.MetricsListen != "" && !address(s.MetricsListen):
		return fmt.Errorf("server.metrics_listen: %q is not host:port", s.MetricsListen)
	case s.MetricsListen == s.Listen:
		return fmt.Errorf("server.metrics_listen: %q is server.listen already; leave it empty", s.MetricsListen)
	case s.BaseDomain != "" && !domain.MatchString(s.BaseDomain):
		return fmt.Errorf("server.base_domain: %q is not a domain such as app.example.com", s.BaseDomain)
	case s.MaxBodyBytes <= 0:
		return fmt.Errorf("server.max_body_bytes: %d is not above 0", s.MaxBodyBytes)
	case s.Drain < 0:
		return fmt.Errorf("server.drain: %s is below 0", s.Drain)
	case (s.TLS.CertFile == "") != (s.TLS.KeyFile == ""):
		return errors.New("server.tls: cert_file and key_file go together")
	}
	for i, p := range s.TrustedProxies {
		if !network(p) {
			return fmt.Errorf("server.trusted_proxies[%d]: %q is neither an address nor a network", i, p)
		}
	}
	if s.PublicURL == "" {
		return nil
	}
	return checkBase("server.public_url", s.PublicURL)
}

func (s *Store) validate() error {
	switch {
	case s.Driver != SQLite && s.Driver != Postgres:
		return fmt.Errorf("store.driver: %q is neither %s nor %s", s.Driver, SQLite, Postgres)
	case s.Path == "":
		return errors.New("store.path: it must name a folder")
	case s.Driver == Postgres && s.URL == "":
		return fmt.Errorf("store.url: the driver %s needs it", Postgres)
	case s.Driver == Postgres:
		return checkURL("store.url", string(s.URL), "postgres", "postgresql")
	}
	return nil
}

func (r *Redis) validate() error {
	if r.URL == "" {
		return nil
	}
	return checkURL("redis.url", string(r.URL), "redis", "rediss", "unix")
}

func (j *JWT) validate() error {
	if j.JWKSURL == "" {
		return nil
	}
	return checkURL("auth.jwt.jwks_url", j.JWKSURL, "https", "http")
}

// longestMaxWait is as long as a call or a tenant's policy may ask for.
const longestMaxWait = 10 * time.Minute

func (r *Routing) validate() error {
	if _, ok := llm.ParseMode(r.DefaultMode); !ok {
		return fmt.Errorf("routing.default_mode: %q is none of pinned, observe, optimize", r.DefaultMode)
	}
	if !(r.QualityFloor >= 0 && r.QualityFloor <= 1) { // refuses NaN as well
		return fmt.Errorf("routing.quality_floor: %v is not between 0 and 1", r.QualityFloor)
	}
	if r.MaxWait < 0 || r.MaxWait > longestMaxWait {
		return fmt.Errorf("routing.max_wait: %s is not between 0 and %s", r.MaxWait, longestMaxWait)
	}
	if r.BaselineModel != "" && !modelName(r.BaselineModel) {
		return fmt.Errorf("routing.baseline_model: %q is not the name of a model", r.BaselineModel)
	}
	for name, target := range r.Aliases {
		if !modelName(name) || !modelName(target) || name == target {
			return fmt.Errorf("routing.aliases.%s: %q is not the name of another model", name, target)
		}
	}
	return nil
}

func (c *Config) validateProviders() error {
	names := map[string]bool{}
	for i := range c.Providers {
		p := &c.Providers[i]
		if !accountName.MatchString(p.Name) {
			return fmt.Errorf("providers[%d].name: %q must be letters, digits, dots, dashes and underscores", i, p.Name)
		}
		if names[p.Name] {
			return fmt.Errorf("providers[%d].name: %q is taken by another provider", i, p.Name)
		}
		names[p.Name] = true
		if err := p.validate(c.flags.Serve); err != nil {
			return fmt.Errorf("provider %q: %w", p.Name, err)
		}
	}
	return nil
}

func (p *Provider) validate(serve bool) error {
	kind, ok := provider.Lookup(p.Kind)
	switch {
	case !ok:
		return fmt.Errorf("kind: %q is none of %s", p.Kind, strings.Join(kindNames(), ", "))
	case p.BaseURL == "":
		return fmt.Errorf("base_url: the kind %s has none of its own", p.Kind)
	case p.Weight < 1:
		return fmt.Errorf("weight: %d is below 1", p.Weight)
	case p.Region != "" && !accountName.MatchString(p.Region):
		return fmt.Errorf("region: %q must be letters, digits, dots, dashes and underscores", p.Region)
	case len(p.APIKeys) == 0 && !kind.NoKey && serve:
		return fmt.Errorf("api_keys: the kind %s needs one", p.Kind)
	}
	ids := map[string]bool{}
	for i, entry := range p.Models {
		id, upstream, renamed := strings.Cut(entry, "=")
		if !modelName(id) || renamed && !modelName(upstream) {
			return fmt.Errorf("models[%d]: %q is neither ID nor ID=UPSTREAM_NAME", i, entry)
		}
		if ids[id] {
			return fmt.Errorf("models[%d]: %q is listed twice", i, id)
		}
		ids[id] = true
	}
	return checkBase("base_url", p.BaseURL)
}

// servable checks what only a gateway that starts needs.
func (c *Config) servable() error {
	switch {
	case c.flags.Demo && !c.Loopback():
		return fmt.Errorf("server.listen: --demo serves on loopback only, and %q is not", c.Server.Listen)
	case c.Simulated() && !c.flags.Demo && !(c.Loopback() && c.Store.Driver == SQLite):
		return fmt.Errorf("there is no provider: set one of %s, or list providers; without any, serve needs --demo, or a loopback server.listen and the %s store",
			strings.Join(LookedFor(), ", "), SQLite)
	case c.Server.TLS.CertFile == "":
		return nil
	}
	if _, err := tls.LoadX509KeyPair(c.Server.TLS.CertFile, c.Server.TLS.KeyFile); err != nil {
		return fmt.Errorf("server.tls: %w", err)
	}
	return nil
}

// Loopback reports whether the main port is reached from this machine only.
func (c *Config) Loopback() bool {
	host, _, err := net.SplitHostPort(c.Server.Listen)
	if err != nil {
		return false
	}
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

var (
	accountName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	domain      = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)
	hostName    = regexp.MustCompile(`^[A-Za-z0-9._-]*$`)
)

func address(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return false
	}
	_, err = netip.ParseAddr(host)
	return err == nil || hostName.MatchString(host)
}

func network(s string) bool {
	if _, err := netip.ParsePrefix(s); err == nil {
		return true
	}
	_, err := netip.ParseAddr(s)
	return err == nil
}

func modelName(s string) bool { return s != "" && !strings.ContainsAny(s, " \t\r\n=") }

// checkBase checks a URL that paths are appended to.
func checkBase(key, s string) error {
	if strings.ContainsAny(s, "?#") {
		return fmt.Errorf("%s: a query or a fragment does not belong there", key)
	}
	return checkURL(key, s, "https", "http")
}

// checkURL does not repeat the URL in its error: it may hold a password.
func checkURL(key, s string, schemes ...string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return fmt.Errorf("%s: it is not a URL", key)
	case !slices.Contains(schemes, u.Scheme):
		return fmt.Errorf("%s: it must begin with %s://", key, strings.Join(schemes, ":// or "))
	case u.Hostname() == "" && u.Scheme != "unix":
		return fmt.Errorf("%s: it names no host", key)
	case strings.HasPrefix(u.Scheme, "http") && u.User != nil:
		return fmt.Errorf("%s: a user or a password does not belong there", key)
	}
	if _, err := strconv.ParseUint(u.Port(), 10, 16); u.Port() != "" && err != nil {
		return fmt.Errorf("%s: the port is beyond 65535", key)
	}
	return nil
}

func kindNames() []string {
	var names []string
	for _, k := range provider.Kinds() {
		names = append(names, k.Name)
	}
	return names
}
