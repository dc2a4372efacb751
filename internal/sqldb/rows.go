package sqldb

import (
	"context"
	"database/sql"
	"errors"
)

// Database is a *sql.DB, a *sql.Tx, a *sql.Conn or a [*Session].
type Database interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Each calls scan for each of rows, which it closes.
func Each(rows *sql.Rows, scan func() error) (err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := scan(); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Column reads rows of one value.
func Column[T any](rows *sql.Rows, err error) ([]T, error) {
	if err != nil {
		return nil, err
	}
	var all []T
	err = Each(rows, func() error {
		var value T
		err := rows.Scan(&value)
		all = append(all, value)
		return err
	})
	return all, err
}

// Tally reads rows of a state and a number, and stores each number where counts
// says.
func Tally[S comparable](rows *sql.Rows, err error, counts map[S]*int64) error {
	if err != nil {
		return err
	}
	return Each(rows, func() error {
		var state S
		var n int64
		err := rows.Scan(&state, &n)
		if count := counts[state]; count != nil {
			*count = n
		}
		return err
	})
}

// Changed returns how many rows a statement has changed.
func Changed(result sql.Result, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}
