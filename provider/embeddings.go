package provider

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// errNoStream: embeddings come whole, in every dialect.
var errNoStream = errors.New("embeddings do not come as a stream")

// embeddingRequest is a request of OpenAI's embeddings:
// https://platform.openai.com/docs/api-reference/embeddings/create.
type embeddingRequest struct {
	texts      []byte            // JSON strings, separated by commas
	n          int               // of them
	dimensions []byte            // a number; nil: the model's own
	base64     bool              // the vectors are to come as base64 of little-endian floats of 32 bits
	more       map[string][]byte // those of the provider's own fields that are there
}

// readEmbeddingRequest reads a request to a provider that takes up to limit texts, and
// fields of its own by the names in own.
func readEmbeddingRequest(c *Call, src []byte, whom string, limit int, own ...string) (*embeddingRequest, error) {
	members, err := jsonscan.Members(nil, src)
	if err != nil {
		return nil, fmt.Errorf("cannot read the request: %w", err)
	}
	r := &embeddingRequest{more: map[string][]byte{}}
	for i := range members {
		name, value := string(members[i].Name), members[i].Value
		dropped := slices.ContainsFunc(c.Drop, func(m jsonscan.Member) bool { return string(m.Name) == name })
		switch {
		case dropped, string(value) == "null", name == "model":
		case name == "input":
			err = r.readInput(value, whom)
		case name == "dimensions":
			if n, bad := strconv.Atoi(string(value)); bad != nil || n < 1 {
				return nil, errors.New("dimensions: it must be a whole number above 0")
			}
			r.dimensions = value
		case name == "encoding_format":
			if r.base64 = string(value) == `"base64"`; !r.base64 && string(value) != `"float"` {
				return nil, errors.New("encoding_format: it must be float or base64")
			}
		case slices.Contains(own, name):
			r.more[name] = value
		default:
			return nil, fmt.Errorf("%s: %s's embeddings cannot express it", name, whom)
		}
		if err != nil {
			return nil, err
		}
	}
	switch {
	case r.n == 0:
		return nil, errors.New("input: there is nothing to embed")
	case r.n > limit:
		return nil, fmt.Errorf("input: %s takes up to %d texts", whom, limit)
	}
	return r, nil
}

// readInput takes a text or an array of texts. Arrays of tokens mean something to
// OpenAI's models alone.
func (r *embeddingRequest) readInput(v []byte, whom string) (err error) {
	add := func(_, text []byte) {
		if !isString(text) {
			err = cmp.Or(err, fmt.Errorf("input: %s takes texts, not tokens", whom))
			return
		}
		r.texts = append(comma(r.texts), text...)
		r.n++
	}
	switch v[0] {
	case '"':
		add(nil, v)
	case '[':
		jsonscan.Items(v, add)
	default:
		err = errors.New("input: it must be a text or an array of texts")
	}
	return err
}

// embeddingList writes the list that is OpenAI's reply.
type embeddingList struct {
	data []byte
	n    int
}

// add begins an item, whose embedding write appends.
func (l *embeddingList) add(write func([]byte) []byte) {
	l.data = append(comma(l.data), `{"object":"embedding","index":`...)
	l.data = append(strconv.AppendInt(l.data, int64(l.n), 10), `,"embedding":`...)
	l.data = append(write(l.data), '}')
	l.n++
}

// append writes the list; tokens are those of the input, 0 where the provider tells none.
func (l *embeddingList) append(dst []byte, model string, tokens int64) []byte {
	dst = append(append(append(dst, `{"object":"list","data":[`...), l.data...), `],"model":`...)
	dst = strconv.AppendInt(append(appendString(dst, model), `,"usage":{"prompt_tokens":`...), tokens, 10)
	return append(strconv.AppendInt(append(dst, `,"total_tokens":`...), tokens, 10), "}}"...)
}
