// Package storetest tests implementations of [inbox.Store]:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) inbox.Store { return newStore(t) })
//	}
//
// A store that passes keeps what Store promises to an [inbox.Inbox], as far as
// that can be tested from within one process. That it is durable cannot.
package storetest

import (
	"crypto/sha256"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/inbox"
)

// Run tests stores that open makes. Each must be empty; open registers with t
// what there is to clean up. The tests of [inbox.TxStore] run if it is one; they
// create a table storetest_effects beside the store's own.
func Run(t *testing.T, open func(t *testing.T) inbox.Store) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, inbox.Store){
		"Fields":       testFields,
		"Duplicates":   testDuplicates,
		"Reuse":        testReuse,
		"Batch":        testBatch,
		"Copies":       testCopies,
		"Order":        testOrder,
		"Lease":        testLease,
		"Stale":        testStale,
		"Retry":        testRetry,
		"Extend":       testExtend,
		"Workers":      testWorkers,
		"Lane":         testLane,
		"LaneOfDead":   testLaneOfDead,
		"LaneHeld":     testLaneHeld,
		"LaneRace":     testLaneRace,
		"Replay":       testReplay,
		"ReplayInLane": testReplayInLane,
		"Discard":      testDiscard,
		"Purge":        testPurge,
		"List":         testList,
		"Stats":        testStats,
		"Canceled":     testCanceled,
		"Model":        testModel,
		"Tx":           testTx,
		"TxUndone":     testTxUndone,
		"TxStale":      testTxStale,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// start is when the tests begin, by the clock of the test.
var start = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

const lease = time.Minute

// at is so many seconds after the start.
func at(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

// newEntry makes an entry of an event whose ID is signed.
func newEntry(id string) inbox.Entry {
	e := inbox.Entry{
		Event:  inbox.Event{Source: "test", ID: id, IDSigned: true, Body: []byte("body of " + id), Received: start, Fingerprint: hash("body", id)},
		Dedupe: hash("id", id),
	}
	return e
}

// inLane makes an entry of an event that has a key.
func inLane(id, key string) inbox.Entry {
	e := newEntry(id)
	e.Key, e.Lane = key, hash("lane", key)
	return e
}

// hash stands for those that an Inbox makes.
func hash(use, name string) inbox.Hash {
	return sha256.Sum256([]byte(use + "\x00" + name))
}

func put(t *testing.T, s inbox.Store, now time.Time, entries ...inbox.Entry) []inbox.Result {
	t.Helper()
	results, err := s.Put(t.Context(), now, entries)
	require.NoError(t, err)
	require.Len(t, results, len(entries))
	return results
}

// putNew puts entries that must be new.
func putNew(t *testing.T, s inbox.Store, now time.Time, entries ...inbox.Entry) {
	t.Helper()
	for _, result := range put(t, s, now, entries...) {
		require.Equal(t, inbox.Stored, result)
	}
}

func claim(t *testing.T, s inbox.Store, now time.Time, limit int) []inbox.Claim {
	t.Helper()
	claims, err := s.Claim(t.Context(), now, now.Add(lease), limit)
	require.NoError(t, err)
	return claims
}

// claimOne claims the only event that is due.
func claimOne(t *testing.T, s inbox.Store, now time.Time) inbox.Claim {
	t.Helper()
	claims := claim(t, s, now, 10)
	require.Len(t, claims, 1)
	return claims[0]
}

func finish(t *testing.T, s inbox.Store, now time.Time, c inbox.Claim, o inbox.Outcome) {
	t.Helper()
	require.NoError(t, s.Finish(t.Context(), now, c.Token, o))
}

// ids are those of claims.
func ids(claims []inbox.Claim) []string {
	all := []string{}
	for i := range claims {
		all = append(all, claims[i].ID)
	}
	return all
}

// find returns the records of an ID.
func find(t *testing.T, s inbox.Store, id string) []inbox.Record {
	t.Helper()
	records, err := s.List(t.Context(), inbox.Filter{ID: id, Content: true})
	require.NoError(t, err)
	return records
}

// stateOf returns the state of the only event with that ID.
func stateOf(t *testing.T, s inbox.Store, id string) inbox.State {
	t.Helper()
	records := find(t, s, id)
	require.Len(t, records, 1)
	return records[0].State
}

// sameEvent fails if the events differ.
func sameEvent(t *testing.T, want, got inbox.Event) {
	t.Helper()
	require.True(t, want.Received.Equal(got.Received), "%v and %v", want.Received, got.Received)
	want.Received, got.Received = time.Time{}, time.Time{}
	require.Equal(t, string(want.Body), string(got.Body))
	want.Body, got.Body = nil, nil
	if len(want.Header) == 0 {
		require.Empty(t, got.Header)
		want.Header, got.Header = http.Header{}, http.Header{}
	}
	require.Equal(t, want, got)
}
