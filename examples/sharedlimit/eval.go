package main

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
)

// evalFunc is how redislimit talks to Redis: redislimit.Config.Eval.
type evalFunc = func(ctx context.Context, script string, keys, args []string) (any, error)

// connect returns an Eval with the client of that name, and what closes it.
func connect(name, addr string) (evalFunc, func(), error) {
	switch name {
	case "go-redis":
		client := redis.NewClient(&redis.Options{
			Addr:                  addr,
			ContextTimeoutEnabled: true, // or it would not heed the limiter's timeout
			MaxRetries:            -1,   // a call that is repeated after it leases twice
		})
		return evalByGoRedis(client), func() { _ = client.Close() }, nil
	case "rueidis":
		client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}, DisableCache: true})
		if err != nil {
			return nil, nil, err
		}
		return evalByRueidis(client), client.Close, nil
	}
	return nil, nil, fmt.Errorf("-client is %q: must be go-redis or rueidis", name)
}

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
