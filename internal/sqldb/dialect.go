package sqldb

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Dialect is a kind of database.
type Dialect int

// The dialects.
const (
	SQLite Dialect = iota + 1
	Postgres
)

var prefixes = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,39}$`)

// IsName reports whether name can be the beginning of names of tables and
// indexes: at most 40 lower-case letters, digits and underscores, no digit first.
func IsName(name string) bool { return prefixes.MatchString(name) }

// Text makes a statement of one with {p} for the prefix, and a ? for each
// argument.
func (d Dialect) Text(statement, prefix string) string {
	statement = named(statement, prefix)
	if d == SQLite {
		return statement
	}
	var b strings.Builder
	for i, part := range strings.Split(statement, "?") {
		if i > 0 {
			b.WriteString("$" + strconv.Itoa(i))
		}
		b.WriteString(part)
	}
	return b.String()
}

// named fills in the prefix of a statement.
func named(statement, prefix string) string { return strings.ReplaceAll(statement, "{p}", prefix) }

// ListOf is how numbers are passed to string_to_array: there is no other way to
// pass an array that all drivers of PostgreSQL know.
func ListOf(numbers []int64) string {
	var b []byte
	for i, n := range numbers {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, n, 10)
	}
	return string(b)
}

// CheckNames returns the error of a Config.Prefix that is no name, and of a
// Config.Notify that is none and not empty.
func CheckNames(prefix, notify string) error {
	var errs []error
	if !IsName(prefix) {
		errs = append(errs, fmt.Errorf("sqlstore: Config.Prefix is %q: must be at most 40 of a-z, 0-9 and _, no digit first", prefix))
	}
	if notify != "" && !IsName(notify) {
		errs = append(errs, fmt.Errorf("sqlstore: Config.Notify is %q: must be at most 40 of a-z, 0-9 and _, no digit first", notify))
	}
	return errors.Join(errs...)
}
