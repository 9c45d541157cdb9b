// Package bench builds and runs the programs under test: the gateway, and the server
// that plays recorded provider traffic.
package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// How long things may take on a loaded machine before they count as hanging.
const (
	BuildTime = 8 * time.Minute // all the builds of a test at once, every cache empty
	StartTime = 30 * time.Second
)

// Bench is the running programs. All of it ends with the test.
type Bench struct {
	Traffic string // the folder of the recorded exchanges
	Replay  string // URL of the recorded provider
	Gateway string // URL
	Key     string // of a tenant of the gateway's

	bin string // what was built
}

// New builds the programs and starts the recorded provider, and before it the gateway
// with the accounts that providers returns as YAML, given the recorded provider's URL.
// Without recorded traffic, or without what its server needs, the test is skipped.
func New(t *testing.T, providers func(replay string) string) *Bench {
	t.Helper()
	b := &Bench{Traffic: Traffic(t), bin: t.TempDir()}
	b.build(t)
	b.Replay = Start(t, b.program("replay", "-addr", "127.0.0.1:0", "-data", b.Exchanges()), "on http://", false)
	b.startGateway(t, providers(b.Replay))
	return b
}

// Traffic returns the folder of recorded exchanges, or skips the test.
func Traffic(t *testing.T) string {
	t.Helper()
	shared := os.Getenv("HALFPENNY_SHARED")
	if shared == "" {
		shared = "../../../shared"
	}
	dir, err := filepath.Abs(filepath.Join(shared, "traffic"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "exchanges.jsonl")); err != nil {
		Missing(t, "no recorded traffic: ", err)
	}
	return dir
}

// Missing skips a test that lacks something it needs; in CI it fails it.
func Missing(t *testing.T, what ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what...)
	}
	t.Skip(what...)
}

// Exchanges is the file of the recorded exchanges.
func (b *Bench) Exchanges() string { return filepath.Join(b.Traffic, "exchanges.jsonl") }

// Expected is the file of their golden summaries.
func (b *Bench) Expected() string { return filepath.Join(b.Traffic, "expected.jsonl") }

func (b *Bench) program(name string, args ...string) *exec.Cmd {
	return Command(filepath.Join(b.bin, name), args...)
}

// Command is a program that a test runs.
func Command(name string, args ...string) *exec.Cmd {
	return exec.Command(name, args...) //nolint:gosec // G204: a test chooses what it runs
}

// build makes both programs at once. The recorded provider is a module of its own.
func (b *Bench) build(t *testing.T) {
	t.Helper()
	args := []string{"build", "-buildvcs=false", "-o", filepath.Join(b.bin, "halfpenny")}
	if Raced {
		args = append(args, "-race")
	}
	gateway := Command("go", append(args, "github.com/generic-corp/halfpenny/cmd/halfpenny")...)
	replay := Command("go", "build", "-buildvcs=false", "-o", filepath.Join(b.bin, "replay"), ".")
	replay.Dir = filepath.Join(b.Traffic, "replay")
	replay.Env = append(os.Environ(), "GOWORK=off")
	ctx, cancel := context.WithTimeout(t.Context(), BuildTime)
	defer cancel()
	var all sync.WaitGroup
	var failed [2]error
	for i, c := range []*exec.Cmd{gateway, replay} {
		all.Go(func() { _, failed[i] = Output(ctx, c) })
	}
	all.Wait()
	if err := errors.Join(failed[:]...); err != nil {
		t.Fatal(err)
	}
}

func (b *Bench) startGateway(t *testing.T, providers string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "halfpenny.yaml")
	config := fmt.Sprintf("server: {listen: \"127.0.0.1:0\"}\nstore: {driver: sqlite, path: %q}\nproviders:\n%s", filepath.Join(dir, "data"), providers)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), StartTime)
	defer cancel()
	made, err := Output(ctx, b.halfpenny("tenant", "create", "--config", file, "--slug", "bench", "--admin-email", "bench@example.com", "--plan", "enterprise"))
	if err != nil {
		t.Fatal(err)
	}
	var tenant struct{ APIKey string }
	if err := json.Unmarshal(made, &tenant); err != nil || tenant.APIKey == "" {
		t.Fatalf("tenant create printed no key: %v: %s", err, made)
	}
	b.Key = tenant.APIKey
	b.Gateway = Start(t, b.halfpenny("serve", "--config", file), `"msg":"serving","listen":"`, true)
}

func (b *Bench) halfpenny(args ...string) *exec.Cmd {
	return Unconfigured(b.program("halfpenny", args...))
}

// Unconfigured takes what configures a gateway out of a program's environment.
func Unconfigured(c *exec.Cmd) *exec.Cmd {
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "HALFPENNY_") {
			c.Env = append(c.Env, v)
		}
	}
	return c
}

// Output runs c to its end and returns what it printed; an error holds the rest.
func Output(ctx context.Context, c *exec.Cmd) ([]byte, error) {
	var out, log bytes.Buffer
	c.Stdout, c.Stderr = &out, &log
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", c.Path, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Process.Kill() })
	defer stop()
	if err := c.Wait(); err != nil {
		return nil, fmt.Errorf("%v: %w\n%s%s", c.Args, errors.Join(err, ctx.Err()), tail(log.Bytes()), tail(out.Bytes()))
	}
	return out.Bytes(), nil
}

// tail is the end of a log that is too long to show.
func tail(log []byte) []byte { return log[max(0, len(log)-4000):] }

// Start runs a server until the test ends and returns its URL: the address that it
// prints behind mark. A polite one ends by SIGTERM, without an error.
func Start(t *testing.T, c *exec.Cmd, mark string, polite bool) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "log")
	log, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	t.Cleanup(func() { end(t, c, ended, name, polite) })
	address := regexp.MustCompile(regexp.QuoteMeta(mark) + `([0-9.:]+)`)
	for deadline := time.Now().Add(StartTime); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		printed, _ := os.ReadFile(name)
		if m := address.FindSubmatch(printed); m != nil {
			return "http://" + string(m[1])
		}
	}
	t.Fatalf("%s does not say where it listens", c.Path)
	return ""
}

// end stops a server; a polite one says by its exit and its log that all was well.
func end(t *testing.T, c *exec.Cmd, ended <-chan error, log string, polite bool) {
	select {
	case err := <-ended:
		printed, _ := os.ReadFile(log)
		t.Errorf("%s ended by itself: %v\n%s", c.Path, err, tail(printed))
		return
	default:
	}
	stop := syscall.SIGKILL
	if polite {
		stop = syscall.SIGTERM
	}
	_ = c.Process.Signal(stop)
	var err error
	select {
	case err = <-ended:
	case <-time.After(StartTime):
		_ = c.Process.Kill()
		err = errors.Join(errors.New("did not end when it was told to"), <-ended)
	}
	if !polite {
		return
	}
	printed, _ := os.ReadFile(log)
	if at := bytes.Index(printed, []byte("WARNING: DATA RACE")); at >= 0 {
		t.Errorf("%s: %.4000s", c.Path, printed[at:])
	}
	if err != nil || bytes.Contains(printed, []byte("panic")) {
		t.Errorf("%s: %v\n%s", c.Path, err, tail(printed))
	}
}
