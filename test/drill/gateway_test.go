package drill

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/generic-corp/halfpenny/internal/fakellm"
)

// installation is what outlives a gateway's process: its folder, its configuration,
// its database and its provider.
type installation struct {
	t    *testing.T
	db   database
	fake *fakellm.Server
	data string // store.path
	file string // the configuration

	listen  string   // server.listen
	scrape  string   // server.metrics_listen
	store   string   // store.url; a drill may lead it through a link
	via     string   // address of a link to the provider; empty: it is reached directly
	redis   string   // redis.url
	aliases string   // routing.aliases, as YAML
	more    string   // further lines of YAML
	secrets []string // must be in no log
}

// account is a provider of the configuration. The provider that plays it counts
// what it gets under its name.
type account string

const (
	first  account = "first"
	spare  account = "spare"
	apiKey         = "sk-drill-secret-of-the-provider"
)

// install prepares an installation with a provider. Nothing runs yet.
func install(t *testing.T, db database) *installation {
	t.Helper()
	if testing.Short() {
		t.Skip("the drills run the program for minutes")
	}
	dir := t.TempDir()
	in := &installation{t: t, db: db, data: filepath.Join(dir, "data"), file: filepath.Join(dir, "halfpenny.yaml"), listen: "127.0.0.1:0", store: db.url,
		fake: fakellm.New(fakellm.Options{Log: 100_000}), secrets: []string{apiKey, words}}
	t.Cleanup(in.fake.Close)
	in.configure(first)
	return in
}

// configure writes the configuration with the given accounts. All of them are of
// kind openai, so each can serve what the others can.
func (in *installation) configure(accounts ...account) {
	in.t.Helper()
	check(in.t, os.WriteFile(in.file, []byte(in.yaml(accounts...)), 0o600))
}

func (in *installation) yaml(accounts ...account) string {
	var b strings.Builder
	driver := "sqlite"
	if in.db.url != "" {
		driver = "postgres"
	}
	fmt.Fprintf(&b, "server: {listen: %q, metrics_listen: %q, drain: 20s}\nstore: {driver: %s, path: %q, url: %q}\nredis: {url: %q}\n", in.listen, in.scrape, driver, in.data, in.store, in.redis)
	fmt.Fprintf(&b, "routing: {default_mode: pinned, aliases: {%s}}\nproviders:\n", in.aliases)
	for _, a := range accounts {
		base := in.fake.BaseURL(string(a))
		if in.via != "" {
			base = through(in.t, base, in.via)
		}
		fmt.Fprintf(&b, "  - {name: %s, kind: openai, base_url: %q, api_keys: [%s]}\n", a, base, apiKey)
	}
	return b.String() + in.more
}

// replica is another gateway's place beside this one, on the same database: it has
// a folder of its own.
func (in *installation) replica() *installation {
	other := *in
	dir := in.t.TempDir()
	other.data, other.file = filepath.Join(dir, "data"), filepath.Join(dir, "halfpenny.yaml")
	other.configure(first)
	return &other
}

// result is what a command left behind.
type result struct {
	stdout, stderr string
	code           int
}

// run runs a command of the program to its end.
func (in *installation) run(args ...string) result {
	in.t.Helper()
	ctx := bounded(in.t, time.Minute)
	c := exec.CommandContext(ctx, binary, args...)
	bindToParent(c)
	c.Env, c.Dir = environment("HALFPENNY_CONFIG="+in.file), filepath.Dir(in.file)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		in.t.Fatalf("halfpenny %s: %v", strings.Join(args, " "), err)
	}
	return result{stdout.String(), stderr.String(), c.ProcessState.ExitCode()}
}

// cli runs a command that must succeed and returns what it printed.
func (in *installation) cli(args ...string) string {
	in.t.Helper()
	r := in.run(args...)
	if r.code != 0 {
		in.t.Fatalf("halfpenny %s: exit %d: %s", strings.Join(args, " "), r.code, r.stderr)
	}
	return r.stdout
}

// environment is a bare one: no provider is found in it by chance.
func environment(more ...string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.TempDir(), "GORACE=halt_on_error=0"}, more...)
}

// tenant makes a tenant and returns its first key.
func (in *installation) tenant(slug, plan string) (key string) {
	in.t.Helper()
	var made struct{ APIKey string }
	in.decode(in.cli("tenant", "create", "--slug", slug, "--admin-email", "admin@example.com", "--plan", plan), &made)
	in.keep(made.APIKey)
	return made.APIKey
}

// keep notes a key as a secret.
func (in *installation) keep(key string) {
	_, secret, ok := strings.Cut(strings.TrimPrefix(key, "gc_"), "_")
	if !ok {
		in.t.Fatalf("%q is no key", key)
	}
	_, secret, _ = strings.Cut(secret, "_")
	in.secrets = append(in.secrets, secret)
}

func (in *installation) decode(text string, into any) {
	in.t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		in.t.Fatalf("%v in %q", err, text)
	}
}

// gateway is a running process of an installation.
type gateway struct {
	in       *installation
	url      string
	out, err book
	process  *exec.Cmd
	exited   chan struct{}
	state    error // of Wait, once exited is closed
}

// launch starts the process and does not wait until it serves.
func (in *installation) launch(args ...string) *gateway {
	in.t.Helper()
	g := &gateway{in: in, process: exec.Command(binary, append([]string{"serve", "--config", in.file}, args...)...), exited: make(chan struct{})}
	bindToParent(g.process)
	g.process.Env, g.process.Dir = environment(), filepath.Dir(in.file)
	g.process.Stdout, g.process.Stderr = &g.out, &g.err
	check(in.t, g.process.Start())
	go func() {
		g.state = g.process.Wait()
		close(g.exited)
	}()
	in.t.Cleanup(g.end)
	return g
}

// start starts the process and waits until it serves.
func (in *installation) start() *gateway {
	in.t.Helper()
	g := in.launch()
	eventually(in.t, long, "the gateway serves", func() bool {
		if g.gone() {
			in.t.Fatalf("the gateway ended: %v\n%s%s", g.state, g.out.text(), g.err.text())
		}
		g.url = g.address()
		return g.url != ""
	})
	return g
}

// address is where the gateway's log says that it serves.
func (g *gateway) address() string {
	for line := range strings.Lines(g.out.text()) {
		var said struct{ Msg, Listen string }
		if json.Unmarshal([]byte(line), &said) == nil && said.Msg == "serving" {
			return "http://" + said.Listen
		}
	}
	return ""
}

func (g *gateway) gone() bool {
	select {
	case <-g.exited:
		return true
	default:
		return false
	}
}

func (g *gateway) signal(s syscall.Signal) {
	g.in.t.Helper()
	check(g.in.t, g.process.Process.Signal(s))
}

// kill ends the process as a power cut of it alone would: no handler runs.
func (g *gateway) kill() {
	_ = g.process.Process.Kill()
	<-g.exited
}

// stop asks the process to end and requires that it ends well.
func (g *gateway) stop() {
	g.in.t.Helper()
	g.signal(syscall.SIGTERM)
	g.ends(long)
}

// ends waits for the end of a process that was asked for it, which must be exit 0.
func (g *gateway) ends(within time.Duration) {
	g.in.t.Helper()
	eventually(g.in.t, within, "the gateway ends", g.gone)
	if g.state != nil {
		g.in.t.Fatalf("the gateway ended with %v\n%s%s", g.state, g.out.text(), g.err.text())
	}
}

// end makes sure that nothing is left of the process, and that it said nothing
// that it must not say.
func (g *gateway) end() {
	g.kill()
	logs := g.out.text() + g.err.text()
	for _, bad := range append([]string{"DATA RACE", "panic:", "goroutine "}, g.in.secrets...) {
		if at := strings.Index(logs, bad); at >= 0 {
			g.in.t.Errorf("the gateway's output has %q: …%.4000s", bad, logs[max(0, at-200):])
		}
	}
	if g.in.t.Failed() {
		g.in.t.Logf("end of the gateway's log:\n%s", logs[max(0, len(logs)-3000):])
	}
}

// book keeps what a process writes.
type book struct {
	mu   sync.Mutex
	said bytes.Buffer
}

// Write appends p.
func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.said.Write(p)
}

func (b *book) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.said.String()
}

func (b *book) count(what string) int { return strings.Count(b.text(), what) }

// freePort is a port on which nobody listens.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	return l.Addr().String()
}
