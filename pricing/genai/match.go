package genai

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Match is a rule that a name fulfils or not: exactly one of its tests. It is ready
// once Compile has returned, and does not change from then on.
type Match struct {
	Equals     string  `json:"equals,omitempty"`
	StartsWith string  `json:"starts_with,omitempty"`
	EndsWith   string  `json:"ends_with,omitempty"`
	Contains   string  `json:"contains,omitempty"`
	Regex      string  `json:"regex,omitempty"`
	Or         []Match `json:"or,omitempty"`
	And        []Match `json:"and,omitempty"`

	yes *regexp.Regexp
	no  *regexp.Regexp // what a lookahead (?!…) at the beginning excludes
}

// maxDepth bounds how deep rules may be nested.
const maxDepth = 16

// Fold is how calcPrice writes a name before it looks for it.
func Fold(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

// Fits reports whether a name fulfils the rule. It has to be folded.
func (m *Match) Fits(folded string) bool {
	switch {
	case m.Equals != "":
		return folded == m.Equals
	case m.StartsWith != "":
		return strings.HasPrefix(folded, m.StartsWith)
	case m.EndsWith != "":
		return strings.HasSuffix(folded, m.EndsWith)
	case m.Contains != "":
		return strings.Contains(folded, m.Contains)
	case m.yes != nil:
		return (m.no == nil || !m.no.MatchString(folded)) && m.yes.MatchString(folded)
	case len(m.Or) > 0:
		for i := range m.Or {
			if m.Or[i].Fits(folded) {
				return true
			}
		}
		return false
	}
	for i := range m.And {
		if !m.And[i].Fits(folded) {
			return false
		}
	}
	return len(m.And) > 0
}

// Texts lists what the rule compares names with, in its order.
func (m *Match) Texts() []string {
	var all []string
	for _, text := range []string{m.Equals, m.StartsWith, m.EndsWith, m.Contains, m.Regex} {
		if text != "" {
			all = append(all, text)
		}
	}
	for _, parts := range [][]Match{m.Or, m.And} {
		for i := range parts {
			all = append(all, parts[i].Texts()...)
		}
	}
	return all
}

// Compile checks the rule and makes it ready: texts are folded, which is how they
// are compared.
func (m *Match) Compile() error { return m.compile(maxDepth) }

func (m *Match) compile(depth int) error {
	tests := 0
	for _, text := range []*string{&m.Equals, &m.StartsWith, &m.EndsWith, &m.Contains} {
		if *text != "" {
			tests++
			*text = strings.ToLower(*text)
		}
	}
	if m.Regex != "" {
		tests++
		if err := m.pattern(); err != nil {
			return err
		}
	}
	for _, parts := range [][]Match{m.Or, m.And} {
		if len(parts) > 0 {
			tests++
		}
		for i := range parts {
			if depth == 0 {
				return errors.New("a rule is nested too deep")
			}
			if err := parts[i].compile(depth - 1); err != nil {
				return err
			}
		}
	}
	if tests != 1 {
		return fmt.Errorf("a rule has %d tests that are known, not one", tests)
	}
	return nil
}

// pattern compiles Regex. Patterns are JavaScript's: of what Go's do not have, a
// lookahead that begins the pattern is understood.
func (m *Match) pattern() (err error) {
	pattern := m.Regex
	if rest, ok := strings.CutPrefix(pattern, "^(?!"); ok {
		end := closing(rest)
		if end < 0 {
			return errors.New("a lookahead that does not end")
		}
		if m.no, err = regexp.Compile("^(?:" + rest[:end] + ")"); err != nil {
			return err
		}
		pattern = "^" + rest[end+1:]
	}
	m.yes, err = regexp.Compile(pattern)
	return err
}

// closing returns where the group that pattern begins within is closed, or -1.
func closing(pattern string) int {
	depth, class := 0, false
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\':
			i++
		case class:
			class = c != ']'
		case c == '[':
			class = true
		case c == '(':
			depth++
		case c == ')' && depth == 0:
			return i
		case c == ')':
			depth--
		}
	}
	return -1
}
