package provider

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// embeddingsGemini lets clients of OpenAI's embeddings ask Gemini's batchEmbedContents:
// https://ai.google.dev/api/embeddings. Gemini knows no base64; that is made here.
type embeddingsGemini struct {
	call   Call
	base64 bool // the vectors were asked for as base64
}

var _ Translator = (*embeddingsGemini)(nil)

func newEmbeddingsGemini(c Call) Translator { return &embeddingsGemini{call: c} }

// geminiMaxTexts is how many texts one batch embeds.
const geminiMaxTexts = 100

// geminiTasks are the uses of an embedding, by Cohere's names, which callers know as
// input_type: https://ai.google.dev/gemini-api/docs/embeddings#task-types.
var geminiTasks = map[string]string{
	`"search_document"`: "RETRIEVAL_DOCUMENT", `"search_query"`: "RETRIEVAL_QUERY", `"classification"`: "CLASSIFICATION", `"clustering"`: "CLUSTERING",
}

// Request turns a request for embeddings into a batch of one per text.
func (t *embeddingsGemini) Request(dst, src []byte) ([]byte, error) {
	r, err := readEmbeddingRequest(&t.call, src, "Gemini", geminiMaxTexts, "input_type")
	if err != nil {
		return dst, err
	}
	task, err := geminiTask(t.call.Send, r.more["input_type"])
	if err != nil {
		return dst, err
	}
	t.base64 = r.base64
	var requests []byte
	jsonscan.Items(append(append([]byte("["), r.texts...), ']'), func(_, text []byte) {
		requests = appendString(append(comma(requests), `{"model":`...), "models/"+strings.TrimPrefix(t.call.Send, "models/"))
		requests = append(append(append(requests, `,"content":{"parts":[{"text":`...), text...), `}]}`...)
		if task != "" {
			requests = append(append(append(requests, `,"taskType":"`...), task...), '"')
		}
		if r.dimensions != nil {
			requests = appendMember(requests, "outputDimensionality", r.dimensions)
		}
		requests = append(requests, '}')
	})
	return append(append(append(dst, `{"requests":[`...), requests...), "]}"...), nil
}

// geminiTask is Gemini's name of an input_type. Models since gemini-embedding-2 are
// told the task in the text, which is the caller's to write.
func geminiTask(model string, kind []byte) (string, error) {
	task, known := geminiTasks[string(kind)]
	switch {
	case kind == nil:
		return "", nil
	case !known:
		return "", errors.New("input_type: Gemini takes search_document, search_query, classification and clustering")
	case strings.Contains(model, "gemini-embedding-") && !strings.Contains(model, "gemini-embedding-001"):
		return "", errors.New("input_type: the model takes its task in the text")
	}
	return task, nil
}

var errNoGeminiEmbeddings = errors.New("cannot read the reply: it has no embeddings of Gemini's")

// Reply turns Gemini's embeddings into a list, and an error into OpenAI's form.
func (t *embeddingsGemini) Reply(dst, src []byte) ([]byte, error) {
	var vectors, usage, failure []byte
	err := jsonscan.Each(src, func(name, value []byte) {
		switch string(name) {
		case "embeddings":
			vectors = value
		case "usageMetadata":
			usage = value
		case "error":
			failure = value
		}
	})
	switch {
	case err != nil:
		return dst, errors.Join(errNoGeminiEmbeddings, err)
	case failure != nil:
		return appendGeminiError(dst, gjson.ParseBytes(failure)), nil
	case len(vectors) == 0 || vectors[0] != '[':
		return dst, errNoGeminiEmbeddings
	}
	var list embeddingList
	complete := true
	jsonscan.Items(vectors, func(_, v []byte) {
		values := member(v, "values")
		complete = complete && len(values) > 0 && values[0] == '['
		list.add(func(dst []byte) []byte { return t.appendVector(dst, values) })
	})
	if !complete {
		return dst, errNoGeminiEmbeddings
	}
	return list.append(dst, t.call.Send, max(0, gjson.ParseBytes(member(usage, "promptTokenCount")).Int())), nil
}

// appendVector writes a vector as an array, or as base64 of little-endian floats of 32 bits.
func (t *embeddingsGemini) appendVector(dst, values []byte) []byte {
	if !t.base64 {
		return appendCompact(dst, values)
	}
	var raw []byte
	if len(values) > 0 {
		jsonscan.Items(values, func(_, v []byte) {
			f, _ := strconv.ParseFloat(string(v), 32) // what is no number of the vector is 0
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(f)))
		})
	}
	return append(base64.StdEncoding.AppendEncode(append(dst, '"'), raw), '"')
}

// appendCompact writes an array without the white space between its elements, of which
// Gemini's replies have more than of numbers.
func appendCompact(dst, array []byte) []byte {
	dst = append(dst, '[')
	start := len(dst)
	if len(array) > 0 {
		jsonscan.Items(array, func(_, v []byte) {
			if len(dst) > start {
				dst = append(dst, ',')
			}
			dst = append(dst, v...)
		})
	}
	return append(dst, ']')
}

// Event is an error: there are no streams.
func (t *embeddingsGemini) Event(dst, _ []byte) ([]byte, error) { return dst, errNoStream }
