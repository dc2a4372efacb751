package retry_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

func TestStallTimeoutContract(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]time.Duration{"a second": time.Second, "an hour": time.Hour, "off": -1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rttest.Contract(t, rttest.Subject{
				New: func() rttest.Middleware { return retry.StallTimeout(d) },
			})
		})
	}
}

// silentBody is a body that gives its pieces, each after a pause, until the
// context of its request is over.
type silentBody struct {
	ctx    context.Context
	pieces []piece
	closes int
}

type piece struct {
	after time.Duration
	text  string
	err   error
}

func (b *silentBody) Read(p []byte) (int, error) {
	if len(b.pieces) == 0 {
		return 0, io.EOF
	}
	select {
	case <-time.After(b.pieces[0].after):
	case <-b.ctx.Done():
		return 0, errors.New("http: what the transport makes of it")
	}
	next := b.pieces[0]
	b.pieces = b.pieces[1:]
	return copy(p, next.text), next.err
}

func (b *silentBody) Close() error {
	b.closes++
	return nil
}

func answering(pieces ...piece) (http.RoundTripper, *[]*silentBody) {
	var bodies []*silentBody
	return rttest.Func(func(req *http.Request) (*http.Response, error) {
		body := &silentBody{ctx: req.Context(), pieces: append([]piece(nil), pieces...)}
		bodies = append(bodies, body)
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body, ContentLength: -1, Request: req}, nil
	}), &bodies
}

func TestStallTimeout(t *testing.T) {
	t.Parallel()
	const limit = time.Second
	stalled := &retry.StallError{Limit: limit}
	cut := errors.New("reset")
	for name, tt := range map[string]struct {
		pieces []piece
		takes  time.Duration // the caller, before each Read
		text   string
		err    error
		took   time.Duration
	}{
		"at once":              {[]piece{{text: "all", err: io.EOF}}, 0, "all", nil, 0},
		"never":                {[]piece{{after: time.Hour}}, 0, "", stalled, limit},
		"in the middle":        {[]piece{{text: "half"}, {after: time.Hour}}, 0, "half", stalled, limit},
		"before its end":       {[]piece{{text: "all"}, {after: time.Hour, err: io.EOF}}, 0, "all", stalled, limit},
		"a stream with pauses": {[]piece{{limit - 1, "a", nil}, {limit - 1, "b", nil}, {limit - 1, "c", nil}}, 0, "abc", nil, 3 * (limit - 1)},
		"just too late":        {[]piece{{limit - 1, "a", nil}, {limit + 1, "b", nil}}, 0, "a", stalled, 2*limit - 1},
		"a caller with pauses": {[]piece{{text: "a"}, {text: "b"}, {text: "c"}}, time.Hour, "abc", nil, 4 * time.Hour},
		"cut off":              {[]piece{{text: "half"}, {err: cut}}, 0, "half", cut, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				next, bodies := answering(tt.pieces...)
				resp, err := retry.StallTimeout(limit)(next).RoundTrip(newRequest(t, http.MethodGet, nil))
				require.NoError(t, err)
				begin := time.Now()
				text, err := io.ReadAll(&hesitant{resp.Body, tt.takes})
				require.Equal(t, tt.err, err)
				require.Equal(t, tt.text, string(text))
				require.Equal(t, tt.took, time.Since(begin))
				if tt.err == nil {
					require.Error(t, (*bodies)[0].ctx.Err(), "nothing holds the context, closed or not")
				}
				if errors.Is(tt.err, stalled) {
					require.Equal(t, stalled, context.Cause((*bodies)[0].ctx), "layers below see why")
					_, err = resp.Body.Read(make([]byte, 1))
					if len((*bodies)[0].pieces) > 0 {
						require.Equal(t, stalled, err, "it stays so")
					}
				}
				require.NoError(t, resp.Body.Close())
				require.Equal(t, 1, (*bodies)[0].closes)
				require.Error(t, (*bodies)[0].ctx.Err(), "nothing holds the context")
			})
		})
	}
}

// hesitant takes time before each Read.
type hesitant struct {
	io.Reader
	takes time.Duration
}

func (h *hesitant) Read(p []byte) (int, error) {
	time.Sleep(h.takes)
	return h.Reader.Read(p)
}

func TestStallErrorSaysSo(t *testing.T) {
	t.Parallel()
	e := &retry.StallError{Limit: 3 * time.Second}
	require.EqualError(t, e, "retry: the answer's body gave nothing for 3s")
	require.True(t, e.Timeout())
	require.True(t, e.Retryable())
}

// The caller's own end is not taken for a stall.
func TestStallTimeoutIsNotTheCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		next, _ := answering(piece{after: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		resp, err := retry.StallTimeout(time.Minute)(next).RoundTrip(newRequest(t, http.MethodGet, nil).WithContext(ctx))
		require.NoError(t, err)
		_, err = io.ReadAll(resp.Body)
		require.EqualError(t, err, "http: what the transport makes of it")
		require.NoError(t, resp.Body.Close())
	})
}

// Closing a body ends a Read that waits, and is no stall either.
func TestStallTimeoutCloseDuringRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		next, _ := answering(piece{after: time.Hour})
		resp, err := retry.StallTimeout(time.Minute)(next).RoundTrip(newRequest(t, http.MethodGet, nil))
		require.NoError(t, err)
		ended := make(chan error)
		go func() {
			_, err := resp.Body.Read(make([]byte, 1))
			ended <- err
		}()
		synctest.Wait()
		begin := time.Now()
		require.NoError(t, resp.Body.Close())
		require.EqualError(t, <-ended, "http: what the transport makes of it")
		require.Zero(t, time.Since(begin))
	})
}

func TestStallTimeoutOffIsNothing(t *testing.T) {
	t.Parallel()
	s := rttest.NewScript()
	require.Same(t, s, retry.StallTimeout(0)(s))
	require.Same(t, http.DefaultTransport, retry.StallTimeout(-1)(nil))
}

// A Policy that buffers answers repeats one that falls silent, and a breaker
// learns of it. Without the limit both would wait for the caller's deadline.
func TestStalledAnswersAreRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		silent, silences := answering(piece{text: "half"}, piece{after: time.Hour})
		whole, _ := answering(piece{text: "half"}, piece{text: " and half"})
		next := rttest.Func(func(req *http.Request) (*http.Response, error) {
			if len(*silences) < 2 {
				return silent.RoundTrip(req)
			}
			return whole.RoundTrip(req)
		})
		circuits, err := breaker.New(breaker.Config{})
		require.NoError(t, err)
		policy := newPolicy(t, retry.Config{BufferResponses: 1 << 10, Backoff: retry.Constant(time.Millisecond)})
		rt := policy.Wrap(circuits.Wrap(retry.AttemptTimeout(time.Second)(retry.StallTimeout(time.Second)(next))))
		begin := time.Now()
		resp, err := rt.RoundTrip(newRequest(t, http.MethodGet, nil))
		require.NoError(t, err)
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, "half and half", string(text))
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 2*time.Second+2*time.Millisecond, time.Since(begin))
		require.Equal(t, breaker.Counts{Successes: 1, Failures: 2}, circuits.Snapshot()[0].Counts)
	})
}

// A Resume goes on where an answer fell silent.
func TestStalledAnswersAreResumed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		silent, silences := answering(piece{text: "01234"}, piece{after: time.Hour})
		rest := rttest.NewScript(continuation("bytes 5-9/10", "56789"))
		next := rttest.Func(func(req *http.Request) (*http.Response, error) {
			if req.Header.Get("Range") != "" {
				return rest.RoundTrip(req)
			}
			resp, err := silent.RoundTrip(req)
			resp.ContentLength = 10
			resp.Header.Set("Etag", `"v1"`)
			return resp, err
		})
		begin := time.Now()
		text, err := readThrough(t, newResume(t, retry.ResumeConfig{}), retry.StallTimeout(time.Second)(next))
		require.NoError(t, err)
		require.Equal(t, "0123456789", text)
		require.Equal(t, time.Second, time.Since(begin))
		require.Len(t, *silences, 1)
		require.Equal(t, "bytes=5-", rest.Calls()[0].Header.Get("Range"))
	})
}

// What it takes: a context, the request that has it, and a timer.
func TestStallTimeoutAllocations(t *testing.T) {
	resp := &http.Response{StatusCode: http.StatusOK}
	body := io.NopCloser(strings.NewReader(""))
	rt := retry.StallTimeout(time.Hour)(rttest.Func(func(*http.Request) (*http.Response, error) {
		resp.Body = body
		return resp, nil
	}))
	req := newRequest(t, http.MethodGet, nil)
	p := make([]byte, 1)
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		got, _ := rt.RoundTrip(req)
		for range 10 {
			_, _ = got.Body.Read(p)
		}
		_ = got.Body.Close()
	}), 5.0)
}

// net/http ends the Read of a body whose request's context is over, in both of
// its versions.
func TestStallTimeoutOnTheWire(t *testing.T) {
	t.Parallel()
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				_, _ = io.WriteString(w, "half")
				_ = http.NewResponseController(w).Flush()
				<-req.Context().Done()
			}))
			server.EnableHTTP2 = http2
			server.StartTLS()
			defer server.Close()
			client := server.Client()
			client.Transport = retry.StallTimeout(time.Millisecond)(client.Transport)
			resp, err := client.Get(server.URL)
			require.NoError(t, err)
			text, err := io.ReadAll(resp.Body)
			require.Equal(t, &retry.StallError{Limit: time.Millisecond}, err)
			require.Contains(t, []string{"", "half"}, string(text))
			require.NoError(t, resp.Body.Close())
		})
	}
}
