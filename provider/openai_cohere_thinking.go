package provider

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// cohereThoughtless are parts of the names of Cohere's models that do not think. Any
// other one is taken for one that does: https://docs.cohere.com/docs/models.
var cohereThoughtless = []string{"command-r", "command-a-03-2025", "command-a-vision", "command-a-translate", "command-light", "command-nightly", "aya-"}

func cohereThinks(model string) bool {
	return model != "command" && !slices.ContainsFunc(cohereThoughtless, func(part string) bool { return strings.Contains(model, part) })
}

// cohereEfforts are OpenAI's efforts as the part of what the model may write, in
// percent, that it may think. 0 is without a budget, which Cohere recommends, and which
// its own endpoint for OpenAI's clients makes of high:
// https://docs.cohere.com/docs/compatibility-api.
var cohereEfforts = map[string]int64{"minimal": 10, "low": 20, "medium": 50, "high": 0, "xhigh": 0, "max": 0}

// cohereThinking is how the model is to think: https://docs.cohere.com/docs/reasoning.
type cohereThinking struct {
	on, off bool
	effort  string
	budget  int64 // in tokens; 0: none
	source  string
	err     error
}

// appendThinking brings together reasoning_effort, OpenRouter's reasoning and thinking
// in Anthropic's or Cohere's own form.
func (r *cohereRequest) appendThinking(dst []byte) ([]byte, error) {
	var t cohereThinking
	jsonscan.Items(r.fields["reasoning"], t.reasoning)
	jsonscan.Items(r.fields["thinking"], t.thinking)
	if v := r.fields["reasoning_effort"]; v != nil {
		t.source, t.effort = "reasoning_effort", gjson.ParseBytes(v).String()
	}
	thinks := cohereThinks(r.model)
	percent, known := cohereEfforts[t.effort]
	switch {
	case t.err != nil:
		return dst, t.err
	case t.off, t.effort == "none":
		if thinks {
			dst = append(dst, `,"thinking":{"type":"disabled"}`...)
		}
		return dst, nil
	case t.effort != "" && !known:
		return dst, notCohere(t.source, "the effort is not known")
	case !t.on && t.effort == "" && t.budget == 0:
		return dst, nil
	case !thinks:
		return dst, notCohere(t.source, "the model does not think")
	case t.budget == 0 && percent > 0:
		limit := r.maxOutput
		if r.maxTokens > 0 {
			limit = r.maxTokens
		}
		t.budget = max(1, limit/100*percent)
	}
	dst = append(dst, `,"thinking":{"type":"enabled"`...)
	if t.budget > 0 {
		dst = strconv.AppendInt(append(dst, `,"token_budget":`...), t.budget, 10)
	}
	return append(dst, '}'), nil
}

// reasoning reads a member of OpenRouter's reasoning.
func (t *cohereThinking) reasoning(name, value []byte) {
	v := gjson.ParseBytes(value)
	t.source = "reasoning"
	switch string(name) {
	case "effort":
		if v.Type != gjson.Null {
			t.effort = v.String()
		}
	case "max_tokens":
		t.takeBudget("reasoning.max_tokens", v)
	case "enabled":
		t.on, t.off = v.Type == gjson.True, v.Type == gjson.False
	default:
		if v.Type != gjson.Null && v.Type != gjson.False {
			t.err = notCohere("reasoning."+string(name), "")
		}
	}
}

// thinking reads a member of thinking.
func (t *cohereThinking) thinking(name, value []byte) {
	v := gjson.ParseBytes(value)
	t.source = "thinking"
	switch string(name) {
	case "type":
		switch v.Str {
		case "enabled", "adaptive":
			t.on = true
		case "disabled":
			t.off = true
		default:
			t.err = notCohere("thinking.type", "Cohere takes enabled and disabled")
		}
	case "budget_tokens", "token_budget":
		t.takeBudget("thinking."+string(name), v)
	default:
		if v.Type != gjson.Null {
			t.err = notCohere("thinking."+string(name), "")
		}
	}
}

func (t *cohereThinking) takeBudget(field string, v gjson.Result) {
	switch n := v.Int(); {
	case v.Type == gjson.Null:
	case v.Type != gjson.Number || n < 1:
		t.err = notCohere(field, "it must be a whole number above 0")
	default:
		t.budget = n
	}
}
