package proxy

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/router"
	"github.com/generic-corp/halfpenny/router/habits"
	"github.com/generic-corp/halfpenny/tenancy"
)

// Habits tells what a tenant's own traffic has taught, without waiting; see habits.Book.
type Habits interface {
	Of(slug string, test bool, now time.Time) *habits.Tenant
}

// Signs takes what the end of a call tells of the model that answered, without
// waiting; see habits.Signs.
type Signs interface {
	Note(a habits.Answer)
}

// remind fills q with what the tenant's own traffic has taught.
func (g *Gateway) remind(q *router.Query, caller *tenancy.Caller, now time.Time) {
	if g.Habits == nil {
		return
	}
	if known := g.Habits.Of(caller.Tenant.Slug, caller.Key.Test, now); known != nil {
		q.Habits, q.HabitModel = known, known.Named()
	}
}

// heldOut reports whether the request is in the tenant's holdout: by its id alone, so
// that anybody can tell afterwards, and no caller beforehand.
func (c *call) heldOut() bool { return within(c.id, c.caller.Tenant.Policy.Routing.Holdout) }

// within reports whether the hash of id is among the given share of all hashes.
func within(id string, share float64) bool {
	if share <= 0 {
		return false
	}
	sum := sha256.Sum256([]byte(id))
	return float64(binary.BigEndian.Uint64(sum[:])>>11)/(1<<53) < share
}

// longestCompared is the length in bytes up to which prompts are compared with later ones.
const longestCompared = 256 << 10

// observe tells of an answer, if it was delivered in full. The request's bytes are still
// there: the server lets go of them behind the answer's last one.
func (c *call) observe(outcome llm.Outcome) {
	r, g := c.record, c.gateway
	if g.Signs == nil || outcome != llm.OutcomeOK || c.endpoint != llm.EndpointChat || c.passes || r.Reason == llm.ReasonCached {
		return
	}
	a := habits.Answer{
		Slug: r.Slug, RequestID: r.ID, KeyID: r.KeyID, Model: r.Model, Simulated: r.Simulated, Test: r.Test,
		At: c.start, End: c.start.Add(r.Total), Refused: c.verdict.refused, Malformed: c.verdict.malformed,
	}
	p := &c.body.prompt
	if g.CacheKeys != nil && len(p.System)+len(p.Messages)+len(p.Tools)+len(p.Format) <= longestCompared {
		// Whichever model was asked for; test keys apart from live ones.
		kind := []byte{'r', 'e', 't', 'r', 'y', byte(c.dialect), 0}
		if r.Test {
			kind[6] = 1
		}
		a.Prompt = g.CacheKeys.Key(r.TenantID, kind, p.System, p.Messages, p.Tools, p.Format)
	}
	g.Signs.Note(a)
}

// verdict is what a reply says of itself. The zero value is that of a reply that was
// not looked at, such as a stream.
type verdict struct {
	refused   bool // by the model, or by its provider's filter
	malformed bool // it ended by itself, JSON was asked for, and its text is none
}

// judge looks at a whole reply in the caller's dialect, which is valid JSON.
func (c *call) judge(reply []byte) {
	if c.gateway.Signs == nil || c.endpoint != llm.EndpointChat || c.passes {
		return
	}
	v := conclusions[c.dialect]
	if v == nil {
		return
	}
	refused, text := v(reply, c.body.needs.JSONObject || c.body.needs.JSONSchema)
	c.verdict = verdict{refused: refused, malformed: !refused && text != "" && !gjson.Valid(text)}
}

// conclusions read, by the caller's dialect, whether a reply refuses and, where it is
// wanted and the reply ended by itself, its text.
var conclusions = map[llm.Dialect]func(reply []byte, wanted bool) (refused bool, text string){
	llm.DialectOpenAI:    concludeOpenAI,
	llm.DialectResponses: concludeResponses,
	llm.DialectAnthropic: concludeAnthropic,
	llm.DialectGemini:    concludeGemini,
}

// concludeOpenAI: https://platform.openai.com/docs/api-reference/chat/object
func concludeOpenAI(reply []byte, wanted bool) (refused bool, text string) {
	choice := gjson.GetBytes(reply, "choices.0")
	switch reason := choice.Get("finish_reason").Str; {
	case reason == "content_filter" || choice.Get("message.refusal").Str != "":
		return true, ""
	case wanted && reason == "stop":
		text = choice.Get("message.content").Str
	}
	return false, text
}

// concludeResponses: https://platform.openai.com/docs/api-reference/responses/object
func concludeResponses(reply []byte, wanted bool) (refused bool, text string) {
	if gjson.GetBytes(reply, "incomplete_details.reason").Str == "content_filter" {
		return true, ""
	}
	var b strings.Builder
	gjson.GetBytes(reply, "output").ForEach(func(_, item gjson.Result) bool {
		if item.Get("type").Str != "message" {
			return true
		}
		item.Get("content").ForEach(func(_, part gjson.Result) bool {
			refused = refused || part.Get("type").Str == "refusal"
			if wanted {
				b.WriteString(part.Get("text").Str)
			}
			return true
		})
		return true
	})
	if refused || gjson.GetBytes(reply, "status").Str != "completed" {
		return refused, ""
	}
	return false, b.String()
}

// concludeAnthropic: https://docs.claude.com/en/api/messages
func concludeAnthropic(reply []byte, wanted bool) (refused bool, text string) {
	reason := gjson.GetBytes(reply, "stop_reason").Str
	if !wanted || reason != "end_turn" {
		return reason == "refusal", ""
	}
	return false, joined(gjson.GetBytes(reply, "content"), func(block gjson.Result) bool { return block.Get("type").Str == "text" })
}

// concludeGemini: https://ai.google.dev/api/generate-content#FinishReason
func concludeGemini(reply []byte, wanted bool) (refused bool, text string) {
	candidate := gjson.GetBytes(reply, "candidates.0")
	switch candidate.Get("finishReason").Str {
	case "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII":
		return true, ""
	case "STOP":
		if wanted {
			text = joined(candidate.Get("content.parts"), func(part gjson.Result) bool { return !part.Get("thought").Bool() })
		}
		return false, text
	}
	return gjson.GetBytes(reply, "promptFeedback.blockReason").Str != "", ""
}

// joined is the text of the parts that are said.
func joined(parts gjson.Result, said func(part gjson.Result) bool) string {
	var b strings.Builder
	parts.ForEach(func(_, part gjson.Result) bool {
		if said(part) {
			b.WriteString(part.Get("text").Str)
		}
		return true
	})
	return b.String()
}
