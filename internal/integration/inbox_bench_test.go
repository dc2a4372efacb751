package integration_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/inbox"
	"github.com/holdfast-go/holdfast/webhook/inbox/sqlstore"
)

// BenchmarkInboxIngest has 256 senders put events of 4 KiB, each of which waits
// until its own is durable. The peer is the least that could do: one table with a
// unique hash, and a loop that commits what has come in.
func BenchmarkInboxIngest(b *testing.B) {
	body := payload(4 << 10)
	for name, put := range map[string]func(b *testing.B) func(n int64) error{
		"inbox": func(b *testing.B) func(int64) error {
			b.Helper()
			store := newSQLite(b, openSQLite(b, filepath.Join(b.TempDir(), "inbox.db")), sqlstore.Config{})
			in, err := inbox.New(inbox.Config{Store: store, MaxBacklog: 1 << 30})
			require.NoError(b, err)
			return func(n int64) error {
				_, err := in.Put(b.Context(), inbox.Event{Source: "test", ID: strconv.FormatInt(n, 10), IDSigned: true, Body: body})
				return err
			}
		},
		"bare": func(b *testing.B) func(int64) error {
			b.Helper()
			w := newBare(b, filepath.Join(b.TempDir(), "bare.db"))
			return func(n int64) error {
				var id [8]byte
				binary.BigEndian.PutUint64(id[:], uint64(n))
				hash := sha256.Sum256(id[:])
				return w.put(b.Context(), hash[:], body)
			}
		},
		"postgres": func(b *testing.B) func(int64) error {
			b.Helper()
			in, err := inbox.New(inbox.Config{Store: newPostgres(b, openPostgres(b, newSchema(b)), sqlstore.Config{}), MaxBacklog: 1 << 30})
			require.NoError(b, err)
			return func(n int64) error {
				_, err := in.Put(b.Context(), inbox.Event{Source: "test", ID: strconv.FormatInt(n, 10), IDSigned: true, Body: body})
				return err
			}
		},
	} {
		b.Run(name, func(b *testing.B) {
			do := put(b)
			var n atomic.Int64
			b.SetBytes(int64(len(body)))
			b.SetParallelism((256 + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := do(n.Add(1)); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// bare commits what has come in while the last commit ran.
type bare struct {
	conn   *sql.Conn
	begin  *sql.Stmt
	insert *sql.Stmt
	commit *sql.Stmt

	mu      sync.Mutex
	queue   []bareJob
	running bool
}

type bareJob struct {
	id, body []byte
	done     chan error
}

func newBare(b *testing.B, path string) *bare {
	b.Helper()
	conn, err := openSQLite(b, path).Conn(b.Context())
	require.NoError(b, err)
	for _, statement := range []string{
		"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL",
		"CREATE TABLE t (n INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, body BLOB NOT NULL)",
	} {
		_, err := conn.ExecContext(b.Context(), statement)
		require.NoError(b, err)
	}
	w := &bare{conn: conn}
	for target, statement := range map[**sql.Stmt]string{
		&w.begin: "BEGIN IMMEDIATE", &w.commit: "COMMIT", &w.insert: "INSERT INTO t (id, body) VALUES (?, ?) ON CONFLICT DO NOTHING",
	} {
		*target, err = conn.PrepareContext(b.Context(), statement)
		require.NoError(b, err)
	}
	b.Cleanup(func() {
		w.begin.Close()
		w.insert.Close()
		w.commit.Close()
		conn.Close()
	})
	return w
}

func (w *bare) put(ctx context.Context, id, body []byte) error {
	done := make(chan error, 1)
	w.mu.Lock()
	w.queue = append(w.queue, bareJob{id, body, done})
	if !w.running {
		w.running = true
		go w.work()
	}
	w.mu.Unlock()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *bare) work() {
	for {
		w.mu.Lock()
		n := min(512, len(w.queue))
		batch := w.queue[:n:n]
		w.queue = w.queue[n:]
		if n == 0 {
			w.running = false
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		err := w.write(batch)
		for _, j := range batch {
			j.done <- err
		}
	}
}

func (w *bare) write(batch []bareJob) error {
	ctx := context.Background()
	if _, err := w.begin.ExecContext(ctx); err != nil {
		return err
	}
	for _, j := range batch {
		if _, err := w.insert.ExecContext(ctx, j.id, j.body); err != nil {
			return err
		}
	}
	_, err := w.commit.ExecContext(ctx)
	return err
}

// fill puts n events of 1 KiB.
func fill(b *testing.B, store inbox.Store, n int) {
	b.Helper()
	now, err := store.Now(b.Context())
	require.NoError(b, err)
	body := payload(1 << 10)
	const batch = 2000
	for i := 0; i < n; i += batch {
		var entries []inbox.Entry
		for j := i; j < min(n, i+batch); j++ {
			hash := sha256.Sum256(strconv.AppendInt(nil, int64(j), 10))
			entries = append(entries, inbox.Entry{Event: inbox.Event{Source: "test", ID: strconv.Itoa(j), Body: body, Received: now}, Dedupe: hash})
		}
		_, err := store.Put(b.Context(), now, entries)
		require.NoError(b, err)
	}
}

// fillPostgres does so without a round trip for each.
func fillPostgres(b *testing.B, db *sql.DB, n int) {
	b.Helper()
	for _, statement := range []string{
		`INSERT INTO holdfast_inbox_events (dedupe, fingerprint, source, event_id, id_signed, type, ordering_key, received, header, body)
			SELECT sha256(n::text::bytea), '', 'test', n::text, true, '', '', 0, '', convert_to(repeat('x', 1024), 'UTF8')
			FROM generate_series(1, ` + strconv.Itoa(n) + `) AS n`,
		`INSERT INTO holdfast_inbox_work (id, state, due) SELECT id, 1, 0 FROM holdfast_inbox_events`,
		`ANALYZE`,
	} {
		_, err := db.ExecContext(b.Context(), statement)
		require.NoError(b, err)
	}
}

// BenchmarkInboxStart opens a store in which a million events wait, and handles
// the first of them. It also says how long a count of the backlog takes, and how
// much memory is in use while handlers run.
func BenchmarkInboxStart(b *testing.B) {
	const events = 1_000_000
	for name, open := range map[string]func(b *testing.B) func() inbox.Store{
		"sqlite": func(b *testing.B) func() inbox.Store {
			b.Helper()
			path := filepath.Join(b.TempDir(), "inbox.db")
			store := newSQLite(b, openSQLite(b, path), sqlstore.Config{})
			fill(b, store, events)
			require.NoError(b, store.Close(b.Context()))
			return func() inbox.Store { return newSQLite(b, openSQLite(b, path), sqlstore.Config{}) }
		},
		"postgres": func(b *testing.B) func() inbox.Store {
			b.Helper()
			dsn := newSchema(b)
			db := openPostgres(b, dsn)
			newPostgres(b, db, sqlstore.Config{})
			fillPostgres(b, db, events)
			return func() inbox.Store { return newPostgres(b, openPostgres(b, dsn), sqlstore.Config{}) }
		},
	} {
		b.Run(name, func(b *testing.B) {
			again := open(b)
			var counting time.Duration
			var memory runtime.MemStats
			for b.Loop() {
				store := again()
				first := make(chan struct{}, 10_000)
				in, err := inbox.New(inbox.Config{Store: store, Handle: func(context.Context, *inbox.Delivery) error {
					first <- struct{}{}
					return nil
				}})
				require.NoError(b, err)
				ctx, cancel := context.WithCancel(b.Context())
				ended := make(chan error, 1)
				go func() { ended <- in.Run(ctx) }()
				<-first
				b.StopTimer()
				runtime.ReadMemStats(&memory)
				start := time.Now()
				_, err = store.Backlog(b.Context(), 2*events)
				require.NoError(b, err)
				counting = time.Since(start)
				cancel()
				require.NoError(b, <-ended)
				if s, ok := store.(*sqlstore.SQLite); ok {
					require.NoError(b, s.Close(b.Context()))
				}
				b.StartTimer()
			}
			b.ReportMetric(counting.Seconds()*1000, "ms/count")
			b.ReportMetric(float64(memory.HeapInuse)/(1<<20), "heap-MB")
		})
	}
}
