package drill

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// metrics are the names of the contracts that the gateway exposes.
var metrics = []string{
	"requests_total{", "request_duration_seconds_bucket{", "overhead_seconds_bucket{", "time_to_first_token_seconds_bucket{", "tokens_total{",
	"cost_usd_total{", "savings_usd_total{", "unpriced_requests_total{", "rate_limited_total ", "ledger_queue_depth ", "ledger_oldest_seconds ",
	"ledger_written_total ", "provider_state{", "provider_attempts_total{", "estimate_error_ratio_bucket{",
}

// TestOperations: what the gateway tells of itself goes to the operator alone, and
// nothing of it is a prompt, a key or a token.
func TestOperations(t *testing.T) {
	onBoth(t, func(t *testing.T, db database) {
		t.Parallel()
		const token = "the-drill-is-the-operator"
		in := install(t, db)
		in.more = "admin: {token: " + token + "}\n"
		in.configure(first)
		in.secrets = append(in.secrets, token)
		key := in.tenant("measured", "free")
		g := in.start()
		c := g.caller(key)
		for _, q := range []question{{}, {stream: true}, {model: "first/of-no-price"}, {marker: "status=500"}, {marker: "status=400"}, {model: "no-such-model"}, {marker: "cut=2", stream: true}} {
			c.ask(q)
		}
		g.caller(key[:len(key)-1]).ask(question{})
		get := func(path string, header ...string) (int, string) {
			t.Helper()
			return fetch(t, g.url+path, header...)
		}

		_, page := get("/metrics")
		for _, name := range metrics {
			if !strings.Contains(page, "\nhalfpenny_"+name) {
				t.Errorf("/metrics lacks %s", name)
			}
		}
		f := func(want int, header ...string) {
			t.Helper()
			if status, body := get("/metrics", header...); status != want || strings.Contains(body, "halfpenny_") != (want == 200) {
				t.Errorf("/metrics with %q: %d %.100q", header, status, body)
			}
		}
		f(200)
		for _, proxied := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "X-Real-Ip", "Via"} {
			f(401, proxied, "10.0.0.1")
			f(401, proxied, "127.0.0.1", "Authorization", "Bearer wrong")
			f(401, proxied, "127.0.0.1", "Authorization", "Bearer "+key)
			f(200, proxied, "10.0.0.1", "Authorization", "Bearer "+token)
		}
		_, open := get("/api/health")
		_, hidden := get("/api/health", "Via", "1.1 proxy")
		if !strings.Contains(open, `"ledger"`) || strings.Contains(hidden, `"ledger"`) || !strings.Contains(hidden, `"status"`) {
			t.Errorf("/api/health: %s for the operator, %s for others", open, hidden)
		}
		if status, body := get("/health"); status != 200 || !strings.Contains(body, "ok") {
			t.Errorf("/health: %d %s", status, body)
		}
		get("/v1/usage?key=" + key)
		get("/v1/usage?key=" + key + "x")

		g.stop()
		lines := 0
		for line := range strings.Lines(g.out.text()) {
			if lines++; !json.Valid([]byte(line)) {
				t.Errorf("a line of the log is no JSON: %q", line)
			}
		}
		if lines < 2 { // the start and the failed calls; end looks for secrets in them
			t.Errorf("the log has %d lines", lines)
		}
	})
}

// TestMetricsPort: on a port of their own, metrics are for whoever reaches it.
func TestMetricsPort(t *testing.T) {
	t.Parallel()
	in := install(t, database{})
	port := freePort(t)
	in.scrape = port
	in.configure(first)
	g := in.start()
	if status, page := fetch(t, "http://"+port+"/metrics", "Via", "1.1 proxy"); status != 200 || !strings.Contains(page, "halfpenny_") {
		t.Errorf("the port of its own: %d", status)
	}
	if status, _ := fetch(t, "http://"+port+"/ready"); status != 404 {
		t.Errorf("something else there: %d", status)
	}
	if status, _ := fetch(t, g.url+"/metrics"); status != 404 {
		t.Errorf("the main port: %d", status)
	}
	g.stop()
}

// fetch reads a URL. A header is a name and a value.
func fetch(t *testing.T, url string, header ...string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	check(t, err)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	check(t, err)
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	b, err := io.ReadAll(resp.Body)
	check(t, err)
	return resp.StatusCode, string(b)
}
