package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/internal/sqldb"
	"github.com/holdfast-go/holdfast/webhook/inbox"
)

// queries are the statements that both dialects share, for one prefix.
type queries struct {
	dialect sqldb.Dialect
	prefix  string

	pend, end, extend, promote, busy string
	known, backlog, oldest, counts   string
	forReplay, replay, discard       string
}

func newQueries(d sqldb.Dialect, prefix string) *queries {
	q := &queries{dialect: d, prefix: prefix}
	for target, statement := range map[*string]string{
		&q.pend: `UPDATE {p}_work SET state = 1, due = ?, attempts = attempts - ?, reason = ?
			WHERE id = ? AND fence = ? AND state = 2`,
		&q.end: `UPDATE {p}_work SET state = ?, due = NULL, ended = ?, attempts = attempts - ?, reason = ?,
			lane = CASE WHEN ? THEN lane END WHERE id = ? AND fence = ? AND state = 2`,
		&q.extend: `UPDATE {p}_work SET due = ? WHERE id = ? AND fence = ? AND state = 2`,
		&q.promote: `UPDATE {p}_work SET state = 1, due = ?
			WHERE id = (SELECT min(id) FROM {p}_work WHERE lane = ?) AND state = 3`,
		&q.busy:    `SELECT EXISTS (SELECT 1 FROM {p}_work WHERE lane = ?)`,
		&q.known:   `SELECT fingerprint, content FROM {p}_events WHERE dedupe = ? OR content = ?`,
		&q.backlog: `SELECT count(*) FROM (SELECT 1 FROM {p}_work WHERE due IS NOT NULL LIMIT ?) AS waiting`,
		&q.oldest: `SELECT received FROM {p}_events
			WHERE id = (SELECT min(id) FROM {p}_work{due} WHERE due IS NOT NULL)`,
		&q.counts: `SELECT state, count(*) FROM {p}_work WHERE due IS NOT NULL GROUP BY state
			UNION ALL SELECT state, count(*) FROM {p}_work WHERE state IN (5, 6) GROUP BY state`,
		&q.forReplay: `SELECT w.state, w.lane, e.lane FROM {p}_work w JOIN {p}_events e ON e.id = w.id WHERE w.id = ?`,
		&q.replay: `UPDATE {p}_work SET state = ?, due = ?, lane = ?, ended = NULL, attempts = 0, crashes = 0,
			replays = replays + 1, fence = fence + 1 WHERE id = ?`,
		&q.discard: `UPDATE {p}_work SET state = 7, ended = ?, lane = NULL WHERE id = ?`,
	} {
		*target = q.text(statement)
	}
	return q
}

// text makes a statement of one with {p} for the prefix, and a ? for each
// argument.
func (q *queries) text(statement string) string {
	hint := ""
	if q.dialect == sqldb.SQLite {
		// It would look for the least id among all that are done first.
		hint = " INDEXED BY {p}_work_due"
	}
	return q.dialect.Text(strings.ReplaceAll(statement, "{due}", hint), q.prefix)
}

// changed returns err, or inbox.ErrStale if nothing was changed.
func changed(result sql.Result, err error) error {
	n, err := sqldb.Changed(result, err)
	if err == nil && n == 0 {
		return inbox.ErrStale
	}
	return err
}

// finish ends a lease and, if it was the last of its event, frees the lane.
func (q *queries) finish(ctx context.Context, db sqldb.Database, now time.Time, t inbox.Token, o inbox.Outcome) error {
	back := 0
	if o.GivenBack {
		back = 1
	}
	if o.State == inbox.Pending {
		return changed(db.ExecContext(ctx, q.pend, o.Due.UnixMicro(), back, o.Reason, t.Seq, t.Fence))
	}
	hold := o.Hold && o.State == inbox.Dead
	if err := changed(db.ExecContext(ctx, q.end, int(o.State), now.UnixMicro(), back, o.Reason, hold, t.Seq, t.Fence)); err != nil {
		return err
	}
	if hold {
		return nil
	}
	return q.free(ctx, db, now, t.Lane)
}

// free lets the next event of a lane go, if there is one.
func (q *queries) free(ctx context.Context, db sqldb.Database, now time.Time, lane inbox.Hash) error {
	if lane == (inbox.Hash{}) {
		return nil
	}
	_, err := db.ExecContext(ctx, q.promote, now.UnixMicro(), lane[:])
	return err
}

// place is how an event is stored.
type place struct {
	result          inbox.Result
	dedupe, content inbox.Hash
}

// conflict says what becomes of an entry that could not be stored: it is a
// Duplicate or a Reuse, or there is nothing of its kind any more: result 0.
func (q *queries) conflict(ctx context.Context, db sqldb.Database, e *inbox.Entry) (place, error) {
	rows, err := db.QueryContext(ctx, q.known, e.Dedupe[:], blob(&e.Content))
	if err != nil {
		return place{}, err
	}
	known, same := false, false
	err = sqldb.Each(rows, func() error {
		var fingerprint, content []byte
		err := rows.Scan(&fingerprint, &content)
		known = true
		same = same || hashOf(fingerprint) == e.Fingerprint || e.Content != (inbox.Hash{}) && hashOf(content) == e.Content
		return err
	})
	switch {
	case err != nil || !known:
		return place{}, err
	case same || e.Reuse == (inbox.Hash{}):
		return place{result: inbox.Duplicate}, nil
	}
	return place{result: inbox.Reuse, dedupe: e.Reuse}, nil
}

// replayOne makes one event Pending, or Waiting, and reports whether it did.
func (q *queries) replayOne(ctx context.Context, db sqldb.Database, now time.Time, seq int64) (bool, error) {
	var state inbox.State
	var active, own []byte
	switch err := db.QueryRowContext(ctx, q.forReplay, seq).Scan(&state, &active, &own); {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, err
	}
	switch state {
	case inbox.Done, inbox.Dead, inbox.Quarantined, inbox.Discarded:
	default:
		return false, nil
	}
	next, due := inbox.Pending, now.UnixMicro()
	if own != nil && active == nil {
		var busy bool
		if err := db.QueryRowContext(ctx, q.busy, own).Scan(&busy); err != nil {
			return false, err
		}
		if busy {
			next, due = inbox.Waiting, never
		}
	}
	lane := hashOf(own)
	_, err := db.ExecContext(ctx, q.replay, int(next), due, blob(&lane), seq)
	return err == nil, err
}

// discardOne gives one event up, and reports whether it did.
func (q *queries) discardOne(ctx context.Context, db sqldb.Database, now time.Time, seq int64) (bool, error) {
	var state inbox.State
	var active, own []byte
	switch err := db.QueryRowContext(ctx, q.forReplay, seq).Scan(&state, &active, &own); {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, err
	}
	if state != inbox.Dead && state != inbox.Quarantined {
		return false, nil
	}
	if _, err := db.ExecContext(ctx, q.discard, now.UnixMicro(), seq); err != nil {
		return false, err
	}
	return true, q.free(ctx, db, now, hashOf(active))
}

// list returns the events that fit.
func (q *queries) list(ctx context.Context, db sqldb.Database, f inbox.Filter) ([]inbox.Record, error) {
	if f.Limit <= 0 {
		f.Limit = inbox.DefaultLimit
	}
	columns := eventColumns
	if !f.Content {
		columns = strings.Replace(columns, "e.header, e.body", "'', NULL", 1)
	}
	var where sqldb.Where
	where.And(true, "w.id > ?", f.After)
	where.And(f.State != 0, "w.state = ?", int(f.State))
	where.And(f.Source != "", "e.source = ?", f.Source)
	where.And(f.ID != "", "e.event_id = ?", f.ID)
	statement := "SELECT w.id, w.state, w.due, w.ended, w.attempts, w.crashes, w.replays, w.reason, w.lane IS NOT NULL, " + columns +
		" FROM {p}_work w JOIN {p}_events e ON e.id = w.id WHERE " + where.String() + " ORDER BY w.id LIMIT ?"
	rows, err := db.QueryContext(ctx, q.text(statement), where.Args(f.Limit)...)
	if err != nil {
		return nil, err
	}
	return scanRecords(rows)
}

// stats counts.
func (q *queries) stats(ctx context.Context, db sqldb.Database) (inbox.Stats, error) {
	var s inbox.Stats
	counts := map[inbox.State]*int64{
		inbox.Pending: &s.Pending, inbox.Leased: &s.Leased, inbox.Waiting: &s.Waiting, inbox.Dead: &s.Dead, inbox.Quarantined: &s.Quarantined,
	}
	rows, err := db.QueryContext(ctx, q.counts)
	if err := sqldb.Tally(rows, err, counts); err != nil {
		return s, err
	}
	var received int64
	switch err := db.QueryRowContext(ctx, q.oldest).Scan(&received); {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return s, err
	default:
		s.Oldest = time.UnixMicro(received)
	}
	return s, nil
}

// each changes events one by one, and returns how many were changed.
func each(ctx context.Context, db sqldb.Database, now time.Time, seqs []int64, change change) (int, error) {
	n := 0
	for _, seq := range seqs {
		ok, err := change(ctx, db, now, seq)
		if err != nil {
			return 0, err
		}
		if ok {
			n++
		}
	}
	return n, nil
}

// change changes one event, and reports whether it did.
type change func(ctx context.Context, db sqldb.Database, now time.Time, seq int64) (bool, error)
