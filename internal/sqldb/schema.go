package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
)

// ErrSchema means that the tables are of another version than the program's.
var ErrSchema = errors.New("sqlstore: another version of the schema")

// Steps are those of a schema, each a list of statements with {p} for the prefix.
// A step that was released is never changed: another is added.
type Steps [][]string

// Statements returns what makes the tables of the current version.
func (s Steps) Statements(prefix string) []string {
	all := []string{"CREATE TABLE " + prefix + "_schema (version INTEGER NOT NULL)"}
	for _, step := range s {
		for _, statement := range step {
			all = append(all, named(statement, prefix))
		}
	}
	return append(all, fmt.Sprintf("INSERT INTO %s_schema (version) VALUES (%d)", prefix, len(s)))
}

// Migrate brings the tables to the current version, or with skip only says
// whether they are. It runs in a transaction in which nobody else does the same.
func (s Steps) Migrate(ctx context.Context, db Database, prefix string, skip bool) error {
	table := prefix + "_schema"
	if !skip {
		if _, err := db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS "+table+" (version INTEGER NOT NULL)"); err != nil {
			return err
		}
	}
	var version sql.NullInt64
	if err := db.QueryRowContext(ctx, "SELECT max(version) FROM "+table).Scan(&version); err != nil {
		return err
	}
	have := int(version.Int64)
	if have < 0 || have > len(s) || skip && have != len(s) {
		return fmt.Errorf("%w: %s is at %d, this program works with %d", ErrSchema, table, have, len(s))
	}
	if have == len(s) {
		return nil
	}
	for _, step := range s[have:] {
		for _, statement := range step {
			if _, err := db.ExecContext(ctx, named(statement, prefix)); err != nil {
				return err
			}
		}
	}
	if _, err := db.ExecContext(ctx, "DELETE FROM "+table); err != nil {
		return err
	}
	_, err := db.ExecContext(ctx, "INSERT INTO "+table+" (version) VALUES ("+strconv.Itoa(len(s))+")")
	return err
}
