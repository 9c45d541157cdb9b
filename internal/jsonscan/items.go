package jsonscan

import "bytes"

// Items calls f for each member of an object or, with a nil name, each element of
// an array; any other value has none. v must have been validated, as every Value
// of Members is: its strings are skipped quote by quote, at memory speed. What f
// gets aliases v.
func Items(v []byte, f func(name, value []byte)) {
	i := blank(v, 0)
	if i >= len(v) || v[i] != '{' && v[i] != '[' {
		return
	}
	object := v[i] == '{'
	for i = blank(v, i+1); i < len(v) && v[i] != '}' && v[i] != ']'; {
		var name []byte
		if object {
			end := skipString(v, i)
			name = v[i+1 : end-1]
			i = blank(v, blank(v, end)+1) // behind the colon
		}
		end := skip(v, i)
		f(name, v[i:end])
		if i = blank(v, end); i < len(v) && v[i] == ',' {
			i = blank(v, i+1)
		}
	}
}

func blank(v []byte, i int) int {
	for i < len(v) && (v[i] == ' ' || v[i] == '\n' || v[i] == '\r' || v[i] == '\t') {
		i++
	}
	return i
}

// skip returns the end of the value that starts at i.
func skip(v []byte, i int) int {
	switch v[i] {
	case '"':
		return skipString(v, i)
	case '{', '[':
		return skipNested(v, i)
	}
	for i < len(v) && v[i] != ',' && v[i] != '}' && v[i] != ']' && v[i] > ' ' {
		i++
	}
	return i
}

func skipNested(v []byte, i int) int {
	for depth := 0; ; {
		switch v[i] {
		case '"':
			i = skipString(v, i)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		i++
		if depth == 0 {
			return i
		}
	}
}

// skipString returns the end of the string whose opening quote is at i: behind
// the next quote that an even number of backslashes precedes.
func skipString(v []byte, i int) int {
	for i++; ; i++ {
		i += bytes.IndexByte(v[i:], '"')
		slashes := 0
		for v[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return i + 1
		}
	}
}
