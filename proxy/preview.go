package proxy

import (
	"encoding/json"
	"time"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/router"
	"github.com/generic-corp/halfpenny/tenancy"
)

// Preview decides a chat request as the data plane would, and sends nothing.
// adjust, if not nil, may narrow the query first.
func (g *Gateway) Preview(caller *tenancy.Caller, chat []byte, adjust func(*router.Query)) (router.Decision, *llm.Error) {
	var (
		b body
		p prompt
		q router.Query
		d router.Decision
	)
	if err := b.read(chat, llm.DialectOpenAI, llm.EndpointChat); err != nil {
		return d, err
	}
	g.describe(&b, &p, &q, caller, time.Now())
	q.Dry = true
	if adjust != nil {
		adjust(&q)
	}
	err := g.Table(caller).Decide(&q, &d)
	return d, err
}

// ChatOf is a chat request that asks model for task.
func ChatOf(model, task string) []byte {
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
	return b
}
