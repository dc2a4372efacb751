package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/holdfast-go/holdfast/internal/sqldb"
	"github.com/holdfast-go/holdfast/webhook/sender"
)

// Disable stops an endpoint, see [sender.Store].
func (p *Postgres) Disable(ctx context.Context, now time.Time, endpoint, reason string) (bool, error) {
	n, err := sqldb.Changed(p.db.ExecContext(ctx, p.q.disable, endpoint, now.UnixMicro(), reason))
	return n > 0, err
}

// Enable takes Disable back, see [sender.Store].
func (p *Postgres) Enable(ctx context.Context, endpoint string) (bool, error) {
	return p.q.enabled(ctx, p.db, endpoint)
}

// Health returns what is known of an endpoint, see [sender.Store].
func (p *Postgres) Health(ctx context.Context, endpoint string) (sender.Health, error) {
	return scanHealth(endpoint, p.db.QueryRowContext(ctx, p.q.health, endpoint))
}

// List returns the messages that fit, see [sender.Store]. Only State and After
// spare it looking at all of them.
func (p *Postgres) List(ctx context.Context, f sender.Filter) ([]sender.Record, error) {
	return p.q.list(ctx, p.db, f)
}

// Stats counts the messages, see [sender.Store]. It looks at all of them.
func (p *Postgres) Stats(ctx context.Context) (sender.Stats, error) { return p.q.stats(ctx, p.db) }

// Replay has messages sent again, see [sender.Store].
func (p *Postgres) Replay(ctx context.Context, now time.Time, seqs []int64) (int, error) {
	return sqldb.Changed(p.db.ExecContext(ctx, p.replay, now.UnixMicro(), sqldb.ListOf(seqs)))
}

// Purge forgets old messages, see [sender.Store].
func (p *Postgres) Purge(ctx context.Context, before time.Time, limit int) (int, error) {
	total := 0
	err := sqldb.Transaction(ctx, p.db, func(tx *sql.Tx) error {
		total = 0
		for _, old := range []string{p.overBefore, p.disabledBefore} {
			n, err := sqldb.Changed(tx.ExecContext(ctx, old, before.UnixMicro(), limit-total))
			if err != nil {
				return err
			}
			total += n
		}
		_, err := tx.ExecContext(ctx, p.q.forgetEndpoints)
		return err
	})
	if err != nil {
		return 0, err
	}
	return total, nil
}
