package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// CheckSQLite returns an error if the pool of db is too small for a [Writer],
// which keeps a connection, and others who read.
func CheckSQLite(db *sql.DB) error {
	if db.Stats().MaxOpenConnections == 1 {
		return errors.New("sqlstore: db allows one open connection: must be at least two")
	}
	return nil
}

// synchronousFull is what SQLite calls FULL.
const synchronousFull = 2

// setUp makes a connection durable.
func setUp(ctx context.Context, conn *sql.Conn) error {
	for _, pragma := range []string{
		"busy_timeout = 5000",
		// What a statement of many rows has changed is kept until it has succeeded:
		// in memory, not in a file.
		"temp_store = MEMORY",
		// In pages. The index of hashes is written all over: the more batches are
		// moved from the log to the file at a time, the fewer pages are moved
		// again and again. The log grows to 32 MB for that.
		"wal_autocheckpoint = 8000",
	} {
		if _, err := conn.ExecContext(ctx, "PRAGMA "+pragma); err != nil {
			return err
		}
	}
	var mode string
	if err := conn.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return err
	}
	if !strings.EqualFold(mode, "wal") {
		return fmt.Errorf("the database cannot have a write-ahead log, only %q: is it a file?", mode)
	}
	if _, err := conn.ExecContext(ctx, "PRAGMA synchronous = FULL"); err != nil {
		return err
	}
	var level int
	if err := conn.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&level); err != nil {
		return err
	}
	if level < synchronousFull {
		return fmt.Errorf("the database does not wait for the disk: synchronous is %d", level)
	}
	return nil
}
