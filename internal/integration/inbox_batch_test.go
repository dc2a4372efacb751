package integration_test

import (
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/inbox"
	"github.com/holdfast-go/holdfast/webhook/inbox/sqlstore"
)

// TestInboxBatches puts many events at a time, of which some are duplicates and
// some have the ID of another. What becomes of them, and their order, must not
// depend on how many a store inserts with one statement.
func TestInboxBatches(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) inbox.Store{
		"sqlite": func(t *testing.T) inbox.Store {
			return newSQLite(t, openSQLite(t, filepath.Join(t.TempDir(), "inbox.db")), sqlstore.Config{})
		},
		"postgres": func(t *testing.T) inbox.Store {
			return newPostgres(t, openPostgres(t, newSchema(t)), sqlstore.Config{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var all [2]*inbox.Inbox
			for i, store := range []inbox.Store{inbox.NewMemory(), open(t)} {
				var err error
				all[i], err = inbox.New(inbox.Config{Store: store})
				require.NoError(t, err)
			}
			seed := rand.Uint64()
			t.Log("seed", seed)
			rng := rand.New(rand.NewPCG(seed, 0))
			for next := 0; next < 1000; {
				var events []inbox.Event
				odd := rng.IntN(3) * 10 // in a hundred
				for range 1 + rng.IntN(70) {
					e := inbox.Event{Source: "test", ID: strconv.Itoa(next), IDSigned: rng.IntN(2) == 0, Body: strconv.AppendInt(nil, int64(next), 10)}
					if rng.IntN(2) == 0 {
						e.Key = strconv.Itoa(rng.IntN(20))
					}
					switch n := rng.IntN(100); {
					case n < odd:
						e.ID = strconv.Itoa(rng.IntN(next + 1))
					case n < 2*odd:
						e.Body = strconv.AppendInt(nil, int64(rng.IntN(next+1)), 10)
					default:
						next++
					}
					events = append(events, e)
				}
				var results [2][]inbox.Result
				var records [2][]inbox.Record
				for i, in := range all {
					var err error
					results[i], err = in.Put(t.Context(), events...)
					require.NoError(t, err)
					records[i], err = in.List(t.Context(), inbox.Filter{Limit: 10_000})
					require.NoError(t, err)
				}
				require.Equal(t, results[0], results[1])
				require.Len(t, records[1], len(records[0]))
				for n := range records[0] {
					want, got := &records[0][n], &records[1][n]
					require.Equal(t, want.ID, got.ID)
					require.Equal(t, want.Fingerprint, got.Fingerprint)
					require.Equal(t, want.State, got.State)
				}
			}
		})
	}
}
