package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
)

// statements are the prepared statements of Append on one connection. They go
// around database/sql, whose checks of every argument would cost a tenth of a flush.
type statements struct {
	conn     any // the driver's connection that they belong to
	prepared map[string]driver.Stmt
	args     []driver.NamedValue // reused; every value is set before each use
}

// chunks are the numbers of rows of the prepared inserts, largest first.
var chunks = [...]int{64, 8, 1}

// insert is a statement that takes many rows.
type insert struct {
	columns int
	text    [len(chunks)]string
}

func newInsert(table, columns, tail string) insert {
	n := strings.Count(columns, ",") + 1
	row := "(?" + strings.Repeat(",?", n-1) + ")"
	i := insert{columns: n}
	for c, rows := range chunks {
		i.text[c] = "INSERT INTO " + table + " (" + columns + ") VALUES " + row + strings.Repeat(","+row, rows-1) + " " + tail
	}
	return i
}

// insertRows writes n rows; fill sets the arguments of one. It returns how many
// rows were written, which conflicts make fewer than n.
func (f *file) insertRows(ctx context.Context, conn *sql.Conn, in *insert, n int, fill func(row int, args []driver.NamedValue)) (written int64, err error) {
	err = conn.Raw(func(dc any) error {
		f.hot.bind(dc)
		row := 0
		for c, size := range chunks {
			for ; n-row >= size; row += size {
				args := f.hot.arguments(size * in.columns)
				for i := range size {
					fill(row+i, args[i*in.columns:(i+1)*in.columns])
				}
				rows, err := f.hot.exec(ctx, in.text[c], args)
				if err != nil {
					return err
				}
				written += rows
			}
		}
		return nil
	})
	return written, err
}

// bind drops the statements of a connection that the pool has replaced.
func (s *statements) bind(conn any) {
	if s.conn != conn {
		s.conn, s.prepared = conn, make(map[string]driver.Stmt)
	}
}

func (s *statements) arguments(n int) []driver.NamedValue {
	for i := len(s.args); i < n; i++ {
		s.args = append(s.args, driver.NamedValue{Ordinal: i + 1})
	}
	return s.args[:n]
}

func (s *statements) exec(ctx context.Context, query string, args []driver.NamedValue) (int64, error) {
	stmt := s.prepared[query]
	if stmt == nil {
		var err error
		if stmt, err = s.conn.(driver.ConnPrepareContext).PrepareContext(ctx, query); err != nil {
			return 0, err
		}
		s.prepared[query] = stmt
	}
	result, err := stmt.(driver.StmtExecContext).ExecContext(ctx, args)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// close finalises the statements, without which the connection would not let go of the file.
func (s *statements) close(conn any) error {
	var err error
	if s.conn == conn {
		for _, stmt := range s.prepared {
			err = errors.Join(err, stmt.Close())
		}
	}
	*s = statements{}
	return err
}

func (f *file) closeHot() error {
	conn, err := f.write.Conn(context.Background()) // waits for the transaction under way
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(f.hot.close)
}
