package sdk

import (
	"bytes"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// hang is longer than the clients' own time-out of 3 s, on a loaded machine.
const hang = 6 * time.Second

// wait is the Retry-After of the faults, less the clocks' coarseness; without it
// the clients would wait half a second.
const wait = 950 * time.Millisecond

// The OpenAI clients of the script: a stream read by chunks, one read by the
// SDK's helper, and a reply in one piece.
const (
	chunks = "openai"
	helper = "openai.stream()"
	plain  = "openai nonstream"
)

// fault is a fault of the upstream and what a client must make of it: a pattern
// of the error, or whole where it must not notice.
type fault struct{ name, want string }

const whole = ""

// cause is how an error that the gateway raised itself reads.
const cause = `type=server_error code=upstream_unavailable`

// known are the faults of the script other than cuts.
var known = []fault{
	{"(none)", whole},
	{"status=400", `^THROW BadRequestError status=400 type=invalid_request_error`},
	{"status=401", `^THROW AuthenticationError status=401 type=invalid_request_error code=invalid_api_key`},
	{"status=404", `^THROW NotFoundError status=404 type=invalid_request_error code=model_not_found`},
	{"status=429;retry-after=1", `^THROW RateLimitError status=429 type=requests code=rate_limit_exceeded`},
	{"status=500", `^THROW InternalServerError status=500 type=server_error`},
	{"status=503", `^THROW InternalServerError status=503 type=server_error`},
	{"status=529", `^THROW InternalServerError status=529 type=server_error`},
	{"split=1", whole},
	{"split=7", whole},
	{"coalesce", whole},
	{"crlf", whole},
	{"comments", whole},
	{"noterminator", whole}, // the finish reason has come: nothing is lost
	{"badchunk=2", `^THROW `},
	{"midError", `^THROW APIError status=undefined type=server_error`},
	{"slowhead=4000", `^THROW APIConnectionTimeoutError`},
	{"stall=2:500", whole},
}

// dropped are the cuts when the connection breaks.
var dropped = []fault{
	{"cut=0", `^THROW InternalServerError status=502 ` + cause},
	{"cut=3", `^THROW APIError status=undefined ` + cause},
	{"cutbytes=401", `^THROW APIError status=undefined ` + cause},
}

// ended are the cuts when the reply seems to end in order.
var ended = []fault{
	{"cut=0", `^THROW \w+ status=(502|undefined) ` + cause},
	{"cut=3", `^THROW APIError status=undefined ` + cause},
	{"cutbytes=401", `^THROW APIError status=undefined ` + cause},
}

// faults runs the fault matrix through the provider that prefix names: no client
// hangs, none takes a part for the whole, each raises its own right class.
func (b *bench) faults(t *testing.T, prefix string, cuts []fault) {
	c := exec.Command("node", "faults.mjs", "--base", b.gateway, "--control", b.replay, "--key", b.key, "--via", "model", "--prefix", prefix)
	c.Dir = b.node
	out := b.run(t, c)
	b.disarm(t) // a dialect that is not served has left its own behind
	matrix := parseMatrix(t, out)
	for _, f := range append(cuts, known...) {
		for _, client := range []string{chunks, helper, plain} {
			got, tried := matrix[f.name][client]
			switch {
			case tried:
				f.check(t, client, got, matrix["(none)"][client].result)
			case client != plain: // not every fault exists without a stream
				t.Errorf("%s, %s: not tried", f.name, client)
			}
		}
	}
	for name := range matrix {
		if !covered(name, cuts) {
			t.Errorf("%s: nothing is expected of it", name)
		}
	}
	again := matrix["retry-after"][chunks]
	if again.result != matrix["(none)"][plain].result || again.took < wait || again.took > hang {
		t.Errorf("a retry after 1 s: %s after %v", again.result, again.took)
	}
	t.Logf("%d faults by the OpenAI clients:\n%s", len(matrix)-1, matrix)
}

func covered(name string, cuts []fault) bool {
	if name == "retry-after" {
		return true
	}
	for _, f := range append(cuts, known...) {
		if f.name == name {
			return true
		}
	}
	return false
}

// outcome is what a client made of a fault.
type outcome struct {
	result string // "THROW …" or what was read, as JSON
	took   time.Duration
}

// check reports an outcome that is not as the fault wants it.
func (f fault) check(t *testing.T, client string, got outcome, undisturbed string) {
	t.Helper()
	if got.took > hang {
		t.Errorf("%s, %s: took %v", f.name, client, got.took)
	}
	if f.want == whole {
		if got.result != undisturbed || strings.HasPrefix(got.result, "THROW") {
			t.Errorf("%s, %s: %s, undisturbed %s", f.name, client, got.result, undisturbed)
		}
		return
	}
	if !regexp.MustCompile(f.want).MatchString(got.result) {
		t.Errorf("%s, %s: %s, want %s", f.name, client, got.result, f.want)
	}
}

// matrix holds the outcomes by fault and client.
type matrix map[string]map[string]outcome

// String is a line for each outcome that is of interest.
func (m matrix) String() string {
	var s strings.Builder
	for _, f := range append(dropped, known...) {
		for _, client := range []string{chunks, helper, plain} {
			if o, ok := m[f.name][client]; ok {
				fmt.Fprintf(&s, "%-25s %-17s %5d ms  %.110s\n", f.name, client, o.took.Milliseconds(), o.result)
			}
		}
	}
	return s.String()
}

// parseMatrix reads the script's lines of the OpenAI clients: fault, client, time
// and result; the last two change places where the fault is "retry-after".
func parseMatrix(t *testing.T, out []byte) matrix {
	t.Helper()
	m := matrix{}
	for line := range bytes.Lines(out) {
		cells := strings.SplitN(strings.TrimSpace(string(line)), " | ", 4)
		if len(cells) != 4 || !strings.HasPrefix(cells[1], "openai") {
			continue
		}
		took, result := cells[2], cells[3]
		if cells[0] == "retry-after" {
			took, result = result, took
		}
		ms, err := strconv.Atoi(strings.TrimSuffix(took, "ms"))
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if m[cells[0]] == nil {
			m[cells[0]] = map[string]outcome{}
		}
		m[cells[0]][cells[1]] = outcome{result, time.Duration(ms) * time.Millisecond}
	}
	return m
}
