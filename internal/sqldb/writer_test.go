package sqldb_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/sqldb"
)

// stuck is a database that nobody can connect to until open is closed.
type stuck struct{ open chan struct{} }

func (s stuck) Connect(context.Context) (driver.Conn, error) {
	<-s.open
	return nil, errors.New("broken")
}

func (stuck) Driver() driver.Driver { return nil }

// What nobody waits for any more takes no memory, however long the database
// takes for what came before.
func TestWriterForgets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		open := make(chan struct{})
		db := sql.OpenDB(stuck{open})
		w := sqldb.NewWriter(db, func(context.Context, *sqldb.Session, []*[1 << 10]byte) error { return nil })
		first := make(chan error, 1)
		go func() { first <- w.Put(t.Context(), 0, nil) }()
		synctest.Wait()
		put := func() weak.Pointer[[1 << 10]byte] {
			item := new([1 << 10]byte)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			require.ErrorIs(t, w.Put(ctx, 1<<10, []*[1 << 10]byte{item}), context.DeadlineExceeded)
			return weak.Make(item)
		}
		for range 10 {
			item := put()
			runtime.GC()
			require.True(t, item.Value() == nil, "it is kept")
		}
		close(open)
		require.Error(t, <-first)
		require.NoError(t, db.Close())
	})
}
