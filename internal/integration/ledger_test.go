package integration_test

import (
	"fmt"
	"io"
	"net/http"
	"sync"
)

// ledger is an upstream that remembers what it was asked to do. It does the work
// of a POST once per Idempotency-Key, and each time when there is no key.
// A GET is answered with page.
type ledger struct {
	page []byte

	mu     sync.Mutex
	calls  int                 // requests that arrived whole
	work   map[string]int      // by key: how often the work was done
	bodies map[string][]string // by key: each body that arrived
}

func newLedger(page []byte) *ledger {
	return &ledger{page: page, work: make(map[string]int), bodies: make(map[string][]string)}
}

// ServeHTTP implements http.Handler.
func (l *ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has gone, and the request did not arrive whole
	}
	key := r.Header.Get("Idempotency-Key")
	l.mu.Lock()
	l.calls++
	if r.Method == http.MethodPost {
		l.bodies[key] = append(l.bodies[key], string(body))
		if key == "" || l.work[key] == 0 {
			l.work[key]++
		}
	}
	l.mu.Unlock()
	if r.Method == http.MethodPost {
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, "done %s", key)
		return
	}
	if r.URL.Query().Has("chunked") {
		w.(http.Flusher).Flush() // no Content-Length from here on
	}
	_, _ = w.Write(l.page)
}

// arrived returns how many requests arrived whole.
func (l *ledger) arrived() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.calls
}

// done returns how often the work of key was done, and every body that came
// with it.
func (l *ledger) done(key string) (times int, bodies []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.work[key], append([]string(nil), l.bodies[key]...)
}
