package config

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func overwrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestReload(t *testing.T) {
	secret := secretFile(t, "sk-old")
	old := "server: {listen: 127.0.0.1:80}\nadmin: {token: one}\nproviders: [{name: a, kind: openai, api_keys: ['file:" + secret + "']}]\n"
	c := loaded(t, old)
	f := func(text, wrong string) *Config {
		t.Helper()
		overwrite(t, c.File(), text)
		fresh, err := c.Reload()
		if (err == nil) != (wrong == "") || err != nil && !strings.Contains(err.Error(), wrong) {
			t.Errorf("%s\n→ %v", text, err)
		}
		if c.Providers[0].Name != "a" || c.Server.Listen != "127.0.0.1:80" {
			t.Fatal("the old configuration was changed")
		}
		return fresh
	}
	overwrite(t, secret, "sk-new")
	if fresh := f(old, ""); fresh.Providers[0].Secrets()[0] != "sk-new" || c.Providers[0].Secrets()[0] != "sk-old" {
		t.Error("a key that was rotated in its file is not seen")
	}
	fresh := f(strings.Replace(old, "name: a", "name: b", 1)+"routing: {quality_floor: 0.5, aliases: {x: y}}", "")
	if fresh.Providers[0].Name != "b" || fresh.Routing.QualityFloor != 0.5 || fresh.Routing.Aliases["x"] != "y" {
		t.Errorf("%s", fresh)
	}
	f(strings.Replace(old, ":80", ":81", 1), "a change of server.listen, server.public_url needs a restart")
	f(strings.Replace(old, "one", "two", 1), "a change of admin.token needs a restart")
	f(old+"store: {path: elsewhere}", "store.path needs a restart")
	f(old+"routing: {quality_floor: 2}", "routing.quality_floor")
	f("providers: [", "line 1")
	if err := os.Remove(c.File()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Reload(); err == nil || !strings.Contains(err.Error(), "test.yaml") {
		t.Error(err)
	}
}

// watched runs Watch and hands out what it reports.
func watched(t *testing.T, c *Config) (changes <-chan *Config, errs <-chan error) {
	t.Helper()
	changed, failed, done := make(chan *Config, 9), make(chan error, 9), make(chan error)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		done <- c.Watch(ctx, func(fresh *Config) { changed <- fresh }, func(err error) { failed <- err })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return changed, failed
}

func wantFloor(t *testing.T, changes <-chan *Config, errs <-chan error, floor float64) {
	t.Helper()
	select {
	case c := <-changes:
		if c.Routing.QualityFloor != floor {
			t.Fatalf("floor %v, want %v", c.Routing.QualityFloor, floor)
		}
	case err := <-errs:
		t.Fatal(err)
	case <-time.After(10 * time.Second):
		t.Fatal("no change was reported")
	}
}

func wantError(t *testing.T, changes <-chan *Config, errs <-chan error, part string) {
	t.Helper()
	select {
	case c := <-changes:
		t.Fatalf("accepted: %s", c)
	case err := <-errs:
		if !strings.Contains(err.Error(), part) {
			t.Fatal(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("no error was reported")
	}
}

func TestWatch(t *testing.T) {
	c := loaded(t, openai+"routing: {quality_floor: 0.1}")
	overwrite(t, c.File(), openai+"routing: {quality_floor: 0.2}") // between Load and Watch
	changes, errs := watched(t, c)
	wantFloor(t, changes, errs, 0.2)

	overwrite(t, c.File(), openai+"routing: {quality_floor: 0.3}")
	wantFloor(t, changes, errs, 0.3)

	overwrite(t, c.File(), openai+"routing: {quality_flor: 0.4}")
	wantError(t, changes, errs, "routing.quality_flor")

	overwrite(t, c.File(), openai+"admin: {token: new}")
	wantError(t, changes, errs, "admin.token")

	next := c.File() + ".tmp"
	overwrite(t, next, openai+"routing: {quality_floor: 0.5}")
	if err := os.Rename(next, c.File()); err != nil {
		t.Fatal(err)
	}
	wantFloor(t, changes, errs, 0.5)

	overwrite(t, filepath.Join(filepath.Dir(c.File()), "neighbour"), "x")
	overwrite(t, c.File(), openai+"routing: {quality_floor: 0.5}")
	select {
	case <-changes:
		t.Error("the same content was reported again")
	case err := <-errs:
		t.Error(err)
	case <-time.After(4 * settle):
	}
}

// A folder that never rests must not keep a change from being seen.
func TestWatchInABusyFolder(t *testing.T) {
	c := loaded(t, openai)
	changes, errs := watched(t, c)
	stop := make(chan struct{})
	idle := make(chan struct{})
	go func() {
		defer close(idle)
		for {
			select {
			case <-stop:
				return
			case <-time.After(settle / 10):
				_ = os.WriteFile(filepath.Join(filepath.Dir(c.File()), "busy"), []byte(time.Now().String()), 0o600)
			}
		}
	}()
	overwrite(t, c.File(), openai+"routing: {quality_floor: 0.3}")
	wantFloor(t, changes, errs, 0.3)
	close(stop)
	<-idle
}

// Kubernetes swaps a link to a folder, beside the link that is the file.
func TestWatchThroughLinks(t *testing.T) {
	dir := t.TempDir()
	version := func(name, floor string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		overwrite(t, filepath.Join(dir, name, "halfpenny.yaml"), openai+"routing: {quality_floor: "+floor+"}")
		if err := os.Symlink(name, filepath.Join(dir, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	version("..1", "0.1")
	file := filepath.Join(dir, "halfpenny.yaml")
	if err := os.Symlink("..data/halfpenny.yaml", file); err != nil {
		t.Fatal(err)
	}
	c, err := Load(Flags{File: file})
	if err != nil {
		t.Fatal(err)
	}
	changes, errs := watched(t, c)
	time.Sleep(2 * settle)
	version("..2", "0.2")
	wantFloor(t, changes, errs, 0.2)
	overwrite(t, filepath.Join(dir, "..2", "halfpenny.yaml"), openai+"routing: {quality_floor: 0.3}")
	wantFloor(t, changes, errs, 0.3)
	version("..3", "0.4")
	wantFloor(t, changes, errs, 0.4)
}

func TestWatchWithoutAFile(t *testing.T) {
	t.Chdir(t.TempDir())
	c, err := Load(Flags{})
	if err != nil {
		t.Fatal(err)
	}
	watched(t, c)
}
