package router

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing"
	"github.com/generic-corp/halfpenny/provider"
	"github.com/generic-corp/halfpenny/tenancy"
)

// documented is an adapter whose provider documents what it does with fields.
type documented struct {
	fake
	honoured, refused string // separated by spaces
	closed            bool
}

func (a documented) Fields(string) provider.Fields {
	f := provider.Fields{Closed: a.closed}
	for _, name := range strings.Fields(a.honoured) {
		f.Honoured.Add(name)
	}
	for _, name := range strings.Fields(a.refused) {
		f.Refused.Add(name)
	}
	return f
}

func documents(name, kind, honoured, refused string) *Account {
	a := account(name, kind)
	a.Adapter = documented{fake: fake{kind: kind, dialect: llm.DialectOpenAI}, honoured: honoured, refused: refused}
	return a
}

func fields(names ...string) func(*Query) { return func(q *Query) { q.Fields = names } }

// A model's own provider answers for itself; another host of it must be known to
// honour what was sent, where one is known to; and a substitute must be in any case.
func TestFieldsDecideWhoMayServe(t *testing.T) {
	table := NewTable(catalogue, []*Account{
		documents("openai", "openai", "seed user", "n"),
		documents("groq", "groq", "user", "logit_bias"),
		documents("openrouter", "openrouter", "user seed", ""),
	}, Options{})
	observe := mode(llm.ModeObserve)
	named := func(want string, names ...string) {
		t.Helper()
		mustOrder(t, table, ask("big", observe, fields(names...)), want, llm.ReasonNamed)
	}
	named("groq:vendor/big openai:big openrouter:openai/big", "model", "messages", "user")
	named("openai:big openrouter:openai/big", "seed") // nobody knows what groq does with it
	named("openai:big", "a_field_of_tomorrow")        // its own provider answers for itself
	if d := decide(t, table, ask("open", observe, fields("a_field_of_tomorrow"))); order(d) != "openrouter:meta/open groq:meta/open" {
		t.Errorf("where no host is known to honour a field, each may: %s", order(d))
	}
	mustOrder(t, table, ask("groq/big", fields("seed")), "groq:vendor/big", llm.ReasonPinned) // it was named
	mustRefuse(t, table, ask("groq/big", fields("logit_bias")), 400, "unsupported_parameter", "logit_bias")
	// auto and substitutes are sent only what is known to be honoured.
	mustRefuse(t, table, ask("auto", fields("user", "a_field_of_tomorrow")), 400, "unsupported_parameter", "a_field_of_tomorrow")
	mustRefuse(t, table, ask("auto", fields("seed", "n")), 400, "unsupported_parameter", "n")
	mustOrder(t, table, ask("big", fields("seed")), "openai:thinker openai:big openrouter:openai/big", llm.ReasonSubstituted)
	d := mustOrder(t, table, ask("old", fields("a_field_of_tomorrow")), "openai:old", llm.ReasonNamed)
	if d.Substitution != nil {
		t.Error("a substitute may drop the field")
	}
}

func TestClosedProvidersDropWhatTheyDoNotKnow(t *testing.T) {
	closed := documents("openai", "openai", "user", "")
	closed.Adapter = documented{fake: fake{kind: "openai", dialect: llm.DialectOpenAI}, honoured: "user", closed: true}
	table := NewTable(catalogue, []*Account{closed}, Options{})
	mustOrder(t, table, ask("openai/big", fields("user")), "openai:big", llm.ReasonPinned)
	mustRefuse(t, table, ask("openai/big", fields("a_field_of_tomorrow")), 400, "unsupported_parameter", "a_field_of_tomorrow")
}

// json_object and json_schema are told apart, because many providers honour one.
func TestStructuredOutputByProvider(t *testing.T) {
	table := NewTable(catalogue, []*Account{
		documents("openai", "openai", "response_format.json_object", "response_format.json_schema"),
		documents("groq", "groq", "response_format response_format.json_object", ""),
	}, Options{})
	object := func(q *Query) { q.Fields, q.Needs.JSONObject = []string{"response_format"}, true }
	text := fields("response_format") // of another kind, such as a grammar
	mustOrder(t, table, ask("auto", object), "openai:thinker", llm.ReasonOnlyCandidate)
	mustOrder(t, table, ask("groq/big", object), "groq:vendor/big", llm.ReasonPinned)
	mustOrder(t, table, ask("auto", text), "groq:vendor/mid groq:vendor/big", llm.ReasonCheapestCapable)
}

// A thinking model does not honour some fields that its provider honours otherwise.
func TestThinkingModelsHonourLess(t *testing.T) {
	m := &pricing.Model{ID: "m", Owner: "deepseek", Reasoning: true, Refuses: []string{"logit_bias"}}
	k, _ := provider.Lookup("deepseek")
	adapter, err := k.New(k.BaseURL)
	if err != nil {
		t.Fatal(err)
	}
	a := account("deepseek", "deepseek")
	a.Adapter = adapter
	thinks := newNode(newAccess(a, NewHealth()), m, nil, "m", "m")
	if thinks.honoured.Has("temperature") || !thinks.honoured.Has("max_tokens") || !thinks.refused.Has("logit_bias") {
		t.Error("DeepSeek's thinking models have no temperature")
	}
	plain := *m
	plain.Reasoning = false
	if answers := newNode(newAccess(a, NewHealth()), &plain, nil, "m", "m"); !answers.honoured.Has("temperature") {
		t.Error("DeepSeek's other models have one")
	}
}

// A service tier is honoured by hosts that sell it, and by the provider that was named.
func TestServiceTier(t *testing.T) {
	c, err := pricing.Parse([]byte(`{"version":"test","sources":[],"models":[
		{"id":"m","owner":"openai","context":1000000,"maxOutput":8000,"input":["text"],"output":["text"],"capability":0.8,"evidence":"test","hosts":[
			{"kind":"openai","name":"m","prices":[{"input":"10","output":"10","source":"test"},{"tier":"flex","input":"5","output":"5","source":"test"}]},
			{"kind":"groq","name":"m","prices":[{"input":"8","output":"8","source":"test"}]}]},
		{"id":"cheap","owner":"groq","context":1000000,"maxOutput":8000,"input":["text"],"output":["text"],"capability":0.8,"evidence":"test","hosts":[
			{"kind":"groq","name":"cheap","prices":[{"input":"1","output":"1","source":"test"}]}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	table := NewTable(c, []*Account{account("openai", "openai"), account("groq", "groq")}, Options{})
	flex := func(q *Query) { q.Tier, q.Fields = "flex", []string{"service_tier"} }
	d := mustOrder(t, table, ask("m", flex), "openai:m", llm.ReasonNamed)
	if d.Candidates[0].Cost.Money != 6_500_000 { // 1,300 tokens at $5
		t.Errorf("flex is priced at %s", d.Candidates[0].Cost.Money)
	}
	mustOrder(t, table, ask("m"), "groq:cheap groq:m openai:m", llm.ReasonSubstituted)
	mustOrder(t, table, ask("auto", flex), "openai:m", llm.ReasonOnlyCandidate)
	mustOrder(t, table, ask("groq/m", flex), "groq:m", llm.ReasonPinned)
	mustRefuse(t, table, ask("auto", fields("service_tier")), 400, "unsupported_parameter", "service_tier")
}

func TestRegions(t *testing.T) {
	at := func(name, kind, region string) *Account {
		a := account(name, kind)
		a.Region = region
		return a
	}
	table := NewTable(catalogue, []*Account{at("eu", "openai", "eu-west-1"), at("us", "groq", "us"), at("nowhere", "openrouter", ""), at("europe", "gemini", "Europe-West4")}, Options{})
	regions := func(names ...string) func(*Query) {
		return policy(func(p *tenancy.RoutingPolicy) { p.Regions = names })
	}
	observe := mode(llm.ModeObserve)
	mustOrder(t, table, ask("big", observe, regions()), "us:vendor/big eu:big nowhere:openai/big", llm.ReasonNamed)
	mustOrder(t, table, ask("big", observe, regions("eu")), "eu:big", llm.ReasonNamed)
	mustOrder(t, table, ask("big", observe, regions("eu-west-1", "US")), "us:vendor/big eu:big", llm.ReasonNamed)
	mustOrder(t, table, ask("twin", observe, regions("europe")), "europe:twin", llm.ReasonNamed)
	mustOrder(t, table, ask("big", regions("us")), "us:vendor/mid us:vendor/big", llm.ReasonSubstituted)
	for _, names := range [][]string{{"eu-west"}, {"eu-west-12"}, {""}} { // a whole part of the name, and never nothing
		ids := table.Models(&tenancy.Policy{Routing: tenancy.RoutingPolicy{Regions: names}})
		if eu := slices.ContainsFunc(ids, func(m ModelInfo) bool { return m.ID == "old" }); eu != (names[0] == "eu-west") {
			t.Errorf("%v: %v", names, ids)
		}
	}
	for _, model := range []string{"big", "nowhere/big", "auto"} {
		message := mustRefuse(t, table, ask(model, regions("ap", "cn")), 403, "model_not_allowed", "model")
		if !strings.Contains(message, "regions ap, cn") {
			t.Error(message)
		}
	}
	simulated := account("sim", "openai")
	simulated.Simulated = true
	mustOrder(t, NewTable(catalogue, []*Account{simulated}, Options{}), ask("big", observe, regions("eu")), "sim:big", llm.ReasonNamed)
}

// prompt is the tokens of a prompt by kind of provider and model.
type prompt func(counted string) int64

func (p prompt) Tokens(counted string, _ *pricing.Profile) int64 { return p(counted) }
func (p prompt) Text(dst []byte) []byte                          { return dst }

// worded is a prompt with a text.
type worded struct {
	prompt
	text string
}

func (p worded) Text(dst []byte) []byte { return append(dst, p.text...) }

// A tokenizer of its own makes a model dearer, or its window too small.
func TestTokensByModel(t *testing.T) {
	table := standard(Options{})
	tokens := func(q *Query) {
		q.Prompt = prompt(func(id string) int64 {
			if strings.HasSuffix(id, "/mid") {
				return 10 * q.InputTokens
			}
			return q.InputTokens
		})
	}
	d := decide(t, table, ask("auto", fields("temperature"), tokens))
	if got := d.Candidates[0].Target.ID; got != "twin" {
		t.Errorf("mid takes ten times the tokens, and %s is chosen", got)
	}
	mustRefuse(t, table, ask("openai/mid", tokens, func(q *Query) { q.InputTokens = 20_000 }), 400, "context_length_exceeded", "messages")
	q := ask("auto", fields("temperature"), tokens)
	if n := testing.AllocsPerRun(100, func() { _ = table.Decide(q, d) }); n > 2 {
		t.Errorf("%v allocations", n)
	}
}

// What does not chat, what nobody has verified and what is given away is chosen by its name alone.
func TestOnlyTheirNameChoosesThem(t *testing.T) {
	c, err := pricing.Parse([]byte(`{"version":"test","sources":[],"models":[
		{"id":"vectors","owner":"openai","use":"embedding","context":8000,"maxOutput":0,"input":["text"],"output":["text"],"capability":0.9,"evidence":"test","hosts":[
			{"kind":"openai","name":"vectors","prices":[{"input":"0.1","output":"0.1","source":"test"}]}]},
		{"id":"rumour","owner":"openai","unverified":true,"context":8000,"maxOutput":8000,"input":["text"],"output":["text"],"capability":0.9,"evidence":"test","hosts":[
			{"kind":"openai","name":"rumour","prices":[{"input":"0.1","output":"0.1","source":"test"}]}]},
		{"id":"gift","owner":"openai","context":8000,"maxOutput":8000,"input":["text"],"output":["text"],"capability":0.9,"evidence":"test","hosts":[
			{"kind":"openai","name":"gift","prices":[{"input":"0","output":"0","source":"test"}]}]},
		{"id":"known","owner":"openai","context":8000,"maxOutput":8000,"input":["text"],"output":["text"],"capability":0.5,"evidence":"test","hosts":[
			{"kind":"openai","name":"known","prices":[{"input":"9","output":"9","source":"test"}]}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	table := NewTable(c, []*Account{account("openai", "openai")}, Options{})
	d := mustOrder(t, table, ask("auto"), "openai:known", llm.ReasonOnlyCandidate)
	if want := []llm.Rejection{{Reason: llm.ReasonNoEvidence, Count: 1}, {Reason: llm.ReasonDialect, Count: 1}, {Reason: llm.ReasonUnpriced, Count: 1}}; !slices.Equal(d.Rejected, want) {
		t.Errorf("rejected %v", d.Rejected)
	}
	mustOrder(t, table, ask("known"), "openai:known", llm.ReasonNamed)
	mustOrder(t, table, ask("gift"), "openai:gift", llm.ReasonNamed)
	mustOrder(t, table, ask("rumour"), "openai:rumour", llm.ReasonNamed)
	mustOrder(t, table, ask("openai/vectors"), "openai:vectors", llm.ReasonPinned)
}

// An adapter that documents nothing serves what was named, and is never chosen for a field.
func TestUndocumentedAdapter(t *testing.T) {
	a := account("openai", "openai")
	a.Adapter = struct{ mute }{}
	table := NewTable(catalogue, []*Account{a}, Options{})
	mustOrder(t, table, ask("big", fields("temperature")), "openai:big", llm.ReasonNamed)
	mustRefuse(t, table, ask("auto", fields("temperature")), 400, "unsupported_parameter", "temperature")
	decide(t, table, ask("auto"))
}

type mute struct{}

func (mute) Name() string                                          { return "openai" }
func (mute) Dialect(llm.Endpoint, string, llm.Dialect) llm.Dialect { return llm.DialectOpenAI }
func (mute) Prepare(*http.Request, provider.Destination) error     { return nil }

// What the operator agreed on decides what is cheapest; savings are of the list price.
func TestTermsDecideWhatIsCheapest(t *testing.T) {
	terms, err := pricing.NewTerms([]pricing.Override{{Scope: pricing.Scope{Tenant: "acme", Model: "twin"}, Price: pricing.FilePrice{Input: "0.5", Output: "0.5"}}},
		[]pricing.Discount{{Scope: pricing.Scope{Account: "openai"}, BasisPoints: 5_000}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	table := standard(Options{Terms: terms})
	plain := fields("temperature")
	tenant := func(q *Query) { q.Tenant = "acme" }
	f := func(want string, change ...func(*Query)) {
		t.Helper()
		if d := decide(t, table, ask("auto", append(change, plain)...)); d.Candidates[0].Target.Account.Name+":"+d.Candidates[0].Target.ID != want {
			t.Errorf("auto takes %s, want %s", order(d), want)
		}
	}
	f("openai:mid") // half of $5 is less than groq's $4
	f("google:twin", tenant)
	d := mustOrder(t, table, ask("big", plain, mode(llm.ModeObserve)), "openai:big groq:vendor/big openrouter:openai/big", llm.ReasonNamed)
	if d.Candidates[0].Rates.Input != 5_000_000_000 || d.BaselineRates.Input != 10_000_000_000 {
		t.Errorf("charged at %d, compared with %d", d.Candidates[0].Rates.Input, d.BaselineRates.Input)
	}
	mustOrder(t, table, ask("big", plain, tenant), "google:twin openai:big groq:vendor/big openrouter:openai/big", llm.ReasonSubstituted)
	q := ask("auto", plain, tenant)
	if n := testing.AllocsPerRun(100, func() { _ = table.Decide(q, d) }); n > 2 {
		t.Errorf("%v allocations", n)
	}
}
