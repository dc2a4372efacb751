package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/webhook/inbox"
)

// SQLite is an [inbox.TxStore] in a SQLite database. It is safe for concurrent
// use, and several programs of one machine can share a database.
type SQLite struct {
	q      *queries
	db     *sql.DB
	writer *writer

	insertEvent, due, lease string
	doneBefore, deadBefore  string
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
	if n := db.Stats().MaxOpenConnections; n == 1 {
		return nil, errors.New("sqlstore: db allows one open connection: must be at least two")
	}
	q := newQueries(SQLiteDialect, c.Prefix)
	s := &SQLite{
		q: q, db: db, writer: &writer{db: db, setUp: setUpSQLite, work: newWorkInserts(q)},
		insertEvent: q.text(`INSERT INTO {p}_events
			(dedupe, content, lane, fingerprint, source, event_id, id_signed, type, ordering_key, received, header, body)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`),
		due: q.text(`SELECT w.id, w.due, w.fence + 1, w.attempts + 1, w.crashes + (w.state = 2), w.replays, ` + eventColumns + `
			FROM {p}_work w JOIN {p}_events e ON e.id = w.id WHERE w.due <= ? ORDER BY w.due, w.id LIMIT ?`),
		lease: q.text(`UPDATE {p}_work SET state = 2, due = ?, fence = fence + 1, attempts = attempts + 1,
			crashes = crashes + (state = 2) WHERE id = ?`),
		doneBefore: q.text(`SELECT id FROM {p}_work WHERE ended < ? AND state IN (4, 7) LIMIT ?`),
		deadBefore: q.text(`SELECT id FROM {p}_work WHERE ended < ? AND state IN (5, 6) AND lane IS NULL LIMIT ?`),
	}
	err := s.writer.do(ctx, func(ctx context.Context, session *session) error {
		// Not prepared: the statements refer to tables that others have made.
		return migrate(ctx, session.Conn, SQLiteDialect, c)
	})
	if err != nil {
		return nil, fmt.Errorf("sqlstore: %w", err)
	}
	return s, nil
}

// synchronousFull is what SQLite calls FULL.
const synchronousFull = 2

// setUpSQLite makes a connection durable.
func setUpSQLite(ctx context.Context, conn *sql.Conn) error {
	for _, pragma := range []string{
		"busy_timeout = 5000",
		// In pages. The index of hashes is written all over: the more batches are
		// moved from the log to the file at a time, the fewer pages are moved
		// again and again. The log grows to 32 MB for that.
		"wal_autocheckpoint = 8000",
	} {
		if _, err := conn.ExecContext(ctx, "PRAGMA "+pragma); err != nil {
			return err
		}
	}
	var mode string
	if err := conn.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return err
	}
	if !strings.EqualFold(mode, "wal") {
		return fmt.Errorf("the database cannot have a write-ahead log, only %q: is it a file?", mode)
	}
	if _, err := conn.ExecContext(ctx, "PRAGMA synchronous = FULL"); err != nil {
		return err
	}
	var level int
	if err := conn.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&level); err != nil {
		return err
	}
	if level < synchronousFull {
		return fmt.Errorf("the database does not wait for the disk: synchronous is %d", level)
	}
	return nil
}

// Close waits for what is being written and gives the connection back to the
// database, which it does not close. Calls that write fail afterwards.
func (s *SQLite) Close(ctx context.Context) error { return s.writer.close(ctx) }

// Now is the time of this machine.
func (*SQLite) Now(ctx context.Context) (time.Time, error) { return time.Now(), context.Cause(ctx) }

// Put stores entries, see [inbox.Store].
func (s *SQLite) Put(ctx context.Context, now time.Time, entries []inbox.Entry) ([]inbox.Result, error) {
	size := 0
	own := make([]inbox.Entry, len(entries))
	for i := range entries {
		// The write may go on after the caller has gone.
		own[i] = entries[i]
		own[i].Body = bytes.Clone(entries[i].Body)
		own[i].Header = entries[i].Header.Clone()
		size += len(entries[i].Body)
	}
	results := make([]inbox.Result, len(entries))
	err := s.writer.wait(ctx, &job{size: size, puts: true, run: func(ctx context.Context, session *session) error {
		for i := range own {
			var err error
			if results[i], err = s.put(ctx, session, now, &own[i]); err != nil {
				return err
			}
		}
		return nil
	}})
	if err != nil {
		return nil, err
	}
	return results, nil
}

func (s *SQLite) put(ctx context.Context, db *session, now time.Time, e *inbox.Entry) (inbox.Result, error) {
	p := place{result: inbox.Stored, dedupe: e.Dedupe, content: e.Content}
	id, err := s.insert(ctx, db, e, p)
	if err != nil {
		return 0, err
	}
	if id == 0 {
		if p, err = s.q.conflict(ctx, db, e); err != nil {
			return 0, err
		}
		if p.result == inbox.Reuse {
			if id, err = s.insert(ctx, db, e, p); err != nil {
				return 0, err
			}
		}
		if id == 0 {
			return inbox.Duplicate, nil
		}
		db.waiting = append(db.waiting, workRow{id, int(inbox.Quarantined), nil, nil, now.UnixMicro()})
		return inbox.Reuse, nil
	}
	state, due := inbox.Pending, now.UnixMicro()
	if e.Lane != (inbox.Hash{}) {
		var busy bool
		if err := s.writer.work.flush(ctx, db); err != nil {
			return 0, err
		}
		if err := db.QueryRowContext(ctx, s.q.busy, e.Lane[:]).Scan(&busy); err != nil {
			return 0, err
		}
		if busy {
			state, due = inbox.Waiting, never
		}
	}
	db.waiting = append(db.waiting, workRow{id, int(state), due, blob(e.Lane), nil})
	return inbox.Stored, nil
}

// insert returns the number of the event, 0 if there is one like it.
func (s *SQLite) insert(ctx context.Context, db *session, e *inbox.Entry, p place) (int64, error) {
	args, err := insertArgs(e, p.dedupe, p.content)
	if err != nil {
		return 0, err
	}
	result, err := db.exec(ctx, s.insertEvent, args...)
	if err != nil {
		return 0, err
	}
	if n, err := result.RowsAffected(); n == 0 || err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

// Claim takes events that are due, see [inbox.Store].
func (s *SQLite) Claim(ctx context.Context, now, until time.Time, limit int) ([]inbox.Claim, error) {
	var claims []inbox.Claim
	err := s.writer.do(ctx, func(ctx context.Context, session *session) error {
		rows, err := session.QueryContext(ctx, s.due, now.UnixMicro(), limit)
		if err != nil {
			return err
		}
		if claims, err = scanClaims(rows); err != nil {
			return err
		}
		for i := range claims {
			if _, err := session.exec(ctx, s.lease, until.UnixMicro(), claims[i].Seq); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return claims, nil
}

// Extend moves the ends of leases, see [inbox.Store].
func (s *SQLite) Extend(ctx context.Context, tokens []inbox.Token, until time.Time) ([]inbox.Token, error) {
	var lost []inbox.Token
	err := s.writer.do(ctx, func(ctx context.Context, session *session) error {
		lost = nil
		for _, t := range tokens {
			err := changed(session.exec(ctx, s.q.extend, until.UnixMicro(), t.Seq, t.Fence))
			if errors.Is(err, inbox.ErrStale) {
				lost = append(lost, t)
			} else if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return lost, nil
}

// Finish ends a lease, see [inbox.Store].
func (s *SQLite) Finish(ctx context.Context, now time.Time, token inbox.Token, o inbox.Outcome) error {
	stale := false
	err := s.writer.do(ctx, func(ctx context.Context, session *session) error {
		err := s.q.finish(ctx, session, now, token, o)
		if stale = errors.Is(err, inbox.ErrStale); stale {
			return nil // nothing was changed: no reason to undo what others write
		}
		return err
	})
	if err == nil && stale {
		return inbox.ErrStale
	}
	return err
}

// Transact makes an event Done together with what fn writes, see
// [inbox.TxStore]. SQLite has one writer at a time: while fn runs nothing else is
// stored.
func (s *SQLite) Transact(ctx context.Context, now time.Time, token inbox.Token, fn func(*sql.Tx) error) error {
	return s.writer.exclusive(ctx, func(session *session) error {
		tx, err := session.BeginTx(ctx, nil)
		if err != nil {
			return s.writer.broken(err) // the next one gets another connection
		}
		defer tx.Rollback() //nolint:errcheck // after Commit there is nothing to undo
		// To write first takes the lock: a transaction that begins with reading
		// can fail at its first write.
		if err := s.q.finish(ctx, tx, now, token, inbox.Outcome{State: inbox.Done}); err != nil {
			return s.writer.broken(err)
		}
		if err := fn(tx); err != nil {
			return err
		}
		return s.writer.broken(tx.Commit())
	})
}
