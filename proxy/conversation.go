package proxy

import (
	"sync"
	"time"

	"github.com/generic-corp/halfpenny/cache"
	"github.com/generic-corp/halfpenny/internal/jsonscan"
	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/router"
)

const (
	conversationAge  = time.Hour // beyond which providers keep no prompt cache
	mostConversation = 1 << 14   // conversations that are remembered at least, if there are so many
	openingBytes     = 4096      // of a message, which tell it from others
)

// conversations remembers which target the router chose for running conversations, so
// that they stay where their prompt is cached. It holds no word of them: its keys are
// HMACs under the tenant's own key. The zero value is ready, and safe for concurrent use.
type conversations struct {
	mu         sync.Mutex
	young, old map[cache.Key]heard // the older half goes when the younger one is full
}

type heard struct {
	served router.Served
	at     time.Time
}

// last returns what gave a conversation's last answer.
func (k *conversations) last(key cache.Key, now time.Time) (router.Served, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	h, ok := k.young[key]
	if !ok {
		h, ok = k.old[key]
	}
	return h.served, ok && now.Sub(h.at) < conversationAge
}

func (k *conversations) remember(key cache.Key, served router.Served, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.young == nil || len(k.young) >= mostConversation {
		k.old, k.young = k.young, make(map[cache.Key]heard)
	}
	k.young[key] = heard{served, now}
}

// opening is what all requests of a conversation begin with: the first message, and
// the first that asks something.
func opening(messages []byte) (first, asked []byte) {
	jsonscan.Items(messages, func(_, m []byte) {
		if first == nil {
			first = m
		}
		if asked == nil && asks(m) {
			asked = m
		}
	})
	return start(first), start(asked)
}

// start is as much of b as tells it from others.
func start(b []byte) []byte { return b[:min(len(b), openingBytes)] }

// conversation is the key under which the call's conversation is remembered.
func (c *call) conversation() cache.Key {
	p := &c.body.prompt
	first, asked := opening(p.Messages)
	return c.gateway.CacheKeys.Key(c.caller.Tenant.ID, []byte("conversation"), []byte(c.caller.Key.ID), []byte(c.body.named), start(p.System), first, asked)
}

// recall tells the router of the conversation that the call continues.
func (c *call) recall() {
	q := &c.query
	if !q.Needs.Conversation && !q.Needs.ToolChain || c.gateway.CacheKeys == nil {
		return
	}
	q.Last, _ = c.gateway.conversations.last(c.conversation(), c.start)
}

// remember keeps what served a conversation, unless that is what its name would find anyway.
func (c *call) remember() {
	r := c.record
	if r.Outcome != llm.OutcomeOK || c.endpoint != llm.EndpointChat || c.gateway.CacheKeys == nil || c.query.Last.Model == "" && !chosen(r.Reason) {
		return
	}
	c.gateway.conversations.remember(c.conversation(), router.Served{Account: r.Provider, Model: r.Model}, c.start)
}

// chosen reports whether a model served that the caller did not name.
func chosen(reason llm.Reason) bool {
	switch reason {
	case llm.ReasonSubstituted, llm.ReasonCheapestCapable, llm.ReasonOnlyCandidate, llm.ReasonFallback, llm.ReasonConversation:
		return true
	}
	return false
}
