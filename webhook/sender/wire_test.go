package sender_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/webhook"
	"github.com/holdfast-go/holdfast/webhook/sender"
)

// attempt makes one attempt at a server on loopback through the Guard's own
// transport, and returns what came of it.
func attempt(t *testing.T, address string, ports ...uint16) sender.Attempt {
	t.Helper()
	port := netip.MustParseAddrPort(address).Port()
	done := make(chan sender.Attempt, 1)
	tell := func(a sender.Attempt) { done <- a }
	s := newSender(t, sender.Config{
		Store: sender.NewMemory(10), MaxAttempts: -1, Hooks: sender.Hooks{Delivered: tell, Dead: tell},
		Guard: newGuard(t, sender.GuardConfig{
			Ports: append(ports, port), DangerouslyPlaintext: true, DangerouslyAllow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
		}),
		Endpoint: func(context.Context, string) (sender.Endpoint, error) {
			return sender.Endpoint{URL: "http://" + address + "/hook", Keys: []sender.Key{{Secret: secret}}}, nil
		},
	})
	enqueue(t, s, sender.Message{Endpoint: "a", Body: []byte(`{"type":"x"}`)})
	stop := run(t, s)
	defer stop()
	return <-done
}

// raw serves each connection with a func, and with HTTP nobody speaks.
func raw(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = conn.Read(make([]byte, 64<<10))
				answer(conn)
			}()
		}
	}()
	return l.Addr().String()
}

func TestDeliversOverASocket(t *testing.T) {
	t.Parallel()
	v, err := webhook.New(webhook.Config{Scheme: webhook.StandardWebhooks(), Keys: webhook.Keys(secret.Reveal())})
	require.NoError(t, err)
	address, hits := server(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if _, err := v.Verify(r, body); err != nil || r.Header.Get("Accept-Encoding") != "" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	a := attempt(t, address.String())
	require.NoError(t, a.Err)
	require.Equal(t, http.StatusOK, a.Status)
	require.EqualValues(t, 1, hits.Load())
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	other, hits := server(t, func(http.ResponseWriter, *http.Request) {})
	for _, status := range []int{301, 302, 303, 307, 308} {
		address, _ := server(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://"+other.String(), status)
		})
		a := attempt(t, address.String(), other.Port()) // the Guard would let it
		require.Equal(t, status, a.Status)
		require.Error(t, a.Err)
	}
	require.Zero(t, hits.Load())
}

func TestHostileAnswers(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, 10<<20))
	_ = z.Close()
	flood := func(conn net.Conn) {
		line := []byte("X: " + strings.Repeat("x", 4<<10) + "\r\n")
		for range 1 << 10 {
			if _, err := conn.Write(line); err != nil {
				return
			}
		}
	}
	for name, tt := range map[string]struct {
		answer func(net.Conn)
		status int
	}{
		"HTTP/0.9":     {func(c net.Conn) { fmt.Fprint(c, "<html>") }, 0},
		"no answer":    {func(net.Conn) {}, 0},
		"header flood": {func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 200 OK\r\n"); flood(c) }, 0},
		"status 1xx": {func(c net.Conn) {
			fmt.Fprint(c, strings.Repeat("HTTP/1.1 103 Early Hints\r\nX: "+strings.Repeat("x", 100)+"\r\n\r\n", 1000))
		}, 0},
		"status 000":   {func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 000 \r\nContent-Length: 0\r\n\r\n") }, 0},
		"status 999":   {func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 999 \r\nContent-Length: 0\r\n\r\n") }, 999},
		"two lengths":  {func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab") }, 0},
		"lying length": {func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nab") }, 200},
		"endless body": {func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 200 OK\r\n\r\n"); flood(c) }, 200},
		"gzip bomb": {func(c net.Conn) {
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", bomb.Len(), bomb.String())
		}, 200},
		"bare protocol": {func(c net.Conn) {
			fmt.Fprint(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
		}, 101},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := attempt(t, raw(t, tt.answer))
			require.Equal(t, tt.status, a.Status, "%v", a.Err)
			require.Equal(t, tt.status/100 != 2, a.Err != nil)
		})
	}
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	var hits atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	address := netip.MustParseAddrPort(s.Listener.Addr().String())
	g := newGuard(t, sender.GuardConfig{Ports: []uint16{address.Port()}, DangerouslyAllow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, http.NoBody)
	require.NoError(t, err)
	_, err = g.Transport().RoundTrip(req)
	require.ErrorContains(t, err, "certificate")
	require.Zero(t, hits.Load())
}

// Connections that break and servers that stall, between net/http at both ends.
func TestDeliversUnderFaults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		taken := make(chan string, 1000)
		network := rttest.NewNetwork(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			switch n.Add(1) % 5 {
			case 0:
				panic(http.ErrAbortHandler)
			case 1:
				w.WriteHeader(http.StatusBadGateway)
			case 2:
				<-r.Context().Done() // slower than anybody waits
			case 3:
				w.WriteHeader(http.StatusOK)
				w.(http.Flusher).Flush()
				taken <- string(body)
				<-r.Context().Done() // the body never ends
			default:
				taken <- string(body)
			}
		}))
		c := steady(network.Transport)
		c.Timeout, c.MaxAttempts, c.PerEndpoint = 5*time.Second, 1000, 4
		c.Endpoint = func(ctx context.Context, name string) (sender.Endpoint, error) {
			e, err := lookup(ctx, name)
			e.URL = strings.Replace(e.URL, "https:", "http:", 1)
			return e, err
		}
		c.Guard = newGuard(t, sender.GuardConfig{DangerouslyPlaintext: true})
		s := newSender(t, c)
		for i := range 100 {
			enqueue(t, s, sender.Message{Endpoint: fmt.Sprint("e", i%20), Body: fmt.Append(nil, i)})
		}
		stop := run(t, s)
		time.Sleep(24 * time.Hour)
		stop()
		network.Close()
		require.EqualValues(t, 100, stats(t, s).Done)
		close(taken)
		distinct := make(map[string]bool)
		for body := range taken {
			distinct[body] = true
		}
		require.Len(t, distinct, 100)
	})
}
