package storetest

import (
	"database/sql"
	"errors"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/inbox"
)

// effects makes a table for what handlers write, and returns a func that counts
// what is in it.
func effects(t *testing.T, s inbox.Store) (inbox.TxStore, func() int) {
	t.Helper()
	store, ok := s.(inbox.TxStore)
	if !ok {
		t.Skip("not a TxStore")
	}
	transact := func(id string, fn func(*sql.Tx) error) {
		putNew(t, s, at(-1000), newEntry(id))
		c := claimOne(t, s, at(-1000))
		require.NoError(t, store.Transact(t.Context(), at(-1000), c.Token, fn))
	}
	transact("make", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), "CREATE TABLE storetest_effects (n INTEGER)")
		return err
	})
	return store, func() (n int) {
		transact("count"+t.Name(), func(tx *sql.Tx) error {
			return tx.QueryRowContext(t.Context(), "SELECT count(*) FROM storetest_effects").Scan(&n)
		})
		records := find(t, s, "count"+t.Name())
		require.Len(t, records, 1)
		_, err := s.Purge(t.Context(), at(-999), at(-999), 100) // so that it can be put again
		require.NoError(t, err)
		return n
	}
}

func insert(t *testing.T, tx *sql.Tx) error {
	t.Helper()
	_, err := tx.ExecContext(t.Context(), "INSERT INTO storetest_effects (n) VALUES (1)")
	return err
}

func testTx(t *testing.T, s inbox.Store) {
	store, count := effects(t, s)
	putNew(t, s, at(0), inLane("1", "k"), inLane("2", "k"))
	c := claimOne(t, s, at(0))
	require.NoError(t, store.Transact(t.Context(), at(5), c.Token, func(tx *sql.Tx) error { return insert(t, tx) }))
	require.Equal(t, inbox.Done, stateOf(t, s, "1"))
	require.True(t, find(t, s, "1")[0].Ended.Equal(at(5)))
	require.Equal(t, 1, count())
	require.Equal(t, "2", claimOne(t, s, at(5)).ID, "the lane is free")
}

func testTxUndone(t *testing.T, s inbox.Store) {
	store, count := effects(t, s)
	putNew(t, s, at(0), inLane("1", "k"), inLane("2", "k"))
	c := claimOne(t, s, at(0))
	broken := errors.New("broken")
	for name, end := range map[string]func() error{
		"error":  func() error { return broken },
		"panic":  func() error { panic(broken) },
		"goexit": func() error { runtime.Goexit(); return nil },
	} {
		ended := make(chan error, 1)
		go func() {
			var err error
			defer func() {
				_ = recover()
				ended <- err
			}()
			err = store.Transact(t.Context(), at(1), c.Token, func(tx *sql.Tx) error {
				if err := insert(t, tx); err != nil {
					return err
				}
				return end()
			})
		}()
		err := <-ended
		if name == "error" {
			require.Same(t, broken, err)
		}
		require.Equal(t, inbox.Leased, stateOf(t, s, "1"), name)
		require.Equal(t, inbox.Waiting, stateOf(t, s, "2"), name)
	}
	finish(t, s, at(2), c, inbox.Outcome{State: inbox.Done})
	require.Zero(t, count())
}

func testTxStale(t *testing.T, s inbox.Store) {
	store, count := effects(t, s)
	putNew(t, s, at(0), newEntry("a"))
	first := claimOne(t, s, at(0))
	second := claimOne(t, s, at(60))
	err := store.Transact(t.Context(), at(61), first.Token, func(tx *sql.Tx) error { return insert(t, tx) })
	require.ErrorIs(t, err, inbox.ErrStale)
	require.NoError(t, store.Transact(t.Context(), at(61), second.Token, func(tx *sql.Tx) error { return insert(t, tx) }))
	err = store.Transact(t.Context(), at(62), second.Token, func(tx *sql.Tx) error { return insert(t, tx) })
	require.ErrorIs(t, err, inbox.ErrStale)
	require.Equal(t, 1, count())
}
