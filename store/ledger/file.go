package ledger

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// file is what a segment needs of its file.
type file interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	Sync() error // data, and the size where it changed
	Close() error
}

// diskFile is a file whose Sync leaves out what reading it back does not need.
type diskFile struct{ *os.File }

// Sync is fdatasync.
func (f diskFile) Sync() error { return datasync(f.File) }

// createFile makes a file of zeros whose blocks are allocated.
func createFile(path string, size int64) (file, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := allocate(f, size); err != nil {
		f.Close()
		os.Remove(path)
		return nil, &os.PathError{Op: "allocate", Path: path, Err: err}
	}
	return diskFile{f}, nil
}

// fill writes zeros where the file system cannot allocate.
func fill(f *os.File, size int64) error {
	zeros := make([]byte, 64<<10)
	for off := int64(0); off < size; off += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros[:min(int64(len(zeros)), size-off)], off); err != nil {
			return err
		}
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// lockDir makes the folder and takes its lock, which lasts until the file is closed
// or the process ends.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the journal's folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot lock the journal: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if err == unix.EWOULDBLOCK {
			return nil, fmt.Errorf("cannot open %s: %w", dir, ErrLocked)
		}
		return nil, fmt.Errorf("cannot lock the journal in %s: %w", dir, err)
	}
	return f, nil
}
