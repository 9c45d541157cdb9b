package fakellm

import (
	"bufio"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What real providers accepted the simulation must accept: its refusals are theirs.
func TestRecordedRequestsAreAccepted(t *testing.T) {
	shared := os.Getenv("HALFPENNY_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "shared")
	}
	file, err := os.Open(filepath.Join(shared, "traffic", "exchanges.jsonl"))
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("CI") == "" {
		t.Skip("the recorded traffic is not here: set HALFPENNY_SHARED")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 64<<20)
	accepted := 0
	for lines.Scan() {
		var e recorded
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		read, err := e.parse()
		switch {
		case !read:
		case err == nil:
			accepted++
		default:
			t.Errorf("%s: %v", e.ID, err)
		}
	}
	if err := lines.Err(); err != nil || accepted < 300 {
		t.Errorf("%d requests were accepted, %v", accepted, err)
	}
}

type recorded struct {
	ID       string
	API      string
	Recorded *bool `json:"request_recorded"`
	Request  struct {
		Path string
		Body json.RawMessage
	}
	Response struct{ Status int }
}

// parse reads the request of a good answer; false if there is none or it is in a dialect that is not played.
func (e *recorded) parse() (read bool, err error) {
	switch {
	case e.Response.Status != 200 || e.Recorded != nil && !*e.Recorded:
		return false, nil
	case strings.HasPrefix(e.API, "anthropic.") && strings.Contains(e.Request.Path, "/v1/messages") && e.API != "anthropic.batches":
		_, err = parseMessages(e.Request.Body, e.API == "anthropic.count_tokens")
	case e.API == "gemini.generateContent" || e.API == "gemini.countTokens":
		_, err = parseGenerate(e.Request.Body, "m")
	default:
		return false, nil
	}
	return true, err
}
