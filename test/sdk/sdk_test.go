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
	"strings"
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
		{"openai-chat", "openai-chat", "openai.chat", "openai/", b.nodeRunner},
		{"ai-openai", "ai-openai", "openai.chat", "openai/", b.nodeRunner},
		{"langchain-openai", "langchain-openai", "openai.chat", "openai/", b.nodeRunner},
		{"go-openai-chat", "openai-chat", "openai.chat", "openai/", b.goRunner},
		{"emb", "openai-embeddings", "openai.embeddings", "openai/", b.nodeRunner},
		{"anthropic", "anthropic", "anthropic.messages", "anthropic/", b.nodeRunner},
		{"ai-anthropic", "ai-anthropic", "anthropic.messages", "anthropic/", b.nodeRunner},
		{"go-anthropic", "anthropic", "anthropic.messages", "anthropic/", b.goRunner},
		{"openai-responses", "openai-responses", "openai.responses", "openai/", b.nodeRunner},
		{"ai-openai-responses", "ai-openai-responses", "openai.responses", "openai/", b.nodeRunner},
		{"go-openai-responses", "openai-responses", "openai.responses", "openai/", b.goRunner},
		{"genai", "genai", "gemini.generateContent", "gemini/", b.nodeRunner},
		{"ai-google", "ai-google", "gemini.generateContent", "gemini/", b.nodeRunner},
		{"go-genai", "genai", "gemini.generateContent", "gemini/", b.goRunner},
	} {
		t.Run(r.name, func(t *testing.T) { b.recorded(t, r) })
	}
	for _, r := range []struct {
		runner
		wrong int // exchanges that are known to differ
	}{
		// Four recordings hold several streams each.
		{runner{"openai-chat", "openai-chat", "anthropic.messages", "anthropic/", b.nodeRunner}, 4},
		// Eleven are arrays, which no provider sends where events were asked for, and four
		// are calls in pieces, of which the golden summaries make many.
		{runner{"openai-chat", "openai-chat", "gemini.generateContent", "gemini/", b.nodeRunner}, 15},
		// Three refusals are text in Anthropic's form, and three calls are of the legacy kind, which it has not.
		{runner{"anthropic", "anthropic", "openai.chat", "openai/", b.nodeRunner}, 6},
	} {
		t.Run(r.name+" over "+r.api, func(t *testing.T) { b.translated(t, r.runner, r.wrong) })
	}
	t.Run("fields", b.knowsEveryField)
	t.Run("faults", func(t *testing.T) { b.faults(t, "openai/", dropped) })
	t.Run("faults with soft ends", func(t *testing.T) { b.faults(t, "soft/", ended) })
}

// runner is one SDK that can be run over all the exchanges.
type runner struct {
	name    string // in baseline.json
	sdk     string // as its program calls it
	api     string // whose exchanges are tried
	prefix  string // of the provider's models
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

// recorded runs an SDK over every exchange of its own API, straight at the provider and
// through the gateway, and compares it with the golden summaries and with itself.
func (b *bench) recorded(t *testing.T, r runner) {
	dir := t.TempDir()
	straight, through := filepath.Join(dir, "straight.jsonl"), filepath.Join(dir, "through.jsonl")
	b.run(t, r.program("--sdk", r.sdk, "--data", b.exchanges(), "--base", b.replay, "--out", straight))
	b.run(t, r.program("--sdk", r.sdk, "--data", b.exchanges(), "--base", b.gateway, "--out", through,
		"--key", b.key, "--via", "model", "--prefix", r.prefix))
	b.compare(t, r, through)
	b.same(t, summaries(t, straight), summaries(t, through))
}

// differencePattern finds what differs in a line of compare.py.
var differencePattern = regexp.MustCompile(`\('([a-z_.]+)',`)

// translated runs an SDK over the exchanges of another API than its own, which answer
// a plain prompt, and compares what is neutral: text, tool calls, finish. Usage is not:
// what each API counts among its input and output is held in package provider.
func (b *bench) translated(t *testing.T, r runner, wrong int) {
	results := filepath.Join(t.TempDir(), "results.jsonl")
	b.run(t, r.program("--sdk", r.sdk, "--api", r.api, "--simple", "--data", b.exchanges(), "--base", b.gateway, "--out", results,
		"--key", b.key, "--via", "model", "--prefix", r.prefix))
	out := b.run(t, exec.Command("python3", filepath.Join(b.traffic, "sdk", "compare.py"), filepath.Join(b.traffic, "expected.jsonl"), results, "--cross", "--json"))
	counts, differs := counted(t, out)
	usage := 0
	for id, how := range differs {
		neutral := false
		for _, m := range differencePattern.FindAllStringSubmatch(how, -1) {
			neutral = neutral || !strings.HasPrefix(m[1], "usage.")
		}
		if neutral {
			t.Logf("%s: %.300s", id, how)
		} else {
			usage++
		}
	}
	total := counts["total"]
	right := counts["equal"] + counts["error-ok"] + counts["stream-error raised"] + usage
	t.Logf("%s over %s: %d exchanges: %d right, of which %d count usage otherwise", r.name, r.api, total, right, usage)
	if want := b.expected(t, r.api); total != want || right < total-wrong {
		t.Errorf("%d of %d exchanges, of which %d are right", total, want, right)
	}
}

// counted reads what compare.py printed.
func counted(t *testing.T, out []byte) (counts map[string]int, differs map[string]string) {
	t.Helper()
	head, _, _ := bytes.Cut(out, []byte("\n"))
	counts = map[string]int{}
	for _, m := range countPattern.FindAllSubmatch(head, -1) {
		counts[string(m[1])], _ = strconv.Atoi(string(m[2]))
	}
	found := jsonPattern.FindSubmatch(out)
	if found == nil {
		t.Fatalf("compare.py printed: %s", out)
	}
	decode(t, found[1], &differs)
	return counts, differs
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
func (b *bench) compare(t *testing.T, r runner, results string) {
	t.Helper()
	sdk := filepath.Join(b.traffic, "sdk")
	out := b.run(t, exec.Command("python3", filepath.Join(sdk, "compare.py"), filepath.Join(b.traffic, "expected.jsonl"), results, "--json"))
	counts, differs := counted(t, out)
	var baseline map[string]map[string]string
	decode(t, readFile(t, filepath.Join(sdk, "baseline.json")), &baseline)
	beyond := 0
	for id, how := range differs {
		if _, known := baseline[r.name][id]; !known {
			beyond++
			t.Errorf("%s: %s", id, how)
		}
	}
	if want := b.expected(t, r.api); counts["total"] != want {
		t.Errorf("%d of %d exchanges were tried", counts["total"], want)
	}
	t.Logf("%s: %d exchanges: %d equal, %d errors right, %d differ as at the provider, %d beyond the baseline, %d errors in a stream",
		r.name, counts["total"], counts["equal"], counts["error-ok"], len(differs)-beyond, beyond, counts["stream-error raised"]+counts["stream-error silent"])
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

// expected is the number of exchanges of an API that were recorded.
func (b *bench) expected(t *testing.T, api string) int {
	t.Helper()
	n := 0
	eachLine(t, filepath.Join(b.traffic, "expected.jsonl"), func(line []byte) {
		var golden struct{ API string }
		decode(t, line, &golden)
		if golden.API == api {
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
