package redislimit

import (
	"container/list"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// bucket is what this replica knows of one key. All dates are durations since
// the Limiter's start.
//
// Requests that have to wait stand in a queue, and only the one at its head
// watches the slots, so that one that leaves makes no hole.
type bucket struct {
	limiter *Limiter
	key     httpx.Key
	names   []string // of its keys in Redis

	mu      sync.Mutex
	queue   list.List     // of *waiter, the first of whom is at the head
	held    time.Duration // nothing is sent before this date: the upstream said so to this replica
	leases  []lease       // the oldest first
	spare   int           // slots that came back unspent; any time will do for them
	spareBy time.Duration // until which they are of use
	share   share
	demand  demand

	// What Redis has said last: the date of the first slot that it has not
	// given, which is believed for a while, and how many replicas there are.
	frontier, believed time.Duration
	replicas           int

	calling bool // a call is under way
	news    news
	unused  unused

	calls, failures, granted, spent uint64
}

const (
	// believedFor is how long the date of the next slot is taken as known.
	// After that Redis is asked again: the state may have been deleted there.
	believedFor = time.Second

	// aheadFor is how far away the slots may be that are leased for requests
	// that have not come yet.
	aheadFor = time.Second
)

// initBucket makes a zero b the bucket of key.
func (l *Limiter) initBucket(key *httpx.Key, b *bucket) {
	key.Own()
	tag := tagOf(key.String())
	b.limiter, b.key = l, *key
	b.names = []string{
		l.config.Prefix + ":{" + tag + "}",
		l.config.Prefix + ":{" + tag + "}:replicas",
	}
}

// maxTag is the length from which on a key is named by its hash.
const maxTag = 200

// tagOf returns key as a hash tag, so that a Redis Cluster has both names of a
// bucket on one node. Braces would end the tag before its end.
func tagOf(key string) string {
	tag := strings.NewReplacer("%", "%25", "{", "%7B", "}", "%7D").Replace(key)
	switch {
	case tag == "":
		return "%" // an empty tag is none
	case len(tag) > maxTag:
		sum := sha256.Sum256([]byte(key))
		return "%" + hex.EncodeToString(sum[:])
	}
	return tag
}

// source is where a slot comes from.
type source int

const (
	nowhere source = iota
	fromSpare
	fromLease
	fromShare
)

// slot returns where the next slot is to be had, and its date. With nowhere the
// date is that of the end of a pause, or forever.
func (b *bucket) slot(now time.Duration) (source, time.Duration) {
	b.prune(now)
	from, date := nowhere, forever
	switch {
	case b.spare > 0:
		from, date = fromSpare, now
	case len(b.leases) > 0:
		from, date = fromLease, b.leases[0].next
	}
	if b.share.active && date > now {
		if d := b.share.date(now, 0); d < date {
			from, date = fromShare, d
		}
	}
	if b.held > now && (from == nowhere || date < b.held) {
		return nowhere, b.held
	}
	return from, date
}

// prune forgets what is over.
func (b *bucket) prune(now time.Duration) {
	for len(b.leases) > 0 && (b.leases[0].left == 0 || b.leases[0].until <= now) {
		b.dropOldest()
	}
	if b.spareBy <= now {
		b.spare = 0
	}
	if b.share.active && b.share.over(now) {
		b.share = share{}
	}
}

// dropOldest drops the oldest lease. What is left of it goes back with the next
// call.
func (b *bucket) dropOldest() {
	old := b.leases[0]
	b.leases = append(b.leases[:0], b.leases[1:]...)
	if old.left > 0 {
		b.unused.add(old)
	}
}

// spend takes the slot that slot has found.
func (b *bucket) spend(from source, now time.Duration) {
	switch from {
	case fromSpare:
		b.spare--
	case fromLease:
		first := &b.leases[0]
		first.left, first.fresh = first.left-1, false
		first.next = after(first.next, b.limiter.interval, 1)
		b.prune(now)
	default:
		b.share.spend(now)
	}
	b.spent++
	b.demand.add(now)
}

// giveBack takes back a slot that was spent on a request that was not sent.
func (b *bucket) giveBack(from source) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.limiter.now()
	b.prune(now)
	b.spent--
	switch {
	case from == fromShare && b.share.active:
		b.share.next -= b.share.interval
	case from != fromShare && b.inHand() < b.limiter.maxLease:
		b.spare++
		b.spareBy = now + leaseFor
	}
	b.wakeHead()
}

// inHand is how many slots are there to be spent.
func (b *bucket) inHand() int {
	n := b.spare
	for _, lease := range b.leases {
		n += lease.left
	}
	return n
}

// foresee is the date at which a request can go that has ahead others before it,
// if no other replica needs a slot: it can come later, but not earlier.
func (b *bucket) foresee(now time.Duration, ahead int) time.Duration {
	b.prune(now)
	date := forever
	if b.share.active {
		date = b.share.date(now, ahead)
	}
	if !b.share.active || b.share.joined || len(b.leases) > 0 {
		date = min(date, b.fromRedis(now, ahead))
	}
	return max(date, b.held, now)
}

// fromRedis is foresee as far as only slots of Redis count.
func (b *bucket) fromRedis(now time.Duration, ahead int) time.Duration {
	if ahead < b.spare {
		return now
	}
	ahead -= b.spare
	for _, lease := range b.leases {
		if ahead < lease.left {
			return after(lease.next, b.limiter.interval, ahead)
		}
		ahead -= lease.left
	}
	if b.share.active && !b.share.joined {
		return forever
	}
	earliest := now - b.limiter.credit()
	if b.believed > now {
		earliest = max(earliest, b.frontier)
	}
	return after(earliest, b.limiter.interval, ahead)
}

// hold keeps the key quiet for d, and has Redis told.
func (b *bucket) hold(now, d time.Duration) {
	until := now + d
	b.held = max(b.held, until)
	b.news.held, b.news.urgent = max(b.news.held, until), true
	// Their dates pass during the pause. Spent after it, they would go all at
	// once.
	for len(b.leases) > 0 {
		b.dropOldest()
	}
	b.spare = 0
	b.order(now)
	b.sift(now)
}

// surrender drops slots that nobody waits for any more, if they are not due yet,
// and has Redis told: other replicas may have them.
func (b *bucket) surrender(now time.Duration) {
	if len(b.leases) > 0 && b.leases[0].next > now {
		for len(b.leases) > 0 {
			b.dropOldest()
		}
		b.news.urgent = true
	}
}

// cutOff is called when Redis does not answer.
func (b *bucket) cutOff(now time.Duration) {
	if b.share.active && !b.share.joined {
		return
	}
	replicas := b.replicas
	if replicas == 0 {
		replicas = int(b.limiter.replicas.Load())
	}
	b.share = b.limiter.newShare(now, replicas)
	b.believed = 0
	b.wakeHead()
}

// inUse reports whether the bucket knows what Redis can't tell.
func (b *bucket) inUse() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calling || b.held > b.limiter.now()
}
