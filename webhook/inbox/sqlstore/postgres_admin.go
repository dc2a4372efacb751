package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/holdfast-go/holdfast/internal/sqldb"
	"github.com/holdfast-go/holdfast/webhook/inbox"
)

// Backlog counts the events that are not handled yet, see [inbox.Store].
func (p *Postgres) Backlog(ctx context.Context, limit int) (n int, err error) {
	err = p.db.QueryRowContext(ctx, p.q.backlog, limit).Scan(&n)
	return n, err
}

// List returns the events that fit, see [inbox.Store]. Only State and After
// spare it looking at all of them.
func (p *Postgres) List(ctx context.Context, f inbox.Filter) ([]inbox.Record, error) {
	return p.q.list(ctx, p.db, f)
}

// Stats counts the events, see [inbox.Store].
func (p *Postgres) Stats(ctx context.Context) (inbox.Stats, error) { return p.q.stats(ctx, p.db) }

// Replay has events handled again, see [inbox.Store].
func (p *Postgres) Replay(ctx context.Context, now time.Time, seqs []int64) (int, error) {
	return p.each(ctx, now, seqs, p.q.replayOne)
}

// Discard gives events up, see [inbox.Store].
func (p *Postgres) Discard(ctx context.Context, now time.Time, seqs []int64) (int, error) {
	return p.each(ctx, now, seqs, p.q.discardOne)
}

// each changes events in one transaction. It takes all lanes first: who holds a
// lane and waits for a row could wait for one who holds the row and waits for
// the lane.
func (p *Postgres) each(ctx context.Context, now time.Time, seqs []int64, change change) (int, error) {
	if len(seqs) == 0 {
		return 0, context.Cause(ctx)
	}
	list := sqldb.ListOf(seqs)
	n := 0
	err := sqldb.Transaction(ctx, p.db, func(tx *sql.Tx) error {
		lanes, err := sqldb.Column[[]byte](tx.QueryContext(ctx, p.lanesOf, list))
		if err != nil {
			return err
		}
		var locks []int64
		for _, lane := range lanes {
			locks = append(locks, p.laneLocks(hashOf(lane))...)
		}
		if err := p.lock(ctx, tx, locks); err != nil {
			return err
		}
		// Those that somebody else has locked are being changed.
		free, err := sqldb.Column[int64](tx.QueryContext(ctx, p.lockEnded, list))
		if err != nil {
			return err
		}
		n, err = each(ctx, tx, now, free, change)
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// Purge forgets old events, see [inbox.Store].
func (p *Postgres) Purge(ctx context.Context, done, dead time.Time, limit int) (int, error) {
	total := 0
	err := sqldb.Transaction(ctx, p.db, func(tx *sql.Tx) error {
		total = 0
		for _, old := range []struct {
			query  string
			before time.Time
		}{{p.doneBefore, done}, {p.deadBefore, dead}} {
			if old.before.IsZero() {
				continue
			}
			n, err := sqldb.Changed(tx.ExecContext(ctx, old.query, old.before.UnixMicro(), limit-total))
			if err != nil {
				return err
			}
			total += n
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return total, nil
}
