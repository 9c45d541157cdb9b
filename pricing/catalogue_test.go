package pricing

import (
	"fmt"
	"runtime"
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
		if !ok || got.Input != input || got.CacheRead != cacheRead || got.Output != output || !strings.Contains(Embedded().Version(), got.Version) {
			t.Errorf("%s at %s: %+v, want %d, %d, %d", model, kind, got, input, cacheRead, output)
		}
	}
	f("gpt-4o", "openai", "", 10, 2_500_000_000, 1_250_000_000, 10_000_000_000)
	f("gpt-4o-2024-08-06", "openai", "", 10, 2_500_000_000, 1_250_000_000, 10_000_000_000)
	f("gpt-4o-mini", "openai", "", 10, 150_000_000, 75_000_000, 600_000_000)
	f("gpt-3.5-turbo", "openai", "", 10, 500_000_000, 500_000_000, 1_500_000_000) // no cache price: the input's
	f("gpt-5-nano", "openai", "flex", 10, 25_000_000, 2_500_000, 200_000_000)
	f("gpt-5-nano", "openai", "scale", 10, 50_000_000, 5_000_000, 400_000_000) // a tier not known: the default's
	f("gpt-5.5", "openai", "", 271_999, 5_000_000_000, 500_000_000, 30_000_000_000)
	f("gpt-5.5", "openai", "", 272_000, 10_000_000_000, 1_000_000_000, 45_000_000_000)
	f("gpt-5.5", "openai", "flex", 272_000, 5_000_000_000, 500_000_000, 22_500_000_000)
	f("gpt-5.5", "openai", "priority", 10, 12_500_000_000, 1_250_000_000, 75_000_000_000)
	f("claude-sonnet-4-5", "anthropic", "", 10, 3_000_000_000, 300_000_000, 15_000_000_000)
	f("gemini-2.5-pro", "gemini", "", 200_001, 2_500_000_000, 250_000_000, 15_000_000_000)
	f("deepseek-v4-pro", "deepseek", "", 10, 660_000_000, 22_000_000, 1_980_000_000)
	f("gpt-oss-120b", "openrouter", "", 10, 39_000_000, 39_000_000, 180_000_000)
}

// A class is free only where the host says that the model is, or has no price for
// what it reads or writes at all.
func TestEveryClassHasAPrice(t *testing.T) {
	for _, m := range Embedded().Models() {
		for _, h := range m.Hosts {
			for _, p := range h.Prices {
				r := p.Rates
				in := []llm.Rate{r.CacheRead, r.CacheWrite5m, r.CacheWrite1h, r.AudioIn, r.AudioCached, r.ImageIn, r.ImageCached, r.Video}
				out := []llm.Rate{r.Reasoning, r.AudioOut, r.ImageOut, r.VideoOut, r.Citations}
				if r.Input > 0 && slices.Contains(in, 0) || r.Output > 0 && slices.Contains(out, 0) {
					t.Errorf("%s at %s: a class is free: %+v", m.ID, h.Kind, r)
				}
				free := r.Input == 0 && r.Output == 0 && len(p.Fees) == 0
				if free && !strings.HasSuffix(h.Listed, ":free") || m.Capability > 0 && (r.Input == 0 || r.Output == 0) {
					t.Errorf("%s at %s is free: %+v", m.ID, h.Kind, p)
				}
				if p.Source == "" || r.Version == "" {
					t.Errorf("%s at %s: a row without a source", m.ID, h.Kind)
				}
			}
		}
	}
}

// All of genai-prices is there: its 43 providers and 1,694 entries.
func TestEveryEntryOfTheListIsThere(t *testing.T) {
	providers, entries := map[string]bool{}, map[string]bool{}
	for _, m := range Embedded().Models() {
		for _, h := range m.Hosts {
			if h.Listed != "" {
				provider, _, _ := strings.Cut(h.Listed, "/")
				providers[provider], entries[h.Listed] = true, true
			}
		}
	}
	if len(providers) != 43 || len(entries) != 1694 {
		t.Errorf("%d providers and %d entries", len(providers), len(entries))
	}
}

func TestVersionAndChecksum(t *testing.T) {
	c := Embedded()
	if !strings.HasPrefix(c.Version(), "genai-prices ") || !strings.Contains(c.Version(), ", models.dev ") || len(c.Checksum()) != 64 {
		t.Errorf("version %q, checksum %q", c.Version(), c.Checksum())
	}
	again, err := Parse(append(slices.Clone(catalogueJSON), '\n'))
	if err != nil || again.Checksum() == c.Checksum() {
		t.Errorf("another document has checksum %q too, or %v", again.Checksum(), err)
	}
}

// An old call costs what it did then.
func TestEmbeddedPricesHaveAHistory(t *testing.T) {
	f := func(model, kind, at string, input llm.Rate) {
		t.Helper()
		instant, err := time.Parse("2006-01-02 15:04", at)
		if got, ok := Embedded().LookupAt(kind, model).Host(kind).Rates(instant, "", 10); !ok || err != nil || got.Input != input {
			t.Errorf("%s at %s: %d, want %d", model, at, got.Input, input)
		}
	}
	f("o3", "openai", "2025-06-09 23:59", 10_000_000_000)
	f("o3", "openai", "2025-06-10 00:00", 2_000_000_000)
	f("deepseek-v4-pro", "deepseek", "2026-08-16 02:00", 1_320_000_000) // the hours have no date in the list
	f("deepseek-v4-pro", "deepseek", "2026-08-16 05:00", 435_000_000)
	f("deepseek-v4-pro", "deepseek", "2026-08-18 05:00", 660_000_000)
	f("deepseek-v4-pro", "deepseek", "2026-08-18 06:00", 1_320_000_000)
}

func TestAnthropicsCacheWritesHaveTheirOwnPrices(t *testing.T) {
	r, _ := Embedded().Lookup("claude-haiku-4-5").Host("anthropic").Rates(now, "", 0)
	if r.CacheWrite5m != 1_250_000_000 || r.CacheWrite1h != 2_000_000_000 {
		t.Errorf("5 minutes %d, 1 hour %d", r.CacheWrite5m, r.CacheWrite1h)
	}
	r, _ = Embedded().Lookup("gemini-2.5-flash").Host("gemini").Rates(now, "", 0)
	if r.AudioIn != 1_000_000_000 || r.AudioCached != 100_000_000 || r.ImageIn != r.Input || r.Reasoning != r.Output {
		t.Errorf("parents of %+v", r)
	}
}

// What a model that was not named may be chosen for is known: its limits, and what
// it takes and can do.
func TestEmbeddedModelsAreCompleteAndPlausible(t *testing.T) {
	owners := map[string]int{}
	for _, m := range Embedded().Models() {
		if !m.Unverified && m.Chat {
			owners[m.Owner]++
			if m.Context <= 0 || m.MaxOutput <= 0 || m.Input&Text == 0 || m.Output&Text == 0 || m.Released.IsZero() || m.Source == "" {
				t.Errorf("%s is incomplete: %+v", m.ID, m)
			}
		}
		if m.Capability > 0 && (!strings.Contains(m.Evidence, "20") || m.Unverified || !m.Chat) || m.Indirect && m.Capability == 0 {
			t.Errorf("%s: capability %v rests on %q", m.ID, m.Capability, m.Evidence)
		}
		if m.Chat != (m.Use == "") {
			t.Errorf("%s is for chat, and for %q", m.ID, m.Use)
		}
	}
	if owners["openai"] < 20 || owners["anthropic"] < 12 || owners["gemini"] < 10 {
		t.Errorf("models by owner: %v", owners)
	}
}

func TestWhatDoesNotConverseIsToldApart(t *testing.T) {
	f := func(kind, name, use string) {
		t.Helper()
		m := Embedded().LookupAt(kind, name)
		if m == nil || m.Use != use || m.Chat != (use == "") {
			t.Errorf("%s at %s: %+v, want %q", name, kind, m, use)
		}
	}
	f("openai", "text-embedding-3-small", "embedding")
	f("voyageai", "voyage-3", "embedding")
	f("openai", "whisper-1", "transcription")
	f("openai", "gpt-image-1", "image")
	f("openai", "gpt-realtime", "realtime")
	f("mistral", "mistral-ocr-latest", "ocr")
	f("openai", "gpt-4o", "")
	f("anthropic", "claude-opus-5", "")
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
	at("openai", "gpt-oss-120b", "gpt-oss-120b@openai") // the list prices it there, and it is no host of the model
	at("openai", "claude-opus-5", "")
	at("openrouter", "openai/gpt-4o", "gpt-4o")
	at("openai", "gpt-4o-2024-08-06", "gpt-4o")
	at("vertex", "gemini-2.5-pro", "gemini-2.5-pro")
	at("openai", "gpt-6-sol-2026-09-01", "gpt-6-sol-2026-09-01") // by a rule
	at("openai", "GPT-6-Sol", "gpt-6-sol")
	at("azure", "gpt-6-sol", "gpt-6-sol") // by the list that it falls back to
	at("gemini", "claude-opus-5", "")
	at("huggingface", "openai/gpt-oss-20b:groq", "openai/gpt-oss-20b:groq")
	at("nowhere", "gpt-6-sol-2026-09-01", "")
	at("openai", "gpt-6-sol"+strings.Repeat("-2026-09-01", 100), "")
}

// A name that only a rule knows costs what the entry does, and tells nothing else
// for certain.
func TestANameByRuleHasAPriceAndNoEvidence(t *testing.T) {
	m, listed := Embedded().LookupAt("openai", "gpt-6-sol-2026-09-01"), Embedded().Lookup("gpt-6-sol")
	if m == nil || !m.Unverified || m.Capability != 0 || m.Evidence != "" || m.Context != listed.Context || len(m.Hosts) != 1 {
		t.Fatalf("%+v", m)
	}
	got, ok := m.Host("openai").Rates(now, "", 300_000)
	if want, _ := listed.Host("openai").Rates(now, "", 300_000); !ok || got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if again := Embedded().LookupAt("openai", "gpt-6-sol-2026-09-01"); again != m {
		t.Error("a name is looked for twice")
	}
}

// Callers choose the names: however many they try, little of it is kept.
func TestForeignNamesTakeBoundedSpace(t *testing.T) {
	c := Embedded()
	for i := range 3 * maxMemo {
		c.LookupAt("openrouter", fmt.Sprintf("no-such-model-%d", i))
	}
	if n := len(c.seen.young) + len(c.seen.former); n > 2*maxMemo {
		t.Errorf("%d names are kept", n)
	}
}

func TestRepeatedLookupsAllocateNothing(t *testing.T) {
	c := Embedded()
	for _, name := range []string{"gpt-4o", "gpt-4o-2024-08-06", "gpt-6-sol-2026-09-01", "no-such-model"} {
		if n := testing.AllocsPerRun(100, func() { c.LookupAt("openai", name) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
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
		{From: day("2026-06-01"), Hours: &Hours{Start: 20 * time.Hour, End: 4 * time.Hour}, Rates: rates(3)},
	}}
	f := func(at, tier string, tokens int64, want llm.Rate) {
		t.Helper()
		instant := day(at[:10])
		if len(at) > 10 {
			instant, _ = time.Parse("2006-01-02 15:04", at)
		}
		if got, ok := h.Rates(instant, tier, tokens); ok != (want > 0) || got.Input != want {
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
	f("2026-06-01 03:59", "", 2000, 3)
	f("2026-06-01 04:00", "", 2000, 16)
	f("2026-06-01 19:59", "", 1, 8)
	f("2026-06-01 20:00", "", 1, 3)
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
		"no price":         hosts(`{"source":"s"}`),
		"bad hours":        hosts(`{"hours":"25:00-03:00","input":"1","output":"2","source":"s"}`),
		"bad fee":          hosts(`{"fees":[{"name":"f","price":"1e3","per":1}],"source":"s"}`),
		"fee of no unit":   hosts(`{"fees":[{"name":"f","price":"1","per":0}],"source":"s"}`),
		"too fine a fee":   hosts(`{"fees":[{"name":"f","price":"0.0000000000000001","per":1}],"source":"s"}`),
		"two fees":         hosts(`{"fees":[{"name":"f","price":"1","per":1},{"name":"f","price":"1","per":1}],"source":"s"}`),
		"rule for nobody":  strings.Replace(hosts(price), `"models"`, `"lists":[{"kind":"k","rules":[{"name":"x","match":{"equals":"x"}}]}],"models"`, 1),
		"no fallback":      strings.Replace(hosts(price), `"models"`, `"lists":[{"kind":"k","fallback":["l"],"rules":[]}],"models"`, 1),
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

// TestBill: the fees of a call get their rates from the price list by their names.
func TestBill(t *testing.T) {
	h, _ := (&FileHost{Kind: "k", Name: "n", Prices: []FilePrice{{Input: "1", Source: "s", Fees: []FileFee{
		{Name: "web_search", Price: "10", Per: 1000}, {Name: FeeRequest, Price: "5", Per: 1000}, {Name: "audio_second", Price: "0.111", Per: 3600, Least: 10},
	}}}}).host("v")
	p := &h.Prices[0]
	f := func(want llm.Money, fees ...llm.Fee) {
		t.Helper()
		u := llm.Usage{Input: 1000, Fees: fees}
		if got := p.Bill(&u); got != want {
			t.Errorf("%+v cost %d, want %d", u.Fees, got, want)
		}
		if got := p.Bill(&u); got != want {
			t.Errorf("%+v cost %d the second time, want %d", u.Fees, got, want)
		}
	}
	f(1_000_000 + 5_000_000)
	f(1_000_000+5_000_000+20_000_000, llm.Fee{Name: "web_search", Count: 2})
	f(1_000_000+5_000_000, llm.Fee{Name: "no_such_fee", Count: 2})
	f(1_000_000+10_000_000, llm.Fee{Name: FeeRequest, Count: 2})
	f(1_000_000+5_000_000+3_700_000, llm.Fee{Name: "audio_second", Count: 120})
	f(1_000_000+5_000_000+308_333, llm.Fee{Name: "input_audio_second", Count: 3}) // ten at least, by the parent's rate
	f(1_000_000+5_000_000, llm.Fee{Name: "audio_second"})
	plain := &Price{Rates: llm.Rates{Input: 1_000_000_000}}
	u := &llm.Usage{Input: 1000}
	if n := testing.AllocsPerRun(100, func() { plain.Bill(u) }); n != 0 {
		t.Errorf("a bill without fees allocates %v times", n)
	}
}

// TestParents: a class without a price costs what calcPrice charges for it.
func TestParents(t *testing.T) {
	f := func(p FilePrice, want func(r *llm.Rates) bool) {
		t.Helper()
		var r llm.Rates
		if err := p.rates(&r); err != nil || !want(&r) {
			t.Errorf("%+v is read as %+v, %v", p, r, err)
		}
	}
	f(FilePrice{Input: "4", Output: "8"}, func(r *llm.Rates) bool {
		return r.AudioCached == r.Input && r.CacheWrite1h == r.Input && r.Video == r.Input && r.VideoOut == r.Output && r.Citations == r.Output
	})
	f(FilePrice{Input: "4", CacheRead: "1"}, func(r *llm.Rates) bool { return r.AudioCached == r.CacheRead && r.ImageCached == r.CacheRead })
	f(FilePrice{Input: "4", AudioIn: "9"}, func(r *llm.Rates) bool { return r.AudioCached == r.AudioIn && r.ImageCached == r.Input })
	f(FilePrice{Input: "4", AudioIn: "9", CacheRead: "1"}, func(r *llm.Rates) bool { return r.AudioCached == r.AudioIn && r.ImageCached == r.CacheRead })
	f(FilePrice{Input: "4", CacheWrite5m: "5"}, func(r *llm.Rates) bool { return r.CacheWrite1h == r.CacheWrite5m })
	f(FilePrice{Input: "4", CacheWrite5m: "5", CacheWrite1h: "8"}, func(r *llm.Rates) bool { return r.CacheWrite1h == 2*r.Input })
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

func BenchmarkLookupAt(b *testing.B) {
	c := Embedded()
	for _, name := range []string{"gpt-4o", "gpt-4o-mini-2024-07-18", "gpt-6-sol-2026-09-01"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.LookupAt("openai", name)
			}
		})
	}
}

func BenchmarkNear(b *testing.B) {
	for b.Loop() {
		Embedded().Near("anthropic/claude-sonet-4-5-20250929", 3)
	}
}

// BenchmarkParse is what the catalogue takes of a start: time, and heap that stays.
func BenchmarkParse(b *testing.B) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	kept, err := Parse(catalogueJSON)
	if err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(catalogueJSON); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc), "heap-B")
	runtime.KeepAlive(kept)
}
