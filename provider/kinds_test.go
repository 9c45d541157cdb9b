package provider

import "testing"

// TestKindsDoNotCollide: a key of the environment and a model's prefix each mean one kind.
func TestKindsDoNotCollide(t *testing.T) {
	env, names := map[string]string{}, map[string]string{}
	once := func(seen map[string]string, name, kind string) {
		t.Helper()
		if other, taken := seen[name]; taken {
			t.Errorf("%s means %s and %s", name, other, kind)
		}
		seen[name] = kind
	}
	for _, k := range Kinds() {
		for _, name := range k.Env {
			once(env, name, k.Name)
		}
		once(names, k.Name, k.Name)
		for _, alias := range k.Aliases {
			once(names, alias, k.Name)
		}
	}
}
