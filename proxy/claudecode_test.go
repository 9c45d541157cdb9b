package proxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/llm"
)

// claudeCode speaks as Claude Code does: one conversation, of which every request
// repeats all that was said. Its shapes are those of the client as it is documented at
// https://docs.claude.com/en/docs/claude-code/llm-gateway.
type claudeCode struct {
	*harness
	t            *testing.T
	model, small string
	more         string // members of every request of the conversation
	messages     []string
	calls        int
}

var claudeHeaders = []string{
	"Anthropic-Version: 2023-06-01", "Anthropic-Beta: claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27",
	"Anthropic-Dangerous-Direct-Browser-Access: true", "X-App: cli", "User-Agent: claude-cli/2.0.37 (external, cli)",
	"X-Stainless-Lang: js", "X-Stainless-Retry-Count: 0", "X-Stainless-Timeout: 600",
}

const (
	claudeUser   = `"metadata":{"user_id":"user_0123456789abcdef_account_11111111-2222-3333-4444-555555555555_session_66666666-7777-8888-9999-000000000000"}`
	claudeSystem = `"system":[{"type":"text","text":"You are Claude Code, Anthropic's official CLI for Claude.","cache_control":{"type":"ephemeral"}},` +
		`{"type":"text","text":"\nYou are an interactive CLI tool that helps users with software engineering tasks.\n\n# Tone\nUse \"quotes\" and é, 日本 & <tags>.","cache_control":{"type":"ephemeral"}}]`
	claudeTools = `"tools":[` +
		`{"name":"Bash","description":"Executes a bash command.","input_schema":{"type":"object","properties":{"command":{"type":"string","description":"The command to execute"},"timeout":{"type":"number","description":"Milliseconds (max 600000)"},"run_in_background":{"type":"boolean"}},"required":["command"],"additionalProperties":false,"$schema":"http://json-schema.org/draft-07/schema#"}},` +
		`{"name":"Read","description":"Reads a file.","input_schema":{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":{"file_path":{"type":"string"},"offset":{"type":"number"},"limit":{"type":"integer","exclusiveMinimum":0,"maximum":9007199254740991}},"required":["file_path"],"additionalProperties":false}},` +
		`{"name":"TodoWrite","description":"","input_schema":{"type":"object","properties":{"todos":{"type":"array","items":{"type":"object","properties":{"content":{"type":"string","minLength":1},"status":{"type":"string","enum":["pending","in_progress","completed"]},"activeForm":{"type":"string","minLength":1}},"required":["content","status","activeForm"],"additionalProperties":false}}},"required":["todos"],"additionalProperties":false,"$schema":"http://json-schema.org/draft-07/schema#"}},` +
		`{"name":"mcp__ide__getDiagnostics","description":"Get language diagnostics","input_schema":{"type":"object","properties":{"uri":{"type":"string","format":"uri"}},"$schema":"http://json-schema.org/draft-07/schema#"}},` +
		`{"name":"ExitPlanMode","description":"Leaves plan mode.","input_schema":{"type":"object","properties":{},"additionalProperties":true},"cache_control":{"type":"ephemeral"}}]`
	claudeThinking = `"thinking":{"budget_tokens":31999,"type":"enabled"}`
	claudeEdits    = `"context_management":{"edits":[{"type":"clear_thinking_20251015","keep":"all"}]}`
)

// ask sends one request and returns what was said; untouched, whether the provider is
// Anthropic, which must get the client's bytes.
func (c *claudeCode) ask(name, body string, untouched bool) said {
	c.t.Helper()
	got := c.send(http.MethodPost, "/v1/messages?beta=true", body, claudeHeaders...)
	mode := "plain"
	if strings.Contains(body, `"stream":true`) {
		mode = "stream"
	}
	c.calls++
	log := c.upstream.Requests()
	up := log[len(log)-1]
	if got.status != 200 || got.err != nil {
		c.t.Fatalf("%s: %d %s\nthe provider got %s", name, got.status, got.body, up.Body)
	}
	s := readMessages(mode, got.body)
	for _, fault := range s.faults {
		c.t.Errorf("%s: %s", name, fault)
	}
	if s.finish == "" || s.in == 0 || s.out == 0 || s.text == "" && s.tool == "" {
		c.t.Errorf("%s: %+v of %s", name, s, got.body)
	}
	if s.tool != "" && (!gjson.Valid(s.args) || gjson.Parse(s.args).Type != gjson.JSON || s.callID == "") {
		c.t.Errorf("%s: call %s %s", name, s.tool, s.args)
	}
	if untouched && (string(up.Body) != body || up.Header.Get("Anthropic-Beta") != "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27") {
		c.t.Errorf("%s: the provider got %v %s", name, up.Header, up.Body)
	}
	if list := gjson.GetBytes(up.Body, "anthropic_beta"); list.Exists() && list.Raw != `["interleaved-thinking-2025-05-14","context-management-2025-06-27"]` {
		c.t.Errorf("%s: the provider got betas %s", name, list.Raw)
	}
	if r := c.ledger.last(c.t, c.calls); r.Outcome != llm.OutcomeOK || r.Dialect != llm.DialectAnthropic || r.CostStatus() != llm.CostExact || r.Cost().Money == 0 {
		c.t.Errorf("%s: record %+v", name, r)
	}
	return s
}

// turn says something to the model; the last block of it is to be cached.
func (c *claudeCode) turn(name string, untouched bool, blocks ...string) said {
	c.t.Helper()
	sent := append([]string(nil), blocks...)
	last := &sent[len(sent)-1]
	*last = strings.TrimSuffix(*last, "}") + `,"cache_control":{"type":"ephemeral"}}`
	messages := append(append([]string(nil), c.messages...), `{"role":"user","content":[`+joined(sent...)+`]}`)
	body := fmt.Sprintf(`{"model":%q,"messages":[%s],%s,"max_tokens":32000,"stream":true}`, c.model, joined(messages...), joined(claudeSystem, claudeTools, claudeUser, c.more))
	s := c.ask(name, body, untouched)
	c.messages = append(c.messages, `{"role":"user","content":[`+joined(blocks...)+`]}`, s.again)
	return s
}

func textPart(text string) string { return fmt.Sprintf(`{"type":"text","text":%q}`, text) }

// A conversation of Claude Code's is served by Anthropic, whose bytes pass, and by
// every other kind, with all that it hands back.
func TestClaudeCode(t *testing.T) {
	for _, to := range []struct {
		name, model, small string
		untouched          bool
		lacks              string // what the client is configured to do without
	}{
		{name: "anthropic", model: "claude-sonnet-4-5", small: "claude-haiku-4-5-20251001", untouched: true},
		{name: "openai", model: "openai/gpt-4o", small: "openai/gpt-4o-mini"},
		{name: "thinking", model: "openai/gpt-5-mini", small: "openai/gpt-5-nano"},
		{name: "responses", model: "openai/gpt-5-pro", small: "openai/gpt-5-pro"},
		{name: "gemini", model: "gemini/gemini-2.5-pro", small: "gemini/gemini-2.5-flash"},
		{name: "bedrock", model: "bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0", small: "bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0"},
		{name: "nova", model: "bedrock/amazon.nova-pro-v1:0", small: "bedrock/amazon.nova-lite-v1:0", lacks: "thinking edits"},
		{name: "vertex", model: "vertex/claude-sonnet-4-5", small: "vertex/gemini-2.5-flash"},
	} {
		t.Run(to.name, func(t *testing.T) {
			h := newHarness(t, setup{kinds: []string{"openai", "anthropic", "gemini", "bedrock", "vertex"}})
			c := &claudeCode{harness: h, t: t, model: to.model, small: to.small}
			if !strings.Contains(to.lacks, "thinking") {
				c.more = claudeThinking
			}
			if !strings.Contains(to.lacks, "edits") {
				c.more = joined(c.more, claudeEdits)
			}
			c.converse(to.untouched)
		})
	}
}

func (c *claudeCode) converse(untouched bool) {
	c.ask("quota", fmt.Sprintf(`{"model":%q,"max_tokens":16,"messages":[{"role":"user","content":"quota"}],%s}`, c.small, claudeUser), untouched)
	c.ask("title", fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":[{"type":"text","text":"list the files"}]}],`+
		`"system":[{"type":"text","text":"Write a title of a few words."}],"tools":[],%s,"max_tokens":32000,"temperature":1,"stream":true}`, c.small, claudeUser), untouched)
	c.count()
	first := c.turn("first", untouched, textPart("<system-reminder>\nContext.\n</system-reminder>\n"), textPart("list the files"))
	if first.tool == "" {
		c.t.Fatalf("no call: %+v", first)
	}
	second := c.turn("result", untouched, fmt.Sprintf(`{"tool_use_id":%q,"type":"tool_result","content":"a.go\nb.go","is_error":false}`, first.callID))
	if second.tool != "" || second.text == "" {
		c.t.Errorf("%+v", second)
	}
	third := c.turn("image", untouched, fmt.Sprintf(`{"type":"image","source":{"type":"base64","media_type":"image/png","data":%q}}`, pixel), textPart("[Image #1] what is this"))
	fourth := c.turn("failure", untouched, fmt.Sprintf(`{"type":"tool_result","content":"<tool_use_error>no such file</tool_use_error>","is_error":true,"tool_use_id":%q}`, third.callID),
		textPart("<system-reminder>todo</system-reminder>"))
	if fourth.tool != "" { // a result is answered in words
		c.turn("again", untouched, fmt.Sprintf(`{"type":"tool_result","tool_use_id":%q,"content":[{"type":"text","text":"done"}]}`, fourth.callID))
	}
	fifth := c.turn("more", untouched, textPart("go on"))
	c.turn("parts", untouched, fmt.Sprintf(`{"tool_use_id":%q,"type":"tool_result","content":[{"type":"text","text":"one"},{"type":"text","text":"two"}]}`, fifth.callID))
	c.count()
}

// count asks for the tokens of the conversation so far.
func (c *claudeCode) count() {
	c.t.Helper()
	messages := append([]string{`{"role":"user","content":"foo"}`}, c.messages...)
	before := len(c.upstream.Requests())
	got := c.send(http.MethodPost, "/v1/messages/count_tokens?beta=true", fmt.Sprintf(`{"model":%q,"messages":[%s],%s,"thinking":{"type":"enabled","budget_tokens":1024}}`, c.model, joined(messages...), claudeTools), claudeHeaders...)
	if n := gjson.Get(got.body, "input_tokens").Int(); got.status != 200 || n < 100 || n > 20_000 {
		c.t.Errorf("count: %d %s", got.status, got.body)
	}
	if now := len(c.upstream.Requests()); now > before { // the provider may be asked
		c.calls += now - before
	}
}
