package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"runtime"
	"sync"
)

const (
	// maxBatch and maxBatchBytes bound what is committed together, so that the
	// first of a batch does not wait long for the last.
	maxBatch      = 512
	maxBatchBytes = 8 << 20
)

// writer is the only one of this process that writes to a SQLite database: it
// takes all that wants to be written, commits it with one sync of the disk, and
// then what has come in the meantime. So there is no delay for one writer, and
// many share the cost of the disk.
type writer struct {
	db    *sql.DB
	work  workInserts
	setUp func(ctx context.Context, conn *sql.Conn) error

	mu      sync.Mutex
	queue   []*job
	running bool
	closed  bool

	session *session // of the goroutine that runs, or of the exclusive job
}

// session is a connection, and what was prepared on it.
type session struct {
	*sql.Conn
	prepared map[string]*sql.Stmt
	waiting  []workRow // not inserted yet
}

// job is something to be written.
type job struct {
	size int
	// puts says that it may leave rows in session.waiting.
	puts bool
	// over is closed when nobody waits for the job any more.
	over <-chan struct{}
	// run writes. It can be called twice, of which only the second time counts.
	run func(ctx context.Context, s *session) error
	// done gets the result, when it is durable.
	done chan error
	// alone gets the session instead, of which the job is the owner until it
	// closes release.
	alone   chan *session
	release chan struct{}
}

var errClosed = errors.New("sqlstore: the store is closed")

// do has run called in a transaction, and returns when that is durable, or ctx
// is over: then it may be committed or not.
func (w *writer) do(ctx context.Context, run func(context.Context, *session) error) error {
	return w.wait(ctx, &job{run: run})
}

// wait is do for a job.
func (w *writer) wait(ctx context.Context, j *job) error {
	j.over, j.done = ctx.Done(), make(chan error, 1)
	if err := w.enqueue(ctx, j); err != nil {
		return err
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// exclusive calls f with the connection to itself.
func (w *writer) exclusive(ctx context.Context, f func(*session) error) error {
	j := &job{over: ctx.Done(), done: make(chan error, 1), alone: make(chan *session), release: make(chan struct{})}
	if err := w.enqueue(ctx, j); err != nil {
		return err
	}
	select {
	case s := <-j.alone:
		defer close(j.release)
		return f(s)
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (w *writer) enqueue(ctx context.Context, j *job) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return errClosed
	}
	w.queue = append(w.queue, j)
	if !w.running {
		w.running = true
		go w.loop()
	}
	return nil
}

// loop runs as long as there is something to do.
func (w *writer) loop() {
	for {
		batch := w.next()
		if batch == nil {
			return
		}
		if batch[0].alone == nil {
			w.commit(batch)
			// Those who were told now may have more, which is worth a commit for
			// all of them and not only for the first.
			runtime.Gosched()
			continue
		}
		s, err := w.connect()
		if err != nil {
			settle(batch, err)
			continue
		}
		select {
		case batch[0].alone <- s:
			<-batch[0].release
		case <-batch[0].over:
		}
	}
}

// next takes what is to be committed together, nil if there is nothing.
func (w *writer) next() []*job {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, size := 0, 0
	for n < len(w.queue) && n < maxBatch && size < maxBatchBytes {
		if w.queue[n].alone != nil && n > 0 {
			break
		}
		size += w.queue[n].size
		n++
		if w.queue[n-1].alone != nil {
			break
		}
	}
	if n == 0 {
		w.running, w.queue = false, nil
		return nil
	}
	batch := w.queue[:n:n]
	w.queue = w.queue[n:]
	return batch
}

// connect returns the session, a new one if the last has broken. It is not
// bound to the context of a job: the others of the batch would fail with it.
func (w *writer) connect() (*session, error) {
	if w.session != nil {
		return w.session, nil
	}
	if w.isClosed() {
		return nil, errClosed // to jobs that came before the end, but behind it
	}
	ctx := context.Background()
	conn, err := w.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if err := w.setUp(ctx, conn); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	w.session = &session{Conn: conn, prepared: make(map[string]*sql.Stmt)}
	return w.session, nil
}

// commit runs a batch in one transaction. If that fails each of it gets one of
// its own, so that what is wrong with one does not harm the others.
func (w *writer) commit(batch []*job) {
	live := batch[:0:0]
	for _, j := range batch {
		select {
		case <-j.over:
			j.done <- context.Canceled // nobody is there
		default:
			live = append(live, j)
		}
	}
	if len(live) == 0 {
		return
	}
	err := w.transaction(live)
	if err == nil || len(live) == 1 {
		settle(live, err)
		return
	}
	for _, j := range live {
		j.done <- w.transaction([]*job{j})
	}
}

func settle(batch []*job, err error) {
	for _, j := range batch {
		j.done <- err
	}
}

// transaction runs jobs in one transaction. The first error ends it.
func (w *writer) transaction(jobs []*job) error {
	ctx := context.Background()
	s, err := w.begin(ctx)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if !j.puts {
			if err := w.work.flush(ctx, s); err != nil {
				return w.rollback(ctx, s, err)
			}
		}
		if err := j.run(ctx, s); err != nil {
			return w.rollback(ctx, s, err)
		}
	}
	if err := w.work.flush(ctx, s); err != nil {
		return w.rollback(ctx, s, err)
	}
	if _, err := s.exec(ctx, "COMMIT"); err != nil {
		return w.rollback(ctx, s, err)
	}
	return nil
}

// begin begins a transaction, on another connection if the last is of no use any
// more: database/sql closes those of transactions whose context has ended.
func (w *writer) begin(ctx context.Context) (*session, error) {
	for again := true; ; again = false {
		s, err := w.connect()
		if err != nil {
			return nil, err
		}
		if _, err = s.exec(ctx, "BEGIN IMMEDIATE"); err == nil {
			return s, nil
		}
		if err = w.broken(err); w.session != nil || !again {
			return nil, err
		}
	}
}

// rollback ends a transaction that has failed. If that fails, too, except that
// SQLite has done so already, the connection is given up.
func (w *writer) rollback(ctx context.Context, s *session, err error) error {
	s.waiting = s.waiting[:0]
	_, failed := s.exec(ctx, "ROLLBACK")
	if failed != nil {
		w.drop()
	}
	return w.broken(err)
}

// broken gives the connection up if err says that it is of no use any more.
func (w *writer) broken(err error) error {
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) {
		w.drop()
	}
	return err
}

// drop closes the connection, and does not give it back: a transaction may be
// open.
func (w *writer) drop() {
	s := w.session
	w.session = nil
	if s == nil || s.Raw(func(any) error { return nil }) != nil {
		return // database/sql has closed it already
	}
	s.closeStatements()
	_ = s.Raw(func(any) error { return driver.ErrBadConn })
}

// closeStatements must come before the end of a connection, which keeps its locks
// and its memory as long as it has statements.
func (s *session) closeStatements() {
	for _, stmt := range s.prepared {
		_ = stmt.Close()
	}
}

func (w *writer) isClosed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed
}

// close waits for what is being written, and gives the connection back.
func (w *writer) close(ctx context.Context) error {
	return w.exclusive(ctx, func(s *session) error {
		w.mu.Lock()
		w.closed = true
		w.mu.Unlock()
		w.session = nil
		s.closeStatements()
		return s.Close()
	})
}

// stmt prepares a statement once.
func (s *session) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if stmt := s.prepared[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := s.PrepareContext(ctx, query)
	if err == nil {
		s.prepared[query] = stmt
	}
	return stmt, err
}

// exec executes a statement of the few that there are, prepared.
func (s *session) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	stmt, err := s.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(ctx, args...)
}

// ExecContext is exec: the session is a database whose statements are prepared.
func (s *session) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return s.exec(ctx, query, args...)
}

// QueryContext queries with a prepared statement.
func (s *session) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, err := s.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

// QueryRowContext queries one row. Its statement is not prepared, for a Row has
// nowhere to put the error of preparing it.
func (s *session) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return s.Conn.QueryRowContext(ctx, query, args...)
}
