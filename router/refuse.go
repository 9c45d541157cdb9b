package router

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing"
)

// unknown is the answer to a name that means nothing here.
func (c *choice) unknown(name string) *llm.Error {
	message := fmt.Sprintf("The model '%s' does not exist, or no configured provider serves it.", name)
	if m := c.table.catalogue.Lookup(name); m != nil {
		message = fmt.Sprintf("No configured provider serves the model '%s'.", name)
	}
	if near := c.near(name); len(near) > 0 {
		message += " Near matches: " + strings.Join(near, ", ") + "."
	}
	return &llm.Error{Status: 404, Code: "model_not_found", Type: "invalid_request_error", Param: "model", Message: message}
}

// near returns ids like name among those that the tenant may use.
func (c *choice) near(name string) []string {
	var ids []string
	for _, info := range c.table.Models(c.query.Policy) {
		ids = append(ids, info.ID)
	}
	return pricing.Nearest(ids, name, 3)
}

// refusal says why no target is eligible: what stopped the one that came furthest.
func (c *choice) refusal(w *wish) *llm.Error {
	var furthest *option
	for i := range c.decision.options {
		if o := &c.decision.options[i]; furthest == nil || stage(o.reason) > stage(furthest.reason) {
			furthest = o
		}
	}
	if furthest == nil {
		return c.unknown(w.name)
	}
	switch furthest.reason {
	case llm.ReasonTestOnly:
		return &llm.Error{Status: 403, Code: "model_not_allowed", Param: "model",
			Message: fmt.Sprintf("A test key reaches only the simulation, which does not serve the model '%s' here.", w.name)}
	case llm.ReasonNotAllowed:
		return &llm.Error{Status: 403, Code: "model_not_allowed", Param: "model",
			Message: fmt.Sprintf("The tenant's policy does not allow the model '%s'.", w.name)}
	case llm.ReasonRegion:
		return &llm.Error{Status: 403, Code: "model_not_allowed", Param: "model",
			Message: fmt.Sprintf("The tenant's policy allows the regions %s alone (routing.regions), and no account there serves the model '%s'.",
				strings.Join(c.policy.Regions, ", "), w.name)}
	case llm.ReasonPreference:
		return llm.Invalid("provider", fmt.Sprintf("No provider that the request allows serves the model '%s'.", w.name))
	case llm.ReasonDialect:
		return llm.Invalid("model", fmt.Sprintf("The model '%s' is not served at this endpoint.", w.name))
	case llm.ReasonParameter:
		return c.unsupported(c.param(furthest), w)
	case llm.ReasonContext:
		return c.tooLong(w)
	case llm.ReasonUnpriced:
		return &llm.Error{Status: 403, Code: "model_unpriced", Param: "model",
			Message: fmt.Sprintf("The price of the model '%s' is not known, and the policy or a limit of the request asks for one.", w.name)}
	case llm.ReasonMaxCost:
		return c.tooDear()
	}
	return c.unable(furthest, w)
}

// param is a field that no target takes, else one that the target which came furthest
// does not.
func (c *choice) param(furthest *option) (missing string) {
	for _, field := range c.query.Fields {
		if c.takes(furthest.node, field) {
			continue
		}
		if !c.takenElsewhere(field) {
			return field
		}
		missing = cmp.Or(missing, field)
	}
	return missing
}

func (c *choice) takenElsewhere(field string) bool {
	for i := range c.decision.options {
		if o := &c.decision.options[i]; o.reason == llm.ReasonParameter && c.takes(o.node, field) {
			return true
		}
	}
	return false
}

// unable names the field that asks for an ability which no model has.
func (c *choice) unable(o *option, w *wish) *llm.Error {
	needs := &c.query.Needs
	param := "messages"
	switch {
	case o.reason == llm.ReasonTools:
		param = "tools"
	case o.reason == llm.ReasonStructured:
		param = "response_format"
	case o.node.target.Model != nil && needs.Output&^o.node.target.Model.Output != 0:
		param = "modalities"
	}
	return c.unsupported(param, w)
}

func (c *choice) unsupported(param string, w *wish) *llm.Error {
	err := llm.Invalid(param, fmt.Sprintf("Unsupported parameter: '%s' is not supported with the model '%s' here.", param, w.name))
	if param == "messages" {
		err.Message = fmt.Sprintf("The messages hold content of a kind that is not supported with the model '%s' here.", w.name)
	}
	if param == "max_tokens" {
		err.Message += " Use 'max_completion_tokens' instead."
	}
	err.Code = "unsupported_parameter"
	return err
}

// tooLong names the largest window among the targets.
func (c *choice) tooLong(w *wish) *llm.Error {
	var window int64
	for i := range c.decision.options {
		n := c.decision.options[i].node
		limit := n.context
		if n.maxInput > 0 {
			limit = min(limit, n.maxInput)
		}
		window = max(window, limit)
	}
	err := llm.Invalid("messages", fmt.Sprintf("The prompt has about %d tokens; the model '%s' takes at most %d here.", c.tokensAt(w.nodes[0]), w.name, window))
	if c.query.MaxOutput > 0 {
		err.Message += fmt.Sprintf(" The answer may take %d more.", c.query.MaxOutput)
	}
	err.Code = "context_length_exceeded"
	return err
}

// tooDear names the cheapest target and the limit.
func (c *choice) tooDear() *llm.Error {
	var least *option
	for i := range c.decision.options {
		if o := &c.decision.options[i]; o.reason == llm.ReasonMaxCost && (least == nil || o.cost < least.cost) {
			least = o
		}
	}
	err := llm.Invalid("provider", "No target is within the request's max_price.")
	if c.maxCost.Valid && least.cost > c.maxCost.Money {
		err = llm.Invalid("x-halfpenny-max-cost-usd", fmt.Sprintf("The call is estimated to cost at least $%s; the limit is $%s.", least.cost, c.maxCost.Money))
	}
	err.Code = "max_cost_exceeded"
	return err
}
