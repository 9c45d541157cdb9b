//go:build !linux

package ledger

import "os"

// allocate gives f its size and its blocks, so that a later write needs no space.
func allocate(f *os.File, size int64) error { return fill(f, size) }

func datasync(f *os.File) error { return f.Sync() }
