package router

import (
	"bufio"
	"os"
	"path/filepath"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/pricing"
)

// Whatever a provider really accepted must not be refused here: the recorded calls
// are decided by the names and the fields that they carried.
func TestRecordedCallsThatSucceededAreNotRefused(t *testing.T) {
	shared := os.Getenv("HALFPENNY_SHARED")
	if shared == "" {
		shared = "../../shared"
	}
	file, err := os.Open(filepath.Join(shared, "traffic", "exchanges.jsonl"))
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	defer file.Close()
	table := everyKind(t)
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 64<<20)
	decided := 0
	for lines.Scan() {
		x := gjson.ParseBytes(lines.Bytes())
		body := x.Get("request.body")
		if x.Get("api").String() != "openai.chat" || x.Get("response.status").Int() != 200 || body.Get("model").String() == "" {
			continue
		}
		decided++
		for _, prefix := range []string{"openai/", x.Get("provider").String() + "/"} {
			q := recorded(body)
			q.Model = prefix + q.Model
			if err := table.Decide(q, new(Decision)); err != nil && err.Code != "model_not_found" {
				t.Errorf("%s as %s is refused: %+v", x.Get("id"), q.Model, err)
			}
		}
	}
	if err := lines.Err(); err != nil || decided == 0 {
		t.Errorf("%d calls decided, %v", decided, err)
	}
}

// recorded is the query of a recorded body.
func recorded(body gjson.Result) *Query {
	q := ask(body.Get("model").String())
	q.InputTokens = int64(len(body.Raw)) / 8
	q.MaxOutput = max(body.Get("max_tokens").Int(), body.Get("max_completion_tokens").Int())
	body.ForEach(func(name, value gjson.Result) bool {
		if !Inert(name.String(), []byte(value.Raw)) {
			q.Fields = append(q.Fields, name.String())
		}
		return true
	})
	q.Needs.Tools = body.Get("tools.0").Exists()
	q.Needs.JSONObject = body.Get("response_format.type").String() == "json_object"
	q.Needs.JSONSchema = body.Get("response_format.type").String() == "json_schema"
	kinds := map[string]pricing.Modality{"image_url": pricing.Image, "input_audio": pricing.Audio, "file": pricing.PDF}
	body.Get("messages").ForEach(func(_, message gjson.Result) bool {
		message.Get("content").ForEach(func(_, part gjson.Result) bool {
			q.Needs.Input |= kinds[part.Get("type").String()]
			return true
		})
		return true
	})
	q.Mode = llm.ModePinned
	return q
}
