package sqlstore

import (
	"fmt"

	"github.com/holdfast-go/holdfast/internal/sqldb"
)

// Dialect is a kind of database.
type Dialect int

// The dialects.
const (
	SQLiteDialect   = Dialect(sqldb.SQLite)
	PostgresDialect = Dialect(sqldb.Postgres)
)

// versions are the steps of the schema.
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
var versions = map[Dialect]sqldb.Steps{
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
	return steps.Statements(c.Prefix), nil
}
