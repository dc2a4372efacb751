package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/inbox"
)

func testReplay(t *testing.T, s inbox.Store) {
	reused := newEntry("done")
	reused.Fingerprint, reused.Reuse = hash("body", "changed"), hash("reuse", "done")
	putNew(t, s, at(0), newEntry("done"), newEntry("dead"), newEntry("leased"))
	require.Equal(t, []inbox.Result{inbox.Reuse}, put(t, s, at(0), reused))
	claims := claim(t, s, at(1), 10)
	finish(t, s, at(2), claims[0], inbox.Outcome{State: inbox.Done})
	finish(t, s, at(2), claims[1], inbox.Outcome{State: inbox.Dead, Reason: "x"})
	putNew(t, s, at(2), newEntry("pending"))

	var seqs []int64
	records, err := s.List(t.Context(), inbox.Filter{})
	require.NoError(t, err)
	for _, r := range records {
		seqs = append(seqs, r.Seq)
	}
	n, err := s.Replay(t.Context(), at(5), append(seqs, 1<<40))
	require.NoError(t, err)
	require.Equal(t, 3, n)
	n, err = s.Replay(t.Context(), at(5), nil)
	require.NoError(t, err)
	require.Zero(t, n)

	again := claim(t, s, at(5), 10)
	require.Equal(t, []string{"pending", "done", "dead", "done"}, ids(again))
	require.Equal(t, []int{1, 0, 0}, []int{again[0].Attempt, again[0].Crashes, again[0].Replays})
	for i, c := range again[1:3] {
		require.Equal(t, []int{1, 0, 1}, []int{c.Attempt, c.Crashes, c.Replays})
		require.Greater(t, c.Fence, claims[i].Fence)
		require.ErrorIs(t, s.Finish(t.Context(), at(6), claims[i].Token, inbox.Outcome{State: inbox.Done}), inbox.ErrStale)
	}
	require.Equal(t, []inbox.Result{inbox.Duplicate}, put(t, s, at(6), newEntry("dead")))
}

func testReplayInLane(t *testing.T, s inbox.Store) {
	putNew(t, s, at(0), inLane("1", "k"), inLane("2", "k"), inLane("3", "k"))
	first := claimOne(t, s, at(0))
	finish(t, s, at(1), first, inbox.Outcome{State: inbox.Dead})
	second := claimOne(t, s, at(1))
	n, err := s.Replay(t.Context(), at(2), []int64{first.Seq})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, inbox.Waiting, stateOf(t, s, "1"))
	require.Empty(t, claim(t, s, at(3), 10))
	finish(t, s, at(3), second, inbox.Outcome{State: inbox.Done})
	again := claimOne(t, s, at(3))
	require.Equal(t, "1", again.ID, "it is older than 3")
	finish(t, s, at(4), again, inbox.Outcome{State: inbox.Done})
	require.Equal(t, "3", claimOne(t, s, at(4)).ID)
}

func testDiscard(t *testing.T, s inbox.Store) {
	putNew(t, s, at(0), newEntry("done"), newEntry("dead"), newEntry("pending"))
	claims := claim(t, s, at(0), 2)
	finish(t, s, at(1), claims[0], inbox.Outcome{State: inbox.Done})
	finish(t, s, at(1), claims[1], inbox.Outcome{State: inbox.Dead})
	n, err := s.Discard(t.Context(), at(2), []int64{claims[0].Seq, claims[1].Seq, claims[1].Seq + 1, 1 << 40})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, inbox.Discarded, stateOf(t, s, "dead"))
	require.Equal(t, inbox.Done, stateOf(t, s, "done"))
	require.Equal(t, inbox.Pending, stateOf(t, s, "pending"))
	n, err = s.Replay(t.Context(), at(3), []int64{claims[1].Seq})
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

func testPurge(t *testing.T, s inbox.Store) {
	putNew(t, s, at(0), newEntry("done"), newEntry("dead"), newEntry("later"), newEntry("leased"))
	quarantined := newEntry("done")
	quarantined.Fingerprint, quarantined.Reuse = hash("body", "changed"), hash("reuse", "done")
	require.Equal(t, []inbox.Result{inbox.Reuse}, put(t, s, at(1), quarantined))
	unsigned := newEntry("unsigned")
	unsigned.Content = hash("content", "unsigned")
	putNew(t, s, at(0), unsigned)
	claims := claim(t, s, at(1), 10)
	require.Len(t, claims, 5)
	finish(t, s, at(2), claims[0], inbox.Outcome{State: inbox.Done})
	finish(t, s, at(2), claims[1], inbox.Outcome{State: inbox.Dead})
	finish(t, s, at(20), claims[2], inbox.Outcome{State: inbox.Done})
	finish(t, s, at(2), claims[4], inbox.Outcome{State: inbox.Done})

	purge := func(done, dead time.Time, limit, want int) {
		n, err := s.Purge(t.Context(), done, dead, limit)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	purge(time.Time{}, time.Time{}, 10, 0)
	purge(at(2), at(1), 10, 0)
	purge(at(10), time.Time{}, 1, 1)
	purge(at(10), time.Time{}, 10, 1)
	purge(time.Time{}, at(10), 10, 2)
	for _, id := range []string{"done", "dead", "unsigned"} {
		require.Empty(t, find(t, s, id), id)
	}
	require.Equal(t, inbox.Done, stateOf(t, s, "later"))
	require.Equal(t, inbox.Leased, stateOf(t, s, "leased"))
	// What is forgotten is new, with a number of its own.
	putNew(t, s, at(30), newEntry("done"), unsigned)
	c := claim(t, s, at(30), 10)
	require.Equal(t, []string{"done", "unsigned"}, ids(c))
	for i := range c {
		require.Greater(t, c[i].Seq, claims[4].Seq)
	}
	require.ErrorIs(t, s.Finish(t.Context(), at(31), claims[0].Token, inbox.Outcome{State: inbox.Done}), inbox.ErrStale)

	// Even when all are gone.
	finish(t, s, at(31), c[0], inbox.Outcome{State: inbox.Done})
	finish(t, s, at(31), c[1], inbox.Outcome{State: inbox.Done})
	finish(t, s, at(31), claims[3], inbox.Outcome{State: inbox.Done})
	purge(at(100), at(100), 10, 4)
	putNew(t, s, at(101), newEntry("fresh"))
	require.Greater(t, claimOne(t, s, at(101)).Seq, c[1].Seq)
}

func testList(t *testing.T, s inbox.Store) {
	other := newEntry("b")
	other.Source, other.Dedupe = "other", hash("id", "other b")
	putNew(t, s, at(0), newEntry("a"), newEntry("b"), other, newEntry("c"))
	finish(t, s, at(1), claim(t, s, at(0), 1)[0], inbox.Outcome{State: inbox.Dead})
	list := func(f inbox.Filter) (all []string) {
		records, err := s.List(t.Context(), f)
		require.NoError(t, err)
		for _, r := range records {
			require.Equal(t, f.Content, r.Body != nil)
			all = append(all, r.Source+" "+r.ID)
		}
		return all
	}
	all := []string{"test a", "test b", "other b", "test c"}
	require.Equal(t, all, list(inbox.Filter{}))
	require.Equal(t, all, list(inbox.Filter{Content: true}))
	require.Equal(t, all[:1], list(inbox.Filter{State: inbox.Dead}))
	require.Equal(t, all[1:], list(inbox.Filter{State: inbox.Pending}))
	require.Equal(t, all[1:3], list(inbox.Filter{ID: "b"}))
	require.Equal(t, all[2:3], list(inbox.Filter{ID: "b", Source: "other"}))
	require.Empty(t, list(inbox.Filter{ID: "b", State: inbox.Done}))
	require.Equal(t, all[:2], list(inbox.Filter{Limit: 2}))
	records, err := s.List(t.Context(), inbox.Filter{Limit: 2})
	require.NoError(t, err)
	require.Equal(t, all[2:], list(inbox.Filter{After: records[1].Seq}))
}

func testStats(t *testing.T, s inbox.Store) {
	stats := func() inbox.Stats {
		got, err := s.Stats(t.Context())
		require.NoError(t, err)
		return got
	}
	backlog := func(limit int) int {
		n, err := s.Backlog(t.Context(), limit)
		require.NoError(t, err)
		return n
	}
	require.Equal(t, inbox.Stats{}, stats())
	require.Zero(t, backlog(10))

	old := inLane("old", "k")
	old.Received = at(-100)
	quarantined := old
	quarantined.Fingerprint, quarantined.Reuse = hash("body", "changed"), hash("reuse", "old")
	putNew(t, s, at(0), newEntry("done"), old, inLane("second", "k"), newEntry("dead"), newEntry("pending"))
	require.Equal(t, []inbox.Result{inbox.Reuse}, put(t, s, at(0), quarantined))
	claims := claim(t, s, at(0), 3)
	require.Equal(t, []string{"done", "old", "dead"}, ids(claims))
	finish(t, s, at(0), claims[0], inbox.Outcome{State: inbox.Done})
	finish(t, s, at(0), claims[2], inbox.Outcome{State: inbox.Dead})
	got := stats()
	require.True(t, got.Oldest.Equal(at(-100)), "%v", got.Oldest)
	got.Oldest = time.Time{}
	require.Equal(t, inbox.Stats{Pending: 1, Leased: 1, Waiting: 1, Dead: 1, Quarantined: 1}, got)
	require.Equal(t, 3, backlog(10))
	require.Equal(t, 2, backlog(2))

	now, err := s.Now(t.Context())
	require.NoError(t, err)
	require.False(t, now.IsZero())
}
