package provider

import (
	"net/url"
	"strings"

	"github.com/generic-corp/halfpenny/llm"
)

// Passed is what a request at a path of a provider's own API asks for.
type Passed struct {
	Endpoint llm.Endpoint
	Dialect  llm.Dialect
	Model    string // where the path has it
	Stream   bool   // where the path says so
}

// Passer is the optional ability of an Adapter to be asked at the paths of its
// provider's own API. Its Prepare then goes by Destination.Path.
type Passer interface {
	// Passed reads a path behind the base URL; ok is false for what is not metered.
	Passed(path string) (p Passed, ok bool)
}

// behind is the address of a path, with or without a query, behind a base URL. What
// the base has at its end already is not repeated.
func behind(base *url.URL, path string) (*url.URL, error) {
	to, err := url.Parse(path)
	if err != nil {
		return nil, err
	}
	u := base.JoinPath(to.EscapedPath())
	u.RawQuery = to.RawQuery
	return u, nil
}

// geminiPassed reads the last part of a path of Gemini's API: a model and its method.
func geminiPassed(call string) (Passed, bool) {
	p := Passed{Dialect: llm.DialectGemini}
	i := strings.LastIndexByte(call, ':')
	if i <= 0 {
		return p, false
	}
	p.Model = call[:i]
	switch call[i+1:] {
	case "generateContent":
		p.Endpoint = llm.EndpointChat
	case "streamGenerateContent":
		p.Endpoint, p.Stream = llm.EndpointChat, true
	case "embedContent", "batchEmbedContents":
		p.Endpoint = llm.EndpointEmbeddings
	case "countTokens":
		p.Endpoint = llm.EndpointCount
	default:
		return p, false
	}
	return p, true
}
