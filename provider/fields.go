package provider

import (
	"fmt"
	"math/bits"
	"slices"
)

// maxFields is how many different fields the kinds may document.
const maxFields = 192

// FieldSet is a set of top-level fields of a chat request, out of those that the
// kinds document. The zero value is empty.
type FieldSet [maxFields / 64]uint64

// Fields says what a provider does with the fields of a request. A field that is in
// neither set is documented nowhere: the provider answers for itself.
type Fields struct {
	Honoured FieldSet // documented to have the effect that OpenAI, or the provider, gives them
	Refused  FieldSet // documented to be answered with an error, or to have no effect
	// NotThinking are those of Honoured that a model which thinks does not honour.
	NotThinking FieldSet
	Closed      bool // whatever is not documented has no effect, and no error says so
}

// The two kinds of structured output are told apart as if they were fields of their
// own, because many providers honour only one of them.
const (
	FieldResponseFormat = "response_format"
	FieldJSONObject     = "response_format.json_object"
	FieldJSONSchema     = "response_format.json_schema"
)

var fieldIndex = map[string]int{}

// fieldsOf returns the set of the named fields and makes them known. It is called
// from the variable declarations of the provider files only. response_format stands
// for all its kinds.
func fieldsOf(names []string) (set FieldSet) {
	for _, name := range names {
		set.add(name)
		if name == FieldResponseFormat {
			set.add(FieldJSONObject)
			set.add(FieldJSONSchema)
		}
	}
	return set
}

func (s *FieldSet) add(name string) {
	i, known := fieldIndex[name]
	if !known {
		if i = len(fieldIndex); i >= maxFields {
			panic(fmt.Sprintf("BUG: %q is one field more than a FieldSet holds", name))
		}
		fieldIndex[name] = i
	}
	s[i/64] |= 1 << (i % 64)
}

// Add puts a field into the set; known is false, and the set as it was, for a field
// that no kind mentions.
func (s *FieldSet) Add(name string) (known bool) {
	i, known := fieldIndex[name]
	if known {
		s[i/64] |= 1 << (i % 64)
	}
	return known
}

// Remove takes a field out of the set.
func (s *FieldSet) Remove(name string) {
	if i, known := fieldIndex[name]; known {
		s[i/64] &^= 1 << (i % 64)
	}
}

// Has reports whether the field is in the set.
func (s *FieldSet) Has(name string) bool {
	i, known := fieldIndex[name]
	return known && s[i/64]&(1<<(i%64)) != 0
}

// Union adds what is in t.
func (s *FieldSet) Union(t *FieldSet) {
	for i := range s {
		s[i] |= t[i]
	}
}

// Without returns what is in s and not in t.
func (s *FieldSet) Without(t *FieldSet) (rest FieldSet) {
	for i := range s {
		rest[i] = s[i] &^ t[i]
	}
	return rest
}

// Overlaps reports whether s and t share a field.
func (s *FieldSet) Overlaps(t *FieldSet) bool {
	for i := range s {
		if s[i]&t[i] != 0 {
			return true
		}
	}
	return false
}

// Within reports whether all fields of s are in t.
func (s *FieldSet) Within(t *FieldSet) bool {
	for i := range s {
		if s[i]&^t[i] != 0 {
			return false
		}
	}
	return true
}

// Len is the number of fields in the set.
func (s *FieldSet) Len() (n int) {
	for _, word := range s {
		n += bits.OnesCount64(word)
	}
	return n
}

// KnownField reports whether some kind says what it does with a field.
func KnownField(name string) bool {
	_, known := fieldIndex[name]
	return known
}

// KnownFields returns all fields that some kind mentions, by name.
func KnownFields() []string {
	names := make([]string, 0, len(fieldIndex))
	for name := range fieldIndex {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// everyField holds all fields, those that kinds registered later mention included.
var everyField = func() (all FieldSet) {
	for i := range all {
		all[i] = ^uint64(0)
	}
	return all
}()

// everywhere are the fields that any server which speaks OpenAI's chat API honours.
var everywhere = []string{"max_tokens", "temperature", "top_p", "stop"}
