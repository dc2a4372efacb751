package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/holdfast-go/holdfast/internal/sqldb"
	"github.com/holdfast-go/holdfast/webhook/inbox"
)

// Postgres is an [inbox.TxStore] in a PostgreSQL database, version 9.5 or later,
// for workers on many machines. It goes by the clock of the database. It is safe
// for concurrent use.
type Postgres struct {
	q  *queries
	db *sql.DB

	lanes, batches int64 // the first of their advisory locks

	put, claim, lockLeased, extend, held string
	lanesOf, lockEnded                   string
	doneBefore, deadBefore               string
}

// NewPostgres makes the tables, if they are not there, and a store of them. It
// relies on synchronous_commit not being off.
func NewPostgres(ctx context.Context, db *sql.DB, c Config) (*Postgres, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	q := newQueries(sqldb.Postgres, c.Prefix)
	purge := func(condition string) string {
		return q.text(`WITH gone AS (DELETE FROM {p}_work WHERE id IN (
				SELECT id FROM {p}_work WHERE ended < ? AND ` + condition + ` LIMIT ? FOR UPDATE SKIP LOCKED)
			RETURNING id) DELETE FROM {p}_events e USING gone WHERE e.id = gone.id`)
	}
	notify := ""
	if c.Notify != "" {
		// At the commit, and once for all that a transaction stores.
		notify = " RETURNING pg_notify('" + c.Notify + "', '')"
	}
	p := &Postgres{
		q: q, db: db,
		lanes: nameLock("lanes", c), batches: nameLock("batches", c),
		put: q.text(`WITH e AS (INSERT INTO {p}_events
				(dedupe, content, lane, fingerprint, source, event_id, id_signed, type, ordering_key, received, header, body)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id, lane)
			INSERT INTO {p}_work (id, state, due, lane, ended)
			SELECT id,
				CASE WHEN quarantined.since IS NOT NULL THEN 6 WHEN busy THEN 3 ELSE 1 END,
				CASE WHEN quarantined.since IS NOT NULL THEN NULL WHEN busy THEN ` + strconv.FormatInt(never, 10) + ` ELSE ?::bigint END,
				CASE WHEN quarantined.since IS NULL THEN lane END, quarantined.since
			FROM e, (SELECT ?::bigint AS since) AS quarantined,
				LATERAL (SELECT EXISTS (SELECT 1 FROM {p}_work w WHERE w.lane = e.lane) AS busy) AS lanes` + notify),
		claim: q.text(`WITH c AS (SELECT id, due FROM {p}_work WHERE due <= ? ORDER BY due, id LIMIT ? FOR UPDATE SKIP LOCKED),
			u AS (UPDATE {p}_work w SET state = 2, due = ?, fence = fence + 1, attempts = attempts + 1,
				crashes = crashes + CASE WHEN state = 2 THEN 1 ELSE 0 END
				FROM c WHERE w.id = c.id RETURNING w.id, c.due AS due, w.fence, w.attempts, w.crashes, w.replays)
			SELECT u.id, u.due, u.fence, u.attempts, u.crashes, u.replays, ` + eventColumns + `
			FROM u JOIN {p}_events e ON e.id = u.id ORDER BY u.due, u.id`),
		// Rows that somebody holds are passed over: those of a Transact are held
		// by their own worker, for as long as it takes.
		extend: q.text(`UPDATE {p}_work SET due = ? WHERE id IN (
				SELECT w.id FROM {p}_work w
				JOIN unnest(string_to_array(?, ',')::bigint[], string_to_array(?, ',')::bigint[]) AS t (id, fence)
					ON w.id = t.id AND w.fence = t.fence
				WHERE w.state = 2 FOR UPDATE OF w SKIP LOCKED)`),
		lockLeased: q.text(`SELECT id FROM {p}_work WHERE id = ? AND fence = ? AND state = 2 FOR UPDATE`),
		lanesOf:    q.text(`SELECT lane FROM {p}_events WHERE lane IS NOT NULL AND id = ANY (string_to_array(?, ',')::bigint[])`),
		lockEnded: q.text(`SELECT id FROM {p}_work WHERE ended IS NOT NULL AND id = ANY (string_to_array(?, ',')::bigint[])
			ORDER BY id FOR UPDATE SKIP LOCKED`),
		held: q.text(`SELECT id, fence FROM {p}_work WHERE state = 2 AND id = ANY (string_to_array(?, ',')::bigint[])`),

		doneBefore: purge("state IN (4, 7)"),
		deadBefore: purge("state IN (5, 6) AND lane IS NULL"),
	}
	if err := versions[PostgresDialect].MigratePostgres(ctx, db, nameLock("schema", c), c.Prefix, c.SkipMigration); err != nil {
		return nil, fmt.Errorf("sqlstore: %w", err)
	}
	return p, nil
}

func nameLock(use string, c Config) int64 {
	return sqldb.NameLock("holdfast inbox " + use + " " + c.Prefix)
}

// lock takes advisory locks until the end of the transaction, always in the same
// order.
func (p *Postgres) lock(ctx context.Context, tx *sql.Tx, locks []int64) error {
	if len(locks) == 0 {
		return nil
	}
	slices.Sort(locks)
	_, err := tx.ExecContext(ctx, `SELECT count(pg_advisory_xact_lock(n)) FROM
		(SELECT n FROM unnest(string_to_array($1, ',')::bigint[]) AS t (n) ORDER BY n) AS locks`, sqldb.ListOf(slices.Compact(locks)))
	return err
}

// laneLocks is the lock that keeps others from changing what is in a lane.
func (p *Postgres) laneLocks(lane inbox.Hash) []int64 {
	if lane == (inbox.Hash{}) {
		return nil
	}
	return []int64{stripe(p.lanes, lane, laneStripes)}
}

// batchLocks are those of a Put of several events: two that have events in
// common would wait for each other, if their order is not the same.
func (p *Postgres) batchLocks(entries []inbox.Entry) []int64 {
	var locks []int64
	for i := range entries {
		e := &entries[i]
		locks = append(locks, p.laneLocks(e.Lane)...)
		if len(entries) > 1 {
			locks = append(locks, stripe(p.batches, e.Dedupe, batchStripes))
			if e.Content != (inbox.Hash{}) {
				locks = append(locks, stripe(p.batches, e.Content, batchStripes))
			}
		}
	}
	return locks
}

// Now is the time of the database.
func (p *Postgres) Now(ctx context.Context) (time.Time, error) {
	var us int64
	err := p.db.QueryRowContext(ctx, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").Scan(&us)
	return time.UnixMicro(us), err
}

// Put stores entries, see [inbox.Store].
func (p *Postgres) Put(ctx context.Context, now time.Time, entries []inbox.Entry) ([]inbox.Result, error) {
	results := make([]inbox.Result, len(entries))
	if len(entries) == 1 && entries[0].Lane == (inbox.Hash{}) {
		// One statement is a transaction.
		err := sqldb.Repeat(ctx, func() (err error) {
			results[0], err = p.putOne(ctx, p.db, now, &entries[0])
			return err
		})
		if err != nil {
			return nil, err
		}
		return results, nil
	}
	err := sqldb.Transaction(ctx, p.db, func(tx *sql.Tx) error {
		if err := p.lock(ctx, tx, p.batchLocks(entries)); err != nil {
			return err
		}
		for i := range entries {
			var err error
			if results[i], err = p.putOne(ctx, tx, now, &entries[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

func (p *Postgres) putOne(ctx context.Context, db sqldb.Database, now time.Time, e *inbox.Entry) (inbox.Result, error) {
	// Between the two statements the event that it is like can be purged.
	for range sqldb.MaxTries {
		stored, err := p.insert(ctx, db, e, place{dedupe: e.Dedupe, content: e.Content}, now, nil)
		if stored || err != nil {
			return inbox.Stored, err
		}
		known, err := p.q.conflict(ctx, db, e)
		if err != nil || known.result == inbox.Duplicate {
			return inbox.Duplicate, err
		}
		if known.result == inbox.Reuse {
			stored, err := p.insert(ctx, db, e, known, now, now.UnixMicro())
			if !stored {
				return inbox.Duplicate, err
			}
			return inbox.Reuse, err
		}
	}
	return 0, errors.New("sqlstore: an event could neither be stored nor found")
}

func (p *Postgres) insert(ctx context.Context, db sqldb.Database, e *inbox.Entry, at place, now time.Time, quarantined any) (bool, error) {
	args, err := insertArgs(e, &at.dedupe, &at.content)
	if err != nil {
		return false, err
	}
	result, err := db.ExecContext(ctx, p.put, append(args, now.UnixMicro(), quarantined)...)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

// Claim takes events that are due, see [inbox.Store]. It passes over those that
// somebody else is looking at.
func (p *Postgres) Claim(ctx context.Context, now, until time.Time, limit int) ([]inbox.Claim, error) {
	rows, err := p.db.QueryContext(ctx, p.claim, now.UnixMicro(), limit, until.UnixMicro())
	if err != nil {
		return nil, err
	}
	return scanClaims(rows)
}

// Extend moves the ends of leases, see [inbox.Store].
func (p *Postgres) Extend(ctx context.Context, tokens []inbox.Token, until time.Time) ([]inbox.Token, error) {
	if len(tokens) == 0 {
		return nil, context.Cause(ctx)
	}
	seqs, fences := make([]int64, len(tokens)), make([]int64, len(tokens))
	for i, t := range tokens {
		seqs[i], fences[i] = t.Seq, t.Fence
	}
	list := sqldb.ListOf(seqs)
	if _, err := p.db.ExecContext(ctx, p.extend, until.UnixMicro(), list, sqldb.ListOf(fences)); err != nil {
		return nil, err
	}
	rows, err := p.db.QueryContext(ctx, p.held, list)
	if err != nil {
		return nil, err
	}
	held := make(map[int64]int64, len(tokens))
	err = sqldb.Each(rows, func() error {
		var seq, fence int64
		err := rows.Scan(&seq, &fence)
		held[seq] = fence
		return err
	})
	if err != nil {
		return nil, err
	}
	var lost []inbox.Token
	for _, t := range tokens {
		if fence, ok := held[t.Seq]; !ok || fence != t.Fence {
			lost = append(lost, t)
		}
	}
	return lost, nil
}

// Finish ends a lease, see [inbox.Store].
func (p *Postgres) Finish(ctx context.Context, now time.Time, token inbox.Token, o inbox.Outcome) error {
	if token.Lane == (inbox.Hash{}) || o.State == inbox.Pending {
		return p.q.finish(ctx, p.db, now, token, o)
	}
	return sqldb.Transaction(ctx, p.db, func(tx *sql.Tx) error {
		if err := p.lock(ctx, tx, p.laneLocks(token.Lane)); err != nil {
			return err
		}
		return p.q.finish(ctx, tx, now, token, o)
	})
}

// Transact makes an event Done together with what fn writes, see
// [inbox.TxStore]. The transaction is read committed.
func (p *Postgres) Transact(ctx context.Context, now time.Time, token inbox.Token, fn func(*sql.Tx) error) error {
	return sqldb.Once(ctx, p.db, func(tx *sql.Tx) error {
		// The row is held until the end, so that nobody claims it, whatever
		// becomes of the lease; but not the lane, which others need to put events.
		var id int64
		err := tx.QueryRowContext(ctx, p.lockLeased, token.Seq, token.Fence).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			return inbox.ErrStale
		}
		if err != nil {
			return err
		}
		if err := fn(tx); err != nil {
			return err
		}
		if err := p.lock(ctx, tx, p.laneLocks(token.Lane)); err != nil {
			return err
		}
		return p.q.finish(ctx, tx, now, token, inbox.Outcome{State: inbox.Done})
	})
}
