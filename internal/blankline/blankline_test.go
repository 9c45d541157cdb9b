package blankline

import "testing"

func TestEnd(t *testing.T) {
	f := func(b string, from, want int) {
		t.Helper()
		if got := End([]byte(b), from); got != want {
			t.Errorf("End(%q, %d) = %d, want %d", b, from, got, want)
		}
	}
	f("", 0, 0)
	f("a", 0, 0)
	f("a\n", 0, 0)
	f("a\n\nb", 0, 3)
	f("a\r\n\r\nb", 0, 5)
	f("a\n\r\nb", 0, 4)
	f("a\r\n\r", 0, 0)
	f("a\nb\n\n", 0, 5)
	f("a\nb\n\n", 3, 5)
	f("\n\n", 0, 2)
}
