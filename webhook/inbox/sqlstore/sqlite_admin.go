package sqlstore

import (
	"context"
	"time"

	"github.com/holdfast-go/holdfast/internal/sqldb"
	"github.com/holdfast-go/holdfast/webhook/inbox"
)

// Backlog counts the events that are not handled yet, see [inbox.Store].
func (s *SQLite) Backlog(ctx context.Context, limit int) (n int, err error) {
	err = s.db.QueryRowContext(ctx, s.q.backlog, limit).Scan(&n)
	return n, err
}

// List returns the events that fit, see [inbox.Store]. Only State and After
// spare it looking at all of them.
func (s *SQLite) List(ctx context.Context, f inbox.Filter) ([]inbox.Record, error) {
	return s.q.list(ctx, s.db, f)
}

// Stats counts the events, see [inbox.Store].
func (s *SQLite) Stats(ctx context.Context) (inbox.Stats, error) { return s.q.stats(ctx, s.db) }

// Replay has events handled again, see [inbox.Store].
func (s *SQLite) Replay(ctx context.Context, now time.Time, seqs []int64) (int, error) {
	return s.each(ctx, now, seqs, s.q.replayOne)
}

// Discard gives events up, see [inbox.Store].
func (s *SQLite) Discard(ctx context.Context, now time.Time, seqs []int64) (int, error) {
	return s.each(ctx, now, seqs, s.q.discardOne)
}

func (s *SQLite) each(ctx context.Context, now time.Time, seqs []int64, change change) (int, error) {
	return sqldb.Write(ctx, s.writer, func(ctx context.Context, session *sqldb.Session) (int, error) {
		return each(ctx, session, now, seqs, change)
	})
}

// Purge forgets old events, see [inbox.Store].
func (s *SQLite) Purge(ctx context.Context, done, dead time.Time, limit int) (int, error) {
	return sqldb.Write(ctx, s.writer, func(ctx context.Context, session *sqldb.Session) (int, error) {
		n := 0
		for _, old := range []struct {
			query  string
			before time.Time
		}{{s.doneBefore, done}, {s.deadBefore, dead}} {
			if old.before.IsZero() {
				continue
			}
			ids, err := sqldb.Column[int64](session.QueryContext(ctx, old.query, old.before.UnixMicro(), limit-n))
			if err != nil {
				return 0, err
			}
			if err := sqldb.Delete(ctx, session, ids, s.q.prefix+"_work", s.q.prefix+"_events"); err != nil {
				return 0, err
			}
			n += len(ids)
		}
		return n, nil
	})
}
