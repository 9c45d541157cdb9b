//go:build !linux

package drill

import (
	"errors"
	"os/exec"
)

func bindToParent(*exec.Cmd) {}

func mountMemory(string, string, bool) error {
	return errors.New("file systems in memory are mounted on Linux only")
}

func unmount(string) error { return nil }
