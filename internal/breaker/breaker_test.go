package breaker

import (
	"testing"
	"time"
)

func TestBreaker(t *testing.T) {
	var b Breaker
	now := time.Unix(1000, 0)
	for i := range Trip {
		if !b.Tries(now) {
			t.Fatalf("open after %d failures", i)
		}
		if news := b.Failed(now); news != (i == 0) || !b.Failing() {
			t.Errorf("failure %d: news %t", i, news)
		}
	}
	if b.Tries(now.Add(Rest - 1)) {
		t.Error("it tries while it rests")
	}
	if later := now.Add(Rest); !b.Tries(later) || b.Tries(later) {
		t.Error("not exactly one caller tries when the rest is over")
	}
	if !b.Succeeded() || b.Succeeded() || b.Failing() || !b.Tries(now) {
		t.Error("a success does not close it")
	}
}
