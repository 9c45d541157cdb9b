package provider

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
	"github.com/generic-corp/halfpenny/llm"
)

// format is what a meter reads of a wire format: the members of a reply and of an
// event alike, by name, and how it counts.
type format struct {
	fields  []field
	counts  arithmetic
	billsNo bool // a reply without usage is not charged
}

// field is a member that is read; others are passed over.
type field struct {
	name string
	read func(m *formatMeter, value []byte) // nil: nothing is read of the value itself
	into []field                            // what is read of its members, or of its elements' members
	said bool                               // into is only for what the model wrote
}

// formatMeter is the meter of a format.
type formatMeter struct {
	format  *format
	reading Reading
	count   func(text []byte) int64
	counts  counts

	changed  bool   // counts were read that are not in the reading yet
	final    bool   // a usage object was read that holds for all that passed
	answered bool   // what an answer is made of was read
	deaf     bool   // text is not kept
	text     []byte // output that passed and has not been counted
	counted  int64  // tokens of the output before
}

// keptBytes bounds what is kept of a stream before its text is counted. Most
// streams report their usage before it is reached, and nothing is ever counted.
const keptBytes = 64 << 10

var _ Meter = (*formatMeter)(nil)

// Reading returns what was read so far.
func (m *formatMeter) Reading() *Reading { return &m.reading }

// Reply reads a whole reply in one walk, and in a second one its text where it
// reports no usage.
func (m *formatMeter) Reply(body []byte) error {
	m.deaf = true
	if err := m.object(m.format.fields, body); err != nil {
		*m = formatMeter{format: m.format, count: m.count}
		return fmt.Errorf("cannot read the reply: %w", err)
	}
	m.refresh()
	r := &m.reading
	failed := r.Failed && !m.answered
	r.Reported = r.Reported || m.format.billsNo && !failed
	if !r.Reported && !failed {
		m.deaf = false
		_ = m.object(m.format.fields, body) // it is valid: it has just been read
	}
	r.Failed, r.Finished, r.Visible, r.Done = failed, m.answered, !failed, false
	return nil
}

// Event reads one event. What is no JSON object says nothing.
func (m *formatMeter) Event(data []byte) {
	if string(data) == "[DONE]" {
		m.reading.Done = true
		return
	}
	if len(data) == 0 || data[0] != '{' {
		return
	}
	m.deaf = false
	_ = m.object(m.format.fields, data)
	m.reading.Done = m.reading.Done && !m.reading.Failed
	m.refresh()
	if len(m.text) > keptBytes {
		m.countText()
	}
}

// Output counts the text of the answer that passed.
func (m *formatMeter) Output() int64 {
	m.countText()
	return m.counted
}

func (m *formatMeter) countText() {
	if len(m.text) > 0 {
		m.counted += m.count(m.text)
	}
	m.text = m.text[:0]
}

// refresh puts what was counted into the reading.
func (m *formatMeter) refresh() {
	if !m.changed {
		return
	}
	m.changed = false
	c := m.counts
	c.include(m.format.counts, m.reading.Model)
	m.reading.Usage = c.classes()
	m.reading.Reported = m.final && !m.reading.Usage.Empty()
}

// object validates b as one JSON object and reads its members.
func (m *formatMeter) object(fields []field, b []byte) error {
	return jsonscan.Each(b, func(name, value []byte) { m.member(fields, name, value) })
}

func (m *formatMeter) member(fields []field, name, value []byte) {
	for i := range fields {
		f := &fields[i]
		if string(name) != f.name {
			continue
		}
		if f.read != nil {
			f.read(m, value)
		}
		if f.into != nil && !(f.said && m.deaf) {
			m.inner(f.into, value)
		}
		return
	}
}

// inner reads the members of an object, or of each object in an array. value must be valid.
func (m *formatMeter) inner(fields []field, value []byte) {
	jsonscan.Items(value, func(name, item []byte) {
		switch {
		case value[0] == '{':
			m.member(fields, name, item)
		case item[0] == '{':
			m.inner(fields, item)
		}
	})
}

// What the fields of a format do with a value: set, sum and one count, the others note.

// set notes a count. Reports of a stream are cumulative: a later one replaces an
// earlier one, unless it leaves the count out or at nothing.
func set(k count) func(*formatMeter, []byte) {
	return func(m *formatMeter, value []byte) {
		m.changed = true
		if n := m.counts.integer(value); n != 0 {
			m.counts.n[k] = n
		}
	}
}

// sum adds to a count; begin sets such counts back at the start of each report.
func sum(k count) func(*formatMeter, []byte) {
	return func(m *formatMeter, value []byte) { add(m, k, value) }
}

func add(m *formatMeter, k count, value []byte) {
	m.changed = true
	m.counts.n[k] = plus(m.counts.n[k], m.counts.integer(value))
}

// two returns the values of two members of an object, nil where there is none.
func two(object []byte, first, second string) (one, other []byte) {
	jsonscan.Items(object, func(name, value []byte) {
		switch string(name) {
		case first:
			one = value
		case second:
			other = value
		}
	})
	return one, other
}

// one counts what is there as one.
func one(k count) func(*formatMeter, []byte) {
	return func(m *formatMeter, value []byte) {
		if value[0] != 'n' {
			m.changed, m.counts.n[k] = true, 1
		}
	}
}

// usage begins a report that holds for all that passed.
func usage(m *formatMeter, value []byte) {
	if value[0] == '{' {
		begin(m, value)
		m.final = true
	}
}

// begin begins a report: counts that are added up start again.
func begin(m *formatMeter, _ []byte) {
	clear(m.counts.n[firstAdded : lastAdded+1])
}

func model(m *formatMeter, value []byte) { noteText(&m.reading.Model, value) }
func tier(m *formatMeter, value []byte)  { noteText(&m.reading.Tier, value) }

// noteText keeps a string that is not empty.
func noteText(dst *string, value []byte) {
	if value[0] == '"' && len(value) > 2 && string(value[1:len(value)-1]) != *dst {
		*dst = gjson.ParseBytes(value).Str
	}
}

// answer notes that what an answer is made of is there.
func answer(m *formatMeter, value []byte) {
	m.answered = m.answered || value[0] != 'n' && !(value[0] == '[' && jsonEmpty(value))
}

// failure notes the provider's error.
func failure(m *formatMeter, value []byte) {
	m.reading.Failed = m.reading.Failed || value[0] == '{' || value[0] == '"' && len(value) > 2
}

// finish notes a finish reason: a string, or Gemini's number of one.
func finish(m *formatMeter, value []byte) {
	if value[0] == '"' && len(value) > 2 || value[0] >= '1' && value[0] <= '9' {
		m.reading.Finished = true
	}
}

// text takes a string that the model wrote.
func text(m *formatMeter, value []byte) {
	if value[0] != '"' || len(value) == 2 {
		return
	}
	m.reading.Visible = true
	switch {
	case m.deaf:
	case bytes.IndexByte(value, '\\') < 0:
		m.text = append(m.text, value[1:len(value)-1]...)
	default:
		m.text = append(m.text, gjson.ParseBytes(value).Str...)
	}
}

// written takes JSON that the model wrote, such as the arguments of a call, or its text.
func written(m *formatMeter, value []byte) {
	if value[0] != '{' || jsonEmpty(value) {
		text(m, value)
		return
	}
	m.reading.Visible = true
	if !m.deaf {
		m.text = append(m.text, value...)
	}
}

// jsonEmpty reports whether an array or an object has no items.
func jsonEmpty(value []byte) bool {
	for _, b := range value[1 : len(value)-1] {
		if b > ' ' {
			return false
		}
	}
	return true
}

// event notes what an event's type says, beside what its members say.
func event(types map[string]func(*Reading)) func(*formatMeter, []byte) {
	return func(m *formatMeter, value []byte) {
		if value[0] != '"' {
			return
		}
		if f := types[string(value[1:len(value)-1])]; f != nil {
			f(&m.reading)
		}
	}
}

func ended(r *Reading)  { r.Finished, r.Done = true, true }
func failed(r *Reading) { r.Failed = true }

// cost notes the provider's own figure: a number of dollars, as OpenRouter,
// Vercel and Avian give it, or an object with the total, as Perplexity does.
func cost(m *formatMeter, value []byte) {
	if value[0] == '{' {
		value = []byte(gjson.GetBytes(value, "total_cost").Raw)
	}
	if v, err := roundedMoney(string(value)); err == nil {
		m.reading.Cost = llm.Known(v)
	}
}

// costTicks notes xAI's figure, in units of 10⁻¹⁰ dollars:
// https://docs.x.ai/docs/cost-tracking
func costTicks(m *formatMeter, value []byte) {
	if n := gjson.ParseBytes(value).Int(); n >= 0 && n < math.MaxInt64-5 {
		m.reading.Cost = llm.Known(llm.Money((n + 5) / 10))
	}
}

// roundedMoney reads an amount in dollars, rounded half up to the nano-dollar:
// providers print binary fractions, with more digits than they mean.
func roundedMoney(s string) (llm.Money, error) {
	v, err := llm.ParseMoney(s)
	if err == nil {
		return v, nil
	}
	mantissa, exponent := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa = s[:i]
		if exponent, err = strconv.Atoi(s[i+1:]); err != nil {
			return 0, llm.ErrMoney
		}
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := whole + fraction
	switch keep := len(whole) + exponent + 9; { // digits down to the nano-dollar
	case strings.Trim(digits, "0123456789") != "" || digits == "" || keep >= len(digits):
		return 0, llm.ErrMoney
	case keep < 0:
		return 0, nil
	default:
		n, err := strconv.ParseUint("0"+digits[:keep], 10, 63)
		if err != nil || n >= uint64(llm.MaxMoney) {
			return 0, llm.ErrMoney
		}
		if digits[keep] >= '5' {
			n++
		}
		return llm.Money(n), nil
	}
}
