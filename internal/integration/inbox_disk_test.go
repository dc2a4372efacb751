package integration_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/inbox"
	"github.com/holdfast-go/holdfast/webhook/inbox/sqlstore"
)

// TestInboxTornWrites opens what a loss of power can leave behind: the log of
// SQLite ends anywhere, or its end was never written. Each event is there with all
// that belongs to it, or not at all, and none is missing before one that is there.
func TestInboxTornWrites(t *testing.T) {
	t.Parallel()
	const events = 12
	dir := t.TempDir()
	path := filepath.Join(dir, "inbox.db")
	in, err := inbox.New(inbox.Config{Store: newSQLite(t, openSQLite(t, path), sqlstore.Config{})})
	require.NoError(t, err)
	for i := range events {
		_, err := in.Put(t.Context(), inbox.Event{
			Source: "test", ID: strconv.Itoa(i), IDSigned: true, Key: strconv.Itoa(i % 2), Body: bytes.Repeat([]byte{byte(i)}, 5000),
		})
		require.NoError(t, err)
	}
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	wal, err := os.ReadFile(path + "-wal")
	require.NoError(t, err)
	require.NotEmpty(t, wal)

	most := 0
	for n := range 41 {
		length := len(wal) * n / 40
		for name, tail := range map[string][]byte{"cut": nil, "zeros": make([]byte, len(wal)-length)} {
			torn := filepath.Join(t.TempDir(), "torn.db")
			require.NoError(t, os.WriteFile(torn, file, 0o600))
			require.NoError(t, os.WriteFile(torn+"-wal", append(bytes.Clone(wal[:length]), tail...), 0o600))
			store := newSQLite(t, openSQLite(t, torn), sqlstore.Config{})
			records, err := store.List(t.Context(), inbox.Filter{Content: true})
			require.NoError(t, err)
			for i, r := range records {
				require.Equal(t, strconv.Itoa(i), r.ID, "%s at %d", name, length)
				require.Equal(t, bytes.Repeat([]byte{byte(i)}, 5000), r.Body)
			}
			claims, err := store.Claim(t.Context(), time.Now(), time.Now().Add(time.Minute), 2*events)
			require.NoError(t, err)
			require.Len(t, claims, min(2, len(records)), "the first of each key")
			stats, err := store.Stats(t.Context())
			require.NoError(t, err)
			require.EqualValues(t, len(records), stats.Leased+stats.Waiting)
			most = max(most, len(records))
			require.NoError(t, store.Close(t.Context()))
		}
	}
	require.Equal(t, events, most, "what is whole has all of them")
}

// A file that cannot be written acknowledges nothing, and can be looked into.
func TestInboxReadOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox.db")
	store := newSQLite(t, openSQLite(t, path), sqlstore.Config{})
	put := func(store inbox.Store) error {
		in, err := inbox.New(inbox.Config{Store: store})
		require.NoError(t, err)
		_, err = in.Put(t.Context(), inbox.Event{Source: "test", ID: "a", IDSigned: true})
		return err
	}
	_, err := sqlstore.NewSQLite(t.Context(), openSQLite(t, "file:"+path+"?_pragma=query_only(1)"), sqlstore.Config{SkipMigration: true})
	require.Error(t, err, "it cannot be made durable")

	locked := newSQLite(t, openSQLite(t, "file:"+path+"?mode=ro"), sqlstore.Config{SkipMigration: true})
	var failed *inbox.StoreError
	require.ErrorAs(t, put(locked), &failed)
	require.Positive(t, failed.RetryAfter(), "503: the source is to send it again")
	records, err := locked.List(t.Context(), inbox.Filter{})
	require.NoError(t, err)
	require.Empty(t, records)
	require.NoError(t, put(store))
}
