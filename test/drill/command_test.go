package drill

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWrongConfiguration: a gateway that cannot do what it is told does not start,
// and says in one message what is wrong.
func TestWrongConfiguration(t *testing.T) {
	in := install(t, database{})
	f := func(yaml string, flag string, says ...string) {
		t.Helper()
		check(t, os.WriteFile(in.file, []byte(yaml), 0o600))
		r := in.run(append([]string{"serve"}, strings.Fields(flag)...)...)
		if r.code != 1 || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("%q: exit %d, stdout %q, stderr %q", yaml, r.code, r.stdout, r.stderr)
		}
		for _, what := range says {
			if !strings.Contains(r.stderr, what) {
				t.Errorf("%q: %q does not name %q", yaml, r.stderr, what)
			}
		}
	}
	store := "store: {path: " + in.data + "}\n"
	f(store+"server: {listen: 0.0.0.0:0}", "", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "--demo", "loopback")
	f(store+"server: {listen: 0.0.0.0:0}", "--demo", "server.listen", "loopback")
	f("store: {driver: postgres, path: "+in.data+", url: 'postgres://nobody@127.0.0.1:1/none'}\nserver: {listen: 127.0.0.1:0}", "", "OPENAI_API_KEY")
	f("store: {driver: postgres}", "", "store.url")
	f("server: {listen: nowhere}", "", "server.listen")
	f("server: {lisen: 127.0.0.1:0}", "", "server.lisen")
	f("server: [1, 2]", "", "server")
	f("server: {drain: soon}", "", "server.drain")
	f("routing: {default_mode: fast}", "", "routing.default_mode", "fast")
	f("providers: [{name: a, kind: openai, api_keys: [env:DRILL_NO_SUCH_VARIABLE]}]", "", `"a"`, "DRILL_NO_SUCH_VARIABLE")
	f("providers: [{name: a, kind: openai, api_keys: [k]}, {name: a, kind: groq, api_keys: [k]}]", "", `"a"`, "providers[1].name")
	f("providers: [{name: a, kind: nonsense, api_keys: [k]}]", "", "kind", "nonsense")
	f("{", "", in.file)
}

// TestUnreachableStore: without its database a gateway does not start, and does not
// print the password.
func TestUnreachableStore(t *testing.T) {
	in := install(t, database{url: "postgres://drill:hushhush@127.0.0.1:1/none"})
	r := in.run("serve")
	if r.code != 1 || !strings.Contains(r.stderr, "127.0.0.1") || strings.Contains(r.stdout+r.stderr, "hushhush") {
		t.Errorf("exit %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
	}
}

// TestCommands: every command prints its result alone to stdout, and fails with
// exit 1 and one line.
func TestCommands(t *testing.T) {
	onBoth(t, func(t *testing.T, db database) {
		t.Parallel()
		in := install(t, db)
		in.listen = freePort(t)
		in.configure(first)
		object := func(args string) (m map[string]any) {
			t.Helper()
			in.decode(in.cli(strings.Fields(args)...), &m)
			return m
		}
		list := func(args string) (l []map[string]any) {
			t.Helper()
			in.decode(in.cli(strings.Fields(args)...), &l)
			return l
		}
		fails := func(args string, code int, says string) {
			t.Helper()
			r := in.run(strings.Fields(args)...)
			if r.code != code || r.stdout != "" || !strings.Contains(r.stderr, says) {
				t.Errorf("%s: exit %d, stdout %q, stderr %q", args, r.code, r.stdout, r.stderr)
			}
		}
		same := func(got, want any) {
			t.Helper()
			a, _ := json.Marshal(got)
			b, _ := json.Marshal(want)
			if string(a) != string(b) {
				t.Errorf("got %s, want %s", a, b)
			}
		}

		if out := in.cli("version"); !strings.HasPrefix(out, "halfpenny ") || strings.Count(out, "\n") != 1 {
			t.Errorf("version: %q", out)
		}
		fails("", 2, "Usage:")
		fails("help", 2, "tenant create")
		fails("key create -h", 2, "-tenant")
		fails("tenant dance", 1, `"tenant dance"`)
		fails("version now", 1, `"now"`)
		fails("serve --nonsense", 1, "-nonsense")
		fails("healthcheck", 1, "does not answer")

		made := object("tenant create --slug acme-corp --admin-email a@example.com --plan starter --max-monthly-spend 100")
		same([]any{made["slug"], made["schemaName"], made["status"], made["routingMode"]}, []any{"acme-corp", "tenant_acme_corp", "active", "pinned"})
		in.keep(made["apiKey"].(string))
		fails("tenant create --slug acme-corp --admin-email a@example.com", 1, "acme-corp")
		fails("tenant create --slug Acme --admin-email a@example.com", 1, "slug")
		fails("tenant create --slug admin --admin-email a@example.com", 1, "reserved")
		fails("tenant show --slug nobody", 1, "nobody")
		same(len(list("tenant list")), 1)
		shown := object("tenant show --slug acme-corp")
		same([]any{shown["planTier"], shown["maxMonthlySpend"], shown["apiKey"]}, []any{"starter", 100, nil})
		same(object("tenant suspend --slug acme-corp")["status"], "suspended")
		same(object("tenant resume --slug acme-corp")["status"], "active")

		id, _ := in.newKey("acme-corp", "--name", "app")
		keys := list("key list --tenant acme-corp")
		same([]any{len(keys), keys[0]["role"], keys[1]["role"], keys[1]["name"], keys[1]["apiKey"]}, []any{2, "owner", "member", "app", nil})
		rotated := object("key rotate --tenant acme-corp --id " + id + " --overlap 1h")
		in.keep(rotated["apiKey"].(string))
		same(in.cli("key", "revoke", "--tenant", "acme-corp", "--id", rotated["id"].(string)), "")
		fails("key revoke --tenant acme-corp --id nobody", 1, "nobody")
		fails("key create --tenant acme-corp --role king", 1, "king")
		same(len(list("key list --tenant acme-corp")), 3)

		for _, r := range migrations(t, in) {
			same(r["have"], r["want"])
		}
		same(len(migrations(t, in)), 2)
		same(in.cli("migrate", "up"), "")
		chosen := object("route --model auto --prompt hello")
		same([]any{chosen["provider"], chosen["simulated"]}, []any{"first", false})
		same(object("route --model gpt-4o --prompt hello")["model"], "gpt-4o")
		fails("route --model no-such-model --prompt hello", 1, "no-such-model")

		g := in.start()
		same(in.cli("healthcheck"), "ok\n")
		g.stop()
		fails("healthcheck", 1, "does not answer")
		if used := in.fake.Stats().Started; used != 0 {
			t.Errorf("commands sent %d requests to the provider", used)
		}
	})
}

// migrations is what migrate status says of each schema.
func migrations(t *testing.T, in *installation) (rows []map[string]any) {
	t.Helper()
	in.decode(in.cli("migrate", "status"), &rows)
	return rows
}

// TestDemo: one command, nothing configured, and the printed key works.
func TestDemo(t *testing.T) {
	t.Parallel()
	in := install(t, database{})
	check(t, os.WriteFile(in.file, []byte("server: {listen: "+freePort(t)+"}\nstore: {path: "+in.data+"}\n"), 0o600))
	g := in.launch("--demo")
	eventually(t, long, "the demo says how to call it", func() bool { return strings.Contains(g.err.text(), "curl -N") && g.address() != "" })
	g.url = g.address()
	file := filepath.Join(in.data, "demo.key")
	kept, err := os.ReadFile(file)
	check(t, err)
	key := strings.TrimSpace(string(kept))
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 || !strings.Contains(g.err.text(), key) {
		t.Errorf("the demo's key: %v, %v", info, err)
	}
	if strings.Contains(g.out.text(), key) {
		t.Error("the demo's key is in the log")
	}
	c := g.caller(key)
	a := c.must(question{stream: true})
	if r, status := c.receipt(a.id); status != 200 || !r.Simulated || r.CostStatus != "simulated" {
		t.Errorf("the demo's receipt: %d, %+v", status, r)
	}
	if r := c.ready(); r.Status != "degraded" || r.code != 200 {
		t.Errorf("/ready: %+v", r)
	}
	g.stop()
}
