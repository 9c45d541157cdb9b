package fakellm

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strings"
)

const maxCohereTexts = 96

// cohereMeta is what Cohere's endpoints other than chat tell of their cost.
type cohereMeta struct {
	Version map[string]string `json:"api_version"`
	Billed  map[string]int64  `json:"billed_units,omitempty"`
}

func newCohereMeta(a *answer, unit string, n int64) cohereMeta {
	m := cohereMeta{Version: map[string]string{"version": "2"}}
	if !a.script.NoUsage {
		m.Billed = map[string]int64{unit: n}
	}
	return m
}

// cohereEmbeddings is https://docs.cohere.com/v2/reference/embed. An image is embedded as its address.
type cohereEmbeddings struct {
	cohere
	texts, images []string
	dimensions    int
	types         []string
}

func (e *cohereEmbeddings) parse(r *http.Request, body []byte) (*request, error) {
	if err := e.authorize(r); err != nil {
		return nil, err
	}
	var b struct {
		Model     string   `json:"model"`
		InputType string   `json:"input_type"`
		Texts     []string `json:"texts"`
		Images    []string `json:"images"`
		Inputs    []struct {
			Content cohereParts `json:"content"`
		} `json:"inputs"`
		Types      []string `json:"embedding_types"`
		Dimensions *int     `json:"output_dimension"`
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return nil, invalid("invalid request body: %v", err)
	}
	e.texts, e.images, e.types, e.dimensions = b.Texts, b.Images, b.Types, cohereDimensions(b.Model)
	for _, in := range b.Inputs {
		text, _ := in.Content.text()
		e.texts = append(e.texts, text)
	}
	if len(e.types) == 0 {
		e.types = []string{"float"}
	}
	if b.Dimensions != nil {
		e.dimensions = *b.Dimensions
	}
	n := len(e.texts) + len(e.images)
	switch {
	case b.Model == "":
		return nil, invalid("invalid request: model parameter is required.")
	case b.InputType == "":
		return nil, invalid("invalid request: valid input_type must be provided with the provided model.")
	case n == 0 || n > maxCohereTexts:
		return nil, invalid("invalid request: total number of inputs must be at most %d and at least 1 - received %d", maxCohereTexts, n)
	case e.dimensions < 1 || e.dimensions > maxDimensions:
		return nil, invalid("invalid request: output_dimension must be between 1 and %d.", maxDimensions)
	}
	for _, name := range e.types {
		if coded(name, nil) == nil {
			return nil, invalid("invalid request: %q is no embedding type.", name)
		}
	}
	var in inputs
	for _, text := range slices.Concat(e.texts, e.images) {
		in = append(in, input{text, int64(len(text)+3) / 4})
	}
	return in.request(b.Model)
}

func cohereDimensions(model string) int {
	switch {
	case strings.Contains(model, "v4"):
		return 1536
	case strings.Contains(model, "light"):
		return 384
	}
	return 1024
}

// coded is a vector as an embedding type has it; nil: there is no such type.
func coded(name string, v []float32) any {
	bits, bytes := make([]byte, (len(v)+7)/8), make([]int, len(v))
	for i, x := range v {
		if x > 0 {
			bits[i/8] |= 0x80 >> (i % 8)
		}
		bytes[i] = int(math.Round(float64(x) * math.MaxInt8))
	}
	integers := func(offset int, all []byte) any {
		out := make([]int, len(all))
		for i, b := range all {
			out[i] = int(b) - offset
		}
		return out
	}
	switch name {
	case "float":
		return v
	case "base64":
		return base64.StdEncoding.EncodeToString(littleEndian(v))
	case "int8":
		return bytes
	case "uint8":
		for i := range bytes {
			bytes[i] -= math.MinInt8
		}
		return bytes
	case "binary":
		return integers(-math.MinInt8, bits)
	case "ubinary":
		return integers(0, bits)
	}
	return nil
}

func (e *cohereEmbeddings) whole(a *answer) []byte {
	byType := map[string][]any{}
	for _, text := range slices.Concat(e.texts, e.images) {
		v := vector(text, e.dimensions)
		for _, name := range e.types {
			byType[name] = append(byType[name], coded(name, v))
		}
	}
	return encode(struct {
		ID         string           `json:"id"`
		Texts      []string         `json:"texts,omitempty"`
		Embeddings map[string][]any `json:"embeddings"`
		Meta       cohereMeta       `json:"meta"`
		Type       string           `json:"response_type"`
	}{"simulated-" + a.id, e.texts, byType, newCohereMeta(a, "input_tokens", a.usage.prompt), "embeddings_by_type"})
}

// rerank is https://docs.cohere.com/v2/reference/rerank. What has more of the query's
// words is more relevant.
type rerank struct {
	cohere
	query     string
	documents []string
	top       int
}

const documentsPerSearch = 100 // that one search unit pays for

func (d *rerank) parse(r *http.Request, body []byte) (*request, error) {
	if err := d.authorize(r); err != nil {
		return nil, err
	}
	var b struct {
		Model     string            `json:"model"`
		Query     string            `json:"query"`
		Documents []json.RawMessage `json:"documents"`
		Top       *int              `json:"top_n"`
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return nil, invalid("invalid request body: %v", err)
	}
	d.query, d.top = b.Query, len(b.Documents)
	switch {
	case b.Model == "":
		return nil, invalid("invalid request: model parameter is required.")
	case b.Query == "":
		return nil, invalid("invalid request: query must not be empty or be only whitespace")
	case len(b.Documents) == 0:
		return nil, invalid("invalid request: list of documents must not be empty")
	case b.Top != nil && *b.Top < 1:
		return nil, invalid("invalid request: top_n must be at least 1")
	case b.Top != nil:
		d.top = min(d.top, *b.Top)
	}
	for i, raw := range b.Documents {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			return nil, invalid("invalid request: documents[%d] must be a string", i)
		}
		d.documents = append(d.documents, text)
	}
	return inputs{{text: b.Query}}.request(b.Model)
}

type ranked struct {
	Index     int     `json:"index"`
	Relevance float64 `json:"relevance_score"`
}

func (d *rerank) whole(a *answer) []byte {
	results := make([]ranked, len(d.documents))
	for i, document := range d.documents {
		results[i] = ranked{i, relevance(d.query, document)}
	}
	slices.SortStableFunc(results, func(x, y ranked) int { return cmp.Compare(y.Relevance, x.Relevance) })
	units := int64(len(d.documents)+documentsPerSearch-1) / documentsPerSearch
	return encode(struct {
		ID      string     `json:"id"`
		Results []ranked   `json:"results"`
		Meta    cohereMeta `json:"meta"`
	}{"simulated-" + a.id, results[:d.top], newCohereMeta(a, "search_units", units)})
}

// relevance is between 0 and 1: nine tenths of it the part of the query's words that
// the document has, and the rest chance.
func relevance(query, document string) float64 {
	said := strings.Fields(strings.ToLower(document))
	asked := strings.Fields(strings.ToLower(query))
	found := 0
	for _, word := range asked {
		if slices.Contains(said, word) {
			found++
		}
	}
	return 0.9*float64(found)/float64(max(1, len(asked))) + 0.1*textRand(query+"\n"+document).Float64()
}
