package sdk

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"testing"
)

// An app moves to the gateway by its base URL alone, so every official client has
// to read from it what it reads from the provider: text, tool calls, finish reason,
// usage, and its own class of error. All recorded chat exchanges are tried. The
// recordings' baseline.json names those that a client cannot read at the provider.
func TestOfficialSDKs(t *testing.T) {
	if testing.Short() {
		t.Skip("builds four programs and installs npm packages")
	}
	b := newBench(t)
	for _, r := range []runner{
		{"openai-chat", "openai-chat", b.nodeRunner},
		{"ai-openai", "ai-openai", b.nodeRunner},
		{"langchain-openai", "langchain-openai", b.nodeRunner},
		{"go-openai-chat", "openai-chat", b.goRunner},
	} {
		t.Run(r.name, func(t *testing.T) { b.recorded(t, r) })
	}
	t.Run("fields", b.knowsEveryField)
	t.Run("faults", func(t *testing.T) { b.faults(t, "openai/", dropped) })
	t.Run("faults with soft ends", func(t *testing.T) { b.faults(t, "soft/", ended) })
}

// runner is one SDK that can be run over all the exchanges.
type runner struct {
	name    string // in baseline.json
	sdk     string // as its program calls it
	program func(args ...string) *exec.Cmd
}

func (b *bench) nodeRunner(args ...string) *exec.Cmd {
	c := exec.Command("node", append([]string{"run.mjs"}, args...)...)
	c.Dir = b.node
	return c
}

func (b *bench) goRunner(args ...string) *exec.Cmd { return b.program("sdkrun", args...) }

// summary is what an SDK made of one exchange.
type summary map[string]any

// recorded runs an SDK over every chat exchange, straight at the provider and
// through the gateway, and compares it with the golden summaries and with itself.
func (b *bench) recorded(t *testing.T, r runner) {
	dir := t.TempDir()
	straight, through := filepath.Join(dir, "straight.jsonl"), filepath.Join(dir, "through.jsonl")
	b.run(t, r.program("--sdk", r.sdk, "--data", b.exchanges(), "--base", b.replay, "--out", straight))
	b.run(t, r.program("--sdk", r.sdk, "--data", b.exchanges(), "--base", b.gateway, "--out", through,
		"--key", b.key, "--via", "model", "--prefix", "openai/"))
	b.compare(t, r.name, through)
	b.same(t, summaries(t, straight), summaries(t, through))
}

func (b *bench) run(t *testing.T, c *exec.Cmd) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runTime)
	defer cancel()
	out, err := output(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var (
	countPattern = regexp.MustCompile(`'([^']+)': (\d+)`)
	jsonPattern  = regexp.MustCompile(`(?m)^JSON (.*)$`)
)

// compare holds an SDK's summaries against the golden ones: no difference that
// baseline.json does not know.
func (b *bench) compare(t *testing.T, name, results string) {
	t.Helper()
	sdk := filepath.Join(b.traffic, "sdk")
	out := b.run(t, exec.Command("python3", filepath.Join(sdk, "compare.py"), filepath.Join(b.traffic, "expected.jsonl"), results, "--json"))
	head, _, _ := bytes.Cut(out, []byte("\n"))
	counts := map[string]int{}
	for _, m := range countPattern.FindAllSubmatch(head, -1) {
		counts[string(m[1])], _ = strconv.Atoi(string(m[2]))
	}
	found := jsonPattern.FindSubmatch(out)
	if found == nil {
		t.Fatalf("compare.py printed: %s", out)
	}
	var differs map[string]string
	var baseline map[string]map[string]string
	decode(t, found[1], &differs)
	decode(t, readFile(t, filepath.Join(sdk, "baseline.json")), &baseline)
	beyond := 0
	for id, how := range differs {
		if _, known := baseline[name][id]; !known {
			beyond++
			t.Errorf("%s: %s", id, how)
		}
	}
	if want := b.expected(t); counts["total"] != want {
		t.Errorf("%d of %d exchanges were tried", counts["total"], want)
	}
	t.Logf("%s: %d exchanges: %d equal, %d errors right, %d differ as at the provider, %d beyond the baseline, %d errors in a stream",
		name, counts["total"], counts["equal"], counts["error-ok"], len(differs)-beyond, beyond, counts["stream-error raised"]+counts["stream-error silent"])
}

// same reports what an SDK read from the gateway otherwise than from the provider.
// Of an error that is its class and status: the gateway completes and masks the rest.
func (b *bench) same(t *testing.T, straight, through map[string]summary) {
	t.Helper()
	same := 0
	for id, want := range straight {
		got := through[id]
		if e, ok := want["error"].(map[string]any); ok && e["status"] != nil {
			want, got = class(want), class(got)
		}
		if status, known := errorsIn200[id]; known {
			want, got = summary{"status": status}, summary{"status": class(through[id])["status"]}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s\nprovider: %v\ngateway:  %v", id, want, got)
			continue
		}
		same++
	}
	t.Logf("%d of %d are read as at the provider", same, len(straight))
}

// errorsIn200 are replies with status 200 that carry an error and no answer. At the
// provider an SDK takes them for an empty answer or stumbles; behind the gateway it
// raises the error that they are, with the status that they name.
var errorsIn200 = map[string]float64{"openai-chat_azure_6438b1679e": 400}

// class is what a program decides by when a call has failed.
func class(s summary) summary {
	e, _ := s["error"].(map[string]any)
	return summary{"ok": s["ok"], "class": e["cls"], "status": e["status"]}
}

// expected is the number of chat exchanges that were recorded.
func (b *bench) expected(t *testing.T) int {
	t.Helper()
	n := 0
	eachLine(t, filepath.Join(b.traffic, "expected.jsonl"), func(line []byte) {
		var golden struct{ API string }
		decode(t, line, &golden)
		if golden.API == "openai.chat" {
			n++
		}
	})
	return n
}

func summaries(t *testing.T, file string) map[string]summary {
	t.Helper()
	all := map[string]summary{}
	eachLine(t, file, func(line []byte) {
		var s summary
		decode(t, line, &s)
		id, _ := s["id"].(string)
		all[id] = s
	})
	return all
}

func eachLine(t *testing.T, file string, do func(line []byte)) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		do(lines.Bytes())
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func decode(t *testing.T, text []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatalf("%v: %.200s", err, text)
	}
}
