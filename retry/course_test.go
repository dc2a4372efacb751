package retry_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

func TestServerHints(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		method string
		step   rttest.Step
		want   bool
	}{
		"should retry a 409":          {"GET", rttest.Step{Status: 409, Header: []string{"X-Should-Retry", "true"}}, true},
		"Stripe's word for it":        {"PUT", rttest.Step{Status: 409, Header: []string{"Stripe-Should-Retry", " True "}}, true},
		"should not retry a 503":      {"GET", rttest.Step{Status: 503, Header: []string{"X-Should-Retry", "false"}}, false},
		"Stripe's word against it":    {"GET", rttest.Step{Status: 500, Header: []string{"Stripe-Should-Retry", "FALSE"}}, false},
		"neither yes nor no":          {"GET", rttest.Step{Status: 409, Header: []string{"X-Should-Retry", "maybe"}}, false},
		"empty hint":                  {"GET", rttest.Step{Status: 503, Header: []string{"X-Should-Retry", ""}}, true},
		"a POST stays a POST":         {"POST", rttest.Step{Status: 409, Header: []string{"X-Should-Retry", "true"}}, false},
		"a good answer stays good":    {"GET", rttest.Step{Status: 200, Header: []string{"X-Should-Retry", "true"}}, false},
		"a redirect is not a failure": {"GET", rttest.Step{Status: 302, Header: []string{"X-Should-Retry", "true"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := rttest.NewScript(tt.step, rttest.Step{Body: "good"})
				_, err := roundTrip(t, retry.Config{}, s, newRequest(t, tt.method, nil))
				require.NoError(t, err)
				require.Equal(t, map[bool]int{false: 1, true: 2}[tt.want], len(s.Calls()))
			})
		})
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		verdict retry.Verdict
		method  string
		step    rttest.Step
		calls   int
		reason  retry.Reason
	}{
		"by default":              {retry.ByDefault, "GET", rttest.Step{Status: 503}, 2, 0},
		"accepted answer":         {retry.Accept, "GET", rttest.Step{Status: 503}, 1, 0},
		"accepted error":          {retry.Accept, "GET", rttest.Step{Err: errBroken}, 1, 0},
		"stopped answer":          {retry.Stop, "GET", rttest.Step{Status: 503}, 1, retry.NotRetryable},
		"stopped error":           {retry.Stop, "GET", rttest.Step{Err: errBroken}, 1, retry.NotRetryable},
		"good answer repeated":    {retry.RetryIfSafe, "GET", rttest.Step{}, 2, 0},
		"not if harmful":          {retry.RetryIfSafe, "POST", rttest.Step{}, 1, retry.NotIdempotent},
		"unless never sent":       {retry.RetryIfSafe, "POST", rttest.Step{Err: errRefused}, 2, 0},
		"permanent error":         {retry.RetryIfSafe, "GET", rttest.Step{Err: backoff.Permanent(errBroken)}, 2, 0},
		"anyway":                  {retry.RetryAnyway, "POST", rttest.Step{Status: 500}, 2, 0},
		"anyway after an error":   {retry.RetryAnyway, "POST", rttest.Step{Err: errBroken}, 2, 0},
		"anyway with hint not to": {retry.RetryAnyway, "POST", rttest.Step{Status: 503, Header: []string{"X-Should-Retry", "false"}}, 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var seen []retry.Attempt
				var reason retry.Reason
				req := newRequest(t, tt.method, strings.NewReader("payload"))
				s := rttest.NewScript(tt.step, rttest.Step{Body: "good"})
				resp, err := roundTrip(t, retry.Config{
					Classify: func(a retry.Attempt) retry.Verdict {
						seen = append(seen, a)
						if a.Number > 1 {
							return retry.ByDefault
						}
						return tt.verdict
					},
					Hooks: retry.Hooks{GiveUp: func(e retry.Event) { reason = e.Reason }},
				}, s, req)
				require.Len(t, s.Calls(), tt.calls)
				require.Len(t, seen, tt.calls)
				require.Equal(t, tt.reason, reason)
				if tt.step.Err != nil && tt.calls == 1 {
					require.Equal(t, tt.step.Err, err)
				} else {
					require.NoError(t, err)
					require.NotNil(t, resp)
				}
				require.Same(t, req, seen[0].Request)
				require.Equal(t, 1, seen[0].Number)
				require.Equal(t, tt.step.Err, seen[0].Err)
				require.Equal(t, tt.step.Err == nil, seen[0].Response != nil)
				require.Equal(t, errors.Is(tt.step.Err, errRefused), seen[0].NeverSent)
			})
		})
	}
}

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

func TestCertificateErrorsAreNotRepeated(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		&tls.CertificateVerificationError{Err: errBroken},
		&net.OpError{Op: "remote error", Err: &tls.CertificateVerificationError{Err: errBroken}},
	} {
		s := rttest.NewScript(rttest.Step{Err: err})
		_, got := roundTrip(t, retry.Config{}, s, newRequest(t, http.MethodGet, nil))
		require.Equal(t, err, got)
		require.Len(t, s.Calls(), 1)
	}
}

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

func TestMaxElapsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := rttest.NewScript(rttest.Step{Wait: time.Second, Err: errBroken})
		begin := time.Now()
		_, err := roundTrip(t, retry.Config{MaxAttempts: 100, Backoff: retry.Constant(2 * time.Second), MaxElapsed: 10 * time.Second}, s, newRequest(t, http.MethodGet, nil))
		var e *retry.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, retry.ElapsedTimeTooLong, e.Reason)
		require.Len(t, s.Calls(), 4, "at 0, 3, 6 and 9 seconds; the next would begin after 10")
		require.Equal(t, 10*time.Second, time.Since(begin))
	})
}

func TestMinAttempt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		min  time.Duration
		want int
	}{{0, 2}, {2 * time.Second, 2}, {3 * time.Second, 1}} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
			defer cancel()
			s := rttest.NewScript(rttest.Step{Status: 503})
			_, err := roundTrip(t, retry.Config{Backoff: retry.Constant(5 * time.Second), MinAttempt: tt.min}, s, newRequest(t, http.MethodGet, nil).WithContext(ctx))
			require.NoError(t, err)
			require.Len(t, s.Calls(), tt.want)
		})
	}
}

func TestClampedRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := rttest.NewScript(rttest.Step{Status: 429, Header: []string{"Retry-After", "9223372036854775807"}}, rttest.Step{})
		resp, err := roundTrip(t, retry.Config{Backoff: retry.Constant(0), ClampRetryAfter: true}, s, newRequest(t, http.MethodGet, nil))
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		require.Equal(t, []time.Duration{time.Minute}, waits(s.Calls()))
	})
}

// Two layers of three attempts each send at most five times, not nine.
func TestNestedLayersDoNotMultiply(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]rttest.Step{"answers": {Status: 503, Body: "sorry"}, "errors": {Err: errBroken}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var reasons []retry.Reason
				inner := newPolicy(t, retry.Config{Hooks: retry.Hooks{GiveUp: func(e retry.Event) { reasons = append(reasons, e.Reason) }}})
				s := rttest.NewScript(step)
				_, err := roundTrip(t, retry.Config{}, inner.Wrap(s), newRequest(t, http.MethodGet, nil))
				if step.Err != nil {
					require.ErrorIs(t, err, step.Err)
					require.Len(t, s.Calls(), 3, "the error says that a layer has done what can be done")
					return
				}
				require.NoError(t, err)
				require.Len(t, s.Calls(), 5)
				require.Equal(t, []retry.Reason{retry.AttemptsExhausted, retry.NestedRetry, retry.NestedRetry}, reasons)
			})
		})
	}
}

func TestAttemptsOf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for failures := range 3 {
			steps := append(make([]rttest.Step, 0, 3), rttest.Step{Status: 503}, rttest.Step{Err: errBroken})[:failures]
			resp, err := roundTrip(t, retry.Config{}, rttest.NewScript(append(steps, rttest.Step{})...), newRequest(t, http.MethodGet, nil))
			require.NoError(t, err)
			require.Equal(t, failures+1, retry.AttemptsOf(resp))
		}
	})
	require.Equal(t, 1, retry.AttemptsOf(nil))
	require.Equal(t, 1, retry.AttemptsOf(&http.Response{}))
}

func TestHistory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		s := rttest.NewScript(rttest.Step{Status: 503, Wait: time.Second}, rttest.Step{Err: errBroken})
		_, err := roundTrip(t, retry.Config{Backoff: retry.Constant(2 * time.Second)}, s, newRequest(t, http.MethodGet, nil))
		var e *retry.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, []retry.Try{
			{Status: 503, At: begin.Add(time.Second), Verdict: retry.RetryIfSafe, Delay: 2 * time.Second},
			{Err: errBroken, At: begin.Add(3 * time.Second), Verdict: retry.RetryIfSafe, Delay: 2 * time.Second},
			{Err: errBroken, At: begin.Add(5 * time.Second), Verdict: retry.RetryIfSafe},
		}, e.History)

		permanent := rttest.Step{Err: behaving{}}
		_, err = roundTrip(t, retry.Config{Backoff: retry.Constant(0)}, rttest.NewScript(rttest.Step{Err: errBroken}, permanent), newRequest(t, http.MethodGet, nil))
		require.ErrorAs(t, err, &e)
		require.Equal(t, retry.NotRetryable, e.Reason)
		require.Equal(t, retry.Stop, e.History[1].Verdict)
	})
}

// However many attempts there are, the history has them all.
func TestLongHistory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, err := roundTrip(t, retry.Config{MaxAttempts: 50}, rttest.NewScript(rttest.Step{Err: errBroken}), newRequest(t, http.MethodGet, nil))
		var e *retry.Error
		require.ErrorAs(t, err, &e)
		require.Len(t, e.History, 50)
		for i := 1; i < len(e.History); i++ {
			require.Equal(t, e.History[i-1].At.Add(e.History[i-1].Delay), e.History[i].At)
		}
	})
}

// A loop that goes on for days does not keep them all.
func TestEndlessHistory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		const attempts = 10_000
		policy := newPolicy(t, retry.Config{MaxAttempts: attempts, Backoff: retry.Constant(time.Second)})
		_, err := retry.Do(t.Context(), policy, func(context.Context) (int, error) { return 0, errBroken })
		var e *retry.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, attempts, e.Attempts)
		require.LessOrEqual(t, len(e.History), 1003)
		require.GreaterOrEqual(t, len(e.History), 503)
		for i, try := range e.History {
			n := i // the first three
			if i >= 3 {
				n = attempts - len(e.History) + i // and the last ones
			}
			require.Equal(t, begin.Add(time.Duration(n)*time.Second), try.At)
		}
	})
}

func TestVerdictString(t *testing.T) {
	t.Parallel()
	require.Equal(t, "by default, accept, stop, retry if safe, retry anyway, unknown", fmt.Sprintf("%v, %v, %v, %v, %v, %v",
		retry.ByDefault, retry.Accept, retry.Stop, retry.RetryIfSafe, retry.RetryAnyway, retry.Verdict(-1)))
}

func TestPolicyString(t *testing.T) {
	t.Parallel()
	require.Equal(t, "retry: 3 attempts, delays of at most 10s, Retry-After up to 1m0s", newPolicy(t, retry.Config{}).String())
	budget, err := retry.NewBudget(retry.BudgetConfig{})
	require.NoError(t, err)
	require.Equal(t, "retry: 5 attempts, delays of at most 1s, Retry-After clamped to 1m0s, within 30s, "+
		"budget of 0.1 per request and 1 per second, answers buffered up to 1024 bytes",
		newPolicy(t, retry.Config{
			MaxAttempts: 5, MaxDelay: time.Second, ClampRetryAfter: true, MaxElapsed: 30 * time.Second,
			Budget: budget, BufferResponses: 1024,
		}).String())
	require.Contains(t, newPolicy(t, retry.Config{MaxRetryAfter: -1}).String(), "Retry-After ignored")
	require.Equal(t, "retry: off", newPolicy(t, retry.Config{MaxAttempts: -1, MaxDelay: time.Second}).String())
	require.Equal(t, "retry: 3 attempts, delays of at most 10s, Retry-After up to 1m0s, 2s left for each attempt, "+
		"request bodies kept up to 1024 bytes, with Classify, with Check",
		newPolicy(t, retry.Config{
			MinAttempt: 2 * time.Second, MaxBuffer: 1024,
			Classify: func(retry.Attempt) retry.Verdict { return retry.ByDefault },
			Check:    func(*http.Response) error { return nil },
		}).String())
	require.Contains(t, newPolicy(t, retry.Config{MaxBuffer: -1}).String(), "request bodies not kept")
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

func TestEmptyKeyIsNoKey(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		values []string
		want   int
	}{"empty": {[]string{""}, 1}, "a wish, as in net/http": {nil, 3}, "a key": {[]string{"k"}, 3}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := rttest.NewScript(rttest.Step{Err: errBroken})
			req := newRequest(t, http.MethodPost, nil)
			req.Header["Idempotency-Key"] = tt.values
			_, err := roundTrip(t, retry.Config{Backoff: retry.Constant(0)}, s, req)
			require.Error(t, err)
			require.Len(t, s.Calls(), tt.want)
		})
	}
}

// A key in a field of its own makes the request repeatable that has it, and no
// other that is sent with the same context.
func TestKeyFieldIsNotInherited(t *testing.T) {
	t.Parallel()
	keys, err := retry.NewKeys(retry.KeysConfig{Header: "PayPal-Request-Id"})
	require.NoError(t, err)
	tokens := rttest.NewScript(rttest.Step{Err: errBroken})
	policy := newPolicy(t, retry.Config{Backoff: retry.Constant(0)})
	auth := rttest.Func(func(req *http.Request) (*http.Response, error) {
		return policy.Wrap(tokens).RoundTrip(newRequest(t, http.MethodPost, nil).WithContext(req.Context()))
	})
	_, err = keys.Wrap(auth).RoundTrip(newRequest(t, http.MethodPost, nil))
	require.Error(t, err)
	require.Len(t, tokens.Calls(), 1)
}

// What is done between the decision and the wait is part of the wait.
func TestDrainIsPartOfTheWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := rttest.NewScript(rttest.Step{Status: 503, Body: "stuck", Drip: time.Hour}, rttest.Step{})
		_, err := roundTrip(t, retry.Config{Backoff: retry.Constant(150 * time.Millisecond)}, s, newRequest(t, http.MethodGet, nil))
		require.NoError(t, err)
		require.Equal(t, []time.Duration{150 * time.Millisecond}, waits(s.Calls()))
	})
}

func TestGetBodyErrorIsTold(t *testing.T) {
	t.Parallel()
	gone := errors.New("the file is gone")
	s := rttest.NewScript(rttest.Step{Err: errBroken})
	req := newRequest(t, http.MethodPut, strings.NewReader("payload"))
	req.GetBody = func() (io.ReadCloser, error) { return nil, gone }
	_, err := roundTrip(t, retry.Config{}, s, req)
	require.ErrorIs(t, err, gone)
	require.ErrorIs(t, err, errBroken)
}
