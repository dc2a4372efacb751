package sqlstore

import (
	"context"
	"time"

	"github.com/holdfast-go/holdfast/internal/sqldb"
	"github.com/holdfast-go/holdfast/webhook/sender"
)

// Disable stops an endpoint, see [sender.Store].
func (s *SQLite) Disable(ctx context.Context, now time.Time, endpoint, reason string) (bool, error) {
	return sqldb.Write(ctx, s.writer, func(ctx context.Context, db *sqldb.Session) (bool, error) {
		n, err := sqldb.Changed(db.ExecContext(ctx, s.q.disable, endpoint, now.UnixMicro(), reason))
		return n > 0, err
	})
}

// Enable takes Disable back, see [sender.Store].
func (s *SQLite) Enable(ctx context.Context, endpoint string) (bool, error) {
	return sqldb.Write(ctx, s.writer, func(ctx context.Context, db *sqldb.Session) (bool, error) {
		return s.q.enabled(ctx, db, endpoint)
	})
}

// Health returns what is known of an endpoint, see [sender.Store].
func (s *SQLite) Health(ctx context.Context, endpoint string) (sender.Health, error) {
	return scanHealth(endpoint, s.db.QueryRowContext(ctx, s.q.health, endpoint))
}

// List returns the messages that fit, see [sender.Store]. Only State and After
// spare it looking at all of them.
func (s *SQLite) List(ctx context.Context, f sender.Filter) ([]sender.Record, error) {
	return s.q.list(ctx, s.db, f)
}

// Stats counts the messages, see [sender.Store]. It looks at all of them.
func (s *SQLite) Stats(ctx context.Context) (sender.Stats, error) { return s.q.stats(ctx, s.db) }

// Replay has messages sent again, see [sender.Store].
func (s *SQLite) Replay(ctx context.Context, now time.Time, seqs []int64) (int, error) {
	return sqldb.Write(ctx, s.writer, func(ctx context.Context, db *sqldb.Session) (int, error) {
		total := 0
		for _, seq := range seqs {
			n, err := sqldb.Changed(db.ExecContext(ctx, s.replay, now.UnixMicro(), seq))
			if err != nil {
				return 0, err
			}
			total += n
		}
		return total, nil
	})
}

// Purge forgets old messages, see [sender.Store].
func (s *SQLite) Purge(ctx context.Context, before time.Time, limit int) (int, error) {
	return sqldb.Write(ctx, s.writer, func(ctx context.Context, db *sqldb.Session) (int, error) {
		total := 0
		for _, old := range []string{s.q.overBefore, s.q.disabledBefore} {
			ids, err := sqldb.Column[int64](db.QueryContext(ctx, old, before.UnixMicro(), limit-total))
			if err != nil {
				return 0, err
			}
			if err := sqldb.Delete(ctx, db, ids, s.q.prefix+"_work", s.q.prefix+"_messages"); err != nil {
				return 0, err
			}
			total += len(ids)
		}
		_, err := db.ExecContext(ctx, s.q.forgetEndpoints)
		return total, err
	})
}
