package sqlstore

import (
	"database/sql"
	"errors"
	"time"

	"github.com/holdfast-go/holdfast/internal/sqldb"
	"github.com/holdfast-go/holdfast/webhook/sender"
)

// claimColumns are what scanClaims reads, of _messages m and, as they are after
// the claim, from c.
const claimColumns = "m.id, c.due, c.fence, c.attempts, m.endpoint, m.message_id, m.content_type, m.created, m.body"

// messageArgs are the arguments of the insertion of a message: endpoint,
// message_id, content_type, created and body.
func messageArgs(m *sender.Message, now time.Time) []any {
	body := m.Body
	if body == nil {
		body = []byte{}
	}
	return []any{m.Endpoint, m.ID, m.ContentType, now.UnixMicro(), body}
}

func timeOf(us sql.NullInt64) time.Time {
	if !us.Valid {
		return time.Time{}
	}
	return time.UnixMicro(us.Int64)
}

// scanHealth reads a row of healthColumns, or none.
func scanHealth(endpoint string, row *sql.Row) (sender.Health, error) {
	h := sender.Health{Endpoint: endpoint}
	var since, paused, disabled sql.NullInt64
	switch err := row.Scan(&h.Failures, &since, &paused, &disabled, &h.Reason); {
	case errors.Is(err, sql.ErrNoRows):
		return h, nil
	case err != nil:
		return sender.Health{}, err
	}
	h.FailingSince, h.PausedUntil, h.DisabledAt = timeOf(since), timeOf(paused), timeOf(disabled)
	return h, nil
}

// scanClaims reads rows of claimColumns.
func scanClaims(rows *sql.Rows) ([]sender.Claim, error) {
	var claims []sender.Claim
	err := sqldb.Each(rows, func() error {
		var c sender.Claim
		var due, created int64
		err := rows.Scan(&c.Seq, &due, &c.Fence, &c.Attempt, &c.Endpoint, &c.ID, &c.ContentType, &created, &c.Body)
		c.Due, c.Created = time.UnixMicro(due), time.UnixMicro(created)
		claims = append(claims, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	return claims, nil
}

// scanRecords reads rows of id, state, due, leased_until, ended, attempts, reason,
// endpoint, message_id, content_type, created and body.
func scanRecords(rows *sql.Rows) ([]sender.Record, error) {
	var records []sender.Record
	err := sqldb.Each(rows, func() error {
		var r sender.Record
		var due, until, ended sql.NullInt64
		var created int64
		err := rows.Scan(&r.Seq, &r.State, &due, &until, &ended, &r.Attempt, &r.Reason, &r.Endpoint, &r.ID, &r.ContentType, &created, &r.Body)
		if r.State == sender.Leased {
			due = until
		}
		r.Due, r.Ended, r.Created = timeOf(due), timeOf(ended), time.UnixMicro(created)
		records = append(records, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return records, nil
}
