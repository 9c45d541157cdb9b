package router

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/provider"
	"github.com/generic-corp/halfpenny/tenancy"
)

// fake is an adapter that is never called.
type fake struct {
	kind    string
	dialect llm.Dialect
	refuses string // the one documented field that it does not honour
}

func (f fake) Name() string { return f.kind }
func (f fake) Dialect(e llm.Endpoint, _ string, _ llm.Dialect) llm.Dialect {
	if e != llm.EndpointChat {
		return llm.DialectNone
	}
	return f.dialect
}
func (f fake) Prepare(*http.Request, provider.Destination) error { return nil }
func (f fake) Fields(string) (d provider.Fields) {
	for _, name := range provider.KnownFields() {
		if name == f.refuses {
			d.Refused.Add(name)
		} else {
			d.Honoured.Add(name)
		}
	}
	return d
}

func account(name, kind string) *Account {
	return &Account{Name: name, Kind: kind, Adapter: fake{kind: kind, dialect: llm.DialectOpenAI}, Secrets: []string{"key-" + name}}
}

// catalogue is small, so that each fact below is seen at once. Prices are dollars
// per million tokens for input and output alike.
var catalogue = func() *pricing.Catalogue {
	host := func(kind, name, price string) string {
		return fmt.Sprintf(`{"kind":%q,"name":%q,"prices":[{"input":%q,"output":%q,"source":"test"}]}`, kind, name, price, price)
	}
	model := func(id, owner, rest string, hosts ...string) string {
		return fmt.Sprintf(`{"id":%q,"owner":%q,"context":100000,"maxOutput":8000,"input":["text"],"output":["text"],"hosts":[%s]%s}`,
			id, owner, strings.Join(hosts, ","), rest)
	}
	skill := func(s string) string { return `,"tools":true,"jsonObject":true,"evidence":"test","capability":` + s }
	c, err := pricing.Parse([]byte(`{"version":"test","sources":[],"models":[` + strings.Join([]string{
		model("big", "openai", skill("0.80")+`,"names":["big-2026-01-02","big-alias"]`, host("openai", "big", "10"), host("groq", "vendor/big", "8"), host("openrouter", "openai/big", "10")),
		model("mid", "openai", skill("0.77"), host("openai", "mid", "5"), host("groq", "vendor/mid", "4")),
		model("small", "openai", skill("0.65"), host("openai", "small", "1")),
		model("tiny", "gemini", skill("0.40"), host("gemini", "tiny", "0.1")),
		model("twin", "gemini", skill("0.79"), host("gemini", "twin", "5")),
		model("old", "openai", `,"tools":true`, host("openai", "old", "6")),
		model("guessed", "openai", skill("0.70")+`,"indirect":true`, host("openai", "guessed", "0.2")),
		model("thinker", "openai", skill("0.90")+`,"reasoning":true,"refuses":["temperature"]`, host("openai", "thinker", "2")),
		model("eyes", "gemini", strings.Replace(skill("0.60"), `"tools":true`, `"tools":false`, 1), host("gemini", "eyes", "3")),
		model("open", "meta", skill("0.50"), host("groq", "meta/open", "0.5"), host("openrouter", "meta/open", "0.4")),
	}, ",") + `]}`))
	if err != nil {
		panic(err)
	}
	c.Lookup("eyes").Input |= pricing.Image
	c.Lookup("small").Context = 4000
	return c
}()

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// standard has an account of every kind.
func standard(o Options) *Table {
	return NewTable(catalogue, []*Account{account("openai", "openai"), account("groq", "groq"), account("google", "gemini"), account("openrouter", "openrouter")}, o)
}

// ask is a plain question in OpenAI's dialect.
func ask(model string, change ...func(*Query)) *Query {
	q := &Query{Endpoint: llm.EndpointChat, Dialect: llm.DialectOpenAI, Model: model, InputTokens: 1000, Now: now, Policy: &tenancy.Policy{}}
	for _, c := range change {
		c(q)
	}
	return q
}

func mode(m llm.Mode) func(*Query) { return func(q *Query) { q.Mode = m } }

func policy(change func(*tenancy.RoutingPolicy)) func(*Query) {
	return func(q *Query) { change(&q.Policy.Routing) }
}

// order writes the candidates as "account/sent".
func order(d *Decision) string {
	var all []string
	for _, c := range d.Candidates {
		all = append(all, c.Target.Account.Name+":"+c.Target.Sent)
	}
	return strings.Join(all, " ")
}

func decide(t *testing.T, table *Table, q *Query) *Decision {
	t.Helper()
	d := new(Decision)
	if err := table.Decide(q, d); err != nil {
		t.Fatalf("%s: %v", q.Model, err)
	}
	return d
}

func mustOrder(t *testing.T, table *Table, q *Query, want string, reason llm.Reason) *Decision {
	t.Helper()
	d := decide(t, table, q)
	if got := order(d); got != want || d.Candidates[0].Reason != reason {
		t.Errorf("%s in mode %s: %s (%s), want %s (%s)", q.Model, d.Mode, got, d.Candidates[0].Reason, want, reason)
	}
	return d
}

func mustRefuse(t *testing.T, table *Table, q *Query, status int, code, param string) (message string) {
	t.Helper()
	err := table.Decide(q, new(Decision))
	if err == nil || err.Status != status || err.Code != code || err.Param != param {
		t.Fatalf("%s: error %+v, want %d %s for %q", q.Model, err, status, code, param)
	}
	return err.Message
}

func TestPinnedModeStaysAtTheModelsOwnProvider(t *testing.T) {
	table := standard(Options{})
	mustOrder(t, table, ask("big", mode(llm.ModePinned)), "openai:big", llm.ReasonPinned)
	mustOrder(t, table, ask("big-2026-01-02", mode(llm.ModePinned)), "openai:big-2026-01-02", llm.ReasonPinned)
	mustOrder(t, table, ask("big-alias", mode(llm.ModePinned)), "openai:big", llm.ReasonPinned)
	// Not configured: its cheapest host, and the others as failover.
	mustOrder(t, table, ask("open", mode(llm.ModePinned)), "openrouter:meta/open groq:meta/open", llm.ReasonPinned)
}

func TestObserveModeTakesTheCheapestHostAndNotesASubstitution(t *testing.T) {
	table := standard(Options{})
	d := mustOrder(t, table, ask("big", mode(llm.ModeObserve)), "groq:vendor/big openai:big openrouter:openai/big", llm.ReasonNamed)
	// mid at groq ($4) has 0.77 ≥ 0.95 × 0.80; thinker ($2) writes 1,000 tokens rather than 300.
	want := llm.Substitution{Provider: "openai", Model: "thinker", Cost: 4_000_000, Savings: 10_400_000 - 4_000_000}
	if d.Substitution == nil || *d.Substitution != want {
		t.Errorf("substitution %+v, want %+v", d.Substitution, want)
	}
	if d.BaselineKind != llm.BaselineNamed || d.BaselineName != "big" || d.BaselineRates.Input != 10_000_000_000 {
		t.Errorf("baseline %s %s %d", d.BaselineKind, d.BaselineName, d.BaselineRates.Input)
	}
}

func TestOptimizeModeSubstitutesWhereThereIsEvidence(t *testing.T) {
	table := standard(Options{})
	d := mustOrder(t, table, ask("big"), "openai:thinker groq:vendor/big openai:big openrouter:openai/big", llm.ReasonSubstituted)
	if d.Mode != llm.ModeOptimize || d.Substitution != nil || d.BaselineName != "big" {
		t.Errorf("mode %s, substitution %v, baseline %s", d.Mode, d.Substitution, d.BaselineName)
	}
	// What is known of capability is of the default effort: where another is asked for, the named model serves.
	if d := decide(t, table, ask("thinker", fields("model", "messages", "reasoning_effort"))); d.Candidates[0].Target.ID != "thinker" || d.Candidates[0].Reason != llm.ReasonNamed {
		t.Errorf("with an effort of its own: %+v", d.Candidates[0])
	}
	// A field that the cheapest substitute refuses leads to the next.
	fields := func(names ...string) func(*Query) { return func(q *Query) { q.Fields = names } }
	mustOrder(t, table, ask("big", fields("model", "messages", "temperature")), "groq:vendor/mid groq:vendor/big openai:big openrouter:openai/big", llm.ReasonSubstituted)
	// Too little room to think and answer.
	mustOrder(t, table, ask("big", func(q *Query) { q.MaxOutput = 200 }), "groq:vendor/mid groq:vendor/big openai:big openrouter:openai/big", llm.ReasonSubstituted)
	// No evidence for the named one, or only carried-over evidence for the cheaper one.
	mustOrder(t, table, ask("old"), "openai:old", llm.ReasonNamed)
	mustOrder(t, table, ask("small"), "openai:small", llm.ReasonNamed)
	// Carried-over evidence is good enough to be compared with.
	d = decide(t, table, ask("guessed"))
	if d.Candidates[0].Reason != llm.ReasonNamed {
		t.Errorf("guessed is dearer than %s", order(d))
	}
}

func TestFloorDecidesWhatIsCapable(t *testing.T) {
	table := standard(Options{})
	low := func(q *Query) { q.Fields = []string{"temperature"}; q.Policy.Routing.QualityFloor = 0.5 }
	mustOrder(t, table, ask("big", low), "google:tiny groq:vendor/big openai:big openrouter:openai/big", llm.ReasonSubstituted)
	// A request only raises it.
	high := func(q *Query) { low(q); q.Floor = 0.97 }
	mustOrder(t, table, ask("big", high), "google:twin groq:vendor/big openai:big openrouter:openai/big", llm.ReasonSubstituted)
	lower := func(q *Query) {
		q.Policy.Routing.QualityFloor = 0.97
		q.Floor = 0.1
		q.Fields = []string{"temperature"}
	}
	mustOrder(t, table, ask("big", lower), "google:twin groq:vendor/big openai:big openrouter:openai/big", llm.ReasonSubstituted)
}

func TestNothingIsSubstitutedInsideAToolChain(t *testing.T) {
	d := mustOrder(t, standard(Options{}), ask("big", func(q *Query) { q.Needs.ToolChain = true }), "groq:vendor/big openai:big openrouter:openai/big", llm.ReasonNamed)
	if !slices.ContainsFunc(d.Rejected, func(r llm.Rejection) bool { return r.Reason == llm.ReasonToolChain && r.Count > 0 }) {
		t.Errorf("rejected: %v", d.Rejected)
	}
}

func TestAutoTakesTheCheapestCapable(t *testing.T) {
	table := standard(Options{})
	plain := func(q *Query) { q.Fields = []string{"temperature"} } // rules out thinker: the best is big, 0.80
	mustOrder(t, table, ask("auto", plain), "groq:vendor/mid google:twin openai:mid groq:vendor/big openai:big openrouter:openai/big", llm.ReasonCheapestCapable)
	mustOrder(t, table, ask("auto:balanced", plain), order(decide(t, table, ask("auto", plain))), llm.ReasonCheapestCapable)
	first := func(model string, want string, change ...func(*Query)) *Decision {
		t.Helper()
		d := decide(t, table, ask(model, append(change, plain)...))
		if got := d.Candidates[0].Target.ID; got != want {
			t.Errorf("%s: %s, want %s", model, got, want)
		}
		return d
	}
	first("auto:cheap", "small")
	first("auto:cheap", "twin", func(q *Query) { q.Floor = 0.98 })
	first("auto:quality", "big")
	first("auto", "small", policy(func(p *tenancy.RoutingPolicy) { p.QualityFloor = 0.8 }))
	first("auto", "mid", mode(llm.ModePinned)) // in every mode
	d := first("auto", "eyes", func(q *Query) { q.Needs.Input = pricing.Image })
	if d.Candidates[0].Reason != llm.ReasonOnlyCandidate {
		t.Errorf("reason %s", d.Candidates[0].Reason)
	}
}

func TestAutoLeavesThinkingModelsRoom(t *testing.T) {
	table := standard(Options{})
	d := decide(t, table, ask("auto", func(q *Query) { q.MaxOutput = 100 }))
	if got := d.Candidates[0].Target.ID; got != "mid" {
		t.Errorf("with 100 tokens of room: %s", got)
	}
	only := NewTable(catalogue, []*Account{{Name: "o", Kind: "openai", Adapter: fake{kind: "openai", dialect: llm.DialectOpenAI}, Models: map[string]string{"thinker": ""}}}, Options{})
	mustOrder(t, only, ask("auto", func(q *Query) { q.MaxOutput = 100 }), "o:thinker", llm.ReasonOnlyCandidate)
}

func TestAutoWithoutAnyEvidenceServesTheCheapest(t *testing.T) {
	table := NewTable(catalogue, []*Account{
		{Name: "vllm", Kind: "vllm", Adapter: fake{kind: "vllm", dialect: llm.DialectOpenAI}, Models: map[string]string{"mine": ""}},
		{Name: "openai", Kind: "openai", Adapter: fake{kind: "openai", dialect: llm.DialectOpenAI}, Models: map[string]string{"old": "", "guessed": ""}},
	}, Options{})
	mustOrder(t, table, ask("auto"), "openai:guessed openai:old vllm:mine", llm.ReasonCheapestCapable)
}

func TestPrefixNamesAccountThenKindThenAlias(t *testing.T) {
	table := NewTable(catalogue, []*Account{account("groq", "openai"), account("eu", "openai"), account("us", "groq"), account("g", "gemini"), account("or", "openrouter")}, Options{})
	mustOrder(t, table, ask("groq/big"), "groq:big", llm.ReasonPinned) // the account of that name, not the kind
	mustOrder(t, table, ask("us/big"), "us:vendor/big", llm.ReasonPinned)
	mustOrder(t, table, ask("us/vendor/big"), "us:vendor/big", llm.ReasonPinned)
	mustOrder(t, table, ask("gemini/twin"), "g:twin", llm.ReasonPinned)
	mustOrder(t, table, ask("google/twin"), "g:twin", llm.ReasonPinned)
	mustOrder(t, table, ask("openrouter/openai/big"), "or:openai/big", llm.ReasonPinned)
	mustOrder(t, table, ask("eu/big-2026-01-02"), "eu:big-2026-01-02", llm.ReasonPinned)
	// A kind with two accounts: both, in turn.
	seen := map[string]bool{}
	for range 4 {
		seen[order(decide(t, table, ask("openai/big")))] = true
	}
	if len(seen) != 2 || !seen["groq:big eu:big"] || !seen["eu:big groq:big"] {
		t.Errorf("openai/big: %v", seen)
	}
}

func TestNameWithASlashThatIsNoPrefixIsAnID(t *testing.T) {
	table := NewTable(catalogue, []*Account{account("groq", "groq"), {Name: "vllm", Kind: "vllm", Adapter: fake{kind: "vllm", dialect: llm.DialectOpenAI},
		Models: map[string]string{"org/llama:70b": "served-llama"}}}, Options{})
	mustOrder(t, table, ask("vendor/big", mode(llm.ModePinned)), "groq:vendor/big", llm.ReasonPinned)
	mustOrder(t, table, ask("org/llama:70b"), "vllm:served-llama", llm.ReasonNamed)
	mustOrder(t, table, ask("vllm/org/llama:70b"), "vllm:served-llama", llm.ReasonPinned)
	mustOrder(t, table, ask("openai/big", mode(llm.ModeObserve)), "groq:vendor/big", llm.ReasonNamed) // an id at another host, for which openai is not configured
	mustRefuse(t, table, ask("openai/none"), 404, "model_not_found", "model")
	mustRefuse(t, table, ask("vllm/other"), 404, "model_not_found", "model") // the account lists its models
}

func TestUnknownModelBehindAPrefixIsForwardedUnpriced(t *testing.T) {
	table := standard(Options{})
	f := func(model, want string) {
		t.Helper()
		d := mustOrder(t, table, ask(model), want, llm.ReasonPinned)
		c := d.Candidates[0]
		if c.Target.Model != nil || c.Cost.Valid || d.BaselineKind != llm.BaselineNone || c.Target.ID != c.Target.Sent {
			t.Errorf("%s: %+v, baseline %s", model, c, d.BaselineKind)
		}
	}
	f("openai/ft:big:acme::1", "openai:ft:big:acme::1")
	f("groq/a/b:c", "groq:a/b:c")
	f("openai/open", "openai:open") // known, but not there
	refuse := policy(func(p *tenancy.RoutingPolicy) { p.Unpriced = "refuse" })
	mustRefuse(t, table, ask("openai/ft:big", refuse), 403, "model_unpriced", "model")
	mustRefuse(t, table, ask("openai/ft:big", func(q *Query) { q.MaxCost = llm.Known(llm.Dollar) }), 403, "model_unpriced", "model")
}

func TestAliasesOfTenantWinOverThoseOfTheConfiguration(t *testing.T) {
	table := standard(Options{Aliases: map[string]string{"fast": "small", "best": "groq/big", "any": "auto:cheap"}})
	mustOrder(t, table, ask("fast"), "openai:small", llm.ReasonNamed)
	mustOrder(t, table, ask("best"), "groq:vendor/big", llm.ReasonPinned)
	mustOrder(t, table, ask("fast", func(q *Query) { q.Aliases = map[string]string{"fast": "old"} }), "openai:old", llm.ReasonNamed)
	mustOrder(t, table, ask("mine", func(q *Query) { q.Aliases = map[string]string{"mine": "best"} }), "groq:vendor/big", llm.ReasonPinned)
	if d := decide(t, table, ask("any")); d.Candidates[0].Reason != llm.ReasonCheapestCapable {
		t.Errorf("an alias of auto: %s", d.Candidates[0].Reason)
	}
}

func TestModelsIsAFallbackOrder(t *testing.T) {
	table := standard(Options{})
	fallbacks := func(models ...string) func(*Query) {
		return func(q *Query) { q.Models, q.Mode = models, llm.ModeObserve }
	}
	d := mustOrder(t, table, ask("old", fallbacks("old", "small", "groq/mid")), "openai:old openai:small groq:vendor/mid", llm.ReasonNamed)
	if d.Candidates[1].Reason != llm.ReasonFallback || d.BaselineName != "old" {
		t.Errorf("second %s, baseline %s", d.Candidates[1].Reason, d.BaselineName)
	}
	// What is unknown, or not eligible, is passed over.
	mustOrder(t, table, ask("no-such", fallbacks("small")), "openai:small", llm.ReasonFallback)
	mustOrder(t, table, ask("small", fallbacks("big"), func(q *Query) { q.InputTokens = 50_000 }), "groq:vendor/big openai:big openrouter:openai/big", llm.ReasonFallback)
	mustRefuse(t, table, ask("no-such", fallbacks("nor-this")), 404, "model_not_found", "model")
}

func TestProviderPreferences(t *testing.T) {
	table := standard(Options{})
	observe := mode(llm.ModeObserve)
	f := func(want string, change func(*Query)) {
		t.Helper()
		mustOrder(t, table, ask("big", observe, change), want, llm.ReasonNamed)
	}
	f("openai:big openrouter:openai/big", func(q *Query) { q.Only = []string{"openrouter", "OpenAI"} })
	f("openrouter:openai/big groq:vendor/big openai:big", func(q *Query) { q.Order = []string{"openrouter"} })
	f("openai:big openrouter:openai/big groq:vendor/big", func(q *Query) { q.Order = []string{"openai", "openrouter"} })
	f("openai:big groq:vendor/big openrouter:openai/big", policy(func(p *tenancy.RoutingPolicy) { p.PreferredProviders = []string{"openai"} }))
	f("groq:vendor/big", func(q *Query) { q.MaxPrompt = 9_000_000_000 })
	mustRefuse(t, table, ask("big", func(q *Query) { q.Only = []string{"google"} }), 400, "", "provider")
	mustRefuse(t, table, ask("big", func(q *Query) { q.MaxOutPrice = 1 }), 400, "max_cost_exceeded", "provider")
	mustOrder(t, table, ask("auto", func(q *Query) { q.Only = []string{"google"} }), "google:twin", llm.ReasonOnlyCandidate)
}

func TestSortByWhatWasMeasured(t *testing.T) {
	health := NewHealth()
	table := standard(Options{Health: health})
	health.Observe("openrouter", 100*time.Millisecond, 20)
	health.Observe("openai", 300*time.Millisecond, 90)
	observe := mode(llm.ModeObserve)
	mustOrder(t, table, ask("big", observe, func(q *Query) { q.Sort = "latency" }), "openrouter:openai/big openai:big groq:vendor/big", llm.ReasonNamed)
	mustOrder(t, table, ask("big", observe, func(q *Query) { q.Sort = "throughput" }), "openai:big openrouter:openai/big groq:vendor/big", llm.ReasonNamed)
	mustOrder(t, table, ask("big", observe, func(q *Query) { q.Sort = "price" }), "groq:vendor/big openai:big openrouter:openai/big", llm.ReasonNamed)
}

func TestAllowAndDenyLists(t *testing.T) {
	table := standard(Options{})
	allow := func(models ...string) func(*Query) {
		return policy(func(p *tenancy.RoutingPolicy) { p.AllowModels = models })
	}
	deny := func(models ...string) func(*Query) {
		return policy(func(p *tenancy.RoutingPolicy) { p.DenyModels = models })
	}
	mustRefuse(t, table, ask("big", allow("small")), 403, "model_not_allowed", "model")
	mustRefuse(t, table, ask("big", deny("big")), 403, "model_not_allowed", "model")
	mustRefuse(t, table, ask("big", deny("b*g")), 403, "model_not_allowed", "model")
	mustRefuse(t, table, ask("big-2026-01-02", deny("big-alias")), 403, "model_not_allowed", "model") // another name of it
	mustRefuse(t, table, ask("openai/ft:x", allow("openai/big")), 403, "model_not_allowed", "model")
	mustOrder(t, table, ask("big", allow("big")), "groq:vendor/big openai:big openrouter:openai/big", llm.ReasonNamed) // nor anything else instead
	mustOrder(t, table, ask("big", allow("openai/*")), "openai:thinker openai:big", llm.ReasonSubstituted)
	mustOrder(t, table, ask("big", deny("thinker", "mid", "google/tw*")), "groq:vendor/big openai:big openrouter:openai/big", llm.ReasonNamed)
	mustOrder(t, table, ask("auto", allow("small", "tiny")), "openai:small", llm.ReasonOnlyCandidate)
	if message := mustRefuse(t, table, ask("smal", allow("big", "mid")), 404, "model_not_found", "model"); strings.Contains(message, "small") {
		t.Errorf("a model that is not allowed is named: %s", message)
	}
}

func TestUnknownModelNamesNearMatches(t *testing.T) {
	table := standard(Options{})
	f := func(model, near string) {
		t.Helper()
		if message := mustRefuse(t, table, ask(model), 404, "model_not_found", "model"); !strings.Contains(message, near) {
			t.Errorf("%s: %s", model, message)
		}
	}
	f("thinkr", "thinker")
	f("auto:chepa", "auto:cheap")
	f("openai-big", "Near matches: big")
	only := NewTable(catalogue, []*Account{account("g", "gemini")}, Options{})
	if message := mustRefuse(t, only, ask("big"), 404, "model_not_found", "model"); !strings.Contains(message, "No configured provider serves the model 'big'") {
		t.Error(message)
	}
	mustRefuse(t, NewTable(catalogue, nil, Options{}), ask("auto"), 404, "model_not_found", "model")
	mustRefuse(t, table, ask(""), 400, "", "model")
}

func TestPromptOverEveryWindow(t *testing.T) {
	table := standard(Options{})
	tokens := func(n int64) func(*Query) { return func(q *Query) { q.InputTokens = n } }
	mustRefuse(t, table, ask("small", tokens(10_000)), 400, "context_length_exceeded", "messages")
	mustRefuse(t, table, ask("auto", tokens(200_000)), 400, "context_length_exceeded", "messages")
	decide(t, table, ask("small", tokens(4_200))) // an estimate so near proves nothing against the named model
	d := decide(t, table, ask("auto:cheap", tokens(4_001), func(q *Query) { q.Fields = []string{"temperature"} }))
	if got := d.Candidates[0].Target.ID; got == "small" {
		t.Error("auto takes a model whose window is too small")
	}
	// auto leaves room for the answer that was asked for.
	mustRefuse(t, table, ask("auto", func(q *Query) { q.MaxOutput = 9_000 }), 400, "context_length_exceeded", "messages")
}

func TestParameterThatNoTargetSupportsIsNamed(t *testing.T) {
	table := standard(Options{})
	fields := func(names ...string) func(*Query) { return func(q *Query) { q.Fields = names } }
	mustRefuse(t, table, ask("thinker", fields("model", "messages", "temperature")), 400, "unsupported_parameter", "temperature")
	mustRefuse(t, table, ask("openai/thinker", fields("temperature")), 400, "unsupported_parameter", "temperature")
	mustRefuse(t, table, ask("old", func(q *Query) { q.Needs.JSONSchema = true }), 400, "unsupported_parameter", "response_format")
	mustRefuse(t, table, ask("old", func(q *Query) { q.Needs.Input = pricing.Image }), 400, "unsupported_parameter", "messages")
	mustRefuse(t, table, ask("old", func(q *Query) { q.Needs.Output = pricing.Audio }), 400, "unsupported_parameter", "modalities")
	mustRefuse(t, table, ask("eyes", func(q *Query) { q.Needs.Tools = true }), 400, "unsupported_parameter", "tools")
	mustRefuse(t, table, ask("auto", func(q *Query) { q.Needs.JSONSchema = true }), 400, "unsupported_parameter", "response_format")
	// An account whose provider drops a field in silence is passed over.
	deaf := account("groq", "groq")
	deaf.Adapter = fake{kind: "groq", dialect: llm.DialectOpenAI, refuses: "seed"}
	table = NewTable(catalogue, []*Account{account("openai", "openai"), deaf}, Options{})
	mustOrder(t, table, ask("big", mode(llm.ModeObserve), fields("seed")), "openai:big", llm.ReasonNamed)
	mustRefuse(t, table, ask("groq/anything", fields("seed")), 400, "unsupported_parameter", "seed")
	mustOrder(t, table, ask("groq/big", fields("model", "messages", "stream")), "groq:vendor/big", llm.ReasonPinned)
}

func TestDialectThatNobodySpeaksIsNotServed(t *testing.T) {
	other := account("openai", "openai")
	other.Adapter = fake{kind: "openai", dialect: llm.Dialect(llm.Dialects)}
	table := NewTable(catalogue, []*Account{other}, Options{})
	mustRefuse(t, table, ask("big"), 400, "", "model")
	mustRefuse(t, standard(Options{}), ask("big", func(q *Query) { q.Endpoint = llm.EndpointModels }), 400, "", "model")
}

func TestTranslatedHostServesOnlyAsFailover(t *testing.T) {
	other := account("groq", "groq")
	other.Adapter = fake{kind: "groq", dialect: llm.DialectAnthropic}
	table := NewTable(catalogue, []*Account{account("openai", "openai"), other}, Options{})
	table.translate[llm.EndpointChat][llm.DialectOpenAI][llm.DialectAnthropic] = true
	mustOrder(t, table, ask("big", mode(llm.ModeObserve)), "openai:big groq:vendor/big", llm.ReasonNamed)
}

func TestCostLimit(t *testing.T) {
	table := standard(Options{})
	limit := func(m llm.Money) func(*Query) {
		return func(q *Query) { q.MaxCost, q.Mode = llm.Known(m), llm.ModeObserve }
	}
	mustOrder(t, table, ask("big", limit(10_400_000)), "groq:vendor/big", llm.ReasonNamed) // 1,300 tokens at $8
	message := mustRefuse(t, table, ask("big", limit(10_399_999)), 400, "max_cost_exceeded", "x-halfpenny-max-cost-usd")
	if !strings.Contains(message, "$0.0104") || !strings.Contains(message, "$0.010399999") {
		t.Error(message)
	}
	tight := policy(func(p *tenancy.RoutingPolicy) { p.MaxCostUSD = llm.Known(1) })
	mustRefuse(t, table, ask("big", limit(llm.Dollar), tight), 400, "max_cost_exceeded", "x-halfpenny-max-cost-usd")
}

func TestTestKeysReachOnlyTheSimulation(t *testing.T) {
	simulated := account("sim", "openai")
	simulated.Simulated = true
	test := func(q *Query) { q.Test, q.Mode = true, llm.ModePinned }
	both := NewTable(catalogue, []*Account{account("openai", "openai"), simulated}, Options{})
	mustOrder(t, both, ask("big", test), "sim:big", llm.ReasonPinned)
	mustOrder(t, both, ask("big", mode(llm.ModePinned)), "openai:big", llm.ReasonPinned) // and live keys never do
	mustRefuse(t, standard(Options{}), ask("big", test), 403, "model_not_allowed", "model")
	alone := NewTable(catalogue, []*Account{simulated}, Options{})
	mustOrder(t, alone, ask("big", mode(llm.ModePinned)), "sim:big", llm.ReasonPinned)
}

func TestEqualAccountsTakeTurnsByWeight(t *testing.T) {
	heavy := account("heavy", "openai")
	heavy.Weight = 3
	table := NewTable(catalogue, []*Account{account("light", "openai"), heavy}, Options{})
	counts := map[string]int{}
	for range 400 {
		d := decide(t, table, ask("old"))
		counts[d.Candidates[0].Target.Account.Name]++
		if len(d.Candidates) != 2 {
			t.Fatal(order(d))
		}
	}
	if counts["heavy"] != 300 || counts["light"] != 100 {
		t.Errorf("turns: %v", counts)
	}
	// On equal price the model's own provider comes first.
	own := NewTable(catalogue, []*Account{account("openrouter", "openrouter"), account("openai", "openai")}, Options{})
	for range 4 {
		mustOrder(t, own, ask("big", mode(llm.ModeObserve)), "openai:big openrouter:openai/big", llm.ReasonNamed)
	}
}

func TestDryRunTakesNoTurn(t *testing.T) {
	table := NewTable(catalogue, []*Account{account("a", "openai"), account("b", "openai")}, Options{})
	dry := func(q *Query) { q.Dry = true }
	want := order(decide(t, table, ask("old", dry)))
	for range 3 {
		if got := order(decide(t, table, ask("old", dry))); got != want {
			t.Errorf("%s, then %s", want, got)
		}
	}
	if got := order(decide(t, table, ask("old"))); got != want {
		t.Errorf("a dry run says %s, the call goes to %s", want, got)
	}
}

func TestExpectedOutput(t *testing.T) {
	table := standard(Options{})
	f := func(model string, room, choices, want int64) {
		t.Helper()
		d := decide(t, table, ask(model, func(q *Query) { q.MaxOutput, q.Choices = room, choices }))
		if got := d.Candidates[0].Output; got != want {
			t.Errorf("%s with max_tokens %d: %d tokens expected, want %d", model, room, got, want)
		}
	}
	f("openai/big", 0, 0, typicalOutput)
	f("openai/big", 4000, 1, typicalOutput)
	f("openai/big", 50, 1, 50)
	f("openai/big", 50, 3, 150)
	f("openai/thinker", 0, 1, typicalOutput+typicalThoughts)
}

func TestConsideredHasTheChosenFirstAndCountsTheRest(t *testing.T) {
	table := standard(Options{})
	d := decide(t, table, ask("auto:cheap", func(q *Query) { q.Fields = []string{"temperature"} }))
	if len(d.Considered) != maxConsidered || d.Considered[0].Model != "small" || d.Considered[0].Reason != llm.ReasonCheapestCapable {
		t.Errorf("considered %+v", d.Considered)
	}
	listed := len(d.Considered)
	for _, r := range d.Rejected {
		listed += r.Count
	}
	if listed != len(table.nodes) {
		t.Errorf("%d listed or counted, %d targets", listed, len(table.nodes))
	}
	reasons := map[string]llm.Reason{}
	for _, c := range decide(t, table, ask("old", func(q *Query) { q.Models = []string{"small"} })).Considered {
		reasons[c.Model] = c.Reason
	}
	if reasons["old"] != llm.ReasonNamed || reasons["small"] != llm.ReasonDearer {
		t.Errorf("reasons %v", reasons)
	}
}

func TestBaselineOfAuto(t *testing.T) {
	f := func(o Options, habit string, kind llm.BaselineKind, name string, rate llm.Rate) {
		t.Helper()
		d := decide(t, standard(o), ask("auto", func(q *Query) { q.HabitModel = habit }))
		if d.BaselineKind != kind || d.BaselineName != name || d.BaselineRates.Input != rate {
			t.Errorf("%s %s %d, want %s %s %d", d.BaselineKind, d.BaselineName, d.BaselineRates.Input, kind, name, rate)
		}
	}
	f(Options{BaselineModel: "big"}, "mid", llm.BaselineConfigured, "big", 10_000_000_000)
	f(Options{BaselineModel: "openai/mid"}, "", llm.BaselineConfigured, "mid", 5_000_000_000)
	f(Options{}, "big-alias", llm.BaselineHabit, "big", 10_000_000_000)
	f(Options{}, "", llm.BaselineNone, "", 0)
	f(Options{}, "no-such", llm.BaselineNone, "", 0)
	// A model that its owner does not sell has no list price of its own.
	if d := decide(t, standard(Options{}), ask("open")); d.BaselineKind != llm.BaselineNone {
		t.Errorf("open: %s %s", d.BaselineKind, d.BaselineName)
	}
	if d := decide(t, standard(Options{}), ask("groq/open")); d.BaselineKind != llm.BaselineNamed || d.BaselineRates.Input != 500_000_000 {
		t.Errorf("groq/open: %s %d", d.BaselineKind, d.BaselineRates.Input)
	}
}

func TestModeOfRequestPolicyAndConfiguration(t *testing.T) {
	f := func(o Options, inPolicy string, inRequest, want llm.Mode) {
		t.Helper()
		d := decide(t, standard(o), ask("old", mode(inRequest), policy(func(p *tenancy.RoutingPolicy) { p.Mode = inPolicy })))
		if d.Mode != want {
			t.Errorf("mode %s, want %s", d.Mode, want)
		}
	}
	f(Options{}, "", llm.ModeDefault, llm.ModeOptimize)
	f(Options{DefaultMode: llm.ModeObserve}, "", llm.ModeDefault, llm.ModeObserve)
	f(Options{DefaultMode: llm.ModeObserve}, "pinned", llm.ModeDefault, llm.ModePinned)
	f(Options{}, "pinned", llm.ModeObserve, llm.ModeObserve)
}

func TestModelsOfATenant(t *testing.T) {
	table := standard(Options{})
	f := func(change func(*tenancy.RoutingPolicy), want string) {
		t.Helper()
		var p tenancy.Policy
		change(&p.Routing)
		var ids []string
		for _, m := range table.Models(&p) {
			ids = append(ids, m.ID+"@"+m.Owner)
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("models %s, want %s", got, want)
		}
	}
	autos := "auto@halfpenny auto:balanced@halfpenny auto:cheap@halfpenny auto:quality@halfpenny"
	f(func(p *tenancy.RoutingPolicy) { p.AllowModels = []string{"big", "open"} }, autos+" big@openai open@meta")
	f(func(p *tenancy.RoutingPolicy) { p.DenyModels = []string{"openai/*", "groq/*", "openrouter/*"} }, autos+" eyes@gemini tiny@gemini twin@gemini")
	f(func(p *tenancy.RoutingPolicy) { p.DenyModels = []string{"*"} }, "")
	if n := len(table.Models(nil)); n != 14 {
		t.Errorf("%d models without a policy", n)
	}
}

func TestInert(t *testing.T) {
	f := func(field, value string, want bool) {
		t.Helper()
		if got := Inert(field, []byte(value)); got != want {
			t.Errorf("%s: %s is inert: %v", field, value, got)
		}
	}
	f("temperature", "1", true)
	f("temperature", "1.0", true)
	f("temperature", "null", true)
	f("temperature", "0", false)
	f("presence_penalty", "0", true)
	f("logprobs", "false", true)
	f("logprobs", "true", false)
	f("max_tokens", "1", false)
}

func TestGlob(t *testing.T) {
	f := func(pattern, s string, want bool) {
		t.Helper()
		if got := glob(pattern, s); got != want {
			t.Errorf("%q matches %q: %v", pattern, s, got)
		}
	}
	f("", "", true)
	f("a", "a", true)
	f("a", "ab", false)
	f("*", "", true)
	f("*", "abc", true)
	f("a*", "abc", true)
	f("*c", "abc", true)
	f("a*c", "abc", true)
	f("a*c", "ac", true)
	f("a*b*c", "axbyc", true)
	f("a*b*c", "acb", false)
	f("gpt-*-mini", "gpt-5-mini", true)
	f("a*a", "a", false)
}

// A decision's memory is used again, but what a receipt keeps is its own.
func TestDecisionIsUsedAgain(t *testing.T) {
	table := standard(Options{})
	d := new(Decision)
	if err := table.Decide(ask("big"), d); err != nil {
		t.Fatal(err)
	}
	kept := slices.Clone(d.Considered)
	held := d.Considered
	if err := table.Decide(ask("no-such"), d); err == nil || len(d.Candidates) != 0 {
		t.Errorf("candidates after an error: %v", order(d))
	}
	if err := table.Decide(ask("auto:cheap"), d); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(kept, held) {
		t.Error("what was considered is overwritten by the next decision")
	}
}

func FuzzDecide(f *testing.F) {
	for _, seed := range []string{"big", "auto:cheap", "openai/big", "a/b/c:d", "/", "openai/", "", "groq//", "google/twin", "\xff", strings.Repeat("x/", 500)} {
		f.Add(seed, seed, "openai", int64(100), int64(0))
	}
	table := standard(Options{Aliases: map[string]string{"a": "b", "b": "a"}})
	f.Fuzz(func(t *testing.T, model, fallback, only string, input, output int64) {
		q := ask(model, func(q *Query) {
			q.Models, q.InputTokens, q.MaxOutput, q.Fields = []string{fallback}, input, output, []string{only}
			if only != "" {
				q.Only = []string{only}
			}
			q.Policy.Routing.DenyModels = []string{fallback}
		})
		d := new(Decision)
		err := table.Decide(q, d)
		if (err == nil) != (len(d.Candidates) > 0) {
			t.Fatalf("error %v with candidates %s", err, order(d))
		}
		if err != nil && (err.Status < 400 || err.Status > 404 || err.Message == "") {
			t.Fatalf("error %+v", err)
		}
		for _, c := range d.Candidates {
			if c.Secret != "key-"+c.Target.Account.Name {
				t.Fatalf("%s gets the API key %q", c.Target.Account.Name, c.Secret)
			}
		}
	})
}
