// Package keyed holds a value for each key in bounded memory: a token bucket
// for each host, a circuit for each customer.
//
//	buckets := keyed.New(keyed.Config[string, bucket]{
//		Max:  10_000,
//		Idle: 10 * time.Minute,
//		Init: func(host *string, b *bucket) { b.tokens = burst },
//	})
//	e := buckets.Acquire(req.URL.Host, time.Since(start))
//	defer buckets.Release(e)
//	e.Value().take()
//
// # What it promises
//
// A key has at most one entry. An entry stays in the map from Acquire to
// Release, so all users of a key at one time share its value. This is what a
// plain LRU cache does not give: it can drop the value of a key that is in use
// and give the next user a fresh one, with a full bucket or a closed circuit.
//
// A map holds at most Max entries or, if more than that are in use, those.
//
// To use a present key takes no lock. It writes to the entry alone, once to
// acquire and once to release it, so users of different keys do not wait for
// each other.
//
// The map has no goroutine, no timer and no clock. It drops entries only while
// it inserts one, or while it takes back one that an insertion found in use.
// What is idle stays if no new key comes; the bound holds anyway.
//
// # What is approximate
//
// Entries leave in the order of their last use, but only roughly (CLOCK, or
// second chance): a use only marks the entry. When the turn comes to an entry
// with a mark, it loses the mark and goes to the end of the queue. One
// insertion passes over at most 64 marked entries, and then drops the next one
// even if it has a mark.
//
// An entry is idle from Config.Idle after its last use on, or up to a sixteenth
// later, since times of use are rounded up. It may wait for as long again behind
// entries that were used later. One insertion drops at most 64 entries for
// being idle. A use counts from its Acquire: after one longer than Config.Idle
// the entry may be dropped at once.
//
// Entries found to be worth keeping wait in a queue of their own. One insertion
// asks again for at most 8 of them, so it can take a while to notice that one is
// not worth it any more. When nothing else is left to drop, they leave in no
// particular order.
//
// # What it costs
//
// An entry takes about 90 bytes beside its value, for a key of two strings. The
// table of an emptied map keeps its size.
//
// An insertion costs the same on average, whatever the number of entries. A
// single one may take longer: until it finds an entry to drop, it steps over
// those in use and those to keep, and puts them out of the way of the next.
// [Map.All] holds back insertions while it copies.
//
// # When not to use it
//
// Use a plain map for keys that the program itself lists; there is nothing to
// bound. Use a cache for values that are costly to make but can be made again:
// here a value is state, and to drop it is to forget.
package keyed
