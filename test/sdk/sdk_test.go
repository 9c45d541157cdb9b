package sdk

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	programs "github.com/generic-corp/halfpenny/test/internal/bench"
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
		{runner{"openai-responses", "openai-responses", "anthropic.messages", "anthropic/", b.nodeRunner}, 4},
		{runner{"genai", "genai", "anthropic.messages", "anthropic/", b.nodeRunner}, 4},
		{runner{"go-genai", "genai", "anthropic.messages", "anthropic/", b.goRunner}, 4},
		// Four are calls in pieces, of which the golden summaries make many.
		{runner{"openai-chat", "openai-chat", "gemini.generateContent", "gemini/", b.nodeRunner}, 4},
		{runner{"openai-responses", "openai-responses", "gemini.generateContent", "gemini/", b.nodeRunner}, 4},
		{runner{"anthropic", "anthropic", "gemini.generateContent", "gemini/", b.nodeRunner}, 4},
		{runner{"go-anthropic", "anthropic", "gemini.generateContent", "gemini/", b.goRunner}, 4},
		// Three refusals are text in Anthropic's form, and three calls are of the legacy kind, which it has not.
		{runner{"anthropic", "anthropic", "openai.chat", "openai/", b.nodeRunner}, 6},
		// Three calls are of the legacy kind, which the golden summaries leave out.
		{runner{"openai-responses", "openai-responses", "openai.chat", "chat/", b.nodeRunner}, 3},
		{runner{"go-openai-responses", "openai-responses", "openai.chat", "chat/", b.goRunner}, 3},
		// These three, and two streams of two choices each, which the runners read as one.
		{runner{"genai", "genai", "openai.chat", "openai/", b.nodeRunner}, 5},
		{runner{"go-genai", "genai", "openai.chat", "openai/", b.goRunner}, 5},
	} {
		t.Run(r.name+" over "+r.api, func(t *testing.T) { b.translated(t, r.runner, r.wrong) })
	}
	t.Run("fields", b.knowsEveryField)
	t.Run("faults", b.faults)
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
	b.run(t,
		r.program("--sdk", r.sdk, "--data", b.exchanges(), "--base", b.replay, "--out", straight),
		r.program("--sdk", r.sdk, "--data", b.exchanges(), "--base", b.gateway, "--out", through,
			"--key", b.key, "--via", "model", "--prefix", r.prefix))
	differs := b.compare(t, r, through)
	b.same(t, summaries(t, straight), summaries(t, through), differs)
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

// run runs programs at the same time and returns what the first one printed.
func (b *bench) run(t *testing.T, commands ...*exec.Cmd) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runTime)
	defer cancel()
	outs, failed := outputs(ctx, commands)
	if err := errors.Join(failed...); err != nil {
		t.Fatal(err)
	}
	return outs[0]
}

// outputs runs programs at the same time.
func outputs(ctx context.Context, commands []*exec.Cmd) (outs [][]byte, failed []error) {
	outs, failed = make([][]byte, len(commands)), make([]error, len(commands))
	var all sync.WaitGroup
	for i, c := range commands {
		all.Go(func() { outs[i], failed[i] = programs.Output(ctx, c) })
	}
	all.Wait()
	return outs, failed
}

var (
	countPattern = regexp.MustCompile(`'([^']+)': (\d+)`)
	jsonPattern  = regexp.MustCompile(`(?m)^JSON (.*)$`)
)

// compare holds an SDK's summaries against the golden ones: no difference that
// baseline.json does not know. It returns all that differ.
func (b *bench) compare(t *testing.T, r runner, results string) map[string]string {
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
	return differs
}

// same reports what an SDK read from the gateway otherwise than from the provider.
// Of an error that is its class and status: the gateway completes and masks the rest.
func (b *bench) same(t *testing.T, straight, through map[string]summary, differs map[string]string) {
	t.Helper()
	same := 0
	nameless := b.namelessCalls(t)
	for id, want := range straight {
		got := through[id]
		if e, ok := want["error"].(map[string]any); ok && e["status"] != nil {
			want, got = class(want), class(got)
		}
		if nameless[id] {
			dropIDs(want)
			dropIDs(got)
		}
		if !reflect.DeepEqual(got, want) && !raises(id, through[id], differs) {
			t.Errorf("%s\nprovider: %v\ngateway:  %v", id, want, got)
			continue
		}
		same++
	}
	t.Logf("%d of %d are read as at the provider", same, len(straight))
}

// raises reports whether an SDK reads from the gateway what it cannot at the provider:
// the error that a reply is, or the answer that the golden summary holds.
func raises(id string, through summary, differs map[string]string) bool {
	want, known := raised[id]
	if !known {
		return false
	}
	if through["ok"] == true {
		_, wrong := differs[id]
		return !wrong
	}
	status := class(through)["status"]
	return status == want || status == nil && numbered[id]
}

// namelessCalls are the exchanges whose calls of tools have no ids, so that an SDK may
// make some up, at random.
func (b *bench) namelessCalls(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	eachLine(t, filepath.Join(b.traffic, "expected.jsonl"), func(line []byte) {
		var golden struct {
			ID    string
			Calls []struct{ ID string } `json:"tool_calls"`
		}
		decode(t, line, &golden)
		for _, c := range golden.Calls {
			if c.ID == "" {
				all[golden.ID] = true
			}
		}
	})
	return all
}

func dropIDs(s summary) {
	calls, _ := s["tool_calls"].([]any)
	for _, c := range calls {
		if c, ok := c.(map[string]any); ok {
			delete(c, "id")
		}
	}
}

// raised are replies that an SDK takes at the provider for an empty answer, or stumbles
// over. Behind the gateway it raises the error that they are, with this status.
var raised = map[string]float64{
	// An error and no answer, with status 200.
	"openai-chat_azure_6438b1679e": 400,
	// An error that is a bare string, which the gateway writes in the form of the API.
	"openai-responses_xai_33241e7cb3": 400,
	// Arrays, as Gemini streams them where no events were asked for. Google's SDKs ask here
	// for no stream, to which no provider answers so; the AI SDK asks for events, which the
	// gateway makes of them.
	"gemini-generateContent_gemini_0138f03f42": 502,
	"gemini-generateContent_gemini_18eefd6841": 502,
	"gemini-generateContent_gemini_3d02485675": 502,
	"gemini-generateContent_gemini_44a99089af": 502,
	"gemini-generateContent_gemini_5220ff8321": 502,
	"gemini-generateContent_gemini_91eaae93c7": 502,
	"gemini-generateContent_gemini_93a2e39d82": 502,
	"gemini-generateContent_gemini_9b1dbbb736": 502,
	"gemini-generateContent_gemini_b9985f6634": 502,
	"gemini-generateContent_gemini_d21092c278": 502,
	"gemini-generateContent_gemini_d55e112452": 502,
}

// numbered are those of them that have numbers for names, which their request asked for
// ($alt=json;enum-encoding=int). The AI SDK reads no such events, and says so without a status.
var numbered = map[string]bool{
	"gemini-generateContent_gemini_0138f03f42": true,
	"gemini-generateContent_gemini_5220ff8321": true,
	"gemini-generateContent_gemini_9b1dbbb736": true,
	"gemini-generateContent_gemini_d21092c278": true,
}

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
