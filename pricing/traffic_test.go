package pricing

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// recorded is one recorded call whose provider reported its input tokens.
type recorded struct {
	id, provider, api, model, path string
	features                       []string
	prompt                         Prompt
	reported                       int64
	est                            Estimate
	unseen                         bool // more than the prompt is read
	train                          bool // in the half that the profiles are fitted on
}

// traffic returns the recorded calls, in the order of the file.
var traffic = sync.OnceValues(func() (calls []recorded, err error) {
	dir := sharedDir()
	reported, err := reportedTokens(filepath.Join(dir, "traffic/expected.jsonl"))
	if err != nil {
		return nil, err
	}
	e := NewEstimator()
	err = eachLine(filepath.Join(dir, "traffic/exchanges.jsonl"), func(line []byte) error {
		c, err := readExchange(line, reported)
		if err == nil && c.reported > 0 && c.prompt.Messages != nil {
			c.est = e.Estimate(c.prompt)
			c.est.Unseen = c.est.Unseen || c.unseen
			calls = append(calls, c)
		}
		return err
	})
	return calls, err
})

func sharedDir() string {
	if dir := os.Getenv("HALFPENNY_SHARED"); dir != "" {
		return dir
	}
	return filepath.Join("..", "..", "shared")
}

// mustTraffic returns the recorded calls, or skips the test where they are not.
func mustTraffic(t *testing.T) []recorded {
	t.Helper()
	if _, err := os.Stat(filepath.Join(sharedDir(), "traffic")); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("the recorded traffic is missing: set HALFPENNY_SHARED")
		}
		t.Skip("the recorded traffic is not here: set HALFPENNY_SHARED")
	}
	calls, err := traffic()
	if err != nil {
		t.Fatal(err)
	}
	return calls
}

func eachLine(file string, f func(line []byte) error) error {
	r, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		if err := f(lines.Bytes()); err != nil {
			return fmt.Errorf("%s: %.80s: %w", file, lines.Bytes(), err)
		}
	}
	return lines.Err()
}

// reportedTokens reads the input tokens of each exchange, cached ones included.
func reportedTokens(file string) (map[string]int64, error) {
	all := map[string]int64{}
	return all, eachLine(file, func(line []byte) error {
		var e struct {
			ID    string
			Usage *struct {
				Input int64
				Total int64 `json:"input_total"`
			}
		}
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		if e.Usage != nil {
			all[e.ID] = max(e.Usage.Input, e.Usage.Total)
		}
		return nil
	})
}

func readExchange(line []byte, reported map[string]int64) (c recorded, err error) {
	var x struct {
		ID, Provider, API, Model string
		Features                 []string
		Recorded                 *bool `json:"request_recorded"`
		Source                   struct{ Path string }
		Request                  struct {
			Path string
			Body json.RawMessage
		}
		Response struct{ Body string }
	}
	if err := json.Unmarshal(line, &x); err != nil {
		return c, err
	}
	c = recorded{id: x.ID, provider: x.Provider, api: x.API, model: x.Model, path: x.Source.Path, features: x.Features}
	if x.Recorded != nil && !*x.Recorded || len(x.Request.Body) == 0 || x.Request.Body[0] != '{' {
		return c, nil
	}
	if c.model == "" {
		c.model = x.Request.Path
	}
	c.prompt, c.reported = promptOf(x.Request.Body), reported[x.ID]
	c.unseen = bytes.Contains(x.Request.Body, []byte(`"previous_response_id":"`)) || bytes.Contains(x.Request.Body, []byte(`"cachedContent"`))
	if c.reported == 0 {
		c.reported = billedTokens(x.API, x.Response.Body)
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(c.path))
	c.train = h.Sum32()%2 == 0
	return c, nil
}

// promptOf finds the prompt in a body of any dialect.
func promptOf(body []byte) (p Prompt) {
	jsonscan.Items(body, p.Member)
	return p
}

var billed = regexp.MustCompile(`"(?:billed_units":\{"input_tokens|inputTokens|cacheReadInputTokens|cacheWriteInputTokens)":\s*(\d+)|"image_tokens":(\d+)`)

// billedTokens reads the input tokens of replies that expected.jsonl leaves out:
// Cohere's and Bedrock's.
func billedTokens(api, body string) (sum int64) {
	if api == "bedrock.invoke" && strings.Contains(body, `"input_tokens"`) {
		body = strings.ReplaceAll(body, "input_tokens", "inputTokens") // of Claude
	}
	for _, m := range billed.FindAllStringSubmatch(body, -1) {
		n, _ := strconv.ParseInt(m[1]+m[2], 10, 64)
		sum += n
	}
	return sum
}
