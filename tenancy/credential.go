package tenancy

import (
	"bytes"

	"github.com/generic-corp/halfpenny/llm"
)

// Credentials are the places where a request may carry its API key. Nil or empty
// means absent; the slices are only read.
type Credentials struct {
	Authorization []byte // the header's whole value
	XAPIKey       []byte // Anthropic's x-api-key
	XGoogAPIKey   []byte // Gemini's x-goog-api-key
	APIKey        []byte // Azure's api-key
	Query         []byte // ?key=
}

// Credential returns the one API key that a request carries; it lies in one of
// c's slices. None at all, an Authorization that is no bearer token, and two that
// disagree are each a 401 invalid_api_key. It does not allocate unless it fails.
func Credential(c Credentials) ([]byte, *llm.Error) {
	bearer, ok := Bearer(c.Authorization)
	if !ok {
		return nil, errScheme()
	}
	var found []byte
	for _, candidate := range [...][]byte{bearer, c.XAPIKey, c.XGoogAPIKey, c.APIKey, c.Query} {
		switch {
		case len(candidate) == 0:
		case found == nil:
			found = candidate
		case !bytes.Equal(found, candidate):
			return nil, errDisagree()
		}
	}
	if found == nil {
		return nil, errMissing()
	}
	return found, nil
}

// Bearer returns the token of an Authorization header's value. An absent header
// has an empty token; ok is false where the scheme is another.
func Bearer(authorization []byte) (token []byte, ok bool) {
	const scheme = "Bearer"
	authorization = bytes.TrimSpace(authorization)
	if len(authorization) == 0 {
		return nil, true
	}
	if len(authorization) < len(scheme) || !bytes.EqualFold(authorization[:len(scheme)], []byte(scheme)) {
		return nil, false
	}
	rest := authorization[len(scheme):]
	token = bytes.TrimSpace(rest)
	return token, len(token) == 0 || len(token) < len(rest)
}

func unauthorized(message string) *llm.Error {
	return &llm.Error{Status: 401, Code: "invalid_api_key", Message: message}
}

func errMissing() *llm.Error {
	return unauthorized("No API key was sent. Send it as 'Authorization: Bearer gc_live_…'.")
}

func errScheme() *llm.Error {
	return unauthorized("The Authorization header is not a bearer token. Send 'Authorization: Bearer gc_live_…'.")
}

func errDisagree() *llm.Error {
	return unauthorized("The request carries two API keys that disagree. Send one.")
}

func errIncorrect() *llm.Error { return unauthorized("The API key is incorrect or was revoked.") }

func errExpired() *llm.Error { return unauthorized("The API key has expired.") }
