package traffic

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The columns of those who ask in the API's own dialect.
const (
	own         = "own"         // at the gateway's path for it
	passthrough = "passthrough" // at the provider's path
)

// outcome is how an answer came out.
type outcome int

const (
	equal         outcome = iota
	countsOther           // equal but for usage, of which the two APIs count other parts
	differing             // for a known reason, or the test fails
	errorRight            // the provider's error, in the caller's dialect
	skipped               // not asked for
	outcomeNumber         // how many there are
)

// cell counts the exchanges of one API for the callers of one dialect.
type cell struct {
	total   int
	counts  [outcomeNumber]int
	reasons map[string]int
}

// table has a cell for each API and client.
type table map[[2]string]*cell

func (t table) cell(api, client string) *cell {
	key := [2]string{api, client}
	if t[key] == nil {
		t[key] = &cell{reasons: map[string]int{}}
	}
	return t[key]
}

// String prints the table and, below, the reasons.
func (t table) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-36s %-11s %6s %6s %6s %6s %6s %6s\n", "API", "client", "all", "equal", "usage", "differ", "errors", "unaskd")
	keys := slices.SortedFunc(maps.Keys(t), func(a, b [2]string) int { return strings.Compare(a[0]+" "+a[1], b[0]+" "+b[1]) })
	var sum cell
	for _, key := range keys {
		row(&b, key[0], key[1], t[key])
		sum.total += t[key].total
		for i, n := range t[key].counts {
			sum.counts[i] += n
		}
	}
	row(&b, "all", "", &sum)
	b.WriteString("\n")
	for _, key := range keys {
		for _, reason := range slices.Sorted(maps.Keys(t[key].reasons)) {
			fmt.Fprintf(&b, "%s, %s: %d: %s\n", key[0], key[1], t[key].reasons[reason], reason)
		}
	}
	return b.String()
}

func row(b *strings.Builder, api, client string, c *cell) {
	fmt.Fprintf(b, "%-36s %-11s %6d %6d %6d %6d %6d %6d\n", api, client, c.total, c.counts[equal], c.counts[countsOther], c.counts[differing], c.counts[errorRight], c.counts[skipped])
}
