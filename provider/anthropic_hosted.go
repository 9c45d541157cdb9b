package provider

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/generic-corp/halfpenny/internal/jsonscan"
)

// BodyEditor is the optional ability of an Adapter whose provider takes a dialect's
// body with differences: Anthropic's messages where a cloud hosts the model.
type BodyEditor interface {
	// EditBody returns the body to send in place of body, which it leaves as it is, and
	// may take out of header what it has moved into the body.
	EditBody(to Destination, header http.Header, body []byte) ([]byte, error)
}

// hostedFields are the members of a request of Anthropic's that a cloud has elsewhere:
// the model is in the address, and so is, where the cloud has two of them, stream.
const (
	hostedModel  = "model"
	hostedStream = "stream"
)

// withoutModel returns a copy of an object without the members that without names, and
// with the extra ones in front, each of which is `"name":value` and replaces a member
// of its name.
func withoutModel(body []byte, without []string, extra ...string) ([]byte, error) {
	members, err := jsonscan.Members(nil, body)
	if err != nil {
		return nil, fmt.Errorf("cannot read the request: %w", err)
	}
	gone := func(name string) bool {
		return slices.Contains(without, name) || slices.ContainsFunc(extra, func(e string) bool { return strings.HasPrefix(e, `"`+name+`":`) })
	}
	out := append(make([]byte, 0, len(body)+len(extra)*64), '{')
	next := func() {
		if len(out) > 1 {
			out = append(out, ',')
		}
	}
	for _, e := range extra {
		next()
		out = append(out, e...)
	}
	for i := range members {
		if m := &members[i]; !gone(string(m.Name)) {
			next()
			out = append(out, body[m.Start:m.End()]...)
		}
	}
	return append(out, '}'), nil
}

// claudeCodeBeta is what Claude Code sends with every request.
const claudeCodeBeta = "claude-code-20250219"

// betas returns, as a member `"anthropic_beta":[…]`, what the header Anthropic-Beta
// lists, and takes it out of the header; empty: it lists nothing. Bedrock and Vertex
// AI read betas in the body alone. The one that stands for a client, and for nothing
// that it asks, is left out, as Bedrock refuses it with some models
// (https://github.com/anthropics/claude-code/issues/49648).
func betas(header http.Header) (string, error) {
	var names []string
	for _, line := range header.Values("Anthropic-Beta") {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name != "" && name != claudeCodeBeta {
				names = append(names, name)
			}
		}
	}
	header.Del("Anthropic-Beta")
	if names == nil {
		return "", nil
	}
	list, err := json.Marshal(names)
	if err != nil {
		return "", fmt.Errorf("cannot write the betas: %w", err)
	}
	return `"anthropic_beta":` + string(list), nil
}

// invokeEvent turns the payload of one message of invoke-with-response-stream into the
// event of Anthropic's that it holds in base64. It is empty where the payload holds
// none: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_PayloadPart.html
func invokeEvent(payload []byte) (event []byte, err error) {
	var encoded []byte
	if err := jsonscan.Each(payload, func(name, value []byte) {
		if string(name) == "bytes" {
			encoded = value
		}
	}); err != nil {
		return nil, fmt.Errorf("cannot read a chunk of Bedrock's: %w", err)
	}
	text, ok := unquoted(encoded)
	if !ok {
		return nil, nil
	}
	data, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		return nil, fmt.Errorf("cannot read a chunk of Bedrock's: %w", err)
	}
	var kind []byte
	if err := jsonscan.Each(data, func(name, value []byte) {
		if string(name) == "type" {
			kind, _ = inside(value)
		}
		if bytes.IndexByte(kind, '\\') >= 0 {
			kind = nil
		}
	}); err != nil {
		return nil, fmt.Errorf("cannot read an event in a chunk of Bedrock's: %w", err)
	}
	return appendEvent(make([]byte, 0, len(data)+len(kind)+20), kind, data), nil
}

// appendEvent writes a server-sent event, whose data is JSON; line breaks between its
// tokens become spaces.
func appendEvent(dst, name, data []byte) []byte {
	if len(name) > 0 {
		dst = append(append(append(dst, "event: "...), name...), '\n')
	}
	dst = append(dst, "data: "...)
	for _, c := range data {
		if c == '\n' || c == '\r' {
			c = ' '
		}
		dst = append(dst, c)
	}
	return append(dst, "\n\n"...)
}
