package provider

import (
	"encoding/base64"
	"strings"

	"github.com/tidwall/gjson"
)

// carriedPrefix marks an opaque string as ours.
const carriedPrefix = "hp1."

// appendCarried appends, as a JSON string without anything to escape, an object of
// what the caller's dialect has no place for and its client hands back unchanged with
// the next request: a model's signatures and encrypted thoughts in another dialect.
func appendCarried(dst, object []byte) []byte {
	dst = append(append(dst, '"'), carriedPrefix...)
	dst = base64.RawURLEncoding.AppendEncode(dst, object)
	return append(dst, '"')
}

// carriedIn returns the object in an opaque string, given without its quotes, that
// appendCarried wrote; ok is false for those of others, which are passed on as they are.
func carriedIn(s string) (object []byte, ok bool) {
	s, ok = strings.CutPrefix(s, carriedPrefix)
	if !ok {
		return nil, false
	}
	object, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || !gjson.ValidBytes(object) || !gjson.ParseBytes(object).IsObject() {
		return nil, false
	}
	return object, true
}
