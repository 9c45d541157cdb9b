package config

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
)

// Secret is a value that is never shown: it prints, logs and marshals as
// "[redacted]", or as nothing where it is empty. string(s) is the value.
type Secret string

// String hides the value.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[redacted]"
}

// GoString hides the value from %#v.
func (s Secret) GoString() string { return `"` + s.String() + `"` }

// LogValue hides the value from logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the value from JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// secretManagers are the beginnings of references that only a secrets manager
// can answer; taking one for the secret itself would be worse than refusing it.
var secretManagers = []string{"arn:", "vault:", "aws-sm:", "gcp-sm:", "azure-kv:", "op://", "awssm://", "gcpsm://"}

// Resolve returns the secret that a reference stands for: env:NAME is that
// variable, file:PATH that file's text without the white space around it, and
// anything else is the secret itself. What a reference stands for must not be empty.
// An error names the reference and never the secret.
func Resolve(ref string) (string, error) {
	if name, ok := strings.CutPrefix(ref, "env:"); ok {
		if v := strings.TrimSpace(os.Getenv(name)); v != "" {
			return v, nil
		}
		return "", fmt.Errorf("cannot resolve %s: the variable is not set", ref)
	}
	if path, ok := strings.CutPrefix(ref, "file:"); ok {
		b, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("cannot resolve %s: %w", ref, err)
		}
		if v := strings.TrimSpace(string(b)); v != "" {
			return v, nil
		}
		return "", fmt.Errorf("cannot resolve %s: the file is empty", ref)
	}
	for _, prefix := range secretManagers {
		if strings.HasPrefix(ref, prefix) {
			return "", fmt.Errorf("cannot resolve %s: mount the secret and refer to it as file:PATH or env:NAME", ref)
		}
	}
	return ref, nil
}

// resolveAll replaces every reference by its secret. The API keys of providers
// are left out where their accounts will not be used.
func (c *Config) resolveAll() error {
	own := []struct {
		key    string
		secret *Secret
	}{
		{"store.url", &c.Store.URL}, {"redis.url", &c.Redis.URL}, {"admin.token", &c.Admin.Token}, {"auth.pepper", &c.Auth.Pepper},
		{"auth.session_secret", &c.Auth.SessionSecret}, {"auth.master_key", &c.Auth.MasterKey}, {"auth.jwt.hs256_secret", &c.Auth.JWT.HS256Secret},
	}
	for _, o := range own {
		if err := o.secret.resolve(); err != nil {
			return fmt.Errorf("%s: %w", o.key, err)
		}
	}
	for i := range c.Providers {
		if err := c.Providers[i].resolve(c.flags.Serve); err != nil {
			return err
		}
	}
	return nil
}

func (s *Secret) resolve() error {
	v, err := Resolve(string(*s))
	if err == nil {
		*s = Secret(v)
	}
	return err
}

// resolve resolves the API keys; where the gateway is not to serve, those that
// cannot be are dropped.
func (p *Provider) resolve(serve bool) error {
	kept := p.APIKeys[:0]
	for i, k := range p.APIKeys {
		err := k.resolve()
		if err == nil && k == "" {
			err = fmt.Errorf("api_keys[%d] is empty", i)
		}
		if err != nil && serve {
			return fmt.Errorf("provider %q: %w", p.Name, err)
		}
		if err == nil {
			kept = append(kept, k)
		}
	}
	p.APIKeys = kept
	return nil
}
