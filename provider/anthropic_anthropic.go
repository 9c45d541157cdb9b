package provider

import (
	"encoding/json"
	"fmt"
)

// anthropicAnthropic leaves everything as it is but the model's name where the
// provider calls it differently.
type anthropicAnthropic struct{ call Call }

var (
	_ Translator = (*anthropicAnthropic)(nil)
	_ Untouched  = (*anthropicAnthropic)(nil)
)

func newAnthropicAnthropic(c Call) Translator { return &anthropicAnthropic{call: c} }

// Untouched is true.
func (t *anthropicAnthropic) Untouched() bool { return true }

// Request returns src itself where nothing has to change.
func (t *anthropicAnthropic) Request(dst, src []byte) ([]byte, error) {
	c := &t.call
	var few [2]edit
	edits := few[:0]
	if c.Send != c.Named {
		name, err := json.Marshal(c.Send)
		if err != nil {
			return dst, fmt.Errorf("cannot write the model's name: %w", err)
		}
		edits = append(edits, edit{at: c.Model.At, length: len(c.Model.Value), text: name})
	}
	edits = appendRemovals(edits, src, c.Drop)
	if len(edits) == 0 {
		return src, nil
	}
	return splice(dst, src, edits), nil
}

// Reply passes.
func (t *anthropicAnthropic) Reply(dst, src []byte) ([]byte, error) { return append(dst, src...), nil }

// Event passes.
func (t *anthropicAnthropic) Event(dst, src []byte) ([]byte, error) { return append(dst, src...), nil }
