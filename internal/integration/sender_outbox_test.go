package integration_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/sender"
	"github.com/holdfast-go/holdfast/webhook/sender/sqlstore"
)

// newOutbox makes a sender that never runs, and a table beside its own.
func newOutbox(t *testing.T, o outbox) *sender.Sender {
	t.Helper()
	s, err := sender.New(sender.Config{Store: o, Endpoint: noEndpoint})
	require.NoError(t, err)
	_, err = o.db.ExecContext(t.Context(), "CREATE TABLE orders (id TEXT NOT NULL)")
	require.NoError(t, err)
	return s
}

func noEndpoint(context.Context, string) (sender.Endpoint, error) {
	return sender.Endpoint{}, sender.ErrNoEndpoint
}

// order inserts an order and enqueues the message that tells of it.
func order(ctx context.Context, s *sender.Sender, tx *sql.Tx, id string, to ...string) error {
	if _, err := tx.ExecContext(ctx, "INSERT INTO orders (id) VALUES ('"+id+"')"); err != nil {
		return err
	}
	var messages []sender.Message
	for _, endpoint := range to {
		messages = append(messages, sender.Message{Endpoint: endpoint, ID: id, Body: []byte(id)})
	}
	_, err := s.EnqueueTx(ctx, tx, messages...)
	return err
}

// TestSenderOutbox enqueues in transactions of the program's own.
func TestSenderOutbox(t *testing.T) {
	t.Parallel()
	for name, open := range openOutbox {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := open(t, sqlstore.Config{})
			s := newOutbox(t, o)
			begin := func() *sql.Tx {
				tx, err := o.db.BeginTx(t.Context(), nil)
				require.NoError(t, err)
				return tx
			}
			stored := func() []string {
				records, err := s.List(t.Context(), sender.Filter{})
				require.NoError(t, err)
				ids := []string{}
				for _, r := range records {
					ids = append(ids, r.Endpoint+" "+r.ID)
				}
				return ids
			}
			var many []string
			for i := range 40 {
				many = append(many, fmt.Sprintf("many-%02d", i))
			}

			tx := begin()
			require.NoError(t, order(t.Context(), s, tx, "undone", append(many, "a")...))
			require.Empty(t, stored(), "nobody sees it before the commit")
			require.NoError(t, tx.Rollback())
			require.Empty(t, stored())
			require.Empty(t, column(t, o.db, "SELECT id FROM orders"))

			tx = begin()
			require.NoError(t, order(t.Context(), s, tx, "done", "a", "b", "a"))
			require.NoError(t, tx.Commit())
			require.Equal(t, []string{"a done", "b done"}, stored())
			require.Equal(t, []string{"done"}, column(t, o.db, "SELECT id FROM orders"))

			tx = begin()
			require.NoError(t, order(t.Context(), s, tx, "done", "a", "c"), "to enqueue again does no harm")
			require.NoError(t, tx.Commit())
			require.Equal(t, []string{"a done", "b done", "c done"}, stored())

			tx = begin()
			require.NoError(t, order(t.Context(), s, tx, "to-many", many...))
			require.NoError(t, tx.Commit())
			require.Len(t, stored(), 43)

			ctx, cancel := context.WithCancel(t.Context())
			tx, err := o.db.BeginTx(ctx, nil)
			require.NoError(t, err)
			require.NoError(t, order(ctx, s, tx, "canceled", "a"))
			cancel()
			require.Error(t, tx.Commit())
			require.NotContains(t, stored(), "a canceled")

			var wrong *sender.MessageError
			tx = begin()
			_, err = s.EnqueueTx(t.Context(), tx, sender.Message{Endpoint: "no name"})
			require.ErrorAs(t, err, &wrong)
			require.NoError(t, tx.Commit(), "the transaction goes on")
		})
	}
}

// A long transaction holds up neither others who enqueue for the same endpoint,
// nor deliveries to it.
func TestSenderOutboxIsInNobodysWay(t *testing.T) {
	t.Parallel()
	o := openOutbox["postgres"](t, sqlstore.Config{})
	s := newOutbox(t, o)
	_, err := s.Enqueue(t.Context(), sender.Message{Endpoint: "a", ID: "before"})
	require.NoError(t, err)
	long, err := o.db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, order(t.Context(), s, long, "long", "a", "new"))

	_, err = s.Enqueue(t.Context(), sender.Message{Endpoint: "a", ID: "beside"}, sender.Message{Endpoint: "new", ID: "beside"})
	require.NoError(t, err)
	at := time.Now().Add(time.Hour)
	claims, err := o.Claim(t.Context(), at, at.Add(time.Minute), 10, 10)
	require.NoError(t, err)
	require.Equal(t, []string{"before", "beside", "beside"}, idsOf(claims))
	for _, c := range claims {
		_, err := o.Finish(t.Context(), at, c.Token, sender.Outcome{State: sender.Done, Verdict: sender.Failure})
		require.NoError(t, err)
	}
	require.NoError(t, long.Commit())
	claims, err = o.Claim(t.Context(), at, at.Add(time.Minute), 10, 10)
	require.NoError(t, err)
	require.Equal(t, []string{"long", "long"}, idsOf(claims))
}

func idsOf(claims []sender.Claim) []string {
	var ids []string
	for _, c := range claims {
		ids = append(ids, c.ID)
	}
	slices.Sort(ids)
	return ids
}
