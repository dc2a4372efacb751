package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"unicode"

	_ "modernc.org/sqlite" // the driver

	"github.com/holdfast-go/holdfast/webhook/inbox"
	"github.com/holdfast-go/holdfast/webhook/inbox/sqlstore"
)

// storeFlags say where the inbox is.
type storeFlags struct{ path, prefix string }

func (f *storeFlags) add(fs *flag.FlagSet) {
	fs.StringVar(&f.path, "db", "", "file of the SQLite database that the inbox is in")
	fs.StringVar(&f.prefix, "prefix", sqlstore.DefaultPrefix, "how the names of its tables begin")
}

// box is an inbox that is looked at. It handles nothing.
type box struct {
	*inbox.Inbox
	store inbox.Store
}

// open opens the inbox for fn. It makes neither a file nor tables: a mistyped path is
// an error, and not an empty inbox.
func (f *storeFlags) open(ctx context.Context, fn func(box) error) (err error) {
	if f.path == "" {
		return wrong("-db is missing: the file that the inbox is in")
	}
	info, err := os.Stat(f.path)
	switch {
	case err != nil:
		return wrong("-db: %w", err)
	case !info.Mode().IsRegular():
		return wrong("-db: %s is no file", f.path)
	}
	address := url.URL{Path: f.path} // in which a ? is escaped
	db, err := sql.Open("sqlite", "file:"+address.EscapedPath())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := f.look(ctx, db); err != nil {
		return err
	}
	// Another program may be at work with it. It, and not this one, brings the tables
	// to its version.
	store, err := sqlstore.NewSQLite(ctx, db, sqlstore.Config{Prefix: f.prefix, SkipMigration: true})
	if err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	defer func() { err = errors.Join(err, store.Close(context.WithoutCancel(ctx))) }()
	in, err := inbox.New(inbox.Config{Store: store})
	if err != nil {
		return err
	}
	return fn(box{in, store})
}

// look sees whether there is an inbox in the database. To make a store is to switch
// the file to a write-ahead log, which is not to happen to the file of another program.
func (f *storeFlags) look(ctx context.Context, db *sql.DB) error {
	table, n := f.prefix+"_schema", 0
	err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?", table).Scan(&n)
	switch {
	case err != nil:
		return fmt.Errorf("%s cannot be read: %w", f.path, err)
	case n == 0:
		return wrong("%s has no table %s, so there is no inbox in it: see -prefix", f.path, table)
	}
	return nil
}

// find returns the events that an argument names: one by its number, as in @17, or
// all that have an ID. There can be several, of several sources.
func (b box) find(ctx context.Context, name string, content bool) ([]inbox.Record, error) {
	filter := inbox.Filter{ID: name, Content: content}
	digits, numbered := strings.CutPrefix(name, "@")
	var seq int64
	if numbered {
		var err error
		if seq, err = strconv.ParseInt(digits, 10, 64); err != nil || seq < 1 {
			return nil, wrong("%q is no number of an event: want one such as @17", name)
		}
		filter = inbox.Filter{After: seq - 1, Limit: 1, Content: content}
	}
	found, err := b.List(ctx, filter)
	if err != nil {
		return nil, err
	}
	if numbered && len(found) == 1 && found[0].Seq != seq {
		return nil, nil
	}
	return found, nil
}

// stateFlag is a state of events. 0 means any.
type stateFlag struct{ inbox.State }

// UnmarshalText reads the name of a state.
func (s *stateFlag) UnmarshalText(text []byte) error {
	var names []string
	for state := inbox.Pending; state <= inbox.Discarded; state++ {
		if state.String() == string(text) {
			s.State = state
			return nil
		}
		names = append(names, state.String())
	}
	return errors.New("want one of " + strings.Join(names, ", "))
}

// MarshalText writes the name of a state, and nothing for any.
func (s stateFlag) MarshalText() ([]byte, error) {
	if s.State == 0 {
		return nil, nil
	}
	return []byte(s.String()), nil
}

// printable returns text for one line of a terminal: at most limit characters, and
// none that could move the cursor, for others have written it.
func printable(text string, limit int) string {
	var b strings.Builder
	n := 0
	for _, r := range text {
		if n == limit {
			b.WriteString("...")
			break
		}
		if !unicode.IsPrint(r) {
			r = unicode.ReplacementChar
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}
