package integration_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver

	"github.com/holdfast-go/holdfast/webhook/inbox"
	"github.com/holdfast-go/holdfast/webhook/inbox/sqlstore"
	"github.com/holdfast-go/holdfast/webhook/inbox/storetest"
)

// openSQLite opens a database of the test's own, or another time if it is there.
func openSQLite(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func newSQLite(t testing.TB, db *sql.DB, c sqlstore.Config) *sqlstore.SQLite {
	t.Helper()
	store, err := sqlstore.NewSQLite(t.Context(), db, c)
	require.NoError(t, err)
	return store
}

func TestInboxSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) inbox.Store {
		return newSQLite(t, openSQLite(t, filepath.Join(t.TempDir(), "inbox.db")), sqlstore.Config{})
	})
}
