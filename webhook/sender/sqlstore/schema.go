package sqlstore

import "github.com/holdfast-go/holdfast/internal/sqldb"

// versions are the steps of the schema.
//
// A message has a row in _messages, which never changes, and one in _work, which
// is small and changes often: neither a claim nor the end of an attempt writes a
// body again.
//
//	due            when it was to be sent, also while it is leased; NULL once it has ended
//	leased_until   the end of its lease, else NULL
//
// All times are microseconds since 1970.
var versions = map[Dialect]sqldb.Steps{
	SQLiteDialect: {{
		`CREATE TABLE {p}_messages (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	endpoint TEXT NOT NULL,
	message_id TEXT NOT NULL,
	content_type TEXT NOT NULL,
	created INTEGER NOT NULL,
	body BLOB NOT NULL,
	UNIQUE (endpoint, message_id)
)`,
		`CREATE TABLE {p}_work (
	id INTEGER PRIMARY KEY,
	endpoint TEXT NOT NULL,
	state INTEGER NOT NULL,
	due INTEGER,
	leased_until INTEGER,
	ended INTEGER,
	fence INTEGER NOT NULL DEFAULT 0,
	attempts INTEGER NOT NULL DEFAULT 0,
	reason TEXT NOT NULL DEFAULT ''
)`,
		`CREATE INDEX {p}_work_pending ON {p}_work (endpoint, due, id) WHERE state = 1`,
		`CREATE INDEX {p}_work_leased ON {p}_work (endpoint) WHERE state = 2`,
		`CREATE INDEX {p}_work_dead ON {p}_work (id) WHERE state = 4`,
		`CREATE INDEX {p}_work_ended ON {p}_work (ended) WHERE ended IS NOT NULL`,
		`CREATE TABLE {p}_endpoints (
	endpoint TEXT PRIMARY KEY,
	failures INTEGER NOT NULL DEFAULT 0,
	failing_since INTEGER,
	paused_until INTEGER,
	disabled_at INTEGER,
	reason TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID`,
	}},
	PostgresDialect: {{
		// "C" compares names as bytes, as SQLite does, and faster.
		`CREATE TABLE {p}_messages (
	id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	endpoint TEXT COLLATE "C" NOT NULL,
	message_id TEXT COLLATE "C" NOT NULL,
	content_type TEXT NOT NULL,
	created BIGINT NOT NULL,
	body BYTEA NOT NULL,
	UNIQUE (endpoint, message_id)
)`,
		`CREATE TABLE {p}_work (
	id BIGINT PRIMARY KEY,
	endpoint TEXT COLLATE "C" NOT NULL,
	state SMALLINT NOT NULL,
	due BIGINT,
	leased_until BIGINT,
	ended BIGINT,
	fence BIGINT NOT NULL DEFAULT 0,
	attempts INTEGER NOT NULL DEFAULT 0,
	reason TEXT NOT NULL DEFAULT ''
)`,
		`CREATE INDEX {p}_work_pending ON {p}_work (endpoint, due, id) WHERE state = 1`,
		`CREATE INDEX {p}_work_leased ON {p}_work (endpoint) WHERE state = 2`,
		`CREATE INDEX {p}_work_dead ON {p}_work (id) WHERE state = 4`,
		`CREATE INDEX {p}_work_ended ON {p}_work (ended) WHERE ended IS NOT NULL`,
		`CREATE TABLE {p}_endpoints (
	endpoint TEXT COLLATE "C" PRIMARY KEY,
	failures INTEGER NOT NULL DEFAULT 0,
	failing_since BIGINT,
	paused_until BIGINT,
	disabled_at BIGINT,
	reason TEXT NOT NULL DEFAULT ''
)`,
	}},
}
