package provider

import (
	"errors"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// embeddingsCohere lets clients of OpenAI's embeddings ask Cohere's embed, version 2:
// https://docs.cohere.com/reference/embed. Cohere's own input_type, which it demands,
// and truncate are taken as they are; without the former the texts are documents.
type embeddingsCohere struct {
	call   Call
	base64 bool // the vectors were asked for as base64
}

var _ Translator = (*embeddingsCohere)(nil)

func newEmbeddingsCohere(c Call) Translator { return &embeddingsCohere{call: c} }

// cohereMaxTexts is how many texts one call embeds.
const cohereMaxTexts = 96

// Request turns a request for embeddings into Cohere's.
func (t *embeddingsCohere) Request(dst, src []byte) ([]byte, error) {
	r, err := readEmbeddingRequest(&t.call, src, "Cohere", cohereMaxTexts, "input_type", "truncate")
	if err != nil {
		return dst, err
	}
	for name, value := range r.more {
		if !isString(value) {
			return dst, errors.New(name + ": it must be a string")
		}
	}
	t.base64 = r.base64
	dst = appendString(append(dst, `{"model":`...), t.call.Send)
	if kind := r.more["input_type"]; kind != nil {
		dst = appendMember(dst, "input_type", kind)
	} else {
		dst = append(dst, `,"input_type":"search_document"`...)
	}
	if v := r.more["truncate"]; v != nil {
		dst = appendMember(dst, "truncate", v)
	}
	if r.dimensions != nil {
		dst = appendMember(dst, "output_dimension", r.dimensions)
	}
	dst = append(append(append(dst, `,"embedding_types":["`...), t.kind()...), `"]`...)
	return append(appendList(dst, "texts", r.texts), '}'), nil
}

// kind is Cohere's word for how the vectors come.
func (t *embeddingsCohere) kind() string {
	if t.base64 {
		return "base64"
	}
	return "float"
}

var errNoCohereEmbeddings = errors.New("cannot read the reply: it has no embeddings of Cohere's of the kind that was asked for")

// Reply turns Cohere's embeddings into a list, and an error into OpenAI's form.
func (t *embeddingsCohere) Reply(dst, src []byte) ([]byte, error) {
	m, err := readCohereReply(src)
	if err != nil {
		return dst, err
	}
	if isString(m.message) {
		return appendCohereError(dst, m.message, m.kind), nil
	}
	vectors := member(member(src, "embeddings"), t.kind())
	if len(vectors) == 0 || vectors[0] != '[' {
		return dst, errNoCohereEmbeddings
	}
	var list embeddingList
	jsonscan.Items(vectors, func(_, v []byte) {
		list.add(func(dst []byte) []byte { return append(dst, v...) })
	})
	billed := member(member(src, "meta"), "billed_units")
	tokens := max(0, gjson.ParseBytes(member(billed, "input_tokens")).Int()) + max(0, gjson.ParseBytes(member(billed, "image_tokens")).Int())
	return list.append(dst, t.call.Send, tokens), nil
}

// Event is an error: there are no streams.
func (t *embeddingsCohere) Event(dst, _ []byte) ([]byte, error) { return dst, errNoStream }
