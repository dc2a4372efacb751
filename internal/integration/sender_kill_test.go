package integration_test

import (
	"bufio"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/sender"
	"github.com/holdfast-go/holdfast/webhook/sender/sqlstore"
)

const (
	outboxVariable    = "HOLDFAST_TEST_OUTBOX"
	outboxDSNVariable = "HOLDFAST_TEST_OUTBOX_DSN"
)

// openProgramsOutbox opens a database that several processes share.
func openProgramsOutbox(t *testing.T, driver, dsn string) outbox {
	t.Helper()
	if driver == "sqlite" {
		db := openSQLite(t, dsn)
		store, err := sqlstore.NewSQLite(t.Context(), db, sqlstore.Config{})
		require.NoError(t, err)
		return outbox{store, db}
	}
	db := openPostgres(t, dsn)
	store, err := sqlstore.NewPostgres(t.Context(), db, sqlstore.Config{})
	require.NoError(t, err)
	return outbox{store, db}
}

// TestSenderOutboxProcess is the process and not a test. It takes orders until it
// is killed, every third of which it does not commit.
func TestSenderOutboxProcess(t *testing.T) {
	driver := os.Getenv(outboxVariable)
	if driver == "" {
		t.Skip("it is started by other tests")
	}
	o := openProgramsOutbox(t, driver, os.Getenv(outboxDSNVariable))
	s, err := sender.New(sender.Config{Store: o, Endpoint: noEndpoint})
	require.NoError(t, err)
	fmt.Println("ready")
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				take(t, o.db, s, fmt.Sprintf("order_%d_%d_%d", os.Getpid(), worker, i), i%3 != 0)
			}
		})
	}
	wg.Wait()
}

func take(t *testing.T, db *sql.DB, s *sender.Sender, id string, commit bool) {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		return // SQLite was busy with others for too long
	}
	defer tx.Rollback()
	if err := order(t.Context(), s, tx, id, "a", "b"); err != nil || !commit {
		return
	}
	_ = tx.Commit() // or not: then neither is there
}

// TestSenderOutboxKilled kills a process again and again while it commits orders
// and the messages that tell of them. There must never be one without the other.
func TestSenderOutboxKilled(t *testing.T) {
	t.Parallel()
	kills := fromEnv(t, "HOLDFAST_SENDER_KILLS", 5)
	for _, driver := range []string{"sqlite", "pgx"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			dsn := filepath.Join(t.TempDir(), "sender.db") + "?_pragma=busy_timeout(5000)&_txlock=immediate"
			if driver == "pgx" {
				dsn = newSchema(t)
			}
			o := openProgramsOutbox(t, driver, dsn)
			newOutbox(t, o)
			for range kills {
				killTaker(t, driver, dsn)
			}
			orders := column(t, o.db, "SELECT id FROM orders ORDER BY id")
			slices.Sort(orders)
			require.NotEmpty(t, orders)
			for _, endpoint := range []string{"a", "b"} {
				messages := column(t, o.db, "SELECT m.message_id FROM holdfast_sender_messages m JOIN holdfast_sender_work w ON w.id = m.id WHERE m.endpoint = '"+endpoint+"'")
				slices.Sort(messages)
				require.Equal(t, orders, messages)
			}
			t.Logf("%d kills, %d orders", kills, len(orders))
		})
	}
}

// killTaker lets a process take orders for a moment.
func killTaker(t *testing.T, driver, dsn string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestSenderOutboxProcess$", "-test.timeout=10m")
	cmd.Env = append(os.Environ(), outboxVariable+"="+driver, outboxDSNVariable+"="+dsn)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err == nil && line == "ready\n" {
		<-time.After(time.Duration(20+rand.IntN(100)) * time.Millisecond)
	}
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	require.Equal(t, "ready\n", line)
}
