package sqlstore

import (
	"bytes"
	"context"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/internal/sqldb"
	"github.com/holdfast-go/holdfast/webhook/inbox"
)

// rowsAtOnce is how many rows one statement inserts. To call a statement costs
// more than to insert a small row.
const rowsAtOnce = 16

// item is an entry to be put.
type item struct {
	entry  inbox.Entry
	args   []any // of its insertion
	now    int64
	result *inbox.Result
}

// Put stores entries, see [inbox.Store].
func (s *SQLite) Put(ctx context.Context, now time.Time, entries []inbox.Entry) ([]inbox.Result, error) {
	size := 0
	results := make([]inbox.Result, len(entries))
	items := make([]*item, len(entries))
	for i := range entries {
		it := &item{entry: entries[i], now: now.UnixMicro(), result: &results[i]}
		// The write may go on after the caller has gone. The header is encoded now.
		it.entry.Body = bytes.Clone(it.entry.Body)
		var err error
		if it.args, err = insertArgs(&it.entry, &it.entry.Dedupe, &it.entry.Content); err != nil {
			return nil, err
		}
		size += len(it.entry.Body)
		items[i] = it
	}
	if err := s.writer.Put(ctx, size, items); err != nil {
		return nil, err
	}
	return results, nil
}

// ingest inserts what was put, as much at a time as there is.
type ingest struct {
	q                   *queries
	last, undo          string
	event, events       string
	workRow, workRows   string
	eventArgs, workArgs int
}

func newIngest(q *queries) *ingest {
	const events = ` INTO {p}_events
		(dedupe, content, lane, fingerprint, source, event_id, id_signed, type, ordering_key, received, header, body) VALUES `
	const event = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	const works, work = "INSERT INTO {p}_work (id, state, due, lane, ended) VALUES ", "(?, ?, ?, ?, ?)"
	return &ingest{
		q:     q,
		last:  q.text("SELECT coalesce(max(id), 0) FROM {p}_events"),
		undo:  q.text("DELETE FROM {p}_events WHERE id > ?"),
		event: q.text("INSERT" + events + event + " ON CONFLICT DO NOTHING"),
		// A statement that can fail after some of its rows has to keep the pages as
		// they were. This one cannot; what is wrong with a row one alone will say.
		events:    q.text("INSERT OR IGNORE" + events + event + strings.Repeat(", "+event, rowsAtOnce-1)),
		workRow:   q.text(works + work),
		workRows:  q.text(works + work + strings.Repeat(", "+work, rowsAtOnce-1)),
		eventArgs: strings.Count(event, "?"),
		workArgs:  strings.Count(work, "?"),
	}
}

// insert puts items, in their order.
func (in *ingest) insert(ctx context.Context, db *sqldb.Session, items []*item) error {
	ids, err := in.insertEvents(ctx, db, items)
	if err != nil {
		return err
	}
	work := make([]any, 0, len(items)*in.workArgs)
	busy := make(map[inbox.Hash]bool)
	for i, it := range items {
		switch *it.result {
		case inbox.Duplicate:
			continue
		case inbox.Reuse:
			work = append(work, ids[i], int(inbox.Quarantined), nil, nil, it.now)
			continue
		}
		state, due, lane := inbox.Pending, it.now, blob(&it.entry.Lane)
		if lane != nil {
			waits, err := in.join(ctx, db, busy, &it.entry.Lane)
			if err != nil {
				return err
			}
			if waits {
				state, due = inbox.Waiting, never
			}
		}
		work = append(work, ids[i], int(state), due, lane, nil)
	}
	return in.insertWork(ctx, db, work)
}

// insertEvents returns the numbers of those events that are no duplicates, and
// fills in all results.
func (in *ingest) insertEvents(ctx context.Context, db *sqldb.Session, items []*item) ([]int64, error) {
	ids := make([]int64, len(items))
	at := 0
	if len(items) >= rowsAtOnce {
		var err error
		if at, err = in.insertChunks(ctx, db, items, ids); err != nil {
			return nil, err
		}
	}
	for ; at < len(items); at++ {
		it := items[at]
		*it.result = inbox.Stored
		id, err := insertOne(ctx, db, in.event, it.args)
		if err == nil && id == 0 {
			id, err = in.reuse(ctx, db, it)
		}
		if err != nil {
			return nil, err
		}
		ids[at] = id
	}
	return ids, nil
}

// insertChunks inserts rowsAtOnce events at a time, as long as all of them are
// new, and returns how many it has inserted.
func (in *ingest) insertChunks(ctx context.Context, db *sqldb.Session, items []*item, ids []int64) (int, error) {
	var last int64
	if err := db.QueryRowContext(ctx, in.last).Scan(&last); err != nil {
		return 0, err
	}
	args := make([]any, 0, rowsAtOnce*in.eventArgs)
	for at := 0; ; at += rowsAtOnce {
		if at+rowsAtOnce > len(items) {
			return at, nil
		}
		args = args[:0]
		for _, it := range items[at : at+rowsAtOnce] {
			args = append(args, it.args...)
		}
		result, err := db.ExecContext(ctx, in.events, args...)
		n, err := sqldb.Changed(result, err)
		if err != nil {
			return at, err
		}
		if n < rowsAtOnce {
			// Which ones is not known, and an event that is to be quarantined must
			// come before those after it.
			_, err := db.ExecContext(ctx, in.undo, last)
			return at, err
		}
		// All have been stored, so none has taken a number for nothing.
		if last, err = result.LastInsertId(); err != nil {
			return at, err
		}
		for i := range rowsAtOnce {
			*items[at+i].result = inbox.Stored
			ids[at+i] = last - rowsAtOnce + 1 + int64(i)
		}
	}
}

// insertOne returns the number of the event, 0 if there is one like it.
func insertOne(ctx context.Context, db *sqldb.Session, statement string, args []any) (int64, error) {
	result, err := db.ExecContext(ctx, statement, args...)
	if n, err := sqldb.Changed(result, err); n == 0 || err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

// reuse stores an event aside that has the ID of another one, unless it is a
// duplicate.
func (in *ingest) reuse(ctx context.Context, db *sqldb.Session, it *item) (int64, error) {
	*it.result = inbox.Duplicate
	p, err := in.q.conflict(ctx, db, &it.entry)
	if err != nil || p.result != inbox.Reuse {
		return 0, err
	}
	args, err := insertArgs(&it.entry, &p.dedupe, &p.content)
	if err != nil {
		return 0, err
	}
	id, err := insertOne(ctx, db, in.event, args)
	if id > 0 {
		*it.result = inbox.Reuse
	}
	return id, err
}

// join reports whether a lane is busy, which it is from then on. What is not
// inserted yet is in busy.
func (in *ingest) join(ctx context.Context, db *sqldb.Session, busy map[inbox.Hash]bool, lane *inbox.Hash) (bool, error) {
	if busy[*lane] {
		return true, nil
	}
	busy[*lane] = true
	var waits bool
	err := db.QueryRowContext(ctx, in.q.busy, lane[:]).Scan(&waits)
	return waits, err
}

func (in *ingest) insertWork(ctx context.Context, db *sqldb.Session, args []any) error {
	for len(args) > 0 {
		n, statement := in.workArgs, in.workRow
		if len(args) >= rowsAtOnce*in.workArgs {
			n, statement = rowsAtOnce*in.workArgs, in.workRows
		}
		if _, err := db.ExecContext(ctx, statement, args[:n]...); err != nil {
			return err
		}
		args = args[n:]
	}
	return nil
}
