package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/holdfast-go/holdfast/internal/sqldb"
	"github.com/holdfast-go/holdfast/webhook/sender"
)

// queries are the statements that both dialects share, for one prefix.
type queries struct {
	dialect sqldb.Dialect
	prefix  string

	takeBack, end              string
	failed, recovered, health  string
	disable, enable            string
	counts, oldest, disabled   string
	overBefore, disabledBefore string
	forgetEndpoints            string
}

// healthColumns are what scanHealth reads.
const healthColumns = "failures, failing_since, paused_until, disabled_at, reason"

// readyEndpoints is what a claim begins with: ready are the endpoints that may
// have an attempt, and how many. It goes from one name to the next that has a
// message, and looks at no other. Its arguments are perEndpoint and now.
const readyEndpoints = `WITH RECURSIVE names (endpoint) AS (
		SELECT min(endpoint) FROM {p}_work WHERE state = 1
		UNION ALL
		SELECT (SELECT min(w.endpoint) FROM {p}_work w WHERE w.state = 1 AND w.endpoint > n.endpoint)
		FROM names n WHERE n.endpoint IS NOT NULL
	), ready (endpoint, room) AS (
		SELECT n.endpoint, {perEndpoint} - (SELECT count(*) FROM {p}_work l WHERE l.state = 2 AND l.endpoint = n.endpoint)
		FROM names n LEFT JOIN {p}_endpoints e ON e.endpoint = n.endpoint
		WHERE n.endpoint IS NOT NULL AND e.disabled_at IS NULL AND (e.paused_until IS NULL OR e.paused_until <= ?)
	)`

func newQueries(d sqldb.Dialect, prefix string) *queries {
	q := &queries{dialect: d, prefix: prefix}
	for target, statement := range map[*string]string{
		&q.takeBack: `UPDATE {p}_work SET state = 1, leased_until = NULL WHERE state = 2 AND leased_until <= ?`,
		&q.end: `UPDATE {p}_work SET state = ?, due = ?, leased_until = NULL, ended = ?, attempts = attempts - ?, reason = ?
			WHERE id = ? AND fence = ? AND state = 2 RETURNING endpoint`,
		&q.failed: `INSERT INTO {p}_endpoints AS e (endpoint, failures, failing_since, paused_until) VALUES (?, ?, ?, ?)
			ON CONFLICT (endpoint) DO UPDATE SET
				failures = e.failures + excluded.failures,
				failing_since = coalesce(e.failing_since, excluded.failing_since),
				paused_until = CASE WHEN excluded.paused_until > coalesce(e.paused_until, 0) THEN excluded.paused_until
					ELSE e.paused_until END
			RETURNING ` + healthColumns,
		&q.recovered: `UPDATE {p}_endpoints SET failures = 0, failing_since = NULL WHERE endpoint = ?`,
		&q.health:    `SELECT ` + healthColumns + ` FROM {p}_endpoints WHERE endpoint = ?`,
		&q.disable: `INSERT INTO {p}_endpoints AS e (endpoint, disabled_at, reason) VALUES (?, ?, ?)
			ON CONFLICT (endpoint) DO UPDATE SET disabled_at = excluded.disabled_at, reason = excluded.reason
			WHERE e.disabled_at IS NULL`,
		&q.enable:   `DELETE FROM {p}_endpoints WHERE endpoint = ? RETURNING disabled_at IS NOT NULL`,
		&q.counts:   `SELECT state, count(*) FROM {p}_work GROUP BY state`,
		&q.oldest:   `SELECT created FROM {p}_messages WHERE id = (SELECT min(id) FROM {p}_work WHERE ended IS NULL)`,
		&q.disabled: `SELECT count(*) FROM {p}_endpoints WHERE disabled_at IS NOT NULL`,

		&q.overBefore: `SELECT id FROM {p}_work WHERE ended < ? LIMIT ?`,
		&q.disabledBefore: `SELECT w.id FROM {p}_endpoints e JOIN {p}_work w ON w.endpoint = e.endpoint AND w.state = 1
			WHERE e.disabled_at < ? LIMIT ?`,
		&q.forgetEndpoints: `DELETE FROM {p}_endpoints WHERE disabled_at IS NULL
			AND NOT EXISTS (SELECT 1 FROM {p}_messages m WHERE m.endpoint = {p}_endpoints.endpoint)`,
	} {
		*target = q.text(statement)
	}
	return q
}

func (q *queries) text(statement string) string { return q.dialect.Text(statement, q.prefix) }

// finish ends a lease, and notes what the attempt says of the endpoint.
func (q *queries) finish(ctx context.Context, db sqldb.Database, now time.Time, t sender.Token, o sender.Outcome) (sender.Health, error) {
	back := 0
	if o.GivenBack {
		back = 1
	}
	due, ended := any(nil), any(nil)
	if o.State == sender.Pending {
		due = o.Due.UnixMicro()
	} else {
		ended = now.UnixMicro()
	}
	var endpoint string
	err := db.QueryRowContext(ctx, q.end, int(o.State), due, ended, back, o.Reason, t.Seq, t.Fence).Scan(&endpoint)
	if errors.Is(err, sql.ErrNoRows) {
		return sender.Health{}, sender.ErrStale
	}
	if err != nil {
		return sender.Health{}, err
	}
	if o.Verdict != sender.Failure && o.Pause.IsZero() {
		h, err := scanHealth(endpoint, db.QueryRowContext(ctx, q.health, endpoint))
		if err != nil || o.Verdict != sender.Success || h.Failures == 0 {
			return h, err
		}
		h.Failures, h.FailingSince = 0, time.Time{}
		_, err = db.ExecContext(ctx, q.recovered, endpoint)
		return h, err
	}
	if o.Verdict == sender.Success {
		if _, err := db.ExecContext(ctx, q.recovered, endpoint); err != nil {
			return sender.Health{}, err
		}
	}
	failures, since, pause := 0, any(nil), any(nil)
	if o.Verdict == sender.Failure {
		failures, since = 1, now.UnixMicro()
	}
	if !o.Pause.IsZero() {
		pause = o.Pause.UnixMicro()
	}
	return scanHealth(endpoint, db.QueryRowContext(ctx, q.failed, endpoint, failures, since, pause))
}

// enabled forgets what is known of an endpoint, and reports whether it was
// disabled.
func (q *queries) enabled(ctx context.Context, db sqldb.Database, endpoint string) (was bool, err error) {
	err = db.QueryRowContext(ctx, q.enable, endpoint).Scan(&was)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return was, err
}

// list returns the messages that fit.
func (q *queries) list(ctx context.Context, db sqldb.Database, f sender.Filter) ([]sender.Record, error) {
	if f.Limit <= 0 {
		f.Limit = sender.DefaultLimit
	}
	body := "NULL"
	if f.Content {
		body = "m.body"
	}
	var where sqldb.Where
	where.And(true, "w.id > ?", f.After)
	where.And(f.State != 0, "w.state = ?", int(f.State))
	where.And(f.Endpoint != "", "m.endpoint = ?", f.Endpoint)
	where.And(f.ID != "", "m.message_id = ?", f.ID)
	statement := "SELECT w.id, w.state, w.due, w.leased_until, w.ended, w.attempts, w.reason, m.endpoint, m.message_id, m.content_type, m.created, " +
		body + " FROM {p}_work w JOIN {p}_messages m ON m.id = w.id WHERE " + where.String() + " ORDER BY w.id LIMIT ?"
	rows, err := db.QueryContext(ctx, q.text(statement), where.Args(f.Limit)...)
	if err != nil {
		return nil, err
	}
	return scanRecords(rows)
}

// stats counts.
func (q *queries) stats(ctx context.Context, db sqldb.Database) (sender.Stats, error) {
	var s sender.Stats
	counts := map[sender.State]*int64{
		sender.Pending: &s.Pending, sender.Leased: &s.Leased, sender.Done: &s.Done, sender.Dead: &s.Dead,
	}
	rows, err := db.QueryContext(ctx, q.counts)
	if err := sqldb.Tally(rows, err, counts); err != nil {
		return s, err
	}
	if err := db.QueryRowContext(ctx, q.disabled).Scan(&s.Disabled); err != nil {
		return s, err
	}
	var created int64
	switch err := db.QueryRowContext(ctx, q.oldest).Scan(&created); {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return s, err
	default:
		s.Oldest = time.UnixMicro(created)
	}
	return s, nil
}
