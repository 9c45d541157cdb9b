package drill

import (
	"os"
	"os/exec"
	"syscall"
)

// bindToParent makes the child end when the tests end, however they end.
func bindToParent(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// mountMemory mounts a file system of that many MiB, or changes the size of the one
// that is there.
func mountMemory(dir, size string, again bool) error {
	var flags uintptr
	if again {
		flags = syscall.MS_REMOUNT
	}
	if err := syscall.Mount("halfpenny-drill", dir, "tmpfs", flags, "size="+size); err != nil {
		return os.NewSyscallError("mount", err)
	}
	return nil
}

func unmount(dir string) error { return syscall.Unmount(dir, syscall.MNT_DETACH) }
