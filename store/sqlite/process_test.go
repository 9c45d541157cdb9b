package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/generic-corp/halfpenny/llm"
	"github.com/generic-corp/halfpenny/store"
	"github.com/generic-corp/halfpenny/store/sqlite"
	"github.com/generic-corp/halfpenny/store/storetest"
	"github.com/generic-corp/halfpenny/tenancy"
)

// A command beside a running server is another process on the same files, and a
// process may end at any instruction. childDir makes the test binary such a process.
const childDir = "HALFPENNY_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child writes batches of 50 records of "acme" and a line for each, until it is killed.
func child(dir string) error {
	s, err := sqlite.Open(context.Background(), dir)
	if err != nil {
		return err
	}
	for {
		if _, err := s.Append(context.Background(), "acme", batch(50)); err != nil {
			return err
		}
		fmt.Println("written")
		if _, err := s.Epoch(context.Background()); err != nil {
			return err
		}
	}
}

func batch(n int) []*llm.Record {
	records := make([]*llm.Record, n)
	for i := range records {
		records[i] = storetest.NewRecord("acme", i)
	}
	return records
}

func startChild(t *testing.T, dir string) (written func() int, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	in, lines := bufio.NewScanner(out), make(chan int)
	if !in.Scan() { // it has written by then, however loaded the machine is
		t.Fatal("the other process has ended")
	}
	go func() {
		n := 1
		for in.Scan() {
			n++
		}
		lines <- n
	}()
	written = func() int {
		n := <-lines
		_ = cmd.Wait() // it was killed
		return n
	}
	return written, func() { check(t, cmd.Process.Kill()) }
}

func createAcme(t *testing.T, s store.Store) {
	t.Helper()
	_, _, err := s.CreateTenant(t.Context(), tenancy.Tenant{Slug: "acme", Plan: "growth", AdminEmail: "a@example.com"}, tenancy.Key{ID: "firstkey", Role: tenancy.RoleOwner, Hash: []byte{1}}, "")
	check(t, err)
}

func TestKilledProcessBesideARunningOne(t *testing.T) {
	d := database{t.TempDir()}
	s := d.Open(t)
	check(t, s.Migrate(t.Context()))
	createAcme(t, s)
	ours, theirs := 0, 0
	for range 4 {
		written, kill := startChild(t, d.dir)
		for end := time.Now().Add(250 * time.Millisecond); time.Now().Before(end); {
			stored, err := s.Append(t.Context(), "acme", batch(20))
			check(t, err)
			ours += len(stored)
			check(t, s.SetPolicy(t.Context(), "acme", []byte(`{"storePrompts":true}`)))
		}
		kill()
		theirs += 50 * written()
	}
	links := d.Chain(t, "acme")
	// A batch may have been committed without its line having been printed.
	if theirs == 0 || len(links) < ours+theirs || len(links) > ours+theirs+4*50 {
		t.Fatalf("%d records of ours and %d of theirs, %d in the table", ours, theirs, len(links))
	}
	key, err := s.Secret(t.Context(), store.SecretChainKey, nil)
	check(t, err)
	var previous []byte
	for i, l := range links {
		if l.Seq != int64(i+1) || !store.Verify(key, previous, l.Record, l.Hash) {
			t.Fatalf("link %d has number %d or does not verify", i+1, l.Seq)
		}
		previous = l.Hash
	}
	for query, want := range map[string]string{
		"SELECT sum(requests) FROM usage_15m":                                                        fmt.Sprint(len(links)),
		"SELECT sum(cost_nanousd) - (SELECT sum(cost_nanousd) FROM request_attempts) FROM usage_15m": "0",
		"SELECT count(*) FROM request_attempts":                                                      fmt.Sprint(len(links)),
		"PRAGMA integrity_check":                                                                     "ok",
	} {
		if got := d.Column(t, "acme", query)[0]; got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

func TestFilesAreTheOwnersAlone(t *testing.T) {
	d := database{filepath.Join(t.TempDir(), "new", "data")}
	s := d.Open(t)
	check(t, s.Migrate(t.Context()))
	createAcme(t, s)
	_, err := s.Append(t.Context(), "acme", batch(1))
	check(t, err)
	files := 0
	check(t, filepath.WalkDir(d.dir, func(path string, e fs.DirEntry, err error) error {
		check(t, err)
		info, err := e.Info()
		check(t, err)
		want := fs.FileMode(0o600)
		if e.IsDir() {
			want = 0o700
		} else {
			files++
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return nil
	}))
	if files < 4 { // two databases and their logs
		t.Errorf("%d files", files)
	}
}

// A path may hold characters that mean something in a URI.
func TestOddPath(t *testing.T) {
	d := database{filepath.Join(t.TempDir(), "a b?c#d%41&mode=memory")}
	s := d.Open(t)
	check(t, s.Migrate(t.Context()))
	createAcme(t, s)
	if _, err := os.Stat(filepath.Join(d.dir, "tenants", "tenant_acme.db")); err != nil {
		t.Fatal(err)
	}
}

// A tenant whose file has gone is not a tenant that never was: its keys must not
// look unknown.
func TestLostFile(t *testing.T) {
	d := database{t.TempDir()}
	first, err := sqlite.Open(t.Context(), d.dir)
	check(t, err)
	check(t, first.Migrate(t.Context()))
	createAcme(t, first)
	check(t, first.Close())
	check(t, os.Remove(d.path("acme")))
	s := d.Open(t)
	if _, _, err := s.Lookup(t.Context(), "firstkey"); err == nil || errors.Is(err, tenancy.ErrNotFound) {
		t.Fatalf("lookup: %v", err)
	}
	if err := s.Migrate(t.Context()); err == nil {
		t.Fatal("migrated without the file")
	}
	if _, err := os.Stat(d.path("acme")); err == nil {
		t.Fatal("an empty file took the place of the lost one")
	}
}

func TestClosed(t *testing.T) {
	s, err := sqlite.Open(t.Context(), t.TempDir())
	check(t, err)
	check(t, s.Migrate(t.Context()))
	createAcme(t, s)
	check(t, s.Close())
	if _, err := s.Append(t.Context(), "acme", batch(1)); err == nil {
		t.Error("a closed store wrote")
	}
	if _, err := s.Record(t.Context(), "acme", "x"); err == nil {
		t.Error("a closed store read")
	}
}
