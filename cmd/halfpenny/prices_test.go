package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/config"
	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/store"
)

// ran runs a command and returns what it printed.
func ran(t *testing.T, args ...string) (out string, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	err = run(t.Context(), args, &stdout, &stderr)
	return stdout.String(), err
}

// configured writes a configuration on a fresh store, with more of it in more.
func configured(t *testing.T, more string) (file string) {
	t.Helper()
	dir := t.TempDir()
	file = filepath.Join(dir, "halfpenny.yaml")
	text := fmt.Sprintf("server: {listen: 127.0.0.1:0}\nstore: {path: %s}\n%s", filepath.Join(dir, "data"), more)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// serving runs serve until the test ends and returns its address.
func serving(t *testing.T, file string) (url string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"serve", "--config", file}, w, io.Discard)
		w.Close()
	}()
	lines := bufio.NewScanner(r)
	for url == "" && lines.Scan() {
		if listen := gjson.Get(lines.Text(), "listen"); listen.Exists() {
			url = "http://" + listen.String()
		}
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	if url == "" {
		t.Fatal("serve did not start")
	}
	return url
}

// billing is a provider whose every reply reports the same usage.
func billing(t *testing.T, model, usage string) (config string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"id":"1","model":%q,"choices":[{"index":0,"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}],"usage":%s}`, model, usage)
	}))
	t.Cleanup(s.Close)
	return fmt.Sprintf("providers: [{name: main, kind: openai, base_url: %q, api_keys: [k]}]\n", s.URL+"/v1")
}

const aMillion = `{"prompt_tokens":1000000,"completion_tokens":0,"total_tokens":1000000}`

// bill makes one call and returns its receipt.
func bill(t *testing.T, url, key string) string {
	t.Helper()
	header, _ := post(t, url+"/v1/chat/completions", key, `{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}`)
	return receipt(t, url, key, header.Get("X-Request-Id"))
}

func receipt(t *testing.T, url, key, id string) string {
	t.Helper()
	_, body := send(t, http.MethodGet, url+"/v1/requests/"+id, key, "")
	return body
}

func tenantKey(t *testing.T, file, slug string) string {
	t.Helper()
	out, err := ran(t, "tenant", "create", "--config", file, "--slug", slug, "--admin-email", "a@example.com", "--plan", "enterprise")
	if err != nil {
		t.Fatal(err)
	}
	return gjson.Get(out, "apiKey").Str
}

// A price list that is taken in beside a running gateway is in force within a second;
// calls made before keep their prices.
func TestPricesUpdate(t *testing.T) {
	file := configured(t, billing(t, "gpt-4o-mini-2024-07-18", aMillion))
	key := tenantKey(t, file, "acme-corp")
	url := serving(t, file)
	before := bill(t, url, key)
	if got := gjson.Get(before, "costUsd").Raw; got != "0.15" {
		t.Errorf("a million tokens cost %s, want 0.15", got)
	}
	list := filepath.Join(t.TempDir(), "list.json")
	document := `[{"id":"openai","models":[{"id":"gpt-4o-mini","match":{"starts_with":"gpt-4o-mini"},"prices":{"input_mtok":0.2,"output_mtok":0.8}}]}]`
	if err := os.WriteFile(list, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ran(t, "prices", "update", "--config", file, "--from", list); err == nil || !strings.Contains(err.Error(), "--source") {
		t.Errorf("a list without provenance: %v", err)
	}
	out, err := ran(t, "prices", "update", "--config", file, "--from", list, "--source", "a page")
	if err != nil || !strings.Contains(out, "openai gpt-4o-mini: input $0.15 → $0.2 from") {
		t.Errorf("%v\n%s", err, out)
	}
	deadline := time.Now().Add(time.Second)
	after := bill(t, url, key)
	for gjson.Get(after, "costUsd").Raw != "0.2" && time.Now().Before(deadline) {
		after = bill(t, url, key)
	}
	if gjson.Get(after, "costUsd").Raw != "0.2" || !strings.HasPrefix(gjson.Get(after, "prices.version").Str, "genai-prices 20") {
		t.Errorf("a second later: %s", after)
	}
	if again := receipt(t, url, key, gjson.Get(before, "id").Str); gjson.Get(again, "costUsd").Raw != "0.15" || gjson.Get(again, "prices").Raw != gjson.Get(before, "prices").Raw {
		t.Errorf("the call made before: %s", again)
	}
	if out, err := ran(t, "prices", "update", "--config", file, "--from", list, "--source", "a page"); err != nil || out != "nothing changes\n" {
		t.Errorf("taken in again: %v\n%s", err, out)
	}
	if out, err := ran(t, "prices", "show", "gpt-4o-mini", "--config", file); err != nil || !strings.Contains(out, "input 0.2, output 0.8") || !strings.Contains(out, "not now") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestPricesCheck(t *testing.T) {
	file := configured(t, "")
	out, err := ran(t, "prices", "check", "--config", file)
	if err != nil || !strings.Contains(out, "0 rows without") || !strings.Contains(out, "genai-prices 0.1.8") {
		t.Errorf("%v\n%s", err, out)
	}
	f := func(document, want string) {
		t.Helper()
		list := filepath.Join(t.TempDir(), "list.json")
		if err := os.WriteFile(list, []byte(document), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := ran(t, "prices", "check", "--config", file, "--from", list)
		if err != nil {
			out += err.Error()
		}
		if !strings.Contains(out, want) {
			t.Errorf("%s\n%s\nwant %s", document, out, want)
		}
	}
	f(`[{"id":"openai","models":[{"id":"gpt-77","match":{"equals":"gpt-77"},"prices":{"input_mtok":1,"output_mtok":2}}]}]`, "openai gpt-77: new")
	f(`{}`, "cannot read the price list")
	f(`[{"id":"openai","models":[{"id":"m","match":{"equals":"m"},"prices":{"input_mtok":-1}}]}]`, "m")
	if _, err := os.Stat(filepath.Join(filepath.Dir(file), "data")); !os.IsNotExist(err) {
		t.Errorf("a check has made a store: %v", err)
	}
	if _, err := ran(t, "prices", "show", "gpt-5-minny", "--config", file); err == nil || !strings.Contains(err.Error(), "gpt-5-mini") {
		t.Errorf("a name that is near: %v", err)
	}
}

// What the operator agreed on is charged, the most specific first, and the receipt says so.
func TestPriceTerms(t *testing.T) {
	file := configured(t, billing(t, "gpt-4o-mini", aMillion)+`
prices:
  overrides:
    - {tenant: special-co, provider: openai, model: gpt-4o-mini, input: 0.12, output: 0.5}
  discounts: [{provider: main, percent: 10}]
  margins: [{tenant: acme-corp, percent: 5}]
`)
	acme, special, plain := tenantKey(t, file, "acme-corp"), tenantKey(t, file, "special-co"), tenantKey(t, file, "plain-co")
	url := serving(t, file)
	f := func(key, cost, version string) {
		t.Helper()
		got := bill(t, url, key)
		if gjson.Get(got, "costUsd").Raw != cost || gjson.Get(got, "prices.version").Str != version || gjson.Get(got, "baselineUsd").Raw != "0.15" {
			t.Errorf("%s of %s at %q, want %s at %q", gjson.Get(got, "costUsd").Raw, gjson.Get(got, "baselineUsd").Raw, gjson.Get(got, "prices.version").Str, cost, version)
		}
	}
	f(plain, "0.135", "genai-prices 0.1.8 -10% discount")
	f(acme, "0.14175", "genai-prices 0.1.8 -10% discount +5% margin")
	f(special, "0.108", "genai-prices 0.1.8 +tenant price -10% discount")
}

// What was learned of token counts is there after a restart.
func TestCalibrationIsKept(t *testing.T) {
	file := configured(t, billing(t, "gpt-4o-mini", `{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}`))
	key := tenantKey(t, file, "acme-corp")
	t.Run("serve", func(t *testing.T) { bill(t, serving(t, file), key) })
	err := withStore(t.Context(), file, func(ctx context.Context, _ *config.Config, db database) error {
		rows, err := db.LoadCalibrations(ctx)
		if len(rows) != 1 || rows[0].Model != "openai/gpt-4o-mini" || rows[0].Samples != 1 {
			t.Errorf("%+v", rows)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// A price list comes from a file or an https address, and nowhere else.
func TestPriceListByHTTPS(t *testing.T) {
	served := http.StatusOK
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(served)
		_, _ = w.Write([]byte(`[{"id":"openai","models":[{"id":"gpt-77","match":{"equals":"gpt-77"},"prices":{"input_mtok":1,"output_mtok":2}}]}]`))
	}))
	defer s.Close()
	before := http.DefaultClient.Transport
	http.DefaultClient.Transport = s.Client().Transport
	defer func() { http.DefaultClient.Transport = before }()
	file := configured(t, "")
	if out, err := ran(t, "prices", "update", "--config", file, "--from", s.URL); err != nil || !strings.Contains(out, "openai gpt-77: new") {
		t.Errorf("%v\n%s", err, out)
	}
	err := withStore(t.Context(), file, func(ctx context.Context, _ *config.Config, db database) error {
		lists, err := db.PriceLists(ctx, time.Now())
		if len(lists) != 1 || !strings.HasPrefix(lists[0].Source, s.URL+" sha256:") {
			t.Errorf("%+v", lists)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	served = http.StatusNotFound
	f := func(from, want string) {
		t.Helper()
		if _, err := ran(t, "prices", "check", "--config", file, "--from", from); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", from, err, want)
		}
	}
	f(s.URL, "status 404")
	f("http://127.0.0.1:1/list.json", "neither a file nor an https address")
	f(filepath.Join(t.TempDir(), "none.json"), "no such file")
}

// A list that is older than the embedded one is passed over.
func TestOlderPriceListIsPassedOver(t *testing.T) {
	document := []byte(`[{"id":"openai","models":[{"id":"gpt-77","match":{"equals":"gpt-77"},"prices":{"input_mtok":1,"output_mtok":2}}]}]`)
	f := func(from time.Time, known bool) {
		t.Helper()
		c, err := withPriceLists([]store.PriceList{{From: from, Version: "v", Document: document}})
		if err != nil || (c.Lookup("gpt-77") != nil) != known {
			t.Errorf("from %v: known %v, %v", from, !known, err)
		}
	}
	dated := pricing.Embedded().Dated()
	f(dated.Add(-time.Hour), false)
	f(dated.Add(time.Hour), true)
}

// A model that the catalogue does not know has the price that was agreed for it; one
// that nobody serves is a mistake.
func TestPriceOfOwnModel(t *testing.T) {
	own := strings.Replace(billing(t, "my-model", aMillion), "api_keys: [k]", "api_keys: [k], models: [my-model]", 1)
	file := configured(t, own+"prices: {overrides: [{provider: main, model: my-model, input: 0.05, output: 0.1}]}\n")
	key := tenantKey(t, file, "acme-corp")
	url := serving(t, file)
	header, _ := post(t, url+"/v1/chat/completions", key, `{"model":"my-model","messages":[{"role":"user","content":"hi"}]}`)
	if header.Get("X-Halfpenny-Cost-Usd") != "0.05" || header.Get("X-Halfpenny-Cost-Status") != "exact" {
		t.Errorf("%v", header)
	}
	for key, section := range map[string]string{
		"prices.overrides[0].model": "overrides: [{model: gpt-fife, input: 1, output: 1}]",
		"prices.discounts[0].model": "discounts: [{model: gpt-fife, percent: 1}]",
		"prices.margins[0].model":   "margins: [{model: gpt-fife, percent: 1}]",
	} {
		if _, err := ran(t, "serve", "--config", configured(t, own+"prices: {"+section+"}\n")); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
}
