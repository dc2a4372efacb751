package integration_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/ratelimit/redislimit"
)

// sharedState is the key "k" of a limit, and its hash in Redis.
type sharedState struct {
	client *redis.Client
	config redislimit.Config
}

func newSharedState(t *testing.T, c redislimit.Config) *sharedState {
	t.Helper()
	client := newGoRedis(t, startRedis(t).addr)
	c.Eval, c.Timeout, c.Mode = evalByGoRedis(client), 10*time.Second, redislimit.FailClosed
	return &sharedState{client: client, config: c}
}

// limiter returns one more replica.
func (s *sharedState) limiter(t *testing.T) *redislimit.Limiter {
	t.Helper()
	l, err := redislimit.New(s.config)
	require.NoError(t, err)
	return l
}

const (
	stateKey    = "holdfast:{k}"
	replicasKey = "holdfast:{k}:replicas"
)

func (s *sharedState) field(t *testing.T, name string) int64 {
	t.Helper()
	n, err := s.client.HGet(t.Context(), stateKey, name).Int64()
	require.NoError(t, err)
	return n
}

// wait waits for k with a deadline, which refuses what is far away.
func wait(t *testing.T, l *redislimit.Limiter, deadline time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	return l.Wait(ctx, "k")
}

// called waits for a call of Redis that nobody waits for.
func called(t *testing.T, l *redislimit.Limiter, calls uint64) {
	t.Helper()
	require.Eventually(t, func() bool { return l.Snapshot().Buckets[0].Calls >= calls }, startTimeout, time.Millisecond)
	// One more, which comes after it: there is one call at a time.
	require.ErrorIs(t, wait(t, l, startTimeout), redislimit.ErrLimited)
}

// TestRedisState looks at what the script leaves in Redis: exact integers, and
// nothing for ever.
func TestRedisState(t *testing.T) {
	t.Parallel()
	s := newSharedState(t, redislimit.Config{Rate: 0.001, Burst: 1})
	require.NoError(t, wait(t, s.limiter(t), time.Hour))
	require.Equal(t, s.field(t, "seen")+1000*1e6, s.field(t, "tat"))
	for key, most := range map[string]time.Duration{stateKey: 1061 * time.Second, replicasKey: 30 * time.Second} {
		ttl, err := s.client.PTTL(t.Context(), key).Result()
		require.NoError(t, err)
		require.Positive(t, ttl)
		require.LessOrEqual(t, ttl, most)
	}
	replicas, err := s.client.ZCard(t.Context(), replicasKey).Result()
	require.NoError(t, err)
	require.EqualValues(t, 1, replicas)
	keys, err := s.client.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	require.ElementsMatch(t, []string{stateKey, replicasKey}, keys)
}

// TestRedisFractions checks that no part of a slot is lost to rounding.
func TestRedisFractions(t *testing.T) {
	t.Parallel()
	s := newSharedState(t, redislimit.Config{Rate: 300, Burst: 90_000})
	l := s.limiter(t)
	require.NoError(t, wait(t, l, time.Hour))
	// Others have taken a hundred seconds of slots, so that time which passes
	// here moves nothing: unused credit is cut off at the burst.
	first := s.field(t, "tat") + 100*time.Second.Microseconds()
	require.NoError(t, s.client.HSet(t.Context(), stateKey, "tat", first).Err())
	for range 5000 {
		require.NoError(t, wait(t, l, time.Hour))
	}
	// A lease that is under way is in Redis before it is in the Snapshot. And what
	// of a lease was not used in time, because this machine stood still, goes back
	// with the next call, if there is one.
	require.Eventually(t, func() bool {
		b := l.Snapshot().Buckets[0]
		unused := float64(b.Granted - b.Sent - uint64(b.Slots))
		moved, most := float64(s.field(t, "tat")-first)*300/1e6, float64(b.Granted-1)
		return moved <= most*1.001 && moved >= (most-unused)*0.999
	}, startTimeout, 10*time.Millisecond)
}

// TestRedisClockGoesBack finds dates of a clock that was an hour ahead.
func TestRedisClockGoesBack(t *testing.T) {
	t.Parallel()
	s := newSharedState(t, redislimit.Config{Rate: 1000, Burst: 10})
	require.NoError(t, wait(t, s.limiter(t), time.Hour))
	for _, name := range []string{"tat", "seen"} {
		ahead := s.field(t, name) + time.Hour.Microseconds()
		require.NoError(t, s.client.HSet(t.Context(), stateKey, name, strconv.FormatInt(ahead, 10)).Err())
	}
	require.NoError(t, wait(t, s.limiter(t), 10*time.Minute))
	require.Less(t, s.field(t, "tat"), time.Now().Add(time.Minute).UnixMicro())
}

// TestRedisHold has one replica stop another.
func TestRedisHold(t *testing.T) {
	t.Parallel()
	s := newSharedState(t, redislimit.Config{Rate: 1000, Burst: 1000, MaxRetryAfter: time.Hour})
	a, b := s.limiter(t), s.limiter(t)
	a.Hold("k", time.Hour)
	called(t, a, 1)
	require.Eventually(t, func() bool { return s.client.Exists(t.Context(), stateKey).Val() == 1 }, startTimeout, time.Millisecond)
	e, ok := errors.AsType[*redislimit.Error](wait(t, b, 30*time.Minute))
	require.True(t, ok)
	require.Equal(t, redislimit.DeadlineTooClose, e.Reason)
	require.Greater(t, e.Wait, 30*time.Minute)
	require.LessOrEqual(t, e.Wait, time.Hour)
}

// TestRedisWindow has one replica learn what is left, and the other use it up.
func TestRedisWindow(t *testing.T) {
	t.Parallel()
	s := newSharedState(t, redislimit.Config{Rate: 1000, Burst: 1000, MaxRetryAfter: time.Hour})
	a, b := s.limiter(t), s.limiter(t)
	a.Publish("k", 9, time.Hour)
	require.NoError(t, wait(t, a, 30*time.Minute))
	require.EqualValues(t, 8, s.field(t, "left"))
	b.Publish("k", 20, time.Hour)
	sent := 0
	for wait(t, b, 30*time.Minute) == nil {
		sent++
	}
	require.Equal(t, 8, sent)
	require.Zero(t, s.field(t, "left"))
}

// TestRedisUnused gives a slot back that nobody waits for any more, unless
// another replica has leased since.
func TestRedisUnused(t *testing.T) {
	t.Parallel()
	for name, later := range map[string]bool{"last lease": false, "later lease": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSharedState(t, redislimit.Config{Rate: 0.001, Burst: 1})
			a, b := s.limiter(t), s.limiter(t)
			require.NoError(t, wait(t, a, time.Hour))
			tat := s.field(t, "tat")
			const slot = 1000 * 1e6
			ctx, cancel := context.WithCancel(t.Context())
			gone := make(chan error, 1)
			go func() { gone <- a.Wait(ctx, "k") }()
			require.Eventually(t, func() bool { return s.field(t, "tat") == tat+slot }, startTimeout, time.Millisecond)
			want := tat
			if later {
				want += 2 * slot
				go func() { _ = b.Wait(t.Context(), "k") }()
				require.Eventually(t, func() bool { return s.field(t, "tat") == want }, startTimeout, time.Millisecond)
			}
			seen := s.field(t, "seen")
			cancel()
			require.ErrorIs(t, <-gone, context.Canceled)
			require.Eventually(t, func() bool { return s.field(t, "seen") > seen }, startTimeout, time.Millisecond)
			require.Equal(t, want, s.field(t, "tat"))
		})
	}
}

// TestRedisForeignKey finds something else where its state should be.
func TestRedisForeignKey(t *testing.T) {
	t.Parallel()
	s := newSharedState(t, redislimit.Config{Rate: 1})
	require.NoError(t, s.client.Set(t.Context(), stateKey, "not ours", 0).Err())
	var outage error
	s.config.Hooks.Degraded = func(o redislimit.Outage) { outage = o.Err }
	err := wait(t, s.limiter(t), time.Hour)
	e, ok := errors.AsType[*redislimit.Error](err)
	require.True(t, ok)
	require.Equal(t, redislimit.Unavailable, e.Reason)
	require.ErrorContains(t, outage, "WRONGTYPE")
	require.False(t, strings.Contains(err.Error(), "WRONGTYPE"))

	// Fields that are no numbers count as none.
	require.NoError(t, s.client.Del(t.Context(), stateKey).Err())
	require.NoError(t, s.client.HSet(t.Context(), stateKey, "tat", "soon", "held", "", "left", "nan", "reset", "x", "seen", "0x").Err())
	require.NoError(t, wait(t, s.limiter(t), time.Hour))
}
