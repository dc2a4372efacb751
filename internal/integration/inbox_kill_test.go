package integration_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/inbox"
)

// fromEnv returns a number for a longer run.
func fromEnv(t *testing.T, name string, short int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return short
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// TestInboxKilled kills a process again and again while it takes events in and
// handles them. Whatever was acknowledged must be stored, be handled at least
// once and, in a transaction of the store, exactly once.
//
//	HOLDFAST_INBOX_KILLS=200 HOLDFAST_INBOX_EVENTS=20000 internal/integration/run -v -run InboxKilled
func TestInboxKilled(t *testing.T) {
	t.Parallel()
	kills, events := fromEnv(t, "HOLDFAST_INBOX_KILLS", 6), fromEnv(t, "HOLDFAST_INBOX_EVENTS", 600)
	for _, driver := range []string{"sqlite", "pgx"} {
		for _, tx := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s tx=%v", driver, tx), func(t *testing.T) {
				t.Parallel()
				killed(t, driver, tx, kills, events)
			})
		}
	}
}

func killed(t *testing.T, driver string, tx bool, kills, events int) {
	t.Helper()
	dir := t.TempDir()
	c := receiverConfig{
		Driver: driver, DSN: filepath.Join(dir, "inbox.db"), Tx: tx, Log: filepath.Join(dir, "log"),
		Lease: 300 * time.Millisecond, MaxCrashes: -1,
	}
	if driver == "pgx" {
		c.DSN = newSchema(t)
	}
	db := openDatabase(t, c)
	openStore(t, c, db) // makes the tables
	_, err := db.ExecContext(t.Context(), "CREATE TABLE effects (id TEXT NOT NULL)")
	require.NoError(t, err)

	s := &senders{fed: make(chan string, events)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 16 {
		s.running.Go(func() { s.send(ctx) })
	}
	next := 0
	for i := range kills {
		r := startReceiver(t, c)
		s.url.Store(&r.url)
		for ; next < events*(i+1)/kills; next++ {
			s.fed <- fmt.Sprintf("evt_%d", next)
		}
		<-time.After(time.Duration(rand.IntN(120)) * time.Millisecond)
		acked := s.all() // before it dies: what comes later is for the next round
		r.kill()
		requireStored(t, db, acked)
	}
	close(s.fed)
	last := startReceiver(t, c)
	s.url.Store(&last.url)
	s.running.Wait()
	store := openStore(t, c, db)
	awaitIdle(t, store)
	last.stop()

	acked := s.all()
	require.Len(t, acked, events)
	requireStored(t, db, acked)
	stats, err := store.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, inbox.Stats{}, stats, "nothing is left, dead or quarantined")
	var log []string
	if tx {
		log = column(t, db, "SELECT id FROM effects")
	} else {
		text, err := os.ReadFile(c.Log)
		require.NoError(t, err)
		log = strings.Fields(string(text))
	}
	times := make(map[string]int)
	for _, id := range log {
		times[id]++
	}
	require.Len(t, times, events, "each at least once")
	again := len(log) - events
	if tx {
		require.Zero(t, again, "each exactly once")
	}
	t.Logf("%d kills, %d events acknowledged, %d sent again, %d handled again", kills, events, s.again.Load(), again)
}

// awaitIdle returns when all is handled, and fails if nothing is for a minute.
func awaitIdle(t *testing.T, store inbox.Store) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	least, since := -1, time.Now()
	for range tick.C {
		n, err := store.Backlog(t.Context(), 1_000_000)
		require.NoError(t, err)
		if n == 0 {
			return
		}
		if least < 0 || n < least {
			least, since = n, time.Now()
		}
		require.Less(t, time.Since(since), time.Minute, "%d events wait", n)
	}
}

// senders send events until they are acknowledged.
type senders struct {
	url     atomic.Pointer[string]
	fed     chan string
	running sync.WaitGroup
	again   atomic.Int64

	mu    sync.Mutex
	acked []string
}

func (s *senders) send(ctx context.Context) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	for id := range s.fed {
		for try := 0; ctx.Err() == nil; try++ {
			if try == 1 {
				s.again.Add(1)
			}
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, *s.url.Load(), strings.NewReader("body of "+id))
			if err != nil {
				panic(err)
			}
			req.Header.Set("Webhook-Id", id)
			if got := call(client, req); got.err == nil && got.status == http.StatusNoContent {
				s.mu.Lock()
				s.acked = append(s.acked, id)
				s.mu.Unlock()
				break
			}
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
}

func (s *senders) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clip(s.acked)
}

// requireStored fails unless all are there, and once.
func requireStored(t *testing.T, db *sql.DB, acked []string) {
	t.Helper()
	times := make(map[string]int)
	for _, id := range column(t, db, "SELECT event_id FROM holdfast_inbox_events") {
		times[id]++
	}
	for _, id := range acked {
		require.Equal(t, 1, times[id], "%s was acknowledged", id)
	}
}

func column(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	require.NoError(t, err)
	defer rows.Close()
	var all []string
	for rows.Next() {
		var value string
		require.NoError(t, rows.Scan(&value))
		all = append(all, value)
	}
	require.NoError(t, rows.Err())
	return all
}

// TestInboxPoison has an event that ends each process which handles it. It ends
// up dead, alone.
func TestInboxPoison(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := receiverConfig{
		Driver: "sqlite", DSN: filepath.Join(dir, "inbox.db"), Log: filepath.Join(dir, "log"),
		Poison: "evt_20", Hold: 30 * time.Millisecond, Lease: 300 * time.Millisecond,
	}
	db := openDatabase(t, c)
	store := openStore(t, c, db)
	in, err := inbox.New(inbox.Config{Store: store})
	require.NoError(t, err)
	const events = 40
	for i := range events {
		_, err := in.Put(t.Context(), inbox.Event{Source: "test", ID: fmt.Sprintf("evt_%d", i), IDSigned: true})
		require.NoError(t, err)
	}
	idle := func() bool {
		n, err := store.Backlog(t.Context(), 1)
		require.NoError(t, err)
		return n == 0
	}
	lives := 0
	for ; !idle(); lives++ {
		require.Less(t, lives, 10)
		r := startReceiver(t, c)
		tick := time.NewTicker(20 * time.Millisecond)
		for alive := true; alive && !idle(); {
			select {
			case <-r.exited:
				alive = false
			case <-tick.C:
			}
		}
		tick.Stop()
		r.stop()
	}
	require.Equal(t, inbox.DefaultMaxCrashes+1, lives)
	dead, err := in.List(t.Context(), inbox.Filter{State: inbox.Dead})
	require.NoError(t, err)
	require.Len(t, dead, 1)
	require.Equal(t, c.Poison, dead[0].ID)
	done, err := in.List(t.Context(), inbox.Filter{State: inbox.Done})
	require.NoError(t, err)
	require.Len(t, done, events-1)
}

// TestInboxPaused stops a process past the end of its lease. Another one has its
// event by then, and what the first says of it is refused.
func TestInboxPaused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := receiverConfig{Driver: "pgx", DSN: newSchema(t), Log: filepath.Join(dir, "log"), Hold: time.Second, Lease: 500 * time.Millisecond}
	db := openDatabase(t, c)
	in, err := inbox.New(inbox.Config{Store: openStore(t, c, db)})
	require.NoError(t, err)
	first := startReceiver(t, c)
	_, err = in.Put(t.Context(), inbox.Event{Source: "test", ID: "a", IDSigned: true})
	require.NoError(t, err)
	first.await(t, "handling a")
	first.pause(t)

	second := startReceiver(t, c)
	second.await(t, "done a")
	before, err := in.List(t.Context(), inbox.Filter{})
	require.NoError(t, err)
	first.resume(t)
	require.Equal(t, "lost a true", first.await(t, "lost"))
	after, err := in.List(t.Context(), inbox.Filter{})
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.Equal(t, inbox.Done, after[0].State)
	require.Equal(t, 2, after[0].Attempt)
	first.stop()
	second.stop()
}
