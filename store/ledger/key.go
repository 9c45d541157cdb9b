package ledger

import "hash/fnv"

// key is a request id: the 16 bytes of a UUID, or the hash of anything else.
type key [16]byte

func keyOf(id string) key {
	if k, ok := parseUUID(id); ok {
		return k
	}
	h := fnv.New128a()
	h.Write([]byte(id))
	return key(h.Sum(nil))
}

// parseUUID reads the canonical lower-case form alone, so that no two ids share a key.
func parseUUID(id string) (k key, ok bool) {
	if len(id) != 36 || id[8] != '-' || id[13] != '-' || id[18] != '-' || id[23] != '-' {
		return key{}, false
	}
	digit := 0
	for i := range len(id) {
		c := id[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			continue
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		default:
			return key{}, false
		}
		k[digit/2] = k[digit/2]<<4 | c
		digit++
	}
	return k, true
}
