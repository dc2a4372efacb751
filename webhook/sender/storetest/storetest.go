// Package storetest tests implementations of [sender.Store]:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) sender.Store { return newStore(t) })
//	}
//
// A store that passes keeps what Store promises to a [sender.Sender], as far as
// that can be tested from within one process. That it is durable cannot.
package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/sender"
)

// Run tests stores that open makes. Each must be empty and have room for 100
// messages; open registers with t what there is to clean up.
func Run(t *testing.T, open func(t *testing.T) sender.Store) {
	t.Helper()
	for name, test := range map[string]func(*store){
		"Put": testPut, "Claim": testClaim, "PerEndpoint": testPerEndpoint, "Fair": testFair, "Lease": testLease, "Stale": testStale,
		"Retry": testRetry, "GivenBack": testGivenBack, "Health": testHealth, "Pause": testPause, "Disable": testDisable,
		"Replay": testReplay, "Purge": testPurge, "List": testList, "Stats": testStats, "Race": testRace, "Canceled": testCanceled,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(&store{T: t, s: open(t)})
		})
	}
}

// epoch is when the tests begin. The times are those of the tests alone.
var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

// store is a store under test.
type store struct {
	*testing.T
	s sender.Store
}

func message(endpoint, id string) sender.Message {
	return sender.Message{Endpoint: endpoint, ID: id, ContentType: "text/plain", Body: []byte(id)}
}

func (s *store) put(now int, messages ...sender.Message) int {
	s.Helper()
	n, err := s.s.Put(s.Context(), at(now), messages)
	require.NoError(s, err)
	return n
}

func (s *store) claim(now, until, limit, perEndpoint int) []sender.Claim {
	s.Helper()
	claims, err := s.s.Claim(s.Context(), at(now), at(until), limit, perEndpoint)
	require.NoError(s, err)
	return claims
}

// claimed returns the IDs of what is claimed.
func (s *store) claimed(now, until, limit, perEndpoint int) []string {
	s.Helper()
	ids := []string{}
	for _, c := range s.claim(now, until, limit, perEndpoint) {
		ids = append(ids, c.ID)
	}
	return ids
}

func (s *store) finish(now int, c sender.Claim, o sender.Outcome) sender.Health {
	s.Helper()
	h, err := s.s.Finish(s.Context(), at(now), c.Token, o)
	require.NoError(s, err)
	return h
}

func (s *store) list(f sender.Filter) []sender.Record {
	s.Helper()
	f.Limit = max(f.Limit, sender.DefaultLimit)
	records, err := s.s.List(s.Context(), f)
	require.NoError(s, err)
	return records
}

func (s *store) health(endpoint string) sender.Health {
	s.Helper()
	h, err := s.s.Health(s.Context(), endpoint)
	require.NoError(s, err)
	return h
}

func testPut(s *store) {
	require.Equal(s, 2, s.put(0, message("a", "1"), message("b", "1")))
	again := message("a", "1")
	again.Body = []byte("other")
	require.Equal(s, 1, s.put(5, again, message("a", "2"), message("a", "2")))
	all := s.list(sender.Filter{Content: true})
	require.Len(s, all, 3)
	require.Equal(s, message("a", "1"), all[0].Message, "it is left as it was")
	require.True(s, all[0].Created.Equal(at(0)))
	require.True(s, all[2].Due.Equal(at(5)))
	require.Equal(s, sender.Pending, all[0].State)
	require.Less(s, all[0].Seq, all[1].Seq)
}

func testClaim(s *store) {
	s.put(0, message("a", "1"))
	require.Empty(s, s.claim(-1, 10, 10, 10), "not due")
	require.Empty(s, s.claim(0, 10, 0, 10))
	c := s.claim(1, 10, 10, 10)
	require.Len(s, c, 1)
	require.Equal(s, message("a", "1"), c[0].Message)
	require.Equal(s, 1, c[0].Attempt)
	require.True(s, c[0].Created.Equal(at(0)) && c[0].Due.Equal(at(0)))
	require.Empty(s, s.claim(2, 10, 10, 10), "somebody has it")
	require.Equal(s, sender.Leased, s.list(sender.Filter{})[0].State)
	s.finish(3, c[0], sender.Outcome{State: sender.Done, Verdict: sender.Success})
	require.Empty(s, s.claim(100, 110, 10, 10))
	record := s.list(sender.Filter{})[0]
	require.Equal(s, sender.Done, record.State)
	require.True(s, record.Ended.Equal(at(3)) && record.Due.IsZero())
}

func testPerEndpoint(s *store) {
	for i := range 5 {
		s.put(i, message("a", fmt.Sprint("a", i)))
	}
	first := s.claim(10, 20, 10, 2)
	require.Len(s, first, 2)
	require.Empty(s, s.claim(10, 20, 10, 2), "they count until they end")
	s.finish(11, first[0], sender.Outcome{State: sender.Done})
	require.Equal(s, []string{"a2"}, s.claimed(11, 21, 10, 2))
	require.Equal(s, []string{"a1", "a3"}, s.claimed(20, 100, 10, 3), "or their lease does")
}

func testFair(s *store) {
	for i := range 5 {
		s.put(i, message("busy", fmt.Sprint("a", i)))
	}
	s.put(7, message("c", "c0"))
	s.put(6, message("b", "b0"), message("b", "b1"))
	require.Equal(s, []string{"a0", "b0", "c0", "a1"}, s.claimed(10, 20, 4, 10))
	require.Equal(s, []string{"a2"}, s.claimed(10, 20, 1, 10))
	require.Equal(s, []string{"a3", "b1", "a4"}, s.claimed(10, 20, 10, 10))
}

func testLease(s *store) {
	s.put(0, message("a", "1"))
	first := s.claim(0, 10, 1, 1)[0]
	require.Empty(s, s.claim(9, 20, 1, 1))
	second := s.claim(10, 20, 1, 1)[0]
	require.Equal(s, 2, second.Attempt)
	require.NotEqual(s, first.Token, second.Token)
	require.True(s, second.Due.Equal(at(0)))
}

func testStale(s *store) {
	s.put(0, message("a", "1"))
	first := s.claim(0, 10, 1, 1)[0]
	second := s.claim(10, 20, 1, 1)[0]
	failed := sender.Outcome{State: sender.Dead, Verdict: sender.Failure, Pause: at(1000)}
	_, err := s.s.Finish(s.Context(), at(11), first.Token, failed)
	require.ErrorIs(s, err, sender.ErrStale)
	require.Zero(s, s.health("a").Failures)
	require.True(s, s.health("a").PausedUntil.IsZero())
	s.finish(30, second, sender.Outcome{State: sender.Done}) // late, but nobody else has it
	_, err = s.s.Finish(s.Context(), at(31), second.Token, failed)
	require.ErrorIs(s, err, sender.ErrStale)
	_, err = s.s.Finish(s.Context(), at(31), sender.Token{Seq: 1 << 40, Fence: 1}, failed)
	require.ErrorIs(s, err, sender.ErrStale)
	require.Equal(s, sender.Done, s.list(sender.Filter{})[0].State)
}

func testRetry(s *store) {
	s.put(0, message("a", "1"))
	s.finish(1, s.claim(0, 10, 1, 1)[0], sender.Outcome{State: sender.Pending, Due: at(60), Reason: "status 500"})
	record := s.list(sender.Filter{})[0]
	require.Equal(s, "status 500", record.Reason)
	require.True(s, record.Due.Equal(at(60)))
	require.Equal(s, 1, record.Attempt)
	require.Empty(s, s.claim(59, 100, 1, 1))
	require.Equal(s, 2, s.claim(60, 100, 1, 1)[0].Attempt)
}

func testGivenBack(s *store) {
	s.put(0, message("a", "1"))
	first := s.claim(0, 10, 1, 1)[0]
	s.finish(1, first, sender.Outcome{State: sender.Pending, Due: first.Due, GivenBack: true})
	second := s.claim(1, 10, 1, 1)[0]
	require.Equal(s, 1, second.Attempt)
	require.NotEqual(s, first.Token, second.Token)
}
