package ledger

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestFullTmpfs(t *testing.T) {
	mount := t.TempDir()
	if err := syscall.Mount("ledger", mount, "tmpfs", 0, "size=256k"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("cannot mount a tmpfs: ", err)
		}
		t.Skip("cannot mount a tmpfs: ", err)
	}
	defer func() {
		if err := syscall.Unmount(mount, 0); err != nil {
			t.Error(err)
		}
	}()
	sink := newSink()
	sink.refuse = down
	o := quick(filepath.Join(mount, "journal"))
	l := open(t, o, sink)
	begun := beginUntilRefused(t, l)
	finishAll(t, l, begun)
	abandon(l)

	l = open(t, o, sink) // on the disk that is still full
	sink.set(nil)
	flush(t, l)
	eventually(t, "calls begin again", func() bool { return l.Started(started("acme", begun)) == nil })
	finish(t, l, "acme", begun)
	closeNow(t, l)
	checkSums(t, sink.snapshot(), int(begun)+1)
}
