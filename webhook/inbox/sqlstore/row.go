package sqlstore

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/holdfast-go/holdfast/internal/sqldb"
	"github.com/holdfast-go/holdfast/webhook/inbox"
)

// never is the time that Waiting events are due.
const never = math.MaxInt64

// eventColumns are what scanEvent reads.
const eventColumns = "e.dedupe, e.lane, e.fingerprint, e.source, e.event_id, e.id_signed, e.type, e.ordering_key, e.received, e.header, e.body"

// eventRow is what stands in the columns of an event.
type eventRow struct {
	dedupe, lane, fingerprint []byte
	received                  int64
	header                    string
}

// targets are where the columns of an event go.
func (r *eventRow) targets(e *inbox.Event) []any {
	return []any{
		&r.dedupe, &r.lane, &r.fingerprint, &e.Source, &e.ID, &e.IDSigned, &e.Type, &e.Key,
		&r.received, &r.header, &e.Body,
	}
}

// fill puts into e what was not scanned into it.
func (r *eventRow) fill(e *inbox.Event) error {
	copy(e.Fingerprint[:], r.fingerprint)
	e.Received = time.UnixMicro(r.received)
	if r.header == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(r.header), &e.Header); err != nil {
		return fmt.Errorf("sqlstore: the header of an event: %w", err)
	}
	return nil
}

func encodeHeader(h http.Header) (string, error) {
	if len(h) == 0 {
		return "", nil
	}
	b, err := json.Marshal(h)
	return string(b), err
}

// insertArgs are the arguments of the insertion of an event, in the order dedupe,
// content, lane, fingerprint, source, event_id, id_signed, type, ordering_key,
// received, header, body.
func insertArgs(e *inbox.Entry, dedupe, content *inbox.Hash) ([]any, error) {
	header, err := encodeHeader(e.Header)
	if err != nil {
		return nil, err
	}
	body := e.Body
	if body == nil {
		body = []byte{}
	}
	return []any{
		dedupe[:], blob(content), blob(&e.Lane), e.Fingerprint[:], e.Source, e.ID, e.IDSigned, e.Type, e.Key,
		e.Received.UnixMicro(), header, body,
	}, nil
}

// blob is h as an argument, NULL if it is zero.
func blob(h *inbox.Hash) any {
	if *h == (inbox.Hash{}) {
		return nil
	}
	return h[:]
}

func hashOf(b []byte) (h inbox.Hash) {
	copy(h[:], b)
	return h
}

// scanClaims reads rows of id, due, fence, attempts, crashes, replays and
// eventColumns.
func scanClaims(rows *sql.Rows) ([]inbox.Claim, error) {
	var claims []inbox.Claim
	err := sqldb.Each(rows, func() error {
		var c inbox.Claim
		var r eventRow
		var due int64
		targets := append([]any{&c.Seq, &due, &c.Fence, &c.Attempt, &c.Crashes, &c.Replays}, r.targets(&c.Event)...)
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		c.Lane, c.Dedupe, c.Due = hashOf(r.lane), hashOf(r.dedupe), time.UnixMicro(due)
		err := r.fill(&c.Event)
		claims = append(claims, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	return claims, nil
}

// scanRecords reads rows of id, state, due, ended, attempts, crashes, replays,
// reason, whether the lane is busy with it, and eventColumns.
func scanRecords(rows *sql.Rows) ([]inbox.Record, error) {
	var records []inbox.Record
	err := sqldb.Each(rows, func() error {
		var r inbox.Record
		var row eventRow
		var due, ended sql.NullInt64
		targets := append([]any{
			&r.Seq, &r.State, &due, &ended, &r.Attempt, &r.Crashes, &r.Replays, &r.Reason, &r.Holds,
		}, row.targets(&r.Event)...)
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		if due.Valid && due.Int64 != never {
			r.Due = time.UnixMicro(due.Int64)
		}
		if ended.Valid {
			r.Ended = time.UnixMicro(ended.Int64)
		}
		r.Holds = r.Holds && r.State == inbox.Dead
		err := row.fill(&r.Event)
		records = append(records, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return records, nil
}
