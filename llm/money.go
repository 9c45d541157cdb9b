package llm

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"strings"
)

// Money is an amount in nano-dollars (10⁻⁹ US dollars).
type Money int64

// Dollar is one US dollar.
const Dollar Money = 1_000_000_000

// MaxMoney is the largest amount that may be configured: $1,000,000,000.
const MaxMoney = 1_000_000_000 * Dollar

// Rate is a unit price in femto-dollars (10⁻¹⁵ US dollars) per token, or for what a fee counts.
// One dollar per million tokens is 10⁹.
type Rate int64

const femtoPerNano = 1_000_000

// ParseRate reads dollars per million tokens from decimal text, such as "0.075".
// A tenth decimal would be less than a femto-dollar a token and is refused.
func ParseRate(text string) (Rate, error) {
	whole, frac, dotted := strings.Cut(text, ".")
	if whole == "" || dotted && frac == "" || len(frac) > 9 || strings.ContainsAny(text, "+-") {
		return 0, fmt.Errorf("cannot read %q as dollars per million tokens", text)
	}
	n, err := strconv.ParseInt(whole+frac+strings.Repeat("0", 9-len(frac)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("cannot read %q as dollars per million tokens", text)
	}
	return Rate(n), nil
}

// NullMoney is an amount that may be unknown. The zero value is unknown.
type NullMoney struct {
	Money Money
	Valid bool
}

// Known returns m as a known amount.
func Known(m Money) NullMoney { return NullMoney{Money: m, Valid: true} }

// Add returns the sum; it is unknown if either amount is.
func (n NullMoney) Add(o NullMoney) NullMoney {
	if !n.Valid || !o.Valid {
		return NullMoney{}
	}
	return Known(n.Money + o.Money)
}

// Sub returns the difference; it is unknown if either amount is.
func (n NullMoney) Sub(o NullMoney) NullMoney {
	if !n.Valid || !o.Valid {
		return NullMoney{}
	}
	return Known(n.Money - o.Money)
}

// MarshalJSON writes the amount in dollars as an exact decimal literal, or null.
func (n NullMoney) MarshalJSON() ([]byte, error) {
	if !n.Valid {
		return []byte("null"), nil
	}
	return n.Money.MarshalJSON()
}

// UnmarshalJSON reads null or what Money reads.
func (n *NullMoney) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*n = NullMoney{}
		return nil
	}
	n.Valid = true
	return n.Money.UnmarshalJSON(b)
}

// Append appends the amount in dollars as an exact decimal without trailing zeros.
func (m Money) Append(dst []byte) []byte {
	u := uint64(m)
	if m < 0 {
		dst = append(dst, '-')
		u = -u
	}
	dst = strconv.AppendUint(dst, u/uint64(Dollar), 10)
	frac := u % uint64(Dollar)
	if frac == 0 {
		return dst
	}
	var digits [9]byte
	for i := 8; i >= 0; i-- {
		digits[i] = byte('0' + frac%10)
		frac /= 10
	}
	n := 9
	for digits[n-1] == '0' {
		n--
	}
	return append(append(dst, '.'), digits[:n]...)
}

// String returns the amount in dollars as an exact decimal.
func (m Money) String() string { return string(m.Append(nil)) }

// MarshalJSON writes the amount in dollars as an exact decimal literal.
func (m Money) MarshalJSON() ([]byte, error) { return m.Append(nil), nil }

// UnmarshalJSON reads a JSON number as decimal text, without a float in between.
func (m *Money) UnmarshalJSON(b []byte) error {
	v, err := ParseMoney(string(b))
	if err != nil {
		return err
	}
	*m = v
	return nil
}

// ErrMoney is wrapped by every error of ParseMoney.
var ErrMoney = errors.New("not an amount in dollars")

// ParseMoney reads an amount in dollars from decimal text: a JSON number, an
// exponent included. It refuses more than 9 decimals and amounts beyond MaxMoney.
func ParseMoney(s string) (Money, error) {
	mantissa, exponent, err := splitExponent(s)
	if err != nil {
		return 0, err
	}
	negative := strings.HasPrefix(mantissa, "-")
	whole, frac, dotted := strings.Cut(strings.TrimPrefix(mantissa, "-"), ".")
	if !allDigits(whole) || dotted && !allDigits(frac) {
		return 0, fmt.Errorf("%w: %q", ErrMoney, clip(s))
	}
	digits := strings.TrimLeft(whole+frac, "0")
	scale := 9 + exponent - len(frac) // power of ten that turns digits into nano-dollars
	for scale < 0 && strings.HasSuffix(digits, "0") {
		digits, scale = digits[:len(digits)-1], scale+1
	}
	switch {
	case digits == "":
		return 0, nil
	case scale < 0:
		return 0, fmt.Errorf("%w: %q has more than 9 decimals", ErrMoney, clip(s))
	case len(digits)+scale > 19:
		return 0, fmt.Errorf("%w: %q is beyond $1,000,000,000", ErrMoney, clip(s))
	}
	n, err := strconv.ParseUint(digits+strings.Repeat("0", scale), 10, 64)
	if err != nil || n > uint64(MaxMoney) {
		return 0, fmt.Errorf("%w: %q is beyond $1,000,000,000", ErrMoney, clip(s))
	}
	if negative {
		return -Money(n), nil
	}
	return Money(n), nil
}

func splitExponent(s string) (mantissa string, exponent int, err error) {
	i := strings.IndexAny(s, "eE")
	if i < 0 {
		return s, 0, nil
	}
	exponent, err = strconv.Atoi(s[i+1:])
	if err != nil || exponent > 64 || exponent < -64 {
		return "", 0, fmt.Errorf("%w: %q", ErrMoney, clip(s))
	}
	return s[:i], exponent, nil
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// Rates are the unit prices in force for one call, one for each class of Usage.
// Every class has its price: where a price list names none, its parent's
// (cache, audio, image, video → input; reasoning, citations → output) has been filled in.
type Rates struct {
	Input, CacheRead, CacheWrite5m, CacheWrite1h Rate
	Output, Reasoning                            Rate
	AudioIn, AudioOut, AudioCached               Rate
	ImageIn, ImageOut, ImageCached               Rate
	Video, VideoOut                              Rate
	Citations                                    Rate
	Version                                      string // of the price list, and what was agreed on top of it
}

// All returns the rates of all classes, to be read or changed.
func (r *Rates) All() []*Rate {
	classes := r.classes()
	all := make([]*Rate, len(classes))
	for i := range classes {
		all[i] = classes[i].rate
	}
	return all
}

// Cost returns what u costs at these rates: femto-dollars summed in 128 bits,
// rounded half up to nano-dollars once. A cost beyond int64 is MaxInt64.
func (r *Rates) Cost(u *Usage) Money {
	var hi, lo uint64
	add := func(count int64, rate Rate) {
		if count <= 0 || rate <= 0 {
			return
		}
		h, l := bits.Mul64(uint64(count), uint64(rate))
		var carry uint64
		lo, carry = bits.Add64(lo, l, 0)
		hi, _ = bits.Add64(hi, h, carry)
	}
	add(u.Input, r.Input)
	add(u.CacheRead, r.CacheRead)
	add(u.CacheWrite5m, r.CacheWrite5m)
	add(u.CacheWrite1h, r.CacheWrite1h)
	add(u.Output, r.Output)
	add(u.Reasoning, r.Reasoning)
	add(u.AudioIn, r.AudioIn)
	add(u.AudioOut, r.AudioOut)
	add(u.AudioCached, r.AudioCached)
	add(u.ImageIn, r.ImageIn)
	add(u.ImageOut, r.ImageOut)
	add(u.ImageCached, r.ImageCached)
	add(u.Video, r.Video)
	add(u.VideoOut, r.VideoOut)
	add(u.Citations, r.Citations)
	for i := range u.Fees {
		if u.Fees[i].Per > 1 {
			return fractions(hi, lo, u.Fees[i:])
		}
		add(u.Fees[i].Count, u.Fees[i].Rate)
	}
	lo, carry := bits.Add64(lo, femtoPerNano/2, 0)
	hi += carry
	if hi >= femtoPerNano {
		return math.MaxInt64
	}
	nano, _ := bits.Div64(hi, lo, femtoPerNano)
	return Money(min(nano, math.MaxInt64))
}

// fractions adds fees to a sum of femto-dollars and rounds it, where a rate is for
// more than one: its share of a femto-dollar counts too, so the sum is a fraction.
func fractions(hi, lo uint64, fees []Fee) Money {
	whole := new(big.Int).Lsh(new(big.Int).SetUint64(hi), 64)
	sum := new(big.Rat).SetInt(whole.Add(whole, new(big.Int).SetUint64(lo)))
	for _, f := range fees {
		if f.Count > 0 && f.Rate > 0 {
			n := new(big.Int).Mul(big.NewInt(f.Count), big.NewInt(int64(f.Rate)))
			sum.Add(sum, new(big.Rat).SetFrac(n, big.NewInt(max(f.Per, 1))))
		}
	}
	sum.Add(sum, big.NewRat(femtoPerNano/2, 1)).Quo(sum, big.NewRat(femtoPerNano, 1))
	if nano := new(big.Int).Quo(sum.Num(), sum.Denom()); nano.IsInt64() {
		return Money(nano.Int64())
	}
	return math.MaxInt64
}
