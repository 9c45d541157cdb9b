package pricing

import (
	"cmp"
	"slices"
	"strings"
)

// maxNear bounds the bytes of a name that are compared: it is foreign input.
const maxNear = 64

// Nearest returns up to n of the names that look like name, the nearest first: by
// edit distance, where a shared beginning counts for more. Names too far away are left out.
func Nearest(names []string, name string, n int) []string {
	type scored struct {
		name     string
		distance int
	}
	wanted := fold(name)
	limit := 2*max(2, len(wanted)/3) + 1
	var near []scored
	for _, candidate := range names {
		if d := distance(wanted, fold(candidate), limit); d < limit {
			near = append(near, scored{candidate, d})
		}
	}
	slices.SortFunc(near, func(a, b scored) int {
		return cmp.Or(a.distance-b.distance, len(a.name)-len(b.name), strings.Compare(a.name, b.name))
	})
	found := make([]string, 0, n)
	for _, s := range near[:min(n, len(near))] {
		found = append(found, s.name)
	}
	return found
}

// fold makes names comparable: lower case, without a provider in front.
func fold(name string) string {
	name = strings.ToLower(name)
	name = name[strings.LastIndexByte(name, '/')+1:]
	return name[:min(len(name), maxNear)]
}

// distance is twice the edit distance of a and b, or at most 3 where one begins or
// ends with the other. What cannot be below limit is not counted out.
func distance(a, b string, limit int) int {
	if len(a) >= 3 && len(b) >= 3 && (strings.HasPrefix(b, a) || strings.HasPrefix(a, b) || strings.HasSuffix(b, a) || strings.HasSuffix(a, b)) {
		return min(2*editDistance(a, b, 2), 3)
	}
	if least := 2 * max(len(a)-len(b), len(b)-len(a)); least >= limit {
		return least
	}
	return 2 * editDistance(a, b, limit/2)
}

// editDistance counts the edits between a and b, or some of them where there are
// more than most.
func editDistance(a, b string, most int) int {
	var rows [2][maxNear + 1]int
	previous, current := &rows[0], &rows[1]
	for j := range len(b) + 1 {
		previous[j] = j
	}
	for i := range len(a) {
		current[0] = i + 1
		least := i + 1
		for j := range len(b) {
			change := previous[j]
			if a[i] != b[j] {
				change++
			}
			current[j+1] = min(change, previous[j+1]+1, current[j]+1)
			least = min(least, current[j+1])
		}
		if least > most {
			return least
		}
		previous, current = current, previous
	}
	return previous[len(b)]
}
