package proxy

import (
	"net/url"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/provider"
)

// passed is the way of a request at a path of a provider's own API. It is like
// forwarded, but for where it goes: to the account that its path names.
func (c *call) passed() *llm.Error {
	if err := c.authenticate(); err != nil {
		return err
	}
	if err := c.readPassed(); err != nil {
		return err
	}
	if err := c.route(); err != nil {
		return err
	}
	if err := c.limit(); err != nil {
		return err
	}
	return c.forward()
}

// readPassed finds the account and reads the request as far as it can be read.
func (c *call) readPassed() *llm.Error {
	if !c.http.IsPost() {
		return errMethod("POST")
	}
	account := c.gateway.Table(c.caller).Account(c.account)
	if account == nil {
		return &llm.Error{Status: 404, Type: "invalid_request_error", Message: "There is no provider '" + printed(c.account) + "'."}
	}
	if !account.Passthrough {
		return &llm.Error{Status: 403, Code: "passthrough_disabled", Message: "The operator has not opened the own API of provider '" + account.Name + "' (providers.passthrough)."}
	}
	passer, ok := account.Adapter.(provider.Passer)
	if !ok {
		return errNotMetered()
	}
	p, ok := passer.Passed(c.at)
	if !ok {
		return errNotMetered()
	}
	c.dialect, c.endpoint, c.passes = p.Dialect, p.Endpoint, true
	if err := c.body.readPassed(c.http.PostBody(), string(c.http.Request.Header.ContentType()), &p); err != nil {
		return err
	}
	c.body.named = account.Name + "/" + c.body.named
	return nil
}

func printed(name string) string {
	if len(name) > maxModelName || !printable(name) {
		return ""
	}
	return name
}

// errNotMetered is the answer at a path of which nobody knows what it costs.
func errNotMetered() *llm.Error {
	return &llm.Error{Status: 404, Type: "invalid_request_error", Message: "This path of the provider's own API is not open: only those whose cost is metered are."}
}

// readPassed reads a request of a provider's own API: whatever it holds, it passes.
func (b *body) readPassed(raw []byte, contentType string, p *provider.Passed) *llm.Error {
	b.raw, b.dialect, b.endpoint, b.named, b.stream = raw, p.Dialect, p.Endpoint, p.Model, p.Stream
	if strings.HasPrefix(contentType, "multipart/") {
		return b.readForm(raw, contentType, p.Endpoint)
	}
	members, err := jsonscan.Members(b.members[:0], raw)
	if err != nil {
		return llm.Invalid("", "The request's body is not valid JSON: "+err.Error()+".")
	}
	b.members = members
	for i := range members {
		m := &members[i]
		b.prompt.Member(m.Name, m.Value)
		switch string(m.Name) {
		case "model":
			if b.named == "" {
				b.named = gjson.ParseBytes(m.Value).String()
			}
		case "stream":
			b.stream = b.stream || string(m.Value) == "true"
		}
	}
	if b.named == "" {
		return llm.Invalid("model", "The field 'model' is missing.")
	}
	return checkModel(b.named)
}

// passedPath is the path and query of the provider's own API, without our credential.
func (c *call) passedPath() string {
	query, err := url.ParseQuery(string(c.http.URI().QueryString()))
	if err != nil || len(query) == 0 {
		return c.at
	}
	query.Del("key")
	if len(query) == 0 {
		return c.at
	}
	return c.at + "?" + query.Encode()
}
