package integration_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/inbox/sqlstore"
)

// TestInboxSchema makes, upgrades and refuses tables.
func TestInboxSchema(t *testing.T) {
	t.Parallel()
	for name, dialect := range map[string]struct {
		dialect sqlstore.Dialect
		open    func(t *testing.T) *sql.DB
		make    func(t *testing.T, db *sql.DB, c sqlstore.Config) error
	}{
		"sqlite": {
			sqlstore.SQLiteDialect,
			func(t *testing.T) *sql.DB { return openSQLite(t, filepath.Join(t.TempDir(), "inbox.db")) },
			func(t *testing.T, db *sql.DB, c sqlstore.Config) error {
				s, err := sqlstore.NewSQLite(t.Context(), db, c)
				if err == nil {
					require.NoError(t, s.Close(t.Context()))
				}
				return err
			},
		},
		"postgres": {
			sqlstore.PostgresDialect,
			func(t *testing.T) *sql.DB { return openPostgres(t, newSchema(t)) },
			func(t *testing.T, db *sql.DB, c sqlstore.Config) error {
				_, err := sqlstore.NewPostgres(t.Context(), db, c)
				return err
			},
		},
	} {
		exec := func(t *testing.T, db *sql.DB, statement string) {
			_, err := db.ExecContext(t.Context(), statement)
			require.NoError(t, err)
		}
		t.Run(name+" by many at once", func(t *testing.T) {
			t.Parallel()
			db := dialect.open(t)
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					if err := dialect.make(t, db, sqlstore.Config{}); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			require.Equal(t, []string{"2"}, column(t, db, "SELECT version FROM holdfast_inbox_schema"))
		})
		t.Run(name+" upgrade", func(t *testing.T) {
			t.Parallel()
			db := dialect.open(t)
			require.NoError(t, dialect.make(t, db, sqlstore.Config{Prefix: "p"}))
			exec(t, db, "DROP INDEX p_work_aside")
			exec(t, db, "UPDATE p_schema SET version = 1")
			require.ErrorIs(t, dialect.make(t, db, sqlstore.Config{Prefix: "p", SkipMigration: true}), sqlstore.ErrSchema)
			require.NoError(t, dialect.make(t, db, sqlstore.Config{Prefix: "p"}))
			require.Equal(t, []string{"2"}, column(t, db, "SELECT version FROM p_schema"))
			exec(t, db, "DROP INDEX p_work_aside")
		})
		t.Run(name+" newer", func(t *testing.T) {
			t.Parallel()
			db := dialect.open(t)
			require.NoError(t, dialect.make(t, db, sqlstore.Config{}))
			exec(t, db, "UPDATE holdfast_inbox_schema SET version = 3")
			require.ErrorIs(t, dialect.make(t, db, sqlstore.Config{}), sqlstore.ErrSchema)
		})
		t.Run(name+" by hand", func(t *testing.T) {
			t.Parallel()
			db := dialect.open(t)
			c := sqlstore.Config{Prefix: "own", SkipMigration: true}
			require.Error(t, dialect.make(t, db, c))
			statements, err := sqlstore.Schema(dialect.dialect, c)
			require.NoError(t, err)
			exec(t, db, strings.Join(statements, ";\n"))
			require.NoError(t, dialect.make(t, db, c))
		})
	}
}

func TestInboxSQLiteNeedsAFile(t *testing.T) {
	t.Parallel()
	_, err := sqlstore.NewSQLite(t.Context(), openSQLite(t, ":memory:"), sqlstore.Config{})
	require.ErrorContains(t, err, "is it a file?")
	db := openSQLite(t, filepath.Join(t.TempDir(), "inbox.db"))
	db.SetMaxOpenConns(1)
	_, err = sqlstore.NewSQLite(t.Context(), db, sqlstore.Config{})
	require.ErrorContains(t, err, "at least two")
}
