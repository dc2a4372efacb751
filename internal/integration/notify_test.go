package integration_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/inbox"
	inboxstore "github.com/holdfast-go/holdfast/webhook/inbox/sqlstore"
	"github.com/holdfast-go/holdfast/webhook/sender"
	"github.com/holdfast-go/holdfast/webhook/sender/sqlstore"
)

// listen calls wake for each notification, and after each time that it has
// connected: what was told meanwhile is lost. It is what programs do that set
// Config.Notify.
func listen(ctx context.Context, dsn, channel string, ready chan<- struct{}, wake func()) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	close(ready)
	for {
		wake()
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return err
		}
	}
}

// whileListening runs work, and wakes it, until the test ends.
func whileListening(t *testing.T, dsn, channel string, run func(context.Context) error, wake func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ready := make(chan struct{})
	listened, ran := make(chan error, 1), make(chan error, 1)
	go func() { listened <- listen(ctx, dsn, channel, ready, wake) }()
	go func() { ran <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-listened; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-ready:
	case err := <-listened:
		listened <- err
		require.NoError(t, err)
	}
}

// newChannel is a channel of the test's own: all schemas share them.
func newChannel(dsn string) string {
	_, schema, _ := strings.Cut(dsn, "search_path=")
	return schema
}

// TestInboxNotified has events handled that another pool has put, with a long time
// between two polls.
func TestInboxNotified(t *testing.T) {
	t.Parallel()
	dsn := newSchema(t)
	channel := newChannel(dsn)
	handled := make(chan string, 10)
	worker, err := inbox.New(inbox.Config{
		Store: newPostgres(t, openPostgres(t, dsn), inboxstore.Config{}),
		Poll:  time.Hour,
		Handle: func(_ context.Context, d *inbox.Delivery) error {
			handled <- d.ID
			return nil
		},
	})
	require.NoError(t, err)
	whileListening(t, dsn, channel, worker.Run, worker.Wake)

	receiver, err := inbox.New(inbox.Config{Store: newPostgres(t, openPostgres(t, dsn), inboxstore.Config{Notify: channel})})
	require.NoError(t, err)
	for _, e := range []inbox.Event{
		{Source: "test", ID: "alone", IDSigned: true},
		{Source: "test", ID: "in a lane", IDSigned: true, Key: "k"},
		{Source: "test", ID: "next in the lane", IDSigned: true, Key: "k"},
	} {
		_, err = receiver.Put(t.Context(), e)
		require.NoError(t, err)
		require.Equal(t, e.ID, <-handled)
	}
}

// deliveries is a transport that tells the bodies.
type deliveries chan string

func (d deliveries) RoundTrip(req *http.Request) (*http.Response, error) {
	var body bytes.Buffer
	if _, err := body.ReadFrom(req.Body); err != nil {
		return nil, err
	}
	req.Body.Close()
	d <- body.String()
	return &http.Response{StatusCode: http.StatusNoContent, Header: make(http.Header), Body: io.NopCloser(strings.NewReader("")), Request: req}, nil
}

// TestSenderNotified has a message delivered that another program's transaction
// has put, with an hour between two polls. Its commit is what wakes the sender.
func TestSenderNotified(t *testing.T) {
	t.Parallel()
	dsn := newSchema(t)
	channel := newChannel(dsn)
	open := func(c sqlstore.Config) outbox {
		db := openPostgres(t, dsn)
		store, err := sqlstore.NewPostgres(t.Context(), db, c)
		require.NoError(t, err)
		return outbox{store, db}
	}
	delivered := make(deliveries, 10)
	worker, err := sender.New(sender.Config{
		Store: open(sqlstore.Config{}), Poll: time.Hour, DangerouslyTransport: delivered,
		Endpoint: func(context.Context, string) (sender.Endpoint, error) {
			return sender.Endpoint{URL: "https://receiver.example.com/", Keys: []sender.Key{{Secret: sender.GenerateSecret()}}}, nil
		},
	})
	require.NoError(t, err)
	whileListening(t, dsn, channel, worker.Run, worker.Wake)

	o := open(sqlstore.Config{Notify: channel})
	s := newOutbox(t, o)
	for _, id := range []string{"first", "second"} {
		tx, err := o.db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		require.NoError(t, order(t.Context(), s, tx, id, "a"))
		require.Empty(t, delivered)
		require.NoError(t, tx.Commit())
		require.Equal(t, id, <-delivered)
	}
	_, err = s.Enqueue(t.Context(), sender.Message{Endpoint: "a", Body: []byte("third")})
	require.NoError(t, err)
	require.Equal(t, "third", <-delivered)
}
