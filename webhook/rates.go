package webhook

import (
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/internal/keyed"
)

// rates are token buckets, one per key.
type rates struct {
	rate, burst float64
	key         func(*http.Request) string
	start       time.Time
	buckets     *keyed.Map[httpx.Key, bucket]
}

type bucket struct {
	mu     sync.Mutex
	tokens float64
	at     time.Time // zero for a bucket that is full
}

func newRates(c ReceiverConfig) *rates {
	r := &rates{
		rate:  c.Rate,
		burst: float64(orDefault(c.Burst, int(max(1, math.Ceil(c.Rate))))),
		key:   c.Key,
		start: time.Now(),
	}
	if r.key == nil {
		r.key = peerKey
	}
	// A bucket that is full again need not be remembered, but until then it must.
	idle := time.Duration(min(r.burst/r.rate, maxIdle.Seconds())*float64(time.Second)) + time.Second
	r.buckets = keyed.New(keyed.Config[httpx.Key, bucket]{
		Max:  orDefault(c.MaxKeys, DefaultMaxKeys),
		Idle: idle,
		Hash: httpx.Key.Hash,
		Init: func(_ *httpx.Key, b *bucket) { b.tokens = r.burst },
	})
	return r
}

// maxIdle is how long a bucket is remembered at most.
const maxIdle = 366 * 24 * time.Hour

// peerKey is the address of the peer, as far as it is one customer's.
func peerKey(req *http.Request) string {
	peer, ok := peerOf(req)
	if !ok {
		return req.RemoteAddr
	}
	if peer.Is6() {
		if prefix, err := peer.Prefix(64); err == nil {
			return prefix.String()
		}
	}
	return peer.String()
}

// take takes a token, or returns how long it is until there is one.
func (r *rates) take(req *http.Request, now time.Time) time.Duration {
	e := r.buckets.Acquire(httpx.KeyOf(req, r.key), now.Sub(r.start))
	defer r.buckets.Release(e)
	b := e.Value()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.at.IsZero() {
		b.tokens = min(r.burst, b.tokens+max(0, now.Sub(b.at).Seconds())*r.rate)
	}
	b.at = now
	if b.tokens >= 1 {
		b.tokens--
		return 0
	}
	wait := (1 - b.tokens) / r.rate
	return time.Duration(min(wait, maxRetryAfter.Seconds()) * float64(time.Second))
}
