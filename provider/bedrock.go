package provider

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/generic-corp/halfpenny/internal/http1"
	"github.com/generic-corp/halfpenny/internal/jsonscan"
	"github.com/generic-corp/halfpenny/llm"
)

// Amazon Bedrock: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html
//
// The secret is an API key of Bedrock's, or ACCESS_KEY_ID:SECRET_ACCESS_KEY, with
// :SESSION_TOKEN behind it where there is one. The region is that of the base URL.
var _ = register(Kind{
	Name: "bedrock", BaseURL: "https://bedrock-runtime.us-east-1.amazonaws.com",
	Env: []string{"AWS_BEARER_TOKEN_BEDROCK"}, Simulation: "bedrock", New: newBedrock,
})

// bedrockAdapter speaks Converse, and with callers of Anthropic's dialect Anthropic's
// messages, which invoke takes for Anthropic's models.
type bedrockAdapter struct {
	native
	others Fields // of models that are not Anthropic's
	novas  Fields // of Amazon's Nova
	region string // empty: the base URL does not tell
	now    func() time.Time
}

var (
	_ Adapter     = (*bedrockAdapter)(nil)
	_ FieldFilter = (*bedrockAdapter)(nil)
	_ BodyEditor  = (*bedrockAdapter)(nil)
	_ Passer      = (*bedrockAdapter)(nil)
)

func newBedrock(baseURL string) (Adapter, error) {
	n, err := newNative("bedrock", llm.DialectBedrock, baseURL, "/model/", bedrockHonours)
	if err != nil {
		return nil, err
	}
	common := slices.DeleteFunc(slices.Clone(bedrockHonours), func(f string) bool { return slices.Contains(bedrockClaudeHonours, f) })
	vary := []string{"parallel_tool_calls", "reasoning", "reasoning_effort", "thinking"} // where they ask for nothing
	others, err := newNative("bedrock", llm.DialectBedrock, baseURL, "", common, vary...)
	if err != nil {
		return nil, err
	}
	novas, err := newNative("bedrock", llm.DialectBedrock, baseURL, "", append(common, "top_k"), vary...)
	return &bedrockAdapter{native: n, others: others.fields, novas: novas.fields, region: bedrockRegion(n.root.Hostname()), now: time.Now}, err
}

// bedrockRegion reads the region in a host such as bedrock-runtime.eu-west-1.amazonaws.com,
// bedrock-runtime-fips.us-east-1.amazonaws.com or a VPC endpoint's:
// https://docs.aws.amazon.com/general/latest/gr/bedrock.html
func bedrockRegion(host string) string {
	labels := strings.Split(host, ".")
	for i, label := range labels[:len(labels)-1] {
		if label == "bedrock-runtime" || label == "bedrock-runtime-fips" {
			return labels[i+1]
		}
	}
	return ""
}

// Fields are those of OpenAI's chat that the translation can express for the model.
func (a *bedrockAdapter) Fields(model string) Fields {
	switch {
	case bedrockClaude(model):
		return a.fields
	case strings.Contains(model, "amazon.nova"):
		return a.novas
	}
	return a.others
}

// Dialect is Anthropic's for its callers where the model is Anthropic's, and else Converse.
func (a *bedrockAdapter) Dialect(e llm.Endpoint, model string, caller llm.Dialect) llm.Dialect {
	if e == llm.EndpointChat && caller == llm.DialectAnthropic && bedrockClaude(model) {
		return llm.DialectAnthropic
	}
	return a.native.Dialect(e, model, caller)
}

// Passed knows Converse and invoke.
func (a *bedrockAdapter) Passed(path string) (p Passed, ok bool) {
	rest, ok := strings.CutPrefix(path, "/model/")
	i := strings.LastIndexByte(rest, '/')
	if !ok || i <= 0 {
		return p, false
	}
	model, err := url.PathUnescape(rest[:i])
	if err != nil {
		return p, false
	}
	p = Passed{Endpoint: llm.EndpointChat, Dialect: llm.DialectBedrock, Model: model}
	switch rest[i+1:] {
	case "converse":
	case "converse-stream", "invoke-with-response-stream":
		p.Stream = true
	case "invoke":
		if strings.Contains(model, "embed") {
			p.Endpoint = llm.EndpointEmbeddings
		}
	default:
		return p, false
	}
	return p, true
}

// bedrockMethods are what a model is asked to do, whole and as a stream.
var bedrockMethods = map[llm.Dialect][2]string{
	llm.DialectBedrock:   {"/converse", "/converse-stream"},
	llm.DialectAnthropic: {"/invoke", "/invoke-with-response-stream"},
}

// Prepare addresses the model and adds the API key, or the signature.
func (a *bedrockAdapter) Prepare(r *http.Request, to Destination) error {
	methods, known := bedrockMethods[to.Dialect]
	switch {
	case to.Path != "":
		u, err := behind(a.root, to.Path)
		if err != nil {
			return err
		}
		r.URL = u
	case !known || to.Endpoint != llm.EndpointChat:
		return notServed(a, to.Endpoint)
	default:
		method := methods[0]
		if to.Stream {
			method = methods[1]
		}
		u := *a.root
		prefix := strings.TrimSuffix(a.root.EscapedPath(), "/") + "/model/"
		u.Path = strings.TrimSuffix(a.root.Path, "/") + "/model/" + to.Model + method
		u.RawPath = prefix + escapedModel(to.Model) + method
		r.URL = &u
	}
	r.Host = r.URL.Host
	credentials, signs := awsCredentials(to.Secret)
	switch {
	case to.Secret == "":
		return nil
	case !signs:
		r.Header["Authorization"] = []string{"Bearer " + to.Secret}
		return nil
	case a.region == "":
		return errors.New("cannot sign a request to bedrock: the host of its base URL does not tell the region, as bedrock-runtime.us-east-1.amazonaws.com does")
	}
	return signAWS(r, &credentials, "bedrock", a.region, a.now())
}

// escapedModel is the name of a model, which may be an ARN, as one part of a path,
// with what RFC 3986 does not leave unreserved escaped, colons too.
func escapedModel(model string) string {
	var b strings.Builder
	for _, c := range []byte(model) {
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// awsCredentials reads ACCESS_KEY_ID:SECRET_ACCESS_KEY[:SESSION_TOKEN]; ok is false for
// an API key, which has no colons.
func awsCredentials(secret string) (c aws.Credentials, ok bool) {
	parts := strings.SplitN(secret, ":", 3)
	if len(parts) < 2 || parts[0] == "" || parts[1] == "" {
		return c, false
	}
	c.AccessKeyID, c.SecretAccessKey = parts[0], parts[1]
	if len(parts) == 3 {
		c.SessionToken = parts[2]
	}
	return c, true
}

var awsSigner = v4.NewSigner()

// signAWS adds the headers of Signature Version 4 to r. The signature covers its
// method, its address, its body, its content type and no other header, so that what
// carries it may still change them: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
func signAWS(r *http.Request, c *aws.Credentials, service, region string, at time.Time) error {
	body, err := bodyOf(r)
	if err != nil {
		return err
	}
	signed := &http.Request{Method: r.Method, URL: r.URL, Host: r.Host, Header: http.Header{}}
	if t := r.Header["Content-Type"]; t != nil {
		signed.Header["Content-Type"] = t
	}
	sum := sha256.Sum256(body)
	if err := awsSigner.SignHTTP(context.Background(), *c, signed, hex.EncodeToString(sum[:]), service, region, at); err != nil {
		return fmt.Errorf("cannot sign the request: %w", err)
	}
	for _, name := range [...]string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token"} {
		if v := signed.Header[name]; v != nil {
			r.Header[name] = v
		}
	}
	return nil
}

// bodyOf returns the body of a request that is still to be sent.
func bodyOf(r *http.Request) ([]byte, error) {
	if b, ok := r.Body.(*http1.Body); ok {
		return b.Bytes, nil
	}
	if r.Body == nil {
		return nil, nil
	}
	all, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("cannot read the request's body: %w", err)
	}
	r.Body = &http1.Body{Bytes: all}
	return all, nil
}

// bedrockAnthropicVersion is the only version that invoke knows of Anthropic's messages.
const bedrockAnthropicVersion = `"anthropic_version":"bedrock-2023-05-31"`

// EditBody gives Anthropic's messages the form that invoke takes:
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html
// The model and whether there is a stream are in the address, the version and the
// betas in the body.
func (a *bedrockAdapter) EditBody(to Destination, header http.Header, body []byte) ([]byte, error) {
	if to.Dialect != llm.DialectAnthropic || to.Path != "" {
		return body, nil
	}
	without, extra := []string{hostedModel, hostedStream}, []string{bedrockAnthropicVersion}
	if err := jsonscan.Each(body, func(name, value []byte) {
		if string(name) == "service_tier" && (string(value) == `"auto"` || string(value) == `"standard_only"`) {
			without = append(without, "service_tier") // which Bedrock does without it
		}
	}); err != nil {
		return nil, fmt.Errorf("cannot read the request: %w", err)
	}
	list, err := betas(header)
	if err != nil {
		return nil, err
	}
	if list != "" {
		extra = append(extra, list)
	}
	header.Del("Anthropic-Version")
	return withoutModel(body, without, extra...)
}
