package retry_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

// net/http reports that it never got a connection: not even a POST can have been
// seen by the server.
func TestNeverSentByTrace(t *testing.T) {
	t.Parallel()
	handshake := errors.New("the TLS handshake broke off")
	for name, tt := range map[string]struct {
		transport http.RoundTripper
		want      int
	}{
		"no TLS handshake": {&http.Transport{
			DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return nil, handshake },
		}, 3},
		"no proxy": {&http.Transport{
			Proxy:       http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.example.com:3128"}),
			DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, handshake },
		}, 3},
		"proxy refuses": {&http.Transport{
			Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.example.com:3128"}),
			DialContext: func(context.Context, string, string) (net.Conn, error) {
				client, server := net.Pipe()
				go func() {
					_, _ = http.ReadRequest(bufio.NewReader(server))
					_, _ = io.WriteString(server, "HTTP/1.1 403 Forbidden\r\n\r\n")
					_ = server.Close()
				}()
				return client, nil
			},
		}, 1}, // that it is a proxy is not seen: it may be another server's connection
		"TLS handshake broken off": {&http.Transport{
			DialContext: func(context.Context, string, string) (net.Conn, error) {
				client, server := net.Pipe()
				go func() {
					_, _ = io.ReadFull(server, make([]byte, 10))
					_ = server.Close()
				}()
				return client, nil
			},
		}, 3},
		"connection lost after the request": {&http.Transport{
			DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
				client, server := net.Pipe()
				go func() {
					_, _ = io.ReadFull(server, make([]byte, 10))
					_ = server.Close()
				}()
				return client, nil
			},
		}, 1},
		"a transport without a trace": {rttest.NewScript(rttest.Step{Err: handshake}), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			counting := rttest.Func(func(req *http.Request) (*http.Response, error) {
				calls++
				return tt.transport.RoundTrip(req)
			})
			_, err := roundTrip(t, retry.Config{Backoff: retry.Constant(0)}, counting, newRequest(t, http.MethodPost, strings.NewReader("payload")))
			require.Error(t, err)
			require.Equal(t, tt.want, calls)
		})
	}
}

// h2Error is what net/http returns for an HTTP/2 stream error: its type is not
// exported, but fills in any struct of its shape.
type h2Error struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (h2Error) Error() string { return "stream error" }

func TestRefusedStream(t *testing.T) {
	t.Parallel()
	for code, want := range map[uint32]int{7: 3, 2: 1, 8: 1} {
		calls := 0
		rt := rttest.Func(func(req *http.Request) (*http.Response, error) {
			calls++
			_ = req.Body.Close()
			return nil, asStreamError{h2Error{StreamID: 5, Code: code}}
		})
		_, err := roundTrip(t, retry.Config{Backoff: retry.Constant(0)}, rt, newRequest(t, http.MethodPost, strings.NewReader("payload")))
		require.Error(t, err)
		require.Equal(t, want, calls, "HTTP/2 error code %d", code)
	}
}

// asStreamError converts like the error of net/http, by the names of fields.
type asStreamError struct{ h2Error }

func (e asStreamError) As(target any) bool { return fill(target, e.h2Error) }

// What a limiter or an open circuit refuses is not sent, and does not count as
// if it were; but there is an end to it.
func TestRefusedAttemptsDoNotCount(t *testing.T) {
	t.Parallel()
	refusal := rttest.Step{Err: behaving{retryable: true, notSent: true}}
	fails := rttest.Step{Status: 503}
	for name, tt := range map[string]struct {
		steps  []rttest.Step
		status int // 0: refused in the end
		calls  int
	}{
		"refused in between": {[]rttest.Step{fails, refusal, refusal, fails, {}}, 200, 5},
		"sent three times":   {[]rttest.Step{fails, refusal, fails, refusal, fails, {}}, 503, 5},
		"refused for ever":   {[]rttest.Step{refusal}, 0, 3},
		"refused too often":  {[]rttest.Step{fails, refusal, fails, refusal, refusal, {}}, 0, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := rttest.NewScript(tt.steps...)
				resp, err := roundTrip(t, retry.Config{}, s, newRequest(t, http.MethodGet, nil))
				require.Len(t, s.Calls(), tt.calls)
				if tt.status == 0 {
					require.ErrorIs(t, err, refusal.Err)
					return
				}
				require.NoError(t, err)
				require.Equal(t, tt.status, resp.StatusCode)
			})
		})
	}
}

// A body that is fed by somebody else's refusal proves nothing about this
// request: half of it has been sent.
func TestErrorOfTheBodyIsNoProof(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		served := 0
		network := rttest.NewNetwork(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
			served++
			_, _ = io.Copy(io.Discard, req.Body)
		}))
		defer network.Close()
		req := newRequest(t, http.MethodPost, nil)
		req.URL.Scheme = "http"
		req.ContentLength = -1
		req.GetBody = func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(strings.NewReader("order"), iotest.ErrReader(behaving{retryable: true, notSent: true}))), nil
		}
		req.Body, _ = req.GetBody()
		_, err := roundTrip(t, retry.Config{}, network.Transport, req)
		require.Error(t, err)
		require.LessOrEqual(t, served, 1)
	})
}

// A middleware below that looks for a connection of its own, with the same
// context, proves nothing either.
func TestConnectionToAnotherHostIsNoProof(t *testing.T) {
	t.Parallel()
	sent := 0
	rt := rttest.Func(func(req *http.Request) (*http.Response, error) {
		if trace := httptrace.ContextClientTrace(req.Context()); trace != nil {
			trace.GetConn("tokens.example.com:443")
			trace.GetConn("api.example.com:443")
		}
		sent++
		return nil, errBroken
	})
	_, err := roundTrip(t, retry.Config{Backoff: retry.Constant(0)}, rt, newRequest(t, http.MethodPost, nil))
	require.Equal(t, errBroken, err)
	require.Equal(t, 1, sent)
}

// An error that seems to prove that nothing was sent, to whoever does not know
// what the policy knows, is not passed on as it is.
func TestErrorThatDeceives(t *testing.T) {
	t.Parallel()
	refused := behaving{retryable: true, notSent: true}
	for name, tt := range map[string]struct {
		err       error
		header    string
		connected bool
		bare      bool
	}{
		"dial":                     {err: errRefused, bare: true},
		"dial, key":                {err: errRefused, header: "Idempotency-Key"},
		"refused":                  {err: refused, bare: true},
		"refused, key":             {err: refused, header: "Idempotency-Key", bare: true},
		"refused, but by the body": {err: refused, connected: true},
		"broken":                   {err: errBroken, connected: true, bare: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := newRequest(t, http.MethodPost, nil)
			if tt.header != "" {
				req.Header.Set(tt.header, "k")
			}
			config := retry.Config{MaxAttempts: -1}
			if tt.connected {
				config = retry.Config{} // with a trace
			}
			_, err := roundTrip(t, config, rttest.Func(func(req *http.Request) (*http.Response, error) {
				if trace := httptrace.ContextClientTrace(req.Context()); trace != nil && tt.connected {
					trace.GotConn(httptrace.GotConnInfo{})
				}
				return nil, tt.err
			}), req)
			if tt.bare {
				require.Equal(t, tt.err, err)
				return
			}
			var e *retry.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, tt.err, e.Err)
			require.Equal(t, 1, e.Attempts)
			require.False(t, e.NotSent())
		})
	}
}
