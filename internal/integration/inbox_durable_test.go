package integration_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/holdfast-go/holdfast/webhook/inbox"
	"github.com/holdfast-go/holdfast/webhook/inbox/sqlstore"
)

// gate is a driver of SQLite whose commits wait, or fail.
type gate struct {
	driver.Driver
	commit   atomic.Pointer[func() error]
	begun    atomic.Int64
	rollback atomic.Pointer[error] // of each rollback, which does nothing then
	begin    atomic.Pointer[func()]
}

func newGate() *gate { return &gate{Driver: &sqlite.Driver{}} }

// set has f called before each commit, which fails if it does.
func (g *gate) set(f func() error) { g.commit.Store(&f) }

// connector opens one file.
type connector struct {
	gate *gate
	path string
}

func (c connector) Driver() driver.Driver { return c.gate }

func (c connector) Connect(context.Context) (driver.Conn, error) {
	conn, err := c.gate.Open(c.path)
	if err != nil {
		return nil, err
	}
	return gatedConn{conn, c.gate}, nil
}

// gatedConn has only what it must: database/sql does the rest by statements.
type gatedConn struct {
	driver.Conn
	gate *gate
}

func (c gatedConn) Prepare(query string) (driver.Stmt, error) {
	stmt, err := c.Conn.Prepare(query)
	if err == nil && (query == "COMMIT" || query == "ROLLBACK" || query == "BEGIN IMMEDIATE") {
		return gatedStmt{stmt, c.gate, query}, nil
	}
	return stmt, err
}

type gatedStmt struct {
	driver.Stmt
	gate  *gate
	query string
}

func (s gatedStmt) Exec(args []driver.Value) (driver.Result, error) {
	if s.query == "BEGIN IMMEDIATE" {
		if f := s.gate.begin.Load(); f != nil {
			(*f)()
		}
		return s.Stmt.Exec(args) //nolint:staticcheck // see below
	}
	if s.query == "ROLLBACK" {
		if err := s.gate.rollback.Load(); err != nil {
			return nil, *err
		}
		return s.Stmt.Exec(args) //nolint:staticcheck // see below
	}
	s.gate.begun.Add(1)
	if f := s.gate.commit.Load(); f != nil {
		if err := (*f)(); err != nil {
			return nil, err
		}
	}
	return s.Stmt.Exec(args) //nolint:staticcheck // all that a wrapper without a context has
}

func (g *gate) open(t *testing.T, path string) *sql.DB {
	t.Helper()
	db := sql.OpenDB(connector{g, path})
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// TestInboxAcknowledgesWhatIsDurable sends 1,000 copies of an event at once
// while the commit hangs: nobody is told anything, not even the copies.
func TestInboxAcknowledgesWhatIsDurable(t *testing.T) {
	t.Parallel()
	const copies = 1000
	g := newGate()
	path := filepath.Join(t.TempDir(), "inbox.db")
	store := newSQLite(t, g.open(t, path), sqlstore.Config{})
	in, err := inbox.New(inbox.Config{Store: store})
	require.NoError(t, err)

	open := make(chan struct{})
	reached := make(chan struct{}, 1)
	g.set(func() error {
		select {
		case reached <- struct{}{}:
		default:
		}
		<-open
		return nil
	})
	var told atomic.Int64
	var results sync.Map
	var wg sync.WaitGroup
	for range copies {
		wg.Go(func() {
			got, err := in.Put(t.Context(), inbox.Event{Source: "test", ID: "same", IDSigned: true, Body: []byte("x")})
			told.Add(1)
			if err != nil {
				t.Error(err)
				return
			}
			n, _ := results.LoadOrStore(got[0], new(atomic.Int64))
			n.(*atomic.Int64).Add(1)
		})
	}
	<-reached
	other := openSQLite(t, path)
	require.Empty(t, column(t, other, "SELECT event_id FROM holdfast_inbox_events"))
	require.Zero(t, told.Load())
	close(open)
	wg.Wait()
	require.Equal(t, []string{"same"}, column(t, other, "SELECT event_id FROM holdfast_inbox_events"))
	stored, _ := results.Load(inbox.Stored)
	duplicates, _ := results.Load(inbox.Duplicate)
	require.EqualValues(t, 1, stored.(*atomic.Int64).Load())
	require.EqualValues(t, copies-1, duplicates.(*atomic.Int64).Load())
	require.Less(t, g.begun.Load(), int64(20), "they share commits")
}

func TestInboxCopiesPostgres(t *testing.T) {
	t.Parallel()
	const copies = 1000
	db := openPostgres(t, newSchema(t))
	in, err := inbox.New(inbox.Config{Store: newPostgres(t, db, sqlstore.Config{})})
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range copies {
		wg.Go(func() {
			if _, err := in.Put(t.Context(), inbox.Event{Source: "test", ID: "same", Body: []byte("x")}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	stats, err := in.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, inbox.PutCounts{Stored: 1, Duplicates: copies - 1}, stats.Put)
	require.Equal(t, []string{"same"}, column(t, db, "SELECT event_id FROM holdfast_inbox_events"))
}

// TestInboxFailedCommit has commits fail: each Put says so, nothing is stored,
// and the store works again afterwards.
func TestInboxFailedCommit(t *testing.T) {
	t.Parallel()
	failure := errors.New("the disk is full")
	for name, rollback := range map[string]*error{"undone": nil, "not even undone": &failure} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGate()
			store := newSQLite(t, g.open(t, filepath.Join(t.TempDir(), "inbox.db")), sqlstore.Config{})
			in, err := inbox.New(inbox.Config{Store: store})
			require.NoError(t, err)
			put := func(i int) error {
				_, err := in.Put(t.Context(), inbox.Event{Source: "test", ID: strconv.Itoa(i), IDSigned: true})
				return err
			}
			require.NoError(t, put(0))
			g.set(func() error { return failure })
			g.rollback.Store(rollback)
			var wg sync.WaitGroup
			for i := range 50 {
				wg.Go(func() {
					var failed *inbox.StoreError
					if err := put(1 + i); !errors.As(err, &failed) || !errors.Is(err, failure) {
						t.Errorf("%d: %v", i, err)
					}
				})
			}
			wg.Wait()
			g.set(func() error { return nil })
			require.NoError(t, put(100))
			records, err := in.List(t.Context(), inbox.Filter{})
			require.NoError(t, err)
			require.Len(t, records, 2)
		})
	}
}

// A Put whose caller does not wait any longer may have stored its event or not;
// the body that it was given can be used for something else.
func TestInboxImpatientPut(t *testing.T) {
	t.Parallel()
	g := newGate()
	store := newSQLite(t, g.open(t, filepath.Join(t.TempDir(), "inbox.db")), sqlstore.Config{})
	in, err := inbox.New(inbox.Config{Store: store})
	require.NoError(t, err)
	open, reached := make(chan struct{}), make(chan struct{}, 10)
	g.set(func() error {
		reached <- struct{}{}
		<-open
		return nil
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	body := []byte("as it came")
	ended := make(chan error, 1)
	go func() {
		_, err := in.Put(ctx, inbox.Event{Source: "test", ID: "a", IDSigned: true, Body: body})
		ended <- err
	}()
	<-reached
	gone := errors.New("gone")
	cancel(gone)
	require.ErrorIs(t, <-ended, gone)
	copy(body, "scribbled!")
	close(open)
	results, err := in.Put(t.Context(), inbox.Event{Source: "test", ID: "a", IDSigned: true, Body: []byte("as it came")})
	require.NoError(t, err)
	require.Equal(t, []inbox.Result{inbox.Duplicate}, results)
	records, err := in.List(t.Context(), inbox.Filter{Content: true})
	require.NoError(t, err)
	require.Equal(t, "as it came", string(records[0].Body))
}

// What comes of a write whose caller does not wait any longer is nobody's to
// read: the race detector looks at this one.
func TestInboxImpatientAdmin(t *testing.T) {
	t.Parallel()
	g := newGate()
	store := newSQLite(t, g.open(t, filepath.Join(t.TempDir(), "inbox.db")), sqlstore.Config{})
	for name, change := range map[string]func(context.Context, time.Time) (int, error){
		"replay":  func(ctx context.Context, now time.Time) (int, error) { return store.Replay(ctx, now, []int64{1}) },
		"discard": func(ctx context.Context, now time.Time) (int, error) { return store.Discard(ctx, now, []int64{1}) },
		"purge":   func(ctx context.Context, now time.Time) (int, error) { return store.Purge(ctx, now, now, 10) },
		"claim": func(ctx context.Context, now time.Time) (int, error) {
			claims, err := store.Claim(ctx, now, now, 10)
			return len(claims), err
		},
		"extend": func(ctx context.Context, now time.Time) (int, error) {
			lost, err := store.Extend(ctx, []inbox.Token{{Seq: 1}}, now)
			return len(lost), err
		},
	} {
		for range 20 {
			ctx, cancel := context.WithCancel(t.Context())
			begin := func() { cancel() }
			g.begin.Store(&begin)
			if n, err := change(ctx, time.Now()); err != nil {
				require.ErrorIs(t, err, context.Canceled, name)
				require.Zero(t, n, name)
			}
		}
	}
	g.begin.Store(nil)
	require.NoError(t, store.Close(t.Context()))
}

// A handler that hangs in a transaction is let go when its context ends, and the
// store goes on with another connection if it must.
func TestInboxCanceledTransaction(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) inbox.TxStore{
		"sqlite": func(t *testing.T) inbox.TxStore {
			return newSQLite(t, openSQLite(t, filepath.Join(t.TempDir(), "inbox.db")), sqlstore.Config{})
		},
		"gated": func(t *testing.T) inbox.TxStore {
			return newSQLite(t, newGate().open(t, filepath.Join(t.TempDir(), "inbox.db")), sqlstore.Config{})
		},
		"postgres": func(t *testing.T) inbox.TxStore {
			return newPostgres(t, openPostgres(t, newSchema(t)), sqlstore.Config{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := open(t)
			in, err := inbox.New(inbox.Config{Store: store})
			require.NoError(t, err)
			_, err = in.Put(t.Context(), inbox.Event{Source: "test", ID: "a", IDSigned: true})
			require.NoError(t, err)
			now, err := store.Now(t.Context())
			require.NoError(t, err)
			claims, err := store.Claim(t.Context(), now, now.Add(1e12), 1)
			require.NoError(t, err)
			require.Len(t, claims, 1)
			ctx, cancel := context.WithCancel(t.Context())
			err = store.Transact(ctx, now, claims[0].Token, func(tx *sql.Tx) error {
				if _, err := tx.ExecContext(ctx, "CREATE TABLE half (n INTEGER)"); err != nil {
					return err
				}
				cancel()
				<-ctx.Done()
				return nil
			})
			require.Error(t, err)
			// Whatever came of the connection.
			_, err = in.Put(t.Context(), inbox.Event{Source: "test", ID: "b", IDSigned: true})
			require.NoError(t, err)
			require.NoError(t, store.Transact(t.Context(), now, claims[0].Token, func(tx *sql.Tx) error {
				_, err := tx.ExecContext(t.Context(), "CREATE TABLE half (n INTEGER)")
				return err
			}))
		})
	}
}
