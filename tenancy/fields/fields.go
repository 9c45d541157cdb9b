// Package fields reads JSON objects that people wrote: every member must be
// known, of the right type and within its bounds, and an error names the member.
package fields

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/generic-corp/halfpenny/llm"
)

// Error says which member of a document is wrong, and why.
type Error struct {
	Field   string // dotted path, such as "limits.requestsPerHour"; empty: the document itself
	Problem string
}

// Error returns the path and the problem.
func (e *Error) Error() string {
	if e.Field == "" {
		return "the document " + e.Problem
	}
	return e.Field + " " + e.Problem
}

// Setter takes one member's JSON, which is valid and not null, and keeps its
// value. It returns what is wrong with it, such as "must be a string".
type Setter func(raw []byte) error

// Object reads the members of document into set. A member that is absent or
// null leaves its destination as it is. Path stands before the members' names in
// errors. Every error is an *Error.
func Object(path string, document []byte, set map[string]Setter) error {
	members, err := parse(path, document)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		setter, known := set[name]
		if !known {
			return &Error{Field: join(path, name), Problem: "is not a known field"}
		}
		if err := apply(join(path, name), members[name], setter); err != nil {
			return err
		}
	}
	return nil
}

func apply(path string, raw []byte, setter Setter) error {
	if isNull(raw) {
		return nil
	}
	err := setter(raw)
	var nested *Error
	if errors.As(err, &nested) {
		return &Error{Field: join(path, nested.Field), Problem: nested.Problem}
	}
	if err != nil {
		return &Error{Field: path, Problem: err.Error()}
	}
	return nil
}

func parse(path string, document []byte) (map[string]json.RawMessage, error) {
	var members map[string]json.RawMessage
	if !json.Valid(document) {
		return nil, &Error{Field: path, Problem: "is not valid JSON"}
	}
	if err := json.Unmarshal(document, &members); err != nil || members == nil {
		return nil, &Error{Field: path, Problem: "must be a JSON object"}
	}
	return members, nil
}

func join(path, name string) string {
	switch {
	case path == "":
		return clip(name)
	case name == "":
		return path
	}
	return path + "." + clip(name)
}

func clip(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}

func isNull(raw []byte) bool { return string(bytes.TrimSpace(raw)) == "null" }

// Nested reads an object's members; errors name them beneath the object.
func Nested(set map[string]Setter) Setter {
	return func(raw []byte) error { return Object("", raw, set) }
}

// String keeps a string of at most limit bytes, none of them a control character.
func String(dst *string, limit int) Setter {
	return func(raw []byte) error {
		s, err := text(raw, limit)
		if err == nil {
			*dst = s
		}
		return err
	}
}

// Text keeps a string of at most limit bytes, whatever characters it has.
func Text(dst *string, limit int) Setter {
	return func(raw []byte) error {
		if json.Unmarshal(raw, dst) != nil {
			return fmt.Errorf("must be a string")
		}
		if len(*dst) > limit {
			return fmt.Errorf("must have at most %d bytes", limit)
		}
		return nil
	}
}

// OneOf keeps one of the given words.
func OneOf(dst *string, words ...string) Setter {
	return func(raw []byte) error {
		var s string
		if json.Unmarshal(raw, &s) != nil || !slices.Contains(words, s) {
			return fmt.Errorf("must be one of %s", strings.Join(words, ", "))
		}
		*dst = s
		return nil
	}
}

// Strings keeps a list of at most 1,000 distinct strings, none empty.
func Strings(dst *[]string) Setter {
	return func(raw []byte) error {
		var items []json.RawMessage
		if json.Unmarshal(raw, &items) != nil || items == nil {
			return fmt.Errorf("must be a list of strings")
		}
		if len(items) > 1000 {
			return fmt.Errorf("must have at most 1000 entries")
		}
		list := make([]string, 0, len(items))
		for _, item := range items {
			s, err := text(item, 256)
			if err != nil || s == "" {
				return fmt.Errorf("must be a list of strings, none empty or beyond 256 bytes")
			}
			if !slices.Contains(list, s) {
				list = append(list, s)
			}
		}
		*dst = list
		return nil
	}
}

func text(raw []byte, limit int) (string, error) {
	var s *string
	if json.Unmarshal(raw, &s) != nil || s == nil {
		return "", fmt.Errorf("must be a string")
	}
	if len(*s) > limit {
		return "", fmt.Errorf("must have at most %d bytes", limit)
	}
	if strings.ContainsFunc(*s, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' || r == 0x7f }) {
		return "", fmt.Errorf("must have no control characters")
	}
	return *s, nil
}

// Bool keeps true or false.
func Bool(dst *bool) Setter {
	return func(raw []byte) error {
		if json.Unmarshal(raw, dst) != nil {
			return fmt.Errorf("must be true or false")
		}
		return nil
	}
}

// Int keeps a whole number from low to high.
func Int(dst *int64, low, high int64) Setter {
	return func(raw []byte) error {
		n, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil || n < low || n > high {
			return fmt.Errorf("must be a whole number from %d to %d", low, high)
		}
		*dst = n
		return nil
	}
}

// Money keeps an amount in dollars, not negative, read as decimal text.
func Money(dst *llm.Money) Setter {
	return func(raw []byte) error {
		m, err := llm.ParseMoney(string(raw))
		if err != nil {
			return fmt.Errorf("must be an amount in dollars with at most 9 decimals, up to 1000000000")
		}
		if m < 0 {
			return fmt.Errorf("must not be negative")
		}
		*dst = m
		return nil
	}
}

// NullMoney is Money for an amount that may be left out.
func NullMoney(dst *llm.NullMoney) Setter {
	return func(raw []byte) error {
		var m llm.Money
		if err := Money(&m)(raw); err != nil {
			return err
		}
		*dst = llm.Known(m)
		return nil
	}
}

// Share keeps a number above 0 and up to 1.
func Share(dst *float64) Setter {
	return func(raw []byte) error {
		v, err := strconv.ParseFloat(string(raw), 64)
		if err != nil || v <= 0 || v > 1 {
			return fmt.Errorf("must be a number above 0 and up to 1")
		}
		*dst = v
		return nil
	}
}

// Number keeps a number from low to high.
func Number(dst *float64, low, high float64) Setter {
	return func(raw []byte) error {
		v, err := strconv.ParseFloat(string(raw), 64)
		if err != nil || v < low || v > high {
			return fmt.Errorf("must be a number from %g to %g", low, high)
		}
		*dst = v
		return nil
	}
}

// Time keeps an instant written as RFC 3339.
func Time(dst *time.Time) Setter {
	return func(raw []byte) error {
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return fmt.Errorf("must be a time as in RFC 3339, such as 2026-01-31T12:00:00Z")
		}
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return fmt.Errorf("must be a time as in RFC 3339, such as 2026-01-31T12:00:00Z")
		}
		*dst = t.UTC()
		return nil
	}
}
