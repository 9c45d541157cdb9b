package provider

// same is the translator between a caller and a provider of one dialect that is not
// OpenAI's chat: it leaves everything as it is but the model's name, where the body
// has it and the provider calls it differently, and what is for the gateway.
type same struct{ call Call }

var (
	_ Translator = (*same)(nil)
	_ Untouched  = (*same)(nil)
)

// Untouched is true.
func (t *same) Untouched() bool { return true }

// Request returns src itself where nothing has to change.
func (t *same) Request(dst, src []byte) ([]byte, error) {
	c := &t.call
	var few [2]edit
	edits := few[:0]
	if c.Send != c.Named && c.Model.Value != nil {
		name, err := c.name()
		if err != nil {
			return dst, err
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
func (t *same) Reply(dst, src []byte) ([]byte, error) { return append(dst, src...), nil }

// Event passes.
func (t *same) Event(dst, src []byte) ([]byte, error) { return append(dst, src...), nil }
