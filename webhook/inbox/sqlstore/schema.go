package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
)

// Dialect is a kind of database.
type Dialect int

// The dialects.
const (
	SQLiteDialect Dialect = iota + 1
	PostgresDialect
)

// versions are the steps of the schema, each a list of statements. A step that
// was released is never changed: another is added.
//
// An event has a row in _events, which never changes, and one in _work, which is
// small and changes often. What is stored twice, or read to find what is due,
// never touches the bodies.
//
//	due      when it is Pending for, or when its lease is over; the end of all
//	         time while it is Waiting; NULL once it has ended
//	lane     that of the event while it keeps its lane busy, else NULL
//
// All times are microseconds since 1970.
var versions = map[Dialect][][]string{
	SQLiteDialect: {
		{
			`CREATE TABLE {p}_events (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	dedupe BLOB NOT NULL,
	content BLOB,
	lane BLOB,
	fingerprint BLOB NOT NULL,
	source TEXT NOT NULL,
	event_id TEXT NOT NULL,
	id_signed INTEGER NOT NULL,
	type TEXT NOT NULL,
	ordering_key TEXT NOT NULL,
	received INTEGER NOT NULL,
	header TEXT NOT NULL,
	body BLOB NOT NULL
)`,
			`CREATE UNIQUE INDEX {p}_events_dedupe ON {p}_events (dedupe)`,
			`CREATE UNIQUE INDEX {p}_events_content ON {p}_events (content) WHERE content IS NOT NULL`,
			`CREATE TABLE {p}_work (
	id INTEGER PRIMARY KEY,
	state INTEGER NOT NULL,
	due INTEGER,
	lane BLOB,
	ended INTEGER,
	fence INTEGER NOT NULL DEFAULT 0,
	attempts INTEGER NOT NULL DEFAULT 0,
	crashes INTEGER NOT NULL DEFAULT 0,
	replays INTEGER NOT NULL DEFAULT 0,
	reason TEXT NOT NULL DEFAULT ''
)`,
			`CREATE INDEX {p}_work_due ON {p}_work (due) WHERE due IS NOT NULL`,
			`CREATE INDEX {p}_work_lane ON {p}_work (lane) WHERE lane IS NOT NULL`,
			`CREATE INDEX {p}_work_ended ON {p}_work (ended) WHERE ended IS NOT NULL`,
		},
		{
			`CREATE INDEX {p}_work_aside ON {p}_work (state) WHERE state IN (5, 6)`,
		},
	},
	PostgresDialect: {
		{
			`CREATE TABLE {p}_events (
	id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	dedupe BYTEA NOT NULL,
	content BYTEA,
	lane BYTEA,
	fingerprint BYTEA NOT NULL,
	source TEXT NOT NULL,
	event_id TEXT NOT NULL,
	id_signed BOOLEAN NOT NULL,
	type TEXT NOT NULL,
	ordering_key TEXT NOT NULL,
	received BIGINT NOT NULL,
	header TEXT NOT NULL,
	body BYTEA NOT NULL
)`,
			`CREATE UNIQUE INDEX {p}_events_dedupe ON {p}_events (dedupe)`,
			`CREATE UNIQUE INDEX {p}_events_content ON {p}_events (content) WHERE content IS NOT NULL`,
			`CREATE TABLE {p}_work (
	id BIGINT PRIMARY KEY,
	state SMALLINT NOT NULL,
	due BIGINT,
	lane BYTEA,
	ended BIGINT,
	fence BIGINT NOT NULL DEFAULT 0,
	attempts INTEGER NOT NULL DEFAULT 0,
	crashes INTEGER NOT NULL DEFAULT 0,
	replays INTEGER NOT NULL DEFAULT 0,
	reason TEXT NOT NULL DEFAULT ''
)`,
			`CREATE INDEX {p}_work_due ON {p}_work (due, id) WHERE due IS NOT NULL`,
			`CREATE INDEX {p}_work_lane ON {p}_work (lane, id) WHERE lane IS NOT NULL`,
			`CREATE INDEX {p}_work_ended ON {p}_work (ended) WHERE ended IS NOT NULL`,
		},
		{
			`CREATE INDEX {p}_work_aside ON {p}_work (state, id) WHERE state IN (5, 6)`,
		},
	},
}

// Schema returns the statements that make the tables of the current version, in
// order, for those who run migrations of their own: see Config.SkipMigration.
// Its error is that of a wrong prefix.
func Schema(d Dialect, c Config) ([]string, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	steps, ok := versions[d]
	if !ok {
		return nil, fmt.Errorf("sqlstore: Dialect is %d: must be SQLiteDialect or PostgresDialect", d)
	}
	all := []string{"CREATE TABLE " + c.Prefix + "_schema (version INTEGER NOT NULL)"}
	for _, step := range steps {
		for _, statement := range step {
			all = append(all, named(statement, c.Prefix))
		}
	}
	return append(all, fmt.Sprintf("INSERT INTO %s_schema (version) VALUES (%d)", c.Prefix, len(steps))), nil
}

// named fills in the prefix of a statement.
func named(statement, prefix string) string { return strings.ReplaceAll(statement, "{p}", prefix) }

// database is a *sql.Tx or a *sql.Conn.
type database interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// migrate brings the tables to the current version. It runs in a transaction in
// which nobody else does the same.
func migrate(ctx context.Context, db database, d Dialect, c Config) error {
	table, steps := c.Prefix+"_schema", versions[d]
	if !c.SkipMigration {
		if _, err := db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS "+table+" (version INTEGER NOT NULL)"); err != nil {
			return err
		}
	}
	var version sql.NullInt64
	if err := db.QueryRowContext(ctx, "SELECT max(version) FROM "+table).Scan(&version); err != nil {
		return err
	}
	have := int(version.Int64)
	if have < 0 || have > len(steps) || c.SkipMigration && have != len(steps) {
		return fmt.Errorf("%w: %s is at %d, this program works with %d", ErrSchema, table, have, len(steps))
	}
	if have == len(steps) {
		return nil
	}
	for _, step := range steps[have:] {
		for _, statement := range step {
			if _, err := db.ExecContext(ctx, named(statement, c.Prefix)); err != nil {
				return err
			}
		}
	}
	if _, err := db.ExecContext(ctx, "DELETE FROM "+table); err != nil {
		return err
	}
	_, err := db.ExecContext(ctx, "INSERT INTO "+table+" (version) VALUES ("+strconv.Itoa(len(steps))+")")
	return err
}
