package proxy

import (
	"cmp"
	"encoding/json"
	"time"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/router"
	"github.com/generic-corp/halfpenny/tenancy"
)

// Request is a request of the data plane that is only to be weighed.
type Request struct {
	Path   string                   // one of the data plane's; empty: that of chat completions
	Header func(name string) []byte // its x-halfpenny-* headers; nil: it has none
	Body   []byte                   // JSON
}

// Preview decides a request as the data plane would, and sends nothing. adjust, if not
// nil, may narrow the query first.
func (g *Gateway) Preview(caller *tenancy.Caller, r Request, adjust func(*router.Query)) (router.Decision, *llm.Error) {
	var (
		b body
		p prompt
		q router.Query
		d router.Decision
	)
	at, ok := pathOf([]byte(cmp.Or(r.Path, "/v1/chat/completions")))
	if !ok || at.account != "" || at.endpoint == llm.EndpointModels || usesForms(at.endpoint) {
		return d, llm.Invalid("path", "The path is none of the data plane's that take JSON and are routed.")
	}
	b.named, b.stream = at.model, at.stream
	if err := b.read(r.Body, at.dialect, at.endpoint); err != nil {
		return d, err
	}
	if r.Header != nil {
		if err := steer(&q, r.Header); err != nil {
			return d, err
		}
	}
	g.describe(&b, &p, &q, caller, time.Now())
	q.Dry = true
	if adjust != nil {
		adjust(&q)
	}
	err := g.Table(caller).Decide(&q, &d)
	return d, err
}

// usesForms reports whether the requests of an endpoint are forms instead of JSON.
func usesForms(e llm.Endpoint) bool {
	return e == llm.EndpointTranscriptions || e == llm.EndpointTranslations
}

// ChatOf is a chat request that asks model for task.
func ChatOf(model, task string) Request {
	type message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	b, err := json.Marshal(struct {
		Model    string    `json:"model"`
		Messages []message `json:"messages"`
	}{model, []message{{"user", task}}})
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return Request{Body: b}
}
