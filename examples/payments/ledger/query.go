package ledger

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/holdfast-go/holdfast/webhook/inbox"
)

// OpenAccount opens the account of a currency. If there is one, nothing changes.
func (l *Ledger) OpenAccount(ctx context.Context, currency string) error {
	if err := (Entry{Payment: "none", Currency: currency, Amount: 1}).check(); err != nil {
		return err
	}
	_, err := l.db.ExecContext(ctx, "INSERT INTO accounts (currency) VALUES (?) ON CONFLICT DO NOTHING", currency)
	return err
}

// Balances returns the sum of each account, in the smallest unit of its currency.
func (l *Ledger) Balances(ctx context.Context) (map[string]int64, error) {
	sums := map[string]int64{}
	err := l.query(ctx, func(rows *sql.Rows) error {
		var currency string
		var sum int64
		err := rows.Scan(&currency, &sum)
		sums[currency] = sum
		return err
	}, `SELECT currency, coalesce(sum(amount), 0) FROM accounts LEFT JOIN entries USING (currency) GROUP BY currency`)
	return sums, err
}

// Entries returns the entries of an order, as they were booked.
func (l *Ledger) Entries(ctx context.Context, order string) ([]Entry, error) {
	var all []Entry
	err := l.query(ctx, func(rows *sql.Rows) error {
		var e Entry
		err := rows.Scan(&e.Payment, &e.Order, &e.Currency, &e.Amount)
		all = append(all, e)
		return err
	}, "SELECT payment, order_id, currency, amount FROM entries WHERE order_id = ? ORDER BY id", order)
	return all, err
}

func (l *Ledger) query(ctx context.Context, each func(*sql.Rows) error, query string, args ...any) (err error) {
	rows, err := l.db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Stats counts the events that are not booked.
func (l *Ledger) Stats(ctx context.Context) (inbox.Stats, error) { return l.in.Stats(ctx) }

// ReplayDead has the events booked that could not be, after whatever was missing is
// there. It returns how many there are.
func (l *Ledger) ReplayDead(ctx context.Context) (int, error) {
	return l.in.Replay(ctx, inbox.Filter{State: inbox.Dead})
}

// Idle waits until each event is booked or dead.
func (l *Ledger) Idle(ctx context.Context) error {
	ticker := time.NewTicker(idlePoll)
	defer ticker.Stop()
	for {
		stats, err := l.in.Stats(ctx)
		if err != nil {
			return err
		}
		if stats.Pending+stats.Leased+stats.Waiting == 0 {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
