package pricing

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/generic-corp/halfpenny/llm"
	"pgregory.net/rapid"
)

func day(text string) time.Time {
	d, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return d
}

var now = day("2026-11-24")

func TestEmbeddedPricesAreWhatThePriceListsSay(t *testing.T) {
	f := func(model, kind, tier string, inputTokens int64, input, cacheRead, output llm.Rate) {
		t.Helper()
		m := Embedded().Lookup(model)
		if m == nil || m.Host(kind) == nil {
			t.Fatalf("%s at %s is not in the catalogue", model, kind)
		}
		got, ok := m.Host(kind).Rates(now, tier, inputTokens)
		if !ok || got.Input != input || got.CacheRead != cacheRead || got.Output != output || got.Version != Embedded().Version() {
			t.Errorf("%s at %s: %+v, want %d, %d, %d", model, kind, got, input, cacheRead, output)
		}
	}
	f("gpt-4o", "openai", "", 10, 2_500_000_000, 1_250_000_000, 10_000_000_000)
	f("gpt-4o-2024-08-06", "openai", "", 10, 2_500_000_000, 1_250_000_000, 10_000_000_000)
	f("gpt-4o-mini", "openai", "", 10, 150_000_000, 75_000_000, 600_000_000)
	f("gpt-3.5-turbo", "openai", "", 10, 500_000_000, 500_000_000, 1_500_000_000) // no cache price: the input's
	f("gpt-5-nano", "openai", "flex", 10, 50_000_000, 5_000_000, 400_000_000)     // a tier not known: the default's
	f("gpt-5.5", "openai", "", 272_000, 5_000_000_000, 500_000_000, 30_000_000_000)
	f("gpt-5.5", "openai", "", 272_001, 10_000_000_000, 1_000_000_000, 45_000_000_000)
	f("gpt-5.5", "openai", "priority", 10, 12_500_000_000, 1_250_000_000, 75_000_000_000)
	f("claude-sonnet-4-5", "anthropic", "", 10, 3_000_000_000, 300_000_000, 15_000_000_000)
	f("gemini-2.5-pro", "gemini", "", 200_001, 2_500_000_000, 250_000_000, 15_000_000_000)
	f("deepseek-v4-pro", "deepseek", "", 10, 435_000_000, 3_625_000, 870_000_000)
	f("gpt-oss-120b", "openrouter", "", 10, 30_000_000, 30_000_000, 150_000_000)
}

func TestEveryClassHasAPrice(t *testing.T) {
	for _, m := range Embedded().Models() {
		for _, h := range m.Hosts {
			for _, p := range h.Prices {
				r := p.Rates
				for _, rate := range []llm.Rate{r.Input, r.CacheRead, r.CacheWrite5m, r.CacheWrite1h, r.Output, r.Reasoning,
					r.AudioIn, r.AudioOut, r.AudioCached, r.ImageIn, r.ImageOut, r.ImageCached, r.Video} {
					if rate <= 0 {
						t.Errorf("%s at %s: a class is free: %+v", m.ID, h.Kind, r)
					}
				}
				if p.Source == "" || p.From.IsZero() {
					t.Errorf("%s at %s: a row without source or date", m.ID, h.Kind)
				}
			}
		}
	}
}

func TestAnthropicsCacheWritesHaveTheirOwnPrices(t *testing.T) {
	r, _ := Embedded().Lookup("claude-haiku-4-5").Host("anthropic").Rates(now, "", 0)
	if r.CacheWrite5m != 1_250_000_000 || r.CacheWrite1h != 2_000_000_000 {
		t.Errorf("5 minutes %d, 1 hour %d", r.CacheWrite5m, r.CacheWrite1h)
	}
	r, _ = Embedded().Lookup("gemini-2.5-flash").Host("gemini").Rates(now, "", 0)
	if r.AudioIn != 1_000_000_000 || r.AudioCached != r.AudioIn || r.ImageIn != r.Input || r.Reasoning != r.Output {
		t.Errorf("parents of %+v", r)
	}
}

func TestEmbeddedModelsAreCompleteAndPlausible(t *testing.T) {
	owners := map[string]int{}
	for _, m := range Embedded().Models() {
		owners[m.Owner]++
		if m.Context <= 0 || m.MaxOutput <= 0 || m.Input&Text == 0 || m.Output&Text == 0 || m.Released.IsZero() {
			t.Errorf("%s is incomplete: %+v", m.ID, m)
		}
		if m.Capability > 0 && !strings.Contains(m.Evidence, "20") || m.Indirect && m.Capability == 0 {
			t.Errorf("%s: capability %v rests on %q", m.ID, m.Capability, m.Evidence)
		}
	}
	if owners["openai"] < 20 || owners["anthropic"] < 12 || owners["gemini"] < 10 || len(Embedded().Models()) < 80 {
		t.Errorf("models by owner: %v", owners)
	}
}

func TestLookup(t *testing.T) {
	c := Embedded()
	f := func(name, want string) {
		t.Helper()
		got := ""
		if m := c.Lookup(name); m != nil {
			got = m.ID
		}
		if got != want {
			t.Errorf("%q means %q, want %q", name, got, want)
		}
	}
	f("gpt-5-mini", "gpt-5-mini")
	f("gpt-5-mini-2025-08-07", "gpt-5-mini")
	f("claude-sonnet-4-20250514", "claude-sonnet-4-0")
	f("openai/gpt-oss-120b", "gpt-oss-120b") // its name at several hosts
	f("anthropic/claude-sonnet-4.5", "claude-sonnet-4-5")
	f("accounts/fireworks/models/kimi-k2p6", "kimi-k2.6")
	f("", "")
	f("gpt-6", "")
	at := func(kind, name, want string) {
		t.Helper()
		got := ""
		if m := c.LookupAt(kind, name); m != nil {
			got = m.ID
		}
		if got != want {
			t.Errorf("%q at %s means %q, want %q", name, kind, got, want)
		}
	}
	at("groq", "openai/gpt-oss-120b", "gpt-oss-120b")
	at("groq", "gpt-oss-120b", "gpt-oss-120b")
	at("openai", "gpt-oss-120b", "")
	at("openrouter", "openai/gpt-4o", "gpt-4o")
	at("openai", "gpt-4o-2024-08-06", "gpt-4o")
}

func TestNear(t *testing.T) {
	f := func(name, first string) {
		t.Helper()
		got := Embedded().Near(name, 3)
		if first == "" && len(got) > 0 || first != "" && (len(got) == 0 || got[0] != first) {
			t.Errorf("near %q: %v, want %q first", name, got, first)
		}
	}
	f("gpt-4o-mni", "gpt-4o-mini")
	f("GPT-5-Mini", "gpt-5-mini")
	f("openai/gpt-5-minni", "gpt-5-mini")
	f("claude-sonnet-4-5-latest", "claude-sonnet-4-5")
	f("no-such-thing-at-all-xyz", "")
	f(strings.Repeat("x", 1<<20), "")
}

func TestRowInForce(t *testing.T) {
	rates := func(input llm.Rate) llm.Rates { return llm.Rates{Input: input} }
	h := Host{Prices: []Price{
		{From: day("2025-01-01"), Rates: rates(10)},
		{From: day("2025-01-01"), Above: 1000, Rates: rates(20)},
		{From: day("2025-01-01"), Tier: "flex", Rates: rates(5)},
		{From: day("2026-01-01"), Rates: rates(8)},
		{From: day("2026-01-01"), Above: 1000, Rates: rates(16)},
	}}
	f := func(at, tier string, tokens int64, want llm.Rate) {
		t.Helper()
		if got, ok := h.Rates(day(at), tier, tokens); ok != (want > 0) || got.Input != want {
			t.Errorf("%s %q %d: %d, want %d", at, tier, tokens, got.Input, want)
		}
	}
	f("2024-12-31", "", 1, 0)
	f("2025-01-01", "", 1, 10)
	f("2025-06-01", "", 1000, 10)
	f("2025-06-01", "", 1001, 20)
	f("2025-06-01", "flex", 1001, 5)
	f("2026-01-01", "", 1, 8)
	f("2026-01-01", "", 2000, 16)
	f("2026-01-01", "flex", 1, 5)
	f("2026-01-01", "priority", 1, 8)
}

func TestParseRate(t *testing.T) {
	f := func(text string, want llm.Rate) {
		t.Helper()
		if got, err := ParseRate(text); (err == nil) != (want >= 0) || err == nil && got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	f("1", 1_000_000_000)
	f("0.075", 75_000_000)
	f("0.083333333", 83_333_333)
	f("150", 150_000_000_000)
	f("0", 0)
	for _, bad := range []string{"", ".", "1.", ".5", "-1", "+1", "1e3", "0.0000000001", "x", "1.2.3", "99999999999999999999"} {
		f(bad, -1)
	}
}

func TestParseRefusesWhatIsWrong(t *testing.T) {
	price := `{"input":"1","output":"2","source":"s"}`
	model := func(rest string) string {
		return `{"version":"v","sources":[],"models":[{"id":"m","owner":"o","context":1,"maxOutput":1,"input":["text"],"output":["text"]` + rest + `}]}`
	}
	hosts := func(prices string) string {
		return model(`,"hosts":[{"kind":"k","name":"n","prices":[` + prices + `]}]`)
	}
	if _, err := Parse([]byte(hosts(price))); err != nil {
		t.Fatalf("a right one is refused: %v", err)
	}
	for name, document := range map[string]string{
		"no JSON":          `{`,
		"trailing":         hosts(price) + "{}",
		"unknown field":    model(`,"colour":1,"hosts":[]`),
		"no hosts":         model(``),
		"no source":        hosts(`{"input":"1","output":"2"}`),
		"free":             hosts(`{"input":"0","output":"2","source":"s"}`),
		"too fine":         hosts(`{"input":"0.0000000001","output":"2","source":"s"}`),
		"bad day":          hosts(`{"from":"2026-13-01","input":"1","output":"2","source":"s"}`),
		"name taken twice": model(`,"names":["m"],"hosts":[{"kind":"k","name":"n","prices":[]}]`),
		"host taken twice": model(`,"hosts":[{"kind":"k","name":"n","prices":[]},{"kind":"k","name":"n","prices":[]}]`),
		"no evidence":      model(`,"capability":0.5,"hosts":[{"kind":"k","name":"n","prices":[]}]`),
	} {
		if _, err := Parse([]byte(document)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestModalityString(t *testing.T) {
	if got := (Text | Audio).String(); got != "text+audio" {
		t.Errorf("got %q", got)
	}
}

func TestNearestFindsAnEditedName(t *testing.T) {
	var ids []string
	for _, m := range Embedded().Models() {
		ids = append(ids, m.ID)
	}
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.SampledFrom(ids).Draw(t, "id")
		i := rapid.IntRange(0, len(id)-1).Draw(t, "i")
		if got := Nearest(ids, id[:i]+"~"+id[i+1:], len(ids)); !slices.Contains(got, id) {
			t.Fatalf("%q is not near itself with a letter changed: %v", id, got)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		if _, err := Parse(catalogueJSON); err != nil {
			b.Fatal(err)
		}
	}
}
