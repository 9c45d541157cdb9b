package fakellm

import (
	"encoding/json"
	"iter"
	"net/http"
	"strconv"
	"strings"
)

// gemini is the Gemini API: https://ai.google.dev/api/generate-content. Calls have
// no ids, as those of most models.
type gemini struct {
	model, method string
	sse, array    bool // how streams are framed
	vertex        bool // at Vertex AI, which wants an access token
}

// geminiDialect is that of the method that a request is for.
func geminiDialect(r *http.Request) dialect {
	d := newGemini(r)
	if d.method == "embedContent" || d.method == "batchEmbedContents" {
		return &geminiEmbeddings{gemini: d}
	}
	return d
}

func newGemini(r *http.Request) gemini {
	path := r.URL.Path
	d := gemini{}
	d.model, d.method, _ = strings.Cut(path[strings.LastIndex(path, "/")+1:], ":")
	if d.method == "streamGenerateContent" {
		d.sse = r.URL.Query().Get("alt") == "sse"
		d.array = !d.sse
	}
	return d
}

func (d gemini) contentType(stream bool) string { return eventStream(stream) }

// headers include the content type, since the errors of a stream have its type.
func (d gemini) headers(h http.Header) {
	h.Set("Content-Type", "application/json; charset=UTF-8")
	if d.sse {
		h.Set("Content-Type", "text/event-stream")
	}
	h.Set("Server", "scaffolding on HTTPServer2")
	h.Set("Server-Timing", "gfet4t7; dur=1")
}

// frame: a stream without alt=sse is one array, in which an error is the last element.
func (d gemini) frame(e event, first bool) []byte {
	if !d.array {
		return sse("", e.data)
	}
	before, after := ",\n", ""
	if first {
		before = "["
	}
	if e.stage == last {
		after = "]\n"
	}
	return []byte(before + string(e.data) + after)
}

type geminiAnswer struct {
	Candidates   []candidate  `json:"candidates,omitempty"`
	Usage        *geminiUsage `json:"usageMetadata,omitempty"`
	ModelVersion string       `json:"modelVersion"`
	ResponseID   string       `json:"responseId"`
}

type candidate struct {
	Content saidContent `json:"content"`
	Finish  string      `json:"finishReason,omitempty"`
	Index   int         `json:"index"`
}

type saidContent struct {
	Parts []saidPart `json:"parts,omitempty"`
	Role  string     `json:"role"`
}

type saidPart struct {
	Text      *string       `json:"text,omitempty"`
	Thought   bool          `json:"thought,omitempty"`
	Call      *functionCall `json:"functionCall,omitempty"`
	Signature string        `json:"thoughtSignature,omitempty"`
}

type functionCall struct {
	Name string          `json:"name"`
	Args json.RawMessage `json:"args"`
}

// geminiUsage is in tokens. The prompt includes what is cached, the candidates not what was thought.
type geminiUsage struct {
	Prompt     int64           `json:"promptTokenCount"`
	Cached     int64           `json:"cachedContentTokenCount,omitempty"`
	Candidates int64           `json:"candidatesTokenCount,omitempty"`
	Total      int64           `json:"totalTokenCount"`
	Details    []modalityCount `json:"promptTokensDetails"`
	Thoughts   int64           `json:"thoughtsTokenCount,omitempty"`
}

type modalityCount struct {
	Modality string `json:"modality"`
	Tokens   int64  `json:"tokenCount"`
}

// answer is one object of an answer, when so many tokens of it are out.
func (d gemini) answer(a *answer, thoughts, said int64, candidates ...candidate) geminiAnswer {
	g := geminiAnswer{Candidates: candidates, ModelVersion: a.request.Model, ResponseID: "simulated-" + a.id}
	if !a.script.NoUsage {
		p := a.usage.prompt
		g.Usage = &geminiUsage{
			Prompt: p, Cached: a.usage.cached, Candidates: said, Thoughts: thoughts, Total: p + said + thoughts,
			Details: []modalityCount{{"TEXT", p}},
		}
	}
	return g
}

func (d gemini) whole(a *answer) []byte {
	if a.request.N == 0 {
		p := a.usage.prompt
		return encode(map[string]any{"totalTokens": p, "promptTokensDetails": []modalityCount{{"TEXT", p}}})
	}
	candidates := make([]candidate, len(a.choices))
	for i := range a.choices {
		c := &a.choices[i]
		var parts []saidPart
		if thoughts := strings.Join(a.told(c), ""); thoughts != "" {
			parts = append(parts, saidPart{Text: &thoughts, Thought: true})
		}
		switch {
		case len(c.pieces) == 0:
		case c.tool != "":
			parts = append(parts, a.callPart(c))
		default:
			parts = append(parts, saidPart{Text: new(c.said())})
		}
		candidates[i] = candidate{Content: saidContent{parts, "model"}, Finish: c.finishReason(), Index: i}
	}
	return encode(d.answer(a, a.usage.thoughts, a.usage.output-a.usage.thoughts, candidates...))
}

// callPart is a whole call, which carries the signature of the thoughts before it.
func (a *answer) callPart(c *choice) saidPart {
	p := saidPart{Call: &functionCall{c.tool, c.arguments()}}
	if len(c.thoughts) > 0 {
		p.Signature = a.signature()
	}
	return p
}

func (c *choice) finishReason() string {
	if c.finish == byLength {
		return "MAX_TOKENS"
	}
	return "STOP"
}

// events are answers with a part each: the thoughts that are told, the text in
// turns or a whole call, and the reasons to finish. Each has the usage so far.
func (d gemini) events(a *answer) iter.Seq[event] {
	return func(yield func(event) bool) {
		w := &geminiEvents{gemini: d, a: a, yield: yield, going: true}
		for i := range a.choices {
			for _, piece := range a.told(&a.choices[i]) {
				w.thoughts++
				w.emit(content, i, saidPart{Text: &piece, Thought: true}, "")
			}
		}
		w.thoughts = a.usage.thoughts
		for i, step := range a.turns() {
			w.said++
			if c := &a.choices[i]; c.tool == "" {
				w.emit(content, i, saidPart{Text: &c.pieces[step]}, "")
			} else if step == len(c.pieces)-1 {
				w.emit(content, i, a.callPart(c), "")
			}
			if !w.going {
				return
			}
		}
		for i := range a.choices {
			stage := closing
			if i == len(a.choices)-1 {
				stage = last
			}
			w.emit(stage, i, saidPart{Text: new("")}, a.choices[i].finishReason())
		}
	}
}

// geminiEvents counts the tokens that a stream has told.
type geminiEvents struct {
	gemini
	a              *answer
	yield          func(event) bool
	going          bool // the stream is still wanted
	thoughts, said int64
}

func (w *geminiEvents) emit(stage stage, index int, p saidPart, finish string) {
	c := candidate{Content: saidContent{[]saidPart{p}, "model"}, Finish: finish, Index: index}
	w.going = w.going && w.yield(event{data: encode(w.answer(w.a, w.thoughts, w.said, c)), stage: stage})
}

type googleError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Status  string `json:"status"`
	Details []any  `json:"details,omitempty"`
}

// newGoogleError is https://ai.google.dev/gemini-api/docs/troubleshooting; the code
// is the status's name. When to retry is in the details.
func newGoogleError(e *refusal) []byte {
	g := googleError{Code: e.status, Message: e.message, Status: e.code}
	if g.Status == "" {
		g.Status = googleStatus(e.status)
	}
	if e.retryAfter > 0 {
		g.Details = []any{map[string]string{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": strconv.Itoa(e.retryAfter) + "s"}}
	}
	return encode(map[string]googleError{"error": g})
}

// refuse: a stream without alt=sse is an array even where it is an error alone.
func (d gemini) refuse(_ http.Header, e *refusal) []byte {
	if d.array {
		return d.frame(d.fail(e)[0], true)
	}
	return newGoogleError(e)
}

func (d gemini) fail(e *refusal) []event { return []event{{data: newGoogleError(e), stage: last}} }

var googleStatuses = map[int]string{
	http.StatusUnauthorized:       "UNAUTHENTICATED",
	http.StatusForbidden:          "PERMISSION_DENIED",
	http.StatusNotFound:           "NOT_FOUND",
	http.StatusConflict:           "ABORTED",
	http.StatusTooManyRequests:    "RESOURCE_EXHAUSTED",
	http.StatusNotImplemented:     "UNIMPLEMENTED",
	http.StatusServiceUnavailable: "UNAVAILABLE",
	http.StatusGatewayTimeout:     "DEADLINE_EXCEEDED",
}

func googleStatus(status int) string {
	name := googleStatuses[status]
	switch {
	case name != "":
		return name
	case status >= http.StatusInternalServerError:
		return "INTERNAL"
	}
	return "INVALID_ARGUMENT"
}
