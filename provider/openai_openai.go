package provider

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// openaiOpenai leaves everything as it is but the model's name where the provider
// calls it differently, fields that steer the gateway itself, the request for usage
// in a stream whose caller did not ask for it, and the one chunk that this adds.
type openaiOpenai struct{ call Call }

var (
	_ Translator = (*openaiOpenai)(nil)
	_ Untouched  = (*openaiOpenai)(nil)
)

// Untouched is true where no usage chunk has to be taken out.
func (t *openaiOpenai) Untouched() bool { return !t.call.DropUsage }

// Request returns src itself where nothing has to change.
func (t *openaiOpenai) Request(dst, src []byte) ([]byte, error) {
	c := &t.call
	var few [4]edit
	edits := few[:0]
	if c.Send != c.Named && c.Model.Value != nil {
		name, err := c.name()
		if err != nil {
			return dst, err
		}
		edits = append(edits, edit{at: c.Model.At, length: len(c.Model.Value), text: name})
	}
	if c.AskUsage {
		e, err := askForUsage(c, src)
		if err != nil {
			return dst, err
		}
		edits = append(edits, e)
	}
	edits = appendRemovals(edits, src, c.Drop)
	if len(edits) == 0 {
		return src, nil
	}
	return splice(dst, src, edits), nil
}

// name is the model's name as it stands in a request.
func (c *Call) name() ([]byte, error) {
	if c.Form {
		return []byte(c.Send), nil
	}
	name, err := json.Marshal(c.Send)
	if err != nil {
		return nil, fmt.Errorf("cannot write the model's name: %w", err)
	}
	return name, nil
}

// appendRemovals appends the edits that take members out, each with the comma
// before it; those in front of the first member that stays, with the one behind.
func appendRemovals(edits []edit, src []byte, drop []jsonscan.Member) []edit {
	front := bytes.IndexByte(src, '{') + 1 // end of the members that were taken out in front
	for i := range drop {
		from, to := drop[i].Start, drop[i].End()
		if len(bytes.Trim(src[front:from], ", \t\r\n")) == 0 {
			if n := bytes.IndexAny(src[to:], ",}"); src[to+n] == ',' {
				to += n + 1
			}
			front = to
		} else {
			from = bytes.LastIndexByte(src[:from], ',')
		}
		edits = append(edits, edit{at: from, length: to - from})
	}
	return edits
}

// askForUsage sets stream_options.include_usage in the options that are there, or adds them.
func askForUsage(c *Call, src []byte) (edit, error) {
	old := c.StreamOptions
	switch {
	case old.Value == nil:
		return edit{at: bytes.IndexByte(src, '{') + 1, text: []byte(`"stream_options":{"include_usage":true},`)}, nil
	case old.Value[0] != '{':
		return edit{at: old.At, length: len(old.Value), text: []byte(`{"include_usage":true}`)}, nil
	}
	options, err := sjson.SetRawBytes(bytes.Clone(old.Value), "include_usage", []byte("true"))
	if err != nil {
		return edit{}, fmt.Errorf("cannot set stream_options.include_usage: %w", err)
	}
	return edit{at: old.At, length: len(old.Value), text: options}, nil
}

// edit replaces length bytes at an offset.
type edit struct {
	at, length int
	text       []byte
}

// splice appends src with the edits made to dst; they do not overlap.
func splice(dst, src []byte, edits []edit) []byte {
	slices.SortFunc(edits, func(a, b edit) int { return cmp.Compare(a.at, b.at) })
	from := 0
	for _, e := range edits {
		dst = append(append(dst, src[from:e.at]...), e.text...)
		from = e.at + e.length
	}
	return append(dst, src[from:]...)
}

// Reply passes.
func (t *openaiOpenai) Reply(dst, src []byte) ([]byte, error) { return append(dst, src...), nil }

// Event passes, but for the usage chunk that the caller did not ask for: it is
// dropped where it carries nothing else.
func (t *openaiOpenai) Event(dst, src []byte) ([]byte, error) {
	if t.call.DropUsage && bytes.Contains(src, []byte(`"usage"`)) {
		data := Data(nil, src)
		if gjson.GetBytes(data, "usage").IsObject() && gjson.GetBytes(data, "choices.#").Int() == 0 {
			return dst, nil
		}
	}
	return append(dst, src...), nil
}
