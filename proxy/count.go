package proxy

import "github.com/generic-corp/halfpenny/llm"

// countTokens answers Anthropic's count_tokens and Gemini's countTokens by the
// estimate that routing goes by:
// https://platform.claude.com/docs/en/api/messages-count-tokens, https://ai.google.dev/api/tokens
func (c *call) countTokens() *llm.Error {
	if !c.http.IsPost() {
		return errMethod("POST")
	}
	if err := c.authenticate(); err != nil {
		return err
	}
	if err := c.read(); err != nil {
		return err
	}
	if err := c.controls(&c.query); err != nil {
		return err
	}
	g := c.gateway
	g.describe(&c.body, &c.prompt, &c.query, c.caller, c.start)
	c.query.Dry = true
	if err := g.Table(c.caller).Decide(&c.query, &c.decision); err != nil {
		return c.inCallersWords(err)
	}
	if err := c.limit(); err != nil {
		return err
	}
	tokens := c.decision.Candidates[0].Input
	if c.dialect == llm.DialectGemini {
		return c.json(map[string]int64{"totalTokens": tokens})
	}
	return c.json(map[string]int64{"input_tokens": tokens})
}
