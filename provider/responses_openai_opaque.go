package provider

import (
	"bytes"

	"github.com/tidwall/gjson"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// responsesOpaque is what of an answer Responses has no place for, until a reasoning
// item carries it as its encrypted_content (see appendCarried), which a caller hands back.
type responsesOpaque struct {
	in      string // the member that thoughts came in
	blocks  []byte // Anthropic's blocks with their signatures, raw elements
	details []responsesDetail
	extra   []byte // of the message, raw
	calls   []byte // of calls, with their ids: raw elements
}

// responsesDetail is an element of reasoning_details; a stream's fragments of one are joined.
type responsesDetail struct{ names, values [][]byte }

// get returns a raw member, nil if there is none.
func (d *responsesDetail) get(name string) []byte {
	for i := range d.names {
		if string(d.names[i]) == name {
			return d.values[i]
		}
	}
	return nil
}

// detail keeps an element, or joins it to the last where it is a further fragment of that.
func (o *responsesOpaque) detail(element []byte) {
	var d responsesDetail
	jsonscan.Items(element, func(name, value []byte) {
		if string(value) != "null" {
			d.names, d.values = append(d.names, bytes.Clone(name)), append(d.values, bytes.Clone(value))
		}
	})
	if n := len(o.details); n > 0 {
		last := &o.details[n-1]
		if bytes.Equal(last.get("type"), d.get("type")) && d.get("index") != nil && bytes.Equal(last.get("index"), d.get("index")) {
			last.join(&d)
			return
		}
	}
	o.details = append(o.details, d)
}

func (d *responsesDetail) join(more *responsesDetail) {
next:
	for i, name := range more.names {
		for j := range d.names {
			if !bytes.Equal(d.names[j], name) {
				continue
			}
			switch string(name) {
			case "text", "summary", "data":
				d.values[j] = append(append(append([]byte(`"`), inner(d.values[j])...), inner(more.values[i])...), '"')
			default:
				d.values[j] = more.values[i]
			}
			continue next
		}
		d.names, d.values = append(d.names, name), append(d.values, more.values[i])
	}
}

func (d *responsesDetail) append(dst []byte) []byte {
	dst = append(dst, '{')
	for i := range d.names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(append(dst, '"'), d.names[i]...), `":`...), d.values[i]...)
	}
	return append(dst, '}')
}

// sign keeps what a provider wants back with a call.
func (o *responsesOpaque) sign(call []byte) {
	if id, extra := member(call, "id"), member(call, "extra_content"); isString(id) && len(extra) > 0 && extra[0] == '{' {
		o.calls = append(append(comma(o.calls), `{"id":`...), id...)
		o.calls = append(appendMember(o.calls, "extra_content", extra), '}')
	}
}

// sealed reports whether details hold anything beside text.
func (o *responsesOpaque) sealed() bool {
	for i := range o.details {
		if len(inner(o.details[i].get("data"))) > 0 || len(inner(o.details[i].get("signature"))) > 0 {
			return true
		}
	}
	return false
}

// waits reports whether there is anything that must be handed back.
func (o *responsesOpaque) waits() bool {
	return len(o.blocks) > 0 || o.extra != nil || len(o.calls) > 0 || o.sealed()
}

// openaisFormat is how OpenRouter calls what came from OpenAI's own Responses.
const openaisFormat = `"openai-responses-v1"`

// native returns the id and the data of OpenAI's own encrypted reasoning, if that is
// all there is: it passes as it is.
func (o *responsesOpaque) native() (id, data []byte) {
	if len(o.blocks) > 0 || o.extra != nil || len(o.calls) > 0 {
		return nil, nil
	}
	for i := range o.details {
		d := &o.details[i]
		encrypted := string(d.get("type")) == `"reasoning.encrypted"`
		if string(d.get("format")) != openaisFormat || encrypted && data != nil || !encrypted && string(d.get("type")) != `"reasoning.summary"` {
			return nil, nil
		}
		if encrypted {
			id, data = inner(d.get("id")), d.get("data")
		}
	}
	if len(id) == 0 || len(inner(data)) == 0 {
		return nil, nil
	}
	return id, data
}

// nativeID is the id that OpenAI gave to its reasoning, if it is known.
func (o *responsesOpaque) nativeID() []byte {
	for i := range o.details {
		if id := inner(o.details[i].get("id")); string(o.details[i].get("format")) == openaisFormat && len(id) > 0 {
			return bytes.Clone(id)
		}
	}
	return nil
}

// seal returns the encrypted_content of an item, nil where nothing has to come back,
// and forgets what is in it. behind: it belongs to what stands before it.
func (o *responsesOpaque) seal(item *responsesOutput, behind, renamed bool) []byte {
	defer func() { *o = responsesOpaque{} }()
	if id, data := o.native(); data != nil && !behind && (renamed || bytes.Equal(id, item.id)) {
		item.id = bytes.Clone(id)
		return data
	}
	var object []byte
	list := func(name string, elements []byte) {
		if len(elements) > 0 {
			object = append(append(append(append(comma(object), '"'), name...), `":[`...), elements...)
			object = append(object, ']')
		}
	}
	list("thinking_blocks", o.blocks)
	if o.sealed() {
		var details []byte
		for i := range o.details {
			details = o.details[i].append(comma(details))
		}
		list("reasoning_details", details)
	} else if o.in == "reasoning" && len(item.parts) > 0 {
		object = append(comma(object), `"in":"reasoning"`...)
	}
	if o.extra != nil {
		object = append(append(comma(object), `"extra_content":`...), o.extra...)
	}
	list("tool_calls", o.calls)
	switch {
	case len(object) == 0:
		return nil
	case behind:
		object = append(object, `,"behind":true`...)
	}
	object = append(append([]byte("{"), object...), '}')
	if !gjson.ValidBytes(object) {
		return nil // fragments that are no text together
	}
	return appendCarried(nil, object)
}
