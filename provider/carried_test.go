package provider

import "testing"

func TestCarried(t *testing.T) {
	object := `{"thinking_blocks":[{"type":"thinking","thinking":"ü","signature":"=="}]}`
	s := string(appendCarried(nil, []byte(object)))
	got, ok := carriedIn(s[1 : len(s)-1])
	if !ok || string(got) != object {
		t.Errorf("%s carries %s, %t", s, got, ok)
	}
	for _, foreign := range []string{"", "hp1", "hp1.", "hp1.@", "EqQBCkgIARAB", "hp1.W10"} {
		if got, ok := carriedIn(foreign); ok {
			t.Errorf("%q carries %s", foreign, got)
		}
	}
}
