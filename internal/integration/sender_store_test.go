package integration_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

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
