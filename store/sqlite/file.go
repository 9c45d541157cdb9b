package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/generic-corp/halfpenny/migrations"
)

const (
	busyTimeout = 10 * time.Second // how long another process may hold the write lock
	readers     = 4                // connections that read one file
	// A checkpoint copies every page once, however often it was written: the larger
	// the log may grow (16 MB), the less is written twice.
	checkpointPages = 4000
)

// file is one database file: one connection writes, a few read.
type file struct {
	path  string
	write *sql.DB
	read  *sql.DB
	hot   statements // of the writing connection
}

// openFile opens a database file, and makes it if create is set.
func openFile(ctx context.Context, path string, create bool) (*file, error) {
	flags := os.O_RDWR
	if create {
		flags |= os.O_CREATE
	}
	// SQLite gives its log and index the mode of the file, so the file is made here.
	fd, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot open database: %w", err)
	}
	_ = fd.Close()
	f := &file{path: path}
	if f.write, err = open(path, "rw", 1, "_txlock=immediate", "_pragma=journal_mode(wal)"); err == nil {
		f.read, err = open(path, "rw", readers, "_pragma=query_only(1)")
	}
	if err == nil {
		err = f.write.PingContext(ctx) // turns the log on before a reader comes
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot open database %s: %w", path, err), f.close())
	}
	return f, nil
}

// open makes a pool. Times are bound as microseconds since 1970. A commit waits
// for the disk (synchronous=full): the journal is trimmed after it.
func open(path, mode string, connections int, more ...string) (*sql.DB, error) {
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?mode=" + mode + "&_time_integer_format=unix_micro&_defensive=1" +
		"&_pragma=busy_timeout(" + strconv.FormatInt(busyTimeout.Milliseconds(), 10) + ")" +
		"&_pragma=synchronous(full)&_pragma=foreign_keys(1)&_pragma=trusted_schema(0)" +
		"&_pragma=wal_autocheckpoint(" + strconv.Itoa(checkpointPages) + ")&_pragma=journal_size_limit(67108864)"
	for _, m := range more {
		dsn += "&" + m
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	if connections > 1 {
		db.SetConnMaxIdleTime(time.Minute)
	}
	return db, nil
}

// close waits for the writer, and for readers that are under way.
func (f *file) close() error {
	var err error
	if f.read != nil {
		err = f.read.Close()
	}
	if f.write != nil {
		err = errors.Join(err, f.closeHot(), f.write.Close())
	}
	if err != nil {
		return fmt.Errorf("cannot close database %s: %w", f.path, err)
	}
	return nil
}

func (f *file) migrate(ctx context.Context, set migrations.Set) error {
	have, err := f.version(ctx)
	if err != nil || have >= set.Latest() {
		return err
	}
	tx, err := f.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("cannot migrate %s: %w", f.path, err)
	}
	defer func() { _ = tx.Rollback() }()
	if err := migrations.Apply(ctx, tx, set, ""); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("cannot migrate %s: %w", f.path, err)
	}
	return nil
}

// version returns how far the file was migrated; 0: not at all.
func (f *file) version(ctx context.Context) (int64, error) {
	var tables int
	err := f.read.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE name = 'halfpenny_migrations'").Scan(&tables)
	if err != nil {
		return 0, fmt.Errorf("cannot read %s: %w", f.path, err)
	}
	if tables == 0 {
		return 0, nil
	}
	return migrations.Current(ctx, f.read, "")
}
