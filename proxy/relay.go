package proxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
	"github.com/valyala/fasthttp"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/provider"
	"github.com/generic-corp/halfpenny/router"
)

// relay is a reply on its way down. The server pulls from it: what has arrived
// together leaves together, and nothing waits for more.
type relay struct {
	*attempt
	frames   provider.Frames
	filter   bool // frames are looked at one by one, not only metered
	annotate bool // the usage chunk carries cost and route
	array    bool // events go down as the elements of a JSON array
	elements int  // that went down
	raw      bool // not a stream of events: audio, or too large to be held
	buf      *[]byte
	out      []byte // events that a filter wrote
	tail     []byte // the end of a raw reply, where its usage is
	ready    []byte // read, metered, not written yet
	err      error  // why reading ended
	closed   bool
}

var _ fasthttp.ReadCloserWithError = (*relay)(nil)
var _ fasthttp.BodyWriterTo = (*relay)(nil)

var bufPool = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// writeTimeout is how long one write to a caller may take that does not read.
const writeTimeout = time.Minute

// errTruncated makes the server cut the connection, so that no client takes a part for the whole.
var errTruncated = errors.New("the reply was truncated")

// stream relays a reply of events. Until the first one has come another
// candidate may still answer.
func (a *attempt) stream(resp *http.Response) (bool, *llm.Error) {
	r := &relay{attempt: a, buf: bufPool.Get().(*[]byte), annotate: a.annotates(), array: a.array()}
	r.frames = provider.NewFrames(resp.Header.Get("Content-Type"), a.upstreamDialect)
	r.filter = r.annotate || !a.untouched() || r.reframes()
	for len(r.ready) == 0 && r.err == nil {
		r.read()
	}
	if len(r.ready) == 0 && len(r.frames.Rest()) == 0 || r.err != nil && !errors.Is(r.err, io.EOF) {
		bufPool.Put(r.buf)
		if errors.Is(r.err, io.EOF) {
			return a.malformed("an empty stream")
		}
		return a.unanswered(r.err)
	}
	r.start(resp)
	return true, nil
}

// untouched reports whether replies pass byte for byte.
func (a *attempt) untouched() bool {
	u, ok := a.translator.(provider.Untouched)
	return ok && u.Untouched()
}

// reframes reports whether the events go down in another frame than they come in.
func (r *relay) reframes() bool {
	return !r.passes && (r.frames.Array() != r.array || !r.frames.Array() && !r.frames.ServerSent())
}

// whole relays a reply that is no stream of events as it comes; body is what was read of it.
func (a *attempt) whole(resp *http.Response, body []byte) (bool, *llm.Error) {
	r := &relay{attempt: a, buf: bufPool.Get().(*[]byte), raw: true, ready: bytes.Clone(body)}
	r.keepTail(body)
	r.start(resp)
	return true, nil
}

// start sends the head and hands the body to the server.
func (r *relay) start(resp *http.Response) {
	c := r.call
	c.streaming = true
	c.upstream += time.Since(r.entry.At)
	c.record.FirstByte = time.Since(c.start)
	c.record.Overhead = c.record.FirstByte - c.upstream
	passDown(&c.http.Response.Header, resp.Header)
	switch {
	case r.raw || !r.filter:
	case r.array:
		c.http.SetContentType("application/json")
	default:
		c.http.SetContentType("text/event-stream")
	}
	c.facts(true)
	c.http.Response.Header.Set("X-Accel-Buffering", "no")
	c.http.SetStatusCode(resp.StatusCode)
	c.http.Response.ImmediateHeaderFlush = false
	c.http.SetBodyStream(r, -1)
}

// read takes the next piece from the provider, meters it and makes it ready.
func (r *relay) read() {
	r.timer.Reset(r.gateway.IdleTimeout)
	n, err := r.reply.Read(*r.buf)
	if n > 0 && r.entry.FirstByte == 0 {
		r.entry.FirstByte = time.Since(r.entry.At)
	}
	r.err = err
	r.ready, err = r.pass((*r.buf)[:n])
	if err != nil {
		r.err = err
	}
}

// pass meters p and returns what of it may go down: whole events only.
func (r *relay) pass(p []byte) ([]byte, error) {
	if r.raw {
		r.keepTail(p)
		return p, nil
	}
	whole, err := r.frames.Feed(p)
	if err != nil {
		return nil, err
	}
	r.out = r.out[:0]
	for rest := whole; len(rest) > 0; {
		var event, data []byte
		if event, data, rest, err = r.frames.Next(rest); err != nil {
			return r.down(r.out), err
		}
		r.meter.Event(data)
		if !r.filter || len(event) == 0 {
			continue
		}
		from := len(r.out)
		if r.out, err = r.translator.Event(r.out, event); err != nil {
			return r.down(r.out), err
		}
		if r.annotate {
			r.out = r.annotated(r.out, from)
		}
	}
	if r.filter {
		return r.down(r.out), nil
	}
	return whole, nil
}

// down puts events into the frame in which the caller reads them.
func (r *relay) down(events []byte) []byte {
	if !r.array {
		return events
	}
	var list []byte
	for len(events) > 0 {
		var event []byte
		event, events = provider.NextEvent(events)
		list = append(r.element(list), provider.Data(nil, event)...)
	}
	return list
}

// element begins an element of the array.
func (r *relay) element(dst []byte) []byte {
	r.elements++
	if r.elements == 1 {
		return append(dst, '[')
	}
	return append(dst, ",\r\n"...)
}

// tailSize is how much of a raw reply's end is kept, in bytes.
const tailSize = 8 << 10

func (r *relay) keepTail(p []byte) {
	r.tail = append(r.tail, p[max(0, len(p)-tailSize):]...)
	if extra := len(r.tail) - tailSize; extra > 0 {
		r.tail = r.tail[:copy(r.tail, r.tail[extra:])]
	}
}

// SupportsBodyWriteTo tells the server that WriteTo does what reading does.
func (r *relay) SupportsBodyWriteTo() bool { return true }

// Read is not used by the server, which pulls with WriteTo.
func (r *relay) Read([]byte) (int, error) {
	return 0, errors.New("BUG: the relay is read through WriteTo")
}

// WriteTo moves the reply to the caller until it ends. The caller's errors and
// the provider's are kept apart. The call is settled before its last byte goes.
func (r *relay) WriteTo(w io.Writer) (total int64, err error) {
	conn := r.http.Conn()
	for {
		if r.meter.Reading().Done {
			r.done(llm.OutcomeOK)
		}
		if len(r.ready) > 0 {
			_ = conn.SetWriteDeadline(time.Now().Add(writeTimeout))
			n, err := w.Write(r.ready)
			total += int64(n)
			if err != nil {
				r.done(llm.OutcomeCanceled)
				return total, err
			}
			r.keeping.note(r.ready)
		}
		if r.err != nil {
			last, err := r.conclude()
			_ = conn.SetWriteDeadline(time.Now().Add(writeTimeout))
			n, werr := w.Write(last)
			if r.keeping.note(last); err == nil && werr == nil && r.record.Outcome == llm.OutcomeOK {
				r.keep(r.keeping.body, true)
			}
			return total + int64(n), errors.Join(err, werr)
		}
		r.read()
	}
}

// conclude settles the call when the provider's reply has ended, and returns what
// the caller is still to get: the rest of a whole reply, or the news of its truncation.
func (r *relay) conclude() (last []byte, err error) {
	eof := errors.Is(r.err, io.EOF)
	if r.raw && eof {
		r.meterTail()
		r.done(llm.OutcomeOK)
		return nil, nil
	}
	rest := r.frames.Rest()
	if !r.frames.ServerSent() { // what is left is no event
		rest = nil
	}
	if eof && len(rest) > 0 {
		r.meter.Event(provider.Data(nil, rest))
	}
	reading := r.meter.Reading()
	switch {
	case eof && reading.Failed:
		r.done(llm.OutcomeError)
		return r.finale(rest), nil
	case eof && (reading.Done || reading.Finished):
		r.done(llm.OutcomeOK)
		return r.finale(rest), nil
	}
	outcome, what := classify(r.err)
	r.done(outcome)
	if outcome == llm.OutcomeCanceled || r.raw {
		return nil, errTruncated
	}
	return r.truncation(what), errTruncated
}

// finale is what is left of a stream whose provider has ended it: an event without
// its blank line, and what the caller's dialect still demands.
func (r *relay) finale(rest []byte) (last []byte) {
	if !r.filter {
		return rest
	}
	if len(rest) > 0 {
		event := append(bytes.Clone(rest), "\n\n"...)
		last, _ = r.translator.Event(nil, event) // the meter has read it as far as it goes
	}
	if ender, ok := r.translator.(provider.Ender); ok {
		last = ender.End(last)
	}
	if r.annotate {
		last = r.annotated(last, 0)
	}
	if last = r.down(last); r.array {
		last = r.closeArray(last)
	}
	return last
}

// closeArray ends the array.
func (r *relay) closeArray(dst []byte) []byte {
	if r.elements == 0 {
		dst = append(dst, '[')
	}
	return append(dst, ']')
}

// truncation tells a caller that the stream ends too early.
func (r *relay) truncation(what string) []byte {
	err := &llm.Error{Status: 502, Code: "upstream_unavailable",
		Message: "The provider's stream ended before its answer was complete: " + what + "."}
	body := errorBody(r.dialect, r.id, err)
	switch r.dialect {
	case llm.DialectAnthropic:
		return event("error", body)
	case llm.DialectResponses:
		return event("error", responsesFailure(err))
	}
	if r.array {
		return r.closeArray(append(r.element(nil), body...))
	}
	return event("", body)
}

// event is one server-sent event.
func event(name string, data []byte) (e []byte) {
	if name != "" {
		e = append(append(append(e, "event: "...), name...), '\n')
	}
	return append(append(append(e, "data: "...), data...), "\n\n"...)
}

// meterTail reads the usage at the end of a reply that was not held; without it the usage is an estimate.
func (r *relay) meterTail() {
	for _, name := range []string{`"usage":`, `"usageMetadata":`} {
		if i := bytes.LastIndex(r.tail, []byte(name)); i >= 0 {
			_ = r.meter.Reply(append([]byte("{"), r.tail[i:]...))
			return
		}
	}
}

// done settles and finishes the call, once.
func (r *relay) done(outcome llm.Outcome) {
	if r.finished {
		return
	}
	r.settle(outcome)
	status := r.entry.Status
	switch outcome {
	case llm.OutcomeOK:
		r.well()
	case llm.OutcomeCanceled:
		status = statusClientGone
	default:
		r.report(router.FailureFault, 0)
	}
	r.finish(outcome, status)
}

// CloseWithError is called by the server at the end, whatever happened. The relay
// is not an io.Closer on purpose: the server would then close it before and lose the cause.
func (r *relay) CloseWithError(error) error {
	if r.closed {
		return nil
	}
	r.closed = true
	r.done(llm.OutcomeCanceled) // nothing was pulled to its end
	r.release()
	r.end()
	bufPool.Put(r.buf)
	return nil
}

// annotated adds cost and route to the usage chunk of a caller who asked for them, if
// it is among the events behind from.
func (r *relay) annotated(out []byte, from int) []byte {
	if !bytes.Contains(out[from:], []byte(`"usage"`)) {
		return out
	}
	events := bytes.Clone(out[from:])
	out = out[:from]
	for len(events) > 0 {
		var event []byte
		event, events = provider.NextEvent(events)
		if data := provider.Data(nil, event); gjson.GetBytes(data, "usage").IsObject() {
			event = r.withFacts(event, data)
		}
		out = append(out, event...)
	}
	return out
}

func (r *relay) withFacts(event, data []byte) []byte {
	now := *r.entry
	now.Usage, now.CostStatus = r.meter.Reading().Usage, llm.CostExact
	r.price(&now)
	baseline := r.baseline(&now.Usage)
	facts, err := json.Marshal(map[string]any{
		"request_id": r.id, "provider": now.Provider, "model": now.Model, "route_reason": r.record.Reason.String(), "attempts": now.N,
		"cost_usd": now.Cost, "cost_status": now.CostStatus.String(), "baseline_usd": baseline, "savings_usd": baseline.Sub(now.Cost),
	})
	if err != nil {
		return event
	}
	out, err := sjson.SetRawBytes(bytes.Clone(data), "halfpenny", facts)
	if err != nil {
		return event
	}
	cost, err := now.Cost.MarshalJSON()
	if err != nil {
		return event
	}
	if out, err = sjson.SetRawBytes(out, "usage.cost", cost); err != nil {
		return event
	}
	return append(append([]byte("data: "), out...), "\n\n"...)
}
