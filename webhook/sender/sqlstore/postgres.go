package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/internal/sqldb"
	"github.com/holdfast-go/holdfast/webhook/sender"
)

// rowsAtOnce is how many messages one statement inserts.
const rowsAtOnce = 16

// Postgres is a [sender.TxStore] in a PostgreSQL database, version 9.5 or later,
// for workers on many machines. It is safe for concurrent use.
type Postgres struct {
	q  *queries
	db *sql.DB

	claims int64 // the advisory lock of those who claim

	put, putMany               string
	claim, replay              string
	overBefore, disabledBefore string
}

// NewPostgres makes the tables, if they are not there, and a store of them. It
// relies on synchronous_commit not being off.
func NewPostgres(ctx context.Context, db *sql.DB, c Config) (*Postgres, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	q := newQueries(sqldb.Postgres, c.Prefix)
	notify := ""
	if c.Notify != "" {
		// At the commit, and once for all that a transaction stores.
		notify = " RETURNING pg_notify('" + c.Notify + "', '')"
	}
	const row = "(?, ?, ?, ?, ?)"
	put := func(rows int) string {
		return q.text(`WITH m AS (INSERT INTO {p}_messages (endpoint, message_id, content_type, created, body)
				VALUES ` + row + strings.Repeat(", "+row, rows-1) + ` ON CONFLICT DO NOTHING RETURNING id, endpoint, created)
			INSERT INTO {p}_work (id, endpoint, state, due) SELECT id, endpoint, 1, created FROM m` + notify)
	}
	purge := func(old string) string {
		return q.text(`WITH gone AS (DELETE FROM {p}_work WHERE id IN (` + old + ` FOR UPDATE OF w SKIP LOCKED) RETURNING id)
			DELETE FROM {p}_messages m USING gone WHERE m.id = gone.id`)
	}
	p := &Postgres{
		q: q, db: db, claims: nameLock("claims", c),
		put: put(1), putMany: put(rowsAtOnce),
		claim: q.text(strings.ReplaceAll(readyEndpoints, "{perEndpoint}", "?::bigint") + `, picked AS (
				SELECT m.id, m.due, m.place FROM ready r, LATERAL (
					SELECT w.id, w.due, row_number() OVER (ORDER BY w.due, w.id) AS place FROM {p}_work w
					WHERE w.state = 1 AND w.endpoint = r.endpoint AND w.due <= ? ORDER BY w.due, w.id LIMIT greatest(r.room, 0)) AS m
				ORDER BY m.place, m.due, m.id LIMIT ?
			), c AS (
				UPDATE {p}_work w SET state = 2, leased_until = ?, fence = fence + 1, attempts = attempts + 1
				FROM picked p WHERE w.id = p.id AND w.state = 1 RETURNING w.id, w.due, w.fence, w.attempts, p.place)
			SELECT ` + claimColumns + ` FROM c JOIN {p}_messages m ON m.id = c.id ORDER BY c.place, c.due, c.id`),
		replay: q.text(`UPDATE {p}_work SET state = 1, due = ?, ended = NULL, attempts = 0
			WHERE id = ANY (string_to_array(?, ',')::bigint[]) AND state IN (3, 4)`),
		overBefore: purge(`SELECT w.id FROM {p}_work w WHERE w.ended < ? LIMIT ?`),
		disabledBefore: purge(`SELECT w.id FROM {p}_endpoints e JOIN {p}_work w ON w.endpoint = e.endpoint AND w.state = 1
			WHERE e.disabled_at < ? LIMIT ?`),
	}
	if err := versions[PostgresDialect].MigratePostgres(ctx, db, nameLock("schema", c), c.Prefix, c.SkipMigration); err != nil {
		return nil, fmt.Errorf("sqlstore: %w", err)
	}
	return p, nil
}

func nameLock(use string, c Config) int64 {
	return sqldb.NameLock("holdfast sender " + use + " " + c.Prefix)
}

// Put stores messages, see [sender.Store].
func (p *Postgres) Put(ctx context.Context, now time.Time, messages []sender.Message) (int, error) {
	fresh := 0
	write := func(db sqldb.Database) (err error) {
		fresh, err = p.insert(ctx, db, now, messages)
		return err
	}
	var err error
	if len(messages) == 1 {
		// One statement is a transaction.
		err = sqldb.Repeat(ctx, func() error { return write(p.db) })
	} else {
		err = sqldb.Transaction(ctx, p.db, func(tx *sql.Tx) error { return write(tx) })
	}
	if err != nil {
		return 0, err
	}
	return fresh, nil
}

// PutTx stores messages in a transaction of the caller's, see [sender.TxStore].
func (p *Postgres) PutTx(ctx context.Context, tx *sql.Tx, now time.Time, messages []sender.Message) (int, error) {
	return p.insert(ctx, tx, now, messages)
}

func (p *Postgres) insert(ctx context.Context, db sqldb.Database, now time.Time, messages []sender.Message) (int, error) {
	fresh := 0
	for len(messages) > 0 {
		n, statement := 1, p.put
		if len(messages) >= rowsAtOnce {
			n, statement = rowsAtOnce, p.putMany
		}
		var args []any
		for i := range messages[:n] {
			args = append(args, messageArgs(&messages[i], now)...)
		}
		stored, err := sqldb.Changed(db.ExecContext(ctx, statement, args...))
		if err != nil {
			return 0, err
		}
		fresh += stored
		messages = messages[n:]
	}
	return fresh, nil
}

// Claim leases messages, see [sender.Store]. It waits while somebody else does.
func (p *Postgres) Claim(ctx context.Context, now, until time.Time, limit, perEndpoint int) ([]sender.Claim, error) {
	var claims []sender.Claim
	err := sqldb.Transaction(ctx, p.db, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", p.claims); err != nil {
			return err
		}
		us := now.UnixMicro()
		if _, err := tx.ExecContext(ctx, p.q.takeBack, us); err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, p.claim, perEndpoint, us, us, limit, until.UnixMicro())
		if err != nil {
			return err
		}
		claims, err = scanClaims(rows)
		return err
	})
	if err != nil {
		return nil, err
	}
	return claims, nil
}

// Finish ends a lease, see [sender.Store].
func (p *Postgres) Finish(ctx context.Context, now time.Time, token sender.Token, o sender.Outcome) (sender.Health, error) {
	var h sender.Health
	err := sqldb.Transaction(ctx, p.db, func(tx *sql.Tx) (err error) {
		h, err = p.q.finish(ctx, tx, now, token, o)
		return err
	})
	if err != nil {
		return sender.Health{}, err
	}
	return h, nil
}
