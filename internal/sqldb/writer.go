package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"runtime"
	"slices"
	"sync"
)

const (
	// maxBatch and maxBatchBytes bound what is committed together, so that the
	// first of a batch does not wait long for the last.
	maxBatch      = 512
	maxBatchBytes = 8 << 20
)

// Writer is the only one of this process that writes to a SQLite database: it
// takes all that wants to be written, commits it with one sync of the disk, and
// then what has come in the meantime. So there is no delay for one writer, and
// many share the cost of the disk. It is safe for concurrent use.
//
// Its context ends the wait for a write and not the write, for each statement of
// a driver of SQLite is a call into another world.
type Writer[T any] struct {
	db     *sql.DB
	insert func(ctx context.Context, s *Session, items []T) error

	mu      sync.Mutex
	queue   []*job[T]
	alone   []*job[T] // those that want the session to themselves
	turn    bool      // it is theirs
	running bool
	closed  bool

	session *Session // of the goroutine that runs, or of the exclusive job
}

// NewWriter returns a Writer. insert writes what [Writer.Put] was given, that of
// many calls together.
func NewWriter[T any](db *sql.DB, insert func(ctx context.Context, s *Session, items []T) error) *Writer[T] {
	return &Writer[T]{db: db, insert: insert}
}

// job is something to be written: items, or what run writes.
type job[T any] struct {
	items []T
	size  int // of the items, in bytes
	// over is closed when nobody waits for the job any more.
	over <-chan struct{}
	// run can be called twice, of which only the second time counts, as insert.
	run func(ctx context.Context, s *Session) error
	// done gets the result, when it is durable.
	done chan error
	// alone gets the session instead, of which the job is the owner until it
	// closes release.
	alone   chan *Session
	release chan struct{}
}

var errClosed = errors.New("sqlstore: the store is closed")

// Do has run called in a transaction, and returns when that is durable, or ctx
// is over: then it may be committed or not. If the transaction fails run is
// called again in another one, without those who were in the first.
func (w *Writer[T]) Do(ctx context.Context, run func(context.Context, *Session) error) error {
	return w.wait(ctx, &job[T]{run: run})
}

// Write is [Writer.Do] for what has a value. It is run's alone until it is
// durable: a caller who has not waited for that gets none.
func Write[T, V any](ctx context.Context, w *Writer[T], run func(context.Context, *Session) (V, error)) (V, error) {
	var value, none V
	err := w.Do(ctx, func(ctx context.Context, s *Session) (err error) {
		value, err = run(ctx, s)
		return err
	})
	if err != nil {
		return none, err
	}
	return value, nil
}

// Put has items, of so many bytes, inserted, and returns as Do does. They belong
// to the Writer even after it has returned.
func (w *Writer[T]) Put(ctx context.Context, size int, items []T) error {
	return w.wait(ctx, &job[T]{size: size, items: items})
}

// wait waits for a job.
func (w *Writer[T]) wait(ctx context.Context, j *job[T]) error {
	j.over, j.done = ctx.Done(), make(chan error, 1)
	if err := w.enqueue(ctx, j); err != nil {
		return err
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		w.forget(j)
		return context.Cause(ctx)
	}
}

// forget drops what nobody waits for any more, and its memory, if its turn has
// not come: that may be long if a transaction of the program goes on.
func (w *Writer[T]) forget(j *job[T]) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := slices.Index(w.queue, j); i >= 0 {
		w.queue = slices.Delete(w.queue, i, i+1)
	}
}

// exclusive calls f with the connection to itself.
func (w *Writer[T]) exclusive(ctx context.Context, f func(*Session) error) error {
	j := &job[T]{over: ctx.Done(), done: make(chan error, 1), alone: make(chan *Session), release: make(chan struct{})}
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

func (w *Writer[T]) enqueue(ctx context.Context, j *job[T]) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return errClosed
	}
	if j.alone != nil {
		w.alone = append(w.alone, j)
	} else {
		w.queue = append(w.queue, j)
	}
	if !w.running {
		w.running = true
		go w.loop()
	}
	return nil
}

// loop runs as long as there is something to do.
func (w *Writer[T]) loop() {
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

// next takes what is to be committed together, nil if there is nothing. Those who
// want the session to themselves take turns with all the others: behind a few of
// them, each as long as a handler takes, leases would end that wait to be
// extended.
func (w *Writer[T]) next() []*job[T] {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.alone) > 0 && (w.turn || len(w.queue) == 0) {
		batch := w.alone[:1:1]
		w.alone, w.turn = w.alone[1:], false
		return batch
	}
	n, size := 0, 0
	for n < len(w.queue) && n < maxBatch && size < maxBatchBytes {
		size += w.queue[n].size
		n++
	}
	if n == 0 {
		w.running, w.queue, w.alone = false, nil, nil
		return nil
	}
	batch := w.queue[:n:n]
	w.queue, w.turn = w.queue[n:], true
	return batch
}

// connect returns the session, a new one if the last has broken. It is not
// bound to the context of a job: the others of the batch would fail with it.
func (w *Writer[T]) connect() (*Session, error) {
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
	if err := setUp(ctx, conn); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	w.session = &Session{Conn: conn, prepared: make(map[string]*sql.Stmt)}
	return w.session, nil
}

// commit runs a batch in one transaction. If that fails each of it gets one of
// its own, so that what is wrong with one does not harm the others.
func (w *Writer[T]) commit(batch []*job[T]) {
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
		j.done <- w.transaction([]*job[T]{j})
	}
}

func settle[T any](batch []*job[T], err error) {
	for _, j := range batch {
		j.done <- err
	}
}

// transaction runs jobs in one transaction. The first error ends it.
func (w *Writer[T]) transaction(jobs []*job[T]) error {
	ctx := context.Background()
	s, err := w.begin(ctx)
	if err != nil {
		return err
	}
	if err := w.run(ctx, s, jobs); err != nil {
		return w.rollback(ctx, s, err)
	}
	if _, err := s.ExecContext(ctx, "COMMIT"); err != nil {
		return w.rollback(ctx, s, err)
	}
	return nil
}

// run runs jobs in their order. Items that come one after the other are inserted
// together.
func (w *Writer[T]) run(ctx context.Context, s *Session, jobs []*job[T]) error {
	for len(jobs) > 0 {
		if jobs[0].run != nil {
			if err := jobs[0].run(ctx, s); err != nil {
				return err
			}
			jobs = jobs[1:]
			continue
		}
		var items []T
		for len(jobs) > 0 && jobs[0].run == nil {
			items = append(items, jobs[0].items...)
			jobs = jobs[1:]
		}
		if err := w.insert(ctx, s, items); err != nil {
			return err
		}
	}
	return nil
}

// begin begins a transaction, on another connection if the last is of no use any
// more: database/sql closes those of transactions whose context has ended.
func (w *Writer[T]) begin(ctx context.Context) (*Session, error) {
	for again := true; ; again = false {
		s, err := w.connect()
		if err != nil {
			return nil, err
		}
		if _, err = s.ExecContext(ctx, "BEGIN IMMEDIATE"); err == nil {
			return s, nil
		}
		if err = w.broken(err); w.session != nil || !again {
			return nil, err
		}
	}
}

// rollback ends a transaction that has failed. If that fails, too, except that
// SQLite has done so already, the connection is given up.
func (w *Writer[T]) rollback(ctx context.Context, s *Session, err error) error {
	_, failed := s.ExecContext(ctx, "ROLLBACK")
	if failed != nil {
		w.drop()
	}
	return w.broken(err)
}

// broken gives the connection up if err says that it is of no use any more.
func (w *Writer[T]) broken(err error) error {
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) {
		w.drop()
	}
	return err
}

// drop closes the connection, and does not give it back: a transaction may be
// open.
func (w *Writer[T]) drop() {
	s := w.session
	w.session = nil
	if s == nil || s.Raw(func(any) error { return nil }) != nil {
		return // database/sql has closed it already
	}
	s.closeStatements()
	_ = s.Raw(func(any) error { return driver.ErrBadConn })
}

func (w *Writer[T]) isClosed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed
}

// Transact calls f in a transaction of its own, and commits it if f returns nil.
// While it runs nothing else is written.
func (w *Writer[T]) Transact(ctx context.Context, f func(*sql.Tx) error) error {
	return w.exclusive(ctx, func(s *Session) error {
		// To give the connection up waits for the end of the transaction.
		return w.broken(transact(ctx, s, f))
	})
}

func transact(ctx context.Context, s *Session, f func(*sql.Tx) error) error {
	tx, err := s.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit there is nothing to undo
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// Close waits for what is being written, and gives the connection back to the
// database. Calls of the Writer fail afterwards.
func (w *Writer[T]) Close(ctx context.Context) error {
	return w.exclusive(ctx, func(s *Session) error {
		w.mu.Lock()
		w.closed = true
		w.mu.Unlock()
		w.session = nil
		s.closeStatements()
		return s.Close()
	})
}
