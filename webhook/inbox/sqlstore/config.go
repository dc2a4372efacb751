package sqlstore

import (
	"errors"
	"fmt"
	"regexp"
)

// DefaultPrefix is how the names of tables and indexes begin.
const DefaultPrefix = "holdfast_inbox"

// ErrSchema means that the tables are not of the version that this package
// works with: they are newer or, with Config.SkipMigration, older.
var ErrSchema = errors.New("sqlstore: another version of the schema")

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
}

var prefixes = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,39}$`)

// check fills in the defaults.
func (c *Config) check() error {
	if c.Prefix == "" {
		c.Prefix = DefaultPrefix
	}
	if !prefixes.MatchString(c.Prefix) {
		return fmt.Errorf("sqlstore: Config.Prefix is %q: must be at most 40 of a-z, 0-9 and _, no digit first", c.Prefix)
	}
	return nil
}
