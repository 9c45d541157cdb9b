package proxy_test

import (
	"fmt"
	"testing"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/proxy"
	"github.com/generic-corp/halfpenny/tenancy"
)

const tools = `,"tools":[{"type":"function","function":{"name":"look","parameters":{"type":"object"}}}]`

// called is the second turn of a tool chain that began with a question.
func called(model, question string) string {
	return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":%q},
		{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"look","arguments":"{}"}}]},
		{"role":"tool","tool_call_id":"c1","content":"42"}]%s}`, model, question, tools)
}

func begun(model, question string) string {
	return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":%q}]%s}`, model, question, tools)
}

// A tool chain goes on where it began, also if the router had chosen that, for that
// tenant's own conversation alone.
func TestToolChainStaysWithTheModelThatBeganIt(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"openai", "deepseek"}})
	const optimize = "X-Halfpenny-Route: optimize"
	first := h.post(begun("gpt-4o", "What is it?"), optimize)
	served := first.header.Get("X-Halfpenny-Model")
	if reason := first.header.Get("X-Halfpenny-Route-Reason"); reason != "substituted" {
		t.Fatalf("%d %s serves: %s", first.status, served, reason)
	}
	f := func(name, model, reason string, got reply) {
		t.Helper()
		if got.status != 200 || got.header.Get("X-Halfpenny-Model") != model || got.header.Get("X-Halfpenny-Route-Reason") != reason {
			t.Errorf("%s: %d %s serves: %s", name, got.status, got.header.Get("X-Halfpenny-Model"), got.header.Get("X-Halfpenny-Route-Reason"))
		}
	}
	f("the same conversation", served, "conversation", h.post(called("gpt-4o", "What is it?"), optimize))
	f("and once more", served, "conversation", h.post(called("gpt-4o", "What is it?"), optimize))
	f("another conversation", "gpt-4o", "named", h.post(called("gpt-4o", "What else?"), optimize))
	f("another tenant's", "gpt-4o", "named", h.post(called("gpt-4o", "What is it?"), optimize, "Authorization: Bearer "+h.tenant("other")))
	f("as named", "gpt-4o", "named", h.post(called("gpt-4o", "What is it?"), "X-Halfpenny-Route: observe"))
}

func TestPreviewReadsARequestAsTheDataPlaneDoes(t *testing.T) {
	h := newHarness(t, setup{kinds: []string{"openai", "anthropic", "gemini"}})
	caller := &tenancy.Caller{Tenant: &tenancy.Tenant{}, Key: &tenancy.Key{}}
	preview := func(path, body, route string) (string, *llm.Error) {
		d, err := h.gateway.Preview(caller, proxy.Request{Path: path, Body: []byte(body), Header: func(name string) []byte {
			if name == "X-Halfpenny-Route" {
				return []byte(route)
			}
			return nil
		}}, nil)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s %s %s", d.Mode, d.Candidates[0].Target.Account.Name, d.Candidates[0].Target.ID), nil
	}
	f := func(path, body, route, want string) {
		t.Helper()
		if got, err := preview(path, body, route); err != nil || got != want {
			t.Errorf("%s %s: %s, %v; want %s", path, body, got, err, want)
		}
	}
	f("", ask("gpt-4o", "x"), "", "observe openai gpt-4o")
	f("/v1/chat/completions", ask("gpt-4o", "x"), "pinned", "pinned openai gpt-4o")
	f("/v1/messages", message("claude-haiku-4-5", "x"), "", "observe anthropic claude-haiku-4-5")
	f("/v1beta/models/gemini-2.5-flash:generateContent", contents("x"), "", "observe gemini gemini-2.5-flash")
	f("/v1/embeddings", `{"model":"text-embedding-3-small","input":"x"}`, "", "observe openai text-embedding-3-small")
	fails := func(path, body, route, param string) {
		t.Helper()
		if got, err := preview(path, body, route); err == nil || err.Param != param {
			t.Errorf("%s %s: %s, %v; want an error of %s", path, body, got, err, param)
		}
	}
	fails("/v1/models", `{}`, "", "path")
	fails("/v1/audio/transcriptions", `{}`, "", "path")
	fails("/passthrough/openai/v1/x", `{}`, "", "path")
	fails("/nowhere", `{}`, "", "path")
	fails("", `{"model":"gpt-4o"}`, "", "messages")
	fails("", ask("gpt-4o", "x"), "cheap", "x-halfpenny-route")
	if len(h.ledger.started) != 0 {
		t.Errorf("%d requests on record", len(h.ledger.started))
	}
}
