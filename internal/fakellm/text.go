package fakellm

import (
	"math/rand/v2"
	"strings"
	"unicode/utf8"
)

// pieceBytes bounds what one content event carries, as a token would; only answers
// of many bytes have larger ones.
const pieceBytes = 8

var (
	subjects = []string{"The answer", "This approach", "A short version", "The second part", "Each step", "The result", "One option", "The usual way", "The example", "A careful reader"}
	verbs    = []string{"depends on", "follows from", "is easy to check against", "starts with", "can be compared with", "says little about", "rests on", "improves with"}
	objects  = []string{"the question itself", "the data at hand", "two simple cases", "what was measured", "a plain list", "the first paragraph", "the order of the steps", "the assumptions made"}
	links    = []string{"Then", "Besides,", "In short,", "Even so,", "For that reason,", "Put differently,"}
)

// prose is a few sentences that say nothing, after the one given.
func prose(r *rand.Rand, first string) string {
	pick := func(words []string) string { return words[r.IntN(len(words))] }
	var b strings.Builder
	b.WriteString(first)
	for range 3 + r.IntN(8) {
		subject := pick(subjects)
		b.WriteByte(' ')
		if r.IntN(3) == 0 {
			b.WriteString(pick(links))
			b.WriteByte(' ')
			subject = strings.ToLower(subject[:1]) + subject[1:]
		}
		b.WriteString(subject + " " + pick(verbs) + " " + pick(objects) + ".")
	}
	return b.String()
}

// pieces cuts a text where words begin, and words beyond size bytes into parts.
// Joined again they are the text.
func pieces(text string, size int) []string {
	var all []string
	for text != "" {
		n := min(len(text), size)
		if i := strings.IndexByte(text[1:n], ' '); i >= 0 {
			n = i + 1
		}
		for n < len(text) && !utf8.RuneStart(text[n]) {
			n++
		}
		all = append(all, text[:n])
		text = text[n:]
	}
	return all
}

// resize makes an answer of exactly n events out of its pieces, repeating them or leaving some out.
func resize(all []string, n int) []string {
	sized := make([]string, n)
	for i := range sized {
		sized[i] = all[i%len(all)]
	}
	return sized
}
