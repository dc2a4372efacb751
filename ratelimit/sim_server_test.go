package ratelimit_test

import (
	"context"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/ratelimit"
)

const (
	simLimit  = 100
	simPeriod = 10 * time.Second
	simBurst  = 20 // of the virtual schedule
)

// quotaServer decides whether to serve a request that comes at now, counted from
// the start of the simulation, and says what it says about its quota.
type quotaServer interface {
	serve(now time.Duration, h http.Header) (served bool)
}

// steadyWindow starts anew every period, at a time that is no whole second, and
// tells it as a Unix time.
type steadyWindow struct {
	window int64
	used   int
	epoch  time.Time // the server's clock at the start
}

func (s *steadyWindow) serve(now time.Duration, h http.Header) bool {
	if window := int64(now / simPeriod); window != s.window {
		s.window, s.used = window, 0
	}
	served := s.used < simLimit
	if served {
		s.used++
	}
	reset := s.epoch.Add(time.Duration(s.window+1) * simPeriod)
	say(h, "X-RateLimit-", simLimit, simLimit-s.used, strconv.FormatInt(reset.Unix(), 10))
	return served
}

func say(h http.Header, prefix string, limit, remaining int, reset string) {
	h.Set(prefix+"Limit", strconv.Itoa(limit))
	h.Set(prefix+"Remaining", strconv.Itoa(remaining))
	if reset != "" {
		h.Set(prefix+"Reset", reset)
	}
}

// slidingWindow remembers each request for a period.
type slidingWindow struct {
	log   []time.Duration
	named bool // speaks draft 10 of the IETF, which tells the window
}

func (s *slidingWindow) serve(now time.Duration, h http.Header) bool {
	for len(s.log) > 0 && s.log[0] <= now-simPeriod {
		s.log = s.log[1:]
	}
	served := len(s.log) < simLimit
	if served {
		s.log = append(s.log, now)
	}
	left := simLimit - len(s.log)
	if s.named {
		h.Set("RateLimit-Policy", `"sliding";q=100;w=10`)
		h.Set("RateLimit", `"sliding";r=`+strconv.Itoa(left)+";t="+seconds(s.log[0]+simPeriod-now))
		return served
	}
	say(h, "RateLimit-", simLimit, left, seconds(simPeriod))
	return served
}

func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }

// tokenBucket fills within a period.
type tokenBucket struct {
	tokens    float64
	last      time.Duration
	described bool // tells its rate, and no reset
}

func (s *tokenBucket) serve(now time.Duration, h http.Header) bool {
	const fill = simLimit / int(simPeriod/time.Second)
	s.tokens = min(simLimit, s.tokens+(now-s.last).Seconds()*float64(fill))
	s.last = now
	served := s.tokens >= 1
	if served {
		s.tokens--
	}
	full := time.Duration((simLimit - s.tokens) / float64(fill) * float64(time.Second))
	if s.described {
		say(h, "X-RateLimit-", simLimit, int(s.tokens), "")
		h.Set("X-RateLimit-Interval-Seconds", "1")
		h.Set("X-RateLimit-FillRate", strconv.Itoa(fill))
		return served
	}
	say(h, "RateLimit-", simLimit, int(s.tokens), seconds(full))
	return served
}

// schedule is GCRA: one request each tenth of a second, that may run ahead by a
// burst.
type schedule struct{ tat time.Duration }

func (s *schedule) serve(now time.Duration, h http.Header) bool {
	const interval = simPeriod / simLimit
	tat := max(s.tat, now)
	served := tat+interval-now <= simBurst*interval
	if served {
		tat += interval
		s.tat = tat
	}
	say(h, "RateLimit-", simBurst, int((simBurst*interval-(tat-now))/interval), seconds(tat-now))
	return served
}

// upstream is a quotaServer that is some way away, as a transport.
type upstream struct {
	server quotaServer
	begin  time.Time
	skew   time.Duration // of its clock
	most   time.Duration // of a way

	mu        sync.Mutex
	random    *rand.Rand
	ok        int
	refused   int
	perSecond map[time.Duration]int
}

func newUpstream(s quotaServer, seed uint64, skew time.Duration) *upstream {
	u := &upstream{
		server: s, begin: time.Now(), skew: skew, most: 400 * ms,
		random: rand.New(rand.NewPCG(seed, 0)), perSecond: map[time.Duration]int{},
	}
	if f, ok := s.(*steadyWindow); ok {
		f.epoch = u.begin.Add(skew + 370*ms)
	}
	return u
}

// RoundTrip takes 20 ms or more each way.
func (u *upstream) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := u.travel(req.Context()); err != nil {
		return nil, err
	}
	resp := u.answer(req)
	return resp, u.travel(req.Context())
}

func (u *upstream) travel(ctx context.Context) error {
	u.mu.Lock()
	way := 20*ms + time.Duration(u.random.Int64N(int64(u.most-20*ms)))
	u.mu.Unlock()
	select {
	case <-time.After(way):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (u *upstream) answer(req *http.Request) *http.Response {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := time.Since(u.begin)
	resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("")), Request: req}
	resp.Header.Set("Date", u.begin.Add(now+u.skew+370*ms).UTC().Format(http.TimeFormat))
	u.perSecond[now/time.Second]++
	if u.server.serve(now, resp.Header) {
		u.ok++
	} else {
		u.refused++
		resp.StatusCode = http.StatusTooManyRequests
	}
	return resp
}

// foreign takes from the same quota about three times a second without looking
// at anything, until ctx ends.
func (u *upstream) foreign(ctx context.Context, seed uint64) (wanted, got int) {
	random := rand.New(rand.NewPCG(seed, 1))
	for {
		select {
		case <-ctx.Done():
			return wanted, got
		case <-time.After(time.Duration(random.ExpFloat64() / 3 * float64(time.Second))):
		}
		wanted++
		u.mu.Lock()
		if u.server.serve(time.Since(u.begin), http.Header{}) {
			got++
		}
		u.mu.Unlock()
	}
}

// work sends through l with so many workers until ctx ends.
func (u *upstream) work(ctx context.Context, l *ratelimit.Limiter, workers int) {
	rt := l.Wrap(u)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for ctx.Err() == nil {
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://api.example.com/things", nil)
				if err != nil {
					panic(err)
				}
				if resp, err := rt.RoundTrip(req); err == nil {
					_ = resp.Body.Close()
				}
			}
		})
	}
	wg.Wait()
}
