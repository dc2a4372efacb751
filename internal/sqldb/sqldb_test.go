package sqldb_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/sqldb"
)

// The writer and the schema are tested in internal/integration, where the drivers
// are.
func TestText(t *testing.T) {
	t.Parallel()
	const statement = "SELECT a FROM {p}_x WHERE b = ? AND c = ? LIMIT ?"
	require.Equal(t, "SELECT a FROM my_x WHERE b = ? AND c = ? LIMIT ?", sqldb.SQLite.Text(statement, "my"))
	require.Equal(t, "SELECT a FROM my_x WHERE b = $1 AND c = $2 LIMIT $3", sqldb.Postgres.Text(statement, "my"))
}

func TestListOf(t *testing.T) {
	t.Parallel()
	require.Empty(t, sqldb.ListOf(nil))
	require.Equal(t, "-7", sqldb.ListOf([]int64{-7}))
	require.Equal(t, "1,9223372036854775807,3", sqldb.ListOf([]int64{1, 1<<63 - 1, 3}))
}

// ended is an error as the drivers of PostgreSQL have them.
type ended string

func (e ended) Error() string    { return "ended: " + string(e) }
func (e ended) SQLState() string { return string(e) }

func TestRepeat(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		errs  []error
		calls int
	}{
		"no error":      {[]error{nil}, 1},
		"deadlock":      {[]error{ended("40P01"), nil}, 2},
		"serialization": {[]error{fmt.Errorf("wrapped: %w", ended("40001")), ended("40P01"), nil}, 3},
		"another state": {[]error{ended("23505")}, 1},
		"no state":      {[]error{errors.New("broken")}, 1},
		"for ever":      {[]error{ended("40P01"), ended("40P01"), ended("40P01"), ended("40P01"), ended("40P01")}, sqldb.MaxTries},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			err := sqldb.Repeat(t.Context(), func() error {
				calls++
				return test.errs[calls-1]
			})
			require.Equal(t, test.calls, calls)
			require.Equal(t, test.errs[calls-1], err)
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	err := sqldb.Repeat(ctx, func() error {
		calls++
		cancel()
		return ended("40P01")
	})
	require.Equal(t, ended("40P01"), err)
	require.Equal(t, 1, calls)
}

func TestNameLock(t *testing.T) {
	t.Parallel()
	require.NotEqual(t, sqldb.NameLock("a"), sqldb.NameLock("b"))
	require.Zero(t, sqldb.NameLock("a")&0xff, "there is room for 256")
}
