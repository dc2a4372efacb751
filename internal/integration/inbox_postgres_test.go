package integration_test

import (
	"database/sql"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver
	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/inbox"
	"github.com/holdfast-go/holdfast/webhook/inbox/sqlstore"
	"github.com/holdfast-go/holdfast/webhook/inbox/storetest"
)

var schemas atomic.Int64

// newSchema makes a schema of the test's own, and returns where it is.
func newSchema(t testing.TB) (dsn string) {
	t.Helper()
	server := os.Getenv("HOLDFAST_POSTGRES")
	require.NotEmpty(t, server, "internal/integration/run starts PostgreSQL and sets HOLDFAST_POSTGRES")
	db, err := sql.Open("pgx", server)
	require.NoError(t, err)
	name := fmt.Sprintf("test_%d_%d", os.Getpid(), schemas.Add(1))
	_, err = db.ExecContext(t.Context(), "CREATE SCHEMA "+name)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := db.Exec("DROP SCHEMA " + name + " CASCADE")
		require.NoError(t, err)
		require.NoError(t, db.Close())
	})
	return server + "&search_path=" + name
}

func openPostgres(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	require.NoError(t, err)
	db.SetMaxOpenConns(12)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func newPostgres(t testing.TB, db *sql.DB, c sqlstore.Config) *sqlstore.Postgres {
	t.Helper()
	store, err := sqlstore.NewPostgres(t.Context(), db, c)
	require.NoError(t, err)
	return store
}

func TestInboxPostgres(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) inbox.Store {
		return newPostgres(t, openPostgres(t, newSchema(t)), sqlstore.Config{})
	})
}
