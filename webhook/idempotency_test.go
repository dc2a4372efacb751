package webhook_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook"
)

func idempotent(tb testing.TB, next http.HandlerFunc, change func(*webhook.IdempotencyConfig)) http.Handler {
	tb.Helper()
	store, err := webhook.NewMemoryStore(0, 0)
	require.NoError(tb, err)
	c := webhook.IdempotencyConfig{Store: store}
	if change != nil {
		change(&c)
	}
	i, err := webhook.NewIdempotency(c)
	require.NoError(tb, err)
	return i.Wrap(next)
}

func order(key, body string) *http.Request {
	req := httptest.NewRequest(http.MethodPost, "https://example.com/orders?a=b", strings.NewReader(body))
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	return req
}

func TestIdempotency(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	h := idempotent(t, func(w http.ResponseWriter, r *http.Request) {
		n := calls.Add(1)
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Call", itoa(int(n)))
		w.Header().Set("Set-Cookie", "a=b")
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(body)
	}, nil)
	first := serve(h, order(`"k1"`, "one"))
	require.Equal(t, 201, first.Code)
	require.Equal(t, "a=b", first.Header().Get("Set-Cookie"))
	for _, key := range []string{`"k1"`, "k1", ` "k1" `, `"\k1"`} {
		w := serve(h, order(key, "one"))
		if key == `"\k1"` {
			require.Equal(t, 400, w.Code)
			continue
		}
		require.Equal(t, 201, w.Code)
		require.Equal(t, "one", w.Body.String())
		require.Equal(t, "1", w.Header().Get("X-Call"))
		require.Equal(t, "true", w.Header().Get("Idempotent-Replayed"))
		require.Empty(t, w.Header().Get("Set-Cookie"))
	}
	require.Equal(t, 422, serve(h, order("k1", "two")).Code)
	other := order("k1", "one")
	other.URL.RawQuery = "a=c"
	require.Equal(t, 422, serve(h, other).Code)

	stranger := order("k1", "one")
	stranger.Header.Set("Authorization", "Bearer x")
	require.Equal(t, "2", serve(h, stranger).Header().Get("X-Call"), "another caller's key")

	w := serve(h, order("", "one"))
	require.Equal(t, 400, w.Code)
	require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
	require.JSONEq(t, `{"title":"Idempotency-Key is missing or cannot be read","status":400}`, w.Body.String())
	get := httptest.NewRequest(http.MethodGet, "https://example.com/orders", nil)
	require.Equal(t, 201, serve(h, get).Code, "needs no key")
	require.EqualValues(t, 3, calls.Load())
}

// A request that was told to come back later is done when it does.
func TestIdempotencyRemembersNoDelay(t *testing.T) {
	t.Parallel()
	for _, status := range []int{408, 425, 429, 500, 503} {
		var calls atomic.Int32
		h := idempotent(t, func(w http.ResponseWriter, _ *http.Request) {
			if calls.Add(1) == 1 {
				w.WriteHeader(status)
			}
		}, nil)
		require.Equal(t, status, serve(h, order("k", "")).Code)
		require.Equal(t, 200, serve(h, order("k", "")).Code)
		require.Equal(t, 200, serve(h, order("k", "")).Code)
		require.EqualValues(t, 2, calls.Load())
	}
}

// The same path on another host is another request.
func TestIdempotencyHosts(t *testing.T) {
	t.Parallel()
	h := idempotent(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Host) }, nil)
	require.Equal(t, "example.com", serve(h, order("k", "")).Body.String())
	other := order("k", "")
	other.Host = "tenant.example.com"
	require.Equal(t, 422, serve(h, other).Code)
	same := order("k", "")
	same.Host = "EXAMPLE.com"
	require.Equal(t, "example.com", serve(h, same).Body.String())
}

// What other middleware has set for a request is not given to another.
func TestIdempotencyHeaderOfOthers(t *testing.T) {
	t.Parallel()
	inner := idempotent(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/orders/1")
		w.Header().Set("Vary", "Origin, Accept")
	}, nil)
	var number atomic.Int32
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", itoa(int(number.Add(1))))
		w.Header().Set("Vary", "Origin")
		inner.ServeHTTP(w, r)
	})
	for i := range 3 {
		w := serve(h, order("k", ""))
		require.Equal(t, itoa(i+1), w.Header().Get("X-Request-Id"))
		require.Equal(t, "/orders/1", w.Header().Get("Location"))
		require.Equal(t, []string{"Origin, Accept"}, w.Header()["Vary"])
	}
}

func TestIdempotencyKeys(t *testing.T) {
	t.Parallel()
	h := idempotent(t, func(http.ResponseWriter, *http.Request) {}, nil)
	for key, want := range map[string]int{
		`"8e03978e-40d5-43dd-bc93-6894a57f9324"`: 200,
		"8e03978e-40d5-43dd-bc93-6894a57f9324":   200,
		`"a\"b\\c"`:                              200,
		`" "`:                                    200,
		`""`:                                     400,
		`"`:                                      400,
		`"a`:                                     400,
		`"a"b`:                                   400,
		`"a";x=1`:                                200,
		`x="a"`:                                  400,
		`"a", "b"`:                               400,
		`a,b`:                                    400,
		`a b`:                                    400,
		"\"a\x00\"":                              400,
		`"é"`:                                    400,
		strings.Repeat("a", 255):                 200,
		strings.Repeat("a", 256):                 400,
		`"` + strings.Repeat("a", 256) + `"`:     400,
	} {
		require.Equal(t, want, serve(h, order(key, "")).Code, key)
	}
	twice := order("a", "")
	twice.Header.Add("Idempotency-Key", "a")
	require.Equal(t, 400, serve(h, twice).Code)
}

// Of many requests at once one is done; the others get 409, or its answer.
func TestIdempotencyConcurrently(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		h := idempotent(t, func(w http.ResponseWriter, _ *http.Request) {
			calls.Add(1)
			time.Sleep(time.Second)
			_, _ = io.WriteString(w, "done")
		}, nil)
		var conflicts, done atomic.Int32
		var group sync.WaitGroup
		for range 1000 {
			group.Go(func() {
				switch w := serve(h, order("k", "x")); w.Code {
				case http.StatusConflict:
					conflicts.Add(1)
				case http.StatusOK:
					done.Add(1)
				}
			})
		}
		group.Wait()
		require.EqualValues(t, 1, calls.Load())
		require.EqualValues(t, 1, done.Load())
		require.EqualValues(t, 999, conflicts.Load())
		require.Equal(t, "done", serve(h, order("k", "x")).Body.String())
	})
}

func TestIdempotencyFailures(t *testing.T) {
	t.Parallel()
	status, body := 500, "no"
	panics := false
	h := idempotent(t, func(w http.ResponseWriter, _ *http.Request) {
		if panics {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}, func(c *webhook.IdempotencyConfig) { c.MaxAnswer, c.MaxBody = 4, 4 })
	require.Equal(t, 500, serve(h, order("k", "x")).Code)
	panics = true
	require.Panics(t, func() { serve(h, order("k", "x")) })
	panics, status = false, 402
	require.Equal(t, 402, serve(h, order("k", "x")).Code, "what failed can be repeated")
	status = 200
	require.Equal(t, 402, serve(h, order("k", "x")).Code, "what was refused stays refused")

	body = "too long"
	w := serve(h, order("long", "x"))
	require.Equal(t, 200, w.Code)
	require.Equal(t, "too long", w.Body.String())
	require.Equal(t, 409, serve(h, order("long", "x")).Code)

	require.Equal(t, 413, serve(h, order("k2", "12345")).Code)
	chunked := order("k2", "12345")
	chunked.ContentLength = -1
	require.Equal(t, 413, serve(h, chunked).Code)
	cut := order("k2", "123")
	cut.ContentLength = 4
	require.Equal(t, 400, serve(h, cut).Code)
}

func TestIdempotencyTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		h := idempotent(t, func(http.ResponseWriter, *http.Request) {
			if calls.Add(1) == 1 {
				time.Sleep(90 * time.Second) // longer than the lease
			}
		}, nil)
		go serve(h, order("k", "x"))
		time.Sleep(59 * time.Second)
		require.Equal(t, 409, serve(h, order("k", "x")).Code)
		time.Sleep(2 * time.Second)
		require.Equal(t, 200, serve(h, order("k", "x")).Code, "the lease is over")
		time.Sleep(time.Hour)
		require.Equal(t, "true", serve(h, order("k", "x")).Header().Get("Idempotent-Replayed"))
		require.EqualValues(t, 2, calls.Load())
		time.Sleep(24 * time.Hour)
		require.Empty(t, serve(h, order("k", "x")).Header().Get("Idempotent-Replayed"))
		require.EqualValues(t, 3, calls.Load())
	})
}

type brokenStore struct{ begin, finish error }

func (s brokenStore) Begin(context.Context, string, [sha256.Size]byte, time.Duration) (webhook.Claim, error) {
	return webhook.Claim{Token: "t"}, s.begin
}

func (s brokenStore) Finish(context.Context, string, string, webhook.StoredAnswer, time.Duration) error {
	return s.finish
}
func (s brokenStore) Abandon(context.Context, string, string) error { return s.finish }

func TestIdempotencyStoreFails(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	for _, store := range []brokenStore{{begin: down}, {finish: down}} {
		var failed error
		calls := 0
		h := idempotent(t, func(http.ResponseWriter, *http.Request) { calls++ }, func(c *webhook.IdempotencyConfig) {
			c.Store = store
			c.Failed = func(err error) { failed = err }
		})
		w := serve(h, order("k", "x"))
		require.ErrorIs(t, failed, down)
		if store.begin != nil {
			require.Equal(t, 503, w.Code)
			require.Equal(t, "1", w.Header().Get("Retry-After"))
			require.Zero(t, calls)
			continue
		}
		require.Equal(t, 200, w.Code, "it was done")
	}
}

// A full store refuses: it does not forget what it has promised to remember.
func TestMemoryStoreFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, err := webhook.NewMemoryStore(2, 10)
		require.NoError(t, err)
		h := idempotent(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) },
			func(c *webhook.IdempotencyConfig) { c.Store = store })
		require.Equal(t, 200, serve(h, order("a", "1234567")).Code)
		require.Equal(t, 200, serve(h, order("b", "1234567")).Code)
		require.Equal(t, 503, serve(h, order("c", "")).Code)
		require.Equal(t, "1234567", serve(h, order("a", "1234567")).Body.String())
		require.Equal(t, 409, serve(h, order("b", "1234567")).Code, "no room for its body")
		time.Sleep(25 * time.Hour)
		require.Equal(t, 200, serve(h, order("c", "")).Code)
	})
	_, err := webhook.NewMemoryStore(-1, -1)
	require.ErrorContains(t, err, "maxKeys")
	require.ErrorContains(t, err, "maxBytes")
	_, err = webhook.NewIdempotency(webhook.IdempotencyConfig{MaxBody: -1, MaxAnswer: -1, Keep: -1, Lease: -1, Methods: []string{""}})
	for _, field := range []string{"Store", "MaxBody", "MaxAnswer", "Keep", "Lease", "Methods"} {
		require.ErrorContains(t, err, "webhook: IdempotencyConfig."+field+" ")
	}
}

// FuzzIdempotencyKey: no field panics, and what is accepted is served once.
func FuzzIdempotencyKey(f *testing.F) {
	for _, s := range []string{`"a"`, "a", `"\"`, `"a\\"`, "", "\x00"} {
		f.Add(s)
	}
	store, err := webhook.NewMemoryStore(0, 0)
	require.NoError(f, err)
	i, err := webhook.NewIdempotency(webhook.IdempotencyConfig{Store: store})
	require.NoError(f, err)
	h := i.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	f.Fuzz(func(t *testing.T, key string) {
		req := order("x", "")
		req.Header["Idempotency-Key"] = []string{key}
		if code := serve(h, req).Code; code != 200 && code != 400 && code != 503 {
			t.Fatal(code)
		}
	})
}
