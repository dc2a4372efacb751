package providers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// latency is how long a healthy provider takes for an answer.
const latency = 10 * time.Millisecond

// maxBody is the largest request body that a provider reads, in bytes.
const maxBody = 1 << 20

// Stats is what one provider saw of its callers. The zero value is a provider that
// nobody called.
type Stats struct {
	Calls           int `json:"calls"`
	ServerErrors    int `json:"server_errors"`     // answers with a status of 5xx
	TooManyRequests int `json:"too_many_requests"` // answers with the status 429
	Resets          int `json:"resets"`            // connections reset before or within an answer
	Slow            int `json:"slow"`              // late answers
	Retries         int `json:"retries"`           // calls that came again for the same operation
}

// task is one decoded request: the operation, whose it is, and the work to do.
type task struct {
	operation string
	id        string
	work      func() answer
}

// server is the HTTP side of one provider. It counts the calls, refuses those above
// the quota, and breaks the answers that the plan wants broken.
type server struct {
	name  string
	url   string
	plan  Plan
	quota quota
	http  http.Server
	ended chan struct{} // closed when the server no longer accepts

	mu       sync.Mutex
	stats    Stats
	calls    map[question]int     // all that came
	attempts map[question]int     // those that were neither above the quota nor in an outage
	outages  map[string]time.Time // when the shards that were called are up
}

type question struct{ operation, id string }

// listen starts a server on a free loopback port.
func listen(ctx context.Context, name string, plan Plan, perSecond int, routes func(*http.ServeMux, *server)) (*server, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("providers: %s: %w", name, err)
	}
	s := &server{
		name:     name,
		url:      "http://" + l.Addr().String(),
		plan:     plan,
		quota:    quota{perSecond: perSecond},
		ended:    make(chan struct{}),
		calls:    map[question]int{},
		attempts: map[question]int{},
		outages:  map[string]time.Time{},
	}
	mux := http.NewServeMux()
	routes(mux, s)
	s.http = http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // broken connections are the point here
	}
	go func() {
		defer close(s.ended)
		_ = s.http.Serve(l) // always an error: ErrServerClosed
	}()
	return s, nil
}

// close waits for the calls in work, for as long as ctx allows, and ends the server.
func (s *server) close(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = fmt.Errorf("providers: %s: %w", s.name, errors.Join(err, s.http.Close()))
	}
	<-s.ended
	return err
}

// URL returns the address of the provider, such as http://127.0.0.1:40123.
func (s *server) URL() string { return s.url }

// Stats returns what the provider saw so far.
func (s *server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// handle returns a handler that decodes a request into a task and answers it as well
// or as badly as the plan says.
func (s *server) handle(decode func(*http.Request) (task, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		t, err := decode(r)
		if err != nil {
			s.count(func(n *Stats) { n.Calls++ })
			write(w, refuse(http.StatusBadRequest, err.Error()))
			return
		}
		s.asked(question{t.operation, t.id})
		if !s.quota.admit(time.Now(), w.Header()) {
			s.count(func(n *Stats) { n.TooManyRequests++ })
			write(w, refuse(http.StatusTooManyRequests, "rate limit exceeded"))
			return
		}
		pause(r.Context(), latency)
		s.answer(w, r, t, s.fault(t))
	}
}

// asked counts a call for an operation.
func (s *server) asked(q question) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Calls++
	if s.calls[q]++; s.calls[q] > 1 {
		s.stats.Retries++
	}
}

// fault returns what the plan has for a call that is within the quota. A refusal by the
// quota or by an outage is not an attempt: how many there are depends on the clock,
// and what comes after them must not.
func (s *server) fault(t task) Fault {
	now := time.Now()
	shard := Shard(t.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	back, ok := s.outages[shard]
	if !ok {
		back = now.Add(s.plan.Outage(s.name, shard))
		s.outages[shard] = back
	}
	if now.Before(back) {
		return s.plan.Refusal(s.name, t.id)
	}
	q := question{t.operation, t.id}
	s.attempts[q]++
	return s.plan.Fault(s.name, t.operation, t.id, s.attempts[q])
}

func (s *server) answer(w http.ResponseWriter, r *http.Request, t task, f Fault) {
	if f.Kind == Unavailable {
		s.count(func(n *Stats) { n.ServerErrors++ })
		if f.RetryAfter != "" {
			w.Header().Set("Retry-After", f.RetryAfter)
		}
		write(w, refuse(http.StatusServiceUnavailable, "try again later"))
		return
	}
	a := t.work()
	switch f.Kind {
	case Cut:
		s.count(func(n *Stats) { n.Resets++ })
		cut(w, a)
	case Dropped:
		s.count(func(n *Stats) { n.Resets++ })
		drop(w)
	case Slow:
		s.count(func(n *Stats) { n.Slow++ })
		pause(r.Context(), f.Delay)
		write(w, a)
	default:
		write(w, a)
	}
}

func (s *server) count(add func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	add(&s.stats)
}

// write sends an answer. An error means that the caller is gone, who then misses the
// answer: the same as any other answer that gets lost on the way.
func write(w http.ResponseWriter, a answer) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}

// pause waits for d, or until the caller is gone.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
