package provider

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/llm"
)

// The recorded traffic, whose every usage must be read right: what a meter reads
// wrong here is a wrong bill there.

// apis are the recorded APIs and how they are metered.
var apis = map[string]struct {
	endpoint llm.Endpoint
	dialect  llm.Dialect
}{
	"openai.chat":                         {llm.EndpointChat, llm.DialectOpenAI},
	"openai.responses":                    {llm.EndpointChat, llm.DialectResponses},
	"openai.embeddings":                   {llm.EndpointEmbeddings, llm.DialectOpenAI},
	"openai.completions":                  {llm.EndpointCompletions, llm.DialectOpenAI},
	"openai.moderations":                  {llm.EndpointModerations, llm.DialectOpenAI},
	"anthropic.messages":                  {llm.EndpointChat, llm.DialectAnthropic},
	"anthropic.count_tokens":              {llm.EndpointCount, llm.DialectAnthropic},
	"gemini.generateContent":              {llm.EndpointChat, llm.DialectGemini},
	"gemini.countTokens":                  {llm.EndpointCount, llm.DialectGemini},
	"gemini.embedContent":                 {llm.EndpointEmbeddings, llm.DialectGemini},
	"vertex.predict":                      {llm.EndpointEmbeddings, llm.DialectGemini},
	"bedrock.converse":                    {llm.EndpointChat, llm.DialectBedrock},
	"bedrock.converse-stream":             {llm.EndpointChat, llm.DialectBedrock},
	"bedrock.invoke":                      {llm.EndpointChat, llm.DialectBedrock},
	"bedrock.invoke-with-response-stream": {llm.EndpointChat, llm.DialectBedrock},
	"cohere.chat":                         {llm.EndpointChat, llm.DialectCohere},
	"cohere.embed":                        {llm.EndpointEmbeddings, llm.DialectCohere},
	"cohere.rerank":                       {llm.EndpointRerank, llm.DialectCohere},
}

// unmetered are the recorded APIs that are no calls of a model.
var unmetered = []string{"openai.models", "gemini.models", "anthropic.batches"}

// difference is what is rightly read of exchanges other than their golden summaries say, and why.
type difference struct {
	why  string
	read map[string]summary // by exchange
}

var differences = []difference{
	{"Grok on Azure reports more cached tokens than prompt tokens, so that the part is cut to its whole", map[string]summary{
		"openai-chat_azure_1930c951f7": {7, 1, 7, 0},
		"openai-chat_azure_de2072873f": {7, 1, 7, 0},
		"openai-chat_azure_0c45b4ee68": {293, 58, 293, 0},
		"openai-chat_azure_d7f600692a": {371, 40, 371, 0},
		"openai-chat_azure_d349cdb982": {198, 18, 198, 0},
		"openai-chat_azure_3fe329f0ce": {228, 42, 228, 0},
		"openai-chat_azure_bbfa90bcfe": {235, 90, 235, 0},
		"openai-chat_azure_b6f3157195": {347, 18, 347, 0},
		"openai-chat_azure_47a25f6e6f": {377, 69, 377, 0},
		"openai-chat_azure_d77f1001ff": {7, 8, 7, 0},
		"openai-chat_azure_10d75f8833": {250, 4, 250, 0},
		"openai-chat_azure_fc2f9658dc": {203, 15, 203, 0},
		"openai-chat_azure_eda54689a8": {29, 6, 29, 0},
		"openai-chat_azure_3703161e37": {78, 9, 78, 0},
	}},
	{"Vercel's gateway counts Gemini's thoughts outside of completion and total, and charges them: the summary has the completion", map[string]summary{
		"openai-chat_vercel-gateway_d43b2073d8": {61, 106, 0, 0},
		"openai-chat_vercel-gateway_676970b807": {57, 47, 0, 0},
		"openai-chat_vercel-gateway_e89d678b39": {9, 27, 0, 0},
		"openai-chat_vercel-gateway_5a7323ffba": {9, 27, 0, 0},
		"openai-chat_vercel-gateway_1def8dad9c": {28, 54, 0, 0},
		"openai-chat_vercel-gateway_b7d6f6147c": {28, 53, 0, 0},
		"openai-chat_vercel-gateway_e0adc5a60e": {61, 155, 0, 0},
		"openai-chat_vercel-gateway_89ac747cf6": {223, 291, 0, 0},
		"openai-chat_vercel-gateway_4e1e92706b": {57, 113, 0, 0},
		"openai-chat_vercel-gateway_6210522696": {219, 299, 0, 0},
		"openai-chat_vercel-gateway_a711610975": {9, 284, 0, 0},
		"openai-chat_vercel-gateway_3f1d1da5d0": {9, 302, 0, 0},
		"openai-chat_vercel-gateway_223702df32": {28, 84, 0, 0},
		"openai-chat_vercel-gateway_01584d6f6a": {40, 126, 0, 0},
		"openai-chat_vercel-gateway_2158b7f624": {28, 93, 0, 0},
		"openai-chat_vercel-gateway_8c65af14af": {28, 70, 0, 0},
		"openai-chat_vercel-gateway_cde060dca5": {40, 57, 0, 0},
		"openai-chat_vercel-gateway_efd88e7a42": {28, 78, 0, 0},
	}},
	{"the usage is in x_groq alone, where the summary does not look", map[string]summary{"openai-chat_groq_36cb110c06": {18, 73, 0, 0}}},
	{"cached_tokens are at the top of usage, where the summary does not look", map[string]summary{"openai-chat_moonshot_b243fdae99": {20, 30, 10, 0}}},
	{"Azure answered a call of responses with a chat completion", map[string]summary{"openai-responses_azure_14f85b23c8": {19, 1969, 0, 0}}},
	{"the last event of the recording lacks its last brace, behind the usage", map[string]summary{"openai-responses_openai_bf0e3517de": {34, 28, 0, 0}}},
}

// explained returns what is to be read of an exchange that differs from its summary.
func explained(id string) (summary, bool) {
	for _, d := range differences {
		if s, ok := d.read[id]; ok {
			return s, true
		}
	}
	return summary{}, false
}

// summary is a usage in the few numbers that every provider's report can be brought to.
type summary struct{ input, output, cached, written int64 }

func summarize(u *llm.Usage) summary {
	return summary{u.InputTokens(), u.OutputTokens(), u.CacheRead + u.AudioCached + u.ImageCached, u.CacheWrite5m + u.CacheWrite1h}
}

func TestRecordedUsage(t *testing.T) {
	expected := map[string]string{}
	recorded(t, "expected.jsonl", func(e gjson.Result) { expected[e.Get("id").String()] = e.Raw })
	compared, reported, explainedToo := map[string]int{}, map[string]int{}, 0
	fees, costs := map[string]int64{}, 0
	recorded(t, "exchanges.jsonl", func(x gjson.Result) {
		api, id := x.Get("api").String(), x.Get("id").String()
		if x.Get("response.status").Int() != 200 || slices.Contains(unmetered, api) {
			return
		}
		body := []byte(x.Get("response.body").String())
		if x.Get("response.body_encoding").String() == "base64" {
			body, _ = base64.StdEncoding.DecodeString(string(body))
		}
		got, err := meterRecorded(x, body, len(body))
		if err != nil {
			t.Errorf("%s: %v", id, err)
			return
		}
		if x.Get("stream").Bool() {
			if split, err := meterRecorded(x, body, 37); err != nil || fmt.Sprint(split) != fmt.Sprint(got) {
				t.Errorf("%s read in pieces is %+v, %v; whole %+v", id, split, err, got)
			}
		}
		for _, fee := range got.Usage.Fees {
			fees[x.Get("provider").String()+" "+fee.Name] += fee.Count
		}
		if cost, ok := recordedCost(string(body)); ok != got.Cost.Valid || cost != int64(got.Cost.Money) {
			t.Errorf("%s: cost %v, want %d nano-dollars, %v", id, got.Cost, cost, ok)
		} else if ok {
			costs++
		}
		named := gjson.ParseBytes(body).Get("model").String() != "" || strings.Contains(string(body), `"modelVersion":`) || strings.Contains(string(body), `,"model":"`)
		if named && got.Model == "" {
			t.Errorf("%s: the model is not read", id)
		}
		want, known := expectation(x, gjson.Parse(expected[id]), body)
		compared[api]++
		if got.Reported {
			reported[api]++
		}
		differs := summarize(&got.Usage) != want || got.Reported != known
		right, why := explained(id)
		switch {
		case why && !differs:
			t.Errorf("%s does not differ", id)
		case why:
			want, known, explainedToo = right, true, explainedToo+1
			differs = summarize(&got.Usage) != want || !got.Reported
		}
		if differs || got.Usage.Clamped != (why && want.cached == want.input) {
			t.Errorf("%s (%s): want %+v, reported %v; got\n%+v", id, x.Get("provider"), want, known, got)
		}
	})
	for api := range apis {
		if compared[api] == 0 {
			t.Errorf("no exchange of %s", api)
		}
		t.Logf("%-36s %4d compared, %4d report usage", api, compared[api], reported[api])
	}
	t.Logf("%d differ from their summaries for a reason; %d costs reported; fees %v", explainedToo, costs, fees)
	if fmt.Sprint(fees) != fmt.Sprint(recordedFees) {
		t.Errorf("fees %v, want %v", fees, recordedFees)
	}
}

// recordedFees are the counts of all fees in the traffic, by provider.
var recordedFees = map[string]int64{
	"anthropic web_search": 7,
	"azure code_execution": 1, "azure image_generation": 2, "azure storage_search": 4, "azure web_search": 2,
	"cohere search_unit":    2,
	"deepseek web_search":   1,
	"gemini web_search":     8,
	"openai code_execution": 3, "openai image_generation": 3, "openai storage_search": 4, "openai web_search": 7,
	"openrouter web_search": 3,
	"vertex web_search":     1,
	"xai code_execution":    1, "xai image_generation": 1, "xai social_search": 1, "xai storage_search": 1, "xai web_search": 5,
}

// recordedCost is the provider's own figure in a reply, in nano-dollars.
func recordedCost(body string) (int64, bool) {
	u := lastUsage(body)
	for path, nanos := range map[string]float64{"cost": 1e9, "cost.total_cost": 1e9, "cost_in_usd_ticks": 0.1} {
		if c := u.Get(path); c.Type == gjson.Number {
			return int64(math.Round(c.Num * nanos)), true
		}
	}
	return 0, false
}

// recorded calls f for each line of a file of the recorded traffic.
func recorded(t *testing.T, name string, f func(gjson.Result)) {
	t.Helper()
	shared := os.Getenv("HALFPENNY_SHARED")
	if shared == "" {
		shared = "../../shared"
	}
	file, err := os.Open(filepath.Join(shared, "traffic", name))
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		f(gjson.Parse(lines.Text()))
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

// meterRecorded drives the meter over a recorded reply that arrives in pieces of at most step bytes.
func meterRecorded(x gjson.Result, body []byte, step int) (Reading, error) {
	api := apis[x.Get("api").String()]
	m := NewMeter(api.endpoint, api.dialect, bytesCount)
	if m == nil {
		return Reading{}, fmt.Errorf("no meter for %s", x.Get("api"))
	}
	if h, ok := m.(HeaderMeter); ok {
		header := http.Header{}
		x.Get("response.headers").ForEach(func(name, value gjson.Result) bool {
			header.Set(name.String(), value.String())
			return true
		})
		h.Header(header)
	}
	if !x.Get("stream").Bool() {
		err := m.Reply(body)
		return *m.Reading(), err
	}
	err := feed(m, body, step)
	return *m.Reading(), err
}

// feed cuts a stream into events as its first byte tells: an array, server-sent
// events, or messages of an event stream.
func feed(m Meter, stream []byte, step int) error {
	var (
		events   Events
		messages EventStream
		elements Elements
	)
	first := byte(' ')
	if len(stream) > 0 {
		first = stream[0]
	}
	for len(stream) > 0 {
		piece := stream[:min(step, len(stream))]
		stream = stream[len(piece):]
		switch first {
		case '[':
			whole, err := elements.Feed(piece)
			if err != nil {
				return err
			}
			for len(whole) > 0 {
				var data []byte
				_, data, whole = NextElement(whole)
				m.Event(data)
			}
		case 0:
			whole, err := messages.Feed(piece)
			if err != nil {
				return err
			}
			for len(whole) > 0 {
				var message []byte
				message, whole = NextMessage(whole)
				m.Event(message)
			}
		default:
			whole, err := events.Feed(piece)
			if err != nil {
				return err
			}
			for len(whole) > 0 {
				var event []byte
				event, whole = NextEvent(whole)
				m.Event(Data(nil, event))
			}
		}
	}
	if rest := events.Rest(); len(rest) > 0 {
		m.Event(Data(nil, rest))
	}
	return nil
}

// expectation is what must be read of a recorded reply, and whether its provider
// reports usage at all: from the golden summary where there is one, else by plain paths.
func expectation(x, e gjson.Result, body []byte) (want summary, known bool) {
	u := e.Get("usage")
	n := func(path string) int64 { return u.Get(path).Int() }
	raw := gjson.ParseBytes(body)
	switch api := x.Get("api").String(); api {
	case "openai.chat", "openai.responses":
		output := n("output")
		if x.Get("provider").String() == "xai" && outside(string(body), n("input")+n("output")+n("reasoning")) {
			output += n("reasoning")
		}
		want = summary{n("input"), output, n("cached"), 0}
	case "anthropic.messages":
		want = summary{n("input_total"), n("output"), n("cached"), n("cache_write")}
	case "gemini.generateContent":
		want = summary{n("total") - n("output") - n("reasoning"), n("output") + n("reasoning"), n("cached"), 0}
	case "openai.embeddings", "openai.completions":
		u = lastUsage(string(body))
		want = summary{n("prompt_tokens"), n("completion_tokens"), 0, 0}
	case "openai.moderations", "anthropic.count_tokens", "gemini.countTokens":
		return summary{}, true
	case "gemini.embedContent":
		u = raw.Get("usageMetadata")
		want = summary{input: n("promptTokenCount")}
		if !u.Get("promptTokenCount").Exists() {
			raw.Get("usageMetadata.promptTokenDetails.#.tokenCount").ForEach(func(_, v gjson.Result) bool { want.input += v.Int(); return true })
		}
	case "vertex.predict":
		want = summary{input: raw.Get("predictions.0.embeddings.statistics.token_count").Int()}
	case "cohere.chat", "cohere.embed", "cohere.rerank":
		u = gjson.Parse(string(body[max(0, strings.LastIndex(string(body), `"billed_units":`)+len(`"billed_units":`)):]))
		want = summary{input: n("input_tokens") + n("image_tokens"), output: n("output_tokens")}
		return want, want != summary{} || n("search_units") > 0
	default:
		want = bedrockExpectation(x, body)
	}
	return want, want != summary{}
}

// outside reports whether the last usage of a body has that total.
func outside(body string, total int64) bool {
	return lastUsage(body).Get("total_tokens").Int() == total
}

func lastUsage(body string) gjson.Result {
	i := strings.LastIndex(body, `"usage":`)
	for i >= 0 && !strings.HasPrefix(strings.TrimSpace(body[i+8:]), "{") {
		i = strings.LastIndex(body[:i], `"usage":`)
	}
	if i < 0 {
		return gjson.Result{}
	}
	return gjson.Parse(body[i+8:])
}

// bedrockExpectation looks for the counts wherever Bedrock has them.
func bedrockExpectation(x gjson.Result, body []byte) summary {
	text := string(body)
	for _, bytes := range strings.Split(text, `{"bytes":"`)[1:] {
		chunk, _ := base64.StdEncoding.DecodeString(bytes[:strings.IndexByte(bytes, '"')])
		text += string(chunk)
	}
	number := func(names ...string) int64 {
		for _, name := range names {
			if i := strings.LastIndex(text, `"`+name+`":`); i >= 0 {
				return gjson.Parse(text[i+len(name)+3:]).Int()
			}
		}
		return 0
	}
	s := summary{
		cached:  number("cacheReadInputTokens", "cache_read_input_tokens"),
		written: number("cacheWriteInputTokens", "cache_creation_input_tokens"),
	}
	s.input = number("inputTokens", "input_tokens", "inputTextTokenCount", "prompt_token_count", "inputTokenCount") + s.cached + s.written
	s.output = number("outputTokens", "output_tokens", "tokenCount", "totalOutputTextTokenCount", "generation_token_count", "outputTokenCount")
	if s == (summary{}) {
		s.input = x.Get("response.headers.x-amzn-bedrock-input-token-count").Int()
		s.output = x.Get("response.headers.x-amzn-bedrock-output-token-count").Int()
	}
	return s
}

// passedOver are the members of usage reports that are met in the traffic and read
// by no meter, and why. What is in neither is a failure: nothing is ignored unknowingly.
var passedOver = map[string]string{
	"text_tokens":                "what is left of the whole when its other parts are taken out",
	"prompt_cache_miss_tokens":   "the prompt less what was cached",
	"accepted_prediction_tokens": "within the completion, at its price",
	"rejected_prediction_tokens": "within the completion, at its price",
	"thinking_tokens":            "within the output, at its price",
	"web_fetch_requests":         "free",
	"totalTokens":                "a sum",
	"totalTokenCount":            "a sum",
	"cacheReadInputTokenCount":   "cacheReadInputTokens again",
	"cacheWriteInputTokenCount":  "cacheWriteInputTokens again",
	"modality":                   "read with its tokenCount",
	"tokenCount":                 "read by its modality",
	"search_context_size":        "no count",
	"is_byok":                    "no count",
	"cost_details":               "parts of cost",
	"input_cost":                 "a part of cost",
	"input_tokens_cost":          "a part of cost",
	"output_tokens_cost":         "a part of cost",
	"request_cost":               "a part of cost",
	"total_cost":                 "read with cost",
	"currency":                   "dollars",
	"num_sources_used":           "of xAI's Live Search, which is withdrawn",
	"num_server_side_tools_used": "the sum of the tools' calls",
	"mcp_calls":                  "free",
	"document_search_calls":      "0 wherever it is recorded; priced unlike searches of files",
	"context_details":            "the tokens of the last turn, within the counts",
	"api_version":                "no count",
	"warnings":                   "no count",
	"queue_time":                 "a time",
	"prompt_time":                "a time",
	"completion_time":            "a time",
	"total_time":                 "a time",
	"latency_checkpoint":         "times",
	"serverToolUsage":            "empty wherever it is recorded",
	"image_gen":                  "another model's tokens, 0 wherever recorded; the images are counted as image_generation",
	"request_count":              "null wherever it is recorded",
	"prompt_token_details":       "null wherever it is recorded",
}

// TestNothingIsIgnoredUnknowingly: each member of a recorded usage report is read, or passed over for a reason.
func TestNothingIsIgnoredUnknowingly(t *testing.T) {
	read, met := map[string]bool{}, map[string]bool{}
	var note func(fields []field)
	note = func(fields []field) {
		for _, f := range fields {
			read[f.name] = true
			note(f.into)
		}
	}
	for _, f := range formats {
		if f != nil {
			note(f.fields)
		}
	}
	reports := map[string]bool{"usage": true, "usageMetadata": true, "tool_usage": true, "meta": true, "amazon-bedrock-invocationMetrics": true}
	var walk func(id string, v gjson.Result, within bool)
	walk = func(id string, v gjson.Result, within bool) {
		if !v.IsObject() && !v.IsArray() {
			return
		}
		v.ForEach(func(name, item gjson.Result) bool {
			n := name.String()
			if n == "guardrail" || n == "copilot_usage" || n == "provider_metadata" {
				return true // of other services
			}
			if within && name.Type == gjson.String {
				met[n] = true
				if !read[n] && passedOver[n] == "" {
					t.Errorf("%s: %s is neither read nor passed over", id, n)
					passedOver[n] = "said"
				}
			}
			if within && passedOver[n] != "" && item.IsObject() {
				return true
			}
			walk(id, item, within || reports[n] && item.IsObject())
			return true
		})
	}
	recorded(t, "exchanges.jsonl", func(x gjson.Result) {
		if x.Get("response.status").Int() != 200 || slices.Contains(unmetered, x.Get("api").String()) {
			return
		}
		body := x.Get("response.body").String()
		if !x.Get("stream").Bool() || strings.HasPrefix(body, "[") {
			walk(x.Get("id").String(), gjson.Parse(body), false)
			return
		}
		for _, line := range strings.Split(body, "\n") {
			if data, ok := strings.CutPrefix(line, "data:"); ok {
				walk(x.Get("id").String(), gjson.Parse(data), false)
			}
		}
	})
	for name := range passedOver {
		if !met[name] {
			t.Errorf("%s is not met in the traffic", name)
		}
	}
}
