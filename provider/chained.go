package provider

// chained is two translators in a row: near has the caller's dialect and OpenAI's
// chat, far has OpenAI's chat and the provider's dialect.
type chained struct {
	near, far Translator
	chat      []byte // what is between them, for one event
}

var (
	_ Translator = (*chained)(nil)
	_ Ender      = (*chained)(nil)
)

func newChained(near, far func(Call) Translator, c Call) Translator {
	if near == nil || far == nil {
		return nil
	}
	between := Call{Send: c.Send, Named: c.Send, MaxOutput: c.MaxOutput, Stream: c.Stream, AskUsage: c.Stream, Tell: true}
	c.Relayed, c.Thoughts = true, "reasoning_details"
	return &chained{near: near(c), far: far(between)}
}

// Request turns the caller's request into the provider's.
func (t *chained) Request(dst, src []byte) ([]byte, error) {
	chat, err := t.near.Request(nil, src)
	if err != nil {
		return dst, err
	}
	return t.far.Request(dst, chat)
}

// Reply turns the provider's whole reply into the caller's.
func (t *chained) Reply(dst, src []byte) ([]byte, error) {
	chat, err := t.far.Reply(nil, src)
	if err != nil {
		return dst, err
	}
	return t.near.Reply(dst, chat)
}

// Event turns one event of the provider's into those of the caller's.
func (t *chained) Event(dst, src []byte) ([]byte, error) {
	chat, err := t.far.Event(t.chat[:0], src)
	t.chat = chat
	if err != nil {
		return dst, err
	}
	return t.pass(dst, chat)
}

// pass hands chunks of OpenAI's to near.
func (t *chained) pass(dst, chat []byte) (_ []byte, err error) {
	for len(chat) > 0 && err == nil {
		var event []byte
		event, chat = NextEvent(chat)
		dst, err = t.near.Event(dst, event)
	}
	return dst, err
}

// End completes the stream in both dialects.
func (t *chained) End(dst []byte) []byte {
	if far, ok := t.far.(Ender); ok {
		chat := far.End(nil)
		dst, _ = t.pass(dst, chat) // what a translator wrote itself can be read
	}
	if near, ok := t.near.(Ender); ok {
		dst = near.End(dst)
	}
	return dst
}
