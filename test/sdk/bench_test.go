package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	programs "github.com/generic-corp/halfpenny/test/internal/bench"
)

// runTime is how long one SDK may take over all exchanges, each call bounded by its own 20 s.
const runTime = 3 * time.Minute

// bench is the programs under test, built, and the servers that are running.
type bench struct {
	traffic string            // the folder of the recorded exchanges
	bin     string            // what was built
	node    string            // the SDKs' npm packages beside the scripts that use them
	replay  string            // URL of the recorded provider
	control map[string]string // URLs of those that providers of the gateway have to themselves, by provider
	gateway string            // URL
	key     string
}

// newBench builds everything and starts the provider and the gateway before it.
func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{traffic: programs.Traffic(t), bin: t.TempDir(), node: t.TempDir()}
	for _, tool := range []string{"node", "npm", "python3"} {
		if _, err := exec.LookPath(tool); err != nil {
			programs.Missing(t, err)
		}
	}
	b.build(t)
	b.replay = b.startReplay(t)
	b.startGateway(t)
	return b
}

// startReplay starts a recorded provider and returns its URL.
func (b *bench) startReplay(t *testing.T) string {
	t.Helper()
	return programs.Start(t, b.program("replay", "-addr", "127.0.0.1:0", "-data", b.exchanges()), "on http://", false)
}

func (b *bench) exchanges() string { return filepath.Join(b.traffic, "exchanges.jsonl") }

// program is one of those that were built.
func (b *bench) program(name string, args ...string) *exec.Cmd {
	return exec.Command(filepath.Join(b.bin, name), args...)
}

// build makes the three Go programs and installs the npm packages, all at once.
// The npm packages come as the lock file of the recordings names them.
func (b *bench) build(t *testing.T) {
	t.Helper()
	for _, name := range []string{"package.json", "package-lock.json", "run.mjs", "faults.mjs"} {
		copyFile(t, filepath.Join(b.traffic, "sdk", "node", name), filepath.Join(b.node, name))
	}
	gateway := []string{"build", "-buildvcs=false", "-o", filepath.Join(b.bin, "halfpenny")}
	if programs.Raced {
		gateway = append(gateway, "-race")
	}
	npm := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	npm.Dir = b.node
	steps := []*exec.Cmd{
		exec.Command("go", append(gateway, "github.com/generic-corp/halfpenny/cmd/halfpenny")...),
		b.foreign("replay", "replay"),
		b.foreign("sdkrun", filepath.Join("sdk", "go")),
		npm,
	}
	ctx, cancel := context.WithTimeout(t.Context(), programs.BuildTime)
	defer cancel()
	failed := make([]error, len(steps))
	var all sync.WaitGroup
	for i, step := range steps {
		all.Go(func() { _, failed[i] = programs.Output(ctx, step) })
	}
	all.Wait()
	if err := errors.Join(failed[:2]...); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(failed[2:]...); err != nil { // these need the package registries
		programs.Missing(t, err)
	}
}

// foreign is the build of a program that is a module of its own beside the recordings.
func (b *bench) foreign(name, dir string) *exec.Cmd {
	c := exec.Command("go", "build", "-buildvcs=false", "-o", filepath.Join(b.bin, name), ".")
	c.Dir = filepath.Join(b.traffic, dir)
	c.Env = append(os.Environ(), "GOWORK=off")
	return c
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// soft begins the names of providers whose connection never breaks but only ends.
const soft = "soft-"

// startGateway starts the gateway with a provider of each dialect, and a soft one of
// each. All have recordings of their own, so that they can be at fault by themselves.
// The provider chat serves those of openai and knows OpenAI's chat alone.
func (b *bench) startGateway(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "halfpenny.yaml")
	config := fmt.Sprintf(`server: {listen: "127.0.0.1:0"}
store: {driver: sqlite, path: %q}
providers:
`, filepath.Join(dir, "data"))
	b.control = map[string]string{}
	for _, kind := range []string{"openai", "anthropic", "gemini"} {
		path := map[string]string{"openai": "/v1"}[kind]
		b.control[kind], b.control[soft+kind] = b.startReplay(t), b.startReplay(t)
		config += account(kind, kind, b.control[kind]+path) + account(soft+kind, kind, softEnds(t, b.control[soft+kind])+path)
	}
	config += account("chat", "compatible", b.control["openai"]+"/v1")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	create := b.halfpenny("tenant", "create", "--config", file, "--slug", "sdk", "--admin-email", "sdk@example.com", "--plan", "enterprise")
	ctx, cancel := context.WithTimeout(t.Context(), programs.StartTime)
	defer cancel()
	made, err := programs.Output(ctx, create)
	if err != nil {
		t.Fatal(err)
	}
	var tenant struct{ APIKey string }
	if err := json.Unmarshal(made, &tenant); err != nil || tenant.APIKey == "" {
		t.Fatalf("tenant create printed no key: %v: %s", err, made)
	}
	b.key = tenant.APIKey
	b.gateway = programs.Start(t, b.halfpenny("serve", "--config", file), `"msg":"serving","listen":"`, true)
}

// account is a line of the gateway's list of providers.
func account(name, kind, base string) string {
	return fmt.Sprintf("  - {name: %s, kind: %s, base_url: %q, api_keys: [sk-recorded]}\n", name, kind, base)
}

func (b *bench) halfpenny(args ...string) *exec.Cmd {
	return programs.Unconfigured(b.program("halfpenny", args...))
}

// disarm takes back a fault of a provider that no request has met.
func (b *bench) disarm(t *testing.T, provider string) {
	t.Helper()
	resp, err := http.Post(b.control[provider]+"/__fault", "application/json", strings.NewReader(`{"Next":0,"Fault":""}`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}
