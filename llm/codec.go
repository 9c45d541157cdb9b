package llm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// The binary form of a record, version 1:
//
//	version byte, then the fields of appendRecord in their order.
//
// Whole numbers are varints (zigzag where they may be negative), strings carry
// their length before them, times are 8 bytes of Unix nanoseconds (0: the zero
// time), amounts one byte that says whether they are known and then a varint.
// Attempts, candidates and the substitution are blocks: 4 bytes of length and
// then the fields. Usage and rates are a bitmap of the classes that differ from
// zero, or from the class that they fall back to, and a varint for every bit set.
//
// The form grows without a new version: new fields go to the end of the record or
// of a block, new classes to the end of a bitmap. A reader skips what it does not
// know and leaves at zero what an older writer did not write: what is added after
// version 1 must be read only where bytes are left. The version byte changes only
// when the meaning of what is there does.
const recordVersion = 1

// ErrRecord is wrapped by every error of ParseRecord.
var ErrRecord = errors.New("not a record")

// Bits of a record's flags.
const (
	flagTest = 1 << iota
	flagStream
	flagSimulated
	flagDone
)

// Bits of an attempt's flags.
const (
	flagAttemptSimulated = 1 << iota
	flagAttemptPriced
)

// Smallest encoded sizes; they bound what a forged count can make ParseRecord allocate.
const (
	minAttempt    = 31
	minConsidered = 16
	minRejection  = 2
	minFee        = 3
)

// Append appends the binary form of r to dst and returns it. It allocates nothing
// where dst has room, and keeps no reference to r. ParseRecord reads it back.
func (r *Record) Append(dst []byte) []byte {
	dst = append(dst, recordVersion)
	dst = binary.AppendUvarint(dst, flag(r.Test, flagTest)|flag(r.Stream, flagStream)|flag(r.Simulated, flagSimulated)|flag(r.Done, flagDone))
	dst = appendString(dst, r.ID)
	dst = appendString(dst, r.TenantID)
	dst = appendString(dst, r.Slug)
	dst = appendString(dst, r.KeyID)
	dst = appendTime(dst, r.At)
	dst = append(dst, byte(r.Endpoint), byte(r.Dialect), byte(r.Mode), byte(r.Reason), byte(r.Outcome), byte(r.BaselineKind))
	dst = appendString(dst, r.Requested)
	dst = appendString(dst, r.Task)
	dst = appendString(dst, r.Tags)
	dst = appendString(dst, r.Provider)
	dst = appendString(dst, r.Model)
	dst = binary.AppendVarint(dst, int64(r.Status))
	dst = appendAttempts(dst, r.Attempts)
	dst = appendAttempts(dst, r.Unsent)
	dst = appendConsidered(dst, r.Considered)
	dst = binary.AppendUvarint(dst, uint64(len(r.Rejected)))
	for _, x := range r.Rejected {
		dst = append(dst, byte(x.Reason))
		dst = binary.AppendVarint(dst, int64(x.Count))
	}
	dst = appendString(dst, r.BaselineName)
	dst = appendNullMoney(dst, r.Baseline)
	dst = appendSubstitution(dst, r.Substitution)
	dst = binary.AppendVarint(dst, int64(r.Overhead))
	dst = binary.AppendVarint(dst, int64(r.FirstByte))
	dst = binary.AppendVarint(dst, int64(r.Total))
	return binary.AppendVarint(dst, int64(r.Queued))
}

func appendAttempts(dst []byte, attempts []Attempt) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(attempts)))
	for i := range attempts {
		dst = attempts[i].append(dst)
	}
	return dst
}

func (a *Attempt) append(dst []byte) []byte {
	dst, start := openBlock(dst)
	dst = binary.AppendUvarint(dst, flag(a.Simulated, flagAttemptSimulated)|flag(a.Priced, flagAttemptPriced))
	dst = append(dst, byte(a.Outcome), byte(a.CostStatus))
	dst = binary.AppendVarint(dst, int64(a.N))
	dst = appendString(dst, a.Provider)
	dst = appendString(dst, a.Model)
	dst = appendString(dst, a.Sent)
	dst = appendString(dst, a.Served)
	dst = appendTime(dst, a.At)
	dst = binary.AppendVarint(dst, int64(a.Latency))
	dst = binary.AppendVarint(dst, int64(a.FirstByte))
	dst = binary.AppendVarint(dst, int64(a.Status))
	dst = binary.AppendVarint(dst, a.EstimatedInput)
	dst = binary.AppendVarint(dst, a.EstimatedOutput)
	dst = a.Rates.append(dst)
	dst = a.Usage.append(dst)
	dst = appendNullMoney(dst, a.Cost)
	dst = appendNullMoney(dst, a.Reported)
	dst = a.Usage.appendPer(dst)
	return closeBlock(dst, start)
}

// rateClass pairs a class with the one that it falls back to; parent is nil for the roots.
type rateClass struct{ rate, parent *Rate }

// The order of the classes in the bitmap. New ones go to the end; a parent
// always precedes its children.
func (r *Rates) classes() [15]rateClass {
	return [...]rateClass{
		{&r.Input, nil}, {&r.Output, nil},
		{&r.CacheRead, &r.Input}, {&r.CacheWrite5m, &r.Input}, {&r.CacheWrite1h, &r.CacheWrite5m},
		{&r.Reasoning, &r.Output},
		{&r.AudioIn, &r.Input}, {&r.AudioOut, &r.Output}, {&r.AudioCached, &r.CacheRead},
		{&r.ImageIn, &r.Input}, {&r.ImageOut, &r.Output}, {&r.ImageCached, &r.CacheRead},
		{&r.Video, &r.Input}, {&r.VideoOut, &r.Output}, {&r.Citations, &r.Output},
	}
}

func (c *rateClass) inherited() Rate {
	if c.parent == nil {
		return 0
	}
	return *c.parent
}

func (r *Rates) append(dst []byte) []byte {
	classes := r.classes()
	var bitmap uint64
	for i := range classes {
		bitmap |= flag(*classes[i].rate != classes[i].inherited(), 1<<i)
	}
	dst = binary.AppendUvarint(dst, bitmap)
	for i := range classes {
		if bitmap>>i&1 != 0 {
			dst = binary.AppendVarint(dst, int64(*classes[i].rate))
		}
	}
	return appendString(dst, r.Version)
}

// Bits of a usage's bitmap before those of its classes.
const (
	usageEstimated = 1 << iota
	usageClamped
	usageFlags = iota
)

// The order of the classes in the bitmap. New ones go to the end.
func (u *Usage) classes() [15]*int64 {
	return [...]*int64{&u.Input, &u.CacheRead, &u.CacheWrite5m, &u.CacheWrite1h, &u.Output, &u.Reasoning,
		&u.AudioIn, &u.AudioOut, &u.AudioCached, &u.ImageIn, &u.ImageOut, &u.ImageCached, &u.Video,
		&u.VideoOut, &u.Citations}
}

func (u *Usage) append(dst []byte) []byte {
	classes := u.classes()
	bitmap := flag(u.Estimated, usageEstimated) | flag(u.Clamped, usageClamped)
	for i, count := range classes {
		bitmap |= flag(*count != 0, 1<<(usageFlags+i))
	}
	dst = binary.AppendUvarint(dst, bitmap)
	for _, count := range classes {
		if *count != 0 {
			dst = binary.AppendVarint(dst, *count)
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(u.Fees)))
	for i := range u.Fees {
		dst = appendString(dst, u.Fees[i].Name)
		dst = binary.AppendVarint(dst, u.Fees[i].Count)
		dst = binary.AppendVarint(dst, int64(u.Fees[i].Rate))
	}
	return dst
}

// appendPer appends what the rates of the fees are for, which the form of a fee
// has no room for: nothing but a 0 where each is for one.
func (u *Usage) appendPer(dst []byte) []byte {
	n := 0
	for i := range u.Fees {
		if u.Fees[i].Per != 0 {
			n = i + 1
		}
	}
	dst = binary.AppendUvarint(dst, uint64(n))
	for i := range n {
		dst = binary.AppendVarint(dst, u.Fees[i].Per)
	}
	return dst
}

func appendConsidered(dst []byte, considered []Considered) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(considered)))
	for i := range considered {
		c := &considered[i]
		var start int
		dst, start = openBlock(dst)
		dst = append(dst, byte(c.Reason))
		dst = appendString(dst, c.Provider)
		dst = appendString(dst, c.Model)
		dst = appendNullMoney(dst, c.Cost)
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(c.Capability))
		dst = closeBlock(dst, start)
	}
	return dst
}

func appendSubstitution(dst []byte, s *Substitution) []byte {
	if s == nil {
		return append(dst, 0)
	}
	dst, start := openBlock(append(dst, 1))
	dst = appendString(dst, s.Provider)
	dst = appendString(dst, s.Model)
	dst = binary.AppendVarint(dst, int64(s.Cost))
	dst = binary.AppendVarint(dst, int64(s.Savings))
	return closeBlock(dst, start)
}

func flag(on bool, bit uint64) uint64 {
	if on {
		return bit
	}
	return 0
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendTime(dst []byte, t time.Time) []byte {
	var nanos int64
	if !t.IsZero() {
		nanos = t.UnixNano()
	}
	return binary.LittleEndian.AppendUint64(dst, uint64(nanos))
}

func appendNullMoney(dst []byte, n NullMoney) []byte {
	if !n.Valid {
		return append(dst, 0)
	}
	return binary.AppendVarint(append(dst, 1), int64(n.Money))
}

const blockHeader = 4

func openBlock(dst []byte) (_ []byte, start int) { return append(dst, 0, 0, 0, 0), len(dst) }

func closeBlock(dst []byte, start int) []byte {
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start-blockHeader))
	return dst
}

// ParseRecord reads the binary form of a record. Times come back in UTC. It keeps
// no reference to b; the strings of the record share one copy of it. Every error
// wraps ErrRecord.
func ParseRecord(b []byte) (Record, error) {
	if len(b) == 0 || b[0] != recordVersion {
		return Record{}, fmt.Errorf("%w: unknown version", ErrRecord)
	}
	d := decoder{s: string(b[1:])}
	var r Record
	d.record(&r)
	if d.bad {
		return Record{}, fmt.Errorf("%w: %d bytes are cut or damaged", ErrRecord, len(b))
	}
	return r, nil
}

// decoder reads from the front of s. Once something did not fit, bad stays true
// and everything reads as zero.
type decoder struct {
	s   string
	bad bool
}

func (d *decoder) record(r *Record) {
	flags := d.uvarint()
	r.Test, r.Stream, r.Simulated, r.Done = flags&flagTest != 0, flags&flagStream != 0, flags&flagSimulated != 0, flags&flagDone != 0
	r.ID = d.string()
	r.TenantID = d.string()
	r.Slug = d.string()
	r.KeyID = d.string()
	r.At = d.time()
	r.Endpoint, r.Dialect, r.Mode = Endpoint(d.byte()), Dialect(d.byte()), Mode(d.byte())
	r.Reason, r.Outcome, r.BaselineKind = Reason(d.byte()), Outcome(d.byte()), BaselineKind(d.byte())
	r.Requested = d.string()
	r.Task = d.string()
	r.Tags = d.string()
	r.Provider = d.string()
	r.Model = d.string()
	r.Status = int(d.varint())
	r.Attempts = d.attempts()
	r.Unsent = d.attempts()
	r.Considered = d.considered()
	r.Rejected = d.rejected()
	r.BaselineName = d.string()
	r.Baseline = d.nullMoney()
	r.Substitution = d.substitution()
	r.Overhead = time.Duration(d.varint())
	r.FirstByte = time.Duration(d.varint())
	r.Total = time.Duration(d.varint())
	if d.s != "" { // older writers end here
		r.Queued = time.Duration(d.varint())
	}
}

func (d *decoder) attempts() []Attempt {
	n := d.count(minAttempt)
	if n == 0 {
		return nil
	}
	attempts := make([]Attempt, n)
	for i := range attempts {
		block := d.block()
		block.attempt(&attempts[i])
		d.bad = d.bad || block.bad
	}
	return attempts
}

func (d *decoder) attempt(a *Attempt) {
	flags := d.uvarint()
	a.Simulated, a.Priced = flags&flagAttemptSimulated != 0, flags&flagAttemptPriced != 0
	a.Outcome, a.CostStatus = Outcome(d.byte()), CostStatus(d.byte())
	a.N = int(d.varint())
	a.Provider = d.string()
	a.Model = d.string()
	a.Sent = d.string()
	a.Served = d.string()
	a.At = d.time()
	a.Latency = time.Duration(d.varint())
	a.FirstByte = time.Duration(d.varint())
	a.Status = int(d.varint())
	a.EstimatedInput = d.varint()
	a.EstimatedOutput = d.varint()
	d.rates(&a.Rates)
	d.usage(&a.Usage)
	a.Cost = d.nullMoney()
	a.Reported = d.nullMoney()
	if d.s != "" { // older writers end here
		d.per(&a.Usage)
	}
}

func (d *decoder) per(u *Usage) {
	n := d.count(1)
	if n > len(u.Fees) {
		d.fail()
		return
	}
	for i := range n {
		u.Fees[i].Per = d.varint()
	}
}

func (d *decoder) rates(r *Rates) {
	classes := r.classes()
	bitmap := d.uvarint()
	for i := range classes {
		if bitmap>>i&1 != 0 {
			*classes[i].rate = Rate(d.varint())
		} else {
			*classes[i].rate = classes[i].inherited()
		}
	}
	d.skip(bitmap >> len(classes))
	r.Version = d.string()
}

func (d *decoder) usage(u *Usage) {
	bitmap := d.uvarint()
	u.Estimated, u.Clamped = bitmap&usageEstimated != 0, bitmap&usageClamped != 0
	bitmap >>= usageFlags
	classes := u.classes()
	for i, count := range classes {
		if bitmap>>i&1 != 0 {
			*count = d.varint()
		}
	}
	d.skip(bitmap >> len(classes))
	n := d.count(minFee)
	if n == 0 {
		return
	}
	u.Fees = make([]Fee, n)
	for i := range u.Fees {
		u.Fees[i] = Fee{Name: d.string(), Count: d.varint(), Rate: Rate(d.varint())}
	}
}

// skip passes over the varints of the classes that a later writer added.
func (d *decoder) skip(bitmap uint64) {
	for ; bitmap != 0; bitmap &= bitmap - 1 {
		d.varint()
	}
}

func (d *decoder) considered() []Considered {
	n := d.count(minConsidered)
	if n == 0 {
		return nil
	}
	considered := make([]Considered, n)
	for i := range considered {
		block, c := d.block(), &considered[i]
		c.Reason = Reason(block.byte())
		c.Provider = block.string()
		c.Model = block.string()
		c.Cost = block.nullMoney()
		c.Capability = math.Float64frombits(block.uint64())
		d.bad = d.bad || block.bad
	}
	return considered
}

func (d *decoder) rejected() []Rejection {
	n := d.count(minRejection)
	if n == 0 {
		return nil
	}
	rejected := make([]Rejection, n)
	for i := range rejected {
		rejected[i] = Rejection{Reason: Reason(d.byte()), Count: int(d.varint())}
	}
	return rejected
}

func (d *decoder) substitution() *Substitution {
	if d.byte() == 0 {
		return nil
	}
	block := d.block()
	s := &Substitution{Provider: block.string(), Model: block.string(), Cost: Money(block.varint()), Savings: Money(block.varint())}
	d.bad = d.bad || block.bad
	return s
}

func (d *decoder) fail() { d.s, d.bad = "", true }

// take returns the next n bytes, or "" after a failure.
func (d *decoder) take(n uint64) string {
	if n > uint64(len(d.s)) {
		d.fail()
		return ""
	}
	s := d.s[:n]
	d.s = d.s[n:]
	return s
}

func (d *decoder) byte() byte {
	if s := d.take(1); s != "" {
		return s[0]
	}
	return 0
}

func (d *decoder) uint64() uint64 {
	s := d.take(8)
	if s == "" {
		return 0
	}
	var v uint64
	for i := range 8 {
		v |= uint64(s[i]) << (8 * i)
	}
	return v
}

func (d *decoder) uvarint() uint64 {
	var v uint64
	for i := 0; i < len(d.s) && i < binary.MaxVarintLen64; i++ {
		c := d.s[i]
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			d.s = d.s[i+1:]
			return v
		}
	}
	d.fail()
	return 0
}

func (d *decoder) varint() int64 {
	u := d.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (d *decoder) string() string { return d.take(d.uvarint()) }

// count reads the length of a list whose elements take at least size bytes each.
func (d *decoder) count(size int) int {
	n := d.uvarint()
	if n > uint64(len(d.s)/size) {
		d.fail()
		return 0
	}
	return int(n)
}

// block returns a decoder of the next block alone and passes over it.
func (d *decoder) block() decoder {
	s := d.take(blockHeader)
	if s == "" {
		return decoder{bad: true}
	}
	n := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
	s = d.take(n)
	return decoder{s: s, bad: d.bad}
}

func (d *decoder) time() time.Time {
	nanos := int64(d.uint64())
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos).UTC()
}

func (d *decoder) nullMoney() NullMoney {
	if d.byte() == 0 {
		return NullMoney{}
	}
	return Known(Money(d.varint()))
}
