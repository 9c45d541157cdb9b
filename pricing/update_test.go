package pricing

import (
	"strings"
	"testing"
	"time"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing/genai"
)

const before = `[
 {"id":"openai","models":[
  {"id":"one","match":{"or":[{"equals":"one"},{"starts_with":"one-20"}]},"prices":{"input_mtok":1,"output_mtok":4,"web_searches_kcount":10}},
  {"id":"two","match":{"equals":"two"},"prices":{"input_mtok":2,"output_mtok":8}},
  {"id":"gone","match":{"starts_with":"gone"},"prices":{"input_mtok":3,"output_mtok":3}}]},
 {"id":"azure","fallback_model_providers":["openai"],"models":[{"id":"own","match":{"equals":"own"},"prices":{"input_mtok":5,"output_mtok":5}}]},
 {"id":"google","models":[
  {"id":"gemini-x","match":{"equals":"gemini-x"},"prices":{"input_mtok":1,"output_mtok":1}},
  {"id":"claude-x","match":{"equals":"claude-x"},"prices":{"input_mtok":7,"output_mtok":7}}]}
]`

var after = strings.NewReplacer(
	`"prices":{"input_mtok":1,"output_mtok":4,"web_searches_kcount":10}`, `"prices":{"input_mtok":0.5,"output_mtok":2,"web_searches_kcount":20}`,
	`{"id":"gone","match":{"starts_with":"gone"},"prices":{"input_mtok":3,"output_mtok":3}}`,
	`{"id":"fresh","match":{"equals":"fresh"},"context_window":1000,"prices":[{"prices":{"input_mtok":1,"output_mtok":1}},{"constraint":{"start_date":"2027-01-01"},"prices":{"input_mtok":9,"output_mtok":9}}]}`,
	`"prices":{"input_mtok":1,"output_mtok":1}}`, `"prices":{"input_mtok":{"base":1,"tiers":[{"start":100,"price":2}]},"output_mtok":1}}`,
).Replace(before)

// listing makes a catalogue of models of one host each, for the entries of before.
func listing(t testing.TB) *Catalogue {
	t.Helper()
	c, err := Parse([]byte(`{"version":"list 1","sources":[],
	"lists":[{"kind":"openai","rules":[{"name":"one","match":{"or":[{"equals":"one"},{"starts_with":"one-20"}]}},{"name":"two","match":{"equals":"two"}},{"name":"gone","match":{"starts_with":"gone"}}]},
	 {"kind":"azure","fallback":["openai"],"rules":[{"name":"own","match":{"equals":"own"}}]},
	 {"kind":"vertex","rules":[{"kind":"gemini","name":"gemini-x","match":{"equals":"gemini-x"}},{"name":"claude-x","match":{"equals":"claude-x"}}]}],
	"models":[
	 {"id":"one","owner":"openai","capability":0.5,"evidence":"e","hosts":[{"kind":"openai","name":"one","listed":"openai/one","prices":[
	   {"input":"1","output":"4","fees":[{"name":"web_search","price":"10","per":1000}],"source":"s"},
	   {"tier":"flex","input":"0.5","output":"2","fees":[{"name":"web_search","price":"10","per":1000}],"source":"s"},
	   {"tier":"priority","input":"3","output":"5","source":"s"}]},
	  {"kind":"azure","name":"one","listed":"openai/one","prices":[{"input":"1","output":"4","fees":[{"name":"web_search","price":"10","per":1000}],"source":"s"}]}]},
	 {"id":"two","owner":"openai","hosts":[{"kind":"openai","name":"two","listed":"openai/two","prices":[{"input":"2","output":"8","source":"s"}]}]},
	 {"id":"gone","owner":"openai","hosts":[{"kind":"openai","name":"gone","listed":"openai/gone","prices":[{"input":"3","output":"3","source":"s"}]}]},
	 {"id":"own","owner":"azure","hosts":[{"kind":"azure","name":"own","listed":"azure/own","prices":[{"input":"5","output":"5","source":"s"}]}]},
	 {"id":"gemini-x","owner":"gemini","hosts":[{"kind":"gemini","name":"gemini-x","listed":"google/gemini-x","prices":[{"input":"1","output":"1","source":"s"}]}]},
	 {"id":"claude-x","owner":"anthropic","hosts":[{"kind":"vertex","name":"claude-x","listed":"google/claude-x","prices":[{"input":"7","output":"7","source":"s"}]}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var taken = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)

func updates(t *testing.T, document string) []HostUpdate {
	t.Helper()
	list, err := genai.Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	u, err := Updates(list, "list 2", taken)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestTheSameListChangesNothing(t *testing.T) {
	c := listing(t)
	if next, diffs := c.With(updates(t, before)); next != c || diffs != nil {
		t.Errorf("%v", diffs)
	}
	if next, diffs := c.With(nil); next != c || diffs != nil {
		t.Errorf("%v", diffs)
	}
}

// An update is shown line by line, holds from its instant, and leaves what was
// before as it was.
func TestWith(t *testing.T) {
	c := listing(t)
	next, diffs := c.With(updates(t, after))
	var lines []string
	for _, d := range diffs {
		lines = append(lines, d.String())
	}
	want := `gemini gemini-x above 100: input $1 → $2 from 2026-11-24T10:00:00Z [list 2 google/gemini-x, taken in 2026-11-24]
openai gone: vanished
openai one: input $1 → $0.5 from 2026-11-24T10:00:00Z [list 2 openai/one, taken in 2026-11-24]
openai one: output $4 → $2 from 2026-11-24T10:00:00Z [list 2 openai/one, taken in 2026-11-24]
openai one: web_search $0.01 → $0.02 from 2026-11-24T10:00:00Z [list 2 openai/one, taken in 2026-11-24]
azure one: input $1 → $0.5 from 2026-11-24T10:00:00Z [list 2 openai/one, taken in 2026-11-24]
azure one: output $4 → $2 from 2026-11-24T10:00:00Z [list 2 openai/one, taken in 2026-11-24]
azure one: web_search $0.01 → $0.02 from 2026-11-24T10:00:00Z [list 2 openai/one, taken in 2026-11-24]
openai fresh: new
openai fresh: input none → $1 from 2026-11-24T10:00:00Z [list 2 openai/fresh, taken in 2026-11-24]
openai fresh: output none → $1 from 2026-11-24T10:00:00Z [list 2 openai/fresh, taken in 2026-11-24]
openai fresh: input none → $9 from 2027-01-01T00:00:00Z [list 2 openai/fresh, taken in 2026-11-24]
openai fresh: output none → $9 from 2027-01-01T00:00:00Z [list 2 openai/fresh, taken in 2026-11-24]`
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if next.Version() != "list 1 + list 2 from 2026-11-24" || next.Checksum() == c.Checksum() || len(next.Checksum()) != 64 {
		t.Errorf("version %q, checksum %q", next.Version(), next.Checksum())
	}
	if !next.Dated().Equal(taken) || Embedded().Dated().Format(time.DateOnly) < "2026-09-23" {
		t.Errorf("dated %v, %v", next.Dated(), Embedded().Dated())
	}
	if got := PriceText(next.Lookup("one").Host("openai").Price(taken, "", 1)); got != "input 0.5, output 2, web_search 0.02" {
		t.Errorf("the price reads %q", got)
	}
	f := func(c *Catalogue, kind, name, at, tier string, tokens int64, input llm.Rate, version string) {
		t.Helper()
		m := c.LookupAt(kind, name)
		if m == nil {
			t.Fatalf("%s at %s is not there", name, kind)
		}
		instant, err := time.Parse(time.RFC3339, at)
		if got, ok := m.Host(kind).Rates(instant, tier, tokens); err != nil || !ok && input > 0 || got.Input != input || got.Version != version {
			t.Errorf("%s at %s, %s %q: %d of %q, want %d of %q", name, kind, at, tier, got.Input, got.Version, input, version)
		}
	}
	f(c, "openai", "one", "2026-11-24T10:00:00Z", "", 1, 1_000_000_000, "list 1")
	f(next, "openai", "one", "2026-11-24T09:59:59Z", "", 1, 1_000_000_000, "list 1")
	f(next, "openai", "one", "2026-11-24T10:00:00Z", "", 1, 500_000_000, "list 2")
	f(next, "openai", "one", "2026-11-24T10:00:00Z", "flex", 1, 250_000_000, "list 2")
	f(next, "openai", "one", "2026-11-24T10:00:00Z", "priority", 1, 3_000_000_000, "list 1") // no share of the default
	f(next, "openai", "one-2026-01-01", "2026-11-24T10:00:00Z", "", 1, 500_000_000, "list 2")
	f(next, "azure", "one", "2026-11-24T10:00:00Z", "", 1, 500_000_000, "list 2")
	f(next, "azure", "one-2026-01-01", "2026-11-24T10:00:00Z", "", 1, 500_000_000, "list 2")
	f(next, "openai", "two", "2026-11-24T10:00:00Z", "", 1, 2_000_000_000, "list 1")
	f(next, "openai", "gone", "2026-11-24T10:00:00Z", "", 1, 3_000_000_000, "list 1")
	f(next, "openai", "gone-too", "2026-11-24T10:00:00Z", "", 1, 3_000_000_000, "list 1")
	f(next, "openai", "fresh", "2027-01-01T00:00:00Z", "", 1, 9_000_000_000, "list 2")
	f(next, "openai", "fresh", "2026-11-24T09:00:00Z", "", 1, 0, "")
	f(next, "vertex", "gemini-x", "2026-11-24T10:00:00Z", "", 101, 2_000_000_000, "list 2")
	f(next, "gemini", "gemini-x", "2026-11-24T10:00:00Z", "", 100, 1_000_000_000, "list 2")
	if next.LookupAt("gemini", "claude-x") != nil || c.Lookup("fresh") != nil {
		t.Error("a model is where it is not")
	}
	if m := next.Lookup("fresh"); !m.Unverified || m.Context != 1000 || m.Capability != 0 {
		t.Errorf("%+v", m)
	}
	if m := next.Lookup("one"); m == c.Lookup("one") || m.Capability != 0.5 || len(c.Lookup("one").Host("openai").Prices) != 3 {
		t.Errorf("%+v", m)
	}
	if again, diffs := next.With(updates(t, after)); again != next {
		t.Errorf("taken in twice: %v", diffs)
	}
}

func TestUpdatesThatAreNotUnderstood(t *testing.T) {
	list, err := genai.Parse([]byte(strings.Replace(before, `"output_mtok":8`, `"output_haiku_mtok":8`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	u, err := Updates(list, "list 2", taken)
	if err == nil || !strings.Contains(err.Error(), "output_haiku_mtok") || len(u) != 5 {
		t.Errorf("%d updates, %v", len(u), err)
	}
}

// FuzzUpdates: whatever is published as a price list, taking it in neither panics
// nor changes what was charged before.
func FuzzUpdates(f *testing.F) {
	f.Add([]byte(before))
	f.Add([]byte(after))
	f.Add([]byte(`[{"id":"aws","models":[{"id":"x","match":{"contains":"o"},"prices":{}}]},{"id":"bedrock","models":[{"id":"x","match":{"contains":"x"},"prices":{"audio_hours":1}}]}]`))
	c := listing(f)
	f.Fuzz(func(t *testing.T, document []byte) {
		list, err := genai.Parse(document)
		if err != nil {
			return
		}
		updates, _ := Updates(list, "list 2", taken)
		next, _ := c.With(updates)
		for _, m := range c.Models() {
			for i := range m.Hosts {
				h := &m.Hosts[i]
				had, _ := h.Rates(taken.Add(-time.Second), "", 50)
				n := next.byHost[hostName{h.Kind, h.Name}]
				if has, ok := n.Host(h.Kind).Rates(taken.Add(-time.Second), "", 50); !ok || has != had {
					t.Fatalf("%s at %s cost %+v, and %+v", h.Name, h.Kind, had, has)
				}
			}
		}
		for _, m := range next.Models() {
			next.LookupAt(m.Hosts[0].Kind, m.Hosts[0].Name+"-20250101")
		}
	})
}
