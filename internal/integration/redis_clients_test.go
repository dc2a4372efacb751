package integration_test

import (
	"context"
	"testing"
	"time"

	redigo "github.com/gomodule/redigo/redis"
	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/ratelimit/redislimit"
)

type evalFunc = func(ctx context.Context, script string, keys, args []string) (any, error)

// evalByGoRedis, evalByRueidis and evalByRedigo are the adapters that the
// documentation of package redislimit shows.
func evalByGoRedis(client redis.UniversalClient) evalFunc {
	return func(ctx context.Context, script string, keys, args []string) (any, error) {
		return redis.NewScript(script).Run(ctx, client, keys, args).Result()
	}
}

func evalByRueidis(client rueidis.Client) evalFunc {
	return func(ctx context.Context, script string, keys, args []string) (any, error) {
		return rueidis.NewLuaScript(script).Exec(ctx, client, keys, args).ToAny()
	}
}

func evalByRedigo(pool *redigo.Pool) evalFunc {
	return func(ctx context.Context, script string, keys, args []string) (any, error) {
		conn := pool.Get()
		defer conn.Close()
		return redigo.NewScript(len(keys), script).DoContext(ctx, conn, redigo.Args{}.AddFlat(keys).AddFlat(args)...)
	}
}

// TestRedisClients shares one limit between the three clients.
func TestRedisClients(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	viaRueidis, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{server.addr}, DisableCache: true})
	require.NoError(t, err)
	t.Cleanup(viaRueidis.Close)
	pool := &redigo.Pool{DialContext: func(ctx context.Context) (redigo.Conn, error) {
		return redigo.DialContext(ctx, "tcp", server.addr, redigo.DialReadTimeout(time.Second))
	}}
	t.Cleanup(func() { pool.Close() })

	const each, burst = 10, 60
	var sent uint64
	for i, eval := range []evalFunc{evalByGoRedis(newGoRedis(t, server.addr)), evalByRueidis(viaRueidis), evalByRedigo(pool)} {
		// So slow a rate gives nothing but the burst.
		limiter, err := redislimit.New(redislimit.Config{
			Eval: eval, Rate: 0.001, Burst: burst, Mode: redislimit.FailClosed, Timeout: 10 * time.Second, MaxWait: -1,
		})
		require.NoError(t, err)
		for range each {
			require.NoError(t, limiter.Wait(t.Context(), "shared"))
		}
		require.Equal(t, i+1, limiter.Snapshot().Buckets[0].Replicas)
		if i == 2 { // the last takes the rest
			for err == nil {
				err = limiter.Wait(t.Context(), "shared")
			}
			require.ErrorIs(t, err, redislimit.ErrLimited)
		}
		b := limiter.Snapshot().Buckets[0]
		require.Zero(t, b.Failures)
		sent += b.Sent
	}
	require.LessOrEqual(t, sent, uint64(burst))
	require.GreaterOrEqual(t, sent, uint64(burst-2*burst/4), "the others may have leased ahead")
}
