// Package redislimit keeps all replicas of a program together within the request
// rates that other people's APIs allow. What they share is in Redis.
//
//	limiter, err := redislimit.New(redislimit.Config{Eval: eval, Rate: 200, Burst: 100})
//	if err != nil {
//		return err
//	}
//	client := &http.Client{Transport: limiter.Wrap(http.DefaultTransport)}
//
// [Limiter.Wrap] paces HTTP requests, [Limiter.Wait] and [Limiter.Do] any other
// work. Each key, by default each scheme, host and port, has a limit of its own.
//
// # Eval
//
// The package imports no client of Redis. Config.Eval is three lines with any. With
// github.com/redis/go-redis/v9:
//
//	eval := func(ctx context.Context, script string, keys, args []string) (any, error) {
//		return redis.NewScript(script).Run(ctx, client, keys, args).Result()
//	}
//
// Its client needs ContextTimeoutEnabled: true, or it does not heed the context,
// and MaxRetries: -1: a call that is repeated after the timeout leases twice. With
// github.com/redis/rueidis:
//
//	eval := func(ctx context.Context, script string, keys, args []string) (any, error) {
//		return rueidis.NewLuaScript(script).Exec(ctx, client, keys, args).ToAny()
//	}
//
// With github.com/gomodule/redigo/redis:
//
//	eval := func(ctx context.Context, script string, keys, args []string) (any, error) {
//		conn := pool.Get()
//		defer conn.Close()
//		return redis.NewScript(len(keys), script).DoContext(ctx, conn, redis.Args{}.AddFlat(keys).AddFlat(args)...)
//	}
//
// Redis must be version 5 or later, since the script reads the clock before it
// writes. It is tested with Redis 7.0.
//
// # How it works
//
// Redis does not answer "yes" or "no" for each request. It keeps the date of the
// next slot that nobody has, and a replica leases a run of slots from there on,
// one interval (1/Rate) apart. It spends them by itself, each from its date on. So
// nobody polls, no fraction of a slot is lost, and replicas that want more than
// there is take turns in the order in which they asked.
//
// A lease is for about 200 ms of what the replica has lately sent, at least one
// slot, at most a quarter of Burst, and no more than those who wait can use before
// their deadlines. The next one is fetched when half of it is spent. There is one
// call at a time for each key. Slots that are not spent within 200 ms of the date
// of the last are void. A replica that asks seldom leases one slot at a time, and
// one that is idle holds none. Slots that are left over go back to Redis with the
// next call, as long as Redis has given no later lease.
//
// All dates are Redis' own, in whole microseconds; clocks of replicas do not
// matter. If Redis' clock goes back, as it may when a replica of Redis takes
// over, the dates go back with it.
//
// # What is guaranteed
//
// In any stretch of w seconds, at most Rate×w + Burst slots fall due, and each
// replica can have kept one lease from before: Burst/4 at most. For an API that
// counts strictly, choose Rate and Burst so that all of it stays within its limit.
// Requests that are under way for different times can arrive closer together than
// they were sent.
//
// Those who wait in one process are served in the order in which they came; one
// that leaves makes no hole. A request that can't have its turn before its
// deadline, or within Config.MaxWait, gets an [*Error] as soon as that is known:
// on arrival or, if Redis has to be asked, with its answer.
//
// # What upstreams say
//
// A 429 or 503 with Retry-After, or [Limiter.Hold], stops all replicas. The others
// learn of it when they next ask Redis: they may spend the lease in hand.
// [Limiter.Publish] shares what the headers of an answer say of the quota; call
// it from whatever reads them, as its example does with the Parser of package
// ratelimit. A Limiter of that package around this one paces each replica by
// those headers as well, also while Redis is down.
//
// # When Redis is down
//
// A call has Config.Timeout. The first that fails opens a circuit for all keys;
// from then on no request waits for Redis, and one call in each Config.Probe finds
// out whether it is back. Leases in hand are spent first. Then Config.Mode counts:
//
//	FailLocalShare   each replica sends Rate×0.8/N, N being the replicas last counted, and starts without a burst
//	FailOpen         everything goes
//	FailClosed       everything is refused, with the reason Unavailable
//
// N is the number of replicas that have leased slots of the key in the 30 seconds
// before. If Redis has never answered it is Config.Replicas: set that, if replicas
// may start while Redis is down.
//
// When Redis is back, replicas join without credit. If none has reached it in the
// meantime, the first slots are dated a probe interval ahead, and the local shares
// go on until then, so that those who have noticed do not take the whole rate
// while others still take their shares. If Redis has lost its memory, a replica
// that was idle during the outage begins with a new burst.
//
// A Redis that comes and goes by the second is not the same for all replicas:
// some lease while others take their shares. As long as that goes on, the shares
// come on top of what is guaranteed, 0.8×Rate at most.
//
// # Choosing Burst and Rate
//
// The number of calls of Redis for a request is one by the size of a lease. Four
// processes with eight workers each, Rate 200 and Burst 100, needed 0.12 calls
// for a request and used all of the rate; they run in this module's integration
// tests. With Burst 20 it was a third of a call. The rate that is there goes to the
// replicas by how many requests they have. With Burst below 8 each slot costs a call, and one replica sends at most
// one request for each round trip to Redis: for a high rate choose a Burst of at
// least eight times the requests that fit into a round trip.
//
// A slot in hand costs no call, no allocation and about 0.1 µs.
//
// # What is in Redis
//
// Each key has a hash "prefix:{key}" and a sorted set "prefix:{key}:replicas", in
// one slot of a Redis Cluster, and both expire when they no longer matter. Braces
// and percent signs in a key are escaped, and a key of more than 200 bytes is
// replaced by its SHA-256. One circuit stands in front of all of Redis: where
// parts of a cluster fail on their own, use a Limiter for each part.
//
// # When not to use it
//
// For one process, package ratelimit does the same without Redis. Against abuse
// from outside this is the wrong tool: it makes a program behave, it doesn't make
// others.
package redislimit
