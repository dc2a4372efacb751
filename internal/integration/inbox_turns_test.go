package integration_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/inbox"
	"github.com/holdfast-go/holdfast/webhook/inbox/sqlstore"
)

// Of many transactions of handlers that wait for each other, none keeps what is
// to be written meanwhile for longer than it takes itself: else leases would end
// before they could be extended.
func TestInboxTransactionsTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "inbox.db"))
		require.NoError(t, err)
		store, err := sqlstore.NewSQLite(t.Context(), db, sqlstore.Config{})
		require.NoError(t, err)
		in, err := inbox.New(inbox.Config{Store: store})
		require.NoError(t, err)
		const handlers = 4
		for i := range handlers {
			_, err := in.Put(t.Context(), inbox.Event{Source: "test", ID: strconv.Itoa(i), IDSigned: true})
			require.NoError(t, err)
		}
		now := time.Now()
		claims, err := store.Claim(t.Context(), now, now.Add(time.Minute), handlers)
		require.NoError(t, err)
		require.Len(t, claims, handlers)
		next, ended := make(chan struct{}), make(chan error)
		for _, c := range claims {
			go func() {
				ended <- store.Transact(t.Context(), now, c.Token, func(*sql.Tx) error {
					<-next
					return nil
				})
			}()
		}
		synctest.Wait()
		for range handlers {
			extended := make(chan error, 1)
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := store.Extend(ctx, []inbox.Token{claims[0].Token}, now.Add(time.Hour))
				extended <- err
			}()
			synctest.Wait()
			next <- struct{}{}
			require.NoError(t, <-ended)
			require.NoError(t, <-extended)
		}
		require.NoError(t, store.Close(t.Context()))
		require.NoError(t, db.Close())
	})
}
