package storetest

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/inbox"
)

func testLane(t *testing.T, s inbox.Store) {
	putNew(t, s, at(0), inLane("a1", "a"), inLane("a2", "a"), inLane("b1", "b"), newEntry("free"))
	putNew(t, s, at(0), inLane("a3", "a"))
	require.Equal(t, inbox.Waiting, stateOf(t, s, "a2"))
	claims := claim(t, s, at(1), 10)
	require.Equal(t, []string{"a1", "b1", "free"}, ids(claims))

	// An attempt that fails holds the lane.
	finish(t, s, at(2), claims[0], inbox.Outcome{State: inbox.Pending, Due: at(10)})
	require.Empty(t, claim(t, s, at(9), 10))
	a1 := claimOne(t, s, at(10))
	require.Equal(t, "a1", a1.ID)
	finish(t, s, at(11), a1, inbox.Outcome{State: inbox.Done})
	require.Empty(t, claim(t, s, at(10), 10), "what waited is due when the lane is free")

	a2 := claimOne(t, s, at(11))
	require.Equal(t, "a2", a2.ID)
	require.True(t, a2.Due.Equal(at(11)))
	require.Empty(t, claim(t, s, at(12), 10))
	finish(t, s, at(12), a2, inbox.Outcome{State: inbox.Done})
	a3 := claimOne(t, s, at(12))
	require.Equal(t, "a3", a3.ID)
	finish(t, s, at(12), a3, inbox.Outcome{State: inbox.Done})
	putNew(t, s, at(13), inLane("a4", "a"))
	require.Equal(t, "a4", claimOne(t, s, at(13)).ID)
	require.Empty(t, claim(t, s, at(14), 10))
}

func testLaneOfDead(t *testing.T, s inbox.Store) {
	putNew(t, s, at(0), inLane("1", "k"), inLane("2", "k"))
	finish(t, s, at(1), claimOne(t, s, at(0)), inbox.Outcome{State: inbox.Dead})
	require.Equal(t, "2", claimOne(t, s, at(1)).ID)
}

func testLaneHeld(t *testing.T, s inbox.Store) {
	hold := inbox.Outcome{State: inbox.Dead, Hold: true}
	putNew(t, s, at(0), inLane("1", "k"), inLane("2", "k"))
	c := claimOne(t, s, at(0))
	finish(t, s, at(1), c, hold)
	require.True(t, find(t, s, "1")[0].Holds)
	putNew(t, s, at(2), inLane("3", "k"))
	require.Empty(t, claim(t, s, at(100), 10))
	n, err := s.Purge(t.Context(), at(1000), at(1000), 10)
	require.NoError(t, err)
	require.Zero(t, n, "what holds a lane stays")

	n, err = s.Replay(t.Context(), at(3), []int64{c.Seq})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	again := claimOne(t, s, at(3))
	require.Equal(t, "1", again.ID)
	require.False(t, find(t, s, "1")[0].Holds)
	finish(t, s, at(4), again, inbox.Outcome{State: inbox.Done})
	second := claimOne(t, s, at(4))
	require.Equal(t, "2", second.ID)
	finish(t, s, at(5), second, hold)
	n, err = s.Discard(t.Context(), at(6), []int64{second.Seq})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, "3", claimOne(t, s, at(6)).ID)

	// Without a lane there is nothing to hold.
	putNew(t, s, at(7), newEntry("free"))
	finish(t, s, at(7), claimOne(t, s, at(7)), hold)
	require.False(t, find(t, s, "free")[0].Holds)
}

// testLaneRace puts and finishes events of few lanes at once. None may be
// forgotten, and no two of a lane may be leased at a time.
func testLaneRace(t *testing.T, s inbox.Store) {
	const lanes, events, workers = 3, 60, 4
	var running [lanes]atomic.Int64
	var done atomic.Int64
	var wg sync.WaitGroup
	for lane := range lanes {
		wg.Go(func() {
			for i := range events / lanes {
				e := inLane(fmt.Sprintf("%d-%d", lane, i), strconv.Itoa(lane))
				if _, err := s.Put(t.Context(), at(0), []inbox.Entry{e}); err != nil {
					t.Errorf("put: %v", err)
				}
			}
		})
	}
	for range workers {
		wg.Go(func() {
			for done.Load() < events && !t.Failed() && t.Context().Err() == nil {
				claims, err := s.Claim(t.Context(), at(1), at(60), 2)
				if err != nil {
					t.Errorf("claim: %v", err)
					return
				}
				for i := range claims {
					lane := claims[i].Key[0] - '0'
					if running[lane].Add(1) != 1 {
						t.Errorf("two of lane %d", lane)
					}
					running[lane].Add(-1)
					if err := s.Finish(t.Context(), at(0), claims[i].Token, inbox.Outcome{State: inbox.Done}); err != nil {
						t.Errorf("finish: %v", err)
					}
					done.Add(1)
				}
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, events, done.Load())
}
