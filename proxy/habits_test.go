package proxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/generic-corp/halfpenny/internal/fakellm"
	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/proxy"
	"github.com/generic-corp/halfpenny/router/habits"
)

// notes is a proxy.Signs that keeps what it is told.
type notes struct {
	mu  sync.Mutex
	all []habits.Answer
}

func (n *notes) Note(a habits.Answer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, a)
}

// last returns the only answer since the last time.
func (n *notes) last(t *testing.T) habits.Answer {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.all) != 1 {
		t.Fatalf("%d answers were noted", len(n.all))
	}
	a := n.all[0]
	n.all = nil
	return a
}

func (n *notes) none(t *testing.T, what string) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.all) != 0 {
		t.Errorf("%s: %d answers were noted", what, len(n.all))
	}
}

func replying(reply string) fakellm.Options {
	return fakellm.Options{Respond: func(*http.Request, []byte) *fakellm.Script { return &fakellm.Script{Body: []byte(reply)} }}
}

// The end of each whole answer tells who gave it, and nothing of what was said.
func TestAnswersAreNoted(t *testing.T) {
	var n notes
	h := newHarness(t, setup{options: proxy.Options{Signs: &n}})
	before := time.Now()
	got := h.post(ask("gpt-5-mini", "hi"))
	r, a := h.ledger.last(t, 1), n.last(t)
	if a.Slug != "acme" || a.RequestID != got.header.Get("X-Request-Id") || a.KeyID != r.KeyID || a.Model != "gpt-5-mini" || a.Refused || a.Malformed || a.Test ||
		a.At.Before(before) || a.End.Before(a.At) || a.End.After(time.Now()) {
		t.Errorf("noted %+v", a)
	}
	prompt := a.Prompt
	same := func(what string, want bool) {
		t.Helper()
		if got := n.last(t).Prompt == prompt; got != want {
			t.Errorf("%s: the same prompt %v, want %v", what, got, want)
		}
	}
	h.post(ask("gpt-5-mini", "hi"))
	same("again", true)
	h.post(ask("gpt-5", "hi", `"temperature":1`))
	same("of another model", true)
	h.post(ask("gpt-5-mini", "hi", streamed))
	same("as a stream", true)
	h.post(ask("gpt-5-mini", "ho"))
	same("another prompt", false)
	h.post(ask("gpt-5-mini", "hi", `"tools":[{"type":"function","function":{"name":"f","parameters":{}}}]`))
	same("with tools", false)
	h.post(ask("gpt-5-mini", "hi"), "Authorization: Bearer "+h.tenant("globex"))
	same("of another tenant", false)
	h.post(ask("gpt-5-mini", strings.Repeat("long ", 60_000)))
	if n.last(t).Prompt != ([32]byte{}) {
		t.Error("a prompt beyond the limit is compared")
	}
}

func TestWhatIsNotNoted(t *testing.T) {
	var n notes
	h := newHarness(t, setup{options: proxy.Options{Signs: &n}})
	h.upstream.Enqueue("", fakellm.Script{Status: 400})
	h.post(ask("gpt-5-mini", "hi"))
	n.none(t, "an error")
	h.send(http.MethodPost, "/v1/embeddings", `{"model":"text-embedding-3-small","input":"hi"}`)
	n.none(t, "embeddings")
	h.upstream.Enqueue("", fakellm.Script{End: fakellm.Cut, After: 1})
	h.post(ask("gpt-5-mini", "hi", streamed))
	n.none(t, "a stream that was cut")
	h.post(ask("gpt-5-mini", "hi"), "X-Halfpenny-Cache: on")
	n.last(t)
	h.post(ask("gpt-5-mini", "hi"), "X-Halfpenny-Cache: on")
	n.none(t, "a hit of the cache")
}

func TestRefusalsAndSchemas(t *testing.T) {
	const object, schema = `"response_format":{"type":"json_object"}`, `"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{}}}`
	f := func(reply string, format []string, refused, malformed bool) {
		t.Helper()
		var n notes
		h := newHarness(t, setup{upstream: replying(reply), options: proxy.Options{Signs: &n}})
		if got := h.post(ask("gpt-5-mini", "hi", format...)); got.status != 200 {
			t.Fatalf("%d %s", got.status, got.body)
		}
		if a := n.last(t); a.Refused != refused || a.Malformed != malformed {
			t.Errorf("%s: refused %v, malformed %v", reply, a.Refused, a.Malformed)
		}
	}
	reply := func(finish, message string) string {
		return fmt.Sprintf(`{"model":"gpt-5-mini","choices":[{"finish_reason":%q,"message":%s}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`, finish, message)
	}
	f(reply("stop", `{"content":"{\"a\":1}"}`), []string{object}, false, false)
	f(reply("stop", `{"content":"Sure! {\"a\":1}"}`), []string{object}, false, true)
	f(reply("stop", `{"content":"Sure! {\"a\":1}"}`), []string{schema}, false, true)
	f(reply("stop", `{"content":"Sure! {\"a\":1}"}`), nil, false, false)
	f(reply("length", `{"content":"{\"a"}`), []string{object}, false, false)
	f(reply("stop", `{"content":null,"refusal":"I can't."}`), []string{schema}, true, false)
	f(reply("content_filter", `{"content":""}`), nil, true, false)
}

// known are habits as a Book has them.
type known map[string]*habits.Tenant

func (k known) Of(slug string, test bool, _ time.Time) *habits.Tenant {
	if test {
		return nil
	}
	return k[slug]
}

// For auto the baseline is the model that the tenant named most.
func TestHabitIsTheBaseline(t *testing.T) {
	acme := habits.Learn(&llm.Experience{Usage: []llm.ModelUsage{{Model: "gpt-5", Named: 3}, {Model: "gpt-5-mini", Named: 2}}})
	h := newHarness(t, setup{options: proxy.Options{Habits: known{"acme": acme}}})
	h.post(ask("auto", "hi"))
	if r := h.ledger.last(t, 1); r.BaselineKind != llm.BaselineHabit || r.BaselineName != "gpt-5" {
		t.Errorf("baseline %v %q", r.BaselineKind, r.BaselineName)
	}
	h.post(ask("auto", "hi"), "Authorization: Bearer "+h.tenant("globex"))
	if r := h.ledger.last(t, 2); r.BaselineKind != llm.BaselineNone {
		t.Errorf("baseline of a tenant without habits: %v %q", r.BaselineKind, r.BaselineName)
	}
}

// Requests of the holdout are served as asked, those and no others, and can be told by
// their ids.
func TestHoldout(t *testing.T) {
	h := newHarness(t, setup{policy: `{"routing":{"mode":"optimize","holdout":0.5}}`})
	counts := map[llm.Reason]int{}
	for n := range 40 {
		h.post(ask("gpt-5", "hi"))
		r := h.ledger.last(t, n+1)
		counts[r.Reason]++
		held, ok := r.Trial()
		switch {
		case !ok:
			t.Fatalf("served %s for the reason %v", r.Model, r.Reason)
		case held && (r.Model != "gpt-5" || r.Substitution == nil || r.Reason != llm.ReasonHoldout):
			t.Errorf("held out: served %s for the reason %v, substitution %v", r.Model, r.Reason, r.Substitution)
		case !held && (r.Model == "gpt-5" || r.Substitution != nil):
			t.Errorf("substituted: served %s, substitution %v", r.Model, r.Substitution)
		}
	}
	if counts[llm.ReasonHoldout] == 0 || counts[llm.ReasonSubstituted] == 0 { // by chance once in 2^39
		t.Errorf("%v", counts)
	}
	h = newHarness(t, setup{policy: `{"routing":{"mode":"optimize"}}`})
	for n := range 10 {
		h.post(ask("gpt-5", "hi"))
		if r := h.ledger.last(t, n+1); r.Reason == llm.ReasonHoldout {
			t.Fatal("a request was held out that nobody asked for")
		}
	}
}
