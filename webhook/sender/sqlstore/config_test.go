package sqlstore_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/sender"
	"github.com/holdfast-go/holdfast/webhook/sender/sqlstore"
)

var (
	_ sender.TxStore = (*sqlstore.SQLite)(nil)
	_ sender.TxStore = (*sqlstore.Postgres)(nil)
)

// The stores themselves are tested in internal/integration, where the drivers
// are.
func TestNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Sender", "9", "in-box", "a;DROP TABLE x", `"`, "'", "ä", strings.Repeat("x", 41), " "} {
		c := sqlstore.Config{Prefix: name, Notify: name}
		_, err := sqlstore.NewSQLite(t.Context(), nil, c)
		require.ErrorContains(t, err, "sqlstore: Config.Prefix", name)
		_, err = sqlstore.NewPostgres(t.Context(), nil, c)
		require.ErrorContains(t, err, "sqlstore: Config.Prefix", name)
		require.ErrorContains(t, err, "sqlstore: Config.Notify", name)
		_, err = sqlstore.Schema(sqlstore.SQLiteDialect, c)
		require.ErrorContains(t, err, "sqlstore: Config.Prefix", name)
	}
	_, err := sqlstore.NewSQLite(t.Context(), nil, sqlstore.Config{Notify: "wake"})
	require.ErrorContains(t, err, "SQLite has no notifications")
}

func TestSchema(t *testing.T) {
	t.Parallel()
	for _, dialect := range []sqlstore.Dialect{sqlstore.SQLiteDialect, sqlstore.PostgresDialect} {
		statements, err := sqlstore.Schema(dialect, sqlstore.Config{Prefix: "mine"})
		require.NoError(t, err)
		for _, statement := range statements {
			require.Contains(t, statement, "mine_")
			require.NotContains(t, statement, "{p}")
		}
		require.Equal(t, "INSERT INTO mine_schema (version) VALUES (1)", statements[len(statements)-1])
	}
	_, err := sqlstore.Schema(3, sqlstore.Config{})
	require.ErrorContains(t, err, "Dialect is 3")
}
