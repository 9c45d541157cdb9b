package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/config"
	"github.com/generic-corp/halfpenny/tenancy"
)

// started is a whole gateway on SQLite with the providers that the YAML text names;
// it returns its address and a key.
func started(t testing.TB, providers string) (addr, key string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "halfpenny.yaml")
	text := fmt.Sprintf("server: {listen: 127.0.0.1:0}\nstore: {path: %s}\n%s", filepath.Join(dir, "data"), providers)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.Flags{File: file, Serve: true})
	if err != nil {
		t.Fatal(err)
	}
	g, err := open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	made, err := g.admin.Provision(t.Context(), actor, tenancy.ProvisionRequest{Slug: "bench", AdminEmail: "b@example.com", PlanTier: "enterprise"}, "")
	if err != nil {
		t.Fatal(err)
	}
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, err := g.server(cfg, port)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.serve(ctx, cfg.Server.Drain) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := g.close(); err != nil {
			t.Error(err)
		}
	})
	return port.Addr().String(), made.APIKey
}

// post sends JSON and returns the answer's header and body.
func post(t *testing.T, url, key, body string) (http.Header, string) {
	t.Helper()
	return send(t, http.MethodPost, url, key, body)
}

// send makes a request that must succeed.
func send(t *testing.T, method, url, key, body string) (http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %v %s", url, resp.StatusCode, err, b)
	}
	return resp.Header, string(b)
}

// TestEstimateChoosesAsTheDataPlaneDoes: what an estimate recommends for a task is
// what a chat request for model auto with the same words gets.
func TestEstimateChoosesAsTheDataPlaneDoes(t *testing.T) {
	addr, key := started(t, "routing: {baseline_model: gpt-4o}\n")
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	url := "http://" + addr
	for _, task := range []string{"hi", "Write a Python script to analyze CSV data", "Überprüfe \"diesen\" Satz.\n\tUnd diesen.", strings.Repeat("a long task of many words ", 2000)} {
		for _, preferred := range []string{"", "openai"} {
			t.Run(fmt.Sprintf("%.12s %s", task, preferred), func(t *testing.T) {
				text, err := json.Marshal(task)
				if err != nil {
					t.Fatal(err)
				}
				preferences, order := "", ""
				if preferred != "" {
					preferences = fmt.Sprintf(`,"preferences":{"preferredProvider":%q}`, preferred)
					order = fmt.Sprintf(`,"provider":{"order":[%q]}`, preferred)
				}
				_, estimate := post(t, url+"/api/orchestration/estimate", key, fmt.Sprintf(`{"taskDescription":%s%s}`, text, preferences))
				served, _ := post(t, url+"/v1/chat/completions", key, fmt.Sprintf(`{"model":"auto","messages":[{"role":"user","content":%s}]%s}`, text, order))
				recommended := gjson.Get(estimate, "recommendation")
				if recommended.Get("model").Str != served.Get("X-Halfpenny-Model") || recommended.Get("provider").Str != served.Get("X-Halfpenny-Provider") {
					t.Errorf("recommended %s, served %s of %s", recommended, served.Get("X-Halfpenny-Model"), served.Get("X-Halfpenny-Provider"))
				}
				if gjson.Get(estimate, "savingsAnalysis.baselineModel").Str != "gpt-4o" || recommended.Get("estimatedCost").Type != gjson.Number {
					t.Errorf("estimate %s", estimate)
				}
			})
		}
	}
}
