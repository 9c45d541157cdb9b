package fakellm

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// vertexPath names the publisher, the model and the method:
// https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.publishers.models
var vertexPath = regexp.MustCompile(`/vertex/v1(?:beta1)?/projects/[^/]+/locations/[^/]+/publishers/(google|anthropic)/models/([^/:]+):(\w+)$`)

// newVertex is the dialect of a model's publisher, for a path of Vertex AI's.
func newVertex(r *http.Request, requestID string) dialect {
	parts := vertexPath.FindStringSubmatch(r.URL.Path)
	if parts == nil {
		return gemini{vertex: true}
	}
	if parts[1] == "anthropic" {
		return vertexAnthropic{anthropic{requestID}, parts[2], parts[3]}
	}
	d := newGemini(r)
	d.vertex = true
	return d
}

// bearer refuses what has no access token.
func bearer(r *http.Request) error {
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && token != "" {
		return nil
	}
	return &refusal{status: http.StatusUnauthorized, message: "Request is missing required authentication credential. " +
		"Expected OAuth 2 access token, login cookie or other valid authentication credential. " +
		"See https://developers.google.com/identity/sign-in/web/devconsole-project."}
}

// vertexAnthropic is Anthropic's Messages API with the model in the path:
// https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude
type vertexAnthropic struct {
	anthropic
	model, method string
}

const (
	vertexVersion = "vertex-2023-10-16"
	countingModel = "count-tokens" // in the path of a request that counts; its model is in the body
)

func (d vertexAnthropic) parse(r *http.Request, body []byte) (*request, error) {
	if r.Method != http.MethodPost || d.method != "rawPredict" && d.method != "streamRawPredict" {
		return nil, unknownPath(r)
	}
	if err := bearer(r); err != nil {
		return nil, err
	}
	if d.model == countingModel {
		return parseMessages(body, true)
	}
	q, err := parseHosted(body, d.model, vertexVersion)
	if err != nil {
		return nil, err
	}
	if q.Stream && d.method == "rawPredict" {
		return nil, invalid("stream: rawPredict does not stream; use streamRawPredict")
	}
	q.Stream = d.method == "streamRawPredict"
	return q, nil
}

// refuse: that there is no access token is said by Google, all else by Anthropic.
func (d vertexAnthropic) refuse(h http.Header, e *refusal) []byte {
	if e.status == http.StatusUnauthorized {
		return newGoogleError(e)
	}
	return d.anthropic.refuse(h, e)
}

const jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer" //nolint:gosec // the name of a grant is no secret

// writeToken answers a service account that asks for an access token: RFC 7523,
// section 2.1. Any assertion will do.
func writeToken(w http.ResponseWriter, body []byte, id int64) {
	form, err := url.ParseQuery(string(body))
	refuse := func(code, message string) {
		writeRaw(w, http.StatusBadRequest, encode(map[string]string{"error": code, "error_description": message}))
	}
	switch {
	case err != nil:
		refuse("invalid_request", "The body is no form.")
	case form.Get("grant_type") != jwtBearer:
		refuse("unsupported_grant_type", "Invalid grant_type: "+form.Get("grant_type"))
	case form.Get("assertion") == "":
		refuse("invalid_request", "Missing required parameter: assertion")
	default:
		writeRaw(w, http.StatusOK, encode(struct {
			Token   string `json:"access_token"`
			Expires int    `json:"expires_in"` // seconds
			Type    string `json:"token_type"`
		}{"simulated-token-" + strconv.FormatInt(id, 10), 3600, "Bearer"}))
	}
}
