package llm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func sampleRecord() *Record {
	at := time.Unix(1790000000, 123456789).UTC()
	rate := Rate(250_000_000)
	return &Record{
		ID: "01980a1b-2c3d-7e4f-8a5b-6c7d8e9f0a1b", TenantID: "01980a1b-0000-7000-8000-000000000001", Slug: "acme-corp", KeyID: "k3Yx9QpLm2",
		At: at, Endpoint: EndpointChat, Dialect: DialectOpenAI, Mode: ModeOptimize, Stream: true, Requested: "gpt-5-mini", Task: "code", Tags: "feature=chat,team=search",
		Provider: "openai", Model: "gpt-5-mini", Reason: ReasonNamed, Status: 200, Outcome: OutcomeOK,
		Attempts: []Attempt{{
			N: 1, Provider: "openai", Model: "gpt-5-mini", Sent: "gpt-5-mini", Served: "gpt-5-mini-2025-08-07", At: at.Add(time.Millisecond), Latency: time.Second,
			FirstByte: 300 * time.Millisecond, Status: 200, Outcome: OutcomeOK, EstimatedInput: 812, EstimatedOutput: 256, Priced: true,
			Rates: Rates{Input: rate, CacheRead: rate / 10, CacheWrite5m: rate, CacheWrite1h: rate, Output: 8 * rate, Reasoning: 8 * rate, AudioIn: rate,
				AudioOut: 8 * rate, AudioCached: rate / 10, ImageIn: rate, ImageOut: 8 * rate, ImageCached: rate / 10, Video: rate, VideoOut: 8 * rate, Citations: 8 * rate, Version: "2026-06-01"},
			Usage: Usage{Input: 300, CacheRead: 512, Output: 190}, Cost: Known(467_800), CostStatus: CostExact,
		}},
		BaselineKind: BaselineNamed, BaselineName: "gpt-5-mini", Baseline: Known(583_000),
		Overhead: 400 * time.Microsecond, FirstByte: 301 * time.Millisecond, Total: time.Second, Queued: 2 * time.Millisecond, Done: true,
	}
}

func drawTime(t *rapid.T) time.Time {
	nanos := rapid.Int64().Draw(t, "nanos")
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos).UTC()
}

func drawMoney(t *rapid.T) NullMoney {
	if !rapid.Bool().Draw(t, "known") {
		return NullMoney{}
	}
	return Known(Money(rapid.Int64().Draw(t, "money")))
}

func drawUsage(t *rapid.T) Usage {
	u := Usage{Estimated: rapid.Bool().Draw(t, "estimated"), Clamped: rapid.Bool().Draw(t, "clamped")}
	for _, count := range u.classes() {
		*count = rapid.OneOf(rapid.Just(int64(0)), rapid.Int64()).Draw(t, "count")
	}
	for range rapid.IntRange(0, 2).Draw(t, "fees") {
		u.Fees = append(u.Fees, Fee{Name: rapid.String().Draw(t, "fee"), Count: rapid.Int64().Draw(t, "n"), Rate: Rate(rapid.Int64().Draw(t, "rate")),
			Per: rapid.Int64().Draw(t, "per")})
	}
	return u
}

func drawRates(t *rapid.T) Rates {
	r := Rates{Version: rapid.String().Draw(t, "version")}
	classes := r.classes()
	for i := range classes {
		*classes[i].rate = Rate(rapid.OneOf(rapid.Just(int64(classes[i].inherited())), rapid.Int64()).Draw(t, "rate"))
	}
	return r
}

func drawAttempts(t *rapid.T, name string) []Attempt {
	var attempts []Attempt
	for i := range rapid.IntRange(0, 3).Draw(t, name) {
		attempts = append(attempts, Attempt{
			N: i, Provider: rapid.String().Draw(t, "provider"), Model: rapid.String().Draw(t, "model"), Sent: rapid.String().Draw(t, "sent"),
			Served: rapid.String().Draw(t, "served"), At: drawTime(t), Latency: time.Duration(rapid.Int64().Draw(t, "latency")),
			FirstByte: time.Duration(rapid.Int64().Draw(t, "first")), Status: rapid.Int().Draw(t, "status"), Outcome: Outcome(rapid.Byte().Draw(t, "outcome")),
			Simulated: rapid.Bool().Draw(t, "simulated"), EstimatedInput: rapid.Int64().Draw(t, "in"), EstimatedOutput: rapid.Int64().Draw(t, "out"),
			Priced: rapid.Bool().Draw(t, "priced"), Rates: drawRates(t), Usage: drawUsage(t), Cost: drawMoney(t),
			CostStatus: CostStatus(rapid.Byte().Draw(t, "costStatus")), Reported: drawMoney(t),
		})
	}
	return attempts
}

func drawRecord(t *rapid.T) *Record {
	str := func(name string) string { return rapid.String().Draw(t, name) }
	small := func(name string) byte { return rapid.Byte().Draw(t, name) }
	flag := func(name string) bool { return rapid.Bool().Draw(t, name) }
	span := func(name string) time.Duration { return time.Duration(rapid.Int64().Draw(t, name)) }
	r := &Record{
		ID: str("id"), TenantID: str("tenant"), Slug: str("slug"), KeyID: str("key"), Test: flag("test"), At: drawTime(t),
		Endpoint: Endpoint(small("endpoint")), Dialect: Dialect(small("dialect")), Mode: Mode(small("mode")), Stream: flag("stream"),
		Requested: str("requested"), Task: str("task"), Tags: str("tags"), Provider: str("provider"), Model: str("model"), Reason: Reason(small("reason")),
		Status: rapid.Int().Draw(t, "status"), Outcome: Outcome(small("outcome")), Simulated: flag("simulated"),
		Attempts: drawAttempts(t, "attempts"), Unsent: drawAttempts(t, "unsent"),
		BaselineKind: BaselineKind(small("baselineKind")), BaselineName: str("baselineName"), Baseline: drawMoney(t),
		Overhead: span("overhead"), FirstByte: span("firstByte"), Total: span("total"), Queued: span("queued"), Done: flag("done"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "considered") {
		r.Considered = append(r.Considered, Considered{Provider: str("p"), Model: str("m"), Cost: drawMoney(t),
			Capability: rapid.Float64().Draw(t, "capability"), Reason: Reason(small("r"))})
	}
	for range rapid.IntRange(0, 3).Draw(t, "rejected") {
		r.Rejected = append(r.Rejected, Rejection{Reason: Reason(small("r")), Count: rapid.Int().Draw(t, "n")})
	}
	if flag("substitution") {
		r.Substitution = &Substitution{Provider: str("p"), Model: str("m"), Cost: Money(rapid.Int64().Draw(t, "c")), Savings: Money(rapid.Int64().Draw(t, "s"))}
	}
	return r
}

func TestRecordRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawRecord(t)
		prefix := []byte("before")
		b := want.Append(prefix)
		if !bytes.HasPrefix(b, prefix) {
			t.Fatal("Append changed what was there before")
		}
		b = b[len(prefix):]
		got, err := ParseRecord(b)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(*want, got) {
			t.Fatalf("\nwant %+v\ngot  %+v", *want, got)
		}
		cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut")
		if cut == len(b)-len(binary.AppendVarint(nil, int64(want.Queued))) {
			older := *want
			older.Queued = 0
			if got, err := ParseRecord(b[:cut]); err != nil || !reflect.DeepEqual(older, got) {
				t.Fatalf("as an older writer left it: %+v, %v", got, err)
			}
			return
		}
		if _, err := ParseRecord(b[:cut]); !errors.Is(err, ErrRecord) {
			t.Fatalf("%d of %d bytes: error %v, want ErrRecord", cut, len(b), err)
		}
	})
}

// A later version may add fields to the end of the record and of its blocks, and classes to a bitmap.
func TestParseRecordSkipsWhatItDoesNotKnow(t *testing.T) {
	want := sampleRecord()
	got, err := ParseRecord(append(want.Append(nil), "a field of tomorrow"...))
	if err != nil || !reflect.DeepEqual(*want, got) {
		t.Errorf("trailing bytes: %+v, %v", got, err)
	}

	block := want.Attempts[0].append(nil)
	block = closeBlock(append(block, "more"...), 0)
	d := decoder{s: string(append(binaryCount(1), block...))}
	if attempts := d.attempts(); d.bad || d.s != "" || !reflect.DeepEqual(attempts, want.Attempts) {
		t.Errorf("longer block: %+v, bad %v, left %q", attempts, d.bad, d.s)
	}

	// Bitmap with Input and the unknown class 15 set: 7 and 9.
	d = decoder{s: string([]byte{0x84, 0x80, 0x08, 14, 18, 0})}
	var u Usage
	if d.usage(&u); d.bad || d.s != "" || !reflect.DeepEqual(u, Usage{Input: 7}) {
		t.Errorf("usage %+v, bad %v, left %q", u, d.bad, d.s)
	}
}

// What an older writer did not write reads as it was meant: classes added since
// cost what their parents do, and the rate of a fee is for one.
func TestParseRecordReadsAnOlderWriter(t *testing.T) {
	want := sampleRecord().Attempts[0]
	want.Usage.Fees = []Fee{{Name: "web_search", Count: 1, Rate: 10_000_000_000_000}}
	block := want.append(nil)
	block = closeBlock(block[:len(block)-1], 0) // without what Per takes
	d := decoder{s: string(append(binaryCount(1), block...))}
	if attempts := d.attempts(); d.bad || d.s != "" || !reflect.DeepEqual(attempts, []Attempt{want}) {
		t.Errorf("%+v, bad %v, left %q", attempts, d.bad, d.s)
	}

	// Rates with a bitmap of the first two classes: 5 and 7.
	d = decoder{s: string([]byte{0x03, 10, 14, 1, 'v'})}
	var r Rates
	if d.rates(&r); d.bad || r.VideoOut != 7 || r.Citations != 7 || r.Video != 5 || r.Version != "v" {
		t.Errorf("rates %+v, bad %v", r, d.bad)
	}
}

func binaryCount(n byte) []byte { return []byte{n} }

func TestParseRecordRefuses(t *testing.T) {
	f := func(name string, b []byte) {
		t.Helper()
		if r, err := ParseRecord(b); !errors.Is(err, ErrRecord) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	b := sampleRecord().Append(nil)
	f("nothing", nil)
	f("another version", append([]byte{9}, b[1:]...))
	f("cut in the middle", b[:len(b)/2])
	f("cut at the end", b[:len(b)-1])
	f("endless varint", append([]byte{recordVersion}, bytes.Repeat([]byte{0xff}, 64)...))
	f("string longer than the input", append([]byte{recordVersion, 0}, 0xff, 0xff, 0xff, 0xff, 0x7f))
}

func TestAppendAllocatesNothing(t *testing.T) {
	r := sampleRecord()
	dst := r.Append(nil)
	if n := testing.AllocsPerRun(100, func() { dst = r.Append(dst[:0]) }); n != 0 {
		t.Errorf("Append allocates %v times, want 0", n)
	}
	if len(dst) > 400 {
		t.Errorf("a record of one attempt takes %d bytes, want 400 at most", len(dst))
	}
}

// A forged count must not make the reader reserve more than the input could fill.
func TestParseRecordAllocatesInProportion(t *testing.T) {
	b := sampleRecord().Append(nil)
	forged := append(bytes.Repeat([]byte{0}, 0), b...)
	forged = append(forged, strings.Repeat("\xff", 1<<16)...)
	if got := allocatedBy(func() { _, _ = ParseRecord(forged) }); got > 32*uint64(len(forged)) {
		t.Errorf("%d bytes allocated for %d", got, len(forged))
	}
}

func allocatedBy(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func FuzzParseRecord(f *testing.F) {
	full := sampleRecord()
	full.Unsent = []Attempt{{N: 2, Provider: "groq", Outcome: OutcomeUnsent}}
	full.Considered = []Considered{{Provider: "groq", Model: "llama", Cost: Known(1), Capability: 0.9, Reason: ReasonDearer}}
	full.Rejected = []Rejection{{ReasonTools, 3}}
	full.Substitution = &Substitution{"groq", "llama", 1, 2}
	full.Attempts[0].Usage.Fees = []Fee{{Name: "web_search", Count: 1, Rate: 10_000_000_000_000}, {Name: "audio_second", Count: 7, Rate: 40_000_000_000_000, Per: 3600}}
	f.Add(full.Append(nil))
	f.Add((&Record{}).Append(nil))
	f.Add(full.Append(nil)[:200])
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRecord(b)
		if err != nil {
			return
		}
		again, err := ParseRecord(r.Append(nil))
		if err != nil {
			t.Fatalf("cannot read what was written: %v", err)
		}
		for _, c := range [][]Considered{r.Considered, again.Considered} {
			for i := range c {
				if math.IsNaN(c[i].Capability) {
					c[i].Capability = 0
				}
			}
		}
		if !reflect.DeepEqual(r, again) {
			t.Fatalf("\nfirst  %+v\nsecond %+v", r, again)
		}
	})
}

func BenchmarkRecordAppend(b *testing.B) {
	r := sampleRecord()
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = r.Append(dst[:0])
	}
	b.ReportMetric(float64(len(dst)), "bytes")
}

func BenchmarkParseRecord(b *testing.B) {
	src := sampleRecord().Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseRecord(src); err != nil {
			b.Fatal(err)
		}
	}
}
