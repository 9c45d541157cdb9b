package config

import (
	"os"
	"strings"

	"github.com/generic-corp/halfpenny/provider"
)

// LookedFor lists the environment variables in which providers are looked for.
func LookedFor() []string {
	var names []string
	for _, k := range provider.Kinds() {
		if detectable(&k) {
			names = append(names, k.Env...)
		}
	}
	return names
}

// detectable reports whether a key is all that such a provider needs.
func detectable(k *provider.Kind) bool { return k.BaseURL != "" && len(k.Env) > 0 }

// detect makes an account, named like its kind, for every provider whose key the
// environment holds. An empty variable is absent.
func detect() (accounts []Provider, found bool) {
	for _, k := range provider.Kinds() {
		if !detectable(&k) {
			continue
		}
		for _, name := range k.Env {
			if strings.TrimSpace(os.Getenv(name)) == "" {
				continue
			}
			accounts = append(accounts, Provider{Name: k.Name, Kind: k.Name, BaseURL: k.BaseURL, APIKeys: []Secret{Secret("env:" + name)}, Weight: 1})
			break
		}
	}
	return accounts, len(accounts) > 0
}
