package fakellm

import (
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"iter"
	"net/http"
	"net/url"
	"strings"
)

// bedrock is the Converse API of Amazon Bedrock:
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
type bedrock struct {
	requestID     string
	model, method string
}

// newBedrock is the dialect of /sim/<kind>/bedrock/model/<id>/<method>. An id that is
// an ARN has its slashes escaped.
func newBedrock(r *http.Request, requestID string) dialect {
	b := bedrock{requestID: requestID}
	_, rest, _ := strings.Cut(r.URL.EscapedPath(), "/bedrock/model/")
	id, method, _ := strings.Cut(rest, "/")
	b.model, _ = url.PathUnescape(id)
	b.method = method
	if strings.HasPrefix(method, "invoke") {
		return invoke{bedrock: b, anthropic: anthropic{requestID}}
	}
	return b
}

func (d bedrock) headers(h http.Header) {
	h.Set("X-Amzn-Requestid", d.requestID)
}

func (d bedrock) contentType(stream bool) string {
	if stream {
		return "application/vnd.amazon.eventstream"
	}
	return jsonType
}

// authorized refuses what has neither a bearer token nor a signature. Whether the
// signature is right is not looked at.
func authorized(r *http.Request) error {
	auth := r.Header.Get("Authorization")
	signed := strings.HasPrefix(auth, "AWS4-HMAC-SHA256 ") && strings.Contains(auth, "Credential=") && strings.Contains(auth, "Signature=")
	switch {
	case strings.HasPrefix(auth, "Bearer ") && credential(r) != "":
		return nil
	case !signed:
		return &refusal{status: http.StatusForbidden, message: "Missing Authentication Token", code: "MissingAuthenticationTokenException"}
	case r.Header.Get("X-Amz-Date") == "":
		return &refusal{status: http.StatusForbidden, code: "IncompleteSignatureException",
			message: "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."}
	}
	return nil
}

func (d bedrock) parse(r *http.Request, body []byte) (*request, error) {
	if r.Method != http.MethodPost || d.model == "" || d.method != "converse" && d.method != "converse-stream" {
		return nil, unknownPath(r)
	}
	if err := authorized(r); err != nil {
		return nil, err
	}
	q, err := parseConverse(body, d.model)
	if err == nil {
		q.Stream = d.method == "converse-stream"
	}
	return q, err
}

// converseUsage is in tokens. Input is what is neither read from the cache nor written to it.
type converseUsage struct {
	CacheRead       *int64   `json:"cacheReadInputTokenCount,omitempty"`
	CacheReadTokens *int64   `json:"cacheReadInputTokens,omitempty"`
	CacheWrite      *int64   `json:"cacheWriteInputTokenCount,omitempty"`
	CacheWritten    *int64   `json:"cacheWriteInputTokens,omitempty"`
	Input           int64    `json:"inputTokens"`
	Output          int64    `json:"outputTokens"`
	ServerTools     struct{} `json:"serverToolUsage"`
	Total           int64    `json:"totalTokens"`
}

// usage tells of the cache where the request has cache points.
func (d bedrock) usage(a *answer) *converseUsage {
	if a.script.NoUsage {
		return nil
	}
	t := a.usage
	u := &converseUsage{Input: t.prompt - t.cached - t.written, Output: t.output, Total: t.prompt + t.output}
	if a.request.cache.marked() {
		u.CacheRead, u.CacheReadTokens, u.CacheWrite, u.CacheWritten = &t.cached, &t.cached, &t.written, &t.written
	}
	return u
}

type converseMetrics struct {
	Latency int64 `json:"latencyMs"`
}

type converseToolUse struct {
	Input json.RawMessage `json:"input"`
	Name  string          `json:"name"`
	ID    string          `json:"toolUseId"`
}

type reasoningText struct {
	Signature string `json:"signature"`
	Text      string `json:"text"`
}

func (d bedrock) whole(a *answer) []byte {
	c, blocks := &a.choices[0], []any{}
	if len(c.thoughts) > 0 {
		text := reasoningText{a.signature(), strings.Join(a.told(c), "")}
		blocks = append(blocks, map[string]any{"reasoningContent": map[string]any{"reasoningText": text}})
	}
	switch {
	case len(c.pieces) == 0:
	case c.tool != "":
		blocks = append(blocks, map[string]any{"toolUse": converseToolUse{c.arguments(), c.tool, "tooluse_" + c.callID}})
	default:
		blocks = append(blocks, map[string]any{"text": c.said()})
	}
	reason, _ := c.stopReason()
	return encode(struct {
		Metrics converseMetrics `json:"metrics"`
		Output  any             `json:"output"`
		Reason  *string         `json:"stopReason"`
		Usage   *converseUsage  `json:"usage,omitempty"`
	}{converseMetrics{1}, map[string]any{"message": map[string]any{"content": blocks, "role": "assistant"}}, reason, d.usage(a)})
}

// events are those of https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html.
// As with the real one, only a call's block has a start.
func (d bedrock) events(a *answer) iter.Seq[event] {
	return func(yield func(event) bool) {
		w := &converseEvents{yield: yield, going: true}
		w.emit(opening, "messageStart", converseEvent{Role: "assistant"})
		c := &a.choices[0]
		w.thoughts(a, c)
		w.said(c)
		reason, _ := c.stopReason()
		w.emit(closing, "messageStop", converseEvent{Reason: *reason})
		w.emit(last, "metadata", converseEvent{Metrics: &converseMetrics{1}, Usage: d.usage(a)})
	}
}

// converseEvent are the fields of any event; which of them it has is up to its type.
type converseEvent struct {
	Index   *int             `json:"contentBlockIndex,omitempty"`
	Delta   any              `json:"delta,omitempty"`
	Metrics *converseMetrics `json:"metrics,omitempty"`
	Padding string           `json:"p"`
	Role    string           `json:"role,omitempty"`
	Start   any              `json:"start,omitempty"`
	Reason  string           `json:"stopReason,omitempty"`
	Usage   *converseUsage   `json:"usage,omitempty"`
}

// padding hides the length of an event, and differs from one to the next.
const padding = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

func padded(n int) string { return padding[:1+n*7%len(padding)] }

// converseEvents numbers the blocks of a stream.
type converseEvents struct {
	yield func(event) bool
	going bool // the stream is still wanted
	sent  int
	index int // of the current block
}

func (w *converseEvents) emit(stage stage, name string, e converseEvent) {
	e.Padding = padded(w.sent)
	w.sent++
	w.going = w.going && w.yield(event{name: name, data: encode(e), stage: stage})
}

func (w *converseEvents) delta(stage stage, delta any) {
	w.emit(stage, "contentBlockDelta", converseEvent{Index: &w.index, Delta: delta})
}

func (w *converseEvents) stop(stage stage) {
	w.emit(stage, "contentBlockStop", converseEvent{Index: &w.index})
	w.index++
}

func (w *converseEvents) thoughts(a *answer, c *choice) {
	if len(c.thoughts) == 0 {
		return
	}
	for _, piece := range a.told(c) {
		w.delta(content, map[string]any{"reasoningContent": map[string]string{"text": piece}})
	}
	w.delta(opening, map[string]any{"reasoningContent": map[string]string{"signature": a.signature()}})
	w.stop(opening)
}

func (w *converseEvents) said(c *choice) {
	if len(c.pieces) == 0 {
		return
	}
	delta := func(piece string) any { return map[string]string{"text": piece} }
	if c.tool != "" {
		delta = func(piece string) any { return map[string]any{"toolUse": map[string]string{"input": piece}} }
		start := map[string]any{"toolUse": map[string]string{"name": c.tool, "toolUseId": "tooluse_" + c.callID}}
		w.emit(opening, "contentBlockStart", converseEvent{Index: &w.index, Start: start})
	}
	for _, piece := range c.pieces {
		if !w.going {
			return
		}
		w.delta(content, delta(piece))
	}
	w.stop(closing)
}

// frame: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html
// describes the messages, and https://smithy.io/2.0/aws/amazon-eventstream.html their headers.
func (d bedrock) frame(e event, _ bool) []byte {
	kind, name := "event", "event-type"
	if strings.HasSuffix(e.name, "Exception") {
		kind, name = "exception", "exception-type"
	}
	return awsMessage(e.data, [][2]string{{":" + name, e.name}, {":content-type", jsonType}, {":message-type", kind}})
}

// Sizes of parts of an AWS event stream message, in bytes.
const (
	awsPrelude  = 8 // lengths of the message and of its headers
	awsChecksum = 4
	awsString   = 7 // the type of a header whose value is a text
)

// awsMessage is a message with headers of text, each a name and a value.
func awsMessage(payload []byte, headers [][2]string) []byte {
	var h []byte
	for _, header := range headers {
		name, value := header[0], header[1]
		h = append(append(h, byte(len(name))), name...)
		h = binary.BigEndian.AppendUint16(append(h, awsString), uint16(len(value)))
		h = append(h, value...)
	}
	total := awsPrelude + awsChecksum + len(h) + len(payload) + awsChecksum
	m := binary.BigEndian.AppendUint32(make([]byte, 0, total), uint32(total))
	m = binary.BigEndian.AppendUint32(m, uint32(len(h)))
	m = binary.BigEndian.AppendUint32(m, crc32.ChecksumIEEE(m))
	m = append(append(m, h...), payload...)
	return binary.BigEndian.AppendUint32(m, crc32.ChecksumIEEE(m))
}

// awsErrors are those of https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_Errors
var awsErrors = map[int]string{
	http.StatusUnauthorized:       "UnrecognizedClientException",
	http.StatusForbidden:          "AccessDeniedException",
	http.StatusNotFound:           "ResourceNotFoundException",
	http.StatusRequestTimeout:     "ModelTimeoutException",
	http.StatusFailedDependency:   "ModelErrorException",
	http.StatusTooManyRequests:    "ThrottlingException",
	http.StatusServiceUnavailable: "ServiceUnavailableException",
}

func awsError(e *refusal) string {
	name := awsErrors[e.status]
	switch {
	case e.code != "":
		return e.code
	case name != "":
		return name
	case e.status >= http.StatusInternalServerError:
		return "InternalServerException"
	}
	return "ValidationException"
}

func (d bedrock) refuse(h http.Header, e *refusal) []byte {
	h.Set("X-Amzn-Errortype", awsError(e)+":http://internal.amazon.com/coral/com.amazon.bedrock/")
	return encode(map[string]string{"message": e.message})
}

// fail: in a stream, the names of exceptions begin small.
func (d bedrock) fail(e *refusal) []event {
	name := awsError(e)
	name = strings.ToLower(name[:1]) + strings.TrimSuffix(name[1:], "Exception") + "Exception"
	return []event{{name: name, data: encode(map[string]string{"message": e.message}), stage: last}}
}

// invoke is InvokeModel with a model of Anthropic's:
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html
// Its streams carry Anthropic's events, but pings, as base64.
type invoke struct {
	bedrock
	anthropic
}

const bedrockVersion = "bedrock-2023-05-31"

func (d invoke) headers(h http.Header)                   { d.bedrock.headers(h) }
func (d invoke) contentType(stream bool) string          { return d.bedrock.contentType(stream) }
func (d invoke) whole(a *answer) []byte                  { return d.anthropic.whole(a) }
func (d invoke) fail(e *refusal) []event                 { return d.bedrock.fail(e) }
func (d invoke) refuse(h http.Header, e *refusal) []byte { return d.bedrock.refuse(h, e) }

func (d invoke) parse(r *http.Request, body []byte) (*request, error) {
	if r.Method != http.MethodPost || d.model == "" || d.method != "invoke" && d.method != "invoke-with-response-stream" {
		return nil, unknownPath(r)
	}
	if err := authorized(r); err != nil {
		return nil, err
	}
	q, err := parseHosted(body, d.model, bedrockVersion)
	if err != nil {
		return nil, err
	}
	if q.Stream {
		return nil, invalid("stream: Extra inputs are not permitted")
	}
	q.Stream = d.method != "invoke"
	return q, nil
}

func (d invoke) events(a *answer) iter.Seq[event] {
	return func(yield func(event) bool) {
		for e := range d.anthropic.events(a) {
			switch e.name {
			case "ping":
				continue
			case "message_stop":
				e.data = typed(e.name, map[string]any{"amazon-bedrock-invocationMetrics": map[string]int64{
					"inputTokenCount": a.usage.prompt - a.usage.cached - a.usage.written, "outputTokenCount": a.usage.output,
					"invocationLatency": 1, "firstByteLatency": 1,
				}})
				if a.script.NoUsage {
					e.data = typed(e.name, nil)
				}
			}
			if !yield(e) {
				return
			}
		}
	}
}

func (d invoke) frame(e event, first bool) []byte {
	if strings.HasSuffix(e.name, "Exception") {
		return d.bedrock.frame(e, first)
	}
	return d.bedrock.frame(event{name: "chunk", data: encode(struct {
		Bytes   []byte `json:"bytes"`
		Padding string `json:"p"`
	}{e.data, padded(len(e.data))})}, first)
}
