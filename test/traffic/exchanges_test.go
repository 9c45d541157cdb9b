package traffic

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

// exchange is a recorded one.
type exchange struct {
	ID       string `json:"id"`
	Provider string `json:"provider"`
	API      string `json:"api"`
	Stream   bool   `json:"stream"`
	Request  struct {
		Method string            `json:"method"`
		Path   string            `json:"path"`
		Query  map[string]string `json:"query"`
		Body   json.RawMessage   `json:"body"`
	} `json:"request"`
	Response struct {
		Status   int               `json:"status"`
		Headers  map[string]string `json:"headers"`
		Encoding string            `json:"body_encoding"`
		Body     string            `json:"body"`
	} `json:"response"`

	said answer // by the provider
}

// failed: the provider answered with an error.
func (x *exchange) failed() bool { return x.Response.Status >= 400 }

// body is the answer's, as it was on the wire.
func (x *exchange) body() []byte {
	if x.Response.Encoding == "base64" {
		b, _ := base64.StdEncoding.DecodeString(x.Response.Body)
		return b
	}
	return []byte(x.Response.Body)
}

// exchanges reads the recorded exchanges and what each says: by its golden summary, or
// where there is none by the recorded bytes.
func exchanges(t *testing.T, recorded, expected string) (all []*exchange) {
	t.Helper()
	golden := map[string]gjson.Result{}
	lines(t, expected, func(line []byte) {
		e := gjson.ParseBytes(line)
		golden[e.Get("id").Str] = e
	})
	lines(t, recorded, func(line []byte) {
		x := new(exchange)
		if err := json.Unmarshal(line, x); err != nil {
			t.Fatal(err)
		}
		if e, ok := golden[x.ID]; ok {
			x.said = goldenAnswer(x, e)
		} else {
			x.said = x.read()
		}
		all = append(all, x)
	})
	return all
}

func lines(t *testing.T, file string, each func(line []byte)) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 64<<20)
	for s.Scan() {
		if line := bytes.TrimSpace(s.Bytes()); len(line) > 0 {
			each(bytes.Clone(line))
		}
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
}

// read is what the recorded bytes say, of the APIs that have no golden summaries.
func (x *exchange) read() answer {
	if x.failed() {
		return answer{status: x.Response.Status, failure: messageOf(x.body())}
	}
	switch x.API {
	case "cohere.chat":
		return readCohere(x.body(), x.Stream)
	case "bedrock.converse", "bedrock.converse-stream":
		return readConverse(x.body(), x.Stream)
	case "bedrock.invoke", "bedrock.invoke-with-response-stream":
		if strings.Contains(x.Request.Path, "anthropic.") {
			return readAnthropic(invoked(x.body(), x.Stream), x.Stream)
		}
	}
	return answer{status: x.Response.Status}
}

// goldenAnswer is what a golden summary says.
func goldenAnswer(x *exchange, e gjson.Result) answer {
	a := answer{status: int(e.Get("status").Int()), text: e.Get("text").Str, refusal: e.Get("refusal").Str, finish: e.Get("finish").Str}
	if e.Get("error").Exists() {
		return answer{status: a.status, failure: messageOf(x.body())}
	}
	if e.Get("stream_error").Bool() || a.finish == "failed" {
		a.failure = "within the answer"
	}
	e.Get("tool_calls").ForEach(func(_, c gjson.Result) bool {
		a.calls = append(a.calls, c.Get("name").Str+canonical(c.Get("args").Raw))
		return true
	})
	u := e.Get("usage")
	a.usage = usage{u.Get("input").Int(), u.Get("output").Int(), u.Get("cached").Int(), u.Get("reasoning").Int()}
	switch x.API {
	case "anthropic.messages":
		a.usage.input, a.usage.reasoning = u.Get("input_total").Int(), readAnthropic(x.body(), x.Stream).usage.reasoning
	case "gemini.generateContent":
		a.usage.output += a.usage.reasoning
		a.total = u.Get("total").Int()
	}
	return a
}
