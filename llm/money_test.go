package llm

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func TestParseMoney(t *testing.T) {
	f := func(in string, want Money) {
		t.Helper()
		if got, err := ParseMoney(in); err != nil || got != want {
			t.Errorf("ParseMoney(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
	f("0", 0)
	f("-0", 0)
	f("0.0000000000", 0)
	f("1", Dollar)
	f("100.00", 100*Dollar)
	f("0.000000001", 1)
	f("-0.05", -50_000_000)
	f("1e2", 100*Dollar)
	f("1.5E-3", 1_500_000)
}

func TestParseMoneyRefuses(t *testing.T) {
	for _, in := range []string{"", "-", ".", "1.", ".5", "1,5", "NaN", "Infinity", "0x10", "1e", "1e99", "0.0000000001", "1.23e-8", "1000000000.000000001", "1e10",
		"99999999999999999999", "--1", "+1", "1e+-1", " 1", "null", "\"1\""} {
		if got, err := ParseMoney(in); !errors.Is(err, ErrMoney) {
			t.Errorf("ParseMoney(%q) = %d, %v", in, got, err)
		}
	}
}

func TestMoneyString(t *testing.T) {
	f := func(in Money, want string) {
		t.Helper()
		if got := in.String(); got != want {
			t.Errorf("%d is written %q, want %q", int64(in), got, want)
		}
	}
	f(0, "0")
	f(1, "0.000000001")
	f(-1, "-0.000000001")
	f(Dollar, "1")
	f(45_300_000_000, "45.3")
	f(MaxMoney, "1000000000")
	f(math.MinInt64, "-9223372036.854775808")
}

// TestMoneyRoundTrip: what is written is read back as the same amount.
func TestMoneyRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Money(rapid.Int64Range(-int64(MaxMoney), int64(MaxMoney)).Draw(t, "nano-dollars"))
		if got, err := ParseMoney(m.String()); err != nil || got != m {
			t.Fatalf("%d became %q and then %d, %v", m, m, got, err)
		}
		b, err := json.Marshal(Known(m))
		var back NullMoney
		if err != nil || json.Unmarshal(b, &back) != nil || back != Known(m) {
			t.Fatalf("%d became %s and then %v", m, b, back)
		}
	})
}

func TestUnknownMoney(t *testing.T) {
	if sum := Known(1).Add(NullMoney{}); sum.Valid {
		t.Error("a known and an unknown amount make an unknown one")
	}
	if diff := Known(5).Sub(Known(7)); diff != Known(-2) {
		t.Errorf("5 - 7 = %v", diff)
	}
	b, err := json.Marshal(struct{ A, B NullMoney }{B: Known(2_500_000)})
	if err != nil || string(b) != `{"A":null,"B":0.0025}` {
		t.Errorf("%s, %v", b, err)
	}
	back := Known(1)
	if err := json.Unmarshal([]byte("null"), &back); err != nil || back.Valid {
		t.Errorf("null is read as %v, %v", back, err)
	}
}

// TestCost holds the 128-bit product against big integers, rounding included.
func TestCost(t *testing.T) {
	count := rapid.Int64Range(0, 1<<40)
	rate := rapid.Int64Range(0, 1<<45)
	rapid.Check(t, func(t *rapid.T) {
		u := Usage{Input: count.Draw(t, "input"), CacheRead: count.Draw(t, "cached"), Output: count.Draw(t, "output"), Video: count.Draw(t, "video"),
			Fees: []Fee{{Count: count.Draw(t, "fees"), Rate: Rate(rate.Draw(t, "fee"))}}}
		r := Rates{Input: Rate(rate.Draw(t, "a")), CacheRead: Rate(rate.Draw(t, "b")), Output: Rate(rate.Draw(t, "c")), Video: Rate(rate.Draw(t, "d"))}
		sum := new(big.Int)
		for _, p := range [][2]int64{{u.Input, int64(r.Input)}, {u.CacheRead, int64(r.CacheRead)}, {u.Output, int64(r.Output)}, {u.Video, int64(r.Video)}, {u.Fees[0].Count, int64(u.Fees[0].Rate)}} {
			sum.Add(sum, new(big.Int).Mul(big.NewInt(p[0]), big.NewInt(p[1])))
		}
		sum.Add(sum, big.NewInt(femtoPerNano/2)).Div(sum, big.NewInt(femtoPerNano))
		want := int64(math.MaxInt64)
		if sum.IsInt64() {
			want = sum.Int64()
		}
		if got := r.Cost(&u); int64(got) != want {
			t.Fatalf("cost %d, want %d", got, want)
		}
	})
}

// TestCostOfFractions: a rate for more than one is exact too, so fractions of a
// femto-dollar that make a whole together do.
func TestCostOfFractions(t *testing.T) {
	f := func(want Money, fees ...Fee) {
		t.Helper()
		if got := (&Rates{Input: 400_000}).Cost(&Usage{Input: 1, Fees: fees}); got != want {
			t.Errorf("%+v cost %d, want %d", fees, got, want)
		}
	}
	f(11_111_112, Fee{Count: 1000, Rate: 40_000_000_000_000, Per: 3600}) // 11,111,111.11… and 0.4 nano-dollars
	f(1, Fee{Count: 1, Rate: 100_000, Per: 1})
	f(0, Fee{Count: 1, Rate: 299_999, Per: 3})
	f(1, Fee{Count: 1, Rate: 100_000, Per: 3}, Fee{Count: 2, Rate: 100_000, Per: 3})
	f(0, Fee{Count: 1, Rate: 100_000, Per: 3}, Fee{Count: 1, Rate: 199_999, Per: 3})
	f(math.MaxInt64, Fee{Count: math.MaxInt64, Rate: math.MaxInt64, Per: 2})
	f(0, Fee{Count: -1, Rate: 100_000, Per: 3})
}

func TestCostAllocatesNothing(t *testing.T) {
	u, r := &Usage{Input: 3, Output: 5, Fees: []Fee{{Count: 1, Rate: 7}}}, &Rates{Input: 1, Output: 2}
	if n := testing.AllocsPerRun(100, func() { _ = r.Cost(u) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCost(b *testing.B) {
	u, r := &Usage{Input: 3000, CacheRead: 1000, Output: 500}, &Rates{Input: 150_000_000, CacheRead: 75_000_000, Output: 600_000_000}
	b.ReportAllocs()
	for b.Loop() {
		_ = r.Cost(u)
	}
}

func TestCostIsRoundedHalfUpOnce(t *testing.T) {
	f := func(tokens int64, rate Rate, want Money) {
		t.Helper()
		if got := (&Rates{Input: rate, Output: rate}).Cost(&Usage{Input: tokens, Output: tokens}); got != want {
			t.Errorf("2 × %d tokens at %d cost %d, want %d", tokens, rate, got, want)
		}
	}
	f(1, 249_999, 0) // 0.499998 nano-dollars
	f(1, 250_000, 1) // 0.5
	f(1, 150_000_000, 300)
	f(-5, 150_000_000, 0)
}

// FuzzParseMoney: no text makes it panic, and an amount that is read is written back as the same one.
func FuzzParseMoney(f *testing.F) {
	for _, seed := range []string{"0", "-1.5e-3", "1e9", "000.10", "1e-64"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMoney(s)
		if err != nil {
			return
		}
		if r, ok := new(big.Rat).SetString(s); !ok || r.Mul(r, big.NewRat(int64(Dollar), 1)).Cmp(big.NewRat(int64(m), 1)) != 0 {
			t.Fatalf("%q is read as %d nano-dollars", s, int64(m))
		}
	})
}

func TestRecordTotals(t *testing.T) {
	ok := Attempt{Cost: Known(5), CostStatus: CostExact, Usage: Usage{Input: 3, Output: 1}}
	guess := Attempt{Cost: Known(2), CostStatus: CostEstimated, Outcome: OutcomeUnknown}
	dark := Attempt{CostStatus: CostUnpriced}
	f := func(r Record, cost NullMoney, status CostStatus, savings NullMoney, unknown bool) {
		t.Helper()
		if r.Cost() != cost || r.CostStatus() != status || r.Savings() != savings || r.Unknown() != unknown {
			t.Errorf("%v %v %v %v", r.Cost(), r.CostStatus(), r.Savings(), r.Unknown())
		}
	}
	f(Record{}, Known(0), CostExact, NullMoney{}, false)
	f(Record{Attempts: []Attempt{ok}, Baseline: Known(9)}, Known(5), CostExact, Known(4), false)
	f(Record{Attempts: []Attempt{ok, guess}, Baseline: Known(9)}, Known(7), CostEstimated, Known(2), true)
	f(Record{Attempts: []Attempt{guess, dark}, Baseline: Known(9)}, NullMoney{}, CostUnpriced, NullMoney{}, true)
	if u := (&Record{Attempts: []Attempt{ok, ok}}).Usage(); u.InputTokens() != 6 || u.OutputTokens() != 2 || u.Empty() {
		t.Errorf("usage %+v", u)
	}
}

func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		ModeObserve.String(): "observe", DialectGemini.String(): "gemini", EndpointChat.String(): "chat", OutcomeUnsent.String(): "unsent",
		CostSimulated.String(): "simulated", BaselineHabit.String(): "habit", ReasonTestOnly.String(): "test_only", Reason(250).String(): "unknown",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if m, ok := ParseMode("pinned"); m != ModePinned || !ok {
		t.Error("pinned is a mode")
	}
	if _, ok := ParseMode(""); ok {
		t.Error("nothing is no mode")
	}
}

func TestErrorText(t *testing.T) {
	cause := errors.New("disk full")
	err := Unavailable("No record.", cause)
	if err.Error() != "No record.: disk full" || !errors.Is(err, cause) || err.RetryAfter == 0 || err.Code != "gateway_unavailable" {
		t.Errorf("%v", err)
	}
	if e := Invalid("model", "wrong"); e.Status != 400 || e.Param != "model" || e.Error() != "wrong" {
		t.Errorf("%+v", e)
	}
}

func TestParseRate(t *testing.T) {
	f := func(text string, want Rate) {
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
