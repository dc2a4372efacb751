package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast/internal/sqldb"
	"github.com/holdfast-go/holdfast/webhook/inbox"
)

// SQLite is an [inbox.TxStore] in a SQLite database. It is safe for concurrent
// use, and several programs of one machine can share a database.
type SQLite struct {
	q      *queries
	db     *sql.DB
	writer *sqldb.Writer[*item]

	due, lease             string
	doneBefore, deadBefore string
}

// NewSQLite makes the tables, if they are not there, and a store of them. The
// database must be a file: it is switched to a write-ahead log (WAL), which must
// not be on a network file system.
//
// The store keeps one connection of db for itself, with synchronous=FULL, so
// that what is committed survives a loss of power, and reads with others: db must
// allow at least two. Other writers of the same database should set a
// busy_timeout.
//
// Each statement of a driver of SQLite is a call into another world, so the
// context of a write ends the wait for it and not the write.
func NewSQLite(ctx context.Context, db *sql.DB, c Config) (*SQLite, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.Notify != "" {
		return nil, errNotify
	}
	if err := sqldb.CheckSQLite(db); err != nil {
		return nil, err
	}
	q := newQueries(sqldb.SQLite, c.Prefix)
	s := &SQLite{
		q: q, db: db, writer: sqldb.NewWriter(db, newIngest(q).insert),
		due: q.text(`SELECT w.id, w.due, w.fence + 1, w.attempts + 1, w.crashes + (w.state = 2), w.replays, ` + eventColumns + `
			FROM {p}_work w JOIN {p}_events e ON e.id = w.id WHERE w.due <= ? ORDER BY w.due, w.id LIMIT ?`),
		lease: q.text(`UPDATE {p}_work SET state = 2, due = ?, fence = fence + 1, attempts = attempts + 1,
			crashes = crashes + (state = 2) WHERE id = ?`),
		doneBefore: q.text(`SELECT id FROM {p}_work WHERE ended < ? AND state IN (4, 7) LIMIT ?`),
		deadBefore: q.text(`SELECT id FROM {p}_work WHERE ended < ? AND state IN (5, 6) AND lane IS NULL LIMIT ?`),
	}
	err := s.writer.Do(ctx, func(ctx context.Context, session *sqldb.Session) error {
		// Not prepared: the statements refer to tables that others have made.
		return versions[SQLiteDialect].Migrate(ctx, session.Conn, c.Prefix, c.SkipMigration)
	})
	if err != nil {
		return nil, fmt.Errorf("sqlstore: %w", err)
	}
	return s, nil
}

// Close waits for what is being written and gives the connection back to the
// database, which it does not close. Calls that write fail afterwards.
func (s *SQLite) Close(ctx context.Context) error { return s.writer.Close(ctx) }

// Now is the time of this machine.
func (*SQLite) Now(ctx context.Context) (time.Time, error) { return time.Now(), context.Cause(ctx) }

// Claim takes events that are due, see [inbox.Store].
func (s *SQLite) Claim(ctx context.Context, now, until time.Time, limit int) ([]inbox.Claim, error) {
	return sqldb.Write(ctx, s.writer, func(ctx context.Context, session *sqldb.Session) ([]inbox.Claim, error) {
		rows, err := session.QueryContext(ctx, s.due, now.UnixMicro(), limit)
		if err != nil {
			return nil, err
		}
		claims, err := scanClaims(rows)
		for i := range claims {
			if _, err := session.ExecContext(ctx, s.lease, until.UnixMicro(), claims[i].Seq); err != nil {
				return nil, err
			}
		}
		return claims, err
	})
}

// Extend moves the ends of leases, see [inbox.Store].
func (s *SQLite) Extend(ctx context.Context, tokens []inbox.Token, until time.Time) ([]inbox.Token, error) {
	return sqldb.Write(ctx, s.writer, func(ctx context.Context, session *sqldb.Session) (lost []inbox.Token, err error) {
		for _, t := range tokens {
			err := changed(session.ExecContext(ctx, s.q.extend, until.UnixMicro(), t.Seq, t.Fence))
			if errors.Is(err, inbox.ErrStale) {
				lost = append(lost, t)
			} else if err != nil {
				return nil, err
			}
		}
		return lost, nil
	})
}

// Finish ends a lease, see [inbox.Store].
func (s *SQLite) Finish(ctx context.Context, now time.Time, token inbox.Token, o inbox.Outcome) error {
	stale, err := sqldb.Write(ctx, s.writer, func(ctx context.Context, session *sqldb.Session) (bool, error) {
		err := s.q.finish(ctx, session, now, token, o)
		if errors.Is(err, inbox.ErrStale) {
			return true, nil // nothing was changed: no reason to undo what others write
		}
		return false, err
	})
	if stale {
		return inbox.ErrStale
	}
	return err
}

// Transact makes an event Done together with what fn writes, see
// [inbox.TxStore]. SQLite has one writer at a time: while fn runs nothing else is
// stored.
func (s *SQLite) Transact(ctx context.Context, now time.Time, token inbox.Token, fn func(*sql.Tx) error) error {
	return s.writer.Transact(ctx, func(tx *sql.Tx) error {
		// To write first takes the lock: a transaction that begins with reading
		// can fail at its first write.
		if err := s.q.finish(ctx, tx, now, token, inbox.Outcome{State: inbox.Done}); err != nil {
			return err
		}
		return fn(tx)
	})
}
