package config

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long a file must stay the same before it is taken: an editor, or
// a mounted volume, may change it in several steps.
const settle = 100 * time.Millisecond

// Reload reads the configuration again, from the same place and with the same
// flags. Providers and routing may differ; where anything else does, or where the
// new configuration is wrong, there is an error and c stays good.
func (c *Config) Reload() (*Config, error) {
	fresh, err := load(c.flags, c.file)
	if err != nil {
		return nil, fmt.Errorf("cannot reload: %w", err)
	}
	if changed := c.fixedChanges(fresh); len(changed) > 0 {
		return nil, fmt.Errorf("cannot reload: a change of %s needs a restart", strings.Join(changed, ", "))
	}
	return fresh, nil
}

// fixedChanges names the settings that differ and are only read at the start.
func (c *Config) fixedChanges(fresh *Config) []string {
	var changed []string
	after := settings(reflect.ValueOf(fresh).Elem())
	for key, before := range settings(reflect.ValueOf(c).Elem()) {
		if !strings.HasPrefix(key, "routing.") && !sameSetting(before, after[key]) {
			changed = append(changed, key)
		}
	}
	slices.Sort(changed)
	return changed
}

// sameSetting takes an empty list and none for the same.
func sameSetting(a, b any) bool {
	x, isList := a.([]string)
	y, _ := b.([]string)
	if isList {
		return slices.Equal(x, y)
	}
	return a == b
}

// Watch reloads whenever the content of the configuration file changes, until ctx
// ends. It calls onChange with the new configuration, or onError where there is
// none, one call at a time. Without a file it only waits. The error says that the file
// cannot be watched.
func (c *Config) Watch(ctx context.Context, onChange func(*Config), onError func(error)) error {
	if c.file == "" {
		<-ctx.Done()
		return nil
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("cannot watch the configuration: %w", err)
	}
	defer watcher.Close()
	if err := watcher.Add(filepath.Dir(c.file)); err != nil {
		return fmt.Errorf("cannot watch the configuration: %w", err)
	}
	return c.follow(ctx, watcher, onChange, onError)
}

func (c *Config) follow(ctx context.Context, watcher *fsnotify.Watcher, onChange func(*Config), onError func(error)) error {
	look := time.NewTimer(0) // at once, for what changed between Load and Watch
	defer look.Stop()
	waiting := true
	accepted, latest := c.content, c.content
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-watcher.Events:
			if !waiting { // a folder that is always busy must not put the look off for ever
				look.Reset(settle)
				waiting = true
			}
			continue
		case err := <-watcher.Errors:
			onError(fmt.Errorf("cannot watch the configuration: %w", err))
			look.Reset(settle)
			waiting = true
			continue
		case <-look.C:
			waiting = false
		}
		watchFile(watcher, c.file)
		now := contentOf(c.file)
		switch {
		case now != latest: // it may still be changing
			look.Reset(settle)
			waiting = true
		case now != accepted:
			accepted = now
			c.deliver(onChange, onError)
		}
		latest = now
	}
}

func (c *Config) deliver(onChange func(*Config), onError func(error)) {
	fresh, err := c.Reload()
	if err != nil {
		onError(err)
		return
	}
	onChange(fresh)
}

// contentOf is a hash of the file; that of nothing if it cannot be read.
func contentOf(file string) [32]byte {
	b, err := os.ReadFile(file)
	if err != nil {
		return [32]byte{}
	}
	return sha256.Sum256(b)
}

// watchFile watches, beside its folder, the file itself, which may be a mount of
// its own, and the folder in which it really lies, if it is a link. Both may have
// become others since the last time, and watching twice is harmless.
func watchFile(watcher *fsnotify.Watcher, file string) {
	_ = watcher.Add(file)
	if real, err := filepath.EvalSymlinks(file); err == nil {
		_ = watcher.Add(filepath.Dir(real))
	}
}
