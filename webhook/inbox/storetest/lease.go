package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/inbox"
)

func testOrder(t *testing.T, s inbox.Store) {
	putNew(t, s, at(5), newEntry("late"))
	putNew(t, s, at(1), newEntry("a"), newEntry("b"))
	putNew(t, s, at(0), newEntry("first"))
	require.Empty(t, claim(t, s, at(-1), 10))
	require.Equal(t, []string{"first", "a"}, ids(claim(t, s, at(2), 2)))
	require.Equal(t, []string{"b"}, ids(claim(t, s, at(2), 2)))
	require.Empty(t, claim(t, s, at(4), 2))
	require.Equal(t, []string{"late"}, ids(claim(t, s, at(5), 2)))
}

func testLease(t *testing.T, s inbox.Store) {
	putNew(t, s, at(0), newEntry("a"))
	first := claimOne(t, s, at(0))
	require.Empty(t, claim(t, s, at(59), 10))
	r := find(t, s, "a")[0]
	require.Equal(t, inbox.Leased, r.State)
	require.True(t, r.Due.Equal(at(60)))

	second := claimOne(t, s, at(60))
	require.Equal(t, first.Seq, second.Seq)
	require.Greater(t, second.Fence, first.Fence)
	require.Equal(t, []int{2, 1}, []int{second.Attempt, second.Crashes})
	require.True(t, second.Due.Equal(at(60)))
	sameEvent(t, first.Event, second.Event)

	require.ErrorIs(t, s.Finish(t.Context(), at(61), first.Token, inbox.Outcome{State: inbox.Done}), inbox.ErrStale)
	require.Equal(t, inbox.Leased, stateOf(t, s, "a"))
	// The end of the lease alone takes nothing away.
	finish(t, s, at(500), second, inbox.Outcome{State: inbox.Done})
	require.Empty(t, claim(t, s, at(1000), 10))
}

func testStale(t *testing.T, s inbox.Store) {
	putNew(t, s, at(0), newEntry("a"), newEntry("b"))
	claims := claim(t, s, at(0), 10)
	a, b := claims[0], claims[1]
	for _, o := range []inbox.Outcome{{State: inbox.Done}, {State: inbox.Dead}, {State: inbox.Pending, Due: at(1)}} {
		for name, token := range map[string]inbox.Token{
			"another fence":   {Seq: a.Seq, Fence: a.Fence + 1},
			"an event's none": {Seq: max(a.Seq, b.Seq) + 100, Fence: 1},
			"zero":            {},
		} {
			require.ErrorIs(t, s.Finish(t.Context(), at(1), token, o), inbox.ErrStale, name)
		}
	}
	finish(t, s, at(1), a, inbox.Outcome{State: inbox.Done})
	require.ErrorIs(t, s.Finish(t.Context(), at(1), a.Token, inbox.Outcome{State: inbox.Done}), inbox.ErrStale)
	finish(t, s, at(1), b, inbox.Outcome{State: inbox.Pending, Due: at(2)})
	require.ErrorIs(t, s.Finish(t.Context(), at(1), b.Token, inbox.Outcome{State: inbox.Done}), inbox.ErrStale)
	require.Equal(t, inbox.Done, stateOf(t, s, "a"))
	require.Equal(t, inbox.Pending, stateOf(t, s, "b"))
}

func testRetry(t *testing.T, s inbox.Store) {
	putNew(t, s, at(0), newEntry("a"))
	finish(t, s, at(1), claimOne(t, s, at(0)), inbox.Outcome{State: inbox.Pending, Due: at(30), Reason: "because"})
	r := find(t, s, "a")[0]
	require.Equal(t, inbox.Pending, r.State)
	require.Equal(t, "because", r.Reason)
	require.True(t, r.Due.Equal(at(30)))
	require.Empty(t, claim(t, s, at(29), 10))

	c := claimOne(t, s, at(30))
	require.Equal(t, []int{2, 0}, []int{c.Attempt, c.Crashes})
	finish(t, s, at(31), c, inbox.Outcome{State: inbox.Pending, Due: c.Due, GivenBack: true})
	c = claimOne(t, s, at(31))
	require.Equal(t, []int{2, 0}, []int{c.Attempt, c.Crashes}, "what was given back does not count")
	require.True(t, c.Due.Equal(at(30)))
	finish(t, s, at(32), c, inbox.Outcome{State: inbox.Dead, Reason: "enough"})
	r = find(t, s, "a")[0]
	require.Equal(t, inbox.Dead, r.State)
	require.Equal(t, "enough", r.Reason)
	require.Equal(t, 2, r.Attempt)
	require.True(t, r.Ended.Equal(at(32)))
	require.Empty(t, claim(t, s, at(1000), 10))
}

func testExtend(t *testing.T, s inbox.Store) {
	putNew(t, s, at(0), newEntry("a"), newEntry("b"), newEntry("c"))
	claims := claim(t, s, at(0), 10)
	a, b, c := claims[0], claims[1], claims[2]
	finish(t, s, at(1), b, inbox.Outcome{State: inbox.Done})
	lost, err := s.Extend(t.Context(), []inbox.Token{a.Token, b.Token, {Seq: c.Seq, Fence: c.Fence + 7}}, at(120))
	require.NoError(t, err)
	require.ElementsMatch(t, []inbox.Token{b.Token, {Seq: c.Seq, Fence: c.Fence + 7}}, lost)
	lost, err = s.Extend(t.Context(), nil, at(120))
	require.NoError(t, err)
	require.Empty(t, lost)
	require.Equal(t, []string{"c"}, ids(claim(t, s, at(60), 10)))
	require.Equal(t, []string{"a", "c"}, ids(sorted(claim(t, s, at(120), 10))))
	lost, err = s.Extend(t.Context(), []inbox.Token{a.Token}, at(500))
	require.NoError(t, err)
	require.Equal(t, []inbox.Token{a.Token}, lost)
}

func sorted(claims []inbox.Claim) []inbox.Claim {
	slices.SortFunc(claims, func(a, b inbox.Claim) int { return int(a.Seq - b.Seq) })
	return claims
}

// testWorkers has many claim and finish at once: each event is had once.
func testWorkers(t *testing.T, s inbox.Store) {
	const events, workers = 120, 8
	var entries []inbox.Entry
	for i := range events {
		entries = append(entries, newEntry(fmt.Sprintf("e%d", i)))
	}
	putNew(t, s, at(0), entries...)
	var had sync.Map
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for {
				claims, err := s.Claim(t.Context(), at(1), at(60), 7)
				if err != nil {
					t.Errorf("claim: %v", err)
					return
				}
				if len(claims) == 0 {
					return
				}
				for i := range claims {
					if _, twice := had.LoadOrStore(claims[i].ID, true); twice {
						t.Errorf("%s was claimed twice", claims[i].ID)
					}
					if err := s.Finish(t.Context(), at(2), claims[i].Token, inbox.Outcome{State: inbox.Done}); err != nil {
						t.Errorf("finish: %v", err)
					}
				}
			}
		})
	}
	wg.Wait()
	n, err := s.Backlog(t.Context(), 1000)
	require.NoError(t, err)
	if n > 0 {
		// A claim may pass over what another one is looking at.
		require.Len(t, claim(t, s, at(3), 1000), n)
	}
}
