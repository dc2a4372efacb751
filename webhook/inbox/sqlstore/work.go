package sqlstore

import (
	"context"
	"strings"
)

// rowsAtOnce is how many rows one statement inserts. To call a statement costs
// as much as to insert a small row.
const rowsAtOnce = 16

// workRow is what a new event has in _work: id, state, due, lane and ended.
type workRow [5]any

// workInserts are the statements that insert one row, and rowsAtOnce.
type workInserts struct{ one, many string }

func newWorkInserts(q *queries) workInserts {
	const insert, row = "INSERT INTO {p}_work (id, state, due, lane, ended) VALUES ", "(?, ?, ?, ?, ?)"
	return workInserts{one: q.text(insert + row), many: q.text(insert + row + strings.Repeat(", "+row, rowsAtOnce-1))}
}

// flush inserts the rows that wait. Whatever reads or changes rows of _work must
// find them there.
func (w *workInserts) flush(ctx context.Context, s *session) error {
	rows := s.waiting
	s.waiting = rows[:0]
	var args [rowsAtOnce * len(workRow{})]any
	for len(rows) > 0 {
		n, statement := 1, w.one
		if len(rows) >= rowsAtOnce {
			n, statement = rowsAtOnce, w.many
		}
		all := args[:0]
		for i := range rows[:n] {
			all = append(all, rows[i][:]...)
		}
		if _, err := s.exec(ctx, statement, all...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}
