package provider

import (
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// thinking is how the model is to think.
type thinking struct {
	on     bool
	config []byte // Anthropic's thinking; nil: not sent
	effort string // output_config.effort; empty: not sent
}

// readThinking brings together reasoning_effort, OpenRouter's reasoning
// (https://openrouter.ai/docs/use-cases/reasoning-tokens) and Anthropic's own thinking.
func (r *chatRequest) readThinking() error {
	on, off, effort, budget := false, false, "", int64(0)
	var err error
	source := "reasoning"
	jsonscan.Items(r.fields["reasoning"], func(name, value []byte) {
		v := gjson.ParseBytes(value)
		switch string(name) {
		case "effort":
			effort = v.String()
		case "max_tokens":
			on, budget = true, v.Int()
		case "enabled":
			on, off = v.Type == gjson.True, v.Type == gjson.False
		default:
			if v.Type != gjson.Null && v.Type != gjson.False {
				err = unexpressed("reasoning."+string(name), "")
			}
		}
	})
	if v := r.fields["reasoning_effort"]; v != nil {
		source, effort = "reasoning_effort", gjson.ParseBytes(v).String()
	}
	if v := r.fields["thinking"]; v != nil {
		kind := string(member(v, "type"))
		if kind != `"enabled"` || member(v, "budget_tokens") != nil {
			return r.thinkAs(v, kind, effort)
		}
		on, source = true, "thinking"
	}
	switch {
	case err != nil:
		return err
	case off, effort == "none":
		if claudeVersion(r.model) >= firstThinking {
			r.thinks.config = []byte(`{"type":"disabled"}`)
		}
		return nil
	case !on && effort == "":
		return nil
	}
	r.thinks.on = true
	return r.think(source, effort, budget)
}

// thinkAs passes thinking in Anthropic's own form on.
func (r *chatRequest) thinkAs(config []byte, kind, effort string) error {
	r.thinks.config, r.thinks.on = config, kind != `"disabled"`
	switch {
	case effort == "":
		return nil
	case kind == `"adaptive"` && anthropicEffort[effort].name != "":
		r.thinks.effort = anthropicEffort[effort].name
		return nil
	}
	return unexpressed("reasoning_effort", "thinking says already how the model is to think")
}

// Claude 3.7 was the first to think, by a budget of tokens. Since 4.6 models are
// told an effort and think as they see fit, and since 4.7 they refuse a budget:
// https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking and
// https://platform.claude.com/docs/en/build-with-claude/extended-thinking.
const (
	firstThinking = 307
	firstAdaptive = 406
	firstNoBudget = 407
	minThinking   = 1024 // the smallest budget, in tokens; it must be below max_tokens
)

// anthropicEffort are OpenAI's efforts as Anthropic's, which has none below low, and
// as the part of max_tokens, in percent, that OpenRouter makes of each where the
// model takes a budget.
var anthropicEffort = map[string]struct {
	name    string
	percent int64
}{
	"minimal": {"low", 10}, "low": {"low", 20}, "medium": {"medium", 50}, "high": {"high", 80}, "xhigh": {"xhigh", 95}, "max": {"max", 95},
}

// think writes an effort, a budget in tokens, or neither, in the form that the model takes.
func (r *chatRequest) think(source, effort string, budget int64) error {
	version := claudeVersion(r.model)
	level, known := anthropicEffort[effort]
	switch {
	case effort != "" && !known:
		return unexpressed(source, "the effort is not known")
	case version < firstThinking:
		return unexpressed(source, "the model does not think")
	case version >= firstNoBudget && budget > 0:
		return unexpressed("reasoning.max_tokens", "the model takes an effort in its place")
	case version >= firstAdaptive && budget == 0:
		r.thinks.config, r.thinks.effort = []byte(`{"type":"adaptive"}`), level.name
		return nil
	case budget == 0:
		percent := level.percent
		if !known {
			percent = anthropicEffort["medium"].percent
		}
		budget = max(minThinking, r.maxTokens/100*percent)
	}
	if budget < minThinking || budget >= r.maxTokens {
		return unexpressed(source, "Anthropic's models think with at least 1024 tokens, which must be fewer than max_completion_tokens")
	}
	r.thinks.config = append(strconv.AppendInt([]byte(`{"type":"enabled","budget_tokens":`), budget, 10), '}')
	return nil
}

func (r *chatRequest) appendThinking(dst []byte) ([]byte, error) {
	if r.thinks.config == nil {
		return dst, nil
	}
	return appendMember(dst, "thinking", r.thinks.config), nil
}

// claudeVersion reads the version in a model's name, whichever way round it is
// written: 307 for claude-3-7-sonnet-20250219, 406 for claude-opus-4.6. A Claude
// without a version is taken for the newest; another model for one that takes a
// budget, as providers that copy Anthropic's API do.
func claudeVersion(model string) int {
	_, name, ok := strings.Cut(model, "claude-")
	if !ok {
		return firstThinking
	}
	words := strings.FieldsFunc(name, func(c rune) bool { return strings.ContainsRune("-.@:_", c) })
	for i, word := range words {
		major, ok := shortNumber(word)
		if !ok {
			continue
		}
		minor := 0
		if i+1 < len(words) {
			minor, _ = shortNumber(words[i+1])
		}
		return 100*major + minor
	}
	return 100 * 100
}

// shortNumber reads a number of at most two digits, else 0; longer ones are dates.
func shortNumber(s string) (n int, ok bool) {
	if len(s) > 2 {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}
