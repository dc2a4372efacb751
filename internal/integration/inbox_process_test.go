package integration_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/webhook/inbox"
	"github.com/holdfast-go/holdfast/webhook/inbox/sqlstore"
)

// receiverConfig is what a process is told that receives webhooks.
type receiverConfig struct {
	Driver, DSN string
	// Tx has each event counted in the table effects, in the transaction that
	// ends it. Otherwise it is appended to the file Log.
	Tx  bool
	Log string
	// Poison is the ID of an event that kills the process.
	Poison string
	// Hold makes the handler wait so long, whatever its context says.
	Hold       time.Duration
	Lease      time.Duration
	MaxCrashes int
}

const receiverVariable = "HOLDFAST_TEST_RECEIVER"

// TestInboxProcess is the process and not a test. It receives webhooks until its
// input ends, and tells what happens line by line.
func TestInboxProcess(t *testing.T) {
	config := os.Getenv(receiverVariable)
	if config == "" {
		t.Skip("it is started by other tests")
	}
	var c receiverConfig
	require.NoError(t, json.Unmarshal([]byte(config), &c))
	var out sync.Mutex
	say := func(format string, args ...any) {
		out.Lock()
		defer out.Unlock()
		fmt.Printf("receiver: "+format+"\n", args...)
	}

	db := openDatabase(t, c)
	store := openStore(t, c, db)
	log, err := os.OpenFile(c.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	settings := inbox.Config{
		Store: store, Lease: c.Lease, Poll: 20 * time.Millisecond, MaxCrashes: c.MaxCrashes,
		Backoff: retry.Constant(10 * time.Millisecond),
		Hooks: inbox.Hooks{
			Done: func(a inbox.Attempt) { say("done %s", a.Delivery.ID) },
			Lost: func(a inbox.Attempt) { say("lost %s %v", a.Delivery.ID, errors.Is(a.Err, inbox.ErrStale)) },
		},
	}
	handle := func(d *inbox.Delivery, effect func() error) error {
		if d.ID == c.Poison {
			os.Exit(3) //nolint:revive // this is what it is there for
		}
		say("handling %s", d.ID)
		<-time.After(c.Hold)
		return effect()
	}
	if c.Tx {
		settings.HandleTx = func(ctx context.Context, tx *sql.Tx, d *inbox.Delivery) error {
			return handle(d, func() error {
				_, err := tx.ExecContext(ctx, "INSERT INTO effects (id) VALUES ('"+d.ID+"')")
				return err
			})
		}
	} else {
		settings.Handle = func(_ context.Context, d *inbox.Delivery) error {
			return handle(d, func() error {
				_, err := log.WriteString(d.ID + "\n")
				return err
			})
		}
	}
	in, err := inbox.New(settings)
	require.NoError(t, err)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &http.Server{Handler: receive(in)}
	go server.Serve(listener)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- in.Run(ctx) }()
	say("ready http://%s", listener.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	cancel()
	require.NoError(t, <-ended)
	require.NoError(t, server.Close())
}

// receive answers 204 when an event is durable.
func receive(in *inbox.Inbox) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_, err = in.Put(req.Context(), inbox.Event{Source: "test", ID: req.Header.Get("Webhook-Id"), IDSigned: true, Body: body})
		if err != nil {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

func openDatabase(t *testing.T, c receiverConfig) *sql.DB {
	t.Helper()
	if c.Driver == "sqlite" {
		return openSQLite(t, c.DSN)
	}
	return openPostgres(t, c.DSN)
}

func openStore(t *testing.T, c receiverConfig, db *sql.DB) inbox.Store {
	t.Helper()
	if c.Driver == "sqlite" {
		return newSQLite(t, db, sqlstore.Config{})
	}
	return newPostgres(t, db, sqlstore.Config{})
}

// receiver is such a process.
type receiver struct {
	url    string
	cmd    *exec.Cmd
	stdin  io.Closer
	lines  chan string
	exited chan struct{}
}

// startReceiver starts one and waits until it is ready. It ends with the test.
func startReceiver(t *testing.T, c receiverConfig) *receiver {
	t.Helper()
	config, err := json.Marshal(c)
	require.NoError(t, err)
	r := &receiver{lines: make(chan string, 1000), exited: make(chan struct{})}
	r.cmd = exec.Command(os.Args[0], "-test.run=^TestInboxProcess$", "-test.timeout=10m")
	r.cmd.Env = append(os.Environ(), receiverVariable+"="+string(config))
	r.cmd.Stderr = os.Stderr
	r.stdin, err = r.cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := r.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, r.cmd.Start())
	go func() {
		defer close(r.exited)
		defer close(r.lines)
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			line, ok := strings.CutPrefix(lines.Text(), "receiver: ")
			if !ok {
				continue
			}
			select {
			case r.lines <- line:
			default: // nobody listens
			}
		}
		_ = r.cmd.Wait()
	}()
	t.Cleanup(r.kill)
	r.url = strings.TrimPrefix(r.await(t, "ready "), "ready ")
	return r
}

// await returns the next line that begins like that.
func (r *receiver) await(t *testing.T, prefix string) string {
	t.Helper()
	limit := time.After(startTimeout)
	for {
		select {
		case line, ok := <-r.lines:
			require.True(t, ok, "the process has ended before %q", prefix)
			if strings.HasPrefix(line, prefix) {
				return line
			}
		case <-limit:
			require.Fail(t, "no line", "%q", prefix)
		}
	}
}

// kill ends it at once.
func (r *receiver) kill() {
	_ = r.cmd.Process.Kill()
	<-r.exited
}

// stop ends it in peace.
func (r *receiver) stop() {
	r.stdin.Close()
	<-r.exited
}

// pause stops it where it is.
func (r *receiver) pause(t *testing.T) {
	t.Helper()
	require.NoError(t, r.cmd.Process.Signal(syscall.SIGSTOP))
}

// resume lets it go on.
func (r *receiver) resume(t *testing.T) {
	t.Helper()
	require.NoError(t, r.cmd.Process.Signal(syscall.SIGCONT))
}
