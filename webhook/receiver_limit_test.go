package webhook_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook"
)

func TestReceiverTLSByProxy(t *testing.T) {
	t.Parallel()
	proxies := webhook.Proxies{Peers: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}
	for what, test := range map[string]struct {
		peer   string
		proto  []string
		status int
	}{
		"by a proxy":         {"10.1.2.3:99", []string{"https"}, 204},
		"by a proxy, IPv6":   {"[fd00::1]:99", []string{"HTTPS"}, 204},
		"mapped":             {"[::ffff:10.1.2.3]:99", []string{"https"}, 204},
		"by a proxy, plain":  {"10.1.2.3:99", []string{"http"}, 403},
		"by a proxy, silent": {"10.1.2.3:99", nil, 403},
		"twice":              {"10.1.2.3:99", []string{"https", "http"}, 403},
		"a list":             {"10.1.2.3:99", []string{"https, http"}, 403},
		"by somebody else":   {"192.0.2.1:99", []string{"https"}, 403},
		"by a Unix socket":   {"@", []string{"https"}, 403},
		"without an address": {"", []string{"https"}, 403},
	} {
		r := receiver(t, func(c *webhook.ReceiverConfig) { c.Proxies = proxies })
		req := github("{}")
		req.TLS, req.RemoteAddr = nil, test.peer
		req.Header["X-Forwarded-Proto"] = test.proto
		require.Equal(t, test.status, serve(r.Handler(ok), req).Code, what)
	}
}

func TestReceiverRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := receiver(t, func(c *webhook.ReceiverConfig) { c.Rate, c.Burst = 0.5, 2 })
		h := r.Handler(ok)
		from := func(peer string) *httptest.ResponseRecorder {
			req := github("{}")
			req.RemoteAddr = peer
			req.Header.Del("X-Hub-Signature-256") // the limit comes first
			return serve(h, req)
		}
		require.Equal(t, 401, from("192.0.2.1:1").Code)
		require.Equal(t, 401, from("192.0.2.1:2").Code)
		w := from("192.0.2.1:3")
		require.Equal(t, 429, w.Code)
		require.Equal(t, "2", w.Header().Get("Retry-After"))
		require.Equal(t, 401, from("192.0.2.2:1").Code, "one does not starve another")
		time.Sleep(2 * time.Second)
		require.Equal(t, 401, from("192.0.2.1:4").Code)
		require.Equal(t, 429, from("192.0.2.1:5").Code)
		require.Equal(t, 401, from("[2001:db8::1]:1").Code)
		require.Equal(t, 401, from("[2001:db8::2]:1").Code)
		require.Equal(t, 429, from("[2001:db8::3]:1").Code, "a customer has 64 bits of addresses")
	})
}

// A bucket that takes days to fill is not full again after an hour.
func TestReceiverSlowRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := receiver(t, func(c *webhook.ReceiverConfig) { c.Rate, c.Burst = 1.0/3600, 48 })
		taken := func() (n int) {
			for serve(r.Handler(ok), github("{}")).Code != http.StatusTooManyRequests {
				n++
			}
			return n
		}
		require.Equal(t, 48, taken())
		time.Sleep(3 * time.Hour)
		for i := range 64 { // what is idle goes when others come
			other := github("{}")
			other.RemoteAddr = "203.0.113." + itoa(i) + ":1"
			require.Equal(t, 204, serve(r.Handler(ok), other).Code)
		}
		require.Equal(t, 3, taken())
		time.Sleep(100 * time.Hour)
		require.Equal(t, 48, taken())
	})
}

func TestReceiverInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := receiver(t, func(c *webhook.ReceiverConfig) { c.MaxInFlight, c.Timeout = 2, -1 }).Handler(
			func(context.Context, []webhook.Event) error { time.Sleep(time.Minute); return nil })
		var taken atomic.Int32
		for range 2 {
			go func() {
				if serve(h, github("{}")).Code == 204 {
					taken.Add(1)
				}
			}()
		}
		synctest.Wait()
		w := serve(h, github("{}"))
		require.Equal(t, 503, w.Code)
		require.Equal(t, "1", w.Header().Get("Retry-After"))
		time.Sleep(2 * time.Minute)
		require.EqualValues(t, 2, taken.Load())
		require.Equal(t, 204, serve(h, github("{}")).Code)
	})
}

func TestReceiverTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		w := serve(receiver(t, func(c *webhook.ReceiverConfig) { c.Timeout = 3 * time.Second }).Handler(
			func(ctx context.Context, _ []webhook.Event) error { <-ctx.Done(); return context.Cause(ctx) }), github("{}"))
		require.Equal(t, 500, w.Code)
		require.Equal(t, 3*time.Second, time.Since(start))
	})
}

// A panic frees the place of its request.
func TestReceiverPanic(t *testing.T) {
	t.Parallel()
	h := receiver(t, func(c *webhook.ReceiverConfig) { c.MaxInFlight = 1 }).Handler(
		func(_ context.Context, e []webhook.Event) error {
			if string(e[0].Body) == "panic" {
				panic("receive")
			}
			return nil
		})
	require.Panics(t, func() { serve(h, github("panic")) })
	require.Equal(t, 204, serve(h, github("{}")).Code)
}

func TestReceiverMemory(t *testing.T) {
	body := strings.Repeat("x", 1<<20)
	h := receiver(t, nil).Handler(ok)
	for _, known := range []bool{true, false} {
		base := github(body)
		const runs = 50
		one := func() {
			req := *base
			req.Body = io.NopCloser(strings.NewReader(body))
			if !known {
				req.ContentLength = -1
			}
			h.ServeHTTP(discard{}, &req)
		}
		if !known && raceDetector {
			continue // it makes sync.Pool forget
		}
		// The buffer for a body of unknown length is used again, but the garbage
		// collector takes it away now and then: the best run tells what it costs.
		least := uint64(math.MaxUint64)
		for range runs {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			one()
			runtime.ReadMemStats(&after)
			least = min(least, after.TotalAlloc-before.TotalAlloc)
		}
		require.Less(t, least, uint64(1<<20+16<<10), "length known: %v", known)
	}
}

type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

func TestLogHooks(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	r := receiver(t, func(c *webhook.ReceiverConfig) {
		c.Hooks = webhook.LogHooks(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	})
	serve(r.Handler(ok), github("{}"))
	bad := github("{}")
	bad.Header.Set("X-Hub-Signature-256", "sha256=00")
	serve(r.Handler(ok), bad)
	serve(r.Handler(func(context.Context, []webhook.Event) error { return errors.New("no room") }), github("{}"))
	require.Contains(t, out.String(), "level=DEBUG msg=\"webhook taken\" source=github status=204 key=1 events=1")
	require.Contains(t, out.String(), "level=WARN msg=\"webhook refused\" source=github status=401")
	require.Contains(t, out.String(), "level=ERROR msg=\"webhook failed\"")
	require.NotContains(t, out.String(), hex.EncodeToString(mac256("{}")))
}

// A server on a pipe: what comes too slowly is cut off by the read deadline.
func TestAttackSlowBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		l := &oneListener{conn: server, closed: make(chan struct{})}
		srv := &http.Server{Handler: receiver(t, func(c *webhook.ReceiverConfig) {
			c.ReadTimeout = 5 * time.Second
			c.DangerouslyAllowHTTP = true
		}).Handler(ok)}
		go func() { _ = srv.Serve(l) }()
		start := time.Now()
		go func() {
			_, _ = io.WriteString(client, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
			for { // a byte now and then
				time.Sleep(time.Second)
				if _, err := io.WriteString(client, "x"); err != nil {
					return
				}
			}
		}()
		answer, err := io.ReadAll(client)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(answer), "HTTP/1.1 408 "), "%s", answer)
		require.Contains(t, string(answer), "Connection: close")
		require.GreaterOrEqual(t, time.Since(start), 5*time.Second)
		require.Less(t, time.Since(start), 10*time.Second)
		_ = client.Close()
		_ = srv.Close()
		time.Sleep(time.Minute) // the writer notices
	})
}

type oneListener struct {
	conn   net.Conn
	closed chan struct{}
}

func (l *oneListener) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *oneListener) Close() error {
	close(l.closed)
	return nil
}

func (l *oneListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }
