package sqlstore

import (
	"errors"
	"fmt"

	"github.com/holdfast-go/holdfast/internal/sqldb"
)

// DefaultPrefix is how the names of tables and indexes begin.
const DefaultPrefix = "holdfast_sender"

// ErrSchema means that the tables are not of the version that this package
// works with: they are newer or, with Config.SkipMigration, older.
var ErrSchema = sqldb.ErrSchema

// Config says where the tables are. The zero value is a good one.
type Config struct {
	// Prefix is how the names of tables and indexes begin: at most 40 lower-case
	// letters, digits and underscores, no digit first. Stores with different
	// prefixes have nothing in common. "" means [DefaultPrefix].
	Prefix string

	// SkipMigration leaves the tables as they are: they must be there, and of the
	// right version. It is for programs that may not change schemas. [Schema] has
	// the statements.
	SkipMigration bool

	// Notify is the channel of PostgreSQL on which those are told who LISTEN, when
	// messages have been put: a name like Prefix. database/sql cannot listen, but
	// drivers can: one connection that does so, and calls Wake of the sender for
	// each notification, spares it waiting for its next poll. What is due again
	// later, or was replayed elsewhere, still waits for that. "" means that nobody
	// is told. Commits that notify wait for each other, in the whole database.
	// [NewSQLite] refuses it.
	Notify string
}

var errNotify = errors.New("sqlstore: Config.Notify is set: SQLite has no notifications")

// check fills in the defaults.
func (c *Config) check() error {
	if c.Prefix == "" {
		c.Prefix = DefaultPrefix
	}
	return sqldb.CheckNames(c.Prefix, c.Notify)
}

// Dialect is a kind of database.
type Dialect int

// The dialects.
const (
	SQLiteDialect   = Dialect(sqldb.SQLite)
	PostgresDialect = Dialect(sqldb.Postgres)
)

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
