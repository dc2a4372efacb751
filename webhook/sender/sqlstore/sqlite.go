package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/internal/sqldb"
	"github.com/holdfast-go/holdfast/webhook/sender"
)

// SQLite is a [sender.TxStore] in a SQLite database. It is safe for concurrent
// use, and several programs of one machine can share a database.
type SQLite struct {
	q      *queries
	db     *sql.DB
	writer *sqldb.Writer[*batch]

	message, work string
	ready, lease  string
	replay        string
}

// batch is what one call puts.
type batch struct {
	messages []sender.Message
	now      time.Time
	fresh    int
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
		q: q, db: db,
		message: q.text(`INSERT INTO {p}_messages (endpoint, message_id, content_type, created, body)
			VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`),
		work: q.text(`INSERT INTO {p}_work (id, endpoint, state, due) VALUES (?, ?, 1, ?)`),
		// CROSS JOIN keeps the order: no message is looked at but those that the
		// index gives for an endpoint.
		ready: q.text(strings.ReplaceAll(readyEndpoints, "{perEndpoint}", "?") + `, ranked AS (
				SELECT w.id, w.due, w.fence + 1 AS fence, w.attempts + 1 AS attempts, r.room,
					row_number() OVER (PARTITION BY w.endpoint ORDER BY w.due, w.id) AS place
				FROM ready r CROSS JOIN {p}_work w ON w.id IN (SELECT x.id FROM {p}_work x
					WHERE x.state = 1 AND x.endpoint = r.endpoint AND x.due <= ? ORDER BY x.due, x.id LIMIT ?)
				WHERE r.room > 0
			), c AS (SELECT * FROM ranked WHERE place <= room ORDER BY place, due, id LIMIT ?)
			SELECT ` + claimColumns + ` FROM c CROSS JOIN {p}_messages m ON m.id = c.id ORDER BY c.place, c.due, c.id`),
		lease: q.text(`UPDATE {p}_work SET state = 2, leased_until = ?, fence = fence + 1, attempts = attempts + 1 WHERE id = ?`),
		replay: q.text(`UPDATE {p}_work SET state = 1, due = ?, ended = NULL, attempts = 0
			WHERE id = ? AND state IN (3, 4)`),
	}
	s.writer = sqldb.NewWriter(db, s.insert)
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

// Put stores messages, see [sender.Store].
func (s *SQLite) Put(ctx context.Context, now time.Time, messages []sender.Message) (int, error) {
	// The write may go on after the caller has gone.
	b := &batch{messages: slices.Clone(messages), now: now}
	size := 0
	for i := range b.messages {
		b.messages[i].Body = bytes.Clone(b.messages[i].Body)
		size += len(b.messages[i].Body)
	}
	if err := s.writer.Put(ctx, size, []*batch{b}); err != nil {
		return 0, err
	}
	return b.fresh, nil
}

func (s *SQLite) insert(ctx context.Context, db *sqldb.Session, batches []*batch) error {
	for _, b := range batches {
		var err error
		if b.fresh, err = s.put(ctx, db, b.now, b.messages); err != nil {
			return err
		}
	}
	return nil
}

// PutTx stores messages in a transaction of the caller's, see [sender.TxStore].
func (s *SQLite) PutTx(ctx context.Context, tx *sql.Tx, now time.Time, messages []sender.Message) (int, error) {
	return s.put(ctx, tx, now, messages)
}

func (s *SQLite) put(ctx context.Context, db sqldb.Database, now time.Time, messages []sender.Message) (int, error) {
	fresh := 0
	for i := range messages {
		m := &messages[i]
		result, err := db.ExecContext(ctx, s.message, messageArgs(m, now)...)
		n, err := sqldb.Changed(result, err)
		if err != nil {
			return 0, err
		}
		if n == 0 {
			continue
		}
		id, err := result.LastInsertId()
		if err != nil {
			return 0, err
		}
		if _, err := db.ExecContext(ctx, s.work, id, m.Endpoint, now.UnixMicro()); err != nil {
			return 0, err
		}
		fresh++
	}
	return fresh, nil
}

// Claim leases messages, see [sender.Store].
func (s *SQLite) Claim(ctx context.Context, now, until time.Time, limit, perEndpoint int) ([]sender.Claim, error) {
	return sqldb.Write(ctx, s.writer, func(ctx context.Context, db *sqldb.Session) ([]sender.Claim, error) {
		us := now.UnixMicro()
		if _, err := db.ExecContext(ctx, s.q.takeBack, us); err != nil {
			return nil, err
		}
		rows, err := db.QueryContext(ctx, s.ready, perEndpoint, us, us, perEndpoint, limit)
		if err != nil {
			return nil, err
		}
		claims, err := scanClaims(rows)
		for i := range claims {
			if _, err := db.ExecContext(ctx, s.lease, until.UnixMicro(), claims[i].Seq); err != nil {
				return nil, err
			}
		}
		return claims, err
	})
}

// Finish ends a lease, see [sender.Store].
func (s *SQLite) Finish(ctx context.Context, now time.Time, token sender.Token, o sender.Outcome) (sender.Health, error) {
	var h sender.Health
	stale := false
	err := s.writer.Do(ctx, func(ctx context.Context, db *sqldb.Session) (err error) {
		h, err = s.q.finish(ctx, db, now, token, o)
		if stale = errors.Is(err, sender.ErrStale); stale {
			return nil // nothing was changed: no reason to undo what others write
		}
		return err
	})
	switch {
	case err != nil:
		return sender.Health{}, err
	case stale:
		return sender.Health{}, sender.ErrStale
	}
	return h, nil
}
