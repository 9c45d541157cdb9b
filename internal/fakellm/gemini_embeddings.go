package fakellm

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

const maxGeminiInputs = 100

// geminiEmbeddings is https://ai.google.dev/api/embeddings: one content, or a batch of them.
type geminiEmbeddings struct {
	gemini
	contents []embedContent
}

type embedContent struct {
	Model      string        `json:"model"`
	Content    geminiContent `json:"content"`
	Dimensions *int          `json:"outputDimensionality"`
}

type geminiValues struct {
	Values []float32 `json:"values"`
}

func (e *geminiEmbeddings) batch() bool { return e.method == "batchEmbedContents" }

func (e *geminiEmbeddings) parse(r *http.Request, body []byte) (*request, error) {
	if r.Method != http.MethodPost {
		return nil, unknownPath(r)
	}
	if err := e.authorize(r); err != nil {
		return nil, err
	}
	var b struct {
		embedContent
		Requests []embedContent `json:"requests"`
	}
	if err := json.Unmarshal(camelKeys(body), &b); err != nil {
		return nil, invalid("Invalid JSON payload received. %v", err)
	}
	e.contents = []embedContent{b.embedContent}
	if e.batch() {
		e.contents = b.Requests
	}
	if len(e.contents) == 0 || len(e.contents) > maxGeminiInputs {
		return nil, invalid("* BatchEmbedContentsRequest.requests: at most %d requests can be in one batch, and at least 1", maxGeminiInputs)
	}
	var in inputs
	for i := range e.contents {
		c := &e.contents[i]
		switch {
		case e.batch() && c.Model == "":
			return nil, invalid("* BatchEmbedContentsRequest.requests[%d].model: unexpected model name format", i)
		case e.batch() && strings.TrimPrefix(c.Model, "models/") != e.model:
			return nil, invalid("* BatchEmbedContentsRequest.model: model in the batch request does not match the model in requests[%d]", i)
		case len(c.Content.Parts) == 0:
			return nil, invalid("* EmbedContentRequest.content: contents is not specified")
		case c.Dimensions != nil && (*c.Dimensions < 1 || *c.Dimensions > maxDimensions):
			return nil, invalid("* EmbedContentRequest.output_dimensionality: must be between 1 and %d", maxDimensions)
		}
		text, _, _ := c.Content.text()
		in = append(in, input{text, int64(len(text)+3) / 4})
	}
	return in.request(e.model)
}

// whole tells the tokens where the real models do: not before version 2.
func (e *geminiEmbeddings) whole(a *answer) []byte {
	all := make([]geminiValues, len(e.contents))
	for i := range e.contents {
		dimensions := 3072
		if strings.HasPrefix(e.model, "text-embedding-00") {
			dimensions = 768
		}
		if d := e.contents[i].Dimensions; d != nil {
			dimensions = *d
		}
		text, _, _ := e.contents[i].Content.text()
		all[i] = geminiValues{vector(text, dimensions)}
	}
	reply := map[string]any{"embeddings": all}
	if !e.batch() {
		reply = map[string]any{"embedding": all[0]}
	}
	if p := a.usage.prompt; !a.script.NoUsage && !slices.Contains([]string{"gemini-embedding-001", "text-embedding-004", "text-embedding-005"}, e.model) {
		reply["usageMetadata"] = map[string]any{"promptTokenCount": p, "promptTokenDetails": []modalityCount{{"TEXT", p}}}
	}
	return encode(reply)
}
