package integration_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/sender"
	"github.com/holdfast-go/holdfast/webhook/sender/sqlstore"
	"github.com/holdfast-go/holdfast/webhook/sender/storetest"
)

// outbox is a store of messages, and the database that it is in.
type outbox struct {
	sender.TxStore
	db *sql.DB
}

// openOutbox opens one of its own for each dialect.
var openOutbox = map[string]func(t *testing.T, c sqlstore.Config) outbox{
	"sqlite": func(t *testing.T, c sqlstore.Config) outbox {
		db := openSQLite(t, filepath.Join(t.TempDir(), "sender.db")+"?_pragma=busy_timeout(5000)&_txlock=immediate")
		store, err := sqlstore.NewSQLite(t.Context(), db, c)
		require.NoError(t, err)
		return outbox{store, db}
	},
	"postgres": func(t *testing.T, c sqlstore.Config) outbox {
		db := openPostgres(t, newSchema(t))
		store, err := sqlstore.NewPostgres(t.Context(), db, c)
		require.NoError(t, err)
		return outbox{store, db}
	},
}

func TestSenderStore(t *testing.T) {
	t.Parallel()
	for name, open := range openOutbox {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(t *testing.T) sender.Store { return open(t, sqlstore.Config{}) })
		})
	}
}

// TestSenderSchema makes and refuses tables.
func TestSenderSchema(t *testing.T) {
	t.Parallel()
	dialects := map[string]sqlstore.Dialect{"sqlite": sqlstore.SQLiteDialect, "postgres": sqlstore.PostgresDialect}
	for name, open := range openOutbox {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := open(t, sqlstore.Config{}).db
			again := func(c sqlstore.Config) error {
				if name == "sqlite" {
					store, err := sqlstore.NewSQLite(t.Context(), db, c)
					if err == nil {
						require.NoError(t, store.Close(t.Context()))
					}
					return err
				}
				_, err := sqlstore.NewPostgres(t.Context(), db, c)
				return err
			}
			require.NoError(t, again(sqlstore.Config{}))
			require.NoError(t, again(sqlstore.Config{SkipMigration: true}))
			own := sqlstore.Config{Prefix: "own", SkipMigration: true}
			require.Error(t, again(own), "there are no tables")
			statements, err := sqlstore.Schema(dialects[name], own)
			require.NoError(t, err)
			_, err = db.ExecContext(t.Context(), strings.Join(statements, ";\n"))
			require.NoError(t, err)
			require.NoError(t, again(own))
			_, err = db.ExecContext(t.Context(), "UPDATE own_schema SET version = 2")
			require.NoError(t, err)
			require.ErrorIs(t, again(own), sqlstore.ErrSchema)
		})
	}
}

// TestSenderPurgeFails has a purge fail after it has begun: it has done nothing.
func TestSenderPurgeFails(t *testing.T) {
	t.Parallel()
	for name, open := range openOutbox {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := open(t, sqlstore.Config{})
			now := time.Now()
			_, err := store.Put(t.Context(), now, []sender.Message{{Endpoint: "a", ID: "1", ContentType: "text/plain"}})
			require.NoError(t, err)
			claims, err := store.Claim(t.Context(), now, now.Add(time.Minute), 1, 1)
			require.NoError(t, err)
			_, err = store.Finish(t.Context(), now, claims[0].Token, sender.Outcome{State: sender.Done})
			require.NoError(t, err)
			rename := func(from, to string) {
				_, err := store.db.ExecContext(t.Context(), "ALTER TABLE holdfast_sender_"+from+" RENAME TO holdfast_sender_"+to)
				require.NoError(t, err)
			}
			rename("endpoints", "gone")
			n, err := store.Purge(t.Context(), now.Add(time.Hour), 10)
			require.Error(t, err)
			require.Zero(t, n)
			records, err := store.List(t.Context(), sender.Filter{})
			require.NoError(t, err)
			require.Len(t, records, 1)
			rename("gone", "endpoints")
			n, err = store.Purge(t.Context(), now.Add(time.Hour), 10)
			require.NoError(t, err)
			require.Equal(t, 1, n)
		})
	}
}
