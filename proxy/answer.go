package proxy

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/provider"
	"github.com/generic-corp/halfpenny/router"
)

// maxHeldReply is the size up to which a reply is held until it is complete, in bytes.
const maxHeldReply = 32 << 20

// answer takes the reply of a provider that accepted the request: a stream is
// relayed as it comes, anything else is held until it is complete.
func (a *attempt) answer(resp *http.Response) (bool, *llm.Error) {
	if m, ok := a.meter.(provider.HeaderMeter); ok {
		m.Header(resp.Header)
	}
	content, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	switch {
	case content == "text/event-stream", content == "application/vnd.amazon.eventstream":
		return a.stream(resp)
	case content == "application/json":
		if a.body.stream && a.upstreamDialect == llm.DialectGemini {
			return a.stream(resp)
		}
	case a.endpoint == llm.EndpointSpeech:
		return a.whole(resp, nil)
	case a.body.stream && a.body.form == "":
		return a.stream(resp)
	}
	return a.hold(resp)
}

var replyPool = sync.Pool{New: func() any { b := make([]byte, 0, 16<<10); return &b }}

// hold reads a whole reply, prices it and answers with its cost in the headers.
func (a *attempt) hold(resp *http.Response) (bool, *llm.Error) {
	buf := replyPool.Get().(*[]byte)
	defer replyPool.Put(buf)
	body, err := a.readAll((*buf)[:0], resp.Body)
	*buf = body[:0]
	if err == nil && len(body) > maxHeldReply {
		if !a.untouched() {
			return a.malformed("a reply that is too large to be translated")
		}
		return a.whole(resp, body)
	}
	if err != nil {
		return a.unanswered(err)
	}
	if err := a.meter.Reply(body); err != nil {
		return a.malformed("a reply that is no JSON object")
	}
	if a.meter.Reading().Failed {
		return a.refused(statusWithin(body), resp.Header, body)
	}
	out, err := a.translator.Reply(a.http.Response.SwapBody(nil)[:0], body)
	if err != nil {
		return a.malformed("a reply that is not of its dialect")
	}
	a.settle(llm.OutcomeOK)
	a.well()
	a.record.FirstByte = time.Since(a.start)
	a.judge(out)
	a.finish(llm.OutcomeOK, resp.StatusCode)
	passDown(&a.http.Response.Header, resp.Header)
	a.facts(false)
	a.http.SetStatusCode(resp.StatusCode)
	a.http.Response.SwapBody(out)
	a.keep(out, false)
	return true, nil
}

// well tells of a provider that answered, and how fast it was.
func (a *attempt) well() {
	e, h := a.entry, a.gateway.Health
	h.OK(e.Provider, a.candidate.Secret, e.Sent)
	speed := 0.0
	if writing := e.Latency - e.FirstByte; a.streaming && writing > 0 {
		speed = float64(e.Usage.OutputTokens()) / writing.Seconds()
	}
	h.Observe(e.Provider, e.FirstByte, speed)
}

// malformed ends an attempt whose reply was complete but is none.
func (a *attempt) malformed(what string) (bool, *llm.Error) {
	a.settle(llm.OutcomeError)
	a.report(router.FailureFault, 0)
	a.failed(failure{what: what})
	return false, nil
}

// readAll appends up to maxHeldReply+1 bytes of r to dst.
func (a *attempt) readAll(dst []byte, r io.Reader) ([]byte, error) {
	for len(dst) <= maxHeldReply {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		if n > 0 && a.entry.FirstByte == 0 {
			a.entry.FirstByte = time.Since(a.entry.At)
		}
		dst = dst[:len(dst)+n]
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
		a.timer.Reset(a.gateway.IdleTimeout)
	}
	return dst, nil
}

// readUpTo returns at most limit bytes of r; what cannot be read is left out.
func readUpTo(r io.Reader, limit int64) []byte {
	b, _ := io.ReadAll(io.LimitReader(r, limit))
	return b
}
