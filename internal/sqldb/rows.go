package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
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

// Where are the conditions of a query, and their arguments.
type Where struct {
	conditions []string
	args       []any
}

// And adds a condition if it is asked for.
func (w *Where) And(asked bool, condition string, arg any) {
	if asked {
		w.conditions, w.args = append(w.conditions, condition), append(w.args, arg)
	}
}

// String joins the conditions, of which there must be one at least.
func (w *Where) String() string { return strings.Join(w.conditions, " AND ") }

// Args are the arguments of the conditions, and more behind them.
func (w *Where) Args(more ...any) []any { return append(slices.Clip(w.args), more...) }

// Delete deletes the rows with these numbers from each of the tables.
func Delete(ctx context.Context, db Database, ids []int64, tables ...string) error {
	for _, id := range ids {
		for _, table := range tables {
			if _, err := db.ExecContext(ctx, "DELETE FROM "+table+" WHERE id = ?", id); err != nil {
				return err
			}
		}
	}
	return nil
}
