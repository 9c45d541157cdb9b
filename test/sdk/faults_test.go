package sdk

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// hang is longer than the clients' own time-out of 3 s, and than the slowest of the
// faults takes on a loaded machine.
const hang = 10 * time.Second

// wait is the Retry-After of the faults, less the clocks' coarseness; without it
// the clients would wait half a second.
const wait = 950 * time.Millisecond

// whole says that a client must read what it reads undisturbed.
const whole = ""

// wants says what clients must make of each fault of the script: a pattern of the
// error, or whole where they must not notice.
type wants map[string]string

// faulty is a group of clients of one provider that see its faults alike.
type faulty struct {
	kind    string   // of the provider
	streams []string // clients of the script that read a stream
	plain   string   // the one that reads a reply in one piece; "": none
	retries string   // the client whose own retry is tried; "": none
	want    wants
	inPlain wants // where a reply in one piece differs
	soft    wants // where the connection ends in order instead of breaking: the first event may lack but its blank line
}

// unseen are the faults that no client may notice.
var unseen = wants{
	"(none)": whole, "split=1": whole, "split=7": whole, "coalesce": whole, "crlf": whole, "comments": whole, "stall=2:500": whole,
}

// openAIStatus are the errors of OpenAI's SDK by the upstream's status.
var openAIStatus = wants{
	"status=400":               `^THROW BadRequestError status=400 type=invalid_request_error`,
	"status=401":               `^THROW AuthenticationError status=401 type=invalid_request_error code=invalid_api_key`,
	"status=404":               `^THROW NotFoundError status=404 type=invalid_request_error code=model_not_found`,
	"status=429;retry-after=1": `^THROW RateLimitError status=429 type=requests code=rate_limit_exceeded`,
	"status=500":               `^THROW InternalServerError status=500 type=server_error`,
	"status=503":               `^THROW InternalServerError status=503 type=server_error`,
	"status=529":               `^THROW InternalServerError status=529 type=server_error`,
	"slowhead=4000":            `^THROW APIConnectionTimeoutError`,
}

// cause is how an error that the gateway raised itself reads to OpenAI's SDK.
const cause = `type=server_error code=upstream_unavailable`

// beforeFirst is how one reads that came before the stream's first event was whole.
const beforeFirst = `^THROW InternalServerError status=502 ` + cause

// cutShort is how the error reads that ends a stream which is not complete. The helper
// of the Responses API throws the event itself, whose type is error.
const cutShort = `^THROW Object status=undefined type=error code=upstream_unavailable The provider's stream ended before its answer was complete`

var groups = []faulty{
	{
		// A stream read by chunks, one read by the SDK's helper, and a reply in one piece.
		kind: "openai", streams: []string{"openai", "openai.stream()"}, plain: "openai nonstream", retries: "openai",
		want: with(unseen, openAIStatus, wants{
			"noterminator": whole, // the finish reason has come: nothing is lost
			"badchunk=2":   `^THROW `,
			"midError":     `^THROW APIError status=undefined type=server_error`,
			"cut=0":        beforeFirst,
			"cut=3":        `^THROW APIError status=undefined ` + cause,
			"cutbytes=401": `^THROW APIError status=undefined ` + cause,
		}),
		soft: wants{"cut=0": `^THROW \w+ status=(502|undefined) ` + cause},
	},
	{
		kind: "openai", streams: []string{"responses.stream()"},
		want: with(unseen, openAIStatus, wants{
			"noterminator": cutShort, // the terminator is the response itself; the SDK would return it in progress
			"badchunk=2":   `^THROW OpenAIError .*JSON`,
			"midError":     `^THROW Object status=undefined type=error code=server_error`,
			"cut=0":        beforeFirst,
			"cut=3":        cutShort,
			"cutbytes=401": beforeFirst,
		}),
		soft: wants{"cutbytes=401": beforeFirst + `|^THROW OpenAIError .*expected 'response.created'`},
	},
	{
		kind: "anthropic", streams: []string{"anthropic.stream()"}, plain: "anthropic nonstream", retries: "anthropic",
		want: with(unseen, wants{
			"status=400":               `^THROW BadRequestError status=400 type=invalid_request_error`,
			"status=401":               `^THROW AuthenticationError status=401 type=authentication_error`,
			"status=404":               `^THROW NotFoundError status=404 type=not_found_error`,
			"status=429;retry-after=1": `^THROW RateLimitError status=429 type=rate_limit_error`,
			"status=500":               `^THROW InternalServerError status=500 type=api_error`,
			"status=503":               `^THROW ServiceUnavailableError status=503 type=overloaded_error`,
			"status=529":               `^THROW OverloadedError status=529 type=overloaded_error`,
			"slowhead=4000":            `^THROW APIConnectionTimeoutError`,
			"noterminator":             `^THROW AnthropicError .*stream ended without producing a Message`, // its helper insists on message_stop
			"badchunk=2":               whole,                                                              // the third event is a ping, whose data no client reads
			"midError":                 `^THROW APIError status=undefined type=overloaded_error`,
			"cut=0":                    `^THROW InternalServerError status=502 type=api_error`,
			"cut=3":                    `^THROW APIError status=undefined type=api_error .*The provider's stream ended before its an`,
			"cutbytes=401":             `^THROW InternalServerError status=502 type=api_error`,
		}),
		inPlain: wants{"badchunk=2": `^THROW InternalServerError status=502 type=api_error`},
		soft:    wants{"cutbytes=401": `^THROW \w+ status=(502|undefined) type=api_error`},
	},
	{
		// Google's SDK has one class of error, and retries nothing by itself.
		kind: "gemini", streams: []string{"genai stream"}, plain: "genai nonstream",
		want: with(unseen, wants{
			"split=7":                  `^\{|^THROW DOMException `, // its time-out is for the whole stream, which takes about as long
			"status=400":               googles(400, "INVALID_ARGUMENT"),
			"status=401":               googles(401, "UNAUTHENTICATED"),
			"status=404":               googles(404, ""), // the message is longer than the script prints
			"status=429;retry-after=1": googles(429, "RESOURCE_EXHAUSTED"),
			"status=500":               googles(500, "INTERNAL"),
			"status=503":               googles(503, "UNAVAILABLE"),
			"status=529":               googles(529, "INTERNAL"),
			"slowhead=4000":            `^THROW DOMException .*aborted`,
			"noterminator":             googlesCut, // without its finish reason the SDK would take the part for the whole
			"badchunk=2":               `^THROW SyntaxError .*JSON`,
			"midError":                 `^THROW ApiError status=503 .*got status: UNAVAILABLE`,
			"cut=0":                    googles(502, ""),
			"cut=3":                    googlesCut,
			"cutbytes=401":             googles(502, ""),
		}),
		inPlain: wants{"badchunk=2": googles(502, ""), "split=7": whole},
	},
}

// googles is how an error in the form of Google's APIs reads to its SDK.
func googles(code int, status string) string {
	p := fmt.Sprintf(`^THROW ApiError status=%d .*\{"error":\{"code":%[1]d,`, code)
	if status != "" {
		p += `.*"status":"` + status
	}
	return p
}

// googlesCut is how its SDK reads the error that ends a stream which is not complete.
const googlesCut = `^THROW ApiError status=502 .*got status: INTERNAL.*The provider's stream ended before its answer was comple`

func with(all ...wants) wants {
	sum := wants{}
	for _, w := range all {
		maps.Copy(sum, w)
	}
	return sum
}

// faults runs the fault matrix through every provider, all at once, since most of the
// time goes into waiting: no client hangs, none takes a part for the whole, each raises
// its own right class.
func (b *bench) faults(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), runTime)
	defer cancel()
	providers := slices.Sorted(maps.Keys(b.control))
	var scripts []*exec.Cmd
	for _, p := range providers {
		c := exec.Command("node", "faults.mjs", "--base", b.gateway, "--control", b.control[p], "--key", b.key, "--via", "model", "--prefix", p+"/")
		c.Dir = b.node
		scripts = append(scripts, c)
	}
	outs, failed := outputs(ctx, scripts)
	for i, p := range providers {
		t.Run(p, func(t *testing.T) {
			if failed[i] != nil {
				t.Fatal(failed[i])
			}
			b.disarm(t, p) // a client of another dialect may have left its own behind
			kind, isSoft := strings.CutPrefix(p, soft)
			m := parseMatrix(t, outs[i])
			for _, g := range groups {
				if g.kind == kind {
					g.check(t, m, isSoft)
				}
			}
		})
	}
}

// check reports what in the matrix is not as a group wants it.
func (g faulty) check(t *testing.T, m matrix, isSoft bool) {
	want := with(g.want)
	if isSoft {
		maps.Copy(want, g.soft)
	}
	for _, client := range g.streams {
		for name := range want {
			if _, tried := m[name][client]; !tried {
				t.Errorf("%s, %s: not tried", name, client)
			}
		}
		m.check(t, client, want)
	}
	if g.plain != "" {
		m.check(t, g.plain, with(want, g.inPlain))
	}
	if g.retries != "" {
		again := m["retry-after"][g.retries]
		if again.result != m["(none)"][g.plain].result || again.took < wait || again.took > hang {
			t.Errorf("%s, a retry after 1 s: %s after %v", g.retries, again.result, again.took)
		}
	}
	t.Logf("faults, as the clients see them:\n%s", m.lines(append(slices.Clone(g.streams), g.plain)))
}

// outcome is what a client made of a fault.
type outcome struct {
	result string // "THROW …" or what was read, as JSON
	took   time.Duration
}

// matrix holds the outcomes by fault and client.
type matrix map[string]map[string]outcome

// check reports the outcomes of one client that are not as wanted.
func (m matrix) check(t *testing.T, client string, want wants) {
	t.Helper()
	undisturbed := m["(none)"][client].result
	for name, clients := range m {
		got, tried := clients[client]
		if !tried || name == "retry-after" {
			continue
		}
		pattern, expected := want[name]
		switch {
		case !expected:
			t.Errorf("%s, %s: nothing is expected of it", name, client)
		case got.took > hang:
			t.Errorf("%s, %s: took %v", name, client, got.took)
		case pattern == whole || strings.HasPrefix(got.result, "{"):
			if got.result != undisturbed || !strings.HasPrefix(got.result, "{") {
				t.Errorf("%s, %s: %s, undisturbed %s", name, client, got.result, undisturbed)
			}
			if pattern != whole && !regexp.MustCompile(pattern).MatchString(got.result) {
				t.Errorf("%s, %s: %s, want %s", name, client, got.result, pattern)
			}
		case !regexp.MustCompile(pattern).MatchString(got.result):
			t.Errorf("%s, %s: %s, want %s", name, client, got.result, pattern)
		}
	}
}

// lines is a line for each outcome of some clients.
func (m matrix) lines(clients []string) string {
	var s strings.Builder
	for _, name := range slices.Sorted(maps.Keys(m)) {
		for _, client := range clients {
			if o, ok := m[name][client]; ok {
				fmt.Fprintf(&s, "%-25s %-19s %5d ms  %.110s\n", name, client, o.took.Milliseconds(), o.result)
			}
		}
	}
	return s.String()
}

// parseMatrix reads the script's lines: fault, client, time and result; the last two
// change places where the fault is "retry-after".
func parseMatrix(t *testing.T, out []byte) matrix {
	t.Helper()
	m := matrix{}
	for line := range bytes.Lines(out) {
		cells := strings.SplitN(strings.TrimSpace(string(line)), " | ", 4)
		if len(cells) != 4 {
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
