package genai

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

const document = `[
 {"id":"openai","name":"OpenAI","extractors":[{"root":"usage"}],"models":[
  {"id":"gpt-4o","match":{"or":[{"equals":"gpt-4o"},{"and":[{"starts_with":"gpt-4o-"},{"ends_with":"-08-06"}]}]},"context_window":128000,
   "prices":{"input_mtok":2.5,"cache_read_mtok":1.25,"output_mtok":10}},
  {"id":"o3","match":{"regex":"^o3-\\d{4}$"},"context_window":2e5,
   "prices":[{"prices":{"input_mtok":10}},{"constraint":{"start_date":"2025-06-10","type":"start_date"},"prices":{"input_mtok":2}},
             {"constraint":{"start_time":"00:30:00+01:00","end_time":"16:30:00Z"},"prices":{"input_mtok":{"base":1,"tiers":[{"start":2,"price":5},{"start":1,"price":4}]}}}]},
  {"id":"speech","match":{"contains":"-TTS"},"prices":{}},
  {"id":"flash","match":{"and":[{"contains":"flash"},{"regex":"^(?!.*-[tT][tT][sS](?:$|-))"}]},"prices":{"input_mtok":1}}]},
 {"id":"azure","fallback_model_providers":["openai","nowhere"],"models":[{"id":"own","match":{"equals":"own-2025-05-14"},"prices":{"requests_kcount":5}}]}
]`

func parsed(t *testing.T) []Provider {
	t.Helper()
	list, err := Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestParse(t *testing.T) {
	list := parsed(t)
	gpt, o3 := &list[0].Models[0], &list[0].Models[1]
	if gpt.ContextWindow() != 128_000 || o3.ContextWindow() != 200_000 || list[0].Models[2].ContextWindow() != 0 {
		t.Errorf("context windows %d, %d", gpt.ContextWindow(), o3.ContextWindow())
	}
	if len(gpt.Prices) != 1 || gpt.Prices[0].Price["cache_read_mtok"].Base != "1.25" {
		t.Errorf("%+v", gpt.Prices)
	}
	p := o3.Prices
	if len(p) != 3 || !p[0].From.IsZero() || p[1].From != time.Date(2025, 6, 10, 0, 0, 0, 0, time.UTC) ||
		*p[2].Hours != (Hours{23*time.Hour + 30*time.Minute, 16*time.Hour + 30*time.Minute}) {
		t.Errorf("%+v", p)
	}
	if want := (Price{Base: "1", Tiers: []Tier{{1, "4"}, {2, "5"}}}); !reflect.DeepEqual(p[2].Price["input_mtok"], want) {
		t.Errorf("%+v", p[2].Price)
	}
}

func TestParseRefuses(t *testing.T) {
	entry := func(rest string) string { return `[{"id":"p","models":[{"id":"m",` + rest + `}]}]` }
	prices := func(rest string) string { return entry(`"match":{"equals":"m"},"prices":` + rest) }
	if _, err := Parse([]byte(prices(`{"input_mtok":1}`))); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"no JSON":          `[`,
		"no list":          `{}`,
		"nothing":          `[]`,
		"no provider's id": `[{"models":[]}]`,
		"a provider twice": `[{"id":"p"},{"id":"p"}]`,
		"a model twice":    `[{"id":"p","models":[{"id":"m","match":{"equals":"m"},"prices":{}},{"id":"m","match":{"equals":"m"},"prices":{}}]}]`,
		"no prices":        entry(`"match":{"equals":"m"}`),
		"null prices":      prices(`null`),
		"no sets":          prices(`[]`),
		"a set of nothing": prices(`[{}]`),
		"a negative price": prices(`{"input_mtok":-1}`),
		"a price in text":  prices(`{"input_mtok":"x"}`),
		"a huge price":     prices(`{"input_mtok":1e300}`),
		"a huge exponent":  prices(`{"input_mtok":1e-999999999}`),
		"no base":          prices(`{"input_mtok":{"tiers":[]}}`),
		"tiers alike":      prices(`{"input_mtok":{"base":1,"tiers":[{"start":1,"price":1},{"start":1,"price":2}]}}`),
		"no date":          prices(`[{"constraint":{"start_date":"2025-02-30"},"prices":{}}]`),
		"no hour":          prices(`[{"constraint":{"start_time":"24:00:00Z","end_time":"01:00:00Z"},"prices":{}}]`),
		"another type":     prices(`[{"constraint":{"type":"full_moon","start_date":"2025-02-01"},"prices":{}}]`),
		"two conditions":   prices(`[{"constraint":{"start_date":"2025-02-01","start_time":"01:00:00Z","end_time":"02:00:00Z"},"prices":{}}]`),
		"no names":         entry(`"prices":{}`),
		"two tests":        entry(`"match":{"equals":"m","contains":"n"},"prices":{}`),
		"an unknown test":  entry(`"match":{"sounds_like":"m"},"prices":{}`),
		"no text":          entry(`"match":{"equals":""},"prices":{}`),
		"a bad pattern":    entry(`"match":{"regex":"("},"prices":{}`),
		"a lookahead":      entry(`"match":{"regex":"a(?=b)"},"prices":{}`),
		"an open one":      entry(`"match":{"regex":"^(?!a"},"prices":{}`),
		"nested too deep":  entry(`"match":` + strings.Repeat(`{"or":[`, 20) + `{"equals":"m"}` + strings.Repeat(`]}`, 20) + `,"prices":{}`),
	} {
		if list, err := Parse([]byte(bad)); err == nil {
			t.Errorf("%s is read as %+v", name, list)
		}
	}
}

func TestFind(t *testing.T) {
	list := parsed(t)
	f := func(provider, name, want string) {
		t.Helper()
		got := ""
		if p, m := Find(list, provider, name); m != nil {
			got = p.ID + "/" + m.ID
		}
		if got != want {
			t.Errorf("%q at %s: %q, want %q", name, provider, got, want)
		}
	}
	f("openai", "gpt-4o", "openai/gpt-4o")
	f("openai", " GPT-4o ", "openai/gpt-4o")
	f("openai", "gpt-4o-2024-08-06", "openai/gpt-4o")
	f("openai", "gpt-4o-20240806", "openai/gpt-4o") // with its date written apart
	f("openai", "gpt-4o-2024-05-13", "")
	f("openai", "o3-2025", "openai/o3")
	f("openai", "o3-20255", "")
	f("openai", "gemini-flash-TTS", "openai/speech")
	f("openai", "gemini-flash-lite", "openai/flash")
	f("azure", "gpt-4o", "openai/gpt-4o")
	f("azure", "own-20250514", "azure/own")
	f("azure", "gpt-4o-20240806", "openai/gpt-4o")
	f("nowhere", "gpt-4o", "")
}

func TestDateApart(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := DateApart(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	f("claude-20250514", "claude-2025-05-14")
	f("claude-20250514-v1:0", "claude-2025-05-14-v1:0")
	f("a-20250514:b-20240229", "a-2025-05-14:b-2024-02-29")
	f("a-20250514-20240229", "a-2025-05-14-2024-02-29")
	f("a-20250229", "a-20250229") // no such day
	f("a-20251301", "a-20251301")
	f("a-19990101", "a-19990101")
	f("a-202505140", "a-202505140")
	f("a20250514", "a20250514")
	f("-2025", "-2025")
}

func TestHours(t *testing.T) {
	f := func(h Hours, at string, want bool) {
		t.Helper()
		instant, err := time.Parse("15:04:05.000", at)
		if got := h.Contains(instant); err != nil || got != want {
			t.Errorf("%s in %v: %v", at, h, got)
		}
	}
	day, night := Hours{time.Hour, 3 * time.Hour}, Hours{22 * time.Hour, 2 * time.Hour}
	f(day, "00:59:59.999", false)
	f(day, "01:00:00.000", true)
	f(day, "02:59:59.999", true)
	f(day, "03:00:00.000", false)
	f(night, "21:59:59.999", false)
	f(night, "22:00:00.000", true)
	f(night, "01:59:59.999", true)
	f(night, "02:00:00.000", false)
}

func TestHoursAreWritten(t *testing.T) {
	f := func(h Hours, want string) {
		t.Helper()
		if got := h.String(); got != want {
			t.Errorf("%v is written %q, want %q", [2]time.Duration{h.Start, h.End}, got, want)
		}
	}
	f(Hours{30 * time.Minute, 16*time.Hour + 30*time.Minute}, "00:30-16:30")
	f(Hours{0, 10*time.Hour + 15*time.Second}, "00:00-10:00:15")
}

func TestAMatchIsWrittenAsItIsRead(t *testing.T) {
	m := parsed(t)[0].Models[0].Match
	written, err := json.Marshal(m)
	var again Match
	if err != nil || json.Unmarshal(written, &again) != nil || again.Compile() != nil || !reflect.DeepEqual(m, again) {
		t.Errorf("%s, %v", written, err)
	}
	if got := strings.Join(m.Texts(), " "); got != "gpt-4o gpt-4o- -08-06" {
		t.Errorf("texts %q", got)
	}
}

// FuzzParse: no document makes the reader panic, and what it reads can be asked.
func FuzzParse(f *testing.F) {
	f.Add([]byte(document), "gpt-4o-20240806")
	f.Add([]byte(`[{"id":"p","models":[{"id":"m","match":{"regex":"^(?!x)"},"prices":{"input_mtok":{"base":0.1,"tiers":[]}}}]}]`), "m")
	f.Fuzz(func(t *testing.T, document []byte, name string) {
		list, err := Parse(document)
		if err != nil {
			return
		}
		for _, p := range list {
			if owner, m := Find(list, p.ID, name); (owner == nil) != (m == nil) {
				t.Fatal("an entry without a provider")
			}
			for i := range p.Models {
				m := &p.Models[i]
				if m.ContextWindow() < 0 || len(m.Prices) == 0 {
					t.Fatalf("%+v", m)
				}
				for _, set := range m.Prices {
					if h := set.Hours; h != nil && (h.Start < 0 || h.Start >= 24*time.Hour || h.End < 0 || h.End >= 24*time.Hour) {
						t.Fatalf("hours %v", h)
					}
				}
			}
		}
	})
}
