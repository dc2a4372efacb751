package storetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/sender"
)

func testHealth(s *store) {
	require.Equal(s, sender.Health{Endpoint: "nobody"}, s.health("nobody"))
	s.put(0, message("a", "1"), message("a", "2"))
	end := func(now int, v sender.Verdict) sender.Health {
		return s.finish(now, s.claim(now, now+10, 1, 1)[0], sender.Outcome{State: sender.Pending, Due: at(now), Verdict: v})
	}
	end(1, sender.Failure)
	end(2, sender.Neither)
	h := end(3, sender.Failure)
	require.Equal(s, 2, h.Failures)
	require.True(s, h.FailingSince.Equal(at(1)))
	require.Equal(s, "a", h.Endpoint)
	require.Equal(s, h, s.health("a"))
	h = end(4, sender.Success)
	require.Zero(s, h.Failures)
	require.True(s, h.FailingSince.IsZero())
	require.True(s, end(5, sender.Failure).FailingSince.Equal(at(5)))
}

func testPause(s *store) {
	s.put(0, message("a", "1"), message("a", "2"), message("b", "3"))
	c := s.claim(0, 1000, 2, 1)
	h := s.finish(1, c[0], sender.Outcome{State: sender.Pending, Due: at(1), Pause: at(60)})
	require.True(s, h.PausedUntil.Equal(at(60)))
	require.Empty(s, s.claim(59, 1000, 10, 10), "b has one, a none")
	again := s.claim(60, 1000, 10, 10)
	require.Len(s, again, 2)
	s.finish(61, again[0], sender.Outcome{State: sender.Done, Pause: at(100)})
	h = s.finish(62, again[1], sender.Outcome{State: sender.Done, Verdict: sender.Success, Pause: at(90)})
	require.True(s, h.PausedUntil.Equal(at(100)), "the later one counts")
}

func testDisable(s *store) {
	s.put(0, message("a", "1"), message("a", "2"), message("b", "3"))
	under := s.claim(0, 1000, 1, 1)[0]
	change := func(now int) bool {
		changed, err := s.s.Disable(s.Context(), at(now), "a", fmt.Sprint("reason ", now))
		require.NoError(s, err)
		return changed
	}
	require.True(s, change(1))
	require.False(s, change(2))
	h := s.finish(3, under, sender.Outcome{State: sender.Done, Verdict: sender.Success})
	require.True(s, h.DisabledAt.Equal(at(1)), "a success does not enable it")
	require.Equal(s, "reason 1", h.Reason)
	require.Equal(s, []string{"3"}, s.claimed(10, 1000, 10, 10))
	s.put(11, message("a", "4"))
	require.Empty(s, s.claim(12, 1000, 10, 10))
	for _, want := range []bool{true, false} {
		changed, err := s.s.Enable(s.Context(), "a")
		require.NoError(s, err)
		require.Equal(s, want, changed)
	}
	require.Equal(s, sender.Health{Endpoint: "a"}, s.health("a"))
	require.Equal(s, []string{"2", "4"}, s.claimed(13, 1000, 10, 10))
}

func testReplay(s *store) {
	s.put(0, message("a", "1"), message("a", "2"), message("a", "3"), message("a", "4"))
	c := s.claim(0, 1000, 3, 10)
	s.finish(1, c[0], sender.Outcome{State: sender.Done})
	s.finish(1, c[1], sender.Outcome{State: sender.Dead, Reason: "gone"})
	var seqs []int64
	for _, r := range s.list(sender.Filter{}) {
		seqs = append(seqs, r.Seq)
	}
	n, err := s.s.Replay(s.Context(), at(5), append(seqs, 1<<40))
	require.NoError(s, err)
	require.Equal(s, 2, n, "neither what is leased nor what is pending")
	_, err = s.s.Finish(s.Context(), at(6), c[0].Token, sender.Outcome{State: sender.Done})
	require.ErrorIs(s, err, sender.ErrStale)
	require.Empty(s, s.list(sender.Filter{State: sender.Dead}))
	require.True(s, s.list(sender.Filter{})[0].Ended.IsZero())
	replayed := s.claim(7, 1000, 10, 10)
	require.Len(s, replayed, 3)
	for _, r := range replayed {
		require.Equal(s, 1, r.Attempt)
	}
}

func testPurge(s *store) {
	s.put(0, message("a", "1"), message("a", "2"), message("a", "3"), message("off", "4"), message("off", "5"))
	c := s.claim(0, 1000, 4, 10)
	require.Len(s, c, 4)
	for i, claim := range c {
		state := []sender.State{sender.Done, sender.Dead}[i%2]
		if claim.ID == "4" {
			continue // stays leased
		}
		s.finish(10+i, claim, sender.Outcome{State: state})
	}
	_, err := s.s.Disable(s.Context(), at(10), "off", "")
	require.NoError(s, err)
	purge := func(before, limit int) int {
		n, err := s.s.Purge(s.Context(), at(before), limit)
		require.NoError(s, err)
		return n
	}
	require.Zero(s, purge(10, 10))
	total := 0
	for range 10 {
		n := purge(100, 1)
		require.LessOrEqual(s, n, 1)
		total += n
	}
	rest := s.list(sender.Filter{})
	require.Equal(s, 5, total+len(rest))
	for _, r := range rest {
		require.Contains(s, []sender.State{sender.Leased, sender.Pending}, r.State)
		require.NotEqual(s, sender.Pending == r.State, r.Endpoint == "off", "%+v", r)
	}
	require.Equal(s, 1, s.put(200, message("a", "1")), "it is not known any more")
	last := s.list(sender.Filter{})
	require.Greater(s, last[len(last)-1].Seq, c[len(c)-1].Seq, "no number is used twice")
}

func testList(s *store) {
	s.put(0, message("a", "1"), message("a", "2"), message("b", "2"))
	all := s.list(sender.Filter{})
	require.Len(s, all, 3)
	require.Nil(s, all[0].Body)
	require.Equal(s, "1", string(s.list(sender.Filter{Content: true})[0].Body))
	require.Len(s, s.list(sender.Filter{Endpoint: "a"}), 2)
	require.Len(s, s.list(sender.Filter{ID: "2", Endpoint: "b"}), 1)
	require.Len(s, s.list(sender.Filter{State: sender.Pending, After: all[0].Seq}), 2)
	require.Empty(s, s.list(sender.Filter{State: sender.Done}))
	page, err := s.s.List(s.Context(), sender.Filter{Limit: 2})
	require.NoError(s, err)
	require.Equal(s, all[:2], page)
}

func testStats(s *store) {
	s.put(0, message("a", "1"), message("a", "2"))
	s.put(5, message("a", "3"), message("b", "4"))
	c := s.claim(6, 1000, 4, 3)
	require.Len(s, c, 4)
	for _, claim := range c {
		switch claim.ID {
		case "1":
			s.finish(7, claim, sender.Outcome{State: sender.Done})
		case "2":
			s.finish(7, claim, sender.Outcome{State: sender.Dead})
		case "3":
			s.finish(7, claim, sender.Outcome{State: sender.Pending, Due: at(100)})
		}
	}
	_, err := s.s.Disable(s.Context(), at(8), "b", "")
	require.NoError(s, err)
	stats, err := s.s.Stats(s.Context())
	require.NoError(s, err)
	require.True(s, stats.Oldest.Equal(at(5)))
	stats.Oldest = sender.Stats{}.Oldest
	require.Equal(s, sender.Stats{Pending: 1, Leased: 1, Done: 1, Dead: 1, Disabled: 1}, stats)
}

// testRace has many claim at once: each message goes to one of them, and never
// more than two of an endpoint.
func testRace(s *store) {
	for i := range 60 {
		s.put(0, message(fmt.Sprint("e", i%6), strconv.Itoa(i)))
	}
	var mu sync.Mutex
	seen := make(map[string]int)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for {
				claims, err := s.s.Claim(s.Context(), at(1), at(1000), 3, 2)
				if err != nil || len(claims) == 0 {
					return
				}
				mu.Lock()
				for _, c := range claims {
					seen[c.Endpoint]++
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	for _, c := range s.claim(1, 1000, 100, 2) { // what others had locked just then
		seen[c.Endpoint]++
	}
	require.Len(s, seen, 6)
	for endpoint, n := range seen {
		require.Equal(s, 2, n, endpoint)
	}
}

func testCanceled(s *store) {
	s.put(0, message("a", "1"))
	c := s.claim(0, 1000, 1, 1)[0]
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	var errs [10]error
	_, errs[0] = s.s.Put(ctx, at(1), []sender.Message{message("a", "2")})
	_, errs[1] = s.s.Claim(ctx, at(1), at(2), 1, 1)
	_, errs[2] = s.s.Finish(ctx, at(1), c.Token, sender.Outcome{State: sender.Done})
	_, errs[3] = s.s.Disable(ctx, at(1), "a", "")
	_, errs[4] = s.s.Enable(ctx, "a")
	_, errs[5] = s.s.Health(ctx, "a")
	_, errs[6] = s.s.List(ctx, sender.Filter{})
	_, errs[7] = s.s.Replay(ctx, at(1), []int64{c.Seq})
	_, errs[8] = s.s.Purge(ctx, at(1), 1)
	_, errs[9] = s.s.Stats(ctx)
	for i, err := range errs {
		require.Error(s, err, i)
		require.False(s, errors.Is(err, sender.ErrStale), i)
	}
	require.Len(s, s.list(sender.Filter{}), 1)
	s.finish(2, c, sender.Outcome{State: sender.Done})
}
