package traffic

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/generic-corp/halfpenny/test/internal/bench"
)

// TestRecordedTraffic plays every recorded exchange through the gateway. The table that
// it prints counts, by API and by the dialect of the caller, the answers that are equal,
// those that differ for a known reason, and the errors that are the provider's own.
func TestRecordedTraffic(t *testing.T) {
	if testing.Short() {
		t.Skip("builds two programs")
	}
	b := bench.New(t, providers)
	r := &run{Bench: b, table: table{}, used: map[string]bool{}, all: exchanges(t, b.Exchanges(), b.Expected())}
	if len(r.all) < 1447 {
		t.Errorf("only %d exchanges", len(r.all))
	}
	r.play(t)
	r.unplayed(t)
	t.Logf("\n%s", r.table)
	for _, f := range r.found {
		t.Errorf("%s: %s: %s", f.client, f.id, f.how)
	}
}

// providers are the gateway's accounts, all at the recorded provider: one for each kind
// whose API is its own, and chat, which has no other API than that for chat.
func providers(replay string) string {
	var b strings.Builder
	for _, p := range [][2]string{{"openai", "/v1"}, {"azure", "/v1"}, {"anthropic", ""}, {"gemini", ""}, {"vertex", "/v1"}, {"bedrock", ""}, {"cohere", ""}} {
		fmt.Fprintf(&b, "  - {name: %s, kind: %s, base_url: %q, api_keys: [recorded], passthrough: true}\n", p[0], p[0], replay+p[1])
	}
	fmt.Fprintf(&b, "  - {name: chat, kind: compatible, base_url: %q, api_keys: [recorded], passthrough: true}\n", replay+"/v1")
	return b.String()
}

// run is the playing of all exchanges.
type run struct {
	*bench.Bench
	all []*exchange

	mu    sync.Mutex
	table table
	used  map[string]bool // of what is known
	found []finding
}

// finding is a difference that nothing explains.
type finding struct{ client, id, how string }

// play asks for every exchange in every dialect. Errors come last: they would
// have the gateway think that the account ails.
func (r *run) play(t *testing.T) {
	for _, failed := range []bool{false, true} {
		jobs := make(chan *exchange)
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				for x := range jobs {
					r.same(t, x)
					for i := range dialects {
						r.translated(t, x, &dialects[i])
					}
				}
			})
		}
		for _, x := range r.all {
			if x.failed() == failed {
				jobs <- x
			}
		}
		close(jobs)
		all.Wait()
	}
	slices.SortFunc(r.found, func(a, b finding) int { return strings.Compare(a.client+a.id, b.client+b.id) })
}

// unplayed reports what is known of answers that nobody asked for.
func (r *run) unplayed(t *testing.T) {
	for key, why := range known {
		if !r.used[key] {
			t.Errorf("%s was not asked for: %s", key, why)
		}
	}
}

// note counts an answer, whose differences are known for a reason or a finding.
func (r *run) note(x *exchange, client string, outcome outcome, differs []string) {
	reason, isKnown := known[client+" "+x.ID]
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used[client+" "+x.ID] = isKnown
	cell := r.table.cell(x.API, client)
	cell.total++
	switch {
	case len(differs) == 0 && isKnown:
		r.found = append(r.found, finding{client, x.ID, "is equal, and not " + reason})
	case len(differs) == 0:
		cell.counts[outcome]++
	case isKnown:
		cell.counts[differing]++
		cell.reasons[reason]++
	default:
		cell.counts[differing]++
		r.found = append(r.found, finding{client, x.ID, strings.Join(differs, "; ")})
	}
}

// skip counts an exchange that is not asked for.
func (r *run) skip(x *exchange, client, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	cell := r.table.cell(x.API, client)
	cell.total++
	cell.counts[skipped]++
	cell.reasons[reason]++
}

// reply is what the gateway answered.
type reply struct {
	status int
	body   []byte
}

var client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 8}}

// ask posts a request to the gateway.
func (r *run) ask(path string, body []byte) (reply, error) {
	req, err := http.NewRequest(http.MethodPost, r.Gateway+path, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+r.Key)
	resp, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, got}, err
}

// account is the one whose kind speaks the API as the exchange's provider does.
func (x *exchange) account() string {
	if x.Provider == "azure" || x.Provider == "vertex" {
		return x.Provider
	}
	api, _, _ := strings.Cut(x.API, ".")
	return api
}

// unasked are the APIs that the gateway does not have, and why.
var unasked = map[string]string{
	"anthropic.batches": "not metered: batches run for a day behind the call that makes them",
	"openai.models":     "GET: the gateway lists its own models",
	"gemini.models":     "GET: the gateway lists its own models",
}

// openaiPaths are the paths of OpenAI's API by the name of the recordings.
var openaiPaths = map[string]string{
	"openai.chat": "/v1/chat/completions", "openai.responses": "/v1/responses", "openai.completions": "/v1/completions",
	"openai.embeddings": "/v1/embeddings", "openai.moderations": "/v1/moderations",
}

// own is the recorded request as a client of its API sends it to the gateway; none: the
// API has no clients here but those of passthrough.
func (x *exchange) own() (path string, body []byte) {
	account, model := x.account(), "replay:"+x.ID
	switch x.API {
	case "gemini.generateContent", "gemini.embedContent":
		return "/v1beta/models/" + account + "/" + model + ":" + x.method(), x.Request.Body
	case "anthropic.messages":
		if account == "vertex" {
			model = "claude-" + model
		}
		body = withModel(x.Request.Body, account+"/"+model)
		if x.Stream { // which Vertex AI has in the path
			body, _ = sjson.SetBytes(body, "stream", true)
		}
		return "/v1/messages", body
	}
	if path = openaiPaths[x.API]; path == "" {
		return "", nil
	}
	return path, withModel(x.Request.Body, account+"/"+model)
}

// passed is the recorded request at the path of its own API, behind passthrough.
func (x *exchange) passed() (path string, body []byte) {
	account, body := x.account(), x.Request.Body
	path = cmp.Or(openaiPaths[x.API], x.Request.Path)
	switch i := strings.Index(path, "/publishers/"); {
	case x.API == "anthropic.messages" && i < 0:
		path = "/v1/messages"
	case account == "vertex" && i < 0: // the request was not recorded
		path = "/publishers/google/models/gemini-2.5-flash:" + x.method()
	case account == "vertex":
		path = path[i:]
	case account == "gemini": // which may be behind another gateway
		path = path[strings.Index(path, "/v1beta/"):]
	case account == "openai" || account == "azure":
		if !gjson.GetBytes(body, "model").Exists() {
			body = withModel(body, "unnamed")
		}
	}
	return "/passthrough/" + account + path, body
}

// method is what the model is asked to do, where the path says so.
func (x *exchange) method() string {
	return x.Request.Path[strings.LastIndexAny(x.Request.Path, ":/")+1:]
}

func withModel(body []byte, model string) []byte {
	out, err := sjson.SetBytes(bytes.Clone(body), "model", model)
	if err != nil {
		return body
	}
	return out
}

// same asks for an exchange in its own dialect, at its client path and by passthrough.
func (r *run) same(t *testing.T, x *exchange) {
	if why, ok := unasked[x.API]; ok {
		r.skip(x, own, why)
		return
	}
	path, body := x.own()
	if path != "" {
		r.bytes(t, x, own, path, body, asked(body))
	}
	path, body = x.passed()
	r.bytes(t, x, passthrough, path, body, func(event) bool { return false })
}

// bytes holds an answer to the recorded one, but for events that need not come.
func (r *run) bytes(t *testing.T, x *exchange, client, path string, body []byte, drop func(event) bool) {
	query := url.Values{}
	if x.Request.Query["alt"] == "sse" {
		query.Set("alt", "sse")
	}
	if client == passthrough { // the request is the recorded one, its model too
		query.Set("replay_id", x.ID)
	}
	got, err := r.ask(path+"?"+query.Encode(), body)
	if err != nil {
		t.Errorf("%s: %v", x.ID, err)
		return
	}
	if x.failed() {
		r.note(x, client, errorRight, failureDiffers(x, got))
		return
	}
	r.note(x, client, equal, bytesDiffer(x, got, drop))
}

// failureDiffers holds an error against the provider's: its status and its message.
func failureDiffers(x *exchange, got reply) (differs []string) {
	if got.status != x.Response.Status {
		differs = append(differs, fmt.Sprintf("status %d, not %d: %.200s", got.status, x.Response.Status, got.body))
	}
	want, said := x.said.failure, messageOf(got.body)
	if want != "" && !unmasked(said, want) {
		differs = append(differs, fmt.Sprintf("message %q, not %q", said, want))
	}
	return differs
}

// unmasked: said is want but for the keys and account ids that the gateway masks.
func unmasked(said, want string) bool {
	parts := strings.Split(said, "[masked]")
	if !strings.HasPrefix(want, parts[0]) || !strings.HasSuffix(want, parts[len(parts)-1]) {
		return false
	}
	for _, p := range parts {
		i := strings.Index(want, p)
		if i < 0 {
			return false
		}
		want = want[i+len(p):]
	}
	return len(parts) > 1 || want == ""
}

// bytesDiffer holds an answer against the recorded bytes.
func bytesDiffer(x *exchange, got reply, drop func(event) bool) []string {
	want := x.body()
	switch {
	case got.status != x.Response.Status:
		return []string{fmt.Sprintf("status %d, not %d: %.300s", got.status, x.Response.Status, got.body)}
	case bytes.Equal(got.body, want):
		return nil
	case isArray(want) || isArray(got.body):
		return valuesDiffer(values(got.body, true), values(want, true))
	case !x.Stream || x.Response.Encoding == "base64":
		at := 0
		for at < min(len(want), len(got.body)) && want[at] == got.body[at] {
			at++
		}
		return []string{fmt.Sprintf("%d bytes, not %d, differ at %d: %.100q, not %.100q", len(got.body), len(want), at, got.body[at:], want[at:])}
	}
	return eventsDiffer(events(got.body), slices.DeleteFunc(events(want), drop))
}

// asked finds the chunk of usage that comes only because the gateway asks for it.
func asked(request []byte) func(event) bool {
	chats, asks := gjson.GetBytes(request, "messages").Exists(), gjson.GetBytes(request, "stream_options.include_usage").Bool()
	return func(e event) bool {
		v := gjson.Parse(e.data)
		choices := v.Get("choices")
		return chats && !asks && v.Get("usage").IsObject() && choices.IsArray() && choices.Get("#").Int() == 0
	}
}

func eventsDiffer(got, want []event) []string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return []string{fmt.Sprintf("event %d of %d: %.300q, not %.300q", i, len(want), got[i], want[i])}
		}
	}
	if len(got) != len(want) {
		longer := slices.MaxFunc([][]event{got, want}, func(a, b []event) int { return len(a) - len(b) })
		return []string{fmt.Sprintf("%d events, not %d: %.300q", len(got), len(want), longer[min(len(got), len(want)):])}
	}
	return nil
}

// isArray: Gemini's streams are arrays for those who do not ask for events.
func isArray(body []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")) }

func valuesDiffer(got, want []gjson.Result) []string {
	if len(got) != len(want) {
		return []string{fmt.Sprintf("%d values, not %d", len(got), len(want))}
	}
	for i := range got {
		if canonical(got[i].Raw) != canonical(want[i].Raw) {
			return []string{fmt.Sprintf("value %d: %.200q, not %.200q", i, got[i].Raw, want[i].Raw)}
		}
	}
	return nil
}
