package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/generic-corp/halfpenny/migrations"
	"github.com/generic-corp/halfpenny/store"
	"github.com/generic-corp/halfpenny/tenancy"
)

// maxOpen bounds how many tenants' files stay open; those in use are not closed.
const maxOpen = 64

var errClosed = errors.New("the store is closed")

// files opens tenants' files when they are needed and closes those that were used
// least recently.
type files struct {
	dir    string
	mu     sync.Mutex
	open   map[store.Schema]*tenantFile
	clock  int64 // counts acquisitions
	closed bool
}

// tenantFile is a file that is open or about to be.
type tenantFile struct {
	schema  store.Schema
	opening sync.Mutex
	*file         // nil until opened; guarded by opening
	users   int   // guarded by files.mu
	used    int64 // guarded by files.mu
}

func newFiles(dir string) *files { return &files{dir: dir, open: make(map[store.Schema]*tenantFile)} }

// acquire returns a tenant's file, which stays open until it is released.
// Without create a file that is missing is tenancy.ErrNotFound.
func (fs *files) acquire(ctx context.Context, s store.Schema, create bool) (*tenantFile, error) {
	t, err := fs.enter(s)
	if err != nil {
		return nil, err
	}
	t.opening.Lock() // whoever comes second waits for the first to have opened it
	defer t.opening.Unlock()
	if t.file != nil {
		return t, nil
	}
	t.file, err = openFile(ctx, filepath.Join(fs.dir, s.Name()+".db"), create)
	if err == nil {
		return t, nil
	}
	fs.release(t)
	if errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("tenant %q: %w", s.Slug(), tenancy.ErrNotFound)
	}
	return nil, err
}

func (fs *files) enter(s store.Schema) (*tenantFile, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.closed {
		return nil, errClosed
	}
	t := fs.open[s]
	if t == nil {
		t = &tenantFile{schema: s}
		fs.open[s] = t
	}
	fs.clock++
	t.users, t.used = t.users+1, fs.clock
	return t, nil
}

// release gives a file back, and closes the least recently used one if too many are open.
func (fs *files) release(t *tenantFile) {
	fs.mu.Lock()
	t.users--
	var idle *tenantFile
	if len(fs.open) > maxOpen {
		idle = fs.leastUsed()
		delete(fs.open, idle.key())
	}
	fs.mu.Unlock()
	if idle != nil && idle.file != nil {
		_ = idle.close() // what was committed is on disk; nothing can be done here
	}
}

// key is the zero Schema for no file, which is never in the map.
func (t *tenantFile) key() (s store.Schema) {
	if t != nil {
		s = t.schema
	}
	return s
}

func (fs *files) leastUsed() (least *tenantFile) {
	for _, t := range fs.open {
		if t.users == 0 && (least == nil || t.used < least.used) {
			least = t
		}
	}
	return least
}

func (fs *files) close() error {
	fs.mu.Lock()
	fs.closed = true
	open := fs.open
	fs.open = nil
	fs.mu.Unlock()
	var err error
	for _, t := range open {
		t.opening.Lock()
		if t.file != nil {
			err = errors.Join(err, t.close())
		}
		t.opening.Unlock()
	}
	return err
}

// Provision implements store.Driver: it makes the tenant's file. The caller's
// transaction keeps other processes from doing the same at once.
func (fs *files) Provision(ctx context.Context, _ *sql.Tx, s store.Schema) error {
	t, err := fs.acquire(ctx, s, true)
	if err != nil {
		return err
	}
	defer fs.release(t)
	return t.migrate(ctx, migrations.SQLiteTenant)
}

// Place implements store.Driver.
func (fs *files) Place(ctx context.Context, _ store.Querier, s store.Schema) (store.Place, error) {
	t, err := fs.acquire(ctx, s, false)
	if err != nil {
		return store.Place{}, err
	}
	return store.Place{Read: t.read, Write: writer{t.write}, Close: func() { fs.release(t) }}, nil
}

// writer does not interrupt a statement when its context ends: the pool would then
// give up the connection, to which prepared statements belong.
type writer struct{ *sql.DB }

// ExecContext implements store.Querier; the context counts while it waits for the connection.
func (w writer) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	conn, err := w.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ExecContext(context.WithoutCancel(ctx), query, args...)
}
